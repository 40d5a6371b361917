/* classic - activations, cache and inputs by closed formulas over a model's sizes.  All constants are parameters. */
#include <gpumem/plugin.h>

#define DECIMALS 1000000u /* of a constant that count: 6 */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* a * b and a + b as fractions in lowest terms; false if they do not fit. */
static int times(gpumem_count *a, uint64_t num, uint64_t den)
{
    uint64_t f = gcd(num, den), g, h;
    num /= f; /* den is not 0, so f is not */
    den /= f;
    g = gcd(a->num, den);
    h = gcd(num, a->den);
    if (g) {
        a->num /= g;
        den /= g;
    }
    if (h) {
        num /= h;
        a->den /= (uint32_t)h;
    }
    if ((num && a->num > UINT64_MAX / num) || den > UINT32_MAX / a->den)
        return 0;
    a->num *= num;
    a->den *= (uint32_t)den;
    return 1;
}

static int plus(gpumem_count *a, const gpumem_count *b)
{
    uint64_t g = gcd(a->den, b->den), x = b->den / g, y = a->den / g;
    if (a->num > UINT64_MAX / x || b->num > UINT64_MAX / y || a->num * x > UINT64_MAX - b->num * y || a->den * x > UINT32_MAX)
        return 0;
    a->num = a->num * x + b->num * y;
    a->den *= (uint32_t)x;
    g = gcd(a->num, a->den);
    a->num /= g;
    a->den /= (uint32_t)g;
    return 1;
}

/* constant * size; a constant is a real parameter, read to six decimals. */
static int part(const gpumem_args *args, const char *constant, int64_t size, gpumem_count *out)
{
    const gpumem_param *p = gpumem_arg(args, constant);
    double r = p ? p->type == GPUMEM_TYPE_INT ? (double)p->v.i : p->v.r : -1;
    if (!(r >= 0 && r <= DECIMALS) || size < 0)
        return 0;
    *out = (gpumem_count){1, 1, {0, 0, 0, 0}};
    return times(out, (uint64_t)(r * DECIMALS + 0.5), DECIMALS) && times(out, (uint64_t)size, 1);
}

static int64_t dim(const gpumem_description *m, const char *name)
{
    for (uint32_t i = 0; i < m->ndim; i++)
        if (strcmp(m->dim[i].name, name) == 0)
            return m->dim[i].value;
    return -1;
}

static uint8_t input(const gpumem_description *m, const char *name) /* 0: there is none */
{
    for (uint32_t i = 1; i < m->nsym; i++)
        if (m->sym[i].op == GPUMEM_SYM_INPUT && m->sym[i].name && strcmp(m->sym[i].name, name) == 0)
            return (uint8_t)i;
    return 0;
}

enum { ACTIVATIONS, CACHE, EMBEDDINGS, INPUT, TEMPORARIES, NLINES };
static const struct { unsigned is, phases, a_token; const char *label; } lines[NLINES] = { /* in the order of the table */
    [ACTIVATIONS] = {GPUMEM_IS_ACTIVATIONS, GPUMEM_TRAINING, 1, "Activations"},
    [CACHE] = {GPUMEM_IS_CACHE, GPUMEM_INFERENCE, 1, "KV Cache"},
    [EMBEDDINGS] = {GPUMEM_IS_EXTRA, GPUMEM_TRAINING | GPUMEM_INFERENCE, 0, "Embeddings"},
    [INPUT] = {GPUMEM_IS_INPUT, GPUMEM_TRAINING | GPUMEM_INFERENCE, 1, "Input Data"},
    [TEMPORARIES] = {GPUMEM_IS_TEMPORARIES, GPUMEM_INFERENCE, 1, "Temp Activations"},
};

/* Elements of each line; for all but the embeddings, of one token of one sequence. */
static int sizes(const gpumem_args *args, const gpumem_job *job, int64_t hidden, int64_t layers, int64_t vocab, gpumem_count *out)
{
    int64_t wide = dim(job->model, "intermediate");
    gpumem_count mlp, factor, *a = &out[ACTIVATIONS], *t = &out[TEMPORARIES];
    int ok = (wide > 0 ? part(args, "activations_per_intermediate", wide, &mlp)
                       : part(args, "intermediate_per_hidden", hidden, &mlp) && part(args, "activations_per_intermediate", 1, &factor) &&
                             times(&mlp, factor.num, factor.den)) &&
             part(args, "activations_per_hidden", hidden, a) && plus(a, &mlp) && times(a, (uint64_t)layers, 1);
    if (ok) {
        *t = *a;
        ok = part(args, "temporaries", 1, &factor) && times(t, factor.num, factor.den);
    }
    if (ok && job->flags & GPUMEM_JOB_CHECKPOINTING)
        ok = part(args, "checkpointing", 1, &factor) && times(a, factor.num, factor.den);
    return ok && part(args, "cache_per_hidden", hidden, &out[CACHE]) && times(&out[CACHE], (uint64_t)layers, 1) &&
           part(args, "embeddings_per_hidden", hidden, &out[EMBEDDINGS]) && times(&out[EMBEDDINGS], (uint64_t)vocab, 1) &&
           part(args, "input_per_hidden", hidden, &out[INPUT]);
}

static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    const gpumem_description *m = job->model;
    const gpumem_count one = {1, 1, {0, 0, 0, 0}};
    int64_t hidden = dim(m, "hidden"), layers = dim(m, "layers"), vocab = dim(m, "vocab");
    uint8_t batch = input(m, "batch"), tokens = input(m, "tokens");
    gpumem_count size[NLINES];
    uint32_t first = 0;

    *n = 0;
    if (hidden < 0 || layers < 0 || vocab < 0)
        return gpumem_because(args, GPUMEM_EUNSUP, "the classic formulas need hidden, layers and vocab of the model");
    if (!batch || !tokens)
        return gpumem_because(args, GPUMEM_EUNSUP, "the classic formulas need a model with the inputs batch and tokens");
    while (first < m->ntensor && (m->tensor[first].role != GPUMEM_ROLE_WEIGHT || m->tensor[first].dtype != GPUMEM_DTYPE_MODEL))
        first++;
    if (first == m->ntensor)
        return gpumem_because(args, GPUMEM_EUNSUP, "no weight of the model follows the precision");
    if (!sizes(args, job, hidden, layers, vocab, size))
        return gpumem_because(args, GPUMEM_ERANGE, "a size of the classic formulas does not fit");

    for (unsigned l = 0; l < NLINES; l++) {
        unsigned phases = lines[l].phases & job->phases;
        if (!phases || (l == CACHE && !(job->flags & GPUMEM_JOB_CACHE)))
            continue;
        if (lines[l].a_token) {
            size[l].sym[0] = batch;
            size[l].sym[1] = tokens;
        }
        if (*n < max)
            out[*n] = (gpumem_claim){.tensor = GPUMEM_NONE, .format = job->weight[first], .is = (uint8_t)lines[l].is,
                                     .phases = (uint8_t)phases, .merge = GPUMEM_ADD, .counted = 1, .label = lines[l].label,
                                     .rows = size[l], .cols = one};
        ++*n;
    }
    return *n > max ? GPUMEM_ESPACE : GPUMEM_OK;
}

static const gpumem_activation_ops ops = {sizeof ops, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_ACTIVATION, "classic", "1.0.0", {.activation = &ops}};
