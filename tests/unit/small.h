/* The small family, whose sizes are worked out by hand, and others made from it. */
#ifndef GM_TEST_SMALL_H
#define GM_TEST_SMALL_H

#include "models.h"

#define HEAD(id) "gpumem: 1\nkind: family\nid: " id "\nversion: 1.0.0\ntitle: A test\n"
#define SMALL_REST \
    "architecture: [transformer]\n" \
    "classes: {SmallForCausalLM: causal, SmallModel: base}\n" \
    "auto: {AutoModelForCausalLM: causal, AutoModel: base}\n" \
    "symbols: {B: batch, S: tokens}\n" \
    "inputs: {ids: {shape: [B, S], dtype: int64}}\n" \
    "defaults: {hidden_size: 8, num_hidden_layers: 4, vocab_size: 16, intermediate_size: 12, hidden_act: silu, tie: false, kinds: null, rate: 0.5}\n" \
    "aliases: {n_embd: hidden_size}\n" \
    "nullable: [rate]\n" \
    "dims: {hidden: hidden_size, vocab: vocab_size, layers: num_hidden_layers, intermediate: intermediate_size, act: hidden_act}\n" \
    "before:\n" \
    "  - {use: embed, in: ids, out: [x, table], as: embed}\n" \
    "layers: layers\n" \
    "at: layers.{i}\n" \
    "layer:\n" \
    "  - {use: rmsnorm, in: x, out: n, as: norm}\n" \
    "  - {use: mlp, in: n, out: m, as: mlp}\n" \
    "  - {use: add, in: [x, m], out: x, id: residual}\n" \
    "after:\n" \
    "  - {use: rmsnorm, in: x, out: x, as: final}\n" \
    "  - {use: head, in: [x, table if tie else null], out: logits, as: head, when: task == 'causal'}\n"
#define LAYER (8 + 3 * 8 * 12)          /* of the small family: a norm and a gated MLP */
#define AROUND (16 * 8 + 8 + 16 * 8)    /* embedding, norm, head */

static inline void small(void)
{
    host_make();
    fixture_write(&f, "family/small.yaml", HEAD("small") SMALL_REST);
}

static inline void family(const char *id, const char *rest)
{
    char name[64], text[8192];
    snprintf(name, sizeof name, "family/%s.yaml", id);
    ck_assert_int_lt(snprintf(text, sizeof text, "gpumem: 1\nkind: family\nid: %s\nversion: 1.0.0\ntitle: A test\n%s", id, rest), (int)sizeof text);
    fixture_write(&f, name, text);
}

static inline uint64_t parameters_of(const char *json)
{
    gpumem_model *m = model_of(json);
    uint64_t n = gpumem_model_parameters(m);
    gpumem_model_free(m);
    return n;
}
#endif
