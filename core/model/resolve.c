/* A step when it is first needed: its component, parameters and wires. */
#include "model/family_private.h"
#include <stdio.h>
#include <string.h>

static bool is_word(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(s[i] == '_' || (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z')))
            return false;
    return n > 0;
}

/* "port", "port if EXPR" or "port if EXPR else port"; a port may be null. */
static gpumem_status parse_wire(gm_family *f, const gm_step *st, const gm_value *v, gm_wire *out, gpumem_error *err)
{
    *out = (gm_wire){-1, -1, NULL};
    if (v->type == GM_NULL)
        return GPUMEM_OK;
    if (v->type != GM_STRING)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, v->line, v->column, "expected a port, not %s", gm_type_name(v->type));
    const char *s = v->v.s, *cond = strstr(s, " if "), *other = NULL;
    size_t n = cond ? (size_t)(cond - s) : strlen(s);
    if (!is_word(s, n))
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, v->line, v->column, "'%s': expected 'port', 'port if EXPRESSION' or 'port if EXPRESSION else port'", s);
    if ((n != 4 || strncmp(s, "null", 4) != 0) && (out->port = gm_family_port(f, s, n, err)) < 0)
        return GPUMEM_ENOMEM;
    if (cond == NULL)
        return GPUMEM_OK;
    for (const char *p = strstr(cond, " else "); p; p = strstr(p + 1, " else "))
        other = p;
    if (other) {
        const char *name = other + 6;
        if (!is_word(name, strlen(name)))
            return gm_fail(err, GPUMEM_EPLUGIN, st->file, v->line, v->column, "'%s': expected a port after 'else'", s);
        if (strcmp(name, "null") != 0 && (out->otherwise = gm_family_port(f, name, strlen(name), err)) < 0)
            return GPUMEM_ENOMEM;
    }
    const char *text = gm_arena_strndup(f->arena, cond + 4, other ? (size_t)(other - cond - 4) : strlen(cond + 4));
    gm_names names = {f, gm_family_name_slot};
    if (text == NULL)
        return gm_no_memory(err);
    return gm_expr_compile_text(f->arena, st->file, v->line, v->column, text, &names, &out->when, err);
}

static bool optional_port(const char *name, size_t *n)
{
    *n = strlen(name);
    if (*n && name[*n - 1] == '?') {
        --*n;
        return true;
    }
    return false;
}

static gpumem_status wire_mapping(gm_family *f, const gm_step *st, const gm_value *v, const char *const *port, uint32_t nport, gm_wire *out, gpumem_error *err)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const gm_member *m = &v->v.map[i];
        uint32_t k = 0;
        size_t n = 0;
        for (; k < nport; k++) {
            optional_port(port[k], &n);
            if (strncmp(port[k], m->key, n) == 0 && m->key[n] == 0)
                break;
        }
        if (k == nport)
            return gm_fail(err, GPUMEM_EPLUGIN, st->file, m->line, m->column, "'%s' has no port '%s'", st->use, m->key);
        gpumem_status s = parse_wire(f, st, &m->value, &out[k], err);
        if (s != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

static gpumem_status wires(gm_family *f, const gm_step *st, const char *key, const char *const *port, uint32_t nport, gm_wire *out, gpumem_error *err)
{
    const gm_value *v = gm_value_get(st->source, key);
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; i < nport; i++)
        out[i] = (gm_wire){-1, -1, NULL};
    if (v && v->type == GM_MAP) {
        s = wire_mapping(f, st, v, port, nport, out, err);
    } else if (v) {
        uint32_t n = v->type == GM_LIST ? v->n : 1;
        if (n > nport)
            return gm_fail(err, GPUMEM_EPLUGIN, st->file, v->line, v->column, "%s: '%s' has %u port%s, not %u", key, st->use, nport, nport == 1 ? "" : "s", n);
        for (uint32_t i = 0; s == GPUMEM_OK && i < n; i++)
            s = parse_wire(f, st, v->type == GM_LIST ? &v->v.list[i] : v, &out[i], err);
    }
    for (uint32_t i = 0; s == GPUMEM_OK && i < nport; i++) {
        size_t n;
        if (!optional_port(port[i], &n) && out[i].port < 0 && out[i].otherwise < 0 && strcmp(key, "in") == 0)
            s = gm_fail(err, GPUMEM_EPLUGIN, st->file, st->source->line, st->source->column, "%s: '%s' needs its port '%s'", key, st->use, port[i]);
    }
    return s;
}

static const gpumem_component *find_component(const gpumem_plugin *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->ops.architecture->ncomponent; i++)
        if (strcmp(entry->ops.architecture->component[i].name, name) == 0)
            return &entry->ops.architecture->component[i];
    return NULL;
}

static bool lists_component(const gm_manifest *m, const char *name)
{
    const gm_value *list = gm_value_get(m->root, "components");
    for (uint32_t i = 0; list && i < list->n; i++)
        if (strcmp(list->v.list[i].v.s, name) == 0)
            return true;
    return false;
}

static gpumem_status component_of(gm_family *f, gm_step *st, gpumem_error *err)
{
    const char *name = strchr(st->use, '/');
    const gm_value *at = gm_value_get(st->source, "use");
    gpumem_near near;
    char text[256];
    name = name ? name + 1 : st->use;
    gpumem_near_init(&near, st->use);
    for (uint32_t i = 0; i < f->narchitecture; i++) {
        const char *id = f->architecture[i];
        const gm_manifest *m;
        const gpumem_plugin *entry;
        gpumem_status s;
        if (name != st->use && (strncmp(id, st->use, (size_t)(name - st->use - 1)) != 0 || id[name - st->use - 1] != 0))
            continue;
        if ((s = gm_registry_find(f->registry, GPUMEM_KIND_ARCHITECTURE, id, &m, err)) != GPUMEM_OK)
            return s;
        if (!lists_component(m, name)) {
            const gm_value *list = gm_value_get(m->root, "components");
            for (uint32_t k = 0; list && k < list->n; k++)
                gpumem_near_offer(&near, list->v.list[k].v.s);
            continue;
        }
        if ((s = gm_registry_entry(f->registry, m, &entry, err)) != GPUMEM_OK)
            return s;
        st->plugin = m;
        st->component = find_component(entry, name);
        if (st->component)
            return GPUMEM_OK;
    }
    gm_fail(err, GPUMEM_EPLUGIN, st->file, at->line, at->column, "use: no architecture plugin of this family has a component '%s'", st->use);
    if (*gpumem_near_text(&near, text, sizeof text))
        gm_tip(err, "did you mean %s?", text);
    return GPUMEM_EPLUGIN;
}

static gpumem_status param_expr(gm_family *f, const gm_step *st, const gpumem_paramdef *d, const gm_expr **out, gpumem_error *err)
{
    const gm_value *v = gm_value_get(st->source, d->key);
    gm_names names = {f, gm_family_name_slot};
    if (v)
        return gm_family_compile(f, st->file, v, out, err);
    if (gm_family_slot(f, GM_NAME_DIM, d->key) >= 0 || gm_family_slot(f, GM_NAME_EACH, d->key) >= 0)
        return gm_expr_compile_text(f->arena, st->file, st->source->line, st->source->column, d->key, &names, out, err);
    if (d->otherwise)
        return gm_expr_compile_text(f->arena, st->plugin->path, 0, 0, d->otherwise, &names, out, err);
    return gm_fail(err, GPUMEM_EPLUGIN, st->file, st->source->line, st->source->column, "'%s' needs the parameter '%s': %s", st->use, d->key, d->help ? d->help : "");
}

static gpumem_status params(gm_family *f, gm_step *st, const gpumem_paramdef *def, uint32_t n, gpumem_error *err)
{
    for (uint32_t i = 0; i < st->source->n; i++) {
        const gm_member *m = &st->source->v.map[i];
        gpumem_near near;
        char text[256];
        uint32_t k = 0;
        if (gm_family_step_key(m->key))
            continue;
        gpumem_near_init(&near, m->key);
        for (; k < n && strcmp(def[k].key, m->key) != 0; k++)
            gpumem_near_offer(&near, def[k].key);
        if (k < n)
            continue;
        gm_fail(err, GPUMEM_EPLUGIN, st->file, m->line, m->column, "'%s' has no parameter '%s'", st->use, m->key);
        if (*gpumem_near_text(&near, text, sizeof text))
            gm_tip(err, "did you mean %s?", text);
        return GPUMEM_EPLUGIN;
    }
    st->param = gm_arena_zero(f->arena, n + 1u, sizeof *st->param);
    if (st->param == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < n; i++) {
        gpumem_status s = param_expr(f, st, &def[i], &st->param[i], err);
        if (s != GPUMEM_OK)
            return s;
        st->by_layer |= gm_family_uses_layer(f, st->param[i]);
    }
    return GPUMEM_OK;
}

/* The primitive steps' ports and parameters, in the terms of components. */
static const gpumem_paramdef dropout_param[] = {{"p", GPUMEM_TYPE_REAL, 0, NULL, 0, 0, "probability of dropping an element"}};
static const char *const two[] = {"a", "b"}, *const one[] = {"x"}, *const result[] = {"out"};
static const gpumem_component primitive_form[] = {
    {.name = ""},
    {.name = "add", .nin = 2, .nout = 1, .in = two, .out = result},
    {.name = "scale", .nin = 1, .nout = 1, .in = one, .out = result},
    {.name = "dropout", .nin = 1, .nout = 1, .in = one, .out = result, .param = dropout_param, .nparam = 1},
    {.name = "softcap", .nin = 1, .nout = 1, .in = one, .out = result},
    {.name = "alias", .nin = 1, .nout = 1, .in = one, .out = result},
};

static gpumem_status component_part(gm_step *st, gpumem_error *err)
{
    const gm_value *parts = gm_value_get(st->plugin->root, "parts"), *v = parts ? gm_value_get(parts, st->component->name) : NULL;
    int part;
    gpumem_status s = gm_family_part(st->plugin->path, v, &part, err);
    st->component_part = (uint8_t)(part < 0 ? GPUMEM_PART_OTHER : part);
    return s;
}

gpumem_status gm_family_resolve(gm_family *f, gm_step *st, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    if (st->resolved)
        return GPUMEM_OK;
    st->plugin = f->manifest;
    if (st->primitive)
        st->component = &primitive_form[st->primitive];
    else
        s = component_of(f, st, err);
    if (s == GPUMEM_OK && !st->primitive)
        s = component_part(st, err);
    if (s == GPUMEM_OK)
        s = params(f, st, st->component->param, st->component->nparam, err);
    if (s == GPUMEM_OK)
        s = wires(f, st, "in", st->component->in, st->component->nin, st->in, err);
    if (s == GPUMEM_OK)
        s = wires(f, st, "out", st->component->out, st->component->nout, st->out, err);
    if (s != GPUMEM_OK)
        return s;
    st->nin = st->component->nin;
    st->nout = st->component->nout;
    for (uint32_t i = 0; i < st->nin; i++)
        st->by_layer |= gm_family_uses_layer(f, st->in[i].when);
    for (uint32_t i = 0; i < st->nout; i++)
        st->by_layer |= gm_family_uses_layer(f, st->out[i].when);
    st->resolved = true;
    return GPUMEM_OK;
}

gpumem_status gm_family_check(gm_family *f, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; i < f->nstack; i++) {
        gm_steps *lists[3] = {&f->stack[i].before, &f->stack[i].layer, &f->stack[i].after};
        for (int k = 0; k < 3; k++)
            for (uint32_t j = 0; s == GPUMEM_OK && j < lists[k]->n; j++)
                s = gm_family_resolve(f, &lists[k]->step[j], err);
    }
    return s;
}
