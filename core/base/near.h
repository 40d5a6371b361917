/* Did you mean (gpumem_near_...): Damerau-Levenshtein distance (optimal string alignment), case-insensitive. */
#ifndef GM_NEAR_H
#define GM_NEAR_H

#include <gpumem/gpumem.h>

unsigned gm_near_distance(const char *a, const char *b); /* strings beyond 128 bytes are as far as their length */

/* Is `name` so near to `wanted` that it is worth suggesting?  At most 2 and at most a third of the length (at least 1, but
 * not all of it), or one contains the other (of at least 3 characters).  Returns 0 if not, else a rank: the smaller the nearer, from 1. */
unsigned gm_near_rank(const char *wanted, const char *name);

#endif
