/* core/source/gguf: every type of value and of tensor, split files, and every way in which a file can be wrong. */
#include "headers.h"
#include "models.h"
#include "source/weights_private.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

static folder in;
static gpumem_weights *w;
static bool big, first_version;

static void start(void)
{
    folder_make(&in);
    host_make();
    w = NULL;
    big = first_version = false;
}

static void stop(void)
{
    gpumem_weights_free(w);
    folder_drop(&in);
    host_drop();
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------- */

static made *m;
static uint64_t next_offset;

static void num(uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        made_put(m, &(char){(char)(v >> 8 * (big ? n - 1 - i : i))}, 1);
}

static void length(uint64_t v) { num(v, first_version ? 4 : 8); }

static void str(const char *s)
{
    length(strlen(s));
    made_put(m, s, strlen(s));
}

static void begin(const char *name, unsigned version, uint64_t tensors, uint64_t keys)
{
    m = folder_add(&in, name, "GGUF");
    first_version = version == 1;
    next_offset = 0;
    num(version, 4);
    length(tensors);
    length(keys);
}

static void key(const char *name, unsigned type)
{
    str(name);
    num(type, 4);
}

static void key_u32(const char *name, uint32_t v)
{
    key(name, U32);
    num(v, 4);
}

static void key_str(const char *name, const char *v)
{
    key(name, STRING);
    str(v);
}

/* Rows of a and b of them; alignment 32. */
static void tensor_at(const char *name, unsigned type, uint64_t a, uint64_t b, uint64_t offset)
{
    str(name);
    num(b ? 2 : 1, 4);
    length(a);
    if (b)
        length(b);
    num(type, 4);
    num(offset, 8);
}

static void tensor(const char *name, unsigned type, uint64_t a, uint64_t b)
{
    const gm_gguf_type *t = gm_gguf_type_of(type);
    tensor_at(name, type, a, b, next_offset);
    next_offset += (a / t->block * t->bytes * (b ? b : 1) + 31) / 32 * 32;
}

static void end(uint64_t data)
{
    m->size = (m->n + 31) / 32 * 32 + data;
}

static gpumem_status parse(gm_gguf *g, gpumem_error *err)
{
    gm_reader *r;
    gpumem_status s;
    *g = (gm_gguf){0};
    ck_assert_int_eq(in.opener.open(&in.opener, m->name, &r, err), GPUMEM_OK);
    s = gm_gguf_read(r, g, err);
    r->close(r);
    return s;
}

static void parses(gm_gguf *g)
{
    gpumem_error e = {0};
    ck_assert_msg(parse(g, &e) == GPUMEM_OK, "%s", e.message);
}

static void refuses(const char *part)
{
    gpumem_error e = {0};
    gm_gguf g;
    ck_assert_msg(parse(&g, &e) == GPUMEM_ESYNTAX, "status %d: %s; expected %s", e.status, e.message, part);
    ck_assert_msg(strstr(e.message, part) != NULL, "'%s' is not in: %s", part, e.message);
    ck_assert_str_eq(e.file, m->name);
    gm_gguf_free(&g);
    ck_assert_int_eq(parse(&g, NULL), GPUMEM_ESYNTAX);
    gm_gguf_free(&g);
    free(m->text);
    in.nfile--;
}

static const gm_value *value(const gm_gguf *g, const char *name)
{
    const gm_gguf_key *k = gm_gguf_find(g, name);
    ck_assert_msg(k != NULL, "%s", name);
    return &k->value;
}

/* ---- what is read ------------------------------------------------------------------------------------------------------------------ */

static void write_values(unsigned version)
{
    static const double real = -2.25;
    static const float half = 0.5f;
    uint64_t raw;
    uint32_t raw32;
    memcpy(&raw, &real, 8);
    memcpy(&raw32, &half, 4);
    begin("v.gguf", version, 1, 15);
    key("u8", U8), num(200, 1);
    key("i8", I8), num((uint8_t)-3, 1);
    key("u16", U16), num(60000, 2);
    key("i16", I16), num((uint16_t)-300, 2);
    key_u32("u32", 4000000000u);
    key("i32", I32), num((uint32_t)-70000, 4);
    key("f32", F32), num(raw32, 4);
    key("bool", BOOL), num(1, 1);
    key_str("string", "x\xc3\xa9");
    key("u64", U64), num(1ull << 40, 8);
    key("i64", I64), num((uint64_t)-5, 8);
    key("f64", F64), num(raw, 8);
    key("list", ARRAY), num(I16, 4), length(3), num(1, 2), num(2, 2), num((uint16_t)-3, 2);
    key("words", ARRAY), num(STRING, 4), length(2), str("a"), str("bc");
    key("many", ARRAY), num(STRING, 4), length(5000);
    for (int i = 0; i < 5000; i++)
        str("a word of a vocabulary");
    tensor("t", 0, 3, 2);
    end(24);
}

START_TEST(values)
{
    static const unsigned version[] = {1, 2, 3, 3};
    for (unsigned i = 0; i < 4; i++) {
        gm_gguf g;
        big = i == 3;
        write_values(version[i]);
        parses(&g);
        ck_assert_uint_eq(g.version, version[i]);
        ck_assert_int_eq(g.big_endian, big);
        ck_assert_int_eq(value(&g, "u8")->v.i, 200);
        ck_assert_int_eq(value(&g, "i8")->v.i, -3);
        ck_assert_int_eq(value(&g, "u16")->v.i, 60000);
        ck_assert_int_eq(value(&g, "i16")->v.i, -300);
        ck_assert_int_eq(value(&g, "u32")->v.i, 4000000000);
        ck_assert_int_eq(value(&g, "i32")->v.i, -70000);
        ck_assert_double_eq(value(&g, "f32")->v.r, 0.5);
        ck_assert_int_eq(value(&g, "bool")->v.b, true);
        ck_assert_str_eq(value(&g, "string")->v.s, "x\xc3\xa9");
        ck_assert_int_eq(value(&g, "u64")->v.i, 1ll << 40);
        ck_assert_int_eq(value(&g, "i64")->v.i, -5);
        ck_assert_double_eq(value(&g, "f64")->v.r, -2.25);
        ck_assert_int_eq(value(&g, "list")->v.list[2].v.i, -3);
        ck_assert_str_eq(value(&g, "words")->v.list[1].v.s, "bc");
        ck_assert_int_eq(value(&g, "many")->type, GM_NULL);
        ck_assert_uint_eq(gm_gguf_find(&g, "many")->count, 5000);
        ck_assert_ptr_null(gm_gguf_find(&g, "none"));
        ck_assert_uint_eq(g.tensor[0].elements, 6);
        gm_gguf_free(&g);
        free(m->text);
        in.nfile--;
    }
}
END_TEST

START_TEST(tensor_types)
{
    static const struct { unsigned id, block, bytes; const char *name; } row[] = {
        {0, 1, 4, "F32"}, {1, 1, 2, "F16"}, {2, 32, 18, "Q4_0"}, {3, 32, 20, "Q4_1"}, {6, 32, 22, "Q5_0"}, {7, 32, 24, "Q5_1"}, {8, 32, 34, "Q8_0"}, {9, 32, 36, "Q8_1"},
        {10, 256, 84, "Q2_K"}, {11, 256, 110, "Q3_K"}, {12, 256, 144, "Q4_K"}, {13, 256, 176, "Q5_K"}, {14, 256, 210, "Q6_K"}, {15, 256, 292, "Q8_K"},
        {16, 256, 66, "IQ2_XXS"}, {17, 256, 74, "IQ2_XS"}, {18, 256, 98, "IQ3_XXS"}, {19, 256, 50, "IQ1_S"}, {20, 32, 18, "IQ4_NL"}, {21, 256, 110, "IQ3_S"},
        {22, 256, 82, "IQ2_S"}, {23, 256, 136, "IQ4_XS"}, {24, 1, 1, "I8"}, {25, 1, 2, "I16"}, {26, 1, 4, "I32"}, {27, 1, 8, "I64"}, {28, 1, 8, "F64"},
        {29, 256, 56, "IQ1_M"}, {30, 1, 2, "BF16"}, {31, 32, 18, "Q4_0_4_4"}, {36, 32, 18, "IQ4_NL_4_4"}, {34, 256, 54, "TQ1_0"}, {35, 256, 66, "TQ2_0"},
        {39, 32, 17, "MXFP4"}, {40, 64, 36, "NVFP4"}, {41, 128, 18, "Q1_0"}, {42, 64, 18, "Q2_0"}};
    enum { N = sizeof row / sizeof *row };
    gm_gguf g;
    begin("t.gguf", 3, N, 0);
    for (unsigned i = 0; i < N; i++)
        tensor(row[i].name, row[i].id, 512, 3);
    end(next_offset);
    parses(&g);
    ck_assert_uint_eq(g.ntensor, N);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_str_eq(g.tensor[i].type->name, row[i].name);
        ck_assert_uint_eq(g.tensor[i].bytes, 1536 / row[i].block * row[i].bytes);
        ck_assert_uint_eq(g.tensor[i].elements, 1536);
    }
    gm_gguf_free(&g);
    ck_assert_ptr_null(gm_gguf_type_of(4));
    ck_assert_ptr_null(gm_gguf_type_of(5));
    ck_assert_ptr_null(gm_gguf_type_of(43));
    ck_assert_ptr_null(gm_gguf_type_of(UINT32_MAX));
}
END_TEST

START_TEST(unknown_type)
{
    gm_gguf g;
    begin("t.gguf", 3, 2, 0);
    tensor_at("a", 77, 10, 0, 0);
    tensor_at("b", 99, 7, 0, 64);
    end(64 + 40);
    parses(&g);
    ck_assert_ptr_null(g.tensor[0].type);
    ck_assert_uint_eq(g.tensor[0].bytes, 64);
    ck_assert_uint_eq(g.tensor[1].bytes, 40);
    gm_gguf_free(&g);
}
END_TEST

START_TEST(alignments)
{
    gm_gguf g;
    begin("t.gguf", 3, 2, 1);
    key_u32("general.alignment", 64);
    tensor_at("a", 24, 10, 0, 0);
    tensor_at("b", 24, 10, 0, 64);
    m->size = (m->n + 63) / 64 * 64 + 74;
    parses(&g);
    ck_assert_uint_eq(g.alignment, 64);
    ck_assert_uint_eq(g.data % 64, 0);
    gm_gguf_free(&g);
    begin("none.gguf", 3, 0, 1); /* without tensors there is no padding */
    key_str("general.architecture", "x");
    m->size = m->n;
    parses(&g);
    gm_gguf_free(&g);
}
END_TEST

/* Metadata of many megabytes: read in steps, what is not needed left out, and never a byte twice. */
typedef struct counting { gm_reader reader; const made *file; uint64_t end, bytes; unsigned reads; } counting;
static gpumem_status counting_read(gm_reader *r, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    counting *c = (counting *)r;
    (void)err;
    ck_assert_uint_ge(offset, c->end);
    ck_assert_uint_le(offset + n, c->file->size);
    memset(buf, 0, n);
    if (offset < c->file->n)
        memcpy(buf, c->file->text + offset, n < c->file->n - offset ? n : c->file->n - (size_t)offset);
    c->end = offset + n;
    c->bytes += n;
    c->reads++;
    return GPUMEM_OK;
}

START_TEST(growing)
{
    gpumem_error e = {0};
    gm_gguf g = {0};
    counting c;
    begin("t.gguf", 3, 1, 2);
    key("tokens", ARRAY), num(STRING, 4), length(150000);
    for (int i = 0; i < 150000; i++)
        str("a token of some length, with its text");
    key("scores", ARRAY), num(F32, 4), length(4000000);
    m->text = realloc(m->text, m->n + 16000000 + 1000);
    ck_assert_ptr_nonnull(m->text);
    memset(m->text + m->n, 1, 16000000);
    m->n += 16000000;
    m->room = m->n + 1000;
    tensor("t", 0, 8, 0);
    end(1ull << 40);
    c = (counting){.reader = {"t.gguf", m->size, counting_read, NULL}, .file = m};
    ck_assert_msg(gm_gguf_read(&c.reader, &g, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_uint_eq(gm_gguf_find(&g, "tokens")->count, 150000);
    ck_assert_uint_lt(c.reads, 12);
    ck_assert_uint_lt(c.bytes, 16000000);
    gm_gguf_free(&g);
}
END_TEST

/* ---- what is wrong --------------------------------------------------------------------------------------------------------------------- */

START_TEST(heads)
{
    static const struct { const char *text, *part; size_t size; } row[] = {
        {"", "0 bytes: too short", 0}, {"GGUF", "4 bytes: too short", 4}, {"GGML............", "no GGUF file", 40}, {"lmgg............", "of the format GGML", 40},
        {"fmgg............", "of the format GGMF", 40}, {"tjgg............", "of the format GGJT", 40}, {"FUGG............", "no GGUF file", 40},
        {"GGUF\4\0\0\0........", "version 4", 40}, {"GGUF\0\0\0\0........", "version 0", 40}, {"GGUF\0\0\0\2........", "version 2: 1, 2 or 3", 40}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        m = folder_add(&in, "x.gguf", "");
        made_put(m, row[i].text, row[i].size < 16 ? row[i].size : 16);
        m->size = row[i].size;
        refuses(row[i].part);
    }
}
END_TEST

#define BAD(part, ...) do { __VA_ARGS__; end(1 << 20); refuses(part); } while (0)
START_TEST(keys)
{
    BAD("5000000 tensors do not fit", begin("x.gguf", 3, 5000000, 0));
    BAD("5000000 keys do not fit", begin("x.gguf", 3, 0, 5000000));
    BAD("do not fit", begin("x.gguf", 3, UINT64_MAX, 0));
    BAD("the name of a key has 0 bytes", begin("x.gguf", 3, 0, 1); key_u32("", 1));
    BAD("the key 'a' is there twice", begin("x.gguf", 3, 0, 2); key_u32("a", 1); key_u32("a", 1));
    BAD("'a' has the unknown type 13", begin("x.gguf", 3, 0, 1); key("a", 13));
    BAD("'a' is an array of arrays", begin("x.gguf", 3, 0, 1); key("a", ARRAY); num(ARRAY, 4); length(1));
    BAD("'a' is an array of the unknown type 99", begin("x.gguf", 3, 0, 1); key("a", ARRAY); num(99, 4); length(1));
    BAD("at most 2^30", begin("x.gguf", 3, 0, 1); key("a", ARRAY); num(U8, 4); length((1u << 30) + 1));
    BAD("'a' has 1000000 entries, which goes beyond the end", begin("x.gguf", 3, 0, 1); key("a", ARRAY); num(U64, 4); length(1000000));
    BAD("at most 1 GiB", begin("x.gguf", 3, 0, 1); key("a", STRING); length((1u << 30) + 1));
    BAD("a string of 2000000 bytes goes beyond the end", begin("x.gguf", 3, 0, 1); key("a", STRING); length(2000000));
    BAD("at most 1 GiB", begin("x.gguf", 3, 0, 1); key("a", STRING); length(UINT64_MAX));
    BAD("not a power of two", begin("x.gguf", 3, 0, 1); key_u32("general.alignment", 48));
    BAD("not a power of two", begin("x.gguf", 3, 0, 1); key_u32("general.alignment", 0));
    BAD("of type u32", begin("x.gguf", 3, 0, 1); key("general.alignment", U64); num(32, 8));
    BAD("is no UTF-8", begin("x.gguf", 3, 0, 1); key_u32("a\xff", 1));
    begin("x.gguf", 3, 0, 1);
    str("cut");
    m->size = m->n + 2;
    refuses("the file ends too early");
}
END_TEST

START_TEST(tensors)
{
    static const char name63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", name64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    gm_gguf g;
    begin("ok.gguf", 3, 1, 0);
    tensor(name63, 0, 8, 0);
    end(32);
    parses(&g);
    gm_gguf_free(&g);
    BAD("the name of a tensor has 64 bytes", begin("x.gguf", 3, 1, 0); tensor(name64, 0, 8, 0));
    BAD("the name of a tensor has 0 bytes", begin("x.gguf", 3, 1, 0); tensor("", 0, 8, 0));
    BAD("the tensor 'a' is there twice", begin("x.gguf", 3, 2, 0); tensor("a", 0, 8, 0); tensor("a", 0, 8, 0));
    BAD("'a' has 5 dimensions", begin("x.gguf", 3, 1, 0); str("a"); num(5, 4); num(0, 8); num(0, 8); num(0, 8); num(0, 8); num(0, 8); num(0, 4); num(0, 8));
    BAD("negative or beyond 63 bits", begin("x.gguf", 3, 1, 0); tensor_at("a", 0, UINT64_MAX, 0, 0));
    BAD("does not fit in 64 bits", begin("x.gguf", 3, 1, 0); tensor_at("a", 0, 1ull << 40, 1ull << 40, 0));
    BAD("the size of 'a' does not fit", begin("x.gguf", 3, 1, 0); tensor_at("a", 28, 1ull << 32, 1ull << 30, 0));
    BAD("rows of 'a' have 100 elements: Q4_K has blocks of 256", begin("x.gguf", 3, 1, 0); tensor_at("a", 12, 100, 0, 0));
    BAD("'b' starts at 64 of the data: 32 expected", begin("x.gguf", 3, 2, 0); tensor("a", 0, 8, 0); tensor_at("b", 0, 8, 0, 64));
    BAD("'b' starts at 0 of the data: 32 expected", begin("x.gguf", 3, 2, 0); tensor("a", 0, 8, 0); tensor_at("b", 0, 8, 0, 0));
    BAD("'a' starts at 32 of the data: 0 expected", begin("x.gguf", 3, 1, 0); tensor_at("a", 0, 8, 0, 32));
    BAD("its size does not follow", begin("x.gguf", 3, 2, 0); next_offset = 0; tensor_at("z", 24, 32, 0, 0); tensor_at("a", 77, 8, 0, 32); m->text[8] = 3; tensor_at("b", 0, 8, 0, 0));
    begin("x.gguf", 3, 1, 0);
    tensor("a", 0, 8, 0);
    end(31);
    refuses("the tensors need 32 bytes of data, but the file has 31");
}
END_TEST

/* ---- models ---------------------------------------------------------------------------------------------------------------------------- */

static void llama_keys(void)
{
    key_str("general.architecture", "llama");
    key_u32("llama.embedding_length", 64);
    key_u32("llama.block_count", 1);
    key_u32("llama.attention.head_count", 4);
    key("llama.attention.head_count_kv", ARRAY), num(U32, 4), length(1), num(2, 4);
    key_u32("llama.feed_forward_length", 96);
    key_u32("llama.context_length", 128);
    key("tokenizer.ggml.tokens", ARRAY), num(STRING, 4), length(3), str("a"), str("b"), str("c");
}

static void llama_tensors(void)
{
    tensor("token_embd.weight", 8, 64, 3);
    tensor("blk.0.attn_q.weight", 2, 64, 64);
}

static void more_tensors(void)
{
    tensor("blk.0.ffn_norm.weight", 0, 64, 0);
}

static void opens(const char *file)
{
    gpumem_error e = {0};
    gpumem_weights_free(w);
    ck_assert_msg(gm_weights_open(&in.opener, file, NULL, &w, &e) == GPUMEM_OK, "%s: %s", e.file, e.message);
}

static void fails(const char *file, gpumem_status status, const char *part)
{
    gpumem_error e = {0};
    ck_assert_int_eq(gm_weights_open(&in.opener, file, NULL, &w, &e), status);
    ck_assert_msg(strstr(e.message, part) != NULL, "'%s' is not in: %s", part, e.message);
}

START_TEST(as_a_model)
{
    gpumem_error e = {0};
    gpumem_config *config;
    gpumem_model *model;
    const gpumem_weight *t;
    int64_t v;
    begin("m.gguf", 3, 3, 8);
    llama_keys();
    llama_tensors();
    more_tensors();
    end(next_offset);
    opens("m.gguf");
    ck_assert_str_eq(gpumem_weights_sum(w)->format, "gguf");
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 64 * 3 + 4096 + 64);
    ck_assert_uint_eq(gpumem_weights_sum(w)->stored, 6 * 34 + 128 * 18 + 256);
    ck_assert_uint_eq(gpumem_weights_sum(w)->loaded, gpumem_weights_sum(w)->stored);
    ck_assert_uint_eq(gpumem_weights_tensors(w, &t), 3);
    ck_assert_str_eq(t[0].dtype, "Q8_0");
    ck_assert_uint_eq(t[0].dim[0], 3); /* as in PyTorch */
    ck_assert_uint_eq(t[0].dim[1], 64);
    ck_assert_msg(gpumem_weights_config(host, w, "m.gguf", &config, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_msg(gpumem_model_new(host, config, NULL, &model, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_str_eq(gpumem_model_family(model), "llama");
    ck_assert(gpumem_model_dim(model, "hidden", &v) && v == 64);
    ck_assert(gpumem_model_dim(model, "vocab", &v) && v == 3);
    ck_assert(gpumem_model_dim(model, "kv_heads", &v) && v == 2);
    gpumem_model_free(model);
    gpumem_config_free(config);
}
END_TEST

START_TEST(unknown_architecture)
{
    gpumem_error e = {0};
    gpumem_config *config;
    begin("m.gguf", 3, 0, 1);
    key_str("general.architecture", "nobody");
    m->size = m->n;
    opens("m.gguf");
    ck_assert_int_eq(gpumem_weights_config(host, w, "m.gguf", &config, &e), GPUMEM_EMODEL);
    ck_assert_str_eq(e.message, "no family is known for the GGUF architecture 'nobody'");
}
END_TEST

/* 3 layers with 4, 2 and 1 heads of keys, each 16 wide: metadata arrays, a value a layer. */
static void per_layer(const char *architecture, const char *name)
{
    char key_name[96];
    static const unsigned own_heads[] = {4, 2, 1};
    begin(name, 3, 3, 8);
    key_str("general.architecture", architecture);
#define NAMED(suffix) (snprintf(key_name, sizeof key_name, "%s." suffix, architecture), key_name)
    key_u32(NAMED("embedding_length"), 64);
    key_u32(NAMED("block_count"), 3);
    key_u32(NAMED("attention.head_count"), 4);
    key(NAMED("attention.head_count_kv"), ARRAY), num(U32, 4), length(3);
    for (unsigned i = 0; i < 3; i++)
        num(own_heads[i], 4);
    key_u32(NAMED("feed_forward_length"), 96);
    key_u32(NAMED("context_length"), 128);
    key("tokenizer.ggml.tokens", ARRAY), num(STRING, 4), length(3), str("a"), str("b"), str("c");
    llama_tensors();
    more_tensors();
    end(next_offset);
    opens(name);
}

START_TEST(values_of_each_layer)
{
    gpumem_error e = {0};
    gpumem_config *config;
    gpumem_model *model;
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    gpumem_request r = {.mode = GPUMEM_MODE_INFERENCE, .precision = "bf16", .engine = "ideal"};
    gpumem_result result;
    per_layer("deci", "deci.gguf");
    ck_assert_msg(gpumem_weights_config(host, w, "deci.gguf", &config, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_msg(gpumem_model_new(host, config, NULL, &model, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_int_eq(gpumem_set_open(host, "default", &set, &e), GPUMEM_OK);
    ck_assert_msg(gpumem_plan_new(host, model, set, &r, &plan, &e) == GPUMEM_OK, "%s", e.message);
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &(gpumem_point){1, 1024}, &result, &e), GPUMEM_OK);
    ck_assert_uint_eq(result.cache, 2ull * (4 + 2 + 1) * 16 * 2 * 1024); /* keys and values, 2 bytes */
    gpumem_plan_free(plan);
    gpumem_set_free(set);
    gpumem_model_free(model);
    gpumem_config_free(config);
    per_layer("llama", "llama.gguf");
    ck_assert_int_eq(gpumem_weights_config(host, w, "llama.gguf", &config, &e), GPUMEM_EMODEL);
    ck_assert_str_eq(e.message, "llama.attention.head_count_kv differs from layer to layer, and what is known of this architecture has one for all");
}
END_TEST

static void part(const char *name, unsigned no, unsigned count, unsigned total)
{
    begin(name, 3, no == 0 ? 2 : 1, no == 0 ? 11 : 3);
    if (no == 0)
        llama_keys();
    key("split.no", U16), num(no, 2);
    key("split.count", U16), num(count, 2);
    key("split.tensors.count", I32), num(total, 4);
    if (no == 0)
        llama_tensors();
    else
        more_tensors();
    end(next_offset);
}

START_TEST(split)
{
    part("q/x-00001-of-00002.gguf", 0, 2, 3);
    part("q/x-00002-of-00002.gguf", 1, 2, 3);
    opens("q/x-00001-of-00002.gguf");
    ck_assert_uint_eq(gpumem_weights_sum(w)->files, 2);
    ck_assert_uint_eq(gpumem_weights_sum(w)->parameters, 64 * 3 + 4096 + 64);
    gpumem_weights_free(w);
    w = NULL;
    fails("q/x-00002-of-00002.gguf", GPUMEM_ESYNTAX, "is part 2 of a split model: name its first, 'q/x-00001-of-00002.gguf'");
}
END_TEST

START_TEST(bad_splits)
{
    part("x-00001-of-00003.gguf", 0, 3, 4);
    part("x-00002-of-00003.gguf", 1, 3, 4);
    fails("x-00001-of-00003.gguf", GPUMEM_EIO, "the file 'x-00003-of-00003.gguf' is missing");
    part("x-00003-of-00003.gguf", 1, 3, 4);
    fails("x-00001-of-00003.gguf", GPUMEM_ESYNTAX, "'blk.0.ffn_norm.weight' is in an earlier file of the model, too");
    part("y-00001-of-00002.gguf", 0, 2, 3);
    part("y-00002-of-00002.gguf", 2, 2, 3);
    fails("y-00001-of-00002.gguf", GPUMEM_ESYNTAX, "split.no 2 of 2: 1 of 2 expected");
    part("z-00001-of-00002.gguf", 0, 2, 4);
    part("z-00002-of-00002.gguf", 1, 2, 4);
    fails("z-00001-of-00002.gguf", GPUMEM_ESYNTAX, "split.tensors.count is 4, but the 2 files have 3 tensors");
    part("odd.gguf", 0, 2, 3);
    fails("odd.gguf", GPUMEM_ESYNTAX, "split.count is 2, but the name is not that of the first of so many");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gguf");
    TCase *tc = tcase_create("gguf");
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, values);
    tcase_add_test(tc, tensor_types);
    tcase_add_test(tc, unknown_type);
    tcase_add_test(tc, alignments);
    tcase_add_test(tc, growing);
    tcase_add_test(tc, heads);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, tensors);
    tcase_add_test(tc, as_a_model);
    tcase_add_test(tc, unknown_architecture);
    tcase_add_test(tc, values_of_each_layer);
    tcase_add_test(tc, split);
    tcase_add_test(tc, bad_splits);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
