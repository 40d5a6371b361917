/* From a family and a config to a description. */
#include "model/build.h"
#include "model/part.h"
#include "model/runs.h"
#include "plugin/set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LAYERS 100000
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *where(const gpumem_model *m)
{
    return m->config->path[0] ? m->config->path : m->config->name;
}

/* ---- symbols, inputs, buffers ---- */

static gpumem_status make_symbols(gm_build *b, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    e->sym = gm_arena_zero(&b->m->arena, GPUMEM_MAX_SYMBOLS, sizeof *e->sym);
    if (e->sym == NULL)
        return gm_no_memory(err);
    e->max_sym = GPUMEM_MAX_SYMBOLS;
    e->sym[0].name = "1";
    e->nsym = 1;
    return GPUMEM_OK;
}

/* The description's symbol of an input of the evaluation; families share it. */
static gpumem_status symbol_of(gm_build *b, const char *input, uint8_t *out, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    uint32_t i = 1;
    while (i < e->nsym && (e->sym[i].op != GPUMEM_SYM_INPUT || strcmp(e->sym[i].name, input) != 0))
        i++;
    if (i == e->max_sym)
        return gm_fail(err, GPUMEM_EPLUGIN, b->frame->f->manifest->path, 0, 0, "symbols: more than %d in one model", GPUMEM_MAX_SYMBOLS);
    if (i == e->nsym)
        e->sym[e->nsym++] = (gpumem_symbol){.op = GPUMEM_SYM_INPUT, .name = input};
    *out = (uint8_t)i;
    return GPUMEM_OK;
}

static gpumem_status make_inputs(gm_build *b, gpumem_error *err)
{
    const gm_family *f = b->frame->f;
    for (uint32_t i = 0; i < f->ninput; i++) {
        const gm_input *in = &f->input[i];
        gpumem_dim dim[GPUMEM_MAX_DIMS];
        uint32_t port;
        gpumem_status s = gm_build_reserve(b, err);
        if (s == GPUMEM_OK)
            s = gm_build_port(b, in->port, &port, err);
        for (uint32_t d = 0; s == GPUMEM_OK && d < in->ndim && d < GPUMEM_MAX_DIMS; d++) {
            uint8_t sym = 0;
            s = symbol_of(b, f->symbol[in->sym[d] - 1].input, &sym, err);
            dim[d] = gpumem_dim_of(1, sym, d == 0 ? GPUMEM_AXIS_BATCH : GPUMEM_AXIS_SEQ);
        }
        if (s != GPUMEM_OK)
            return s;
        if (b->global[port] != GPUMEM_NONE && b->e->tensor[b->global[port]].role == GPUMEM_ROLE_INPUT)
            continue; /* another part of the model has asked for it */
        b->local[port] = gpumem_emit_tensor(b->e, in->name, GPUMEM_ROLE_INPUT, 0, in->dtype, in->ndim, dim);
        b->written[port] = true;
        if (b->e->status != GPUMEM_OK)
            return gm_fail(err, GPUMEM_EINTERNAL, NULL, 0, 0, "an input could not be described");
    }
    return GPUMEM_OK;
}

static gpumem_status bad_shape(gm_build *b, const gm_buffer *from, const gm_expr *e, const gm_value *x, gpumem_error *err)
{
    char keys[200], shown[64];
    if (*gm_family_blame(b->frame->f, b->frame->values.subject->prefix, e, keys, sizeof keys) == 0)
        return gm_fail(err, GPUMEM_EPLUGIN, gm_expr_file(e), gm_expr_line(e), gm_expr_column(e), "an extent of the buffer %s is %s, expected an integer of 1 or more",
                       from->name, gm_value_show(x, shown, sizeof shown));
    gm_fail(err, GPUMEM_ECONFIG, where(b->m), 0, 0, "%s: an extent of the buffer %s is %s, expected an integer of 1 or more", keys, from->name,
            gm_value_show(x, shown, sizeof shown));
    gm_tip(err, "%s:%u:%u: %s", gm_expr_file(e), gm_expr_line(e), gm_expr_column(e), gm_expr_text(e));
    return GPUMEM_ECONFIG;
}

static gpumem_status make_buffers(gm_build *b, gpumem_error *err)
{
    for (uint32_t i = 0; i < b->frame->f->nbuffer; i++) {
        const gm_buffer *from = &b->frame->f->buffer[i];
        gpumem_dim dim[GPUMEM_MAX_DIMS];
        bool yes;
        gpumem_status s = gm_values_true(&b->frame->values, from->when, &yes, err);
        if (s == GPUMEM_OK && yes)
            s = gm_build_reserve(b, err);
        for (uint32_t d = 0; s == GPUMEM_OK && yes && d < from->ndim; d++) {
            gm_value x;
            s = gm_values_eval(&b->frame->values, from->shape[d], &x, err);
            if (s == GPUMEM_OK && (x.type != GM_INT || x.v.i < 1 || x.v.i > GPUMEM_SIZE_MAX))
                s = bad_shape(b, from, from->shape[d], &x, err);
            if (s == GPUMEM_OK)
                dim[d] = gpumem_dim_of((uint64_t)x.v.i, 0, GPUMEM_AXIS_NONE);
        }
        if (s != GPUMEM_OK)
            return s;
        if (!yes)
            continue;
        gpumem_text_clear(&b->path);
        gpumem_text_puts(&b->path, from->name);
        gm_build_rename(b);
        if (b->path.failed)
            return gm_no_memory(err);
        gpumem_emit_tensor(b->e, b->path.s, GPUMEM_ROLE_BUFFER, 0, from->dtype, from->ndim, dim);
        if (b->e->status != GPUMEM_OK)
            return gm_fail(err, GPUMEM_EPLUGIN, b->frame->f->manifest->path, 0, 0, "the buffer %s could not be described", from->name);
    }
    return GPUMEM_OK;
}

/* ---- tags: what name patterns say of the parameters of a layer ---- */

static uint16_t tags_of(gm_build *b, const gpumem_tensor *t, uint32_t layer)
{
    const char *name = b->e->string + t->name, *i = strstr(name, "{i}");
    uint16_t tags = t->tag & GPUMEM_TAG_FIXED ? GPUMEM_TAG_FIXED | GPUMEM_TAG_FROZEN : 0;
    gpumem_text_clear(&b->path);
    gpumem_text_put(&b->path, name, i ? (size_t)(i - name) : strlen(name));
    if (i) {
        gpumem_text_u64(&b->path, layer);
        gpumem_text_puts(&b->path, i + 3);
    }
    if (b->path.failed) {
        b->short_of_memory = true;
        return 0;
    }
    if (b->freeze && gm_regex_match(b->freeze, b->path.s, &b->short_of_memory) != b->freeze_others)
        tags |= GPUMEM_TAG_FROZEN;
    if (b->wide && gm_patterns_match(b->wide, b->path.s, &b->short_of_memory))
        tags |= GPUMEM_TAG_WIDE;
    return tags;
}

static bool has_tags(const gm_build *b, const gpumem_tensor *t)
{
    return (b->freeze || b->wide) && t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE;
}

static void tag_block(gm_build *b, uint32_t tensor0, uint32_t ntensor, uint32_t layer)
{
    for (uint32_t i = tensor0; i < tensor0 + ntensor; i++)
        if (has_tags(b, &b->e->tensor[i]))
            b->e->tensor[i].tag = tags_of(b, &b->e->tensor[i], layer);
}

/* Would this layer's parameters have the tags of a block that is there? */
static bool tags_agree(gm_build *b, const gpumem_block *k, uint32_t layer)
{
    for (uint32_t i = k->tensor0; i < k->tensor0 + k->ntensor; i++)
        if (has_tags(b, &b->e->tensor[i]) && tags_of(b, &b->e->tensor[i], layer) != b->e->tensor[i].tag)
            return false;
    return true;
}

static gpumem_status make_freeze(gm_build *b, const char *pattern, regex_t *regex, gpumem_error *err)
{
    if (pattern == NULL || *pattern == 0)
        return GPUMEM_OK;
    b->freeze_others = *pattern == '!';
    int rc = regcomp(regex, pattern + b->freeze_others, REG_EXTENDED | REG_NOSUB);
    if (rc == REG_ESPACE)
        return gm_no_memory(err);
    if (rc) {
        char why[128];
        regerror(rc, regex, why, sizeof why);
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "freeze: '%s' is no regular expression: %s", pattern, why);
    }
    b->freeze = regex;
    return GPUMEM_OK;
}

/* ---- layers ---- */

static void key_wire(gm_build *b, const gm_wire *w, gpumem_error *err, gpumem_status *s)
{
    bool yes = true;
    if (*s == GPUMEM_OK && w->when)
        *s = gm_values_true(&b->frame->values, w->when, &yes, err);
    gpumem_text_char(&b->key, yes ? 'y' : 'n');
}

/* What the manifest says of layer `values.layer` and may say otherwise of others. */
static gpumem_status layer_key(gm_build *b, gm_stack *st, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    gpumem_text_clear(&b->key);
    if (st->at_by_layer)
        s = gm_build_path(b, st->at, &b->key, err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < st->layer.n; i++) {
        gm_step *step = &st->layer.step[i];
        bool yes = true;
        gm_value once;
        if (step->when)
            s = gm_values_true(&b->frame->values, step->when, &yes, err);
        gpumem_text_char(&b->key, yes ? '+' : '-');
        if (s == GPUMEM_OK && yes && step->as && strchr(step->as, '{'))
            s = gm_build_path(b, step->as, &b->key, err);
        if (s == GPUMEM_OK && yes && step->once && (s = gm_values_eval(&b->frame->values, step->once, &once, err)) == GPUMEM_OK)
            gm_value_json(&once, &b->key);
        if (s != GPUMEM_OK || !yes || (s = gm_family_resolve(b->frame->f, step, err)) != GPUMEM_OK || !step->by_layer)
            continue;
        for (uint32_t k = 0; s == GPUMEM_OK && k < step->component->nparam; k++) {
            gm_value x;
            if (gm_expr_constant(step->param[k], &x))
                continue;
            if ((s = gm_values_eval(&b->frame->values, step->param[k], &x, err)) == GPUMEM_OK) {
                gm_value_json(&x, &b->key);
                gpumem_text_char(&b->key, ';');
            }
        }
        for (uint32_t k = 0; k < step->nin; k++)
            key_wire(b, &step->in[k], err, &s);
        for (uint32_t k = 0; k < step->nout; k++)
            key_wire(b, &step->out[k], err, &s);
    }
    return s == GPUMEM_OK && b->key.failed ? gm_no_memory(err) : s;
}

static uint32_t hash_bytes(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

/* Would this layer read from its ports what that block does? */
static bool imports_agree(const gm_build *b, const gpumem_block *k)
{
    for (uint32_t i = 0; i < k->nimport; i++) {
        gpumem_port in = b->imports.port[k->import0 + i];
        const gpumem_tensor *have = &b->e->tensor[in.tensor], *now;
        if (b->global[in.port] == GPUMEM_NONE)
            return false;
        now = &b->e->tensor[b->global[in.port]];
        if (have->role != now->role || have->ndim != now->ndim || memcmp(have->dim, now->dim, have->ndim * sizeof *have->dim) != 0)
            return false;
        if (have->role != GPUMEM_ROLE_ACTIVATION && have->storage != (now->storage == GPUMEM_NONE ? b->global[in.port] : now->storage))
            return false;
    }
    return true;
}

static const gm_layer_block *find_layer(gm_build *b, uint32_t layer)
{
    uint32_t h = hash_bytes(b->key.s, b->key.n);
    for (uint32_t i = b->bucket[h % GM_BUCKETS]; i; i = b->distinct[i - 1].next) {
        const gm_layer_block *d = &b->distinct[i - 1];
        if (d->hash == h && d->nkey == b->key.n && memcmp(d->key, b->key.s, d->nkey) == 0 &&
            imports_agree(b, &b->m->block[d->block]) && tags_agree(b, &b->m->block[d->block], layer))
            return d;
    }
    return NULL;
}

static gpumem_status remember_layer(gm_build *b, const char *key, size_t n, gpumem_error *err)
{
    if (b->ndistinct == b->max_distinct) {
        uint32_t max = b->max_distinct ? b->max_distinct * 2 : 16;
        void *now = realloc(b->distinct, max * sizeof *b->distinct);
        if (now == NULL)
            return gm_no_memory(err);
        b->distinct = now;
        b->max_distinct = max;
    }
    uint32_t h = hash_bytes(key, n), *bucket = &b->bucket[h % GM_BUCKETS];
    b->distinct[b->ndistinct++] = (gm_layer_block){b->nblock - 1, h, key, n, *bucket};
    *bucket = b->ndistinct;
    return GPUMEM_OK;
}

static gpumem_status build_layer(gm_build *b, gm_stack *st, uint32_t layer, gpumem_error *err)
{
    size_t n = b->key.n;
    char *key = gm_arena_strndup(&b->frame->values.arena, b->key.s, n);
    gpumem_status s = key ? gm_build_begin(b, "layer", layer, err) : gm_no_memory(err);
    uint32_t tensor0 = b->e->ntensor;
    for (uint32_t i = 0; s == GPUMEM_OK && i < st->layer.n; i++)
        s = gm_build_step(b, &st->layer.step[i], st->at, i, err);
    if (s != GPUMEM_OK)
        return s;
    tag_block(b, tensor0, b->e->ntensor - tensor0, layer);
    s = gm_build_end(b, err);
    return s == GPUMEM_OK ? remember_layer(b, key, n, err) : s;
}

static bool layers_alike(const gm_build *b, const gm_stack *st)
{
    for (uint32_t i = 0; i < st->layer.n; i++)
        if (st->layer.step[i].when_by_layer || st->layer.step[i].by_layer)
            return false;
    return b->freeze == NULL && b->wide == NULL && !st->at_by_layer;
}

static gpumem_status count_layers(gm_build *b, gm_stack *st, uint32_t *out, gpumem_error *err)
{
    gm_value x;
    char keys[200], shown[64];
    gpumem_status s = gm_values_eval(&b->frame->values, st->layers, &x, err);
    if (s != GPUMEM_OK)
        return s;
    if (x.type != GM_INT || x.v.i < 1 || x.v.i > MAX_LAYERS) {
        gm_family_blame(b->frame->f, b->frame->values.subject->prefix, st->layers, keys, sizeof keys);
        return gm_fail(err, GPUMEM_ECONFIG, where(b->m), 0, 0, "%s: the number of layers is %s, expected an integer from 1 to %d", keys,
                       gm_value_show(&x, shown, sizeof shown), MAX_LAYERS);
    }
    *out = (uint32_t)x.v.i;
    return GPUMEM_OK;
}

static gpumem_status build_layers(gm_build *b, gm_stack *st, gpumem_error *err)
{
    uint32_t layers = 0;
    gpumem_status s = st->layers ? count_layers(b, st, &layers, err) : GPUMEM_OK;
    uint32_t last = GPUMEM_NONE;
    b->ndistinct = 0;
    memset(b->bucket, 0, sizeof b->bucket);
    for (uint32_t i = 0; s == GPUMEM_OK && i < layers; i++) {
        const gm_layer_block *d = NULL;
        b->frame->values.layer = i;
        if ((s = layer_key(b, st, err)) != GPUMEM_OK)
            break;
        if ((d = find_layer(b, i)) == NULL) {
            s = build_layer(b, st, i, err);
        } else {
            s = gm_build_again(b, d->block, err);
            /* Where no step looks at the layer, two alike in a row say what the others are. */
            for (uint32_t block = d->block; s == GPUMEM_OK && block == last && i + 1 < layers && layers_alike(b, st); i++)
            {
                b->frame->values.layer = (int64_t)i + 1;
                s = gm_build_again(b, block, err);
            }
        }
        if (s == GPUMEM_OK)
            last = b->m->sequence[b->nsequence - 1];
    }
    b->frame->values.layer = -1;
    return s;
}

static gpumem_status build_around(gm_build *b, const char *name, gm_steps *steps, bool first, gpumem_error *err)
{
    gpumem_status s;
    uint32_t tensor0;
    if (steps->n == 0 && !first)
        return GPUMEM_OK;
    s = gm_build_begin(b, name, GPUMEM_NONE, err);
    tensor0 = b->e->ntensor;
    if (s == GPUMEM_OK && first && (s = make_inputs(b, err)) == GPUMEM_OK)
        s = make_buffers(b, err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < steps->n; i++)
        s = gm_build_step(b, &steps->step[i], "", i, err);
    if (s != GPUMEM_OK)
        return s;
    tag_block(b, tensor0, b->e->ntensor - tensor0, 0);
    return gm_build_end(b, err);
}

/* ---- the finished description ---- */

/* Imports and exports side by side, exports only of ports that some block reads. */
static gpumem_status finish_ports(gm_build *b, gpumem_error *err)
{
    gpumem_model *m = b->m;
    uint32_t n = 0;
    m->port = malloc((b->imports.n + b->exports.n + 1u) * sizeof *m->port);
    m->portname = malloc((b->nport + 1u) * sizeof *m->portname);
    if (m->port == NULL || m->portname == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < b->nblock; i++) {
        gpumem_block *k = &m->block[i];
        uint32_t in = k->import0, out = k->export0, nout = 0;
        k->import0 = n;
        for (uint32_t p = 0; p < k->nimport; p++)
            m->port[n++] = b->imports.port[in + p];
        k->export0 = n;
        for (uint32_t p = 0; p < k->nexport; p++)
            if (b->read[b->exports.port[out + p].port]) {
                m->port[n++] = b->exports.port[out + p];
                nout++;
            }
        k->nexport = nout;
    }
    for (uint32_t i = 0; i < b->nport; i++) {
        m->portname[i] = gm_build_string(b, b->portname[i], strlen(b->portname[i]), err);
        if (m->portname[i] == GPUMEM_NONE)
            return GPUMEM_ENOMEM;
    }
    m->d.nport = n;
    m->d.nportname = b->nport;
    return GPUMEM_OK;
}

static gpumem_status finish(gm_build *b, gpumem_error *err)
{
    gpumem_model *m = b->m;
    gpumem_description *d = &m->d;
    gpumem_status s = finish_ports(b, err);
    if (s != GPUMEM_OK)
        return s;
    m->run = malloc((b->nsequence + 1u) * sizeof *m->run);
    if (m->run == NULL)
        return gm_no_memory(err);
    d->size = sizeof *d;
    d->nsym = b->e->nsym;
    d->ntensor = b->e->ntensor;
    d->nop = b->e->nop;
    d->noperand = b->e->noperand;
    d->nblock = b->nblock;
    d->nsequence = b->nsequence;
    d->nrun = gm_runs_find(m->sequence, b->nsequence, m->run);
    d->nstring = b->e->nstring;
    d->sym = b->e->sym;
    d->tensor = b->e->tensor;
    d->op = b->e->op;
    d->operand = b->e->operand;
    d->port = m->port;
    d->portname = m->portname;
    d->block = m->block;
    d->sequence = m->sequence;
    d->run = m->run;
    d->string = b->e->string;
    d->dim = m->dim;
    return GPUMEM_OK;
}

/* Of a model that is composed of others, a size is what it says itself, else what the last of them says. */
static void set_dim(gm_build *b, const char *name, int64_t value)
{
    gpumem_model *m = b->m;
    uint32_t i = 0;
    while (i < m->d.ndim && strcmp(m->dim[i].name, name) != 0)
        i++;
    if (i < m->d.ndim && b->frame->outer && gm_family_slot(m->subject.family, GM_NAME_DIM, name) >= 0)
        return;
    m->dim[i] = (gpumem_named){name, value};
    if (i == m->d.ndim)
        m->d.ndim++;
}

/* The sizes that closed formulas ask for; what other dims divide by comes first. */
static gpumem_status make_dims(gm_build *b, gpumem_error *err)
{
    static const char *const name[] = {"hidden", "layers", "heads", "vocab", "kv_heads", "head_dim", "intermediate", "positions"};
    for (size_t i = 0; i < COUNT(name); i++) {
        int slot = gm_family_slot(b->frame->f, GM_NAME_DIM, name[i]);
        char keys[200], shown[64];
        const gm_expr *expr;
        gm_value x;
        if (slot < 0)
            continue;
        expr = b->frame->f->name[slot].expr;
        gpumem_status s = gm_values_eval(&b->frame->values, expr, &x, err);
        if (s != GPUMEM_OK)
            return s;
        if (x.type == GM_NULL || x.type == GM_LIST)
            continue;
        gm_family_blame(b->frame->f, b->frame->values.subject->prefix, expr, keys, sizeof keys);
        if (x.type != GM_INT || x.v.i < 1 || x.v.i > GPUMEM_SIZE_MAX)
            return gm_fail(err, GPUMEM_ECONFIG, where(b->m), 0, 0, "%s%s'%s' is %s, expected an integer from 1 to %d", keys, *keys ? ": " : "", name[i],
                           gm_value_show(&x, shown, sizeof shown), GPUMEM_SIZE_MAX);
        set_dim(b, name[i], x.v.i);
    }
    return GPUMEM_OK;
}

static gpumem_status check_required(gm_build *b, gpumem_error *err)
{
    for (uint32_t i = 0; i < b->frame->f->nrequire; i++) {
        bool yes;
        gpumem_status s = gm_values_true(&b->frame->values, b->frame->f->require[i].that, &yes, err);
        if (s != GPUMEM_OK)
            return s;
        if (!yes) {
            const char *prefix = b->frame->values.subject->prefix;
            int n = (int)strlen(prefix); /* ends with a dot */
            gm_fail(err, GPUMEM_ECONFIG, where(b->m), 0, 0, "%.*s%s%s", n ? n - 1 : 0, prefix, n ? ": " : "", b->frame->f->require[i].say);
            gm_tip(err, "%s:%u: it must be that %s", gm_expr_file(b->frame->f->require[i].that), gm_expr_line(b->frame->f->require[i].that),
                   gm_expr_text(b->frame->f->require[i].that));
            return GPUMEM_ECONFIG;
        }
    }
    return GPUMEM_OK;
}

static gpumem_status make_warnings(gm_build *b, gpumem_error *err)
{
    const gm_family *f = b->frame->f;
    gpumem_status s = f->unchecked ? gm_model_warn(b->m, f->unchecked, err) : GPUMEM_OK;
    for (uint32_t i = 0; s == GPUMEM_OK && i < f->nwarn; i++) {
        bool yes;
        s = gm_values_true(&b->frame->values, f->warn[i].that, &yes, err);
        if (s == GPUMEM_OK && !yes)
            s = gm_model_warn(b->m, f->warn[i].say, err);
    }
    return s;
}

static gpumem_status build_family(gm_build *b, gpumem_error *err);

static void note_family(gpumem_model *m, gm_family *f)
{
    uint32_t i = 0;
    while (i < m->npart && m->part[i] != f)
        i++;
    if (i == m->npart && m->npart < COUNT(m->part))
        m->part[m->npart++] = f;
}

static gpumem_status build_part(gm_build *b, const gm_stack *st, gpumem_error *err)
{
    gm_subject *subject = gm_arena_zero(&b->m->arena, 1, sizeof *subject);
    gm_frame frame = {.part = st, .outer = b->frame};
    const gm_value *use_cache;
    uint32_t depth = 0;
    gpumem_status s;
    for (const gm_frame *fr = b->frame; fr; fr = fr->outer)
        depth++;
    if (depth > 4)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, st->line, st->column, "family: more than 4 families in one another");
    if (subject == NULL)
        return gm_no_memory(err);
    if ((s = gm_part_subject(&b->frame->values, st, subject, err)) != GPUMEM_OK)
        return s;
    note_family(b->m, subject->family);
    frame.f = subject->family;
    use_cache = st->config ? gm_value_get(subject->values, "use_cache") : NULL;
    frame.remembers = st->config ? use_cache == NULL || use_cache->type != GM_BOOL || use_cache->v.b : b->frame->remembers;
    gm_values_init(&frame.values, b->m, subject);
    b->frame = &frame;
    s = build_family(b, err);
    b->frame = frame.outer;
    free(frame.port);
    gm_values_free(&frame.values);
    return s;
}

static gpumem_status build_family(gm_build *b, gpumem_error *err)
{
    gm_family *f = b->frame->f;
    bool first = true;
    gpumem_status s;
    if ((s = make_dims(b, err)) != GPUMEM_OK || (s = check_required(b, err)) != GPUMEM_OK || (s = make_warnings(b, err)) != GPUMEM_OK)
        return s;
    for (uint32_t i = 0; i < f->nstack; i++) {
        gm_stack *st = &f->stack[i];
        bool yes;
        if ((s = gm_values_true(&b->frame->values, st->when, &yes, err)) != GPUMEM_OK)
            return s;
        if (!yes)
            continue;
        if (st->family) {
            if ((s = build_part(b, st, err)) != GPUMEM_OK)
                return s;
            continue;
        }
        if ((s = build_around(b, "before", &st->before, first, err)) != GPUMEM_OK || (s = build_layers(b, st, err)) != GPUMEM_OK ||
            (s = build_around(b, "after", &st->after, false, err)) != GPUMEM_OK)
            return s;
        first = false;
    }
    return GPUMEM_OK;
}

static gpumem_status make_wide(gm_build *b, const gpumem_set *set, gpumem_error *err)
{
    const gm_value *quantization, *keep = NULL;
    const char *precision;
    if (set == NULL)
        return GPUMEM_OK;
    gpumem_status s = gm_set_quantization(set, &b->m->config->root, &b->m->arena, &quantization, &precision, &keep, err);
    return s == GPUMEM_OK && keep && keep->n ? gm_patterns_new(keep, &b->wide, err) : s;
}

gpumem_status gm_model_describe(gpumem_model *m, const gpumem_model_options *options, gpumem_error *err)
{
    gm_frame frame = {.f = m->subject.family};
    gm_build b = {.m = m, .e = &m->e, .frame = &frame};
    regex_t regex;
    gpumem_status s;
    m->e.size = sizeof m->e;
    gm_values_init(&frame.values, m, &m->subject);
    if ((s = make_freeze(&b, options->freeze, &regex, err)) == GPUMEM_OK && (s = make_wide(&b, options->set, err)) == GPUMEM_OK && (s = make_symbols(&b, err)) == GPUMEM_OK && (s = build_family(&b, err)) == GPUMEM_OK)
        s = finish(&b, err);
    if (s == GPUMEM_OK && b.short_of_memory)
        s = gm_no_memory(err);
    if (b.freeze)
        regfree(&regex);
    gm_patterns_free(b.wide);
    free(frame.port);
    free(b.imports.port);
    free(b.exports.port);
    free(b.distinct);
    gm_map_free(&b.shared, NULL);
    gpumem_text_free(&b.key);
    gpumem_text_free(&b.path);
    gm_values_free(&frame.values);
    return s;
}
