/* core/text/yaml: values, positions and every refusal.  Expected values are those of the YAML 1.2 core schema, less what yaml.h leaves out. */
#include "text/yaml.h"
#include "../suite.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static gm_arena arena;

static void start(void)
{
    arena = (gm_arena){0};
}

static void stop(void)
{
    gm_arena_free(&arena);
}

static gm_value parse(const char *text)
{
    gpumem_error e = {0};
    gm_value v = gm_null();
    ck_assert_msg(gm_yaml_parse(&arena, "t.yaml", text, strlen(text), &v, &e) == GPUMEM_OK, "%s: %s", text, e.message);
    return v;
}

static void check_json(const gm_value *v, const char *text, const char *want)
{
    gpumem_text t = {0};
    gm_value_json(v, &t);
    ck_assert_msg(strcmp(t.s, want) == 0, "%s: %s, not %s", text, t.s, want);
    gpumem_text_free(&t);
}

START_TEST(documents)
{
    static const struct { const char *text, *want; } row[] = {
        {"a: 1\nb: x\n", "{\"a\": 1, \"b\": \"x\"}"},
        {"- 1\n- [2, x]\n- {a: b}\n", "[1, [2, \"x\"], {\"a\": \"b\"}]"},
        {"{}", "{}"},
        {"[]", "[]"},
        {"a:\nb: ~\n", "{\"a\": null, \"b\": null}"},
        {"---\na: 1\n...\n", "{\"a\": 1}"},
        {"%YAML 1.1\n---\na: 1\n", "{\"a\": 1}"},
        {"# only\na: 1 # a comment\n", "{\"a\": 1}"},
        {"x", "\"x\""},
        {"''", "\"\""},
        {"a: |\n  one\n  two\nb: >\n  one\n  two\n", "{\"a\": \"one\\ntwo\\n\", \"b\": \"one two\\n\"}"},
        {"a: \"x\\ty\\u00e9\"\nb: 'it''s'\n", "{\"a\": \"x\\ty\xc3\xa9\", \"b\": \"it's\"}"},
        {"a: one\n  two\n", "{\"a\": \"one two\"}"},
        {"\"1\": a\n'null': b\n", "{\"1\": \"a\", \"null\": \"b\"}"},
        {"z: 1\na: 2\nm: 3\n", "{\"z\": 1, \"a\": 2, \"m\": 3}"}, /* in their order */
        {"[a: 1, b]", "[{\"a\": 1}, \"b\"]"},
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        gm_value v = parse(row[i].text);
        check_json(&v, row[i].text, row[i].want);
    }
}
END_TEST

START_TEST(scalars)
{
    static const struct { const char *text, *want; } row[] = {
        {"null", "null"}, {"Null", "null"}, {"NULL", "null"}, {"~", "null"}, {"nUll", "\"nUll\""}, {"None", "\"None\""},
        {"true", "true"}, {"false", "false"}, {"True", "\"True\""}, {"FALSE", "\"FALSE\""}, {"yes", "\"yes\""}, {"off", "\"off\""}, {"y", "\"y\""},
        {"0", "0"}, {"-0", "0"}, {"+12", "12"}, {"-7", "-7"}, {"007", "7"}, {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"}, {"1_000", "\"1_000\""}, {"0x10", "\"0x10\""}, {"0o7", "\"0o7\""}, {"1:30", "\"1:30\""},
        {"1.5", "1.5"}, {"-1.5", "-1.5"}, {"1.", "1.0"}, {".5", "0.5"}, {"-.5", "-0.5"}, {"1e3", "1000.0"}, {"1E-5", "1e-05"}, {"1.e+2", "100.0"},
        {"+.5e1", "5.0"}, {"92233720368547758080.0", "9.223372036854776e+19"},
        {".inf", "Infinity"}, {"+.Inf", "Infinity"}, {"-.INF", "-Infinity"}, {".nan", "NaN"}, {".NaN", "NaN"}, {".NAN", "NaN"}, {"-.nan", "\"-.nan\""},
        {"inf", "\"inf\""}, {"nan", "\"nan\""}, {"e5", "\"e5\""}, {"1e", "\"1e\""}, {"1e+", "\"1e+\""}, {".", "\".\""}, {"+", "\"+\""}, {".e1", "\".e1\""},
        {"1.2.3", "\"1.2.3\""}, {"1 2", "\"1 2\""}, {"1e5x", "\"1e5x\""}, {"--1", "\"--1\""}, {"2024-01-01", "\"2024-01-01\""},
        {"'1'", "\"1\""}, {"\"true\"", "\"true\""}, {"'~'", "\"~\""}, {"|\n  1", "\"1\\n\""}, {"|-\n  1", "\"1\""}, {"a b", "\"a b\""},
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        char text[80];
        gm_value v;
        snprintf(text, sizeof text, "- %s\n", row[i].text);
        v = parse(text);
        ck_assert_uint_eq(v.n, 1);
        check_json(&v.v.list[0], text, row[i].want);
    }
}
END_TEST

START_TEST(places)
{
    gm_value v = parse("# x\na: 1\nb:\n  - \xc3\xa9: {c: 'q', d: }\n");
    const gm_member *m = v.v.map, *inner, *pair;
    ck_assert_uint_eq(v.line, 2);
    ck_assert_uint_eq(v.column, 1);
    ck_assert_uint_eq(m[0].line, 2);
    ck_assert_uint_eq(m[0].column, 1);
    ck_assert_uint_eq(m[0].value.line, 2);
    ck_assert_uint_eq(m[0].value.column, 4);
    ck_assert_uint_eq(m[1].line, 3);
    ck_assert_uint_eq(m[1].value.line, 4);
    ck_assert_uint_eq(m[1].value.column, 3);
    inner = m[1].value.v.list[0].v.map;
    ck_assert_uint_eq(inner->line, 4);
    ck_assert_uint_eq(inner->column, 5);
    ck_assert_uint_eq(inner->value.column, 8); /* columns are characters */
    pair = inner->value.v.map;
    ck_assert_uint_eq(pair[0].column, 9);
    ck_assert_uint_eq(pair[0].value.column, 12);
    ck_assert_uint_eq(pair[0].value.quoted, 1);
    ck_assert_uint_eq(pair[1].column, 17);
    ck_assert_int_eq(pair[1].value.type, GM_NULL);
    ck_assert_uint_eq(m[0].value.quoted, 0);
    ck_assert_uint_eq(m[0].hash, gm_hash("a"));
    ck_assert_str_eq(inner->key, "\xc3\xa9");
}
END_TEST

START_TEST(block_scalars_are_quoted)
{
    gm_value v = parse("a: |\n  x\nb: >\n  y\nc: z\n");
    ck_assert_uint_eq(gm_value_get(&v, "a")->quoted, 1);
    ck_assert_uint_eq(gm_value_get(&v, "b")->quoted, 1);
    ck_assert_uint_eq(gm_value_get(&v, "c")->quoted, 0);
    ck_assert_uint_eq(gm_value_get(&v, "c")->n, 1);
}
END_TEST

static void refuses(const char *text, size_t n, unsigned line, unsigned column, const char *part)
{
    gpumem_error e = {0};
    gm_value v = gm_int(77);
    ck_assert_int_eq(gm_yaml_parse(&arena, "t.yaml", text, n, &v, &e), GPUMEM_ESYNTAX);
    ck_assert_msg(e.line == line && e.column == column, "%s: %u:%u, not %u:%u (%s)", text, e.line, e.column, line, column, e.message);
    ck_assert_msg(strstr(e.message, part) != NULL, "%s: %s", text, e.message);
    ck_assert_str_eq(e.file, "t.yaml");
    ck_assert_int_eq(v.v.i, 77); /* a failure leaves it alone */
    ck_assert_int_eq(gm_yaml_parse(&arena, "t.yaml", text, n, &v, NULL), GPUMEM_ESYNTAX);
}

START_TEST(refusals)
{
    static const struct { const char *text; unsigned line, column; const char *part; } row[] = {
        {"a: [1, 2\nb: 3\n", 2, 2, "expected ',' or ']'"},
        {"a: {b: 1\n", 2, 1, "expected ',' or '}'"},
        {"a: 1\n b: 2\n", 2, 3, "mapping values"},
        {"a: 'x\n", 2, 1, "end of stream"},
        {"a: \"\\q\"\n", 1, 5, "escape"},
        {"a: @x\n", 1, 4, "cannot start any token"},
        {"a:\n\t- b\n", 2, 1, "cannot start any token"},
        {"a: 1\n---\nb: 2\n", 2, 1, "second document"},
        {"a: 1\n---\n", 2, 1, "second document"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "'a' is there already, in line 1"},
        {"x: {k: 1, k: 2}\n", 1, 11, "'k' is there already"},
        {"'a': 1\na: 2\n", 2, 1, "'a' is there already"},
        {"1: a\n", 1, 1, "type integer"},
        {"a:\n  1.5: b\n", 2, 3, "type number"},
        {"true: a\n", 1, 1, "type boolean"},
        {"~: a\n", 1, 1, "type null"},
        {"? [a]\n: b\n", 1, 3, "type list"},
        {"{a: 1}: b\n", 1, 1, "type mapping"},
        {"a: &x 1\n", 1, 4, "anchors"},
        {"a: &x [1]\n", 1, 4, "anchors"},
        {"&x {a: 1}\n", 1, 1, "anchors"},
        {"a: 1\nb: *x\n", 2, 4, "aliases"},
        {"&a a: 1\n", 1, 1, "anchors"},
        {"a: !!int 1\n", 1, 4, "tags"},
        {"a: ! x\n", 1, 4, "tags"},
        {"a: !x [1]\n", 1, 4, "tags"},
        {"!!map {a: 1}\n", 1, 1, "tags"},
        {"a: 9223372036854775808\n", 1, 4, "64 bits"},
        {"a: 1\nb:\n  - -9223372036854775809\n", 3, 5, "64 bits"},
        {"a: \"x\\0y\"\n", 1, 4, "character 0"},
        {"", 1, 1, "empty"},
        {"# nothing\n", 2, 1, "empty"},
        {"---\n", 2, 1, "empty"},
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++)
        refuses(row[i].text, strlen(row[i].text), row[i].line, row[i].column, row[i].part);
}
END_TEST

START_TEST(refuses_bytes_that_are_no_text)
{
    refuses("a: 1\nb: \xff\n", 10, 2, 4, "UTF-8");
    refuses("a: \xc3\xa9 \xc3", 7, 1, 6, "UTF-8");
    refuses("a: \xed\xa0\x80\n", 7, 1, 4, "Unicode"); /* a surrogate */
    refuses("a: x\0y\n", 7, 1, 5, "control characters");
    refuses("a: \x01\n", 5, 1, 4, "control characters");
    refuses("\xff\xfe" "a\0:\0", 6, 1, 1, "UTF-8"); /* UTF-16 is not guessed */
}
END_TEST

START_TEST(nests_to_64)
{
    char text[200];
    gm_value v;
    memset(text, '[', 65);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    v = parse(text);
    ck_assert_int_eq(v.type, GM_LIST);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    refuses(text, 130, 1, 65, "nest deeper than 64");
}
END_TEST

START_TEST(nests_deep_without_harm)
{
    size_t n = 200000;
    char *text = malloc(n);
    gpumem_error e = {0};
    gm_value v;
    ck_assert_ptr_nonnull(text);
    memset(text, '[', n);
    ck_assert_int_eq(gm_yaml_parse(&arena, "t.yaml", text, n, &v, &e), GPUMEM_ESYNTAX);
    ck_assert_uint_eq(e.column, 65);
    free(text);
}
END_TEST

START_TEST(many_keys)
{
    gpumem_text t = {0};
    gpumem_error e = {0};
    gm_value v;
    char key[16];
    int i;
    for (i = 0; i < 5000; i++)
        gpumem_text_printf(&t, "k%d: %d\n", i, i);
    ck_assert_int_eq(gm_yaml_parse(&arena, "t.yaml", t.s, t.n, &v, &e), GPUMEM_OK);
    ck_assert_uint_eq(v.n, 5000);
    for (i = 0; i < 5000; i += 7) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(gm_value_get(&v, key)->v.i, i);
    }
    ck_assert_ptr_null(gm_value_get(&v, "k5000"));
    gpumem_text_puts(&t, "k4321: 0\n");
    refuses(t.s, t.n, 5001, 1, "'k4321' is there already, in line 4322");
    gpumem_text_free(&t);
}
END_TEST

START_TEST(text_needs_no_end)
{
    gpumem_error e = {0};
    gm_value v;
    ck_assert_int_eq(gm_yaml_parse(&arena, "t.yaml", "a: 12345", 5, &v, &e), GPUMEM_OK);
    ck_assert_int_eq(gm_value_get(&v, "a")->v.i, 12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("yaml");
    TCase *t = tcase_create("yaml");
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, documents);
    tcase_add_test(t, scalars);
    tcase_add_test(t, places);
    tcase_add_test(t, block_scalars_are_quoted);
    tcase_add_test(t, refusals);
    tcase_add_test(t, refuses_bytes_that_are_no_text);
    tcase_add_test(t, nests_to_64);
    tcase_add_test(t, nests_deep_without_harm);
    tcase_add_test(t, many_keys);
    tcase_add_test(t, text_needs_no_end);
    suite_add_tcase(s, t);
    return run_suite(s);
}
