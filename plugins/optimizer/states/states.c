/* states - an optimizer as lists of states, by shape.  What has which shape is said in manifests. */
#include <gpumem/plugin.h>

/* Which tensors a list of states is for; square is one for each dimension. */
enum { TENSOR, VECTOR, ROW, COLUMN, SQUARE, SCALAR, NSHAPES };
static const struct { const char *key; unsigned min_ndim, max_ndim; } shapes[NSHAPES] = {
    [TENSOR] = {"tensor", 0, GPUMEM_MAX_DIMS}, [VECTOR] = {"vector", 0, 1},
    [ROW] = {"row", 2, GPUMEM_MAX_DIMS},       [COLUMN] = {"column", 2, GPUMEM_MAX_DIMS},
    [SQUARE] = {"square", 1, GPUMEM_MAX_DIMS}, [SCALAR] = {"scalar", 0, GPUMEM_MAX_DIMS},
};
static const char *const steps[] = {
    [GPUMEM_STEP_FUSED] = "fused", [GPUMEM_STEP_FOREACH] = "foreach", [GPUMEM_STEP_FOR_LOOP] = "for-loop"};
enum { NSTEPS = sizeof steps / sizeof *steps };

#define LIKE 0xfffeu /* a format: that of the parameter */

static int trains(const gpumem_job *job, uint32_t tensor)
{
    const gpumem_tensor *t = &job->model->tensor[tensor];
    return t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE && job->needs_grad[tensor];
}

static gpumem_status product(const gpumem_dim *dim, unsigned n, gpumem_count *out)
{
    unsigned nsym = 0;
    *out = (gpumem_count){1, 1, {0, 0, 0, 0}};
    for (unsigned i = 0; i < n; i++) {
        if (dim[i].size && out->num > UINT64_MAX / dim[i].size)
            return GPUMEM_ERANGE;
        out->num *= dim[i].size;
        if (dim[i].sym) {
            if (nsym == sizeof out->sym)
                return GPUMEM_ERANGE;
            out->sym[nsym++] = dim[i].sym;
        }
    }
    return GPUMEM_OK;
}

/* The format that a parameter names, LIKE, or 0xffff. */
static unsigned format_of(const gpumem_args *args, const gpumem_job *job, const char *key)
{
    const gpumem_param *p = gpumem_arg(args, key);
    if (!p || p->type != GPUMEM_TYPE_STRING)
        return 0xffff;
    return strcmp(p->v.s, "like") == 0 ? LIKE : gpumem_format_find(job->format, job->nformat, p->v.s);
}

/* Is the job's form of the step in the list?  -1: the list has a name that is none. */
static int in_step(const gpumem_args *args, const gpumem_job *job, const char *key)
{
    const gpumem_param *p = gpumem_arg(args, key);
    int found = 0;
    for (uint32_t i = 0; p && i < p->n; i++) {
        unsigned s = 0;
        while (s < NSTEPS && strcmp(p->v.strings[i], steps[s]) != 0)
            s++;
        if (s == NSTEPS)
            return -1;
        found |= s == job->step;
    }
    return found;
}

typedef struct { gpumem_claim *out; uint32_t max, n; } claims;

static void claim(claims *c, uint32_t tensor, unsigned format, const char *label, const gpumem_count *rows, const gpumem_count *cols)
{
    gpumem_claim *o = c->n < c->max ? &c->out[c->n] : NULL;
    c->n++;
    if (!o)
        return;
    memset(o, 0, sizeof *o);
    o->tensor = tensor;
    o->format = (uint16_t)format;
    o->is = GPUMEM_IS_OPTIMIZER;
    o->phases = GPUMEM_TRAINING | GPUMEM_BETWEEN;
    o->merge = GPUMEM_ADD;
    o->label = label;
    o->rows.den = o->cols.den = 1;
    if (rows) {
        o->counted = 1;
        o->rows = *rows;
        o->cols = *cols;
    }
}

static gpumem_status of_tensor(claims *c, const gpumem_tensor *t, uint32_t at, unsigned shape, unsigned format, const char *label)
{
    gpumem_count rows = {1, 1, {0, 0, 0, 0}}, cols = rows;
    gpumem_status status = GPUMEM_OK;
    switch (shape) {
    case TENSOR:
    case VECTOR:
        claim(c, at, format, label, NULL, NULL);
        return GPUMEM_OK;
    case SQUARE:
        for (unsigned d = 0; d < t->ndim && status == GPUMEM_OK; d++) {
            status = product(&t->dim[d], 1, &rows);
            claim(c, at, format, label, &rows, &rows);
        }
        return status;
    case ROW: /* [..., d(k-1), 1] */
        status = product(t->dim, t->ndim - 1u, &rows);
        break;
    case COLUMN: /* [..., 1, d(k)] */
        status = product(t->dim, t->ndim - 2u, &rows);
        if (status == GPUMEM_OK)
            status = product(&t->dim[t->ndim - 1], 1, &cols);
        break;
    }
    claim(c, at, format, label, &rows, &cols);
    return status;
}

/* Trainable tensors of a model whose weights have this format, each as often as it exists. */
static uint64_t trainable(const gpumem_job *job, unsigned format)
{
    const gpumem_description *m = job->model;
    uint64_t n = 0;
    for (const gpumem_block *b = m->block; b < m->block + m->nblock; b++)
        for (uint32_t t = b->tensor0; t < b->tensor0 + b->ntensor; t++)
            if (trains(job, t) && job->weight[t] == format)
                n += m->tensor[t].scope == GPUMEM_SCOPE_MODEL ? 1 : b->count;
    return n;
}

static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    const gpumem_description *m = job->model;
    const gpumem_param *list[NSHAPES], *stacked = gpumem_arg(args, "stacked");
    unsigned format = format_of(args, job, "format"), scalar = format_of(args, job, "scalar_format");
    int scalars = in_step(args, job, "scalar_steps"), stacks = in_step(args, job, "stacked_steps");
    claims c = {out, max, 0};

    *n = 0;
    if (format == 0xffff || scalar == 0xffff)
        return gpumem_because(args, GPUMEM_EINVAL, "format, scalar_format: neither 'like' nor the name of a format");
    if (scalars < 0 || stacks < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "scalar_steps, stacked_steps: not one of fused, foreach, for-loop");
    if (!(job->phases & GPUMEM_TRAINING))
        return GPUMEM_OK;
    for (unsigned s = 0; s < NSHAPES; s++)
        list[s] = s == SCALAR && !scalars ? NULL : gpumem_arg(args, shapes[s].key);

    for (uint32_t t = 0; t < m->ntensor; t++)
        for (unsigned s = 0; s < NSHAPES && trains(job, t); s++) {
            unsigned f = s == SCALAR ? scalar : format, nd = m->tensor[t].ndim;
            if (!list[s] || nd < shapes[s].min_ndim || nd > shapes[s].max_ndim)
                continue;
            for (uint32_t i = 0; i < list[s]->n; i++) {
                gpumem_status status = of_tensor(&c, &m->tensor[t], t, s, f == LIKE ? job->weight[t] : f, list[s]->v.strings[i]);
                if (status != GPUMEM_OK)
                    return gpumem_because(args, status, "a state is too large to count");
            }
        }
    for (uint32_t f = 0; stacks && stacked && f < job->nformat; f++) {
        gpumem_count one = {1, 1, {0, 0, 0, 0}}, each = {trainable(job, f), 1, {0, 0, 0, 0}};
        for (uint32_t i = 0; each.num && i < stacked->n; i++)
            claim(&c, GPUMEM_NONE, f, stacked->v.strings[i], &one, &each);
    }
    *n = c.n;
    return c.n > max ? GPUMEM_ESPACE : GPUMEM_OK;
}

static const gpumem_optimizer_ops ops = {sizeof ops, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_OPTIMIZER, "states", "1.0.0", {.optimizer = &ops}};
