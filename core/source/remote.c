#include "source/remote.h"
#include "base/ends.h"
#include "source/file.h"
#include "text/file.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GUESS = 100001,             /* bytes of the first read: of most files the whole header */
    FIRST_WINDOW = 128 << 10, LAST_WINDOW = 8 << 20, /* of those that go on piece by piece */
    MAX_HEADER = 100000000,     /* of safetensors: more is not fetched ahead */
    RETRIES = 5
};
static const size_t MAX_KEPT = (size_t)1 << 30;
static const uint64_t MAGIC = 0x3153455459424d47; /* GMBYTES1 */

typedef struct extent { uint64_t offset; size_t n; char *bytes; } extent;

typedef struct remote {
    gm_reader base;
    gm_hub *hub;
    gm_repo repo;
    char *file, *url;
    extent *extent; /* in order, never touching each other */
    size_t nextent;
    uint64_t fetched;
    size_t window;
    bool changed;   /* there is more than what was kept */
} remote;

/* ---- extents -------------------------------------------------------------------------------------------------------------------- */

static const extent *extent_at(const remote *r, uint64_t offset)
{
    for (size_t i = 0; i < r->nextent; i++)
        if (r->extent[i].offset <= offset && offset - r->extent[i].offset < r->extent[i].n)
            return &r->extent[i];
    return NULL;
}

/* Where the next extent begins. */
static uint64_t next_extent(const remote *r, uint64_t offset)
{
    for (size_t i = 0; i < r->nextent; i++)
        if (r->extent[i].offset > offset)
            return r->extent[i].offset;
    return UINT64_MAX;
}

static bool append(extent *e, const char *bytes, size_t n)
{
    char *now = realloc(e->bytes, e->n + n);
    if (!now)
        return false;
    memcpy(now + e->n, bytes, n);
    e->bytes = now;
    e->n += n;
    return true;
}

static bool insert(remote *r, uint64_t offset, const char *bytes, size_t n)
{
    size_t at = 0;
    extent *now;
    while (at < r->nextent && r->extent[at].offset <= offset)
        at++;
    r->changed = true;
    if (at > 0 && r->extent[at - 1].offset + r->extent[at - 1].n == offset)
        return append(&r->extent[at - 1], bytes, n);
    now = realloc(r->extent, (r->nextent + 1) * sizeof *now);
    if (!now)
        return false;
    r->extent = now;
    memmove(now + at + 1, now + at, (r->nextent - at) * sizeof *now);
    now[at] = (extent){offset, 0, NULL};
    r->nextent++;
    return append(&now[at], bytes, n);
}

/* ---- what is kept: magic, size of the file, number of extents, offset and length of each, bytes ------------------------------------ */

bool gm_remote_folder(const gm_hub *hub, const char *id, char *out, size_t n)
{
    char host[200], model[300] = "";
    const char *s = strstr(hub->environment.endpoint, "://");
    int length;
    snprintf(host, sizeof host, "%s", s ? s + 3 : hub->environment.endpoint);
    for (char *c = host; *c; c++)
        if (strchr("/:@%?#\\", *c))
            *c = '-';
    if (!hub->environment.own || (id && !gm_cache_folder(id, model, sizeof model)) || !gm_safe_path(host))
        return false;
    length = snprintf(out, n, "%s/headers/%s%s%s", hub->environment.own, host, id ? "/" : "", model);
    return length > 0 && (size_t)length < n;
}

static bool kept_path(const remote *r, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    int n;
    if (!gm_remote_folder(r->hub, r->repo.id, folder, sizeof folder))
        return false;
    n = snprintf(path, PATH_MAX, "%s/%s/%s.bytes", folder, r->repo.commit, r->file);
    return n > 0 && n < PATH_MAX;
}

static uint64_t word_at(const char *s)
{
    uint64_t v;
    memcpy(&v, s, sizeof v);
    return v;
}

/* A file that is not as it should be is as good as none. */
static bool parse_kept(remote *r, const char *s, size_t n)
{
    uint64_t size, count, end = 0, at;
    if (n < 24 || word_at(s) != MAGIC)
        return false;
    size = word_at(s + 8);
    count = word_at(s + 16);
    if (count > (n - 24) / 16)
        return false;
    at = 24 + 16 * count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = word_at(s + 24 + 16 * i), length = word_at(s + 32 + 16 * i);
        if (length == 0 || length > n - at || offset < end || length > size || offset > size - length || !insert(r, offset, s + at, length))
            return false;
        end = offset + length;
        at += length;
    }
    r->base.size = size;
    return at == n;
}

static void forget(remote *r)
{
    for (size_t i = 0; i < r->nextent; i++)
        free(r->extent[i].bytes);
    free(r->extent);
    r->extent = NULL;
    r->nextent = 0;
    r->base.size = UINT64_MAX;
}

static void load_kept(remote *r)
{
    gm_arena arena = {0};
    char path[PATH_MAX], *text;
    size_t n;
    if (kept_path(r, path) && gm_file_read(&arena, path, MAX_KEPT, &text, &n, NULL) == GPUMEM_OK && !parse_kept(r, text, n))
        forget(r);
    r->changed = false;
    gm_arena_free(&arena);
}

static void put_word(gpumem_text *t, uint64_t v)
{
    char bytes[sizeof v];
    memcpy(bytes, &v, sizeof v);
    gpumem_text_put(t, bytes, sizeof v);
}

/* As well as it can be: without it the bytes are fetched again. */
static void keep(const remote *r)
{
    gpumem_text t = {0};
    char path[PATH_MAX];
    put_word(&t, MAGIC);
    put_word(&t, r->base.size);
    put_word(&t, r->nextent);
    for (size_t i = 0; i < r->nextent; i++) {
        put_word(&t, r->extent[i].offset);
        put_word(&t, r->extent[i].n);
    }
    for (size_t i = 0; i < r->nextent; i++)
        gpumem_text_put(&t, r->extent[i].bytes, r->extent[i].n);
    if (!t.failed && t.n <= MAX_KEPT && r->base.size != UINT64_MAX && kept_path(r, path))
        gm_write_atomic(path, "incomplete", t.s, t.n, NULL);
    gpumem_text_free(&t);
}

/* ---- fetching ---------------------------------------------------------------------------------------------------------------------- */

static gm_exchange exchange_of(const remote *r, uint64_t offset, size_t n)
{
    return (gm_exchange){.url = r->url, .what = r->file, .ranged = true, .offset = offset, .most = n, .retries = RETRIES};
}

/* The bytes of an answer; a file has one size, whoever is asked. */
static gpumem_status take(remote *r, gm_exchange *x, gpumem_error *err)
{
    r->fetched += x->received;
    if (x->failure == GM_HTTP_FINE && x->status == 416 && x->offset == 0) { /* nothing is in it */
        r->base.size = 0;
        return GPUMEM_OK;
    }
    if (x->failure != GM_HTTP_FINE || x->status >= 400)
        return gm_hub_refused(r->hub, &r->repo, r->file, x, err);
    if (*x->commit && strcmp(x->commit, r->repo.commit) != 0)
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: asked for commit %s, the server answers with %s", r->repo.id, r->file, r->repo.commit, x->commit);
    if (r->base.size != UINT64_MAX && x->size != UINT64_MAX && x->size != r->base.size)
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: the file had %llu bytes, and now it has %llu", r->repo.id, r->file,
                       (unsigned long long)r->base.size, (unsigned long long)x->size);
    if (x->size != UINT64_MAX)
        r->base.size = x->size;
    return x->n == 0 || insert(r, x->offset, x->body, x->n) ? GPUMEM_OK : gm_no_memory(err);
}

/* From offset on, at least one byte, at most n and up to what is there. */
static gpumem_status fetch(remote *r, uint64_t offset, size_t n, gpumem_error *err)
{
    uint64_t next = next_extent(r, offset), end = r->base.size < next ? r->base.size : next;
    gm_exchange x;
    gpumem_status s;
    if (n < r->window)
        n = r->window;
    r->window = r->window < FIRST_WINDOW ? FIRST_WINDOW : r->window < LAST_WINDOW ? r->window * 2 : r->window;
    if (n > end - offset)
        n = (size_t)(end - offset);
    if (r->hub->environment.offline)
        return gm_hub_offline(r->hub, &r->repo, r->file, err);
    x = exchange_of(r, offset, n);
    s = gm_hub_ask(r->hub, &x, 1, err);
    if (s == GPUMEM_OK)
        s = take(r, &x, err);
    if (s == GPUMEM_OK && x.n == 0)
        s = gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s ends at byte %llu", r->repo.id, r->file, (unsigned long long)offset);
    gm_exchange_free(&x);
    return s;
}

static gpumem_status remote_read(gm_reader *reader, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    remote *r = (remote *)(void *)reader;
    char *to = buf;
    while (n > 0) {
        const extent *e = extent_at(r, offset);
        if (e) {
            uint64_t left = e->n - (offset - e->offset);
            size_t here = left < n ? (size_t)left : n;
            memcpy(to, e->bytes + (offset - e->offset), here);
            to += here;
            offset += here;
            n -= here;
            continue;
        }
        if (offset >= r->base.size || n > r->base.size - offset)
            return gm_fail(err, GPUMEM_EIO, r->base.name, 0, 0, "the file ends at byte %llu", (unsigned long long)r->base.size);
        gpumem_status s = fetch(r, offset, n, err);
        if (s != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

static void remote_close(gm_reader *reader)
{
    remote *r = (remote *)(void *)reader;
    if (r->changed)
        keep(r);
    forget(r);
    free(r->file);
    free(r->url);
    free(r);
}

void gm_remote_count(const gm_reader *reader, uint64_t *kept, uint64_t *fetched)
{
    const remote *r = (const remote *)(const void *)reader;
    *kept = reader->size;
    *fetched = 0;
    if (reader->close != remote_close)
        return;
    *fetched = r->fetched;
    *kept = 0;
    for (size_t i = 0; i < r->nextent; i++)
        *kept += r->extent[i].n;
}

/* ---- opening many ---------------------------------------------------------------------------------------------------------------------- */

static gpumem_status open_one(gm_hub *hub, const gm_repo *repo, const char *file, gm_reader **out, gpumem_error *err)
{
    char path[PATH_MAX];
    gm_cached state;
    remote *r;
    if (!gm_safe_path(file))
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: '%s' is not a name that a file of a model may have", repo->id, file);
    state = gm_cache_find(&hub->cache, repo->id, repo->commit, file, path, sizeof path);
    if (state == GM_CACHE_FILE)
        return gm_file_reader(path, true, out, err);
    if (state == GM_CACHE_ABSENT)
        return GPUMEM_OK;
    r = calloc(1, sizeof *r);
    if (!r)
        return gm_no_memory(err);
    *out = &r->base;
    *r = (remote){.base = {.size = UINT64_MAX, .read = remote_read, .close = remote_close}, .hub = hub, .repo = *repo, .file = strdup(file)};
    r->url = gm_repo_url(repo, hub->environment.endpoint, file);
    r->base.name = r->url;
    if (!r->file || !r->url)
        return gm_no_memory(err);
    load_kept(r);
    return GPUMEM_OK;
}

static remote *remote_of(gm_reader *reader)
{
    return reader && reader->close == remote_close ? (remote *)(void *)reader : NULL;
}

/* What is worth fetching before anybody asks: the begin, and then the rest of a safetensors header.  0: nothing. */
static size_t ahead(const remote *r, uint64_t *offset)
{
    const extent *e = extent_at(r, 0);
    uint64_t header = 0;
    *offset = 0;
    if (!e)
        return r->base.size == 0 ? 0 : GUESS;
    if (!gm_ends(r->file, ".safetensors") || e->n < 8)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        header |= (uint64_t)(unsigned char)e->bytes[i] << (8 * i);
    if (header > MAX_HEADER || header + 8 > r->base.size || header + 8 <= e->n)
        return 0;
    *offset = e->n;
    return (size_t)(header + 8 - e->n);
}

static gpumem_status take_all(gm_hub *hub, gm_repo *repo, gm_reader **reader, gm_exchange *x, const size_t *of, size_t n, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    for (size_t i = 0; i < n && s == GPUMEM_OK; i++) {
        remote *r = remote_of(reader[of[i]]);
        if (gm_hub_is_absent(&x[i])) {
            gm_cache_put_absent(&hub->cache, repo->id, repo->commit, r->file);
            remote_close(reader[of[i]]);
            reader[of[i]] = NULL;
        } else {
            s = take(r, &x[i], err);
        }
    }
    return s;
}

/* One round for all that have something to fetch; *asked: whether there were any. */
static gpumem_status fetch_ahead(gm_hub *hub, gm_repo *repo, gm_reader **reader, size_t n, bool *asked, gpumem_error *err)
{
    gm_exchange *x = calloc(n ? n : 1, sizeof *x);
    size_t *of = calloc(n ? n : 1, sizeof *of), count = 0;
    gpumem_status s = x && of ? GPUMEM_OK : gm_no_memory(err);
    for (size_t i = 0; s == GPUMEM_OK && i < n; i++) {
        const remote *r = remote_of(reader[i]);
        uint64_t offset;
        size_t length = r ? ahead(r, &offset) : 0;
        if (length == 0)
            continue;
        if (hub->environment.offline)
            s = gm_hub_offline(hub, repo, r->file, err);
        of[count] = i;
        x[count++] = exchange_of(r, offset, length);
    }
    *asked = count > 0;
    if (s == GPUMEM_OK && count > 0)
        s = gm_hub_ask(hub, x, count, err);
    if (s == GPUMEM_OK)
        s = take_all(hub, repo, reader, x, of, count, err);
    for (size_t i = 0; x && i < count; i++)
        gm_exchange_free(&x[i]);
    free(x);
    free(of);
    return s;
}

/* All files are of one commit: whatever the hub says of config.json, it says which. */
static gpumem_status find_commit(gm_hub *hub, gm_repo *repo, gpumem_error *err)
{
    gm_arena arena = {0};
    gm_hub_file ignored;
    gpumem_status s = gm_hub_read(hub, repo, "config.json", 64 << 20, &arena, &ignored, err);
    gm_arena_free(&arena);
    return s;
}

gpumem_status gm_remote_open(gm_hub *hub, gm_repo *repo, const char *const *file, size_t n, gm_reader **out, gpumem_error *err)
{
    gpumem_status s = *repo->commit ? GPUMEM_OK : find_commit(hub, repo, err);
    bool more = true;
    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    for (size_t i = 0; i < n && s == GPUMEM_OK; i++)
        s = open_one(hub, repo, file[i], &out[i], err);
    for (int round = 0; round < 2 && s == GPUMEM_OK && more; round++)
        s = fetch_ahead(hub, repo, out, n, &more, err);
    for (size_t i = 0; i < n && s != GPUMEM_OK; i++)
        if (out[i]) {
            out[i]->close(out[i]);
            out[i] = NULL;
        }
    return s;
}
