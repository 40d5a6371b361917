#include "tape/rules_tree.h"
#include "base/error.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool is(const char *s, size_t n, const char *name) { return strlen(name) == n && memcmp(s, name, n) == 0; }

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
    if (!make || x->nname_all == GM_RULE_NAMES || n > 255)
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

/* Names that no rule has to bind. */
static const struct { const char *name; int kind, number; } bare[] = {
    {"f32", E_NUMBER, GPUMEM_FORMAT_F32}, {"bf16", E_NUMBER, GPUMEM_FORMAT_BF16}, {"i64", E_NUMBER, GPUMEM_FORMAT_I64}, {"i32", E_NUMBER, GPUMEM_FORMAT_I32},
    {"bool", E_NUMBER, GPUMEM_FORMAT_BOOL}, {"c64", E_NUMBER, GPUMEM_FORMAT_C64}, {"f16", E_HALF, 0}, {"training", E_TRAINING, 0}, {"checkpointing", E_CHECKPOINTING, 0},
    {"autocast", E_AUTOCAST, 0}, {"autocast_dtype", E_AUTOCAST_DTYPE, 0}, {"caching", E_CACHING, 0}, {"fixed", E_FIXED, 0}, {"last_only", E_LAST_ONLY, 0},
    {"past", E_PAST, 0}, {"described_dtype", E_DESCRIBED_DTYPE, 0}, {"described_sizes", E_DESCRIBED_SIZES, 0}};
static const struct { const char *name; int kind, op; unsigned nargs; } own[] = {
    {"has", E_HAS, 0, 1}, {"dtype", E_DTYPE, 0, 1}, {"grad", E_GRAD, 0, 1}, {"ndim", E_NDIM, 0, 1}, {"numel", E_NUMEL, 0, 1},
    {"ceil", E_DERIVED, GPUMEM_SYM_CEILDIV, 2}, {"min", E_DERIVED, GPUMEM_SYM_MIN, 2}, {"max", E_DERIVED, GPUMEM_SYM_MAX, 2}, {"fits", E_FITS, 0, 2}, {"seen", E_SEEN, 0, 1},
    {"described", E_DESCRIBED, 0, 1}, {"described_in", E_DESCRIBED_IN, 0, 1}, {"as_described", E_AS_DESCRIBED, 0, 1}};

static uint32_t named(parser *p, const char *s, size_t n)
{
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
    if (slot < GM_RULE_NAMES)
        p->rule->read |= UINT64_C(1) << slot;
    if (p->p < p->end && *p->p == '(') {
        unsigned word = gm_word_find(s, n);
        uint32_t found = GM_NONE;
        p->p++;
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (is(s, n, own[i].name)) {
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
        if (is(s, n, "detach")) /* no gradient comes from there */
            p->rule->read = read;
        p->r->e[at].at = (uint16_t)(word ? word : found);
        if (word ? !gm_word_takes(word, p->r->e[at].nargs)
                 : p->r->e[at].nargs < p->r->rule[found].needed || p->r->e[at].nargs > p->r->rule[found].noperand + p->r->rule[found].nattr)
            return wrong(p, "another number of arguments was expected");
        return at;
    }
    if (slot == GM_NONE) {
        for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
            if (is(s, n, bare[i].name)) {
                at = node(p, (unsigned)bare[i].kind);
                if (at != GM_NONE)
                    p->r->e[at].number = bare[i].number;
                return at;
            }
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

bool gm_rule_parse(gm_rules *r, rule *x, gpumem_error *err)
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
            if (!r->rule[i].parsed && !gm_rule_parse(r, &r->rule[i], err))
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
    return gm_rule_parse(r, &r->rule[r->nrule - 1], err) ? r->nrule - 1 : GM_NONE;
}

bool gm_rules_read(const gm_rules *r, uint32_t at, unsigned operand)
{
    if (at == GM_NONE) /* who knows */
        return true;
    return operand < r->rule[at].noperand && (r->rule[at].read >> operand & 1);
}
