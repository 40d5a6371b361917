/* The tensors of the files and those of the architecture, side by side. */
#include "source/weights_private.h"
#include "model/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AS_IS, WITHOUT_FIRST, WITH_PREFIX, PREFIXES };

typedef struct comparer {
    const gpumem_weights *w;
    gm_nameset name;      /* of parameters that files have, to tensors */
    char **owned;         /* names that were made for it */
    uint32_t nowned;
    unsigned char *seen;  /* by tensor */
    unsigned how;         /* of PREFIXES: how the names of the architecture become those of the files */
    char prefix[64];      /* WITH_PREFIX: the base model's, with its dot */
    uint64_t match[PREFIXES];
    int (*each)(void *, const gpumem_difference *);
    void *self;
    gpumem_comparison *sum;
    bool stop;
} comparer;

/* A name of the architecture as the files have it. */
static const char *spelt(const comparer *c, unsigned how, const char *name, char *buf, size_t size)
{
    const char *dot = strchr(name, '.');
    if (how == WITHOUT_FIRST)
        return dot ? dot + 1 : name;
    if (how == WITH_PREFIX && c->prefix[0] && snprintf(buf, size, "%s%s", c->prefix, name) < (int)size)
        return buf;
    return name;
}

/* Old checkpoints call the parameters of norms so; transformers renames them for every model (conversion_mapping.py, "legacy"). */
static uint32_t find_old(const comparer *c, const char *name)
{
    static const char *const pair[][2] = {{".weight", ".gamma"}, {".bias", ".beta"}};
    size_t n = strlen(name);
    char buf[512];
    for (unsigned i = 0; i < 2; i++) {
        size_t k = strlen(pair[i][0]);
        int made = n > k && strcmp(name + n - k, pair[i][0]) == 0 ? snprintf(buf, sizeof buf, "%.*s%s", (int)(n - k), name, pair[i][1]) : -1;
        if (made > 0 && (size_t)made < sizeof buf)
            return gm_nameset_find(&c->name, buf, (size_t)made);
    }
    return UINT32_MAX;
}

static uint32_t find(const comparer *c, unsigned how, const char *name)
{
    char buf[512];
    const char *s = spelt(c, how, name, buf, sizeof buf);
    uint32_t at = gm_nameset_find(&c->name, s, strlen(s));
    return at == UINT32_MAX ? find_old(c, s) : at;
}

static int try_prefixes(void *self, const gpumem_stored_tensor *t)
{
    comparer *c = self;
    for (unsigned how = 0; how < PREFIXES; how++)
        c->match[how] += find(c, how, t->name) != UINT32_MAX;
    return 0;
}

/* The first component of most names of the files: what a head's checkpoint puts before its base model. */
static void guess_prefix(comparer *c)
{
    const char *name = c->w->n ? c->w->tensor[c->w->n / 2].name : "", *dot = strchr(name, '.');
    if (dot && (size_t)(dot - name) < sizeof c->prefix - 1)
        snprintf(c->prefix, sizeof c->prefix, "%.*s.", (int)(dot - name), name);
}

static void differs(comparer *c, gpumem_difference_kind kind, const char *name, const gpumem_stored_tensor *t, const gpumem_weight *w)
{
    gpumem_difference d = {kind, name, t, w};
    c->sum->missing += kind == GPUMEM_DIFFERENCE_MISSING;
    c->sum->extra += kind == GPUMEM_DIFFERENCE_EXTRA;
    c->sum->shape += kind == GPUMEM_DIFFERENCE_SHAPE;
    if (!c->stop && c->each)
        c->stop = c->each(c->self, &d) != 0;
}

static bool same_shape(const gpumem_stored_tensor *t, const gpumem_weight *w)
{
    uint64_t n = 1;
    bool same = t->ndim == w->ndim;
    for (uint32_t i = 0; i < t->ndim; i++) {
        n *= t->dim[i];
        same = same && t->dim[i] == w->dim[i];
    }
    return same || (w->parameters != w->elements && w->parameters == n); /* packed */
}

static int compare_one(void *self, const gpumem_stored_tensor *t)
{
    comparer *c = self;
    uint32_t at = find(c, c->how, t->name);
    if (at == UINT32_MAX) {
        if (t->role == GPUMEM_ROLE_WEIGHT) /* buffers are made anew when a model is loaded */
            differs(c, GPUMEM_DIFFERENCE_MISSING, t->name, t, NULL);
        return 0;
    }
    c->seen[at] = 1;
    if (same_shape(t, &c->w->tensor[at]))
        c->sum->same++;
    else
        differs(c, GPUMEM_DIFFERENCE_SHAPE, t->name, t, &c->w->tensor[at]);
    return 0;
}

static gpumem_status index_names(comparer *c, gpumem_error *err)
{
    const gpumem_weights *w = c->w;
    char buf[512];
    for (uint32_t i = 0; i < w->n; i++) {
        const char *name = w->tensor[i].parameters ? gm_quantised_name(w->tensor[i].name, buf, sizeof buf) : w->tensor[i].name;
        uint32_t found;
        if (name == buf) {
            if ((c->owned[c->nowned] = strdup(buf)) == NULL)
                return gm_no_memory(err);
            name = c->owned[c->nowned++];
        }
        if (gm_nameset_put(&c->name, name, (uint32_t)strlen(name), i, &found))
            return gm_no_memory(err);
    }
    return GPUMEM_OK;
}

/* A tied tensor may be stored a second time: lm_head.weight beside the embedding. */
static int mark_tied(void *self, const gpumem_stored_tensor *t)
{
    comparer *c = self;
    uint32_t at = t->tied ? find(c, c->how, t->name) : UINT32_MAX;
    if (at != UINT32_MAX && !c->seen[at]) {
        c->seen[at] = 1;
        c->sum->same++;
    }
    return 0;
}

static gpumem_status compare(comparer *c, const gpumem_model *model, gpumem_error *err)
{
    gpumem_status s = index_names(c, err);
    if (s != GPUMEM_OK)
        return s;
    guess_prefix(c);
    if ((s = gpumem_model_tensors(model, true, try_prefixes, c, err)) != GPUMEM_OK)
        return s;
    for (unsigned how = 1; how < PREFIXES; how++)
        if (c->match[how] > c->match[c->how])
            c->how = how;
    if ((s = gpumem_model_tensors(model, true, compare_one, c, err)) != GPUMEM_OK ||
        (s = gpumem_model_tensors(model, false, mark_tied, c, err)) != GPUMEM_OK)
        return s;
    for (uint32_t i = 0; i < c->w->n; i++)
        if (!c->seen[i] && c->w->tensor[i].parameters)
            differs(c, GPUMEM_DIFFERENCE_EXTRA, c->w->tensor[i].name, NULL, &c->w->tensor[i]);
    return GPUMEM_OK;
}

gpumem_status gpumem_weights_compare(const gpumem_weights *weights, const gpumem_model *model, int (*each)(void *self, const gpumem_difference *d),
                                     void *self, gpumem_comparison *out, gpumem_error *err)
{
    comparer c = {.w = weights, .each = each, .self = self, .sum = out};
    gpumem_status s;
    *out = (gpumem_comparison){0};
    if (weights->n == 0)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "the names of the tensors are not known: .bin files are only sized");
    if (weights->has_metadata)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "GGUF files name their tensors otherwise: they cannot be compared by name");
    c.owned = calloc(weights->n, sizeof *c.owned);
    c.seen = calloc(weights->n, 1);
    s = c.owned && c.seen ? compare(&c, model, err) : gm_no_memory(err);
    for (uint32_t i = 0; i < c.nowned; i++)
        free(c.owned[i]);
    free(c.owned);
    free(c.seen);
    gm_nameset_free(&c.name);
    return s;
}
