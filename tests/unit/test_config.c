/* core/model/config: where configs come from, and what --param does to them. */
#include "models.h"

static void opens(const char *model, const char *name, const char *source, const char *path)
{
    gpumem_config *c = NULL;
    gpumem_error err = {0};
    gpumem_config_open(host, model, &c, &err);
    ck_assert_msg(c != NULL, "%s: %s", model, error_text(&err));
    ck_assert_str_eq(gpumem_config_name(c), name);
    ck_assert_str_eq(gpumem_config_source(c), source);
    if (path)
        ck_assert_str_eq(gpumem_config_path(c), path);
    gpumem_config_free(c);
}

static void fails(const char *model, gpumem_status status, const char *message)
{
    gpumem_config *c = NULL;
    gpumem_error err = {0};
    ck_assert_msg(gpumem_config_open(host, model, &c, &err) != GPUMEM_OK, "%s opens", model);
    ck_assert_ptr_null(c);
    if (getenv("GM_SHOW"))
        printf("%s\n", error_text(&err));
    ck_assert_msg(strstr(error_text(&err), message) != NULL, "'%s' is not in: %s", message, error_text(&err));
    ck_assert_msg(err.status == status, "status %d, not %d: %s", err.status, status, error_text(&err));
}

/* ---- paths -------------------------------------------------------------------------------------------------------------- */

#define JSON "{\"model_type\": \"llama\"}"

START_TEST(paths)
{
    char file[PATH_MAX], dir[PATH_MAX], slash[PATH_MAX + 1], here[PATH_MAX];
    snprintf(file, sizeof file, "%s", fixture_write(&f, "m/config.json", JSON));
    snprintf(dir, sizeof dir, "%s", fixture_path(&f, "m"));
    snprintf(slash, sizeof slash, "%s/", dir);
    opens(file, file, "config.json", file);
    opens(dir, dir, "config.json", file);
    opens(slash, slash, "config.json", file);
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(f.root), 0);
    opens("m", "m", "config.json", "m/config.json");
    opens("./m", "./m", "config.json", "./m/config.json");
    opens("m/config.json", "m/config.json", "config.json", "m/config.json");
    fixture_write(&f, "phi-2", JSON); /* a file here is meant before a name of the catalogue */
    opens("phi-2", "phi-2", "config.json", "phi-2");
    ck_assert_int_eq(chdir(here), 0);
}
END_TEST

START_TEST(wrong_paths)
{
    char path[PATH_MAX];
    fixture_write(&f, "empty/other.txt", "");
    fails(fixture_path(&f, "nothing"), GPUMEM_EIO, "no such file");
    fails(fixture_path(&f, "nothing.json"), GPUMEM_EIO, "no such file");
    fails("./nothing", GPUMEM_EIO, "no such file");
    fails("nothing.json", GPUMEM_EIO, "no such file");
    fails(fixture_path(&f, "empty"), GPUMEM_EIO, "the directory has no config.json");
    fixture_write(&f, "folder/config.json/x", "");
    fails(fixture_path(&f, "folder"), GPUMEM_EIO, "is a directory");
    fails("/dev/null", GPUMEM_EIO, "/dev/null");
    fails("", GPUMEM_EMODEL, "the model's name is empty");
    snprintf(path, sizeof path, "%s", fixture_write(&f, "broken.json", "{\"model_type\": \n  \"llama\",\n  3}"));
    fails(path, GPUMEM_ESYNTAX, "broken.json:3:3: ");
    fails(fixture_write(&f, "nothing_in_it.json", ""), GPUMEM_ESYNTAX, "nothing_in_it.json:1:1");
    fails(fixture_write(&f, "list.json", "[1]"), GPUMEM_ECONFIG, "expected a JSON object, not list");
    fails(fixture_write(&f, "null.json", "null"), GPUMEM_ECONFIG, "expected a JSON object, not null");
    fails(fixture_write(&f, "deep.json", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), GPUMEM_ESYNTAX, "deep.json:1:");
    fails(fixture_write(&f, "binary.json", "\x7f""ELF\x01\x02"), GPUMEM_ESYNTAX, "binary.json:1:");
    if (geteuid() != 0) {
        snprintf(path, sizeof path, "%s", fixture_write(&f, "closed.json", JSON));
        chmod(path, 0);
        fails(path, GPUMEM_EIO, "permission denied");
    }
}
END_TEST

START_TEST(pythons_json)
{
    const char *path = fixture_write(&f, "python.json", "{\"model_type\": \"llama\", \"a\": Infinity, \"b\": -Infinity, \"c\": NaN, \"num_hidden_layers\": 2, \"num_hidden_layers\": 3}");
    gpumem_config *c = NULL;
    gpumem_model *m = NULL;
    int64_t n;
    ck_assert_int_eq(gpumem_config_open(host, path, &c, NULL), GPUMEM_OK);
    ck_assert_int_eq(gpumem_model_new(host, c, NULL, &m, NULL), GPUMEM_OK);
    ck_assert(gpumem_model_dim(m, "layers", &n) && n == 3); /* the last of two wins */
    gpumem_model_free(m);
    gpumem_config_free(c);
}
END_TEST

/* ---- the catalogue -------------------------------------------------------------------------------------------------------- */

START_TEST(names)
{
    opens("microsoft/phi-2", "microsoft/phi-2", "catalogue", NULL);
    opens("phi-2", "microsoft/phi-2", "catalogue", NULL);
    opens("Phi-2", "microsoft/phi-2", "catalogue", NULL);
    opens("MICROSOFT/PHI-2", "microsoft/phi-2", "catalogue", NULL);
    opens("llama3-8b", "meta-llama/Meta-Llama-3-8B", "catalogue", NULL);
    opens("llama3-70b", "meta-llama/Meta-Llama-3-70B", "catalogue", NULL);
    opens("llama2-7b", "meta-llama/Llama-2-7b-hf", "catalogue", NULL);
    opens("llama2-13b", "meta-llama/Llama-2-13b-hf", "catalogue", NULL);
    opens("llama-3.1-8b", "meta-llama/Llama-3.1-8B", "catalogue", NULL);
    fails("microsoft/phi-22", GPUMEM_EMODEL, "unknown model 'microsoft/phi-22' [did you mean microsoft/phi-2");
    fails("phi-22", GPUMEM_EMODEL, "did you mean phi-2");
    fails("llama3-8", GPUMEM_EMODEL, "llama3-8b");
    fails("nothing at all like it", GPUMEM_EMODEL, "a path to a config.json, or to a directory with one, works too");
    fails("../model/microsoft--phi-2", GPUMEM_EIO, "no such file");
    fails("a/../../model", GPUMEM_EMODEL, "unknown model");
    fails("microsoft//phi-2", GPUMEM_EMODEL, "unknown model");
    fails("microsoft/phi-2/", GPUMEM_EMODEL, "unknown model");
    fails("microsoft/", GPUMEM_EMODEL, "unknown model");
}
END_TEST

typedef struct seen { unsigned full, shorts, built; } seen;

/* Every entry can be built; and what a short name stands for is there. */
static int visit(void *self, const char *name, const char *full)
{
    seen *s = self;
    gpumem_config *c = NULL;
    gpumem_model *m = NULL;
    gpumem_error err = {0};
    gpumem_config_open(host, name, &c, &err);
    ck_assert_msg(c != NULL, "%s: %s", name, error_text(&err));
    ck_assert_str_eq(gpumem_config_name(c), full ? full : name);
    if (full) {
        s->shorts++;
        ck_assert_ptr_null(strchr(name, '/'));
    } else {
        s->full++;
        if (gpumem_model_new(host, c, NULL, &m, &err) == GPUMEM_OK)
            s->built++;
        else
            fprintf(stderr, "%s: %s\n", name, error_text(&err));
        ck_assert(m == NULL || gpumem_model_parameters(m) > 10000000);
        gpumem_model_free(m);
    }
    gpumem_config_free(c);
    return 0;
}

START_TEST(catalogue)
{
    seen s = {0};
    ck_assert_int_eq(gpumem_catalogue_each(host, visit, &s, NULL), GPUMEM_OK);
    printf("catalogue: %u models, %u short names\n", s.full, s.shorts);
    ck_assert_uint_ge(s.full, 60);
    ck_assert_uint_ge(s.shorts, 4);
    ck_assert_uint_eq(s.built, s.full);
}
END_TEST

static int stop_at_once(void *self, const char *name, const char *full)
{
    (void)name;
    (void)full;
    ++*(int *)self;
    return 1;
}

START_TEST(visits_stop)
{
    int n = 0;
    ck_assert_int_eq(gpumem_catalogue_each(host, stop_at_once, &n, NULL), GPUMEM_OK);
    ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(catalogues_of_ones_own)
{
    fixture_write(&f, "model/my--model.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 2}");
    fixture_write(&f, "model/microsoft--phi-2.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 5}");
    host_again();
    opens("my/model", "my/model", "catalogue", fixture_path(&f, "model/my--model.json"));
    opens("MODEL", "my/model", "catalogue", NULL);
    opens("phi-2", "microsoft/phi-2", "catalogue", fixture_path(&f, "model/microsoft--phi-2.json")); /* comes first */
}
END_TEST

START_TEST(wrong_short_names)
{
    fixture_write(&f, "model/names.yaml", "mine: [a]\n");
    host_again();
    fails("mine", GPUMEM_ESYNTAX, "mine: expected a full name");
    fixture_write(&f, "model/names.yaml", "- a\n");
    fails("mine", GPUMEM_ESYNTAX, "expected a mapping of short names");
    fixture_write(&f, "model/names.yaml", "mine: no/where\n");
    fails("mine", GPUMEM_EMODEL, "unknown model 'mine'");
}
END_TEST

/* ---- --param ---------------------------------------------------------------------------------------------------------------- */

static const char *value_of(const gpumem_model *m, const char *key)
{
    const gpumem_key *keys;
    size_t n = gpumem_model_keys(m, &keys);
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].key, key) == 0)
            return keys[i].value;
    return "";
}

START_TEST(params)
{
    gpumem_config *c;
    gpumem_model *m, *other;
    gpumem_error err = {0};
    ck_assert_int_eq(gpumem_config_parse(host, "a", "{\"rope\": {\"type\": \"x\"}, \"n\": 1}", 31, &c, NULL), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "model_type", "llama", &err), GPUMEM_OK); /* no JSON: a string */
    ck_assert_int_eq(gpumem_config_set(c, "hidden_size", "64", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "hidden_size", "128", &err), GPUMEM_OK); /* the last one counts */
    ck_assert_int_eq(gpumem_config_set(c, "rope.factor", "2.5", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "new.inner.most", "[1, null]", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "tie_word_embeddings", "true", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "text", "\"true\"", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_config_set(c, "void", "", &err), GPUMEM_OK);
    ck_assert_int_eq(gpumem_model_new(host, c, NULL, &m, &err), GPUMEM_OK);
    ck_assert_str_eq(value_of(m, "hidden_size"), "128");
    ck_assert_str_eq(value_of(m, "rope"), "{\"type\": \"x\", \"factor\": 2.5}");
    ck_assert_str_eq(value_of(m, "new"), "{\"inner\": {\"most\": [1, null]}}");
    ck_assert_str_eq(value_of(m, "tie_word_embeddings"), "true");
    ck_assert_str_eq(value_of(m, "text"), "\"true\"");
    ck_assert_str_eq(value_of(m, "void"), "\"\"");
    ck_assert_int_eq(gpumem_config_set(c, "hidden_size", "256", &err), GPUMEM_OK); /* a model that is there keeps what it was made of */
    ck_assert_int_eq(gpumem_model_new(host, c, NULL, &other, &err), GPUMEM_OK);
    ck_assert_uint_gt(gpumem_model_parameters(other), gpumem_model_parameters(m));
    gpumem_model_free(other);
    gpumem_model_free(m);
    gpumem_config_free(c);
}
END_TEST

START_TEST(wrong_params)
{
    static const char *const key[] = {"", ".", "a.", ".a", "a..b"};
    gpumem_config *c;
    gpumem_error err = {0};
    char deep[100] = "a";
    ck_assert_int_eq(gpumem_config_parse(host, "a", "{\"n\": 1, \"l\": [1]}", 18, &c, NULL), GPUMEM_OK);
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        gpumem_error_clear(&err);
        ck_assert_int_eq(gpumem_config_set(c, key[i], "1", &err), GPUMEM_EINVAL);
        ck_assert_msg(strstr(err.message, "is not a key of a config") != NULL, "%s", err.message);
    }
    gpumem_error_clear(&err);
    ck_assert_int_eq(gpumem_config_set(c, "n.a", "1", &err), GPUMEM_EINVAL);
    ck_assert_str_eq(err.message, "'n' is not a mapping of the config: 'a' cannot be set in it");
    ck_assert_int_eq(gpumem_config_set(c, "l.0", "1", NULL), GPUMEM_EINVAL);
    for (int i = 0; i < 40; i++)
        strcat(deep, ".a");
    ck_assert_int_eq(gpumem_config_set(c, deep, "1", NULL), GPUMEM_EINVAL);
    gpumem_config_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *c = tcase_create("config");
    tcase_add_checked_fixture(c, host_make, host_drop);
    tcase_add_test(c, paths);
    tcase_add_test(c, wrong_paths);
    tcase_add_test(c, pythons_json);
    tcase_add_test(c, names);
    tcase_add_test(c, catalogue);
    tcase_add_test(c, visits_stop);
    tcase_add_test(c, catalogues_of_ones_own);
    tcase_add_test(c, wrong_short_names);
    tcase_add_test(c, params);
    tcase_add_test(c, wrong_params);
    suite_add_tcase(s, c);
    return run_suite(s);
}
