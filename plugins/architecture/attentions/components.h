/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../sequence.h"

enum { SHARED_HEADS, SHARED_KV_HEADS, SHARED_HEAD_DIM, SHARED_QKV_BIAS, SHARED_O_BIAS, SHARED_NORM_STYLE, SHARED_VALUE_IS_KEY, SHARED_VALUE_FIRST, SHARED_WINDOW, SHARED_CAUSAL, SHARED_DROPOUT, SHARED_N };
enum { DIFFERENTIAL_HEADS, DIFFERENTIAL_KV_HEADS, DIFFERENTIAL_HEAD_DIM, DIFFERENTIAL_QKV_BIAS, DIFFERENTIAL_O_BIAS, DIFFERENTIAL_N };
enum { DYNAMIC_HEADS, DYNAMIC_KV_HEADS, DYNAMIC_HEAD_DIM, DYNAMIC_BIAS, DYNAMIC_DROPOUT, DYNAMIC_N };
enum { MIXTURE_KV_HEADS, MIXTURE_HEAD_DIM, MIXTURE_EXPERTS, MIXTURE_TOP, MIXTURE_DROPOUT, MIXTURE_N };
enum { INDEXER_STYLE, INDEXER_HEADS, INDEXER_DIM, INDEXER_RANK, INDEXER_HIDDEN, INDEXER_N };
enum { COMPRESSED_HEADS, COMPRESSED_HEAD_DIM, COMPRESSED_RANK, COMPRESSED_GROUPS, COMPRESSED_O_RANK, COMPRESSED_ROPE, COMPRESSED_WINDOW, COMPRESSED_RATE, COMPRESSED_OVERLAPS,
       COMPRESSED_INDEX_HEADS, COMPRESSED_INDEX_DIM, COMPRESSED_DROPOUT, COMPRESSED_N };

extern const gpumem_paramdef shared_keys_params[SHARED_N], differential_params[DIFFERENTIAL_N], dynamic_params[DYNAMIC_N], mixture_params[MIXTURE_N],
    indexer_params[INDEXER_N], compressed_params[COMPRESSED_N];

DESCRIBE(shared_keys_describe);
DESCRIBE(differential_describe);
DESCRIBE(dynamic_describe);
DESCRIBE(mixture_describe);
DESCRIBE(indexer_describe);
DESCRIBE(compressed_describe);

typedef struct attend_spec {
    uint64_t heads, kv, dim, window;
    uint32_t dropout;
    int causal;
} attend_spec;

/* Attention of q, k, v [, what is added to the scores] [, sinks], and its result in the order of tokens. */
uint32_t attend(gpumem_emit *e, const attend_spec *s, uint32_t q, uint32_t k, uint32_t v, uint32_t mask, uint32_t sinks, uint32_t like);
/* q and, unless it is GPUMEM_NONE, k rotated in their places by table[0] and table[1]. */
void rotate(gpumem_emit *e, const uint32_t *table, const char *variant, uint64_t width, uint64_t head, uint32_t *q, uint32_t *k);
/* An RMS norm of each head; name NULL: without a weight. */
uint32_t norm_heads(gpumem_emit *e, const char *name, uint32_t x, uint64_t heads, uint64_t width, const char *style);

#endif
