/* What the caches have, listed and cleaned. */
#include "host.h"
#include "source/remote.h"
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files below a folder, and their bytes, links followed. */
static void measure(const char *folder, uint64_t *files, uint64_t *bytes)
{
    char *path[] = {(char *)folder, NULL};
    FTS *walk = fts_open(path, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *e;
    *files = *bytes = 0;
    while (walk && (e = fts_read(walk)) != NULL) {
        struct stat st;
        if ((e->fts_info == FTS_F || e->fts_info == FTS_SL) && stat(e->fts_path, &st) == 0 && S_ISREG(st.st_mode)) {
            ++*files;
            *bytes += (uint64_t)st.st_size;
        }
    }
    if (walk)
        fts_close(walk);
}

/* The revision that was this commit: the shortest, so that it is "main" rather than a pull request. */
static void revision_of(const char *folder, const char *commit, char *out, size_t n)
{
    char refs[PATH_MAX], text[64];
    char *path[] = {refs, NULL};
    FTS *walk;
    FTSENT *e;
    *out = '\0';
    if (snprintf(refs, sizeof refs, "%s/refs", folder) >= (int)sizeof refs)
        return;
    walk = fts_open(path, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    while (walk && (e = fts_read(walk)) != NULL) {
        const char *name = e->fts_path + strlen(refs) + 1;
        FILE *f = e->fts_info == FTS_F ? fopen(e->fts_path, "re") : NULL;
        size_t got = f ? fread(text, 1, sizeof text - 1, f) : 0;
        text[got] = '\0';
        if (got >= 40 && strncmp(text, commit, 40) == 0 && (!*out || strlen(name) < strlen(out)))
            snprintf(out, n, "%s", name);
        if (f)
            fclose(f);
    }
    if (walk)
        fts_close(walk);
}

/* models--ORG--NAME is ORG/NAME. */
static bool id_of(const char *folder, char *out, size_t n)
{
    const char *s = strncmp(folder, "models--", 8) == 0 ? folder + 8 : NULL, *sep = s ? strstr(s, "--") : NULL;
    int length;
    if (!s || !*s)
        return false;
    length = sep ? snprintf(out, n, "%.*s/%s", (int)(sep - s), s, sep + 2) : snprintf(out, n, "%s", s);
    return length > 0 && (size_t)length < n;
}

typedef struct listing {
    gm_hub *hub;
    int (*each)(void *self, const gpumem_cached *c);
    void *self;
    int stop;
} listing;

static void measure_headers(const listing *l, const char *id, const char *commit, gpumem_cached *c)
{
    char folder[PATH_MAX], at[2 * PATH_MAX];
    if (!gm_remote_folder(l->hub, id, folder, sizeof folder))
        return;
    snprintf(at, sizeof at, "%s/%s", folder, commit);
    measure(at, &c->headers, &c->header_bytes);
}

static int plain(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void list_commit(listing *l, const char *folder, const char *id, const char *commit)
{
    char path[PATH_MAX], revision[256], found[PATH_MAX];
    gpumem_cached c = {.model = id, .revision = revision, .commit = commit, .path = path};
    if (!gm_is_commit(commit) || snprintf(path, sizeof path, "%s/snapshots/%s", folder, commit) >= (int)sizeof path)
        return;
    revision_of(folder, commit, revision, sizeof revision);
    measure(path, &c.files, &c.bytes);
    measure_headers(l, id, commit, &c);
    c.config = gm_cache_find(&l->hub->cache, id, commit, "config.json", found, sizeof found) == GM_CACHE_FILE;
    l->stop = l->each(l->self, &c);
}

static void list_model(listing *l, const char *name)
{
    char folder[PATH_MAX], snapshots[PATH_MAX + 16], id[256];
    struct dirent **entry;
    int n;
    if (!id_of(name, id, sizeof id) || snprintf(folder, sizeof folder, "%s/%s", l->hub->environment.cache, name) >= (int)sizeof folder)
        return;
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", folder);
    n = scandir(snapshots, &entry, plain, alphasort);
    for (int i = 0; i < n; i++) {
        if (!l->stop)
            list_commit(l, folder, id, entry[i]->d_name);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

gpumem_status gpumem_cache_each(gpumem_host *host, int (*each)(void *self, const gpumem_cached *c), void *self, gpumem_error *err)
{
    listing l = {.each = each, .self = self};
    struct dirent **entry;
    gpumem_status s = gm_host_hub(host, &l.hub, err);
    int n;
    if (s != GPUMEM_OK || !l.hub->environment.cache)
        return s;
    n = scandir(l.hub->environment.cache, &entry, plain, alphasort);
    if (n < 0)
        return errno == ENOENT ? GPUMEM_OK : gm_fail(err, GPUMEM_EIO, l.hub->environment.cache, 0, 0, "cannot be listed: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        if (!l.stop)
            list_model(&l, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    return GPUMEM_OK;
}

const char *gpumem_cache_path(gpumem_host *host, bool own)
{
    gm_hub *hub;
    const char *s = gm_host_hub(host, &hub, NULL) != GPUMEM_OK ? NULL : own ? hub->environment.own : hub->environment.cache;
    return s ? s : "";
}

static gpumem_status remove_all(const char *folder, uint64_t *bytes, gpumem_error *err)
{
    char *path[] = {(char *)folder, NULL};
    FTS *walk = fts_open(path, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *e;
    gpumem_status s = GPUMEM_OK;
    while (walk && s == GPUMEM_OK && (e = fts_read(walk)) != NULL) {
        bool file = e->fts_info == FTS_F || e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE || e->fts_info == FTS_DEFAULT;
        if (!file && e->fts_info != FTS_DP)
            continue;
        *bytes += e->fts_info == FTS_F ? (uint64_t)e->fts_statp->st_size : 0;
        if ((file ? unlink(e->fts_path) : rmdir(e->fts_path)) != 0 && errno != ENOENT)
            s = gm_fail(err, GPUMEM_EIO, e->fts_path, 0, 0, "cannot be removed: %s", strerror(errno));
    }
    if (walk)
        fts_close(walk);
    return s;
}

gpumem_status gpumem_cache_clean(gpumem_host *host, const char *model, uint64_t *bytes, gpumem_error *err)
{
    char folder[PATH_MAX];
    gm_hub *hub;
    gm_repo repo;
    gpumem_status s = model ? gm_host_repo(host, model, &hub, &repo, err) : gm_host_hub(host, &hub, err);
    *bytes = 0;
    if (s != GPUMEM_OK || !gm_remote_folder(hub, model ? repo.id : NULL, folder, sizeof folder))
        return s;
    return remove_all(folder, bytes, err);
}
