/* SPDX-License-Identifier: MIT */
/* The main function of a test program: one suite, each test in a process of its own. */
#ifndef KGC_TESTS_SUITE_H
#define KGC_TESTS_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* KINDGC_TEST=NAME in the environment: that test only.  With CK_FORK=no it has
   the process to itself without a fork, which ThreadSanitizer needs (tests/tsan.sh). */
static inline bool is_wanted(const TTest *test)
{
    const char *only = getenv("KINDGC_TEST");
    return only == NULL || strcmp(only, test->name) == 0;
}

/* A function that runs the tests and returns the program's exit status. */
#define SUITE_FUNCTION(function, name, ...)                                       \
    static int function(void)                                                     \
    {                                                                             \
        const TTest *const tests[] = {__VA_ARGS__};                               \
        Suite *suite = suite_create(name);                                        \
        TCase *tcase = tcase_create(name);                                        \
        tcase_set_timeout(tcase, getenv("KINDGC_TEST_LONG") != NULL ? 3600 : 60); \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)               \
            if (is_wanted(tests[i]))                                              \
                tcase_add_test(tcase, tests[i]);                                  \
        suite_add_tcase(suite, tcase);                                            \
        SRunner *runner = srunner_create(suite);                                  \
        srunner_run_all(runner, CK_ENV);                                          \
        int failed = srunner_ntests_failed(runner);                               \
        srunner_free(runner);                                                     \
        return failed == 0 ? 0 : 1;                                               \
    }

#define SUITE(name, ...)                         \
    SUITE_FUNCTION(run_suite, name, __VA_ARGS__) \
    int main(void)                               \
    {                                            \
        return run_suite();                      \
    }

#endif
