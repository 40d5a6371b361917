#include "model/build.h"
#include "model/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS (1u << 20)
#define MAX_STRINGS (1u << 28)

/* ---- room ---- */

static gpumem_status room(void *items, size_t size, uint32_t n, uint32_t *max, uint32_t more, uint32_t limit, gpumem_error *err)
{
    void *now; /* items points to a pointer of any type */
    uint32_t want = *max ? *max : 64;
    if (*max - n >= more && *max)
        return GPUMEM_OK;
    while (want - n < more)
        want *= 2;
    if (want > limit)
        return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "the model's description is too large");
    memcpy(&now, items, sizeof now);
    now = realloc(now, want * size);
    if (now == NULL)
        return gm_no_memory(err);
    memcpy(items, &now, sizeof now);
    *max = want;
    return GPUMEM_OK;
}

static gpumem_status reserve(gm_build *b, uint32_t scale, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    gpumem_status s;
    if ((s = room(&e->tensor, sizeof *e->tensor, e->ntensor, &e->max_tensor, 48 * scale, MAX_TENSORS, err)) != GPUMEM_OK ||
        (s = room(&e->op, sizeof *e->op, e->nop, &e->max_op, 48 * scale, MAX_TENSORS, err)) != GPUMEM_OK ||
        (s = room(&e->operand, sizeof *e->operand, e->noperand, &e->max_operand, 192 * scale, 8 * MAX_TENSORS, err)) != GPUMEM_OK ||
        (s = room(&e->string, 1, e->nstring, &e->max_string, 4096 * scale, MAX_STRINGS, err)) != GPUMEM_OK)
        return s;
    return GPUMEM_OK;
}

gpumem_status gm_build_reserve(gm_build *b, gpumem_error *err)
{
    return reserve(b, 1, err);
}

uint32_t gm_build_string(gm_build *b, const char *s, size_t n, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    uint32_t at = e->nstring;
    if (n >= MAX_STRINGS || room(&e->string, 1, e->nstring, &e->max_string, (uint32_t)n + 1, MAX_STRINGS, err) != GPUMEM_OK)
        return GPUMEM_NONE;
    memcpy(e->string + at, s, n);
    e->string[at + n] = 0;
    e->nstring += (uint32_t)n + 1;
    return at;
}

static gpumem_status add_port(gm_ports *p, uint32_t port, uint32_t tensor, gpumem_error *err)
{
    gpumem_status s = room(&p->port, sizeof *p->port, p->n, &p->max, 1, 8 * MAX_TENSORS, err);
    if (s == GPUMEM_OK)
        p->port[p->n++] = (gpumem_port){port, tensor};
    return s;
}

static gpumem_status more_ports(gm_build *b, gpumem_error *err)
{
    uint32_t n = b->max_port ? b->max_port * 2 : 32;
    void *grown[5];
    void *const old[5] = {b->portname, b->local, b->global, b->written, b->read};
    const size_t size[5] = {sizeof *b->portname, sizeof *b->local, sizeof *b->global, sizeof *b->written, sizeof *b->read};
    for (int i = 0; i < 5; i++) { /* of the model's arena: there are few ports */
        grown[i] = gm_arena_zero(&b->m->arena, n, size[i]);
        if (grown[i] == NULL)
            return gm_no_memory(err);
        if (b->nport)
            memcpy(grown[i], old[i], b->nport * size[i]);
    }
    b->portname = grown[0];
    b->local = grown[1];
    b->global = grown[2];
    b->written = grown[3];
    b->read = grown[4];
    b->max_port = n;
    return GPUMEM_OK;
}

gpumem_status gm_build_port(gm_build *b, int family_port, uint32_t *out, gpumem_error *err)
{
    gm_frame *fr = b->frame;
    uint32_t at = (uint32_t)family_port, i = 0;
    if (at >= fr->nport) {
        uint32_t n = fr->f->nport + 16;
        uint32_t *now = realloc(fr->port, n * sizeof *now);
        if (now == NULL)
            return gm_no_memory(err);
        memset(now + fr->nport, 0, (n - fr->nport) * sizeof *now);
        fr->port = now;
        fr->nport = n;
    }
    if (fr->port[at] == 0) {
        while (i < b->nport && strcmp(b->portname[i], fr->f->port[at]) != 0)
            i++;
        if (i == b->nport) {
            if (b->nport == b->max_port && more_ports(b, err) != GPUMEM_OK)
                return GPUMEM_ENOMEM;
            b->portname[i] = fr->f->port[at];
            b->local[i] = b->global[i] = GPUMEM_NONE;
            b->nport++;
        }
        fr->port[at] = i + 1;
    }
    *out = fr->port[at] - 1;
    return GPUMEM_OK;
}

/* ---- blocks ---- */

static gpumem_status append(gm_build *b, uint32_t block, gpumem_error *err)
{
    gpumem_status s = room(&b->m->sequence, sizeof *b->m->sequence, b->nsequence, &b->max_sequence, 1, 1u << 24, err);
    if (s == GPUMEM_OK) {
        if ((s = room(&b->m->layer, sizeof *b->m->layer, b->nsequence, &b->max_layer, 1, 1u << 24, err)) != GPUMEM_OK)
            return s;
        b->m->layer[b->nsequence] = b->frame->values.layer < 0 ? GPUMEM_NONE : (uint32_t)b->frame->values.layer;
        b->m->sequence[b->nsequence++] = block;
        b->m->block[block].count++;
    }
    return s;
}

gpumem_status gm_build_begin(gm_build *b, const char *name, uint32_t layer, gpumem_error *err)
{
    gpumem_status s = room(&b->m->block, sizeof *b->m->block, b->nblock, &b->max_block, 1, MAX_TENSORS, err);
    if (s == GPUMEM_OK)
        s = room(&b->m->remembers, sizeof *b->m->remembers, b->nblock, &b->max_remembers, 1, MAX_TENSORS, err);
    if (s != GPUMEM_OK)
        return s;
    b->m->remembers[b->nblock] = b->frame->remembers;
    gpumem_block *k = &b->m->block[b->nblock];
    memset(k, 0, sizeof *k);
    k->name = gm_build_string(b, name, strlen(name), err);
    if (k->name == GPUMEM_NONE)
        return GPUMEM_ENOMEM;
    k->tensor0 = b->e->ntensor;
    k->op0 = b->e->nop;
    k->import0 = b->imports.n;
    k->export0 = b->exports.n;
    k->layer = layer;
    for (uint32_t i = 0; i < b->nport; i++) {
        b->local[i] = GPUMEM_NONE;
        b->written[i] = false;
    }
    return GPUMEM_OK;
}

gpumem_status gm_build_end(gm_build *b, gpumem_error *err)
{
    gpumem_block *k = &b->m->block[b->nblock];
    k->ntensor = b->e->ntensor - k->tensor0;
    k->nop = b->e->nop - k->op0;
    k->nimport = b->imports.n - k->import0;
    for (uint32_t i = 0; i < b->nport; i++)
        if (b->written[i] && b->local[i] != GPUMEM_NONE) {
            gpumem_status s = add_port(&b->exports, i, b->local[i], err);
            if (s != GPUMEM_OK)
                return s;
            b->global[i] = b->local[i];
        }
    k->nexport = b->exports.n - k->export0;
    b->nblock++;
    return append(b, b->nblock - 1, err);
}

gpumem_status gm_build_again(gm_build *b, uint32_t block, gpumem_error *err)
{
    const gpumem_block *k = &b->m->block[block];
    for (uint32_t i = 0; i < k->nexport; i++)
        b->global[b->exports.port[k->export0 + i].port] = b->exports.port[k->export0 + i].tensor;
    return append(b, block, err);
}

/* ---- steps ---- */

static gpumem_status step_fail(const gm_step *st, gpumem_error *err, gpumem_status status, const char *what)
{
    return gm_fail(err, status, st->file, st->source->line, st->source->column, "step '%s': %s", st->use, what);
}

/* The tensor of a port in this block; what an earlier block wrote is imported. */
static gpumem_status read_port(gm_build *b, const gm_step *st, uint32_t port, uint32_t *out, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    gpumem_status s;
    *out = b->local[port];
    if (*out != GPUMEM_NONE)
        return GPUMEM_OK;
    if (b->global[port] == GPUMEM_NONE) {
        char what[128];
        snprintf(what, sizeof what, "nothing has written the port '%.64s' that it reads", b->portname[port]);
        return step_fail(st, err, GPUMEM_EPLUGIN, what);
    }
    if ((s = room(&e->tensor, sizeof *e->tensor, e->ntensor, &e->max_tensor, 1, MAX_TENSORS, err)) != GPUMEM_OK)
        return s;
    gpumem_tensor t = e->tensor[b->global[port]];
    if (t.role != GPUMEM_ROLE_ACTIVATION) {
        t.storage = t.storage == GPUMEM_NONE ? b->global[port] : t.storage;
    } else { /* the block that made it has its bytes: the import says so */
        t.storage = GPUMEM_NONE;
        t.name = gm_build_string(b, b->portname[port], strlen(b->portname[port]), err);
        if (t.name == GPUMEM_NONE)
            return GPUMEM_ENOMEM;
    }
    t.lives = GPUMEM_LIVES_USE;
    *out = b->local[port] = e->ntensor;
    e->tensor[e->ntensor++] = t;
    b->read[port] = true;
    return add_port(&b->imports, port, *out, err);
}

static gpumem_status wire_port(gm_build *b, const gm_wire *w, int *port, gpumem_error *err)
{
    bool yes;
    gpumem_status s = gm_values_true(&b->frame->values, w->when, &yes, err);
    *port = yes ? w->port : w->otherwise;
    return s;
}

static gpumem_status read_inputs(gm_build *b, const gm_step *st, uint32_t *in, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; s == GPUMEM_OK && i < st->nin; i++) {
        int port;
        in[i] = GPUMEM_NONE;
        s = wire_port(b, &st->in[i], &port, err);
        if (s == GPUMEM_OK && port >= 0) {
            uint32_t id;
            if ((s = gm_build_port(b, port, &id, err)) == GPUMEM_OK)
                s = read_port(b, st, id, &in[i], err);
        }
        size_t n = strlen(st->component->in[i]);
        if (s == GPUMEM_OK && in[i] == GPUMEM_NONE && (n == 0 || st->component->in[i][n - 1] != '?'))
            s = step_fail(st, err, GPUMEM_EPLUGIN, "a port that it needs is null");
    }
    return s;
}

/* x / cap, tanh, * cap: three statements of the code that calls it. */
static gpumem_status softcap(gpumem_emit *e, const char *name, uint32_t x, uint32_t *out)
{
    static const uint8_t kind[] = {GPUMEM_OP_SCALE, GPUMEM_OP_ACT, GPUMEM_OP_SCALE};
    for (unsigned i = 0; i < 3; i++) {
        out[0] = gpumem_emit_same(e, name, x);
        gpumem_emit_op(e, kind[i], kind[i] == GPUMEM_OP_ACT ? "tanh" : NULL, name, 1, &x, 1, out);
        x = out[0];
    }
    return (gpumem_status)e->status;
}

static gpumem_status run_primitive(gm_build *b, const gm_step *st, const gpumem_param *param, const uint32_t *in, uint32_t *out)
{
    static const unsigned kind[] = {0, GPUMEM_OP_ADD, GPUMEM_OP_SCALE, GPUMEM_OP_DROPOUT, GPUMEM_OP_SOFTCAP, GPUMEM_OP_CAST};
    gpumem_emit *e = b->e;
    gpumem_op *op;
    if (st->primitive == GM_STEP_ALIAS && st->lives < 0) { /* held longer from here on: a cast to what it is */
        out[0] = in[0];
        return GPUMEM_OK;
    }
    if (st->lives == GPUMEM_LIVES_CALLER && st->nin == 1 && in[0] < e->ntensor && e->tensor[in[0]].lives == GPUMEM_LIVES_CALLER)
        e->tensor[in[0]].lives = GPUMEM_LIVES_USE; /* the caller's variable is bound again */
    if (st->primitive == GM_STEP_SOFTCAP)
        return softcap(e, st->use, in[0], out);
    out[0] = gpumem_emit_same(e, st->use, in[0]);
    op = gpumem_emit_op(e, kind[st->primitive], 0, st->use, st->nin, in, 1, out);
    if (op && st->primitive == GM_STEP_ALIAS)
        op->attr[0] = 1;
    if (op && st->primitive == GM_STEP_DROPOUT) {
        if (!(param[0].v.r >= 0 && param[0].v.r < 1))
            return GPUMEM_EINVAL;
        op->attr[0] = (uint32_t)(param[0].v.r * 1e6 + 0.5);
    }
    return (gpumem_status)e->status;
}

static gm_emit_mark mark_of(const gpumem_emit *e)
{
    return (gm_emit_mark){e->ntensor, e->nop, e->noperand, e->nsym, e->nstring};
}

static void rewind_to(gpumem_emit *e, gm_emit_mark m)
{
    e->ntensor = m.ntensor;
    e->nop = m.nop;
    e->noperand = m.noperand;
    e->nsym = m.nsym;
    e->nstring = m.nstring;
    e->status = GPUMEM_OK;
}

/* What a component makes of the config's values is wrong: names the keys behind the step's parameters. */
static gpumem_status config_fail(gm_build *b, const gm_step *st, gpumem_status status, const char *what, gpumem_error *err)
{
    const char *path = b->m->config->path[0] ? b->m->config->path : b->m->config->name;
    char keys[200] = "";
    for (uint32_t i = 0; i < st->component->nparam; i++)
        gm_family_blame_too(b->frame->f, b->frame->values.subject->prefix, st->param[i], keys, sizeof keys);
    gm_fail(err, status, path, 0, 0, "%s: %s", st->use, what);
    gm_tip(err, "%s:%u:%u: this step", st->file, st->source->line, st->source->column);
    if (*keys)
        gm_tip(err, "keys behind it: %s", keys);
    return status;
}

/* Without this, a reader would see what an older step wrote. */
static gpumem_status all_given(const gm_step *st, const uint32_t *out, gpumem_error *err)
{
    for (uint32_t i = 0; i < st->nout; i++) {
        const char *port = st->component->out[i];
        char what[128];
        if (out[i] != GPUMEM_NONE || (*port && port[strlen(port) - 1] == '?'))
            continue;
        snprintf(what, sizeof what, "it gives nothing for its port '%.64s'", port);
        return step_fail(st, err, GPUMEM_EPLUGIN, what);
    }
    return GPUMEM_OK;
}

/* A component may ask for more space; then it is called again. */
static gpumem_status run_component(gm_build *b, const gm_step *st, const gpumem_param *param, const uint32_t *in, uint32_t *out, gpumem_error *err)
{
    gm_emit_mark mark = mark_of(b->e);
    gpumem_status s = GPUMEM_ESPACE;
    char why[200];
    for (uint32_t scale = 1; s == GPUMEM_ESPACE && scale <= 4096; scale *= 4) {
        gpumem_args args = {sizeof args, st->component->nparam, param, why, sizeof why};
        why[0] = 0;
        rewind_to(b->e, mark);
        if ((s = reserve(b, scale, err)) != GPUMEM_OK)
            return s;
        for (uint32_t i = 0; i < GPUMEM_MAX_PORTS; i++)
            out[i] = GPUMEM_NONE;
        s = st->primitive ? run_primitive(b, st, param, in, out) : st->component->describe(&args, in, out, b->e);
        if (s == GPUMEM_OK)
            s = (gpumem_status)b->e->status;
    }
    why[sizeof why - 1] = 0;
    if (s != GPUMEM_OK && (*why || s == GPUMEM_EINVAL || s == GPUMEM_ERANGE || s == GPUMEM_EUNSUP))
        return config_fail(b, st, s == GPUMEM_EUNSUP ? s : GPUMEM_ECONFIG, *why ? why : "a size makes no sense here", err);
    if (s != GPUMEM_OK)
        return step_fail(st, err, GPUMEM_EPLUGIN, "the component failed");
    const char *wrong = gm_emitted_wrong(b->e, mark, out, st->nout);
    if (wrong == gm_wrong_dimension)
        return config_fail(b, st, GPUMEM_ECONFIG, wrong, err);
    if (wrong)
        return step_fail(st, err, GPUMEM_EPLUGIN, wrong);
    return all_given(st, out, err);
}

static const char *renamed(const gm_step *st, const char *own, const char **rest)
{
    for (uint32_t i = 0; i < st->nrename; i++) {
        size_t n = strlen(st->rename[i].from);
        if (strncmp(st->rename[i].from, own, n) == 0 && (own[n] == '.' || own[n] == 0)) {
            *rest = own + n;
            return st->rename[i].to;
        }
    }
    *rest = own;
    return "";
}

static void rename_first(gm_build *b, const gm_rename *list, uint32_t nlist)
{
    char *s = b->path.s;
    size_t n = s ? strcspn(s, ".") : 0;
    for (uint32_t i = 0; i < nlist; i++) {
        gpumem_text now = {0};
        if (strncmp(list[i].from, s, n) != 0 || list[i].from[n] != 0)
            continue;
        gpumem_text_puts(&now, list[i].to);
        gpumem_text_puts(&now, *list[i].to ? s + n : s + n + (s[n] == '.'));
        gpumem_text_free(&b->path);
        b->path = now;
        return;
    }
}

/* The first part of the path as the family and those around it rename it. */
void gm_build_rename(gm_build *b)
{
    for (const gm_frame *fr = b->frame; fr; fr = fr->outer) {
        const gm_rename left_out = {fr->f->base, ""};
        rename_first(b, fr->f->rename, fr->f->nrename);
        if (fr->part)
            rename_first(b, fr->part->rename, fr->part->nrename);
        else if (fr->f->base && strcmp(fr->values.subject->task, "base") == 0)
            rename_first(b, &left_out, 1);
    }
}

gpumem_status gm_build_path(gm_build *b, const char *path, gpumem_text *out, gpumem_error *err)
{
    gm_family *f = b->frame->f;
    while (*path) {
        size_t n = strcspn(path, "{");
        char name[64];
        gm_value x;
        gpumem_text_put(out, path, n);
        path += n;
        if (*path == 0)
            break;
        n = strcspn(path, "}");
        if (strncmp(path, "{i}", 3) == 0) {
            gpumem_text_put(out, path, 3);
            path += 3;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(n - 1), path + 1); /* checked when the family was loaded */
        int slot = gm_family_slot(f, GM_NAME_EACH, name);
        if (slot < 0)
            slot = gm_family_slot(f, GM_NAME_DIM, name);
        gpumem_status s = slot < 0 ? GPUMEM_EINTERNAL : gm_values_eval(&b->frame->values, f->name[slot].expr, &x, err);
        if (s != GPUMEM_OK)
            return s;
        if (x.type == GM_STRING)
            gpumem_text_puts(out, x.v.s);
        else
            gm_value_json(&x, out);
        path += n + 1;
    }
    return GPUMEM_OK;
}

/* Weights and buffers get their whole path: where the layer is, where the step is, their own name. */
static gpumem_status name_stored(gm_build *b, const gm_step *st, const char *at, uint32_t tensor0, gpumem_error *err)
{
    for (uint32_t i = tensor0; i < b->e->ntensor; i++) {
        gpumem_tensor *t = &b->e->tensor[i];
        const char *rest, *to;
        if (t->role != GPUMEM_ROLE_WEIGHT && t->role != GPUMEM_ROLE_BUFFER)
            continue;
        to = renamed(st, b->e->string + t->name, &rest);
        gpumem_text_clear(&b->path);
        gpumem_status s = GPUMEM_OK;
        if (*at) {
            s = gm_build_path(b, at, &b->path, err);
            gpumem_text_char(&b->path, '.');
        }
        if (s == GPUMEM_OK && st->as && *st->as) {
            s = gm_build_path(b, st->as, &b->path, err);
            if (*to || *rest)
                gpumem_text_char(&b->path, '.');
        }
        gpumem_text_puts(&b->path, to);
        gpumem_text_puts(&b->path, rest);
        gm_build_rename(b);
        if (s != GPUMEM_OK)
            return s;
        if (b->path.failed)
            return gm_no_memory(err);
        uint32_t name = gm_build_string(b, b->path.s, b->path.n, err);
        if (name == GPUMEM_NONE)
            return GPUMEM_ENOMEM;
        b->e->tensor[i].name = name;
    }
    return GPUMEM_OK;
}

static gpumem_status note_plugin(gpumem_model *m, const gm_step *st)
{
    uint32_t i = 0;
    if (st->primitive)
        return GPUMEM_OK;
    while (i < m->nplugin && m->plugin[i] != st->plugin)
        i++;
    if (i == m->nplugin && m->nplugin < 8)
        m->plugin[m->nplugin++] = st->plugin;
    return GPUMEM_OK;
}

/* What the families around say, what the step says, what the tensor is by itself, what the component is. */
static uint8_t part_of(const gm_build *b, const gm_step *st, const gpumem_tensor *t)
{
    static const uint8_t own[GPUMEM_FAMILY_END] = {
        [GPUMEM_FAMILY_EMBEDDING] = GPUMEM_PART_EMBEDDING, [GPUMEM_FAMILY_HEAD] = GPUMEM_PART_HEAD, [GPUMEM_FAMILY_NORM] = GPUMEM_PART_NORM,
        [GPUMEM_FAMILY_ROUTER] = GPUMEM_PART_ROUTER, [GPUMEM_FAMILY_EXPERT] = GPUMEM_PART_EXPERTS};
    for (const gm_frame *fr = b->frame; fr && fr->part; fr = fr->outer)
        if (fr->part->part >= 0)
            return (uint8_t)fr->part->part;
    if (st->part >= 0)
        return (uint8_t)st->part;
    if (own[t->family])
        return own[t->family];
    return st->component_part;
}

/* Where the family says that the tensor's module is registered: the place of the first name that is a stretch of whole parts of its own. */
static uint16_t order_of(gm_build *b, const gpumem_tensor *t)
{
    const gm_value *list = b->frame->f->registered;
    const char *name = b->e->string + t->name;
    uint32_t i = 0;
    for (; list && i < list->n && i < UINT16_MAX; i++) {
        const char *wanted = list->v.list[i].v.s;
        size_t n = strlen(wanted);
        for (const char *at = name; n && (at = strstr(at, wanted)) != NULL; at++)
            if ((at == name || at[-1] == '.') && (at[n] == '.' || at[n] == 0))
                return (uint16_t)i;
    }
    return (uint16_t)i;
}

static bool is_own(const gpumem_tensor *t)
{
    return t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE;
}

static void set_place(gm_build *b, const gm_step *st, gpumem_tensor *t)
{
    t->part = part_of(b, st, t);
    t->order = is_own(t) ? order_of(b, t) : 0;
}

/* Weights of several layers have the name that they have in the first of them. */
static gpumem_status name_first(gm_build *b, uint32_t tensor, gpumem_error *err)
{
    const char *name = b->e->string + b->e->tensor[tensor].name, *at = strstr(name, "{i}");
    if (at == NULL)
        return GPUMEM_OK;
    gpumem_text_clear(&b->path);
    gpumem_text_put(&b->path, name, (size_t)(at - name));
    gpumem_text_u64(&b->path, (uint64_t)b->frame->values.layer);
    gpumem_text_puts(&b->path, at + 3);
    uint32_t now = b->path.failed ? GPUMEM_NONE : gm_build_string(b, b->path.s, b->path.n, err);
    if (now == GPUMEM_NONE)
        return gm_no_memory(err);
    b->e->tensor[tensor].name = now;
    return GPUMEM_OK;
}

/* The weights of this step are those that it had when its `once` was the same, or become those of the steps to come. */
static gpumem_status share_weights(gm_build *b, const gm_step *st, uint32_t tensor0, gpumem_error *err)
{
    gpumem_emit *e = b->e;
    gm_shared *first;
    gm_value x;
    gpumem_status s = gm_values_eval(&b->frame->values, st->once, &x, err);
    if (s != GPUMEM_OK || x.type == GM_NULL || (x.type == GM_BOOL && !x.v.b))
        return s;
    gpumem_text_clear(&b->path);
    gpumem_text_put(&b->path, (const char *)&st, sizeof st);
    gm_value_json(&x, &b->path);
    if (b->path.failed)
        return gm_no_memory(err);
    if ((first = gm_map_get(&b->shared, b->path.s, b->path.n)) == NULL) {
        first = gm_arena_zero(&b->m->arena, 1, sizeof *first);
        if (first == NULL || gm_map_put(&b->shared, b->path.s, b->path.n, first))
            return gm_no_memory(err);
        *first = (gm_shared){tensor0, e->ntensor - tensor0};
        for (uint32_t i = tensor0; s == GPUMEM_OK && i < e->ntensor; i++)
            if (is_own(&e->tensor[i])) {
                e->tensor[i].scope = GPUMEM_SCOPE_MODEL;
                s = name_first(b, i, err);
            }
        return s;
    }
    if (first->ntensor != e->ntensor - tensor0)
        return step_fail(st, err, GPUMEM_EPLUGIN, "layers that share its weights ('once') do not have the same ones");
    for (uint32_t i = 0; i < first->ntensor; i++) {
        gpumem_tensor *t = &e->tensor[tensor0 + i], *f = &e->tensor[first->tensor0 + i];
        if (!is_own(t))
            continue;
        if (!is_own(f) || t->ndim != f->ndim || memcmp(t->dim, f->dim, t->ndim * sizeof *t->dim) != 0)
            return step_fail(st, err, GPUMEM_EPLUGIN, "layers that share its weights ('once') do not have the same ones");
        t->storage = first->tensor0 + i;
    }
    return GPUMEM_OK;
}

gpumem_status gm_build_step(gm_build *b, gm_step *st, const char *at, uint32_t number, gpumem_error *err)
{
    uint32_t in[GPUMEM_MAX_PORTS], out[GPUMEM_MAX_PORTS], op0, tensor0;
    gm_arena_mark mark;
    gpumem_status s;
    bool yes;
    if ((s = gm_values_true(&b->frame->values, st->when, &yes, err)) != GPUMEM_OK || !yes)
        return s;
    if ((s = gm_family_resolve(b->frame->f, st, err)) != GPUMEM_OK || (s = read_inputs(b, st, in, err)) != GPUMEM_OK)
        return s;
    note_plugin(b->m, st);
    mark = gm_arena_mark_of(&b->m->arena);
    gpumem_param *param = gm_arena_zero(&b->m->arena, st->component->nparam + 1u, sizeof *param);
    if (param == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < st->component->nparam; i++)
        if ((s = gm_values_param(&b->frame->values, st, i, &param[i], err)) != GPUMEM_OK)
            return s;
    op0 = b->e->nop;
    tensor0 = b->e->ntensor;
    s = run_component(b, st, param, in, out, err);
    gm_arena_rewind(&b->m->arena, mark);
    if (s != GPUMEM_OK || (s = name_stored(b, st, at, tensor0, err)) != GPUMEM_OK)
        return s;
    for (uint32_t i = tensor0; i < b->e->ntensor; i++)
        set_place(b, st, &b->e->tensor[i]);
    if (st->once && (s = share_weights(b, st, tensor0, err)) != GPUMEM_OK)
        return s;
    for (uint32_t i = op0; i < b->e->nop; i++)
        b->e->op[i].step = number;
    for (uint32_t i = 0; i < st->nout; i++) {
        int port;
        if ((s = wire_port(b, &st->out[i], &port, err)) != GPUMEM_OK)
            return s;
        if (out[i] != GPUMEM_NONE && st->lives >= 0 && out[i] >= tensor0)
            b->e->tensor[out[i]].lives = (uint8_t)st->lives;
        if (port >= 0) {
            uint32_t id;
            if ((s = gm_build_port(b, port, &id, err)) != GPUMEM_OK)
                return s;
            b->local[id] = out[i];
            b->written[id] = true;
        }
    }
    return GPUMEM_OK;
}
