#include "tape/walk.h"
#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a repeated sequence the first and the last ones are walked; the last of the first ones stands for all between, in which everything is linear in the position. */
#define FIRST_REPS 2
#define LAST_REPS 2

typedef struct held { struct held_one { uint32_t tv; int32_t rep; uint32_t from; bool old; } *one; /* from: tensor, or operator */ uint32_t n, max; } held;

enum { EXPORTED = 1, GIVEN = 2 /* an argument of a step outside of layers: its caller's variable lasts until the step returns */ };

struct gm_walk {
    const gm_walk_job *job;
    const gpumem_description *d;
    const gm_walk_listener *to;
    gm_tape t;
    gm_symbols symbols;
    uint32_t *cur;      /* by tensor: what it is now, or GM_NONE */
    uint32_t *leaf;     /* by tensor: of weights */
    uint32_t *last;     /* by tensor: the last operator that reads it */
    uint8_t *exported;  /* by tensor: EXPORTED, GIVEN or 0 */
    uint32_t *port;     /* by port: its value */
    uint32_t *port_end; /* by port: the last position in the sequence that reads it */
    held block, stack, model, caller;
    uint32_t loss;
    /* repeated sequences that are not walked as a whole */
    struct skip { int32_t rep; uint32_t times; int64_t *live; uint32_t natom; bool started, done; } *skip;
    uint32_t nskip;
    uint32_t *frame_position;
    uint32_t max_frame_position;
    uint32_t ahead; /* position in the sequence up to which what layers make once is there */
    int32_t running; /* repetition that runs now, in a replay too */
    bool graph;      /* GM_WALK_GRAPH */
};

static void hold(gm_walk *w, held *h, uint32_t tv, uint32_t from)
{
    if (h->n == h->max) {
        uint32_t max = h->max ? h->max * 2 : 16;
        struct held_one *now = realloc(h->one, max * sizeof *now);
        if (now == NULL) {
            gm_tape_fail(&w->t, GPUMEM_ENOMEM, "out of memory");
            return;
        }
        h->one = now;
        h->max = max;
    }
    h->one[h->n++] = (struct held_one){gm_tv_ref(&w->t, tv), w->t.rep, from, false};
}

static struct skip *skip_at(gm_walk *w, int32_t rep)
{
    for (uint32_t i = 0; i < w->nskip; i++)
        if (w->skip[i].rep == rep)
            return &w->skip[i];
    return NULL;
}

static void remember(gm_walk *w, struct skip *s)
{
    gm_tape *t = &w->t;
    int64_t *now = realloc(s->live, (t->natom + 1) * sizeof *now);
    if (now == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return;
    }
    s->live = now;
    s->natom = t->natom;
    if (t->natom) /* blocks that do not run make none */
        memcpy(now, t->live, t->natom * sizeof *now);
}

/* What changed since then happens once more for each repetition that is left out. */
static void leave_out(gm_walk *w, struct skip *s)
{
    gm_tape *t = &w->t;
    int64_t *delta = malloc((t->natom + 1) * sizeof *delta);
    if (delta == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < t->natom; i++)
        delta[i] = t->live[i] - (i < s->natom ? s->live[i] : 0);
    gm_tape_skip(t, delta, t->natom, s->times);
    free(delta);
}

/* Drops what a repetition made and the model held. */
static void release(gm_walk *w, uint32_t tv, int32_t rep)
{
    struct skip *s = rep < 0 || w->t.stop ? NULL : skip_at(w, rep);
    if (s && w->running != rep)
        remember(w, s);
    gm_tv_unref(&w->t, tv);
    if (s && w->running != rep)
        leave_out(w, s);
}

/* Autocast's casts of weights go. */
static void end_region(gm_walk *w)
{
    for (uint32_t i = 0; i < w->t.nleaf; i++) {
        uint32_t cast = w->t.leaf[i].cast;
        w->t.leaf[i].cast = GM_NONE;
        if (cast != GM_NONE)
            release(w, cast, w->t.leaf[i].rep);
    }
}

static void let_go(gm_walk *w, held *h)
{
    for (uint32_t i = 0; h == &w->stack && i < w->t.nonce; i++)
        gm_tv_unref(&w->t, w->t.once[i].tv);
    if (h == &w->stack)
        w->t.nonce = 0;
    for (uint32_t i = 0; i < h->n; i++)
        release(w, h->one[i].tv, h->one[i].rep);
    h->n = 0;
}

/* What has been cached while training goes with the model's output. */
static void forget(gm_walk *w)
{
    for (uint32_t i = 0; i < w->t.ncached; i++)
        release(w, w->t.cached[i].tv, w->t.cached[i].rep);
    w->t.ncached = w->t.at_cached = 0;
    w->t.caching = false;
}

static uint32_t dtype_of(const gm_walk *w, uint32_t tensor)
{
    const gpumem_tensor *t = &w->d->tensor[tensor];
    bool stored = t->role == GPUMEM_ROLE_WEIGHT || t->role == GPUMEM_ROLE_BUFFER;
    /* what is packed is worked with in the format of activations */
    return stored && gm_format_is_plain(&w->job->format[w->job->weight[tensor]]) ? w->job->weight[tensor] : w->job->activation[tensor];
}

/* Without bytes of its own. */
static uint32_t described(gm_walk *w, uint32_t tensor)
{
    const gpumem_tensor *x = &w->d->tensor[tensor];
    uint32_t tv = gm_tv_slot(&w->t);
    gm_tv *v;
    if (tv == GM_NONE)
        return tv;
    v = &w->t.tv[tv];
    v->ndim = x->ndim;
    v->dtype = (uint8_t)dtype_of(w, tensor);
    for (unsigned i = 0; i < x->ndim; i++)
        v->dim[i] = gm_ext_symbol(&w->symbols, x->dim[i].size, x->dim[i].sym);
    gm_contiguous_strides(&w->t, x->ndim, v->dim, v->stride);
    return tv;
}

/* A tensor that is there already: a weight, a buffer, an input. */
static uint32_t given(gm_walk *w, uint32_t tensor)
{
    const gpumem_tensor *x = &w->d->tensor[tensor];
    uint32_t root = x->storage == GPUMEM_NONE ? tensor : x->storage, tv = described(w, tensor);
    if (tv != GM_NONE && x->role == GPUMEM_ROLE_WEIGHT) {
        bool trains = w->job->trains[root];
        if (w->leaf[root] == GM_NONE) {
            w->leaf[root] = gm_leaf_new(&w->t, trains);
            if (w->leaf[root] != GM_NONE && trains && w->job->flags & GM_WALK_HAS_GRADIENTS)
                w->t.leaf[w->leaf[root]].has_grad = true;
        }
        w->t.tv[tv].leaf = w->leaf[root];
        w->t.tv[tv].grad = trains && w->t.grad_mode;
    }
    return tv;
}

static uint32_t operand(gm_walk *w, uint32_t tensor)
{
    unsigned role = tensor == GPUMEM_NONE ? 0 : w->d->tensor[tensor].role;
    if (tensor == GPUMEM_NONE)
        return GM_NONE;
    if (role == GPUMEM_ROLE_WEIGHT || role == GPUMEM_ROLE_BUFFER || role == GPUMEM_ROLE_INPUT)
        return given(w, tensor);
    if (w->cur[tensor] == GM_NONE)
        gm_tape_fail(&w->t, GPUMEM_EINTERNAL, "an operator reads a tensor that is gone");
    return gm_tv_ref(&w->t, w->cur[tensor]);
}

static void drop(gm_walk *w, uint32_t tensor)
{
    uint32_t tv = w->cur[tensor];
    w->cur[tensor] = GM_NONE;
    gm_tv_unref(&w->t, tv);
}

/* A component returns: what it made and what it was given goes, unless a later operator reads it. */
static void end_step(gm_walk *w, const gpumem_block *b, uint32_t op)
{
    uint32_t kept = 0;
    for (uint32_t i = b->tensor0; i < b->tensor0 + b->ntensor; i++)
        if ((w->exported[i] == GIVEN || (w->d->tensor[i].lives == GPUMEM_LIVES_STEP && !w->exported[i])) && w->cur[i] != GM_NONE && (w->last[i] == GM_NONE || w->last[i] <= op))
            drop(w, i);
    for (uint32_t i = 0; i < w->block.n; i++)
        if (w->block.one[i].old)
            release(w, w->block.one[i].tv, w->block.one[i].rep);
        else
            w->block.one[kept++] = w->block.one[i];
    w->block.n = kept;
}

static void born(gm_walk *w, uint32_t tensor, uint32_t tv)
{
    const gpumem_tensor *x = &w->d->tensor[tensor];
    if (w->cur[tensor] != GM_NONE)
        drop(w, tensor);
    w->cur[tensor] = tv;
    if (w->graph)
        return;
    if (x->lives == GPUMEM_LIVES_STACK)
        hold(w, &w->stack, tv, tensor);
    else if (x->lives == GPUMEM_LIVES_MODEL)
        hold(w, &w->model, tv, tensor);
    else if (x->lives == GPUMEM_LIVES_CALLER)
        hold(w, &w->caller, tv, tensor);
}

static bool used_later(const gm_walk *w, uint32_t tensor, uint32_t op)
{
    unsigned lives = w->d->tensor[tensor].lives;
    bool named = !w->graph && (lives == GPUMEM_LIVES_STEP || lives == GPUMEM_LIVES_BLOCK);
    return w->exported[tensor] || (w->last[tensor] != GM_NONE && w->last[tensor] > op) || named;
}

static void describe(gm_walk *w, uint32_t tensor, gm_meta *m)
{
    const gpumem_tensor *x = &w->d->tensor[tensor];
    m->ndim = x->ndim;
    m->dtype = (uint8_t)dtype_of(w, tensor);
    for (unsigned i = 0; i < x->ndim; i++)
        m->dim[i] = gm_ext_symbol(&w->symbols, x->dim[i].size, x->dim[i].sym);
}

/* The decoder returns what outlives it. */
static bool ends_stack(const gm_walk *w, uint32_t op)
{
    const gpumem_op *o = &w->d->op[op];
    for (unsigned k = 0; k < o->nout; k++)
        if (w->d->tensor[w->d->operand[o->operand + o->nin + k]].lives >= GPUMEM_LIVES_MODEL && o->kind != GPUMEM_OP_LOSS)
            return true;
    return false;
}

/* A second result takes the name that one of an operator of the same kind had, when its component returns. */
static void bound_again(gm_walk *w, uint32_t op)
{
    for (uint32_t i = 0; i < w->block.n; i++)
        w->block.one[i].old |= w->block.one[i].from != op && w->d->op[w->block.one[i].from].kind == w->d->op[op].kind;
}

/* The first operator with what is wrong with its rule, the others by their names, as many as there is room for. */
static void note(const gm_walk_job *j, const char *why, const char *name)
{
    size_t n = strlen(j->note);
    if (n == 0)
        snprintf(j->note, j->nnote, "%s", why);
    else if (strstr(j->note, name) == NULL && n + strlen(name) + 6 < j->nnote)
        snprintf(j->note + n, j->nnote - n, ", %s", name);
    else if (strstr(j->note, name) == NULL && n > 3 && strcmp(j->note + n - 3, "...") != 0 && n + 6 < j->nnote)
        strcpy(j->note + n, ", ...");
}

/* Where no rule fits, the description still says what the operator makes: each result is new, and keeps what it was made of. */
static unsigned by_description(gm_walk *w, const gpumem_op *o, const uint32_t *tv, const gm_meta *meta, uint32_t *made)
{
    gm_tape *t = &w->t;
    const gm_walk_job *j = w->job;
    unsigned n = 0, out = 0, keeping = gm_word_find("keeping", 7);
    gm_arg arg[GM_WORD_ARGS];
    if (j->note)
        note(j, t->failed ? t->why : w->d->string + o->name, w->d->string + o->name);
    t->failed = t->stop = false;
    t->why[0] = 0;
    t->looping = 0;
    t->turn = 0;
    for (; out < o->nout && !t->stop; out++) {
        memset(arg, 0, sizeof arg);
        n = 0;
        arg[n++] = (gm_arg){.type = GM_ARG_TENSOR, .tv = gm_tv_new(t, meta[out].ndim, meta[out].dim, meta[out].dtype)};
        for (unsigned i = 0; i < o->nin && n < GM_WORD_ARGS && gm_is_float(t, meta[out].dtype); i++)
            if (tv[i] != GM_NONE)
                arg[n++] = (gm_arg){.type = GM_ARG_TENSOR, .tv = tv[i]};
        if (arg[0].tv == GM_NONE || gm_word_run(t, keeping, n, arg, &made[out]) == 0)
            made[out] = GM_NONE;
        gm_tv_unref(t, arg[0].tv);
        if (made[out] == GM_NONE)
            break;
    }
    return out;
}

/* Of a block that runs: reads what a block that does not run would have made, and nothing depends on it either. */
static bool is_idle(const gm_walk *w, const gpumem_op *o)
{
    const uint32_t *in = w->d->operand + o->operand, *out = in + o->nin;
    bool missing = false, reached = w->job->reached == NULL || o->nout == 0;
    for (unsigned i = 0; i < o->nin; i++)
        missing |= in[i] != GPUMEM_NONE && w->d->tensor[in[i]].role == GPUMEM_ROLE_ACTIVATION && w->cur[in[i]] == GM_NONE;
    for (unsigned i = 0; i < o->nout; i++)
        reached = reached || w->job->reached[out[i]];
    return missing && !reached;
}

static void run_op(gm_walk *w, uint32_t op, bool again)
{
    const gpumem_op *o = &w->d->op[op];
    const uint32_t *in = w->d->operand + o->operand, *out = in + o->nin;
    uint32_t tv[GPUMEM_MAX_OPERANDS], made[GM_WORD_OUTS];
    gm_meta meta[GPUMEM_MAX_OPERANDS];
    uint32_t given = 0; /* operands that the rule takes, as bits */
    unsigned n;
    if ((o->kind == GPUMEM_OP_LOSS && !(w->job->flags & GM_WALK_TRAIN)) || is_idle(w, o))
        return;
    w->t.label = op;
    w->t.variant = o->variant == GPUMEM_NONE ? NULL : w->d->string + o->variant;
    for (unsigned i = 0; i < o->nin; i++)
        tv[i] = operand(w, in[i]);
    for (unsigned i = 0; i < o->nout; i++)
        describe(w, out[i], &meta[i]);
    for (unsigned i = 0; i < o->nin && (w->graph || o->kind == GPUMEM_OP_SCAN) && w->job->rule[op] != GM_NONE && !w->t.failed; i++) /* in a graph nobody else holds it; a scan's rule is the code of the module itself, which binds names again */
        if (in[i] != GPUMEM_NONE && w->cur[in[i]] != GM_NONE && !used_later(w, in[i], op)) {
            drop(w, in[i]);
            given |= 1u << i;
        }
    n = w->job->rule[op] == GM_NONE ? 0 : gm_rule_run(w->job->rules, &w->t, w->job->rule[op], o->nin, tv, given, GPUMEM_NATTR, o->attr, o->nout, meta, made);
    for (unsigned i = 0; i < o->nin; i++)
        if (given >> i & 1)
            tv[i] = GM_NONE;
    if (w->job->rule[op] != GM_NONE && n < o->nout && !w->t.stop) {
        char why[80];
        snprintf(why, sizeof why, "its rule gives %u results, not %u", n, o->nout);
        gm_tape_fail(&w->t, GPUMEM_EINVAL, why);
    }
    if (w->t.failed && strstr(w->t.why, "operator '") == NULL) {
        char why[sizeof w->t.why];
        snprintf(why, sizeof why, "operator '%.30s': %.110s", w->d->string + o->name, w->t.why);
        memcpy(w->t.why, why, sizeof why);
    }
    if (w->job->rule[op] == GM_NONE || (w->t.failed && w->t.status == GPUMEM_EINVAL)) {
        for (unsigned i = 0; i < n; i++)
            gm_tv_unref(&w->t, made[i]);
        n = by_description(w, o, tv, meta, made);
    }
    for (unsigned i = 0; i < o->nin; i++)
        gm_tv_unref(&w->t, tv[i]);
    if (w->t.stop) {
        for (unsigned i = 0; i < n; i++)
            gm_tv_unref(&w->t, made[i]);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (i >= o->nout && !w->t.failed) { /* a second result that the block's code gives a name */
            bound_again(w, op);
            hold(w, &w->block, made[i], op);
            if (o->kind == GPUMEM_OP_SCAN && w->block.n) /* the module's own code does: until that returns */
                w->block.one[w->block.n - 1].old = true;
            gm_tv_unref(&w->t, made[i]);
            continue;
        }
        if (w->t.failed) {
            gm_tv_unref(&w->t, made[i]);
            continue;
        }
        if (again && w->d->tensor[out[i]].lives > GPUMEM_LIVES_BLOCK) {
            if (w->cur[out[i]] != GM_NONE)
                drop(w, out[i]);
            w->cur[out[i]] = made[i];
        } else
            born(w, out[i], made[i]);
        if (o->kind == GPUMEM_OP_LOSS && i == 0 && !again)
            w->loss = gm_tv_ref(&w->t, made[i]);
    }
    if (w->t.failed)
        return;
    for (unsigned i = 0; i < o->nin; i++)
        if (in[i] != GPUMEM_NONE && w->cur[in[i]] != GM_NONE && !used_later(w, in[i], op))
            drop(w, in[i]);
    for (unsigned i = 0; i < o->nout; i++)
        if (w->cur[out[i]] != GM_NONE && !used_later(w, out[i], op))
            drop(w, out[i]);
    if (ends_stack(w, op) && !again)
        let_go(w, &w->stack);
}

static void run_ops(gm_walk *w, const gpumem_block *b, bool again)
{
    for (uint32_t i = b->op0; i < b->op0 + b->nop && !w->t.stop; i++) {
        if (i > b->op0 && w->d->op[i].step != w->d->op[i - 1].step)
            end_step(w, b, i - 1);
        run_op(w, i, again);
    }
}

static void import_ports(gm_walk *w, const gpumem_block *b, uint32_t position)
{
    bool layer = b->layer != GPUMEM_NONE && !w->graph;
    for (uint32_t i = b->import0; i < b->import0 + b->nimport; i++) {
        const gpumem_port *p = &w->d->port[i];
        bool rebound = false;
        if (w->d->tensor[p->tensor].role != GPUMEM_ROLE_ACTIVATION)
            continue;
        for (uint32_t e = b->export0; e < b->export0 + b->nexport; e++)
            rebound |= w->d->port[e].port == p->port;
        if (w->port[p->port] == GM_NONE && w->job->idle)
            continue; /* of a block that does not run, for what nothing depends on */
        if (w->port[p->port] == GM_NONE) {
            gm_tape_fail(&w->t, GPUMEM_EINTERNAL, "a block reads a port that is empty");
            return;
        }
        if (!layer && (rebound || w->port_end[p->port] <= position)) { /* the variable is bound again in here */
            w->cur[p->tensor] = w->port[p->port];
            w->port[p->port] = GM_NONE;
        } else
            w->cur[p->tensor] = gm_tv_ref(&w->t, w->port[p->port]);
        if (w->exported[p->tensor] != EXPORTED && !w->graph)
            w->exported[p->tensor] = layer ? EXPORTED : GIVEN; /* a layer's caller's variable lasts until the block returns */
    }
}

static void export_ports(gm_walk *w, const gpumem_block *b, uint32_t position)
{
    uint32_t made[64], n = 0;
    for (uint32_t i = b->export0; i < b->export0 + b->nexport && n < 64; i++) {
        const gpumem_port *p = &w->d->port[i];
        made[n++] = w->d->tensor[p->tensor].role == GPUMEM_ROLE_ACTIVATION ? gm_tv_ref(&w->t, w->cur[p->tensor]) : GM_NONE;
    }
    for (uint32_t i = b->tensor0; i < b->tensor0 + b->ntensor; i++)
        if (w->cur[i] != GM_NONE)
            drop(w, i);
    let_go(w, &w->block);
    n = 0;
    for (uint32_t i = b->export0; i < b->export0 + b->nexport && n < 64; i++) {
        uint32_t *port = &w->port[w->d->port[i].port], old = *port;
        *port = made[n++];
        gm_tv_unref(&w->t, old);
    }
    for (uint32_t p = 0; p < w->d->nportname; p++)
        if (w->port[p] != GM_NONE && w->port_end[p] <= position) {
            gm_tv_unref(&w->t, w->port[p]);
            w->port[p] = GM_NONE;
        }
}

static void prepare(gm_walk *w, const gpumem_block *b, uint32_t position)
{
    for (uint32_t i = b->tensor0; i < b->tensor0 + b->ntensor; i++) {
        const gpumem_tensor *x = &w->d->tensor[i];
        w->exported[i] = 0;
        if (x->role == GPUMEM_ROLE_WEIGHT && x->scope == GPUMEM_SCOPE_INSTANCE)
            w->leaf[i] = GM_NONE;
    }
    for (uint32_t i = b->export0; i < b->export0 + b->nexport; i++)
        w->exported[w->d->port[i].tensor] |= w->port_end[w->d->port[i].port] > position;
}

/* A block begins to be checkpointed: what it is given is kept for its second run. */
static void open_frame(gm_walk *w, const gpumem_block *b, uint32_t position)
{
    gm_tape *t = &w->t;
    gm_frame *f;
    uint32_t n = 0;
    if (t->nframe == t->max_frame) {
        uint32_t max = t->max_frame ? t->max_frame * 2 : 16;
        gm_frame *now = realloc(t->frame, max * sizeof *now);
        if (now == NULL) {
            gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
            return;
        }
        t->frame = now;
        t->max_frame = max;
    }
    f = &t->frame[t->nframe];
    memset(f, 0, sizeof *f);
    f->position = position;
    f->rep = t->rep;
    f->args = malloc((b->nimport + w->stack.n + GM_ONCE + 1) * sizeof *f->args);
    if (f->args == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return;
    }
    for (uint32_t i = b->import0; i < b->import0 + b->nimport; i++) {
        uint32_t tensor = w->d->port[i].tensor;
        f->args[n++] = w->cur[tensor] == GM_NONE ? GM_NONE : gm_tv_ref(t, w->cur[tensor]);
    }
    for (uint32_t i = 0; i < t->nonce; i++)
        t->once[i].used = false;
    for (uint32_t i = 0; i < w->stack.n; i++)
        if (w->t.tv[w->stack.one[i].tv].dtype == GPUMEM_FORMAT_I64 && w->d->tensor[w->stack.one[i].from].scope != GPUMEM_SCOPE_MODEL) /* position ids, which no operator of the block reads */
            f->args[n++] = gm_tv_ref(t, w->stack.one[i].tv);
    f->nargs = n;
    t->packing = t->nframe++;
}

/* What the block has read of what is made once is held for its second run too: it was an argument. */
static void close_frame(gm_walk *w)
{
    gm_tape *t = &w->t;
    gm_frame *f = &t->frame[t->packing];
    for (uint32_t i = 0; i < t->nonce; i++)
        if (t->once[i].used)
            f->args[f->nargs++] = gm_tv_ref(t, (f->once[f->nonce++] = t->once[i]).tv);
    t->packing = GM_NONE;
}

static bool replay(void *self, gm_tape *t, uint32_t frame)
{
    gm_walk *w = self;
    uint32_t position = t->frame[frame].position, label = t->label;
    const gpumem_block *b = &w->d->block[w->d->sequence[position]];
    gpumem_status failed = t->failed;
    uint32_t packing = t->packing;
    bool mode = t->grad_mode;
    if (t->frame[frame].packs == 0)
        return true;
    prepare(w, b, position);
    for (uint32_t i = 0; i < b->nimport; i++) {
        uint32_t tensor = w->d->port[b->import0 + i].tensor;
        if (t->frame[frame].args[i] != GM_NONE) {
            w->cur[tensor] = gm_tv_ref(t, t->frame[frame].args[i]);
            w->exported[tensor] = EXPORTED;
        }
    }
    t->replaying = frame;
    t->position = position;
    t->rep = w->running = t->frame[frame].rep;
    t->packing = GM_NONE;
    t->repacked = 0;
    t->grad_mode = true;
    t->nonce = t->frame[frame].nonce;
    memcpy(t->once, t->frame[frame].once, sizeof t->once);
    run_ops(w, b, true);
    t->nonce = 0;
    if (!t->failed)
        t->stop = false;
    for (uint32_t i = b->tensor0; i < b->tensor0 + b->ntensor; i++)
        if (w->cur[i] != GM_NONE)
            drop(w, i);
    let_go(w, &w->block);
    end_region(w);
    t->rep = w->running = -1;
    t->replaying = GM_NONE;
    t->packing = packing;
    t->grad_mode = mode;
    t->label = label;
    if (t->repacked != t->frame[frame].packs && !t->failed)
        gm_tape_fail(t, GPUMEM_EINTERNAL, "a replayed block keeps less than its first run");
    (void)failed;
    return !t->failed;
}

/* [batch, tokens, heads, width] is described where a rule transposes that. */
static void heads_first(gm_tv *x, uint32_t heads)
{
    gm_ext n = gm_ext_of(heads), d = x->dim[1], s = x->stride[1];
    if (x->ndim != 4 || gm_ext_same(d, n) || !gm_ext_same(x->dim[2], n))
        return;
    x->dim[1] = x->dim[2];
    x->dim[2] = d;
    x->stride[1] = x->stride[2];
    x->stride[2] = s;
}

/* A model makes its masks before its layers: whatever those make once is made before the first of them, of operands as they are described. */
static void make_ahead(gm_walk *w, uint32_t position)
{
    gm_tape *t = &w->t;
    const gpumem_description *d = w->d;
    uint32_t end = position;
    t->ahead = true;
    for (; end < d->nsequence && d->block[d->sequence[end]].layer != GPUMEM_NONE; end++) {
        const gpumem_block *b = &d->block[d->sequence[end]];
        for (uint32_t i = b->op0; i < b->op0 + b->nop && (end == position || d->sequence[end] != d->sequence[end - 1]) && !t->failed; i++) {
            const gpumem_op *o = &d->op[i];
            const uint32_t *in = d->operand + o->operand;
            uint32_t tv[GPUMEM_MAX_OPERANDS], made[GM_WORD_OUTS], nonce = t->nonce;
            gm_meta meta[GPUMEM_MAX_OPERANDS];
            if (w->job->rule[i] == GM_NONE || !gm_rule_has_once(w->job->rules, w->job->rule[i]))
                continue;
            for (unsigned k = 0; k < o->nin; k++)
                tv[k] = in[k] == GPUMEM_NONE ? GM_NONE : described(w, in[k]);
            for (unsigned k = 0; k < 3 && k < o->nin && o->kind == GPUMEM_OP_ATTENTION; k++)
                if (tv[k] != GM_NONE)
                    heads_first(&t->tv[tv[k]], o->attr[k ? 1 : 0]);
            for (unsigned k = 1; k < 3 && k < o->nin && o->kind == GPUMEM_OP_ATTENTION && t->fixed && o->attr[5] && !o->attr[4]; k++)
                if (tv[k] != GM_NONE) /* what is remembered is as long as it will be */
                    t->tv[tv[k]].dim[t->tv[tv[k]].ndim - 2] = t->limit;
            for (unsigned k = 0; k < o->nout; k++)
                describe(w, in[o->nin + k], &meta[k]);
            t->label = i;
            gm_rule_run(w->job->rules, t, w->job->rule[i], o->nin, tv, 0, GPUMEM_NATTR, o->attr, o->nout, meta, made);
            for (unsigned k = 0; k < o->nin; k++)
                gm_tv_unref(t, tv[k]);
            if (t->failed && t->status == GPUMEM_EINVAL && t->nonce == nonce) { /* what is wrong with it shows where it runs */
                t->failed = t->stop = false;
                t->why[0] = 0;
            }
        }
    }
    t->ahead = false;
    w->ahead = end;
}

static void run_block(gm_walk *w, uint32_t position)
{
    const gpumem_block *b = &w->d->block[w->d->sequence[position]];
    bool checkpointed = b->layer != GPUMEM_NONE && (w->job->flags & GM_WALK_CHECKPOINT) && (w->job->flags & GM_WALK_TRAIN);
    w->t.position = position;
    if (w->t.training) /* GradientCheckpointingLayer passes no cache on */
        w->t.caching = w->job->flags & GM_WALK_CACHE && w->job->remembers && w->job->remembers[w->d->sequence[position]] && !checkpointed;
    prepare(w, b, position);
    if (b->layer != GPUMEM_NONE && position >= w->ahead && !w->t.decoding)
        make_ahead(w, position);
    import_ports(w, b, position);
    if (checkpointed && !w->t.failed)
        open_frame(w, b, position);
    if (!w->t.failed)
        run_ops(w, b, false);
    if (w->t.packing != GM_NONE)
        close_frame(w);
    if (!w->t.failed)
        export_ports(w, b, position);
}

/* ---- what is left out of repeated sequences ---- */

static void before_node(void *self, gm_tape *t, const gm_node *node)
{
    gm_walk *w = self;
    struct skip *s;
    if (node->rep < 0 || node->leaf != GM_NONE)
        return;
    if ((s = skip_at(w, node->rep - 1)) != NULL && !s->started) { /* the last but one */
        s->started = true;
        remember(w, s);
    } else if ((s = skip_at(w, node->rep)) != NULL && !s->done) {
        s->done = true;
        if (s->started)
            leave_out(w, s);
    }
    (void)t;
}

/* Where nothing before the first repetition trains, the second still releases what only the first has made. */
static uint32_t first_reps(const gm_walk *w)
{
    const gpumem_description *d = w->d;
    for (uint32_t i = 0; i < d->ntensor && w->job->flags & GM_WALK_TRAIN; i++)
        if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && !w->job->trains[d->tensor[i].storage == GPUMEM_NONE ? i : d->tensor[i].storage])
            return FIRST_REPS + 1;
    return FIRST_REPS;
}

static void run_sequence(gm_walk *w)
{
    uint32_t first = first_reps(w), kept = first + LAST_REPS;
    int32_t rep = 1;
    for (uint32_t r = 0; r < w->d->nrun && !w->t.failed; r++) {
        const gpumem_run *run = &w->d->run[r];
        bool whole = w->job->flags & GM_WALK_WHOLE || run->count <= kept;
        uint32_t reps = whole ? run->count : kept;
        for (uint32_t i = 0; i < reps && !w->t.failed; i++) {
            uint32_t at = whole || i < first ? i : run->count - kept + i;
            w->t.rep = w->running = whole ? -1 : rep + (int32_t)i;
            for (uint32_t k = 0; k < run->n && !w->t.failed; k++) {
                uint32_t position = run->first + at * run->n + k;
                if (w->job->idle == NULL || !w->job->idle[w->d->sequence[position]])
                    run_block(w, position);
            }
            if (whole || w->t.failed)
                continue;
            if (i + 2 == first) {
                struct skip *now = realloc(w->skip, (w->nskip + 1) * sizeof *now);
                if (now == NULL) {
                    gm_tape_fail(&w->t, GPUMEM_ENOMEM, "out of memory");
                    return;
                }
                w->skip = now;
                w->skip[w->nskip] = (struct skip){.rep = rep + (int32_t)first - 1, .times = run->count - kept};
                remember(w, &w->skip[w->nskip++]);
            } else if (i + 1 == first)
                leave_out(w, &w->skip[w->nskip - 1]);
        }
        w->t.rep = w->running = -1;
        rep += whole ? 0 : (int32_t)kept + 1;
    }
}

static void drop_own(void *self, uint32_t tv, int32_t rep) { release(self, tv, rep); }

static void hold_replayed(void *self, uint32_t tv)
{
    gm_walk *w = self;
    hold(w, &w->block, tv, GM_NONE);
}

/* ---- before and after ---- */

static bool room(gm_walk *w)
{
    const gpumem_description *d = w->d;
    w->cur = malloc((d->ntensor + 1) * sizeof *w->cur);
    w->leaf = malloc((d->ntensor + 1) * sizeof *w->leaf);
    w->last = malloc((d->ntensor + 1) * sizeof *w->last);
    w->exported = calloc(d->ntensor + 1, 1);
    w->port = malloc((d->nportname + 1) * sizeof *w->port);
    w->port_end = calloc(d->nportname + 1, sizeof *w->port_end);
    if (!w->cur || !w->leaf || !w->last || !w->exported || !w->port || !w->port_end)
        return false;
    for (uint32_t i = 0; i < d->ntensor; i++)
        w->cur[i] = w->leaf[i] = w->last[i] = GM_NONE;
    for (uint32_t i = 0; i < d->nportname; i++)
        w->port[i] = GM_NONE;
    for (uint32_t i = 0; i < d->nop; i++)
        for (unsigned k = 0; k < d->op[i].nin; k++) {
            uint32_t in = d->operand[d->op[i].operand + k];
            if (in != GPUMEM_NONE)
                w->last[in] = i;
        }
    for (uint32_t p = 0; p < d->nsequence; p++) {
        const gpumem_block *b = &d->block[d->sequence[p]];
        for (uint32_t i = b->import0; i < b->import0 + b->nimport; i++)
            w->port_end[d->port[i].port] = p;
    }
    return true;
}

static void reached(gm_walk *w, int at)
{
    if (w->t.rising && w->to->top)
        w->to->top(w->to->self, &w->t);
    w->t.rising = false;
    if (w->to->reached)
        w->to->reached(w->to->self, &w->t, at);
}

/* An input of the point; 0: the model has none of this name. */
static uint32_t input_of(const gm_walk *w, const char *name)
{
    for (uint32_t i = 1; i < w->symbols.n; i++)
        if (w->symbols.sym[i].op == GPUMEM_SYM_INPUT && strcmp(w->symbols.sym[i].name, name) == 0)
            return i;
    return 0;
}

/* One more token, with what the prefill has left behind. */
static void decode(gm_walk *w)
{
    gm_tape *t = &w->t;
    uint32_t token, batch = input_of(w, "batch"), tokens = input_of(w, "tokens");
    if (tokens == 0)
        return;
    for (uint32_t i = 0; i < w->nskip; i++)
        free(w->skip[i].live);
    w->nskip = 0;
    t->at_cached = 0;
    t->decoding = true;
    t->past = gm_ext_symbol(&w->symbols, 1, tokens);
    token = gm_storage_new(t, gm_ext_symbol(&w->symbols, 1, batch), GPUMEM_FORMAT_I64);
    w->symbols.known[tokens] = 1; /* what is described from now on has one token */
    for (uint32_t i = 1; i < w->symbols.n; i++)
        if (w->symbols.sym[i].op != GPUMEM_SYM_INPUT)
            w->symbols.known[i] = 0;
    gm_symbols_know(&w->symbols);
    run_sequence(w);
    if (t->failed)
        return;
    let_go(w, &w->stack);
    let_go(w, &w->model);
    let_go(w, &w->caller);
    gm_storage_unref(t, token);
    reached(w, GM_AT_DECODED);
}

/* Room for one more than the prefill has, at least. */
static void fix_cache(gm_walk *w)
{
    gm_tape *t = &w->t;
    uint32_t tokens = input_of(w, "tokens");
    if (tokens == 0)
        return;
    t->fixed = true;
    if (!gm_ext_derive(&w->symbols, GPUMEM_SYM_ADD, gm_ext_symbol(&w->symbols, 1, tokens), gm_ext_of(1), &t->limit) ||
        !gm_ext_derive(&w->symbols, GPUMEM_SYM_MAX, t->limit, gm_ext_of(w->job->fixed), &t->limit))
        gm_tape_fail(t, GPUMEM_ERANGE, "a size that cannot be computed");
}

static void forward_and_backward(gm_walk *w)
{
    gm_tape *t = &w->t;
    t->grad_mode = t->training = (w->job->flags & GM_WALK_TRAIN) != 0;
    t->checkpointing = t->training && w->job->flags & GM_WALK_CHECKPOINT;
    t->low = w->job->low;
    t->past = gm_ext_of(0);
    t->seen = w->graph ? gm_ext_symbol(&w->symbols, 1, input_of(w, "seen")) : gm_ext_of(0);
    t->page = w->job->page;
    t->room = w->job->room;
    t->caching = w->job->flags & GM_WALK_CACHE && !t->training;
    t->last_only = !(w->job->flags & (GM_WALK_ALL_LOGITS | GM_WALK_TRAIN));
    t->whole = (w->job->flags & GM_WALK_WHOLE) != 0;
    if (t->caching && w->job->fixed)
        fix_cache(w);
    run_sequence(w);
    if (t->failed)
        return;
    let_go(w, &w->stack);
    let_go(w, &w->model);
    for (uint32_t i = 0; i < w->d->nportname; i++) {
        gm_tv_unref(t, w->port[i]);
        w->port[i] = GM_NONE;
    }
    end_region(w);
    reached(w, GM_AT_RETURNED);
    let_go(w, &w->caller);
    if (t->training)
        forget(w);
    reached(w, GM_AT_HELD);
    if (!(w->job->flags & GM_WALK_TRAIN)) {
        if (!w->graph)
            decode(w);
        return;
    }
    if (w->loss == GM_NONE) {
        gm_tape_fail(t, GPUMEM_EUNSUP, "the class has no loss: nothing to train it with");
        return;
    }
    gm_tape_backward(t, w->loss);
    if (t->failed)
        return;
    gm_tv_unref(t, w->loss);
    for (uint32_t i = 0; i < t->nleaf; i++)
        if (t->leaf[i].held != GM_NONE) { /* goes with the graph, and so does its gradient */
            gm_tv_unref(t, t->leaf[i].held);
            gm_tv_unref(t, t->leaf[i].grad);
            t->leaf[i].held = t->leaf[i].grad = GM_NONE;
        }
    reached(w, GM_AT_BACKWARD_DONE);
}

gpumem_status gm_walk_run(const gm_walk_job *job, const gm_symbols *symbols, const gm_walk_listener *listener, gpumem_error *err)
{
    gm_walk *w = calloc(1, sizeof *w);
    gpumem_status s = GPUMEM_OK;
    if (w == NULL)
        return gm_no_memory(err);
    w->job = job;
    w->d = job->d;
    w->to = listener;
    w->graph = job->flags & GM_WALK_GRAPH;
    w->symbols = *symbols;
    w->loss = GM_NONE;
    w->t = (gm_tape){.symbols = &w->symbols, .format = job->format, .nformat = job->nformat, .low = GM_NONE, .rounding = job->rounding,
                     .packing = GM_NONE, .replaying = GM_NONE, .rep = -1, .self = listener->self, .top = listener->top, .event = listener->event, .turned = listener->turned};
    w->t.walk = w;
    w->t.replay = replay;
    w->t.before_node = before_node;
    w->t.drop_own = drop_own;
    w->t.hold_replayed = hold_replayed;
    if (!room(w))
        gm_tape_fail(&w->t, GPUMEM_ENOMEM, "out of memory");
    else
        forward_and_backward(w);
    if (w->t.failed)
        s = w->t.status == GPUMEM_ENOMEM ? gm_no_memory(err) : gm_fail(err, w->t.status, NULL, 0, 0, "%s", w->t.why);
    for (uint32_t i = 0; i < w->nskip; i++)
        free(w->skip[i].live);
    free(w->skip);
    free(w->block.one);
    free(w->stack.one);
    free(w->model.one);
    free(w->caller.one);
    free(w->cur);
    free(w->leaf);
    free(w->last);
    free(w->exported);
    free(w->port);
    free(w->port_end);
    gm_tape_free(&w->t);
    free(w);
    return s;
}

/* ---- rules ---- */

/* KIND.VARIANT.WAY, KIND.VARIANT, KIND.WAY, KIND: the first of them that there is; way: how attention runs. */
static uint32_t rule_of(gm_rules *rules, const gpumem_description *d, const gpumem_op *op, const char *way, gpumem_error *err)
{
    const char *kind = op->kind == GPUMEM_OP_OTHER ? d->string + op->name : gpumem_op_name(op->kind);
    const char *variant = op->variant == GPUMEM_NONE ? NULL : d->string + op->variant;
    const char *const parts[4][2] = {{variant, way}, {variant, NULL}, {way, NULL}, {NULL, NULL}};
    unsigned end = variant && op->rule != GPUMEM_NONE ? 2 : 4; /* its own comes before those of all variants */
    uint32_t rule = GM_NONE;
    for (unsigned i = variant ? 0 : 2; i < end && rule == GM_NONE && err->status == GPUMEM_OK; i++) {
        char name[128];
        snprintf(name, sizeof name, "%.40s%s%.40s%s%.40s", kind, parts[i][0] ? "." : "", parts[i][0] ? parts[i][0] : "", parts[i][1] ? "." : "", parts[i][1] ? parts[i][1] : "");
        rule = gm_rules_find(rules, name, err);
    }
    return rule;
}

gpumem_status gm_walk_rules(const gpumem_description *d, gm_rules *rules, const char *way, bool own, uint32_t *rule, gpumem_error *err)
{
    for (uint32_t i = 0; i < d->nop; i++) {
        const gpumem_op *op = &d->op[i];
        gpumem_error why = {0};
        rule[i] = rule_of(rules, d, op, way, &why);
        if (rule[i] == GM_NONE && why.status == GPUMEM_OK && op->rule != GPUMEM_NONE && own)
            rule[i] = gm_rules_add(rules, d->string + op->name, d->string + op->rule, &why);
        if (rule[i] == GM_NONE && why.status != GPUMEM_OK) {
            if (err)
                *err = why;
            return why.status;
        }
    }
    return GPUMEM_OK;
}
