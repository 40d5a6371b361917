/* Words that make views, and those that copy where a view cannot be. */
#include "tape/words.h"
#include <stdlib.h>
#include <string.h>

/* A view of x, as output 0 of a node. */
static unsigned viewed(gm_tape *t, uint32_t node, uint32_t y, uint32_t *out)
{
    out[0] = y;
    gm_node_output(t, node, y, 0);
    return y != GM_NONE;
}

static bool shape_of(gm_tape *t, const gm_arg *a, unsigned *n, gm_ext *dim)
{
    *n = 0;
    if (a->type == GM_ARG_LIST) {
        *n = a->n;
        memcpy(dim, a->list, sizeof a->list);
    } else if (a->type == GM_ARG_SIZE) {
        *n = 1;
        dim[0] = a->size;
    } else
        gm_tape_fail(t, GPUMEM_EINVAL, "a rule gives a shape that is none");
    return *n != 0;
}

/* view(x, [..]): also reshape, which copies where it has to */
WORD(view)
{
    uint32_t x = arg[0].tv, node, y;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
    unsigned nd;
    UNUSED_WORD;
    if (!shape_of(t, &arg[1], &nd, dim))
        return 0;
    if (gm_same_shape(dim, nd, t->tv[x].dim, t->tv[x].ndim)) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    node = gm_node_begin(t, word, 1, &x);
    y = gm_reshape(t, x, nd, dim);
    if (!t->stop && !gm_view_strides(t, &t->tv[x], nd, dim, stride))
        t->tv[y].view = true; /* of the copy */
    return viewed(t, node, y, out);
}

DERIVE(d_view)
{
    const gm_meta m = t->meta[node->edge0];
    res[0] = gm_reshape(t, g[0], m.ndim, m.dim);
    if (res[0] != GM_NONE)
        t->tv[res[0]].view = true;
}

/* contiguous(x): x itself where it is that already */
WORD(contiguous)
{
    uint32_t x = arg[0].tv, node;
    UNUSED_WORD;
    if (gm_tv_contiguous(t, x)) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    node = gm_node_begin(t, word, 1, &x);
    return viewed(t, node, gm_tv_new(t, t->tv[x].ndim, t->tv[x].dim, t->tv[x].dtype), out);
}

DERIVE(d_pass) { (void)node; res[0] = gm_tv_ref(t, g[0]); }

static uint32_t transposed(gm_tape *t, uint32_t x, int a, int b)
{
    uint32_t y = gm_tv_alias(t, x);
    if (y != GM_NONE) {
        gm_ext d = t->tv[y].dim[a], s = t->tv[y].stride[a];
        t->tv[y].dim[a] = t->tv[y].dim[b];
        t->tv[y].stride[a] = t->tv[y].stride[b];
        t->tv[y].dim[b] = d;
        t->tv[y].stride[b] = s;
    }
    return y;
}

WORD(transpose)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    int a = gm_dim_at(t, x, &arg[1]), b = gm_dim_at(t, x, &arg[2]);
    UNUSED_WORD;
    if (node != GM_NONE && node < t->nnode) {
        t->node[node].a = a;
        t->node[node].b = b;
    }
    return viewed(t, node, transposed(t, x, a, b), out);
}

DERIVE(d_transpose) { res[0] = transposed(t, g[0], (int)node->a, (int)node->b); }

/* permute(x, [dims]); the order is kept in the node, four bits a dimension */
static uint32_t permuted(gm_tape *t, uint32_t x, int64_t order)
{
    uint32_t y = gm_tv_alias(t, x);
    for (unsigned i = 0; y != GM_NONE && i < t->tv[y].ndim; i++) {
        unsigned k = (unsigned)(order >> (4 * i)) & 15u;
        t->tv[y].dim[i] = t->tv[x].dim[k];
        t->tv[y].stride[i] = t->tv[x].stride[k];
    }
    return y;
}

WORD(permute)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    int64_t order = 0, back = 0;
    UNUSED_WORD;
    if (arg[1].type != GM_ARG_LIST || arg[1].n != t->tv[x].ndim)
        gm_tape_fail(t, GPUMEM_EINVAL, "an order that has not as many dimensions as its tensor");
    for (unsigned i = 0; i < arg[1].n; i++) {
        uint64_t k = arg[1].list[i].num;
        if (k >= t->tv[x].ndim) {
            gm_tape_fail(t, GPUMEM_EINVAL, "a dimension that a tensor does not have");
            return 0;
        }
        order |= (int64_t)k << (4 * i);
        back |= (int64_t)i << (4 * k);
    }
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = back;
    return viewed(t, node, t->stop ? GM_NONE : permuted(t, x, order), out);
}

DERIVE(d_permute) { res[0] = permuted(t, g[0], node->a); }

/* slice(x, dim, length): a part of a dimension */
static uint32_t sliced(gm_tape *t, uint32_t x, int d, gm_ext length)
{
    uint32_t y = gm_tv_alias(t, x);
    if (y != GM_NONE)
        t->tv[y].dim[d] = length;
    return y;
}

WORD(slice)
{
    uint32_t x = arg[0].tv, node;
    int d = gm_dim_at(t, x, &arg[1]);
    UNUSED_WORD;
    node = gm_node_begin(t, word, 1, &x);
    return viewed(t, node, sliced(t, x, d, arg[2].size), out);
}

/* zeros of the whole, the part copied into them */
DERIVE(d_whole)
{
    const gm_meta *m = &t->meta[node->edge0];
    res[0] = gm_tv_new(t, m->ndim, m->dim, t->tv[g[0]].dtype);
}

/* every(x, dim, step): each step-th element: x[..., 0::2] */
WORD(every)
{
    uint32_t x = arg[0].tv, node, y;
    int d = gm_dim_at(t, x, &arg[1]);
    gm_ext length, stride;
    UNUSED_WORD;
    if (!gm_ext_div(t->tv[x].dim[d], arg[2].size, &length) || !gm_ext_mul(t->tv[x].stride[d], arg[2].size, &stride)) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a dimension that cannot be parted");
        return 0;
    }
    node = gm_node_begin(t, word, 1, &x);
    y = sliced(t, x, d, length);
    if (y != GM_NONE)
        t->tv[y].stride[d] = stride;
    return viewed(t, node, y, out);
}

/* select(x, dim): one of a dimension, which goes */
WORD(select_)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x), y = gm_tv_alias(t, x);
    int d = gm_dim_at(t, x, &arg[1]);
    UNUSED_WORD;
    if (y == GM_NONE || t->stop)
        return viewed(t, node, y, out);
    gm_tv *v = &t->tv[y];
    memmove(v->dim + d, v->dim + d + 1, (size_t)(v->ndim - d - 1) * sizeof *v->dim);
    memmove(v->stride + d, v->stride + d + 1, (size_t)(v->ndim - d - 1) * sizeof *v->stride);
    v->ndim--;
    return viewed(t, node, y, out);
}

/* split(x, dim, [sizes]) or split(x, dim, n): views; their gradients are put together */
WORD(split)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    int d = gm_dim_at(t, x, &arg[1]);
    gm_ext size[GM_TV_DIMS];
    unsigned parts = arg[2].n;
    UNUSED_WORD;
    if (arg[2].type == GM_ARG_LIST)
        memcpy(size, arg[2].list, sizeof size);
    else {
        parts = (unsigned)arg[2].size.num;
        if (parts > GM_TV_DIMS || !gm_ext_div(t->tv[x].dim[d], arg[2].size, &size[0])) {
            gm_tape_fail(t, GPUMEM_EINVAL, "a dimension that cannot be parted");
            return 0;
        }
        for (unsigned i = 1; i < parts; i++)
            size[i] = size[0];
    }
    if (parts > GM_NODE_OUTS && node != GM_NONE) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a tensor is split into too many parts");
        return 0;
    }
    if (node != GM_NONE && node < t->nnode) {
        t->node[node].a = d;
        t->node[node].b = parts;
        for (unsigned i = 0; i < parts; i++)
            t->node[node].x[i] = size[i];
    }
    for (unsigned i = 0; i < parts; i++) {
        out[i] = sliced(t, x, d, size[i]);
        gm_node_output(t, node, out[i], i);
    }
    return t->stop ? 0 : parts;
}

/* cat of the parts' gradients; zeros where there is none */
DERIVE(d_split)
{
    const gm_meta m = t->meta[node->edge0];
    uint32_t zeros[GM_NODE_OUTS], have = GM_NONE;
    for (int i = 0; i < node->b; i++)
        if (g[i] != GM_NONE)
            have = g[i];
    for (int i = 0; i < node->b; i++) {
        gm_ext dim[GM_TV_DIMS];
        memcpy(dim, m.dim, sizeof dim);
        dim[node->a] = node->x[i];
        zeros[i] = g[i] == GM_NONE ? gm_tv_new(t, m.ndim, dim, t->tv[have].dtype) : GM_NONE;
    }
    res[0] = gm_tv_new(t, m.ndim, m.dim, t->tv[have].dtype);
    for (int i = 0; i < node->b; i++)
        gm_tv_unref(t, zeros[i]);
}

/* cat(dim, a, b, ...): a new tensor, whatever the order in memory of its parts */
WORD(cat)
{
    uint32_t in[GM_WORD_ARGS], node, dtype;
    gm_ext dim[GM_TV_DIMS];
    int d = gm_dim_at(t, arg[1].tv, &arg[0]);
    unsigned nd = t->tv[arg[1].tv].ndim;
    unsigned parts = 0;
    for (unsigned i = 1; i < n; i++)
        if (arg[i].type == GM_ARG_TENSOR) /* operands may be left out */
            in[parts++] = arg[i].tv;
    n = parts + 1;
    node = gm_node_begin(t, word, n - 1, in);
    memcpy(dim, t->tv[in[0]].dim, sizeof dim);
    dtype = t->tv[in[0]].dtype;
    for (unsigned i = 1; i < n - 1; i++) {
        if (!gm_ext_derive(t->symbols, GPUMEM_SYM_ADD, dim[d], t->tv[in[i]].dim[d], &dim[d])) {
            gm_tape_fail(t, GPUMEM_EINVAL, "tensors that cannot be put together");
            return 0;
        }
        dtype = gm_promote(t, dtype, t->tv[in[i]].dtype);
    }
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    out[0] = gm_tv_new(t, nd, dim, dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_cat)
{
    for (unsigned i = 0; i < node->nin; i++)
        if (gm_wants(t, node, i)) {
            const gm_meta m = t->meta[node->edge0 + i];
            res[i] = sliced(t, g[0], (int)node->a, m.dim[node->a]);
        }
}

/* stack(dim, a, ...): a new dimension; the gradients are views of its parts */
WORD(stack)
{
    uint32_t in[GM_WORD_ARGS], node;
    gm_ext dim[GM_TV_DIMS];
    unsigned nd = t->tv[arg[1].tv].ndim;
    int64_t d = (int64_t)arg[0].size.num;
    (void)word;
    d = d < 0 ? d + nd + 1 : d;
    if (nd == GM_TV_DIMS || d < 0 || d > nd) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a tensor has too many dimensions");
        return 0;
    }
    for (unsigned i = 1; i < n; i++)
        in[i - 1] = arg[i].tv;
    node = gm_node_begin(t, word, n - 1, in);
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    memcpy(dim, t->tv[in[0]].dim, (size_t)d * sizeof *dim);
    dim[d] = gm_ext_of(n - 1);
    memcpy(dim + d + 1, t->tv[in[0]].dim + d, (nd - (size_t)d) * sizeof *dim);
    out[0] = gm_tv_new(t, nd + 1, dim, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

static uint32_t selected(gm_tape *t, uint32_t x, int d)
{
    uint32_t y = gm_tv_alias(t, x);
    if (y == GM_NONE)
        return y;
    gm_tv *v = &t->tv[y];
    memmove(v->dim + d, v->dim + d + 1, (size_t)(v->ndim - d - 1) * sizeof *v->dim);
    memmove(v->stride + d, v->stride + d + 1, (size_t)(v->ndim - d - 1) * sizeof *v->stride);
    v->ndim--;
    return y;
}

/* stacked(list, dim), joined(list, dim): what the turns of a loop have made, put together */
static unsigned gathered(gm_tape *t, unsigned word, const gm_arg *arg, bool apart, uint32_t *out)
{
    const gm_list *l = arg[0].type == GM_ARG_MANY ? &t->list[arg[0].tv] : NULL;
    uint32_t *in, node, dtype;
    gm_ext dim[GM_TV_DIMS], turns;
    unsigned n = l ? l->n : 0, nd;
    int64_t d = (int64_t)arg[1].size.num;
    if (n == 0 || (in = malloc(n * sizeof *in)) == NULL) {
        gm_tape_fail(t, n ? GPUMEM_ENOMEM : GPUMEM_EINVAL, n ? "out of memory" : "expected a list");
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        in[i] = l->one[i].tv;
    turns = l->loop == GM_NONE ? gm_ext_of(n) : t->loop[l->loop].n;
    node = gm_node_begin(t, word, n, in);
    nd = t->tv[in[0]].ndim;
    dtype = t->tv[in[0]].dtype;
    memcpy(dim, t->tv[in[0]].dim, sizeof dim);
    free(in);
    d = d < 0 ? d + nd + apart : d;
    if (nd + apart > GM_TV_DIMS || d < 0 || d >= (int64_t)nd + apart || (!apart && !gm_ext_mul(dim[d], turns, &dim[d]))) {
        gm_tape_fail(t, GPUMEM_EINVAL, "tensors that cannot be put together");
        return 0;
    }
    if (apart) {
        memmove(dim + d + 1, dim + d, (nd - (unsigned)d) * sizeof *dim);
        dim[d] = turns;
    }
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    out[0] = gm_tv_new(t, nd + apart, dim, dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}
WORD(stacked) { UNUSED_WORD; return gathered(t, word, arg, true, out); }
WORD(joined) { UNUSED_WORD; return gathered(t, word, arg, false, out); }

DERIVE(d_stack)
{
    for (unsigned i = 0; i < node->nin; i++)
        if (gm_wants(t, node, i))
            res[i] = selected(t, g[0], (int)node->a);
}

/* unsqueeze(x, dim) */
WORD(unsqueeze)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x), y = gm_tv_alias(t, x);
    int64_t d = (int64_t)arg[1].size.num;
    UNUSED_WORD;
    if (y == GM_NONE)
        return 0;
    gm_tv *v = &t->tv[y];
    d = d < 0 ? d + v->ndim + 1 : d;
    if (v->ndim == GM_TV_DIMS || d < 0 || d > v->ndim) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a tensor has too many dimensions");
        return viewed(t, node, y, out);
    }
    memmove(v->dim + d + 1, v->dim + d, (size_t)(v->ndim - d) * sizeof *v->dim);
    memmove(v->stride + d + 1, v->stride + d, (size_t)(v->ndim - d) * sizeof *v->stride);
    v->dim[d] = gm_ext_of(1);
    if (d < v->ndim && !gm_ext_mul(v->dim[d + 1], v->stride[d + 1], &v->stride[d]))
        gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size does not fit in 64 bits");
    if (d == v->ndim)
        v->stride[d] = gm_ext_of(1);
    v->ndim++;
    return viewed(t, node, y, out);
}

/* expand(x, [sizes]): a view whose stride is 0 where 1 became more */
WORD(expand)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x), y;
    gm_ext dim[GM_TV_DIMS];
    unsigned nd, off;
    UNUSED_WORD;
    if (!shape_of(t, &arg[1], &nd, dim) || (y = gm_tv_alias(t, x)) == GM_NONE)
        return 0;
    gm_tv *v = &t->tv[y];
    const gm_tv old = *v;
    if (nd < old.ndim) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a tensor has more dimensions than what it is expanded to");
        return viewed(t, node, y, out);
    }
    off = nd - old.ndim;
    v->ndim = (uint8_t)nd;
    for (unsigned i = 0; i < nd; i++) {
        v->dim[i] = dim[i];
        v->stride[i] = i < off || !gm_ext_same(old.dim[i - off], dim[i]) ? gm_ext_of(0) : old.stride[i - off];
    }
    return viewed(t, node, y, out);
}

DERIVE(d_expand)
{
    const gm_meta m = t->meta[node->edge0];
    if (gm_same_shape(m.dim, m.ndim, t->tv[g[0]].dim, t->tv[g[0]].ndim))
        res[0] = gm_tv_ref(t, g[0]);
    else
        res[0] = gm_tv_new(t, m.ndim, m.dim, t->tv[g[0]].dtype);
}

/* pad(x, more): the last dimension grows; the gradient is a part, copied */
WORD(pad)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    gm_ext dim[GM_TV_DIMS];
    int d = arg[1].type == GM_ARG_SIZE && n > 2 ? gm_dim_at(t, x, &arg[2]) : t->tv[x].ndim - 1;
    (void)word;
    memcpy(dim, t->tv[x].dim, sizeof dim);
    if (d < 0 || !gm_ext_derive(t->symbols, GPUMEM_SYM_ADD, dim[d], arg[1].size, &dim[d])) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a dimension that cannot be padded");
        return 0;
    }
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    out[0] = gm_tv_new(t, t->tv[x].ndim, dim, t->tv[x].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* c10/core/MemoryFormat.h, is_channels_last_strides_2d */
bool gm_channels_last(const gm_tv *x)
{
    static const unsigned order[] = {1, 3, 2, 0};
    gm_ext least = gm_ext_of(0);
    if (x->ndim != 4 || x->stride[1].num == 0)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        unsigned d = order[i];
        int c = gm_ext_compare(x->stride[d], least);
        if ((c != 0 && c != 1) || (d == 0 && gm_ext_same(least, x->stride[1])))
            return false;
        if (!gm_ext_mul(x->stride[d], x->dim[d], &least))
            return false;
    }
    return true;
}

/* constant_pad_nd: what is new has the memory format that x suggests */
static uint32_t padded_new(gm_tape *t, uint32_t x, const gm_ext *dim)
{
    static const unsigned order[] = {1, 3, 2, 0};
    gm_ext stride[GM_TV_DIMS], step = gm_ext_of(1);
    if (!gm_channels_last(&t->tv[x]))
        return gm_tv_new(t, t->tv[x].ndim, dim, t->tv[x].dtype);
    for (unsigned i = 0; i < 4; i++) {
        stride[order[i]] = step;
        if (!gm_ext_mul(step, dim[order[i]], &step))
            return gm_tape_fail(t, GPUMEM_EINVAL, "a size that cannot be computed");
    }
    return gm_tv_strided(t, 4, dim, stride, t->tv[x].dtype);
}

/* padded(x, size, dim): the same, to a size */
WORD(padded)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    gm_ext dim[GM_TV_DIMS];
    int d = gm_dim_at(t, x, &arg[2]);
    UNUSED_WORD;
    memcpy(dim, t->tv[x].dim, sizeof dim);
    dim[d] = arg[1].size;
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    out[0] = gm_ext_same(dim[d], t->tv[x].dim[d]) ? gm_like(t, x) : padded_new(t, x, dim); /* a clone where nothing is added */
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* put(x, part, dim): x[..., i, ...] = part; the same storage.  CopySlices: a copy of the gradient, and one of the part's; zeros go
 * where the part was, if anything before it wants them. */
WORD(put)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    out[0] = gm_tv_alias(t, in[0]);
    if (out[0] != GM_NONE)
        t->tv[out[0]].view = t->tv[in[0]].view;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_put)
{
    const gm_meta m = t->meta[node->edge0], p = t->meta[node->edge0 + 1];
    uint32_t all = gm_tv_strided(t, m.ndim, m.dim, m.stride, t->tv[g[0]].dtype), zeros = GM_NONE;
    if (gm_wants(t, node, 1))
        res[1] = gm_tv_new(t, p.ndim, p.dim, t->tv[g[0]].dtype);
    if (gm_wants(t, node, 0)) {
        zeros = gm_tv_new(t, p.ndim, p.dim, t->tv[g[0]].dtype);
        res[0] = all;
    } else
        gm_tv_unref(t, all);
    gm_tv_unref(t, zeros);
}

DERIVE(d_pad)
{
    const gm_meta m = t->meta[node->edge0];
    uint32_t part = sliced(t, g[0], (int)node->a, m.dim[node->a]); /* constant_pad_nd by less than nothing: a clone of a part */
    res[0] = gm_like(t, part);
    gm_tv_unref(t, part);
}

/* as_complex(x): pairs of the last dimension as numbers; as_real(x): the numbers as pairs. Both are views; their gradients have to be contiguous. */
static uint32_t paired(gm_tape *t, uint32_t x, bool complex)
{
    gm_ext two = gm_ext_of(2);
    uint32_t y = gm_tv_alias(t, x);
    bool ok = true;
    if (y == GM_NONE)
        return y;
    gm_tv *v = &t->tv[y];
    for (unsigned i = 0; i < v->ndim; i++) {
        bool last = i + 1u == v->ndim;
        ok &= last || (complex ? gm_ext_div(v->stride[i], two, &v->stride[i]) : gm_ext_mul(v->stride[i], two, &v->stride[i]));
        ok &= !last || (complex ? gm_ext_div(v->dim[i], two, &v->dim[i]) : gm_ext_mul(v->dim[i], two, &v->dim[i]));
    }
    v->dtype = complex ? GPUMEM_FORMAT_C64 : GPUMEM_FORMAT_F32;
    return ok ? y : gm_tape_fail(t, GPUMEM_EINVAL, "a tensor whose pairs are no numbers");
}

WORD(as_complex)
{
    uint32_t node = gm_node_begin(t, word, 1, &arg[0].tv);
    UNUSED_WORD;
    return viewed(t, node, paired(t, arg[0].tv, true), out);
}

WORD(as_real)
{
    uint32_t node = gm_node_begin(t, word, 1, &arg[0].tv);
    UNUSED_WORD;
    return viewed(t, node, paired(t, arg[0].tv, false), out);
}

static void d_paired(gm_tape *t, uint32_t g, bool complex, uint32_t *res)
{
    uint32_t own = gm_tv_contiguous(t, g) ? gm_tv_ref(t, g) : gm_tv_new(t, t->tv[g].ndim, t->tv[g].dim, t->tv[g].dtype);
    res[0] = own == GM_NONE ? GM_NONE : paired(t, own, complex);
    gm_tv_unref(t, own);
}

DERIVE(d_as_complex) { (void)node; d_paired(t, g[0], false, res); }
DERIVE(d_as_real) { (void)node; d_paired(t, g[0], true, res); }

/* copy_part(y, x): x copied into a part of y: CopySlices over CopyBackwards */
WORD(copy_part)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    return viewed(t, node, t->stop ? GM_NONE : gm_tv_alias(t, in[0]), out);
}

/* The gradient of the whole without the part, and a clone of the part. */
DERIVE(d_copy_part)
{
    const gm_meta y = t->meta[node->edge0], x = t->meta[node->edge0 + 1];
    uint32_t rest = gm_tv_strided(t, y.ndim, y.dim, y.stride, t->tv[g[0]].dtype), part = gm_tv_new(t, x.ndim, x.dim, t->tv[g[0]].dtype), zeros = GM_NONE;
    if (gm_wants(t, node, 0)) {
        zeros = gm_like(t, part);
        res[0] = gm_tv_ref(t, rest);
    }
    if (gm_wants(t, node, 1))
        res[1] = gm_word_cast(t, part, x.dtype);
    gm_tv_unref(t, part);
    gm_tv_unref(t, zeros);
    gm_tv_unref(t, rest);
}

/* new(dtype, [shape]), new(x): from nothing */
/* The storage of the first of them that nobody else reads, of its size and dtype, or a new one: as in a graph, whose operators may write over what they read last. */
WORD(reuse)
{
    (void)word;
    for (unsigned i = 0; i < n; i++) {
        const gm_tv *x = &t->tv[arg[i].tv];
        bool own = x->refs == 2 && x->storage != GM_NONE && t->storage[x->storage].refs == 1; /* the rule's name and this argument */
        if (own && x->dtype == t->tv[arg[0].tv].dtype && gm_ext_same(gm_tv_elements(t, arg[i].tv), gm_tv_elements(t, arg[0].tv)))
            return (out[0] = gm_tv_alias(t, arg[i].tv)) != GM_NONE;
    }
    out[0] = gm_like(t, arg[0].tv);
    return out[0] != GM_NONE;
}

WORD(fresh)
{
    gm_ext dim[GM_TV_DIMS];
    unsigned nd;
    (void)word;
    if (n == 1 || arg[0].type == GM_ARG_TENSOR)
        out[0] = arg[0].type == GM_ARG_TENSOR ? gm_like_as(t, arg[0].tv, n > 1 ? (uint32_t)arg[1].size.num : t->tv[arg[0].tv].dtype) : gm_tv_new(t, 0, NULL, (uint32_t)arg[0].size.num);
    else {
        if (!shape_of(t, &arg[1], &nd, dim))
            return 0;
        out[0] = gm_tv_new(t, nd, dim, (uint32_t)arg[0].size.num);
    }
    return out[0] != GM_NONE;
}

/* heads(x, n): [batch, n, tokens, width], a view of [batch, tokens, n * width]; what has four dimensions has its heads first already */
WORD(heads)
{
    static const gm_ext one = {1, {0}};
    uint32_t x = arg[0].tv, y = x;
    gm_arg a[3];
    memset(a, 0, sizeof a);
    UNUSED_WORD;
    if (t->tv[x].ndim == 4) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    a[0] = (gm_arg){.type = GM_ARG_TENSOR, .tv = x};
    if (t->tv[x].ndim != 3) {
        gm_tape_fail(t, GPUMEM_EINVAL, "heads of what has none");
        return 0;
    }
    {
        a[1].type = GM_ARG_LIST;
        a[1].n = 4;
        a[1].list[0] = t->tv[x].dim[0];
        a[1].list[1] = t->tv[x].dim[1];
        a[1].list[2] = arg[1].size;
        if (!gm_ext_div(t->tv[x].dim[2], arg[1].size, &a[1].list[3])) {
            gm_tape_fail(t, GPUMEM_EINVAL, "heads that do not divide a tensor's width");
            return 0;
        }
        if (!gm_word_run(t, gm_word_find("view", 4), 2, a, &y))
            return 0;
    }
    a[0].tv = y;
    a[1] = (gm_arg){.type = GM_ARG_SIZE, .size = one};
    a[2] = (gm_arg){.type = GM_ARG_SIZE, .size = gm_ext_of(2)};
    n = gm_word_run(t, gm_word_find("transpose", 9), 3, a, out);
    gm_tv_unref(t, y);
    return n;
}

const gm_word gm_words_shape[] = {
    {"view", "tl", 0, view, d_view}, {"reshape", "tl", 0, view, d_view}, {"contiguous", "t", 0, contiguous, d_pass}, {"transpose", "tss", 0, transpose, d_transpose},
    {"slice", "tss", 0, slice, d_whole}, {"every", "tss", 0, every, d_whole}, {"select", "ts", 0, select_, d_whole}, {"split", "tsl", 0, split, d_split},
    {"cat", "st|o*", 0, cat, d_cat}, {"stack", "st|t*", 0, stack, d_stack}, {"unsqueeze", "ts", 0, unsqueeze, d_view}, {"expand", "tl", 0, expand, d_expand}, {"pad", "ts|s", 0, pad, d_pad},
    {"new", "d|l", 0, fresh, NULL}, {"reuse", "t|t", 0, reuse, NULL}, {"as_complex", "t", 0, as_complex, d_as_complex}, {"as_real", "t", 0, as_real, d_as_real}, {"copy_part", "tt", 0, copy_part, d_copy_part}, {"heads", "ts", 0, heads, NULL},
    {"stacked", "ms", 0, stacked, d_stack}, {"joined", "ms", 0, joined, d_cat}, {"padded", "tss", 0, padded, d_pad}, {"permute", "tL", 0, permute, d_permute}, {"put", "tts", 0, put, d_put},
    {NULL, NULL, 0, NULL, NULL},
};
