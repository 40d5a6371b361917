/* UTF-8, as far as messages, columns and expressions need it. */
#ifndef GM_UTF8_H
#define GM_UTF8_H

#include <stddef.h>

/* Bytes of the character that s starts with; 0 if that is not valid UTF-8, or n is 0. */
static inline size_t gm_utf8_length(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned low = 0x80, high = 0xbf;
    size_t want, i;
    if (n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (n < want || p[1] < low || p[1] > high)
        return 0;
    for (i = 2; i < want; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return want;
}

/* As above, but a byte that is not valid counts as a character; at least 1. */
static inline size_t gm_utf8_step(const char *s, size_t n)
{
    size_t length = gm_utf8_length(s, n);
    return length ? length : 1;
}

static inline size_t gm_utf8_count(const char *s, size_t n)
{
    size_t i, count = 0;
    for (i = 0; i < n; i += gm_utf8_step(s + i, n - i))
        count++;
    return count;
}

/* The largest n2 <= n that does not cut a character. */
static inline size_t gm_utf8_cut(const char *s, size_t n)
{
    size_t start = n;
    while (start > 0 && n - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)s[start - 1] >= 0xc0 && !gm_utf8_length(s + start - 1, n - start + 1))
        return start - 1;
    return n;
}
#endif
