/* Prints how near the estimates are to memory.jsonl: a line for each model and mode, then the share of exact rows by field.
 *
 * usage: accuracy [-a]      -a: also the groups in which every row is exact */
#include "oracle/accuracy.h"

#define ORACLE GM_SOURCE "/tests/oracle"

static int die(const gpumem_error *err)
{
    char text[1200];
    gpumem_error_text(err, text, sizeof text);
    fprintf(stderr, "accuracy: %s\n", text);
    return 1;
}

static bool all_exact(const group *g)
{
    for (unsigned f = 0; f < NFIELD; f++)
        if (g->exact[f] != g->rows)
            return false;
    return true;
}

static void print(accuracy *a, bool all)
{
    printf("%-72s %4s", "model, precision, attention, mode", "rows");
    for (unsigned f = 0; f < NFIELD; f++)
        printf(" %13s", field_name[f]);
    printf("  worst peak\n");
    for (unsigned i = 0; i < a->ngroup; i++) {
        const group *g = &a->group[i];
        if (!all && all_exact(g))
            continue;
        printf("%-72s %4u", g->name, g->rows);
        for (unsigned f = 0; f < NFIELD; f++)
            printf(" %13u", g->exact[f]);
        printf(" %+10.4f %%\n", g->worst * 100);
    }
    printf("\n%-16s %8s %9s %12s %12s\n", "field", "exact", "share", "95th perc.", "worst");
    for (unsigned f = 0; f < NFIELD; f++)
        printf("%-16s %8u %8.2f %% %10.4f %% %10.4f %%\n", field_name[f], a->exact[f], 100.0 * a->exact[f] / (a->rows + a->failed ? a->rows + a->failed : 1),
               100 * accuracy_percentile(a, f, 0.95), 100 * accuracy_percentile(a, f, 1));
    printf("\n%u rows, %u without an answer, %u peaks under-estimated by more than 0.1 %%\n", a->rows + a->failed, a->failed, a->under);
}

int main(int argc, char **argv)
{
    const char *const dir[] = {GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 2, true};
    gpumem_error err = {0};
    gpumem_host *host = NULL;
    gpumem_set *set = NULL;
    gpumem_batch *batch = NULL;
    gm_arena arena = {0}, table = {0};
    accuracy a = {0};
    char *text, *line, *end;
    size_t n;

    if (gpumem_host_new(&options, &host, &err) != GPUMEM_OK || gpumem_set_open(host, "default", &set, &err) != GPUMEM_OK ||
        gpumem_batch_new(host, set, ORACLE, &batch, &err) != GPUMEM_OK || gm_file_read(&table, ORACLE "/memory.jsonl", 1u << 26, &text, &n, &err) != GPUMEM_OK)
        return die(&err);
    for (line = text; *line; line = end) {
        gpumem_text out = {0};
        gm_value row, result;
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        gm_arena_clear(&arena);
        if (gm_json_parse(&arena, NULL, line, (size_t)(end - line), &row, &err) != GPUMEM_OK)
            return die(&err);
        if (strcmp(accuracy_string(&row, "mode", ""), "training") != 0)
            continue;
        if (gpumem_batch_line(batch, line, (size_t)(end - line), &out) != GPUMEM_OK || gm_json_parse(&arena, NULL, out.s, out.n, &result, &err) != GPUMEM_OK)
            return die(&err);
        accuracy_add(&a, &row, &result);
        gpumem_text_free(&out);
    }
    print(&a, argc > 1 && strcmp(argv[1], "-a") == 0);
    accuracy_free(&a);
    gm_arena_free(&arena);
    gm_arena_free(&table);
    gpumem_batch_free(batch);
    gpumem_set_free(set);
    gpumem_host_free(host);
    return 0;
}
