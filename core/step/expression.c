/* Expressions of a step's programs: what a statement makes, and conditions. */
#include "step/program.h"
#include "step/words.h"
#include <ctype.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define DEPTH 64

static uint32_t node(gm_opt_parser *p, unsigned kind, const char *at)
{
    gm_opt_program *o = p->out;
    gm_opt_expr *now = p->bad ? NULL : gm_opt_room(p, o->expr, sizeof *now, o->nexpr, &o->max_expr);
    if (now == NULL)
        return GM_OPT_NONE;
    o->expr = now;
    now[o->nexpr] = (gm_opt_expr){.kind = (uint8_t)kind, .column = p->column + (uint32_t)(at - p->start)};
    return o->nexpr++;
}

static uint32_t binary(gm_opt_parser *p, unsigned op, uint32_t a, uint32_t b, const char *at)
{
    uint32_t n = a == GM_OPT_NONE || b == GM_OPT_NONE ? GM_OPT_NONE : node(p, GM_OPT_BINARY, at);
    if (n == GM_OPT_NONE)
        return GM_OPT_NONE;
    p->out->expr[n].op = (uint8_t)op;
    p->out->expr[n].arg[0] = a;
    p->out->expr[n].arg[1] = b;
    return n;
}

static uint32_t unary(gm_opt_parser *p, unsigned kind, uint32_t a, const char *at)
{
    uint32_t n = a == GM_OPT_NONE ? GM_OPT_NONE : node(p, kind, at);
    if (n != GM_OPT_NONE)
        p->out->expr[n].arg[0] = a;
    return n;
}

/* ---- what stands alone ---- */

static uint32_t number(gm_opt_parser *p)
{
    int64_t v = 0;
    const char *at = p->p;
    uint32_t n;
    for (; p->p < p->end && isdigit((unsigned char)*p->p); p->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p->p - '0', &v))
            return gm_opt_wrong(p, "an integer must fit in 64 bits");
    if ((n = node(p, GM_OPT_NUMBER, at)) != GM_OPT_NONE)
        p->out->expr[n].number = v;
    return n;
}

static uint32_t text(gm_opt_parser *p)
{
    const char *at = p->p++, *close = memchr(p->p, *at, (size_t)(p->end - p->p));
    uint32_t n;
    if (close == NULL)
        return gm_opt_wrong(p, "a string that does not end");
    if ((n = node(p, GM_OPT_TEXT, at)) == GM_OPT_NONE)
        return n;
    p->out->expr[n].text = gm_arena_strndup(p->arena, p->p, (size_t)(close - p->p));
    p->p = close + 1;
    if (p->out->expr[n].text)
        return n;
    p->bad = true;
    gm_no_memory(p->err);
    return GM_OPT_NONE;
}

static uint32_t unknown_word(gm_opt_parser *p, const char *s, size_t n)
{
    char wanted[64], near_text[320];
    gpumem_near near;
    size_t m = n < sizeof wanted - 1 ? n : sizeof wanted - 1;
    bool first = !p->bad;
    memcpy(wanted, s, m);
    wanted[m] = 0;
    p->p = s;
    gm_opt_wrong(p, "there is no word '%s'", wanted);
    gm_opt_word_near(wanted, &near);
    if (first && *gpumem_near_text(&near, near_text, sizeof near_text))
        gm_tip(p->err, "did you mean %s?", near_text);
    return GM_OPT_NONE;
}

static uint32_t call(gm_opt_parser *p, const char *s, size_t n)
{
    int word = gm_opt_word_find(s, n);
    uint32_t at = word < 0 ? unknown_word(p, s, n) : node(p, GM_OPT_CALL, s), arg;
    unsigned nargs = 0;
    if (at == GM_OPT_NONE)
        return GM_OPT_NONE;
    while (!gm_opt_take(p, ")")) {
        if (nargs && !gm_opt_take(p, ","))
            return gm_opt_wrong(p, "expected , or )");
        if (nargs == GM_OPT_ARGS)
            return gm_opt_wrong(p, "more than %d arguments", GM_OPT_ARGS);
        if ((arg = gm_opt_expression(p)) == GM_OPT_NONE)
            return GM_OPT_NONE;
        p->out->expr[at].arg[nargs++] = arg;
    }
    p->out->expr[at].at = (uint32_t)word;
    p->out->expr[at].nargs = (uint8_t)nargs;
    if (nargs < gm_opt_word_least((unsigned)word) || nargs > gm_opt_word_most((unsigned)word)) {
        p->p = s;
        return gm_opt_wrong(p, "%.*s takes %u to %u arguments, not %u", (int)(n < 40 ? n : 40), s, gm_opt_word_least((unsigned)word),
                             gm_opt_word_most((unsigned)word), nargs);
    }
    return at;
}

static uint32_t field(gm_opt_parser *p, uint32_t name, const char *at)
{
    static const char *const fields[] = {"ndim", "rows", "cols", "dtype", "narrow", "blocked", "alike"};
    size_t n = 0;
    const char *s = gm_opt_word_at(p, &n);
    uint32_t e;
    for (size_t i = 0; s && i < COUNT(fields); i++) {
        if (strlen(fields[i]) != n || memcmp(fields[i], s, n) != 0)
            continue;
        if ((e = node(p, GM_OPT_FIELD, at)) == GM_OPT_NONE)
            return e;
        p->out->expr[e].op = (uint8_t)i;
        p->out->expr[e].at = name;
        return e;
    }
    return gm_opt_wrong(p, "expected ndim, rows, cols, dtype, narrow, blocked or alike");
}

static uint32_t item(gm_opt_parser *p, uint32_t name, const char *at)
{
    uint32_t place = gm_opt_expression(p), e;
    if (place == GM_OPT_NONE)
        return place;
    if (!gm_opt_take(p, "]"))
        return gm_opt_wrong(p, "expected ]");
    if ((e = unary(p, GM_OPT_ITEM, place, at)) == GM_OPT_NONE)
        return e;
    p->out->expr[e].at = name;
    p->out->items[name] = true;
    return e;
}

static uint32_t primary(gm_opt_parser *p)
{
    size_t n = 0;
    const char *s;
    uint32_t name, e;
    gm_opt_skip(p);
    if (p->p < p->end && isdigit((unsigned char)*p->p))
        return number(p);
    if (p->p < p->end && (*p->p == '"' || *p->p == '\''))
        return text(p);
    if (gm_opt_take(p, "(")) {
        e = gm_opt_expression(p);
        return e == GM_OPT_NONE || gm_opt_take(p, ")") ? e : gm_opt_wrong(p, "expected )");
    }
    if ((s = gm_opt_word_at(p, &n)) == NULL)
        return gm_opt_wrong(p, "expected a name, a number or a word");
    if (gm_opt_take(p, "("))
        return call(p, s, n);
    if ((name = gm_opt_name(p, s, n)) == GM_OPT_NONE)
        return name;
    if (gm_opt_take(p, "."))
        return field(p, name, s);
    if (gm_opt_take(p, "["))
        return item(p, name, s);
    if ((e = node(p, GM_OPT_NAME, s)) != GM_OPT_NONE)
        p->out->expr[e].at = name;
    return e;
}

/* ---- operators, the weaker the further down ---- */

static uint32_t minus(gm_opt_parser *p)
{
    const char *at = p->p;
    return gm_opt_take(p, "-") ? unary(p, GM_OPT_MINUS, primary(p), at) : primary(p);
}

typedef struct sign { const char *token; unsigned op; } sign;

/* The operator that is here, or -1. */
static int sign_at(gm_opt_parser *p, const sign *signs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gm_opt_take(p, signs[i].token))
            return (int)signs[i].op;
    return -1;
}

static uint32_t term(gm_opt_parser *p)
{
    static const sign signs[] = {{"*", GM_OPT_MUL}, {"%", GM_OPT_MOD}};
    const char *at = p->p;
    uint32_t a = minus(p);
    for (int op; a != GM_OPT_NONE && (op = sign_at(p, signs, COUNT(signs))) >= 0;)
        a = binary(p, (unsigned)op, a, minus(p), at);
    return a;
}

static uint32_t sum(gm_opt_parser *p)
{
    static const sign signs[] = {{"+", GM_OPT_ADD}, {"-", GM_OPT_SUB}};
    const char *at = p->p;
    uint32_t a = term(p);
    for (int op; a != GM_OPT_NONE && (op = sign_at(p, signs, COUNT(signs))) >= 0;)
        a = binary(p, (unsigned)op, a, term(p), at);
    return a;
}

static uint32_t comparison(gm_opt_parser *p)
{
    static const sign signs[] = {{"==", GM_OPT_EQ}, {"!=", GM_OPT_NE}, {"<=", GM_OPT_LE}, {">=", GM_OPT_GE}, {"<", GM_OPT_LT}, {">", GM_OPT_GT}};
    const char *at = p->p;
    uint32_t a = sum(p);
    int op = a == GM_OPT_NONE ? -1 : sign_at(p, signs, COUNT(signs));
    return op < 0 ? a : binary(p, (unsigned)op, a, sum(p), at);
}

static uint32_t negation(gm_opt_parser *p)
{
    const char *at = p->p;
    bool no = false;
    while (gm_opt_take(p, "not"))
        no = !no;
    return no ? unary(p, GM_OPT_NOT, comparison(p), at) : comparison(p);
}

static uint32_t conjunction(gm_opt_parser *p)
{
    const char *at = p->p;
    uint32_t a = negation(p);
    while (a != GM_OPT_NONE && gm_opt_take(p, "and"))
        a = binary(p, GM_OPT_AND, a, negation(p), at);
    return a;
}

uint32_t gm_opt_expression(gm_opt_parser *p)
{
    const char *at = p->p;
    uint32_t a;
    if (p->depth == DEPTH)
        return gm_opt_wrong(p, "an expression nests deeper than %d", DEPTH);
    p->depth++;
    a = conjunction(p);
    while (a != GM_OPT_NONE && gm_opt_take(p, "or"))
        a = binary(p, GM_OPT_OR, a, conjunction(p), at);
    p->depth--;
    return a;
}

unsigned gm_opt_results(const gm_opt_program *program, uint32_t expr)
{
    const gm_opt_expr *e = &program->expr[expr];
    return e->kind == GM_OPT_CALL ? gm_opt_word_results(e->at) : 1;
}
