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

const gpumem_paramdef mlp_params[MLP_N] = {
    SIZE("intermediate", NULL, "width between its matrices"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
    FLAG("gated", "true", "a gate beside the up projection"),
    FLAG("gate_up_fused", "false", "gate and up are one matrix, gate_up_proj"),
    FLAG("conv1d", "false", "weights are [in, out]"),
    FLAG("mlp_bias", "false", "its matrices have biases"),
    REAL_OR_NULL("mlp_dropout", "dropout before the last matrix"),
};

DESCRIBE(mlp_describe)
{
    mlp_spec m;
    m.width = extent(size_of(args, MLP_INTERMEDIATE), GPUMEM_AXIS_FFN);
    m.out = last_of(e, in[0]);
    m.act = activation_of(args->param[MLP_ACT].v.s);
    m.dropout = probability_of(args, MLP_DROPOUT);
    m.flags = (flag_of(args, MLP_BIAS) ? LINEAR_BIAS : 0u) | (flag_of(args, MLP_CONV1D) ? LINEAR_TRANSPOSED : 0u);
    m.gated = flag_of(args, MLP_GATED);
    m.fused = flag_of(args, MLP_FUSED);
    if (m.act == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (m.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "mlp_dropout is no probability");
    out[0] = feed_forward(e, "", in[0], &m);
    return (gpumem_status)e->status;
}
