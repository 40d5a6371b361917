/* Peaks of a walk as functions of the point: the live bytes of each moment that can be the highest, as counts of sizes. */
#ifndef GM_PEAKS_H
#define GM_PEAKS_H

#include "tape/walk.h"

enum { GM_PEAK_FORWARD, GM_PEAK_BACKWARD, GM_PEAK_RETURNED, GM_PEAK_HELD, GM_PEAK_AFTER_BACKWARD, GM_NPEAK };

typedef struct gm_term { uint32_t atom; int32_t times; } gm_term;
typedef struct gm_top { uint32_t first, n; } gm_top; /* a moment: its terms */
typedef struct gm_peaks {
    gm_symbols symbols;
    gm_atom *atom;
    uint32_t natom;
    gm_term *term;
    gm_top *top[GM_NPEAK];
    uint32_t ntop[GM_NPEAK];
} gm_peaks;

/* In the arena.  symbols: what is known of them. */
gpumem_status gm_peaks_new(gm_arena *arena, const gm_walk_job *job, const gm_symbols *symbols, gm_peaks *out, gpumem_error *err);
/* The highest of each, in bytes, for the values of the symbols; nonzero on overflow. */
int gm_peaks_at(const gm_peaks *p, uint32_t rounding, uint64_t batch, uint64_t tokens, uint64_t seen, uint64_t *peak);
#endif
