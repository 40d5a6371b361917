/* Attention: LlamaAttention, Qwen3Attention, Olmo2Attention, CohereAttention (norms of q and k), PhiAttention (part of a head is
 * rotated), Phi3Attention, GPTNeoXAttention, GPT2Attention (q, k, v from one matrix), FalconAttention, GptOssAttention (sinks). */
#include "components.h"

const gpumem_paramdef attention_params[ATTENTION_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a query and key head"),
    SIZE_OR_NULL("value_dim", "width of a value head; null: head_dim"),
    SIZE_OR_NULL("rope", "rotated width of a head; null: all of it"),
    WORD("rotary", "'half'", "half (all of a head); cat (a part, put together with the rest); interleave (pairs); parts (cat, its parts are the attention's own "
                            "variables: models/phi); each (cat, q before k: models/phi3); both (cat, once both are rotated: models/nemotron); pairs (tables are repeated: "
                            "models/glm); wide (pairs in fp32: models/cohere); back (half, cast back: models/olmo); tokens (pairs, before heads come first: models/codegen); gathered (the same, of a table: models/gptj); complex_tokens (as complex numbers, before heads come first: models/llama4); half_fp32 (half, in fp32: models/modernbert); none, and without cos and sin: not at all"),
    FLAG("qkv_fused", "false", "q, k and v are one matrix, qkv_proj"),
    WORD("qkv_layout", "'parts'", "rows of that matrix: parts (all of q, k, v), heads (q, k, v of each head: models/gpt_neox), picked (the same, picked one by one: models/bloom) or quarters (of four groups of heads, copied: models/codegen)"),
    SIZE_OR_NULL("qkv_width", "rows of that matrix; null: what its parts need, and no other could run"),
    FLAG("conv1d", "false", "weights are [in, out]"),
    FLAG("kv_repeated", "false", "keys and values are repeated to all heads before they are rotated and kept (models/falcon)"),
    FLAG("q_scaled", "false", "q is scaled by an operator of its own (models/opt)"),
    FLAG("q_scaled_by_position", "false", "by a number for each position (models/ministral3; models/llama4, where nothing is rotated)"),
    FLAG("q_scaled_by_log", "false", "that number is of the position's logarithm, in fp32, and all layers share it (models/beam)"),
    FLAG("k_scaled", "false", "k is scaled by an operator of its own (models/falcon_h1)"),
    FLAG("v_scaled", "false", "v is scaled by an operator of its own (models/mimo_v2_flash)"),
    FLAG("qkv_bias", "false", "q, k and v have biases"),
    {"k_bias", GPUMEM_TYPE_BOOL, 1, "null", 0, 0, "k has a bias; null: as q and v (models/whisper: it has none)"},
    FLAG("qkv_clipped", "false", "q, k and v are clamped in place (models/olmo)"),
    FLAG("o_bias", "false", "the output matrix has a bias"),
    WORD("qk_norm", "'none'", "norms of q and k: none; head (RMS of each head), full (RMS over all heads), layer (layer norm of each head), "
                              "matrix (layer norm of each head, a weight for all of them), each (a layer norm of its own for each head)"),
    SIZE_OR_NULL("qk_norm_dim", "width a head that these norms have; null: head_dim"),
    SIZE_OR_NULL("q_norm_width", "width of the full norm of q; null: that of all heads (models/olmoe: hidden_size)"),
    FLAG("qk_norm_at_once", "false", "q and k are normed as they are projected, before the next one is (models/qwen3)"),
    FLAG("qk_norm_late", "false", "they come after the rotation (models/hunyuan_v1_dense)"),
    FLAG("qk_norm_affine", "true", "RMS norms of heads have a weight"),
    WORD("norm_style", "'llama'", "of RMS norms: " RMS_STYLE_NAMES),
    SIZE_OR_NULL("window", "tokens that a token sees; null: all before it"),
    REAL_OR_NULL("attention_softcap", "cap of the scores; null or 0: none"),
    FLAG("sinks", "false", "a learned sink for each head"),
    FLAG("causal", "true", "do tokens see only those before them"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
    WORD("attention_gate", "'none'", "the result is multiplied by a gate, gate_proj: none, sigmoid (models/afmoe), softplus (models/laguna) or sigmoid_late (made behind the attention: models/lfm3)"),
    FLAG("attention_gate_by_head", "false", "the gate has one number for each head"),
    FLAG("attention_gate_in_q", "false", "q_proj is twice as wide: the gate is the second half of each head (models/qwen3_next)"),
    FLAG("attention_gate_bias", "false", "gate_proj has a bias"),
    FLAG("attention_gate_head_bias", "false", "a number for each head, gate_bias, is added to the gate (models/beam)"),
    FLAG("o_norm", "false", "an RMS norm before the output matrix (models/bitnet)"),
    SIZE_OR_NULL("o_input", "width that the output matrix is made for; null: that of all heads (models/helium: hidden_size)"),
    SIZE_OR_NULL("attention_out", "width of the result; null: that of x (models/zamba)"),
    WORD("scores", "'plain'", "how scores are computed without a kernel: plain (softmax in fp32), narrow (as they come: models/gpt2), uncast (the same, not cast back: models/biogpt); or always: "
                              "alibi (with a bias by position: models/bloom), wide (q and k in fp32: models/codegen), wide_scaled (the same, scaled before the mask: models/gptj), batched (of all heads of all sequences, copied: models/mvp), floored (the same, not below the least number: models/xglm), zeros (added to zeros: models/gpt_neox_japanese), added (a bias and a mask of bools: models/mpt), added_in_place (a bias: models/mpnet), where (q and k in fp32, a mask of its own before the model's: models/gpt_neo); upcast (q and k in fp32 without a kernel: models/gpt2), bert (narrow, and a mask only if it is causal), t5 (so, with a bias), scaled (in place: models/falcon), sink_scaled (what is attended is scaled for the sinks: models/granite_swa), bare (softmax as they come, not cast back: models/llama4) sinks_wide (in fp32 with sinks: models/flint), multiplied (by a mask that is a buffer: models/openai) or masked (a bias, and before and behind the softmax a mask of bools: models/cpmant)"),
    SIZE_OR_NULL("bias_buckets", "kinds of distances that it makes a bias for itself, relative_attention_bias; null: it does not"),
    FLAG("bias_zeros", "false", "it makes a bias of zeros for itself (models/t5: attention over the encoder)"),
    FLAG("bias_local", "false", "the bias that it makes is a variable of its own (models/umt5)"),
    FLAG("context_cached", "false", "keys and values of the context are made in the first step and remembered (models/bart, encoder_attn)"),
    FLAG("window_cached", "true", "a window's cache has no more than the window; else the mask alone says so (models/gpt_neo)"),
    REAL_OR_NULL("o_dropout", "dropout behind the output matrix, before it returns (models/seed_oss)"),
};

enum { NORM_NONE, NORM_HEAD, NORM_FULL, NORM_LAYER, NORM_MATRIX, NORM_EACH };

typedef struct attention_spec {
    uint64_t heads, kv, dim, value_dim, norm_dim, q_norm_width;
    const char *rotary, *layout, *scores, *style; /* rules' variants */
    int norm, affine;
    uint32_t dropout;
    unsigned flags; /* LINEAR_TRANSPOSED or 0 */
    uint32_t q, k, v, gate, weights;
    int gating, scaled, at_once;
} attention_spec;

enum { GATE_NONE, GATE_SIGMOID, GATE_SOFTPLUS, GATE_SIGMOID_LATE };
enum { SCALED_NOT, SCALED_FIRST, SCALED_LATE };

static gpumem_status read_spec(const gpumem_args *args, attention_spec *s)
{
    static const char *const rotaries[] = {"half", "cat", "interleave", "parts", "each", "both", "pairs", "wide", "back", "tokens", "gathered", "halves", "complex", "complex_tokens", "half_fp32", "pairs_wide", "none", NULL};
    static const char *const norms[] = {"none", "head", "full", "layer", "matrix", "each", NULL}, *const gates[] = {"none", "sigmoid", "softplus", "sigmoid_late", NULL};
    static const char *const layouts[] = {"parts", "heads", "picked", "quarters", "gated", "shared", NULL}, *const scores[] = {"plain", "narrow", "uncast", "alibi", "wide", "wide_scaled", "upcast", "bert", "t5", "scaled", "batched", "floored", "zeros", "where", "sink_scaled", "added", "added_in_place", "bare", "sinks_wide", "multiplied", "masked", NULL};
    s->heads = size_of(args, ATTENTION_HEADS);
    s->kv = size_of(args, ATTENTION_KV_HEADS);
    s->dim = size_of(args, ATTENTION_HEAD_DIM);
    s->value_dim = size_or(args, ATTENTION_VALUE_DIM, s->dim);
    s->norm_dim = size_or(args, ATTENTION_QK_NORM_DIM, s->dim);
    s->q_norm_width = size_or(args, ATTENTION_Q_NORM_WIDTH, s->heads * s->norm_dim);
    s->flags = flag_of(args, ATTENTION_CONV1D) ? LINEAR_TRANSPOSED : 0;
    s->rotary = word_of(args, ATTENTION_ROTARY, rotaries);
    s->norm = choice_of(args, ATTENTION_QK_NORM, norms);
    s->at_once = flag_of(args, ATTENTION_QK_NORM_AT_ONCE);
    s->scaled = SCALED_NOT;
    s->style = rms_style_of(args, ATTENTION_NORM_STYLE);
    s->affine = flag_of(args, ATTENTION_QK_NORM_AFFINE);
    s->dropout = probability_of(args, ATTENTION_DROPOUT);
    s->gate = s->weights = GPUMEM_NONE;
    s->gating = choice_of(args, ATTENTION_GATE, gates);
    s->layout = word_of(args, ATTENTION_LAYOUT, layouts);
    s->scores = word_of(args, ATTENTION_SCORES, scores);
    if (s->layout == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "qkv_layout is none of parts, heads, picked, quarters");
    if (s->scores == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "scores is none of plain, narrow, uncast, alibi, wide, wide_scaled, upcast, bert, t5, scaled, batched, floored, zeros, where, sink_scaled, added, added_in_place, bare, sinks_wide, multiplied, masked");
    if (s->gating < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_gate is none of none, sigmoid, softplus, sigmoid_late");
    if (s->rotary == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "rotary is none of half, cat, interleave, parts, each, both, pairs, wide, back, tokens, gathered, halves, none, half_fp32, pairs_wide");
    if (s->norm < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "qk_norm is none of none, head, full, layer, matrix, each");
    if (s->style == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "norm_style is none of " RMS_STYLE_NAMES);
    if (s->dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    return GPUMEM_OK;
}

/* Both halves of a head are views; the gate is copied. */
static void part_gate(attention_spec *s, uint32_t x, gpumem_emit *e)
{
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    uint32_t half[2];
    gpumem_op *op;
    if (e->status != GPUMEM_OK)
        return;
    memcpy(dim, e->tensor[s->q].dim, sizeof dim);
    dim[2] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[3] = extent(s->dim, GPUMEM_AXIS_HEAD_DIM);
    half[0] = view_of(e, gpumem_emit_tensor(e, "query", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim), s->q);
    half[1] = hold(e, gpumem_emit_like(e, "gate", x, extent(s->heads * s->dim, GPUMEM_AXIS_HEADS)), GPUMEM_LIVES_STEP);
    op = gpumem_emit_op(e, GPUMEM_OP_SPLIT, "gated", "q_gate", 1, &s->q, 2, half);
    if (op)
        op->attr[0] = (uint32_t)s->heads;
    s->gate = half[1];
    s->q = half[0];
}

static uint32_t scaled(gpumem_emit *e, const char *name, uint32_t x)
{
    uint32_t y = gpumem_emit_same(e, name, x);
    operate(e, GPUMEM_OP_SCALE, 0, name, x, GPUMEM_NONE, y);
    return y;
}

static uint32_t norm_one(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, uint64_t width, const attention_spec *s);

/* Keys and values are of the tokens themselves, or of a context. */
static void project(const gpumem_args *args, uint32_t x, uint32_t context, attention_spec *s, gpumem_emit *e)
{
    static const char *const names[] = {"q", "k", "v"}, *const modules[] = {"q_proj", "k_proj", "v_proj"};
    unsigned flags = s->flags | (flag_of(args, ATTENTION_QKV_BIAS) ? LINEAR_BIAS : 0u);
    int gate = flag_of(args, ATTENTION_GATE_IN_Q);
    gpumem_dim size[3];
    uint32_t part[3];
    size[0] = extent(s->heads * s->dim * (gate ? 2 : 1), GPUMEM_AXIS_HEADS);
    size[1] = extent(s->kv * s->dim, GPUMEM_AXIS_KV_HEADS);
    size[2] = extent(s->kv * s->value_dim, GPUMEM_AXIS_KV_HEADS);
    if (flag_of(args, ATTENTION_FUSED) && context == GPUMEM_NONE) {
        uint64_t whole = s->heads * s->dim + s->kv * (s->dim + s->value_dim);
        uint32_t weight = GPUMEM_NONE, y;
        if (!is_null(args, ATTENTION_FUSED_WIDTH))
            weight = gpumem_emit_weight(e, "qkv_proj.weight", GPUMEM_FAMILY_MATRIX, extent(size_of(args, ATTENTION_FUSED_WIDTH), GPUMEM_AXIS_HEADS), last_of(e, x));
        y = linear(e, "qkv_proj", GPUMEM_FAMILY_MATRIX, x, weight, extent(whole, GPUMEM_AXIS_HEADS), flags);
        split(e, "qkv", hold(e, y, GPUMEM_LIVES_STEP), 3, names, size, part);
        if (e->status == GPUMEM_OK) {
            e->op[e->nop - 1].variant = gpumem_emit_string(e, s->layout);
            e->op[e->nop - 1].attr[0] = (uint32_t)s->heads;
        }
        if (gate) {
            s->q = part[0];
            part_gate(s, x, e);
            part[0] = s->q;
        }
    } else {
        for (unsigned i = 0; i < 3; i++) {
            unsigned own = i == 1 && !is_null(args, ATTENTION_K_BIAS) && !flag_of(args, ATTENTION_K_BIAS) ? flags & ~(unsigned)LINEAR_BIAS : flags;
            part[i] = linear(e, modules[i], GPUMEM_FAMILY_MATRIX, i && context != GPUMEM_NONE ? context : x, GPUMEM_NONE, size[i], own);
            if (i == 0 && s->scaled == SCALED_FIRST)
                part[0] = scaled(e, "q_scaled", part[0]);
            if (i == 0 && gate) {
                s->q = part[0];
                part_gate(s, x, e);
                part[0] = s->q;
            }
            if (i < 2 && s->norm != NORM_NONE && s->at_once)
                part[i] = norm_one(e, i ? "k_norm" : "q_norm", part[i], i ? s->kv : s->heads, i ? s->kv * s->norm_dim : s->q_norm_width, s);
        }
    }
    s->q = part[0];
    s->k = part[1];
    s->v = part[2];
}

static uint32_t gate_of(const gpumem_args *args, uint32_t x, const attention_spec *s, gpumem_emit *e)
{
    uint64_t width = s->heads * (flag_of(args, ATTENTION_GATE_BY_HEAD) ? 1 : s->value_dim);
    unsigned flags = flag_of(args, ATTENTION_GATE_BIAS) ? LINEAR_BIAS : 0;
    return hold(e, linear(e, "gate_proj", GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, extent(width, GPUMEM_AXIS_HEADS), flags), GPUMEM_LIVES_STEP);
}

/* BeamAttention: gate + gate_bias[None, None, :, None] */
static uint32_t gate_biased(gpumem_emit *e, uint32_t gate, const attention_spec *s)
{
    uint32_t y = hold(e, gpumem_emit_same(e, "gate_biased", gate), GPUMEM_LIVES_STEP);
    uint32_t rule = gpumem_emit_string(e, "x b\n  y = add(view(x, [x[0], x[1], b[0], x[2] / b[0]]), unsqueeze(b, -1))\n  y = view(y, [x[0], x[1], x[2]])\n  return y\n");
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, 0, "gate_bias", gate, vector(e, "", "gate_bias", GPUMEM_FAMILY_BIAS, extent(s->heads, GPUMEM_AXIS_HEADS)), y);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return y;
}

/* y * act(gate); softplus is computed in fp32. */
static uint32_t gated(const gpumem_args *args, uint32_t y, uint32_t gate, const attention_spec *s, gpumem_emit *e)
{
    if (s->gating == GATE_SOFTPLUS) {
        gate = of_dtype(e, activate(e, cast(e, gate, GPUMEM_DTYPE_F32), "softplus"), GPUMEM_DTYPE_F32);
        gate = hold(e, cast(e, gate, GPUMEM_DTYPE_MODEL), GPUMEM_LIVES_STEP);
    } else
        gate = activate(e, gate, "sigmoid");
    if (flag_of(args, ATTENTION_GATE_BY_HEAD)) {
        y = by_head(e, "attended_heads", y, extent(s->heads, GPUMEM_AXIS_HEADS), extent(s->value_dim, GPUMEM_AXIS_HEAD_DIM));
        gate = by_head(e, "gate_heads", gate, extent(s->heads, GPUMEM_AXIS_HEADS), extent(1, GPUMEM_AXIS_NONE));
    }
    return binary(e, GPUMEM_OP_MUL, "gated", y, gate);
}

static uint32_t clipped(gpumem_emit *e, uint32_t x)
{
    uint32_t y = view_of(e, gpumem_emit_same(e, "clipped", x), x), rule = gpumem_emit_string(e, "x\n  y = clamp_in_place(x)\n  return y\n");
    gpumem_op *op = operate(e, GPUMEM_OP_OTHER, 0, "clip", x, GPUMEM_NONE, y);
    if (op && e->status == GPUMEM_OK)
        op->rule = rule;
    return y;
}

static uint32_t layer_of_heads(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, const attention_spec *s)
{
    char name[PATH_ROOM];
    gpumem_dim width = extent(s->norm_dim, GPUMEM_AXIS_HEAD_DIM), rows = extent(heads, GPUMEM_AXIS_HEADS);
    uint32_t operand[3] = {x, GPUMEM_NONE, GPUMEM_NONE}, y;
    const char *weight = join(e, name, module, "weight");
    if (s->norm == NORM_MATRIX)
        operand[1] = gpumem_emit_weight(e, weight, GPUMEM_FAMILY_NORM, rows, width);
    else {
        operand[1] = gpumem_emit_weight(e, weight, GPUMEM_FAMILY_NORM, width, NO_DIM);
        operand[2] = vector(e, module, "bias", GPUMEM_FAMILY_NORM, width);
    }
    y = gpumem_emit_same(e, module, x);
    gpumem_emit_op(e, GPUMEM_OP_LAYERNORM, s->norm == NORM_MATRIX ? "llama" : "plain", module, 3, operand, 1, &y);
    return y;
}

/* StableLmLayerNormPerHead: a module for each head, put together again; operators have at most 16 operands, so in two rounds. */
static uint32_t one_by_one(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, const attention_spec *s)
{
    enum { GROUP = GPUMEM_MAX_OPERANDS - 1 };
    gpumem_dim width = extent(s->dim, GPUMEM_AXIS_HEAD_DIM);
    uint32_t part[GROUP], group[GROUP], ngroup = 0, rule;
    if (heads > GROUP * GROUP)
        return gpumem_emit_fail(e, GPUMEM_EUNSUP);
    rule = gpumem_emit_string(e, "x : width\n  y = slice(x, -1, width)\n  return y\n");
    for (uint64_t i = 0; i < heads; i++) {
        char name[PATH_ROOM], number[16];
        uint32_t head = view_of(e, gpumem_emit_like(e, "head", x, width), x), n = (uint32_t)(i % GROUP) + 1;
        uint32_t w = vector(e, join(e, name, module, decimal(number, i)), "weight", GPUMEM_FAMILY_NORM, extent(s->norm_dim, GPUMEM_AXIS_HEAD_DIM));
        gpumem_op *op = operate(e, GPUMEM_OP_OTHER, 0, "head", x, GPUMEM_NONE, head);
        if (op && e->status == GPUMEM_OK) {
            op->attr[0] = (uint32_t)s->dim;
            op->rule = rule;
        }
        part[n - 1] = gpumem_emit_same(e, "head", head);
        operate(e, GPUMEM_OP_LAYERNORM, "plain", module, head, w, part[n - 1]);
        if (n == GROUP || i + 1 == heads) {
            group[ngroup] = gpumem_emit_like(e, "heads", x, extent(n * s->dim, GPUMEM_AXIS_HEADS));
            gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, module, n, part, 1, &group[ngroup]);
            ngroup++;
        }
    }
    if (ngroup > 1) {
        uint32_t all = gpumem_emit_same(e, "heads", x);
        gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, module, ngroup, group, 1, &all);
        return all;
    }
    return group[0];
}

static uint32_t norm_one(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, uint64_t width, const attention_spec *s)
{
    uint32_t y;
    if (s->norm == NORM_EACH)
        return one_by_one(e, module, x, heads, s);
    if (s->norm == NORM_FULL)
        return rmsnorm(e, module, x, extent(width, GPUMEM_AXIS_HEADS), s->style, 1);
    if (s->norm == NORM_MATRIX)
        return layer_of_heads(e, module, x, heads, s);
    y = e->status == GPUMEM_OK && e->tensor[x].ndim > 3 ? x : by_head(e, "heads", x, extent(heads, GPUMEM_AXIS_HEADS), extent(s->dim, GPUMEM_AXIS_HEAD_DIM));
    if (s->norm == NORM_HEAD)
        return rmsnorm(e, module, y, extent(s->norm_dim, GPUMEM_AXIS_HEAD_DIM), s->style, s->affine);
    return layer_of_heads(e, module, y, heads, s);
}

/* q and k are [batch, tokens, heads, width] */
static int of_tokens(const attention_spec *s) { return is_word(s->rotary, "tokens") || is_word(s->rotary, "gathered"); }

static void rotate(const gpumem_args *args, const uint32_t *table, attention_spec *s, gpumem_emit *e)
{
    uint32_t operand[4], rotated[7], n = 2;
    gpumem_op *op;
    operand[0] = s->q;
    operand[1] = s->k;
    operand[2] = table[0];
    operand[3] = table[1];
    if (is_word(s->rotary, "interleave") || is_word(s->rotary, "parts") || of_tokens(s)) { /* what was projected stays: its parts are views of it */
        hold(e, s->q, GPUMEM_LIVES_STEP);
        hold(e, s->k, GPUMEM_LIVES_STEP);
    }
    s->q = rotated[0] = gpumem_emit_same(e, "q_rotated", s->q);
    s->k = rotated[1] = gpumem_emit_same(e, "k_rotated", s->k);
    if (is_word(s->rotary, "parts") || of_tokens(s)) {
        gpumem_dim part = extent(size_or(args, ATTENTION_ROPE, s->dim), GPUMEM_AXIS_HEAD_DIM);
        for (; n < 4; n++)
            rotated[n] = hold(e, gpumem_emit_like(e, "rotated_part", rotated[n - 2], part), GPUMEM_LIVES_STEP);
    }
    if (is_word(s->rotary, "gathered")) {
        static const char *const names[] = {"embed_positions", "repeated_position_ids", "sincos"};
        static const uint8_t dtype[] = {GPUMEM_DTYPE_F32, GPUMEM_DTYPE_I64, GPUMEM_DTYPE_MODEL};
        gpumem_dim dim[3];
        dim[0] = extent(1, GPUMEM_AXIS_NONE);
        dim[2] = last_of(e, table[0]);
        for (unsigned i = 0; i < 3 && e->status == GPUMEM_OK; i++, n++) {
            dim[1] = i ? last_of(e, table[1]) : e->tensor[table[0]].dim[0];
            rotated[n] = hold(e, gpumem_emit_tensor(e, names[i], GPUMEM_ROLE_ACTIVATION, 0, dtype[i], 3, dim), GPUMEM_LIVES_STEP);
        }
    }
    op = gpumem_emit_op(e, GPUMEM_OP_ROTARY, s->rotary, "rotary", 4, operand, n, rotated);
    if (op)
    {
        op->attr[0] = (uint32_t)size_or(args, ATTENTION_ROPE, s->dim);
        op->attr[1] = (uint32_t)s->dim;
        op->attr[2] = is_null(args, ATTENTION_ROPE);
    }
}

/* FalconAttention._split_heads: q is reshaped, k and v are broadcast to all heads and then reshaped: all three are new. */
static void repeat(attention_spec *s, gpumem_emit *e)
{
    uint32_t q = gpumem_emit_same(e, "q_reshaped", s->q), k = gpumem_emit_like(e, "k_repeated", s->k, extent(s->heads * s->dim, GPUMEM_AXIS_HEADS));
    uint32_t v = gpumem_emit_like(e, "v_repeated", s->v, extent(s->heads * s->value_dim, GPUMEM_AXIS_HEADS));
    operate(e, GPUMEM_OP_COPY, 0, "q_reshaped", s->q, GPUMEM_NONE, q);
    operate(e, GPUMEM_OP_REPEAT, 0, "k_repeated", s->k, GPUMEM_NONE, k);
    operate(e, GPUMEM_OP_REPEAT, 0, "v_repeated", s->v, GPUMEM_NONE, v);
    s->q = q;
    s->k = k;
    s->v = v;
    s->kv = s->heads;
}

/* What the attention's code gives back besides, and what its variables hold until it returns: [batch, heads, tokens, tokens]. */
static uint32_t of_pairs(gpumem_emit *e, const char *name, uint32_t like, const attention_spec *s, unsigned lives)
{
    gpumem_dim dim[4];
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    dim[0] = e->tensor[like].dim[0];
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[like].dim[1];
    return hold(e, gpumem_emit_tensor(e, name, GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim), lives);
}

/* [batch * heads, tokens, width], a copy. */
static uint32_t of_all_heads(gpumem_emit *e, uint32_t x, uint64_t heads, uint64_t width)
{
    gpumem_dim dim[3];
    gpumem_op *op;
    uint32_t y;
    dim[0] = gpumem_dim_of((uint64_t)e->tensor[x].dim[0].size * heads, e->tensor[x].dim[0].sym, GPUMEM_AXIS_HEADS);
    dim[1] = e->tensor[x].dim[1];
    dim[2] = extent(width, GPUMEM_AXIS_HEAD_DIM);
    y = gpumem_emit_tensor(e, "of_all_heads", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim);
    op = gpumem_emit_op(e, GPUMEM_OP_VIEW, "all_heads", "of_all_heads", 1, &x, 1, &y);
    if (op)
        op->attr[0] = (uint32_t)heads;
    return y;
}

static uint32_t attend(const gpumem_args *args, uint32_t like, uint32_t bias, attention_spec *s, gpumem_emit *e)
{
    uint32_t operand[5], y, copied, result[4];
    unsigned nresult = 1, batched = is_word(s->scores, "batched") || is_word(s->scores, "floored");
    gpumem_op *op;
    operand[0] = s->q;
    operand[1] = s->k;
    operand[2] = s->v;
    operand[3] = bias;
    for (unsigned i = 0; i < 3 && batched; i++)
        operand[i] = of_all_heads(e, hold(e, operand[i], GPUMEM_LIVES_USE), i ? s->kv : s->heads, i == 2 ? s->value_dim : s->dim);
    operand[4] = flag_of(args, ATTENTION_SINKS) ? vector(e, "", "sinks", GPUMEM_FAMILY_OTHER, extent(s->heads, GPUMEM_AXIS_HEADS)) : GPUMEM_NONE;
    for (unsigned i = 0; i < 3; i++)
        hold(e, operand[i], GPUMEM_LIVES_STEP);
    y = gpumem_emit_like(e, "attended", like, extent(s->heads * s->value_dim, GPUMEM_AXIS_HEADS));
    result[0] = y;
    if (is_word(s->scores, "alibi") || is_word(s->scores, "wide") || is_word(s->scores, "wide_scaled") || is_word(s->scores, "added") || is_word(s->scores, "where"))
        result[nresult++] = s->weights = of_pairs(e, "weights", like, s, GPUMEM_LIVES_BLOCK);
    if (is_word(s->scores, "alibi")) {
        result[nresult++] = of_pairs(e, "scores", like, s, GPUMEM_LIVES_STEP);
        result[nresult++] = of_pairs(e, "masked", like, s, GPUMEM_LIVES_STEP);
    }
    if (is_word(s->scores, "added"))
        result[nresult++] = of_pairs(e, "masked", like, s, GPUMEM_LIVES_STEP);
    if (is_word(s->scores, "multiplied"))
        result[nresult++] = hold(e, gpumem_emit_same(e, "attended_heads", y), GPUMEM_LIVES_STEP);
    if (batched) {
        result[nresult++] = of_pairs(e, "weights", like, s, is_word(s->scores, "floored") ? GPUMEM_LIVES_BLOCK : GPUMEM_LIVES_STEP);
        result[nresult++] = of_pairs(e, "probabilities", like, s, GPUMEM_LIVES_STEP);
    }
    if (is_word(s->scores, "added_in_place")) {
        result[nresult++] = of_pairs(e, "scores", like, s, GPUMEM_LIVES_STEP);
        result[nresult++] = of_pairs(e, "probabilities", like, s, GPUMEM_LIVES_STEP);
    }
    op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, s->scores, "attention", 5, operand, nresult, result);
    if (op) {
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->kv;
        op->attr[2] = (uint32_t)s->dim;
        op->attr[3] = (uint32_t)s->value_dim;
        op->attr[4] = (uint32_t)size_or(args, ATTENTION_WINDOW, 0);
        op->attr[5] = (uint32_t)flag_of(args, ATTENTION_CAUSAL);
        op->attr[6] = !is_null(args, ATTENTION_SOFTCAP) && args->param[ATTENTION_SOFTCAP].v.r != 0.0;
        op->attr[7] = s->dropout;
    }
    copied = gpumem_emit_same(e, "reshaped", y);
    operate(e, GPUMEM_OP_COPY, 0, "reshape", y, GPUMEM_NONE, copied);
    return copied;
}

/* [batch, tokens, heads, width], seen as [batch, heads, tokens, width]. */
static uint32_t heads_first(gpumem_emit *e, uint32_t x)
{
    uint32_t y = view_of(e, gpumem_emit_same(e, "heads_first", x), x);
    operate(e, GPUMEM_OP_VIEW, "heads_first", "heads_first", x, GPUMEM_NONE, y);
    return y;
}

static void heads_first_all(attention_spec *s, gpumem_emit *e)
{
    s->q = heads_first(e, s->q);
    s->k = heads_first(e, s->k);
    s->v = heads_first(e, s->v);
}

static void norm_both(attention_spec *s, gpumem_emit *e)
{
    s->q = norm_one(e, "q_norm", s->q, s->heads, s->q_norm_width, s);
    s->k = norm_one(e, "k_norm", s->k, s->kv, s->kv * s->norm_dim, s);
}

/* The output matrix; where its input is not as wide as the heads, the reference implementation could not run it either. */
static uint32_t finish(const gpumem_args *args, uint32_t y, gpumem_dim width, const attention_spec *s, gpumem_emit *e)
{
    unsigned flags = s->flags | (flag_of(args, ATTENTION_O_BIAS) ? LINEAR_BIAS : 0u);
    uint32_t weight = GPUMEM_NONE;
    if (s->gating)
        y = gated(args, y, s->gate, s, e);
    if (flag_of(args, ATTENTION_O_NORM))
        y = rmsnorm(e, "attn_sub_norm", y, width, "llama", 1);
    if (!is_null(args, ATTENTION_O_INPUT))
        weight = gpumem_emit_weight(e, "o_proj.weight", GPUMEM_FAMILY_MATRIX, width, extent(size_of(args, ATTENTION_O_INPUT), GPUMEM_AXIS_HEADS));
    if (flag_of(args, ATTENTION_GATE_BY_HEAD))
        y = all_heads(e, y, extent(s->heads * s->value_dim, GPUMEM_AXIS_HEADS));
    return dropout(e, "o_dropout", linear(e, "o_proj", GPUMEM_FAMILY_MATRIX, y, weight, width, flags), probability_of(args, ATTENTION_O_DROPOUT));
}

/* What adapters add to q, k and v (models/zamba2). */
static void adapt(const uint32_t *more, attention_spec *s, gpumem_emit *e)
{
    if (more[0] != GPUMEM_NONE)
        s->q = binary(e, GPUMEM_OP_ADD, "q_adapted", s->q, more[0]);
    if (more[1] != GPUMEM_NONE)
        s->k = binary(e, GPUMEM_OP_ADD, "k_adapted", s->k, more[1]);
    if (more[2] != GPUMEM_NONE)
        s->v = binary(e, GPUMEM_OP_ADD, "v_adapted", s->v, more[2]);
}

/* UMT5Attention.forward: each layer makes its own, and forgets it. */
static uint32_t local_bias(const gpumem_args *args, uint32_t x, uint32_t y, const attention_spec *s, gpumem_emit *e)
{
    uint32_t operand[2], rule = gpumem_emit_string(e, "W x\n  y = described(0)\n  return y\n");
    gpumem_op *op;
    operand[0] = gpumem_emit_weight(e, "relative_attention_bias.weight", GPUMEM_FAMILY_EMBEDDING, extent(size_of(args, ATTENTION_BIAS_BUCKETS), GPUMEM_AXIS_NONE), extent(s->heads, GPUMEM_AXIS_HEADS));
    operand[1] = x;
    op = gpumem_emit_op(e, GPUMEM_OP_OTHER, NULL, "position_bias", 2, operand, 1, &y);
    if (op && e->status == GPUMEM_OK) {
        op->rule = rule;
        op->attr[0] = (uint32_t)flag_of(args, ATTENTION_CAUSAL);
    }
    return y;
}

/* T5Attention.forward: the first layer makes the bias, after its projections. */
static uint32_t own_bias(const gpumem_args *args, const uint32_t *in, const attention_spec *s, gpumem_emit *e)
{
    uint32_t keys = in[3] == GPUMEM_NONE ? in[0] : in[3], y;
    unsigned local = flag_of(args, ATTENTION_BIAS_LOCAL);
    gpumem_dim dim[4];
    if (!is_null(args, ATTENTION_BIAS_BUCKETS) && !local)
        return distance_bias(e, "relative_attention_bias", in[0], s->heads, size_of(args, ATTENTION_BIAS_BUCKETS), flag_of(args, ATTENTION_CAUSAL));
    if ((!flag_of(args, ATTENTION_BIAS_ZEROS) && is_null(args, ATTENTION_BIAS_BUCKETS)) || e->status != GPUMEM_OK)
        return in[4];
    dim[0] = extent(1, GPUMEM_AXIS_NONE);
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = e->tensor[in[0]].dim[e->tensor[in[0]].ndim - 2];
    dim[3] = e->tensor[keys].dim[e->tensor[keys].ndim - 2];
    y = hold(e, gpumem_emit_tensor(e, "bias", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim), local ? GPUMEM_LIVES_STEP : GPUMEM_LIVES_STACK);
    if (!is_null(args, ATTENTION_BIAS_BUCKETS))
        return local_bias(args, in[0], y, s, e);
    make_new(e, local ? "zero_bias.local" : "zero_bias", s->q, y);
    return y;
}

/* EncoderDecoderCache, cross_attention_cache: made once, of all that the context has. */
static void keep_context(gpumem_emit *e, uint32_t context, attention_spec *s)
{
    static const char *const names[] = {"context_keys", "context_values"};
    gpumem_dim dim[4];
    uint32_t in[2], out[2];
    gpumem_op *op;
    if (e->status != GPUMEM_OK || e->tensor[context].ndim != 3)
        return;
    dim[0] = e->tensor[context].dim[0];
    dim[1] = extent(s->kv, GPUMEM_AXIS_KV_HEADS);
    dim[2] = e->tensor[context].dim[1];
    in[0] = s->k;
    in[1] = s->v;
    for (unsigned i = 0; i < 2; i++) {
        dim[3] = extent(i ? s->value_dim : s->dim, GPUMEM_AXIS_HEAD_DIM);
        gpumem_emit_tensor(e, names[i], GPUMEM_ROLE_CACHE, 0, GPUMEM_DTYPE_MODEL, 4, dim);
        hold(e, in[i], GPUMEM_LIVES_USE);
        out[i] = hold(e, gpumem_emit_same(e, names[i], in[i]), GPUMEM_LIVES_STEP);
    }
    op = gpumem_emit_op(e, GPUMEM_OP_CACHE, "context", "cache", 2, in, 2, out);
    if (op)
        op->attr[1] = (uint32_t)s->kv;
    s->k = out[0];
    s->v = out[1];
}

DESCRIBE(attention_describe)
{
    attention_spec s;
    gpumem_status status = read_spec(args, &s);
    int late = flag_of(args, ATTENTION_QK_NORM_LATE);
    gpumem_op *op;
    gpumem_dim width = is_null(args, ATTENTION_OUT) ? last_of(e, in[0]) : extent(size_of(args, ATTENTION_OUT), GPUMEM_AXIS_HIDDEN);
    uint32_t y;
    if (status != GPUMEM_OK)
        return status;
    if (flag_of(args, ATTENTION_Q_SCALED)) /* without a rotation as it comes (models/opt), else once it is rotated */
        s.scaled = in[1] == GPUMEM_NONE && !flag_of(args, ATTENTION_FUSED) && !flag_of(args, ATTENTION_Q_SCALED_BY_POSITION) ? SCALED_FIRST : SCALED_LATE;
    project(args, in[0], in[3], &s, e);
    if (s.gating == GATE_SIGMOID && s.gate == GPUMEM_NONE)
        s.gate = gate_of(args, in[0], &s, e);
    adapt(in + 5, &s, e);
    if (flag_of(args, ATTENTION_QKV_CLIPPED)) {
        s.q = clipped(e, s.q);
        s.k = clipped(e, s.k);
        s.v = clipped(e, s.v);
    }
    if (flag_of(args, ATTENTION_K_SCALED))
        s.k = scaled(e, "k_scaled", s.k);
    if (flag_of(args, ATTENTION_V_SCALED))
        s.v = scaled(e, "v_scaled", s.v);
    if (s.norm != NORM_NONE && !late && !s.at_once)
        norm_both(&s, e);
    if (flag_of(args, ATTENTION_KV_REPEATED))
        repeat(&s, e);
    if (is_word(s.layout, "picked"))
        heads_first_all(&s, e);
    if (in[1] != GPUMEM_NONE && in[2] != GPUMEM_NONE && !is_word(s.rotary, "none"))
        rotate(args, in + 1, &s, e);
    if (is_word(s.layout, "quarters"))
        heads_first_all(&s, e);
    else if (of_tokens(&s)) {
        s.q = heads_first(e, s.q);
        s.k = heads_first(e, s.k);
    }
    if (s.norm != NORM_NONE && late)
        norm_both(&s, e);
    if (is_word(s.rotary, "complex_tokens") && in[1] != GPUMEM_NONE) {
        s.q = heads_first(e, s.q);
        s.k = heads_first(e, s.k);
    }
    if (s.scaled == SCALED_LATE)
        s.q = scaled(e, "q_scaled", s.q);
    if (s.scaled == SCALED_LATE && flag_of(args, ATTENTION_Q_SCALED_BY_POSITION) && e->status == GPUMEM_OK)
        e->op[e->nop - 1].variant = gpumem_emit_string(e, flag_of(args, ATTENTION_Q_SCALED_BY_LOG) ? "log_positions" : in[1] == GPUMEM_NONE ? "token_positions" : "positions");
    if (flag_of(args, ATTENTION_CAUSAL) && in[3] == GPUMEM_NONE) {
        cache(e, "keys", in[0], s.kv, s.dim, size_or(args, ATTENTION_WINDOW, 0));
        cache(e, "values", in[0], s.kv, s.value_dim, size_or(args, ATTENTION_WINDOW, 0));
        op = append_cache(e, &s.k, &s.v, s.kv, flag_of(args, ATTENTION_WINDOW_CACHED) ? size_or(args, ATTENTION_WINDOW, 0) : 0);
        if (op)
            op->attr[2] = is_word(s.scores, "wide") || is_word(s.scores, "wide_scaled");
    }
    if (flag_of(args, ATTENTION_CONTEXT_CACHED) && in[3] != GPUMEM_NONE)
        keep_context(e, in[3], &s);
    out[1] = own_bias(args, in, &s, e);
    y = attend(args, in[0], out[1], &s, e);
    if (s.gating == GATE_SOFTPLUS)
        s.gate = gate_of(args, in[0], &s, e);
    if (s.gating == GATE_SIGMOID_LATE)
        s.gate = hold(e, gate_of(args, in[0], &s, e), GPUMEM_LIVES_USE);
    if (s.gating && flag_of(args, ATTENTION_GATE_HEAD_BIAS))
        s.gate = gate_biased(e, s.gate, &s);
    out[0] = finish(args, y, width, &s, e);
    out[2] = s.weights;
    return (gpumem_status)e->status;
}
