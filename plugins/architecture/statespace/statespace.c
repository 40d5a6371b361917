/* statespace: selective state spaces, as transformers 5.23 runs them without kernels: MambaMixer (models/mamba, falcon_mamba, jamba,
 * zamba), Mamba2Mixer (models/mamba2, bamba, granitemoehybrid, falcon_h1, nemotron_h, zamba2). */
#include "../sequence.h"

/* ---- mamba ---- */

enum { MAMBA_INNER, MAMBA_STATE, MAMBA_RANK, MAMBA_HEADS, MAMBA_KERNEL, MAMBA_CONV_BIAS, MAMBA_BIAS, MAMBA_ACT, MAMBA_NORMS, MAMBA_N };

static const gpumem_paramdef mamba_params[MAMBA_N] = {
    SIZE("ssm_inner", NULL, "channels"),
    SIZE("ssm_state", NULL, "numbers that a channel remembers"),
    SIZE("ssm_rank", NULL, "width that time steps are projected from"),
    SIZE_OR_NULL("ssm_heads", "heads with projections of their own (models/zamba); null: one for all channels"),
    SIZE("ssm_kernel", NULL, "tokens that the convolution sees"),
    FLAG("ssm_conv_bias", "true", "the convolution has a bias"),
    FLAG("ssm_bias", "false", "the outer matrices have biases"),
    WORD("ssm_act", "'silu'", "activation function after the convolution"),
    WORD("ssm_norms", "'none'", "norms of time steps, B and C: none, rms (models/jamba), weightless (models/falcon_mamba: their weights are buffers)"),
};

enum { NORMS_NONE, NORMS_RMS, NORMS_WEIGHTLESS };

/* What the scan reads between the two outer matrices. */
enum { SCAN_X, SCAN_CONV, SCAN_CONV_BIAS, SCAN_SELECT, SCAN_STEPS, SCAN_STEPS_BIAS, SCAN_RATES, SCAN_SKIP, SCAN_NORM, SCAN_N = SCAN_NORM + 3 };

static uint32_t norm_of(gpumem_emit *e, const char *module, uint64_t width, int norms)
{
    char s[PATH_ROOM];
    gpumem_dim size = extent(width, GPUMEM_AXIS_NONE);
    if (norms == NORMS_NONE)
        return GPUMEM_NONE;
    if (norms == NORMS_RMS)
        return vector(e, module, "weight", GPUMEM_FAMILY_NORM, size);
    return gpumem_emit_tensor(e, join(e, s, module, "weight"), GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 1, &size);
}

/* x_proj and dt_proj: one matrix, or one for each head. */
static void select_steps(const gpumem_args *args, int norms, uint32_t *in, gpumem_emit *e)
{
    uint64_t inner = size_of(args, MAMBA_INNER), state = size_of(args, MAMBA_STATE), rank = size_of(args, MAMBA_RANK);
    uint64_t heads = size_or(args, MAMBA_HEADS, 1), width = inner / heads;
    if (is_null(args, MAMBA_HEADS)) {
        in[SCAN_SELECT] = gpumem_emit_weight(e, "x_proj.weight", GPUMEM_FAMILY_MATRIX, extent(rank + 2 * state, GPUMEM_AXIS_NONE), extent(inner, GPUMEM_AXIS_CHANNEL));
        in[SCAN_STEPS] = gpumem_emit_weight(e, "dt_proj.weight", GPUMEM_FAMILY_MATRIX, extent(inner, GPUMEM_AXIS_CHANNEL), extent(rank, GPUMEM_AXIS_NONE));
        in[SCAN_STEPS_BIAS] = vector(e, "dt_proj", "bias", GPUMEM_FAMILY_BIAS, extent(inner, GPUMEM_AXIS_CHANNEL));
        in[SCAN_RATES] = own(e, "A_log", inner, state, 0);
        in[SCAN_SKIP] = own(e, "D", inner, 0, 0);
    } else {
        in[SCAN_SELECT] = own(e, "x_proj_weight", heads, rank + 2 * state, width);
        in[SCAN_STEPS] = own(e, "dt_proj_weight", heads, width, rank);
        in[SCAN_STEPS_BIAS] = own(e, "dt_proj_bias", heads, width, 0);
        in[SCAN_RATES] = own(e, "A_log", heads, width, state);
        in[SCAN_SKIP] = own(e, "D", heads, width, 0);
    }
    in[SCAN_NORM] = norm_of(e, "dt_layernorm", norms == NORMS_WEIGHTLESS ? inner : rank, norms);
    in[SCAN_NORM + 1] = norm_of(e, "b_layernorm", state, norms);
    in[SCAN_NORM + 2] = norm_of(e, "c_layernorm", state, norms);
}

/* The result, and what the module's own names hold until it returns: what was convolved, steps with B and C, steps, rates. */
static uint32_t run_channels(const gpumem_args *args, const uint32_t *in, uint32_t x, int norms, gpumem_emit *e)
{
    uint64_t inner = size_of(args, MAMBA_INNER), state = size_of(args, MAMBA_STATE), rank = size_of(args, MAMBA_RANK), heads = size_or(args, MAMBA_HEADS, 1);
    gpumem_dim channels = extent(inner, GPUMEM_AXIS_CHANNEL), rates[2];
    uint32_t made[5];
    gpumem_op *op;
    rates[0] = channels;
    rates[1] = extent(state, GPUMEM_AXIS_STATE);
    made[0] = gpumem_emit_like(e, "scanned", x, channels);
    made[1] = step(e, gpumem_emit_like(e, "convolved", x, channels));
    made[2] = step(e, gpumem_emit_like(e, "selected", x, extent(heads * (rank + 2 * state), GPUMEM_AXIS_NONE)));
    made[3] = step(e, gpumem_emit_like(e, "time_step", x, channels));
    made[4] = step(e, gpumem_emit_tensor(e, "rates", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_F32, 2, rates));
    op = gpumem_emit_op(e, GPUMEM_OP_SCAN, "mamba", "scan", SCAN_N, in, 5, made);
    if (op) {
        op->attr[0] = (uint32_t)inner;
        op->attr[1] = (uint32_t)heads;
        op->attr[2] = (uint32_t)state;
        op->attr[3] = (uint32_t)rank;
        op->attr[4] = (uint32_t)size_of(args, MAMBA_KERNEL);
        op->attr[5] = (uint32_t)norms;
    }
    return made[0];
}

static DESCRIBE(mamba_describe)
{
    static const char *const kinds[] = {"none", "rms", "weightless", NULL};
    uint64_t inner = size_of(args, MAMBA_INNER);
    unsigned flags = flag_of(args, MAMBA_BIAS) ? LINEAR_BIAS : 0;
    const char *act = activation_of(args->param[MAMBA_ACT].v.s);
    uint32_t operand[SCAN_N], y;
    int norms = choice_of(args, MAMBA_NORMS, kinds);
    gpumem_dim dim[3];
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (norms < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "ssm_norms is none of none, rms, weightless");
    if (inner % size_or(args, MAMBA_HEADS, 1))
        return gpumem_because(args, GPUMEM_EINVAL, "ssm_heads must divide ssm_inner");
    operand[SCAN_X] = step(e, matrix(e, "in_proj", in[0], 2 * inner, GPUMEM_AXIS_CHANNEL, flags));
    dim[0] = extent(inner, GPUMEM_AXIS_CHANNEL);
    dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(size_of(args, MAMBA_KERNEL), GPUMEM_AXIS_NONE);
    operand[SCAN_CONV] = gpumem_emit_tensor(e, "conv1d.weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, 3, dim);
    operand[SCAN_CONV_BIAS] = flag_of(args, MAMBA_CONV_BIAS) ? vector(e, "conv1d", "bias", GPUMEM_FAMILY_BIAS, dim[0]) : GPUMEM_NONE;
    select_steps(args, norms, operand, e);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, inner, size_of(args, MAMBA_KERNEL));
    state(e, "ssm_state", in[0], GPUMEM_DTYPE_F32, inner, size_of(args, MAMBA_STATE));
    y = run_channels(args, operand, in[0], norms, e);
    out[0] = matrix(e, "out_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, flags);
    return (gpumem_status)e->status;
}

/* ---- mamba2 ---- */

enum {
    MAMBA2_INNER, MAMBA2_STATE, MAMBA2_GROUPS, MAMBA2_HEADS, MAMBA2_KERNEL, MAMBA2_CHUNK, MAMBA2_CONV_BIAS, MAMBA2_BIAS, MAMBA2_OUT_BIAS, MAMBA2_ACT,
    MAMBA2_NORM, MAMBA2_SCALED, MAMBA2_N
};

static const gpumem_paramdef mamba2_params[MAMBA2_N] = {
    SIZE("ssm_inner", NULL, "channels"),
    SIZE("ssm_state", NULL, "numbers that a channel remembers"),
    SIZE("ssm_groups", "1", "groups of heads that share B and C"),
    SIZE("ssm_heads", NULL, "heads"),
    SIZE("ssm_kernel", NULL, "tokens that the convolution sees"),
    SIZE("ssm_chunk", "256", "tokens that are computed at once"),
    FLAG("ssm_conv_bias", "true", "the convolution has a bias"),
    FLAG("ssm_bias", "false", "the first matrix has a bias"),
    FLAG("ssm_out_bias", "false", "the last matrix has a bias"),
    WORD("ssm_act", "'silu'", "activation function after the convolution"),
    FLAG("ssm_norm", "true", "the result passes a norm with the gate; false: it is multiplied by it"),
    FLAG("ssm_scaled", "false", "input and projection are multiplied by numbers, those of the projection by a buffer (models/falcon_h1)"),
};

static uint32_t project(const gpumem_args *args, uint32_t x, uint64_t width, gpumem_emit *e)
{
    unsigned flags = flag_of(args, MAMBA2_BIAS) ? LINEAR_BIAS : 0;
    gpumem_dim dim[3];
    uint32_t y;
    if (!flag_of(args, MAMBA2_SCALED))
        return matrix(e, "in_proj", x, width, GPUMEM_AXIS_CHANNEL, flags);
    y = gpumem_emit_same(e, "scaled", x);
    operate(e, GPUMEM_OP_SCALE, 0, "scaled", x, GPUMEM_NONE, y);
    y = matrix(e, "in_proj", y, width, GPUMEM_AXIS_CHANNEL, flags);
    dim[0] = dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(width, GPUMEM_AXIS_CHANNEL);
    return binary(e, GPUMEM_OP_MUL, "multiplied", y, gpumem_emit_tensor(e, "mup_vector", GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 3, dim));
}

/* The result, and what the module's own names hold until it returns: what was convolved, rates. */
static uint32_t run_heads(const gpumem_args *args, uint32_t x, uint32_t dt, gpumem_emit *e)
{
    uint64_t inner = size_of(args, MAMBA2_INNER), heads = size_of(args, MAMBA2_HEADS);
    gpumem_dim dim[3], all = extent(heads, GPUMEM_AXIS_HEADS);
    uint32_t operand[7], made[3];
    gpumem_op *op;
    dim[0] = last_of(e, x);
    dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(size_of(args, MAMBA2_KERNEL), GPUMEM_AXIS_NONE);
    operand[0] = x;
    operand[1] = dt;
    operand[2] = gpumem_emit_tensor(e, "conv1d.weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, 3, dim);
    operand[6] = flag_of(args, MAMBA2_CONV_BIAS) ? vector(e, "conv1d", "bias", GPUMEM_FAMILY_BIAS, dim[0]) : GPUMEM_NONE;
    operand[3] = own(e, "A_log", heads, 0, 0);
    operand[4] = own(e, "D", heads, 0, 0);
    operand[5] = own(e, "dt_bias", heads, 0, 0);
    made[0] = of_dtype(e, gpumem_emit_like(e, "scanned", x, extent(inner, GPUMEM_AXIS_CHANNEL)), GPUMEM_DTYPE_F32);
    made[1] = step(e, gpumem_emit_same(e, "convolved", x));
    made[2] = step(e, gpumem_emit_tensor(e, "rates", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_F32, 1, &all));
    op = gpumem_emit_op(e, GPUMEM_OP_SCAN, "mamba2", "scan", 7, operand, 3, made);
    if (op) {
        op->attr[0] = (uint32_t)heads;
        op->attr[1] = (uint32_t)(inner / heads);
        op->attr[2] = (uint32_t)size_of(args, MAMBA2_STATE);
        op->attr[3] = (uint32_t)size_of(args, MAMBA2_GROUPS);
        op->attr[4] = (uint32_t)size_of(args, MAMBA2_CHUNK);
    }
    return made[0];
}

static DESCRIBE(mamba2_describe)
{
    static const char *const names[] = {"gate", "hidden_B_C", "dt"};
    uint64_t inner = size_of(args, MAMBA2_INNER), heads = size_of(args, MAMBA2_HEADS), groups = size_of(args, MAMBA2_GROUPS), size[3];
    const char *act = activation_of(args->param[MAMBA2_ACT].v.s);
    uint32_t piece[3], y;
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    size[0] = inner;
    size[1] = inner + 2 * groups * size_of(args, MAMBA2_STATE);
    size[2] = heads;
    part(e, "projected", project(args, in[0], size[0] + size[1] + size[2], e), 3, names, size, piece);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, size[1], size_of(args, MAMBA2_KERNEL));
    state(e, "ssm_state", in[0], GPUMEM_DTYPE_F32, heads * (inner / heads), size_of(args, MAMBA2_STATE));
    y = run_heads(args, piece[1], piece[2], e);
    if (flag_of(args, MAMBA2_NORM))
        y = gate_before(e, "norm", y, piece[0], inner, inner / groups);
    else
        y = of_dtype(e, binary(e, GPUMEM_OP_MUL, "gated", y, activate(e, piece[0], "silu")), GPUMEM_DTYPE_F32);
    y = cast(e, hold(e, y, GPUMEM_LIVES_STEP), GPUMEM_DTYPE_MODEL);
    out[0] = matrix(e, "out_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, flag_of(args, MAMBA2_OUT_BIAS) ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"};
static const gpumem_component components[] = {
    {"mamba", "selective state space: a state for each channel", mamba_params, MAMBA_N, 1, 1, x_in, y_out, mamba_describe},
    {"mamba2", "selective state space: a state for each head", mamba2_params, MAMBA2_N, 1, 1, x_in, y_out, mamba2_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "statespace", "0.1.0", {&operations},
};
