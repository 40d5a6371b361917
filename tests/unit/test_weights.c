/* core/source/weights: files of a folder, quantised checkpoints, and the golden rows: what real repositories' headers amount to, made up
 * from their layouts (reference/hub.md, sections 5 and 6). */
#include "headers.h"
#include "models.h"
#include "source/weights_private.h"
#include "text/json.h"

static folder in;
static gpumem_weights *w;

static void start(void)
{
    folder_make(&in);
    host_make();
    w = NULL;
}

static void stop(void)
{
    gpumem_weights_free(w);
    folder_drop(&in);
    host_drop();
}

static void forget(void)
{
    folder_drop(&in);
    in.nfile = 0;
}

static void opens_file(const char *file, const char *config)
{
    gm_arena arena = {0};
    gm_value root;
    gpumem_error e = {0};
    if (config)
        ck_assert_int_eq(gm_json_parse(&arena, "config.json", config, strlen(config), &root, &e), GPUMEM_OK);
    gpumem_weights_free(w);
    ck_assert_msg(gm_weights_open(&in.opener, file, config ? &root : NULL, &w, &e) == GPUMEM_OK, "%s: %s", e.file, e.message);
    gm_arena_free(&arena);
}

static void opens(const char *config) { opens_file(NULL, config); }

static void fails(gpumem_status status, const char *part)
{
    gpumem_error e = {0};
    ck_assert_int_eq(gm_weights_open(&in.opener, NULL, NULL, &w, &e), status);
    ck_assert_ptr_null(w);
    ck_assert_msg(strstr(error_text(&e), part) != NULL, "'%s' is not in: %s", part, error_text(&e));
    ck_assert_int_eq(gm_weights_open(&in.opener, NULL, NULL, &w, NULL), status);
}

static uint64_t of_dtype(const char *name)
{
    const gpumem_weights_dtype *row;
    size_t n = gpumem_weights_dtypes(w, &row);
    for (size_t i = 0; i < n; i++)
        if (strcmp(row[i].name, name) == 0)
            return row[i].parameters;
    return 0;
}

static const gpumem_weight *tensor(const char *name)
{
    const gpumem_weight *t;
    size_t n = gpumem_weights_tensors(w, &t);
    for (size_t i = 0; i < n; i++)
        if (strcmp(t[i].name, name) == 0)
            return &t[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

static char *named(const char *format, ...)
{
    static char text[16][256];
    static unsigned i;
    va_list args;
    i = (i + 1) % 16;
    va_start(args, format);
    vsnprintf(text[i], sizeof text[i], format, args);
    va_end(args);
    return text[i];
}

/* ---- folders ---------------------------------------------------------------------------------------------------------------- */

START_TEST(one_file)
{
    made *m = st_begin(&in, "model.safetensors");
    const gpumem_weights_totals *sum;
    st_put(m, "a.weight", "F32", 4LL, 8LL, -1LL);
    st_put(m, "a.bias", "F16", 4LL, -1LL);
    st_put(m, "ids", "I64", 1LL, 3LL, -1LL);
    st_put(m, "scale", "F32", -1LL);
    st_put(m, "counter", "I64", -1LL);
    st_end(m);
    opens(NULL);
    sum = gpumem_weights_sum(w);
    ck_assert_uint_eq(sum->parameters, 32 + 4 + 3 + 1); /* a counter is none; a scalar that is learnt is one */
    ck_assert_uint_eq(sum->stored, 128 + 8 + 24 + 4 + 8);
    ck_assert_uint_eq(sum->loaded, sum->stored);
    ck_assert_str_eq(sum->rule, "as stored: no config says a dtype");
    ck_assert_str_eq(sum->format, "safetensors");
    ck_assert_ptr_null(sum->quantisation);
    ck_assert(sum->exact);
    ck_assert_uint_eq(sum->files, 1);
    ck_assert_uint_eq(sum->tensors, 5);
    ck_assert_uint_eq(of_dtype("F32"), 33);
    ck_assert_uint_eq(tensor("a.weight")->dim[1], 8);
    opens("{\"torch_dtype\": \"bfloat16\"}");
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, 2 * 37 + 24 + 8);
    ck_assert_str_eq(gpumem_weights_sum(w)->rule, "floating-point tensors in the config's bfloat16, others as stored");
    folder_add(&in, "config.json", "{\"dtype\": \"float32\"}");
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, 4 * 37 + 24 + 8);
}
END_TEST

static void two_shards(const char *index)
{
    made *m;
    folder_add(&in, "model.safetensors.index.json", index);
    m = st_begin(&in, "model-00001-of-00002.safetensors");
    st_put(m, "a", "BF16", 10LL, -1LL);
    st_put(m, "both", "BF16", 7LL, -1LL);
    st_end(m);
    m = st_begin(&in, "model-00002-of-00002.safetensors");
    st_put(m, "b", "BF16", 20LL, -1LL);
    st_put(m, "both", "BF16", 9LL, -1LL);
    st_end(m);
}

#define ONE "model-00001-of-00002.safetensors"
#define TWO "model-00002-of-00002.safetensors"
START_TEST(shards)
{
    two_shards("{\"metadata\": {\"total_size\": \"12\", \"x\": [1, {\"y\": null}]}, \"weight_map\": {\"a\": \"" ONE "\", \"both\": \"" TWO "\", \"b\": \"" TWO "\"}}");
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 39); /* `both` once, where the index says */
    ck_assert_uint_eq(gpumem_weights_sum(w)->files, 2);
    ck_assert_str_eq(tensor("both")->file, TWO);
    ck_assert_uint_eq(in.nexpected, 2);
    ck_assert_uint_eq(in.file[1].opened, 1);
}
END_TEST

START_TEST(not_in_index)
{
    const char *const *warning;
    two_shards("{\"weight_map\": {\"a\": \"" ONE "\", \"both\": \"" ONE "\", \"new\": \"" TWO "\", \"c\": \"" TWO "\"}}");
    fails(GPUMEM_ESYNTAX, "2 tensors of the index are in no shard: 'c' and others");
    forget();
    two_shards("{\"metadata\": null, \"weight_map\": {\"a\": \"" ONE "\", \"both\": \"" TWO "\"}}");
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 39);
    ck_assert_uint_eq(gpumem_weights_warnings(w, &warning), 1);
    ck_assert_ptr_nonnull(strstr(warning[0], "1 tensors of the shards are not in the index"));
}
END_TEST

START_TEST(missing_shards)
{
    two_shards("{\"weight_map\": {\"a\": \"" ONE "\", \"b\": \"x-3.safetensors\", \"c\": \"x-4.safetensors\", \"d\": \"x-5.safetensors\", \"e\": \"x-6.safetensors\"}}");
    fails(GPUMEM_EIO, "4 of 5 shards are missing: x-3.safetensors, x-4.safetensors, x-5.safetensors, ...");
}
END_TEST

START_TEST(bad_index)
{
    static const struct { const char *text, *part; gpumem_status status; } row[] = {
        {"", "an index, an object, expected, but the text ends", GPUMEM_ESYNTAX}, {"[]", "an index, an object, expected, not '['", GPUMEM_ESYNTAX},
        {"{}", "the index has no weight_map", GPUMEM_ESYNTAX}, {"{\"weight_map\": []}", "weight_map, an object, expected", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": 1}}", "the name of a file, a string, expected", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"x.safetensors\", \"a\": \"x.safetensors\"}}", "'a' is there twice", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {}, \"weight_map\": {}}", "weight_map is there twice", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {}} x", "the end of the text expected, not 'x'", GPUMEM_ESYNTAX}, {"{\"weight_map\": {},}", "weight_map or metadata", GPUMEM_ESYNTAX},
        {"{\"metadata\": {\"a\": [1,]}, \"weight_map\": {}}", "a value expected, not ']'", GPUMEM_ESYNTAX},
        {"{\"metadata\": tru, \"weight_map\": {}}", "a value expected, not 't'", GPUMEM_ESYNTAX},
        {"{\"metadata\": {\"a\": 01}, \"weight_map\": {}}", "a number expected", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"../x.safetensors\"}}", "'../x.safetensors' is no name of a file in this folder", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"y/../../x.safetensors\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"y\\\\..\\\\x.safetensors\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"\\\\\\\\host\\\\x\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"C:x.safetensors\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"http://host/x\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"\"}}", "is no name of a file", GPUMEM_ESYNTAX}, {"{\"weight_map\": {\"a\": \"..\"}}", "is no name of a file", GPUMEM_ESYNTAX},
        {"{\"weight_map\": {\"a\": \"..x.safetensors\"}}", "1 of 1 shards is missing: ..x.safetensors", GPUMEM_EIO},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        forget();
        folder_add(&in, "model.safetensors.index.json", row[i].text);
        fails(row[i].status, row[i].part);
    }
}
END_TEST

START_TEST(no_weights)
{
    fails(GPUMEM_EIO, "no weights are there");
}
END_TEST

/* ---- .bin and components --------------------------------------------------------------------------------------------------------- */

START_TEST(bin_index)
{
    folder_add(&in, "pytorch_model.bin.index.json", "{\"metadata\": {\"total_size\": 2000}, \"weight_map\": {\"a\": \"b-1.bin\", \"c\": \"b-2.bin\"}}");
    opens("{\"torch_dtype\": \"float16\"}");
    ck_assert_str_eq(gpumem_weights_sum(w)->format, "bin");
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 2000);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 1000);
    ck_assert(!gpumem_weights_sum(w)->exact);
    ck_assert_uint_eq(gpumem_weights_sum(w)->files, 2);
}
END_TEST

static void le(made *m, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        made_put(m, &(char){(char)(i < 8 ? v >> 8 * i : 0)}, 1);
}

static void zip_entry(made *m, const char *name, uint64_t size, bool wide)
{
    le(m, 0x02014b50, 4);
    le(m, 0, 16);
    le(m, wide ? UINT32_MAX : size, 4);
    le(m, wide ? UINT32_MAX : size, 4);
    le(m, strlen(name), 2);
    le(m, wide ? 20 : 0, 2);
    le(m, 0, 14);
    made_put(m, name, strlen(name));
    if (wide) {
        le(m, 1, 2);
        le(m, 16, 2);
        le(m, size, 8);
        le(m, size, 8);
    }
}

START_TEST(bin_file)
{
    made *m = folder_add(&in, "pytorch_model.bin", "PK\003\004............................");
    const char *const *warning;
    uint64_t at = m->n, size;
    zip_entry(m, "archive/data.pkl", 5, false);
    zip_entry(m, "archive/data/0", 8, false);
    zip_entry(m, "archive/data/17", 24, true);
    zip_entry(m, "archive/version", 2, false);
    size = m->n - at;
    le(m, 0x06054b50, 4);
    le(m, 0, 4);
    le(m, 4, 2);
    le(m, 4, 2);
    le(m, size, 4);
    le(m, at, 4);
    le(m, 0, 2);
    m->size = m->n;
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 32);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 8);
    ck_assert_uint_eq(gpumem_weights_warnings(w, &warning), 0);
    m->text[at] = 'x'; /* no directory: the file as a whole */
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, m->size);
    ck_assert_uint_eq(gpumem_weights_warnings(w, &warning), 1);
}
END_TEST

START_TEST(pipeline)
{
    made *m;
    folder_add(&in, "model_index.json", "{\"_class_name\": \"X\", \"unet\": [\"diffusers\", \"UNet\"], \"text_encoder\": [\"transformers\", \"CLIPTextModel\"],"
                                        "\"scheduler\": [\"diffusers\", \"DDIMScheduler\"], \"safety\": [null, null], \"../up\": [\"x\", \"Y\"], \"vae\": [\"diffusers\", \"V\"]}");
    m = st_begin(&in, "unet/diffusion_pytorch_model.safetensors");
    st_put(m, "w", "F32", 5LL, -1LL);
    st_end(m);
    m = st_begin(&in, "text_encoder/model.safetensors");
    st_put(m, "w", "F16", 6LL, -1LL);
    st_end(m);
    folder_add(&in, "text_encoder/config.json", "{\"torch_dtype\": \"float32\"}");
    folder_add(&in, "vae/diffusion_pytorch_model.safetensors.index.json", "{\"weight_map\": {\"v\": \"s.safetensors\"}}");
    m = st_begin(&in, "vae/s.safetensors");
    st_put(m, "v", "F32", 7LL, -1LL);
    st_end(m);
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 18);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 60);
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, 72);
    ck_assert_uint_eq(gpumem_weights_sum(w)->files, 3);
    ck_assert_str_eq(tensor("v")->component, "vae");
    ck_assert_str_eq(tensor("v")->file, "vae/s.safetensors");
}
END_TEST

START_TEST(sentences)
{
    made *m = st_begin(&in, "model.safetensors");
    st_put(m, "w", "F32", 5LL, -1LL);
    st_end(m);
    folder_add(&in, "modules.json", "[{\"path\": \"\"}, {\"path\": \"1_Pooling\"}, {\"path\": \"2_Dense\"}, {\"path\": \"../x\"}, 3]");
    m = st_begin(&in, "2_Dense/model.safetensors");
    st_put(m, "linear.weight", "F32", 6LL, -1LL);
    st_end(m);
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 11);
    ck_assert_str_eq(tensor("linear.weight")->component, "2_Dense");
}
END_TEST

START_TEST(local)
{
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}xy";
    char path[PATH_MAX];
    gpumem_error e = {0};
    FILE *file;
    const char *const names[] = {"one/odd.safetensors", "two/model.safetensors", "two/other.safetensors", "three/a.safetensors", "three/b.safetensors"};
    for (unsigned i = 0; i < 5; i++) {
        file = fopen(fixture_place(&f, names[i]), "wb");
        fwrite((char[8]){(char)(sizeof header - 3)}, 1, 8, file);
        fwrite(header, 1, sizeof header - 1, file);
        fclose(file);
    }
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f.root, i == 0 ? "one" : i == 1 ? "two/" : "three/b.safetensors");
        ck_assert_msg(gpumem_weights_open_local(host, path, NULL, &w, &e) == GPUMEM_OK, "%s", e.message);
        ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 2);
        gpumem_weights_free(w);
    }
    snprintf(path, sizeof path, "%s/three", f.root);
    ck_assert_int_eq(gpumem_weights_open_local(host, path, NULL, &w, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "2 files with weights: name one of them");
    e = (gpumem_error){0};
    ck_assert_int_eq(gpumem_weights_open_local(host, f.root, NULL, &w, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "no weights are there");
    e = (gpumem_error){0};
    snprintf(path, sizeof path, "%s/none", f.root);
    ck_assert_int_eq(gpumem_weights_open_local(host, path, NULL, &w, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, "no such file");
}
END_TEST

/* ---- golden rows ------------------------------------------------------------------------------------------------------------------- */

START_TEST(golden_bert)
{
    static const long long h = 768;
    made *m = st_begin(&in, "model.safetensors");
    st_put(m, "bert.embeddings.word_embeddings.weight", "F32", 30522LL, h, -1LL);
    st_put(m, "bert.embeddings.position_embeddings.weight", "F32", 512LL, h, -1LL);
    st_put(m, "bert.embeddings.token_type_embeddings.weight", "F32", 2LL, h, -1LL);
    st_put(m, "bert.embeddings.LayerNorm.gamma", "F32", h, -1LL);
    st_put(m, "bert.embeddings.LayerNorm.beta", "F32", h, -1LL);
    for (int i = 0; i < 12; i++) {
        static const struct { const char *name; long long out, in; } linear[] = {
            {"attention.self.query", 768, 768}, {"attention.self.key", 768, 768}, {"attention.self.value", 768, 768},
            {"attention.output.dense", 768, 768}, {"intermediate.dense", 3072, 768}, {"output.dense", 768, 3072}};
        static const char *const norm[] = {"attention.output.LayerNorm", "output.LayerNorm"};
        for (unsigned k = 0; k < 6; k++) {
            st_put(m, named("bert.encoder.layer.%d.%s.weight", i, linear[k].name), "F32", linear[k].out, linear[k].in, -1LL);
            st_put(m, named("bert.encoder.layer.%d.%s.bias", i, linear[k].name), "F32", linear[k].out, -1LL);
        }
        for (unsigned k = 0; k < 2; k++) {
            st_put(m, named("bert.encoder.layer.%d.%s.gamma", i, norm[k]), "F32", h, -1LL);
            st_put(m, named("bert.encoder.layer.%d.%s.beta", i, norm[k]), "F32", h, -1LL);
        }
    }
    st_put(m, "bert.pooler.dense.weight", "F32", h, h, -1LL);
    st_put(m, "bert.pooler.dense.bias", "F32", h, -1LL);
    st_put(m, "cls.predictions.bias", "F32", 30522LL, -1LL);
    st_put(m, "cls.predictions.transform.dense.weight", "F32", h, h, -1LL);
    st_put(m, "cls.predictions.transform.dense.bias", "F32", h, -1LL);
    st_put(m, "cls.predictions.transform.LayerNorm.gamma", "F32", h, -1LL);
    st_put(m, "cls.predictions.transform.LayerNorm.beta", "F32", h, -1LL);
    st_put(m, "cls.seq_relationship.weight", "F32", 2LL, h, -1LL);
    st_put(m, "cls.seq_relationship.bias", "F32", 2LL, -1LL);
    st_end(m);
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 110106428);
    ck_assert_uint_eq(of_dtype("F32"), 110106428);
}
END_TEST

/* 72 shards: one a layer, and two. */
START_TEST(golden_bloom)
{
    static const long long h = 14336;
    gpumem_text index = {0};
    gpumem_text_puts(&index, "{\"weight_map\": {\"word_embeddings.weight\": \"s0.safetensors\"");
    for (int s = 0; s < 72; s++) {
        made *m = st_begin(&in, named("s%d.safetensors", s));
        if (s == 0) {
            st_put(m, "word_embeddings.weight", "BF16", 250880LL, h, -1LL);
            st_put(m, "word_embeddings_layernorm.weight", "BF16", 2LL, h, -1LL); /* and its bias */
        } else if (s == 71) {
            st_put(m, "ln_f.weight", "BF16", 2LL, h, -1LL);
        } else {
            st_put(m, named("h.%d.self_attention.query_key_value.weight", s - 1), "BF16", 3 * h, h, -1LL);
            st_put(m, named("h.%d.self_attention.dense.weight", s - 1), "BF16", h, h, -1LL);
            st_put(m, named("h.%d.mlp.dense_h_to_4h.weight", s - 1), "BF16", 4 * h, h, -1LL);
            st_put(m, named("h.%d.mlp.dense_4h_to_h.weight", s - 1), "BF16", h, 4 * h, -1LL);
            st_put(m, named("h.%d.biases_and_norms", s - 1), "BF16", 13 * h, -1LL);
        }
        st_end(m);
        if (s)
            gpumem_text_printf(&index, ", \"%s\": \"s%d.safetensors\"", s == 71 ? "ln_f.weight" : named("h.%d.self_attention.dense.weight", s - 1), s);
    }
    gpumem_text_puts(&index, "}}");
    folder_add(&in, "model.safetensors.index.json", index.s);
    gpumem_text_free(&index);
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->files, 72);
    ck_assert_uint_eq(of_dtype("BF16"), 176247271424);
    ck_assert_uint_eq(in.nexpected, 72);
}
END_TEST

/* One tensor of what a row says, where only the sum is known. */
static void golden_sum(const char *name, const char *dtype, uint64_t elements, const char *second, uint64_t more)
{
    made *m = st_begin(&in, "model.safetensors");
    st_put(m, name, dtype, (long long)elements, -1LL);
    if (second)
        st_put(m, "more", second, (long long)more, -1LL);
    st_end(m);
    opens(NULL);
    ck_assert_uint_eq(of_dtype(dtype), elements);
    if (second)
        ck_assert_uint_eq(of_dtype(second), more);
    forget();
}

START_TEST(golden_sums)
{
    golden_sum("roberta", "F32", 124697433, "I64", 514);
    golden_sum("unet", "F32", 859520964, NULL, 0);
    golden_sum("transformer", "BF16", 20430401088, NULL, 0);
}
END_TEST

typedef struct llama { long long layers, h, kv, ff, vocab; } llama;
static const llama llama8 = {32, 4096, 1024, 14336, 128256}, llama70 = {80, 8192, 1024, 28672, 128256};

/* Its linear layers as `put` writes them; the rest in `dtype`. */
static void put_llama(const llama *l, const char *dtype, void (*put)(made *m, const char *name, const char *dtype, long long out, long long in_))
{
    made *m = st_begin(&in, "model.safetensors");
    const struct { const char *name; long long out, in_; } linear[] = {
        {"self_attn.q_proj", l->h, l->h}, {"self_attn.k_proj", l->kv, l->h}, {"self_attn.v_proj", l->kv, l->h}, {"self_attn.o_proj", l->h, l->h},
        {"mlp.gate_proj", l->ff, l->h}, {"mlp.up_proj", l->ff, l->h}, {"mlp.down_proj", l->h, l->ff}};
    for (int i = 0; i < l->layers; i++) {
        for (unsigned k = 0; k < 7; k++)
            put(m, named("model.layers.%d.%s", i, linear[k].name), dtype, linear[k].out, linear[k].in_);
        st_put(m, named("model.layers.%d.input_layernorm.weight", i), dtype, l->h, -1LL);
        st_put(m, named("model.layers.%d.post_attention_layernorm.weight", i), dtype, l->h, -1LL);
    }
    st_put(m, "model.embed_tokens.weight", dtype, l->vocab, l->h, -1LL);
    st_put(m, "model.norm.weight", dtype, l->h, -1LL);
    st_put(m, "lm_head.weight", dtype, l->vocab, l->h, -1LL);
    st_end(m);
}

static void put_packed(made *m, const char *name, const char *dtype, long long out, long long in_)
{
    st_put(m, named("%s.weight_packed", name), "I32", out, in_ / 8, -1LL);
    st_put(m, named("%s.weight_scale", name), dtype, out, in_ / 128, -1LL);
    st_put(m, named("%s.weight_shape", name), "I64", 2LL, -1LL);
}

/* The 8B row of the table has one value more an output channel: biases, as its note says. */
static void put_packed_bias(made *m, const char *name, const char *dtype, long long out, long long in_)
{
    put_packed(m, name, dtype, out, in_);
    st_put(m, named("%s.bias", name), dtype, out, -1LL);
}

#define W4A16 "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"ignore\": [\"lm_head\"]," \
              "\"config_groups\": {\"group_0\": {\"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 4, \"group_size\": 128}}}}}"
START_TEST(golden_w4a16)
{
    put_llama(&llama8, "F16", put_packed_bias);
    opens(W4A16);
    ck_assert_uint_eq(of_dtype("I32"), 6979321856);
    ck_assert_uint_eq(of_dtype("F16"), 1052315648);
    ck_assert_uint_eq(of_dtype("I64"), 0);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 8031637504);
    ck_assert_str_eq(gpumem_weights_sum(w)->quantisation, "compressed-tensors");
    forget();
    put_llama(&llama70, "BF16", put_packed);
    opens(W4A16);
    ck_assert_uint_eq(of_dtype("I32"), 68451041280);
    ck_assert_uint_eq(of_dtype("BF16"), 2102665216);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 70553706496);
}
END_TEST

static void put_bnb(made *m, const char *name, const char *dtype, long long out, long long in_)
{
    static int n;
    long long size = out * in_;
    (void)dtype;
    st_put(m, named("%s.weight", name), "U8", size / 2, 1LL, -1LL);
    st_put(m, named("%s.weight.absmax", name), "U8", size / 64, -1LL);
    st_put(m, named("%s.weight.nested_absmax", name), "F32", size / 64 / 256, -1LL);
    st_put(m, named("%s.weight.nested_quant_map", name), "F32", 256LL, -1LL);
    st_put(m, named("%s.weight.quant_map", name), "F32", 16LL, -1LL);
    st_put(m, named("%s.weight.quant_state.bitsandbytes__nf4", name), "U8", n++ % 224 < 159 ? 173LL : 172LL, -1LL); /* 38 687 in all */
}

START_TEST(golden_bnb)
{
    put_llama(&llama8, "BF16", put_bnb);
    opens("{\"torch_dtype\": \"bfloat16\", \"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true, \"bnb_4bit_quant_type\": \"nf4\"}}");
    ck_assert_uint_eq(of_dtype("U8"), 6979321856);
    ck_assert_uint_eq(of_dtype("BF16"), 1050939392);
    ck_assert_uint_eq(of_dtype("F32"), 0);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 8030261248);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 5702577951 - 0);
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, 5702577951 - 38687);
    opens(NULL); /* and without a config, by the tensors */
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 8030261248);
    ck_assert_str_eq(gpumem_weights_sum(w)->quantisation, "bitsandbytes, by its tensors");
}
END_TEST

static void gpt_oss(long long layers, long long experts, uint64_t bf16)
{
    static const long long h = 2880;
    made *m = st_begin(&in, "model.safetensors");
    uint64_t rest = bf16;
    for (int i = 0; i < layers; i++) {
        st_put(m, named("block.%d.mlp.experts.gate_up_proj_blocks", i), "U8", experts, 2 * h, h / 32, 16LL, -1LL);
        st_put(m, named("block.%d.mlp.experts.gate_up_proj_scales", i), "U8", experts, 2 * h, h / 32, -1LL);
        st_put(m, named("block.%d.mlp.experts.down_proj_blocks", i), "U8", experts, h, h / 32, 16LL, -1LL);
        st_put(m, named("block.%d.mlp.experts.down_proj_scales", i), "U8", experts, h, h / 32, -1LL);
        st_put(m, named("block.%d.mlp.experts.gate_up_proj_bias", i), "BF16", experts, 2 * h, -1LL);
        rest -= (uint64_t)(experts * 2 * h);
    }
    st_put(m, "attention_and_embeddings", "BF16", (long long)rest, -1LL);
    st_end(m);
    opens("{\"quantization_config\": {\"quant_method\": \"mxfp4\", \"modules_to_not_convert\": [\"model.layers.*.self_attn\", \"model.layers.*.mlp.router\", \"model.embed_tokens\", \"lm_head\"]}}");
    ck_assert_uint_eq(of_dtype("U8"), (uint64_t)(layers * experts * 3 * h * h));
    ck_assert_uint_eq(of_dtype("BF16"), bf16);
}

START_TEST(golden_gpt_oss)
{
    gpt_oss(24, 32, 1804459584);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 20914757184);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 13761264768);
    ck_assert_uint_eq(of_dtype("U8"), 19110297600);
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 20914757184);
    forget();
    gpt_oss(36, 128, 2167371072);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 116829156672);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 65248815744);
    ck_assert_uint_eq(of_dtype("U8"), 114661785600);
}
END_TEST

/* Layers of routed experts as shards; the rest in one more. */
static void put_experts(const char *names, long long layers, long long experts, long long a, long long b, const char *container, long long each, const char *scale,
                        long long group, bool shapes, void (*rest)(made *m))
{
    gpumem_text index = {0};
    made *m;
    gpumem_text_puts(&index, "{\"weight_map\": {");
    for (int i = 0; i < layers; i++) {
        m = st_begin(&in, named("l%d.safetensors", i));
        for (int e = 0; e < experts; e++)
            for (int p = 0; p < 3; p++) {
                long long out = p == 2 ? b : a, inner = p == 2 ? a : b;
                char *base = named(names, i, e, p + 1), *weight = named("%s%s", base, scale[0] == 'F' ? "weight" : "weight_packed");
                st_put(m, weight, container, out, inner / each, -1LL);
                if (e == 0 && p == 0)
                    gpumem_text_printf(&index, "\"%s\": \"l%d.safetensors\", ", weight, i);
                st_put(m, named("%s%s", base, scale[0] == 'F' ? "scale" : "weight_scale"), scale[0] == 'F' ? "F8_E8M0" : scale, out, inner / group, -1LL);
                if (shapes)
                    st_put(m, named("%sweight_shape", base), "I32", 2LL, -1LL);
            }
        st_end(m);
    }
    m = st_begin(&in, "rest.safetensors");
    rest(m);
    st_end(m);
    gpumem_text_puts(&index, "\"rest\": \"rest.safetensors\"}}");
    folder_add(&in, "model.safetensors.index.json", index.s);
    gpumem_text_free(&index);
}

static void rest_k25(made *m)
{
    st_put(m, "rest", "BF16", 12193329648LL, -1LL);
    st_put(m, "language_model.model.layers.1.mlp.gate.e_score_correction_bias", "F32", 23040LL, -1LL);
}

static void rest_k3(made *m)
{
    st_put(m, "rest", "BF16", 57179884544LL, -1LL);
    st_put(m, "more", "F32", 11122432LL, -1LL);
}

static void rest_v4(made *m)
{
    st_put(m, "rest", "F8_E4M3", 23169335296LL, -1LL);
    st_put(m, "more", "BF16", 2816899328LL, -1LL);
    st_put(m, "gates", "F32", 87776414LL, -1LL);
    st_put(m, "layers.0.ffn.gate.tid2eid", "I64", 2327040LL, -1LL);
    st_put(m, "layers.0.attn.wq.scale", "F8_E8M0", 23169335296LL / 16384, -1LL);
}

START_TEST(golden_kimi_k25)
{
    put_experts("language_model.model.layers.%d.mlp.experts.%d.p%d.", 60, 384, 2048, 7168, "I32", 8, "BF16", 32, true, rest_k25);
    opens("{\"text_config\": {\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\","
          "\"ignore\": [\"lm_head\", \"re:.*self_attn.*\", \"re:.*shared_experts.*\"], \"config_groups\": {\"group_0\": {\"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 4}}}}}}");
    ck_assert_uint_eq(of_dtype("I32"), 1014686023680);
    ck_assert_uint_eq(of_dtype("BF16"), 12193329648);
    ck_assert_uint_eq(of_dtype("F32"), 23040);
}
END_TEST

START_TEST(golden_kimi_k3)
{
    put_experts("language_model.model.layers.%d.mlp.experts.%d.p%d.", 92, 896, 3584, 3072, "U8", 2, "U8", 32, false, rest_k3);
    opens("{\"text_config\": {\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"mxfp4-pack-quantized\", \"config_groups\":"
          "{\"group_0\": {\"format\": \"mxfp4-pack-quantized\", \"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 4, \"scale_dtype\": \"torch.uint8\"}}}}}}");
    ck_assert_uint_eq(of_dtype("U8"), 2722740830208);
    ck_assert_uint_eq(of_dtype("BF16"), 57179884544);
    ck_assert_uint_eq(of_dtype("F32"), 11122432);
}
END_TEST

START_TEST(golden_deepseek_v4)
{
    put_experts("layers.%d.ffn.experts.%d.w%d.", 62, 384, 3072, 7168, "I8", 2, "F8_E8M0", 32, false, rest_v4);
    opens("{\"expert_dtype\": \"fp4\", \"quantization_config\": {\"quant_method\": \"fp8\", \"scale_fmt\": \"ue8m0\", \"weight_block_size\": [128, 128]}}");
    ck_assert_uint_eq(of_dtype("I8"), 1572763336704);
    ck_assert_uint_eq(of_dtype("F8_E4M3"), 23169335296);
    ck_assert_uint_eq(of_dtype("BF16"), 2816899328);
    ck_assert_uint_eq(of_dtype("F32"), 87776414);
    ck_assert_uint_eq(of_dtype("I64"), 2327040);
    ck_assert_uint_eq(of_dtype("F8_E8M0"), 0);
}
END_TEST

/* ---- other layouts of quantised checkpoints: a linear layer of 256 to 512 as each stores it ---------------------------------------------------- */

typedef struct part { const char *name, *dtype; long long dim[3]; } part;
static void layout(const char *config, const part *p, uint64_t loaded_less)
{
    made *m = st_begin(&in, "model.safetensors");
    uint64_t stored;
    for (; p->name; p++)
        st_put(m, named("model.layers.0.mlp.up_proj.%s", p->name), p->dtype, p->dim[0] ? p->dim[0] : -1LL, p->dim[1] ? p->dim[1] : -1LL, p->dim[2] ? p->dim[2] : -1LL, -1LL);
    st_put(m, "lm_head.weight", "F16", 10LL, 256LL, -1LL);
    st_end(m);
    opens(config);
    ck_assert_msg(gpumem_weights_sum(w)->parameters == 512 * 256 + 2560, "%s: %llu, not %d", config, (unsigned long long)gpumem_weights_sum(w)->parameters, 512 * 256 + 2560);
    stored = gpumem_weights_sum(w)->stored;
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, stored - loaded_less);
    forget();
}

#define Q(rest) "{\"dtype\": \"float16\", \"quantization_config\": {" rest "}}"
#define P(...) (const part[]){__VA_ARGS__, {0}}
START_TEST(layouts)
{
    layout(Q("\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 128"),
           P({"qweight", "I32", {32, 512}}, {"qzeros", "I32", {2, 64}}, {"scales", "F16", {2, 512}}, {"g_idx", "I32", {256}}), 0);
    layout(Q("\"quant_method\": \"gptq\", \"bits\": 3"), P({"qweight", "I32", {24, 512}}, {"qzeros", "I32", {2, 48}}, {"scales", "F16", {2, 512}}), 0);
    layout(Q("\"quant_method\": \"gptq\", \"bits\": 8"), P({"qweight", "I32", {64, 512}}, {"scales", "F16", {2, 512}}), 0);
    layout(Q("\"quant_method\": \"awq\", \"w_bit\": 4"), P({"qweight", "I32", {256, 64}}, {"qzeros", "I32", {2, 64}}, {"scales", "F16", {2, 512}}), 0);
    layout(Q("\"quant_method\": \"auto-round\", \"bits\": 4, \"packing_format\": \"auto_round:gptq\""), P({"qweight", "I32", {32, 512}}, {"scales", "F16", {2, 512}}), 0);
    layout(Q("\"quant_method\": \"bitsandbytes\", \"load_in_8bit\": true"), P({"weight", "I8", {512, 256}}, {"SCB", "F32", {512}}, {"weight_format", "U8", {1}}), 0);
    layout(Q("\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true, \"bnb_4bit_quant_storage\": \"bfloat16\""),
           P({"weight", "BF16", {32768, 1}}, {"weight.absmax", "F32", {2048}}, {"weight.quant_state.bitsandbytes__nf4", "U8", {100}}), 100);
    layout(Q("\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 3}}}"),
           P({"weight_packed", "I32", {512, 24}}, {"weight_scale", "F16", {512, 2}}, {"weight_shape", "I64", {2}}), 0);
    layout(Q("\"quant_method\": \"compressed-tensors\", \"format\": \"mixed\", \"config_groups\": {\"g\": {\"targets\": [\"re:.*down.*\"], \"weights\": {\"num_bits\": 4}},"
             "\"h\": {\"targets\": [\"re:.*up_proj\"], \"format\": \"pack-quantized\", \"weights\": {\"num_bits\": 8}}}"),
           P({"weight_packed", "I32", {512, 64}}, {"weight_scale", "F16", {512, 2}}), 0);
    layout(Q("\"quant_method\": \"compressed-tensors\", \"format\": \"int-quantized\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 8}}}"),
           P({"weight", "I8", {512, 256}}, {"weight_scale", "F16", {512, 1}}, {"input_scale", "F16", {1}}), 0);
    layout(Q("\"quant_method\": \"compressed-tensors\", \"format\": \"nvfp4-pack-quantized\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {\"num_bits\": 4}}}"),
           P({"weight_packed", "U8", {512, 128}}, {"weight_scale", "F8_E4M3", {512, 16}}, {"weight_global_scale", "F32", {1}}), 0);
    layout(Q("\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\""),
           P({"weight", "U8", {512, 128}}, {"weight_scale", "F8_E4M3", {512, 16}}, {"weight_scale_2", "F32", {1}}, {"input_scale", "F32", {1}}), 0);
    layout(Q("\"quant_algo\": \"FP8\", \"kv_cache_scheme\": \"FP8\""), P({"weight", "F8_E4M3", {512, 256}}, {"weight_scale", "F32", {1}}, {"input_scale", "F32", {1}}), 0);
    layout(Q("\"quant_method\": \"fp8\", \"weight_block_size\": [128, 128]"), P({"weight", "F8_E4M3", {512, 256}}, {"weight_scale_inv", "F32", {4, 2}}), 0);
    layout(Q("\"quant_method\": \"hqq\", \"nbits\": 4"), P({"W_q", "U8", {2048, 32}}, {"scale", "F16", {2048, 1}}, {"zero", "F16", {2048, 1}}), 0);
    layout(Q("\"quant_method\": \"aqlm\", \"in_group_size\": 8, \"out_group_size\": 1, \"num_codebooks\": 2, \"nbits_per_codebook\": 8"),
           P({"codes", "I8", {512, 32, 2}}, {"codebooks", "F16", {2, 256, 8}}, {"scales", "F16", {512, 1, 1}}), 0);
    layout(Q("\"quant_method\": \"eetq\", \"weights\": \"int8\""), P({"weight", "I8", {256, 512}}, {"weight_scales", "F16", {512}}), 0);
    layout(Q("\"quant_method\": \"quanto\", \"weights\": \"int4\""), P({"weight._data", "U8", {256, 256}}, {"weight._scale", "F16", {1024, 1}}, {"weight._shift", "F16", {1024, 1}}), 0);
    layout(Q("\"quant_method\": \"quanto\", \"weights\": \"int8\""), P({"weight._data", "I8", {512, 256}}, {"weight._scale", "F16", {512, 1}}), 0);
    layout(Q("\"quant_method\": \"torchao\", \"quant_type\": \"int4_weight_only\""), P({"weight:qdata", "U8", {512, 128}}, {"weight:scale", "F16", {512, 2}}, {"weight:zero_point", "F16", {512, 2}}), 0);
    layout(Q("\"quant_method\": \"torchao\", \"quant_type\": {\"default\": {\"_type\": \"Float8WeightOnlyConfig\"}}"), P({"weight:qdata", "F8_E4M3", {512, 256}}, {"weight:scale", "F32", {512, 1}}), 0);
    layout("{\"dtype\": \"float16\", \"quantization\": {\"group_size\": 64, \"bits\": 4}}", P({"weight", "U32", {512, 32}}, {"scales", "F16", {512, 4}}, {"biases", "F16", {512, 4}}), 0);
    layout("{\"quantization\": {\"group_size\": 64, \"bits\": 4, \"model.layers.0.mlp.up_proj\": {\"bits\": 8}}}", P({"weight", "U32", {512, 64}}, {"scales", "F16", {512, 4}}), 0);
    layout(Q("\"quant_method\": \"of tomorrow\", \"bits\": 4"), P({"weight", "U8", {512, 128}}), 0);
    layout(Q("\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\", \"ignore\": [\"*up_proj*\"]"), P({"weight", "F16", {512, 256}}), 0); /* a module that is left out */
    /* without a config */
    layout(NULL, P({"qweight", "I32", {32, 512}}, {"qzeros", "I32", {2, 64}}, {"scales", "F16", {2, 512}}), 0);
    layout(NULL, P({"weight_packed", "I32", {512, 32}}, {"weight_scale", "F16", {512, 2}}), 0);
    layout(NULL, P({"weight", "U8", {512, 128}}, {"weight_scale", "F8_E4M3", {512, 16}}, {"weight_scale_2", "F32", {1}}), 0);
    layout(NULL, P({"weight", "I8", {512, 256}}, {"SCB", "F32", {512}}), 0);
}
END_TEST

START_TEST(side_configs)
{
    made *m = st_begin(&in, "model.safetensors");
    st_put(m, "l.qweight", "I32", 64LL, 512LL, -1LL);
    st_put(m, "l.scales", "F16", 2LL, 512LL, -1LL);
    st_end(m);
    folder_add(&in, "quantize_config.json", "{\"bits\": 8, \"group_size\": 128}");
    opens(NULL);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 512 * 256);
    ck_assert_str_eq(gpumem_weights_sum(w)->quantisation, "gptq");
}
END_TEST

/* ---- compare -------------------------------------------------------------------------------------------------------------------------- */

static gpumem_text said;
static int say(void *self, const gpumem_difference *d)
{
    (void)self;
    gpumem_text_printf(&said, "%c %s\n", "-+~"[d->kind], d->name);
    return 0;
}

typedef struct putting { made *m; const char *skip, *other; size_t cut; bool packed; } putting;
static int put_like(void *self, const gpumem_stored_tensor *t)
{
    putting *p = self;
    long long d[2] = {t->ndim > 0 ? (long long)t->dim[0] : -1, t->ndim > 1 ? (long long)t->dim[1] : -1};
    if (t->role != GPUMEM_ROLE_WEIGHT || (p->skip && strcmp(p->skip, t->name) == 0))
        return 0;
    if (p->other && strcmp(p->other, t->name) == 0)
        d[0]++;
    if (p->packed && strstr(t->name, "_proj.weight")) {
        st_put(p->m, named("%.*sqweight", (int)strlen(t->name) - 6, t->name), "I32", d[1] / 8, d[0], -1LL);
        st_put(p->m, named("%.*sscales", (int)strlen(t->name) - 6, t->name), "F16", d[0], -1LL);
    } else {
        st_put(p->m, t->name + p->cut, "BF16", d[0], d[1], -1LL);
    }
    return 0;
}

static void compares(gpumem_model *model, putting *p, const char *extra, const char *want)
{
    gpumem_comparison sum;
    gpumem_error e = {0};
    p->m = st_begin(&in, "model.safetensors");
    ck_assert_int_eq(gpumem_model_tensors(model, true, put_like, p, &e), GPUMEM_OK);
    if (extra)
        st_put(p->m, extra, "BF16", 3LL, -1LL);
    st_end(p->m);
    opens(NULL);
    gpumem_text_clear(&said);
    gpumem_text_puts(&said, "");
    ck_assert_msg(gpumem_weights_compare(w, model, say, NULL, &sum, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_str_eq(said.s, want);
    ck_assert_uint_gt(sum.same, 8);
    forget();
}

START_TEST(comparing)
{
    gpumem_model *model = model_of("{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"vocab_size\": 32}");
    compares(model, &(putting){.m = NULL}, NULL, "");
    compares(model, &(putting){.cut = strlen("model.")}, NULL, "- lm_head.weight\n+ d.weight\n"); /* as a base model: its head is none of it */
    compares(model, &(putting){.skip = "model.layers.1.mlp.up_proj.weight"}, "model.layers.0.self_attn.q_norm.weight",
             "- model.layers.1.mlp.up_proj.weight\n+ model.layers.0.self_attn.q_norm.weight\n");
    compares(model, &(putting){.other = "model.norm.weight"}, NULL, "~ model.norm.weight\n");
    compares(model, &(putting){.packed = true}, NULL, "");
    gpumem_text_free(&said);
    gpumem_model_free(model);
}
END_TEST

START_TEST(comparing_old)
{
    gpumem_model *model = model_of("{\"model_type\": \"bert\", \"architectures\": [\"BertModel\"], \"hidden_size\": 768, \"num_hidden_layers\": 12, \"num_attention_heads\": 12, \"intermediate_size\": 3072, \"vocab_size\": 30522}");
    made *m = st_begin(&in, "model.safetensors");
    gpumem_comparison sum;
    gpumem_error e = {0};
    st_put(m, "bert.embeddings.word_embeddings.weight", "F32", 30522LL, 768LL, -1LL);
    st_put(m, "bert.embeddings.LayerNorm.gamma", "F32", 768LL, -1LL);
    st_put(m, "bert.pooler.dense.bias", "F32", 768LL, -1LL);
    st_end(m);
    opens(NULL);
    ck_assert_int_eq(gpumem_weights_compare(w, model, NULL, NULL, &sum, &e), GPUMEM_OK);
    ck_assert_uint_eq(sum.same, 3);
    ck_assert_uint_eq(sum.extra, 0);
    ck_assert_uint_eq(sum.missing, 199 - 3);
    gpumem_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tc = tcase_create("weights");
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, one_file);
    tcase_add_test(tc, shards);
    tcase_add_test(tc, not_in_index);
    tcase_add_test(tc, missing_shards);
    tcase_add_test(tc, bad_index);
    tcase_add_test(tc, no_weights);
    tcase_add_test(tc, bin_index);
    tcase_add_test(tc, bin_file);
    tcase_add_test(tc, pipeline);
    tcase_add_test(tc, sentences);
    tcase_add_test(tc, local);
    tcase_add_test(tc, golden_bert);
    tcase_add_test(tc, golden_bloom);
    tcase_add_test(tc, golden_sums);
    tcase_add_test(tc, golden_w4a16);
    tcase_add_test(tc, golden_bnb);
    tcase_add_test(tc, golden_gpt_oss);
    tcase_add_test(tc, golden_kimi_k25);
    tcase_add_test(tc, golden_kimi_k3);
    tcase_add_test(tc, golden_deepseek_v4);
    tcase_add_test(tc, layouts);
    tcase_add_test(tc, side_configs);
    tcase_add_test(tc, comparing);
    tcase_add_test(tc, comparing_old);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
