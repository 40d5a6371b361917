#include "options.h"
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define V(name) (1u << VERB_##name)
#define SIZED (V(ESTIMATE) | V(TRAIN) | V(INFER))
#define TRAINS (V(ESTIMATE) | V(TRAIN))
#define INFERS (V(ESTIMATE) | V(INFER))
#define MODELS (SIZED | V(MODEL))
#define SHOWS (MODELS | V(PLUGIN) | V(GPUS) | V(PULL) | V(CACHE))
#define ASKS (MODELS | V(BATCH) | V(PULL) | V(CLASSIC))
#define HOSTS (SHOWS | V(BATCH) | V(CLASSIC))
#define ALL ((1u << VERB_END) - 1)
#define AT(member) offsetof(options, member)

const verb_info verbs[VERB_END] = {
    [VERB_ESTIMATE] = {"", "MODEL", "an estimate: of training, unless --mode says inference", 1, NULL},
    [VERB_TRAIN] = {"train", "MODEL", "memory of a training step", 1, NULL},
    [VERB_INFER] = {"infer", "MODEL", "memory of inference", 1, NULL},
    [VERB_MODEL] = {"model", "MODEL", "parameters, sizes, layer pattern, operators and tensors", 1, NULL},
    [VERB_BATCH] = {"batch", "FILE|-", "many cases, a JSON object a line; one result line each", 1, NULL},
    [VERB_PLUGIN] = {"plugin", "list|show [ID]", "the plugins there are, and what one says of itself", 2, "list|show"},
    [VERB_GPUS] = {"gpus", "", "the GPUs there are", 0, NULL},
    [VERB_PULL] = {"pull", "MODEL", "what an estimate needs of a model of the Hub, into the cache: config, index, headers", 1, NULL},
    [VERB_CACHE] = {"cache", "[list|clean [MODEL]]", "what the cache of the Hub has; removes the headers in it", 2, "list|clean"},
    [VERB_COMPLETION] = {"completion", "bash|zsh|fish", "a completion script for a shell", 2, "bash|zsh|fish"},
    [VERB_HELP] = {"help", "[COMMAND]", "this page, or the options of a command", 1, NULL},
    [VERB_CLASSIC] = {"", "", "", 0, NULL},
};

const option_info option_table[] = {
    {"model", "NAME", NULL, "model", "model", "what the first word says too", MODELS | V(CLASSIC), OPTION_TEXT, AT(model)},
    {"class", "NAME", NULL, NULL, "model", "a transformers class or auto class", MODELS, OPTION_TEXT, AT(class_name)},
    {"like", "FAMILY", NULL, "family", "model", "describe a model type that nobody knows as this family", MODELS, OPTION_TEXT, AT(like)},
    {"keys", NULL, NULL, NULL, "output", "only the keys of the config: which were used, which defaulted, which ignored", V(MODEL), OPTION_SWITCH, AT(keys)},
    {"tensors", NULL, NULL, NULL, "output", "only the tensors, with names and shapes as in the running module", V(MODEL), OPTION_SWITCH, AT(tensors)},
    {"checkpoint", NULL, NULL, NULL, "output", "with --tensors: as in checkpoints, where they differ", V(MODEL), OPTION_SWITCH, AT(checkpoint)},
    {"compare", NULL, NULL, NULL, "output", "the tensors of its weight files and those of the architecture that differ", V(MODEL), OPTION_SWITCH, AT(compare)},
    {"weights", "FROM", "headers|config|auto", NULL, "model", "bytes of weights from the headers of their files, or from the config", MODELS, OPTION_TEXT, AT(weights)},
    {"load-full-model", NULL, NULL, NULL, "model", "the same as --weights headers", SIZED | V(CLASSIC), OPTION_SWITCH, AT(full)},
    {"freeze", "PATTERN", NULL, NULL, "model", "parameters whose names match do not train", TRAINS | V(MODEL), OPTION_TEXT, AT(freeze)},
    {"param", "KEY=VALUE", NULL, NULL, "model", "set a key of the config (a.b reaches into a mapping)", MODELS, OPTION_SETTING, 0},
    {"model-type", "NAME", NULL, "family", "model", "family; without a MODEL: llama", MODELS, OPTION_WORD, 0},
    {"hidden-size", "N", NULL, NULL, "model", "these sizes go over those of MODEL; without a MODEL over the defaults of the family", MODELS, OPTION_SIZE, 0},
    {"num-hidden-layers", "N", NULL, NULL, "model", "layers", MODELS, OPTION_SIZE, 0},
    {"num-attention-heads", "N", NULL, NULL, "model", "heads of queries", MODELS, OPTION_SIZE, 0},
    {"num-key-value-heads", "N", NULL, NULL, "model", "heads of keys and values", MODELS, OPTION_SIZE, 0},
    {"head-dim", "N", NULL, NULL, "model", "width of a head", MODELS, OPTION_SIZE, 0},
    {"intermediate-size", "N", NULL, NULL, "model", "inner width of the feed forward network", MODELS, OPTION_SIZE, 0},
    {"vocab-size", "N", NULL, NULL, "model", "words of the vocabulary", MODELS, OPTION_SIZE, 0},
    {"max-position-embeddings", "N", NULL, NULL, "model", "longest sequence", MODELS, OPTION_SIZE, 0},
    {"tie-word-embeddings", NULL, "true|false", NULL, "model", "embedding and head share one tensor (or =false)", MODELS, OPTION_BOOL, 0},

    {"offline", NULL, NULL, NULL, "model", "do not ask the Hub: only files, the catalogue and the cache", ASKS, OPTION_SWITCH, AT(offline)},

    {"mode", "training|inference", "training|inference", NULL, "load", "default: training", V(ESTIMATE) | V(CLASSIC), OPTION_TEXT, AT(mode)},
    {"batch-size", "N", NULL, NULL, "load", "sequences at once; default 1", SIZED | V(CLASSIC), OPTION_COUNT, AT(batch)},
    {"sequences", "N", NULL, NULL, "load", "the same", INFERS, OPTION_COUNT, AT(batch)},
    {"seq-length", "N", NULL, NULL, "load", "tokens a sequence (4k is 4096); default: the set's", SIZED | V(CLASSIC), OPTION_TOKENS, AT(tokens)},
    {"context", "N", NULL, NULL, "load", "the same", INFERS, OPTION_TOKENS, AT(tokens)},
    {"gradient-checkpointing", NULL, NULL, NULL, "load", "keep only the inputs of the layers", TRAINS | V(CLASSIC), OPTION_SWITCH, AT(checkpointing)},
    {"gradient-accumulation-steps", "N", NULL, NULL, "load", "micro-batches a step; default 1", TRAINS | V(CLASSIC), OPTION_COUNT, AT(accumulation)},
    {"no-kv-cache", NULL, NULL, NULL, "load", "inference without a cache of keys and values", INFERS | V(CLASSIC), OPTION_SWITCH, AT(no_cache)},
    {"all-logits", NULL, NULL, NULL, "load", "inference: logits of all tokens, not of the last", INFERS, OPTION_SWITCH, AT(all_logits)},

    {"precision", "NAME", NULL, "precision", "method", "of weights and arithmetic; default bf16", SIZED | V(CLASSIC), OPTION_TEXT, AT(precision)},
    {"quantize", "SCHEME", NULL, "precision", "method", "as if its weights were quantised so: q4_k, int4, awq, fp8, ...", INFERS, OPTION_TEXT, AT(quantize)},
    {"optimizer", "NAME", NULL, "optimizer", "method", "default adamw", TRAINS | V(CLASSIC), OPTION_TEXT, AT(optimizer)},
    {"implementation", "FORM", "fused|foreach|for-loop|torch", NULL, "method", "form of the optimizer's step", TRAINS, OPTION_TEXT, AT(implementation)},
    {"engine", "ID", NULL, "engine", "method", "what runs the model: transformers, ideal, vllm, llama.cpp", INFERS, OPTION_TEXT, AT(engine)},
    {"kv-dtype", "NAME", NULL, NULL, "method", "format of the cache, one that the engine has", INFERS, OPTION_TEXT, AT(cache_format)},
    {"static-cache", "N", NULL, NULL, "method", "transformers: a StaticCache of N tokens, not one that grows", INFERS, OPTION_TOKENS, AT(static_cache)},
    {"gpu-layers", "N", NULL, NULL, "method", "llama.cpp: the last N layers, the output first, are on the GPU, not the whole model", INFERS, OPTION_COUNT, AT(gpu_layers)},
    {"attention", "flash|eager|sdpa", "flash|eager|sdpa", NULL, "method", "default flash", SIZED, OPTION_TEXT, AT(attention)},
    {"activation", "ID", NULL, "activation", "method", "plugin that says what operators keep", SIZED, OPTION_TEXT, AT(activation)},
    {"set", "NAME|FILE", NULL, "set", "method", "choice of plugins: default, classic or a file", SIZED | V(BATCH) | V(CLASSIC), OPTION_TEXT, AT(set)},
    {"plugin-dir", "DIR", NULL, "directory", "method", "search here first; may be repeated", HOSTS, OPTION_DIRECTORY, 0},

    {"gpu", "KEY[xN]", NULL, "gpu", "hardware", "does it fit? a card, or several", SIZED, OPTION_TEXT, AT(gpu)},
    {"memory", "SIZE", NULL, NULL, "hardware", "the same for a size: 80GB, 80GiB, 81559MiB", SIZED, OPTION_TEXT, AT(memory)},

    {"kind", "KIND", "architecture|precision|optimizer|activation|engine|family|gpu|set", NULL, "choice", "plugins of this kind", V(PLUGIN), OPTION_TEXT, AT(kind)},
    {"search", "TEXT", NULL, NULL, "choice", "GPUs with this in key, name or alias", V(GPUS), OPTION_TEXT, AT(search)},
    {"sources", NULL, NULL, NULL, "choice", "how well each GPU's memory is known", V(GPUS), OPTION_SWITCH, AT(sources)},

    {"json", NULL, NULL, NULL, "output", "the result as JSON, in bytes", SHOWS, OPTION_SWITCH, AT(json)},
    {"explain", NULL, NULL, NULL, "output", "every line back to plugin, tensors and config keys", SIZED, OPTION_SWITCH, AT(explain)},
    {"timeline", NULL, NULL, NULL, "output", "live bytes along the step, or along a prefill and a decoded token, block by block; with --json by operators", TRAINS | V(INFER), OPTION_SWITCH, AT(timeline)},
    {"svg", NULL, NULL, NULL, "output", "with --timeline: a plot", TRAINS | V(INFER), OPTION_SWITCH, AT(svg)},
    {"quiet", NULL, NULL, NULL, "output", "only the total a GPU, in bytes", SIZED, OPTION_SWITCH, AT(quiet)},
    {"check", NULL, NULL, NULL, "output", "exit 1 if it does not fit", SIZED, OPTION_SWITCH, AT(check)},
    {"color", "auto|always|never", "auto|always|never", NULL, "output", "default: auto", ALL & ~V(CLASSIC), OPTION_TEXT, AT(color)},
    {"ascii", NULL, NULL, NULL, "output", "no signs beyond ASCII", ALL & ~V(CLASSIC), OPTION_SWITCH, AT(ascii)},
    {"help", NULL, NULL, NULL, "output", "this page; with a command: its options", ALL, OPTION_SWITCH, AT(help)},
    {"version", NULL, NULL, NULL, "output", "print the version", ALL, OPTION_SWITCH, AT(version)},
};
const size_t option_count = sizeof option_table / sizeof *option_table;

/* ---- values ------------------------------------------------------------------------------------------------------------ */

const char *verb_name(verb v)
{
    static const char *const names[VERB_END] = {
        "gpumem", "gpumem train", "gpumem infer", "gpumem model", "gpumem batch", "gpumem plugin", "gpumem gpus",
        "gpumem pull", "gpumem cache", "gpumem completion", "gpumem help", "gpu_memory_calculator"};
    return names[v];
}

bool one_of(const char *values, const char *word)
{
    size_t n = strlen(word);

    while (*values) {
        size_t length = strcspn(values, "|");
        if (length == n && memcmp(values, word, n) == 0)
            return true;
        values += length;
        values += *values == '|';
    }
    return false;
}

/* Decimal digits, then the suffix k where it is allowed. */
static bool parse_count(const char *s, bool thousands, uint64_t *out)
{
    uint64_t v = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(*s - '0'), &v))
            return false;
    if (thousands && (*s == 'k' || *s == 'K')) {
        s++;
        if (__builtin_mul_overflow(v, 1024u, &v))
            return false;
    }
    *out = v;
    return *s == '\0' && v > 0;
}

bool parse_memory(const char *s, uint64_t *bytes)
{
    static const struct { const char *name; double unit; } units[] = {
        {"", 1}, {"B", 1}, {"K", 0x1p10}, {"KiB", 0x1p10}, {"KB", 1e3}, {"M", 0x1p20}, {"MiB", 0x1p20}, {"MB", 1e6},
        {"G", 0x1p30}, {"GiB", 0x1p30}, {"GB", 1e9}, {"T", 0x1p40}, {"TiB", 0x1p40}, {"TB", 1e12}};
    size_t n = strspn(s, "0123456789.");
    char *end;
    double v;

    if (n == 0 || n > 20)
        return false;
    v = strtod(s, &end);
    if (end != s + n)
        return false;
    end += *end == ' ';
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].name) == 0) {
            v *= units[i].unit;
            if (!(v >= 1 && v < 0x1p63))
                return false;
            *bytes = (uint64_t)v;
            return true;
        }
    return false;
}

/* ---- one option ----------------------------------------------------------------------------------------------------------- */

typedef struct parser {
    options *o;
    gpumem_error *err;
    const option_info *seen[128]; /* to see afterwards whether the verb has them */
    size_t nseen;
    const char *word;        /* the model that is not behind --model */
} parser;

static gpumem_status unknown_option(parser *p, const char *name, size_t n)
{
    gpumem_near near;
    char wanted[96], text[400];

    snprintf(wanted, sizeof wanted, "--%.*s", (int)(n < 90 ? n : 90), name);
    gpumem_near_init(&near, wanted);
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].verbs & (1u << p->o->verb)) {
            char other[96];
            snprintf(other, sizeof other, "--%s", option_table[i].name);
            gpumem_near_offer(&near, other);
        }
    fail(p->err, GPUMEM_EUNKNOWN, "unknown option '%s'", wanted);
    gpumem_near_text(&near, text, sizeof text);
    if (*text)
        add_tip(p->err, "did you mean %s?", text);
    else
        add_tip(p->err, "%s --help lists the options", verb_name(p->o->verb));
    return GPUMEM_EUNKNOWN;
}

static gpumem_status bad_value(parser *p, const option_info *option, const char *value, const char *expected)
{
    return fail(p->err, GPUMEM_EINVAL, "--%s: '%s' is not %s", option->name, value, expected);
}

/* "a|b|c" as "one of a, b, c" */
static const char *listed(const char *values, char *buf, size_t size)
{
    size_t n = (size_t)snprintf(buf, size, "one of ");

    for (; *values && n + 3 < size; values++) {
        if (*values == '|')
            buf[n++] = ',';
        buf[n++] = *values == '|' ? ' ' : *values;
    }
    buf[n < size ? n : size - 1] = '\0';
    return buf;
}

static gpumem_status not_one_of(parser *p, const option_info *option, const char *value)
{
    char list[128], text[400];
    gpumem_near near;

    bad_value(p, option, value, listed(option->values, list, sizeof list));
    gpumem_near_init(&near, value);
    for (const char *s = option->values; *s; s += *s == '|') {
        char name[32];
        size_t n = strcspn(s, "|");
        snprintf(name, sizeof name, "%.*s", (int)n, s);
        gpumem_near_offer(&near, name);
        s += n;
    }
    gpumem_near_text(&near, text, sizeof text);
    if (*text)
        add_tip(p->err, "did you mean %s?", text);
    return GPUMEM_EINVAL;
}

static gpumem_status add_setting(parser *p, const char *option, char *key, const char *value)
{
    if (!key)
        return fail(p->err, GPUMEM_ENOMEM, "out of memory");
    p->o->setting[p->o->nsetting++] = (setting){option, key, value};
    return GPUMEM_OK;
}

/* --hidden-size sets hidden_size. */
static gpumem_status add_typed(parser *p, const option_info *option, const char *value)
{
    char *key = strdup(option->name);

    for (char *s = key; s && *s; s++)
        if (*s == '-')
            *s = '_';
    return add_setting(p, option->name, key, value);
}

static gpumem_status add_param(parser *p, const option_info *option, const char *value)
{
    const char *equals = strchr(value, '=');

    if (!equals || equals == value)
        return bad_value(p, option, value, "KEY=VALUE");
    return add_setting(p, option->name, strndup(value, (size_t)(equals - value)), equals + 1);
}

static gpumem_status take(parser *p, const option_info *option, const char *value)
{
    char *at = (char *)p->o + option->at;
    uint64_t n;

    if (option->values && value && !one_of(option->values, value))
        return not_one_of(p, option, value);
    switch (option->type) {
    case OPTION_SWITCH:
        *(bool *)at = true;
        return GPUMEM_OK;
    case OPTION_TEXT:
        if (*value == '\0')
            return bad_value(p, option, value, "a value");
        *(const char **)(void *)at = value;
        return GPUMEM_OK;
    case OPTION_COUNT:
    case OPTION_TOKENS:
        if (!parse_count(value, option->type == OPTION_TOKENS, &n))
            return bad_value(p, option, value, "a whole number of at least 1");
        *(uint64_t *)(void *)at = n;
        return GPUMEM_OK;
    case OPTION_DIRECTORY:
        p->o->plugin_dir[p->o->nplugin_dir++] = value;
        return GPUMEM_OK;
    case OPTION_SETTING:
        return add_param(p, option, value);
    case OPTION_SIZE:
        if (!parse_count(value, false, &n))
            return bad_value(p, option, value, "a whole number of at least 1");
        return add_typed(p, option, value);
    case OPTION_WORD:
        if (*value == '\0')
            return bad_value(p, option, value, "a name");
        return add_typed(p, option, value);
    case OPTION_BOOL:
        return add_typed(p, option, value ? value : "true");
    }
    return fail(p->err, GPUMEM_EINTERNAL, "option '--%s' has no type", option->name);
}

static const option_info *find_option(const char *name, size_t n)
{
    for (size_t i = 0; i < option_count; i++)
        if (strncmp(option_table[i].name, name, n) == 0 && option_table[i].name[n] == '\0')
            return &option_table[i];
    return NULL;
}

/* argv[*i] is an option; its value may be in the next one. */
static gpumem_status parse_option(parser *p, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *value = NULL;
    size_t n = strcspn(name, "=");
    const option_info *option = find_option(name, n);

    if (!option)
        return unknown_option(p, name, n);
    if (name[n] == '=')
        value = name + n + 1;
    if (value && !option->argument && option->type != OPTION_BOOL)
        return fail(p->err, GPUMEM_EINVAL, "--%s takes no value", option->name);
    if (!value && option->argument) {
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0)
            return fail(p->err, GPUMEM_EINVAL, "--%s needs a value: %s", option->name, option->argument);
        value = argv[++*i];
    }
    if (p->nseen < sizeof p->seen / sizeof *p->seen)
        p->seen[p->nseen++] = option;
    return take(p, option, value);
}

/* ---- words ------------------------------------------------------------------------------------------------------------------ */

verb find_verb(const char *word)
{
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        if (strcmp(verbs[v].name, word) == 0)
            return (verb)v;
    return VERB_END;
}

/* A word too many.  The first may have been meant as a command. */
static gpumem_status surplus(parser *p, const char *word)
{
    options *o = p->o;
    const char *first = p->word ? p->word : o->nword ? o->word[0] : word;
    char text[400] = "";
    gpumem_near near;

    fail(p->err, GPUMEM_EINVAL, "unexpected argument '%s'", word);
    if (o->verb == VERB_ESTIMATE) {
        gpumem_near_init(&near, first);
        for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
            gpumem_near_offer(&near, verbs[v].name);
        gpumem_near_text(&near, text, sizeof text);
    }
    if (*text)
        add_tip(p->err, "'%s' is no command; did you mean %s?", first, text);
    else
        add_tip(p->err, "usage: %s %s [OPTION...]", verb_name(o->verb), verbs[o->verb].arguments);
    return GPUMEM_EINVAL;
}

static bool takes_model(verb v)
{
    return v <= VERB_MODEL;
}

static gpumem_status parse_word(parser *p, const char *word, unsigned *nwords, bool literal)
{
    options *o = p->o;

    if (!literal && *nwords == 0 && o->verb == VERB_ESTIMATE && find_verb(word) != VERB_END) {
        o->verb = find_verb(word);
        return GPUMEM_OK;
    }
    if (*nwords >= verbs[o->verb].most)
        return surplus(p, word);
    ++*nwords;
    if (*word == '\0')
        return fail(p->err, GPUMEM_EINVAL, "an empty argument");
    if (takes_model(o->verb)) {
        p->word = word;
    } else {
        o->word[o->nword++] = word;
    }
    return GPUMEM_OK;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------- */

static gpumem_status check_verbs(parser *p)
{
    for (size_t i = 0; i < p->nseen; i++) {
        const option_info *option = p->seen[i];
        if (option->verbs & (1u << p->o->verb))
            continue;
        fail(p->err, GPUMEM_EUNKNOWN, "%s has no option '--%s'", verb_name(p->o->verb), option->name);
        return add_tip(p->err, "%s --help lists its options", verb_name(p->o->verb));
    }
    return GPUMEM_OK;
}

static gpumem_status check_words(parser *p)
{
    options *o = p->o;
    char list[64];

    if (p->word && o->model && strcmp(o->model, p->word) != 0)
        return fail(p->err, GPUMEM_EINVAL, "two models: '%s' and '%s'", o->model, p->word);
    if (p->word)
        o->model = p->word;

    if (o->help || o->version)
        return GPUMEM_OK;
    if (o->verb == VERB_COMPLETION && o->nword == 2) /* completion words LIST: for the scripts */
        return GPUMEM_OK;
    if (o->verb == VERB_CACHE && o->nword == 0) /* lists */
        return GPUMEM_OK;
    if (verbs[o->verb].first && (o->nword == 0 || !one_of(verbs[o->verb].first, o->word[0])))
        return fail(p->err, GPUMEM_EINVAL, "%s: '%s' is not %s", verb_name(o->verb), o->nword ? o->word[0] : "",
                    listed(verbs[o->verb].first, list, sizeof list));
    if (o->verb == VERB_PULL && o->nword == 0)
        return fail(p->err, GPUMEM_EINVAL, "%s needs the name of a model: org/name", verb_name(o->verb));
    if (o->verb == VERB_BATCH && o->nword == 0)
        return fail(p->err, GPUMEM_EINVAL, "%s needs a file of cases, or -", verb_name(o->verb));
    if (takes_model(o->verb) && !o->model && o->nsetting == 0) {
        fail(p->err, GPUMEM_EINVAL, "no model is given");
        return add_tip(p->err, "for example: %s microsoft/phi-2;  all: gpumem --help", verb_name(o->verb));
    }
    if (o->quantize && o->precision)
        return fail(p->err, GPUMEM_EINVAL, "--quantize and --precision exclude each other");
    if (o->quantize && (o->full || (o->weights && strcmp(o->weights, "headers") == 0)))
        return fail(p->err, GPUMEM_EINVAL, "--quantize asks what weights would be, not what their files hold: leave --%s", o->full ? "load-full-model" : "weights headers");
    if (o->json + o->explain + o->quiet > 1)
        return fail(p->err, GPUMEM_EINVAL, "--json, --explain and --quiet exclude each other");
    return GPUMEM_OK;
}

static gpumem_status parse_all(parser *p, int argc, char **argv)
{
    unsigned nwords = 0;
    bool literal = false;
    gpumem_status s = GPUMEM_OK;

    for (int i = 1; i < argc && s == GPUMEM_OK; i++) {
        const char *word = argv[i];
        if (!literal && strcmp(word, "--") == 0)
            literal = true;
        else if (!literal && strcmp(word, "-h") == 0)
            p->o->help = true;
        else if (!literal && strncmp(word, "--", 2) == 0)
            s = parse_option(p, argc, argv, &i);
        else if (!literal && word[0] == '-' && word[1] != '\0')
            s = unknown_option(p, word + 1, strlen(word + 1));
        else
            s = parse_word(p, word, &nwords, literal);
    }
    return s;
}

gpumem_status options_parse(int argc, char **argv, bool classic, options *o, gpumem_error *err)
{
    parser p = {.o = o, .err = err};
    size_t most = argc > 0 ? (size_t)argc : 1;
    gpumem_status s;

    memset(o, 0, sizeof *o);
    o->verb = classic ? VERB_CLASSIC : VERB_ESTIMATE;
    o->plugin_dir = calloc(most, sizeof *o->plugin_dir);
    o->setting = calloc(most, sizeof *o->setting);
    if (!o->plugin_dir || !o->setting)
        return fail(err, GPUMEM_ENOMEM, "out of memory");
    s = parse_all(&p, argc, argv);
    if (s == GPUMEM_OK)
        s = check_verbs(&p);
    if (s == GPUMEM_OK)
        s = check_words(&p);
    return s;
}

void options_free(options *o)
{
    for (size_t i = 0; i < o->nsetting; i++)
        free(o->setting[i].key);
    free(o->setting);
    free(o->plugin_dir);
}
