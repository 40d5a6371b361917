/* core/plan/gpu, and every profile of configs/gpu. */
#include "models.h"

#include <strings.h>

static gpumem_gpu *open_gpu(const char *key)
{
    gpumem_gpu *gpu = NULL;
    gpumem_error err = {0};
    gpumem_gpu_open(host, key, &gpu, &err);
    ck_assert_msg(gpu != NULL, "%s: %s", key, error_text(&err));
    return gpu;
}

static void fails(const char *key, gpumem_status status, const char *message)
{
    gpumem_gpu *gpu = NULL;
    gpumem_error err = {0};
    ck_assert_int_eq(gpumem_gpu_open(host, key, &gpu, &err), status);
    ck_assert_ptr_null(gpu);
    ck_assert_msg(strstr(error_text(&err), message) != NULL, "'%s' is not in: %s", message, error_text(&err));
}

static int visit(void *self, const gpumem_candidate *c)
{
    static const char *const text[] = {"key", "name", "vendor"};
    gpumem_gpu *gpu;
    double n;
    char upper[96];
    ck_assert_msg(c->error.status == GPUMEM_OK, "%s: %s", c->id, c->error.message);
    gpu = open_gpu(c->id);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        ck_assert_msg(gpumem_gpu_text(gpu, text[i]) != NULL, "%s has no %s", c->id, text[i]);
    ck_assert_str_eq(gpumem_gpu_text(gpu, "key"), c->id);
    /* What a program can see is less than the marketing says in GiB, and not by much where it was measured. */
    if (gpumem_gpu_number(gpu, "visible_linux_mib", &n)) {
        double gb;
        ck_assert_msg(!gpumem_gpu_number(gpu, "marketing_gb", &gb) || (n <= gb * 1024 * 1.02 && n >= gb * 1024 * 0.4), "%s: %g MiB of %g GB are visible", c->id, n, gb);
    }
    ck_assert(!gpumem_gpu_number(gpu, "name", &n));
    ck_assert_ptr_null(gpumem_gpu_text(gpu, "marketing_gb"));
    ck_assert_ptr_null(gpumem_gpu_text(gpu, "no_such_key"));
    gpumem_gpu_free(gpu);
    for (size_t i = 0; i <= strlen(c->id); i++)
        upper[i] = (char)(c->id[i] >= 'a' && c->id[i] <= 'z' ? c->id[i] - 32 : c->id[i]);
    gpu = open_gpu(upper);
    ck_assert_str_eq(gpumem_gpu_text(gpu, "key"), c->id);
    gpumem_gpu_free(gpu);
    ++*(unsigned *)self;
    return 0;
}

START_TEST(every_profile)
{
    unsigned n = 0;
    ck_assert_int_eq(gpumem_plugin_each(host, GPUMEM_KIND_GPU, visit, &n, NULL), GPUMEM_OK);
    ck_assert_uint_ge(n, 167);
}
END_TEST

/* ---- tests/oracle/gpus.csv: the project's accelerator list, cell by cell ------------------------------------------------------ */

/* Cells of a line; quotes are around some that have commas. */
static unsigned cells(char *line, char **cell, unsigned max)
{
    unsigned n = 0;
    for (char *p = line; n < max; p++) {
        char *to = p;
        bool quoted = *p == '"';
        cell[n++] = p;
        p += quoted;
        for (; *p && (quoted || *p != ','); p++) {
            if (*p == '"' && p[1] != '"') {
                quoted = false;
                continue;
            }
            p += *p == '"';
            *to++ = *p;
        }
        bool last = *p == '\0';
        *to = '\0';
        if (last)
            break;
    }
    return n;
}

START_TEST(the_list)
{
    FILE *file = fopen(GM_SOURCE "/tests/oracle/gpus.csv", "r");
    char head[2048], line[4096], *column[64], *cell[64];
    unsigned ncolumn, rows = 0, compared = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(head, sizeof head, file));
    head[strcspn(head, "\n")] = '\0';
    ncolumn = cells(head, column, 64);
    for (; fgets(line, sizeof line, file); rows++) {
        gpumem_gpu *gpu;
        line[strcspn(line, "\n")] = '\0';
        ck_assert_uint_eq(cells(line, cell, 64), ncolumn);
        gpu = open_gpu(cell[2]);
        for (unsigned i = 0; i < ncolumn; i++) {
            const char *text = gpumem_gpu_text(gpu, column[i]);
            double n;
            if (strcmp(column[i], "note") == 0 || strcmp(column[i], "memory_options_gb") == 0) /* in other words; a list */
                continue;
            if (gpumem_gpu_number(gpu, column[i], &n))
                ck_assert_msg(*cell[i] && n == strtod(cell[i], NULL), "%s: %s: %g, but the list says '%s'", cell[2], column[i], n, cell[i]);
            else
                ck_assert_msg(strcmp(text ? text : "", cell[i]) == 0, "%s: %s: '%s', but the list says '%s'", cell[2], column[i], text ? text : "", cell[i]);
            compared += *cell[i] != '\0';
        }
        gpumem_gpu_free(gpu);
    }
    fclose(file);
    printf("gpus.csv: %u rows, %u cells compared\n", rows, compared);
    ck_assert_uint_eq(rows, 167);
}
END_TEST

START_TEST(names)
{
    gpumem_gpu *gpu = open_gpu("h100-sxm");
    ck_assert_str_eq(gpumem_gpu_text(gpu, "vendor"), "nvidia");
    gpumem_gpu_free(gpu);
    fails("h1000", GPUMEM_EUNKNOWN, "unknown GPU 'h1000'");
    fails("h100-smx", GPUMEM_EUNKNOWN, "did you mean h100-sxm (80 GB)");
    fails("rtx-4091", GPUMEM_EUNKNOWN, "rtx-4090 (24 GB)");
    fails("", GPUMEM_EUNKNOWN, "unknown GPU ''");
    fails("../gpu/h100-sxm", GPUMEM_EUNKNOWN, "unknown GPU");
}
END_TEST

START_TEST(profiles_of_ones_own)
{
    gpumem_gpu *gpu;
    double n;
    fixture_manifest(&f, "gpu/bench.yaml", "gpu", "bench", "aliases: [Workbench, wb]\nname: Bench\nvendor: me\nmarketing_gb: 47.5\n");
    fixture_manifest(&f, "gpu/broken.yaml", "gpu", "broken", "name: [\n");
    host_again();
    gpu = open_gpu("WORKBENCH");
    ck_assert_str_eq(gpumem_gpu_text(gpu, "name"), "Bench");
    ck_assert(gpumem_gpu_number(gpu, "marketing_gb", &n) && n > 47.4 && n < 47.6);
    ck_assert(!gpumem_gpu_number(gpu, "visible_linux_mib", &n));
    gpumem_gpu_free(gpu);
    gpumem_gpu_free(open_gpu("wb"));
    fails("broken", GPUMEM_EPLUGIN, "gpu/broken.yaml:");
    fails("benhc", GPUMEM_EUNKNOWN, "bench (47.5 GB)"); /* the broken one does not get in the way */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gpu");
    TCase *c = tcase_create("gpu");
    tcase_add_checked_fixture(c, host_make, host_drop);
    tcase_add_test(c, every_profile);
    tcase_add_test(c, the_list);
    tcase_add_test(c, names);
    tcase_add_test(c, profiles_of_ones_own);
    suite_add_tcase(s, c);
    return run_suite(s);
}
