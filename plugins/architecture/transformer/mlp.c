/* Feed forward networks: LlamaMLP, Phi3MLP (one matrix for gate and up), GPT2MLP (Conv1D), PhiMLP; and single matrices. */
#include "components.h"

const gpumem_paramdef linear_params[LINEAR_N] = {
    SIZE("linear_width", NULL, "width of the result"),
    FLAG("linear_bias", "false", "has it a bias"),
};

DESCRIBE(linear_describe)
{
    out[0] = linear(e, "", GPUMEM_FAMILY_MATRIX, in[0], GPUMEM_NONE, extent(size_of(args, LINEAR_WIDTH), GPUMEM_AXIS_HIDDEN),
                    flag_of(args, LINEAR_HAS_BIAS) ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}

const gpumem_paramdef weights_params[WEIGHTS_N] = {
    SIZE("weight_rows", NULL, "first extent of `weight`"),
    SIZE_OR_NULL("weight_columns", "second extent of `weight`; null: it is a vector"),
    SIZE_OR_NULL("weight_bias", "extent of `bias`; null: there is none"),
};

/* Parameters that exist, but that no operator uses here: cross attention without an encoder. */
DESCRIBE(weights_describe)
{
    int matrix = !is_null(args, WEIGHTS_COLUMNS);
    (void)in;
    (void)out;
    gpumem_emit_weight(e, "weight", matrix ? GPUMEM_FAMILY_MATRIX : GPUMEM_FAMILY_NORM, extent(size_of(args, WEIGHTS_ROWS), GPUMEM_AXIS_NONE),
                       matrix ? extent(size_of(args, WEIGHTS_COLUMNS), GPUMEM_AXIS_NONE) : NO_DIM);
    if (!is_null(args, WEIGHTS_BIAS))
        gpumem_emit_weight(e, "bias", matrix ? GPUMEM_FAMILY_BIAS : GPUMEM_FAMILY_NORM, extent(size_of(args, WEIGHTS_BIAS), GPUMEM_AXIS_NONE), NO_DIM);
    return (gpumem_status)e->status;
}

const gpumem_paramdef buffer_params[BUFFER_N] = {
    WORD("buffer_name", NULL, "its name"),
    {"buffer_shape", GPUMEM_TYPE_INTS, 0, NULL, 0, 0, "its extents, outermost first"},
    WORD("buffer_dtype", NULL, "model, float32, int64 or bool"),
};

DESCRIBE(buffer_describe)
{
    static const char *const dtypes[] = {"model", "float32", "int64", "bool", NULL};
    static const uint8_t dtype[] = {GPUMEM_DTYPE_MODEL, GPUMEM_DTYPE_F32, GPUMEM_DTYPE_I64, GPUMEM_DTYPE_BOOL};
    const gpumem_param *shape = &args->param[BUFFER_SHAPE];
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    int i = choice_of(args, BUFFER_DTYPE, dtypes);
    (void)in;
    if (i < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "buffer_dtype is none of model, float32, int64, bool");
    if (shape->n > GPUMEM_MAX_DIMS)
        return gpumem_because(args, GPUMEM_EINVAL, "buffer_shape has too many extents");
    for (uint32_t k = 0; k < shape->n; k++) {
        if (shape->v.ints[k] < 1 || shape->v.ints[k] > GPUMEM_SIZE_MAX)
            return gpumem_because(args, GPUMEM_ERANGE, "buffer_shape has an extent that is no size");
        dim[k] = extent((uint64_t)shape->v.ints[k], GPUMEM_AXIS_NONE);
    }
    out[0] = gpumem_emit_tensor(e, args->param[BUFFER_NAME].v.s, GPUMEM_ROLE_BUFFER, 0, dtype[i], shape->n, dim);
    return (gpumem_status)e->status;
}

const gpumem_paramdef layer_gain_params[GAIN_N] = {
    WORD("gain_name", NULL, "its name"),
};

/* models/gemma4, Gemma4TextDecoderLayer: hidden_states *= self.layer_scalar */
DESCRIBE(layer_gain_describe)
{
    const gpumem_dim one = extent(1, GPUMEM_AXIS_NONE);
    uint32_t scalar = gpumem_emit_tensor(e, args->param[GAIN_NAME].v.s, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 1, &one), rule;
    gpumem_op *op;
    out[0] = hold(e, view_of(e, gpumem_emit_same(e, "gained", in[0]), in[0]), GPUMEM_LIVES_BLOCK);
    op = operate(e, GPUMEM_OP_OTHER, NULL, "gain", in[0], scalar, out[0]);
    rule = gpumem_emit_string(e, "x s\n  y = scaled_in_place(x)\n  return y\n");
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return (gpumem_status)e->status;
}

const gpumem_paramdef mlp_params[MLP_N] = {
    SIZE("intermediate", NULL, "width between its matrices"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
    FLAG("gated", "true", "a gate beside the up projection"),
    FLAG("gate_up_fused", "false", "gate and up are one matrix, gate_up_proj"),
    FLAG("conv1d", "false", "weights are [in, out]"),
    FLAG("mlp_bias", "false", "its matrices have biases"),
    REAL_OR_NULL("mlp_dropout", "dropout before the last matrix"),
    FLAG("gate_scaled", "false", "the gate is scaled by an operator of its own (models/falcon_h1)"),
    FLAG("down_norm", "false", "an RMS norm before the last matrix (models/bitnet)"),
    FLAG("mlp_held", "false", "what is between its matrices is held until the layer returns (models/bert: they are modules of their own)"),
    FLAG("mlp_variable", "false", "it is held until the network returns (models/openai)"),
    FLAG("mlp_rebound", "false", "its code is the layer's own, and gives the name of its input to what the activation function makes (models/bart)"),
    FLAG("mlp_cast", "false", "what is between its matrices is cast to the dtype of the last one (models/t5)"),
    FLAG("mlp_product_fp32", "false", "the activation function and the product with up are computed in fp32 (models/beam)"),
    FLAG("mlp_product_held", "true", "where gate and up are one matrix, their product is held until it returns (models/phi3; models/modernbert: it is not)"),
    REAL_OR_NULL("down_dropout", "dropout behind the last matrix, before it returns (models/seed_oss)"),
};

DESCRIBE(mlp_describe)
{
    mlp_spec m;
    memset(&m, 0, sizeof m);
    m.width = extent(size_of(args, MLP_INTERMEDIATE), GPUMEM_AXIS_FFN);
    m.out = last_of(e, in[0]);
    m.act = activation_of(args->param[MLP_ACT].v.s);
    m.dropout = probability_of(args, MLP_DROPOUT);
    m.flags = (flag_of(args, MLP_BIAS) ? LINEAR_BIAS : 0u) | (flag_of(args, MLP_CONV1D) ? LINEAR_TRANSPOSED : 0u);
    m.gated = flag_of(args, MLP_GATED);
    m.fused = flag_of(args, MLP_FUSED);
    m.gate_scaled = flag_of(args, MLP_GATE_SCALED);
    m.adapted = in[1];
    m.down_norm = flag_of(args, MLP_DOWN_NORM);
    m.held = flag_of(args, MLP_HELD) ? GPUMEM_LIVES_BLOCK : flag_of(args, MLP_VARIABLE) ? GPUMEM_LIVES_STEP : GPUMEM_LIVES_USE;
    m.rebound = flag_of(args, MLP_REBOUND);
    m.cast = flag_of(args, MLP_CAST);
    m.product_fp32 = flag_of(args, MLP_PRODUCT_FP32);
    m.product_used = !flag_of(args, MLP_PRODUCT_HELD);
    m.learned_act = strcmp(args->param[MLP_ACT].v.s, "xielu") == 0;
    if (m.act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (m.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "mlp_dropout is no probability");
    out[0] = dropout(e, "down_dropout", feed_forward(e, "", in[0], &m), probability_of(args, MLP_DOWN_DROPOUT));
    return (gpumem_status)e->status;
}
