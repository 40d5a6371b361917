/* The table for people. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { BAR = 38, CAPACITY = 64, INDENT = 2 };

typedef struct layout {
    const terminal *term;
    unsigned shift;     /* one unit for the whole table */
    size_t name, value; /* columns of the names, of the numbers */
    size_t percent;     /* with the space before it; 0: left out */
    bool bar;
    uint64_t sum;       /* of the parts that are known */
} layout;

/* ---- the title ----------------------------------------------------------------------------------------------------------- */

/* Last component of the name; of a config.json the folder's. */
void title_of(gpumem_text *t, const gpumem_config *config)
{
    const char *name = gpumem_config_name(config), *end = name + strlen(name), *start;
    bool file = strcmp(gpumem_config_source(config), "config.json") == 0;

    while (end > name + 1 && end[-1] == '/')
        end--;
    if (file && end - name > 12 && memcmp(end - 12, "/config.json", 12) == 0)
        end -= 12;
    else if (file && end - name > 5 && memcmp(end - 5, ".json", 5) == 0 && end[-6] != '/')
        end -= 5;
    for (start = end; start > name && start[-1] != '/'; start--)
        ;
    for (; start < end; start++)
        gpumem_text_char(t, (unsigned char)*start < 0x20 || *start == 0x7f ? '?' : *start);
}

typedef struct joined { gpumem_text *t; const terminal *term; size_t column; } joined;

/* One part of the title, with a dot before it; on a new line where it would not fit. */
static void join(joined *j, style how, const char *s)
{
    size_t n = columns(s);

    if (j->column > 0 && j->column + 3 + n > j->term->width) {
        gpumem_text_puts(j->t, "\n  ");
        j->column = 2;
    } else if (j->column > 0) {
        gpumem_text_printf(j->t, " %s ", j->term->glyph->dot);
        j->column += 3;
    }
    put_styled(j->t, j->term, how, s);
    j->column += n;
}

static void join_training(joined *j, const gpumem_request *r)
{
    char s[128];

    snprintf(s, sizeof s, "%s%s%s", r->optimizer, r->implementation ? " " : "", r->implementation ? r->implementation : "");
    join(j, STYLE_PLAIN, s);
    if (r->checkpointing)
        join(j, STYLE_PLAIN, "checkpointing");
    if (r->accumulation > 1) {
        snprintf(s, sizeof s, "accumulation %u", (unsigned)r->accumulation);
        join(j, STYLE_PLAIN, s);
    }
}

void put_title(gpumem_text *t, const estimate *e, const terminal *term)
{
    joined j = {t, term, 0};
    gpumem_text name = {0};
    char s[256];

    title_of(&name, e->config);
    join(&j, STYLE_BOLD, name.s ? name.s : "");
    t->failed |= name.failed;
    gpumem_text_free(&name);
    join(&j, STYLE_PLAIN, e->request->precision);
    join(&j, STYLE_PLAIN, e->training ? "training" : e->request->engine ? e->request->engine : "inference");
    if (e->training)
        join_training(&j, e->request);
    if (e->o->attention)
        snprintf(s, sizeof s, "%s attention", e->o->attention), join(&j, STYLE_PLAIN, s);
    snprintf(s, sizeof s, "%llu tokens %s %llu sequence%s", (unsigned long long)e->point.tokens, term->glyph->times,
             (unsigned long long)e->point.batch, e->point.batch == 1 ? "" : "s");
    join(&j, STYLE_PLAIN, s);
    if (e->has_card) {
        snprintf(s, sizeof s, "%u %s %s", e->card.count, term->glyph->times, e->card.label);
        join(&j, STYLE_PLAIN, s);
    }
    gpumem_text_char(t, '\n');
}

/* ---- rows ---------------------------------------------------------------------------------------------------------------- */

static void put_value(gpumem_text *t, const layout *l, uint64_t bytes)
{
    char buf[NUMBER_SIZE];

    put_right(t, amount(buf, bytes, l->shift), l->value);
    gpumem_text_printf(t, " %s", unit_name(l->shift));
}

static void put_row(gpumem_text *t, const layout *l, const char *name, uint64_t bytes)
{
    gpumem_text bar = {0};
    char s[16];

    put_repeat(t, " ", INDENT);
    put_left(t, name, l->name + 1);
    put_value(t, l, bytes);
    if (l->bar) {
        gpumem_text_puts(t, "  ");
        put_bar(&bar, l->term, bytes, l->sum, BAR);
        put_styled(t, l->term, STYLE_BAR, bar.s ? bar.s : "");
        put_repeat(t, " ", BAR - columns(bar.s ? bar.s : ""));
        t->failed |= bar.failed;
        gpumem_text_free(&bar);
    }
    if (l->percent) {
        snprintf(s, sizeof s, "%u%%", percent(bytes, l->sum));
        put_right(t, s, l->percent);
    }
    gpumem_text_char(t, '\n');
}

static void put_detail(gpumem_text *t, const layout *l, const char *name, uint64_t bytes)
{
    gpumem_text row = {0};

    put_repeat(&row, " ", INDENT + 2);
    put_left(&row, name, l->name - 1);
    put_value(&row, l, bytes);
    put_styled(t, l->term, STYLE_DIM, row.s ? row.s : "");
    gpumem_text_char(t, '\n');
    t->failed |= row.failed;
    gpumem_text_free(&row);
}

static void put_not_yet(gpumem_text *t, const layout *l, const char *name)
{
    put_repeat(t, " ", INDENT);
    put_left(t, name, l->name + 1);
    gpumem_text text = {0};
    put_right(&text, "not yet", l->value + 4);
    put_styled(t, l->term, STYLE_DIM, text.s ? text.s : "");
    t->failed |= text.failed;
    gpumem_text_free(&text);
    gpumem_text_char(t, '\n');
}

static void put_rule(gpumem_text *t, const layout *l)
{
    size_t n = l->name + 1 + l->value + 4 + (l->bar ? 2 + BAR + l->percent - 1 : l->percent);

    put_repeat(t, " ", INDENT);
    put_repeat(t, l->term->glyph->rule, n);
    gpumem_text_char(t, '\n');
}

static void put_sum(gpumem_text *t, const layout *l, style how, const char *name, uint64_t bytes, const char *remark)
{
    gpumem_text row = {0};
    size_t used = INDENT + l->name + 1 + l->value + 4 + 2;

    put_repeat(t, " ", INDENT);
    put_left(&row, name, l->name + 1);
    put_value(&row, l, bytes);
    put_styled(t, l->term, how, row.s ? row.s : "");
    t->failed |= row.failed;
    gpumem_text_free(&row);
    if (*remark && used + columns(remark) <= l->term->width)
        gpumem_text_printf(t, "  %s", remark);
    gpumem_text_char(t, '\n');
}

/* ---- layout: what does not fit is dropped, the bar first --------------------------------------------------------------------- */

static void widen(size_t *width, size_t n)
{
    if (n > *width)
        *width = n;
}

static layout lay_out(const estimate *e, const terminal *term)
{
    layout l = {.term = term, .shift = 20, .name = 12, .value = 5, .percent = 4, .bar = true};
    char buf[NUMBER_SIZE];
    uint64_t largest = e->complete ? e->result.total : 0;
    bool whole = false;

    for (size_t i = 0; i < e->nline; i++) {
        widen(&l.name, columns(e->line[i].name) + (e->line[i].sub ? 2 : 0));
        if (!e->line[i].sub)
            l.sum += e->result.line[i];
    }
    if (!e->complete && e->training)
        widen(&l.name, strlen("between steps"));
    widen(&l.name, strlen("activations"));
    if (l.sum > largest)
        largest = l.sum;
    if (largest >> 30)
        l.shift = 30;
    widen(&l.value, columns(amount(buf, largest, l.shift)));
    for (size_t i = 0; i < e->nline; i++)
        whole |= !e->line[i].sub && percent(e->result.line[i], l.sum) > 99;
    if (whole)
        l.percent++;
    if (INDENT + l.name + 1 + l.value + 4 + 2 + BAR + l.percent > term->width)
        l.bar = false;
    if (!l.bar && INDENT + l.name + 1 + l.value + 4 + ++l.percent > term->width)
        l.percent = 0;
    return l;
}

static void put_rows(gpumem_text *t, const estimate *e, const layout *l)
{
    for (size_t i = 0; i < e->nline; i++)
        if (e->line[i].sub)
            put_detail(t, l, e->line[i].name, e->result.line[i]);
        else
            put_row(t, l, e->line[i].name, e->result.line[i]);
    if (e->complete)
        return;
    if (!e->training && !e->request->no_cache)
        put_not_yet(t, l, "KV cache");
    put_not_yet(t, l, "activations");
}

static void put_sums(gpumem_text *t, const estimate *e, const layout *l)
{
    put_rule(t, l);
    if (e->complete) {
        put_sum(t, l, STYLE_BOLD, "total", e->result.total, "per GPU");
        if (e->has_moment) {
            gpumem_text_char(t, '\n');
            put_phases(t, e, l->term, l->shift);
            put_place(t, e, l->term);
        }
        return;
    }
    put_sum(t, l, STYLE_BOLD, "known", l->sum, e->training ? "and activations come on top" : "and cache and activations come on top");
    if (e->training)
        put_sum(t, l, STYLE_PLAIN, "between steps", e->result.between_steps, "what stays once the gradients are gone");
}

/* ---- does it fit? ------------------------------------------------------------------------------------------------------------- */

/* The bar is CAPACITY cells and a tick at the budget; returns the tick's place. */
static unsigned put_capacity(gpumem_text *t, const estimate *e, const terminal *term)
{
    const glyphs *g = term->glyph;
    uint64_t visible = e->card.visible;
    gpumem_text bar = {0};
    unsigned tick = (unsigned)((long double)e->card.budget / (long double)visible * CAPACITY + 0.5L);
    unsigned used = put_bar(&bar, term, e->result.total, visible, CAPACITY);
    const char *s = bar.s ? bar.s : "";

    if (tick > CAPACITY)
        tick = CAPACITY;
    put_repeat(t, " ", INDENT);
    for (unsigned cell = 0; cell <= CAPACITY; cell++) {
        size_t n = 1;
        if (cell == tick)
            gpumem_text_puts(t, g->tick);
        if (cell == CAPACITY)
            break;
        if (cell >= used) {
            gpumem_text_puts(t, g->empty);
            continue;
        }
        while (((unsigned char)s[n] & 0xc0) == 0x80)
            n++;
        if (cell + 1 == CAPACITY && e->result.total > visible)
            gpumem_text_puts(t, g->over);
        else
            gpumem_text_put(t, s, n);
        s += n;
    }
    gpumem_text_char(t, '\n');
    t->failed |= bar.failed;
    gpumem_text_free(&bar);
    return tick;
}

/* 0 on the left, the budget under its tick, all that is visible on the right. */
static void put_scale(gpumem_text *t, const estimate *e, const terminal *term, unsigned tick)
{
    char budget[NUMBER_SIZE + 16], visible[NUMBER_SIZE], number[NUMBER_SIZE];
    unsigned shift = e->card.visible >> 30 ? 30 : 20;
    bool whole = e->card.budget == e->card.visible;
    size_t n;

    amount(visible, e->card.visible, shift);
    if (whole)
        snprintf(budget, sizeof budget, "budget %s %s", visible, unit_name(shift));
    else
        snprintf(budget, sizeof budget, "budget %s", amount(number, e->card.budget, shift));
    n = columns(budget) + 1; /* and a space */
    put_repeat(t, " ", INDENT);
    gpumem_text_char(t, '0');
    if (tick > n + 1)
        put_repeat(t, " ", tick - 1 - n);
    else
        put_repeat(t, " ", tick > 1 ? tick - 1 : 0);
    if (tick > n + 1)
        gpumem_text_printf(t, "%s %s", budget, term->glyph->corner);
    else
        gpumem_text_printf(t, "%s %s", term->glyph->corner, budget);
    if (!whole)
        gpumem_text_printf(t, "  %s %s", visible, unit_name(shift));
    gpumem_text_char(t, '\n');
}

static void put_verdict_line(gpumem_text *t, const estimate *e, const terminal *term)
{
    static const style styles[] = {STYLE_PLAIN, STYLE_GOOD, STYLE_WARN, STYLE_BAD};
    static const char *const words[] = {"", "FITS", "TIGHT", "NO"};
    uint64_t total = e->result.total, budget = e->card.budget;
    char spare[NUMBER_SIZE], all[NUMBER_SIZE], need[NUMBER_SIZE];
    gpumem_text line = {0};
    unsigned shift = budget >> 30 ? 30 : 20;

    amount_unit(all, budget);
    if (e->verdict == VERDICT_NO)
        gpumem_text_printf(&line, "needs %s, short by %s %s per GPU (%u%% of the %s budget)", amount(need, total, shift),
                           amount(spare, total - budget, shift), unit_name(shift), percent(total, budget), all);
    else
        gpumem_text_printf(&line, "%u%% of the %s budget, %s %s spare", percent(total, budget), all,
                           amount(spare, budget - total, shift), unit_name(shift));
    put_repeat(t, " ", INDENT);
    put_styled(t, term, styles[e->verdict], words[e->verdict]);
    gpumem_text_puts(t, "  ");
    put_wrapped(t, line.s ? line.s : "", INDENT + (unsigned)strlen(words[e->verdict]) + 2, INDENT + 4, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

static void put_smallest(gpumem_text *t, const estimate *e, const terminal *term)
{
    card best;
    gpumem_text line = {0};
    char kind[8];

    if (!smallest_card(e->host, &e->card, e->result.total, &best))
        return;
    verdict v = judge(e->result.total, best.budget);
    snprintf(kind, sizeof kind, "%s", v == VERDICT_TIGHT ? "TIGHT" : "FITS");
    gpumem_text_printf(&line, "smallest GPU that fits: %s (%s, %u%%, %s)", best.label, best.key,
                       percent(e->result.total, best.budget), kind);
    put_repeat(t, " ", INDENT);
    put_wrapped(t, line.s ? line.s : "", INDENT, INDENT + 2, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= line.failed;
    gpumem_text_free(&line);
    card_free(&best);
}

static void put_unknown_fit(gpumem_text *t, const estimate *e, const terminal *term)
{
    uint64_t least = e->training ? e->result.between_steps : e->result.weights;
    char need[NUMBER_SIZE], all[NUMBER_SIZE], line[256];

    snprintf(line, sizeof line, "fit not known yet: %s alone take %s, %u%% of the %s budget",
             e->training ? "weights and optimizer" : "weights", amount_unit(need, least), percent(least, e->card.budget),
             amount_unit(all, e->card.budget));
    put_repeat(t, " ", INDENT);
    put_wrapped(t, line, INDENT, INDENT + 2, term->width);
    gpumem_text_char(t, '\n');
}

/* What would fit, one axis at a time. */
static void put_limits(gpumem_text *t, const estimate *e, const terminal *term)
{
    char s[300], tokens[NUMBER_SIZE], sequences[NUMBER_SIZE], flight[NUMBER_SIZE], beyond[80] = "";
    uint64_t weights = e->result.weights, budget = e->card.budget;
    int64_t positions;

    if (gpumem_model_dim(e->model, "positions", &positions) && positions > 0 && e->most_tokens > (uint64_t)positions)
        snprintf(beyond, sizeof beyond, " (the model has %s positions)", grouped(tokens, (uint64_t)positions, ' '));
    if (weights > budget) /* nothing fits */
        snprintf(s, sizeof s, "the weights alone take %s, %s more than the budget", amount_unit(tokens, weights), amount_unit(sequences, weights - budget));
    else
        snprintf(s, sizeof s, "longest context at %llu sequence%s: %s tokens%s; most sequences of %llu tokens: %s%s%s%s", (unsigned long long)e->point.batch,
             e->point.batch == 1 ? "" : "s", grouped(tokens, e->most_tokens, ' '), beyond, (unsigned long long)e->point.tokens, grouped(sequences, e->most_sequences, ' '),
             e->most_sequences ? ", " : "", e->most_sequences ? grouped(flight, e->most_sequences * e->point.tokens, ' ') : "", e->most_sequences ? " tokens in flight" : "");
    gpumem_text_char(t, '\n');
    put_repeat(t, " ", INDENT);
    put_wrapped(t, s, INDENT, INDENT + 2, term->width);
    gpumem_text_char(t, '\n');
}

static void put_fit(gpumem_text *t, const estimate *e, const terminal *term)
{
    if (!e->has_card)
        return;
    gpumem_text_char(t, '\n');
    if (e->verdict == VERDICT_UNKNOWN) {
        put_unknown_fit(t, e, term);
        return;
    }
    if (term->width >= INDENT + CAPACITY + 1 + 12)
        put_scale(t, e, term, put_capacity(t, e, term));
    put_verdict_line(t, e, term);
    if (e->has_limits)
        put_limits(t, e, term);
    if (e->verdict == VERDICT_NO)
        put_smallest(t, e, term);
}

/* ---- the lines below ---------------------------------------------------------------------------------------------------------- */

static void put_paragraph(gpumem_text *t, const terminal *term, style how, const char *s)
{
    gpumem_text text = {0};

    put_wrapped(&text, s, INDENT, INDENT + 2, term->width);
    put_repeat(t, " ", INDENT);
    put_styled(t, term, how, text.s ? text.s : "");
    gpumem_text_char(t, '\n');
    t->failed |= text.failed;
    gpumem_text_free(&text);
}

static void put_model_line(gpumem_text *t, const estimate *e, const terminal *term)
{
    uint64_t all = gpumem_model_parameters(e->model), train = gpumem_model_trainable(e->model);
    char number[NUMBER_SIZE];
    gpumem_text line = {0};

    gpumem_text_printf(&line, "%s parameters", grouped(number, all, ' '));
    if (e->training && train != all)
        gpumem_text_printf(&line, ", %s of them trained", grouped(number, train, ' '));
    gpumem_text_printf(&line, " %s %s", term->glyph->dot, gpumem_model_class(e->model));
    put_paragraph(t, term, STYLE_PLAIN, line.s ? line.s : "");
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

static size_t count_defaults(const estimate *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->nkey; i++)
        n += strcmp(e->key[i].origin, "default") == 0 && strcmp(e->key[i].value, "null") != 0;
    return n;
}

void put_assumed(gpumem_text *t, const estimate *e, const terminal *term)
{
    gpumem_text line = {0};
    size_t defaults = count_defaults(e);

    if (e->nassumption == 0 && defaults == 0)
        return;
    gpumem_text_puts(&line, "assumed: ");
    for (unsigned i = 0; i < e->nassumption; i++)
        gpumem_text_printf(&line, "%s%s", i ? ", " : "", e->assumption[i].text);
    if (defaults > 0)
        gpumem_text_printf(&line, "%s%zu config key%s by default", e->nassumption ? ", " : "", defaults, defaults == 1 ? "" : "s");
    if (!e->o->explain)
        gpumem_text_puts(&line, " (--explain)");
    put_paragraph(t, term, STYLE_DIM, line.s ? line.s : "");
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

void put_table(gpumem_text *t, const estimate *e, const terminal *term)
{
    layout l = lay_out(e, term);

    put_title(t, e, term);
    gpumem_text_char(t, '\n');
    put_rows(t, e, &l);
    put_sums(t, e, &l);
    put_fit(t, e, term);
    gpumem_text_char(t, '\n');
    if (e->nsuggestion) {
        put_suggestions(t, e, term, l.shift);
        gpumem_text_char(t, '\n');
    }
    put_model_line(t, e, term);
    put_assumed(t, e, term);
}
