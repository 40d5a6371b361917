/* Readers over files of the hub: by ranges, many at once, and no byte twice.  What was read is kept apart from the clients' cache, which
 * knows whole files only. */
#ifndef GM_REMOTE_H
#define GM_REMOTE_H

#include "source/hub.h"
#include "source/reader.h"

/* A reader for each name, NULL for those that the repo does not have.  Begins of files that are not here yet, and what their length
 * says of a safetensors header, are fetched at once: a round trip or two for all.  Whole files of the cache are read there.  On
 * failure all are closed.  The hub must outlive them. */
gpumem_status gm_remote_open(gm_hub *hub, gm_repo *repo, const char *const *file, size_t n, gm_reader **out, gpumem_error *err);
/* What a reader of this file has here, and what of it came over the network since it was opened; a local file's is all of it, and 0. */
void gm_remote_count(const gm_reader *reader, uint64_t *kept, uint64_t *fetched);
/* gpumem's own folder for this hub, or for one of its models; false if there is none. */
bool gm_remote_folder(const gm_hub *hub, const char *id, char *out, size_t n);
#endif
