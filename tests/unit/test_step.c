/* core/step: programs of what a step makes, each word and each prefix, and what is wrong with them. */
#include "../suite.h"
#include "step/run.h"
#include <gpumem/gpumem.h>
#include <stdio.h>
#include <string.h>

/* Of four bytes an element: a [4, 6] is 96, a [6] is 24. */
static const gm_opt_state matrix[] = {{"m", {4, 6}, 2, GM_OPT_F32}, {"half", {4, 6}, 2, GM_OPT_BF16}, {"row", {4, 1}, 2, GM_OPT_F32},
                                      {"col", {1, 6}, 2, GM_OPT_F32}, {"Q", {4, 4}, 2, GM_OPT_F32}, {"Q", {6, 6}, 2, GM_OPT_F32}};
static const gm_opt_state vector[] = {{"m", {6}, 1, GM_OPT_F32}};
#define MATRIX {{4, 6}, 1, 2, GM_OPT_F32, GM_OPT_F32, true, matrix, 6}
#define VECTOR {{6}, 1, 1, GM_OPT_F32, GM_OPT_F32, false, vector, 1}
#define HALF {{4, 6}, 1, 2, GM_OPT_BF16, GM_OPT_BF16, true, matrix, 6}

static gpumem_status run(const char *form, const char *text, const gm_opt_param *param, uint32_t n, uint32_t rounding, uint64_t *peak, gpumem_error *err)
{
    gm_arena arena = {0};
    gm_opt_program program;
    const gm_opt_job job = {param, n, rounding, 2, {4, 64}};
    gpumem_status s = gm_opt_parse(&arena, (gm_opt_place){"step.yaml", 4, 5}, text, strcmp(form, "foreach") == 0, &program, err);
    *peak = 0;
    if (s == GPUMEM_OK)
        s = gm_opt_run(&program, &job, peak, err);
    gm_arena_free(&arena);
    return s;
}

static uint64_t peak_of(const char *form, const char *text, const gm_opt_param *param, uint32_t n, uint32_t rounding)
{
    uint64_t peak;
    gpumem_error err = {0};
    run(form, text, param, n, rounding, &peak, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s: %u:%u: %s", text, err.line, err.column, err.message);
    return peak;
}

typedef struct example { const char *text; uint64_t bytes; } example;

static void check(const char *form, const gm_opt_param *param, uint32_t n, const example *e, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t have = peak_of(form, e[i].text, param, n, 1);
        ck_assert_msg(have == e[i].bytes, "%s: %llu, not %llu", e[i].text, (unsigned long long)have, (unsigned long long)e[i].bytes);
    }
}
#define CHECK(form, param, e) check(form, param, sizeof param / sizeof *param, e, sizeof e / sizeof *e)

START_TEST(words)
{
    static const gm_opt_param one[] = {MATRIX};
    static const example e[] = {
        {"", 0}, {"# nothing", 0}, {"a = g", 0}, {"a = add(g)", 96}, {"a = sub(g, m)", 96}, {"a = mul(row, col)", 96}, {"a = div(g, norm(g))", 100},
        {"a = square(row)", 16}, {"a = sqrt(g)", 96}, {"a = rsqrt(col)", 24}, {"a = reciprocal(g)", 96}, {"a = pow(g, 2)", 96}, {"a = neg(g)", 96}, {"a = sign(g)", 96},
        {"a = abs(g)", 96}, {"a = maximum(g, m)", 96}, {"a = clamp(g)", 96}, {"a = lerp(g, m)", 96}, {"a = index(g)", 96}, {"a = zeros_like(half)", 48},
        {"a = clone(half)", 48}, {"a = eq(g)", 24}, {"a = ne(g, m)", 24}, {"a = gt(row, col)", 24}, {"a = lt(half)", 24}, {"a = both(g, m)", 24},
        {"a = where(eq(g), half, half)", 24 + 48}, {"a = where(eq(half), scalar(), half)", 24 + 4 + 48}, {"a = f32(g)", 0}, {"a = f32(half)", 96}, {"a = bf16(g)", 48},
        {"a = cast(g, half)", 48}, {"a = cast(half, row)", 96}, {"a = norm(g)", 4}, {"a = mean(half)", 2}, {"a = mean(g, -1)", 16}, {"a = sum(g, 0)", 24}, {"a = norm(half, -2)", 12},
        {"a = mm(g, t(g))", 64}, {"a = t(g)", 0}, {"a = t(norm(g))", 4}, {"x = mm(g, t(g))\na = addmm(g, x, g)", 64 + 96}, {"a = scalar()", 4}, {"a = randn(p.rows, 2, half)", 16},
        {"u, s, v = svd(g)", 64 + 16 + 96}, {"q, r = qr(t(g))", 96 + 64}, {"a = argsort(half)", 48 + 192}, {"a = mul(half, f32(half))", 96 + 96}, {"a = mul(half, norm(g))", 4 + 48},
        {"a = fold(g)", 144 + 96 - 144}, {"a = fold(g, Q[0])", 96}, {"a = fold(g, Q[5])", 0}, {"x = fold(g, Q[5])\na = fold(x, Q[1])", 96}, {"a = fold(row)", 16},
        {"a = fold(col)", 24 + 24}, {"a = outer(g, 0)", 64}, {"a = outer(g, 1)", 144}, {"a = outer(col, 1)", 24 + 144}, {"a = set_(g)", 0}, {"a = add_(sqrt(g))", 96},
        {"add_(g, sqrt(m))", 96}, {"a = add(add(add(g)))", 2 * 96},
    };
    CHECK("for-loop", one, e);
}
END_TEST

START_TEST(lives)
{
    static const gm_opt_param one[] = {MATRIX}, two[] = {MATRIX, VECTOR}, half[] = {HALF};
    static const example e[] = {
        {"a = add(g)\na = add(g)", 192}, {"a = add(g)\ndel a\na = add(g)", 96}, {"a = add(g)\nb = a\ndel a\nc = add(g)", 192}, {"add(g)\nadd(g)", 96}, {"del nothing", 0},
        {"a, c = add(g), sub(g)", 192}, {"a = t(add(g))\nb = a\ndel a\nc = add(g)", 192}, {"m = add(g)\na = add(g)", 96 + 96 - 96 + 0},
        {"a = []\na[] = add(g)\na[] = add(g)", 192}, {"a = []\na[] = add(g)\na = []\na[] = add(g)", 96}, {"a = []\na[] = add(g)\na[] = add(g)\nb = stack(a)", 384},
        {"a = []\na[] = add(row)\nb = a[0]\ndel a\nc = add(g)", 16 + 96}, {"a = add(g)\nreturn", 96}, {"@loop p.ndim > 2\na = add(g)", 0},
        {"a = add(g)\n@loop\nb = add(g)", 192}, {"a = add(g)\nreturn\n@loop\nb = add(g)", 96}, {"a = add(g)\n@loop not chosen\nb = add(g)", 96},
    };
    static const example over[] = { /* names stay from one parameter to the next */
        {"a = add(g)", 96 + 24}, {"a = add(g)\nb = add(g)", 96 + 96 + 24}, {"a = add(g)\ndel a", 96}, {"if p.ndim == 1: a = add(g)", 24},
        {"@loop chosen\na = add(g)\n@loop not chosen\na = add(g)", 120}, {"@loop chosen\na = add(g)\nreturn\n@loop not chosen\na = add(g)", 96},
    };
    static const example narrow[] = {{"a = f32(g)", 96}, {"if p.dtype == \"bf16\" and g.narrow: a = add(g)", 48}, {"if p.dtype == 'f32' or not p.narrow: a = add(g)", 0}};
    CHECK("for-loop", one, e);
    CHECK("for-loop", two, over);
    CHECK("for-loop", half, narrow);
    ck_assert_uint_eq(peak_of("for-loop", "a = add(row)\nb = add(g)", one, 1, 512), 1024);
}
END_TEST

START_TEST(prefixes)
{
    static const gm_opt_param one[] = {MATRIX}, vec[] = {VECTOR};
    static const example e[] = { /* blocks of 4: [4, 4] and [4, 2] */
        {"if p.rows == 4 and p.cols == 6 and 0 < p.ndim - 1: a = add(g)", 96}, {"if steps % 10 == 1: a = add(g)", 0}, {"if steps % 10 == 2 and -1 < 0: a = add(g)", 96},
        {"if Q[0] and not Q[2]: a = add(g)", 96}, {"dims: if d > 0: a = add(g)", 96}, {"dims: a = mm(Q[d], Q[d])", 64 + 144}, {"dims: if d <= 1 and d >= 1 and d != 0: a = add(Q[d])", 144},
        {"if p.blocked: f = clone(g)\nblocks: x = clone(b)", 96 + 64 + 32}, {"f = g\nblocks: x = clone(b)\nblocks: y = x", 64 + 32}, {"f = g\nblocks: sides: a = outer(b, d)", 128},
        {"f = g\nblocks: sides: if d == 1: a = mm(b, t(b))", 128}, {"if p.alike: a = add(g)", 0}, {"cuts: a = []\ncuts: a[] = add(row)", 16},
        {"f = g\nparts = []\nblocks: x = fold(b)\nblocks: x = fold(x)\nblocks: parts[] = x\nblocks: del x\nmerged = join(parts)\ndel parts\na = merged[0]", 192},
    };
    static const example none[] = {{"if p.blocked: a = add(g)", 24}, {"f = g\nblocks: a = clone(b)", 16 + 8}, {"if Q[0]: a = add(g)", 0}};
    CHECK("for-loop", one, e);
    CHECK("for-loop", vec, none);
}
END_TEST

START_TEST(lists)
{
    static const gm_opt_param two[] = {MATRIX, VECTOR}, mixed[] = {MATRIX, HALF};
    static const example e[] = {
        {"a = sqrt(m)", 120}, {"a = add(add(m))", 240}, {"a = list(add(add(m)))", 192}, {"each: add(g)", 96}, {"each: a = add(g)", 96 + 24},
        {"a = add(g)\neach: a = add(a)", 120 + 96}, {"a = norm(g)", 8}, {"a = stack(norm(g))", 16}, {"a = []\neach: x = add(g)\neach: a[] = x\neach: del x", 120},
        {"a = add(g)\nreturn", 120}, {"@loop\na = add(g)", 120}, {"@lists chosen\na = add(row)", 16}, {"@lists chosen\na = add(g)\n@lists not chosen\nb = add(g)", 120},
        {"if p.ndim == 2: a = add(g)", 120}, {"a = add(g)\neach: if p.ndim == 1: c = a\ndel a\nb = add(g)", 24 + 120}, {"m = add(g)\na = add(g)", 120},
        {"each: dims: a = add(g)", 96 + 96},
    };
    static const example by[] = {{"a = add(g)", 96 + 48}, {"a = add(g)\nreturn", 96}}; /* one dtype after the other */
    CHECK("foreach", two, e);
    CHECK("foreach", mixed, by);
}
END_TEST

/* A run of equal parameters is as if each stood there. */
START_TEST(runs)
{
    static const char *const text[] = {
        "a = add(g)", "a = list(add(add(m)))", "each: x = add(g)\neach: add(x)", "a = []\neach: x = add(g)\neach: a[] = x\nb = stack(a)", "a = add(g)\neach: a = bf16(a)\nb = add(g)",
        "@loop\na = add(g)\nm = a", "@loop chosen\nm = bf16(g)\na = add(m)\n@lists\nb = add(g)", "m = add(g)\neach: m = bf16(m)\nb = list(add(m))", "a = norm(g)\nb = stack(a)",
        "@loop\na = []\na[] = add(g)\nQ = a\n@lists\nb = add(g)",
    };
    for (uint32_t n = 3; n < 9; n++)
        for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
            gm_opt_param all[32], few[16];
            uint32_t nall = 0, nfew = 0;
            const gm_opt_param m = MATRIX, v = {{6}, 1, 1, GM_OPT_F32, GM_OPT_F32, true, vector, 1}, first = {{10, 10}, 1, 2, GM_OPT_F32, GM_OPT_F32, true, matrix, 4};
            all[nall++] = few[nfew++] = first;
            for (uint32_t k = 0; k < n; k++) {
                all[nall++] = m;
                all[nall++] = v;
                if (k > 2 && k < n - 1)
                    continue;
                few[nfew] = m;
                few[nfew + 1] = v;
                if (n > 3 && k == 2)
                    few[nfew].times = few[nfew + 1].times = n - 3;
                nfew += 2;
            }
            all[nall++] = few[nfew++] = m;
            ck_assert_msg(peak_of("foreach", text[i], all, nall, 512) == peak_of("foreach", text[i], few, nfew, 512), "%u times: %s", n, text[i]);
        }
}
END_TEST

START_TEST(wrong)
{
    static const struct { const char *form, *text, *message; unsigned line, column; } table[] = {
        {"for-loop", "a = ad(g)", "there is no word 'ad'", 4, 9}, {"for-loop", "x = g\na = add(g", "expected , or )", 5, 14}, {"for-loop", "a = add()", "takes 1 to 8 arguments, not 0", 4, 9},
        {"for-loop", "a = (g", "expected )", 4, 11}, {"for-loop", "a = g g", "expected the end of the line", 4, 11}, {"for-loop", "a, b = g", "2 names for 1 values", 4, 13},
        {"for-loop", "a = svd(g)", "1 names for 3 values", 4, 15}, {"for-loop", "if p.ndim a = g", "expected :", 4, 15}, {"for-loop", "if p.size: a = g", "expected ndim", 4, 14},
        {"for-loop", "each: a = g", "each: is for parts that have lists", 4, 5}, {"for-loop", "a = list(g)", "list() is for parts that have lists", 4, 13},
        {"for-loop", "@both\na = g", "expected @loop or @lists", 4, 6}, {"for-loop", "return\na = g", "return is the last line", 5, 5}, {"for-loop", "a[0] = g", "expected ]", 4, 7},
        {"for-loop", "a = [g]", "expected ]", 4, 10}, {"for-loop", "del 3", "expected a name", 4, 9}, {"for-loop", "list = g", "'list' cannot be a name", 4, 5},
        {"for-loop", "if 'a: a = g", "a string that does not end", 4, 9}, {"for-loop", "a = 99999999999999999999", "an integer must fit in 64 bits", 4, 27},
        {"for-loop", "a = add(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((g", "nests deeper than 64", 4, 76},
        {"for-loop", "if d: if d: if d: if d: if d: if d: if d: if d: if d: a = g", "more than 8 prefixes", 4, 58},
        {"for-loop", "a = x", "there is no 'x' here", 4, 9}, {"for-loop", "x = g\n  a = add(x, nil)", "there is no 'nil' here", 5, 18}, {"for-loop", "a = add(3)", "add is given no tensor", 4, 9},
        {"for-loop", "a = Q[0]\nb = add(Q)", "is no tensor", 5, 9}, {"for-loop", "a = add(g, t(g))", "do not go together", 4, 9}, {"for-loop", "a = mm(g, g)", "cannot be multiplied", 4, 9},
        {"for-loop", "a = sum(g, 2)", "has not the one that sum is over", 4, 9}, {"for-loop", "a = add(svd(g))", "svd has 3 results where one is needed", 4, 13},
        {"for-loop", "a[] = g", "'a' is no list here", 4, 5}, {"for-loop", "a = []\na[] = 3", "only tensors can be in a list", 5, 5}, {"for-loop", "blocks: a = b", "there is no 'f' here", 4, 5},
        {"for-loop", "sides: a = g", "there is no 'b' here", 4, 5}, {"for-loop", "if g < 1: a = g", "only numbers have such an operator", 4, 8}, {"for-loop", "if 1 % 0: a = g", "division by less than 1", 4, 8},
        {"for-loop", "if -g: a = g", "only numbers have a sign", 4, 8}, {"for-loop", "a = stack(g)", "no list with a tensor", 4, 9}, {"for-loop", "a = []\nb = join(a)", "no list with a tensor", 5, 9},
        {"for-loop", "a = randn(1000000000000, 1000000000000, g)", "does not fit in 64 bits", 4, 9}, {"for-loop", "a = randn(-1, 2, g)", "is no extent", 4, 9},
        {"for-loop", "a = fold(g, Q[1])", "a matrix of another extent", 4, 9}, {"for-loop", "a = outer(g, 2)", "a dimension that the tensor has not", 4, 9},
        {"for-loop", "a = g[0]", "'g' is no list here", 4, 9}, {"for-loop", "@loop x\na = g", "there is no 'x' here", 4, 11},
        {"foreach", "each: each: a = g", "each: within each:", 4, 5}, {"foreach", "each: a = list(g)", "list() is a loop", 4, 5}, {"foreach", "a = []\na[] = norm(g)\nb = add(a, g)", "only tensors", 5, 5},
        {"foreach", "a = []\neach: a[] = g\neach: a = 3", "'a' is a list of tensors", 6, 5}, {"foreach", "a = add(col)", "is no tensor", 4, 9},
    };
    static const gm_opt_param two[] = {MATRIX, VECTOR};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_error err = {0};
        uint64_t peak;
        ck_assert_msg(run(table[i].form, table[i].text, two, 2, 512, &peak, &err) == GPUMEM_EPLUGIN && err.status == GPUMEM_EPLUGIN, "%s: status %d", table[i].text, err.status);
        ck_assert_msg(strstr(err.message, table[i].message) && err.line == table[i].line && err.column == table[i].column && strcmp(err.file, "step.yaml") == 0,
                      "%s: %s:%u:%u: %s", table[i].text, err.file, err.line, err.column, err.message);
    }
}
END_TEST

/* What takes too long is refused, and does not take long. */
START_TEST(endless)
{
    static const gm_opt_param big[] = {{{64, 64, 64, 64}, 1, 4, GM_OPT_F32, GM_OPT_F32, true, NULL, 0}};
    uint64_t peak;
    gpumem_error err = {0};
    ck_assert_int_eq(run("for-loop", "f = g\nblocks: blocks: blocks: blocks: sides: a = add(b)", big, 1, 512, &peak, &err), GPUMEM_EPLUGIN);
    ck_assert_msg(strstr(err.message, "too much to be followed") != NULL, "%s", err.message);
    memset(&err, 0, sizeof err);
    ck_assert_int_eq(run("for-loop", "f = g\nblocks: blocks: blocks: blocks: a = b", big, 1, 512, &peak, &err), GPUMEM_EPLUGIN);
    ck_assert_msg(strstr(err.message, "too much to be followed") != NULL, "%s", err.message);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("step");
    TCase *c = tcase_create("step");
    tcase_add_test(c, words);
    tcase_add_test(c, lives);
    tcase_add_test(c, prefixes);
    tcase_add_test(c, lists);
    tcase_add_test(c, runs);
    tcase_add_test(c, wrong);
    tcase_add_test(c, endless);
    suite_add_tcase(s, c);
    return run_suite(s);
}
