/* Names of modules as quantised configs list them: whole paths, parts of them, globs, regular expressions. */
#ifndef GM_PATTERN_H
#define GM_PATTERN_H

#include "base/map.h"
#include "base/value.h"
#include <regex.h>

typedef struct gm_patterns gm_patterns;

/* From a list of strings, which must outlive it; others in it are an error.  A pattern is a path or the begin or the end of one, in whole components
 * ("lm_head", "model.layers.0", "mlp.gate"); or a glob over the whole path, with * and ?; or "re:" and a POSIX extended regular
 * expression that matches from the begin.  Paths are compared from their first "WORD.NUMBER" on as well: what stands before it is
 * spelt otherwise in other versions. */
gpumem_status gm_patterns_new(const gm_value *list, gm_patterns **out, gpumem_error *err);
void gm_patterns_free(gm_patterns *patterns);
/* regexec, which calls it no match when memory is short. */
bool gm_regex_match(const regex_t *regex, const char *s, bool *short_of_memory);
/* Is this parameter's module ("model.layers.0.mlp.gate" of "model.layers.0.mlp.gate.weight") among them? */
bool gm_patterns_match(const gm_patterns *patterns, const char *parameter, bool *short_of_memory);
#endif
