/* A reader over a regular file. */
#ifndef GM_SOURCE_FILE_H
#define GM_SOURCE_FILE_H

#include "source/reader.h"

/* EIO with the system's reason.  *out is NULL, and the status OK, where there is no such file and `must` is false. */
gpumem_status gm_file_reader(const char *path, bool must, gm_reader **out, gpumem_error *err);
#endif
