/* How every test program ends. */
#ifndef GM_SUITE_H
#define GM_SUITE_H

#include <check.h>

/* The exit code: 0 where all passed. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
#endif
