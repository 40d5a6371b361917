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

typedef struct run {
    const gm_expr *expr;
    const gm_scope *scope;
    gpumem_error *err;
    uint64_t made;
} run;

static gpumem_status eval(run *r, const gm_node *e, gm_value *out);

/* ---- errors --------------------------------------------------------------------------------------------------------------- */

static gpumem_status fail(run *r, gpumem_status status, const char *format, ...) GPUMEM_PRINTF(3, 4);
static gpumem_status fail(run *r, gpumem_status status, const char *format, ...)
{
    const gm_expr *e = r->expr;
    char what[320], quote[GM_QUOTE];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return gm_fail(r->err, status, e->file, e->line, e->column, "%s in \"%s\"", what, gm_expr_quote(e->text, quote));
}

static const char *type(const gm_value *v)
{
    return gm_type_name((gm_type)v->type);
}

static gpumem_status overflow(run *r, const char *what)
{
    return fail(r, GPUMEM_ERANGE, "the result of %s does not fit in 64 bits", what);
}

/* An error of the scope's, who need not know where the expression is. */
static gpumem_status blame(run *r, gpumem_status status)
{
    gpumem_error *err = r->err;
    fail(r, status, "a name has no value");
    if (err && !err->file[0] && !err->line) {
        snprintf(err->file, sizeof err->file, "%s", r->expr->file ? r->expr->file : "");
        err->line = r->expr->line;
        err->column = r->expr->column;
    }
    return status;
}

/* ---- values --------------------------------------------------------------------------------------------------------------- */

static bool is_integral(const gm_value *v)
{
    return v->type == GM_BOOL || v->type == GM_INT;
}

static bool is_number(const gm_value *v)
{
    return is_integral(v) || v->type == GM_REAL;
}

static int64_t integral(const gm_value *v)
{
    return v->type == GM_BOOL ? v->v.b : v->v.i;
}

static double real(const gm_value *v)
{
    return v->type == GM_REAL ? v->v.r : (double)integral(v);
}

static gpumem_status budget(run *r, uint64_t n, const char *what)
{
    if (n > MOST)
        return fail(r, GPUMEM_ERANGE, "%s is longer than %u", what, MOST);
    r->made += n;
    if (r->made > MOST_MADE)
        return fail(r, GPUMEM_ERANGE, "lists and strings are longer than %u together", MOST_MADE);
    return GPUMEM_OK;
}

static gpumem_status new_list(run *r, uint64_t n, gm_value **item, gm_value *out)
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

static gpumem_status new_string(run *r, uint64_t n, char **s, gm_value *out)
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

static void copy(gm_value *to, const gm_value *from, size_t n)
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

static gpumem_status by_zero(run *r, unsigned kind)
{
    return fail(r, GPUMEM_EINVAL, "%s divides by zero", sign(kind));
}

static gpumem_status integers(run *r, unsigned kind, int64_t a, int64_t b, gm_value *out)
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
        return overflow(r, sign(kind));
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

static gpumem_status reals(run *r, unsigned kind, double a, double b, gm_value *out)
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

static gpumem_status join(run *r, const gm_value *a, const gm_value *b, gm_value *out)
{
    uint64_t n = (uint64_t)a->n + b->n;
    gpumem_status status;
    gm_value *item;
    char *s;
    if (a->type == GM_STRING) {
        if ((status = new_string(r, n, &s, out)) == GPUMEM_OK) {
            memcpy(s, a->v.s, a->n);
            memcpy(s + a->n, b->v.s, b->n);
        }
        return status;
    }
    if ((status = new_list(r, n, &item, out)) == GPUMEM_OK) {
        copy(item, a->v.list, a->n);
        copy(item + a->n, b->v.list, b->n);
    }
    return status;
}

static gpumem_status repeat(run *r, const gm_value *list, int64_t times, gm_value *out)
{
    uint64_t n, i;
    gm_value *item;
    gpumem_status status;
    if (times < 0)
        times = 0;
    if (gm_mul_u64(list->n, (uint64_t)times, &n))
        n = UINT64_MAX;
    if ((status = new_list(r, n, &item, out)) == GPUMEM_OK)
        for (i = 0; i < n; i += list->n)
            copy(item + i, list->v.list, list->n);
    return status;
}

static gpumem_status arithmetic(run *r, unsigned kind, const gm_value *a, const gm_value *b, gm_value *out)
{
    if (is_integral(a) && is_integral(b) && kind != GM_NODE_DIV)
        return integers(r, kind, integral(a), integral(b), out);
    if (is_number(a) && is_number(b))
        return reals(r, kind, real(a), real(b), out);
    if (kind == GM_NODE_ADD && a->type == b->type && (a->type == GM_STRING || a->type == GM_LIST))
        return join(r, a, b, out);
    if (kind == GM_NODE_MUL && a->type == GM_LIST && is_integral(b))
        return repeat(r, a, integral(b), out);
    return fail(r, GPUMEM_EINVAL, "%s cannot be used with %s and %s", sign(kind), type(a), type(b));
}

static gpumem_status negate(run *r, const gm_value *a, gm_value *out)
{
    int64_t v;
    if (a->type == GM_REAL) {
        *out = gm_real(-a->v.r);
        return GPUMEM_OK;
    }
    if (!is_integral(a))
        return fail(r, GPUMEM_EINVAL, "'-' cannot be used with %s", type(a));
    if (gm_sub_i64(0, integral(a), &v))
        return overflow(r, "'-'");
    *out = gm_int(v);
    return GPUMEM_OK;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------------ */

/* -1, 0, 1; 2: one is NaN; 3: they have no order. */
static int order(const gm_value *a, const gm_value *b)
{
    if (is_integral(a) && is_integral(b))
        return integral(a) < integral(b) ? -1 : integral(a) > integral(b);
    if (is_integral(a) && b->type == GM_REAL)
        return gm_compare_int_real(integral(a), b->v.r);
    if (a->type == GM_REAL && is_integral(b)) {
        int c = gm_compare_int_real(integral(b), a->v.r);
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

static gpumem_status ordered(run *r, gm_compare op, const gm_value *a, const gm_value *b, bool *out)
{
    static const char *const name[] = {"'=='", "'!='", "'<'", "'<='", "'>'", "'>='"};
    int c = order(a, b);
    if (c == 3)
        return fail(r, GPUMEM_EINVAL, "%s cannot be used with %s and %s", name[op], type(a), type(b));
    *out = op == GM_LT ? c == -1 : op == GM_LE ? c <= 0 : op == GM_GT ? c == 1 : c == 0 || c == 1;
    return GPUMEM_OK;
}

static gpumem_status contained(run *r, const gm_value *a, const gm_value *b, bool *out)
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
    return fail(r, GPUMEM_EINVAL, "'in' cannot be used with %s and %s", type(a), type(b));
}

static gpumem_status compare(run *r, gm_compare op, const gm_value *a, const gm_value *b, bool *out)
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

static gpumem_status chain(run *r, const gm_node *e, gm_value *out)
{
    gm_value left, right;
    bool holds = true;
    uint32_t i;
    gpumem_status status = eval(r, e->child[0], &left);
    for (i = 1; i < e->n && holds && status == GPUMEM_OK; i++) {
        if ((status = eval(r, e->child[i], &right)) == GPUMEM_OK)
            status = compare(r, (gm_compare)e->u.compare[i - 1], &left, &right, &holds);
        left = right;
    }
    *out = gm_bool(holds);
    return status;
}

/* ---- indexing ------------------------------------------------------------------------------------------------------------- */

static gpumem_status place(run *r, const gm_value *index, size_t n, const char *what, size_t *out)
{
    int64_t i;
    if (!is_integral(index))
        return fail(r, GPUMEM_EINVAL, "a %s cannot be indexed with %s", what, type(index));
    i = integral(index);
    if (i >= (int64_t)n || i < -(int64_t)n)
        return fail(r, GPUMEM_EINVAL, "index %lld is outside of a %s of length %zu", (long long)i, what, n);
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

static gpumem_status character(run *r, const gm_value *s, const gm_value *index, gm_value *out)
{
    size_t at = 0, n;
    char *p;
    gpumem_status status = place(r, index, gm_utf8_count(s->v.s, s->n), "string", &at);
    if (status != GPUMEM_OK)
        return status;
    at = skip(s, at);
    n = gm_utf8_step(s->v.s + at, s->n - at);
    if ((status = new_string(r, n, &p, out)) == GPUMEM_OK)
        memcpy(p, s->v.s + at, n);
    return status;
}

static gpumem_status subscript(run *r, const gm_value *a, const gm_value *index, gm_value *out)
{
    const gm_value *found;
    char shown[80];
    size_t at = 0;
    gpumem_status status;
    switch (a->type) {
    case GM_LIST:
        if ((status = place(r, index, a->n, "list", &at)) == GPUMEM_OK)
            *out = a->v.list[at];
        return status;
    case GM_STRING:
        return character(r, a, index, out);
    case GM_MAP:
        found = index->type == GM_STRING ? gm_value_get(a, index->v.s) : NULL;
        if (!found)
            return fail(r, GPUMEM_EINVAL, "the mapping has no key %s", gm_value_show(index, shown, sizeof shown));
        *out = *found;
        return GPUMEM_OK;
    default:
        return fail(r, GPUMEM_EINVAL, "a value of type %s cannot be indexed", type(a));
    }
}

/* ---- functions ------------------------------------------------------------------------------------------------------------ */

static gpumem_status wrong(run *r, gm_function f, const char *needs, const gm_value *v)
{
    return fail(r, GPUMEM_EINVAL, "%s() needs %s, not %s", gm_signatures[f].name, needs, type(v));
}

static gpumem_status length(run *r, const gm_value *v, gm_value *out)
{
    if (v->type < GM_STRING)
        return wrong(r, GM_FN_LEN, "a list, string or mapping", v);
    *out = gm_int(v->type == GM_STRING ? (int64_t)gm_utf8_count(v->v.s, v->n) : (int64_t)v->n);
    return GPUMEM_OK;
}

static gpumem_status rounded(run *r, gm_function f, const gm_value *v, gm_value *out)
{
    double x;
    if (!is_number(v))
        return wrong(r, f, "a number", v);
    if (is_integral(v)) {
        *out = gm_int(integral(v));
        return GPUMEM_OK;
    }
    x = f == GM_FN_CEIL ? ceil(v->v.r) : f == GM_FN_FLOOR ? floor(v->v.r) : trunc(v->v.r);
    if (!(x >= -TWO_63 && x < TWO_63))
        return overflow(r, f == GM_FN_CEIL ? "ceil()" : f == GM_FN_FLOOR ? "floor()" : "int()");
    *out = gm_int((int64_t)x);
    return GPUMEM_OK;
}

static gpumem_status absolute(run *r, const gm_value *v, gm_value *out)
{
    if (!is_number(v))
        return wrong(r, GM_FN_ABS, "a number", v);
    if (v->type == GM_REAL)
        *out = gm_real(fabs(v->v.r));
    else if (integral(v) >= 0)
        *out = gm_int(integral(v));
    else if (integral(v) == INT64_MIN)
        return overflow(r, "abs()");
    else
        *out = gm_int(-integral(v));
    return GPUMEM_OK;
}

static gpumem_status better(run *r, gm_function f, const gm_value *v, gm_value *best)
{
    int c = order(v, best);
    if (c == 3)
        return fail(r, GPUMEM_EINVAL, "%s() cannot compare %s and %s", gm_signatures[f].name, type(best), type(v));
    if (c == (f == GM_FN_MIN ? -1 : 1))
        *best = *v;
    return GPUMEM_OK;
}

/* Of one list, or of two or more values. */
static gpumem_status extreme(run *r, const gm_node *e, gm_value *out)
{
    gm_function f = e->u.function;
    gm_value v;
    uint32_t i;
    gpumem_status status = eval(r, e->child[0], &v);
    if (status != GPUMEM_OK)
        return status;
    *out = v;
    if (e->n == 1) {
        if (v.type != GM_LIST)
            return wrong(r, f, "a list or several values", &v);
        if (v.n == 0)
            return fail(r, GPUMEM_EINVAL, "%s() of an empty list", gm_signatures[f].name);
        *out = v.v.list[0];
        for (i = 0; i < v.n && status == GPUMEM_OK; i++) /* from 0: its type is checked too */
            status = better(r, f, &v.v.list[i], out);
        return status;
    }
    for (i = 1; i < e->n && status == GPUMEM_OK; i++)
        if ((status = eval(r, e->child[i], &v)) == GPUMEM_OK)
            status = better(r, f, &v, out);
    return status;
}

static gpumem_status letters(run *r, const gm_value *s, gm_value *out)
{
    size_t n = gm_utf8_count(s->v.s, s->n), i, at = 0;
    gm_value *item;
    gpumem_status status = new_list(r, n, &item, out);
    for (i = 0; i < n && status == GPUMEM_OK; i++) {
        size_t bytes = gm_utf8_step(s->v.s + at, s->n - at);
        char *p;
        if ((status = new_string(r, bytes, &p, &item[i])) == GPUMEM_OK)
            memcpy(p, s->v.s + at, bytes);
        at += bytes;
    }
    return status;
}

static gpumem_status listed(run *r, const gm_value *v, gm_value *out)
{
    gm_value *item;
    uint32_t i;
    gpumem_status status;
    switch (v->type) {
    case GM_LIST:
        *out = *v;
        return GPUMEM_OK;
    case GM_STRING:
        return letters(r, v, out);
    case GM_MAP:
        if ((status = new_list(r, v->n, &item, out)) != GPUMEM_OK)
            return status;
        for (i = 0; i < v->n; i++) {
            item[i] = gm_null();
            item[i].type = GM_STRING;
            item[i].n = (uint32_t)strlen(v->v.map[i].key);
            item[i].v.s = v->v.map[i].key;
        }
        return GPUMEM_OK;
    default:
        return wrong(r, GM_FN_LIST, "a list, string or mapping", v);
    }
}

static gpumem_status range(run *r, const gm_value *arg, uint32_t n, gm_value *out)
{
    int64_t from, to, step;
    uint64_t count = 0, i;
    gm_value *item;
    gpumem_status status;
    for (i = 0; i < n; i++)
        if (!is_integral(&arg[i]))
            return wrong(r, GM_FN_RANGE, "integers", &arg[i]);
    from = n > 1 ? integral(&arg[0]) : 0;
    to = integral(&arg[n > 1]);
    step = n > 2 ? integral(&arg[2]) : 1;
    if (step == 0)
        return fail(r, GPUMEM_EINVAL, "range() with a step of 0");
    if (step > 0 && to > from)
        count = ((uint64_t)to - (uint64_t)from - 1) / (uint64_t)step + 1;
    else if (step < 0 && to < from)
        count = ((uint64_t)from - (uint64_t)to - 1) / (0 - (uint64_t)step) + 1;
    if ((status = new_list(r, count, &item, out)) == GPUMEM_OK)
        for (i = 0; i < count; i++)
            item[i] = gm_int((int64_t)((uint64_t)from + i * (uint64_t)step));
    return status;
}

/* A list of as many items as v says. */
static gpumem_status counted(run *r, gm_function f, const gm_value *v, gm_value **item, gm_value *out)
{
    if (!is_integral(v))
        return wrong(r, f, "an integer as count", v);
    return new_list(r, integral(v) < 0 ? 0 : (uint64_t)integral(v), item, out);
}

static gpumem_status every(run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    int64_t i, period;
    gpumem_status status = counted(r, GM_FN_EVERY, &arg[0], &item, out);
    if (status != GPUMEM_OK)
        return status;
    if (!is_integral(&arg[1]))
        return wrong(r, GM_FN_EVERY, "an integer as period", &arg[1]);
    period = integral(&arg[1]);
    if (period == 0)
        return fail(r, GPUMEM_EINVAL, "every() with a period of 0");
    for (i = 0; i < out->n; i++)
        item[i] = arg[(i + 1) % period == 0 ? 3 : 2];
    return GPUMEM_OK;
}

/* Is v, as a number, an index of n items? */
static bool is_index(const gm_value *v, uint32_t n, uint32_t *index)
{
    double x;
    if (!is_number(v))
        return false;
    x = real(v);
    if (!(x >= 0 && x < n) || x != floor(x))
        return false;
    *index = (uint32_t)x;
    return true;
}

static gpumem_status pick(run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    uint32_t i, index;
    gpumem_status status = counted(r, GM_FN_PICK, &arg[0], &item, out);
    if (status != GPUMEM_OK)
        return status;
    if (arg[1].type != GM_LIST)
        return wrong(r, GM_FN_PICK, "a list of indices", &arg[1]);
    for (i = 0; i < out->n; i++)
        item[i] = arg[2];
    for (i = 0; i < arg[1].n; i++)
        if (is_index(&arg[1].v.list[i], out->n, &index))
            item[index] = arg[3];
    return GPUMEM_OK;
}

/* The place of a character in a string, in characters; n when it is not there. */
static size_t position(const gm_value *keys, size_t n, const char *c, size_t bytes)
{
    size_t i, at = 0;
    for (i = 0; i < n; i++) {
        size_t step = gm_utf8_step(keys->v.s + at, keys->n - at);
        if (step == bytes && memcmp(keys->v.s + at, c, bytes) == 0)
            break;
        at += step;
    }
    return i;
}

static gpumem_status translate(run *r, const gm_value *arg, gm_value *out)
{
    const gm_value *s = &arg[0], *keys = &arg[1], *values = &arg[2];
    size_t nkey, n, i, at = 0;
    gm_value *item;
    gpumem_status status;
    if (s->type != GM_STRING || keys->type != GM_STRING)
        return wrong(r, GM_FN_CHARS, "two strings and a list", s->type != GM_STRING ? s : keys);
    if (values->type != GM_LIST)
        return wrong(r, GM_FN_CHARS, "two strings and a list", values);
    nkey = gm_utf8_count(keys->v.s, keys->n);
    if (nkey != values->n)
        return fail(r, GPUMEM_EINVAL, "chars() with %zu keys and %u values", nkey, values->n);
    n = gm_utf8_count(s->v.s, s->n);
    if ((status = new_list(r, n, &item, out)) != GPUMEM_OK)
        return status;
    for (i = 0; i < n; i++) {
        size_t bytes = gm_utf8_step(s->v.s + at, s->n - at), found = position(keys, nkey, s->v.s + at, bytes);
        if (found == nkey)
            return fail(r, GPUMEM_EINVAL, "chars() has no value for '%.*s'", (int)bytes, s->v.s + at);
        item[i] = values->v.list[found];
        at += bytes;
    }
    return GPUMEM_OK;
}

static gpumem_status replace(run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    size_t at = 0;
    gpumem_status status;
    if (arg[0].type != GM_LIST)
        return wrong(r, GM_FN_REPLACE, "a list", &arg[0]);
    if ((status = place(r, &arg[1], arg[0].n, "list", &at)) != GPUMEM_OK || (status = new_list(r, arg[0].n, &item, out)) != GPUMEM_OK)
        return status;
    copy(item, arg[0].v.list, arg[0].n);
    item[at] = arg[2];
    return GPUMEM_OK;
}

/* What a mapping has under a key; null or no mapping at all has nothing. */
static gpumem_status get(run *r, const gm_value *arg, uint32_t n, gm_value *out)
{
    const gm_value *found = NULL;
    if ((arg[0].type != GM_MAP && arg[0].type != GM_NULL) || arg[1].type != GM_STRING)
        return wrong(r, GM_FN_GET, "a mapping or null, and a string", arg[0].type == GM_MAP || arg[0].type == GM_NULL ? &arg[1] : &arg[0]);
    if (arg[0].type == GM_MAP)
        found = gm_value_get(&arg[0], arg[1].v.s);
    *out = found ? *found : n > 2 ? arg[2] : gm_null();
    return GPUMEM_OK;
}

static gpumem_status sum(run *r, const gm_value *arg, gm_value *out)
{
    int64_t total = 0;
    if (arg->type != GM_LIST)
        return wrong(r, GM_FN_SUM, "a list of integers", arg);
    for (uint32_t i = 0; i < arg->n; i++) {
        const gm_value *x = &arg->v.list[i];
        if (x->type != GM_INT && x->type != GM_BOOL)
            return wrong(r, GM_FN_SUM, "a list of integers", x);
        if (gm_add_i64(total, x->type == GM_INT ? x->v.i : x->v.b, &total))
            return fail(r, GPUMEM_ERANGE, "sum() does not fit in 64 bits");
    }
    *out = gm_int(total);
    return GPUMEM_OK;
}

static gpumem_status count(run *r, const gm_value *arg, uint32_t narg, gm_value *out)
{
    int64_t n = 0;
    uint32_t first;
    if (arg[0].type != GM_LIST)
        return wrong(r, GM_FN_COUNT, "a list", &arg[0]);
    if (narg > 2 && arg[2].type != GM_INT)
        return wrong(r, GM_FN_COUNT, "an integer as number of items", &arg[2]);
    first = narg < 3 || arg[2].v.i > arg[0].n ? arg[0].n : arg[2].v.i < 0 ? 0 : (uint32_t)arg[2].v.i;
    for (uint32_t i = 0; i < first; i++)
        n += gm_value_equal(&arg[0].v.list[i], &arg[1]);
    *out = gm_int(n);
    return GPUMEM_OK;
}

static gpumem_status root(run *r, int function, const gm_value *arg, gm_value *out)
{
    double x = arg->type == GM_INT ? (double)arg->v.i : arg->type == GM_REAL ? arg->v.r : -1;
    if (!(function == GM_FN_SQRT ? x >= 0 : x > 0))
        return wrong(r, function, function == GM_FN_SQRT ? "a number of at least 0" : "a number above 0", arg);
    *out = gm_real(function == GM_FN_SQRT ? sqrt(x) : log2(x));
    return GPUMEM_OK;
}

/* "3, 4,5": the integers between the commas. */
static gpumem_status ints(run *r, const gm_value *arg, gm_value *out)
{
    const char *s = arg->v.s;
    uint64_t most = 1;
    gm_value *item;
    gpumem_status status;
    if (arg->type == GM_LIST) {
        *out = *arg;
        return GPUMEM_OK;
    }
    if (arg->type != GM_STRING)
        return wrong(r, GM_FN_INTS, "a string of integers, or a list", arg);
    for (uint32_t i = 0; i < arg->n; i++)
        most += s[i] == ',';
    if ((status = new_list(r, most, &item, out)) != GPUMEM_OK)
        return status;
    out->n = 0;
    for (size_t at = 0; at < arg->n; at++) {
        size_t n = strcspn(s + at, ","), blank = strspn(s + at, " ");
        size_t end = n;
        blank = blank < n ? blank : n;
        while (end > blank && s[at + end - 1] == ' ')
            end--;
        if (end > blank) {
            size_t sign = s[at + blank] == '-';
            item[out->n] = gm_int(0);
            if (end == blank + sign || strspn(s + at + blank + sign, "0123456789") < end - blank - sign || !gm_int_from(s + at + blank, end - blank, &item[out->n].v.i))
                return wrong(r, GM_FN_INTS, "a string of integers, or a list", arg);
            out->n++;
        }
        at += n;
    }
    return GPUMEM_OK;
}

static gpumem_status values_of(run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    gpumem_status status;
    if (arg->type != GM_MAP)
        return wrong(r, GM_FN_VALUES, "a mapping", arg);
    if ((status = new_list(r, arg->n, &item, out)) != GPUMEM_OK)
        return status;
    for (uint32_t i = 0; i < arg->n; i++)
        item[i] = arg->v.map[i].value;
    return GPUMEM_OK;
}

static gpumem_status call(run *r, const gm_node *e, gm_value *out)
{
    gm_value arg[GM_MAX_ARGS];
    uint32_t i;
    if (e->u.function == GM_FN_MIN || e->u.function == GM_FN_MAX)
        return extreme(r, e, out);
    for (i = 0; i < e->n; i++) {
        gpumem_status status = eval(r, e->child[i], &arg[i]);
        if (status != GPUMEM_OK)
            return status;
    }
    switch (e->u.function) {
    case GM_FN_LEN: return length(r, arg, out);
    case GM_FN_INT:
    case GM_FN_CEIL:
    case GM_FN_FLOOR: return rounded(r, e->u.function, arg, out);
    case GM_FN_ABS: return absolute(r, arg, out);
    case GM_FN_LIST: return listed(r, arg, out);
    case GM_FN_RANGE: return range(r, arg, e->n, out);
    case GM_FN_EVERY: return every(r, arg, out);
    case GM_FN_PICK: return pick(r, arg, out);
    case GM_FN_CHARS: return translate(r, arg, out);
    case GM_FN_IS_LIST: *out = gm_bool(arg->type == GM_LIST); return GPUMEM_OK;
    case GM_FN_IS_MAP: *out = gm_bool(arg->type == GM_MAP); return GPUMEM_OK;
    case GM_FN_REPLACE: return replace(r, arg, out);
    case GM_FN_GET: return get(r, arg, e->n, out);
    case GM_FN_SUM: return sum(r, arg, out);
    case GM_FN_COUNT: return count(r, arg, e->n, out);
    case GM_FN_SQRT:
    case GM_FN_LOG2: return root(r, e->u.function, arg, out);
    case GM_FN_INTS: return ints(r, arg, out);
    case GM_FN_VALUES: return values_of(r, arg, out);
    default: return fail(r, GPUMEM_EINTERNAL, "function %d is not there", (int)e->u.function);
    }
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------------- */

static gpumem_status named(run *r, const gm_node *e, gm_value *out)
{
    gpumem_status status = r->scope->value(r->scope->self, e->u.slot, out, r->err);
    return status == GPUMEM_OK ? status : blame(r, status);
}

static gpumem_status configured(run *r, const gm_node *e, gm_value *out)
{
    bool found = false, literal = e->kind == GM_NODE_HAS;
    gpumem_status status = r->scope->config(r->scope->self, e->u.slot, literal, &found, out, r->err);
    if (status != GPUMEM_OK)
        return blame(r, status);
    if (literal)
        *out = gm_bool(found);
    else if (!found && e->n)
        return eval(r, e->child[0], out);
    else if (!found)
        *out = gm_null();
    return GPUMEM_OK;
}

static gpumem_status all_items(run *r, const gm_node *e, gm_value *out)
{
    gm_value *item;
    uint32_t i;
    gpumem_status status = new_list(r, e->n, &item, out);
    for (i = 0; i < e->n && status == GPUMEM_OK; i++)
        status = eval(r, e->child[i], &item[i]);
    return status;
}

/* The first operand that decides, or the last. */
static gpumem_status first_of(run *r, const gm_node *e, gm_value *out)
{
    gpumem_status status = GPUMEM_OK;
    uint32_t i;
    for (i = 0; i < e->n; i++) {
        if ((status = eval(r, e->child[i], out)) != GPUMEM_OK)
            break;
        if (e->kind == GM_NODE_ORELSE ? out->type != GM_NULL : gm_value_true(out) == (e->kind == GM_NODE_OR))
            break;
    }
    return status;
}

static gpumem_status binary(run *r, const gm_node *e, gm_value *out)
{
    gm_value a, b;
    gpumem_status status;
    if ((status = eval(r, e->child[0], &a)) != GPUMEM_OK || (status = eval(r, e->child[1], &b)) != GPUMEM_OK)
        return status;
    return e->kind == GM_NODE_INDEX ? subscript(r, &a, &b, out) : arithmetic(r, e->kind, &a, &b, out);
}

static gpumem_status eval(run *r, const gm_node *e, gm_value *out)
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
        return call(r, e, out);
    case GM_NODE_IF:
    case GM_NODE_NOT:
    case GM_NODE_NEGATE:
        break;
    default:
        return binary(r, e, out);
    }
    if ((status = eval(r, e->child[0], &a)) != GPUMEM_OK)
        return status;
    if (e->kind == GM_NODE_IF)
        return eval(r, e->child[gm_value_true(&a) ? 1 : 2], out);
    if (e->kind == GM_NODE_NEGATE)
        return negate(r, &a, out);
    *out = gm_bool(!gm_value_true(&a));
    return GPUMEM_OK;
}

gpumem_status gm_expr_eval(const gm_expr *expr, const gm_scope *scope, gm_value *out, gpumem_error *err)
{
    run r = {expr, scope, err, 0};
    gm_value v;
    gpumem_status status = eval(&r, expr->root, &v);
    if (status == GPUMEM_OK)
        *out = v;
    return status;
}
