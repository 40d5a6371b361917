/* Sizes of dimensions while shapes are followed: a number times symbols, both known or not. */
#ifndef GM_EXT_H
#define GM_EXT_H

#include <gpumem/plugin.h>
#include <stdbool.h>

#define GM_EXT_SYMS 6
#define GM_MAX_SYMBOLS 64
typedef struct gm_ext { uint64_t num; uint8_t sym[GM_EXT_SYMS]; } gm_ext; /* symbols in falling order, 0: none */

typedef struct gm_symbols { /* the description's, and those that are derived on the way */
    gpumem_symbol sym[GM_MAX_SYMBOLS];
    uint32_t n;
    uint64_t known[GM_MAX_SYMBOLS]; /* values that hold wherever this walk does; 0: not known */
    uint8_t small, whole;           /* symbols of the input: one that is `most` at most, one that is `most` times `unit`; 0: none is */
    uint8_t unit;
    uint32_t most;
    uint8_t looped;                 /* a symbol of the input whose every `chunk` take a turn of a loop, the shortest of them; 0: none */
    uint32_t chunk;
} gm_symbols;

static inline gm_ext gm_ext_of(uint64_t num) { gm_ext e = {num, {0}}; return e; }
static inline bool gm_ext_constant(const gm_ext *e) { return e->sym[0] == 0; }
static inline bool gm_ext_is_one(gm_ext e) { return e.num == 1 && e.sym[0] == 0; }
bool gm_ext_same(gm_ext a, gm_ext b);
/* num * a symbol; one that is known becomes its number. */
gm_ext gm_ext_symbol(const gm_symbols *s, uint64_t num, unsigned sym);
/* Derived symbols of what is known are known too. */
void gm_symbols_know(gm_symbols *s);
/* a * b; false: it does not fit. */
bool gm_ext_mul(gm_ext a, gm_ext b, gm_ext *out);
/* a / b where that is exact; false: it is not. */
bool gm_ext_div(gm_ext a, gm_ext b, gm_ext *out);
/* -1, 0, 1 where it is plain; else 2. */
int gm_ext_compare(gm_ext a, gm_ext b);
/* The derived symbol op(a, k) of one symbol or one product; GPUMEM_SYM_...; false: there is no room. */
bool gm_ext_derive(gm_symbols *s, unsigned op, gm_ext a, gm_ext b, gm_ext *out);
/* The symbol that is e; 0: there is none. */
uint8_t gm_ext_one_symbol(gm_symbols *s, gm_ext e);
#endif
