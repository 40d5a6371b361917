#include "model/part.h"
#include <string.h>

static const char *where(const gpumem_model *m)
{
    return m->config->path[0] ? m->config->path : m->config->name;
}

static const gm_class *class_with(const gm_family *f, const char *task)
{
    for (uint32_t i = 0; i < f->nclass; i++)
        if (strcmp(f->classes[i].task, task) == 0)
            return &f->classes[i];
    return NULL;
}

/* The mapping with the keys that the family around decides. */
static gpumem_status with_keys(gm_values *outer, const gm_stack *st, const gm_value *own, bool plain, const gm_value **out, gpumem_error *err)
{
    gm_arena *arena = &outer->model->arena;
    gm_value *now;
    gm_member *m;
    *out = own;
    if (st->nwith == 0 || plain)
        return GPUMEM_OK;
    now = gm_arena_zero(arena, 1, sizeof *now);
    m = gm_arena_zero(arena, (size_t)own->n + st->nwith, sizeof *m);
    if (now == NULL || m == NULL)
        return gm_no_memory(err);
    *now = *own;
    now->v.map = m;
    if (own->n)
        memcpy(m, own->v.map, own->n * sizeof *m);
    for (uint32_t i = 0; i < st->nwith; i++) {
        uint32_t at = 0;
        gm_value x;
        outer->scope.arena = arena; /* what is made lives as long as the model */
        gpumem_status s = gm_values_eval(outer, st->with[i].value, &x, err);
        outer->scope.arena = &outer->arena;
        if (s != GPUMEM_OK)
            return s;
        if (x.type == GM_NULL)
            continue;
        while (at < now->n && strcmp(m[at].key, st->with[i].key) != 0)
            at++;
        m[at] = (gm_member){.key = st->with[i].key, .hash = gm_hash(st->with[i].key), .value = x};
        now->n += at == now->n;
    }
    *out = now;
    return GPUMEM_OK;
}

static const char *prefix_of(gpumem_model *m, const char *prefix, const char *key)
{
    size_t n = strlen(prefix), more = key ? strlen(key) : 0;
    char *s;
    if (key == NULL)
        return prefix;
    s = gm_arena_alloc(&m->arena, n + more + 2);
    if (s == NULL)
        return NULL;
    memcpy(s, prefix, n);
    memcpy(s + n, key, more);
    s[n + more] = '.';
    s[n + more + 1] = 0;
    return s;
}

/* plain: as the config says it, without the keys that the family around decides. */
static gpumem_status make_subject(gm_values *outer, const gm_stack *st, bool plain, gm_subject *out, gpumem_error *err)
{
    static const gm_value empty = {.type = GM_MAP};
    const gm_subject *around = outer->subject;
    const gm_value *own = st->config ? gm_value_get(around->values, st->config) : around->values;
    const char *task = st->task ? st->task : around->task;
    const gm_class *c;
    gm_value type;
    gpumem_status s = gm_values_eval(outer, st->family, &type, err);
    if (s != GPUMEM_OK)
        return s;
    if (type.type != GM_STRING)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, st->line, st->column, "family: expected a model_type");
    if (own && own->type != GM_MAP && own->type != GM_NULL)
        return gm_fail(err, GPUMEM_ECONFIG, where(outer->model), 0, 0, "%s%s: expected a mapping, not %s", around->prefix,
                       st->config, gm_type_name((gm_type)own->type));
    if ((s = with_keys(outer, st, own && own->type == GM_MAP ? own : st->otherwise ? st->otherwise : &empty, plain, &out->values, err)) != GPUMEM_OK)
        return s;
    out->model_type = type.v.s;
    if ((s = gm_host_family(outer->model->host, type.v.s, &out->family, err)) != GPUMEM_OK)
        return s;
    c = class_with(out->family, task);
    if (c == NULL)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, st->line, st->column, "the family '%s' has no class for the task '%s'", type.v.s, task);
    out->class_name = c->name;
    out->task = c->task;
    out->prefix = prefix_of(outer->model, around->prefix, st->config);
    return out->prefix ? GPUMEM_OK : gm_no_memory(err);
}

gpumem_status gm_part_subject(gm_values *outer, const gm_stack *stack, gm_subject *out, gpumem_error *err)
{
    return make_subject(outer, stack, false, out, err);
}

static gpumem_status size_of_part(gm_values *outer, const gm_stack *st, const char *name, gm_value *out, gpumem_error *err)
{
    gm_subject *subject = gm_arena_zero(&outer->model->arena, 1, sizeof *subject);
    uint32_t used = outer->model->nused, depth = 0;
    gm_values values;
    for (const char *p = outer->subject->prefix; *p; p++)
        depth += *p == '.';
    if (depth > 4)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, st->line, st->column, "family: more than 4 families in one another");
    gpumem_status s = subject ? make_subject(outer, st, true, subject, err) : gm_no_memory(err);
    if (s != GPUMEM_OK)
        return s;
    int slot = gm_family_slot(subject->family, GM_NAME_DIM, name);
    if (slot < 0) { /* a key, then */
        const gm_value *x = gm_value_get(subject->values, name);
        x = x || subject->family->defaults == NULL ? x : gm_value_get(subject->family->defaults, name);
        *out = x ? *x : gm_null();
        return GPUMEM_OK;
    }
    gm_values_init(&values, outer->model, subject);
    s = gm_values_eval(&values, subject->family->name[slot].expr, out, err);
    if (s == GPUMEM_OK && out->type != GM_NULL && out->type != GM_BOOL && (out->type != GM_INT || out->v.i < 1 || out->v.i > GPUMEM_SIZE_MAX)) {
        char keys[200], shown[64];
        gm_family_blame(subject->family, subject->prefix, subject->family->name[slot].expr, keys, sizeof keys);
        s = gm_fail(err, GPUMEM_ECONFIG, where(outer->model), 0, 0, "%s%s'%s' is %s, expected an integer from 1 to %d", keys, *keys ? ": " : "", name,
                    gm_value_show(out, shown, sizeof shown), GPUMEM_SIZE_MAX);
    }
    gm_values_free(&values);
    outer->model->nused = used; /* the stack itself will say which keys it uses */
    return s;
}

gpumem_status gm_part_size(gm_values *outer, const char *name, gm_value *out, gpumem_error *err)
{
    const gm_family *f = outer->subject->family;
    const char *dot = strchr(name, '.');
    size_t n = (size_t)(dot - name);
    for (uint32_t i = 0; i < f->nstack; i++) {
        const gm_stack *st = &f->stack[i];
        bool yes;
        gpumem_status s;
        if (st->family == NULL || st->config == NULL || strncmp(st->config, name, n) != 0 || st->config[n])
            continue;
        if ((s = gm_values_true(outer, st->when, &yes, err)) != GPUMEM_OK)
            return s;
        if (yes)
            return size_of_part(outer, st, dot + 1, out, err);
    }
    *out = gm_null();
    return GPUMEM_OK;
}
