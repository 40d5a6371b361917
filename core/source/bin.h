/* Checkpoints of PyTorch: sized, never unpickled. */
#ifndef GM_BIN_H
#define GM_BIN_H

#include "source/reader.h"
#include <stdbool.h>

/* Bytes of the storages in a file of torch.save: of its zip directory (PyTorch 1.6 and later) exactly; else the size of the file. */
gpumem_status gm_bin_size(gm_reader *reader, uint64_t *bytes, bool *exact, gpumem_error *err);
#endif
