/* Embeddings and positions: nn.Embedding, learned positions (models/gpt2, models/opt), rotary tables (models/llama). */
#include "components.h"

const gpumem_paramdef embed_params[EMBED_N] = {
    SIZE("vocab", NULL, "rows of the table"),
    SIZE("hidden", NULL, "width of the table"),
    SIZE_OR_NULL("table_width", "width that the table is made with where it is another, and could not run (models/xlstm)"),
    FLAG("embed_scaled", "false", "multiplied by a buffer `embed_scale` (models/gemma)"),
    FLAG("embed_scale_int", "false", "that buffer is int64 (models/minicpm3)"),
    FLAG("embed_multiplied", "false", "multiplied by a number, be it 1 (models/bart)"),
    FLAG("embed_held", "true", "the result is held until the decoder returns"),
};

DESCRIBE(embed_describe)
{
    gpumem_dim width = extent(size_of(args, EMBED_HIDDEN), GPUMEM_AXIS_HIDDEN), dim[GPUMEM_MAX_DIMS];
    uint32_t operand[2], x, y;
    gpumem_op *last;
    unsigned n = e->tensor[in[0]].ndim;
    if (n == GPUMEM_MAX_DIMS)
        return gpumem_because(args, GPUMEM_EINVAL, "ids have too many dimensions");
    memcpy(dim, e->tensor[in[0]].dim, n * sizeof *dim);
    dim[n] = width;
    operand[0] = in[0];
    operand[1] = in[1];
    if (in[1] == GPUMEM_NONE)
        operand[1] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, extent(size_of(args, EMBED_VOCAB), GPUMEM_AXIS_VOCAB),
                                        extent(size_or(args, EMBED_TABLE_WIDTH, width.size), GPUMEM_AXIS_HIDDEN));
    x = gpumem_emit_tensor(e, "embedded", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, n + 1, dim);
    last = gpumem_emit_op(e, GPUMEM_OP_EMBED, 0, "embed", 2, operand, 1, &x);
    if (flag_of(args, EMBED_SCALED) || flag_of(args, EMBED_MULTIPLIED)) {
        if (flag_of(args, EMBED_SCALED))
            gpumem_emit_tensor(e, "embed_scale", GPUMEM_ROLE_BUFFER, 0, flag_of(args, EMBED_SCALE_INT) ? GPUMEM_DTYPE_I64 : GPUMEM_DTYPE_MODEL, 0, NULL);
        y = gpumem_emit_same(e, "scaled", x);
        last = operate(e, GPUMEM_OP_SCALE, flag_of(args, EMBED_SCALED) && flag_of(args, EMBED_SCALE_INT) ? "cast" : 0, "scale", x, GPUMEM_NONE, y);
        x = y;
    }
    if (last)
        last->attr[0] = 1;
    out[0] = hold(e, x, flag_of(args, EMBED_HELD) ? GPUMEM_LIVES_STACK : GPUMEM_LIVES_USE);
    out[1] = operand[1];
    return (gpumem_status)e->status;
}

/* What layers are given besides what they read: not with SCOPE_MODEL. */
static uint32_t unpassed(gpumem_emit *e, uint32_t t)
{
    if (t < e->ntensor)
        e->tensor[t].scope = GPUMEM_SCOPE_MODEL;
    return t;
}

static uint32_t token_ids(gpumem_emit *e, uint32_t x, gpumem_dim rows)
{
    gpumem_dim dim[2];
    if (e->tensor[x].ndim < 2)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = rows;
    dim[1] = e->tensor[x].dim[e->tensor[x].ndim - 2];
    return hold(e, gpumem_emit_tensor(e, "position_ids", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I64, 2, dim), GPUMEM_LIVES_STACK);
}

uint32_t count_tokens(gpumem_emit *e, uint32_t x)
{
    uint32_t y = token_ids(e, x, extent(1, GPUMEM_AXIS_NONE));
    make_new(e, "arange", GPUMEM_NONE, y);
    return y;
}

DESCRIBE(positions_describe)
{
    (void)args;
    out[0] = count_tokens(e, in[0]);
    return (gpumem_status)e->status;
}

/* RoCBertEmbeddings.forward: ids that nobody has given. */
DESCRIBE(zeros_describe)
{
    (void)args;
    out[0] = hold(e, token_ids(e, in[0], e->status == GPUMEM_OK ? e->tensor[in[0]].dim[0] : NO_DIM), GPUMEM_LIVES_BLOCK);
    make_new(e, "zeros", GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

const gpumem_paramdef prompted_params[PROMPTED_N] = {SIZE("prompt_tokens", NULL, "how many")};

/* CpmAntModel.forward: those of a prompt are put before them. */
DESCRIBE(prompted_describe)
{
    gpumem_dim dim[2];
    if (e->tensor[in[0]].ndim != 2)
        return gpumem_because(args, GPUMEM_EINVAL, "ids are not [batch, tokens]");
    memcpy(dim, e->tensor[in[0]].dim, sizeof dim);
    dim[1].sym = (uint8_t)derived(e, GPUMEM_SYM_ADD, dim[1].sym, (uint32_t)size_of(args, PROMPTED_TOKENS));
    out[0] = hold(e, gpumem_emit_tensor(e, "prompted", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I32, 2, dim), GPUMEM_LIVES_STACK);
    make_new(e, "prompted", in[0], out[0]);
    return (gpumem_status)e->status;
}

const gpumem_paramdef slopes_params[SLOPES_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE_OR_NULL("slope_positions", "positions, each multiplied by the slopes (models/mpt); null: that comes later"),
};

/* models/bloom, _get_alibi_slopes: a number for each head, held by the decoder; models/mpt, build_mpt_alibi_tensor: for each head and position. */
DESCRIBE(slopes_describe)
{
    gpumem_dim dim[3];
    dim[0] = extent(size_of(args, SLOPES_HEADS), GPUMEM_AXIS_HEADS);
    dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(size_or(args, SLOPES_POSITIONS, 1), GPUMEM_AXIS_NONE);
    out[0] = gpumem_emit_tensor(e, "slopes", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_F32, is_null(args, SLOPES_POSITIONS) ? 1 : 3, dim);
    make_new(e, "slopes", in[0], hold(e, out[0], GPUMEM_LIVES_STACK));
    return (gpumem_status)e->status;
}

/* Ids that are counted along a mask of ones, or that a number was added to. */
static uint32_t counted(gpumem_emit *e, uint32_t x)
{
    uint32_t mask = of_dtype(e, token_ids(e, x, e->tensor[x].dim[0]), GPUMEM_DTYPE_F32), y;
    make_new(e, "ones", x, mask);
    y = token_ids(e, x, e->tensor[x].dim[0]);
    make_new(e, "counted", mask, y);
    return y;
}

static uint32_t shifted(gpumem_emit *e, uint32_t ids)
{
    uint32_t y = of_dtype(e, gpumem_emit_same(e, "shifted_ids", ids), GPUMEM_DTYPE_I64);
    make_new(e, "shifted_ids", ids, y);
    return y;
}

enum { IDS_ARANGE, IDS_EACH, IDS_BUFFER, IDS_GATHER, IDS_ADDED, IDS_MASK, IDS_EXPANDED, IDS_REPEATED, IDS_ROW };

/* What position_ids says: arange, [1, tokens]; each, a number for each token of the batch; buffer and row, a view of it; gather, [1, tokens]
 * that are seen as each; added, arange and its sums with the offset; mask, counted along a mask of ones; repeated, arange and its copy for each sequence. */
static uint32_t position_ids(gpumem_emit *e, uint32_t x, int kind, int held, uint64_t positions)
{
    gpumem_dim dim[2];
    uint32_t y, buffer;
    if (kind == IDS_ARANGE)
        return count_tokens(e, x);
    if (kind == IDS_MASK)
        return counted(e, x);
    if (kind == IDS_EACH) {
        y = token_ids(e, x, e->tensor[x].dim[0]);
        make_new(e, "ids", GPUMEM_NONE, y);
        return y;
    }
    if (kind == IDS_GATHER) {
        buffer = token_ids(e, x, extent(1, GPUMEM_AXIS_NONE));
        make_new(e, "ids", GPUMEM_NONE, hold(e, buffer, GPUMEM_LIVES_BLOCK));
        y = view_of(e, token_ids(e, x, e->tensor[x].dim[0]), buffer);
        operate(e, GPUMEM_OP_VIEW, 0, "expanded", buffer, GPUMEM_NONE, y);
        return y;
    }
    if (kind == IDS_EXPANDED) {
        buffer = unpassed(e, hold(e, token_ids(e, x, extent(1, GPUMEM_AXIS_NONE)), GPUMEM_LIVES_USE));
        make_new(e, "ids", GPUMEM_NONE, buffer);
        y = token_ids(e, x, e->tensor[x].dim[0]);
        make_new(e, "ids", buffer, y);
        return y;
    }
    if (kind == IDS_REPEATED) {
        buffer = unpassed(e, hold(e, count_tokens(e, x), GPUMEM_LIVES_USE));
        y = token_ids(e, x, e->tensor[x].dim[0]);
        make_new(e, "ids", buffer, y);
        return y;
    }
    if (kind == IDS_ADDED) {
        buffer = unpassed(e, hold(e, count_tokens(e, x), held ? GPUMEM_LIVES_STACK : GPUMEM_LIVES_USE));
        y = token_ids(e, x, extent(1, GPUMEM_AXIS_NONE));
        make_new(e, "ids", buffer, y);
        return y;
    }
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = extent(positions, GPUMEM_AXIS_NONE);
    buffer = gpumem_emit_tensor(e, "position_ids", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_I64, kind == IDS_ROW ? 1 : 2, kind == IDS_ROW ? dim + 1 : dim);
    y = view_of(e, token_ids(e, x, dim[0]), buffer);
    operate(e, GPUMEM_OP_VIEW, 0, "position_ids", buffer, GPUMEM_NONE, y);
    return y;
}

const gpumem_paramdef position_params[POSITION_N] = {
    SIZE("positions", NULL, "largest number of tokens"),
    {"position_offset", GPUMEM_TYPE_INT, 0, "0", 0, 1024, "rows before the first position (models/opt: 2)"},
    WORD("position_buffer", "''", "name of a buffer that holds them instead of a parameter (models/xglm, models/ctrl)"),
    FLAG("position_fp32", "false", "that buffer is fp32"),
    WORD("position_ids", "'arange'", "arange (the same for all sequences), each (a number for each token: models/roberta, token types), buffer (position_ids: models/bert), row (the same, of one dimension: models/openai), "
                                     "gather (picked from a buffer: token types of models/bert), added (the model holds arange, the table is asked for sums: models/bart) mask (counted along a mask of ones: models/opt), expanded (arange for each sequence, and its sum with the offset: models/mvp) or repeated (arange, copied for each sequence; rows are picked: models/whisper)"),
    FLAG("position_added", "false", "an operator adds position_offset to the ids"),
    WORD("position_lives", "'stack'", "how long ids and their embeddings are held: stack (until the decoder returns), block (until what is before the layers returns), "
                                      "table (the ids only as long as they are needed) model (until the decoder returns, but layers are not given the ids) sum (the same, but the embeddings only until they are added) or use (both only as long as they are needed)"),
    FLAG("position_frozen", "false", "the table never trains (models/pegasus)"),
    FLAG("mask_held", "false", "the decoder holds a mask of ones [batch, tokens] in fp32 besides (models/pegasus)"),
    FLAG("position_cast", "false", "x is scaled in place, the buffer is cast to its format, once and for all (models/ctrl)"),
    FLAG("position_zero", "false", "a zero is added to the sum, for token types that are not there (models/openai)"),
    FLAG("position_in_place", "false", "x is what they are added to in place (models/roc_bert)"),
};

static uint32_t by_rule(gpumem_emit *e, const char *name, uint32_t x, uint32_t y, const char *rule)
{
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, NULL, name, x, GPUMEM_NONE, y);
    uint32_t text = gpumem_emit_string(e, rule);
    if (op && e->status == GPUMEM_OK)
        op->rule = text;
    return y;
}

DESCRIBE(position_describe)
{
    static const char *const kinds[] = {"arange", "each", "buffer", "gather", "added", "mask", "expanded", "repeated", "row", NULL}, *const lives[] = {"stack", "block", "table", "model", "sum", "use", NULL};
    static const uint8_t of_ids[] = {GPUMEM_LIVES_STACK, GPUMEM_LIVES_BLOCK, GPUMEM_LIVES_USE, GPUMEM_LIVES_STACK, GPUMEM_LIVES_STACK, GPUMEM_LIVES_USE};
    static const uint8_t of_table[] = {GPUMEM_LIVES_STACK, GPUMEM_LIVES_BLOCK, GPUMEM_LIVES_STACK, GPUMEM_LIVES_STACK, GPUMEM_LIVES_USE, GPUMEM_LIVES_USE};
    gpumem_dim dim[3], table[2];
    uint32_t operand[2], x = in[0], y;
    int held = choice_of(args, POSITION_LIVES, lives), casts = flag_of(args, POSITION_CAST);
    const char *buffer = args->param[POSITION_BUFFER].v.s;
    int kind = choice_of(args, POSITION_IDS, kinds);
    if (kind < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "position_ids is none of arange, each, buffer, gather, added, mask, expanded, repeated, row");
    if (held < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "position_lives is none of stack, block, table, model, sum, use");
    table[0] = extent(size_of(args, POSITION_POSITIONS) + size_of(args, POSITION_OFFSET), GPUMEM_AXIS_NONE);
    table[1] = last_of(e, in[0]);
    operand[0] = hold(e, position_ids(e, in[0], kind, held == 3, table[0].size), kind == IDS_ADDED ? GPUMEM_LIVES_USE : of_ids[held]);
    if (flag_of(args, POSITION_ONES) && e->status == GPUMEM_OK) {
        uint32_t ones = of_dtype(e, token_ids(e, in[0], e->tensor[in[0]].dim[0]), GPUMEM_DTYPE_F32);
        make_new(e, "ones", in[0], ones);
    }
    if (held >= 3)
        unpassed(e, operand[0]);
    if (e->status != GPUMEM_OK)
        return (gpumem_status)e->status;
    if (flag_of(args, POSITION_ADDED))
        operand[0] = shifted(e, operand[0]);
    if (e->status != GPUMEM_OK)
        return (gpumem_status)e->status;
    dim[0] = e->tensor[operand[0]].dim[0];
    dim[1] = last_of(e, operand[0]);
    dim[2] = table[1];
    if (*buffer)
        operand[1] = gpumem_emit_tensor(e, buffer, GPUMEM_ROLE_BUFFER, 0, flag_of(args, POSITION_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL, 2, table);
    else
        operand[1] = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, table[0], table[1]);
    if (flag_of(args, POSITION_FROZEN) && operand[1] < e->ntensor)
        e->tensor[operand[1]].tag |= GPUMEM_TAG_FROZEN | GPUMEM_TAG_FIXED;
    out[1] = operand[1];
    y = hold(e, gpumem_emit_tensor(e, "positions", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim), of_table[held]);
    if (casts)
        x = by_rule(e, "scaled_in_place", x, hold(e, view_of(e, gpumem_emit_same(e, "scaled", x), x), GPUMEM_LIVES_STACK), "x\n  y = scaled_in_place(x)\n  return y\n");
    gpumem_emit_op(e, GPUMEM_OP_EMBED, casts ? "cast" : kind == IDS_REPEATED ? "picked" : NULL, "positions", 2, operand, 1, &y);
    out[0] = gpumem_emit_same(e, "placed", x);
    operate(e, GPUMEM_OP_ADD, flag_of(args, POSITION_IN_PLACE) ? "in_place" : NULL, "placed", x, y, out[0]);
    if (flag_of(args, POSITION_ZERO))
        out[0] = by_rule(e, "plus_zero", out[0], gpumem_emit_same(e, "placed", x), "x\n  y = adds(x)\n  return y\n");
    return (gpumem_status)e->status;
}

const gpumem_paramdef cossin_params[COSSIN_N] = {
    SIZE_OR_NULL("rope", "rotated width of a head; null: all of it"),
    SIZE("head_dim", NULL, "width of a head"),
    WORD("rope_kind", "''", "kind of layer that has tables of its own: first part of the buffers' names (models/gemma3)"),
    FLAG("rope_fp32", "false", "the tables stay in fp32 (models/olmo2)"),
    FLAG("rope_halved", "false", "the tables have half the width: one number for a pair (models/gpt_oss)"),
    SIZE_OR_NULL("rope_rows", "rows of a table of all positions, embed_positions, that they are gathered from (models/codegen)"),
    FLAG("rope_gathered", "false", "cos is that table and sin are the positions: the attention gathers (models/gptj)"),
    FLAG("rope_complex", "false", "cos and sin are the parts of complex numbers, one for a pair (models/deepseek_v2)"),
    FLAG("rope_weight", "false", "that table is a parameter, weight (models/roformer)"),
    FLAG("rope_passed", "true", "the layers are given the positions beside cos and sin (models/modernbert: they are not)"),
    FLAG("rope_grids", "false", "each sequence has positions of its own, in three grids (models/qwen3_5)"),
    FLAG("rope_batched", "false", "each sequence has positions of its own (models/modernbert_decoder)"),
    FLAG("rope_own", "false", "an attention makes them for itself (models/moshi)"),
};

DESCRIBE(cossin_describe)
{
    static const char *const buffers[] = {"inv_freq", "original_inv_freq"}, *const tables[] = {"cos", "sin"};
    uint64_t rope = size_or(args, COSSIN_ROPE, size_of(args, COSSIN_HEAD_DIM));
    const char *kind = args->param[COSSIN_KIND].v.s;
    gpumem_dim frequencies = extent((rope + 1) / 2, GPUMEM_AXIS_HEAD_DIM), dim[3];
    const char *variant;
    uint32_t operand[3] = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE};
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
        operand[0] = flag_of(args, COSSIN_WEIGHT) ? gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_EMBEDDING, dim[0], dim[1])
                                                  : gpumem_emit_tensor(e, "embed_positions", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_F32, 2, dim);
    }
    operand[1] = in[1] == GPUMEM_NONE ? count_tokens(e, in[0]) : in[1];
    if (flag_of(args, COSSIN_GATHERED)) {
        out[0] = operand[0];
        out[1] = out[2] = operand[1];
        return (gpumem_status)e->status;
    }
    if (!flag_of(args, COSSIN_PASSED))
        unpassed(e, operand[1]);
    if (flag_of(args, COSSIN_GRIDS) || flag_of(args, COSSIN_BATCHED))
        operand[2] = in[0];
    dim[0] = operand[2] == GPUMEM_NONE ? extent(1, GPUMEM_AXIS_NONE) : e->tensor[in[0]].dim[0];
    dim[1] = last_of(e, operand[1]);
    dim[2] = flag_of(args, COSSIN_HALVED) || flag_of(args, COSSIN_COMPLEX) ? frequencies : extent(rope, GPUMEM_AXIS_HEAD_DIM);
    for (unsigned i = 0; i < 2; i++)
        out[i] = hold(e, gpumem_emit_tensor(e, tables[i], GPUMEM_ROLE_ACTIVATION, 0,
                                            flag_of(args, COSSIN_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL, 3, dim),
                      flag_of(args, COSSIN_OWN) ? GPUMEM_LIVES_STEP : GPUMEM_LIVES_STACK);
    if (flag_of(args, COSSIN_COMPLEX))
        of_dtype(e, view_of(e, out[1], of_dtype(e, out[0], GPUMEM_DTYPE_C64)), GPUMEM_DTYPE_C64);
    variant = !is_null(args, COSSIN_ROWS) ? "rows" : flag_of(args, COSSIN_GRIDS) ? "grids" : flag_of(args, COSSIN_BATCHED) ? "batched" : flag_of(args, COSSIN_OWN) ? "own" : flag_of(args, COSSIN_COMPLEX) ? "complex" : flag_of(args, COSSIN_HALVED) ? "halved" : NULL;
    gpumem_emit_op(e, GPUMEM_OP_ROTARY_TABLE, variant, "cossin", operand[2] == GPUMEM_NONE ? 2 : 3, operand, 2, out);
    out[2] = operand[1];
    return (gpumem_status)e->status;
}
