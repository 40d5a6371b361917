/* Any text as a file of rules: refused at a line and a column, or each rule run on small tensors, forward and backward, with the same end twice. */
#include "tape/rules.h"
#include "base/arena.h"
#include <string.h>

static const gpumem_format format[GPUMEM_NFORMATS] = {{"f32", 1, {{1, 1, 32, 0}}}, {"i64", 1, {{1, 1, 64, 0}}}, {"i32", 1, {{1, 1, 32, 0}}}, {"bool", 1, {{1, 1, 8, 0}}},
                                                      {"bf16", 1, {{1, 1, 16, 0}}}, {"c64", 1, {{1, 1, 64, 0}}}, {"u8", 1, {{1, 1, 8, 0}}}};
static uint64_t events;

static void heard(void *self, gm_tape *t, uint32_t storage, int sign)
{
    (void)self;
    events = events * 31 + t->storage[storage].atom * 2 + (sign > 0);
}

static void drop_own(void *walk, uint32_t tv, int32_t rep)
{
    gm_tv_unref(walk, tv);
    (void)rep;
}

static uint32_t given(gm_tape *t, uint32_t dtype, bool trains, unsigned ndim, gm_ext last)
{
    uint32_t tv = gm_tv_slot(t);
    if (tv == GM_NONE)
        return tv;
    t->tv[tv].ndim = (uint8_t)ndim;
    t->tv[tv].dtype = (uint8_t)dtype;
    for (unsigned i = 0; i < ndim; i++)
        t->tv[tv].dim[i] = i + 1 == ndim ? last : gm_ext_of(2 + i);
    gm_contiguous_strides(t, ndim, t->tv[tv].dim, t->tv[tv].stride);
    if (trains) {
        t->tv[tv].leaf = gm_leaf_new(t, true);
        t->tv[tv].grad = true;
    }
    return tv;
}

static gpumem_status run(gm_rules *rules, uint32_t rule, unsigned how)
{
    static const uint32_t attr[] = {2, 4, 0, 1, 8, 3};
    gm_symbols symbols = {.n = 3, .known = {1}};
    gm_tape t = {.symbols = &symbols, .format = format, .nformat = GPUMEM_NFORMATS, .low = how & 1 ? GPUMEM_FORMAT_BF16 : GM_NONE, .rounding = 1, .packing = GM_NONE,
                 .replaying = GM_NONE, .rep = -1, .event = heard, .drop_own = drop_own, .grad_mode = !(how & 2), .training = !(how & 2), .caching = how & 2};
    const gm_meta meta[2] = {{2, GPUMEM_FORMAT_BF16, {{3, {0}}, {4, {0}}}, {{4, {0}}, {1, {0}}}}, {1, GPUMEM_FORMAT_F32, {{1, {2}}}, {{1, {0}}}}};
    uint32_t in[4], out[GM_WORD_OUTS], n;
    gpumem_status s;
    symbols.sym[1] = (gpumem_symbol){GPUMEM_SYM_INPUT, 0, 0, 0, 0, "batch"};
    symbols.sym[2] = (gpumem_symbol){GPUMEM_SYM_INPUT, 0, 0, 0, 0, "tokens"};
    t.walk = &t;
    in[0] = given(&t, GPUMEM_FORMAT_F32, true, 3, gm_ext_of(4));
    in[1] = given(&t, how & 1 ? GPUMEM_FORMAT_F32 : GPUMEM_FORMAT_BF16, true, 2, (gm_ext){1, {2}});
    in[2] = given(&t, GPUMEM_FORMAT_I64, false, 1, gm_ext_of(4));
    in[3] = given(&t, GPUMEM_FORMAT_F32, false, 0, gm_ext_of(1));
    for (unsigned k = 0; k <= 4; k++) { /* with more and more operands */
        n = gm_rule_run(rules, &t, rule, k, in, 0, 6, attr, 2, meta, out);
        if (n && !t.failed && t.tv[out[0]].grad && t.tv[out[0]].node != GM_NONE && k == 4)
            gm_tape_backward(&t, out[0]);
        for (unsigned i = 0; i < n; i++)
            gm_tv_unref(&t, out[i]);
        if (t.failed && k < 4 && t.status == GPUMEM_EINVAL) { /* as the walk goes on with the description */
            t.failed = t.stop = false;
            t.looping = 0;
            t.turn = 0;
        }
    }
    s = t.failed ? t.status : GPUMEM_OK;
    if (t.failed && !t.why[0])
        __builtin_trap();
    gm_tape_free(&t);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    gm_rules *rules = NULL;
    gpumem_error err = {0};
    size = size < 4096 ? size : 4096;
    if (gm_rules_new(text, size, "fuzz", &rules, &err) != GPUMEM_OK) {
        if (rules || !err.message[0] || !err.line || !err.column)
            __builtin_trap();
        return 0;
    }
    for (const char *p = text, *end = text + size; p < end; p = (p = memchr(p, '\n', (size_t)(end - p))) ? p + 1 : end) {
        char name[64];
        size_t n = 0;
        uint32_t rule;
        gpumem_error own = {0};
        if ((size_t)(end - p) <= 5 || memcmp(p, "rule ", 5) != 0)
            continue;
        while (p + 5 + n < end && n < sizeof name - 1 && strchr(" \t\r\n\v\f:", p[5 + n]) == NULL)
            n++;
        memcpy(name, p + 5, n);
        name[n] = '\0';
        if ((rule = gm_rules_find(rules, name, &own)) == GM_NONE) {
            if (own.status != GPUMEM_OK && (!own.message[0] || !own.line || !own.column))
                __builtin_trap();
            continue;
        }
        for (unsigned how = 0; how < 4; how++) {
            uint64_t first;
            gpumem_status s;
            events = 0;
            s = run(rules, rule, how);
            first = events;
            events = 0;
            if (run(rules, rule, how) != s || events != first)
                __builtin_trap();
        }
    }
    gm_rules_free(rules);
    return 0;
}
