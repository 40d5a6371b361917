/* The host, the default set and a batch of it that the tests of tables ask. */
#ifndef GM_TEST_TABLES_H
#define GM_TEST_TABLES_H

#include "../plugin/fixture.h"
#include <gpumem/gpumem.h>

#define ORACLE GM_SOURCE "/tests/oracle"

static gpumem_host *host;
static gpumem_set *set;
static gpumem_batch *batch;

static inline void setup(void)
{
    const char *const dir[] = {GM_PLUGINS, GM_DATA};
    gpumem_host_options options = {dir, 2, true};
    gpumem_error err = {0};
    gpumem_host_new(&options, &host, &err);
    if (err.status == GPUMEM_OK)
        gpumem_set_open(host, "default", &set, &err);
    if (err.status == GPUMEM_OK)
        gpumem_batch_new(host, set, ORACLE, &batch, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s: %s", err.file, err.message);
}

static inline void teardown(void)
{
    gpumem_batch_free(batch);
    gpumem_set_free(set);
    gpumem_host_free(host);
}
#endif
