/* core/model: from a family and a config to a description. */
#include "small.h"

/* Names of weights and buffers with their shapes, block by block: "embed.weight[16,8] | ...". */
static const char *tensors_of(const gpumem_model *m)
{
    static char text[8192];
    const gpumem_description *d = gpumem_model_description(m);
    char *p = text;
    *p = '\0';
    for (uint32_t b = 0; b < d->nblock; b++) {
        p += sprintf(p, "%s%s", b ? " | " : "", d->string + d->block[b].name);
        for (uint32_t i = d->block[b].tensor0; i < d->block[b].tensor0 + d->block[b].ntensor; i++) {
            const gpumem_tensor *t = &d->tensor[i];
            if ((t->role != GPUMEM_ROLE_WEIGHT && t->role != GPUMEM_ROLE_BUFFER) || t->storage != GPUMEM_NONE)
                continue;
            p += sprintf(p, " %s%s[", d->string + t->name, t->role == GPUMEM_ROLE_BUFFER ? "!" : "");
            for (uint32_t k = 0; k < t->ndim; k++)
                p += sprintf(p, "%s%u", k ? "," : "", t->dim[k].size);
            p += sprintf(p, "]");
        }
    }
    return text;
}

/* Blocks with how often they run, then runs: "before layer*4 after; (0)(1)4(2)". */
static const char *shape_of(const gpumem_model *m)
{
    static char text[4096];
    const gpumem_description *d = gpumem_model_description(m);
    char *p = text;
    for (uint32_t b = 0; b < d->nblock; b++)
        p += sprintf(p, "%s%s*%u", b ? " " : "", d->string + d->block[b].name, d->block[b].count);
    p += sprintf(p, ";");
    for (uint32_t r = 0; r < d->nrun; r++) {
        p += sprintf(p, " ");
        for (uint32_t i = 0; i < d->run[r].n; i++)
            p += sprintf(p, "%s%u", i ? "," : "", d->sequence[d->run[r].first + i]);
        if (d->run[r].count > 1)
            p += sprintf(p, "x%u", d->run[r].count);
    }
    return text;
}

/* What a block reads and writes: "layer: x -> x". */
static const char *ports_of(const gpumem_model *m)
{
    static char text[4096];
    const gpumem_description *d = gpumem_model_description(m);
    char *p = text;
    for (uint32_t b = 0; b < d->nblock; b++) {
        const gpumem_block *k = &d->block[b];
        p += sprintf(p, "%s%s:", b ? "; " : "", d->string + k->name);
        for (uint32_t i = 0; i < k->nimport; i++)
            p += sprintf(p, " %s", d->string + d->portname[d->port[k->import0 + i].port]);
        p += sprintf(p, " ->");
        for (uint32_t i = 0; i < k->nexport; i++)
            p += sprintf(p, " %s", d->string + d->portname[d->port[k->export0 + i].port]);
    }
    return text;
}

static void is_model(const char *json, const char *tensors, const char *shape)
{
    gpumem_model *m = model_of(json);
    if (tensors)
        ck_assert_str_eq(tensors_of(m), tensors);
    if (shape)
        ck_assert_str_eq(shape_of(m), shape);
    gpumem_model_free(m);
}

START_TEST(small_family)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    int64_t n;
    ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND);
    ck_assert_uint_eq(gpumem_model_trainable(m), 4 * LAYER + AROUND);
    ck_assert_str_eq(tensors_of(m),
        "before embed.weight[16,8] | layer layers.{i}.norm.weight[8] layers.{i}.mlp.gate_proj.weight[12,8] layers.{i}.mlp.up_proj.weight[12,8] "
        "layers.{i}.mlp.down_proj.weight[8,12] | after final.weight[8] head.weight[16,8]");
    ck_assert_str_eq(shape_of(m), "before*1 layer*4 after*1; 0 1x4 2");
    ck_assert_str_eq(ports_of(m), "before: -> x; layer: x -> x; after: x -> x"); /* no block reads table or logits of another */
    ck_assert_str_eq(gpumem_model_class(m), "SmallForCausalLM");
    ck_assert_str_eq(gpumem_model_family(m), "small");
    ck_assert(gpumem_model_dim(m, "hidden", &n) && n == 8);
    ck_assert(gpumem_model_dim(m, "layers", &n) && n == 4);
    ck_assert(!gpumem_model_dim(m, "heads", &n));
    ck_assert_uint_eq(gpumem_model_parameters_of(m, GPUMEM_FAMILY_EMBEDDING), 16 * 8);
    ck_assert_uint_eq(gpumem_model_parameters_of(m, GPUMEM_FAMILY_NORM), 5 * 8);
    ck_assert_uint_eq(gpumem_model_parameters_of(m, GPUMEM_FAMILY_MATRIX), 4 * 3 * 8 * 12);
    ck_assert_uint_eq(gpumem_model_parameters_of(m, GPUMEM_FAMILY_HEAD), 16 * 8);
    ck_assert_uint_eq(gpumem_model_parameters_of(m, 99), 0);
    gpumem_model_free(m);
}
END_TEST

START_TEST(tied)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\", \"tie\": true}");
    const gpumem_description *d = gpumem_model_description(m);
    uint32_t shared = 0;
    ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND - 16 * 8);
    ck_assert_str_eq(ports_of(m), "before: -> x table; layer: x -> x; after: x table -> x");
    for (uint32_t i = 0; i < d->ntensor; i++)
        if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && d->tensor[i].storage != GPUMEM_NONE) {
            shared++;
            ck_assert_str_eq(d->string + d->tensor[i].name, shared == 1 ? "embed.weight" : "head.weight"); /* the table that is read, the head's name for it */
            ck_assert_str_eq(d->string + d->tensor[d->tensor[i].storage].name, "embed.weight");
        }
    ck_assert_uint_eq(shared, 2);
    gpumem_model_free(m);
}
END_TEST

START_TEST(wires_follow_the_layer)
{
    gpumem_model *m;
    /* Layer 0 writes v, the others read what it wrote. */
    family("shared", "like: small\neach: {first: i == 0}\n"
        "layer:\n"
        "  - {use: linear, in: x, out: v, as: value, linear_width: hidden, when: first}\n"
        "  - {use: mlp, in: v, out: m, as: mlp}\n"
        "  - {use: add, in: [x, m if first else v], out: x, id: residual}\n");
    m = model_of("{\"model_type\": \"shared\"}");
    ck_assert_str_eq(shape_of(m), "before*1 layer*1 layer*3 after*1; 0 1 2x3 3");
    ck_assert_str_eq(ports_of(m), "before: -> x; layer: x -> x v; layer: v x -> x; after: x -> x");
    gpumem_model_free(m);
}
END_TEST

START_TEST(weights_of_several_layers)
{
    static const struct { const char *json; uint64_t parameters; } table[] = {
        {"{\"model_type\": \"once\"}", 4 * 8 + 2 * 3 * 8 * 12},
        {"{\"model_type\": \"once\", \"apart\": true}", 4 * LAYER},
        {"{\"model_type\": \"numbered\"}", 4 * 8 + 2 * 3 * 8 * 12}};
    /* Two networks for four layers; norms are of each layer. */
    family("once", "like: small\ndefaults: {hidden_size: 8, num_hidden_layers: 4, vocab_size: 16, intermediate_size: 12, hidden_act: silu, tie: false, apart: false}\n"
                   "each: {owner: null if apart else i % 2}\nedit:\n  - {set: mlp, step: {once: owner}}\n");
    /* The same where each layer is a block of its own. */
    family("numbered", "like: once\nedit:\n  - {set: norm, step: {as: \"norms.{number}\"}}\neach: {number: 10 - i}\n");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_model *m = model_of(table[i].json);
        ck_assert_uint_eq(gpumem_model_parameters(m), table[i].parameters + AROUND);
        gpumem_model_free(m);
    }
    is_model("{\"model_type\": \"once\"}",
             "before embed.weight[16,8] | layer layers.{i}.norm.weight[8] layers.0.mlp.gate_proj.weight[12,8] layers.0.mlp.up_proj.weight[12,8] "
             "layers.0.mlp.down_proj.weight[8,12] | layer layers.{i}.norm.weight[8] layers.1.mlp.gate_proj.weight[12,8] "
             "layers.1.mlp.up_proj.weight[12,8] layers.1.mlp.down_proj.weight[8,12]" " | after final.weight[8] head.weight[16,8]", NULL);
    family("path", "like: small\nat: \"{kind}.{i}\"\neach: {kind: \"'even' if i % 2 == 0 else 'odd'\"}\n");
    is_model("{\"model_type\": \"path\", \"num_hidden_layers\": 3, \"intermediate_size\": 1}",
             "before embed.weight[16,8] | layer even.{i}.norm.weight[8] even.{i}.mlp.gate_proj.weight[1,8] even.{i}.mlp.up_proj.weight[1,8] "
             "even.{i}.mlp.down_proj.weight[8,1] | layer odd.{i}.norm.weight[8] odd.{i}.mlp.gate_proj.weight[1,8] odd.{i}.mlp.up_proj.weight[1,8] "
             "odd.{i}.mlp.down_proj.weight[8,1]" " | after final.weight[8] head.weight[16,8]", NULL);
}
END_TEST

START_TEST(a_read_after_a_write_stays_inside)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\", \"num_hidden_layers\": 1}");
    const gpumem_description *d = gpumem_model_description(m);
    const gpumem_block *k = &d->block[1];
    ck_assert_uint_eq(k->nimport, 1);
    /* norm and residual read one tensor, the import; what the block exports is another, the sum. */
    ck_assert_uint_ne(d->port[k->import0].tensor, d->port[k->export0].tensor);
    ck_assert_uint_eq(d->port[k->import0].port, d->port[k->export0].port);
    gpumem_model_free(m);
}
END_TEST

START_TEST(steps_are_numbered)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    const gpumem_description *d = gpumem_model_description(m);
    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = d->block[b].op0; i < d->block[b].op0 + d->block[b].nop; i++) {
            ck_assert_uint_lt(d->op[i].step, 3);
            ck_assert(i == d->block[b].op0 || d->op[i - 1].step <= d->op[i].step);
        }
    gpumem_model_free(m);
}
END_TEST

/* ---- like and edit --------------------------------------------------------------------------------------------------------- */

#define BEFORE "before embed.weight[16,8] | layer layers.{i}.norm.weight[8]"
#define MLP " layers.{i}.mlp.gate_proj.weight[12,8] layers.{i}.mlp.up_proj.weight[12,8] layers.{i}.mlp.down_proj.weight[8,12]"
#define AFTER " | after final.weight[8] head.weight[16,8]"

START_TEST(edits)
{
    static const struct { const char *edit, *tensors; } table[] = {
        {"{replace: norm, step: {use: layernorm, in: x, out: n, as: ln}}",
         "before embed.weight[16,8] | layer layers.{i}.ln.weight[8] layers.{i}.ln.bias[8]" MLP AFTER},
        {"{insert: mlp, step: {use: linear, in: n, out: n, as: pre, linear_width: 5}}",
         BEFORE " layers.{i}.pre.weight[5,8] layers.{i}.mlp.gate_proj.weight[12,5] layers.{i}.mlp.up_proj.weight[12,5] layers.{i}.mlp.down_proj.weight[5,12]" AFTER},
        {"{append: mlp, step: {use: linear, in: m, out: m, as: post, linear_width: 8}}", BEFORE MLP " layers.{i}.post.weight[8,8]" AFTER},
        {"{append: residual, step: {use: rmsnorm, in: x, out: x, as: last}}", BEFORE MLP " layers.{i}.last.weight[8]" AFTER},
        {"{remove: norm}, {set: mlp, step: {in: x}}", "before embed.weight[16,8] | layer" MLP AFTER},
        {"{set: mlp, step: {intermediate: 3, mlp_bias: true}}", BEFORE " layers.{i}.mlp.gate_proj.weight[3,8] layers.{i}.mlp.gate_proj.bias[3] "
         "layers.{i}.mlp.up_proj.weight[3,8] layers.{i}.mlp.up_proj.bias[3] layers.{i}.mlp.down_proj.weight[8,3] layers.{i}.mlp.down_proj.bias[8]" AFTER},
        {"{set: mlp, step: {names: {gate_proj: w1, up_proj: w3, down_proj: w2}, as: ff}}",
         BEFORE " layers.{i}.ff.w1.weight[12,8] layers.{i}.ff.w3.weight[12,8] layers.{i}.ff.w2.weight[8,12]" AFTER},
        {"{set: embed, step: {as: wte}}, {set: final, step: {as: ln_f}}",
         "before wte.weight[16,8] | layer layers.{i}.norm.weight[8]" MLP " | after ln_f.weight[8] head.weight[16,8]"},
        {"{set: mlp, step: {id: inner}}, {set: inner, step: {as: feed}}",
         BEFORE " layers.{i}.feed.gate_proj.weight[12,8] layers.{i}.feed.up_proj.weight[12,8] layers.{i}.feed.down_proj.weight[8,12]" AFTER},
        {"{remove: head}", BEFORE MLP " | after final.weight[8]"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char rest[1024];
        snprintf(rest, sizeof rest, "like: small\nedit: [%s]\n", table[i].edit);
        family("edited", rest);
        host_again();
        is_model("{\"model_type\": \"edited\"}", table[i].tensors, NULL);
    }
    is_model("{\"model_type\": \"small\"}", BEFORE MLP AFTER, NULL); /* which stays as it was */
}
END_TEST

START_TEST(like_merges)
{
    family("second", "like: small\ndims: {intermediate: 2 * intermediate_size}\n");
    family("third", "like: second\ndims: {hidden: hidden_size + 1}\ndefaults: {hidden_size: 3, num_hidden_layers: 2, vocab_size: 5, intermediate_size: 7, hidden_act: silu, tie: false}\n"
                    "after:\n  - {use: rmsnorm, in: x, out: x, as: end}\n");
    is_model("{\"model_type\": \"second\"}", "before embed.weight[16,8] | layer layers.{i}.norm.weight[8] layers.{i}.mlp.gate_proj.weight[24,8] "
             "layers.{i}.mlp.up_proj.weight[24,8] layers.{i}.mlp.down_proj.weight[8,24]" AFTER, NULL);
    is_model("{\"model_type\": \"third\"}", "before embed.weight[5,4] | layer layers.{i}.norm.weight[4] layers.{i}.mlp.gate_proj.weight[14,4] "
             "layers.{i}.mlp.up_proj.weight[14,4] layers.{i}.mlp.down_proj.weight[4,14] | after end.weight[4]", "before*1 layer*2 after*1; 0 1x2 2");
}
END_TEST

START_TEST(stacks)
{
    family("stacked", "like: small\nstacks:\n"
        "  - {before: [{use: embed, in: ids, out: [x, null], as: embed}], layers: 2, at: 'first.{i}', layer: [{use: rmsnorm, in: x, out: x, as: a}]}\n"
        "  - {layers: layers, at: 'second.{i}', layer: [{use: rmsnorm, in: x, out: x, as: b}, {use: linear, in: x, out: x, as: c, linear_width: i + 1}],\n"
        "     after: [{use: rmsnorm, in: x, out: x, as: z}]}\n");
    is_model("{\"model_type\": \"stacked\", \"num_hidden_layers\": 2}",
             "before embed.weight[16,8] | layer first.{i}.a.weight[8] | layer second.{i}.b.weight[8] second.{i}.c.weight[1,8] | "
             "layer second.{i}.b.weight[1] second.{i}.c.weight[2,1] | after z.weight[2]",
             "before*1 layer*2 layer*1 layer*1 after*1; 0 1x2 2 3 4");
}
END_TEST

START_TEST(like_chains)
{
    char id[16], rest[64];
    family("ring_a", "like: ring_b\n");
    family("ring_b", "like: ring_a\n");
    family("self", "like: self\n");
    family("lost", "like: smal\n");
    model_fails("{\"model_type\": \"ring_a\"}", GPUMEM_EPLUGIN, "circle");
    model_fails("{\"model_type\": \"self\"}", GPUMEM_EPLUGIN, "circle");
    model_fails("{\"model_type\": \"lost\"}", GPUMEM_EPLUGIN, "lost.yaml:6:7: like: there is no family 'smal' [did you mean small");
    for (int i = 1; i < 9; i++) {
        snprintf(id, sizeof id, "c%d", i);
        if (i == 1)
            snprintf(rest, sizeof rest, "like: small\n");
        else
            snprintf(rest, sizeof rest, "like: c%d\n", i - 1);
        family(id, rest);
    }
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"c7\"}"), 4 * LAYER + AROUND); /* eight in a chain */
    model_fails("{\"model_type\": \"c8\"}", GPUMEM_EPLUGIN, "more than 8 families");
}
END_TEST

/* ---- checkpoints ---- */

static int next_stored(void *self, const gpumem_stored_tensor *t)
{
    char **at = self;
    *at += sprintf(*at, "%s", t->name);
    for (uint32_t i = 0; i < t->ndim; i++)
        *at += sprintf(*at, " %llu", (unsigned long long)t->dim[i]);
    *at += sprintf(*at, "\n");
    return 0;
}

static const char *stored_of(const char *type, bool checkpoint)
{
    static char text[4096];
    char json[64], *at = text;
    gpumem_error err = {0};
    snprintf(json, sizeof json, "{\"model_type\": \"%s\", \"num_hidden_layers\": 1}", type);
    gpumem_model *m = model_of(json);
    ck_assert_int_eq(gpumem_model_tensors(m, checkpoint, next_stored, &at, &err), GPUMEM_OK);
    gpumem_model_free(m);
    return text;
}

START_TEST(names_in_checkpoints)
{
    static const char plain[] = "embed.weight 16 8\nlayers.0.norm.weight 8\nlayers.0.mlp.gate_proj.weight 12 8\nlayers.0.mlp.up_proj.weight 12 8\n"
                                "layers.0.mlp.down_proj.weight 8 12\nfinal.weight 8\nhead.weight 16 8\n";
    ck_assert_str_eq(stored_of("small", true), plain); /* without rules they are as in the module */
    family("stored", "like: small\ncheckpoint:\n  - {tensor: mlp.gate_proj.weight, as: [ff.a, ff.b]}\n  - {tensor: down_proj.weight, as: 'w{e}', unstack: true}\n"
                     "  - {tensor: up_proj.weight, as: up, transpose: true}\n  - {tensor: '*nal.weight', as: []}\n  - {tensor: nal.weight, as: never}\n"
                     "  - {first: layers, as: model.blocks}\n  - {first: head, as: ''}\n");
    ck_assert_str_eq(stored_of("stored", false), plain);
    ck_assert_str_eq(stored_of("stored", true), "embed.weight 16 8\nmodel.blocks.0.norm.weight 8\nmodel.blocks.0.ff.a 6 8\nmodel.blocks.0.ff.b 6 8\nmodel.blocks.0.mlp.up 8 12\n"
                                                "model.blocks.0.mlp.w0 12\nmodel.blocks.0.mlp.w1 12\nmodel.blocks.0.mlp.w2 12\nmodel.blocks.0.mlp.w3 12\n"
                                                "model.blocks.0.mlp.w4 12\nmodel.blocks.0.mlp.w5 12\nmodel.blocks.0.mlp.w6 12\nmodel.blocks.0.mlp.w7 12\nweight 16 8\n");
    family("stored2", "like: stored\ncheckpoint: [{tensor: up_proj.weight, as: above}]\n"); /* before those of the base */
    ck_assert_ptr_nonnull(strstr(stored_of("stored2", true), "model.blocks.0.mlp.above 12 8\n"));
    ck_assert_ptr_nonnull(strstr(stored_of("stored2", true), "model.blocks.0.ff.a 6 8\n"));
}
END_TEST

/* ---- keys ------------------------------------------------------------------------------------------------------------------- */

static const char *origin_of(const gpumem_model *m, const char *key)
{
    static char text[300];
    const gpumem_key *keys;
    size_t n = gpumem_model_keys(m, &keys);
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].key, key) == 0) {
            snprintf(text, sizeof text, "%s: %s", keys[i].origin, keys[i].value);
            return text;
        }
    return "";
}

START_TEST(keys)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\", \"n_embd\": 6, \"hidden_size\": 5, \"vocab_size\": 20, \"torch_dtype\": \"bfloat16\", \"rate\": null}");
    ck_assert_str_eq(origin_of(m, "hidden_size"), "alias n_embd: 6");
    ck_assert_str_eq(origin_of(m, "vocab_size"), "config: 20");
    ck_assert_str_eq(origin_of(m, "intermediate_size"), "default: 12");
    ck_assert_str_eq(origin_of(m, "torch_dtype"), "ignored: \"bfloat16\"");
    ck_assert_str_eq(origin_of(m, "kinds"), "");
    ck_assert_str_eq(origin_of(m, "model_type"), "");
    gpumem_model_free(m);
}
END_TEST

START_TEST(descends)
{
    family("outer", "like: small\ndescend: text_config\n");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"outer\", \"text_config\": {\"num_hidden_layers\": 2}, \"num_hidden_layers\": 3}"), 2 * LAYER + AROUND);
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"outer\", \"num_hidden_layers\": 3}"), 3 * LAYER + AROUND);
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"outer\", \"text_config\": 3, \"num_hidden_layers\": 3}"), 3 * LAYER + AROUND);
    family("flat", "like: outer\ndescend: null\n");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"flat\", \"text_config\": {\"num_hidden_layers\": 2}, \"num_hidden_layers\": 3}"), 3 * LAYER + AROUND);
}
END_TEST

START_TEST(like_option)
{
    gpumem_model_options options = {.like = "small"};
    gpumem_error err = {0};
    gpumem_model *m = model_new("{\"num_hidden_layers\": 3}", &options, &err);
    ck_assert_msg(m != NULL, "%s", error_text(&err));
    ck_assert_uint_eq(gpumem_model_parameters(m), 3 * LAYER + AROUND);
    gpumem_model_free(m);
    m = model_new("{\"model_type\": \"nobody_knows\"}", &options, &err);
    ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND);
    gpumem_model_free(m);
}
END_TEST

/* ---- classes ------------------------------------------------------------------------------------------------------------------ */

static gpumem_model *as_class(const char *json, const char *name)
{
    gpumem_model_options options = {.class_name = name};
    gpumem_error err = {0};
    gpumem_model *m = model_new(json, &options, &err);
    ck_assert_msg(m != NULL, "%s", error_text(&err));
    return m;
}

START_TEST(classes)
{
    static const struct { const char *json, *name, *is; uint64_t head; unsigned warnings; } table[] = {
        {"{\"model_type\": \"small\"}", NULL, "SmallForCausalLM", 128, 0},
        {"{\"model_type\": \"small\"}", "SmallModel", "SmallModel", 0, 0},
        {"{\"model_type\": \"small\"}", "AutoModel", "SmallModel", 0, 0},
        {"{\"model_type\": \"small\"}", "AutoModelForCausalLM", "SmallForCausalLM", 128, 0},
        {"{\"model_type\": \"small\", \"architectures\": [\"SmallModel\"]}", NULL, "SmallModel", 0, 0},
        {"{\"model_type\": \"small\", \"architectures\": [\"SmallModel\"]}", "SmallForCausalLM", "SmallForCausalLM", 128, 0},
        {"{\"model_type\": \"small\", \"architectures\": [\"SmallForTokens\"]}", NULL, "SmallForCausalLM", 128, 1},
        {"{\"model_type\": \"small\", \"architectures\": []}", NULL, "SmallForCausalLM", 128, 0},
        {"{\"model_type\": \"small\", \"architectures\": null}", NULL, "SmallForCausalLM", 128, 0},
        {"{\"model_type\": \"small\", \"architectures\": [3]}", NULL, "SmallForCausalLM", 128, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_model *m = as_class(table[i].json, table[i].name);
        const char *const *warning;
        ck_assert_str_eq(gpumem_model_class(m), table[i].is);
        ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND - 128 + table[i].head);
        ck_assert_uint_eq(gpumem_model_warnings(m, &warning), table[i].warnings);
        if (table[i].warnings)
            ck_assert_str_eq(warning[0], "the class SmallForTokens is not described: counted as SmallForCausalLM");
        gpumem_model_free(m);
    }
}
END_TEST

/* ---- depth -------------------------------------------------------------------------------------------------------------------- */

START_TEST(depth_costs_nothing)
{
    static const char *const type[] = {"llama", "gemma2", "gpt2", "mixtral", "deepseek_v3", "gpt_oss", "small"};
    for (size_t i = 0; i < sizeof type / sizeof *type; i++) {
        char json[128];
        const char *key = strcmp(type[i], "gpt2") == 0 ? "n_layer" : "num_hidden_layers";
        gpumem_model *few, *many;
        const gpumem_description *a, *b;
        snprintf(json, sizeof json, "{\"model_type\": \"%s\", \"%s\": 8}", type[i], key);
        few = model_of(json);
        snprintf(json, sizeof json, "{\"model_type\": \"%s\", \"%s\": 10000}", type[i], key);
        many = model_of(json);
        a = gpumem_model_description(few);
        b = gpumem_model_description(many);
        ck_assert_uint_eq(a->nblock, b->nblock);
        ck_assert_uint_eq(a->ntensor, b->ntensor);
        ck_assert_uint_eq(a->nop, b->nop);
        ck_assert_uint_eq(a->nrun, b->nrun);
        ck_assert_uint_eq(b->nsequence - a->nsequence, 10000 - 8);
        gpumem_model_free(few);
        gpumem_model_free(many);
    }
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"small\", \"num_hidden_layers\": 10000}"), 10000ull * LAYER + AROUND);
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"small\", \"num_hidden_layers\": 100000}"), 100000ull * LAYER + AROUND);
}
END_TEST

START_TEST(patterns)
{
    is_model("{\"model_type\": \"gemma2\"}", NULL, "before*1 layer*13 layer*13 after*1; 0 1,2x13 3");
    is_model("{\"model_type\": \"gemma3_text\", \"num_hidden_layers\": 26}", NULL, "before*1 layer*22 layer*4 after*1; 0 1,1,1,1,1,2x4 1x2 3");
    is_model("{\"model_type\": \"llama\", \"num_hidden_layers\": 2}", NULL, "before*1 layer*2 after*1; 0 1x2 2");
    is_model("{\"model_type\": \"llama\", \"num_hidden_layers\": 1}", NULL, "before*1 layer*1 after*1; 0 1 2");
    is_model("{\"model_type\": \"deepseek_v3\"}", NULL, "before*1 layer*3 layer*58 after*1; 0 1x3 2x58 3");
}
END_TEST

START_TEST(windows_are_where_they_are)
{
    gpumem_model *m = model_of("{\"model_type\": \"gemma2\"}"); /* layers 0, 2, ... slide */
    const gpumem_description *d = gpumem_model_description(m);
    for (uint32_t b = 1; b < 3; b++)
        for (uint32_t i = d->block[b].op0; i < d->block[b].op0 + d->block[b].nop; i++)
            if (d->op[i].kind == GPUMEM_OP_ATTENTION)
                ck_assert_uint_eq(d->op[i].attr[4], b == 1 ? 4096 : 0);
    gpumem_model_free(m);
}
END_TEST

START_TEST(layers_that_differ)
{
    family("varied", "like: small\neach: {wide: i % 3 == 2}\nedit: [{set: mlp, step: {intermediate: 24 if wide else 12}}]\n");
    is_model("{\"model_type\": \"varied\", \"num_hidden_layers\": 7}", NULL, "before*1 layer*5 layer*2 after*1; 0 1,1,2x2 1 3");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"varied\", \"num_hidden_layers\": 7}"), 7ull * LAYER + 2 * 3 * 8 * 12 + AROUND);
    family("growing", "like: small\nedit: [{set: mlp, step: {intermediate: i + 1}}]\n");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"growing\", \"num_hidden_layers\": 300}"), 300ull * 8 + 3 * 8 * (300ull * 301 / 2) + AROUND);
    /* The first layer gets another width than the others, and no expression says so. */
    family("widening", "like: small\nlayer:\n  - {use: linear, in: x, out: x, as: a, linear_width: 4}\n");
    is_model("{\"model_type\": \"widening\"}", "before embed.weight[16,8] | layer layers.{i}.a.weight[4,8] | layer layers.{i}.a.weight[4,4] | "
             "after final.weight[4] head.weight[16,4]", "before*1 layer*1 layer*3 after*1; 0 1 2x3 3");
}
END_TEST

/* ---- freezing -------------------------------------------------------------------------------------------------------------------- */

static uint64_t trainable(const char *freeze, const char *shape)
{
    gpumem_model_options options = {.freeze = freeze};
    gpumem_error err = {0};
    gpumem_model *m = model_new("{\"model_type\": \"small\"}", &options, &err);
    uint64_t n;
    ck_assert_msg(m != NULL, "%s", error_text(&err));
    n = gpumem_model_trainable(m);
    ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND);
    if (shape)
        ck_assert_str_eq(shape_of(m), shape);
    gpumem_model_free(m);
    return n;
}

START_TEST(freezing)
{
    static const char *const whole = "before*1 layer*4 after*1; 0 1x4 2";
    gpumem_model_options options = {.freeze = "a("};
    gpumem_error err = {0};
    ck_assert_uint_eq(trainable(NULL, whole), 4 * LAYER + AROUND);
    ck_assert_uint_eq(trainable("", whole), 4 * LAYER + AROUND);
    ck_assert_uint_eq(trainable("embed", whole), 4 * LAYER + AROUND - 128);
    ck_assert_uint_eq(trainable("^layers\\.", whole), AROUND);
    ck_assert_uint_eq(trainable("!^layers\\.", whole), 4 * LAYER);
    ck_assert_uint_eq(trainable("norm", whole), 4 * LAYER + AROUND - 4 * 8);
    ck_assert_uint_eq(trainable("!mlp\\.down_proj", whole), 4 * 8 * 12);
    ck_assert_uint_eq(trainable("^layers\\.(0|1)\\.", "before*1 layer*2 layer*2 after*1; 0 1x2 2x2 3"), 2 * LAYER + AROUND);
    ck_assert_uint_eq(trainable("layers.3", "before*1 layer*3 layer*1 after*1; 0 1x3 2 3"), 3 * LAYER + AROUND);
    ck_assert_uint_eq(trainable("!layers.2.norm|head", "before*1 layer*3 layer*1 after*1; 0 1x2 2 1 3"), 8 + 128);
    ck_assert_uint_eq(trainable(".*", whole), 0);
    ck_assert_uint_eq(trainable("!.*", whole), 4 * LAYER + AROUND);
    ck_assert_uint_eq(trainable("no such thing", whole), 4 * LAYER + AROUND);
    ck_assert_ptr_null(model_new("{\"model_type\": \"small\"}", &options, &err));
    ck_assert_int_eq(err.status, GPUMEM_EINVAL);
    ck_assert_msg(strstr(err.message, "'a(' is no regular expression") != NULL, "%s", err.message);
}
END_TEST

/* ---- buffers --------------------------------------------------------------------------------------------------------------------- */

START_TEST(buffers)
{
    gpumem_model *m;
    const gpumem_description *d;
    family("buffered", "like: small\nbuffers:\n  - {name: mask, shape: [hidden, 2 * hidden], dtype: bool}\n"
                       "  - {name: scale, shape: [], dtype: model}\n  - {name: ids, shape: [3], dtype: int64, when: tie}\n");
    m = model_of("{\"model_type\": \"buffered\"}");
    ck_assert_str_eq(tensors_of(m), "before mask![8,16] scale![] embed.weight[16,8] | layer layers.{i}.norm.weight[8]" MLP AFTER);
    ck_assert_uint_eq(gpumem_model_parameters(m), 4 * LAYER + AROUND);
    d = gpumem_model_description(m);
    for (uint32_t i = 0; i < d->ntensor; i++)
        if (strcmp(d->string + d->tensor[i].name, "mask") == 0)
            ck_assert_uint_eq(d->tensor[i].dtype, GPUMEM_DTYPE_BOOL);
    gpumem_model_free(m);
    m = model_of("{\"model_type\": \"buffered\", \"tie\": true}");
    ck_assert_msg(strstr(tensors_of(m), "ids![3]") != NULL, "%s", tensors_of(m));
    gpumem_model_free(m);
    family("sized", "like: small\nbuffers: [{name: mask, shape: [vocab_size - 16], dtype: bool}]\n");
    model_fails("{\"model_type\": \"sized\"}", GPUMEM_ECONFIG, "a.json: vocab_size: an extent of the buffer mask is 0, expected an integer of 1 or more");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *c;
    c = tcase_of(s, "blocks and ports", small, host_drop);
    tcase_add_test(c, small_family);
    tcase_add_test(c, tied);
    tcase_add_test(c, wires_follow_the_layer);
    tcase_add_test(c, weights_of_several_layers);
    tcase_add_test(c, a_read_after_a_write_stays_inside);
    tcase_add_test(c, steps_are_numbered);
    c = tcase_of(s, "like and edit", small, host_drop);
    tcase_add_test(c, edits);
    tcase_add_test(c, like_merges);
    tcase_add_test(c, like_chains);
    tcase_add_test(c, stacks);
    c = tcase_of(s, "keys and classes", small, host_drop);
    tcase_add_test(c, keys);
    tcase_add_test(c, descends);
    tcase_add_test(c, like_option);
    tcase_add_test(c, classes);
    tcase_add_test(c, names_in_checkpoints);
    c = tcase_of(s, "depth", small, host_drop);
    tcase_add_test(c, depth_costs_nothing);
    tcase_add_test(c, patterns);
    tcase_add_test(c, windows_are_where_they_are);
    tcase_add_test(c, layers_that_differ);
    c = tcase_of(s, "freezing and buffers", small, host_drop);
    tcase_add_test(c, freezing);
    tcase_add_test(c, buffers);
    return run_suite(s);
}
