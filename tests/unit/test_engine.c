/* Engines: what is remembered of the tokens, and what fits. */
#include "models.h"
#include "../suite.h"

static gpumem_plan *asked(const char *json, gpumem_request r, gpumem_error *err)
{
    gpumem_model *model = model_of(json);
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    r.mode = GPUMEM_MODE_INFERENCE;
    r.precision = "bf16";
    if (gpumem_set_open(host, "default", &set, err) == GPUMEM_OK)
        gpumem_plan_new(host, model, set, &r, &plan, err);
    gpumem_set_free(set);
    if (plan == NULL)
        gpumem_model_free(model);
    return plan;
}

static gpumem_plan *plan_of(const char *json, const char *engine, const char *format, gpumem_error *err)
{
    return asked(json, (gpumem_request){.engine = engine, .cache_format = format}, err);
}

static void drop(gpumem_plan *plan)
{
    gpumem_model *model = (gpumem_model *)(uintptr_t)gpumem_plan_model(plan); /* made for the plan alone */
    gpumem_plan_free(plan);
    gpumem_model_free(model);
}

static gpumem_result result_of(const char *json, gpumem_request r, uint64_t batch, uint64_t tokens)
{
    gpumem_error err = {0};
    gpumem_plan *plan = asked(json, r, &err);
    gpumem_result result;
    ck_assert_msg(plan != NULL, "%s: %s", json, error_text(&err));
    ck_assert_msg(gpumem_plan_warning(plan) == NULL, "%s: %s", json, gpumem_plan_warning(plan));
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &(gpumem_point){batch, tokens}, &result, &err), GPUMEM_OK);
    drop(plan);
    return result;
}

/* Of a model whose operators the engine's rules do not all know. */
static uint64_t cache_in_notes(const char *json, uint64_t tokens, const char *engine)
{
    gpumem_error err = {0};
    gpumem_plan *plan = plan_of(json, engine, NULL, &err);
    gpumem_result result;
    ck_assert_msg(plan != NULL, "%s: %s", json, error_text(&err));
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &(gpumem_point){1, tokens}, &result, &err), GPUMEM_OK);
    drop(plan);
    return result.cache;
}

static uint64_t cache_in(const char *json, uint64_t batch, uint64_t tokens, const char *engine, const char *format)
{
    return result_of(json, (gpumem_request){.engine = engine, .cache_format = format}, batch, tokens).cache;
}

static uint64_t cache_of(const char *json, uint64_t tokens) { return cache_in(json, 1, tokens, "ideal", NULL); }

#define QWEN3_4B \
    "{\"model_type\":\"qwen3\",\"hidden_size\":2560,\"num_hidden_layers\":36,\"num_attention_heads\":32,\"num_key_value_heads\":8,\"head_dim\":128," \
    "\"intermediate_size\":9728,\"vocab_size\":151936,\"tie_word_embeddings\":true}"

#define GEMMA3_27B \
    "{\"model_type\":\"gemma3_text\",\"hidden_size\":5376,\"num_hidden_layers\":62,\"num_attention_heads\":32,\"num_key_value_heads\":16," \
    "\"head_dim\":128,\"intermediate_size\":21504,\"sliding_window\":1024}"

START_TEST(known_traps)
{
    /* a head is not hidden / heads wide: 2 x 8 heads x 128 x 2 bytes, 36 layers: 1.125 GiB */
    ck_assert_uint_eq(cache_of(QWEN3_4B, 8192), 2ull * 8 * 128 * 2 * 36 * 8192);
    /* a latent of 512 and a rotated key of 64 in each of 61 layers: 0.536 GiB */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"deepseek_v3\"}", 8192), 61ull * (512 + 64) * 2 * 8192);
    /* Gemma 3 27B: each sixth of 62 layers sees all, the others 1,024 tokens: 10.4 GiB at 131,072 */
    ck_assert_uint_eq(cache_of(GEMMA3_27B, 131072),
                      2ull * 16 * 128 * 2 * (10ull * 131072 + 52ull * 1024));
    /* one full layer in four, the others with states: convolution [8192, 4] in 16 bits, recurrence [32, 128, 128] in 32 */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"qwen3_next\"}", 8192), 12ull * 2 * 2 * 256 * 2 * 8192 + 36ull * (8192 * 4 * 2 + 32 * 128 * 128 * 4));
    /* Qwen3.5: 8 of 32 layers see all, with 4 heads 256 wide; convolution [8192, 4], recurrence [32, 128, 128] in 32 bits */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"qwen3_5_text\"}", 8192), 8ull * 2 * 4 * 256 * 2 * 8192 + 24ull * (8192 * 4 * 2 + 32 * 128 * 128 * 4));
    /* the last 15 of 35 layers read keys and values of others; of the first 20 each fifth sees all */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"gemma3n_text\"}", 8192), 2ull * 2 * 256 * 2 * (4ull * 8192 + 16ull * 512));
    /* three sequences have three */
    ck_assert_uint_eq(cache_in(QWEN3_4B, 3, 100, "ideal", NULL), 3 * cache_of(QWEN3_4B, 100));
}
END_TEST

/* Layers that differ: what each of them remembers, and no more. */
START_TEST(layers_of_their_own)
{
    /* DeciLM: heads of keys by layer, 128 wide (4096 / 32): 4 + 4 + 2 + 1 */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"deci\",\"num_hidden_layers\":4,\"num_key_value_heads_per_layer\":[4,4,2,1]}", 8192),
                      2ull * (4 + 4 + 2 + 1) * 128 * 2 * 8192);
    /* Nemotron NAS: groups of 8 and of 4 of 32 heads, and a layer without attention: 4 + 0 + 8 heads */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"nemotron-nas\",\"hidden_size\":4096,\"num_attention_heads\":32,\"num_hidden_layers\":3,\"vocab_size\":100,\"block_configs\":["
                               "{\"attention\":{\"n_heads_in_group\":8},\"ffn\":{\"ffn_mult\":1.0}},{\"attention\":{\"no_op\":true},\"ffn\":{\"ffn_mult\":1.0}},"
                               "{\"attention\":{\"n_heads_in_group\":4},\"ffn\":{\"ffn_mult\":1.0}}]}", 8192), 2ull * (4 + 8) * 128 * 2 * 8192);
    /* Laguna: heads of queries by layer change nothing: 8 heads of keys in both */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"laguna\",\"num_hidden_layers\":2,\"num_attention_heads_per_layer\":[48,24]}", 8192), 2ull * 2 * 8 * 128 * 2 * 8192);
    /* MiMo V2 Flash: keys 192 wide, values 128; 9 of 48 layers see all, with 4 heads; the others 129 tokens, with 8 */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"mimo_v2_flash\"}", 8192), (192ull + 128) * 2 * (9ull * 4 * 8192 + 39ull * 8 * 129));
    /* DeepSeek V3.2: a latent of 512, a rotated key of 64 and the indexer's key of 128 in each of 61 layers */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"deepseek_v32\"}", 8192), 61ull * (512 + 64 + 128) * 2 * 8192);
    /* Gemma 4: the last 10 of 30 layers read keys and values of others; of the first 20 each sixth sees all, 512 wide, the others 512 tokens, 256 wide */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"gemma4_text\",\"num_kv_shared_layers\":10}", 8192), 2ull * 4 * 2 * (3ull * 512 * 8192 + 17ull * 256 * 512));
    /* LFM2: two short convolutions of 3 tokens, one attention with 8 heads 80 wide (2560 / 32) */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"lfm2\",\"num_hidden_layers\":3,\"layer_types\":[\"conv\",\"full_attention\",\"conv\"]}", 8192),
                      2ull * 8 * 80 * 2 * 8192 + 2ull * 2560 * 3 * 2);
    /* Jamba: each eighth of 32 layers attends; the others have a convolution of 4 tokens and, in 32 bits, 16 numbers for each of 8192 channels */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"jamba\"}", 8192), 4ull * 2 * 8 * 128 * 2 * 8192 + 28ull * (8192 * 4 * 2 + 8192 * 16 * 4));
    /* T5: 6 layers of the decoder with 8 heads 64 wide, of its own tokens and of the encoder's, which are as many */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"t5\"}", 512), 6ull * 2 * 2 * 8 * 64 * 2 * 512);
    /* Falcon 7B: 71 heads share one of keys and one of values */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"falcon\",\"hidden_size\":4544,\"num_attention_heads\":71,\"num_hidden_layers\":32,\"multi_query\":true}", 8192),
                      32ull * 2 * 1 * 64 * 2 * 8192);
    /* ZAYA: 2 heads 128 wide; two tokens of what is convolved, 10 heads; half of a value of the token before, in 512 bytes */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"zaya\"}", 8192), 40ull * (2 * 2 * 128 * 2 * 8192ull + 10 * 128 * 2 * 2 + 512));
    /* Inkling: each sixth of 66 layers sees all, with 8 heads, the others 512 tokens, with 16; four convolutions of 4 tokens in 32 bits, of keys and values
     * and twice of 6144 */
    ck_assert_uint_eq(cache_of("{\"model_type\":\"inkling_text\"}", 8192),
                      11ull * (2 * 8 * 128 * 2 * 8192ull + (2 * 1024 + 2 * 6144) * 4 * 4) + 55ull * (2 * 16 * 128 * 2 * 512 + (2 * 2048 + 2 * 6144) * 4 * 4));
}
END_TEST

START_TEST(formats_and_pages)
{
    uint64_t elements = 2ull * 8 * 128 * 36;
    gpumem_error err = {0};
    ck_assert_uint_eq(cache_in(QWEN3_4B, 1, 8192, "ideal", "fp8"), elements * 8192);
    ck_assert_uint_eq(cache_in(QWEN3_4B, 1, 8192, "ideal", "q8_0"), elements * 8192 / 32 * 34);
    ck_assert_uint_eq(cache_in(QWEN3_4B, 1, 8192, "llama.cpp", "q4_0"), elements * 8192 / 32 * 18);
    ck_assert_uint_eq(cache_in(QWEN3_4B, 1, 8193, "vllm", NULL), elements * 2 * 8208); /* pages of 16 */
    /* windows of 1,024 in 52 of 62 layers: pages for min(1023 + 8192, tokens), and one more (v1/kv_cache_interface.py, SlidingWindowSpec) */
    ck_assert_uint_eq(cache_in(GEMMA3_27B, 1, 131072, "vllm", NULL), 2ull * 16 * 128 * 2 * (10ull * 131072 + 52ull * 577 * 16));
    ck_assert_uint_eq(cache_in(GEMMA3_27B, 1, 100, "vllm", NULL), 2ull * 16 * 128 * 2 * (10ull * 112 + 52ull * 128));
    ck_assert_uint_eq(cache_in(QWEN3_4B, 1, 8193, "llama.cpp", NULL), elements * 2 * 8448); /* cells of 256 */
    /* states of llama.cpp are float32: convolution [8192, 4], recurrence [32, 128, 128], in 36 of 48 layers; the others have 2 heads 256 wide */
    ck_assert_uint_eq(cache_in_notes("{\"model_type\":\"qwen3_next\"}", 8192, "llama.cpp"), 12ull * 2 * 2 * 256 * 2 * 8192 + 36ull * (8192 * 4 * 4 + 32 * 128 * 128 * 4));
    ck_assert_ptr_null(plan_of(QWEN3_4B, "vllm", "q4_0", &err));
    ck_assert_int_eq(err.status, GPUMEM_EUNSUP);
    ck_assert_msg(strstr(error_text(&err), "fp8") != NULL, "%s", error_text(&err));
    memset(&err, 0, sizeof err);
    ck_assert_ptr_null(plan_of(QWEN3_4B, "nobody", NULL, &err));
    ck_assert_int_eq(err.status, GPUMEM_EUNKNOWN);
}
END_TEST

static uint64_t offloaded(const char *json, uint32_t layers, uint64_t tokens, uint64_t *weights)
{
    gpumem_result r = result_of(json, (gpumem_request){.engine = "llama.cpp", .gpu_layers = layers}, 1, tokens);
    *weights = r.line[0]; /* parameters */
    return r.cache;
}

START_TEST(layers_on_the_host)
{
    /* Qwen3 4B: a layer has q and o 2560 x 4096, k and v 2560 x 1024, three of 2560 x 9728, norms of 2560 twice, and two of 128, in 32 bits */
    const uint64_t layer = 2ull * (2 * 2560 * 4096 + 2 * 2560 * 1024 + 3 * 2560 * 9728) + 4 * (2 * 2560 + 2 * 128), cell = 2ull * 8 * 128 * 2, embed = 2ull * 151936 * 2560;
    uint64_t weights, all = 0;
    gpumem_error err = {0};
    /* llama-model.cpp, load_tensors: layers from n_layer + 1 - N on; the first of the N is the output, the last norm and a copy of the tied embeddings */
    const uint64_t output = embed + 4 * 2560;
    ck_assert_uint_eq(offloaded(QWEN3_4B, 10, 8192, &weights), 9 * cell * 8192);
    ck_assert_uint_eq(weights, 9 * layer + output);
    ck_assert_uint_eq(offloaded(QWEN3_4B, 1, 8192, &weights), 0);
    ck_assert_uint_eq(weights, output);
    ck_assert_uint_eq(offloaded(QWEN3_4B, 37, 8192, &all), 36 * cell * 8192);
    ck_assert_uint_eq(all, 36 * layer + output);
    ck_assert_uint_eq(offloaded(QWEN3_4B, 0, 8192, &weights), 36 * cell * 8192); /* by default all of them */
    ck_assert_uint_eq(weights, all);
    /* a head of its own: then the embeddings stay on the host */
    offloaded("{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"vocab_size\":1000}", 0, 512, &all);
    ck_assert_uint_eq(all, result_of("{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"vocab_size\":1000}", (gpumem_request){.engine = "vllm"}, 1, 512).line[0] - 1000ull * 4096 * 2 + 5 * 4096 * 2); /* five norms are wider */
    /* windows of 1024 have room for a micro-batch of 512, in cells of 256; those that see all are rounded up to cells: 8193 to 8448 */
    ck_assert_uint_eq(offloaded(GEMMA3_27B, 0, 8193, &weights), 2ull * 16 * 128 * 2 * (10ull * 8448 + 52ull * 1536));
    ck_assert_ptr_null(asked(QWEN3_4B, (gpumem_request){.engine = "vllm", .gpu_layers = 8}, &err));
    ck_assert_int_eq(err.status, GPUMEM_EUNSUP);
    ck_assert_msg(strstr(error_text(&err), "the engine 'vllm' has all layers on the GPU") != NULL, "%s", error_text(&err));
}
END_TEST

static gpumem_result fixed_at(const char *json, uint64_t cells, uint64_t tokens)
{
    return result_of(json, (gpumem_request){.attention = "eager", .static_cache = cells}, 1, tokens);
}

START_TEST(static_caches)
{
    static const char windows[] = "{\"model_type\":\"mistral\",\"hidden_size\":256,\"num_hidden_layers\":6,\"num_attention_heads\":8,\"num_key_value_heads\":2,"
                                  "\"intermediate_size\":512,\"vocab_size\":1000,\"sliding_window\":128}";
    static const char whole[] = "{\"model_type\":\"llama\",\"hidden_size\":256,\"num_hidden_layers\":6,\"num_attention_heads\":8,\"num_key_value_heads\":2,"
                                "\"intermediate_size\":512,\"vocab_size\":1000}";
    const uint64_t token = 6ull * 2 * 2 * 32 * 2; /* 6 layers, keys and values, 2 heads 32 wide */
    /* for 4096 tokens at once, however few there are; for one more than there are at least; and how many they are, a number on the device */
    ck_assert_uint_eq(fixed_at(whole, 4096, 100).cache, token * 4096 + 6 * 512);
    ck_assert_uint_eq(fixed_at(whole, 4096, 1000).cache, token * 4096 + 6 * 512);
    ck_assert_uint_eq(fixed_at(whole, 16, 1023).cache, token * 1024 + 6 * 512);
    /* a window has no more than its tokens */
    ck_assert_uint_eq(fixed_at(windows, 4096, 1000).cache, token * 128 + 6 * 512);
    ck_assert_uint_eq(fixed_at(windows, 64, 63).cache, token * 64 + 6 * 512);
    /* one token more attends to all of it: scores of 8 heads, but keeps nothing */
    ck_assert_uint_gt(fixed_at(whole, 4096, 100).phase[4], fixed_at(whole, 0, 100).phase[4] + 8 * 3996 * 2);
}
END_TEST

#define TINY \
    "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":6,\"num_attention_heads\":4,\"num_key_value_heads\":2," \
    "\"vocab_size\":100}"

static uint64_t total(const gpumem_plan *plan, uint64_t batch, uint64_t tokens)
{
    gpumem_result r;
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &(gpumem_point){batch, tokens}, &r, NULL), GPUMEM_OK);
    return r.total;
}

/* As far as a walk from one on goes. */
START_TEST(most_is_what_brute_force_finds)
{
    static const char *const engines[] = {"transformers", "ideal", "vllm", "vllm-0.17", "llama.cpp"};
    for (size_t k = 0; k < sizeof engines / sizeof *engines; k++) {
        gpumem_error err = {0};
        gpumem_plan *plan = plan_of(TINY, engines[k], NULL, &err);
        uint64_t base = total(plan, 1, 1);
        ck_assert_msg(plan != NULL, "%s", error_text(&err));
        for (uint64_t more = 0; more < 4000000; more += 777777) {
            uint64_t budget = base + more, tokens = 0, sequences = 0, found;
            while (total(plan, 2, tokens + 1) <= budget)
                tokens++;
            while (total(plan, sequences + 1, 7) <= budget)
                sequences++;
            ck_assert_int_eq(gpumem_plan_most(plan, &(gpumem_point){2, 1}, budget, true, &found, &err), GPUMEM_OK);
            ck_assert_msg(found == tokens, "%s, %llu bytes: %llu tokens, not %llu", engines[k], (unsigned long long)budget, (unsigned long long)found,
                          (unsigned long long)tokens);
            ck_assert_int_eq(gpumem_plan_most(plan, &(gpumem_point){1, 7}, budget, false, &found, &err), GPUMEM_OK);
            ck_assert_uint_eq(found, sequences);
        }
        ck_assert_int_eq(gpumem_plan_most(plan, &(gpumem_point){1, 1}, base - 1, true, &base, &err), GPUMEM_OK);
        ck_assert_uint_eq(base, 0); /* not even one */
        drop(plan);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *c = tcase_of(s, "engine", host_make, host_drop);
    tcase_add_test(c, known_traps);
    tcase_add_test(c, layers_of_their_own);
    tcase_add_test(c, formats_and_pages);
    tcase_add_test(c, layers_on_the_host);
    tcase_add_test(c, static_caches);
    tcase_add_test(c, most_is_what_brute_force_finds);
    return run_suite(s);
}
