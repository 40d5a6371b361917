/* stream: what happens to activations between the parts of a layer: residual streams in fp32 (models/mamba), inputs put together
 * (models/zamba), low-rank adapters of shared weights (models/zamba2), learned scales (models/zaya, models/inkling). */
#include "../sequence.h"

enum { CAST_FP32, CAST_N };
enum { JOIN_WIDTH, JOIN_N };
enum { FILL_NAME, FILL_FROZEN, FILL_N };
enum { GRADIENTS_ON, GRADIENTS_N };
enum { AFFINE_NAME, AFFINE_N };
enum { GAIN_NAME, GAIN_N };
enum { ADAPTER_RANK, ADAPTER_WIDTH, ADAPTER_NUMBERS, ADAPTER_USED, ADAPTER_N };

static const gpumem_paramdef cast_params[CAST_N] = {FLAG("cast_fp32", "false", "to fp32; false: to the model's format")};
static const gpumem_paramdef join_params[JOIN_N] = {SIZE_OR_NULL("join_width", "width of both together; null: the sum of theirs, and no other could run")};
static const gpumem_paramdef fill_params[FILL_N] = {WORD("fill_name", NULL, "name of the vector"), FLAG("fill_frozen", "false", "it never trains")};
static const gpumem_paramdef gradients_params[GRADIENTS_N] = {FLAG("gradients", NULL, "is what follows recorded")};
static const gpumem_paramdef affine_params[AFFINE_N] = {WORD("affine_name", NULL, "first part of the names of scale and bias")};
static const gpumem_paramdef gain_params[GAIN_N] = {WORD("gain_name", "'global_scale'", "name of the one number")};
static const gpumem_paramdef adapter_params[ADAPTER_N] = {
    SIZE("adapter_rank", NULL, "width between its matrices"),
    SIZE("adapter_width", NULL, "width of the result"),
    {"adapter_numbers", GPUMEM_TYPE_INTS, 0, NULL, 0, 0, "numbers of the adapters that there are"},
    {"adapter_used", GPUMEM_TYPE_INT, 0, NULL, 0, GPUMEM_SIZE_MAX, "number of the one that runs"},
};

static DESCRIBE(cast_describe)
{
    out[0] = step(e, cast(e, in[0], flag_of(args, CAST_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL));
    return (gpumem_status)e->status;
}

static DESCRIBE(residual_describe)
{
    (void)args;
    out[0] = of_dtype(e, binary(e, GPUMEM_OP_ADD, "residual", in[0], in[1]), GPUMEM_DTYPE_F32);
    return (gpumem_status)e->status;
}

static DESCRIBE(copy_describe)
{
    (void)args;
    out[0] = gpumem_emit_same(e, "copy", in[0]);
    operate(e, GPUMEM_OP_COPY, 0, "copy", in[0], GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

static DESCRIBE(join_describe)
{
    uint64_t width = (uint64_t)last_of(e, in[0]).size + last_of(e, in[1]).size;
    out[0] = step(e, gpumem_emit_like(e, "joined", in[0], extent(size_or(args, JOIN_WIDTH, width), GPUMEM_AXIS_HIDDEN)));
    operate(e, GPUMEM_OP_CONCAT, 0, "joined", in[0], in[1], out[0]);
    return (gpumem_status)e->status;
}

/* One vector for every token, whatever x is. */
static DESCRIBE(fill_describe)
{
    uint32_t w = vector(e, "", args->param[FILL_NAME].v.s, GPUMEM_FAMILY_OTHER, last_of(e, in[0]));
    if (flag_of(args, FILL_FROZEN) && w < e->ntensor)
        e->tensor[w].tag |= GPUMEM_TAG_FROZEN | GPUMEM_TAG_FIXED;
    out[0] = gpumem_emit_same(e, "filled", in[0]);
    operate(e, GPUMEM_OP_REPEAT, 0, "filled", w, GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

/* torch.no_grad, or its end: from here on. */
static DESCRIBE(gradients_describe)
{
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "gradients", 1, in, 0, NULL);
    uint32_t rule = gpumem_emit_string(e, "x : on\n  gradients(on)\n");
    (void)out;
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = (uint32_t)flag_of(args, GRADIENTS_ON);
    }
    return (gpumem_status)e->status;
}

static uint32_t named(gpumem_emit *e, const char *first, const char *last, gpumem_dim width)
{
    char s[PATH_ROOM];
    const char *name = join(e, s, first, last);
    if (name == s)
        s[strlen(first)] = '_';
    return gpumem_emit_weight(e, name, GPUMEM_FAMILY_OTHER, width, NO_DIM);
}

/* (x + bias) * scale, in the format of x. */
static DESCRIBE(affine_describe)
{
    const char *name = args->param[AFFINE_NAME].v.s;
    gpumem_dim width = last_of(e, in[0]);
    uint32_t scale = named(e, name, "scale", width), bias = named(e, name, "bias", width);
    unsigned dtype = in[0] < e->ntensor ? e->tensor[in[0]].dtype : GPUMEM_DTYPE_MODEL;
    out[0] = of_dtype(e, binary(e, GPUMEM_OP_ADD, "shifted", in[0], bias), dtype);
    out[0] = of_dtype(e, binary(e, GPUMEM_OP_MUL, "scaled", out[0], scale), dtype);
    return (gpumem_status)e->status;
}

static DESCRIBE(gain_describe)
{
    out[0] = binary(e, GPUMEM_OP_MUL, "gained", in[0], own(e, args->param[GAIN_NAME].v.s, 1, 0, 0));
    return (gpumem_status)e->status;
}

/* Two matrices for each number; those of one are multiplied with. */
static DESCRIBE(adapter_describe)
{
    gpumem_dim rank = extent(size_of(args, ADAPTER_RANK), GPUMEM_AXIS_NONE), width = extent(size_of(args, ADAPTER_WIDTH), GPUMEM_AXIS_NONE);
    const gpumem_param *number = &args->param[ADAPTER_NUMBERS];
    uint32_t used[2] = {GPUMEM_NONE, GPUMEM_NONE}, y;
    for (uint32_t i = 0; i < number->n; i++) {
        char digits[24], name[PATH_ROOM];
        uint32_t first, second;
        if (number->v.ints[i] < 0)
            return gpumem_because(args, GPUMEM_EINVAL, "adapter_numbers has a negative one");
        decimal(digits, (uint64_t)number->v.ints[i]);
        first = gpumem_emit_weight(e, join(e, name, digits, "0.weight"), GPUMEM_FAMILY_MATRIX, rank, last_of(e, in[0]));
        second = gpumem_emit_weight(e, join(e, name, digits, "1.weight"), GPUMEM_FAMILY_MATRIX, width, rank);
        if (number->v.ints[i] == args->param[ADAPTER_USED].v.i) {
            used[0] = first;
            used[1] = second;
        }
    }
    if (e->status == GPUMEM_OK && used[0] == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "adapter_used is none of adapter_numbers");
    y = linear(e, "", GPUMEM_FAMILY_MATRIX, in[0], used[0], rank, 0);
    out[0] = linear(e, "", GPUMEM_FAMILY_MATRIX, y, used[1], width, 0);
    return (gpumem_status)e->status;
}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"}, *const two_in[] = {"x", "y"};
static const gpumem_component components[] = {
    {"cast", "another format", cast_params, CAST_N, 1, 1, x_in, y_out, cast_describe},
    {"residual", "a sum in fp32", NULL, 0, 2, 1, two_in, y_out, residual_describe},
    {"copy", "the same in a tensor of its own", NULL, 0, 1, 1, x_in, y_out, copy_describe},
    {"join", "two inputs side by side", join_params, JOIN_N, 2, 1, two_in, y_out, join_describe},
    {"fill", "a vector in the place of every token", fill_params, FILL_N, 1, 1, x_in, y_out, fill_describe},
    {"gradients", "where torch.no_grad begins or ends", gradients_params, GRADIENTS_N, 1, 0, x_in, NULL, gradients_describe},
    {"affine", "a learned bias, then a learned scale", affine_params, AFFINE_N, 1, 1, x_in, y_out, affine_describe},
    {"gain", "one learned number", gain_params, GAIN_N, 1, 1, x_in, y_out, gain_describe},
    {"adapter", "one of several pairs of matrices", adapter_params, ADAPTER_N, 1, 1, x_in, y_out, adapter_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "stream", "0.1.0", {&operations},
};
