#include "step/memory.h"
#include <string.h>

static const uint8_t size_of[GM_OPT_NDTYPES] = {
    [GM_OPT_BOOL] = 1, [GM_OPT_U8] = 1, [GM_OPT_I64] = 8, [GM_OPT_F16] = 2, [GM_OPT_BF16] = 2, [GM_OPT_F32] = 4, [GM_OPT_F64] = 8};

static void fail(gm_opt_memory *m, gpumem_status status)
{
    if (m->status == GPUMEM_OK)
        m->status = status;
}

static void change(gm_opt_memory *m, int64_t bytes)
{
    if (__builtin_add_overflow(m->live, bytes, &m->live))
        fail(m, GPUMEM_ERANGE);
    if (!m->quiet && m->live > m->peak)
        m->peak = m->live;
}

/* The first of `unused`, or a new one, zeroed. */
#define TAKE(m, unused, type) \
    type *x = (m)->unused; \
    if (x) { \
        (m)->unused = x->next; \
        memset(x, 0, sizeof *x); \
    } else if ((x = gm_arena_zero((m)->arena, 1, sizeof *x)) == NULL) { \
        fail(m, GPUMEM_ENOMEM); \
    }

static gm_opt_storage *new_storage(gm_opt_memory *m) { TAKE(m, storages, gm_opt_storage) return x; }
static gm_opt_tensor *new_tensor(gm_opt_memory *m) { TAKE(m, tensors, gm_opt_tensor) return x; }

static bool bytes_of(const gm_opt_memory *m, unsigned dtype, unsigned ndim, const uint64_t *extent, uint64_t *out)
{
    uint64_t n = size_of[dtype], rest;
    for (unsigned i = 0; i < ndim; i++)
        if (__builtin_mul_overflow(n, extent[i], &n))
            return false;
    rest = m->rounding > 1 ? n % m->rounding : 0;
    *out = n;
    return rest == 0 || !__builtin_add_overflow(n, m->rounding - rest, out);
}

static void fill(gm_opt_tensor *t, unsigned dtype, unsigned ndim, const uint64_t *extent, const uint64_t *stride)
{
    uint64_t step = 1;
    t->refs = 1;
    t->dtype = (uint8_t)dtype;
    t->ndim = (uint8_t)ndim;
    for (unsigned i = ndim; i-- > 0;) {
        t->extent[i] = extent[i];
        t->stride[i] = stride ? stride[i] : step;
        step *= extent[i];
    }
}

gm_opt_tensor *gm_opt_given(gm_opt_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times)
{
    gm_opt_storage *s;
    gm_opt_tensor *t;
    uint64_t bytes = 0, all;
    if (ndim > GM_OPT_MAX_DIMS || !bytes_of(m, dtype, ndim, extent, &bytes) || __builtin_mul_overflow(bytes, times, &all) || all > INT64_MAX)
        fail(m, GPUMEM_ERANGE);
    if (m->status != GPUMEM_OK || (s = new_storage(m)) == NULL || (t = new_tensor(m)) == NULL)
        return NULL;
    *s = (gm_opt_storage){.bytes = bytes, .times = times, .refs = 1, .pass = m->pass};
    fill(t, dtype, ndim, extent, NULL);
    t->storage = s;
    return t;
}

gm_opt_tensor *gm_opt_new(gm_opt_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times)
{
    gm_opt_tensor *t = gm_opt_given(m, dtype, ndim, extent, times);
    if (t)
        change(m, (int64_t)(t->storage->bytes * times));
    return t;
}

gm_opt_tensor *gm_opt_view(gm_opt_memory *m, const gm_opt_tensor *of, unsigned ndim, const uint64_t *extent, const uint64_t *stride)
{
    gm_opt_tensor *t;
    if (ndim > GM_OPT_MAX_DIMS)
        fail(m, GPUMEM_ERANGE);
    if (m->status != GPUMEM_OK || (t = new_tensor(m)) == NULL)
        return NULL;
    fill(t, of->dtype, ndim, extent, stride);
    t->storage = of->storage;
    t->storage->refs++;
    return t;
}

/* ---- lists ---- */

gm_opt_list *gm_opt_list_new(gm_opt_memory *m, bool whole)
{
    gm_opt_list *l = m->lists;
    if (l) { /* its entries' room is used again */
        m->lists = l->next;
        *l = (gm_opt_list){.entry = l->entry, .max = l->max};
    } else if ((l = gm_arena_zero(m->arena, 1, sizeof *l)) == NULL) {
        fail(m, GPUMEM_ENOMEM);
        return NULL;
    }
    l->refs = 1;
    l->whole = whole;
    return l;
}

bool gm_opt_list_add(gm_opt_memory *m, gm_opt_list *list, gm_opt_value v, uint64_t times)
{
    if (list->n == list->max) {
        uint32_t want = list->max ? list->max * 2 : 8;
        gm_opt_entry *now = gm_arena_zero(m->arena, want, sizeof *now);
        if (now == NULL) {
            fail(m, GPUMEM_ENOMEM);
            gm_opt_release(m, v);
            return false;
        }
        if (list->n)
            memcpy(now, list->entry, list->n * sizeof *now);
        list->entry = now;
        list->max = want;
    }
    list->entry[list->n++] = (gm_opt_entry){v, times};
    return true;
}

/* ---- references ---- */

gm_opt_value gm_opt_keep(gm_opt_value v)
{
    if (v.is == GM_OPT_IS_TENSOR)
        v.v.tensor->refs++;
    else if (v.is == GM_OPT_IS_LIST)
        v.v.list->refs++;
    return v;
}

static void drop_tensor(gm_opt_memory *m, gm_opt_tensor *t)
{
    gm_opt_storage *s = t->storage;
    if (--t->refs)
        return;
    if (--s->refs == 0) {
        change(m, -(int64_t)(s->bytes * s->times));
        s->next = m->storages;
        m->storages = s;
    }
    t->next = m->tensors;
    m->tensors = t;
}

void gm_opt_release(gm_opt_memory *m, gm_opt_value v)
{
    if (v.is == GM_OPT_IS_TENSOR)
        drop_tensor(m, v.v.tensor);
    if (v.is != GM_OPT_IS_LIST || --v.v.list->refs)
        return;
    for (uint32_t i = 0; i < v.v.list->n; i++) /* one of lists is made of states only, and no list holds such */
        gm_opt_release(m, v.v.list->entry[i].value);
    v.v.list->next = m->lists;
    m->lists = v.v.list;
}

void gm_opt_multiply(gm_opt_memory *m, gm_opt_value v, uint64_t times)
{
    int64_t more;
    if (times == 1)
        return;
    for (uint32_t i = 0; v.is == GM_OPT_IS_LIST && i < v.v.list->n; i++)
        gm_opt_multiply(m, v.v.list->entry[i].value, times);
    if (v.is != GM_OPT_IS_TENSOR || v.v.tensor->storage->times != 1 || v.v.tensor->storage->pass != m->pass)
        return;
    if (__builtin_mul_overflow((int64_t)v.v.tensor->storage->bytes, (int64_t)(times - 1), &more)) {
        fail(m, GPUMEM_ERANGE);
        return;
    }
    v.v.tensor->storage->times = times;
    change(m, more);
}
