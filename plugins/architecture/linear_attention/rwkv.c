/* RwkvSelfAttention and RwkvFeedForward (models/rwkv): every token is mixed with the one before it. */
#include "components.h"

const gpumem_paramdef rwkv_attention_params[RWKV_N] = {SIZE("rwkv_inner", NULL, "channels that remember")};
const gpumem_paramdef rwkv_feed_forward_params[RWKV_FF_N] = {SIZE("intermediate", NULL, "width between its matrices")};

/* x * mix + shifted * (1 - mix) */
static uint32_t mixed(gpumem_emit *e, const char *name, uint32_t x, uint32_t shifted)
{
    uint32_t mix = own(e, name, 1, 1, last_of(e, x).size), now = binary(e, GPUMEM_OP_MUL, "now", x, mix), rest = gpumem_emit_same(e, "one_minus", mix);
    operate(e, GPUMEM_OP_SCALE, 0, "one_minus", mix, GPUMEM_NONE, rest);
    return binary(e, GPUMEM_OP_ADD, name, now, binary(e, GPUMEM_OP_MUL, "before", shifted, rest));
}

static uint32_t shift(gpumem_emit *e, uint32_t x)
{
    state(e, "token_before", x, GPUMEM_DTYPE_MODEL, last_of(e, x).size, 0);
    uint32_t y = gpumem_emit_same(e, "shifted", x);
    operate(e, GPUMEM_OP_PAD, "kept", "shifted", x, GPUMEM_NONE, y);
    return y;
}

DESCRIBE(rwkv_attention_describe)
{
    uint64_t inner = size_of(args, RWKV_INNER);
    const scan_spec s = {"wkv", inner, 3, 1, inner, 0};
    uint32_t shifted = shift(e, in[0]), operand[4], receptance, y;
    state(e, "wkv_state", in[0], GPUMEM_DTYPE_F32, inner, 3); /* numerator, denominator, largest exponent */
    operand[0] = own(e, "time_decay", inner, 0, 0);
    operand[1] = own(e, "time_first", inner, 0, 0);
    operand[2] = mixed(e, "time_mix_key", in[0], shifted);
    operand[3] = mixed(e, "time_mix_value", in[0], shifted);
    receptance = mixed(e, "time_mix_receptance", in[0], shifted);
    operand[2] = step(e, matrix(e, "key", operand[2], inner, GPUMEM_AXIS_CHANNEL, 0));
    operand[3] = step(e, matrix(e, "value", operand[3], inner, GPUMEM_AXIS_CHANNEL, 0));
    receptance = step(e, activate(e, matrix(e, "receptance", receptance, inner, GPUMEM_AXIS_CHANNEL, 0), "sigmoid"));
    y = scan(e, &s, 4, operand, gpumem_emit_same(e, "scanned", operand[2]));
    out[0] = matrix(e, "output", binary(e, GPUMEM_OP_MUL, "received", receptance, y), last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}

DESCRIBE(rwkv_feed_forward_describe)
{
    uint64_t hidden = last_of(e, in[0]).size;
    uint32_t shifted = step(e, shift(e, in[0])), key, receptance;
    key = step(e, mixed(e, "time_mix_key", in[0], shifted));
    receptance = step(e, mixed(e, "time_mix_receptance", in[0], shifted));
    key = activate(e, matrix(e, "key", key, size_of(args, RWKV_FF_INNER), GPUMEM_AXIS_FFN, 0), "relu");
    key = step(e, activate(e, key, "square"));
    key = step(e, matrix(e, "value", key, hidden, GPUMEM_AXIS_HIDDEN, 0));
    receptance = activate(e, matrix(e, "receptance", receptance, hidden, GPUMEM_AXIS_HIDDEN, 0), "sigmoid");
    out[0] = binary(e, GPUMEM_OP_MUL, "received", receptance, key);
    return (gpumem_status)e->status;
}
