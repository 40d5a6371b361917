/* A tape that writes down what happens on it: "+24 +8 -24" in bytes, with marks between. */
#ifndef GM_TEST_TAPE_H
#define GM_TEST_TAPE_H

#include "../suite.h"
#include "tape/rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gpumem_format formats[GPUMEM_NFORMATS] = {{"f32", 1, {{1, 1, 32, 0}}}, {"i64", 1, {{1, 1, 64, 0}}}, {"i32", 1, {{1, 1, 32, 0}}}, {"bool", 1, {{1, 1, 8, 0}}},
                                                       {"bf16", 1, {{1, 1, 16, 0}}}, {"c64", 1, {{1, 1, 64, 0}}}, {"u8", 1, {{1, 1, 8, 0}}}};
#define F32 GPUMEM_FORMAT_F32
#define I64 GPUMEM_FORMAT_I64
#define BF16 GPUMEM_FORMAT_BF16

static gm_tape tape;
static gm_symbols symbols;
static gm_rules *rules;
static gpumem_error rules_error;
static char events[1 << 14];

static inline void note(const char *s)
{
    size_t n = strlen(events);
    ck_assert_uint_lt(n + strlen(s) + 2, sizeof events);
    snprintf(events + n, sizeof events - n, "%s%s", n ? " " : "", s);
}

static inline void heard(void *self, gm_tape *t, uint32_t storage, int sign)
{
    const gpumem_count *c = &t->atom[t->storage[storage].atom].count;
    char s[80];
    int n = snprintf(s, sizeof s, "%c%llu", sign > 0 ? '+' : '-', (unsigned long long)(c->num / c->den));
    for (int i = 0; i < 4 && c->sym[i]; i++)
        n += snprintf(s + n, sizeof s - (size_t)n, "*%s", symbols.sym[c->sym[i]].name ? symbols.sym[c->sym[i]].name : "?");
    note(s);
    (void)self;
}

static inline void drop_own(void *walk, uint32_t tv, int32_t rep)
{
    gm_tv_unref(&tape, tv);
    (void)walk;
    (void)rep;
}

static inline void tape_open(void)
{
    memset(&symbols, 0, sizeof symbols);
    symbols.n = 3;
    symbols.known[0] = 1;
    symbols.sym[1] = (gpumem_symbol){GPUMEM_SYM_INPUT, 0, 0, 0, 0, "B"};
    symbols.sym[2] = (gpumem_symbol){GPUMEM_SYM_INPUT, 0, 0, 0, 0, "S"};
    tape = (gm_tape){.symbols = &symbols, .format = formats, .nformat = GPUMEM_NFORMATS, .low = GM_NONE, .rounding = 1, .packing = GM_NONE, .replaying = GM_NONE,
                     .rep = -1, .event = heard, .drop_own = drop_own, .grad_mode = true, .training = true};
    events[0] = '\0';
}

static inline void tape_close(void)
{
    gm_tape_free(&tape);
    gm_rules_free(rules);
    rules = NULL;
}

/* Rules that can be read; the first one's number. */
static inline uint32_t rules_of(const char *text)
{
    char name[64];
    uint32_t at;
    memset(&rules_error, 0, sizeof rules_error);
    gm_rules_free(rules);
    rules = NULL;
    ck_assert_msg(gm_rules_new(text, strlen(text), "r.txt", &rules, &rules_error) == GPUMEM_OK, "%u:%u: %s", rules_error.line, rules_error.column, rules_error.message);
    ck_assert_int_eq(sscanf(strstr(text, "rule "), "rule %63s", name), 1);
    at = gm_rules_find(rules, name, &rules_error);
    ck_assert_msg(at != GM_NONE, "%u:%u: %s", rules_error.line, rules_error.column, rules_error.message);
    return at;
}

/* A tensor that is there already; trains: a leaf that gets a gradient. */
static inline uint32_t given(uint32_t dtype, bool trains, unsigned ndim, const gm_ext *dim)
{
    uint32_t tv = gm_tv_slot(&tape);
    tape.tv[tv].ndim = (uint8_t)ndim;
    tape.tv[tv].dtype = (uint8_t)dtype;
    if (ndim)
        memcpy(tape.tv[tv].dim, dim, ndim * sizeof *dim);
    gm_contiguous_strides(&tape, ndim, dim, tape.tv[tv].stride);
    if (trains) {
        tape.tv[tv].leaf = gm_leaf_new(&tape, true);
        tape.tv[tv].grad = true;
    }
    return tv;
}

static inline uint32_t sized(uint32_t dtype, bool trains, unsigned ndim, const unsigned *n)
{
    gm_ext dim[GM_TV_DIMS];
    for (unsigned i = 0; i < ndim; i++)
        dim[i] = gm_ext_of(n[i]);
    return given(dtype, trains, ndim, dim);
}
#define SIZED(dtype, trains, ...) sized(dtype, trains, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned), (unsigned[]){__VA_ARGS__})

static inline int64_t live_bytes(void)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < tape.natom; i++)
        n += tape.live[i] * (int64_t)(tape.atom[i].count.num / tape.atom[i].count.den);
    return n;
}
#endif
