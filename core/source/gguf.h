/* The head of one GGUF file: metadata and tensor infos. */
#ifndef GM_GGUF_H
#define GM_GGUF_H

#include "base/value.h"
#include "source/reader.h"

typedef struct gm_gguf_type { const char *name; unsigned block, bytes; } gm_gguf_type; /* so many elements in so many bytes */
const gm_gguf_type *gm_gguf_type_of(uint32_t id); /* NULL: nobody knows it */

typedef struct gm_gguf_key {
    const char *key;
    gm_value value; /* null where it was too long to be kept: more than 64 Ki numbers, 1 Ki strings, 1 MiB of text */
    uint64_t count; /* of an array: entries; else 1 */
} gm_gguf_key;

typedef struct gm_gguf_tensor {
    const char *name;
    const gm_gguf_type *type; /* NULL: not known */
    uint32_t nname, ndim, id;
    uint64_t dim[4];          /* the fastest first: the reverse of a shape in PyTorch */
    uint64_t elements, offset;
    uint64_t bytes;           /* without padding; of a type that nobody knows what is there until the next one */
} gm_gguf_tensor;

typedef struct gm_gguf {
    gm_arena arena;
    uint32_t version;
    bool big_endian;
    uint64_t alignment, data; /* data: where they start in the file */
    gm_gguf_key *key;
    gm_gguf_tensor *tensor;
    uint32_t nkey, ntensor;
} gm_gguf;

/* Reads on in growing steps, and never a byte twice.  Checks what ggml's reader checks.  out is {0} before; free it after failures
 * too.  ESYNTAX, EIO. */
gpumem_status gm_gguf_read(gm_reader *reader, gm_gguf *out, gpumem_error *err);
void gm_gguf_free(gm_gguf *g);
const gm_gguf_key *gm_gguf_find(const gm_gguf *g, const char *key);
#endif
