/* JSON of a fixed shape, read token by token in the memory that it is in: headers of weights, indices of shards. */
#ifndef GM_SCAN_H
#define GM_SCAN_H

#include "base/error.h"

typedef struct gm_scan {
    const char *name; /* of the file */
    char *text;       /* changed: strings are unescaped in place, and a NUL comes over their closing quotes */
    size_t n, at;
    uint64_t base;    /* where the text starts in the file */
    unsigned line;    /* 0-based */
    size_t start;     /* of that line */
    gpumem_error *err;
} gm_scan;

/* ESYNTAX at text[at]: file, line, column and the byte of the file. */
gpumem_status gm_scan_fail(const gm_scan *s, size_t at, const char *format, ...) GPUMEM_PRINTF(3, 4);
/* The next character that is not white space, not taken; '\0' at the end. */
char gm_scan_peek(gm_scan *s);
gpumem_status gm_scan_take(gm_scan *s, char c, const char *expected);
/* Behind an entry: a comma (*more is true) or the closing bracket, taken.  No comma before the bracket. */
gpumem_status gm_scan_more(gm_scan *s, char close, bool *more);
gpumem_status gm_scan_string(gm_scan *s, const char *expected, char **out, uint32_t *n); /* without the character 0; valid UTF-8 */
gpumem_status gm_scan_u64(gm_scan *s, const char *expected, uint64_t *out);
gpumem_status gm_scan_skip(gm_scan *s); /* any value; nesting to 64 */
gpumem_status gm_scan_end(gm_scan *s);  /* nothing but white space is left */
#endif
