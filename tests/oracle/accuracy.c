/* Prints how near the estimates are to memory.jsonl: a line for each model and mode, then the share of exact rows by field.
 *
 * usage: accuracy [-a]      -a: also the groups in which every row is exact */
#include "oracle/accuracy.h"

#define ORACLE GM_SOURCE "/tests/oracle"

static bool all_exact(const group *g, unsigned nfield)
{
    for (unsigned f = 0; f < nfield; f++)
        if (g->exact[f] != g->rows)
            return false;
    return true;
}

static void print(accuracy *a, bool all)
{
    const char *const *name;
    unsigned nfield = accuracy_fields(a, &name), rows = a->rows + a->failed;
    printf("%-72s %4s", a->training ? "training: model, precision, attention, mode" : "inference: model, precision, attention", "rows");
    for (unsigned f = 0; f < nfield; f++)
        printf(" %13s", name[f]);
    printf("  worst peak\n");
    for (unsigned i = 0; i < a->ngroup; i++) {
        const group *g = &a->group[i];
        if (!all && all_exact(g, nfield))
            continue;
        printf("%-72s %4u", g->name, g->rows);
        for (unsigned f = 0; f < nfield; f++)
            printf(" %13u", g->exact[f]);
        printf(" %+10.4f %%\n", g->worst * 100);
    }
    printf("\n%-16s %8s %10s %12s %12s %12s\n", "field", "exact", "share", "median", "95th perc.", "worst");
    for (unsigned f = 0; f < nfield; f++)
        printf("%-16s %8u %8.2f %% %10.4f %% %10.4f %% %10.4f %%\n", name[f], a->exact[f], 100.0 * a->exact[f] / (rows ? rows : 1),
               100 * accuracy_percentile(a, f, 0.5), 100 * accuracy_percentile(a, f, 0.95), 100 * accuracy_percentile(a, f, 1));
    printf("\n%u rows, %u without an answer, %u peaks under-estimated by more than 0.1 %%\n\n", rows, a->failed, a->under);
}

int main(int argc, char **argv)
{
    const char *const dir[] = {GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 2, true};
    gpumem_error err = {0};
    gpumem_host *host = NULL;
    gpumem_set *set = NULL;
    gpumem_batch *batch = NULL;
    gpumem_status s = gpumem_host_new(&options, &host, &err);

    if (s == GPUMEM_OK && (s = gpumem_set_open(host, "default", &set, &err)) == GPUMEM_OK)
        s = gpumem_batch_new(host, set, ORACLE, &batch, &err);
    for (int training = 1; s == GPUMEM_OK && training >= 0; training--) {
        accuracy a = {.training = training == 1};
        if ((s = accuracy_run(&a, batch, ORACLE "/memory.jsonl", &err)) == GPUMEM_OK)
            print(&a, argc > 1 && strcmp(argv[1], "-a") == 0);
        accuracy_free(&a);
    }
    if (s != GPUMEM_OK) {
        char text[1200];
        gpumem_error_text(&err, text, sizeof text);
        fprintf(stderr, "accuracy: %s\n", text);
    }
    gpumem_batch_free(batch);
    gpumem_set_free(set);
    gpumem_host_free(host);
    return s != GPUMEM_OK;
}
