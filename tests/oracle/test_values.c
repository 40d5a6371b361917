/* Values that make no sense, in every key of every family: described all the same, or refused as a config's mistake that names a key; never a
 * crash, never the plugin's or the program's own mistake. */
#include "tables.h"

#ifdef __SANITIZE_ADDRESS__
#define ONE_OF 3 /* of the values, one in three, another for each key: minutes otherwise */
#else
#define ONE_OF 1
#endif
enum { PARTS = 16 }; /* each with a time limit of its own */

typedef struct tally { unsigned families, keys, fine, refused, nameless, wrong; } tally;
static char ids[600][72];
static unsigned nids;

static int note_id(void *self, const gpumem_candidate *c)
{
    (void)self;
    if (!c->shadowed && c->error.status == GPUMEM_OK && nids < 600)
        snprintf(ids[nids++], sizeof *ids, "%s", c->id);
    return 0;
}

static gpumem_model *build(const char *id, const char *key, const char *value, gpumem_error *err)
{
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    char json[200];
    int n = snprintf(json, sizeof json, "{\"model_type\": \"%s\"}", id);
    if (gpumem_config_parse(host, "a.json", json, (size_t)n, &config, err) == GPUMEM_OK &&
        (key == NULL || gpumem_config_set(config, key, value, err) == GPUMEM_OK))
        gpumem_model_new(host, config, NULL, &model, err);
    gpumem_config_free(config);
    return model;
}

static bool says(const gpumem_error *err, const char *key)
{
    bool found = strstr(err->message, key) != NULL;
    for (unsigned i = 0; i < err->ntip; i++)
        found = found || strstr(err->tip[i], key);
    return found;
}

/* Is the key named, or the mapping that it is in?  A requirement is in the words of the family. */
static bool names(const gpumem_error *err, const char *key)
{
    char outer[200];
    char *dot;
    if (says(err, "it must be that"))
        return true;
    snprintf(outer, sizeof outer, "%s", key);
    while (!says(err, outer)) {
        if ((dot = strrchr(outer, '.')) == NULL)
            return false;
        *dot = '\0';
    }
    return true;
}

/* What a key is the cause of only by way of what is made of it. */
static const struct { const char *id, *key; } indirect[] = {
    {"blt", "cross_attn_k"}, /* becomes a key of a part */
    {"inkling_mm_model", "text_config.hidden_size"}, /* the same */
    {"mobilebert", "hidden_size"}, {"reformer", "hidden_size"}, /* the width of a tensor, which a component compares with its parameter */
};

static bool is_indirect(const char *id, const char *key)
{
    for (size_t i = 0; i < sizeof indirect / sizeof *indirect; i++)
        if (strcmp(indirect[i].id, id) == 0 && strcmp(indirect[i].key, key) == 0)
            return true;
    return false;
}

static void try(const char *id, const char *key, const char *value, tally *t)
{
    gpumem_error err = {0};
    gpumem_model *model = build(id, key, value, &err);
    gpumem_request request = {0};
    gpumem_plan *plan = NULL;
    if (model && gpumem_plan_new(host, model, set, &request, &plan, &err) == GPUMEM_OK) {
        gpumem_result result;
        gpumem_plan_evaluate(plan, &(gpumem_point){1, 128}, &result, &err);
    }
    gpumem_plan_free(plan);
    gpumem_model_free(model);
    if (err.status == GPUMEM_OK) {
        t->fine++;
        return;
    }
    t->refused++;
    /* of sizes that are each well a sum may still not fit */
    if (err.status != GPUMEM_ECONFIG && err.status != GPUMEM_EUNSUP && err.status != GPUMEM_ERANGE && err.status != GPUMEM_EMODEL && t->wrong++ < 20)
        fprintf(stderr, "%s, %s: %s: status %d: %s: %s\n", id, key, value, err.status, err.file, err.message);
    else if (err.status == GPUMEM_ECONFIG && !names(&err, key) && !is_indirect(id, key) && t->nameless++ < 20)
        fprintf(stderr, "%s, %s: %s: %s\n", id, key, value, err.message);
}

START_TEST(values)
{
    static const char *const value[] = {"null", "0", "-1", "1", "2147483648", "9223372036854775807", "1.5", "\"x\"", "true", "[]", "[1, \"a\", null]", "{}", "{\"a\": 1}", "NaN"};
    tally t = {0};
    ck_assert_int_eq(gpumem_plugin_each(host, GPUMEM_KIND_FAMILY, note_id, NULL, NULL), GPUMEM_OK);
    ck_assert_uint_gt(nids, 20);
    for (unsigned i = (unsigned)_i; i < nids; i += PARTS) {
        gpumem_error err = {0};
        gpumem_model *whole = build(ids[i], NULL, NULL, &err);
        const gpumem_key *keys;
        size_t n = whole ? gpumem_model_keys(whole, &keys) : 0;
        t.families += whole != NULL;
        for (size_t k = 0; k < n; k++, t.keys++)
            for (size_t v = k % ONE_OF; strcmp(keys[k].key, "model_type") != 0 && v < sizeof value / sizeof *value; v += ONE_OF)
                try(ids[i], keys[k].key, value[v], &t);
        gpumem_model_free(whole);
    }
    printf("values: %u keys of %u families: %u fine, %u refused\n", t.keys, t.families, t.fine, t.refused);
    ck_assert_uint_eq(t.wrong, 0);
    ck_assert_uint_eq(t.nameless, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("values");
    TCase *c = tcase_create("values");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, values, 0, PARTS);
    suite_add_tcase(s, c);
    return run_suite(s);
}
