/* conv_attention: attention whose keys, values or queries pass short convolutions: ZayaAttention (models/zaya), InklingAttention and
 * InklingShortConvolution (models/inkling). */
#include "../sequence.h"

typedef struct attention_spec {
    uint64_t heads, kv, dim, window;
    uint32_t dropout;
} attention_spec;

static uint32_t attend(gpumem_emit *e, const attention_spec *s, uint32_t like, unsigned nin, const uint32_t *in)
{ /* in: q, k, v [, bias, beside the mask] */
    uint32_t y = gpumem_emit_like(e, "attended", like, extent(s->heads * s->dim, GPUMEM_AXIS_HEADS)), copied;
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, nin == 4 ? "biased" : NULL, "attention", nin, in, 1, &y);
    if (op) {
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->kv;
        op->attr[2] = op->attr[3] = (uint32_t)s->dim;
        op->attr[4] = (uint32_t)s->window;
        op->attr[5] = 1;
        op->attr[7] = s->dropout;
    }
    copied = gpumem_emit_same(e, "reshaped", y);
    operate(e, GPUMEM_OP_COPY, 0, "reshape", y, GPUMEM_NONE, copied);
    return copied;
}

static uint32_t heads_of(gpumem_emit *e, const char *name, uint32_t x, uint64_t heads, uint64_t dim)
{
    return by_head(e, name, x, extent(heads, GPUMEM_AXIS_HEADS), extent(dim, GPUMEM_AXIS_HEAD_DIM));
}

/* ---- compressed convolutional attention ---- */

enum { CCA_HEADS, CCA_KV_HEADS, CCA_DIM, CCA_ROPE, CCA_FIRST, CCA_SECOND, CCA_BIAS, CCA_WINDOW, CCA_DROPOUT, CCA_N };
static const gpumem_paramdef cca_params[CCA_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("rope", NULL, "rotated width of a head"),
    SIZE("cca_first", NULL, "tokens that the first convolution sees"),
    SIZE("cca_second", NULL, "tokens that the second one sees, which mixes the channels of a head"),
    FLAG("cca_bias", "false", "matrices have biases"),
    SIZE_OR_NULL("window", "tokens that a token sees; null: all before it"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

static uint32_t tensor(gpumem_emit *e, const char *name, unsigned family, uint64_t a, uint64_t b, uint64_t c)
{
    gpumem_dim dim[3];
    dim[0] = extent(a, GPUMEM_AXIS_CHANNEL);
    dim[1] = extent(b, GPUMEM_AXIS_NONE);
    dim[2] = extent(c, GPUMEM_AXIS_NONE);
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, family, GPUMEM_DTYPE_MODEL, c ? 3 : b ? 2 : 1, dim);
}

static uint32_t of_heads(gpumem_emit *e, const char *name, uint32_t x, uint64_t heads, uint64_t dim)
{
    gpumem_dim size[4];
    if (e->status != GPUMEM_OK || e->tensor[x].ndim != 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    size[0] = e->tensor[x].dim[0];
    size[1] = e->tensor[x].dim[1];
    size[2] = extent(heads, GPUMEM_AXIS_HEADS);
    size[3] = extent(dim, GPUMEM_AXIS_HEAD_DIM);
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, size);
}

/* ZayaCCAProjection and ZayaQKNorm: each what their code makes, as one operator. */
static void project(const gpumem_args *args, const attention_spec *s, uint32_t x, uint32_t *qkv, gpumem_emit *e)
{
    static const char *const matrices[] = {"q_proj", "k_proj", "v_proj_current", "v_proj_delayed"};
    uint64_t all = (s->heads + s->kv) * s->dim, first = size_of(args, CCA_FIRST), second = size_of(args, CCA_SECOND), hidden = last_of(e, x).size, out[4];
    uint32_t in[13], normed[3], n = 9;
    char path[PATH_ROOM];
    gpumem_op *op;
    out[0] = s->heads * s->dim;
    out[1] = s->kv * s->dim;
    out[2] = out[3] = s->kv * s->dim / 2;
    in[0] = x;
    for (unsigned i = 0; i < 4; i++) {
        char module[PATH_ROOM];
        join(e, module, "qkv_proj", matrices[i]);
        in[i + 1] = tensor(e, join(e, path, module, "weight"), GPUMEM_FAMILY_MATRIX, out[i], hidden, 0);
        if (flag_of(args, CCA_BIAS))
            in[n++] = vector(e, module, "bias", GPUMEM_FAMILY_BIAS, extent(out[i], GPUMEM_AXIS_NONE));
    }
    in[5] = tensor(e, "qkv_proj.conv_qk_depthwise.weight", GPUMEM_FAMILY_OTHER, all, 1, first);
    in[6] = vector(e, "qkv_proj.conv_qk_depthwise", "bias", GPUMEM_FAMILY_BIAS, extent(all, GPUMEM_AXIS_CHANNEL));
    in[7] = tensor(e, "qkv_proj.conv_qk_grouped.weight", GPUMEM_FAMILY_OTHER, all, s->dim, second);
    in[8] = vector(e, "qkv_proj.conv_qk_grouped", "bias", GPUMEM_FAMILY_BIAS, extent(all, GPUMEM_AXIS_CHANNEL));
    qkv[0] = of_heads(e, "q", x, s->heads, s->dim);
    qkv[1] = of_heads(e, "k", x, s->kv, s->dim);
    qkv[2] = step(e, of_heads(e, "v", x, s->kv, s->dim));
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "cca_projection", n, in, 3, qkv);
    if (op) {
        op->rule = gpumem_emit_string(e, "x a b c d f g h i j? k? l? m?\n  q = described(0)\n  k = described(1)\n  v = described(2)\n  return q, k, v\n");
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->kv;
        op->attr[2] = (uint32_t)s->dim;
        op->attr[3] = (uint32_t)(first + second - 2);
    }
    normed[0] = qkv[0];
    normed[1] = qkv[1];
    normed[2] = own(e, "qk_norm.temp", s->kv, 0, 0);
    qkv[0] = gpumem_emit_same(e, "q_normed", qkv[0]);
    qkv[1] = gpumem_emit_same(e, "k_normed", qkv[1]);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "cca_norm", 3, normed, 2, qkv);
    if (op)
        op->rule = gpumem_emit_string(e, "a b w\n  q = described(0)\n  k = described(1)\n  return q, k\n");
}

static DESCRIBE(cca_describe)
{
    attention_spec s = {size_of(args, CCA_HEADS), size_of(args, CCA_KV_HEADS), size_of(args, CCA_DIM), 0, 0};
    unsigned flags = flag_of(args, CCA_BIAS) ? LINEAR_BIAS : 0;
    uint32_t q, k, qkv[3], rotated[2], operand[4];
    gpumem_op *op;
    s.window = size_or(args, CCA_WINDOW, 0);
    s.dropout = probability_of(args, CCA_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    if (s.kv * s.dim < 2)
        return gpumem_because(args, GPUMEM_EINVAL, "values are too narrow to be halved");
    cache(e, "keys", in[0], s.kv, s.dim, s.window);
    cache(e, "values", in[0], s.kv, s.dim, s.window);
    if (size_of(args, CCA_FIRST) + size_of(args, CCA_SECOND) > 2)
        state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, (s.heads + s.kv) * s.dim, size_of(args, CCA_FIRST) + size_of(args, CCA_SECOND) - 2);
    state(e, "value_before", in[0], GPUMEM_DTYPE_MODEL, s.kv * s.dim / 2, 0);
    project(args, &s, in[0], qkv, e);
    q = qkv[0];
    k = qkv[1];
    operand[0] = q;
    operand[1] = k;
    operand[2] = in[1];
    operand[3] = in[2];
    qkv[0] = rotated[0] = step(e, gpumem_emit_same(e, "q_rotated", q));
    qkv[1] = rotated[1] = step(e, gpumem_emit_same(e, "k_rotated", k));
    op = gpumem_emit_op(e, GPUMEM_OP_ROTARY, "cat", "rotary", 4, operand, 2, rotated);
    if (op) {
        op->attr[0] = (uint32_t)size_of(args, CCA_ROPE);
        op->attr[1] = (uint32_t)s.dim;
    }
    append_cache(e, &qkv[1], &qkv[2], s.kv, s.window);
    out[0] = matrix(e, "o_proj", attend(e, &s, in[0], 3, qkv), last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, flags);
    return (gpumem_status)e->status;
}

/* ---- attention with relative positions that tokens choose ---- */

/* InklingShortConvolution: x + conv(x), in fp32 but for the convolution. */
static uint32_t short_conv(gpumem_emit *e, const char *module, uint32_t x, uint64_t kernel)
{
    char path[PATH_ROOM];
    uint32_t in[2], y = gpumem_emit_same(e, module, x);
    gpumem_op *op;
    in[0] = x;
    in[1] = of_dtype(e, tensor(e, join(e, path, module, "weight"), GPUMEM_FAMILY_OTHER, last_of(e, x).size, 1, kernel), GPUMEM_DTYPE_F32);
    state(e, "conv_state", x, GPUMEM_DTYPE_F32, last_of(e, x).size, kernel);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "residual_conv", 2, in, 1, &y);
    if (op)
        op->rule = gpumem_emit_string(e, "x w\n  y = described(0)\n  return y\n");
    return y;
}

enum { REL_HEADS, REL_KV_HEADS, REL_DIM, REL_KERNEL, REL_WIDTH, REL_EXTENT, REL_LOG, REL_WINDOW, REL_DROPOUT, REL_N };
static const gpumem_paramdef relative_params[REL_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("conv_kernel", NULL, "tokens that the convolutions of keys and values see"),
    SIZE("relative_width", NULL, "numbers by which a head chooses its bias"),
    SIZE("relative_extent", NULL, "distances that have a bias"),
    FLAG("log_scaled", "false", "queries and biases grow with the position"),
    SIZE_OR_NULL("window", "tokens that a token sees; null: all before it"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* A bias for each pair of tokens: [batch, heads, tokens, tokens]. */
static uint32_t position_bias(const gpumem_args *args, const attention_spec *s, uint32_t x, uint32_t r, gpumem_emit *e)
{
    uint64_t width = size_of(args, REL_WIDTH), reach = size_of(args, REL_EXTENT);
    uint32_t in[2], bias;
    gpumem_dim dim[4];
    gpumem_op *op;
    if (e->status != GPUMEM_OK || e->tensor[x].ndim != 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    in[0] = step(e, r);
    in[1] = own(e, "rel_logits_proj.proj", width, reach, 0);
    dim[0] = e->tensor[x].dim[0];
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[x].dim[1];
    bias = step(e, gpumem_emit_tensor(e, "position_bias", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim));
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "relative_bias", 2, in, 1, &bias);
    if (op) {
        op->rule = gpumem_emit_string(e, "r w\n  y = described(0)\n  return y\n");
        op->attr[0] = (uint32_t)s->window;
        op->attr[1] = (uint32_t)s->heads;
    }
    return bias;
}

static uint32_t grown(gpumem_emit *e, uint32_t x)
{
    uint32_t w = wide(e, x), y = of_dtype(e, gpumem_emit_same(e, "grown", w), GPUMEM_DTYPE_F32);
    operate(e, GPUMEM_OP_SCALE, 0, "grown", w, GPUMEM_NONE, y);
    return step(e, cast(e, y, GPUMEM_DTYPE_MODEL));
}

static DESCRIBE(relative_describe)
{
    attention_spec s = {size_of(args, REL_HEADS), size_of(args, REL_KV_HEADS), size_of(args, REL_DIM), 0, 0};
    gpumem_dim width = extent(s.dim, GPUMEM_AXIS_HEAD_DIM);
    uint64_t kernel = size_of(args, REL_KERNEL);
    uint32_t operand[4], r;
    s.window = size_or(args, REL_WINDOW, 0);
    s.dropout = probability_of(args, REL_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    cache(e, "keys", in[0], s.kv, s.dim, s.window);
    cache(e, "values", in[0], s.kv, s.dim, s.window);
    operand[0] = matrix(e, "q_proj", in[0], s.heads * s.dim, GPUMEM_AXIS_HEADS, 0);
    operand[1] = short_conv(e, "k_sconv.conv1d", matrix(e, "k_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, 0), kernel);
    operand[2] = step(e, short_conv(e, "v_sconv.conv1d", matrix(e, "v_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, 0), kernel));
    r = matrix(e, "r_proj", in[0], s.heads * size_of(args, REL_WIDTH), GPUMEM_AXIS_HEADS, 0);
    operand[0] = step(e, rmsnorm(e, "q_norm", heads_of(e, "q_heads", operand[0], s.heads, s.dim), width, "llama", 1));
    operand[1] = step(e, rmsnorm(e, "k_norm", heads_of(e, "k_heads", operand[1], s.kv, s.dim), width, "llama", 1));
    append_cache(e, &operand[1], &operand[2], s.kv, s.window);
    operand[3] = position_bias(args, &s, in[0], r, e);
    if (flag_of(args, REL_LOG)) {
        operand[0] = grown(e, operand[0]);
        operand[3] = grown(e, operand[3]);
    }
    out[0] = matrix(e, "o_proj", attend(e, &s, in[0], 4, operand), last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}

enum { RESIDUAL_KERNEL, RESIDUAL_N };
static const gpumem_paramdef residual_params[RESIDUAL_N] = {SIZE("conv_kernel", NULL, "tokens that it sees")};

static DESCRIBE(residual_describe)
{
    out[0] = short_conv(e, "conv1d", in[0], size_of(args, RESIDUAL_KERNEL));
    return (gpumem_status)e->status;
}

static const char *const cca_in[] = {"x", "cos", "sin"}, *const x_in[] = {"x"}, *const y_out[] = {"y"};
static const gpumem_component components[] = {
    {"cca", "attention of convolved queries and keys, half of the values from the token before", cca_params, CCA_N, 3, 1, cca_in, y_out, cca_describe},
    {"relative_conv", "attention of convolved keys and values, biased by distance", relative_params, REL_N, 1, 1, x_in, y_out, relative_describe},
    {"residual_conv", "a short convolution added to its input", residual_params, RESIDUAL_N, 1, 1, x_in, y_out, residual_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "conv_attention", "0.1.0", {&operations},
};
