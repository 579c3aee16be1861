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

/* A test, and how often it is run; _i in it counts from 0. */
struct suite_loop {
    const TTest *test;
    int times;
};

/* Each test may take this many seconds.  Returns the program's exit status. */
static inline int run_loops(const char *name, int seconds, const struct suite_loop *loops, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, getenv("KINDGC_TEST_LONG") != NULL ? 3600 : seconds);
    for (size_t i = 0; i < count; i++)
        if (is_wanted(loops[i].test))
            tcase_add_loop_test(tcase, loops[i].test, 0, loops[i].times);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

/* A function that runs the tests, each once, and returns the program's exit status. */
#define SUITE_FUNCTION(function, name, ...)                              \
    static int function(void)                                            \
    {                                                                    \
        const TTest *const tests[] = {__VA_ARGS__};                      \
        struct suite_loop loops[sizeof tests / sizeof *tests];           \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)        \
            loops[i] = (struct suite_loop){tests[i], 1};                 \
        return run_loops(name, 60, loops, sizeof tests / sizeof *tests); \
    }

#define SUITE(name, ...)                         \
    SUITE_FUNCTION(run_suite, name, __VA_ARGS__) \
    int main(void)                               \
    {                                            \
        return run_suite();                      \
    }

/* With {test, times} for each. */
#define SUITE_OF_LOOPS(name, seconds, ...)                                    \
    int main(void)                                                            \
    {                                                                         \
        const struct suite_loop loops[] = {__VA_ARGS__};                      \
        return run_loops(name, seconds, loops, sizeof loops / sizeof *loops); \
    }

#endif
