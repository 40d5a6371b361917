/* routing: routers that the component of mixtures of experts does not have: ZayaRouter (models/zaya), InklingTopkRouter and
 * InklingSharedExperts (models/inkling). */
#include "../sequence.h"

/* What a router gives: weights of the chosen experts, and which they are. */
static void choose(gpumem_emit *e, uint32_t x, uint32_t scores, uint64_t top, unsigned dtype, uint32_t *chosen)
{
    gpumem_dim width = extent(top, GPUMEM_AXIS_NONE);
    chosen[0] = step(e, of_dtype(e, gpumem_emit_like(e, "weights", x, width), dtype));
    chosen[1] = step(e, of_dtype(e, gpumem_emit_like(e, "indices", x, width), GPUMEM_DTYPE_I64));
    operate(e, GPUMEM_OP_INDEX, 0, "indices", scores, GPUMEM_NONE, chosen[1]);
    operate(e, GPUMEM_OP_INDEX, 0, "weights", scores, chosen[1], chosen[0]);
}

static uint32_t router_linear(gpumem_emit *e, const char *module, uint32_t x, uint64_t width, unsigned flags)
{
    return linear(e, module, GPUMEM_FAMILY_ROUTER, x, GPUMEM_NONE, extent(width, GPUMEM_AXIS_NONE), flags);
}

static void correction(gpumem_emit *e, const char *name, uint64_t experts)
{
    gpumem_dim width = extent(experts, GPUMEM_AXIS_EXPERT);
    gpumem_emit_tensor(e, name, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_F32, 1, &width);
}

/* ---- a network of three matrices, which sees what it saw a layer before ---- */

enum { NET_EXPERTS, NET_TOP, NET_WIDTH, NET_STATES, NET_N };
static const gpumem_paramdef net_params[NET_N] = {
    SIZE("experts", NULL, "experts; one more stands for none of them"),
    SIZE("experts_top", NULL, "experts that a token uses"),
    SIZE("router_width", NULL, "width of the network"),
    FLAG("router_scaled", "true", "there is a scale of what it saw before, used or not"),
};

static DESCRIBE(net_describe)
{
    uint64_t width = size_of(args, NET_WIDTH), classes = size_of(args, NET_EXPERTS) + 1;
    uint32_t y = router_linear(e, "down_proj", in[0], width, LINEAR_BIAS), scores;
    if (flag_of(args, NET_STATES)) {
        uint32_t scale = own(e, "router_states_scale", width, 0, 0);
        if (in[1] != GPUMEM_NONE)
            y = binary(e, GPUMEM_OP_ADD, "with_before", y, binary(e, GPUMEM_OP_MUL, "before", in[1], scale));
    }
    out[2] = gpumem_emit_same(e, "states", y);
    operate(e, GPUMEM_OP_COPY, 0, "states", y, GPUMEM_NONE, out[2]);
    y = rmsnorm(e, "router_mlp.norm", y, extent(width, GPUMEM_AXIS_NONE), "llama", 1);
    y = activate(e, router_linear(e, "router_mlp.fc1", y, width, LINEAR_BIAS), "gelu");
    y = activate(e, router_linear(e, "router_mlp.fc2", y, width, LINEAR_BIAS), "gelu");
    y = router_linear(e, "router_mlp.out_proj", y, classes, 0);
    scores = gpumem_emit_same(e, "scores", y);
    operate(e, GPUMEM_OP_SOFTMAX, 0, "softmax", y, GPUMEM_NONE, scores);
    correction(e, "balancing_biases", classes);
    choose(e, in[0], scores, size_of(args, NET_TOP), GPUMEM_DTYPE_MODEL, out);
    return (gpumem_status)e->status;
}

/* ---- shared experts compete with those that are chosen ---- */

enum { SINK_EXPERTS, SINK_SHARED, SINK_TOP, SINK_N };
static const gpumem_paramdef sink_params[SINK_N] = {
    SIZE("experts", NULL, "routed experts"),
    SIZE("experts_shared", NULL, "experts that all tokens use"),
    SIZE("experts_top", NULL, "routed experts that a token uses"),
};

static DESCRIBE(sink_describe)
{
    uint64_t experts = size_of(args, SINK_EXPERTS), shared = size_of(args, SINK_SHARED);
    gpumem_dim total = extent(experts + shared, GPUMEM_AXIS_EXPERT), one = extent(1, GPUMEM_AXIS_NONE);
    uint32_t w = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_ROUTER, total, last_of(e, in[0]));
    uint32_t scale = of_dtype(e, gpumem_emit_weight(e, "global_scale", GPUMEM_FAMILY_ROUTER, one, NO_DIM), GPUMEM_DTYPE_F32), y;
    correction(e, "e_score_correction_bias", experts);
    y = of_dtype(e, linear(e, "", GPUMEM_FAMILY_ROUTER, wide(e, in[0]), wide(e, w), total, 0), GPUMEM_DTYPE_F32);
    y = of_dtype(e, activate(e, y, "sigmoid"), GPUMEM_DTYPE_F32);
    y = of_dtype(e, binary(e, GPUMEM_OP_MUL, "scaled", y, scale), GPUMEM_DTYPE_F32);
    choose(e, in[0], y, size_of(args, SINK_TOP), GPUMEM_DTYPE_MODEL, out);
    out[2] = step(e, gpumem_emit_like(e, "shared_weights", in[0], extent(shared, GPUMEM_AXIS_EXPERT)));
    operate(e, GPUMEM_OP_COPY, 0, "shared_weights", y, GPUMEM_NONE, out[2]);
    return (gpumem_status)e->status;
}

/* ---- experts that all tokens use, each with a weight ---- */

enum { ALL_EXPERTS, ALL_WIDTH, ALL_ACT, ALL_N };
static const gpumem_paramdef all_params[ALL_N] = {
    SIZE("experts_shared", NULL, "experts"),
    SIZE("expert_intermediate", NULL, "width between the matrices of an expert"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
};

static uint32_t all_experts(gpumem_emit *e, const char *name, uint32_t x, uint64_t experts, gpumem_dim width)
{
    gpumem_dim dim[3];
    uint32_t w, y;
    dim[0] = extent(experts, GPUMEM_AXIS_EXPERT);
    dim[1] = width;
    dim[2] = last_of(e, x);
    w = gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EXPERT, GPUMEM_DTYPE_MODEL, 3, dim);
    y = gpumem_emit_like(e, name, x, width);
    operate(e, GPUMEM_OP_MATMUL, 0, name, x, w, y);
    return y;
}

static DESCRIBE(all_describe)
{
    uint64_t experts = size_of(args, ALL_EXPERTS);
    const char *act = activation_of(args->param[ALL_ACT].v.s);
    uint32_t x, y, up;
    gpumem_dim width = extent(size_of(args, ALL_WIDTH), GPUMEM_AXIS_FFN), hidden = last_of(e, in[0]);
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    x = step(e, by_head(e, "tokens", in[0], extent(experts, GPUMEM_AXIS_EXPERT), hidden)); /* expanded: no bytes */
    y = all_experts(e, "gate_proj", x, experts, width);
    up = all_experts(e, "up_proj", x, experts, width);
    y = binary(e, GPUMEM_OP_MUL, "product", activate(e, y, act), up);
    y = binary(e, GPUMEM_OP_MUL, "weighted", y, in[1]);
    y = wide(e, all_experts(e, "down_proj", y, experts, hidden));
    out[0] = gpumem_emit_same(e, "combined", in[0]);
    operate(e, GPUMEM_OP_COMBINE, 0, "combine", y, GPUMEM_NONE, out[0]);
    return (gpumem_status)e->status;
}

static const char *const net_in[] = {"x", "before?"}, *const net_out[] = {"weights", "indices", "states"};
static const char *const x_in[] = {"x"}, *const sink_out[] = {"weights", "indices", "shared"}, *const all_in[] = {"x", "weights"}, *const y_out[] = {"y"};
static const gpumem_component components[] = {
    {"mlp_router", "a network that chooses experts", net_params, NET_N, 2, 3, net_in, net_out, net_describe},
    {"sink_router", "weights of chosen and of shared experts together", sink_params, SINK_N, 1, 3, x_in, sink_out, sink_describe},
    {"weighted_experts", "experts that all tokens use", all_params, ALL_N, 2, 1, all_in, y_out, all_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "routing", "0.1.0", {&operations},
};
