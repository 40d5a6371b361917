/* Blocks of a tensor: its extents merged, and cut. */
#ifndef GM_STEP_BLOCKS_H
#define GM_STEP_BLOCKS_H

#include "step/memory.h"

typedef struct gm_step_cut { uint64_t size, limit; } gm_step_cut; /* limit 0: there is none */
typedef struct gm_step_blocks {
    uint64_t extent[GM_STEP_MAX_DIMS + 1], stride[GM_STEP_MAX_DIMS + 1], size;
    unsigned n; /* 0: the tensor has no blocks */
} gm_step_blocks;

/* Neighbours are taken together while their product is at most a block. */
void gm_step_blocks_of(const gm_step_tensor *t, gm_step_cut cut, gm_step_blocks *out);
uint64_t gm_step_blocks_count(const gm_step_blocks *b);
/* The extents of a block; the last dimension is the fastest. */
void gm_step_block_at(const gm_step_blocks *b, uint64_t at, uint64_t *extent);
bool gm_step_blocks_alike(const gm_step_blocks *b); /* one size of matrix for all dimensions of all blocks */
unsigned gm_step_blocks_cuts(const gm_step_blocks *b); /* dimensions that are longer than a block */
#endif
