/* A value of a config, a manifest or an expression.  Immutable once made; lives in an arena. */
#ifndef GM_VALUE_H
#define GM_VALUE_H

#include "base/arena.h"
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gm_type { GM_NULL, GM_BOOL, GM_INT, GM_REAL, GM_STRING, GM_LIST, GM_MAP } gm_type;

typedef struct gm_value gm_value;
typedef struct gm_member gm_member;
struct gm_value {
    uint8_t type;
    uint8_t quoted;    /* a STRING that was quoted in YAML, or is JSON's */
    uint32_t n;        /* STRING: bytes; LIST, MAP: entries */
    uint32_t line, column; /* 1-based, of YAML; 0: unknown */
    union { bool b; int64_t i; double r; const char *s; const gm_value *list; const gm_member *map; } v;
};
struct gm_member { const char *key; uint32_t hash, line, column; gm_value value; };

uint32_t gm_hash(const char *s); /* 32-bit FNV-1a */
/* The member's value, or NULL.  The _hashed form saves the hashing of a key that is looked up often. */
const gm_value *gm_value_get(const gm_value *map, const char *key);
const gm_value *gm_value_get_hashed(const gm_value *map, const char *key, uint32_t hash);
bool gm_value_equal(const gm_value *a, const gm_value *b); /* 1 == 1.0 == true, as Python compares */
int gm_compare_int_real(int64_t i, double r);              /* exact: -1, 0, 1; 2: r is NaN */
bool gm_value_true(const gm_value *v);                     /* as Python's bool() */
const char *gm_type_name(gm_type type);                    /* "null", "boolean", "integer", "number", "string", "list", "mapping" */

static inline gm_value gm_null(void) { gm_value v = {0}; return v; }
static inline gm_value gm_bool(bool b) { gm_value v = {0}; v.type = GM_BOOL; v.v.b = b; return v; }
static inline gm_value gm_int(int64_t i) { gm_value v = {0}; v.type = GM_INT; v.v.i = i; return v; }
static inline gm_value gm_real(double r) { gm_value v = {0}; v.type = GM_REAL; v.v.r = r; return v; }

/* Text as a number, in the C locale whatever the program's is.  The caller has seen that it looks like one. */
bool gm_int_from(const char *s, size_t n, int64_t *out); /* sign and decimal digits; false if it does not fit */
double gm_real_from(const char *s);

/* A value as JSON (NaN and Infinity as Python writes them; reals as short as they read back the same). */
void gm_value_json(const gm_value *v, gpumem_text *out);
/* A value as a person writes it, in buf of `size` bytes, cut with "...": for messages. */
const char *gm_value_show(const gm_value *v, char *buf, size_t size);
#endif
