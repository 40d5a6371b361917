/* core/text/json: values as Python's json module reads them, and every refusal. */
#include "text/json.h"
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

START_TEST(values)
{
    static const struct { const char *text, *want; } row[] = {
        {"null", "null"}, {"true", "true"}, {"false", "false"}, {"0", "0"}, {"-0", "0"}, {"12", "12"}, {"-7", "-7"},
        {"9223372036854775807", "9223372036854775807"}, {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"}, {"-1.5e3", "-1500.0"}, {"1e-05", "1e-05"}, {"1E+2", "100.0"}, {"1.0", "1.0"}, {"-0.0", "-0.0"}, {"0e0", "0.0"}, {"1e400", "Infinity"},
        {"92233720368547758080.0", "9.223372036854776e+19"},
        {"NaN", "NaN"}, {"Infinity", "Infinity"}, {"-Infinity", "-Infinity"}, {"[NaN, Infinity, -Infinity]", "[NaN, Infinity, -Infinity]"},
        {"{\"a\": -Infinity}", "{\"a\": -Infinity}"},
        {"\"\"", "\"\""}, {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"a\\\"\\\\/\\b\\f\\n\\r\\t\""}, {"\"\\u00e9\\ud83d\\ude00\"", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\"\xc3\xa9\"", "\"\xc3\xa9\""}, {"\"\\\\u0000\"", "\"\\\\u0000\""}, {"\"// no /* comment */\"", "\"// no /* comment */\""},
        {"\"it's 01 [[\"", "\"it's 01 [[\""},
        {"[]", "[]"}, {"{}", "{}"}, {" [ 1 ,\t2,\r\n3 ] \n", "[1, 2, 3]"}, {"{\"z\": 1, \"a\": {\"b\": []}}", "{\"z\": 1, \"a\": {\"b\": []}}"},
        {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\": 3, \"b\": 2}"}, /* the last wins, at the place of the first */
        {"{\"\": 1}", "{\"\": 1}"}, {"[null, true, {\"x\": null}]", "[null, true, {\"x\": null}]"},
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++) {
        gpumem_error e = {0};
        gpumem_text t = {0};
        gm_value v;
        ck_assert_msg(gm_json_parse(&arena, "c.json", row[i].text, strlen(row[i].text), &v, &e) == GPUMEM_OK, "%s: %s", row[i].text, e.message);
        gm_value_json(&v, &t);
        ck_assert_msg(strcmp(t.s, row[i].want) == 0, "%s: %s, not %s", row[i].text, t.s, row[i].want);
        gpumem_text_free(&t);
    }
}
END_TEST

START_TEST(types)
{
    const char *text = "{\"s\": \"x\", \"i\": 1, \"r\": 1.0, \"b\": true}";
    gm_value v;
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", text, strlen(text), &v, NULL), GPUMEM_OK);
    ck_assert_int_eq(gm_value_get(&v, "s")->type, GM_STRING);
    ck_assert_uint_eq(gm_value_get(&v, "s")->quoted, 1);
    ck_assert_uint_eq(gm_value_get(&v, "s")->n, 1);
    ck_assert_int_eq(gm_value_get(&v, "i")->type, GM_INT);
    ck_assert_int_eq(gm_value_get(&v, "r")->type, GM_REAL);
    ck_assert_int_eq(gm_value_get(&v, "b")->type, GM_BOOL);
    ck_assert_uint_eq(v.v.map[1].hash, gm_hash("i"));
}
END_TEST

static void refuses(const char *text, size_t n, unsigned line, unsigned column, const char *part)
{
    gpumem_error e = {0};
    gm_value v = gm_int(77);
    ck_assert_msg(gm_json_parse(&arena, "c.json", text, n, &v, &e) == GPUMEM_ESYNTAX, "%s is read", text);
    ck_assert_msg(e.line == line && e.column == column, "%s: %u:%u, not %u:%u (%s)", text, e.line, e.column, line, column, e.message);
    ck_assert_msg(strstr(e.message, part) != NULL, "%s: %s", text, e.message);
    ck_assert_str_eq(e.file, "c.json");
    ck_assert_int_eq(v.v.i, 77);
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", text, n, &v, NULL), GPUMEM_ESYNTAX);
}

START_TEST(refusals)
{
    static const struct { const char *text; unsigned line, column; const char *part; } row[] = {
        {"", 1, 1, "end of the text"}, {" \n ", 2, 2, "end of the text"}, {"[1", 1, 3, "end of the text"}, {"{\"a\":\n", 2, 1, "end of the text"},
        {"\"abc", 1, 5, "end of the text"}, {"nul", 1, 4, "end of the text"}, {"\"a\\", 1, 4, "end of the text"}, {"-Inf", 1, 5, "end of the text"},
        {"[1,]", 1, 4, "unexpected"}, {"{\"a\": 1,\n}", 2, 1, "unexpected"}, {"[,1]", 1, 2, "unexpected"}, {"[1,,2]", 1, 4, "unexpected"},
        {"{} x", 1, 4, "unexpected"}, {"{}\n{}", 2, 1, "unexpected"}, {"1 2", 1, 3, "unexpected"}, {"]", 1, 1, "unexpected"}, {"[1]]", 1, 4, "unexpected"},
        {"[1 2]", 1, 4, "',' or ']'"}, {"[1}", 1, 3, "',' or ']'"}, {"{\"a\" 1}", 1, 6, "':'"}, {"{\"a\": 1 \"b\": 2}", 1, 9, "',' or '}'"},
        {"{a: 1}", 1, 2, "key in double quotes"}, {"{1: 2}", 1, 2, "key in double quotes"}, {"{'a': 1}", 1, 2, "double quotes"}, {"['a']", 1, 2, "double quotes"},
        {"// x\n1", 1, 1, "unexpected"}, {"/* x */ 1", 1, 1, "unexpected"}, {"[1, /* x */ 2]", 1, 5, "unexpected"}, {"{} // x", 1, 4, "unexpected"},
        {"True", 1, 1, "true or false"}, {"nan", 1, 2, "null or NaN"}, {"inf", 1, 1, "unexpected"}, {"-infinity", 1, 2, "digits"}, {"-NaN", 1, 2, "digits"},
        {"9223372036854775808", 1, 1, "64 bits"}, {"[1,\n  -9223372036854775809]", 2, 3, "64 bits"}, {"{\"a\": 18446744073709551616}", 1, 7, "64 bits"},
        {"01", 1, 1, "start with 0"}, {"-01", 1, 2, "start with 0"}, {"[00]", 1, 2, "start with 0"}, {"1.", 1, 3, "digits"}, {"1.e5", 1, 3, "digits"},
        {"-.5", 1, 2, "digits"}, {".5", 1, 1, "unexpected"}, {"+1", 1, 1, "unexpected"}, {"1e", 1, 3, "digits"}, {"1e+", 1, 4, "digits"}, {"-", 1, 2, "digits"},
        {"[1-2]", 1, 3, ""}, {"12a", 1, 3, "unexpected"}, {"0x10", 1, 2, "unexpected"}, {"1_000", 1, 2, "unexpected"},
        {"\"a\nb\"", 1, 3, "control character"}, {"\"a\tb\"", 1, 3, "control character"}, {"\v1", 1, 1, "control character"}, {"[1,\f2]", 1, 4, "control character"},
        {"\"x\\u0000y\"", 1, 3, "character 0"}, {"{\"\\u0000\": 1}", 1, 3, "character 0"}, {"\"\\q\"", 1, 3, "escape"}, {"\"\\u12g4\"", 1, 6, "escape"},
        {"\"\\x41\"", 1, 3, "escape"}, {"\"\xc3\xa9\xff\"", 1, 3, "UTF-8"}, {"\"\xed\xa0\x80\"", 1, 2, "UTF-8"}, {"\xef\xbb\xbf{}", 1, 1, ""},
        {"{\n  \"\xc3\xa9\": @\n}", 2, 8, "unexpected"}, /* columns are characters */
    };
    size_t i;
    for (i = 0; i < sizeof row / sizeof *row; i++)
        refuses(row[i].text, strlen(row[i].text), row[i].line, row[i].column, row[i].part);
}
END_TEST

START_TEST(refuses_zero_bytes)
{
    refuses("[1\0,2]", 6, 1, 3, "control character");
    refuses("{}\0", 3, 1, 3, "control character");
    refuses("\0", 1, 1, 1, "control character");
    refuses("\"a\0b\"", 5, 1, 3, "control character");
    refuses("\"a\\\0b\"", 6, 1, 4, "control character");
}
END_TEST

START_TEST(nests_to_64)
{
    char text[400];
    gm_value v;
    int i;
    memset(text, '[', 64);
    text[64] = '1';
    memset(text + 65, ']', 64);
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", text, 129, &v, NULL), GPUMEM_OK);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    refuses(text, 130, 1, 65, "nest deeper than 64");
    for (i = 0; i < 64; i++)
        memcpy(text + 5 * i, "{\"a\":", 5);
    text[320] = '1';
    memset(text + 321, '}', 64);
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", text, 385, &v, NULL), GPUMEM_OK);
    for (i = 0; i < 63; i++)
        v = *gm_value_get(&v, "a");
    ck_assert_int_eq(gm_value_get(&v, "a")->v.i, 1);
}
END_TEST

START_TEST(nests_deep_without_harm)
{
    size_t n = 1000000;
    char *text = malloc(n);
    ck_assert_ptr_nonnull(text);
    memset(text, '[', n);
    refuses(text, n, 1, 65, "nest deeper than 64");
    free(text);
}
END_TEST

START_TEST(text_needs_no_end)
{
    gm_value v;
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", "12345", 2, &v, NULL), GPUMEM_OK);
    ck_assert_int_eq(v.v.i, 12);
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", "[1]x", 3, &v, NULL), GPUMEM_OK);
}
END_TEST

START_TEST(long_texts)
{
    gpumem_text t = {0};
    gm_value v;
    char key[16];
    int i;
    gpumem_text_char(&t, '{');
    for (i = 0; i < 3000; i++)
        gpumem_text_printf(&t, "%s\"k%d\": [%d, \"%0100d\"]", i ? ",\n" : "", i, i, i);
    gpumem_text_char(&t, '}');
    ck_assert_int_eq(gm_json_parse(&arena, "c.json", t.s, t.n, &v, NULL), GPUMEM_OK);
    ck_assert_uint_eq(v.n, 3000);
    for (i = 0; i < 3000; i += 11) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(gm_value_get(&v, key)->v.list[0].v.i, i);
        ck_assert_uint_eq(gm_value_get(&v, key)->v.list[1].n, 100);
    }
    t.s[t.n - 1] = ']';
    refuses(t.s, t.n, 3000, (unsigned)strlen("\"k2999\": [2999, \"\"]") + 101, "',' or '}'");
    gpumem_text_free(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *t = tcase_create("json");
    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, values);
    tcase_add_test(t, types);
    tcase_add_test(t, refusals);
    tcase_add_test(t, refuses_zero_bytes);
    tcase_add_test(t, nests_to_64);
    tcase_add_test(t, nests_deep_without_harm);
    tcase_add_test(t, text_needs_no_end);
    tcase_add_test(t, long_texts);
    suite_add_tcase(s, t);
    return run_suite(s);
}
