/* Attention that is not the plain one: XLNetRelativeAttention, LSHSelfAttention (models/reformer), ProphetNetNgramSelfAttention. */
#include "components.h"

uint32_t matrix(gpumem_emit *e, const char *module, uint32_t x, uint64_t width, unsigned flags)
{
    return linear(e, module, GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, extent(width, GPUMEM_AXIS_HEADS), flags);
}

uint32_t attend_to(gpumem_emit *e, uint32_t q, uint32_t k, uint32_t v, uint32_t bias, const attend_spec *s)
{
    uint32_t operand[4], y, copied;
    gpumem_op *op;
    operand[0] = hold(e, q, GPUMEM_LIVES_STEP);
    operand[1] = hold(e, k, GPUMEM_LIVES_STEP);
    operand[2] = hold(e, v, GPUMEM_LIVES_STEP);
    operand[3] = bias;
    y = gpumem_emit_like(e, "attended", q, extent(s->heads * s->value, GPUMEM_AXIS_HEADS));
    op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, 0, "attention", 4, operand, 1, &y);
    if (op) {
        op->attr[0] = op->attr[1] = (uint32_t)s->heads;
        op->attr[2] = (uint32_t)s->dim;
        op->attr[3] = (uint32_t)s->value;
        op->attr[5] = (uint32_t)s->causal;
        op->attr[7] = s->dropout;
    }
    copied = gpumem_emit_same(e, "reshaped", y);
    operate(e, GPUMEM_OP_COPY, 0, "reshape", y, GPUMEM_NONE, copied);
    return copied;
}

#define NOT_A_PROBABILITY "attention_dropout is no probability"

/* ---- relative ---- */

const gpumem_paramdef relative_params[RELATIVE_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* A weight [width, heads, head_dim] and what it makes of x. */
static uint32_t by_heads(gpumem_emit *e, const char *name, uint32_t x, gpumem_dim width, const attend_spec *s)
{
    gpumem_dim dim[3];
    uint32_t operand[2], y;
    dim[0] = width;
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = extent(s->dim, GPUMEM_AXIS_HEAD_DIM);
    operand[0] = x;
    operand[1] = gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_MATRIX, GPUMEM_DTYPE_MODEL, 3, dim);
    y = gpumem_emit_like(e, name, x, last_of(e, x).size == s->heads * s->dim && strcmp(name, "o") == 0 ? width : extent(s->heads * s->dim, GPUMEM_AXIS_HEADS));
    gpumem_emit_op(e, GPUMEM_OP_LINEAR, 0, name, 2, operand, 1, &y);
    return y;
}

static uint32_t biased(gpumem_emit *e, const char *name, uint32_t q, const attend_spec *s)
{
    uint32_t y = gpumem_emit_same(e, name, q);
    operate(e, GPUMEM_OP_ADD, 0, name, q, gpumem_emit_weight(e, name, GPUMEM_FAMILY_BIAS, extent(s->heads, GPUMEM_AXIS_HEADS), extent(s->dim, GPUMEM_AXIS_HEAD_DIM)), y);
    return y;
}

/* Scores of the distances between tokens: what `bias` makes of q, times a matrix of a table that does not train. */
static uint32_t distance_scores(gpumem_emit *e, uint32_t x, uint32_t q, const char *kernel, const attend_spec *s)
{
    gpumem_dim dim[4];
    uint32_t r, scores;
    dim[0] = e->tensor[x].dim[1];
    dim[0].size *= 2; /* distances in both directions */
    dim[1] = last_of(e, x);
    r = gpumem_emit_tensor(e, "distances", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim);
    make_new(e, "distances", GPUMEM_NONE, r);
    r = by_heads(e, kernel, r, last_of(e, x), s);
    dim[0] = e->tensor[x].dim[0];
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[x].dim[1];
    scores = gpumem_emit_tensor(e, "scores", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim);
    operate(e, GPUMEM_OP_MATMUL, 0, "scores", biased(e, "r_r_bias", q, s), r, scores);
    return scores;
}

/* Of two segments: used only with token types. */
static void segments(gpumem_emit *e, const attend_spec *s)
{
    gpumem_dim dim[3];
    dim[0] = extent(2, GPUMEM_AXIS_NONE);
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = extent(s->dim, GPUMEM_AXIS_HEAD_DIM);
    gpumem_emit_weight(e, "r_s_bias", GPUMEM_FAMILY_BIAS, dim[1], dim[2]);
    gpumem_emit_tensor(e, "seg_embed", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EMBEDDING, GPUMEM_DTYPE_MODEL, 3, dim);
}

static gpumem_status read_relative(const gpumem_args *args, gpumem_emit *e, uint32_t x, attend_spec *s)
{
    memset(s, 0, sizeof *s);
    s->heads = size_of(args, RELATIVE_HEADS);
    s->dim = s->value = size_of(args, RELATIVE_HEAD_DIM);
    s->dropout = probability_of(args, RELATIVE_DROPOUT);
    if (s->dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[x].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    return GPUMEM_OK;
}

DESCRIBE(relative_describe)
{
    attend_spec s;
    gpumem_dim width = last_of(e, in[0]);
    uint32_t q, k, v, scores;
    gpumem_status status = read_relative(args, e, in[0], &s);
    if (status != GPUMEM_OK)
        return status;
    q = by_heads(e, "q", in[0], width, &s);
    k = by_heads(e, "k", in[0], width, &s);
    v = by_heads(e, "v", in[0], width, &s);
    scores = distance_scores(e, in[0], q, "r", &s);
    segments(e, &s);
    out[0] = by_heads(e, "o", attend_to(e, biased(e, "r_w_bias", q, &s), k, v, scores, &s), width, &s);
    return (gpumem_status)e->status;
}

const gpumem_paramdef distances_params[DISTANCES_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

DESCRIBE(distances_describe)
{
    attend_spec s;
    uint32_t q, k, v, scores;
    gpumem_status status = read_relative(args, e, in[0], &s);
    if (status != GPUMEM_OK)
        return status;
    q = matrix(e, "q_head", in[0], s.heads * s.dim, 0);
    k = matrix(e, "k_head", in[0], s.heads * s.dim, LINEAR_BIAS);
    v = matrix(e, "v_head", in[0], s.heads * s.dim, LINEAR_BIAS);
    scores = distance_scores(e, in[0], q, "r_kernel", &s);
    segments(e, &s);
    out[0] = matrix(e, "post_proj", attend_to(e, biased(e, "r_w_bias", q, &s), k, v, scores, &s), last_of(e, in[0]).size, LINEAR_BIAS);
    return (gpumem_status)e->status;
}

/* ---- frames, table, slice ---- */

const gpumem_paramdef frames_params[FRAMES_N] = {
    SIZE("frame_count", NULL, "frames of a sequence: it is padded to them"),
    SIZE("frame_width", NULL, "numbers of a frame"),
};

DESCRIBE(frames_describe)
{
    gpumem_dim dim[3];
    if (e->tensor[in[0]].ndim < 1)
        return GPUMEM_EINVAL;
    dim[0] = e->tensor[in[0]].dim[0];
    dim[1] = extent(size_of(args, FRAMES_COUNT), GPUMEM_AXIS_SEQ);
    dim[2] = extent(size_of(args, FRAMES_WIDTH), GPUMEM_AXIS_CHANNEL);
    out[0] = hold(e, gpumem_emit_tensor(e, "frames", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim), GPUMEM_LIVES_MODEL);
    make_new(e, "frames", GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}


const gpumem_paramdef table_params[TABLE_N] = {
    SIZE("table_rows", NULL, "its rows"),
    SIZE_OR_NULL("table_width", "its width; null: that of x"),
};

DESCRIBE(table_describe)
{
    gpumem_dim dim[2];
    uint32_t weight;
    dim[0] = extent(size_of(args, TABLE_ROWS), GPUMEM_AXIS_NONE);
    dim[1] = extent(size_or(args, TABLE_WIDTH, last_of(e, in[0]).size), GPUMEM_AXIS_HIDDEN);
    weight = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, dim[0], dim[1]);
    out[0] = hold(e, view_of(e, gpumem_emit_tensor(e, "table", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim), weight), GPUMEM_LIVES_STACK);
    operate(e, GPUMEM_OP_VIEW, 0, "table", weight, GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

const gpumem_paramdef slice_params[SLICE_N] = {SIZE("slice_width", NULL, "width of the part")};

DESCRIBE(slice_describe)
{
    gpumem_dim width = extent(size_of(args, SLICE_WIDTH), GPUMEM_AXIS_HIDDEN);
    if (width.size > last_of(e, in[0]).size)
        return gpumem_because(args, GPUMEM_EINVAL, "slice_width is more than the width of x");
    out[0] = view_of(e, gpumem_emit_like(e, "slice", in[0], width), in[0]);
    operate(e, GPUMEM_OP_VIEW, 0, "slice", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

/* ---- hashed ---- */

const gpumem_paramdef hashed_params[HASHED_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

DESCRIBE(hashed_describe)
{
    attend_spec s = {0};
    gpumem_dim dim[3];
    uint32_t qk, k, v, buckets, order;
    s.heads = size_of(args, HASHED_HEADS);
    s.dim = s.value = size_of(args, HASHED_HEAD_DIM);
    s.dropout = probability_of(args, HASHED_DROPOUT);
    s.causal = 1;
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    qk = matrix(e, "qk_proj", in[0], s.heads * s.dim, 0);
    v = matrix(e, "v_proj", in[0], s.heads * s.dim, 0);
    dim[0] = e->tensor[in[0]].dim[0];
    dim[1] = extent(s.heads, GPUMEM_AXIS_HEADS);
    dim[2] = e->tensor[in[0]].dim[1];
    buckets = gpumem_emit_tensor(e, "buckets", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I64, 3, dim);
    order = gpumem_emit_tensor(e, "order", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I64, 3, dim);
    make_new(e, "buckets", GPUMEM_NONE, buckets);
    operate(e, GPUMEM_OP_SORT, 0, "order", buckets, GPUMEM_NONE, order);
    k = gpumem_emit_same(e, "keys", qk); /* queries of unit length */
    operate(e, GPUMEM_OP_RMSNORM, "llama", "keys", qk, GPUMEM_NONE, k);
    out[0] = matrix(e, "o_proj", attend_to(e, qk, k, v, GPUMEM_NONE, &s), last_of(e, in[0]).size, 0);
    return (gpumem_status)e->status;
}

/* ---- attend ---- */

const gpumem_paramdef attend_params[ATTEND_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
    FLAG("causal", "false", "do tokens see only those before them"),
};

DESCRIBE(attend_describe)
{
    attend_spec s = {0};
    s.heads = size_of(args, ATTEND_HEADS);
    s.dim = s.value = size_of(args, ATTEND_HEAD_DIM);
    s.dropout = probability_of(args, ATTEND_DROPOUT);
    s.causal = flag_of(args, ATTEND_CAUSAL);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    out[0] = attend_to(e, in[0], in[1], in[2], in[3], &s);
    return (gpumem_status)e->status;
}

/* ---- disentangled ---- */

const gpumem_paramdef disentangled_params[DISENTANGLED_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    FLAG("qkv_fused", "false", "q, k and v are one matrix without bias, in_proj; q_bias and v_bias are added (models/deberta)"),
    FLAG("distance_keys", "false", "scores between queries and distances"),
    FLAG("distance_queries", "false", "scores between distances and keys"),
    FLAG("distance_shared", "false", "distances go through the matrices of tokens"),
    FLAG("talking_heads", "false", "matrices over the heads before and after the softmax"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* The product of what tokens and distances were made to, as scores [batch, heads, tokens, tokens]. */
static uint32_t scores_of(gpumem_emit *e, const char *name, uint32_t tokens, uint32_t distances, uint32_t before, const attend_spec *s)
{
    gpumem_dim dim[4];
    uint32_t y, sum;
    dim[0] = e->tensor[tokens].dim[0];
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[tokens].dim[1];
    y = gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim);
    operate(e, GPUMEM_OP_MATMUL, 0, name, tokens, distances, y);
    if (before == GPUMEM_NONE)
        return y;
    sum = gpumem_emit_same(e, "scores", y);
    operate(e, GPUMEM_OP_ADD, 0, "scores", before, y, sum);
    return sum;
}

static uint32_t plus_vector(gpumem_emit *e, const char *name, uint32_t x)
{
    uint32_t y = gpumem_emit_same(e, name, x);
    operate(e, GPUMEM_OP_ADD, 0, name, x, vector(e, "", name, GPUMEM_FAMILY_BIAS, last_of(e, x)), y);
    return y;
}

DESCRIBE(disentangled_describe)
{
    static const char *const names[] = {"q", "k", "v"}, *const modules[] = {"query_proj", "key_proj", "value_proj"};
    int fused = flag_of(args, DISENTANGLED_FUSED), shared = flag_of(args, DISENTANGLED_SHARED);
    attend_spec s = {0};
    gpumem_dim size[3], heads;
    uint32_t part[3], scores = GPUMEM_NONE, y;
    s.heads = size_of(args, DISENTANGLED_HEADS);
    s.dim = s.value = size_of(args, DISENTANGLED_HEAD_DIM);
    s.dropout = probability_of(args, DISENTANGLED_DROPOUT);
    heads = extent(s.heads, GPUMEM_AXIS_HEADS);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    size[0] = size[1] = size[2] = extent(s.heads * s.dim, GPUMEM_AXIS_HEADS);
    if (fused) {
        split(e, "qkv", hold(e, matrix(e, "in_proj", in[0], 3 * s.heads * s.dim, 0), GPUMEM_LIVES_STEP), 3, names, size, part);
        part[0] = plus_vector(e, "q_bias", part[0]);
        part[2] = plus_vector(e, "v_bias", part[2]);
    } else {
        for (unsigned i = 0; i < 3; i++)
            part[i] = matrix(e, modules[i], in[0], s.heads * s.dim, LINEAR_BIAS);
    }
    if (flag_of(args, DISENTANGLED_TALKING)) {
        gpumem_emit_weight(e, "head_logits_proj.weight", GPUMEM_FAMILY_MATRIX, heads, heads);
        gpumem_emit_weight(e, "head_weights_proj.weight", GPUMEM_FAMILY_MATRIX, heads, heads);
    }
    if (in[1] != GPUMEM_NONE && flag_of(args, DISENTANGLED_KEYS)) {
        y = shared ? gpumem_emit_like(e, "keys_of_distances", in[1], size[0])
                   : matrix(e, fused ? "pos_proj" : "pos_key_proj", in[1], s.heads * s.dim, fused ? 0 : LINEAR_BIAS);
        if (shared)
            operate(e, GPUMEM_OP_LINEAR, 0, "keys_of_distances", in[1], GPUMEM_NONE, y);
        scores = scores_of(e, "distance_keys", part[0], y, scores, &s);
    }
    if (in[1] != GPUMEM_NONE && flag_of(args, DISENTANGLED_QUERIES)) {
        y = shared ? gpumem_emit_like(e, "queries_of_distances", in[1], size[0])
                   : matrix(e, fused ? "pos_q_proj" : "pos_query_proj", in[1], s.heads * s.dim, LINEAR_BIAS);
        if (shared)
            operate(e, GPUMEM_OP_LINEAR, 0, "queries_of_distances", in[1], GPUMEM_NONE, y);
        scores = scores_of(e, "distance_queries", part[1], y, scores, &s);
    }
    out[0] = attend_to(e, part[0], part[1], part[2], scores, &s);
    return (gpumem_status)e->status;
}

/* ---- streams ---- */

const gpumem_paramdef ngram_params[NGRAM_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("relative_buckets", NULL, "kinds of distances"),
    SIZE("streams", NULL, "tokens that are predicted at once"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

DESCRIBE(ngram_describe)
{
    attend_spec s = {0};
    static const char *const names[] = {"q_proj", "k_proj", "v_proj", "relative_pos_embeddings", "o_proj"};
    uint32_t operand[13], rule = gpumem_emit_string(e, "x m n a b c d f g h i j k\n  y = described(0)\n  return y\n");
    char path[PATH_ROOM];
    gpumem_op *op;
    s.heads = size_of(args, NGRAM_HEADS);
    s.dim = s.value = size_of(args, NGRAM_HEAD_DIM);
    s.dropout = probability_of(args, NGRAM_DROPOUT);
    s.causal = 1;
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    for (unsigned i = 0; i < 5; i++) {
        gpumem_dim wide = extent(i == 3 ? s.heads * size_of(args, NGRAM_BUCKETS) : s.heads * s.dim, GPUMEM_AXIS_HEADS), width = last_of(e, in[0]);
        operand[3 + 2 * i] = gpumem_emit_weight(e, join(e, path, names[i], "weight"), GPUMEM_FAMILY_MATRIX, i == 4 ? width : wide, i == 4 ? wide : width);
        operand[4 + 2 * i] = vector(e, names[i], "bias", GPUMEM_FAMILY_BIAS, i == 4 ? width : wide);
    }
    memcpy(operand, in, 3 * sizeof *operand);
    out[0] = gpumem_emit_same(e, "attended", in[0]);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "ngram", 13, operand, 1, out);
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = (uint32_t)s.heads;
        op->attr[1] = (uint32_t)size_of(args, NGRAM_STREAMS);
        op->attr[2] = (uint32_t)size_of(args, NGRAM_BUCKETS);
        op->attr[3] = s.dropout;
    }
    return (gpumem_status)e->status;
}

const gpumem_paramdef streams_params[STREAMS_N] = {SIZE("streams", NULL, "tokens that are predicted at once"), SIZE("positions", NULL, "largest number of tokens")};
const gpumem_paramdef predicted_params[PREDICTED_N] = {SIZE("streams", NULL, "tokens that are predicted at once")};

static uint32_t times(gpumem_emit *e, const char *name, uint32_t x, uint64_t of, uint64_t now)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[1] = gpumem_dim_of(dim[1].size / of * now, dim[1].sym, dim[1].axis);
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, e->tensor[x].ndim, dim);
}

DESCRIBE(streams_describe)
{
    static const char *const parts[] = {"mask", "predict_mask", "buckets", "predict_buckets"};
    uint64_t n = size_of(args, STREAMS_COUNT);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    gpumem_op *op;
    gpumem_dim tokens, twice, dim[3];
    uint32_t operand[3], made[6], rule = gpumem_emit_string(e, "x W P\n  y = described(0)\n  a = described(1)\n  b = described(2)\n  c = described(3)\n  d = described(4)\n  p = described(5)\n  return y, a, b, c, d, p\n");
    tokens = e->tensor[in[0]].dim[1];
    twice = gpumem_dim_of(tokens.size * 2, tokens.sym, tokens.axis);
    for (unsigned i = 0; i < 4; i++) {
        dim[0] = i < 2 ? extent(i ? n : 1, GPUMEM_AXIS_NONE) : e->tensor[in[0]].dim[0];
        dim[1] = tokens;
        dim[2] = i % 2 ? twice : tokens;
        out[1 + i] = hold(e, gpumem_emit_tensor(e, parts[i], GPUMEM_ROLE_ACTIVATION, 0, i < 2 ? GPUMEM_DTYPE_MODEL : GPUMEM_DTYPE_I32, 3, dim), GPUMEM_LIVES_STACK);
    }
    operand[0] = in[0];
    operand[1] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, extent(n, GPUMEM_AXIS_NONE), last_of(e, in[0]));
    operand[2] = in[1];
    out[0] = times(e, "streams", in[0], 1, n + 1);
    memcpy(made, out, 5 * sizeof *made);
    made[5] = hold(e, gpumem_emit_same(e, "predicting", in[0]), GPUMEM_LIVES_STACK);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "streams", 3, operand, 6, made);
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = (uint32_t)size_of(args, STREAMS_POSITIONS);
        op->attr[1] = (uint32_t)n;
    }
    return (gpumem_status)e->status;
}

DESCRIBE(predicted_describe)
{
    uint64_t n = size_of(args, PREDICTED_COUNT);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    out[0] = hold(e, view_of(e, times(e, "predicted", in[0], n + 1, n), in[0]), GPUMEM_LIVES_MODEL);
    gpumem_op *op;
    uint32_t rule = gpumem_emit_string(e, "x\n  return x\n");
    op = operate(e, GPUMEM_OP_OTHER, NULL, "predicted", in[0], GPUMEM_NONE, out[0]);
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = (uint32_t)n;
    }
    return (gpumem_status)e->status;
}

/* ---- axial positions (models/reformer) ---- */

const gpumem_paramdef axial_params[AXIAL_N] = {
    {"axial_shape", GPUMEM_TYPE_INTS, 0, NULL, 0, 0, "positions by axis; their product is that of all"},
    {"axial_widths", GPUMEM_TYPE_INTS, 0, NULL, 0, 0, "width of each axis's table; their sum is that of x"},
};

DESCRIBE(axial_describe)
{
    static const char *const names[] = {"weights.0", "weights.1", "weights.2", "weights.3", "weights.4"};
    const gpumem_param *shape = &args->param[AXIAL_SHAPE], *width = &args->param[AXIAL_WIDTHS];
    uint32_t table[COUNT(names)], y;
    int64_t sum = 0;
    if (shape->n != width->n || shape->n < 1 || shape->n > COUNT(names))
        return gpumem_because(args, GPUMEM_EINVAL, "axial_shape and axial_widths must have the same length, 1 to 5");
    for (uint32_t i = 0; i < shape->n; i++) {
        gpumem_dim dim[GPUMEM_MAX_DIMS];
        if (shape->v.ints[i] < 1 || shape->v.ints[i] > GPUMEM_SIZE_MAX || width->v.ints[i] < 1 || width->v.ints[i] > GPUMEM_SIZE_MAX)
            return gpumem_because(args, GPUMEM_ERANGE, "axial_shape or axial_widths has a number that is no size");
        for (uint32_t k = 0; k < shape->n; k++)
            dim[k] = extent(k == i ? (uint64_t)shape->v.ints[i] : 1, GPUMEM_AXIS_NONE);
        dim[shape->n] = extent((uint64_t)width->v.ints[i], GPUMEM_AXIS_HIDDEN);
        table[i] = gpumem_emit_tensor(e, names[i], GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EMBEDDING, GPUMEM_DTYPE_MODEL, shape->n + 1, dim);
        sum += width->v.ints[i];
    }
    if (sum != last_of(e, in[0]).size)
        return gpumem_because(args, GPUMEM_EINVAL, "the sum of axial_widths is not the width of x");
    y = gpumem_emit_same(e, "positions", in[0]);
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "positions", shape->n, table, 1, &y);
    out[0] = binary(e, GPUMEM_OP_ADD, "placed", in[0], y);
    return (gpumem_status)e->status;
}
