/* What the peak of a training step is made of: the parts that live then, and the operator that it is at. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARES = 256, SHOWN = 6 };

static const char *op_text(const estimate *e, uint32_t op)
{
    const gpumem_description *d = gpumem_model_description(e->model);
    return op < d->nop ? text_at(d, d->op[op].name) : "";
}

const char *phase_name(unsigned phase)
{
    return phase == GPUMEM_FORWARD ? "forward" : phase == GPUMEM_BACKWARD ? "backward" : phase == GPUMEM_STEP ? "step" : phase == GPUMEM_PREFILL ? "prefill" : "decode";
}

/* Operators of one name in different layers are one line. */
static size_t merge(const estimate *e, gpumem_share *share, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        if (share[i].is != GPUMEM_IS_ACTIVATIONS)
            continue;
        while (k < kept && strcmp(op_text(e, share[k].op), op_text(e, share[i].op)) != 0)
            k++;
        if (k == kept)
            share[kept++] = share[i];
        else {
            share[k].bytes += share[i].bytes;
            share[k].count += share[i].count;
        }
    }
    return kept;
}

static int by_bytes(const void *a, const void *b)
{
    const gpumem_share *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : x->op < y->op ? -1 : x->op > y->op;
}

static void add_line(estimate *e, const gpumem_line *line, uint64_t bytes)
{
    e->own_line[e->nline] = *line;
    e->result.line[e->nline++] = bytes;
}

static void add_activations(estimate *e, gpumem_share *share, size_t n, uint64_t bytes)
{
    gpumem_line line = {.is = GPUMEM_IS_ACTIVATIONS, .phases = e->moment.phase, .part = "activations", .name = "activations", .plugin = e->by, .formula = ""};
    if (e->moment.phase == GPUMEM_STEP) {
        line.is = GPUMEM_IS_TEMPORARIES;
        line.part = line.name = "temporaries";
    }
    if (bytes == 0 || e->nline == GPUMEM_MAX_LINES)
        return;
    add_line(e, &line, bytes);
    n = merge(e, share, n);
    qsort(share, n, sizeof *share, by_bytes);
    line.sub = true;
    for (size_t i = 0; i < n && i < SHOWN && e->nline < GPUMEM_MAX_LINES; i++) {
        line.name = op_text(e, share[i].op);
        line.part = line.name;
        add_line(e, &line, share[i].bytes);
    }
}

/* Who says what is made: the first plugin of its kind that the plan has asked. */
static void find_by(estimate *e, gpumem_kind kind)
{
    const gpumem_used *used;
    size_t n = gpumem_plan_plugins(e->plan, &used), i = 0;

    while (i < n && used[i].kind != kind)
        i++;
    if (i < n)
        snprintf(e->by, sizeof e->by, "%s/%s", gpumem_kind_name(kind), used[i].id);
}

/* Inference: what the prefill leaves behind, and what lives beside it at the peak. */
gpumem_status estimate_remembered(estimate *e, gpumem_error *err)
{
    gpumem_line cache = {.is = GPUMEM_IS_CACHE, .phases = GPUMEM_INFERENCE, .part = "kv_cache", .name = "KV cache", .plugin = e->by, .formula = ""};
    gpumem_line rest = {.is = GPUMEM_IS_ACTIVATIONS, .phases = GPUMEM_INFERENCE, .part = "activations", .name = "activations", .plugin = e->by, .formula = ""};
    gpumem_line *own;
    uint64_t known = 0;
    bool counted = false;

    if (!gpumem_plan_walks(e->plan))
        return GPUMEM_OK;
    own = malloc((GPUMEM_MAX_LINES + 2) * sizeof *own);
    if (!own)
        return fail(err, GPUMEM_ENOMEM, "out of memory");
    find_by(e, GPUMEM_KIND_ACTIVATION);
    if (!*e->by) /* the engine's own rules */
        find_by(e, GPUMEM_KIND_ENGINE);
    for (size_t i = 0; i < e->nline; i++) {
        own[i] = e->line[i];
        counted |= own[i].is == GPUMEM_IS_CACHE;
        known += own[i].sub ? 0 : e->result.line[i];
    }
    free(e->own_line);
    e->line = e->own_line = own;
    if (!counted && e->result.cache && e->nline < GPUMEM_MAX_LINES && known + e->result.cache <= e->result.total) {
        add_line(e, &cache, e->result.cache);
        known += e->result.cache;
    }
    if (e->result.total > known && e->nline < GPUMEM_MAX_LINES)
        add_line(e, &rest, e->result.total - known);
    return GPUMEM_OK;
}

/* Lines as they are at the peak, so that they add up to it. */
gpumem_status estimate_at_peak(estimate *e, gpumem_error *err)
{
    gpumem_share share[SHARES];
    size_t n = e->nline;
    const gpumem_line *line = e->line;
    uint64_t value[GPUMEM_MAX_LINES], known = 0;
    gpumem_line *own;
    gpumem_error none = {0};
    gpumem_status s = gpumem_plan_peak(e->plan, &e->point, &e->moment, share, SHARES, &none);

    if (s == GPUMEM_EUNSUP) /* closed formulas have no moments */
        return GPUMEM_OK;
    if (s != GPUMEM_OK) {
        *err = none;
        return s;
    }
    own = malloc((GPUMEM_MAX_LINES + 1) * sizeof *own);
    if (!own)
        return fail(err, GPUMEM_ENOMEM, "out of memory");
    find_by(e, e->moment.phase == GPUMEM_STEP ? GPUMEM_KIND_OPTIMIZER : GPUMEM_KIND_ACTIVATION);
    memcpy(value, e->result.line, sizeof value);
    e->has_moment = true;
    e->nline = 0;
    for (size_t i = 0, k; i < n; i = k) {
        uint64_t bytes = value[i];
        bool gradients = line[i].is == GPUMEM_IS_GRADIENTS;
        for (k = i + 1; k < n && line[k].sub; k++)
            ;
        if (gradients && !(line[i].phases & e->moment.phase)) /* those that have come so far */
            bytes = e->moment.gradients;
        else if (line[i].is == GPUMEM_IS_TEMPORARIES || line[i].is == GPUMEM_IS_ACTIVATIONS)
            bytes = 0;
        if (bytes == 0 && line[i].is != GPUMEM_IS_WEIGHTS)
            continue;
        known += bytes;
        own[e->nline] = line[i];
        e->result.line[e->nline++] = bytes;
        for (size_t j = i + 1; j < k && bytes == value[i]; j++) {
            own[e->nline] = line[j];
            e->result.line[e->nline++] = value[j];
        }
    }
    free(e->own_line);
    e->line = e->own_line = own;
    add_activations(e, share, e->moment.nshare, e->result.total > known ? e->result.total - known : 0);
    return GPUMEM_OK;
}

/* "forward 30.91 · backward 31.20 <- peak · step 30.49 GiB" */
void put_phases(gpumem_text *t, const estimate *e, const terminal *term, unsigned shift)
{
    char number[NUMBER_SIZE];
    gpumem_text line = {0};

    for (unsigned i = 0; i < 3; i++) {
        gpumem_text_printf(&line, "%s%s %s", i ? " " : "", phase_name(1u << i), amount(number, e->result.phase[i], shift));
        if (e->moment.phase == 1u << i)
            gpumem_text_printf(&line, " %s peak", term->glyph->back);
        if (i < 2)
            gpumem_text_printf(&line, " %s", term->glyph->dot);
    }
    gpumem_text_printf(&line, " %s", unit_name(shift));
    gpumem_text_puts(t, "  ");
    put_wrapped(t, line.s ? line.s : "", 2, 4, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

/* Where it is: "at gelu, layer 31, in its backward". */
void put_place(gpumem_text *t, const estimate *e, const terminal *term)
{
    char s[200];
    const gpumem_moment *m = &e->moment;

    if (m->phase == GPUMEM_STEP)
        snprintf(s, sizeof s, "the peak is in the optimizer's step");
    else
        snprintf(s, sizeof s, "the peak is in the %s of %s%s", phase_name(m->phase), op_text(e, m->op), m->layer == GPUMEM_NONE ? "" : " of a layer");
    put_repeat(t, " ", 2);
    put_wrapped(t, s, 2, 4, term->width);
    gpumem_text_char(t, '\n');
}

void json_moment(gpumem_text *t, const estimate *e)
{
    const gpumem_moment *m = &e->moment;

    if (!e->has_moment) {
        json_null(t, "peak_phase");
        json_null(t, "peak_op");
        return;
    }
    json_string(t, "peak_phase", phase_name(m->phase));
    json_string(t, "peak_op", m->phase == GPUMEM_STEP ? NULL : op_text(e, m->op));
}
