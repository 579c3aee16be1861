/* SPDX-License-Identifier: MIT */
/*
 * No object is lost, none is handed out twice, and every byte of what is alive
 * stays as it was: random graphs beside a shadow copy (tests/soundness/).
 *
 * KINDGC_SOUNDNESS_SEED and KINDGC_SOUNDNESS_OPERATIONS (of each test) in the
 * environment give another run; KINDGC_SOUNDNESS_VERBOSE says what it did.
 * KINDGC_TEST_LONG=1: 10^8 operations in all.
 */
#include "soundness/run.h"
#include "suite.h"
#include <stdlib.h>

enum { TESTS = 9 };

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void run(struct settings settings)
{
    uint64_t operations = getenv("KINDGC_TEST_LONG") != NULL ? 100000000 / TESTS + 1 : 60000;
    settings.operations = number("KINDGC_SOUNDNESS_OPERATIONS", operations);
    settings.seed = number("KINDGC_SOUNDNESS_SEED", 1);
    const char *wrong = soundness_run(&settings);
    ck_assert_msg(*wrong == '\0', "%s: KINDGC_SOUNDNESS_SEED=%lu KINDGC_SOUNDNESS_OPERATIONS=%lu: %s",
                  settings.name, (unsigned long)settings.seed, (unsigned long)settings.operations, wrong);
}

START_TEST(one_thread)
{
    run((struct settings){.name = "one_thread", .threads = 1});
}
END_TEST

START_TEST(two_threads)
{
    run((struct settings){.name = "two_threads", .threads = 2});
}
END_TEST

START_TEST(eight_threads)
{
    run((struct settings){.name = "eight_threads", .threads = 8});
}
END_TEST

START_TEST(incremental)
{
    run((struct settings){.name = "incremental", .threads = 1, .incremental = true});
}
END_TEST

START_TEST(incremental_four_threads)
{
    run((struct settings){.name = "incremental_four_threads", .threads = 4, .incremental = true});
}
END_TEST

START_TEST(markers)
{
    run((struct settings){.name = "markers", .threads = 4, .markers = true});
}
END_TEST

START_TEST(changing_kinds)
{
    run((struct settings){.name = "changing_kinds", .threads = 2, .kinds = true});
}
END_TEST

START_TEST(changing_kinds_incremental)
{
    run((struct settings){
        .name = "changing_kinds_incremental", .threads = 2, .kinds = true, .incremental = true});
}
END_TEST

START_TEST(finalizers_in_their_thread)
{
    run((struct settings){
        .name = "finalizers_in_their_thread", .threads = 4, .finalizer_thread = true, .markers = true});
}
END_TEST

SUITE("soundness", one_thread, two_threads, eight_threads, incremental, incremental_four_threads, markers,
      changing_kinds, changing_kinds_incremental, finalizers_in_their_thread)
