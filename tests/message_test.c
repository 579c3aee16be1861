/* SPDX-License-Identifier: MIT */
/* Lines on standard error, the last error of a thread, and the fatal handler. */
#include "base/check.h"
#include "base/message.h"
#include "misuse.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(no_error_at_first)
{
    ck_assert_str_eq(kgc_last_error(), "");
}
END_TEST

START_TEST(failing)
{
    ck_assert_int_eq(kgc__fail(EINVAL, "%s=%d", "size", 3), EINVAL);
    ck_assert_str_eq(kgc_last_error(), "size=3");
    ck_assert_int_eq(kgc__fail(ENOMEM, "other"), ENOMEM);
    ck_assert_str_eq(kgc_last_error(), "other");
    ck_assert_int_eq(kgc__fail_prefix(EACCES, "heap=%s: ", "thp"), EACCES);
    ck_assert_str_eq(kgc_last_error(), "heap=thp: other");
}
END_TEST

START_TEST(failing_with_errno)
{
    ck_assert_int_eq(kgc__fail_errno(ENOSPC, "a file in %s", "/tmp"), ENOSPC);
    ck_assert_str_eq(kgc_last_error(), "a file in /tmp: No space left on device");
    kgc__fail_errno(123456, "a call");
    ck_assert_str_eq(kgc_last_error(), "a call: unknown error");
}
END_TEST

START_TEST(long_texts_are_cut)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kgc__fail(EINVAL, "%s", text);
    ck_assert_uint_eq(strlen(kgc_last_error()), 511);
    kgc__fail_prefix(EINVAL, "%s", "before: ");
    ck_assert_uint_eq(strlen(kgc_last_error()), 511);
    ck_assert_int_eq(strncmp(kgc_last_error(), "before: xxx", 11), 0);
    kgc__fail_prefix(EINVAL, "%s", text);
    ck_assert_uint_eq(strlen(kgc_last_error()), 511);
    kgc__fail_errno(EINVAL, "%s", text);
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "x: Invalid argument"));
}
END_TEST

static void *fail_elsewhere(void *unused)
{
    ck_assert_str_eq(kgc_last_error(), "");
    kgc__fail(EINVAL, "elsewhere");
    return unused;
}

START_TEST(errors_belong_to_threads)
{
    pthread_t thread;
    kgc__fail(EINVAL, "here");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(kgc_last_error(), "here");
}
END_TEST

static int warn(void *unused)
{
    (void)unused;
    errno = 77;
    kgc__warn("%d pages", 3);
    return errno;
}

static int warn_at_length(void *unused)
{
    char text[2000];
    (void)unused;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    kgc__warn("%s", text);
    return 0;
}

static int warn_nobody(void *unused)
{
    (void)unused;
    close(STDERR_FILENO);
    errno = 78;
    kgc__warn("lost");
    return errno;
}

static int warn_into_full_pipe(void *unused)
{
    int ends[2];
    char fill[4096] = "";
    (void)unused;
    if (pipe2(ends, O_NONBLOCK) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return 1;
    while (write(ends[1], fill, sizeof fill) > 0)
        ;
    kgc__warn("lost");
    return 0;
}

START_TEST(warnings)
{
    char text[4096];
    ck_assert(exited(in_child_with_stderr(warn, NULL, text, sizeof text), 77));
    ck_assert_str_eq(text, "kindgc: 3 pages\n");
    ck_assert(exited(in_child_with_stderr(warn_at_length, NULL, text, sizeof text), 0));
    ck_assert_uint_eq(strlen(text), strlen("kindgc: ") + 511 + 1);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    ck_assert(exited(in_child(warn_nobody, NULL), 78));
    ck_assert(exited(in_child(warn_into_full_pipe, NULL), 0));
}
END_TEST

static int misuse(void *unused)
{
    (void)unused;
    kgc__fatal("block %d freed twice", 5);
    return 0;
}

static int misuse_after_restoring(void *handler)
{
    kgc_set_fatal_handler(catch_fatal);
    kgc_set_fatal_handler(*(kgc_fatal_fn *)handler);
    return misuse(NULL);
}

START_TEST(default_handler_aborts)
{
    char text[256];
    ck_assert(killed(in_child_with_stderr(misuse, NULL, text, sizeof text), SIGABRT));
    ck_assert_str_eq(text, "kindgc: block 5 freed twice\n");
    kgc_fatal_fn handlers[] = {NULL, kgc_set_fatal_handler(NULL)};
    for (size_t i = 0; i < 2; i++) {
        ck_assert(
            killed(in_child_with_stderr(misuse_after_restoring, &handlers[i], text, sizeof text), SIGABRT));
        ck_assert_str_eq(text, "kindgc: block 5 freed twice\n");
    }
}
END_TEST

static void other_handler(const char *text)
{
    (void)text;
}

START_TEST(own_handler)
{
    kgc_fatal_fn first = kgc_set_fatal_handler(other_handler);
    ck_assert_ptr_nonnull((void *)first);
    ck_fatal(kgc__fatal("%s at %d", "misuse", 9), "misuse at 9");
    ck_assert(kgc_set_fatal_handler(NULL) == other_handler);
    ck_assert(kgc_set_fatal_handler(NULL) == first);
}
END_TEST

static int fail_a_check(void *unused)
{
    (void)unused;
    kgc_set_fatal_handler(catch_fatal); /* not for our own defects */
    kgc__check_failed("low <= high", "range.c", 42);
}

static int check_all_levels(void *unused)
{
    (void)unused;
    KGC_CHECK(true);
    KGC_CHECK_INTERNAL(true);
    KGC_CHECK_FULL(KGC_DEBUG < 3 || true);
    return 0;
}

START_TEST(failed_checks_abort)
{
    char text[256];
    ck_assert(killed(in_child_with_stderr(fail_a_check, NULL, text, sizeof text), SIGABRT));
    ck_assert_str_eq(text, "kindgc: internal check failed: low <= high (range.c:42)\n");
    ck_assert(exited(in_child(check_all_levels, NULL), 0));
}
END_TEST

static void say_goodbye(void)
{
    kgc__warn("goodbye");
}

static int exit_with(void *unused)
{
    (void)unused;
    atexit(say_goodbye);
    kgc__exit_with(125, "heap=%s: no", "x");
}

START_TEST(ending_runs_no_handlers)
{
    char text[256];
    ck_assert(exited(in_child_with_stderr(exit_with, NULL, text, sizeof text), 125));
    ck_assert_str_eq(text, "kindgc: heap=x: no\n");
}
END_TEST

SUITE("message", no_error_at_first, failing, failing_with_errno, long_texts_are_cut, errors_belong_to_threads,
      warnings, default_handler_aborts, own_handler, failed_checks_abort, ending_runs_no_handlers)
