#include "term.h"
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const glyphs unicode = {
    "·", "×", "–", "→", "─", "█", "░", "▕", "┘", "▶", "←", "→", {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}};
static const glyphs ascii = {"-", "x", "..", "->", "-", "#", ".", "|", "'", ">", "<-", "->", {"", "", "", "", "", "", "", ""}};

/* ---- the stream ---------------------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

bool term_color(const options *o, int fd)
{
    const char *force = environment("CLICOLOR_FORCE"), *kind = environment("TERM");

    if (o->color && strcmp(o->color, "auto") != 0)
        return strcmp(o->color, "always") == 0;
    if (environment("NO_COLOR"))
        return false;
    if (force && strcmp(force, "0") != 0)
        return true;
    return kind && strcmp(kind, "dumb") != 0 && isatty(fd);
}

static unsigned width_of(int fd)
{
    const char *s = environment("COLUMNS");
    struct winsize size;

    if (s) {
        char *end;
        long n = strtol(s, &end, 10);
        if (*end == '\0' && n > 0)
            return n < 100000 ? (unsigned)n : 100000;
    }
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static bool is_utf8(void)
{
    const char *set;

    if (!setlocale(LC_CTYPE, ""))
        return false;
    set = nl_langinfo(CODESET);
    return strcmp(set, "UTF-8") == 0 || strcmp(set, "utf8") == 0;
}

terminal term_stdout(const options *o)
{
    terminal t = {term_color(o, STDOUT_FILENO), width_of(STDOUT_FILENO), &ascii};

    if (!o->ascii && is_utf8())
        t.glyph = &unicode;
    return t;
}

/* ---- text ------------------------------------------------------------------------------------------------------------ */

void put_styled(gpumem_text *t, const terminal *term, style how, const char *s)
{
    static const char *const on[] = {
        [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m", [STYLE_BAR] = "\033[36m",
        [STYLE_GOOD] = "\033[1;32m", [STYLE_WARN] = "\033[1;33m", [STYLE_BAD] = "\033[1;31m"};

    if (!term->color || how == STYLE_PLAIN || *s == '\0') {
        gpumem_text_puts(t, s);
        return;
    }
    gpumem_text_puts(t, on[how]);
    gpumem_text_puts(t, s);
    gpumem_text_puts(t, "\033[0m");
}

void put_repeat(gpumem_text *t, const char *s, size_t n)
{
    size_t length = strlen(s);

    while (n-- > 0)
        gpumem_text_put(t, s, length);
}

size_t columns(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void pad(gpumem_text *t, const char *s, size_t width)
{
    size_t n = columns(s);

    if (n < width)
        put_repeat(t, " ", width - n);
}

void put_left(gpumem_text *t, const char *s, size_t width)
{
    gpumem_text_puts(t, s);
    pad(t, s, width);
}

void put_right(gpumem_text *t, const char *s, size_t width)
{
    pad(t, s, width);
    gpumem_text_puts(t, s);
}

unsigned put_bar(gpumem_text *t, const terminal *term, uint64_t part, uint64_t whole, unsigned cells)
{
    bool eighths = *term->glyph->eighth[1] != '\0';
    unsigned scale = eighths ? 8 : 1;
    long double exact = whole ? (long double)part / (long double)whole * cells * scale : 0;
    unsigned n = exact >= cells * scale ? cells * scale : (unsigned)(exact + 0.5L);

    if (n == 0 && part > 0)
        n = 1;
    put_repeat(t, term->glyph->full, n / scale);
    if (eighths)
        gpumem_text_puts(t, term->glyph->eighth[n % 8]);
    return (n + scale - 1) / scale;
}

/* Bytes up to the next space; what is in brackets is one word, unless it is too wide for any line. */
static size_t word_length(const char *s, unsigned most, unsigned *wide)
{
    unsigned depth = 0;
    size_t n;

    *wide = 0;
    for (n = 0; s[n] && (s[n] != ' ' || depth > 0); n++) {
        *wide += ((unsigned char)s[n] & 0xc0) != 0x80;
        if (s[n] == '[')
            depth++;
        if (s[n] == ']' && depth > 0)
            depth--;
    }
    if (*wide <= most)
        return n;
    *wide = 0;
    for (n = 0; s[n] && s[n] != ' '; n++)
        *wide += ((unsigned char)s[n] & 0xc0) != 0x80;
    return n;
}

void put_wrapped(gpumem_text *t, const char *s, unsigned at, unsigned indent, unsigned width)
{
    unsigned column = at;
    bool first = true;

    while (*s) {
        unsigned wide;
        size_t bytes = word_length(s, indent + 1 < width ? width - indent : 1, &wide);
        if (!first && column + 1 + wide > width) {
            gpumem_text_char(t, '\n');
            put_repeat(t, " ", indent);
            column = indent;
        } else if (!first) {
            gpumem_text_char(t, ' ');
            column++;
        }
        gpumem_text_put(t, s, bytes);
        column += wide;
        first = false;
        s += bytes;
        s += strspn(s, " ");
    }
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

const char *grouped(char buf[NUMBER_SIZE], uint64_t v, char separator)
{
    char *p = buf + NUMBER_SIZE - 1;
    unsigned n = 0;

    *p = '\0';
    do {
        if (n > 0 && n % 3 == 0)
            *--p = separator;
        *--p = (char)('0' + v % 10);
        v /= 10;
        n++;
    } while (v > 0);
    memmove(buf, p, strlen(p) + 1);
    return buf;
}

const char *amount(char buf[NUMBER_SIZE], uint64_t bytes, unsigned shift)
{
    uint64_t whole = bytes >> shift, rest = bytes & ((UINT64_C(1) << shift) - 1);
    uint64_t hundredths = (rest * 100 + (UINT64_C(1) << (shift - 1))) >> shift;
    size_t n;

    if (bytes > 0 && whole == 0 && hundredths == 0)
        return strcpy(buf, "<0.01");
    whole += hundredths / 100;
    grouped(buf, whole, ' ');
    n = strlen(buf);
    snprintf(buf + n, NUMBER_SIZE - n, ".%02u", (unsigned)(hundredths % 100));
    return buf;
}

const char *unit_name(unsigned shift)
{
    return shift == 30 ? "GiB" : "MiB";
}

const char *amount_unit(char buf[NUMBER_SIZE], uint64_t bytes)
{
    unsigned shift = bytes >> 30 ? 30 : 20;
    size_t n;

    amount(buf, bytes, shift);
    n = strlen(buf);
    snprintf(buf + n, NUMBER_SIZE - n, " %s", unit_name(shift));
    return buf;
}

unsigned percent(uint64_t part, uint64_t whole)
{
    long double exact = whole ? (long double)part * 100 / (long double)whole : 0;

    return exact >= 1e9L ? 1000000000u : (unsigned)(exact + 0.5L);
}
