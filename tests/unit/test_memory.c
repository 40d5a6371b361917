/* Memory that cannot be had: every use of the library, with its first allocation refused, then its second, and so on, until all are given.  It
 * must say so, or say what it says otherwise; it must not crash, leak (which a sanitizer sees), or answer something else. */
#include "allocator.h"
#include "models.h"

#define LLAMA "{\"model_type\": \"llama\", \"num_hidden_layers\": 4, \"torch_dtype\": \"bfloat16\"}"
static const char *const directories[] = {GM_PLUGINS, GM_DATA};
static char answer[1 << 16]; /* what a use found out; of fixed size, so that writing it needs no memory */
static size_t length;
static gpumem_error error;
static bool partial; /* an answer that itself says that memory was short */

static void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (length < sizeof answer)
        length += (size_t)vsnprintf(answer + length, sizeof answer - length, format, args);
    va_end(args);
}

/* ---- uses -------------------------------------------------------------------------------------------------------------------- */

static gpumem_host *open_host(void)
{
    gpumem_host_options options = {directories, 2, true};
    gpumem_host *h = NULL;
    gpumem_host_new(&options, &h, &error);
    return h;
}

static int count_event(void *self, const gpumem_event *e)
{
    unsigned long long *n = self;
    n[0]++;
    n[1] = n[1] * 31 + e->live;
    return 0;
}

/* The walk once more, told event by event, and its highest moment. */
static void note_walk(const gpumem_plan *plan, const gpumem_point *point)
{
    unsigned long long n[2] = {0, 0};
    gpumem_moment moment;
    gpumem_share share[4];
    if (!gpumem_plan_walks(plan) || gpumem_plan_request(plan)->mode != GPUMEM_MODE_TRAINING || error.status != GPUMEM_OK)
        return;
    if (gpumem_plan_trace(plan, point, count_event, n, &error) == GPUMEM_OK && gpumem_plan_peak(plan, point, &moment, share, 4, &error) == GPUMEM_OK)
        note("%llu events, %llx; %u %u %llu\n", n[0], n[1], moment.phase, moment.op, (unsigned long long)moment.bytes);
}

static void note_plan(const gpumem_plan *plan)
{
    gpumem_result r;
    const gpumem_line *line;
    const gpumem_used *used;
    const gpumem_request *request = gpumem_plan_request(plan);
    gpumem_point point = {0};
    size_t n = gpumem_plan_lines(plan, &line);
    gpumem_plan_defaults(plan, &point);
    if (gpumem_plan_evaluate(plan, &point, &r, &error) != GPUMEM_OK)
        return;
    for (size_t i = 0; i < n; i++)
        note("%s %s %s %s %llu\n", line[i].part, line[i].name, line[i].plugin, line[i].formula, (unsigned long long)r.line[i]);
    note("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)r.kept, (unsigned long long)r.total, (unsigned long long)r.phase[0], (unsigned long long)r.phase[1],
         (unsigned long long)r.phase[2], (unsigned long long)r.cache);
    note_walk(plan, &point);
    n = gpumem_plan_plugins(plan, &used);
    for (size_t i = 0; i < n; i++)
        note("%s %s %s\n", used[i].id, used[i].version, used[i].path);
    note("%s %s %s %s\n", request->precision, request->optimizer ? request->optimizer : "none", request->implementation ? request->implementation : "none",
         request->attention);
}

static void note_model(const gpumem_model *m)
{
    const gpumem_description *d = gpumem_model_description(m);
    const gpumem_key *keys;
    const char *const *warnings;
    size_t n;
    note("%s %s %llu %llu\n", gpumem_model_class(m), gpumem_model_family(m), (unsigned long long)gpumem_model_parameters(m),
         (unsigned long long)gpumem_model_trainable(m));
    for (uint32_t i = 0; i < d->ntensor; i++)
        note("%s %u\n", d->string + d->tensor[i].name, d->tensor[i].tag);
    for (uint32_t i = 0; i < d->nrun; i++)
        note("%u %u %u\n", d->run[i].first, d->run[i].n, d->run[i].count);
    for (n = gpumem_model_warnings(m, &warnings); n-- > 0;)
        note("%s\n", warnings[n]);
    n = gpumem_model_keys(m, &keys);
    partial |= n == 0; /* it has no way to say more */
    for (size_t i = 0; i < n; i++) {
        partial |= *keys[i].value == 0;
        note("%s %s %s\n", keys[i].key, keys[i].origin, keys[i].value);
    }
}

static void estimate(const char *json, const char *set_name, gpumem_request request, const char *freeze)
{
    gpumem_host *h = open_host();
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    gpumem_model_options options = {.freeze = freeze};
    if (h && gpumem_config_parse(h, "a.json", json, strlen(json), &config, &error) == GPUMEM_OK &&
        gpumem_config_set(config, "rope_scaling.factor", "[1, \"a\"]", &error) == GPUMEM_OK &&
        gpumem_model_new(h, config, &options, &model, &error) == GPUMEM_OK && gpumem_set_open(h, set_name, &set, &error) == GPUMEM_OK &&
        gpumem_plan_new(h, model, set, &request, &plan, &error) == GPUMEM_OK) {
        note_model(model);
        note_plan(plan);
    }
    gpumem_plan_free(plan);
    gpumem_set_free(set);
    gpumem_model_free(model);
    gpumem_config_free(config);
    gpumem_host_free(h);
}

static void training(void) { estimate(LLAMA, "default", (gpumem_request){0}, "layers.(1|2).*norm"); }
static void mixture(void) { estimate("{\"model_type\": \"deepseek_v3\", \"architectures\": [\"Nobody\"]}", "default", (gpumem_request){.optimizer = "adafactor"}, NULL); }
static void patterned(void) { estimate("{\"model_type\": \"gemma2\", \"num_hidden_layers\": 8}", "classic", (gpumem_request){.mode = GPUMEM_MODE_INFERENCE}, "!embed"); }
static void checkpointed(void)
{
    estimate("{\"model_type\": \"llama\", \"num_hidden_layers\": 2}", "default", (gpumem_request){.checkpointing = true, .precision = "amp-bf16", .attention = "eager"}, NULL);
}
static void stepped(void)
{
    estimate("{\"model_type\": \"gpt2\", \"n_layer\": 2}", "default", (gpumem_request){.optimizer = "shampoo", .implementation = "for-loop", .only = {1, 8}}, NULL);
}
static void remembered(void) { estimate("{\"model_type\": \"gemma2\", \"num_hidden_layers\": 4}", "default", (gpumem_request){.mode = GPUMEM_MODE_INFERENCE}, NULL); }
static void looping(void) { estimate("{\"model_type\": \"mamba\", \"num_hidden_layers\": 2}", "default", (gpumem_request){.only = {1, 8}}, NULL); }
static void wrong_value(void) { estimate("{\"model_type\": \"llama\", \"num_attention_heads\": 0}", "default", (gpumem_request){0}, NULL); }
static void wrong_type(void) { estimate("{\"model_type\": \"lama\"}", "default", (gpumem_request){0}, NULL); }
static void wrong_optimizer(void) { estimate(LLAMA, "default", (gpumem_request){.optimizer = "adamv"}, NULL); }
static void wrong_pattern(void) { estimate(LLAMA, "default", (gpumem_request){0}, "a("); }
static void broken_json(void) { estimate("{\"model_type\": \"llama\",}", "default", (gpumem_request){0}, NULL); }

static void catalogue(void)
{
    gpumem_host *h = open_host();
    gpumem_config *config = NULL;
    if (h && gpumem_config_open(h, "phi-2", &config, &error) == GPUMEM_OK)
        note("%s %s %s\n", gpumem_config_name(config), gpumem_config_source(config), gpumem_config_path(config));
    gpumem_config_free(config);
    gpumem_host_free(h);
}

static void unknown_model(void)
{
    gpumem_host *h = open_host();
    gpumem_config *config = NULL;
    if (h)
        gpumem_config_open(h, "microsoft/phi-22", &config, &error);
    gpumem_host_free(h);
}

static void cards(void)
{
    gpumem_host *h = open_host();
    gpumem_gpu *gpu = NULL;
    if (h && gpumem_gpu_open(h, "h100-sxm", &gpu, &error) == GPUMEM_OK)
        note("%s\n", gpumem_gpu_text(gpu, "name"));
    gpumem_gpu_free(gpu);
    if (h && error.status == GPUMEM_OK)
        gpumem_gpu_open(h, "h1000", &gpu, &error);
    gpumem_host_free(h);
}

static int note_candidate(void *self, const gpumem_candidate *c)
{
    (void)self;
    partial |= c->error.status != GPUMEM_OK; /* why a candidate was refused */
    note("%d %s %s %s\n", (int)c->kind, c->id, c->version, c->path);
    return 0;
}

static void list(void)
{
    gpumem_host *h = open_host();
    if (h)
        gpumem_plugin_each(h, GPUMEM_KIND_PRECISION, note_candidate, NULL, &error);
    gpumem_host_free(h);
}

static void show(void)
{
    gpumem_host *h = open_host();
    gpumem_text text = {0};
    if (h && gpumem_plugin_describe(h, GPUMEM_KIND_OPTIMIZER, "lion", &text, &error) == GPUMEM_OK) {
        note("%s", text.s ? text.s : "");
        partial |= text.failed;
    }
    gpumem_text_free(&text);
    gpumem_host_free(h);
}

static void cases(void)
{
    static const char *const line[] = {
        "{\"config\": " LLAMA ", \"batch\": 3, \"seq\": 5, \"note\": [1, {\"a\": null}]}",
        "{\"model\": \"phi-2\", \"optimizer\": \"lion\", \"set\": \"classic\"}",
        "{\"model\": \"phi-2\", \"optimizer\": \"lion\", \"set\": \"classic\", \"seq\": 7}",
        "{\"model\": \"phi-3\"}",
        "{\"modle\": \"phi-2\"}",
    };
    gpumem_host *h = open_host();
    gpumem_set *set = NULL;
    gpumem_batch *b = NULL;
    gpumem_text text = {0};
    if (h && gpumem_set_open(h, "default", &set, &error) == GPUMEM_OK && gpumem_batch_new(h, set, NULL, &b, &error) == GPUMEM_OK)
        for (size_t i = 0; i < sizeof line / sizeof *line && error.status == GPUMEM_OK; i++)
            error.status = gpumem_batch_line(b, line[i], strlen(line[i]), &text);
    if (error.status == GPUMEM_OK)
        note("%s", text.s);
    else if (error.message[0] == 0)
        strcpy(error.message, "out of memory"); /* of a status alone */
    partial |= text.s && (strstr(text.s, "out of memory") || strstr(text.s, ".so: "));
    gpumem_text_free(&text);
    gpumem_batch_free(b);
    gpumem_set_free(set);
    gpumem_host_free(h);
}

static const struct { const char *name; void (*use)(void); gpumem_status status; } uses[] = {
    {"training", training, GPUMEM_OK}, {"mixture", mixture, GPUMEM_OK}, {"patterned", patterned, GPUMEM_OK},
    {"checkpointed", checkpointed, GPUMEM_OK}, {"stepped", stepped, GPUMEM_OK}, {"remembered", remembered, GPUMEM_OK}, {"looping", looping, GPUMEM_OK},
    {"wrong value", wrong_value, GPUMEM_ECONFIG}, {"wrong type", wrong_type, GPUMEM_EMODEL}, {"wrong optimizer", wrong_optimizer, GPUMEM_EUNKNOWN},
    {"wrong pattern", wrong_pattern, GPUMEM_EINVAL}, {"broken JSON", broken_json, GPUMEM_ESYNTAX}, {"catalogue", catalogue, GPUMEM_OK},
    {"unknown model", unknown_model, GPUMEM_EMODEL}, {"cards", cards, GPUMEM_EUNKNOWN}, {"list", list, GPUMEM_OK}, {"show", show, GPUMEM_OK},
    {"cases", cases, GPUMEM_OK},
};

/* ---- refusing -------------------------------------------------------------------------------------------------------------------- */

static void run(void (*use)(void), unsigned long refuse)
{
    length = 0;
    answer[0] = '\0';
    gpumem_error_clear(&error);
    partial = false;
    allocator_calls = 0;
    allocator_refuse = refuse;
    allocator_refused = allocator_refused_us = false;
    use();
    allocator_refuse = 0;
}

static size_t differs(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    return i > 40 ? i - 40 : 0;
}

START_TEST(refusals)
{
    const char *each = getenv("GM_EACH"); /* a use: really each of its allocations */
    static char whole[sizeof answer];
    static gpumem_error said;
    unsigned long n, step, runs = 0, nomem = 0, otherwise = 0, unharmed = 0;
    void (*use)(void) = uses[_i].use;
    run(use, 0); /* what is made once for the process */
    run(use, 0);
    ck_assert_msg(error.status == uses[_i].status, "%s: %s", uses[_i].name, error_text(&error));
    ck_assert(length < sizeof answer);
    strcpy(whole, answer);
    said = error;
    step = each && strcmp(each, uses[_i].name) == 0 ? 1 : allocator_calls / 400 + 1; /* the same code asks again and again */
    for (n = 1;; n += step, runs++) {
        run(use, n);
        if (!allocator_refused)
            break;
        if (error.status == GPUMEM_ENOMEM) {
            ck_assert_str_eq(error.message, "out of memory");
            nomem++;
        } else if (error.status != GPUMEM_OK && error.status != said.status) {
            ck_assert_msg(error.message[0] && !allocator_refused_us, "%s: status %d where allocation %lu is refused: %s", uses[_i].name, error.status, n, error_text(&error));
            otherwise++;
        } else if (!partial) {
            ck_assert_msg(error.status == said.status && strcmp(answer, whole) == 0, "%s: another answer where allocation %lu is refused: %s\n%.300s\nnot\n%.300s", uses[_i].name, n,
                          error_text(&error), answer + differs(answer, whole), whole + differs(answer, whole));
            unharmed++;
        }
    }
    printf("%s: %lu allocations, %lu refused: %lu times out of memory, %lu another error, %lu no harm\n", uses[_i].name, n - 1, runs, nomem, otherwise, unharmed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *c = tcase_create("refusals");
    tcase_add_loop_test(c, refusals, 0, (int)(sizeof uses / sizeof *uses));
    suite_add_tcase(s, c);
    return run_suite(s);
}
