/* --timeline: live bytes along a training step, or along a prefill and the decode of a token, as a table, as JSON or as an SVG plot. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct point { unsigned phase; uint32_t op, position; uint64_t peak, live; } point; /* one operator: the most while it runs, and what it leaves */
typedef struct timeline { point *point; size_t n, max; bool failed; } timeline;

static int collect(void *self, const gpumem_event *e)
{
    timeline *l = self;
    point *p = l->n ? &l->point[l->n - 1] : NULL;

    if (e->sign == 0)
        return 0;
    if (!p || p->phase != e->phase || p->op != e->op || p->position != e->position) {
        if (l->n == l->max) {
            size_t max = l->max ? l->max * 2 : 256;
            point *now = realloc(l->point, max * sizeof *now);
            if (!now) {
                l->failed = true;
                return 1;
            }
            l->point = now;
            l->max = max;
        }
        p = &l->point[l->n++];
        *p = (point){e->phase, e->op, e->position, 0, 0};
    }
    p->live = e->live;
    p->peak = e->live > p->peak ? e->live : p->peak;
    return 0;
}

/* What lives all the time. */
static uint64_t always_of(const estimate *e)
{
    uint64_t n = 0;

    if (e->training)
        return e->result.between_steps;
    for (size_t i = 0; i < e->nline; i++)
        n += e->line[i].sub || e->line[i].is == GPUMEM_IS_CACHE || e->line[i].is == GPUMEM_IS_ACTIVATIONS ? 0 : e->result.line[i];
    return n;
}

/* How many steps of the x axis there are: the optimizer's step takes a twentieth. */
static size_t width_of(const estimate *e, const timeline *l) { return e->training ? l->n + l->n / 20 + 1 : l->n; }

static const char *op_of(const estimate *e, uint32_t op)
{
    const gpumem_description *d = gpumem_model_description(e->model);
    return op < d->nop ? text_at(d, d->op[op].name) : "";
}

static const gpumem_block *block_of(const estimate *e, uint32_t position)
{
    const gpumem_description *d = gpumem_model_description(e->model);
    return &d->block[d->sequence[position]];
}

/* ---- for people: a row for each block that runs ---- */

static void put_block_row(gpumem_text *t, const estimate *e, const terminal *term, const point *p, size_t n, unsigned shift)
{
    const gpumem_description *d = gpumem_model_description(e->model);
    uint64_t peak = 0;
    gpumem_text name = {0}, bar = {0};
    char number[NUMBER_SIZE];

    for (size_t i = 0; i < n; i++)
        peak = p[i].peak > peak ? p[i].peak : peak;
    put_block_name(&name, d, block_of(e, p->position));
    gpumem_text_puts(t, "  ");
    put_left(t, phase_name(p->phase), 10);
    put_right(t, "", 0);
    gpumem_text_printf(t, "%4u ", (unsigned)p->position);
    put_left(t, name.s ? name.s : "", 14);
    put_right(t, amount(number, peak, shift), 9);
    put_right(t, amount(number, p[n - 1].live, shift), 9);
    gpumem_text_puts(t, "  ");
    put_bar(&bar, term, peak, e->result.total, 24);
    put_styled(t, term, STYLE_BAR, bar.s ? bar.s : "");
    if (peak == e->result.total)
        gpumem_text_printf(t, " %s peak", term->glyph->back);
    gpumem_text_char(t, '\n');
    t->failed |= name.failed || bar.failed;
    gpumem_text_free(&name);
    gpumem_text_free(&bar);
}

static void put_rows(gpumem_text *t, const estimate *e, const terminal *term, const timeline *l)
{
    unsigned shift = e->result.total >> 30 ? 30 : 20;
    char number[NUMBER_SIZE];

    put_title(t, e, term);
    gpumem_text_printf(t, "\n  phase       at block              peak     then  %s\n", unit_name(shift));
    for (size_t i = 0, k; i < l->n; i = k) {
        for (k = i + 1; k < l->n && l->point[k].phase == l->point[i].phase && l->point[k].position == l->point[i].position; k++)
            ;
        put_block_row(t, e, term, &l->point[i], k - i, shift);
    }
    if (!e->training)
        return;
    gpumem_text_puts(t, "  ");
    put_left(t, "step", 10 + 5 + 14);
    put_right(t, amount(number, e->result.phase[2], shift), 9);
    put_right(t, amount(number, e->result.between_steps, shift), 9);
    gpumem_text_printf(t, "%s%s%s\n", e->moment.phase == GPUMEM_STEP ? "  " : "", e->moment.phase == GPUMEM_STEP ? term->glyph->back : "",
                       e->moment.phase == GPUMEM_STEP ? " peak" : "");
}

/* ---- JSON ---- */

static void put_points(gpumem_text *t, const estimate *e, const timeline *l)
{
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem.timeline/1");
    json_string(t, "units", "bytes");
    json_string(t, "model", gpumem_config_name(e->config));
    json_u64(t, e->training ? "between_steps" : "always", always_of(e));
    json_u64(t, "peak", e->result.total);
    json_line(t);
    json_open(t, "points", '[');
    for (size_t i = 0; i < l->n; i++) {
        const point *p = &l->point[i];
        json_open(t, NULL, '{');
        json_string(t, "phase", phase_name(p->phase));
        json_u64(t, "block", p->position);
        json_string(t, "op", op_of(e, p->op));
        json_u64(t, "peak", p->peak);
        json_u64(t, "live", p->live);
        json_close(t, '{');
    }
    if (e->training) {
        json_open(t, NULL, '{');
        json_string(t, "phase", "step");
        json_null(t, "block");
        json_null(t, "op");
        json_u64(t, "peak", e->result.phase[2]);
        json_u64(t, "live", e->result.between_steps);
        json_close(t, '{');
    }
    json_close(t, '[');
    json_close(t, '{');
    gpumem_text_char(t, '\n');
}

/* ---- SVG ---- */

enum { WIDE = 960, HIGH = 360, LEFT = 70, TOP = 44, BOTTOM = 30, RIGHT = 16 };

static double x_of(size_t i, size_t n) { return LEFT + (double)i / (double)(n ? n : 1) * (WIDE - LEFT - RIGHT); }
static double y_of(uint64_t bytes, uint64_t top) { return HIGH - BOTTOM - (double)bytes / (double)top * (HIGH - TOP - BOTTOM); }

static void put_text(gpumem_text *t, double x, double y, const char *anchor, const char *s)
{
    gpumem_text_printf(t, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *s; s++) {
        if (*s == '<' || *s == '&' || *s == '>')
            gpumem_text_printf(t, "&#%d;", *s);
        else
            gpumem_text_char(t, *s);
    }
    gpumem_text_puts(t, "</text>\n");
}

static void put_band(gpumem_text *t, const estimate *e, const timeline *l, unsigned phase, const char *fill)
{
    size_t first = 0, last, n = width_of(e, l);
    char s[80], number[NUMBER_SIZE];
    unsigned bit = 0; /* of a phase: its place in result.phase */

    while (phase >> bit != 1)
        bit++;
    while (first < l->n && l->point[first].phase != phase)
        first++;
    for (last = first; last < l->n && l->point[last].phase == phase; last++)
        ;
    if (phase == GPUMEM_STEP) {
        first = l->n;
        last = n;
    }
    gpumem_text_printf(t, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x_of(first, n), TOP,
                       x_of(last, n) - x_of(first, n), HIGH - TOP - BOTTOM, fill);
    snprintf(s, sizeof s, "%s %s", phase_name(phase), amount_unit(number, e->result.phase[bit]));
    put_text(t, phase == GPUMEM_STEP ? WIDE - RIGHT : x_of(first, n) + 4, TOP - 8, phase == GPUMEM_STEP ? "end" : "start", s);
}

static void put_svg(gpumem_text *t, const estimate *e, const timeline *l)
{
    uint64_t top = e->result.total + e->result.total / 10, always = always_of(e);
    size_t n = width_of(e, l), peak = l->n;
    char s[200], number[NUMBER_SIZE];
    gpumem_text title = {0};

    title_of(&title, e->config);
    gpumem_text_printf(t, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n",
                       WIDE, HIGH, WIDE, HIGH);
    gpumem_text_printf(t, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDE, HIGH);
    put_band(t, e, l, e->training ? GPUMEM_FORWARD : GPUMEM_PREFILL, "#eef4fb");
    put_band(t, e, l, e->training ? GPUMEM_BACKWARD : GPUMEM_DECODE, "#fdf3e3");
    if (e->training)
        put_band(t, e, l, GPUMEM_STEP, "#eef7ee");
    snprintf(s, sizeof s, "%s, %s: live bytes along a %s", title.s ? title.s : "", e->request->precision,
             e->training ? "training step" : "prefill and the decode of one token");
    put_text(t, LEFT, 16, "start", s);
    for (unsigned i = 0; i <= 4; i++) {
        uint64_t at = e->result.total / 4 * i;
        gpumem_text_printf(t, "<path d=\"M%d %.1fH%d\" stroke=\"#ccc\" stroke-width=\"0.5\"/>\n", LEFT, y_of(at, top), WIDE - RIGHT);
        put_text(t, LEFT - 6, y_of(at, top) + 4, "end", amount_unit(number, at));
    }
    gpumem_text_printf(t, "<path d=\"M%d %.1fH%d\" stroke=\"#555\" stroke-dasharray=\"4 3\"/>\n", LEFT, y_of(always, top), WIDE - RIGHT);
    gpumem_text_printf(t, "<path fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.2\" d=\"M%d %.1f", LEFT, y_of(always, top));
    for (size_t i = 0; i < l->n; i++) {
        const point *p = &l->point[i];
        gpumem_text_printf(t, "L%.2f %.1fL%.2f %.1f", x_of(i, n), y_of(p->peak, top), x_of(i + 1, n), y_of(p->live, top));
        if (p->peak == e->result.total)
            peak = i;
    }
    if (e->training)
        gpumem_text_printf(t, "L%.2f %.1fL%.2f %.1f", x_of(l->n, n), y_of(e->result.phase[2], top), x_of(n, n), y_of(always, top));
    gpumem_text_puts(t, "\"/>\n");
    gpumem_text_printf(t, "<circle cx=\"%.2f\" cy=\"%.1f\" r=\"4\" fill=\"#c8401c\"/>\n", x_of(peak, n), y_of(e->result.total, top));
    snprintf(s, sizeof s, "peak %s%s%s", amount_unit(number, e->result.total), peak < l->n ? ": " : "", peak < l->n ? op_of(e, l->point[peak].op) : "");
    put_text(t, x_of(peak, n) + (peak > l->n / 2 ? -8 : 8), y_of(e->result.total, top) - 6, peak > l->n / 2 ? "end" : "start", s);
    put_text(t, WIDE - RIGHT, y_of(always, top) - 4, "end", e->training ? "weights, optimizer, input" : "weights, input");
    gpumem_text_puts(t, "</svg>\n");
    t->failed |= title.failed;
    gpumem_text_free(&title);
}

gpumem_status put_timeline(gpumem_text *t, const estimate *e, const terminal *term, gpumem_error *err)
{
    timeline l = {0};
    gpumem_status s = gpumem_plan_trace(e->plan, &e->point, collect, &l, err);

    if (s == GPUMEM_OK && l.failed)
        s = fail(err, GPUMEM_ENOMEM, "out of memory");
    if (s == GPUMEM_OK) {
        if (e->o->svg)
            put_svg(t, e, &l);
        else if (e->o->json)
            put_points(t, e, &l);
        else
            put_rows(t, e, term, &l);
    }
    free(l.point);
    return s;
}
