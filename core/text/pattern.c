#include "text/pattern.h"
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define PATH 512 /* bytes; longer names are cut */

struct gm_patterns {
    gm_arena arena;
    gm_map plain; /* paths and parts of paths */
    const char **glob;
    regex_t *regex;
    uint32_t nglob, nregex;
};

/* "layers.0.mlp" of "model.layers.0.mlp"; the path itself if no component is a number. */
static const char *tail_of(const char *path)
{
    const char *before = path;
    for (const char *p = path; *p; p++)
        if (p[0] == '.' && isdigit((unsigned char)p[1]))
            return before;
        else if (p[0] == '.')
            before = p + 1;
    return path;
}

static int add_plain(gm_patterns *p, const char *s)
{
    const char *tail = tail_of(s);
    return gm_map_put(&p->plain, s, strlen(s), p) || gm_map_put(&p->plain, tail, strlen(tail), p);
}

static gpumem_status add_regex(gm_patterns *p, const char *s, gpumem_error *err)
{
    gpumem_text t = {0};
    gpumem_text_printf(&t, "^(%s)", s);
    int rc = t.failed ? REG_ESPACE : regcomp(&p->regex[p->nregex], t.s, REG_EXTENDED | REG_NOSUB);
    gpumem_text_free(&t);
    if (rc == REG_ESPACE)
        return gm_no_memory(err);
    if (rc)
        return gm_fail(err, GPUMEM_ECONFIG, NULL, 0, 0, "'%.100s' is no regular expression", s);
    p->nregex++;
    return GPUMEM_OK;
}

static gpumem_status add(gm_patterns *p, const gm_value *v, gpumem_error *err)
{
    if (v->type != GM_STRING)
        return gm_fail(err, GPUMEM_ECONFIG, NULL, 0, 0, "expected the name of a module, not %s", gm_type_name((gm_type)v->type));
    if (strncmp(v->v.s, "re:", 3) == 0)
        return add_regex(p, v->v.s + 3, err);
    if (strpbrk(v->v.s, "*?[")) {
        char *below = gm_arena_alloc(&p->arena, v->n + 3u); /* and the modules in it */
        if (below == NULL)
            return gm_no_memory(err);
        memcpy(below, v->v.s, v->n);
        memcpy(below + v->n, ".*", 3);
        p->glob[p->nglob++] = v->v.s;
        p->glob[p->nglob++] = below;
        return GPUMEM_OK;
    }
    return add_plain(p, v->v.s) ? gm_no_memory(err) : GPUMEM_OK;
}

gpumem_status gm_patterns_new(const gm_value *list, gm_patterns **out, gpumem_error *err)
{
    gm_patterns *p = calloc(1, sizeof *p);
    gpumem_status s = GPUMEM_OK;
    *out = NULL;
    if (p == NULL)
        return gm_no_memory(err);
    p->glob = gm_arena_zero(&p->arena, 2 * (size_t)list->n + 1u, sizeof *p->glob);
    p->regex = gm_arena_zero(&p->arena, list->n + 1u, sizeof *p->regex);
    if (p->glob == NULL || p->regex == NULL)
        s = gm_no_memory(err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < list->n; i++)
        s = add(p, &list->v.list[i], err);
    if (s != GPUMEM_OK) {
        gm_patterns_free(p);
        return s;
    }
    *out = p;
    return GPUMEM_OK;
}

void gm_patterns_free(gm_patterns *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->nregex; i++)
        regfree(&p->regex[i]);
    gm_map_free(&p->plain, NULL);
    gm_arena_free(&p->arena);
    free(p);
}

/* Every begin and every end of the path, in whole components. */
static bool match_plain(const gm_patterns *p, const char *path)
{
    size_t n = strlen(path);
    if (gm_map_get(&p->plain, path, n))
        return true;
    for (size_t i = 0; i < n; i++)
        if (path[i] == '.' && (gm_map_get(&p->plain, path, i) || gm_map_get(&p->plain, path + i + 1, n - i - 1)))
            return true;
    return false;
}

bool gm_regex_match(const regex_t *regex, const char *s, bool *short_of_memory)
{
    errno = 0;
    if (regexec(regex, s, 0, NULL, 0) == 0)
        return true;
    *short_of_memory |= errno == ENOMEM;
    return false;
}

static bool match_path(const gm_patterns *p, const char *path, bool *short_of_memory)
{
    if (match_plain(p, path))
        return true;
    for (uint32_t i = 0; i < p->nregex; i++)
        if (gm_regex_match(&p->regex[i], path, short_of_memory))
            return true;
    return false;
}

bool gm_patterns_match(const gm_patterns *p, const char *parameter, bool *short_of_memory)
{
    const char *end = strrchr(parameter, '.'), *tail;
    size_t n = end ? (size_t)(end - parameter) : strlen(parameter);
    char path[PATH];
    if (n >= sizeof path)
        n = sizeof path - 1;
    memcpy(path, parameter, n);
    path[n] = 0;
    tail = tail_of(path);
    if (match_path(p, path, short_of_memory) || (tail != path && match_path(p, tail, short_of_memory)))
        return true;
    for (uint32_t i = 0; i < p->nglob; i++)
        if (fnmatch(p->glob[i], path, 0) == 0 || fnmatch(p->glob[i], parameter, 0) == 0 || fnmatch(tail_of(p->glob[i]), tail, 0) == 0)
            return true;
    return false;
}
