#include "text/json.h"
#include "base/utf8.h"
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#define DEEPEST 64

typedef struct reader {
    gm_arena *arena;
    const char *name, *text;
    size_t n;
    gpumem_error *err;
} reader;

static gpumem_status fail_at(const reader *r, size_t offset, const char *what)
{
    unsigned line = 1;
    size_t start = 0, i;
    for (i = 0; i < offset; i++)
        if (r->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    return gm_fail(r->err, GPUMEM_ESYNTAX, r->name, line, (unsigned)gm_utf8_count(r->text + start, offset - start) + 1, "%s", what);
}

/* ---- what json-c 0.16 lets pass although it is no JSON, or spoils ---------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const reader *r, size_t i)
{
    size_t start = i;
    while (i < r->n && is_digit(r->text[i]))
        i++;
    return i - start;
}

/* *at: where the number starts; then behind it. */
static gpumem_status check_number(const reader *r, size_t *at)
{
    size_t i = *at + (r->text[*at] == '-'), whole = digits(r, i);
    int64_t v;
    if (i < r->n && r->text[i] == 'I') { /* -Infinity */
        *at = i;
        return GPUMEM_OK;
    }
    if (!whole)
        return fail_at(r, i, "digits expected in a number");
    if (whole > 1 && r->text[i] == '0')
        return fail_at(r, i, "a number must not start with 0");
    i += whole;
    if (i < r->n && r->text[i] == '.') {
        size_t part = digits(r, i + 1);
        if (!part)
            return fail_at(r, i + 1, "digits expected in a number");
        i += 1 + part;
    } else if ((i >= r->n || (r->text[i] != 'e' && r->text[i] != 'E')) && !gm_int_from(r->text + *at, i - *at, &v)) {
        return fail_at(r, *at, "an integer must fit in 64 bits");
    }
    if (i < r->n && (r->text[i] == 'e' || r->text[i] == 'E')) {
        i++;
        i += i < r->n && (r->text[i] == '-' || r->text[i] == '+');
        if (!digits(r, i))
            return fail_at(r, i, "digits expected in a number");
        i += digits(r, i);
    }
    while (i < r->n && (is_digit(r->text[i]) || r->text[i] == '_')) /* 1_000: json-c says where it stops being a number */
        i++;
    *at = i;
    return GPUMEM_OK;
}

/* *at: behind the opening quote; then behind the closing one, or at the end of the text. */
static gpumem_status check_string(const reader *r, size_t *at)
{
    size_t i = *at, length;
    for (; i < r->n && r->text[i] != '"'; i += length) {
        length = gm_utf8_length(r->text + i, r->n - i);
        if (!length)
            return fail_at(r, i, "invalid UTF-8");
        if ((unsigned char)r->text[i] < ' ')
            return fail_at(r, i, "a control character must be escaped in a string");
        if (r->text[i] != '\\')
            continue;
        if (r->n - i >= 6 && memcmp(r->text + i, "\\u0000", 6) == 0)
            return fail_at(r, i, "a string must not contain the character 0");
        length += i + 1 < r->n && (r->text[i + 1] == '"' || r->text[i + 1] == '\\');
    }
    *at = i < r->n ? i + 1 : i;
    return GPUMEM_OK;
}

static gpumem_status check(const reader *r)
{
    gpumem_status status = GPUMEM_OK;
    unsigned depth = 0;
    size_t i = 0;
    while (i < r->n && status == GPUMEM_OK) {
        char c = r->text[i];
        if (c == '-' || is_digit(c)) {
            status = check_number(r, &i);
            continue;
        }
        if ((c == '[' || c == '{') && ++depth > DEEPEST)
            return fail_at(r, i, "lists and mappings nest deeper than 64");
        if ((c == ']' || c == '}') && depth)
            depth--;
        if ((unsigned char)c < ' ' && c != '\n' && c != '\r' && c != '\t')
            return fail_at(r, i, "a control character is not allowed here");
        if (c == '\'')
            return fail_at(r, i, "a string must be in double quotes");
        i++;
        if (c == '"')
            status = check_string(r, &i);
    }
    return status;
}

/* ---- json-c's tree as values --------------------------------------------------------------------------------------------- */

static gpumem_status convert(reader *r, struct json_object *o, gm_value *out);

static gpumem_status convert_string(reader *r, struct json_object *o, gm_value *out)
{
    out->type = GM_STRING;
    out->quoted = 1;
    out->n = (uint32_t)json_object_get_string_len(o);
    out->v.s = gm_arena_strndup(r->arena, json_object_get_string(o), out->n);
    return out->v.s ? GPUMEM_OK : gm_no_memory(r->err);
}

static gpumem_status convert_list(reader *r, struct json_object *o, gm_value *out)
{
    size_t n = json_object_array_length(o), i;
    gm_value *item = gm_arena_zero(r->arena, n, sizeof *item);
    if (!item)
        return gm_no_memory(r->err);
    out->type = GM_LIST;
    out->n = (uint32_t)n;
    out->v.list = item;
    for (i = 0; i < n; i++) {
        gpumem_status status = convert(r, json_object_array_get_idx(o, i), &item[i]);
        if (status != GPUMEM_OK)
            return status;
    }
    return GPUMEM_OK;
}

static gpumem_status convert_map(reader *r, struct json_object *o, gm_value *out)
{
    struct json_object_iterator at = json_object_iter_begin(o), end = json_object_iter_end(o);
    gm_member *m = gm_arena_zero(r->arena, (size_t)json_object_object_length(o), sizeof *m);
    if (!m)
        return gm_no_memory(r->err);
    out->type = GM_MAP;
    out->n = (uint32_t)json_object_object_length(o);
    out->v.map = m;
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at), m++) {
        gpumem_status status;
        m->key = gm_arena_strdup(r->arena, json_object_iter_peek_name(&at));
        if (!m->key)
            return gm_no_memory(r->err);
        m->hash = gm_hash(m->key);
        status = convert(r, json_object_iter_peek_value(&at), &m->value);
        if (status != GPUMEM_OK)
            return status;
    }
    return GPUMEM_OK;
}

static gpumem_status convert(reader *r, struct json_object *o, gm_value *out)
{
    switch (json_object_get_type(o)) {
    case json_type_null: *out = gm_null(); return GPUMEM_OK;
    case json_type_boolean: *out = gm_bool(json_object_get_boolean(o)); return GPUMEM_OK;
    case json_type_int: *out = gm_int(json_object_get_int64(o)); return GPUMEM_OK;
    case json_type_double: *out = gm_real(json_object_get_double(o)); return GPUMEM_OK;
    case json_type_string: return convert_string(r, o, out);
    case json_type_array: return convert_list(r, o, out);
    case json_type_object: return convert_map(r, o, out);
    }
    return gm_fail(r->err, GPUMEM_EINTERNAL, r->name, 0, 0, "json-c has a type of value that is not JSON's");
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------------- */

static const char *explain(enum json_tokener_error e)
{
    switch (e) {
    case json_tokener_error_parse_unexpected: return "unexpected character";
    case json_tokener_error_parse_null: return "null or NaN expected";
    case json_tokener_error_parse_boolean: return "true or false expected";
    case json_tokener_error_parse_number: return "number expected";
    case json_tokener_error_parse_array: return "',' or ']' expected";
    case json_tokener_error_parse_object_key_name: return "key in double quotes expected";
    case json_tokener_error_parse_object_key_sep: return "':' expected";
    case json_tokener_error_parse_object_value_sep: return "',' or '}' expected";
    case json_tokener_error_parse_string: return "unknown escape in a string";
    default: return json_tokener_error_desc(e);
    }
}

static bool is_null(const reader *r)
{
    size_t i = 0;
    while (i < r->n && strchr(" \t\r\n", r->text[i]))
        i++;
    return r->n - i >= 4 && strncmp(r->text + i, "null", 4) == 0;
}

static gpumem_status parse(reader *r, struct json_tokener *tokener, gm_value *out)
{
    struct json_object *o = json_tokener_parse_ex(tokener, r->text, (int)r->n);
    enum json_tokener_error e = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    gm_value root = {0};
    gpumem_status status;
    if (e == json_tokener_continue) { /* a number at the end could go on */
        o = json_tokener_parse_ex(tokener, "", 1);
        e = json_tokener_get_error(tokener);
        if (e != json_tokener_success)
            return fail_at(r, r->n, "unexpected end of the text");
    }
#if JSON_C_VERSION_NUM >= (17 << 8)
    if (e == json_tokener_error_memory)
        return gm_no_memory(r->err);
#endif
    if (e != json_tokener_success)
        return fail_at(r, end < r->n ? end : r->n, explain(e));
    if (o == NULL && !is_null(r)) /* json-c 0.16 calls it a success */
        return gm_no_memory(r->err);
    status = convert(r, o, &root);
    json_object_put(o);
    if (status == GPUMEM_OK)
        *out = root;
    return status;
}

gpumem_status gm_json_parse(gm_arena *arena, const char *name, const char *text, size_t n, gm_value *out, gpumem_error *err)
{
    reader r = {arena, name, text, n, err};
    struct json_tokener *tokener;
    gpumem_status status;
    if (n > INT_MAX)
        return gm_fail(err, GPUMEM_ESYNTAX, name, 0, 0, "longer than 2 GiB");
    if ((status = check(&r)) != GPUMEM_OK)
        return status;
    tokener = json_tokener_new_ex(DEEPEST + 2); /* json-c counts the value in the innermost too; check() is exact */
    if (!tokener)
        return gm_no_memory(err);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    status = parse(&r, tokener, out);
    json_tokener_free(tokener);
    return status;
}
