/* lowrank - a feed forward network whose two matrices are products of two thin ones each. */
#include <gpumem/plugin.h>

enum { INTERMEDIATE, RANK, NPARAM };
static const gpumem_paramdef params[NPARAM] = {
    [INTERMEDIATE] = {"intermediate", GPUMEM_TYPE_INT, 0, NULL, 1, GPUMEM_SIZE_MAX, "width between its matrices"},
    [RANK] = {"rank", GPUMEM_TYPE_INT, 0, NULL, 1, GPUMEM_SIZE_MAX, "width inside of each matrix"},
};

/* y = x A^T B^T: weights NAME_a.weight [rank, in] and NAME_b.weight [out, rank] */
static uint32_t thin(gpumem_emit *e, const char *a, const char *b, uint32_t x, gpumem_dim rank, gpumem_dim out)
{
    uint32_t y = gpumem_emit_linear(e, a, GPUMEM_FAMILY_MATRIX, x, rank, 0);
    return gpumem_emit_linear(e, b, GPUMEM_FAMILY_MATRIX, y, out, 0);
}

static gpumem_status describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    int64_t intermediate = args->param[INTERMEDIATE].v.i, rank = args->param[RANK].v.i;
    const gpumem_tensor *x = &e->tensor[in[0]];
    gpumem_dim hidden, width = gpumem_dim_of((uint64_t)intermediate, 0, GPUMEM_AXIS_FFN);
    gpumem_dim thickness = gpumem_dim_of((uint64_t)rank, 0, GPUMEM_AXIS_NONE);
    uint32_t wide, active;

    if (x->ndim == 0)
        return gpumem_because(args, GPUMEM_EINVAL, "x has no dimensions");
    hidden = x->dim[x->ndim - 1];
    if (rank > intermediate || (uint64_t)rank > hidden.size)
        return gpumem_because(args, GPUMEM_EINVAL, "rank is larger than a matrix");
    wide = thin(e, "up_a", "up_b", in[0], thickness, width);
    active = gpumem_emit_same(e, "act", wide);
    gpumem_emit_op(e, GPUMEM_OP_ACT, "silu", "act", 1, &wide, 1, &active);
    out[0] = thin(e, "down_a", "down_b", active, thickness, hidden);
    return (gpumem_status)e->status;
}

static const char *const ins[] = {"x"}, *const outs[] = {"y"};
static const gpumem_component components[] = {
    {"lowrank_mlp", "feed forward network of two low-rank matrices", params, NPARAM, 1, 1, ins, outs, describe},
};
static const gpumem_architecture_ops ops = {sizeof ops, components, 1};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_ARCHITECTURE, "lowrank", "0.1.0", {.architecture = &ops}};
