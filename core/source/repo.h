/* Names of models on the Hub: org/name, org/name@revision, URLs. */
#ifndef GM_REPO_H
#define GM_REPO_H

#include "base/error.h"

typedef struct gm_repo {
    char id[224];       /* "org/name" or "name" */
    char revision[128]; /* "main" unless one was given */
    bool given;         /* a revision was */
    char commit[41];    /* what it is; "" until it is known */
    char folder[256];   /* that a URL pointed into; "" or with a slash at its end */
    char file[256];     /* of weights, in the folder, that a URL pointed at; or "" */
} gm_repo;

/* Could this be one?  False with a reason in err if it looks like a URL or an id but is none that can be asked for; false with err
 * unchanged if it is nothing of the kind.  endpoint: of the hub that URLs may name. */
bool gm_repo_parse(const char *text, const char *endpoint, gm_repo *out, gpumem_error *err);
/* An address of a file: free() it.  NULL: no memory. */
char *gm_repo_url(const gm_repo *repo, const char *endpoint, const char *file);
/* An address of the API's answer about the revision. */
char *gm_repo_api(const gm_repo *repo, const char *endpoint);
#endif
