/* What the environment says of the Hub, as Hugging Face's own clients read it. */
#ifndef GM_ENVIRONMENT_H
#define GM_ENVIRONMENT_H

#include "base/arena.h"
#include "base/error.h"

typedef struct gm_environment { /* strings live in the arena */
    const char *endpoint; /* without a slash at its end */
    const char *token;    /* or NULL */
    const char *cache;    /* of the clients; NULL: there is no place for one */
    const char *own;      /* gpumem's; NULL: the same */
    const char *ca, *proxy, *agent; /* or NULL, NULL */
    const char *offline;  /* why nothing is asked: the variable's name, "--offline"; or NULL */
    unsigned timeout;     /* seconds */
    bool copies;          /* no symbolic links */
} gm_environment;

/* options may be NULL; they go over the environment. */
gpumem_status gm_environment_read(gm_arena *arena, const gpumem_hub_options *options, gm_environment *out, gpumem_error *err);
#endif
