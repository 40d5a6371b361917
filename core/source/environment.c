#include "source/environment.h"
#include "text/file.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_TOKEN = 64 << 10 };

/* Empty is the same as not there. */
static const char *variable(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

static bool is_true(const char *s)
{
    return s && (strcmp(s, "1") == 0 || strcasecmp(s, "on") == 0 || strcasecmp(s, "yes") == 0 || strcasecmp(s, "true") == 0);
}

static const char *of_arena(gm_arena *arena, gpumem_text *t)
{
    const char *s = t->failed ? NULL : gm_arena_strdup(arena, t->s ? t->s : "");
    gpumem_text_free(t);
    return s;
}

/* $NAME or ${NAME}; returns what is behind it.  What is not set stays as it is, as in Python. */
static const char *put_variable(gpumem_text *t, const char *s)
{
    bool braces = s[1] == '{';
    const char *name = s + 1 + braces, *end = name;
    char copy[128];
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    if (end == name || (braces && *end != '}') || (size_t)(end - name) >= sizeof copy) {
        gpumem_text_char(t, '$');
        return s + 1;
    }
    memcpy(copy, name, (size_t)(end - name));
    copy[end - name] = '\0';
    end += braces;
    if (getenv(copy))
        gpumem_text_puts(t, getenv(copy));
    else
        gpumem_text_put(t, s, (size_t)(end - s));
    return end;
}

/* A path with ~ and variables. */
static const char *expand(gm_arena *arena, const char *s)
{
    gpumem_text t = {0};
    const char *home = variable("HOME");
    if (*s == '~' && (s[1] == '/' || s[1] == '\0') && home) {
        gpumem_text_puts(&t, home);
        s++;
    }
    while (*s)
        if (*s == '$')
            s = put_variable(&t, s);
        else
            gpumem_text_char(&t, *s++);
    while (t.n > 1 && t.s[t.n - 1] == '/')
        t.s[--t.n] = '\0';
    return of_arena(arena, &t);
}

static const char *join(gm_arena *arena, const char *folder, const char *name)
{
    gpumem_text t = {0};
    gpumem_text_printf(&t, "%s/%s", folder, name);
    return of_arena(arena, &t);
}

/* $XDG_CACHE_HOME or ~/.cache; NULL: nobody is at home. */
static const char *cache_home(gm_arena *arena)
{
    const char *s = variable("XDG_CACHE_HOME"), *home = variable("HOME");
    if (s)
        return expand(arena, s);
    return home ? join(arena, home, ".cache") : NULL;
}

/* ---- the token ----------------------------------------------------------------------------------------------------------- */

/* Without line ends and spaces around; NULL if nothing is left. */
static const char *clean(gm_arena *arena, const char *s)
{
    size_t n = 0;
    char *out = s ? gm_arena_alloc(arena, strlen(s) + 1) : NULL;
    if (!out)
        return NULL;
    while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
        s++;
    for (; *s; s++)
        if (*s != '\r' && *s != '\n')
            out[n++] = *s;
    while (n && (out[n - 1] == ' ' || out[n - 1] == '\t'))
        n--;
    out[n] = '\0';
    return n ? out : NULL;
}

static gpumem_status read_token_file(gm_arena *arena, const char *home, const char **out, gpumem_error *err)
{
    const char *path = variable("HF_TOKEN_PATH");
    struct stat st;
    char *text;
    size_t n;
    gpumem_status s;
    path = path ? expand(arena, path) : home ? join(arena, home, "token") : NULL;
    if (!path || stat(path, &st) != 0)
        return GPUMEM_OK;
    s = gm_file_read(arena, path, MAX_TOKEN, &text, &n, err);
    if (s == GPUMEM_OK)
        *out = clean(arena, text);
    return s;
}

static gpumem_status find_token(gm_arena *arena, const gpumem_hub_options *o, const char *home, const char **out, gpumem_error *err)
{
    *out = clean(arena, o->token);
    if (*out || is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return GPUMEM_OK;
    *out = clean(arena, variable("HF_TOKEN"));
    if (!*out)
        *out = clean(arena, variable("HUGGING_FACE_HUB_TOKEN"));
    return *out ? GPUMEM_OK : read_token_file(arena, home, out, err);
}

static gpumem_status check_token(const char *token, gpumem_error *err)
{
    for (const char *s = token; s && *s; s++)
        if (*s <= ' ' || *s > '~')
            return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "the token for the Hub has a character that no token has");
    return GPUMEM_OK;
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

static const char *first_of(const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (variable(name[i]))
            return variable(name[i]);
    return NULL;
}

static const char *find_endpoint(gm_arena *arena, const gpumem_hub_options *o)
{
    const char *s = o->endpoint ? o->endpoint : is_true(variable("HUGGINGFACE_CO_STAGING")) ? "https://hub-ci.huggingface.co" : variable("HF_ENDPOINT");
    size_t n;
    if (!s)
        s = "https://huggingface.co";
    for (n = strlen(s); n > 0 && s[n - 1] == '/';)
        n--;
    return gm_arena_strndup(arena, s, n);
}

static const char *find_cache(gm_arena *arena, const gpumem_hub_options *o, const char *home)
{
    static const char *const names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"};
    const char *s = o->cache ? o->cache : first_of(names, 2);
    if (s)
        return expand(arena, s);
    return home ? join(arena, home, "hub") : NULL;
}

/* TRANSFORMERS_OFFLINE is read where HF_HUB_OFFLINE says nothing. */
static const char *find_offline(const gpumem_hub_options *o)
{
    if (o->offline)
        return "--offline";
    if (variable("HF_HUB_OFFLINE"))
        return is_true(variable("HF_HUB_OFFLINE")) ? "HF_HUB_OFFLINE" : NULL;
    return is_true(variable("TRANSFORMERS_OFFLINE")) ? "TRANSFORMERS_OFFLINE" : NULL;
}

static unsigned find_timeout(void)
{
    static const char *const names[] = {"HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"};
    const char *s = first_of(names, 2);
    long v = s ? strtol(s, NULL, 10) : 0;
    return v > 0 && v < 86400 ? (unsigned)v : 10;
}

static const char *find_agent(gm_arena *arena)
{
    const char *origin = variable("HF_HUB_USER_AGENT_ORIGIN");
    gpumem_text t = {0};
    gpumem_text_puts(&t, "gpumem/" GPUMEM_VERSION);
    if (origin && strpbrk(origin, "\r\n") == NULL)
        gpumem_text_printf(&t, "; origin/%s", origin);
    return of_arena(arena, &t);
}

gpumem_status gm_environment_read(gm_arena *arena, const gpumem_hub_options *options, gm_environment *out, gpumem_error *err)
{
    static const char *const ca[] = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
    const gpumem_hub_options none = {0}, *o = options ? options : &none;
    const char *base = cache_home(arena), *home = variable("HF_HOME"), *authority = first_of(ca, 4);
    gpumem_status s;
    home = home ? expand(arena, home) : base ? join(arena, base, "huggingface") : NULL;
    *out = (gm_environment){
        .endpoint = find_endpoint(arena, o), .cache = find_cache(arena, o, home), .own = base ? join(arena, base, "gpumem") : NULL,
        .ca = authority ? expand(arena, authority) : NULL,
        .proxy = variable("REQUEST_METHOD") || variable("http_proxy") ? NULL : variable("HTTP_PROXY"), /* of a CGI script that is a header */
        .agent = find_agent(arena), .offline = find_offline(o), .timeout = find_timeout(), .copies = is_true(variable("HF_HUB_DISABLE_SYMLINKS"))};
    if (!out->endpoint || !out->agent)
        return gm_no_memory(err);
    s = find_token(arena, o, home, &out->token, err);
    return s == GPUMEM_OK ? check_token(out->token, err) : s;
}
