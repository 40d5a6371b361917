/* attentions: attention whose keys are shared, subtracted, weighted, routed, compressed or chosen. */
#include "components.h"

uint32_t attend(gpumem_emit *e, const attend_spec *s, uint32_t q, uint32_t k, uint32_t v, uint32_t mask, uint32_t sinks, uint32_t like)
{
    uint32_t operand[5], y = gpumem_emit_like(e, "attended", like, extent(s->heads * s->dim, GPUMEM_AXIS_HEADS)), copied;
    gpumem_op *op;
    operand[0] = step(e, q);
    operand[1] = step(e, k);
    operand[2] = step(e, v);
    operand[3] = mask;
    operand[4] = sinks;
    op = gpumem_emit_op(e, GPUMEM_OP_ATTENTION, 0, "attention", 5, operand, 1, &y);
    if (op) {
        op->attr[0] = (uint32_t)s->heads;
        op->attr[1] = (uint32_t)s->kv;
        op->attr[2] = op->attr[3] = (uint32_t)s->dim;
        op->attr[4] = (uint32_t)s->window;
        op->attr[5] = s->causal != 0;
        op->attr[7] = s->dropout;
    }
    copied = gpumem_emit_same(e, "reshaped", y);
    operate(e, GPUMEM_OP_COPY, 0, "reshape", y, GPUMEM_NONE, copied);
    return copied;
}

void rotate(gpumem_emit *e, const uint32_t *table, const char *variant, uint64_t width, uint64_t head, uint32_t *q, uint32_t *k)
{
    uint32_t in[4], out[2];
    unsigned n = k ? 2 : 1;
    gpumem_op *op;
    in[0] = *q;
    in[1] = k ? *k : GPUMEM_NONE;
    in[2] = table[0];
    in[3] = table[1];
    *q = out[0] = gpumem_emit_same(e, "q_rotated", *q);
    if (k)
        *k = out[1] = gpumem_emit_same(e, "k_rotated", *k);
    op = gpumem_emit_op(e, GPUMEM_OP_ROTARY, variant, "rotary", 4, in, n, out);
    if (op) {
        op->attr[0] = (uint32_t)width;
        op->attr[1] = (uint32_t)head;
    }
}

uint32_t norm_heads(gpumem_emit *e, const char *name, uint32_t x, uint64_t heads, uint64_t width, const char *style)
{
    uint32_t y = by_head(e, "heads", x, extent(heads, GPUMEM_AXIS_HEADS), extent(width, GPUMEM_AXIS_HEAD_DIM));
    y = rmsnorm(e, name ? name : "", y, extent(width, GPUMEM_AXIS_HEAD_DIM), style, name != NULL);
    return all_heads(e, y, extent(heads * width, GPUMEM_AXIS_HEADS));
}

static const char *const x_in[] = {"x"}, *const y_out[] = {"y"}, *const rotated_in[] = {"x", "cos", "sin"};
static const char *const shared_in[] = {"x", "cos", "sin", "keys?", "values?"}, *const shared_out[] = {"y", "keys?", "values?"};

#define COMPONENT(name, help, ins, outs) {#name, help, name##_params, COUNT(name##_params), COUNT(ins), COUNT(outs), ins, outs, name##_describe}

static const gpumem_component components[] = {
    COMPONENT(shared_keys, "attention that gives its keys and values to others, or uses theirs", shared_in, shared_out),
    COMPONENT(differential, "the difference of two attentions over the same queries and keys", rotated_in, y_out),
    COMPONENT(dynamic, "attention with a mask that its values decide", rotated_in, y_out),
    COMPONENT(mixture, "attention whose query and output matrices are experts", rotated_in, y_out),
    {"indexer", "chooses the tokens that an attention looks at, without a gradient", indexer_params, INDEXER_N, 1, 0, x_in, NULL, indexer_describe},
    COMPONENT(compressed, "attention over one head of keys, which are the values, of the last tokens and of compressed ones", rotated_in, y_out),
};
static const gpumem_architecture_ops operations = {sizeof operations, components, COUNT(components)};

GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof gpumem_entry, GPUMEM_KIND_ARCHITECTURE, "attentions", "0.1.0", {&operations},
};
