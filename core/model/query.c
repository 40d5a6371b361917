/* Making a model, and asking about it. */
#include "base/checked.h"
#include "base/near.h"
#include "model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- counting ---- */

int gm_tensor_elements(const gpumem_tensor *t, uint64_t *out)
{
    *out = 1;
    for (uint32_t d = 0; d < t->ndim; d++)
        if (gm_mul_u64(*out, t->dim[d].size, out))
            return 1;
    return 0;
}

uint64_t gm_tensor_times(const gpumem_description *d, const gpumem_block *b, const gpumem_tensor *t)
{
    (void)d;
    return t->scope == GPUMEM_SCOPE_MODEL ? 1 : b->count;
}

static gpumem_status count(gpumem_model *m, gpumem_error *err)
{
    const gpumem_description *d = &m->d;
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++) {
            const gpumem_tensor *t = &d->tensor[k];
            uint64_t n;
            if (t->role != GPUMEM_ROLE_WEIGHT || t->storage != GPUMEM_NONE)
                continue;
            if (gm_tensor_elements(t, &n) || gm_mul_u64(n, gm_tensor_times(d, &d->block[i], t), &n) || gm_add_u64(m->parameters, n, &m->parameters))
                return gm_fail(err, GPUMEM_ECONFIG, m->config->name, 0, 0, "the number of parameters does not fit in 64 bits");
            m->by_family[t->family] += n;
            if (!(t->tag & GPUMEM_TAG_FROZEN))
                m->trainable += n;
        }
    return GPUMEM_OK;
}

/* ---- choosing family and class ---- */

static const char *string_at(const gm_value *map, const char *key)
{
    const gm_value *v = gm_value_get(map, key);
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

/* The registry speaks of families; to a person the config's model_type is unknown. */
static gpumem_status unknown_type(const char *path, const char *type, const gpumem_error *own, gpumem_error *err)
{
    if (err == NULL || err->status != GPUMEM_OK)
        return own->status;
    *err = *own;
    if (own->status == GPUMEM_EMODEL) {
        snprintf(err->file, sizeof err->file, "%s", path);
        snprintf(err->message, sizeof err->message, "unknown model type '%.64s'", type);
        gm_tip(err, "--like FAMILY describes it as another");
    }
    return own->status;
}

static gpumem_status choose_family(gpumem_host *host, gpumem_model *m, const char *like, gpumem_error *err)
{
    const char *path = m->config->path[0] ? m->config->path : m->config->name;
    const gm_value *inner;
    const char *type = string_at(&m->config->root, "model_type");
    if (type == NULL && like == NULL) {
        gm_fail(err, GPUMEM_ECONFIG, path, 0, 0, gm_value_get(&m->config->root, "model_type") ? "model_type is not a string" : "the key 'model_type' is missing");
        gm_tip(err, "it names the architecture, one that gpumem plugin list --kind family shows; --param model_type=NAME sets it");
        return GPUMEM_ECONFIG;
    }
    m->subject.prefix = "";
    m->subject.model_type = type ? type : like;
    gpumem_error own = {0};
    gpumem_status s = gm_host_family(host, like ? like : type, &m->subject.family, &own);
    if (s != GPUMEM_OK)
        return unknown_type(path, like ? like : type, &own, err);
    m->subject.values = &m->config->root;
    if (m->subject.family->descend && (inner = gm_value_get(&m->config->root, m->subject.family->descend)) && inner->type == GM_MAP)
        m->subject.values = inner;
    return GPUMEM_OK;
}

static bool class_of(const gm_class *list, uint32_t n, const char *name, const gm_class **out)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) {
            *out = &list[i];
            return true;
        }
    return false;
}

static gpumem_status unknown_class(const gm_family *f, const char *name, gpumem_error *err)
{
    char list[200] = "";
    for (uint32_t i = 0; i < f->nclass; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", f->classes[i].name);
    }
    gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "the family '%s' does not describe the class '%s'", f->manifest->id, name);
    gm_tip(err, "it describes %s", list);
    return GPUMEM_EUNKNOWN;
}

gpumem_status gm_model_warn(gpumem_model *m, const char *sentence, gpumem_error *err)
{
    for (uint32_t i = 0; i < m->nwarning; i++)
        if (strcmp(m->warning[i], sentence) == 0)
            return GPUMEM_OK;
    if (m->nwarning == COUNT(m->warning))
        return GPUMEM_OK;
    m->warning[m->nwarning] = gm_arena_strdup(&m->arena, sentence);
    return m->warning[m->nwarning++] ? GPUMEM_OK : gm_no_memory(err);
}

/* The class asked for, else the config's own, else the family's usual one. */
static gpumem_status choose_class(gpumem_model *m, const char *name, gpumem_error *err)
{
    const gm_family *f = m->subject.family;
    const gm_value *list = gm_value_get(&m->config->root, "architectures");
    const gm_class *c = &f->classes[0], *a;
    if (name && !class_of(f->classes, f->nclass, name, &c)) {
        uint32_t i = 0;
        if (!class_of(f->autos, f->nauto, name, &a))
            return unknown_class(f, name, err);
        while (i < f->nclass && strcmp(f->classes[i].task, a->task) != 0)
            i++;
        if (i == f->nclass)
            return unknown_class(f, name, err);
        c = &f->classes[i];
    } else if (name == NULL && list && list->type == GM_LIST && list->n && list->v.list[0].type == GM_STRING) {
        const char *own = list->v.list[0].v.s;
        if (!class_of(f->classes, f->nclass, own, &c)) {
            char text[200];
            snprintf(text, sizeof text, "the class %s is not described: counted as %s", own, c->name);
            gpumem_status s = gm_model_warn(m, text, err);
            if (s != GPUMEM_OK)
                return s;
        }
    }
    m->subject.class_name = c->name;
    m->subject.task = c->task;
    return GPUMEM_OK;
}

gpumem_status gpumem_model_new(gpumem_host *host, const gpumem_config *config, const gpumem_model_options *options, gpumem_model **out, gpumem_error *err)
{
    static const gpumem_model_options none = {0};
    gpumem_model *m = calloc(1, sizeof *m);
    gpumem_status s;
    *out = NULL;
    if (m == NULL)
        return gm_no_memory(err);
    if (options == NULL)
        options = &none;
    m->host = host;
    m->config = gm_config_hold(config);
    if ((s = choose_family(host, m, options->like, err)) == GPUMEM_OK && (s = choose_class(m, options->class_name, err)) == GPUMEM_OK &&
        (s = gm_model_describe(m, options, err)) == GPUMEM_OK)
        s = count(m, err);
    if (s != GPUMEM_OK) {
        gpumem_model_free(m);
        return s;
    }
    *out = m;
    return GPUMEM_OK;
}

void gpumem_model_free(gpumem_model *m)
{
    if (m == NULL)
        return;
    free(m->e.tensor);
    free(m->e.op);
    free(m->e.operand);
    free(m->e.string);
    free(m->block);
    free(m->port);
    free(m->portname);
    free(m->sequence);
    free(m->layer);
    free(m->remembers);
    free(m->run);
    free(m->used);
    gpumem_config_free((gpumem_config *)m->config);
    gm_arena_free(&m->arena);
    free(m);
}

/* ---- asking ---- */

const gpumem_description *gpumem_model_description(const gpumem_model *m) { return &m->d; }
const char *gpumem_model_class(const gpumem_model *m) { return m->subject.class_name; }
const char *gpumem_model_family(const gpumem_model *m) { return m->subject.family->manifest->id; }
uint64_t gpumem_model_parameters(const gpumem_model *m) { return m->parameters; }
uint64_t gpumem_model_trainable(const gpumem_model *m) { return m->trainable; }

uint64_t gpumem_model_parameters_of(const gpumem_model *m, unsigned family)
{
    return family < GPUMEM_FAMILY_END ? m->by_family[family] : 0;
}

bool gpumem_model_dim(const gpumem_model *m, const char *name, int64_t *value)
{
    for (uint32_t i = 0; i < m->d.ndim; i++)
        if (strcmp(m->dim[i].name, name) == 0) {
            *value = m->dim[i].value;
            return true;
        }
    return false;
}

size_t gpumem_model_warnings(const gpumem_model *m, const char *const **warnings)
{
    *warnings = m->warning;
    return m->nwarning;
}

const char *gpumem_family_name(unsigned family)
{
    static const char *const name[] = {"other", "matrix", "embedding", "head", "norm", "bias", "router", "expert"};
    return family < COUNT(name) ? name[family] : NULL;
}

const char *gpumem_part_name(unsigned part)
{
    static const char *const name[GPUMEM_PART_END] = {
        "other", "embedding", "attention", "mlp", "experts", "router", "norm", "mixer", "head", "tower", "projector"};
    return part < GPUMEM_PART_END ? name[part] : NULL;
}

const char *gpumem_op_name(unsigned kind)
{
    static const char *const name[] = {
        "linear", "embed", "rmsnorm", "layernorm", "rotary", "attention", "act", "mul", "add", "scale", "dropout", "softmax", "softcap", "matmul",
        "view", "split", "concat", "copy", "cast", "pad", "repeat", "index", "sort", "route", "grouped_linear", "combine", "conv", "scan", "loss",
        "rotary_table", "cache", "experts"};
    return kind < COUNT(name) ? name[kind] : kind == GPUMEM_OP_OTHER ? "other" : NULL;
}

/* ---- where values came from ---- */

static const char *as_json(gm_arena *arena, const gm_value *v)
{
    gpumem_text t = {0};
    const char *s;
    gm_value_json(v, &t);
    s = t.failed ? NULL : gm_arena_strndup(arena, t.s, t.n);
    gpumem_text_free(&t);
    return s ? s : "";
}

static const gm_name *name_of(const struct gm_used_key *u)
{
    return &u->subject->family->name[u->slot];
}

static const char *spelling(const struct gm_used_key *u)
{
    return u->origin == GM_ORIGIN_ALIAS ? name_of(u)->alias[u->alias].key : name_of(u)->name;
}

static bool was_used(const gpumem_model *m, const char *key)
{
    for (uint32_t i = 0; i < m->nused; i++)
        if (m->used[i].subject->values == m->subject.values && m->used[i].origin != GM_ORIGIN_DEFAULT && strcmp(spelling(&m->used[i]), key) == 0)
            return true;
    return strcmp(key, "model_type") == 0 || strcmp(key, "architectures") == 0;
}

static const char *put_together(gm_arena *arena, const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *s = gm_arena_alloc(arena, n + m + 1);
    if (s == NULL)
        return b;
    memcpy(s, a, n);
    memcpy(s + n, b, m + 1);
    return s;
}

static void used_key(gpumem_model *m, const struct gm_used_key *u, gpumem_key *out)
{
    const gm_value *v = u->origin == GM_ORIGIN_DEFAULT ? name_of(u)->otherwise : gm_value_get(u->subject->values, spelling(u));
    out->key = put_together(&m->arena, u->subject->prefix, name_of(u)->name);
    out->origin = u->origin == GM_ORIGIN_DEFAULT ? "default" : u->origin == GM_ORIGIN_CONFIG ? "config" : put_together(&m->arena, "alias ", spelling(u));
    out->value = v ? as_json(&m->arena, v) : "";
}

size_t gpumem_model_keys(const gpumem_model *model, const gpumem_key **keys)
{
    gpumem_model *m = (gpumem_model *)model;
    if (m->key == NULL) {
        m->key = gm_arena_zero(&m->arena, m->nused + m->subject.values->n + 1u, sizeof *m->key);
        if (m->key == NULL)
            return 0;
        for (uint32_t i = 0; i < m->nused; i++)
            used_key(m, &m->used[i], &m->key[m->nkey++]);
        for (uint32_t i = 0; i < m->subject.values->n; i++)
            if (!was_used(m, m->subject.values->v.map[i].key))
                m->key[m->nkey++] = (gpumem_key){m->subject.values->v.map[i].key, as_json(&m->arena, &m->subject.values->v.map[i].value), "ignored"};
    }
    *keys = m->key;
    return m->nkey;
}
