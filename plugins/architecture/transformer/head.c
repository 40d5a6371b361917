/* What follows the layers: LlamaForCausalLM.lm_head, ForCausalLMLoss (transformers/loss/loss_utils.py). */
#include "components.h"

const gpumem_paramdef head_params[HEAD_N] = {
    SIZE("vocab", NULL, "width of the logits"),
    FLAG("head_bias", "false", "has it a bias, also when its matrix is tied"),
};

/* The head's own name for the embedding's table. */
static uint32_t tied(gpumem_emit *e, uint32_t table)
{
    uint32_t t;
    if (e->status != GPUMEM_OK || table >= e->ntensor)
        return table;
    t = gpumem_emit_tensor(e, "weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_HEAD, e->tensor[table].dtype, e->tensor[table].ndim, e->tensor[table].dim);
    return view_of(e, t, e->tensor[table].storage == GPUMEM_NONE ? table : e->tensor[table].storage);
}

DESCRIBE(head_describe)
{
    uint32_t weight = in[1] == GPUMEM_NONE ? GPUMEM_NONE : tied(e, in[1]);
    uint32_t y = linear(e, "", GPUMEM_FAMILY_HEAD, in[0], weight, extent(size_of(args, HEAD_VOCAB), GPUMEM_AXIS_VOCAB),
                        flag_of(args, HEAD_BIAS) ? LINEAR_BIAS : 0);
    if (e->status == GPUMEM_OK)
        e->op[e->nop - 1].attr[0] = 1; /* of the last token alone, where that is enough */
    out[0] = hold(e, y, GPUMEM_LIVES_CALLER);
    return (gpumem_status)e->status;
}

const gpumem_paramdef loss_params[LOSS_N] = {
    WORD("loss_style", "'causal'", "causal (labels are shifted, logits in fp32), plain or masked (logits in fp32)"),
};

DESCRIBE(loss_describe)
{
    static const char *const styles[] = {"causal", "plain", "masked", NULL};
    int style = choice_of(args, LOSS_STYLE, styles);
    if (style < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "loss_style is none of causal, plain, masked");
    out[0] = gpumem_emit_tensor(e, "loss", GPUMEM_ROLE_ACTIVATION, 0, style == 1 ? GPUMEM_DTYPE_MODEL : GPUMEM_DTYPE_F32, 0, NULL);
    gpumem_emit_op(e, GPUMEM_OP_LOSS, styles[style], "loss", 2, in, 1, out);
    hold(e, out[0], GPUMEM_LIVES_MODEL);
    return (gpumem_status)e->status;
}

const gpumem_paramdef offset_params[OFFSET_N] = {
    WORD("offset_name", NULL, "name of the buffer"),
    SIZE("offset_width", NULL, "its width"),
    FLAG("offset_trains", "false", "a parameter instead, without the first dimension (models/gpt_neox_japanese)"),
};

/* A buffer [1, width] is added: final_logits_bias (models/bart). */
DESCRIBE(offset_describe)
{
    gpumem_dim dim[2];
    uint32_t buffer;
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = extent(size_of(args, OFFSET_WIDTH), GPUMEM_AXIS_VOCAB);
    if (flag_of(args, OFFSET_TRAINS))
        buffer = gpumem_emit_weight(e, args->param[OFFSET_NAME].v.s, GPUMEM_FAMILY_BIAS, extent(size_of(args, OFFSET_WIDTH), GPUMEM_AXIS_HIDDEN), NO_DIM);
    else
        buffer = gpumem_emit_tensor(e, args->param[OFFSET_NAME].v.s, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 2, dim);
    out[0] = binary(e, GPUMEM_OP_ADD, "offset", in[0], buffer);
    return (gpumem_status)e->status;
}

/* models/beam, BeamForCausalLM: logits.float() / cap, tanh, * cap */
DESCRIBE(softcap_fp32_describe)
{
    uint32_t rule = gpumem_emit_string(e, "x\n  x = muls(to(x, f32))\n  x = tanh(x)\n  x = muls(x)\n  return x\n");
    gpumem_op *op;
    (void)args;
    out[0] = of_dtype(e, gpumem_emit_same(e, "capped", in[0]), GPUMEM_DTYPE_F32);
    op = operate(e, GPUMEM_OP_OTHER, NULL, "softcap_fp32", hold(e, in[0], GPUMEM_LIVES_USE), GPUMEM_NONE, out[0]);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return (gpumem_status)e->status;
}

/* models/beam, depth_scaled_residual_add */
DESCRIBE(both_scaled_describe)
{
    uint32_t rule = gpumem_emit_string(e, "a b\n  y = add(muls(a), muls(b))\n  return y\n");
    gpumem_op *op;
    (void)args;
    out[0] = gpumem_emit_same(e, "sum", in[0]);
    op = operate(e, GPUMEM_OP_OTHER, NULL, "both_scaled", in[0], in[1], out[0]);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return (gpumem_status)e->status;
}
