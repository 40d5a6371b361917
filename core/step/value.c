/* Expressions of a step's programs, run. */
#include "step/run_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORK (1u << 24) /* words and lines: a few seconds */

bool gm_step_failed(gm_step_runner *r, uint32_t column, const char *format, ...)
{
    char why[200];
    va_list args;
    if (r->bad)
        return false;
    r->bad = true;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    gm_fail(r->err, GPUMEM_EPLUGIN, r->program->file, r->line, column, "%s", why);
    return false;
}

/* Is all well, after memory was asked for? */
static bool good(gm_step_runner *r, uint32_t column)
{
    if (r->memory.status == GPUMEM_ENOMEM && !r->bad) {
        r->bad = true;
        gm_no_memory(r->err);
    } else if (r->memory.status != GPUMEM_OK) {
        gm_step_failed(r, column, "a tensor with more than %d dimensions, or a size that does not fit in 64 bits", GM_STEP_MAX_DIMS);
    }
    if (++r->work > WORK)
        gm_step_failed(r, column, "the step makes too much to be followed: more than %u words", WORK);
    return !r->bad;
}

gm_step_value gm_step_lookup(gm_step_runner *r, uint32_t name, uint32_t column)
{
    gm_step_value v = r->name[name];
    if (r->each && v.is == GM_STEP_IS_LIST && v.v.list->whole)
        v = r->at < v.v.list->n ? v.v.list->entry[r->at].value : gm_step_nothing();
    if (v.is == GM_STEP_IS_NOTHING)
        gm_step_failed(r, column, "there is no '%s' here", r->program->name[name]);
    return v;
}

/* A list's first tensor stands for it. */
const gm_step_tensor *gm_step_lookup_tensor(gm_step_runner *r, uint32_t name, uint32_t column)
{
    gm_step_value v = gm_step_lookup(r, name, column);
    if (v.is == GM_STEP_IS_LIST && v.v.list->n)
        v = v.v.list->entry[0].value;
    if (v.is == GM_STEP_IS_TENSOR)
        return v.v.tensor;
    gm_step_failed(r, column, "'%s' is no tensor here", r->program->name[name]);
    return NULL;
}

void gm_step_blocks_at(gm_step_runner *r, const gm_step_tensor *t, gm_step_blocks *out)
{
    gm_step_blocks_of(t, r->job->cut, out);
}

static gm_step_value field(gm_step_runner *r, const gm_step_expr *e)
{
    static const char *const dtypes[GM_STEP_NDTYPES] = {"bool", "u8", "i64", "f16", "bf16", "f32", "f64"};
    const gm_step_tensor *t = gm_step_lookup_tensor(r, e->at, e->column);
    gm_step_blocks b;
    if (t == NULL)
        return gm_step_nothing();
    gm_step_blocks_at(r, t, &b);
    switch (e->op) {
    case GM_STEP_NDIM: return gm_step_number(t->ndim);
    case GM_STEP_ROWS: return gm_step_number(t->ndim > 1 ? (int64_t)t->extent[t->ndim - 2] : 1);
    case GM_STEP_COLS: return gm_step_number(t->ndim > 0 ? (int64_t)t->extent[t->ndim - 1] : 1);
    case GM_STEP_NARROW: return gm_step_number(t->dtype == GM_STEP_BF16 || t->dtype == GM_STEP_F16);
    case GM_STEP_BLOCKED: return gm_step_number(b.n != 0);
    case GM_STEP_ALIKE: return gm_step_number(gm_step_blocks_alike(&b));
    default: return (gm_step_value){.is = GM_STEP_IS_TEXT, .v.text = dtypes[t->dtype]};
    }
}

/* NAME[n]: nothing, where there is no such. */
static gm_step_value item(gm_step_runner *r, const gm_step_expr *e)
{
    gm_step_value place = gm_step_eval(r, e->arg[0]), v = r->name[e->at];
    if (r->bad)
        return gm_step_nothing();
    if (v.is == GM_STEP_IS_LIST && v.v.list->whole && r->each)
        v = r->at < v.v.list->n ? v.v.list->entry[r->at].value : gm_step_nothing();
    if (place.is != GM_STEP_IS_NUMBER || (v.is != GM_STEP_IS_LIST && v.is != GM_STEP_IS_NOTHING)) {
        gm_step_release(&r->memory, place);
        gm_step_failed(r, e->column, "'%s' is no list here, or its place no number", r->program->name[e->at]);
        return gm_step_nothing();
    }
    if (v.is == GM_STEP_IS_NOTHING || place.v.number < 0 || place.v.number >= v.v.list->n)
        return gm_step_nothing();
    return gm_step_keep(v.v.list->entry[place.v.number].value);
}

static unsigned call(gm_step_runner *r, const gm_step_expr *e, gm_step_value *out)
{
    gm_step_value arg[GM_STEP_ARGS], p = r->name[GM_STEP_P];
    gm_step_call c = {.memory = &r->memory, .word = e->at, .arg = arg, .cut = r->job->cut};
    bool done;
    for (; c.nargs < e->nargs; c.nargs++) {
        arg[c.nargs] = gm_step_eval(r, e->arg[c.nargs]);
        if (r->bad)
            return 0;
    }
    c.p = p.is == GM_STEP_IS_TENSOR ? p.v.tensor : NULL;
    done = gm_step_word_call(&c);
    if (!good(r, e->column) || (!done && !gm_step_failed(r, e->column, "%s", c.why)))
        return 0;
    for (unsigned i = 0; i < c.nargs; i++)
        gm_step_release(&r->memory, arg[i]);
    memcpy(out, c.out, c.nout * sizeof *out);
    return c.nout;
}

/* ---- conditions ---- */

static bool truth(gm_step_value v)
{
    return v.is == GM_STEP_IS_NUMBER ? v.v.number != 0 : v.is == GM_STEP_IS_TEXT ? *v.v.text != 0 : v.is == GM_STEP_IS_LIST ? v.v.list->n != 0
                                                                                                    : v.is == GM_STEP_IS_TENSOR;
}

bool gm_step_true(gm_step_runner *r, uint32_t expr)
{
    gm_step_value v = gm_step_eval(r, expr);
    bool is = !r->bad && truth(v);
    gm_step_release(&r->memory, v);
    return is;
}

static gm_step_value arithmetic(gm_step_runner *r, const gm_step_expr *e, int64_t a, int64_t b)
{
    int64_t n = 0;
    bool bad = false;
    switch (e->op) {
    case GM_STEP_EQ: return gm_step_number(a == b);
    case GM_STEP_NE: return gm_step_number(a != b);
    case GM_STEP_LE: return gm_step_number(a <= b);
    case GM_STEP_GE: return gm_step_number(a >= b);
    case GM_STEP_LT: return gm_step_number(a < b);
    case GM_STEP_GT: return gm_step_number(a > b);
    case GM_STEP_ADD: bad = __builtin_add_overflow(a, b, &n); break;
    case GM_STEP_SUB: bad = __builtin_sub_overflow(a, b, &n); break;
    case GM_STEP_MUL: bad = __builtin_mul_overflow(a, b, &n); break;
    default:
        bad = b <= 0;
        n = bad ? 0 : (a % b + b) % b; /* as Python has it */
    }
    if (bad)
        gm_step_failed(r, e->column, "a number that does not fit in 64 bits, or a division by less than 1");
    return gm_step_number(n);
}

static gm_step_value binary(gm_step_runner *r, const gm_step_expr *e)
{
    gm_step_value a, b;
    if (e->op == GM_STEP_OR || e->op == GM_STEP_AND) {
        bool first = gm_step_true(r, e->arg[0]);
        return gm_step_number(first == (e->op == GM_STEP_OR) ? first : gm_step_true(r, e->arg[1]));
    }
    a = gm_step_eval(r, e->arg[0]);
    b = r->bad ? gm_step_nothing() : gm_step_eval(r, e->arg[1]);
    if (r->bad)
        return gm_step_nothing();
    if (a.is == GM_STEP_IS_NUMBER && b.is == GM_STEP_IS_NUMBER)
        return arithmetic(r, e, a.v.number, b.v.number);
    if (a.is == GM_STEP_IS_TEXT && b.is == GM_STEP_IS_TEXT && (e->op == GM_STEP_EQ || e->op == GM_STEP_NE))
        return gm_step_number((strcmp(a.v.text, b.v.text) == 0) == (e->op == GM_STEP_EQ));
    gm_step_failed(r, e->column, "only numbers have such an operator; strings have == and !=");
    return gm_step_nothing();
}

static gm_step_value minus(gm_step_runner *r, const gm_step_expr *e)
{
    gm_step_value v = gm_step_eval(r, e->arg[0]);
    if (r->bad)
        return gm_step_nothing();
    if (v.is == GM_STEP_IS_NUMBER) /* one that was written: it is not negative itself, or comes of arithmetic */
        return arithmetic(r, &(gm_step_expr){.op = GM_STEP_SUB, .column = e->column}, 0, v.v.number);
    gm_step_failed(r, e->column, "only numbers have a sign");
    return gm_step_nothing();
}

gm_step_value gm_step_eval(gm_step_runner *r, uint32_t expr)
{
    const gm_step_expr *e = &r->program->expr[expr];
    gm_step_value v[GM_STEP_TARGETS] = {{0}};
    unsigned n;
    switch (e->kind) {
    case GM_STEP_NUMBER: return gm_step_number(e->number);
    case GM_STEP_TEXT: return (gm_step_value){.is = GM_STEP_IS_TEXT, .v.text = e->text};
    case GM_STEP_NAME: return gm_step_keep(gm_step_lookup(r, e->at, e->column));
    case GM_STEP_ITEM: return item(r, e);
    case GM_STEP_FIELD: return field(r, e);
    case GM_STEP_NOT: return gm_step_number(!gm_step_true(r, e->arg[0]));
    case GM_STEP_MINUS: return minus(r, e);
    case GM_STEP_BINARY: return binary(r, e);
    default:
        n = call(r, e, v);
        if (n > 1)
            gm_step_failed(r, e->column, "%s has %u results where one is needed", gm_step_word_name(e->at), n);
        return v[0];
    }
}

unsigned gm_step_eval_all(gm_step_runner *r, uint32_t expr, gm_step_value *out)
{
    const gm_step_expr *e = &r->program->expr[expr];
    if (e->kind == GM_STEP_CALL)
        return call(r, e, out);
    out[0] = gm_step_eval(r, expr);
    return !r->bad;
}
