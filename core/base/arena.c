#include "base/arena.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN _Alignof(max_align_t)
#define FIRST ((size_t)16 << 10)
#define LARGEST ((size_t)4 << 20)

struct gm_arena_chunk {
    gm_arena_chunk *before;
    size_t size; /* of data */
    _Alignas(max_align_t) unsigned char data[];
};

/* Each chunk is twice as large as the one before it, or as large as it must be. */
static int grow(gm_arena *arena, size_t n)
{
    size_t size = arena->last ? arena->size : FIRST / 2 - sizeof(gm_arena_chunk);
    gm_arena_chunk *chunk;
    size = size < LARGEST / 2 ? 2 * size : LARGEST;
    if (size < n)
        size = n;
    if (size > SIZE_MAX - sizeof *chunk)
        return -1;
    chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        return -1;
    chunk->before = arena->last;
    chunk->size = size;
    arena->last = chunk;
    arena->used = 0;
    arena->size = size;
    return 0;
}

void *gm_arena_alloc(gm_arena *arena, size_t n)
{
    void *p;
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = n ? (n + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    if ((!arena->last || n > arena->size - arena->used) && grow(arena, n) != 0)
        return NULL;
    p = arena->last->data + arena->used;
    arena->used += n;
    return p;
}

void *gm_arena_zero(gm_arena *arena, size_t count, size_t size)
{
    size_t n;
    void *p;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    p = gm_arena_alloc(arena, n);
    return p ? memset(p, 0, n) : NULL;
}

char *gm_arena_strndup(gm_arena *arena, const char *s, size_t n)
{
    char *p = n < SIZE_MAX ? gm_arena_alloc(arena, n + 1) : NULL;
    if (!p)
        return NULL;
    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *gm_arena_strdup(gm_arena *arena, const char *s)
{
    return gm_arena_strndup(arena, s, strlen(s));
}

void gm_arena_clear(gm_arena *arena)
{
    gm_arena_chunk *chunk = arena->last;
    while (chunk && chunk->before) {
        gm_arena_chunk *before = chunk->before;
        free(chunk);
        chunk = before;
    }
    arena->last = chunk;
    arena->used = 0;
    arena->size = chunk ? chunk->size : 0;
}

void gm_arena_free(gm_arena *arena)
{
    gm_arena_clear(arena);
    free(arena->last);
    *arena = (gm_arena){0};
}

gm_arena_mark gm_arena_mark_of(const gm_arena *arena)
{
    return (gm_arena_mark){arena->last, arena->used};
}

void gm_arena_rewind(gm_arena *arena, gm_arena_mark mark)
{
    if (!mark.last) {
        gm_arena_clear(arena);
        return;
    }
    while (arena->last != mark.last) {
        gm_arena_chunk *before = arena->last->before;
        free(arena->last);
        arena->last = before;
    }
    arena->used = mark.used;
    arena->size = mark.last->size;
}
