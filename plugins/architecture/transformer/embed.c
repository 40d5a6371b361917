/* Embeddings and positions: nn.Embedding, learned positions (models/gpt2, models/opt), rotary tables (models/llama). */
#include "components.h"

const gpumem_paramdef embed_params[EMBED_N] = {
    SIZE("vocab", NULL, "rows of the table"),
    SIZE("hidden", NULL, "width of the table"),
    FLAG("embed_scaled", "false", "multiplied by a buffer `embed_scale` (models/gemma)"),
    FLAG("embed_scale_int", "false", "that buffer is int64 (models/minicpm3)"),
};

DESCRIBE(embed_describe)
{
    gpumem_dim width = extent(size_of(args, EMBED_HIDDEN), GPUMEM_AXIS_HIDDEN), dim[GPUMEM_MAX_DIMS];
    uint32_t operand[2], x, y;
    unsigned n = e->tensor[in[0]].ndim;
    if (n == GPUMEM_MAX_DIMS)
        return gpumem_because(args, GPUMEM_EINVAL, "ids have too many dimensions");
    memcpy(dim, e->tensor[in[0]].dim, n * sizeof *dim);
    dim[n] = width;
    operand[0] = in[0];
    operand[1] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, extent(size_of(args, EMBED_VOCAB), GPUMEM_AXIS_VOCAB), width);
    x = gpumem_emit_tensor(e, "embedded", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, n + 1, dim);
    gpumem_emit_op(e, GPUMEM_OP_EMBED, 0, "embed", 2, operand, 1, &x);
    if (flag_of(args, EMBED_SCALED)) {
        gpumem_emit_tensor(e, "embed_scale", GPUMEM_ROLE_BUFFER, 0, flag_of(args, EMBED_SCALE_INT) ? GPUMEM_DTYPE_I64 : GPUMEM_DTYPE_MODEL, 0, NULL);
        y = gpumem_emit_same(e, "scaled", x);
        operate(e, GPUMEM_OP_SCALE, 0, "scale", x, GPUMEM_NONE, y);
        x = y;
    }
    out[0] = hold(e, x, GPUMEM_LIVES_STACK);
    out[1] = operand[1];
    return (gpumem_status)e->status;
}

/* torch.arange over the tokens of x, [1, tokens]: alive until the decoder returns. */
static uint32_t count_tokens(gpumem_emit *e, uint32_t x)
{
    gpumem_dim dim[2];
    uint32_t y;
    gpumem_op *op;
    gpumem_rule *rule;
    if (e->tensor[x].ndim < 2)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = e->tensor[x].dim[e->tensor[x].ndim - 2];
    y = gpumem_emit_tensor(e, "position_ids", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I64, 2, dim);
    op = operate(e, GPUMEM_OP_OTHER, 0, "arange", GPUMEM_NONE, GPUMEM_NONE, hold(e, y, GPUMEM_LIVES_STACK));
    if (!op)
        return y;
    if (e->nrule == e->max_rule)
        return gpumem_emit_fail(e, GPUMEM_ESPACE);
    rule = &e->rule[e->nrule];
    memset(rule, 0, sizeof *rule); /* a new output, nothing else */
    rule->nforward = 1;
    rule->moment[0].verb = GPUMEM_MAKE;
    rule->moment[0].what = GPUMEM_THE_OUT;
    op->rule = e->nrule++;
    return y;
}

const gpumem_paramdef position_params[POSITION_N] = {
    SIZE("positions", NULL, "largest number of tokens"),
    {"position_offset", GPUMEM_TYPE_INT, 0, "0", 0, 1024, "rows before the first position (models/opt: 2)"},
    WORD("position_buffer", "''", "name of a buffer that holds them instead of a parameter (models/xglm, models/ctrl)"),
    FLAG("position_fp32", "false", "that buffer is fp32"),
};

DESCRIBE(position_describe)
{
    gpumem_dim dim[3], table[2];
    uint32_t operand[2], y;
    const char *buffer = args->param[POSITION_BUFFER].v.s;
    table[0] = extent(size_of(args, POSITION_POSITIONS) + size_of(args, POSITION_OFFSET), GPUMEM_AXIS_NONE);
    table[1] = last_of(e, in[0]);
    operand[0] = count_tokens(e, in[0]);
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = last_of(e, operand[0]);
    dim[2] = table[1];
    if (*buffer)
        operand[1] = gpumem_emit_tensor(e, buffer, GPUMEM_ROLE_BUFFER, 0, flag_of(args, POSITION_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL, 2, table);
    else
        operand[1] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, table[0], table[1]);
    y = hold(e, gpumem_emit_tensor(e, "positions", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim), GPUMEM_LIVES_STACK);
    gpumem_emit_op(e, GPUMEM_OP_EMBED, 0, "positions", 2, operand, 1, &y);
    out[0] = binary(e, GPUMEM_OP_ADD, "placed", in[0], y);
    return (gpumem_status)e->status;
}

const gpumem_paramdef cossin_params[COSSIN_N] = {
    SIZE_OR_NULL("rope", "rotated width of a head; null: all of it"),
    SIZE("head_dim", NULL, "width of a head"),
    WORD("rope_kind", "''", "kind of layer that has tables of its own: first part of the buffers' names (models/gemma3)"),
    FLAG("rope_fp32", "false", "the tables stay in fp32 (models/olmo2)"),
    FLAG("rope_halved", "false", "the tables have half the width: one number for a pair (models/gpt_oss)"),
    SIZE_OR_NULL("rope_rows", "rows of a table of all positions, embed_positions, that they are gathered from (models/gptj)"),
};

DESCRIBE(cossin_describe)
{
    static const char *const buffers[] = {"inv_freq", "original_inv_freq"}, *const tables[] = {"cos", "sin"};
    uint64_t rope = size_or(args, COSSIN_ROPE, size_of(args, COSSIN_HEAD_DIM));
    const char *kind = args->param[COSSIN_KIND].v.s;
    gpumem_dim frequencies = extent((rope + 1) / 2, GPUMEM_AXIS_HEAD_DIM), dim[3];
    uint32_t operand[2] = {GPUMEM_NONE, GPUMEM_NONE};
    char s[PATH_ROOM];
    for (unsigned i = 0; i < 2 && is_null(args, COSSIN_ROWS); i++) {
        const char *name = join(e, s, kind, buffers[i]);
        if (*kind && name == s)
            s[strlen(kind)] = '_';
        operand[i] = gpumem_emit_tensor(e, name, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_F32, 1, &frequencies);
    }
    if (!is_null(args, COSSIN_ROWS)) {
        dim[0] = extent(size_of(args, COSSIN_ROWS), GPUMEM_AXIS_NONE);
        dim[1] = extent(rope, GPUMEM_AXIS_HEAD_DIM);
        operand[0] = gpumem_emit_tensor(e, "embed_positions", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_F32, 2, dim);
    }
    operand[1] = in[1] == GPUMEM_NONE ? count_tokens(e, in[0]) : in[1];
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = last_of(e, operand[1]);
    dim[2] = flag_of(args, COSSIN_HALVED) ? frequencies : extent(rope, GPUMEM_AXIS_HEAD_DIM);
    for (unsigned i = 0; i < 2; i++)
        out[i] = hold(e, gpumem_emit_tensor(e, tables[i], GPUMEM_ROLE_ACTIVATION, 0,
                                            flag_of(args, COSSIN_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL, 3, dim), GPUMEM_LIVES_STACK);
    gpumem_emit_op(e, GPUMEM_OP_ROTARY_TABLE, 0, "cossin", 2, operand, 2, out);
    out[2] = operand[1];
    return (gpumem_status)e->status;
}
