#include "model/evaluate.h"
#include "model/part.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN, BUSY, KNOWN, ABSENT };

static gpumem_status name_value(void *self, int slot, gm_value *out, gpumem_error *err);
static gpumem_status key_value(void *self, int slot, bool literal, bool *found, gm_value *out, gpumem_error *err);

void gm_values_init(gm_values *v, gpumem_model *model, const gm_subject *subject)
{
    memset(v, 0, sizeof *v);
    v->model = model;
    v->subject = subject;
    v->layer = -1;
    v->scope = (gm_scope){v, &v->arena, name_value, key_value};
}

void gm_values_free(gm_values *v)
{
    free(v->slot);
    gm_arena_free(&v->arena);
    memset(v, 0, sizeof *v);
}

static gm_slot *slot_of(gm_values *v, int slot, gpumem_error *err)
{
    if ((uint32_t)slot >= v->n) { /* steps that are resolved later add names */
        uint32_t n = v->subject->family->nname + 32;
        gm_slot *now = realloc(v->slot, n * sizeof *now);
        if (now == NULL) {
            gm_no_memory(err);
            return NULL;
        }
        memset(now + v->n, 0, (n - v->n) * sizeof *now);
        v->slot = now;
        v->n = n;
    }
    return &v->slot[slot];
}

static gm_value string_value(const char *s)
{
    gm_value v = gm_null();
    v.type = GM_STRING;
    v.v.s = s;
    v.n = (uint32_t)strlen(s);
    return v;
}

static const char *where(const gpumem_model *m)
{
    return m->config->path[0] ? m->config->path : m->config->name;
}

/* A given value must be of the kind of the class default. */
static gpumem_status check_type(const gm_values *v, const gm_name *n, const char *key, const gm_value *x, gpumem_error *err)
{
    static const char *const expected[] = {"", "true or false", "an integer", "a number", "a string", "a list", "a mapping"};
    const gm_value *d = n->otherwise;
    char shown[64];
    bool well;
    if (d == NULL || d->type == GM_NULL || (x->type == GM_NULL && n->nullable))
        return GPUMEM_OK;
    well = x->type == d->type || (d->type == GM_REAL && x->type == GM_INT) || x->type == GM_LIST || x->type == GM_MAP;
    if (well)
        return GPUMEM_OK;
    return gm_fail(err, GPUMEM_ECONFIG, where(v->model), 0, 0, "%s%s is %s, expected %s", v->subject->prefix, key, gm_value_show(x, shown, sizeof shown), expected[d->type]);
}

static gpumem_status remember(gm_values *v, int slot, uint8_t origin, uint8_t alias, gpumem_error *err)
{
    gpumem_model *m = v->model;
    if ((m->nused & (m->nused - 1)) == 0) { /* at each power of two */
        uint32_t max = m->nused ? m->nused * 2 : 1;
        void *now = realloc(m->used, max * sizeof *m->used);
        if (now == NULL)
            return gm_no_memory(err);
        m->used = now;
    }
    m->used[m->nused++] = (struct gm_used_key){v->subject, slot, origin, alias};
    return GPUMEM_OK;
}

/* An alias that is present wins over the key itself, as attribute aliases of transformers do. */
static gpumem_status find_key(gm_values *v, int slot, gm_slot *s, gpumem_error *err)
{
    const gm_name *n = &v->subject->family->name[slot];
    const gm_value *x = NULL;
    const char *key = n->name;
    s->state = KNOWN;
    for (uint32_t i = 0; x == NULL && i < n->nalias; i++) {
        x = gm_value_get_hashed(v->subject->values, n->alias[i].key, n->alias[i].hash);
        if (x) {
            s->origin = GM_ORIGIN_ALIAS;
            s->alias = (uint8_t)i;
            key = n->alias[i].key;
        }
    }
    if (x == NULL && (x = gm_value_get_hashed(v->subject->values, n->name, n->hash)))
        s->origin = GM_ORIGIN_CONFIG;
    if (x) {
        gpumem_status status = check_type(v, n, key, x, err);
        if (status != GPUMEM_OK)
            return status;
    } else if ((x = n->otherwise)) {
        s->origin = GM_ORIGIN_DEFAULT;
    } else {
        s->state = ABSENT;
        return GPUMEM_OK;
    }
    s->value = *x;
    return remember(v, slot, s->origin, s->alias, err);
}

static gpumem_status key_value(void *self, int slot, bool literal, bool *found, gm_value *out, gpumem_error *err)
{
    gm_values *v = self;
    gm_slot *s = slot_of(v, slot, err);
    gpumem_status status;
    if (s == NULL)
        return GPUMEM_ENOMEM;
    if (s->state == UNKNOWN && (status = find_key(v, slot, s, err)) != GPUMEM_OK)
        return status;
    *found = s->state == KNOWN && (!literal || s->origin == GM_ORIGIN_CONFIG);
    *out = *found ? s->value : gm_null();
    return GPUMEM_OK;
}

static gpumem_status dim_value(gm_values *v, int slot, gm_value *out, gpumem_error *err)
{
    const gm_name *n = &v->subject->family->name[slot];
    uint32_t stamp = n->kind == GM_NAME_EACH ? (uint32_t)(v->layer + 1) : 0;
    gm_slot *s = slot_of(v, slot, err);
    if (s == NULL)
        return GPUMEM_ENOMEM;
    if (s->state == KNOWN && s->stamp == stamp) {
        *out = s->value;
        return GPUMEM_OK;
    }
    if (s->state == BUSY)
        return gm_fail(err, GPUMEM_EPLUGIN, gm_expr_file(n->expr), gm_expr_line(n->expr), gm_expr_column(n->expr), "'%s' depends on itself", n->name);
    s->state = BUSY;
    gpumem_status status = gm_expr_eval(n->expr, &v->scope, out, err);
    s = slot_of(v, slot, err); /* may have moved */
    s->state = status == GPUMEM_OK ? KNOWN : UNKNOWN;
    s->stamp = stamp;
    s->value = *out;
    return status;
}

static gpumem_status part_value(gm_values *v, int slot, gm_value *out, gpumem_error *err)
{
    const char *name = v->subject->family->name[slot].name;
    gm_slot *s = slot_of(v, slot, err);
    if (s == NULL)
        return GPUMEM_ENOMEM;
    if (s->state == KNOWN) {
        *out = s->value;
        return GPUMEM_OK;
    }
    if (s->state == BUSY)
        return gm_fail(err, GPUMEM_EPLUGIN, v->subject->family->manifest->path, 0, 0, "'%s' depends on itself", name);
    s->state = BUSY;
    gpumem_status status = gm_part_size(v, name, out, err);
    s = slot_of(v, slot, err); /* may have moved */
    s->state = status == GPUMEM_OK ? KNOWN : UNKNOWN;
    s->value = *out;
    return status;
}

static gpumem_status name_value(void *self, int slot, gm_value *out, gpumem_error *err)
{
    gm_values *v = self;
    const gm_name *n = &v->subject->family->name[slot];
    bool found;
    gpumem_status s;
    switch (n->kind) {
    case GM_NAME_INDEX:
        if (v->layer < 0)
            return gm_fail(err, GPUMEM_EPLUGIN, v->subject->family->manifest->path, 0, 0, "'i' is used outside of the layers");
        *out = gm_int(v->layer);
        return GPUMEM_OK;
    case GM_NAME_TASK: *out = string_value(v->subject->task); return GPUMEM_OK;
    case GM_NAME_CLASS: *out = string_value(v->subject->class_name); return GPUMEM_OK;
    case GM_NAME_MODEL_TYPE: *out = string_value(v->subject->model_type); return GPUMEM_OK;
    case GM_NAME_DIM:
    case GM_NAME_EACH: return dim_value(v, slot, out, err);
    case GM_NAME_PART: return part_value(v, slot, out, err);
    case GM_NAME_KEY: break;
    }
    s = key_value(v, slot, false, &found, out, err);
    if (s == GPUMEM_OK && !found)
        return gm_fail(err, GPUMEM_ECONFIG, where(v->model), 0, 0, "the key '%s%s' is missing, and the class has no default for it", v->subject->prefix, n->name);
    return s;
}

/* The expression is sound, the config's values do not go with it: the config is to blame, the manifest's place a tip. */
static void blame_config(const gpumem_model *m, const char *keys, gpumem_error *e)
{
    char what[sizeof e->message], place[sizeof e->file];
    snprintf(what, sizeof what, "%s", e->message);
    snprintf(place, sizeof place, "%s", e->file);
    gm_tip(e, "%.200s:%u:%u: the expression", place, e->line, e->column);
    e->status = GPUMEM_ECONFIG;
    e->line = e->column = 0;
    snprintf(e->file, sizeof e->file, "%s", where(m));
    snprintf(e->message, sizeof e->message, "%s: %.300s", keys, what);
}

gpumem_status gm_values_eval(gm_values *v, const gm_expr *expr, gm_value *out, gpumem_error *err)
{
    gpumem_error own = {0}, *e = err ? err : &own;
    char keys[200];
    gpumem_status s = gm_expr_eval(expr, &v->scope, out, e);
    if (s != GPUMEM_EINVAL && s != GPUMEM_ERANGE && s != GPUMEM_EUNSUP)
        return s;
    if (*gm_family_blame(v->subject->family, v->subject->prefix, expr, keys, sizeof keys) == 0)
        return e->status = GPUMEM_EPLUGIN; /* nothing of the config: the manifest is wrong by itself */
    blame_config(v->model, keys, e);
    return GPUMEM_ECONFIG;
}

gpumem_status gm_values_true(gm_values *v, const gm_expr *expr, bool *out, gpumem_error *err)
{
    gm_value x;
    *out = true;
    if (expr == NULL)
        return GPUMEM_OK;
    gpumem_status s = gm_values_eval(v, expr, &x, err);
    if (s == GPUMEM_OK)
        *out = gm_value_true(&x);
    return s;
}

/* ---- parameters ---- */

static gpumem_status bad_param(gm_values *v, const gm_step *st, uint32_t i, const gm_value *x, const char *expected, gpumem_error *err)
{
    const gpumem_paramdef *d = &st->component->param[i];
    const gm_expr *e = st->param[i];
    char keys[200], shown[64];
    gm_family_blame(v->subject->family, v->subject->prefix, e, keys, sizeof keys);
    gm_fail(err, GPUMEM_ECONFIG, where(v->model), 0, 0, "%s%s'%s' of %s is %s, expected %s", keys, *keys ? ": " : "", d->key, st->component->name,
            gm_value_show(x, shown, sizeof shown), expected);
    gm_tip(err, "%s:%u:%u: %s = %s", gm_expr_file(e), gm_expr_line(e), gm_expr_column(e), d->key, gm_expr_text(e));
    return GPUMEM_ECONFIG;
}

static gpumem_status list_param(gm_values *v, const gm_step *st, uint32_t i, const gm_value *x, gpumem_param *out, gpumem_error *err)
{
    bool ints = out->type == GPUMEM_TYPE_INTS;
    const char **strings = ints ? NULL : gm_arena_zero(&v->arena, x->n + 1u, sizeof *strings);
    int64_t *numbers = ints ? gm_arena_zero(&v->arena, x->n + 1u, sizeof *numbers) : NULL;
    if (strings == NULL && numbers == NULL)
        return gm_no_memory(err);
    for (uint32_t k = 0; k < x->n; k++) {
        if (x->v.list[k].type != (ints ? GM_INT : GM_STRING))
            return bad_param(v, st, i, x, ints ? "a list of integers" : "a list of strings", err);
        if (ints)
            numbers[k] = x->v.list[k].v.i;
        else
            strings[k] = x->v.list[k].v.s;
    }
    out->n = x->n;
    if (ints)
        out->v.ints = numbers;
    else
        out->v.strings = strings;
    return GPUMEM_OK;
}

gpumem_status gm_values_param(gm_values *v, const gm_step *st, uint32_t i, gpumem_param *out, gpumem_error *err)
{
    static const char *const expected[] = {"", "an integer", "a number", "true or false", "a string", "a list of integers", "a list of strings"};
    const gpumem_paramdef *d = &st->component->param[i];
    char range[80];
    gm_value x;
    gpumem_status s = gm_values_eval(v, st->param[i], &x, err);
    if (s != GPUMEM_OK)
        return s;
    memset(out, 0, sizeof *out);
    out->key = d->key;
    out->type = d->type;
    if (x.type == GM_NULL && d->nullable) {
        out->type = GPUMEM_TYPE_NULL;
        return GPUMEM_OK;
    }
    switch (d->type) {
    case GPUMEM_TYPE_INT:
        if (x.type != GM_INT || x.v.i < d->min || x.v.i > d->max) {
            snprintf(range, sizeof range, "an integer from %lld to %lld", (long long)d->min, (long long)d->max);
            return bad_param(v, st, i, &x, range, err);
        }
        out->v.i = x.v.i;
        return GPUMEM_OK;
    case GPUMEM_TYPE_REAL:
        if (x.type != GM_INT && x.type != GM_REAL)
            break;
        out->v.r = x.type == GM_INT ? (double)x.v.i : x.v.r;
        return GPUMEM_OK;
    case GPUMEM_TYPE_BOOL:
        if (x.type != GM_BOOL)
            break;
        out->v.b = x.v.b;
        return GPUMEM_OK;
    case GPUMEM_TYPE_STRING:
        if (x.type != GM_STRING)
            break;
        out->v.s = x.v.s;
        return GPUMEM_OK;
    default:
        if (x.type == GM_LIST)
            return list_param(v, st, i, &x, out, err);
    }
    return bad_param(v, st, i, &x, expected[d->type], err);
}
