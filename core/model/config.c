#include "model/config.h"
#include "base/near.h"
#include "text/file.h"
#include "text/json.h"
#include "text/yaml.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_CONFIG (64u << 20) /* bytes; the largest published ones are below one MiB */

static gpumem_config *config_new(const char *name, const char *source, const char *path)
{
    gpumem_config *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->references = 1;
    c->name = gm_arena_strdup(&c->arena, name);
    c->path = gm_arena_strdup(&c->arena, path);
    c->source = source;
    if (c->name == NULL || c->path == NULL) {
        gpumem_config_free(c);
        return NULL;
    }
    return c;
}

void gpumem_config_free(gpumem_config *c)
{
    if (c == NULL || --c->references)
        return;
    gm_arena_free(&c->arena);
    free(c);
}

const gpumem_config *gm_config_hold(const gpumem_config *config)
{
    ((gpumem_config *)config)->references++;
    return config;
}

const char *gpumem_config_name(const gpumem_config *c) { return c->name; }
const char *gpumem_config_source(const gpumem_config *c) { return c->source; }
const char *gpumem_config_path(const gpumem_config *c) { return c->path; }

static gpumem_status parse_into(gpumem_config *c, const char *label, const char *json, size_t n, gpumem_error *err)
{
    gpumem_status s = gm_json_parse(&c->arena, label, json, n, &c->root, err);
    if (s == GPUMEM_OK && c->root.type != GM_MAP)
        s = gm_fail(err, GPUMEM_ECONFIG, label, 1, 1, "expected a JSON object, not %s", gm_type_name(c->root.type));
    return s;
}

gpumem_status gpumem_config_parse(gpumem_host *host, const char *name, const char *json, size_t n, gpumem_config **out, gpumem_error *err)
{
    (void)host;
    gpumem_config *c = config_new(name, "options", "");
    *out = NULL;
    if (c == NULL)
        return gm_no_memory(err);
    gpumem_status s = parse_into(c, name, json, n, err);
    if (s != GPUMEM_OK) {
        gpumem_config_free(c);
        return s;
    }
    *out = c;
    return GPUMEM_OK;
}

gpumem_config *gm_config_of(gpumem_host *host, const char *name, const gm_value *root, gpumem_error *err)
{
    (void)host;
    gpumem_config *c = config_new(name, "options", "");
    if (c == NULL) {
        gm_no_memory(err);
        return NULL;
    }
    c->root = *root;
    return c;
}

static gpumem_status open_file(const char *name, const char *source, const char *path, gpumem_config **out, gpumem_error *err)
{
    gpumem_config *c = config_new(name, source, path);
    char *text;
    size_t n;
    if (c == NULL)
        return gm_no_memory(err);
    gpumem_status s = gm_file_read(&c->arena, path, MAX_CONFIG, &text, &n, err);
    if (s == GPUMEM_OK)
        s = parse_into(c, path, text, n, err);
    if (s != GPUMEM_OK) {
        gpumem_config_free(c);
        return s;
    }
    *out = c;
    return GPUMEM_OK;
}

/* ---- the catalogue: model/ORG--NAME.json, and model/names.yaml with short names ---- */

static void file_to_name(const char *file, size_t n, char *out)
{
    const char *sep = strstr(file, "--");
    size_t org = sep && sep < file + n ? (size_t)(sep - file) : 0;
    if (org == 0) {
        memcpy(out, file, n);
        out[n] = 0;
        return;
    }
    memcpy(out, file, org);
    out[org] = '/';
    memcpy(out + org + 1, sep + 2, n - org - 2);
    out[n - 1] = 0;
}

static const char *catalogue_file(gpumem_host *host, const char *name, char *buf, size_t n)
{
    const char *slash = strchr(name, '/');
    int len = slash ? snprintf(buf, n, "%.*s--%s.json", (int)(slash - name), name, slash + 1) : snprintf(buf, n, "%s.json", name);
    if (len < 0 || (size_t)len >= n || strchr(buf, '/') || buf[0] == '.')
        return NULL;
    return gm_registry_data(host->registry, "model", buf);
}

static gpumem_status each_short(gpumem_host *host, int (*each)(void *, const char *, const char *), void *self, gpumem_error *err)
{
    const char *path = gm_registry_data(host->registry, "model", "names.yaml");
    gm_arena arena = {0};
    gm_value names;
    char *text;
    size_t n;
    if (path == NULL)
        return GPUMEM_OK;
    gpumem_status s = gm_file_read(&arena, path, MAX_CONFIG, &text, &n, err);
    if (s == GPUMEM_OK)
        s = gm_yaml_parse(&arena, path, text, n, &names, err);
    if (s == GPUMEM_OK && names.type != GM_MAP)
        s = gm_fail(err, GPUMEM_ESYNTAX, path, 1, 1, "expected a mapping of short names");
    for (uint32_t i = 0; s == GPUMEM_OK && i < names.n; i++) {
        const gm_member *m = &names.v.map[i];
        if (m->value.type != GM_STRING)
            s = gm_fail(err, GPUMEM_ESYNTAX, path, m->line, m->column, "%s: expected a full name", m->key);
        else if (each(self, m->key, m->value.v.s))
            break;
    }
    gm_arena_free(&arena);
    return s;
}

gpumem_status gpumem_catalogue_each(gpumem_host *host, int (*each)(void *self, const char *name, const char *full), void *self, gpumem_error *err)
{
    const char *const *dir;
    size_t n = gm_registry_directories(host->registry, &dir);
    for (size_t i = 0; i < n; i++) {
        char path[4096], name[256];
        if (snprintf(path, sizeof path, "%s/model", dir[i]) >= (int)sizeof path)
            continue;
        struct dirent **entry;
        int count = scandir(path, &entry, NULL, alphasort), stop = 0;
        if (count < 0 && errno == ENOMEM)
            return gm_no_memory(err);
        for (int k = 0; k < count; k++) {
            size_t len = strlen(entry[k]->d_name);
            if (!stop && len > 5 && len < sizeof name && entry[k]->d_name[0] != '.' && strcmp(entry[k]->d_name + len - 5, ".json") == 0) {
                file_to_name(entry[k]->d_name, len - 5, name);
                stop = each(self, name, NULL);
            }
            free(entry[k]);
        }
        if (count >= 0)
            free(entry);
        if (stop)
            return GPUMEM_OK;
    }
    return each_short(host, each, self, err);
}

typedef struct search { const char *wanted; char full[256]; gpumem_near near; } search;

static int match_name(void *self, const char *name, const char *full)
{
    search *s = self;
    const char *slash = strrchr(name, '/');
    bool same = strcasecmp(name, s->wanted) == 0 || (full == NULL && slash && strcasecmp(slash + 1, s->wanted) == 0);
    if (same)
        snprintf(s->full, sizeof s->full, "%s", full ? full : name);
    else {
        gpumem_near_offer(&s->near, name);
        if (slash && full == NULL && !strchr(s->wanted, '/'))
            gpumem_near_offer(&s->near, slash + 1);
    }
    return same;
}

static gpumem_status unknown_model(const char *model, const search *found, gpumem_error *err)
{
    char text[300];
    gm_fail(err, GPUMEM_EMODEL, NULL, 0, 0, "unknown model '%s'", model);
    if (*gpumem_near_text(&found->near, text, sizeof text))
        gm_tip(err, "did you mean %s?", text);
    gm_tip(err, "a path to a config.json, or to a directory with one, works too");
    return GPUMEM_EMODEL;
}

/* ---- the Hub ---- */

static gpumem_status open_hub(gm_hub *hub, gm_repo *repo, gpumem_config **out, gpumem_error *err)
{
    char name[512], file[300];
    gm_hub_file f;
    gpumem_config *c;
    gpumem_status s;
    snprintf(name, sizeof name, "%s%s%s%s%.100s", repo->id, repo->given ? "@" : "", repo->given ? repo->revision : "", *repo->folder ? "/" : "", repo->folder);
    snprintf(file, sizeof file, "%sconfig.json", repo->folder);
    c = config_new(name, "hub", "");
    if (c == NULL)
        return gm_no_memory(err);
    s = gm_hub_read(hub, repo, file, MAX_CONFIG, &c->arena, &f, err);
    if (s == GPUMEM_OK && f.text == NULL)
        s = gm_hub_no_config(hub, repo, err);
    if (s == GPUMEM_OK)
        s = parse_into(c, *f.path ? f.path : name, f.text, f.n, err);
    if (s == GPUMEM_OK && (c->path = gm_arena_strdup(&c->arena, f.path)) == NULL)
        s = gm_no_memory(err);
    if (s != GPUMEM_OK) {
        gpumem_config_free(c);
        return s;
    }
    c->source = f.asked ? "hub" : "cache";
    *out = c;
    return GPUMEM_OK;
}

/* What was asked for, as a name of the Hub.  hub NULL: it is none, and `why` may say more. */
typedef struct elsewhere { gm_hub *hub; gm_repo repo; gpumem_error why; } elsewhere;

static void look_elsewhere(gpumem_host *host, const char *model, elsewhere *e)
{
    gm_hub *hub;
    *e = (elsewhere){0};
    if (host->hub_wanted && gm_host_hub(host, &hub, &e->why) == GPUMEM_OK && gm_repo_parse(model, hub->environment.endpoint, &e->repo, &e->why))
        e->hub = hub;
}

/* Neither a path nor in the catalogue: a name of the Hub, or one that was mistyped; both are said. */
static gpumem_status open_elsewhere(elsewhere *e, const search *found, gpumem_config **out, gpumem_error *err)
{
    char text[300];
    gpumem_status s;
    if (!e->hub && e->why.status != GPUMEM_OK) {
        if (err && err->status == GPUMEM_OK)
            *err = e->why;
        return e->why.status;
    }
    if (!e->hub)
        return unknown_model(found->wanted, found, err);
    s = open_hub(e->hub, &e->repo, out, err);
    if (s == GPUMEM_EHUB && !e->repo.given && *gpumem_near_text(&found->near, text, sizeof text))
        gm_tip(err, "of the catalogue, did you mean %s?", text);
    return s;
}

static gpumem_status open_catalogue(gpumem_host *host, const char *asked, gpumem_config **out, gpumem_error *err)
{
    char buf[512];
    const char *path = catalogue_file(host, asked, buf, sizeof buf);
    search found = {.wanted = asked};
    elsewhere e;
    if (path)
        return open_file(asked, "catalogue", path, out, err);
    look_elsewhere(host, asked, &e);
    if (e.hub && !e.repo.given && !*e.repo.folder)
        found.wanted = e.repo.id; /* an address's name, too */
    gpumem_near_init(&found.near, found.wanted);
    gpumem_status s = gpumem_catalogue_each(host, match_name, &found, err);
    if (s != GPUMEM_OK)
        return s;
    path = found.full[0] ? catalogue_file(host, found.full, buf, sizeof buf) : NULL;
    return path ? open_file(found.full, "catalogue", path, out, err) : open_elsewhere(&e, &found, out, err);
}

gpumem_status gpumem_config_open(gpumem_host *host, const char *model, gpumem_config **out, gpumem_error *err)
{
    struct stat st;
    char path[4096];
    size_t n = strlen(model);
    *out = NULL;
    if (n == 0)
        return gm_fail(err, GPUMEM_EMODEL, NULL, 0, 0, "the model's name is empty");
    if (stat(model, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return open_file(model, "config.json", model, out, err);
        if (snprintf(path, sizeof path, "%s%sconfig.json", model, model[n - 1] == '/' ? "" : "/") >= (int)sizeof path)
            return gm_fail(err, GPUMEM_EIO, NULL, 0, 0, "the model's path is too long");
        if (stat(path, &st) == 0)
            return open_file(model, "config.json", path, out, err);
        gm_fail(err, GPUMEM_EIO, model, 0, 0, "the directory has no config.json");
        return GPUMEM_EIO;
    }
    /* A path by its looks: say what the system says of it. */
    if (model[0] == '/' || model[0] == '.' || model[0] == '~' || (n > 5 && strcmp(model + n - 5, ".json") == 0 && !strstr(model, "://")))
        return open_file(model, "config.json", model, out, err);
    return open_catalogue(host, model, out, err);
}

/* ---- --param ---- */

/* The map with one key set, members copied. */
static gpumem_status map_set(gm_arena *arena, const gm_value *map, const char *key, const gm_value *value, gm_value *out, gpumem_error *err)
{
    gm_member *m = gm_arena_zero(arena, map->n + 1u, sizeof *m);
    uint32_t h = gm_hash(key), at = 0;
    if (m == NULL)
        return gm_no_memory(err);
    if (map->n)
        memcpy(m, map->v.map, map->n * sizeof *m);
    while (at < map->n && (m[at].hash != h || strcmp(m[at].key, key) != 0))
        at++;
    m[at].key = key;
    m[at].hash = h;
    m[at].value = *value;
    out->type = GM_MAP;
    out->v.map = m;
    out->n = at == map->n ? map->n + 1 : map->n;
    return GPUMEM_OK;
}

static gpumem_status set_path(gm_arena *arena, const gm_value *map, char *key, const gm_value *value, gm_value *out, unsigned depth, gpumem_error *err)
{
    char *dot = strchr(key, '.');
    const gm_value *inner;
    gm_value changed = {0}, empty = {0};
    if (dot == NULL)
        return map_set(arena, map, key, value, out, err);
    *dot = 0;
    inner = gm_value_get(map, key);
    if (depth == 16 || (inner && inner->type != GM_MAP))
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "'%s' is not a mapping of the config: '%s' cannot be set in it", key, dot + 1);
    gpumem_status s = set_path(arena, inner ? inner : &empty, dot + 1, value, &changed, depth + 1, err);
    return s == GPUMEM_OK ? map_set(arena, map, key, &changed, out, err) : s;
}

gpumem_status gpumem_config_set(gpumem_config *c, const char *key, const char *value, gpumem_error *err)
{
    char *k = gm_arena_strdup(&c->arena, key);
    gm_value v = {0}, root = c->root;
    if (k == NULL)
        return gm_no_memory(err);
    if (*k == 0 || *k == '.' || k[strlen(k) - 1] == '.' || strstr(k, ".."))
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "'%s' is not a key of a config", key);
    gpumem_status s = gm_json_parse(&c->arena, key, value, strlen(value), &v, NULL);
    if (s == GPUMEM_ENOMEM)
        return gm_no_memory(err);
    if (s != GPUMEM_OK) {
        v.type = GM_STRING;
        v.v.s = gm_arena_strdup(&c->arena, value);
        v.n = (uint32_t)strlen(value);
        if (v.v.s == NULL)
            return gm_no_memory(err);
    }
    s = set_path(&c->arena, &root, k, &v, &c->root, 0, err);
    if (s != GPUMEM_OK)
        c->root = root;
    return s;
}
