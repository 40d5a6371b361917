/* Attention that is not the plain one: XLNetRelativeAttention, LSHSelfAttention (models/reformer), ProphetNetNgramSelfAttention. */
#include "components.h"

uint32_t matrix(gpumem_emit *e, const char *module, uint32_t x, uint64_t width, unsigned flags)
{
    return linear(e, module, GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, extent(width, GPUMEM_AXIS_HEADS), flags);
}

void make_new(gpumem_emit *e, const char *name, uint32_t from, uint32_t y)
{
    gpumem_rule *rule;
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, 0, name, from, GPUMEM_NONE, y);
    if (!op)
        return;
    if (e->nrule == e->max_rule) {
        gpumem_emit_fail(e, GPUMEM_ESPACE);
        return;
    }
    rule = &e->rule[e->nrule];
    memset(rule, 0, sizeof *rule); /* a new output, nothing else */
    rule->nforward = 1;
    rule->moment[0].verb = GPUMEM_MAKE;
    rule->moment[0].what = GPUMEM_THE_OUT;
    op->rule = e->nrule++;
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

DESCRIBE(relative_describe)
{
    attend_spec s = {0};
    gpumem_dim width = last_of(e, in[0]), dim[4];
    uint32_t q, k, v, r, scores, y;
    s.heads = size_of(args, RELATIVE_HEADS);
    s.dim = s.value = size_of(args, RELATIVE_HEAD_DIM);
    s.dropout = probability_of(args, RELATIVE_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    q = by_heads(e, "q", in[0], width, &s);
    k = by_heads(e, "k", in[0], width, &s);
    v = by_heads(e, "v", in[0], width, &s);
    dim[0] = e->tensor[in[0]].dim[1];
    dim[0].size *= 2; /* distances in both directions */
    dim[1] = width;
    r = gpumem_emit_tensor(e, "distances", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim);
    make_new(e, "distances", GPUMEM_NONE, r);
    r = by_heads(e, "r", r, width, &s);
    dim[0] = e->tensor[in[0]].dim[0];
    dim[1] = extent(s.heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[in[0]].dim[1];
    scores = gpumem_emit_tensor(e, "scores", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim);
    operate(e, GPUMEM_OP_MATMUL, 0, "scores", biased(e, "r_r_bias", q, &s), r, scores);
    dim[0] = extent(2, GPUMEM_AXIS_NONE); /* of two segments: used only with token types */
    dim[2] = extent(s.dim, GPUMEM_AXIS_HEAD_DIM);
    gpumem_emit_weight(e, "r_s_bias", GPUMEM_FAMILY_BIAS, dim[1], dim[2]);
    gpumem_emit_tensor(e, "seg_embed", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EMBEDDING, GPUMEM_DTYPE_MODEL, 3, dim);
    y = attend_to(e, biased(e, "r_w_bias", q, &s), k, v, scores, &s);
    out[0] = by_heads(e, "o", y, width, &s);
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
    operate(e, GPUMEM_OP_RMSNORM, GPUMEM_NORM_LLAMA, "keys", qk, GPUMEM_NONE, k);
    out[0] = matrix(e, "o_proj", attend_to(e, qk, k, v, GPUMEM_NONE, &s), last_of(e, in[0]).size, 0);
    return (gpumem_status)e->status;
}

/* ---- streams ---- */

const gpumem_paramdef ngram_params[NGRAM_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("relative_buckets", NULL, "kinds of distances"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

DESCRIBE(ngram_describe)
{
    attend_spec s = {0};
    gpumem_dim dim[4];
    uint32_t q, k, v, by_bucket, scores;
    s.heads = size_of(args, NGRAM_HEADS);
    s.dim = s.value = size_of(args, NGRAM_HEAD_DIM);
    s.dropout = probability_of(args, NGRAM_DROPOUT);
    s.causal = 1;
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, NOT_A_PROBABILITY);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    q = matrix(e, "q_proj", in[0], s.heads * s.dim, LINEAR_BIAS);
    k = matrix(e, "k_proj", in[0], s.heads * s.dim, LINEAR_BIAS);
    v = matrix(e, "v_proj", in[0], s.heads * s.dim, LINEAR_BIAS);
    by_bucket = matrix(e, "relative_pos_embeddings", in[0], s.heads * size_of(args, NGRAM_BUCKETS), LINEAR_BIAS);
    dim[0] = e->tensor[in[0]].dim[0];
    dim[1] = extent(s.heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[in[0]].dim[1];
    scores = gpumem_emit_tensor(e, "scores", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim);
    operate(e, GPUMEM_OP_INDEX, 0, "scores", by_bucket, GPUMEM_NONE, scores);
    out[0] = matrix(e, "o_proj", attend_to(e, q, k, v, scores, &s), last_of(e, in[0]).size, LINEAR_BIAS);
    return (gpumem_status)e->status;
}

const gpumem_paramdef streams_params[STREAMS_N] = {SIZE("streams", NULL, "tokens that are predicted at once")};
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
    uint64_t n = size_of(args, STREAMS_COUNT);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    out[0] = hold(e, times(e, "streams", in[0], 1, n + 1), GPUMEM_LIVES_STACK);
    operate(e, GPUMEM_OP_CONCAT, 0, "streams", in[0],
            gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, extent(n, GPUMEM_AXIS_NONE), last_of(e, in[0])), out[0]);
    return (gpumem_status)e->status;
}

DESCRIBE(predicted_describe)
{
    uint64_t n = size_of(args, PREDICTED_COUNT);
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    out[0] = hold(e, view_of(e, times(e, "predicted", in[0], n + 1, n), in[0]), GPUMEM_LIVES_MODEL);
    operate(e, GPUMEM_OP_VIEW, 0, "predicted", in[0], GPUMEM_NONE, out[0]);
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
