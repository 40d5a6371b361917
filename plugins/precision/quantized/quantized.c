/* quantized - matrices in one format, what a quantisation leaves as it is in another. */
#include <gpumem/plugin.h>

enum { LINEAR, EXPERT, EMBEDDING, HEAD, SMALL, WIDE, NKEYS };
static const struct { const char *key, *missing; unsigned otherwise; } want[NKEYS] = {
    {"linear", "linear: no format has this name", LINEAR}, {"expert", "expert: no format has this name", LINEAR},
    {"embedding", "embedding: no format has this name", WIDE}, {"head", "head: no format has this name", WIDE},
    {"small", "small: no format has this name", WIDE}, {"wide", "wide: no format has this name", WIDE},
};

/* A weight that a layer multiplies by is LINEAR or EXPERT; what the config leaves is WIDE. */
static unsigned format_of(const gpumem_tensor *t)
{
    if (t->role != GPUMEM_ROLE_WEIGHT || t->tag & GPUMEM_TAG_WIDE)
        return WIDE;
    if (t->ndim < 2 || t->family == GPUMEM_FAMILY_NORM || t->family == GPUMEM_FAMILY_BIAS || t->family == GPUMEM_FAMILY_ROUTER)
        return SMALL;
    return t->family == GPUMEM_FAMILY_MATRIX ? LINEAR : t->family == GPUMEM_FAMILY_EXPERT ? EXPERT :
           t->family == GPUMEM_FAMILY_EMBEDDING ? EMBEDDING : t->family == GPUMEM_FAMILY_HEAD ? HEAD : WIDE;
}

static gpumem_status assign(const gpumem_args *args, const gpumem_description *model, const gpumem_format *format, uint32_t nformat,
                            const gpumem_assignment *out)
{
    uint16_t is[NKEYS];
    for (unsigned k = 0; k < NKEYS; k++) {
        const gpumem_param *p = gpumem_arg(args, want[k].key);
        if (p == NULL || p->type == GPUMEM_TYPE_NULL)
            p = gpumem_arg(args, want[want[k].otherwise].key);
        is[k] = p == NULL || p->type == GPUMEM_TYPE_NULL ? 0xffff : gpumem_format_find(format, nformat, p->v.s);
        if (is[k] == 0xffff)
            return gpumem_because(args, GPUMEM_EINVAL, want[k].missing);
    }
    for (uint32_t t = 0; t < model->ntensor; t++)
        if (model->tensor[t].dtype == GPUMEM_DTYPE_MODEL) {
            out->weight[t] = is[format_of(&model->tensor[t])];
            out->gradient[t] = out->activation[t] = is[WIDE];
        }
    for (uint32_t o = 0; o < model->nop; o++)
        out->compute[o] = is[WIDE];
    return GPUMEM_OK;
}

static const gpumem_precision_ops ops = {sizeof ops, assign, NULL};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_PRECISION, "quantized", "1.0.0", {.precision = &ops}};
