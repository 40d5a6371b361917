/* A host over a temporary directory before the real plugins, and models and plans on it. */
#ifndef GM_TEST_MODELS_H
#define GM_TEST_MODELS_H

#include "../plugin/fixture.h"
#include <gpumem/gpumem.h>

static fixture f;
static gpumem_host *host;

static inline void host_open(void)
{
    const char *dir[] = {f.root, GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 3, true};
    gpumem_error err = {0};
    gpumem_host_new(&options, &host, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s: %s", err.file, err.message);
}

static inline void host_make(void)
{
    fixture_make(&f);
    host_open();
}

static inline void host_drop(void)
{
    gpumem_host_free(host);
    fixture_remove(&f);
}

/* What was read once is not read again: a manifest that changed needs a new host. */
static inline void host_again(void)
{
    gpumem_host_free(host);
    host_open();
}

static inline const char *error_text(const gpumem_error *err)
{
    static char text[1400];
    size_t n;
    gpumem_error_text(err, text, sizeof text);
    for (unsigned i = 0; i < err->ntip; i++) {
        n = strlen(text);
        snprintf(text + n, sizeof text - n, " [%s]", err->tip[i]);
    }
    return text;
}

static inline gpumem_model *model_new(const char *json, const gpumem_model_options *options, gpumem_error *err)
{
    gpumem_config *config = NULL;
    gpumem_model *model = NULL;
    if (gpumem_config_parse(host, "a.json", json, strlen(json), &config, err) == GPUMEM_OK)
        gpumem_model_new(host, config, options, &model, err);
    gpumem_config_free(config); /* a model holds its config */
    return model;
}

static inline gpumem_model *model_of(const char *json)
{
    gpumem_error err = {0};
    gpumem_model *m = model_new(json, NULL, &err);
    ck_assert_msg(m != NULL, "%s: %s", json, error_text(&err));
    return m;
}

static inline TCase *tcase_of(Suite *s, const char *name, void (*before)(void), void (*after)(void))
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, before, after);
    suite_add_tcase(s, c);
    return c;
}

/* Does it fail so, and say that? */
static inline void model_fails(const char *json, gpumem_status status, const char *message)
{
    gpumem_error err = {0};
    gpumem_model *m = model_new(json, NULL, &err);
    ck_assert_msg(m == NULL, "%s: no error, but expected: %s", json, message);
    ck_assert_msg(err.status == status, "%s: status %d, not %d: %s", json, err.status, status, error_text(&err));
    ck_assert_msg(strstr(error_text(&err), message) != NULL, "%s: '%s' is not in: %s", json, message, error_text(&err));
    if (getenv("GM_SHOW"))
        printf("%s\n    %s\n", json, error_text(&err));
}
#endif
