#include "model/check.h"
#include <stdbool.h>

const char gm_wrong_dimension[] = "a dimension is 0, or beyond 2^32 - 1";

static bool name_ok(const gpumem_emit *e, uint32_t name)
{
    return name < e->nstring && memchr(e->string + name, 0, e->nstring - name) != NULL;
}

static const char *tensor_wrong(const gpumem_emit *e, uint32_t i)
{
    const gpumem_tensor *t = &e->tensor[i];
    bool stored = t->role == GPUMEM_ROLE_WEIGHT || t->role == GPUMEM_ROLE_BUFFER;
    if (!name_ok(e, t->name))
        return "a tensor's name is outside of the string table";
    if (t->role >= GPUMEM_ROLE_END || t->family >= GPUMEM_FAMILY_END || t->dtype >= GPUMEM_DTYPE_END || t->scope >= GPUMEM_SCOPE_END ||
        t->lives >= GPUMEM_LIVES_END)
        return "a tensor has a role, family, dtype, scope or lifetime that there is not";
    if (t->role == GPUMEM_ROLE_INPUT)
        return "a tensor is an input, which only the family can declare";
    if (t->ndim > GPUMEM_MAX_DIMS)
        return "a tensor has too many dimensions";
    if (t->storage != GPUMEM_NONE && t->storage >= i)
        return "a tensor shares the bytes of one that is not before it";
    for (uint32_t d = 0; d < t->ndim; d++) {
        if (t->dim[d].sym >= e->nsym || t->dim[d].axis >= GPUMEM_AXIS_END)
            return "a dimension has a symbol or an axis that there is not";
        if (t->dim[d].size == 0)
            return gm_wrong_dimension;
        if (stored && t->dim[d].sym)
            return "a weight or buffer has an extent that depends on the input";
    }
    return NULL;
}

static const char *op_wrong(const gpumem_emit *e, uint32_t i)
{
    const gpumem_op *op = &e->op[i];
    uint32_t n = (uint32_t)op->nin + op->nout;
    if (!name_ok(e, op->name))
        return "an operator's name is outside of the string table";
    if (op->kind >= GPUMEM_OP_END && op->kind != GPUMEM_OP_OTHER)
        return "an operator has a kind that there is not";
    if (op->variant != GPUMEM_NONE && !name_ok(e, op->variant))
        return "an operator's variant is outside of the string table";
    if (n > GPUMEM_MAX_OPERANDS || op->operand > e->noperand || n > e->noperand - op->operand)
        return "an operator has too many operands";
    for (uint32_t k = 0; k < n; k++)
        if (e->operand[op->operand + k] >= e->ntensor && !(k < op->nin && e->operand[op->operand + k] == GPUMEM_NONE))
            return "an operand is no tensor";
    if (op->rule != GPUMEM_NONE && !name_ok(e, op->rule))
        return "an operator's rule is outside of the string table";
    if (op->kind == GPUMEM_OP_OTHER && op->rule == GPUMEM_NONE)
        return "an operator of the component's own has no rule";
    return NULL;
}

static const char *symbol_wrong(const gpumem_emit *e, uint32_t i)
{
    const gpumem_symbol *s = &e->sym[i];
    if (s->op == GPUMEM_SYM_INPUT || s->op > GPUMEM_SYM_MUL || s->a == 0 || s->a >= i || s->b >= i)
        return "a symbol is derived from none that is before it";
    if (s->op == GPUMEM_SYM_CEILDIV && s->b == 0 && s->k == 0)
        return "a symbol is divided by 0";
    return NULL;
}

const char *gm_emitted_wrong(const gpumem_emit *e, gm_emit_mark m, const uint32_t *out, uint32_t nout)
{
    const char *wrong = NULL;
    if (e->ntensor < m.ntensor || e->nop < m.nop || e->noperand < m.noperand || e->nsym < m.nsym || e->nstring < m.nstring ||
        e->ntensor > e->max_tensor || e->nop > e->max_op || e->noperand > e->max_operand || e->nsym > e->max_sym ||
        e->nstring > e->max_string)
        return "its counts went backwards, or beyond the space that it was given";
    for (uint32_t i = m.nsym; wrong == NULL && i < e->nsym; i++)
        wrong = symbol_wrong(e, i);
    for (uint32_t i = m.ntensor; wrong == NULL && i < e->ntensor; i++)
        wrong = tensor_wrong(e, i);
    for (uint32_t i = m.nop; wrong == NULL && i < e->nop; i++)
        wrong = op_wrong(e, i);
    for (uint32_t i = 0; wrong == NULL && i < nout; i++)
        if (out[i] != GPUMEM_NONE && out[i] >= e->ntensor)
            wrong = "an output is no tensor";
    return wrong;
}
