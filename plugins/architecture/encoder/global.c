/* Tokens in blocks, and global tokens that all of them see (models/pegasus_x). The padding to whole blocks is in the rules alone. */
#include "components.h"

#define OTHERWISE(text) gpumem_emit_string(e, text)

static gpumem_op *ruled(gpumem_emit *e, const char *name, const char *variant, uint32_t rule, unsigned nin, const uint32_t *in, unsigned nout, const uint32_t *out)
{
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_OTHER, variant, name, nin, in, nout, out);
    if (op == NULL || e->status != GPUMEM_OK)
        return NULL;
    op->rule = rule;
    return op;
}

/* PegasusXSinusoidalPositionalEmbedding, and the sum. */
const gpumem_paramdef sinusoids_params[SINUSOIDS_N] = {FLAG("mask_held", "false", "a mask of ones [batch, tokens] in fp32 is held besides")};

DESCRIBE(sinusoids_describe)
{
    uint32_t y[2], rule = OTHERWISE("x\n  y = described(0)\n  p = described(1)\n  return y, p\n");
    gpumem_dim dim[2];
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    dim[0] = e->tensor[in[0]].dim[1];
    dim[1] = e->tensor[in[0]].dim[2];
    out[0] = y[0] = gpumem_emit_same(e, "placed", in[0]);
    y[1] = hold(e, gpumem_emit_tensor(e, "sinusoids", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim), GPUMEM_LIVES_STACK);
    ruled(e, "sinusoids", NULL, rule, 1, in, 2, y);
    if (flag_of(args, SINUSOIDS_ONES) && e->status == GPUMEM_OK)
        make_new(e, "ones", in[0], hold(e, gpumem_emit_tensor(e, "mask", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_F32, 2, e->tensor[in[0]].dim), GPUMEM_LIVES_STACK));
    return (gpumem_status)e->status;
}

const gpumem_paramdef blocks_params[BLOCKS_N] = {
    SIZE("block_size", NULL, "tokens of a block"),
    SIZE("global_tokens", NULL, "tokens that all see"),
};

/* PegasusXEncoder.forward: a mask, both padded to whole blocks, and the global tokens. */
DESCRIBE(blocks_describe)
{
    uint32_t y[3], operand[2], rule = OTHERWISE("x\n  y = described(0)\n  m = described(1)\n  i = described(2)\n  return y, m, i\n");
    gpumem_dim dim[3];
    gpumem_op *op;
    if (e->tensor[in[0]].ndim != 3)
        return gpumem_because(args, GPUMEM_EINVAL, "x is not [batch, tokens, width]");
    memcpy(dim, e->tensor[in[0]].dim, sizeof dim);
    y[0] = out[0] = gpumem_emit_same(e, "blocks", in[0]);
    y[1] = out[1] = hold(e, gpumem_emit_tensor(e, "mask", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim), GPUMEM_LIVES_STACK);
    y[2] = hold(e, gpumem_emit_tensor(e, "inverted_mask", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 2, dim), GPUMEM_LIVES_STACK);
    op = ruled(e, "blocks", NULL, rule, 1, in, 3, y);
    if (op)
        op->attr[0] = (uint32_t)size_of(args, BLOCKS_SIZE);
    operand[0] = in[0];
    operand[1] = gpumem_emit_weight(e, "embed_global.weight", GPUMEM_FAMILY_EMBEDDING, extent(size_of(args, BLOCKS_GLOBAL), GPUMEM_AXIS_NONE), dim[2]);
    dim[1] = extent(size_of(args, BLOCKS_GLOBAL), GPUMEM_AXIS_NONE);
    out[2] = gpumem_emit_tensor(e, "global", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim);
    ruled(e, "global_tokens", NULL, OTHERWISE("x W\n  y = described(0)\n  return y\n"), 2, operand, 1, out + 2);
    return (gpumem_status)e->status;
}

DESCRIBE(unblocked_describe)
{
    gpumem_dim dim[3];
    if (e->tensor[in[1]].ndim != 2)
        return gpumem_because(args, GPUMEM_EINVAL, "ids are not [batch, tokens]");
    memcpy(dim, e->tensor[in[1]].dim, sizeof dim);
    dim[2] = last_of(e, in[0]);
    out[0] = view_of(e, gpumem_emit_tensor(e, "unblocked", GPUMEM_ROLE_ACTIVATION, 0, e->tensor[in[0]].dtype, 3, dim), in[0]);
    ruled(e, "unblocked", NULL, OTHERWISE("x ids\n  return x\n"), 2, in, 1, out);
    return (gpumem_status)e->status;
}

const gpumem_paramdef global_local_params[GLOBAL_LOCAL_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("block_size", NULL, "tokens of a block"),
    FLAG("staggered", "false", "blocks are moved by half of one"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
    REAL_OR_NULL("dropout", "dropout of the results"),
};

/* PegasusXEncoderLayer.forward, its first half */
DESCRIBE(global_local_describe)
{
    static const char *const norms[] = {"self_attn_layer_norm", "global_self_attn_layer_norm"}, *const names[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"};
    gpumem_dim width = last_of(e, in[0]);
    uint32_t operand[11];
    char s[PATH_ROOM];
    unsigned n = 3;
    gpumem_op *op;
    memcpy(operand, in, 3 * sizeof *operand);
    for (unsigned i = 0; i < 2; i++) {
        operand[n++] = vector(e, norms[i], "weight", GPUMEM_FAMILY_NORM, width);
        operand[n++] = vector(e, norms[i], "bias", GPUMEM_FAMILY_NORM, width);
    }
    for (unsigned i = 0; i < 4; i++)
        operand[n++] = gpumem_emit_weight(e, join(e, s, names[i], "weight"), GPUMEM_FAMILY_MATRIX, width, width);
    out[0] = hold(e, gpumem_emit_same(e, "attended", in[0]), GPUMEM_LIVES_BLOCK);
    out[1] = hold(e, gpumem_emit_same(e, "global_attended", in[1]), GPUMEM_LIVES_BLOCK);
    op = ruled(e, "global_local", NULL, OTHERWISE("x g m a b c d q k v o\n  y = described(0)\n  z = described(1)\n  return y, z\n"), n, operand, 2, out);
    if (op) {
        op->attr[0] = (uint32_t)size_of(args, GLOBAL_LOCAL_HEADS);
        op->attr[1] = (uint32_t)size_of(args, GLOBAL_LOCAL_BLOCK);
        op->attr[2] = (uint32_t)flag_of(args, GLOBAL_LOCAL_STAGGERED);
        op->attr[3] = probability_of(args, GLOBAL_LOCAL_DROPOUT);
        op->attr[4] = probability_of(args, GLOBAL_LOCAL_RESULT_DROPOUT);
    }
    return (gpumem_status)e->status;
}

const gpumem_paramdef feed_both_params[FEED_BOTH_N] = {
    SIZE("intermediate", NULL, "width between the matrices"),
    WORD("act", NULL, "activation function"),
    REAL_OR_NULL("mlp_dropout", "dropout between the matrices"),
    REAL_OR_NULL("dropout", "dropout of the results"),
};

/* ... and its second: one network for both */
DESCRIBE(feed_both_describe)
{
    const char *act = activation_of(args->param[FEED_BOTH_ACT].v.s);
    gpumem_dim width = last_of(e, in[0]), inner = extent(size_of(args, FEED_BOTH_INTERMEDIATE), GPUMEM_AXIS_FFN);
    uint32_t operand[8];
    gpumem_op *op;
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    memcpy(operand, in, 2 * sizeof *operand);
    operand[2] = vector(e, "final_layer_norm", "weight", GPUMEM_FAMILY_NORM, width);
    operand[3] = vector(e, "final_layer_norm", "bias", GPUMEM_FAMILY_NORM, width);
    operand[4] = gpumem_emit_weight(e, "fc1.weight", GPUMEM_FAMILY_MATRIX, inner, width);
    operand[5] = vector(e, "fc1", "bias", GPUMEM_FAMILY_BIAS, inner);
    operand[6] = gpumem_emit_weight(e, "fc2.weight", GPUMEM_FAMILY_MATRIX, width, inner);
    operand[7] = vector(e, "fc2", "bias", GPUMEM_FAMILY_BIAS, width);
    out[0] = gpumem_emit_same(e, "fed", in[0]);
    out[1] = gpumem_emit_same(e, "global_fed", in[1]);
    op = ruled(e, "feed_both", act, OTHERWISE("x g n m a b c d\n  y = described(0)\n  z = described(1)\n  return y, z\n"), 8, operand, 2, out);
    if (op) {
        op->attr[0] = probability_of(args, FEED_BOTH_DROPOUT);
        op->attr[1] = probability_of(args, FEED_BOTH_RESULT_DROPOUT);
    }
    return (gpumem_status)e->status;
}
