/* A set: a named choice of plugins and their parameters. */
#ifndef GM_SET_H
#define GM_SET_H

#include "host.h"

enum { GM_COUNT_WEIGHTS = 1, GM_COUNT_BUFFERS = 2, GM_COUNT_GRADIENTS = 4, GM_COUNT_INPUTS = 8 };
typedef struct gm_choice { const char *otherwise; const gm_value *choices, *with; } gm_choice; /* otherwise: the default id, or NULL */
struct gpumem_set {
    gm_arena arena;
    const gm_manifest *manifest;
    gm_choice precision, optimizer, activation;
    uint32_t rounding; /* bytes */
    unsigned count;    /* GM_COUNT_... */
    const gm_value *labels;
    uint64_t tokens[2]; /* by mode; 0: the model's positions */
    const char **gpu;
    size_t ngpu;
};

const gm_choice *gm_set_choice(const gpumem_set *set, gpumem_kind kind);
#endif
