#include "model/family_private.h"
#include "model/source.h"
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_NAMES 4096
#define MAX_PORTNAMES 256

/* ---- names ---- */

int gm_family_slot(const gm_family *f, gm_name_kind kind, const char *name)
{
    uint32_t h = gm_hash(name);
    for (uint32_t i = 0; i < f->nname; i++)
        if (f->name[i].hash == h && f->name[i].kind == kind && strcmp(f->name[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int add_name(gm_family *f, gm_name_kind kind, const char *name, gpumem_error *err)
{
    if (f->nname == f->max_name) {
        uint32_t max = f->max_name ? f->max_name * 2 : 128;
        gm_name *now = max <= MAX_NAMES ? gm_arena_zero(f->arena, max, sizeof *now) : NULL;
        if (now == NULL) {
            gm_no_memory(err);
            return -1;
        }
        if (f->nname)
            memcpy(now, f->name, f->nname * sizeof *now);
        f->name = now;
        f->max_name = max;
    }
    gm_name *n = &f->name[f->nname];
    memset(n, 0, sizeof *n);
    n->name = gm_arena_strdup(f->arena, name);
    n->hash = gm_hash(name);
    n->kind = kind;
    if (n->name == NULL) {
        gm_no_memory(err);
        return -1;
    }
    return (int)f->nname++;
}

/* A config key's class default, other spellings and whether it may be null. */
static int add_key(gm_family *f, const char *name, gpumem_error *err)
{
    int slot = add_name(f, GM_NAME_KEY, name, err);
    if (slot < 0)
        return -1;
    gm_name *n = &f->name[slot];
    n->otherwise = f->defaults ? gm_value_get_hashed(f->defaults, name, n->hash) : NULL;
    for (uint32_t i = 0; f->nullable && i < f->nullable->n; i++)
        n->nullable |= strcmp(f->nullable->v.list[i].v.s, name) == 0;
    for (uint32_t i = 0; f->aliases && i < f->aliases->n; i++)
        n->nalias += strcmp(f->aliases->v.map[i].value.v.s, name) == 0;
    if (n->nalias) {
        gm_alias *a = gm_arena_zero(f->arena, n->nalias, sizeof *a);
        uint32_t k = 0;
        if (a == NULL) {
            gm_no_memory(err);
            return -1;
        }
        for (uint32_t i = 0; i < f->aliases->n; i++)
            if (strcmp(f->aliases->v.map[i].value.v.s, name) == 0)
                a[k++] = (gm_alias){f->aliases->v.map[i].key, f->aliases->v.map[i].hash};
        n->alias = a;
    }
    return slot;
}

int gm_family_name_slot(void *self, const char *name, bool config, gpumem_error *err)
{
    gm_family *f = self;
    uint32_t h = gm_hash(name);
    for (uint32_t i = 0; i < f->nname; i++)
        if (f->name[i].hash == h && (!config || f->name[i].kind == GM_NAME_KEY) && strcmp(f->name[i].name, name) == 0)
            return (int)i;
    return strchr(name, '.') && !config ? add_name(f, GM_NAME_PART, name, err) : add_key(f, name, err);
}

gpumem_status gm_family_compile(gm_family *f, const char *file, const gm_value *v, const gm_expr **out, gpumem_error *err)
{
    gm_names names = {f, gm_family_name_slot};
    if (v->type == GM_LIST || v->type == GM_MAP)
        return gm_fail(err, GPUMEM_EPLUGIN, file, v->line, v->column, "expected an expression, not %s", gm_type_name(v->type));
    return gm_expr_compile(f->arena, file, v, &names, out, err);
}

bool gm_family_uses_layer(const gm_family *f, const gm_expr *e)
{
    const int *slot;
    unsigned n = e ? gm_expr_slots(e, &slot) : 0;
    for (unsigned i = 0; i < n; i++)
        if (f->name[slot[i]].kind == GM_NAME_INDEX || f->name[slot[i]].kind == GM_NAME_EACH)
            return true;
    return false;
}

static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)); p++)
        if ((p == list || p[-1] == ' ') && (p[n] == 0 || p[n] == ','))
            return true;
    return false;
}

static void blame(const gm_family *f, const char *prefix, const gm_expr *e, unsigned *budget, char *buf, size_t n)
{
    const int *slot;
    unsigned count = gm_expr_slots(e, &slot);
    for (unsigned i = 0; i < count && *budget; i++) {
        const gm_name *x = &f->name[slot[i]];
        size_t have = strlen(buf);
        char key[200];
        --*budget; /* dims may depend on each other in any way */
        if (x->expr) {
            blame(f, prefix, x->expr, budget, buf, n);
            continue;
        }
        snprintf(key, sizeof key, "%s%.*s", prefix, x->kind == GM_NAME_PART ? (int)strcspn(x->name, ".") : 150, x->name);
        if ((x->kind == GM_NAME_KEY || x->kind == GM_NAME_PART) && !is_listed(buf, key) && have + strlen(key) + 3 < n)
            snprintf(buf + have, n - have, "%s%s", have ? ", " : "", key);
    }
}

const char *gm_family_blame_too(const gm_family *f, const char *prefix, const gm_expr *e, char *buf, size_t n)
{
    unsigned budget = 1000;
    blame(f, prefix, e, &budget, buf, n);
    return buf;
}

const char *gm_family_blame(const gm_family *f, const char *prefix, const gm_expr *e, char *buf, size_t n)
{
    buf[0] = 0;
    return gm_family_blame_too(f, prefix, e, buf, n);
}

/* ---- what is not steps ---- */

static gpumem_status strings_only(const char *file, const char *what, const gm_value *v, gpumem_error *err)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const gm_value *x = v->type == GM_LIST ? &v->v.list[i] : &v->v.map[i].value;
        if (x->type != GM_STRING)
            return gm_fail(err, GPUMEM_EPLUGIN, file, x->line, x->column, "%s: expected a string, not %s", what, gm_type_name(x->type));
    }
    return GPUMEM_OK;
}

static gpumem_status missing(const gm_family *f, const char *key, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_EPLUGIN, f->manifest->path, 0, 0, "a family needs '%s', its own or that of the family it is like", key);
}

static gpumem_status load_words(gm_family *f, const gm_source *src, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    const struct { const gm_sourced *at; const char *key; bool required; } list[] = {
        {&src->architecture, "architecture", true}, {&src->classes, "classes", true}, {&src->nullable, "nullable", false},
        {&src->aliases, "aliases", false}, {&src->symbols, "symbols", true}, {&src->registered, "registered", false},
    };
    for (size_t i = 0; s == GPUMEM_OK && i < COUNT(list); i++)
        if (list[i].at->value)
            s = strings_only(list[i].at->file, list[i].key, list[i].at->value, err);
        else if (list[i].required)
            s = missing(f, list[i].key, err);
    if (s != GPUMEM_OK)
        return s;
    const gm_value *a = src->architecture.value, *c = src->classes.value, *y = src->symbols.value;
    if (c->n == 0)
        return missing(f, "classes", err);
    if (y->n > 16)
        return gm_fail(err, GPUMEM_EPLUGIN, src->symbols.file, y->line, y->column, "symbols: at most 16");
    const char **arch = gm_arena_zero(f->arena, a->n + 1u, sizeof *arch);
    f->classes = gm_arena_zero(f->arena, c->n + 1u, sizeof *f->classes);
    f->autos = gm_arena_zero(f->arena, src->autos.n + 1u, sizeof *f->autos);
    f->symbol = gm_arena_zero(f->arena, y->n + 1u, sizeof *f->symbol);
    if (arch == NULL || f->classes == NULL || f->autos == NULL || f->symbol == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < a->n; i++)
        arch[f->narchitecture++] = a->v.list[i].v.s;
    for (uint32_t i = 0; i < c->n; i++)
        f->classes[f->nclass++] = (gm_class){c->v.map[i].key, c->v.map[i].value.v.s};
    for (uint32_t i = 0; i < src->autos.n; i++) {
        gm_sourced at = src->autos.entry[i].at;
        if (at.value->type != GM_STRING)
            return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "auto: expected a task");
        f->autos[f->nauto++] = (gm_class){src->autos.entry[i].key, at.value->v.s};
    }
    for (uint32_t i = 0; i < y->n; i++)
        f->symbol[f->nsymbol++] = (gm_symbol){y->v.map[i].key, y->v.map[i].value.v.s};
    f->architecture = arch;
    f->descend = src->descend.value && src->descend.value->type == GM_STRING ? src->descend.value->v.s : NULL;
    f->base = src->base.value && src->base.value->type == GM_STRING ? src->base.value->v.s : NULL;
    f->defaults = src->defaults.value;
    f->nullable = src->nullable.value;
    f->aliases = src->aliases.value;
    f->registered = src->registered.value;
    return GPUMEM_OK;
}

static gpumem_status load_names(gm_family *f, const gm_source *src, gpumem_error *err)
{
    static const char *const builtin[] = {"i", "task", "class", "model_type"};
    const struct { const gm_entries *e; gm_name_kind kind; } from[] = {{&src->dims, GM_NAME_DIM}, {&src->each, GM_NAME_EACH}};
    uint32_t first = COUNT(builtin);
    for (uint32_t i = 0; i < COUNT(builtin); i++)
        if (add_name(f, (gm_name_kind)i, builtin[i], err) < 0)
            return GPUMEM_ENOMEM;
    for (size_t k = 0; k < COUNT(from); k++)
        for (uint32_t i = 0; i < from[k].e->n; i++)
            if (add_name(f, from[k].kind, from[k].e->entry[i].key, err) < 0)
                return GPUMEM_ENOMEM;
    for (size_t k = 0; k < COUNT(from); k++)
        for (uint32_t i = 0; i < from[k].e->n; i++) {
            gm_sourced at = from[k].e->entry[i].at;
            const gm_expr *e;
            gpumem_status s = gm_family_compile(f, at.file, at.value, &e, err);
            if (s != GPUMEM_OK)
                return s;
            if (from[k].kind == GM_NAME_DIM && gm_family_uses_layer(f, e))
                return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column,
                               "dims.%s: a dim cannot depend on the layer; that is for 'each'", from[k].e->entry[i].key);
            f->name[first++].expr = e;
        }
    return GPUMEM_OK;
}

int gm_family_port(gm_family *f, const char *name, size_t n, gpumem_error *err)
{
    for (uint32_t i = 0; i < f->nport; i++)
        if (strncmp(f->port[i], name, n) == 0 && f->port[i][n] == 0)
            return (int)i;
    if (f->nport == f->max_port) {
        uint32_t max = f->max_port ? f->max_port * 2 : 32;
        const char **now = max <= MAX_PORTNAMES ? gm_arena_zero(f->arena, max, sizeof *now) : NULL;
        if (now == NULL) {
            gm_no_memory(err);
            return -1;
        }
        if (f->nport)
            memcpy(now, f->port, f->nport * sizeof *now);
        f->port = now;
        f->max_port = max;
    }
    const char *copy = gm_arena_strndup(f->arena, name, n);
    if (copy == NULL) {
        gm_no_memory(err);
        return -1;
    }
    f->port[f->nport] = copy;
    return (int)f->nport++;
}

static int dtype_of(const gm_value *v)
{
    static const char *const name[] = {"model", "float32", "int64", "int32", "bool", "bfloat16", "complex64"};
    for (int i = 0; v && v->type == GM_STRING && i < (int)COUNT(name); i++)
        if (strcmp(v->v.s, name[i]) == 0)
            return i;
    return -1;
}

static gpumem_status check_shape(const char *file, const char *what, const gm_value *shape, gpumem_error *err)
{
    if (shape->n > GPUMEM_MAX_DIMS)
        return gm_fail(err, GPUMEM_EPLUGIN, file, shape->line, shape->column, "%s.shape: at most %d extents", what, GPUMEM_MAX_DIMS);
    return GPUMEM_OK;
}

static gpumem_status bad_dtype(const char *file, const gm_value *at, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_EPLUGIN, file, at->line, at->column, "dtype: expected model, float32, int64, int32, bool, bfloat16 or complex64");
}

static gpumem_status load_inputs(gm_family *f, const gm_source *src, gpumem_error *err)
{
    static const gm_field field[] = {{"shape", GM_IS(GM_LIST), true}, {"dtype", GM_IS(GM_STRING), true}};
    const gm_value *map = src->inputs.value;
    const char *file = src->inputs.file;
    gpumem_status s;
    if (map == NULL)
        return GPUMEM_OK;
    f->input = gm_arena_zero(f->arena, map->n + 1u, sizeof *f->input);
    if (f->input == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < map->n; i++) {
        const gm_value *v = &map->v.map[i].value, *shape;
        gm_input *in = &f->input[f->ninput++];
        if ((s = gm_fields_check(file, "inputs", v, field, COUNT(field), err)) != GPUMEM_OK)
            return s;
        shape = gm_value_get(v, "shape");
        if ((s = check_shape(file, "inputs", shape, err)) != GPUMEM_OK || (s = strings_only(file, "inputs.shape", shape, err)) != GPUMEM_OK)
            return s;
        in->name = map->v.map[i].key;
        if ((in->port = gm_family_port(f, in->name, strlen(in->name), err)) < 0)
            return GPUMEM_ENOMEM;
        int dtype = dtype_of(gm_value_get(v, "dtype"));
        if (dtype < 0)
            return bad_dtype(file, gm_value_get(v, "dtype"), err);
        in->dtype = (uint8_t)dtype;
        in->ndim = shape->n;
        for (uint32_t d = 0; d < shape->n; d++) {
            uint32_t k = 0;
            while (k < f->nsymbol && strcmp(f->symbol[k].name, shape->v.list[d].v.s) != 0)
                k++;
            if (k == f->nsymbol)
                return gm_fail(err, GPUMEM_EPLUGIN, file, shape->line, shape->column, "inputs.%s.shape: '%s' is not one of the symbols", in->name, shape->v.list[d].v.s);
            in->sym[d] = (uint8_t)(k + 1);
        }
    }
    return GPUMEM_OK;
}

static gpumem_status load_buffers(gm_family *f, const gm_source *src, gpumem_error *err)
{
    static const gm_field field[] = {{"name", GM_IS(GM_STRING), true}, {"shape", GM_IS(GM_LIST), true},
                                     {"dtype", GM_IS(GM_STRING), true}, {"when", GM_ANY, false}};
    f->buffer = gm_arena_zero(f->arena, src->buffers.n + 1u, sizeof *f->buffer);
    if (f->buffer == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < src->buffers.n; i++) {
        const gm_value *v = src->buffers.item[i].value, *shape, *when;
        const char *file = src->buffers.item[i].file;
        gm_buffer *b = &f->buffer[f->nbuffer++];
        gpumem_status s = gm_fields_check(file, "buffers", v, field, COUNT(field), err);
        if (s != GPUMEM_OK)
            return s;
        shape = gm_value_get(v, "shape");
        when = gm_value_get(v, "when");
        if ((s = check_shape(file, "buffers", shape, err)) != GPUMEM_OK)
            return s;
        int dtype = dtype_of(gm_value_get(v, "dtype"));
        if (dtype < 0)
            return bad_dtype(file, gm_value_get(v, "dtype"), err);
        b->name = gm_value_get(v, "name")->v.s;
        b->dtype = (uint8_t)dtype;
        b->ndim = shape->n;
        for (uint32_t d = 0; d < shape->n; d++)
            if ((s = gm_family_compile(f, file, &shape->v.list[d], &b->shape[d], err)) != GPUMEM_OK)
                return s;
        if (when && (s = gm_family_compile(f, file, when, &b->when, err)) != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

static gpumem_status load_stored(gm_family *f, const gm_source *src, gpumem_error *err)
{
    static const gm_field field[] = {{"tensor", GM_IS(GM_STRING), false}, {"first", GM_IS(GM_STRING), false}, {"as", GM_IS(GM_LIST) | GM_IS(GM_STRING), true},
                                     {"unstack", GM_IS(GM_BOOL), false}, {"transpose", GM_IS(GM_BOOL), false}};
    f->stored = gm_arena_zero(f->arena, src->checkpoint.n + 1u, sizeof *f->stored);
    if (f->stored == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < src->checkpoint.n; i++) {
        gm_sourced at = src->checkpoint.item[i];
        gpumem_status s = gm_fields_check(at.file, "checkpoint", at.value, field, COUNT(field), err);
        gm_stored *to = &f->stored[f->nstored++];
        if (s != GPUMEM_OK)
            return s;
        const gm_value *as = gm_value_get(at.value, "as"), *unstack = gm_value_get(at.value, "unstack"), *transpose = gm_value_get(at.value, "transpose");
        const gm_value *tensor = gm_value_get(at.value, "tensor"), *first = gm_value_get(at.value, "first");
        if ((tensor == NULL) == (first == NULL) || (first && as->type != GM_STRING))
            return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "checkpoint: expected one of tensor and first, and one name where it is first");
        to->tensor = tensor ? tensor->v.s : "";
        to->first = first ? first->v.s : NULL;
        to->anywhere = *to->tensor == '*';
        to->tensor += to->anywhere;
        to->unstack = unstack && unstack->v.b;
        to->transpose = transpose && transpose->v.b;
        to->nas = as->type == GM_LIST ? as->n : 1;
        to->as = gm_arena_zero(f->arena, to->nas + 1u, sizeof *to->as);
        if (to->as == NULL)
            return gm_no_memory(err);
        if (as->type == GM_LIST && strings_only(at.file, "as", as, NULL) != GPUMEM_OK)
            return gm_fail(err, GPUMEM_EPLUGIN, at.file, as->line, as->column, "as: expected a name, or a list of them");
        for (uint32_t k = 0; k < to->nas; k++)
            to->as[k] = as->type == GM_LIST ? as->v.list[k].v.s : as->v.s;
    }
    return GPUMEM_OK;
}

/* What must be true of a config, and what should be. */
static gpumem_status load_conditions(gm_family *f, const char *key, const gm_sourced_list *from, gm_require **out, uint32_t *n, gpumem_error *err)
{
    static const gm_field field[] = {{"that", GM_ANY, true}, {"say", GM_IS(GM_STRING), true}};
    gm_require *r = *out = gm_arena_zero(f->arena, from->n + 1u, sizeof *r);
    if (r == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < from->n; i++) {
        gm_sourced at = from->item[i];
        gpumem_status s = gm_fields_check(at.file, key, at.value, field, COUNT(field), err);
        if (s == GPUMEM_OK)
            s = gm_family_compile(f, at.file, gm_value_get(at.value, "that"), &r[i].that, err);
        if (s != GPUMEM_OK)
            return s;
        r[i].say = gm_value_get(at.value, "say")->v.s;
        ++*n;
    }
    return GPUMEM_OK;
}

static gpumem_status load_require(gm_family *f, const gm_source *src, gpumem_error *err)
{
    gpumem_status s = load_conditions(f, "require", &src->require, &f->require, &f->nrequire, err);
    f->unchecked = src->unchecked.value ? src->unchecked.value->v.s : NULL;
    return s == GPUMEM_OK ? load_conditions(f, "warn", &src->warn, &f->warn, &f->nwarn, err) : s;
}

/* ---- steps ---- */

static const char *const step_key[] = {"use", "in", "out", "as", "id", "names", "when", "once", "lives", "part"};

/* A part's number by its name; without one -1. */
gpumem_status gm_family_part(const char *file, const gm_value *v, int *out, gpumem_error *err)
{
    *out = -1;
    for (int i = 0; v && v->type == GM_STRING && i < GPUMEM_PART_END; i++)
        if (strcmp(v->v.s, gpumem_part_name((unsigned)i)) == 0)
            *out = i;
    if (v && *out < 0)
        return gm_fail(err, GPUMEM_EPLUGIN, file, v->line, v->column,
                       "part: expected one of other, embedding, attention, mlp, experts, router, norm, mixer, head, tower, projector");
    return GPUMEM_OK;
}

bool gm_family_step_key(const char *key)
{
    for (size_t i = 0; i < COUNT(step_key); i++)
        if (strcmp(key, step_key[i]) == 0)
            return true;
    return false;
}

static gpumem_status step_string(const gm_step *st, const char *key, const char **out, gpumem_error *err)
{
    const gm_value *v = gm_value_get(st->source, key);
    *out = NULL;
    if (v && v->type != GM_STRING && v->type != GM_NULL)
        return gm_fail(err, GPUMEM_EPLUGIN, st->file, v->line, v->column, "%s: expected a string, not %s", key, gm_type_name(v->type));
    if (v && v->type == GM_STRING)
        *out = v->v.s;
    return GPUMEM_OK;
}

/* Braces in a path name dims or facts of the layer, or {i} its number. */
static gpumem_status check_path(gm_family *f, const char *file, const gm_value *at, const char *path, bool *by_layer, gpumem_error *err)
{
    for (const char *p = path ? strchr(path, '{') : NULL; p; p = strchr(p + 1, '{')) {
        size_t n = strcspn(p + 1, "}");
        char name[64];
        int slot = -1;
        if (n == 1 && p[1] == 'i' && p[2] == '}')
            continue;
        if (p[n + 1] == '}' && n < sizeof name) {
            memcpy(name, p + 1, n);
            name[n] = 0;
            slot = gm_family_slot(f, GM_NAME_EACH, name);
            if (slot >= 0)
                *by_layer = true;
            else
                slot = gm_family_slot(f, GM_NAME_DIM, name);
        }
        if (slot < 0)
            return gm_fail(err, GPUMEM_EPLUGIN, file, at->line, at->column, "'%s': expected {i}, or the name of a dim or of 'each' in braces", path);
    }
    return GPUMEM_OK;
}

/* {FROM: TO}, both strings. */
static gpumem_status load_renames(gm_family *f, const char *file, const gm_value *names, const gm_rename **out, uint32_t *n, gpumem_error *err)
{
    gpumem_status s;
    if (names == NULL)
        return GPUMEM_OK;
    if (names->type != GM_MAP)
        return gm_fail(err, GPUMEM_EPLUGIN, file, names->line, names->column, "names: expected a mapping");
    gm_rename *r = gm_arena_zero(f->arena, names->n + 1u, sizeof *r);
    if (r == NULL)
        return gm_no_memory(err);
    if ((s = strings_only(file, "names", names, err)) != GPUMEM_OK)
        return s;
    for (uint32_t i = 0; i < names->n; i++)
        r[i] = (gm_rename){names->v.map[i].key, names->v.map[i].value.v.s};
    *out = r;
    *n = names->n;
    return GPUMEM_OK;
}

static gpumem_status load_step(gm_family *f, gm_sourced at, gm_step *st, gpumem_error *err)
{
    static const char *const primitive[] = {"", "add", "scale", "dropout", "softcap", "alias"};
    static const char *const lives[] = {"use", "step", "block", "stack", "model", "caller"};
    const char *word, *id;
    gpumem_status s;
    st->source = at.value;
    st->file = at.file;
    st->lives = -1;
    if (at.value->type != GM_MAP)
        return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "expected a step, a mapping with 'use'");
    if ((s = step_string(st, "use", &st->use, err)) != GPUMEM_OK || (s = step_string(st, "as", &st->as, err)) != GPUMEM_OK ||
        (s = step_string(st, "id", &id, err)) != GPUMEM_OK || (s = step_string(st, "lives", &word, err)) != GPUMEM_OK)
        return s;
    if (st->use == NULL)
        return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "a step needs 'use'");
    for (int i = 1; i < (int)COUNT(primitive); i++)
        if (strcmp(st->use, primitive[i]) == 0)
            st->primitive = (gm_primitive)i;
    for (int i = 0; word && i < (int)COUNT(lives); i++)
        if (strcmp(word, lives[i]) == 0)
            st->lives = i;
    if (word && st->lives < 0)
        return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "lives: '%s' is not one of use, step, block, stack, model, caller", word);
    const gm_value *when = gm_value_get(at.value, "when");
    if (when && (s = gm_family_compile(f, at.file, when, &st->when, err)) != GPUMEM_OK)
        return s;
    const gm_value *once = gm_value_get(at.value, "once");
    if (once && (s = gm_family_compile(f, at.file, once, &st->once, err)) != GPUMEM_OK)
        return s;
    st->when_by_layer = gm_family_uses_layer(f, st->when) || gm_family_uses_layer(f, st->once);
    if ((s = check_path(f, at.file, at.value, st->as, &st->when_by_layer, err)) != GPUMEM_OK)
        return s;
    if ((s = gm_family_part(at.file, gm_value_get(at.value, "part"), &st->part, err)) != GPUMEM_OK)
        return s;
    return load_renames(f, at.file, gm_value_get(at.value, "names"), &st->rename, &st->nrename, err);
}

static gpumem_status load_steps(gm_family *f, const gm_sourced_list *l, gm_steps *out, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    out->step = gm_arena_zero(f->arena, l->n + 1u, sizeof *out->step);
    if (out->step == NULL)
        return gm_no_memory(err);
    out->n = l->n;
    for (uint32_t i = 0; s == GPUMEM_OK && i < l->n; i++)
        s = load_step(f, l->item[i], &out->step[i], err);
    return s;
}

static gpumem_status load_with(gm_family *f, const char *file, const gm_value *with, gm_stack *to, gpumem_error *err)
{
    gpumem_status s = GPUMEM_OK;
    if (with == NULL)
        return GPUMEM_OK;
    gm_set *set = gm_arena_zero(f->arena, with->n + 1u, sizeof *set);
    if (set == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < with->n; i++) {
        set[i].key = with->v.map[i].key;
        s = gm_family_compile(f, file, &with->v.map[i].value, &set[i].value, err);
    }
    to->with = set;
    to->nwith = with->n;
    return s;
}

static gpumem_status load_part(gm_family *f, gm_sourced at, gm_stack *to, gpumem_error *err)
{
    const gm_value *config = gm_value_get(at.value, "config"), *task = gm_value_get(at.value, "task");
    to->config = config ? config->v.s : NULL;
    to->otherwise = gm_value_get(at.value, "defaults");
    to->task = task ? task->v.s : NULL;
    to->file = at.file;
    to->line = at.value->line;
    to->column = at.value->column;
    gpumem_status s = load_renames(f, at.file, gm_value_get(at.value, "names"), &to->rename, &to->nrename, err);
    if (s == GPUMEM_OK)
        s = load_with(f, at.file, gm_value_get(at.value, "with"), to, err);
    if (s == GPUMEM_OK)
        s = gm_family_part(at.file, gm_value_get(at.value, "part"), &to->part, err);
    return s == GPUMEM_OK ? gm_family_compile(f, at.file, gm_value_get(at.value, "family"), &to->family, err) : s;
}

static gpumem_status load_names_of_tensors(gm_family *f, const gm_source *src, gpumem_error *err)
{
    gm_rename *r = gm_arena_zero(f->arena, src->names.n + 1u, sizeof *r);
    if (r == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < src->names.n; i++) {
        gm_sourced at = src->names.entry[i].at;
        if (at.value->type != GM_STRING)
            return gm_fail(err, GPUMEM_EPLUGIN, at.file, at.value->line, at.value->column, "names: expected a string, not %s", gm_type_name(at.value->type));
        r[i] = (gm_rename){src->names.entry[i].key, at.value->v.s};
    }
    f->rename = r;
    f->nrename = src->names.n;
    return GPUMEM_OK;
}

static gpumem_status load_stacks(gm_family *f, const gm_source *src, gpumem_error *err)
{
    gpumem_status s;
    f->stack = gm_arena_zero(f->arena, src->nstack, sizeof *f->stack);
    if (f->stack == NULL)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < src->nstack; i++) {
        const gm_source_stack *from = &src->stack[i];
        gm_stack *to = &f->stack[f->nstack++];
        if (from->when.value && (s = gm_family_compile(f, from->when.file, from->when.value, &to->when, err)) != GPUMEM_OK)
            return s;
        if (from->part.value) {
            if ((s = load_part(f, from->part, to, err)) != GPUMEM_OK)
                return s;
            continue;
        }
        if (from->layer.n && from->layers.value == NULL)
            return missing(f, "layers", err);
        if (from->layer.n && from->at.value == NULL)
            return missing(f, "at", err);
        to->at = from->at.value ? from->at.value->v.s : "";
        if (from->at.value && (s = check_path(f, from->at.file, from->at.value, to->at, &to->at_by_layer, err)) != GPUMEM_OK)
            return s;
        if ((from->layers.value && (s = gm_family_compile(f, from->layers.file, from->layers.value, &to->layers, err)) != GPUMEM_OK) ||
            (s = load_steps(f, &from->before, &to->before, err)) != GPUMEM_OK ||
            (s = load_steps(f, &from->layer, &to->layer, err)) != GPUMEM_OK ||
            (s = load_steps(f, &from->after, &to->after, err)) != GPUMEM_OK)
            return s;
    }
    return GPUMEM_OK;
}

gpumem_status gm_family_load(gm_registry *registry, gm_arena *arena, const char *model_type, gm_family **out, gpumem_error *err)
{
    gm_source src;
    gm_family *f = gm_arena_zero(arena, 1, sizeof *f);
    gpumem_status s;
    if (f == NULL)
        return gm_no_memory(err);
    if ((s = gm_source_read(registry, arena, model_type, &src, err)) != GPUMEM_OK)
        return s;
    f->arena = arena;
    f->registry = registry;
    f->manifest = src.chain[0];
    memcpy(f->chain, src.chain, sizeof f->chain);
    f->nchain = src.nchain;
    if ((s = load_words(f, &src, err)) != GPUMEM_OK || (s = load_names(f, &src, err)) != GPUMEM_OK ||
        (s = load_inputs(f, &src, err)) != GPUMEM_OK || (s = load_buffers(f, &src, err)) != GPUMEM_OK ||
        (s = load_require(f, &src, err)) != GPUMEM_OK || (s = load_stored(f, &src, err)) != GPUMEM_OK || (s = load_names_of_tensors(f, &src, err)) != GPUMEM_OK ||
        (s = load_stacks(f, &src, err)) != GPUMEM_OK)
        return s;
    *out = f;
    return GPUMEM_OK;
}
