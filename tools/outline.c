/* JSON as an indented outline for people. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 64, STEP = 2 };

typedef struct outline {
    gpumem_text *t;
    const terminal *term;
    const char *s, *end;
    bool bad;
} outline;

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static char peek(outline *o)
{
    while (o->s < o->end && (*o->s == ' ' || *o->s == '\n' || *o->s == '\t' || *o->s == '\r'))
        o->s++;
    return o->s < o->end ? *o->s : '\0';
}

static bool take(outline *o, char c)
{
    if (peek(o) != c)
        return false;
    o->s++;
    return true;
}

static unsigned hex4(const char *s)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        char c = s[i];
        v = v * 16 + (unsigned)(c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0');
    }
    return v;
}

static void put_utf8(gpumem_text *t, unsigned c)
{
    if (c < 0x80) {
        gpumem_text_char(t, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    } else if (c < 0x800) {
        gpumem_text_char(t, (char)(0xc0 | c >> 6));
        gpumem_text_char(t, (char)(0x80 | (c & 0x3f)));
    } else {
        gpumem_text_char(t, (char)(0xe0 | c >> 12));
        gpumem_text_char(t, (char)(0x80 | (c >> 6 & 0x3f)));
        gpumem_text_char(t, (char)(0x80 | (c & 0x3f)));
    }
}

/* The character after a backslash. */
static void read_escape(outline *o, gpumem_text *t)
{
    char c = o->s < o->end ? *o->s++ : '\0';

    if (c == 'u' && o->end - o->s >= 4) {
        put_utf8(t, hex4(o->s));
        o->s += 4;
    } else {
        gpumem_text_char(t, c == 'n' || c == 't' || c == 'r' || c == 'b' || c == 'f' ? ' ' : c);
    }
}

/* A string without its quotes, a number or a word as it is. */
static void read_scalar(outline *o, gpumem_text *t)
{
    const char *start;

    if (!take(o, '"')) {
        for (start = o->s; o->s < o->end && !strchr(",]} \n\t\r", *o->s); o->s++)
            ;
        gpumem_text_put(t, start, (size_t)(o->s - start));
        o->bad |= o->s == start;
        return;
    }
    while (o->s < o->end && *o->s != '"') {
        char c = *o->s++;
        if (c == '\\')
            read_escape(o, t);
        else
            gpumem_text_char(t, c);
    }
    if (!take(o, '"'))
        o->bad = true;
}

/* Does this list hold lists or mappings? */
static bool is_deep(const outline *o)
{
    outline ahead = *o;
    gpumem_text none = {0};
    bool deep = false;

    while (!deep && !ahead.bad && peek(&ahead) && peek(&ahead) != ']') {
        deep = peek(&ahead) == '{' || peek(&ahead) == '[';
        if (!deep) {
            gpumem_text_clear(&none);
            read_scalar(&ahead, &none);
            take(&ahead, ',');
        }
    }
    gpumem_text_free(&none);
    return deep;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static void put_value(outline *o, const char *key, unsigned indent, unsigned depth);

static void put_key(outline *o, const char *key, unsigned indent, const char *after)
{
    put_repeat(o->t, " ", indent);
    put_styled(o->t, o->term, indent ? STYLE_PLAIN : STYLE_BOLD, key);
    gpumem_text_puts(o->t, after);
}

static void put_inline(outline *o, const char *key, unsigned indent, const char *value)
{
    unsigned at = indent + (unsigned)columns(key) + 2;

    put_key(o, key, indent, ": ");
    put_wrapped(o->t, value, at, indent + STEP, o->term->width);
    gpumem_text_char(o->t, '\n');
}

static void put_scalar(outline *o, const char *key, unsigned indent)
{
    gpumem_text value = {0};
    bool null = peek(o) == 'n';

    read_scalar(o, &value);
    put_inline(o, key, indent, null ? "none" : value.n ? value.s : "''");
    o->t->failed |= value.failed;
    gpumem_text_free(&value);
}

/* Sentences of a list have a line each; words share one. */
static void put_sentences(outline *o, const char *key, unsigned indent, char *items)
{
    char *rest = NULL;

    put_key(o, key, indent, ":\n");
    for (char *s = strtok_r(items, "\n", &rest); s; s = strtok_r(NULL, "\n", &rest)) {
        put_repeat(o->t, " ", indent + STEP);
        put_wrapped(o->t, s, indent + STEP, indent + 2 * STEP, o->term->width);
        gpumem_text_char(o->t, '\n');
    }
}

static void put_words(outline *o, const char *key, unsigned indent)
{
    gpumem_text value = {0}, words = {0};

    while (!o->bad && peek(o) && peek(o) != ']') {
        gpumem_text_puts(&value, value.n ? "\n" : "");
        read_scalar(o, &value);
        take(o, ',');
    }
    o->bad |= !take(o, ']');
    if (value.n && strchr(value.s, ' ')) {
        put_sentences(o, key, indent, value.s);
    } else {
        for (size_t i = 0; i < value.n; i++)
            gpumem_text_puts(&words, value.s[i] == '\n' ? ", " : (char[2]){value.s[i], '\0'});
        put_inline(o, key, indent, words.n ? words.s : "none");
    }
    o->t->failed |= value.failed || words.failed;
    gpumem_text_free(&value);
    gpumem_text_free(&words);
}

static void put_members(outline *o, unsigned indent, unsigned depth)
{
    while (!o->bad && peek(o) && peek(o) != '}') {
        gpumem_text key = {0};
        read_scalar(o, &key);
        o->bad |= !take(o, ':');
        if (!o->bad)
            put_value(o, key.s ? key.s : "", indent, depth);
        take(o, ',');
        o->t->failed |= key.failed;
        gpumem_text_free(&key);
    }
    o->bad |= !take(o, '}');
}

/* A mapping in a list: its first value is its heading. */
static void put_entry(outline *o, unsigned indent, unsigned depth)
{
    gpumem_text key = {0}, heading = {0};

    take(o, '{');
    if (peek(o) == '"') {
        read_scalar(o, &key);
        o->bad |= !take(o, ':');
        read_scalar(o, &heading);
        take(o, ',');
    }
    put_key(o, heading.s ? heading.s : "-", indent, "\n");
    put_members(o, indent + STEP, depth + 1);
    o->t->failed |= key.failed || heading.failed;
    gpumem_text_free(&key);
    gpumem_text_free(&heading);
}

static void put_entries(outline *o, const char *key, unsigned indent, unsigned depth)
{
    put_key(o, key, indent, ":\n");
    while (!o->bad && peek(o) && peek(o) != ']') {
        if (peek(o) == '{')
            put_entry(o, indent + STEP, depth + 1);
        else
            put_value(o, "-", indent + STEP, depth + 1);
        take(o, ',');
    }
    o->bad |= !take(o, ']');
}

static void put_value(outline *o, const char *key, unsigned indent, unsigned depth)
{
    if (depth > DEEPEST) {
        o->bad = true;
    } else if (take(o, '{')) {
        if (take(o, '}')) {
            put_inline(o, key, indent, "none");
            return;
        }
        put_key(o, key, indent, ":\n");
        put_members(o, indent + STEP, depth + 1);
    } else if (take(o, '[')) {
        if (is_deep(o))
            put_entries(o, key, indent, depth);
        else
            put_words(o, key, indent);
    } else {
        put_scalar(o, key, indent);
    }
}

bool put_outline(gpumem_text *t, const terminal *term, const char *json, size_t n)
{
    outline o = {t, term, json, json + n, false};
    bool first = true;

    if (!take(&o, '[')) {
        o.bad |= !take(&o, '{');
        put_members(&o, 0, 0);
        return !o.bad && peek(&o) == '\0';
    }
    while (!o.bad && take(&o, '{')) {
        gpumem_text_puts(t, first ? "" : "\n");
        first = false;
        put_members(&o, 0, 0);
        take(&o, ',');
    }
    return !o.bad && take(&o, ']') && peek(&o) == '\0';
}
