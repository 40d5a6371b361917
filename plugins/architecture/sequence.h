/* sequence.h - what components that run along the tokens have in common: short convolutions and scans. */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "emit.h"

static inline uint32_t step(gpumem_emit *e, uint32_t t) { return hold(e, t, GPUMEM_LIVES_STEP); }

static inline uint32_t matrix(gpumem_emit *e, const char *module, uint32_t x, uint64_t out, unsigned axis, unsigned flags)
{
    return linear(e, module, GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, extent(out, axis), flags);
}

/* A parameter of a module's own: decays, time steps, skips. */
static inline uint32_t own(gpumem_emit *e, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    gpumem_dim dim[3];
    dim[0] = extent(a, GPUMEM_AXIS_NONE);
    dim[1] = extent(b, GPUMEM_AXIS_NONE);
    dim[2] = extent(c, GPUMEM_AXIS_NONE);
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, c ? 3 : b ? 2 : 1, dim);
}

static inline uint32_t wide(gpumem_emit *e, uint32_t x) { return of_dtype(e, cast(e, x, GPUMEM_DTYPE_F32), GPUMEM_DTYPE_F32); }

/* nn.Conv1d of every channel by itself, over the token and those before it: MODULE.weight [channels, 1, kernel]. */
static inline uint32_t convolve(gpumem_emit *e, const char *module, uint32_t x, uint64_t kernel, int bias)
{
    char s[PATH_ROOM];
    uint32_t in[3] = {x, GPUMEM_NONE, GPUMEM_NONE}, y;
    gpumem_dim channels = last_of(e, x), dim[3];
    gpumem_op *op;
    dim[0] = extent(channels.size, GPUMEM_AXIS_CHANNEL);
    dim[1] = extent(1, GPUMEM_AXIS_NONE);
    dim[2] = extent(kernel, GPUMEM_AXIS_NONE);
    in[1] = gpumem_emit_tensor(e, join(e, s, module, "weight"), GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_OTHER, GPUMEM_DTYPE_MODEL, 3, dim);
    if (bias)
        in[2] = vector(e, module, "bias", GPUMEM_FAMILY_BIAS, dim[0]);
    y = gpumem_emit_same(e, module, x);
    op = gpumem_emit_op(e, GPUMEM_OP_CONV, 0, module, 3, in, 1, &y);
    if (op)
        op->attr[0] = (uint32_t)kernel;
    return y;
}

/* Its last tokens are a state. */
static inline void keeps(gpumem_emit *e)
{
    if (e->status == GPUMEM_OK)
        e->op[e->nop - 1].attr[1] = 1;
}

typedef struct scan_spec {
    const char *variant;
    uint64_t heads, rows, columns, groups, chunk;
} scan_spec;

static inline uint32_t scan(gpumem_emit *e, const scan_spec *s, unsigned nin, const uint32_t *in, uint32_t y)
{
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_SCAN, s->variant, "scan", nin, in, 1, &y);
    if (op) {
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->rows;
        op->attr[2] = (uint32_t)s->columns;
        op->attr[3] = (uint32_t)s->groups;
        op->attr[4] = (uint32_t)s->chunk;
    }
    return y;
}

/* Parts of the last dimension with those widths. */
static inline void part(gpumem_emit *e, const char *name, uint32_t x, unsigned n, const char *const *names, const uint64_t *width, uint32_t *out)
{
    gpumem_dim size[GPUMEM_MAX_OPERANDS];
    for (unsigned i = 0; i < n; i++)
        size[i] = extent(width[i], GPUMEM_AXIS_CHANNEL);
    split(e, name, step(e, x), n, names, size, out);
    for (unsigned i = 0; i < n; i++)
        step(e, out[i]);
}

/* norm(y) * silu(gate) or, before: norm(y * silu(gate)), in fp32; over `width` elements, with a weight for each of `all`. */
static inline uint32_t gate_norm(gpumem_emit *e, const char *module, uint32_t y, uint32_t gate, uint64_t all, uint64_t width, int before)
{
    uint32_t in[3], out;
    gpumem_op *op;
    in[0] = y;
    in[1] = vector(e, module, "weight", GPUMEM_FAMILY_NORM, extent(all, GPUMEM_AXIS_NONE));
    in[2] = gate;
    out = gpumem_emit_same(e, "gated", y);
    op = gpumem_emit_op(e, GPUMEM_OP_RMSNORM, "gated", module, 3, in, 1, &out);
    if (op) {
        op->attr[0] = (uint32_t)width;
        op->attr[1] = (uint32_t)before;
    }
    return before == 1 ? of_dtype(e, out, GPUMEM_DTYPE_F32) : out;
}

static inline uint32_t gated_norm(gpumem_emit *e, const char *module, uint32_t y, uint32_t gate, uint64_t width)
{
    return gate_norm(e, module, y, gate, width, width, 0);
}

static inline uint32_t gate_before(gpumem_emit *e, const char *module, uint32_t y, uint32_t gate, uint64_t all, uint64_t width)
{
    return gate_norm(e, module, y, gate, all, width, 1);
}

#endif
