/* Kimi delta attention: the delta rule with a decay for each channel of a key: KimiLinearDeltaAttention, BailingHybridDeltaAttention. */
#include "components.h"

const gpumem_paramdef kda_params[KDA_N] = {
    SIZE("kda_heads", NULL, "heads"),
    SIZE("kda_dim", NULL, "width of a head"),
    SIZE("kda_kernel", NULL, "tokens that the convolution sees"),
    WORD("kda_act", "'silu'", "activation function after the convolution"),
    SIZE_OR_NULL("kda_decay_rank", "width between the two matrices of the decay, f_a_proj and f_b_proj; null: it has one, f_proj (models/bailing_hybrid)"),
    SIZE_OR_NULL("kda_gate_rank", "the same for the gate: g_a_proj and g_b_proj, or g_proj"),
    FLAG("kda_rates_spread", "false", "A_log has the extents [1, 1, heads, 1] (models/kimi_linear)"),
    SIZE_OR_NULL("kda_rates", "numbers of A_log where they are not as many as heads (models/kimi_k3)"),
};

static uint32_t low_rank(const gpumem_args *args, unsigned rank, const char *a, const char *b, const char *one, uint32_t x, uint64_t width, gpumem_emit *e)
{
    if (is_null(args, rank))
        return matrix(e, one, x, width, GPUMEM_AXIS_HEADS, 0);
    return matrix(e, b, matrix(e, a, x, size_of(args, rank), GPUMEM_AXIS_NONE, 0), width, GPUMEM_AXIS_HEADS, 0);
}

/* What -exp(A_log) * softplus(f(x) + dt_bias), a number for each channel of every key, is made of. */
static void decay_of(const gpumem_args *args, uint32_t x, uint64_t heads, uint64_t width, uint32_t *in, gpumem_emit *e)
{
    gpumem_dim dim[4], *first = dim;
    int spread = flag_of(args, KDA_SPREAD);
    dim[0] = dim[1] = dim[3] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(size_or(args, KDA_RATES, heads), GPUMEM_AXIS_HEADS);
    if (!spread)
        first = dim + 2;
    in[1] = own(e, "forget_gate.dt_bias", width, 0, 0);
    in[2] = gpumem_emit_tensor(e, "forget_gate.A_log", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, spread ? 4 : 1, first);
    in[0] = low_rank(args, KDA_DECAY_RANK, "forget_gate.f_a_proj", "forget_gate.f_b_proj", "forget_gate.f_proj", x, width, e);
}

DESCRIBE(kda_describe)
{
    static const char *const names[] = {"query", "key", "value"}, *const modules[] = {"q_proj", "k_proj", "v_proj"};
    uint64_t heads = size_of(args, KDA_HEADS), dim = size_of(args, KDA_DIM), width = heads * dim, size[3];
    const scan_spec scanned = {"kda", heads, dim, dim, heads, 64};
    const char *act = activation_of(args->param[KDA_ACT].v.s);
    uint32_t in5[7], piece[3], x, y, gate;
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    for (unsigned i = 0; i < 3; i++) {
        piece[i] = matrix(e, modules[i], in[0], width, GPUMEM_AXIS_HEADS, 0);
        size[i] = width;
    }
    x = gpumem_emit_like(e, "mixed_qkv", in[0], extent(3 * width, GPUMEM_AXIS_CHANNEL));
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "mixed_qkv", 3, piece, 1, &x);
    x = convolve(e, "conv1d", x, size_of(args, KDA_KERNEL), 0);
    keeps(e);
    x = activate(e, x, act);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, 3 * width, size_of(args, KDA_KERNEL));
    state(e, "delta_state", in[0], GPUMEM_DTYPE_F32, width, dim);
    part(e, "convolved", x, 3, names, size, in5);
    decay_of(args, in[0], heads, width, in5 + 4, e);
    in5[3] = step(e, activate(e, matrix(e, "b_proj", in[0], heads, GPUMEM_AXIS_HEADS, 0), "sigmoid"));
    y = gpumem_emit_same(e, "scanned", in5[2]);
    y = scan(e, &scanned, 7, in5, y);
    gate = low_rank(args, KDA_GATE_RANK, "g_a_proj", "g_b_proj", "g_proj", in[0], width, e);
    y = gate_norm(e, "o_norm", y, gate, dim, dim, 2);
    out[0] = matrix(e, "o_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}
