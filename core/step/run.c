#include "step/run_private.h"
#include <string.h>

#define ALL GM_OPT_NONE

/* ---- names ---- */

static void drop(gm_opt_runner *r, uint32_t name)
{
    gm_opt_value old = r->name[name];
    r->name[name] = gm_opt_nothing();
    gm_opt_release(&r->memory, old);
}

/* Takes v.  In a loop over the lists, what is given to a list's name takes its tensor's place. */
static void assign(gm_opt_runner *r, uint32_t name, gm_opt_value v)
{
    gm_opt_value *at = &r->name[name], old = *at;
    if (r->each && old.is == GM_OPT_IS_LIST && old.v.list->whole) {
        if (v.is != GM_OPT_IS_TENSOR || r->at >= old.v.list->n) {
            gm_opt_failed(r, 0, "'%s' is a list of tensors", r->program->name[name]);
            return;
        }
        at = &old.v.list->entry[r->at].value;
        old = *at;
        gm_opt_multiply(&r->memory, v, r->times);
    }
    *at = v;
    gm_opt_release(&r->memory, old);
}

/* Looks at one of the parameters, or, NULL, at none. */
static void look_at(gm_opt_runner *r, const gm_opt_item *item)
{
    r->times = item ? item->times : 1;
    r->memory.quiet = r->times > 1;
    r->memory.pass++;
}

/* ---- statements ---- */

static void assignment(gm_opt_runner *r, const gm_opt_line *l)
{
    gm_opt_value v[GM_OPT_TARGETS];
    unsigned n = 0;
    if (l->nvalue == 1)
        n = gm_opt_eval_all(r, l->value[0], v);
    for (; l->nvalue > 1 && n < l->nvalue && !r->bad; n++)
        v[n] = gm_opt_eval(r, l->value[n]);
    for (unsigned i = 0; !r->bad && i < n; i++)
        assign(r, l->name[i], v[i]);
}

static void statement(gm_opt_runner *r, const gm_opt_line *l)
{
    gm_opt_value v[GM_OPT_TARGETS];
    unsigned n = gm_opt_eval_all(r, l->value[0], v);
    while (!r->bad && n-- > 0)
        gm_opt_release(&r->memory, v[n]);
}

static bool added(gm_opt_runner *r, gm_opt_list *list, uint32_t expr, bool own)
{
    gm_opt_value v = gm_opt_eval(r, expr);
    if (r->bad)
        return false;
    if (v.is != GM_OPT_IS_TENSOR)
        return gm_opt_failed(r, 0, "only tensors can be in a list");
    if (own)
        gm_opt_multiply(&r->memory, v, r->times);
    gm_opt_list_add(&r->memory, list, v, own ? r->times : 1);
    return gm_opt_good(r, 0);
}

static gm_opt_list *new_list(gm_opt_runner *r)
{
    gm_opt_list *list = gm_opt_list_new(&r->memory, r->lists);
    return gm_opt_good(r, 0) ? list : NULL;
}

static void append(gm_opt_runner *r, const gm_opt_line *l)
{
    gm_opt_value v = r->name[l->name[0]];
    if (v.is != GM_OPT_IS_LIST) {
        gm_opt_failed(r, 0, "'%s' is no list here", r->program->name[l->name[0]]);
        return;
    }
    gm_opt_keep(v);
    if (added(r, v.v.list, l->value[0], r->each))
        gm_opt_release(&r->memory, v);
}

static void make_list(gm_opt_runner *r, const gm_opt_line *l)
{
    gm_opt_list *list = r->each ? NULL : new_list(r);
    if (r->each)
        gm_opt_failed(r, 0, "list() is a loop over the lists itself");
    if (r->bad)
        return;
    r->each = true;
    for (r->at = 0; r->at < r->nchosen; r->at++) {
        look_at(r, r->chosen[r->at]);
        if (!added(r, list, l->value[0], true))
            return;
    }
    r->each = false;
    look_at(r, NULL);
    assign(r, l->name[0], gm_opt_of_list(list));
}

static void perform(gm_opt_runner *r, const gm_opt_line *l)
{
    gm_opt_list *list;
    switch (l->kind) {
    case GM_OPT_ASSIGN: assignment(r, l); return;
    case GM_OPT_DO: statement(r, l); return;
    case GM_OPT_APPEND: append(r, l); return;
    case GM_OPT_LIST: make_list(r, l); return;
    case GM_OPT_EMPTY:
        if ((list = new_list(r)) != NULL)
            assign(r, l->name[0], gm_opt_of_list(list));
        return;
    default:
        for (uint32_t i = 0; i < l->nname; i++)
            drop(r, l->name[i]);
    }
}

/* ---- lines with what stands in front of them ---- */

static void lines(gm_opt_runner *r, const gm_opt_line *l, uint32_t n, unsigned depth);

static void each(gm_opt_runner *r, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    if (r->each) {
        gm_opt_failed(r, 0, "each: within each:");
        return;
    }
    for (uint32_t i = 0; !r->bad && i < r->nchosen; i++) {
        r->each = true;
        r->at = i;
        look_at(r, r->chosen[i]);
        lines(r, l, n, depth);
    }
    r->each = false;
    look_at(r, NULL);
}

static void dimensions(gm_opt_runner *r, uint32_t of, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    const gm_opt_tensor *t = gm_opt_lookup_tensor(r, of, 0);
    unsigned ndim = t ? t->ndim : 0;
    for (unsigned d = 0; !r->bad && d < ndim; d++) {
        assign(r, GM_OPT_D, gm_opt_number(d));
        lines(r, l, n, depth);
    }
    drop(r, GM_OPT_D);
}

static void blocks(gm_opt_runner *r, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    const gm_opt_tensor *p = gm_opt_lookup_tensor(r, GM_OPT_P, 0);
    gm_opt_value f;
    gm_opt_blocks b;
    uint64_t extent[GM_OPT_MAX_DIMS + 1];
    if (p == NULL)
        return;
    gm_opt_blocks_at(r, p, &b);
    if (b.n == 0 || (f = gm_opt_lookup(r, GM_OPT_F, 0)).is != GM_OPT_IS_TENSOR) {
        if (b.n)
            gm_opt_failed(r, 0, "'f' is no tensor here");
        return;
    }
    gm_opt_keep(f);
    gm_opt_blocks_at(r, f.v.tensor, &b);
    for (uint64_t i = 0; !r->bad && i < gm_opt_blocks_count(&b); i++) {
        gm_opt_block_at(&b, i, extent);
        gm_opt_value v = gm_opt_of_tensor(gm_opt_view(&r->memory, f.v.tensor, b.n, extent, b.stride));
        if (!gm_opt_good(r, 0))
            return;
        assign(r, GM_OPT_B, v);
        lines(r, l, n, depth);
    }
    drop(r, GM_OPT_B);
    gm_opt_release(&r->memory, f);
}

static void cuts(gm_opt_runner *r, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    const gm_opt_tensor *p = gm_opt_lookup_tensor(r, GM_OPT_P, 0);
    gm_opt_blocks b;
    if (p == NULL)
        return;
    gm_opt_blocks_at(r, p, &b);
    for (unsigned i = gm_opt_blocks_cuts(&b); !r->bad && i > 0; i--)
        lines(r, l, n, depth);
}

static void loop(gm_opt_runner *r, unsigned kind, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    switch (kind) {
    case GM_OPT_EACH: each(r, l, n, depth); return;
    case GM_OPT_DIMS: dimensions(r, GM_OPT_P, l, n, depth); return;
    case GM_OPT_SIDES: dimensions(r, GM_OPT_B, l, n, depth); return;
    case GM_OPT_BLOCKS: blocks(r, l, n, depth); return;
    default: cuts(r, l, n, depth);
    }
}

/* Lines that have their first `depth` prefixes behind them.  Neighbours with the same loop in front are one loop. */
static void lines(gm_opt_runner *r, const gm_opt_line *l, uint32_t n, unsigned depth)
{
    for (uint32_t i = 0, end; !r->bad && i < n; i = end) {
        const gm_opt_prefix *now = &l[i].prefix[depth];
        end = i + 1;
        r->line = l[i].line;
        r->column = l[i].column;
        if (!gm_opt_work(r, 0))
            return;
        if (depth == l[i].nprefix) {
            perform(r, &l[i]);
        } else if (now->kind == GM_OPT_IF) {
            if (gm_opt_true(r, now->condition))
                lines(r, &l[i], 1, depth + 1);
        } else {
            while (end < n && depth < l[end].nprefix && l[end].prefix[depth].kind == now->kind)
                end++;
            loop(r, now->kind, &l[i], end - i, depth + 1);
        }
    }
}

/* ---- parts ---- */

static void choose(gm_opt_runner *r, const gm_opt_part *part)
{
    r->nselected = 0;
    r->line = part->line;
    r->column = part->column;
    for (uint32_t i = 0; !r->bad && i < r->job->nparam; i++) {
        gm_opt_item *item = &r->item[i];
        bool in = part->condition == ALL;
        if (!in) {
            assign(r, GM_OPT_P, gm_opt_keep(item->p));
            assign(r, GM_OPT_CHOSEN, gm_opt_number(item->chosen));
            in = gm_opt_true(r, part->condition);
        }
        if (in)
            r->selected[r->nselected++] = item;
    }
    drop(r, GM_OPT_CHOSEN);
}

static void run_one(gm_opt_runner *r, const gm_opt_part *part, gm_opt_item *item)
{
    look_at(r, item);
    drop(r, GM_OPT_P);
    drop(r, GM_OPT_G);
    for (uint32_t k = 0; k < r->nstate; k++)
        if (item->state[k].is != GM_OPT_IS_NOTHING)
            assign(r, r->state[k], item->state[k]);
    assign(r, GM_OPT_P, gm_opt_keep(item->p));
    assign(r, GM_OPT_G, gm_opt_keep(item->g));
    if (part->n)
        lines(r, &r->program->line[part->first], part->n, 0);
    for (uint32_t k = 0; !r->bad && k < r->nstate; k++)
        if (item->state[k].is != GM_OPT_IS_NOTHING) { /* what the name has now is the state, and outlives the names */
            item->state[k] = r->name[r->state[k]];
            r->name[r->state[k]] = gm_opt_nothing();
            gm_opt_multiply(&r->memory, item->state[k], r->times);
        }
}

static void drop_all(gm_opt_runner *r)
{
    for (uint32_t i = 0; !r->bad && i < r->program->nname; i++)
        if (i != GM_OPT_STEPS)
            drop(r, i);
}

/* A list of what each of the parameters has: p, g or, from 2 on, a state, which it takes. */
static gm_opt_list *list_of(gm_opt_runner *r, uint32_t what)
{
    gm_opt_list *list = new_list(r);
    for (uint32_t i = 0; list && i < r->nchosen; i++) {
        gm_opt_item *item = r->chosen[i];
        gm_opt_value v = what == GM_OPT_P ? gm_opt_keep(item->p) : what == GM_OPT_G ? gm_opt_keep(item->g) : item->state[what - 2];
        gm_opt_list_add(&r->memory, list, v, item->times);
    }
    gm_opt_good(r, 0);
    return list;
}

static bool any_has(const gm_opt_runner *r, uint32_t state)
{
    for (uint32_t i = 0; i < r->nchosen; i++)
        if (r->chosen[i]->state[state].is != GM_OPT_IS_NOTHING)
            return true;
    return false;
}

/* The states go back to their parameters. */
static void take_back(gm_opt_runner *r, uint32_t state)
{
    gm_opt_value v = r->name[r->state[state]];
    bool whole = v.is == GM_OPT_IS_LIST && v.v.list->whole && v.v.list->n == r->nchosen;
    for (uint32_t i = 0; i < r->nchosen; i++)
        r->chosen[i]->state[state] = whole ? gm_opt_keep(v.v.list->entry[i].value) : i == 0 ? gm_opt_keep(v) : gm_opt_nothing();
    drop(r, r->state[state]);
}

static void run_lists(gm_opt_runner *r, const gm_opt_part *part)
{
    bool *has = gm_arena_zero(&r->arena, r->nstate + 1u, sizeof *has);
    if (has == NULL) {
        r->bad = true;
        gm_no_memory(r->err);
        return;
    }
    for (uint32_t k = 0; k < r->nstate && !r->bad; k++)
        if ((has[k] = any_has(r, k)))
            assign(r, r->state[k], gm_opt_of_list(list_of(r, k + 2)));
    if (!r->bad)
        assign(r, GM_OPT_P, gm_opt_of_list(list_of(r, GM_OPT_P)));
    if (!r->bad)
        assign(r, GM_OPT_G, gm_opt_of_list(list_of(r, GM_OPT_G)));
    if (part->n)
        lines(r, &r->program->line[part->first], part->n, 0);
    for (uint32_t k = 0; k < r->nstate && !r->bad; k++)
        if (has[k])
            take_back(r, k);
    if (part->ends)
        drop_all(r);
}

/* Those of one dtype after the other. */
static void run_dtypes(gm_opt_runner *r, const gm_opt_part *part)
{
    unsigned done = 0;
    for (uint32_t i = 0; i < r->nselected && !r->bad; i++) {
        unsigned dtype = r->selected[i]->p.v.tensor->dtype;
        if (done >> dtype & 1)
            continue;
        done |= 1u << dtype;
        r->nchosen = 0;
        for (uint32_t k = i; k < r->nselected; k++)
            if (r->selected[k]->p.v.tensor->dtype == dtype)
                r->chosen[r->nchosen++] = r->selected[k];
        run_lists(r, part);
    }
}

static void run_part(gm_opt_runner *r, const gm_opt_part *part)
{
    r->lists = part->lists;
    choose(r, part);
    if (part->lists)
        run_dtypes(r, part);
    for (uint32_t i = 0; !part->lists && i < r->nselected && !r->bad; i++)
        run_one(r, part, r->selected[i]);
    look_at(r, NULL);
    gm_opt_good(r, 0);
    if (part->ends && r->nselected)
        drop_all(r);
}

/* ---- beginning ---- */

/* Which names are states of some parameter. */
static bool find_states(gm_opt_runner *r)
{
    const gm_opt_program *o = r->program;
    r->state = gm_arena_zero(&r->arena, o->nname, sizeof *r->state);
    for (uint32_t n = GM_OPT_GIVEN; r->state && n < o->nname; n++) {
        bool found = false;
        for (uint32_t i = 0; i < r->job->nparam && !found; i++)
            for (uint32_t k = 0; k < r->job->param[i].nstate && !found; k++)
                found = strcmp(r->job->param[i].state[k].label, o->name[n]) == 0;
        if (found)
            r->state[r->nstate++] = n;
    }
    return r->state != NULL;
}

static gm_opt_value state_tensor(gm_opt_runner *r, const gm_opt_state *s, uint64_t times)
{
    return gm_opt_of_tensor(gm_opt_given(&r->memory, s->dtype, s->ndim, s->extent, times));
}

/* The states for each dimension: in their order, each is d x d. */
static gm_opt_value squares(gm_opt_runner *r, const gm_opt_param *p, const char *label)
{
    gm_opt_list *list = gm_opt_list_new(&r->memory, false);
    uint32_t k = 0;
    bool any = false;
    for (unsigned d = 0; list && d < p->ndim; d++) {
        gm_opt_value v = gm_opt_nothing();
        while (k < p->nstate && strcmp(p->state[k].label, label) != 0)
            k++;
        if (k < p->nstate && p->state[k].ndim == 2 && p->state[k].extent[0] == p->extent[d] && p->state[k].extent[1] == p->extent[d]) {
            v = state_tensor(r, &p->state[k++], p->times);
            any = true;
        }
        gm_opt_list_add(&r->memory, list, v, 1);
    }
    return any ? gm_opt_of_list(list) : gm_opt_nothing();
}

static gm_opt_value state_of(gm_opt_runner *r, const gm_opt_param *p, uint32_t name)
{
    const char *label = r->program->name[name];
    if (r->program->items[name])
        return squares(r, p, label);
    for (uint32_t k = 0; k < p->nstate; k++)
        if (strcmp(p->state[k].label, label) == 0)
            return state_tensor(r, &p->state[k], p->times);
    return gm_opt_nothing();
}

static bool make_item(gm_opt_runner *r, const gm_opt_param *p, gm_opt_item *out)
{
    out->times = p->times;
    out->chosen = p->chosen;
    out->p = gm_opt_of_tensor(gm_opt_given(&r->memory, p->dtype, p->ndim, p->extent, p->times));
    out->g = gm_opt_of_tensor(gm_opt_given(&r->memory, p->gradient, p->ndim, p->extent, p->times));
    out->state = gm_arena_zero(&r->arena, r->nstate + 1u, sizeof *out->state);
    for (uint32_t k = 0; out->state && k < r->nstate; k++)
        out->state[k] = state_of(r, p, r->state[k]);
    return out->state && r->memory.status == GPUMEM_OK;
}

static bool begin(gm_opt_runner *r)
{
    uint32_t n = r->job->nparam;
    r->name = gm_arena_zero(&r->arena, r->program->nname, sizeof *r->name);
    r->item = gm_arena_zero(&r->arena, n + 1u, sizeof *r->item);
    r->selected = gm_arena_zero(&r->arena, n + 1u, sizeof *r->selected);
    r->chosen = gm_arena_zero(&r->arena, n + 1u, sizeof *r->chosen);
    if (!r->name || !r->item || !r->selected || !r->chosen || !find_states(r))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!make_item(r, &r->job->param[i], &r->item[i]))
            return false;
    r->name[GM_OPT_STEPS] = gm_opt_number(r->job->steps);
    return true;
}

gpumem_status gm_opt_run(const gm_opt_program *program, const gm_opt_job *job, uint64_t *peak, gpumem_error *err)
{
    gpumem_error own = {0};
    gm_opt_runner r = {.program = program, .job = job, .times = 1, .err = err ? err : &own};
    r.memory = (gm_opt_memory){.arena = &r.arena, .rounding = job->rounding};
    if (!begin(&r)) {
        if (r.memory.status == GPUMEM_ERANGE)
            gm_fail(r.err, GPUMEM_ERANGE, program->file, 0, 0, "the size of a parameter or of a state does not fit in 64 bits");
        else
            gm_no_memory(r.err);
        r.bad = true;
    }
    for (uint32_t i = 0; i < program->npart && !r.bad; i++)
        if (program->part[i].n || program->part[i].ends)
            run_part(&r, &program->part[i]);
    *peak = r.bad ? 0 : (uint64_t)r.memory.peak;
    gm_arena_free(&r.arena);
    return r.bad ? r.err->status : GPUMEM_OK;
}
