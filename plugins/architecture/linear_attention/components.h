/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../sequence.h"

enum { DELTA_K_HEADS, DELTA_V_HEADS, DELTA_K_DIM, DELTA_V_DIM, DELTA_KERNEL, DELTA_ACT, DELTA_PROJECTION, DELTA_N };
enum { KDA_HEADS, KDA_DIM, KDA_KERNEL, KDA_ACT, KDA_DECAY_RANK, KDA_GATE_RANK, KDA_SPREAD, KDA_RATES, KDA_N };
enum { LIGHTNING_HEADS, LIGHTNING_DIM, LIGHTNING_BLOCK, LIGHTNING_ACT, LIGHTNING_N };
enum { MLSTM_HEADS, MLSTM_QK_DIM, MLSTM_V_DIM, MLSTM_CHUNK, MLSTM_BIAS, MLSTM_JOINED, MLSTM_N };
enum { RWKV_INNER, RWKV_N };
enum { RWKV_FF_INNER, RWKV_FF_N };

extern const gpumem_paramdef delta_params[DELTA_N], kda_params[KDA_N], lightning_params[LIGHTNING_N], mlstm_params[MLSTM_N], rwkv_attention_params[RWKV_N],
    rwkv_feed_forward_params[RWKV_FF_N];

DESCRIBE(delta_describe);
DESCRIBE(kda_describe);
DESCRIBE(lightning_describe);
DESCRIBE(mlstm_describe);
DESCRIBE(rwkv_attention_describe);
DESCRIBE(rwkv_feed_forward_describe);

#endif
