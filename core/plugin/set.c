#include "plugin/set.h"
#include "text/lookup.h"
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const gm_field set_field[] = {
    {"gpumem", GM_IS(GM_INT), true}, {"kind", GM_IS(GM_STRING), true}, {"id", GM_IS(GM_STRING), true}, {"version", GM_IS(GM_STRING), true},
    {"title", GM_IS(GM_STRING), true}, {"sources", GM_IS(GM_LIST), false}, {"precision", GM_IS(GM_MAP), true}, {"optimizer", GM_IS(GM_MAP), true},
    {"activation", GM_IS(GM_MAP), true}, {"engine", GM_IS(GM_MAP), false}, {"rounding", GM_IS(GM_INT), true}, {"count", GM_IS(GM_LIST), true}, {"labels", GM_IS(GM_MAP), false},
    {"quantization", GM_IS(GM_MAP), false}, {"tokens", GM_IS(GM_MAP) | GM_IS(GM_NULL), true}, {"gpus", GM_IS(GM_LIST), false},
};

static gpumem_status bad(const gpumem_set *set, const gm_value *at, const char *what, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_EPLUGIN, set->manifest->path, at->line, at->column, "%s", what);
}

static gpumem_status all_strings(const gpumem_set *set, const gm_value *v, const char *what, gpumem_error *err)
{
    for (uint32_t i = 0; v && i < v->n; i++) {
        const gm_value *x = v->type == GM_LIST ? &v->v.list[i] : &v->v.map[i].value;
        if (x->type != GM_STRING)
            return bad(set, x, what, err);
    }
    return GPUMEM_OK;
}

static gpumem_status read_choice(const gpumem_set *set, const char *key, gm_choice *out, gpumem_error *err)
{
    static const gm_field field[] = {{"default", GM_IS(GM_STRING) | GM_IS(GM_NULL), true}, {"choices", GM_IS(GM_MAP), false}, {"with", GM_IS(GM_MAP), false}};
    const gm_value *v = gm_value_get(set->manifest->root, key), *d;
    gpumem_status s = gm_fields_check(set->manifest->path, key, v, field, COUNT(field), err);
    if (s != GPUMEM_OK)
        return s;
    d = gm_value_get(v, "default");
    out->otherwise = d->type == GM_STRING ? d->v.s : NULL;
    out->choices = gm_value_get(v, "choices");
    out->with = gm_value_get(v, "with");
    if (out->otherwise == NULL && strcmp(key, "activation") != 0 && strcmp(key, "engine") != 0)
        return bad(set, d, "default: expected an id", err);
    return all_strings(set, out->choices, "choices: expected the id of a plugin", err);
}

static gpumem_status read_count(gpumem_set *set, gpumem_error *err)
{
    static const char *const word[] = {"weights", "buffers", "gradients", "inputs"};
    const gm_value *list = gm_value_get(set->manifest->root, "count");
    for (uint32_t i = 0; i < list->n; i++) {
        unsigned k = 0;
        while (k < COUNT(word) && (list->v.list[i].type != GM_STRING || strcmp(list->v.list[i].v.s, word[k]) != 0))
            k++;
        if (k == COUNT(word))
            return bad(set, &list->v.list[i], "count: expected weights, buffers, gradients or inputs", err);
        set->count |= 1u << k;
    }
    return GPUMEM_OK;
}

static gpumem_status read_tokens(gpumem_set *set, gpumem_error *err)
{
    static const gm_field field[] = {{"training", GM_IS(GM_INT), true}, {"inference", GM_IS(GM_INT), true}};
    const gm_value *v = gm_value_get(set->manifest->root, "tokens");
    if (v->type == GM_NULL)
        return GPUMEM_OK;
    gpumem_status s = gm_fields_check(set->manifest->path, "tokens", v, field, COUNT(field), err);
    for (size_t i = 0; s == GPUMEM_OK && i < COUNT(field); i++) {
        const gm_value *n = gm_value_get(v, field[i].key);
        if (n->v.i < 1)
            return bad(set, n, "tokens: expected 1 or more", err);
        set->tokens[i] = (uint64_t)n->v.i;
    }
    return s;
}

static gpumem_status read_quantization(gpumem_set *set, gpumem_error *err)
{
    static const gm_field field[] = {{"at", GM_IS(GM_STRING), true}, {"precision", GM_IS(GM_STRING), true}, {"keep", GM_IS(GM_STRING), true}};
    const gm_value *v = gm_value_get(set->manifest->root, "quantization");
    if (v == NULL)
        return GPUMEM_OK;
    gpumem_status s = gm_fields_check(set->manifest->path, "quantization", v, field, COUNT(field), err);
    if (s == GPUMEM_OK) {
        set->at = gm_value_get(v, "at");
        set->scheme = gm_value_get(v, "precision");
        set->keep = gm_value_get(v, "keep");
    }
    return s;
}

static gpumem_status look(const gpumem_set *set, gm_arena *arena, const gm_value *map, const gm_value *expr, unsigned types, const char *what,
                          const gm_value **out, gpumem_error *err)
{
    gm_value *v = gm_arena_zero(arena, 1, sizeof *v);
    if (v == NULL)
        return gm_no_memory(err);
    gpumem_status s = gm_lookup(arena, map, set->manifest->path, expr, v, err);
    *out = s == GPUMEM_OK && v->type != GM_NULL ? v : NULL;
    if (*out && !(types & GM_IS(v->type)))
        s = gm_fail(err, GPUMEM_ECONFIG, set->manifest->path, expr->line, expr->column, "quantization.%s is not of the right type: it is %s", what,
                    gm_type_name((gm_type)v->type));
    return s;
}

gpumem_status gm_set_quantization(const gpumem_set *set, const gm_value *config, gm_arena *arena, const gm_value **quantization,
                                  const char **precision, const gm_value **keep, gpumem_error *err)
{
    const gm_value *id = NULL;
    gpumem_status s = GPUMEM_OK;
    *quantization = *keep = NULL;
    *precision = NULL;
    if (set->at == NULL || (s = look(set, arena, config, set->at, GM_IS(GM_MAP), "at", quantization, err)) != GPUMEM_OK || *quantization == NULL)
        return set->at == NULL ? GPUMEM_OK : s;
    if ((s = look(set, arena, *quantization, set->scheme, GM_IS(GM_STRING), "precision", &id, err)) != GPUMEM_OK)
        return s;
    *precision = id ? id->v.s : NULL;
    return look(set, arena, *quantization, set->keep, GM_IS(GM_LIST), "keep", keep, err);
}

static gpumem_status read_gpus(gpumem_set *set, gpumem_error *err)
{
    const gm_value *list = gm_value_get(set->manifest->root, "gpus");
    gpumem_status s = all_strings(set, list, "gpus: expected the key of a GPU", err);
    if (s != GPUMEM_OK || list == NULL)
        return s;
    set->gpu = gm_arena_zero(&set->arena, list->n + 1u, sizeof *set->gpu);
    if (set->gpu == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < list->n; i++)
        set->gpu[set->ngpu++] = list->v.list[i].v.s;
    return GPUMEM_OK;
}

static gpumem_status read_set(gpumem_set *set, gpumem_error *err)
{
    const gm_manifest *m = set->manifest;
    const gm_value *r;
    gpumem_status s = gm_fields_check(m->path, "set", m->root, set_field, COUNT(set_field), err);
    if (s != GPUMEM_OK || (s = read_choice(set, "precision", &set->precision, err)) != GPUMEM_OK ||
        (s = read_choice(set, "optimizer", &set->optimizer, err)) != GPUMEM_OK || (s = read_choice(set, "activation", &set->activation, err)) != GPUMEM_OK ||
        (gm_value_get(set->manifest->root, "engine") && (s = read_choice(set, "engine", &set->engine, err)) != GPUMEM_OK) ||
        (s = read_count(set, err)) != GPUMEM_OK || (s = read_tokens(set, err)) != GPUMEM_OK || (s = read_quantization(set, err)) != GPUMEM_OK || (s = read_gpus(set, err)) != GPUMEM_OK)
        return s;
    r = gm_value_get(m->root, "rounding");
    if (r->v.i < 1 || r->v.i > (1 << 30))
        return bad(set, r, "rounding: expected bytes from 1 to 1073741824", err);
    set->rounding = (uint32_t)r->v.i;
    set->labels = gm_value_get(m->root, "labels");
    return all_strings(set, set->labels, "labels: expected a name for people", err);
}

gpumem_status gm_set_open(gm_registry *registry, const char *name, gpumem_set **out, gpumem_error *err)
{
    gpumem_set *set = calloc(1, sizeof *set);
    size_t n = strlen(name);
    bool path = strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0);
    gpumem_status s;
    *out = NULL;
    if (set == NULL)
        return gm_no_memory(err);
    if (path)
        s = gm_registry_read(registry, GPUMEM_KIND_SET, name, &set->manifest, err);
    else
        s = gm_registry_find(registry, GPUMEM_KIND_SET, name, &set->manifest, err);
    if (s == GPUMEM_OK)
        s = read_set(set, err);
    if (s != GPUMEM_OK) {
        gpumem_set_free(set);
        return s;
    }
    *out = set;
    return GPUMEM_OK;
}

void gpumem_set_free(gpumem_set *set)
{
    if (set == NULL)
        return;
    gm_arena_free(&set->arena);
    free(set);
}

const char *gpumem_set_id(const gpumem_set *set) { return set->manifest->id; }

size_t gpumem_set_gpus(const gpumem_set *set, const char *const **keys)
{
    *keys = set->gpu;
    return set->ngpu;
}

const gm_choice *gm_set_choice(const gpumem_set *set, gpumem_kind kind)
{
    return kind == GPUMEM_KIND_PRECISION ? &set->precision : kind == GPUMEM_KIND_OPTIMIZER ? &set->optimizer : kind == GPUMEM_KIND_ENGINE ? &set->engine : &set->activation;
}
