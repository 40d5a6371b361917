#include "source/repo.h"
#include "source/cache.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- ids ------------------------------------------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Letters, digits, - _ . between two words. */
static bool good_part(const char *s, size_t n)
{
    if (n == 0 || n > 96 || !is_word(s[0]) || !is_word(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_word(s[i]) && s[i] != '-' && s[i] != '.')
            return false;
    return true;
}

static bool good_id(const char *id)
{
    const char *slash = strchr(id, '/');
    size_t n = strlen(id);
    if (strstr(id, "--") || strstr(id, "..") || (n > 4 && strcmp(id + n - 4, ".git") == 0))
        return false;
    if (!slash)
        return good_part(id, n);
    return good_part(id, (size_t)(slash - id)) && good_part(slash + 1, n - (size_t)(slash - id) - 1);
}

static bool good_revision(const char *s)
{
    return gm_safe_path(s) && strlen(s) < sizeof ((gm_repo *)0)->revision && strpbrk(s, " ~^?*[") == NULL;
}

/* ---- URLs ------------------------------------------------------------------------------------------------------------------ */

/* Behind the address of the hub, or NULL. */
static const char *behind_host(const char *text, const char *endpoint)
{
    static const char *const prefixes[] = {"https://huggingface.co/", "http://huggingface.co/", "https://www.huggingface.co/", "https://hf.co/",
                                           "http://hf.co/", "huggingface.co/", "hf.co/", "hf://"};
    size_t n = strlen(endpoint);
    if (strncasecmp(text, endpoint, n) == 0 && text[n] == '/')
        return text + n + 1;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncasecmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return text + strlen(prefixes[i]);
    return NULL;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %2F is / */
static void decode(char *s)
{
    char *to = s;
    for (; *s; s++, to++) {
        if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
            *to = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 2;
        } else {
            *to = *s;
        }
    }
    *to = '\0';
}

static bool is_view(const char *s)
{
    static const char *const views[] = {"tree", "blob", "resolve", "raw", "commit", "blame"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (strcmp(s, views[i]) == 0)
            return true;
    return false;
}

static bool refuse(gpumem_error *err, const char *text, const char *why)
{
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "'%s' is %s", text, why);
    gm_tip(err, "as on the Hub: org/name, org/name@revision or https://huggingface.co/org/name");
    return false;
}

/* The folder of a file that was pointed at, or the folder itself. */
static bool take_folder(gm_repo *out, char *const *segment, unsigned n, bool file)
{
    size_t used = 0;
    for (unsigned i = 0; i + file < n; i++) {
        int length = snprintf(out->folder + used, sizeof out->folder - used, "%s/", segment[i]);
        if (length < 0 || (used += (size_t)length) >= sizeof out->folder)
            return false;
    }
    if (used == 0)
        return true;
    out->folder[used - 1] = '\0';
    if (!gm_safe_path(out->folder))
        return false;
    out->folder[used - 1] = '/';
    return true;
}

static void take_file(gm_repo *out, const char *name)
{
    static const char *const ends[] = {".safetensors", ".gguf", ".bin", ".pt", ".pth"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n > strlen(ends[i]) && n < sizeof out->file && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            strcpy(out->file, name);
}

static bool parse_url(const char *text, const char *rest, gm_repo *out, gpumem_error *err)
{
    char buf[1024], *segment[16], *save = NULL;
    unsigned n = 0, at;
    if (strcspn(rest, "?#") >= sizeof buf)
        return refuse(err, text, "too long");
    snprintf(buf, sizeof buf, "%.*s", (int)strcspn(rest, "?#"), rest);
    for (char *s = strtok_r(buf, "/", &save); s && n < 16; s = strtok_r(NULL, "/", &save))
        segment[n++] = s;
    if (n > 0 && (strcmp(segment[0], "datasets") == 0 || strcmp(segment[0], "spaces") == 0))
        return refuse(err, text, "a dataset or a space, not a model");
    if (n == 0)
        return refuse(err, text, "not the address of a model");
    at = n >= 2 && !is_view(segment[1]) ? 2 : 1;
    snprintf(out->id, sizeof out->id, "%s%s%s", segment[0], at == 2 ? "/" : "", at == 2 ? segment[1] : "");
    if (strchr(out->id, '@')) { /* hf://org/name@revision */
        char *sign = strchr(out->id, '@');
        *sign = '\0';
        snprintf(out->revision, sizeof out->revision, "%s", sign + 1);
        decode(out->revision);
        out->given = true;
    }
    if (n > at && !is_view(segment[at]) && strncmp(text, "hf://", 5) != 0)
        return refuse(err, text, "not the address of a model");
    if (n > at + 1 && is_view(segment[at])) {
        bool file = strcmp(segment[at], "tree") != 0;
        decode(segment[at + 1]);
        if (strlen(segment[at + 1]) >= sizeof out->revision)
            return refuse(err, text, "not the address of a model");
        strcpy(out->revision, segment[at + 1]);
        out->given = true;
        for (unsigned i = at + 2; i < n; i++)
            decode(segment[i]);
        if (!take_folder(out, segment + at + 2, n - at - 2, file && n > at + 2))
            return refuse(err, text, "not an address that can be asked for");
        if (file && n > at + 2)
            take_file(out, segment[n - 1]);
    }
    return true;
}

/* ---- either ------------------------------------------------------------------------------------------------------------------ */

static bool parse_id(const char *text, gm_repo *out)
{
    size_t n = strcspn(text, "@");
    if (n >= sizeof out->id || (text[n] && strlen(text + n + 1) >= sizeof out->revision))
        return false;
    memcpy(out->id, text, n);
    out->id[n] = '\0';
    if (text[n]) {
        strcpy(out->revision, text + n + 1);
        out->given = true;
    }
    return true;
}

bool gm_repo_parse(const char *text, const char *endpoint, gm_repo *out, gpumem_error *err)
{
    const char *rest = behind_host(text, endpoint);
    *out = (gm_repo){.revision = "main"};
    if (!rest && strstr(text, "://"))
        return refuse(err, text, "not an address on the Hub");
    if (rest ? !parse_url(text, rest, out, err) : !parse_id(text, out))
        return false;
    if (!good_id(out->id))
        return rest || out->given ? refuse(err, text, "not a name of the Hub") : false;
    if (!good_revision(out->revision))
        return refuse(err, text, "not a name of the Hub: what stands for the revision is none");
    if (gm_is_commit(out->revision))
        memcpy(out->commit, out->revision, sizeof out->commit);
    return true;
}

/* ---- addresses ----------------------------------------------------------------------------------------------------------------- */

static void put_encoded(gpumem_text *t, const char *s, bool slashes)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || strchr("_.-~", *s) || (slashes && *s == '/'))
            gpumem_text_char(t, *s);
        else
            gpumem_text_printf(t, "%%%02X", (unsigned char)*s);
}

static char *url_of(const gm_repo *repo, const char *endpoint, const char *before, const char *between, const char *file)
{
    gpumem_text t = {0};
    gpumem_text_printf(&t, "%s%s%s%s", endpoint, before, repo->id, between);
    put_encoded(&t, *repo->commit ? repo->commit : repo->revision, false);
    if (file) {
        gpumem_text_char(&t, '/');
        put_encoded(&t, file, true);
    }
    if (t.failed) {
        gpumem_text_free(&t);
        return NULL;
    }
    return t.s;
}

char *gm_repo_url(const gm_repo *repo, const char *endpoint, const char *file)
{
    return url_of(repo, endpoint, "/", "/resolve/", file);
}

char *gm_repo_api(const gm_repo *repo, const char *endpoint)
{
    return url_of(repo, endpoint, "/api/models/", "/revision/", NULL);
}
