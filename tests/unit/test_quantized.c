/* Weights that are packed: bytes of each scheme against its layout, and what a config says of it. */
#include "models.h"
#include "../suite.h"

enum { H = 1024, KV = 512, F = 4096, V = 8192, L = 3 };
#define SMALL "\"model_type\":\"llama\",\"hidden_size\":1024,\"num_hidden_layers\":3,\"num_attention_heads\":8,\"num_key_value_heads\":4,\"head_dim\":128," \
    "\"intermediate_size\":4096,\"vocab_size\":8192,\"tie_word_embeddings\":false"

static const struct { uint64_t rows, cols; } matrix[] = {{H, H}, {KV, H}, {KV, H}, {H, H}, {F, H}, {F, H}, {H, F}};

static uint64_t up(uint64_t n) { return (n + 511) / 512 * 512; }

/* Matrices of layers: so many bits an element, for each `group` of a row, for each row, for each column and for each matrix, each an allocation. */
static uint64_t matrices(unsigned bits, uint64_t group, unsigned of_group, unsigned of_zero, unsigned of_row, unsigned of_column, uint64_t more)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sizeof matrix / sizeof *matrix; i++) {
        uint64_t n = matrix[i].rows * matrix[i].cols;
        sum += up(n * bits / 8) + (group ? up(n / group * of_group / 8) + up(n / group * of_zero / 8) : 0) + up(matrix[i].rows * of_row / 8) +
               up(matrix[i].cols * of_column / 8) + up(more);
    }
    return L * sum;
}

/* Embedding, head and norms. */
static uint64_t rest(uint64_t bytes, uint64_t norm) { return 2 * up(V * H * bytes) + (2 * L + 1) * up(H * norm); }

/* As blocks of ggml: everything with two dimensions; vectors are fp32. The embeddings stay on the host; 128 divides all of it. */
static uint64_t blocks(uint64_t n, uint64_t bytes)
{
    uint64_t sum = (uint64_t)V * H / n * bytes + (2 * L + 1) * H * 4ull;
    for (unsigned i = 0; i < sizeof matrix / sizeof *matrix; i++)
        sum += L * matrix[i].rows * matrix[i].cols / n * bytes;
    return sum;
}

static uint64_t weights_of(const char *json, const char *precision, const char **engine)
{
    gpumem_error err = {0};
    gpumem_model *model = model_of(json);
    gpumem_request r = {.mode = GPUMEM_MODE_INFERENCE, .precision = precision};
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    gpumem_result result;
    uint64_t buffers = engine ? 0 : 2 * 512; /* two tables of frequencies, which llama.cpp has not */
    ck_assert_int_eq(gpumem_set_open(host, "default", &set, &err), GPUMEM_OK);
    ck_assert_msg(gpumem_plan_new(host, model, set, &r, &plan, &err) == GPUMEM_OK, "%s: %s", precision, error_text(&err));
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &(gpumem_point){1, 128}, &result, &err), GPUMEM_OK);
    if (engine)
        *engine = gpumem_plan_request(plan)->engine;
    gpumem_plan_free(plan);
    gpumem_set_free(set);
    gpumem_model_free(model);
    return result.weights - buffers;
}

static uint64_t asked(const char *precision) { return weights_of("{" SMALL "}", precision, NULL); }

START_TEST(layouts)
{
    ck_assert_uint_eq(asked("bf16"), matrices(16, 0, 0, 0, 0, 0, 0) + rest(2, 2));
    ck_assert_uint_eq(asked("int8"), matrices(8, 0, 0, 0, 32, 0, 0) + rest(2, 2));     /* Int8Params: SCB float32 [out] */
    ck_assert_uint_eq(asked("int4"), matrices(4, 64, 32, 0, 0, 0, 64) + rest(2, 2));   /* Params4bit: absmax float32, code float32 [16] */
    ck_assert_uint_eq(asked("awq"), matrices(4, 128, 16, 4, 0, 0, 0) + rest(2, 2));    /* scales float16, zeros of 4 bits */
    ck_assert_uint_eq(asked("gptq"), matrices(4, 128, 16, 4, 0, 32, 0) + rest(2, 2));  /* and g_idx int32 [in] */
}
END_TEST

START_TEST(blocks_of_ggml)
{
    static const struct { const char *name; unsigned n, bytes; } type[] = { /* ggml-common.h: QK and sizeof of the blocks */
        {"q8_0", 32, 34}, {"q5_1", 32, 24}, {"q5_0", 32, 22}, {"q4_1", 32, 20}, {"q4_0", 32, 18}, {"iq4_nl", 32, 18},
        {"q6_k", 256, 210}, {"q5_k", 256, 176}, {"q4_k", 256, 144}, {"q3_k", 256, 110}, {"q2_k", 256, 84}, {"iq4_xs", 256, 136}};
    for (size_t i = 0; i < sizeof type / sizeof *type; i++) {
        const char *engine;
        ck_assert_uint_eq(weights_of("{" SMALL "}", type[i].name, &engine), blocks(type[i].n, type[i].bytes));
        ck_assert_str_eq(engine, "llama.cpp");
    }
}
END_TEST

/* What --quantize does: the config says the scheme, and more of it where it likes. */
START_TEST(said_by_the_config)
{
#define SAYS(more) "{" SMALL ",\"quantization_config\":{\"quant_method\":\"gptq\"" more "}}"
    ck_assert_uint_eq(weights_of(SAYS(""), NULL, NULL), asked("gptq"));
    ck_assert_uint_eq(weights_of(SAYS(",\"bits\":8"), NULL, NULL), matrices(8, 128, 16, 8, 0, 32, 0) + rest(2, 2));
    ck_assert_uint_eq(weights_of(SAYS(",\"bits\":8"), "gptq", NULL), matrices(8, 128, 16, 8, 0, 32, 0) + rest(2, 2)); /* the same one, asked for */
    ck_assert_uint_eq(weights_of(SAYS(",\"bits\":8"), "awq", NULL), asked("awq"));                                   /* another */
    ck_assert_uint_eq(weights_of(SAYS(",\"group_size\":32"), NULL, NULL), matrices(4, 32, 16, 4, 0, 32, 0) + rest(2, 2));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quantized");
    TCase *c = tcase_of(s, "quantized", host_make, host_drop);
    tcase_add_test(c, layouts);
    tcase_add_test(c, blocks_of_ggml);
    tcase_add_test(c, said_by_the_config);
    return run_suite(s);
}
