/* gpumem plugin list, gpumem plugin show */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gpumem_kind kind_of(const options *o)
{
    return o->kind ? gpumem_kind_from(o->kind) : 0;
}

/* ---- list: candidates are copied, for the columns' widths ----------------------------------------------------------------- */

typedef struct entry { char *kind, *id, *version, *directory, *library, *reason; bool shadowed; } entry;
typedef struct list { entry *entry; size_t n, size; bool failed; } list;

static char *copy(list *l, const char *s)
{
    char *now = strdup(s ? s : "");

    l->failed |= !now;
    return now;
}

static int add_entry(void *self, const gpumem_candidate *c)
{
    list *l = self;
    char reason[1100] = "";
    entry *e;

    if (l->n == l->size) {
        size_t size = l->size ? l->size * 2 : 64;
        entry *now = realloc(l->entry, size * sizeof *now);
        if (!now) {
            l->failed = true;
            return 1;
        }
        l->entry = now;
        l->size = size;
    }
    if (c->error.status != GPUMEM_OK)
        gpumem_error_text(&c->error, reason, sizeof reason);
    e = &l->entry[l->n++];
    e->kind = copy(l, gpumem_kind_name(c->kind));
    e->id = copy(l, c->id);
    e->version = copy(l, c->version);
    e->directory = copy(l, c->directory);
    e->library = copy(l, c->library ? c->library : c->use);
    e->reason = copy(l, reason);
    e->shadowed = c->shadowed;
    return l->failed;
}

static void free_list(list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        entry *e = &l->entry[i];
        free(e->kind);
        free(e->id);
        free(e->version);
        free(e->directory);
        free(e->library);
        free(e->reason);
    }
    free(l->entry);
}

static void widest(size_t *width, const char *s)
{
    size_t n = columns(s);

    *width = n > *width ? n : *width;
}

static void put_entry(gpumem_text *t, const terminal *term, const entry *e, const size_t *width)
{
    bool ok = *e->reason == '\0';

    gpumem_text_puts(t, "  ");
    put_left(t, e->kind, width[0] + 2);
    put_left(t, e->id, width[1] + 2);
    put_left(t, e->version, width[2] + 2);
    put_left(t, e->library, width[3] + 2);
    put_styled(t, term, ok ? STYLE_GOOD : STYLE_BAD, ok ? "ok" : "refused");
    if (e->shadowed)
        put_styled(t, term, STYLE_WARN, " shadowed");
    gpumem_text_char(t, '\n');
    if (!ok) {
        gpumem_text_puts(t, "      ");
        put_wrapped(t, e->reason, 6, 8, term->width);
        gpumem_text_char(t, '\n');
    }
}

/* The table in the order of search, a heading for each directory. */
static void put_list(gpumem_text *t, const terminal *term, const list *l)
{
    size_t width[4] = {4, 2, 7, 7};
    gpumem_text heading = {0};

    for (size_t i = 0; i < l->n; i++) {
        widest(&width[0], l->entry[i].kind);
        widest(&width[1], l->entry[i].id);
        widest(&width[2], l->entry[i].version);
        widest(&width[3], l->entry[i].library);
    }
    gpumem_text_puts(&heading, "  ");
    put_left(&heading, "kind", width[0] + 2);
    put_left(&heading, "id", width[1] + 2);
    put_left(&heading, "version", width[2] + 2);
    put_left(&heading, "library", width[3] + 2);
    gpumem_text_puts(&heading, "verdict");
    put_styled(t, term, STYLE_BOLD, heading.s ? heading.s : "");
    gpumem_text_char(t, '\n');
    t->failed |= heading.failed;
    gpumem_text_free(&heading);
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || strcmp(l->entry[i].directory, l->entry[i - 1].directory) != 0) {
            put_styled(t, term, STYLE_DIM, l->entry[i].directory);
            gpumem_text_char(t, '\n');
        }
        put_entry(t, term, &l->entry[i], width);
    }
}

static const char *or_null(const char *s)
{
    return *s ? s : NULL;
}

static void put_list_json(gpumem_text *t, const list *l)
{
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem/1");
    json_open(t, "plugins", '[');
    for (size_t i = 0; i < l->n; i++) {
        const entry *e = &l->entry[i];
        json_line(t);
        json_open(t, NULL, '{');
        json_string(t, "kind", e->kind);
        json_string(t, "id", e->id);
        json_string(t, "version", or_null(e->version));
        json_string(t, "directory", e->directory);
        json_string(t, "library", or_null(e->library));
        json_string(t, "verdict", *e->reason ? "refused" : "ok");
        json_string(t, "reason", or_null(e->reason));
        json_bool(t, "shadowed", e->shadowed);
        json_close(t, '{');
    }
    json_close(t, '[');
    json_close(t, '{');
    gpumem_text_char(t, '\n');
}

static gpumem_status plugin_list(const options *o, gpumem_host *host, gpumem_text *out, gpumem_error *err)
{
    list l = {0};
    gpumem_status s;

    if (o->nword > 1)
        return fail(err, GPUMEM_EINVAL, "gpumem plugin list takes no name; gpumem plugin show %s", o->word[1]);
    s = gpumem_plugin_each(host, kind_of(o), add_entry, &l, err);
    if (s == GPUMEM_OK && l.failed)
        s = fail(err, GPUMEM_ENOMEM, "out of memory");
    if (s == GPUMEM_OK && o->json) {
        put_list_json(out, &l);
    } else if (s == GPUMEM_OK) {
        terminal term = term_stdout(o);
        put_list(out, &term, &l);
    }
    free_list(&l);
    return s;
}

/* ---- show --------------------------------------------------------------------------------------------------------------------- */

static gpumem_status plugin_show(const options *o, gpumem_host *host, gpumem_text *out, gpumem_error *err)
{
    gpumem_text json = {0};
    gpumem_status s;

    if (o->nword < 2)
        return fail(err, GPUMEM_EINVAL, "gpumem plugin show needs the id of a plugin");
    s = gpumem_plugin_describe(host, kind_of(o), o->word[1], &json, err);
    if (s == GPUMEM_OK && json.failed)
        s = fail(err, GPUMEM_ENOMEM, "out of memory");
    if (s == GPUMEM_OK && o->json) {
        gpumem_text_put(out, json.s, json.n);
        gpumem_text_puts(out, json.n > 0 && json.s[json.n - 1] == '\n' ? "" : "\n");
    } else if (s == GPUMEM_OK) {
        terminal term = term_stdout(o);
        if (!put_outline(out, &term, json.s, json.n))
            s = fail(err, GPUMEM_EINTERNAL, "the description of plugin '%s' is no JSON", o->word[1]);
    }
    gpumem_text_free(&json);
    return s;
}

int verb_plugin(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    gpumem_host *host = NULL;
    int code;

    if (open_host(o, &host, &err) == GPUMEM_OK) {
        if (strcmp(o->word[0], "list") == 0)
            plugin_list(o, host, &out, &err);
        else
            plugin_show(o, host, &out, &err);
    }
    code = finish(o, &out, &err);
    gpumem_host_free(host);
    return code;
}
