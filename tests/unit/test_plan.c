/* core/plan: from a model, a set and a request to bytes. */
#include "allocator.h"
#include "models.h"

/* ---- making plans ----------------------------------------------------------------------------------------------------------- */

static gpumem_plan *plan_new(const gpumem_model *model, const char *set_name, const gpumem_request *request, gpumem_error *err)
{
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    if (gpumem_set_open(host, set_name, &set, err) == GPUMEM_OK)
        gpumem_plan_new(host, model, set, request, &plan, err);
    gpumem_set_free(set); /* a plan does not need it */
    return plan;
}

static gpumem_plan *plan_of(const gpumem_model *model, const char *set_name, gpumem_request request)
{
    gpumem_error err = {0};
    gpumem_plan *plan = plan_new(model, set_name, &request, &err);
    ck_assert_msg(plan != NULL, "%s", error_text(&err));
    return plan;
}

static void plan_fails(const char *set_name, gpumem_request request, gpumem_status status, const char *message)
{
    gpumem_error err = {0};
    gpumem_model *model = model_of("{\"model_type\": \"small\"}");
    ck_assert_msg(plan_new(model, set_name, &request, &err) == NULL, "no error, but expected: %s", message);
    if (getenv("GM_SHOW"))
        printf("%s\n", error_text(&err));
    ck_assert_msg(strstr(error_text(&err), message) != NULL, "'%s' is not in: %s", message, error_text(&err));
    ck_assert_msg(err.status == status, "status %d, not %d: %s", err.status, status, error_text(&err));
    gpumem_model_free(model);
}

static gpumem_result result_of(const gpumem_plan *plan, uint64_t batch, uint64_t tokens)
{
    gpumem_result r;
    gpumem_error err = {0};
    gpumem_plan_evaluate(plan, &(gpumem_point){batch, tokens}, &r, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s", error_text(&err));
    return r;
}

/* The bytes of a part; UINT64_MAX: it has no line. */
static uint64_t part(const gpumem_plan *plan, const gpumem_result *r, const char *name)
{
    const gpumem_line *line;
    size_t n = gpumem_plan_lines(plan, &line);
    for (size_t i = 0; i < n; i++)
        if (strcmp(line[i].part, name) == 0)
            return r->line[i];
    return UINT64_MAX;
}

static const char *name_of(const gpumem_plan *plan, const char *part_name)
{
    const gpumem_line *line;
    size_t n = gpumem_plan_lines(plan, &line);
    for (size_t i = 0; i < n; i++)
        if (strcmp(line[i].part, part_name) == 0)
            return line[i].name;
    return "";
}

/* ---- a small model -------------------------------------------------------------------------------------------------------------- */

/* Words x 200, then layers of a norm and a square matrix: every size is easily counted by hand. */
#define SMALL "architecture: [transformer]\nclasses: {SmallModel: base}\nsymbols: {B: batch, S: tokens}\n" \
    "inputs: {ids: {shape: [B, S], dtype: int64}}\ndefaults: {hidden_size: 200, num_hidden_layers: 3, vocab_size: 130, positions: 500}\n" \
    "dims: {hidden: hidden_size, vocab: vocab_size, layers: num_hidden_layers, positions: k('positions')}\n" \
    "buffers: [{name: mask, shape: [10, 10], dtype: bool}, {name: table, shape: [5], dtype: model}]\n" \
    "before: [{use: embed, in: ids, out: x, as: embed}]\nlayers: layers\nat: 'layers.{i}'\n" \
    "layer: [{use: rmsnorm, in: x, out: x, as: norm}, {use: linear, in: x, out: x, as: matrix, linear_width: hidden}]\n"
enum { V = 130, H = 200, L = 3, PARAMETERS = V * H + L * (H + H * H) };

#define PLAIN(rounding, counts, precision) "precision: {default: " precision "}\noptimizer: {default: sgd}\nactivation: {default: null}\nrounding: " rounding \
    "\ncount: [" counts "]\ntokens: {training: 300, inference: 700}\n"

static void setup(void)
{
    host_make();
    fixture_manifest(&f, "family/small.yaml", "family", "small", SMALL);
    fixture_manifest(&f, "set/plain.yaml", "set", "plain", PLAIN("1", "weights, buffers, gradients, inputs", "bf16"));
    fixture_manifest(&f, "set/rounded.yaml", "set", "rounded", PLAIN("512", "weights, buffers, gradients, inputs", "bf16"));
}

static uint64_t up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

START_TEST(what_a_description_holds)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, "plain", (gpumem_request){0});
    gpumem_result r = result_of(p, 2, 100);
    ck_assert_uint_eq(gpumem_model_parameters(m), PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "weights"), 2 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "buffers"), 100 + 2 * 5);
    ck_assert_uint_eq(part(p, &r, "gradients"), 2 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "input"), 2 * 100 * 8);
    ck_assert_uint_eq(part(p, &r, "optimizer"), UINT64_MAX); /* sgd has none */
    ck_assert_uint_eq(r.weights, 2 * PARAMETERS + 110);
    ck_assert_uint_eq(r.between_steps, 2 * PARAMETERS + 110 + 1600);
    ck_assert_uint_eq(r.phase[0], 2 * PARAMETERS + 110 + 1600);
    ck_assert_uint_eq(r.phase[1], 4 * PARAMETERS + 110 + 1600);
    ck_assert(!gpumem_plan_complete(p));
    gpumem_plan_free(p);
    p = plan_of(m, "plain", (gpumem_request){.accumulation = 2}); /* the second forward finds gradients */
    r = result_of(p, 2, 100);
    ck_assert_uint_eq(r.phase[0], 4 * PARAMETERS + 110 + 1600);
    ck_assert_uint_eq(r.between_steps, 2 * PARAMETERS + 110 + 1600);
    gpumem_plan_free(p);
    p = plan_of(m, "plain", (gpumem_request){.mode = GPUMEM_MODE_INFERENCE});
    r = result_of(p, 2, 100);
    ck_assert_uint_eq(part(p, &r, "weights"), 2 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "gradients"), UINT64_MAX);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(rounding)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, "rounded", (gpumem_request){.optimizer = "adamw"});
    gpumem_result r = result_of(p, 1, 100);
    uint64_t weights = up(2 * V * H, 512) + L * (up(2 * H, 512) + up(2 * H * H, 512));
    ck_assert_uint_eq(part(p, &r, "weights"), weights);
    ck_assert_uint_eq(part(p, &r, "buffers"), 512 + 512);
    ck_assert_uint_eq(part(p, &r, "gradients"), weights);
    ck_assert_uint_eq(part(p, &r, "input"), 1024);
    ck_assert_uint_eq(part(p, &r, "optimizer"), 2 * weights + (1 + 2 * L) * 512); /* two states, and a step for each of 7 tensors */
    ck_assert_uint_eq(part(p, &r, "optimizer.exp_avg"), weights);
    ck_assert_uint_eq(part(p, &r, "optimizer.step"), (1 + 2 * L) * 512);
    gpumem_plan_free(p);
    p = plan_of(m, "rounded", (gpumem_request){.optimizer = "adamw", .implementation = "foreach"}); /* steps are on the CPU */
    r = result_of(p, 1, 100);
    ck_assert_uint_eq(part(p, &r, "optimizer"), 2 * weights);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(precisions)
{
    static const struct { const char *name; unsigned bits, gradient; } table[] = {
        {"fp32", 32, 32}, {"fp16", 16, 16}, {"bf16", 16, 16}, {"classic-int8", 8, 8}, {"classic-int4", 4, 4}, {"amp-bf16", 32, 32}, {"amp-fp16", 32, 32}};
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_plan *p = plan_of(m, "plain", (gpumem_request){.precision = table[i].name});
        gpumem_result r = result_of(p, 1, 1);
        ck_assert_uint_eq(part(p, &r, "weights"), (uint64_t)PARAMETERS * table[i].bits / 8);
        ck_assert_uint_eq(part(p, &r, "gradients"), (uint64_t)PARAMETERS * table[i].gradient / 8);
        ck_assert_uint_eq(part(p, &r, "buffers"), 100 + (5 * table[i].bits + 7) / 8);
        ck_assert_str_eq(gpumem_plan_request(p)->precision, table[i].name);
        gpumem_plan_free(p);
    }
    gpumem_model_free(m);
}
END_TEST

START_TEST(frozen_parameters_have_no_gradient)
{
    gpumem_model_options options = {.freeze = "embed|layers.1."};
    gpumem_error err = {0};
    gpumem_model *m = model_new("{\"model_type\": \"small\"}", &options, &err);
    gpumem_plan *p = plan_of(m, "plain", (gpumem_request){.optimizer = "adamw", .implementation = "foreach"});
    gpumem_result r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "weights"), 2 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "gradients"), 2 * (L - 1) * (H + H * H));
    ck_assert_uint_eq(part(p, &r, "optimizer"), 4 * (L - 1) * (H + H * H));
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(states_of_all_shapes)
{
    /* "plain", not rounded: V x H words are 26000 elements, a matrix 40000, a norm 200. */
    static const struct { const char *optimizer, *implementation; uint64_t bytes; } table[] = {
        {"muon", "foreach", 2 * L * H * H + 2 * 2 * (V * H + L * H)}, /* the matrices; AdamW: words and norms */
        {"muon", "fused", 2 * L * H * H + 2 * 2 * (V * H + L * H) + 4 * (1 + L)},
        {"adamw-8bit", NULL, 2 * (V * H + 4 * 102 + L * (H * H + 4 * 157 + 4 * H)) + 2 * 4 * 256}, /* norms are below 4096 */
        {"paged-adamw-8bit", NULL, 2 * (V * H + 4 * 102 + L * (H * H + 4 * 157 + 4 * H)) + 2 * 4 * 256},
        {"paged-adamw", NULL, 2 * 4 * PARAMETERS},
        {"galore", "for-loop", 2 * L * 3 * 128 * H + 2 * 2 * (V * H + L * H)},
        {"soap", NULL, 2 * 2 * PARAMETERS + 2 * 2 * (V * V + H * H + L * 2 * H * H)},
        {"scalable-shampoo", NULL, 2 * 2 * PARAMETERS + 2 * 4 * (V * V + H * H + L * 2 * H * H)}, /* norms are no larger than a block */
    };
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_plan *p = plan_of(m, "plain", (gpumem_request){.optimizer = table[i].optimizer, .implementation = table[i].implementation});
        gpumem_result r = result_of(p, 1, 1);
        ck_assert_msg(part(p, &r, "optimizer") == table[i].bytes, "%s: %llu, not %llu", table[i].optimizer,
                      (unsigned long long)part(p, &r, "optimizer"), (unsigned long long)table[i].bytes);
        gpumem_plan_free(p);
    }
    gpumem_model_free(m);
    m = model_of("{\"model_type\": \"small\", \"vocab_size\": 500}"); /* 100000 elements of words: they are paged */
    gpumem_plan *p = plan_of(m, "plain", (gpumem_request){.optimizer = "paged-adamw"});
    gpumem_result r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "optimizer"), 2 * 4 * (PARAMETERS - V * H));
    gpumem_plan_free(p);
    gpumem_model_free(m);
    plan_fails("plain", (gpumem_request){.optimizer = "sparse-adam"}, GPUMEM_EUNSUP, "take adam");
}
END_TEST

static void ema(const char *rest, const char *step)
{
    fixture_manifest(&f, "optimizer/ema/manifest.yaml", "optimizer", "ema", rest);
    if (step)
        fixture_write(&f, "optimizer/ema/step.yaml", step);
    host_again();
}
#define EMA "use: states\nwith: {tensor: [m]}\nimplementations: [fused, foreach, for-loop]\n"

/* Words and L matrices and norms, as the small family has them; "plain" does not round. */
START_TEST(what_a_step_makes)
{
    static const struct { const char *optimizer, *implementation; uint64_t bytes; } table[] = {
        {"adamw", "fused", 0}, {"adamw", "foreach", 2 * PARAMETERS}, {"sgd-momentum", "foreach", 0}, {"ema", "foreach", 2 * PARAMETERS}, {"ema", "fused", 0}, {"ema", "for-loop", 0}};
    ema(EMA "step: step.yaml\n", "step:\n  foreach: |\n    a = add(m)\n  for-loop: \"\"\n");
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_plan *p = plan_of(m, "plain", (gpumem_request){.optimizer = table[i].optimizer, .implementation = table[i].implementation});
        gpumem_result r = result_of(p, 1, 1);
        ck_assert_msg(r.phase[2] - part(p, &r, "weights") - part(p, &r, "buffers") - part(p, &r, "gradients") - part(p, &r, "optimizer") - part(p, &r, "input") == table[i].bytes,
                      "%s %s", table[i].optimizer, table[i].implementation);
        ck_assert(gpumem_plan_warning(p) == NULL || strstr(gpumem_plan_warning(p), "temporaries") == NULL);
        gpumem_plan_free(p);
    }
    gpumem_model_free(m);
}
END_TEST

START_TEST(what_is_not_described)
{
    static const char *const warning = "the temporaries of ema's step are not described";
    gpumem_plan *p;
    gpumem_model *m;
    ema(EMA, NULL);
    m = model_of("{\"model_type\": \"small\"}");
    p = plan_of(m, "plain", (gpumem_request){.optimizer = "ema", .implementation = "fused"});
    ck_assert(gpumem_plan_warning(p) == NULL || strstr(gpumem_plan_warning(p), warning) == NULL);
    gpumem_plan_free(p);
    p = plan_of(m, "plain", (gpumem_request){.optimizer = "ema", .implementation = "foreach"});
    ck_assert(gpumem_plan_warning(p) && strstr(gpumem_plan_warning(p), warning));
    gpumem_plan_free(p);
    gpumem_model_free(m);
    ema(EMA "step: step.yaml\n", "step:\n  foreach: |\n    a = add(m)\n");
    m = model_of("{\"model_type\": \"small\"}");
    p = plan_of(m, "plain", (gpumem_request){.optimizer = "ema", .implementation = "for-loop"});
    ck_assert(gpumem_plan_warning(p) && strstr(gpumem_plan_warning(p), warning));
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(wrong_steps)
{
    static const struct { const char *step, *message; } table[] = {
        {"step:\n  foreach: |\n    a = add(m)\n\n    b = ad(m)\n", "step.yaml:5:9: there is no word 'ad' [did you mean"},
        {"step:\n  foreach: \"a = x\"\n", "step.yaml:2:17: there is no 'x' here"}, {"step:\n  for-each: \"\"\n", "step.yaml:2:3: step: unknown key 'for-each'"},
        {"steps: {}\n", "step.yaml:1:1: unknown key 'steps'"}, {"step: {foreach: 3}\n", "step.foreach: expected string, not integer"}, {"- a\n", "expected mapping, not list"}, {"a: [", "step.yaml:"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ema(EMA "step: step.yaml\n", table[i].step);
        plan_fails("plain", (gpumem_request){.optimizer = "ema", .implementation = "foreach"}, GPUMEM_EPLUGIN, table[i].message);
    }
    ema(EMA "step: none.yaml\n", NULL);
    plan_fails("plain", (gpumem_request){.optimizer = "ema", .implementation = "foreach"}, GPUMEM_EIO, "none.yaml");
    ema(EMA "step: ../step.yaml\n", NULL);
    plan_fails("plain", (gpumem_request){.optimizer = "ema"}, GPUMEM_EPLUGIN, "'../step.yaml' is not the name of a file beside the manifest");
}
END_TEST

/* ---- formats of several parts --------------------------------------------------------------------------------------------------- */

static void precision(const char *id, const char *format)
{
    char name[64], rest[512];
    snprintf(name, sizeof name, "precision/%s/manifest.yaml", id);
    snprintf(rest, sizeof rest, "use: uniform\nwith: {weight: w, gradient: bf16, activation: bf16, compute: bf16}\nformats: {w: %s}\n", format);
    fixture_manifest(&f, name, "precision", id, rest);
}

/* One tensor is [rows, cols], a vector [1, cols]. */
static uint64_t weights_with(const char *set_name, const char *id)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, set_name, (gpumem_request){.precision = id});
    gpumem_result r = result_of(p, 1, 1);
    uint64_t n = part(p, &r, "weights");
    ck_assert_uint_eq(part(p, &r, "gradients"), set_name[0] == 'p' ? 2 * PARAMETERS : up(2 * V * H, 512) + L * (up(2 * H, 512) + up(2 * H * H, 512)));
    gpumem_plan_free(p);
    gpumem_model_free(m);
    return n;
}

START_TEST(formats)
{
    precision("fp8-block", "[{bits: 8}, {bits: 32, rows: 128, cols: 128}]");
    /* scales: 130 x 200 is 2 x 2 blocks, a vector 1 x 2, 200 x 200 again 2 x 2 */
    ck_assert_uint_eq(weights_with("plain", "fp8-block"), 130 * 200 + 4 * 4 + 3 * (200 + 2 * 4 + 200 * 200 + 4 * 4));
    ck_assert_uint_eq(weights_with("rounded", "fp8-block"), up(130 * 200, 512) + 512 + 3 * (512 + 512 + up(200 * 200, 512) + 512));
    precision("int4-group", "[{bits: 4}, {bits: 16, cols: 128}]");
    /* a scale for each group of 128 in a row: 2 a row */
    ck_assert_uint_eq(weights_with("plain", "int4-group"), 130 * 200 / 2 + 130 * 2 * 2 + 3 * (200 / 2 + 2 * 2 + 200 * 200 / 2 + 200 * 2 * 2));
    precision("nf4-double", "[{bits: 4}, {bits: 8, cols: 64}, {bits: 32, cols: 16384, fixed: 4}]");
    ck_assert_uint_eq(weights_with("plain", "nf4-double"),
                      130 * 100 + 130 * 4 + 130 * 4 + 4 + 3 * (100 + 4 + 4 + 4 + 200 * 100 + 200 * 4 + 200 * 4 + 4));
    precision("three-bits", "[{bits: 3}]");
    ck_assert_uint_eq(weights_with("plain", "three-bits"), 130 * 200 * 3 / 8 + 3 * (200 * 3 / 8 + 200 * 200 * 3 / 8));
    precision("seven-bits", "[{bits: 7, rows: 3}]"); /* 44 x 200, 1 x 200, 67 x 200 */
    ck_assert_uint_eq(weights_with("plain", "seven-bits"), 44 * 200 * 7 / 8 + 3 * (200 * 7 / 8 + 67 * 200 * 7 / 8));
    precision("fixed", "[{bits: 16, fixed: 100}]");
    ck_assert_uint_eq(weights_with("plain", "fixed"), 2 * PARAMETERS + 7 * 100);
}
END_TEST

START_TEST(bytes_are_whole)
{
    gpumem_model *m;
    gpumem_plan *p;
    gpumem_result r;
    precision("three-bits", "[{bits: 3}]");
    m = model_of("{\"model_type\": \"small\", \"hidden_size\": 3, \"vocab_size\": 5}");
    p = plan_of(m, "plain", (gpumem_request){.precision = "three-bits"});
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "weights"), 6 + 3 * (2 + 4)); /* 45, 9 and 27 bits */
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(wrong_formats)
{
    precision("clash", "[{bits: 3}]");
    fixture_manifest(&f, "precision/clash/manifest.yaml", "precision", "clash",
                     "use: uniform\nwith: {weight: bf16, gradient: bf16, activation: bf16, compute: bf16}\nformats: {bf16: [{bits: 15}]}\n");
    plan_fails("plain", (gpumem_request){.precision = "clash"}, GPUMEM_EPLUGIN, "formats: 'bf16' is something else already");
    fixture_manifest(&f, "precision/lacks/manifest.yaml", "precision", "lacks",
                     "use: uniform\nwith: {weight: w9, gradient: bf16, activation: bf16, compute: bf16}\n");
    plan_fails("plain", (gpumem_request){.precision = "lacks"}, GPUMEM_EINVAL, "precision/lacks: weight: no format has this name");
    fixture_manifest(&f, "precision/less/manifest.yaml", "precision", "less", "use: uniform\nwith: {weight: bf16}\n");
    plan_fails("plain", (gpumem_request){.precision = "less"}, GPUMEM_EPLUGIN, "gradient");
}
END_TEST

/* ---- requests --------------------------------------------------------------------------------------------------------------------- */

START_TEST(unknown_names)
{
    plan_fails("plain", (gpumem_request){.precision = "bf61"}, GPUMEM_EUNKNOWN, "unknown precision 'bf61' [did you mean bf16");
    plan_fails("plain", (gpumem_request){.optimizer = "adamv"}, GPUMEM_EUNKNOWN, "unknown optimizer 'adamv' [did you mean adam or adamw?]");
    plan_fails("plain", (gpumem_request){.activation = "clasic"}, GPUMEM_EUNKNOWN, "unknown activation 'clasic' [did you mean classic");
    plan_fails("plain", (gpumem_request){.precision = "../bf16"}, GPUMEM_EUNKNOWN, "unknown precision '../bf16'");
    plan_fails("plain", (gpumem_request){.precision = ""}, GPUMEM_EUNKNOWN, "unknown precision ''");
    plan_fails("plain", (gpumem_request){.implementation = "quick"}, GPUMEM_EUNKNOWN, "unknown implementation 'quick' [it is one of fused, foreach, for-loop]");
    plan_fails("plain", (gpumem_request){.attention = "flush"}, GPUMEM_EUNKNOWN, "unknown attention 'flush' [it is one of flash, sdpa, eager]");
    plan_fails("plain", (gpumem_request){.optimizer = "lion", .implementation = "fused"}, GPUMEM_EUNSUP,
               "the optimizer 'lion' has no fused step [it has foreach, for-loop]");
    plan_fails("nowhere", (gpumem_request){0}, GPUMEM_EUNKNOWN, "unknown set 'nowhere'");
    plan_fails("classical", (gpumem_request){0}, GPUMEM_EUNKNOWN, "unknown set 'classical' [did you mean classic?]");
}
END_TEST

static gpumem_request filled(gpumem_request request)
{
    static gpumem_request out;
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, "default", request);
    static char text[8][64];
    out = *gpumem_plan_request(p);
    const char **s[] = {&out.precision, &out.optimizer, &out.activation, &out.implementation, &out.attention};
    for (int i = 0; i < 5; i++)
        if (*s[i]) {
            snprintf(text[i], sizeof text[i], "%s", *s[i]);
            *s[i] = text[i];
        }
    gpumem_plan_free(p);
    gpumem_model_free(m);
    return out;
}

START_TEST(defaults_are_filled_in)
{
    gpumem_request r = filled((gpumem_request){0});
    ck_assert_str_eq(r.precision, "bf16");
    ck_assert_str_eq(r.optimizer, "adamw");
    ck_assert_str_eq(r.implementation, "fused");
    ck_assert_str_eq(r.attention, "flash");
    ck_assert_str_eq(r.activation, "torch");
    ck_assert_uint_eq(r.accumulation, 1);
    ck_assert_str_eq(filled((gpumem_request){.implementation = "torch"}).implementation, "foreach");
    ck_assert_str_eq(filled((gpumem_request){.optimizer = "adafactor", .implementation = "torch"}).implementation, "for-loop");
    ck_assert_str_eq(filled((gpumem_request){.optimizer = "lion"}).implementation, "foreach");
    ck_assert_str_eq(filled((gpumem_request){.attention = "sdpa"}).attention, "flash");
    ck_assert_str_eq(filled((gpumem_request){.attention = "eager"}).attention, "eager");
    r = filled((gpumem_request){.mode = GPUMEM_MODE_INFERENCE, .optimizer = "whatever"});
    ck_assert_ptr_null(r.optimizer); /* which inference does not look at */
    ck_assert_ptr_null(r.implementation);
}
END_TEST

/* Numbers without a fraction have no gradient: only closed formulas train in them, and what is frozen may be stored in them. */
START_TEST(what_cannot_be_trained)
{
    static const struct { const char *precision, *message; } table[] = {
        {"int4", "weights cannot be trained in 'int4': 'layers.{i}.matrix.weight' has codes and scales"},
        {"int8", "'int8': 'layers.{i}.matrix.weight' has codes and scales"},
        {"classic-int8", "'classic-int8': 'embed.weight' has integers"},
        {"q8_0", "'q8_0': 'embed.weight' has codes and scales"},
        {"gptq", "weights cannot be trained in 'gptq': 'layers.{i}.matrix.weight' has codes and scales"},
        {"fp8", "'fp8': 'layers.{i}.matrix.weight' has codes and scales"},
        {"bitsandbytes", "[freeze them and train adapters beside them, or train in another precision, such as bf16]"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_request request = {.precision = table[i].precision};
        plan_fails("default", request, GPUMEM_EUNSUP, table[i].message);
        gpumem_model *m = model_of("{\"model_type\": \"small\"}");
        gpumem_plan_free(plan_of(m, "classic", request));
        gpumem_plan_free(plan_of(m, "plain", request));
        request.mode = GPUMEM_MODE_INFERENCE;
        gpumem_plan_free(plan_of(m, "default", request));
        gpumem_model_free(m);
        request.mode = GPUMEM_MODE_TRAINING;
        gpumem_error err = {0};
        m = model_new("{\"model_type\": \"small\"}", &(gpumem_model_options){.freeze = "."}, &err);
        ck_assert_msg(m != NULL, "%s", error_text(&err));
        gpumem_plan_free(plan_of(m, "default", request));
        gpumem_model_free(m);
    }
}
END_TEST

START_TEST(points)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, "plain", (gpumem_request){0});
    gpumem_point point = {0};
    gpumem_plan_defaults(p, &point);
    ck_assert_uint_eq(point.batch, 1);
    ck_assert_uint_eq(point.tokens, 300); /* of the set */
    point = (gpumem_point){7, 9000};
    gpumem_plan_defaults(p, &point); /* what is given stays, beyond the positions too */
    ck_assert_uint_eq(point.batch, 7);
    ck_assert_uint_eq(point.tokens, 9000);
    gpumem_plan_free(p);
    p = plan_of(m, "plain", (gpumem_request){.mode = GPUMEM_MODE_INFERENCE});
    point = (gpumem_point){0};
    gpumem_plan_defaults(p, &point);
    ck_assert_uint_eq(point.tokens, 500); /* the model has no more */
    gpumem_plan_free(p);
    p = plan_of(m, "classic", (gpumem_request){0});
    point = (gpumem_point){0};
    gpumem_plan_defaults(p, &point);
    ck_assert_uint_eq(point.tokens, 500); /* the set says nothing: all of the model's */
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(provenance)
{
    static const char *const expected[] = {"set/default", "family/small", "architecture/transformer", "precision/bf16", "precision/uniform", "optimizer/adamw",
                                           "optimizer/states", "activation/torch"};
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p = plan_of(m, "default", (gpumem_request){0});
    const gpumem_used *used;
    size_t n = gpumem_plan_plugins(p, &used);
    ck_assert_uint_eq(n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < n; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s", gpumem_kind_name(used[i].kind), used[i].id);
        ck_assert_str_eq(name, expected[i]);
        ck_assert(used[i].path[0] == '/' && used[i].version[0]);
    }
    ck_assert_uint_ge(used[7].nsource, 2); /* versions of frameworks */
    ck_assert_ptr_nonnull(strstr(used[7].source[0], "PyTorch 2.13"));
    ck_assert_ptr_nonnull(strstr(used[7].source[1], "transformers 5.23.0"));
    ck_assert_ptr_eq(gpumem_plan_model(p), m);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

/* ---- the classic calculator ------------------------------------------------------------------------------------------------------- */

#define PHI "{\"model_type\": \"phi\", \"hidden_size\": 2560, \"intermediate_size\": 10240, \"num_hidden_layers\": 32, \"num_attention_heads\": 32, " \
    "\"vocab_size\": 51200, \"max_position_embeddings\": 2048}"
enum { PHI_H = 2560, PHI_I = 10240, PHI_L = 32, PHI_V = 51200 };
static const uint64_t PHI_P = 2779683840;

static const struct { const char *name; unsigned half_bytes; } classic_precision[] = {{"fp32", 8}, {"fp16", 4}, {"bf16", 4}, {"int8", 2}, {"int4", 1}};
static const struct { const char *name; unsigned halves; } classic_optimizer[] = {
    {"sgd", 0}, {"sgd-momentum", 2}, {"nesterov", 2}, {"adagrad", 2}, {"rmsprop", 2}, {"lion", 2}, {"adam", 4}, {"adamw", 4}, {"lamb", 4}, {"nadam", 4},
    {"amsgrad", 4}, {"sparse-adam", 4}, {"adabelief", 4}, {"adafactor", 1}, {"shampoo", 6}};

/* All in halves of a byte, and a tenth of one for 0.3 and 0.1. */
static uint64_t bytes(uint64_t elements, unsigned half_bytes)
{
    return (elements * half_bytes + 1) / 2;
}

START_TEST(classic_training)
{
    gpumem_model *m = model_of(PHI);
    ck_assert_uint_eq(gpumem_model_parameters(m), PHI_P);
    for (size_t i = 0; i < sizeof classic_precision / sizeof *classic_precision; i++)
        for (size_t k = 0; k < sizeof classic_optimizer / sizeof *classic_optimizer; k++)
            for (unsigned checkpointing = 0; checkpointing < 2; checkpointing++) {
                unsigned B2 = classic_precision[i].half_bytes, batch = 4, seq = 2048;
                uint64_t kept = (uint64_t)batch * seq * PHI_L * (5 * PHI_H + PHI_I) * (checkpointing ? 3 : 10);
                gpumem_request request = {.precision = classic_precision[i].name, .optimizer = classic_optimizer[k].name, .checkpointing = checkpointing};
                gpumem_plan *p = plan_of(m, "classic", request);
                gpumem_result r = result_of(p, batch, seq);
                uint64_t optimizer = (PHI_P * B2 * classic_optimizer[k].halves + 3) / 4, activations = (kept * B2 + 19) / 20;
                ck_assert_uint_eq(part(p, &r, "weights"), bytes(PHI_P, B2));
                ck_assert_uint_eq(part(p, &r, "gradients"), bytes(PHI_P, B2));
                ck_assert_uint_eq(part(p, &r, "optimizer"), optimizer);
                ck_assert_uint_eq(part(p, &r, "activations"), activations);
                ck_assert_uint_eq(part(p, &r, "embeddings"), bytes((uint64_t)PHI_V * PHI_H, B2));
                ck_assert_uint_eq(part(p, &r, "input"), bytes((uint64_t)batch * seq * PHI_H, B2));
                ck_assert_uint_eq(part(p, &r, "kv_cache"), UINT64_MAX);
                ck_assert(gpumem_plan_complete(p));
                ck_assert_uint_eq(r.total, 2 * bytes(PHI_P, B2) + optimizer + activations + bytes((uint64_t)PHI_V * PHI_H, B2) +
                                               bytes((uint64_t)batch * seq * PHI_H, B2));
                gpumem_plan_free(p);
            }
    gpumem_model_free(m);
}
END_TEST

START_TEST(classic_inference)
{
    gpumem_model *m = model_of(PHI);
    for (size_t i = 0; i < sizeof classic_precision / sizeof *classic_precision; i++)
        for (unsigned variant = 0; variant < 4; variant++) {
            unsigned B2 = classic_precision[i].half_bytes, seq = 2048;
            gpumem_request request = {.mode = GPUMEM_MODE_INFERENCE, .precision = classic_precision[i].name, .no_cache = variant & 1, .checkpointing = variant & 2};
            gpumem_plan *p = plan_of(m, "classic", request);
            gpumem_result r = result_of(p, 1, seq);
            uint64_t cache = bytes((uint64_t)seq * PHI_H * 2 * PHI_L, B2), kept = (uint64_t)seq * PHI_L * (5 * PHI_H + PHI_I), temporaries = (kept * B2 + 19) / 20;
            ck_assert_uint_eq(part(p, &r, "weights"), bytes(PHI_P, B2));
            ck_assert_uint_eq(part(p, &r, "kv_cache"), request.no_cache ? UINT64_MAX : cache);
            ck_assert_uint_eq(part(p, &r, "temporaries"), temporaries); /* whatever checkpointing says */
            ck_assert_uint_eq(part(p, &r, "gradients"), UINT64_MAX);
            ck_assert_uint_eq(part(p, &r, "activations"), UINT64_MAX);
            ck_assert_uint_eq(r.total, bytes(PHI_P, B2) + (request.no_cache ? 0 : cache) + bytes((uint64_t)PHI_V * PHI_H, B2) + bytes((uint64_t)seq * PHI_H, B2) +
                                           temporaries);
            gpumem_plan_free(p);
        }
    gpumem_model_free(m);
}
END_TEST

START_TEST(classic_lines)
{
    static const char *const training[] = {"Model Weights", "Gradients", "Optimizer States", "Activations", "Embeddings", "Input Data"};
    static const char *const inference[] = {"Model Weights", "KV Cache", "Embeddings", "Input Data", "Temp Activations"};
    gpumem_model *m = model_of(PHI);
    for (int mode = 0; mode < 2; mode++) {
        gpumem_plan *p = plan_of(m, "classic", (gpumem_request){.mode = (gpumem_mode)mode});
        const gpumem_line *line;
        size_t n = gpumem_plan_lines(p, &line);
        ck_assert_uint_eq(n, mode ? 5 : 6);
        for (size_t i = 0; i < n; i++) {
            ck_assert_str_eq(line[i].name, mode ? inference[i] : training[i]);
            ck_assert(!line[i].sub && line[i].formula[0]);
        }
        gpumem_plan_free(p);
    }
    gpumem_model_free(m);
}
END_TEST

START_TEST(classic_cards)
{
    static const char *const expected[] = {"a100-80gb-sxm", "h100-sxm", "a100-40gb"};
    const char *const *gpu;
    gpumem_set *set;
    ck_assert_int_eq(gpumem_set_open(host, "classic", &set, NULL), GPUMEM_OK);
    ck_assert_str_eq(gpumem_set_id(set), "classic");
    ck_assert_uint_eq(gpumem_set_gpus(set, &gpu), 3);
    for (int i = 0; i < 3; i++) {
        gpumem_gpu *profile;
        double gb;
        ck_assert_str_eq(gpu[i], expected[i]);
        ck_assert_int_eq(gpumem_gpu_open(host, gpu[i], &profile, NULL), GPUMEM_OK);
        ck_assert(gpumem_gpu_number(profile, "marketing_gb", &gb) && gb == (i == 2 ? 40 : 80));
        gpumem_gpu_free(profile);
    }
    gpumem_set_free(set);
    ck_assert_int_eq(gpumem_set_open(host, "default", &set, NULL), GPUMEM_OK);
    ck_assert_uint_eq(gpumem_set_gpus(set, &gpu), 0);
    gpumem_set_free(set);
}
END_TEST

START_TEST(classic_without_an_intermediate_size)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}"); /* counts as 4 hidden sizes */
    gpumem_plan *p = plan_of(m, "classic", (gpumem_request){0});
    gpumem_result r = result_of(p, 1, 10);
    ck_assert_uint_eq(part(p, &r, "activations"), 10 * L * (5 + 4) * H * 2);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(other_names_are_ids)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    /* In the classic set adamw is the classic one; radam is no name of the set, so the plugin itself. */
    gpumem_plan *p = plan_of(m, "classic", (gpumem_request){.optimizer = "radam"});
    const gpumem_used *used;
    size_t n = gpumem_plan_plugins(p, &used);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= used[i].kind == GPUMEM_KIND_OPTIMIZER && strcmp(used[i].id, "radam") == 0;
    ck_assert(found);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

/* ---- claims ------------------------------------------------------------------------------------------------------------------------ */

/* An optimizer that claims this: its id. */
static const char *claims(const char *what)
{
    static unsigned n;
    static char id[32];
    char name[64], rest[256];
    if (access(fixture_path(&f, "optimizer/claims/claims.so"), F_OK) != 0) {
        fixture_copy(&f, "optimizer/claims/claims.so", "claims.so");
        fixture_manifest(&f, "optimizer/claims/manifest.yaml", "optimizer", "claims", "library: claims.so\nparams: {what: {type: string, help: what}}\n");
        fixture_manifest(&f, "precision/parts/manifest.yaml", "precision", "parts",
                         "use: uniform\nwith: {weight: bf16, gradient: bf16, activation: bf16, compute: bf16}\nformats: {two: [{bits: 8}, {bits: 32}]}\n");
    }
    snprintf(id, sizeof id, "mine%u", n++);
    snprintf(name, sizeof name, "optimizer/%s/manifest.yaml", id);
    snprintf(rest, sizeof rest, "use: claims\nwith: {what: '%s'}\n", what);
    fixture_manifest(&f, name, "optimizer", id, rest);
    return id;
}

START_TEST(claims_that_make_no_sense)
{
    static const struct { const char *what; gpumem_status status; const char *message; } table[] = {
        {"bad part", GPUMEM_EPLUGIN, "a part, a merge or phases that there are not"},
        {"bad merge", GPUMEM_EPLUGIN, "a part, a merge or phases that there are not"},
        {"no phase", GPUMEM_EPLUGIN, "a part, a merge or phases that there are not"},
        {"bad phase", GPUMEM_EPLUGIN, "a part, a merge or phases that there are not"},
        {"bad format", GPUMEM_EPLUGIN, "a format that there is not"},
        {"bad tensor", GPUMEM_EPLUGIN, "a tensor that there is not"},
        {"no denominator", GPUMEM_EPLUGIN, "no sensible size"},
        {"bad symbol", GPUMEM_EPLUGIN, "no sensible size"},
        {"no size", GPUMEM_EPLUGIN, "no sensible size"},
        {"no label", GPUMEM_EPLUGIN, "has no label"},
        {"empty label", GPUMEM_EPLUGIN, "has no label"},
        {"too many", GPUMEM_EPLUGIN, "claims more than there was space for"},
        {"never enough", GPUMEM_EPLUGIN, " failed"},
        {"unsupported", GPUMEM_EUNSUP, ": not this one"},
        {"invalid", GPUMEM_EINVAL, ": not so"},
        {"failed", GPUMEM_EPLUGIN, " failed"},
        {"nonsense", GPUMEM_EPLUGIN, " failed"},
        {"long reason", GPUMEM_EUNSUP, ": yyyyyyyy"},
        {"lines", GPUMEM_EPLUGIN, "more than 48 lines"},
        {"details", GPUMEM_EPLUGIN, "more than 48 lines"},
        {"huge", GPUMEM_ERANGE, "does not fit in 64 bits"},
        {"unheard of", GPUMEM_EINVAL, "what?"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *id = claims(table[i].what);
        plan_fails("plain", (gpumem_request){.optimizer = id}, table[i].status, table[i].message);
        plan_fails("plain", (gpumem_request){.optimizer = id}, table[i].status, id);
    }
}
END_TEST

static gpumem_plan *claimed(const gpumem_model *m, const char *what)
{
    return plan_of(m, "plain", (gpumem_request){.optimizer = claims(what), .precision = "parts"});
}

START_TEST(folding)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p;
    gpumem_result r;
    p = claimed(m, "many");
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 5000 * 2 * 4);
    gpumem_plan_free(p);
    p = claimed(m, "peak"); /* 7 are added; of 100, 400, 300 and of 10 and 20 a token the largest counts */
    r = result_of(p, 1, 10);
    ck_assert_uint_eq(part(p, &r, "temporaries"), (7 + 400) * 4);
    r = result_of(p, 1, 30);
    ck_assert_uint_eq(part(p, &r, "temporaries"), (7 + 600) * 4);
    gpumem_plan_free(p);
    p = claimed(m, "peak of parts"); /* the parts of one claim live together: 5 bytes an element */
    r = result_of(p, 1, 9);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 20 * 5);
    r = result_of(p, 1, 50);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 2 * 50 * 5);
    gpumem_plan_free(p);
    p = claimed(m, "phases"); /* a line is its largest phase */
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "temporaries"), (30 + 1) * 4);
    ck_assert_uint_eq(r.phase[0], r.between_steps + 11 * 4);
    ck_assert_uint_eq(r.phase[1], r.between_steps + 21 * 4 + 2 * PARAMETERS);
    ck_assert_uint_eq(r.phase[2], r.between_steps + 31 * 4 + 2 * PARAMETERS);
    ck_assert_uint_eq(r.total, r.phase[2]);
    gpumem_plan_free(p);
    p = claimed(m, "layers");
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "temporaries"), L * 5 * 4 + L * H * 4);
    ck_assert_uint_eq(part(p, &r, "temporaries.as it is"), L * H * 4);
    gpumem_plan_free(p);
    p = claimed(m, "tokens"); /* 3/2 * batch * tokens, rounded up to a byte once */
    r = result_of(p, 3, 7);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 126);
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 6);
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

START_TEST(sizes_that_do_not_fit)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p;
    gpumem_result r;
    gpumem_error err = {0};
    p = claimed(m, "fourth power"); /* tokens ^ 8 fp32 */
    r = result_of(p, 1, 100);
    ck_assert_uint_eq(part(p, &r, "temporaries"), 40000000000000000ull);
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){1, 300}, &r, &err), GPUMEM_ERANGE);
    ck_assert_str_eq(err.message, "the estimate does not fit in 64 bits at batch 1 and 300 tokens");
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){1, UINT64_MAX}, &r, NULL), GPUMEM_ERANGE);
    gpumem_plan_free(p);
    plan_fails("plain", (gpumem_request){.optimizer = claims("huge sum")}, GPUMEM_ERANGE, "does not fit in 64 bits"); /* 5 times 2^62 bytes: each fits */
    gpumem_model_free(m);

    m = model_of(PHI);
    p = plan_of(m, "classic", (gpumem_request){0});
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){UINT64_MAX, UINT64_MAX}, &r, NULL), GPUMEM_ERANGE);
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){1ull << 40, 1ull << 10}, &r, NULL), GPUMEM_ERANGE);
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){1ull << 30, 1ull << 10}, &r, NULL), GPUMEM_OK);
    gpumem_plan_free(p);
    gpumem_error_clear(&err);
    p = plan_of(m, "default", (gpumem_request){.only = {2, 8}});
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){2, 9}, &r, NULL), GPUMEM_OK); /* batch 1 and one token are other programs */
    ck_assert_int_eq(gpumem_plan_evaluate(p, &(gpumem_point){2, 1}, &r, &err), GPUMEM_EINVAL);
    ck_assert_str_eq(err.message, "the plan was made for other points than batch 2 and 1 tokens: see request.only");
    gpumem_plan_free(p);
    gpumem_model_free(m);
}
END_TEST

/* ---- evaluation allocates nothing ----------------------------------------------------------------------------------------------------- */

START_TEST(evaluation_allocates_nothing)
{
    static const char *const set[] = {"default", "classic", "plain"};
    gpumem_model *m = model_of(PHI);
    unsigned long before = allocator_calls;
    for (size_t i = 0; i < 3; i++) {
        gpumem_plan *p = plan_of(m, set[i], (gpumem_request){0});
        gpumem_error err = {0};
        gpumem_result r;
        ck_assert_uint_gt(allocator_calls, before); /* they are seen at all */
        before = allocator_calls;
        for (uint64_t batch = 1; batch < 2000; batch++)
            gpumem_plan_evaluate(p, &(gpumem_point){batch, batch * 3}, &r, &err);
        gpumem_plan_evaluate(p, &(gpumem_point){UINT64_MAX, UINT64_MAX}, &r, &err);
        ck_assert_uint_eq(allocator_calls, before);
        ck_assert_int_eq(err.status, GPUMEM_ERANGE);
        gpumem_plan_free(p);
    }
    gpumem_model_free(m);
}
END_TEST

/* Of a run of equal layers four are walked, whatever their number. */
START_TEST(plans_do_not_grow_with_depth)
{
    static const unsigned mode[] = {GPUMEM_MODE_TRAINING, GPUMEM_MODE_INFERENCE};
    for (unsigned i = 0; i < 4; i++) {
        gpumem_request request = {.mode = mode[i / 2], .checkpointing = i == 1, .all_logits = i == 3};
        gpumem_model *few = model_of("{\"model_type\": \"gemma2\", \"num_hidden_layers\": 100}"), *many = model_of("{\"model_type\": \"gemma2\", \"num_hidden_layers\": 10000}");
        unsigned long a, b;
        gpumem_plan *p;
        gpumem_plan_free(plan_of(few, "default", request));
        a = allocator_calls;
        gpumem_plan_free(plan_of(few, "default", request));
        a = allocator_calls - a;
        b = allocator_calls;
        p = plan_of(many, "default", request);
        b = allocator_calls - b;
        ck_assert_uint_le(b, a + 2); /* numbers have more digits */
        gpumem_plan_free(p);
        gpumem_model_free(few);
        gpumem_model_free(many);
    }
}
END_TEST

/* ---- sets ------------------------------------------------------------------------------------------------------------------------------ */

#define ONE "precision: {default: bf16}\n"
#define TWO "optimizer: {default: sgd}\n"
#define THREE "activation: {default: null}\n"
#define FOUR "rounding: 1\n"
#define FIVE "count: [weights]\n"
#define SIX "tokens: null\n"

START_TEST(wrong_sets)
{
    static const struct { const char *rest, *message; unsigned line; } table[] = {
        {TWO THREE FOUR FIVE SIX, "'precision' is missing", 1},
        {ONE THREE FOUR FIVE SIX, "'optimizer' is missing", 1},
        {ONE TWO FOUR FIVE SIX, "'activation' is missing", 1},
        {ONE TWO THREE FIVE SIX, "'rounding' is missing", 1},
        {ONE TWO THREE FOUR SIX, "'count' is missing", 1},
        {ONE TWO THREE FOUR FIVE, "'tokens' is missing", 1},
        {ONE TWO THREE FOUR FIVE SIX "extra: 1\n", "unknown key 'extra'", 12},
        {"precision: bf16\n" TWO THREE FOUR FIVE SIX, "precision: expected", 6},
        {"precision: {}\n" TWO THREE FOUR FIVE SIX, "precision: 'default' is missing", 6},
        {"precision: {default: null}\n" TWO THREE FOUR FIVE SIX, "default: expected an id", 6},
        {ONE "optimizer: {default: null}\n" THREE FOUR FIVE SIX, "default: expected an id", 7},
        {"precision: {default: 3}\n" TWO THREE FOUR FIVE SIX, "precision.default: expected", 6},
        {"precision: {default: bf16, choice: {}}\n" TWO THREE FOUR FIVE SIX, "unknown key 'choice'", 6},
        {"precision: {default: bf16, choices: [a]}\n" TWO THREE FOUR FIVE SIX, "precision.choices: expected", 6},
        {"precision: {default: bf16, choices: {a: 3}}\n" TWO THREE FOUR FIVE SIX, "choices: expected the id of a plugin", 6},
        {"precision: {default: bf16, with: 3}\n" TWO THREE FOUR FIVE SIX, "precision.with: expected", 6},
        {ONE TWO THREE "rounding: 0\n" FIVE SIX, "rounding: expected bytes from 1 to 1073741824", 9},
        {ONE TWO THREE "rounding: -512\n" FIVE SIX, "rounding: expected bytes from 1", 9},
        {ONE TWO THREE "rounding: 1073741825\n" FIVE SIX, "rounding: expected bytes from 1", 9},
        {ONE TWO THREE "rounding: 512.5\n" FIVE SIX, "rounding: expected", 9},
        {ONE TWO THREE FOUR "count: weights\n" SIX, "count: expected", 10},
        {ONE TWO THREE FOUR "count: [weight]\n" SIX, "count: expected weights, buffers, gradients or inputs", 10},
        {ONE TWO THREE FOUR "count: [3]\n" SIX, "count: expected weights, buffers, gradients or inputs", 10},
        {ONE TWO THREE FOUR FIVE "tokens: 3\n", "tokens: expected", 11},
        {ONE TWO THREE FOUR FIVE "tokens: {training: 3}\n", "'inference' is missing", 11},
        {ONE TWO THREE FOUR FIVE "tokens: {training: 0, inference: 3}\n", "tokens: expected 1 or more", 11},
        {ONE TWO THREE FOUR FIVE SIX "labels: [a]\n", "labels: expected", 12},
        {ONE TWO THREE FOUR FIVE SIX "labels: {weights: 3}\n", "labels: expected a name for people", 12},
        {ONE TWO THREE FOUR FIVE SIX "gpus: a\n", "gpus: expected", 12},
        {ONE TWO THREE FOUR FIVE SIX "gpus: [3]\n", "gpus: expected the key of a GPU", 12},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int by_path = 0; by_path < 2; by_path++) {
            gpumem_error err = {0};
            gpumem_set *set;
            char path[PATH_MAX];
            fixture_manifest(&f, "set/wrong.yaml", "set", "wrong", table[i].rest);
            snprintf(path, sizeof path, "%s", f.path);
            host_again();
            ck_assert_int_eq(gpumem_set_open(host, by_path ? path : "wrong", &set, &err), GPUMEM_EPLUGIN);
            ck_assert_ptr_null(set);
            if (getenv("GM_SHOW"))
                printf("%s\n", error_text(&err));
            ck_assert_msg(strstr(err.message, table[i].message) != NULL, "'%s' is not in: %s", table[i].message, error_text(&err));
            ck_assert_str_eq(err.file, path);
            ck_assert_msg(err.line == table[i].line, "line %u: %s", table[i].line, error_text(&err));
        }
}
END_TEST

START_TEST(sets_by_path)
{
    gpumem_set *set;
    gpumem_error err = {0};
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p;
    gpumem_result r;
    char path[PATH_MAX];
    fixture_manifest(&f, "elsewhere/mine.yaml", "set", "theirs", PLAIN("1", "weights", "fp32"));
    snprintf(path, sizeof path, "%s", f.path);
    ck_assert_int_eq(gpumem_set_open(host, path, &set, &err), GPUMEM_OK);
    ck_assert_str_eq(gpumem_set_id(set), "theirs");
    gpumem_set_free(set);
    p = plan_of(m, path, (gpumem_request){0});
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(r.weights, 4 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "gradients"), UINT64_MAX);
    gpumem_plan_free(p);
    gpumem_model_free(m);
    ck_assert_int_eq(gpumem_set_open(host, "no/such.yaml", &set, &err), GPUMEM_EIO);
    gpumem_error_clear(&err);
    ck_assert_int_eq(gpumem_set_open(host, "", &set, &err), GPUMEM_EUNKNOWN);
    gpumem_error_clear(&err);
    ck_assert_int_eq(gpumem_set_open(host, "../set/plain", &set, &err), GPUMEM_EIO);
}
END_TEST

START_TEST(choices_with_parameters)
{
    gpumem_model *m = model_of("{\"model_type\": \"small\"}");
    gpumem_plan *p;
    gpumem_result r;
    fixture_manifest(&f, "set/with.yaml", "set", "with",
        "precision: {default: mine, choices: {mine: uniform, other: fp32}, with: {weight: f8, gradient: f32, activation: bf16, compute: bf16}}\n"
        "optimizer: {default: multiple, with: {states: 1.5}}\nactivation: {default: null}\nrounding: 1\ncount: [weights, gradients]\n"
        "tokens: null\nlabels: {weights: My Weights, optimizer: Mine}\n");
    p = plan_of(m, "with", (gpumem_request){0});
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "weights"), PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "gradients"), 4 * PARAMETERS);
    ck_assert_uint_eq(part(p, &r, "optimizer"), PARAMETERS * 3 / 2);
    ck_assert_str_eq(name_of(p, "weights"), "My Weights");
    ck_assert_str_eq(name_of(p, "optimizer"), "Mine");
    ck_assert_str_eq(name_of(p, "gradients"), "gradients");
    gpumem_plan_free(p);
    p = plan_of(m, "with", (gpumem_request){.precision = "other"}); /* the set's parameters are its default's */
    r = result_of(p, 1, 1);
    ck_assert_uint_eq(part(p, &r, "weights"), 4 * PARAMETERS);
    gpumem_plan_free(p);
    fixture_manifest(&f, "set/withal.yaml", "set", "withal", "precision: {default: uniform, with: {wait: f8}}\n" TWO THREE FOUR FIVE SIX);
    plan_fails("withal", (gpumem_request){0}, GPUMEM_EPLUGIN, "withal.yaml:6:");
    plan_fails("withal", (gpumem_request){0}, GPUMEM_EPLUGIN, "'wait'");
    fixture_manifest(&f, "set/copies.yaml", "set", "copies",
        "precision: {default: uniform, with: {weight: bf16, gradient: bf16, activation: bf16, compute: bf16, master: f31}}\n" TWO THREE FOUR FIVE SIX);
    plan_fails("copies", (gpumem_request){0}, GPUMEM_EINVAL, "master: no format has this name");
    gpumem_model_free(m);
}
END_TEST

START_TEST(empty_implementations)
{
    fixture_manifest(&f, "optimizer/none/manifest.yaml", "optimizer", "none", "use: states\nimplementations: []\n");
    plan_fails("plain", (gpumem_request){.optimizer = "none"}, GPUMEM_EPLUGIN, "implementations");
}
END_TEST

START_TEST(libraries_that_are_not_there)
{
    static const gpumem_request request[] = {{.precision = "lost"}, {.optimizer = "lost"}, {.activation = "lost"}};
    static const char *const kind[] = {"precision", "optimizer", "activation"};
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/lost/manifest.yaml", kind[i]);
        fixture_manifest(&f, name, kind[i], "lost", "library: lost.so\n");
        plan_fails("plain", request[i], GPUMEM_EPLUGIN, "lost.so");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *c = tcase_of(s, "what is held", setup, host_drop);
    tcase_add_test(c, what_a_description_holds);
    tcase_add_test(c, rounding);
    tcase_add_test(c, precisions);
    tcase_add_test(c, frozen_parameters_have_no_gradient);
    tcase_add_test(c, states_of_all_shapes);
    tcase_add_test(c, what_a_step_makes);
    tcase_add_test(c, what_is_not_described);
    tcase_add_test(c, wrong_steps);
    c = tcase_of(s, "formats", setup, host_drop);
    tcase_add_test(c, formats);
    tcase_add_test(c, bytes_are_whole);
    tcase_add_test(c, wrong_formats);
    c = tcase_of(s, "requests", setup, host_drop);
    tcase_add_test(c, unknown_names);
    tcase_add_test(c, defaults_are_filled_in);
    tcase_add_test(c, points);
    tcase_add_test(c, provenance);
    tcase_add_test(c, what_cannot_be_trained);
    tcase_add_test(c, empty_implementations);
    tcase_add_test(c, libraries_that_are_not_there);
    c = tcase_of(s, "classic", setup, host_drop);
    tcase_add_test(c, classic_training);
    tcase_add_test(c, classic_inference);
    tcase_add_test(c, classic_lines);
    tcase_add_test(c, classic_cards);
    tcase_add_test(c, classic_without_an_intermediate_size);
    tcase_add_test(c, other_names_are_ids);
    c = tcase_of(s, "claims", setup, host_drop);
    tcase_add_test(c, claims_that_make_no_sense);
    tcase_add_test(c, folding);
    tcase_add_test(c, sizes_that_do_not_fit);
    c = tcase_of(s, "evaluation", setup, host_drop);
    tcase_add_test(c, evaluation_allocates_nothing);
    tcase_add_test(c, plans_do_not_grow_with_depth);
    c = tcase_of(s, "sets", setup, host_drop);
    tcase_add_test(c, wrong_sets);
    tcase_add_test(c, sets_by_path);
    tcase_add_test(c, choices_with_parameters);
    return run_suite(s);
}
