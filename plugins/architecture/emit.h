/* emit.h - what the components of the architecture plugins have in common. */
#ifndef EMIT_H
#define EMIT_H

#include <gpumem/plugin.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
static const gpumem_dim NO_DIM = {0, 0, 0, 0};

/* ---- parameters: by position, checked by the host ---- */

static inline uint64_t size_of(const gpumem_args *a, unsigned p) { return (uint64_t)a->param[p].v.i; }
static inline int flag_of(const gpumem_args *a, unsigned p) { return a->param[p].v.b != 0; }
static inline int is_null(const gpumem_args *a, unsigned p) { return a->param[p].type == GPUMEM_TYPE_NULL; }
static inline uint64_t size_or(const gpumem_args *a, unsigned p, uint64_t otherwise) { return is_null(a, p) ? otherwise : size_of(a, p); }

/* Position of a string parameter in a list that ends with NULL; -1: not in it. */
static inline int choice_of(const gpumem_args *a, unsigned p, const char *const *list)
{
    for (int i = 0; list[i]; i++)
        if (strcmp(list[i], a->param[p].v.s) == 0)
            return i;
    return -1;
}

/* The same as a word itself; NULL: not one of them. */
static inline const char *word_of(const gpumem_args *a, unsigned p, const char *const *list)
{
    int i = choice_of(a, p, list);
    return i < 0 ? NULL : list[i];
}

static inline int is_word(const char *a, const char *b) { return strcmp(a, b) == 0; }

/* A probability in 1/1000000; null is 0; GPUMEM_NONE: out of range. */
static inline uint32_t probability_of(const gpumem_args *a, unsigned p)
{
    double r = is_null(a, p) ? 0.0 : a->param[p].v.r;
    return r >= 0.0 && r <= 1.0 ? (uint32_t)(r * 1e6 + 0.5) : GPUMEM_NONE;
}

/* ---- declarations ---- */

#define SIZE(key, otherwise, help) {key, GPUMEM_TYPE_INT, 0, otherwise, 1, GPUMEM_SIZE_MAX, help}
#define SIZE_OR_NULL(key, help) {key, GPUMEM_TYPE_INT, 1, "null", 1, GPUMEM_SIZE_MAX, help}
#define FLAG(key, otherwise, help) {key, GPUMEM_TYPE_BOOL, 0, otherwise, 0, 0, help}
#define WORD(key, otherwise, help) {key, GPUMEM_TYPE_STRING, 0, otherwise, 0, 0, help}
#define REAL_OR_NULL(key, help) {key, GPUMEM_TYPE_REAL, 1, "null", 0, 0, help}

#define DESCRIBE(name) \
    gpumem_status name(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)

/* ---- tensors ---- */

static inline gpumem_dim extent(uint64_t size, unsigned axis) { return gpumem_dim_of(size, 0, axis); }

static inline gpumem_dim last_of(const gpumem_emit *e, uint32_t t)
{
    return t < e->ntensor && e->tensor[t].ndim ? e->tensor[t].dim[e->tensor[t].ndim - 1] : NO_DIM;
}

static inline uint32_t hold(gpumem_emit *e, uint32_t t, unsigned lives)
{
    if (t < e->ntensor)
        e->tensor[t].lives = (uint8_t)lives;
    return t;
}

static inline uint32_t of_dtype(gpumem_emit *e, uint32_t t, unsigned dtype)
{
    if (t < e->ntensor)
        e->tensor[t].dtype = (uint8_t)dtype;
    return t;
}

/* t has the bytes of source, or those that source has itself. */
static inline uint32_t view_of(gpumem_emit *e, uint32_t t, uint32_t source)
{
    if (t < e->ntensor && source < e->ntensor)
        e->tensor[t].storage = e->tensor[source].storage == GPUMEM_NONE ? source : e->tensor[source].storage;
    return t;
}

static inline const char *decimal(char *buffer, uint64_t n)
{
    char digits[24];
    unsigned i = 0, k = 0;
    do
        digits[i++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (i)
        buffer[k++] = digits[--i];
    buffer[k] = 0;
    return buffer;
}

/* "a.b", or "b" where a is empty, in a buffer. */
#define PATH_ROOM 96
static inline const char *join(gpumem_emit *e, char *buffer, const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n + m + 2 > PATH_ROOM) {
        gpumem_emit_fail(e, GPUMEM_EINVAL);
        return b;
    }
    memcpy(buffer, a, n);
    if (n)
        buffer[n++] = '.';
    memcpy(buffer + n, b, m + 1);
    return buffer;
}

static inline uint32_t vector(gpumem_emit *e, const char *module, const char *name, unsigned family, gpumem_dim size)
{
    char s[PATH_ROOM];
    return gpumem_emit_weight(e, join(e, s, module, name), family, size, NO_DIM);
}

/* The symbol a op k, made once. */
static inline unsigned derived(gpumem_emit *e, unsigned op, unsigned a, uint32_t k)
{
    uint32_t i = 0;
    while (i < e->nsym && !(e->sym[i].op == op && e->sym[i].a == a && e->sym[i].b == 0 && e->sym[i].k == k))
        i++;
    if (i == e->nsym && i == e->max_sym) {
        gpumem_emit_fail(e, GPUMEM_ERANGE);
        return 0;
    }
    if (i == e->nsym) {
        memset(&e->sym[i], 0, sizeof e->sym[i]);
        e->sym[i].op = (uint8_t)op;
        e->sym[i].a = (uint8_t)a;
        e->sym[i].k = k;
        e->nsym++;
    }
    return i;
}

static inline unsigned at_most(gpumem_emit *e, unsigned a, uint32_t k) { return derived(e, GPUMEM_SYM_MIN, a, k); }

/* What a decoder keeps of the tokens of x [batch, tokens, ...] for later ones: [batch, heads, tokens, width], of the last `window`
 * tokens at most; 0: of all. */
static inline void cache(gpumem_emit *e, const char *name, uint32_t x, uint64_t heads, uint64_t width, uint64_t window)
{
    gpumem_dim dim[4];
    if (e->status != GPUMEM_OK || e->tensor[x].ndim < 3 || e->tensor[x].dim[1].sym == 0)
        return;
    dim[0] = e->tensor[x].dim[0];
    dim[1] = extent(heads, GPUMEM_AXIS_KV_HEADS);
    dim[2] = e->tensor[x].dim[1];
    dim[3] = extent(width, GPUMEM_AXIS_HEAD_DIM);
    if (window)
        dim[2].sym = (uint8_t)at_most(e, dim[2].sym, (uint32_t)window);
    gpumem_emit_tensor(e, name, GPUMEM_ROLE_CACHE, 0, GPUMEM_DTYPE_MODEL, 4, dim);
}

/* The operator that remembers them: *k and *v (or GPUMEM_NONE) become those of all tokens so far. */
static inline gpumem_op *append_cache(gpumem_emit *e, uint32_t *k, uint32_t *v, uint64_t heads, uint64_t window)
{
    uint32_t in[2], out[2], n = *v == GPUMEM_NONE ? 1 : 2;
    gpumem_op *op;
    in[0] = *k;
    in[1] = *v;
    for (unsigned i = 0; i < n; i++) {
        hold(e, in[i], GPUMEM_LIVES_USE);
        out[i] = hold(e, gpumem_emit_same(e, i ? "all_values" : "all_keys", in[i]), GPUMEM_LIVES_STEP);
    }
    op = gpumem_emit_op(e, GPUMEM_OP_CACHE, 0, "cache", n, in, n, out);
    if (op) {
        op->attr[0] = (uint32_t)window;
        op->attr[1] = (uint32_t)heads;
    }
    *k = out[0];
    if (n > 1)
        *v = out[1];
    return op;
}

/* A state of fixed size for each sequence: [batch, a, b] (b 0: [batch, a]). */
static inline void state(gpumem_emit *e, const char *name, uint32_t x, unsigned dtype, uint64_t a, uint64_t b)
{
    gpumem_dim dim[3];
    if (e->status != GPUMEM_OK || e->tensor[x].ndim < 2)
        return;
    dim[0] = e->tensor[x].dim[0];
    dim[1] = extent(a, GPUMEM_AXIS_STATE);
    dim[2] = extent(b, GPUMEM_AXIS_STATE);
    gpumem_emit_tensor(e, name, GPUMEM_ROLE_STATE, 0, dtype, b ? 3 : 2, dim);
}

/* ---- operators ---- */

static inline gpumem_op *operate(gpumem_emit *e, unsigned kind, const char *variant, const char *name, uint32_t a, uint32_t b, uint32_t out)
{
    uint32_t in[2];
    in[0] = a;
    in[1] = b;
    return gpumem_emit_op(e, kind, variant, name, 2, in, 1, &out);
}

enum { LINEAR_BIAS = 1, LINEAR_TRANSPOSED = 2 /* Conv1D of transformers: weight [in, out] */ };

/* y = x W (+ b) with MODULE.weight and MODULE.bias, or with a weight that exists already. */
static inline uint32_t linear(gpumem_emit *e, const char *module, unsigned family, uint32_t x, uint32_t weight, gpumem_dim out, unsigned flags)
{
    char s[PATH_ROOM];
    gpumem_dim width = last_of(e, x);
    int transposed = (flags & LINEAR_TRANSPOSED) != 0;
    uint32_t in[3] = {x, weight, GPUMEM_NONE}, y;
    if (weight == GPUMEM_NONE)
        in[1] = gpumem_emit_weight(e, join(e, s, module, "weight"), family, transposed ? width : out, transposed ? out : width);
    if (flags & LINEAR_BIAS)
        in[2] = vector(e, module, "bias", GPUMEM_FAMILY_BIAS, out);
    y = gpumem_emit_like(e, *module ? module : "y", x, out);
    gpumem_emit_op(e, GPUMEM_OP_LINEAR, transposed ? "conv1d" : NULL, *module ? module : "linear", 3, in, 1, &y);
    return y;
}

/* Views of parts of the last dimension, written to part[]. */
static inline void split(gpumem_emit *e, const char *name, uint32_t x, unsigned n, const char *const *names, const gpumem_dim *size, uint32_t *part)
{
    for (unsigned i = 0; i < n; i++)
        part[i] = view_of(e, gpumem_emit_like(e, names[i], x, size[i]), x);
    gpumem_emit_op(e, GPUMEM_OP_SPLIT, 0, name, 1, &x, n, part);
}

/* The last dimension as [heads, its share of them]. */
static inline uint32_t by_head(gpumem_emit *e, const char *name, uint32_t x, gpumem_dim heads, gpumem_dim width)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n;
    uint32_t y;
    gpumem_op *op;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    n = e->tensor[x].ndim;
    if (n + 1 > GPUMEM_MAX_DIMS)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[n - 1] = heads;
    dim[n] = width;
    y = view_of(e, gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, e->tensor[x].dtype, n + 1, dim), x);
    op = operate(e, GPUMEM_OP_VIEW, 0, name, x, GPUMEM_NONE, y);
    if (op)
        op->attr[0] = heads.size;
    return y;
}

/* [heads, their width] as the one last dimension again. */
static inline uint32_t all_heads(gpumem_emit *e, uint32_t x, gpumem_dim width)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    unsigned n;
    uint32_t y;
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    n = e->tensor[x].ndim;
    if (n < 2)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    memcpy(dim, e->tensor[x].dim, sizeof dim);
    dim[n - 2] = width;
    y = view_of(e, gpumem_emit_tensor(e, "all_heads", GPUMEM_ROLE_ACTIVATION, 0, e->tensor[x].dtype, n - 1, dim), x);
    operate(e, GPUMEM_OP_VIEW, 0, "all_heads", x, GPUMEM_NONE, y);
    return y;
}

/* An operator that makes a new tensor from what is small, or from nothing. */
static inline void make_new(gpumem_emit *e, const char *name, uint32_t from, uint32_t y)
{
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, 0, name, from, GPUMEM_NONE, y);
    uint32_t rule = gpumem_emit_string(e, "x?\n  y = described(0)\n  return y\n");
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
}

static inline uint32_t cast(gpumem_emit *e, uint32_t x, unsigned dtype)
{
    uint32_t y = of_dtype(e, gpumem_emit_same(e, "cast", x), dtype);
    operate(e, GPUMEM_OP_CAST, 0, "cast", x, GPUMEM_NONE, y);
    return y;
}

static inline uint32_t dropout(gpumem_emit *e, const char *name, uint32_t x, uint32_t probability)
{
    uint32_t y;
    gpumem_op *op;
    if (!probability)
        return x;
    y = gpumem_emit_same(e, name, x);
    op = operate(e, GPUMEM_OP_DROPOUT, 0, name, x, GPUMEM_NONE, y);
    if (op)
        op->attr[0] = probability;
    return y;
}

/* Position p's style of RMS norms; NULL: there is none of this name. */
#define RMS_STYLE_NAMES "llama, gemma, t5, late, wide, outer, powered"
static inline const char *rms_style_of(const gpumem_args *a, unsigned p)
{
    static const char *const styles[] = {"llama", "gemma", "t5", "late", "wide", "outer", "powered", NULL};
    return word_of(a, p, styles);
}

static inline uint32_t rmsnorm(gpumem_emit *e, const char *module, uint32_t x, gpumem_dim width, const char *style, int affine)
{
    uint32_t w = affine ? vector(e, module, "weight", GPUMEM_FAMILY_NORM, width) : GPUMEM_NONE;
    uint32_t y = gpumem_emit_same(e, *module ? module : "normed", x);
    operate(e, GPUMEM_OP_RMSNORM, style, *module ? module : "rmsnorm", x, w, y);
    return y;
}

static inline uint32_t binary(gpumem_emit *e, unsigned kind, const char *name, uint32_t a, uint32_t b)
{
    uint32_t y = gpumem_emit_same(e, name, a);
    operate(e, kind, 0, name, a, b, y);
    return y;
}

/* Activation functions by their names in transformers/activations.py; NULL: not known. */
static inline const char *activation_of(const char *name)
{
    static const struct { const char *name, *act; } table[] = {
        {"silu", "silu"}, {"swish", "silu"}, {"gelu", "gelu"}, {"gelu_pytorch_tanh", "gelu"}, {"gelu_new", "gelu_new"}, {"gelu_python_tanh", "gelu_new"},
        {"gelu_accurate", "gelu_new"}, {"gelu_fast", "gelu_fast"}, {"gelu_python", "gelu_python"}, {"gelu_10", "gelu_10"}, {"quick_gelu", "quick_gelu"},
        {"relu", "relu"}, {"relu2", "relu2"}, {"relu6", "relu6"}, {"leaky_relu", "leaky_relu"}, {"sigmoid", "sigmoid"}, {"tanh", "tanh"}, {"mish", "mish"},
        {"hardswish", "hardswish"}, {"laplace", "laplace"}, {"linear", "linear"}, {"sqrtsoftplus", "sqrtsoftplus"}, {"xielu", "silu"},
        {"swiglu_limited", "swiglu_limited"}, {"swiglu_halves", "swiglu_halves"}, {"gelu_by_hand", "gelu_by_hand"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].act;
    return NULL;
}
#define UNKNOWN_ACT "the activation function is none of those in transformers/activations.py that gpumem knows"

static inline uint32_t activate(gpumem_emit *e, uint32_t x, const char *act)
{
    uint32_t y = gpumem_emit_same(e, "act", x);
    operate(e, GPUMEM_OP_ACT, act, "act", x, GPUMEM_NONE, y);
    return y;
}

/* (x * sigmoid(gate.float())).to(x.dtype) */
static inline uint32_t wide_gate(gpumem_emit *e, uint32_t x, uint32_t gate)
{
    uint32_t y = of_dtype(e, activate(e, cast(e, gate, GPUMEM_DTYPE_F32), "sigmoid"), GPUMEM_DTYPE_F32), z;
    y = of_dtype(e, binary(e, GPUMEM_OP_MUL, "gated", x, y), GPUMEM_DTYPE_F32);
    z = gpumem_emit_same(e, "cast", x);
    operate(e, GPUMEM_OP_CAST, 0, "cast", y, x, z); /* x is a variable until then */
    return z;
}

/* down(act(gate(x)) * up(x)), or down(act(up(x))). */
typedef struct mlp_spec {
    gpumem_dim width, out;
    const char *act;
    uint32_t dropout;
    unsigned flags; /* LINEAR_... */
    int gated, fused, down_norm; /* fused: one matrix for gate and up */
    int learned_act; /* xielu: two parameters and two buffers */
    int gate_scaled, cast, product_used, product_fp32, rebound;
    int held; /* how long what is between its matrices is: GPUMEM_LIVES_..., 0: to its last use */
    uint32_t adapted; /* what is added to gate and up where they are fused; 0 or GPUMEM_NONE: nothing */
} mlp_spec;

/* (act(gate.float()) * up.float()).to(gate.dtype), a variable */
static inline uint32_t wide_product(gpumem_emit *e, uint32_t gate, uint32_t up, const char *act)
{
    uint32_t y = hold(e, gpumem_emit_same(e, "product", gate), GPUMEM_LIVES_STEP);
    uint32_t rule = gpumem_emit_string(e, "g u\n  y = to(mul(act.*(to(g, f32)), to(u, f32)), g)\n  return y\n");
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, act, "product", gate, up, y);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return y;
}

/* left: what is let go behind the last matrix; of three, GPUMEM_NONE for none. */
static inline uint32_t mlp_inner(gpumem_emit *e, const char *module, uint32_t x, const mlp_spec *m, uint32_t *left)
{
    static const char *const names[] = {"gate", "up"}, *const parts[] = {"gate", "up", "glu"};
    char s[PATH_ROOM];
    uint32_t part[2], y;
    if (m->learned_act) {
        uint32_t in[5];
        in[0] = linear(e, join(e, s, module, "up_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, m->width, m->flags);
        in[1] = vector(e, module, "act_fn.alpha_p", GPUMEM_FAMILY_OTHER, extent(1, GPUMEM_AXIS_NONE));
        in[2] = vector(e, module, "act_fn.alpha_n", GPUMEM_FAMILY_OTHER, extent(1, GPUMEM_AXIS_NONE));
        in[3] = gpumem_emit_tensor(e, join(e, s, module, "act_fn.beta"), GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 0, NULL);
        in[4] = gpumem_emit_tensor(e, join(e, s, module, "act_fn.eps"), GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, 0, NULL);
        y = gpumem_emit_same(e, "act", in[0]);
        gpumem_emit_op(e, GPUMEM_OP_ACT, "xielu", "act", 5, in, 1, &y);
        return y;
    }
    if (!m->gated)
        return activate(e, linear(e, join(e, s, module, "up_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, m->width, m->flags), m->act);
    if (m->fused) { /* chunk: both parts hold the whole until the module returns, and so does their product */
        gpumem_dim size[2];
        size[0] = size[1] = m->width;
        y = linear(e, join(e, s, module, "gate_up_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE,
                   extent(2 * (uint64_t)m->width.size, GPUMEM_AXIS_FFN), m->flags);
        if (m->adapted && m->adapted != GPUMEM_NONE)
            y = binary(e, GPUMEM_OP_ADD, "adapted", y, m->adapted);
        if (strcmp(m->act, "swiglu_halves") == 0) {
            uint32_t made[4];
            made[0] = gpumem_emit_like(e, "product", y, m->width);
            for (unsigned i = 0; i < 3; i++)
                left[i] = made[i + 1] = gpumem_emit_like(e, parts[i], y, m->width);
            gpumem_emit_op(e, GPUMEM_OP_ACT, m->act, "act", 1, &y, 4, made);
            return made[0];
        }
        split(e, "gate_up", y, 2, names, size, part);
        hold(e, part[0], GPUMEM_LIVES_STEP);
        hold(e, part[1], GPUMEM_LIVES_STEP);
        return hold(e, binary(e, GPUMEM_OP_MUL, "product", part[1], activate(e, part[0], m->act)), m->product_used ? GPUMEM_LIVES_USE : GPUMEM_LIVES_STEP);
    }
    y = linear(e, join(e, s, module, "gate_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, m->width, m->flags);
    if (m->gate_scaled) {
        part[0] = gpumem_emit_same(e, "gate_scaled", y);
        operate(e, GPUMEM_OP_SCALE, 0, "gate_scaled", y, GPUMEM_NONE, part[0]);
        y = part[0];
    }
    if (m->product_fp32)
        return wide_product(e, hold(e, y, GPUMEM_LIVES_STEP),
                            hold(e, linear(e, join(e, s, module, "up_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, m->width, m->flags), GPUMEM_LIVES_STEP), m->act);
    y = activate(e, y, m->act);
    part[1] = linear(e, join(e, s, module, "up_proj"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, m->width, m->flags);
    return binary(e, GPUMEM_OP_MUL, "product", y, part[1]);
}

/* An operator that reads x and makes nothing: it lives until here. */
static inline void released(gpumem_emit *e, uint32_t x)
{
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_OTHER, 0, "release", 1, &x, 0, NULL);
    uint32_t rule = gpumem_emit_string(e, "x\n  del x\n");
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
}

static inline uint32_t feed_forward(gpumem_emit *e, const char *module, uint32_t x, const mlp_spec *m)
{
    char s[PATH_ROOM];
    uint32_t left[3] = {GPUMEM_NONE, GPUMEM_NONE, GPUMEM_NONE}, y = mlp_inner(e, module, x, m, left);
    if (m->down_norm)
        y = rmsnorm(e, join(e, s, module, "ffn_sub_norm"), y, m->width, "llama", 1);
    if (m->rebound)
        released(e, x);
    y = dropout(e, "dropout", y, m->dropout);
    if (m->held)
        hold(e, y, (unsigned)m->held);
    if (m->cast)
        y = cast(e, y, GPUMEM_DTYPE_MODEL);
    y = linear(e, join(e, s, module, "down_proj"), GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, m->out, m->flags);
    for (unsigned i = 0; i < 3; i++)
        if (left[i] != GPUMEM_NONE)
            released(e, left[i]);
    return y;
}

#endif
