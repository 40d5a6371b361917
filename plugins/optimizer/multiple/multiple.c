/* multiple - the optimizer's state as a multiple of the size of what trains. */
#include <gpumem/plugin.h>

#define LIMIT 1000000u /* decimals of `states` that count: 6 */

/* r as num / den, to six decimals, with the smallest power of ten that gives them. */
static gpumem_count ratio(double r)
{
    gpumem_count c = {0, 1, {0, 0, 0, 0}};
    double gap, nearly;
    for (;; c.den *= 10) {
        c.num = (uint64_t)(r * c.den + 0.5);
        gap = (double)c.num - r * c.den;
        nearly = 0.5 * c.den / LIMIT;
        if (c.den == LIMIT || (gap < nearly && gap > -nearly))
            return c;
    }
}

static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    const gpumem_description *m = job->model;
    const gpumem_param *p = gpumem_arg(args, "states");
    double states = p ? p->type == GPUMEM_TYPE_INT ? (double)p->v.i : p->v.r : -1;

    *n = 0;
    if (!(states >= 0 && states <= 1e6))
        return gpumem_because(args, GPUMEM_EINVAL, "states: not a number from 0 to 1000000");
    if (!(job->phases & GPUMEM_TRAINING))
        return GPUMEM_OK;
    for (uint32_t t = 0; t < m->ntensor; t++) {
        const gpumem_tensor *w = &m->tensor[t];
        gpumem_count rows = ratio(states);
        unsigned nsym = 0;
        if (w->role != GPUMEM_ROLE_WEIGHT || w->storage != GPUMEM_NONE || !job->needs_grad[t])
            continue;
        for (unsigned d = 0; d < w->ndim; d++) {
            if ((w->dim[d].size && rows.num > UINT64_MAX / w->dim[d].size) || (w->dim[d].sym && nsym == sizeof rows.sym))
                return gpumem_because(args, GPUMEM_ERANGE, "a state is too large to count");
            rows.num *= w->dim[d].size;
            if (w->dim[d].sym)
                rows.sym[nsym++] = w->dim[d].sym;
        }
        if (*n < max)
            out[*n] = (gpumem_claim){.tensor = t, .format = job->weight[t], .is = GPUMEM_IS_OPTIMIZER,
                                     .phases = GPUMEM_TRAINING | GPUMEM_BETWEEN, .merge = GPUMEM_ADD, .counted = 1,
                                     .label = "Optimizer States", .rows = rows, .cols = {1, 1, {0, 0, 0, 0}}};
        ++*n;
    }
    return *n > max ? GPUMEM_ESPACE : GPUMEM_OK;
}

static const gpumem_optimizer_ops ops = {sizeof ops, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_OPTIMIZER, "multiple", "1.0.0", {.optimizer = &ops}};
