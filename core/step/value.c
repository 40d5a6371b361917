/* Expressions of a step's programs, run. */
#include "step/run_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORK (1u << 24) /* words and lines: a few seconds */

bool gm_opt_failed(gm_opt_runner *r, uint32_t column, const char *format, ...)
{
    char why[200];
    va_list args;
    if (r->bad)
        return false;
    r->bad = true;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    gm_fail(r->err, GPUMEM_EPLUGIN, r->program->file, r->line, column ? column : r->column, "%s", why);
    return false;
}

bool gm_opt_good(gm_opt_runner *r, uint32_t column)
{
    if (r->memory.status == GPUMEM_ENOMEM && !r->bad) {
        r->bad = true;
        gm_no_memory(r->err);
    } else if (r->memory.status != GPUMEM_OK) {
        gm_opt_failed(r, column, "a tensor with more than %d dimensions, or a size that does not fit in 64 bits", GM_OPT_MAX_DIMS);
    }
    return !r->bad;
}

bool gm_opt_work(gm_opt_runner *r, uint32_t column)
{
    return ++r->work <= WORK || gm_opt_failed(r, column, "the step makes too much to be followed: more than %u words and lines", WORK);
}

gm_opt_value gm_opt_lookup(gm_opt_runner *r, uint32_t name, uint32_t column)
{
    gm_opt_value v = r->name[name];
    if (r->each && v.is == GM_OPT_IS_LIST && v.v.list->whole)
        v = r->at < v.v.list->n ? v.v.list->entry[r->at].value : gm_opt_nothing();
    if (v.is == GM_OPT_IS_NOTHING)
        gm_opt_failed(r, column, "there is no '%s' here", r->program->name[name]);
    return v;
}

/* A list's first tensor stands for it. */
const gm_opt_tensor *gm_opt_lookup_tensor(gm_opt_runner *r, uint32_t name, uint32_t column)
{
    gm_opt_value v = gm_opt_lookup(r, name, column);
    if (v.is == GM_OPT_IS_LIST && v.v.list->n)
        v = v.v.list->entry[0].value;
    if (v.is == GM_OPT_IS_TENSOR)
        return v.v.tensor;
    gm_opt_failed(r, column, "'%s' is no tensor here", r->program->name[name]);
    return NULL;
}

void gm_opt_blocks_at(gm_opt_runner *r, const gm_opt_tensor *t, gm_opt_blocks *out)
{
    gm_opt_blocks_of(t, r->job->cut, out);
}

static gm_opt_value field(gm_opt_runner *r, const gm_opt_expr *e)
{
    static const char *const dtypes[GM_OPT_NDTYPES] = {"bool", "u8", "i64", "f16", "bf16", "f32", "f64"};
    const gm_opt_tensor *t = gm_opt_lookup_tensor(r, e->at, e->column);
    gm_opt_blocks b;
    if (t == NULL)
        return gm_opt_nothing();
    gm_opt_blocks_at(r, t, &b);
    switch (e->op) {
    case GM_OPT_NDIM: return gm_opt_number(t->ndim);
    case GM_OPT_ROWS: return gm_opt_number(t->ndim > 1 ? (int64_t)t->extent[t->ndim - 2] : 1);
    case GM_OPT_COLS: return gm_opt_number(t->ndim > 0 ? (int64_t)t->extent[t->ndim - 1] : 1);
    case GM_OPT_NARROW: return gm_opt_number(t->dtype == GM_OPT_BF16 || t->dtype == GM_OPT_F16);
    case GM_OPT_BLOCKED: return gm_opt_number(b.n != 0);
    case GM_OPT_ALIKE: return gm_opt_number(gm_opt_blocks_alike(&b));
    default: return (gm_opt_value){.is = GM_OPT_IS_TEXT, .v.text = dtypes[t->dtype]};
    }
}

/* NAME[n]: nothing, where there is no such. */
static gm_opt_value item(gm_opt_runner *r, const gm_opt_expr *e)
{
    gm_opt_value place = gm_opt_eval(r, e->arg[0]), v = r->name[e->at];
    if (r->bad)
        return gm_opt_nothing();
    if (v.is == GM_OPT_IS_LIST && v.v.list->whole && r->each)
        v = r->at < v.v.list->n ? v.v.list->entry[r->at].value : gm_opt_nothing();
    if (place.is != GM_OPT_IS_NUMBER || (v.is != GM_OPT_IS_LIST && v.is != GM_OPT_IS_NOTHING)) {
        gm_opt_release(&r->memory, place);
        gm_opt_failed(r, e->column, "'%s' is no list here, or its place no number", r->program->name[e->at]);
        return gm_opt_nothing();
    }
    if (v.is == GM_OPT_IS_NOTHING || place.v.number < 0 || place.v.number >= v.v.list->n)
        return gm_opt_nothing();
    return gm_opt_keep(v.v.list->entry[place.v.number].value);
}

static unsigned call(gm_opt_runner *r, const gm_opt_expr *e, gm_opt_value *out)
{
    gm_opt_value arg[GM_OPT_ARGS], p = r->name[GM_OPT_P];
    gm_opt_call c = {.memory = &r->memory, .word = e->at, .arg = arg, .cut = r->job->cut};
    bool done;
    if (!gm_opt_work(r, e->column))
        return 0;
    for (; c.nargs < e->nargs; c.nargs++) {
        arg[c.nargs] = gm_opt_eval(r, e->arg[c.nargs]);
        if (r->bad)
            return 0;
    }
    c.p = p.is == GM_OPT_IS_TENSOR ? p.v.tensor : NULL;
    done = gm_opt_word_call(&c);
    if (!gm_opt_good(r, e->column) || (!done && !gm_opt_failed(r, e->column, "%s", c.why)))
        return 0;
    for (unsigned i = 0; i < c.nargs; i++)
        gm_opt_release(&r->memory, arg[i]);
    memcpy(out, c.out, c.nout * sizeof *out);
    if (out[0].is == GM_OPT_IS_LIST)
        r->work += out[0].v.list->n;
    return c.nout;
}

/* ---- conditions ---- */

static bool truth(gm_opt_value v)
{
    return v.is == GM_OPT_IS_NUMBER ? v.v.number != 0 : v.is == GM_OPT_IS_TEXT ? *v.v.text != 0 : v.is == GM_OPT_IS_LIST ? v.v.list->n != 0
                                                                                                    : v.is == GM_OPT_IS_TENSOR;
}

bool gm_opt_true(gm_opt_runner *r, uint32_t expr)
{
    gm_opt_value v = gm_opt_eval(r, expr);
    bool is = !r->bad && truth(v);
    gm_opt_release(&r->memory, v);
    return is;
}

static gm_opt_value arithmetic(gm_opt_runner *r, const gm_opt_expr *e, int64_t a, int64_t b)
{
    int64_t n = 0;
    bool bad = false;
    switch (e->op) {
    case GM_OPT_EQ: return gm_opt_number(a == b);
    case GM_OPT_NE: return gm_opt_number(a != b);
    case GM_OPT_LE: return gm_opt_number(a <= b);
    case GM_OPT_GE: return gm_opt_number(a >= b);
    case GM_OPT_LT: return gm_opt_number(a < b);
    case GM_OPT_GT: return gm_opt_number(a > b);
    case GM_OPT_ADD: bad = __builtin_add_overflow(a, b, &n); break;
    case GM_OPT_SUB: bad = __builtin_sub_overflow(a, b, &n); break;
    case GM_OPT_MUL: bad = __builtin_mul_overflow(a, b, &n); break;
    default:
        bad = b <= 0;
        n = bad ? 0 : (a % b + b) % b; /* as Python has it */
    }
    if (bad)
        gm_opt_failed(r, e->column, "a number that does not fit in 64 bits, or a division by less than 1");
    return gm_opt_number(n);
}

static gm_opt_value binary(gm_opt_runner *r, const gm_opt_expr *e)
{
    gm_opt_value a, b;
    if (e->op == GM_OPT_OR || e->op == GM_OPT_AND) {
        bool first = gm_opt_true(r, e->arg[0]);
        return gm_opt_number(first == (e->op == GM_OPT_OR) ? first : gm_opt_true(r, e->arg[1]));
    }
    a = gm_opt_eval(r, e->arg[0]);
    b = r->bad ? gm_opt_nothing() : gm_opt_eval(r, e->arg[1]);
    if (r->bad)
        return gm_opt_nothing();
    if (a.is == GM_OPT_IS_NUMBER && b.is == GM_OPT_IS_NUMBER)
        return arithmetic(r, e, a.v.number, b.v.number);
    if (a.is == GM_OPT_IS_TEXT && b.is == GM_OPT_IS_TEXT && (e->op == GM_OPT_EQ || e->op == GM_OPT_NE))
        return gm_opt_number((strcmp(a.v.text, b.v.text) == 0) == (e->op == GM_OPT_EQ));
    gm_opt_failed(r, e->column, "only numbers have such an operator; strings have == and !=");
    return gm_opt_nothing();
}

static gm_opt_value minus(gm_opt_runner *r, const gm_opt_expr *e)
{
    gm_opt_value v = gm_opt_eval(r, e->arg[0]);
    if (r->bad)
        return gm_opt_nothing();
    if (v.is == GM_OPT_IS_NUMBER) /* one that was written: it is not negative itself, or comes of arithmetic */
        return arithmetic(r, &(gm_opt_expr){.op = GM_OPT_SUB, .column = e->column}, 0, v.v.number);
    gm_opt_failed(r, e->column, "only numbers have a sign");
    return gm_opt_nothing();
}

gm_opt_value gm_opt_eval(gm_opt_runner *r, uint32_t expr)
{
    const gm_opt_expr *e = &r->program->expr[expr];
    gm_opt_value v[GM_OPT_TARGETS] = {{0}};
    unsigned n;
    switch (e->kind) {
    case GM_OPT_NUMBER: return gm_opt_number(e->number);
    case GM_OPT_TEXT: return (gm_opt_value){.is = GM_OPT_IS_TEXT, .v.text = e->text};
    case GM_OPT_NAME: return gm_opt_keep(gm_opt_lookup(r, e->at, e->column));
    case GM_OPT_ITEM: return item(r, e);
    case GM_OPT_FIELD: return field(r, e);
    case GM_OPT_NOT: return gm_opt_number(!gm_opt_true(r, e->arg[0]));
    case GM_OPT_MINUS: return minus(r, e);
    case GM_OPT_BINARY: return binary(r, e);
    default:
        n = call(r, e, v);
        if (n > 1)
            gm_opt_failed(r, e->column, "%s has %u results where one is needed", gm_opt_word_name(e->at), n);
        return v[0];
    }
}

unsigned gm_opt_eval_all(gm_opt_runner *r, uint32_t expr, gm_opt_value *out)
{
    const gm_opt_expr *e = &r->program->expr[expr];
    if (e->kind == GM_OPT_CALL)
        return call(r, e, out);
    out[0] = gm_opt_eval(r, expr);
    return !r->bad;
}
