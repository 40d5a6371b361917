/* Which entry has this name?  The names are the caller's, and stay where they are. */
#ifndef GM_SOURCE_NAMES_H
#define GM_SOURCE_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct gm_named { const char *name; uint32_t n, at; } gm_named;
typedef struct gm_nameset { gm_named *slot; uint32_t n, size; } gm_nameset; /* {0} is empty */

/* The entry, or UINT32_MAX. */
uint32_t gm_nameset_find(const gm_nameset *set, const char *name, size_t n);
/* *found: the entry that has this name now, `at` if it is new.  Nonzero: no memory. */
int gm_nameset_put(gm_nameset *set, const char *name, uint32_t n, uint32_t at, uint32_t *found);
void gm_nameset_free(gm_nameset *set);
#endif
