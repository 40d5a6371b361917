/* encoder: what encoders have that a plain transformer has not, as transformers 5.23 builds and runs it. */
#include "components.h"

#define COMPONENT(name, help, ins, outs) \
    {#name, help, name##_params, COUNT(name##_params), COUNT(ins), COUNT(outs), ins, outs, name##_describe}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"}, *const x_out[] = {"x"};
static const char *const qkv_in[] = {"q", "k", "v", "bias?"}, *const ids_in[] = {"ids"}, *const related_in[] = {"x", "relative?"};

static const char *const blocks_out[] = {"x", "mask", "global"}, *const blocks_in[] = {"x", "global", "mask"}, *const both[] = {"x", "global"}, *const like_in[] = {"x", "ids"};

static const char *const streams_in[] = {"x", "table"}, *const streams_out[] = {"x", "mask", "predict_mask", "buckets?", "predict_buckets?"}, *const ngram_in[] = {"x", "mask", "predict_mask"};

static const gpumem_component components[] = {
    COMPONENT(adapters, "one of several narrow networks: one for each name; tokens go through that of their own", x_in, y_out),
    COMPONENT(relative, "attention with scores of distances beside those of tokens, as Transformer-XL has it", x_in, y_out),
    COMPONENT(axial, "learned positions that are put together of tables by axis, added to x", x_in, x_out),
    COMPONENT(hashed, "attention among tokens of one hash; queries and keys are the same", x_in, y_out),
    COMPONENT(ngram, "attention of several streams with learned scores of distances", ngram_in, y_out),
    COMPONENT(distances, "the same with matrices for queries, keys and values (Funnel Transformer)", x_in, y_out),
    COMPONENT(table, "a learned table as it is", x_in, y_out),
    COMPONENT(slice, "the first part of the last dimension", x_in, x_out),
    COMPONENT(attend, "attention of queries, keys and values that were made by other steps", qkv_in, y_out),
    COMPONENT(conv1d, "convolution over the tokens, also in groups of channels", x_in, y_out),
    COMPONENT(grouped, "one matrix for each group of channels", x_in, y_out),
    COMPONENT(disentangled, "attention with scores between tokens and distances, both ways", related_in, y_out),
    COMPONENT(experts, "mixture of experts that are modules of their own, each with a limited number of tokens", x_in, y_out),
    COMPONENT(chain, "feed forward networks one after the other, each with its residual and norm", x_in, y_out),
    COMPONENT(frames, "so many frames of a spectrum for each sequence of ids, as input features", ids_in, x_out),
    COMPONENT(sinusoids, "positions as sines and cosines, made each time, added to x", x_in, x_out),
    COMPONENT(blocks, "x in whole blocks of tokens, its mask, and tokens that all see", x_in, blocks_out),
    {"unblocked", "the tokens that there were before", NULL, 0, 2, 1, like_in, x_out, unblocked_describe},
    COMPONENT(global_local, "norm, attention within blocks and with the global tokens, residual", blocks_in, both),
    COMPONENT(feed_both, "norm, feed forward network and residual, the same for both", both, both),
    {"integers", "what arithmetic in integers keeps beside a module's parameters", integers_params, COUNT(integers_params), 0, 0, NULL, NULL, integers_describe},
    COMPONENT(streams, "x, and beside it a stream for each further token that is predicted; masks, and kinds of distances", streams_in, streams_out),
    COMPONENT(predicted, "the streams that predict", x_in, x_out),
};

static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "encoder", "0.1.0", {&operations},
};
