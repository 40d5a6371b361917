/* Runs a step's program for the tensors that train: how much more lives than before it, at most. */
#ifndef GM_OPT_RUN_H
#define GM_OPT_RUN_H

#include "step/blocks.h"
#include "step/program.h"

typedef struct gm_opt_state { /* of a parameter; several of one label, where the program writes LABEL[d], are for its dimensions */
    const char *label;
    uint64_t extent[GPUMEM_MAX_DIMS];
    uint8_t ndim, dtype;
} gm_opt_state;
typedef struct gm_opt_param {
    uint64_t extent[GPUMEM_MAX_DIMS], times; /* times: so many equal ones stand for what is between the one before and the one after */
    uint8_t ndim, dtype, gradient; /* GM_OPT_F32, ... of itself and of its gradient */
    bool chosen;
    const gm_opt_state *state;
    uint32_t nstate;
} gm_opt_param;
typedef struct gm_opt_job {
    const gm_opt_param *param; /* in the order of the optimizer's list.  Those with times > 1 are looked at for what they leave only */
    uint32_t nparam, rounding;
    int64_t steps;
    gm_opt_cut cut;
} gm_opt_job;

/* EPLUGIN where the program cannot be run, with its file, line and column. */
gpumem_status gm_opt_run(const gm_opt_program *program, const gm_opt_job *job, uint64_t *peak, gpumem_error *err);
#endif
