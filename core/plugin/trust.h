/* May this file be loaded into the process? */
#ifndef GM_TRUST_H
#define GM_TRUST_H

#include "base/error.h"

/* A regular file, not a symbolic link, in `folder` itself; owned by root or the user (or, for root, by the owner of the program);
 * not writable by anyone else (mode 0002, or 0020 with a group that is not the owner's own).  sha256: NULL or 64 hexadecimal digits. */
gpumem_status gm_trust_check(const char *folder, const char *file, const char *sha256, gpumem_error *err);
void gm_sha256(const void *data, size_t n, unsigned char out[32]);
#endif
