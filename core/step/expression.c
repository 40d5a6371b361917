/* Expressions of a step's programs: what a statement makes, and conditions. */
#include "step/program.h"
#include "step/words.h"
#include <ctype.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define DEPTH 64

static uint32_t node(gm_step_parser *p, unsigned kind, const char *at)
{
    gm_step_program *o = p->out;
    gm_step_expr *now = p->bad ? NULL : gm_step_room(p, o->expr, sizeof *now, o->nexpr, &o->max_expr);
    if (now == NULL)
        return GM_STEP_NONE;
    o->expr = now;
    now[o->nexpr] = (gm_step_expr){.kind = (uint8_t)kind, .column = p->column + (uint32_t)(at - p->start)};
    return o->nexpr++;
}

static uint32_t binary(gm_step_parser *p, unsigned op, uint32_t a, uint32_t b, const char *at)
{
    uint32_t n = a == GM_STEP_NONE || b == GM_STEP_NONE ? GM_STEP_NONE : node(p, GM_STEP_BINARY, at);
    if (n == GM_STEP_NONE)
        return GM_STEP_NONE;
    p->out->expr[n].op = (uint8_t)op;
    p->out->expr[n].arg[0] = a;
    p->out->expr[n].arg[1] = b;
    return n;
}

static uint32_t unary(gm_step_parser *p, unsigned kind, uint32_t a, const char *at)
{
    uint32_t n = a == GM_STEP_NONE ? GM_STEP_NONE : node(p, kind, at);
    if (n != GM_STEP_NONE)
        p->out->expr[n].arg[0] = a;
    return n;
}

/* ---- what stands alone ---- */

static uint32_t number(gm_step_parser *p)
{
    int64_t v = 0;
    const char *at = p->p;
    uint32_t n;
    for (; p->p < p->end && isdigit((unsigned char)*p->p); p->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p->p - '0', &v))
            return gm_step_wrong(p, "an integer must fit in 64 bits");
    if ((n = node(p, GM_STEP_NUMBER, at)) != GM_STEP_NONE)
        p->out->expr[n].number = v;
    return n;
}

static uint32_t text(gm_step_parser *p)
{
    const char *at = p->p++, *close = memchr(p->p, *at, (size_t)(p->end - p->p));
    uint32_t n;
    if (close == NULL)
        return gm_step_wrong(p, "a string that does not end");
    if ((n = node(p, GM_STEP_TEXT, at)) == GM_STEP_NONE)
        return n;
    p->out->expr[n].text = gm_arena_strndup(p->arena, p->p, (size_t)(close - p->p));
    p->p = close + 1;
    if (p->out->expr[n].text)
        return n;
    p->bad = true;
    gm_no_memory(p->err);
    return GM_STEP_NONE;
}

static uint32_t unknown_word(gm_step_parser *p, const char *s, size_t n)
{
    char wanted[64], near_text[320];
    gpumem_near near;
    size_t m = n < sizeof wanted - 1 ? n : sizeof wanted - 1;
    bool first = !p->bad;
    memcpy(wanted, s, m);
    wanted[m] = 0;
    p->p = s;
    gm_step_wrong(p, "there is no word '%s'", wanted);
    gm_step_word_near(wanted, &near);
    if (first && *gpumem_near_text(&near, near_text, sizeof near_text))
        gm_tip(p->err, "did you mean %s?", near_text);
    return GM_STEP_NONE;
}

static uint32_t call(gm_step_parser *p, const char *s, size_t n)
{
    int word = gm_step_word_find(s, n);
    uint32_t at = word < 0 ? unknown_word(p, s, n) : node(p, GM_STEP_CALL, s), arg;
    unsigned nargs = 0;
    if (at == GM_STEP_NONE)
        return GM_STEP_NONE;
    while (!gm_step_take(p, ")")) {
        if (nargs && !gm_step_take(p, ","))
            return gm_step_wrong(p, "expected , or )");
        if (nargs == GM_STEP_ARGS)
            return gm_step_wrong(p, "more than %d arguments", GM_STEP_ARGS);
        if ((arg = gm_step_expression(p)) == GM_STEP_NONE)
            return GM_STEP_NONE;
        p->out->expr[at].arg[nargs++] = arg;
    }
    p->out->expr[at].at = (uint32_t)word;
    p->out->expr[at].nargs = (uint8_t)nargs;
    if (nargs < gm_step_word_least((unsigned)word) || nargs > gm_step_word_most((unsigned)word)) {
        p->p = s;
        return gm_step_wrong(p, "%.*s takes %u to %u arguments, not %u", (int)(n < 40 ? n : 40), s, gm_step_word_least((unsigned)word),
                             gm_step_word_most((unsigned)word), nargs);
    }
    return at;
}

static uint32_t field(gm_step_parser *p, uint32_t name, const char *at)
{
    static const char *const fields[] = {"ndim", "rows", "cols", "dtype", "narrow", "blocked", "alike"};
    size_t n = 0;
    const char *s = gm_step_word_at(p, &n);
    uint32_t e;
    for (size_t i = 0; s && i < COUNT(fields); i++) {
        if (strlen(fields[i]) != n || memcmp(fields[i], s, n) != 0)
            continue;
        if ((e = node(p, GM_STEP_FIELD, at)) == GM_STEP_NONE)
            return e;
        p->out->expr[e].op = (uint8_t)i;
        p->out->expr[e].at = name;
        return e;
    }
    return gm_step_wrong(p, "expected ndim, rows, cols, dtype, narrow, blocked or alike");
}

static uint32_t item(gm_step_parser *p, uint32_t name, const char *at)
{
    uint32_t place = gm_step_expression(p), e;
    if (place == GM_STEP_NONE)
        return place;
    if (!gm_step_take(p, "]"))
        return gm_step_wrong(p, "expected ]");
    if ((e = unary(p, GM_STEP_ITEM, place, at)) == GM_STEP_NONE)
        return e;
    p->out->expr[e].at = name;
    p->out->items[name] = true;
    return e;
}

static uint32_t primary(gm_step_parser *p)
{
    size_t n = 0;
    const char *s;
    uint32_t name, e;
    gm_step_skip(p);
    if (p->p < p->end && isdigit((unsigned char)*p->p))
        return number(p);
    if (p->p < p->end && (*p->p == '"' || *p->p == '\''))
        return text(p);
    if (gm_step_take(p, "(")) {
        e = gm_step_expression(p);
        return e == GM_STEP_NONE || gm_step_take(p, ")") ? e : gm_step_wrong(p, "expected )");
    }
    if ((s = gm_step_word_at(p, &n)) == NULL)
        return gm_step_wrong(p, "expected a name, a number or a word");
    if (gm_step_take(p, "("))
        return call(p, s, n);
    if ((name = gm_step_name(p, s, n)) == GM_STEP_NONE)
        return name;
    if (gm_step_take(p, "."))
        return field(p, name, s);
    if (gm_step_take(p, "["))
        return item(p, name, s);
    if ((e = node(p, GM_STEP_NAME, s)) != GM_STEP_NONE)
        p->out->expr[e].at = name;
    return e;
}

/* ---- operators, the weaker the further down ---- */

static uint32_t minus(gm_step_parser *p)
{
    const char *at = p->p;
    return gm_step_take(p, "-") ? unary(p, GM_STEP_MINUS, primary(p), at) : primary(p);
}

typedef struct sign { const char *token; unsigned op; } sign;

/* The operator that is here, or -1. */
static int sign_at(gm_step_parser *p, const sign *signs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gm_step_take(p, signs[i].token))
            return (int)signs[i].op;
    return -1;
}

static uint32_t term(gm_step_parser *p)
{
    static const sign signs[] = {{"*", GM_STEP_MUL}, {"%", GM_STEP_MOD}};
    const char *at = p->p;
    uint32_t a = minus(p);
    for (int op; a != GM_STEP_NONE && (op = sign_at(p, signs, COUNT(signs))) >= 0;)
        a = binary(p, (unsigned)op, a, minus(p), at);
    return a;
}

static uint32_t sum(gm_step_parser *p)
{
    static const sign signs[] = {{"+", GM_STEP_ADD}, {"-", GM_STEP_SUB}};
    const char *at = p->p;
    uint32_t a = term(p);
    for (int op; a != GM_STEP_NONE && (op = sign_at(p, signs, COUNT(signs))) >= 0;)
        a = binary(p, (unsigned)op, a, term(p), at);
    return a;
}

static uint32_t comparison(gm_step_parser *p)
{
    static const sign signs[] = {{"==", GM_STEP_EQ}, {"!=", GM_STEP_NE}, {"<=", GM_STEP_LE}, {">=", GM_STEP_GE}, {"<", GM_STEP_LT}, {">", GM_STEP_GT}};
    const char *at = p->p;
    uint32_t a = sum(p);
    int op = a == GM_STEP_NONE ? -1 : sign_at(p, signs, COUNT(signs));
    return op < 0 ? a : binary(p, (unsigned)op, a, sum(p), at);
}

static uint32_t negation(gm_step_parser *p)
{
    const char *at = p->p;
    bool no = false;
    while (gm_step_take(p, "not"))
        no = !no;
    return no ? unary(p, GM_STEP_NOT, comparison(p), at) : comparison(p);
}

static uint32_t conjunction(gm_step_parser *p)
{
    const char *at = p->p;
    uint32_t a = negation(p);
    while (a != GM_STEP_NONE && gm_step_take(p, "and"))
        a = binary(p, GM_STEP_AND, a, negation(p), at);
    return a;
}

uint32_t gm_step_expression(gm_step_parser *p)
{
    const char *at = p->p;
    uint32_t a;
    if (p->depth == DEPTH)
        return gm_step_wrong(p, "an expression nests deeper than %d", DEPTH);
    p->depth++;
    a = conjunction(p);
    while (a != GM_STEP_NONE && gm_step_take(p, "or"))
        a = binary(p, GM_STEP_OR, a, conjunction(p), at);
    p->depth--;
    return a;
}

unsigned gm_step_results(const gm_step_program *program, uint32_t expr)
{
    const gm_step_expr *e = &program->expr[expr];
    return e->kind == GM_STEP_CALL ? gm_step_word_results(e->at) : 1;
}
