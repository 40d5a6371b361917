/* core/text/expr: values as Python has them, and every refusal. */
#include "text/expr.h"
#include "../suite.h"
#include <check.h>

/* ---- a small config: slot i is name[i], config keys have slots from 100 on ---- */

static const char *const known[] = {"t", "f", "n", "i", "h", "r", "s", "e", "l", "m", "len", "bad", "quiet", "foreign", "lazy"};
enum { NAMES = sizeof known / sizeof *known, CONFIG = 100 };

typedef struct world {
    gm_arena arena;
    gm_value value[NAMES];
    gm_value item[4];
    gm_member member[2];
    int reads; /* of the name lazy */
} world;

static world w;

static gm_value string(const char *s)
{
    gm_value v = gm_null();
    v.type = GM_STRING;
    v.n = (uint32_t)strlen(s);
    v.v.s = s;
    return v;
}

static void start(void)
{
    gm_value list = gm_null(), map = gm_null();
    memset(&w, 0, sizeof w);
    w.item[0] = gm_int(3);
    w.item[1] = gm_int(1);
    w.item[2] = gm_real(2.5);
    w.item[3] = string("x");
    list.type = GM_LIST;
    list.n = 4;
    list.v.list = w.item;
    w.member[0] = (gm_member){"type", gm_hash("type"), 0, 0, string("yarn")};
    w.member[1] = (gm_member){"factor", gm_hash("factor"), 0, 0, gm_real(4)};
    map.type = GM_MAP;
    map.n = 2;
    map.v.map = w.member;
    w.value[0] = gm_bool(true);
    w.value[1] = gm_bool(false);
    w.value[2] = gm_null();
    w.value[3] = gm_int(7);
    w.value[4] = gm_int(4096);
    w.value[5] = gm_real(0.75);
    w.value[6] = string("M*E\xc3\xa9");
    w.value[7] = string("");
    w.value[8] = list;
    w.value[9] = map;
    w.value[10] = gm_int(10);
}

static void stop(void)
{
    gm_arena_free(&w.arena);
}

static int slot(void *self, const char *name, bool config, gpumem_error *err)
{
    int i;
    (void)self;
    if (strcmp(name, "said") == 0)
        gm_fail(err, GPUMEM_ESYNTAX, NULL, 0, 0, "nobody knows '%s'", name);
    if (config)
        return strcmp(name, "set") == 0 ? CONFIG : strcmp(name, "alias") == 0 ? CONFIG + 1 : strcmp(name, "missing") == 0 ? CONFIG + 2 : -1;
    for (i = 0; i < NAMES; i++)
        if (strcmp(known[i], name) == 0)
            return i;
    return -1;
}

static gpumem_status value(void *self, int at, gm_value *out, gpumem_error *err)
{
    (void)self;
    if (strcmp(known[at], "bad") == 0)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "'bad' has no value");
    if (strcmp(known[at], "quiet") == 0)
        return GPUMEM_EINVAL;
    if (strcmp(known[at], "foreign") == 0)
        return gm_fail(err, GPUMEM_ECONFIG, "config.json", 9, 2, "wrong");
    w.reads += strcmp(known[at], "lazy") == 0;
    *out = w.value[at];
    return GPUMEM_OK;
}

/* `set` is there itself, `alias` under another name, `missing` not at all. */
static gpumem_status config(void *self, int at, bool literal, bool *found, gm_value *out, gpumem_error *err)
{
    (void)self;
    (void)err;
    *found = at == CONFIG || (at == CONFIG + 1 && !literal);
    if (*found && !literal)
        *out = gm_int(at - CONFIG + 40);
    return GPUMEM_OK;
}

static const gm_names names = {NULL, slot};

static gpumem_status compile(const char *text, const gm_expr **e, gpumem_error *err)
{
    return gm_expr_compile_text(&w.arena, "f.yaml", 12, 5, text, &names, e, err);
}

static gpumem_status evaluate(const char *text, gm_value *out, gpumem_error *err)
{
    gm_scope scope = {NULL, &w.arena, value, config};
    const gm_expr *e;
    gpumem_status status = compile(text, &e, err);
    return status == GPUMEM_OK ? gm_expr_eval(e, &scope, out, err) : status;
}

typedef struct row { const char *text, *want; } row;

static void check(const row *r, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) {
        gpumem_error err = {0};
        gpumem_text t = {0};
        gm_value v;
        ck_assert_msg(evaluate(r[i].text, &v, &err) == GPUMEM_OK, "%s: %s", r[i].text, err.message);
        gm_value_json(&v, &t);
        ck_assert_msg(strcmp(t.s, r[i].want) == 0, "%s: %s, not %s", r[i].text, t.s, r[i].want);
        gpumem_text_free(&t);
    }
}
#define CHECK(r) check(r, sizeof(r) / sizeof *(r))

typedef struct bad { const char *text; gpumem_status status; const char *part; } bad;

static void refuse(const bad *r, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) {
        gpumem_error err = {0};
        gm_value v = gm_int(77);
        gpumem_status status = evaluate(r[i].text, &v, &err);
        ck_assert_msg(status == r[i].status, "%s: status %d (%s)", r[i].text, status, err.message);
        ck_assert_msg(strstr(err.message, r[i].part) != NULL, "%s: %s", r[i].text, err.message);
        ck_assert_str_eq(err.file, "f.yaml");
        ck_assert_uint_eq(err.line, 12);
        ck_assert_uint_eq(err.column, 5);
        ck_assert_int_eq(v.v.i, 77); /* a failure leaves it alone */
        ck_assert_int_eq(evaluate(r[i].text, &v, NULL), r[i].status);
    }
}
#define REFUSE(r) refuse(r, sizeof(r) / sizeof *(r))

/* ---- values: Python's, with JSON's names ---- */

START_TEST(literals)
{
    static const row r[] = {
        /* python */
        {"4", "4"}, {"0", "0"}, {"0.75", "0.75"}, {"1e-5", "1e-05"}, {"1E3", "1000.0"}, {"2.", "2.0"}, {".5", "0.5"}, {"1.5e+2", "150.0"},
        {"9223372036854775807", "9223372036854775807"}, {"-9223372036854775808", "-9223372036854775808"}, {"-0.5", "-0.5"}, {"-3", "-3"},
        {"'a b'", "\"a b\""}, {"\"it's\"", "\"it's\""}, {"''", "\"\""}, {"'or'", "\"or\""}, {"True", "true"}, {"False", "false"}, {"None", "null"},
        {"[]", "[]"}, {"[1, 'a', [None, True]]", "[1, \"a\", [null, true]]"}, {"[1, i]", "[1, 7]"}, {"(4)", "4"}, {"((1)+(2))", "3"},
        /* ours */
        {"true", "true"}, {"false", "false"}, {"null", "null"}, {" \t\n 4 \r\n", "4"}, {"'a\\n'", "\"a\\\\n\""},
    };
    CHECK(r);
}
END_TEST

START_TEST(arithmetic)
{
    static const row r[] = {
        {"1+2*3", "7"}, {"(1+2)*3", "9"}, {"7-2-1", "4"}, {"2*3%4", "2"}, {"8//3*3", "6"}, {"1 - -1", "2"}, {"--1", "1"}, {"-i", "-7"}, {"-(2)*3", "-6"},
        {"-2*-3", "6"}, {"- 5", "-5"}, {"-t", "-1"}, {"-r", "-0.75"}, {"3-1", "2"}, {"3 -1", "2"},
        {"7//2", "3"}, {"-7//2", "-4"}, {"7//-2", "-4"}, {"-7//-2", "3"}, {"7%3", "1"}, {"-7%3", "2"}, {"7%-3", "-2"}, {"-7%-3", "-1"}, {"6%-3", "0"}, {"-6//3", "-2"},
        {"-9223372036854775808%-1", "0"}, {"9223372036854775807//-1", "-9223372036854775807"}, {"-9223372036854775808//1", "-9223372036854775808"},
        {"7/2", "3.5"}, {"6/2", "3.0"}, {"1/3", "0.3333333333333333"}, {"-1/2", "-0.5"}, {"t/2", "0.5"},
        {"7.5//2", "3.0"}, {"-7.5//2", "-4.0"}, {"7.5//-2", "-4.0"}, {"7.5%2", "1.5"}, {"-7.5%2", "0.5"}, {"7.5%-2", "-0.5"}, {"1//0.1", "9.0"}, {"1.0%0.1", "0.09999999999999995"},
        {"0.0//-2", "-0.0"}, {"-0.0%3", "0.0"}, {"4.0%2", "0.0"}, {"4.0%-2", "-0.0"},
        {"1+0.5", "1.5"}, {"0.1+0.2", "0.30000000000000004"}, {"2*0.5", "1.0"}, {"1e308*10", "Infinity"}, {"t+t", "2"}, {"t*3", "3"}, {"5-f", "5"}, {"t+0.5", "1.5"}, {"t//t", "1"},
        {"9223372036854775806+1", "9223372036854775807"}, {"-9223372036854775807-1", "-9223372036854775808"}, {"3037000499*3037000499", "9223372030926249001"},
        {"'a'+'b'", "\"ab\""}, {"''+''", "\"\""}, {"s+'!'", "\"M*E\xc3\xa9!\""}, {"[1]+[2,3]", "[1, 2, 3]"}, {"[]+[]", "[]"}, {"l+[i]", "[3, 1, 2.5, \"x\", 7]"},
        {"[1,2]*2", "[1, 2, 1, 2]"}, {"[1]*0", "[]"}, {"[1]*-3", "[]"}, {"[]*1000000000", "[]"}, {"[0]*t", "[0]"}, {"[i]*2+[0]", "[7, 7, 0]"},
    };
    CHECK(r);
}
END_TEST

START_TEST(comparisons)
{
    static const row r[] = {
        {"1 == 1.0", "true"}, {"1 == True", "true"}, {"0 == False", "true"}, {"1 == '1'", "false"}, {"None == 0", "false"}, {"None == None", "true"}, {"[] == []", "true"},
        {"[1, [2]] == [True, [2.0]]", "true"}, {"[1] == [1, 2]", "false"}, {"'a' == 'a'", "true"}, {"'a' != 'b'", "true"}, {"m == m", "true"}, {"l != l", "false"},
        {"9007199254740993 == 9007199254740992.0", "false"}, {"9007199254740993 > 9007199254740992.0", "true"}, {"9223372036854775807 < 9223372036854775808.0", "true"},
        {"1 < 2", "true"}, {"2 < 1", "false"}, {"1 <= 1", "true"}, {"2 > 1.5", "true"}, {"1.5 >= 2", "false"}, {"False < True", "true"}, {"-1 < 0.5", "true"},
        {"'a' < 'b'", "true"}, {"'a' < 'aa'", "true"}, {"'Z' < 'a'", "true"}, {"'b' <= 'a'", "false"}, {"'' < 'a'", "true"}, {"'z' < '\xc3\xa9'", "true"},
        {"1 < 2 < 3", "true"}, {"1 < 3 < 2", "false"}, {"0 <= i < 8", "true"}, {"3 > 2 > 1 > 0", "true"}, {"1 == 1 == 1", "true"}, {"2 == 2 != 3", "true"}, {"1 < 2 == True", "false"},
        {"(1 < 2) == True", "true"}, {"1 < 2 in [2]", "true"},
        {"1 in [1, 2]", "true"}, {"3 in [1, 2]", "false"}, {"True in [1]", "true"}, {"None in [None]", "true"}, {"1 not in [1]", "false"}, {"'x' in l", "true"}, {"2.5 in l", "true"},
        {"'b' in 'abc'", "true"}, {"'' in 'abc'", "true"}, {"'ca' in 'abc'", "false"}, {"'type' in m", "true"}, {"'no' in m", "false"}, {"1 in m", "false"}, {"'no' not in m", "true"},
        {"n is None", "true"}, {"i is None", "false"}, {"n is not None", "false"}, {"0 is not None", "true"}, {"(n is None) + 1", "2"}, {"n is None == None", "true"},
        {"not n is None", "false"}, {"not 1 == 2", "true"}, {"1 + 1 == 2", "true"}, {"'a' + 'b' in 'abc'", "true"},
        {"not i in [7]", "false"}, {"1e999 - 1e999 == 1e999 - 1e999", "false"}, {"1e999-1e999 < 1", "false"}, {"1e999-1e999 >= 1", "false"}, {"1 >= 1e999-1e999", "false"},
        {"1 <= 1e999-1e999", "false"}, {"1e999 > 9223372036854775807", "true"}, {"-1e999 < -9223372036854775808", "true"},
        /* ours */
        {"n is null", "true"}, {"n is not null", "false"}, {"i is not null", "true"},
    };
    CHECK(r);
}
END_TEST

START_TEST(logic)
{
    static const row r[] = {
        {"1 or 2", "1"}, {"0 or 2", "2"}, {"0 or ''", "\"\""}, {"0 or [] or 3", "3"}, {"1 and 2", "2"}, {"0 and 2", "0"}, {"1 and [] and 3", "[]"}, {"None or 'x'", "\"x\""},
        {"1 or 0 and 0", "1"}, {"(1 or 0) and 0", "0"}, {"not 0", "true"}, {"not 'a'", "false"}, {"not not 3", "true"}, {"not 0 and 0", "0"}, {"not m", "false"}, {"not e", "true"},
        {"1 if True else 2", "1"}, {"1 if 0.0 else 2", "2"}, {"1 if 0 else 2 if 0 else 3", "3"}, {"(1 if 1 else 2) + 1", "2"}, {"1 if 1 else 2 + 1", "1"}, {"1 or 0 if 0 or 1 else 5", "1"},
        {"1 if 2 > 1 and not 0 else 2", "1"}, {"[1 if 1 else 2, 3]", "[1, 3]"},
        {"1 or 1 // 0", "1"}, {"0 and 1 // 0", "0"}, {"5 if True else 1 // 0", "5"}, {"1 // 0 if False else 6", "6"}, {"2 < 1 < 1 // 0", "false"},
        /* ours */
        {"null orelse 3", "3"}, {"null orelse null orelse 4", "4"}, {"0 orelse 3", "0"}, {"false orelse 3", "false"}, {"null orelse null", "null"}, {"n orelse i if true else 5", "7"},
        {"n if 1 else 2 orelse 9", "9"}, {"1 orelse 1 // 0", "1"}, {"n or 0 orelse 5", "0"},
    };
    CHECK(r);
}
END_TEST

START_TEST(indexing)
{
    static const row r[] = {
        {"l[0]", "3"}, {"l[3]", "\"x\""}, {"l[-1]", "\"x\""}, {"l[-4]", "3"}, {"[1, 2][True]", "2"}, {"[[1, 2], [3]][0][1]", "2"}, {"l[l[1]]", "1"}, {"l[i - 7]", "3"}, {"-l[0]", "-3"},
        {"m['type']", "\"yarn\""}, {"m['factor'] * 2", "8.0"}, {"m['type'][0]", "\"y\""}, {"s[0]", "\"M\""}, {"s[3]", "\"\xc3\xa9\""}, {"s[-1]", "\"\xc3\xa9\""}, {"'abc'[1]", "\"b\""},
        {"(l + [9])[4]", "9"},
    };
    CHECK(r);
}
END_TEST

START_TEST(functions)
{
    static const row r[] = {
        {"len([1, 2])", "2"}, {"len('')", "0"}, {"len(s)", "4"}, {"len(m)", "2"}, {"len(l)", "4"}, {"len", "10"}, {"len(l) + len", "14"}, {"len (l)", "4"},
        {"int(3)", "3"}, {"int(2.9)", "2"}, {"int(-2.9)", "-2"}, {"int(True)", "1"}, {"int(-9223372036854775808.0)", "-9223372036854775808"},
        {"ceil(2.1)", "3"}, {"ceil(-2.1)", "-2"}, {"ceil(5)", "5"}, {"floor(2.9)", "2"}, {"floor(-2.1)", "-3"}, {"floor(5)", "5"}, {"ceil(7 / 2)", "4"}, {"floor(True)", "1"},
        {"min(3, 1, 2)", "1"}, {"max(3, 1, 2)", "3"}, {"min([3, 1.5, 2])", "1.5"}, {"max([7])", "7"}, {"min(1, 1.0)", "1"}, {"max(1.0, 1)", "1.0"}, {"max(True, 0)", "true"}, {"min('b', 'a')", "\"a\""},
        {"max(['a', 'c', 'b'])", "\"c\""}, {"max(1, 2, 3, 4, 5, 6)", "6"}, {"min(2, 1) + 1", "2"}, {"max(2, 1e999 - 1e999)", "2"},
        {"abs(-3)", "3"}, {"abs(3)", "3"}, {"abs(-2.5)", "2.5"}, {"abs(True)", "1"}, {"abs(-9223372036854775807)", "9223372036854775807"},
        {"list(range(3))", "[0, 1, 2]"}, {"list(range(0))", "[]"}, {"list(range(-3))", "[]"}, {"list(range(1, 4))", "[1, 2, 3]"}, {"list(range(0, 10, 3))", "[0, 3, 6, 9]"}, {"list(range(0, 9, 3))", "[0, 3, 6]"},
        {"list(range(5, 0, -2))", "[5, 3, 1]"}, {"list(range(0, 5, -1))", "[]"}, {"list(range(5, 5))", "[]"}, {"list(range(True))", "[0]"},
        {"list(range(-9223372036854775808, 9223372036854775807, 9223372036854775807))", "[-9223372036854775808, -1, 9223372036854775806]"},
        {"list(range(9223372036854775807, -9223372036854775808, -9223372036854775808))", "[9223372036854775807, -1]"},
        {"list('a\xc3\xa9')", "[\"a\", \"\xc3\xa9\"]"}, {"list(m)", "[\"type\", \"factor\"]"}, {"list([1])", "[1]"}, {"list('')", "[]"}, {"len(range(1000000))", "1000000"}, {"3 in range(4)", "true"},
        /* ours */
        {"range(3)", "[0, 1, 2]"}, {"every(6, 3, 's', 'f')", "[\"s\", \"s\", \"f\", \"s\", \"s\", \"f\"]"}, {"every(3, 1, 0, 1)", "[1, 1, 1]"}, {"every(2, 5, 0, 1)", "[0, 0]"}, {"every(0, 2, 1, 0)", "[]"},
        {"every(-1, 2, 1, 0)", "[]"}, {"pick(5, [0, 3], 'b', 'a')", "[\"a\", \"b\", \"b\", \"a\", \"b\"]"}, {"pick(3, [], 0, 1)", "[0, 0, 0]"}, {"pick(3, [-1, 5, 'x', null, 1.0], 0, 1)", "[0, 1, 0]"},
        {"pick(2, [true], 0, 1)", "[0, 1]"}, {"pick(0, [0], 1, 0)", "[]"}, {"pick(3, range(2), 0, 1)", "[1, 1, 0]"}, {"pick(2, [0.5], 0, 1)", "[0, 0]"},
        {"chars(s, 'ME*\xc3\xa9', [1, 2, 3, 4])", "[1, 3, 2, 4]"}, {"chars('', 'a', [1])", "[]"}, {"chars('aba', 'ab', ['x', null])", "[\"x\", null, \"x\"]"},
        {"is_list(l)", "true"}, {"is_list(m)", "false"}, {"is_map(m)", "true"}, {"is_map('m')", "false"}, {"is_list([])", "true"},
        {"replace([1, 2, 3], 1, 'x')", "[1, \"x\", 3]"}, {"replace([1, 2], -1, 9)", "[1, 9]"}, {"replace(l, 0, 0)[0] + l[0]", "3"},
    };
    CHECK(r);
}
END_TEST

START_TEST(config_keys)
{
    static const row r[] = {
        {"k('set')", "40"}, {"k('alias')", "41"}, {"k('missing')", "null"}, {"k('missing', 5)", "5"}, {"k(\"set\", 1 // 0)", "40"}, {"k('missing', i + 1)", "8"}, {"k('missing') orelse 6", "6"},
        {"has('set')", "true"}, {"has('alias')", "false"}, {"has('missing')", "false"}, {"1 if has('missing') else k('set') + 1", "41"},
    };
    CHECK(r);
}
END_TEST

/* ---- refusals ---- */

START_TEST(syntax)
{
    static const bad r[] = {
        {"", GPUMEM_ESYNTAX, "expected a value at character 1 of \"\""},
        {"  ", GPUMEM_ESYNTAX, "expected a value at character 3 of"},
        {"len(l", GPUMEM_ESYNTAX, "expected ',' or ')' after 'len(l' at character 6 of \"len(l\""},
        {"(i", GPUMEM_ESYNTAX, "expected ')' after '(i' at character 3 of \"(i\""},
        {"[1, 2", GPUMEM_ESYNTAX, "expected ',' or ']' after '[1, 2' at character 6"},
        {"[1, ]", GPUMEM_ESYNTAX, "expected a value after '[1,' at character 5"},
        {"l[1", GPUMEM_ESYNTAX, "expected ']' after 'l[1' at character 4"},
        {"l[]", GPUMEM_ESYNTAX, "expected a value after 'l[' at character 3"},
        {"1 +", GPUMEM_ESYNTAX, "expected a value after '1 +' at character 4"},
        {"* 2", GPUMEM_ESYNTAX, "expected a value at character 1"},
        {"1 2", GPUMEM_ESYNTAX, "expected an operator or the end after '1' at character 3"},
        {"'a' 'b'", GPUMEM_ESYNTAX, "expected an operator or the end after ''a'' at character 5"},
        {"i = 3", GPUMEM_ESYNTAX, "expected an operator or the end after 'i' at character 3"},
        {"i $ 3", GPUMEM_ESYNTAX, "expected an operator or the end after 'i' at character 3"},
        {"i ** 3", GPUMEM_ESYNTAX, "expected a value after 'i *' at character 4"},
        {"+1", GPUMEM_ESYNTAX, "expected a value at character 1"},
        {"s.1", GPUMEM_ESYNTAX, "expected an operator or the end after 's' at character 2"},
        {"1)", GPUMEM_ESYNTAX, "expected an operator or the end after '1' at character 2"},
        {"'abc", GPUMEM_ESYNTAX, "ends with the quote that it starts with at character 1"},
        {"'\xc3\xa9' + \"x", GPUMEM_ESYNTAX, "starts with after ''\xc3\xa9' +' at character 7 of"},
        {"1 if 2", GPUMEM_ESYNTAX, "expected 'else' after '1 if 2' at character 7"},
        {"1 if else 2", GPUMEM_ESYNTAX, "expected a value after '1 if' at character 6"},
        {"1 not 2", GPUMEM_ESYNTAX, "expected 'in' after '1 not' at character 7"},
        {"n is 3", GPUMEM_ESYNTAX, "expected 'null' or 'not null' after 'n is' at character 6"},
        {"n is not 3", GPUMEM_ESYNTAX, "expected 'null' after 'n is not' at character 10"},
        {"n is null + 1", GPUMEM_ESYNTAX, "expected an operator or the end after 'n is null' at character 11"},
        {"(n orelse 1)", GPUMEM_ESYNTAX, "expected ')' after '(n' at character 4"},
        {"len(n orelse 1)", GPUMEM_ESYNTAX, "expected ',' or ')' after 'len(n'"},
        {"n orelse", GPUMEM_ESYNTAX, "expected a value after 'n orelse'"},
        {"and", GPUMEM_ESYNTAX, "expected a value at character 1"},
        {"1 + not 2", GPUMEM_ESYNTAX, "expected a value after '1 +'"},
        {"123456789 + 123456789 + 123456789 +", GPUMEM_ESYNTAX, "after '... 123456789 + 123456789 +' at character 36"},
        {"nothing", GPUMEM_ESYNTAX, "unknown name 'nothing' in \"nothing\""},
        {"said + 1", GPUMEM_ESYNTAX, "nobody knows 'said'"},
        {"k('nothing')", GPUMEM_ESYNTAX, "unknown name 'nothing'"},
        {"foo(1)", GPUMEM_ESYNTAX, "expected the name of a function, not 'foo', at character 1"},
        {"l(1)", GPUMEM_ESYNTAX, "expected the name of a function, not 'l',"},
        {"(1)(2)", GPUMEM_ESYNTAX, "expected an operator or the end"},
        {"k(set)", GPUMEM_ESYNTAX, "expected a config key in quotes after 'k('"},
        {"k()", GPUMEM_ESYNTAX, "expected a config key in quotes"},
        {"has(1)", GPUMEM_ESYNTAX, "expected a config key in quotes"},
        {"has('set', 1)", GPUMEM_ESYNTAX, "expected ')' after 'has('set''"},
        {"k('set', 1, 2)", GPUMEM_ESYNTAX, "expected ')'"},
        {"k('a' + 'b')", GPUMEM_ESYNTAX, ""},
        {"len()", GPUMEM_ESYNTAX, "len() takes 1 value, not 0"},
        {"len(1, 2)", GPUMEM_ESYNTAX, "len() takes 1 value, not 2"},
        {"min()", GPUMEM_ESYNTAX, "min() takes at least 1 value, not 0"},
        {"range(1, 2, 3, 4)", GPUMEM_ESYNTAX, "range() takes 1 to 3 values, not 4"},
        {"every(1, 2, 3)", GPUMEM_ESYNTAX, "every() takes 4 values, not 3"},
        {"9223372036854775808", GPUMEM_ESYNTAX, "64 bits"},
        {"- 9223372036854775808", GPUMEM_ESYNTAX, "64 bits"},
        {"-9223372036854775809", GPUMEM_ESYNTAX, "64 bits"},
        {"1_000", GPUMEM_ESYNTAX, "expected an operator or the end after '1'"},
        {"0x10", GPUMEM_ESYNTAX, "expected an operator or the end after '0'"},
        {"1e", GPUMEM_ESYNTAX, "expected an operator or the end after '1'"},
        {"\xc3\xa9", GPUMEM_ESYNTAX, "expected a value at character 1"},
    };
    REFUSE(r);
}
END_TEST

START_TEST(wrong_values)
{
    static const bad r[] = {
        {"9223372036854775807 + 1", GPUMEM_ERANGE, "the result of '+' does not fit in 64 bits in \"9223372036854775807 + 1\""},
        {"-9223372036854775808 - 1", GPUMEM_ERANGE, "'-'"},
        {"4294967296 * 4294967296", GPUMEM_ERANGE, "'*'"},
        {"-9223372036854775808 // -1", GPUMEM_ERANGE, "'//'"},
        {"-(-9223372036854775807 - 1)", GPUMEM_ERANGE, "'-'"},
        {"abs(-9223372036854775808)", GPUMEM_ERANGE, "abs()"},
        {"int(1e19)", GPUMEM_ERANGE, "int()"},
        {"ceil(9223372036854775807.5)", GPUMEM_ERANGE, "ceil()"},
        {"floor(-1e30)", GPUMEM_ERANGE, "floor()"},
        {"int(1e999)", GPUMEM_ERANGE, "int()"},
        {"int(1e999 - 1e999)", GPUMEM_ERANGE, "int()"},
        {"1 / 0", GPUMEM_EINVAL, "'/' divides by zero"},
        {"1 // 0", GPUMEM_EINVAL, "'//' divides by zero"},
        {"1 % 0", GPUMEM_EINVAL, "'%' divides by zero"},
        {"1.5 // 0", GPUMEM_EINVAL, "'//' divides by zero"},
        {"1.5 % 0.0", GPUMEM_EINVAL, "'%' divides by zero"},
        {"1 / f", GPUMEM_EINVAL, "'/' divides by zero"},
        {"1 + 'a'", GPUMEM_EINVAL, "'+' cannot be used with integer and string"},
        {"'a' + 1", GPUMEM_EINVAL, "'+' cannot be used with string and integer"},
        {"n + 1", GPUMEM_EINVAL, "'+' cannot be used with null and integer in \"n + 1\""},
        {"l + s", GPUMEM_EINVAL, "list and string"},
        {"l - l", GPUMEM_EINVAL, "'-' cannot be used with list and list"},
        {"'a' * 2", GPUMEM_EINVAL, "'*'"},
        {"[1] * 1.5", GPUMEM_EINVAL, "'*' cannot be used with list and number"},
        {"m % 2", GPUMEM_EINVAL, "'%' cannot be used with mapping and integer"},
        {"s / 2", GPUMEM_EINVAL, "'/' cannot be used with string"},
        {"-s", GPUMEM_EINVAL, "'-' cannot be used with string"},
        {"-n", GPUMEM_EINVAL, "'-' cannot be used with null"},
        {"1 < 'a'", GPUMEM_EINVAL, "'<' cannot be used with integer and string"},
        {"n >= 1", GPUMEM_EINVAL, "'>=' cannot be used with null and integer"},
        {"l < l", GPUMEM_EINVAL, "'<' cannot be used with list and list"},
        {"1 < 2 < n", GPUMEM_EINVAL, "integer and null"},
        {"1 in 5", GPUMEM_EINVAL, "'in' cannot be used with integer and integer"},
        {"1 in 'a1'", GPUMEM_EINVAL, "'in' cannot be used with integer and string"},
        {"1 not in n", GPUMEM_EINVAL, "'in' cannot be used with integer and null"},
        {"l[4]", GPUMEM_EINVAL, "index 4 is outside of a list of length 4 in \"l[4]\""},
        {"l[-5]", GPUMEM_EINVAL, "index -5 is outside"},
        {"[][0]", GPUMEM_EINVAL, "index 0 is outside of a list of length 0"},
        {"l[-9223372036854775808]", GPUMEM_EINVAL, "outside"},
        {"s[4]", GPUMEM_EINVAL, "index 4 is outside of a string of length 4"},
        {"l['a']", GPUMEM_EINVAL, "a list cannot be indexed with string"},
        {"l[1.0]", GPUMEM_EINVAL, "a list cannot be indexed with number"},
        {"m['no']", GPUMEM_EINVAL, "the mapping has no key \"no\""},
        {"m[0]", GPUMEM_EINVAL, "the mapping has no key 0"},
        {"n['a']", GPUMEM_EINVAL, "type null cannot be indexed"},
        {"i[0]", GPUMEM_EINVAL, "type integer cannot be indexed"},
        {"len(3)", GPUMEM_EINVAL, "len() needs a list, string or mapping, not integer"},
        {"len(n)", GPUMEM_EINVAL, "not null"},
        {"int('3')", GPUMEM_EINVAL, "int() needs a number, not string"},
        {"ceil(n)", GPUMEM_EINVAL, "ceil() needs a number, not null"},
        {"abs(l)", GPUMEM_EINVAL, "abs() needs a number, not list"},
        {"min(3)", GPUMEM_EINVAL, "min() needs a list or several values, not integer"},
        {"max([])", GPUMEM_EINVAL, "max() of an empty list"},
        {"min(1, 'a')", GPUMEM_EINVAL, "min() cannot compare integer and string"},
        {"max(l)", GPUMEM_EINVAL, "max() cannot compare integer and string"},
        {"list(3)", GPUMEM_EINVAL, "list() needs a list, string or mapping, not integer"},
        {"range(1.5)", GPUMEM_EINVAL, "range() needs integers, not number"},
        {"range(0, 'a')", GPUMEM_EINVAL, "range() needs integers, not string"},
        {"range(0, 5, 0)", GPUMEM_EINVAL, "range() with a step of 0"},
        {"every('a', 1, 2, 3)", GPUMEM_EINVAL, "every() needs an integer as count"},
        {"every(3, 'a', 2, 3)", GPUMEM_EINVAL, "every() needs an integer as period"},
        {"every(3, 0, 2, 3)", GPUMEM_EINVAL, "period of 0"},
        {"pick(n, [1], 2, 3)", GPUMEM_EINVAL, "pick() needs an integer as count, not null"},
        {"pick(3, 1, 2, 3)", GPUMEM_EINVAL, "pick() needs a list of indices, not integer"},
        {"chars(3, 'a', [1])", GPUMEM_EINVAL, "chars() needs two strings and a list, not integer"},
        {"chars('a', n, [1])", GPUMEM_EINVAL, "not null"},
        {"chars('a', 'a', 1)", GPUMEM_EINVAL, "not integer"},
        {"chars('a', 'ab', [1])", GPUMEM_EINVAL, "chars() with 2 keys and 1 values"},
        {"chars('a\xc3\xa9', 'a', [1])", GPUMEM_EINVAL, "chars() has no value for '\xc3\xa9'"},
        {"replace(1, 0, 0)", GPUMEM_EINVAL, "replace() needs a list, not integer"},
        {"replace([1], 1, 0)", GPUMEM_EINVAL, "index 1 is outside"},
        {"replace([1], 'a', 0)", GPUMEM_EINVAL, "a list cannot be indexed with string"},
        {"range(1000001)", GPUMEM_ERANGE, "a list is longer than 1000000"},
        {"range(9223372036854775807)", GPUMEM_ERANGE, "a list is longer than 1000000"},
        {"range(-9223372036854775808, 9223372036854775807)", GPUMEM_ERANGE, "longer"},
        {"[0] * 1000001", GPUMEM_ERANGE, "longer"},
        {"[0, 1] * 9223372036854775807", GPUMEM_ERANGE, "longer"},
        {"every(1000001, 1, 0, 0)", GPUMEM_ERANGE, "longer"},
        {"pick(9223372036854775807, [], 0, 0)", GPUMEM_ERANGE, "longer"},
        {"range(1000000) + [1]", GPUMEM_ERANGE, "longer"},
        {"len(range(1000000)) + len(range(1000000)) + len(range(1000000)) + len(range(1000000)) + len([i])", GPUMEM_ERANGE, "longer than 4000000 together"},
        {"1 + (2 * (3 + n))", GPUMEM_EINVAL, "integer and null"},
        {"[1, n + 1]", GPUMEM_EINVAL, "null and integer"},
        {"k('missing') + 1", GPUMEM_EINVAL, "null and integer"},
        {"bad", GPUMEM_EINVAL, "'bad' has no value"},
        {"1 + quiet", GPUMEM_EINVAL, "a name has no value in \"1 + quiet\""},
    };
    REFUSE(r);
}
END_TEST

START_TEST(other_places_are_kept)
{
    gpumem_error err = {0};
    gm_value v;
    ck_assert_int_eq(evaluate("foreign", &v, &err), GPUMEM_ECONFIG);
    ck_assert_str_eq(err.file, "config.json");
    ck_assert_uint_eq(err.line, 9);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    gpumem_error err = {0};
    gm_value v;
    char text[400], *quote;
    memset(text, ' ', sizeof text);
    memcpy(text, "1 // 0", 6);
    memcpy(text + 390, "+ 1", 4);
    ck_assert_int_eq(evaluate(text, &v, &err), GPUMEM_EINVAL);
    quote = strchr(err.message, '"');
    ck_assert_ptr_nonnull(quote);
    ck_assert_uint_le(strlen(quote), 86);
    ck_assert_str_eq(quote + strlen(quote) - 4, "...\"");
}
END_TEST

START_TEST(near_functions)
{
    gpumem_error err = {0};
    const gm_expr *e;
    ck_assert_int_eq(compile("lenn(l)", &e, &err), GPUMEM_ESYNTAX);
    ck_assert_uint_eq(err.ntip, 1);
    ck_assert_str_eq(err.tip[0], "did you mean len?");
}
END_TEST

/* ---- depth ---- */

static gpumem_status compile_repeated(const char *part, int n, const char *middle, const char *end, gpumem_error *err)
{
    gpumem_text t = {0};
    const gm_expr *e;
    gpumem_status status;
    gm_value v;
    gm_scope scope = {NULL, &w.arena, value, config};
    int i;
    for (i = 0; i < n; i++)
        gpumem_text_puts(&t, part);
    gpumem_text_puts(&t, middle);
    for (i = 0; i < n; i++)
        gpumem_text_puts(&t, end);
    status = compile(t.s, &e, err);
    if (status == GPUMEM_OK)
        status = gm_expr_eval(e, &scope, &v, err);
    gpumem_text_free(&t);
    return status;
}

START_TEST(depth)
{
    static const struct { const char *part, *middle, *end; } deep[] = {
        {"(", "1", ")"}, {"[", "i", "]"}, {"- ", "1", ""}, {"not ", "1", ""}, {"abs(", "1", ")"}, {"0 if 0 else ", "1", ""}, {"l[0 * ", "1", "]"}, {"k('missing', ", "1", ")"},
    };
    size_t i;
    for (i = 0; i < sizeof deep / sizeof *deep; i++) {
        gpumem_error err = {0};
        ck_assert_msg(compile_repeated(deep[i].part, 40, deep[i].middle, deep[i].end, &err) == GPUMEM_OK, "%s: %s", deep[i].part, err.message);
        ck_assert_int_eq(compile_repeated(deep[i].part, 66, deep[i].middle, deep[i].end, &err), GPUMEM_ESYNTAX);
        ck_assert_ptr_nonnull(strstr(err.message, "nest deeper than 64"));
        ck_assert_uint_eq(err.line, 12);
        gpumem_error_clear(&err);
        ck_assert_int_eq(compile_repeated(deep[i].part, 100000, deep[i].middle, deep[i].end, &err), GPUMEM_ESYNTAX);
    }
}
END_TEST

START_TEST(long_chains)
{
    static const struct { const char *part, *middle; } tall[] = {{"1 + ", "1"}, {"2 // ", "1"}};
    static const struct { const char *part, *middle; } flat[] = {{"1 and ", "1"}, {"0 or ", "1"}, {"1 <= ", "1"}, {"n orelse ", "1"}};
    size_t i;
    for (i = 0; i < 2; i++) {
        gpumem_error err = {0};
        ck_assert_int_eq(compile_repeated(tall[i].part, 99, tall[i].middle, "", &err), GPUMEM_OK);
        ck_assert_int_eq(compile_repeated(tall[i].part, 100, tall[i].middle, "", &err), GPUMEM_ESYNTAX);
        ck_assert_ptr_nonnull(strstr(err.message, "more than 100 operators"));
        gpumem_error_clear(&err);
        ck_assert_int_eq(compile_repeated(tall[i].part, 100000, tall[i].middle, "", &err), GPUMEM_ESYNTAX);
    }
    for (i = 0; i < 4; i++)
        ck_assert_int_eq(compile_repeated(flat[i].part, 20000, flat[i].middle, "", NULL), GPUMEM_OK);
}
END_TEST

/* ---- what is known of an expression ---- */

START_TEST(scalars_of_manifests)
{
    gm_value in[] = {gm_int(4), gm_real(0.5), gm_bool(true), gm_null(), string("h // 2"), string("4")}, out;
    static const char *const text[] = {"4", "0.5", "true", "null", "h // 2", "4"}, *const want[] = {"4", "0.5", "true", "null", "2048", "4"};
    gm_scope scope = {NULL, &w.arena, value, config};
    size_t i;
    for (i = 0; i < 6; i++) {
        gpumem_error err = {0};
        const gm_expr *e;
        char buf[32];
        in[i].line = 7;
        in[i].column = 3;
        ck_assert_int_eq(gm_expr_compile(&w.arena, "m.yaml", &in[i], &names, &e, &err), GPUMEM_OK);
        ck_assert_str_eq(gm_expr_text(e), text[i]);
        ck_assert_str_eq(gm_expr_file(e), "m.yaml");
        ck_assert_uint_eq(gm_expr_line(e), 7);
        ck_assert_uint_eq(gm_expr_column(e), 3);
        ck_assert_int_eq(gm_expr_eval(e, &scope, &out, &err), GPUMEM_OK);
        ck_assert_str_eq(gm_value_show(&out, buf, sizeof buf), want[i]);
        ck_assert_int_eq(gm_expr_constant(e, &out), i != 4);
    }
}
END_TEST

START_TEST(lists_are_no_scalars)
{
    gm_value v = gm_null();
    gpumem_error err = {0};
    const gm_expr *e;
    v.type = GM_LIST;
    v.line = 7;
    v.column = 3;
    ck_assert_int_eq(gm_expr_compile(&w.arena, "m.yaml", &v, &names, &e, &err), GPUMEM_ESYNTAX);
    ck_assert_str_eq(err.message, "expected an expression, not list");
    ck_assert_uint_eq(err.line, 7);
    ck_assert_uint_eq(err.column, 3);
    gpumem_error_clear(&err);
    v.type = GM_MAP;
    ck_assert_int_eq(gm_expr_compile(&w.arena, "m.yaml", &v, &names, &e, &err), GPUMEM_ESYNTAX);
}
END_TEST

START_TEST(constants)
{
    static const struct { const char *text; bool constant; } given[] = {
        {"4", true}, {"-4", true}, {"-0.5", true}, {"'x'", true}, {"null", true}, {"(4)", true}, {"[1, [2, 'x']]", true}, {"[]", true}, {"i", false}, {"[1, i]", false}, {"1 + 1", false}, {"k('set')", false},
    };
    size_t i;
    for (i = 0; i < sizeof given / sizeof *given; i++) {
        const gm_expr *e;
        gm_value v;
        ck_assert_int_eq(compile(given[i].text, &e, NULL), GPUMEM_OK);
        ck_assert_msg(gm_expr_constant(e, &v) == given[i].constant, "%s", given[i].text);
    }
}
END_TEST

START_TEST(slots)
{
    static const int want[] = {3, CONFIG, 8, CONFIG + 2, 4};
    const gm_expr *e;
    const int *used;
    unsigned n, i, j, found;
    ck_assert_int_eq(compile("i + k('set') * l[i] if has('missing') else k('set', h) orelse min(i, h, 1)", &e, NULL), GPUMEM_OK);
    n = gm_expr_slots(e, &used);
    ck_assert_uint_eq(n, 5);
    for (i = 0; i < 5; i++) {
        for (j = found = 0; j < n; j++)
            found += used[j] == want[i];
        ck_assert_uint_eq(found, 1);
    }
    ck_assert_int_eq(compile("1 + 1", &e, NULL), GPUMEM_OK);
    ck_assert_uint_eq(gm_expr_slots(e, &used), 0);
}
END_TEST

START_TEST(laziness)
{
    gm_value v;
    static const char *const text[] = {"1 or lazy", "0 and lazy", "1 if 1 else lazy", "lazy if 0 else 1", "1 orelse lazy", "2 < 1 < lazy", "k('set', lazy)"};
    size_t i;
    for (i = 0; i < sizeof text / sizeof *text; i++)
        ck_assert_int_eq(evaluate(text[i], &v, NULL), GPUMEM_OK);
    ck_assert_int_eq(w.reads, 0);
    ck_assert_int_eq(evaluate("0 or lazy", &v, NULL), GPUMEM_OK);
    ck_assert_int_eq(w.reads, 1);
}
END_TEST

START_TEST(evaluation_makes_only_lists_and_strings)
{
    static const char *const text[] = {
        "i * h + 3 // 2 - int(r * 4)", "l[i - 7] if s == 'x' or 'type' in m else len(l)", "min(i, h, 3) < max(1, 2) <= 5", "k('set') orelse 4", "[1, 2, 3][1]", "abs(-i) in [7, 8]",
    };
    gm_scope scope = {NULL, &w.arena, value, config};
    size_t i;
    for (i = 0; i < sizeof text / sizeof *text; i++) {
        const gm_expr *e;
        gm_arena_mark before;
        gm_value v;
        ck_assert_int_eq(compile(text[i], &e, NULL), GPUMEM_OK);
        before = gm_arena_mark_of(&w.arena);
        ck_assert_int_eq(gm_expr_eval(e, &scope, &v, NULL), GPUMEM_OK);
        ck_assert_uint_eq(w.arena.used, before.used);
        ck_assert_ptr_eq(w.arena.last, before.last);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("expr");
    TCase *t = tcase_create("expr");
    tcase_add_checked_fixture(t, start, stop);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, literals);
    tcase_add_test(t, arithmetic);
    tcase_add_test(t, comparisons);
    tcase_add_test(t, logic);
    tcase_add_test(t, indexing);
    tcase_add_test(t, functions);
    tcase_add_test(t, config_keys);
    tcase_add_test(t, syntax);
    tcase_add_test(t, wrong_values);
    tcase_add_test(t, other_places_are_kept);
    tcase_add_test(t, long_texts_are_cut);
    tcase_add_test(t, near_functions);
    tcase_add_test(t, depth);
    tcase_add_test(t, long_chains);
    tcase_add_test(t, scalars_of_manifests);
    tcase_add_test(t, lists_are_no_scalars);
    tcase_add_test(t, constants);
    tcase_add_test(t, slots);
    tcase_add_test(t, laziness);
    tcase_add_test(t, evaluation_makes_only_lists_and_strings);
    suite_add_tcase(s, t);
    return run_suite(s);
}
