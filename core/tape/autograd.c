/* Nodes, what they keep, and the engine that runs them: torch/csrc/autograd/engine.cpp, input_buffer.cpp, functions/accumulate_grad.h. */
#include "tape/tape.h"
#include <stdlib.h>
#include <string.h>

#define FORGOTTEN 0xfffffffeu /* stands for a tensor of a replay that is kept for a node that went before */
#define REPLAYED 0xfffffffeu /* stands for a node while a block runs again: nothing is recorded, only kept */

static bool room(gm_tape *t, void *items, size_t size, uint32_t n, uint32_t more, uint32_t *max)
{
    void *now;
    uint32_t want = *max ? *max : 64;
    if (*max >= n + more && *max)
        return true;
    while (want < n + more)
        want *= 2;
    memcpy(&now, items, sizeof now);
    now = realloc(now, (size_t)want * size);
    if (now == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return false;
    }
    memcpy(items, &now, sizeof now);
    *max = want;
    return true;
}

static uint32_t node_slot(gm_tape *t)
{
    uint32_t i = t->free_node;
    if (i)
        t->free_node = t->node[i].edge0;
    else {
        if (t->nnode == 0)
            t->nnode = 1;
        if (!room(t, &t->node, sizeof *t->node, t->nnode, 1, &t->max_node))
            return GM_NONE;
        i = t->nnode++;
    }
    memset(&t->node[i], 0, sizeof t->node[i]);
    t->node[i].frame = t->node[i].leaf = t->node[i].own = GM_NONE;
    for (int k = 0; k < GM_NODE_OUTS; k++)
        t->node[i].grad[k] = GM_NONE;
    t->node[i].seq = t->seq++;
    t->node[i].label = t->label;
    t->node[i].position = t->position;
    t->node[i].rep = t->rep;
    t->node[i].loop = t->looping;
    t->node[i].turn = t->turn;
    return i;
}

uint32_t gm_leaf_new(gm_tape *t, bool trains)
{
    if (!room(t, &t->leaf, sizeof *t->leaf, t->nleaf, 1, &t->max_leaf))
        return GM_NONE;
    t->leaf[t->nleaf] = (gm_tape_leaf){GM_NONE, GM_NONE, GM_NONE, t->rep, false, trains, GM_NONE};
    return t->nleaf++;
}

/* The node that gathers a leaf's gradient. */
static uint32_t gatherer(gm_tape *t, uint32_t leaf)
{
    uint32_t n = t->leaf[leaf].node;
    if (n != GM_NONE)
        return n;
    n = node_slot(t);
    if (n == GM_NONE)
        return n;
    t->node[n].refs = 1; /* the leaf's */
    t->node[n].leaf = leaf;
    t->node[n].seq = UINT32_MAX;
    t->leaf[leaf].node = n;
    return n;
}

static void meta_of(const gm_tv *x, gm_meta *m)
{
    m->ndim = x->ndim;
    m->dtype = x->dtype;
    memcpy(m->dim, x->dim, sizeof m->dim);
    memcpy(m->stride, x->stride, sizeof m->stride);
}

uint32_t gm_node_begin(gm_tape *t, unsigned word, unsigned nin, const uint32_t *in)
{
    bool any = false;
    uint32_t n;
    t->needs = 0;
    for (unsigned i = 0; i < nin; i++)
        if (in[i] != GM_NONE && t->tv[in[i]].grad) {
            any = true;
            t->needs |= i < 32 ? 1u << i : 0u;
        }
    if (!any || !t->grad_mode || t->stop)
        return GM_NONE;
    if (t->replaying != GM_NONE)
        return REPLAYED;
    n = node_slot(t);
    if (n == GM_NONE || !room(t, &t->edge, sizeof *t->edge, t->nedge, nin, &t->max_edge) || !room(t, &t->meta, sizeof *t->meta, t->nedge, nin, &t->max_meta))
        return GM_NONE;
    t->node[n].word = (uint16_t)word;
    t->node[n].nin = (uint16_t)nin;
    t->node[n].edge0 = t->nedge;
    t->node[n].frame = t->packing;
    t->node[n].hooked = t->packing != GM_NONE;
    for (unsigned i = 0; i < nin; i++) {
        gm_edge *e = &t->edge[t->nedge + i];
        *e = (gm_edge){GM_NONE, 0};
        if (in[i] == GM_NONE)
            continue;
        meta_of(&t->tv[in[i]], &t->meta[t->nedge + i]);
        if (!t->tv[in[i]].grad)
            continue;
        if (t->tv[in[i]].leaf != GM_NONE) {
            uint32_t g = gatherer(t, t->tv[in[i]].leaf);
            t->edge[t->nedge + i] = (gm_edge){g, 0};
        } else
            *e = (gm_edge){t->tv[in[i]].node, t->tv[in[i]].out};
        if (t->edge[t->nedge + i].node != GM_NONE)
            t->node[t->edge[t->nedge + i].node].refs++;
    }
    t->nedge += nin;
    return n;
}

bool gm_node_needs(const gm_tape *t, uint32_t node, unsigned i) { return node != GM_NONE && (t->needs >> i & 1); }

static void pack(gm_tape *t, uint32_t tv)
{
    gm_frame *f = &t->frame[t->replaying];
    if (t->repacked >= f->packs) {
        gm_tape_fail(t, GPUMEM_EINTERNAL, "a replayed block keeps more than its first run");
        return;
    }
    if (f->made[t->repacked] != FORGOTTEN)
        f->made[t->repacked] = gm_tv_kept(t, tv); /* detached */
    t->repacked++;
    if (t->repacked == f->packs)
        t->stop = true;
}

void gm_node_save(gm_tape *t, uint32_t node, uint32_t tv)
{
    gm_node *n;
    if (node == GM_NONE || t->stop)
        return;
    if (node == REPLAYED) {
        if (tv != GM_NONE)
            pack(t, tv);
        return;
    }
    n = &t->node[node];
    if (n->nsaved == GM_NODE_SAVED) {
        gm_tape_fail(t, GPUMEM_EINTERNAL, "a node keeps too many tensors");
        return;
    }
    if (tv == GM_NONE)
        n->saved[n->nsaved++] = GM_NONE;
    else if (n->hooked) {
        gm_frame *f = &t->frame[n->frame];
        if (!room(t, &f->made, sizeof *f->made, f->packs, 1, &f->max_made))
            return;
        f->made[f->packs] = GM_NONE;
        n->saved[n->nsaved++] = f->packs++;
        f->left++;
    } else {
        uint32_t alias = gm_tv_kept(t, tv);
        if (alias != GM_NONE) {
            t->tv[alias].view = t->tv[tv].view;
            t->node[node].saved[t->node[node].nsaved++] = alias;
        }
    }
}

void gm_node_hold(gm_tape *t, uint32_t node, uint32_t tv)
{
    if (node == GM_NONE || t->stop)
        return;
    if (node == REPLAYED)
        t->hold_replayed(t->walk, tv);
    else
        t->node[node].own = gm_tv_ref(t, tv);
}

void gm_node_output(gm_tape *t, uint32_t node, uint32_t tv, unsigned out)
{
    gm_node *n;
    if (node == GM_NONE || tv == GM_NONE)
        return;
    t->tv[tv].grad = true;
    if (node == REPLAYED)
        return;
    n = &t->node[node];
    t->tv[tv].node = node;
    t->tv[tv].out = (uint8_t)out;
    n->refs++;
    if (out + 1u > n->nout)
        n->nout = (uint8_t)(out + 1);
}

static void frame_released(gm_tape *t, uint32_t frame, unsigned n)
{
    gm_frame *f = &t->frame[frame];
    f->left -= n;
    if (f->left || t->packing == frame)
        return;
    for (uint32_t i = 0; i < f->nargs; i++)
        gm_tv_unref(t, f->args[i]);
    t->frame[frame].nargs = 0;
}

/* Drops what the node has kept, and does not need any more. */
static void release_saved(gm_tape *t, uint32_t node)
{
    unsigned n = t->node[node].nsaved, packed = 0;
    t->node[node].nsaved = 0;
    for (unsigned i = 0; i < n; i++) {
        uint32_t s = t->node[node].saved[i];
        if (s == GM_NONE)
            continue;
        if (t->node[node].hooked) {
            gm_frame *f = &t->frame[t->node[node].frame];
            uint32_t made = f->made[s];
            f->made[s] = f->replayed ? GM_NONE : FORGOTTEN; /* nobody will ask for it */
            if (f->replayed && made != FORGOTTEN)
                gm_tv_unref(t, made);
            packed++;
        } else
            gm_tv_unref(t, s);
    }
    if (packed)
        frame_released(t, t->node[node].frame, packed);
}

void gm_node_unref(gm_tape *t, uint32_t node)
{
    if (node == GM_NONE || node == REPLAYED || --t->node[node].refs)
        return;
    release_saved(t, node);
    if (t->node[node].own != GM_NONE)
        t->drop_own(t->walk, t->node[node].own, t->node[node].rep);
    for (unsigned i = 0; i < t->node[node].nin; i++)
        gm_node_unref(t, t->edge[t->node[node].edge0 + i].node);
    t->node[node].edge0 = t->free_node;
    t->free_node = node;
}

/* ---- the engine ---- */

/* Is the gradient in a slot that was filled by a turn which may not be there, and is this one like it? */
static bool stands_in(const gm_tape *t, const gm_tv *first, const gm_tv *g)
{
    return t->storage[first->storage].once && !t->turning && first->refs == 1 && g->refs == 1 && !g->view && t->storage[g->storage].refs == 1 &&
           gm_same_shape(first->dim, first->ndim, g->dim, g->ndim) && first->dtype == g->dtype;
}

static void add_into(gm_tape *t, uint32_t node, unsigned out, uint32_t g)
{
    uint32_t *slot = &t->node[node].grad[out];
    const gm_tv *first;
    uint32_t in[2], sum;
    unsigned ndim;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
    if (*slot == GM_NONE || t->failed) {
        if (*slot != GM_NONE)
            gm_tv_unref(t, *slot);
        *slot = g;
        if (t->turning && !t->failed && (t->node[node].leaf != GM_NONE || t->node[node].loop != t->turning))
            gm_loop_once(t, t->turning - 1, t->tv[g].storage); /* the turns that follow add to it */
        return;
    }
    first = &t->tv[*slot];
    if (stands_in(t, first, &t->tv[g])) {
        gm_tv_unref(t, *slot);
        *slot = g;
        return;
    }
    if (first->refs == 1 && !first->view && t->storage[first->storage].refs == 1 && gm_tv_dense(t, *slot)) {
        gm_tv_unref(t, g);
        return;
    }
    in[0] = *slot;
    in[1] = g;
    if (!gm_elementwise(t, 2, in, &ndim, dim, stride))
        return;
    sum = gm_tv_strided(t, ndim, dim, stride, t->tv[g].dtype);
    gm_tv_unref(t, *slot);
    gm_tv_unref(t, g);
    *slot = sum;
}

static void gather(gm_tape *t, uint32_t node)
{
    gm_tape_leaf *l = &t->leaf[t->node[node].leaf];
    uint32_t g = t->node[node].grad[0], own;
    t->node[node].grad[0] = GM_NONE;
    if (g == GM_NONE || t->failed)
        return;
    if (l->has_grad) { /* added in place */
        gm_tv_unref(t, g);
        return;
    }
    own = g;
    /* copied where someone else has it, or where it does not lie in memory as the leaf does: weights are contiguous */
    if (t->tv[g].refs > 1 || t->storage[t->tv[g].storage].refs > 1 || !(l->held == GM_NONE ? gm_tv_contiguous(t, g) : gm_tv_dense(t, g))) {
        own = gm_tv_new(t, t->tv[g].ndim, t->tv[g].dim, t->tv[g].dtype);
        gm_tv_unref(t, g);
    }
    if (own != GM_NONE && t->tv[own].storage != GM_NONE && l->held == GM_NONE) {
        t->storage[t->tv[own].storage].is = GPUMEM_IS_GRADIENTS;
        if (t->turned)
            t->turned(t->self, t, t->tv[own].storage);
    }
    l->grad = own;
    l->has_grad = true;
}

static bool unpack(gm_tape *t, uint32_t node, uint32_t *held)
{
    gm_node *n = &t->node[node];
    gm_frame *f;
    bool any = false;
    for (unsigned i = 0; i < n->nsaved; i++)
        any |= n->saved[i] != GM_NONE;
    if (!n->hooked || !any)
        return false;
    f = &t->frame[n->frame];
    if (!f->replayed) {
        uint32_t frame = n->frame;
        f->replayed = true;
        if (!t->replay || !t->replay(t->walk, t, frame))
            return false;
    }
    n = &t->node[node];
    for (unsigned i = 0; i < n->nsaved; i++) {
        held[i] = n->saved[i] == GM_NONE ? GM_NONE : t->frame[n->frame].made[n->saved[i]];
        if (n->saved[i] != GM_NONE)
            t->frame[n->frame].made[n->saved[i]] = GM_NONE;
    }
    return true;
}

/* torch::autograd::validate_outputs: summed to the input's shape, then cast to its dtype. */
static uint32_t validate(gm_tape *t, const gm_meta *m, uint32_t g)
{
    if (g == GM_NONE || t->stop)
        return g;
    if (!gm_same_shape(m->dim, m->ndim, t->tv[g].dim, t->tv[g].ndim)) {
        uint32_t sum = gm_tv_new(t, m->ndim, m->dim, t->tv[g].dtype);
        gm_tv_unref(t, g);
        g = sum;
    }
    if (g != GM_NONE && t->tv[g].dtype != m->dtype) {
        uint32_t cast = gm_word_cast(t, g, m->dtype);
        gm_tv_unref(t, g);
        g = cast;
    }
    return g;
}

#define MAX_INPUTS 8192
static void run_node(gm_tape *t, uint32_t node)
{
    uint32_t g[GM_NODE_OUTS], res[MAX_INPUTS], held[GM_NODE_SAVED], kept[GM_NODE_SAVED];
    unsigned nin = t->node[node].nin, nsaved = t->node[node].nsaved;
    bool hooked, any = false;
    t->label = t->node[node].label;
    t->position = t->node[node].position;
    if (t->node[node].leaf != GM_NONE) {
        gather(t, node);
        return;
    }
    for (unsigned i = 0; i < GM_NODE_OUTS; i++) {
        g[i] = t->node[node].grad[i];
        t->node[node].grad[i] = GM_NONE;
        any |= g[i] != GM_NONE;
    }
    if (nin > MAX_INPUTS) {
        gm_tape_fail(t, GPUMEM_ERANGE, "an operator has too many operands");
        return;
    }
    for (unsigned i = 0; i < nin; i++)
        res[i] = GM_NONE;
    if (any) {
        hooked = unpack(t, node, held);
        t->in_loop = t->node[node].loop != 0;
        memcpy(kept, t->node[node].saved, sizeof kept);
        if (hooked)
            memcpy(t->node[node].saved, held, sizeof held);
        t->label = t->node[node].label;
        t->position = t->node[node].position;
        gm_derive(t, node, g, res);
        if (hooked) { /* what was made again goes with the function that asked for it */
            memcpy(t->node[node].saved, kept, sizeof kept);
            for (unsigned i = 0; i < nsaved; i++)
                gm_tv_unref(t, held[i]);
        }
        for (unsigned i = 0; i < nin; i++)
            res[i] = validate(t, &t->meta[t->node[node].edge0 + i], res[i]);
        for (unsigned i = 0; i < GM_NODE_OUTS; i++)
            gm_tv_unref(t, g[i]);
    }
    release_saved(t, node);
    for (unsigned i = 0; i < nin && !t->failed; i++) {
        gm_edge e = t->edge[t->node[node].edge0 + i];
        if (e.node == GM_NONE) {
            gm_tv_unref(t, res[i]);
            continue;
        }
        if (res[i] != GM_NONE)
            add_into(t, e.node, e.out, res[i]);
    }
    t->in_loop = false;
}

/* The second turn of a loop, which stands for all between the first and the last. */
static void turn_at(gm_tape *t, const gm_node *node)
{
    if (node && node->leaf != GM_NONE)
        return;
    if (t->turning && (!node || node->loop != t->turning || node->turn != 1)) {
        gm_loop_leave(t, t->turning - 1);
        t->turning = 0;
    }
    if (node && node->loop && node->turn == 1 && !t->turning) {
        t->turning = node->loop;
        gm_loop_enter(t, node->loop - 1);
    }
}

static bool later(const gm_node *a, const gm_node *b) { return a->seq > b->seq; }

void gm_tape_backward(gm_tape *t, uint32_t loss)
{
    uint32_t *list = NULL, n = 0, max = 0, root = t->tv[loss].node, one;
    if (root == GM_NONE)
        return;
    t->in_backward = true;
    t->grad_mode = false;
    one = gm_tv_new(t, t->tv[loss].ndim, t->tv[loss].dim, t->tv[loss].dtype);
    if (!room(t, &list, sizeof *list, 0, t->nnode, &max))
        return;
    /* how many gradients each waits for */
    list[n++] = root;
    t->node[root].visited = true;
    for (uint32_t at = 0; at < n; at++)
        for (unsigned i = 0; i < t->node[list[at]].nin; i++) {
            uint32_t next = t->edge[t->node[list[at]].edge0 + i].node;
            if (next == GM_NONE)
                continue;
            t->node[next].deps++;
            if (!t->node[next].visited) {
                t->node[next].visited = true;
                list[n++] = next;
            }
        }
    t->node[root].grad[t->tv[loss].out] = gm_tv_ref(t, one);
    n = 0;
    list[n++] = root;
    while (n && !t->failed) {
        uint32_t best = 0, node;
        for (uint32_t i = 1; i < n; i++)
            if (later(&t->node[list[i]], &t->node[list[best]]))
                best = i;
        node = list[best];
        list[best] = list[--n];
        turn_at(t, &t->node[node]);
        if (t->before_node)
            t->before_node(t->walk, t, &t->node[node]);
        run_node(t, node);
        for (unsigned i = 0; i < t->node[node].nin; i++) {
            uint32_t next = t->edge[t->node[node].edge0 + i].node;
            if (next != GM_NONE && --t->node[next].deps == 0)
                list[n++] = next;
        }
    }
    turn_at(t, NULL);
    free(list);
    gm_tv_unref(t, one);
    t->in_backward = false;
}
