#include "tape/words.h"
#include <stdio.h>
#include <string.h>

static const gm_word *const tables[] = {gm_words_elementwise, gm_words_shape, gm_words_product, gm_words_index, gm_words_cache};
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TABLE 64 /* numbers of a table's words start at its place times this, plus one */

unsigned gm_word_find(const char *name, size_t n)
{
    for (unsigned k = 0; k < COUNT(tables); k++)
        for (unsigned i = 0; tables[k][i].name; i++)
            if (strncmp(tables[k][i].name, name, n) == 0 && tables[k][i].name[n] == 0)
                return k * TABLE + i + 1;
    return 0;
}

bool gm_word_takes(unsigned word, unsigned n)
{
    const char *takes = gm_word_at(word)->takes;
    size_t all = strlen(takes), most = all - (strchr(takes, '|') != NULL);
    return n >= strcspn(takes, "|") && n <= (all && takes[all - 1] == '*' ? GM_WORD_ARGS : most);
}

/* Is each argument what the word takes there?  What the first that is not should be; NULL: all are. */
static const char *expected(const gm_word *w, unsigned n, const gm_arg *arg)
{
    const char *p = w->takes;
    for (unsigned i = 0; i < n; i++) {
        p += *p == '|';
        switch (*p) {
        case 't':
            if (arg[i].type != GM_ARG_TENSOR)
                return "a tensor";
            break;
        case 'o':
            if (arg[i].type != GM_ARG_TENSOR && arg[i].type != GM_ARG_NONE)
                return "a tensor, or an operand that is left out";
            break;
        case 's':
            if (arg[i].type != GM_ARG_SIZE)
                return "a size";
            break;
        case 'd':
            if (arg[i].type != GM_ARG_SIZE && arg[i].type != GM_ARG_TENSOR)
                return "a dtype, or a tensor that has it";
            break;
        case 'l':
            if (arg[i].type != GM_ARG_LIST && arg[i].type != GM_ARG_SIZE)
                return "a shape, or a size";
            break;
        case 'L':
            if (arg[i].type != GM_ARG_LIST)
                return "a shape";
            break;
        case 'm':
            if (arg[i].type != GM_ARG_MANY)
                return "a list of tensors";
        }
        p += p[1] != '*';
    }
    return NULL;
}

const gm_word *gm_word_at(unsigned word) { return &tables[(word - 1) / TABLE][(word - 1) % TABLE]; }

void gm_derive(gm_tape *t, uint32_t node, const uint32_t *g, uint32_t *res)
{
    gm_node copy = t->node[node]; /* the node may move while tensors are made */
    gm_word_at(copy.word)->derive(t, &copy, g, res);
}

bool gm_wants(const gm_tape *t, const gm_node *node, unsigned i) { return i < node->nin && t->edge[node->edge0 + i].node != GM_NONE; }

uint32_t gm_like_as(gm_tape *t, uint32_t a, uint32_t dtype)
{
    unsigned ndim;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
    if (a == GM_NONE || t->stop || !gm_elementwise(t, 1, &a, &ndim, dim, stride))
        return GM_NONE;
    return gm_tv_strided(t, ndim, dim, stride, dtype);
}

uint32_t gm_like(gm_tape *t, uint32_t a) { return a == GM_NONE ? GM_NONE : gm_like_as(t, a, t->tv[a].dtype); }

uint32_t gm_like2(gm_tape *t, uint32_t a, uint32_t b)
{
    unsigned ndim;
    gm_ext dim[GM_TV_DIMS], stride[GM_TV_DIMS];
    uint32_t in[2] = {a, b}, dtype;
    if (a == GM_NONE || b == GM_NONE || t->stop || !gm_elementwise(t, 2, in, &ndim, dim, stride))
        return GM_NONE;
    dtype = t->tv[a].ndim == 0 && t->tv[b].ndim ? t->tv[b].dtype : t->tv[b].ndim == 0 && t->tv[a].ndim ? t->tv[a].dtype : gm_promote(t, t->tv[a].dtype, t->tv[b].dtype);
    return gm_tv_strided(t, ndim, dim, stride, dtype);
}

uint32_t gm_reshape(gm_tape *t, uint32_t x, unsigned ndim, const gm_ext *dim)
{
    gm_ext stride[GM_TV_DIMS];
    uint32_t y;
    if (x == GM_NONE || t->stop)
        return GM_NONE;
    if (!gm_view_strides(t, &t->tv[x], ndim, dim, stride)) {
        gm_ext have = gm_tv_elements(t, x), want = gm_ext_of(1);
        for (unsigned i = 0; i < ndim; i++)
            if (!gm_ext_mul(want, dim[i], &want))
                return gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size does not fit in 64 bits");
        if (!gm_ext_same(have, want))
            return gm_tape_fail(t, GPUMEM_EINVAL, "a view has not as many elements as what it is of");
        return gm_tv_new(t, ndim, dim, t->tv[x].dtype);
    }
    y = gm_tv_alias(t, x);
    if (y == GM_NONE)
        return y;
    t->tv[y].ndim = (uint8_t)ndim;
    memcpy(t->tv[y].dim, dim, ndim * sizeof *dim);
    memcpy(t->tv[y].stride, stride, ndim * sizeof *stride);
    return y;
}

int gm_dim_at(gm_tape *t, uint32_t tv, const gm_arg *a)
{
    int64_t d = (int64_t)a->size.num;
    if (d < 0)
        d += t->tv[tv].ndim;
    if (a->type != GM_ARG_SIZE || d < 0 || d >= t->tv[tv].ndim) {
        gm_tape_fail(t, GPUMEM_EINVAL, "a dimension that a tensor does not have");
        return 0;
    }
    return (int)d;
}

uint32_t gm_word_cast(gm_tape *t, uint32_t tv, uint32_t dtype)
{
    if (tv == GM_NONE || t->tv[tv].dtype == dtype)
        return gm_tv_ref(t, tv);
    return gm_like_as(t, tv, dtype);
}

/* Autocast's cast of an operand: weights once a region (aten/src/ATen/autocast_mode.cpp). */
static uint32_t operand(gm_tape *t, uint32_t tv, char how)
{
    unsigned to;
    gm_arg a[2] = {{.type = GM_ARG_TENSOR, .tv = tv}, {.type = GM_ARG_SIZE}};
    uint32_t leaf = t->tv[tv].leaf, out[GM_WORD_OUTS];
    bool lower = how == 'l' && t->tv[tv].dtype == GPUMEM_FORMAT_F32, higher = how == 'h' && t->tv[tv].dtype == t->low;
    if (!lower && !higher)
        return gm_tv_ref(t, tv);
    if (lower && leaf != GM_NONE && t->leaf[leaf].cast != GM_NONE)
        return gm_tv_ref(t, t->leaf[leaf].cast);
    to = gm_word_find("to", 2);
    a[1].size = gm_ext_of(lower ? t->low : GPUMEM_FORMAT_F32);
    if (gm_word_at(to)->run(t, to, 2, a, out) == 0)
        return GM_NONE;
    if (lower && leaf != GM_NONE)
        t->leaf[leaf].cast = gm_tv_ref(t, out[0]);
    return out[0];
}

unsigned gm_word_run(gm_tape *t, unsigned word, unsigned n, const gm_arg *arg, uint32_t *out)
{
    const gm_word *w = gm_word_at(word);
    gm_arg cast[GM_WORD_ARGS];
    const char *wrong;
    unsigned nout;
    if (t->stop)
        return 0;
    if ((wrong = expected(w, n, arg)) != NULL) {
        char why[80];
        snprintf(why, sizeof why, "%.20s expects %s", w->name, wrong);
        gm_tape_fail(t, GPUMEM_EINVAL, why);
        return 0;
    }
    if (t->low == GM_NONE || !w->autocast)
        return w->run(t, word, n, arg, out);
    memcpy(cast, arg, n * sizeof *arg);
    for (unsigned i = 0; i < n; i++)
        if (arg[i].type == GM_ARG_TENSOR && arg[i].tv != GM_NONE)
            cast[i].tv = operand(t, arg[i].tv, w->autocast);
    nout = t->stop ? 0 : w->run(t, word, n, cast, out);
    for (unsigned i = 0; i < n; i++)
        if (arg[i].type == GM_ARG_TENSOR && arg[i].tv != GM_NONE)
            gm_tv_unref(t, cast[i].tv);
    return nout;
}
