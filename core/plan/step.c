#include "plan/step.h"
#include "step/run.h"
#include "text/file.h"
#include "text/yaml.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_BYTES (1u << 20)
#define STEPS 2 /* the first step that finds states */

typedef struct maker {
    const gm_opt_ask *ask;
    gm_arena arena;
    uint32_t *first, *claim; /* by tensor: its claims are claim[first[t] .. first[t + 1]) */
    bool *seen;              /* by block */
    gm_opt_param *param;
    uint32_t nparam, max_param;
    gpumem_error *err;
} maker;

/* ---- the program ---- */

/* Where the text of a block of YAML begins: in the next line, as far in as its first line is. */
static gm_opt_place place_of(const char *path, const char *file, const gm_value *v)
{
    gm_opt_place at = {path, v->line, v->column + v->quoted};
    if (strchr(v->v.s, '\n') == NULL)
        return at;
    for (uint32_t i = 0; i < v->line && file; i++)
        file = (file = strchr(file, '\n')) ? file + 1 : NULL;
    at.line = v->line + 1;
    at.column = file ? (uint32_t)(strspn(file, " ") - strspn(v->v.s, " ")) + 1 : 1;
    return at;
}

static gpumem_status read_program(maker *m, gm_opt_program *out, bool *described)
{
    static const gm_field top[] = {{"step", GM_IS(GM_MAP), true}};
    static const gm_field forms[] = {{"fused", GM_IS(GM_STRING), false}, {"foreach", GM_IS(GM_STRING), false}, {"for-loop", GM_IS(GM_STRING), false}};
    const gm_manifest *own = m->ask->manifest;
    const gm_value *step, *v;
    gm_value root;
    char *path, *text;
    size_t n, room = strlen(own->folder) + strlen(own->step) + 2;
    gpumem_status s;
    if ((path = gm_arena_zero(&m->arena, room, 1)) == NULL)
        return gm_no_memory(m->err);
    snprintf(path, room, "%s/%s", own->folder, own->step);
    if ((s = gm_file_read(&m->arena, path, MAX_BYTES, &text, &n, m->err)) != GPUMEM_OK || (s = gm_yaml_parse(&m->arena, path, text, n, &root, m->err)) != GPUMEM_OK ||
        (s = gm_fields_check(path, "", &root, top, COUNT(top), m->err)) != GPUMEM_OK)
        return s;
    step = gm_value_get(&root, "step");
    if ((s = gm_fields_check(path, "step", step, forms, COUNT(forms), m->err)) != GPUMEM_OK)
        return s;
    v = gm_value_get(step, m->ask->form);
    *described = v != NULL;
    return v ? gm_opt_parse(&m->arena, place_of(path, text, v), v->v.s, strcmp(m->ask->form, "foreach") == 0, out, m->err) : GPUMEM_OK;
}

/* ---- the parameters ---- */

static uint8_t dtype_of(const gpumem_format *f)
{
    static const struct { const char *name; uint8_t dtype; } known[] = {
        {"f32", GM_OPT_F32}, {"bf16", GM_OPT_BF16}, {"f16", GM_OPT_F16}, {"i64", GM_OPT_I64}, {"bool", GM_OPT_BOOL}};
    uint32_t bits = f->part[0].bits;
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(f->name, known[i].name) == 0)
            return known[i].dtype;
    return bits >= 64 ? GM_OPT_F64 : bits >= 32 ? GM_OPT_F32 : bits >= 16 ? GM_OPT_BF16 : GM_OPT_U8;
}

static bool trains(const gpumem_job *job, uint32_t tensor)
{
    const gpumem_tensor *t = &job->model->tensor[tensor];
    return t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE && job->needs_grad[tensor];
}

static const gpumem_param *param_of(const gm_opt_ask *ask, const char *key, unsigned type)
{
    for (uint32_t i = 0; i < ask->nparam; i++)
        if (ask->param[i].type == type && strcmp(ask->param[i].key, key) == 0)
            return &ask->param[i];
    return NULL;
}

/* Is it one of those that the manifest's only_ndim and only_without leave? */
static bool chosen(const gm_opt_ask *ask, const gpumem_tensor *t)
{
    const gpumem_param *ndim = param_of(ask, "only_ndim", GPUMEM_TYPE_INTS), *without = param_of(ask, "only_without", GPUMEM_TYPE_STRINGS);
    bool found = !ndim || ndim->n == 0;
    for (uint32_t i = 0; !found && i < ndim->n; i++)
        found = ndim->v.ints[i] == t->ndim;
    for (uint32_t i = 0; found && without && i < without->n; i++)
        found = strstr(ask->job->model->string + t->name, without->v.strings[i]) == NULL;
    return found;
}

static uint64_t number_of(gpumem_count c)
{
    return c.num / c.den + (c.num % c.den != 0);
}

/* A claim says how many rows and columns; the tensor's own extents say the rest. */
static void shape_of(const gpumem_tensor *t, const gpumem_claim *c, gm_opt_state *out)
{
    uint64_t rows = number_of(c->rows), cols = number_of(c->cols), before = 1;
    unsigned n = t->ndim;
    for (unsigned i = 0; i < n; i++)
        out->extent[i] = t->dim[i].size;
    out->ndim = t->ndim;
    if (!c->counted)
        return;
    if (rows == 1 && cols == 1) {
        out->ndim = 0;
        return;
    }
    for (unsigned i = 0; i + 2 < n; i++)
        before *= t->dim[i].size; /* it fits: the plan has counted the tensor */
    if (n > 2 && rows == before * t->dim[n - 2].size && cols == 1) {
        out->extent[n - 1] = 1;
    } else if (n > 2 && rows == before && cols == t->dim[n - 1].size) {
        out->extent[n - 2] = 1;
    } else {
        out->ndim = 2;
        out->extent[0] = rows;
        out->extent[1] = cols;
    }
}

static bool constant(const gpumem_claim *c)
{
    return !c->counted || !(c->rows.sym[0] | c->rows.sym[1] | c->rows.sym[2] | c->rows.sym[3] | c->cols.sym[0] | c->cols.sym[1] | c->cols.sym[2] | c->cols.sym[3]);
}

static bool is_state(const maker *m, const gpumem_claim *c)
{
    return c->tensor != GPUMEM_NONE && c->is == GPUMEM_IS_OPTIMIZER && c->label && constant(c) && trains(m->ask->job, c->tensor);
}

static bool sort_claims(maker *m)
{
    const gm_opt_ask *ask = m->ask;
    uint32_t nt = ask->job->model->ntensor, *at = gm_arena_zero(&m->arena, nt + 1u, sizeof *at);
    m->first = gm_arena_zero(&m->arena, nt + 2u, sizeof *m->first);
    m->claim = gm_arena_zero(&m->arena, ask->nclaim + 1u, sizeof *m->claim);
    if (!at || !m->first || !m->claim)
        return false;
    for (uint32_t i = 0; i < ask->nclaim; i++)
        if (is_state(m, &ask->claim[i]))
            m->first[ask->claim[i].tensor + 1]++;
    for (uint32_t t = 0; t < nt; t++)
        m->first[t + 1] += m->first[t];
    for (uint32_t i = 0; i < ask->nclaim; i++)
        if (is_state(m, &ask->claim[i])) {
            uint32_t t = ask->claim[i].tensor;
            m->claim[m->first[t] + at[t]++] = i;
        }
    return true;
}

static gm_opt_param *next_param(maker *m)
{
    if (m->nparam == m->max_param) {
        uint32_t want = m->max_param ? m->max_param * 2 : 64;
        gm_opt_param *now = gm_arena_zero(&m->arena, want, sizeof *now);
        if (now == NULL)
            return NULL;
        if (m->nparam)
            memcpy(now, m->param, m->nparam * sizeof *now);
        m->param = now;
        m->max_param = want;
    }
    return &m->param[m->nparam++];
}

static bool add(maker *m, uint32_t at, uint64_t times)
{
    const gpumem_job *j = m->ask->job;
    const gpumem_tensor *t = &j->model->tensor[at];
    uint32_t n = m->first[at + 1] - m->first[at];
    gm_opt_param *p = next_param(m);
    gm_opt_state *state = gm_arena_zero(&m->arena, n + 1u, sizeof *state);
    if (p == NULL || state == NULL)
        return false;
    *p = (gm_opt_param){.times = times, .ndim = t->ndim, .dtype = dtype_of(&j->format[j->weight[at]]), .gradient = dtype_of(&j->format[j->gradient[at]]),
                         .chosen = chosen(m->ask, t), .state = state, .nstate = n};
    for (unsigned i = 0; i < t->ndim; i++)
        p->extent[i] = t->dim[i].size;
    for (uint32_t i = 0; i < n; i++) {
        const gpumem_claim *c = &m->ask->claim[m->claim[m->first[at] + i]];
        state[i].label = c->label;
        state[i].dtype = dtype_of(&j->format[c->format]);
        shape_of(t, c, &state[i]);
    }
    return true;
}

/* In the order in which the module has them. */
static bool add_block(maker *m, uint32_t at, uint64_t times)
{
    const gpumem_description *d = m->ask->job->model;
    const gpumem_block *b = &d->block[at];
    for (uint32_t order = 0, next; order != GPUMEM_NONE; order = next) {
        next = GPUMEM_NONE;
        for (uint32_t t = b->tensor0; t < b->tensor0 + b->ntensor; t++) {
            const gpumem_tensor *x = &d->tensor[t];
            if (!trains(m->ask->job, t) || (x->scope == GPUMEM_SCOPE_MODEL && m->seen[at]))
                continue;
            if (x->order > order && x->order < next)
                next = x->order;
            if (x->order == order && !add(m, t, times))
                return false;
        }
    }
    m->seen[at] = true;
    return true;
}

/* Of what repeats, the first two and the last one by one: in between nothing is new. */
static bool add_all(maker *m)
{
    const gpumem_description *d = m->ask->job->model;
    m->seen = gm_arena_zero(&m->arena, d->nblock + 1u, sizeof *m->seen);
    if (m->seen == NULL || !sort_claims(m))
        return false;
    for (uint32_t r = 0; r < d->nrun; r++) {
        const gpumem_run *run = &d->run[r];
        uint32_t n = run->count < 4 ? run->count : 4;
        for (uint32_t k = 0; k < n; k++)
            for (uint32_t i = 0; i < run->n; i++)
                if (!add_block(m, d->sequence[run->first + i], k == 2 && n == 4 ? run->count - 3u : 1u))
                    return false;
    }
    return true;
}

static uint64_t integer(const gm_opt_ask *ask, const char *key, uint64_t otherwise)
{
    const gpumem_param *p = param_of(ask, key, GPUMEM_TYPE_INT);
    return p && p->v.i > 0 ? (uint64_t)p->v.i : otherwise;
}

gpumem_status gm_plan_step(const gm_opt_ask *ask, uint64_t *peak, bool *described, gpumem_error *err)
{
    maker m = {.ask = ask, .err = err};
    gm_opt_program program = {0};
    gpumem_status s;
    *peak = 0;
    *described = false;
    if (ask->manifest->step == NULL)
        return GPUMEM_OK;
    s = read_program(&m, &program, described);
    if (s == GPUMEM_OK && program.nline) {
        gm_opt_job job = {.rounding = ask->rounding, .steps = STEPS, .cut = {integer(ask, "block_size", 512), integer(ask, "block_limit", 0)}};
        s = add_all(&m) ? GPUMEM_OK : gm_no_memory(err);
        job.param = m.param;
        job.nparam = m.nparam;
        if (s == GPUMEM_OK)
            s = gm_opt_run(&program, &job, peak, err);
    }
    gm_arena_free(&m.arena);
    return s;
}
