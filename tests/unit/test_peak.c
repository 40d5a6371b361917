/* What the peak is made of, and master weights. */
#include "models.h"
#include "../suite.h"

#define TINY \
    "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":6,\"num_attention_heads\":4,\"num_key_value_heads\":2," \
    "\"vocab_size\":1024}"

enum { MANY = 256 };

static gpumem_plan *plan_of(const gpumem_model *model, gpumem_request request)
{
    gpumem_error err = {0};
    gpumem_set *set = NULL;
    gpumem_plan *plan = NULL;
    ck_assert_int_eq(gpumem_set_open(host, "default", &set, &err), GPUMEM_OK);
    gpumem_plan_new(host, model, set, &request, &plan, &err);
    gpumem_set_free(set);
    ck_assert_msg(plan != NULL, "%s", error_text(&err));
    return plan;
}

static gpumem_result result_of(const gpumem_plan *plan, gpumem_point point)
{
    gpumem_result r;
    ck_assert_int_eq(gpumem_plan_evaluate(plan, &point, &r, NULL), GPUMEM_OK);
    return r;
}

typedef struct seen { uint64_t live, most, made, gradients, ends; } seen;

static int watch(void *self, const gpumem_event *e)
{
    seen *w = self;
    if (e->sign > 0)
        w->made += e->bytes;
    if (e->sign < 0)
        w->made -= e->bytes;
    if (e->sign == 0 && e->bytes) {
        ck_assert_uint_eq(e->is, GPUMEM_IS_GRADIENTS);
        ck_assert_uint_eq(e->phase, GPUMEM_BACKWARD);
        w->gradients += e->bytes;
    }
    w->ends += e->sign == 0 && !e->bytes;
    w->live = e->live;
    w->most = e->live > w->most ? e->live : w->most;
    return 0;
}

START_TEST(the_peak_adds_up)
{
    static const gpumem_request requests[] = {
        {.precision = "bf16"}, {.precision = "bf16", .checkpointing = true}, {.precision = "amp-bf16"}, {.precision = "bf16", .accumulation = 4},
        {.precision = "bf16-master"}, {.precision = "fp32", .attention = "eager"}};
    static const gpumem_point points[] = {{1, 1}, {1, 64}, {2, 1}, {3, 200}};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
            gpumem_model *m = model_of(TINY);
            gpumem_plan *p = plan_of(m, requests[i]);
            gpumem_result r = result_of(p, points[k]);
            gpumem_share share[MANY];
            gpumem_moment at;
            gpumem_error err = {0};
            seen w = {0};
            uint64_t sum = 0, gradients = 0;
            ck_assert_int_eq(gpumem_plan_trace(p, &points[k], watch, &w, &err), GPUMEM_OK);
            ck_assert_uint_eq(w.most, r.phase[0] > r.phase[1] ? r.phase[0] : r.phase[1]);
            ck_assert_uint_eq(w.ends, 2);
            ck_assert_int_eq(gpumem_plan_peak(p, &points[k], &at, share, MANY, &err), GPUMEM_OK);
            ck_assert_uint_eq(at.bytes, r.total);
            ck_assert(at.nshare < MANY);
            for (size_t s = 0; s < at.nshare; s++) {
                ck_assert(share[s].bytes <= r.total);
                sum += share[s].bytes;
                gradients += share[s].is == GPUMEM_IS_GRADIENTS ? share[s].bytes : 0;
            }
            ck_assert_uint_eq(sum, at.activations + at.gradients);
            ck_assert_uint_eq(gradients, at.gradients);
            if (at.phase != GPUMEM_STEP) /* all of it but what lives all the time */
                ck_assert_uint_eq(sum, r.total - (r.held_for_backward - r.kept));
            gpumem_plan_free(p);
            gpumem_model_free(m);
        }
}
END_TEST

typedef struct halves { uint64_t prefill, decode; } halves;

static int highest(void *self, const gpumem_event *e)
{
    halves *h = self;
    uint64_t *most = e->phase == GPUMEM_PREFILL ? &h->prefill : &h->decode;
    ck_assert(e->phase == GPUMEM_PREFILL || e->phase == GPUMEM_DECODE);
    *most = e->live > *most ? e->live : *most;
    return 0;
}

/* An inference told event by event has the peaks that evaluating has. */
START_TEST(prefill_and_decode)
{
    static const gpumem_request requests[] = {{.precision = "bf16"}, {.precision = "fp32", .attention = "eager"}, {.precision = "bf16", .all_logits = true},
                                              {.precision = "bf16", .no_cache = true}};
    static const gpumem_point points[] = {{1, 1}, {1, 64}, {2, 1}, {3, 200}};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
            gpumem_model *m = model_of(TINY);
            gpumem_request request = requests[i];
            gpumem_plan *p;
            gpumem_result r;
            halves h = {0, 0};
            request.mode = GPUMEM_MODE_INFERENCE;
            p = plan_of(m, request);
            r = result_of(p, points[k]);
            ck_assert_int_eq(gpumem_plan_trace(p, &points[k], highest, &h, NULL), GPUMEM_OK);
            ck_assert_uint_eq(h.prefill, r.phase[3]);
            ck_assert_uint_eq(h.decode, r.phase[4]);
            gpumem_plan_free(p);
            gpumem_model_free(m);
        }
}
END_TEST

static uint64_t gradients_that_come(const char *precision, unsigned accumulation)
{
    gpumem_model *m = model_of(TINY);
    gpumem_plan *p = plan_of(m, (gpumem_request){.precision = precision, .accumulation = accumulation});
    seen w = {0};
    gpumem_error err = {0};
    ck_assert_int_eq(gpumem_plan_trace(p, &(gpumem_point){1, 64}, watch, &w, &err), GPUMEM_OK);
    gpumem_plan_free(p);
    gpumem_model_free(m);
    return w.gradients;
}

static uint64_t parts_of(const gpumem_plan *p, const gpumem_result *r, const char *id)
{
    const gpumem_line *line;
    size_t n = gpumem_plan_lines(p, &line);
    for (size_t i = 0; i < n; i++)
        if (strcmp(line[i].part, id) == 0)
            return r->line[i];
    return 0;
}

/* Each weight's gradient comes once; extents are multiples of 32, so that no tensor is rounded in 16 bits but norms. */
START_TEST(gradients_come_once)
{
    uint64_t layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96, rest = 2 * 1024 * 64, norms = 13;
    ck_assert_uint_eq(gradients_that_come("bf16", 1), 2 * (6 * layer + rest) + 512 * norms);
    ck_assert_uint_eq(gradients_that_come("bf16", 2), 0); /* added to those that are there */
    ck_assert_uint_eq(gradients_that_come("bf16-master", 1), 0);
}
END_TEST

/* 2 bytes of a weight, 4 of its gradient, 4 of its copy, 8 of Adam's states, from the first step to the last. */
START_TEST(master_weights)
{
    uint64_t n = 6 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96) + 2 * 1024 * 64, norms = 13;
    gpumem_model *m = model_of(TINY);
    gpumem_plan *p = plan_of(m, (gpumem_request){.precision = "bf16-master", .optimizer = "adamw", .implementation = "foreach"}), *whole;
    gpumem_result r = result_of(p, (gpumem_point){1, 64}), other;
    ck_assert_uint_eq(parts_of(p, &r, "weights"), 2 * n + 512 * norms);
    ck_assert_uint_eq(parts_of(p, &r, "gradients"), 4 * n + 512 * norms);
    ck_assert_uint_eq(parts_of(p, &r, "optimizer"), 12 * n + 3 * 512 * norms);
    ck_assert_uint_eq(parts_of(p, &r, "optimizer.master weights"), 4 * n + 512 * norms);
    ck_assert_uint_eq(r.between_steps, 18 * n + 5 * 512 * norms + 2 * 512 /* positions' frequencies, twice */ + 512 /* input */);
    /* the step's temporaries are those of weights in fp32; what autograd keeps is that of bf16 */
    whole = plan_of(m, (gpumem_request){.precision = "fp32", .optimizer = "adamw", .implementation = "foreach"});
    other = result_of(whole, (gpumem_point){1, 64});
    ck_assert_uint_eq(r.phase[2] - r.between_steps, other.phase[2] - other.between_steps - parts_of(whole, &other, "gradients"));
    gpumem_plan_free(whole);
    whole = plan_of(m, (gpumem_request){.precision = "bf16", .optimizer = "adamw"});
    other = result_of(whole, (gpumem_point){1, 64});
    ck_assert_uint_eq(r.kept, other.kept);
    gpumem_plan_free(whole);
    gpumem_plan_free(p);
    /* of an inference they are no part */
    p = plan_of(m, (gpumem_request){.mode = GPUMEM_MODE_INFERENCE, .precision = "bf16-master"});
    whole = plan_of(m, (gpumem_request){.mode = GPUMEM_MODE_INFERENCE, .precision = "bf16"});
    r = result_of(p, (gpumem_point){1, 64});
    other = result_of(whole, (gpumem_point){1, 64});
    ck_assert_uint_eq(r.total, other.total);
    gpumem_plan_free(p);
    gpumem_plan_free(whole);
    gpumem_model_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peak");
    TCase *c = tcase_of(s, "peak", host_make, host_drop);
    tcase_add_test(c, the_peak_adds_up);
    tcase_add_test(c, prefill_and_decode);
    tcase_add_test(c, gradients_come_once);
    tcase_add_test(c, master_weights);
    return run_suite(s);
}
