/* The walk at one point, told event by event. */
#include "base/error.h"
#include "plan/plan.h"
#include <string.h>

typedef struct teller {
    const gpumem_plan *plan;
    uint64_t live;
    unsigned phase;
    void (*each)(void *self, const gpumem_event *event);
    void *self;
} teller;

static uint64_t bytes_of(const teller *w, const gm_tape *t, uint32_t atom)
{
    const gpumem_count *c = &t->atom[atom].count; /* everything is known: a number */
    uint64_t n = c->num / c->den + (c->num % c->den != 0), r = w->plan->rounding;
    return (n + r - 1) / r * r;
}

static void event(void *self, gm_tape *t, uint32_t storage, int sign)
{
    teller *w = self;
    uint64_t n = bytes_of(w, t, t->storage[storage].atom);
    gpumem_event e = {w->phase, sign, n, 0, t->storage[storage].label};
    w->live = sign > 0 ? w->live + n : w->live - n;
    e.live = w->live;
    w->each(w->self, &e);
}

static void reached(void *self, gm_tape *t, int at)
{
    teller *w = self;
    gpumem_event e = {w->phase, 0, 0, w->live, GPUMEM_NONE};
    (void)t;
    w->each(w->self, &e);
    if (at == GM_AT_HELD)
        w->phase = GPUMEM_BACKWARD;
}

gpumem_status gpumem_plan_trace(const gpumem_plan *plan, const gpumem_point *point, void (*each)(void *self, const gpumem_event *event), void *self,
                                gpumem_error *err)
{
    teller w = {plan, 0, GPUMEM_FORWARD, each, self};
    gm_walk_listener to = {&w, NULL, event, reached};
    gm_walk_job job = plan->walk;
    const gpumem_description *d = &plan->model->d;
    gpumem_result r;
    gm_symbols symbols;
    gpumem_status s;
    if (plan->peaks[0] == NULL)
        return gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the set does not say what its operators keep");
    if ((s = gpumem_plan_evaluate(plan, point, &r, err)) != GPUMEM_OK)
        return s;
    memset(&symbols, 0, sizeof symbols);
    memcpy(symbols.sym, d->sym, d->nsym * sizeof *d->sym);
    symbols.n = d->nsym;
    symbols.known[0] = 1;
    for (uint32_t i = 1; i < d->nsym; i++)
        if (d->sym[i].op == GPUMEM_SYM_INPUT)
            symbols.known[i] = strcmp(d->sym[i].name, "batch") == 0 ? point->batch : strcmp(d->sym[i].name, "tokens") == 0 ? point->tokens : 1;
    gm_symbols_know(&symbols);
    w.live = r.held_for_backward - r.kept;
    job.flags |= GM_WALK_WHOLE;
    return gm_walk_run(&job, &symbols, &to, err);
}
