/* How near all of memory.jsonl is, and which rows are not exact. */
#include "tables.h"
#include "oracle/accuracy.h"

static accuracy of_table(const char *path, bool training, void (*each)(const gm_value *row, unsigned field), unsigned rows)
{
    accuracy a = {.training = training, .each = each};
    gpumem_error err = {0};
    ck_assert_msg(accuracy_run(&a, batch, path, &err) == GPUMEM_OK, "%s", err.message);
    ck_assert_uint_eq(a.failed, 0);
    ck_assert_uint_eq(a.rows, rows);
    return a;
}

static unsigned differ; /* fields of rows of adagrad's foreach step, in which torch hides what is kept (test_oracle.c) */

static void only_adagrad(const gm_value *row, unsigned field)
{
    bool adagrad = strcmp(accuracy_string(row, "optimizer", ""), "adagrad") == 0 && strcmp(accuracy_string(row, "implementation", ""), "foreach") == 0;
    ck_assert_msg(adagrad, "%s of %s with %s, %s differs", training_field[field], accuracy_string(row, "name", "?"), accuracy_string(row, "optimizer", "?"),
                  accuracy_string(row, "implementation", "?"));
    ck_assert_msg(field != WEIGHTS && field != KEPT, "%s differs", training_field[field]);
    differ++;
}

START_TEST(training)
{
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

static void none(const gm_value *row, unsigned field)
{
    ck_abort_msg("%s of %s with %s and %s differs", training_field[field], accuracy_string(row, "name", "?"), accuracy_string(row, "precision", "?"), accuracy_string(row, "attention", "?"));
}

static void differs(const gm_value *row, unsigned field)
{
    ck_abort_msg("%s of %s differs", inference_field[field], accuracy_string(row, "name", "?"));
}

/* Small models of structures that memory.jsonl has none of. */
START_TEST(small)
{
    accuracy a = of_table(ORACLE "/small.jsonl", true, none, 97);
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
    suite_add_tcase(s, c);
    return run_suite(s);
}
