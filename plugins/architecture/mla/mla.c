/* mla: attention over a compressed latent of keys and values, as models/deepseek_v3 of transformers 5.23 runs it. */
#include "../emit.h"

enum { HEADS, Q_RANK, KV_RANK, NOPE, ROPE, QUERY_DIM, VALUE_DIM, ROTARY, BIAS, SCALED, GATED, GATE, KEY_NORM, WINDOW, DROPOUT, INDEX_HEADS, INDEX_DIM, INDEX_TOP, INDEX_ROTARY, NPARAM };

static const gpumem_paramdef params[NPARAM] = {
    SIZE("heads", NULL, "query heads"),
    SIZE_OR_NULL("q_rank", "width that queries are compressed to; null: they are not"),
    SIZE("kv_rank", NULL, "width that keys and values are compressed to"),
    SIZE("nope", NULL, "width of a query or key head that is not rotated"),
    SIZE("rope", NULL, "rotated width of a query head, and of the one key that all heads share"),
    SIZE_OR_NULL("query_dim", "width a query head that its matrix is made for; null: nope + rope, and no other could run"),
    SIZE("value_dim", NULL, "width of a value head"),
    WORD("rotary", "'interleave'", "interleave (pairs), complex (pairs as numbers) or half"),
    FLAG("mla_bias", "false", "biases of the compressing matrices and of the output matrix"),
    FLAG("mla_scaled", "false", "queries and the latent are scaled by operators of their own (models/longcat_flash)"),
    FLAG("mla_gated", "false", "queries and a gate of the result come from one matrix over the latent before and behind its norm (models/axk2)"),
    WORD("mla_gate", "'none'", "a gate of the result from x, g_proj: none, head (a number for each head: models/bailing_hybrid) or full"),
    FLAG("mla_key_norm", "false", "a norm of the rotated key, k_rope_only_layernorm (models/dots3_note)"),
    SIZE_OR_NULL("window", "tokens that a token sees; null: all before it"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
    SIZE_OR_NULL("index_heads", "query heads of an indexer, which chooses the tokens that are looked at, without a gradient; null: there is none"),
    SIZE_OR_NULL("index_dim", "width of its heads, and of its one key"),
    SIZE_OR_NULL("index_top", "tokens that it chooses"),
    WORD("index_rotary", "'half'", "how its queries and keys are rotated: half (models/deepseek_v32) or interleave (models/glm_moe_dsa)"),
};

typedef struct mla_spec {
    gpumem_dim heads;
    uint64_t nope, rope, value;
    unsigned flags;
    const char *rotary;
    uint32_t dropout, window, gate; /* window: or 0; gate: or GPUMEM_NONE */
    uint32_t resid, mask;           /* compressed queries; what attention adds; or GPUMEM_NONE */
    int scaled;
} mla_spec;

static uint32_t step(gpumem_emit *e, uint32_t t) { return hold(e, t, GPUMEM_LIVES_STEP); }

static uint32_t matrix(gpumem_emit *e, const char *module, uint32_t x, gpumem_dim out, unsigned flags)
{
    return linear(e, module, GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, out, flags);
}

static uint32_t norm(gpumem_emit *e, const char *module, uint32_t x)
{
    return rmsnorm(e, module, x, last_of(e, x), "llama", 1);
}

/* Two parts of every head, or of the one there is; both stay until the module returns, as does what they are views of. */
static void halve(gpumem_emit *e, const char *name, uint32_t x, gpumem_dim heads, uint64_t a, uint64_t b, const char *const *names, uint32_t *part)
{
    gpumem_dim size[2];
    size[0] = extent(a, GPUMEM_AXIS_HEAD_DIM);
    size[1] = extent(b, GPUMEM_AXIS_HEAD_DIM);
    step(e, x);
    if (heads.size)
        x = by_head(e, name, x, heads, extent(a + b, GPUMEM_AXIS_HEAD_DIM));
    split(e, name, x, 2, names, size, part);
    step(e, part[0]);
    step(e, part[1]);
}

/* AXK2Attention: both from the latent and its norm side by side. */
static uint32_t query_and_gate(mla_spec *s, uint32_t x, gpumem_emit *e)
{
    static const char *const names[] = {"query", "gate"};
    uint64_t head = s->nope + s->rope;
    uint32_t both[2], part[2], y;
    s->resid = both[0] = step(e, norm(e, "q_a_layernorm", x));
    both[1] = step(e, x);
    y = gpumem_emit_like(e, "latents", x, extent(2 * (uint64_t)last_of(e, x).size, GPUMEM_AXIS_NONE));
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "latents", 2, both, 1, &y);
    y = matrix(e, "q_gate_proj", y, extent(s->heads.size * (head + s->value), GPUMEM_AXIS_HEADS), 0);
    halve(e, "query_gate", y, s->heads, head, s->value, names, part);
    s->gate = step(e, gpumem_emit_like(e, "gate", x, extent(s->heads.size * s->value, GPUMEM_AXIS_HEADS)));
    operate(e, GPUMEM_OP_COPY, 0, "gate", part[1], GPUMEM_NONE, s->gate);
    return part[0];
}

static uint32_t query(const gpumem_args *args, mla_spec *s, uint32_t x, gpumem_emit *e)
{
    gpumem_dim width = extent(s->heads.size * (s->nope + s->rope), GPUMEM_AXIS_HEADS);
    uint32_t weight = GPUMEM_NONE;
    if (is_null(args, Q_RANK))
        return matrix(e, "q_proj", x, width, 0);
    x = matrix(e, "q_a_proj", x, extent(size_of(args, Q_RANK), GPUMEM_AXIS_NONE), s->flags);
    if (flag_of(args, GATED))
        return query_and_gate(s, x, e);
    x = norm(e, "q_a_layernorm", x);
    s->resid = is_null(args, INDEX_HEADS) ? x : step(e, x);
    if (!is_null(args, QUERY_DIM))
        weight = gpumem_emit_weight(e, "q_b_proj.weight", GPUMEM_FAMILY_MATRIX, extent(s->heads.size * size_of(args, QUERY_DIM), GPUMEM_AXIS_HEADS), last_of(e, x));
    return linear(e, "q_b_proj", GPUMEM_FAMILY_MATRIX, x, weight, width, 0);
}

static void rotate(const mla_spec *s, const uint32_t *table, uint32_t *q, uint32_t *k, gpumem_emit *e)
{
    uint32_t operand[4], rotated[2];
    gpumem_op *op;
    operand[0] = *q;
    operand[1] = *k;
    operand[2] = table[0];
    operand[3] = table[1];
    rotated[0] = *q = step(e, gpumem_emit_same(e, "q_rotated", *q));
    rotated[1] = *k = step(e, gpumem_emit_same(e, "k_rotated", *k));
    op = gpumem_emit_op(e, GPUMEM_OP_ROTARY, s->rotary, "rotary", 4, operand, 2, rotated);
    if (op)
        op->attr[0] = op->attr[1] = (uint32_t)s->rope;
}

static void scale(uint32_t *x, gpumem_emit *e)
{
    uint32_t y = step(e, gpumem_emit_same(e, "scaled", *x));
    operate(e, GPUMEM_OP_SCALE, 0, "scaled", *x, GPUMEM_NONE, y);
    *x = y;
}

/* DeepseekV32Indexer: queries of the latent against one key for all, a weight for each head; gives the best tokens' numbers. */
static uint32_t choose(const gpumem_args *args, mla_spec *s, const uint32_t *in, gpumem_emit *e)
{
    static const char *const rotaries[] = {"half", "interleave", NULL};
    uint64_t heads = size_of(args, INDEX_HEADS), dim = size_of(args, INDEX_DIM);
    gpumem_dim hidden = last_of(e, in[0]), width = extent(dim, GPUMEM_AXIS_HEAD_DIM);
    uint32_t operand[9], y;
    gpumem_op *op;
    operand[0] = in[0];
    operand[1] = s->resid;
    operand[2] = in[1];
    operand[3] = in[2];
    operand[4] = gpumem_emit_weight(e, "indexer.wq_b.weight", GPUMEM_FAMILY_MATRIX, extent(heads * dim, GPUMEM_AXIS_HEADS), last_of(e, s->resid));
    operand[5] = gpumem_emit_weight(e, "indexer.wk.weight", GPUMEM_FAMILY_MATRIX, width, hidden);
    operand[6] = vector(e, "indexer.k_norm", "weight", GPUMEM_FAMILY_NORM, width);
    operand[7] = vector(e, "indexer.k_norm", "bias", GPUMEM_FAMILY_NORM, width);
    operand[8] = gpumem_emit_weight(e, "indexer.weights_proj.weight", GPUMEM_FAMILY_MATRIX, extent(heads, GPUMEM_AXIS_HEADS), hidden);
    cache(e, "index_keys", in[0], 1, dim, 0);
    y = of_dtype(e, step(e, gpumem_emit_like(e, "chosen", in[0], extent(size_of(args, INDEX_TOP), GPUMEM_AXIS_NONE))), GPUMEM_DTYPE_I32);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, 0, "indexer", 9, operand, 1, &y);
    if (op) {
        op->rule = gpumem_emit_string(e, "x r cos sin wq wk kw? kb? ww\n  y = described(0)\n  return y\n");
        op->attr[0] = (uint32_t)heads;
        op->attr[1] = (uint32_t)dim;
        op->attr[2] = (uint32_t)s->rope;
        op->attr[3] = (uint32_t)size_of(args, INDEX_TOP);
        op->attr[4] = choice_of(args, INDEX_ROTARY, rotaries) == 1;
    }
    return y;
}

/* What attention adds to its scores, and of which tokens: those that were not chosen. */
static void mask(mla_spec *s, uint32_t chosen, gpumem_emit *e)
{
    static const char *const names[] = {"attention_mask", "index_mask"};
    uint32_t y[2];
    gpumem_op *op;
    for (unsigned i = 0; i < 2; i++)
        y[i] = step(e, gpumem_emit_same(e, names[i], chosen));
    of_dtype(e, y[0], GPUMEM_DTYPE_MODEL);
    of_dtype(e, y[1], GPUMEM_DTYPE_BOOL);
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, 0, "sparse_mask", 1, &chosen, 2, y);
    if (op)
        op->rule = gpumem_emit_string(e, "x\n  y = described(0)\n  z = described(1)\n  return y, z\n");
    s->mask = y[0];
}

static uint32_t attend(const mla_spec *s, const uint32_t *qkv, uint32_t x, gpumem_emit *e)
{
    uint32_t y = gpumem_emit_like(e, "attended", x, extent(s->heads.size * s->value, GPUMEM_AXIS_HEADS)), copied;
    gpumem_op *op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, 0, "attention", 4, qkv, 1, &y);
    if (op) {
        op->attr[0] = op->attr[1] = s->heads.size;
        op->attr[2] = (uint32_t)(s->nope + s->rope);
        op->attr[3] = (uint32_t)s->value;
        op->attr[4] = s->window;
        op->attr[5] = 1;
        op->attr[7] = s->dropout;
    }
    copied = gpumem_emit_same(e, "reshaped", y);
    operate(e, GPUMEM_OP_COPY, 0, "reshape", y, GPUMEM_NONE, copied);
    return copied;
}

/* y * sigmoid(g_proj(x)), a number for each head or for all that heads give. */
static uint32_t gated(const mla_spec *s, int by_heads, uint32_t x, uint32_t y, gpumem_emit *e)
{
    gpumem_dim width = extent(s->heads.size * s->value, GPUMEM_AXIS_HEADS), one = extent(1, GPUMEM_AXIS_NONE);
    uint32_t gate = activate(e, step(e, matrix(e, "g_proj", x, by_heads ? s->heads : width, 0)), "sigmoid");
    if (!by_heads)
        return binary(e, GPUMEM_OP_MUL, "gated", y, gate);
    gate = by_head(e, "gate_heads", gate, s->heads, one);
    y = by_head(e, "attended_heads", y, s->heads, extent(s->value, GPUMEM_AXIS_HEAD_DIM));
    return all_heads(e, binary(e, GPUMEM_OP_MUL, "gated", y, gate), width);
}

static void describe_core(const gpumem_args *args, mla_spec *s, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    static const char *const q_parts[] = {"q_pass", "q_rot"}, *const latent_parts[] = {"latent", "k_rot"}, *const kv_parts[] = {"k_pass", "value"};
    gpumem_dim width = extent(s->nope + s->rope, GPUMEM_AXIS_HEAD_DIM);
    uint64_t rank = size_of(args, KV_RANK);
    uint32_t q[2] = {GPUMEM_NONE, GPUMEM_NONE}, latent[2], kv[2], qkv[4], y;
    int whole;
    y = qkv[0] = step(e, query(args, s, in[0], e));
    whole = in[1] == GPUMEM_NONE && !s->scaled && s->gate == GPUMEM_NONE; /* nothing of q is rotated: it is what its matrix gives */
    if (!whole)
        halve(e, "query", y, s->gate == GPUMEM_NONE ? s->heads : NO_DIM, s->nope, s->rope, q_parts, q);
    y = matrix(e, "kv_a_proj_with_mqa", in[0], extent(rank + s->rope, GPUMEM_AXIS_NONE), s->flags);
    halve(e, "latent", y, NO_DIM, rank, s->rope, latent_parts, latent);
    latent[0] = step(e, norm(e, "kv_a_layernorm", latent[0]));
    if (s->scaled) {
        scale(&q[0], e);
        scale(&q[1], e);
        scale(&latent[0], e);
    }
    if (flag_of(args, KEY_NORM))
        latent[1] = step(e, norm(e, "k_rope_only_layernorm", latent[1]));
    if (in[1] != GPUMEM_NONE && in[2] != GPUMEM_NONE)
        rotate(s, in + 1, &q[1], &latent[1], e);
    cache(e, "latent", in[0], 1, rank, s->window);
    cache(e, "rotated_key", in[0], 1, s->rope, s->window);
    append_cache(e, &latent[0], &latent[1], 1, s->window);
    if (!whole) {
        qkv[0] = step(e, gpumem_emit_like(e, "q", q[0], width));
        gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "q", 2, q, 1, &qkv[0]);
    }
    y = matrix(e, "kv_b_proj", latent[0], extent(s->heads.size * (s->nope + s->value), GPUMEM_AXIS_HEADS), 0);
    halve(e, "key_value", y, s->heads, s->nope, s->value, kv_parts, kv);
    if (e->status == GPUMEM_OK)
        e->op[e->nop - 2].attr[2] = 1; /* of [batch, 1, tokens, width], where it was remembered */
    qkv[1] = step(e, gpumem_emit_like(e, "k", kv[0], width));
    operate(e, GPUMEM_OP_COPY, 0, "key", kv[0], latent[1], qkv[1]); /* both into a new tensor, k_rot once for every head */
    qkv[2] = kv[1];
    if (!is_null(args, INDEX_HEADS))
        out[1] = choose(args, s, in, e);
    else if (in[3] != GPUMEM_NONE)
        out[1] = in[3];
    if (out[1] != GPUMEM_NONE)
        mask(s, out[1], e);
    qkv[3] = s->mask;
    y = attend(s, qkv, in[0], e);
    if (s->gate != GPUMEM_NONE)
        y = wide_gate(e, y, s->gate);
    if (strcmp(args->param[GATE].v.s, "none") != 0)
        y = gated(s, strcmp(args->param[GATE].v.s, "head") == 0, in[0], y, e);
    out[0] = matrix(e, "o_proj", y, last_of(e, in[0]), s->flags);
}

static gpumem_status describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    static const char *const rotaries[] = {"half", "interleave", "complex", NULL};
    static const char *const gates[] = {"none", "head", "full", NULL};
    mla_spec s;
    s.heads = extent(size_of(args, HEADS), GPUMEM_AXIS_HEADS);
    s.nope = size_of(args, NOPE);
    s.rope = size_of(args, ROPE);
    s.value = size_of(args, VALUE_DIM);
    s.flags = flag_of(args, BIAS) ? LINEAR_BIAS : 0;
    s.rotary = word_of(args, ROTARY, rotaries);
    s.dropout = probability_of(args, DROPOUT);
    s.scaled = flag_of(args, SCALED);
    s.gate = s.resid = s.mask = out[1] = GPUMEM_NONE;
    s.window = (uint32_t)size_or(args, WINDOW, 0);
    if (flag_of(args, GATED) && is_null(args, Q_RANK))
        return gpumem_because(args, GPUMEM_EINVAL, "a gate needs compressed queries: q_lora_rank is null");
    if (choice_of(args, GATE, gates) < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "mla_gate is none of none, head, full");
    if (s.rotary == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "rotary is none of half, interleave, complex");
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    if (!is_null(args, INDEX_HEADS) && (is_null(args, Q_RANK) || is_null(args, INDEX_DIM) || is_null(args, INDEX_TOP)))
        return gpumem_because(args, GPUMEM_EINVAL, "an indexer needs compressed queries, a width and a number of tokens: q_lora_rank, index_head_dim or index_topk is null");
    describe_core(args, &s, in, out, e);
    return (gpumem_status)e->status;
}

static const char *const ins[] = {"x", "cos?", "sin?", "chosen?"}, *const outs[] = {"y", "chosen?"};
static const gpumem_component components[] = {
    {"mla", "attention over a compressed latent of keys and values", params, NPARAM, COUNT(ins), COUNT(outs), ins, outs, describe},
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "mla", "0.1.0", {&operations},
};
