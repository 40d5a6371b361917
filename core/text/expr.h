/* The expression language of manifests.
 *
 * Values: null, boolean, 64-bit integer, real, string, list, mapping.  Operators, loosest first:
 *   a orelse b            the first that is not null (only at the top of an expression, never in brackets)
 *   a if c else b
 *   or, and, not          give an operand, as Python does
 *   == != < <= > >= in, not in, is null, is not null   comparisons chain: lo <= i <= hi
 *   + -                   also string + string, list + list
 *   * / // %              / gives a real, // and % floor; list * n repeats
 *   -x                    then x[i], f(x)
 * Literals: 4, 0.75, 1e-5, 'text' or "text" (without escapes), true/True, false/False, null/None, [a, b].
 * Names have letters, digits, _ and, between them, dots.
 * Strings are compared by code point; x[i] and len count characters; a negative index counts from the end.
 * Functions: len int ceil floor min max abs list range every pick chars is_list is_map replace get sum count sqrt log2 ints values k has
 *   min(a, b, ...)        or of one list; list(x): also the characters of a string or the keys of a mapping
 *   every(n, m, a, b)     list of n: item i is b if (i+1) % m == 0 else a
 *   pick(n, indices, a, b) list of n: item i is b if i in indices else a
 *   chars(s, keys, values) list, one item per character of s: values[position of it in the string keys]
 *   replace(list, i, x)   the list with item i replaced
 *   get(map, 'key', d)     the mapping's value, or d (null) where it has none, or where there is no mapping but null
 *   sum(list) count(list, x) of integers; how many items are x
 *   count(list, x, n)      how many of the first n items are x
 *   ints(s)               the integers of a string with commas between them; a list is itself
 *   values(map)           its values, a list
 *   k('key', d)           the config's value of the key, as a bare name gives it, or d (null) where there is none
 *   has('key')            is the key literally in the config
 * Integers that overflow, division by zero, wrong types, an index out of range, and lists of more than 1,000,000 items (4,000,000
 * in one evaluation) are errors. */
#ifndef GM_EXPR_H
#define GM_EXPR_H

#include "base/value.h"

typedef struct gm_expr gm_expr;

/* Names are turned into slots when an expression is compiled, so that evaluation looks nothing up by name.  The name that
 * is asked for lives as long as the expression. */
typedef struct gm_names {
    void *self;
    /* The slot of a bare name, or of the literal key of k() and has() (config: true); -1: not known, and why is in err. */
    int (*slot)(void *self, const char *name, bool config, gpumem_error *err);
} gm_names;

/* Compile a scalar of a manifest: an integer, real, boolean or null stands for itself, a string is an expression.
 * Errors say file, line and column (of the scalar; the column within the expression is in the message).  The text is copied,
 * the name of the file is not. */
gpumem_status gm_expr_compile(gm_arena *arena, const char *file, const gm_value *scalar, const gm_names *names,
                              const gm_expr **out, gpumem_error *err);
/* Compile text that comes from elsewhere than a manifest (a component's default). */
gpumem_status gm_expr_compile_text(gm_arena *arena, const char *file, unsigned line, unsigned column, const char *text, const gm_names *names,
                                   const gm_expr **out, gpumem_error *err);

typedef struct gm_scope {
    void *self;
    gm_arena *arena; /* for lists and strings that the evaluation makes */
    gpumem_status (*value)(void *self, int slot, gm_value *out, gpumem_error *err); /* of a name; EINVAL if it has none */
    /* of k() and has(): sets *found */
    gpumem_status (*config)(void *self, int slot, bool literal, bool *found, gm_value *out, gpumem_error *err);
} gm_scope;

gpumem_status gm_expr_eval(const gm_expr *expr, const gm_scope *scope, gm_value *out, gpumem_error *err);

const char *gm_expr_text(const gm_expr *expr); /* as it was written */
const char *gm_expr_file(const gm_expr *expr);
unsigned gm_expr_line(const gm_expr *expr);
unsigned gm_expr_column(const gm_expr *expr);
bool gm_expr_constant(const gm_expr *expr, gm_value *out); /* is it a literal? */
/* Every slot that occurs in it, each once; those of names and of config keys are numbers of one kind. */
unsigned gm_expr_slots(const gm_expr *expr, const int **slots);
#endif
