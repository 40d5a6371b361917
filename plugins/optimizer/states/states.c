/* states - an optimizer as lists of states, by shape.  What has which shape is said in manifests. */
#include <gpumem/plugin.h>

/* Which shape a list of states has, of which tensors, and in which format. */
enum { TENSOR, ROW, COLUMN, SQUARE, BLOCK, LOW_RANK, PROJECTOR, ABSMAX, SCALAR };
enum { NARROW = 1, WIDE = 2, REST = 4 }; /* only where the tensor has 16 bits; f32 where it is f16; of the tensors that are left over */
static const struct list { const char *key; unsigned shape, min_ndim, max_ndim, flags; } lists[] = {
    {"tensor", TENSOR, 0, GPUMEM_MAX_DIMS, 0},
    {"vector", TENSOR, 0, 1, 0},
    {"narrow", TENSOR, 0, GPUMEM_MAX_DIMS, NARROW},
    {"wide", TENSOR, 0, GPUMEM_MAX_DIMS, WIDE},
    {"row", ROW, 2, GPUMEM_MAX_DIMS, 0},
    {"column", COLUMN, 2, GPUMEM_MAX_DIMS, 0},
    {"square", SQUARE, 1, GPUMEM_MAX_DIMS, 0},
    {"block", BLOCK, 1, GPUMEM_MAX_DIMS, 0},
    {"low_rank", LOW_RANK, 2, 2, 0},
    {"projector", PROJECTOR, 2, 2, 0},
    {"absmax", ABSMAX, 0, GPUMEM_MAX_DIMS, 0},
    {"scalar", SCALAR, 0, GPUMEM_MAX_DIMS, 0},
    {"rest", TENSOR, 0, GPUMEM_MAX_DIMS, REST},
    {"rest_scalar", SCALAR, 0, GPUMEM_MAX_DIMS, REST},
};
enum { NLISTS = sizeof lists / sizeof *lists };
static const char *const steps[] = {
    [GPUMEM_STEP_FUSED] = "fused", [GPUMEM_STEP_FOREACH] = "foreach", [GPUMEM_STEP_FOR_LOOP] = "for-loop"};
enum { NSTEPS = sizeof steps / sizeof *steps };

#define LIKE 0xfffeu /* a format: that of the parameter */

typedef struct rules { /* the parameters */
    const gpumem_job *job;
    const gpumem_param *list[NLISTS], *only_ndim, *only_without;
    uint64_t square_ndim, square_limit, block_size, block_limit, rank, absmax_block, small, paged;
    unsigned format, scalar_format, small_format;
    int rank_limited;
    gpumem_claim *out;
    uint32_t max, n;
} rules;

static int trains(const gpumem_job *job, uint32_t tensor)
{
    const gpumem_tensor *t = &job->model->tensor[tensor];
    return t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE && job->needs_grad[tensor];
}

static const gpumem_count one = {1, 1, {0, 0, 0, 0}};

static gpumem_count number(uint64_t n)
{
    gpumem_count c = one;
    c.num = n;
    return c;
}

static gpumem_status product(const gpumem_dim *dim, unsigned n, gpumem_count *out)
{
    unsigned nsym = 0;
    *out = one;
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

/* Elements, where they are a number. */
static gpumem_status elements(const gpumem_tensor *t, uint64_t *n)
{
    gpumem_count c;
    gpumem_status status = product(t->dim, t->ndim, &c);
    *n = c.num;
    return status == GPUMEM_OK && c.sym[0] ? GPUMEM_ERANGE : status;
}

/* The format that a parameter names, LIKE, or 0xffff. */
static unsigned format_of(const gpumem_args *args, const gpumem_job *job, const char *key)
{
    const gpumem_param *p = gpumem_arg(args, key);
    if (!p || p->type != GPUMEM_TYPE_STRING)
        return 0xffff;
    return strcmp(p->v.s, "like") == 0 ? LIKE : gpumem_format_find(job->format, job->nformat, p->v.s);
}

static uint64_t int_of(const gpumem_args *args, const char *key)
{
    const gpumem_param *p = gpumem_arg(args, key);
    return p && p->type == GPUMEM_TYPE_INT && p->v.i > 0 ? (uint64_t)p->v.i : 0;
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

/* Is the tensor one of those that the lists are for, and not of the rest? */
static int chosen(const rules *r, const gpumem_tensor *t)
{
    const char *name = r->job->model->string + t->name;
    int found = !r->only_ndim || r->only_ndim->n == 0;
    for (uint32_t i = 0; !found && i < r->only_ndim->n; i++)
        found = r->only_ndim->v.ints[i] == t->ndim;
    for (uint32_t i = 0; found && r->only_without && i < r->only_without->n; i++)
        found = strstr(name, r->only_without->v.strings[i]) == NULL;
    return found;
}

/* ---- claims ---- */

static void claim(rules *r, uint32_t tensor, unsigned format, const char *label, const gpumem_count *rows, const gpumem_count *cols)
{
    gpumem_claim *o = r->n < r->max ? &r->out[r->n] : NULL;
    r->n++;
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

static void claim_number(rules *r, uint32_t tensor, unsigned format, const char *label, uint64_t rows, uint64_t cols)
{
    gpumem_count a = number(rows), b = number(cols);
    claim(r, tensor, format, label, &a, &b);
}

static gpumem_status squares(rules *r, uint32_t at, unsigned format, const char *label)
{
    const gpumem_tensor *t = &r->job->model->tensor[at];
    gpumem_count d;
    for (unsigned i = 0; i < t->ndim; i++) {
        gpumem_status status = product(&t->dim[i], 1, &d);
        if (status != GPUMEM_OK)
            return status;
        if (!r->square_limit || t->dim[i].size <= r->square_limit)
            claim(r, at, format, label, &d, &d);
    }
    return GPUMEM_OK;
}

/* Neighbours are taken together while their product is at most a block; then each extent is cut into blocks.  Each block
 * has a matrix for each of its extents; if all matrices are alike they are one allocation. */
static gpumem_status blocks(rules *r, uint32_t at, const char *label)
{
    const gpumem_tensor *t = &r->job->model->tensor[at];
    uint64_t extent[GPUMEM_MAX_DIMS + 1], whole[GPUMEM_MAX_DIMS + 1], left[GPUMEM_MAX_DIMS + 1], size = r->block_size, together = 1, n = 1;
    unsigned nd = 0;
    int alike = 1;
    for (unsigned i = 0; i < t->ndim; i++) {
        if (t->dim[i].sym)
            return GPUMEM_ERANGE;
        if (r->block_limit && t->dim[i].size > r->block_limit)
            return GPUMEM_OK;
        if (together * t->dim[i].size > size) {
            extent[nd++] = together;
            together = 1;
        }
        together *= t->dim[i].size;
    }
    extent[nd++] = together;
    if (nd == 1) /* vectors that are no larger than a block */
        return GPUMEM_OK;
    for (unsigned i = 0; i < nd; i++) {
        whole[i] = extent[i] / size;
        left[i] = extent[i] % size;
        if (n > UINT32_MAX / (whole[i] + !!left[i]))
            return GPUMEM_ERANGE;
        n *= whole[i] + !!left[i];
        alike = alike && !(whole[i] && left[i]) && (whole[i] ? size : left[i]) == (whole[0] ? size : left[0]);
    }
    if (alike) {
        uint64_t d = whole[0] ? size : left[0];
        claim_number(r, at, GPUMEM_FORMAT_F32, label, n * nd * d, d);
        return GPUMEM_OK;
    }
    for (unsigned i = 0; i < nd; i++) {
        uint64_t others = n / (whole[i] + !!left[i]);
        for (uint64_t k = 0; k < whole[i] * others; k++)
            claim_number(r, at, GPUMEM_FORMAT_F32, label, size, size);
        for (uint64_t k = 0; left[i] && k < others; k++)
            claim_number(r, at, GPUMEM_FORMAT_F32, label, left[i], left[i]);
    }
    return GPUMEM_OK;
}

static gpumem_status state(rules *r, uint32_t at, const struct list *list, const char *label)
{
    const gpumem_tensor *t = &r->job->model->tensor[at];
    unsigned own = r->job->weight[at], format = r->format;
    const char *name = r->job->format[own].name;
    gpumem_count rows = one, cols = one;
    gpumem_status status = GPUMEM_OK;
    uint64_t n = 0, a = t->ndim ? t->dim[0].size : 1, b = t->ndim > 1 ? t->dim[1].size : 1, rank;
    int half = strcmp(name, "f16") == 0, small;

    if ((list->flags & NARROW) && !half && own != GPUMEM_FORMAT_BF16)
        return GPUMEM_OK;
    if (r->small || r->paged || list->shape == ABSMAX)
        status = elements(t, &n);
    if (status != GPUMEM_OK)
        return status;
    small = n < r->small;
    if (small)
        format = r->small_format;
    if ((list->flags & WIDE) && half)
        format = GPUMEM_FORMAT_F32;
    if (list->shape == SCALAR)
        format = r->scalar_format;
    if (format == LIKE)
        format = own;
    rank = r->rank_limited && r->rank > (a < b ? a : b) ? (a < b ? a : b) : r->rank;

    switch (list->shape) {
    case TENSOR:
        if (!r->paged || n < r->paged)
            claim(r, at, format, label, NULL, NULL);
        return GPUMEM_OK;
    case SQUARE:
        return t->ndim < r->square_ndim ? GPUMEM_OK : squares(r, at, format, label);
    case BLOCK:
        return blocks(r, at, label);
    case LOW_RANK:
    case PROJECTOR:
        if (t->dim[0].sym || t->dim[1].sym)
            return GPUMEM_ERANGE;
        if ((list->shape == LOW_RANK) == (a >= b)) /* the extent that stays has its place */
            claim_number(r, at, format, label, a, rank);
        else
            claim_number(r, at, format, label, rank, b);
        return GPUMEM_OK;
    case ABSMAX:
        if (!small)
            claim_number(r, at, GPUMEM_FORMAT_F32, label, 1, n / r->absmax_block + !!(n % r->absmax_block));
        return GPUMEM_OK;
    case ROW: /* [..., d(k-1), 1] */
        status = product(t->dim, t->ndim - 1u, &rows);
        break;
    case COLUMN: /* [..., 1, d(k)] */
        status = product(t->dim, t->ndim - 2u, &rows);
        if (status == GPUMEM_OK)
            status = product(&t->dim[t->ndim - 1], 1, &cols);
        break;
    }
    claim(r, at, format, label, &rows, &cols);
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
    const gpumem_param *stacked = gpumem_arg(args, "stacked"), *once = gpumem_arg(args, "once"), *refuse = gpumem_arg(args, "refuse"),
                       *limited = gpumem_arg(args, "rank_limited");
    int scalars = in_step(args, job, "scalar_steps"), stacks = in_step(args, job, "stacked_steps"), packed = 0;
    rules r = {.job = job, .out = out, .max = max};

    *n = 0;
    r.format = format_of(args, job, "format");
    r.scalar_format = format_of(args, job, "scalar_format");
    r.small_format = format_of(args, job, "small_format");
    if (r.format == 0xffff || r.scalar_format == 0xffff || r.small_format == 0xffff)
        return gpumem_because(args, GPUMEM_EINVAL, "format, scalar_format, small_format: neither 'like' nor the name of a format");
    if (scalars < 0 || stacks < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "scalar_steps, stacked_steps: not one of fused, foreach, for-loop");
    if (!(job->phases & GPUMEM_TRAINING))
        return GPUMEM_OK;
    if (refuse && refuse->type == GPUMEM_TYPE_STRING)
        return gpumem_because(args, GPUMEM_EUNSUP, refuse->v.s);
    for (unsigned l = 0; l < NLISTS; l++)
        r.list[l] = lists[l].shape == SCALAR && !scalars ? NULL : gpumem_arg(args, lists[l].key);
    r.only_ndim = gpumem_arg(args, "only_ndim");
    r.only_without = gpumem_arg(args, "only_without");
    r.square_ndim = int_of(args, "square_ndim");
    r.square_limit = int_of(args, "square_limit");
    r.block_size = int_of(args, "block_size");
    r.block_limit = int_of(args, "block_limit");
    r.rank = int_of(args, "rank");
    r.rank_limited = limited && limited->v.b;
    r.absmax_block = int_of(args, "absmax_block");
    r.small = int_of(args, "small");
    r.paged = int_of(args, "paged");
    if (!r.block_size || !r.absmax_block)
        return gpumem_because(args, GPUMEM_EINVAL, "block_size, absmax_block: less than 1");

    for (uint32_t t = 0; t < m->ntensor; t++) {
        uint32_t before = r.n;
        unsigned rest;
        if (!trains(job, t))
            continue;
        rest = chosen(&r, &m->tensor[t]) ? 0 : REST;
        for (unsigned l = 0; l < NLISTS; l++) {
            const struct list *list = &lists[l];
            if (!r.list[l] || (list->flags & REST) != rest || m->tensor[t].ndim < list->min_ndim || m->tensor[t].ndim > list->max_ndim)
                continue;
            before = r.n;
            for (uint32_t i = 0; i < r.list[l]->n; i++)
                if (state(&r, t, list, r.list[l]->v.strings[i]) != GPUMEM_OK)
                    return gpumem_because(args, GPUMEM_ERANGE, "a state is too large to count");
            packed |= list->shape == ABSMAX && r.n > before;
        }
    }
    for (uint32_t f = 0; stacks && stacked && f < job->nformat; f++) {
        uint64_t each = trainable(job, f);
        for (uint32_t i = 0; each && i < stacked->n; i++)
            claim_number(&r, GPUMEM_NONE, f, stacked->v.strings[i], 1, each);
    }
    for (uint32_t i = 0; packed && once && i < once->n; i++)
        claim_number(&r, GPUMEM_NONE, GPUMEM_FORMAT_F32, once->v.strings[i], 1, int_of(args, "once_size"));
    *n = r.n;
    return r.n > max ? GPUMEM_ESPACE : GPUMEM_OK;
}

static const gpumem_optimizer_ops ops = {sizeof ops, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_OPTIMIZER, "states", "1.0.0", {.optimizer = &ops}};
