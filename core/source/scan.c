#include "source/scan.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEEPEST 64

gpumem_status gm_scan_fail(const gm_scan *s, size_t at, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return gm_fail(s->err, GPUMEM_ESYNTAX, s->name, s->line + 1, (unsigned)(at - s->start) + 1, "%s, at byte %llu", why,
                   (unsigned long long)(s->base + at));
}

char gm_scan_peek(gm_scan *s)
{
    for (; s->at < s->n; s->at++) {
        char c = s->text[s->at];
        if (c == '\n') {
            s->line++;
            s->start = s->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return c;
        }
    }
    return '\0';
}

/* "expected X", and what is there instead. */
static gpumem_status unexpected(gm_scan *s, const char *expected)
{
    char c = gm_scan_peek(s);
    if (s->at >= s->n)
        return gm_scan_fail(s, s->at, "%s expected, but the text ends", expected);
    if (c > ' ' && c < 0x7f)
        return gm_scan_fail(s, s->at, "%s expected, not '%c'", expected, c);
    return gm_scan_fail(s, s->at, "%s expected, not the byte 0x%02x", expected, (unsigned char)c);
}

gpumem_status gm_scan_take(gm_scan *s, char c, const char *expected)
{
    if (gm_scan_peek(s) != c || s->at >= s->n)
        return unexpected(s, expected);
    s->at++;
    return GPUMEM_OK;
}

gpumem_status gm_scan_more(gm_scan *s, char close, bool *more)
{
    char c = gm_scan_peek(s), expected[] = "',' or '}'";
    expected[sizeof expected - 3] = close;
    if (s->at >= s->n || (c != ',' && c != close))
        return unexpected(s, expected);
    s->at++;
    *more = c == ',';
    return GPUMEM_OK;
}

gpumem_status gm_scan_end(gm_scan *s)
{
    gm_scan_peek(s);
    return s->at < s->n ? unexpected(s, "the end of the text") : GPUMEM_OK;
}

/* ---- strings ---------------------------------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind "\u": four digits. */
static bool code_unit(const gm_scan *s, size_t at, unsigned *out)
{
    *out = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = i < s->n ? hex(s->text[i]) : -1;
        if (digit < 0)
            return false;
        *out = *out * 16 + (unsigned)digit;
    }
    return true;
}

static size_t put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static gpumem_status unescape_unicode(gm_scan *s, size_t *from, size_t *to)
{
    unsigned c, low;
    size_t at = *from;
    if (!code_unit(s, at + 2, &c))
        return gm_scan_fail(s, at, "four hexadecimal digits expected behind \\u");
    *from += 6;
    if (c >= 0xd800 && c < 0xdc00 && at + 7 < s->n && s->text[at + 6] == '\\' && s->text[at + 7] == 'u' && code_unit(s, at + 8, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        *from += 6;
    }
    if (c >= 0xd800 && c < 0xe000)
        return gm_scan_fail(s, at, "half of a surrogate pair");
    if (c == 0)
        return gm_scan_fail(s, at, "a string must not contain the character 0");
    *to += put_utf8(s->text + *to, c);
    return GPUMEM_OK;
}

static gpumem_status unescape(gm_scan *s, size_t *from, size_t *to)
{
    static const char escape[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    char c = *from + 1 < s->n ? s->text[*from + 1] : '\0';
    const char *found = c ? strchr(escape, c) : NULL;
    if (c == 'u')
        return unescape_unicode(s, from, to);
    if (found == NULL)
        return gm_scan_fail(s, *from, "unknown escape in a string");
    s->text[(*to)++] = means[found - escape];
    *from += 2;
    return GPUMEM_OK;
}

/* Characters as they are. */
static gpumem_status one_character(gm_scan *s, size_t *from, size_t *to)
{
    size_t n = gm_utf8_length(s->text + *from, s->n - *from);
    if (n == 0)
        return gm_scan_fail(s, *from, "invalid UTF-8");
    if ((unsigned char)s->text[*from] < ' ')
        return gm_scan_fail(s, *from, "a control character must be escaped in a string");
    memmove(s->text + *to, s->text + *from, n);
    *from += n;
    *to += n;
    return GPUMEM_OK;
}

gpumem_status gm_scan_string(gm_scan *s, const char *expected, char **out, uint32_t *n)
{
    gpumem_status status = gm_scan_take(s, '"', expected);
    size_t from = s->at, to;
    if (status != GPUMEM_OK)
        return status;
    while (from < s->n && s->text[from] >= ' ' && s->text[from] != '"' && s->text[from] != '\\') /* most are plain ASCII to their end */
        from++;
    to = from;
    while (status == GPUMEM_OK && from < s->n && s->text[from] != '"')
        status = s->text[from] == '\\' ? unescape(s, &from, &to) : one_character(s, &from, &to);
    if (status != GPUMEM_OK)
        return status;
    if (from >= s->n)
        return gm_scan_fail(s, s->at - 1, "a string that does not end");
    if (to - s->at > UINT32_MAX)
        return gm_scan_fail(s, s->at - 1, "a string longer than 4 GiB");
    s->text[to] = '\0';
    *out = s->text + s->at;
    *n = (uint32_t)(to - s->at);
    s->at = from + 1;
    return GPUMEM_OK;
}

/* ---- numbers, and what is skipped ---------------------------------------------------------------------------------------- */

static bool is_digit(const gm_scan *s, size_t at)
{
    return at < s->n && s->text[at] >= '0' && s->text[at] <= '9';
}

gpumem_status gm_scan_u64(gm_scan *s, const char *expected, uint64_t *out)
{
    uint64_t v = 0;
    size_t at;
    char c = gm_scan_peek(s);
    at = s->at;
    if (c == '-' && is_digit(s, at + 1))
        return gm_scan_fail(s, at, "%s expected, not a negative number", expected);
    if (!is_digit(s, at))
        return unexpected(s, expected);
    if (c == '0' && is_digit(s, at + 1))
        return gm_scan_fail(s, at, "a number must not start with 0");
    for (; is_digit(s, at); at++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(s->text[at] - '0'), &v))
            return gm_scan_fail(s, s->at, "a number does not fit in 64 bits");
    if (at < s->n && (s->text[at] == '.' || s->text[at] == 'e' || s->text[at] == 'E'))
        return gm_scan_fail(s, at, "%s expected, not a fraction", expected);
    s->at = at;
    *out = v;
    return GPUMEM_OK;
}

static size_t digits(const gm_scan *s, size_t at)
{
    size_t n = 0;
    while (is_digit(s, at + n))
        n++;
    return n;
}

static gpumem_status skip_number(gm_scan *s)
{
    size_t at = s->at + (s->text[s->at] == '-'), n = digits(s, at);
    if (n == 0 || (n > 1 && s->text[at] == '0'))
        return gm_scan_fail(s, s->at, "a number expected");
    at += n;
    if (at < s->n && s->text[at] == '.') {
        if ((n = digits(s, at + 1)) == 0)
            return gm_scan_fail(s, at, "digits expected in a number");
        at += 1 + n;
    }
    if (at < s->n && (s->text[at] == 'e' || s->text[at] == 'E')) {
        at++;
        at += at < s->n && (s->text[at] == '-' || s->text[at] == '+');
        if ((n = digits(s, at)) == 0)
            return gm_scan_fail(s, at, "digits expected in a number");
        at += n;
    }
    s->at = at;
    return GPUMEM_OK;
}

static gpumem_status skip_word(gm_scan *s)
{
    static const char *const word[] = {"true", "false", "null"};
    for (unsigned i = 0; i < 3; i++) {
        size_t n = strlen(word[i]);
        if (s->n - s->at >= n && memcmp(s->text + s->at, word[i], n) == 0) {
            s->at += n;
            return GPUMEM_OK;
        }
    }
    return unexpected(s, "a value");
}

static gpumem_status skip_scalar(gm_scan *s, char c)
{
    char *text;
    uint32_t n;
    if (c == '"')
        return gm_scan_string(s, "a string", &text, &n);
    if (c == '-' || (c >= '0' && c <= '9'))
        return skip_number(s);
    return skip_word(s);
}

static gpumem_status skip_key(gm_scan *s)
{
    char *text;
    uint32_t n;
    gpumem_status status = gm_scan_string(s, "a key in double quotes", &text, &n);
    return status == GPUMEM_OK ? gm_scan_take(s, ':', "':'") : status;
}

gpumem_status gm_scan_skip(gm_scan *s)
{
    char close[DEEPEST];
    unsigned depth = 0;
    gpumem_status status = GPUMEM_OK;
    do {
        char c = gm_scan_peek(s);
        bool more = false;
        if (c == '{' || c == '[') {
            if (depth == DEEPEST)
                return gm_scan_fail(s, s->at, "values nest deeper than %d", DEEPEST);
            s->at++;
            close[depth++] = c == '{' ? '}' : ']';
            if (gm_scan_peek(s) != close[depth - 1]) {
                if (c == '{' && (status = skip_key(s)) != GPUMEM_OK)
                    return status;
                continue; /* to the first entry */
            }
            s->at++;
            depth--;
        } else if ((status = skip_scalar(s, c)) != GPUMEM_OK) {
            return status;
        }
        while (depth && !more) {
            if ((status = gm_scan_more(s, close[depth - 1], &more)) != GPUMEM_OK)
                return status;
            depth -= !more;
        }
        if (depth && close[depth - 1] == '}' && (status = skip_key(s)) != GPUMEM_OK)
            return status;
    } while (depth);
    return GPUMEM_OK;
}
