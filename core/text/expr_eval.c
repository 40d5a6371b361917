#include "base/checked.h"
#include "base/utf8.h"
#include "text/expr_private.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST 1000000u    /* items of a list, bytes of a string that is made */
#define MOST_MADE 4000000u /* of both in one evaluation */
#define TWO_63 9223372036854775808.0


/* ---- errors --------------------------------------------------------------------------------------------------------------- */

gpumem_status gm_eval_fail(gm_run *r, gpumem_status status, const char *format, ...)
{
    const gm_expr *e = r->expr;
    char what[320], quote[GM_QUOTE];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return gm_fail(r->err, status, e->file, e->line, e->column, "%s in \"%s\"", what, gm_expr_quote(e->text, quote));
}

const char *gm_eval_type(const gm_value *v)
{
    return gm_type_name((gm_type)v->type);
}

gpumem_status gm_eval_overflow(gm_run *r, const char *what)
{
    return gm_eval_fail(r, GPUMEM_ERANGE, "the result of %s does not fit in 64 bits", what);
}

/* An error of the scope's, who need not know where the expression is. */
static gpumem_status blame(gm_run *r, gpumem_status status)
{
    gpumem_error *err = r->err;
    gm_eval_fail(r, status, "a name has no value");
    if (err && !err->file[0] && !err->line) {
        snprintf(err->file, sizeof err->file, "%s", r->expr->file ? r->expr->file : "");
        err->line = r->expr->line;
        err->column = r->expr->column;
    }
    return status;
}

/* ---- values --------------------------------------------------------------------------------------------------------------- */

bool gm_eval_is_integral(const gm_value *v)
{
    return v->type == GM_BOOL || v->type == GM_INT;
}

bool gm_eval_is_number(const gm_value *v)
{
    return gm_eval_is_integral(v) || v->type == GM_REAL;
}

int64_t gm_eval_integral(const gm_value *v)
{
    return v->type == GM_BOOL ? v->v.b : v->v.i;
}

double gm_eval_real(const gm_value *v)
{
    return v->type == GM_REAL ? v->v.r : (double)gm_eval_integral(v);
}

static gpumem_status budget(gm_run *r, uint64_t n, const char *what)
{
    if (n > MOST)
        return gm_eval_fail(r, GPUMEM_ERANGE, "%s is longer than %u", what, MOST);
    r->made += n;
    if (r->made > MOST_MADE)
        return gm_eval_fail(r, GPUMEM_ERANGE, "lists and strings are longer than %u together", MOST_MADE);
    return GPUMEM_OK;
}

gpumem_status gm_eval_new_list(gm_run *r, uint64_t n, gm_value **item, gm_value *out)
{
    gpumem_status status = budget(r, n, "a list");
    if (status != GPUMEM_OK)
        return status;
    *item = gm_arena_alloc(r->scope->arena, (size_t)n * sizeof **item);
    if (!*item)
        return gm_no_memory(r->err);
    *out = gm_null();
    out->type = GM_LIST;
    out->n = (uint32_t)n;
    out->v.list = *item;
    return GPUMEM_OK;
}

gpumem_status gm_eval_new_string(gm_run *r, uint64_t n, char **s, gm_value *out)
{
    gpumem_status status = budget(r, n, "a string");
    if (status != GPUMEM_OK)
        return status;
    *s = gm_arena_alloc(r->scope->arena, (size_t)n + 1);
    if (!*s)
        return gm_no_memory(r->err);
    (*s)[n] = '\0';
    *out = gm_null();
    out->type = GM_STRING;
    out->n = (uint32_t)n;
    out->v.s = *s;
    return GPUMEM_OK;
}

void gm_eval_copy(gm_value *to, const gm_value *from, size_t n)
{
    if (n)
        memcpy(to, from, n * sizeof *to);
}

/* ---- arithmetic ----------------------------------------------------------------------------------------------------------- */

static const char *sign(unsigned kind)
{
    static const char *const s[] = {"'+'", "'-'", "'*'", "'/'", "'//'", "'%'"};
    return s[kind - GM_NODE_ADD];
}

static gpumem_status by_zero(gm_run *r, unsigned kind)
{
    return gm_eval_fail(r, GPUMEM_EINVAL, "%s divides by zero", sign(kind));
}

static gpumem_status integers(gm_run *r, unsigned kind, int64_t a, int64_t b, gm_value *out)
{
    int64_t v = 0;
    int over = 0;
    switch (kind) {
    case GM_NODE_ADD: over = gm_add_i64(a, b, &v); break;
    case GM_NODE_SUB: over = gm_sub_i64(a, b, &v); break;
    case GM_NODE_MUL: over = gm_mul_i64(a, b, &v); break;
    default:
        if (b == 0)
            return by_zero(r, kind);
        if (b == -1) { /* the smallest integer has no positive twin */
            over = kind == GM_NODE_FLOOR && gm_sub_i64(0, a, &v);
            break;
        }
        v = kind == GM_NODE_FLOOR ? a / b : a % b;
        if (a % b != 0 && (a < 0) != (b < 0))
            v += kind == GM_NODE_FLOOR ? -1 : b;
        break;
    }
    if (over)
        return gm_eval_overflow(r, sign(kind));
    *out = gm_int(v);
    return GPUMEM_OK;
}

/* Python's divmod of reals. */
static void divide(double a, double b, double *floored, double *rest)
{
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod == 0) {
        mod = copysign(0, b);
    } else if ((b < 0) != (mod < 0)) {
        mod += b;
        div -= 1;
    }
    *rest = mod;
    *floored = div == 0 ? copysign(0, a / b) : floor(div);
    if (div - *floored > 0.5)
        *floored += 1;
}

static gpumem_status reals(gm_run *r, unsigned kind, double a, double b, gm_value *out)
{
    double floored, rest;
    switch (kind) {
    case GM_NODE_ADD: *out = gm_real(a + b); return GPUMEM_OK;
    case GM_NODE_SUB: *out = gm_real(a - b); return GPUMEM_OK;
    case GM_NODE_MUL: *out = gm_real(a * b); return GPUMEM_OK;
    default: break;
    }
    if (b == 0)
        return by_zero(r, kind);
    if (kind == GM_NODE_DIV) {
        *out = gm_real(a / b);
        return GPUMEM_OK;
    }
    divide(a, b, &floored, &rest);
    *out = gm_real(kind == GM_NODE_FLOOR ? floored : rest);
    return GPUMEM_OK;
}

static gpumem_status join(gm_run *r, const gm_value *a, const gm_value *b, gm_value *out)
{
    uint64_t n = (uint64_t)a->n + b->n;
    gpumem_status status;
    gm_value *item;
    char *s;
    if (a->type == GM_STRING) {
        if ((status = gm_eval_new_string(r, n, &s, out)) == GPUMEM_OK) {
            memcpy(s, a->v.s, a->n);
            memcpy(s + a->n, b->v.s, b->n);
        }
        return status;
    }
    if ((status = gm_eval_new_list(r, n, &item, out)) == GPUMEM_OK) {
        gm_eval_copy(item, a->v.list, a->n);
        gm_eval_copy(item + a->n, b->v.list, b->n);
    }
    return status;
}

static gpumem_status repeat(gm_run *r, const gm_value *list, int64_t times, gm_value *out)
{
    uint64_t n, i;
    gm_value *item;
    gpumem_status status;
    if (times < 0)
        times = 0;
    if (gm_mul_u64(list->n, (uint64_t)times, &n))
        n = UINT64_MAX;
    if ((status = gm_eval_new_list(r, n, &item, out)) == GPUMEM_OK)
        for (i = 0; i < n; i += list->n)
            gm_eval_copy(item + i, list->v.list, list->n);
    return status;
}

static gpumem_status arithmetic(gm_run *r, unsigned kind, const gm_value *a, const gm_value *b, gm_value *out)
{
    if (gm_eval_is_integral(a) && gm_eval_is_integral(b) && kind != GM_NODE_DIV)
        return integers(r, kind, gm_eval_integral(a), gm_eval_integral(b), out);
    if (gm_eval_is_number(a) && gm_eval_is_number(b))
        return reals(r, kind, gm_eval_real(a), gm_eval_real(b), out);
    if (kind == GM_NODE_ADD && a->type == b->type && (a->type == GM_STRING || a->type == GM_LIST))
        return join(r, a, b, out);
    if (kind == GM_NODE_MUL && a->type == GM_LIST && gm_eval_is_integral(b))
        return repeat(r, a, gm_eval_integral(b), out);
    return gm_eval_fail(r, GPUMEM_EINVAL, "%s cannot be used with %s and %s", sign(kind), gm_eval_type(a), gm_eval_type(b));
}

static gpumem_status negate(gm_run *r, const gm_value *a, gm_value *out)
{
    int64_t v;
    if (a->type == GM_REAL) {
        *out = gm_real(-a->v.r);
        return GPUMEM_OK;
    }
    if (!gm_eval_is_integral(a))
        return gm_eval_fail(r, GPUMEM_EINVAL, "'-' cannot be used with %s", gm_eval_type(a));
    if (gm_sub_i64(0, gm_eval_integral(a), &v))
        return gm_eval_overflow(r, "'-'");
    *out = gm_int(v);
    return GPUMEM_OK;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------ */

/* -1, 0, 1; 2: one is NaN; 3: they have no order. */
int gm_eval_order(const gm_value *a, const gm_value *b)
{
    if (gm_eval_is_integral(a) && gm_eval_is_integral(b))
        return gm_eval_integral(a) < gm_eval_integral(b) ? -1 : gm_eval_integral(a) > gm_eval_integral(b);
    if (gm_eval_is_integral(a) && b->type == GM_REAL)
        return gm_compare_int_real(gm_eval_integral(a), b->v.r);
    if (a->type == GM_REAL && gm_eval_is_integral(b)) {
        int c = gm_compare_int_real(gm_eval_integral(b), a->v.r);
        return c == 2 ? 2 : -c;
    }
    if (a->type == GM_REAL && b->type == GM_REAL)
        return isnan(a->v.r) || isnan(b->v.r) ? 2 : a->v.r < b->v.r ? -1 : a->v.r > b->v.r;
    if (a->type == GM_STRING && b->type == GM_STRING) {
        int c = strcmp(a->v.s, b->v.s);
        return c < 0 ? -1 : c > 0;
    }
    return 3;
}

static gpumem_status ordered(gm_run *r, gm_compare op, const gm_value *a, const gm_value *b, bool *out)
{
    static const char *const name[] = {"'=='", "'!='", "'<'", "'<='", "'>'", "'>='"};
    int c = gm_eval_order(a, b);
    if (c == 3)
        return gm_eval_fail(r, GPUMEM_EINVAL, "%s cannot be used with %s and %s", name[op], gm_eval_type(a), gm_eval_type(b));
    *out = op == GM_LT ? c == -1 : op == GM_LE ? c <= 0 : op == GM_GT ? c == 1 : c == 0 || c == 1;
    return GPUMEM_OK;
}

static gpumem_status contained(gm_run *r, const gm_value *a, const gm_value *b, bool *out)
{
    uint32_t i;
    *out = false;
    switch (b->type) {
    case GM_LIST:
        for (i = 0; i < b->n && !*out; i++)
            *out = gm_value_equal(a, &b->v.list[i]);
        return GPUMEM_OK;
    case GM_MAP:
        *out = a->type == GM_STRING && gm_value_get(b, a->v.s);
        return GPUMEM_OK;
    case GM_STRING:
        if (a->type != GM_STRING)
            break;
        *out = strstr(b->v.s, a->v.s) != NULL;
        return GPUMEM_OK;
    default:
        break;
    }
    return gm_eval_fail(r, GPUMEM_EINVAL, "'in' cannot be used with %s and %s", gm_eval_type(a), gm_eval_type(b));
}

static gpumem_status compare(gm_run *r, gm_compare op, const gm_value *a, const gm_value *b, bool *out)
{
    gpumem_status status = GPUMEM_OK;
    switch (op) {
    case GM_EQ:
    case GM_NE:
        *out = gm_value_equal(a, b) == (op == GM_EQ);
        break;
    case GM_IS:
    case GM_IS_NOT:
        *out = (a->type == GM_NULL) == (op == GM_IS);
        break;
    case GM_IN:
    case GM_NOT_IN:
        status = contained(r, a, b, out);
        *out = *out == (op == GM_IN);
        break;
    default:
        status = ordered(r, op, a, b, out);
        break;
    }
    return status;
}

static gpumem_status chain(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_value left, right;
    bool holds = true;
    uint32_t i;
    gpumem_status status = gm_eval_node(r, e->child[0], &left);
    for (i = 1; i < e->n && holds && status == GPUMEM_OK; i++) {
        if ((status = gm_eval_node(r, e->child[i], &right)) == GPUMEM_OK)
            status = compare(r, (gm_compare)e->u.compare[i - 1], &left, &right, &holds);
        left = right;
    }
    *out = gm_bool(holds);
    return status;
}

/* ---- indexing ------------------------------------------------------------------------------------------------------------- */

gpumem_status gm_eval_place(gm_run *r, const gm_value *index, size_t n, const char *what, size_t *out)
{
    int64_t i;
    if (!gm_eval_is_integral(index))
        return gm_eval_fail(r, GPUMEM_EINVAL, "a %s cannot be indexed with %s", what, gm_eval_type(index));
    i = gm_eval_integral(index);
    if (i >= (int64_t)n || i < -(int64_t)n)
        return gm_eval_fail(r, GPUMEM_EINVAL, "index %lld is outside of a %s of length %zu", (long long)i, what, n);
    *out = (size_t)(i < 0 ? i + (int64_t)n : i);
    return GPUMEM_OK;
}

static size_t skip(const gm_value *s, size_t characters)
{
    size_t at = 0;
    while (characters--)
        at += gm_utf8_step(s->v.s + at, s->n - at);
    return at;
}

static gpumem_status character(gm_run *r, const gm_value *s, const gm_value *index, gm_value *out)
{
    size_t at = 0, n;
    char *p;
    gpumem_status status = gm_eval_place(r, index, gm_utf8_count(s->v.s, s->n), "string", &at);
    if (status != GPUMEM_OK)
        return status;
    at = skip(s, at);
    n = gm_utf8_step(s->v.s + at, s->n - at);
    if ((status = gm_eval_new_string(r, n, &p, out)) == GPUMEM_OK)
        memcpy(p, s->v.s + at, n);
    return status;
}

static gpumem_status subscript(gm_run *r, const gm_value *a, const gm_value *index, gm_value *out)
{
    const gm_value *found;
    char shown[80];
    size_t at = 0;
    gpumem_status status;
    switch (a->type) {
    case GM_LIST:
        if ((status = gm_eval_place(r, index, a->n, "list", &at)) == GPUMEM_OK)
            *out = a->v.list[at];
        return status;
    case GM_STRING:
        return character(r, a, index, out);
    case GM_MAP:
        found = index->type == GM_STRING ? gm_value_get(a, index->v.s) : NULL;
        if (!found)
            return gm_eval_fail(r, GPUMEM_EINVAL, "the mapping has no key %s", gm_value_show(index, shown, sizeof shown));
        *out = *found;
        return GPUMEM_OK;
    default:
        return gm_eval_fail(r, GPUMEM_EINVAL, "a value of type %s cannot be indexed", gm_eval_type(a));
    }
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------------- */

static gpumem_status named(gm_run *r, const gm_node *e, gm_value *out)
{
    gpumem_status status = r->scope->value(r->scope->self, e->u.slot, out, r->err);
    return status == GPUMEM_OK ? status : blame(r, status);
}

static gpumem_status configured(gm_run *r, const gm_node *e, gm_value *out)
{
    bool found = false, literal = e->kind == GM_NODE_HAS;
    gpumem_status status = r->scope->config(r->scope->self, e->u.slot, literal, &found, out, r->err);
    if (status != GPUMEM_OK)
        return blame(r, status);
    if (literal)
        *out = gm_bool(found);
    else if (!found && e->n)
        return gm_eval_node(r, e->child[0], out);
    else if (!found)
        *out = gm_null();
    return GPUMEM_OK;
}

static gpumem_status all_items(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_value *item;
    uint32_t i;
    gpumem_status status = gm_eval_new_list(r, e->n, &item, out);
    for (i = 0; i < e->n && status == GPUMEM_OK; i++)
        status = gm_eval_node(r, e->child[i], &item[i]);
    return status;
}

/* The first operand that decides, or the last. */
static gpumem_status first_of(gm_run *r, const gm_node *e, gm_value *out)
{
    gpumem_status status = GPUMEM_OK;
    uint32_t i;
    for (i = 0; i < e->n; i++) {
        if ((status = gm_eval_node(r, e->child[i], out)) != GPUMEM_OK)
            break;
        if (e->kind == GM_NODE_ORELSE ? out->type != GM_NULL : gm_value_true(out) == (e->kind == GM_NODE_OR))
            break;
    }
    return status;
}

static gpumem_status binary(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_value a, b;
    gpumem_status status;
    if ((status = gm_eval_node(r, e->child[0], &a)) != GPUMEM_OK || (status = gm_eval_node(r, e->child[1], &b)) != GPUMEM_OK)
        return status;
    return e->kind == GM_NODE_INDEX ? subscript(r, &a, &b, out) : arithmetic(r, e->kind, &a, &b, out);
}

gpumem_status gm_eval_node(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_value a;
    gpumem_status status;
    switch (e->kind) {
    case GM_NODE_LITERAL:
        *out = e->u.value;
        return GPUMEM_OK;
    case GM_NODE_NAME:
        return named(r, e, out);
    case GM_NODE_CONFIG:
    case GM_NODE_HAS:
        return configured(r, e, out);
    case GM_NODE_LIST:
        return all_items(r, e, out);
    case GM_NODE_ORELSE:
    case GM_NODE_OR:
    case GM_NODE_AND:
        return first_of(r, e, out);
    case GM_NODE_COMPARE:
        return chain(r, e, out);
    case GM_NODE_CALL:
        return gm_eval_call(r, e, out);
    case GM_NODE_IF:
    case GM_NODE_NOT:
    case GM_NODE_NEGATE:
        break;
    default:
        return binary(r, e, out);
    }
    if ((status = gm_eval_node(r, e->child[0], &a)) != GPUMEM_OK)
        return status;
    if (e->kind == GM_NODE_IF)
        return gm_eval_node(r, e->child[gm_value_true(&a) ? 1 : 2], out);
    if (e->kind == GM_NODE_NEGATE)
        return negate(r, &a, out);
    *out = gm_bool(!gm_value_true(&a));
    return GPUMEM_OK;
}

gpumem_status gm_expr_eval(const gm_expr *expr, const gm_scope *scope, gm_value *out, gpumem_error *err)
{
    gm_run r = {expr, scope, err, 0};
    gm_value v;
    gpumem_status status = gm_eval_node(&r, expr->root, &v);
    if (status == GPUMEM_OK)
        *out = v;
    return status;
}
