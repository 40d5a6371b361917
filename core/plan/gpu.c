#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct gpumem_gpu { const gm_manifest *manifest; char *aliases; };

static bool has_alias(const gm_manifest *m, const char *key)
{
    const gm_value *list = gm_value_get(m->root, "aliases");
    for (uint32_t i = 0; list && list->type == GM_LIST && i < list->n; i++)
        if (list->v.list[i].type == GM_STRING && strcasecmp(list->v.list[i].v.s, key) == 0)
            return true;
    return false;
}

static void offer(gpumem_near *near, const gm_manifest *m)
{
    const gm_value *list = gm_value_get(m->root, "aliases");
    gpumem_near_offer(near, m->id);
    for (uint32_t i = 0; list && list->type == GM_LIST && i < list->n; i++)
        if (list->v.list[i].type == GM_STRING)
            gpumem_near_offer(near, list->v.list[i].v.s);
}

/* The profile whose key or alias this is, of those in ids; or NULL. */
static const gm_manifest *search(gpumem_host *host, const char **ids, size_t n, const char *key, gpumem_near *near)
{
    for (size_t i = 0; i < n; i++) {
        const gm_manifest *m;
        if (gm_registry_find(host->registry, GPUMEM_KIND_GPU, ids[i], &m, NULL) != GPUMEM_OK)
            continue;
        if (near)
            offer(near, m);
        if (strcasecmp(ids[i], key) == 0 || has_alias(m, key))
            return m;
    }
    return NULL;
}

static double memory_of(const gm_manifest *m)
{
    const gm_value *v = m ? gm_value_get(m->root, "marketing_gb") : NULL;
    return v == NULL ? 0 : v->type == GM_INT ? (double)v->v.i : v->type == GM_REAL ? v->v.r : 0;
}

static void suggest(gpumem_host *host, const char **ids, size_t n, const gpumem_near *near, const char *key, gpumem_error *err)
{
    gpumem_text t = {0};
    for (unsigned i = 0; i < near->n; i++) {
        double gb = memory_of(search(host, ids, n, near->best[i].name, NULL));
        gpumem_text_printf(&t, "%s%s", i == 0 ? "" : i + 1 == near->n ? " or " : ", ", near->best[i].name);
        if (gb > 0)
            gpumem_text_printf(&t, " (%g GB)", gb);
    }
    if (t.n)
        gm_tip(err, "did you mean %s?", t.s);
    gm_tip(err, "more names: gpumem gpus --search %s", key);
    gm_tip(err, "a GPU not in the list: --memory 81559MiB");
    gpumem_text_free(&t);
}

/* Not a key: then perhaps an alias, for which every profile is read. */
static gpumem_status find_alias(gpumem_host *host, const char *key, const gm_manifest **out, gpumem_error *err)
{
    gm_arena arena = {0};
    const char **ids;
    gpumem_near near;
    size_t n = 0;
    gpumem_status s = gm_registry_ids(host->registry, &arena, GPUMEM_KIND_GPU, &ids, &n, err);
    *out = NULL;
    gpumem_near_init(&near, key);
    if (s == GPUMEM_OK)
        *out = search(host, ids, n, key, &near);
    if (s == GPUMEM_OK && *out == NULL) {
        s = gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "unknown GPU '%s'", key);
        suggest(host, ids, n, &near, key, err);
    }
    gm_arena_free(&arena);
    return s;
}

/* The strings of a list with spaces between them; NULL: none. */
static char *joined(const gm_value *list)
{
    gpumem_text t = {0};
    for (uint32_t i = 0; list && list->type == GM_LIST && i < list->n; i++)
        if (list->v.list[i].type == GM_STRING)
            gpumem_text_printf(&t, "%s%s", t.n ? " " : "", list->v.list[i].v.s);
    if (t.failed)
        gpumem_text_free(&t);
    return t.s;
}

gpumem_status gpumem_gpu_open(gpumem_host *host, const char *key, gpumem_gpu **out, gpumem_error *err)
{
    const gm_manifest *m;
    gpumem_gpu *gpu;
    gpumem_error own = {0};
    gpumem_status s = gm_registry_find(host->registry, GPUMEM_KIND_GPU, key, &m, &own);
    *out = NULL;
    if (s == GPUMEM_EUNKNOWN)
        s = find_alias(host, key, &m, err);
    else if (s != GPUMEM_OK && err)
        *err = own;
    if (s != GPUMEM_OK)
        return s;
    gpu = malloc(sizeof *gpu);
    if (gpu == NULL)
        return gm_no_memory(err);
    gpu->manifest = m;
    gpu->aliases = joined(gm_value_get(m->root, "aliases"));
    *out = gpu;
    return GPUMEM_OK;
}

void gpumem_gpu_free(gpumem_gpu *gpu)
{
    if (gpu)
        free(gpu->aliases);
    free(gpu);
}

const char *gpumem_gpu_text(const gpumem_gpu *gpu, const char *key)
{
    const gm_value *v = gm_value_get(gpu->manifest->root, strcmp(key, "key") == 0 ? "id" : key);
    if (strcmp(key, "aliases") == 0)
        return gpu->aliases;
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

bool gpumem_gpu_number(const gpumem_gpu *gpu, const char *key, double *value)
{
    const gm_value *v = gm_value_get(gpu->manifest->root, key);
    if (v == NULL || (v->type != GM_INT && v->type != GM_REAL))
        return false;
    *value = v->type == GM_INT ? (double)v->v.i : v->v.r;
    return true;
}
