/* core/model/runs: repeated sequences of layers. */
#include "../suite.h"
#include "model/runs.h"
#include <stdio.h>
#include <string.h>

/* "abab" as "(ab)2". */
static const char *runs_of(const char *sequence)
{
    static char text[256];
    uint32_t s[128], n = (uint32_t)strlen(sequence), nrun, at = 0;
    gpumem_run run[128];
    char *p = text;
    for (uint32_t i = 0; i < n; i++)
        s[i] = (uint32_t)sequence[i];
    nrun = gm_runs_find(s, n, run);
    for (uint32_t i = 0; i < nrun; i++) {
        ck_assert_uint_eq(run[i].first, at);
        at += run[i].n * run[i].count;
        p += sprintf(p, run[i].count > 1 ? "(%.*s)%u" : "%.*s", (int)run[i].n, sequence + run[i].first, run[i].count);
    }
    *p = '\0';
    ck_assert_uint_eq(at, n);
    return text;
}

START_TEST(runs)
{
    ck_assert_str_eq(runs_of(""), "");
    ck_assert_str_eq(runs_of("a"), "a");
    ck_assert_str_eq(runs_of("ab"), "ab");
    ck_assert_str_eq(runs_of("aa"), "(a)2");
    ck_assert_str_eq(runs_of("eaaaah"), "e(a)4h");
    ck_assert_str_eq(runs_of("eababababh"), "e(ab)4h");
    ck_assert_str_eq(runs_of("esssssfsssssfssh"), "e(sssssf)2(s)2h");
    ck_assert_str_eq(runs_of("eabcabcabh"), "e(abc)2abh");
    ck_assert_str_eq(runs_of("edddmmmmmmh"), "e(d)3(m)6h");
    ck_assert_str_eq(runs_of("aabaab"), "(aab)2");
}
END_TEST

START_TEST(runs_cover_any_sequence)
{
    uint32_t seed = 1, s[400];
    gpumem_run run[400];
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + round, letters = 1 + (uint32_t)round % 5, at = 0;
        for (uint32_t i = 0; i < n; i++)
            s[i] = ((seed = seed * 1664525u + 1013904223u) >> 16) % letters;
        uint32_t nrun = gm_runs_find(s, n, run);
        for (uint32_t r = 0; r < nrun; r++)
            for (uint32_t c = 0; c < run[r].count; c++)
                for (uint32_t i = 0; i < run[r].n; i++, at++)
                    ck_assert_uint_eq(s[run[r].first + i], s[at]);
        ck_assert_uint_eq(at, n);
    }
}
END_TEST

START_TEST(runs_of_long_periods)
{
    uint32_t s[1000];
    gpumem_run run[1000];
    for (uint32_t i = 0; i < 640; i++)
        s[i] = i % 64;
    ck_assert_uint_eq(gm_runs_find(s, 640, run), 1);
    ck_assert_uint_eq(run[0].n, 64);
    ck_assert_uint_eq(run[0].count, 10);
    for (uint32_t i = 0; i < 650; i++) /* longer ones are not looked for */
        s[i] = i % 65;
    ck_assert_uint_eq(gm_runs_find(s, 650, run), 650);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runs");
    TCase *c = tcase_create("runs");
    tcase_add_test(c, runs);
    tcase_add_test(c, runs_cover_any_sequence);
    tcase_add_test(c, runs_of_long_periods);
    suite_add_tcase(s, c);
    return run_suite(s);
}
