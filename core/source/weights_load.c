/* One component of a checkpoint: its files' tensors, and what they stand for. */
#include "base/checked.h"
#include "source/bin.h"
#include "source/weights_private.h"
#include "text/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONFIG (64u << 20)

gpumem_status gm_weights_warn(gpumem_weights *w, gpumem_error *err, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (w->nwarning == sizeof w->warning / sizeof *w->warning)
        return GPUMEM_OK;
    w->warning[w->nwarning] = gm_arena_strdup(&w->arena, text);
    return w->warning[w->nwarning++] ? GPUMEM_OK : gm_no_memory(err);
}

const char *gm_weights_path(gm_weights_load *l, const char *file, gpumem_status *status)
{
    size_t n = strlen(l->folder), m = strlen(file) + 1;
    char *path = gm_arena_alloc(&l->w->arena, n + m);
    *status = path ? GPUMEM_OK : gm_no_memory(l->err);
    if (path == NULL)
        return NULL;
    memcpy(path, l->folder, n);
    memcpy(path + n, file, m);
    return path;
}

gpumem_status gm_weights_reader(gm_weights_load *l, const char *file, bool must, gm_reader **out)
{
    gpumem_status s;
    const char *path = gm_weights_path(l, file, &s);
    *out = NULL;
    if (s == GPUMEM_OK)
        s = l->opener->open(l->opener, path, out, l->err);
    if (s == GPUMEM_OK && *out == NULL && must)
        return gm_fail(l->err, GPUMEM_EIO, l->opener->name, 0, 0, "the file '%.300s' is missing", path);
    return s;
}

gpumem_status gm_weights_add(gm_weights_load *l, const char *file, const gm_stored_as *t, const char *dtype, const uint64_t *dim)
{
    gpumem_weights *w = l->w;
    if (w->n == w->room) {
        uint32_t room = w->room ? w->room * 2 : 256;
        gpumem_weight *now = realloc(w->tensor, room * sizeof *now);
        if (now == NULL)
            return gm_no_memory(l->err);
        w->tensor = now;
        w->room = room;
    }
    w->tensor[w->n++] = (gpumem_weight){.name = t->name, .dtype = dtype, .file = file, .component = l->component, .dim = dim, .ndim = t->ndim,
                                        .elements = t->elements, .parameters = t->elements, .stored = t->bytes, .loaded = t->bytes};
    return GPUMEM_OK;
}

static gm_weights_file *new_file(gm_weights_load *l)
{
    gm_weights_file *f = calloc(1, sizeof *f);
    if (f) {
        f->next = l->w->file;
        l->w->file = f;
        l->w->sum.files++;
    }
    return f;
}

/* ---- safetensors ----------------------------------------------------------------------------------------------------------------- */

static gpumem_status add_one(gm_weights_load *l, const char *file, const gm_safetensor *t, const gm_shards *shards, uint32_t number)
{
    uint32_t owner = shards ? gm_nameset_find(&shards->tensor, t->name, t->nname) : number, found;
    gm_stored_as as = {t->name, t->nname, t->dtype, t->elements, t->end - t->begin, t->ndim};
    if (owner != number && owner != UINT32_MAX) /* another shard's, by the index */
        return GPUMEM_OK;
    if (gm_nameset_put(&l->w->names, t->name, t->nname, l->w->n, &found))
        return gm_no_memory(l->err);
    return found == l->w->n ? gm_weights_add(l, file, &as, t->dtype_name, t->dim) : GPUMEM_OK;
}

gpumem_status gm_weights_add_safetensors(gm_weights_load *l, const char *file, gm_reader *reader, const gm_shards *shards, uint32_t number)
{
    gm_weights_file *f = new_file(l);
    gpumem_status s = f ? gm_safetensors_read(reader, &f->safetensors, l->err) : gm_no_memory(l->err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < f->safetensors.ntensor; i++)
        s = add_one(l, file, &f->safetensors.tensor[i], shards, number);
    if (s == GPUMEM_OK && f->safetensors.large)
        s = gm_weights_warn(l->w, l->err, "%s: a header of %llu bytes: some readers refuse more than 25 MB", file, (unsigned long long)f->safetensors.header);
    return s;
}

/* ---- GGUF ---------------------------------------------------------------------------------------------------------------------------- */

/* "name-00002-of-00003.gguf": where its number and its total stand. */
static bool split_name(const char *file, size_t *prefix, unsigned *digits, unsigned *total)
{
    size_t n = strlen(file), at;
    unsigned d = 0;
    if (n < 5 || strcmp(file + n - 5, ".gguf") != 0)
        return false;
    at = n - 5;
    while (at > 0 && file[at - 1] >= '0' && file[at - 1] <= '9')
        at--;
    d = (unsigned)(n - 5 - at);
    if (d < 1 || d > 8 || at < d + 5 || memcmp(file + at - 4, "-of-", 4) != 0 || file[at - 5 - d] != '-')
        return false;
    for (size_t i = at - 4 - d; i < at - 4; i++)
        if (file[i] < '0' || file[i] > '9')
            return false;
    *total = (unsigned)strtoul(file + at, NULL, 10);
    *digits = d;
    *prefix = at - 5 - d;
    return true;
}

static gpumem_status add_gguf_tensor(gm_weights_load *l, const char *file, const gm_gguf_tensor *t)
{
    gm_stored_as as = {t->name, t->nname, NULL, t->elements, t->bytes, t->ndim};
    uint64_t *dim = gm_arena_alloc(&l->w->arena, (t->ndim ? t->ndim : 1) * sizeof *dim);
    char unknown[24], *name = NULL;
    uint32_t found;
    if (dim == NULL || gm_nameset_put(&l->w->names, t->name, t->nname, l->w->n, &found))
        return gm_no_memory(l->err);
    if (found != l->w->n)
        return gm_fail(l->err, GPUMEM_ESYNTAX, file, 0, 0, "'%.64s' is in an earlier file of the model, too", t->name);
    for (uint32_t i = 0; i < t->ndim; i++)
        dim[i] = t->dim[t->ndim - 1 - i];
    if (t->type == NULL) {
        snprintf(unknown, sizeof unknown, "type %u", (unsigned)t->id);
        if ((name = gm_arena_strdup(&l->w->arena, unknown)) == NULL)
            return gm_no_memory(l->err);
    }
    return gm_weights_add(l, file, &as, t->type ? t->type->name : name, dim);
}

static gpumem_status add_gguf_file(gm_weights_load *l, const char *file, gm_reader *reader, const gm_gguf **out)
{
    gm_weights_file *f = new_file(l);
    gpumem_status s = f ? gm_gguf_read(reader, &f->gguf, l->err) : gm_no_memory(l->err);
    for (uint32_t i = 0; s == GPUMEM_OK && i < f->gguf.ntensor; i++)
        s = add_gguf_tensor(l, file, &f->gguf.tensor[i]);
    *out = f ? &f->gguf : NULL;
    return s;
}

static int64_t whole(const gm_gguf *g, const char *key, int64_t otherwise)
{
    const gm_gguf_key *k = gm_gguf_find(g, key);
    return k && k->value.type == GM_INT ? k->value.v.i : otherwise;
}

static gpumem_status add_split(gm_weights_load *l, const char *name, int64_t number, int64_t count)
{
    const gm_gguf *g;
    gm_reader *r = NULL;
    gpumem_status s = gm_weights_reader(l, name, true, &r);
    if (s != GPUMEM_OK)
        return s;
    s = add_gguf_file(l, name, r, &g);
    if (s == GPUMEM_OK && (whole(g, "split.no", -1) != number || whole(g, "split.count", -1) != count))
        s = gm_fail(l->err, GPUMEM_ESYNTAX, r->name, 0, 0, "split.no %lld of %lld: %lld of %lld expected", (long long)whole(g, "split.no", -1),
                    (long long)whole(g, "split.count", -1), (long long)number, (long long)count);
    r->close(r);
    return s;
}

/* The other parts of a split model; `file` is its first. */
static gpumem_status add_splits(gm_weights_load *l, const char *file, const gm_gguf *first)
{
    int64_t count = whole(first, "split.count", 1), tensors = whole(first, "split.tensors.count", -1);
    size_t prefix;
    unsigned digits, total;
    gpumem_status s = GPUMEM_OK;
    if (count <= 1)
        return GPUMEM_OK;
    if (count > 65535 || !split_name(file, &prefix, &digits, &total) || total != (unsigned)count)
        return gm_fail(l->err, GPUMEM_ESYNTAX, file, 0, 0, "split.count is %lld, but the name is not that of the first of so many", (long long)count);
    for (int64_t i = 1; i < count && s == GPUMEM_OK; i++) {
        char name[1024];
        const char *kept;
        if (snprintf(name, sizeof name, "%.*s-%0*lld-of-%0*lld.gguf", (int)prefix, file, (int)digits, (long long)i + 1, (int)digits, (long long)count) >= (int)sizeof name)
            return gm_fail(l->err, GPUMEM_EIO, file, 0, 0, "the name is too long");
        kept = gm_arena_strdup(&l->w->arena, name);
        s = kept ? add_split(l, kept, i, count) : gm_no_memory(l->err);
    }
    if (s == GPUMEM_OK && tensors >= 0 && (uint64_t)tensors != l->w->n)
        s = gm_fail(l->err, GPUMEM_ESYNTAX, file, 0, 0, "split.tensors.count is %lld, but the %lld files have %u tensors", (long long)tensors, (long long)count,
                    (unsigned)l->w->n);
    return s;
}

static gpumem_status keep_metadata(gm_weights_load *l, const gm_gguf *g)
{
    gm_member *m = gm_arena_zero(&l->w->arena, g->nkey + 1u, sizeof *m);
    if (m == NULL)
        return gm_no_memory(l->err);
    for (uint32_t i = 0; i < g->nkey; i++) {
        m[i] = (gm_member){.key = g->key[i].key, .hash = gm_hash(g->key[i].key), .value = g->key[i].value};
        if (m[i].value.type == GM_NULL) /* not kept: how many there are is worth knowing */
            m[i].value = gm_int((int64_t)g->key[i].count);
    }
    l->w->metadata = (gm_value){.type = GM_MAP, .n = g->nkey, .v.map = m};
    l->w->has_metadata = true;
    return GPUMEM_OK;
}

gpumem_status gm_weights_add_gguf(gm_weights_load *l, const char *file, gm_reader *reader)
{
    const gm_gguf *g;
    gpumem_status s = add_gguf_file(l, file, reader, &g);
    size_t prefix;
    unsigned digits, total;
    if (s == GPUMEM_OK && whole(g, "split.count", 1) > 1 && whole(g, "split.no", 0) != 0)
        return split_name(file, &prefix, &digits, &total)
                   ? gm_fail(l->err, GPUMEM_ESYNTAX, reader->name, 0, 0, "is part %lld of a split model: name its first, '%.*s-%0*d-of-%0*u.gguf'",
                             (long long)whole(g, "split.no", 0) + 1, (int)prefix, file, (int)digits, 1, (int)digits, total)
                   : gm_fail(l->err, GPUMEM_ESYNTAX, reader->name, 0, 0, "is part %lld of a split model: name its first", (long long)whole(g, "split.no", 0) + 1);
    if (s == GPUMEM_OK)
        s = keep_metadata(l, g);
    return s == GPUMEM_OK ? add_splits(l, file, g) : s;
}

/* ---- .bin ------------------------------------------------------------------------------------------------------------------------------ */

gpumem_status gm_weights_add_bin(gm_weights_load *l, const char *const *file, uint32_t nfile, const gm_shards *shards, gm_reader *opened)
{
    uint64_t sum = 0, bytes;
    bool exact = true, one;
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; i < nfile && s == GPUMEM_OK && !(shards && shards->has_total); i++) {
        gm_reader *r = opened;
        if (!opened && (s = gm_weights_reader(l, file[i], true, &r)) != GPUMEM_OK)
            return s;
        s = gm_bin_size(r, &bytes, &one, l->err);
        if (s == GPUMEM_OK && gm_add_u64(sum, bytes, &sum))
            s = gm_fail(l->err, GPUMEM_ERANGE, r->name, 0, 0, "the sizes of the files do not fit in 64 bits");
        exact &= one;
        if (!opened)
            r->close(r);
    }
    if (s != GPUMEM_OK)
        return s;
    if (shards && shards->has_total)
        sum = shards->total;
    else if (!exact)
        s = gm_weights_warn(l->w, l->err, "%s: an old form, sized as a whole: its bytes include names and structure", file[0]);
    l->w->sum.files += nfile;
    l->w->sum.exact = false;
    l->w->sum.stored += sum;
    l->w->sum.loaded += sum;
    return s;
}

/* ---- counting ---------------------------------------------------------------------------------------------------------------------------- */

static gpumem_status read_json(gm_weights_load *l, const char *file, const gm_value **out)
{
    gm_reader *r;
    gpumem_status s = gm_weights_reader(l, file, false, &r);
    gm_value *v;
    char *text;
    size_t n;
    *out = NULL;
    if (s != GPUMEM_OK || r == NULL)
        return s;
    s = gm_reader_text(r, MAX_CONFIG, &text, &n, l->err);
    v = gm_arena_zero(&l->arena, 1, sizeof *v);
    if (s == GPUMEM_OK)
        s = v ? gm_json_parse(&l->arena, r->name, text, n, v, l->err) : gm_no_memory(l->err);
    free(text);
    r->close(r);
    *out = v;
    return s;
}

/* Old ways to say how it is quantised; looked for only where tensors are, and config.json does not say it. */
static gpumem_status read_side(gm_weights_load *l, const gm_value **out)
{
    static const char *const name[] = {"hf_quant_config.json", "quantize_config.json", "quant_config.json"};
    gpumem_status s = GPUMEM_OK;
    *out = NULL;
    for (unsigned i = 0; i < 3 && s == GPUMEM_OK && *out == NULL; i++)
        s = read_json(l, name[i], out);
    return s;
}

static gm_stored_as as_stored(const gpumem_weight *t)
{
    return (gm_stored_as){t->name, (uint32_t)strlen(t->name), gm_dtype_of(t->dtype, strlen(t->dtype)), t->elements, t->stored, t->ndim};
}

static gpumem_status find_method(gm_weights_load *l, uint32_t first, gm_quantised *q)
{
    const gm_value *side = NULL;
    gpumem_status s = gm_quantised_read(l->config, NULL, q, l->err);
    gm_quantised look = *q;
    if (s != GPUMEM_OK || q->method)
        return s;
    for (uint32_t i = first; i < l->w->n && look.method == NULL; i++) {
        gm_stored_as as = as_stored(&l->w->tensor[i]);
        gm_quantised_guess(&look, &as, &l->w->names);
    }
    if (look.method == NULL || (s = read_side(l, &side)) != GPUMEM_OK)
        return s;
    if (side == NULL) {
        *q = look;
        return GPUMEM_OK;
    }
    gm_quantised_free(q);
    return gm_quantised_read(l->config, side, q, l->err);
}

static gpumem_status set_rule(gm_weights_load *l, const gm_quantised *q, bool gguf)
{
    gpumem_weights_totals *sum = &l->w->sum;
    char text[200];
    if (gguf)
        snprintf(text, sizeof text, "as stored");
    else if (q->method && q->dtype)
        snprintf(text, sizeof text, "packed weights and their scales as stored, other floating-point tensors in the config's %s", q->dtype_name);
    else if (q->dtype)
        snprintf(text, sizeof text, "floating-point tensors in the config's %s, others as stored", q->dtype_name);
    else
        snprintf(text, sizeof text, "as stored: no config says a dtype");
    if (q->method && sum->quantisation == NULL && (sum->quantisation = gm_arena_strdup(&l->w->arena, q->method)) == NULL)
        return gm_no_memory(l->err);
    if (sum->rule == NULL && (sum->rule = gm_arena_strdup(&l->w->arena, text)) == NULL)
        return gm_no_memory(l->err);
    return GPUMEM_OK;
}

static gpumem_status add_row(gm_weights_load *l, const gpumem_weight *t)
{
    gpumem_weights *w = l->w;
    gpumem_weights_dtype *row;
    uint32_t i = 0;
    while (i < w->ndtype && strcmp(w->dtype[i].name, t->dtype) != 0)
        i++;
    if (i == w->ndtype) {
        if ((row = realloc(w->dtype, (i + 1u) * sizeof *row)) == NULL)
            return gm_no_memory(l->err);
        w->dtype = row;
        w->dtype[w->ndtype++] = (gpumem_weights_dtype){.name = t->dtype};
    }
    row = &w->dtype[i];
    row->tensors++;
    if (gm_add_u64(row->parameters, t->parameters, &row->parameters) || gm_add_u64(row->stored, t->stored, &row->stored) ||
        gm_add_u64(w->sum.parameters, t->parameters, &w->sum.parameters) || gm_add_u64(w->sum.stored, t->stored, &w->sum.stored) ||
        gm_add_u64(w->sum.loaded, t->loaded, &w->sum.loaded))
        return gm_fail(l->err, GPUMEM_ERANGE, l->opener->name, 0, 0, "the sums over the tensors do not fit in 64 bits");
    w->sum.tensors++;
    return GPUMEM_OK;
}

static void count_bin(gm_weights_load *l, const gm_quantised *q)
{
    l->w->sum.parameters = l->w->sum.stored / (q->dtype ? q->dtype->bits / 8 : 4);
}

gpumem_status gm_weights_count(gm_weights_load *l, uint32_t first, bool gguf)
{
    gm_quantised q = {0};
    gpumem_status s = GPUMEM_OK;
    if (!gguf && l->config == NULL)
        s = read_json(l, "config.json", &l->config);
    if (s == GPUMEM_OK && !gguf)
        s = find_method(l, first, &q);
    for (uint32_t i = first; s == GPUMEM_OK && i < l->w->n; i++) {
        gpumem_weight *t = &l->w->tensor[i];
        gm_stored_as as = as_stored(t);
        if (!gguf) {
            t->parameters = gm_quantised_parameters(&q, &as, &l->w->names);
            t->loaded = gm_quantised_loaded(&q, &as, t->parameters);
        }
        s = q.short_of_memory ? gm_no_memory(l->err) : add_row(l, t);
    }
    if (s == GPUMEM_OK && !l->w->sum.exact)
        count_bin(l, &q);
    if (s == GPUMEM_OK)
        s = set_rule(l, &q, gguf);
    gm_quantised_free(&q);
    return s;
}
