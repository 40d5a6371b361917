/* Gemma4TextAttention and Gemma3nTextAttention: later layers use the keys and values of earlier ones; DiffLlamaAttention; DogeAttention. */
#include "components.h"

const gpumem_paramdef shared_keys_params[SHARED_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a head"),
    FLAG("qkv_bias", "false", "q, k and v have biases"),
    FLAG("o_bias", "false", "the output matrix has a bias"),
    WORD("norm_style", "'llama'", "of the norms of q and k: " RMS_STYLE_NAMES),
    FLAG("value_is_key", "false", "there is no v_proj: values are the keys before their norm"),
    FLAG("value_first", "false", "values are projected before keys are normed (models/gemma4)"),
    SIZE_OR_NULL("window", "tokens that a token sees; null: all before it"),
    FLAG("causal", "true", "do tokens see only those before them"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

DESCRIBE(shared_keys_describe)
{
    const char *style = rms_style_of(args, SHARED_NORM_STYLE);
    unsigned bias = flag_of(args, SHARED_QKV_BIAS) ? LINEAR_BIAS : 0;
    uint32_t q, k = in[3], v = in[4];
    attend_spec s;
    s.heads = size_of(args, SHARED_HEADS);
    s.kv = size_of(args, SHARED_KV_HEADS);
    s.dim = size_of(args, SHARED_HEAD_DIM);
    s.window = size_or(args, SHARED_WINDOW, 0);
    s.causal = flag_of(args, SHARED_CAUSAL);
    s.dropout = probability_of(args, SHARED_DROPOUT);
    if (style == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, "norm_style is none of " RMS_STYLE_NAMES);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    q = matrix(e, "q_proj", in[0], s.heads * s.dim, GPUMEM_AXIS_HEADS, bias);
    q = norm_heads(e, "q_norm", q, s.heads, s.dim, style);
    rotate(e, in + 1, "alone", s.dim, s.dim, &q, NULL);
    if (k == GPUMEM_NONE || v == GPUMEM_NONE) {
        k = matrix(e, "k_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias);
        if (flag_of(args, SHARED_VALUE_FIRST))
            v = flag_of(args, SHARED_VALUE_IS_KEY) ? k : matrix(e, "v_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias);
        k = norm_heads(e, "k_norm", k, s.kv, s.dim, style);
        rotate(e, in + 1, "alone", s.dim, s.dim, &k, NULL);
        if (!flag_of(args, SHARED_VALUE_FIRST))
            v = matrix(e, "v_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias);
        v = norm_heads(e, NULL, v, s.kv, s.dim, style);
        if (s.causal) {
            cache(e, "keys", in[0], s.kv, s.dim, s.window);
            cache(e, "values", in[0], s.kv, s.dim, s.window);
            append_cache(e, &k, &v, s.kv, s.window);
        }
    }
    out[1] = k;
    out[2] = v;
    out[0] = linear(e, "o_proj", GPUMEM_FAMILY_MATRIX, attend(e, &s, q, k, v, GPUMEM_NONE, GPUMEM_NONE, in[0]), GPUMEM_NONE, last_of(e, in[0]),
                    flag_of(args, SHARED_O_BIAS) ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}

/* ---- differential ---- */

const gpumem_paramdef differential_params[DIFFERENTIAL_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a head"),
    FLAG("qkv_bias", "false", "q, k and v have biases"),
    FLAG("o_bias", "false", "the output matrix has a bias"),
};

/* What lambda is made of, as one vector. */
static uint32_t lambda(gpumem_emit *e, const char *q, const char *k, gpumem_dim width)
{
    uint32_t a = vector(e, "", q, GPUMEM_FAMILY_OTHER, width), b = vector(e, "", k, GPUMEM_FAMILY_OTHER, width);
    return step(e, binary(e, GPUMEM_OP_MUL, "lambda", a, b));
}

DESCRIBE(differential_describe)
{
    static const char *const names[] = {"first", "second"};
    unsigned bias = flag_of(args, DIFFERENTIAL_QKV_BIAS) ? LINEAR_BIAS : 0;
    uint32_t q, k, v, half[2], both, y, weight[2];
    gpumem_dim size[2];
    attend_spec s;
    s.heads = size_of(args, DIFFERENTIAL_HEADS);
    s.kv = size_of(args, DIFFERENTIAL_KV_HEADS);
    s.dim = size_of(args, DIFFERENTIAL_HEAD_DIM);
    s.window = 0;
    s.dropout = 0;
    s.causal = 1;
    if (s.kv % 2 || s.heads % 2)
        return gpumem_because(args, GPUMEM_EINVAL, "heads and kv_heads must be even");
    q = matrix(e, "q_proj", in[0], s.heads * s.dim, GPUMEM_AXIS_HEADS, bias);
    k = matrix(e, "k_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias);
    v = matrix(e, "v_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias);
    rotate(e, in + 1, "half", s.dim, s.dim, &q, &k);
    cache(e, "keys", in[0], s.kv, s.dim, 0);
    cache(e, "values", in[0], s.kv, s.dim, 0);
    size[0] = size[1] = extent(s.kv / 2 * s.dim, GPUMEM_AXIS_KV_HEADS);
    split(e, "values", step(e, v), 2, names, size, half);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t twice = gpumem_emit_same(e, "values", v);
        operate(e, GPUMEM_OP_REPEAT, 0, "values", half[i], GPUMEM_NONE, twice);
        half[i] = step(e, attend(e, &s, q, k, twice, GPUMEM_NONE, GPUMEM_NONE, in[0]));
    }
    both = step(e, gpumem_emit_like(e, "both", in[0], extent(2 * s.heads * s.dim, GPUMEM_AXIS_HEADS)));
    gpumem_emit_op(e, GPUMEM_OP_CONCAT, 0, "both", 2, half, 1, &both);
    size[0] = size[1] = extent(s.heads * s.dim, GPUMEM_AXIS_HEADS);
    split(e, "both", both, 2, names, size, half);
    weight[0] = lambda(e, "lambda_q1", "lambda_k1", extent(s.dim, GPUMEM_AXIS_HEAD_DIM));
    weight[1] = lambda(e, "lambda_q2", "lambda_k2", extent(s.dim, GPUMEM_AXIS_HEAD_DIM));
    y = binary(e, GPUMEM_OP_MUL, "weighted", half[1], binary(e, GPUMEM_OP_ADD, "lambda", weight[0], weight[1]));
    y = norm_heads(e, NULL, binary(e, GPUMEM_OP_ADD, "difference", half[0], y), s.heads / 2, 2 * s.dim, "plain");
    both = gpumem_emit_same(e, "scaled", y);
    operate(e, GPUMEM_OP_SCALE, 0, "scaled", y, GPUMEM_NONE, both);
    out[0] = linear(e, "o_proj", GPUMEM_FAMILY_MATRIX, both, GPUMEM_NONE, last_of(e, in[0]), flag_of(args, DIFFERENTIAL_O_BIAS) ? LINEAR_BIAS : 0);
    return (gpumem_status)e->status;
}

/* ---- dynamic ---- */

const gpumem_paramdef dynamic_params[DYNAMIC_N] = {
    SIZE("heads", NULL, "query heads"),
    SIZE("kv_heads", NULL, "key and value heads"),
    SIZE("head_dim", NULL, "width of a head"),
    FLAG("attention_bias", "false", "its matrices have biases"),
    REAL_OR_NULL("attention_dropout", "dropout of the weights"),
};

/* A number for each key head and token, exp(A * softplus(dt(v))), for every query. */
static uint32_t mask(gpumem_emit *e, uint32_t v, const attend_spec *s, unsigned bias)
{
    uint32_t a = vector(e, "", "A", GPUMEM_FAMILY_OTHER, extent(s->kv, GPUMEM_AXIS_KV_HEADS)), y, all;
    gpumem_dim dim[4];
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    if (e->tensor[v].ndim < 3)
        return gpumem_emit_fail(e, GPUMEM_EINVAL);
    y = activate(e, matrix(e, "dt_proj", v, s->kv, GPUMEM_AXIS_KV_HEADS, bias), "softplus");
    y = activate(e, binary(e, GPUMEM_OP_MUL, "decay", y, a), "exp");
    if (e->status != GPUMEM_OK)
        return GPUMEM_NONE;
    dim[0] = e->tensor[v].dim[0];
    dim[1] = extent(s->heads, GPUMEM_AXIS_HEADS);
    dim[2] = dim[3] = e->tensor[v].dim[1];
    all = step(e, gpumem_emit_tensor(e, "mask", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 4, dim));
    operate(e, GPUMEM_OP_REPEAT, 0, "mask", y, GPUMEM_NONE, all);
    return all;
}

DESCRIBE(dynamic_describe)
{
    unsigned bias = flag_of(args, DYNAMIC_BIAS) ? LINEAR_BIAS : 0;
    uint32_t q, k, v, bias_of;
    attend_spec s;
    s.heads = size_of(args, DYNAMIC_HEADS);
    s.kv = size_of(args, DYNAMIC_KV_HEADS);
    s.dim = size_of(args, DYNAMIC_HEAD_DIM);
    s.window = 0;
    s.causal = 1;
    s.dropout = probability_of(args, DYNAMIC_DROPOUT);
    if (s.dropout == GPUMEM_NONE)
        return gpumem_because(args, GPUMEM_EINVAL, "attention_dropout is no probability");
    q = norm_heads(e, "q_norm", matrix(e, "q_proj", in[0], s.heads * s.dim, GPUMEM_AXIS_HEADS, bias), s.heads, s.dim, "llama");
    k = norm_heads(e, "k_norm", matrix(e, "k_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias), s.kv, s.dim, "llama");
    v = step(e, matrix(e, "v_proj", in[0], s.kv * s.dim, GPUMEM_AXIS_KV_HEADS, bias));
    rotate(e, in + 1, "half", s.dim, s.dim, &q, &k);
    cache(e, "keys", in[0], s.kv, s.dim, 0);
    cache(e, "values", in[0], s.kv, s.dim, 0);
    bias_of = mask(e, v, &s, bias);
    out[0] = linear(e, "o_proj", GPUMEM_FAMILY_MATRIX, attend(e, &s, q, k, v, bias_of, GPUMEM_NONE, in[0]), GPUMEM_NONE, last_of(e, in[0]), bias);
    return (gpumem_status)e->status;
}
