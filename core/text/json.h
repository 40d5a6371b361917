/* A JSON document as a value.  The only file of the project that knows json-c. */
#ifndef GM_JSON_H
#define GM_JSON_H

#include "base/value.h"

/* One value; what Python's json module writes is read, Infinity, -Infinity and NaN included.  Duplicate keys: the last wins, as in
 * Python.  Errors, with file, line and column: syntax (comments, single quotes and trailing commas too), text after the value,
 * integers beyond 64 bits, nesting beyond 64. */
gpumem_status gm_json_parse(gm_arena *arena, const char *name, const char *text, size_t n, gm_value *out, gpumem_error *err);
#endif
