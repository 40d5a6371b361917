/* hyper: several residual streams, [batch, tokens, streams, width]: hyper-connections (models/deepseek_v4), AltUp (models/gemma3n); and an
 * input for each layer beside the stream (models/gemma3n, models/gemma4). */
#include "../sequence.h"

static const gpumem_paramdef streams_params[] = {SIZE("streams", NULL, "residual streams")};

/* [batch, tokens, n, width] from [batch, tokens, width]; width 0: n numbers a token, with its extents before the last. */
static uint32_t streams_of(gpumem_emit *e, const char *name, uint32_t x, uint64_t n, gpumem_dim width)
{
    gpumem_dim dim[4];
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (e->tensor[x].ndim < 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = e->tensor[x].dim[0];
    dim[1] = e->tensor[x].dim[1];
    dim[2] = extent(n, GPUMEM_AXIS_NONE);
    dim[3] = width;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, e->tensor[x].dtype, width.size ? 4 : 3, dim);
}

/* One of the streams, or what becomes of all of them. */
static uint32_t token_of(gpumem_emit *e, const char *name, uint32_t x, gpumem_dim width)
{
    gpumem_dim dim[3];
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (e->tensor[x].ndim < 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    dim[0] = e->tensor[x].dim[0];
    dim[1] = e->tensor[x].dim[1];
    dim[2] = width;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim);
}

static DESCRIBE(widen_describe)
{
    out[0] = hold(e, streams_of(e, "streams", in[0], size_of(args, 0), last_of(e, in[0])), GPUMEM_LIVES_STACK);
    operate(e, GPUMEM_OP_REPEAT, 0, "streams", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

/* All streams of a token side by side in fp32, normed, and a matrix over them. */
static uint32_t mixed(gpumem_emit *e, uint32_t x, const char *name, uint64_t streams, uint64_t width)
{
    uint64_t all = streams * last_of(e, x).size;
    uint32_t y = all_heads(e, x, extent(all, GPUMEM_AXIS_HIDDEN)), w = own(e, name, width, all, 0);
    y = of_dtype(e, rmsnorm(e, "", wide(e, y), last_of(e, y), "plain", 0), GPUMEM_DTYPE_F32);
    return of_dtype(e, linear(e, "", GPUMEM_FAMILY_OTHER, y, w, extent(width, GPUMEM_AXIS_NONE), 0), GPUMEM_DTYPE_F32);
}

/* x of all streams into one, with a weight for each. */
static uint32_t collapse(gpumem_emit *e, uint32_t x, uint32_t weight)
{
    uint32_t y = gpumem_emit_same(e, "weighted", x), z = token_of(e, "collapsed", x, last_of(e, x));
    operate(e, GPUMEM_OP_MUL, 0, "weighted", x, weight, y);
    operate(e, GPUMEM_OP_COMBINE, 0, "collapsed", y, GPUMEM_NONE, z);
    return z;
}

/* DeepseekV4HyperConnection: out: what the block reads, how it is added to each stream, how the streams mix. */
static DESCRIBE(hyper_describe)
{
    static const char *const names[] = {"pre", "post", "comb"};
    uint64_t n = size_of(args, 0), width = (2 + n) * n;
    uint32_t y = mixed(e, in[0], "fn", n, width), part[3], base = own(e, "base", width, 0, 0), scale = own(e, "scale", 3, 0, 0);
    gpumem_dim size[3];
    size[0] = size[1] = extent(n, GPUMEM_AXIS_NONE);
    size[2] = extent(n * n, GPUMEM_AXIS_NONE);
    y = of_dtype(e, binary(e, GPUMEM_OP_MUL, "scaled", y, scale), GPUMEM_DTYPE_F32);
    y = of_dtype(e, binary(e, GPUMEM_OP_ADD, "based", y, base), GPUMEM_DTYPE_F32);
    split(e, "mix", y, 3, names, size, part);
    for (unsigned i = 0; i < 3; i++)
        of_dtype(e, part[i], GPUMEM_DTYPE_F32);
    part[0] = of_dtype(e, activate(e, part[0], "sigmoid"), GPUMEM_DTYPE_F32);
    out[1] = hold(e, of_dtype(e, activate(e, part[1], "sigmoid"), GPUMEM_DTYPE_F32), GPUMEM_LIVES_BLOCK);
    out[2] = hold(e, of_dtype(e, gpumem_emit_same(e, "comb", part[2]), GPUMEM_DTYPE_F32), GPUMEM_LIVES_BLOCK);
    operate(e, GPUMEM_OP_SOFTMAX, 0, "comb", part[2], GPUMEM_NONE, out[2]);
    out[0] = collapse(e, in[0], part[0]);
    return (gpumem_status)e->status;
}

/* post * y + comb^T streams */
static DESCRIBE(hyper_join_describe)
{
    uint32_t post = cast(e, in[2], GPUMEM_DTYPE_MODEL), comb = cast(e, in[3], GPUMEM_DTYPE_MODEL), y, z;
    (void)args;
    y = gpumem_emit_same(e, "spread", in[0]);
    operate(e, GPUMEM_OP_MUL, 0, "spread", in[1], post, y);
    z = gpumem_emit_same(e, "mixed", in[0]);
    operate(e, GPUMEM_OP_MATMUL, 0, "mixed", comb, in[0], z);
    out[0] = binary(e, GPUMEM_OP_ADD, "streams", y, z);
    return (gpumem_status)e->status;
}

static DESCRIBE(hyper_head_describe)
{
    uint64_t n = size_of(args, 0);
    uint32_t y = mixed(e, in[0], "hc_fn", n, n);
    y = of_dtype(e, binary(e, GPUMEM_OP_MUL, "scaled", y, own(e, "hc_scale", 1, 0, 0)), GPUMEM_DTYPE_F32);
    y = of_dtype(e, binary(e, GPUMEM_OP_ADD, "based", y, own(e, "hc_base", n, 0, 0)), GPUMEM_DTYPE_F32);
    out[0] = collapse(e, in[0], of_dtype(e, activate(e, y, "sigmoid"), GPUMEM_DTYPE_F32));
    return (gpumem_status)e->status;
}

/* ---- AltUp ---- */

/* x and a matrix of it for every other stream: PREFIX.0.weight, ... */
static DESCRIBE(altup_begin_describe)
{
    uint64_t n = size_of(args, 0);
    uint32_t part[GPUMEM_MAX_OPERANDS - 1];
    char s[PATH_ROOM], digits[24];
    if (n > COUNT(part))
        return gpumem_because(args, GPUMEM_EUNSUP, "more than 15 streams");
    part[0] = in[0];
    for (uint64_t i = 1; i < n; i++)
        part[i] = linear(e, join(e, s, "altup_projections", decimal(digits, i - 1)), GPUMEM_FAMILY_MATRIX, in[0], GPUMEM_NONE, last_of(e, in[0]), 0);
    out[0] = hold(e, streams_of(e, "streams", in[0], n, last_of(e, in[0])), GPUMEM_LIVES_STACK);
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "streams", (unsigned)n, part, 1, out);
    return (gpumem_status)e->status;
}

static DESCRIBE(altup_end_describe)
{
    uint64_t n = size_of(args, 0);
    uint32_t part[GPUMEM_MAX_OPERANDS - 1], all;
    char s[PATH_ROOM], digits[24];
    if (n > COUNT(part))
        return gpumem_because(args, GPUMEM_EUNSUP, "more than 15 streams");
    for (uint64_t i = 0; i < n; i++) {
        part[i] = view_of(e, token_of(e, "stream", in[0], last_of(e, in[0])), in[0]);
        operate(e, GPUMEM_OP_VIEW, 0, "stream", in[0], GPUMEM_NONE, part[i]);
        if (i)
            part[i] = linear(e, join(e, s, "altup_unembed_projections", decimal(digits, i - 1)), GPUMEM_FAMILY_MATRIX, part[i], GPUMEM_NONE, last_of(e, in[0]), 0);
    }
    all = gpumem_emit_same(e, "streams", in[0]);
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "streams", (unsigned)n, part, 1, &all);
    out[0] = token_of(e, "mean", in[0], last_of(e, in[0]));
    operate(e, GPUMEM_OP_COMBINE, 0, "mean", all, GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

/* Norm and router of a token: its two steps share their parameters. */
static uint32_t modalities(gpumem_emit *e, uint32_t x, uint32_t norm, uint32_t router, uint64_t n)
{
    uint32_t y = gpumem_emit_same(e, "normed", x), z;
    operate(e, GPUMEM_OP_RMSNORM, "gemma", "router_norm", x, norm, y);
    z = gpumem_emit_same(e, "scaled", y);
    operate(e, GPUMEM_OP_SCALE, 0, "scaled", y, GPUMEM_NONE, z);
    return activate(e, linear(e, "", GPUMEM_FAMILY_ROUTER, z, router, extent(n, GPUMEM_AXIS_NONE), 0), "tanh");
}

/* out: predictions of all streams, the one that the layer works on, norm and router for altup_correct. */
static DESCRIBE(altup_predict_describe)
{
    uint64_t n = size_of(args, 0);
    gpumem_dim width = last_of(e, in[0]);
    uint32_t active = view_of(e, token_of(e, "active", in[0], width), in[0]), coefficients, y;
    out[2] = vector(e, "router_norm", "weight", GPUMEM_FAMILY_NORM, width);
    out[3] = gpumem_emit_weight(e, "modality_router.weight", GPUMEM_FAMILY_ROUTER, extent(n, GPUMEM_AXIS_NONE), width);
    gpumem_emit_tensor(e, "router_input_scale", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 0, NULL);
    operate(e, GPUMEM_OP_VIEW, 0, "active", in[0], GPUMEM_NONE, active);
    coefficients = matrix(e, "prediction_coefs", modalities(e, active, out[2], out[3], n), n * n, GPUMEM_AXIS_NONE, 0);
    y = gpumem_emit_same(e, "mixed", in[0]);
    operate(e, GPUMEM_OP_MATMUL, 0, "mixed", in[0], coefficients, y);
    out[0] = hold(e, binary(e, GPUMEM_OP_ADD, "predictions", y, in[0]), GPUMEM_LIVES_BLOCK);
    out[1] = view_of(e, token_of(e, "active", out[0], width), out[0]);
    operate(e, GPUMEM_OP_VIEW, 0, "active", out[0], GPUMEM_NONE, out[1]);
    return (gpumem_status)e->status;
}

/* out: all streams corrected, the active one of them scaled. */
static DESCRIBE(altup_correct_describe)
{
    uint64_t n = size_of(args, 0);
    gpumem_dim width = last_of(e, in[1]);
    uint32_t y = matrix(e, "correction_coefs", modalities(e, in[1], in[2], in[3], n), n, GPUMEM_AXIS_NONE, 0), all, first;
    all = gpumem_emit_same(e, "innovation", in[0]);
    operate(e, GPUMEM_OP_REPEAT, 0, "innovation", in[1], GPUMEM_NONE, all);
    out[0] = binary(e, GPUMEM_OP_ADD, "corrected", binary(e, GPUMEM_OP_MUL, "weighted", all, y), in[0]);
    first = token_of(e, "first", out[0], width);
    operate(e, GPUMEM_OP_COPY, 0, "first", out[0], GPUMEM_NONE, first);
    all = vector(e, "", "correct_output_scale", GPUMEM_FAMILY_OTHER, width);
    out[1] = flag_of(args, 1) ? binary(e, GPUMEM_OP_MUL, "scaled", first, all) : first;
    return (gpumem_status)e->status;
}

static const gpumem_paramdef correct_params[] = {SIZE("streams", NULL, "residual streams"), FLAG("altup_scaled", "true", "what the layer's input is added to is scaled")};

static DESCRIBE(altup_more_describe)
{
    (void)args;
    out[0] = binary(e, GPUMEM_OP_ADD, "streams", in[0], in[1]);
    return (gpumem_status)e->status;
}

/* ---- inputs of each layer ---- */

static const gpumem_paramdef fold_params[] = {SIZE("fold_width", NULL, "width of what the last dimension is cut into")};

static DESCRIBE(fold_describe)
{
    uint64_t width = size_of(args, 0), all = last_of(e, in[0]).size;
    if (all % width)
        return gpumem_because(args, GPUMEM_EINVAL, "fold_width does not divide the last dimension");
    out[0] = hold(e, by_head(e, "folded", in[0], extent(all / width, GPUMEM_AXIS_NONE), extent(width, GPUMEM_AXIS_HIDDEN)), GPUMEM_LIVES_STACK);
    return (gpumem_status)e->status;
}

/* That of one layer, a view. */
static DESCRIBE(pick_describe)
{
    (void)args;
    out[0] = view_of(e, token_of(e, "picked", in[0], last_of(e, in[0])), in[0]);
    operate(e, GPUMEM_OP_VIEW, 0, "picked", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

static DESCRIBE(product_describe)
{
    (void)args;
    out[0] = binary(e, GPUMEM_OP_MUL, "product", in[0], in[1]);
    return (gpumem_status)e->status;
}

/* AXK2GatedRMSNorm: the gate in fp32. */
static DESCRIBE(wide_gate_describe)
{
    (void)args;
    out[0] = wide_gate(e, in[0], in[1]);
    return (gpumem_status)e->status;
}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"}, *const two_in[] = {"x", "y"};
static const char *const hyper_out[] = {"collapsed", "post", "comb"}, *const join_in[] = {"streams", "y", "post", "comb"};
static const char *const predict_out[] = {"predictions", "active", "norm", "router"}, *const correct_in[] = {"predictions", "active", "norm", "router"}, *const correct_out[] = {"streams", "first"};

static const gpumem_component components[] = {
    {"widen", "x in every stream", streams_params, 1, 1, 1, x_in, y_out, widen_describe},
    {"hyper", "what a block reads of the streams, and how they are put together behind it", streams_params, 1, 1, 3, x_in, hyper_out, hyper_describe},
    {"hyper_join", "the streams mixed, and a block's result in each", NULL, 0, 4, 1, join_in, y_out, hyper_join_describe},
    {"hyper_head", "one stream of all of them", streams_params, 1, 1, 1, x_in, y_out, hyper_head_describe},
    {"altup_begin", "x and matrices of it as streams", streams_params, 1, 1, 1, x_in, y_out, altup_begin_describe},
    {"altup_predict", "streams mixed by the active one", streams_params, 1, 1, 4, x_in, predict_out, altup_predict_describe},
    {"altup_correct", "streams corrected by what a layer made of the active one", correct_params, 2, 4, 2, correct_in, correct_out, altup_correct_describe},
    {"altup_more", "added to the streams", NULL, 0, 2, 1, two_in, y_out, altup_more_describe},
    {"altup_end", "the mean of the streams, each behind a matrix", streams_params, 1, 1, 1, x_in, y_out, altup_end_describe},
    {"fold", "the last dimension as rows", fold_params, 1, 1, 1, x_in, y_out, fold_describe},
    {"pick", "one row of each token", NULL, 0, 1, 1, x_in, y_out, pick_describe},
    {"wide_gate", "x times the sigmoid of y, in fp32 and cast back", NULL, 0, 2, 1, two_in, y_out, wide_gate_describe},
    {"product", "the product of two", NULL, 0, 2, 1, two_in, y_out, product_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "hyper", "0.1.0", {&operations},
};
