/* The `like:` chain of a family as one set of manifest values, each with the file that it stands in. */
#ifndef GM_SOURCE_H
#define GM_SOURCE_H

#include "plugin/registry.h"

typedef struct gm_sourced { const gm_value *value; const char *file; } gm_sourced;
typedef struct gm_entry { const char *key; gm_sourced at; } gm_entry;
typedef struct gm_entries { gm_entry *entry; uint32_t n, max; } gm_entries;
typedef struct gm_sourced_list { gm_sourced *item; uint32_t n, max; } gm_sourced_list;
typedef struct gm_source_stack { gm_sourced_list before, layer, after; gm_sourced layers, at, when, part; } gm_source_stack; /* part: the mapping of a stack that is another family */

typedef struct gm_source {
    const gm_manifest *chain[8];
    uint32_t nchain;
    gm_sourced architecture, classes, descend, defaults, nullable, aliases, symbols, inputs, base, unchecked, registered;
    gm_entries autos, dims, each, names;
    gm_sourced_list require, warn, buffers, checkpoint;
    gm_source_stack *stack;
    uint32_t nstack;
} gm_source;

gpumem_status gm_source_read(gm_registry *registry, gm_arena *arena, const char *id, gm_source *out, gpumem_error *err);
#endif
