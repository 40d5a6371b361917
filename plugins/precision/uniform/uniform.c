/* uniform - the same formats for every tensor that follows the precision, and one for all arithmetic. */
#include <gpumem/plugin.h>

enum { WEIGHT, GRADIENT, ACTIVATION, COMPUTE, NKEYS };
static const struct { const char *key, *missing; } want[NKEYS] = {
    {"weight", "weight: no format has this name"},
    {"gradient", "gradient: no format has this name"},
    {"activation", "activation: no format has this name"},
    {"compute", "compute: no format has this name"},
};

static gpumem_status assign(const gpumem_args *args, const gpumem_description *model, const gpumem_format *format, uint32_t nformat,
                            const gpumem_assignment *out)
{
    const gpumem_param *copy = gpumem_arg(args, "master");
    uint16_t is[NKEYS], master = copy && copy->type == GPUMEM_TYPE_STRING ? gpumem_format_find(format, nformat, copy->v.s) : 0xffff;
    for (unsigned k = 0; k < NKEYS; k++) {
        const gpumem_param *p = gpumem_arg(args, want[k].key);
        is[k] = p ? gpumem_format_find(format, nformat, p->v.s) : 0xffff;
        if (is[k] == 0xffff)
            return gpumem_because(args, GPUMEM_EINVAL, want[k].missing);
    }
    if (copy && copy->type == GPUMEM_TYPE_STRING && master == 0xffff)
        return gpumem_because(args, GPUMEM_EINVAL, "master: no format has this name");
    for (uint32_t t = 0; t < model->ntensor; t++)
        if (model->tensor[t].dtype == GPUMEM_DTYPE_MODEL) {
            out->weight[t] = is[WEIGHT];
            out->gradient[t] = is[GRADIENT];
            out->activation[t] = is[ACTIVATION];
            out->master[t] = master;
        }
    for (uint32_t o = 0; o < model->nop; o++)
        out->compute[o] = is[COMPUTE];
    return GPUMEM_OK;
}

static const gpumem_precision_ops ops = {sizeof ops, assign, NULL};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_PRECISION, "uniform", "1.0.0", {.precision = &ops}};
