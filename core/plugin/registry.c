#include "plugin/registry.h"

#include "plugin/library.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where plugins and data are, seen from the directory of the program, or of the library. */
#ifndef GM_PLUGINS_FROM_BIN
#define GM_PLUGINS_FROM_BIN "../lib/gpumem"
#endif
#ifndef GM_DATA_FROM_BIN
#define GM_DATA_FROM_BIN "../share/gpumem"
#endif
#ifndef GM_PLUGINS_FROM_LIB
#define GM_PLUGINS_FROM_LIB "gpumem"
#endif
#ifndef GM_DATA_FROM_LIB
#define GM_DATA_FROM_LIB "../share/gpumem"
#endif

#define BY_PATH 0x100u /* beside the kind: the key is a path, not an id */

typedef struct record { /* what is known of a kind and id */
    const char *key;    /* NULL: a free slot */
    unsigned kind;
    gpumem_status status;
    const gm_manifest *manifest; /* where status is OK */
    gpumem_error *error;         /* why not; NULL: not yet told */
} record;

typedef struct opened opened;
struct opened {
    opened *next;
    const gm_manifest *manifest;
    void *handle;
    const gpumem_plugin *entry;
    gpumem_status status;
    gpumem_error error;
};

typedef struct identity { dev_t device; ino_t inode; } identity;

struct gm_registry {
    gm_arena arena;
    const char **directory;
    identity *identity; /* of each directory */
    size_t ndirectory;
    record *record; /* a hash table */
    size_t nrecord, size; /* size: 0 or a power of two */
    opened *opened;
};

/* ---- paths ----------------------------------------------------------------------------------------------------------- */

/* a/b/c and a suffix; false if that is too long for a path. */
static bool path_of(char path[PATH_MAX], const char *a, const char *b, const char *c, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s%s%s/%s%s", a, strcmp(a, "/") == 0 ? "" : "/", b, c, suffix);
    return n > 0 && n < PATH_MAX;
}

/* What cannot be seen is there: reading it says why. */
static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? S_ISDIR(st.st_mode) : errno != ENOENT && errno != ENOTDIR;
}

typedef enum sight { FOUND_NONE, FOUND, FOUND_EMPTY, FOUND_TWICE } sight;

/* Is there a candidate in this directory, and what is the path of its manifest? */
static sight locate(const char *directory, gpumem_kind kind, const char *id, char path[PATH_MAX])
{
    const char *name = gpumem_kind_name(kind);
    char flat[PATH_MAX];
    if (!gm_kind_is_folder(kind))
        return path_of(path, directory, name, id, ".yaml") && exists(path) ? FOUND : FOUND_NONE;
    if (!path_of(path, directory, name, id, "") || !is_folder(path) || !path_of(path, directory, name, id, "/manifest.yaml"))
        return FOUND_NONE;
    if (!exists(path))
        return FOUND_EMPTY;
    return path_of(flat, directory, name, id, ".yaml") && exists(flat) ? FOUND_TWICE : FOUND;
}

/* ---- the directories -------------------------------------------------------------------------------------------------- */

static gpumem_status add(gm_registry *r, const char *path, const struct stat *st, gpumem_error *err)
{
    size_t n = strlen(path);
    const char *copy;
    for (size_t i = 0; i < r->ndirectory; i++)
        if (r->identity[i].device == st->st_dev && r->identity[i].inode == st->st_ino)
            return GPUMEM_OK;
    while (n > 1 && path[n - 1] == '/')
        n--;
    copy = gm_arena_strndup(&r->arena, path, n);
    if (!copy)
        return gm_no_memory(err);
    r->identity[r->ndirectory] = (identity){st->st_dev, st->st_ino};
    r->directory[r->ndirectory++] = copy;
    return GPUMEM_OK;
}

static gpumem_status add_given(gm_registry *r, const char *path, gpumem_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return gm_fail(err, GPUMEM_EUNKNOWN, path, 0, 0, "the plugin directory %s", errno == ENOENT ? "does not exist" : "cannot be read");
    if (!S_ISDIR(st.st_mode))
        return gm_fail(err, GPUMEM_EUNKNOWN, path, 0, 0, "the plugin directory is not a directory");
    return add(r, path, &st, err);
}

static gpumem_status add_if_there(gm_registry *r, const char *path, gpumem_error *err)
{
    struct stat st;
    return *path == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? add(r, path, &st, err) : GPUMEM_OK;
}

static gpumem_status add_list(gm_registry *r, const char *list, gpumem_error *err)
{
    gpumem_status status = GPUMEM_OK;
    char path[PATH_MAX];
    while (status == GPUMEM_OK && *list) {
        size_t n = strcspn(list, ":");
        if (n < sizeof path) {
            memcpy(path, list, n);
            path[n] = '\0';
            status = add_if_there(r, path, err);
        }
        list += n + (list[n] == ':');
    }
    return status;
}

static gpumem_status add_user(gm_registry *r, gpumem_error *err)
{
    const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");
    char path[PATH_MAX];
    if (data && *data == '/')
        return path_of(path, data, "gpumem", "", "") ? add_if_there(r, path, err) : GPUMEM_OK;
    return home && *home && path_of(path, home, ".local/share", "gpumem", "") ? add_if_there(r, path, err) : GPUMEM_OK;
}

/* home has no symbolic links: one level up is its name without the last part. */
static gpumem_status add_beside(gm_registry *r, const char *home, const char *place, gpumem_error *err)
{
    char path[PATH_MAX];
    size_t up = strlen(home);
    int n;
    for (; strncmp(place, "../", 3) == 0; place += 3)
        while (up > 0 && home[--up] != '/')
            continue;
    n = *place == '/' ? snprintf(path, sizeof path, "%s", place) : snprintf(path, sizeof path, "%.*s/%s", (int)up, home, place);
    return n > 0 && n < (int)sizeof path ? add_if_there(r, path, err) : GPUMEM_OK;
}

static gpumem_status add_installed(gm_registry *r, gpumem_error *err)
{
    char home[PATH_MAX];
    bool program;
    gpumem_status status = gm_library_home(home, sizeof home, &program);
    if (status != GPUMEM_OK)
        return GPUMEM_OK;
    status = add_beside(r, home, program ? GM_PLUGINS_FROM_BIN : GM_PLUGINS_FROM_LIB, err);
    return status == GPUMEM_OK ? add_beside(r, home, program ? GM_DATA_FROM_BIN : GM_DATA_FROM_LIB, err) : status;
}

static gpumem_status add_all(gm_registry *r, const gpumem_host_options *options, gpumem_error *err)
{
    const char *list = options->no_environment ? NULL : secure_getenv("GPUMEM_PLUGIN_PATH");
    size_t n = options->nplugin_dir + 4;
    gpumem_status status = GPUMEM_OK;
    for (const char *p = list; p && *p; p++)
        n += *p == ':';
    r->directory = gm_arena_zero(&r->arena, n, sizeof *r->directory);
    r->identity = gm_arena_zero(&r->arena, n, sizeof *r->identity);
    if (!r->directory || !r->identity)
        return gm_no_memory(err);
    for (size_t i = 0; status == GPUMEM_OK && i < options->nplugin_dir; i++)
        status = add_given(r, options->plugin_dir[i], err);
    if (status == GPUMEM_OK && list)
        status = add_list(r, list, err);
    if (status == GPUMEM_OK && !options->no_environment)
        status = add_user(r, err);
    return status == GPUMEM_OK ? add_installed(r, err) : status;
}

gpumem_status gm_registry_new(const gpumem_host_options *options, gm_registry **out, gpumem_error *err)
{
    static const gpumem_host_options none;
    gm_registry *r = calloc(1, sizeof *r);
    gpumem_status status = r ? add_all(r, options ? options : &none, err) : gm_no_memory(err);
    if (status != GPUMEM_OK) {
        gm_registry_free(r);
        r = NULL;
    }
    *out = r;
    return status;
}

void gm_registry_free(gm_registry *r)
{
    if (!r)
        return;
    for (opened *o = r->opened; o; o = o->next)
        gm_library_close(o->handle);
    free(r->record);
    gm_arena_free(&r->arena);
    free(r);
}

size_t gm_registry_directories(const gm_registry *r, const char *const **directories)
{
    *directories = r->directory;
    return r->ndirectory;
}

static bool plain_name(const char *s) { return *s && *s != '.' && !strchr(s, '/'); }

const char *gm_registry_data(gm_registry *r, const char *subdirectory, const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    if (!plain_name(subdirectory) || !plain_name(file))
        return NULL;
    for (size_t i = 0; i < r->ndirectory; i++)
        if (path_of(path, r->directory[i], subdirectory, file, "") && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return gm_arena_strdup(&r->arena, path);
    return NULL;
}

/* ---- what is known ---------------------------------------------------------------------------------------------------- */

/* The record, or the free slot where it would be; the table is never full. */
static record *slot_of(record *table, size_t size, unsigned kind, const char *key)
{
    size_t i = (gm_hash(key) ^ kind * 0x9e3779b1u) & (size - 1);
    while (table[i].key && (table[i].kind != kind || strcmp(table[i].key, key) != 0))
        i = (i + 1) & (size - 1);
    return &table[i];
}

static bool grow(gm_registry *r)
{
    size_t size = r->size ? 2 * r->size : 64;
    record *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < r->size; i++)
        if (r->record[i].key)
            *slot_of(table, size, r->record[i].kind, r->record[i].key) = r->record[i];
    free(r->record);
    r->record = table;
    r->size = size;
    return true;
}

static record *known(const gm_registry *r, unsigned kind, const char *key)
{
    record *at = r->size ? slot_of(r->record, r->size, kind, key) : NULL;
    return at && at->key ? at : NULL;
}

static record *remember(gm_registry *r, unsigned kind, const char *key)
{
    record *slot;
    const char *copy = gm_arena_strdup(&r->arena, key);
    if (!copy || (4 * (r->nrecord + 1) > 3 * r->size && !grow(r)))
        return NULL;
    slot = slot_of(r->record, r->size, kind, key);
    *slot = (record){.key = copy, .kind = kind};
    r->nrecord++;
    return slot;
}

static gpumem_status tell(gpumem_error *err, const gpumem_error *why)
{
    if (!err)
        return why->status;
    if (err->status == GPUMEM_OK)
        *err = *why;
    return err->status;
}

/* ---- the names that there are ------------------------------------------------------------------------------------------- */

typedef struct names { const char **name; size_t n, size; } names;

static bool names_add(names *list, gm_arena *arena, const char *name, size_t n)
{
    if (list->n == list->size) {
        size_t size = list->size ? 2 * list->size : 64;
        const char **more = realloc(list->name, size * sizeof *more);
        if (!more)
            return false;
        list->name = more;
        list->size = size;
    }
    list->name[list->n] = gm_arena_strndup(arena, name, n);
    return list->name[list->n++] != NULL;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void names_sort(names *list)
{
    size_t n = 0;
    if (list->n)
        qsort(list->name, list->n, sizeof *list->name, by_name);
    for (size_t i = 0; i < list->n; i++)
        if (n == 0 || strcmp(list->name[n - 1], list->name[i]) != 0)
            list->name[n++] = list->name[i];
    list->n = n;
}

/* How much of a file's or folder's name is the id of a candidate; 0: it is none.  A folder whose name cannot be an id counts only
 * with a manifest: it is then refused, not overlooked. */
static size_t id_length(const char *directory, gpumem_kind kind, const char *name)
{
    static const char suffix[] = ".yaml";
    char path[PATH_MAX];
    size_t n = strlen(name);
    sight f;
    if (*name == '.')
        return 0;
    if (!gm_kind_is_folder(kind))
        return n >= sizeof suffix && strcmp(name + n - (sizeof suffix - 1), suffix) == 0 ? n - (sizeof suffix - 1) : 0;
    f = locate(directory, kind, name, path);
    return f == FOUND || f == FOUND_TWICE || (f == FOUND_EMPTY && gm_id_valid(name)) ? n : 0;
}

static gpumem_status scan(const char *directory, gpumem_kind kind, gm_arena *arena, names *list, gpumem_error *err)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool room = true;
    DIR *dir;
    if (!path_of(path, directory, gpumem_kind_name(kind), "", ""))
        return GPUMEM_OK;
    dir = opendir(path);
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? GPUMEM_OK : gm_fail(err, GPUMEM_EIO, path, 0, 0, "%s", strerror(errno));
    while (room && (entry = readdir(dir))) {
        size_t n = id_length(directory, kind, entry->d_name);
        room = !n || names_add(list, arena, entry->d_name, n);
    }
    closedir(dir);
    return room ? GPUMEM_OK : gm_no_memory(err);
}

static bool kind_valid(gpumem_kind kind) { return gpumem_kind_name(kind) != NULL; }

static gpumem_status no_kind(gpumem_kind kind, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "there is no kind %d of plugins", (int)kind);
}

static bool can_be_found(const gm_registry *r, gpumem_kind kind, const char *id)
{
    char path[PATH_MAX];
    sight f = FOUND_NONE;
    for (size_t i = 0; f == FOUND_NONE && i < r->ndirectory; i++)
        f = locate(r->directory[i], kind, id, path);
    return gm_id_valid(id) && f == FOUND;
}

gpumem_status gm_registry_ids(gm_registry *r, gm_arena *arena, gpumem_kind kind, const char ***ids, size_t *n, gpumem_error *err)
{
    names list = {0};
    gpumem_status status = kind_valid(kind) ? GPUMEM_OK : no_kind(kind, err);
    *ids = NULL;
    *n = 0;
    for (size_t i = 0; status == GPUMEM_OK && i < r->ndirectory; i++)
        status = scan(r->directory[i], kind, arena, &list, err);
    if (status == GPUMEM_OK) {
        names_sort(&list);
        *ids = gm_arena_zero(arena, list.n + 1, sizeof **ids);
        status = *ids ? GPUMEM_OK : gm_no_memory(err);
    }
    for (size_t i = 0; status == GPUMEM_OK && i < list.n; i++)
        if (can_be_found(r, kind, list.name[i]))
            (*ids)[(*n)++] = list.name[i];
    free(list.name);
    return status;
}

/* ---- finding --------------------------------------------------------------------------------------------------------------- */

static void tip_near(gm_registry *r, gpumem_kind kind, const char *id, gpumem_error *err)
{
    gm_arena scratch = {0};
    gpumem_near near;
    const char **ids;
    char text[320];
    size_t n;
    gpumem_near_init(&near, id);
    if (gm_registry_ids(r, &scratch, kind, &ids, &n, NULL) == GPUMEM_OK)
        for (size_t i = 0; i < n; i++)
            gpumem_near_offer(&near, ids[i]);
    if (*gpumem_near_text(&near, text, sizeof text))
        gm_tip(err, "did you mean %s?", text);
    gm_arena_free(&scratch);
}

static gpumem_status unknown(gm_registry *r, gpumem_kind kind, const char *id, gpumem_error *err)
{
    const char *name = gpumem_kind_name(kind);
    bool family = kind == GPUMEM_KIND_FAMILY;
    gpumem_status status = gm_fail(err, family ? GPUMEM_EMODEL : GPUMEM_EUNKNOWN, NULL, 0, 0, "unknown %s '%.64s'", name, id);
    tip_near(r, kind, id, err);
    gm_tip(err, "gpumem plugin list --kind %s shows those known%s", name,
           family ? "; a new one is a file family/NAME.yaml in a --plugin-dir" : "");
    return status;
}

/* A file that is there and cannot be read is the plugin's fault. */
static gpumem_status read_manifest(gm_arena *arena, gpumem_kind kind, const char *id, const char *directory, const char *path,
                                   gm_manifest *out, gpumem_error *err)
{
    gpumem_status status = gm_manifest_read(arena, kind, id, directory, path, out, err);
    if (status != GPUMEM_EIO)
        return status;
    if (err && err->status == GPUMEM_EIO)
        err->status = GPUMEM_EPLUGIN;
    return GPUMEM_EPLUGIN;
}

static gpumem_status read_found(gm_arena *arena, gpumem_kind kind, const char *id, const char *directory, sight f, const char *path,
                                gm_manifest *out, gpumem_error *err)
{
    if (!gm_id_valid(id))
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "'%.64s' cannot be an id: at most 64 letters, digits, '.', '_' and '-'", id);
    if (f == FOUND_EMPTY)
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "%s '%s' has no manifest", gpumem_kind_name(kind), id);
    if (f == FOUND_TWICE)
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "%s '%s' is there twice: as a folder and as %s.yaml", gpumem_kind_name(kind), id, id);
    return read_manifest(arena, kind, id, directory, path, out, err);
}

static gpumem_error *copy_error(gm_registry *r, const gpumem_error *why)
{
    gpumem_error *copy = gm_arena_alloc(&r->arena, sizeof *copy);
    if (copy)
        *copy = *why;
    return copy;
}

/* Keeps what reading gave, good or not; NULL: no memory. */
static record *keep(gm_registry *r, unsigned kind, const char *key, const gm_manifest *m, const gpumem_error *why)
{
    bool good = why->status == GPUMEM_OK;
    gpumem_error *error = good ? NULL : copy_error(r, why);
    record *to = good || error ? remember(r, kind, key) : NULL;
    if (!to)
        return NULL;
    to->status = why->status;
    to->manifest = good ? m : NULL;
    to->error = error;
    return to;
}

static record *keep_miss(gm_registry *r, gpumem_kind kind, const char *id)
{
    record *to = remember(r, kind, id);
    if (to)
        to->status = kind == GPUMEM_KIND_FAMILY ? GPUMEM_EMODEL : GPUMEM_EUNKNOWN;
    return to;
}

/* NULL: no memory. */
static record *search(gm_registry *r, gpumem_kind kind, const char *id)
{
    char path[PATH_MAX];
    sight f = FOUND_NONE;
    const char *directory = NULL;
    gpumem_error why = {0};
    gm_manifest *m;
    for (size_t i = 0; f == FOUND_NONE && i < r->ndirectory; i++)
        f = locate(directory = r->directory[i], kind, id, path);
    if (f == FOUND_NONE)
        return keep_miss(r, kind, id);
    m = gm_arena_zero(&r->arena, 1, sizeof *m);
    if (!m || read_found(&r->arena, kind, id, directory, f, path, m, &why) == GPUMEM_ENOMEM)
        return NULL;
    return keep(r, kind, id, m, &why);
}

static gpumem_status answer(const record *from, const gm_manifest **out, gpumem_error *err)
{
    if (from->status != GPUMEM_OK)
        return from->error ? tell(err, from->error) : from->status;
    *out = from->manifest;
    return GPUMEM_OK;
}

gpumem_status gm_registry_find(gm_registry *r, gpumem_kind kind, const char *id, const gm_manifest **out, gpumem_error *err)
{
    record *at;
    gpumem_error why = {0};
    *out = NULL;
    if (!kind_valid(kind))
        return no_kind(kind, err);
    if (!gm_id_valid(id))
        return unknown(r, kind, id ? id : "", err);
    at = known(r, kind, id);
    if (!at && !(at = search(r, kind, id)))
        return gm_no_memory(err);
    if (at->status != GPUMEM_OK && !at->error && err) {
        unknown(r, kind, id, &why);
        if (!(at->error = copy_error(r, &why)))
            return gm_no_memory(err);
    }
    return answer(at, out, err);
}

gpumem_status gm_registry_read(gm_registry *r, gpumem_kind kind, const char *path, const gm_manifest **out, gpumem_error *err)
{
    record *at;
    gpumem_error why = {0};
    gm_manifest *m;
    *out = NULL;
    if (!kind_valid(kind))
        return no_kind(kind, err);
    at = known(r, kind | BY_PATH, path);
    if (at)
        return answer(at, out, err);
    m = gm_arena_zero(&r->arena, 1, sizeof *m);
    if (!m || gm_manifest_read(&r->arena, kind, NULL, "", path, m, &why) == GPUMEM_ENOMEM || !(at = keep(r, kind | BY_PATH, path, m, &why)))
        return gm_no_memory(err);
    return answer(at, out, err);
}

/* ---- what a plugin runs with ------------------------------------------------------------------------------------------------- */

/* The plugin that the manifest names under `key`. */
static gpumem_status used(gm_registry *r, const gm_manifest *m, const char *key, const char *id, const gm_manifest **out, gpumem_error *err)
{
    gpumem_error why = {0};
    gpumem_status status = gm_registry_find(r, m->kind, id, out, &why);
    if (status == GPUMEM_OK)
        return GPUMEM_OK;
    if (status != GPUMEM_EUNKNOWN && status != GPUMEM_EMODEL)
        return tell(err, &why);
    status = gm_value_bad(m->path, key, gm_value_get(m->root, key), err, "%s", why.message);
    for (unsigned i = 0; i < why.ntip; i++)
        gm_tip(err, "%s", why.tip[i]);
    return status;
}

gpumem_status gm_registry_base(gm_registry *r, const gm_manifest *manifest, const gm_manifest **out, gpumem_error *err)
{
    const gm_manifest *base;
    gpumem_status status;
    *out = NULL;
    if (!manifest->use) {
        *out = manifest;
        return GPUMEM_OK;
    }
    status = used(r, manifest, "use", manifest->use, &base, err);
    if (status != GPUMEM_OK)
        return status;
    if (!base->library)
        return gm_value_bad(manifest->path, "use", gm_value_get(manifest->root, "use"), err, "%s '%s' has no library itself",
                            gpumem_kind_name(base->kind), base->id);
    *out = base;
    return GPUMEM_OK;
}

static opened *open_once(gm_registry *r, const gm_manifest *base)
{
    opened *o = r->opened;
    while (o && o->manifest != base)
        o = o->next;
    if (o || !(o = gm_arena_zero(&r->arena, 1, sizeof *o)))
        return o;
    o->manifest = base;
    o->status = gm_library_open(base, &o->handle, &o->entry, &o->error);
    if (o->status == GPUMEM_ENOMEM)
        return NULL;
    o->next = r->opened;
    r->opened = o;
    return o;
}

gpumem_status gm_registry_entry(gm_registry *r, const gm_manifest *manifest, const gpumem_plugin **out, gpumem_error *err)
{
    const gm_manifest *base;
    const opened *o;
    gpumem_status status = gm_registry_base(r, manifest, &base, err);
    *out = NULL;
    if (status != GPUMEM_OK)
        return status;
    o = open_once(r, base);
    if (!o)
        return gm_no_memory(err);
    if (o->status != GPUMEM_OK)
        return tell(err, &o->error);
    *out = o->entry;
    return GPUMEM_OK;
}

/* ---- all candidates ------------------------------------------------------------------------------------------------------------- */

typedef struct visit {
    gm_registry *registry;
    int (*each)(void *self, const gpumem_candidate *c);
    void *self;
    gm_arena names, scratch; /* of one directory; of one candidate */
    bool stop;
} visit;

static gpumem_status check_library(const gm_manifest *m, gpumem_error *err)
{
    const gpumem_plugin *entry;
    void *handle;
    gpumem_status status = gm_library_open(m, &handle, &entry, err);
    gm_library_close(handle);
    return status;
}

static gpumem_status check_use(gm_registry *r, const gm_manifest *m, gpumem_error *err)
{
    const gm_manifest *base;
    const gpumem_plugin *entry;
    gpumem_status status = gm_registry_base(r, m, &base, err);
    if (status == GPUMEM_OK && m->with)
        status = gm_manifest_with(base, m->with, m->path, err);
    return status == GPUMEM_OK ? gm_registry_entry(r, base, &entry, err) : status;
}

static const char *like_of(const gm_manifest *m)
{
    const gm_value *like = m->kind == GPUMEM_KIND_FAMILY ? gm_value_get(m->root, "like") : NULL;
    return like && like->type == GM_STRING ? like->v.s : NULL;
}

static gpumem_status check_whole(gm_registry *r, const gm_manifest *m, gpumem_error *err)
{
    const gm_manifest *like;
    if (m->library)
        return check_library(m, err);
    if (m->use)
        return check_use(r, m, err);
    return like_of(m) ? used(r, m, "like", like_of(m), &like, err) : GPUMEM_OK;
}

static bool is_shadowed(const gm_registry *r, gpumem_kind kind, const char *id, size_t directory)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < directory; i++)
        if (locate(r->directory[i], kind, id, path) != FOUND_NONE)
            return true;
    return false;
}

static gpumem_status visit_one(visit *v, gpumem_kind kind, size_t directory, const char *id)
{
    char path[PATH_MAX];
    const char *place = v->registry->directory[directory];
    gpumem_candidate c = {.kind = kind, .id = id, .version = "", .title = "", .directory = place, .path = path};
    sight f = locate(place, kind, id, path);
    gm_manifest m;
    if (f == FOUND_NONE)
        return GPUMEM_OK; /* gone meanwhile */
    c.shadowed = is_shadowed(v->registry, kind, id, directory);
    if (read_found(&v->scratch, kind, id, place, f, path, &m, &c.error) == GPUMEM_OK) {
        c.version = m.version;
        c.title = m.title;
        c.library = m.library;
        c.use = m.use ? m.use : like_of(&m);
        check_whole(v->registry, &m, &c.error);
    }
    if (c.error.status == GPUMEM_ENOMEM)
        return GPUMEM_ENOMEM;
    v->stop = v->each(v->self, &c) != 0;
    gm_arena_clear(&v->scratch);
    return GPUMEM_OK;
}

static gpumem_status visit_directory(visit *v, gpumem_kind kind, size_t directory, gpumem_error *err)
{
    names list = {0};
    gpumem_status status = scan(v->registry->directory[directory], kind, &v->names, &list, err);
    names_sort(&list);
    for (size_t i = 0; status == GPUMEM_OK && !v->stop && i < list.n; i++)
        if (visit_one(v, kind, directory, list.name[i]) != GPUMEM_OK)
            status = gm_no_memory(err);
    free(list.name);
    gm_arena_clear(&v->names);
    return status;
}

static gpumem_status visit_kind(visit *v, gpumem_kind kind, gpumem_error *err)
{
    gpumem_status status = GPUMEM_OK;
    for (size_t i = 0; status == GPUMEM_OK && !v->stop && i < v->registry->ndirectory; i++)
        status = visit_directory(v, kind, i, err);
    return status;
}

gpumem_status gm_registry_each(gm_registry *r, gpumem_kind kind, int (*each)(void *self, const gpumem_candidate *c), void *self, gpumem_error *err)
{
    visit v = {.registry = r, .each = each, .self = self};
    gpumem_status status = GPUMEM_OK;
    if (kind && !kind_valid(kind))
        return no_kind(kind, err);
    for (int k = kind ? (int)kind : 1; status == GPUMEM_OK && !v.stop && k < (kind ? (int)kind + 1 : GPUMEM_KIND_END); k++)
        status = visit_kind(&v, (gpumem_kind)k, err);
    gm_arena_free(&v.scratch);
    gm_arena_free(&v.names);
    return status;
}
