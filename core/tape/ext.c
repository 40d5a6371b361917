#include "tape/ext.h"
#include "base/checked.h"
#include <string.h>

bool gm_ext_same(gm_ext a, gm_ext b)
{
    return a.num == b.num && memcmp(a.sym, b.sym, sizeof a.sym) == 0;
}

gm_ext gm_ext_symbol(const gm_symbols *s, uint64_t num, unsigned sym)
{
    gm_ext e = {num, {0}};
    uint64_t times = sym && s->known[sym] ? s->known[sym] : sym && sym == s->whole ? s->most : 1;
    if (gm_mul_u64(num, times, &e.num))
        e.num = UINT64_MAX;
    if (sym && !s->known[sym])
        e.sym[0] = sym == s->whole ? s->unit : (uint8_t)sym;
    return e;
}

bool gm_ext_mul(gm_ext a, gm_ext b, gm_ext *out)
{
    gm_ext r = {0, {0}};
    int i = 0, k = 0, n = 0;
    if (gm_mul_u64(a.num, b.num, &r.num))
        return false;
    while ((i < GM_EXT_SYMS && a.sym[i]) || (k < GM_EXT_SYMS && b.sym[k])) {
        uint8_t x = i < GM_EXT_SYMS ? a.sym[i] : 0, y = k < GM_EXT_SYMS ? b.sym[k] : 0;
        if (n == GM_EXT_SYMS)
            return false;
        r.sym[n++] = x >= y ? x : y;
        if (x >= y)
            i++;
        else
            k++;
    }
    *out = r;
    return true;
}

bool gm_ext_div(gm_ext a, gm_ext b, gm_ext *out)
{
    gm_ext r = {0, {0}};
    int k = 0, n = 0;
    if (b.num == 0 || a.num % b.num != 0)
        return false;
    r.num = a.num / b.num;
    for (int i = 0; i < GM_EXT_SYMS && a.sym[i]; i++) {
        if (k < GM_EXT_SYMS && b.sym[k] == a.sym[i])
            k++;
        else
            r.sym[n++] = a.sym[i];
    }
    if (k < GM_EXT_SYMS && b.sym[k])
        return false;
    *out = r;
    return true;
}

int gm_ext_compare(gm_ext a, gm_ext b)
{
    gm_ext r;
    if (gm_ext_same(a, b))
        return 0;
    if (a.num == 0 || b.num == 0)
        return a.num ? 1 : -1;
    if (memcmp(a.sym, b.sym, sizeof a.sym) == 0)
        return a.num < b.num ? -1 : 1;
    r = a;
    r.num = b.num;
    if (gm_ext_div(r, b, &r) && a.num >= b.num)
        return 1;
    r = b;
    r.num = a.num;
    if (gm_ext_div(r, a, &r) && b.num >= a.num)
        return -1;
    return 2;
}

/* The symbol that stands for e alone; 0: none can. */
static uint8_t symbol_of(gm_symbols *s, gm_ext e, uint32_t *k)
{
    uint8_t at = e.sym[0];
    *k = 0;
    if (s->whole && e.num == s->most && e.sym[0] == s->unit && !e.sym[1])
        return s->whole;
    if (gm_ext_constant(&e)) {
        *k = e.num <= 0xffffffffu ? (uint32_t)e.num : 0;
        return 0;
    }
    for (int i = 1; i < GM_EXT_SYMS && e.sym[i]; i++) {
        gm_ext x = {1, {at}}, y = {1, {e.sym[i]}};
        if (!gm_ext_derive(s, GPUMEM_SYM_MUL, x, y, &x))
            return 0;
        at = x.sym[0];
    }
    if (e.num != 1) {
        gm_ext x = {1, {at}};
        if (!gm_ext_derive(s, GPUMEM_SYM_MUL, x, gm_ext_of(e.num), &x))
            return 0;
        at = x.sym[0];
    }
    return at;
}

uint8_t gm_ext_one_symbol(gm_symbols *s, gm_ext e)
{
    uint32_t k;
    return symbol_of(s, e, &k);
}

static uint64_t constant(unsigned op, uint64_t a, uint64_t b)
{
    switch (op) {
    case GPUMEM_SYM_MIN: return a < b ? a : b;
    case GPUMEM_SYM_MAX: return a > b ? a : b;
    case GPUMEM_SYM_CEILDIV: return b ? a / b + (a % b != 0) : 0;
    case GPUMEM_SYM_ADD: return a + b;
    case GPUMEM_SYM_SUB: return a > b ? a - b : 0;
    default: return a * b;
    }
}

bool gm_ext_derive(gm_symbols *s, unsigned op, gm_ext a, gm_ext b, gm_ext *out)
{
    uint32_t k, unused, i;
    uint8_t x, y;
    if (gm_ext_constant(&a) && gm_ext_constant(&b)) {
        *out = gm_ext_of(constant(op, a.num, b.num));
        return true;
    }
    if (gm_ext_constant(&a) && op != GPUMEM_SYM_SUB && op != GPUMEM_SYM_CEILDIV) {
        gm_ext t = a;
        a = b;
        b = t;
    }
    if (op == GPUMEM_SYM_ADD && !gm_ext_constant(&b) && memcmp(a.sym, b.sym, sizeof a.sym) == 0) {
        *out = a;
        out->num = a.num + b.num;
        return true;
    }
    if (op == GPUMEM_SYM_CEILDIV && gm_ext_div(a, b, out))
        return true;
    x = symbol_of(s, a, &unused);
    y = symbol_of(s, b, &k);
    if (x == 0)
        return false;
    if (x == s->small && y == 0 && k >= s->most && (op == GPUMEM_SYM_CEILDIV || op == GPUMEM_SYM_MIN)) {
        *out = op == GPUMEM_SYM_MIN ? a : gm_ext_of(1);
        return true;
    }
    for (i = 0; i < s->n; i++)
        if (s->sym[i].op == op && s->sym[i].a == x && s->sym[i].b == y && s->sym[i].k == k)
            break;
    if (i == GM_MAX_SYMBOLS)
        return false;
    if (i == s->n)
        s->sym[s->n++] = (gpumem_symbol){(uint8_t)op, x, y, 0, k, NULL};
    *out = (gm_ext){1, {(uint8_t)i}};
    return true;
}

void gm_symbols_know(gm_symbols *s)
{
    for (uint32_t i = 1; i < s->n; i++) {
        const gpumem_symbol *y = &s->sym[i];
        uint64_t a = s->known[y->a], b = y->b ? s->known[y->b] : y->k;
        if (y->op != GPUMEM_SYM_INPUT && a && b)
            s->known[i] = constant(y->op, a, b);
        else if (y->op == GPUMEM_SYM_CEILDIV && y->a == s->small && s->small && y->b == 0 && y->k >= s->most)
            s->known[i] = 1;
    }
}
