/* transformer: the parts of decoders and encoders, as transformers 5.23 builds and runs them. */
#include "components.h"

#define PORTS(name, help, ins, nin, outs, nout) \
    {#name, help, name##_params, COUNT(name##_params), nin, nout, ins, outs, name##_describe}
#define COMPONENT(name, help, ins, outs) PORTS(name, help, ins, COUNT(ins), outs, COUNT(outs))

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"}, *const y_maybe[] = {"y?"}, *const ids_in[] = {"ids"};
static const char *const embed_out[] = {"x", "table?"}, *const cossin_in[] = {"x", "positions?"};
static const char *const cossin_out[] = {"cos", "sin", "positions?"}, *const attention_in[] = {"x", "cos?", "sin?", "context?", "bias?", "q_more?", "k_more?", "v_more?"}, *const mlp_in[] = {"x", "more?"}, *const attention_out[] = {"y", "bias?", "weights?"};
static const char *const bias_out[] = {"bias"}, *const slopes_out[] = {"slopes?"}, *const embed_in[] = {"ids", "table?"}, *const ids_out[] = {"ids"};
static const char *const head_in[] = {"x", "table?"}, *const logits_in[] = {"logits"}, *const logits_out[] = {"logits"}, *const both_in[] = {"a", "b"};
static const char *const loss_in[] = {"logits", "labels"}, *const loss_out[] = {"loss?"};

static const char *const layernorm_in[] = {"x", "weight?", "bias?"}, *const layernorm_out[] = {"y", "weight?", "bias?"}, *const parts_in[] = {"a", "b?", "c?"}, *const given_in[] = {"a", "b?"};

static const gpumem_component components[] = {
    COMPONENT(embed, "token embedding; `table` is its weight, for tied heads; or one that there is already", embed_in, embed_out),
    COMPONENT(position, "learned positions, added to x; `table` is their weight", x_in, embed_out),
    {"positions", "numbers of the tokens, [1, tokens]: position_ids", NULL, 0, 1, 1, x_in, ids_out, positions_describe},
    COMPONENT(prompted, "ids with those of a prompt before them", ids_in, ids_out),
    {"zeros", "ids of zeros for all tokens of x", NULL, 0, 1, 1, x_in, ids_out, zeros_describe},
    {"clone", "a copy of x", NULL, 0, 1, 1, x_in, y_out, clone_describe},
    PORTS(slopes, "slopes of a bias by position, a number for each head", x_in, 1, slopes_out, 1),
    COMPONENT(cossin, "cosines and sines of rotary positions, [1, tokens, rope]", cossin_in, cossin_out),
    COMPONENT(rmsnorm, "root mean square norm over the last dimension", x_in, y_out),
    COMPONENT(layernorm, "layer norm over the last dimension; with the parameters of another one, if they are given", layernorm_in, layernorm_out),
    COMPONENT(linear, "one matrix", x_in, y_out),
    PORTS(weights, "parameters that no operator uses", NULL, 0, NULL, 0),
    PORTS(buffer, "a tensor that does not train", NULL, 0, y_maybe, 1),
    COMPONENT(attention, "attention with as many key heads as heads, fewer, or one", attention_in, attention_out),
    COMPONENT(mlp, "feed forward network, gated or not; `more` is added to gate and up", mlp_in, y_out),
    COMPONENT(head, "output matrix, or the embedding's `table`", head_in, logits_out),
    PORTS(idle, "parameters of an attention that does not run: over an encoder that is not there", NULL, 0, NULL, 0),
    COMPONENT(relbias, "a bias of the scores by the distance of two tokens, learned", x_in, bias_out),
    COMPONENT(pooler, "a matrix and an activation function over the first token", x_in, y_out),
    COMPONENT(activate, "an activation function", x_in, y_out),
    COMPONENT(finite, "numbers of 16-bit floating point kept below infinity; others as they are", x_in, y_out),
    {"concat", "its inputs side by side", NULL, 0, 3, 1, parts_in, y_out, concat_describe},
    {"shift", "ids moved by one: what a decoder sees of its labels", NULL, 0, 1, 1, ids_in, ids_out, shift_describe},
    COMPONENT(offset, "a buffer that is added", x_in, y_out),
    COMPONENT(layer_gain, "a buffer of one number that multiplies x in place", x_in, y_out),
    COMPONENT(loss, "cross entropy of the logits", loss_in, loss_out),
    {"softcap_fp32", "a cap of the logits, in fp32", NULL, 0, 1, 1, logits_in, logits_out, softcap_fp32_describe},
    {"both_scaled", "a sum of both, each of them scaled", NULL, 0, 2, 1, both_in, y_out, both_scaled_describe},
    {"given", "what a layer is called with and does not read: a checkpoint holds it", NULL, 0, 2, 0, given_in, NULL, given_describe},
    {"causal_mask", "the mask of a model whose layers may all do without it", NULL, 0, 1, 0, x_in, NULL, causal_mask_describe},
    {"release", "a variable of the block's code that is bound again only here", NULL, 0, 1, 0, x_in, NULL, release_describe},
};

static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "transformer", "0.1.0", {&operations},
};
