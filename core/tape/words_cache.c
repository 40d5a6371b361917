/* What a decoder remembers of its tokens: DynamicLayer and DynamicSlidingWindowLayer of transformers (cache_utils.py). */
#include "tape/words.h"
#include <stdlib.h>
#include <string.h>

static struct gm_past *slot(gm_tape *t)
{
    if (t->at_cached < t->ncached)
        return &t->cached[t->at_cached++];
    if (t->ncached == t->max_cached) {
        uint32_t max = t->max_cached ? t->max_cached * 2 : 32;
        struct gm_past *now = realloc(t->cached, max * sizeof *now);
        if (now == NULL) {
            gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
            return NULL;
        }
        t->cached = now;
        t->max_cached = max;
    }
    t->cached[t->ncached] = (struct gm_past){GM_NONE, t->rep};
    t->at_cached = ++t->ncached;
    return &t->cached[t->ncached - 1];
}

/* A view of the last n of dimension d; all of it where there are no more. */
static uint32_t last(gm_tape *t, uint32_t x, int d, gm_ext n)
{
    uint32_t y = gm_tv_alias(t, x);
    gm_ext length;
    if (y == GM_NONE)
        return y;
    if (!gm_ext_derive(t->symbols, GPUMEM_SYM_MIN, t->tv[x].dim[d], n, &length))
        gm_tape_fail(t, GPUMEM_ERANGE, "a size that cannot be computed");
    else
        t->tv[y].dim[d] = length;
    return y;
}

static void mark(gm_tape *t, uint32_t tv)
{
    if (tv != GM_NONE && t->tv[tv].storage != GM_NONE && !t->training)
        t->storage[t->tv[tv].storage].is = GPUMEM_IS_CACHE;
}

/* x behind what slot c has: torch.cat, of what is there before and x; what is there begins in the dtype of keys. */
static uint32_t behind(gm_tape *t, uint32_t before, uint32_t x, uint32_t keys, int d)
{
    uint32_t y, node = gm_node_begin(t, gm_word_find("cat", 3), 1, &x);
    gm_ext dim[GM_TV_DIMS];
    memcpy(dim, t->tv[x].dim, sizeof dim);
    if (before != GM_NONE && !gm_ext_derive(t->symbols, GPUMEM_SYM_ADD, t->tv[before].dim[d], dim[d], &dim[d]))
        return gm_tape_fail(t, GPUMEM_ERANGE, "a size that cannot be computed");
    if (node != GM_NONE && node < t->nnode)
        t->node[node].a = d;
    y = gm_tv_new(t, t->tv[x].ndim, dim, gm_promote(t, t->tv[x].dtype, t->tv[keys].dtype));
    gm_node_output(t, node, y, 0);
    mark(t, y);
    return y;
}

/* StaticLayer: made where it is first asked for, for `length` tokens, and written in place from then on. */
static uint32_t fixed(gm_tape *t, uint32_t at, uint32_t x, int d, gm_ext length)
{
    gm_ext dim[GM_TV_DIMS];
    uint32_t made;
    if (t->cached[at].tv != GM_NONE)
        return gm_tv_ref(t, t->cached[at].tv);
    memcpy(dim, t->tv[x].dim, sizeof dim);
    dim[d] = length;
    made = gm_tv_new(t, t->tv[x].ndim, dim, t->tv[x].dtype);
    mark(t, made);
    t->cached[at].tv = made;
    return gm_tv_ref(t, made);
}

/* StaticSlidingWindowLayer: a prefill attends to its own tokens; of later ones each rolls what is there. */
static unsigned fixed_window(gm_tape *t, uint32_t first, const gm_arg *arg, int d, uint32_t *out)
{
    uint32_t rolled[2] = {GM_NONE, GM_NONE};
    bool later = t->cached[first].tv != GM_NONE;
    gm_ext length;
    if (!gm_ext_derive(t->symbols, GPUMEM_SYM_MIN, t->limit, arg[3].size, &length)) {
        gm_tape_fail(t, GPUMEM_ERANGE, "a size that cannot be computed");
        return 0;
    }
    for (uint32_t i = 0; i < 2; i++)
        out[i] = fixed(t, first + i, arg[i].tv, d, length);
    for (uint32_t i = 0; i < 2 && later; i++)
        rolled[i] = gm_like(t, out[i]);
    for (uint32_t i = 0; i < 2; i++) {
        gm_tv_unref(t, rolled[i]);
        if (!later) {
            gm_tv_unref(t, out[i]);
            out[i] = gm_tv_ref(t, arg[i].tv);
        }
    }
    return 2;
}

/* remember(x, dim), remember(x, dim, keys): x behind what is remembered already, in a new tensor, which is remembered from now on */
WORD(remember)
{
    struct gm_past *c = slot(t);
    uint32_t at = t->at_cached - 1, before;
    (void)word;
    if (c == NULL)
        return 0;
    if (t->fixed) {
        out[0] = fixed(t, at, arg[0].tv, gm_dim_at(t, arg[0].tv, &arg[1]), t->limit);
        return out[0] != GM_NONE;
    }
    before = c->tv;
    out[0] = behind(t, before, arg[0].tv, arg[n > 2 ? 2 : 0].tv, gm_dim_at(t, arg[0].tv, &arg[1]));
    if (out[0] == GM_NONE)
        return 0;
    t->cached[at].tv = gm_tv_ref(t, out[0]);
    gm_tv_unref(t, before);
    return 1;
}

/* slide(k, v, dim, window): both are put together before either is remembered, as a view of its last window - 1 tokens; a number on the device */
WORD(slide)
{
    uint32_t first, before[2];
    int d = gm_dim_at(t, arg[0].tv, &arg[2]);
    gm_ext window;
    UNUSED_WORD;
    if (slot(t) == NULL || slot(t) == NULL || slot(t) == NULL)
        return 0;
    first = t->at_cached - 3;
    if (t->cached[first + 2].tv == GM_NONE) {
        uint32_t number = gm_tv_new(t, 0, NULL, GPUMEM_FORMAT_I64);
        mark(t, number);
        t->cached[first + 2].tv = number;
    }
    if (t->fixed)
        return fixed_window(t, first, arg, d, out);
    for (int i = 0; i < 2; i++) {
        before[i] = t->cached[first + (uint32_t)i].tv;
        out[i] = behind(t, before[i], arg[i].tv, arg[0].tv, d);
    }
    if (t->failed || !gm_ext_derive(t->symbols, GPUMEM_SYM_SUB, arg[3].size, gm_ext_of(1), &window))
        return 0;
    for (int i = 0; i < 2; i++) {
        t->cached[first + (uint32_t)i].tv = last(t, out[i], d, window);
        gm_tv_unref(t, before[i]);
    }
    return 2;
}

/* keep(dtype, sizes): zeros that are made once and written in place from then on: LinearAttentionLayer's states */
WORD(keep)
{
    struct gm_past *c = slot(t);
    if (c == NULL)
        return 0;
    if (c->tv == GM_NONE) {
        uint32_t at = t->at_cached - 1, made = gm_tv_new(t, arg[1].n, arg[1].list, (uint32_t)arg[0].size.num);
        mark(t, made);
        t->cached[at].tv = made;
    }
    out[0] = gm_tv_ref(t, t->cached[t->at_cached - 1].tv);
    if (n > 2 && out[0] != GM_NONE)
        gm_node_output(t, gm_node_begin(t, word, 1, &arg[2].tv), out[0], 0);
    return out[0] != GM_NONE;
}

DERIVE(d_keep)
{
    (void)node;
    res[0] = gm_tv_ref(t, g[0]);
}

/* state(x): x is what is remembered, in place of what was before */
WORD(state)
{
    struct gm_past *c = slot(t);
    uint32_t before;
    UNUSED_WORD;
    if (c == NULL)
        return 0;
    before = c->tv;
    c->tv = gm_tv_ref(t, arg[0].tv);
    mark(t, c->tv);
    gm_tv_unref(t, before);
    out[0] = gm_tv_ref(t, arg[0].tv);
    return 1;
}

/* recall(): what the next state() will replace */
WORD(recall)
{
    (void)arg;
    UNUSED_WORD;
    if (t->at_cached >= t->ncached || t->cached[t->at_cached].tv == GM_NONE) {
        gm_tape_fail(t, GPUMEM_EINVAL, "nothing is remembered");
        return 0;
    }
    out[0] = gm_tv_ref(t, t->cached[t->at_cached].tv);
    return 1;
}

const gm_word gm_words_cache[] = {
    {"remember", "ts|t", 0, remember, NULL},
    {"slide", "ttss", 0, slide, NULL},
    {"keep", "sL|t", 0, keep, d_keep},
    {"state", "t", 0, state, NULL},
    {"recall", "", 0, recall, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
