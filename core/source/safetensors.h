/* The header of one safetensors file. */
#ifndef GM_SAFETENSORS_H
#define GM_SAFETENSORS_H

#include "base/arena.h"
#include "source/dtype.h"
#include "source/reader.h"

#define GM_SAFETENSORS_GUESS 100001u    /* bytes of the first read: of most files the whole header */
#define GM_SAFETENSORS_MAX 100000000u   /* bytes of a header, as in the reference */
#define GM_SAFETENSORS_USUAL 25000000u  /* beyond this some readers refuse it */

typedef struct gm_safetensor {
    const char *name;
    const gm_dtype *dtype;    /* NULL: not known */
    const char *dtype_name;   /* as the header has it */
    const uint64_t *dim;
    uint32_t nname, ndim;
    uint64_t elements;        /* the product of dim */
    uint64_t begin, end;      /* in the data, which starts at `data` */
} gm_safetensor;

typedef struct gm_safetensors {
    gm_arena arena;
    char *text;               /* of the header: names point into it */
    uint64_t header, data;    /* bytes of the JSON; where the data start in the file */
    gm_safetensor *tensor;    /* in the order of the header */
    uint32_t ntensor, room;
    bool large;               /* beyond GM_SAFETENSORS_USUAL */
} gm_safetensors;

/* Checks all that the format demands: the length, strict JSON, the fixed shape of entries, no name twice, data without holes and
 * overlaps, sizes that are dtype times shape, and the size of the file.  A dtype that nobody knows is no error.  out is {0} before, and
 * is freed by the caller after failures too.  ESYNTAX, ERANGE, EIO. */
gpumem_status gm_safetensors_read(gm_reader *reader, gm_safetensors *out, gpumem_error *err);
void gm_safetensors_free(gm_safetensors *s);
#endif
