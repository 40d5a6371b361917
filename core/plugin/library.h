/* Opening a library, after it was found trustworthy.  The only files of the project that know <dlfcn.h>: library.c. */
#ifndef GM_LIBRARY_H
#define GM_LIBRARY_H

#include "plugin/manifest.h"

/* Trust (regular file inside the plugin's folder, no symbolic link, owner, mode, SHA-256), dlopen(RTLD_NOW | RTLD_LOCAL), then
 * magic, abi, size, kind, id, version and the kind's table are checked before any function is called. */
gpumem_status gm_library_open(const gm_manifest *manifest, void **handle, const gpumem_plugin **entry, gpumem_error *err);
void gm_library_close(void *handle);
/* The directory of the program or library that this code is in, without a trailing slash; and whether that is a program. */
gpumem_status gm_library_home(char *buf, size_t n, bool *program);
/* A library of the system by its soname, for the functions of `names`: each is put into the pointer to a function at the same place of
 * `functions`.  NULL where it is not installed or has not all of them; `why` of n bytes says what is missing.  It stays loaded. */
void *gm_library_system(const char *soname, const char *const *names, void *functions, char *why, size_t n);
#endif
