/* What an estimate needs, fetched. */
#include "base/ends.h"
#include "host.h"
#include "model/config.h"
#include "source/opener.h"
#include "source/weights.h"
#include "text/json.h"
#include <stdio.h>
#include <string.h>

enum { MAX_CONFIG = 64 << 20 };

typedef struct pulling { gm_opened *each; void *self; char config[300]; } pulling;

/* The config was told of first; who reads weights looks into it again. */
static void tell(void *self, const gpumem_pulled *file)
{
    const pulling *p = self;
    if (p->each && strcmp(file->file, p->config) != 0)
        p->each(p->self, file);
}

static gpumem_status pull_config(gm_hub *hub, gm_repo *repo, pulling *p, bool *found, gpumem_error *err)
{
    gm_arena arena = {0};
    gm_hub_file f;
    gpumem_status s;
    snprintf(p->config, sizeof p->config, "%sconfig.json", repo->folder);
    s = gm_hub_read(hub, repo, p->config, MAX_CONFIG, &arena, &f, err);
    *found = s == GPUMEM_OK && f.text;
    if (*found && p->each)
        p->each(p->self, &(gpumem_pulled){.file = p->config, .size = f.n, .kept = f.n, .fetched = f.fetched, .path = f.path});
    gm_arena_free(&arena);
    return s;
}

/* The only GGUF model of a repo that has nothing else: one file, or the first of its parts. */
static bool only_gguf(gm_hub *hub, const gm_repo *repo, gm_arena *arena, const char **out)
{
    const gm_value *files;
    gm_value info;
    char *json;
    size_t n;
    unsigned found = 0;
    if (gm_hub_info(hub, repo, arena, &json, &n, NULL) != GPUMEM_OK || gm_json_parse(arena, repo->id, json, n, &info, NULL) != GPUMEM_OK)
        return false;
    files = info.type == GM_MAP ? gm_value_get(&info, "siblings") : NULL;
    for (uint32_t i = 0; files && files->type == GM_LIST && i < files->n; i++) {
        const gm_value *name = files->v.list[i].type == GM_MAP ? gm_value_get(&files->v.list[i], "rfilename") : NULL;
        if (name && name->type == GM_STRING && gm_ends(name->v.s, ".gguf") && !gm_weights_is_extra(name->v.s)) {
            *out = name->v.s;
            found++;
        }
    }
    return found == 1;
}

/* Where there is nothing that everybody knows the name of, the only GGUF file. */
static gpumem_status open_weights(gm_hub *hub, gm_repo *repo, const gm_value *config, pulling *p, gpumem_weights **out, gpumem_error *err)
{
    gm_arena arena = {0};
    const char *file = *repo->file ? repo->file : NULL;
    gpumem_error why = {0};
    gm_opener *opener;
    gpumem_status s = gm_hub_opener(hub, repo, tell, p, &opener, err);
    if (s != GPUMEM_OK)
        return s;
    s = gm_weights_open(opener, file, config, out, &why);
    if (s == GPUMEM_EIO && !file && !hub->environment.offline && only_gguf(hub, repo, &arena, &file)) {
        gpumem_error_clear(&why);
        s = gm_weights_open(opener, file, config, out, &why);
    }
    if (s != GPUMEM_OK && err && err->status == GPUMEM_OK)
        *err = why;
    gm_hub_opener_free(opener);
    gm_arena_free(&arena);
    return s;
}

gpumem_status gpumem_weights_open_hub(gpumem_host *host, const char *model, const gpumem_config *config, gpumem_weights **out, gpumem_error *err)
{
    pulling p = {0};
    gm_hub *hub;
    gm_repo repo;
    gpumem_status s = gm_host_repo(host, model, &hub, &repo, err);
    *out = NULL;
    return s == GPUMEM_OK ? open_weights(hub, &repo, config ? &config->root : NULL, &p, out, err) : s;
}

static gpumem_status pull_weights(gm_hub *hub, gm_repo *repo, bool config, pulling *p, gpumem_error *err)
{
    gpumem_error why = {0};
    gpumem_weights *w = NULL;
    gpumem_status s = open_weights(hub, repo, NULL, p, &w, &why);
    if (s == GPUMEM_EIO && config) { /* the config alone says much */
        gm_hub_note(hub, "no headers were read: %s", why.message);
        s = GPUMEM_OK;
    } else if (s != GPUMEM_OK && err && err->status == GPUMEM_OK) {
        *err = why;
    }
    gpumem_weights_free(w);
    return s;
}

gpumem_status gpumem_hub_pull(gpumem_host *host, const char *model, void (*each)(void *self, const gpumem_pulled *file), void *self, gpumem_error *err)
{
    gm_hub *hub;
    gm_repo repo;
    pulling p = {.each = each, .self = self};
    bool config;
    gpumem_status s = gm_host_repo(host, model, &hub, &repo, err);
    if (s == GPUMEM_OK && !hub->environment.cache)
        s = gm_fail(err, GPUMEM_EHUB, NULL, 0, 0, "there is no folder for the cache: neither HOME nor HF_HOME is set");
    if (s == GPUMEM_OK)
        s = pull_config(hub, &repo, &p, &config, err);
    return s == GPUMEM_OK ? pull_weights(hub, &repo, config, &p, err) : s;
}
