/* A config.json, and where it came from. */
#ifndef GM_CONFIG_H
#define GM_CONFIG_H

#include "host.h"

struct gpumem_config {
    gm_arena arena;
    unsigned references; /* of models made from it, and the caller's */
    const char *name, *source, *path;
    gm_value root; /* a MAP */
};

const gpumem_config *gm_config_hold(const gpumem_config *config);
gpumem_config *gm_config_of(gpumem_host *host, const char *name, const gm_value *root, gpumem_error *err); /* copies nothing: root must outlive it */
#endif
