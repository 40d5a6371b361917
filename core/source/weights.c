/* Which files of a folder are its weights. */
#include "base/ends.h"
#include "source/weights_private.h"
#include "text/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one component --------------------------------------------------------------------------------------------------------------- */

static gpumem_status expect_shards(gm_weights_load *l, const gm_shards *shards)
{
    const char **path;
    gpumem_status s = GPUMEM_OK;
    if (l->opener->expect == NULL || shards->nfile == 0)
        return GPUMEM_OK;
    if ((path = calloc(shards->nfile, sizeof *path)) == NULL)
        return gm_no_memory(l->err);
    for (uint32_t i = 0; i < shards->nfile && s == GPUMEM_OK; i++)
        path[i] = gm_weights_path(l, shards->file[i], &s);
    if (s == GPUMEM_OK)
        s = l->opener->expect(l->opener, path, shards->nfile, l->err);
    free(path);
    return s;
}

/* Names the shards that are not there: the first three of them. */
static gpumem_status missing_shards(gm_weights_load *l, const char *const *name, uint32_t n, uint32_t of)
{
    char text[300];
    size_t at = 0;
    for (uint32_t i = 0; i < n && i < 3 && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.80s", i ? ", " : "", name[i]);
    return gm_fail(l->err, GPUMEM_EIO, l->opener->name, 0, 0, "%u of %u shards %s missing: %s%s", (unsigned)n, (unsigned)of, n == 1 ? "is" : "are", text,
                   n > 3 ? ", ..." : "");
}

static gpumem_status add_shard(gm_weights_load *l, const gm_shards *shards, uint32_t i, bool *missing)
{
    gm_reader *r;
    gpumem_status s = gm_weights_reader(l, shards->file[i], false, &r);
    const char *name;
    *missing = s == GPUMEM_OK && r == NULL;
    if (s != GPUMEM_OK || r == NULL)
        return s;
    name = gm_weights_path(l, shards->file[i], &s);
    if (s == GPUMEM_OK)
        s = gm_weights_add_safetensors(l, name, r, shards, i);
    r->close(r);
    return s;
}

/* Has every tensor of the index been found? */
static gpumem_status check_index(gm_weights_load *l, const char *index, const gm_shards *shards)
{
    const char *lost = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < shards->tensor.size; i++) {
        const gm_named *e = &shards->tensor.slot[i];
        if (e->name && gm_nameset_find(&l->w->names, e->name, e->n) == UINT32_MAX) {
            n++;
            if (lost == NULL || strcmp(e->name, lost) < 0)
                lost = e->name;
        }
    }
    if (n)
        return gm_fail(l->err, GPUMEM_ESYNTAX, index, 0, 0, "%u tensor%s of the index %s in no shard: '%.200s'%s", (unsigned)n, n == 1 ? "" : "s",
                       n == 1 ? "is" : "are", lost, n > 1 ? " and others" : "");
    if (l->w->names.n > shards->tensor.n)
        return gm_weights_warn(l->w, l->err, "%s: %u tensors of the shards are not in the index", index, (unsigned)(l->w->names.n - shards->tensor.n));
    return GPUMEM_OK;
}

static gpumem_status add_shards(gm_weights_load *l, const char *index, const gm_shards *shards)
{
    const char **lost = calloc(shards->nfile ? shards->nfile : 1, sizeof *lost);
    gpumem_status s = lost ? expect_shards(l, shards) : gm_no_memory(l->err);
    uint32_t nlost = 0;
    for (uint32_t i = 0; i < shards->nfile && s == GPUMEM_OK; i++) {
        bool missing = false;
        s = add_shard(l, shards, i, &missing);
        if (missing)
            lost[nlost++] = shards->file[i];
    }
    if (s == GPUMEM_OK && nlost)
        s = missing_shards(l, lost, nlost, shards->nfile);
    free(lost);
    return s == GPUMEM_OK ? check_index(l, index, shards) : s;
}

static gpumem_status add_index(gm_weights_load *l, const char *file, gm_reader *r)
{
    gm_shards shards = {0};
    gpumem_status s = gm_shards_read(r, &shards, l->err);
    bool bin = s == GPUMEM_OK && shards.nfile && !gm_ends(shards.file[0], ".safetensors");
    l->w->sum.format = bin ? "bin" : "safetensors";
    if (s == GPUMEM_OK)
        s = bin ? gm_weights_add_bin(l, shards.file, shards.nfile, &shards, NULL) : add_shards(l, file, &shards);
    gm_shards_free(&shards);
    return s;
}

/* By its first bytes, where its name does not tell. */
static gpumem_status is_gguf(gm_reader *r, const char *file, gpumem_error *err, bool *yes)
{
    char magic[4];
    gpumem_status s;
    *yes = gm_ends(file, ".gguf");
    if (*yes || gm_ends(file, ".safetensors") || (r->size != UINT64_MAX && r->size < 4))
        return GPUMEM_OK;
    s = r->read(r, 0, 4, magic, err);
    *yes = s == GPUMEM_OK && memcmp(magic, "GGUF", 4) == 0;
    return s;
}

static gpumem_status add_file(gm_weights_load *l, const char *file, gm_reader *r, bool *gguf)
{
    gpumem_status s;
    const char *path = gm_weights_path(l, file, &s);
    *gguf = false;
    if (s != GPUMEM_OK)
        return s;
    if (gm_ends(file, ".json"))
        return add_index(l, path, r);
    if (gm_ends(file, ".bin") || gm_ends(file, ".pt") || gm_ends(file, ".pth")) {
        l->w->sum.format = "bin";
        return gm_weights_add_bin(l, &file, 1, NULL, r);
    }
    if ((s = is_gguf(r, file, l->err, gguf)) != GPUMEM_OK)
        return s;
    l->w->sum.format = *gguf ? "gguf" : "safetensors";
    return *gguf ? gm_weights_add_gguf(l, path, r) : gm_weights_add_safetensors(l, path, r, NULL, 0);
}

static gpumem_status load_file(gm_weights_load *l, const char *file, bool must, bool *found)
{
    gm_reader *r;
    uint32_t first = l->w->n;
    bool gguf;
    gpumem_status s = gm_weights_reader(l, file, must, &r);
    *found = r != NULL;
    if (s != GPUMEM_OK || r == NULL)
        return s;
    gm_nameset_free(&l->w->names);
    s = add_file(l, file, r, &gguf);
    r->close(r);
    if (s == GPUMEM_OK)
        s = gm_weights_count(l, first, gguf);
    if (l->w->ncomponent++) /* names are unique in a component only */
        gm_nameset_free(&l->w->names);
    gm_arena_free(&l->arena);
    return s;
}

static gpumem_status load_first(gm_weights_load *l, const char *const *file, size_t n, bool *found)
{
    gpumem_status s = GPUMEM_OK;
    *found = false;
    for (size_t i = 0; i < n && s == GPUMEM_OK && !*found; i++)
        s = load_file(l, file[i], false, found);
    return s;
}

/* ---- layouts of several components ------------------------------------------------------------------------------------------------- */

static gpumem_status load_component(gm_weights_load *l, const char *name, const char *const *file, size_t nfile)
{
    gm_weights_load part = *l;
    char folder[300];
    bool found;
    part.arena = (gm_arena){0};
    part.config = NULL;
    snprintf(folder, sizeof folder, "%s/", name);
    part.folder = gm_arena_strdup(&l->w->arena, folder);
    part.component = gm_arena_strdup(&l->w->arena, name);
    if (part.folder == NULL || part.component == NULL)
        return gm_no_memory(l->err);
    gpumem_status s = load_first(&part, file, nfile, &found);
    gm_arena_free(&part.arena);
    return s;
}

/* Parts of a pipeline without weights, by what diffusers calls their classes; others are asked for. */
static bool has_weights(const gm_value *entry)
{
    static const char *const without[] = {"Scheduler", "Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor"};
    const char *name;
    if (entry->type != GM_LIST || entry->n < 2 || entry->v.list[1].type != GM_STRING)
        return false;
    name = entry->v.list[1].v.s;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (gm_ends(name, without[i]))
            return false;
    return true;
}

static gpumem_status load_pipeline(gm_weights_load *l, const gm_value *index)
{
    static const char *const file[] = {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json", "model.safetensors",
                                       "model.safetensors.index.json", "diffusion_pytorch_model.bin", "pytorch_model.bin", "pytorch_model.bin.index.json"};
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; index->type == GM_MAP && i < index->n && s == GPUMEM_OK; i++) {
        const gm_member *m = &index->v.map[i];
        if (m->key[0] != '_' && strlen(m->key) < 200 && gm_safe_name(m->key) && has_weights(&m->value))
            s = load_component(l, m->key, file, sizeof file / sizeof *file);
    }
    return s;
}

static gpumem_status load_modules(gm_weights_load *l, const gm_value *modules)
{
    static const char *const file[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"};
    gpumem_status s = GPUMEM_OK;
    for (uint32_t i = 0; modules->type == GM_LIST && i < modules->n && s == GPUMEM_OK; i++) {
        const gm_value *m = &modules->v.list[i], *path = m->type == GM_MAP ? gm_value_get(m, "path") : NULL;
        if (path && path->type == GM_STRING && path->n && path->n < 200 && gm_safe_name(path->v.s))
            s = load_component(l, path->v.s, file, 3);
    }
    return s;
}

static gpumem_status load_layout(gm_weights_load *l, const char *file, gpumem_status (*load)(gm_weights_load *, const gm_value *))
{
    gm_arena arena = {0};
    gm_reader *r;
    gm_value v;
    char *text;
    size_t n;
    gpumem_status s = gm_weights_reader(l, file, false, &r);
    if (s != GPUMEM_OK || r == NULL)
        return s;
    s = gm_reader_text(r, 16u << 20, &text, &n, l->err);
    if (s == GPUMEM_OK)
        s = gm_json_parse(&arena, r->name, text, n, &v, l->err);
    free(text);
    r->close(r);
    if (s == GPUMEM_OK)
        s = load(l, &v);
    gm_arena_free(&arena);
    return s;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------------- */

static gpumem_status load_folder(gm_weights_load *l)
{
    static const char *const usual[] = {"model.safetensors", "model.safetensors.index.json"};
    static const char *const other[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "diffusion_pytorch_model.safetensors",
                                        "diffusion_pytorch_model.safetensors.index.json", "adapter_model.safetensors", "adapter_model.bin",
                                        "consolidated.safetensors"};
    bool found;
    gpumem_status s = load_first(l, usual, 2, &found);
    if (s == GPUMEM_OK && !found && (s = load_layout(l, "model_index.json", load_pipeline)) == GPUMEM_OK)
        found = l->w->ncomponent > 0;
    if (s == GPUMEM_OK && !found)
        s = load_first(l, other, sizeof other / sizeof *other, &found);
    if (s == GPUMEM_OK && l->w->sum.files <= 1 && l->w->ncomponent <= 1)
        s = load_layout(l, "modules.json", load_modules);
    return s;
}

static int by_bytes(const void *a, const void *b)
{
    const gpumem_weights_dtype *x = a, *y = b;
    return x->stored != y->stored ? (x->stored < y->stored ? 1 : -1) : strcmp(x->name, y->name);
}

bool gm_weights_is_extra(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file, *of = strstr(name, "-of-"), *number = of;
    while (number && number > name && number[-1] >= '0' && number[-1] <= '9')
        number--;
    return (of && strtoul(number, NULL, 10) > 1) || strncmp(name, "mmproj", 6) == 0 || strstr(name, "imatrix");
}

gpumem_status gm_weights_open(gm_opener *opener, const char *file, const gm_value *config, gpumem_weights **out, gpumem_error *err)
{
    gpumem_weights *w = calloc(1, sizeof *w);
    gm_weights_load l = {.opener = opener, .w = w, .folder = "", .component = "", .config = config, .err = err};
    gpumem_status s;
    bool found;
    *out = NULL;
    if (w == NULL)
        return gm_no_memory(err);
    w->sum.exact = true;
    s = file ? load_file(&l, file, true, &found) : load_folder(&l);
    gm_arena_free(&l.arena);
    if (s == GPUMEM_OK && w->ncomponent == 0) {
        s = gm_fail(err, GPUMEM_EIO, opener->name, 0, 0, "no weights are there");
        gm_tip(err, "looked for: model.safetensors, its index, pytorch_model.bin, model_index.json, modules.json");
    }
    if (s != GPUMEM_OK) {
        gpumem_weights_free(w);
        return s;
    }
    if (w->ndtype)
        qsort(w->dtype, w->ndtype, sizeof *w->dtype, by_bytes);
    *out = w;
    return GPUMEM_OK;
}

void gpumem_weights_free(gpumem_weights *w)
{
    if (w == NULL)
        return;
    for (gm_weights_file *f = w->file, *next; f; f = next) {
        next = f->next;
        gm_safetensors_free(&f->safetensors);
        gm_gguf_free(&f->gguf);
        free(f);
    }
    gm_nameset_free(&w->names);
    gm_arena_free(&w->arena);
    free(w->tensor);
    free(w->dtype);
    free(w);
}

const gpumem_weights_totals *gpumem_weights_sum(const gpumem_weights *w) { return &w->sum; }
const gm_value *gm_weights_metadata(const gpumem_weights *w) { return w->has_metadata ? &w->metadata : NULL; }

size_t gpumem_weights_dtypes(const gpumem_weights *w, const gpumem_weights_dtype **rows)
{
    *rows = w->dtype;
    return w->ndtype;
}

size_t gpumem_weights_warnings(const gpumem_weights *w, const char *const **warnings)
{
    *warnings = w->warning;
    return w->nwarning;
}

size_t gpumem_weights_tensors(const gpumem_weights *w, const gpumem_weight **tensors)
{
    *tensors = w->tensor;
    return w->n;
}
