/* What an optimizer's step makes in passing, for a plan: its program, run for the model's parameters. */
#ifndef GM_PLAN_STEP_H
#define GM_PLAN_STEP_H

#include "plugin/manifest.h"

typedef struct gm_opt_ask {
    const gm_manifest *manifest;
    const char *form; /* fused, foreach, for-loop */
    const gpumem_job *job;
    const gpumem_param *param; /* the optimizer's; only_ndim, only_without, block_size and block_limit are looked at */
    const gpumem_claim *claim; /* its states */
    uint32_t nparam, nclaim, rounding;
} gm_opt_ask;
/* The most bytes that it takes at once; *described: is there a program for the form? */
gpumem_status gm_plan_step(const gm_opt_ask *ask, uint64_t *peak, bool *described, gpumem_error *err);
#endif
