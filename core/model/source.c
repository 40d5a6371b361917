#include "model/source.h"
#include <string.h>

#define MAX_STEPS 4096

static const gm_field family_field[] = {
    {"gpumem", GM_IS(GM_INT), true}, {"kind", GM_IS(GM_STRING), true}, {"id", GM_IS(GM_STRING), true},
    {"version", GM_IS(GM_STRING), true}, {"title", GM_IS(GM_STRING), true}, {"sources", GM_IS(GM_LIST), false},
    {"like", GM_IS(GM_STRING), false}, {"architecture", GM_IS(GM_LIST), false}, {"classes", GM_IS(GM_MAP), false},
    {"auto", GM_IS(GM_MAP), false}, {"descend", GM_IS(GM_STRING) | GM_IS(GM_NULL), false}, {"base", GM_IS(GM_STRING) | GM_IS(GM_NULL), false}, {"names", GM_IS(GM_MAP), false}, {"defaults", GM_IS(GM_MAP), false},
    {"nullable", GM_IS(GM_LIST), false}, {"aliases", GM_IS(GM_MAP), false}, {"dims", GM_IS(GM_MAP), false},
    {"each", GM_IS(GM_MAP), false}, {"require", GM_IS(GM_LIST), false}, {"warn", GM_IS(GM_LIST), false}, {"unchecked", GM_IS(GM_STRING), false}, {"registered", GM_IS(GM_LIST), false}, {"symbols", GM_IS(GM_MAP), false},
    {"inputs", GM_IS(GM_MAP), false}, {"buffers", GM_IS(GM_LIST), false}, {"before", GM_IS(GM_LIST), false},
    {"layers", GM_ANY, false}, {"at", GM_IS(GM_STRING), false}, {"layer", GM_IS(GM_LIST), false},
    {"checkpoint", GM_IS(GM_LIST), false}, {"after", GM_IS(GM_LIST), false}, {"stacks", GM_IS(GM_LIST), false}, {"edit", GM_IS(GM_LIST), false},
};
static const gm_field part_field[] = {
    {"family", GM_IS(GM_STRING), true}, {"config", GM_IS(GM_STRING), false}, {"defaults", GM_IS(GM_MAP), false}, {"task", GM_IS(GM_STRING), false},
    {"names", GM_IS(GM_MAP), false}, {"when", GM_ANY, false}, {"with", GM_IS(GM_MAP), false}, {"part", GM_IS(GM_STRING), false},
};
static const gm_field stack_field[] = {
    {"before", GM_IS(GM_LIST), false}, {"layers", GM_ANY, false}, {"at", GM_IS(GM_STRING), false},
    {"layer", GM_IS(GM_LIST), false}, {"after", GM_IS(GM_LIST), false}, {"when", GM_ANY, false},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static gpumem_status grow(gm_arena *arena, void *items, size_t size, uint32_t n, uint32_t *max, void **out, gpumem_error *err)
{
    uint32_t more = *max ? *max * 2 : 16;
    *out = items;
    if (n < *max)
        return GPUMEM_OK;
    void *now = gm_arena_zero(arena, more, size);
    if (now == NULL)
        return gm_no_memory(err);
    if (n)
        memcpy(now, items, n * size);
    *max = more;
    *out = now;
    return GPUMEM_OK;
}

static gpumem_status list_insert(gm_arena *arena, gm_sourced_list *l, uint32_t at, gm_sourced item, gpumem_error *err)
{
    void *items;
    gpumem_status s = grow(arena, l->item, sizeof *l->item, l->n, &l->max, &items, err);
    if (s != GPUMEM_OK)
        return s;
    l->item = items;
    if (l->n >= MAX_STEPS)
        return gm_fail(err, GPUMEM_EPLUGIN, item.file, item.value->line, item.value->column, "more than %d entries", MAX_STEPS);
    memmove(l->item + at + 1, l->item + at, (l->n - at) * sizeof *l->item);
    l->item[at] = item;
    l->n++;
    return GPUMEM_OK;
}

static gpumem_status list_take(gm_arena *arena, gm_sourced_list *l, const gm_value *list, const char *file, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; s == GPUMEM_OK && i < list->n; i++)
        s = list_insert(arena, l, l->n, (gm_sourced){&list->v.list[i], file}, err);
    return s;
}

/* Before what is there: a manifest's own come first. */
static gpumem_status list_begin(gm_arena *arena, gm_sourced_list *l, const gm_value *list, const char *file, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; list && s == GPUMEM_OK && i < list->n; i++)
        s = list_insert(arena, l, i, (gm_sourced){&list->v.list[i], file}, err);
    return s;
}

static gpumem_status list_replace(gm_arena *arena, gm_sourced_list *l, const gm_value *list, const char *file, gpumem_error *err)
{
    if (list == NULL)
        return GPUMEM_OK;
    memset(l, 0, sizeof *l);
    return list_take(arena, l, list, file, err);
}

static gpumem_status entries_merge(gm_arena *arena, gm_entries *e, const gm_value *map, const char *file, gpumem_error *err)
{
    for (uint32_t i = 0; map && i < map->n; i++) {
        const gm_member *m = &map->v.map[i];
        uint32_t at = 0;
        void *items;
        while (at < e->n && strcmp(e->entry[at].key, m->key) != 0)
            at++;
        if (at == e->n) {
            gpumem_status s = grow(arena, e->entry, sizeof *e->entry, e->n, &e->max, &items, err);
            if (s != GPUMEM_OK)
                return s;
            e->entry = items;
            e->entry[e->n++].key = m->key;
        }
        e->entry[at].at = (gm_sourced){&m->value, file};
    }
    return GPUMEM_OK;
}

/* ---- edits ---- */

static const char *step_id(const gm_value *step)
{
    const gm_value *v = step->type == GM_MAP ? gm_value_get(step, "id") : NULL;
    if (v == NULL && step->type == GM_MAP)
        v = gm_value_get(step, "as");
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

static gm_sourced_list *find_step(gm_source *src, const char *id, uint32_t *at)
{
    for (uint32_t i = 0; i < src->nstack; i++) {
        gm_sourced_list *lists[3] = {&src->stack[i].before, &src->stack[i].layer, &src->stack[i].after};
        for (int k = 0; k < 3; k++)
            for (*at = 0; *at < lists[k]->n; ++*at) {
                const char *have = step_id(lists[k]->item[*at].value);
                if (have && strcmp(have, id) == 0)
                    return lists[k];
            }
    }
    return NULL;
}

/* The step with some keys changed. */
static gpumem_status step_changed(gm_arena *arena, const gm_value *step, const gm_value *change, gm_value *out, gpumem_error *err)
{
    gm_member *m = gm_arena_zero(arena, (size_t)step->n + change->n, sizeof *m);
    uint32_t n = 0;
    if (m == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < step->n; i++)
        if (gm_value_get_hashed(change, step->v.map[i].key, step->v.map[i].hash) == NULL)
            m[n++] = step->v.map[i];
    for (uint32_t i = 0; i < change->n; i++)
        m[n++] = change->v.map[i];
    *out = *change;
    out->n = n;
    out->v.map = m;
    return GPUMEM_OK;
}

static gpumem_status edit_one(gm_arena *arena, gm_source *src, const gm_value *edit, const char *file, gpumem_error *err)
{
    static const char *const verb[] = {"replace", "insert", "append", "remove", "set"};
    static const gm_field field[] = {
        {"replace", GM_IS(GM_STRING), false}, {"insert", GM_IS(GM_STRING), false}, {"append", GM_IS(GM_STRING), false},
        {"remove", GM_IS(GM_STRING), false}, {"set", GM_IS(GM_STRING), false}, {"step", GM_IS(GM_MAP), false},
    };
    gpumem_status s = gm_fields_check(file, "edit", edit, field, COUNT(field), err);
    const gm_value *id = NULL, *step;
    gm_value *changed;
    uint32_t at, v = 0, found = 0;
    gm_sourced_list *l;
    if (s != GPUMEM_OK)
        return s;
    for (uint32_t i = 0; i < COUNT(verb); i++) {
        const gm_value *x = gm_value_get(edit, verb[i]);
        if (x) {
            id = x;
            v = i;
            found++;
        }
    }
    step = gm_value_get(edit, "step");
    if (found != 1 || (step == NULL) != (v == 3))
        return gm_fail(err, GPUMEM_EPLUGIN, file, edit->line, edit->column,
                       "edit: expected one of replace, insert, append, remove, set, and a step unless it is remove");
    l = find_step(src, id->v.s, &at);
    if (l == NULL)
        return gm_fail(err, GPUMEM_EPLUGIN, file, id->line, id->column, "edit: no step has the id '%s'", id->v.s);
    switch (v) {
    case 0:
        l->item[at] = (gm_sourced){step, file};
        return GPUMEM_OK;
    case 1:
        return list_insert(arena, l, at, (gm_sourced){step, file}, err);
    case 2:
        return list_insert(arena, l, at + 1, (gm_sourced){step, file}, err);
    case 3:
        memmove(l->item + at, l->item + at + 1, (l->n - at - 1) * sizeof *l->item);
        l->n--;
        return GPUMEM_OK;
    default:
        changed = gm_arena_zero(arena, 1, sizeof *changed);
        if (changed == NULL)
            return gm_no_memory(err);
        s = step_changed(arena, l->item[at].value, step, changed, err);
        l->item[at] = (gm_sourced){changed, file};
        return s;
    }
}

/* ---- one manifest of the chain ---- */

static gpumem_status take_stack(gm_arena *arena, gm_source_stack *st, const gm_value *map, const char *file, gpumem_error *err)
{
    const gm_value *layers = gm_value_get(map, "layers"), *at = gm_value_get(map, "at");
    gpumem_status s = list_replace(arena, &st->before, gm_value_get(map, "before"), file, err);
    if (s == GPUMEM_OK)
        s = list_replace(arena, &st->layer, gm_value_get(map, "layer"), file, err);
    if (s == GPUMEM_OK)
        s = list_replace(arena, &st->after, gm_value_get(map, "after"), file, err);
    if (layers)
        st->layers = (gm_sourced){layers, file};
    if (at)
        st->at = (gm_sourced){at, file};
    return s;
}

static gpumem_status take_stacks(gm_arena *arena, gm_source *src, const gm_value *root, const char *file, gpumem_error *err)
{
    const gm_value *stacks = gm_value_get(root, "stacks");
    gpumem_status s = GPUMEM_OK;
    if (stacks) {
        if (stacks->n == 0 || stacks->n > 16)
            return gm_fail(err, GPUMEM_EPLUGIN, file, stacks->line, stacks->column, "stacks: expected 1 to 16 of them");
        src->nstack = stacks->n;
        src->stack = gm_arena_zero(arena, stacks->n, sizeof *src->stack);
        if (src->stack == NULL)
            return gm_no_memory(err);
        for (uint32_t i = 0; s == GPUMEM_OK && i < stacks->n; i++) {
            const gm_value *one = &stacks->v.list[i];
            bool part = one->type == GM_MAP && gm_value_get(one, "family");
            s = gm_fields_check(file, "stacks", one, part ? part_field : stack_field, part ? COUNT(part_field) : COUNT(stack_field), err);
            if (s == GPUMEM_OK && part)
                src->stack[i].part = (gm_sourced){one, file};
            else if (s == GPUMEM_OK)
                s = take_stack(arena, &src->stack[i], one, file, err);
            if (s == GPUMEM_OK && gm_value_get(one, "when"))
                src->stack[i].when = (gm_sourced){gm_value_get(one, "when"), file};
        }
        return s;
    }
    if (src->nstack == 0) {
        src->nstack = 1;
        src->stack = gm_arena_zero(arena, 1, sizeof *src->stack);
        if (src->stack == NULL)
            return gm_no_memory(err);
    }
    return take_stack(arena, &src->stack[0], root, file, err);
}

static void take(gm_sourced *to, const gm_value *root, const char *key, const char *file)
{
    const gm_value *v = gm_value_get(root, key);
    if (v)
        *to = (gm_sourced){v, file};
}

static gpumem_status take_manifest(gm_arena *arena, gm_source *src, const gm_manifest *m, gpumem_error *err)
{
    const gm_value *root = m->root, *edit = gm_value_get(root, "edit"), *require = gm_value_get(root, "require"), *warn = gm_value_get(root, "warn");
    gpumem_status s;
    take(&src->architecture, root, "architecture", m->path);
    take(&src->classes, root, "classes", m->path);
    take(&src->descend, root, "descend", m->path);
    take(&src->defaults, root, "defaults", m->path);
    take(&src->nullable, root, "nullable", m->path);
    take(&src->aliases, root, "aliases", m->path);
    take(&src->symbols, root, "symbols", m->path);
    take(&src->inputs, root, "inputs", m->path);
    take(&src->base, root, "base", m->path);
    take(&src->unchecked, root, "unchecked", m->path);
    take(&src->registered, root, "registered", m->path);
    if ((s = entries_merge(arena, &src->autos, gm_value_get(root, "auto"), m->path, err)) != GPUMEM_OK ||
        (s = entries_merge(arena, &src->dims, gm_value_get(root, "dims"), m->path, err)) != GPUMEM_OK ||
        (s = entries_merge(arena, &src->each, gm_value_get(root, "each"), m->path, err)) != GPUMEM_OK ||
        (s = entries_merge(arena, &src->names, gm_value_get(root, "names"), m->path, err)) != GPUMEM_OK ||
        (s = list_begin(arena, &src->checkpoint, gm_value_get(root, "checkpoint"), m->path, err)) != GPUMEM_OK ||
        (s = list_replace(arena, &src->buffers, gm_value_get(root, "buffers"), m->path, err)) != GPUMEM_OK ||
        (s = take_stacks(arena, src, root, m->path, err)) != GPUMEM_OK)
        return s;
    if ((require && (s = list_take(arena, &src->require, require, m->path, err)) != GPUMEM_OK) ||
        (warn && (s = list_take(arena, &src->warn, warn, m->path, err)) != GPUMEM_OK))
        return s;
    for (uint32_t i = 0; edit && i < edit->n; i++)
        if ((s = edit_one(arena, src, &edit->v.list[i], m->path, err)) != GPUMEM_OK)
            return s;
    return GPUMEM_OK;
}

/* That the family asked for is not there is for the caller; that one which it is like is not, is its manifest's mistake. */
static gpumem_status not_found(const gm_source *src, const char *id, const gpumem_error *own, gpumem_error *err)
{
    const gm_manifest *from = src->nchain ? src->chain[src->nchain - 1] : NULL;
    if (from == NULL || own->status != GPUMEM_EMODEL) {
        if (err && err->status == GPUMEM_OK)
            *err = *own;
        return own->status;
    }
    const gm_value *like = gm_value_get(from->root, "like");
    gm_fail(err, GPUMEM_EPLUGIN, from->path, like->line, like->column, "like: there is no family '%s'", id);
    if (own->ntip)
        gm_tip(err, "%s", own->tip[0]);
    return GPUMEM_EPLUGIN;
}

gpumem_status gm_source_read(gm_registry *registry, gm_arena *arena, const char *id, gm_source *out, gpumem_error *err)
{
    gpumem_status s;
    memset(out, 0, sizeof *out);
    while (id) {
        const gm_manifest *m;
        const gm_value *like;
        if (out->nchain == COUNT(out->chain))
            return gm_fail(err, GPUMEM_EPLUGIN, out->chain[0]->path, 0, 0, "like: more than %zu families in a chain, or a circle", COUNT(out->chain));
        gpumem_error own = {0};
        s = gm_registry_find(registry, GPUMEM_KIND_FAMILY, id, &m, &own);
        if (s != GPUMEM_OK)
            return not_found(out, id, &own, err);
        s = gm_fields_check(m->path, "family", m->root, family_field, COUNT(family_field), err);
        if (s != GPUMEM_OK)
            return s;
        out->chain[out->nchain++] = m;
        like = gm_value_get(m->root, "like");
        id = like ? like->v.s : NULL;
    }
    for (uint32_t i = out->nchain; i-- > 0;)
        if ((s = take_manifest(arena, out, out->chain[i], err)) != GPUMEM_OK)
            return s;
    return GPUMEM_OK;
}
