/* Bytes to pointers.  Keys are copied; entries are never removed. */
#ifndef GM_MAP_H
#define GM_MAP_H

#include "base/arena.h"
#include <stdint.h>

typedef struct gm_map_entry { const char *key; void *value; uint32_t n, hash; } gm_map_entry;
typedef struct gm_map { gm_arena arena; gm_map_entry *entry; uint32_t n, size; } gm_map; /* {0} is empty */

void *gm_map_get(const gm_map *map, const char *key, size_t n);
int gm_map_put(gm_map *map, const char *key, size_t n, void *value); /* nonzero: no memory */
void gm_map_free(gm_map *map, void (*release)(void *value));
#endif
