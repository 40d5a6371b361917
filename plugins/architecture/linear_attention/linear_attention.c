/* linear_attention: mixers with a state for each head instead of keys and values, as transformers 5.23 runs them without kernels. */
#include "components.h"

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"};
#define COMPONENT(name, help, params, describe) {name, help, params, COUNT(params), 1, 1, x_in, y_out, describe}

static const gpumem_component components[] = {
    COMPONENT("gated_delta", "gated delta rule behind a short convolution", delta_params, delta_describe),
    COMPONENT("kda", "delta rule with a decay for each channel", kda_params, kda_describe),
    COMPONENT("lightning", "attention without a softmax, with fixed decays", lightning_params, lightning_describe),
    COMPONENT("mlstm", "a matrix for each head, with gates of input and forgetting", mlstm_params, mlstm_describe),
    COMPONENT("rwkv_attention", "weighted means of what came before, by channel", rwkv_attention_params, rwkv_attention_describe),
    COMPONENT("rwkv_feed_forward", "feed forward network of a token and the one before it", rwkv_feed_forward_params, rwkv_feed_forward_describe),
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "linear_attention", "0.1.0", {&operations},
};
