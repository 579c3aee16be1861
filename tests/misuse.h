/* SPDX-License-Identifier: MIT */
/* For tests of misuse: catches what the fatal handler is told. */
#ifndef KGC_TESTS_MISUSE_H
#define KGC_TESTS_MISUSE_H

#include <check.h>
#include <kindgc/init.h>
#include <stdio.h>

static char fatal_text[512];
static unsigned fatal_calls;

static __attribute__((unused)) void catch_fatal(const char *text)
{
    snprintf(fatal_text, sizeof fatal_text, "%s", text);
    fatal_calls++;
}

/* Evaluates a call that must reach the fatal handler once with the formatted text. */
#define ck_fatal(call, ...)                                       \
    do {                                                          \
        char expected[512];                                       \
        snprintf(expected, sizeof expected, __VA_ARGS__);         \
        kgc_fatal_fn before = kgc_set_fatal_handler(catch_fatal); \
        fatal_calls = 0;                                          \
        call;                                                     \
        kgc_set_fatal_handler(before);                            \
        ck_assert_uint_eq(fatal_calls, 1);                        \
        ck_assert_str_eq(fatal_text, expected);                   \
    } while (0)

/* The text of kgc_last_error(). */
#define ck_last_error(...)                                \
    do {                                                  \
        char expected[512];                               \
        snprintf(expected, sizeof expected, __VA_ARGS__); \
        ck_assert_str_eq(kgc_last_error(), expected);     \
    } while (0)

#endif
