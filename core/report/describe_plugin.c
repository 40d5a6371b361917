/* Plugins as they present themselves: the list of candidates, and one in full. */
#include "host.h"
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

typedef struct relay { gpumem_host *host; int (*each)(void *, const gpumem_candidate *); void *self; } relay;

/* One that others are like, and no model type: it lacks what they bring. */
static bool is_base(gpumem_host *host, const char *id)
{
    const gm_manifest *m;
    return gm_registry_find(host->registry, GPUMEM_KIND_FAMILY, id, &m, NULL) == GPUMEM_OK && gm_value_get(m->root, "classes") == NULL &&
           gm_value_get(m->root, "like") == NULL;
}

/* A family is well when every step of it resolves. */
static int relay_one(void *self, const gpumem_candidate *c)
{
    relay *r = self;
    gpumem_candidate own = *c;
    gm_family *f;
    if (c->kind == GPUMEM_KIND_FAMILY && !c->shadowed && c->error.status == GPUMEM_OK && !is_base(r->host, c->id)) {
        gpumem_status s = gm_host_family(r->host, c->id, &f, &own.error);
        if (s == GPUMEM_OK)
            gm_family_check(f, &own.error);
    } else if (c->kind == GPUMEM_KIND_SET && !c->shadowed && c->error.status == GPUMEM_OK) {
        gpumem_set *set;
        if (gpumem_set_open(r->host, c->id, &set, &own.error) == GPUMEM_OK)
            gpumem_set_free(set);
    }
    return r->each(r->self, &own);
}

gpumem_status gpumem_plugin_each(gpumem_host *host, gpumem_kind kind, int (*each)(void *self, const gpumem_candidate *c), void *self, gpumem_error *err)
{
    relay r = {host, each, self};
    return gm_registry_each(host->registry, kind, relay_one, &r, err);
}

/* ---- one in full ---- */

static void key(gpumem_text *t, const char *name)
{
    if (t->n && t->s[t->n - 1] != '{' && t->s[t->n - 1] != '[')
        gpumem_text_puts(t, ", ");
    gpumem_text_json(t, name, strlen(name));
    gpumem_text_puts(t, ": ");
}

static void string(gpumem_text *t, const char *s)
{
    if (s)
        gpumem_text_json(t, s, strlen(s));
    else
        gpumem_text_puts(t, "null");
}

static void pair(gpumem_text *t, const char *name, const char *s)
{
    key(t, name);
    string(t, s);
}

static void comma(gpumem_text *t, bool more)
{
    if (more)
        gpumem_text_puts(t, ", ");
}

static const char *type_name(uint32_t type)
{
    static const char *const name[] = {"null", "int", "real", "bool", "string", "ints", "strings"};
    return type < sizeof name / sizeof *name ? name[type] : "?";
}

static void begin_param(gpumem_text *t, uint32_t i, const char *name, unsigned type, bool nullable)
{
    comma(t, i > 0);
    gpumem_text_char(t, '{');
    pair(t, "key", name);
    pair(t, "type", type_name(type));
    key(t, "nullable");
    gpumem_text_puts(t, nullable ? "true" : "false");
}

static void describe_params(gpumem_text *t, const gm_manifest *m)
{
    key(t, "parameters");
    gpumem_text_char(t, '[');
    for (uint32_t i = 0; i < m->nparam; i++) {
        const gm_paramdef *p = &m->param[i];
        begin_param(t, i, p->key, p->type, p->nullable);
        key(t, "required");
        gpumem_text_puts(t, p->otherwise ? "false" : "true");
        if (p->otherwise) {
            key(t, "default");
            gm_value_json(p->otherwise, t);
        }
        if (p->has_min) {
            key(t, "min");
            gpumem_text_printf(t, "%.17g", p->min);
        }
        if (p->has_max) {
            key(t, "max");
            gpumem_text_printf(t, "%.17g", p->max);
        }
        if (p->values) {
            key(t, "values");
            gm_value_json(p->values, t);
        }
        pair(t, "help", p->help ? p->help : "");
        gpumem_text_char(t, '}');
    }
    gpumem_text_char(t, ']');
}

static void ports(gpumem_text *t, const char *name, const char *const *port, uint32_t n)
{
    key(t, name);
    gpumem_text_char(t, '[');
    for (uint32_t i = 0; i < n; i++) {
        comma(t, i > 0);
        string(t, port[i]);
    }
    gpumem_text_char(t, ']');
}

static void describe_component(gpumem_text *t, const gpumem_component *c)
{
    gpumem_text_char(t, '{');
    pair(t, "name", c->name);
    pair(t, "help", c->help ? c->help : "");
    ports(t, "in", c->in, c->nin);
    ports(t, "out", c->out, c->nout);
    key(t, "parameters");
    gpumem_text_char(t, '[');
    for (uint32_t i = 0; i < c->nparam; i++) {
        const gpumem_paramdef *p = &c->param[i];
        begin_param(t, i, p->key, p->type, p->nullable);
        pair(t, "default", p->otherwise);
        if (p->type == GPUMEM_TYPE_INT) {
            key(t, "min");
            gpumem_text_i64(t, p->min);
            key(t, "max");
            gpumem_text_i64(t, p->max);
        }
        pair(t, "help", p->help ? p->help : "");
        gpumem_text_char(t, '}');
    }
    gpumem_text_puts(t, "]}");
}

static void describe_formats(gpumem_text *t, const gm_manifest *m)
{
    key(t, "formats");
    gpumem_text_char(t, '[');
    for (uint32_t i = 0; i < m->nformat; i++) {
        const gpumem_format *f = &m->format[i];
        comma(t, i > 0);
        gpumem_text_char(t, '{');
        pair(t, "name", f->name);
        key(t, "parts");
        gpumem_text_char(t, '[');
        for (uint32_t k = 0; k < f->npart; k++)
            gpumem_text_printf(t, "%s{\"rows\": %u, \"cols\": %u, \"bits\": %u, \"fixed\": %u}", k ? ", " : "", f->part[k].rows, f->part[k].cols,
                               f->part[k].bits, f->part[k].fixed);
        gpumem_text_puts(t, "]}");
    }
    gpumem_text_char(t, ']');
}

typedef struct users { const char *id; gpumem_kind kind; gpumem_text *t; unsigned n; gpumem_host *host; bool short_of_memory; } users;

static bool names_id(const gm_value *v, const char *id)
{
    if (v == NULL)
        return false;
    if (v->type == GM_STRING)
        return strcmp(v->v.s, id) == 0;
    for (uint32_t i = 0; i < v->n && (v->type == GM_LIST || v->type == GM_MAP); i++)
        if (names_id(v->type == GM_LIST ? &v->v.list[i] : &v->v.map[i].value, id))
            return true;
    return false;
}

/* Plugins that use it, families that are like it or take components from it, sets that choose it. */
static bool uses(const gm_manifest *m, gpumem_kind kind, const char *id)
{
    if (m->kind == GPUMEM_KIND_SET)
        return (kind == GPUMEM_KIND_GPU && names_id(gm_value_get(m->root, "gpus"), id)) ||
               (kind < GPUMEM_KIND_ENGINE && names_id(gm_value_get(m->root, gpumem_kind_name(kind)), id));
    if (m->kind == GPUMEM_KIND_FAMILY)
        return (kind == GPUMEM_KIND_FAMILY && names_id(gm_value_get(m->root, "like"), id)) ||
               (kind == GPUMEM_KIND_ARCHITECTURE && names_id(gm_value_get(m->root, "architecture"), id));
    return m->kind == kind && m->use && strcmp(m->use, id) == 0;
}

static int each_user(void *self, const gpumem_candidate *c)
{
    users *u = self;
    const gm_manifest *m;
    gpumem_status s = c->error.status;
    if (s != GPUMEM_ENOMEM && !c->shadowed)
        s = gm_registry_find(u->host->registry, c->kind, c->id, &m, NULL);
    u->short_of_memory |= s == GPUMEM_ENOMEM;
    if (c->shadowed || s != GPUMEM_OK || !uses(m, u->kind, u->id))
        return u->short_of_memory;
    gpumem_text_printf(u->t, "%s\"%s/%s\"", u->n++ ? ", " : "", gpumem_kind_name(c->kind), c->id);
    return 0;
}

static gpumem_status describe_users(gpumem_host *host, gpumem_text *t, const gm_manifest *m, gpumem_error *err)
{
    const gpumem_kind kinds[] = {m->kind, GPUMEM_KIND_FAMILY, GPUMEM_KIND_SET};
    users u = {m->id, m->kind, t, 0, host, false};
    gpumem_status s = GPUMEM_OK;
    key(t, "used_by");
    gpumem_text_char(t, '[');
    for (size_t i = 0; s == GPUMEM_OK && i < sizeof kinds / sizeof *kinds; i++)
        if (i == 0 || kinds[i] != m->kind)
            s = gm_registry_each(host->registry, kinds[i], each_user, &u, err);
    gpumem_text_char(t, ']');
    return s == GPUMEM_OK && u.short_of_memory ? gm_no_memory(err) : s;
}

static gpumem_status describe(gpumem_host *host, gpumem_text *t, const gm_manifest *m, gpumem_error *err)
{
    const gpumem_plugin *entry = NULL;
    const gm_value *like = gm_value_get(m->root, "like");
    gpumem_status s = GPUMEM_OK;
    if (m->kind == GPUMEM_KIND_ARCHITECTURE && (s = gm_registry_entry(host->registry, m, &entry, err)) != GPUMEM_OK)
        return s;
    gpumem_text_char(t, '{');
    pair(t, "kind", gpumem_kind_name(m->kind));
    pair(t, "id", m->id);
    pair(t, "version", m->version);
    pair(t, "title", m->title);
    pair(t, "directory", m->directory);
    pair(t, "manifest", m->path);
    pair(t, "library", m->library);
    pair(t, "uses", m->use ? m->use : like ? like->v.s : NULL);
    if (m->with) {
        key(t, "with");
        gm_value_json(m->with, t);
    }
    if (m->nparam)
        describe_params(t, m);
    if (entry) {
        key(t, "components");
        gpumem_text_char(t, '[');
        for (uint32_t i = 0; i < entry->ops.architecture->ncomponent; i++) {
            comma(t, i > 0);
            describe_component(t, &entry->ops.architecture->component[i]);
        }
        gpumem_text_char(t, ']');
    }
    if (m->nformat)
        describe_formats(t, m);
    for (uint32_t i = 0; m->kind >= GPUMEM_KIND_FAMILY && i < m->root->n; i++) {
        static const char *const common[] = {"gpumem", "kind", "id", "version", "title", "sources", "key"};
        const gm_member *x = &m->root->v.map[i];
        size_t k = 0;
        while (k < sizeof common / sizeof *common && strcmp(common[k], x->key) != 0)
            k++;
        if (k == sizeof common / sizeof *common) {
            key(t, x->key);
            gm_value_json(&x->value, t);
        }
    }
    key(t, "sources");
    if (m->nsource)
        gm_value_json(gm_value_get(m->root, "sources"), t);
    else
        gpumem_text_puts(t, "[]");
    s = describe_users(host, t, m, err);
    gpumem_text_char(t, '}');
    return s;
}

gpumem_status gpumem_plugin_describe(gpumem_host *host, gpumem_kind kind, const char *id, gpumem_text *json, gpumem_error *err)
{
    gpumem_error last = {0};
    gpumem_near near;
    unsigned found = 0;
    char text[300];
    gpumem_text_char(json, '[');
    gpumem_near_init(&near, id);
    for (int k = 1; k < GPUMEM_KIND_END; k++) {
        const gm_manifest *m;
        gpumem_error own = {0};
        gm_arena arena = {0};
        const char **ids;
        size_t n = 0;
        if (kind && k != (int)kind)
            continue;
        gpumem_status s = gm_registry_find(host->registry, (gpumem_kind)k, id, &m, &own);
        if (s == GPUMEM_OK) {
            comma(json, found++ > 0);
            if ((s = describe(host, json, m, err)) != GPUMEM_OK)
                return s;
        } else if (s != GPUMEM_EUNKNOWN && s != GPUMEM_EMODEL) {
            last = own;
        } else if (gm_registry_ids(host->registry, &arena, (gpumem_kind)k, &ids, &n, NULL) == GPUMEM_OK) {
            for (size_t i = 0; i < n; i++)
                gpumem_near_offer(&near, ids[i]);
        }
        gm_arena_free(&arena);
    }
    gpumem_text_char(json, ']');
    if (found)
        return json->failed ? gm_no_memory(err) : GPUMEM_OK;
    if (last.status != GPUMEM_OK) {
        if (err)
            *err = last;
        return last.status;
    }
    gm_fail(err, GPUMEM_EUNKNOWN, NULL, 0, 0, "unknown plugin '%s'", id);
    if (*gpumem_near_text(&near, text, sizeof text))
        gm_tip(err, "did you mean %s?", text);
    gm_tip(err, "gpumem plugin list shows all");
    return GPUMEM_EUNKNOWN;
}
