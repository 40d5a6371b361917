#include "tape/tape.h"
#include <stdlib.h>
#include <string.h>

uint32_t gm_tape_fail(gm_tape *t, gpumem_status status, const char *why)
{
    if (!t->failed) {
        t->failed = true;
        t->status = status;
        strncpy(t->why, why, sizeof t->why - 1);
    }
    t->stop = true;
    return GM_NONE;
}

static bool grow(gm_tape *t, void *items, size_t size, uint32_t *max)
{
    void *now; /* items points to a pointer of any type */
    uint32_t want = *max ? *max * 2 : 64;
    memcpy(&now, items, sizeof now);
    now = want < *max ? NULL : realloc(now, (size_t)want * size);
    if (now == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return false;
    }
    memcpy(items, &now, sizeof now);
    *max = want;
    return true;
}

void gm_tape_free(gm_tape *t)
{
    for (uint32_t i = 0; i < t->nframe; i++) {
        free(t->frame[i].made);
        free(t->frame[i].args);
    }
    free(t->storage);
    free(t->tv);
    free(t->node);
    free(t->edge);
    free(t->meta);
    free(t->leaf);
    free(t->frame);
    free(t->cached);
    for (uint32_t i = 0; i < t->nloop; i++) {
        free(t->loop[i].live);
        free(t->loop[i].late);
    }
    for (uint32_t i = 0; i < t->nlist; i++)
        free(t->list[i].one);
    free(t->loop);
    free(t->list);
    free(t->atom);
    free(t->live);
}

/* ---- sizes ---- */

static bool count_of(gm_ext e, uint64_t bits, gpumem_count *c)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < GM_EXT_SYMS && e.sym[i]; i++) {
        if (i == 4)
            return false;
        c->sym[i] = e.sym[i];
    }
    if (bits % 8 == 0) {
        c->den = 1;
        return !__builtin_mul_overflow(e.num, bits / 8, &c->num);
    }
    c->den = 8;
    return !__builtin_mul_overflow(e.num, bits, &c->num);
}

static uint32_t atom_of(gm_tape *t, gpumem_count c, uint8_t times)
{
    uint32_t i;
    for (i = 0; i < t->natom; i++)
        if (memcmp(&t->atom[i].count, &c, sizeof c) == 0 && t->atom[i].times == times)
            return i;
    if (t->natom == t->max_atom) {
        uint32_t max = t->max_atom;
        if (!grow(t, &t->atom, sizeof *t->atom, &t->max_atom) || !grow(t, &t->live, sizeof *t->live, &max))
            return GM_NONE;
    }
    t->atom[t->natom] = (gm_atom){c, 0, times};
    t->live[t->natom] = 0;
    return t->natom++;
}

uint32_t gm_tape_atom(gm_tape *t, gm_ext e, uint32_t dtype)
{
    gpumem_count c;
    if (dtype >= t->nformat)
        return gm_tape_fail(t, GPUMEM_EINVAL, "a number that stands for no dtype");
    if (!count_of(e, t->format[dtype].part[0].bits, &c))
        return gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size has too many factors, or does not fit in 64 bits");
    if (c.sym[0] == 0) { /* a constant: rounded now, so that equal allocations are one size */
        c.num = (c.num / c.den + (c.num % c.den != 0) + t->rounding - 1) / t->rounding * t->rounding;
        c.den = 1;
    }
    return atom_of(t, c, 0);
}

/* ---- storages ---- */

static void more(gm_tape *t, uint32_t s)
{
    t->live[t->storage[s].atom]++;
    t->rising = true;
    if (t->event)
        t->event(t->self, t, s, 1);
}

static void less(gm_tape *t, uint32_t s)
{
    if (t->rising && t->top)
        t->top(t->self, t);
    t->rising = false;
    t->live[t->storage[s].atom]--;
    if (t->event)
        t->event(t->self, t, s, -1);
}

uint32_t gm_storage_new(gm_tape *t, gm_ext elements, uint32_t dtype)
{
    uint32_t atom, s = t->free_storage;
    if (t->stop)
        return GM_NONE;
    atom = gm_tape_atom(t, elements, dtype);
    if (atom == GM_NONE)
        return GM_NONE;
    if (s)
        t->free_storage = t->storage[s].atom;
    else {
        if (t->nstorage == 0)
            t->nstorage = 1; /* 0 ends the list of free ones */
        if (t->nstorage >= t->max_storage && !grow(t, &t->storage, sizeof *t->storage, &t->max_storage))
            return GM_NONE;
        s = t->nstorage++;
    }
    t->storage[s] = (gm_storage){atom, 1, t->label, 0, 0, GPUMEM_IS_ACTIVATIONS, false, t->looping || t->in_loop};
    more(t, s);
    return s;
}

/* A symbol that is 1 where a loop has more turns than that, else 0; 0: the number of turns is known. */
static uint8_t where_more(gm_tape *t, gm_ext n, uint64_t than)
{
    gm_ext more;
    uint8_t times;
    if (gm_ext_constant(&n))
        return 0;
    if (!gm_ext_derive(t->symbols, GPUMEM_SYM_SUB, n, gm_ext_of(than), &more) || !gm_ext_derive(t->symbols, GPUMEM_SYM_MIN, more, gm_ext_of(1), &more) ||
        (times = gm_ext_one_symbol(t->symbols, more)) == 0) {
        gm_tape_fail(t, GPUMEM_ERANGE, "a loop's number of turns cannot be computed");
        return 0;
    }
    return times;
}

/* What goes in the last of the turns that the second stands for is there while the first of them runs, if there are more than one. */
static void stays(gm_tape *t, gm_loop *l, uint32_t atom)
{
    uint8_t times = where_more(t, l->n, GM_LOOP_WALKED);
    if (l->nlate == l->max_late && !grow(t, &l->late, sizeof *l->late, &l->max_late))
        return;
    if (times)
        atom = atom_of(t, t->atom[atom].count, times);
    if (atom == GM_NONE)
        return;
    t->live[atom]++;
    l->late[l->nlate++] = atom;
}

/* What was there before a loop goes in the last of the turns that the second stands for. */
static void gone_once(gm_tape *t, uint32_t atom)
{
    uint32_t loop = t->looping && t->turn == 1 ? t->looping : t->turning;
    if (loop == 0 || atom >= t->loop[loop - 1].natom)
        return;
    t->loop[loop - 1].live[atom]--;
    stays(t, &t->loop[loop - 1], atom);
}

/* From now on a storage is as many as a symbol says. */
static bool counts(gm_tape *t, uint32_t s, uint8_t times)
{
    uint32_t old = t->storage[s].atom, now = atom_of(t, t->atom[old].count, times);
    if (now == GM_NONE)
        return false;
    t->live[old]--;
    t->live[now]++;
    t->storage[s].atom = now;
    return true;
}

/* The second turn alone keeps it: where no turn lies between the first and the last it has gone. */
static void second_only(gm_tape *t, uint32_t s)
{
    uint8_t times = where_more(t, t->loop[t->storage[s].loop - 1].n, GM_LOOP_WALKED - 1);
    if (times == 0 || t->atom[t->storage[s].atom].times)
        return;
    if (t->rising && t->top)
        t->top(t->self, t);
    t->rising = false;
    counts(t, s, times);
}

void gm_storage_unref(gm_tape *t, uint32_t s)
{
    if (s == GM_NONE)
        return;
    if (--t->storage[s].refs) {
        if (t->storage[s].refs == t->storage[s].second && !t->turning && (!t->looping || t->turn != 1))
            second_only(t, s);
        return;
    }
    less(t, s);
    if (!t->storage[s].of_turn)
        gone_once(t, t->storage[s].atom);
    t->storage[s].atom = t->free_storage;
    t->free_storage = s;
}

void gm_tape_scratch(gm_tape *t, gm_ext elements, uint32_t dtype)
{
    gm_storage_unref(t, gm_storage_new(t, elements, dtype));
}

void gm_tape_skip(gm_tape *t, const int64_t *delta, uint32_t n, int64_t times)
{
    if (t->rising && t->top)
        t->top(t->self, t);
    for (uint32_t i = 0; i < n; i++)
        t->live[i] += times * delta[i];
    t->rising = true; /* it may be higher than what was before */
}

/* ---- loops ---- */

static void flush(gm_tape *t)
{
    if (t->rising && t->top)
        t->top(t->self, t);
    t->rising = false;
}

void gm_turns_noted(gm_tape *t, gm_ext n)
{
    if (n.num == 1 && n.sym[0] && !n.sym[1]) {
        const gpumem_symbol *s = &t->symbols->sym[n.sym[0]];
        if (s->op == GPUMEM_SYM_CEILDIV && s->b == 0 && t->symbols->sym[s->a].op == GPUMEM_SYM_INPUT && (t->symbols->looped == 0 || s->k < t->symbols->chunk)) {
            t->symbols->looped = s->a;
            t->symbols->chunk = s->k;
        }
    }
}

uint32_t gm_loop_new(gm_tape *t, gm_ext n)
{
    gm_loop *now;
    if (gm_ext_constant(&n) && (t->whole || n.num <= GM_LOOP_WALKED))
        return GM_NONE;
    if (t->looping)
        return gm_tape_fail(t, GPUMEM_EUNSUP, "a loop within a loop");
    if (t->nloop == t->max_loop && !grow(t, &t->loop, sizeof *t->loop, &t->max_loop))
        return GM_NONE;
    now = &t->loop[t->nloop];
    memset(now, 0, sizeof *now);
    now->n = n;
    gm_turns_noted(t, n);
    return t->nloop++;
}

/* So low that nothing counts where no turn lies between the first and the last. */
static void only_where_three(gm_tape *t, gm_ext n, int sign)
{
    static const gpumem_count much = {1ull << 40, 1, {0}};
    uint8_t times;
    uint32_t a, b;
    if (gm_ext_constant(&n))
        return;
    flush(t);
    if ((times = where_more(t, n, GM_LOOP_WALKED - 1)) == 0)
        return;
    a = atom_of(t, much, 0);
    b = atom_of(t, much, times);
    if (a == GM_NONE || b == GM_NONE)
        return;
    t->live[a] -= sign;
    t->live[b] += sign;
}

void gm_loop_enter(gm_tape *t, uint32_t loop)
{
    gm_loop *l = &t->loop[loop];
    int64_t *now;
    only_where_three(t, l->n, 1);
    now = realloc(l->live, (t->natom + 1) * sizeof *now);
    if (now == NULL) {
        gm_tape_fail(t, GPUMEM_ENOMEM, "out of memory");
        return;
    }
    l->live = now;
    l->natom = t->natom;
    if (t->natom)
        memcpy(now, t->live, t->natom * sizeof *now);
}

void gm_loop_leave(gm_tape *t, uint32_t loop)
{
    const gm_loop l = t->loop[loop];
    uint32_t natom, at;
    uint8_t times = gm_ext_constant(&l.n) ? 0 : gm_ext_one_symbol(t->symbols, l.n), once = where_more(t, l.n, GM_LOOP_WALKED - 1);
    flush(t);
    for (uint32_t i = 0; i < l.nlate; i++)
        t->live[l.late[i]]--;
    t->loop[loop].nlate = 0;
    natom = t->natom;
    for (uint32_t i = 0; i < natom; i++) {
        int64_t delta = t->live[i] - (i < l.natom ? l.live[i] : 0);
        if (i < l.natom)
            l.live[i] = delta;
        if (delta && t->atom[i].times && times && t->atom[i].times != once) {
            gm_tape_fail(t, GPUMEM_EUNSUP, "a loop within a loop");
            return;
        }
    }
    for (uint32_t i = 0; i < natom; i++) {
        int64_t delta = i < l.natom ? l.live[i] : t->live[i];
        if (delta == 0 || (once && t->atom[i].times == once))
            continue;
        t->live[i] -= GM_LOOP_WALKED * delta;
        at = times ? atom_of(t, t->atom[i].count, times) : i;
        if (at == GM_NONE)
            return;
        t->live[at] += times ? delta : delta * (int64_t)l.n.num;
    }
    only_where_three(t, l.n, -1);
    t->rising = true;
}

void gm_loop_once(gm_tape *t, uint32_t loop, uint32_t storage)
{
    gm_storage *s = &t->storage[storage];
    gm_loop *l = &t->loop[loop];
    uint32_t old = s->atom;
    uint8_t times = where_more(t, l->n, GM_LOOP_WALKED - 1);
    if (s->refs > 1 || t->atom[old].times || t->live[old] <= (old < l->natom ? l->live[old] : 0))
        return;
    if (times == 0) {
        if (old < l->natom)
            l->live[old]++;
        return;
    }
    flush(t);
    if (!counts(t, storage, times))
        return;
    t->storage[storage].once = true;
    t->rising = true;
}

uint32_t gm_list_new(gm_tape *t, uint32_t loop)
{
    if (t->nlist == t->max_list && !grow(t, &t->list, sizeof *t->list, &t->max_list))
        return GM_NONE;
    t->list[t->nlist] = (gm_list){1, 0, 0, loop, NULL};
    return t->nlist++;
}

void gm_list_add(gm_tape *t, uint32_t list, uint32_t tv)
{
    gm_list *l = &t->list[list];
    if (l->n == l->max && !grow(t, &l->one, sizeof *l->one, &l->max))
        return;
    l->one[l->n].tv = tv;
    l->one[l->n++].turn = t->turn;
}

void gm_list_unref(gm_tape *t, uint32_t list)
{
    gm_list l;
    if (list == GM_NONE || --t->list[list].refs)
        return;
    l = t->list[list];
    t->list[list].one = NULL;
    t->list[list].n = 0;
    for (uint32_t i = 0; i < l.n; i++) {
        bool second = l.loop != GM_NONE && l.one[i].turn == 1;
        if (second)
            gm_loop_enter(t, l.loop);
        gm_tv_unref(t, l.one[i].tv);
        if (second)
            gm_loop_leave(t, l.loop);
    }
    free(l.one);
}

/* ---- tensors ---- */

uint32_t gm_tv_slot(gm_tape *t)
{
    uint32_t i = t->free_tv;
    if (i)
        t->free_tv = t->tv[i].storage;
    else {
        if (t->ntv >= t->max_tv && !grow(t, &t->tv, sizeof *t->tv, &t->max_tv))
            return GM_NONE;
        if (t->ntv == 0) { /* 0 ends the list of free ones; it stands for what a rule gives a word instead of a tensor */
            memset(&t->tv[0], 0, sizeof t->tv[0]);
            t->tv[0].refs = 1u << 30;
            t->tv[0].storage = t->tv[0].node = t->tv[0].leaf = GM_NONE;
            t->ntv = 1;
        }
        i = t->ntv++;
    }
    memset(&t->tv[i], 0, sizeof t->tv[i]);
    t->tv[i].refs = 1;
    t->tv[i].storage = t->tv[i].node = t->tv[i].leaf = GM_NONE;
    return i;
}

void gm_contiguous_strides(gm_tape *t, unsigned ndim, const gm_ext *dim, gm_ext *stride)
{
    gm_ext n = gm_ext_of(1);
    for (unsigned i = ndim; i-- > 0;) {
        stride[i] = n;
        if (!gm_ext_mul(n, dim[i], &n))
            gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size has too many factors, or does not fit in 64 bits");
    }
}

static gm_ext product(gm_tape *t, unsigned ndim, const gm_ext *dim)
{
    gm_ext n = gm_ext_of(1);
    for (unsigned i = 0; i < ndim; i++)
        if (!gm_ext_mul(n, dim[i], &n)) {
            gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size has too many factors, or does not fit in 64 bits");
            break;
        }
    return n;
}

uint32_t gm_tv_strided(gm_tape *t, unsigned ndim, const gm_ext *dim, const gm_ext *stride, uint32_t dtype)
{
    gm_tv made; /* dim may be of a tensor that moves when there is one more */
    uint32_t i;
    if (ndim > GM_TV_DIMS)
        return gm_tape_fail(t, GPUMEM_EINVAL, "a tensor has too many dimensions");
    for (unsigned k = 0; k < ndim; k++) {
        made.dim[k] = dim[k];
        made.stride[k] = stride[k];
    }
    i = gm_tv_slot(t);
    if (i == GM_NONE)
        return i;
    t->tv[i].ndim = (uint8_t)ndim;
    t->tv[i].dtype = (uint8_t)dtype;
    memcpy(t->tv[i].dim, made.dim, ndim * sizeof *dim);
    memcpy(t->tv[i].stride, made.stride, ndim * sizeof *stride);
    made.storage = gm_storage_new(t, product(t, ndim, made.dim), dtype);
    t->tv[i].storage = made.storage;
    return i;
}

uint32_t gm_tv_new(gm_tape *t, unsigned ndim, const gm_ext *dim, uint32_t dtype)
{
    gm_ext stride[GM_TV_DIMS];
    if (ndim > GM_TV_DIMS)
        return gm_tape_fail(t, GPUMEM_EINVAL, "a tensor has too many dimensions");
    gm_contiguous_strides(t, ndim, dim, stride);
    return gm_tv_strided(t, ndim, dim, stride, dtype);
}

uint32_t gm_tv_alias(gm_tape *t, uint32_t tv)
{
    uint32_t i = tv == GM_NONE ? GM_NONE : gm_tv_slot(t);
    if (i == GM_NONE)
        return i;
    t->tv[i] = t->tv[tv];
    t->tv[i].refs = 1;
    t->tv[i].node = t->tv[i].leaf = GM_NONE;
    t->tv[i].grad = false;
    t->tv[i].view = true;
    t->tv[i].second = false;
    if (t->tv[i].storage != GM_NONE)
        t->storage[t->tv[i].storage].refs++;
    return i;
}

uint32_t gm_tv_kept(gm_tape *t, uint32_t tv)
{
    uint32_t i = gm_tv_alias(t, tv);
    gm_storage *s = i == GM_NONE || t->tv[i].storage == GM_NONE ? NULL : &t->storage[t->tv[i].storage];
    if (s == NULL || !t->looping || t->turn != 1 || s->of_turn || (s->second && s->loop != t->looping))
        return i;
    s->loop = t->looping;
    s->second++;
    t->tv[i].second = true;
    return i;
}

uint32_t gm_tv_ref(gm_tape *t, uint32_t tv)
{
    if (tv != GM_NONE)
        t->tv[tv].refs++;
    return tv;
}

void gm_tv_unref(gm_tape *t, uint32_t tv)
{
    uint32_t node;
    if (tv == GM_NONE || --t->tv[tv].refs)
        return;
    node = t->tv[tv].node;
    if (t->tv[tv].second)
        t->storage[t->tv[tv].storage].second--;
    gm_storage_unref(t, t->tv[tv].storage);
    t->tv[tv].storage = t->free_tv;
    t->free_tv = tv;
    gm_node_unref(t, node);
}

gm_ext gm_tv_elements(gm_tape *t, uint32_t tv) { return product(t, t->tv[tv].ndim, t->tv[tv].dim); }

bool gm_same_shape(const gm_ext *a, unsigned na, const gm_ext *b, unsigned nb)
{
    if (na != nb)
        return false;
    for (unsigned i = 0; i < na; i++)
        if (!gm_ext_same(a[i], b[i]))
            return false;
    return true;
}

bool gm_tv_contiguous(gm_tape *t, uint32_t tv)
{
    const gm_tv *x = &t->tv[tv];
    gm_ext n = gm_ext_of(1);
    for (unsigned i = x->ndim; i-- > 0;) {
        if (gm_ext_is_one(x->dim[i]))
            continue;
        if (!gm_ext_same(x->stride[i], n) || !gm_ext_mul(n, x->dim[i], &n))
            return false;
    }
    return true;
}

/* Dimensions from the outermost in memory to the innermost; false: two of them cannot be compared. */
static bool by_stride(const gm_tv *x, unsigned *order, unsigned *n)
{
    *n = 0;
    for (unsigned i = 0; i < x->ndim; i++) {
        unsigned k = *n;
        if (gm_ext_is_one(x->dim[i]))
            continue;
        for (; k > 0; k--) {
            int c = gm_ext_compare(x->stride[order[k - 1]], x->stride[i]);
            if (c == 2)
                return false;
            if (c >= 0)
                break;
            order[k] = order[k - 1];
        }
        order[k] = i;
        ++*n;
    }
    return true;
}

bool gm_tv_dense(gm_tape *t, uint32_t tv)
{
    const gm_tv *x = &t->tv[tv];
    unsigned order[GM_TV_DIMS], n;
    gm_ext size = gm_ext_of(1);
    if (!by_stride(x, order, &n))
        return false;
    while (n-- > 0) {
        if (!gm_ext_same(x->stride[order[n]], size) || !gm_ext_mul(size, x->dim[order[n]], &size))
            return false;
    }
    return true;
}

/* at::detail::computeStride: runs of dimensions that lie side by side in memory are cut anew. */
bool gm_view_strides(gm_tape *t, const gm_tv *x, unsigned ndim, const gm_ext *dim, gm_ext *stride)
{
    int at = (int)ndim - 1;
    gm_ext base = x->ndim ? x->stride[x->ndim - 1] : gm_ext_of(1), have = gm_ext_of(1), got = gm_ext_of(1), joined;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (!gm_ext_mul(have, x->dim[i], &have))
            return false;
        if (i > 0 && (gm_ext_is_one(x->dim[i - 1]) || (gm_ext_mul(have, base, &joined) && gm_ext_same(x->stride[i - 1], joined))))
            continue;
        while (at >= 0 && (!gm_ext_same(got, have) || gm_ext_is_one(dim[at]))) {
            if (!gm_ext_mul(base, got, &stride[at]) || !gm_ext_mul(got, dim[at], &got))
                return false;
            at--;
        }
        if (!gm_ext_same(got, have))
            return false;
        if (i > 0)
            base = x->stride[i - 1];
        have = got = gm_ext_of(1);
    }
    for (; at >= 0; at--) {
        if (!gm_ext_is_one(dim[at]))
            return false;
        stride[at] = gm_ext_of(1);
    }
    (void)t;
    return true;
}

/* ---- what elementwise operators make ---- */

bool gm_format_is_plain(const gpumem_format *f)
{
    return f->npart == 1 && f->part[0].rows <= 1 && f->part[0].cols <= 1 && f->part[0].fixed == 0;
}

bool gm_is_float(const gm_tape *t, uint32_t dtype)
{
    return dtype == GPUMEM_FORMAT_F32 || dtype == GPUMEM_FORMAT_BF16 || dtype >= GPUMEM_NFORMATS || t == NULL;
}

uint32_t gm_promote(const gm_tape *t, uint32_t a, uint32_t b)
{
    uint32_t x, y;
    if (a == b)
        return a;
    if (a == GPUMEM_FORMAT_C64 || b == GPUMEM_FORMAT_C64)
        return GPUMEM_FORMAT_C64;
    if (gm_is_float(t, a) != gm_is_float(t, b))
        return gm_is_float(t, a) ? a : b;
    x = t->format[a].part[0].bits;
    y = t->format[b].part[0].bits;
    if (x == y)
        return gm_is_float(t, a) ? GPUMEM_FORMAT_F32 : a;
    return x > y ? a : b;
}

static gm_ext stride_at(const gm_tv *x, unsigned ndim, unsigned d, const gm_ext *dim)
{
    unsigned off = ndim - x->ndim;
    if (d < off)
        return gm_ext_of(0);
    if (gm_ext_is_one(x->dim[d - off]) && !gm_ext_is_one(dim[d]))
        return gm_ext_of(0);
    return x->stride[d - off];
}

/* TensorIterator::reorder_dimensions: must dimension a be outside of b?  1 yes, -1 no, 0 either. */
static int outside(gm_tape *t, unsigned n, const uint32_t *in, unsigned ndim, const gm_ext *dim, unsigned a, unsigned b)
{
    for (unsigned k = 0; k < n; k++) {
        gm_ext x = stride_at(&t->tv[in[k]], ndim, a, dim), y = stride_at(&t->tv[in[k]], ndim, b, dim);
        int c;
        if (x.num == 0 || y.num == 0)
            continue;
        c = gm_ext_compare(x, y);
        if (c == 1 || c == -1)
            return c;
        if (c == 0) {
            c = gm_ext_compare(dim[a], dim[b]);
            if (c == 1)
                return -1; /* equal strides: the larger one is inside */
        }
    }
    return 0;
}

bool gm_elementwise(gm_tape *t, unsigned n, const uint32_t *in, unsigned *ndim, gm_ext *dim, gm_ext *stride)
{
    unsigned order[GM_TV_DIMS];
    gm_ext size = gm_ext_of(1);
    *ndim = 0;
    for (unsigned k = 0; k < n; k++)
        if (t->tv[in[k]].ndim > *ndim)
            *ndim = t->tv[in[k]].ndim;
    for (unsigned d = 0; d < *ndim; d++) {
        dim[d] = gm_ext_of(1);
        for (unsigned k = 0; k < n; k++) {
            const gm_tv *x = &t->tv[in[k]];
            unsigned off = *ndim - x->ndim;
            gm_ext own;
            if (d < off)
                continue;
            own = x->dim[d - off];
            if (gm_ext_same(own, gm_ext_of(1)))
                continue;
            if (gm_ext_same(dim[d], gm_ext_of(1)))
                dim[d] = own;
            else if (!gm_ext_same(dim[d], own) && !gm_ext_is_one(own)) {
                gm_tape_fail(t, GPUMEM_EINVAL, "operands of an elementwise operator have shapes that do not fit");
                return false;
            }
        }
    }
    for (unsigned d = 0; d < *ndim; d++) { /* insertion, outermost first; what can be either stays as it is */
        unsigned k = d;
        for (unsigned j = d; j-- > 0;) {
            int c = gm_ext_is_one(dim[d]) || gm_ext_is_one(dim[order[j]]) ? 0 : outside(t, n, in, *ndim, dim, d, order[j]);
            if (c == 1)
                k = j;
            else if (c == -1)
                break;
        }
        memmove(order + k + 1, order + k, (d - k) * sizeof *order);
        order[k] = d;
    }
    for (unsigned k = *ndim; k-- > 0;) {
        stride[order[k]] = size;
        if (!gm_ext_mul(size, dim[order[k]], &size)) {
            gm_tape_fail(t, GPUMEM_ERANGE, "a tensor's size has too many factors, or does not fit in 64 bits");
            return false;
        }
    }
    return true;
}
