/* The estimate as JSON, and the small writer that all verbs use. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

/* ---- the writer --------------------------------------------------------------------------------------------------------- */

static void separate(gpumem_text *t)
{
    char last = t->n > 0 ? t->s[t->n - 1] : '{';

    if (last == '\n' || last == ' ') /* json_line has put the comma */
        return;
    if (last != '{' && last != '[' && last != ':')
        gpumem_text_char(t, ',');
}

void json_line(gpumem_text *t)
{
    separate(t);
    gpumem_text_puts(t, "\n ");
}

void json_key(gpumem_text *t, const char *key)
{
    separate(t);
    if (key) {
        gpumem_text_json(t, key, strlen(key));
        gpumem_text_char(t, ':');
    }
}

void json_open(gpumem_text *t, const char *key, char bracket)
{
    json_key(t, key);
    gpumem_text_char(t, bracket);
}

void json_close(gpumem_text *t, char bracket)
{
    gpumem_text_char(t, bracket == '{' ? '}' : ']');
}

void json_raw(gpumem_text *t, const char *key, const char *json)
{
    json_key(t, key);
    gpumem_text_puts(t, json);
}

void json_null(gpumem_text *t, const char *key)
{
    json_raw(t, key, "null");
}

void json_string(gpumem_text *t, const char *key, const char *s)
{
    if (!s) {
        json_null(t, key);
        return;
    }
    json_key(t, key);
    gpumem_text_json(t, s, strlen(s));
}

void json_u64(gpumem_text *t, const char *key, uint64_t v)
{
    json_key(t, key);
    gpumem_text_u64(t, v);
}

void json_i64(gpumem_text *t, const char *key, int64_t v)
{
    json_key(t, key);
    gpumem_text_i64(t, v);
}

void json_bool(gpumem_text *t, const char *key, bool v)
{
    json_raw(t, key, v ? "true" : "false");
}

void json_known(gpumem_text *t, const char *key, bool known, uint64_t v)
{
    if (known)
        json_u64(t, key, v);
    else
        json_null(t, key);
}

/* ---- input and model ------------------------------------------------------------------------------------------------------ */

static void put_training(gpumem_text *t, const estimate *e)
{
    const gpumem_request *r = e->request;

    json_u64(t, "sequence_length", e->point.tokens);
    json_u64(t, "micro_batch", e->point.batch);
    json_string(t, "optimizer", r->optimizer);
    json_string(t, "implementation", r->implementation);
    json_bool(t, "checkpointing", r->checkpointing);
    json_u64(t, "accumulation", r->accumulation);
}

static void put_inference(gpumem_text *t, const estimate *e)
{
    json_u64(t, "context", e->point.tokens);
    json_u64(t, "sequences", e->point.batch);
    json_bool(t, "cache", !e->request->no_cache);
    json_bool(t, "all_logits", e->request->all_logits);
    json_string(t, "engine", e->request->engine);
    json_string(t, "kv_dtype", e->request->cache_format);
    if (e->request->static_cache)
        json_u64(t, "static_cache", e->request->static_cache);
    if (e->o->gpu_layers)
        json_u64(t, "gpu_layers", e->o->gpu_layers);
}

/* Where the plan does not say, the precision's name is that of its format. */
static const char *weights_format(const estimate *e)
{
    for (size_t i = 0; i < e->nline; i++)
        if (e->line[i].is == GPUMEM_IS_WEIGHTS && !e->line[i].sub && e->line[i].format)
            return e->line[i].format;
    return e->request->precision;
}

static void put_input(gpumem_text *t, const estimate *e)
{
    const options *o = e->o;

    json_open(t, "input", '{');
    json_string(t, "model", gpumem_config_name(e->config));
    json_string(t, "model_source", gpumem_config_source(e->config));
    json_string(t, "mode", e->training ? "training" : "inference");
    json_string(t, "precision", e->request->precision);
    json_string(t, "weights_dtype", weights_format(e));
    if (e->training)
        put_training(t, e);
    else
        put_inference(t, e);
    json_string(t, "attention", e->request->attention);
    json_string(t, "activation", e->request->activation);
    json_string(t, "set", gpumem_set_id(e->set));
    json_string(t, "class", gpumem_model_class(e->model));
    json_string(t, "freeze", o->freeze);
    if (o->nsetting > 0) {
        json_open(t, "params", '{');
        for (size_t i = 0; i < o->nsetting; i++)
            json_string(t, o->setting[i].key, o->setting[i].value);
        json_close(t, '{');
    }
    json_close(t, '{');
}

static uint64_t layers_of(const gpumem_model *model)
{
    const gpumem_description *d = gpumem_model_description(model);
    uint64_t n = 0;
    int64_t value;

    if (gpumem_model_dim(model, "layers", &value) && value >= 0)
        return (uint64_t)value;
    for (uint32_t i = 0; i < d->nblock; i++)
        if (d->block[i].layer != GPUMEM_NONE)
            n += d->block[i].count;
    return n;
}

static void put_dim(gpumem_text *t, const gpumem_model *model, const char *name)
{
    int64_t value;

    if (gpumem_model_dim(model, name, &value))
        json_i64(t, name, value);
    else
        json_null(t, name);
}

static void put_model(gpumem_text *t, const estimate *e)
{
    json_open(t, "model", '{');
    json_u64(t, "parameters", gpumem_model_parameters(e->model));
    json_u64(t, "trainable_parameters", gpumem_model_trainable(e->model));
    json_u64(t, "active_parameters", gpumem_model_active(e->model));
    json_u64(t, "layers", layers_of(e->model));
    put_dim(t, e->model, "kv_heads");
    put_dim(t, e->model, "head_dim");
    json_string(t, "family", gpumem_model_family(e->model));
    json_string(t, "class", gpumem_model_class(e->model));
    json_close(t, '{');
}

/* ---- devices --------------------------------------------------------------------------------------------------------------- */

static void put_part(gpumem_text *t, const gpumem_line *line, const char *id, uint64_t bytes)
{
    json_open(t, NULL, '{');
    json_string(t, "id", id);
    json_u64(t, "bytes", bytes);
    if (line->name && strcmp(line->name, id) != 0)
        json_string(t, "name", line->name);
    if (line->formula && *line->formula)
        json_string(t, "formula", line->formula);
    if (line->plugin && *line->plugin)
        json_string(t, "plugin", line->plugin);
}

/* A part and the lines after it that are its details; returns the index after them. */
static size_t put_group(gpumem_text *t, const estimate *e, size_t i)
{
    size_t next = i + 1;

    put_part(t, &e->line[i], e->line[i].part, e->result.line[i]);
    for (; next < e->nline && e->line[next].sub; next++) {
        if (next == i + 1)
            json_open(t, "of", '[');
        put_part(t, &e->line[next], e->line[next].name, e->result.line[next]);
        json_close(t, '{');
    }
    if (next > i + 1)
        json_close(t, '[');
    json_close(t, '{');
    return next;
}

static void put_parts(gpumem_text *t, const estimate *e)
{
    json_open(t, "parts", '[');
    for (size_t i = 0; i < e->nline;)
        i = put_group(t, e, i);
    json_close(t, '[');
}

static bool find_part(const estimate *e, unsigned is, uint64_t *bytes)
{
    bool found = false;

    *bytes = 0;
    for (size_t i = 0; i < e->nline; i++)
        if (e->line[i].is == is && !e->line[i].sub) {
            *bytes += e->result.line[i];
            found = true;
        }
    return found;
}

/* phase: bit number of GPUMEM_FORWARD ... */
static void put_phase(gpumem_text *t, const estimate *e, const char *key, unsigned phase)
{
    json_known(t, key, e->complete, e->result.phase[phase]);
}

static void put_phases_json(gpumem_text *t, const estimate *e)
{
    json_open(t, "phases", '[');
    for (unsigned i = 0; e->complete && i < 3; i++) {
        json_open(t, NULL, '{');
        json_string(t, "name", phase_name(1u << i));
        json_u64(t, "bytes", e->result.phase[i]);
        json_bool(t, "peak", e->has_moment ? e->moment.phase == 1u << i : e->result.phase[i] == e->result.total);
        json_close(t, '{');
    }
    json_close(t, '[');
}

static void put_peaks(gpumem_text *t, const estimate *e)
{
    uint64_t bytes;
    bool found = find_part(e, GPUMEM_IS_ACTIVATIONS, &bytes);

    json_known(t, "activations", e->complete && found, bytes);
    if (e->training) {
        put_phase(t, e, "peak_forward", 0);
        put_phase(t, e, "peak_backward", 1);
        put_phase(t, e, "peak_step", 2);
    } else {
        found = find_part(e, GPUMEM_IS_CACHE, &bytes);
        json_known(t, "cache", e->complete && (found || e->request->no_cache), bytes);
        put_phase(t, e, "peak_prefill", 3);
        put_phase(t, e, "peak_decode", 4);
    }
    json_known(t, "peak", e->complete, e->result.total);
    if (e->training) {
        json_known(t, "kept", e->has_moment, e->result.kept);
        json_known(t, "held_for_backward", e->has_moment, e->result.held_for_backward);
        json_moment(t, e);
        put_phases_json(t, e);
    }
}

/* Ten-thousandths, half up, as a decimal fraction. */
static void put_fill(gpumem_text *t, uint64_t total, uint64_t budget)
{
    char text[32];
    long double fill = (long double)total / (long double)budget * 10000 + 0.5L;
    uint64_t n = fill < 0x1p63L ? (uint64_t)fill : UINT64_MAX / 2;

    snprintf(text, sizeof text, "%llu.%04u", (unsigned long long)(n / 10000), (unsigned)(n % 10000));
    json_raw(t, "fill", text);
}

static void put_verdict(gpumem_text *t, verdict v)
{
    json_string(t, "verdict", v == VERDICT_UNKNOWN ? NULL : verdict_name(v));
}

static void put_fit(gpumem_text *t, const estimate *e)
{
    uint64_t budget = e->card.budget, total = e->result.total;

    json_known(t, "budget", e->has_card, budget);
    if (e->verdict == VERDICT_UNKNOWN) {
        json_null(t, "headroom");
        json_null(t, "fill");
    } else {
        json_i64(t, "headroom", (int64_t)(budget - total));
        put_fill(t, total, budget);
    }
    put_verdict(t, e->verdict);
}

static void put_device(gpumem_text *t, const estimate *e)
{
    json_open(t, "devices", '[');
    json_open(t, NULL, '{');
    json_u64(t, "index", 0);
    json_string(t, "role", "tp0");
    put_parts(t, e);
    json_known(t, "total", e->complete, e->result.total);
    json_known(t, "low", e->complete, e->result.total);
    json_known(t, "high", e->complete, e->result.total);
    if (e->training)
        json_u64(t, "between_steps", e->result.between_steps);
    put_peaks(t, e);
    put_fit(t, e);
    json_close(t, '{');
    json_close(t, '[');
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------------- */

static void put_assumption(gpumem_text *t, const char *id, const char *value, bool raw, const char *reason, const char *confidence)
{
    json_open(t, NULL, '{');
    json_string(t, "id", id);
    if (raw)
        json_raw(t, "value", value);
    else
        json_string(t, "value", value);
    json_string(t, "reason", reason);
    json_string(t, "confidence", confidence);
    json_close(t, '{');
}

static bool is_default(const gpumem_key *key)
{
    return strcmp(key->origin, "default") == 0;
}

static void put_assumptions(gpumem_text *t, const estimate *e)
{
    json_open(t, "assumptions", '[');
    for (unsigned i = 0; i < e->nassumption; i++) {
        const assumption *a = &e->assumption[i];
        put_assumption(t, a->id, a->value, a->number, a->reason, a->confidence);
    }
    for (size_t i = 0; i < e->nkey; i++)
        if (is_default(&e->key[i])) {
            char id[160];
            snprintf(id, sizeof id, "config.%s", e->key[i].key);
            put_assumption(t, id, e->key[i].value, true, "default of the model's class", "exact");
        }
    json_close(t, '[');
}

static void put_warnings(gpumem_text *t, const estimate *e)
{
    const char *const *warning;
    size_t n = gpumem_model_warnings(e->model, &warning);

    json_open(t, "warnings", '[');
    for (size_t i = 0; i < n; i++)
        json_string(t, NULL, warning[i]);
    for (unsigned i = 0; i < e->nnote; i++)
        json_string(t, NULL, e->note[i]);
    json_close(t, '[');
}

static void put_provenance(gpumem_text *t, const estimate *e)
{
    const gpumem_used *used;
    size_t n = gpumem_plan_plugins(e->plan, &used);

    json_open(t, "provenance", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(t, NULL, '{');
        json_string(t, "kind", gpumem_kind_name(used[i].kind));
        json_string(t, "id", used[i].id);
        json_string(t, "version", used[i].version);
        json_open(t, "sources", '[');
        for (size_t k = 0; k < used[i].nsource; k++)
            json_string(t, NULL, used[i].source[k]);
        json_close(t, '[');
        json_close(t, '{');
    }
    json_close(t, '[');
}

void put_json(gpumem_text *t, const estimate *e)
{
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem/1");
    json_string(t, "tool_version", gpumem_version());
    json_string(t, "units", "bytes");
    json_line(t);
    put_input(t, e);
    json_line(t);
    put_model(t, e);
    json_line(t);
    json_key(t, "gpu");
    if (e->has_card)
        card_json(t, &e->card, true);
    else
        gpumem_text_puts(t, "null");
    json_line(t);
    put_device(t, e);
    json_line(t);
    put_verdict(t, e->verdict);
    if (e->verdict == VERDICT_UNKNOWN)
        json_null(t, "fits");
    else
        json_bool(t, "fits", e->verdict != VERDICT_NO);
    if (e->has_limits) {
        json_open(t, "limits", '{');
        json_u64(t, "max_context", e->most_tokens);
        json_u64(t, "max_sequences", e->most_sequences);
        json_u64(t, "max_tokens_in_flight", e->most_sequences * e->point.tokens);
        json_close(t, '{');
    } else
        json_null(t, "limits");
    json_suggestions(t, e);
    json_line(t);
    put_assumptions(t, e);
    json_line(t);
    put_warnings(t, e);
    json_line(t);
    put_provenance(t, e);
    json_close(t, '{');
    gpumem_text_char(t, '\n');
}
