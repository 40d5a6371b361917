/* Which plugins make a plan, and in which forms: what a person asks for, what the config says, the set's choice. */
#include "plan/planner.h"
#include "text/lookup.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

gpumem_status gm_planner_use(gm_planner *p, const gm_manifest *m, gpumem_error *err)
{
    gpumem_plan *plan = p->plan;
    for (uint32_t i = 0; i < plan->nused; i++)
        if (plan->used[i].path == m->path)
            return GPUMEM_OK;
    if (plan->nused == COUNT(plan->used))
        return gm_fail(err, GPUMEM_EINTERNAL, NULL, 0, 0, "an estimate uses more than %zu plugins", COUNT(plan->used));
    plan->used[plan->nused++] = (gpumem_used){m->kind, m->id, m->version, m->path, m->source, m->nsource};
    return GPUMEM_OK;
}

/* The values that a scheme's manifest takes from the config's quantisation. */
static gpumem_status config_values(gm_planner *p, const gm_manifest *m, const gm_value *quantization, gm_value *out, gpumem_error *err)
{
    const gm_value *map = quantization ? gm_value_get(m->root, "config") : NULL;
    gm_member *member = gm_arena_zero(p->arena, map ? map->n + 1u : 1u, sizeof *member);
    if (member == NULL)
        return gm_no_memory(err);
    *out = gm_null();
    out->type = GM_MAP;
    out->v.map = member;
    for (uint32_t i = 0; map && i < map->n; i++) {
        gm_value v;
        gpumem_status s = gm_lookup(p->arena, quantization, m->path, &map->v.map[i].value, &v, err);
        if (s != GPUMEM_OK)
            return s;
        if (v.type == GM_NULL)
            continue;
        v.line = map->v.map[i].line;
        v.column = map->v.map[i].column;
        member[out->n] = map->v.map[i];
        member[out->n++].value = v;
    }
    return GPUMEM_OK;
}

/* `wanted` is the set's own name for a plugin, or an id; NULL: the set's choice. */
static gpumem_status choose(gm_planner *p, gpumem_kind kind, const char *wanted, gm_chosen *out, gpumem_error *err)
{
    const gm_choice *c = gm_set_choice(p->set, kind);
    const char *name = wanted ? wanted : c->otherwise, *id = name;
    const gm_value *own = c->choices ? gm_value_get(c->choices, name) : NULL;
    const gm_value *with[3];
    const char *file[3];
    gm_value *config;
    size_t nwith = 0;
    gpumem_status s;
    if (own)
        id = own->v.s;
    if ((s = gm_registry_find(p->host->registry, kind, id, &out->manifest, err)) != GPUMEM_OK)
        return s;
    if (out->manifest->rules && !out->manifest->library && !out->manifest->use) { /* data only */
        out->base = out->manifest;
        return gm_planner_use(p, out->manifest, err);
    }
    if ((s = gm_registry_base(p->host->registry, out->manifest, &out->base, err)) != GPUMEM_OK ||
        (s = gm_registry_entry(p->host->registry, out->manifest, &out->entry, err)) != GPUMEM_OK)
        return s;
    if (c->with && c->otherwise && strcmp(name, c->otherwise) == 0) {
        with[nwith] = c->with;
        file[nwith++] = p->set->manifest->path;
    }
    if (kind == GPUMEM_KIND_PRECISION && p->quantization) {
        config = gm_arena_zero(p->arena, 1, sizeof *config);
        if (config == NULL)
            return gm_no_memory(err);
        if ((s = config_values(p, out->manifest, p->quantization, config, err)) != GPUMEM_OK)
            return s;
        with[nwith] = config;
        file[nwith++] = out->manifest->path;
    }
    if (out->manifest->with) {
        with[nwith] = out->manifest->with;
        file[nwith++] = out->manifest->path;
    }
    if ((s = gm_manifest_args(p->arena, out->base, with, file, nwith, &out->param, &out->nparam, err)) != GPUMEM_OK)
        return s;
    strcpy(out->name, gpumem_kind_name(kind));
    strcat(out->name, "/");
    strcat(out->name, out->manifest->id); /* ids have at most 64 bytes */
    if ((s = gm_planner_use(p, out->manifest, err)) != GPUMEM_OK || (s = gm_planner_use(p, out->base, err)) != GPUMEM_OK)
        return s;
    return GPUMEM_OK;
}

/* What a person asks for; else, to run it, what the config says that its weights are; else the set's choice. */
static gpumem_status choose_precision(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    const gm_value *quantization = NULL, *keep;
    const char *scheme = NULL;
    const gm_manifest *m;
    gpumem_status s = GPUMEM_OK;
    if (r->mode == GPUMEM_MODE_INFERENCE)
        s = gm_set_quantization(p->set, &p->plan->model->config->root, p->arena, &quantization, &scheme, &keep, err);
    if (s != GPUMEM_OK)
        return s;
    if (r->precision && (scheme == NULL || strcmp(scheme, r->precision) != 0)) /* another one is asked for */
        return choose(p, GPUMEM_KIND_PRECISION, r->precision, &p->precision, err);
    if (scheme && (s = gm_registry_find(p->host->registry, GPUMEM_KIND_PRECISION, scheme, &m, NULL)) == GPUMEM_ENOMEM)
        return gm_no_memory(err);
    if (quantization && (scheme == NULL || s != GPUMEM_OK)) {
        snprintf(p->plan->warning, sizeof p->plan->warning, "the config's quantisation (%.60s) is not known: %s is assumed", scheme ? scheme : "no method",
                 p->set->precision.otherwise);
        scheme = NULL;
    }
    if (scheme)
        r->precision = scheme;
    p->quantization = scheme ? quantization : NULL;
    p->plan->quantized = scheme != NULL;
    return choose(p, GPUMEM_KIND_PRECISION, r->precision, &p->precision, err);
}

gpumem_status gm_choose_all(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    const gpumem_model *model = p->plan->model;
    gpumem_status s = gm_planner_use(p, p->set->manifest, err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < model->subject.family->nchain; i++)
        s = gm_planner_use(p, model->subject.family->chain[i], err);
    for (uint32_t k = 0; s == GPUMEM_OK && k < model->npart; k++)
        for (uint32_t i = 0; s == GPUMEM_OK && i < model->part[k]->nchain; i++)
            s = gm_planner_use(p, model->part[k]->chain[i], err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < model->nplugin; i++)
        s = gm_planner_use(p, model->plugin[i], err);
    if (s == GPUMEM_OK)
        s = choose_precision(p, err);
    if (s == GPUMEM_OK && r->mode == GPUMEM_MODE_TRAINING)
        s = choose(p, GPUMEM_KIND_OPTIMIZER, r->optimizer, &p->optimizer, err);
    if (s == GPUMEM_OK && r->mode == GPUMEM_MODE_INFERENCE)
        s = gm_engine_choose(p, err);
    if (s == GPUMEM_OK && r->gpu_layers && p->engine == NULL)
        s = gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "layers on the GPU: only an engine can leave others on the host");
    if (s == GPUMEM_OK && r->static_cache && (r->mode != GPUMEM_MODE_INFERENCE || r->no_cache))
        s = gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "a static cache: there is no cache");
    if (s == GPUMEM_OK && r->activation && p->engine && p->engine->rules)
        s = gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the engine '%s' has rules of its own: '%s' says nothing of it", p->engine->id, r->activation);
    if (s == GPUMEM_OK && (r->activation || p->set->activation.otherwise) && !(p->engine && p->engine->rules))
        s = choose(p, GPUMEM_KIND_ACTIVATION, r->activation, &p->activation, err);
    p->plan->complete = s == GPUMEM_OK && p->activation.entry && p->activation.entry->ops.activation->account;
    return s;
}

/* ---- the request, with everything filled in ---- */

const char *const gm_step_name[] = {"fused", "foreach", "for-loop"};

static int step_of(const char *name)
{
    for (int i = 0; name && i < (int)COUNT(gm_step_name); i++)
        if (strcmp(name, gm_step_name[i]) == 0)
            return i;
    return -1;
}

static void offered_text(const gm_value *offered, gpumem_error *err)
{
    char text[64] = "";
    for (uint32_t i = 0; i < offered->n; i++) {
        strcat(text, i ? ", " : "");
        strcat(text, offered->v.list[i].v.s);
    }
    gm_tip(err, "it has %s", text);
}

static gpumem_status fill_step(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    const gm_manifest *m = p->optimizer.manifest;
    const gm_value *offered = m ? gm_value_get(m->root, "implementations") : NULL, *own = m ? gm_value_get(m->root, "torch") : NULL;
    const char *wanted = r->implementation;
    if (m == NULL) {
        r->implementation = NULL;
        return GPUMEM_OK;
    }
    if (wanted && strcmp(wanted, "torch") == 0)
        wanted = own ? own->v.s : NULL;
    if (wanted == NULL && offered == NULL) { /* it has no forms: its claims are the same in all */
        p->job.step = GPUMEM_STEP_FOREACH;
        return GPUMEM_OK;
    }
    if (wanted == NULL)
        wanted = offered->v.list[0].v.s;
    if (step_of(wanted) < 0) {
        gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "unknown implementation '%s'", wanted);
        gm_tip(err, "it is one of fused, foreach, for-loop");
        return GPUMEM_EUNKNOWN;
    }
    bool found = offered == NULL;
    for (uint32_t i = 0; offered && i < offered->n; i++)
        found |= strcmp(offered->v.list[i].v.s, wanted) == 0;
    if (!found) {
        gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the optimizer '%s' has no %s step", m->id, wanted);
        offered_text(offered, err);
        return GPUMEM_EUNSUP;
    }
    p->job.step = (uint8_t)step_of(wanted);
    r->implementation = gm_step_name[p->job.step];
    return GPUMEM_OK;
}

static gpumem_status fill_attention(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    if (r->attention == NULL || strcmp(r->attention, "flash") == 0 || strcmp(r->attention, "sdpa") == 0) {
        r->attention = "flash"; /* torch's sdpa takes the flash kernel where no mask is given */
        p->job.attention = GPUMEM_ATTENTION_FLASH;
    } else if (strcmp(r->attention, "eager") == 0) {
        r->attention = "eager";
        p->job.attention = GPUMEM_ATTENTION_EAGER;
    } else {
        gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "unknown attention '%s'", r->attention);
        gm_tip(err, "it is one of flash, sdpa, eager");
        return GPUMEM_EUNKNOWN;
    }
    return GPUMEM_OK;
}

gpumem_status gm_choose_forms(gm_planner *p, gpumem_error *err)
{
    gpumem_request *r = &p->plan->request;
    gpumem_status s;
    if ((s = fill_step(p, err)) != GPUMEM_OK || (s = fill_attention(p, err)) != GPUMEM_OK)
        return s;
    r->precision = gm_arena_strdup(p->arena, r->precision ? r->precision : p->set->precision.otherwise);
    r->optimizer = r->mode != GPUMEM_MODE_TRAINING ? NULL : gm_arena_strdup(p->arena, r->optimizer ? r->optimizer : p->set->optimizer.otherwise);
    r->activation = p->activation.manifest ? p->activation.manifest->id : NULL;
    if (r->accumulation == 0)
        r->accumulation = 1;
    return r->precision && (r->optimizer || r->mode != GPUMEM_MODE_TRAINING) ? GPUMEM_OK : gm_no_memory(err);
}
