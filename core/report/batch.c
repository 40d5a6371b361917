/* One case a line: configs, models and plans are made once. */
#include "base/map.h"
#include "base/near.h"
#include "model/config.h"
#include "plan/plan.h"
#include "plugin/set.h"
#include "text/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct gpumem_batch {
    gpumem_host *host;
    const gpumem_set *set;
    char *folder;
    gm_map configs, models, plans, sets; /* by path; by config, class and freeze; by model and request; by name */
    gm_arena arena;                      /* of one line */
    gpumem_text key;
};

typedef struct gm_case { /* a line, understood */
    const gm_value *config, *seq, *batch;
    const char *model, *class_name, *freeze, *set, *like;
    gpumem_request request;
    gpumem_point point;
} gm_case;

typedef struct gm_answer { gpumem_model *model; gpumem_plan *plan; gpumem_config *config; const gpumem_set *set; bool kept; } gm_answer;

/* ---- keys ---- */

enum { K_CONFIG, K_MODEL, K_CLASS, K_AUTO, K_MODE, K_PRECISION, K_ATTENTION, K_ENGINE, K_KV_DTYPE, K_STATIC_CACHE, K_GPU_LAYERS, K_OPTIMIZER, K_IMPLEMENTATION, K_BATCH, K_SEQ, K_CHECKPOINTING,
       K_ACCUMULATION, K_FREEZE, K_ALL_LOGITS, K_SET, K_LIKE, K_COUNT };
static const struct { const char *name; unsigned types; const char *expected; } known[K_COUNT] = {
    [K_CONFIG] = {"config", GM_IS(GM_STRING) | GM_IS(GM_MAP), "a path or an object"},
    [K_MODEL] = {"model", GM_IS(GM_STRING), "a path or a name"},
    [K_CLASS] = {"class", GM_IS(GM_STRING), "a class"},
    [K_AUTO] = {"auto", GM_IS(GM_STRING), "an auto class"},
    [K_MODE] = {"mode", GM_IS(GM_STRING), "training or inference"},
    [K_PRECISION] = {"precision", GM_IS(GM_STRING), "a string"},
    [K_ATTENTION] = {"attention", GM_IS(GM_STRING), "a string"},
    [K_ENGINE] = {"engine", GM_IS(GM_STRING), "a string"},
    [K_KV_DTYPE] = {"kv_dtype", GM_IS(GM_STRING), "a string"},
    [K_STATIC_CACHE] = {"static_cache", GM_IS(GM_INT), "an integer of 1 or more"},
    [K_GPU_LAYERS] = {"gpu_layers", GM_IS(GM_INT), "an integer of 1 or more"},
    [K_OPTIMIZER] = {"optimizer", GM_IS(GM_STRING), "a string"},
    [K_IMPLEMENTATION] = {"implementation", GM_IS(GM_STRING), "a string"},
    [K_BATCH] = {"batch", GM_IS(GM_INT), "an integer of 1 or more"},
    [K_SEQ] = {"seq", GM_IS(GM_INT), "an integer of 1 or more"},
    [K_CHECKPOINTING] = {"checkpointing", GM_IS(GM_BOOL), "true or false"},
    [K_ACCUMULATION] = {"accumulation", GM_IS(GM_BOOL) | GM_IS(GM_INT), "true, false or an integer of 1 or more"},
    [K_FREEZE] = {"freeze", GM_IS(GM_STRING), "a regular expression"},
    [K_ALL_LOGITS] = {"all_logits", GM_IS(GM_BOOL), "true or false"},
    [K_SET] = {"set", GM_IS(GM_STRING), "a string"},
    [K_LIKE] = {"like", GM_IS(GM_STRING), "a family"},
};
/* What results are called: such a key of a case is not echoed, so that nothing looks like an answer that is none. */
static const char *const result_key[] = {
    "class", "parameters", "trainable", "weights", "between_steps", "kept", "held_for_backward", "after_forward", "after_backward", "after_step",
    "peak_forward", "peak_backward", "peak_step", "peak", "peak_phase", "peak_op", "cache", "after_prefill", "after_decode", "peak_prefill",
    "peak_decode", "total", "warnings", "error"};

static int known_key(const char *key)
{
    for (int i = 0; i < K_COUNT; i++)
        if (strcmp(known[i].name, key) == 0)
            return i;
    return -1;
}

static bool is_result(const char *key)
{
    for (size_t i = 0; i < COUNT(result_key); i++)
        if (strcmp(result_key[i], key) == 0)
            return true;
    return false;
}

static gpumem_status check_near(const char *key, gpumem_error *err)
{
    size_t n = strlen(key), limit = n / 3 < 1 ? 1 : n / 3 > 2 ? 2 : n / 3;
    if (is_result(key))
        return GPUMEM_OK;
    for (int i = 0; i < K_COUNT; i++)
        if (gm_near_distance(key, known[i].name) <= limit)
            return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "unknown key '%s': did you mean '%s'?", key, known[i].name);
    return GPUMEM_OK;
}

/* ---- reading a case ---- */

static gpumem_status read_number(const gm_value *v, const char *name, uint64_t *out, gpumem_error *err)
{
    if (v == NULL)
        return GPUMEM_OK;
    if (v->v.i < 1)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "%s: expected an integer of 1 or more", name);
    *out = (uint64_t)v->v.i;
    return GPUMEM_OK;
}

static const char *string_of(const gm_value *v)
{
    return v ? v->v.s : NULL;
}

static gpumem_status read_accumulation(const gm_value *v, uint32_t *out, gpumem_error *err)
{
    *out = 1;
    if (v == NULL)
        return GPUMEM_OK;
    if (v->type == GM_BOOL) {
        *out = v->v.b ? 2 : 1;
        return GPUMEM_OK;
    }
    if (v->v.i < 1 || v->v.i > 1000000)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "accumulation: expected true, false or an integer from 1 to 1000000");
    *out = (uint32_t)v->v.i;
    return GPUMEM_OK;
}

static gpumem_status read_mode(const char *mode, gpumem_mode *out, gpumem_error *err)
{
    if (mode == NULL || strcmp(mode, "training") == 0)
        *out = GPUMEM_MODE_TRAINING;
    else if (strcmp(mode, "inference") == 0)
        *out = GPUMEM_MODE_INFERENCE;
    else
        return gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "mode: '%s' is not training or inference", mode);
    return GPUMEM_OK;
}

static gpumem_status read_case(const gm_value *line, gm_case *c, gpumem_error *err)
{
    const gm_value *at[K_COUNT] = {NULL};
    uint64_t layers = 0;
    gpumem_status s;
    memset(c, 0, sizeof *c);
    if (line->type != GM_MAP)
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "expected an object, not %s", gm_type_name(line->type));
    for (uint32_t i = 0; i < line->n; i++) {
        const gm_member *m = &line->v.map[i];
        int k = known_key(m->key);
        if (k < 0) {
            if ((s = check_near(m->key, err)) != GPUMEM_OK)
                return s;
        } else if (m->value.type != GM_NULL) {
            if (!(known[k].types & GM_IS(m->value.type)))
                return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "%s: expected %s, not %s", m->key, known[k].expected, gm_type_name(m->value.type));
            at[k] = &m->value;
        }
    }
    if ((at[K_CONFIG] == NULL) == (at[K_MODEL] == NULL))
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, at[K_CONFIG] ? "expected one of 'config' and 'model', not both" : "the key 'config' is missing");
    if (at[K_CLASS] && at[K_AUTO])
        at[K_AUTO] = NULL; /* results name both the auto class and what it built */
    c->config = at[K_CONFIG];
    c->model = string_of(at[K_MODEL]);
    c->class_name = string_of(at[K_CLASS] ? at[K_CLASS] : at[K_AUTO]);
    c->freeze = string_of(at[K_FREEZE]);
    c->set = string_of(at[K_SET]);
    c->like = string_of(at[K_LIKE]);
    c->request.precision = string_of(at[K_PRECISION]);
    c->request.attention = string_of(at[K_ATTENTION]);
    c->request.engine = string_of(at[K_ENGINE]);
    c->request.cache_format = string_of(at[K_KV_DTYPE]);
    c->request.optimizer = string_of(at[K_OPTIMIZER]);
    c->request.implementation = string_of(at[K_IMPLEMENTATION]);
    if (c->request.optimizer && c->request.implementation == NULL)
        c->request.implementation = "torch"; /* an optimizer without a form: the one that it takes by itself */
    c->request.checkpointing = at[K_CHECKPOINTING] && at[K_CHECKPOINTING]->v.b;
    c->request.all_logits = at[K_ALL_LOGITS] && at[K_ALL_LOGITS]->v.b;
    if ((s = read_mode(string_of(at[K_MODE]), &c->request.mode, err)) != GPUMEM_OK ||
        (s = read_accumulation(at[K_ACCUMULATION], &c->request.accumulation, err)) != GPUMEM_OK ||
        (s = read_number(at[K_BATCH], "batch", &c->point.batch, err)) != GPUMEM_OK || (s = read_number(at[K_SEQ], "seq", &c->point.tokens, err)) != GPUMEM_OK)
        return s;
    if ((s = read_number(at[K_STATIC_CACHE], "static_cache", &c->request.static_cache, err)) != GPUMEM_OK)
        return s;
    if ((s = read_number(at[K_GPU_LAYERS], "gpu_layers", &layers, err)) != GPUMEM_OK)
        return s;
    c->request.gpu_layers = layers > UINT32_MAX ? UINT32_MAX : (uint32_t)layers;
    c->request.only = (gpumem_point){c->point.batch ? c->point.batch : 1, c->point.tokens};
    return GPUMEM_OK;
}

/* ---- what a case needs, made once ---- */

static void key_put(gpumem_text *t, const char *s)
{
    if (s)
        gpumem_text_puts(t, s);
    gpumem_text_char(t, s ? 1 : 2); /* absent is not empty */
}

static void key_pointer(gpumem_text *t, const void *p)
{
    gpumem_text_put(t, (const char *)&p, sizeof p);
}

static gpumem_status remember(gm_map *map, const gpumem_text *key, void *value, gpumem_error *err)
{
    return key->failed || gm_map_put(map, key->s, key->n, value) ? gm_no_memory(err) : GPUMEM_OK;
}

static gpumem_status get_config(gpumem_batch *b, const gm_case *c, gm_answer *a, gpumem_error *err)
{
    gpumem_status s;
    if (c->config && c->config->type == GM_MAP) {
        a->config = gm_config_of(b->host, "config", c->config, err);
        return a->config ? GPUMEM_OK : GPUMEM_ENOMEM;
    }
    gpumem_text_clear(&b->key);
    if (c->model == NULL && b->folder && c->config->v.s[0] != '/') {
        gpumem_text_puts(&b->key, b->folder);
        gpumem_text_char(&b->key, '/');
    }
    gpumem_text_puts(&b->key, c->model ? c->model : c->config->v.s);
    if (b->key.failed)
        return gm_no_memory(err);
    a->kept = true;
    a->config = gm_map_get(&b->configs, b->key.s, b->key.n);
    if (a->config)
        return GPUMEM_OK;
    if ((s = gpumem_config_open(b->host, b->key.s, &a->config, err)) != GPUMEM_OK)
        return s;
    if ((s = remember(&b->configs, &b->key, a->config, err)) != GPUMEM_OK)
        gpumem_config_free(a->config);
    return s;
}

static gpumem_status get_model(gpumem_batch *b, const gm_case *c, gm_answer *a, gpumem_error *err)
{
    gpumem_model_options options = {c->class_name, c->freeze, c->like, a->set};
    gpumem_status s;
    if (!a->kept)
        return gpumem_model_new(b->host, a->config, &options, &a->model, err);
    gpumem_text_clear(&b->key);
    key_pointer(&b->key, a->config);
    key_put(&b->key, c->class_name);
    key_put(&b->key, c->freeze);
    key_put(&b->key, c->like);
    key_pointer(&b->key, a->set);
    if (b->key.failed)
        return gm_no_memory(err);
    a->model = gm_map_get(&b->models, b->key.s, b->key.n);
    if (a->model)
        return GPUMEM_OK;
    if ((s = gpumem_model_new(b->host, a->config, &options, &a->model, err)) != GPUMEM_OK)
        return s;
    if ((s = remember(&b->models, &b->key, a->model, err)) != GPUMEM_OK) {
        gpumem_model_free(a->model);
        a->model = NULL;
    }
    return s;
}

static gpumem_status get_set(gpumem_batch *b, const char *name, const gpumem_set **out, gpumem_error *err)
{
    gpumem_set *set;
    gpumem_status s;
    *out = b->set;
    if (name == NULL)
        return GPUMEM_OK;
    set = gm_map_get(&b->sets, name, strlen(name));
    if (set == NULL) {
        if ((s = gpumem_set_open(b->host, name, &set, err)) != GPUMEM_OK)
            return s;
        if (gm_map_put(&b->sets, name, strlen(name), set)) {
            gpumem_set_free(set);
            return gm_no_memory(err);
        }
    }
    *out = set;
    return GPUMEM_OK;
}

static gpumem_status get_plan(gpumem_batch *b, const gm_case *c, gm_answer *a, gpumem_error *err)
{
    const gpumem_request *r = &c->request;
    char flags[24];
    gpumem_status s;
    if (!a->kept)
        return gpumem_plan_new(b->host, a->model, a->set, r, &a->plan, err);
    gpumem_text_clear(&b->key);
    key_pointer(&b->key, a->model);
    key_pointer(&b->key, a->set);
    key_put(&b->key, r->precision);
    key_put(&b->key, r->optimizer);
    key_put(&b->key, r->implementation);
    key_put(&b->key, r->attention);
    key_put(&b->key, r->engine);
    key_put(&b->key, r->cache_format);
    flags[0] = (char)('0' + r->mode * 4 + r->checkpointing * 2 + r->all_logits);
    flags[1] = (char)('0' + (r->only.batch == 1) + 2 * (r->only.tokens == 1));
    memcpy(flags + 2, &r->accumulation, sizeof r->accumulation);
    memcpy(flags + 2 + sizeof r->accumulation, &r->gpu_layers, sizeof r->gpu_layers);
    memcpy(flags + 2 + sizeof r->accumulation + sizeof r->gpu_layers, &r->static_cache, sizeof r->static_cache);
    gpumem_text_put(&b->key, flags, 2 + sizeof r->accumulation + sizeof r->gpu_layers + sizeof r->static_cache);
    if (b->key.failed)
        return gm_no_memory(err);
    a->plan = gm_map_get(&b->plans, b->key.s, b->key.n);
    if (a->plan) {
        gpumem_point point = c->point;
        gpumem_plan_defaults(a->plan, &point);
        if (gm_plan_made_for(a->plan, &point))
            return GPUMEM_OK;
        gpumem_text_put(&b->key, (const char *)&point.tokens, sizeof point.tokens); /* another number of turns of the model's loops: a plan of its own */
        if (b->key.failed)
            return gm_no_memory(err);
        if ((a->plan = gm_map_get(&b->plans, b->key.s, b->key.n)) != NULL)
            return GPUMEM_OK;
    }
    if ((s = gpumem_plan_new(b->host, a->model, a->set, r, &a->plan, err)) != GPUMEM_OK)
        return s;
    if ((s = remember(&b->plans, &b->key, a->plan, err)) != GPUMEM_OK) {
        gpumem_plan_free(a->plan);
        a->plan = NULL;
    }
    return s;
}

/* ---- writing ---- */

static void echo(const gm_value *line, gpumem_text *out, bool *first)
{
    for (uint32_t i = 0; line->type == GM_MAP && i < line->n; i++) {
        const gm_member *m = &line->v.map[i];
        if (is_result(m->key) || (strcmp(m->key, known[K_CONFIG].name) == 0 && m->value.type == GM_MAP))
            continue;
        gpumem_text_puts(out, *first ? "" : ", ");
        *first = false;
        gpumem_text_json(out, m->key, strlen(m->key));
        gpumem_text_puts(out, ": ");
        gm_value_json(&m->value, out);
    }
}

static void field(gpumem_text *out, const char *name, bool *first)
{
    gpumem_text_puts(out, *first ? "\"" : ", \"");
    *first = false;
    gpumem_text_puts(out, name);
    gpumem_text_puts(out, "\": ");
}

static void number(gpumem_text *out, const char *name, uint64_t value, bool *first)
{
    field(out, name, first);
    gpumem_text_u64(out, value);
}

static void write_answer(const gm_answer *a, const gpumem_result *r, gpumem_text *out, bool *first)
{
    const char *name = gpumem_model_class(a->model);
    field(out, "class", first);
    gpumem_text_json(out, name, strlen(name));
    number(out, "parameters", gpumem_model_parameters(a->model), first);
    number(out, "trainable", gpumem_model_trainable(a->model), first);
    number(out, "weights", r->weights, first);
    if (gpumem_plan_request(a->plan)->mode == GPUMEM_MODE_TRAINING)
        number(out, "between_steps", r->between_steps, first);
    if (gpumem_plan_complete(a->plan))
        number(out, "total", r->total, first);
    if (gpumem_plan_walks(a->plan) && gpumem_plan_request(a->plan)->mode == GPUMEM_MODE_TRAINING) {
        number(out, "kept", r->kept, first);
        number(out, "held_for_backward", r->held_for_backward, first);
        number(out, "peak_forward", r->phase[0], first);
        number(out, "peak_backward", r->phase[1], first);
        number(out, "peak_step", r->phase[2], first);
        number(out, "peak", r->total, first);
    } else if (gpumem_plan_walks(a->plan) || (gpumem_plan_complete(a->plan) && gpumem_plan_request(a->plan)->engine)) {
        number(out, "cache", r->cache, first);
        number(out, "peak_prefill", r->phase[3], first);
        number(out, "peak_decode", r->phase[4], first);
        number(out, "peak", r->total, first);
    }
}

/* Those of the model and of the plan, where there are any. */
static void write_warnings(const gm_answer *a, gpumem_text *out, bool *first)
{
    const char *const *warning, *own = gpumem_plan_warning(a->plan);
    size_t n = gpumem_model_warnings(a->model, &warning);
    if (n == 0 && own == NULL)
        return;
    field(out, "warnings", first);
    gpumem_text_char(out, '[');
    for (size_t i = 0; i < n + (own != NULL); i++) {
        const char *s = i < n ? warning[i] : own;
        gpumem_text_puts(out, i ? ", " : "");
        gpumem_text_json(out, s, strlen(s));
    }
    gpumem_text_char(out, ']');
}

static void write_error(const gpumem_error *err, gpumem_text *out, bool *first)
{
    char text[1200];
    gpumem_error_text(err, text, sizeof text);
    field(out, "error", first);
    gpumem_text_printf(out, "{\"code\": %d, \"message\": ", gpumem_exit_code(err->status));
    gpumem_text_json(out, text, strlen(text));
    gpumem_text_char(out, '}');
}

static gpumem_status answer(gpumem_batch *b, const gm_value *line, gm_answer *a, gpumem_result *r, gpumem_error *err)
{
    gm_case c;
    gpumem_status s;
    if ((s = read_case(line, &c, err)) != GPUMEM_OK || (s = get_set(b, c.set, &a->set, err)) != GPUMEM_OK || (s = get_config(b, &c, a, err)) != GPUMEM_OK || (s = get_model(b, &c, a, err)) != GPUMEM_OK ||
        (s = get_plan(b, &c, a, err)) != GPUMEM_OK)
        return s;
    gpumem_plan_defaults(a->plan, &c.point);
    return gpumem_plan_evaluate(a->plan, &c.point, r, err);
}

gpumem_status gpumem_batch_line(gpumem_batch *b, const char *line, size_t n, gpumem_text *out)
{
    gpumem_error err = {0};
    gm_answer a = {0};
    gpumem_result r;
    gm_value v = {0};
    bool first = true;
    gm_arena_clear(&b->arena);
    gpumem_status s = gm_json_parse(&b->arena, NULL, line, n, &v, &err);
    gpumem_text_char(out, '{');
    if (s == GPUMEM_OK) {
        echo(&v, out, &first);
        s = answer(b, &v, &a, &r, &err);
    }
    if (s == GPUMEM_OK) {
        write_answer(&a, &r, out, &first);
        write_warnings(&a, out, &first);
    } else
        write_error(&err, out, &first);
    gpumem_text_puts(out, "}\n");
    if (!a.kept) {
        gpumem_plan_free(a.plan);
        gpumem_model_free(a.model);
        gpumem_config_free(a.config);
    }
    return out->failed ? GPUMEM_ENOMEM : GPUMEM_OK;
}

/* ---- the batch ---- */

gpumem_status gpumem_batch_new(gpumem_host *host, const gpumem_set *set, const char *folder, gpumem_batch **out, gpumem_error *err)
{
    gpumem_batch *b = calloc(1, sizeof *b);
    *out = NULL;
    if (b)
        b->folder = strdup(folder ? folder : ".");
    if (b == NULL || b->folder == NULL) {
        gpumem_batch_free(b);
        return gm_no_memory(err);
    }
    b->host = host;
    b->set = set;
    *out = b;
    return GPUMEM_OK;
}

static void free_plan(void *p) { gpumem_plan_free(p); }
static void free_model(void *p) { gpumem_model_free(p); }
static void free_config(void *p) { gpumem_config_free(p); }
static void free_set(void *p) { gpumem_set_free(p); }

void gpumem_batch_free(gpumem_batch *b)
{
    if (b == NULL)
        return;
    gm_map_free(&b->plans, free_plan);
    gm_map_free(&b->models, free_model);
    gm_map_free(&b->configs, free_config);
    gm_map_free(&b->sets, free_set);
    gm_arena_free(&b->arena);
    gpumem_text_free(&b->key);
    free(b->folder);
    free(b);
}
