/* What each word makes.  A word for tensors is, where it is given lists of them, for each tensor of the lists. */
#include "step/makers.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct word { const char *name; uint8_t least, most, nout; bool lifted; gm_maker *make; } word;

static const word words[] = {
    {"add", 1, 8, 1, true, gm_make_broadcast}, {"sub", 1, 8, 1, true, gm_make_broadcast}, {"mul", 1, 8, 1, true, gm_make_broadcast}, {"div", 1, 8, 1, true, gm_make_broadcast},
    {"square", 1, 8, 1, true, gm_make_broadcast}, {"sqrt", 1, 8, 1, true, gm_make_broadcast}, {"rsqrt", 1, 8, 1, true, gm_make_broadcast},
    {"reciprocal", 1, 8, 1, true, gm_make_broadcast}, {"pow", 1, 8, 1, true, gm_make_broadcast}, {"neg", 1, 8, 1, true, gm_make_broadcast},
    {"sign", 1, 8, 1, true, gm_make_broadcast}, {"abs", 1, 8, 1, true, gm_make_broadcast}, {"maximum", 1, 8, 1, true, gm_make_broadcast},
    {"clamp", 1, 8, 1, true, gm_make_broadcast}, {"lerp", 1, 8, 1, true, gm_make_broadcast}, {"index", 1, 8, 1, true, gm_make_broadcast},
    {"zeros_like", 1, 1, 1, true, gm_make_broadcast}, {"clone", 1, 1, 1, true, gm_make_broadcast},
    {"eq", 1, 2, 1, true, gm_make_flag}, {"ne", 1, 2, 1, true, gm_make_flag}, {"gt", 1, 2, 1, true, gm_make_flag}, {"lt", 1, 2, 1, true, gm_make_flag}, {"both", 1, 2, 1, true, gm_make_flag},
    {"where", 3, 3, 1, true, gm_make_where}, {"mm", 2, 2, 1, true, gm_make_product}, {"addmm", 3, 3, 1, true, gm_make_product}, {"t", 1, 1, 1, true, gm_make_turned},
    {"norm", 1, 2, 1, true, gm_make_reduced}, {"mean", 1, 2, 1, true, gm_make_reduced}, {"sum", 1, 2, 1, true, gm_make_reduced},
    {"f32", 1, 1, 1, true, gm_make_f32}, {"bf16", 1, 1, 1, true, gm_make_bf16}, {"cast", 2, 2, 1, true, gm_make_cast_like},
    {"scalar", 0, 0, 1, false, gm_make_scalar}, {"randn", 3, 3, 1, false, gm_make_random_like}, {"svd", 1, 1, 3, false, gm_make_svd}, {"qr", 1, 1, 2, false, gm_make_qr},
    {"argsort", 1, 1, 1, false, gm_make_argsort}, {"fold", 1, 2, 1, false, gm_make_fold}, {"outer", 2, 2, 1, false, gm_make_outer},
    {"stack", 1, 1, 1, false, NULL}, {"join", 1, 1, 1, false, NULL},
};
enum { STACK = COUNT(words) - 2, JOIN, IN_PLACE };

int gm_opt_word_find(const char *s, size_t n)
{
    for (size_t i = 0; i < COUNT(words); i++)
        if (strlen(words[i].name) == n && memcmp(words[i].name, s, n) == 0)
            return (int)i;
    return n > 1 && s[n - 1] == '_' ? IN_PLACE : -1;
}

void gm_opt_word_near(const char *wanted, gpumem_near *near)
{
    gpumem_near_init(near, wanted);
    for (size_t i = 0; i < COUNT(words); i++)
        gpumem_near_offer(near, words[i].name);
}

const char *gm_opt_word_name(unsigned w) { return w < COUNT(words) ? words[w].name : "a word in place"; }
unsigned gm_opt_word_least(unsigned w) { return w < COUNT(words) ? words[w].least : 1; }
unsigned gm_opt_word_most(unsigned w) { return w < COUNT(words) ? words[w].most : 8; }
unsigned gm_opt_word_results(unsigned w) { return w < COUNT(words) ? words[w].nout : 1; }

bool gm_opt_call_wrong(gm_opt_call *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (*c->why == 0)
        vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    return false;
}

/* ---- lists ---- */

static const gm_opt_list *list(gm_opt_call *c)
{
    if (c->arg[0].is == GM_OPT_IS_LIST && c->arg[0].v.list->n && c->arg[0].v.list->entry[0].value.is == GM_OPT_IS_TENSOR)
        return c->arg[0].v.list;
    gm_opt_call_wrong(c, "%s is given no list with a tensor", words[c->word].name);
    return NULL;
}

static bool stack(gm_opt_call *c)
{
    const gm_opt_list *l = list(c);
    const gm_opt_tensor *t;
    uint64_t extent[GM_OPT_MAX_DIMS + 1] = {0};
    if (l == NULL)
        return false;
    t = l->entry[0].value.v.tensor;
    for (uint32_t i = 0; i < l->n; i++)
        if (__builtin_add_overflow(extent[0], l->entry[i].times, &extent[0]))
            return gm_opt_call_wrong(c, "stack is given more tensors than 64 bits count");
    memcpy(extent + 1, t->extent, t->ndim * sizeof *extent);
    c->out[0] = gm_opt_of_tensor(gm_opt_new(c->memory, t->dtype, t->ndim + 1u, extent, 1));
    return c->out[0].is == GM_OPT_IS_TENSOR;
}

/* The extent along which the pieces are shorter than the parameter: the last such. */
static int cut_at(gm_opt_call *c, const gm_opt_list *l, gm_opt_blocks *b)
{
    int at = -1;
    if (c->p)
        gm_opt_blocks_of(c->p, c->cut, b);
    for (uint32_t i = 0; c->p && i < l->n; i++)
        if (l->entry[i].value.is != GM_OPT_IS_TENSOR || l->entry[i].value.v.tensor->ndim != b->n) {
            gm_opt_call_wrong(c, "join is given what is no block of the parameter");
            return -1;
        }
    for (unsigned i = 0; c->p && i < b->n; i++)
        if (l->entry[0].value.v.tensor->extent[i] < b->extent[i])
            at = (int)i;
    if (at < 0)
        gm_opt_call_wrong(c, "join is given no parts of the parameter");
    return at;
}

static bool join(gm_opt_call *c)
{
    const gm_opt_list *l = list(c);
    gm_opt_blocks b = {0};
    int at = l ? cut_at(c, l, &b) : -1;
    uint64_t sum = 0;
    gm_opt_list *out;
    if (at < 0 || (out = gm_opt_list_new(c->memory, false)) == NULL)
        return false;
    c->out[0] = gm_opt_of_list(out);
    for (uint32_t i = 0; i < l->n; i++) {
        const gm_opt_tensor *t = l->entry[i].value.v.tensor;
        uint64_t extent[GM_OPT_MAX_DIMS];
        gm_opt_value joined;
        if (__builtin_add_overflow(sum, t->extent[at], &sum))
            return gm_opt_call_wrong(c, "join is given more than 64 bits count");
        if (sum != b.extent[at])
            continue;
        memcpy(extent, t->extent, sizeof extent);
        extent[at] = sum;
        joined = gm_opt_of_tensor(gm_opt_new(c->memory, t->dtype, t->ndim, extent, 1));
        if (joined.is != GM_OPT_IS_TENSOR || !gm_opt_list_add(c->memory, out, joined, 1))
            return false;
        sum = 0;
    }
    return true;
}

/* ---- calling ---- */

static const gm_opt_list *whole_of(const gm_opt_value *v)
{
    return v->is == GM_OPT_IS_LIST && v->v.list->whole ? v->v.list : NULL;
}

/* The first list that is one for each tensor that trains; all such have to be of one length. */
static bool lifted_over(gm_opt_call *c, const gm_opt_list **out)
{
    *out = NULL;
    for (unsigned i = 0; words[c->word].lifted && i < c->nargs; i++) {
        const gm_opt_list *l = whole_of(&c->arg[i]);
        if (l && *out && l->n != (*out)->n)
            return gm_opt_call_wrong(c, "the lists that %s is given are of different lengths", words[c->word].name);
        *out = l && !*out ? l : *out;
    }
    return true;
}

static bool lifted(gm_opt_call *c, const gm_opt_list *over)
{
    gm_opt_list *out = gm_opt_list_new(c->memory, true);
    if (out == NULL)
        return false;
    c->out[0] = gm_opt_of_list(out);
    for (uint32_t i = 0; i < over->n; i++) {
        gm_opt_value arg[8];
        gm_opt_tensor *made[3] = {NULL};
        for (unsigned k = 0; k < c->nargs; k++)
            arg[k] = whole_of(&c->arg[k]) ? whole_of(&c->arg[k])->entry[i].value : c->arg[k];
        if (!words[c->word].make(c, arg, over->entry[i].times, made) || !gm_opt_list_add(c->memory, out, gm_opt_of_tensor(made[0]), over->entry[i].times))
            return false;
    }
    return true;
}

bool gm_opt_word_call(gm_opt_call *c)
{
    const gm_opt_list *over;
    gm_opt_tensor *made[3] = {NULL};
    c->nout = gm_opt_word_results(c->word);
    *c->why = 0;
    if (c->word == IN_PLACE) {
        c->out[0] = gm_opt_keep(c->arg[0]);
        return true;
    }
    if (c->word == STACK || c->word == JOIN)
        return c->word == STACK ? stack(c) : join(c);
    if (!lifted_over(c, &over))
        return false;
    if (over)
        return lifted(c, over);
    if (!words[c->word].make(c, c->arg, 1, made))
        return false;
    for (unsigned i = 0; i < c->nout; i++)
        c->out[i] = gm_opt_of_tensor(made[i]);
    return true;
}
