/* SPDX-License-Identifier: MIT */
/*
 * Regions when the system refuses, what they leave behind, and what threads
 * and forked children see of them.
 */
#include "base/size.h"
#include "os/os.h"
#include "os/proc.h"
#include "region.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ENOMEM, and not a signal, when there is no memory to be had. */
START_TEST(lazy_without_memory)
{
    kgc_region *r = kgc_region_create_lazy(4 * KGC_MIB);
    char *base = kgc_region_base(r);
    take(r, PAGE, 1);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    ck_fails(kgc_region_allocate(r, 2 * KGC_MIB, 1), ENOMEM,
             "the region at %p: 1052672 bytes cannot be made usable: Cannot allocate memory", (void *)base);
    ck_assert_uint_eq(kgc_region_allocated(r), PAGE);
    fault_arm(FAULT_MPROTECT, 1, false, ENOMEM); /* the step is refused, what is needed is not */
    memset(take(r, 2 * KGC_MIB, 1), 1, 2 * KGC_MIB);
    ck_assert_uint_eq(fault_count(FAULT_MPROTECT), 2);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    char *last = base + PAGE;
    errno = 0;
    ck_assert_ptr_null(kgc_region_grow(r, last, 2 * KGC_MIB, 3 * KGC_MIB, 1));
    ck_assert_int_eq(errno, ENOMEM);
    fault_disarm();
    ck_assert_ptr_eq(kgc_region_grow(r, last, 2 * KGC_MIB, 3 * KGC_MIB, 1), last);
    ck_assert(is_writable(last + 3 * KGC_MIB - 1));
    kgc_region_destroy(r);
}
END_TEST

/* Bytes of private writable memory: what RLIMIT_DATA counts. */
static size_t private_memory(void)
{
    char text[256];
    unsigned long field[6] = {0};
    ck_assert(kgc__proc_read("/proc/self/statm", text, sizeof text));
    char *at = text;
    for (size_t i = 0; i < 6; i++)
        field[i] = strtoul(at, &at, 10);
    return field[5] * PAGE;
}

START_TEST(limits_of_the_process)
{
    if (SANITIZED || under_valgrind())
        SKIP("what watches this process needs memory itself");
    kgc_region *lazy_one = kgc_region_create_lazy(64 * KGC_MIB);
    struct rlimit limit = {private_memory() + 16 * KGC_MIB, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    size_t blocks = 0;
    for (char *p; (p = kgc_region_allocate(lazy_one, 64 * KGC_KIB, 1)) != NULL; blocks++)
        memset(p, 1, 64 * KGC_KIB);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_ge(blocks, 240);
    ck_assert_uint_le(blocks, 272);
    ck_assert_ptr_null(kgc_region_create(64 * KGC_MIB, 0));
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error("kgc_region_create: 67108864 bytes: Cannot allocate memory");
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    memset(take(lazy_one, 32 * KGC_MIB, 1), 1, 32 * KGC_MIB);
    kgc_region_destroy(lazy_one);

    limit.rlim_cur = kgc__proc_address_space() + 32 * KGC_MIB;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_fails(kgc_region_create_lazy(64 * KGC_MIB), ENOMEM,
             "kgc_region_create: 67108864 bytes of addresses: Cannot allocate memory");
    kgc_region *r = create(16 * KGC_MIB, 0);
    memset(take(r, 16 * KGC_MIB, 1), 1, 16 * KGC_MIB);
    kgc_region_destroy(r);
}
END_TEST

/* Everything that a region does, while one system call fails. */
static void use(unsigned flags, enum fault_call call, unsigned n, bool for_good)
{
#define expect(condition)                                                                \
    ck_assert_msg(condition, "flags %u, %s number %u%s: %s", flags, fault_name(call), n, \
                  for_good ? " and later" : "", #condition)
    fault_arm(call, n, for_good, fault_errno(call));
    errno = 0;
    kgc_region *r = kgc_region_create(3 * KGC_MIB, flags);
    if (r == NULL) {
        expect(errno == ENOMEM || errno == ENOTSUP);
        expect(fault_hits() != 0 && *kgc_last_error() != '\0');
        return;
    }
    char *base = kgc_region_base(r), *p = NULL;
    size_t size = 0;
    for (size_t i = 1; i < 40; i++) {
        errno = 0;
        char *q =
            i % 3 != 0 ? kgc_region_allocate(r, 1000 * i, 16) : kgc_region_allocate_zeroed(r, 1000 * i, 16);
        expect(q != NULL || (errno == ENOMEM && fault_hits() != 0));
        expect(q == NULL || i % 3 != 0 || all_bytes(q, 1000 * i, 0));
        if (q != NULL)
            memset(p = q, 1, size = 1000 * i);
        if (p != NULL && i % 4 == 0 && (q = kgc_region_grow(r, p, size, size + 5000, 16)) != NULL)
            memset(p = q, 1, size += 5000);
        if (i == 20) {
            int error = kgc_region_protect(r, base, 5 * PAGE, PROT_NONE);
            expect(error == 0 || error == fault_errno(call));
            kgc_region_reset(r);
            p = NULL;
        }
        if (i == 30) {
            int error = kgc_region_release_pages(r, base, 100 * PAGE);
            expect(error == 0 || error == fault_errno(call));
            error = kgc_region_commit(r, 0, kgc_region_size(r));
            expect(error == 0 || error == ENOMEM);
            p = NULL;
        }
    }
    expect(kgc_region_corruption_events(r) == 0 || flags >= KGC_REGION_CHECKED);
    kgc_region_destroy(r);
#undef expect
}

/* What was given back is not held any more. */
static void check_holdings(struct holdings before)
{
    struct holdings after = count_holdings();
    ck_assert_uint_eq(after.descriptors, before.descriptors);
    if (!under_valgrind()) { /* which maps memory of its own as we go */
        ck_assert_uint_eq(after.mappings, before.mappings);
        ck_assert_uint_eq(after.address_space, before.address_space);
    }
}

START_TEST(faults)
{
    const enum fault_call sorts[] = {FAULT_MMAP, FAULT_MPROTECT, FAULT_MADVISE};
    kgc_region_destroy(kgc_region_create(1, KGC_REGION_CHECKED)); /* its record stays */
    fault_arm(FAULT_MMAP, 0, false, 0);                           /* so does its counter */
    fault_disarm();
    struct holdings before = count_holdings();
    unsigned most = KGC_REGION_HUGE | KGC_REGION_LAZY | KGC_REGION_CHECKED, hits = 0;
    for (unsigned flags = 0; flags <= most; flags++)
        for (size_t s = 0; s < sizeof sorts / sizeof sorts[0]; s++)
            for (int for_good = 0; for_good < 2; for_good++)
                for (unsigned n = 1;; n++) {
                    use(flags, sorts[s], n, for_good != 0);
                    unsigned h = fault_hits();
                    fault_disarm();
                    hits += h;
                    if (h == 0)
                        break;
                }
    ck_assert_uint_gt(hits, 40);
    check_holdings(before);
}
END_TEST

/* drop */
START_TEST(nothing_left_behind)
{
    enum { COUNT = 1000 };
    static kgc_region *r[COUNT];
    /* Records stay for the next regions. */
    for (int round = 0; round < 3; round++) {
        struct holdings before = count_holdings();
        for (size_t i = 0; i < COUNT; i++) {
            r[i] = create(PAGE * (1 + i % 20), i % 8 & ~(unsigned)KGC_REGION_HUGE);
            memset(take(r[i], 100, 1), 1, 100);
            if (i % 5 == 0)
                ck_assert_int_eq(kgc_region_protect(r[i], kgc_region_base(r[i]), 1, PROT_NONE), 0);
        }
        for (size_t i = 0; i < COUNT; i++)
            kgc_region_destroy(r[i * 7 % COUNT]);
        if (round != 0)
            check_holdings(before);
    }
    errno = 77;
    kgc_region_destroy(create(1, 0));
    ck_assert_int_eq(errno, 77);
}
END_TEST

static void *create_and_destroy(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < 2000; i++) {
        kgc_region *a = kgc_region_create(PAGE, 0),
                   *b = kgc_region_create(2 * PAGE, seed % 2 * KGC_REGION_CHECKED);
        unsigned *p = a != NULL ? kgc_region_allocate(a, sizeof *p, 8) : NULL;
        unsigned *q = b != NULL ? kgc_region_allocate(b, sizeof *q, 8) : NULL;
        if (p == NULL || q == NULL || kgc_region_size(a) != PAGE || kgc_region_size(b) != 2 * PAGE)
            return (void *)1;
        *p = *q = seed;
        kgc_region_destroy(i % 2 == 0 ? a : b);
        if (*(i % 2 == 0 ? q : p) != seed)
            return (void *)2;
        kgc_region_destroy(i % 2 == 0 ? b : a);
    }
    return NULL;
}

/* Records are shared by threads; a region that was handed over works on. */
START_TEST(threads)
{
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, create_and_destroy, (void *)i), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        pthread_join(thread[i], &result);
        ck_assert_ptr_null(result);
    }
}
END_TEST

static int write_in_child(void *arg)
{
    char *p = arg;
    if (!all_bytes(p, PAGE, 1))
        return 1;
    memset(p, 2, PAGE);
    return 0;
}

START_TEST(forked_child)
{
    kgc_region *r = create(PAGE, 0);
    char *p = take(r, PAGE, 1);
    memset(p, 1, PAGE);
    ck_assert(exited(in_child(write_in_child, p), 0));
    ck_assert(all_bytes(p, PAGE, 1));
    kgc_region_destroy(r);
}
END_TEST

SUITE("region_fault", lazy_without_memory, limits_of_the_process, faults, nothing_left_behind, threads,
      forked_child)
