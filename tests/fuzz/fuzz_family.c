/* Any text behind the head of a family's manifest: loaded or refused, checked, and used for a small config. */
#include <dlfcn.h>
#include <glob.h>
#include <gpumem/gpumem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/gpumem-fuzz-XXXXXX", folder[64], path[96];

static void clean(void)
{
    remove(path);
    remove(folder);
    remove(root);
}

static void make_folder(void)
{
    umask(022);
    if (mkdtemp(root) == NULL)
        abort();
    snprintf(folder, sizeof folder, "%s/family", root);
    snprintf(path, sizeof path, "%s/fuzz.yaml", folder);
    if (mkdir(folder, 0755) != 0)
        abort();
    atexit(clean);
}

/* libFuzzer counts in them, and goes on to after they are closed. */
static void keep_open(void)
{
    glob_t found;
    if (glob(GM_PLUGINS "/*/*/*.so", 0, NULL, &found) != 0)
        abort();
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL) == NULL)
            abort();
    globfree(&found);
}

static void well(gpumem_status s, const gpumem_error *err)
{
    if (s == GPUMEM_EINTERNAL || (s != GPUMEM_OK && err->message[0] == '\0'))
        abort();
}

static int note(void *self, const gpumem_candidate *c)
{
    (void)self;
    (void)c;
    return 1; /* the first is ours */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] = "{\"num_hidden_layers\": 3, \"hidden_size\": 8, \"vocab_size\": 7}";
    const char *dir[] = {root, GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 3, true};
    gpumem_model_options like = {.like = "fuzz"};
    gpumem_host *host = NULL;
    gpumem_config *c = NULL;
    gpumem_model *m = NULL;
    gpumem_error err = {0};
    FILE *f;
    if (folder[0] == '\0') {
        make_folder();
        keep_open();
    }
    if ((f = fopen(path, "wb")) == NULL)
        abort();
    fputs("gpumem: 1\nkind: family\nid: fuzz\nversion: 0.1.0\ntitle: fuzz\n", f);
    fwrite(data, 1, size, f);
    fclose(f);
    if (gpumem_host_new(&options, &host, &err) != GPUMEM_OK || gpumem_config_parse(host, "fuzz", config, sizeof config - 1, &c, &err) != GPUMEM_OK)
        abort();
    well(gpumem_model_new(host, c, &like, &m, &err), &err);
    gpumem_model_free(m);
    gpumem_plugin_each(host, GPUMEM_KIND_FAMILY, note, NULL, NULL);
    gpumem_config_free(c);
    gpumem_host_free(host);
    return 0;
}
