/* What the headers of weight files say: by themselves, beside an architecture, and in an estimate. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- which model, and where its weights are -------------------------------------------------------------------------------- */

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);

    return n >= k && strcmp(s + n - k, with) == 0;
}

static bool is_here(const char *path, bool folder)
{
    struct stat st;

    return stat(path, &st) == 0 && (folder ? S_ISDIR(st.st_mode) : !S_ISDIR(st.st_mode));
}

static bool is_address(const char *model)
{
    return strstr(model, "://") != NULL || strncmp(model, "hf.co/", 6) == 0 || strncmp(model, "huggingface.co/", 15) == 0;
}

bool has_only_weights(const options *o)
{
    static const char *const file[] = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".index.json"};
    char config[4096];

    if (!o->model)
        return false;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        if (ends(o->model, file[i]) && (is_here(o->model, false) || is_address(o->model)))
            return true;
    return is_here(o->model, true) && snprintf(config, sizeof config, "%s/config.json", o->model) < (int)sizeof config && !is_here(config, false);
}

bool wants_headers(const options *o)
{
    return o->full || (o->weights && strcmp(o->weights, "headers") == 0);
}

gpumem_status open_weights(gpumem_host *host, const options *o, const gpumem_config *config, gpumem_weights **out, gpumem_error *err)
{
    *out = NULL;
    if (!o->model)
        return fail(err, GPUMEM_EINVAL, "a model of typed sizes has no weights");
    if (is_here(o->model, true) || (has_only_weights(o) && is_here(o->model, false)))
        return gpumem_weights_open_local(host, o->model, config, out, err);
    if (!is_here(o->model, false))
        return gpumem_weights_open_hub(host, config && strcmp(gpumem_config_source(config), "catalogue") == 0 ? gpumem_config_name(config) : o->model,
                                       config, out, err);
    fail(err, GPUMEM_EINVAL, "no weights of '%s' are here", o->model);
    return add_tip(err, "name a folder or a file with weights");
}

/* The config.json in the folder of a weight file. */
static bool config_beside(const options *o, char *path, size_t size)
{
    const char *slash = strrchr(o->model, '/');

    return !is_here(o->model, true) &&
           snprintf(path, size, "%.*sconfig.json", slash ? (int)(slash - o->model) + 1 : 0, o->model) < (int)size && is_here(path, false);
}

/* A model of the Hub without config.json: what its weights say, or the error that there is. */
static gpumem_status weights_instead(gpumem_host *host, const options *o, gpumem_weights **weights, gpumem_error *err)
{
    gpumem_error why = {0};
    gpumem_status s = open_weights(host, o, NULL, weights, &why);

    if (s == GPUMEM_EIO) /* none are there */
        return err->status;
    *err = why;
    return s;
}

gpumem_status open_with_weights(gpumem_host *host, const options *o, gpumem_config **config, gpumem_weights **weights, gpumem_error *err)
{
    char path[4096];
    gpumem_status s;

    *config = NULL;
    *weights = NULL;
    if (has_only_weights(o)) {
        if (o->weights && strcmp(o->weights, "config") == 0) {
            fail(err, GPUMEM_EINVAL, "'%s' has weights only, and no config.json", o->model);
            return add_tip(err, "--weights headers counts from their headers");
        }
        s = open_weights(host, o, NULL, weights, err);
    } else {
        s = open_config(host, o, config, err);
        if (s == GPUMEM_OK)
            return wants_headers(o) ? open_weights(host, o, *config, weights, err) : s;
        if (s == GPUMEM_ENOCONFIG && !(o->weights && strcmp(o->weights, "config") == 0))
            s = weights_instead(host, o, weights, err);
    }
    if (s != GPUMEM_OK)
        return s;
    if (strcmp(gpumem_weights_sum(*weights)->format, "gguf") != 0 && config_beside(o, path, sizeof path))
        s = gpumem_config_open(host, path, config, err);
    else
        s = gpumem_weights_config(host, *weights, o->model, config, err);
    return s == GPUMEM_OK ? apply_settings(o, *config, err) : s;
}

/* ---- text ---------------------------------------------------------------------------------------------------------------------- */

static void put_bytes(gpumem_text *t, const char *label, uint64_t bytes)
{
    char number[NUMBER_SIZE], amount[NUMBER_SIZE];

    gpumem_text_printf(t, "  %-12s %s bytes, %s\n", label, grouped(number, bytes, ' '), amount_unit(amount, bytes));
}

static void put_dtypes(gpumem_text *t, const gpumem_weights *w)
{
    const gpumem_weights_dtype *row;
    size_t n = gpumem_weights_dtypes(w, &row);
    char number[NUMBER_SIZE];

    if (n == 0)
        return;
    gpumem_text_puts(t, "\n  dtype          tensors        parameters             bytes\n");
    for (size_t i = 0; i < n; i++) {
        gpumem_text_puts(t, "  ");
        put_left(t, row[i].name, 13);
        put_right(t, grouped(number, row[i].tensors, ' '), 9);
        put_right(t, grouped(number, row[i].parameters, ' '), 18);
        put_right(t, grouped(number, row[i].stored, ' '), 18);
        gpumem_text_char(t, '\n');
    }
}

void put_weights(gpumem_text *t, const gpumem_weights *w, const char *name, const terminal *term)
{
    const gpumem_weights_totals *sum = gpumem_weights_sum(w);
    char number[NUMBER_SIZE];

    put_styled(t, term, STYLE_BOLD, name);
    gpumem_text_printf(t, " %s %s", term->glyph->dot, sum->format);
    if (sum->quantisation)
        gpumem_text_printf(t, " %s %s", term->glyph->dot, sum->quantisation);
    gpumem_text_printf(t, " %s %llu file%s\n\n", term->glyph->dot, (unsigned long long)sum->files, sum->files == 1 ? "" : "s");
    gpumem_text_printf(t, "  %-12s %s%s\n", "parameters", sum->exact ? "" : "about ", grouped(number, sum->parameters, ' '));
    put_bytes(t, "stored", sum->stored);
    put_bytes(t, "loaded", sum->loaded);
    gpumem_text_printf(t, "               %s\n", sum->rule);
    put_dtypes(t, w);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------ */

void json_weights(gpumem_text *t, const gpumem_weights *w)
{
    const gpumem_weights_totals *sum = gpumem_weights_sum(w);
    const gpumem_weights_dtype *row;
    size_t n = gpumem_weights_dtypes(w, &row);

    json_open(t, "weights", '{');
    json_string(t, "format", sum->format);
    json_string(t, "quantization", sum->quantisation);
    json_u64(t, "files", sum->files);
    json_u64(t, "tensors", sum->tensors);
    json_u64(t, "parameters", sum->parameters);
    json_bool(t, "exact", sum->exact);
    json_u64(t, "stored_bytes", sum->stored);
    json_u64(t, "loaded_bytes", sum->loaded);
    json_string(t, "loaded_rule", sum->rule);
    json_open(t, "dtypes", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(t, NULL, '{');
        json_string(t, "dtype", row[i].name);
        json_u64(t, "tensors", row[i].tensors);
        json_u64(t, "parameters", row[i].parameters);
        json_u64(t, "bytes", row[i].stored);
        json_close(t, '{');
    }
    json_close(t, '[');
    json_close(t, '{');
}

static void json_begin(gpumem_text *t, const char *name)
{
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem/1");
    json_string(t, "tool_version", gpumem_version());
    json_line(t);
    json_open(t, "model", '{');
    json_string(t, "name", name);
}

static void json_end(gpumem_text *t)
{
    json_close(t, '{');
    json_close(t, '{');
    gpumem_text_char(t, '\n');
}

void say_weights(const options *o, const gpumem_weights *w)
{
    const char *const *warning;
    size_t n = gpumem_weights_warnings(w, &warning);

    for (size_t i = 0; i < n; i++)
        note(o, warning[i]);
    if (!gpumem_weights_sum(w)->exact)
        note(o, "parameters are bytes divided by the size of the config's dtype");
}

void show_weights(gpumem_text *t, const options *o, const gpumem_weights *w)
{
    if (o->json) {
        json_begin(t, o->model);
        json_weights(t, w);
        json_end(t);
    } else {
        terminal term = term_stdout(o);
        put_weights(t, w, o->model, &term);
        say_weights(o, w);
    }
}

/* ---- side by side ------------------------------------------------------------------------------------------------------------------ */

typedef struct listing { gpumem_text *t; bool json; } listing;
static const char *const kinds[] = {"missing", "extra", "shape"};

static void put_dims(gpumem_text *t, const uint64_t *dim, uint32_t n)
{
    gpumem_text_char(t, '[');
    for (uint32_t i = 0; i < n; i++)
        gpumem_text_printf(t, "%s%llu", i ? ", " : "", (unsigned long long)dim[i]);
    gpumem_text_char(t, ']');
}

static void json_dims(gpumem_text *t, const char *key, const uint64_t *dim, uint32_t n)
{
    json_open(t, key, '[');
    for (uint32_t i = 0; i < n; i++)
        json_u64(t, NULL, dim[i]);
    json_close(t, '[');
}

static int put_difference(void *self, const gpumem_difference *d)
{
    const listing *l = self;

    if (l->json) {
        json_line(l->t);
        json_open(l->t, NULL, '{');
        json_string(l->t, "kind", kinds[d->kind]);
        json_string(l->t, "name", d->name);
        if (d->model)
            json_dims(l->t, "architecture", d->model->dim, d->model->ndim);
        if (d->weight)
            json_dims(l->t, "weights", d->weight->dim, d->weight->ndim);
        json_close(l->t, '{');
        return l->t->failed;
    }
    gpumem_text_printf(l->t, "  %-8s %s ", kinds[d->kind], d->name);
    if (d->model)
        put_dims(l->t, d->model->dim, d->model->ndim);
    gpumem_text_puts(l->t, d->kind == GPUMEM_DIFFERENCE_SHAPE ? ", in the files " : "");
    if (d->weight)
        put_dims(l->t, d->weight->dim, d->weight->ndim);
    gpumem_text_char(l->t, '\n');
    return l->t->failed;
}

static void put_summary(gpumem_text *t, const gpumem_comparison *c, const gpumem_weights *w, const gpumem_model *model)
{
    char a[NUMBER_SIZE], b[NUMBER_SIZE];

    gpumem_text_printf(t, "%s%llu tensors are the same", c->missing + c->extra + c->shape ? "\n" : "", (unsigned long long)c->same);
    if (c->missing + c->extra + c->shape)
        gpumem_text_printf(t, ", %llu are missing from the files, %llu are not of the architecture, %llu have another shape", (unsigned long long)c->missing,
                           (unsigned long long)c->extra, (unsigned long long)c->shape);
    gpumem_text_printf(t, "\nparameters: %s by the architecture, %s by the headers\n", grouped(a, gpumem_model_parameters(model), ' '),
                       grouped(b, gpumem_weights_sum(w)->parameters, ' '));
}

static void json_summary(gpumem_text *t, const gpumem_comparison *c, const gpumem_weights *w, const gpumem_model *model)
{
    json_u64(t, "same", c->same);
    json_u64(t, "missing", c->missing);
    json_u64(t, "extra", c->extra);
    json_u64(t, "shape", c->shape);
    json_u64(t, "parameters", gpumem_model_parameters(model));
    json_weights(t, w);
}

gpumem_status show_comparison(gpumem_text *t, const options *o, const gpumem_weights *w, const gpumem_model *model, bool *same, gpumem_error *err)
{
    listing l = {t, o->json};
    gpumem_comparison c;
    gpumem_status s;

    if (o->json) {
        json_begin(t, o->model);
        json_open(t, "differences", '[');
    }
    if ((s = gpumem_weights_compare(w, model, put_difference, &l, &c, err)) != GPUMEM_OK)
        return s;
    *same = c.missing + c.extra + c.shape == 0;
    if (!o->json) {
        put_summary(t, &c, w, model);
        say_weights(o, w);
        return GPUMEM_OK;
    }
    json_close(t, '[');
    json_line(t);
    json_summary(t, &c, w, model);
    json_end(t);
    return GPUMEM_OK;
}

/* ---- in an estimate ---------------------------------------------------------------------------------------------------------------- */

/* Lines of the plan with other bytes in line i: sums follow. */
static void set_line(estimate *e, size_t i, uint64_t bytes)
{
    uint64_t old = e->result.line[i], most = 0;

    e->result.line[i] = bytes;
    if (e->own_line[i].is == GPUMEM_IS_WEIGHTS)
        e->result.weights += bytes - old;
    if (e->own_line[i].phases & GPUMEM_BETWEEN)
        e->result.between_steps += bytes - old;
    for (unsigned k = 0; k < 6; k++) {
        if (e->own_line[i].phases & 1u << k)
            e->result.phase[k] += bytes - old;
        most = e->result.phase[k] > most ? e->result.phase[k] : most;
    }
    if (e->complete)
        e->result.total = most;
}

static gpumem_status own_lines(estimate *e, gpumem_error *err)
{
    e->own_line = malloc((e->nline ? e->nline : 1) * sizeof *e->own_line);
    if (!e->own_line)
        return fail(err, GPUMEM_ENOMEM, "out of memory");
    for (size_t i = 0; i < e->nline; i++)
        e->own_line[i] = e->line[i];
    e->line = e->own_line;
    return GPUMEM_OK;
}

/* The closed formulas count what grows with parameters: with those of the headers. */
static gpumem_status scale_lines(estimate *e, gpumem_error *err)
{
    uint64_t counted = gpumem_model_parameters(e->model), headers = gpumem_weights_sum(e->weights)->parameters;

    for (size_t i = 0; i < e->nline && counted > 0 && headers != counted; i++) {
        unsigned is = e->own_line[i].is;
        uint64_t whole, rest;
        if (is != GPUMEM_IS_WEIGHTS && is != GPUMEM_IS_GRADIENTS && is != GPUMEM_IS_OPTIMIZER)
            continue;
        if (__builtin_mul_overflow(e->result.line[i] / counted, headers, &whole) || __builtin_mul_overflow(e->result.line[i] % counted, headers, &rest) ||
            __builtin_add_overflow(whole, rest / counted, &whole))
            return fail(err, GPUMEM_ERANGE, "a size does not fit in 64 bits");
        set_line(e, i, whole);
    }
    return GPUMEM_OK;
}

/* The number of a layer: the first part of the name that is one. */
static bool layer_of(const char *name, uint64_t *out)
{
    for (const char *part = name; *part; part += strcspn(part, "."), part += *part == '.') {
        size_t n = strcspn(part, ".");
        if (n && n < 6 && strspn(part, "0123456789") == n) {
            *out = strtoull(part, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool is_input(const char *name) { return strstr(name, "token_embd") || strstr(name, "embed") || strstr(name, "wte") || strstr(name, "wpe"); }

/* Bytes of the headers that an engine has on the GPU; false: the tensors' names are not known. */
static bool loaded_on_gpu(const estimate *e, uint64_t *out)
{
    const gpumem_weight *tensor;
    size_t n = gpumem_weights_tensors(e->weights, &tensor);
    int64_t layers;
    uint64_t layer, gpu = gpumem_plan_request(e->plan)->gpu_layers;
    bool tied = true;

    *out = 0;
    if (n == 0 || !gpumem_model_dim(e->model, "layers", &layers))
        return false;
    for (size_t i = 0; i < n; i++)
        tied &= strcmp(tensor[i].name, "output.weight") != 0 && strcmp(tensor[i].name, "lm_head.weight") != 0;
    for (size_t i = 0; i < n; i++) {
        bool behind = tied || !is_input(tensor[i].name);

        if (layer_of(tensor[i].name, &layer) ? layer + gpu > (uint64_t)layers : behind)
            *out += tensor[i].loaded;
    }
    return true;
}

gpumem_status estimate_from_headers(estimate *e, gpumem_error *err)
{
    gpumem_status s;
    uint64_t loaded, on_gpu;

    if (!e->weights)
        return GPUMEM_OK;
    loaded = gpumem_weights_sum(e->weights)->loaded;
    if (gpumem_plan_request(e->plan)->gpu_layers && loaded_on_gpu(e, &on_gpu))
        loaded = on_gpu;
    else if (e->o->gpu_layers) /* which of the tensors, nobody knows */
        return GPUMEM_OK;
    if ((s = own_lines(e, err)) != GPUMEM_OK || e->o->verb == VERB_CLASSIC)
        return s == GPUMEM_OK ? scale_lines(e, err) : s;
    for (size_t i = 0; i < e->nline; i++)
        if (e->own_line[i].is == GPUMEM_IS_WEIGHTS && !e->own_line[i].sub) {
            e->own_line[i].formula = "bytes of the headers, as loaded";
            e->own_line[i].plugin = "weights";
            e->own_line[i].format = NULL;
            set_line(e, i, loaded);
            break;
        }
    if (e->o->precision)
        snprintf(e->note[e->nnote++], sizeof *e->note, "weights are those of the files: --precision says of what is computed with them");
    return GPUMEM_OK;
}
