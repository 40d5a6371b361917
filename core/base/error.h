/* Filling the caller's gpumem_error.  The first failure is kept; all return the status that is now in it. */
#ifndef GM_ERROR_H
#define GM_ERROR_H

#include <gpumem/gpumem.h>

/* file may be NULL, line and column 0.  err may be NULL. */
gpumem_status gm_fail(gpumem_error *err, gpumem_status status, const char *file, unsigned line, unsigned column,
                      const char *format, ...) GPUMEM_PRINTF(6, 7);
gpumem_status gm_no_memory(gpumem_error *err);
/* Adds a line of advice to an error that is there already. */
void gm_tip(gpumem_error *err, const char *format, ...) GPUMEM_PRINTF(2, 3);
#endif
