/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../emit.h"

#define SIZE(key, otherwise, help) {key, GPUMEM_TYPE_INT, 0, otherwise, 1, GPUMEM_SIZE_MAX, help}
#define SIZE_OR_NULL(key, help) {key, GPUMEM_TYPE_INT, 1, "null", 1, GPUMEM_SIZE_MAX, help}
#define FLAG(key, otherwise, help) {key, GPUMEM_TYPE_BOOL, 0, otherwise, 0, 0, help}
#define WORD(key, otherwise, help) {key, GPUMEM_TYPE_STRING, 0, otherwise, 0, 0, help}
#define REAL_OR_NULL(key, help) {key, GPUMEM_TYPE_REAL, 1, "null", 0, 0, help}
#define HELD(otherwise) WORD("held", otherwise, HELD_HELP)

#define DESCRIBE(name) \
    gpumem_status name(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)

enum { EMBED_VOCAB, EMBED_HIDDEN, EMBED_SCALED, EMBED_HELD, EMBED_N };
enum { POSITION_POSITIONS, POSITION_OFFSET, POSITION_N };
enum { COSSIN_ROPE, COSSIN_HEAD_DIM, COSSIN_KIND, COSSIN_FP32, COSSIN_N };
enum { RMSNORM_STYLE, RMSNORM_AFFINE, RMSNORM_HELD, RMSNORM_N };
enum { LAYERNORM_STYLE, LAYERNORM_AFFINE, LAYERNORM_BIAS, LAYERNORM_HELD, LAYERNORM_N };
enum { LINEAR_WIDTH, LINEAR_HAS_BIAS, LINEAR_HELD, LINEAR_N };
enum {
    ATTENTION_HEADS, ATTENTION_KV_HEADS, ATTENTION_HEAD_DIM, ATTENTION_VALUE_DIM, ATTENTION_ROPE, ATTENTION_ROTARY,
    ATTENTION_FUSED, ATTENTION_CONV1D, ATTENTION_REPEAT_KV, ATTENTION_QKV_BIAS, ATTENTION_O_BIAS, ATTENTION_QK_NORM,
    ATTENTION_QK_NORM_DIM, ATTENTION_NORM_STYLE, ATTENTION_WINDOW, ATTENTION_SOFTCAP, ATTENTION_SINKS, ATTENTION_CAUSAL,
    ATTENTION_DROPOUT, ATTENTION_HELD, ATTENTION_N
};
enum { MLP_INTERMEDIATE, MLP_ACT, MLP_GATED, MLP_FUSED, MLP_CONV1D, MLP_BIAS, MLP_DROPOUT, MLP_HELD, MLP_N };
enum { HEAD_VOCAB, HEAD_BIAS, HEAD_HELD, HEAD_N };
enum { LOSS_STYLE, LOSS_N };

extern const gpumem_paramdef embed_params[EMBED_N], position_params[POSITION_N], cossin_params[COSSIN_N],
    rmsnorm_params[RMSNORM_N], layernorm_params[LAYERNORM_N], linear_params[LINEAR_N], attention_params[ATTENTION_N],
    mlp_params[MLP_N], head_params[HEAD_N], loss_params[LOSS_N];

DESCRIBE(embed_describe);
DESCRIBE(position_describe);
DESCRIBE(cossin_describe);
DESCRIBE(rmsnorm_describe);
DESCRIBE(layernorm_describe);
DESCRIBE(linear_describe);
DESCRIBE(attention_describe);
DESCRIBE(mlp_describe);
DESCRIBE(head_describe);
DESCRIBE(loss_describe);

#endif
