#include "source/safetensors.h"
#include "base/checked.h"
#include "source/names.h"
#include "source/scan.h"
#include <stdlib.h>
#include <string.h>

#define MAX_RANK 64

typedef struct parser {
    gm_safetensors *out;
    gm_scan scan;
    gm_nameset names;
    bool metadata; /* seen */
} parser;

/* ---- bytes of the header ------------------------------------------------------------------------------------------------- */

static gpumem_status check_length(const gm_reader *r, uint64_t n, gpumem_error *err)
{
    if (n > INT64_MAX)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "the length of the header, bytes 0 to 7, is negative or beyond 63 bits: 0x%016llx",
                       (unsigned long long)n);
    if (n == 0)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "the length of the header, bytes 0 to 7, is 0");
    if (n > GM_SAFETENSORS_MAX)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "the length of the header, bytes 0 to 7, is %llu: at most %u are allowed",
                       (unsigned long long)n, GM_SAFETENSORS_MAX);
    if (r->size != UINT64_MAX && n > r->size - 8)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "the length of the header, bytes 0 to 7, is %llu, but the file has %llu bytes",
                       (unsigned long long)n, (unsigned long long)r->size);
    return GPUMEM_OK;
}

static uint64_t little_endian(const unsigned char *p)
{
    uint64_t v = 0;
    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* A reader that does not know its size yet keeps what it got beyond the first eight bytes: it guesses by itself. */
static gpumem_status read_text(gm_reader *r, gm_safetensors *out, gpumem_error *err)
{
    uint64_t guess = r->size == UINT64_MAX ? 8 : r->size < GM_SAFETENSORS_GUESS ? r->size : GM_SAFETENSORS_GUESS;
    gpumem_status status;
    char *text;
    if (guess < 8)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "%llu bytes: a safetensors file has at least 8", (unsigned long long)r->size);
    if ((out->text = malloc((size_t)guess + 1)) == NULL)
        return gm_no_memory(err);
    if ((status = r->read(r, 0, (size_t)guess, out->text, err)) != GPUMEM_OK)
        return status;
    out->header = little_endian((const unsigned char *)out->text);
    out->data = out->header + 8;
    if ((status = check_length(r, out->header, err)) != GPUMEM_OK)
        return status;
    if ((text = realloc(out->text, (size_t)out->data + 1)) == NULL)
        return gm_no_memory(err);
    out->text = text;
    if (out->data > guess)
        status = r->read(r, guess, (size_t)(out->data - guess), text + guess, err);
    return status;
}

/* ---- entries ------------------------------------------------------------------------------------------------------------------ */

static gpumem_status parse_dtype(parser *p, gm_safetensor *t)
{
    char *s;
    uint32_t n;
    gpumem_status status = gm_scan_string(&p->scan, "the dtype, a string,", &s, &n);
    if (status != GPUMEM_OK)
        return status;
    t->dtype = gm_dtype_of(s, n);
    t->dtype_name = t->dtype ? t->dtype->name : s;
    return GPUMEM_OK;
}

static gpumem_status parse_shape(parser *p, gm_safetensor *t)
{
    gm_scan *s = &p->scan;
    uint64_t dim[MAX_RANK];
    uint64_t *copy;
    bool more;
    gpumem_status status = gm_scan_take(s, '[', "the shape, a list,");
    if (status != GPUMEM_OK)
        return status;
    more = gm_scan_peek(s) != ']';
    if (!more)
        s->at++;
    t->ndim = 0;
    while (more) {
        if (t->ndim == MAX_RANK)
            return gm_scan_fail(s, s->at, "'%.100s' has more than %d dimensions", t->name, MAX_RANK);
        if ((status = gm_scan_u64(s, "a dimension, an integer of at least 0,", &dim[t->ndim++])) != GPUMEM_OK ||
            (status = gm_scan_more(s, ']', &more)) != GPUMEM_OK)
            return status;
    }
    if ((copy = gm_arena_alloc(&p->out->arena, (t->ndim ? t->ndim : 1) * sizeof *copy)) == NULL)
        return gm_no_memory(s->err);
    if (t->ndim)
        memcpy(copy, dim, t->ndim * sizeof *copy);
    t->dim = copy;
    return GPUMEM_OK;
}

static gpumem_status parse_offsets(parser *p, gm_safetensor *t)
{
    static const char offset[] = "an offset, an integer of at least 0,";
    gm_scan *s = &p->scan;
    gpumem_status status;
    if ((status = gm_scan_take(s, '[', "data_offsets, a list of two,")) != GPUMEM_OK || (status = gm_scan_u64(s, offset, &t->begin)) != GPUMEM_OK ||
        (status = gm_scan_take(s, ',', "',' and the second offset")) != GPUMEM_OK || (status = gm_scan_u64(s, offset, &t->end)) != GPUMEM_OK)
        return status;
    return gm_scan_take(s, ']', "']' behind two offsets");
}

static const char *const field_name[] = {"dtype", "shape", "data_offsets"};

static gpumem_status parse_field(parser *p, gm_safetensor *t, unsigned *seen)
{
    static gpumem_status (*const parse[])(parser *, gm_safetensor *) = {parse_dtype, parse_shape, parse_offsets};
    gpumem_status status;
    char *key;
    uint32_t n;
    unsigned i = 0;
    size_t at;
    gm_scan_peek(&p->scan);
    at = p->scan.at;
    if ((status = gm_scan_string(&p->scan, "dtype, shape or data_offsets, in double quotes,", &key, &n)) != GPUMEM_OK)
        return status;
    while (i < 3 && strcmp(field_name[i], key) != 0)
        i++;
    if (i == 3)
        return gm_scan_fail(&p->scan, at, "'%.100s' has the key '%.60s': dtype, shape or data_offsets expected", t->name, key);
    if (*seen & 1u << i)
        return gm_scan_fail(&p->scan, at, "'%.100s' has %s twice", t->name, key);
    *seen |= 1u << i;
    status = gm_scan_take(&p->scan, ':', "':'");
    return status == GPUMEM_OK ? parse[i](p, t) : status;
}

static gpumem_status check_tensor(parser *p, gm_safetensor *t, size_t at)
{
    uint64_t bits, n = 1;
    bool empty = false;
    for (uint32_t i = 0; i < t->ndim; i++)
        empty |= t->dim[i] == 0;
    for (uint32_t i = 0; i < t->ndim && !empty; i++)
        if (gm_mul_u64(n, t->dim[i], &n))
            return gm_scan_fail(&p->scan, at, "'%.200s': the product of its shape does not fit in 64 bits", t->name);
    t->elements = empty ? 0 : n;
    if (t->end < t->begin)
        return gm_scan_fail(&p->scan, at, "'%.200s' ends at %llu, before it begins at %llu", t->name, (unsigned long long)t->end,
                            (unsigned long long)t->begin);
    if (t->dtype == NULL)
        return GPUMEM_OK;
    if (gm_mul_u64(t->elements, t->dtype->bits, &bits))
        return gm_scan_fail(&p->scan, at, "'%.200s': its size does not fit in 64 bits", t->name);
    if (bits % 8)
        return gm_scan_fail(&p->scan, at, "'%.200s': %llu elements of %s are no whole bytes", t->name, (unsigned long long)t->elements, t->dtype_name);
    if (t->end - t->begin != bits / 8)
        return gm_scan_fail(&p->scan, at, "'%.200s' has %llu bytes, but %llu elements of %s are %llu", t->name,
                            (unsigned long long)(t->end - t->begin), (unsigned long long)t->elements, t->dtype_name, (unsigned long long)(bits / 8));
    return GPUMEM_OK;
}

static gm_safetensor *add_tensor(gm_safetensors *out)
{
    if (out->ntensor == out->room) {
        uint32_t room = out->room ? out->room * 2 : 64;
        gm_safetensor *now = realloc(out->tensor, room * sizeof *now);
        if (now == NULL)
            return NULL;
        out->tensor = now;
        out->room = room;
    }
    memset(&out->tensor[out->ntensor], 0, sizeof *out->tensor);
    return &out->tensor[out->ntensor];
}

static gpumem_status parse_tensor(parser *p, const char *name, uint32_t n, size_t at)
{
    gm_safetensor *t = add_tensor(p->out);
    uint32_t found;
    unsigned seen = 0;
    bool more = true;
    gpumem_status status = t ? gm_scan_take(&p->scan, '{', "an entry, {dtype, shape, data_offsets},") : gm_no_memory(p->scan.err);
    if (status != GPUMEM_OK)
        return status;
    t->name = name;
    t->nname = n;
    if (gm_nameset_put(&p->names, name, n, p->out->ntensor, &found))
        return gm_no_memory(p->scan.err);
    if (found != p->out->ntensor)
        return gm_scan_fail(&p->scan, at, "'%.200s' is there twice", name);
    p->out->ntensor++;
    while (more)
        if ((status = parse_field(p, t, &seen)) != GPUMEM_OK || (status = gm_scan_more(&p->scan, '}', &more)) != GPUMEM_OK)
            return status;
    for (unsigned i = 0; i < 3; i++)
        if (!(seen & 1u << i))
            return gm_scan_fail(&p->scan, at, "'%.200s' has no %s", name, field_name[i]);
    return check_tensor(p, t, at);
}

/* Strings by string; none of them is needed. */
static gpumem_status parse_metadata(parser *p, size_t at)
{
    gpumem_status status = gm_scan_take(&p->scan, '{', "__metadata__, an object of strings,");
    gm_nameset names = {0};
    char *s;
    uint32_t n, found;
    bool more;
    if (status != GPUMEM_OK)
        return status;
    if (p->metadata)
        return gm_scan_fail(&p->scan, at, "'__metadata__' is there twice");
    p->metadata = true;
    more = gm_scan_peek(&p->scan) != '}';
    if (!more)
        p->scan.at++;
    for (uint32_t i = 0; more && status == GPUMEM_OK; i++) {
        if ((status = gm_scan_string(&p->scan, "a key of __metadata__, in double quotes,", &s, &n)) != GPUMEM_OK)
            break;
        if (gm_nameset_put(&names, s, n, i, &found))
            status = gm_no_memory(p->scan.err);
        else if (found != i)
            status = gm_scan_fail(&p->scan, p->scan.at - 1, "__metadata__ has the key '%.100s' twice", s);
        if (status == GPUMEM_OK && (status = gm_scan_take(&p->scan, ':', "':'")) == GPUMEM_OK &&
            (status = gm_scan_string(&p->scan, "a string, for __metadata__ has only those,", &s, &n)) == GPUMEM_OK)
            status = gm_scan_more(&p->scan, '}', &more);
    }
    gm_nameset_free(&names);
    return status;
}

static gpumem_status parse_entry(parser *p)
{
    gpumem_status status;
    char *name;
    uint32_t n;
    size_t at;
    gm_scan_peek(&p->scan);
    at = p->scan.at;
    if ((status = gm_scan_string(&p->scan, "the name of a tensor, in double quotes,", &name, &n)) != GPUMEM_OK ||
        (status = gm_scan_take(&p->scan, ':', "':'")) != GPUMEM_OK)
        return status;
    return strcmp(name, "__metadata__") == 0 ? parse_metadata(p, at) : parse_tensor(p, name, n, at);
}

static gpumem_status parse(parser *p)
{
    gpumem_status status;
    bool more;
    if (p->scan.text[p->scan.at] != '{')
        return gm_scan_fail(&p->scan, p->scan.at, "a header starts with '{'");
    p->scan.at++;
    more = gm_scan_peek(&p->scan) != '}';
    if (!more)
        p->scan.at++;
    while (more)
        if ((status = parse_entry(p)) != GPUMEM_OK || (status = gm_scan_more(&p->scan, '}', &more)) != GPUMEM_OK)
            return status;
    return gm_scan_end(&p->scan);
}

/* ---- the data: from the first byte to the last, each once -------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const gm_safetensor *x = *(const gm_safetensor *const *)a, *y = *(const gm_safetensor *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static gpumem_status follows(const char *file, const gm_safetensor *before, const gm_safetensor *t, gpumem_error *err)
{
    uint64_t end = before ? before->end : 0;
    if (t->begin == end)
        return GPUMEM_OK;
    if (t->begin < end)
        return gm_fail(err, GPUMEM_ESYNTAX, file, 0, 0, "data_offsets of '%.150s' and '%.150s' overlap: %llu is before %llu", before->name, t->name,
                       (unsigned long long)t->begin, (unsigned long long)end);
    return gm_fail(err, GPUMEM_ESYNTAX, file, 0, 0, "the data have a hole before '%.200s': bytes %llu to %llu are of no tensor", t->name,
                   (unsigned long long)end, (unsigned long long)t->begin);
}

static bool in_order(const gm_safetensors *s)
{
    for (uint32_t i = 1; i < s->ntensor; i++)
        if (s->tensor[i].begin < s->tensor[i - 1].end)
            return false;
    return true;
}

static gpumem_status check_sorted(const char *file, const gm_safetensors *s, const gm_safetensor *const *sorted, uint64_t *end, gpumem_error *err)
{
    const gm_safetensor *before = NULL;
    for (uint32_t i = 0; i < s->ntensor; i++) {
        const gm_safetensor *t = sorted ? sorted[i] : &s->tensor[i];
        gpumem_status status = follows(file, before, t, err);
        if (status != GPUMEM_OK)
            return status;
        before = t;
    }
    *end = before ? before->end : 0;
    return GPUMEM_OK;
}

static gpumem_status check_data(const gm_reader *r, const gm_safetensors *s, gpumem_error *err)
{
    const gm_safetensor **sorted = NULL;
    gpumem_status status;
    uint64_t end;
    if (!in_order(s)) {
        if ((sorted = malloc(s->ntensor * sizeof *sorted)) == NULL)
            return gm_no_memory(err);
        for (uint32_t i = 0; i < s->ntensor; i++)
            sorted[i] = &s->tensor[i];
        qsort(sorted, s->ntensor, sizeof *sorted, by_place);
    }
    status = check_sorted(r->name, s, sorted, &end, err);
    free(sorted);
    if (status != GPUMEM_OK || r->size == UINT64_MAX)
        return status;
    if (end != r->size - s->data)
        return gm_fail(err, GPUMEM_ESYNTAX, r->name, 0, 0, "the header describes %llu bytes of data, but the file has %llu behind it",
                       (unsigned long long)end, (unsigned long long)(r->size - s->data));
    return GPUMEM_OK;
}

gpumem_status gm_safetensors_read(gm_reader *reader, gm_safetensors *out, gpumem_error *err)
{
    parser p = {.out = out};
    gpumem_status status = read_text(reader, out, err);
    if (status != GPUMEM_OK)
        return status;
    out->large = out->header > GM_SAFETENSORS_USUAL;
    p.scan = (gm_scan){.name = reader->name, .text = out->text, .n = (size_t)out->data, .at = 8, .start = 8, .err = err};
    status = parse(&p);
    gm_nameset_free(&p.names);
    return status == GPUMEM_OK ? check_data(reader, out, err) : status;
}

void gm_safetensors_free(gm_safetensors *s)
{
    gm_arena_free(&s->arena);
    free(s->text);
    free(s->tensor);
    *s = (gm_safetensors){0};
}
