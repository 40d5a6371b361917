/* xLSTMLayer (models/xlstm): a matrix for each head that gates of input and forgetting change. */
#include "components.h"

const gpumem_paramdef mlstm_params[MLSTM_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("mlstm_qk_dim", NULL, "width of all query heads, and of all key heads"),
    SIZE("mlstm_v_dim", NULL, "width of all value heads"),
    SIZE("mlstm_chunk", "64", "tokens that are computed at once"),
    FLAG("mlstm_bias", "false", "matrices and norms have biases; those of the gates always have"),
    FLAG("mlstm_joined", "false", "queries, keys, values and output gates are one matrix, the other gates another"),
};

static uint32_t capped(gpumem_emit *e, uint32_t x)
{
    uint32_t y = gpumem_emit_same(e, "capped", x);
    operate(e, GPUMEM_OP_SOFTCAP, 0, "capped", x, GPUMEM_NONE, y);
    return step(e, y);
}

/* q, k, v, output gate; input gate, gate of forgetting. */
static void project(const gpumem_args *args, uint32_t x, const uint64_t *size, uint32_t *qkvo, uint32_t *gates, gpumem_emit *e)
{
    static const char *const names[] = {"q", "k", "v", "ogate_preact"}, *const two[] = {"igate_preact", "fgate_preact"};
    unsigned flags = flag_of(args, MLSTM_BIAS) ? LINEAR_BIAS : 0;
    uint64_t heads = size_of(args, MLSTM_HEADS), pair[2];
    pair[0] = pair[1] = heads;
    if (flag_of(args, MLSTM_JOINED)) {
        part(e, "qkvo", matrix(e, "qkv_opreact", x, 2 * (size[0] + size[2]), GPUMEM_AXIS_HEADS, flags), 4, names, size, qkvo);
        part(e, "gates", capped(e, matrix(e, "ifgate_preact", x, 2 * heads, GPUMEM_AXIS_HEADS, LINEAR_BIAS)), 2, two, pair, gates);
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        qkvo[i] = step(e, matrix(e, names[i], x, size[i], GPUMEM_AXIS_HEADS, flags));
    for (unsigned i = 0; i < 2; i++)
        gates[i] = capped(e, matrix(e, two[i], x, heads, GPUMEM_AXIS_HEADS, LINEAR_BIAS));
}

/* The cache is made for widths that are multiples of 64. */
static void remember(gpumem_emit *e, uint32_t x, uint64_t heads, const uint64_t *size)
{
    uint64_t qk = (size[0] + 63) / 64 * 64 / heads, v = (size[2] + 63) / 64 * 64 / heads;
    state(e, "C", x, GPUMEM_DTYPE_MODEL, heads * qk, v);
    state(e, "n", x, GPUMEM_DTYPE_MODEL, heads, qk);
    state(e, "m", x, GPUMEM_DTYPE_MODEL, heads, 0);
}

DESCRIBE(mlstm_describe)
{
    uint64_t heads = size_of(args, MLSTM_HEADS), size[4];
    uint32_t operand[6], norm[3] = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE}, y, z;
    unsigned bias = flag_of(args, MLSTM_BIAS) ? 1 : 0;
    gpumem_dim features;
    scan_spec s = {"mlstm", heads, 0, 0, heads, 0};
    size[0] = size[1] = size_of(args, MLSTM_QK_DIM);
    size[2] = size[3] = size_of(args, MLSTM_V_DIM);
    s.rows = size[0] / heads;
    s.columns = size[2] / heads;
    s.chunk = size_of(args, MLSTM_CHUNK);
    features = extent(heads * s.columns, GPUMEM_AXIS_HEADS);
    if (size[0] < heads || size[2] < heads)
        return gpumem_because(args, GPUMEM_EINVAL, "there are more heads than queries or values are wide");
    remember(e, in[0], heads, size);
    project(args, in[0], size, operand, operand + 4, e);
    z = operand[3];
    operand[3] = operand[4];
    operand[4] = operand[5];
    y = scan(e, &s, 5, operand, gpumem_emit_same(e, "scanned", operand[2]));
    norm[0] = by_head(e, "heads", y, extent(heads, GPUMEM_AXIS_HEADS), extent(s.columns, GPUMEM_AXIS_HEAD_DIM));
    norm[1] = vector(e, "multihead_norm", "weight", GPUMEM_FAMILY_NORM, features);
    if (bias)
        norm[2] = vector(e, "multihead_norm", "bias", GPUMEM_FAMILY_NORM, features);
    y = gpumem_emit_same(e, "normed", norm[0]);
    gpumem_emit_op(e, GPUMEM_OP_LAYERNORM, "llama", "multihead_norm", 3, norm, 1, &y);
    y = binary(e, GPUMEM_OP_MUL, "gated", activate(e, z, "sigmoid"), all_heads(e, y, features));
    out[0] = matrix(e, "out_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, bias ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}
