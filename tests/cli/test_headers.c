/* The command over weight files: --compare, --weights, --load-full-model, and files as MODEL. */
#include "../plugin/fixture.h"
#include <sys/wait.h>

static fixture f;
static char out[65536];

static void put_model(const char *folder, const char *type, unsigned layers)
{
    static const struct { const char *name; unsigned a, b; } tensor[] = {
        {"self_attn.q_proj.weight", 64, 64}, {"self_attn.k_proj.weight", 64, 64}, {"self_attn.v_proj.weight", 64, 64}, {"self_attn.o_proj.weight", 64, 64},
        {"mlp.gate_proj.weight", 96, 64}, {"mlp.up_proj.weight", 96, 64}, {"mlp.down_proj.weight", 64, 96}, {"input_layernorm.weight", 64, 0},
        {"post_attention_layernorm.weight", 64, 0}, {"model.embed_tokens.weight", 32, 64}, {"model.norm.weight", 64, 0}, {"lm_head.weight", 32, 64}};
    static char header[65536];
    char path[200], config[400];
    unsigned long long at = 0, n = 1;
    FILE *file;
    strcpy(header, "{");
    for (unsigned i = 0; i < 12; i++)
        for (unsigned l = 0; l < (i < 9 ? layers : 1); l++) {
            unsigned long long bytes = 2ull * tensor[i].a * (tensor[i].b ? tensor[i].b : 1);
            char shape[32], layer[32] = "";
            snprintf(shape, sizeof shape, tensor[i].b ? "%u,%u" : "%u", tensor[i].a, tensor[i].b);
            if (i < 9)
                snprintf(layer, sizeof layer, "model.layers.%u.", l);
            n += (unsigned long long)snprintf(header + n, sizeof header - n, "%s\"%s%s\":{\"dtype\":\"F16\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}", n > 1 ? "," : "", layer,
                                              tensor[i].name, shape, at, at + bytes);
            at += bytes;
        }
    header[n++] = '}';
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    file = fopen(fixture_place(&f, path), "wb");
    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < 8; i++)
        fputc((int)(n >> 8 * i & 255), file);
    fwrite(header, 1, n, file);
    fclose(file);
    ck_assert_int_eq(truncate(f.path, (off_t)(8 + n + at)), 0);
    snprintf(config, sizeof config,
             "{\"model_type\":\"%s\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":2,"
             "\"num_attention_heads\":4,\"vocab_size\":32,\"torch_dtype\":\"float16\"}", type);
    snprintf(path, sizeof path, "%s/config.json", folder);
    fixture_write(&f, path, config);
}

/* Runs it in the folder; what it prints is in `out`, both streams. */
static int command(const char *program, const char *arguments)
{
    char line[1024];
    const char *slash = strrchr(GM_BINARY, '/');
    size_t n;
    int status;
    FILE *p;
    snprintf(line, sizeof line, "cd %s && HOME=/nonexistent LC_ALL=C.UTF-8 %.*s/%s %s 2>&1", f.root, (int)(slash - GM_BINARY), GM_BINARY, program, arguments);
    p = popen(line, "r");
    ck_assert_ptr_nonnull(p);
    n = fread(out, 1, sizeof out - 1, p);
    out[n] = '\0';
    status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void start(void)
{
    fixture_make(&f);
    put_model("same", "llama", 2);
    put_model("more", "llama", 3);
    put_model("new", "nobody-knows", 2);
    fixture_write(&f, "bare/config.json", "{\"model_type\":\"llama\"}");
}

static void stop(void) { fixture_remove(&f); }

static void says(const char *arguments, int code, const char *part)
{
    int got = command("gpumem", arguments);
    ck_assert_msg(got == code, "%s: code %d, not %d: %s", arguments, got, code, out);
    ck_assert_msg(strstr(out, part) != NULL, "%s: '%s' is not in: %s", arguments, part, out);
}

START_TEST(comparing)
{
    says("model same --compare", 0, "21 tensors are the same\nparameters: 74 048 by the architecture, 74 048 by the headers\n");
    says("model more --compare", 1, "  extra    model.layers.2.self_attn.q_proj.weight [64, 64]\n");
    says("model more --compare", 1, "21 tensors are the same, 0 are missing from the files, 9 are not of the architecture, 0 have another shape\n");
    says("model same --compare --param vocab_size=33", 1, "  shape    model.embed_tokens.weight [33, 64], in the files [32, 64]\n");
    says("model same --compare --param num_hidden_layers=3", 1, "  missing  model.layers.2.mlp.down_proj.weight [64, 96]\n");
    says("model more --compare --json", 1, "{\"kind\":\"extra\",\"name\":\"model.layers.2.input_layernorm.weight\",\"weights\":[64]}");
    says("model bare --compare", 3, "no weights are there");
}
END_TEST

START_TEST(headers)
{
    says("model same --weights headers", 0, "  parameters   74 048\n  stored       148 096 bytes, 0.14 MiB\n");
    says("model same --weights headers --json", 0, "\"weights\":{\"format\":\"safetensors\",\"quantization\":null,\"files\":1,\"tensors\":21,\"parameters\":74048,\"exact\":true");
    says("model same", 0, "family llama");
    says("same --weights headers --json", 0, "{\"id\":\"weights\",\"bytes\":148096,\"formula\":\"bytes of the headers, as loaded\",\"plugin\":\"weights\"}");
    says("same --weights config --json", 0, "{\"id\":\"weights\",\"bytes\":150016,");
    says("same --weights auto --json", 0, "{\"id\":\"weights\",\"bytes\":150016,");
    says("same --load-full-model --precision fp32", 0, "note: weights are those of the files");
    says("same --weights nothing", 2, "is not one of headers, config, auto");
    says("bare --weights headers", 3, "no weights are there");
    says("--hidden-size 64 --weights headers", 2, "a model of typed sizes has no weights");
}
END_TEST

START_TEST(unknown_families)
{
    says("model new", 0, "only the weights are counted");
    says("new", 0, "  stored       148 096 bytes");
    says("model new --weights config", 3, "unknown model type 'nobody-knows'");
    says("new --quiet", 3, "unknown model type 'nobody-knows'");
    says("new --check --memory 1GB", 3, "unknown model type 'nobody-knows'");
    says("model new --compare", 3, "unknown model type 'nobody-knows'");
}
END_TEST

START_TEST(files)
{
    says("model same/model.safetensors --weights headers", 0, "  dtype          tensors        parameters             bytes\n  F16                 21            74 048           148 096\n");
    says("model same/model.safetensors --compare", 0, "21 tensors are the same"); /* by the config.json beside it */
    says("infer same/model.safetensors --json", 0, "{\"id\":\"weights\",\"bytes\":148096,");
    fixture_place(&f, "alone/x");
    ck_assert_int_eq(command("gpumem", "model same/../alone"), 3);
    ck_assert_ptr_nonnull(strstr(out, "no weights are there"));
    says("same/model.safetensors --weights config", 2, "has weights only, and no config.json");
    fixture_write(&f, "bad.safetensors", "12345678{}");
    says("model bad.safetensors", 3, "the length of the header");
}
END_TEST

static void put_u64(FILE *file, unsigned long long v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fputc((int)(v >> 8 * i & 255), file);
}

static void put_name(FILE *file, const char *s)
{
    put_u64(file, strlen(s), 8);
    fputs(s, file);
}

/* A llama of one layer, of which only the embedding is there: 4-bit blocks. */
static void put_gguf(const char *name, const char *architecture)
{
    static const struct { const char *key; unsigned v; } key[] = {{"embedding_length", 64}, {"block_count", 1}, {"attention.head_count", 4}, {"feed_forward_length", 96},
                                                                  {"context_length", 128}, {"vocab_size", 32}};
    FILE *file = fopen(fixture_place(&f, name), "wb");
    long n;
    ck_assert_ptr_nonnull(file);
    fputs("GGUF", file);
    put_u64(file, 3, 4);
    put_u64(file, 1, 8);
    put_u64(file, 7, 8);
    put_name(file, "general.architecture");
    put_u64(file, 8, 4);
    put_name(file, architecture);
    for (unsigned i = 0; i < 6; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s.%s", architecture, key[i].key);
        put_name(file, text);
        put_u64(file, 4, 4);
        put_u64(file, key[i].v, 4);
    }
    put_name(file, "token_embd.weight");
    put_u64(file, 2, 4);
    put_u64(file, 64, 8);
    put_u64(file, 32, 8);
    put_u64(file, 2, 4);
    put_u64(file, 0, 8);
    n = (ftell(file) + 31) / 32 * 32 + 2048 / 32 * 18;
    fclose(file);
    ck_assert_int_eq(truncate(f.path, n), 0);
}

START_TEST(gguf)
{
    put_gguf("a.gguf", "llama");
    put_gguf("b/c.gguf", "nobody");
    says("infer a.gguf --json", 0, "{\"id\":\"weights\",\"bytes\":1152,");
    says("model a.gguf", 0, "family llama");
    says("model a.gguf --weights headers", 0, "  Q4_0                 1             2 048             1 152\n");
    says("model a.gguf --compare", 2, "GGUF files name their tensors otherwise");
    says("model b", 0, "no family is known for the GGUF architecture 'nobody'");
    says("b", 0, "  Q4_0                 1             2 048             1 152\n");
}
END_TEST

START_TEST(classic)
{
    static const char *const line[] = {"Loading model configuration from: same\nCounting parameters from the model's weights...\n"
                                       "Counted 74,048 parameters from the model's weights\nLoaded configuration:\n  Parameters: 74,048\n",
                                       "Model Weights                 :       0.00 GB\n"};
    ck_assert_int_eq(command("gpu_memory_calculator", "--model same --load-full-model"), 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_msg(strstr(out, line[i]) != NULL, "%s", out);
    ck_assert_int_eq(command("gpu_memory_calculator", "--model bare --load-full-model"), 3);
    ck_assert_ptr_nonnull(strstr(out, "no weights are there"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headers");
    TCase *tc = tcase_create("headers");
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, comparing);
    tcase_add_test(tc, headers);
    tcase_add_test(tc, unknown_families);
    tcase_add_test(tc, files);
    tcase_add_test(tc, gguf);
    tcase_add_test(tc, classic);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
