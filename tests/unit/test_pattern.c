/* core/model/pattern: modules that a quantised config keeps wide. */
#include "../plugin/fixture.h"
#include "text/pattern.h"
#include "text/json.h"

/* Is the parameter among the modules of this list? */
static bool matches(const char *list, const char *parameter)
{
    gm_arena arena = {0};
    gm_value v;
    gm_patterns *p = NULL;
    gpumem_error err = {0};
    bool shortage = false, yes;
    ck_assert_int_eq(gm_json_parse(&arena, "list", list, strlen(list), &v, NULL), GPUMEM_OK);
    gm_patterns_new(&v, &p, &err);
    ck_assert_msg(p != NULL, "%s: %s", list, err.message);
    yes = gm_patterns_match(p, parameter, &shortage);
    ck_assert(!shortage);
    gm_patterns_free(p);
    gm_arena_free(&arena);
    return yes;
}

START_TEST(patterns)
{
    static const struct { const char *list, *parameter; bool yes; } table[] = {
        {"[]", "lm_head.weight", false},
        /* whole components, at the begin or the end of the path */
        {"[\"lm_head\"]", "lm_head.weight", true},
        {"[\"lm_head\"]", "lm_head_2.weight", false},
        {"[\"head\"]", "lm_head.weight", false},
        {"[\"mlp.gate\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"mlp.gate\"]", "model.layers.3.mlp.gate_proj.weight", false},
        {"[\"mlp.gate\"]", "model.layers.3.amlp.gate.weight", false},
        {"[\"model.layers.3\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"model.layers.3\"]", "model.layers.30.mlp.gate.weight", false},
        {"[\"model.layers.3.mlp\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"model.layers.3.mlp.gate\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"model.layers.3.mlp.gate.weight\"]", "model.layers.3.mlp.gate.weight", false}, /* that is no module */
        {"[\"a\", \"b\", \"lm_head\"]", "lm_head.weight", true},
        /* what stands before the first WORD.NUMBER does not matter */
        {"[\"model.language_model.layers.0.mlp\"]", "language_model.model.layers.0.mlp.up_proj.weight", true},
        {"[\"model.language_model.layers.0.mlp\"]", "language_model.model.layers.1.mlp.up_proj.weight", false},
        {"[\"language_model.layers.0.mlp\"]", "model.layers.0.mlp.up_proj.weight", true},
        /* globs over the whole path */
        {"[\"*lm_head*\"]", "lm_head.weight", true},
        {"[\"*.mlp.gate\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"*.mlp.gate\"]", "model.layers.3.mlp.gate_up.weight", false},
        {"[\"model.layers.?.mlp\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"model.layers.?.mlp\"]", "model.layers.33.mlp.gate.weight", false},
        {"[\"*self_attn*\"]", "model.layers.3.self_attn.q_proj.weight", true},
        {"[\"model.layers.[0-2].*\"]", "model.layers.1.mlp.up_proj.weight", true},
        {"[\"model.layers.[0-2].*\"]", "model.layers.3.mlp.up_proj.weight", false},
        /* regular expressions, from the begin */
        {"[\"re:.*lm_head\"]", "lm_head.weight", true},
        {"[\"re:lm_head\"]", "lm_head.weight", true},
        {"[\"re:mlp\"]", "model.layers.3.mlp.gate.weight", false},
        {"[\"re:.*mlp[.](gate|router)$\"]", "model.layers.3.mlp.gate.weight", true},
        {"[\"re:.*mlp[.](gate|router)$\"]", "model.layers.3.mlp.gate_proj.weight", false},
        {"[\"re:visual|lm_head\"]", "lm_head.weight", true},
        {"[\"re:a|b\"]", "xb.weight", false},
        {"[\"lm_head\"]", "weight", false},
        {"[\"weight\"]", "weight", true},
        {"[\"\"]", "lm_head.weight", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        ck_assert_msg(matches(table[i].list, table[i].parameter) == table[i].yes, "%s and %s: %s", table[i].list, table[i].parameter, table[i].yes ? "no match" : "a match");
}
END_TEST

START_TEST(long_paths)
{
    char list[3000] = "[\"lm_head\", \"", path[2000] = "a";
    while (strlen(path) < 1500)
        strcat(path, ".abcdefgh");
    strcat(list, path);
    strcat(list, "\"]");
    strcat(path, ".weight");
    matches(list, path); /* whatever it says */
    ck_assert(!matches("[\"lm_head\"]", path));
}
END_TEST

START_TEST(many)
{
    gpumem_text list = {0};
    gpumem_text_char(&list, '[');
    for (int i = 0; i < 20000; i++)
        gpumem_text_printf(&list, "%s\"model.layers.%d.mlp.experts.%d.up_proj\"", i ? ", " : "", i / 256, i % 256);
    gpumem_text_char(&list, ']');
    ck_assert(matches(list.s, "model.layers.7.mlp.experts.255.up_proj.weight"));
    ck_assert(!matches(list.s, "model.layers.7.mlp.experts.256.up_proj.weight"));
    gpumem_text_free(&list);
}
END_TEST

START_TEST(wrong)
{
    static const struct { const char *list, *message; } table[] = {
        {"[3]", "expected the name of a module, not integer"}, {"[null]", "expected the name of a module, not null"}, {"[[\"a\"]]", "expected the name of a module, not list"},
        {"[\"re:a(\"]", "'a(' is no regular expression"}, {"[\"re:[\"]", "is no regular expression"}, {"[\"a\", \"re:*(\", \"b\"]", "is no regular expression"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gm_arena arena = {0};
        gm_value v;
        gm_patterns *p = NULL;
        gpumem_error err = {0};
        ck_assert_int_eq(gm_json_parse(&arena, "list", table[i].list, strlen(table[i].list), &v, NULL), GPUMEM_OK);
        ck_assert_int_eq(gm_patterns_new(&v, &p, &err), GPUMEM_ECONFIG);
        ck_assert_ptr_null(p);
        ck_assert_msg(strstr(err.message, table[i].message) != NULL, "%s", err.message);
        gm_arena_free(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pattern");
    TCase *c = tcase_create("pattern");
    tcase_add_test(c, patterns);
    tcase_add_test(c, long_paths);
    tcase_add_test(c, many);
    tcase_add_test(c, wrong);
    suite_add_tcase(s, c);
    return run_suite(s);
}
