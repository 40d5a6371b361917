/* Between run.c, which runs lines, and value.c, which runs expressions. */
#ifndef GM_OPT_RUN_PRIVATE_H
#define GM_OPT_RUN_PRIVATE_H

#include "step/run.h"
#include "step/words.h"

typedef struct gm_opt_item { /* a parameter, at run time */
    gm_opt_value p, g, *state; /* by runner.state */
    uint64_t times;
    bool chosen;
} gm_opt_item;
typedef struct gm_opt_runner {
    const gm_opt_program *program;
    const gm_opt_job *job;
    gm_arena arena;
    gm_opt_memory memory;
    gm_opt_value *name; /* by number; nothing: it is not there */
    uint32_t *state;     /* names that are states */
    uint32_t nstate;
    gm_opt_item *item, **selected, **chosen; /* all; those that a part is for; those of them that lists are made of */
    uint32_t nselected, nchosen;
    uint32_t line, column; /* that is run */
    bool lists, each;    /* of the part; in a loop over the lists, where a list's name is its tensor `at` */
    uint32_t at;
    uint64_t times, work;
    bool bad;
    gpumem_error *err;
} gm_opt_runner;

/* Is all well, after memory was asked for?  Else what is not is said. */
bool gm_opt_good(gm_opt_runner *r, uint32_t column);
bool gm_opt_work(gm_opt_runner *r, uint32_t column); /* one more word or line: are there too many? */
/* column 0: that of the line. */
bool gm_opt_failed(gm_opt_runner *r, uint32_t column, const char *format, ...) GPUMEM_PRINTF(3, 4); /* false, always */
/* What a name stands for here; it stays the name's. */
gm_opt_value gm_opt_lookup(gm_opt_runner *r, uint32_t name, uint32_t column);
const gm_opt_tensor *gm_opt_lookup_tensor(gm_opt_runner *r, uint32_t name, uint32_t column);
void gm_opt_blocks_at(gm_opt_runner *r, const gm_opt_tensor *t, gm_opt_blocks *out);
gm_opt_value gm_opt_eval(gm_opt_runner *r, uint32_t expr); /* the caller's to release */
/* All results of an expression; how many, 0 where it failed. */
unsigned gm_opt_eval_all(gm_opt_runner *r, uint32_t expr, gm_opt_value *out);
bool gm_opt_true(gm_opt_runner *r, uint32_t expr);
#endif
