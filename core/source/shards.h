/* model.safetensors.index.json and its like: which file has which tensor. */
#ifndef GM_SHARDS_H
#define GM_SHARDS_H

#include "source/names.h"
#include "source/reader.h"
#include <stdbool.h>

#define GM_SHARDS_MAX (256u << 20) /* bytes of an index; the largest published one has 62 MB */

typedef struct gm_shards {
    char *text;        /* names point into it */
    gm_nameset tensor; /* to the number of its file */
    gm_nameset name;   /* of files */
    const char **file; /* each once, in the order in which they come first */
    uint32_t nfile, room;
    bool has_total;
    uint64_t total;    /* metadata.total_size */
} gm_shards;

/* A text of which the size is known once the first bytes are read, in memory of malloc. */
gpumem_status gm_reader_text(gm_reader *reader, size_t max, char **text, size_t *n, gpumem_error *err);
/* Names of files that leave the folder are errors, as are tensors that are there twice.  out is {0} before; free it after failures too. */
gpumem_status gm_shards_read(gm_reader *reader, gm_shards *out, gpumem_error *err);
void gm_shards_free(gm_shards *s);
/* Does it stay below the folder that it is relative to? */
bool gm_safe_name(const char *file);
#endif
