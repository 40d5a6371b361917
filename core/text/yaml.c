#include "text/yaml.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEEPEST 64
#define FEW 16 /* so many keys are compared each with each */

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one that is looked at */
    gm_arena *arena;
    const char *name, *text;
    size_t n;
    gpumem_error *err;
    gm_member *stack; /* entries of the lists and mappings that are open; a list's have no key */
    size_t top, size;
} reader;

static gpumem_status fail_at(reader *r, yaml_mark_t at, const char *what)
{
    return gm_fail(r->err, GPUMEM_ESYNTAX, r->name, (unsigned)at.line + 1, (unsigned)at.column + 1, "%s", what);
}

/* Bytes that are no text: libyaml says where only as an offset. */
static gpumem_status fail_byte(reader *r, size_t offset)
{
    yaml_mark_t at = {0, 0, 0};
    size_t i;
    for (i = 0; i < offset && i < r->n; i++) {
        if (r->text[i] == '\n') {
            at.line++;
            at.column = 0;
        } else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return fail_at(r, at, r->parser.problem);
}

static gpumem_status fail_parser(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    switch (p->error) {
    case YAML_MEMORY_ERROR:
        return gm_no_memory(r->err);
    case YAML_READER_ERROR:
        return fail_byte(r, p->problem_offset);
    default:
        return gm_fail(r->err, GPUMEM_ESYNTAX, r->name, (unsigned)p->problem_mark.line + 1, (unsigned)p->problem_mark.column + 1,
                       "%s%s%s", p->problem ? p->problem : "not YAML", p->context ? " " : "", p->context ? p->context : "");
    }
}

static gpumem_status next(reader *r)
{
    yaml_event_delete(&r->event);
    return yaml_parser_parse(&r->parser, &r->event) ? GPUMEM_OK : fail_parser(r);
}

/* ---- plain scalars ------------------------------------------------------------------------------------------------------ */

static bool one_of(const char *s, const char *const *word)
{
    for (; *word; word++)
        if (*s == **word && strcmp(s, *word) == 0)
            return true;
    return false;
}

static bool is_null(const char *s)
{
    static const char *const word[] = {"", "~", "null", "Null", "NULL", NULL};
    return one_of(s, word);
}

/* .inf and .nan, or [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_word_number(const char *s, double *out)
{
    static const char *const inf[] = {".inf", ".Inf", ".INF", NULL}, *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    const char *p = s + (*s == '-' || *s == '+');
    if (one_of(p, inf))
        *out = gm_real_from(*s == '-' ? "-inf" : "inf");
    else if (one_of(s, nan))
        *out = gm_real_from("nan");
    else
        return false;
    return true;
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (s[n] >= '0' && s[n] <= '9')
        n++;
    return n;
}

static gm_type number_form(const char *s)
{
    size_t whole, part = 0, n;
    bool point;
    s += *s == '-' || *s == '+';
    whole = digits(s);
    s += whole;
    point = *s == '.';
    if (point) {
        part = digits(++s);
        s += part;
    }
    if (!whole && !part)
        return GM_STRING;
    if (!*s)
        return point ? GM_REAL : GM_INT;
    if (*s != 'e' && *s != 'E')
        return GM_STRING;
    s++;
    s += *s == '-' || *s == '+';
    n = digits(s);
    return n && !s[n] ? GM_REAL : GM_STRING;
}

static gpumem_status plain(reader *r, const char *s, size_t n, gm_value *out)
{
    if (is_null(s)) {
        out->type = GM_NULL;
    } else if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
        out->type = GM_BOOL;
        out->v.b = *s == 't';
    } else if (is_word_number(s, &out->v.r)) {
        out->type = GM_REAL;
    } else {
        out->type = (uint8_t)number_form(s);
        if (out->type == GM_INT && !gm_int_from(s, n, &out->v.i))
            return fail_at(r, r->event.start_mark, "an integer must fit in 64 bits");
        if (out->type == GM_REAL)
            out->v.r = gm_real_from(s);
    }
    return GPUMEM_OK;
}

static gpumem_status scalar(reader *r, gm_value *out)
{
    const char *s = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    out->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (memchr(s, 0, n))
        return fail_at(r, r->event.start_mark, "a string must not contain the character 0");
    if (n > UINT32_MAX)
        return fail_at(r, r->event.start_mark, "a string must be shorter than 4 GiB");
    out->type = GM_STRING;
    if (!out->quoted) {
        gpumem_status status = plain(r, s, n, out);
        if (status != GPUMEM_OK || out->type != GM_STRING)
            return status;
    }
    out->n = (uint32_t)n;
    out->v.s = gm_arena_strndup(r->arena, s, n);
    return out->v.s ? GPUMEM_OK : gm_no_memory(r->err);
}

/* ---- lists and mappings ------------------------------------------------------------------------------------------------- */

static gpumem_status node(reader *r, unsigned depth, gm_value *out);

static gpumem_status push(reader *r, const gm_member *m)
{
    if (r->top == r->size) {
        size_t size = r->size ? 2 * r->size : 64;
        gm_member *stack = size > SIZE_MAX / sizeof *stack ? NULL : realloc(r->stack, size * sizeof *stack);
        if (!stack)
            return gm_no_memory(r->err);
        r->stack = stack;
        r->size = size;
    }
    r->stack[r->top++] = *m;
    return GPUMEM_OK;
}

static gpumem_status list(reader *r, unsigned depth, gm_value *out)
{
    size_t first = r->top, i;
    gm_value *item;
    gpumem_status status;
    while ((status = next(r)) == GPUMEM_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        gm_member m = {0};
        if ((status = node(r, depth, &m.value)) != GPUMEM_OK || (status = push(r, &m)) != GPUMEM_OK)
            return status;
    }
    if (status != GPUMEM_OK)
        return status;
    out->type = GM_LIST;
    out->n = (uint32_t)(r->top - first);
    item = gm_arena_zero(r->arena, out->n, sizeof *item);
    if (!item)
        return gm_no_memory(r->err);
    for (i = 0; i < out->n; i++)
        item[i] = r->stack[first + i].value;
    out->v.list = item;
    r->top = first;
    return GPUMEM_OK;
}

static gpumem_status duplicate(reader *r, const gm_member *m, const gm_member *earlier)
{
    return gm_fail(r->err, GPUMEM_ESYNTAX, r->name, m->line, m->column, "the key '%s' is there already, in line %u", m->key, earlier->line);
}

static gpumem_status distinct_few(reader *r, const gm_member *m, uint32_t n)
{
    uint32_t i, j;
    for (i = 1; i < n; i++)
        for (j = 0; j < i; j++)
            if (m[i].hash == m[j].hash && strcmp(m[i].key, m[j].key) == 0)
                return duplicate(r, &m[i], &m[j]);
    return GPUMEM_OK;
}

/* An open hash table of indices plus one, at most half full. */
static gpumem_status distinct_many(reader *r, const gm_member *m, uint32_t n)
{
    gm_arena_mark mark = gm_arena_mark_of(r->arena);
    gpumem_status status = GPUMEM_OK;
    size_t size = 2 * FEW, at;
    uint32_t *slot, i;
    while (size < 2 * (size_t)n)
        size *= 2;
    slot = gm_arena_zero(r->arena, size, sizeof *slot);
    if (!slot)
        return gm_no_memory(r->err);
    for (i = 0; i < n && status == GPUMEM_OK; i++) {
        for (at = m[i].hash & (size - 1); slot[at]; at = (at + 1) & (size - 1))
            if (m[slot[at] - 1].hash == m[i].hash && strcmp(m[slot[at] - 1].key, m[i].key) == 0) {
                status = duplicate(r, &m[i], &m[slot[at] - 1]);
                break;
            }
        slot[at] = i + 1;
    }
    gm_arena_rewind(r->arena, mark);
    return status;
}

static gpumem_status key(reader *r, unsigned depth, gm_member *m)
{
    yaml_mark_t at = r->event.start_mark;
    gm_value v = {0};
    gpumem_status status = node(r, depth, &v);
    if (status != GPUMEM_OK)
        return status;
    if (v.type != GM_STRING)
        return gm_fail(r->err, GPUMEM_ESYNTAX, r->name, (unsigned)at.line + 1, (unsigned)at.column + 1,
                       "a key must be a string, but this is of type %s", gm_type_name((gm_type)v.type));
    m->key = v.v.s;
    m->hash = gm_hash(m->key);
    m->line = v.line;
    m->column = v.column;
    return GPUMEM_OK;
}

static gpumem_status mapping(reader *r, unsigned depth, gm_value *out)
{
    size_t first = r->top;
    gm_member *member;
    gpumem_status status;
    while ((status = next(r)) == GPUMEM_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        gm_member m = {0};
        if ((status = key(r, depth, &m)) != GPUMEM_OK || (status = next(r)) != GPUMEM_OK ||
            (status = node(r, depth, &m.value)) != GPUMEM_OK || (status = push(r, &m)) != GPUMEM_OK)
            return status;
    }
    if (status != GPUMEM_OK)
        return status;
    out->type = GM_MAP;
    out->n = (uint32_t)(r->top - first);
    member = gm_arena_zero(r->arena, out->n, sizeof *member);
    if (!member)
        return gm_no_memory(r->err);
    if (out->n)
        memcpy(member, r->stack + first, out->n * sizeof *member);
    if ((status = out->n <= FEW ? distinct_few(r, member, out->n) : distinct_many(r, member, out->n)) != GPUMEM_OK)
        return status;
    out->v.map = member;
    r->top = first;
    return GPUMEM_OK;
}

/* The node that starts with the event; depth is of the node around it. */
static gpumem_status node(reader *r, unsigned depth, gm_value *out)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor, *tag;
    out->line = (uint32_t)e->start_mark.line + 1;
    out->column = (uint32_t)e->start_mark.column + 1;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    case YAML_ALIAS_EVENT:
        return fail_at(r, e->start_mark, "aliases are not allowed; quote a string that starts with *");
    default:
        return gm_fail(r->err, GPUMEM_EINTERNAL, r->name, out->line, out->column, "libyaml reports event %d", (int)e->type);
    }
    if (anchor)
        return fail_at(r, e->start_mark, "anchors are not allowed; quote a string that starts with &");
    if (tag)
        return fail_at(r, e->start_mark, "tags are not allowed; quote a string that starts with !");
    if (e->type == YAML_SCALAR_EVENT)
        return scalar(r, out);
    if (depth == DEEPEST)
        return fail_at(r, e->start_mark, "lists and mappings nest deeper than 64");
    return e->type == YAML_SEQUENCE_START_EVENT ? list(r, depth + 1, out) : mapping(r, depth + 1, out);
}

static bool is_empty(const reader *r)
{
    const yaml_event_t *e = &r->event;
    return e->type == YAML_STREAM_END_EVENT || (e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 0 && !e->data.scalar.anchor &&
                                                !e->data.scalar.tag && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

static gpumem_status document(reader *r, gm_value *out)
{
    gpumem_status status;
    if ((status = next(r)) != GPUMEM_OK || (status = next(r)) != GPUMEM_OK) /* the stream starts, and the document */
        return status;
    if (r->event.type == YAML_DOCUMENT_START_EVENT && (status = next(r)) != GPUMEM_OK)
        return status;
    if (is_empty(r))
        return fail_at(r, r->event.start_mark, "the document is empty");
    if ((status = node(r, 0, out)) != GPUMEM_OK || (status = next(r)) != GPUMEM_OK || (status = next(r)) != GPUMEM_OK)
        return status;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return fail_at(r, r->event.start_mark, "a second document starts here");
    return GPUMEM_OK;
}

gpumem_status gm_yaml_parse(gm_arena *arena, const char *name, const char *text, size_t n, gm_value *out, gpumem_error *err)
{
    reader r = {.arena = arena, .name = name, .text = text, .n = n, .err = err};
    gm_value root = {0};
    gpumem_status status;
    if (!yaml_parser_initialize(&r.parser))
        return gm_no_memory(err);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    status = document(&r, &root);
    if (status == GPUMEM_OK)
        *out = root;
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    free(r.stack);
    return status;
}
