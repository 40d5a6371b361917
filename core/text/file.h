/* A whole file in memory. */
#ifndef GM_FILE_H
#define GM_FILE_H

#include "base/arena.h"
#include "base/error.h"

/* Regular files of at most `max` bytes; text is NUL-terminated beyond its n bytes.  Status EIO with the system's reason
 * ("no such file", "is a directory", "larger than N bytes"). */
gpumem_status gm_file_read(gm_arena *arena, const char *path, size_t max, char **text, size_t *n, gpumem_error *err);
#endif
