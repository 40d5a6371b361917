/* Gated delta rule: Qwen3NextGatedDeltaNet (models/qwen3_next), Qwen3_5GatedDeltaNet, OlmoHybridGatedDeltaNet. */
#include "components.h"

const gpumem_paramdef delta_params[DELTA_N] = {
    SIZE("delta_k_heads", NULL, "query and key heads"),
    SIZE("delta_v_heads", NULL, "value heads"),
    SIZE("delta_k_dim", NULL, "width of a query or key head"),
    SIZE("delta_v_dim", NULL, "width of a value head"),
    SIZE("delta_kernel", NULL, "tokens that the convolution sees"),
    WORD("delta_act", "'silu'", "activation function after the convolution"),
    WORD("delta_projection", "'joined'", "joined (queries, keys, values and gates are one matrix, steps another), "
                                         "parted (gates and steps have their own: models/qwen3_5), single (all have: models/olmo_hybrid)"),
};

enum { JOINED, PARTED, SINGLE };

typedef struct delta_spec {
    uint64_t k_heads, heads, k_dim, v_dim, keys, values;
} delta_spec;

typedef struct projected { uint32_t qkv, gate, beta, decay; } projected;

static uint32_t together(gpumem_emit *e, uint32_t x, const uint32_t *in, uint64_t width)
{
    uint32_t y = gpumem_emit_like(e, "mixed_qkv", x, extent(width, GPUMEM_AXIS_CHANNEL));
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "mixed_qkv", 3, in, 1, &y);
    return y;
}

static void project_joined(const delta_spec *s, uint32_t x, projected *p, gpumem_emit *e)
{
    static const char *const names[] = {"query", "key", "value", "gate"}, *const steps[] = {"beta", "decay"};
    uint64_t size[4], pair[2];
    uint32_t piece[4], two[2], y;
    size[0] = size[1] = s->keys;
    size[2] = size[3] = s->values;
    pair[0] = pair[1] = s->heads;
    y = matrix(e, "in_proj_qkvz", x, 2 * (s->keys + s->values), GPUMEM_AXIS_HEADS, 0);
    part(e, "qkvz", y, 4, names, size, piece);
    part(e, "ba", matrix(e, "in_proj_ba", x, 2 * s->heads, GPUMEM_AXIS_HEADS, 0), 2, steps, pair, two);
    p->qkv = together(e, x, piece, 2 * s->keys + s->values);
    p->gate = gpumem_emit_same(e, "gate", piece[3]); /* heads of values are parts of heads of keys: a copy */
    operate(e, GPUMEM_OP_COPY, 0, "gate", piece[3], GPUMEM_NONE, step(e, p->gate));
    p->beta = two[0];
    p->decay = two[1];
}

static void project(const delta_spec *s, int how, uint32_t x, projected *p, gpumem_emit *e)
{
    if (how == JOINED) {
        project_joined(s, x, p, e);
    } else if (how == PARTED) {
        p->qkv = matrix(e, "in_proj_qkv", x, 2 * s->keys + s->values, GPUMEM_AXIS_HEADS, 0);
        p->gate = step(e, matrix(e, "in_proj_z", x, s->values, GPUMEM_AXIS_HEADS, 0));
        p->beta = matrix(e, "in_proj_b", x, s->heads, GPUMEM_AXIS_HEADS, 0);
        p->decay = matrix(e, "in_proj_a", x, s->heads, GPUMEM_AXIS_HEADS, 0);
    } else {
        uint32_t in[3];
        in[0] = matrix(e, "q_proj", x, s->keys, GPUMEM_AXIS_HEADS, 0);
        in[1] = matrix(e, "k_proj", x, s->keys, GPUMEM_AXIS_HEADS, 0);
        in[2] = matrix(e, "v_proj", x, s->values, GPUMEM_AXIS_HEADS, 0);
        p->qkv = together(e, x, in, 2 * s->keys + s->values);
        p->beta = matrix(e, "b_proj", x, s->heads, GPUMEM_AXIS_HEADS, 0);
        p->decay = matrix(e, "a_proj", x, s->heads, GPUMEM_AXIS_HEADS, 0);
    }
}

/* In: queries, keys, values, -exp(A_log) * softplus(decay + dt_bias), sigmoid(beta). */
static uint32_t run(const delta_spec *s, const uint32_t *qkv, const projected *p, uint32_t dt_bias, gpumem_emit *e)
{
    const scan_spec scanned = {GPUMEM_SCAN_DELTA, s->heads, s->k_dim, s->v_dim, s->k_heads, 64};
    uint32_t in[5], a, y;
    memcpy(in, qkv, 3 * sizeof *in);
    a = of_dtype(e, gpumem_emit_tensor(e, "negative_exp", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_F32, 1, (gpumem_dim[]){extent(s->heads, GPUMEM_AXIS_HEADS)}), GPUMEM_DTYPE_F32);
    operate(e, GPUMEM_OP_ACT, GPUMEM_ACT_EXP, "negative_exp", own(e, "A_log", s->heads, 0, 0), GPUMEM_NONE, a);
    y = of_dtype(e, binary(e, GPUMEM_OP_ADD, "time_step", wide(e, p->decay), dt_bias), GPUMEM_DTYPE_F32);
    y = of_dtype(e, activate(e, y, GPUMEM_ACT_SOFTPLUS), GPUMEM_DTYPE_F32);
    in[3] = step(e, of_dtype(e, binary(e, GPUMEM_OP_MUL, "decay", y, a), GPUMEM_DTYPE_F32));
    in[4] = step(e, activate(e, p->beta, GPUMEM_ACT_SIGMOID));
    y = gpumem_emit_same(e, "scanned", qkv[2]);
    return scan(e, &scanned, 5, in, y);
}

DESCRIBE(delta_describe)
{
    static const char *const ways[] = {"joined", "parted", "single", NULL}, *const names[] = {"query", "key", "value"};
    int how = choice_of(args, DELTA_PROJECTION, ways);
    uint32_t act = activation_of(args->param[DELTA_ACT].v.s), piece[3], x, y;
    uint64_t size[3];
    projected p = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE};
    delta_spec s;
    s.k_heads = size_of(args, DELTA_K_HEADS);
    s.heads = size_of(args, DELTA_V_HEADS);
    s.k_dim = size_of(args, DELTA_K_DIM);
    s.v_dim = size_of(args, DELTA_V_DIM);
    s.keys = s.k_heads * s.k_dim;
    s.values = s.heads * s.v_dim;
    if (how < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "delta_projection is none of joined, parted, single");
    if (act == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    size[0] = size[1] = s.keys;
    size[2] = s.values;
    project(&s, how, in[0], &p, e);
    x = activate(e, convolve(e, "conv1d", p.qkv, size_of(args, DELTA_KERNEL), 0), act);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, 2 * s.keys + s.values, size_of(args, DELTA_KERNEL));
    state(e, "delta_state", in[0], GPUMEM_DTYPE_F32, s.heads * s.k_dim, s.v_dim);
    part(e, "convolved", x, 3, names, size, piece);
    y = run(&s, piece, &p, own(e, "dt_bias", s.heads, 0, 0), e);
    if (how == SINGLE)
        p.gate = matrix(e, "g_proj", in[0], s.values, GPUMEM_AXIS_HEADS, 0);
    y = by_head(e, "heads", y, extent(s.heads, GPUMEM_AXIS_HEADS), extent(s.v_dim, GPUMEM_AXIS_HEAD_DIM));
    x = by_head(e, "gate_heads", p.gate, extent(s.heads, GPUMEM_AXIS_HEADS), extent(s.v_dim, GPUMEM_AXIS_HEAD_DIM));
    y = all_heads(e, gated_norm(e, "norm", y, x, s.v_dim), extent(s.values, GPUMEM_AXIS_HEADS));
    out[0] = matrix(e, "out_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}
