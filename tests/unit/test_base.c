/* core/base and core/text/file: arena, errors, text, near names, values, files. */
#include "base/arena.h"
#include "base/checked.h"
#include "base/near.h"
#include "base/utf8.h"
#include "base/value.h"
#include "text/file.h"
#include "../suite.h"
#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- arena ---- */

START_TEST(arena_aligns)
{
    gm_arena a = {0};
    size_t n;
    for (n = 0; n < 200; n++) {
        unsigned char *p = gm_arena_alloc(&a, n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0xa5, n);
    }
    gm_arena_free(&a);
    ck_assert_ptr_null(a.last);
}
END_TEST

START_TEST(arena_keeps_what_it_gave)
{
    gm_arena a = {0};
    unsigned *p[500], i;
    for (i = 0; i < 500; i++) {
        p[i] = gm_arena_alloc(&a, 1000);
        *p[i] = i;
    }
    for (i = 0; i < 500; i++)
        ck_assert_uint_eq(*p[i], i);
    gm_arena_free(&a);
}
END_TEST

START_TEST(arena_takes_large_blocks)
{
    gm_arena a = {0};
    char *p = gm_arena_zero(&a, 3, 10 << 20);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(p[(30 << 20) - 1], 0);
    ck_assert_ptr_nonnull(gm_arena_alloc(&a, 100));
    gm_arena_free(&a);
}
END_TEST

START_TEST(arena_refuses_what_cannot_be)
{
    gm_arena a = {0};
    ck_assert_ptr_null(gm_arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(gm_arena_alloc(&a, SIZE_MAX - 20));
    ck_assert_ptr_null(gm_arena_zero(&a, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(gm_arena_strndup(&a, "", SIZE_MAX));
    ck_assert_ptr_nonnull(gm_arena_alloc(&a, 1));
    gm_arena_free(&a);
}
END_TEST

START_TEST(arena_rewinds)
{
    gm_arena a = {0};
    gm_arena_mark empty = gm_arena_mark_of(&a), mark;
    char *s = gm_arena_strdup(&a, "kept"), *next;
    int i;
    mark = gm_arena_mark_of(&a);
    next = gm_arena_alloc(&a, 8);
    for (i = 0; i < 50; i++)
        gm_arena_alloc(&a, 50000);
    gm_arena_rewind(&a, mark);
    ck_assert_str_eq(s, "kept");
    ck_assert_ptr_eq(gm_arena_alloc(&a, 8), next);
    gm_arena_rewind(&a, empty);
    ck_assert_ptr_eq(gm_arena_strdup(&a, "again"), s);
    gm_arena_free(&a);
}
END_TEST

START_TEST(arena_clears)
{
    gm_arena a = {0};
    void *first = gm_arena_alloc(&a, 16);
    int i;
    for (i = 0; i < 10; i++)
        gm_arena_alloc(&a, 60000);
    gm_arena_clear(&a);
    ck_assert_ptr_eq(gm_arena_alloc(&a, 16), first);
    gm_arena_clear(&(gm_arena){0});
    gm_arena_free(&a);
    gm_arena_free(&a);
}
END_TEST

START_TEST(arena_copies_strings)
{
    gm_arena a = {0};
    ck_assert_str_eq(gm_arena_strndup(&a, "abcdef", 3), "abc");
    ck_assert_str_eq(gm_arena_strndup(&a, NULL, 0), "");
    ck_assert_str_eq(gm_arena_strdup(&a, ""), "");
    gm_arena_free(&a);
}
END_TEST

/* ---- checked arithmetic ---- */

START_TEST(checked_overflows)
{
    uint64_t u;
    int64_t i;
    ck_assert(!gm_add_u64(UINT64_MAX - 1, 1, &u) && u == UINT64_MAX);
    ck_assert(gm_add_u64(UINT64_MAX, 1, &u));
    ck_assert(!gm_mul_u64(1ull << 32, (1ull << 32) - 1, &u) && u == UINT64_MAX - UINT32_MAX);
    ck_assert(gm_mul_u64(1ull << 32, 1ull << 32, &u));
    ck_assert(gm_add_i64(INT64_MAX, 1, &i) && gm_sub_i64(INT64_MIN, 1, &i) && gm_mul_i64(INT64_MIN, -1, &i));
    ck_assert(!gm_sub_i64(0, INT64_MAX, &i) && i == -INT64_MAX);
}
END_TEST

/* ---- errors ---- */

START_TEST(error_keeps_the_first)
{
    gpumem_error e = {0};
    char buf[1100];
    ck_assert_int_eq(gm_fail(&e, GPUMEM_ECONFIG, "a.json", 3, 7, "no '%s' here", "x"), GPUMEM_ECONFIG);
    ck_assert_int_eq(gm_fail(&e, GPUMEM_EIO, "b", 1, 1, "later"), GPUMEM_ECONFIG);
    ck_assert_int_eq(gm_no_memory(&e), GPUMEM_ECONFIG);
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "a.json:3:7: no 'x' here");
    gpumem_error_clear(&e);
    ck_assert_int_eq(e.status, GPUMEM_OK);
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "");
    ck_assert_int_eq(gm_no_memory(&e), GPUMEM_ENOMEM);
}
END_TEST

START_TEST(error_may_be_null)
{
    ck_assert_int_eq(gm_fail(NULL, GPUMEM_EIO, "f", 1, 2, "x"), GPUMEM_EIO);
    ck_assert_int_eq(gm_no_memory(NULL), GPUMEM_ENOMEM);
    gm_tip(NULL, "x");
    gpumem_error_clear(NULL);
}
END_TEST

START_TEST(error_text_has_what_is_known)
{
    gpumem_error e = {0};
    char buf[1100], small[8], none = 'x';
    gm_fail(&e, GPUMEM_EIO, "f", 0, 0, "m");
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "f: m");
    e.line = 4;
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "f:4: m");
    e.column = 2;
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "f:4:2: m");
    ck_assert_str_eq(gpumem_error_text(&e, small, sizeof small), "f:4:2: ");
    ck_assert_str_eq(gpumem_error_text(&e, &none, 0), "");
    ck_assert_int_eq(none, 'x');
    e.file[0] = '\0';
    ck_assert_str_eq(gpumem_error_text(&e, buf, sizeof buf), "m");
}
END_TEST

START_TEST(error_is_one_line)
{
    gpumem_error e = {0};
    gm_fail(&e, GPUMEM_EINVAL, NULL, 0, 0, "a\nb\tc\x7f\x1b");
    ck_assert_str_eq(e.message, "a b c  ");
    gm_tip(&e, "x\ny");
    ck_assert_str_eq(e.tip[0], "x y");
}
END_TEST

START_TEST(error_cuts_at_characters)
{
    gpumem_error e = {0};
    char s[1001];
    size_t i;
    for (i = 0; i < 1000; i += 2)
        memcpy(s + i, "\xc3\xa9", 3);
    gm_fail(&e, GPUMEM_EINVAL, s, 0, 0, "%s", s);
    ck_assert_uint_eq(strlen(e.message), 510);
    ck_assert_uint_eq(strlen(e.file), 511);
}
END_TEST

START_TEST(error_takes_three_tips)
{
    gpumem_error e = {0};
    int i;
    gm_tip(&e, "without an error");
    ck_assert_uint_eq(e.ntip, 0);
    gm_fail(&e, GPUMEM_EUNKNOWN, NULL, 0, 0, "x");
    for (i = 0; i < 5; i++)
        gm_tip(&e, "tip %d", i);
    ck_assert_uint_eq(e.ntip, 3);
    ck_assert_str_eq(e.tip[2], "tip 2");
}
END_TEST

START_TEST(error_exit_codes)
{
    static const struct { gpumem_status status; int code; } want[] = {
        {GPUMEM_OK, 0},      {GPUMEM_EUNKNOWN, 2}, {GPUMEM_EINVAL, 2}, {GPUMEM_EUNSUP, 2}, {GPUMEM_ERANGE, 2},
        {GPUMEM_EIO, 3},     {GPUMEM_ESYNTAX, 3},  {GPUMEM_ECONFIG, 3}, {GPUMEM_EMODEL, 3}, {GPUMEM_EPLUGIN, 4},
        {GPUMEM_ENOMEM, 5},  {GPUMEM_EINTERNAL, 5}, {GPUMEM_ESPACE, 5}, {GPUMEM_EHUB, 6},     {GPUMEM_ENOCONFIG, 6},
    };
    size_t i;
    for (i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_int_eq(gpumem_exit_code(want[i].status), want[i].code);
    ck_assert_int_eq(gpumem_exit_code((gpumem_status)-99), 5);
}
END_TEST

/* ---- text ---- */

START_TEST(text_grows)
{
    gpumem_text t = {0};
    int i;
    for (i = 0; i < 10000; i++)
        gpumem_text_puts(&t, "0123456789");
    ck_assert_uint_eq(t.n, 100000);
    ck_assert_uint_eq(strlen(t.s), 100000);
    gpumem_text_clear(&t);
    ck_assert_str_eq(t.s, "");
    ck_assert_uint_gt(t.size, 100000);
    gpumem_text_free(&t);
    ck_assert_ptr_null(t.s);
    gpumem_text_clear(&t);
}
END_TEST

START_TEST(text_is_terminated_at_every_length)
{
    gpumem_text t = {0};
    size_t i;
    for (i = 1; i < 300; i++) {
        gpumem_text_char(&t, 'x');
        ck_assert_uint_eq(strlen(t.s), i);
    }
    gpumem_text_free(&t);
    gpumem_text_put(&t, NULL, 0);
    ck_assert_str_eq(t.s, "");
    gpumem_text_free(&t);
}
END_TEST

START_TEST(text_numbers)
{
    gpumem_text t = {0};
    gpumem_text_u64(&t, 0);
    gpumem_text_char(&t, ' ');
    gpumem_text_u64(&t, UINT64_MAX);
    gpumem_text_char(&t, ' ');
    gpumem_text_i64(&t, INT64_MIN);
    gpumem_text_char(&t, ' ');
    gpumem_text_i64(&t, -1);
    gpumem_text_printf(&t, " %d%s", 7, "x");
    ck_assert_str_eq(t.s, "0 18446744073709551615 -9223372036854775808 -1 7x");
    gpumem_text_free(&t);
}
END_TEST

START_TEST(text_printf_grows)
{
    gpumem_text t = {0};
    gpumem_text_printf(&t, "%5000d", 1);
    ck_assert_uint_eq(t.n, 5000);
    ck_assert_int_eq(t.s[4999], '1');
    gpumem_text_free(&t);
}
END_TEST

START_TEST(text_json_escapes)
{
    static const struct { const char *s; size_t n; const char *want; } row[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\""},
        {"\xc3", 1, "\"\xef\xbf\xbd\""},                              /* cut short */
        {"\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},              /* too long a form */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* beyond U+10FFFF */
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        gpumem_text t = {0};
        gpumem_text_json(&t, row[i].s, row[i].n);
        ck_assert_str_eq(t.s, row[i].want);
        gpumem_text_free(&t);
    }
}
END_TEST

START_TEST(text_failure_sticks)
{
    gpumem_text t = {0};
    gpumem_text_puts(&t, "x");
    gpumem_text_put(&t, "", SIZE_MAX - 4); /* refused before it is read */
    ck_assert(t.failed);
    gpumem_text_puts(&t, "y");
    ck_assert_str_eq(t.s, "x");
    gpumem_text_clear(&t);
    gpumem_text_puts(&t, "z");
    ck_assert_str_eq(t.s, "z");
    gpumem_text_free(&t);
}
END_TEST

/* ---- UTF-8 ---- */

START_TEST(utf8_counts_and_cuts)
{
    const char *s = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t cut[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    size_t i;
    ck_assert_uint_eq(gm_utf8_count(s, 10), 4);
    ck_assert_uint_eq(gm_utf8_count("\xff\xfe", 2), 2);
    for (i = 0; i <= 10; i++)
        ck_assert_uint_eq(gm_utf8_cut(s, i), cut[i]);
    ck_assert_uint_eq(gm_utf8_length("", 0), 0);
}
END_TEST

/* ---- near names ---- */

START_TEST(near_distances)
{
    static const struct { const char *a, *b; unsigned d; } row[] = {
        {"", "", 0},       {"", "abc", 3},      {"kitten", "sitting", 3}, {"abcd", "abdc", 1}, /* a transposition */
        {"ca", "abc", 3},                       /* optimal string alignment, not the full distance 2 */
        {"AdamW", "adamw", 0}, {"a", "b", 1},   {"saturday", "sunday", 3}, {"flaw", "lawn", 2},
    };
    char longer[200];
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        ck_assert_uint_eq(gm_near_distance(row[i].a, row[i].b), row[i].d);
        ck_assert_uint_eq(gm_near_distance(row[i].b, row[i].a), row[i].d);
    }
    memset(longer, 'a', 199);
    longer[199] = '\0';
    ck_assert_uint_eq(gm_near_distance(longer, longer + 1), 199);
    longer[128] = '\0';
    ck_assert_uint_eq(gm_near_distance(longer, longer + 1), 1);
}
END_TEST

START_TEST(near_ranks)
{
    ck_assert_uint_eq(gm_near_rank("adamw", "AdamW"), 1);
    ck_assert_uint_gt(gm_near_rank("adam", "adamw"), 1);
    ck_assert_uint_eq(gm_near_rank("adam", "sgd"), 0);
    ck_assert_uint_eq(gm_near_rank("abcde", "abcxy"), 0);   /* 2 of 5 is more than a third */
    ck_assert_uint_ne(gm_near_rank("abcdef", "abcdxy"), 0);
    ck_assert_uint_eq(gm_near_rank("abcdefghijkl", "abcdefghixyz"), 0); /* never 3 */
    ck_assert_uint_ne(gm_near_rank("h100", "nvidia-h100-80gb"), 0);
    ck_assert_uint_ne(gm_near_rank("nvidia-h100-80gb", "H100"), 0);
    ck_assert_uint_eq(gm_near_rank("80", "a100-80gb"), 0);  /* fewer than 3 characters */
    ck_assert_uint_eq(gm_near_rank("a", "b"), 0);
    ck_assert_uint_eq(gm_near_rank("", "a"), 0);
    ck_assert_uint_ne(gm_near_rank("ab", "b"), 0);
    ck_assert_uint_lt(gm_near_rank("llama", "lama"), gm_near_rank("llama", "llama-2-7b"));
}
END_TEST

START_TEST(near_keeps_the_best)
{
    gpumem_near near;
    char buf[100], small[6], longer[120];
    gpumem_near_init(&near, "adamw");
    ck_assert_str_eq(gpumem_near_text(&near, buf, sizeof buf), "");
    gpumem_near_offer(&near, "sgd");
    ck_assert_uint_eq(near.n, 0);
    gpumem_near_offer(&near, "paged-adamw-8bit");
    ck_assert_str_eq(gpumem_near_text(&near, buf, sizeof buf), "paged-adamw-8bit");
    gpumem_near_offer(&near, "adam");
    ck_assert_str_eq(gpumem_near_text(&near, buf, sizeof buf), "adam or paged-adamw-8bit");
    gpumem_near_offer(&near, "adam");
    gpumem_near_offer(&near, "adamw8bit");
    gpumem_near_offer(&near, "adamx");
    gpumem_near_offer(&near, "paged-adamw-32bit");
    ck_assert_str_eq(gpumem_near_text(&near, buf, sizeof buf), "adam, adamx or adamw8bit");
    ck_assert_str_eq(gpumem_near_text(&near, small, sizeof small), "adam,");
    ck_assert_str_eq(gpumem_near_text(&near, small, 0), "");
    memset(longer, 'x', sizeof longer - 1);
    memcpy(longer, "adamw", 5);
    longer[sizeof longer - 1] = '\0';
    gpumem_near_init(&near, "adamw");
    gpumem_near_offer(&near, longer); /* a name cut short helps nobody */
    ck_assert_uint_eq(near.n, 0);
}
END_TEST

/* ---- values ---- */

static gm_value string(const char *s)
{
    gm_value v = gm_null();
    v.type = GM_STRING;
    v.n = (uint32_t)strlen(s);
    v.v.s = s;
    return v;
}

static gm_value list(const gm_value *item, uint32_t n)
{
    gm_value v = gm_null();
    v.type = GM_LIST;
    v.n = n;
    v.v.list = item;
    return v;
}

static gm_member member(const char *key, gm_value v)
{
    gm_member m = {key, gm_hash(key), 0, 0, v};
    return m;
}

static gm_value map(const gm_member *m, uint32_t n)
{
    gm_value v = gm_null();
    v.type = GM_MAP;
    v.n = n;
    v.v.map = m;
    return v;
}

START_TEST(value_hash_is_fnv1a)
{
    ck_assert_uint_eq(gm_hash(""), 0x811c9dc5u);
    ck_assert_uint_eq(gm_hash("a"), 0xe40c292cu);
    ck_assert_uint_eq(gm_hash("foobar"), 0xbf9cf968u);
    ck_assert_uint_eq(gm_hash("\xff"), (2166136261u ^ 255u) * 16777619u); /* bytes are unsigned */
}
END_TEST

START_TEST(value_get)
{
    gm_member m[] = {member("a", gm_int(1)), member("b", gm_null()), member("", gm_int(3))};
    gm_value v = map(m, 3), i = gm_int(1);
    ck_assert_int_eq(gm_value_get(&v, "a")->v.i, 1);
    ck_assert_int_eq(gm_value_get(&v, "b")->type, GM_NULL);
    ck_assert_int_eq(gm_value_get(&v, "")->v.i, 3);
    ck_assert_ptr_null(gm_value_get(&v, "c"));
    ck_assert_ptr_null(gm_value_get(&i, "a"));
    ck_assert_ptr_eq(gm_value_get_hashed(&v, "a", gm_hash("a")), &m[0].value);
}
END_TEST

START_TEST(value_equal)
{
    gm_value one[] = {gm_int(1), string("x")}, other[] = {gm_real(1), string("x")}, third[] = {gm_int(1), string("y")};
    gm_member ab[] = {member("a", gm_int(1)), member("b", gm_null())}, ba[] = {member("b", gm_null()), member("a", gm_bool(true))},
              ac[] = {member("a", gm_int(1)), member("c", gm_null())};
    gm_value v[] = {gm_null(), gm_bool(false), gm_int(1), string("1"), list(one, 2), map(ab, 2)};
    gm_value a, b;
    size_t i, j;
    for (i = 0; i < 6; i++)
        for (j = 0; j < 6; j++)
            ck_assert_int_eq(gm_value_equal(&v[i], &v[j]), i == j);
#define EQUAL(x, y) (a = (x), b = (y), gm_value_equal(&a, &b))
    ck_assert(EQUAL(gm_int(1), gm_real(1)) && EQUAL(gm_real(1), gm_bool(true)) && EQUAL(gm_bool(true), gm_int(1)));
    ck_assert(!EQUAL(gm_real(NAN), gm_real(NAN)) && !EQUAL(gm_int(0), gm_real(NAN)));
    ck_assert(!EQUAL(gm_int(9007199254740993), gm_real(9007199254740992.0))); /* 2**53 + 1 == 2.0**53 is False */
    ck_assert(!EQUAL(gm_int(INT64_MAX), gm_real(9223372036854775808.0)));
    ck_assert(EQUAL(gm_int(INT64_MIN), gm_real(-9223372036854775808.0)));
    ck_assert(!EQUAL(gm_int(1), gm_real(INFINITY)) && !EQUAL(gm_int(1), gm_real(-INFINITY)) && !EQUAL(gm_int(1), gm_real(1.5)));
    ck_assert(EQUAL(list(one, 2), list(other, 2)) && !EQUAL(list(one, 2), list(third, 2)) && !EQUAL(list(one, 2), list(one, 1)));
    ck_assert(EQUAL(map(ab, 2), map(ba, 2)) && !EQUAL(map(ab, 2), map(ac, 2)) && !EQUAL(map(ab, 2), map(ab, 1)));
    ck_assert(!EQUAL(string("ab"), string("a")) && !EQUAL(string("a"), string("b")) && EQUAL(string(""), string("")));
}
END_TEST

START_TEST(value_compare_int_real)
{
    ck_assert_int_eq(gm_compare_int_real(1, 1.5), -1);
    ck_assert_int_eq(gm_compare_int_real(-1, -1.5), 1);
    ck_assert_int_eq(gm_compare_int_real(2, 1.5), 1);
    ck_assert_int_eq(gm_compare_int_real(0, -0.0), 0);
    ck_assert_int_eq(gm_compare_int_real(0, -0.5), 1);
    ck_assert_int_eq(gm_compare_int_real(9007199254740993, 9007199254740992.0), 1);
    ck_assert_int_eq(gm_compare_int_real(INT64_MAX, 9223372036854775808.0), -1);
    ck_assert_int_eq(gm_compare_int_real(INT64_MIN, -INFINITY), 1);
    ck_assert_int_eq(gm_compare_int_real(0, NAN), 2);
}
END_TEST

START_TEST(value_true)
{
    gm_value one = gm_null(), v;
    gm_member m = member("a", gm_null());
#define TRUE(x) (v = (x), gm_value_true(&v))
    ck_assert(!TRUE(gm_null()) && !TRUE(gm_bool(false)) && !TRUE(gm_int(0)) && !TRUE(gm_real(0)) && !TRUE(gm_real(-0.0)) &&
              !TRUE(string("")) && !TRUE(list(NULL, 0)) && !TRUE(map(NULL, 0)));
    ck_assert(TRUE(gm_bool(true)) && TRUE(gm_int(-1)) && TRUE(gm_real(NAN)) && TRUE(gm_real(0.1)) && TRUE(string("0")) &&
              TRUE(list(&one, 1)) && TRUE(map(&m, 1)));
}
END_TEST

static void check_json(gm_value v, const char *want)
{
    gpumem_text t = {0};
    gm_value_json(&v, &t);
    ck_assert_str_eq(t.s, want);
    gpumem_text_free(&t);
}

static void check_reals(void)
{
    static const struct { double r; const char *want; } row[] = {
        {0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {0.1, "0.1"}, {1e-5, "1e-05"}, {1e22, "1e+22"}, {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"}, {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
        {1e-310, "1e-310"}, {123456.75, "123456.75"}, {NAN, "NaN"}, {INFINITY, "Infinity"}, {-INFINITY, "-Infinity"},
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++)
        check_json(gm_real(row[i].r), row[i].want);
    ck_assert_double_eq(gm_real_from("1.5e3"), 1500);
}

START_TEST(value_json)
{
    gm_value item[] = {gm_int(-5), string("a\"b"), gm_bool(true)};
    gm_member m[] = {member("k\n", list(item, 3)), member("e", map(NULL, 0)), member("l", list(NULL, 0)), member("n", gm_null())};
    check_json(map(m, 4), "{\"k\\n\": [-5, \"a\\\"b\", true], \"e\": {}, \"l\": [], \"n\": null}");
    check_json(gm_int(INT64_MIN), "-9223372036854775808");
    check_reals();
}
END_TEST

START_TEST(value_reals_in_any_locale)
{
    static const char *const name[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    size_t i;
    for (i = 0; i < sizeof name / sizeof *name; i++)
        if (setlocale(LC_ALL, name[i]))
            break;
    check_reals();
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(value_int_from)
{
    int64_t i;
    ck_assert(gm_int_from("9223372036854775807", 19, &i) && i == INT64_MAX);
    ck_assert(gm_int_from("-9223372036854775808", 20, &i) && i == INT64_MIN);
    ck_assert(gm_int_from("+0012x", 5, &i) && i == 12);
    ck_assert(!gm_int_from("9223372036854775808", 19, &i));
    ck_assert(!gm_int_from("-9223372036854775809", 20, &i));
    ck_assert(!gm_int_from("92233720368547758070", 20, &i));
}
END_TEST

START_TEST(value_show)
{
    gm_value item[1000], v = string("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    char buf[32];
    int i;
    for (i = 0; i < 1000; i++)
        item[i] = gm_int(i);
    ck_assert_str_eq(gm_value_show(&item[7], buf, sizeof buf), "7");
    v = list(item, 3);
    ck_assert_str_eq(gm_value_show(&v, buf, sizeof buf), "[0, 1, 2]");
    ck_assert_str_eq(gm_value_show(&v, buf, 10), "[0, 1, 2]");
    ck_assert_str_eq(gm_value_show(&v, buf, 9), "[0, 1...");
    v = list(item, 1000);
    ck_assert_str_eq(gm_value_show(&v, buf, 12), "[0, 1, 2...");
    v = string("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    ck_assert_str_eq(gm_value_show(&v, buf, 10), "\"\xc3\xa9\xc3\xa9...");
    ck_assert_str_eq(gm_value_show(&v, buf, 4), "...");
    ck_assert_str_eq(gm_value_show(&v, buf, 1), "");
    ck_assert_str_eq(gm_value_show(&v, buf, 0), "");
}
END_TEST

START_TEST(value_type_names)
{
    ck_assert_str_eq(gm_type_name(GM_NULL), "null");
    ck_assert_str_eq(gm_type_name(GM_BOOL), "boolean");
    ck_assert_str_eq(gm_type_name(GM_INT), "integer");
    ck_assert_str_eq(gm_type_name(GM_REAL), "number");
    ck_assert_str_eq(gm_type_name(GM_STRING), "string");
    ck_assert_str_eq(gm_type_name(GM_LIST), "list");
    ck_assert_str_eq(gm_type_name(GM_MAP), "mapping");
    ck_assert_str_eq(gm_type_name((gm_type)99), "unknown");
}
END_TEST

/* ---- files ---- */

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/gpumem-base-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const name[] = {"f", "empty", "fifo", "secret", "link"};
    char path[128];
    size_t i;
    for (i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        unlink(path);
    }
    rmdir(folder);
}

static const char *file(const char *name, const char *text, size_t n)
{
    static char path[128];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = text ? fopen(path, "wb") : NULL;
    if (f) {
        fwrite(text, 1, n, f);
        fclose(f);
    }
    return path;
}

static void refuses(const char *path, size_t max, const char *why)
{
    gm_arena a = {0};
    gpumem_error e = {0};
    char *text;
    size_t n;
    ck_assert_int_eq(gm_file_read(&a, path, max, &text, &n, &e), GPUMEM_EIO);
    ck_assert_str_eq(e.message, why);
    ck_assert_str_eq(e.file, path);
    ck_assert_uint_eq(e.line, 0);
    gm_arena_free(&a);
}

START_TEST(file_reads)
{
    gm_arena a = {0};
    gpumem_error e = {0};
    char *text;
    size_t n;
    ck_assert_int_eq(gm_file_read(&a, file("f", "a\0b\n", 4), 4, &text, &n, &e), GPUMEM_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_mem_eq(text, "a\0b\n", 5);
    ck_assert_int_eq(gm_file_read(&a, file("empty", "", 0), 4, &text, &n, NULL), GPUMEM_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_str_eq(text, "");
    gm_arena_free(&a);
}
END_TEST

START_TEST(file_refuses)
{
    const char *path;
    char below[160];
    refuses(file("none", NULL, 0), 100, "no such file");
    refuses(folder, 100, "is a directory");
    refuses("/dev/null", 100, "is not a regular file");
    refuses(file("f", "abcde", 5), 4, "larger than 4 bytes");
    snprintf(below, sizeof below, "%s/x", file("f", "abcde", 5));
    refuses(below, 100, "a part of the path is not a directory");
    path = file("fifo", NULL, 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refuses(path, 100, "is not a regular file"); /* and does not wait for a writer */
    path = file("link", NULL, 0);
    ck_assert_int_eq(symlink(path, path), 0);
    refuses(path, 100, "Too many levels of symbolic links");
    path = file("secret", "x", 1);
    chmod(path, 0);
    if (geteuid() != 0)
        refuses(path, 100, "permission denied");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("memory"), *files = tcase_create("files");
    tcase_add_test(t, arena_aligns);
    tcase_add_test(t, arena_keeps_what_it_gave);
    tcase_add_test(t, arena_takes_large_blocks);
    tcase_add_test(t, arena_refuses_what_cannot_be);
    tcase_add_test(t, arena_rewinds);
    tcase_add_test(t, arena_clears);
    tcase_add_test(t, arena_copies_strings);
    tcase_add_test(t, checked_overflows);
    suite_add_tcase(s, t);
    t = tcase_create("errors");
    tcase_add_test(t, error_keeps_the_first);
    tcase_add_test(t, error_may_be_null);
    tcase_add_test(t, error_text_has_what_is_known);
    tcase_add_test(t, error_is_one_line);
    tcase_add_test(t, error_cuts_at_characters);
    tcase_add_test(t, error_takes_three_tips);
    tcase_add_test(t, error_exit_codes);
    suite_add_tcase(s, t);
    t = tcase_create("text");
    tcase_add_test(t, text_grows);
    tcase_add_test(t, text_is_terminated_at_every_length);
    tcase_add_test(t, text_numbers);
    tcase_add_test(t, text_printf_grows);
    tcase_add_test(t, text_json_escapes);
    tcase_add_test(t, text_failure_sticks);
    tcase_add_test(t, utf8_counts_and_cuts);
    suite_add_tcase(s, t);
    t = tcase_create("near");
    tcase_add_test(t, near_distances);
    tcase_add_test(t, near_ranks);
    tcase_add_test(t, near_keeps_the_best);
    suite_add_tcase(s, t);
    t = tcase_create("value");
    tcase_add_test(t, value_hash_is_fnv1a);
    tcase_add_test(t, value_get);
    tcase_add_test(t, value_equal);
    tcase_add_test(t, value_compare_int_real);
    tcase_add_test(t, value_true);
    tcase_add_test(t, value_json);
    tcase_add_test(t, value_reals_in_any_locale);
    tcase_add_test(t, value_int_from);
    tcase_add_test(t, value_show);
    tcase_add_test(t, value_type_names);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, file_reads);
    tcase_add_test(files, file_refuses);
    suite_add_tcase(s, files);
    return run_suite(s);
}
