#include "source/http.h"
#include "plugin/library.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum {
    MAX_HOPS = 10,
    MAX_RUNNING = 64,            /* at once */
    MAX_ERROR = 64 << 10,        /* bytes of the body of an answer that is none */
    MAX_SKIP = 16 << 20,         /* bytes before the range, of a server that does not know ranges */
    SLOWEST = 64,                /* bytes a second */
    TICK = 100                   /* milliseconds between looks at the clock */
};

/* ---- libcurl ------------------------------------------------------------------------------------------------------------- */

/* The functions, in the order of `names`. */
typedef struct curl_api {
    CURLcode (*global_init)(long flags);
    void (*global_cleanup)(void);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_add)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *fds, unsigned n, int timeout, int *ready);
    CURLMsg *(*multi_read)(CURLM *multi, int *left);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *s);
    void (*slist_free)(struct curl_slist *list);
    CURLU *(*url)(void);
    void (*url_cleanup)(CURLU *url);
    CURLUcode (*url_set)(CURLU *url, CURLUPart what, const char *part, unsigned flags);
    CURLUcode (*url_get)(const CURLU *url, CURLUPart what, char **part, unsigned flags);
    void (*free)(void *p);
} curl_api;

static const char *const names[] = {
    "curl_global_init", "curl_global_cleanup", "curl_easy_init", "curl_easy_cleanup", "curl_easy_setopt", "curl_easy_getinfo",
    "curl_easy_strerror", "curl_multi_init", "curl_multi_cleanup", "curl_multi_add_handle", "curl_multi_remove_handle",
    "curl_multi_perform", "curl_multi_poll", "curl_multi_info_read", "curl_slist_append", "curl_slist_free_all", "curl_url",
    "curl_url_cleanup", "curl_url_set", "curl_url_get", "curl_free", NULL};
_Static_assert(sizeof(curl_api) == (sizeof names / sizeof *names - 1) * sizeof(void *), "a name for each function");

struct gm_http {
    curl_api api;
    bool started;
    CURLM *multi; /* keeps connections between requests */
    char *endpoint, *origin, *agent, *ca, *proxy, *authorization;
    gm_http_options o;
};

static gpumem_status load_curl(gm_http *h, gpumem_error *err)
{
    char why[200];
    if (gm_library_system("libcurl.so.4", names, &h->api, why, sizeof why) || gm_library_system("libcurl-gnutls.so.4", names, &h->api, (char[200]){0}, 200))
        return GPUMEM_OK;
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the Hub cannot be asked: %s", why);
    gm_tip(err, "install libcurl (Debian, Ubuntu: libcurl4; Fedora: libcurl; Arch: curl)");
    gm_tip(err, "or give a config.json, a folder with one, or a name of the catalogue");
    return GPUMEM_EHUB;
}

/* ---- URLs ---------------------------------------------------------------------------------------------------------------- */

static char *url_part(const gm_http *h, const CURLU *u, CURLUPart part, unsigned flags)
{
    char *s = NULL;
    return h->api.url_get(u, part, &s, flags) == CURLUE_OK ? s : NULL;
}

/* "https://huggingface.co:443", as libcurl itself reads the URL; NULL if it cannot be one. */
static char *origin_of(const gm_http *h, const char *url)
{
    CURLU *u = h->api.url();
    char *out = NULL;
    if (u && h->api.url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        char *scheme = url_part(h, u, CURLUPART_SCHEME, 0), *host = url_part(h, u, CURLUPART_HOST, 0), *port = url_part(h, u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        if (scheme && host && port && asprintf(&out, "%s://%s:%s", scheme, host, port) < 0)
            out = NULL;
        for (char *s = out; s && *s; s++)
            *s = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
        h->api.free(scheme);
        h->api.free(host);
        h->api.free(port);
    }
    if (u)
        h->api.url_cleanup(u);
    return out;
}

/* Names and sizes of the file are the hub's to say, wherever the file lies. */
static bool is_hub(const gm_http *h, const char *origin)
{
    static const char *const hubs[] = {"https://huggingface.co:443", "https://hf.co:443", "https://hub-ci.huggingface.co:443"};
    if (strcmp(origin, h->origin) == 0)
        return true;
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++)
        if (strcmp(origin, hubs[i]) == 0)
            return true;
    return false;
}

/* ---- one transfer -------------------------------------------------------------------------------------------------------- */

typedef struct answer_head { /* of the answer that is being read */
    int status;
    char commit[65], etag[129], linked_etag[129], error_code[64], error_message[256], request[96], rate[128], location;
    uint64_t length, linked_size, range_first, range_size;
    bool has_length, has_linked_size, has_range, has_range_size, encoded;
    long wait;
} answer_head;

typedef struct transfer {
    gm_http *http;
    gm_exchange *x;
    CURL *easy; /* NULL: not running */
    struct curl_slist *lines;
    char *url, *origin;
    bool hub, token; /* the URL is the hub's; the token goes with it */
    unsigned hops, tries;
    int64_t wake;    /* when to start, in milliseconds */
    bool done;
    answer_head head;
    bool judged, wanted, stopped; /* of the body */
    uint64_t skip;
    size_t room;
} transfer;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void give_up(transfer *t, gm_failure failure, const char *why)
{
    t->done = true;
    t->x->failure = failure;
    snprintf(t->x->why, sizeof t->x->why, "%s", why);
}

static bool number(const char *s, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(s[i] - '0'), &v))
            return false;
    *out = v;
    return true;
}

static void copy(char *out, size_t size, const char *s, size_t n)
{
    if (n >= size)
        n = size - 1;
    memcpy(out, s, n);
    out[n] = '\0';
}

/* W/"abc" and "abc" are abc. */
static void copy_etag(char *out, size_t size, const char *s, size_t n)
{
    while (n && (*s == 'W' || *s == '/'))
        s++, n--;
    while (n && *s == '"')
        s++, n--;
    while (n && s[n - 1] == '"')
        n--;
    copy(out, size, s, n);
}

/* bytes 0-99/1234, bytes 0-99/(star), bytes (star)/1234 */
static void read_content_range(answer_head *a, const char *s, size_t n)
{
    const char *slash = memchr(s, '/', n), *dash;
    if (n < 6 || strncasecmp(s, "bytes ", 6) != 0 || !slash)
        return;
    a->has_range_size = number(slash + 1, n - (size_t)(slash + 1 - s), &a->range_size);
    dash = memchr(s, '-', (size_t)(slash - s));
    a->has_range = dash && number(s + 6, (size_t)(dash - s) - 6, &a->range_first);
}

static void read_wait(answer_head *a, const char *s, size_t n)
{
    uint64_t v;
    if (number(s, n, &v) && a->wait < 0)
        a->wait = v < 1000000 ? (long)v : 1000000;
}

/* "api";r=0;t=55: nothing is left for 55 seconds. */
static void read_rate(answer_head *a, const char *s, size_t n)
{
    const char *r, *t;
    char buf[128];
    copy(buf, sizeof buf, s, n);
    r = strcasestr(buf, "r=");
    t = strcasestr(buf, "t=");
    if (r && t && atol(r + 2) == 0 && r[2] == '0')
        read_wait(a, t + 2, strspn(t + 2, "0123456789"));
}

static bool is(const char *line, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

static void read_line(answer_head *a, const char *name, size_t n, const char *s, size_t m)
{
    if (is(name, n, "x-repo-commit"))
        copy(a->commit, sizeof a->commit, s, m);
    else if (is(name, n, "etag"))
        copy_etag(a->etag, sizeof a->etag, s, m);
    else if (is(name, n, "x-linked-etag"))
        copy_etag(a->linked_etag, sizeof a->linked_etag, s, m);
    else if (is(name, n, "x-linked-size"))
        a->has_linked_size = number(s, m, &a->linked_size);
    else if (is(name, n, "content-length"))
        a->has_length = number(s, m, &a->length);
    else if (is(name, n, "content-range"))
        read_content_range(a, s, m);
    else if (is(name, n, "content-encoding"))
        a->encoded = !is(s, m, "identity");
    else if (is(name, n, "x-error-code"))
        copy(a->error_code, sizeof a->error_code, s, m);
    else if (is(name, n, "x-error-message"))
        copy(a->error_message, sizeof a->error_message, s, m);
    else if (is(name, n, "retry-after"))
        read_wait(a, s, m);
    else if (is(name, n, "ratelimit"))
        read_rate(a, s, m);
    else if (is(name, n, "x-request-id"))
        copy(a->request, sizeof a->request, s, m);
}

static size_t on_header(char *line, size_t size, size_t n, void *self)
{
    transfer *t = self;
    size_t all = size * n, length = all;
    const char *colon;
    while (length && (line[length - 1] == '\r' || line[length - 1] == '\n' || line[length - 1] == ' '))
        length--;
    if (length > 9 && strncmp(line, "HTTP/", 5) == 0) { /* interim answers start again */
        const char *space = memchr(line, ' ', length);
        t->head = (answer_head){.wait = -1, .status = space ? atoi(space + 1) : 0};
        return all;
    }
    colon = memchr(line, ':', length);
    if (colon) {
        const char *s = colon + 1;
        while (s < line + length && (*s == ' ' || *s == '\t'))
            s++;
        read_line(&t->head, line, (size_t)(colon - line), s, (size_t)(line + length - s));
    }
    return all;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* What an answer says of the file: the hub's words go over those of where the file lies. */
static void take_head(transfer *t)
{
    gm_exchange *x = t->x;
    const answer_head *a = &t->head;
    x->status = a->status;
    x->wait = a->wait;
    snprintf(x->error_code, sizeof x->error_code, "%s", a->error_code);
    snprintf(x->error_message, sizeof x->error_message, "%s", a->error_message);
    if (a->request[0])
        snprintf(x->request, sizeof x->request, "%s", a->request);
    if (t->hub && a->commit[0])
        snprintf(x->commit, sizeof x->commit, "%s", a->commit);
    if (a->status >= 400)
        ;
    else if (t->hub && a->linked_etag[0])
        snprintf(x->etag, sizeof x->etag, "%s", a->linked_etag);
    else if (a->etag[0] && ((t->hub && a->status != 302) || !x->etag[0]))
        snprintf(x->etag, sizeof x->etag, "%s", a->etag);
    if (t->hub && a->has_linked_size)
        x->size = a->linked_size;
    if (a->status == 416 && a->has_range_size)
        x->size = a->range_size;
    if (is_redirect(a->status) || a->status >= 400 || a->encoded)
        return;
    if (a->status == 206 && a->has_range_size)
        x->size = a->range_size;
    else if (a->status == 200 && a->has_length)
        x->size = a->length;
}

static bool known(transfer *t)
{
    gm_exchange *x = t->x;
    if (x->status == 304)
        return x->unchanged = true;
    if (x->have && x->status < 400 && x->have(x->self, x->etag, x->commit))
        x->unchanged = true;
    return x->unchanged;
}

/* ---- the body -------------------------------------------------------------------------------------------------------------- */

/* What is to be kept of the body, once the headers are there. */
static void judge(transfer *t)
{
    gm_exchange *x = t->x;
    const answer_head *a = &t->head;
    t->judged = true;
    t->skip = 0;
    take_head(t);
    t->wanted = false;
    t->room = 0;
    if (known(t) || is_redirect(a->status) || x->head)
        return;
    t->wanted = true;
    if (a->status >= 400 || a->status < 200) {
        t->room = MAX_ERROR;
        x->n = 0;
        return;
    }
    t->room = x->most - (x->ranged ? x->n : 0);
    if (!x->ranged) {
        x->n = 0;
        if (x->size != UINT64_MAX && x->size > x->most && !a->encoded)
            give_up(t, GM_HTTP_REFUSED, "the file is larger than what is read of such files");
    } else if (a->status == 206 && (!a->has_range || a->range_first != x->offset + x->n)) {
        give_up(t, GM_HTTP_REFUSED, "the server sends another range than it was asked for");
    } else if (a->status == 200) { /* it does not know ranges */
        t->skip = x->offset + x->n;
        if (t->skip > MAX_SKIP)
            give_up(t, GM_HTTP_REFUSED, "the server ignores ranges, and the file is too large to be read up to there");
    } else if (a->status == 206 && a->encoded) {
        give_up(t, GM_HTTP_REFUSED, "the server sends compressed ranges");
    }
}

static bool keep(transfer *t, const char *s, size_t n)
{
    gm_exchange *x = t->x;
    char *now;
    if (x->n + n + 1 < n || !(now = realloc(x->body, x->n + n + 1))) {
        give_up(t, GM_HTTP_NO_MEMORY, "out of memory");
        return false;
    }
    memcpy(now + x->n, s, n);
    x->body = now;
    x->n += n;
    x->body[x->n] = '\0';
    return true;
}

/* Less than n ends the transfer: `stopped` tells that it was meant. */
static size_t on_body(char *s, size_t size, size_t count, void *self)
{
    transfer *t = self;
    size_t n = size * count, take = n;
    if (!t->judged)
        judge(t);
    if (t->done)
        return 0;
    if (!t->wanted) { /* a few bytes are cheaper than another connection */
        t->room += n;
        t->stopped = t->x->unchanged ? t->head.status == 200 : t->room > MAX_ERROR;
        return t->stopped ? 0 : n;
    }
    t->x->received += n;
    if (t->skip) {
        size_t over = t->skip < n ? (size_t)t->skip : n;
        t->skip -= over;
        s += over;
        take -= over;
    }
    if (take > t->room) {
        if (!t->x->ranged && t->head.status < 400) {
            give_up(t, GM_HTTP_REFUSED, "the file is larger than what is read of such files");
            return 0;
        }
        take = t->room;
        t->stopped = true;
    }
    if (take && !keep(t, s, take))
        return 0;
    t->room -= take;
    if (t->room == 0 && t->x->ranged && t->head.status == 200)
        t->stopped = true;
    return t->stopped ? 0 : n;
}

/* ---- start and end ----------------------------------------------------------------------------------------------------------- */

static void release(transfer *t)
{
    const curl_api *api = &t->http->api;
    if (t->easy) {
        api->multi_remove(t->http->multi, t->easy);
        api->easy_cleanup(t->easy);
    }
    api->slist_free(t->lines);
    t->easy = NULL;
    t->lines = NULL;
}

static bool add_line(transfer *t, const char *line)
{
    struct curl_slist *now = t->http->api.slist_append(t->lines, line);
    if (now)
        t->lines = now;
    return now != NULL;
}

static CURLcode set_certificates(const gm_http *h, CURL *easy)
{
    struct stat st;
    if (!h->ca)
        return CURLE_OK;
    return h->api.easy_setopt(easy, stat(h->ca, &st) == 0 && S_ISDIR(st.st_mode) ? CURLOPT_CAPATH : CURLOPT_CAINFO, h->ca);
}

static CURLcode set_protocols(const gm_http *h, CURL *easy)
{
#if CURL_AT_LEAST_VERSION(7, 85, 0)
    return h->api.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return h->api.easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* The first that is refused is reported. */
static CURLcode set_options(transfer *t)
{
    const gm_http *h = t->http;
    CURLcode (*set)(CURL *, CURLoption, ...) = h->api.easy_setopt;
    CURL *e = t->easy;
    CURLcode c = CURLE_OK;
    c = c ? c : set(e, CURLOPT_URL, t->url);
    c = c ? c : set(e, CURLOPT_NOSIGNAL, 1L);
    c = c ? c : set(e, CURLOPT_PRIVATE, (void *)t);
    c = c ? c : set(e, CURLOPT_FOLLOWLOCATION, 0L);
    c = c ? c : set(e, CURLOPT_USERAGENT, h->agent);
    c = c ? c : set(e, CURLOPT_HTTPHEADER, t->lines);
    c = c ? c : set(e, CURLOPT_HEADERFUNCTION, on_header);
    c = c ? c : set(e, CURLOPT_HEADERDATA, (void *)t);
    c = c ? c : set(e, CURLOPT_WRITEFUNCTION, on_body);
    c = c ? c : set(e, CURLOPT_WRITEDATA, (void *)t);
    c = c ? c : set(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    c = c ? c : set(e, CURLOPT_CONNECTTIMEOUT, (long)h->o.timeout);
    c = c ? c : set(e, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    c = c ? c : set(e, CURLOPT_LOW_SPEED_TIME, (long)h->o.timeout);
    c = c ? c : set_protocols(h, e);
    c = c ? c : set_certificates(h, e);
    if (strncmp(t->origin, "https:", 6) == 0) /* HTTP/2: many on one connection */
        c = c ? c : set(e, CURLOPT_PIPEWAIT, 1L);
    else if (h->proxy)
        c = c ? c : set(e, CURLOPT_PROXY, h->proxy);
    if (t->x->head)
        c = c ? c : set(e, CURLOPT_NOBODY, 1L);
    return c;
}

static bool set_lines(transfer *t)
{
    const gm_exchange *x = t->x;
    char range[80];
    snprintf(range, sizeof range, "Range: bytes=%llu-%llu", (unsigned long long)(x->offset + x->n), (unsigned long long)(x->offset + x->most - 1));
    return add_line(t, "Accept-Encoding: identity") && (!x->ranged || add_line(t, range)) &&
           (!t->token || x->anonymous || add_line(t, t->http->authorization));
}

static void start(transfer *t)
{
    const curl_api *api = &t->http->api;
    if (!t->x->ranged)
        t->x->n = 0;
    t->head = (answer_head){.wait = -1};
    t->judged = t->stopped = t->wanted = false;
    t->easy = api->easy_init();
    t->x->sent++;
    if (!t->easy || !set_lines(t) || set_options(t) != CURLE_OK || api->multi_add(t->http->multi, t->easy) != CURLM_OK) {
        release(t);
        give_up(t, GM_HTTP_NO_MEMORY, "a request cannot be made");
    }
}

/* The name that the hub knows it by. */
static void note_moved(transfer *t)
{
    const gm_http *h = t->http;
    CURLU *u = h->api.url();
    char *path = u && h->api.url_set(u, CURLUPART_URL, t->url, 0) == CURLUE_OK ? url_part(h, u, CURLUPART_PATH, 0) : NULL;
    if (path && strstr(path, "/resolve/"))
        snprintf(t->x->moved, sizeof t->x->moved, "%s", path);
    h->api.free(path);
    if (u)
        h->api.url_cleanup(u);
}

/* To another place: without the token, and not from https to http. */
static void follow(transfer *t, const char *to)
{
    char *origin, *url;
    if (!to || !*to) {
        give_up(t, GM_HTTP_REFUSED, "a redirect to nowhere");
        return;
    }
    if (++t->hops > MAX_HOPS) {
        give_up(t, GM_HTTP_REFUSED, "more than 10 redirects, one after the other");
        return;
    }
    origin = origin_of(t->http, to);
    url = strdup(to);
    if (!origin || !url || (strncmp(origin, "http:", 5) != 0 && strncmp(origin, "https:", 6) != 0)) {
        free(origin);
        free(url);
        give_up(t, GM_HTTP_REFUSED, "a redirect to something that is not HTTP");
        return;
    }
    if (strncmp(t->origin, "https:", 6) == 0 && strncmp(origin, "http:", 5) == 0) {
        free(origin);
        free(url);
        give_up(t, GM_HTTP_REFUSED, "a redirect from https to http");
        return;
    }
    if (strcmp(origin, t->origin) != 0)
        t->token = false; /* and never again */
    free(t->origin);
    free(t->url);
    t->origin = origin;
    t->url = url;
    t->hub = t->hub && is_hub(t->http, origin);
    if (t->hub)
        note_moved(t);
    t->wake = 0;
}

static bool stays(const transfer *t, const char *to)
{
    char *origin = to ? origin_of(t->http, to) : NULL;
    bool yes = origin && is_hub(t->http, origin);
    free(origin);
    return yes;
}

static bool may_retry(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static void tell(const gm_http *h, gpumem_progress_kind kind, const char *what, uint64_t done, uint64_t total, unsigned seconds)
{
    gpumem_progress p = {kind, what, done, total, seconds};
    if (h->o.progress)
        h->o.progress(h->o.self, &p);
}

/* Waits, longer each time, or as long as the server says; false if that would be too long. */
static bool retry(transfer *t, unsigned most, long seconds)
{
    unsigned shift = t->tries < 3 ? t->tries : 3;
    int64_t wait = (int64_t)t->http->o.backoff << shift;
    if (t->tries >= most)
        return false;
    if (seconds >= 0) {
        if (seconds > (long)t->http->o.patience)
            return false;
        wait = (int64_t)(seconds + 1) * 1000;
        tell(t->http, GPUMEM_PROGRESS_WAIT, t->x->what ? t->x->what : "", 0, 0, (unsigned)(wait / 1000));
    }
    t->tries++;
    t->wake = now_ms() + wait;
    return true;
}

static void finish_answer(transfer *t, const char *to)
{
    gm_exchange *x = t->x;
    bool enough;
    if (x->status == 200 && x->ranged && !t->stopped && x->size == UINT64_MAX)
        x->size = x->offset + x->n; /* all there was */
    enough = x->ranged ? (x->n == x->most || (x->size != UINT64_MAX && x->offset + x->n == x->size)) : true;
    if (x->unchanged || x->head) {
        if (x->head && is_redirect(x->status) && !x->unchanged && stays(t, to))
            follow(t, to); /* what another host says of it is of no use */
        else
            t->done = true;
    } else if (is_redirect(x->status)) {
        follow(t, to);
    } else if (may_retry(x->status) && retry(t, x->retries, x->status == 429 || x->status == 503 ? t->head.wait : -1)) {
        x->n = 0; /* the words of the error */
    } else {
        t->done = true;
        if (x->status >= 200 && x->status < 300 && !enough && x->size != UINT64_MAX)
            give_up(t, GM_HTTP_BROKEN, "the server ends before the range does");
    }
}

static void fail_transfer(transfer *t, CURLcode code)
{
    gm_exchange *x = t->x;
    unsigned most = 0;
    gm_failure failure = GM_HTTP_BROKEN;
    if (t->head.status >= 400)
        x->n = 0;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_CONNECT: case CURLE_SSL_CONNECT_ERROR:
        failure = GM_HTTP_UNREACHABLE;
        most = x->retries < 1 ? x->retries : 1;
        break;
    case CURLE_OPERATION_TIMEDOUT: case CURLE_HTTP2: case CURLE_PARTIAL_FILE: case CURLE_GOT_NOTHING: case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: case CURLE_HTTP2_STREAM:
        most = x->retries < 2 ? x->retries : 2;
        break;
    case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE:
        failure = GM_HTTP_UNREACHABLE;
        break;
    default:
        break;
    }
    if (!retry(t, most, -1))
        give_up(t, failure, t->http->api.easy_strerror(code));
}

static void finish(transfer *t, CURLcode code)
{
    char *to = NULL, *next = NULL;
    if (!t->judged && t->head.status && (code == CURLE_OK || code == CURLE_WRITE_ERROR))
        judge(t);
    if (code == CURLE_OK && t->head.status && t->http->api.easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to)
        next = strdup(to);
    if (t->stopped && t->http->api.easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to && !next)
        next = strdup(to);
    release(t);
    if (t->done)
        ;
    else if (t->head.status && (code == CURLE_OK || t->stopped))
        finish_answer(t, next);
    else
        fail_transfer(t, code);
    free(next);
}

/* ---- all of them ---------------------------------------------------------------------------------------------------------------- */

static void collect(gm_http *h)
{
    CURLMsg *m;
    int left;
    while ((m = h->api.multi_read(h->multi, &left)) != NULL) {
        char *self = NULL;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE && h->api.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &self) == CURLE_OK && self)
            finish((transfer *)(void *)self, code);
    }
}

/* Starts what may start; returns how many are not done, and when the next wants to wake. */
static size_t start_due(transfer *t, size_t n, int64_t *next)
{
    size_t running = 0, open = 0;
    int64_t now = now_ms();
    *next = now + TICK;
    for (size_t i = 0; i < n; i++)
        running += t[i].easy != NULL;
    for (size_t i = 0; i < n; i++) {
        if (!t[i].done && !t[i].easy && t[i].wake <= now && running < MAX_RUNNING) {
            start(&t[i]);
            running += t[i].easy != NULL;
        }
        if (!t[i].done && !t[i].easy && t[i].wake > now && t[i].wake < *next)
            *next = t[i].wake;
        open += !t[i].done;
    }
    return open;
}

static void tell_all(const gm_http *h, const transfer *t, size_t n)
{
    uint64_t done = 0, total = 0;
    const char *what = "";
    for (size_t i = n; i-- > 0;) {
        done += t[i].x->n;
        total += t[i].x->ranged ? t[i].x->most : t[i].x->size == UINT64_MAX ? 0 : t[i].x->size;
        if (!t[i].done && t[i].x->what)
            what = t[i].x->what;
    }
    tell(h, GPUMEM_PROGRESS_FETCH, what, done, total < done ? done : total, 0);
}

static void run(gm_http *h, transfer *t, size_t n)
{
    int64_t next;
    while (start_due(t, n, &next) > 0) {
        int running, wait;
        h->api.multi_perform(h->multi, &running);
        collect(h);
        tell_all(h, t, n);
        if (start_due(t, n, &next) == 0)
            break;
        h->api.multi_perform(h->multi, &running);
        wait = (int)(next - now_ms());
        if (wait > 0)
            h->api.multi_poll(h->multi, NULL, 0, wait, NULL);
    }
}

static bool prepare(gm_http *h, transfer *t, gm_exchange *x)
{
    *t = (transfer){.http = h, .x = x};
    x->failure = GM_HTTP_FINE;
    x->size = UINT64_MAX;
    x->wait = -1;
    t->url = strdup(x->url);
    t->origin = origin_of(h, x->url);
    if (!t->url || !t->origin)
        return false;
    t->hub = is_hub(h, t->origin);
    t->token = h->authorization && strcmp(t->origin, h->origin) == 0;
    if (x->ranged && x->most == 0)
        t->done = true;
    return true;
}

gpumem_status gm_http_do(gm_http *h, gm_exchange *x, size_t n, gpumem_error *err)
{
    transfer *t = calloc(n ? n : 1, sizeof *t);
    gpumem_status s = GPUMEM_OK;
    if (!t)
        return gm_no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (!prepare(h, &t[i], &x[i]))
            s = gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "'%s' is not a URL", x[i].url);
    if (s == GPUMEM_OK)
        run(h, t, n);
    for (size_t i = 0; i < n; i++) {
        release(&t[i]); /* those given up while their answer came: nobody collected them */
        free(t[i].url);
        free(t[i].origin);
    }
    free(t);
    tell(h, GPUMEM_PROGRESS_DONE, "", 0, 0, 0);
    return s;
}

void gm_exchange_free(gm_exchange *x)
{
    free(x->body);
    x->body = NULL;
    x->n = 0;
}

static bool copy_string(char **out, const char *s)
{
    *out = s ? strdup(s) : NULL;
    return !s || *out;
}

gpumem_status gm_http_new(const gm_http_options *options, gm_http **out, gpumem_error *err)
{
    gm_http *h = calloc(1, sizeof *h);
    gpumem_status s = h ? load_curl(h, err) : gm_no_memory(err);
    *out = NULL;
    if (s != GPUMEM_OK) {
        free(h);
        return s;
    }
    h->o = *options;
    h->started = h->api.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    h->multi = h->started ? h->api.multi_init() : NULL;
    if (!h->multi || !copy_string(&h->endpoint, options->endpoint) || !copy_string(&h->agent, options->agent) || !copy_string(&h->ca, options->ca) ||
        !copy_string(&h->proxy, options->proxy) || (options->token && asprintf(&h->authorization, "Authorization: Bearer %s", options->token) < 0))
        s = gm_no_memory(err);
    else if (!(h->origin = origin_of(h, options->endpoint)))
        s = gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "HF_ENDPOINT: '%s' is not a URL", options->endpoint);
    if (s != GPUMEM_OK) {
        gm_http_free(h);
        return s;
    }
    *out = h;
    return GPUMEM_OK;
}

void gm_http_free(gm_http *h)
{
    if (!h)
        return;
    if (h->multi)
        h->api.multi_cleanup(h->multi);
    if (h->started)
        h->api.global_cleanup();
    free(h->endpoint);
    free(h->origin);
    free(h->agent);
    free(h->ca);
    free(h->proxy);
    if (h->authorization)
        explicit_bzero(h->authorization, strlen(h->authorization));
    free(h->authorization);
    free(h);
}
