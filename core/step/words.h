/* The words of a step's programs. */
#ifndef GM_OPT_WORDS_H
#define GM_OPT_WORDS_H

#include "step/blocks.h"

/* A word's number, or -1.  A name that ends in _ is the word in place. */
int gm_opt_word_find(const char *s, size_t n);
void gm_opt_word_near(const char *wanted, gpumem_near *near);
const char *gm_opt_word_name(unsigned word);
unsigned gm_opt_word_least(unsigned word);   /* arguments */
unsigned gm_opt_word_most(unsigned word);
unsigned gm_opt_word_results(unsigned word);

typedef struct gm_opt_call {
    gm_opt_memory *memory;
    unsigned word, nargs, nout;
    const gm_opt_value *arg;
    gm_opt_cut cut;
    const gm_opt_tensor *p; /* the parameter, where there is one: blocks are joined along its extents */
    gm_opt_value out[3];    /* the caller's to release */
    char why[160];           /* set where it fails */
} gm_opt_call;
/* False: it failed, as `why` or the memory's status says.  Arguments stay the caller's. */
bool gm_opt_word_call(gm_opt_call *c);
#endif
