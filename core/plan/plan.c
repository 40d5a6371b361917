/* From a model, a set and a request to a plan: plugins are chosen, asked once, and not needed again. */
#include "plan/planner.h"
#include "plan/step.h"
#include "text/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ALL_PHASES (GPUMEM_TRAINING | GPUMEM_INFERENCE | GPUMEM_BETWEEN)

/* ---- formats ---- */

static bool same_format(const gpumem_format *a, const gpumem_format *b)
{
    return a->npart == b->npart && memcmp(a->part, b->part, a->npart * sizeof *a->part) == 0;
}

static gpumem_status add_formats(gm_planner *p, const gm_manifest *m, gpumem_error *err)
{
    for (uint32_t i = 0; m && i < m->nformat; i++) {
        uint16_t at = gpumem_format_find(p->format, p->nformat, m->format[i].name);
        if (at == GM_NO_FORMAT)
            p->format[p->nformat++] = m->format[i];
        else if (!same_format(&p->format[at], &m->format[i]))
            return gm_fail(err, GPUMEM_EPLUGIN, m->path, 0, 0, "formats: '%s' is something else already", m->format[i].name);
    }
    return GPUMEM_OK;
}

static gpumem_status make_formats(gm_planner *p, gpumem_error *err)
{
    static const gpumem_format fixed[GPUMEM_NFORMATS] = {
        {"f32", 1, {{1, 1, 32, 0}}}, {"i64", 1, {{1, 1, 64, 0}}}, {"i32", 1, {{1, 1, 32, 0}}}, {"bool", 1, {{1, 1, 8, 0}}},
        {"bf16", 1, {{1, 1, 16, 0}}}, {"c64", 1, {{1, 1, 64, 0}}}, {"u8", 1, {{1, 1, 8, 0}}}};
    const gm_manifest *from[] = {p->precision.base, p->precision.manifest, p->engine};
    uint32_t n = GPUMEM_NFORMATS;
    gpumem_status s = GPUMEM_OK;
    for (size_t i = 0; i < COUNT(from); i++)
        n += from[i] ? from[i]->nformat : 0;
    if (n >= GM_NO_FORMAT)
        return gm_fail(err, GPUMEM_EPLUGIN, from[0]->path, 0, 0, "too many formats");
    p->format = gm_arena_zero(p->arena, n, sizeof *p->format);
    if (p->format == NULL)
        return gm_no_memory(err);
    memcpy(p->format, fixed, sizeof fixed);
    p->nformat = GPUMEM_NFORMATS;
    for (size_t i = 0; s == GPUMEM_OK && i < COUNT(from); i++)
        if (i == 0 || from[i] != from[0])
            s = add_formats(p, from[i], err);
    return s == GPUMEM_OK ? gm_engine_format(p, err) : s;
}

static uint16_t fixed_format(uint8_t dtype)
{
    static const uint16_t format[GPUMEM_DTYPE_END] = {
        [GPUMEM_DTYPE_F32] = GPUMEM_FORMAT_F32, [GPUMEM_DTYPE_I64] = GPUMEM_FORMAT_I64, [GPUMEM_DTYPE_I32] = GPUMEM_FORMAT_I32,
        [GPUMEM_DTYPE_BOOL] = GPUMEM_FORMAT_BOOL, [GPUMEM_DTYPE_BF16] = GPUMEM_FORMAT_BF16, [GPUMEM_DTYPE_C64] = GPUMEM_FORMAT_C64};
    return format[dtype];
}

static void args_of(const gm_chosen *c, gpumem_args *args, char *why, uint32_t n)
{
    why[0] = 0;
    *args = (gpumem_args){sizeof *args, c->nparam, c->param, why, n};
}

static gpumem_status plugin_failed(const gm_chosen *c, gpumem_status s, const char *why, gpumem_error *err)
{
    if (s == GPUMEM_EUNSUP || s == GPUMEM_ERANGE || (s == GPUMEM_EINVAL && *why))
        return gm_fail(err, s, NULL, 0, 0, "%s: %s", c->name, *why ? why : s == GPUMEM_ERANGE ? "a size does not fit in 64 bits" : "it cannot account for this");
    return gm_fail(err, GPUMEM_EPLUGIN, NULL, 0, 0, "%s failed%s%s", c->name, *why ? ": " : "", why);
}

static gpumem_status assign(gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = &p->plan->model->d;
    const gm_chosen *c = &p->precision;
    gpumem_assignment out;
    gpumem_args args;
    char why[200];
    out.weight = p->weight = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->weight);
    out.gradient = p->gradient = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->gradient);
    out.activation = p->active = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->active);
    out.compute = p->compute = gm_arena_zero(p->arena, d->nop + 1u, sizeof *p->compute);
    out.master = p->master = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->master);
    p->stepped = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->stepped);
    if (!out.weight || !out.gradient || !out.activation || !out.compute || !out.master || !p->stepped)
        return gm_no_memory(err);
    memset(out.weight, 0xff, d->ntensor * sizeof *out.weight);
    memset(out.gradient, 0xff, d->ntensor * sizeof *out.gradient);
    memset(out.activation, 0xff, d->ntensor * sizeof *out.activation);
    memset(out.master, 0xff, d->ntensor * sizeof *out.master);
    memset(out.compute, 0xff, d->nop * sizeof *out.compute);
    args_of(c, &args, why, sizeof why);
    gpumem_status s = c->entry->ops.precision->assign(&args, d, p->format, p->nformat, &out);
    why[sizeof why - 1] = 0;
    if (s != GPUMEM_OK)
        return plugin_failed(c, s, why, err);
    for (uint32_t i = 0; i < d->ntensor; i++) {
        uint8_t dtype = d->tensor[i].dtype;
        if (dtype != GPUMEM_DTYPE_MODEL) {
            out.weight[i] = out.gradient[i] = out.activation[i] = fixed_format(dtype);
            out.master[i] = GM_NO_FORMAT;
        } else if (out.weight[i] >= p->nformat || out.gradient[i] >= p->nformat || out.activation[i] >= p->nformat ||
                   (out.master[i] != GM_NO_FORMAT && out.master[i] >= p->nformat))
            return gm_fail(err, GPUMEM_EPLUGIN, c->manifest->path, 0, 0, "%s gives the tensor '%s' a format that there is not", c->name, d->string + d->tensor[i].name);
        p->stepped[i] = out.master[i] != GM_NO_FORMAT ? out.master[i] : out.weight[i];
        p->gathers |= out.master[i] != GM_NO_FORMAT;
    }
    for (uint32_t i = 0; i < d->nop; i++)
        if (out.compute[i] >= p->nformat)
            return gm_fail(err, GPUMEM_EPLUGIN, c->manifest->path, 0, 0, "%s gives the operator '%s' a format that there is not", c->name, d->string + d->op[i].name);
    return GPUMEM_OK;
}

/* ---- what needs a gradient ---- */

static bool step_needs(const gm_planner *p, const gpumem_description *d)
{
    bool changed = false;
    for (uint32_t i = 0; i < d->nop; i++) {
        const gpumem_op *op = &d->op[i];
        bool needs = false;
        for (uint32_t k = 0; k < op->nin; k++)
            needs |= d->operand[op->operand + k] != GPUMEM_NONE && p->needs_grad[d->operand[op->operand + k]];
        for (uint32_t k = 0; needs && k < op->nout; k++) {
            uint8_t *out = &p->needs_grad[d->operand[op->operand + op->nin + k]];
            changed |= !*out;
            *out = 1;
        }
    }
    return changed;
}

/* A port's readers need what any of its writers needs. */
static bool port_needs(const gm_planner *p, const gpumem_description *d, uint8_t *port)
{
    bool changed = false;
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t e = d->block[i].export0; e < d->block[i].export0 + d->block[i].nexport; e++)
            port[d->port[e].port] |= p->needs_grad[d->port[e].tensor];
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t m = d->block[i].import0; m < d->block[i].import0 + d->block[i].nimport; m++)
            if (port[d->port[m].port] && !p->needs_grad[d->port[m].tensor])
                p->needs_grad[d->port[m].tensor] = changed = true;
    return changed;
}

static gpumem_status propagate(gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = &p->plan->model->d;
    uint8_t *port = gm_arena_zero(p->arena, d->nportname + 1u, 1);
    p->needs_grad = gm_arena_zero(p->arena, d->ntensor + 1u, 1);
    if (p->needs_grad == NULL || port == NULL)
        return gm_no_memory(err);
    if (p->plan->request.mode != GPUMEM_MODE_TRAINING)
        return GPUMEM_OK;
    for (uint32_t i = 0; i < d->ntensor; i++) {
        const gpumem_tensor *t = &d->tensor[i], *own = t->storage == GPUMEM_NONE ? t : &d->tensor[t->storage];
        p->needs_grad[i] = t->role == GPUMEM_ROLE_WEIGHT && !(own->tag & GPUMEM_TAG_FROZEN);
    }
    for (bool changed = true; changed;) {
        changed = step_needs(p, d);
        changed |= port_needs(p, d, port);
    }
    return GPUMEM_OK;
}

/* ---- claims ---- */

/* What the description itself holds. */
static gpumem_status claim_own(gm_planner *p, unsigned is, gpumem_error *err)
{
    static const unsigned role[] = {[GPUMEM_IS_WEIGHTS] = GPUMEM_ROLE_WEIGHT, [GPUMEM_IS_BUFFERS] = GPUMEM_ROLE_BUFFER,
                                    [GPUMEM_IS_GRADIENTS] = GPUMEM_ROLE_WEIGHT, [GPUMEM_IS_INPUT] = GPUMEM_ROLE_INPUT};
    const gpumem_description *d = p->job.model;
    bool gradients = is == GPUMEM_IS_GRADIENTS, walked = p->plan->walk.rules != NULL, before = p->plan->request.accumulation > 1;
    /* in a walk, the gradients of the first micro-batch come one by one; a buffer that gathers them is there from the start to the end */
    unsigned phases = !gradients || p->gathers ? ALL_PHASES
                                               : GPUMEM_STEP | (before ? GPUMEM_FORWARD : 0u) | (before || !walked ? GPUMEM_BACKWARD : 0u);
    for (uint32_t i = 0; i < d->ntensor; i++) {
        const gpumem_tensor *t = &d->tensor[i];
        if (t->role != role[is] || t->storage != GPUMEM_NONE || (gradients && !p->needs_grad[i]))
            continue;
        gpumem_claim c = {.tensor = i, .format = gradients ? p->gradient[i] : p->weight[i], .is = (uint8_t)is, .phases = (uint8_t)phases};
        gpumem_status s = gm_fold_claims(&p->folder, "core", &c, 1, err);
        if (s != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

/* The job as an optimizer sees it: where weights have copies, it steps those. */
static gpumem_job stepped(const gm_planner *p)
{
    gpumem_job j = p->job;
    j.weight = p->stepped;
    return j;
}

static gpumem_status claim_copies(gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = p->job.model;
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; s == GPUMEM_OK && p->gathers && i < d->ntensor; i++) {
        gpumem_claim c = {.tensor = i, .format = p->master[i], .is = GPUMEM_IS_OPTIMIZER, .phases = GPUMEM_TRAINING | GPUMEM_BETWEEN, .label = "master weights"};
        if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && d->tensor[i].storage == GPUMEM_NONE && p->needs_grad[i] && p->master[i] != GM_NO_FORMAT)
            s = gm_fold_claims(&p->folder, p->precision.name, &c, 1, err);
    }
    return s;
}

static gpumem_status account(gm_planner *p, const gm_chosen *c, gpumem_account *ask, gpumem_error *err)
{
    const gpumem_job job = c == &p->optimizer ? stepped(p) : p->job;
    uint32_t max = 256, n = 0;
    gpumem_claim *claim = NULL;
    gpumem_status s = GPUMEM_ESPACE;
    char why[200] = "";
    while (s == GPUMEM_ESPACE && max <= 1u << 22) {
        gpumem_args args;
        gpumem_claim *now = realloc(claim, max * sizeof *claim);
        if (now == NULL) {
            free(claim);
            return gm_no_memory(err);
        }
        claim = now;
        args_of(c, &args, why, sizeof why);
        n = 0;
        s = ask(&args, &job, claim, max, &n);
        why[sizeof why - 1] = 0;
        if (s == GPUMEM_ESPACE)
            max = n > max * 2 && n <= 1u << 22 ? n : max * 2; /* what it says, but not one by one */
    }
    if (s != GPUMEM_OK)
        s = plugin_failed(c, s, why, err);
    else if (n > max)
        s = gm_fail(err, GPUMEM_EPLUGIN, c->manifest->path, 0, 0, "%s claims more than there was space for", c->name);
    else
        s = gm_fold_claims(&p->folder, c->name, claim, n, err);
    if (s == GPUMEM_OK && c == &p->optimizer && n) {
        p->nstate = n;
        p->state = gm_arena_zero(p->arena, n, sizeof *claim);
        if (p->state)
            memcpy(p->state, claim, n * sizeof *claim);
        else
            s = gm_no_memory(err);
    }
    free(claim);
    return s;
}

/* An engine with rules of its own has neither the class's buffers nor its inputs. */
static gpumem_status claim_all(gm_planner *p, gpumem_error *err)
{
    bool training = p->plan->request.mode == GPUMEM_MODE_TRAINING;
    unsigned count = p->set->count;
    gpumem_status s = GPUMEM_OK;
    if (count & GM_COUNT_WEIGHTS)
        s = claim_own(p, GPUMEM_IS_WEIGHTS, err);
    if (s == GPUMEM_OK && count & GM_COUNT_BUFFERS && !p->plan->own_rules)
        s = claim_own(p, GPUMEM_IS_BUFFERS, err);
    if (s == GPUMEM_OK && training && count & GM_COUNT_GRADIENTS)
        s = claim_own(p, GPUMEM_IS_GRADIENTS, err);
    if (s == GPUMEM_OK && GPUMEM_HAS(gpumem_precision_ops, p->precision.entry->ops.precision, account))
        s = account(p, &p->precision, p->precision.entry->ops.precision->account, err);
    if (s == GPUMEM_OK && training)
        s = claim_copies(p, err);
    if (s == GPUMEM_OK && training)
        s = account(p, &p->optimizer, p->optimizer.entry->ops.optimizer->account, err);
    if (s == GPUMEM_OK && p->activation.entry && p->activation.entry->ops.activation->account)
        s = account(p, &p->activation, p->activation.entry->ops.activation->account, err);
    if (s == GPUMEM_OK && p->engine)
        s = gm_engine_claim(p, err);
    if (s == GPUMEM_OK && count & GM_COUNT_INPUTS && !p->plan->own_rules)
        s = claim_own(p, GPUMEM_IS_INPUT, err);
    return s == GPUMEM_OK ? gm_fold_finish(&p->folder, err) : s;
}

/* ---- the walk ---- */

/* What is wrong with a plugin's text is the plugin's fault. */
static gpumem_status blamed(gpumem_status s, gpumem_error *err)
{
    if (s == GPUMEM_ESYNTAX && err)
        err->status = GPUMEM_EPLUGIN;
    return s == GPUMEM_ESYNTAX ? GPUMEM_EPLUGIN : s;
}

static gpumem_status read_rules(gm_planner *p, gpumem_error *err)
{
    const gm_manifest *m = p->rules;
    char *path, *text;
    size_t n, room = strlen(m->folder) + strlen(m->rules) + 2;
    gpumem_status s;
    path = gm_arena_zero(p->arena, room, 1);
    if (path == NULL)
        return gm_no_memory(err);
    snprintf(path, room, "%s/%s", m->folder, m->rules);
    if ((s = gm_file_read(p->arena, path, 1u << 20, &text, &n, err)) != GPUMEM_OK)
        return s;
    return blamed(gm_rules_new(text, n, path, &p->plan->walk.rules, err), err);
}

static gpumem_status know(gm_planner *p, unsigned variant, gm_symbols *out, gpumem_error *err)
{
    const gpumem_description *d = &p->plan->model->d;
    unsigned known = variant / 2;
    memset(out, 0, sizeof *out);
    if (d->nsym + p->plan->own_rules > GM_MAX_SYMBOLS)
        return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "the model's description has too many symbols");
    memcpy(out->sym, d->sym, d->nsym * sizeof *d->sym);
    out->n = d->nsym;
    out->known[0] = 1;
    if (p->plan->own_rules)
        out->sym[out->n++] = (gpumem_symbol){.op = GPUMEM_SYM_INPUT, .name = "seen"};
    for (uint32_t i = 1; i < d->nsym; i++)
        if (d->sym[i].op == GPUMEM_SYM_INPUT && ((variant & 1 && strcmp(d->sym[i].name, "batch") == 0) || (known == GM_TOKENS_ONE && strcmp(d->sym[i].name, "tokens") == 0)))
            out->known[i] = 1;
        else if (d->sym[i].op == GPUMEM_SYM_INPUT && strcmp(d->sym[i].name, "tokens") == 0) {
            gm_ext unit = {1, {(uint8_t)i}};
            out->most = p->plan->turn;
            if (known == GM_TOKENS_TURN)
                out->known[i] = p->plan->turn;
            else if (known == GM_TOKENS_SHORT)
                out->small = (uint8_t)i;
            else if (known == GM_TOKENS_TURNS && gm_ext_derive(out, GPUMEM_SYM_CEILDIV, unit, gm_ext_of(p->plan->turn), &unit)) {
                out->whole = (uint8_t)i;
                out->unit = unit.sym[0];
            }
        }
    gm_symbols_know(out);
    return GPUMEM_OK;
}

/* Format of autocast's products: that of the arithmetic, where the model's own tensors are wider. */
static uint32_t autocast(const gm_planner *p, const gpumem_description *d)
{
    uint32_t i = 0;
    while (i < d->ntensor && d->tensor[i].dtype != GPUMEM_DTYPE_MODEL)
        i++;
    return d->nop && i < d->ntensor && p->format[p->compute[0]].part[0].bits < p->format[p->active[i]].part[0].bits ? p->compute[0] : GPUMEM_NONE;
}

/* A weight that the loss does not depend on gets no gradient, and no optimizer's state; a block that it does not depend on does not run. */
static gpumem_status drop_unread(gm_planner *p, gm_walk_job *w, gpumem_error *err)
{
    const gpumem_description *d = w->d;
    uint8_t *reached = gm_arena_zero(p->arena, d->ntensor + 1u, 1), *port = gm_arena_zero(p->arena, d->nportname + 1u, 1), *idle = gm_arena_zero(p->arena, d->nblock + 1u, 1);
    if (reached == NULL || port == NULL || idle == NULL)
        return gm_no_memory(err);
    if (!gm_reach(d, w, reached, port))
        return GPUMEM_OK;
    for (uint32_t i = 0; i < d->ntensor; i++)
        if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && d->tensor[i].storage == GPUMEM_NONE && !reached[i]) {
            p->unread |= d->tensor[i].part == GPUMEM_PART_TOWER && !(d->tensor[i].tag & GPUMEM_TAG_FROZEN);
            p->needs_grad[i] = 0;
        }
    gm_reach_idle(d, reached, idle);
    w->idle = idle;
    w->reached = reached;
    return GPUMEM_OK;
}

unsigned gm_plan_walk_of(const gpumem_plan *plan, uint64_t batch, uint64_t tokens)
{
    unsigned known = tokens == 1 ? GM_TOKENS_ONE : !plan->turn || (tokens > plan->turn && tokens % plan->turn) ? GM_TOKENS_ANY :
                     tokens < plan->turn ? GM_TOKENS_SHORT : tokens == plan->turn ? GM_TOKENS_TURN : GM_TOKENS_TURNS;
    return (batch == 1) + 2 * known;
}

/* What an engine with rules of its own computes is in float32, whatever its weights and its cache are in. */
static const uint16_t *computed(const gm_planner *p)
{
    const gpumem_description *d = &p->plan->model->d;
    uint16_t *format = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *format);
    for (uint32_t i = 0; format && i < d->ntensor; i++)
        format[i] = d->tensor[i].dtype == GPUMEM_DTYPE_MODEL ? GPUMEM_FORMAT_F32 : p->active[i];
    return format;
}

/* Peaks for points of more than one sequence and token, for those where either is one, when less is copied, and for those that loops take in one turn. */
static gpumem_status walk(gm_planner *p, gpumem_error *err)
{
    gpumem_plan *plan = p->plan;
    const gpumem_description *d = &plan->model->d;
    char note[256] = "";
    gm_walk_job *w = &plan->walk;
    uint32_t *rule = gm_arena_zero(p->arena, d->nop + 1u, sizeof *rule);
    gpumem_error own = {0};
    gpumem_status s = GPUMEM_OK;
    if (rule == NULL)
        return gm_no_memory(err);
    if (plan->request.only.batch && !plan->request.only.tokens)
        gpumem_plan_defaults(plan, &plan->request.only);
    w->d = d;
    w->format = p->format;
    w->nformat = p->nformat;
    w->low = autocast(p, d);
    w->weight = p->weight;
    w->gradient = p->gradient;
    w->activation = plan->own_rules ? computed(p) : p->active;
    if (w->activation == NULL)
        return gm_no_memory(err);
    w->trains = p->needs_grad;
    w->rule = rule;
    w->remembers = plan->model->remembers;
    w->rounding = plan->rounding;
    w->fixed = plan->request.static_cache;
    w->page = plan->own_rules ? plan->block : 0;
    w->room = plan->ahead == UINT64_MAX ? 0 : (uint32_t)plan->ahead;
    w->note = note;
    w->nnote = sizeof note;
    w->flags = (plan->request.mode == GPUMEM_MODE_TRAINING ? GM_WALK_TRAIN : 0u) | (plan->request.checkpointing ? GM_WALK_CHECKPOINT : 0u) |
               (plan->request.accumulation > 1 || p->gathers ? GM_WALK_HAS_GRADIENTS : 0u) | (plan->request.no_cache || plan->block ? 0u : GM_WALK_CACHE) |
               (plan->request.all_logits ? GM_WALK_ALL_LOGITS : 0u) | (plan->own_rules ? GM_WALK_GRAPH : 0u);
    s = gm_walk_rules(d, w->rules, p->job.attention == GPUMEM_ATTENTION_EAGER ? "eager" : "flash", !plan->own_rules, rule, &own);
    if (s == GPUMEM_OK)
        s = drop_unread(p, w, &own);
    for (unsigned v = 0; s == GPUMEM_OK && v < COUNT(plan->peaks); v++) {
        gm_symbols symbols;
        const gpumem_point *only = &plan->request.only;
        bool one = !plan->chunk && only->batch && only->tokens;
        if (v / 2 >= GM_TOKENS_SHORT && plan->turn == 0)
            break;
        if (one && v != gm_plan_walk_of(plan, only->batch, only->tokens) && (v / 2 != GM_TOKENS_ANY || only->tokens == 1 || (v & 1) != (only->batch == 1)))
            continue; /* the first says what a turn of its loops takes */
        if ((s = know(p, v, &symbols, &own)) == GPUMEM_OK && (plan->peaks[v] = gm_arena_zero(p->arena, 1, sizeof *plan->peaks[v])) == NULL)
            s = gm_no_memory(&own);
        if (s == GPUMEM_OK)
            s = gm_peaks_new(p->arena, w, &symbols, plan->peaks[v], &own);
        if (s == GPUMEM_OK && v < 2 && plan->peaks[v]->symbols.looped && strcmp(plan->peaks[v]->symbols.sym[plan->peaks[v]->symbols.looped].name, "tokens") == 0)
            plan->turn = plan->peaks[v]->symbols.chunk;
    }
    if (s != GPUMEM_OK && s != GPUMEM_ENOMEM && s != GPUMEM_ESYNTAX) { /* what is described, but not how it runs: the rest still holds */
        snprintf(plan->warning, sizeof plan->warning, "activations are not counted: %.120s", own.message);
        memset(plan->peaks, 0, sizeof plan->peaks);
        return GPUMEM_OK;
    }
    if (s != GPUMEM_OK) {
        if (err)
            *err = own;
        return blamed(s, err);
    }
    w->note = NULL;
    if (*note)
        snprintf(plan->warning, sizeof plan->warning, "what is kept is only described: %s", note);
    else if (p->unread)
        snprintf(plan->warning, sizeof plan->warning, "tokens alone: towers of images and sound do not run%s", p->plan->request.mode == GPUMEM_MODE_TRAINING ? ", and have no gradients and no states" : "");
    plan->complete = true;
    return GPUMEM_OK;
}

/* What the step makes in passing. */
static gpumem_status step(gm_planner *p, gpumem_error *err)
{
    gpumem_plan *plan = p->plan;
    const gm_chosen *o = &p->optimizer;
    const gpumem_job job = stepped(p);
    const gm_opt_ask ask = {.manifest = o->manifest, .form = gm_step_name[p->job.step], .job = &job, .param = o->param, .nparam = o->nparam,
                             .claim = p->state, .nclaim = p->nstate, .rounding = plan->rounding};
    size_t n = strlen(plan->warning);
    bool described;
    gpumem_status s = gm_plan_step(&ask, &plan->step, &described, err);
    if (s == GPUMEM_OK && !described && plan->request.implementation && p->job.step != GPUMEM_STEP_FUSED)
        snprintf(plan->warning + n, sizeof plan->warning - n, "%sthe temporaries of %s's step are not described", n ? "; " : "", o->manifest->id);
    return s;
}

/* Autograd makes gradients of numbers with a fraction; integers, and what is spread over codes and scales, has none. */
static gpumem_status check_trained(const gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = &p->plan->model->d;
    if (p->plan->request.mode != GPUMEM_MODE_TRAINING || !p->activation.manifest || !p->activation.manifest->rules)
        return GPUMEM_OK; /* closed formulas take anything */
    for (uint32_t i = 0; i < d->ntensor; i++) {
        const gpumem_tensor *t = &d->tensor[i];
        const gpumem_format *f = &p->format[p->weight[i]];
        if (t->role != GPUMEM_ROLE_WEIGHT || t->storage != GPUMEM_NONE || t->dtype != GPUMEM_DTYPE_MODEL || !p->needs_grad[i] || (gm_format_is_plain(f) && f->part[0].bits > 8))
            continue;
        gm_fail(err, GPUMEM_EUNSUP, NULL, 0, 0, "weights cannot be trained in '%s': '%s' has %s", p->precision.manifest->id, d->string + t->name,
                gm_format_is_plain(f) ? "integers" : "codes and scales");
        gm_tip(err, "freeze them and train adapters beside them, or train in another precision, such as bf16");
        return GPUMEM_EUNSUP;
    }
    return GPUMEM_OK;
}

static gpumem_status make_times(gm_planner *p, gpumem_error *err)
{
    const gpumem_description *d = &p->plan->model->d;
    p->times = gm_arena_zero(p->arena, d->ntensor + 1u, sizeof *p->times);
    if (p->times == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++)
            p->times[k] = gm_engine_times(p, d, i, k);
    return GPUMEM_OK;
}

static void make_job(gm_planner *p)
{
    const gpumem_request *r = &p->plan->request;
    gpumem_job *j = &p->job;
    j->size = sizeof *j;
    j->phases = r->mode == GPUMEM_MODE_TRAINING ? GPUMEM_TRAINING : GPUMEM_INFERENCE;
    j->flags = (r->checkpointing ? GPUMEM_JOB_CHECKPOINTING : 0u) | (r->accumulation > 1 ? GPUMEM_JOB_ACCUMULATION : 0u) |
               (r->no_cache ? 0u : GPUMEM_JOB_CACHE) | (r->all_logits ? GPUMEM_JOB_ALL_LOGITS : 0u);
    j->model = &p->plan->model->d;
    j->format = p->format;
    j->nformat = p->nformat;
    j->weight = p->weight;
    j->gradient = p->gradient;
    j->activation = p->active;
    j->compute = p->compute;
    j->needs_grad = p->needs_grad;
    p->folder.plan = p->plan;
    p->folder.job = j;
    p->folder.set = p->set;
    p->folder.times = p->times;
}

gpumem_status gpumem_plan_new(gpumem_host *host, const gpumem_model *model, const gpumem_set *set, const gpumem_request *request, gpumem_plan **out,
                              gpumem_error *err)
{
    gm_planner *p = calloc(1, sizeof *p);
    gpumem_plan *plan = calloc(1, sizeof *plan);
    gpumem_status s;
    *out = NULL;
    if (p == NULL || plan == NULL) {
        free(p);
        free(plan);
        return gm_no_memory(err);
    }
    plan->model = model;
    plan->request = *request;
    plan->rounding = set->rounding;
    plan->utilization = 1;
    plan->tokens = set->tokens[request->mode];
    p->host = host;
    p->set = set;
    p->plan = plan;
    p->arena = &plan->arena;
    if ((s = gm_choose_all(p, err)) == GPUMEM_OK && (s = gm_choose_forms(p, err)) == GPUMEM_OK && (s = make_formats(p, err)) == GPUMEM_OK &&
        (s = assign(p, err)) == GPUMEM_OK && (s = propagate(p, err)) == GPUMEM_OK && (s = check_trained(p, err)) == GPUMEM_OK &&
        (s = make_times(p, err)) == GPUMEM_OK) {
        gm_engine_vectors(p);
        make_job(p);
        p->rules = p->engine && p->engine->rules ? p->engine : p->activation.manifest && p->activation.manifest->rules ? p->activation.manifest : NULL;
        plan->own_rules = p->rules && p->rules == p->engine;
        if (p->engine && plan->block && !plan->chunk) /* nothing else lives */
            plan->complete = true;
        else if (p->rules)
            s = read_rules(p, err);
        if (s == GPUMEM_OK && plan->walk.rules)
            s = walk(p, err);
        if (s == GPUMEM_OK)
            s = claim_all(p, err);
        if (s == GPUMEM_OK && request->mode == GPUMEM_MODE_TRAINING)
            s = step(p, err);
    }
    free(p);
    if (s != GPUMEM_OK) {
        gpumem_plan_free(plan);
        return s;
    }
    *out = plan;
    return GPUMEM_OK;
}

void gpumem_plan_free(gpumem_plan *plan)
{
    if (plan == NULL)
        return;
    gm_rules_free(plan->walk.rules);
    gm_arena_free(&plan->arena);
    free(plan);
}

/* ---- asking ---- */

double gpumem_plan_utilization(const gpumem_plan *plan) { return plan->utilization; }
bool gpumem_plan_quantized(const gpumem_plan *plan) { return plan->quantized; }
const char *gpumem_plan_warning(const gpumem_plan *plan) { return *plan->warning ? plan->warning : NULL; }

size_t gpumem_plan_lines(const gpumem_plan *plan, const gpumem_line **lines)
{
    *lines = plan->line;
    return plan->nline;
}

size_t gpumem_plan_plugins(const gpumem_plan *plan, const gpumem_used **used)
{
    *used = plan->used;
    return plan->nused;
}

bool gpumem_plan_complete(const gpumem_plan *plan) { return plan->complete; }
bool gpumem_plan_walks(const gpumem_plan *plan) { return plan->walk.rules != NULL && plan->complete; }
const gpumem_model *gpumem_plan_model(const gpumem_plan *plan) { return plan->model; }
const gpumem_request *gpumem_plan_request(const gpumem_plan *plan) { return &plan->request; }
