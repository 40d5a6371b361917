/* The cache of Hugging Face's own clients: models--ORG--NAME/{refs,blobs,snapshots,.no_exist}. */
#ifndef GM_CACHE_H
#define GM_CACHE_H

#include "base/error.h"

typedef struct gm_cache {
    const char *root; /* NULL: there is none; nothing is found, nothing can be kept */
    bool copies;      /* no symbolic links */
} gm_cache;

typedef enum gm_cached { GM_CACHE_UNKNOWN, GM_CACHE_FILE, GM_CACHE_ABSENT } gm_cached;

bool gm_is_commit(const char *s);    /* 40 hexadecimal digits, small letters */
bool gm_safe_path(const char *path); /* relative, without .. and the like: may be joined to a folder */
/* models--ORG--NAME */
bool gm_cache_folder(const char *id, char *out, size_t n);

/* The commit that a revision was the last time. */
bool gm_cache_ref(const gm_cache *c, const char *id, const char *revision, char commit[41]);
/* path: of the file, if there is one; n bytes. */
gm_cached gm_cache_find(const gm_cache *c, const char *id, const char *commit, const char *file, char *path, size_t n);
bool gm_cache_has_blob(const gm_cache *c, const char *id, const char *etag);

/* All are atomic: who looks at the same time sees the old or the new.  EIO where it cannot be written. */
gpumem_status gm_cache_set_ref(const gm_cache *c, const char *id, const char *revision, const char *commit, gpumem_error *err);
/* data NULL: the blob is there already. */
gpumem_status gm_cache_put(const gm_cache *c, const char *id, const char *commit, const char *etag, const char *file, const void *data, size_t n,
                           gpumem_error *err);
void gm_cache_put_absent(const gm_cache *c, const char *id, const char *commit, const char *file);

/* A whole file written beside and renamed, folders made as they are needed. */
gpumem_status gm_write_atomic(const char *path, const char *suffix, const void *data, size_t n, gpumem_error *err);
/* Does the content have the digest that is its ETag?  True for ETags that are none. */
bool gm_etag_fits(const char *etag, const void *data, size_t n);
#endif
