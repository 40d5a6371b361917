/* What an engine's manifest says of a plan: its cache, its buffers, the layers that it has on the GPU. */
#include "plan/planner.h"
#include <stdio.h>
#include <string.h>

#define EVERY_LAYER (1u << 30) /* more than there are: what is behind them is on the GPU too, what is before them is not */

gpumem_status gm_engine_choose(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    const gm_value *own = p->precision.manifest ? gm_value_get(p->precision.manifest->root, "engine") : NULL, *cache, *share, *ahead, *spare, *offloads, *rounding;
    const char *id = r->engine ? r->engine : own && p->set->engine.otherwise ? own->v.s : p->set->engine.otherwise;
    gpumem_status s;
    if (id == NULL) {
        if (r->cache_format)
            return gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the set '%s' has no engine that a cache's format could be said to", p->set->manifest->id);
        return GPUMEM_OK;
    }
    if ((s = gm_registry_find(p->host->registry, GPUMEM_KIND_ENGINE, id, &p->engine, err)) != GPUMEM_OK || (s = gm_planner_use(p, p->engine, err)) != GPUMEM_OK)
        return s;
    r->engine = p->engine->id;
    cache = gm_value_get(p->engine->root, "cache");
    p->plan->block = cache ? (uint32_t)gm_value_get(cache, "block")->v.i : 0;
    ahead = cache ? gm_value_get(cache, "ahead") : NULL;
    p->plan->ahead = ahead ? (uint64_t)ahead->v.i : UINT64_MAX;
    spare = cache ? gm_value_get(cache, "spare") : NULL;
    p->plan->spare = spare ? (uint32_t)spare->v.i : 0;
    offloads = gm_value_get(p->engine->root, "offloads");
    rounding = gm_value_get(p->engine->root, "rounding");
    if (rounding)
        p->plan->rounding = (uint32_t)rounding->v.i;
    if (r->static_cache && cache)
        return gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the engine '%s' has a cache in pages, not a static one", p->engine->id);
    if (r->gpu_layers && !(offloads && offloads->v.b))
        return gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the engine '%s' has all layers on the GPU", p->engine->id);
    if (offloads && offloads->v.b && (r->gpu_layers == 0 || r->gpu_layers > EVERY_LAYER))
        r->gpu_layers = EVERY_LAYER;
    if (strcmp(gm_value_get(p->engine->root, "activations")->v.s, "chunk") == 0)
        p->plan->chunk = (uint64_t)gm_value_get(p->engine->root, "chunk")->v.i;
    share = gm_value_get(p->engine->root, "utilization");
    if (share)
        p->plan->utilization = share->type == GM_REAL ? share->v.r : (double)share->v.i;
    return GPUMEM_OK;
}

gpumem_status gm_engine_format(gm_planner *p, gpumem_error *err)
{
    const char *wanted = p->plan->request.cache_format;
    char offered[160] = "the model's own";
    bool found = false;
    p->cache_format = GM_NO_FORMAT;
    if (wanted == NULL || p->engine == NULL)
        return GPUMEM_OK;
    for (uint32_t i = 0; i < p->engine->nformat; i++) {
        found |= strcmp(p->engine->format[i].name, wanted) == 0;
        if (strlen(offered) + strlen(p->engine->format[i].name) + 3 < sizeof offered) {
            strcat(offered, ", ");
            strcat(offered, p->engine->format[i].name);
        }
    }
    if (!found) {
        gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the engine '%s' has no cache in '%.40s'", p->engine->id, wanted);
        gm_tip(err, "it has %s", offered);
        return GPUMEM_EUNSUP;
    }
    p->cache_format = gpumem_format_find(p->format, p->nformat, wanted);
    return GPUMEM_OK;
}

void gm_engine_vectors(gm_planner *p)
{
    const gpumem_description *d = &p->plan->model->d;
    for (uint32_t i = 0; p->engine && gm_value_get(p->engine->root, "vectors") && i < d->ntensor; i++)
        if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && d->tensor[i].ndim == 1 && d->tensor[i].dtype == GPUMEM_DTYPE_MODEL)
            p->weight[i] = p->stepped[i] = GPUMEM_FORMAT_F32;
}

/* How often a block runs on the GPU, where the first layers do not: what is before the layers does not, what is behind them counts as the last. */
static uint32_t runs_on_gpu(const gpumem_description *d, uint32_t block, uint32_t gpu_layers)
{
    uint32_t layers = 0, layer = 0, runs = 0;
    for (uint32_t i = 0; i < d->nsequence; i++)
        layers += d->block[d->sequence[i]].layer != GPUMEM_NONE;
    for (uint32_t i = 0; i < d->nsequence; i++) {
        bool is_layer = d->block[d->sequence[i]].layer != GPUMEM_NONE;
        if (d->sequence[i] == block)
            runs += is_layer ? layer + gpu_layers > layers : layer == layers;
        layer += is_layer;
    }
    return runs;
}

/* Does a later block have it as its own: a tied head? */
static bool is_read_behind(const gpumem_description *d, uint32_t tensor, uint32_t gpu_layers)
{
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++)
            if (d->tensor[k].storage == tensor && runs_on_gpu(d, i, gpu_layers))
                return true;
    return false;
}

uint32_t gm_engine_times(const gm_planner *p, const gpumem_description *d, uint32_t block, uint32_t tensor)
{
    uint32_t gpu_layers = p->plan->request.gpu_layers, runs;
    if (gpu_layers == 0 || d->tensor[tensor].role == GPUMEM_ROLE_INPUT || d->tensor[tensor].role == GPUMEM_ROLE_BUFFER)
        return (uint32_t)gm_tensor_times(d, &d->block[block], &d->tensor[tensor]);
    runs = runs_on_gpu(d, block, gpu_layers);
    if (runs == 0 && d->block[block].layer == GPUMEM_NONE && is_read_behind(d, tensor, gpu_layers))
        return 1;
    return runs && d->tensor[tensor].scope == GPUMEM_SCOPE_MODEL ? 1 : runs;
}

gpumem_status gm_engine_claim(gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = p->job.model;
    const gm_value *runtime = gm_value_get(p->engine->root, "runtime");
    bool wide = gm_value_get(p->engine->root, "states") != NULL;
    char by[96];
    gpumem_status s = GPUMEM_OK;
    snprintf(by, sizeof by, "engine/%s", p->engine->id);
    for (uint32_t i = 0; s == GPUMEM_OK && p->plan->block && !p->plan->request.no_cache && i < d->ntensor; i++) {
        const gpumem_tensor *t = &d->tensor[i];
        bool cache = t->role == GPUMEM_ROLE_CACHE;
        if ((!cache && t->role != GPUMEM_ROLE_STATE) || t->storage != GPUMEM_NONE)
            continue;
        gpumem_claim c = {.tensor = i, .format = p->active[i], .is = GPUMEM_IS_CACHE, .phases = GPUMEM_INFERENCE};
        if (t->dtype == GPUMEM_DTYPE_MODEL && (cache ? p->cache_format != GM_NO_FORMAT : wide))
            c.format = cache ? p->cache_format : GPUMEM_FORMAT_F32;
        s = gm_fold_claims(&p->folder, by, &c, 1, err);
    }
    for (uint32_t i = 0; s == GPUMEM_OK && runtime && i < runtime->n; i++) {
        gpumem_claim c = {.tensor = GPUMEM_NONE, .format = GPUMEM_FORMAT_BOOL, .is = GPUMEM_IS_RUNTIME, .phases = GPUMEM_INFERENCE, .counted = 1,
                          .label = runtime->v.map[i].key, .rows = {1, 1, {0}}, .cols = {(uint64_t)runtime->v.map[i].value.v.i, 1, {0}}};
        s = gm_fold_claims(&p->folder, by, &c, 1, err);
    }
    return s;
}
