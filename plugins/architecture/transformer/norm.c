/* Norms over the last dimension: LlamaRMSNorm, GemmaRMSNorm, nn.LayerNorm, CohereLayerNorm, OlmoLayerNorm. */
#include "components.h"

const gpumem_paramdef rmsnorm_params[RMSNORM_N] = {
    WORD("norm_style", "'llama'", "llama, gemma (1 + weight, all in fp32), t5, late (cast back after the weight: models/olmo2) wide (and the weight in fp32: models/helium), outer (cast back before the weight: models/llama4) or powered (so, by a power of -0.5: models/gemma4)"),
    FLAG("norm_affine", "true", "is there a weight"),
    FLAG("rms_bias", "false", "has it a bias beside its weight (models/xlstm)"),
};

DESCRIBE(rmsnorm_describe)
{
    const char *style = rms_style_of(args, RMSNORM_STYLE);
    if (style == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "norm_style is none of " RMS_STYLE_NAMES);
    if (flag_of(args, RMSNORM_BIAS)) {
        uint32_t operand[3];
        operand[0] = in[0];
        operand[1] = vector(e, "", "weight", GPUMEM_FAMILY_NORM, last_of(e, in[0]));
        operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_NORM, last_of(e, in[0]));
        out[0] = gpumem_emit_same(e, "normed", in[0]);
        gpumem_emit_op(e, GPUMEM_OP_RMSNORM, style, "rmsnorm", 3, operand, 1, out);
        hold(e, out[0], GPUMEM_LIVES_STEP);
    } else
        out[0] = hold(e, rmsnorm(e, "", in[0], last_of(e, in[0]), style, flag_of(args, RMSNORM_AFFINE)), GPUMEM_LIVES_STEP);
    return (gpumem_status)e->status;
}

const gpumem_paramdef layernorm_params[LAYERNORM_N] = {
    WORD("layernorm_style", "'plain'", "plain (nn.LayerNorm), manual (models/cohere: small operators in fp32), fp32 (models/olmo: casts around it) or shifted (models/nemotron: 1 + weight)"),
    FLAG("norm_affine", "true", "is there a weight"),
    FLAG("norm_bias", "true", "has it a bias beside its weight"),
};

DESCRIBE(layernorm_describe)
{
    static const char *const styles[] = {"plain", "manual", "fp32", "shifted", NULL};
    static const char *const variant[] = {"plain", "llama", "plain", "gemma"};
    int style = choice_of(args, LAYERNORM_STYLE, styles), affine = flag_of(args, LAYERNORM_AFFINE), fp32 = style == 2;
    gpumem_dim width = last_of(e, in[0]);
    uint32_t operand[3] = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE}, y;
    if (style < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "layernorm_style is none of plain, manual, fp32, shifted");
    operand[1] = in[1];
    operand[2] = in[2];
    if (affine && in[1] == GPUMEM_NONE)
        operand[1] = vector(e, "", "weight", GPUMEM_FAMILY_NORM, width);
    if (affine && flag_of(args, LAYERNORM_BIAS) && in[2] == GPUMEM_NONE)
        operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_NORM, width);
    out[1] = operand[1];
    out[2] = operand[2];
    operand[0] = fp32 ? cast(e, in[0], GPUMEM_DTYPE_F32) : in[0];
    y = gpumem_emit_same(e, "normed", in[0]);
    if (fp32)
        of_dtype(e, y, GPUMEM_DTYPE_F32);
    gpumem_emit_op(e, GPUMEM_OP_LAYERNORM, variant[style], "layernorm", 3, operand, 1, &y);
    out[0] = hold(e, fp32 ? cast(e, y, GPUMEM_DTYPE_MODEL) : y, GPUMEM_LIVES_STEP);
    return (gpumem_status)e->status;
}
