/* The host: the registry, and what was loaded once. */
#ifndef GM_HOST_H
#define GM_HOST_H

#include "model/family.h"

struct gpumem_host {
    gm_arena arena;
    gm_registry *registry;
    struct gm_loaded_family { const char *id; gm_family *family; } *family;
    uint32_t nfamily, max_family;
};

/* The family of a model_type, loaded once a host. */
gpumem_status gm_host_family(gpumem_host *host, const char *model_type, gm_family **out, gpumem_error *err);
#endif
