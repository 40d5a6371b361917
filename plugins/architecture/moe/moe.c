/* moe: experts behind a router, as transformers 5.23 runs them: integrations/moe.py (grouped_mm), models/mixtral, models/qwen2_moe (shared
 * expert with a gate), models/deepseek_v3 (groups, correction), models/gpt_oss (biases, [in, out] weights). */
#include "../emit.h"

enum {
    EXPERTS, IDLE, TOP, EVERY, WIDTH, ACT, GATED, TRANSPOSED, FLAT, EXPERT_BIAS, EXPERT_FP32, FLATTENED, ROUTER, ROUTER_FP32, ROUTER_AS_TOKENS, ROUTER_WEIGHT_FP32, ROUTER_PRODUCT, ROUTER_NORMALIZED,
    ROUTER_SCALED, ROUTER_BIAS, GROUPS, GROUPS_KEPT, CORRECTION,
    CORRECTION_NAME, CORRECTION_FP32, CORRECTION_ROW, ROUTED_SCALED, SHARED_WIDTH, SHARED_FUSED, SHARED_BIAS, SHARED_GATE, SHARED_FIRST, SUM_FP32, SUM_AVERAGED, RESULT_BIAS, EXPERT_SCALE, NPARAM
};

static const gpumem_paramdef params[NPARAM] = {
    SIZE("experts", NULL, "routed experts"),
    {"experts_idle", GPUMEM_TYPE_INT, 0, "0", 0, GPUMEM_SIZE_MAX, "experts that pass on what they are given (models/longcat_flash)"},
    SIZE("experts_top", NULL, "experts that a token uses"),
    FLAG("experts_every", "false", "every expert works on all tokens, weighted before it does (models/llama4)"),
    SIZE("expert_intermediate", NULL, "width between the matrices of an expert"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it; swiglu_limited: that of models/gpt_oss"),
    FLAG("expert_gated", "true", "experts have a gate beside the up projection"),
    FLAG("expert_transposed", "false", "weights of experts are [expert, in, out]"),
    FLAG("expert_flat", "false", "the weights of all experts are matrices, experts.mlp.w1, v1 and w2 (models/dbrx)"),
    FLAG("expert_bias", "false", "experts have biases"),
    FLAG("expert_product_fp32", "false", "the activation function of an expert and its product with up are computed in fp32 (models/beam)"),
    FLAG("tokens_flattened", "true", "batch and tokens become one dimension before the router; false: the router and the experts do that, each for itself"),
    WORD("router", "'softmax'", "softmax (over all experts), softmax_top (over the chosen ones), softmax_corrected (models/ernie4_5_moe), sigmoid (models/afmoe), sigmoid_top (of the chosen ones: models/cohere2_moe), sigmoid_gathered (the same, chosen by corrected logits: models/kolibri1), sigmoid_all (models/flint), every (a number for each: models/llama4), deepseek (sigmoid, groups) or mixer (models/phimoe)"),
    FLAG("router_fp32", "true", "weights of the chosen experts are fp32"),
    FLAG("router_as_tokens", "false", "where they are not: they are cast to the dtype of the tokens, not of the logits"),
    FLAG("router_weight_fp32", "false", "the router's weight is fp32 in every precision (models/ernie4_5_moe)"),
    WORD("router_product", "'model'", "its logits: model (of the operands as they are), cast (the same, then fp32), scores (the same, fp32 for the scores alone: models/minimax_m2) or fp32 (of fp32 operands)"),
    FLAG("router_normalized", "true", "weights of the chosen experts are divided by their sum, in place"),
    FLAG("router_scaled", "false", "weights of the chosen experts are scaled"),
    FLAG("router_bias", "false", "the router has a bias"),
    {"router_groups", GPUMEM_TYPE_INT, 1, "null", 0, GPUMEM_SIZE_MAX, "groups of experts; null: there are none"},
    {"router_groups_kept", GPUMEM_TYPE_INT, 1, "null", 0, GPUMEM_SIZE_MAX, "groups that a token may use; null: one"},
    WORD("router_correction", "'none'", "a bias for the choice only: none, buffer or parameter"),
    WORD("router_correction_name", "'gate.e_score_correction_bias'", "name of that bias"),
    FLAG("router_correction_fp32", "false", "it is fp32 in every precision"),
    FLAG("router_correction_row", "false", "it is a matrix of one row"),
    FLAG("routed_scaled", "false", "what the routed experts give is scaled by an operator of its own (models/laguna)"),
    {"shared_intermediate", GPUMEM_TYPE_INT, 1, "null", 0, GPUMEM_SIZE_MAX, "width of the expert that all tokens use; null or 0: there is none"},
    FLAG("shared_fused", "false", "its gate and up are one matrix"),
    FLAG("shared_bias", "false", "the shared expert has biases"),
    FLAG("shared_gate", "false", "the shared expert is weighted by a sigmoid"),
    FLAG("shared_first", "false", "the shared expert runs before the router"),
    FLAG("moe_sum_fp32", "false", "what the routed experts and the shared one give is added in fp32 (models/hy_v3)"),
    FLAG("moe_averaged", "false", "that sum is halved by an operator of its own (models/cohere2_moe)"),
    FLAG("moe_bias", "false", "a bias is added to the result (models/jetmoe)"),
    FLAG("expert_scale", "false", "weights of the chosen experts are multiplied by one number for each expert, expert_scale (models/gemma4)"),
};

typedef struct moe_spec {
    gpumem_dim experts, choices, top, width, hidden; /* choices: experts and those that are idle */
    const char *act, *router;
    int product, correction, gated, transposed, every, flat;
} moe_spec;

static uint32_t step(gpumem_emit *e, uint32_t t) { return hold(e, t, GPUMEM_LIVES_STEP); }

/* An activation with the extents of x, but `top` rows for each of its own and another last extent (0: none). */
static uint32_t rows(gpumem_emit *e, const char *name, uint32_t x, const moe_spec *s, gpumem_dim last, unsigned dtype)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    n = e->tensor[x].ndim;
    if (n < 2)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[n - 2] = gpumem_dim_of((uint64_t)dim[n - 2].size * (s->every ? s->experts.size : s->top.size), dim[n - 2].sym, dim[n - 2].axis);
    dim[n - 1] = last;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, dtype, last.size ? n : n - 1, dim);
}

/* The choice alone depends on it: it gets no gradient. */
static uint32_t correct(const gpumem_args *args, const moe_spec *s, gpumem_emit *e)
{
    unsigned row = flag_of(args, CORRECTION_ROW) ? 1 : 0;
    gpumem_dim dim[2];
    uint32_t y;
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[row] = s->choices;
    y = gpumem_emit_tensor(e, args->param[CORRECTION_NAME].v.s, s->correction == 1 ? GPUMEM_ROLE_BUFFER : GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_ROUTER,
                           flag_of(args, CORRECTION_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL, row + 1, dim);
    if (s->correction == 2 && e->status == GPUMEM_OK)
        e->tensor[y].tag |= GPUMEM_TAG_FROZEN | GPUMEM_TAG_FIXED;
    return y;
}

static void route(const gpumem_args *args, const moe_spec *s, uint32_t x, uint32_t *chosen, gpumem_emit *e)
{
    uint32_t operand[4] = {x, GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE};
    gpumem_op *op;
    operand[1] = gpumem_emit_weight(e, "gate.weight", GPUMEM_FAMILY_ROUTER, s->choices, last_of(e, x));
    if (flag_of(args, ROUTER_BIAS))
        operand[2] = gpumem_emit_weight(e, "gate.bias", GPUMEM_FAMILY_BIAS, s->choices, NO_DIM);
    if (flag_of(args, ROUTER_WEIGHT_FP32))
        of_dtype(e, operand[1], GPUMEM_DTYPE_F32);
    if (s->correction)
        operand[3] = correct(args, s, e);
    chosen[0] = gpumem_emit_like(e, "weights", x, s->every ? s->experts : s->top);
    chosen[1] = of_dtype(e, gpumem_emit_like(e, "indices", x, s->top), GPUMEM_DTYPE_I64);
    step(e, of_dtype(e, chosen[0], flag_of(args, ROUTER_FP32) ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL));
    if (!s->every) /* the router alone knows them */
        step(e, chosen[1]);
    chosen[2] = hold(e, of_dtype(e, gpumem_emit_like(e, "router_logits", x, s->choices), s->product && s->product != 3 ? GPUMEM_DTYPE_F32 : GPUMEM_DTYPE_MODEL), s->every ? GPUMEM_LIVES_BLOCK : GPUMEM_LIVES_STEP);
    op = gpumem_emit_op(e, GPUMEM_OP_ROUTE, s->router, "route", 4, operand, 3, chosen);
    if (op) {
        op->attr[0] = s->choices.size;
        op->attr[1] = s->top.size;
        op->attr[2] = (uint32_t)size_or(args, GROUPS, 0);
        op->attr[3] = (uint32_t)size_or(args, GROUPS_KEPT, 1);
        op->attr[4] = (uint32_t)flag_of(args, ROUTER_NORMALIZED);
        op->attr[5] = (uint32_t)s->product;
        op->attr[6] = (uint32_t)flag_of(args, ROUTER_SCALED);
        op->attr[7] = flag_of(args, ROUTER_FP32) ? 1 : flag_of(args, ROUTER_AS_TOKENS) ? 2 : 0;
    }
}

/* Gemma4TextRouter: weights * per_expert_scale[indices] */
static uint32_t scale_by_expert(const moe_spec *s, const uint32_t *chosen, gpumem_emit *e)
{
    uint32_t in[3], y, rule = gpumem_emit_string(e, "w i s\n  y = mul(w, pick(s, i))\n  return y\n");
    gpumem_op *op;
    in[0] = chosen[0];
    in[1] = chosen[1];
    in[2] = gpumem_emit_weight(e, "expert_scale", GPUMEM_FAMILY_OTHER, s->choices, NO_DIM);
    y = step(e, gpumem_emit_same(e, "scaled_weights", chosen[0]));
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "expert_scale", 3, in, 1, &y);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return y;
}

/* A matrix of every expert, from the width `in` to `out`. */
static uint32_t matrix_of(const moe_spec *s, const char *name, gpumem_dim experts, gpumem_dim in, gpumem_dim out, gpumem_emit *e)
{
    gpumem_dim dim[3];
    dim[0] = experts;
    dim[1] = s->transposed ? in : out;
    dim[2] = s->transposed ? out : in;
    if (s->flat) { /* [experts * width, hidden], transposed for the last one */
        dim[0] = extent((uint64_t)experts.size * s->width.size, GPUMEM_AXIS_FFN);
        dim[1] = s->hidden;
    }
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EXPERT, GPUMEM_DTYPE_MODEL, s->flat ? 2 : 3, dim);
}

static uint32_t bias_of(const gpumem_args *args, const char *name, gpumem_dim experts, gpumem_dim out, gpumem_emit *e)
{
    return flag_of(args, EXPERT_BIAS) ? gpumem_emit_weight(e, name, GPUMEM_FAMILY_BIAS, experts, out) : GPUMEM_NONE;
}

/* Llama4TextMoe: tokens repeated for every expert, weighted, batched products; the sum over experts is added to what the shared one gives. */
static uint32_t sum_of_them(const moe_spec *s, uint32_t all, uint32_t beside, gpumem_emit *e)
{
    uint32_t y, rule = gpumem_emit_string(e, "a b : experts\n  y = add_in(b, sum(view(a, [experts, b[0], b[1]]), 0))\n  return y\n");
    gpumem_op *op;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    y = view_of(e, gpumem_emit_same(e, "with_all", beside), beside);
    op = operate(e, GPUMEM_OP_OTHER, 0, "with_all", all, beside, y);
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = s->experts.size;
    }
    return y;
}

/* The experts' forward: a function of its own, whose rows go when it returns. */
static uint32_t routed(const gpumem_args *args, const moe_spec *s, uint32_t x, const uint32_t *chosen, gpumem_emit *e)
{
    gpumem_dim inner = s->gated && !s->flat ? extent(2 * (uint64_t)s->width.size, GPUMEM_AXIS_FFN) : s->width;
    uint32_t operand[8] = {x, chosen[0], chosen[1], GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE}, result[2], y;
    const char *up = s->gated ? "experts.gate_up_proj" : "experts.up_proj", *up_bias = s->gated ? "experts.gate_up_proj_bias" : "experts.up_proj_bias";
    gpumem_op *op;
    operand[3] = matrix_of(s, s->flat ? "experts.mlp.w1" : up, s->choices, s->hidden, inner, e);
    if (s->flat)
        operand[5] = matrix_of(s, "experts.mlp.v1", s->choices, s->hidden, inner, e);
    operand[6] = bias_of(args, up_bias, s->choices, inner, e);
    operand[4] = matrix_of(s, s->flat ? "experts.mlp.w2" : "experts.down_proj", s->experts, s->width, s->hidden, e);
    operand[7] = bias_of(args, "experts.down_proj_bias", s->experts, s->hidden, e);
    result[0] = y = s->every ? rows(e, "all", x, s, s->hidden, GPUMEM_DTYPE_MODEL) : gpumem_emit_same(e, "combined", x);
    if (s->every)
        result[1] = step(e, rows(e, "weighted", x, s, s->hidden, GPUMEM_DTYPE_MODEL));
    op = gpumem_emit_op(e, GPUMEM_OP_EXPERTS, s->act, "experts", 8, operand, s->every ? 2 : 1, result);
    if (op) {
        op->attr[5] = (uint32_t)s->every;
        op->attr[0] = s->choices.size;
        op->attr[1] = s->top.size;
        op->attr[2] = (uint32_t)(s->gated && !s->flat);
        op->attr[3] = (uint32_t)s->transposed;
        op->attr[4] = (uint32_t)s->flat;
        op->attr[6] = (uint32_t)flag_of(args, EXPERT_FP32);
    }
    return y;
}

/* [batch, tokens, width] as rows */
static uint32_t flattened(uint32_t x, gpumem_emit *e)
{
    uint32_t y = view_of(e, gpumem_emit_same(e, "rows", x), x);
    gpumem_op *op = operate(e, GPUMEM_OP_VIEW, 0, "rows", x, GPUMEM_NONE, y);
    if (op)
        op->attr[1] = 1;
    return step(e, y);
}

static uint32_t shared(const gpumem_args *args, const moe_spec *s, uint32_t x, gpumem_emit *e)
{
    mlp_spec m;
    uint32_t y;
    memset(&m, 0, sizeof m);
    m.width = extent(size_of(args, SHARED_WIDTH), GPUMEM_AXIS_FFN);
    m.out = last_of(e, x);
    m.act = s->act;
    m.flags = flag_of(args, SHARED_BIAS) ? LINEAR_BIAS : 0;
    m.gated = s->gated;
    m.fused = flag_of(args, SHARED_FUSED);
    y = feed_forward(e, "shared_experts", x, &m);
    return flag_of(args, SHARED_FIRST) ? step(e, y) : y;
}

/* sigmoid(gate(x)) * y */
static uint32_t shared_gated(const gpumem_args *args, uint32_t x, uint32_t y, gpumem_emit *e)
{
    uint32_t gate;
    if (!flag_of(args, SHARED_GATE))
        return y;
    gate = linear(e, "shared_expert_gate", GPUMEM_FAMILY_ROUTER, x, GPUMEM_NONE, extent(1, GPUMEM_AXIS_NONE), 0);
    return binary(e, GPUMEM_OP_MUL, "shared", y, activate(e, gate, "sigmoid"));
}

static gpumem_status describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    static const char *const routers[] = {"softmax", "softmax_top", "softmax_corrected", "sigmoid", "sigmoid_top", "sigmoid_gathered", "sigmoid_all", "every", "deepseek", "mixer", NULL}, *const products[] = {"model", "cast", "fp32", "scores", NULL}; /* in the order of attr[5] */
    static const char *const corrections[] = {"none", "buffer", "parameter", NULL};
    uint32_t chosen[3], tokens = in[0], x = in[1] == GPUMEM_NONE ? in[0] : in[1], y, beside = GPUMEM_NONE;
    int wide;
    moe_spec s;
    s.experts = extent(size_of(args, EXPERTS), GPUMEM_AXIS_EXPERT);
    s.choices = extent(size_of(args, EXPERTS) + size_of(args, IDLE), GPUMEM_AXIS_EXPERT);
    s.top = extent(size_of(args, TOP), GPUMEM_AXIS_NONE);
    s.width = extent(size_of(args, WIDTH), GPUMEM_AXIS_FFN);
    s.hidden = last_of(e, x);
    s.act = activation_of(args->param[ACT].v.s);
    s.router = word_of(args, ROUTER, routers);
    s.product = choice_of(args, ROUTER_PRODUCT, products);
    s.correction = choice_of(args, CORRECTION, corrections);
    s.every = flag_of(args, EVERY);
    s.flat = flag_of(args, FLAT);
    s.gated = flag_of(args, GATED);
    s.transposed = flag_of(args, TRANSPOSED);
    if (s.act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (s.router == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "router is none of softmax, softmax_top, softmax_corrected, sigmoid, sigmoid_top, sigmoid_gathered, sigmoid_all, every, deepseek, mixer");
    if (s.product < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "router_product is none of model, cast, fp32, scores");
    if (s.correction < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "router_correction is none of none, buffer, parameter");
    if (flag_of(args, FLATTENED) && x == tokens)
        x = tokens = flattened(x, e);
    if (size_or(args, SHARED_WIDTH, 0) && flag_of(args, SHARED_FIRST))
        beside = shared(args, &s, tokens, e);
    chosen[0] = in[2];
    chosen[1] = in[3];
    if (in[2] == GPUMEM_NONE || in[3] == GPUMEM_NONE)
        route(args, &s, tokens, chosen, e);
    if (flag_of(args, EXPERT_SCALE))
        chosen[0] = scale_by_expert(&s, chosen, e);
    y = routed(args, &s, x, chosen, e);
    if (s.every)
        step(e, y);
    if (flag_of(args, ROUTED_SCALED)) {
        uint32_t scaled = gpumem_emit_same(e, "scaled", y);
        operate(e, GPUMEM_OP_SCALE, 0, "scaled", y, GPUMEM_NONE, scaled);
        y = scaled;
    }
    wide = flag_of(args, SUM_FP32) && size_or(args, SHARED_WIDTH, 0);
    if (wide)
        y = cast(e, step(e, y), GPUMEM_DTYPE_F32);
    if (size_or(args, SHARED_WIDTH, 0) && beside == GPUMEM_NONE)
        beside = shared(args, &s, tokens, e);
    if (beside != GPUMEM_NONE)
        beside = shared_gated(args, tokens, beside, e);
    if (wide)
        out[0] = cast(e, of_dtype(e, binary(e, GPUMEM_OP_ADD, "with_shared", y, cast(e, beside, GPUMEM_DTYPE_F32)), GPUMEM_DTYPE_F32), GPUMEM_DTYPE_MODEL);
    else if (s.every && beside != GPUMEM_NONE)
        out[0] = sum_of_them(&s, y, step(e, beside), e);
    else
        out[0] = beside == GPUMEM_NONE ? y : binary(e, GPUMEM_OP_ADD, "with_shared", y, beside);
    if (beside != GPUMEM_NONE && flag_of(args, SUM_AVERAGED)) {
        y = gpumem_emit_same(e, "averaged", out[0]);
        operate(e, GPUMEM_OP_SCALE, 0, "averaged", out[0], GPUMEM_NONE, y);
        out[0] = y;
    }
    if (tokens != in[0]) {
        y = gpumem_emit_same(e, "y", in[0]);
        operate(e, GPUMEM_OP_VIEW, 0, "unflattened", out[0], GPUMEM_NONE, view_of(e, y, out[0]));
        out[0] = y;
    }
    if (flag_of(args, RESULT_BIAS))
        out[0] = binary(e, GPUMEM_OP_ADD, "biased", out[0], vector(e, "", "bias", GPUMEM_FAMILY_BIAS, s.hidden));
    return (gpumem_status)e->status;
}

/* ---- retrieved: DogeCDMoE: experts are pairs of vectors, found by two keys ---- */

enum { RETRIEVED_EXPERTS, RETRIEVED_TOP, RETRIEVED_KEYS, RETRIEVED_ACT, RETRIEVED_N };
static const gpumem_paramdef retrieved_params[RETRIEVED_N] = {
    SIZE("experts", NULL, "experts, each a row of two tables"),
    SIZE("experts_top", NULL, "experts that a token uses"),
    SIZE("expert_keys", NULL, "keys of each of the two kinds: the root of the experts"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
};

static uint32_t looked_up(gpumem_emit *e, const char *name, uint32_t indices, uint32_t x, gpumem_dim experts)
{
    char s[PATH_ROOM];
    uint32_t operand[2], y = gpumem_emit_like(e, name, x, extent(last_of(e, indices).size * (uint64_t)last_of(e, x).size, GPUMEM_AXIS_NONE));
    operand[0] = indices;
    operand[1] = gpumem_emit_weight(e, join(e, s, name, "weight"), GPUMEM_FAMILY_EMBEDDING, experts, last_of(e, x));
    gpumem_emit_op(e, GPUMEM_OP_EMBED, 0, name, 2, operand, 1, &y);
    return y;
}

static gpumem_status retrieved_describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    gpumem_dim experts = extent(size_of(args, RETRIEVED_EXPERTS), GPUMEM_AXIS_EXPERT), top = extent(size_of(args, RETRIEVED_TOP), GPUMEM_AXIS_NONE);
    const char *act = activation_of(args->param[RETRIEVED_ACT].v.s);
    uint32_t operand[2], chosen[2], down, up, y;
    gpumem_op *op;
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    operand[0] = in[0];
    operand[1] = gpumem_emit_weight(e, "router_gate.weight", GPUMEM_FAMILY_ROUTER, extent(2 * size_of(args, RETRIEVED_KEYS), GPUMEM_AXIS_NONE), last_of(e, in[0]));
    chosen[0] = step(e, gpumem_emit_like(e, "weights", in[0], top));
    chosen[1] = step(e, of_dtype(e, gpumem_emit_like(e, "indices", in[0], top), GPUMEM_DTYPE_I64));
    op = gpumem_emit_op(e, GPUMEM_OP_ROUTE, "softmax_top", "route", 2, operand, 2, chosen);
    if (op) {
        op->attr[0] = experts.size;
        op->attr[1] = top.size;
        op->attr[2] = op->attr[3] = 1;
    }
    down = looked_up(e, "down_embed", chosen[1], in[0], experts);
    up = looked_up(e, "up_embed", chosen[1], in[0], experts);
    y = gpumem_emit_like(e, "scores", in[0], top);
    operate(e, GPUMEM_OP_MATMUL, 0, "scores", down, in[0], y);
    y = binary(e, GPUMEM_OP_MUL, "weighted", activate(e, y, act), chosen[0]);
    out[0] = gpumem_emit_same(e, "retrieved", in[0]);
    operate(e, GPUMEM_OP_MATMUL, 0, "retrieved", y, up, out[0]);
    return (gpumem_status)e->status;
}

/* narrow: what the experts work on, where it is not x; weights and indices: of another router. */
static const char *const ins[] = {"x", "narrow?", "weights?", "indices?"}, *const outs[] = {"y"}, *const x_in[] = {"x"};
static const gpumem_component components[] = {
    {"moe", "experts behind a router", params, NPARAM, COUNT(ins), COUNT(outs), ins, outs, describe},
    {"retrieved", "experts of one row and one column, found by two keys", retrieved_params, RETRIEVED_N, 1, 1, x_in, outs, retrieved_describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "moe", "0.1.0", {&operations},
};
