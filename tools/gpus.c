/* gpumem gpus */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct list {
    gpumem_host *host;
    const char *search;
    card *card;
    size_t n, size;
    gpumem_error *err;
} list;

static bool matches(const list *l, const card *c)
{
    const char *aliases = gpumem_gpu_text(c->gpu, "aliases");

    if (!l->search)
        return true;
    return (c->key && strcasestr(c->key, l->search)) || strcasestr(c->name, l->search) ||
           (aliases && strcasestr(aliases, l->search));
}

static int keep(list *l, const card *c)
{
    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 64;
        card *now = realloc(l->card, size * sizeof *now);
        if (!now) {
            fail(l->err, GPUMEM_ENOMEM, "out of memory");
            return 1;
        }
        l->card = now;
        l->size = size;
    }
    l->card[l->n++] = *c;
    return 0;
}

static int add(void *self, const char *id)
{
    list *l = self;
    gpumem_gpu *gpu;
    card c;

    if (gpumem_gpu_open(l->host, id, &gpu, l->err) != GPUMEM_OK)
        return 1;
    card_read(gpu, &c);
    if (!matches(l, &c)) {
        card_free(&c);
        return 0;
    }
    if (keep(l, &c) == 0)
        return 0;
    card_free(&c);
    return 1;
}

static int by_memory(const void *a, const void *b)
{
    const card *x = a, *y = b;

    if (x->visible != y->visible)
        return x->visible < y->visible ? -1 : 1;
    return strcmp(x->key ? x->key : "", y->key ? y->key : "");
}

/* ---- output -------------------------------------------------------------------------------------------------------------- */

static void put_list_json(gpumem_text *t, const list *l)
{
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem/1");
    json_open(t, "gpus", '[');
    for (size_t i = 0; i < l->n; i++) {
        json_line(t);
        card_json(t, &l->card[i], false);
    }
    json_close(t, '[');
    json_close(t, '{');
    gpumem_text_char(t, '\n');
}

static void put_card(gpumem_text *t, const terminal *term, const card *c, const size_t *width, bool sources)
{
    char number[NUMBER_SIZE], gb[16] = "";

    if (c->marketing_gb > 0)
        snprintf(gb, sizeof gb, "%g", c->marketing_gb);
    gpumem_text_puts(t, "  ");
    put_left(t, c->key ? c->key : "", width[0] + 2);
    put_left(t, c->name, width[1] + 1);
    put_right(t, gb, 6);
    put_right(t, c->visible ? amount(number, c->visible, 30) : "-", 9);
    if (sources) {
        const char *from = gpumem_gpu_text(c->gpu, "source"), *known = c->visible ? c->source : "";
        if (*known || from)
            gpumem_text_puts(t, "  ");
        put_left(t, known, from ? 12 : 0);
        put_styled(t, term, STYLE_DIM, from ? from : "");
    }
    gpumem_text_char(t, '\n');
}

static void put_list(gpumem_text *t, const terminal *term, const list *l, bool sources)
{
    size_t width[2] = {3, 4};

    for (size_t i = 0; i < l->n; i++) {
        size_t key = columns(l->card[i].key ? l->card[i].key : ""), name = columns(l->card[i].name);
        width[0] = key > width[0] ? key : width[0];
        width[1] = name > width[1] ? name : width[1];
    }
    gpumem_text heading = {0};
    gpumem_text_puts(&heading, "  ");
    put_left(&heading, "key", width[0] + 2);
    put_left(&heading, "name", width[1] + 1);
    gpumem_text_printf(&heading, "    GB   usable%s", sources ? "  known by   source" : "");
    put_styled(t, term, STYLE_BOLD, heading.s ? heading.s : "");
    t->failed |= heading.failed;
    gpumem_text_free(&heading);
    gpumem_text_char(t, '\n');
    for (size_t i = 0; i < l->n; i++)
        put_card(t, term, &l->card[i], width, sources);
    gpumem_text_printf(t, "  %zu shown %s usable: GiB that programs see; - depends on the machine\n", l->n, term->glyph->dot);
}

static void list_free(list *l)
{
    for (size_t i = 0; i < l->n; i++)
        card_free(&l->card[i]);
    free(l->card);
}

int verb_gpus(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    list l = {.search = o->search, .err = &err};
    gpumem_status s = open_host(o, &l.host, &err);

    if (s == GPUMEM_OK)
        s = each_id(l.host, GPUMEM_KIND_GPU, add, &l, &err);
    if (s == GPUMEM_OK && err.status == GPUMEM_OK && l.n == 0 && !o->json)
        fail(&err, GPUMEM_EUNKNOWN, "no GPU has '%s' in its key, name or aliases", o->search ? o->search : "");
    if (err.status == GPUMEM_OK) {
        qsort(l.card, l.n, sizeof *l.card, by_memory);
        if (o->json) {
            put_list_json(&out, &l);
        } else {
            terminal term = term_stdout(o);
            put_list(&out, &term, &l, o->sources);
        }
    }
    list_free(&l);
    int code = finish(o, &out, &err);
    gpumem_host_free(l.host);
    return code;
}
