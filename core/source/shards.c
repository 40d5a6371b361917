#include "source/shards.h"
#include "base/value.h"
#include "source/scan.h"
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 100000u

gpumem_status gm_reader_text(gm_reader *reader, size_t max, char **text, size_t *n, gpumem_error *err)
{
    gpumem_status status;
    char first;
    *text = NULL;
    *n = 0;
    if (reader->size == UINT64_MAX && (status = reader->read(reader, 0, 1, &first, err)) != GPUMEM_OK) /* learns the size */
        return status;
    if (reader->size > max)
        return gm_fail(err, GPUMEM_EIO, reader->name, 0, 0, "larger than %zu bytes", max);
    if ((*text = malloc((size_t)reader->size + 1)) == NULL)
        return gm_no_memory(err);
    if ((status = reader->size ? reader->read(reader, 0, (size_t)reader->size, *text, err) : GPUMEM_OK) != GPUMEM_OK) {
        free(*text);
        *text = NULL;
        return status;
    }
    *n = (size_t)reader->size;
    (*text)[*n] = '\0';
    return GPUMEM_OK;
}

static bool is_separator(char c) { return c == '/' || c == '\\'; }

bool gm_safe_name(const char *s)
{
    if (*s == '\0' || is_separator(*s) || strstr(s, "://") || (s[1] == ':' && ((*s | 32) >= 'a' && (*s | 32) <= 'z')))
        return false;
    for (const char *p = s; *p; p++) {
        if ((unsigned char)*p < ' ')
            return false;
        if (p[0] == '.' && p[1] == '.' && (p == s || is_separator(p[-1])) && (p[2] == '\0' || is_separator(p[2])))
            return false;
    }
    return true;
}

static gpumem_status add_file(gm_shards *out, const gm_scan *s, size_t at, const char *name, uint32_t n, uint32_t *found)
{
    if (gm_nameset_put(&out->name, name, n, out->nfile, found))
        return gm_no_memory(s->err);
    if (*found != out->nfile)
        return GPUMEM_OK;
    if (!gm_safe_name(name))
        return gm_scan_fail(s, at, "'%.200s' is no name of a file in this folder", name);
    if (out->nfile == MAX_FILES)
        return gm_scan_fail(s, at, "more than %u files", MAX_FILES);
    if (out->nfile == out->room) {
        uint32_t room = out->room ? out->room * 2 : 16;
        const char **now = realloc(out->file, room * sizeof *now);
        if (now == NULL)
            return gm_no_memory(s->err);
        out->file = now;
        out->room = room;
    }
    out->file[out->nfile++] = name;
    return GPUMEM_OK;
}

static gpumem_status parse_pair(gm_shards *out, gm_scan *s)
{
    gpumem_status status;
    char *tensor, *file;
    uint32_t n, nfile, found, at, before = out->tensor.n;
    size_t where = s->at;
    if ((status = gm_scan_string(s, "the name of a tensor, in double quotes,", &tensor, &n)) != GPUMEM_OK ||
        (status = gm_scan_take(s, ':', "':'")) != GPUMEM_OK || (status = gm_scan_string(s, "the name of a file, a string,", &file, &nfile)) != GPUMEM_OK ||
        (status = add_file(out, s, where, file, nfile, &at)) != GPUMEM_OK)
        return status;
    if (gm_nameset_put(&out->tensor, tensor, n, at, &found))
        return gm_no_memory(s->err);
    return out->tensor.n == before ? gm_scan_fail(s, where, "'%.200s' is there twice", tensor) : GPUMEM_OK;
}

static gpumem_status parse_map(gm_shards *out, gm_scan *s)
{
    gpumem_status status = gm_scan_take(s, '{', "weight_map, an object,");
    bool more;
    if (status != GPUMEM_OK)
        return status;
    more = gm_scan_peek(s) != '}';
    if (!more)
        s->at++;
    while (more)
        if ((status = parse_pair(out, s)) != GPUMEM_OK || (status = gm_scan_more(s, '}', &more)) != GPUMEM_OK)
            return status;
    return GPUMEM_OK;
}

/* A number of bytes, also as 1.5e9 or in quotes. */
static gpumem_status parse_total(gm_shards *out, gm_scan *s)
{
    bool quoted = gm_scan_peek(s) == '"';
    size_t at = s->at;
    gpumem_status status = gm_scan_skip(s);
    char text[64];
    size_t n;
    double v;
    if (status != GPUMEM_OK)
        return status;
    at += quoted;
    n = s->at - at < sizeof text - 1 ? s->at - at : sizeof text - 1;
    memcpy(text, s->text + at, n);
    text[n] = '\0';
    if (text[0] < '0' || text[0] > '9')
        return GPUMEM_OK; /* null */
    v = gm_real_from(text);
    if (!(v >= 0 && v < 0x1p63))
        return GPUMEM_OK;
    out->has_total = true;
    out->total = v < 0x1p53 ? (uint64_t)v : strtoull(text, NULL, 10);
    return GPUMEM_OK;
}

static gpumem_status parse_metadata(gm_shards *out, gm_scan *s)
{
    gpumem_status status;
    char *key;
    uint32_t n;
    bool more;
    if (gm_scan_peek(s) != '{')
        return gm_scan_skip(s); /* null */
    s->at++;
    more = gm_scan_peek(s) != '}';
    if (!more)
        s->at++;
    while (more) {
        if ((status = gm_scan_string(s, "a key in double quotes", &key, &n)) != GPUMEM_OK || (status = gm_scan_take(s, ':', "':'")) != GPUMEM_OK)
            return status;
        status = strcmp(key, "total_size") == 0 ? parse_total(out, s) : gm_scan_skip(s);
        if (status != GPUMEM_OK || (status = gm_scan_more(s, '}', &more)) != GPUMEM_OK)
            return status;
    }
    return GPUMEM_OK;
}

static gpumem_status parse_key(gm_shards *out, gm_scan *s, bool *map)
{
    gpumem_status status;
    char *key;
    uint32_t n;
    size_t at = s->at;
    if ((status = gm_scan_string(s, "weight_map or metadata, in double quotes,", &key, &n)) != GPUMEM_OK ||
        (status = gm_scan_take(s, ':', "':'")) != GPUMEM_OK)
        return status;
    if (strcmp(key, "weight_map") == 0) {
        if (*map)
            return gm_scan_fail(s, at, "weight_map is there twice");
        *map = true;
        return parse_map(out, s);
    }
    return strcmp(key, "metadata") == 0 ? parse_metadata(out, s) : gm_scan_skip(s);
}

gpumem_status gm_shards_read(gm_reader *reader, gm_shards *out, gpumem_error *err)
{
    gm_scan s = {.name = reader->name, .err = err};
    gpumem_status status = gm_reader_text(reader, GM_SHARDS_MAX, &out->text, &s.n, err);
    bool more, map = false;
    if (status != GPUMEM_OK)
        return status;
    s.text = out->text;
    if ((status = gm_scan_take(&s, '{', "an index, an object,")) != GPUMEM_OK)
        return status;
    more = gm_scan_peek(&s) != '}';
    if (!more)
        s.at++;
    while (more)
        if ((status = parse_key(out, &s, &map)) != GPUMEM_OK || (status = gm_scan_more(&s, '}', &more)) != GPUMEM_OK)
            return status;
    if (!map)
        return gm_scan_fail(&s, s.at, "the index has no weight_map");
    return gm_scan_end(&s);
}

void gm_shards_free(gm_shards *s)
{
    gm_nameset_free(&s->tensor);
    gm_nameset_free(&s->name);
    free(s->file);
    free(s->text);
    *s = (gm_shards){0};
}
