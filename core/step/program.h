/* A program of what a step makes and drops, parsed: docs/steps.md. */
#ifndef GM_OPT_PROGRAM_H
#define GM_OPT_PROGRAM_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

#define GM_OPT_NONE 0xffffffffu
#define GM_OPT_ARGS 8
#define GM_OPT_PREFIXES 8
#define GM_OPT_TARGETS 3 /* no word has more results */

enum { /* names that the language itself gives; the program's own follow */
    GM_OPT_P, GM_OPT_G, GM_OPT_F, GM_OPT_B, GM_OPT_D, GM_OPT_STEPS, GM_OPT_CHOSEN, GM_OPT_GIVEN
};
enum { /* of an expression */
    GM_OPT_NUMBER, GM_OPT_TEXT, GM_OPT_NAME, GM_OPT_ITEM, GM_OPT_FIELD, GM_OPT_CALL, GM_OPT_NOT, GM_OPT_MINUS, GM_OPT_BINARY
};
enum { GM_OPT_NDIM, GM_OPT_ROWS, GM_OPT_COLS, GM_OPT_DTYPE, GM_OPT_NARROW, GM_OPT_BLOCKED, GM_OPT_ALIKE };
enum {
    GM_OPT_OR, GM_OPT_AND, GM_OPT_EQ, GM_OPT_NE, GM_OPT_LE, GM_OPT_GE, GM_OPT_LT, GM_OPT_GT, GM_OPT_ADD, GM_OPT_SUB, GM_OPT_MUL, GM_OPT_MOD
};
typedef struct gm_opt_expr {
    uint8_t kind, op, nargs; /* op: the operator of BINARY, the field of FIELD */
    uint32_t at;             /* the name of NAME, ITEM, FIELD; the word of CALL */
    uint32_t column;
    int64_t number;
    const char *text;
    uint32_t arg[GM_OPT_ARGS]; /* other expressions; of ITEM, the first is the place */
} gm_opt_expr;

enum { GM_OPT_IF, GM_OPT_EACH, GM_OPT_DIMS, GM_OPT_BLOCKS, GM_OPT_SIDES, GM_OPT_CUTS };
typedef struct gm_opt_prefix { uint8_t kind; uint32_t condition; } gm_opt_prefix;
enum { GM_OPT_DO, GM_OPT_ASSIGN, GM_OPT_DROP, GM_OPT_EMPTY, GM_OPT_APPEND, GM_OPT_LIST };
typedef struct gm_opt_line { /* a statement behind its prefixes */
    uint32_t line, column;
    uint8_t kind, nprefix, nvalue;
    uint32_t nname;
    gm_opt_prefix prefix[GM_OPT_PREFIXES];
    uint32_t *name;
    uint32_t value[GM_OPT_TARGETS];
} gm_opt_line;

typedef struct gm_opt_part {
    bool lists, ends; /* ends: with `return` */
    uint32_t line, column;
    uint32_t condition; /* GM_OPT_NONE: for all */
    uint32_t first, n;  /* its lines */
} gm_opt_part;

typedef struct gm_opt_program {
    const char *file;
    gm_opt_part *part;
    gm_opt_line *line;
    gm_opt_expr *expr;
    const char **name; /* by number; those given by the language are the first */
    bool *items;       /* by name: is it written NAME[...] somewhere? */
    uint32_t npart, max_part, nline, max_line, nexpr, max_expr, nname, max_name;
} gm_opt_program;

/* Where a program's text begins in its file, for messages. */
typedef struct gm_opt_place { const char *file; uint32_t line, column; } gm_opt_place;
/* `lists`: the form is foreach.  All is in the arena; EPLUGIN with file, line and column for what cannot be read. */
gpumem_status gm_opt_parse(gm_arena *arena, gm_opt_place place, const char *text, bool lists, gm_opt_program *out, gpumem_error *err);

/* ---- between program.c and expression.c ---- */

typedef struct gm_opt_parser {
    gm_arena *arena;
    gm_opt_program *out;
    const char *p, *end, *start; /* of the line; start: its first character in the text */
    uint32_t line, column;       /* of start */
    unsigned depth;
    bool bad;
    gpumem_error *err;
} gm_opt_parser;
/* The first error is kept.  Returns GM_OPT_NONE. */
uint32_t gm_opt_wrong(gm_opt_parser *p, const char *format, ...) GPUMEM_PRINTF(2, 3);
/* items, or a larger copy of them where there is no room for one more; NULL: no memory, and said so. */
void *gm_opt_room(gm_opt_parser *p, void *items, size_t size, uint32_t n, uint32_t *max);
void gm_opt_skip(gm_opt_parser *p);
bool gm_opt_take(gm_opt_parser *p, const char *token); /* a sign, or a word that ends there */
const char *gm_opt_word_at(gm_opt_parser *p, size_t *n); /* letters, digits and _; NULL: none is here */
uint32_t gm_opt_name(gm_opt_parser *p, const char *s, size_t n);
uint32_t gm_opt_expression(gm_opt_parser *p); /* GM_OPT_NONE: wrong */
/* How many results an expression has: that of a word, else one. */
unsigned gm_opt_results(const gm_opt_program *program, uint32_t expr);
#endif
