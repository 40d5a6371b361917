/* Prints docs/families.md: every family with its components.  The test compares; with the name of the file it is written anew. */
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 512

typedef struct use { const char *plugin, *component; unsigned families; } use;
static use uses[MOST];
static size_t nuses;

static int by_name(const void *a, const void *b)
{
    const use *x = a, *y = b;
    int c = strcmp(x->plugin, y->plugin);
    return c ? c : strcmp(x->component, y->component);
}

/* The components of a family's steps, each once, in their order. */
static size_t components(const gm_family *f, const gm_step **out, size_t max)
{
    size_t n = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const gm_steps *lists[3] = {&f->stack[i].before, &f->stack[i].layer, &f->stack[i].after};
        for (int k = 0; k < 3; k++)
            for (uint32_t j = 0; j < lists[k]->n; j++) {
                const gm_step *s = &lists[k]->step[j];
                size_t at = 0;
                while (at < n && out[at]->component != s->component)
                    at++;
                if (!s->primitive && at == n && n < max)
                    out[n++] = s;
            }
    }
    return n;
}

static void count(const gm_step *s)
{
    size_t i = 0;
    while (i < nuses && (strcmp(uses[i].plugin, s->plugin->id) != 0 || strcmp(uses[i].component, s->component->name) != 0))
        i++;
    if (i == MOST)
        return;
    if (i == nuses)
        uses[nuses++] = (use){s->plugin->id, s->component->name, 0};
    uses[i].families++;
}

static int one(FILE *out, gpumem_host *host, const char *id)
{
    const gm_step *list[MOST];
    gpumem_error err = {0};
    const gm_manifest *m;
    gm_family *f;
    char text[1200];
    if (gm_registry_find(host->registry, GPUMEM_KIND_FAMILY, id, &m, &err) == GPUMEM_OK && !gm_value_get(m->root, "classes") && !gm_value_get(m->root, "like"))
        return 0; /* a base of others, no model type */
    if (gm_host_family(host, id, &f, &err) != GPUMEM_OK || gm_family_check(f, &err) != GPUMEM_OK) {
        fprintf(stderr, "%s: %s\n", id, gpumem_error_text(&err, text, sizeof text));
        return 1;
    }
    size_t n = components(f, list, MOST);
    fprintf(out, "| %s | %s |", id, f->nchain > 1 ? f->chain[1]->id : "");
    for (uint32_t i = 0; i < f->nclass; i++)
        fprintf(out, "%s%s", i ? ", " : " ", f->classes[i].name);
    fprintf(out, " |");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s%s", i ? ", " : " ", list[i]->component->name);
        count(list[i]);
    }
    for (uint32_t i = 0; i < f->nstack; i++)
        if (f->stack[i].family)
            fprintf(out, "%swhole: `%s`", n || i ? "; " : " ", gm_expr_text(f->stack[i].family));
    fprintf(out, " |\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *const dirs[] = {GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dirs, 2, true};
    gpumem_error err = {0};
    gpumem_host *host;
    gm_arena arena = {0};
    const char **ids;
    size_t n;
    FILE *out = argc > 1 ? fopen(argv[1], "w") : stdout;
    if (out == NULL || gpumem_host_new(&options, &host, &err) != GPUMEM_OK ||
        gm_registry_ids(host->registry, &arena, GPUMEM_KIND_FAMILY, &ids, &n, &err) != GPUMEM_OK)
        return 1;
    fprintf(out, "# Families\n\nEvery family that is there, what it is like, the classes of transformers that it describes, and the components that its steps use; *whole* is\n"
                 "another family as a part of it. Made from the manifests by `tests/docs/families.c`, and compared with them by the tests.\n\n"
                 "| model type | like | classes | components |\n|---|---|---|---|\n");
    int failed = 0;
    for (size_t i = 0; i < n; i++)
        failed |= one(out, host, ids[i]);
    qsort(uses, nuses, sizeof *uses, by_name);
    fprintf(out, "\n## Components\n\n| plugin | component | families that use it |\n|---|---|--:|\n");
    for (size_t i = 0; i < nuses; i++)
        fprintf(out, "| %s | %s | %u |\n", uses[i].plugin, uses[i].component, uses[i].families);
    failed |= fflush(out) != 0;
    if (argc > 1)
        fclose(out);
    gm_arena_free(&arena);
    gpumem_host_free(host);
    return failed;
}
