/* A YAML document as a value with positions.  The only file of the project that knows libyaml. */
#ifndef GM_YAML_H
#define GM_YAML_H

#include "base/value.h"

/* One document.  Plain scalars are null, boolean (true, false only), integer (decimal, 64 bits), number (.inf and .nan too)
 * or string as YAML 1.2's core schema says; quoted ones are strings.  Errors, with file, line and column: syntax, a second document, duplicate
 * keys, keys that are no strings, anchors, aliases and tags, invalid UTF-8, integers beyond 64 bits, nesting beyond 64.
 * `name` is used in messages.  An empty document is an error. */
gpumem_status gm_yaml_parse(gm_arena *arena, const char *name, const char *text, size_t n, gm_value *out, gpumem_error *err);
#endif
