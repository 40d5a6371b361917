/* A GGUF file's metadata as a config.json, by what share/gpumem/gguf/architectures.yaml says of its architecture. */
#include "host.h"
#include "source/weights_private.h"
#include "text/file.h"
#include "text/yaml.h"
#include <stdio.h>
#include <string.h>

typedef struct mapper {
    const gpumem_weights *w;
    const char *architecture;
    gpumem_text json;
    const char *differs; /* a key of the file whose value is one for each layer, where the config has one for all; or NULL */
} mapper;

static const gm_value *of_file(const mapper *m, const char *key)
{
    char name[256];
    if (snprintf(name, sizeof name, "%s.%s", m->architecture, key) >= (int)sizeof name)
        return NULL;
    return gm_value_get(&m->w->metadata, name);
}

/* One value for all layers; NULL where they differ. */
static const gm_value *one_value(const gm_value *v)
{
    if (v == NULL || v->type != GM_LIST)
        return v;
    for (uint32_t i = 1; i < v->n; i++)
        if (!gm_value_equal(&v->v.list[0], &v->v.list[i]))
            return NULL;
    return v->n ? &v->v.list[0] : NULL;
}

static bool is_number(const gm_value *v) { return v->type == GM_INT || v->type == GM_REAL || v->type == GM_BOOL; }

static void put(mapper *m, const char *key, const gm_value *v)
{
    if (v == NULL || (!is_number(v) && (v->type != GM_LIST || v->n == 0 || !is_number(&v->v.list[0]))))
        return;
    gpumem_text_puts(&m->json, ",");
    gpumem_text_json(&m->json, key, strlen(key));
    gpumem_text_puts(&m->json, ":");
    gm_value_json(v, &m->json);
}

/* Does the config have a list of this key's values? */
static bool is_each(const gm_value *each, const char *key)
{
    for (uint32_t i = 0; each && each->type == GM_MAP && i < each->n; i++)
        if (each->v.map[i].value.type == GM_STRING && strcmp(each->v.map[i].value.v.s, key) == 0)
            return true;
    return false;
}

static void put_keys(mapper *m, const gm_value *keys, const gm_value *each)
{
    for (uint32_t i = 0; keys && keys->type == GM_MAP && i < keys->n; i++) {
        const gm_value *to = &keys->v.map[i].value, *v = to->type == GM_STRING ? of_file(m, to->v.s) : NULL, *one = one_value(v);
        if (one)
            put(m, keys->v.map[i].key, one);
        else if (v && v->n && !is_each(each, to->v.s))
            m->differs = to->v.s;
    }
}

/* One value a layer, as a list. */
static void put_each(mapper *m, const gm_value *each)
{
    for (uint32_t i = 0; each && each->type == GM_MAP && i < each->n; i++) {
        const gm_value *to = &each->v.map[i].value, *v = to->type == GM_STRING ? of_file(m, to->v.s) : NULL;
        if (v && v->type == GM_LIST && one_value(v) == NULL)
            put(m, each->v.map[i].key, v);
    }
}

static void put_vocabulary(mapper *m)
{
    const gm_value *tokens = gm_value_get(&m->w->metadata, "tokenizer.ggml.tokens");
    gm_value n;
    if (of_file(m, "vocab_size") || tokens == NULL)
        return;
    n = tokens->type == GM_LIST ? gm_int((int64_t)tokens->n) : *tokens; /* of a long list its length is kept */
    put(m, "vocab_size", &n);
}

static void put_tied(mapper *m)
{
    gm_value tied = gm_bool(gm_nameset_find(&m->w->names, "output.weight", 13) == UINT32_MAX);
    put(m, "tie_word_embeddings", &tied);
}

static void put_all(mapper *m, const gm_value *usual, const gm_value *own)
{
    const gm_value *experts = of_file(m, "expert_count"), *name = gm_value_get(own, "experts"), *each = gm_value_get(own, "each");
    bool mixture = name && name->type == GM_STRING && experts && experts->type == GM_INT && experts->v.i > 0;
    if (!mixture)
        name = gm_value_get(own, "model_type");
    gpumem_text_puts(&m->json, "{\"model_type\":");
    if (name && name->type == GM_STRING)
        gpumem_text_json(&m->json, name->v.s, name->n);
    else
        gpumem_text_puts(&m->json, "null");
    put_keys(m, usual, each);
    put_keys(m, gm_value_get(own, "keys"), each);
    if (mixture)
        put_keys(m, gm_value_get(own, "expert_keys"), each);
    put_each(m, each);
    put_vocabulary(m);
    put_tied(m);
    gpumem_text_puts(&m->json, "}");
}

static gpumem_status read_table(gpumem_host *host, gm_arena *arena, gm_value *out, gpumem_error *err)
{
    const char *path = gm_registry_data(host->registry, "gguf", "architectures.yaml");
    char *text;
    size_t n;
    gpumem_status s;
    *out = gm_null();
    if (path == NULL)
        return GPUMEM_OK;
    if ((s = gm_file_read(arena, path, 1u << 20, &text, &n, err)) != GPUMEM_OK || (s = gm_yaml_parse(arena, path, text, n, out, err)) != GPUMEM_OK)
        return s;
    return out->type == GM_MAP ? GPUMEM_OK : gm_fail(err, GPUMEM_ESYNTAX, path, 1, 1, "expected a mapping");
}

static gpumem_status make(gpumem_host *host, mapper *m, gm_arena *arena, const char *name, gpumem_config **out, gpumem_error *err)
{
    const gm_value *v, *own;
    gm_value table;
    gpumem_status s = read_table(host, arena, &table, err);
    if (s != GPUMEM_OK)
        return s;
    v = gm_value_get(&m->w->metadata, "general.architecture");
    if (v == NULL || v->type != GM_STRING)
        return gm_fail(err, GPUMEM_EMODEL, name, 0, 0, "the file does not say its architecture");
    m->architecture = v->v.s;
    v = table.type == GM_MAP ? gm_value_get(&table, "architectures") : NULL;
    own = v && v->type == GM_MAP ? gm_value_get(v, m->architecture) : NULL;
    if (own == NULL || own->type != GM_MAP)
        return gm_fail(err, GPUMEM_EMODEL, name, 0, 0, "no family is known for the GGUF architecture '%.100s'", m->architecture);
    put_all(m, gm_value_get(&table, "keys"), own);
    if (m->differs)
        return gm_fail(err, GPUMEM_EMODEL, name, 0, 0, "%.60s.%.100s differs from layer to layer, and what is known of this architecture has one for all", m->architecture, m->differs);
    return m->json.failed ? gm_no_memory(err) : gpumem_config_parse(host, name, m->json.s, m->json.n, out, err);
}

gpumem_status gpumem_weights_config(gpumem_host *host, const gpumem_weights *weights, const char *name, gpumem_config **out, gpumem_error *err)
{
    mapper m = {.w = weights};
    gm_arena arena = {0};
    gpumem_status s;
    *out = NULL;
    if (!weights->has_metadata)
        return gm_fail(err, GPUMEM_EMODEL, name, 0, 0, "the files do not say what model they are of");
    s = make(host, &m, &arena, name, out, err);
    gpumem_text_free(&m.json);
    gm_arena_free(&arena);
    return s;
}
