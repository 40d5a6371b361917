#include "base/map.h"
#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *key, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)key[i]) * 16777619u;
    return h;
}

/* The entry of a key, or the free one where it belongs.  The size is a power of two, and never full. */
static gm_map_entry *find(gm_map_entry *entry, uint32_t size, const char *key, size_t n, uint32_t hash)
{
    uint32_t i = hash & (size - 1);
    while (entry[i].key && (entry[i].hash != hash || entry[i].n != n || memcmp(entry[i].key, key, n) != 0))
        i = (i + 1) & (size - 1);
    return &entry[i];
}

void *gm_map_get(const gm_map *map, const char *key, size_t n)
{
    return map->size ? find(map->entry, map->size, key, n, hash_of(key, n))->value : NULL;
}

static int grow(gm_map *map)
{
    uint32_t size = map->size ? map->size * 2 : 64;
    gm_map_entry *now = calloc(size, sizeof *now);
    if (now == NULL)
        return 1;
    for (uint32_t i = 0; i < map->size; i++)
        if (map->entry[i].key)
            *find(now, size, map->entry[i].key, map->entry[i].n, map->entry[i].hash) = map->entry[i];
    free(map->entry);
    map->entry = now;
    map->size = size;
    return 0;
}

int gm_map_put(gm_map *map, const char *key, size_t n, void *value)
{
    if ((map->n + 1) * 4 > map->size * 3 && grow(map))
        return 1;
    uint32_t hash = hash_of(key, n);
    gm_map_entry *e = find(map->entry, map->size, key, n, hash);
    if (e->key == NULL) {
        char *copy = gm_arena_strndup(&map->arena, key, n);
        if (copy == NULL)
            return 1;
        *e = (gm_map_entry){copy, value, (uint32_t)n, hash};
        map->n++;
    }
    e->value = value;
    return 0;
}

void gm_map_free(gm_map *map, void (*release)(void *value))
{
    for (uint32_t i = 0; release && i < map->size; i++)
        if (map->entry[i].key)
            release(map->entry[i].value);
    free(map->entry);
    gm_arena_free(&map->arena);
    memset(map, 0, sizeof *map);
}
