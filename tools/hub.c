/* gpumem pull: what an estimate needs, into the cache.  gpumem cache: what is there. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

/* ---- pull ------------------------------------------------------------------------------------------------------------------ */

typedef struct pulling { gpumem_text *t; bool json; unsigned n; uint64_t kept, fetched, whole; } pulling;

static void put_pulled(void *self, const gpumem_pulled *f)
{
    pulling *p = self;
    char kept[NUMBER_SIZE], size[NUMBER_SIZE];
    bool known = f->size != UINT64_MAX;

    p->n++;
    p->kept += f->kept;
    p->fetched += f->fetched;
    p->whole += known ? f->size : f->kept;
    if (p->json) {
        json_open(p->t, NULL, '{');
        json_string(p->t, "file", f->file);
        json_known(p->t, "size", known, f->size);
        json_u64(p->t, "kept", f->kept);
        json_u64(p->t, "fetched", f->fetched);
        json_bool(p->t, "header", f->header);
        json_string(p->t, "path", *f->path ? f->path : NULL);
        json_close(p->t, '{');
        return;
    }
    gpumem_text_printf(p->t, "  %s  %s", f->file, amount_unit(kept, f->kept));
    if (f->header && known && f->kept < f->size)
        gpumem_text_printf(p->t, " of %s", amount_unit(size, f->size));
    gpumem_text_puts(p->t, f->fetched == 0 ? ", was here\n" : "\n");
}

int verb_pull(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    pulling p = {.t = &out, .json = o->json};
    gpumem_host *host = NULL;
    char fetched[NUMBER_SIZE], whole[NUMBER_SIZE];

    if (o->json) {
        json_open(&out, NULL, '{');
        json_string(&out, "schema", "gpumem/1");
        json_string(&out, "tool_version", gpumem_version());
        json_string(&out, "model", o->word[0]);
        json_open(&out, "files", '[');
    }
    if (open_host(o, &host, &err) == GPUMEM_OK && gpumem_hub_pull(host, o->word[0], put_pulled, &p, &err) == GPUMEM_OK) {
        if (o->json) {
            json_close(&out, '[');
            json_u64(&out, "fetched", p.fetched);
            json_close(&out, '{');
            gpumem_text_char(&out, '\n');
        } else {
            gpumem_text_printf(&out, "%u file%s: %s fetched, of %s\n", p.n, p.n == 1 ? "" : "s", amount_unit(fetched, p.fetched),
                               amount_unit(whole, p.whole));
        }
    }
    gpumem_host_free(host);
    return finish(o, &out, &err);
}

/* ---- cache ----------------------------------------------------------------------------------------------------------------- */

typedef struct listing { gpumem_text *t; const terminal *term; bool json; unsigned n; } listing;

static int list_text(listing *l, const gpumem_cached *c)
{
    char size[NUMBER_SIZE], headers[NUMBER_SIZE];

    put_styled(l->t, l->term, STYLE_BOLD, c->model);
    gpumem_text_printf(l->t, "  %s%s%.8s  %s\n", c->revision, *c->revision ? " " : "", c->commit, c->config ? "" : "no config.json");
    while (l->t->n > 1 && l->t->s[l->t->n - 2] == ' ') { /* nothing behind the commit */
        l->t->s[l->t->n - 2] = '\n';
        l->t->s[--l->t->n] = '\0';
    }
    gpumem_text_printf(l->t, "  %llu file%s, %s", (unsigned long long)c->files, c->files == 1 ? "" : "s", amount_unit(size, c->bytes));
    if (c->headers)
        gpumem_text_printf(l->t, "; headers of %llu, %s", (unsigned long long)c->headers, amount_unit(headers, c->header_bytes));
    gpumem_text_char(l->t, '\n');
    return 0;
}

static int list_json(listing *l, const gpumem_cached *c)
{
    json_open(l->t, NULL, '{');
    json_string(l->t, "model", c->model);
    json_string(l->t, "revision", *c->revision ? c->revision : NULL);
    json_string(l->t, "commit", c->commit);
    json_string(l->t, "path", c->path);
    json_u64(l->t, "files", c->files);
    json_u64(l->t, "bytes", c->bytes);
    json_u64(l->t, "headers", c->headers);
    json_u64(l->t, "header_bytes", c->header_bytes);
    json_bool(l->t, "config", c->config);
    json_close(l->t, '{');
    return 0;
}

static int list_one(void *self, const gpumem_cached *c)
{
    listing *l = self;

    l->n++;
    return l->json ? list_json(l, c) : list_text(l, c);
}

static gpumem_status list(gpumem_host *host, const options *o, gpumem_text *out, gpumem_error *err)
{
    terminal term = term_stdout(o);
    listing l = {out, &term, o->json, 0};
    gpumem_status s;

    if (o->json) {
        json_open(out, NULL, '{');
        json_string(out, "schema", "gpumem/1");
        json_string(out, "tool_version", gpumem_version());
        json_string(out, "cache", gpumem_cache_path(host, false));
        json_string(out, "headers", gpumem_cache_path(host, true));
        json_open(out, "models", '[');
    }
    s = gpumem_cache_each(host, list_one, &l, err);
    if (o->json) {
        json_close(out, '[');
        json_close(out, '{');
        gpumem_text_char(out, '\n');
    } else if (s == GPUMEM_OK) {
        gpumem_text_printf(out, "%s%u model%s in %s\n", l.n ? "\n" : "", l.n, l.n == 1 ? "" : "s", gpumem_cache_path(host, false));
    }
    return s;
}

static gpumem_status clean(gpumem_host *host, const options *o, gpumem_text *out, gpumem_error *err)
{
    char size[NUMBER_SIZE];
    uint64_t bytes;
    gpumem_status s = gpumem_cache_clean(host, o->nword > 1 ? o->word[1] : NULL, &bytes, err);

    if (s != GPUMEM_OK)
        return s;
    gpumem_text_printf(out, "%s of headers removed from %s\n", amount_unit(size, bytes), gpumem_cache_path(host, true));
    note(o, "the files in the cache of Hugging Face's clients stay: huggingface-cli removes them");
    return s;
}

int verb_cache(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    gpumem_host *host = NULL;

    if (open_host(o, &host, &err) == GPUMEM_OK) {
        if (o->nword > 0 && strcmp(o->word[0], "clean") == 0)
            clean(host, o, &out, &err);
        else
            list(host, o, &out, &err);
    }
    gpumem_host_free(host);
    return finish(o, &out, &err);
}
