/* Words that look up, sort and put apart: embeddings, losses, experts. */
#include "tape/words.h"
#include <string.h>

/* embedding(ids, W) */
WORD(embedding)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    gm_ext dim[GM_TV_DIMS];
    unsigned nd = t->tv[in[0]].ndim;
    UNUSED_WORD;
    gm_node_save(t, node, in[0]);
    if (nd == GM_TV_DIMS || t->stop)
        return 0;
    memcpy(dim, t->tv[in[0]].dim, sizeof dim);
    dim[nd] = t->tv[in[1]].dim[1];
    out[0] = gm_tv_new(t, nd + 1, dim, t->tv[in[1]].dtype);
    gm_node_output(t, node, out[0], 0);
    return 1;
}

static void whole(gm_tape *t, const gm_node *node, unsigned i, uint32_t like, uint32_t *res)
{
    const gm_meta m = t->meta[node->edge0 + i];
    if (gm_wants(t, node, i))
        res[i] = gm_tv_new(t, m.ndim, m.dim, t->tv[like].dtype);
}

DERIVE(d_embedding) { whole(t, node, 1, g[0], res); }

/* nll_loss(logp, labels): the mean, and the total weight */
WORD(nll_loss)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in), total;
    UNUSED_WORD;
    gm_node_save(t, node, in[0]);
    gm_node_save(t, node, in[1]);
    if (t->stop)
        return 0;
    out[0] = gm_tv_new(t, 0, NULL, t->tv[in[0]].dtype);
    total = gm_tv_new(t, 0, NULL, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, total);
    gm_tv_unref(t, total);
    return 1;
}

DERIVE(d_first) { whole(t, node, 0, g[0], res); }

/* zeros.scatter(...), zeros.index_put(...): out of place, as they are while a mode looks on */
DERIVE(d_filled)
{
    uint32_t zeros[GM_NODE_INPUTS] = {GM_NONE};
    whole(t, node, 0, g[0], zeros);
    whole(t, node, 0, g[0], res);
    gm_tv_unref(t, zeros[0]);
}

/* index(x, rows, [shape]): rows of x, or elements, picked by indices that are kept; the gradient is zeros of the whole that are filled */
WORD(pick)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 1, in);
    gm_ext dim[GM_TV_DIMS];
    unsigned nd = t->tv[in[0]].ndim, ni = t->tv[in[1]].ndim;
    UNUSED_WORD;
    gm_node_save(t, node, in[1]);
    if (t->stop)
        return 0;
    memcpy(dim, t->tv[in[1]].dim, sizeof dim);
    for (unsigned i = 1; i < nd && ni + i - 1 < GM_TV_DIMS; i++)
        dim[ni + i - 1] = t->tv[in[0]].dim[i];
    out[0] = gm_tv_new(t, ni + nd - 1, dim, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    return 1;
}

/* gather(x, indices): as many as there are indices */
WORD(gather)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 1, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[0]); /* gather_backward takes it, for its shape */
    gm_node_save(t, node, in[1]);
    if (t->stop)
        return 0;
    out[0] = gm_tv_new(t, t->tv[in[1]].ndim, t->tv[in[1]].dim, t->tv[in[0]].dtype);
    gm_node_output(t, node, out[0], 0);
    return 1;
}

/* topk(x, dim, k): values and indices, which are kept */
WORD(topk)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    gm_ext dim[GM_TV_DIMS];
    int d = gm_dim_at(t, x, &arg[1]);
    UNUSED_WORD;
    if (t->stop)
        return 0;
    memcpy(dim, t->tv[x].dim, sizeof dim);
    dim[d] = arg[2].size;
    out[0] = gm_tv_new(t, t->tv[x].ndim, dim, t->tv[x].dtype);
    out[1] = gm_tv_new(t, t->tv[x].ndim, dim, GPUMEM_FORMAT_I64);
    gm_node_output(t, node, out[0], 0);
    gm_node_save(t, node, out[1]);
    return 2;
}

/* scatter_add(x, indices, source): x with the source added where the indices say: index_add, out of place; both gradients are new */
WORD(index_add)
{
    uint32_t in[3] = {arg[0].tv, arg[2].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[2]);
    out[0] = gm_like(t, in[0]);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_index_add)
{
    if (gm_wants(t, node, 0))
        res[0] = gm_tv_ref(t, g[0]);
    whole(t, node, 1, g[0], res);
}

/* scatter_in(x, indices, source): the source where the indices say, in x's own bytes; x needs no gradient, the source's is gathered */
WORD(scatter_in)
{
    uint32_t in[2] = {arg[2].tv, arg[1].tv}, node = gm_node_begin(t, word, 1, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[1]);
    out[0] = t->stop ? GM_NONE : gm_tv_alias(t, arg[0].tv);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_scatter_in)
{
    const gm_meta *m = &t->meta[node->edge0];
    res[0] = gm_tv_new(t, m->ndim, m->dim, t->tv[g[0]].dtype);
}

/* sort(x): values and where they were */
WORD(sort)
{
    (void)word, (void)n;
    out[0] = gm_like(t, arg[0].tv);
    out[1] = gm_like_as(t, arg[0].tv, GPUMEM_FORMAT_I64);
    return t->stop ? 0 : 2;
}

/* max(x, dim), kept as 1: values and indices, which are kept */
WORD(max_)
{
    gm_arg one[3] = {arg[0], arg[1], {.type = GM_ARG_SIZE, .size = {1, {0}}}};
    return topk(t, word, n + 1, one, out);
}

/* scatter(x, indices): x with a number where the indices say; its gradient with zeros there */
WORD(scatter)
{
    uint32_t x = arg[0].tv, node = gm_node_begin(t, word, 1, &x);
    UNUSED_WORD;
    gm_node_save(t, node, arg[1].tv);
    out[0] = gm_like(t, x);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

/* grouped_mm(x [rows, in], W, offsets, transposed): rows by expert; W is [experts, in, out] if `transposed`, else [experts, out, in] */
static unsigned grouped(gm_tape *t, uint32_t node, const gm_arg *arg, uint32_t *out)
{
    gm_ext dim[2];
    dim[0] = t->tv[arg[0].tv].dim[0];
    dim[1] = t->tv[arg[1].tv].dim[arg[3].size.num ? 2 : 1];
    out[0] = t->stop ? GM_NONE : gm_tv_new(t, 2, dim, t->tv[arg[0].tv].dtype);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

WORD(grouped_mm)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, arg[2].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    gm_node_save(t, node, gm_node_needs(t, node, 1) ? in[0] : GM_NONE);
    gm_node_save(t, node, gm_node_needs(t, node, 0) ? in[1] : GM_NONE);
    gm_node_save(t, node, in[2]);
    return grouped(t, node, arg, out);
}

/* grouped_loop: the same as an operator of transformers (integrations/moe.py, _grouped_mm_fallback): it keeps both and makes both
 * gradients, whoever needs one; the offsets are held by its context, which goes with the graph. */
WORD(grouped_loop)
{
    uint32_t in[2] = {arg[0].tv, arg[1].tv}, node = gm_node_begin(t, word, 2, in);
    UNUSED_WORD;
    gm_node_save(t, node, in[0]);
    gm_node_save(t, node, in[1]);
    gm_node_hold(t, node, arg[2].tv);
    return grouped(t, node, arg, out);
}

DERIVE(d_grouped_loop)
{
    for (unsigned i = 0; i < 2; i++) {
        const gm_meta m = t->meta[node->edge0 + i];
        res[i] = gm_tv_new(t, m.ndim, m.dim, t->tv[g[0]].dtype);
    }
}

/* models/phimoe, PhimoeMultiplier(scores, multiplier, selected, gates, mask): a function of its own; only the scores get a gradient */
WORD(mixer_multiply)
{
    uint32_t in[3] = {arg[0].tv, arg[1].tv, arg[3].tv}, node = gm_node_begin(t, word, 3, in);
    UNUSED_WORD;
    gm_node_save(t, node, arg[1].tv);
    gm_node_save(t, node, arg[2].tv);
    gm_node_save(t, node, arg[3].tv);
    out[0] = gm_like2(t, arg[1].tv, arg[4].tv);
    gm_node_output(t, node, out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_mixer_multiply)
{
    uint32_t a = gm_like2(t, g[0], node->saved[0]), b = gm_like(t, a);
    res[0] = gm_like2(t, node->saved[2], b);
    gm_tv_unref(t, b);
    gm_tv_unref(t, a);
}

DERIVE(d_scatter) { (void)node; res[0] = gm_like(t, g[0]); }

DERIVE(d_grouped_mm)
{
    whole(t, node, 1, g[0], res);
    whole(t, node, 0, g[0], res);
}

/* of(y, a, ...): y, just made, is computed from the others, and nothing of them is kept; keeping(y, a, ...): they are.  For operators
 * whose inside is not described. */
static unsigned made_of(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, bool keep, uint32_t *out)
{
    uint32_t in[GM_WORD_ARGS] = {GM_NONE}, node;
    unsigned k = 0;
    for (unsigned i = 1; i < n; i++)
        if (arg[i].type == GM_ARG_TENSOR)
            in[k++] = arg[i].tv;
    node = gm_node_begin(t, word, k, in);
    for (unsigned i = 0; keep && i < k && i < GM_NODE_SAVED; i++)
        gm_node_save(t, node, in[i]);
    if (t->stop || arg[0].type != GM_ARG_TENSOR)
        return 0;
    out[0] = gm_tv_ref(t, arg[0].tv);
    gm_node_output(t, node, out[0], 0);
    return 1;
}
WORD(of) { return made_of(t, word, n, arg, false, out); }
WORD(keeping) { return made_of(t, word, n, arg, true, out); }

DERIVE(d_of)
{
    for (unsigned i = 0; i < node->nin; i++)
        whole(t, node, i, g[0], res);
}

const gm_word gm_words_index[] = {
    {"embedding", "tt", 0, embedding, d_embedding}, {"nll_loss", "tt", 'h', nll_loss, d_first}, {"pick", "tt", 0, pick, d_filled}, {"gather", "tt", 0, gather, d_filled},
    {"topk", "tss", 0, topk, d_filled}, {"max1", "ts", 0, max_, d_filled}, {"mixer_multiply", "ttttt", 0, mixer_multiply, d_mixer_multiply}, {"sort", "t", 0, sort, NULL}, {"scatter", "tt", 0, scatter, d_scatter}, {"scatter_in", "ttt", 0, scatter_in, d_scatter_in}, {"index_add", "ttt", 0, index_add, d_index_add}, {"grouped_mm", "ttts", 0, grouped_mm, d_grouped_mm}, {"grouped_loop", "ttts", 0, grouped_loop, d_grouped_loop},
    {"of", "t|o*", 0, of, d_of}, {"keeping", "t|o*", 'l', keeping, d_of},
    {NULL, NULL, 0, NULL, NULL},
};
