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

/* The matrices before the convolution; how many there are. */
static unsigned project(const delta_spec *s, int how, uint32_t x, uint32_t *p, gpumem_emit *e)
{
    static const char *const joined[] = {"in_proj_qkvz", "in_proj_ba"}, *const parted[] = {"in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"};
    static const char *const single[] = {"q_proj", "k_proj", "v_proj"};
    const char *const *names = how == JOINED ? joined : how == PARTED ? parted : single;
    char path[PATH_ROOM];
    uint64_t width[3][5] = {{0}};
    unsigned n = how == JOINED ? 2 : how == PARTED ? 4 : 3;
    width[JOINED][0] = 2 * (s->keys + s->values);
    width[JOINED][1] = 2 * s->heads;
    width[PARTED][0] = 2 * s->keys + s->values;
    width[PARTED][1] = s->values;
    width[PARTED][2] = width[PARTED][3] = s->heads;
    width[SINGLE][0] = width[SINGLE][1] = s->keys;
    width[SINGLE][2] = s->values;
    for (unsigned i = 0; i < n; i++)
        p[i] = matrix(e, names[i], x, width[how][i], GPUMEM_AXIS_HEADS, 0);
    for (unsigned i = how == PARTED; i < n && how != SINGLE; i++)
        step(e, p[i]);
    if (how == SINGLE) { /* steps and decay come after the convolution */
        p[n++] = x;
        p[n++] = gpumem_emit_weight(e, join(e, path, "a_proj", "weight"), GPUMEM_FAMILY_MATRIX, extent(s->heads, GPUMEM_AXIS_HEADS), last_of(e, x));
        p[n++] = gpumem_emit_weight(e, join(e, path, "b_proj", "weight"), GPUMEM_FAMILY_MATRIX, extent(s->heads, GPUMEM_AXIS_HEADS), last_of(e, x));
    }
    return n;
}

/* The result by heads, and what the module's own names hold until it returns: what was convolved, the decay, the gate. */
static void run(const gpumem_args *args, const delta_spec *s, int how, uint32_t x, const uint32_t *p, unsigned n, uint32_t *made, gpumem_emit *e)
{
    uint32_t in[9];
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    gpumem_op *op;
    dim[0] = extent(2 * s->keys + s->values, GPUMEM_AXIS_CHANNEL);
    dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(size_of(args, DELTA_KERNEL), GPUMEM_AXIS_NONE);
    in[0] = gpumem_emit_tensor(e, "conv1d.weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, 3, dim);
    in[1] = own(e, "A_log", s->heads, 0, 0);
    in[2] = own(e, "dt_bias", s->heads, 0, 0);
    memcpy(in + 3, p, n * sizeof *in);
    made[0] = gpumem_emit_like(e, "scanned", x, extent(s->values, GPUMEM_AXIS_HEADS));
    made[1] = step(e, gpumem_emit_like(e, "convolved", x, dim[0]));
    made[2] = step(e, of_dtype(e, gpumem_emit_like(e, "decay", x, extent(s->heads, GPUMEM_AXIS_HEADS)), GPUMEM_DTYPE_F32));
    made[3] = step(e, gpumem_emit_like(e, "gate", x, extent(s->values, GPUMEM_AXIS_HEADS)));
    op = gpumem_emit_op(e, GPUMEM_OP_SCAN, "delta", "scan", 3 + n, in, 4, made);
    if (op) {
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->k_dim;
        op->attr[2] = (uint32_t)s->v_dim;
        op->attr[3] = (uint32_t)s->k_heads;
        op->attr[4] = 64;
        op->attr[5] = (uint32_t)how;
    }
}

DESCRIBE(delta_describe)
{
    static const char *const ways[] = {"joined", "parted", "single", NULL};
    int how = choice_of(args, DELTA_PROJECTION, ways);
    const char *act = activation_of(args->param[DELTA_ACT].v.s);
    uint32_t p[6], made[4], y;
    unsigned n;
    delta_spec s;
    s.k_heads = size_of(args, DELTA_K_HEADS);
    s.heads = size_of(args, DELTA_V_HEADS);
    s.k_dim = size_of(args, DELTA_K_DIM);
    s.v_dim = size_of(args, DELTA_V_DIM);
    s.keys = s.k_heads * s.k_dim;
    s.values = s.heads * s.v_dim;
    if (how < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "delta_projection is none of joined, parted, single");
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    n = project(&s, how, in[0], p, e);
    state(e, "conv_state", in[0], GPUMEM_DTYPE_MODEL, 2 * s.keys + s.values, size_of(args, DELTA_KERNEL));
    state(e, "delta_state", in[0], GPUMEM_DTYPE_F32, s.heads * s.k_dim, s.v_dim);
    run(args, &s, how, in[0], p, n, made, e);
    if (how == SINGLE)
        made[3] = step(e, matrix(e, "g_proj", in[0], s.values, GPUMEM_AXIS_HEADS, 0));
    y = gated_norm(e, "norm", made[0], how == PARTED ? p[1] : made[3], s.v_dim);
    out[0] = matrix(e, "out_proj", y, last_of(e, in[0]).size, GPUMEM_AXIS_HIDDEN, 0);
    return (gpumem_status)e->status;
}
