/* Feed forward networks: LlamaMLP, Phi3MLP (one matrix for gate and up), GPT2MLP (Conv1D), PhiMLP; and single matrices. */
#include "components.h"

const gpumem_paramdef linear_params[LINEAR_N] = {
    SIZE("linear_width", NULL, "width of the result"),
    FLAG("linear_bias", "false", "has it a bias"),
    HELD("'use'"),
};

DESCRIBE(linear_describe)
{
    uint32_t y = linear(e, "", GPUMEM_FAMILY_MATRIX, in[0], GPUMEM_NONE, extent(size_of(args, LINEAR_WIDTH), GPUMEM_AXIS_HIDDEN),
                        flag_of(args, LINEAR_HAS_BIAS) ? LINEAR_BIAS : 0);
    out[0] = hold(e, y, held_of(args, LINEAR_HELD));
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
    HELD("'use'"),
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
    out[0] = hold(e, feed_forward(e, "", in[0], &m), held_of(args, MLP_HELD));
    return (gpumem_status)e->status;
}
