/* A program of what a step makes and drops, parsed: docs/steps.md. */
#ifndef GM_STEP_PROGRAM_H
#define GM_STEP_PROGRAM_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

#define GM_STEP_NONE 0xffffffffu
#define GM_STEP_ARGS 8
#define GM_STEP_PREFIXES 8
#define GM_STEP_TARGETS 3 /* no word has more results */

enum { /* names that the language itself gives; the program's own follow */
    GM_STEP_P, GM_STEP_G, GM_STEP_F, GM_STEP_B, GM_STEP_D, GM_STEP_STEPS, GM_STEP_CHOSEN, GM_STEP_GIVEN
};
enum { /* of an expression */
    GM_STEP_NUMBER, GM_STEP_TEXT, GM_STEP_NAME, GM_STEP_ITEM, GM_STEP_FIELD, GM_STEP_CALL, GM_STEP_NOT, GM_STEP_MINUS, GM_STEP_BINARY
};
enum { GM_STEP_NDIM, GM_STEP_ROWS, GM_STEP_COLS, GM_STEP_DTYPE, GM_STEP_NARROW, GM_STEP_BLOCKED, GM_STEP_ALIKE };
enum {
    GM_STEP_OR, GM_STEP_AND, GM_STEP_EQ, GM_STEP_NE, GM_STEP_LE, GM_STEP_GE, GM_STEP_LT, GM_STEP_GT, GM_STEP_ADD, GM_STEP_SUB, GM_STEP_MUL, GM_STEP_MOD
};
typedef struct gm_step_expr {
    uint8_t kind, op, nargs; /* op: the operator of BINARY, the field of FIELD */
    uint32_t at;             /* the name of NAME, ITEM, FIELD; the word of CALL */
    uint32_t column;
    int64_t number;
    const char *text;
    uint32_t arg[GM_STEP_ARGS]; /* other expressions; of ITEM, the first is the place */
} gm_step_expr;

enum { GM_STEP_IF, GM_STEP_EACH, GM_STEP_DIMS, GM_STEP_BLOCKS, GM_STEP_SIDES, GM_STEP_CUTS };
typedef struct gm_step_prefix { uint8_t kind; uint32_t condition; } gm_step_prefix;
enum { GM_STEP_DO, GM_STEP_ASSIGN, GM_STEP_DROP, GM_STEP_EMPTY, GM_STEP_APPEND, GM_STEP_LIST };
typedef struct gm_step_line { /* a statement behind its prefixes */
    uint32_t line;
    uint8_t kind, nprefix, nvalue;
    uint32_t nname;
    gm_step_prefix prefix[GM_STEP_PREFIXES];
    uint32_t *name;
    uint32_t value[GM_STEP_TARGETS];
} gm_step_line;

typedef struct gm_step_part {
    bool lists, ends; /* ends: with `return` */
    uint32_t line;
    uint32_t condition; /* GM_STEP_NONE: for all */
    uint32_t first, n;  /* its lines */
} gm_step_part;

typedef struct gm_step_program {
    const char *file;
    gm_step_part *part;
    gm_step_line *line;
    gm_step_expr *expr;
    const char **name; /* by number; those given by the language are the first */
    bool *items;       /* by name: is it written NAME[...] somewhere? */
    uint32_t npart, max_part, nline, max_line, nexpr, max_expr, nname, max_name;
} gm_step_program;

/* Where a program's text begins in its file, for messages. */
typedef struct gm_step_place { const char *file; uint32_t line, column; } gm_step_place;
/* `lists`: the form is foreach.  All is in the arena; EPLUGIN with file, line and column for what cannot be read. */
gpumem_status gm_step_parse(gm_arena *arena, gm_step_place place, const char *text, bool lists, gm_step_program *out, gpumem_error *err);

/* ---- between program.c and expression.c ---- */

typedef struct gm_step_parser {
    gm_arena *arena;
    gm_step_program *out;
    const char *p, *end, *start; /* of the line; start: its first character in the text */
    uint32_t line, column;       /* of start */
    unsigned depth;
    bool bad;
    gpumem_error *err;
} gm_step_parser;
/* The first error is kept.  Returns GM_STEP_NONE. */
uint32_t gm_step_wrong(gm_step_parser *p, const char *format, ...) GPUMEM_PRINTF(2, 3);
/* items, or a larger copy of them where there is no room for one more; NULL: no memory, and said so. */
void *gm_step_room(gm_step_parser *p, void *items, size_t size, uint32_t n, uint32_t *max);
void gm_step_skip(gm_step_parser *p);
bool gm_step_take(gm_step_parser *p, const char *token); /* a sign, or a word that ends there */
const char *gm_step_word_at(gm_step_parser *p, size_t *n); /* letters, digits and _; NULL: none is here */
uint32_t gm_step_name(gm_step_parser *p, const char *s, size_t n);
uint32_t gm_step_expression(gm_step_parser *p); /* GM_STEP_NONE: wrong */
/* How many results an expression has: that of a word, else one. */
unsigned gm_step_results(const gm_step_program *program, uint32_t expr);
#endif
