/* One estimate: config, model, set, plan, point, result, verdict. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ------------------------------------------------------------------------------------------------ */

gpumem_status open_host(const options *o, gpumem_host **out, gpumem_error *err)
{
    gpumem_host_options host = {o->plugin_dir, o->nplugin_dir, false};
    gpumem_status s = gpumem_host_new(&host, out, err);

    return s == GPUMEM_OK ? use_hub(*out, o, err) : s;
}

/* `gpumem plugn` reads as a model of that name. */
static gpumem_status unknown_model(const options *o, gpumem_error *err)
{
    gpumem_near near;
    char text[400];

    if (o->verb != VERB_ESTIMATE || strpbrk(o->model, "/.") != NULL)
        return err->status;
    gpumem_near_init(&near, o->model);
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        gpumem_near_offer(&near, verbs[v].name);
    gpumem_near_text(&near, text, sizeof text);
    if (*text)
        add_tip(err, "or is the command %s meant?", text);
    return err->status;
}

gpumem_status apply_settings(const options *o, gpumem_config *config, gpumem_error *err)
{
    char quantised[200];

    if (o->quantize) {
        if (snprintf(quantised, sizeof quantised, "{\"quant_method\": \"%s\"}", o->quantize) >= (int)sizeof quantised || strpbrk(o->quantize, "\"\\"))
            return fail(err, GPUMEM_EUNKNOWN, "--quantize %.40s: no precision has this name", o->quantize);
        gpumem_status s = gpumem_config_set(config, "quantization_config", quantised, err);
        if (s != GPUMEM_OK)
            return s;
    }
    for (size_t i = 0; i < o->nsetting; i++) {
        gpumem_status s = gpumem_config_set(config, o->setting[i].key, o->setting[i].value, err);
        if (s != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

gpumem_status open_config(gpumem_host *host, const options *o, gpumem_config **out, gpumem_error *err)
{
    static const char typed[] = "{\"model_type\":\"llama\"}";
    gpumem_status s;

    if (!o->model)
        s = gpumem_config_parse(host, "typed", typed, sizeof typed - 1, out, err);
    else if ((s = gpumem_config_open(host, o->model, out, err)) != GPUMEM_OK)
        return unknown_model(o, err);
    return s == GPUMEM_OK ? apply_settings(o, *out, err) : s;
}

gpumem_status open_model(gpumem_host *host, const options *o, const gpumem_config *config, const gpumem_set *set, gpumem_model **out,
                         gpumem_error *err)
{
    gpumem_model_options model = {o->class_name, o->freeze, o->like, set};

    return gpumem_model_new(host, config, &model, out, err);
}

static bool is_training(const options *o)
{
    if (o->verb == VERB_INFER)
        return false;
    return !o->mode || strcmp(o->mode, "inference") != 0;
}

static gpumem_status make_plan(estimate *e, gpumem_error *err)
{
    const options *o = e->o;
    gpumem_request r = {
        .mode = e->training ? GPUMEM_MODE_TRAINING : GPUMEM_MODE_INFERENCE,
        .precision = o->quantize ? o->quantize : o->precision, .optimizer = o->optimizer, .activation = o->activation,
        .implementation = o->implementation, .attention = o->attention, .engine = o->engine, .cache_format = o->cache_format,
        .static_cache = o->static_cache, .gpu_layers = o->gpu_layers > UINT32_MAX ? UINT32_MAX : (uint32_t)o->gpu_layers, .checkpointing = o->checkpointing, .no_cache = o->no_cache, .all_logits = o->all_logits,
        .accumulation = o->accumulation > UINT32_MAX ? UINT32_MAX : (uint32_t)o->accumulation};
    gpumem_status s;

    if (e->training || (!o->gpu && !o->memory))
        r.only = (gpumem_point){o->batch ? o->batch : 1, o->tokens};
    s = gpumem_plan_new(e->host, e->model, e->set, &r, &e->plan, err);

    if (s != GPUMEM_OK)
        return s;
    e->request = gpumem_plan_request(e->plan);
    e->nline = gpumem_plan_lines(e->plan, &e->line);
    e->complete = gpumem_plan_complete(e->plan);
    e->point = (gpumem_point){o->batch, o->tokens};
    gpumem_plan_defaults(e->plan, &e->point);
    s = gpumem_plan_evaluate(e->plan, &e->point, &e->result, err);
    return s == GPUMEM_OK && !o->quantize ? estimate_from_headers(e, err) : s;
}

/* ---- what was assumed ------------------------------------------------------------------------------------------------------- */

/* before, value, after: as the table shows it. */
static void assume(estimate *e, const char *id, const char *value, bool number, const char *reason, const char *before,
                   const char *after)
{
    assumption *a = &e->assumption[e->nassumption];

    if (e->nassumption == MAX_ASSUMPTIONS || !value)
        return;
    e->nassumption++;
    *a = (assumption){.id = id, .reason = reason, .confidence = "typical", .number = number};
    snprintf(a->value, sizeof a->value, "%s", value);
    snprintf(a->text, sizeof a->text, "%s%s%s", before, value, after);
}

static void assume_number(estimate *e, const char *id, uint64_t value, const char *reason, const char *before, const char *after)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    assume(e, id, digits, true, reason, before, after);
}

static void assume_load(estimate *e)
{
    const options *o = e->o;
    int64_t positions;
    bool all = gpumem_model_dim(e->model, "positions", &positions) && (uint64_t)positions == e->point.tokens;

    if (!o->batch)
        assume_number(e, e->training ? "micro_batch" : "sequences", e->point.batch, "one at a time", "batch ", "");
    if (!o->tokens)
        assume_number(e, e->training ? "sequence_length" : "context", e->point.tokens,
                      all ? "positions of the model" : "choice of the set", "", " tokens");
}

static void assume_training(estimate *e)
{
    static const char set[] = "choice of the set";
    const options *o = e->o;

    if (!o->optimizer)
        assume(e, "optimizer", e->request->optimizer, false, set, "", "");
    if (!o->implementation)
        assume(e, "implementation", e->request->implementation, false, set, "", " step");
    if (!o->checkpointing) {
        assume(e, "checkpointing", "false", true, "not asked for", "", "");
        snprintf(e->assumption[e->nassumption - 1].text, sizeof e->assumption->text, "no checkpointing");
    }
}

static void collect_assumptions(estimate *e)
{
    const options *o = e->o;

    assume_load(e);
    if (!o->precision && !o->quantize)
        assume(e, "precision", e->request->precision, false, gpumem_plan_quantized(e->plan) ? "quantisation of the config" : "choice of the set", "", "");
    if (e->training)
        assume_training(e);
    else if (!o->engine)
        assume(e, "engine", e->request->engine, false, "choice of the set", "", "");
    if (!o->attention)
        assume(e, "attention", e->request->attention, false, "choice of the program", "", " attention");
}

/* ---- does it fit? ---------------------------------------------------------------------------------------------------------------- */

static gpumem_status check_needs(const estimate *e, gpumem_error *err)
{
    const options *o = e->o;

    if (o->svg && !o->timeline)
        return fail(err, GPUMEM_EINVAL, "--svg is a form of --timeline");
    if (o->check && !o->gpu && !o->memory)
        return fail(err, GPUMEM_EINVAL, "--check needs --gpu or --memory");
    if (e->complete || (!o->check && !o->quiet))
        return GPUMEM_OK;
    if (gpumem_plan_warning(e->plan))
        fail(err, GPUMEM_EINVAL, "%s: the total is not known: %s", o->check ? "--check" : "--quiet", gpumem_plan_warning(e->plan));
    else
        fail(err, GPUMEM_EINVAL, "%s: the set '%s' cannot say the total, for it does not count activations", o->check ? "--check" : "--quiet",
             gpumem_set_id(e->set));
    return add_tip(err, "--json says what is known; --set classic estimates the rest by formula");
}

static gpumem_status judge_card(estimate *e, gpumem_error *err)
{
    gpumem_status s;

    if (!e->o->gpu && !e->o->memory)
        return GPUMEM_OK;
    s = card_open(e->host, e->o, &e->card, err);
    if (s != GPUMEM_OK)
        return s;
    e->has_card = true;
    e->card.budget = (uint64_t)((long double)e->card.budget * gpumem_plan_utilization(e->plan));
    if (e->complete)
        e->verdict = judge(e->result.total, e->card.budget);
    return GPUMEM_OK;
}

/* What the library does not say, for it is true of this question and not of the model. */
static void collect_notes(estimate *e)
{
    int64_t positions;

    if (gpumem_model_dim(e->model, "positions", &positions) && positions > 0 && e->point.tokens > (uint64_t)positions)
        snprintf(e->note[e->nnote++], sizeof *e->note, "%llu tokens are more than the %lld positions of the model",
                 (unsigned long long)e->point.tokens, (long long)positions);
    if (gpumem_plan_warning(e->plan))
        snprintf(e->note[e->nnote++], sizeof *e->note, "%s", gpumem_plan_warning(e->plan));
    if (e->card.count > 1)
        snprintf(e->note[e->nnote++], sizeof *e->note,
                 "each of the %u GPUs holds the whole model: this version does not divide models", e->card.count);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------------- */

gpumem_status estimate_make(estimate *e, const options *o, gpumem_error *err)
{
    const char *set = o->set ? o->set : o->verb == VERB_CLASSIC ? "classic" : "default";
    gpumem_status s;

    memset(e, 0, sizeof *e);
    e->o = o;
    e->training = is_training(o);
    if ((s = open_host(o, &e->host, err)) != GPUMEM_OK || (s = gpumem_set_open(e->host, set, &e->set, err)) != GPUMEM_OK ||
        (s = open_with_weights(e->host, o, &e->config, &e->weights, err)) != GPUMEM_OK ||
        (s = open_model(e->host, o, e->config, e->set, &e->model, err)) != GPUMEM_OK || (s = make_plan(e, err)) != GPUMEM_OK ||
        (s = judge_card(e, err)) != GPUMEM_OK || (s = check_needs(e, err)) != GPUMEM_OK)
        return s;
    if (e->training && e->complete && !o->quiet && (s = estimate_at_peak(e, err)) != GPUMEM_OK)
        return s;
    if (!e->training && e->complete && !o->quiet && (s = estimate_remembered(e, err)) != GPUMEM_OK)
        return s;
    if (!o->quiet && !o->timeline)
        find_suggestions(e);
    if (!e->training && e->complete && e->has_card)
        e->has_limits = gpumem_plan_most(e->plan, &e->point, e->card.budget, true, &e->most_tokens, NULL) == GPUMEM_OK &&
                        gpumem_plan_most(e->plan, &e->point, e->card.budget, false, &e->most_sequences, NULL) == GPUMEM_OK;
    e->nkey = gpumem_model_keys(e->model, &e->key);
    collect_assumptions(e);
    collect_notes(e);
    return GPUMEM_OK;
}

void estimate_free(estimate *e)
{
    card_free(&e->card);
    free(e->own_line);
    gpumem_plan_free(e->plan);
    gpumem_weights_free(e->weights);
    gpumem_model_free(e->model);
    gpumem_config_free(e->config);
    gpumem_set_free(e->set);
    gpumem_host_free(e->host);
}

void say_warnings(const options *o, const gpumem_model *model)
{
    const char *const *warning;
    size_t n = gpumem_model_warnings(model, &warning);

    for (size_t i = 0; i < n; i++)
        note(o, warning[i]);
}

static gpumem_status put_result(gpumem_text *t, const estimate *e, gpumem_error *err)
{
    const options *o = e->o;

    if (o->quiet) {
        gpumem_text_u64(t, e->result.total);
        gpumem_text_char(t, '\n');
    } else if (o->timeline) {
        terminal term = term_stdout(o);
        return put_timeline(t, e, &term, err);
    } else if (o->json) {
        put_json(t, e);
    } else {
        terminal term = term_stdout(o);
        if (o->explain)
            put_explanation(t, e, &term);
        else
            put_table(t, e, &term);
        say_warnings(o, e->model);
        if (e->weights)
            say_weights(o, e->weights);
        for (unsigned i = 0; i < e->nnote; i++)
            note(o, e->note[i]);
    }
    return GPUMEM_OK;
}

/* Where nobody knows the architecture the headers still say what the weights need. */
static void only_weights(gpumem_text *t, estimate *e, gpumem_error *err)
{
    const options *o = e->o;
    gpumem_error none = {0}; /* without weights the first error stands */

    if (err->status != GPUMEM_EMODEL || o->check || o->quiet || (o->weights && strcmp(o->weights, "config") == 0))
        return;
    if (!e->weights && (!e->config || open_weights(e->host, o, e->config, &e->weights, &none) != GPUMEM_OK))
        return;
    show_weights(t, o, e->weights);
    note(o, err->message);
    note(o, "only the weights are counted, by the headers of their files");
    gpumem_error_clear(err);
}

int verb_estimate(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    estimate e;
    int code;

    if (estimate_make(&e, o, &err) == GPUMEM_OK)
        put_result(&out, &e, &err);
    else
        only_weights(&out, &e, &err);
    code = finish(o, &out, &err);
    if (code == CODE_OK && o->check && e.verdict == VERDICT_NO)
        code = CODE_NO;
    estimate_free(&e);
    return code;
}
