/* Elementwise words and reductions. Derivatives: tools/autograd/derivatives.yaml and FunctionsManual.cpp of PyTorch 2.13. */
#include "tape/words.h"
#include <string.h>

/* ---- one operand ---- */

enum { KEEP_NOTHING, KEEP_INPUT, KEEP_RESULT };

static unsigned unary(gm_tape *t, unsigned word, uint32_t x, int keep, uint32_t *out)
{
    uint32_t node = gm_node_begin(t, word, 1, &x);
    if (keep == KEEP_INPUT)
        gm_node_save(t, node, x);
    out[0] = gm_like(t, x);
    gm_node_output(t, node, out[0], 0);
    if (keep == KEEP_RESULT)
        gm_node_save(t, node, out[0]);
    return out[0] != GM_NONE;
}

WORD(plain) { UNUSED_WORD; return unary(t, word, arg[0].tv, KEEP_NOTHING, out); }
WORD(of_input) { UNUSED_WORD; return unary(t, word, arg[0].tv, KEEP_INPUT, out); }
WORD(of_result) { UNUSED_WORD; return unary(t, word, arg[0].tv, KEEP_RESULT, out); }

DERIVE(d_same) { (void)node; res[0] = gm_tv_ref(t, g[0]); }
DERIVE(d_new) { (void)node; res[0] = gm_like(t, g[0]); }
DERIVE(d_new_input) { res[0] = gm_like2(t, g[0], node->saved[0]); } /* grad * f(x) in one kernel */

/* pow_backward: grad * (exponent * self.pow(exponent - 1)) */
DERIVE(d_pow)
{
    uint32_t p = gm_like(t, node->saved[0]), q = gm_like(t, p);
    res[0] = gm_like2(t, g[0], q);
    gm_tv_unref(t, q);
    gm_tv_unref(t, p);
}

/* rsqrt: -0.5 * grad * result.pow(3) */
DERIVE(d_rsqrt)
{
    uint32_t a = gm_like(t, g[0]), b = gm_like(t, node->saved[0]);
    res[0] = gm_like2(t, a, b);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
}

/* sqrt: grad / (2 * result) */
DERIVE(d_sqrt)
{
    uint32_t a = gm_like(t, node->saved[0]);
    res[0] = gm_like2(t, g[0], a);
    gm_tv_unref(t, a);
}

/* erf: 2 / sqrt(pi) * exp(-(self.pow(2))) * grad, one expression: its temporaries go together */
DERIVE(d_erf)
{
    uint32_t a[4], n = 0;
    a[n++] = gm_like(t, node->saved[0]);
    while (n < 4) {
        a[n] = gm_like(t, a[n - 1]);
        n++;
    }
    res[0] = gm_like2(t, a[3], g[0]);
    while (n-- > 0)
        gm_tv_unref(t, a[n]);
}

/* clamp: where((self >= min).logical_and_(self <= max), grad, 0) */
DERIVE(d_clamp)
{
    uint32_t zero = gm_tv_new(t, 0, NULL, t->tv[g[0]].dtype), a = gm_like_as(t, node->saved[0], GPUMEM_FORMAT_BOOL), b = gm_like_as(t, node->saved[0], GPUMEM_FORMAT_BOOL);
    res[0] = gm_like(t, g[0]);
    gm_tv_unref(t, zero);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
}

/* clamp by tensors: the same, and a mask of both masks */
WORD(clamp_between)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, arg[2].tv}, node = gm_node_begin(t, word, 1, in);
    UNUSED_WORD;
    for (unsigned i = 0; i < 3; i++)
        gm_node_save(t, node, in[i]);
    out[0] = t->stop ? GM_NONE : gm_like(t, in[0]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_clamp_between)
{
    uint32_t zero = gm_tv_new(t, 0, NULL, t->tv[g[0]].dtype), mask[3];
    for (unsigned i = 0; i < 3; i++)
        mask[i] = gm_like_as(t, node->saved[0], GPUMEM_FORMAT_BOOL);
    res[0] = gm_like(t, g[0]);
    for (unsigned i = 3; i-- > 0;)
        gm_tv_unref(t, mask[i]);
    gm_tv_unref(t, zero);
}

/* clamp_: what it was is cloned before it is overwritten; where(self >= min && self <= max, grad, 0) */
WORD(clamp_in_place)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    if (node != GM_NONE) {
        uint32_t old = gm_like(t, x);
        gm_node_save(t, node, old);
        gm_tv_unref(t, old);
    }
    out[0] = t->stop ? GM_NONE : gm_tv_alias(t, x);
    if (out[0] != GM_NONE)
        t->tv[out[0]].view = t->tv[x].view;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_clamp_in_place)
{
    uint32_t zero = gm_tv_new(t, 0, NULL, t->tv[g[0]].dtype), low = gm_like_as(t, node->saved[0], GPUMEM_FORMAT_BOOL);
    uint32_t high = gm_like_as(t, node->saved[0], GPUMEM_FORMAT_BOOL);
    res[0] = gm_like2(t, g[0], node->saved[0]);
    gm_tv_unref(t, high);
    gm_tv_unref(t, low);
    gm_tv_unref(t, zero);
}

/* abs: grad * self.sgn(); log: grad / self; sin, cos: grad * self.cos() */
DERIVE(d_of_other)
{
    uint32_t a = gm_like(t, node->saved[0]);
    res[0] = gm_like2(t, g[0], a);
    gm_tv_unref(t, a);
}

/* x * 0.5 * (1 + tanh(0.79788456 * x * (1 + 0.044715 * x * x))) as an autograd function of its own, which keeps x */
static uint32_t next(gm_tape *t, uint32_t a) /* in place of a */
{
    uint32_t y = gm_like(t, a);
    gm_tv_unref(t, a);
    return y;
}

static uint32_t joined(gm_tape *t, uint32_t a, uint32_t b) /* in place of both */
{
    uint32_t y = gm_like2(t, a, b);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
    return y;
}

static uint32_t tanh_of_cube(gm_tape *t, uint32_t x)
{
    uint32_t a = gm_like(t, x), b = next(t, next(t, gm_like(t, x)));
    return next(t, joined(t, a, b));
}

WORD(gelu_by_hand)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x), a;
    UNUSED_WORD;
    gm_node_save(t, node, x);
    a = gm_like(t, x);
    out[0] = joined(t, a, next(t, tanh_of_cube(t, x)));
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_gelu_by_hand)
{
    uint32_t x = node->saved[0], h = tanh_of_cube(t, x), p = gm_like(t, x), r = next(t, gm_like(t, h)), u = next(t, next(t, gm_like(t, x)));
    uint32_t w = joined(t, p, joined(t, r, u)), ff = joined(t, w, next(t, gm_like(t, h)));
    res[0] = gm_like2(t, ff, g[0]);
    gm_tv_unref(t, ff);
    gm_tv_unref(t, h);
}

/* ---- two operands ---- */

static unsigned binary(gm_tape *t, unsigned word, const gm_arg *arg, bool self, bool other, uint32_t *out)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    gm_node_save(t, node, other && gm_node_needs(t, node, 0) ? in[1] : GM_NONE);
    gm_node_save(t, node, self && gm_node_needs(t, node, 1) ? in[0] : GM_NONE);
    out[0] = gm_like2(t, in[0], in[1]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* What an operator gives that works in place: the same tensor, of another node. */
static unsigned in_place(gm_tape *t, uint32_t node, uint32_t x, uint32_t *out)
{
    out[0] = t->stop ? GM_NONE : gm_tv_alias(t, x);
    if (out[0] != GM_NONE)
        t->tv[out[0]].view = t->tv[x].view;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* add_in(a, b): a + b in a's own bytes */
WORD(add_in)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv};
    UNUSED_WORD;
    return in_place(t, gm_node_begin(t, word, 2, in), in[0], out);
}

/* detach(x), or x where gradients are off */
WORD(detach)
{
    UNUSED_WORD;
    out[0] = gm_tv_alias(t, arg[0].tv);
    return out[0] != GM_NONE;
}

/* mul_complex(x, y): the gradient is times conj(y), which is cloned to be conjugated */
WORD(mul_complex)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    gm_node_save(t, node, arg[1].tv);
    out[0] = gm_like2(t, x, arg[1].tv);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_mul_complex)
{
    uint32_t c = gm_like(t, node->saved[0]);
    res[0] = gm_like2(t, g[0], c);
    gm_tv_unref(t, c);
}

/* test(a, b?): comparisons and what is made of them */
WORD(test)
{
    uint32_t in[2] = {arg[0].tv, n > 1 ? arg[1].tv : GM_NONE};
    unsigned ndim;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
    (void)word;
    if (t->stop || !gm_elementwise(t, n, in, &ndim, dim, stride))
        return 0;
    out[0] = gm_tv_strided(t, ndim, dim, stride, GPUMEM_FORMAT_BOOL);
    return out[0] != GM_NONE;
}

WORD(add) { UNUSED_WORD; return binary(t, word, arg, false, false, out); }
WORD(mul) { UNUSED_WORD; return binary(t, word, arg, true, true, out); }

WORD(div_)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[1]);
    gm_node_save(t, node, gm_node_needs(t, node, 1) ? in[0] : GM_NONE);
    out[0] = gm_like2(t, in[0], in[1]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_add)
{
    for (unsigned i = 0; i < 2; i++)
        if (gm_wants(t, node, i))
            res[i] = gm_tv_ref(t, g[0]);
}

DERIVE(d_sub)
{
    if (gm_wants(t, node, 0))
        res[0] = gm_tv_ref(t, g[0]);
    if (gm_wants(t, node, 1))
        res[1] = gm_like(t, g[0]);
}

DERIVE(d_mul)
{
    for (unsigned i = 0; i < 2; i++)
        if (gm_wants(t, node, i))
            res[i] = gm_like2(t, g[0], node->saved[i]);
}

/* div_in(a, b): a / b in a's own bytes, which are cloned first where b's gradient needs them */
WORD(div_in)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in), before;
    UNUSED_WORD;
    gm_node_save(t, node, in[1]);
    before = gm_node_needs(t, node, 1) ? gm_like(t, in[0]) : GM_NONE;
    gm_node_save(t, node, before);
    gm_tv_unref(t, before);
    return in_place(t, node, in[0], out);
}

/* div: -grad * ((self / other) / other); grad / other */
DERIVE(d_div)
{
    if (gm_wants(t, node, 1)) {
        uint32_t a = gm_like2(t, node->saved[1], node->saved[0]), b = gm_like2(t, a, node->saved[0]), m = gm_like(t, g[0]);
        res[1] = gm_like2(t, m, b);
        gm_tv_unref(t, m);
        gm_tv_unref(t, a);
        gm_tv_unref(t, b);
    }
    if (gm_wants(t, node, 0))
        res[0] = gm_like2(t, g[0], node->saved[0]);
}

/* maximum: where(self == other, grad / 2, grad).masked_fill_(self < other, 0), and the same for other */
DERIVE(d_maximum)
{
    for (unsigned i = 0; i < 2; i++)
        if (gm_wants(t, node, i)) {
            uint32_t half = gm_like(t, g[0]), same = gm_like_as(t, g[0], GPUMEM_FORMAT_BOOL), less;
            res[i] = gm_like(t, g[0]);
            less = gm_like_as(t, g[0], GPUMEM_FORMAT_BOOL);
            gm_tv_unref(t, less);
            gm_tv_unref(t, same);
            gm_tv_unref(t, half);
        }
}

WORD(maximum)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[0]);
    gm_node_save(t, node, in[1]);
    out[0] = gm_like2(t, in[0], in[1]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* ---- other things ---- */

WORD(to)
{
    uint32_t x = arg[0].tv, dtype = (uint32_t)arg[1].size.num, node;
    UNUSED_WORD;
    if (arg[1].type == GM_ARG_TENSOR)
        dtype = t->tv[arg[1].tv].dtype;
    if (t->tv[x].dtype == dtype) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    node = gm_is_float(t, dtype) ? gm_node_begin(t, word, 1, &x) : GM_NONE;
    out[0] = gm_like_as(t, x, dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* to_dense(x, dtype): x.to(dtype, memory_format=torch.contiguous_format), which is x where that is its dtype, and channels do not come last */
WORD(to_dense)
{
    uint32_t x = arg[0].tv, dtype = arg[1].type == GM_ARG_TENSOR ? t->tv[arg[1].tv].dtype : (uint32_t)arg[1].size.num, node;
    UNUSED_WORD;
    if (t->tv[x].dtype == dtype && !gm_channels_last(&t->tv[x])) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    node = gm_node_begin(t, word, 1, &x);
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, t->tv[x].ndim, t->tv[x].dim, dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_to) { res[0] = gm_word_cast(t, g[0], t->meta[node->edge0].dtype); }

/* native_dropout: a mask beside the result */
WORD(dropout)
{
    uint32_t x = arg[0].tv, node, mask;
    UNUSED_WORD;
    if (arg[1].size.num == 0 || !t->training) {
        out[0] = gm_tv_ref(t, x);
        return 1;
    }
    node = gm_node_begin(t, word, 1, &x);
    out[0] = gm_like(t, x);
    mask = gm_like_as(t, x, GPUMEM_FORMAT_BOOL);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, mask);
    gm_tv_unref(t, mask);
    return out[0] != GM_NONE;
}

/* require_grad(x): what no parameter has made is a leaf that needs a gradient itself (PreTrainedModel.enable_input_require_grads) */
WORD(require_grad)
{
    uint32_t x = arg[0].tv, leaf;
    (void)word;
    UNUSED_WORD;
    out[0] = gm_tv_ref(t, x);
    if (t->tv[x].grad || !t->grad_mode)
        return 1;
    if (t->replaying != GM_NONE) { /* nothing is recorded */
        t->tv[x].grad = true;
        return 1;
    }
    leaf = gm_leaf_new(t, true);
    if (leaf == GM_NONE)
        return 1;
    t->tv[x].leaf = leaf;
    t->tv[x].grad = true;
    t->leaf[leaf].held = gm_tv_alias(t, x);
    return 1;
}

WORD(clone)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    out[0] = gm_like(t, x);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

static uint32_t reduced(gm_tape *t, uint32_t x, int d, bool keep, uint32_t dtype)
{
    gm_ext dim[GM_TV_DIMS];
    unsigned n = 0;
    for (int i = 0; i < t->tv[x].ndim; i++) {
        if (i != d)
            dim[n++] = t->tv[x].dim[i];
        else if (keep)
            dim[n++] = gm_ext_of(1);
    }
    return gm_tv_new(t, n, dim, dtype);
}

/* mean(x, dim), kept as 1; sum(x, dim): gone; sum1(x, dim): kept as 1 */
static unsigned reduce(gm_tape *t, unsigned word, const gm_arg *arg, bool keep, uint32_t *out)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    out[0] = reduced(t, x, gm_dim_at(t, x, &arg[1]), keep, t->tv[x].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}
WORD(mean) { UNUSED_WORD; return reduce(t, word, arg, true, out); }
WORD(sum1) { UNUSED_WORD; return reduce(t, word, arg, true, out); }
WORD(sum) { UNUSED_WORD; return reduce(t, word, arg, false, out); }

/* grad.expand(sizes) / n */
DERIVE(d_mean)
{
    const gm_meta *m = &t->meta[node->edge0];
    res[0] = gm_tv_new(t, m->ndim, m->dim, t->tv[g[0]].dtype);
}

/* grad.expand(sizes): a view whose stride is 0 in what was summed */
DERIVE(d_sum)
{
    const gm_meta m = t->meta[node->edge0];
    uint32_t y = gm_tv_alias(t, g[0]);
    int k = 0;
    if (y == GM_NONE)
        return;
    gm_tv *v = &t->tv[y];
    const gm_tv old = *v;
    v->ndim = m.ndim;
    for (int i = 0; i < m.ndim; i++) {
        bool same = k < old.ndim && gm_ext_same(old.dim[k], m.dim[i]);
        v->dim[i] = m.dim[i];
        v->stride[i] = same ? old.stride[k] : gm_ext_of(0);
        if (same || (old.ndim == m.ndim))
            k++;
    }
    res[0] = y;
}

/* Reduces a dimension; the backward takes what was reduced and the result. */
static unsigned reduced_with_both(gm_tape *t, unsigned word, const gm_arg *arg, bool keepdim, uint32_t *out)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    gm_node_save(t, node, x);
    out[0] = reduced(t, x, gm_dim_at(t, x, &arg[1]), keepdim, t->tv[x].dtype);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, out[0]);
    return out[0] != GM_NONE;
}
WORD(logsumexp) { (void)n; return reduced_with_both(t, word, arg, false, out); }
WORD(norm) { (void)n; return reduced_with_both(t, word, arg, true, out); }

/* grad * (self - result).exp() */
DERIVE(d_logsumexp)
{
    uint32_t a = gm_like(t, node->saved[0]), b = gm_like(t, a);
    (void)g;
    res[0] = gm_like(t, b);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
}

/* self * (grad / norm) */
DERIVE(d_norm)
{
    uint32_t a = gm_like2(t, g[0], node->saved[1]);
    res[0] = gm_like2(t, node->saved[0], a);
    gm_tv_unref(t, a);
}

/* softmax(x[, dtype]): the result is kept. Another dtype is cast to first. */
WORD(softmax)
{
    uint32_t x = arg[0].tv, node;
    if (n > 1 && t->tv[x].dtype != (uint32_t)arg[1].size.num) {
        gm_arg cast[2] = {arg[0], arg[1]};
        uint32_t wide;
        if (!gm_word_run(t, gm_word_find("to", 2), 2, cast, &wide))
            return 0;
        cast[0].tv = wide;
        n = softmax(t, word, 1, cast, out);
        gm_tv_unref(t, wide);
        return n;
    }
    node = gm_node_begin(t, word, 1, &x);
    out[0] = gm_like(t, x);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, out[0]);
    return out[0] != GM_NONE;
}

/* native_layer_norm(x, W?, b?): mean and 1 / deviation in fp32 */
WORD(layer_norm)
{
    uint32_t in[3] = {arg[0].tv, arg[1].type == GM_ARG_TENSOR ? arg[1].tv : GM_NONE, arg[2].type == GM_ARG_TENSOR ? arg[2].tv : GM_NONE}, stat[2], node;
    UNUSED_WORD;
    node = gm_node_begin(t, word, 3, in);
    gm_node_save(t, node, in[0]);
    gm_node_save(t, node, in[1]);
    gm_node_save(t, node, in[2]);
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, t->tv[in[0]].ndim, t->tv[in[0]].dim, t->tv[in[0]].dtype);
    for (int i = 0; i < 2; i++)
        stat[i] = t->stop ? GM_NONE : reduced(t, in[0], t->tv[in[0]].ndim - 1, true, GPUMEM_FORMAT_F32);
    gm_node_output(t, node, out[0], 0);
    for (int i = 0; i < 2; i++) {
        gm_node_save(t, node, stat[i]);
        gm_tv_unref(t, stat[i]);
    }
    return out[0] != GM_NONE;
}

DERIVE(d_layer_norm)
{
    for (unsigned i = 0; i < 3; i++)
        if (gm_wants(t, node, i))
            res[i] = i ? gm_like(t, node->saved[i]) : gm_tv_new(t, t->tv[node->saved[0]].ndim, t->tv[node->saved[0]].dim, t->tv[node->saved[0]].dtype);
    (void)g;
}

/* cumsum(x, dim): contiguous */
WORD(cumsum)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, t->tv[x].ndim, t->tv[x].dim, t->tv[x].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* cumsum: grad.flip(dim).cumsum(dim).flip(dim) */
DERIVE(d_cumsum)
{
    uint32_t a = gm_like(t, g[0]), b = gm_like(t, a);
    (void)node;
    res[0] = gm_like(t, b);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
}

/* where(mask, x, other number), masked_fill(x, mask) */
WORD(masked_fill)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 1, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[1]);
    out[0] = gm_like2(t, in[0], in[1]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* scaled_in_place(x): x /= number; the gradient is new */
WORD(scaled_in_place)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    out[0] = gm_tv_alias(t, x);
    if (out[0] != GM_NONE)
        t->tv[out[0]].view = t->tv[x].view;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* where(mask, a, b) */
WORD(where_)
{
    uint32_t in[3] = {arg[1].tv, arg[2].tv, arg[0].tv}, node = gm_node_begin(t, word, 2, in), both;
    UNUSED_WORD;
    gm_node_save(t, node, in[2]);
    both = t->stop ? GM_NONE : gm_like2(t, in[0], in[1]);
    out[0] = both;
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_where)
{
    uint32_t zero = gm_tv_new(t, 0, NULL, t->tv[g[0]].dtype);
    for (unsigned i = 0; i < 2; i++)
        if (gm_wants(t, node, i))
            res[i] = gm_like(t, g[0]);
    gm_tv_unref(t, zero);
}

/* gradients(on): torch.no_grad from here on, or its end */
WORD(gradients)
{
    (void)word;
    (void)n;
    (void)out;
    t->grad_mode = t->training && arg[0].size.num != 0;
    return 0;
}

const gm_word gm_words_elementwise[] = {
    {"adds", "t|a", 0, plain, d_same},      {"neg", "t", 0, plain, d_new},       {"muls", "t|a", 0, plain, d_new},
    {"pow", "t|a", 'h', of_input, d_pow},   {"square", "t", 0, of_input, d_pow}, {"rsqrt", "t", 'h', of_result, d_rsqrt},
    {"sqrt", "t", 0, of_result, d_sqrt},  {"exp", "t", 'h', of_result, d_new_input}, {"log", "t", 'h', of_input, d_new_input},
    {"silu", "t", 0, of_input, d_new_input}, {"gelu", "t", 0, of_input, d_new_input}, {"relu", "t", 0, of_result, d_new_input}, {"gelu_by_hand", "t", 0, gelu_by_hand, d_gelu_by_hand},
    {"erf", "t", 0, of_input, d_erf}, {"hardtanh", "t", 0, of_input, d_new_input}, {"hardswish", "t", 0, of_input, d_new_input}, {"leaky_relu", "t", 0, of_input, d_new_input},
    {"mish", "t", 0, of_input, d_new_input}, {"tanh", "t", 0, of_result, d_new_input}, {"sigmoid", "t", 0, of_result, d_new_input}, {"softplus", "t", 'h', of_input, d_new_input},
    {"clamp", "t", 0, of_input, d_clamp}, {"clamp_between", "ttt", 0, clamp_between, d_clamp_between}, {"clamp_in_place", "t", 0, clamp_in_place, d_clamp_in_place}, {"scaled_in_place", "t", 0, scaled_in_place, d_new}, {"where", "ttt", 0, where_, d_where}, {"expm1", "t", 'h', of_result, d_of_other},
    {"abs", "t", 0, of_input, d_of_other}, {"sin", "t", 0, of_input, d_of_other},
    {"cos", "t", 0, of_input, d_of_other}, {"add", "tt", 0, add, d_add},         {"sub", "tt", 0, add, d_sub},
    {"mul", "tt", 0, mul, d_mul},          {"div", "tt", 0, div_, d_div},        {"div_in", "tt", 0, div_in, d_div},   {"add_in", "tt", 0, add_in, d_add},
    {"detach", "t", 0, detach, NULL},     {"test", "t|t", 0, test, NULL}, {"maximum", "tt", 0, maximum, d_maximum}, {"mul_complex", "tt", 0, mul_complex, d_mul_complex},
    {"to", "td", 0, to, d_to},
    {"dropout", "ts", 0, dropout, d_new},  {"clone", "t", 0, clone, d_same}, {"require_grad", "t", 0, require_grad, NULL}, {"gradients", "s", 0, gradients, NULL},    {"mean", "ts", 0, mean, d_mean},
    {"to_dense", "td", 0, to_dense, d_to},
    {"sum", "ts", 'h', sum, d_sum},        {"sum1", "ts", 'h', sum1, d_sum},     {"norm", "ts", 'h', norm, d_norm},
    {"logsumexp", "ts", 'h', logsumexp, d_logsumexp},
    {"softmax", "t|s", 'h', softmax, d_new_input}, {"log_softmax", "t|s", 'h', softmax, d_new_input}, {"layer_norm", "too", 'h', layer_norm, d_layer_norm},
    {"native_layer_norm", "too", 0, layer_norm, d_layer_norm},
    {"masked_fill", "tt", 0, masked_fill, d_new}, {"cumsum", "t|s", 'h', cumsum, d_cumsum},
    {NULL, NULL, 0, NULL, NULL},
};
