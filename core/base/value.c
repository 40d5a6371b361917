#include "base/value.h"
#include "base/utf8.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWO_63 9223372036854775808.0

uint32_t gm_hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

const gm_value *gm_value_get_hashed(const gm_value *map, const char *key, uint32_t hash)
{
    uint32_t i;
    if (map->type != GM_MAP)
        return NULL;
    for (i = 0; i < map->n; i++)
        if (map->v.map[i].hash == hash && strcmp(map->v.map[i].key, key) == 0)
            return &map->v.map[i].value;
    return NULL;
}

const gm_value *gm_value_get(const gm_value *map, const char *key)
{
    return gm_value_get_hashed(map, key, gm_hash(key));
}

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

int gm_compare_int_real(int64_t i, double r)
{
    double whole;
    if (isnan(r))
        return 2;
    if (r >= TWO_63)
        return -1;
    if (r < -TWO_63)
        return 1;
    whole = trunc(r);
    if (i != (int64_t)whole)
        return i < (int64_t)whole ? -1 : 1;
    return r > whole ? -1 : r < whole;
}

static bool is_integral(const gm_value *v)
{
    return v->type == GM_BOOL || v->type == GM_INT;
}

static int64_t integral(const gm_value *v)
{
    return v->type == GM_BOOL ? v->v.b : v->v.i;
}

static bool equal_number(const gm_value *a, const gm_value *b)
{
    if (is_integral(a) && is_integral(b))
        return integral(a) == integral(b);
    if (is_integral(a))
        return gm_compare_int_real(integral(a), b->v.r) == 0;
    if (is_integral(b))
        return gm_compare_int_real(integral(b), a->v.r) == 0;
    return a->v.r == b->v.r;
}

static bool is_number(const gm_value *v)
{
    return is_integral(v) || v->type == GM_REAL;
}

static bool equal_map(const gm_value *a, const gm_value *b)
{
    uint32_t i;
    for (i = 0; i < a->n; i++) {
        const gm_member *m = &a->v.map[i];
        const gm_value *other = gm_value_get_hashed(b, m->key, m->hash);
        if (!other || !gm_value_equal(&m->value, other))
            return false;
    }
    return true;
}

bool gm_value_equal(const gm_value *a, const gm_value *b)
{
    uint32_t i;
    if (is_number(a) && is_number(b))
        return equal_number(a, b);
    if (a->type != b->type || a->n != b->n)
        return false;
    switch (a->type) {
    case GM_STRING:
        return memcmp(a->v.s, b->v.s, a->n) == 0;
    case GM_LIST:
        for (i = 0; i < a->n; i++)
            if (!gm_value_equal(&a->v.list[i], &b->v.list[i]))
                return false;
        return true;
    case GM_MAP:
        return equal_map(a, b);
    default:
        return true; /* null */
    }
}

bool gm_value_true(const gm_value *v)
{
    switch (v->type) {
    case GM_NULL: return false;
    case GM_BOOL: return v->v.b;
    case GM_INT: return v->v.i != 0;
    case GM_REAL: return v->v.r != 0;
    default: return v->n != 0;
    }
}

const char *gm_type_name(gm_type type)
{
    static const char *const name[] = {"null", "boolean", "integer", "number", "string", "list", "mapping"};
    return (unsigned)type < sizeof name / sizeof *name ? name[type] : "unknown";
}

/* ---- as text ---------------------------------------------------------------------------------------------------------- */

bool gm_int_from(const char *s, size_t n, int64_t *out)
{
    bool negative = n && s[0] == '-';
    size_t i = n && (s[0] == '-' || s[0] == '+');
    int64_t v = 0;
    for (; i < n; i++) {
        int digit = s[i] - '0';
        if (__builtin_mul_overflow(v, (int64_t)10, &v) ||
            __builtin_add_overflow(v, (int64_t)(negative ? -digit : digit), &v))
            return false;
    }
    *out = v;
    return true;
}

/* The thread's locale changes for one call; 0: could not, and the program's stays. */
static locale_t enter_c(locale_t *c)
{
    *c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c ? uselocale(*c) : (locale_t)0;
}

static void leave_c(locale_t c, locale_t old)
{
    if (!c)
        return;
    uselocale(old);
    freelocale(c);
}

double gm_real_from(const char *s)
{
    locale_t c, old = enter_c(&c);
    double r = strtod(s, NULL);
    leave_c(c, old);
    return r;
}

static void put_real(double r, gpumem_text *out)
{
    char buf[40];
    locale_t c, old;
    int digits = fabs(r) < DBL_MIN ? 1 : 15; /* 15 are exact enough to find the shortest, but not near zero */
    if (isnan(r) || isinf(r)) {
        gpumem_text_puts(out, isnan(r) ? "NaN" : r > 0 ? "Infinity" : "-Infinity");
        return;
    }
    old = enter_c(&c);
    do
        snprintf(buf, sizeof buf, "%.*g", digits, r);
    while (++digits <= 17 && strtod(buf, NULL) != r);
    leave_c(c, old);
    gpumem_text_puts(out, buf);
    if (!strpbrk(buf, ".e"))
        gpumem_text_puts(out, ".0");
}

/* Stops when there is more than `enough`. */
static void put_value(const gm_value *v, gpumem_text *out, size_t enough)
{
    uint32_t i;
    switch (v->type) {
    case GM_NULL: gpumem_text_puts(out, "null"); break;
    case GM_BOOL: gpumem_text_puts(out, v->v.b ? "true" : "false"); break;
    case GM_INT: gpumem_text_i64(out, v->v.i); break;
    case GM_REAL: put_real(v->v.r, out); break;
    case GM_STRING: gpumem_text_json(out, v->v.s, v->n > enough ? enough : v->n); break;
    case GM_LIST:
        gpumem_text_char(out, '[');
        for (i = 0; i < v->n && out->n <= enough; i++) {
            if (i)
                gpumem_text_puts(out, ", ");
            put_value(&v->v.list[i], out, enough);
        }
        gpumem_text_char(out, ']');
        break;
    default:
        gpumem_text_char(out, '{');
        for (i = 0; i < v->n && out->n <= enough; i++) {
            if (i)
                gpumem_text_puts(out, ", ");
            gpumem_text_json(out, v->v.map[i].key, strlen(v->v.map[i].key));
            gpumem_text_puts(out, ": ");
            put_value(&v->v.map[i].value, out, enough);
        }
        gpumem_text_char(out, '}');
        break;
    }
}

void gm_value_json(const gm_value *v, gpumem_text *out)
{
    put_value(v, out, SIZE_MAX);
}

const char *gm_value_show(const gm_value *v, char *buf, size_t size)
{
    gpumem_text t = {0};
    if (size == 0)
        return "";
    put_value(v, &t, size);
    if (t.failed || t.n < size) {
        snprintf(buf, size, "%s", t.failed ? gm_type_name(v->type) : t.s);
    } else {
        size_t keep = size > 4 ? gm_utf8_cut(t.s, size - 4) : 0;
        memcpy(buf, t.s, keep);
        snprintf(buf + keep, size - keep, "...");
    }
    gpumem_text_free(&t);
    return buf;
}
