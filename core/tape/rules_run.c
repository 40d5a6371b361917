#include "tape/rules_tree.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

typedef struct run { gm_rules *r; gm_tape *t; uint32_t rule; gm_arg *v; unsigned depth; uint32_t line; unsigned nmeta; const gm_meta *meta; } run;

static void drop(gm_tape *t, gm_arg *a)
{
    if (a->type == GM_ARG_TENSOR)
        gm_tv_unref(t, a->tv);
    else if (a->type == GM_ARG_MANY)
        gm_list_unref(t, a->tv);
    a->type = GM_ARG_NONE;
}

static void failed(run *x, const char *why)
{
    char text[160];
    const rule *u = &x->r->rule[x->rule];
    if (x->t->failed)
        return;
    snprintf(text, sizeof text, "rule %.*s, line %u: %s", (int)u->nname, u->name, x->line, why);
    gm_tape_fail(x->t, GPUMEM_EINVAL, text);
}

static bool eval(run *x, uint32_t at, gm_arg *out);

static bool size_at(run *x, uint32_t at, gm_ext *out)
{
    gm_arg a;
    if (!eval(x, at, &a))
        return false;
    if (a.type != GM_ARG_SIZE) {
        drop(x->t, &a);
        failed(x, "expected a size");
        return false;
    }
    *out = a.size;
    return true;
}

static bool truth(run *x, uint32_t at, bool *yes)
{
    gm_ext e;
    if (!size_at(x, at, &e))
        return false;
    *yes = e.num != 0;
    return true;
}

static bool binary(run *x, const expression *e, gm_arg *out)
{
    gm_ext a, b, r = gm_ext_of(0);
    bool yes, ok = true;
    int c;
    out->type = GM_ARG_SIZE;
    if (e->op == OP_AND || e->op == OP_OR) {
        if (!truth(x, e->arg[0], &yes))
            return false;
        if (yes == (e->op == OP_AND) && !truth(x, e->arg[1], &yes))
            return false;
        out->size = gm_ext_of(yes);
        return true;
    }
    if (!size_at(x, e->arg[0], &a) || !size_at(x, e->arg[1], &b))
        return false;
    c = gm_ext_compare(a, b);
    switch (e->op) {
    case OP_MUL: ok = gm_ext_mul(a, b, &r); break;
    case OP_DIV: ok = gm_ext_div(a, b, &r); break;
    case OP_ADD: ok = gm_ext_derive(x->t->symbols, GPUMEM_SYM_ADD, a, b, &r); break;
    case OP_SUB: ok = gm_ext_derive(x->t->symbols, GPUMEM_SYM_SUB, a, b, &r); break;
    case OP_EQ: r.num = c == 0; break;
    case OP_NE: r.num = c != 0; break;
    case OP_LT: r.num = c == -1; break;
    case OP_LE: r.num = c == -1 || c == 0; break;
    case OP_GT: r.num = c == 1; break;
    default: r.num = c == 1 || c == 0; break;
    }
    if (!ok)
        failed(x, "a size that cannot be computed");
    out->size = r;
    return ok;
}

static unsigned enter(run *x, uint32_t rule, unsigned n, gm_arg *arg, uint32_t *out);

/* NAME.*: the rule NAME.VARIANT of the operator that runs, else the rule NAME. */
static uint32_t varied(run *x, const expression *e)
{
    char name[128];
    gpumem_error err = {0};
    uint32_t at = GM_NONE;
    for (int i = x->t->variant ? 0 : 1; i < 2 && at == GM_NONE && err.status == GPUMEM_OK; i++) {
        snprintf(name, sizeof name, "%.*s%s%.60s", (int)(e->number < 60 ? e->number : 60), e->varied, i ? "" : ".", i ? "" : x->t->variant);
        at = gm_rules_find(x->r, name, &err);
    }
    if (err.status == GPUMEM_ENOMEM)
        gm_tape_fail(x->t, GPUMEM_ENOMEM, err.message);
    else if (at == GM_NONE)
        failed(x, "there is no rule for this operator's variant");
    return at;
}

/* moved: a turn of a loop, whose rule is given what it binds again; or NULL. */
static unsigned call(run *x, const expression *e, const statement *moved, uint32_t *out)
{
    gm_arg a[GM_WORD_ARGS];
    unsigned n = 0, nout = 0;
    for (; n < e->nargs; n++)
        if (!eval(x, e->arg[n], &a[n]))
            break;
    if (n == e->nargs) {
        if (e->kind == E_WORD) {
            bool ok = true;
            for (unsigned i = 0; i < n; i++)
                ok &= a[i].type != GM_ARG_TENSOR || a[i].tv != GM_NONE;
            if (ok)
                nout = gm_word_run(x->t, e->at, n, a, out);
            if (x->t->failed && x->t->why[0] && strncmp(x->t->why, "rule ", 5) != 0) {
                char why[100];
                gpumem_status status = x->t->status;
                snprintf(why, sizeof why, "%.99s", x->t->why);
                x->t->failed = false;
                failed(x, why);
                x->t->status = status;
            }
        } else {
            for (unsigned i = 0; moved && i < n; i++)
                for (unsigned k = 0; k < moved->nnames; k++)
                    if (x->r->e[e->arg[i]].kind == E_NAME && x->r->e[e->arg[i]].at == moved->name[k] && !(moved->many >> k & 1)) {
                        gm_arg old = x->v[moved->name[k]];
                        memset(&x->v[moved->name[k]], 0, sizeof old);
                        drop(x->t, &old);
                    }
            return enter(x, e->kind == E_RULE ? e->at : varied(x, e), n, a, out); /* takes its arguments */
        }
    }
    while (n-- > 0)
        drop(x->t, &a[n]);
    return nout;
}

static bool sized(gm_arg *out, gm_ext size)
{
    out->type = GM_ARG_SIZE;
    out->size = size;
    return true;
}

/* x[i] */
static bool dimension(run *x, const expression *e, gm_arg *out)
{
    const gm_arg *v = &x->v[e->at];
    int64_t i;
    gm_ext at;
    if (v->type != GM_ARG_TENSOR) {
        failed(x, "a dimension of what is no tensor");
        return false;
    }
    if (!size_at(x, e->arg[0], &at))
        return false;
    i = (int64_t)at.num;
    i = i < 0 ? i + x->t->tv[v->tv].ndim : i;
    if (i < 0 || i >= x->t->tv[v->tv].ndim) {
        failed(x, "a dimension that a tensor does not have");
        return false;
    }
    return sized(out, x->t->tv[v->tv].dim[i]);
}

static bool shape(run *x, const expression *e, gm_arg *out)
{
    out->type = GM_ARG_LIST;
    for (unsigned k = 0; k < e->nargs; k++) {
        if (k == GM_TV_DIMS) {
            failed(x, "a shape has too many dimensions");
            return false;
        }
        if (!size_at(x, e->arg[k], &out->list[k]))
            return false;
        out->n++;
    }
    out->size = out->list[0];
    return true;
}

static bool derived(run *x, const expression *e, gm_arg *out)
{
    gm_ext a, b;
    if (!size_at(x, e->arg[0], &a) || !size_at(x, e->arg[1], &b))
        return false;
    out->type = GM_ARG_SIZE;
    if (!gm_ext_derive(x->t->symbols, e->op, a, b, &out->size)) {
        failed(x, "a size that cannot be computed");
        return false;
    }
    if (e->op == GPUMEM_SYM_CEILDIV)
        gm_turns_noted(x->t, out->size);
    return true;
}

/* seen(window): cells that a layer sees, 0: of all tokens; a window's are whole pages too, with room for what runs ahead. */
static bool seen(run *x, const expression *e, gm_arg *out)
{
    gm_tape *t = x->t;
    gm_ext window, cells = t->seen;
    if (!size_at(x, e->arg[0], &window))
        return false;
    if (window.num && t->page) {
        uint64_t room = (window.num + t->room + t->page - 1) / t->page * t->page;
        if (!gm_ext_derive(t->symbols, GPUMEM_SYM_MIN, cells, gm_ext_of(room), &cells)) {
            failed(x, "a size that cannot be computed");
            return false;
        }
    }
    return sized(out, cells);
}

/* described(i): a tensor as the operator describes its result; described_in(dtype): the first one, in another dtype. */
static bool described(run *x, const expression *e, gm_arg *out)
{
    bool first = e->kind == E_DESCRIBED_IN;
    const gm_meta *m;
    gm_ext n;
    if (!size_at(x, e->arg[0], &n))
        return false;
    if ((first ? 0 : n.num) >= x->nmeta) {
        failed(x, "the operator describes no such result");
        return false;
    }
    m = &x->meta[first ? 0 : n.num];
    out->type = GM_ARG_TENSOR;
    out->tv = gm_tv_new(x->t, m->ndim, m->dim, first ? (uint32_t)n.num : m->dtype);
    return !x->t->stop;
}

/* as_described(y): y in the shape of the first result; what has no gradient may be any part of it, or the same more than once. */
static bool as_described(run *x, const expression *e, gm_arg *out)
{
    uint32_t made[GM_WORD_OUTS];
    unsigned n;
    gm_arg y;
    if (!eval(x, e->arg[0], &y))
        return false;
    if (y.type != GM_ARG_TENSOR || x->nmeta == 0) {
        drop(x->t, &y);
        failed(x, "expected a tensor");
        return false;
    }
    if (!x->t->tv[y.tv].grad) {
        made[0] = gm_tv_alias(x->t, y.tv);
        n = made[0] != GM_NONE;
        if (n) {
            gm_tv *v = &x->t->tv[made[0]];
            v->ndim = x->meta[0].ndim;
            memcpy(v->dim, x->meta[0].dim, sizeof v->dim);
            gm_contiguous_strides(x->t, v->ndim, v->dim, v->stride);
        }
    } else {
        gm_arg shaped[2] = {y, {.type = GM_ARG_LIST, .n = x->meta[0].ndim}};
        memcpy(shaped[1].list, x->meta[0].dim, sizeof x->meta[0].dim);
        n = gm_word_run(x->t, gm_word_find("view", 4), 2, shaped, made);
    }
    drop(x->t, &y);
    out->type = n ? GM_ARG_TENSOR : GM_ARG_NONE;
    out->tv = n ? made[0] : GM_NONE;
    return !x->t->stop;
}

/* Can the one be broadcast to the other? */
static bool fits(run *x, const expression *e, gm_arg *out)
{
    bool yes = true;
    gm_arg a, b;
    if (!eval(x, e->arg[0], &a))
        return false;
    if (!eval(x, e->arg[1], &b)) {
        drop(x->t, &a);
        return false;
    }
    for (unsigned k = 1; a.type == GM_ARG_TENSOR && b.type == GM_ARG_TENSOR; k++) {
        const gm_tv *p = &x->t->tv[a.tv], *q = &x->t->tv[b.tv];
        if (k > p->ndim || k > q->ndim)
            break;
        yes &= gm_ext_same(p->dim[p->ndim - k], q->dim[q->ndim - k]) || gm_ext_is_one(p->dim[p->ndim - k]) || gm_ext_is_one(q->dim[q->ndim - k]);
    }
    drop(x->t, &b);
    drop(x->t, &a);
    return sized(out, gm_ext_of(yes));
}

static bool of_tensor(run *x, const expression *e, gm_arg *out)
{
    const gm_tv *v;
    gm_arg y;
    if (!eval(x, e->arg[0], &y))
        return false;
    v = y.type == GM_ARG_TENSOR ? &x->t->tv[y.tv] : NULL;
    if (e->kind == E_HAS)
        sized(out, gm_ext_of(v != NULL));
    else if (v == NULL)
        failed(x, "expected a tensor");
    else if (e->kind == E_NUMEL)
        sized(out, gm_tv_elements(x->t, y.tv));
    else
        sized(out, gm_ext_of(e->kind == E_DTYPE ? v->dtype : e->kind == E_GRAD ? v->grad : v->ndim));
    drop(x->t, &y);
    return !x->t->failed;
}

/* A bare name. */
static bool of_walk(const run *x, unsigned kind, gm_arg *out)
{
    const gm_tape *t = x->t;
    switch (kind) {
    case E_TRAINING: return sized(out, gm_ext_of(t->training));
    case E_CHECKPOINTING: return sized(out, gm_ext_of(t->checkpointing));
    case E_AUTOCAST: return sized(out, gm_ext_of(t->low != GM_NONE));
    case E_AUTOCAST_DTYPE: return sized(out, gm_ext_of(t->low));
    case E_HALF: return sized(out, gm_ext_of(gpumem_format_find(t->format, t->nformat, "f16"))); /* none of the formats that are always there */
    case E_CACHING: return sized(out, gm_ext_of(t->caching));
    case E_FIXED: return sized(out, t->fixed ? t->limit : gm_ext_of(0));
    case E_LAST_ONLY: return sized(out, gm_ext_of(t->last_only));
    case E_PAST: return sized(out, t->past);
    case E_DESCRIBED_DTYPE: return sized(out, gm_ext_of(x->nmeta ? x->meta[0].dtype : 0));
    default: /* E_DESCRIBED_SIZES: the last extent of each result */
        out->type = GM_ARG_LIST;
        for (unsigned k = 0; k < x->nmeta && k < GM_TV_DIMS; k++)
            out->list[out->n++] = x->meta[k].dim[x->meta[k].ndim - 1];
        out->size = out->list[0];
        return true;
    }
}

/* The first result of a word or a rule. */
static bool first_of(run *x, const expression *e, gm_arg *out)
{
    uint32_t made[GM_WORD_OUTS];
    unsigned n = call(x, e, NULL, made);
    if (n == 0 && !x->t->stop)
        failed(x, "a word that makes nothing is used as a value");
    for (unsigned k = x->t->stop ? 0 : 1; k < n; k++)
        gm_tv_unref(x->t, made[k]);
    out->type = x->t->stop ? GM_ARG_NONE : GM_ARG_TENSOR;
    out->tv = n ? made[0] : GM_NONE;
    return !x->t->stop;
}

static bool eval(run *x, uint32_t at, gm_arg *out)
{
    const expression e = x->r->e[at]; /* rules that are called may be parsed first, and expressions move */
    bool yes;
    memset(out, 0, sizeof *out);
    if (x->t->stop)
        return false;
    switch (e.kind) {
    case E_NUMBER: return sized(out, gm_ext_of((uint64_t)e.number));
    case E_NAME:
        *out = x->v[e.at];
        if (out->type == GM_ARG_TENSOR)
            gm_tv_ref(x->t, out->tv);
        else if (out->type == GM_ARG_MANY)
            x->t->list[out->tv].refs++;
        return true;
    case E_WORD:
    case E_RULE:
    case E_VARIED: return first_of(x, &e, out);
    case E_LIST: return shape(x, &e, out);
    case E_DIM: return dimension(x, &e, out);
    case E_BINARY: return binary(x, &e, out);
    case E_NOT: return truth(x, e.arg[0], &yes) && sized(out, gm_ext_of(!yes));
    case E_DERIVED: return derived(x, &e, out);
    case E_SEEN: return seen(x, &e, out);
    case E_DESCRIBED:
    case E_DESCRIBED_IN: return described(x, &e, out);
    case E_AS_DESCRIBED: return as_described(x, &e, out);
    case E_FITS: return fits(x, &e, out);
    case E_HAS:
    case E_DTYPE:
    case E_GRAD:
    case E_NDIM:
    case E_NUMEL: return of_tensor(x, &e, out);
    default: return of_walk(x, e.kind, out);
    }
}

static bool is_call(const expression *e) { return e->kind == E_WORD || e->kind == E_RULE || e->kind == E_VARIED; }

/* NAMES = VALUE */
static bool bind(run *x, const statement *s, uint32_t loop, bool turn)
{
    const expression e = x->r->e[s->value];
    uint32_t made[GM_WORD_OUTS];
    unsigned n;
    gm_arg v, old;
    if (!is_call(&e)) {
        if (!eval(x, s->value, &v))
            return false;
        if (s->nnames == 0) {
            drop(x->t, &v);
            return true;
        }
        old = x->v[s->name[0]];
        x->v[s->name[0]] = v;
        drop(x->t, &old);
        return true;
    }
    n = call(x, &e, turn ? s : NULL, made);
    if (x->t->stop) {
        for (unsigned k = 0; k < n; k++)
            gm_tv_unref(x->t, made[k]);
        return false;
    }
    if (n < s->nnames)
        failed(x, "more names than results");
    for (unsigned k = 0; k < n; k++) {
        gm_arg *to = k < s->nnames ? &x->v[s->name[k]] : NULL;
        if (to && s->many >> k & 1) {
            if (to->type != GM_ARG_MANY) {
                drop(x->t, to);
                *to = (gm_arg){.type = GM_ARG_MANY, .tv = gm_list_new(x->t, loop)};
            }
            if (to->tv != GM_NONE)
                gm_list_add(x->t, to->tv, made[k]);
        } else if (to) {
            old = *to;
            *to = (gm_arg){.type = GM_ARG_TENSOR, .tv = made[k]};
            drop(x->t, &old);
        } else
            gm_tv_unref(x->t, made[k]);
    }
    return true;
}

/* for N: NAMES = VALUE */
static bool repeat(run *x, const statement *s)
{
    gm_tape *t = x->t;
    gm_ext n;
    uint32_t loop, label = t->looping;
    uint8_t turn = t->turn;
    bool ok = size_at(x, s->turns, &n);
    if (!ok)
        return false;
    loop = gm_loop_new(t, n);
    if (t->failed)
        return false;
    for (uint64_t i = 0; ok && i < (loop == GM_NONE ? n.num : GM_LOOP_WALKED); i++) {
        if (loop != GM_NONE) {
            t->looping = loop + 1;
            t->turn = (uint8_t)i;
        }
        if (loop != GM_NONE && i == 1)
            gm_loop_enter(t, loop);
        ok = bind(x, s, loop, true);
        if (loop != GM_NONE && i == 1 && !t->failed)
            gm_loop_leave(t, loop);
    }
    t->looping = label;
    t->turn = turn;
    return ok;
}

/* return VALUE: all results of a word or a rule. */
static unsigned return_value(run *x, uint32_t value, uint32_t *out)
{
    const expression e = x->r->e[value];
    unsigned n = 0;
    gm_arg v;
    if (is_call(&e)) {
        n = call(x, &e, NULL, out);
        for (unsigned k = 0; x->t->stop && k < n; k++)
            gm_tv_unref(x->t, out[k]);
        return x->t->stop ? 0 : n;
    }
    if (!eval(x, value, &v))
        return 0;
    out[0] = v.tv;
    if (v.type == GM_ARG_TENSOR && v.tv != GM_NONE)
        return 1;
    drop(x->t, &v);
    failed(x, "returns what is no tensor");
    return 0;
}

static unsigned return_names(run *x, const statement *s, uint32_t *out)
{
    for (unsigned k = 0; k < s->nnames; k++)
        if (x->v[s->name[k]].type != GM_ARG_TENSOR) {
            failed(x, "returns what is no tensor");
            return 0;
        }
    for (unsigned k = 0; k < s->nnames; k++)
        out[k] = gm_tv_ref(x->t, x->v[s->name[k]].tv);
    return s->nnames;
}

/* once NAME = VALUE: what a layer has made, all that follow are given. */
static bool once(run *x, const statement *s)
{
    const rule *u = &x->r->rule[x->rule];
    const char *name = u->names[s->name[0]];
    uint8_t nname = u->nnames[s->name[0]];
    gm_tape *t = x->t;
    struct gm_once *o = NULL;
    gm_arg v, *to = &x->v[s->name[0]];
    for (uint32_t k = 0; k < t->nonce; k++)
        if (t->once[k].nname == nname && memcmp(t->once[k].name, name, nname) == 0)
            o = &t->once[k];
    if (o == NULL) {
        if (t->nonce == sizeof t->once / sizeof *t->once) {
            failed(x, "too many tensors are made once");
            return false;
        }
        if (!eval(x, s->value, &v))
            return false;
        if (v.type != GM_ARG_TENSOR) {
            drop(t, &v);
            failed(x, "expected a tensor");
            return false;
        }
        o = &t->once[t->nonce++];
        *o = (struct gm_once){name, nname, v.tv, false};
    }
    o->used = true;
    drop(t, to);
    *to = (gm_arg){.type = GM_ARG_TENSOR, .tv = gm_tv_ref(t, o->tv)};
    return true;
}

static unsigned body(run *x, uint32_t *out)
{
    const rule *u = &x->r->rule[x->rule];
    uint32_t n = x->t->ahead ? u->once : u->nstatement;
    for (uint32_t i = 0; i < n && !x->t->stop; i++) {
        const statement s = x->r->rule[x->rule].statement[i]; /* rules that are called may be parsed first, and rules move */
        bool yes = true;
        x->line = s.line;
        if (s.when != GM_NONE && !truth(x, s.when, &yes))
            return 0;
        if (!yes)
            continue;
        switch (s.kind) {
        case S_RETURN: return s.value != GM_NONE ? return_value(x, s.value, out) : return_names(x, &s, out);
        case S_DROP:
            for (unsigned k = 0; k < s.nnames; k++)
                drop(x->t, &x->v[s.name[k]]);
            break;
        case S_ONCE:
            if (!once(x, &s))
                return 0;
            break;
        default:
            if (s.turns != GM_NONE ? !repeat(x, &s) : !bind(x, &s, GM_NONE, false))
                return 0;
        }
    }
    return 0;
}

typedef struct bound { gm_arg v[GM_RULE_NAMES]; } bound;

static void bound_drop(gm_tape *t, bound *names)
{
    for (unsigned i = 0; i < GM_RULE_NAMES; i++)
        drop(t, &names->v[i]);
}

#define MAX_DEPTH 16
static unsigned enter(run *x, uint32_t at, unsigned n, gm_arg *arg, uint32_t *out)
{
    gpumem_error err;
    bound names;
    run inner = {x->r, x->t, at, names.v, x->depth + 1, 0, x->nmeta, x->meta};
    rule *u;
    unsigned nout = 0;
    if (at == GM_NONE) {
        for (unsigned i = 0; i < n; i++)
            drop(x->t, &arg[i]);
        return 0;
    }
    u = &x->r->rule[at];
    memset(&names, 0, sizeof names);
    memset(&err, 0, sizeof err);
    if (u->parsed ? u->bad : !gm_rule_parse(x->r, u, &err)) {
        if (err.status == GPUMEM_ENOMEM)
            gm_tape_fail(x->t, GPUMEM_ENOMEM, err.message);
        else
            failed(x, "the rule that it calls cannot be read");
    }
    else if (inner.depth > MAX_DEPTH)
        failed(x, "rules call one another without end");
    else if (n > u->noperand + u->nattr || n < u->needed)
        failed(x, "a rule is given too few or too many arguments");
    u = &x->r->rule[at];
    for (unsigned i = 0; i < n; i++) {
        if (x->t->failed || i >= GM_RULE_NAMES)
            drop(x->t, &arg[i]);
        else
            names.v[i] = arg[i];
    }
    for (unsigned i = n; i < u->noperand + u->nattr; i++)
        if (i >= u->noperand)
            names.v[i] = (gm_arg){.type = GM_ARG_SIZE, .size = gm_ext_of(0)};
    if (!x->t->failed)
        nout = body(&inner, out);
    bound_drop(x->t, &names);
    return nout;
}

bool gm_rule_has_once(const gm_rules *r, uint32_t at) { return r->rule[at].once != 0; }

unsigned gm_rule_run(gm_rules *r, gm_tape *t, uint32_t at, unsigned nin, const uint32_t *in, uint32_t taken, unsigned nattr, const uint32_t *attr,
                     unsigned nmeta, const gm_meta *meta, uint32_t *out)
{
    bound names;
    run x = {r, t, at, names.v, 0, 0, nmeta, meta};
    const rule *u = &r->rule[at];
    unsigned n;
    memset(&names, 0, sizeof names);
    for (unsigned i = 0; i < nin && i < u->noperand; i++)
        if (in[i] != GM_NONE)
            names.v[i] = (gm_arg){.type = GM_ARG_TENSOR, .tv = taken >> i & 1 ? in[i] : gm_tv_ref(t, in[i])};
    for (unsigned i = 0; i < u->nattr; i++)
        names.v[u->noperand + i] = (gm_arg){.type = GM_ARG_SIZE, .size = gm_ext_of(i < nattr ? attr[i] : 0)};
    if (nin > u->noperand)
        failed(&x, "an operator has more operands than its rule");
    for (unsigned i = 0; i < u->noperand; i++)
        if (names.v[i].type == GM_ARG_NONE && !(u->optional >> i & 1))
            failed(&x, "an operator lacks an operand of its rule");
    n = t->failed ? 0 : body(&x, out);
    bound_drop(t, &names);
    return n;
}
