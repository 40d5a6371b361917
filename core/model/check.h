/* What a component has emitted, before it is used. */
#ifndef GM_CHECK_H
#define GM_CHECK_H

#include "base/error.h"

typedef struct gm_emit_mark { uint32_t ntensor, nop, noperand, nsym, nstring; } gm_emit_mark;
/* Everything behind the mark: indices, kinds, extents, names.  Returns NULL, or what is wrong. */
const char *gm_emitted_wrong(const gpumem_emit *e, gm_emit_mark mark, const uint32_t *out, uint32_t nout);
extern const char gm_wrong_dimension[]; /* this is wrong: a product of a config's sizes, each well by itself */
#endif
