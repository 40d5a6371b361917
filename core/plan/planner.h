/* A plan while it is made: what its parts (choose.c, engine.c, plan.c) share. */
#ifndef GM_PLANNER_H
#define GM_PLANNER_H

#include "plan/plan.h"

#define GM_NO_FORMAT 0xffffu

typedef struct gm_chosen { /* a plugin, ready to be asked */
    const gm_manifest *manifest, *base;
    const gpumem_plugin *entry;
    gpumem_param *param;
    uint32_t nparam;
    char name[96]; /* kind/id */
} gm_chosen;

typedef struct gm_planner {
    gpumem_host *host;
    const gpumem_set *set;
    gpumem_plan *plan;
    gm_arena *arena; /* of the plan: all that plugins are given lives as long as it does */
    gm_chosen precision, optimizer, activation;
    const gm_manifest *engine; /* or NULL */
    const gm_manifest *rules;  /* who says what operators make: the engine, the activation plugin, or NULL */
    uint16_t cache_format;     /* or GM_NO_FORMAT: as activations */
    const gm_value *quantization; /* of the config, where it chose the precision */
    gpumem_format *format;
    uint32_t nformat;
    uint16_t *weight, *gradient, *active, *compute;
    uint16_t *master, *stepped; /* by tensor: format of the copy that the optimizer steps, or GM_NO_FORMAT; of what it steps */
    bool gathers;               /* gradients, in a buffer: there are copies */
    uint8_t *needs_grad;
    bool unread; /* a tower that nothing reads would train */
    uint32_t *times;
    gpumem_job job;
    gm_folder folder;
    gpumem_claim *state; /* the optimizer's claims */
    uint32_t nstate;
} gm_planner;

/* Names of GPUMEM_STEP_.. */
extern const char *const gm_step_name[3];

/* choose.c: the plugins that are asked for, or that the set has; then the request, with all that was chosen. */
gpumem_status gm_choose_all(gm_planner *p, gpumem_error *err);
gpumem_status gm_choose_forms(gm_planner *p, gpumem_error *err);
/* A plugin is one of those that the plan names. */
gpumem_status gm_planner_use(gm_planner *p, const gm_manifest *m, gpumem_error *err);

/* engine.c: how the model is run, for inference. */
gpumem_status gm_engine_choose(gm_planner *p, gpumem_error *err);
/* The cache's format, once there are formats. */
gpumem_status gm_engine_format(gm_planner *p, gpumem_error *err);
/* Weights of one dimension, in the format that its files have them in. */
void gm_engine_vectors(gm_planner *p);
/* How often a tensor is on the GPU. */
uint32_t gm_engine_times(const gm_planner *p, const gpumem_description *d, uint32_t block, uint32_t tensor);
/* What it remembers of the tokens, layer by layer, and what else it holds. */
gpumem_status gm_engine_claim(gm_planner *p, gpumem_error *err);
#endif
