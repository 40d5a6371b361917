/* Weights in a folder here. */
#include "base/ends.h"
#include "model/config.h"
#include "source/file.h"
#include "source/weights_private.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct folder { gm_opener opener; const char *path; } folder;

static gpumem_status open_in(gm_opener *opener, const char *file, gm_reader **out, gpumem_error *err)
{
    const folder *f = (const folder *)opener;
    char path[4096];
    size_t n = strlen(f->path);
    *out = NULL;
    if (snprintf(path, sizeof path, "%s%s%s", f->path, n && f->path[n - 1] == '/' ? "" : "/", file) >= (int)sizeof path)
        return gm_fail(err, GPUMEM_EIO, f->path, 0, 0, "the path is too long");
    return gm_file_reader(path, false, out, err);
}

/* The only weight file of a folder; none, or too many to choose from, is an error. */
static gpumem_status only_file(const char *path, char *name, size_t size, gpumem_error *err)
{
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort), found = 0;
    gpumem_status s = GPUMEM_OK;
    for (int i = 0; i < n; i++) {
        const char *file = entry[i]->d_name;
        if ((gm_ends(file, ".gguf") || gm_ends(file, ".safetensors")) && !gm_weights_is_extra(file) && found++ == 0)
            snprintf(name, size, "%s", file);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    if (found == 0) {
        s = gm_fail(err, GPUMEM_EIO, path, 0, 0, "no weights are there");
        gm_tip(err, "looked for: model.safetensors, its index, pytorch_model.bin, model_index.json, modules.json, *.gguf");
    } else if (found > 1) {
        s = gm_fail(err, GPUMEM_EIO, path, 0, 0, "%d files with weights: name one of them", found);
        gm_tip(err, "for example: %s/%s", path, name);
    }
    return s;
}

static gpumem_status open_folder(folder *f, const gm_value *config, gpumem_weights **out, gpumem_error *err)
{
    static const char *const known[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "model_index.json",
                                        "modules.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json",
                                        "adapter_model.safetensors", "adapter_model.bin", "consolidated.safetensors"};
    char name[512];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        gm_reader *r;
        gpumem_status s = open_in(&f->opener, known[i], &r, err);
        if (s != GPUMEM_OK)
            return s;
        if (r) {
            r->close(r);
            return gm_weights_open(&f->opener, NULL, config, out, err);
        }
    }
    gpumem_status s = only_file(f->path, name, sizeof name, err);
    return s == GPUMEM_OK ? gm_weights_open(&f->opener, name, config, out, err) : s;
}

gpumem_status gpumem_weights_open_local(gpumem_host *host, const char *path, const gpumem_config *config, gpumem_weights **out, gpumem_error *err)
{
    char parent[4096];
    const char *slash = strrchr(path, '/');
    const gm_value *root = config ? &config->root : NULL;
    folder f = {{path, open_in, NULL}, path};
    struct stat st;
    (void)host;
    *out = NULL;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return open_folder(&f, root, out, err);
    if (slash == NULL) {
        f.path = ".";
    } else {
        if (snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path) >= (int)sizeof parent)
            return gm_fail(err, GPUMEM_EIO, path, 0, 0, "the path is too long");
        f.path = parent;
    }
    if (stat(path, &st) != 0)
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "no such file");
    return gm_weights_open(&f.opener, slash ? slash + 1 : path, root, out, err);
}
