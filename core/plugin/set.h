/* A set: a named choice of plugins and their parameters. */
#ifndef GM_SET_H
#define GM_SET_H

#include "plugin/registry.h"

enum { GM_COUNT_WEIGHTS = 1, GM_COUNT_BUFFERS = 2, GM_COUNT_GRADIENTS = 4, GM_COUNT_INPUTS = 8 };
typedef struct gm_choice { const char *otherwise; const gm_value *choices, *with; } gm_choice; /* otherwise: the default id, or NULL */
struct gpumem_set {
    gm_arena arena;
    const gm_manifest *manifest;
    gm_choice precision, optimizer, activation, engine;
    uint32_t rounding; /* bytes */
    unsigned count;    /* GM_COUNT_... */
    const gm_value *labels;
    const gm_value *at, *scheme, *keep; /* of `quantization:` expressions; NULL: the set has none */
    uint64_t tokens[2]; /* by mode; 0: the model's positions */
    const char **gpu;
    size_t ngpu;
};

gpumem_status gm_set_open(gm_registry *registry, const char *name_or_path, gpumem_set **out, gpumem_error *err);
/* The quantisation that a config speaks of, or NULL; precision: the id of its scheme; keep: modules that it leaves, or NULL. */
gpumem_status gm_set_quantization(const gpumem_set *set, const gm_value *config, gm_arena *arena, const gm_value **quantization,
                                  const char **precision, const gm_value **keep, gpumem_error *err);
const gm_choice *gm_set_choice(const gpumem_set *set, gpumem_kind kind);
#endif
