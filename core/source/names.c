#include "source/names.h"
#include <stdlib.h>
#include <string.h>

/* Eight bytes at a time: names are long, and there may be hundreds of thousands. */
static uint32_t hash_of(const char *s, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u, word;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, s, n);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    return (uint32_t)(h ^ h >> 32);
}

static gm_named *place(gm_named *slot, uint32_t size, const char *name, size_t n)
{
    uint32_t i = hash_of(name, n) & (size - 1);
    while (slot[i].name && (slot[i].n != n || memcmp(slot[i].name, name, n) != 0))
        i = (i + 1) & (size - 1);
    return &slot[i];
}

uint32_t gm_nameset_find(const gm_nameset *set, const char *name, size_t n)
{
    const gm_named *e = set->size ? place(set->slot, set->size, name, n) : NULL;
    return e && e->name ? e->at : UINT32_MAX;
}

static int grow(gm_nameset *set)
{
    uint32_t size = set->size ? set->size * 2 : 64;
    gm_named *slot = size ? calloc(size, sizeof *slot) : NULL;
    if (slot == NULL)
        return 1;
    for (uint32_t i = 0; i < set->size; i++)
        if (set->slot[i].name)
            *place(slot, size, set->slot[i].name, set->slot[i].n) = set->slot[i];
    free(set->slot);
    set->slot = slot;
    set->size = size;
    return 0;
}

int gm_nameset_put(gm_nameset *set, const char *name, uint32_t n, uint32_t at, uint32_t *found)
{
    gm_named *e;
    if ((uint64_t)set->n * 8 >= (uint64_t)set->size * 5 && grow(set))
        return 1;
    e = place(set->slot, set->size, name, n);
    if (e->name == NULL) {
        *e = (gm_named){name, n, at};
        set->n++;
    }
    *found = e->at;
    return 0;
}

void gm_nameset_free(gm_nameset *set)
{
    free(set->slot);
    *set = (gm_nameset){0};
}
