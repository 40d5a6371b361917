/* What the files about weights share. */
#ifndef GM_WEIGHTS_PRIVATE_H
#define GM_WEIGHTS_PRIVATE_H

#include "base/arena.h"
#include "source/gguf.h"
#include "source/names.h"
#include "source/quantised.h"
#include "source/safetensors.h"
#include "source/shards.h"
#include "source/weights.h"

typedef struct gm_weights_file gm_weights_file; /* keeps what names point into */
struct gm_weights_file { gm_weights_file *next; gm_safetensors safetensors; gm_gguf gguf; };

struct gpumem_weights {
    gm_arena arena;
    gm_weights_file *file;
    gpumem_weight *tensor;
    uint32_t n, room;
    gm_nameset names;       /* of the component that is read; afterwards of the only one */
    uint32_t ncomponent;
    gpumem_weights_totals sum;
    gpumem_weights_dtype *dtype;
    uint32_t ndtype;
    const char *warning[8];
    uint32_t nwarning;
    gm_value metadata;      /* of GGUF */
    bool has_metadata;
};

typedef struct gm_weights_load { /* one component while it is read */
    gm_opener *opener;
    gpumem_weights *w;
    const char *folder;     /* "" or "unet/" */
    const char *component;  /* "" or "unet" */
    const gm_value *config; /* or NULL */
    gm_arena arena;         /* of configs */
    gpumem_error *err;
} gm_weights_load;

/* Adds what one file has; shards: only what its index gives to the file of this number, or NULL. */
gpumem_status gm_weights_add_safetensors(gm_weights_load *l, const char *file, gm_reader *reader, const gm_shards *shards, uint32_t number);
gpumem_status gm_weights_add_gguf(gm_weights_load *l, const char *file, gm_reader *first);
/* opened: the only file, where it is open already, or NULL. */
gpumem_status gm_weights_add_bin(gm_weights_load *l, const char *const *file, uint32_t nfile, const gm_shards *shards, gm_reader *opened);
/* What the tensors from `first` on stand for, and their sums. */
gpumem_status gm_weights_count(gm_weights_load *l, uint32_t first, bool gguf);
gpumem_status gm_weights_warn(gpumem_weights *w, gpumem_error *err, const char *format, ...) GPUMEM_PRINTF(3, 4);
gpumem_status gm_weights_add(gm_weights_load *l, const char *file, const gm_stored_as *t, const char *dtype, const uint64_t *dim);
/* folder and file as one name. */
const char *gm_weights_path(gm_weights_load *l, const char *file, gpumem_status *status);
gpumem_status gm_weights_reader(gm_weights_load *l, const char *file, bool must, gm_reader **out);
#endif
