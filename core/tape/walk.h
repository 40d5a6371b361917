/* The walk: a description's operators, one after the other, forward and backward, on a tape. */
#ifndef GM_WALK_H
#define GM_WALK_H

#include "tape/rules.h"

enum { GM_WALK_TRAIN = 1, GM_WALK_CHECKPOINT = 2, GM_WALK_HAS_GRADIENTS = 4, GM_WALK_WHOLE = 8 /* every layer, none left out */,
       GM_WALK_CACHE = 16, GM_WALK_ALL_LOGITS = 32, /* of inference */
       GM_WALK_GRAPH = 64 /* not a program but a graph: what is made goes with its last reader, whose rule may take it */ };
enum { GM_AT_FORWARD, GM_AT_RETURNED, GM_AT_HELD, GM_AT_BACKWARD_DONE, GM_AT_DECODED };

typedef struct gm_walk_job {
    const gpumem_description *d;
    const gpumem_format *format;
    uint32_t nformat, low; /* low: format of autocast, or GM_NONE */
    const uint16_t *weight, *gradient, *activation; /* formats by tensor */
    const uint8_t *trains; /* by tensor */
    const uint8_t *idle;   /* by block: it does not run, for nothing depends on it; or NULL */
    const uint8_t *reached; /* with that, by tensor: something depends on it */
    const bool *remembers; /* by block: keys and values are cached in training too; or NULL */
    const uint32_t *rule;  /* by operator */
    gm_rules *rules;
    uint32_t rounding;
    unsigned flags;
    uint32_t page, room; /* of an engine's cache: cells of a page, tokens that a window has room for beside its own; 0: it has none */
    uint64_t fixed; /* inference: a cache is made once, for so many tokens, or all that there will be; 0: it grows */
    char *note; /* of nnote bytes: operators that are counted by their descriptions alone; or NULL */
    size_t nnote;
} gm_walk_job;

typedef struct gm_walk gm_walk;
typedef struct gm_walk_listener {
    void *self;
    void (*top)(void *self, gm_tape *t);
    void (*event)(void *self, gm_tape *t, uint32_t storage, int sign);
    void (*turned)(void *self, gm_tape *t, uint32_t storage); /* it is a weight's gradient from now on; or NULL */
    void (*reached)(void *self, gm_tape *t, int at); /* GM_AT_... */
} gm_walk_listener;

/* symbols: with what is known of them.  The tape's labels are operators. */
gpumem_status gm_walk_run(const gm_walk_job *job, const gm_symbols *symbols, const gm_walk_listener *listener, gpumem_error *err);
/* The rules of all operators; GM_NONE for one that has none; way: eager or flash; own: those that components bring count too. */
gpumem_status gm_walk_rules(const gpumem_description *d, gm_rules *rules, const char *way, bool own, uint32_t *rule, gpumem_error *err);
#endif
