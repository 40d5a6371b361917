#include "base/checked.h"
#include "plan/plan.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct { const char *id, *name; } part[] = {
    [GPUMEM_IS_WEIGHTS] = {"weights", "weights"}, [GPUMEM_IS_BUFFERS] = {"buffers", "buffers"}, [GPUMEM_IS_GRADIENTS] = {"gradients", "gradients"},
    [GPUMEM_IS_OPTIMIZER] = {"optimizer", "optimizer"}, [GPUMEM_IS_ACTIVATIONS] = {"activations", "activations"}, [GPUMEM_IS_CACHE] = {"kv_cache", "KV cache"},
    [GPUMEM_IS_INPUT] = {"input", "input"}, [GPUMEM_IS_TEMPORARIES] = {"temporaries", "temporaries"},
    [GPUMEM_IS_COMMUNICATION] = {"communication", "communication"}, [GPUMEM_IS_RUNTIME] = {"runtime", "runtime"}, [GPUMEM_IS_EXTRA] = {"", ""},
};

/* ---- checks ---- */

static bool count_ok(const gpumem_count *c, uint32_t nsym)
{
    return c->den != 0 && c->sym[0] < nsym && c->sym[1] < nsym && c->sym[2] < nsym && c->sym[3] < nsym;
}

static const char *claim_wrong(const gm_folder *f, const gpumem_claim *c)
{
    const gpumem_description *d = f->job->model;
    if (c->is >= GPUMEM_IS_END || c->merge >= GPUMEM_MERGE_END || c->phases == 0 || c->phases >= 1u << GM_NPHASE)
        return "a claim has a part, a merge or phases that there are not";
    if (c->format >= f->job->nformat)
        return "a claim has a format that there is not";
    if (c->tensor != GPUMEM_NONE && c->tensor >= d->ntensor)
        return "a claim has a tensor that there is not";
    if (c->counted ? !count_ok(&c->rows, d->nsym) || !count_ok(&c->cols, d->nsym) : c->tensor == GPUMEM_NONE)
        return "a claim has no sensible size";
    if (c->is == GPUMEM_IS_EXTRA && (c->label == NULL || *c->label == 0))
        return "a claim of the plugin's own line has no label";
    return NULL;
}

/* ---- lines ---- */

static const char *slug(gm_arena *arena, const char *label)
{
    char *s = gm_arena_strdup(arena, label);
    for (char *p = s; p && *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)tolower((unsigned char)*p) : '_';
    return s;
}

static gpumem_status add_line(gm_folder *f, const char *plugin, const gpumem_claim *c, const char *id, const char *name, bool sub, uint32_t *out, gpumem_error *err)
{
    gpumem_plan *p = f->plan;
    if (p->nline == GPUMEM_MAX_LINES)
        return gm_fail(err, GPUMEM_EPLUGIN, NULL, 0, 0, "%s: more than %d lines in one estimate", plugin, GPUMEM_MAX_LINES);
    gpumem_line *l = &p->line[p->nline];
    l->is = c->is;
    l->part = gm_arena_strdup(&p->arena, id);
    l->name = gm_arena_strdup(&p->arena, name);
    l->plugin = gm_arena_strdup(&p->arena, plugin);
    l->formula = "";
    l->sub = sub;
    if (l->part == NULL || l->name == NULL || l->plugin == NULL)
        return gm_no_memory(err);
    *out = p->nline++;
    return GPUMEM_OK;
}

static gpumem_status head_of(gm_folder *f, const char *plugin, const gpumem_claim *c, uint32_t *out, gpumem_error *err)
{
    gpumem_plan *p = f->plan;
    bool extra = c->is == GPUMEM_IS_EXTRA;
    const char *id = extra ? slug(&p->arena, c->label) : part[c->is].id, *name = extra ? c->label : part[c->is].name;
    const gm_value *label;
    if (id == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < p->nline; i++)
        if (!p->line[i].sub && strcmp(p->line[i].part, id) == 0) {
            *out = i;
            return GPUMEM_OK;
        }
    label = f->set->labels ? gm_value_get(f->set->labels, id) : NULL;
    return add_line(f, plugin, c, id, label ? label->v.s : name, false, out, err);
}

static gpumem_status leaf_of(gm_folder *f, const char *plugin, const gpumem_claim *c, gm_leaf **out, gpumem_error *err)
{
    uint32_t head = 0, line;
    gpumem_status s;
    for (uint32_t i = f->nleaf; i-- > 0;) {
        gm_leaf *l = &f->leaf[i];
        if (l->is == c->is && (l->label == c->label || (l->label && c->label && strcmp(l->label, c->label) == 0))) {
            *out = l;
            return GPUMEM_OK;
        }
    }
    if ((s = head_of(f, plugin, c, &head, err)) != GPUMEM_OK)
        return s;
    line = head;
    if (c->label && *c->label && strcmp(c->label, f->plan->line[head].name) != 0 && c->is != GPUMEM_IS_EXTRA) {
        char id[200];
        snprintf(id, sizeof id, "%s.%s", f->plan->line[head].part, c->label);
        if ((s = add_line(f, plugin, c, id, c->label, true, &line, err)) != GPUMEM_OK)
            return s;
    }
    if (f->nleaf == COUNT(f->leaf))
        return gm_fail(err, GPUMEM_EPLUGIN, NULL, 0, 0, "%s: more than %d lines in one estimate", plugin, GPUMEM_MAX_LINES);
    *out = &f->leaf[f->nleaf++];
    **out = (gm_leaf){.is = c->is, .label = c->label, .plugin = plugin, .format = f->job->format[c->format].name, .line = line, .head = head};
    return GPUMEM_OK;
}

/* ---- folding ---- */

static gpumem_status more(gm_arena *arena, void *items, size_t size, uint32_t n, uint32_t *max, void **out, gpumem_error *err)
{
    *out = items;
    if (n < *max)
        return GPUMEM_OK;
    uint32_t want = *max ? *max * 2 : 16;
    void *now = gm_arena_zero(arena, want, size);
    if (now == NULL)
        return gm_no_memory(err);
    if (n)
        memcpy(now, items, n * size);
    *max = want;
    *out = now;
    return GPUMEM_OK;
}

static gpumem_status fold_of(gm_folder *f, const gm_leaf *l, uint8_t phases, uint32_t *out, gpumem_error *err)
{
    gpumem_plan *p = f->plan;
    void *items;
    for (uint32_t i = 0; i < p->nfold; i++)
        if (p->fold[i].line == l->line && p->fold[i].phases == phases) {
            *out = i;
            return GPUMEM_OK;
        }
    gpumem_status s = more(&p->arena, p->fold, sizeof *p->fold, p->nfold, &p->max_fold, &items, err);
    if (s != GPUMEM_OK)
        return s;
    p->fold = items;
    p->fold[p->nfold] = (gm_fold){.line = l->line, .head = l->head, .phases = phases};
    *out = p->nfold++;
    return GPUMEM_OK;
}

static bool depends(gpumem_count c)
{
    return c.sym[0] || c.sym[1] || c.sym[2] || c.sym[3];
}

/* A tensor's extents as rows and columns: all but the last, and the last. */
static gpumem_status tensor_counts(const gpumem_tensor *t, gpumem_count *rows, gpumem_count *cols, gpumem_error *err)
{
    uint32_t n = 0;
    *rows = (gpumem_count){1, 1, {0}};
    *cols = (gpumem_count){1, 1, {0}};
    for (uint32_t d = 0; d < t->ndim; d++) {
        gpumem_count *c = d + 1 == t->ndim ? cols : rows;
        if (gm_mul_u64(c->num, t->dim[d].size, &c->num))
            return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "a tensor's size does not fit in 64 bits");
        if (t->dim[d].sym && d + 1 < t->ndim) {
            if (n == 4)
                return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "a tensor's size has more than four symbols");
            c->sym[n++] = t->dim[d].sym;
        } else if (t->dim[d].sym) {
            c->sym[0] = t->dim[d].sym;
        }
    }
    return GPUMEM_OK;
}

static gpumem_status too_big(const char *plugin, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "%s: a size does not fit in 64 bits", plugin);
}

static gpumem_status fold_constant(gm_folder *f, gm_leaf *l, gm_fold *to, const gpumem_claim *c, gpumem_count rows, gpumem_count cols, uint64_t times, gpumem_error *err)
{
    static const uint64_t one[GPUMEM_MAX_SYMBOLS] = {1};
    const gpumem_format *format = &f->job->format[c->format];
    uint64_t elements = 0, n = 0, sum = 0;
    for (uint32_t i = 0; i < format->npart; i++)
        if (gm_part_bytes(&format->part[i], rows, cols, one, f->plan->rounding, &n) || gm_add_u64(sum, n, &sum))
            return too_big(l->plugin, err);
    if (c->merge == GPUMEM_PEAK)
        to->peak = sum > to->peak ? sum : to->peak;
    else if (gm_mul_u64(sum, times, &sum) || gm_add_u64(to->add, sum, &to->add))
        return too_big(l->plugin, err);
    static const gpumem_format_part byte = {1, 1, 8, 0};
    if (gm_part_bytes(&byte, rows, cols, one, 1, &elements) == 0 && gm_mul_u64(elements, times, &elements) == 0)
        gm_add_u64(l->elements, elements, &l->elements);
    l->allocations += times * format->npart;
    return GPUMEM_OK;
}

static gpumem_status fold_record(gm_folder *f, gm_leaf *l, uint32_t slot, const gpumem_claim *c, gpumem_count rows, gpumem_count cols, uint64_t times, gpumem_error *err)
{
    gpumem_plan *p = f->plan;
    const gpumem_format *format = &f->job->format[c->format];
    for (uint32_t i = 0; i < format->npart; i++) {
        void *items;
        gpumem_status s = more(&p->arena, p->record, sizeof *p->record, p->nrecord, &p->max_record, &items, err);
        if (s != GPUMEM_OK)
            return s;
        p->record = items;
        p->record[p->nrecord] = (gm_record){times, rows, cols, format->part[i], slot, p->nrecord, c->merge, i + 1 < format->npart};
        p->nrecord++;
    }
    if (l->rows.den == 0) {
        l->rows = rows;
        l->cols = cols;
    }
    return GPUMEM_OK;
}

gpumem_status gm_fold_claims(gm_folder *f, const char *plugin, const gpumem_claim *claim, uint32_t n, gpumem_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        const gpumem_claim *c = &claim[i];
        const char *wrong = claim_wrong(f, c);
        gpumem_count rows = c->rows, cols = c->cols;
        uint64_t times = 1;
        uint32_t slot = 0;
        gm_leaf *l = NULL;
        gpumem_status s;
        if (wrong)
            return gm_fail(err, GPUMEM_EPLUGIN, NULL, 0, 0, "%s: %s", plugin, wrong);
        if (c->tensor != GPUMEM_NONE && c->merge == GPUMEM_ADD)
            times = f->times[c->tensor];
        if (!c->counted && (s = tensor_counts(&f->job->model->tensor[c->tensor], &rows, &cols, err)) != GPUMEM_OK)
            return s;
        if ((s = leaf_of(f, plugin, c, &l, err)) != GPUMEM_OK || (s = fold_of(f, l, c->phases, &slot, err)) != GPUMEM_OK)
            return s;
        if (l->format && strcmp(l->format, f->job->format[c->format].name) != 0)
            l->format = NULL;
        f->plan->line[l->line].phases |= c->phases;
        f->plan->line[l->head].phases |= c->phases;
        s = depends(rows) || depends(cols) ? fold_record(f, l, slot, c, rows, cols, times, err)
                                           : fold_constant(f, l, &f->plan->fold[slot], c, rows, cols, times, err);
        if (s != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

/* ---- finishing ---- */

/* "123 / 10 * batch * tokens", without factors of one. */
static void count_text(const gm_folder *f, gpumem_count c, gpumem_text *t)
{
    bool first = t->n == 0;
    if (c.num != 1 || c.den != 1)
        gpumem_text_printf(t, "%s%llu", first ? "" : " * ", (unsigned long long)c.num);
    if (c.den > 1)
        gpumem_text_printf(t, " / %u", c.den);
    for (int i = 0; i < 4; i++)
        if (c.sym[i]) {
            const char *name = f->job->model->sym[c.sym[i]].name;
            gpumem_text_printf(t, "%s%s", t->n ? " * " : "", name ? name : "derived");
        }
}

static gpumem_status formula(gm_folder *f, const gm_leaf *l, gpumem_error *err)
{
    gpumem_text t = {0};
    const char *format = l->format ? l->format : "several formats", *s;
    if (l->rows.den) {
        count_text(f, l->rows, &t);
        count_text(f, l->cols, &t);
        gpumem_text_printf(&t, " elements of %s", format);
    } else {
        gpumem_text_printf(&t, "%llu elements of %s in %llu tensors", (unsigned long long)l->elements, format, (unsigned long long)l->allocations);
    }
    if (f->plan->rounding > 1)
        gpumem_text_printf(&t, ", each rounded up to %u bytes", f->plan->rounding);
    s = t.failed ? NULL : gm_arena_strndup(&f->plan->arena, t.s, t.n);
    gpumem_text_free(&t);
    if (s == NULL)
        return gm_no_memory(err);
    f->plan->line[l->line].formula = s;
    f->plan->line[l->line].format = l->format;
    return GPUMEM_OK;
}

/* Details behind what they detail; new[] maps old numbers. */
static void order_lines(gpumem_plan *p, const gm_folder *f, uint32_t *new_line)
{
    gpumem_line old[GPUMEM_MAX_LINES];
    uint32_t n = 0;
    memcpy(old, p->line, p->nline * sizeof *old);
    for (uint32_t i = 0; i < p->nline; i++) {
        if (old[i].sub)
            continue;
        p->line[n] = old[i];
        new_line[i] = n++;
        for (uint32_t k = 0; k < f->nleaf; k++)
            if (f->leaf[k].head == i && f->leaf[k].line != i) {
                p->line[n] = old[f->leaf[k].line];
                new_line[f->leaf[k].line] = n++;
            }
    }
}

static int by_slot(const void *a, const void *b)
{
    const gm_record *x = a, *y = b;
    return x->slot != y->slot ? (x->slot < y->slot ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

gpumem_status gm_fold_finish(gm_folder *f, gpumem_error *err)
{
    gpumem_plan *p = f->plan;
    uint32_t new_line[GPUMEM_MAX_LINES] = {0};
    for (uint32_t i = 0; i < f->nleaf; i++) {
        gpumem_status s = formula(f, &f->leaf[i], err);
        if (s != GPUMEM_OK)
            return s;
    }
    order_lines(p, f, new_line);
    for (uint32_t i = 0; i < p->nfold; i++) {
        p->fold[i].line = new_line[p->fold[i].line];
        p->fold[i].head = new_line[p->fold[i].head];
    }
    if (p->nrecord)
        qsort(p->record, p->nrecord, sizeof *p->record, by_slot);
    return GPUMEM_OK;
}
