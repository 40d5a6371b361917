/* Every row of the tables that PyTorch and transformers made (README.md), against what this project says.  A row must be exact, or be listed below
 * with the reason why the table is not the truth. */
#include "tables.h"
#include "base/value.h"
#include "text/file.h"
#include "text/json.h"

static gm_arena kept; /* tables */

/* ---- rows ---- */

typedef struct tally { unsigned compared, listed, wrong; } tally;

static const char *string_at(const gm_value *map, const char *key)
{
    const gm_value *v = gm_value_get(map, key);
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

static void wrong(tally *t, const gm_value *row, const char *what, const char *have, const char *want)
{
    gpumem_text text = {0};
    gm_value_json(row, &text);
    if (t->wrong++ < 20)
        fprintf(stderr, "%s: %s, but the table says %s: %.400s\n", what, have, want, text.s);
    gpumem_text_free(&text);
}

/* The case that a row is, without what was measured. */
static void case_of(const gm_value *row, const char *const *drop, gpumem_text *out)
{
    bool first = true;
    gpumem_text_char(out, '{');
    for (uint32_t i = 0; i < row->n; i++) {
        const gm_member *m = &row->v.map[i];
        bool keep = true;
        for (const char *const *d = drop; *d; d++)
            keep = keep && strcmp(*d, m->key) != 0;
        if (!keep)
            continue;
        gpumem_text_puts(out, first ? "" : ", ");
        gpumem_text_json(out, m->key, strlen(m->key));
        gpumem_text_puts(out, ": ");
        gm_value_json(&m->value, out);
        first = false;
    }
    gpumem_text_char(out, '}');
}

/* The result of a case; NULL: an error, which is wrong unless t is NULL. */
static const gm_value *ask(gm_arena *arena, const gm_value *row, const gpumem_text *line, tally *t)
{
    gpumem_text out = {0};
    gm_value *result = gm_arena_zero(arena, 1, sizeof *result);
    const gm_value *error;
    ck_assert_int_eq(gpumem_batch_line(batch, line->s, line->n, &out), GPUMEM_OK);
    ck_assert_int_eq(gm_json_parse(arena, "result", out.s, out.n, result, NULL), GPUMEM_OK);
    gpumem_text_free(&out);
    error = gm_value_get(result, "error");
    if (error) {
        if (t)
            wrong(t, row, "error", string_at(error, "message"), "something else");
        return NULL;
    }
    return result;
}

static bool same(const gm_value *row, const gm_value *result, const char *key, tally *t)
{
    const gm_value *want = gm_value_get(row, key), *have = gm_value_get(result, key);
    char a[128], b[128];
    if (want == NULL)
        return true;
    if (have && gm_value_equal(want, have))
        return true;
    if (t)
        wrong(t, row, key, have ? gm_value_show(have, a, sizeof a) : "absent", gm_value_show(want, b, sizeof b));
    return false;
}

static void each_row(const char *path, void (*row)(gm_arena *arena, const gm_value *row, tally *t), tally *t)
{
    char *text, *line, *end;
    size_t n;
    gm_arena arena = {0};
    gpumem_error err = {0};
    ck_assert_int_eq(gm_file_read(&kept, path, 64 << 20, &text, &n, &err), GPUMEM_OK);
    for (line = text; *line; line = end + 1) {
        gm_value v;
        end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        gm_arena_clear(&arena);
        gm_json_parse(&arena, path, line, (size_t)(end - line), &v, &err);
        ck_assert_msg(err.status == GPUMEM_OK, "%s", err.message);
        row(&arena, &v, t);
    }
    gm_arena_free(&arena);
}

static void report(const char *name, const tally *t)
{
    printf("%s: %u compared, %u listed, %u wrong\n", name, t->compared, t->listed, t->wrong);
    ck_assert_uint_eq(t->wrong, 0);
}

/* ---- params.jsonl: counts ---- */

static void params_row(gm_arena *arena, const gm_value *row, tally *t)
{
    static const char *const drop[] = {"parameters", NULL};
    gpumem_text line = {0};
    const gm_value *result;
    case_of(row, drop, &line);
    result = ask(arena, row, &line, t);
    gpumem_text_free(&line);
    if (result == NULL)
        return;
    t->compared++;
    same(row, result, "parameters", t);
    same(row, result, "class", t);
}

START_TEST(params)
{
    tally t = {0};
    each_row(ORACLE "/params.jsonl", params_row, &t);
    report("params.jsonl", &t);
    ck_assert_uint_eq(t.compared, 2225);
}
END_TEST

/* ---- memory.jsonl: bytes ---- */

/* Where the table is not the truth.  What it should say is known in each case, and checked. */
enum { AS_FOR_LOOP = 1 };
typedef struct exception { const char *optimizer, *implementation, *config, *attention; int how; const char *reason; } exception;
static const exception exceptions[] = {
    {"adagrad", "foreach", NULL, NULL, AS_FOR_LOOP,
     "torch.optim.Adagrad makes its sums in the constructor, before the trace begins, and only its for-loop touches them one by one; foreach "
     "hides them from the tracer: they are as large as with for-loop"},
};

static bool matches(const char *pattern, const gm_value *row, const char *key)
{
    const char *have = string_at(row, key);
    return pattern == NULL || (have && strcmp(pattern, have) == 0);
}

static const exception *excepted(const gm_value *row)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
        const exception *e = &exceptions[i];
        if (matches(e->optimizer, row, "optimizer") && matches(e->implementation, row, "implementation") && matches(e->config, row, "config") &&
            matches(e->attention, row, "attention"))
            return e;
    }
    return NULL;
}

static struct { char name[96]; int64_t between; } adagrad[16]; /* what the table says of adagrad with for-loop */
static unsigned nadagrad;

static void remember_adagrad(gm_arena *arena, const gm_value *row, tally *t)
{
    (void)arena;
    (void)t;
    if (!matches("adagrad", row, "optimizer") || !matches("for-loop", row, "implementation"))
        return;
    ck_assert_uint_lt(nadagrad, 16);
    snprintf(adagrad[nadagrad].name, sizeof adagrad[nadagrad].name, "%s", string_at(row, "name"));
    adagrad[nadagrad++].between = gm_value_get(row, "between_steps")->v.i;
}

static int64_t corrected(const gm_value *row)
{
    int64_t n = gm_value_get(row, "between_steps")->v.i;
    for (unsigned i = 0; i < nadagrad; i++)
        if (strcmp(adagrad[i].name, string_at(row, "name")) == 0)
            return adagrad[i].between;
    return n;
}

static void memory_row(gm_arena *arena, const gm_value *row, tally *t)
{
    static const char *const drop[] = {"class", "parameters", "trainable", "weights", "peak_prefill", "after_prefill", "cache", "peak_decode",
        "after_decode", "peak_phase", "peak", "peak_op", "between_steps", "after_forward", "held_for_backward", "kept", "peak_forward",
        "peak_backward", "after_backward", "peak_step", "after_step", NULL};
    static const char *const exact[] = {"class", "parameters", "trainable", "weights"};
    const exception *e = excepted(row);
    gpumem_text line = {0};
    const gm_value *result;
    case_of(row, drop, &line);
    result = ask(arena, row, &line, t);
    gpumem_text_free(&line);
    if (result == NULL)
        return;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        same(row, result, exact[i], t);
    if (e == NULL) {
        same(row, result, "between_steps", t);
        t->compared++;
        return;
    }
    t->listed++;
    if (same(row, result, "between_steps", NULL))
        wrong(t, row, "between_steps", "as in the table", e->reason);
    else if (gm_value_get(result, "between_steps")->v.i != corrected(row))
        wrong(t, row, "between_steps", "other bytes", e->reason);
}

START_TEST(memory)
{
    tally t = {0}, none = {0};
    each_row(ORACLE "/memory.jsonl", remember_adagrad, &none);
    each_row(ORACLE "/memory.jsonl", memory_row, &t);
    report("memory.jsonl", &t);
    ck_assert_uint_eq(t.compared + t.listed, 684);
}
END_TEST

START_TEST(optimizers)
{
    tally t = {0};
    each_row(ORACLE "/optimizers.jsonl", memory_row, &t);
    report("optimizers.jsonl", &t);
    ck_assert_uint_eq(t.compared, 86);
}
END_TEST

/* ---- configs.tsv: whole configs as they were published ---- */

typedef struct fields { char *at[8]; unsigned n; } fields;

static fields split(char *line, const char *between)
{
    fields f = {0};
    char *next;
    for (; line && f.n < 8; line = next) {
        next = strstr(line, between);
        if (next) {
            *next = '\0';
            next += strlen(between);
        }
        f.at[f.n++] = line;
    }
    return f;
}

static uint64_t tensors_of(const gpumem_model *m)
{
    const gpumem_description *d = gpumem_model_description(m);
    uint64_t n = 0;
    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = d->block[b].tensor0; i < d->block[b].tensor0 + d->block[b].ntensor; i++)
            if (d->tensor[i].role == GPUMEM_ROLE_WEIGHT && d->tensor[i].storage == GPUMEM_NONE)
                n += d->tensor[i].scope == GPUMEM_SCOPE_MODEL ? 1 : d->block[b].count;
    return n;
}

static void config_row(const fields *f, tally *t)
{
    gpumem_model_options options = {.class_name = f->at[2]};
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    gpumem_error err = {0};
    char path[512];
    snprintf(path, sizeof path, ORACLE "/configs/%s.json", f->at[0]);
    gpumem_config_open(host, path, &config, &err);
    if (err.status == GPUMEM_OK)
        gpumem_model_new(host, config, &options, &model, &err);
    if (err.status != GPUMEM_OK) {
        if (t->wrong++ < 20)
            fprintf(stderr, "%s: %s\n", path, err.message);
    } else {
        t->compared++;
        if (gpumem_model_parameters(model) != strtoull(f->at[3], NULL, 10) || tensors_of(model) != strtoull(f->at[4], NULL, 10)) {
            fprintf(stderr, "%s: %llu parameters in %llu tensors, but the table says %s in %s\n", path,
                    (unsigned long long)gpumem_model_parameters(model), (unsigned long long)tensors_of(model), f->at[3], f->at[4]);
            t->wrong++;
        }
    }
    gpumem_model_free(model);
    gpumem_config_free(config);
}

START_TEST(configs)
{
    tally t = {0};
    char *text, *line, *next;
    size_t n;
    ck_assert_int_eq(gm_file_read(&kept, ORACLE "/configs.tsv", 1 << 20, &text, &n, NULL), GPUMEM_OK);
    for (line = strchr(text, '\n') + 1; *line; line = next) {
        next = strchr(line, '\n');
        *next++ = '\0';
        fields f = split(line, "\t");
        ck_assert_uint_eq(f.n, 6);
        if (strcmp(f.at[5], "ok") == 0)
            config_row(&f, &t);
    }
    report("configs.tsv", &t);
    ck_assert_uint_eq(t.compared, 79);
}
END_TEST

/* ---- buffers.txt: buffers of one model a type, in fp32 ---- */

typedef struct names { char *at[128]; unsigned n; } names;

static void buffer_line(gpumem_text *out, const gpumem_description *d, const gpumem_tensor *tensor, uint64_t count)
{
    static const char *const dtype[] = {"float32", "float32", "int64", "int32", "bool", "float32", "complex64"}; /* as normalized() writes them */
    for (const char *s = d->string + tensor->name; *s; s++)
        if (strncmp(s, "{i}", 3) == 0) {
            gpumem_text_char(out, '*');
            s += 2;
        } else if (*s == '.' && s[1] >= '0' && s[1] <= '9') { /* an item of a list */
            gpumem_text_puts(out, ".*");
            s += strspn(s + 1, "0123456789");
        } else {
            gpumem_text_char(out, *s);
        }
    gpumem_text_printf(out, " x%llu %s [", (unsigned long long)count, dtype[tensor->dtype]);
    for (uint32_t i = 0; i < tensor->ndim; i++)
        gpumem_text_printf(out, "%s%u", i ? ", " : "", tensor->dim[i].size);
    gpumem_text_char(out, ']');
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *joined(gm_arena *arena, names *l)
{
    gpumem_text text = {0};
    const char *s;
    qsort(l->at, l->n, sizeof *l->at, by_name);
    for (unsigned i = 0; i < l->n; i++) {
        gpumem_text_puts(&text, i ? "; " : "");
        gpumem_text_puts(&text, l->at[i]);
    }
    s = gm_arena_strdup(arena, text.s ? text.s : "");
    gpumem_text_free(&text);
    return s;
}

/* Buffers of one name and shape in several blocks are one entry. */
static const char *buffers_of(gm_arena *arena, const gpumem_model *m)
{
    const gpumem_description *d = gpumem_model_description(m);
    const gpumem_tensor *of[128];
    uint64_t count[128];
    names l = {0};
    for (uint32_t b = 0; b < d->nblock; b++)
        for (uint32_t i = d->block[b].tensor0; i < d->block[b].tensor0 + d->block[b].ntensor; i++) {
            const gpumem_tensor *t = &d->tensor[i];
            unsigned k = 0;
            if (t->role != GPUMEM_ROLE_BUFFER || t->storage != GPUMEM_NONE)
                continue;
            while (k < l.n && (strcmp(d->string + of[k]->name, d->string + t->name) != 0 || of[k]->dtype != t->dtype || of[k]->ndim != t->ndim ||
                               memcmp(of[k]->dim, t->dim, t->ndim * sizeof *t->dim) != 0))
                k++;
            ck_assert_uint_lt(k, 128);
            if (k == l.n) {
                of[l.n] = t;
                count[l.n++] = 0;
            }
            count[k] += d->block[b].count;
        }
    for (unsigned k = 0; k < l.n; k++) {
        gpumem_text text = {0};
        buffer_line(&text, d, of[k], count[k]);
        l.at[k] = gm_arena_strdup(arena, text.s);
        gpumem_text_free(&text);
    }
    return joined(arena, &l);
}

static gm_value *ids[2300]; /* rows of params.jsonl */
static unsigned nids;

static void remember_row(gm_arena *arena, const gm_value *row, tally *t)
{
    (void)t;
    (void)arena;
    gpumem_text text = {0};
    gm_value_json(row, &text);
    ids[nids] = gm_arena_zero(&kept, 1, sizeof **ids);
    gm_json_parse(&kept, "row", text.s, text.n, ids[nids++], NULL);
    gpumem_text_free(&text);
}

/* The whole config, else the minimal one. */
static void config_of_id(const char *id, gpumem_text *json)
{
    for (unsigned k = 0; k < 2; k++)
        for (unsigned i = 0; i < nids && json->n == 0; i++)
            if (strcmp(string_at(ids[i], "id"), id) == 0 && strcmp(string_at(ids[i], "kind"), k ? "published" : "real") == 0)
                gm_value_json(gm_value_get(ids[i], "config"), json);
}

/* Without precision: what follows it is written as fp32 in both. */
static char *normalized(gm_arena *arena, char *item)
{
    static const char *const wide[] = {" bfloat16 [", " float16 ["};
    char text[512], *found;
    for (size_t i = 0; i < 2; i++)
        if ((found = strstr(item, wide[i]))) {
            snprintf(text, sizeof text, "%.*s float32 [%s", (int)(found - item), item, found + strlen(wide[i]));
            return gm_arena_strdup(arena, text);
        }
    return item;
}

static void buffers_row(const fields *f, tally *t)
{
    gm_arena arena = {0};
    gpumem_text json = {0};
    gpumem_model_options options = {.class_name = f->at[1]};
    gpumem_config *config;
    gpumem_model *model;
    gpumem_error err = {0};
    names want = {0};
    char *remark;
    config_of_id(f->at[2], &json);
    if (json.n == 0 && (remark = strstr(f->at[2], " ("))) {
        *remark = '\0';
        config_of_id(f->at[2], &json);
    }
    if (json.n == 0)
        gpumem_text_printf(&json, "{\"model_type\": \"%s\"}", f->at[0]);
    ck_assert_int_eq(gpumem_config_parse(host, f->at[2], json.s, json.n, &config, &err), GPUMEM_OK);
    if (gpumem_model_new(host, config, &options, &model, &err) != GPUMEM_OK) {
        t->wrong++;
        fprintf(stderr, "buffers of %s: %s: %s\n", f->at[0], err.file, err.message);
    } else {
        for (char *item = f->n > 4 && *f->at[4] ? f->at[4] : NULL; item;) {
            char *next = strstr(item, "; ");
            if (next) {
                *next = '\0';
                next += 2;
            }
            want.at[want.n++] = normalized(&arena, item);
            item = next;
        }
        bool cut = want.n && want.at[want.n - 1][strlen(want.at[want.n - 1]) - 1] != ']'; /* the row has no end: all but its last entry must be there */
        want.n -= cut;
        const char *have = buffers_of(&arena, model), *said = joined(&arena, &want);
        bool well = cut || strcmp(have, said) == 0;
        for (unsigned i = 0; i < want.n; i++)
            well = well && strstr(have, want.at[i]);
        t->compared += !cut;
        t->listed += cut;
        if (!well) {
            t->wrong++;
            fprintf(stderr, "buffers of %s (%s):\n  %s\nbut the table says\n  %s\n", f->at[0], f->at[2], have, said);
        }
    }
    gpumem_model_free(model);
    gpumem_config_free(config);
    gpumem_text_free(&json);
    gm_arena_free(&arena);
}

START_TEST(buffers)
{
    tally t = {0};
    char *text, *line, *next;
    size_t n;
    each_row(ORACLE "/params.jsonl", remember_row, &t);
    ck_assert_int_eq(gm_file_read(&kept, ORACLE "/buffers.txt", 1 << 20, &text, &n, NULL), GPUMEM_OK);
    for (line = text; *line; line = next) {
        next = strchr(line, '\n');
        *next++ = '\0';
        if (*line == '#')
            continue;
        fields f = split(line, "\t");
        ck_assert_uint_ge(f.n, 4);
        buffers_row(&f, &t);
    }
    report("buffers.txt", &t);
    ck_assert_uint_eq(t.compared + t.listed, 234);
}
END_TEST

/* ---- the bundled catalogue: the tables know most of its models ---- */

static int catalogue_entry(void *self, const char *name, const char *full)
{
    tally *t = self;
    const gm_value *row = NULL;
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    gpumem_error err = {0};
    for (unsigned i = 0; i < nids && full == NULL; i++)
        if (strcmp(string_at(ids[i], "id"), name) == 0)
            row = ids[i];
    if (full)
        return 0;
    if (row == NULL) {
        t->listed++;
        return 0;
    }
    gpumem_model_options options = {.class_name = string_at(row, "class")};
    gpumem_config_open(host, name, &config, &err);
    if (err.status == GPUMEM_OK)
        gpumem_model_new(host, config, &options, &model, &err);
    t->compared++;
    if (model == NULL || gpumem_model_parameters(model) != (uint64_t)gm_value_get(row, "parameters")->v.i) {
        t->wrong++;
        fprintf(stderr, "catalogue: %s: %llu %s\n", name, model ? (unsigned long long)gpumem_model_parameters(model) : 0, err.message);
    }
    gpumem_model_free(model);
    gpumem_config_free(config);
    return 0;
}

START_TEST(catalogue)
{
    tally t = {0};
    each_row(ORACLE "/params.jsonl", remember_row, &t);
    ck_assert_int_eq(gpumem_catalogue_each(host, catalogue_entry, &t, NULL), GPUMEM_OK);
    printf("catalogue: %u compared, %u that no row knows, %u wrong\n", t.compared, t.listed, t.wrong);
    ck_assert_uint_eq(t.wrong, 0);
    ck_assert_uint_ge(t.compared, 60);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("oracle");
    TCase *c = tcase_create("tables");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, params);
    tcase_add_test(c, memory);
    tcase_add_test(c, optimizers);
    tcase_add_test(c, configs);
    tcase_add_test(c, buffers);
    tcase_add_test(c, catalogue);
    suite_add_tcase(s, c);
    return run_suite(s);
}
