/* What encoders and encoder-decoders have besides: T5Attention.compute_bias, BertPooler, shift_tokens_right (models/bart). */
#include "components.h"

const gpumem_paramdef idle_params[IDLE_N] = {
    SIZE("hidden", NULL, "width that it reads and writes"),
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE_OR_NULL("context_width", "width that keys and values are made of; null: hidden"),
    FLAG("qkv_bias", "false", "q, k and v have biases"),
    {"k_bias", GPUMEM_TYPE_BOOL, 1, "null", 0, 0, "k has a bias; null: as q and v"},
    FLAG("o_bias", "false", "the output matrix has a bias"),
};

DESCRIBE(idle_describe)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj", "o_proj"};
    gpumem_dim hidden = extent(size_of(args, IDLE_HIDDEN), GPUMEM_AXIS_HIDDEN), context = extent(size_or(args, IDLE_CONTEXT, hidden.size), GPUMEM_AXIS_HIDDEN);
    gpumem_dim wide = extent(size_of(args, IDLE_HEADS) * size_of(args, IDLE_HEAD_DIM), GPUMEM_AXIS_HEADS);
    char s[PATH_ROOM];
    (void)in;
    (void)out;
    for (unsigned i = 0; i < 4; i++) {
        int bias = flag_of(args, i == 3 ? IDLE_O_BIAS : i == 1 && !is_null(args, IDLE_K_BIAS) ? IDLE_K_BIAS : IDLE_QKV_BIAS);
        gpumem_emit_weight(e, join(e, s, names[i], "weight"), GPUMEM_FAMILY_MATRIX, i == 3 ? hidden : wide, i == 3 ? wide : i == 0 ? hidden : context);
        if (bias)
            vector(e, names[i], "bias", GPUMEM_FAMILY_BIAS, i == 3 ? hidden : wide);
    }
    return (gpumem_status)e->status;
}

const gpumem_paramdef relbias_params[RELBIAS_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("relbias_buckets", NULL, "kinds of distances"),
    FLAG("relbias_copied", "false", "it is copied for each sequence (models/mpnet)"),
};

uint32_t distance_bias(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, uint64_t buckets, int causal)
{
    gpumem_dim width = extent(heads, GPUMEM_AXIS_HEADS), dim[4];
    uint32_t operand[2], y, bias;
    char s[PATH_ROOM];
    if (e->status != GPUMEM_OK || e->tensor[x].ndim < 2)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = dim[1] = e->tensor[x].dim[e->tensor[x].ndim - 2];
    dim[2] = width;
    operand[0] = gpumem_emit_tensor(e, "buckets", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I64, 2, dim);
    make_new(e, causal ? "buckets.causal" : "buckets", GPUMEM_NONE, operand[0]);
    operand[1] = gpumem_emit_weight(e, join(e, s, module, "weight"), GPUMEM_FAMILY_EMBEDDING, extent(buckets, GPUMEM_AXIS_NONE), width);
    y = gpumem_emit_tensor(e, "distances", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim);
    gpumem_emit_op(e, GPUMEM_OP_EMBED, 0, "distances", 2, operand, 1, &y);
    dim[3] = dim[2] = dim[1];
    dim[1] = width;
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    bias = hold(e, view_of(e, gpumem_emit_tensor(e, "bias", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim), y), GPUMEM_LIVES_STACK);
    make_new(e, "distance_bias", y, bias);
    return bias;
}

/* MPNetEncoder.compute_position_bias */
static uint32_t copied_bias(gpumem_emit *e, uint32_t x, uint64_t heads, uint64_t buckets)
{
    uint32_t operand[2], y, rule = gpumem_emit_string(e, "W x\n  y = described(0)\n  return y\n");
    gpumem_dim dim[4], width = extent(heads, GPUMEM_AXIS_HEADS);
    gpumem_op *op;
    if (e->status != GPUMEM_OK || e->tensor[x].ndim != 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = e->tensor[x].dim[0];
    dim[1] = width;
    dim[2] = dim[3] = e->tensor[x].dim[1];
    operand[0] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, extent(buckets, GPUMEM_AXIS_NONE), width);
    operand[1] = x;
    y = hold(e, gpumem_emit_tensor(e, "bias", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim), GPUMEM_LIVES_STACK);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "position_bias.copied", 2, operand, 1, &y);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return y;
}

DESCRIBE(relbias_describe)
{
    if (flag_of(args, RELBIAS_COPIED)) {
        out[0] = copied_bias(e, in[0], size_of(args, RELBIAS_HEADS), size_of(args, RELBIAS_BUCKETS));
        return (gpumem_status)e->status;
    }
    out[0] = distance_bias(e, "", in[0], size_of(args, RELBIAS_HEADS), size_of(args, RELBIAS_BUCKETS), 0);
    return (gpumem_status)e->status;
}

const gpumem_paramdef pooler_params[POOLER_N] = {
    SIZE_OR_NULL("pooler_width", "width of the result; null: that of x"),
    WORD("pooler_act", "'tanh'", "activation function"),
};

DESCRIBE(pooler_describe)
{
    const char *act = activation_of(args->param[POOLER_ACT].v.s);
    uint32_t first;
    gpumem_dim dim[2];
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    dim[0] = e->tensor[in[0]].dim[0];
    dim[1] = last_of(e, in[0]);
    first = view_of(e, gpumem_emit_tensor(e, "first", GPUMEM_ROLE_ACTIVATION, 0, e->tensor[in[0]].dtype, 2, dim), in[0]);
    operate(e, GPUMEM_OP_VIEW, 0, "first", in[0], GPUMEM_NONE, first);
    out[0] = activate(e, linear(e, "", GPUMEM_FAMILY_MATRIX, first, GPUMEM_NONE, extent(size_or(args, POOLER_WIDTH, dim[1].size), GPUMEM_AXIS_HIDDEN), LINEAR_BIAS), act);
    return (gpumem_status)e->status;
}

const gpumem_paramdef activate_params[ACTIVATE_N] = {
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
};

DESCRIBE(activate_describe)
{
    const char *act = activation_of(args->param[ACTIVATE_ACT].v.s);
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    out[0] = activate(e, in[0], act);
    return (gpumem_status)e->status;
}

const gpumem_paramdef finite_params[FINITE_N] = {
    FLAG("finite_asked", "false", "bounds are tensors: another one where there is an infinity (models/t5)"),
};

DESCRIBE(finite_describe)
{
    gpumem_op *op;
    uint32_t rule = gpumem_emit_string(e, "x\n  return x\n");
    out[0] = gpumem_emit_same(e, "finite", in[0]);
    op = operate(e, GPUMEM_OP_OTHER, NULL, flag_of(args, FINITE_ASKED) ? "finite.asked" : "finite", in[0], GPUMEM_NONE, out[0]);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return (gpumem_status)e->status;
}

DESCRIBE(concat_describe)
{
    uint64_t width = 0;
    (void)args;
    for (unsigned i = 0; i < 3; i++)
        width += in[i] == GPUMEM_NONE ? 0 : last_of(e, in[i]).size;
    out[0] = gpumem_emit_like(e, "concat", in[0], extent(width, GPUMEM_AXIS_NONE));
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "concat", 3, in, 1, out);
    return (gpumem_status)e->status;
}

DESCRIBE(clone_describe)
{
    (void)args;
    out[0] = gpumem_emit_same(e, "clone", in[0]);
    operate(e, GPUMEM_OP_COPY, "clone", "clone", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

DESCRIBE(release_describe)
{
    (void)args;
    (void)out;
    released(e, in[0]);
    return (gpumem_status)e->status;
}

DESCRIBE(given_describe)
{
    (void)args;
    (void)in;
    (void)out;
    return (gpumem_status)e->status;
}

DESCRIBE(causal_mask_describe)
{
    uint32_t none = gpumem_emit_string(e, "x\n"); /* where a mask is an operand there is a rule of that name */
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_OTHER, 0, "causal_mask", 1, in, 0, NULL);
    (void)args;
    (void)out;
    if (op && e->status == GPUMEM_OK)
        op->rule = none;
    return (gpumem_status)e->status;
}

DESCRIBE(shift_describe)
{
    (void)args;
    out[0] = of_dtype(e, gpumem_emit_same(e, "shifted", in[0]), GPUMEM_DTYPE_I64);
    make_new(e, "shifted", in[0], hold(e, out[0], GPUMEM_LIVES_MODEL));
    return (gpumem_status)e->status;
}
