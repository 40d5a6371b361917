/* core/tape/rules: the language of rules, how long what they make lives, and what is wrong with them.  Bytes are those of the tensors that
 * stand in the rule: x is fp32 of [2, 3, 5], 120 bytes. */
#include "tape.h"

static unsigned nmade;
static uint32_t made[GM_WORD_OUTS];

/* Runs the first rule with x as its first operand, and what follows as attributes. */
static void run(const char *text, unsigned nattr, const uint32_t *attr)
{
    uint32_t rule = rules_of(text), x = SIZED(F32, false, 2, 3, 5);
    const gm_meta meta[2] = {{2, BF16, {{7, {0}}, {3, {0}}}, {{3, {0}}, {1, {0}}}}, {1, F32, {{4, {0}}}, {{1, {0}}}}};
    nmade = gm_rule_run(rules, &tape, rule, 1, &x, 0, nattr, attr, 2, meta, made);
    gm_tv_unref(&tape, x);
}

static void release(void)
{
    note("|");
    for (unsigned i = 0; i < nmade; i++)
        gm_tv_unref(&tape, made[i]);
    nmade = 0;
}

/* Each of these ends with the bytes of y: "rule f x w? : a b", with a = 7, b = 0. */
START_TEST(expressions)
{
    static const struct { const char *text; unsigned value; } table[] = {
        {"12", 12}, {"x[0]", 2}, {"x[1]", 3}, {"x[-1]", 5}, {"x[a - 6]", 3}, {"a", 7}, {"b", 0},
        {"x[0] + x[1]", 5}, {"x[2] - x[0]", 3}, {"x[0] - x[2]", 0}, {"x[1] * 4", 12}, {"12 / 4", 3}, {"2 + 3 * 4", 14}, {"(2 + 3) * 4", 20}, {"20 - 4 - 3", 13}, {"24 / 4 / 3", 2},
        {"2 * 3 + 4 * 5", 26}, {"a -1", 6}, {"a-1", 6},
        {"2 == 2", 1}, {"2 == 3", 0}, {"2 != 3", 1}, {"2 != 2", 0}, {"2 < 3", 1}, {"3 < 3", 0}, {"3 <= 3", 1}, {"4 <= 3", 0}, {"3 > 2", 1}, {"3 > 3", 0}, {"3 >= 3", 1}, {"2 >= 3", 0},
        {"not 0", 1}, {"not 3", 0}, {"not not 3", 1}, {"1 and 0", 0}, {"1 and 2", 1}, {"0 or 2", 1}, {"0 or 0", 0}, {"1 or 0 and 0", 1}, {"(1 or 0) and 0", 0}, {"not 0 and 0", 0},
        {"0 and x[9]", 0}, {"1 or x[9]", 1}, /* not looked at */
        {"ceil(7, 2)", 4}, {"ceil(8, 2)", 4}, {"min(3, 5)", 3}, {"max(3, 5)", 5},
        {"has(x)", 1}, {"has(w)", 0}, {"ndim(x)", 3}, {"numel(x)", 30}, {"grad(x)", 0}, {"fits(x, x)", 1}, {"fits(x, mean(x, -1))", 1}, {"fits(x, transpose(x, 0, 1))", 0},
        {"dtype(x) == f32", 1}, {"dtype(x) == bf16", 0}, {"dtype(to(x, i64)) == i64", 1}, {"dtype(to(x, i32)) == i32", 1}, {"dtype(test(x)) == bool", 1},
        {"described_dtype == bf16", 1}, {"numel(described(0))", 21}, {"numel(described(1))", 4}, {"dtype(described_in(i64)) == i64", 1}, {"ndim(as_described(x))", 2},
        {"training", 1}, {"checkpointing", 0}, {"autocast", 0}, {"caching", 0}, {"last_only", 0}, {"past", 0}, {"seen(0)", 0}, {"seen(4)", 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        static const uint32_t attr[] = {7};
        char text[256];
        snprintf(text, sizeof text, "rule f x w? : a b\n  n = %s\n  y = new(bool, [n])\n  return y\n", table[i].text);
        tape_open();
        run(text, 1, attr);
        ck_assert_msg(nmade == 1, "%s: %s", table[i].text, tape.why);
        ck_assert_msg(tape.tv[made[0]].dim[0].num == table[i].value && gm_ext_constant(&tape.tv[made[0]].dim[0]), "%s: %llu, not %u", table[i].text,
                      (unsigned long long)tape.tv[made[0]].dim[0].num, table[i].value);
        release();
        ck_assert_int_eq(live_bytes(), 0);
        tape_close();
    }
}
END_TEST

/* Sizes that are not known: what depends on them is decided for all points at once. */
START_TEST(sizes_of_symbols)
{
    static const struct { const char *text, *bytes; } table[] = {
        {"x[0] * x[1]", "+1*S*B"}, {"x[0] * 6 / 3", "+2*B"}, {"x[0] / x[0]", "+1"}, {"x[0] == x[0]", "+1"}, {"x[0] == x[1]", "+0"}, {"x[0] != x[1]", "+1"}, {"x[0] < x[1]", "+0"}, {"x[0] > x[1]", "+0"},
        {"x[0] * 2 > x[0]", "+1"}, {"x[0] >= x[0]", "+1"}, {"x[0] + x[0]", "+2*B"}, {"ndim(x) == 2 and x[1] != 1", "+1"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[256];
        uint32_t x, rule;
        snprintf(text, sizeof text, "rule f x\n  y = new(bool, [%s])\n  return y\n", table[i].text);
        tape_open();
        rule = rules_of(text);
        x = given(F32, false, 2, (const gm_ext[]){{1, {1}}, {1, {2}}});
        nmade = gm_rule_run(rules, &tape, rule, 1, &x, 0, 0, NULL, 0, NULL, made);
        ck_assert_msg(nmade == 1 && strcmp(events, table[i].bytes) == 0, "%s: %s %s", table[i].text, events, tape.why);
        gm_tv_unref(&tape, x);
        release();
        tape_close();
    }
}
END_TEST

/* ---- how long things live ---- */

#define F "rule f x\n"
static const struct { const char *what, *text, *events; } lifetimes[] = {
    {"a temporary dies when its word returns", F " y = add(mul(x, x), x)\n return y\n", "+120 +120 -120 | -120"},
    {"each in turn", F " y = add(mul(x, x), to(x, bf16))\n return y\n", "+120 +60 +120 -60 -120 | -120"},
    {"deep inside", F " y = neg(neg(neg(x)))\n return y\n", "+120 +120 -120 +120 -120 | -120"},
    {"a rebound name after the new value", F " y = to(x, bf16)\n y = mul(x, x)\n return y\n", "+60 +120 -60 | -120"},
    {"of itself", F " y = neg(x)\n y = to(y, bf16)\n return y\n", "+120 +60 -120 | -60"},
    {"names go when the rule returns", F " a = neg(x)\n b = to(x, bf16)\n y = mean(x, 0)\n return y\n", "+120 +60 +60 -120 -60 | -60"},
    {"del, before that", F " a = neg(x)\n b = to(x, bf16)\n del a\n y = mean(x, -1)\n return y\n", "+120 +60 -120 +24 -60 | -24"},
    {"del of several", F " a = neg(x)\n b = to(x, bf16)\n del a, b\n y = mean(x, -1)\n return y\n", "+120 +60 -120 -60 +24 | -24"},
    {"another name holds it still", F " a = neg(x)\n b = a\n del a\n y = mean(b, -1)\n return y\n", "+120 +24 -120 | -24"},
    {"so does a view", F " a = neg(x)\n b = transpose(a, 0, 1)\n del a\n y = mean(b, -1)\n return y\n", "+120 +24 -120 | -24"},
    {"what nobody takes goes at once", F " neg(x)\n y = mean(x, -1)\n return y\n", "+120 -120 +24 | -24"},
    {"return of several", F " a = neg(x)\n b = to(x, bf16)\n return b, a\n", "+120 +60 | -60 -120"},
    {"of the same twice", F " a = neg(x)\n return a, a\n", "+120 | -120"},
    {"of a word", F " return neg(x)\n", "+120 | -120"},
    {"of all that a word gives", F " return sort(x)\n", "+120 +240 | -120 -240"},
    {"the first of several, where one is asked for", F " y = sort(x)\n return y\n", "+120 +240 -240 | -120"},
    {"and within an expression", F " y = neg(sort(x))\n return y\n", "+120 +240 -240 +120 -120 | -120"},
    {"several names", F " a, b = sort(x)\n del a\n return b\n", "+120 +240 -120 | -240"},
    {"an operand is its caller's", F " x = neg(x)\n return x\n", "+120 | -120"},
    {"nothing is returned", F " y = neg(x)\n", "+120 -120 |"},
    {"return ends the rule", F " y = neg(x)\n return y\n z = neg(x)\n return z\n", "+120 | -120"},
    {"a condition", F " if x[0] == 2: y = neg(x)\n if x[0] == 3: y = to(x, bf16)\n return y\n", "+120 | -120"},
    {"of a return", F " if x[0] == 2: return neg(x)\n return to(x, bf16)\n", "+120 | -120"},
    {"of a del", F " y = neg(x)\n z = to(x, bf16)\n if x[0] != 2: del y\n if x[0] == 2: del z\n return y\n", "+120 +60 -60 | -120"},
    {"a condition makes things, too", F " if numel(neg(x)) == 30: y = to(x, bf16)\n return y\n", "+120 -120 +60 | -60"},
    {"remarks and empty lines", "# a\n\n" F "\n   # b\n  y = neg(x) # c\n\n return y # d\n# e\n", "+120 | -120"},
    {"a rule that is called drops its own", F " y = g(x)\n return y\nrule g a\n t = neg(a)\n b = to(t, bf16)\n return b\n", "+120 +60 -120 | -60"},
    {"its arguments live until it returns", F " y = g(neg(x))\n return y\nrule g a\n b = to(a, bf16)\n return b\n", "+120 +60 -120 | -60"},
    {"unless it drops them", F " y = g(neg(x))\n return y\nrule g a\n b = to(a, bf16)\n del a\n c = neg(b)\n return c\n", "+120 +60 -120 +60 -60 | -60"},
    {"all that a rule gives", F " a, b = g(x)\n return b\nrule g a\n b = neg(a)\n c = to(a, bf16)\n return b, c\n", "+120 +60 -120 | -60"},
    {"handed on", F " return g(x)\nrule g a\n b = neg(a)\n c = to(a, bf16)\n return b, c\n", "+120 +60 | -120 -60"},
    {"an operand that is left out", F " y = g(x)\n return y\nrule g a b? : n\n if has(b): y = neg(a)\n if not has(b) and n == 0: y = to(a, bf16)\n return y\n", "+60 | -60"},
    {"attributes of a call", F " y = g(x, x, 3)\n return y\nrule g a b? : n\n if has(b) and n == 3: y = neg(a)\n return y\n", "+120 | -120"},
    {"a loop of a few turns", F " y = x\n for 3: y = neg(y)\n return y\n", "+120 +120 -120 +120 -120 | -120"},
    {"a turn takes what it binds again", F " y = to(x, bf16)\n for 2: y, z = g(y, z)\n return y\nrule g a b?\n a = neg(a)\n b = neg(a)\n return a, b\n", "+60 +60 -60 +60 +60 -60 +60 -60 -60 | -60"},
    {"of none", F " y = to(x, bf16)\n for 0: y = neg(y)\n return y\n", "+60 | -60"},
    {"a list of what it has made", F " for 2: *all = to(x, bf16)\n y = stacked(all, 0)\n return y\n", "+60 +60 +120 -60 -60 | -120"},
    {"joined", F " for 2: *all = to(x, bf16)\n y = joined(all, 0)\n del all\n z = neg(y)\n return z\n", "+60 +60 +120 -60 -60 +120 -120 | -120"},
    {"a star without a loop", F " *all = to(x, bf16)\n *all = to(x, bf16)\n y = stacked(all, 0)\n return y\n", "+60 +60 +120 -60 -60 | -120"},
    {"what nobody else reads is written over", F " a = neg(x)\n y = reuse(a)\n del a\n z = to(y, bf16)\n return z\n", "+120 +60 -120 | -60"},
    {"not what another name holds", F " a = neg(x)\n b = a\n y = reuse(a)\n return y\n", "+120 +120 -120 | -120"},
    {"nor what has a view", F " a = neg(x)\n b = transpose(a, 0, 1)\n y = reuse(a)\n return y\n", "+120 +120 -120 | -120"},
    {"nor what is the caller's", F " y = reuse(x)\n return y\n", "+120 | -120"},
    {"the first that can be", F " c = neg(x)\n y = reuse(x, c)\n return y\n", "+120 | -120"},
    {"and is of the same size", F " c = mean(x, -1)\n y = reuse(x, c)\n return y\n", "+24 +120 -24 | -120"},
    {"only some of the names", F " for 2: y, *all = sort(x)\n del y\n z = stacked(all, 0)\n return z\n", "+120 +240 +120 +240 -120 -120 +480 -240 -240 | -480"},
};

START_TEST(what_lives)
{
    tape_open();
    run(lifetimes[_i].text, 0, NULL);
    ck_assert_msg(!tape.failed, "%s: %s", lifetimes[_i].what, tape.why);
    release();
    ck_assert_msg(strcmp(events, lifetimes[_i].events) == 0, "%s: %s, not %s", lifetimes[_i].what, events, lifetimes[_i].events);
    ck_assert_int_eq(live_bytes(), 0);
    tape_close();
}
END_TEST

/* Three turns are walked, what the second does happens as often as it has to: five results of 120 bytes, and 600 of all together. */
START_TEST(many_turns)
{
    tape_open();
    run(F " for 5: *all = neg(x)\n y = stacked(all, 0)\n return y, x\n", 0, NULL);
    ck_assert_msg(nmade == 2, "%s", tape.why);
    ck_assert_str_eq(events, "+120 +120 +120 +600 -120 -120 -120");
    ck_assert_int_eq(live_bytes(), 600);
    release();
    ck_assert_int_eq(live_bytes(), 0);
    tape_close();
    tape_open();
    tape.whole = true; /* turn by turn */
    run(F " for 5: *all = neg(x)\n y = stacked(all, 0)\n return y\n", 0, NULL);
    ck_assert_str_eq(events, "+120 +120 +120 +120 +120 +600 -120 -120 -120 -120 -120");
    release();
    tape_close();
    tape_open();
    run(F " y = x\n for 1000: y = neg(y)\n return y\n", 0, NULL);
    ck_assert_int_eq(live_bytes(), 120);
    release();
    ck_assert_int_eq(live_bytes(), 0);
    tape_close();
}
END_TEST

START_TEST(made_once)
{
    static const char text[] = F " once mask = to(x, bf16)\n y = neg(mask)\n return y\n";
    uint32_t rule, x;
    tape_open();
    rule = rules_of(text);
    x = SIZED(F32, false, 2, 3, 5);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(gm_rule_run(rules, &tape, rule, 1, &x, 0, 0, NULL, 0, NULL, made), 1);
        nmade = 1;
        release();
    }
    ck_assert_str_eq(events, "+60 +60 | -60 +60 | -60 +60 | -60");
    ck_assert_uint_eq(tape.nonce, 1);
    gm_tv_unref(&tape, tape.once[0].tv); /* the decoder returns */
    ck_assert_int_eq(live_bytes(), 0);
    gm_tv_unref(&tape, x);
    tape_close();
}
END_TEST

START_TEST(what_is_read)
{
    gpumem_error err = {0};
    uint32_t f, g;
    tape_open();
    f = rules_of("rule f a b? c : n\n if n: return neg(a)\n return neg(c)\nrule g a b\n return f(b, b, b, a[0])\n");
    g = gm_rules_find(rules, "g", &err);
    ck_assert(gm_rules_read(rules, f, 0) && !gm_rules_read(rules, f, 1) && gm_rules_read(rules, f, 2) && !gm_rules_read(rules, f, 3));
    ck_assert(gm_rules_read(rules, g, 0) && gm_rules_read(rules, g, 1));
    ck_assert_uint_eq(gm_rules_find(rules, "h", &err), GM_NONE);
    ck_assert_int_eq(err.status, GPUMEM_OK);
    static const char own[] = " x\n return neg(x)\n";
    uint32_t h = gm_rules_add(rules, "h", own, &err);
    ck_assert_uint_ne(h, GM_NONE);
    ck_assert_uint_eq(gm_rules_add(rules, "h", own, &err), h); /* once */
    ck_assert_uint_eq(gm_rules_find(rules, "h", &err), h);
    ck_assert_uint_eq(gm_rules_add(rules, "f", " other\n return exp(other)\n", &err), GM_NONE);
    ck_assert_msg(strstr(err.message, "line 1 has a rule of this name already") != NULL, "%s", err.message);
    tape_close();
}
END_TEST

/* ---- what is wrong ---- */

#define NESTED "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
static const struct { const char *text; unsigned line, column; const char *message; } unreadable[] = {
    {F " y = nothing(x)\n", 2, 6, "rule f: neither a word nor a rule has this name"},
    {F " y = neg(x)\n y = mull(x, x)\n", 3, 6, "neither a word nor a rule has this name"},
    {F " y = neg()\n", 2, 11, "another number of arguments was expected"},
    {F " y = neg(x, x)\n", 2, 15, "another number of arguments was expected"},
    {F " y = mul(x)\n", 2, 12, "another number of arguments was expected"},
    {F " n = has(x, x)\n", 2, 15, "another number of arguments was expected"},
    {F " y = cat(0, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x)\n", 2, 59, "too many arguments"},
    {F " y = g(x, x)\nrule g a\n return a\n", 2, 13, "another number of arguments was expected"},
    {F " y = g(x)\nrule g a b\n return a\n", 2, 10, "another number of arguments was expected"},
    {F " y = z\n", 2, 6, "nothing has this name"},
    {F " y = neg(z)\n", 2, 10, "nothing has this name"},
    {F " return z\n", 2, 10, "expected a name that was bound"},
    {F " del z\n", 2, 7, "expected a name that was bound"},
    {F " return\n", 2, 8, "expected a name that was bound"},
    {F " return x, 3\n", 2, 12, "expected a name that was bound"},
    {F " y = neg(x\n", 2, 11, "expected , or a closing bracket"},
    {F " y = new(f32, [x[0]\n", 2, 20, "expected , or a closing bracket"},
    {F " y = new(f32, [x[0)\n", 2, 19, "expected ]"},
    {F " n = (2 + 3\n", 2, 12, "expected )"},
    {F " n = 2 +\n", 2, 9, "expected a value"},
    {F " n = \n", 2, 6, "expected a value"},
    {F " n = )\n", 2, 6, "expected a value"},
    {F " y = neg(x) x\n", 2, 13, "expected the end of the line"},
    {F " return x x\n", 2, 11, "expected the end of the line"},
    {F " return neg(x) x\n", 2, 16, "expected the end of the line"},
    {F " if x[0] == 2 y = neg(x)\n", 2, 15, "expected :"},
    {F " for 3 y = neg(x)\n", 2, 8, "expected :"},
    {F " for 3: return x\n", 2, 9, "a loop only binds names"},
    {F " for 3: del x\n", 2, 9, "a loop only binds names"},
    {F " for 3: once y = neg(x)\n", 2, 13, "what is made once is not made in a loop"},
    {F " once neg(x)\n", 2, 7, "expected one name and its value"},
    {F " once a, b = sort(x)\n", 2, 7, "expected one name and its value"},
    {F " n = 9223372036854775808\n", 2, 6, "a number that does not fit in 63 bits"},
    {F " n = " NESTED "1\n", 2, 70, "expressions are nested too deep"},
    {"rule f 3\n return x\n", 1, 8, "rule f: expected the name of an operand"},
    {"rule f x : n 3\n return x\n", 1, 14, "rule f: expected the name of an attribute"},
    {"rule f x : n : m\n return x\n", 1, 14, "rule f: expected the name of an attribute"},
    {"rule f x x\n return x\n", 1, 10, "rule f: two operands or attributes have this name"},
    {"rule f x : x\n return x\n", 1, 12, "rule f: two operands or attributes have this name"},
    {"rule  x\n return x\n", 1, 6, "expected a name"},
    {"\n" F " return x\n\nrule g x\nrule f y\n return y\n", 6, 6, "rule f: line 2 has a rule of this name already"},
    {"# a remark\nrul f x\n return x\n", 2, 1, "expected 'rule' and its name"},
};

START_TEST(cannot_be_read)
{
    gpumem_error err = {0};
    gm_rules *r = NULL;
    const char *text = unreadable[_i].text;
    tape_open();
    if (gm_rules_new(text, strlen(text), "r.txt", &r, &err) == GPUMEM_OK) {
        ck_assert_uint_eq(gm_rules_find(r, "f", &err), GM_NONE);
        gpumem_error again = {0};
        ck_assert_uint_eq(gm_rules_find(r, "f", &again), GM_NONE); /* and not a second time */
    } else
        ck_assert_ptr_null(r);
    ck_assert_msg(err.status == GPUMEM_ESYNTAX, "%s: status %d", text, err.status);
    ck_assert_str_eq(err.file, "r.txt");
    ck_assert_msg(strstr(err.message, unreadable[_i].message) != NULL, "%s: %s", text, err.message);
    ck_assert_msg(err.line == unreadable[_i].line && err.column == unreadable[_i].column, "%s: %u:%u: %s", text, err.line, err.column, err.message);
    gm_rules_free(r);
    tape_close();
}
END_TEST

static const struct { const char *text, *message; } fails[] = {
    {F " y = f(x)\n return y\n", "rules call one another without end"},
    {F " y = g(x)\n return y\nrule g x\n y = f(x)\n return y\n", "rules call one another without end"},
    {F " y = neg(g(x))\n return y\nrule g x\n neg(x)\n", "rule f, line 2: a word that makes nothing is used as a value"},
    {F " a, b = neg(x)\n return a\n", "rule f, line 2: more names than results"},
    {F " a, b, c = g(x)\n return a\nrule g x\n y = neg(x)\n return y, x\n", "rule f, line 2: more names than results"},
    {F " if x[0] == 3: y = neg(x)\n return y\n", "rule f, line 3: returns what is no tensor"},
    {F " n = 3\n return n\n", "rule f, line 3: returns what is no tensor"},
    {F " return has(x)\n", "rule f, line 2: returns what is no tensor"},
    {F " if x[0] == 3: y = neg(x)\n z = neg(y)\n return z\n", "rule f, line 3: neg expects a tensor"},
    {F " y = neg(x)\n del y\n z = neg(y)\n return z\n", "rule f, line 4: neg expects a tensor"},
    {F " y = neg(3)\n return y\n", "rule f, line 2: neg expects a tensor"},
    {F " y = mean(x, x)\n return y\n", "rule f, line 2: mean expects a size"},
    {F " y = view(x, x)\n return y\n", "rule f, line 2: view expects a shape, or a size"},
    {F " y = to(x, [1, 2])\n return y\n", "rule f, line 2: to expects a dtype, or a tensor that has it"},
    {F " y = stacked(x, 0)\n return y\n", "rule f, line 2: stacked expects a list of tensors"},
    {F " y = permute(x, 0)\n return y\n", "rule f, line 2: permute expects a shape"},
    {F " n = x + 1\n return x\n", "rule f, line 2: expected a size"},
    {F " if x: return x\n return x\n", "rule f, line 2: expected a size"},
    {F " n = dtype(3)\n return x\n", "rule f, line 2: expected a tensor"},
    {F " n = x[3]\n return x\n", "rule f, line 2: a dimension that a tensor does not have"},
    {F " n = x[-4]\n return x\n", "rule f, line 2: a dimension that a tensor does not have"},
    {F " n = 3\n m = n[0]\n return x\n", "rule f, line 3: a dimension of what is no tensor"},
    {F " y = mean(x, 3)\n return y\n", "rule f, line 2: a dimension that a tensor does not have"},
    {F " y = view(x, [7, 5])\n return y\n", "rule f, line 2: a view has not as many elements as what it is of"},
    {F " y = mul(x, transpose(x, 0, 1))\n return y\n", "rule f, line 2: operands of an elementwise operator have shapes that do not fit"},
    {F " n = 7 / 2\n return x\n", "rule f, line 2: a size that cannot be computed"},
    {F " n = 7 / 0\n return x\n", "rule f, line 2: a size that cannot be computed"},
    {F " y = new(f32, [1, 1, 1, 1, 1, 1, 1])\n return y\n", "rule f, line 2: a shape has too many dimensions"},
    {F " y = new(99, [1])\n return y\n", "rule f, line 2: a number that stands for no dtype"},
    {F " y = described(2)\n return y\n", "rule f, line 2: the operator describes no such result"},
    {F " once n = 3\n return x\n", "rule f, line 2: expected a tensor"},
    {F " y = select(mean(mean(view(x, [30]), 0), 0), 0)\n y = sum(sum(x, 0), 0)\n y = sum(y, 0)\n z = select(y, 0)\n return z\n", "line 5: a dimension that a tensor does not have"},
    {"rule f x y\n return x\n", "rule f, line 0: an operator lacks an operand of its rule"},
    {"rule f\n y = described(0)\n return y\n", "rule f, line 0: an operator has more operands than its rule"},
};

START_TEST(cannot_be_run)
{
    tape_open();
    run(fails[_i].text, 0, NULL);
    ck_assert_msg(tape.failed, "%s", fails[_i].text);
    ck_assert_msg(strstr(tape.why, fails[_i].message) != NULL, "%s: %s", fails[_i].text, tape.why);
    ck_assert_int_eq(tape.status, GPUMEM_EINVAL);
    ck_assert_uint_eq(nmade, 0);
    tape_close();
}
END_TEST

START_TEST(sizes_that_do_not_fit)
{
    tape_open();
    run(F " n = 4611686018427387904\n y = new(f32, [n, n])\n return y\n", 0, NULL);
    ck_assert_msg(tape.failed && tape.status == GPUMEM_ERANGE, "%s", tape.why);
    ck_assert_ptr_nonnull(strstr(tape.why, "rule f, line 3: a tensor's size"));
    tape_close();
}
END_TEST

#define LOOP(test, n) tcase_add_loop_test(c, test, 0, (int)(n))
#define COUNT(a) (sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *s = suite_create("rules");
    TCase *c = tcase_create("rules");
    tcase_add_test(c, expressions);
    tcase_add_test(c, sizes_of_symbols);
    LOOP(what_lives, COUNT(lifetimes));
    tcase_add_test(c, many_turns);
    tcase_add_test(c, made_once);
    tcase_add_test(c, what_is_read);
    LOOP(cannot_be_read, COUNT(unreadable));
    LOOP(cannot_be_run, COUNT(fails));
    tcase_add_test(c, sizes_that_do_not_fit);
    suite_add_tcase(s, c);
    return run_suite(s);
}
