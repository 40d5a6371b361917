#include "tape/rules.h"
#include "base/error.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 64 /* in a rule */

enum { E_NUMBER, E_NAME, E_WORD, E_RULE, E_VARIED, E_LIST, E_DIM, E_BINARY, E_NOT, E_HAS, E_DERIVED, E_DTYPE, E_GRAD, E_TRAINING, E_NDIM, E_NUMEL, E_AUTOCAST, E_AUTOCAST_DTYPE, E_HALF, E_CACHING, E_FIXED, E_LAST_ONLY, E_PAST, E_CHECKPOINTING, E_DESCRIBED, E_DESCRIBED_IN, E_DESCRIBED_DTYPE, E_DESCRIBED_SIZES, E_AS_DESCRIBED, E_FITS };
enum { OP_MUL, OP_DIV, OP_ADD, OP_SUB, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_AND, OP_OR };

typedef struct expression { uint8_t kind, op, nargs; uint16_t at; /* word, name or rule */ int64_t number; const char *varied; /* number: its length */ uint32_t arg[GM_WORD_ARGS]; } expression;
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
    const char *names[MAX_NAMES]; /* operands, attributes, what is bound */
    uint8_t nnames[MAX_NAMES];
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

static void *grown(void *items, size_t size, uint32_t n, uint32_t *max)
{
    uint32_t want = *max ? *max * 2 : 32;
    void *now;
    if (n < *max)
        return items;
    now = want > *max ? realloc(items, want * size) : NULL;
    if (now)
        *max = want;
    return now;
}

void gm_rules_free(gm_rules *r)
{
    if (r == NULL)
        return;
    for (uint32_t i = 0; i < r->nrule; i++)
        free(r->rule[i].statement);
    free(r->rule);
    free(r->e);
    free(r);
}

/* ---- parsing ---- */

typedef struct parser { gm_rules *r; rule *rule; const char *p, *end, *start; uint32_t line; unsigned depth; gpumem_error *err; bool bad; } parser;

static uint32_t wrong(parser *p, const char *what)
{
    if (!p->bad)
        gm_fail(p->err, GPUMEM_ESYNTAX, p->r->file, p->line, (uint32_t)(p->p - p->start) + 1, "rule %.*s: %s", (int)p->rule->nname, p->rule->name, what);
    p->bad = true;
    return GM_NONE;
}

static void skip(parser *p)
{
    while (p->p < p->end && (*p->p == ' ' || *p->p == '\t'))
        p->p++;
}

static bool at_end(parser *p)
{
    skip(p);
    return p->p == p->end || *p->p == '#';
}

static bool take(parser *p, const char *token)
{
    size_t n = strlen(token);
    skip(p);
    if ((size_t)(p->end - p->p) < n || memcmp(p->p, token, n) != 0)
        return false;
    if (isalpha((unsigned char)*token) && p->p + n < p->end && (isalnum((unsigned char)p->p[n]) || p->p[n] == '_' || p->p[n] == '.'))
        return false;
    p->p += n;
    return true;
}

static const char *name_at(parser *p, size_t *n)
{
    const char *s;
    skip(p);
    s = p->p;
    if (s == p->end || !(isalpha((unsigned char)*s) || *s == '_'))
        return NULL;
    while (p->p < p->end && (isalnum((unsigned char)*p->p) || *p->p == '_' || *p->p == '.'))
        p->p++;
    *n = (size_t)(p->p - s);
    return s;
}

static uint32_t slot_of(parser *p, const char *s, size_t n, bool make)
{
    rule *x = p->rule;
    for (unsigned i = 0; i < x->nname_all; i++)
        if (x->nnames[i] == n && memcmp(x->names[i], s, n) == 0)
            return i;
    if (!make || x->nname_all == MAX_NAMES || n > 255)
        return GM_NONE;
    x->names[x->nname_all] = s;
    x->nnames[x->nname_all] = (uint8_t)n;
    return x->nname_all++;
}

static uint32_t node(parser *p, unsigned kind)
{
    expression *now = grown(p->r->e, sizeof *now, p->r->ne, &p->r->max_e);
    if (now == NULL) {
        p->bad = true;
        gm_no_memory(p->err);
        return GM_NONE;
    }
    p->r->e = now;
    memset(&now[p->r->ne], 0, sizeof *now);
    now[p->r->ne].kind = (uint8_t)kind;
    return p->r->ne++;
}

static uint32_t expr(parser *p);
static uint32_t primary(parser *p);

static bool args(parser *p, uint32_t at, const char *close)
{
    skip(p);
    if (take(p, close))
        return true;
    do {
        uint32_t a = expr(p);
        expression *e = &p->r->e[at];
        if (a == GM_NONE)
            return false;
        if (e->nargs == GM_WORD_ARGS) {
            wrong(p, "too many arguments");
            return false;
        }
        e->arg[e->nargs++] = a;
    } while (take(p, ","));
    if (!take(p, close)) {
        wrong(p, "expected , or a closing bracket");
        return false;
    }
    return true;
}

static uint32_t number_node(parser *p, int64_t v)
{
    uint32_t at = node(p, E_NUMBER);
    if (at != GM_NONE)
        p->r->e[at].number = v;
    return at;
}

static uint32_t named(parser *p, const char *s, size_t n)
{
    static const struct { const char *name; int format; } dtypes[] = {{"f32", GPUMEM_FORMAT_F32}, {"i64", GPUMEM_FORMAT_I64}, {"i32", GPUMEM_FORMAT_I32},
                                                                      {"bool", GPUMEM_FORMAT_BOOL}, {"bf16", GPUMEM_FORMAT_BF16}, {"c64", GPUMEM_FORMAT_C64}};
    static const struct { const char *name; int kind, op; unsigned nargs; } own[] = {
        {"has", E_HAS, 0, 1}, {"ceil", E_DERIVED, GPUMEM_SYM_CEILDIV, 2}, {"min", E_DERIVED, GPUMEM_SYM_MIN, 2}, {"max", E_DERIVED, GPUMEM_SYM_MAX, 2},
        {"dtype", E_DTYPE, 0, 1}, {"grad", E_GRAD, 0, 1}, {"ndim", E_NDIM, 0, 1}, {"numel", E_NUMEL, 0, 1}, {"described", E_DESCRIBED, 0, 1}, {"described_in", E_DESCRIBED_IN, 0, 1}, {"as_described", E_AS_DESCRIBED, 0, 1}, {"fits", E_FITS, 0, 2}};
    uint32_t slot = slot_of(p, s, n, false), at;
    uint64_t read;
    if (n > 1 && s[n - 1] == '.' && take(p, "*(")) {
        at = node(p, E_VARIED);
        if (at == GM_NONE || !args(p, at, ")"))
            return GM_NONE;
        p->r->e[at].varied = s;
        p->r->e[at].number = (int64_t)n - 1;
        return at;
    }
    if (slot < MAX_NAMES)
        p->rule->read |= UINT64_C(1) << slot;
    if (p->p < p->end && *p->p == '(') {
        unsigned word = gm_word_find(s, n);
        uint32_t found = GM_NONE;
        p->p++;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (strlen(own[i].name) == n && memcmp(own[i].name, s, n) == 0) {
                at = node(p, (unsigned)own[i].kind);
                if (at == GM_NONE || !args(p, at, ")"))
                    return GM_NONE;
                p->r->e[at].op = (uint8_t)own[i].op;
                if (p->r->e[at].nargs != own[i].nargs)
                    return wrong(p, "another number of arguments was expected");
                return at;
            }
        for (uint32_t i = 0; !word && i < p->r->nrule; i++)
            if (p->r->rule[i].nname == n && memcmp(p->r->rule[i].name, s, n) == 0)
                found = i;
        if (!word && found == GM_NONE) {
            p->p = s;
            return wrong(p, "neither a word nor a rule has this name");
        }
        at = node(p, word ? E_WORD : E_RULE);
        read = p->rule->read;
        if (at == GM_NONE || !args(p, at, ")"))
            return GM_NONE;
        if (n == 6 && memcmp(s, "detach", 6) == 0) /* no gradient comes from there */
            p->rule->read = read;
        p->r->e[at].at = (uint16_t)(word ? word : found);
        if (word ? !gm_word_takes(word, p->r->e[at].nargs)
                 : p->r->e[at].nargs < p->r->rule[found].needed || p->r->e[at].nargs > p->r->rule[found].noperand + p->r->rule[found].nattr)
            return wrong(p, "another number of arguments was expected");
        return at;
    }
    if (slot == GM_NONE) {
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
            if (strlen(dtypes[i].name) == n && memcmp(dtypes[i].name, s, n) == 0)
                return number_node(p, dtypes[i].format);
        if (n == 8 && memcmp(s, "training", 8) == 0)
            return node(p, E_TRAINING);
        if (n == 8 && memcmp(s, "autocast", 8) == 0)
            return node(p, E_AUTOCAST);
        if (n == 14 && memcmp(s, "autocast_dtype", 14) == 0)
            return node(p, E_AUTOCAST_DTYPE);
        if (n == 3 && memcmp(s, "f16", 3) == 0)
            return node(p, E_HALF);
        if (n == 13 && memcmp(s, "checkpointing", 13) == 0)
            return node(p, E_CHECKPOINTING);
        if (n == 7 && memcmp(s, "caching", 7) == 0)
            return node(p, E_CACHING);
        if (n == 5 && memcmp(s, "fixed", 5) == 0)
            return node(p, E_FIXED);
        if (n == 9 && memcmp(s, "last_only", 9) == 0)
            return node(p, E_LAST_ONLY);
        if (n == 4 && memcmp(s, "past", 4) == 0)
            return node(p, E_PAST);
        if (n == 15 && memcmp(s, "described_dtype", 15) == 0)
            return node(p, E_DESCRIBED_DTYPE);
        if (n == 15 && memcmp(s, "described_sizes", 15) == 0)
            return node(p, E_DESCRIBED_SIZES);
        p->p = s;
        return wrong(p, "nothing has this name");
    }
    if (p->p < p->end && *p->p == '[') {
        uint32_t i;
        p->p++;
        at = node(p, E_DIM);
        i = at == GM_NONE ? GM_NONE : expr(p);
        if (i == GM_NONE || !take(p, "]"))
            return wrong(p, "expected ]");
        p->r->e[at].at = (uint16_t)slot;
        p->r->e[at].arg[0] = i;
        return at;
    }
    at = node(p, E_NAME);
    if (at != GM_NONE)
        p->r->e[at].at = (uint16_t)slot;
    return at;
}

#define MAX_NESTED 64
static uint32_t one(parser *p)
{
    const char *s;
    size_t n = 0;
    uint32_t at;
    skip(p);
    if (p->p == p->end)
        return wrong(p, "expected a value");
    if (isdigit((unsigned char)*p->p) || (*p->p == '-' && p->p + 1 < p->end && isdigit((unsigned char)p->p[1]))) {
        const char *start = p->p;
        bool minus = *p->p == '-', fits = true;
        int64_t v = 0;
        for (p->p += minus; p->p < p->end && isdigit((unsigned char)*p->p); p->p++)
            fits &= !__builtin_mul_overflow(v, 10, &v) && !__builtin_add_overflow(v, *p->p - '0', &v);
        if (!fits) {
            p->p = start;
            return wrong(p, "a number that does not fit in 63 bits");
        }
        return number_node(p, minus ? -v : v);
    }
    if (take(p, "(")) {
        at = expr(p);
        if (at != GM_NONE && !take(p, ")"))
            return wrong(p, "expected )");
        return at;
    }
    if (take(p, "[")) {
        at = node(p, E_LIST);
        return at == GM_NONE || !args(p, at, "]") ? GM_NONE : at;
    }
    if (take(p, "not")) {
        uint32_t of;
        at = node(p, E_NOT);
        of = at == GM_NONE ? GM_NONE : primary(p);
        if (of == GM_NONE)
            return GM_NONE;
        p->r->e[at].arg[0] = of;
        return at;
    }
    s = name_at(p, &n);
    return s ? named(p, s, n) : wrong(p, "expected a value");
}

static uint32_t primary(parser *p)
{
    uint32_t at;
    if (p->depth == MAX_NESTED)
        return wrong(p, "expressions are nested too deep");
    p->depth++;
    at = one(p);
    p->depth--;
    return at;
}

static uint32_t joined(parser *p, unsigned op, uint32_t a, uint32_t b)
{
    uint32_t at = a == GM_NONE || b == GM_NONE ? GM_NONE : node(p, E_BINARY);
    if (at == GM_NONE)
        return at;
    p->r->e[at].op = (uint8_t)op;
    p->r->e[at].arg[0] = a;
    p->r->e[at].arg[1] = b;
    return at;
}

static uint32_t level(parser *p, int l)
{
    static const struct { const char *token; int op; } ops[4][7] = {
        {{"or", OP_OR}, {NULL, 0}},
        {{"and", OP_AND}, {NULL, 0}},
        {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"<", OP_LT}, {">", OP_GT}, {NULL, 0}},
        {{"+", OP_ADD}, {"-", OP_SUB}, {NULL, 0}}};
    uint32_t a;
    if (l == 4) {
        a = primary(p);
        while (a != GM_NONE) {
            if (take(p, "*"))
                a = joined(p, OP_MUL, a, primary(p));
            else if (take(p, "/"))
                a = joined(p, OP_DIV, a, primary(p));
            else
                break;
        }
        return a;
    }
    a = level(p, l + 1);
    while (a != GM_NONE) {
        int i = 0;
        while (ops[l][i].token && !take(p, ops[l][i].token))
            i++;
        if (ops[l][i].token == NULL)
            break;
        a = joined(p, (unsigned)ops[l][i].op, a, level(p, l + 1));
    }
    return a;
}

static uint32_t expr(parser *p) { return level(p, 0); }

static bool parse_statement(parser *p)
{
    statement *now = grown(p->rule->statement, sizeof *now, p->rule->nstatement, &p->rule->max_statement), *s;
    const char *start, *name[GM_WORD_OUTS];
    size_t n[GM_WORD_OUTS];
    uint32_t value;
    statement st;
    if (now == NULL) {
        gm_no_memory(p->err);
        return false;
    }
    p->rule->statement = now;
    memset(&st, 0, sizeof st);
    st.when = GM_NONE;
    st.value = st.turns = GM_NONE;
    st.line = p->line;
    if (take(p, "if")) {
        if ((st.when = expr(p)) == GM_NONE)
            return false;
        if (!take(p, ":"))
            return wrong(p, "expected :") != GM_NONE;
    }
    if (take(p, "for")) {
        if ((st.turns = expr(p)) == GM_NONE)
            return false;
        if (!take(p, ":"))
            return wrong(p, "expected :") != GM_NONE;
    }
    skip(p);
    start = p->p;
    if (st.turns != GM_NONE && (take(p, "return") || take(p, "del"))) {
        p->p = start;
        return wrong(p, "a loop only binds names") != GM_NONE;
    }
    if (take(p, "return")) {
        size_t len;
        const char *x = name_at(p, &len);
        bool called = x && p->p < p->end && *p->p == '(';
        p->p = start;
        if (called) { /* all results of a word */
            take(p, "return");
            st.kind = S_RETURN;
            if ((st.value = expr(p)) == GM_NONE)
                return false;
            if (!at_end(p))
                return wrong(p, "expected the end of the line") != GM_NONE;
            p->rule->statement[p->rule->nstatement++] = st;
            return true;
        }
    }
    if (take(p, "return") || take(p, "del")) {
        bool dropped = p->p[-1] == 'l';
        st.kind = dropped ? S_DROP : S_RETURN;
        do {
            size_t len;
            const char *x = name_at(p, &len);
            uint32_t slot = x ? slot_of(p, x, len, false) : GM_NONE;
            if (slot == GM_NONE)
                return wrong(p, "expected a name that was bound") != GM_NONE;
            if (st.nnames == GM_WORD_OUTS)
                return wrong(p, "too many names") != GM_NONE;
            st.name[st.nnames++] = (uint16_t)slot;
            if (!dropped)
                p->rule->read |= UINT64_C(1) << slot;
        } while (take(p, ","));
    } else {
        unsigned k = 0;
        st.kind = take(p, "once") ? S_ONCE : S_BIND;
        if (st.kind == S_ONCE && st.turns != GM_NONE)
            return wrong(p, "what is made once is not made in a loop") != GM_NONE;
        skip(p);
        start = p->p;
        do {
            if (take(p, "*"))
                st.many = (uint16_t)(st.many | 1u << k);
            name[k] = name_at(p, &n[k]);
            if (name[k] == NULL || ++k == GM_WORD_OUTS)
                break;
        } while (take(p, ","));
        if (k && p->p < p->end && take(p, "=") && (p->p == p->end || *p->p != '=')) {
            for (unsigned i = 0; i < k && st.turns != GM_NONE; i++) /* a turn may be given what the one before has bound */
                slot_of(p, name[i], n[i], true);
            if ((value = expr(p)) == GM_NONE)
                return false;
            for (unsigned i = 0; i < k; i++) {
                uint32_t slot = slot_of(p, name[i], n[i], true);
                if (slot == GM_NONE)
                    return wrong(p, "too many names") != GM_NONE;
                st.name[st.nnames++] = (uint16_t)slot;
            }
        } else {
            p->p = start;
            if ((value = expr(p)) == GM_NONE)
                return false;
        }
        st.value = value;
        if (st.kind == S_ONCE && (st.nnames != 1 || st.many)) {
            p->p = start;
            return wrong(p, "expected one name and its value") != GM_NONE;
        }
    }
    if (!at_end(p))
        return wrong(p, "expected the end of the line") != GM_NONE;
    s = &p->rule->statement[p->rule->nstatement++];
    if (st.kind == S_ONCE)
        p->rule->once = p->rule->nstatement;
    *s = st;
    return true;
}

static bool parse_head(parser *p)
{
    rule *x = p->rule;
    bool attributes = false;
    while (!at_end(p)) {
        size_t n;
        const char *s;
        if (!attributes && take(p, ":")) {
            attributes = true;
            continue;
        }
        s = name_at(p, &n);
        if (s == NULL)
            return wrong(p, attributes ? "expected the name of an attribute" : "expected the name of an operand") != GM_NONE;
        if (slot_of(p, s, n, false) != GM_NONE) {
            p->p = s;
            return wrong(p, "two operands or attributes have this name") != GM_NONE;
        }
        if (slot_of(p, s, n, true) == GM_NONE)
            return wrong(p, "too many names") != GM_NONE;
        if (attributes)
            x->nattr++;
        else {
            x->noperand++;
            if (take(p, "?"))
                x->optional |= UINT64_C(1) << (x->noperand - 1);
            else
                x->needed = x->noperand;
        }
    }
    return true;
}

static parser line_of(gm_rules *r, rule *x, gpumem_error *err)
{
    const char *eol = x->nbody ? memchr(x->body, '\n', x->nbody) : NULL;
    return (parser){.r = r, .rule = x, .p = x->body, .end = eol ? eol : x->body + x->nbody, .start = x->head, .line = x->line, .err = err};
}

static bool parse(gm_rules *r, rule *x, gpumem_error *err)
{
    parser p = line_of(r, x, err); /* its first line has been read already */
    const char *end = x->body + x->nbody;
    x->parsed = true;
    x->bad = true;
    while (p.end < end) {
        const char *eol;
        p.start = p.p = p.end + 1;
        p.line++;
        if (p.start == end)
            break;
        eol = memchr(p.start, '\n', (size_t)(end - p.start));
        p.end = eol ? eol : end;
        if (!at_end(&p) && !parse_statement(&p))
            return false;
    }
    x->bad = false;
    return true;
}

/* A rule of a name that no other one has; head: the line that it begins in. */
static gpumem_status add_rule(gm_rules *r, const char *head, const char *name, size_t nname, const char *body, size_t nbody, uint32_t line, gpumem_error *err)
{
    rule *now = grown(r->rule, sizeof *now, r->nrule, &r->max_rule), *x;
    parser p;
    if (now == NULL)
        return gm_no_memory(err);
    r->rule = now;
    x = &r->rule[r->nrule];
    memset(x, 0, sizeof *x);
    x->name = name;
    x->nname = nname;
    x->body = body;
    x->nbody = nbody;
    x->head = head;
    x->line = line;
    p = line_of(r, x, err);
    if (nname == 0) {
        wrong(&p, "expected a name");
        return GPUMEM_ESYNTAX;
    }
    for (uint32_t i = 0; i < r->nrule; i++)
        if (r->rule[i].nname == nname && memcmp(r->rule[i].name, name, nname) == 0) {
            char why[64];
            snprintf(why, sizeof why, "line %u has a rule of this name already", r->rule[i].line);
            p.p = name;
            wrong(&p, why);
            return GPUMEM_ESYNTAX;
        }
    if (!parse_head(&p))
        return GPUMEM_ESYNTAX;
    r->nrule++;
    return GPUMEM_OK;
}

static bool blank(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    return p == end || *p == '#';
}

gpumem_status gm_rules_new(const char *text, size_t n, const char *file, gm_rules **out, gpumem_error *err)
{
    gm_rules *r = calloc(1, sizeof *r);
    const char *end = text + n;
    uint32_t line = 1;
    gpumem_status s = GPUMEM_OK;
    *out = NULL;
    if (r == NULL)
        return gm_no_memory(err);
    r->file = file;
    for (const char *p = text; s == GPUMEM_OK && p < end;) {
        const char *name = p + 5, *next = p;
        size_t len = 0;
        uint32_t lines = 0;
        bool begins = (size_t)(end - p) > 5 && memcmp(p, "rule ", 5) == 0;
        do { /* up to the next one */
            const char *eol = memchr(next, '\n', (size_t)(end - next));
            next = eol ? eol + 1 : end;
            lines++;
        } while (begins && next < end && ((size_t)(end - next) <= 5 || memcmp(next, "rule ", 5) != 0));
        while (begins && name + len < next && !isspace((unsigned char)name[len]) && name[len] != ':')
            len++;
        if (begins)
            s = add_rule(r, p, name, len, name + len, (size_t)(next - name) - len, line, err);
        else if (!blank(p, next))
            s = gm_fail(err, GPUMEM_ESYNTAX, file, line, 1, "expected 'rule' and its name");
        p = next;
        line += lines;
    }
    if (s != GPUMEM_OK)
        gm_rules_free(r);
    else
        *out = r;
    return s;
}

uint32_t gm_rules_find(gm_rules *r, const char *name, gpumem_error *err)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < r->nrule; i++)
        if (r->rule[i].nname == n && memcmp(r->rule[i].name, name, n) == 0) {
            if (!r->rule[i].parsed && !parse(r, &r->rule[i], err))
                return GM_NONE;
            return r->rule[i].bad ? GM_NONE : i;
        }
    return GM_NONE;
}

uint32_t gm_rules_add(gm_rules *r, const char *name, const char *text, gpumem_error *err)
{
    for (uint32_t i = 0; i < r->nrule; i++)
        if (r->rule[i].body == text)
            return r->rule[i].bad ? GM_NONE : i;
    if (add_rule(r, text, name, strlen(name), text, strlen(text), 1, err) != GPUMEM_OK)
        return GM_NONE;
    return parse(r, &r->rule[r->nrule - 1], err) ? r->nrule - 1 : GM_NONE;
}

bool gm_rules_read(const gm_rules *r, uint32_t at, unsigned operand)
{
    if (at == GM_NONE) /* who knows */
        return true;
    return operand < r->rule[at].noperand && (r->rule[at].read >> operand & 1);
}

/* ---- running ---- */

typedef struct run { gm_rules *r; gm_tape *t; uint32_t rule; gm_arg *v; unsigned depth; uint32_t line; unsigned nmeta; const gm_meta *meta; } run;

static void drop(gm_tape *t, gm_arg *a)
{
    if (a->type == GM_ARG_TENSOR)
        gm_tv_unref(t, a->tv);
    else if (a->type == GM_ARG_MANY)
        gm_list_unref(t, a->tv);
    a->type = GM_ARG_NONE;
}

static void failed(run *x, const char *why)
{
    char text[160];
    const rule *u = &x->r->rule[x->rule];
    if (x->t->failed)
        return;
    snprintf(text, sizeof text, "rule %.*s, line %u: %s", (int)u->nname, u->name, x->line, why);
    gm_tape_fail(x->t, GPUMEM_EINVAL, text);
}

static bool eval(run *x, uint32_t at, gm_arg *out);

static bool size_at(run *x, uint32_t at, gm_ext *out)
{
    gm_arg a;
    if (!eval(x, at, &a))
        return false;
    if (a.type != GM_ARG_SIZE) {
        drop(x->t, &a);
        failed(x, "expected a size");
        return false;
    }
    *out = a.size;
    return true;
}

static bool truth(run *x, uint32_t at, bool *yes)
{
    gm_ext e;
    if (!size_at(x, at, &e))
        return false;
    *yes = e.num != 0;
    return true;
}

static bool binary(run *x, const expression *e, gm_arg *out)
{
    gm_ext a, b, r = gm_ext_of(0);
    bool yes, ok = true;
    int c;
    out->type = GM_ARG_SIZE;
    if (e->op == OP_AND || e->op == OP_OR) {
        if (!truth(x, e->arg[0], &yes))
            return false;
        if (yes == (e->op == OP_AND) && !truth(x, e->arg[1], &yes))
            return false;
        out->size = gm_ext_of(yes);
        return true;
    }
    if (!size_at(x, e->arg[0], &a) || !size_at(x, e->arg[1], &b))
        return false;
    c = gm_ext_compare(a, b);
    switch (e->op) {
    case OP_MUL: ok = gm_ext_mul(a, b, &r); break;
    case OP_DIV: ok = gm_ext_div(a, b, &r); break;
    case OP_ADD: ok = gm_ext_derive(x->t->symbols, GPUMEM_SYM_ADD, a, b, &r); break;
    case OP_SUB: ok = gm_ext_derive(x->t->symbols, GPUMEM_SYM_SUB, a, b, &r); break;
    case OP_EQ: r.num = c == 0; break;
    case OP_NE: r.num = c != 0; break;
    case OP_LT: r.num = c == -1; break;
    case OP_LE: r.num = c == -1 || c == 0; break;
    case OP_GT: r.num = c == 1; break;
    default: r.num = c == 1 || c == 0; break;
    }
    if (!ok)
        failed(x, "a size that cannot be computed");
    out->size = r;
    return ok;
}

static unsigned enter(run *x, uint32_t rule, unsigned n, gm_arg *arg, uint32_t *out);

/* NAME.*: the rule NAME.VARIANT of the operator that runs, else the rule NAME. */
static uint32_t varied(run *x, const expression *e)
{
    char name[128];
    gpumem_error err = {0};
    uint32_t at = GM_NONE;
    for (int i = x->t->variant ? 0 : 1; i < 2 && at == GM_NONE && err.status == GPUMEM_OK; i++) {
        snprintf(name, sizeof name, "%.*s%s%.60s", (int)(e->number < 60 ? e->number : 60), e->varied, i ? "" : ".", i ? "" : x->t->variant);
        at = gm_rules_find(x->r, name, &err);
    }
    if (err.status == GPUMEM_ENOMEM)
        gm_tape_fail(x->t, GPUMEM_ENOMEM, err.message);
    else if (at == GM_NONE)
        failed(x, "there is no rule for this operator's variant");
    return at;
}

/* moved: a turn of a loop, whose rule is given what it binds again; or NULL. */
static unsigned call(run *x, const expression *e, const statement *moved, uint32_t *out)
{
    gm_arg a[GM_WORD_ARGS];
    unsigned n = 0, nout = 0;
    for (; n < e->nargs; n++)
        if (!eval(x, e->arg[n], &a[n]))
            break;
    if (n == e->nargs) {
        if (e->kind == E_WORD) {
            bool ok = true;
            for (unsigned i = 0; i < n; i++)
                ok &= a[i].type != GM_ARG_TENSOR || a[i].tv != GM_NONE;
            if (ok)
                nout = gm_word_run(x->t, e->at, n, a, out);
            if (x->t->failed && x->t->why[0] && strncmp(x->t->why, "rule ", 5) != 0) {
                char why[100];
                gpumem_status status = x->t->status;
                snprintf(why, sizeof why, "%.99s", x->t->why);
                x->t->failed = false;
                failed(x, why);
                x->t->status = status;
            }
        } else {
            for (unsigned i = 0; moved && i < n; i++)
                for (unsigned k = 0; k < moved->nnames; k++)
                    if (x->r->e[e->arg[i]].kind == E_NAME && x->r->e[e->arg[i]].at == moved->name[k] && !(moved->many >> k & 1)) {
                        gm_arg old = x->v[moved->name[k]];
                        memset(&x->v[moved->name[k]], 0, sizeof old);
                        drop(x->t, &old);
                    }
            return enter(x, e->kind == E_RULE ? e->at : varied(x, e), n, a, out); /* takes its arguments */
        }
    }
    while (n-- > 0)
        drop(x->t, &a[n]);
    return nout;
}

static bool eval(run *x, uint32_t at, gm_arg *out)
{
    const expression e = x->r->e[at]; /* rules that are called may be parsed first, and expressions move */
    uint32_t made[GM_WORD_OUTS];
    const gm_arg *v;
    unsigned n;
    int64_t i;
    gm_ext a, b;
    bool yes;
    memset(out, 0, sizeof *out);
    if (x->t->stop)
        return false;
    switch (e.kind) {
    case E_NUMBER:
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of((uint64_t)e.number);
        return true;
    case E_NAME:
        *out = x->v[e.at];
        if (out->type == GM_ARG_TENSOR)
            gm_tv_ref(x->t, out->tv);
        else if (out->type == GM_ARG_MANY)
            x->t->list[out->tv].refs++;
        return true;
    case E_WORD:
    case E_RULE:
    case E_VARIED:
        n = call(x, &e, NULL, made);
        if (n == 0 && !x->t->stop)
            failed(x, "a word that makes nothing is used as a value");
        for (unsigned k = x->t->stop ? 0 : 1; k < n; k++)
            gm_tv_unref(x->t, made[k]);
        out->type = x->t->stop ? GM_ARG_NONE : GM_ARG_TENSOR;
        out->tv = n ? made[0] : GM_NONE;
        return !x->t->stop;
    case E_LIST:
        out->type = GM_ARG_LIST;
        for (unsigned k = 0; k < e.nargs; k++) {
            if (k == GM_TV_DIMS) {
                failed(x, "a shape has too many dimensions");
                return false;
            }
            if (!size_at(x, e.arg[k], &out->list[k]))
                return false;
            out->n++;
        }
        out->size = out->list[0];
        return true;
    case E_DIM:
        v = &x->v[e.at];
        if (v->type != GM_ARG_TENSOR) {
            failed(x, "a dimension of what is no tensor");
            return false;
        }
        if (!size_at(x, e.arg[0], &a))
            return false;
        i = (int64_t)a.num;
        i = i < 0 ? i + x->t->tv[v->tv].ndim : i;
        if (i < 0 || i >= x->t->tv[v->tv].ndim) {
            failed(x, "a dimension that a tensor does not have");
            return false;
        }
        out->type = GM_ARG_SIZE;
        out->size = x->t->tv[v->tv].dim[i];
        return true;
    case E_BINARY: return binary(x, &e, out);
    case E_NOT:
        if (!truth(x, e.arg[0], &yes))
            return false;
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(!yes);
        return true;
    case E_DERIVED:
        if (!size_at(x, e.arg[0], &a) || !size_at(x, e.arg[1], &b))
            return false;
        out->type = GM_ARG_SIZE;
        if (gm_ext_derive(x->t->symbols, e.op, a, b, &out->size)) {
            if (e.op == GPUMEM_SYM_CEILDIV)
                gm_turns_noted(x->t, out->size);
            return true;
        }
        failed(x, "a size that cannot be computed");
        return false;
    case E_DESCRIBED:
        if (!size_at(x, e.arg[0], &a))
            return false;
        if (a.num >= x->nmeta) {
            failed(x, "the operator describes no such result");
            return false;
        }
        out->type = GM_ARG_TENSOR;
        out->tv = gm_tv_new(x->t, x->meta[a.num].ndim, x->meta[a.num].dim, x->meta[a.num].dtype);
        return !x->t->stop;
    case E_DESCRIBED_IN: /* the first result, in another dtype */
        if (!size_at(x, e.arg[0], &a))
            return false;
        if (x->nmeta == 0) {
            failed(x, "the operator describes no result");
            return false;
        }
        out->type = GM_ARG_TENSOR;
        out->tv = gm_tv_new(x->t, x->meta[0].ndim, x->meta[0].dim, (uint32_t)a.num);
        return !x->t->stop;
    case E_AS_DESCRIBED: {
        gm_arg y;
        if (!eval(x, e.arg[0], &y))
            return false;
        if (y.type != GM_ARG_TENSOR || x->nmeta == 0) {
            failed(x, "expected a tensor");
            return false;
        }
        if (!x->t->tv[y.tv].grad) { /* any part of it, or the same more than once */
            made[0] = gm_tv_alias(x->t, y.tv);
            n = made[0] != GM_NONE;
            if (n) {
                gm_tv *v2 = &x->t->tv[made[0]];
                v2->ndim = x->meta[0].ndim;
                memcpy(v2->dim, x->meta[0].dim, sizeof v2->dim);
                gm_contiguous_strides(x->t, v2->ndim, v2->dim, v2->stride);
            }
        } else {
            gm_arg shaped[2] = {y, {.type = GM_ARG_LIST, .n = x->meta[0].ndim}};
            memcpy(shaped[1].list, x->meta[0].dim, sizeof x->meta[0].dim);
            n = gm_word_run(x->t, gm_word_find("view", 4), 2, shaped, made);
        }
        drop(x->t, &y);
        out->type = n ? GM_ARG_TENSOR : GM_ARG_NONE;
        out->tv = n ? made[0] : GM_NONE;
        return !x->t->stop;
    }
    case E_FITS: { /* can the one be broadcast to the other? */
        gm_arg y[2];
        yes = true;
        if (!eval(x, e.arg[0], &y[0]))
            return false;
        if (!eval(x, e.arg[1], &y[1])) {
            drop(x->t, &y[0]);
            return false;
        }
        for (unsigned k = 1; y[0].type == GM_ARG_TENSOR && y[1].type == GM_ARG_TENSOR; k++) {
            const gm_tv *p = &x->t->tv[y[0].tv], *q = &x->t->tv[y[1].tv];
            if (k > p->ndim || k > q->ndim)
                break;
            yes &= gm_ext_same(p->dim[p->ndim - k], q->dim[q->ndim - k]) || gm_ext_is_one(p->dim[p->ndim - k]) || gm_ext_is_one(q->dim[q->ndim - k]);
        }
        drop(x->t, &y[1]);
        drop(x->t, &y[0]);
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(yes);
        return true;
    }
    case E_DESCRIBED_SIZES:
        out->type = GM_ARG_LIST;
        for (unsigned k = 0; k < x->nmeta && k < GM_TV_DIMS; k++)
            out->list[out->n++] = x->meta[k].dim[x->meta[k].ndim - 1];
        out->size = out->list[0];
        return true;
    case E_DESCRIBED_DTYPE:
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(x->nmeta ? x->meta[0].dtype : 0);
        return true;
    case E_AUTOCAST_DTYPE:
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(x->t->low);
        return true;
    case E_HALF: /* none of the formats that are always there */
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(gpumem_format_find(x->t->format, x->t->nformat, "f16"));
        return true;
    case E_PAST:
        out->type = GM_ARG_SIZE;
        out->size = x->t->past;
        return true;
    case E_FIXED:
        out->type = GM_ARG_SIZE;
        out->size = x->t->fixed ? x->t->limit : gm_ext_of(0);
        return true;
    case E_CACHING:
    case E_LAST_ONLY:
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(e.kind == E_CACHING ? x->t->caching : x->t->last_only);
        return true;
    case E_TRAINING:
    case E_AUTOCAST:
    case E_CHECKPOINTING:
        out->type = GM_ARG_SIZE;
        out->size = gm_ext_of(e.kind == E_TRAINING ? x->t->training : e.kind == E_AUTOCAST ? x->t->low != GM_NONE : x->t->checkpointing);
        return true;
    default: { /* of a tensor */
        gm_arg y;
        if (!eval(x, e.arg[0], &y))
            return false;
        out->type = GM_ARG_SIZE;
        if (e.kind == E_HAS)
            out->size = gm_ext_of(y.type == GM_ARG_TENSOR);
        else if (y.type != GM_ARG_TENSOR)
            failed(x, "expected a tensor");
        else if (e.kind == E_DTYPE)
            out->size = gm_ext_of(x->t->tv[y.tv].dtype);
        else if (e.kind == E_GRAD)
            out->size = gm_ext_of(x->t->tv[y.tv].grad);
        else if (e.kind == E_NDIM)
            out->size = gm_ext_of(x->t->tv[y.tv].ndim);
        else
            out->size = gm_tv_elements(x->t, y.tv);
        drop(x->t, &y);
        return !x->t->failed;
    }
    }
}

/* NAMES = VALUE */
static bool bind(run *x, const statement *s, uint32_t loop, bool turn)
{
    const expression e = x->r->e[s->value];
    uint32_t made[GM_WORD_OUTS];
    unsigned n;
    gm_arg v, old;
    if (e.kind != E_WORD && e.kind != E_RULE && e.kind != E_VARIED) {
        if (!eval(x, s->value, &v))
            return false;
        if (s->nnames == 0) {
            drop(x->t, &v);
            return true;
        }
        old = x->v[s->name[0]];
        x->v[s->name[0]] = v;
        drop(x->t, &old);
        return true;
    }
    n = call(x, &e, turn ? s : NULL, made);
    if (x->t->stop) {
        for (unsigned k = 0; k < n; k++)
            gm_tv_unref(x->t, made[k]);
        return false;
    }
    if (n < s->nnames)
        failed(x, "more names than results");
    for (unsigned k = 0; k < n; k++) {
        gm_arg *to = k < s->nnames ? &x->v[s->name[k]] : NULL;
        if (to && s->many >> k & 1) {
            if (to->type != GM_ARG_MANY) {
                drop(x->t, to);
                *to = (gm_arg){.type = GM_ARG_MANY, .tv = gm_list_new(x->t, loop)};
            }
            if (to->tv != GM_NONE)
                gm_list_add(x->t, to->tv, made[k]);
        } else if (to) {
            old = *to;
            *to = (gm_arg){.type = GM_ARG_TENSOR, .tv = made[k]};
            drop(x->t, &old);
        } else
            gm_tv_unref(x->t, made[k]);
    }
    return true;
}

/* for N: NAMES = VALUE */
static bool repeat(run *x, const statement *s)
{
    gm_tape *t = x->t;
    gm_ext n;
    uint32_t loop, label = t->looping;
    uint8_t turn = t->turn;
    bool ok = size_at(x, s->turns, &n);
    if (!ok)
        return false;
    loop = gm_loop_new(t, n);
    if (t->failed)
        return false;
    for (uint64_t i = 0; ok && i < (loop == GM_NONE ? n.num : GM_LOOP_WALKED); i++) {
        if (loop != GM_NONE) {
            t->looping = loop + 1;
            t->turn = (uint8_t)i;
        }
        if (loop != GM_NONE && i == 1)
            gm_loop_enter(t, loop);
        ok = bind(x, s, loop, true);
        if (loop != GM_NONE && i == 1 && !t->failed)
            gm_loop_leave(t, loop);
    }
    t->looping = label;
    t->turn = turn;
    return ok;
}

static unsigned body(run *x, uint32_t *out)
{
    const rule *u = &x->r->rule[x->rule];
    for (uint32_t i = 0; i < (x->t->ahead ? u->once : u->nstatement) && !x->t->stop; i++) {
        const statement s = x->r->rule[x->rule].statement[i];
        unsigned n;
        bool yes = true;
        x->line = s.line;
        if (s.when != GM_NONE && !truth(x, s.when, &yes))
            return 0;
        if (!yes)
            continue;
        if (s.kind == S_RETURN && s.value != GM_NONE) {
            const expression e = x->r->e[s.value];
            if (e.kind != E_WORD && e.kind != E_RULE && e.kind != E_VARIED) {
                gm_arg v;
                if (!eval(x, s.value, &v))
                    return 0;
                out[0] = v.tv;
                if (v.type == GM_ARG_TENSOR && v.tv != GM_NONE)
                    return 1;
                drop(x->t, &v);
                failed(x, "returns what is no tensor");
                return 0;
            }
            n = call(x, &e, NULL, out);
            for (unsigned k = 0; x->t->stop && k < n; k++)
                gm_tv_unref(x->t, out[k]);
            return x->t->stop ? 0 : n;
        }
        if (s.kind == S_ONCE) {
            const rule *now = &x->r->rule[x->rule];
            gm_arg v, *to = &x->v[s.name[0]];
            struct gm_once *o = NULL;
            for (uint32_t k = 0; k < x->t->nonce; k++)
                if (x->t->once[k].nname == now->nnames[s.name[0]] && memcmp(x->t->once[k].name, now->names[s.name[0]], now->nnames[s.name[0]]) == 0)
                    o = &x->t->once[k];
            if (o == NULL) {
                if (x->t->nonce == sizeof x->t->once / sizeof *x->t->once) {
                    failed(x, "too many tensors are made once");
                    return 0;
                }
                if (!eval(x, s.value, &v))
                    return 0;
                if (v.type != GM_ARG_TENSOR) {
                    drop(x->t, &v);
                    failed(x, "expected a tensor");
                    return 0;
                }
                o = &x->t->once[x->t->nonce++];
                *o = (struct gm_once){now->names[s.name[0]], now->nnames[s.name[0]], v.tv, false};
            }
            o->used = true;
            drop(x->t, to);
            *to = (gm_arg){.type = GM_ARG_TENSOR, .tv = gm_tv_ref(x->t, o->tv)};
            continue;
        }
        if (s.kind == S_RETURN) {
            for (unsigned k = 0; k < s.nnames; k++) {
                gm_arg *v = &x->v[s.name[k]];
                if (v->type != GM_ARG_TENSOR) {
                    failed(x, "returns what is no tensor");
                    return 0;
                }
                out[k] = gm_tv_ref(x->t, v->tv);
            }
            return s.nnames;
        }
        if (s.kind == S_DROP) {
            for (unsigned k = 0; k < s.nnames; k++)
                drop(x->t, &x->v[s.name[k]]);
            continue;
        }
        if (s.turns != GM_NONE ? !repeat(x, &s) : !bind(x, &s, GM_NONE, false))
            return 0;
    }
    return 0;
}

typedef struct bound { gm_arg v[MAX_NAMES]; } bound;

static void bound_drop(gm_tape *t, bound *names)
{
    for (unsigned i = 0; i < MAX_NAMES; i++)
        drop(t, &names->v[i]);
}

#define MAX_DEPTH 16
static unsigned enter(run *x, uint32_t at, unsigned n, gm_arg *arg, uint32_t *out)
{
    gpumem_error err;
    bound names;
    run inner = {x->r, x->t, at, names.v, x->depth + 1, 0, x->nmeta, x->meta};
    rule *u;
    unsigned nout = 0;
    if (at == GM_NONE) {
        for (unsigned i = 0; i < n; i++)
            drop(x->t, &arg[i]);
        return 0;
    }
    u = &x->r->rule[at];
    memset(&names, 0, sizeof names);
    memset(&err, 0, sizeof err);
    if (u->parsed ? u->bad : !parse(x->r, u, &err)) {
        if (err.status == GPUMEM_ENOMEM)
            gm_tape_fail(x->t, GPUMEM_ENOMEM, err.message);
        else
            failed(x, "the rule that it calls cannot be read");
    }
    else if (inner.depth > MAX_DEPTH)
        failed(x, "rules call one another without end");
    else if (n > u->noperand + u->nattr || n < u->needed)
        failed(x, "a rule is given too few or too many arguments");
    u = &x->r->rule[at];
    for (unsigned i = 0; i < n; i++) {
        if (x->t->failed || i >= MAX_NAMES)
            drop(x->t, &arg[i]);
        else
            names.v[i] = arg[i];
    }
    for (unsigned i = n; i < u->noperand + u->nattr; i++)
        if (i >= u->noperand)
            names.v[i] = (gm_arg){.type = GM_ARG_SIZE, .size = gm_ext_of(0)};
    if (!x->t->failed)
        nout = body(&inner, out);
    bound_drop(x->t, &names);
    return nout;
}

bool gm_rule_has_once(const gm_rules *r, uint32_t at) { return r->rule[at].once != 0; }

unsigned gm_rule_run(gm_rules *r, gm_tape *t, uint32_t at, unsigned nin, const uint32_t *in, uint32_t taken, unsigned nattr, const uint32_t *attr,
                     unsigned nmeta, const gm_meta *meta, uint32_t *out)
{
    bound names;
    run x = {r, t, at, names.v, 0, 0, nmeta, meta};
    const rule *u = &r->rule[at];
    unsigned n;
    memset(&names, 0, sizeof names);
    for (unsigned i = 0; i < nin && i < u->noperand; i++)
        if (in[i] != GM_NONE)
            names.v[i] = (gm_arg){.type = GM_ARG_TENSOR, .tv = taken >> i & 1 ? in[i] : gm_tv_ref(t, in[i])};
    for (unsigned i = 0; i < u->nattr; i++)
        names.v[u->noperand + i] = (gm_arg){.type = GM_ARG_SIZE, .size = gm_ext_of(i < nattr ? attr[i] : 0)};
    if (nin > u->noperand)
        failed(&x, "an operator has more operands than its rule");
    for (unsigned i = 0; i < u->noperand; i++)
        if (names.v[i].type == GM_ARG_NONE && !(u->optional >> i & 1))
            failed(&x, "an operator lacks an operand of its rule");
    n = t->failed ? 0 : body(&x, out);
    bound_drop(t, &names);
    return n;
}
