/* The host: the registry, and what was loaded once. */
#ifndef GM_HOST_H
#define GM_HOST_H

#include "model/family.h"
#include "source/hub.h"

struct gpumem_host {
    gm_arena arena;
    gm_registry *registry;
    bool hub_wanted; /* else models are paths and names of the catalogue */
    gpumem_hub_options hub_options;
    gm_hub *hub;     /* NULL until a name is looked up */
    struct gm_loaded_family { const char *id; gm_family *family; } *family;
    uint32_t nfamily, max_family;
};

/* The family of a model_type, loaded once a host. */
gpumem_status gm_host_family(gpumem_host *host, const char *model_type, gm_family **out, gpumem_error *err);
/* EHUB where gpumem_hub_use() was not called, or the environment is wrong. */
gpumem_status gm_host_hub(gpumem_host *host, gm_hub **out, gpumem_error *err);
/* And a name of the Hub, or EHUB. */
gpumem_status gm_host_repo(gpumem_host *host, const char *model, gm_hub **hub, gm_repo *repo, gpumem_error *err);
#endif
