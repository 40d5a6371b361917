/* MiniMaxLightningAttention (models/minimax): attention without a softmax, whose heads forget at fixed rates. */
#include "components.h"

const gpumem_paramdef lightning_params[LIGHTNING_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("lightning_block", "256", "tokens that are computed at once"),
    WORD("act", "'silu'", "activation function of queries, keys and values"),
};

static uint32_t buffer(gpumem_emit *e, const char *name, unsigned n, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    gpumem_dim dim[4];
    dim[0] = extent(a, GPUMEM_AXIS_NONE);
    dim[1] = extent(b, GPUMEM_AXIS_NONE);
    dim[2] = extent(c, GPUMEM_AXIS_NONE);
    dim[3] = extent(d, GPUMEM_AXIS_NONE);
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, n, dim);
}

DESCRIBE(lightning_describe)
{
    uint64_t heads = size_of(args, LIGHTNING_HEADS), width = size_of(args, LIGHTNING_DIM), block = size_of(args, LIGHTNING_BLOCK);
    const scan_spec s = {"lightning", heads, width, width, heads, block};
    const char *act = activation_of(args->param[LIGHTNING_ACT].v.s);
    uint32_t operand[5], y, gate;
    gpumem_dim all = extent(heads * width, GPUMEM_AXIS_HEADS);
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    operand[1] = buffer(e, "slope_rate", 3, heads, 1, 1, 0);
    operand[2] = buffer(e, "query_decay", 3, heads, block, 1, 0);
    operand[3] = buffer(e, "key_decay", 3, heads, block, 1, 0);
    operand[4] = buffer(e, "diagonal_decay", 4, 1, heads, block, block);
    y = activate(e, matrix(e, "qkv_proj", in[0], 3 * heads * width, GPUMEM_AXIS_HEADS, 0), act);
    operand[0] = step(e, y);
    state(e, "kv_state", in[0], GPUMEM_DTYPE_MODEL, heads * width, width);
    y = scan(e, &s, 5, operand, gpumem_emit_like(e, "scanned", in[0], all));
    y = rmsnorm(e, "norm", y, all, "llama", 1);
    gate = activate(e, matrix(e, "output_gate", in[0], heads * width, GPUMEM_AXIS_HEADS, 0), "sigmoid");
    out[0] = matrix(e, "out_proj", binary(e, GPUMEM_OP_MUL, "gated", gate, y), last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}
