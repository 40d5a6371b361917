/* JetMoeAttention: every token chooses experts, each a query and an output matrix, over keys and values that all of them share. */
#include "components.h"

const gpumem_paramdef mixture_params[MIXTURE_N] = {
    SIZE("kv_heads", NULL, "heads of an expert, and of keys and values"),
    SIZE("head_dim", NULL, "width of a head"),
    SIZE("experts", NULL, "pairs of matrices"),
    SIZE("experts_top", NULL, "pairs that a token uses"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* A row for each token and expert that it uses. */
static uint32_t rows(gpumem_emit *e, const char *name, uint32_t x, uint32_t top, gpumem_dim last)
{
    gpumem_dim dim[3];
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (e->tensor[x].ndim != 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[1] = gpumem_dim_of((uint64_t)dim[1].size * top, dim[1].sym, dim[1].axis);
    dim[2] = last;
    return step(e, gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim));
}

static uint32_t expert(gpumem_emit *e, const char *name, uint32_t x, gpumem_dim experts, gpumem_dim out, uint32_t offsets, uint32_t y)
{
    gpumem_dim dim[3];
    uint32_t operand[3];
    dim[0] = experts;
    dim[1] = out;
    dim[2] = last_of(e, x);
    operand[0] = x;
    operand[1] = gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_EXPERT, GPUMEM_DTYPE_MODEL, 3, dim);
    operand[2] = offsets;
    gpumem_emit_op(e, GPUMEM_OP_GROUPED_LINEAR, 0, name, 3, operand, 1, &y);
    return y;
}

/* out: weights of the experts, their order, ends of their rows. */
static void route(gpumem_emit *e, uint32_t x, gpumem_dim experts, uint32_t top, uint32_t *weights, uint32_t *order, uint32_t *offsets)
{
    uint32_t in[2], chosen[2], sorted[2];
    gpumem_op *op;
    in[0] = x;
    in[1] = gpumem_emit_weight(e, "experts.router.layer.weight", GPUMEM_FAMILY_ROUTER, experts, last_of(e, x));
    chosen[0] = step(e, gpumem_emit_like(e, "weights", x, extent(top, GPUMEM_AXIS_NONE)));
    chosen[1] = step(e, of_dtype(e, gpumem_emit_like(e, "indices", x, extent(top, GPUMEM_AXIS_NONE)), GPUMEM_DTYPE_I64));
    op = gpumem_emit_op(e, GPUMEM_OP_ROUTE, "softmax_top", "route", 2, in, 2, chosen);
    if (op) {
        op->attr[0] = experts.size;
        op->attr[1] = top;
        op->attr[2] = op->attr[3] = 1;
    }
    sorted[0] = step(e, of_dtype(e, gpumem_emit_like(e, "order", x, extent(top, GPUMEM_AXIS_NONE)), GPUMEM_DTYPE_I64));
    sorted[1] = step(e, gpumem_emit_tensor(e, "offsets", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_I32, 1, &experts));
    gpumem_emit_op(e, GPUMEM_OP_SORT, 0, "sort", 1, &chosen[1], 2, sorted);
    *weights = chosen[0];
    *order = sorted[0];
    *offsets = sorted[1];
}

DESCRIBE(mixture_describe)
{
    static const char *const names[] = {"keys", "values"};
    uint64_t kv = size_of(args, MIXTURE_KV_HEADS), width = kv * size_of(args, MIXTURE_HEAD_DIM);
    uint32_t top = (uint32_t)size_of(args, MIXTURE_TOP), weights, order, offsets, q, y, part[2], operand[2];
    gpumem_dim experts = extent(size_of(args, MIXTURE_EXPERTS), GPUMEM_AXIS_EXPERT), hidden = last_of(e, in[0]), size[2];
    attend_spec s;
    s.heads = s.kv = kv * top;
    s.dim = size_of(args, MIXTURE_HEAD_DIM);
    s.window = 0;
    s.causal = 1;
    s.dropout = probability_of(args, MIXTURE_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    operand[1] = vector(e, "", "experts.bias", GPUMEM_FAMILY_BIAS, hidden);
    route(e, in[0], experts, top, &weights, &order, &offsets);
    y = rows(e, "rows", in[0], top, hidden);
    operate(e, GPUMEM_OP_INDEX, 0, "rows", in[0], order, y);
    y = expert(e, "experts.input_linear.weight", y, experts, extent(width, GPUMEM_AXIS_HEADS), offsets, rows(e, "queries", in[0], top, extent(width, GPUMEM_AXIS_HEADS)));
    q = gpumem_emit_like(e, "q", in[0], extent(top * width, GPUMEM_AXIS_HEADS));
    operate(e, GPUMEM_OP_INDEX, 0, "q", y, order, q);
    y = matrix(e, "kv_proj", in[0], 2 * width, GPUMEM_AXIS_KV_HEADS, 0);
    size[0] = size[1] = extent(width, GPUMEM_AXIS_KV_HEADS);
    split(e, "kv", step(e, y), 2, names, size, part);
    rotate(e, in + 1, "half", s.dim, s.dim, &q, &part[0]);
    cache(e, "keys", in[0], kv, s.dim, 0);
    cache(e, "values", in[0], kv, s.dim, 0);
    for (unsigned i = 0; i < 2; i++) {
        y = gpumem_emit_like(e, names[i], in[0], extent(top * width, GPUMEM_AXIS_HEADS));
        operate(e, GPUMEM_OP_REPEAT, 0, names[i], part[i], GPUMEM_NONE, y);
        part[i] = y;
    }
    q = attend(e, &s, q, part[0], part[1], GPUMEM_NONE, GPUMEM_NONE, in[0]);
    y = rows(e, "rows", in[0], top, extent(width, GPUMEM_AXIS_HEADS));
    operate(e, GPUMEM_OP_INDEX, 0, "rows", q, order, y);
    y = expert(e, "experts.output_linear.weight", y, experts, hidden, offsets, rows(e, "results", in[0], top, hidden));
    y = binary(e, GPUMEM_OP_MUL, "weighted", y, weights);
    operand[0] = gpumem_emit_same(e, "combined", in[0]);
    operate(e, GPUMEM_OP_COMBINE, 0, "combine", y, order, operand[0]);
    out[0] = binary(e, GPUMEM_OP_ADD, "biased", operand[0], operand[1]);
    return (gpumem_status)e->status;
}
