/* The walk at one point, told event by event, and what its peak is made of. */
#include "base/error.h"
#include "plan/plan.h"
#include <stdlib.h>
#include <string.h>

typedef struct teller {
    const gpumem_plan *plan;
    uint64_t live;
    unsigned phase;
    bool ended;
    int (*each)(void *self, const gpumem_event *event);
    void *self;
} teller;

static uint64_t bytes_of(const teller *w, const gm_tape *t, uint32_t atom)
{
    const gpumem_count *c = &t->atom[atom].count; /* everything is known: a number */
    uint64_t n = c->num / c->den + (c->num % c->den != 0), r = w->plan->rounding;
    return (n + r - 1) / r * r;
}

/* Whether the walk ends here; of what no rule fits the description goes on. */
static bool given_up(const gm_tape *t)
{
    return t->failed && t->status != GPUMEM_EINVAL;
}

static void tell(teller *w, gm_tape *t, uint32_t storage, int sign)
{
    const gm_storage *s = &t->storage[storage];
    gpumem_event e = {w->phase, sign, s->is, t->label, t->position, s->label, bytes_of(w, t, s->atom), 0};
    if (w->ended || given_up(t))
        return;
    w->live = sign > 0 ? w->live + e.bytes : sign < 0 ? w->live - e.bytes : w->live;
    e.live = w->live;
    if (w->each(w->self, &e)) {
        w->ended = true;
        gm_tape_fail(t, GPUMEM_EINTERNAL, "the listener has heard enough");
    }
}

static void event(void *self, gm_tape *t, uint32_t storage, int sign)
{
    tell(self, t, storage, sign);
}

static void turned(void *self, gm_tape *t, uint32_t storage)
{
    tell(self, t, storage, 0);
}

static void reached(void *self, gm_tape *t, int at)
{
    teller *w = self;
    gpumem_event e = {.phase = w->phase, .op = GPUMEM_NONE, .maker = GPUMEM_NONE, .position = t->position, .live = w->live};
    if (w->ended || given_up(t) || at == GM_AT_RETURNED)
        return;
    w->ended = w->each(w->self, &e) != 0;
    w->phase = w->phase & GPUMEM_INFERENCE ? GPUMEM_DECODE : GPUMEM_BACKWARD;
}

/* What lives all the time. */
static uint64_t always(const gpumem_plan *plan, const gpumem_result *r)
{
    uint64_t n = 0;
    if (plan->request.mode != GPUMEM_MODE_INFERENCE)
        return r->held_for_backward - r->kept;
    for (uint32_t i = 0; i < plan->nline; i++)
        if (!plan->line[i].sub)
            n += r->line[i];
    return n;
}

gpumem_status gpumem_plan_trace(const gpumem_plan *plan, const gpumem_point *point, int (*each)(void *self, const gpumem_event *event), void *self,
                                gpumem_error *err)
{
    teller w = {plan, 0, plan->request.mode == GPUMEM_MODE_INFERENCE ? GPUMEM_PREFILL : GPUMEM_FORWARD, false, each, self};
    gm_walk_listener to = {.self = &w, .event = event, .turned = turned, .reached = reached};
    gm_walk_job job = plan->walk;
    const gpumem_description *d = &plan->model->d;
    gpumem_result r;
    gm_symbols symbols;
    gpumem_error own = {0};
    gpumem_status s;
    if (plan->block) /* the engine's own cache, and at most a part of the tokens at once */
        return gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "what the engine '%s' runs is not known operator by operator", plan->request.engine);
    if (plan->walk.rules == NULL || !plan->complete)
        return plan->walk.rules && *plan->warning ? gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "%s", plan->warning)
                                                  : gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "the set does not say what its operators make, one by one");
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
    w.live = always(plan, &r);
    job.flags |= GM_WALK_WHOLE;
    s = gm_walk_run(&job, &symbols, &to, &own);
    if (w.ended) /* which is no error */
        return GPUMEM_OK;
    if (s != GPUMEM_OK && err)
        *err = own;
    return s;
}

/* ---- the peak ---- */

typedef struct finder {
    uint64_t best, at, event; /* the highest so far, the number of its event, and of this one */
    gpumem_share *share;      /* by operator, twice: activations, gradients; NULL: the first pass */
    const gpumem_description *d;
    gpumem_moment *out;
} finder;

static int find(void *self, const gpumem_event *e)
{
    finder *f = self;
    f->event++;
    if (e->sign > 0 && e->live > f->best) {
        f->best = e->live;
        f->at = f->event;
    }
    return 0;
}

static int gather(void *self, const gpumem_event *e)
{
    finder *f = self;
    f->event++;
    if (e->maker < f->d->nop) {
        gpumem_share *s = &f->share[e->maker * 2], *to = s + (e->is == GPUMEM_IS_GRADIENTS);
        if (e->sign == 0) { /* no longer what it was made as */
            s->bytes -= e->bytes;
            s->count--;
        }
        to->bytes = e->sign >= 0 ? to->bytes + e->bytes : to->bytes - e->bytes;
        to->count = e->sign >= 0 ? to->count + 1 : to->count - 1;
    }
    if (f->event < f->at)
        return 0;
    f->out->phase = e->phase;
    f->out->op = e->op;
    f->out->layer = f->d->block[f->d->sequence[e->position]].layer == GPUMEM_NONE ? GPUMEM_NONE : e->position;
    f->out->bytes = e->live;
    return 1;
}

static int by_bytes(const void *a, const void *b)
{
    const gpumem_share *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : x->op < y->op ? -1 : x->op > y->op;
}

gpumem_status gpumem_plan_peak(const gpumem_plan *plan, const gpumem_point *point, gpumem_moment *out, gpumem_share *share, size_t max,
                               gpumem_error *err)
{
    const gpumem_description *d = &plan->model->d;
    finder f = {.d = d, .out = out};
    gpumem_result r;
    gpumem_status s;
    memset(out, 0, sizeof *out);
    if ((s = gpumem_plan_evaluate(plan, point, &r, err)) != GPUMEM_OK)
        return s;
    if (plan->walk.rules && r.phase[2] >= r.phase[0] && r.phase[2] >= r.phase[1]) {
        *out = (gpumem_moment){.phase = GPUMEM_STEP, .op = GPUMEM_NONE, .layer = GPUMEM_NONE, .bytes = r.phase[2]};
        return GPUMEM_OK;
    }
    if ((s = gpumem_plan_trace(plan, point, find, &f, err)) != GPUMEM_OK)
        return s;
    f.share = calloc(d->nop * 2u + 1, sizeof *f.share);
    if (f.share == NULL)
        return gm_no_memory(err);
    f.event = 0;
    s = gpumem_plan_trace(plan, point, gather, &f, err);
    for (uint32_t i = 0; i < d->nop * 2; i++) {
        f.share[i].op = i / 2;
        f.share[i].is = i & 1 ? GPUMEM_IS_GRADIENTS : GPUMEM_IS_ACTIVATIONS;
        *(i & 1 ? &out->gradients : &out->activations) += f.share[i].bytes;
    }
    qsort(f.share, d->nop * 2u, sizeof *f.share, by_bytes);
    while (out->nshare < max && out->nshare < d->nop * 2u && f.share[out->nshare].bytes) {
        share[out->nshare] = f.share[out->nshare];
        out->nshare++;
    }
    free(f.share);
    return s;
}
