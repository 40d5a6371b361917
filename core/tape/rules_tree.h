/* Rules as they are parsed: what rules.c builds and rules_run.c runs. */
#ifndef GM_RULES_TREE_H
#define GM_RULES_TREE_H

#include "tape/rules.h"

#define GM_RULE_NAMES 64 /* in a rule */

/* What an expression is.  From E_TRAINING on: bare names, for what the walk is, or what the operator describes. */
enum {
    E_NUMBER, E_NAME, E_WORD, E_RULE, E_VARIED, E_LIST, E_DIM, E_BINARY, E_NOT, E_DERIVED, E_SEEN, E_DESCRIBED, E_DESCRIBED_IN, E_AS_DESCRIBED, E_FITS,
    E_HAS, E_DTYPE, E_GRAD, E_NDIM, E_NUMEL, /* of a tensor */
    E_TRAINING, E_CHECKPOINTING, E_AUTOCAST, E_AUTOCAST_DTYPE, E_HALF, E_CACHING, E_FIXED, E_LAST_ONLY, E_PAST, E_DESCRIBED_DTYPE, E_DESCRIBED_SIZES
};
enum { OP_MUL, OP_DIV, OP_ADD, OP_SUB, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_AND, OP_OR };

typedef struct expression {
    uint8_t kind, op, nargs;
    uint16_t at; /* word, name or rule */
    int64_t number;
    const char *varied; /* a rule's name, of `number` characters */
    uint32_t arg[GM_WORD_ARGS];
} expression;

enum { S_BIND, S_RETURN, S_DROP, S_ONCE };
typedef struct statement { /* when: GM_NONE always; turns: GM_NONE once; many: bits, names of lists */
    uint8_t kind, nnames;
    uint16_t name[GM_WORD_OUTS], many;
    uint32_t when, turns, value, line;
} statement;

typedef struct rule {
    const char *name, *body, *head; /* body: what follows the name; head: the line that it is in */
    size_t nname, nbody;
    uint32_t line;
    bool parsed, bad;
    const char *names[GM_RULE_NAMES]; /* operands, attributes, what is bound */
    uint8_t nnames[GM_RULE_NAMES];
    unsigned noperand, nattr, nname_all, needed; /* needed: so many arguments at least */
    uint64_t read, optional; /* names that stand in it, operands that may be left out: as bits */
    statement *statement;
    uint32_t nstatement, max_statement, once; /* once: one more than the last statement that makes something once, or 0 */
} rule;

struct gm_rules {
    const char *file;
    rule *rule;
    uint32_t nrule, max_rule;
    expression *e;
    uint32_t ne, max_e;
};

/* The body of a rule whose head has been read: its statements; false: what is wrong is in err. */
bool gm_rule_parse(gm_rules *r, rule *x, gpumem_error *err);
#endif
