#include "source/bin.h"
#include "base/checked.h"
#include <stdlib.h>
#include <string.h>

#define TAIL 65557u               /* the longest end record with its comment */
#define MAX_DIRECTORY (64u << 20) /* bytes */

static uint64_t le(const unsigned char *p, unsigned n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* "archive/data/17" */
static bool is_storage(const char *name, size_t n)
{
    size_t digits = 0;
    while (digits < n && name[n - 1 - digits] >= '0' && name[n - 1 - digits] <= '9')
        digits++;
    return digits && n - digits >= 6 && memcmp(name + n - digits - 6, "/data/", 6) == 0;
}

/* The size of an entry that does not fit in 32 bits stands in its extra field. */
static uint64_t entry_size(const unsigned char *p, size_t name, size_t extra)
{
    uint64_t size = le(p + 24, 4);
    const unsigned char *x = p + 46 + name;
    for (size_t at = 0; size == UINT32_MAX && at + 4 <= extra;) {
        size_t n = (size_t)le(x + at + 2, 2);
        if (le(x + at, 2) == 1 && n >= 8 && at + 4 + n <= extra)
            size = le(x + at + 4, 8);
        at += 4 + n;
    }
    return size;
}

/* Sums the entries; false if it is no directory. */
static bool sum_entries(const unsigned char *p, size_t n, uint64_t *bytes)
{
    size_t at = 0, storages = 0;
    *bytes = 0;
    while (n - at >= 46 && le(p + at, 4) == 0x02014b50) {
        size_t name = (size_t)le(p + at + 28, 2), extra = (size_t)le(p + at + 30, 2), comment = (size_t)le(p + at + 32, 2);
        if (n - at - 46 < name + extra + comment)
            return false;
        if (is_storage((const char *)p + at + 46, name)) {
            if (gm_add_u64(*bytes, entry_size(p + at, name, extra), bytes))
                return false;
            storages++;
        }
        at += 46 + name + extra + comment;
    }
    return at == n && storages > 0;
}

static bool find_directory(const gm_reader *r, const unsigned char *tail, size_t n, uint64_t *at, uint64_t *size)
{
    size_t i = n;
    while (i >= 22 && le(tail + i - 22, 4) != 0x06054b50)
        i--;
    if (i < 22)
        return false;
    i -= 22;
    *size = le(tail + i + 12, 4);
    *at = le(tail + i + 16, 4);
    if (i >= 76 && le(tail + i - 20, 4) == 0x07064b50 && le(tail + i - 76, 4) == 0x06064b50) { /* zip64 */
        *size = le(tail + i - 76 + 40, 8);
        *at = le(tail + i - 76 + 48, 8);
    }
    return *at < r->size && *size <= r->size - *at && *size <= MAX_DIRECTORY;
}

static gpumem_status read_directory(gm_reader *r, uint64_t at, size_t n, uint64_t *bytes, bool *exact, gpumem_error *err)
{
    unsigned char *p = malloc(n ? n : 1);
    gpumem_status status = p ? r->read(r, at, n, p, err) : gm_no_memory(err);
    uint64_t sum;
    if (status == GPUMEM_OK && sum_entries(p, n, &sum) && sum <= r->size) {
        *bytes = sum;
        *exact = true;
    }
    free(p);
    return status;
}

gpumem_status gm_bin_size(gm_reader *r, uint64_t *bytes, bool *exact, gpumem_error *err)
{
    unsigned char first[4], *tail;
    gpumem_status status = GPUMEM_OK;
    uint64_t at, size;
    size_t n;
    *exact = false;
    if (r->size != 0 && (r->size == UINT64_MAX || r->size >= 4) && (status = r->read(r, 0, 4, first, err)) != GPUMEM_OK)
        return status;
    *bytes = r->size;
    if (r->size < 22 || le(first, 4) != 0x04034b50)
        return GPUMEM_OK;
    n = r->size < TAIL ? (size_t)r->size : TAIL;
    if ((tail = malloc(n)) == NULL)
        return gm_no_memory(err);
    status = r->read(r, r->size - n, n, tail, err);
    if (status == GPUMEM_OK && find_directory(r, tail, n, &at, &size))
        status = read_directory(r, at, (size_t)size, bytes, exact, err);
    free(tail);
    return status;
}
