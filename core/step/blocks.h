/* Blocks of a tensor: its extents merged, and cut. */
#ifndef GM_OPT_BLOCKS_H
#define GM_OPT_BLOCKS_H

#include "step/memory.h"

typedef struct gm_opt_cut { uint64_t size, limit; } gm_opt_cut; /* limit 0: there is none */
typedef struct gm_opt_blocks {
    uint64_t extent[GM_OPT_MAX_DIMS + 1], stride[GM_OPT_MAX_DIMS + 1], size;
    unsigned n; /* 0: the tensor has no blocks */
} gm_opt_blocks;

/* Neighbours are taken together while their product is at most a block. */
void gm_opt_blocks_of(const gm_opt_tensor *t, gm_opt_cut cut, gm_opt_blocks *out);
uint64_t gm_opt_blocks_count(const gm_opt_blocks *b);
/* The extents of a block; the last dimension is the fastest. */
void gm_opt_block_at(const gm_opt_blocks *b, uint64_t at, uint64_t *extent);
bool gm_opt_blocks_alike(const gm_opt_blocks *b); /* one size of matrix for all dimensions of all blocks */
unsigned gm_opt_blocks_cuts(const gm_opt_blocks *b); /* dimensions that are longer than a block */
#endif
