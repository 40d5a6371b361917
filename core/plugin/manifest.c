#include "plugin/manifest.h"

#include "plugin/registry.h"
#include "text/file.h"
#include "text/yaml.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES (1u << 20)
#define MAX_FORMATS 1024
#define FORMAT 1 /* of manifests */
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TEXT GM_IS(GM_STRING)
#define NUMBER (GM_IS(GM_INT) | GM_IS(GM_REAL))

/* ---- mappings and values -------------------------------------------------------------------------------------------- */

gpumem_status gm_value_bad(const char *file, const char *what, const gm_value *v, gpumem_error *err, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return gm_fail(err, GPUMEM_EPLUGIN, file, v->line, v->column, "%s%s%s", what, *what ? ": " : "", why);
}

static size_t append(char *buf, size_t n, size_t at, const char *s)
{
    size_t m = strnlen(s, n - 1 - at);
    memcpy(buf + at, s, m);
    buf[at + m] = '\0';
    return at + m;
}

/* "what.key"; not by snprintf, for names are made before it is known whether an error needs them. */
static const char *join(char *buf, size_t n, const char *what, const char *key)
{
    size_t at = append(buf, n, 0, what);
    at = append(buf, n, at, at ? "." : "");
    append(buf, n, at, key);
    return buf;
}

/* "string, list or null" */
static const char *types_text(unsigned types, char *buf, size_t n)
{
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned t = 0; t <= GM_MAP; t++) {
        unsigned rest = types & ~((1u << t) - 1);
        if (types & GM_IS(t) && at < n)
            at += (size_t)snprintf(buf + at, n - at, "%s%s", !at ? "" : rest == GM_IS(t) ? " or " : ", ", gm_type_name((gm_type)t));
    }
    return buf;
}

static gpumem_status check_type(const char *file, const char *what, const gm_value *v, unsigned types, gpumem_error *err)
{
    char expected[128];
    if (!(types & GM_IS(v->type)))
        return gm_value_bad(file, what, v, err, "expected %s, not %s", types_text(types, expected, sizeof expected), gm_type_name((gm_type)v->type));
    return GPUMEM_OK;
}

static const gm_field *field_of(const gm_field *fields, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

static void tip_near(gpumem_error *err, const gpumem_near *near)
{
    char text[320];
    if (*gpumem_near_text(near, text, sizeof text))
        gm_tip(err, "did you mean %s?", text);
}

static gpumem_status unknown_key(const char *file, const char *what, const gm_member *m, const gm_field *fields, size_t n, gpumem_error *err)
{
    gpumem_near near;
    gpumem_status status = gm_fail(err, GPUMEM_EPLUGIN, file, m->line, m->column, "%s%sunknown key '%.64s'", what, *what ? ": " : "", m->key);
    gpumem_near_init(&near, m->key);
    for (size_t i = 0; i < n; i++)
        gpumem_near_offer(&near, fields[i].key);
    tip_near(err, &near);
    return status;
}

static gpumem_status check_fields(const char *file, const char *what, const gm_value *map, const gm_field *fields, size_t n, bool open,
                                  gpumem_error *err)
{
    gpumem_status status = check_type(file, what, map, GM_IS(GM_MAP), err);
    char name[160];
    for (uint32_t i = 0; status == GPUMEM_OK && i < map->n; i++) {
        const gm_member *m = &map->v.map[i];
        const gm_field *f = field_of(fields, n, m->key);
        if (f)
            status = check_type(file, join(name, sizeof name, what, m->key), &m->value, f->types, err);
        else if (!open)
            status = unknown_key(file, what, m, fields, n, err);
    }
    for (size_t i = 0; status == GPUMEM_OK && i < n; i++)
        if (fields[i].required && !gm_value_get(map, fields[i].key))
            status = gm_value_bad(file, what, map, err, "'%s' is missing", fields[i].key);
    return status;
}

gpumem_status gm_fields_check(const char *file, const char *what, const gm_value *map, const gm_field *fields, size_t n, gpumem_error *err)
{
    return check_fields(file, what ? what : "", map, fields, n, false, err);
}

/* ", a, b" after the first */
static void list_text(char *buf, size_t n, const char *item)
{
    size_t at = strlen(buf);
    snprintf(buf + at, n - at, "%s%s", at ? ", " : "", item);
}

static gpumem_status check_word(const char *file, const char *what, const gm_value *v, const char *const *allowed, size_t n, gpumem_error *err)
{
    char known[200] = "";
    for (size_t i = 0; i < n; i++) {
        if (strcmp(allowed[i], v->v.s) == 0)
            return GPUMEM_OK;
        list_text(known, sizeof known, allowed[i]);
    }
    return gm_value_bad(file, what, v, err, "'%.64s' is not one of %s", v->v.s, known);
}

gpumem_status gm_strings_check(const char *file, const char *what, const gm_value *list, const char *const *allowed, size_t nallowed, gpumem_error *err)
{
    gpumem_status status = check_type(file, what, list, GM_IS(GM_LIST), err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < list->n; i++) {
        const gm_value *v = &list->v.list[i];
        status = check_type(file, what, v, TEXT, err);
        if (status == GPUMEM_OK && allowed)
            status = check_word(file, what, v, allowed, nallowed, err);
        for (uint32_t j = 0; status == GPUMEM_OK && j < i; j++)
            if (strcmp(list->v.list[j].v.s, v->v.s) == 0)
                status = gm_value_bad(file, what, v, err, "'%.64s' is there twice", v->v.s);
    }
    return status;
}

/* ---- values of parameters --------------------------------------------------------------------------------------------- */

static const char *const type_names[] = {"null", "int", "real", "bool", "string", "ints", "strings"};

static bool is_list_type(uint32_t type) { return type == GPUMEM_TYPE_INTS || type == GPUMEM_TYPE_STRINGS; }

static uint32_t item_type(uint32_t type)
{
    return type == GPUMEM_TYPE_INTS ? GPUMEM_TYPE_INT : type == GPUMEM_TYPE_STRINGS ? GPUMEM_TYPE_STRING : type;
}

static bool is_number_type(uint32_t type) { return item_type(type) == GPUMEM_TYPE_INT || type == GPUMEM_TYPE_REAL; }

static unsigned yaml_types(uint32_t type)
{
    switch (type) {
    case GPUMEM_TYPE_INT: return GM_IS(GM_INT);
    case GPUMEM_TYPE_REAL: return NUMBER;
    case GPUMEM_TYPE_BOOL: return GM_IS(GM_BOOL);
    case GPUMEM_TYPE_STRING: return TEXT;
    default: return GM_IS(GM_LIST);
    }
}

static double number_of(const gm_value *v) { return v->type == GM_INT ? (double)v->v.i : v->v.r; }

static const char *number_text(double x, char *buf, size_t n)
{
    snprintf(buf, n, fabs(x) < 1e15 && floor(x) == x ? "%.0f" : "%.9g", x);
    return buf;
}

static const char *show(const gm_value *v, char *buf, size_t n)
{
    if (v->type == GM_STRING)
        snprintf(buf, n, "'%.48s'", v->v.s);
    else
        gm_value_show(v, buf, n);
    return buf;
}

static gpumem_status check_range(const gm_paramdef *d, const char *file, const char *what, const gm_value *v, gpumem_error *err)
{
    char shown[64], bound[32];
    double x = number_of(v);
    if (!isfinite(x))
        return gm_value_bad(file, what, v, err, "%s is not a finite number", show(v, shown, sizeof shown));
    if (d->has_min && x < d->min)
        return gm_value_bad(file, what, v, err, "%s is less than %s", show(v, shown, sizeof shown), number_text(d->min, bound, sizeof bound));
    if (d->has_max && x > d->max)
        return gm_value_bad(file, what, v, err, "%s is more than %s", show(v, shown, sizeof shown), number_text(d->max, bound, sizeof bound));
    return GPUMEM_OK;
}

static gpumem_status check_among(const gm_value *values, const char *file, const char *what, const gm_value *v, gpumem_error *err)
{
    char shown[64], item[64], known[240] = "";
    for (uint32_t i = 0; i < values->n; i++) {
        const gm_value *a = &values->v.list[i];
        if (gm_value_equal(a, v))
            return GPUMEM_OK;
        list_text(known, sizeof known, a->type == GM_STRING ? a->v.s : gm_value_show(a, item, sizeof item));
    }
    return gm_value_bad(file, what, v, err, "%s is not one of %s", show(v, shown, sizeof shown), known);
}

static gpumem_status check_item(const gm_paramdef *d, const char *file, const char *what, const gm_value *v, gpumem_error *err)
{
    uint32_t type = item_type(d->type);
    gpumem_status status = check_type(file, what, v, yaml_types(type), err);
    if (status == GPUMEM_OK && is_number_type(type))
        status = check_range(d, file, what, v, err);
    if (status == GPUMEM_OK && d->values)
        status = check_among(d->values, file, what, v, err);
    return status;
}

static gpumem_status check_value(const gm_paramdef *d, const char *file, const char *what, const gm_value *v, gpumem_error *err)
{
    gpumem_status status;
    if (v->type == GM_NULL && d->nullable)
        return GPUMEM_OK;
    if (!is_list_type(d->type))
        return check_item(d, file, what, v, err);
    status = check_type(file, what, v, GM_IS(GM_LIST), err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < v->n; i++)
        status = check_item(d, file, what, &v->v.list[i], err);
    return status;
}

/* ---- reading: params, formats ------------------------------------------------------------------------------------------- */

typedef struct reader {
    gm_arena *arena;
    const char *file;
    gm_manifest *out;
    const gm_value *root;
    gpumem_error *err;
} reader;

static const char *text_of(const gm_value *map, const char *key)
{
    const gm_value *v = gm_value_get(map, key);
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

static gpumem_status read_type(const reader *r, const char *what, const gm_value *v, uint32_t *type)
{
    char name[160];
    for (uint32_t t = GPUMEM_TYPE_INT; t < COUNT(type_names); t++)
        if (strcmp(type_names[t], v->v.s) == 0) {
            *type = t;
            return GPUMEM_OK;
        }
    return check_word(r->file, join(name, sizeof name, what, "type"), v, type_names + 1, COUNT(type_names) - 1, r->err);
}

static gpumem_status read_bound(const reader *r, const char *what, const char *key, const gm_value *map, const gm_paramdef *d, bool *has, double *bound)
{
    char name[160];
    const gm_paramdef any = {.type = item_type(d->type)};
    const gm_value *v = gm_value_get(map, key);
    gpumem_status status;
    if (!v)
        return GPUMEM_OK;
    join(name, sizeof name, what, key);
    if (!is_number_type(d->type))
        return gm_value_bad(r->file, name, v, r->err, "only numbers have a range, not %s", type_names[d->type]);
    status = check_item(&any, r->file, name, v, r->err);
    if (status != GPUMEM_OK)
        return status;
    *has = true;
    *bound = number_of(v);
    return GPUMEM_OK;
}

static gpumem_status read_range(const reader *r, const char *what, const gm_value *map, gm_paramdef *d)
{
    char bound[32];
    gpumem_status status = read_bound(r, what, "min", map, d, &d->has_min, &d->min);
    if (status == GPUMEM_OK)
        status = read_bound(r, what, "max", map, d, &d->has_max, &d->max);
    if (status == GPUMEM_OK && d->has_min && d->has_max && d->min > d->max)
        return gm_value_bad(r->file, what, gm_value_get(map, "max"), r->err, "max is less than min, %s", number_text(d->min, bound, sizeof bound));
    return status;
}

static gpumem_status read_values(const reader *r, const char *what, const gm_value *map, gm_paramdef *d)
{
    char name[160];
    const gm_value *v = gm_value_get(map, "values");
    gpumem_status status = GPUMEM_OK;
    if (!v)
        return GPUMEM_OK;
    join(name, sizeof name, what, "values");
    if (v->n == 0 || d->type == GPUMEM_TYPE_BOOL)
        return gm_value_bad(r->file, name, v, r->err, v->n ? "a bool has no list of values" : "the list is empty");
    for (uint32_t i = 0; status == GPUMEM_OK && i < v->n; i++)
        status = check_item(d, r->file, name, &v->v.list[i], r->err);
    d->values = v;
    return status;
}

static gpumem_status read_param(const reader *r, const gm_member *m, gm_paramdef *d)
{
    static const gm_field fields[] = {
        {"type", TEXT, true},          {"default", GM_ANY, false}, {"nullable", GM_IS(GM_BOOL), false},  {"min", NUMBER, false},
        {"max", NUMBER, false},        {"values", GM_IS(GM_LIST), false}, {"help", TEXT, false},
    };
    char what[128];
    const gm_value *map = &m->value, *nullable;
    gpumem_status status;
    join(what, sizeof what, "params", m->key);
    *d = (gm_paramdef){.key = m->key, .line = m->line, .column = m->column};
    if (!gm_id_valid(m->key))
        return gm_fail(r->err, GPUMEM_EPLUGIN, r->file, m->line, m->column, "params: '%.64s' cannot be the name of a parameter", m->key);
    status = gm_fields_check(r->file, what, map, fields, COUNT(fields), r->err);
    if (status == GPUMEM_OK)
        status = read_type(r, what, gm_value_get(map, "type"), &d->type);
    if (status == GPUMEM_OK)
        status = read_range(r, what, map, d);
    if (status == GPUMEM_OK)
        status = read_values(r, what, map, d);
    if (status != GPUMEM_OK)
        return status;
    nullable = gm_value_get(map, "nullable");
    d->nullable = nullable && nullable->v.b;
    d->help = text_of(map, "help");
    d->otherwise = gm_value_get(map, "default");
    return d->otherwise ? check_value(d, r->file, what, d->otherwise, r->err) : GPUMEM_OK;
}

static gpumem_status read_params(const reader *r)
{
    const gm_value *map = gm_value_get(r->root, "params");
    gpumem_status status = GPUMEM_OK;
    gm_paramdef *param;
    if (!map || map->n == 0)
        return GPUMEM_OK;
    param = gm_arena_zero(r->arena, map->n, sizeof *param);
    if (!param)
        return gm_no_memory(r->err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < map->n; i++)
        status = read_param(r, &map->v.map[i], &param[i]);
    r->out->param = param;
    r->out->nparam = map->n;
    return status;
}

static gpumem_status read_u32(const reader *r, const char *what, const gm_value *map, const char *key, uint32_t least, uint32_t otherwise, uint32_t *out)
{
    char name[160];
    const gm_value *v = gm_value_get(map, key);
    const gm_paramdef range = {.type = GPUMEM_TYPE_INT, .has_min = true, .min = least, .has_max = true, .max = UINT32_MAX};
    gpumem_status status;
    *out = otherwise;
    if (!v)
        return GPUMEM_OK;
    status = check_item(&range, r->file, join(name, sizeof name, what, key), v, r->err);
    if (status == GPUMEM_OK)
        *out = (uint32_t)v->v.i;
    return status;
}

static gpumem_status read_part(const reader *r, const char *what, const gm_value *map, gpumem_format_part *out)
{
    static const gm_field fields[] = {
        {"bits", GM_IS(GM_INT), true}, {"rows", GM_IS(GM_INT), false}, {"cols", GM_IS(GM_INT), false}, {"fixed", GM_IS(GM_INT), false},
    };
    gpumem_status status = gm_fields_check(r->file, what, map, fields, COUNT(fields), r->err);
    if (status == GPUMEM_OK)
        status = read_u32(r, what, map, "bits", 1, 0, &out->bits);
    if (status == GPUMEM_OK)
        status = read_u32(r, what, map, "rows", 1, 1, &out->rows);
    if (status == GPUMEM_OK)
        status = read_u32(r, what, map, "cols", 1, 1, &out->cols);
    return status == GPUMEM_OK ? read_u32(r, what, map, "fixed", 0, 0, &out->fixed) : status;
}

static gpumem_status read_format(const reader *r, const gm_member *m, gpumem_format *out)
{
    char what[128];
    const gm_value *list = &m->value;
    gpumem_status status;
    join(what, sizeof what, "formats", m->key);
    if (!gm_id_valid(m->key))
        return gm_fail(r->err, GPUMEM_EPLUGIN, r->file, m->line, m->column, "formats: '%.64s' cannot be the name of a format", m->key);
    status = check_type(r->file, what, list, GM_IS(GM_LIST), r->err);
    if (status == GPUMEM_OK && (list->n < 1 || list->n > GPUMEM_MAX_FORMAT_PARTS))
        return gm_value_bad(r->file, what, list, r->err, "expected 1 to %d parts, not %u", GPUMEM_MAX_FORMAT_PARTS, list->n);
    for (uint32_t i = 0; status == GPUMEM_OK && i < list->n; i++)
        status = read_part(r, what, &list->v.list[i], &out->part[i]);
    out->name = m->key;
    out->npart = list->n;
    return status;
}

static gpumem_status read_formats(const reader *r)
{
    const gm_value *map = gm_value_get(r->root, "formats");
    gpumem_status status = GPUMEM_OK;
    gpumem_format *format;
    if (!map || map->n == 0)
        return GPUMEM_OK;
    if (map->n > MAX_FORMATS)
        return gm_value_bad(r->file, "formats", map, r->err, "%u formats, at most %d are possible", map->n, MAX_FORMATS);
    format = gm_arena_zero(r->arena, map->n, sizeof *format);
    if (!format)
        return gm_no_memory(r->err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < map->n; i++)
        status = read_format(r, &map->v.map[i], &format[i]);
    r->out->format = format;
    r->out->nformat = map->n;
    return status;
}

/* ---- reading: the rest ---------------------------------------------------------------------------------------------------- */

#define KIND(k) (1u << GPUMEM_KIND_##k)
#define WITH_LIBRARY (KIND(ARCHITECTURE) | KIND(PRECISION) | KIND(OPTIMIZER) | KIND(ACTIVATION) | KIND(ENGINE) | KIND(PARALLEL) | KIND(DEVICE))
#define ALL_KINDS (WITH_LIBRARY | KIND(FAMILY) | KIND(GPU) | KIND(SET))

static const struct { gm_field field; unsigned kinds; } keys[] = {
    {{"gpumem", GM_IS(GM_INT), true}, ALL_KINDS},
    {{"kind", TEXT, true}, ALL_KINDS},
    {{"id", TEXT, true}, ALL_KINDS},
    {{"version", TEXT, true}, ALL_KINDS},
    {{"title", TEXT, true}, ALL_KINDS},
    {{"sources", GM_IS(GM_LIST), false}, ALL_KINDS},
    {{"library", TEXT, false}, WITH_LIBRARY},
    {{"sha256", TEXT, false}, WITH_LIBRARY},
    {{"use", TEXT, false}, WITH_LIBRARY},
    {{"with", GM_IS(GM_MAP), false}, WITH_LIBRARY},
    {{"params", GM_IS(GM_MAP), false}, WITH_LIBRARY},
    {{"formats", GM_IS(GM_MAP), false}, KIND(PRECISION) | KIND(ENGINE)},
    {{"activations", TEXT, true}, KIND(ENGINE)},
    {{"chunk", GM_IS(GM_INT), false}, KIND(ENGINE)},
    {{"cache", GM_IS(GM_MAP), false}, KIND(ENGINE)},
    {{"runtime", GM_IS(GM_MAP), false}, KIND(ENGINE)},
    {{"utilization", GM_IS(GM_REAL) | GM_IS(GM_INT), false}, KIND(ENGINE)},
    {{"offloads", GM_IS(GM_BOOL), false}, KIND(ENGINE)},
    {{"rounding", GM_IS(GM_INT), false}, KIND(ENGINE)},
    {{"vectors", TEXT, false}, KIND(ENGINE)},
    {{"states", TEXT, false}, KIND(ENGINE)},
    {{"config", GM_IS(GM_MAP), false}, KIND(PRECISION)},
    {{"engine", TEXT, false}, KIND(PRECISION)},
    {{"components", GM_IS(GM_LIST), false}, KIND(ARCHITECTURE)},
    {{"parts", GM_IS(GM_MAP), false}, KIND(ARCHITECTURE)},
    {{"implementations", GM_IS(GM_LIST), false}, KIND(OPTIMIZER)},
    {{"torch", TEXT, false}, KIND(OPTIMIZER)},
    {{"rules", TEXT, false}, KIND(ACTIVATION) | KIND(ENGINE)},
    {{"step", TEXT, false}, KIND(OPTIMIZER)},
};

static gpumem_status check_keys(const reader *r, gpumem_kind kind)
{
    gm_field fields[COUNT(keys)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (keys[i].kinds & 1u << kind)
            fields[n++] = keys[i].field;
    return check_fields(r->file, "", r->root, fields, n, !gm_kind_is_folder(kind), r->err);
}

static gpumem_status check_format(const reader *r)
{
    const gm_value *v = r->root->type == GM_MAP ? gm_value_get(r->root, "gpumem") : NULL;
    if (v && v->type == GM_INT && v->v.i != FORMAT)
        return gm_value_bad(r->file, "", v, r->err, "manifest format %lld: this program reads %d", (long long)v->v.i, FORMAT);
    return GPUMEM_OK;
}

/* N.N.N */
static bool version_valid(const char *s)
{
    for (int part = 0; part < 3; part++) {
        size_t digits = strspn(s, "0123456789");
        if (digits < 1 || digits > 9 || s[digits] != (part < 2 ? '.' : '\0'))
            return false;
        s += digits + 1;
    }
    return true;
}

static gpumem_status check_place(const reader *r, gpumem_kind kind, const char *id)
{
    const gm_value *k = gm_value_get(r->root, "kind"), *i = gm_value_get(r->root, "id"), *v = gm_value_get(r->root, "version");
    if (strcmp(k->v.s, gpumem_kind_name(kind)) != 0)
        return gm_value_bad(r->file, "kind", k, r->err, "'%.64s' where its place says '%s'", k->v.s, gpumem_kind_name(kind));
    if (!gm_id_valid(i->v.s))
        return gm_value_bad(r->file, "id", i, r->err, "'%.64s' cannot be an id: at most 64 letters, digits, '.', '_' and '-'", i->v.s);
    if (id && strcmp(i->v.s, id) != 0)
        return gm_value_bad(r->file, "id", i, r->err, "'%.64s' where its place says '%s'", i->v.s, id);
    if (!version_valid(v->v.s))
        return gm_value_bad(r->file, "version", v, r->err, "'%.32s' is not of the form 1.2.3", v->v.s);
    return GPUMEM_OK;
}

/* A file that lies beside the manifest. */
static gpumem_status check_beside(const reader *r, const char *key)
{
    const gm_value *v = gm_value_get(r->root, key);
    if (v && (strchr(v->v.s, '/') || !*v->v.s || v->v.s[0] == '.'))
        return gm_value_bad(r->file, key, v, r->err, "'%.64s' is not the name of a file beside the manifest", v->v.s);
    return GPUMEM_OK;
}

static gpumem_status check_library(const reader *r)
{
    const gm_value *library = gm_value_get(r->root, "library"), *use = gm_value_get(r->root, "use"), *rules = gm_value_get(r->root, "rules");
    gpumem_status status;
    if (library && use)
        return gm_value_bad(r->file, "use", use, r->err, "a plugin has either 'library' or 'use', not both");
    if ((status = check_beside(r, "rules")) != GPUMEM_OK || (status = check_beside(r, "step")) != GPUMEM_OK)
        return status;
    if (!library && !use && !rules && r->out->kind != GPUMEM_KIND_ENGINE)
        return gm_value_bad(r->file, "", r->root, r->err, "'library' or 'use' is missing");
    if ((status = check_beside(r, "library")) != GPUMEM_OK)
        return status;
    if (use && !gm_id_valid(use->v.s))
        return gm_value_bad(r->file, "use", use, r->err, "'%.64s' cannot be an id", use->v.s);
    return GPUMEM_OK;
}

/* Keys that make sense only beside another one. */
static gpumem_status check_company(const reader *r)
{
    static const struct { const char *key, *beside; } pairs[] = {
        {"sha256", "library"}, {"with", "use"}, {"params", "library"}, {"components", "library"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const gm_value *v = gm_value_get(r->root, pairs[i].key);
        if (v && !gm_value_get(r->root, pairs[i].beside))
            return gm_value_bad(r->file, pairs[i].key, v, r->err, "only beside '%s'", pairs[i].beside);
    }
    return GPUMEM_OK;
}

static gpumem_status check_digest(const reader *r)
{
    const gm_value *v = gm_value_get(r->root, "sha256");
    if (v && (v->n != 64 || strspn(v->v.s, "0123456789abcdefABCDEF") != 64))
        return gm_value_bad(r->file, "sha256", v, r->err, "expected 64 hexadecimal digits");
    return GPUMEM_OK;
}

static gpumem_status check_components(const reader *r)
{
    const gm_value *v = gm_value_get(r->root, "components");
    if (!v && r->out->kind == GPUMEM_KIND_ARCHITECTURE && r->out->library)
        return gm_value_bad(r->file, "", r->root, r->err, "'components' is missing");
    if (v && v->n == 0)
        return gm_value_bad(r->file, "components", v, r->err, "the list is empty");
    return v ? gm_strings_check(r->file, "components", v, NULL, 0, r->err) : GPUMEM_OK;
}

static gpumem_status check_step(const reader *r)
{
    static const char *const forms[] = {"fused", "foreach", "for-loop"};
    const gm_value *list = gm_value_get(r->root, "implementations"), *torch = gm_value_get(r->root, "torch");
    gpumem_status status = GPUMEM_OK;
    if (list && list->n == 0)
        return gm_value_bad(r->file, "implementations", list, r->err, "the list is empty");
    if (list)
        status = gm_strings_check(r->file, "implementations", list, forms, COUNT(forms), r->err);
    if (status == GPUMEM_OK && torch)
        status = check_word(r->file, "torch", torch, forms, COUNT(forms), r->err);
    if (status == GPUMEM_OK && torch && list)
        status = check_among(list, r->file, "torch", torch, r->err);
    return status;
}

/* What an engine says: all of it is data. */
static gpumem_status check_engine(const reader *r)
{
    static const char *const ways[] = {"walk", "chunk", "none"}, *const wide[] = {"f32"}, *const widened[] = {"vectors", "states"};
    static const gm_field field[] = {{"block", GM_IS(GM_INT), true}, {"ahead", GM_IS(GM_INT), false}, {"spare", GM_IS(GM_INT), false}};
    const gm_value *way = gm_value_get(r->root, "activations"), *chunk = gm_value_get(r->root, "chunk"), *cache = gm_value_get(r->root, "cache"),
                   *runtime = gm_value_get(r->root, "runtime"), *share = gm_value_get(r->root, "utilization"), *rules = gm_value_get(r->root, "rules"), *rounding = gm_value_get(r->root, "rounding"), *block, *ahead, *spare;
    gpumem_status status;
    double u;
    if (r->out->kind != GPUMEM_KIND_ENGINE)
        return GPUMEM_OK;
    if ((status = check_word(r->file, "activations", way, ways, COUNT(ways), r->err)) != GPUMEM_OK)
        return status;
    if (strcmp(way->v.s, "chunk") == 0 && (!chunk || chunk->v.i < 1))
        return gm_value_bad(r->file, "chunk", chunk ? chunk : way, r->err, "expected the number of tokens that run at once");
    if ((strcmp(way->v.s, "walk") == 0) == (cache != NULL))
        return gm_value_bad(r->file, "cache", cache ? cache : way, r->err, cache ? "the walk makes the cache already" : "expected {block: TOKENS}");
    if (cache && (status = gm_fields_check(r->file, "cache", cache, field, COUNT(field), r->err)) != GPUMEM_OK)
        return status;
    block = cache ? gm_value_get(cache, "block") : NULL;
    if (block && (block->v.i < 1 || block->v.i > 1 << 20))
        return gm_value_bad(r->file, "cache.block", block, r->err, "expected 1 to %d tokens", 1 << 20);
    ahead = cache ? gm_value_get(cache, "ahead") : NULL;
    if (ahead && (ahead->v.i < 0 || ahead->v.i > 1 << 20))
        return gm_value_bad(r->file, "cache.ahead", ahead, r->err, "expected 0 to %d tokens", 1 << 20);
    if (rules && !chunk)
        return gm_value_bad(r->file, "rules", rules, r->err, "rules are those of a chunk: expected 'chunk' too");
    for (size_t i = 0; i < COUNT(widened); i++) {
        const gm_value *v = gm_value_get(r->root, widened[i]);
        if (v && (status = check_word(r->file, widened[i], v, wide, COUNT(wide), r->err)) != GPUMEM_OK)
            return status;
    }
    if (rounding && (rounding->v.i < 1 || rounding->v.i > 1 << 21 || (rounding->v.i & (rounding->v.i - 1))))
        return gm_value_bad(r->file, "rounding", rounding, r->err, "expected a power of two, at most %d bytes", 1 << 21);
    spare = cache ? gm_value_get(cache, "spare") : NULL;
    if (spare && (spare->v.i < 0 || spare->v.i > 1 << 10 || !ahead))
        return gm_value_bad(r->file, "cache.spare", spare, r->err, ahead ? "expected 0 to %d pages" : "spare pages are those of windows: expected 'ahead' too", 1 << 10);
    for (uint32_t i = 0; runtime && i < runtime->n; i++)
        if (runtime->v.map[i].value.type != GM_INT || runtime->v.map[i].value.v.i < 0)
            return gm_value_bad(r->file, "runtime", &runtime->v.map[i].value, r->err, "expected bytes");
    u = share ? share->type == GM_REAL ? share->v.r : (double)share->v.i : 1;
    if (!(u > 0 && u <= 1))
        return gm_value_bad(r->file, "utilization", share, r->err, "expected a share of the GPU, above 0 and at most 1");
    return GPUMEM_OK;
}

static gpumem_status read_plugin(const reader *r)
{
    gpumem_status (*const steps[])(const reader *) = {check_library, check_company, check_digest, check_components, check_step, check_engine, read_params, read_formats};
    gpumem_status status = GPUMEM_OK;
    r->out->library = text_of(r->root, "library");
    r->out->rules = text_of(r->root, "rules");
    r->out->step = text_of(r->root, "step");
    r->out->sha256 = text_of(r->root, "sha256");
    r->out->use = text_of(r->root, "use");
    r->out->with = gm_value_get(r->root, "with");
    for (size_t i = 0; status == GPUMEM_OK && i < COUNT(steps); i++)
        status = steps[i](r);
    return status;
}

static gpumem_status read_sources(reader *r)
{
    const gm_value *list = gm_value_get(r->root, "sources");
    const char **source;
    gpumem_status status = list ? gm_strings_check(r->file, "sources", list, NULL, 0, r->err) : GPUMEM_OK;
    if (status != GPUMEM_OK || list == NULL || list->n == 0)
        return status;
    source = gm_arena_zero(r->arena, list->n, sizeof *source);
    if (source == NULL)
        return gm_no_memory(r->err);
    for (size_t i = 0; i < list->n; i++)
        source[i] = list->v.list[i].v.s;
    r->out->source = source;
    r->out->nsource = list->n;
    return GPUMEM_OK;
}

static gpumem_status read_root(reader *r, gpumem_kind kind, const char *id)
{
    gpumem_status status = check_format(r);
    if (status == GPUMEM_OK)
        status = check_keys(r, kind);
    if (status == GPUMEM_OK)
        status = check_place(r, kind, id);
    if (status != GPUMEM_OK)
        return status;
    r->out->id = text_of(r->root, "id");
    r->out->version = text_of(r->root, "version");
    r->out->title = text_of(r->root, "title");
    status = read_sources(r);
    return status == GPUMEM_OK && gm_kind_is_folder(kind) ? read_plugin(r) : status;
}

static gpumem_status read_places(reader *r, gpumem_kind kind, const char *directory, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    *r->out = (gm_manifest){.kind = kind};
    r->out->path = r->file = gm_arena_strdup(r->arena, path);
    r->out->directory = gm_arena_strdup(r->arena, directory);
    r->out->folder = folder ? gm_arena_strndup(r->arena, path, folder) : gm_arena_strdup(r->arena, ".");
    return r->out->path && r->out->directory && r->out->folder ? GPUMEM_OK : gm_no_memory(r->err);
}

/* What is wrong with a plugin's text is the plugin's fault. */
static gpumem_status of_plugin(gpumem_status status, gpumem_error *err)
{
    if (status != GPUMEM_ESYNTAX)
        return status;
    if (err && err->status == GPUMEM_ESYNTAX)
        err->status = GPUMEM_EPLUGIN;
    return GPUMEM_EPLUGIN;
}

gpumem_status gm_manifest_read(gm_arena *arena, gpumem_kind kind, const char *id, const char *directory, const char *path,
                               gm_manifest *out, gpumem_error *err)
{
    reader r = {.arena = arena, .out = out, .err = err};
    gm_value *root = gm_arena_zero(arena, 1, sizeof *root);
    gpumem_status status = root ? read_places(&r, kind, directory, path) : gm_no_memory(err);
    char *text;
    size_t n;
    if (status == GPUMEM_OK)
        status = gm_file_read(arena, path, MAX_BYTES, &text, &n, err);
    if (status == GPUMEM_OK)
        status = gm_yaml_parse(arena, r.file, text, n, root, err);
    if (status != GPUMEM_OK)
        return of_plugin(status, err);
    r.root = out->root = root;
    return read_root(&r, kind, id);
}

/* ---- values for a library -------------------------------------------------------------------------------------------------- */

/* A value that no file holds was given by a person. */
static gpumem_status of_source(gpumem_status status, const char *file, gpumem_error *err)
{
    if (status != GPUMEM_EPLUGIN || file)
        return status;
    if (err && err->status == GPUMEM_EPLUGIN)
        err->status = GPUMEM_EINVAL;
    return GPUMEM_EINVAL;
}

static const gm_paramdef *param_of(const gm_manifest *m, const char *key)
{
    for (uint32_t i = 0; i < m->nparam; i++)
        if (strcmp(m->param[i].key, key) == 0)
            return &m->param[i];
    return NULL;
}

static gpumem_status unknown_param(const gm_manifest *m, const gm_member *given, const char *file, gpumem_error *err)
{
    gpumem_near near;
    gpumem_status status = gm_fail(err, GPUMEM_EPLUGIN, file, given->line, given->column, "%s '%s' has no parameter '%.64s'",
                                   gpumem_kind_name(m->kind), m->id, given->key);
    gpumem_near_init(&near, given->key);
    for (uint32_t i = 0; i < m->nparam; i++)
        gpumem_near_offer(&near, m->param[i].key);
    tip_near(err, &near);
    return status;
}

gpumem_status gm_manifest_with(const gm_manifest *library, const gm_value *with, const char *file, gpumem_error *err)
{
    char what[128];
    gpumem_status status = check_type(file, "with", with, GM_IS(GM_MAP), err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < with->n; i++) {
        const gm_member *m = &with->v.map[i];
        const gm_paramdef *d = param_of(library, m->key);
        snprintf(what, sizeof what, "parameter '%.64s'", m->key);
        status = d ? check_value(d, file, what, &m->value, err) : unknown_param(library, m, file, err);
    }
    return of_source(status, file, err);
}

static gpumem_status make_list(gm_arena *arena, const gm_value *v, gpumem_param *out, gpumem_error *err)
{
    int64_t *ints = NULL;
    const char **strings = NULL;
    out->n = v->n;
    if (out->type == GPUMEM_TYPE_INTS)
        out->v.ints = ints = gm_arena_zero(arena, v->n + (size_t)1, sizeof *ints);
    else
        out->v.strings = strings = gm_arena_zero(arena, v->n + (size_t)1, sizeof *strings);
    if (!ints && !strings)
        return gm_no_memory(err);
    for (uint32_t i = 0; i < v->n; i++)
        if (ints)
            ints[i] = v->v.list[i].v.i;
        else
            strings[i] = v->v.list[i].v.s;
    return GPUMEM_OK;
}

static gpumem_status make_param(gm_arena *arena, const gm_paramdef *d, const gm_value *v, gpumem_param *out, gpumem_error *err)
{
    *out = (gpumem_param){.key = d->key, .type = v->type == GM_NULL ? GPUMEM_TYPE_NULL : d->type};
    switch (out->type) {
    case GPUMEM_TYPE_NULL: return GPUMEM_OK;
    case GPUMEM_TYPE_INT: out->v.i = v->v.i; return GPUMEM_OK;
    case GPUMEM_TYPE_REAL: out->v.r = number_of(v); return GPUMEM_OK;
    case GPUMEM_TYPE_BOOL: out->v.b = v->v.b; return GPUMEM_OK;
    case GPUMEM_TYPE_STRING: out->v.s = v->v.s; return GPUMEM_OK;
    default: return make_list(arena, v, out, err);
    }
}

static gpumem_status missing_param(const gm_manifest *m, const gm_paramdef *d, const gm_value *with, const char *file, gpumem_error *err)
{
    return gm_fail(err, GPUMEM_EPLUGIN, with && file ? file : m->path, with && file ? with->line : d->line, with && file ? with->column : d->column,
                   "parameter '%s' of %s '%s' has no value", d->key, gpumem_kind_name(m->kind), m->id);
}

static gpumem_status choose(gm_arena *arena, const gm_manifest *m, const gm_paramdef *d, const gm_value *const *with, const char *const *file,
                            size_t nwith, gpumem_param *out, gpumem_error *err)
{
    const gm_value *v = NULL, *last = NULL;
    const char *where = NULL;
    for (size_t i = 0; i < nwith && !v; i++)
        if (with[i]) {
            v = gm_value_get(with[i], d->key);
            last = with[i];
            where = file[i];
        }
    if (!v)
        v = d->otherwise;
    return v ? make_param(arena, d, v, out, err) : missing_param(m, d, last, where, err);
}

gpumem_status gm_manifest_args(gm_arena *arena, const gm_manifest *library, const gm_value *const *with, const char *const *file, size_t nwith,
                               gpumem_param **out, uint32_t *n, gpumem_error *err)
{
    gpumem_param *param = NULL;
    gpumem_status status = GPUMEM_OK;
    for (size_t i = 0; status == GPUMEM_OK && i < nwith; i++)
        if (with[i])
            status = gm_manifest_with(library, with[i], file[i], err);
    if (status == GPUMEM_OK && library->nparam && !(param = gm_arena_zero(arena, library->nparam, sizeof *param)))
        return gm_no_memory(err);
    for (uint32_t i = 0; status == GPUMEM_OK && i < library->nparam; i++)
        status = choose(arena, library, &library->param[i], with, file, nwith, &param[i], err);
    if (status != GPUMEM_OK)
        return status;
    *out = param;
    *n = library->nparam;
    return GPUMEM_OK;
}
