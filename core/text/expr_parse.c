#include "base/near.h"
#include "base/utf8.h"
#include "text/expr_private.h"
#include <stdio.h>
#include <string.h>

#define DEEPEST 64 /* brackets, not, minus, else */
#define TALLEST 100 /* nodes above each other: a sum of so many terms */

enum { /* tokens that are more than their character */
    T_END = 256, T_BAD, T_INT, T_REAL, T_STRING, T_NAME, T_EQ, T_NE, T_LE, T_GE, T_FLOOR, T_ORELSE, T_IF, T_ELSE, T_OR, T_AND, T_NOT,
    T_IN, T_IS, T_NULL, T_TRUE, T_FALSE
};

typedef struct parser {
    gm_arena *arena;
    gm_expr *expr;
    const gm_names *names;
    gpumem_error *err;
    gpumem_status status;
    const char *text;
    int token;        /* the one that is looked at */
    size_t at, n;     /* where it starts; its length, a string's without the quotes */
    size_t behind;    /* the end of it */
    size_t last;      /* the end of the one before */
    unsigned depth, nuse;
} parser;

const gm_signature gm_signatures[GM_FN_END] = {
    [GM_FN_LEN] = {"len", 1, 1},         [GM_FN_INT] = {"int", 1, 1},       [GM_FN_CEIL] = {"ceil", 1, 1},
    [GM_FN_FLOOR] = {"floor", 1, 1},     [GM_FN_MIN] = {"min", 1, 255},     [GM_FN_MAX] = {"max", 1, 255},
    [GM_FN_ABS] = {"abs", 1, 1},         [GM_FN_LIST] = {"list", 1, 1},     [GM_FN_RANGE] = {"range", 1, 3},
    [GM_FN_EVERY] = {"every", 4, 4},     [GM_FN_PICK] = {"pick", 4, 4},     [GM_FN_CHARS] = {"chars", 3, 3},
    [GM_FN_IS_LIST] = {"is_list", 1, 1}, [GM_FN_IS_MAP] = {"is_map", 1, 1}, [GM_FN_REPLACE] = {"replace", 3, 3},
    [GM_FN_GET] = {"get", 2, 3},         [GM_FN_SUM] = {"sum", 1, 1},       [GM_FN_COUNT] = {"count", 2, 3},
    [GM_FN_SQRT] = {"sqrt", 1, 1},       [GM_FN_LOG2] = {"log2", 1, 1},       [GM_FN_INTS] = {"ints", 1, 1},
    [GM_FN_VALUES] = {"values", 1, 1},
    [GM_FN_K] = {"k", 1, 2},             [GM_FN_HAS] = {"has", 1, 1},
};

/* ---- errors --------------------------------------------------------------------------------------------------------------- */

const char *gm_expr_quote(const char *text, char buf[GM_QUOTE])
{
    size_t n = strnlen(text, GM_QUOTE);
    if (n < GM_QUOTE)
        return strcpy(buf, text);
    n = gm_utf8_cut(text, GM_QUOTE - 4);
    memcpy(buf, text, n);
    strcpy(buf + n, "...");
    return buf;
}

/* The end of what was understood so far. */
static const char *before(const parser *p, char buf[32])
{
    size_t start = p->last > 24 ? p->last - 24 : 0;
    while (start < p->last && ((unsigned char)p->text[start] & 0xc0) == 0x80)
        start++;
    snprintf(buf, 32, "%s%.*s", start ? "..." : "", (int)(p->last - start), p->text + start);
    return buf;
}

static const gm_node *fail(parser *p, const char *what)
{
    char quote[GM_QUOTE];
    const gm_expr *e = p->expr;
    p->status = gm_fail(p->err, GPUMEM_ESYNTAX, e->file, e->line, e->column, "%s in \"%s\"", what, gm_expr_quote(p->text, quote));
    return NULL;
}

static const gm_node *expected(parser *p, const char *what)
{
    char quote[GM_QUOTE], after[32];
    const gm_expr *e = p->expr;
    p->status = gm_fail(p->err, GPUMEM_ESYNTAX, e->file, e->line, e->column, "expected %s%s%s%s at character %zu of \"%s\"", what,
                        p->last ? " after '" : "", p->last ? before(p, after) : "", p->last ? "'" : "", gm_utf8_count(p->text, p->at) + 1,
                        gm_expr_quote(p->text, quote));
    return NULL;
}

static void *need(parser *p, void *memory)
{
    if (!memory)
        p->status = gm_no_memory(p->err);
    return memory;
}

/* ---- tokens --------------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

static int number(const char *s, size_t *n)
{
    size_t whole = digits(s), exponent;
    int token = T_INT;
    *n = whole;
    if (s[*n] == '.') {
        *n += 1 + digits(s + whole + 1);
        token = T_REAL;
    }
    if (s[*n] == 'e' || s[*n] == 'E') {
        size_t sign = s[*n + 1] == '-' || s[*n + 1] == '+';
        exponent = digits(s + *n + 1 + sign);
        if (exponent) {
            *n += 1 + sign + exponent;
            token = T_REAL;
        }
    }
    return token;
}

static int word(const char *s, size_t n)
{
    static const struct { const char *name; int token; } keyword[] = {
        {"orelse", T_ORELSE}, {"if", T_IF}, {"else", T_ELSE}, {"or", T_OR}, {"and", T_AND}, {"not", T_NOT}, {"in", T_IN}, {"is", T_IS},
        {"null", T_NULL}, {"None", T_NULL}, {"true", T_TRUE}, {"True", T_TRUE}, {"false", T_FALSE}, {"False", T_FALSE},
    };
    size_t i;
    for (i = 0; i < sizeof keyword / sizeof *keyword; i++)
        if (strncmp(keyword[i].name, s, n) == 0 && keyword[i].name[n] == '\0')
            return keyword[i].token;
    return T_NAME;
}

static int symbol(const char *s, size_t *n)
{
    static const struct { char s[3]; int token; } twice[] = {{"==", T_EQ}, {"!=", T_NE}, {"<=", T_LE}, {">=", T_GE}, {"//", T_FLOOR}};
    size_t i;
    *n = 2;
    for (i = 0; i < sizeof twice / sizeof *twice; i++)
        if (s[0] == twice[i].s[0] && s[1] == twice[i].s[1])
            return twice[i].token;
    *n = 1;
    return strchr("()[],+-*/%<>", s[0]) ? s[0] : T_BAD;
}

static void advance(parser *p)
{
    const char *s;
    p->last = p->behind;
    p->at = p->behind + strspn(p->text + p->behind, " \t\r\n");
    s = p->text + p->at;
    if (!*s) {
        p->token = T_END;
        p->n = 0;
    } else if (is_digit(*s) || (*s == '.' && is_digit(s[1]))) {
        p->token = number(s, &p->n);
    } else if (is_letter(*s)) {
        for (p->n = 1; is_letter(s[p->n]) || is_digit(s[p->n]) || (s[p->n] == '.' && is_letter(s[p->n + 1]));)
            p->n++;
        p->token = word(s, p->n);
    } else if (*s == '\'' || *s == '"') {
        const char *end = strchr(s + 1, *s);
        p->token = end ? T_STRING : T_BAD;
        p->n = end ? (size_t)(end - s) - 1 : strlen(s) - 1;
        p->behind = p->at + 1 + p->n + (end != NULL);
        return;
    } else {
        p->token = symbol(s, &p->n);
    }
    p->behind = p->at + p->n;
}

static bool take(parser *p, int token)
{
    if (p->token != token)
        return false;
    advance(p);
    return true;
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------------- */

static gm_node *make(parser *p, gm_node_kind kind, size_t n, const gm_node *const *child)
{
    gm_node *e = need(p, gm_arena_zero(p->arena, 1, sizeof *e + n * sizeof *child));
    size_t i;
    if (!e)
        return NULL;
    e->kind = (uint8_t)kind;
    e->n = (uint32_t)n;
    for (i = 0; i < n; i++) {
        e->child[i] = child[i];
        if (child[i]->depth > e->depth)
            e->depth = child[i]->depth;
    }
    if (++e->depth > TALLEST) {
        fail(p, "more than 100 operators depend on each other");
        return NULL;
    }
    return e;
}

static const gm_node *literal(parser *p, gm_value v)
{
    gm_node *e = make(p, GM_NODE_LITERAL, 0, NULL);
    if (e)
        e->u.value = v;
    return e;
}

/* Children of which nobody knows yet how many there will be. */
typedef struct nodes { const gm_node **item; size_t n, size; } nodes;

static bool push(parser *p, nodes *list, const gm_node *e)
{
    if (!e)
        return false;
    if (list->n == list->size) {
        size_t size = list->size ? 2 * list->size : 4;
        const gm_node **item = need(p, gm_arena_zero(p->arena, size, sizeof *item));
        if (!item)
            return false;
        if (list->n)
            memcpy(item, list->item, list->n * sizeof *item);
        list->item = item;
        list->size = size;
    }
    list->item[list->n++] = e;
    return true;
}

/* A list of literals is a literal. */
static const gm_node *make_list(parser *p, const nodes *list)
{
    gm_value *item, v = {0};
    size_t i;
    for (i = 0; i < list->n; i++)
        if (list->item[i]->kind != GM_NODE_LITERAL)
            return make(p, GM_NODE_LIST, list->n, list->item);
    item = need(p, gm_arena_zero(p->arena, list->n, sizeof *item));
    if (!item)
        return NULL;
    for (i = 0; i < list->n; i++)
        item[i] = list->item[i]->u.value;
    v.type = GM_LIST;
    v.n = (uint32_t)list->n;
    v.v.list = item;
    return literal(p, v);
}

/* ---- the grammar, from the tightest to the loosest ------------------------------------------------------------------------ */

static const gm_node *conditional(parser *p);

static bool enter(parser *p)
{
    if (++p->depth <= DEEPEST)
        return true;
    fail(p, "brackets and operators nest deeper than 64");
    return false;
}

static const gm_node *number_literal(parser *p, bool negative)
{
    const char *s = p->text + p->at - negative;
    gm_value v = gm_int(0);
    if (p->token == T_REAL)
        v = gm_real(gm_real_from(s));
    else if (!gm_int_from(s, p->n + negative, &v.v.i))
        return fail(p, "an integer must fit in 64 bits");
    advance(p);
    return literal(p, v);
}

static const gm_node *string_literal(parser *p)
{
    gm_value v = {0};
    v.type = GM_STRING;
    v.quoted = 1;
    v.n = (uint32_t)p->n;
    v.v.s = need(p, gm_arena_strndup(p->arena, p->text + p->at + 1, p->n));
    if (!v.v.s)
        return NULL;
    advance(p);
    return literal(p, v);
}

/* The caller of gm_names knows of names only; the expression knows where it is. */
static const gm_node *unknown(parser *p, const char *name)
{
    const gm_expr *e = p->expr;
    char quote[GM_QUOTE];
    p->status = gm_fail(p->err, GPUMEM_ESYNTAX, e->file, e->line, e->column, "unknown name '%s' in \"%s\"", name, gm_expr_quote(p->text, quote));
    if (p->err && !p->err->file[0] && !p->err->line) {
        snprintf(p->err->file, sizeof p->err->file, "%s", e->file ? e->file : "");
        p->err->line = e->line;
        p->err->column = e->column;
    }
    return NULL;
}

static bool find_slot(parser *p, bool config, int *slot)
{
    char *name = need(p, gm_arena_strndup(p->arena, p->text + p->at + config, p->n)); /* a config key is quoted */
    if (!name)
        return false;
    *slot = p->names && p->names->slot ? p->names->slot(p->names->self, name, config, p->err) : -1;
    if (*slot < 0) {
        unknown(p, name);
        return false;
    }
    p->nuse++;
    advance(p);
    return true;
}

static const gm_node *name(parser *p)
{
    gm_node *e;
    int slot;
    if (!find_slot(p, false, &slot) || !(e = make(p, GM_NODE_NAME, 0, NULL)))
        return NULL;
    e->u.slot = slot;
    return e;
}

static const gm_node *config_call(parser *p, gm_function function)
{
    const gm_node *otherwise = NULL;
    gm_node *e;
    int slot;
    if (p->token != T_STRING)
        return expected(p, "a config key in quotes");
    if (!find_slot(p, true, &slot))
        return NULL;
    if (function == GM_FN_K && take(p, ',') && !(otherwise = conditional(p)))
        return NULL;
    if (!take(p, ')'))
        return expected(p, "')'");
    e = make(p, function == GM_FN_K ? GM_NODE_CONFIG : GM_NODE_HAS, otherwise != NULL, &otherwise);
    if (e)
        e->u.slot = slot;
    return e;
}

static const gm_node *unknown_function(parser *p)
{
    char name[64], what[112], buf[160];
    gpumem_near near;
    int i;
    snprintf(name, sizeof name, "%.*s", (int)(p->n < sizeof name ? p->n : sizeof name - 1), p->text + p->at);
    gpumem_near_init(&near, name);
    for (i = 0; i < GM_FN_END; i++)
        gpumem_near_offer(&near, gm_signatures[i].name);
    snprintf(what, sizeof what, "the name of a function, not '%s',", name);
    expected(p, what);
    if (near.n)
        gm_tip(p->err, "did you mean %s?", gpumem_near_text(&near, buf, sizeof buf));
    return NULL;
}

static bool arity(parser *p, const gm_signature *s, size_t n)
{
    char what[96];
    if (n >= s->min && (n <= s->max || s->max == 255))
        return true;
    if (s->max == 255)
        snprintf(what, sizeof what, "%s() takes at least %u value, not %zu", s->name, s->min, n);
    else if (s->min != s->max)
        snprintf(what, sizeof what, "%s() takes %u to %u values, not %zu", s->name, s->min, s->max, n);
    else
        snprintf(what, sizeof what, "%s() takes %u value%s, not %zu", s->name, s->min, s->min == 1 ? "" : "s", n);
    fail(p, what);
    return false;
}

static bool items(parser *p, int close, const char *what, nodes *list)
{
    if (take(p, close))
        return true;
    do
        if (!push(p, list, conditional(p)))
            return false;
    while (take(p, ','));
    if (!take(p, close)) {
        expected(p, what);
        return false;
    }
    return true;
}

static const gm_node *call(parser *p)
{
    nodes args = {0};
    gm_node *e;
    int i = 0;
    while (i < GM_FN_END && (strncmp(gm_signatures[i].name, p->text + p->at, p->n) != 0 || gm_signatures[i].name[p->n]))
        i++;
    if (i == GM_FN_END)
        return unknown_function(p);
    advance(p); /* the name */
    advance(p); /* ( */
    if (i == GM_FN_K || i == GM_FN_HAS)
        return config_call(p, (gm_function)i);
    if (!items(p, ')', "',' or ')'", &args) || !arity(p, &gm_signatures[i], args.n))
        return NULL;
    e = make(p, GM_NODE_CALL, args.n, args.item);
    if (e)
        e->u.function = (gm_function)i;
    return e;
}

static bool bracket_follows(const parser *p)
{
    return p->text[p->behind + strspn(p->text + p->behind, " \t\r\n")] == '(';
}

static const gm_node *primary(parser *p)
{
    const gm_node *e;
    nodes list = {0};
    switch (p->token) {
    case T_INT:
    case T_REAL:
        return number_literal(p, false);
    case T_STRING:
        return string_literal(p);
    case T_NAME:
        return bracket_follows(p) ? call(p) : name(p);
    case T_NULL:
        advance(p);
        return literal(p, gm_null());
    case T_TRUE:
    case T_FALSE:
        e = literal(p, gm_bool(p->token == T_TRUE));
        advance(p);
        return e;
    case '[':
        advance(p);
        return items(p, ']', "',' or ']'", &list) ? make_list(p, &list) : NULL;
    case '(':
        advance(p);
        e = conditional(p);
        return !e || take(p, ')') ? e : expected(p, "')'");
    case T_BAD:
        if (strchr("'\"", p->text[p->at]))
            return expected(p, "a string that ends with the quote that it starts with");
        break;
    default:
        break;
    }
    return expected(p, "a value");
}

static const gm_node *indexed(parser *p)
{
    const gm_node *pair[2] = {primary(p), NULL};
    while (pair[0] && take(p, '[')) {
        pair[1] = conditional(p);
        if (!pair[1])
            return NULL;
        if (!take(p, ']'))
            return expected(p, "']'");
        pair[0] = make(p, GM_NODE_INDEX, 2, pair);
    }
    return pair[0];
}

static const gm_node *negated(parser *p)
{
    const gm_node *e;
    if (p->token != '-')
        return indexed(p);
    advance(p);
    if ((p->token == T_INT || p->token == T_REAL) && p->at == p->last)
        return number_literal(p, true);
    if (!enter(p) || !(e = negated(p)))
        return NULL;
    p->depth--;
    return make(p, GM_NODE_NEGATE, 1, &e);
}

static const gm_node *product(parser *p)
{
    const gm_node *pair[2] = {negated(p), NULL};
    while (pair[0]) {
        gm_node_kind kind;
        switch (p->token) {
        case '*': kind = GM_NODE_MUL; break;
        case '/': kind = GM_NODE_DIV; break;
        case '%': kind = GM_NODE_MOD; break;
        case T_FLOOR: kind = GM_NODE_FLOOR; break;
        default: return pair[0];
        }
        advance(p);
        pair[1] = negated(p);
        pair[0] = pair[1] ? make(p, kind, 2, pair) : NULL;
    }
    return NULL;
}

static const gm_node *sum(parser *p)
{
    const gm_node *pair[2] = {product(p), NULL};
    while (pair[0] && (p->token == '+' || p->token == '-')) {
        gm_node_kind kind = p->token == '+' ? GM_NODE_ADD : GM_NODE_SUB;
        advance(p);
        pair[1] = product(p);
        pair[0] = pair[1] ? make(p, kind, 2, pair) : NULL;
    }
    return pair[0];
}

/* 1: there is one, and it was read; 0: there is none; -1: failed. */
static int comparison(parser *p, uint8_t *out)
{
    switch (p->token) {
    case T_EQ: *out = GM_EQ; break;
    case T_NE: *out = GM_NE; break;
    case '<': *out = GM_LT; break;
    case T_LE: *out = GM_LE; break;
    case '>': *out = GM_GT; break;
    case T_GE: *out = GM_GE; break;
    case T_IN: *out = GM_IN; break;
    case T_NOT:
        advance(p);
        *out = GM_NOT_IN;
        if (p->token == T_IN)
            break;
        expected(p, "'in'");
        return -1;
    case T_IS:
        advance(p);
        *out = take(p, T_NOT) ? GM_IS_NOT : GM_IS;
        if (p->token == T_NULL)
            break;
        expected(p, *out == GM_IS ? "'null' or 'not null'" : "'null'");
        return -1;
    default:
        return 0;
    }
    advance(p);
    return 1;
}

static const gm_node *compared(parser *p)
{
    const gm_node *first = sum(p);
    nodes operand = {0};
    uint8_t op, *ops = NULL;
    size_t nop = 0;
    gm_node *e;
    int found;
    if (!first || (found = comparison(p, &op)) == 0)
        return first;
    if (found < 0 || !push(p, &operand, first))
        return NULL;
    do {
        if (nop % 16 == 0) {
            uint8_t *more = need(p, gm_arena_alloc(p->arena, nop + 16));
            if (!more)
                return NULL;
            if (nop)
                memcpy(more, ops, nop);
            ops = more;
        }
        ops[nop++] = op;
        if (!push(p, &operand, op == GM_IS || op == GM_IS_NOT ? literal(p, gm_null()) : sum(p)) || (found = comparison(p, &op)) < 0)
            return NULL;
    } while (found);
    e = make(p, GM_NODE_COMPARE, operand.n, operand.item);
    if (e)
        e->u.compare = ops;
    return e;
}

static const gm_node *inverted(parser *p)
{
    const gm_node *e;
    if (!take(p, T_NOT))
        return compared(p);
    if (!enter(p) || !(e = inverted(p)))
        return NULL;
    p->depth--;
    return make(p, GM_NODE_NOT, 1, &e);
}

/* a or b or c: one node. */
static const gm_node *joined(parser *p, int token, gm_node_kind kind, const gm_node *(*part)(parser *))
{
    const gm_node *first = part(p);
    nodes operand = {0};
    if (!first || p->token != token)
        return first;
    if (!push(p, &operand, first))
        return NULL;
    while (take(p, token))
        if (!push(p, &operand, part(p)))
            return NULL;
    return make(p, kind, operand.n, operand.item);
}

static const gm_node *all_of(parser *p)
{
    return joined(p, T_AND, GM_NODE_AND, inverted);
}

static const gm_node *any_of(parser *p)
{
    return joined(p, T_OR, GM_NODE_OR, all_of);
}

static const gm_node *conditional(parser *p)
{
    const gm_node *part[3] = {NULL, NULL, NULL};
    if (!enter(p) || !(part[1] = any_of(p)))
        return NULL;
    if (take(p, T_IF)) {
        if (!(part[0] = any_of(p)))
            return NULL;
        if (!take(p, T_ELSE))
            return expected(p, "'else'");
        if (!(part[2] = conditional(p)))
            return NULL;
        part[1] = make(p, GM_NODE_IF, 3, part);
    }
    p->depth--;
    return part[1];
}

/* ---- compiling ------------------------------------------------------------------------------------------------------------ */

static void collect(const gm_node *e, int *slot, unsigned *n)
{
    uint32_t i;
    if (e->kind == GM_NODE_NAME || e->kind == GM_NODE_CONFIG || e->kind == GM_NODE_HAS) {
        for (i = 0; i < *n && slot[i] != e->u.slot;)
            i++;
        slot[i] = e->u.slot;
        *n += i == *n;
    }
    for (i = 0; i < e->n; i++)
        collect(e->child[i], slot, n);
}

static gm_expr *start(gm_arena *arena, const char *file, unsigned line, unsigned column, const char *text)
{
    gm_expr *e = gm_arena_zero(arena, 1, sizeof *e);
    if (!e)
        return NULL;
    e->file = file;
    e->line = line;
    e->column = column;
    e->text = gm_arena_strdup(arena, text);
    return e->text ? e : NULL;
}

gpumem_status gm_expr_compile_text(gm_arena *arena, const char *file, unsigned line, unsigned column, const char *text, const gm_names *names,
                                   const gm_expr **out, gpumem_error *err)
{
    gm_expr *e = start(arena, file, line, column, text);
    parser p = {.arena = arena, .expr = e, .names = names, .err = err};
    int *slot;
    if (!e)
        return gm_no_memory(err);
    p.text = e->text;
    advance(&p);
    if (!(e->root = joined(&p, T_ORELSE, GM_NODE_ORELSE, conditional)))
        return p.status;
    if (p.token != T_END) {
        expected(&p, "an operator or the end");
        return p.status;
    }
    slot = gm_arena_zero(arena, p.nuse, sizeof *slot);
    if (!slot)
        return gm_no_memory(err);
    collect(e->root, slot, &e->nslot);
    e->slot = slot;
    *out = e;
    return GPUMEM_OK;
}

gpumem_status gm_expr_compile(gm_arena *arena, const char *file, const gm_value *scalar, const gm_names *names, const gm_expr **out,
                              gpumem_error *err)
{
    parser p = {.arena = arena, .err = err};
    char text[48];
    if (scalar->type == GM_STRING)
        return gm_expr_compile_text(arena, file, scalar->line, scalar->column, scalar->v.s, names, out, err);
    if (scalar->type > GM_STRING)
        return gm_fail(err, GPUMEM_ESYNTAX, file, scalar->line, scalar->column, "expected an expression, not %s", gm_type_name((gm_type)scalar->type));
    p.expr = start(arena, file, scalar->line, scalar->column, gm_value_show(scalar, text, sizeof text));
    if (!p.expr)
        return gm_no_memory(err);
    if (!(p.expr->root = literal(&p, *scalar)))
        return p.status;
    *out = p.expr;
    return GPUMEM_OK;
}

const char *gm_expr_text(const gm_expr *expr)
{
    return expr->text;
}

const char *gm_expr_file(const gm_expr *expr)
{
    return expr->file;
}

unsigned gm_expr_line(const gm_expr *expr)
{
    return expr->line;
}

unsigned gm_expr_column(const gm_expr *expr)
{
    return expr->column;
}

bool gm_expr_constant(const gm_expr *expr, gm_value *out)
{
    if (expr->root->kind != GM_NODE_LITERAL)
        return false;
    *out = expr->root->u.value;
    return true;
}

unsigned gm_expr_slots(const gm_expr *expr, const int **slots)
{
    *slots = expr->slot;
    return expr->nslot;
}
