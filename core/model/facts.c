/* What a description says beside a count: all are sums over its blocks, so that they agree. */
#include "base/checked.h"
#include "model/model.h"
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

static bool owned(const gpumem_tensor *t)
{
    return t->role == GPUMEM_ROLE_WEIGHT && t->storage == GPUMEM_NONE;
}

/* Of how many experts a token uses how many, in this block; 1 of 1 without a router. */
static void experts_used(const gpumem_description *d, const gpumem_block *b, uint64_t *of, uint64_t *used)
{
    *of = *used = 1;
    for (uint32_t i = b->op0; i < b->op0 + b->nop; i++)
        if (d->op[i].kind == GPUMEM_OP_ROUTE) {
            *of = d->op[i].attr[0];
            *used = d->op[i].attr[1];
        }
}

static bool of_experts(const gpumem_tensor *t)
{
    return t->part != GPUMEM_PART_ROUTER && t->ndim > 1 && t->dim[0].axis == GPUMEM_AXIS_EXPERT;
}

uint64_t gpumem_model_parameters_in(const gpumem_model *m, unsigned part)
{
    const gpumem_description *d = &m->d;
    uint64_t sum = 0, n;
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++)
            if (owned(&d->tensor[k]) && d->tensor[k].part == part && !gm_tensor_elements(&d->tensor[k], &n))
                sum += n * gm_tensor_times(d, &d->block[i], &d->tensor[k]); /* parts of a sum that was checked */
    return sum;
}

uint64_t gpumem_model_active(const gpumem_model *m)
{
    const gpumem_description *d = &m->d;
    uint64_t sum = 0, n, of, used;
    for (uint32_t i = 0; i < d->nblock; i++) {
        experts_used(d, &d->block[i], &of, &used);
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++) {
            const gpumem_tensor *t = &d->tensor[k];
            if (!owned(t) || gm_tensor_elements(t, &n))
                continue;
            if (of_experts(t) && used < t->dim[0].size)
                n = n / t->dim[0].size * used;
            sum += n * gm_tensor_times(d, &d->block[i], t);
        }
    }
    return sum;
}

/* ---- tensors by name ---- */

typedef struct lister {
    const gpumem_model *m;
    int (*each)(void *, const gpumem_stored_tensor *);
    void *self;
    gpumem_text name, tied, stored, begun;
    bool checkpoint, stop, failed;
} lister;

static void put_name(gpumem_text *t, const char *name, uint32_t layer)
{
    const char *i = strstr(name, "{i}");
    gpumem_text_clear(t);
    gpumem_text_put(t, name, i && layer != GPUMEM_NONE ? (size_t)(i - name) : strlen(name));
    if (i && layer != GPUMEM_NONE) {
        gpumem_text_u64(t, layer);
        gpumem_text_puts(t, i + 3);
    }
}

/* What a name begins with in checkpoints. */
static const gpumem_text *begun(lister *l, const gpumem_text *name)
{
    const gm_family *f = l->m->subject.family;
    for (uint32_t i = 0; l->checkpoint && name->s && i < f->nstored; i++) {
        const gm_stored *s = &f->stored[i];
        size_t n = s->first ? strlen(s->first) : 0;
        if (n == 0 || strncmp(name->s, s->first, n) != 0 || name->s[n] != '.')
            continue;
        gpumem_text_clear(&l->begun);
        gpumem_text_puts(&l->begun, s->as[0]);
        gpumem_text_puts(&l->begun, name->s + n + (*s->as[0] == 0));
        return &l->begun;
    }
    return name;
}

static void give(lister *l, const gpumem_text *own, gpumem_stored_tensor *t)
{
    const gpumem_text *name = begun(l, own);
    t->name = name->s ? name->s : "";
    l->failed |= name->failed;
    if (!l->stop && !l->failed)
        l->stop = l->each(l->self, t) != 0;
}

static const gm_stored *stored_in(const gm_family *f, const char *name)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < f->nstored; i++) {
        const gm_stored *s = &f->stored[i];
        size_t k = strlen(s->tensor);
        if (s->first == NULL && k <= n && strcmp(name + n - k, s->tensor) == 0 && (s->anywhere || k == n || name[n - k - 1] == '.'))
            return s;
    }
    return NULL;
}

/* The family's own rule counts before those of the families of which it is composed. */
static const gm_stored *stored_as(const lister *l, const char *name)
{
    const gm_stored *s = l->checkpoint ? stored_in(l->m->subject.family, name) : NULL;
    for (uint32_t i = 0; l->checkpoint && s == NULL && i < l->m->npart; i++)
        s = stored_in(l->m->part[i], name);
    return s;
}

/* One piece of a tensor: the e-th entry of its first dimension, the k-th part of what is left. */
static void give_piece(lister *l, const gm_stored *s, const gpumem_stored_tensor *whole, uint64_t e, uint32_t k)
{
    gpumem_stored_tensor t = *whole;
    const char *mark = strstr(s->as[k], "{e}");
    gpumem_text_clear(&l->stored);
    gpumem_text_put(&l->stored, l->name.s, l->name.n - strlen(s->tensor));
    gpumem_text_put(&l->stored, s->as[k], mark ? (size_t)(mark - s->as[k]) : strlen(s->as[k]));
    if (mark) {
        gpumem_text_u64(&l->stored, e);
        gpumem_text_puts(&l->stored, mark + 3);
    }
    if (s->unstack && t.ndim) {
        t.ndim--;
        memmove(t.dim, t.dim + 1, t.ndim * sizeof *t.dim);
    }
    if (s->transpose && t.ndim > 1) {
        uint64_t d = t.dim[0];
        t.dim[0] = t.dim[1];
        t.dim[1] = d;
    }
    if (t.ndim)
        t.dim[0] /= s->nas;
    give(l, &l->stored, &t);
}

static void list_tensor(lister *l, const gpumem_tensor *t, uint32_t layer)
{
    const gpumem_description *d = &l->m->d;
    gpumem_stored_tensor out = {.ndim = t->ndim, .role = t->role, .dtype = t->dtype, .part = t->part};
    const gm_stored *s;
    put_name(&l->name, d->string + t->name, layer);
    if (l->name.failed) {
        l->failed = true;
        return;
    }
    for (uint32_t i = 0; i < t->ndim; i++)
        out.dim[i] = t->dim[i].size;
    if (t->storage != GPUMEM_NONE) {
        if (l->checkpoint)
            return;
        put_name(&l->tied, d->string + d->tensor[t->storage].name, layer);
        out.tied = l->tied.s;
    }
    s = stored_as(l, l->name.s);
    if (s == NULL) {
        give(l, &l->name, &out);
        return;
    }
    for (uint64_t e = 0; e < (s->unstack && t->ndim ? out.dim[0] : 1) && !l->stop && !l->failed; e++)
        for (uint32_t k = 0; k < s->nas; k++)
            give_piece(l, s, &out, e, k);
}

static bool imported(const gpumem_description *d, const gpumem_block *b, uint32_t tensor)
{
    for (uint32_t i = 0; i < b->nimport; i++)
        if (d->port[b->import0 + i].tensor == tensor)
            return true;
    return false;
}

gpumem_status gpumem_model_tensors(const gpumem_model *m, bool checkpoint, int (*each)(void *self, const gpumem_stored_tensor *t), void *self,
                                   gpumem_error *err)
{
    const gpumem_description *d = &m->d;
    lister l = {.m = m, .each = each, .self = self, .checkpoint = checkpoint};
    for (uint32_t i = 0; i < d->nsequence && !l.stop && !l.failed; i++) {
        const gpumem_block *b = &d->block[d->sequence[i]];
        for (uint32_t k = b->tensor0; k < b->tensor0 + b->ntensor && !l.stop && !l.failed; k++)
            if ((d->tensor[k].role == GPUMEM_ROLE_WEIGHT || d->tensor[k].role == GPUMEM_ROLE_BUFFER) && !imported(d, b, k) &&
                (d->tensor[k].scope != GPUMEM_SCOPE_MODEL || m->layer[i] == b->layer)) /* of all its layers: in the first of them */
                list_tensor(&l, &d->tensor[k], m->layer[i]);
    }
    gpumem_text_free(&l.name);
    gpumem_text_free(&l.tied);
    gpumem_text_free(&l.stored);
    gpumem_text_free(&l.begun);
    return l.failed ? gm_no_memory(err) : GPUMEM_OK;
}

/* ---- caches ---- */

/* The extent of a tensor that grows with the tokens: 0 none, 1 all of them, 2 a window, 3 groups of so many. */
static unsigned grows(const gpumem_description *d, const gpumem_tensor *t, uint64_t *window, uint64_t *tokens)
{
    for (uint32_t i = 0; i < t->ndim; i++) {
        const gpumem_symbol *s = &d->sym[t->dim[i].sym];
        if (t->dim[i].sym && s->op == GPUMEM_SYM_INPUT && strcmp(s->name, "tokens") == 0)
            return 1;
        if (t->dim[i].sym && s->op == GPUMEM_SYM_MIN && s->b == 0) {
            *window = s->k;
            return 2;
        }
        if (t->dim[i].sym && s->op == GPUMEM_SYM_CEILDIV && s->b == 0) {
            *tokens = s->k;
            return 3;
        }
    }
    return 0;
}

static bool same_cache(const gpumem_cache *a, const gpumem_cache *b)
{
    return a->elements_per_token == b->elements_per_token && a->window == b->window && a->tokens == b->tokens && a->elements == b->elements && a->dtype == b->dtype &&
           strcmp(a->name, b->name) == 0;
}

size_t gpumem_model_caches(const gpumem_model *m, gpumem_cache *cache, size_t max)
{
    const gpumem_description *d = &m->d;
    size_t count = 0, at;
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].tensor0; k < d->block[i].tensor0 + d->block[i].ntensor; k++) {
            const gpumem_tensor *t = &d->tensor[k];
            gpumem_cache c = {.layers = d->block[i].count, .tokens = 1, .dtype = t->dtype, .name = d->string + t->name};
            uint64_t n;
            if ((t->role != GPUMEM_ROLE_CACHE && t->role != GPUMEM_ROLE_STATE) || gm_tensor_elements(t, &n))
                continue;
            *(grows(d, t, &c.window, &c.tokens) ? &c.elements_per_token : &c.elements) = n;
            for (at = 0; at < count && at < max && !same_cache(&cache[at], &c); at++)
                ;
            if (at < count && at < max) {
                cache[at].layers += c.layers;
                continue;
            }
            if (count < max)
                cache[count] = c;
            count++;
        }
    return count;
}

/* ---- operations ---- */

/* Rows of an activation for each token: its extents without batch, tokens and the last one; 0: it does not go with the tokens. */
static uint64_t rows_per_token(const gpumem_description *d, const gpumem_tensor *t)
{
    uint64_t rows = 1;
    bool tokens = false;
    for (uint32_t i = 0; i + 1 < t->ndim; i++) {
        const gpumem_symbol *s = &d->sym[t->dim[i].sym];
        if (gm_mul_u64(rows, t->dim[i].size, &rows))
            return 0;
        tokens |= t->dim[i].sym && s->op == GPUMEM_SYM_INPUT && strcmp(s->name, "tokens") == 0;
    }
    return tokens ? rows : 0;
}

static int product_flops(const gpumem_description *d, const gpumem_op *op, uint64_t *out)
{
    const uint32_t *in = d->operand + op->operand;
    const gpumem_tensor *x = &d->tensor[in[0]], *w, *y = &d->tensor[in[op->nin]];
    uint64_t n, rows = rows_per_token(d, y);
    *out = 0;
    if (op->nin < 2 || op->nout < 1 || x->ndim == 0 || y->ndim == 0)
        return 0;
    w = &d->tensor[in[1]];
    if (w->role != GPUMEM_ROLE_WEIGHT)
        return 0;
    if (gm_mul_u64(x->dim[x->ndim - 1].size, y->dim[y->ndim - 1].size, &n))
        return 1;
    return gm_mul_u64(n, rows, &n) || gm_mul_u64(n, 2, out);
}

/* Each token is multiplied with every number of the weight: convolutions, a matrix for each head. */
static int weight_flops(const gpumem_description *d, const gpumem_op *op, uint64_t *out)
{
    const uint32_t *in = d->operand + op->operand;
    uint64_t n;
    *out = 0;
    if (op->nin < 2 || d->tensor[in[1]].role != GPUMEM_ROLE_WEIGHT)
        return 0;
    if (d->tensor[in[1]].ndim < 3)
        return product_flops(d, op, out);
    return gm_tensor_elements(&d->tensor[in[1]], &n) || gm_mul_u64(n, 2, out);
}

/* Each token goes through attr[1] experts. */
static int experts_flops(const gpumem_description *d, const gpumem_op *op, uint64_t *out)
{
    uint64_t n;
    *out = 0;
    for (uint32_t i = 0; i < op->nin; i++) {
        uint32_t in = d->operand[op->operand + i];
        const gpumem_tensor *t = in == GPUMEM_NONE ? NULL : &d->tensor[in];
        if (t == NULL || t->role != GPUMEM_ROLE_WEIGHT || t->family != GPUMEM_FAMILY_EXPERT)
            continue;
        if (gm_tensor_elements(t, &n) || gm_mul_u64(n / (op->attr[5] ? op->attr[0] : t->dim[0].size), 2 * (uint64_t)op->attr[1], &n) || gm_add_u64(*out, n, out))
            return 1;
    }
    return 0;
}

static int op_flops(const gpumem_description *d, const gpumem_op *op, uint64_t *token, uint64_t *context)
{
    *token = *context = 0;
    if (op->kind == GPUMEM_OP_LINEAR || op->kind == GPUMEM_OP_GROUPED_LINEAR)
        return product_flops(d, op, token);
    if (op->kind == GPUMEM_OP_EXPERTS)
        return experts_flops(d, op, token);
    if (op->kind == GPUMEM_OP_CONV || op->kind == GPUMEM_OP_MATMUL)
        return weight_flops(d, op, token);
    if (op->kind == GPUMEM_OP_ATTENTION) /* scores and their sums over the values */
        *context = 2 * (uint64_t)op->attr[0] * ((uint64_t)op->attr[2] + op->attr[3]);
    return 0;
}

gpumem_status gpumem_model_flops(const gpumem_model *m, gpumem_flops *out, gpumem_error *err)
{
    const gpumem_description *d = &m->d;
    int bad = 0;
    *out = (gpumem_flops){0, 0};
    for (uint32_t i = 0; i < d->nblock; i++)
        for (uint32_t k = d->block[i].op0; k < d->block[i].op0 + d->block[i].nop; k++) {
            uint64_t token, context;
            bad |= op_flops(d, &d->op[k], &token, &context) || gm_mul_u64(token, d->block[i].count, &token) ||
                   gm_mul_u64(context, d->block[i].count, &context) || gm_add_u64(out->token, token, &out->token) ||
                   gm_add_u64(out->token_and_context, context, &out->token_and_context);
        }
    return bad ? gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "the operations of a token do not fit in 64 bits") : GPUMEM_OK;
}
