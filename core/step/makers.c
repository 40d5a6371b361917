/* What the words for tensors make. */
#include "step/makers.h"
#include <string.h>

typedef struct shape { uint64_t extent[GM_OPT_MAX_DIMS]; unsigned ndim; } shape;

static gm_opt_tensor *tensor(gm_opt_call *c, const gm_opt_value *arg, unsigned i)
{
    if (i < c->nargs && arg[i].is == GM_OPT_IS_TENSOR)
        return arg[i].v.tensor;
    gm_opt_call_wrong(c, "argument %u of %s is no tensor", i + 1, gm_opt_word_name(c->word));
    return NULL;
}

/* ---- elements ---- */

static uint8_t wider(uint8_t a, uint8_t b)
{
    if ((a == GM_OPT_F16 && b == GM_OPT_BF16) || (a == GM_OPT_BF16 && b == GM_OPT_F16))
        return GM_OPT_F32;
    return a > b ? a : b;
}

/* The broadcast shape of the tensors among the arguments from `first` on, and their widest dtype: of those that have a dimension, else of all. */
static bool together(gm_opt_call *c, const gm_opt_value *arg, unsigned first, shape *out, uint8_t *dtype)
{
    uint8_t of[2] = {GM_OPT_BOOL, GM_OPT_BOOL};
    bool any = false, has[2] = {false, false};
    for (unsigned i = first; i < c->nargs; i++) {
        const gm_opt_tensor *t = arg[i].v.tensor;
        if (arg[i].is == GM_OPT_IS_NUMBER)
            continue;
        if (tensor(c, arg, i) == NULL)
            return false;
        for (unsigned k = out->ndim; k < t->ndim; k++)
            out->extent[k] = 1;
        out->ndim = t->ndim > out->ndim ? t->ndim : out->ndim;
        any = has[t->ndim > 0] = true;
        of[t->ndim > 0] = wider(of[t->ndim > 0], t->dtype);
        for (unsigned k = 0; k < t->ndim; k++) { /* backwards: the last extents stand over each other */
            uint64_t e = t->extent[t->ndim - 1 - k], *o = &out->extent[k];
            if (*o != e && *o != 1 && e != 1)
                return gm_opt_call_wrong(c, "the shapes that %s is given do not go together", gm_opt_word_name(c->word));
            *o = *o == 1 ? e : *o;
        }
    }
    *dtype = of[has[1]];
    return any || gm_opt_call_wrong(c, "%s is given no tensor", gm_opt_word_name(c->word));
}

static void turn(shape *s)
{
    for (unsigned i = 0; i < s->ndim / 2; i++) {
        uint64_t e = s->extent[i];
        s->extent[i] = s->extent[s->ndim - 1 - i];
        s->extent[s->ndim - 1 - i] = e;
    }
}

static bool new_of(gm_opt_call *c, uint8_t dtype, const shape *s, uint64_t times, gm_opt_tensor **out)
{
    *out = gm_opt_new(c->memory, dtype, s->ndim, s->extent, times);
    return *out != NULL;
}

bool gm_make_broadcast(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    shape s = {0};
    uint8_t dtype;
    if (!together(c, arg, 0, &s, &dtype))
        return false;
    turn(&s);
    return new_of(c, dtype, &s, times, out);
}

bool gm_make_flag(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    shape s = {0};
    uint8_t dtype;
    if (!together(c, arg, 0, &s, &dtype))
        return false;
    turn(&s);
    return new_of(c, GM_OPT_BOOL, &s, times, out);
}

bool gm_make_where(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    shape s = {0}, values = {0};
    uint8_t dtype, ignored;
    if (!together(c, arg, 1, &values, &dtype) || !together(c, arg, 0, &s, &ignored))
        return false;
    turn(&s);
    return new_of(c, dtype, &s, times, out);
}

static bool like(gm_opt_call *c, const gm_opt_tensor *t, uint8_t dtype, uint64_t times, gm_opt_tensor **out)
{
    *out = gm_opt_new(c->memory, dtype, t->ndim, t->extent, times);
    return *out != NULL;
}

static bool cast(gm_opt_call *c, gm_opt_value x, uint8_t dtype, uint64_t times, gm_opt_tensor **out)
{
    if (x.v.tensor->dtype != dtype)
        return like(c, x.v.tensor, dtype, times, out);
    out[0] = gm_opt_keep(x).v.tensor;
    return true;
}

bool gm_make_f32(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    return tensor(c, arg, 0) && cast(c, arg[0], GM_OPT_F32, times, out);
}

bool gm_make_bf16(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    return tensor(c, arg, 0) && cast(c, arg[0], GM_OPT_BF16, times, out);
}

bool gm_make_cast_like(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    return tensor(c, arg, 0) && tensor(c, arg, 1) && cast(c, arg[0], arg[1].v.tensor->dtype, times, out);
}

/* ---- shapes ---- */

static shape shape_of(const gm_opt_tensor *t)
{
    shape s = {.ndim = t->ndim};
    memcpy(s.extent, t->extent, sizeof s.extent);
    return s;
}

bool gm_make_reduced(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *t = tensor(c, arg, 0);
    shape s = {0};
    if (t == NULL)
        return false;
    if (c->nargs > 1) {
        int64_t d = arg[1].is == GM_OPT_IS_NUMBER ? arg[1].v.number : INT64_MAX;
        if (d >= t->ndim || d < -(int64_t)t->ndim)
            return gm_opt_call_wrong(c, "a tensor of %u dimensions has not the one that %s is over", t->ndim, gm_opt_word_name(c->word));
        s = shape_of(t);
        s.extent[d < 0 ? d + t->ndim : d] = 1;
    }
    return new_of(c, t->dtype, &s, times, out);
}

bool gm_make_product(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *a = tensor(c, arg, c->nargs - 2), *b = tensor(c, arg, c->nargs - 1);
    shape s;
    if (!a || !b || (c->nargs > 2 && !tensor(c, arg, 0)))
        return false;
    if (a->ndim < 1 || b->ndim < 2 || a->extent[a->ndim - 1] != b->extent[b->ndim - 2])
        return gm_opt_call_wrong(c, "the shapes that %s is given cannot be multiplied", gm_opt_word_name(c->word));
    s = shape_of(a);
    s.extent[s.ndim - 1] = b->extent[b->ndim - 1];
    return new_of(c, wider(a->dtype, b->dtype), &s, times, out);
}

bool gm_make_turned(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *t = tensor(c, arg, 0);
    uint64_t extent[GM_OPT_MAX_DIMS], stride[GM_OPT_MAX_DIMS];
    (void)times;
    if (t == NULL)
        return false;
    if (t->ndim < 2) {
        out[0] = gm_opt_keep(arg[0]).v.tensor;
        return true;
    }
    memcpy(extent, t->extent, sizeof extent);
    memcpy(stride, t->stride, sizeof stride);
    extent[t->ndim - 1] = t->extent[t->ndim - 2];
    extent[t->ndim - 2] = t->extent[t->ndim - 1];
    stride[t->ndim - 1] = t->stride[t->ndim - 2];
    stride[t->ndim - 2] = t->stride[t->ndim - 1];
    out[0] = gm_opt_view(c->memory, t, t->ndim, extent, stride);
    return out[0] != NULL;
}

bool gm_make_scalar(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    (void)arg;
    return new_of(c, GM_OPT_F32, &(shape){0}, times, out);
}

bool gm_make_random_like(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    shape s = {.ndim = 2};
    if (!tensor(c, arg, 2))
        return false;
    for (unsigned i = 0; i < 2; i++) {
        if (arg[i].is != GM_OPT_IS_NUMBER || arg[i].v.number < 0)
            return gm_opt_call_wrong(c, "argument %u of randn is no extent", i + 1);
        s.extent[i] = (uint64_t)arg[i].v.number;
    }
    return new_of(c, arg[2].v.tensor->dtype, &s, times, out);
}

/* ---- decompositions ---- */

static const gm_opt_tensor *matrix(gm_opt_call *c, const gm_opt_value *arg, uint64_t *m, uint64_t *n, uint64_t *k)
{
    const gm_opt_tensor *t = tensor(c, arg, 0);
    if (t == NULL || t->ndim != 2) {
        gm_opt_call_wrong(c, "%s is for matrices", gm_opt_word_name(c->word));
        return NULL;
    }
    *m = t->extent[0];
    *n = t->extent[1];
    *k = *m < *n ? *m : *n;
    return t;
}

bool gm_make_svd(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    uint64_t m, n, k;
    const gm_opt_tensor *t = matrix(c, arg, &m, &n, &k);
    return t && new_of(c, t->dtype, &(shape){{m, k}, 2}, times, out) && new_of(c, t->dtype, &(shape){{k}, 1}, times, &out[1]) &&
           new_of(c, t->dtype, &(shape){{k, n}, 2}, times, &out[2]);
}

bool gm_make_qr(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    uint64_t m, n, k;
    const gm_opt_tensor *t = matrix(c, arg, &m, &n, &k);
    return t && new_of(c, t->dtype, &(shape){{m, k}, 2}, times, out) && new_of(c, t->dtype, &(shape){{k, n}, 2}, times, &out[1]);
}

/* What lives only while the word runs. */
static void passing(gm_opt_call *c, gm_opt_tensor *t)
{
    gm_opt_release(c->memory, gm_opt_of_tensor(t));
}

bool gm_make_argsort(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *t = tensor(c, arg, 0);
    gm_opt_tensor *sorted;
    if (t == NULL || !like(c, t, t->dtype, times, &sorted) || !like(c, t, GM_OPT_I64, times, out))
        return false;
    passing(c, sorted);
    return true;
}

/* ---- products over one extent ---- */

/* Are all extents but `without`, in their order, one stretch of memory? */
static bool stretch(const gm_opt_tensor *t, unsigned without)
{
    int last = -1;
    for (unsigned i = 0; i < t->ndim; i++) {
        if (i == without || t->extent[i] == 1)
            continue;
        if (last >= 0 && t->stride[last] != t->stride[i] * t->extent[i])
            return false;
        last = (int)i;
    }
    return true;
}

bool gm_make_fold(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *t = tensor(c, arg, 0), *m = NULL;
    gm_opt_tensor *copy = NULL;
    shape s = {0};
    uint64_t stride[GM_OPT_MAX_DIMS];
    if (t == NULL)
        return false;
    if (t->ndim == 0)
        return gm_opt_call_wrong(c, "fold is given a tensor without dimensions");
    s.ndim = t->ndim;
    for (unsigned i = 0; i < t->ndim; i++) {
        s.extent[i] = t->extent[(i + 1) % t->ndim];
        stride[i] = t->stride[(i + 1) % t->ndim];
    }
    if (c->nargs > 1 && arg[1].is == GM_OPT_IS_NOTHING) {
        out[0] = gm_opt_view(c->memory, t, s.ndim, s.extent, stride);
        return out[0] != NULL;
    }
    if (c->nargs > 1 && ((m = tensor(c, arg, 1)) == NULL || m->ndim != 2 || m->extent[0] != t->extent[0]))
        return gm_opt_call_wrong(c, "fold is given a matrix of another extent");
    if (m)
        s.extent[s.ndim - 1] = m->extent[1];
    if ((!stretch(t, 0) || t->extent[0] == 1) && !like(c, t, t->dtype, times, &copy))
        return false;
    if (!new_of(c, t->dtype, &s, times, out))
        return false;
    passing(c, copy);
    return true;
}

bool gm_make_outer(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out)
{
    const gm_opt_tensor *t = tensor(c, arg, 0);
    gm_opt_tensor *copy[2] = {NULL, NULL};
    unsigned d, copies = 0;
    if (t == NULL)
        return false;
    if (arg[1].is != GM_OPT_IS_NUMBER || arg[1].v.number < 0 || arg[1].v.number >= t->ndim)
        return gm_opt_call_wrong(c, "outer is given a dimension that the tensor has not");
    d = (unsigned)arg[1].v.number;
    for (unsigned i = 0; i < t->ndim; i++)
        copies |= i != d && t->extent[i] == 1;
    if (copies == 0 && !stretch(t, d))
        copies = 2;
    for (unsigned i = 0; i < copies; i++)
        if (!like(c, t, t->dtype, times, &copy[i]))
            return false;
    if (!new_of(c, t->dtype, &(shape){{t->extent[d], t->extent[d]}, 2}, times, out))
        return false;
    passing(c, copy[0]);
    passing(c, copy[1]);
    return true;
}
