/* What the compiler and the evaluation of expressions share. */
#ifndef GM_EXPR_PRIVATE_H
#define GM_EXPR_PRIVATE_H

#include "text/expr.h"

typedef enum gm_node_kind {
    GM_NODE_LITERAL, /* u.value */
    GM_NODE_NAME,    /* u.slot */
    GM_NODE_CONFIG,  /* k(): u.slot; a child: the default */
    GM_NODE_HAS,     /* u.slot */
    GM_NODE_LIST,
    GM_NODE_ORELSE,
    GM_NODE_IF,      /* condition, then, else */
    GM_NODE_OR,
    GM_NODE_AND,
    GM_NODE_NOT,
    GM_NODE_COMPARE, /* u.compare[i] is between children i and i + 1 */
    GM_NODE_ADD,
    GM_NODE_SUB,
    GM_NODE_MUL,
    GM_NODE_DIV,
    GM_NODE_FLOOR,
    GM_NODE_MOD,
    GM_NODE_NEGATE,
    GM_NODE_INDEX,
    GM_NODE_CALL     /* u.function */
} gm_node_kind;

typedef enum gm_compare { GM_EQ, GM_NE, GM_LT, GM_LE, GM_GT, GM_GE, GM_IN, GM_NOT_IN, GM_IS, GM_IS_NOT } gm_compare;

typedef enum gm_function {
    GM_FN_LEN, GM_FN_INT, GM_FN_CEIL, GM_FN_FLOOR, GM_FN_MIN, GM_FN_MAX, GM_FN_ABS, GM_FN_LIST, GM_FN_RANGE, GM_FN_EVERY, GM_FN_PICK,
    GM_FN_CHARS, GM_FN_IS_LIST, GM_FN_IS_MAP, GM_FN_REPLACE, GM_FN_GET, GM_FN_SUM, GM_FN_COUNT, GM_FN_SQRT, GM_FN_LOG2, GM_FN_INTS, GM_FN_VALUES, GM_FN_K, GM_FN_HAS, GM_FN_END
} gm_function;

#define GM_MAX_ARGS 4 /* of functions that do not take any number of them */
typedef struct gm_signature { const char *name; uint8_t min, max; } gm_signature; /* max 255: any number */
extern const gm_signature gm_signatures[GM_FN_END];

typedef struct gm_node gm_node;
struct gm_node {
    uint8_t kind, depth;
    uint32_t n; /* children */
    union { gm_value value; int slot; gm_function function; const uint8_t *compare; } u;
    const gm_node *child[];
};

struct gm_expr {
    const char *text, *file;
    unsigned line, column;
    const gm_node *root;
    const int *slot;
    unsigned nslot;
};

/* An expression's text, cut, as messages quote it. */
#define GM_QUOTE 84
const char *gm_expr_quote(const char *text, char buf[GM_QUOTE]);

/* ---- evaluating ---- */

typedef struct gm_run {
    const gm_expr *expr;
    const gm_scope *scope;
    gpumem_error *err;
    uint64_t made;
} gm_run;

gpumem_status gm_eval_fail(gm_run *r, gpumem_status status, const char *format, ...) GPUMEM_PRINTF(3, 4);
const char *gm_eval_type(const gm_value *v);
gpumem_status gm_eval_overflow(gm_run *r, const char *what);
bool gm_eval_is_integral(const gm_value *v);
bool gm_eval_is_number(const gm_value *v);
int64_t gm_eval_integral(const gm_value *v);
double gm_eval_real(const gm_value *v);
gpumem_status gm_eval_new_list(gm_run *r, uint64_t n, gm_value **item, gm_value *out);
gpumem_status gm_eval_new_string(gm_run *r, uint64_t n, char **s, gm_value *out);
void gm_eval_copy(gm_value *to, const gm_value *from, size_t n);
int gm_eval_order(const gm_value *a, const gm_value *b);
gpumem_status gm_eval_place(gm_run *r, const gm_value *index, size_t n, const char *what, size_t *out);
gpumem_status gm_eval_node(gm_run *r, const gm_node *e, gm_value *out);
/* A function of the language: expr_call.c. */
gpumem_status gm_eval_call(gm_run *r, const gm_node *e, gm_value *out);
#endif
