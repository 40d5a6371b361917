/* --explain: every line back to plugin, formula, tensors and config keys. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { INDENT = 2 };

static void put_heading(gpumem_text *t, const terminal *term, const char *s)
{
    gpumem_text_char(t, '\n');
    put_styled(t, term, STYLE_BOLD, s);
    gpumem_text_char(t, '\n');
}

static void put_dim(gpumem_text *t, const terminal *term, unsigned indent, const char *s)
{
    gpumem_text wrapped = {0};

    put_wrapped(&wrapped, s, indent, indent + 2, term->width);
    put_repeat(t, " ", indent);
    put_styled(t, term, STYLE_DIM, wrapped.s ? wrapped.s : "");
    gpumem_text_char(t, '\n');
    t->failed |= wrapped.failed;
    gpumem_text_free(&wrapped);
}

/* ---- lines ------------------------------------------------------------------------------------------------------------- */

typedef struct line_widths { size_t name, bytes; } line_widths;

static line_widths measure(const estimate *e)
{
    line_widths w = {12, 5};
    char number[NUMBER_SIZE];

    for (size_t i = 0; i < e->nline; i++) {
        size_t name = columns(e->line[i].name) + (e->line[i].sub ? 2 : 0);
        size_t bytes = strlen(grouped(number, e->result.line[i], ' '));
        w.name = name > w.name ? name : w.name;
        w.bytes = bytes > w.bytes ? bytes : w.bytes;
    }
    return w;
}

/* Numbers in a formula get their spaces. */
static void put_formula(gpumem_text *t, const terminal *term, unsigned indent, const char *s)
{
    gpumem_text spaced = {0};

    while (*s) {
        size_t n = strspn(s, "0123456789");
        gpumem_text_put(&spaced, s, 1);
        for (size_t i = 1; i < n; i++) {
            if ((n - i) % 3 == 0)
                gpumem_text_char(&spaced, ' ');
            gpumem_text_char(&spaced, s[i]);
        }
        s += n ? n : 1;
    }
    put_dim(t, term, indent, spaced.s ? spaced.s : "");
    t->failed |= spaced.failed;
    gpumem_text_free(&spaced);
}

static void put_line(gpumem_text *t, const estimate *e, const terminal *term, const line_widths *w, size_t i)
{
    const gpumem_line *line = &e->line[i];
    unsigned indent = INDENT + (line->sub ? 2 : 0);
    char number[NUMBER_SIZE], size[NUMBER_SIZE];

    put_repeat(t, " ", indent);
    put_left(t, line->name, w->name - (line->sub ? 2 : 0) + 1);
    put_right(t, grouped(number, e->result.line[i], ' '), w->bytes);
    gpumem_text_printf(t, " bytes  ");
    put_right(t, amount_unit(size, e->result.line[i]), 11);
    gpumem_text_printf(t, "  %s\n", line->plugin ? line->plugin : "");
    if (line->formula && *line->formula)
        put_formula(t, term, indent + 2, line->formula);
}

static void put_lines(gpumem_text *t, const estimate *e, const terminal *term)
{
    line_widths w = measure(e);

    put_heading(t, term, "lines");
    for (size_t i = 0; i < e->nline; i++)
        put_line(t, e, term, &w, i);
    if (!e->complete)
        put_dim(t, term, INDENT, "not yet: activations and what lives only within a step; total and peaks need them");
}

/* ---- tensors -------------------------------------------------------------------------------------------------------------- */

typedef struct tensor_list { const gpumem_description *d; unsigned role, family; } tensor_list;

static bool belongs(const tensor_list *list, const gpumem_tensor *tensor)
{
    return tensor->role == list->role && (list->role != GPUMEM_ROLE_WEIGHT || tensor->family == list->family);
}

static uint64_t count_elements(const tensor_list *list)
{
    const gpumem_description *d = list->d;
    uint64_t n = 0;

    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = 0; i < d->block[b].ntensor; i++) {
            const gpumem_tensor *tensor = &d->tensor[d->block[b].tensor0 + i];
            if (belongs(list, tensor))
                n += tensor_elements(tensor) * tensor_times(&d->block[b], tensor);
        }
    return n;
}

static bool same_tensor(const gpumem_description *d, const gpumem_tensor *a, const gpumem_tensor *b)
{
    if (a->role != b->role || a->ndim != b->ndim || (a->storage == GPUMEM_NONE) != (b->storage == GPUMEM_NONE))
        return false;
    return memcmp(a->dim, b->dim, a->ndim * sizeof *a->dim) == 0 && strcmp(text_at(d, a->name), text_at(d, b->name)) == 0;
}

/* Blocks that differ in other ways may have the same tensors: those are shown once.  How often this one exists in all
 * blocks; 0 times and *again: it was there before. */
static uint64_t times_in_all(const gpumem_description *d, uint32_t index, bool *again)
{
    uint64_t n = 0;

    *again = false;
    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = d->block[b].tensor0; i < d->block[b].tensor0 + d->block[b].ntensor; i++)
            if (same_tensor(d, &d->tensor[i], &d->tensor[index])) {
                *again |= i < index;
                n += tensor_times(&d->block[b], &d->tensor[i]);
            }
    return *again ? 0 : n;
}

static void put_tensor(gpumem_text *t, const gpumem_description *d, const gpumem_tensor *tensor, uint64_t times)
{
    char number[NUMBER_SIZE];

    gpumem_text_printf(t, "    %s ", text_at(d, tensor->name));
    put_shape(t, d, tensor);
    if (tensor->storage != GPUMEM_NONE)
        gpumem_text_printf(t, " shares %s", text_at(d, d->tensor[tensor->storage].name));
    if (times > 1)
        gpumem_text_printf(t, " x%llu", (unsigned long long)times);
    if (times > 0 && tensor_elements(tensor) > 0)
        gpumem_text_printf(t, " = %s", grouped(number, tensor_elements(tensor) * times, ' '));
    gpumem_text_char(t, '\n');
}

static void put_list(gpumem_text *t, const tensor_list *list, const char *name)
{
    const gpumem_description *d = list->d;
    char number[NUMBER_SIZE];
    bool any = false, again;

    for (uint32_t i = 0; i < d->ntensor; i++) {
        uint64_t times;
        if (!belongs(list, &d->tensor[i]))
            continue;
        times = times_in_all(d, i, &again);
        if (again || (list->role == GPUMEM_ROLE_INPUT && d->tensor[i].storage != GPUMEM_NONE))
            continue;
        if (!any)
            gpumem_text_printf(t, "  %s%s%s\n", name, count_elements(list) ? "  " : "",
                               count_elements(list) ? grouped(number, count_elements(list), ' ') : "");
        any = true;
        put_tensor(t, d, &d->tensor[i], times);
    }
}

static void put_tensors(gpumem_text *t, const estimate *e, const terminal *term)
{
    const gpumem_description *d = gpumem_model_description(e->model);
    tensor_list list = {d, GPUMEM_ROLE_WEIGHT, 0};

    put_heading(t, term, "tensors");
    for (list.family = 0; list.family < GPUMEM_FAMILY_END; list.family++)
        put_list(t, &list, gpumem_family_name(list.family));
    list.role = GPUMEM_ROLE_BUFFER;
    put_list(t, &list, "buffer");
    list.role = GPUMEM_ROLE_INPUT;
    put_list(t, &list, "input");
}

/* ---- keys, assumptions, plugins ---------------------------------------------------------------------------------------------- */

static void put_choices(gpumem_text *t, const estimate *e, const terminal *term)
{
    put_heading(t, term, "assumed");
    for (unsigned i = 0; i < e->nassumption; i++) {
        const assumption *a = &e->assumption[i];
        put_repeat(t, " ", INDENT);
        put_left(t, a->id, 18);
        put_left(t, a->value, 12);
        gpumem_text_printf(t, "  %s\n", a->reason);
    }
}

static void put_plugins(gpumem_text *t, const estimate *e, const terminal *term)
{
    const gpumem_used *used;
    size_t n = gpumem_plan_plugins(e->plan, &used), width = 0;
    char name[160];

    put_heading(t, term, "plugins");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%s %s", gpumem_kind_name(used[i].kind), used[i].id, used[i].version);
        width = columns(name) > width ? columns(name) : width;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%s %s", gpumem_kind_name(used[i].kind), used[i].id, used[i].version);
        put_repeat(t, " ", INDENT);
        put_left(t, name, width + 2);
        put_styled(t, term, STYLE_DIM, used[i].path);
        gpumem_text_char(t, '\n');
    }
}

static void put_source(gpumem_text *t, const estimate *e, const terminal *term)
{
    const char *path = gpumem_config_path(e->config);
    gpumem_text pattern = {0};

    put_heading(t, term, "model");
    gpumem_text_printf(t, "  %s, %s%s%s\n", gpumem_config_name(e->config), gpumem_config_source(e->config), *path ? ": " : "", path);
    gpumem_text_printf(t, "  class %s, family %s\n", gpumem_model_class(e->model), gpumem_model_family(e->model));
    put_pattern(&pattern, gpumem_model_description(e->model));
    gpumem_text_puts(t, "  ");
    put_wrapped(t, pattern.s ? pattern.s : "", INDENT, INDENT + 2, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= pattern.failed;
    gpumem_text_free(&pattern);
}

void put_explanation(gpumem_text *t, const estimate *e, const terminal *term)
{
    put_table(t, e, term);
    put_lines(t, e, term);
    put_source(t, e, term);
    put_tensors(t, e, term);
    put_heading(t, term, "config keys");
    put_keys(t, term, e->key, e->nkey);
    put_choices(t, e, term);
    put_plugins(t, e, term);
}
