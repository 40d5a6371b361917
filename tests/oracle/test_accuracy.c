/* How near all of memory.jsonl is, and which rows are not exact. */
#include "tables.h"
#include "oracle/accuracy.h"

static accuracy of_table(const char *path, bool training, void (*each)(const gm_value *row, unsigned field, int64_t have), unsigned rows)
{
    accuracy a = {.training = training, .each = each};
    gpumem_error err = {0};
    ck_assert_msg(accuracy_run(&a, batch, path, &err) == GPUMEM_OK, "%s", err.message);
    ck_assert_uint_eq(a.failed, 0);
    ck_assert_uint_eq(a.rows, rows);
    return a;
}

/* torch.optim.Adagrad makes its sums in its constructor, whatever its step does.  The tracer sees those of the for-loop, for it touches them one by one; the
 * rows of the foreach step lack them, all of them as much as the same model's for-loop row has more between two steps. */
static struct { char name[96]; int64_t between; } loops[8];
static unsigned nloops, differ;

static bool steps_by(const gm_value *row, const char *implementation)
{
    return strcmp(accuracy_string(row, "optimizer", ""), "adagrad") == 0 && strcmp(accuracy_string(row, "implementation", ""), implementation) == 0;
}

static void read_loops(void)
{
    gm_arena text = {0}, arena = {0};
    char *line, *end;
    size_t n;
    ck_assert_int_eq(gm_file_read(&text, ORACLE "/memory.jsonl", 1 << 26, &line, &n, NULL), GPUMEM_OK);
    for (nloops = 0; *line; line = end + 1) {
        gm_value row;
        end = strchr(line, '\n');
        gm_arena_clear(&arena);
        ck_assert_int_eq(gm_json_parse(&arena, "memory.jsonl", line, (size_t)(end - line), &row, NULL), GPUMEM_OK);
        if (!steps_by(&row, "for-loop"))
            continue;
        ck_assert_uint_lt(nloops, 8);
        snprintf(loops[nloops].name, sizeof loops->name, "%s", accuracy_string(&row, "name", "?"));
        loops[nloops++].between = gm_value_get(&row, "between_steps")->v.i;
    }
    gm_arena_free(&arena);
    gm_arena_free(&text);
}

static void only_adagrad(const gm_value *row, unsigned field, int64_t have)
{
    const char *name = accuracy_string(row, "name", "?");
    unsigned i = 0;
    ck_assert_msg(steps_by(row, "foreach") && field != WEIGHTS && field != KEPT, "%s of %s with %s, %s differs", training_field[field], name,
                  accuracy_string(row, "optimizer", "?"), accuracy_string(row, "implementation", "?"));
    while (i < nloops && strcmp(loops[i].name, name) != 0)
        i++;
    ck_assert_msg(i < nloops, "%s has no row with for-loop", name);
    ck_assert_int_eq(have - gm_value_get(row, training_field[field])->v.i, loops[i].between - gm_value_get(row, "between_steps")->v.i);
    differ++;
}

START_TEST(training)
{
    read_loops();
    accuracy a = of_table(ORACLE "/memory.jsonl", true, only_adagrad, 594);
    for (unsigned f = 0; f < NFIELD; f++)
        ck_assert_msg(a.exact[f] * 100 >= a.rows * 99, "%s: %u of %u are exact", training_field[f], a.exact[f], a.rows);
    ck_assert_uint_eq(differ, 3 * (NFIELD - 2)); /* three models */
    ck_assert_uint_eq(a.under, 0);
    ck_assert(accuracy_percentile(&a, PEAK, 0.95) == 0);
    ck_assert(accuracy_percentile(&a, KEPT, 0.95) == 0);
    accuracy_free(&a);
}
END_TEST

static void none(const gm_value *row, unsigned field, int64_t have)
{
    (void)have;
    ck_abort_msg("%s of %s with %s and %s differs", training_field[field], accuracy_string(row, "name", "?"), accuracy_string(row, "precision", "?"), accuracy_string(row, "attention", "?"));
}

static void differs(const gm_value *row, unsigned field, int64_t have)
{
    (void)have;
    ck_abort_msg("%s of %s differs", inference_field[field], accuracy_string(row, "name", "?"));
}

/* Small models of structures that memory.jsonl has none of. */
START_TEST(small)
{
    accuracy a = of_table(ORACLE "/small.jsonl", true, none, 128);
    accuracy_free(&a);
}
END_TEST

/* Modes, optimizers, sizes and activation functions drawn at random, after the rules were written. */
START_TEST(sampled)
{
    accuracy a = of_table(ORACLE "/sampled.jsonl", true, none, 110);
    accuracy_free(&a);
    a = of_table(ORACLE "/sampled_inference.jsonl", false, differs, 25);
    accuracy_free(&a);
}
END_TEST

START_TEST(inference)
{
    accuracy a = of_table(ORACLE "/memory.jsonl", false, differs, 90);
    accuracy_free(&a);
}
END_TEST

/* Small models of classes that memory.jsonl has not: caches of their own, states, indexers. */
START_TEST(small_inference)
{
    accuracy a = of_table(ORACLE "/small_inference.jsonl", false, differs, 40);
    accuracy_free(&a);
}
END_TEST

/* What llama.cpp says of itself (README.md): weights and cache to the byte; its compute buffer, where places of its allocator differ, within a part of all. */
static struct { unsigned rows, exact; double least, most; } buffers = {0, 0, 0, 0};

static uint64_t number_of(const gm_value *row, const char *key)
{
    const gm_value *v = gm_value_get(row, key);
    ck_assert_msg(v && v->type == GM_INT, "%s is missing", key);
    return (uint64_t)v->v.i;
}

static void buffers_row(gm_arena *arena, const gm_value *row, const char *line, size_t n)
{
    const char *name = accuracy_string(row, "name", "?");
    gpumem_text text = {0};
    gm_value out;
    double off;
    uint64_t correction = strcmp(name, "deepseek-v3") == 0 ? 2 * 256 * 4 : 0; /* a buffer of the class, of 256 experts in two layers */
    ck_assert_int_eq(gpumem_batch_line(batch, line, n, &text), GPUMEM_OK);
    ck_assert_int_eq(gm_json_parse(arena, "result", text.s, text.n, &out, NULL), GPUMEM_OK);
    ck_assert_msg(gm_value_get(&out, "total") != NULL, "%s: %s", name, text.s);
    gpumem_text_free(&text);
    ck_assert_uint_eq(number_of(&out, "weights") + correction, number_of(row, "model_buffer"));
    ck_assert_uint_eq(number_of(&out, "cache"), number_of(row, "context_buffer"));
    buffers.rows++;
    if (gm_value_get(row, "compute_buffer") == NULL) /* layers on the host: not modelled */
        return;
    off = (double)number_of(&out, "total") - (double)number_of(&out, "weights") - (double)number_of(&out, "cache") - (double)number_of(row, "compute_buffer");
    buffers.exact += off > -8192 && off < 8192;
    off /= (double)(number_of(row, "model_buffer") + number_of(row, "context_buffer") + number_of(row, "compute_buffer"));
    buffers.least = off < buffers.least ? off : buffers.least;
    buffers.most = off > buffers.most ? off : buffers.most;
}

START_TEST(llama_cpp)
{
    gm_arena text = {0}, arena = {0};
    char *line, *end;
    size_t n;
    ck_assert_int_eq(gm_file_read(&text, ORACLE "/llama_cpp.jsonl", 1 << 20, &line, &n, NULL), GPUMEM_OK);
    for (; *line; line = end + 1) {
        gm_value row;
        end = strchr(line, '\n');
        gm_arena_clear(&arena);
        ck_assert_int_eq(gm_json_parse(&arena, "llama_cpp.jsonl", line, (size_t)(end - line), &row, NULL), GPUMEM_OK);
        buffers_row(&arena, &row, line, (size_t)(end - line));
    }
    printf("llama.cpp: %u rows, %u compute buffers within 8 KiB, the others %+.2f to %+.2f %% of all\n", buffers.rows, buffers.exact, 100 * buffers.least, 100 * buffers.most);
    ck_assert_uint_eq(buffers.rows, 165);
    ck_assert_uint_ge(buffers.exact, 91);
    ck_assert(buffers.least > -0.005 && buffers.most < 0.015);
    gm_arena_free(&arena);
    gm_arena_free(&text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("accuracy");
    TCase *c = tcase_create("accuracy");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, training);
    tcase_add_test(c, small);
    tcase_add_test(c, sampled);
    tcase_add_test(c, inference);
    tcase_add_test(c, small_inference);
    tcase_add_test(c, llama_cpp);
    suite_add_tcase(s, c);
    return run_suite(s);
}
