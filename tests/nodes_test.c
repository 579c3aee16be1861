/* SPDX-License-Identifier: MIT */
/* Sets of memory nodes, what the system says of them, and where pages lie. */
#include "base/size.h"
#include "os/nodes.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static struct kgc__nodes set;
static char text[KGC__NODES_TEXT];

/* What is left of a list after it was read. */
static const char *read_list(const char *list, bool good)
{
    memset(&set, 0, sizeof set);
    ck_assert(kgc__nodes_parse(&list, &set) == good);
    return list;
}

START_TEST(lists)
{
    static const struct {
        const char *list, *rest, *back;
        unsigned count;
    } good[] = {
        {"0", "", "0", 1},
        {"1023", "", "1023", 1},
        {"0,2-3", "", "0,2-3", 3},
        {"3,2,1", "", "1-3", 3},
        {"5-5,5", "", "5", 1},
        {"0-1023", "", "0-1023", 1024},
        {"0,limit=1M", ",limit=1M", "0", 1},
        {"1@2", "@2", "1", 1},
        {"0-1\n", "\n", "0-1", 2},
        {"7,", ",", "7", 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_str_eq(read_list(good[i].list, true), good[i].rest);
        ck_assert_str_eq(kgc__nodes_format(&set, text), good[i].back);
        ck_assert_uint_eq(kgc__nodes_count(&set), good[i].count);
    }
    static const struct {
        const char *list, *mistake;
    } bad[] = {{"", ""},           {"x", "x"},
               {"-1", "-1"},       {"1024", "1024"},
               {"0,1024", "1024"}, {"2-1", "1"},
               {"2-", ""},         {"2-x", "x"},
               {"0-1024", "1024"}, {"0,18446744073709551616", "18446744073709551616"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_str_eq(read_list(bad[i].list, false), bad[i].mistake);
}
END_TEST

START_TEST(sets_of_nodes)
{
    ck_assert_str_eq(kgc__nodes_format(&set, text), "none");
    for (unsigned node = 0; node < KGC__NODES_MAX; node += 2)
        kgc__nodes_add(&set, node);
    kgc__nodes_format(&set, text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    ck_assert_str_eq(text + strlen(text) - 4, ",...");
    ck_assert(!strncmp(text, "0,2,4,6,8,10,", 13));
    ck_assert(kgc__nodes_has(&set, 1022) && !kgc__nodes_has(&set, 1023) && !kgc__nodes_has(&set, 1024));
    struct kgc__nodes even = set;
    read_list("0-5,1023", true);
    struct kgc__nodes common = kgc__nodes_common(&even, &set);
    ck_assert_str_eq(kgc__nodes_format(&common, text), "0,2,4");
}
END_TEST

static struct kgc__nodes list_of(const char *list)
{
    read_list(list, true);
    return set;
}

START_TEST(obstacles)
{
    struct kgc__node_sets sets = {.possible = list_of("0-7"),
                                  .online = list_of("0-5"),
                                  .memory = list_of("0,2-5"),
                                  .allowed = list_of("0,3")};
    static const char *const expected[] = {NULL,
                                           "has no memory",
                                           "is forbidden to this process",
                                           NULL,
                                           "is forbidden to this process",
                                           "is forbidden to this process",
                                           "is offline",
                                           "is offline",
                                           "does not exist"};
    for (unsigned node = 0; node < sizeof expected / sizeof expected[0]; node++) {
        const char *obstacle = kgc__node_obstacle(&sets, node);
        ck_assert_msg(obstacle == expected[node] || strcmp(obstacle, expected[node]) == 0, "%u: %s", node,
                      obstacle);
    }
}
END_TEST

START_TEST(this_machine)
{
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    ck_assert_uint_ge(kgc__nodes_count(&sets.allowed), 1);
    struct kgc__nodes common = kgc__nodes_common(&sets.allowed, &sets.memory);
    ck_assert_mem_eq(&common, &sets.allowed, sizeof common);
    size_t sum = 0;
    for (unsigned node = 0; node < KGC__NODES_MAX; node++)
        sum += kgc__nodes_has(&sets.memory, node) ? kgc__node_free(node) : 0;
    ck_assert_uint_gt(sum, 0);
    ck_assert_uint_le(sum, kgc__os_memory_size());
    ck_assert_uint_eq(kgc__node_free(KGC__NODES_MAX), 0);
    /* A system that does not say what is allowed: all that has memory. */
    fault_arm(FAULT_GET_MEMPOLICY, 1, true, EPERM);
    struct kgc__node_sets again;
    kgc__node_sets_read(&again);
    fault_disarm();
    ck_assert_mem_eq(&again.allowed, &sets.memory, sizeof again.allowed);
}
END_TEST

START_TEST(policies)
{
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    void *p = kgc__os_reserve(64 * PAGE, PAGE);
    int error = kgc__os_place(p, 64 * PAGE, KGC__PLACE_BIND, &sets.allowed);
    if (error == ENOSYS || error == EPERM)
        SKIP("mbind is not to be had here");
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(kgc__os_place(p, 64 * PAGE, KGC__PLACE_INTERLEAVE, &sets.allowed), 0);
    ck_assert_int_eq(kgc__os_place(p, 64 * PAGE, KGC__PLACE_LOCAL, NULL), 0);
    struct kgc__nodes nobody = {{0}};
    ck_assert_int_eq(kgc__os_place(p, 64 * PAGE, KGC__PLACE_BIND, &nobody), EINVAL);
    if (!kgc__nodes_has(&sets.possible, 1023)) {
        kgc__nodes_add(&nobody, 1023); /* the last bit is told to the kernel too */
        ck_assert_int_eq(kgc__os_place(p, 64 * PAGE, KGC__PLACE_BIND, &nobody), EINVAL);
    }
    kgc__os_release(p, 64 * PAGE);
    ck_assert_int_eq(kgc__os_place(p, 64 * PAGE, KGC__PLACE_LOCAL, NULL), EFAULT);
}
END_TEST

START_TEST(pages_elsewhere)
{
    enum { PAGES = 1500 }; /* more than two batches */
    struct kgc__nodes nobody = {{0}};
    struct kgc__node_sets sets;
    kgc__node_sets_read(&sets);
    char *p = kgc__os_map_plain(PAGES * PAGE);
    madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
    ck_assert_uint_eq(kgc__os_elsewhere(p, PAGES * PAGE, &nobody), 0); /* nothing is in memory */
    for (int i = 0; i < PAGES; i += 3)
        p[i * PAGE] = 1;
    if (kgc__os_elsewhere(p, PAGES * PAGE, &nobody) == 0)
        SKIP("move_pages is not to be had here");
    ck_assert_uint_eq(kgc__os_elsewhere(p, PAGES * PAGE, &nobody), PAGES / 3 * PAGE);
    ck_assert_uint_eq(kgc__os_elsewhere(p, 3 * PAGE, &nobody), PAGE);
    ck_assert_uint_eq(kgc__os_elsewhere(p, PAGES * PAGE, &sets.memory), 0);
    fault_arm(FAULT_MOVE_PAGES, 2, false, EPERM);
    ck_assert_uint_eq(kgc__os_elsewhere(p, PAGES * PAGE, &nobody), 0);
    fault_disarm();
    kgc__os_release(p, PAGES * PAGE);
}
END_TEST

START_TEST(numbers_in_files)
{
    ck_assert_uint_eq(kgc__proc_kilobytes("/nonexistent", "MemFree"), SIZE_MAX);
    ck_assert_uint_eq(kgc__proc_kilobytes("/proc/meminfo", "NoSuchKey"), SIZE_MAX);
    ck_assert_uint_eq(kgc__proc_kilobytes("/proc/meminfo", "Free"), SIZE_MAX); /* whole words */
    size_t total = kgc__proc_kilobytes("/proc/meminfo", "MemTotal");
    ck_assert_uint_eq(total % 1024, 0);
    ck_assert_uint_le(kgc__proc_kilobytes("/proc/meminfo", "MemAvailable"), total);
}
END_TEST

START_TEST(writable_ranges)
{
    char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(kgc__proc_check_writable(p, 8 * PAGE), 0);
    ck_assert_int_eq(mprotect(p + 4 * PAGE, PAGE, PROT_READ), 0);
    ck_assert_int_eq(kgc__proc_check_writable(p, 4 * PAGE), 0);
    ck_assert_int_eq(kgc__proc_check_writable(p, 5 * PAGE), EFAULT);
    ck_assert_int_eq(kgc__proc_check_writable(p + 4 * PAGE, PAGE), EFAULT);
    ck_assert_int_eq(kgc__proc_check_writable(p + 5 * PAGE, 3 * PAGE), 0);
    ck_assert_int_eq(mprotect(p + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
    ck_assert_int_eq(kgc__proc_check_writable(p, 8 * PAGE), 0); /* three mappings, one after the other */
    ck_assert_int_eq(mprotect(p + 4 * PAGE, PAGE, PROT_NONE), 0);
    ck_assert_int_eq(kgc__proc_check_writable(p + PAGE, 4 * PAGE), EFAULT);
    ck_assert_int_eq(munmap(p + 4 * PAGE, PAGE), 0);
    ck_assert_int_eq(kgc__proc_check_writable(p, 8 * PAGE), EFAULT);
    ck_assert_int_eq(kgc__proc_check_writable(p + 4 * PAGE, PAGE), EFAULT);
    ck_assert_int_eq(kgc__proc_check_writable(NULL, PAGE), EFAULT);
    munmap(p, 8 * PAGE);
}
END_TEST

SUITE("nodes", lists, sets_of_nodes, obstacles, this_machine, policies, pages_elsewhere, numbers_in_files,
      writable_ranges)
