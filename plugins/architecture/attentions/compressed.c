/* DeepseekV4Attention: one head of keys, which are the values too, of a window and of compressed tokens; and the indexers that choose among
 * tokens: DeepseekV32Indexer, AXK2Indexer, MiniMaxM3VLIndexer, DeepseekV4Indexer. */
#include "components.h"

const gpumem_paramdef indexer_params[INDEXER_N] = {
    WORD("index_style", "'weighted'", "weighted (queries of the latent, a weight for each head: models/deepseek_v32) or normed (queries and keys of x, each with a norm: models/minimax_m3_vl)"),
    SIZE("index_heads", NULL, "its query heads"),
    SIZE("index_dim", NULL, "width of its heads, and of its one key"),
    SIZE_OR_NULL("q_rank", "width of the latent that queries are made of"),
    SIZE("hidden", NULL, "width that keys are made of"),
};

/* Its operators run without a gradient and give indices: only parameters and cache are described. */
DESCRIBE(indexer_describe)
{
    static const char *const styles[] = {"weighted", "normed", NULL};
    int style = choice_of(args, INDEXER_STYLE, styles);
    gpumem_dim hidden = extent(size_of(args, INDEXER_HIDDEN), GPUMEM_AXIS_HIDDEN), width = extent(size_of(args, INDEXER_DIM), GPUMEM_AXIS_HEAD_DIM);
    gpumem_dim heads = extent(size_of(args, INDEXER_HEADS), GPUMEM_AXIS_HEADS), all = extent((uint64_t)heads.size * width.size, GPUMEM_AXIS_HEADS);
    (void)out;
    if (style < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "index_style is neither weighted nor normed");
    if (style == 0 && is_null(args, INDEXER_RANK))
        return gpumem_because(args, GPUMEM_EINVAL, "an indexer needs compressed queries: q_lora_rank is null");
    if (style == 0) {
        gpumem_emit_weight(e, "wq_b.weight", GPUMEM_FAMILY_MATRIX, all, extent(size_of(args, INDEXER_RANK), GPUMEM_AXIS_NONE));
        gpumem_emit_weight(e, "wk.weight", GPUMEM_FAMILY_MATRIX, width, hidden);
        vector(e, "k_norm", "weight", GPUMEM_FAMILY_NORM, width);
        vector(e, "k_norm", "bias", GPUMEM_FAMILY_NORM, width);
        gpumem_emit_weight(e, "weights_proj.weight", GPUMEM_FAMILY_MATRIX, heads, hidden);
    } else {
        gpumem_emit_weight(e, "q_proj.weight", GPUMEM_FAMILY_MATRIX, all, hidden);
        gpumem_emit_weight(e, "k_proj.weight", GPUMEM_FAMILY_MATRIX, width, hidden);
        vector(e, "q_norm", "weight", GPUMEM_FAMILY_NORM, width);
        vector(e, "k_norm", "weight", GPUMEM_FAMILY_NORM, width);
    }
    cache(e, "index_keys", in[0], 1, width.size, 0);
    return (gpumem_status)e->status;
}

const gpumem_paramdef compressed_params[COMPRESSED_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("q_rank", NULL, "width that queries are compressed to"),
    SIZE("o_groups", NULL, "groups of heads, each with an output matrix of its own"),
    SIZE("o_rank", NULL, "width of a group's result"),
    SIZE("rope", NULL, "rotated width of a head"),
    SIZE("window", NULL, "tokens that are kept as they are"),
    SIZE_OR_NULL("compress_rate", "tokens that become one; null: none are compressed"),
    FLAG("compress_overlaps", "false", "each is made of two windows, and an indexer chooses among them"),
    SIZE("index_heads", NULL, "query heads of the indexer"),
    SIZE("index_dim", NULL, "width of its heads"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* The rotary tables that a module has for itself. */
static void tables(gpumem_emit *e, const char *module, uint64_t rope)
{
    static const char *const names[] = {"rotary_emb.main_inv_freq", "rotary_emb.main_original_inv_freq", "rotary_emb.compress_inv_freq", "rotary_emb.compress_original_inv_freq"};
    gpumem_dim dim = extent((rope + 1) / 2, GPUMEM_AXIS_HEAD_DIM);
    char s[PATH_ROOM];
    for (unsigned i = 0; i < COUNT(names); i++)
        gpumem_emit_tensor(e, join(e, s, module, names[i]), GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_F32, 1, &dim);
}

/* The symbol ceil(tokens / rate), made once. */
static uint8_t windows_of(gpumem_emit *e, uint8_t tokens, uint32_t rate)
{
    uint32_t i = 0;
    while (i < e->nsym && !(e->sym[i].op == GPUMEM_SYM_CEILDIV && e->sym[i].a == tokens && e->sym[i].b == 0 && e->sym[i].k == rate))
        i++;
    if (i == e->nsym && i == e->max_sym) {
        gpumem_emit_fail(e, GPUMEM_ERANGE);
        return 0;
    }
    if (i == e->nsym) {
        memset(&e->sym[i], 0, sizeof e->sym[i]);
        e->sym[i].op = GPUMEM_SYM_CEILDIV;
        e->sym[i].a = tokens;
        e->sym[i].k = rate;
        e->nsym++;
    }
    return (uint8_t)i;
}

/* What is kept of them: [batch, tokens / rate, width]. */
static void keep(gpumem_emit *e, const char *name, uint32_t x, uint64_t width, uint64_t rate)
{
    gpumem_dim dim[3];
    if (e->status != GPUMEM_OK || e->tensor[x].ndim != 3)
        return;
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[1].sym = windows_of(e, dim[1].sym, (uint32_t)rate);
    dim[2] = extent(width, GPUMEM_AXIS_HEAD_DIM);
    gpumem_emit_tensor(e, name, GPUMEM_ROLE_CACHE, 0, GPUMEM_DTYPE_MODEL, 3, dim);
}

static gpumem_op *remembering(gpumem_emit *e, const char *name, unsigned n, const uint32_t *in, uint32_t *out, const char *rule)
{
    gpumem_op *op;
    for (unsigned i = 0; i < n; i++)
        out[i] = gpumem_emit_same(e, name, in[i]);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, name, n, in, n, out);
    if (op)
        op->rule = gpumem_emit_string(e, rule);
    return op;
}

/* store_compression_weights: views of all tokens' values and gates, until the next come; update_overlap_state: parts of the last window. */
static void wait(gpumem_emit *e, uint32_t *kv, uint32_t *gate, uint64_t rate, uint64_t overlap)
{
    uint32_t in[2], out[2];
    gpumem_op *op;
    in[0] = *kv;
    in[1] = *gate;
    op = remembering(e, "waiting", 2, in, out, "x y\n  return x, y\n");
    if (op) {
        op->attr[0] = (uint32_t)rate;
        op->attr[1] = (uint32_t)overlap;
    }
    *kv = out[0];
    *gate = out[1];
}

/* Tokens and gates of them, summed up by windows: [batch, tokens / rate, width]. */
static uint32_t compress(gpumem_emit *e, const char *module, uint32_t x, uint64_t width, uint64_t rate, int overlaps, uint64_t rope)
{
    char s[PATH_ROOM];
    uint64_t made = overlaps ? 2 * width : width;
    uint32_t kv = matrix(e, join(e, s, module, "kv_proj"), x, made, GPUMEM_AXIS_KV_HEADS, 0), gate, bias, y;
    gpumem_dim dim[3], shape[3];
    uint32_t all[1];
    gate = matrix(e, join(e, s, module, "gate_proj"), x, made, GPUMEM_AXIS_KV_HEADS, 0);
    wait(e, &kv, &gate, rate, overlaps ? width : 0);
    dim[0] = extent(rate, GPUMEM_AXIS_NONE);
    dim[1] = extent(made, GPUMEM_AXIS_HEAD_DIM);
    bias = gpumem_emit_tensor(e, join(e, s, module, "position_bias"), GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, 2, dim);
    gate = binary(e, GPUMEM_OP_ADD, "gate", gate, bias);
    y = gpumem_emit_same(e, "softmax", gate);
    operate(e, GPUMEM_OP_SOFTMAX, 0, "softmax", gate, GPUMEM_NONE, y);
    kv = binary(e, GPUMEM_OP_MUL, "weighted", kv, y);
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (e->tensor[x].ndim != 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(shape, e->tensor[x].dim, sizeof shape);
    shape[1].sym = windows_of(e, shape[1].sym, (uint32_t)rate);
    shape[2] = extent(width, GPUMEM_AXIS_HEAD_DIM);
    y = gpumem_emit_tensor(e, "windows", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, shape);
    operate(e, GPUMEM_OP_COMBINE, 0, "windows", kv, GPUMEM_NONE, y);
    y = rmsnorm(e, join(e, s, module, "kv_norm"), y, shape[2], "llama", 1);
    tables(e, module, rope);
    keep(e, "compressed_keys", x, width, rate);
    remembering(e, "compressed", 1, &y, all, "x\n  return x\n");
    return all[0];
}

static void states(gpumem_emit *e, uint32_t x, uint64_t width, uint64_t rate, int overlaps)
{
    state(e, "waiting_tokens", x, GPUMEM_DTYPE_MODEL, 2 * (rate - 1 ? rate - 1 : 1), overlaps ? 2 * width : width); /* at most: tokens modulo the rate */
    if (overlaps)
        state(e, "overlap", x, GPUMEM_DTYPE_MODEL, 2 * rate, width);
}

/* DeepseekV4Indexer: it gives indices, without a gradient. */
static void choose(const gpumem_args *args, gpumem_emit *e, uint32_t x, uint32_t latent, uint64_t rate)
{
    uint64_t width = size_of(args, COMPRESSED_INDEX_DIM), heads = size_of(args, COMPRESSED_INDEX_HEADS), rank = size_of(args, COMPRESSED_RANK);
    gpumem_dim two = extent(2 * width, GPUMEM_AXIS_HEAD_DIM), hidden = last_of(e, x);
    uint32_t operand[6];
    gpumem_op *op;
    operand[0] = x;
    operand[1] = latent;
    operand[2] = gpumem_emit_weight(e, "compressor.indexer.kv_proj.weight", GPUMEM_FAMILY_MATRIX, two, hidden);
    operand[3] = gpumem_emit_weight(e, "compressor.indexer.gate_proj.weight", GPUMEM_FAMILY_MATRIX, two, hidden);
    gpumem_emit_weight(e, "compressor.indexer.position_bias", GPUMEM_FAMILY_OTHER, extent(rate, GPUMEM_AXIS_NONE), two);
    vector(e, "compressor.indexer.kv_norm", "weight", GPUMEM_FAMILY_NORM, extent(width, GPUMEM_AXIS_HEAD_DIM));
    operand[4] = gpumem_emit_weight(e, "compressor.indexer.q_b_proj.weight", GPUMEM_FAMILY_MATRIX, extent(heads * width, GPUMEM_AXIS_HEADS), extent(rank, GPUMEM_AXIS_NONE));
    tables(e, "compressor.indexer", size_of(args, COMPRESSED_ROPE));
    operand[5] = gpumem_emit_weight(e, "compressor.indexer.scorer.weights_proj.weight", GPUMEM_FAMILY_MATRIX, extent(heads, GPUMEM_AXIS_HEADS), hidden);
    keep(e, "index_keys", x, width, rate);
    states(e, x, width, rate, 1);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "window_indexer", 6, operand, 0, NULL);
    if (op) {
        op->rule = gpumem_emit_string(e, "x r a b c d\n  r = detach(r)\n");
        op->attr[0] = (uint32_t)rate;
        op->attr[1] = (uint32_t)heads;
        op->attr[2] = (uint32_t)width;
    }
}

/* DeepseekV4GroupedLinear: a matrix for each group of heads, o_a_proj [groups * rank, width of a group]. */
static uint32_t grouped_out(const gpumem_args *args, gpumem_emit *e, uint32_t y, uint64_t width)
{
    uint64_t groups = size_of(args, COMPRESSED_GROUPS), rank = size_of(args, COMPRESSED_O_RANK);
    uint32_t operand[2], z = gpumem_emit_like(e, "o_a_proj", y, extent(groups * rank, GPUMEM_AXIS_HEADS));
    gpumem_op *op;
    operand[0] = y;
    operand[1] = gpumem_emit_weight(e, "o_a_proj.weight", GPUMEM_FAMILY_MATRIX, extent(groups * rank, GPUMEM_AXIS_HEADS), extent(width / groups, GPUMEM_AXIS_HEAD_DIM));
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "by_groups", 2, operand, 1, &z);
    if (op) {
        op->rule = gpumem_emit_string(e, "x w\n  y = keeping(described(0), x, w)\n  return y\n");
        op->attr[0] = (uint32_t)groups;
    }
    return z;
}

DESCRIBE(compressed_describe)
{
    uint64_t rope = size_of(args, COMPRESSED_ROPE), rate = size_or(args, COMPRESSED_RATE, 0);
    int overlaps = flag_of(args, COMPRESSED_OVERLAPS);
    gpumem_dim width = extent(size_of(args, COMPRESSED_HEAD_DIM), GPUMEM_AXIS_HEAD_DIM);
    uint32_t q, kv, y, latent, sinks, none = GPUMEM_NONE;
    attend_spec s;
    s.heads = size_of(args, COMPRESSED_HEADS);
    s.kv = 1;
    s.dim = width.size;
    s.window = rate ? 0 : size_of(args, COMPRESSED_WINDOW);
    s.causal = 1;
    s.dropout = probability_of(args, COMPRESSED_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    if (size_of(args, COMPRESSED_GROUPS) > s.heads * s.dim)
        return gpumem_because(args, GPUMEM_EINVAL, "o_groups is more than the width of all heads");
    sinks = vector(e, "", "sinks", GPUMEM_FAMILY_OTHER, extent(s.heads, GPUMEM_AXIS_HEADS));
    y = matrix(e, "q_a_proj", in[0], size_of(args, COMPRESSED_RANK), GPUMEM_AXIS_NONE, 0);
    latent = y = step(e, rmsnorm(e, "q_a_norm", y, last_of(e, y), "llama", 1));
    q = norm_heads(e, NULL, matrix(e, "q_b_proj", y, s.heads * s.dim, GPUMEM_AXIS_HEADS, 0), s.heads, s.dim, "plain");
    kv = rmsnorm(e, "kv_norm", matrix(e, "kv_proj", in[0], s.dim, GPUMEM_AXIS_KV_HEADS, 0), width, "llama", 1);
    rotate(e, in + 1, "cat", rope, s.dim, &q, &kv);
    append_cache(e, &kv, &none, 1, size_of(args, COMPRESSED_WINDOW));
    cache(e, "keys", in[0], 1, s.dim, size_of(args, COMPRESSED_WINDOW) > 1 ? size_of(args, COMPRESSED_WINDOW) - 1 : 1);
    if (rate) {
        uint32_t both[2], all = gpumem_emit_same(e, "all_keys", kv); /* those of the compressed tokens are few beside them */
        both[0] = kv;
        both[1] = compress(e, "compressor", in[0], s.dim, rate, overlaps, rope);
        states(e, in[0], s.dim, rate, overlaps);
        if (overlaps)
            choose(args, e, in[0], latent, rate);
        gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "all_keys", 2, both, 1, &all);
        kv = all;
    }
    y = attend(e, &s, q, kv, kv, GPUMEM_NONE, sinks, in[0]);
    rotate(e, in + 1, "cat", rope, s.dim, &y, NULL);
    y = grouped_out(args, e, y, s.heads * s.dim);
    out[0] = linear(e, "o_b_proj", GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, last_of(e, in[0]), 0);
    return (gpumem_status)e->status;
}
