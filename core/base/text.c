#include "base/utf8.h"
#include <gpumem/gpumem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Room for n more bytes and the NUL. */
static bool reserve(gpumem_text *t, size_t n)
{
    size_t need, size;
    char *s;
    if (t->failed)
        return false;
    if (t->s && n < t->size - t->n)
        return true;
    if (__builtin_add_overflow(t->n, n, &need) || need > SIZE_MAX / 2 - 1) {
        t->failed = true;
        return false;
    }
    for (size = t->size ? t->size : 64; size <= need;)
        size *= 2;
    s = realloc(t->s, size);
    if (!s) {
        t->failed = true;
        return false;
    }
    t->s = s;
    t->size = size;
    t->s[t->n] = '\0';
    return true;
}

void gpumem_text_put(gpumem_text *t, const char *s, size_t n)
{
    if (!reserve(t, n))
        return;
    if (n)
        memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

void gpumem_text_puts(gpumem_text *t, const char *s)
{
    gpumem_text_put(t, s, strlen(s));
}

void gpumem_text_char(gpumem_text *t, char c)
{
    gpumem_text_put(t, &c, 1);
}

void gpumem_text_u64(gpumem_text *t, uint64_t v)
{
    char digit[20], *p = digit + sizeof digit;
    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    gpumem_text_put(t, p, (size_t)(digit + sizeof digit - p));
}

void gpumem_text_i64(gpumem_text *t, int64_t v)
{
    if (v < 0)
        gpumem_text_char(t, '-');
    gpumem_text_u64(t, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void put_control(gpumem_text *t, unsigned char c)
{
    static const char from[] = "\b\f\n\r\t", to[] = "bfnrt";
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        gpumem_text_char(t, '\\');
        gpumem_text_char(t, to[p - from]);
    } else {
        gpumem_text_printf(t, "\\u%04x", c);
    }
}

void gpumem_text_json(gpumem_text *t, const char *s, size_t n)
{
    size_t i = 0, start = 0; /* from start on nothing needs escaping */
    gpumem_text_char(t, '"');
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        size_t length = gm_utf8_length(s + i, n - i);
        if (length && c >= ' ' && c != '"' && c != '\\' && c != 0x7f) {
            i += length;
            continue;
        }
        gpumem_text_put(t, s + start, i - start);
        if (!length)
            gpumem_text_puts(t, "\xef\xbf\xbd");
        else if (c < ' ' || c == 0x7f)
            put_control(t, c);
        else
            gpumem_text_put(t, c == '"' ? "\\\"" : "\\\\", 2);
        start = ++i;
    }
    gpumem_text_put(t, s + start, n - start);
    gpumem_text_char(t, '"');
}

void gpumem_text_printf(gpumem_text *t, const char *format, ...)
{
    va_list args;
    int n;
    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        t->failed = true;
        return;
    }
    if (!reserve(t, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(t->s + t->n, t->size - t->n, format, args);
    va_end(args);
    t->n += (size_t)n;
}

void gpumem_text_clear(gpumem_text *t)
{
    t->n = 0;
    t->failed = false;
    if (t->s)
        t->s[0] = '\0';
}

void gpumem_text_free(gpumem_text *t)
{
    free(t->s);
    *t = (gpumem_text){0};
}
