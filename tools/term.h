/* How text looks on a stream: colour, width, glyphs, numbers. */
#ifndef TOOL_TERM_H
#define TOOL_TERM_H

#include "options.h"
#include <gpumem/gpumem.h>

typedef enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_BAR, STYLE_GOOD, STYLE_WARN, STYLE_BAD } style;

typedef struct glyphs {
    const char *dot, *times, *to, *arrow, *rule, *full, *empty, *tick, *corner, *over, *back, *to_be;
    const char *eighth[8]; /* [0]: none */
} glyphs;

typedef struct terminal {
    bool color;
    unsigned width; /* columns */
    const glyphs *glyph;
} terminal;

bool term_color(const options *o, int fd);
terminal term_stdout(const options *o);

/* Appends s, coloured if the stream has colour. */
void put_styled(gpumem_text *t, const terminal *term, style how, const char *s);
void put_repeat(gpumem_text *t, const char *s, size_t n);
/* Appends s, padded with spaces on the right (or on the left) to `width` columns. */
void put_left(gpumem_text *t, const char *s, size_t width);
void put_right(gpumem_text *t, const char *s, size_t width);
/* A bar of `cells` cells for `whole`; returns the cells used.  Not zero is at least the thinnest sign. */
unsigned put_bar(gpumem_text *t, const terminal *term, uint64_t part, uint64_t whole, unsigned cells);
/* Words of s, broken at spaces so that lines fit; the text starts in column `at`, other lines in column `indent`. */
void put_wrapped(gpumem_text *t, const char *s, unsigned at, unsigned indent, unsigned width);

size_t columns(const char *s); /* of a UTF-8 string */

#define NUMBER_SIZE 40
/* 2 779 683 840; with another separator: 2,779,683,840 */
const char *grouped(char buf[NUMBER_SIZE], uint64_t v, char separator);
/* Two decimals, half up, of a unit of 2^shift bytes: 1 234.56; <0.01 where that would be 0.00 */
const char *amount(char buf[NUMBER_SIZE], uint64_t bytes, unsigned shift);
const char *amount_unit(char buf[NUMBER_SIZE], uint64_t bytes); /* GiB, or MiB below 1 GiB, with its name */
const char *unit_name(unsigned shift);
unsigned percent(uint64_t part, uint64_t whole); /* half up */
#endif
