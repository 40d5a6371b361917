/* vision: the parts of towers for images and sounds that text models lack: patch embeddings and convolutions (nn.Conv1d, 2d, 3d), learned
 * tokens, positions and gates, patch mergers, batch norms, nn.MultiheadAttention. */
#include "vision.h"

/* ---- extents ---- */

/* How many rows x has: the extent before the last. */
static gpumem_dim rows_of(const gpumem_emit *e, uint32_t x)
{
    return x < e->ntensor && e->tensor[x].ndim > 1 ? e->tensor[x].dim[e->tensor[x].ndim - 2] : NO_DIM;
}

/* An activation with another number of rows (size 0: as many) and another width. */
static uint32_t reshaped(gpumem_emit *e, const char *name, uint32_t x, uint64_t rows, gpumem_dim width)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    n = e->tensor[x].ndim;
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    if (rows && n > 1)
        dim[n - 2] = gpumem_dim_of(rows, dim[n - 2].sym, dim[n - 2].axis);
    dim[n - 1] = width;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, n, dim);
}

/* A parameter of the extents in a list, after `n` that are there already. */
static gpumem_status listed(const gpumem_args *args, unsigned p, gpumem_dim *dim, unsigned *n)
{
    const gpumem_param *list = &args->param[p];
    if (*n + list->n > GPUMEM_MAX_DIMS)
        return gpumem_because(args, GPUMEM_EINVAL, "a shape has too many extents");
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->v.ints[i] < 1 || list->v.ints[i] > GPUMEM_SIZE_MAX)
            return gpumem_because(args, GPUMEM_ERANGE, "a shape has an extent that is no size");
        dim[(*n)++] = extent((uint64_t)list->v.ints[i], GPUMEM_AXIS_NONE);
    }
    return GPUMEM_OK;
}

static uint32_t parameter(gpumem_emit *e, const char *name, unsigned family, unsigned n, const gpumem_dim *dim)
{
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, family, GPUMEM_DTYPE_MODEL, n, dim);
}

#define INTS(key, otherwise, help) {key, GPUMEM_TYPE_INTS, 0, otherwise, 0, 0, help}

/* ---- patches: CLIPVisionEmbeddings, PatchEmbed of models/qwen2_vl, Llama4UnfoldConvolution ---- */

enum { PATCHES_HIDDEN, PATCHES_CHANNELS, PATCHES_KERNEL, PATCHES_TOKENS, PATCHES_BIAS, PATCHES_LINEAR, PATCHES_N };
static const gpumem_paramdef patches_params[PATCHES_N] = {
    SIZE("hidden", NULL, "width of the result"),
    SIZE("channels", "3", "channels of the image"),
    INTS("patch_kernel", NULL, "extents of a patch: [14, 14], or [2, 14, 14] with time"),
    SIZE_OR_NULL("patch_tokens", "patches of an image; null: the input says how many"),
    FLAG("patch_bias", "true", "has it a bias"),
    FLAG("patch_linear", "false", "a matrix over the pixels of a patch instead of a convolution"),
};

static DESCRIBE(patches_describe)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS], width = extent(size_of(args, PATCHES_HIDDEN), GPUMEM_AXIS_HIDDEN);
    uint32_t operand[3] = {in[0], GPUMEM_NONE, GPUMEM_NONE};
    uint64_t pixels = size_of(args, PATCHES_CHANNELS);
    unsigned n = 2;
    gpumem_status s = GPUMEM_OK;
    dim[0] = width;
    dim[1] = extent(size_of(args, PATCHES_CHANNELS), GPUMEM_AXIS_CHANNEL);
    if ((s = listed(args, PATCHES_KERNEL, dim, &n)) != GPUMEM_OK)
        return s;
    for (unsigned i = 2; i < n && pixels <= GPUMEM_SIZE_MAX; i++)
        pixels *= dim[i].size;
    if (flag_of(args, PATCHES_LINEAR)) {
        dim[1] = extent(pixels, GPUMEM_AXIS_CHANNEL);
        n = 2;
    }
    operand[1] = parameter(e, "weight", GPUMEM_FAMILY_MATRIX, n, dim);
    if (flag_of(args, PATCHES_BIAS))
        operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_BIAS, width);
    n = e->tensor[in[0]].ndim;
    if (n + 2 > GPUMEM_MAX_DIMS)
        return gpumem_because(args, GPUMEM_EINVAL, "pixels have too many dimensions");
    memcpy(dim, e->tensor[in[0]].dim, n * sizeof *dim);
    if (!is_null(args, PATCHES_TOKENS))
        dim[n++] = extent(size_of(args, PATCHES_TOKENS), GPUMEM_AXIS_SEQ);
    else if (n == 1) { /* all patches of all images, one after the other */
        dim[1] = dim[0];
        dim[0] = extent(1, GPUMEM_AXIS_BATCH);
        n = 2;
    }
    dim[n++] = width;
    out[0] = hold(e, gpumem_emit_tensor(e, "patches", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, n, dim), GPUMEM_LIVES_STACK);
    gpumem_emit_op(e, GPUMEM_OP_CONV, 0, "patches", 3, operand, 1, out);
    return (gpumem_status)e->status;
}

/* ---- learned: a parameter of any shape ---- */

enum { LEARNED_SHAPE, LEARNED_NAME, LEARNED_HOW, LEARNED_FAMILY, LEARNED_N };
static const gpumem_paramdef learned_params[LEARNED_N] = {
    INTS("learned_shape", NULL, "its extents, outermost first"),
    WORD("learned_name", "'weight'", "its name"),
    WORD("learned_how", "'none'", "what becomes of it: none (no operator here uses it), add, mul, or first (rows before those of x)"),
    WORD("learned_kind", "'other'", "other, embedding, matrix, norm or bias: optimizers and precisions choose by it"),
};

static DESCRIBE(learned_describe)
{
    static const char *const hows[] = {"none", "add", "mul", "first", NULL}, *const kinds[] = {"other", "embedding", "matrix", "norm", "bias", NULL};
    static const uint8_t family[] = {GPUMEM_FAMILY_OTHER, GPUMEM_FAMILY_EMBEDDING, GPUMEM_FAMILY_MATRIX, GPUMEM_FAMILY_NORM, GPUMEM_FAMILY_BIAS};
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n = 0;
    int how = choice_of(args, LEARNED_HOW, hows), kind = choice_of(args, LEARNED_FAMILY, kinds);
    gpumem_status s = listed(args, LEARNED_SHAPE, dim, &n);
    uint32_t w;
    if (s != GPUMEM_OK)
        return s;
    if (how < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "learned_how is none of none, add, mul, first");
    if (kind < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "learned_kind is none of other, embedding, matrix, norm, bias");
    w = parameter(e, args->param[LEARNED_NAME].v.s, family[kind], n, dim);
    out[0] = in[0];
    if (how == 0 || in[0] == GPUMEM_NONE)
        return (gpumem_status)e->status;
    if (how == 3) {
        uint64_t rows = (uint64_t)rows_of(e, in[0]).size + (n > 1 ? dim[n - 2].size : 1);
        out[0] = reshaped(e, "with_learned", in[0], rows_of(e, in[0]).sym ? 0 : rows, last_of(e, in[0]));
        operate(e, GPUMEM_OP_CONCAT, 0, "with_learned", in[0], w, out[0]);
    } else
        out[0] = binary(e, how == 1 ? GPUMEM_OP_ADD : GPUMEM_OP_MUL, "with_learned", in[0], w);
    hold(e, out[0], GPUMEM_LIVES_STACK);
    return (gpumem_status)e->status;
}

/* ---- conv ---- */

enum { CONV_OUT, CONV_IN, CONV_KERNEL, CONV_GROUPS, CONV_FEWER, CONV_BIAS, CONV_N };
static const gpumem_paramdef conv_params[CONV_N] = {
    SIZE("conv_width", NULL, "channels of the result"),
    SIZE_OR_NULL("conv_input", "channels that it reads; null: the width of x"),
    INTS("conv_kernel", NULL, "extents of the kernel"),
    SIZE("conv_groups", "1", "groups of channels"),
    SIZE("conv_fewer", "1", "so many rows become one"),
    FLAG("conv_bias", "true", "has it a bias"),
};

static DESCRIBE(conv_describe)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS], width = extent(size_of(args, CONV_OUT), GPUMEM_AXIS_CHANNEL);
    uint64_t input = size_or(args, CONV_IN, last_of(e, in[0]).size), fewer = size_of(args, CONV_FEWER), groups = size_of(args, CONV_GROUPS);
    uint32_t operand[3] = {in[0], GPUMEM_NONE, GPUMEM_NONE};
    unsigned n = 2;
    gpumem_status s;
    if (input % groups || width.size % groups)
        return gpumem_because(args, GPUMEM_EINVAL, "conv_groups does not divide the channels");
    dim[0] = width;
    dim[1] = extent(input / groups, GPUMEM_AXIS_CHANNEL);
    if ((s = listed(args, CONV_KERNEL, dim, &n)) != GPUMEM_OK)
        return s;
    operand[1] = parameter(e, "weight", GPUMEM_FAMILY_MATRIX, n, dim);
    if (flag_of(args, CONV_BIAS))
        operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_BIAS, width);
    out[0] = reshaped(e, "convolved", in[0], (rows_of(e, in[0]).size + fewer - 1) / fewer, width);
    gpumem_emit_op(e, GPUMEM_OP_CONV, 0, "conv", 3, operand, 1, out);
    return (gpumem_status)e->status;
}

/* ---- batchnorm: nn.BatchNorm1d ---- */

enum { BATCHNORM_WIDTH, BATCHNORM_N };
static const gpumem_paramdef batchnorm_params[BATCHNORM_N] = {SIZE_OR_NULL("norm_width", "channels; null: the width of x")};

static DESCRIBE(batchnorm_describe)
{
    static const char *const running[] = {"running_mean", "running_var"};
    gpumem_dim width = extent(size_or(args, BATCHNORM_WIDTH, last_of(e, in[0]).size), GPUMEM_AXIS_CHANNEL);
    uint32_t operand[3];
    operand[0] = in[0];
    operand[1] = vector(e, "", "weight", GPUMEM_FAMILY_NORM, width);
    operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_NORM, width);
    for (unsigned i = 0; i < 2; i++)
        gpumem_emit_tensor(e, running[i], GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 1, &width);
    gpumem_emit_tensor(e, "num_batches_tracked", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_I64, 0, NULL);
    out[0] = gpumem_emit_same(e, "normed", in[0]);
    gpumem_emit_op(e, GPUMEM_OP_LAYERNORM, "plain", "batchnorm", 3, operand, 1, out);
    return (gpumem_status)e->status;
}

/* ---- merge: neighbours become one row: pixel shuffle, PatchMerger, stacked frames ---- */

enum { MERGE_ROWS, MERGE_WIDTH, MERGE_N };
static const gpumem_paramdef merge_params[MERGE_N] = {
    SIZE("merge_rows", NULL, "rows that become one, side by side"),
    SIZE_OR_NULL("merge_width", "width of the result where it is another than that of all of them"),
};

static DESCRIBE(merge_describe)
{
    uint64_t m = size_of(args, MERGE_ROWS), rows = rows_of(e, in[0]).size;
    out[0] = reshaped(e, "merged", in[0], (rows + m - 1) / m, extent(size_or(args, MERGE_WIDTH, m * last_of(e, in[0]).size), GPUMEM_AXIS_HIDDEN));
    operate(e, GPUMEM_OP_COPY, 0, "merge", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

/* ---- multihead: nn.MultiheadAttention, one parameter for q, k and v ---- */

enum { MULTIHEAD_HEADS, MULTIHEAD_DIM, MULTIHEAD_BIAS, MULTIHEAD_N };
static const gpumem_paramdef multihead_params[MULTIHEAD_N] = {
    SIZE("heads", NULL, "heads"),
    SIZE("head_dim", NULL, "width of a head"),
    FLAG("multihead_bias", "true", "its matrices have biases"),
};

static DESCRIBE(multihead_describe)
{
    static const char *const names[] = {"q", "k", "v"};
    uint64_t heads = size_of(args, MULTIHEAD_HEADS), dim = size_of(args, MULTIHEAD_DIM);
    gpumem_dim width = extent(heads * dim, GPUMEM_AXIS_HEADS), all = extent(3 * heads * dim, GPUMEM_AXIS_HEADS);
    uint32_t part[3], memory = in[1] == GPUMEM_NONE ? in[0] : in[1], operand[3] = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE}, weight, y;
    gpumem_dim size[3];
    gpumem_op *op;
    weight = gpumem_emit_weight(e, "in_proj_weight", GPUMEM_FAMILY_MATRIX, all, last_of(e, in[0]));
    operand[0] = memory;
    operand[1] = weight;
    if (flag_of(args, MULTIHEAD_BIAS))
        operand[2] = gpumem_emit_weight(e, "in_proj_bias", GPUMEM_FAMILY_BIAS, all, NO_DIM);
    y = hold(e, gpumem_emit_like(e, "qkv", memory, all), GPUMEM_LIVES_STEP);
    gpumem_emit_op(e, GPUMEM_OP_LINEAR, 0, "qkv", 3, operand, 1, &y);
    size[0] = size[1] = size[2] = width;
    split(e, "parts", y, 3, names, size, part);
    for (unsigned i = 0; i < 3; i++)
        hold(e, part[i], GPUMEM_LIVES_STEP);
    y = gpumem_emit_like(e, "attended", in[0], width);
    op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, 0, "attention", 3, part, 1, &y);
    if (op) {
        op->attr[0] = op->attr[1] = (uint32_t)heads;
        op->attr[2] = op->attr[3] = (uint32_t)dim;
    }
    out[0] = linear(e, "out_proj", GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, last_of(e, in[0]), operand[2] == GPUMEM_NONE ? 0 : LINEAR_BIAS);
    return (gpumem_status)e->status;
}

/* ---- clips: limits of clipped matrices, models/gemma4 ---- */

enum { CLIPS_MODULES, CLIPS_N };
static const gpumem_paramdef clips_params[CLIPS_N] = {
    {"clip_modules", GPUMEM_TYPE_STRINGS, 0, NULL, 0, 0, "modules whose inputs and outputs are clipped"},
};

static DESCRIBE(clips_describe)
{
    static const char *const limits[] = {"input_min", "input_max", "output_min", "output_max"};
    const gpumem_param *list = &args->param[CLIPS_MODULES];
    (void)in;
    (void)out;
    for (uint32_t i = 0; i < list->n; i++)
        for (unsigned k = 0; k < COUNT(limits); k++) {
            char s[PATH_ROOM];
            gpumem_emit_tensor(e, join(e, s, list->v.strings[i], limits[k]), GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 0, NULL);
        }
    return (gpumem_status)e->status;
}

/* ---- the plugin ---- */

#define COMPONENT(name, help, ins, outs) \
    {#name, help, name##_params, COUNT(name##_params), COUNT(ins), COUNT(outs), ins, outs, name##_describe}

static const char *const pixels_in[] = {"pixels"}, *const x_in[] = {"x"}, *const maybe_in[] = {"x?"}, *const pair_in[] = {"x", "memory?"};
static const char *const x_out[] = {"x"}, *const y_out[] = {"y"}, *const maybe_out[] = {"y?"};

static const gpumem_component components[] = {
    COMPONENT(patches, "patch embedding, by convolution or matrix", pixels_in, x_out),
    COMPONENT(learned, "a parameter of any shape: a class token, positions, a gate", maybe_in, maybe_out),
    COMPONENT(conv, "convolution of one, two or three dimensions", x_in, y_out),
    COMPONENT(batchnorm, "batch norm, with its running statistics", x_in, y_out),
    COMPONENT(merge, "neighbouring rows side by side", x_in, y_out),
    COMPONENT(multihead, "attention whose matrices are one parameter, to a memory or to x itself", pair_in, y_out),
    COMPONENT(hmlp, "patches folded step by step, a matrix for each step", pixels_in, x_out),
    {"clips", "limits of clipped matrices: four numbers each", clips_params, COUNT(clips_params), 0, 0, NULL, NULL, clips_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "vision", "0.1.0", {&operations},
};
