/* The functions of expressions. */
#include "base/checked.h"
#include "base/utf8.h"
#include "text/expr_private.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TWO_63 9223372036854775808.0

static gpumem_status wrong(gm_run *r, gm_function f, const char *needs, const gm_value *v)
{
    return gm_eval_fail(r, GPUMEM_EINVAL, "%s() needs %s, not %s", gm_signatures[f].name, needs, gm_eval_type(v));
}

static gpumem_status length(gm_run *r, const gm_value *v, gm_value *out)
{
    if (v->type < GM_STRING)
        return wrong(r, GM_FN_LEN, "a list, string or mapping", v);
    *out = gm_int(v->type == GM_STRING ? (int64_t)gm_utf8_count(v->v.s, v->n) : (int64_t)v->n);
    return GPUMEM_OK;
}

static gpumem_status rounded(gm_run *r, gm_function f, const gm_value *v, gm_value *out)
{
    double x;
    if (!gm_eval_is_number(v))
        return wrong(r, f, "a number", v);
    if (gm_eval_is_integral(v)) {
        *out = gm_int(gm_eval_integral(v));
        return GPUMEM_OK;
    }
    x = f == GM_FN_CEIL ? ceil(v->v.r) : f == GM_FN_FLOOR ? floor(v->v.r) : trunc(v->v.r);
    if (!(x >= -TWO_63 && x < TWO_63))
        return gm_eval_overflow(r, f == GM_FN_CEIL ? "ceil()" : f == GM_FN_FLOOR ? "floor()" : "int()");
    *out = gm_int((int64_t)x);
    return GPUMEM_OK;
}

static gpumem_status absolute(gm_run *r, const gm_value *v, gm_value *out)
{
    if (!gm_eval_is_number(v))
        return wrong(r, GM_FN_ABS, "a number", v);
    if (v->type == GM_REAL)
        *out = gm_real(fabs(v->v.r));
    else if (gm_eval_integral(v) >= 0)
        *out = gm_int(gm_eval_integral(v));
    else if (gm_eval_integral(v) == INT64_MIN)
        return gm_eval_overflow(r, "abs()");
    else
        *out = gm_int(-gm_eval_integral(v));
    return GPUMEM_OK;
}

static gpumem_status better(gm_run *r, gm_function f, const gm_value *v, gm_value *best)
{
    int c = gm_eval_order(v, best);
    if (c == 3)
        return gm_eval_fail(r, GPUMEM_EINVAL, "%s() cannot compare %s and %s", gm_signatures[f].name, gm_eval_type(best), gm_eval_type(v));
    if (c == (f == GM_FN_MIN ? -1 : 1))
        *best = *v;
    return GPUMEM_OK;
}

/* Of one list, or of two or more values. */
static gpumem_status extreme(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_function f = e->u.function;
    gm_value v;
    uint32_t i;
    gpumem_status status = gm_eval_node(r, e->child[0], &v);
    if (status != GPUMEM_OK)
        return status;
    *out = v;
    if (e->n == 1) {
        if (v.type != GM_LIST)
            return wrong(r, f, "a list or several values", &v);
        if (v.n == 0)
            return gm_eval_fail(r, GPUMEM_EINVAL, "%s() of an empty list", gm_signatures[f].name);
        *out = v.v.list[0];
        for (i = 0; i < v.n && status == GPUMEM_OK; i++) /* from 0: its type is checked too */
            status = better(r, f, &v.v.list[i], out);
        return status;
    }
    for (i = 1; i < e->n && status == GPUMEM_OK; i++)
        if ((status = gm_eval_node(r, e->child[i], &v)) == GPUMEM_OK)
            status = better(r, f, &v, out);
    return status;
}

static gpumem_status letters(gm_run *r, const gm_value *s, gm_value *out)
{
    size_t n = gm_utf8_count(s->v.s, s->n), i, at = 0;
    gm_value *item;
    gpumem_status status = gm_eval_new_list(r, n, &item, out);
    for (i = 0; i < n && status == GPUMEM_OK; i++) {
        size_t bytes = gm_utf8_step(s->v.s + at, s->n - at);
        char *p;
        if ((status = gm_eval_new_string(r, bytes, &p, &item[i])) == GPUMEM_OK)
            memcpy(p, s->v.s + at, bytes);
        at += bytes;
    }
    return status;
}

static gpumem_status listed(gm_run *r, const gm_value *v, gm_value *out)
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
        if ((status = gm_eval_new_list(r, v->n, &item, out)) != GPUMEM_OK)
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

static gpumem_status range(gm_run *r, const gm_value *arg, uint32_t n, gm_value *out)
{
    int64_t from, to, step;
    uint64_t count = 0, i;
    gm_value *item;
    gpumem_status status;
    for (i = 0; i < n; i++)
        if (!gm_eval_is_integral(&arg[i]))
            return wrong(r, GM_FN_RANGE, "integers", &arg[i]);
    from = n > 1 ? gm_eval_integral(&arg[0]) : 0;
    to = gm_eval_integral(&arg[n > 1]);
    step = n > 2 ? gm_eval_integral(&arg[2]) : 1;
    if (step == 0)
        return gm_eval_fail(r, GPUMEM_EINVAL, "range() with a step of 0");
    if (step > 0 && to > from)
        count = ((uint64_t)to - (uint64_t)from - 1) / (uint64_t)step + 1;
    else if (step < 0 && to < from)
        count = ((uint64_t)from - (uint64_t)to - 1) / (0 - (uint64_t)step) + 1;
    if ((status = gm_eval_new_list(r, count, &item, out)) == GPUMEM_OK)
        for (i = 0; i < count; i++)
            item[i] = gm_int((int64_t)((uint64_t)from + i * (uint64_t)step));
    return status;
}

/* A list of as many items as v says. */
static gpumem_status counted(gm_run *r, gm_function f, const gm_value *v, gm_value **item, gm_value *out)
{
    if (!gm_eval_is_integral(v))
        return wrong(r, f, "an integer as count", v);
    return gm_eval_new_list(r, gm_eval_integral(v) < 0 ? 0 : (uint64_t)gm_eval_integral(v), item, out);
}

static gpumem_status every(gm_run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    int64_t i, period;
    gpumem_status status = counted(r, GM_FN_EVERY, &arg[0], &item, out);
    if (status != GPUMEM_OK)
        return status;
    if (!gm_eval_is_integral(&arg[1]))
        return wrong(r, GM_FN_EVERY, "an integer as period", &arg[1]);
    period = gm_eval_integral(&arg[1]);
    if (period == 0)
        return gm_eval_fail(r, GPUMEM_EINVAL, "every() with a period of 0");
    for (i = 0; i < out->n; i++)
        item[i] = arg[(i + 1) % period == 0 ? 3 : 2];
    return GPUMEM_OK;
}

/* Is v, as a number, an index of n items? */
static bool is_index(const gm_value *v, uint32_t n, uint32_t *index)
{
    double x;
    if (!gm_eval_is_number(v))
        return false;
    x = gm_eval_real(v);
    if (!(x >= 0 && x < n) || x != floor(x))
        return false;
    *index = (uint32_t)x;
    return true;
}

static gpumem_status pick(gm_run *r, const gm_value *arg, gm_value *out)
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

static gpumem_status translate(gm_run *r, const gm_value *arg, gm_value *out)
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
        return gm_eval_fail(r, GPUMEM_EINVAL, "chars() with %zu keys and %u values", nkey, values->n);
    n = gm_utf8_count(s->v.s, s->n);
    if ((status = gm_eval_new_list(r, n, &item, out)) != GPUMEM_OK)
        return status;
    for (i = 0; i < n; i++) {
        size_t bytes = gm_utf8_step(s->v.s + at, s->n - at), found = position(keys, nkey, s->v.s + at, bytes);
        if (found == nkey)
            return gm_eval_fail(r, GPUMEM_EINVAL, "chars() has no value for '%.*s'", (int)bytes, s->v.s + at);
        item[i] = values->v.list[found];
        at += bytes;
    }
    return GPUMEM_OK;
}

static gpumem_status replace(gm_run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    size_t at = 0;
    gpumem_status status;
    if (arg[0].type != GM_LIST)
        return wrong(r, GM_FN_REPLACE, "a list", &arg[0]);
    if ((status = gm_eval_place(r, &arg[1], arg[0].n, "list", &at)) != GPUMEM_OK || (status = gm_eval_new_list(r, arg[0].n, &item, out)) != GPUMEM_OK)
        return status;
    gm_eval_copy(item, arg[0].v.list, arg[0].n);
    item[at] = arg[2];
    return GPUMEM_OK;
}

/* What a mapping has under a key; null or no mapping at all has nothing. */
static gpumem_status get(gm_run *r, const gm_value *arg, uint32_t n, gm_value *out)
{
    const gm_value *found = NULL;
    if ((arg[0].type != GM_MAP && arg[0].type != GM_NULL) || arg[1].type != GM_STRING)
        return wrong(r, GM_FN_GET, "a mapping or null, and a string", arg[0].type == GM_MAP || arg[0].type == GM_NULL ? &arg[1] : &arg[0]);
    if (arg[0].type == GM_MAP)
        found = gm_value_get(&arg[0], arg[1].v.s);
    *out = found ? *found : n > 2 ? arg[2] : gm_null();
    return GPUMEM_OK;
}

static gpumem_status sum(gm_run *r, const gm_value *arg, gm_value *out)
{
    int64_t total = 0;
    if (arg->type != GM_LIST)
        return wrong(r, GM_FN_SUM, "a list of integers", arg);
    for (uint32_t i = 0; i < arg->n; i++) {
        const gm_value *x = &arg->v.list[i];
        if (x->type != GM_INT && x->type != GM_BOOL)
            return wrong(r, GM_FN_SUM, "a list of integers", x);
        if (gm_add_i64(total, x->type == GM_INT ? x->v.i : x->v.b, &total))
            return gm_eval_fail(r, GPUMEM_ERANGE, "sum() does not fit in 64 bits");
    }
    *out = gm_int(total);
    return GPUMEM_OK;
}

static gpumem_status count(gm_run *r, const gm_value *arg, uint32_t narg, gm_value *out)
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

static gpumem_status root(gm_run *r, int function, const gm_value *arg, gm_value *out)
{
    double x = arg->type == GM_INT ? (double)arg->v.i : arg->type == GM_REAL ? arg->v.r : -1;
    if (!(function == GM_FN_SQRT ? x >= 0 : x > 0))
        return wrong(r, function, function == GM_FN_SQRT ? "a number of at least 0" : "a number above 0", arg);
    *out = gm_real(function == GM_FN_SQRT ? sqrt(x) : log2(x));
    return GPUMEM_OK;
}

/* "3, 4,5": the integers between the commas. */
static gpumem_status ints(gm_run *r, const gm_value *arg, gm_value *out)
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
    if ((status = gm_eval_new_list(r, most, &item, out)) != GPUMEM_OK)
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

static gpumem_status values_of(gm_run *r, const gm_value *arg, gm_value *out)
{
    gm_value *item;
    gpumem_status status;
    if (arg->type != GM_MAP)
        return wrong(r, GM_FN_VALUES, "a mapping", arg);
    if ((status = gm_eval_new_list(r, arg->n, &item, out)) != GPUMEM_OK)
        return status;
    for (uint32_t i = 0; i < arg->n; i++)
        item[i] = arg->v.map[i].value;
    return GPUMEM_OK;
}

gpumem_status gm_eval_call(gm_run *r, const gm_node *e, gm_value *out)
{
    gm_value arg[GM_MAX_ARGS] = {{0}}; /* the parser has seen to their number; the compiler cannot know */
    uint32_t i;
    if (e->u.function == GM_FN_MIN || e->u.function == GM_FN_MAX)
        return extreme(r, e, out);
    for (i = 0; i < e->n; i++) {
        gpumem_status status = gm_eval_node(r, e->child[i], &arg[i]);
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
    default: return gm_eval_fail(r, GPUMEM_EINTERNAL, "function %d is not there", (int)e->u.function);
    }
}
