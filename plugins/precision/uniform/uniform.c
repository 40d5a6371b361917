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
    uint16_t is[NKEYS];
    for (unsigned k = 0; k < NKEYS; k++) {
        const gpumem_param *p = gpumem_arg(args, want[k].key);
        is[k] = p ? gpumem_format_find(format, nformat, p->v.s) : 0xffff;
        if (is[k] == 0xffff)
            return gpumem_because(args, GPUMEM_EINVAL, want[k].missing);
    }
    for (uint32_t t = 0; t < model->ntensor; t++)
        if (model->tensor[t].dtype == GPUMEM_DTYPE_MODEL) {
            out->weight[t] = is[WEIGHT];
            out->gradient[t] = is[GRADIENT];
            out->activation[t] = is[ACTIVATION];
        }
    for (uint32_t o = 0; o < model->nop; o++)
        out->compute[o] = is[COMPUTE];
    return GPUMEM_OK;
}

/* Weights that train have a copy where their gradients have another format. */
static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    const gpumem_description *d = job->model;
    (void)args;
    *n = 0;
    for (uint32_t t = 0; job->phases == GPUMEM_TRAINING && t < d->ntensor; t++) {
        if (d->tensor[t].role != GPUMEM_ROLE_WEIGHT || d->tensor[t].storage != GPUMEM_NONE || !job->needs_grad[t] ||
            job->gradient[t] == job->weight[t])
            continue;
        if (*n < max)
            out[*n] = (gpumem_claim){.tensor = t, .format = job->gradient[t], .is = GPUMEM_IS_OPTIMIZER,
                                     .phases = GPUMEM_TRAINING | GPUMEM_BETWEEN, .merge = GPUMEM_ADD, .label = "master weights"};
        ++*n;
    }
    return *n > max ? GPUMEM_ESPACE : GPUMEM_OK;
}

static const gpumem_precision_ops ops = {sizeof ops, assign, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_PRECISION, "uniform", "1.0.0", {.precision = &ops}};
