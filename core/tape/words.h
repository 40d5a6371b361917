/* The words of rules, by theme; each table ends with a word without a name. */
#ifndef GM_WORDS_H
#define GM_WORDS_H

#include "tape/tape.h"

extern const gm_word gm_words_elementwise[], gm_words_shape[], gm_words_product[], gm_words_index[], gm_words_cache[];

#define WORD(name) static unsigned name(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, uint32_t *out)
#define DERIVE(name) static void name(gm_tape *t, const gm_node *node, const uint32_t *g, uint32_t *res)
#define UNUSED_WORD (void)word, (void)n

/* Does input i of the node that is run backward want its gradient? */
bool gm_wants(const gm_tape *t, const gm_node *node, unsigned i);
/* A new tensor as an elementwise operator makes it. */
uint32_t gm_like(gm_tape *t, uint32_t a);                       /* of a's shape, order and dtype */
uint32_t gm_like_as(gm_tape *t, uint32_t a, uint32_t dtype);
uint32_t gm_like2(gm_tape *t, uint32_t a, uint32_t b);
/* Drops *tv, which becomes `now`. */
static inline void gm_become(gm_tape *t, uint32_t *tv, uint32_t now)
{
    uint32_t old = *tv;
    *tv = now;
    gm_tv_unref(t, old);
}
/* A view of x with another shape; copied where that cannot be. */
uint32_t gm_reshape(gm_tape *t, uint32_t x, unsigned ndim, const gm_ext *dim);
/* Does a tensor of four dimensions have them in the order 1, 3, 2, 0 in memory? */
bool gm_channels_last(const gm_tv *x);
int gm_dim_at(gm_tape *t, uint32_t tv, const gm_arg *a); /* a dimension's number; negative ones count from the end */
#endif
