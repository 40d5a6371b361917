/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../emit.h"

enum { EMBED_VOCAB, EMBED_HIDDEN, EMBED_TABLE_WIDTH, EMBED_SCALED, EMBED_SCALE_INT, EMBED_MULTIPLIED, EMBED_HELD, EMBED_N };
enum { POSITION_POSITIONS, POSITION_OFFSET, POSITION_BUFFER, POSITION_FP32, POSITION_IDS, POSITION_ADDED, POSITION_LIVES, POSITION_N };
enum { COSSIN_ROPE, COSSIN_HEAD_DIM, COSSIN_KIND, COSSIN_FP32, COSSIN_HALVED, COSSIN_ROWS, COSSIN_COMPLEX, COSSIN_WEIGHT, COSSIN_PASSED, COSSIN_N };
enum { RMSNORM_STYLE, RMSNORM_AFFINE, RMSNORM_BIAS, RMSNORM_N };
enum { LAYERNORM_STYLE, LAYERNORM_AFFINE, LAYERNORM_BIAS, LAYERNORM_N };
enum { LINEAR_WIDTH, LINEAR_HAS_BIAS, LINEAR_N };
enum { WEIGHTS_ROWS, WEIGHTS_COLUMNS, WEIGHTS_BIAS, WEIGHTS_N };
enum { BUFFER_NAME, BUFFER_SHAPE, BUFFER_DTYPE, BUFFER_N };
enum {
    ATTENTION_HEADS, ATTENTION_KV_HEADS, ATTENTION_HEAD_DIM, ATTENTION_VALUE_DIM, ATTENTION_ROPE, ATTENTION_ROTARY,
    ATTENTION_FUSED, ATTENTION_LAYOUT, ATTENTION_FUSED_WIDTH, ATTENTION_CONV1D, ATTENTION_KV_REPEATED, ATTENTION_Q_SCALED, ATTENTION_K_SCALED, ATTENTION_V_SCALED, ATTENTION_QKV_BIAS, ATTENTION_K_BIAS, ATTENTION_O_BIAS, ATTENTION_QK_NORM,
    ATTENTION_QK_NORM_DIM, ATTENTION_Q_NORM_WIDTH, ATTENTION_QK_NORM_LATE, ATTENTION_QK_NORM_AFFINE, ATTENTION_NORM_STYLE, ATTENTION_WINDOW, ATTENTION_SOFTCAP, ATTENTION_SINKS, ATTENTION_CAUSAL,
    ATTENTION_DROPOUT, ATTENTION_GATE, ATTENTION_GATE_BY_HEAD, ATTENTION_GATE_IN_Q, ATTENTION_GATE_BIAS, ATTENTION_O_NORM, ATTENTION_O_INPUT, ATTENTION_OUT, ATTENTION_SCORES, ATTENTION_BIAS_BUCKETS, ATTENTION_BIAS_ZEROS, ATTENTION_N
};
enum { MLP_INTERMEDIATE, MLP_ACT, MLP_GATED, MLP_FUSED, MLP_CONV1D, MLP_BIAS, MLP_DROPOUT, MLP_GATE_SCALED, MLP_DOWN_NORM, MLP_N };
enum { HEAD_VOCAB, HEAD_BIAS, HEAD_N };
enum { LOSS_STYLE, LOSS_N };
enum { OFFSET_NAME, OFFSET_WIDTH, OFFSET_N };
enum { IDLE_HIDDEN, IDLE_HEADS, IDLE_HEAD_DIM, IDLE_CONTEXT, IDLE_QKV_BIAS, IDLE_K_BIAS, IDLE_O_BIAS, IDLE_N };
enum { RELBIAS_HEADS, RELBIAS_BUCKETS, RELBIAS_N };
enum { POOLER_WIDTH, POOLER_ACT, POOLER_N };
enum { ACTIVATE_ACT, ACTIVATE_N };

extern const gpumem_paramdef embed_params[EMBED_N], position_params[POSITION_N], cossin_params[COSSIN_N],
    rmsnorm_params[RMSNORM_N], layernorm_params[LAYERNORM_N], linear_params[LINEAR_N], weights_params[WEIGHTS_N], buffer_params[BUFFER_N], attention_params[ATTENTION_N],
    mlp_params[MLP_N], head_params[HEAD_N], loss_params[LOSS_N], offset_params[OFFSET_N], idle_params[IDLE_N], relbias_params[RELBIAS_N], pooler_params[POOLER_N], activate_params[ACTIVATE_N];

DESCRIBE(embed_describe);
DESCRIBE(position_describe);
DESCRIBE(positions_describe);
DESCRIBE(cossin_describe);
DESCRIBE(rmsnorm_describe);
DESCRIBE(layernorm_describe);
DESCRIBE(linear_describe);
DESCRIBE(weights_describe);
DESCRIBE(buffer_describe);
DESCRIBE(attention_describe);
DESCRIBE(mlp_describe);
DESCRIBE(head_describe);
DESCRIBE(loss_describe);
DESCRIBE(offset_describe);
DESCRIBE(idle_describe);
DESCRIBE(relbias_describe);
DESCRIBE(pooler_describe);
DESCRIBE(activate_describe);
DESCRIBE(shift_describe);
DESCRIBE(concat_describe);

/* Operators that make a bias by the distance of two tokens, [1, heads, tokens, tokens]. */
uint32_t distance_bias(gpumem_emit *e, const char *module, uint32_t x, uint64_t heads, uint64_t buckets, int causal);

/* torch.arange over the tokens of x, [1, tokens]: alive until the decoder returns. */
uint32_t count_tokens(gpumem_emit *e, uint32_t x);

#endif
