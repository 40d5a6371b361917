/* A sequence of blocks as repeated runs: s s s s s f, ten times. */
#ifndef GM_RUNS_H
#define GM_RUNS_H

#include <gpumem/plugin.h>

/* Writes at most n runs (n suffices); returns how many. */
uint32_t gm_runs_find(const uint32_t *sequence, uint32_t n, gpumem_run *run);
#endif
