/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../emit.h"

enum { ADAPTERS_NAMES, ADAPTERS_WIDTH, ADAPTERS_ACT, ADAPTERS_N };
enum { RELATIVE_HEADS, RELATIVE_HEAD_DIM, RELATIVE_DROPOUT, RELATIVE_N };
enum { AXIAL_SHAPE, AXIAL_WIDTHS, AXIAL_N };
enum { HASHED_HEADS, HASHED_HEAD_DIM, HASHED_DROPOUT, HASHED_N };
enum { NGRAM_HEADS, NGRAM_HEAD_DIM, NGRAM_BUCKETS, NGRAM_STREAMS, NGRAM_DROPOUT, NGRAM_N };
enum { STREAMS_COUNT, STREAMS_POSITIONS, STREAMS_N };
enum { PREDICTED_COUNT, PREDICTED_N };
enum { DISTANCES_HEADS, DISTANCES_HEAD_DIM, DISTANCES_DROPOUT, DISTANCES_N };
enum { CHAIN_LENGTH, CHAIN_INTERMEDIATE, CHAIN_ACT, CHAIN_N };
enum { INTEGERS_KIND, INTEGERS_ROWS, INTEGERS_COLUMNS, INTEGERS_N };
enum { FRAMES_COUNT, FRAMES_WIDTH, FRAMES_N };
enum { TABLE_ROWS, TABLE_WIDTH, TABLE_N };
enum { SLICE_WIDTH, SLICE_N };
enum { ATTEND_HEADS, ATTEND_HEAD_DIM, ATTEND_DROPOUT, ATTEND_CAUSAL, ATTEND_N };
enum { CONV1D_WIDTH, CONV1D_KERNEL, CONV1D_GROUPS, CONV1D_BIAS, CONV1D_N };
enum { GROUPED_WIDTH, GROUPED_GROUPS, GROUPED_N };
enum { DISENTANGLED_HEADS, DISENTANGLED_HEAD_DIM, DISENTANGLED_FUSED, DISENTANGLED_KEYS, DISENTANGLED_QUERIES, DISENTANGLED_SHARED, DISENTANGLED_TALKING, DISENTANGLED_DROPOUT, DISENTANGLED_N };
enum { EXPERTS_COUNT, EXPERTS_WIDTH, EXPERTS_ACT, EXPERTS_UP, EXPERTS_DOWN, EXPERTS_BIAS, EXPERTS_ROUTER_BIAS, EXPERTS_TOP, EXPERTS_N };

enum { SINUSOIDS_ONES, SINUSOIDS_N };
enum { BLOCKS_SIZE, BLOCKS_GLOBAL, BLOCKS_N };
enum { GLOBAL_LOCAL_HEADS, GLOBAL_LOCAL_BLOCK, GLOBAL_LOCAL_STAGGERED, GLOBAL_LOCAL_DROPOUT, GLOBAL_LOCAL_RESULT_DROPOUT, GLOBAL_LOCAL_N };
enum { FEED_BOTH_INTERMEDIATE, FEED_BOTH_ACT, FEED_BOTH_DROPOUT, FEED_BOTH_RESULT_DROPOUT, FEED_BOTH_N };

extern const gpumem_paramdef adapters_params[ADAPTERS_N], relative_params[RELATIVE_N], axial_params[AXIAL_N], hashed_params[HASHED_N],
    ngram_params[NGRAM_N], streams_params[STREAMS_N], predicted_params[PREDICTED_N],
    attend_params[ATTEND_N], conv1d_params[CONV1D_N], grouped_params[GROUPED_N], disentangled_params[DISENTANGLED_N], experts_params[EXPERTS_N],
    distances_params[DISTANCES_N], table_params[TABLE_N], slice_params[SLICE_N], integers_params[INTEGERS_N], chain_params[CHAIN_N], frames_params[FRAMES_N],
    sinusoids_params[SINUSOIDS_N], blocks_params[BLOCKS_N], global_local_params[GLOBAL_LOCAL_N], feed_both_params[FEED_BOTH_N];

DESCRIBE(adapters_describe);
DESCRIBE(relative_describe);
DESCRIBE(axial_describe);
DESCRIBE(hashed_describe);
DESCRIBE(ngram_describe);
DESCRIBE(streams_describe);
DESCRIBE(predicted_describe);
DESCRIBE(attend_describe);
DESCRIBE(conv1d_describe);
DESCRIBE(grouped_describe);
DESCRIBE(disentangled_describe);
DESCRIBE(experts_describe);
DESCRIBE(distances_describe);
DESCRIBE(table_describe);
DESCRIBE(slice_describe);
DESCRIBE(integers_describe);
DESCRIBE(chain_describe);
DESCRIBE(frames_describe);
DESCRIBE(sinusoids_describe);
DESCRIBE(blocks_describe);
DESCRIBE(unblocked_describe);
DESCRIBE(global_local_describe);
DESCRIBE(feed_both_describe);

typedef struct attend_spec { uint64_t heads, dim, value; uint32_t dropout; int causal; } attend_spec;

/* Attention of what was projected already; the result is copied so that all heads are one width again. */
uint32_t attend_to(gpumem_emit *e, uint32_t q, uint32_t k, uint32_t v, uint32_t bias, const attend_spec *s);
uint32_t matrix(gpumem_emit *e, const char *module, uint32_t x, uint64_t width, unsigned flags);

#endif
