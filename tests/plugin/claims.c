/* An optimizer that claims what its parameter `what` says: for tests of how claims are checked, folded and evaluated. */
#include <gpumem/plugin.h>

#define TRAINING GPUMEM_TRAINING
static const gpumem_count one = {1, 1, {0, 0, 0, 0}};

static gpumem_count count(uint64_t num, uint32_t den, unsigned sym)
{
    gpumem_count c = {num, den, {(uint8_t)sym, 0, 0, 0}};
    return c;
}

static gpumem_claim *put(gpumem_claim *out, uint32_t max, uint32_t *n)
{
    static gpumem_claim beyond;
    gpumem_claim *c = *n < max ? &out[*n] : &beyond;
    ++*n;
    *c = (gpumem_claim){.tensor = GPUMEM_NONE, .format = GPUMEM_FORMAT_F32, .is = GPUMEM_IS_TEMPORARIES, .phases = GPUMEM_STEP, .merge = GPUMEM_ADD,
                        .counted = 1, .rows = {1, 1, {0, 0, 0, 0}}, .cols = {1, 1, {0, 0, 0, 0}}};
    return c;
}

static uint32_t first_of_layers(const gpumem_description *d)
{
    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = d->block[b].tensor0; d->block[b].layer != GPUMEM_NONE && i < d->block[b].tensor0 + d->block[b].ntensor; i++)
            if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT)
                return i;
    return GPUMEM_NONE;
}

static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    static const char *const labels[] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4", "b5", "b6",
        "b7", "b8", "b9", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9",
        "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"};
    const char *what = gpumem_arg(args, "what")->v.s;
    uint16_t wide = gpumem_format_find(job->format, job->nformat, "two");
#define IS(name) (strcmp(what, name) == 0)
    *n = 0;
    if (IS("bad part"))
        put(out, max, n)->is = 99;
    else if (IS("bad merge"))
        put(out, max, n)->merge = 9;
    else if (IS("no phase"))
        put(out, max, n)->phases = 0;
    else if (IS("bad phase"))
        put(out, max, n)->phases = 64;
    else if (IS("bad format"))
        put(out, max, n)->format = 999;
    else if (IS("bad tensor"))
        put(out, max, n)->tensor = 1u << 30;
    else if (IS("no denominator"))
        put(out, max, n)->rows.den = 0;
    else if (IS("bad symbol"))
        put(out, max, n)->cols.sym[3] = 200;
    else if (IS("no size"))
        put(out, max, n)->counted = 0;
    else if (IS("no label"))
        put(out, max, n)->is = GPUMEM_IS_EXTRA;
    else if (IS("empty label"))
        *put(out, max, n) = (gpumem_claim){.tensor = GPUMEM_NONE, .is = GPUMEM_IS_EXTRA, .phases = 1, .counted = 1, .label = "", .rows = one, .cols = one};
    else if (IS("too many")) {
        *n = max + 1;
    } else if (IS("never enough")) {
        *n = max + 1;
        return GPUMEM_ESPACE;
    } else if (IS("unsupported")) {
        return gpumem_because(args, GPUMEM_EUNSUP, "not this one");
    } else if (IS("invalid")) {
        return gpumem_because(args, GPUMEM_EINVAL, "not so");
    } else if (IS("failed")) {
        return GPUMEM_EINVAL;
    } else if (IS("nonsense")) {
        return (gpumem_status)77;
    } else if (IS("long reason")) {
        memset(args->why, 'y', args->nwhy);
        return GPUMEM_EUNSUP;
    } else if (IS("lines")) {
        for (unsigned i = 0; i < sizeof labels / sizeof *labels; i++) {
            gpumem_claim *c = put(out, max, n);
            c->is = GPUMEM_IS_EXTRA;
            c->label = labels[i];
        }
    } else if (IS("details")) {
        for (unsigned i = 0; i < sizeof labels / sizeof *labels; i++)
            put(out, max, n)->label = labels[i];
    } else if (IS("many")) { /* more than there is room for at first */
        for (unsigned i = 0; i < 5000; i++)
            put(out, max, n)->rows = count(2, 1, 0);
        return *n > max ? GPUMEM_ESPACE : GPUMEM_OK;
    } else if (IS("huge")) {
        gpumem_claim *c = put(out, max, n);
        c->rows = c->cols = count(1ull << 63, 1, 0);
    } else if (IS("huge sum")) {
        for (unsigned i = 0; i < 5; i++)
            put(out, max, n)->rows = count(1ull << 60, 1, 0);
    } else if (IS("tokens")) {
        gpumem_claim *c = put(out, max, n);
        c->rows = (gpumem_count){3, 2, {1, 2, 0, 0}};
    } else if (IS("fourth power")) {
        gpumem_claim *c = put(out, max, n);
        c->rows = (gpumem_count){1, 1, {2, 2, 2, 2}};
        c->cols = c->rows;
    } else if (IS("peak")) {
        put(out, max, n)->rows = count(7, 1, 0);
        for (unsigned i = 1; i <= 3; i++) {
            gpumem_claim *c = put(out, max, n);
            c->merge = GPUMEM_PEAK;
            c->rows = count(100 * (i == 2 ? 4 : i), 1, 0);
        }
        for (unsigned i = 1; i <= 2; i++) {
            gpumem_claim *c = put(out, max, n);
            c->merge = GPUMEM_PEAK;
            c->rows = count(10 * i, 1, 2);
        }
    } else if (IS("peak of parts")) {
        for (unsigned i = 1; i <= 2; i++) {
            gpumem_claim *c = put(out, max, n);
            c->merge = GPUMEM_PEAK;
            c->format = wide;
            c->rows = count(10 * i, 1, 0);
            c = put(out, max, n);
            c->merge = GPUMEM_PEAK;
            c->format = wide;
            c->rows = count(i, 1, 2);
        }
    } else if (IS("phases")) {
        for (unsigned i = 0; i < 3; i++) {
            gpumem_claim *c = put(out, max, n);
            c->phases = (uint8_t)(1u << i);
            c->rows = count(10 * (i + 1), 1, 0);
        }
        put(out, max, n)->phases = TRAINING;
    } else if (IS("layers")) { /* once for each layer */
        gpumem_claim *c = put(out, max, n);
        c->tensor = first_of_layers(job->model);
        c->rows = count(5, 1, 0);
        c = put(out, max, n);
        c->tensor = first_of_layers(job->model);
        c->counted = 0;
        c->label = "as it is";
    } else
        return gpumem_because(args, GPUMEM_EINVAL, "what?");
    return GPUMEM_OK;
}

static const gpumem_optimizer_ops ops = {sizeof ops, account};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_OPTIMIZER, "claims", "1.0.0", {.optimizer = &ops}};
