/* A model's files: of the cache, else of the hub.  One commit for all of a repo's files. */
#ifndef GM_HUB_H
#define GM_HUB_H

#include "base/arena.h"
#include "source/cache.h"
#include "source/environment.h"
#include "source/http.h"
#include "source/repo.h"

/* What a revision is, once it was found out: the same for as long as the hub lives. */
typedef struct gm_resolved gm_resolved;
struct gm_resolved { const gm_resolved *next; gm_repo repo; };

typedef struct gm_hub {
    gm_arena arena;
    gm_environment environment;
    gm_cache cache;
    gpumem_hub_options options;
    gm_http *http;  /* NULL until it is needed */
    bool bare;      /* the hub refused the token */
    const gm_resolved *resolved;
    gm_repo listed; /* whose list of files `list` is; NULL: nobody's */
    char *list;
    size_t nlist;
} gm_hub;

typedef struct gm_hub_file {
    char *text;       /* NUL-terminated, in the caller's arena; NULL: the repo has no such file */
    size_t n;
    char path[4096];  /* in the cache; "" where it could not be kept */
    bool asked;       /* the hub was */
    uint64_t fetched; /* bytes of it that came over the network */
} gm_hub_file;

gpumem_status gm_hub_new(const gpumem_hub_options *options, gm_hub **out, gpumem_error *err);
void gm_hub_free(gm_hub *hub);
/* A whole file of at most `most` bytes.  The first call for a repo fixes its commit. */
gpumem_status gm_hub_read(gm_hub *hub, gm_repo *repo, const char *file, size_t most, gm_arena *arena, gm_hub_file *out, gpumem_error *err);
/* The names of the repo's files, and what else the API says, as JSON: a MAP. */
gpumem_status gm_hub_info(gm_hub *hub, const gm_repo *repo, gm_arena *arena, char **json, size_t *n, gpumem_error *err);
/* "the model has no config.json", and what it has instead. */
gpumem_status gm_hub_no_config(gm_hub *hub, const gm_repo *repo, gpumem_error *err);

/* For readers: exchanges at once, without the token where it was refused. */
gpumem_status gm_hub_ask(gm_hub *hub, gm_exchange *x, size_t n, gpumem_error *err);
gpumem_status gm_hub_offline(const gm_hub *hub, const gm_repo *repo, const char *file, gpumem_error *err);
void gm_hub_note(const gm_hub *hub, const char *format, ...) GPUMEM_PRINTF(2, 3);
/* answer.c: what went wrong, in words.  x has a failure or a status of 400 and more. */
gpumem_status gm_hub_refused(const gm_hub *hub, const gm_repo *repo, const char *file, const gm_exchange *x, gpumem_error *err);
bool gm_hub_is_absent(const gm_exchange *x);    /* the repo is there, the file is not */
bool gm_hub_is_down(const gm_exchange *x);      /* not to be had now: a copy will do */
bool gm_hub_is_bad_token(const gm_exchange *x);
#endif
