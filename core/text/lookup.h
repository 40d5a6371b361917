/* An expression over the keys of one mapping; what it does not have is null. */
#ifndef GM_LOOKUP_H
#define GM_LOOKUP_H

#include "text/expr.h"

/* Compiles and evaluates once; the result lives as long as arena and map. */
gpumem_status gm_lookup(gm_arena *arena, const gm_value *map, const char *file, const gm_value *expression, gm_value *out, gpumem_error *err);
#endif
