/* Bytes at an offset, wherever they are: a file here, a file on a hub. */
#ifndef GM_READER_H
#define GM_READER_H

#include "base/error.h"

typedef struct gm_reader gm_reader;
struct gm_reader {
    const char *name; /* for messages: a path or a URL */
    uint64_t size;    /* bytes in all; UINT64_MAX: not known yet: then the first read asks for a few bytes, and what the reader got beyond is its to keep */
    /* Exactly n bytes from `offset` on; fewer are an error.  May learn `size`. */
    gpumem_status (*read)(gm_reader *reader, uint64_t offset, size_t n, void *buf, gpumem_error *err);
    void (*close)(gm_reader *reader);
};
#endif
