/* Blocks under construction: tensors and operators are appended to the model's arrays, ports are followed. */
#ifndef GM_BUILD_H
#define GM_BUILD_H

#include "base/map.h"
#include "model/evaluate.h"
#include "text/pattern.h"
#include <regex.h>

typedef struct gm_ports { gpumem_port *port; uint32_t n, max; } gm_ports;

#define GM_BUCKETS 1024
typedef struct gm_layer_block { /* a distinct layer of the stack that is being built */
    uint32_t block, hash;
    const char *key; /* everything that its layers have in common, as bytes */
    size_t nkey;
    uint32_t next; /* of those with the same end of the hash, plus one; 0: none */
} gm_layer_block;

typedef struct gm_shared { /* weights that further layers have too */
    uint32_t tensor0, ntensor;
} gm_shared;

/* A family at work: the model's own, or one that is a stack of it. */
typedef struct gm_frame {
    gm_family *f;
    gm_values values;
    uint32_t *port; /* by the family's port: the build's, plus one; 0: not looked up yet */
    uint32_t nport;
    const gm_stack *part; /* of the outer family: renames; NULL: the outermost */
    bool remembers; /* its own config says so, also while it trains */
    struct gm_frame *outer;
} gm_frame;

typedef struct gm_build {
    gpumem_model *m;
    gpumem_emit *e;
    gm_frame *frame;
    regex_t *freeze; /* or NULL */
    bool freeze_others;
    bool short_of_memory; /* tags are not known */
    gm_patterns *wide; /* modules that a quantised config leaves as they are, or NULL */
    const char **portname;    /* ports of all families, by name */
    uint32_t *local, *global; /* by port: its tensor in this block, and the last one that any block wrote */
    bool *written, *read;     /* by port: by this block; by any block */
    uint32_t nport, max_port;
    gm_ports imports, exports;
    uint32_t nblock, max_block, max_remembers, nsequence, max_sequence, max_layer;
    gm_layer_block *distinct;
    uint32_t ndistinct, max_distinct;
    uint32_t bucket[GM_BUCKETS]; /* by the end of the hash: the last of them, plus one */
    gm_map shared; /* by the step, and what its `once` was */
    gpumem_text key;          /* scratch */
    gpumem_text path;         /* scratch */
} gm_build;

gpumem_status gm_build_reserve(gm_build *b, gpumem_error *err); /* room for another component's usual output */
uint32_t gm_build_string(gm_build *b, const char *s, size_t n, gpumem_error *err); /* GPUMEM_NONE: no memory */
gpumem_status gm_build_begin(gm_build *b, const char *name, uint32_t layer, gpumem_error *err);
gpumem_status gm_build_end(gm_build *b, gpumem_error *err);
/* A path with the values of what it names in braces; {i} stays. */
gpumem_status gm_build_path(gm_build *b, const char *path, gpumem_text *out, gpumem_error *err);
/* Another run of a block that is there already. */
gpumem_status gm_build_again(gm_build *b, uint32_t block, gpumem_error *err);
/* The build's port of a family's. */
gpumem_status gm_build_port(gm_build *b, int family_port, uint32_t *out, gpumem_error *err);
/* What the path of a tensor starts with, as the family at work and those around it rename it. */
void gm_build_rename(gm_build *b);
gpumem_status gm_build_step(gm_build *b, gm_step *st, const char *at, uint32_t number, gpumem_error *err);
#endif
