/* Products: matrices, attention kernels, convolutions. */
#include "tape/words.h"
#include <string.h>

/* The last dimension is summed over: x [..., in] and W [out, in]; the result is contiguous. */
static uint32_t rows_by(gm_tape *t, uint32_t x, gm_ext last)
{
    gm_ext dim[GM_TV_DIMS];
    memcpy(dim, t->tv[x].dim, sizeof dim);
    dim[t->tv[x].ndim - 1] = last;
    return gm_tv_new(t, t->tv[x].ndim, dim, t->tv[x].dtype);
}

/* Can all dimensions but the last be seen as one? */
static bool foldable(gm_tape *t, uint32_t x)
{
    const gm_tv *v = &t->tv[x];
    gm_ext dim[2] = {gm_ext_of(1), v->dim[v->ndim - 1]}, stride[2];
    for (unsigned i = 0; i + 1 < v->ndim; i++)
        if (!gm_ext_mul(dim[0], v->dim[i], &dim[0]))
            return false;
    return gm_view_strides(t, v, 2, dim, stride);
}

/* linear(x, W, b?): t, view, mm or addmm, _unsafe_view. A gradient out of order is copied first; those of x and W are views.
 * conv1d(x, W, b?): the same with W [in, out] (Conv1D of transformers: addmm), whose gradient is no view. */
static unsigned product(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, bool flipped, uint32_t *out)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, n > 2 && arg[2].type == GM_ARG_TENSOR ? arg[2].tv : GM_NONE}, node, copy = GM_NONE, x = in[0];
    if (t->tv[x].ndim < 1 || t->tv[in[1]].ndim != 2) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a product of what are no matrices");
        return 0;
    }
    node = gm_node_begin(t, word, 3, in);
    if (!t->stop && !foldable(t, x))
        x = copy = gm_tv_new(t, t->tv[x].ndim, t->tv[x].dim, t->tv[x].dtype);
    gm_node_save(t, node, gm_node_needs(t, node, 1) ? x : GM_NONE);
    gm_node_save(t, node, gm_node_needs(t, node, 0) ? in[1] : GM_NONE);
    out[0] = t->stop ? GM_NONE : rows_by(t, in[0], t->tv[in[1]].dim[flipped ? 1 : 0]);
    gm_node_output(t, node, out[0], 0);
    gm_tv_unref(t, copy);
    return out[0] != GM_NONE;
}
WORD(mm) { return product(t, word, n, arg, false, out); }
WORD(addmm) { return product(t, word, n, arg, true, out); }

static void d_product(gm_tape *t, const gm_node *node, uint32_t g, bool view, uint32_t *res)
{
    const gm_meta x = t->meta[node->edge0], w = t->meta[node->edge0 + 1];
    if (gm_wants(t, node, 1)) {
        res[1] = gm_tv_new(t, w.ndim, w.dim, t->tv[g].dtype);
        if (res[1] != GM_NONE)
            t->tv[res[1]].view = view;
    }
    if (gm_wants(t, node, 0)) {
        res[0] = gm_tv_new(t, x.ndim, x.dim, t->tv[g].dtype);
        if (res[0] != GM_NONE)
            t->tv[res[0]].view = x.ndim != 2;
    }
    if (gm_wants(t, node, 2))
        res[2] = gm_tv_ref(t, g);
}

DERIVE(d_mm) { d_product(t, node, g[0], true, res); }
DERIVE(d_addmm) { d_product(t, node, g[0], false, res); }

/* The view of its rows that the product has given: a gradient out of order is copied. */
WORD(unfold)
{
    uint32_t x = arg[0].tv, node;
    UNUSED_WORD;
    if (t->tv[x].ndim < 2) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a view of rows of what has none");
        return 0;
    }
    node = gm_node_begin(t, word, 1, &x);
    out[0] = gm_tv_alias(t, x);
    if (out[0] != GM_NONE)
        t->tv[out[0]].view = false;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_unfold)
{
    (void)node;
    if (foldable(t, g[0]))
        res[0] = gm_tv_ref(t, g[0]);
    else
        res[0] = gm_tv_new(t, t->tv[g[0]].ndim, t->tv[g[0]].dim, t->tv[g[0]].dtype);
}

static unsigned unfolded(gm_tape *t, const char *inner, unsigned n, const gm_arg *arg, uint32_t *out)
{
    gm_arg y = {.type = GM_ARG_TENSOR};
    if (!gm_word_run(t, gm_word_find(inner, strlen(inner)), n, arg, &y.tv))
        return 0;
    if (t->tv[y.tv].ndim <= 2) {
        out[0] = y.tv;
        return 1;
    }
    n = gm_word_run(t, gm_word_find("unfold", 6), 1, &y, out);
    gm_tv_unref(t, y.tv);
    return n;
}
WORD(linear) { (void)word; return unfolded(t, "mm", n, arg, out); }
WORD(conv1d) { (void)word; return unfolded(t, "addmm", n, arg, out); }

/* bmm over all dimensions but the last two; an operand whose batch cannot be seen as one dimension is copied, and the copy is kept. */
static bool batch_folds(gm_tape *t, uint32_t x)
{
    const gm_tv *v = &t->tv[x];
    gm_ext dim[3] = {gm_ext_of(1), v->dim[v->ndim - 2], v->dim[v->ndim - 1]}, stride[3];
    for (unsigned i = 0; i + 2 < v->ndim; i++)
        if (!gm_ext_mul(dim[0], v->dim[i], &dim[0]))
            return false;
    return gm_view_strides(t, v, 3, dim, stride);
}

static uint32_t folded(gm_tape *t, uint32_t x)
{
    if (x == GM_NONE || t->stop)
        return GM_NONE;
    return batch_folds(t, x) ? gm_tv_ref(t, x) : gm_tv_new(t, t->tv[x].ndim, t->tv[x].dim, t->tv[x].dtype);
}

WORD(bmm)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in), a, b;
    gm_ext dim[GM_TV_DIMS];
    unsigned nd = t->tv[in[0]].ndim;
    UNUSED_WORD;
    if (nd < 2 || t->tv[in[1]].ndim < 2) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a product of what are no matrices");
        return 0;
    }
    a = folded(t, in[0]);
    b = folded(t, in[1]);
    gm_node_save(t, node, gm_node_needs(t, node, 1) ? a : GM_NONE);
    gm_node_save(t, node, gm_node_needs(t, node, 0) ? b : GM_NONE);
    if (!t->stop) {
        memcpy(dim, t->tv[in[0]].dim, sizeof dim);
        dim[nd - 1] = t->tv[in[1]].dim[t->tv[in[1]].ndim - 1];
    }
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, nd, dim, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
    return out[0] != GM_NONE;
}

/* The second operand's first. */
DERIVE(d_bmm)
{
    for (unsigned i = 2; i-- > 0;)
        if (gm_wants(t, node, i)) {
            const gm_meta m = t->meta[node->edge0 + i];
            res[i] = gm_tv_new(t, m.ndim, m.dim, t->tv[g[0]].dtype);
            if (res[i] != GM_NONE)
                t->tv[res[i]].view = true;
        }
}

/* The view of its batch that the product has given: a gradient whose batch cannot be seen as one dimension is copied. */
WORD(unfold_batch) { return unfold(t, word, n, arg, out); }

DERIVE(d_unfold_batch)
{
    (void)node;
    res[0] = folded(t, g[0]);
}

WORD(matmul)
{
    gm_arg y = {.type = GM_ARG_TENSOR};
    (void)word;
    if (!gm_word_run(t, gm_word_find("bmm", 3), n, arg, &y.tv))
        return 0;
    if (t->tv[y.tv].ndim <= 3) {
        out[0] = y.tv;
        return 1;
    }
    n = gm_word_run(t, gm_word_find("unfold_batch", 12), 1, &y, out);
    gm_tv_unref(t, y.tv);
    return n;
}

/* The same with autocast switched off. */
static unsigned as_it_comes(gm_tape *t, const char *word, unsigned n, const gm_arg *arg, uint32_t *out)
{
    uint32_t low = t->low;
    unsigned made;
    t->low = GM_NONE;
    made = gm_word_run(t, gm_word_find(word, strlen(word)), n, arg, out);
    t->low = low;
    return made;
}
WORD(linear_as_it_comes) { (void)word; return as_it_comes(t, "linear", n, arg, out); }
WORD(matmul_as_it_comes) { (void)word; return as_it_comes(t, "matmul", n, arg, out); }

/* baddbmm(a, x, y) of [batch, .., ..]: alpha x y + a, which needs no gradient; the products' gradients are scaled. */
WORD(baddbmm)
{
    uint32_t in[3] = {arg[1].tv, arg[2].tv, arg[0].tv}, node = gm_node_begin(t, word, 2, in);
    gm_ext dim[3];
    UNUSED_WORD;
    gm_node_save(t, node, gm_node_needs(t, node, 1) ? in[0] : GM_NONE);
    gm_node_save(t, node, gm_node_needs(t, node, 0) ? in[1] : GM_NONE);
    if (t->stop)
        return 0;
    if (t->tv[in[0]].ndim != 3 || t->tv[in[1]].ndim != 3) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a product of what are no batches of matrices");
        return 0;
    }
    dim[0] = t->tv[in[0]].dim[0];
    dim[1] = t->tv[in[0]].dim[1];
    dim[2] = t->tv[in[1]].dim[2];
    out[0] = gm_tv_new(t, 3, dim, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_baddbmm)
{
    for (unsigned i = 0; i < 2; i++)
        if (gm_wants(t, node, i)) {
            const gm_meta m = t->meta[node->edge0 + i];
            uint32_t p = gm_tv_new(t, m.ndim, m.dim, t->tv[g[0]].dtype);
            res[i] = gm_like(t, p);
            gm_tv_unref(t, p);
        }
}

/* solve(A, B): torch.linalg.solve_triangular; the solution's columns are contiguous.  linalg_solve_triangular_backward. */
WORD(solve)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    unsigned nd = t->tv[in[1]].ndim;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS], turned[GM_TV_DIMS];
    UNUSED_WORD;
    if (nd < 2) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a product of what are no matrices");
        return 0;
    }
    gm_node_save(t, node, in[0]);
    memcpy(dim, t->tv[in[1]].dim, sizeof dim);
    memcpy(turned, dim, sizeof dim);
    turned[nd - 1] = dim[nd - 2];
    turned[nd - 2] = dim[nd - 1];
    gm_contiguous_strides(t, nd, turned, stride);
    turned[0] = stride[nd - 1];
    stride[nd - 1] = stride[nd - 2];
    stride[nd - 2] = turned[0];
    out[0] = t->stop ? GM_NONE : gm_tv_strided(t, nd, dim, stride, t->tv[in[1]].dtype);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, out[0]);
    return out[0] != GM_NONE;
}

DERIVE(d_solve)
{
    const gm_meta a = t->meta[node->edge0], b = t->meta[node->edge0 + 1];
    uint32_t p, q;
    res[1] = gm_tv_new(t, b.ndim, b.dim, t->tv[g[0]].dtype);
    if (!gm_wants(t, node, 0))
        return;
    p = gm_tv_new(t, a.ndim, a.dim, t->tv[g[0]].dtype);
    q = gm_like(t, p);
    gm_tv_unref(t, p);
    res[0] = gm_like(t, q);
    gm_tv_unref(t, q);
}

/* conv([shape], x, W, b?): convolution; its gradients are made in this order by convolution_backward */
WORD(conv)
{
    uint32_t in[3] = {arg[1].tv, arg[2].tv, n > 3 && arg[3].type == GM_ARG_TENSOR ? arg[3].tv : GM_NONE}, node = gm_node_begin(t, word, 3, in);
    gm_node_save(t, node, in[0]);
    gm_node_save(t, node, in[1]);
    if (arg[0].type != GM_ARG_LIST)
        gm_tape_fail(t, GPUMEM_EINVAL, "a rule gives a shape that is none");
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, arg[0].n, arg[0].list, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_conv)
{
    for (unsigned i = 0; i < 3; i++)
        if (gm_wants(t, node, i)) {
            const gm_meta m = t->meta[node->edge0 + i];
            res[i] = gm_tv_new(t, m.ndim, m.dim, t->tv[g[0]].dtype);
        }
}

/* ---- attention ---- */

static uint32_t like_dense(gm_tape *t, uint32_t x) /* empty_like */
{
    return x == GM_NONE ? GM_NONE : gm_like(t, x);
}

static gm_ext times(gm_tape *t, gm_ext a, gm_ext b)
{
    if (!gm_ext_mul(a, b, &a))
        gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size has too many factors, or does not fit in 64 bits");
    return a;
}

static gm_ext up_to(gm_tape *t, gm_ext a, uint32_t k)
{
    gm_ext n;
    if (!gm_ext_derive(t->symbols, GPUMEM_SYM_CEILDIV, a, gm_ext_of(k), &n)) {
        gm_tape_fail(t, GPUMEM_ERANGE, "a size that cannot be rounded up");
        return a;
    }
    return times(t, n, gm_ext_of(k));
}

/* flash(q, k, v): _scaled_dot_product_flash_attention; out in the order of q, the log-sum-exp in fp32, two numbers for the random generator */
WORD(flash)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, arg[2].tv}, node = gm_node_begin(t, word, 3, in), lse, seed, offset;
    gm_ext two = gm_ext_of(2);
    UNUSED_WORD;
    for (unsigned i = 0; i < 3; i++)
        gm_node_save(t, node, in[i]);
    if (t->stop)
        return 0;
    out[0] = like_dense(t, in[0]);
    lse = gm_tv_new(t, 3, t->tv[in[0]].dim, GPUMEM_FORMAT_F32);
    seed = gm_tv_new(t, 1, &two, GPUMEM_FORMAT_I64);
    offset = gm_tv_new(t, 0, NULL, GPUMEM_FORMAT_I64);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, out[0]);
    gm_node_save(t, node, lse);
    gm_node_save(t, node, seed);
    gm_node_save(t, node, offset);
    gm_tv_unref(t, offset);
    gm_tv_unref(t, seed);
    gm_tv_unref(t, lse);
    return 1;
}

/* FlashAttention 2, flash_bwd: dq in fp32 by blocks of 128 rows and 32 columns, row sums, and dk, dv for each query head if heads are grouped. */
DERIVE(d_flash)
{
    const gm_tv q = t->tv[node->saved[0]], k = t->tv[node->saved[1]];
    gm_ext s = up_to(t, q.dim[2], 128), bh = times(t, q.dim[0], q.dim[1]);
    uint32_t scratch[4];
    unsigned n = 0;
    (void)g;
    for (unsigned i = 0; i < 3; i++)
        res[i] = like_dense(t, node->saved[i]);
    scratch[n++] = gm_storage_new(t, times(t, times(t, bh, s), up_to(t, q.dim[3], 32)), GPUMEM_FORMAT_F32);
    scratch[n++] = gm_storage_new(t, times(t, bh, s), GPUMEM_FORMAT_F32);
    if (!gm_ext_same(q.dim[1], k.dim[1]))
        for (unsigned i = 0; i < 2; i++)
            scratch[n++] = gm_storage_new(t, times(t, times(t, bh, k.dim[2]), q.dim[3]), q.dtype);
    while (n-- > 0)
        gm_storage_unref(t, scratch[n]);
}

/* efficient(q, k, v): _scaled_dot_product_efficient_attention; out is [batch, tokens, heads, width] in memory, the log-sum-exp has rows of 32 */
WORD(efficient)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, arg[2].tv}, node = gm_node_begin(t, word, 3, in), lse, seed, offset, y;
    gm_ext dim[4], rows[3];
    UNUSED_WORD;
    for (unsigned i = 0; i < 3; i++)
        gm_node_save(t, node, in[i]);
    if (t->stop)
        return 0;
    dim[0] = t->tv[in[0]].dim[0];
    dim[1] = t->tv[in[0]].dim[2];
    dim[2] = t->tv[in[0]].dim[1];
    dim[3] = t->tv[in[2]].dim[3];
    rows[0] = dim[0];
    rows[1] = dim[2];
    rows[2] = t->tv[in[0]].grad ? up_to(t, dim[1], 32) : gm_ext_of(0);
    y = gm_tv_new(t, 4, dim, t->tv[in[0]].dtype);
    if (y == GM_NONE)
        return 0;
    gm_tv *v = &t->tv[y];
    gm_ext stride = v->stride[1];
    v->dim[1] = dim[2];
    v->stride[1] = v->stride[2];
    v->dim[2] = dim[1];
    v->stride[2] = stride;
    lse = gm_tv_new(t, 3, rows, GPUMEM_FORMAT_F32);
    seed = gm_tv_new(t, 0, NULL, GPUMEM_FORMAT_I64);
    offset = gm_tv_new(t, 0, NULL, GPUMEM_FORMAT_I64);
    out[0] = y;
    gm_node_output(t, node, y, 0);
    gm_node_save(t, node, y);
    gm_node_save(t, node, lse);
    gm_node_save(t, node, seed);
    gm_node_save(t, node, offset);
    gm_tv_unref(t, offset);
    gm_tv_unref(t, seed);
    gm_tv_unref(t, lse);
    return 1;
}

/* Gradients are [batch, tokens, heads, width] in memory. */
DERIVE(d_efficient)
{
    (void)g;
    for (unsigned i = 0; i < 3; i++) {
        const gm_tv x = t->tv[node->saved[i]];
        gm_ext dim[4] = {x.dim[0], x.dim[2], x.dim[1], x.dim[3]}, stride[4], order[4];
        gm_contiguous_strides(t, 4, dim, stride);
        order[0] = stride[0];
        order[1] = stride[2];
        order[2] = stride[1];
        order[3] = stride[3];
        res[i] = gm_tv_strided(t, 4, x.dim, order, x.dtype);
    }
}

const gm_word gm_words_product[] = {
    {"mm", "tt|o", 'l', mm, d_mm}, {"addmm", "tt|o", 'l', addmm, d_addmm}, {"linear", "tt|o", 0, linear, NULL}, {"linear_as_it_comes", "tt|o", 0, linear_as_it_comes, NULL}, {"conv1d", "tt|o", 0, conv1d, NULL}, {"unfold", "t", 0, unfold, d_unfold}, {"bmm", "tt", 'l', bmm, d_bmm},
    {"unfold_batch", "t", 0, unfold_batch, d_unfold_batch}, {"matmul", "tt", 0, matmul, NULL}, {"matmul_as_it_comes", "tt", 0, matmul_as_it_comes, NULL},
    {"baddbmm", "ttt", 'l', baddbmm, d_baddbmm},
    {"flash", "ttt", 'l', flash, d_flash}, {"efficient", "ttt", 0, efficient, d_efficient}, {"conv", "Ltt|o", 'l', conv, d_conv}, {"solve", "tt", 0, solve, d_solve},
    {NULL, NULL, 0, NULL, NULL},
};
