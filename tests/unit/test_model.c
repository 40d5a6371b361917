/* core/model: from a family and a config to a description. */
#include "models.h"

#include "model/runs.h"

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

/* "abab" as "(ab)2". */
static const char *runs_of(const char *sequence)
{
    static char text[256];
    uint32_t s[128], n = (uint32_t)strlen(sequence), nrun, at = 0;
    gpumem_run run[128];
    char *p = text;
    for (uint32_t i = 0; i < n; i++)
        s[i] = (uint32_t)sequence[i];
    nrun = gm_runs_find(s, n, run);
    for (uint32_t i = 0; i < nrun; i++) {
        ck_assert_uint_eq(run[i].first, at);
        at += run[i].n * run[i].count;
        p += sprintf(p, run[i].count > 1 ? "(%.*s)%u" : "%.*s", (int)run[i].n, sequence + run[i].first, run[i].count);
    }
    *p = '\0';
    ck_assert_uint_eq(at, n);
    return text;
}

START_TEST(runs)
{
    ck_assert_str_eq(runs_of(""), "");
    ck_assert_str_eq(runs_of("a"), "a");
    ck_assert_str_eq(runs_of("ab"), "ab");
    ck_assert_str_eq(runs_of("aa"), "(a)2");
    ck_assert_str_eq(runs_of("eaaaah"), "e(a)4h");
    ck_assert_str_eq(runs_of("eababababh"), "e(ab)4h");
    ck_assert_str_eq(runs_of("esssssfsssssfssh"), "e(sssssf)2(s)2h");
    ck_assert_str_eq(runs_of("eabcabcabh"), "e(abc)2abh");
    ck_assert_str_eq(runs_of("edddmmmmmmh"), "e(d)3(m)6h");
    ck_assert_str_eq(runs_of("aabaab"), "(aab)2");
}
END_TEST

START_TEST(runs_cover_any_sequence)
{
    uint32_t seed = 1, s[400];
    gpumem_run run[400];
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + round, letters = 1 + (uint32_t)round % 5, at = 0;
        for (uint32_t i = 0; i < n; i++)
            s[i] = (seed = seed * 1664525u + 1013904223u) >> 16 % 13 & 0xffff, s[i] %= letters;
        uint32_t nrun = gm_runs_find(s, n, run);
        for (uint32_t r = 0; r < nrun; r++)
            for (uint32_t c = 0; c < run[r].count; c++)
                for (uint32_t i = 0; i < run[r].n; i++, at++)
                    ck_assert_uint_eq(s[run[r].first + i], s[at]);
        ck_assert_uint_eq(at, n);
    }
}
END_TEST

START_TEST(runs_of_long_periods)
{
    uint32_t s[1000];
    gpumem_run run[1000];
    for (uint32_t i = 0; i < 640; i++)
        s[i] = i % 64;
    ck_assert_uint_eq(gm_runs_find(s, 640, run), 1);
    ck_assert_uint_eq(run[0].n, 64);
    ck_assert_uint_eq(run[0].count, 10);
    for (uint32_t i = 0; i < 650; i++) /* longer ones are not looked for */
        s[i] = i % 65;
    ck_assert_uint_eq(gm_runs_find(s, 650, run), 650);
}
END_TEST

/* ---- a small family ------------------------------------------------------------------------------------------------------ */

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

static void small(void)
{
    host_make();
    fixture_write(&f, "family/small.yaml", HEAD("small") SMALL_REST);
}

static void family(const char *id, const char *rest)
{
    char name[64], text[8192];
    snprintf(name, sizeof name, "family/%s.yaml", id);
    ck_assert_int_lt(snprintf(text, sizeof text, "gpumem: 1\nkind: family\nid: %s\nversion: 1.0.0\ntitle: A test\n%s", id, rest), (int)sizeof text);
    fixture_write(&f, name, text);
}

static uint64_t parameters_of(const char *json)
{
    gpumem_model *m = model_of(json);
    uint64_t n = gpumem_model_parameters(m);
    gpumem_model_free(m);
    return n;
}

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

/* ---- wrong families: file, line and what was expected ---------------------------------------------------------------------- */

/* The line of `text` that has the mark "#!". */
static unsigned marked_line(const char *text)
{
    unsigned line = 1;
    const char *mark = strstr(text, "#!");
    ck_assert_ptr_nonnull(mark);
    for (const char *p = text; p < mark; p++)
        line += *p == '\n';
    return line + 5; /* behind the head that family() writes */
}

static void family_fails(const char *rest, const char *config, const char *message)
{
    gpumem_error err = {0};
    gpumem_model *m;
    char json[256];
    family("wrong", rest);
    host_again();
    snprintf(json, sizeof json, "{\"model_type\": \"wrong\"%s}", config);
    m = model_new(json, NULL, &err);
    ck_assert_msg(m == NULL, "no error: %s", rest);
    if (getenv("GM_SHOW"))
        printf("%s\n", error_text(&err));
    ck_assert_msg(strstr(err.message, message) != NULL, "'%s' is not in: %s", message, error_text(&err));
    ck_assert_msg(err.status == GPUMEM_EPLUGIN || err.status == GPUMEM_ESYNTAX, "status %d: %s", err.status, error_text(&err));
    ck_assert_str_eq(err.file, fixture_path(&f, "family/wrong.yaml"));
    ck_assert_msg(err.line == marked_line(rest), "line %u, not %u: %s", err.line, marked_line(rest), error_text(&err));
    ck_assert_uint_gt(err.column, 0);
}

START_TEST(wrong_steps)
{
    static const struct { const char *step, *message; } table[] = {
        {"{use: mpl, in: n, out: m, as: mlp}", "no architecture plugin of this family has a component 'mpl'"},
        {"{use: moe/mlp, in: n, out: m, as: mlp}", "'moe/mlp'"},
        {"{in: n, out: m}", "a step needs 'use'"},
        {"{use: mlp, in: n, out: m, as: \"mlp.{nobody}\"}", "'mlp.{nobody}': expected {i}, or the name of a dim or of 'each' in braces"},
        {"[mlp]", "expected a step"},
        {"mlp", "expected a step"},
        {"{use: [mlp], in: n, out: m}", "use: expected a string, not list"},
        {"{use: mlp, in: n, out: m, as: 3}", "as: expected a string, not integer"},
        {"{use: mlp, in: n, out: m, id: [a]}", "id: expected a string"},
        {"{use: mlp, in: n, out: m, lives: long}", "'long' is not one of use, step, block, stack, model, caller"},
        {"{use: mlp, in: n, out: m, names: [a]}", "names: expected a mapping"},
        {"{use: mlp, in: n, out: m, names: {up_proj: 3}}", "names: expected a string, not integer"},
        {"{use: mlp, in: n, out: m, intermedate: 3}", "'mlp' has no parameter 'intermedate'"},
        {"{use: mlp, in: n, out: m, intermediate: '3 +'}", "expected a value after '3 +'"},
        {"{use: mlp, in: n, out: m, intermediate: [3]}", "expected an expression, not list"},
        {"{use: mlp, in: n, out: m, intermediate: {a: 3}}", "expected an expression, not mapping"},
        {"{use: mlp, in: n, out: m, when: 'a b'}", "expected an operator or the end after 'a'"},
        {"{use: softcap, in: [n, x], out: m}", "in: 'softcap' has 1 port, not 2"},
        {"{use: add, in: [n, x], out: [m, n]}", "out: 'add' has 1 port, not 2"},
        {"{use: add, in: [n, x, m], out: m}", "in: 'add' has 2 ports, not 3"},
        {"{use: add, in: n, out: m}", "in: 'add' needs its port 'b'"},
        {"{use: mlp, out: m}", "in: 'mlp' needs its port 'x'"},
        {"{use: mlp, in: null, out: m}", "in: 'mlp' needs its port 'x'"},
        {"{use: mlp, in: {y: n}, out: m}", "'mlp' has no port 'y'"},
        {"{use: mlp, in: 3, out: m}", "expected a port, not integer"},
        {"{use: mlp, in: [[n]], out: m}", "expected a port, not list"},
        {"{use: mlp, in: n-1, out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: n if, out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: ' if true', out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: n if true else x y, out: m}", "expected a port after 'else'"},
        {"{use: mlp, in: n if tie ==, out: m}", "expected a value after 'tie =='"},
        {"{use: mlp, in: nowhere, out: m}", "nothing has written the port 'nowhere'"},
        {"{use: mlp, in: n if false, out: m}", "a port that it needs is null"},
        {"{use: dropout, in: n, out: m}", "'dropout' needs the parameter 'p'"},
        {"{use: add, in: [n, x], out: m, scale: 3}", "'add' has no parameter 'scale'"},
        {"{use: linear, in: n, out: m}", "'linear' needs the parameter 'linear_width'"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char rest[512];
        snprintf(rest, sizeof rest, "like: small\nlayer:\n  - {use: rmsnorm, in: x, out: n, as: norm}\n  - %s #!\n  - {use: add, in: [x, m], out: x, id: residual}\n",
                 table[i].step);
        family_fails(rest, "", table[i].message);
    }
}
END_TEST

START_TEST(wrong_keys)
{
    static const struct { const char *rest, *message; } table[] = {
        {"like: small\nlayer_count: 3 #!\n", "layer_count"},
        {"like: small\nlayers: [3] #!\n", "expected an expression, not list"},
        {"like: small\nlayers: num_hidden_layers + #!\n", "expected a value after 'num_hidden_layers +'"},
        {"like: small\nlayers: (1 #!\n", "')'"},
        {"like: small\nat: [a] #!\n", "at: expected"},
        {"like: small\ndims: [hidden] #!\n", "dims: expected"},
        {"like: small\ndims: {hidden: i} #!\n", "dims.hidden: a dim cannot depend on the layer"},
        {"like: small\neach: {e: i}\ndims: {hidden: e} #!\n", "a dim cannot depend on the layer"},
        {"like: small\ndims: {hidden: hidden} #!\n", "'hidden' depends on itself"},
        {"like: small\ndims:\n  hidden: a\n  a: b #!\n  b: hidden\n", "depends on itself"},
        {"like: small\neach: {e: e} #!\nedit: [{set: mlp, step: {intermediate: e}}]\n", "'e' depends on itself"},
        {"like: small\ndims: {hidden: len(3)} #!\n", "len()"},
        {"like: small\ndims: {hidden: 9223372036854775807 + 1} #!\n", "64 bits"},
        {"like: small\ndims: {hidden: 7 // 0} #!\n", "divides by zero"},
        {"like: small\nedit: [{remove: nothing}] #!\n", "edit: no step has the id 'nothing'"},
        {"like: small\nedit: [{remove: mlp, set: mlp}] #!\n", "edit: expected one of replace, insert, append, remove, set"},
        {"like: small\nedit: [{remove: mlp, step: {use: mlp}}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{set: mlp}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{step: {use: mlp}}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{delete: mlp}] #!\n", "delete"},
        {"like: small\nedit: [remove] #!\n", "edit"},
        {"like: small\nedit: [{set: mlp, step: [a]}] #!\n", "step: expected"},
        {"like: small\nclasses: [A] #!\n", "classes: expected"},
        {"like: small\nclasses: {A: 3} #!\n", "classes: expected a string"},
        {"like: small\nauto: {A: 3} #!\n", "auto: expected a task"},
        {"like: small\narchitecture: [3] #!\n", "architecture: expected a string"},
        {"like: small\nnullable: [3] #!\n", "nullable: expected a string"},
        {"like: small\naliases: {a: 3} #!\n", "aliases: expected a string"},
        {"like: small\nsymbols: {B: 3} #!\n", "symbols: expected a string"},
        {"like: small\ninputs: {ids: {shape: [Q], dtype: int64}} #!\n", "'Q' is not one of the symbols"},
        {"like: small\ninputs: {ids: {shape: [B], dtype: int65}} #!\n", "dtype: expected model, float32"},
        {"like: small\ninputs: {ids: {shape: [B, S, B, S, B, S, B], dtype: int64}} #!\n", "at most 6 extents"},
        {"like: small\ninputs: {ids: {shape: [B]}} #!\n", "dtype"},
        {"like: small\ninputs: {ids: {shape: [B], dtype: int64, extra: 1}} #!\n", "extra"},
        {"like: small\nbuffers: [{name: b, shape: ['x +'], dtype: bool}] #!\n", "expected a value after 'x +'"},
        {"like: small\nbuffers: [{name: b, shape: [1], dtype: float}] #!\n", "dtype: expected model, float32"},
        {"like: small\nbuffers: [{name: b, shape: [0], dtype: bool}] #!\n", "an extent of the buffer b is 0, expected an integer of 1 or more"},
        {"like: small\nbuffers: [{name: b, shape: [1, 1, 1, 1, 1, 1, 1], dtype: bool}] #!\n", "at most 6 extents"},
        {"like: small\nbuffers: [{shape: [1], dtype: bool}] #!\n", "name"},
        {"like: small\nrequire: [{that: 'a +', say: no}] #!\n", "expected a value after 'a +'"},
        {"like: small\nrequire: [{that: true}] #!\n", "say"},
        {"like: small\nrequire: [true] #!\n", "require"},
        {"like: small\nwarn: [{that: true}] #!\n", "say"},
        {"like: small\nunchecked: [] #!\n", "unchecked"},
        {"like: small\ncheckpoint: [{as: a}] #!\n", "expected one of tensor and first"},
        {"like: small\ncheckpoint: [{first: a, tensor: b, as: a}] #!\n", "expected one of tensor and first"},
        {"like: small\ncheckpoint: [{first: a, as: [b]}] #!\n", "one name where it is first"},
        {"like: small\ncheckpoint: [{tensor: a, as: [3]}] #!\n", "expected a name"},
        {"like: small\nstacks: [] #!\n", "stacks: expected 1 to 16"},
        {"like: small\nstacks: [{layers: 1, at: a, layer: [], before_: []}] #!\n", "before_"},
        {"like: small\nlayer:\n  - {use: mlp, in: x, out: x, as: a, as: b} #!\n", "as"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        family_fails(table[i].rest, "", table[i].message);
}
END_TEST

START_TEST(families_without)
{
    static const char *const key[] = {"architecture", "classes", "symbols", "layers", "at"};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        char rest[4096] = SMALL_REST, say[64], *line = strstr(rest, key[i]);
        gpumem_error err = {0};
        if (strcmp(key[i], "layers") == 0)
            line = strstr(rest, "\nlayers:") + 1;
        else if (strcmp(key[i], "at") == 0)
            line = strstr(rest, "\nat:") + 1;
        memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n')));
        family("without", rest);
        host_again();
        ck_assert_ptr_null(model_new("{\"model_type\": \"without\"}", NULL, &err));
        snprintf(say, sizeof say, "a family needs '%s'", key[i]);
        ck_assert_msg(strstr(err.message, say) != NULL, "%s: %s", key[i], error_text(&err));
        ck_assert_str_eq(err.file, fixture_path(&f, "family/without.yaml"));
        ck_assert_int_eq(err.status, GPUMEM_EPLUGIN);
    }
}
END_TEST

/* ---- wrong configs: the key is named ---------------------------------------------------------------------------------------- */

START_TEST(wrong_values)
{
    static const struct { const char *json, *message; } table[] = {
        {"{}", "'model_type' is missing"},
        {"{\"model_type\": 3}", "model_type is not a string"},
        {"{\"model_type\": null}", "model_type is not a string"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 0}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": -1}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 100001}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 2147483648}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": \"four\"}", "num_hidden_layers is \"four\", expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 4.5}", "num_hidden_layers is 4.5, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": true}", "num_hidden_layers is true, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": null}", "num_hidden_layers is null, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": [4]}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": {\"a\": 4}}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"hidden_size\": 0}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": -8}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": 2147483648}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": 9223372036854775807}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": \"8\"}", "hidden_size is \"8\", expected an integer"},
        {"{\"model_type\": \"small\", \"hidden_size\": null}", "hidden_size is null, expected an integer"},
        {"{\"model_type\": \"small\", \"hidden_size\": NaN}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": Infinity}", "hidden_size"},
        {"{\"model_type\": \"small\", \"n_embd\": \"wide\"}", "n_embd is \"wide\", expected an integer"},
        {"{\"model_type\": \"small\", \"intermediate_size\": 0}", "intermediate_size"},
        {"{\"model_type\": \"small\", \"vocab_size\": []}", "vocab_size"},
        {"{\"model_type\": \"small\", \"hidden_act\": 3}", "hidden_act is 3, expected a string"},
        {"{\"model_type\": \"small\", \"hidden_act\": \"sulu\"}", "activation function"},
        {"{\"model_type\": \"small\", \"tie\": \"yes\"}", "tie is \"yes\", expected true or false"},
        {"{\"model_type\": \"small\", \"tie\": 1}", "tie is 1, expected true or false"},
        /* of real families */
        {"{\"model_type\": \"llama\", \"hidden_size\": 100, \"num_attention_heads\": 32}", "hidden_size must be a multiple of num_attention_heads"},
        {"{\"model_type\": \"llama\", \"num_attention_heads\": 0}", "num_attention_heads"},
        {"{\"model_type\": \"llama\", \"num_key_value_heads\": 0}", "num_key_value_heads"},
        {"{\"model_type\": \"llama\", \"num_key_value_heads\": -1}", "num_key_value_heads"},
        {"{\"model_type\": \"llama\", \"head_dim\": 0}", "head_dim"},
        {"{\"model_type\": \"llama\", \"head_dim\": \"64\"}", "head_dim"},
        {"{\"model_type\": \"llama\", \"attention_bias\": 3}", "attention_bias is 3, expected true or false"},
        {"{\"model_type\": \"gemma2\", \"layer_types\": [\"full_attention\"]}", "layer_types must have num_hidden_layers entries"},
        {"{\"model_type\": \"gemma2\", \"layer_types\": 3}", "layer_types"},
        {"{\"model_type\": \"mixtral\", \"num_local_experts\": 0}", "num_local_experts"},
        {"{\"model_type\": \"gpt2\", \"n_layer\": 0}", "n_layer"},
        {"{\"model_type\": \"phi\", \"rope_parameters\": {\"partial_rotary_factor\": \"half\"}}", "rope_parameters"},
        {"{\"model_type\": \"phi\", \"resid_pdrop\": 1.5}", "dropout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        model_fails(table[i].json, GPUMEM_ECONFIG, table[i].message);
}
END_TEST

START_TEST(missing_keys)
{
    family("bare", "like: small\ndefaults: {vocab_size: 16, intermediate_size: 12, hidden_act: silu, tie: false}\n");
    model_fails("{\"model_type\": \"bare\"}", GPUMEM_ECONFIG, "the key 'hidden_size' is missing");
    model_fails("{\"model_type\": \"bare\", \"hidden_size\": 8}", GPUMEM_ECONFIG, "the key 'num_hidden_layers' is missing");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"bare\", \"hidden_size\": 8, \"num_hidden_layers\": 4}"), 4 * LAYER + AROUND);
}
END_TEST

START_TEST(broken_json)
{
    model_fails("{\"model_type\": \"small\", \"hidden_size\": 9223372036854775808}", GPUMEM_ESYNTAX, "a.json:1");
    model_fails("{\"model_type\": \"small\",, }", GPUMEM_ESYNTAX, "a.json:1");
    model_fails("[]", GPUMEM_ECONFIG, "expected a JSON object, not list");
    model_fails("", GPUMEM_ESYNTAX, "a.json");
}
END_TEST

START_TEST(overflow_is_an_error)
{
    /* Each dimension is a legal size, the product of three is not a number of parameters. */
    family("wide", "like: small\nlayer:\n  - {use: linear, in: x, out: x, as: a, linear_width: hidden}\n");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"vocab_size\": 1, \"num_hidden_layers\": 1, \"tie\": true}"),
                      2147483647ull * 2147483647 + 2 * 2147483647ull);
    model_fails("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"num_hidden_layers\": 5}", GPUMEM_ECONFIG, "does not fit in 64 bits");
    model_fails("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"num_hidden_layers\": 100000}", GPUMEM_ECONFIG, "does not fit in 64 bits");
    family("product", "like: small\ndims: {hidden: hidden_size * hidden_size * hidden_size}\n");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2147483647}", GPUMEM_ECONFIG, "64 bits");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2147483647}", GPUMEM_ECONFIG, "hidden_size");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2000}", GPUMEM_ECONFIG, "hidden_size");
    model_fails("{\"model_type\": \"llama\", \"hidden_size\": 2147483647, \"num_attention_heads\": 1, \"num_key_value_heads\": 2147483647}",
                GPUMEM_ECONFIG, "attention");
}
END_TEST

START_TEST(unknown_types)
{
    gpumem_error err = {0};
    gpumem_model_options options = {.class_name = "LlamaForCausalM"};
    model_fails("{\"model_type\": \"lama\"}", GPUMEM_EMODEL, "unknown model type 'lama'");
    model_fails("{\"model_type\": \"lama\"}", GPUMEM_EMODEL, "did you mean llama");
    model_fails("{\"model_type\": \"../small\"}", GPUMEM_EMODEL, "unknown model type");
    model_fails("{\"model_type\": \"\"}", GPUMEM_EMODEL, "unknown model type");
    ck_assert_ptr_null(model_new("{\"model_type\": \"llama\"}", &options, &err));
    ck_assert_int_eq(err.status, GPUMEM_EUNKNOWN);
    ck_assert(strstr(error_text(&err), "LlamaForCausalM") && strstr(error_text(&err), "LlamaForCausalLM"));
}
END_TEST

START_TEST(requirements)
{
    family("strict", "like: small\nrequire:\n  - {that: hidden_size % 4 == 0, say: hidden_size must be a multiple of 4}\n"
                     "  - {that: vocab_size > hidden_size, say: too few words}\n");
    model_fails("{\"model_type\": \"strict\", \"hidden_size\": 6, \"vocab_size\": 2}", GPUMEM_ECONFIG, "a.json: hidden_size must be a multiple of 4");
    model_fails("{\"model_type\": \"strict\", \"hidden_size\": 6}", GPUMEM_ECONFIG, "strict.yaml:8");
    model_fails("{\"model_type\": \"strict\", \"vocab_size\": 2}", GPUMEM_ECONFIG, "too few words");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"strict\"}"), 4 * LAYER + AROUND);
    family("stricter", "like: strict\nrequire:\n  - {that: tie, say: must be tied}\n"); /* added, not replaced */
    model_fails("{\"model_type\": \"stricter\", \"vocab_size\": 2}", GPUMEM_ECONFIG, "too few words");
    model_fails("{\"model_type\": \"stricter\"}", GPUMEM_ECONFIG, "must be tied");
}
END_TEST

/* What is counted with a warning: a condition that does not hold, a family that nobody checked; each sentence once. */
START_TEST(warnings_of_a_family)
{
    const char *const *warning;
    gpumem_model *m;
    family("odd", "like: small\nwarn:\n  - {that: hidden_size % 4 == 0, say: odd}\n  - {that: vocab_size > hidden_size, say: few words}\n");
    family("odder", "like: odd\nunchecked: not compared\nwarn:\n  - {that: not tie, say: odd}\n"); /* added, not replaced */
    m = model_of("{\"model_type\": \"odd\"}");
    ck_assert_uint_eq(gpumem_model_warnings(m, &warning), 0);
    gpumem_model_free(m);
    m = model_of("{\"model_type\": \"odder\", \"hidden_size\": 6, \"vocab_size\": 3, \"tie\": true}");
    ck_assert_uint_eq(gpumem_model_warnings(m, &warning), 3);
    ck_assert_str_eq(warning[0], "not compared");
    ck_assert_str_eq(warning[1], "odd");
    ck_assert_str_eq(warning[2], "few words");
    gpumem_model_free(m);
    family("wrong", "like: small\nwarn:\n  - {that: hidden_size // 0 == 1, say: never}\n");
    model_fails("{\"model_type\": \"wrong\"}", GPUMEM_ECONFIG, "hidden_size");
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

/* ---- components that emit what makes no sense ------------------------------------------------------------------------------------- */

static void emits(const char *what)
{
    char rest[512];
    if (access(fixture_path(&f, "architecture/emits/emits.so"), F_OK) != 0) /* one that is open must not change */
        fixture_copy(&f, "architecture/emits/emits.so", "emits.so");
    fixture_manifest(&f, "architecture/emits/manifest.yaml", "architecture", "emits", "library: emits.so\ncomponents: [emit]\n");
    snprintf(rest, sizeof rest, "like: small\narchitecture: [transformer, emits]\nlayer:\n  - {use: emit, in: x, out: x, as: a, what: \"'%s'\"}\n", what);
    family("emitting", rest);
    host_again();
}

START_TEST(emitted_nonsense)
{
    static const struct { const char *what, *message; } table[] = {
        {"name", "a tensor's name is outside of the string table"},
        {"open name", "an operator's name is outside of the string table"},
        {"role", "a role, family, dtype, scope or lifetime that there is not"},
        {"family", "a role, family, dtype, scope or lifetime that there is not"},
        {"dtype", "a role, family, dtype, scope or lifetime that there is not"},
        {"scope", "a role, family, dtype, scope or lifetime that there is not"},
        {"lives", "a role, family, dtype, scope or lifetime that there is not"},
        {"input", "a tensor is an input, which only the family can declare"},
        {"ndim", "too many dimensions"},
        {"storage", "shares the bytes of one that is not before it"},
        {"later storage", "shares the bytes of one that is not before it"},
        {"symbol of a dim", "a symbol or an axis that there is not"},
        {"axis", "a symbol or an axis that there is not"},
        {"weight by tokens", "an extent that depends on the input"},
        {"op name", "an operator's name is outside of the string table"},
        {"op kind", "a kind that there is not"},
        {"operands", "too many operands"},
        {"operand", "too many operands"},
        {"operand tensor", "an operand is no tensor"},
        {"rule", "an operator's rule is none that was given"},
        {"other without rule", "has no rule"},
        {"symbol of later", "a symbol is derived from none that is before it"},
        {"symbol of one", "a symbol is derived from none that is before it"},
        {"symbol input", "a symbol is derived from none that is before it"},
        {"symbol by zero", "a symbol is divided by 0"},
        {"backwards", "its counts went backwards"},
        {"beyond", "its counts went backwards, or beyond"},
        {"strings beyond", "its counts went backwards, or beyond"},
        {"output", "an output is no tensor"},
        {"no output", "it gives nothing for its port 'y'"},
        {"own", "too many tensors of its own"},
        {"kept", "too many tensors of its own"},
        {"moments", "too many tensors of its own, or too many moments"},
        {"grad", "a gradient or an order that there is not"},
        {"out", "an output that there is not"},
        {"own size", "no sensible size"},
        {"own like", "no sensible size"},
        {"moment", "a moment that there is not"},
        {"never enough", "the component failed"},
        {"nonsense", "the component failed"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_error err = {0};
        emits(table[i].what);
        ck_assert_msg(model_new("{\"model_type\": \"emitting\"}", NULL, &err) == NULL, "%s", table[i].what);
        ck_assert_msg(strstr(err.message, table[i].message) != NULL, "%s: %s", table[i].what, error_text(&err));
        ck_assert_int_eq(err.status, GPUMEM_EPLUGIN);
        ck_assert_str_eq(err.file, fixture_path(&f, "family/emitting.yaml"));
        ck_assert_uint_eq(err.line, 9);
    }
}
END_TEST

START_TEST(emitted_refusals)
{
    emits("nothing wrong");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"emitting\"}"), 4 * 2 + AROUND);
    emits("much");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"emitting\"}"), 4 * (2 + 3000 * 15) + AROUND);
    emits("zero");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: a dimension is 0, or beyond 2^32 - 1");
    emits("reason");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: this cannot be");
    emits("no reason");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: a size makes no sense here");
    emits("unsupported");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_EUNSUP, "a.json: emit: nobody can count this");
}
END_TEST

static TCase *tests(Suite *s, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, small, host_drop);
    suite_add_tcase(s, c);
    return c;
}

int main(void)
{
    Suite *s = suite_create("model");
    TCase *c = tests(s, "runs");
    tcase_add_test(c, runs);
    tcase_add_test(c, runs_cover_any_sequence);
    tcase_add_test(c, runs_of_long_periods);
    c = tests(s, "blocks and ports");
    tcase_add_test(c, small_family);
    tcase_add_test(c, tied);
    tcase_add_test(c, wires_follow_the_layer);
    tcase_add_test(c, weights_of_several_layers);
    tcase_add_test(c, a_read_after_a_write_stays_inside);
    tcase_add_test(c, steps_are_numbered);
    c = tests(s, "like and edit");
    tcase_add_test(c, edits);
    tcase_add_test(c, like_merges);
    tcase_add_test(c, like_chains);
    tcase_add_test(c, stacks);
    c = tests(s, "wrong families");
    tcase_add_test(c, wrong_steps);
    tcase_add_test(c, wrong_keys);
    tcase_add_test(c, families_without);
    c = tests(s, "wrong configs");
    tcase_add_test(c, wrong_values);
    tcase_add_test(c, missing_keys);
    tcase_add_test(c, broken_json);
    tcase_add_test(c, overflow_is_an_error);
    tcase_add_test(c, unknown_types);
    tcase_add_test(c, requirements);
    tcase_add_test(c, warnings_of_a_family);
    tcase_add_test(c, names_in_checkpoints);
    c = tests(s, "keys and classes");
    tcase_add_test(c, keys);
    tcase_add_test(c, descends);
    tcase_add_test(c, like_option);
    tcase_add_test(c, classes);
    c = tests(s, "depth");
    tcase_add_test(c, depth_costs_nothing);
    tcase_add_test(c, patterns);
    tcase_add_test(c, windows_are_where_they_are);
    tcase_add_test(c, layers_that_differ);
    c = tests(s, "emitted");
    tcase_add_test(c, emitted_nonsense);
    tcase_add_test(c, emitted_refusals);
    c = tests(s, "freezing and buffers");
    tcase_add_test(c, freezing);
    tcase_add_test(c, buffers);
    return run_suite(s);
}
