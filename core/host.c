#include "host.h"
#include "plugin/set.h"
#include <stdlib.h>
#include <string.h>

const char *gpumem_version(void)
{
    return GPUMEM_VERSION;
}

gpumem_status gpumem_host_new(const gpumem_host_options *options, gpumem_host **out, gpumem_error *err)
{
    gpumem_host *h = calloc(1, sizeof *h);
    *out = NULL;
    if (h == NULL)
        return gm_no_memory(err);
    gpumem_status s = gm_registry_new(options, &h->registry, err);
    if (s != GPUMEM_OK) {
        gpumem_host_free(h);
        return s;
    }
    *out = h;
    return GPUMEM_OK;
}

void gpumem_host_free(gpumem_host *host)
{
    if (host == NULL)
        return;
    gm_hub_free(host->hub);
    gm_registry_free(host->registry);
    free(host->family);
    gm_arena_free(&host->arena);
    free(host);
}

gpumem_status gm_host_family(gpumem_host *host, const char *model_type, gm_family **out, gpumem_error *err)
{
    for (uint32_t i = 0; i < host->nfamily; i++)
        if (strcmp(host->family[i].id, model_type) == 0) {
            *out = host->family[i].family;
            return GPUMEM_OK;
        }
    if (host->nfamily == host->max_family) {
        uint32_t max = host->max_family ? host->max_family * 2 : 8;
        void *now = realloc(host->family, max * sizeof *host->family);
        if (now == NULL)
            return gm_no_memory(err);
        host->family = now;
        host->max_family = max;
    }
    gpumem_status s = gm_family_load(host->registry, &host->arena, model_type, out, err);
    if (s != GPUMEM_OK)
        return s;
    host->family[host->nfamily].id = (*out)->manifest->id;
    host->family[host->nfamily++].family = *out;
    return GPUMEM_OK;
}

gpumem_status gpumem_set_open(gpumem_host *host, const char *name, gpumem_set **out, gpumem_error *err)
{
    return gm_set_open(host->registry, name, out, err);
}

gpumem_status gpumem_hub_use(gpumem_host *host, const gpumem_hub_options *options, gpumem_error *err)
{
    (void)err;
    gm_hub_free(host->hub);
    host->hub = NULL;
    host->hub_options = options ? *options : (gpumem_hub_options){0};
    host->hub_wanted = true;
    return GPUMEM_OK;
}

gpumem_status gm_host_hub(gpumem_host *host, gm_hub **out, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    if (!host->hub_wanted)
        return gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "this program does not use the Hub");
    if (!host->hub)
        s = gm_hub_new(&host->hub_options, &host->hub, err);
    *out = host->hub;
    return s;
}

gpumem_status gm_host_repo(gpumem_host *host, const char *model, gm_hub **hub, gm_repo *repo, gpumem_error *err)
{
    gpumem_error why = {0};
    gpumem_status s = gm_host_hub(host, hub, err);
    if (s != GPUMEM_OK)
        return s;
    if (gm_repo_parse(model, (*hub)->environment.endpoint, repo, &why))
        return GPUMEM_OK;
    if (why.status == GPUMEM_OK) {
        gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "'%s' is not a name of the Hub", model);
        gm_tip(err, "as on the Hub: org/name, org/name@revision or https://huggingface.co/org/name");
    } else if (err && err->status == GPUMEM_OK) {
        *err = why;
    }
    return GPUMEM_EHUB;
}
