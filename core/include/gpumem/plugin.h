/* gpumem/plugin.h - what a plugin library and the host say to each other.
 *
 * ABI level 1.  Level 1 may still change until the first release; afterwards structures grow at the tail only.
 *
 * A plugin is constant data and pure functions.  It never calls the host, never allocates, keeps no state and reads
 * nothing but its arguments.  What it is given is const and outlives the call; what it returns goes into storage that
 * the host provides, and the host checks it (indices, counts, ranges, overflow) before it is used.  Any function may be
 * called from any thread, and may be called again with the same arguments.
 *
 * Units: sizes are elements, formats turn elements into bytes.  Indices are 0-based; GPUMEM_NONE means "none". */
#ifndef GPUMEM_PLUGIN_H
#define GPUMEM_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GPUMEM_MAGIC 0x50554d47u /* "GMUP" in memory order */
#define GPUMEM_ABI 1u            /* the level of this header */
#define GPUMEM_NONE 0xffffffffu

#if defined(__GNUC__) || defined(__clang__)
#define GPUMEM_EXPORT __attribute__((visibility("default")))
#else
#define GPUMEM_EXPORT
#endif

/* Is this member of a structure that grows at its tail there, and set? */
#define GPUMEM_HAS(type, t, member) ((t)->size >= offsetof(type, member) + sizeof((t)->member) && (t)->member)

typedef enum gpumem_status {
    GPUMEM_OK = 0,
    GPUMEM_EINVAL = -1,  /* a value makes no sense */
    GPUMEM_ERANGE = -2,  /* a size or a sum does not fit */
    GPUMEM_ESPACE = -3,  /* plugin only: the output is too small; the host calls again with more */
    GPUMEM_EUNSUP = -4,  /* this cannot be accounted for */
    GPUMEM_ENOMEM = -5,  /* host only, as are those below */
    GPUMEM_EIO = -6,     /* a file that cannot be read */
    GPUMEM_ESYNTAX = -7, /* JSON, YAML or an expression that cannot be parsed */
    GPUMEM_ECONFIG = -8, /* a model configuration that is wrong */
    GPUMEM_EUNKNOWN = -9,/* a name that nobody knows: option value, plugin, GPU, set */
    GPUMEM_EMODEL = -10, /* a model or a model type that nobody knows */
    GPUMEM_EPLUGIN = -11,/* a plugin that was refused or failed */
    GPUMEM_EINTERNAL = -12,
    GPUMEM_EHUB = -13,   /* network or access: offline, not found on the Hub, gated, rate-limited */
    GPUMEM_ENOCONFIG = -14 /* a model of the Hub that has no config.json; its weights may say what it is */
} gpumem_status;

typedef enum gpumem_kind {
    GPUMEM_KIND_ARCHITECTURE = 1, /* with a library: components */
    GPUMEM_KIND_PRECISION,        /* a library, or data over one */
    GPUMEM_KIND_OPTIMIZER,        /* a library, or data over one */
    GPUMEM_KIND_ACTIVATION,       /* a library, or data over one */
    GPUMEM_KIND_ENGINE,           /* reserved */
    GPUMEM_KIND_PARALLEL,         /* reserved */
    GPUMEM_KIND_DEVICE,           /* reserved */
    GPUMEM_KIND_FAMILY,           /* data only, as are those below */
    GPUMEM_KIND_GPU,
    GPUMEM_KIND_SET,
    GPUMEM_KIND_END
} gpumem_kind;

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

/* An extent is size * symbol.  Symbol 0 is the number one; then come the inputs that the family declares (batch,
 * tokens, ...), then derived symbols: a op b, or a op k where b is 0. */
enum {
    GPUMEM_SYM_INPUT, GPUMEM_SYM_MIN, GPUMEM_SYM_MAX, GPUMEM_SYM_CEILDIV, GPUMEM_SYM_ADD, GPUMEM_SYM_SUB, GPUMEM_SYM_MUL
};
#define GPUMEM_MAX_SYMBOLS 32
typedef struct gpumem_symbol {
    uint8_t op, a, b, reserved;
    uint32_t k;
    const char *name; /* of an input, as in gpumem_point; NULL where derived */
} gpumem_symbol;

/* What a dimension means: parallel plugins split axes, not tensors. */
enum {
    GPUMEM_AXIS_NONE, GPUMEM_AXIS_BATCH, GPUMEM_AXIS_SEQ, GPUMEM_AXIS_HIDDEN, GPUMEM_AXIS_HEADS, GPUMEM_AXIS_KV_HEADS,
    GPUMEM_AXIS_HEAD_DIM, GPUMEM_AXIS_FFN, GPUMEM_AXIS_EXPERT, GPUMEM_AXIS_VOCAB, GPUMEM_AXIS_STATE,
    GPUMEM_AXIS_CHANNEL, GPUMEM_AXIS_END
};
typedef struct gpumem_dim { uint32_t size; uint8_t sym, axis; uint16_t reserved; } gpumem_dim;

/* num / den * symbol * symbol * symbol * symbol; den is at least 1. */
typedef struct gpumem_count { uint64_t num; uint32_t den; uint8_t sym[4]; } gpumem_count;

/* ---- the description of a model ----------------------------------------------------------------------------------- */

enum {
    GPUMEM_ROLE_WEIGHT, GPUMEM_ROLE_BUFFER, GPUMEM_ROLE_ACTIVATION, GPUMEM_ROLE_CACHE, GPUMEM_ROLE_STATE,
    GPUMEM_ROLE_INPUT, GPUMEM_ROLE_END
};
enum { /* of a weight: precisions and optimizers choose by it */
    GPUMEM_FAMILY_OTHER, GPUMEM_FAMILY_MATRIX, GPUMEM_FAMILY_EMBEDDING, GPUMEM_FAMILY_HEAD, GPUMEM_FAMILY_NORM,
    GPUMEM_FAMILY_BIAS, GPUMEM_FAMILY_ROUTER, GPUMEM_FAMILY_EXPERT, GPUMEM_FAMILY_END
};
enum { /* what a weight is part of, for people */
    GPUMEM_PART_OTHER, GPUMEM_PART_EMBEDDING, GPUMEM_PART_ATTENTION, GPUMEM_PART_MLP, GPUMEM_PART_EXPERTS, GPUMEM_PART_ROUTER,
    GPUMEM_PART_NORM, GPUMEM_PART_MIXER, GPUMEM_PART_HEAD, GPUMEM_PART_TOWER, GPUMEM_PART_PROJECTOR, GPUMEM_PART_END
};
enum { /* MODEL: as the precision says.  The others are what they are in every precision. */
    GPUMEM_DTYPE_MODEL, GPUMEM_DTYPE_F32, GPUMEM_DTYPE_I64, GPUMEM_DTYPE_I32, GPUMEM_DTYPE_BOOL, GPUMEM_DTYPE_BF16,
    GPUMEM_DTYPE_C64, GPUMEM_DTYPE_END
};
enum { /* how often a tensor exists: once for each time its block runs, or once for all of them */
    GPUMEM_SCOPE_INSTANCE, GPUMEM_SCOPE_MODEL, GPUMEM_SCOPE_END
};
enum { /* how long the reference code holds an activation: to its last use, or until that returns */
    GPUMEM_LIVES_USE, GPUMEM_LIVES_STEP, GPUMEM_LIVES_BLOCK, GPUMEM_LIVES_STACK, GPUMEM_LIVES_MODEL,
    GPUMEM_LIVES_CALLER, GPUMEM_LIVES_END
};
enum { /* of the layers that a tensor stands for; the host sets tags, from name patterns, but for FIXED */
    GPUMEM_TAG_FROZEN = 1, /* does not train */
    GPUMEM_TAG_WIDE = 2,   /* a quantised config keeps its module as it is */
    GPUMEM_TAG_FIXED = 4   /* its component says that it never trains, and has tagged it FROZEN too */
};

enum { /* phases of a step, as bits */
    GPUMEM_FORWARD = 1, GPUMEM_BACKWARD = 2, GPUMEM_STEP = 4, GPUMEM_PREFILL = 8, GPUMEM_DECODE = 16,
    GPUMEM_BETWEEN = 32 /* between two steps, after the gradients are gone */
};
#define GPUMEM_TRAINING (GPUMEM_FORWARD | GPUMEM_BACKWARD | GPUMEM_STEP)
#define GPUMEM_INFERENCE (GPUMEM_PREFILL | GPUMEM_DECODE)

#define GPUMEM_MAX_DIMS 6
typedef struct gpumem_tensor {
    uint32_t name;    /* in the string table; "{i}" in it stands for the layer's number */
    uint8_t role, family, dtype, ndim;
    uint32_t storage; /* the tensor whose bytes it shares (views, tied weights), or GPUMEM_NONE: bytes of its own */
    uint8_t scope, lives, phases, part; /* part: the host fills it in; phases: 0 all, else where an extent holds that differs by phase */
    uint16_t tag, order; /* order: the parameters of a block are in model.parameters() by it, then as they are here; the host fills it in */
    gpumem_dim dim[GPUMEM_MAX_DIMS]; /* outermost first; a scalar has none */
} gpumem_tensor;

/* Operators of the reference implementation; grows at the tail.  Operands: inputs, then outputs.  What autograd keeps
 * of each, and what exists while it runs, is the activation plugin's to say, by a rule for the kind and the variant: a
 * name that the component gives, of one of its rules (docs/rules.md).  attr[] by kind:
 *   ROTARY              in: x..., cos, sin; attr: [0] rotated width, [1] width of a head, [2] 1 if there is no part that is not rotated
 *   VIEW                attr: [0] heads that the last dimension is parted into, or 0, [1] 1: all dimensions but the last become one
 *   ATTENTION           in: q, k, v [, bias] [, sinks]; attr: [0] heads, [1] kv heads, [2] q and k width, [3] v width,
 *                       [4] window or 0, [5] causal, [6] 1 if soft capped, [7] dropout in 1/1000000
 *   EMBED, SCALE        attr[0]: 1 if the result is what the model's own embedding of tokens returns
 *   ACT                 variant: the function, as in transformers/activations.py
 *   CAST                attr[0]: 1 if nothing changes but how long it is held
 *   DROPOUT             attr[0]: probability in 1/1000000
 *   ROUTE               in: x, W [, bias]; out: weights, indices [, logits]; attr: [0] experts,
 *                       [1] top, [2] groups or 0, [3] groups that are kept, [4] 1: weights are divided by their sum, [5] logits:
 *                       0 as the operands, 1 cast to fp32, 2 of fp32 operands, [6] 1: weights are scaled, [7] 1: they stay fp32
 *   EXPERTS             in: x, weights, indices, up, down [, second up] [, up bias] [, down bias]; variant: as of ACT; attr: [0] experts,
 *                       [1] top, [2] 1: gate and up are parts of one product, [3] 1: matrices are [expert, in, out],
 *                       [4] 1: those of all experts are one matrix
 *   GROUPED_LINEAR      in: rows, W [, bias], offsets
 *   SPLIT, CONCAT       over the last dimension
 *   CONV                causal, each channel by itself, in: x, W [, bias]; attr[0]: tokens that it sees
 *   SCAN                a recurrence over the tokens, in: what its step reads; attr: [0] heads,
 *                       [1] and [2] extents of a head's state, [3] groups that share keys, [4] tokens at once, or 0
 *   CACHE               in: keys and values [, more] of these tokens; out: those of all tokens so far; attr: [0] window or 0, [1] heads
 *   LOSS                in: logits, labels */
enum {
    GPUMEM_OP_LINEAR, GPUMEM_OP_EMBED, GPUMEM_OP_RMSNORM, GPUMEM_OP_LAYERNORM, GPUMEM_OP_ROTARY, GPUMEM_OP_ATTENTION,
    GPUMEM_OP_ACT, GPUMEM_OP_MUL, GPUMEM_OP_ADD, GPUMEM_OP_SCALE, GPUMEM_OP_DROPOUT, GPUMEM_OP_SOFTMAX,
    GPUMEM_OP_SOFTCAP, GPUMEM_OP_MATMUL, GPUMEM_OP_VIEW, GPUMEM_OP_SPLIT, GPUMEM_OP_CONCAT, GPUMEM_OP_COPY,
    GPUMEM_OP_CAST, GPUMEM_OP_PAD, GPUMEM_OP_REPEAT, GPUMEM_OP_INDEX, GPUMEM_OP_SORT, GPUMEM_OP_ROUTE,
    GPUMEM_OP_GROUPED_LINEAR, GPUMEM_OP_COMBINE, GPUMEM_OP_CONV, GPUMEM_OP_SCAN, GPUMEM_OP_LOSS, GPUMEM_OP_ROTARY_TABLE,
    GPUMEM_OP_CACHE, GPUMEM_OP_EXPERTS,
    GPUMEM_OP_END,
    GPUMEM_OP_OTHER = 255 /* a component's own: it brings its rule */
};
#define GPUMEM_NATTR 8
#define GPUMEM_MAX_OPERANDS 16 /* inputs and outputs of an operator */
typedef struct gpumem_op {
    uint32_t name;    /* in the string table */
    uint32_t operand; /* nin inputs, then nout outputs: tensor indices in operand[] from here on */
    uint8_t kind, nin, nout, reserved;
    uint32_t variant; /* in the string table: which of the kind's rules, or GPUMEM_NONE */
    uint32_t rule;    /* in the string table: the component's own rule, as text (docs/rules.md), used where the activation plugin has none; or GPUMEM_NONE */
    uint32_t step;    /* of its block: what GPUMEM_LIVES_STEP ends with; the host fills it in */
    uint32_t attr[GPUMEM_NATTR];
} gpumem_op;

/* A block is one distinct layer body.  Ports carry what flows between blocks: the residual stream, cos and sin, shared
 * keys and values, a tied weight.  A reader sees the last writer of its port. */
typedef struct gpumem_port { uint32_t port, tensor; } gpumem_port;
typedef struct gpumem_block {
    uint32_t name; /* in the string table */
    uint32_t tensor0, ntensor, op0, nop, import0, nimport, export0, nexport;
    uint32_t layer; /* the first layer that it stands for, or GPUMEM_NONE outside the layers */
    uint32_t count; /* how often it runs */
} gpumem_block;
/* sequence[first .. first + n) of blocks, count times: [embed][(s s s s s f) x10][s s][head] */
typedef struct gpumem_run { uint32_t first, n, count; } gpumem_run;

typedef struct gpumem_named { const char *name; int64_t value; } gpumem_named;
typedef struct gpumem_description {
    uint32_t size, nsym, ntensor, nop, noperand, nport, nportname, nblock, nsequence, nrun, nstring, ndim;
    const gpumem_symbol *sym;
    const gpumem_tensor *tensor;
    const gpumem_op *op;
    const uint32_t *operand;
    const gpumem_port *port;
    const uint32_t *portname; /* in the string table */
    const gpumem_block *block;
    const uint32_t *sequence;
    const gpumem_run *run;
    const char *string;
    const gpumem_named *dim; /* hidden, intermediate, layers, heads, kv_heads, head_dim, vocab, positions: as far as the
                                family has them; closed formulas need them */
} gpumem_description;

/* ---- emitting a description --------------------------------------------------------------------------------------- */

/* The host's arrays, still open.  Components append with the inline functions below; the first failure sticks. */
typedef struct gpumem_emit {
    uint32_t size;
    int32_t status;
    gpumem_tensor *tensor;
    gpumem_op *op;
    uint32_t *operand;
    gpumem_symbol *sym;
    char *string;
    uint32_t ntensor, max_tensor, nop, max_op, noperand, max_operand, nsym, max_sym, nstring, max_string;
} gpumem_emit;

static inline uint32_t gpumem_emit_fail(gpumem_emit *e, gpumem_status status)
{
    if (e->status == GPUMEM_OK)
        e->status = status;
    return GPUMEM_NONE;
}

static inline gpumem_dim gpumem_dim_of(uint64_t size, unsigned sym, unsigned axis)
{
    gpumem_dim d = {size > 0xffffffffu ? 0u : (uint32_t)size, (uint8_t)sym, (uint8_t)axis, 0}; /* 0 is refused by the host */
    return d;
}

static inline uint32_t gpumem_emit_string(gpumem_emit *e, const char *s)
{
    size_t n = strlen(s) + 1;
    uint32_t at = e->nstring;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (n > e->max_string - e->nstring)
        return gpumem_emit_fail(e, GPUMEM_ESPACE);
    memcpy(e->string + at, s, n);
    e->nstring += (uint32_t)n;
    return at;
}

/* A tensor of any role; returns its index. */
static inline uint32_t gpumem_emit_tensor(gpumem_emit *e, const char *name, unsigned role, unsigned family, unsigned dtype,
                                          unsigned ndim, const gpumem_dim *dim)
{
    uint32_t at = e->ntensor, s = gpumem_emit_string(e, name);
    gpumem_tensor *t;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (ndim > GPUMEM_MAX_DIMS)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    if (at == e->max_tensor)
        return gpumem_emit_fail(e, GPUMEM_ESPACE);
    t = &e->tensor[e->ntensor++];
    memset(t, 0, sizeof *t);
    t->name = s;
    t->role = (uint8_t)role;
    t->family = (uint8_t)family;
    t->dtype = (uint8_t)dtype;
    t->ndim = (uint8_t)ndim;
    t->storage = GPUMEM_NONE;
    if (ndim)
        memcpy(t->dim, dim, ndim * sizeof *dim);
    return at;
}

/* A weight [a] or [a, b] (b 0: a vector). */
static inline uint32_t gpumem_emit_weight(gpumem_emit *e, const char *name, unsigned family, gpumem_dim a, gpumem_dim b)
{
    gpumem_dim dim[2];
    dim[0] = a;
    dim[1] = b;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_WEIGHT, family, GPUMEM_DTYPE_MODEL, b.size ? 2 : 1, dim);
}

/* An activation with the extents of `like`, but for the last one. */
static inline uint32_t gpumem_emit_like(gpumem_emit *e, const char *name, uint32_t like, gpumem_dim last)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (like >= e->ntensor || e->tensor[like].ndim == 0)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    n = e->tensor[like].ndim;
    memcpy(dim, e->tensor[like].dim, sizeof dim);
    dim[n - 1] = last;
    return gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, n, dim);
}

/* An activation with all the extents of `like`. */
static inline uint32_t gpumem_emit_same(gpumem_emit *e, const char *name, uint32_t like)
{
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (like >= e->ntensor || e->tensor[like].ndim == 0)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    return gpumem_emit_like(e, name, like, e->tensor[like].dim[e->tensor[like].ndim - 1]);
}

/* An operator; variant: NULL, or which of its kind's rules; inputs may be GPUMEM_NONE.  Returns it for attr[] to be set, or NULL. */
static inline gpumem_op *gpumem_emit_op(gpumem_emit *e, unsigned kind, const char *variant, const char *name, unsigned nin,
                                        const uint32_t *in, unsigned nout, const uint32_t *out)
{
    uint32_t s = gpumem_emit_string(e, name), v = variant ? gpumem_emit_string(e, variant) : GPUMEM_NONE;
    gpumem_op *op;
    unsigned i;
    if (e->status != GPUMEM_OK)
        return NULL;
    if (e->nop == e->max_op || nin + nout > e->max_operand - e->noperand) {
        gpumem_emit_fail(e, GPUMEM_ESPACE);
        return NULL;
    }
    op = &e->op[e->nop++];
    memset(op, 0, sizeof *op);
    op->name = s;
    op->operand = e->noperand;
    op->kind = (uint8_t)kind;
    op->variant = v;
    op->rule = GPUMEM_NONE;
    while (nin && in[nin - 1] == GPUMEM_NONE) /* those at the end need no place */
        nin--;
    for (i = 0; i < nin; i++) {
        e->operand[e->noperand++] = in[i];
        op->nin++;
    }
    for (i = 0; i < nout; i++) {
        e->operand[e->noperand++] = out[i];
        op->nout++;
    }
    return op;
}

/* y = x W^T (+ b): weight [out, in] named NAME.weight, bias [out] named NAME.bias.  Returns y. */
static inline uint32_t gpumem_emit_linear(gpumem_emit *e, const char *name, unsigned family, uint32_t x, gpumem_dim out, int bias)
{
    char s[96];
    size_t n = strlen(name);
    uint32_t in[3] = {x, GPUMEM_NONE, GPUMEM_NONE}, y;
    gpumem_dim none = {0, 0, 0, 0};
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (x >= e->ntensor || e->tensor[x].ndim == 0 || n > sizeof s - 8)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(s, name, n);
    memcpy(s + n, ".weight", 8);
    in[1] = gpumem_emit_weight(e, s, family, out, e->tensor[x].dim[e->tensor[x].ndim - 1]);
    if (bias) {
        memcpy(s + n, ".bias", 6);
        in[2] = gpumem_emit_weight(e, s, GPUMEM_FAMILY_BIAS, out, none);
    }
    y = gpumem_emit_like(e, name, x, out);
    gpumem_emit_op(e, GPUMEM_OP_LINEAR, NULL, name, 3, in, 1, &y);
    return e->status == GPUMEM_OK ? y : GPUMEM_NONE;
}

/* ---- parameters --------------------------------------------------------------------------------------------------- */

typedef enum gpumem_type {
    GPUMEM_TYPE_NULL, GPUMEM_TYPE_INT, GPUMEM_TYPE_REAL, GPUMEM_TYPE_BOOL, GPUMEM_TYPE_STRING, GPUMEM_TYPE_INTS,
    GPUMEM_TYPE_STRINGS
} gpumem_type;
typedef struct gpumem_param { /* of the declared type, in the declared range; or null, where null is allowed */
    const char *key;
    uint32_t type, n; /* n: length of a list */
    union { int64_t i; double r; int b; const char *s; const int64_t *ints; const char *const *strings; } v;
} gpumem_param;
typedef struct gpumem_args { /* of a component: in the order of its declarations; else in the order of the manifest */
    uint32_t size, n;
    const gpumem_param *param;
    char *why; /* a host buffer of nwhy bytes for one line, should the call fail */
    uint32_t nwhy;
} gpumem_args;

static inline const gpumem_param *gpumem_arg(const gpumem_args *a, const char *key)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (strcmp(a->param[i].key, key) == 0)
            return &a->param[i];
    return NULL;
}

/* Fail with one line that says why. */
static inline gpumem_status gpumem_because(const gpumem_args *a, gpumem_status status, const char *why)
{
    size_t n = strlen(why);
    if (a->nwhy) {
        if (n >= a->nwhy)
            n = a->nwhy - 1;
        memcpy(a->why, why, n);
        a->why[n] = 0;
    }
    return status;
}

/* ---- components ---------------------------------------------------------------------------------------------------- */

typedef struct gpumem_paramdef {
    const char *key;
    uint32_t type;         /* enum gpumem_type */
    uint32_t nullable;     /* may be null */
    const char *otherwise; /* where the step and the family's dims say nothing: an expression; NULL: it is required */
    int64_t min, max;      /* of an INT, inclusive */
    const char *help;
} gpumem_paramdef;
#define GPUMEM_SIZE_MAX 0x7fffffff /* of one dimension, elements */

#define GPUMEM_MAX_PORTS 8
typedef struct gpumem_component { /* one way to build part of a block; manifests wire it: {use: attention, in: n, out: a} */
    const char *name;
    const char *help;
    const gpumem_paramdef *param;
    uint32_t nparam, nin, nout;
    const char *const *in, *const *out; /* names of its ports; one that ends in "?" may be left out: GPUMEM_NONE */
    /* Append tensors and operators to e, set out[0 .. nout). */
    gpumem_status (*describe)(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e);
} gpumem_component;
typedef struct gpumem_architecture_ops {
    size_t size;
    const gpumem_component *component;
    uint32_t ncomponent;
} gpumem_architecture_ops;

/* ---- formats and claims -------------------------------------------------------------------------------------------- */

/* Each part is an allocation: ceil(rows / r) * ceil(cols / c) * bits / 8 + fixed, in bytes, rounded up.  bf16 {1,1,16,0};
 * 4 bits in groups of 128 with an fp16 scale: {1,1,4,0} and {1,128,16,0}; FP8 with 128 x 128 block scales: {1,1,8,0} and
 * {128,128,32,0}.  rows: the product of all extents but the last; cols: the last. */
#define GPUMEM_MAX_FORMAT_PARTS 4
typedef struct gpumem_format_part { uint32_t rows, cols, bits, fixed; } gpumem_format_part;
typedef struct gpumem_format { const char *name; uint32_t npart; gpumem_format_part part[GPUMEM_MAX_FORMAT_PARTS]; } gpumem_format;
enum { /* always the first */
    GPUMEM_FORMAT_F32, GPUMEM_FORMAT_I64, GPUMEM_FORMAT_I32, GPUMEM_FORMAT_BOOL, GPUMEM_FORMAT_BF16, GPUMEM_FORMAT_C64, GPUMEM_FORMAT_U8,
    GPUMEM_NFORMATS
};

enum {
    GPUMEM_IS_WEIGHTS, GPUMEM_IS_BUFFERS, GPUMEM_IS_GRADIENTS, GPUMEM_IS_OPTIMIZER, GPUMEM_IS_ACTIVATIONS, GPUMEM_IS_CACHE,
    GPUMEM_IS_INPUT, GPUMEM_IS_TEMPORARIES, GPUMEM_IS_COMMUNICATION, GPUMEM_IS_RUNTIME,
    GPUMEM_IS_EXTRA, /* a line of the plugin's own: the label names it */
    GPUMEM_IS_END
};
enum { GPUMEM_ADD, GPUMEM_PEAK, GPUMEM_MERGE_END }; /* add to what lives; compete with its like to be largest */

typedef struct gpumem_claim { /* "this costs this much, then" */
    uint32_t tensor;     /* that it belongs to, or GPUMEM_NONE; claimed once for each time that the tensor exists */
    uint16_t format;     /* index into the job's formats */
    uint8_t is, phases, merge;
    uint8_t counted;     /* 0: rows and cols are the tensor's own; 1: they are given below */
    uint16_t reserved;
    const char *label;   /* for people: a literal or a parameter's string */
    gpumem_count rows, cols;
} gpumem_claim;

/* ---- accounting ------------------------------------------------------------------------------------------------------ */

enum { GPUMEM_ATTENTION_FLASH, GPUMEM_ATTENTION_EAGER };
enum { GPUMEM_STEP_FUSED, GPUMEM_STEP_FOREACH, GPUMEM_STEP_FOR_LOOP };
enum { GPUMEM_JOB_CHECKPOINTING = 1, GPUMEM_JOB_ACCUMULATION = 2, GPUMEM_JOB_CACHE = 4, GPUMEM_JOB_ALL_LOGITS = 8 };
typedef struct gpumem_job { /* all that an accountant may look at */
    uint32_t size;
    uint32_t phases;           /* GPUMEM_TRAINING or GPUMEM_INFERENCE */
    uint32_t flags;            /* GPUMEM_JOB_... */
    uint8_t attention, step, reserved[2]; /* GPUMEM_ATTENTION_..., GPUMEM_STEP_... */
    const gpumem_description *model;
    const gpumem_format *format;
    uint32_t nformat;
    const uint16_t *weight, *gradient, *activation; /* by tensor: format of its bytes, of its gradient, of it as an activation */
    const uint16_t *compute;   /* by operator: format of its arithmetic */
    const uint8_t *needs_grad; /* by tensor, propagated by the host from what trains */
    uint64_t one;              /* bit i: symbol i is 1 (nothing is copied to batch a single sequence) */
} gpumem_job;

typedef gpumem_status gpumem_account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n);
/* master: of a copy of a weight that trains, which the optimizer steps in its place (to it job.weight is the copy's format); 0xffff,
 * as it comes: none.  With copies there is a buffer for the gradients all the time: each is added to it when it comes, and dropped. */
typedef struct gpumem_assignment { uint16_t *weight, *gradient, *activation, *compute, *master; } gpumem_assignment;
typedef struct gpumem_precision_ops {
    size_t size;
    /* Set the formats of every tensor whose dtype is MODEL, and of every operator's arithmetic. */
    gpumem_status (*assign)(const gpumem_args *args, const gpumem_description *model, const gpumem_format *format,
                            uint32_t nformat, const gpumem_assignment *out);
    gpumem_account *account; /* casts, master weights; or NULL */
} gpumem_precision_ops;
typedef struct gpumem_optimizer_ops { size_t size; gpumem_account *account; } gpumem_optimizer_ops;
typedef struct gpumem_activation_ops {
    size_t size;
    gpumem_account *account; /* closed formulas; what operators do, one by one, is in the rules of a manifest */
} gpumem_activation_ops;

static inline uint16_t gpumem_format_find(const gpumem_format *format, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(format[i].name, name) == 0)
            return (uint16_t)i;
    return 0xffff;
}

/* ---- the one exported thing ------------------------------------------------------------------------------------------ */

/* A library exports `const gpumem_plugin gpumem_entry`, as data.  The host reads magic, abi, size, kind, id and version,
 * compares them with the manifest, and only then looks further. */
typedef struct gpumem_plugin {
    uint32_t magic, abi, size, kind;
    const char *id, *version; /* must equal the manifest's */
    union {
        const void *any;
        const gpumem_architecture_ops *architecture;
        const gpumem_precision_ops *precision;
        const gpumem_optimizer_ops *optimizer;
        const gpumem_activation_ops *activation;
    } ops;
} gpumem_plugin;

#ifdef __cplusplus
}
#endif
#endif
