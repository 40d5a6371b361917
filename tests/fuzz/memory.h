/* A reader over bytes in memory, of a size that is known or is not. */
#ifndef GM_FUZZ_MEMORY_H
#define GM_FUZZ_MEMORY_H

#include "source/reader.h"
#include <string.h>

typedef struct memory { gm_reader reader; const uint8_t *data; size_t n; } memory;

static inline gpumem_status memory_read(gm_reader *r, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    const memory *m = (const memory *)r;
    r->size = m->n;
    if (offset > m->n || n > m->n - offset)
        return gm_fail(err, GPUMEM_EIO, "fuzz", 0, 0, "beyond the end");
    if (n)
        memcpy(buf, m->data + offset, n);
    return GPUMEM_OK;
}

static inline memory memory_of(const uint8_t *data, size_t n, bool known)
{
    return (memory){{"fuzz", known ? n : UINT64_MAX, memory_read, NULL}, data, n};
}
#endif
