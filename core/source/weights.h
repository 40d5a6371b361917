/* The tensors of a checkpoint, from the headers of its files, wherever those are. */
#ifndef GM_WEIGHTS_H
#define GM_WEIGHTS_H

#include "base/value.h"
#include "source/reader.h"

/* Opens files of one folder or repository by their names in it: "model.safetensors", "unet/config.json". */
typedef struct gm_opener gm_opener;
struct gm_opener {
    const char *name; /* of the folder or repository, for messages */
    /* *out is NULL, and the status OK, where there is no such file. */
    gpumem_status (*open)(gm_opener *opener, const char *file, gm_reader **out, gpumem_error *err);
    /* These are opened next, in this order: a place to ask for all of them at once.  May be NULL. */
    gpumem_status (*expect)(gm_opener *opener, const char *const *file, size_t n, gpumem_error *err);
};

/* What the folder has, in the order in which transformers looks: safetensors, its index, PyTorch's files; components of diffusers and of
 * sentence-transformers; a file that nothing else stands for.  file: this one instead; NULL: as said.  config: of the model, or NULL: config.json
 * beside, if there is one.  EIO where there are no weights; a tip names what was looked for. */
gpumem_status gm_weights_open(gm_opener *opener, const char *file, const gm_value *config, gpumem_weights **out, gpumem_error *err);
/* A later part of a split model, or a file that is no model by itself (a projector, an importance matrix). */
bool gm_weights_is_extra(const char *file);
/* The metadata of a GGUF file: a map of all its keys, or NULL. */
const gm_value *gm_weights_metadata(const gpumem_weights *weights);
#endif
