#include "text/lookup.h"

#define MAX_KEYS 64
typedef struct lookup { const gm_value *map; const gm_value *found[MAX_KEYS]; int n; } lookup;

static int slot(void *self, const char *name, bool config, gpumem_error *err)
{
    lookup *l = self;
    (void)config;
    if (l->n == MAX_KEYS) {
        gm_fail(err, GPUMEM_EPLUGIN, NULL, 0, 0, "more than %d names in one expression", MAX_KEYS);
        return -1;
    }
    l->found[l->n] = gm_value_get(l->map, name);
    return l->n++;
}

static gpumem_status value(void *self, int at, gm_value *out, gpumem_error *err)
{
    const lookup *l = self;
    (void)err;
    *out = l->found[at] ? *l->found[at] : gm_null();
    return GPUMEM_OK;
}

static gpumem_status config(void *self, int at, bool literal, bool *found, gm_value *out, gpumem_error *err)
{
    const lookup *l = self;
    (void)literal;
    *found = l->found[at] != NULL;
    return value(self, at, out, err);
}

gpumem_status gm_lookup(gm_arena *arena, const gm_value *map, const char *file, const gm_value *expression, gm_value *out, gpumem_error *err)
{
    lookup l = {.map = map};
    gm_names names = {&l, slot};
    gm_scope scope = {&l, arena, value, config};
    const gm_expr *e;
    gpumem_status s = gm_expr_compile(arena, file, expression, &names, &e, err);
    return s == GPUMEM_OK ? gm_expr_eval(e, &scope, out, err) : s;
}
