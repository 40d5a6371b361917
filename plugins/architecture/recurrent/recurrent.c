/* recurrent: mixers that remember one number a channel, or a few tokens: RecurrentGemmaRecurrentBlock, Lfm2ShortConv. */
#include "../sequence.h"

/* ---- real gated linear recurrent unit ---- */

enum { RGLRU_WIDTH, RGLRU_HEADS, RGLRU_KERNEL, RGLRU_ACT, RGLRU_N };
static const gpumem_paramdef rglru_params[RGLRU_N] = {
    SIZE("lru_width", NULL, "channels"),
    SIZE("heads", NULL, "blocks of the gates' matrices"),
    SIZE("lru_kernel", NULL, "tokens that the convolution sees"),
    WORD("act", NULL, "activation function of the branch that gates"),
};

static DESCRIBE(rglru_describe)
{
    uint64_t width = size_of(args, RGLRU_WIDTH), heads = size_of(args, RGLRU_HEADS);
    const scan_spec s = {"rglru", width, 1, 1, heads, 0};
    const char *act = activation_of(args->param[RGLRU_ACT].v.s);
    uint32_t y, x, operand[6];
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (width < heads)
        return gpumem_because(args, GPUMEM_EINVAL, "lru_width is less than the number of heads");
    y = step(e, activate(e, matrix(e, "linear_y", in[0], width, GPUMEM_AXIS_CHANNEL, LINEAR_BIAS), act));
    x = convolve(e, "conv_1d", matrix(e, "linear_x", in[0], width, GPUMEM_AXIS_CHANNEL, LINEAR_BIAS), size_of(args, RGLRU_KERNEL), 1);
    if (e->status == GPUMEM_OK)
        e->op[e->nop - 1].attr[1] = 2; /* its last tokens but one are a state, a new one each time */
    if (size_of(args, RGLRU_KERNEL) > 1)
        state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, width, size_of(args, RGLRU_KERNEL) - 1);
    state(e, "recurrent_state", in[0], GPUMEM_DTYPE_F32, width, 0);
    operand[0] = step(e, x);
    operand[1] = own(e, "rg_lru.input_gate_weight", heads, width / heads, width / heads);
    operand[2] = own(e, "rg_lru.input_gate_bias", heads, width / heads, 0);
    operand[3] = own(e, "rg_lru.recurrent_gate_weight", heads, width / heads, width / heads);
    operand[4] = own(e, "rg_lru.recurrent_gate_bias", heads, width / heads, 0);
    operand[5] = own(e, "rg_lru.recurrent_param", width, 0, 0);
    x = scan(e, &s, 6, operand, gpumem_emit_same(e, "scanned", x));
    out[0] = matrix(e, "linear_out", binary(e, GPUMEM_OP_MUL, "gated", x, y), last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, LINEAR_BIAS);
    return (gpumem_status)e->status;
}

/* ---- short convolution between two gates ---- */

enum { SHORT_KERNEL, SHORT_BIAS, SHORT_N };
static const gpumem_paramdef short_params[SHORT_N] = {
    SIZE("conv_kernel", NULL, "tokens that it sees"),
    FLAG("conv_bias", "false", "convolution and matrices have biases"),
};

static DESCRIBE(short_describe)
{
    static const char *const names[] = {"before", "after", "hidden"};
    gpumem_dim hidden = last_of(e, in[0]);
    uint64_t size[3];
    uint32_t piece[3], y;
    int bias = flag_of(args, SHORT_BIAS);
    size[0] = size[1] = size[2] = hidden.size;
    part(e, "projected", matrix(e, "in_proj", in[0], 3 * (uint64_t)hidden.size, GPUMEM_AXIS_CHANNEL, bias ? LINEAR_BIAS : 0), 3, names, size, piece);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, hidden.size, size_of(args, SHORT_KERNEL));
    y = convolve(e, "conv", binary(e, GPUMEM_OP_MUL, "gated", piece[0], piece[2]), size_of(args, SHORT_KERNEL), bias);
    keeps(e);
    y = binary(e, GPUMEM_OP_MUL, "product", piece[1], step(e, y));
    out[0] = matrix(e, "out_proj", y, hidden.size, GPUMEM_AXIS_HIDDEN, bias ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"};
static const gpumem_component components[] = {
    {"rglru", "gated linear recurrence behind a short convolution", rglru_params, RGLRU_N, 1, 1, x_in, y_out, rglru_describe},
    {"short_conv", "short convolution between two gates", short_params, SHORT_N, 1, 1, x_in, y_out, short_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "recurrent", "0.1.0", {&operations},
};
