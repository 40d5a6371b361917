/* Between run.c, which runs lines, and value.c, which runs expressions. */
#ifndef GM_STEP_RUN_PRIVATE_H
#define GM_STEP_RUN_PRIVATE_H

#include "step/run.h"
#include "step/words.h"

typedef struct gm_step_item { /* a parameter, at run time */
    gm_step_value p, g, *state; /* by runner.state */
    uint64_t times;
    bool chosen;
} gm_step_item;
typedef struct gm_step_runner {
    const gm_step_program *program;
    const gm_step_job *job;
    gm_arena arena;
    gm_step_memory memory;
    gm_step_value *name; /* by number; nothing: it is not there */
    uint32_t *state;     /* names that are states */
    uint32_t nstate;
    gm_step_item *item, **selected, **chosen; /* all; those that a part is for; those of them that lists are made of */
    uint32_t nselected, nchosen;
    uint32_t line;       /* that is run */
    bool lists, each;    /* of the part; in a loop over the lists, where a list's name is its tensor `at` */
    uint32_t at;
    uint64_t times, work;
    bool bad;
    gpumem_error *err;
} gm_step_runner;

bool gm_step_failed(gm_step_runner *r, uint32_t column, const char *format, ...) GPUMEM_PRINTF(3, 4); /* false, always */
/* What a name stands for here; it stays the name's. */
gm_step_value gm_step_lookup(gm_step_runner *r, uint32_t name, uint32_t column);
const gm_step_tensor *gm_step_lookup_tensor(gm_step_runner *r, uint32_t name, uint32_t column);
void gm_step_blocks_at(gm_step_runner *r, const gm_step_tensor *t, gm_step_blocks *out);
gm_step_value gm_step_eval(gm_step_runner *r, uint32_t expr); /* the caller's to release */
/* All results of an expression; how many, 0 where it failed. */
unsigned gm_step_eval_all(gm_step_runner *r, uint32_t expr, gm_step_value *out);
bool gm_step_true(gm_step_runner *r, uint32_t expr);
#endif
