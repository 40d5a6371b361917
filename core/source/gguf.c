#include "source/gguf.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "source/names.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_STEP (64u << 10) /* bytes: within what opening a remote file brings */
#define LAST_STEP (4u << 20)
#define MAX_STRING (1u << 30)
#define MAX_ARRAY (1u << 30)
#define KEEP_NUMBERS 65536u
#define KEEP_STRINGS 1024u
#define KEEP_TEXT (1u << 20)
#define MAX_NAME 64u
#define SMALLEST_KEY 10u
#define SMALLEST_TENSOR 20u

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPE_END };

static const gm_gguf_type type[] = {
    [0] = {"F32", 1, 4}, [1] = {"F16", 1, 2}, [2] = {"Q4_0", 32, 18}, [3] = {"Q4_1", 32, 20}, [6] = {"Q5_0", 32, 22}, [7] = {"Q5_1", 32, 24},
    [8] = {"Q8_0", 32, 34}, [9] = {"Q8_1", 32, 36}, [10] = {"Q2_K", 256, 84}, [11] = {"Q3_K", 256, 110}, [12] = {"Q4_K", 256, 144},
    [13] = {"Q5_K", 256, 176}, [14] = {"Q6_K", 256, 210}, [15] = {"Q8_K", 256, 292}, [16] = {"IQ2_XXS", 256, 66}, [17] = {"IQ2_XS", 256, 74},
    [18] = {"IQ3_XXS", 256, 98}, [19] = {"IQ1_S", 256, 50}, [20] = {"IQ4_NL", 32, 18}, [21] = {"IQ3_S", 256, 110}, [22] = {"IQ2_S", 256, 82},
    [23] = {"IQ4_XS", 256, 136}, [24] = {"I8", 1, 1}, [25] = {"I16", 1, 2}, [26] = {"I32", 1, 4}, [27] = {"I64", 1, 8}, [28] = {"F64", 1, 8},
    [29] = {"IQ1_M", 256, 56}, [30] = {"BF16", 1, 2}, [31] = {"Q4_0_4_4", 32, 18}, [32] = {"Q4_0_4_8", 32, 18}, [33] = {"Q4_0_8_8", 32, 18},
    [34] = {"TQ1_0", 256, 54}, [35] = {"TQ2_0", 256, 66}, [36] = {"IQ4_NL_4_4", 32, 18}, [37] = {"IQ4_NL_4_8", 32, 18}, [38] = {"IQ4_NL_8_8", 32, 18},
    [39] = {"MXFP4", 32, 17}, [40] = {"NVFP4", 64, 36}, [41] = {"Q1_0", 128, 18}, [42] = {"Q2_0", 64, 18},
};

const gm_gguf_type *gm_gguf_type_of(uint32_t id)
{
    return id < sizeof type / sizeof *type && type[id].block ? &type[id] : NULL;
}

/* ---- bytes, in order ----------------------------------------------------------------------------------------------------------- */

typedef struct cursor {
    gm_reader *r;
    gm_gguf *out;
    unsigned char *buf;
    uint64_t at;           /* of the file: the next byte */
    size_t n, used, step;  /* of buf */
    gpumem_error *err;
} cursor;

static gpumem_status bad(const cursor *c, const char *format, ...) GPUMEM_PRINTF(2, 3);
static gpumem_status bad(const cursor *c, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return gm_fail(c->err, GPUMEM_ESYNTAX, c->r->name, 0, 0, "%s, at byte %llu", why, (unsigned long long)c->at);
}

static uint64_t left(const cursor *c)
{
    return c->r->size == UINT64_MAX ? UINT64_MAX : c->r->size - c->at;
}

/* More bytes behind those that are there: at least `want`, as many as a step where the size is known. */
static gpumem_status fill(cursor *c, size_t want)
{
    size_t have = c->n - c->used, get = want - have;
    uint64_t place = c->at + have, behind = c->r->size == UINT64_MAX ? get : c->r->size - place;
    gpumem_status status;
    if (behind < get)
        return bad(c, "the file ends too early: %zu bytes are missing", (size_t)(get - behind));
    if (get < c->step && c->r->size != UINT64_MAX)
        get = behind < c->step ? (size_t)behind : c->step;
    if (c->used)
        memmove(c->buf, c->buf + c->used, have);
    unsigned char *now = realloc(c->buf, have + get);
    if (now == NULL)
        return gm_no_memory(c->err);
    c->buf = now;
    c->used = 0;
    c->n = have;
    if ((status = c->r->read(c->r, place, get, c->buf + have, c->err)) != GPUMEM_OK)
        return status;
    c->n = have + get;
    c->step = c->step * 2 < LAST_STEP ? c->step * 2 : LAST_STEP;
    return GPUMEM_OK;
}

/* The next n bytes; good until the next call. */
static gpumem_status take(cursor *c, size_t n, const unsigned char **p)
{
    gpumem_status status = c->n - c->used < n ? fill(c, n) : GPUMEM_OK;
    if (status != GPUMEM_OK)
        return status;
    *p = c->buf + c->used;
    c->used += n;
    c->at += n;
    return GPUMEM_OK;
}

static gpumem_status skip(cursor *c, uint64_t n)
{
    if (n > left(c))
        return bad(c, "the file ends too early: %llu bytes are missing", (unsigned long long)(n - left(c)));
    if (n <= c->n - c->used) {
        c->used += (size_t)n;
    } else {
        c->used = c->n = 0; /* what is not needed is not read */
    }
    c->at += n;
    return GPUMEM_OK;
}

static gpumem_status number(cursor *c, unsigned bytes, uint64_t *out)
{
    const unsigned char *p;
    gpumem_status status = take(c, bytes, &p);
    *out = 0;
    for (unsigned i = 0; status == GPUMEM_OK && i < bytes; i++)
        *out |= (uint64_t)p[c->out->big_endian ? bytes - 1 - i : i] << 8 * i;
    return status;
}

/* Counts and lengths: 32 bits in version 1. */
static gpumem_status count(cursor *c, uint64_t *out)
{
    return number(c, c->out->version == 1 ? 4 : 8, out);
}

static gpumem_status u32(cursor *c, uint32_t *out)
{
    uint64_t v = 0;
    gpumem_status status = number(c, 4, &v);
    *out = (uint32_t)v;
    return status;
}

static gpumem_status string_length(cursor *c, uint64_t *n)
{
    gpumem_status status = count(c, n);
    if (status != GPUMEM_OK)
        return status;
    if (*n > MAX_STRING)
        return bad(c, "a string of %llu bytes: at most 1 GiB is allowed", (unsigned long long)*n);
    if (*n > left(c))
        return bad(c, "a string of %llu bytes goes beyond the end of the file", (unsigned long long)*n);
    return GPUMEM_OK;
}

static gpumem_status copy_text(cursor *c, uint64_t n, const char **out)
{
    const unsigned char *p;
    gpumem_status status = take(c, (size_t)n, &p);
    if (status != GPUMEM_OK)
        return status;
    *out = gm_arena_strndup(&c->out->arena, (const char *)p, (size_t)n);
    return *out ? GPUMEM_OK : gm_no_memory(c->err);
}

/* Of a key or a tensor: not empty, UTF-8, no NUL. */
static gpumem_status name(cursor *c, const char *what, uint64_t most, const char **out, uint32_t *length)
{
    uint64_t n;
    gpumem_status status = string_length(c, &n);
    if (status != GPUMEM_OK)
        return status;
    if (n == 0 || n > most)
        return bad(c, "the name of a %s has %llu bytes: 1 to %llu expected", what, (unsigned long long)n, (unsigned long long)most);
    if ((status = copy_text(c, n, out)) != GPUMEM_OK)
        return status;
    for (size_t i = 0, step; i < n; i += step)
        if ((step = gm_utf8_length(*out + i, (size_t)n - i)) == 0 || (*out)[i] == '\0')
            return bad(c, "the name of a %s is no UTF-8 or has a NUL", what);
    *length = (uint32_t)n;
    return GPUMEM_OK;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------------------------- */

static const unsigned width[TYPE_END] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static gm_value number_value(uint32_t t, uint64_t raw)
{
    uint32_t low = (uint32_t)raw;
    float f;
    double d;
    switch (t) {
    case I8: return gm_int((int8_t)raw);
    case I16: return gm_int((int16_t)raw);
    case I32: return gm_int((int32_t)raw);
    case F32: memcpy(&f, &low, sizeof f); return gm_real((double)f);
    case F64: memcpy(&d, &raw, sizeof d); return gm_real(d);
    case BOOL: return gm_bool(raw != 0);
    case U64: return raw > INT64_MAX ? gm_real((double)raw) : gm_int((int64_t)raw);
    default: return gm_int((int64_t)raw);
    }
}

static gpumem_status string_value(cursor *c, gm_value *out)
{
    uint64_t n;
    gpumem_status status = string_length(c, &n);
    if (status != GPUMEM_OK || n > KEEP_TEXT)
        return status == GPUMEM_OK ? skip(c, n) : status;
    out->type = GM_STRING;
    out->quoted = 1;
    out->n = (uint32_t)n;
    return copy_text(c, n, &out->v.s);
}

static gpumem_status scalar(cursor *c, uint32_t t, gm_value *out)
{
    uint64_t raw;
    gpumem_status status;
    if (t == STRING)
        return string_value(c, out);
    if ((status = number(c, width[t], &raw)) == GPUMEM_OK)
        *out = number_value(t, raw);
    return status;
}

static gpumem_status skip_items(cursor *c, uint32_t t, uint64_t n)
{
    gpumem_status status = GPUMEM_OK;
    uint64_t length;
    if (t != STRING)
        return skip(c, n * width[t]);
    for (uint64_t i = 0; i < n && status == GPUMEM_OK; i++)
        if ((status = string_length(c, &length)) == GPUMEM_OK)
            status = skip(c, length);
    return status;
}

static gpumem_status array(cursor *c, gm_gguf_key *key)
{
    gpumem_status status;
    uint64_t n = 0;
    uint32_t t = 0;
    gm_value *item;
    if ((status = u32(c, &t)) != GPUMEM_OK || (status = count(c, &n)) != GPUMEM_OK)
        return status;
    if (t == ARRAY)
        return bad(c, "'%.100s' is an array of arrays", key->key);
    if (t >= TYPE_END)
        return bad(c, "'%.100s' is an array of the unknown type %u", key->key, (unsigned)t);
    if (n > MAX_ARRAY)
        return bad(c, "'%.100s' has %llu entries: at most 2^30 are allowed", key->key, (unsigned long long)n);
    if (n * (width[t] ? width[t] : c->out->version == 1 ? 4 : 8) > left(c))
        return bad(c, "'%.100s' has %llu entries, which goes beyond the end of the file", key->key, (unsigned long long)n);
    key->count = n;
    if (n > (t == STRING ? KEEP_STRINGS : KEEP_NUMBERS))
        return skip_items(c, t, n);
    if ((item = gm_arena_zero(&c->out->arena, (size_t)n + 1, sizeof *item)) == NULL)
        return gm_no_memory(c->err);
    for (uint64_t i = 0; i < n && status == GPUMEM_OK; i++)
        status = scalar(c, t, &item[i]);
    key->value.type = GM_LIST;
    key->value.n = (uint32_t)n;
    key->value.v.list = item;
    return status;
}

static gpumem_status check_alignment(cursor *c, const gm_gguf_key *key, uint32_t t)
{
    if (strcmp(key->key, "general.alignment") != 0)
        return GPUMEM_OK;
    if (t != U32 || key->value.v.i <= 0 || (key->value.v.i & (key->value.v.i - 1)) != 0)
        return bad(c, "general.alignment is not a power of two of type u32");
    c->out->alignment = (uint64_t)key->value.v.i;
    return GPUMEM_OK;
}

static gpumem_status read_key(cursor *c, gm_nameset *names)
{
    gm_gguf_key *key = &c->out->key[c->out->nkey];
    uint32_t n, t, found;
    gpumem_status status;
    if ((status = name(c, "key", 65535, &key->key, &n)) != GPUMEM_OK || (status = u32(c, &t)) != GPUMEM_OK)
        return status;
    if (gm_nameset_put(names, key->key, n, c->out->nkey, &found))
        return gm_no_memory(c->err);
    if (found != c->out->nkey)
        return bad(c, "the key '%.200s' is there twice", key->key);
    if (t >= TYPE_END)
        return bad(c, "'%.200s' has the unknown type %u", key->key, (unsigned)t);
    key->count = 1;
    status = t == ARRAY ? array(c, key) : scalar(c, t, &key->value);
    if (status == GPUMEM_OK)
        c->out->nkey++;
    return status == GPUMEM_OK ? check_alignment(c, key, t) : status;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------------------------- */

static gpumem_status measure(cursor *c, gm_gguf_tensor *t)
{
    bool empty = false;
    t->elements = 1;
    for (uint32_t i = 0; i < t->ndim; i++)
        empty |= t->dim[i] == 0;
    for (uint32_t i = 0; i < t->ndim; i++) {
        if (t->dim[i] > INT64_MAX)
            return bad(c, "a dimension of '%.64s' is negative or beyond 63 bits", t->name);
        if (!empty && gm_mul_u64(t->elements, t->dim[i], &t->elements))
            return bad(c, "the product of the dimensions of '%.64s' does not fit in 64 bits", t->name);
    }
    if (empty)
        t->elements = 0;
    if (t->type == NULL)
        return GPUMEM_OK;
    if ((t->ndim ? t->dim[0] : 1) % t->type->block)
        return bad(c, "rows of '%.64s' have %llu elements: %s has blocks of %u", t->name, (unsigned long long)(t->ndim ? t->dim[0] : 1), t->type->name,
                   t->type->block);
    if (gm_mul_u64(t->elements / t->type->block, t->type->bytes, &t->bytes))
        return bad(c, "the size of '%.64s' does not fit in 64 bits", t->name);
    return GPUMEM_OK;
}

static gpumem_status read_tensor(cursor *c, gm_nameset *names)
{
    gm_gguf_tensor *t = &c->out->tensor[c->out->ntensor];
    gpumem_status status;
    uint32_t found;
    if ((status = name(c, "tensor", MAX_NAME - 1, &t->name, &t->nname)) != GPUMEM_OK || (status = u32(c, &t->ndim)) != GPUMEM_OK)
        return status;
    if (gm_nameset_put(names, t->name, t->nname, c->out->ntensor, &found))
        return gm_no_memory(c->err);
    if (found != c->out->ntensor)
        return bad(c, "the tensor '%.64s' is there twice", t->name);
    if (t->ndim > 4)
        return bad(c, "'%.64s' has %u dimensions: at most 4 are allowed", t->name, (unsigned)t->ndim);
    for (uint32_t i = 0; i < t->ndim; i++)
        if ((status = count(c, &t->dim[i])) != GPUMEM_OK)
            return status;
    if ((status = u32(c, &t->id)) != GPUMEM_OK || (status = number(c, 8, &t->offset)) != GPUMEM_OK)
        return status;
    t->type = gm_gguf_type_of(t->id);
    c->out->ntensor++;
    return measure(c, t);
}

static int pad(uint64_t n, uint64_t to, uint64_t *out)
{
    return gm_add_u64(n, to - 1, out) || (*out &= ~(to - 1), 0);
}

/* What a tensor of an unknown type has: until the next, or the end of the file. */
static gpumem_status unknown_bytes(cursor *c, uint32_t i, uint64_t end)
{
    gm_gguf_tensor *t = &c->out->tensor[i];
    uint64_t next = i + 1 < c->out->ntensor ? t[1].offset : end;
    if (next == UINT64_MAX || next < t->offset)
        return bad(c, "'%.64s' has the unknown type %u, and its size does not follow from what comes next", t->name, (unsigned)t->id);
    t->bytes = next - t->offset;
    return GPUMEM_OK;
}

static gpumem_status check_data(cursor *c)
{
    gm_gguf *g = c->out;
    uint64_t expected = 0, end = 0, data = g->data, size = c->r->size == UINT64_MAX ? UINT64_MAX : c->r->size < data ? 0 : c->r->size - data;
    for (uint32_t i = 0; i < g->ntensor; i++) {
        gm_gguf_tensor *t = &g->tensor[i];
        gpumem_status status;
        if (t->offset != expected)
            return bad(c, "'%.64s' starts at %llu of the data: %llu expected, right behind the one before", t->name, (unsigned long long)t->offset,
                       (unsigned long long)expected);
        if (t->type == NULL && (status = unknown_bytes(c, i, size)) != GPUMEM_OK)
            return status;
        if (gm_add_u64(t->offset, t->bytes, &end) || pad(end, g->alignment, &expected))
            return bad(c, "the data of '%.64s' end beyond 64 bits", t->name);
    }
    if (end > size)
        return bad(c, "the tensors need %llu bytes of data, but the file has %llu", (unsigned long long)end, (unsigned long long)size);
    return GPUMEM_OK;
}

/* ---- all -------------------------------------------------------------------------------------------------------------------------------- */

static gpumem_status check_magic(cursor *c)
{
    static const char *const old[] = {"lmgg", "fmgg", "tjgg"};
    const unsigned char *p;
    gpumem_status status;
    if (c->r->size < 16)
        return bad(c, "%llu bytes: too short for a GGUF file", (unsigned long long)c->r->size);
    if ((status = take(c, 4, &p)) != GPUMEM_OK)
        return status;
    for (unsigned i = 0; i < 3; i++)
        if (memcmp(p, old[i], 4) == 0)
            return bad(c, "a file of the format %s, from before GGUF: convert it", i == 0 ? "GGML" : i == 1 ? "GGMF" : "GGJT");
    return memcmp(p, "GGUF", 4) == 0 ? GPUMEM_OK : bad(c, "no GGUF file: it does not start with \"GGUF\"");
}

static gpumem_status read_version(cursor *c)
{
    gpumem_status status = u32(c, &c->out->version);
    if (status != GPUMEM_OK)
        return status;
    if (c->out->version && (c->out->version & 0xffff) == 0) { /* the magic does not tell */
        c->out->big_endian = true;
        c->out->version = __builtin_bswap32(c->out->version);
    }
    if (c->out->version < 1 || c->out->version > 3 || (c->out->big_endian && c->out->version < 3))
        return bad(c, "version %u: 1, 2 or 3 expected", (unsigned)c->out->version);
    return GPUMEM_OK;
}

static gpumem_status read_counts(cursor *c, uint64_t *tensors, uint64_t *keys)
{
    gpumem_status status;
    if ((status = count(c, tensors)) != GPUMEM_OK || (status = count(c, keys)) != GPUMEM_OK)
        return status;
    if (*tensors > left(c) / SMALLEST_TENSOR || *tensors > INT32_MAX)
        return bad(c, "%llu tensors do not fit in the file", (unsigned long long)*tensors);
    if (*keys > left(c) / SMALLEST_KEY || *keys > INT32_MAX)
        return bad(c, "%llu keys do not fit in the file", (unsigned long long)*keys);
    return GPUMEM_OK;
}

/* Room for one more; not at once for as many as the file says: counts can lie. */
static void *grown(void *list, uint32_t n, uint32_t *room, size_t size)
{
    void *now;
    if (n < *room)
        return list;
    if ((now = realloc(list, (*room ? *room * 2 : 256) * size)) == NULL)
        return NULL;
    *room = *room ? *room * 2 : 256;
    memset((char *)now + n * size, 0, (*room - n) * size);
    return now;
}

static gpumem_status next_key(cursor *c, uint32_t *room, gm_nameset *names)
{
    gm_gguf_key *list = grown(c->out->key, c->out->nkey, room, sizeof *list);
    if (list == NULL)
        return gm_no_memory(c->err);
    c->out->key = list;
    return read_key(c, names);
}

static gpumem_status next_tensor(cursor *c, uint32_t *room, gm_nameset *names)
{
    gm_gguf_tensor *list = grown(c->out->tensor, c->out->ntensor, room, sizeof *list);
    if (list == NULL)
        return gm_no_memory(c->err);
    c->out->tensor = list;
    return read_tensor(c, names);
}

static gpumem_status read_lists(cursor *c, gm_nameset *keys, gm_nameset *tensors)
{
    uint64_t ntensor, nkey;
    uint32_t room = 0;
    gpumem_status status = read_counts(c, &ntensor, &nkey);
    for (uint64_t i = 0; status == GPUMEM_OK && i < nkey; i++)
        status = next_key(c, &room, keys);
    room = 0;
    for (uint64_t i = 0; status == GPUMEM_OK && i < ntensor; i++)
        status = next_tensor(c, &room, tensors);
    return status;
}

gpumem_status gm_gguf_read(gm_reader *reader, gm_gguf *out, gpumem_error *err)
{
    cursor c = {.r = reader, .out = out, .step = FIRST_STEP, .err = err};
    gm_nameset keys = {0}, tensors = {0};
    gpumem_status status;
    out->alignment = 32;
    if ((status = check_magic(&c)) == GPUMEM_OK && (status = read_version(&c)) == GPUMEM_OK)
        status = read_lists(&c, &keys, &tensors);
    gm_nameset_free(&keys);
    gm_nameset_free(&tensors);
    free(c.buf);
    if (status != GPUMEM_OK)
        return status;
    if (pad(c.at, out->alignment, &out->data))
        return bad(&c, "the data start beyond 64 bits");
    return check_data(&c);
}

void gm_gguf_free(gm_gguf *g)
{
    gm_arena_free(&g->arena);
    free(g->key);
    free(g->tensor);
    *g = (gm_gguf){0};
}

const gm_gguf_key *gm_gguf_find(const gm_gguf *g, const char *key)
{
    for (uint32_t i = 0; i < g->nkey; i++)
        if (strcmp(g->key[i].key, key) == 0)
            return &g->key[i];
    return NULL;
}
