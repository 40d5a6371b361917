/* gpu_memory_calculator: the form that its users know. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { WIDTH = 70 };
static const double GB = 1073741824.0;

static void put_rule(gpumem_text *t, const char *sign)
{
    put_repeat(t, sign, WIDTH);
    gpumem_text_char(t, '\n');
}

static void put_size(gpumem_text *t, const estimate *e, const char *label, const char *dim)
{
    int64_t v;

    if (gpumem_model_dim(e->model, dim, &v))
        gpumem_text_printf(t, "  %s: %lld\n", label, (long long)v);
}

static void put_loading(gpumem_text *t, const estimate *e)
{
    bool file = strcmp(gpumem_config_source(e->config), "config.json") == 0;
    char count[NUMBER_SIZE];
    int64_t hidden;

    grouped(count, e->weights ? gpumem_weights_sum(e->weights)->parameters : gpumem_model_parameters(e->model), ',');
    gpumem_text_printf(t, "Loading model configuration from%s: %s\n", file ? "" : " HuggingFace", gpumem_config_name(e->config));
    gpumem_text_puts(t, e->weights ? "Counting parameters from the model's weights...\n" : "Counting parameters using meta device (zero memory allocation)...\n");
    gpumem_text_printf(t, "Counted %s parameters %s\n", count, e->weights ? "from the model's weights" : "using meta device");
    gpumem_text_printf(t, "Loaded configuration:\n  Parameters: %s\n", count);
    put_size(t, e, "Hidden size", "hidden");
    put_size(t, e, "Layers", "layers");
    put_size(t, e, "Attention heads", "heads");
    put_size(t, e, "Vocab size", "vocab");
    if (gpumem_model_dim(e->model, "intermediate", &hidden))
        put_size(t, e, "Intermediate size", "intermediate");
    else if (gpumem_model_dim(e->model, "hidden", &hidden) && hidden <= INT64_MAX / 4)
        gpumem_text_printf(t, "  Intermediate size: %lld\n", (long long)hidden * 4);
    put_size(t, e, "Max sequence length", "positions");
}

static void put_upper(gpumem_text *t, const char *label, const char *s)
{
    gpumem_text_printf(t, "%s: ", label);
    for (; *s; s++)
        gpumem_text_char(t, *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s);
    gpumem_text_char(t, '\n');
}

static void put_title_lines(gpumem_text *t, const estimate *e)
{
    const char *name = gpumem_config_name(e->config);
    size_t n = strlen(name), start;

    while (n > 1 && name[n - 1] == '/')
        n--;
    for (start = n; start > 0 && name[start - 1] != '/'; start--)
        ;
    gpumem_text_char(t, '\n');
    put_rule(t, "=");
    gpumem_text_printf(t, "GPU Memory Breakdown: %.*s\n", (int)(n - start), name + start);
    put_rule(t, "=");
}

/* The names of choices are those that the user types: the set may have others for its plugins. */
static void put_request(gpumem_text *t, const estimate *e)
{
    const gpumem_request *r = e->request;
    const options *o = e->o;

    put_upper(t, "Mode", e->training ? "training" : "inference");
    put_upper(t, "Precision", o->precision ? o->precision : r->precision);
    gpumem_text_printf(t, "Batch Size: %llu\n", (unsigned long long)e->point.batch);
    if (e->training) {
        gpumem_text_printf(t, "Gradient Accumulation Steps: %u\n", (unsigned)r->accumulation);
        put_upper(t, "Optimizer", o->optimizer ? o->optimizer : r->optimizer);
        gpumem_text_printf(t, "Gradient Checkpointing: %s\n", r->checkpointing ? "True" : "False");
    }
    gpumem_text_printf(t, "Sequence Length: %llu\n\n", (unsigned long long)e->point.tokens);
}

static void put_gb(gpumem_text *t, const char *name, uint64_t bytes)
{
    gpumem_text_printf(t, "%-30s: %10.2f GB\n", name, (double)bytes / GB);
}

static void put_breakdown(gpumem_text *t, const estimate *e)
{
    gpumem_text_puts(t, "Memory Breakdown:\n");
    put_rule(t, "-");
    for (size_t i = 0; i < e->nline; i++)
        if (!e->line[i].sub)
            put_gb(t, e->line[i].name, e->result.line[i]);
    put_rule(t, "-");
    put_gb(t, "Total (GB)", e->result.total);
    put_rule(t, "=");
}

static gpumem_status put_gpus(gpumem_text *t, const estimate *e, gpumem_error *err)
{
    const char *const *key;
    size_t n = gpumem_set_gpus(e->set, &key);

    if (n > 0)
        gpumem_text_char(t, '\n');
    for (size_t i = 0; i < n; i++) {
        gpumem_gpu *gpu;
        const char *label;
        double gb;
        gpumem_status s = gpumem_gpu_open(e->host, key[i], &gpu, err);
        if (s != GPUMEM_OK)
            return s;
        label = gpumem_gpu_text(gpu, "label");
        if (!label)
            label = gpumem_gpu_text(gpu, "name");
        if (gpumem_gpu_number(gpu, "marketing_gb", &gb) && gb > 0)
            gpumem_text_printf(t, "Estimated GPUs needed (%s): %.1f\n", label ? label : key[i], (double)e->result.total / GB / gb);
        gpumem_gpu_free(gpu);
    }
    return GPUMEM_OK;
}

static gpumem_status put_classic(gpumem_text *t, const estimate *e, gpumem_error *err)
{
    if (!e->complete) {
        fail(err, GPUMEM_EINVAL, "the set '%s' cannot say the total yet, which the classic form prints", gpumem_set_id(e->set));
        return add_tip(err, "gpumem prints what is known");
    }
    put_loading(t, e);
    put_title_lines(t, e);
    put_request(t, e);
    put_breakdown(t, e);
    return put_gpus(t, e, err);
}

int verb_classic(const options *asked)
{
    options o = *asked;
    gpumem_error err = {0};
    gpumem_text out = {0};
    estimate e;
    int code;

    if (!o.model)
        o.model = "microsoft/phi-2";
    if (estimate_make(&e, &o, &err) == GPUMEM_OK)
        put_classic(&out, &e, &err);
    code = finish(&o, &out, &err);
    estimate_free(&e);
    return code;
}
