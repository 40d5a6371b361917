#include "source/opener.h"
#include "base/ends.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WHOLE = 256 << 20 }; /* bytes of an index */

typedef struct waiting { char *file; gm_reader *reader; } waiting; /* asked for ahead */

typedef struct hub_opener {
    gm_opener base;
    gm_hub *hub;
    gm_repo repo;
    gm_opened *each;
    void *self;
    waiting *waiting;
    size_t nwaiting;
} hub_opener;

/* ---- readers that tell what they had --------------------------------------------------------------------------------------------- */

typedef struct told {
    gm_reader base;
    hub_opener *opener;
    gm_reader *inner;  /* of a file of weights; or NULL: */
    gm_arena arena;    /* a whole file is here */
    gm_hub_file whole;
    char file[];
} told;

static gpumem_status read_inner(gm_reader *reader, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    told *t = (told *)(void *)reader;
    gpumem_status s = t->inner->read(t->inner, offset, n, buf, err);
    t->base.size = t->inner->size;
    return s;
}

static gpumem_status read_whole(gm_reader *reader, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    const told *t = (const told *)(const void *)reader;
    if (offset > t->whole.n || n > t->whole.n - offset)
        return gm_fail(err, GPUMEM_EIO, t->base.name, 0, 0, "the file ends at byte %zu", t->whole.n);
    memcpy(buf, t->whole.text + offset, n);
    return GPUMEM_OK;
}

static void close_told(gm_reader *reader)
{
    told *t = (told *)(void *)reader;
    gpumem_pulled p = {.file = t->file, .size = t->inner ? t->inner->size : t->whole.n, .kept = t->whole.n, .fetched = t->whole.fetched,
                       .path = t->whole.path, .header = t->inner != NULL};
    if (t->inner)
        gm_remote_count(t->inner, &p.kept, &p.fetched);
    if (t->opener->each)
        t->opener->each(t->opener->self, &p);
    if (t->inner)
        t->inner->close(t->inner);
    gm_arena_free(&t->arena);
    free(t);
}

static told *told_new(hub_opener *o, const char *file)
{
    told *t = calloc(1, sizeof *t + strlen(file) + 1);
    if (!t)
        return NULL;
    strcpy(t->file, file);
    t->opener = o;
    t->base = (gm_reader){t->file, UINT64_MAX, NULL, close_told};
    return t;
}

static gpumem_status tell_of(hub_opener *o, const char *file, gm_reader *inner, gm_reader **out, gpumem_error *err)
{
    told *t = told_new(o, file);
    if (!t) {
        inner->close(inner);
        return gm_no_memory(err);
    }
    t->inner = inner;
    t->base.name = inner->name;
    t->base.size = inner->size;
    t->base.read = read_inner;
    *out = &t->base;
    return GPUMEM_OK;
}

static gpumem_status open_whole(hub_opener *o, const char *file, gm_reader **out, gpumem_error *err)
{
    told *t = told_new(o, file);
    gpumem_status s = t ? gm_hub_read(o->hub, &o->repo, file, MAX_WHOLE, &t->arena, &t->whole, err) : gm_no_memory(err);
    if (s != GPUMEM_OK || !t->whole.text) {
        if (t)
            gm_arena_free(&t->arena);
        free(t);
        return s;
    }
    t->base.size = t->whole.n;
    t->base.read = read_whole;
    *out = &t->base;
    return GPUMEM_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------------- */

static bool path_of(const hub_opener *o, const char *file, char *out, size_t n, gpumem_error *err)
{
    int length = snprintf(out, n, "%s%s", o->repo.folder, file);
    if (length > 0 && (size_t)length < n)
        return true;
    gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "%s: the name of a file is too long", o->repo.id);
    return false;
}

/* Opened ahead, also where there is none: then *out is NULL. */
static bool take_waiting(hub_opener *o, const char *path, gm_reader **out)
{
    for (size_t i = 0; i < o->nwaiting; i++)
        if (o->waiting[i].file && strcmp(o->waiting[i].file, path) == 0) {
            *out = o->waiting[i].reader;
            free(o->waiting[i].file);
            o->waiting[i] = (waiting){0};
            return true;
        }
    return false;
}

static gpumem_status open_asked(hub_opener *o, const char *path, gm_reader **out, gpumem_error *err)
{
    gm_reader *inner;
    gpumem_status s = GPUMEM_OK;
    if (gm_ends(path, ".json"))
        return open_whole(o, path, out, err);
    if (!take_waiting(o, path, &inner))
        s = gm_remote_open(o->hub, &o->repo, &path, 1, &inner, err);
    return s == GPUMEM_OK && inner ? tell_of(o, path, inner, out, err) : s;
}

/* Who looks for one of several files finds offline what is here; the rest may or may not be there. */
static gpumem_status open_file(gm_opener *opener, const char *file, gm_reader **out, gpumem_error *err)
{
    hub_opener *o = (hub_opener *)(void *)opener;
    gpumem_error why = {0};
    gpumem_status s;
    char path[1300];
    *out = NULL;
    if (!path_of(o, file, path, sizeof path, err))
        return GPUMEM_EHUB;
    s = open_asked(o, path, out, &why);
    if (s == GPUMEM_EHUB && o->hub->environment.offline)
        return GPUMEM_OK;
    if (s != GPUMEM_OK && err && err->status == GPUMEM_OK)
        *err = why;
    return s;
}

static void drop_waiting(hub_opener *o)
{
    for (size_t i = 0; i < o->nwaiting; i++) {
        free(o->waiting[i].file);
        if (o->waiting[i].reader)
            o->waiting[i].reader->close(o->waiting[i].reader);
    }
    free(o->waiting);
    o->waiting = NULL;
    o->nwaiting = 0;
}

static gpumem_status open_all(hub_opener *o, const char **path, gm_reader **reader, size_t n, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    o->waiting = calloc(n, sizeof *o->waiting);
    if (!o->waiting)
        return gm_no_memory(err);
    o->nwaiting = n;
    for (size_t i = 0; i < n && s == GPUMEM_OK; i++) {
        char buf[1300];
        if (!path_of(o, path[i], buf, sizeof buf, err))
            s = GPUMEM_EHUB;
        else if (!(path[i] = o->waiting[i].file = strdup(buf)))
            s = gm_no_memory(err);
    }
    if (s == GPUMEM_OK)
        s = gm_remote_open(o->hub, &o->repo, path, n, reader, err);
    for (size_t i = 0; i < n && s == GPUMEM_OK; i++)
        o->waiting[i].reader = reader[i];
    return s;
}

static gpumem_status expect(gm_opener *opener, const char *const *file, size_t n, gpumem_error *err)
{
    hub_opener *o = (hub_opener *)(void *)opener;
    const char **path = malloc((n ? n : 1) * sizeof *path);
    gm_reader **reader = calloc(n ? n : 1, sizeof *reader);
    gpumem_status s = path && reader ? GPUMEM_OK : gm_no_memory(err);
    drop_waiting(o);
    if (s == GPUMEM_OK && n > 0) {
        memcpy(path, file, n * sizeof *path);
        s = open_all(o, path, reader, n, err);
    }
    free(path);
    free(reader);
    return s;
}

gpumem_status gm_hub_opener(gm_hub *hub, const gm_repo *repo, gm_opened *each, void *self, gm_opener **out, gpumem_error *err)
{
    hub_opener *o = calloc(1, sizeof *o);
    if (!o)
        return gm_no_memory(err);
    *o = (hub_opener){.hub = hub, .repo = *repo, .each = each, .self = self};
    o->base = (gm_opener){o->repo.id, open_file, expect};
    *out = &o->base;
    return GPUMEM_OK;
}

void gm_hub_opener_free(gm_opener *opener)
{
    hub_opener *o = (hub_opener *)(void *)opener;
    if (!o)
        return;
    drop_waiting(o);
    free(o);
}
