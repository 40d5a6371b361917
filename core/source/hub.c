#include "source/hub.h"
#include "base/ends.h"
#include "text/file.h"
#include "text/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRIES = 5, MAX_INFO = 64 << 20 };

gpumem_status gm_hub_new(const gpumem_hub_options *options, gm_hub **out, gpumem_error *err)
{
    gm_hub *h = calloc(1, sizeof *h);
    gpumem_status s;
    *out = NULL;
    if (!h)
        return gm_no_memory(err);
    if (options)
        h->options = *options;
    s = gm_environment_read(&h->arena, options, &h->environment, err);
    if (s != GPUMEM_OK) {
        gm_hub_free(h);
        return s;
    }
    h->cache = (gm_cache){h->environment.cache, h->environment.copies};
    *out = h;
    return GPUMEM_OK;
}

void gm_hub_free(gm_hub *h)
{
    if (!h)
        return;
    gm_http_free(h->http);
    gm_arena_free(&h->arena);
    free(h->list);
    free(h);
}

void gm_hub_note(const gm_hub *h, const char *format, ...)
{
    char text[512];
    gpumem_progress p = {GPUMEM_PROGRESS_NOTE, text, 0, 0, 0};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (h->options.progress)
        h->options.progress(h->options.self, &p);
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

static gpumem_status connect(gm_hub *h, gpumem_error *err)
{
    const gm_environment *e = &h->environment;
    gm_http_options o = {
        .endpoint = e->endpoint, .token = e->token, .agent = e->agent, .ca = e->ca, .proxy = e->proxy, .timeout = e->timeout,
        .backoff = h->options.backoff ? h->options.backoff : 1000, .patience = h->options.patience ? h->options.patience : 60,
        .progress = h->options.progress, .self = h->options.self};
    return h->http ? GPUMEM_OK : gm_http_new(&o, &h->http, err);
}

/* Asked for again, from the start. */
static void again(gm_exchange *x)
{
    uint64_t received = x->received;
    unsigned sent = x->sent;
    gm_exchange_free(x);
    *x = (gm_exchange){.url = x->url, .what = x->what, .head = x->head, .ranged = x->ranged, .anonymous = true, .offset = x->offset, .most = x->most,
                       .retries = x->retries, .have = x->have, .self = x->self, .received = received, .sent = sent};
}

gpumem_status gm_hub_ask(gm_hub *h, gm_exchange *x, size_t n, gpumem_error *err)
{
    gpumem_status s = connect(h, err);
    bool refused = false;
    for (size_t i = 0; i < n; i++)
        x[i].anonymous = h->bare;
    if (s == GPUMEM_OK)
        s = gm_http_do(h->http, x, n, err);
    for (size_t i = 0; s == GPUMEM_OK && i < n; i++)
        refused |= gm_hub_is_bad_token(&x[i]);
    if (!refused || h->bare)
        return s;
    h->bare = true; /* what is public needs none */
    for (size_t i = 0; i < n; i++)
        again(&x[i]);
    s = gm_http_do(h->http, x, n, err);
    if (s == GPUMEM_OK && x[0].failure == GM_HTTP_FINE && x[0].status < 400)
        gm_hub_note(h, "the Hub does not accept the token; it was asked without one");
    return s;
}

gpumem_status gm_hub_offline(const gm_hub *h, const gm_repo *repo, const char *file, gpumem_error *err)
{
    size_t n = strlen(file);
    if (n >= 11 && strcmp(file + n - 11, "config.json") == 0)
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the model '%s' is neither in the catalogue nor in the cache, and the Hub is not asked (%s)", repo->id, h->environment.offline);
    else
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the cache has no %s of '%s', and the Hub is not asked (%s)", file, repo->id, h->environment.offline);
    if (h->environment.cache && strchr(repo->id, '/'))
        gm_tip(err, "the cache is %s; gpumem pull %s fills it where there is a network", h->environment.cache, repo->id);
    return GPUMEM_EHUB;
}

/* ---- one file ---------------------------------------------------------------------------------------------------------------- */

typedef struct ask {
    gm_hub *hub;
    gm_repo *repo;
    const char *file;
    size_t most;
    gm_arena *arena;
    gm_hub_file *out;
    gpumem_error *err;
} ask;

static const char *commit_of(const ask *a, char buf[41])
{
    if (*a->repo->commit)
        return a->repo->commit;
    return gm_cache_ref(&a->hub->cache, a->repo->id, a->repo->revision, buf) ? buf : "";
}

static gpumem_status read_cached(const ask *a)
{
    return gm_file_read(a->arena, a->out->path, a->most, &a->out->text, &a->out->n, a->err);
}

/* Is it here already, under this commit or under its content's name? */
static bool have(void *self, const char *etag, const char *commit)
{
    const ask *a = self;
    char path[sizeof a->out->path];
    return gm_cache_find(&a->hub->cache, a->repo->id, commit, a->file, path, sizeof path) == GM_CACHE_FILE ||
           (*etag && gm_is_commit(commit) && gm_cache_has_blob(&a->hub->cache, a->repo->id, etag));
}

static gpumem_status not_the_hub(const ask *a)
{
    gm_fail(a->err, GPUMEM_EHUB, NULL, 0, 0, "the answer of %s is not the Hub's: it names no commit", a->hub->environment.endpoint);
    gm_tip(a->err, "is a proxy, a firewall or a login page in between?");
    return GPUMEM_EHUB;
}

/* A redirect within the hub to another name: it was renamed. */
static void note_moved(const ask *a, const gm_exchange *x)
{
    const char *end = strstr(x->moved, "/resolve/"), *slash;
    size_t n = end ? (size_t)(end - x->moved) : 0;
    if (n < 2 || n > sizeof a->repo->id || strncmp(x->moved, "/api/", 5) == 0)
        return;
    slash = x->moved + 1;
    if (strlen(a->repo->id) != n - 1 || strncmp(slash, a->repo->id, n - 1) != 0)
        gm_hub_note(a->hub, "'%s' has another name on the Hub now: %.*s", a->repo->id, (int)(n - 1), slash);
}

static gpumem_status take_unchanged(const ask *a, const gm_exchange *x, const char *commit)
{
    const gm_cache *c = &a->hub->cache;
    char *path = a->out->path;
    size_t n = sizeof a->out->path;
    if (gm_cache_find(c, a->repo->id, commit, a->file, path, n) != GM_CACHE_FILE &&
        (gm_cache_put(c, a->repo->id, commit, x->etag, a->file, NULL, 0, a->err) != GPUMEM_OK || gm_cache_find(c, a->repo->id, commit, a->file, path, n) != GM_CACHE_FILE))
        return gm_fail(a->err, GPUMEM_EIO, c->root, 0, 0, "'%s' was there, and is no more", a->file);
    return read_cached(a);
}

static gpumem_status take_body(const ask *a, gm_exchange *x, const char *commit)
{
    const gm_cache *c = &a->hub->cache;
    if (x->size != UINT64_MAX && x->size != x->n)
        return gm_fail(a->err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: the server sends %zu bytes of %llu", a->repo->id, a->file, x->n, (unsigned long long)x->size);
    if (!gm_etag_fits(x->etag, x->n ? x->body : "", x->n))
        return gm_fail(a->err, GPUMEM_EHUB, NULL, 0, 0, "%s: %s: what came is not what the server names: its digest is not %s", a->repo->id, a->file, x->etag);
    a->out->text = gm_arena_strndup(a->arena, x->n ? x->body : "", x->n);
    if (!a->out->text)
        return gm_no_memory(a->err);
    a->out->n = x->n;
    a->out->fetched = x->received;
    /* A cache that cannot be written is no reason to say nothing. */
    if (gm_cache_put(c, a->repo->id, commit, x->etag, a->file, x->n ? x->body : "", x->n, NULL) == GPUMEM_OK)
        gm_cache_find(c, a->repo->id, commit, a->file, a->out->path, sizeof a->out->path);
    return GPUMEM_OK;
}

static gpumem_status take_answer(const ask *a, gm_exchange *x)
{
    gm_repo *repo = a->repo;
    const char *commit = *x->commit ? x->commit : repo->commit;
    if (gm_hub_is_absent(x)) {
        gm_cache_put_absent(&a->hub->cache, repo->id, commit, a->file);
    } else if (x->failure != GM_HTTP_FINE || x->status >= 400) {
        return gm_hub_refused(a->hub, repo, a->file, x, a->err);
    }
    if (!gm_is_commit(commit))
        return gm_hub_is_absent(x) ? GPUMEM_OK : not_the_hub(a);
    gm_cache_set_ref(&a->hub->cache, repo->id, repo->revision, commit, NULL);
    memmove(repo->commit, commit, sizeof repo->commit);
    if (gm_hub_is_absent(x))
        return GPUMEM_OK;
    note_moved(a, x);
    return x->unchanged ? take_unchanged(a, x, commit) : take_body(a, x, commit);
}

static gpumem_status fetch(const ask *a, bool cached, const char *cached_commit)
{
    char *url = gm_repo_url(a->repo, a->hub->environment.endpoint, a->file);
    gm_exchange x = {.url = url, .what = a->file, .most = a->most, .retries = cached ? 1 : RETRIES, .have = have, .self = (void *)a};
    gpumem_status s = url ? gm_hub_ask(a->hub, &x, 1, a->err) : gm_no_memory(a->err);
    a->out->asked = true;
    if (s == GPUMEM_OK && cached && gm_hub_is_down(&x)) {
        gm_hub_note(a->hub, "%s cannot be asked now (%s): '%s' is what the cache had of it", a->hub->environment.endpoint,
                    x.failure == GM_HTTP_FINE ? x.status == 429 ? "rate limit" : "an error of the server" : x.why, a->repo->id);
        memmove(a->repo->commit, cached_commit, sizeof a->repo->commit);
        a->out->asked = false;
        s = read_cached(a);
    } else if (s == GPUMEM_OK) {
        s = take_answer(a, &x);
    }
    gm_exchange_free(&x);
    free(url);
    return s;
}

static void recall(const gm_hub *h, gm_repo *repo)
{
    for (const gm_resolved *r = h->resolved; r && !*repo->commit; r = r->next)
        if (strcmp(r->repo.id, repo->id) == 0 && strcmp(r->repo.revision, repo->revision) == 0)
            memcpy(repo->commit, r->repo.commit, sizeof repo->commit);
}

/* Without memory it is asked again. */
static void remember(gm_hub *h, const gm_repo *repo)
{
    gm_resolved *r = gm_arena_alloc(&h->arena, sizeof *r);
    if (!r)
        return;
    *r = (gm_resolved){h->resolved, *repo};
    h->resolved = r;
}

static gpumem_status read_any(gm_hub *h, gm_repo *repo, const char *file, size_t most, gm_arena *arena, gm_hub_file *out, gpumem_error *err)
{
    ask a = {h, repo, file, most, arena, out, err};
    char buf[41];
    const char *commit;
    gm_cached state;
    memset(out, 0, sizeof *out);
    if (!gm_safe_path(file))
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: '%s' is not a name that a file of a model may have", repo->id, file);
    commit = commit_of(&a, buf);
    state = gm_cache_find(&h->cache, repo->id, commit, file, out->path, sizeof out->path);
    if (state != GM_CACHE_UNKNOWN && (*repo->commit || h->environment.offline)) {
        if (!*repo->commit)
            memcpy(repo->commit, commit, sizeof repo->commit);
        return state == GM_CACHE_FILE ? read_cached(&a) : GPUMEM_OK;
    }
    if (h->environment.offline)
        return gm_hub_offline(h, repo, file, err);
    return fetch(&a, state == GM_CACHE_FILE, commit);
}

gpumem_status gm_hub_read(gm_hub *h, gm_repo *repo, const char *file, size_t most, gm_arena *arena, gm_hub_file *out, gpumem_error *err)
{
    bool known;
    gpumem_status s;
    recall(h, repo);
    known = *repo->commit != '\0';
    s = read_any(h, repo, file, most, arena, out, err);
    if (!known && *repo->commit)
        remember(h, repo);
    return s;
}

/* ---- what there is -------------------------------------------------------------------------------------------------------------- */

static gpumem_status fetch_list(gm_hub *h, const gm_repo *repo, gpumem_error *err)
{
    char *url = gm_repo_api(repo, h->environment.endpoint);
    gm_exchange x = {.url = url, .what = repo->id, .most = MAX_INFO, .retries = RETRIES};
    gpumem_status s = h->environment.offline ? gm_hub_offline(h, repo, "list of files", err) : url ? gm_hub_ask(h, &x, 1, err) : gm_no_memory(err);
    free(h->list);
    h->list = NULL;
    if (s == GPUMEM_OK && (x.failure != GM_HTTP_FINE || x.status >= 400))
        s = gm_hub_refused(h, repo, "the list of its files", &x, err);
    if (s == GPUMEM_OK && (h->list = malloc(x.n + 1)) == NULL)
        s = gm_no_memory(err);
    if (s == GPUMEM_OK) {
        memcpy(h->list, x.n ? x.body : "", x.n);
        h->nlist = x.n;
        h->listed = *repo;
    }
    gm_exchange_free(&x);
    free(url);
    return s;
}

gpumem_status gm_hub_info(gm_hub *h, const gm_repo *repo, gm_arena *arena, char **json, size_t *n, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    if (!h->list || strcmp(h->listed.id, repo->id) != 0 || strcmp(h->listed.revision, repo->revision) != 0)
        s = fetch_list(h, repo, err);
    if (s != GPUMEM_OK)
        return s;
    *json = gm_arena_strndup(arena, h->list, h->nlist);
    *n = h->nlist;
    return *json ? GPUMEM_OK : gm_no_memory(err);
}

typedef struct contents { bool diffusers, adapter; char gguf[300], base[200]; } contents;

static void look_at(const gm_value *info, contents *c)
{
    const gm_value *files = gm_value_get(info, "siblings"), *tags = gm_value_get(info, "tags");
    for (uint32_t i = 0; files && files->type == GM_LIST && i < files->n; i++) {
        const gm_value *name = files->v.list[i].type == GM_MAP ? gm_value_get(&files->v.list[i], "rfilename") : NULL;
        if (!name || name->type != GM_STRING)
            continue;
        if (gm_ends(name->v.s, ".gguf") && !*c->gguf)
            snprintf(c->gguf, sizeof c->gguf, "%s", name->v.s);
        c->diffusers |= strcmp(name->v.s, "model_index.json") == 0;
        c->adapter |= strcmp(name->v.s, "adapter_config.json") == 0;
    }
    for (uint32_t i = 0; tags && tags->type == GM_LIST && i < tags->n; i++) {
        const gm_value *tag = &tags->v.list[i];
        const char *id = tag->type == GM_STRING && strncmp(tag->v.s, "base_model:", 11) == 0 ? strrchr(tag->v.s, ':') + 1 : NULL;
        if (id && !*c->base)
            snprintf(c->base, sizeof c->base, "%s", id);
    }
}

gpumem_status gm_hub_no_config(gm_hub *h, const gm_repo *repo, gpumem_error *err)
{
    gm_arena arena = {0};
    gm_value info;
    contents c = {0};
    char *json;
    size_t n;
    if (!h->environment.offline && gm_hub_info(h, repo, &arena, &json, &n, NULL) == GPUMEM_OK && gm_json_parse(&arena, repo->id, json, n, &info, NULL) == GPUMEM_OK && info.type == GM_MAP)
        look_at(&info, &c);
    gpumem_status s = c.adapter ? GPUMEM_EHUB : GPUMEM_ENOCONFIG; /* an adapter's weights are not the model's */
    gm_fail(err, s, NULL, 0, 0, "the model '%s' has no %sconfig.json%s", repo->id, repo->folder,
            c.adapter ? ": it is an adapter to another model" : c.diffusers ? ": it is a Diffusers pipeline of several models" : *c.gguf ? ": it has GGUF files" : "");
    if (*c.base)
        gm_tip(err, "it was made from %s, which may have one", c.base);
    if (*c.gguf)
        gm_tip(err, "name one of them: %s/%s/resolve/%s/%s", h->environment.endpoint, repo->id, repo->revision, c.gguf);
    if (c.diffusers)
        gm_tip(err, "its parts have configs of their own: %s/%s/tree/main/transformer and the like", h->environment.endpoint, repo->id);
    gm_tip(err, "what is there: %s/%s/tree/%s", h->environment.endpoint, repo->id, repo->revision);
    gm_arena_free(&arena);
    return s;
}
