/* Opens a model's files on the hub, for what reads weights. */
#ifndef GM_OPENER_H
#define GM_OPENER_H

#include "source/remote.h"
#include "source/weights.h"

typedef void gm_opened(void *self, const gpumem_pulled *file);

/* each: called for every file when its reader is closed; or NULL.  The hub must outlive the opener; free it after all its readers are
 * closed.  Names are relative to repo->folder. */
gpumem_status gm_hub_opener(gm_hub *hub, const gm_repo *repo, gm_opened *each, void *self, gm_opener **out, gpumem_error *err);
void gm_hub_opener_free(gm_opener *opener);
#endif
