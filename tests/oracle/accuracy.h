/* How near the estimates are to the traces of memory.jsonl: by model, mode and phase. */
#ifndef ACCURACY_H
#define ACCURACY_H

#include "base/value.h"
#include "text/file.h"
#include "text/json.h"
#include <gpumem/gpumem.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHTS, PEAK, BETWEEN, KEPT, FORWARD, BACKWARD, STEP, CACHE = BETWEEN, PREFILL, DECODE, NFIELD = 7 }; /* the two first are of both modes */
static const char *const training_field[] = {"weights", "peak", "between_steps", "kept", "peak_forward", "peak_backward", "peak_step"};
static const char *const inference_field[] = {"weights", "peak", "cache", "peak_prefill", "peak_decode"};

typedef struct group { char name[160]; unsigned rows, exact[NFIELD]; double worst; } group; /* worst: of peak, with its sign */
typedef struct accuracy { /* training, each: set before; each: is told of a row that differs, or NULL */
    bool training;
    void (*each)(const gm_value *row, unsigned field, int64_t have);
    unsigned rows, failed, exact[NFIELD], under; /* under: of peak, by more than 0.1 % */
    double *error[NFIELD];                       /* of each row, with its sign */
    unsigned max;
    group *group;
    unsigned ngroup;
} accuracy;

static inline unsigned accuracy_fields(const accuracy *a, const char *const **name)
{
    *name = a->training ? training_field : inference_field;
    return a->training ? 7 : 5;
}

static inline const char *accuracy_string(const gm_value *row, const char *key, const char *otherwise)
{
    const gm_value *v = gm_value_get(row, key);
    return v && v->type == GM_STRING ? v->v.s : otherwise;
}

static inline bool accuracy_true(const gm_value *row, const char *key)
{
    const gm_value *v = gm_value_get(row, key);
    return v && ((v->type == GM_BOOL && v->v.b) || v->type == GM_STRING);
}

static inline group *accuracy_group(accuracy *a, const gm_value *row)
{
    char name[160];
    const char *config = accuracy_string(row, "config", "?"), *slash = strrchr(config, '/');
    snprintf(name, sizeof name, "%.*s %s %s%s%s%s", (int)(strlen(slash ? slash + 1 : config) - 5), slash ? slash + 1 : config,
             accuracy_string(row, "precision", ""), accuracy_string(row, "attention", ""), accuracy_true(row, "checkpointing") ? " checkpointing" : "",
             accuracy_true(row, "accumulation") ? " accumulation" : "", accuracy_true(row, "freeze") ? " freeze" : "");
    for (unsigned i = 0; i < a->ngroup; i++)
        if (strcmp(a->group[i].name, name) == 0)
            return &a->group[i];
    a->group = realloc(a->group, (a->ngroup + 1) * sizeof *a->group);
    if (!a->group)
        abort();
    memset(&a->group[a->ngroup], 0, sizeof *a->group);
    strcpy(a->group[a->ngroup].name, name);
    return &a->group[a->ngroup++];
}

/* row: of the table; result: what the batch says of it; false: it says an error, or not all that was measured. */
static inline bool accuracy_add(accuracy *a, const gm_value *row, const gm_value *result)
{
    group *g = accuracy_group(a, row);
    const char *const *field_name;
    unsigned nfield = accuracy_fields(a, &field_name);
    g->rows++;
    if (a->rows == a->max) {
        a->max = a->max ? a->max * 2 : 256;
        for (unsigned f = 0; f < nfield; f++)
            if (!(a->error[f] = realloc(a->error[f], a->max * sizeof **a->error)))
                abort();
    }
    for (unsigned f = 0; f < nfield; f++) {
        const gm_value *want = gm_value_get(row, field_name[f]), *have = result ? gm_value_get(result, field_name[f]) : NULL;
        if (!want || !have || want->type != GM_INT || have->type != GM_INT) {
            a->failed++;
            g->worst = -1;
            return false;
        }
        a->error[f][a->rows] = have->v.i == want->v.i ? 0 : ((double)have->v.i - (double)want->v.i) / (double)(want->v.i ? want->v.i : 1);
        if (have->v.i == want->v.i) {
            a->exact[f]++;
            g->exact[f]++;
        } else if (a->each)
            a->each(row, f, have->v.i);
    }
    if (fabs(a->error[PEAK][a->rows]) > fabs(g->worst))
        g->worst = a->error[PEAK][a->rows];
    a->under += a->error[PEAK][a->rows] < -0.001;
    a->rows++;
    return true;
}

static inline int accuracy_by_size(const void *x, const void *y)
{
    double a = fabs(*(const double *)x), b = fabs(*(const double *)y);
    return a < b ? -1 : a > b;
}

/* The error that so many of all rows stay below; 1: the worst. */
static inline double accuracy_percentile(accuracy *a, unsigned field, double share)
{
    unsigned at;
    if (a->rows == 0)
        return 0;
    qsort(a->error[field], a->rows, sizeof **a->error, accuracy_by_size);
    at = (unsigned)ceil(share * a->rows);
    return fabs(a->error[field][at ? at - 1 : 0]);
}

/* Every row of the table that is of the mode. */
static inline gpumem_status accuracy_run(accuracy *a, gpumem_batch *b, const char *path, gpumem_error *err)
{
    gm_arena arena = {0}, table = {0};
    char *line, *end;
    size_t n;
    gpumem_status s = gm_file_read(&table, path, 1u << 26, &line, &n, err);
    for (; s == GPUMEM_OK && *line; line = end) {
        gpumem_text out = {0};
        gm_value row, result;
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        gm_arena_clear(&arena);
        if ((s = gm_json_parse(&arena, path, line, (size_t)(end - line), &row, err)) != GPUMEM_OK || strcmp(accuracy_string(&row, "mode", ""), a->training ? "training" : "inference") != 0)
            continue;
        if ((s = gpumem_batch_line(b, line, (size_t)(end - line), &out)) == GPUMEM_OK && (s = gm_json_parse(&arena, "answer", out.s, out.n, &result, err)) == GPUMEM_OK)
            accuracy_add(a, &row, &result);
        gpumem_text_free(&out);
    }
    gm_arena_free(&arena);
    gm_arena_free(&table);
    return s;
}

static inline void accuracy_free(accuracy *a)
{
    for (unsigned f = 0; f < NFIELD; f++)
        free(a->error[f]);
    free(a->group);
}
#endif
