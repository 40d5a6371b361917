/* transformer: the parts of decoders and encoders, as transformers 5.23 builds and runs them. */
#include "components.h"

#define PORTS(name, help, ins, nin, outs, nout) \
    {#name, help, name##_params, COUNT(name##_params), nin, nout, ins, outs, name##_describe}
#define COMPONENT(name, help, ins, outs) PORTS(name, help, ins, COUNT(ins), outs, COUNT(outs))

static const char *const x_in[] = {"x"}, *const x_out[] = {"x"}, *const y_out[] = {"y"}, *const ids_in[] = {"ids"};
static const char *const embed_out[] = {"x", "table?"}, *const cossin_in[] = {"x", "positions?"};
static const char *const cossin_out[] = {"cos", "sin", "positions?"}, *const attention_in[] = {"x", "cos?", "sin?"};
static const char *const head_in[] = {"x", "table?"}, *const logits_out[] = {"logits"};
static const char *const loss_in[] = {"logits", "labels"}, *const loss_out[] = {"loss?"};

static const gpumem_component components[] = {
    COMPONENT(embed, "token embedding; `table` is its weight, for tied heads", ids_in, embed_out),
    COMPONENT(position, "learned positions, added to x", x_in, x_out),
    COMPONENT(cossin, "cosines and sines of rotary positions, [1, tokens, rope]", cossin_in, cossin_out),
    COMPONENT(rmsnorm, "root mean square norm over the last dimension", x_in, y_out),
    COMPONENT(layernorm, "layer norm over the last dimension", x_in, y_out),
    COMPONENT(linear, "one matrix", x_in, y_out),
    PORTS(weights, "parameters that no operator uses", NULL, 0, NULL, 0),
    PORTS(buffer, "a tensor that does not train", NULL, 0, NULL, 0),
    COMPONENT(attention, "attention with as many key heads as heads, fewer, or one", attention_in, y_out),
    COMPONENT(mlp, "feed forward network, gated or not", x_in, y_out),
    COMPONENT(head, "output matrix, or the embedding's `table`", head_in, logits_out),
    COMPONENT(loss, "cross entropy of the logits", loss_in, loss_out),
};

static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "transformer", "0.1.0", {&operations},
};
