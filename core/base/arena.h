/* Memory that is released all at once. */
#ifndef GM_ARENA_H
#define GM_ARENA_H

#include <stddef.h>

typedef struct gm_arena_chunk gm_arena_chunk;
typedef struct gm_arena {
    gm_arena_chunk *last; /* the chunk that is being filled */
    size_t used, size;    /* of that chunk */
} gm_arena;
typedef struct gm_arena_mark { gm_arena_chunk *last; size_t used; } gm_arena_mark;

/* {0} is an empty arena.  All return memory aligned for any type, or NULL when there is none. */
void *gm_arena_alloc(gm_arena *arena, size_t n);            /* not initialised */
void *gm_arena_zero(gm_arena *arena, size_t count, size_t size); /* zeroed; checks count * size */
char *gm_arena_strndup(gm_arena *arena, const char *s, size_t n);
char *gm_arena_strdup(gm_arena *arena, const char *s);
void gm_arena_clear(gm_arena *arena); /* keeps the first chunk for reuse */
void gm_arena_free(gm_arena *arena);

gm_arena_mark gm_arena_mark_of(const gm_arena *arena);
void gm_arena_rewind(gm_arena *arena, gm_arena_mark mark); /* releases all that came after the mark */
#endif
