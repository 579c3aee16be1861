/* SPDX-License-Identifier: MIT */
/* The system's memory calls, what /proc says, and metadata. */
#include "base/size.h"
#include "os/meta.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE = 4096 };

START_TEST(reserved_addresses)
{
    struct holdings before = count_holdings();
    for (size_t align = PAGE; align <= KGC_GIB; align *= 8) {
        char *p = kgc__os_reserve(64 * KGC_KIB, align);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % align, 0);
        ck_assert(!is_readable(p));
        ck_assert_int_eq(kgc__os_make_usable(p, PAGE), 0);
        *p = 1;
        ck_assert_int_eq(kgc__os_make_usable(p, 2 * PAGE), 0); /* idempotent */
        ck_assert_int_eq(*p, 1);
        ck_assert(!is_readable(p + 2 * PAGE));
        ck_assert_int_eq(kgc__os_make_read_only(p, PAGE), 0);
        ck_assert(is_readable(p) && !is_writable(p));
        kgc__os_release(p, 64 * KGC_KIB);
    }
    ck_assert_uint_eq(count_holdings().address_space,
                      before.address_space); /* slack for alignment is returned */
    errno = 0;
    ck_assert_ptr_null(kgc__os_reserve(SIZE_MAX - PAGE, KGC_GIB));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(kgc__os_reserve((size_t)1 << 60, PAGE));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(giving_pages_back)
{
    char *p = kgc__os_map_plain(8 * PAGE);
    ck_assert(all_bytes(p, 8 * PAGE, 0));
    memset(p, 1, 8 * PAGE);
    ck_assert_uint_eq(kgc__proc_resident(p, 8 * PAGE), 8 * PAGE);
    ck_assert_int_eq(kgc__os_discard(p, 4 * PAGE), 0);
    ck_assert_uint_eq(kgc__proc_resident(p, 8 * PAGE), 4 * PAGE);
    ck_assert(all_bytes(p, 4 * PAGE, 0) && all_bytes(p + 4 * PAGE, 4 * PAGE, 1));
    ck_assert_int_eq(kgc__os_discard_lazily(p + 4 * PAGE, 4 * PAGE), 0);
    ck_assert_int_eq(kgc__os_discard(p + 1, PAGE), EINVAL); /* errors are returned as they are */
    errno = 77;
    kgc__os_release(p, 8 * PAGE);
    ck_assert_int_eq(errno, 77);
    ck_assert_uint_eq(kgc__proc_resident(p, PAGE), SIZE_MAX);
}
END_TEST

START_TEST(inheritance)
{
    char *p = kgc__os_map_plain(PAGE);
    *p = 1;
    ck_assert(is_readable(p));
    ck_assert_int_eq(kgc__os_set_inherited(p, PAGE, false), 0);
    ck_assert(!is_readable(p));
    ck_assert_int_eq(kgc__os_set_inherited(p, PAGE, true), 0);
    ck_assert(is_writable(p));
}
END_TEST

START_TEST(failures_are_returned)
{
    char *p = kgc__os_map_plain(PAGE);
    fault_arm(FAULT_MPROTECT, 1, true, EACCES);
    ck_assert_int_eq(kgc__os_make_usable(p, PAGE), EACCES);
    ck_assert_int_eq(kgc__os_make_read_only(p, PAGE), EACCES);
    fault_arm(FAULT_MADVISE, 1, true, EAGAIN);
    ck_assert_int_eq(kgc__os_discard(p, PAGE), EAGAIN);
    ck_assert_int_eq(kgc__os_discard_lazily(p, PAGE), EAGAIN);
    ck_assert_int_eq(kgc__os_advise_huge(p, PAGE), EAGAIN);
    ck_assert_int_eq(kgc__os_set_inherited(p, PAGE, false), EAGAIN);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_assert_ptr_null(kgc__os_reserve(PAGE, PAGE));
    ck_assert_ptr_null(kgc__os_map_plain(PAGE));
    ck_assert_int_eq(kgc__os_map_hugetlb(p, PAGE, 21, true), ENOMEM);
    ck_assert_int_eq(kgc__os_map_hugetlb(p, PAGE, 21, false), ENOMEM);
    fault_arm(FAULT_MINCORE, 1, true, ENOMEM);
    ck_assert_uint_eq(kgc__proc_resident(p, PAGE), SIZE_MAX);
    fault_disarm();
    *p = 1;
}
END_TEST

START_TEST(the_machine)
{
    ck_assert_uint_eq(kgc__page_size(), (size_t)sysconf(_SC_PAGESIZE));
    ck_assert_uint_eq(kgc__os_memory_size(), (size_t)sysconf(_SC_PHYS_PAGES) * kgc__page_size());
    ck_assert_uint_eq(kgc__os_address_space_left(), SIZE_MAX);
    size_t used = kgc__proc_address_space();
    ck_assert_uint_gt(used, KGC_MIB);
    struct rlimit limit = {used + 64 * KGC_MIB, RLIM_INFINITY};
    if (SANITIZED || under_valgrind())
        SKIP("what watches this process needs address space itself");
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    size_t left = kgc__os_address_space_left();
    ck_assert_uint_le(left, 64 * KGC_MIB);
    ck_assert_uint_ge(left, 32 * KGC_MIB);
    limit.rlim_cur = used / 2; /* less than is in use */
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert_uint_eq(kgc__os_address_space_left(), 0);
}
END_TEST

START_TEST(small_files)
{
    char text[8];
    ck_assert(kgc__proc_read("/proc/self/comm", text, sizeof text)); /* cut, and terminated */
    ck_assert_uint_eq(strlen(text), 7);
    ck_assert_int_eq(strncmp(text, program_invocation_short_name, 7), 0);
    ck_assert(!kgc__proc_read("/nonexistent", text, sizeof text));
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(kgc__proc_number("/nonexistent", 42), 42);
    ck_assert_uint_ge(kgc__proc_number("/proc/sys/kernel/pid_max", 0), 300);
    struct kgc__hugetlb_pool pool;
    ck_assert(!kgc__proc_hugetlb(13, &pool)); /* no machine has pages of 8 KiB beside those of 4 */
}
END_TEST

struct look {
    const char *p;
    size_t size, found, count;
    uintptr_t last;
    bool ordered;
};

static bool look_for(const struct kgc__mapping *m, void *arg)
{
    struct look *l = arg;
    l->count++;
    l->ordered &= m->start >= l->last && m->end > m->start;
    l->last = m->end;
    if (m->start <= (uintptr_t)l->p && (uintptr_t)l->p + l->size <= m->end)
        l->found = m->resident;
    return true;
}

static bool stop_at_once(const struct kgc__mapping *m, void *arg)
{
    (void)m;
    ++*(int *)arg;
    return false;
}

START_TEST(mappings)
{
    /* Between pages without access, so that no neighbour is joined. */
    char *area = kgc__os_reserve(18 * PAGE, PAGE), *p = area + PAGE;
    ck_assert_int_eq(kgc__os_make_usable(p, 16 * PAGE), 0);
    memset(p, 1, 8 * PAGE);
    struct look l = {.p = p, .size = 16 * PAGE, .ordered = true};
    ck_assert_uint_eq(kgc__proc_visit_mappings(look_for, &l), l.count);
    ck_assert_uint_gt(l.count, 10);
    ck_assert(l.ordered);
    ck_assert_uint_eq(l.found, 8 * PAGE);
    ck_assert_uint_eq(kgc__proc_residency(p, 16 * PAGE).resident, 8 * PAGE);
    ck_assert_uint_eq(kgc__proc_residency(p, 8 * PAGE).resident, 4 * PAGE); /* by share */
    ck_assert_uint_eq(kgc__proc_residency(p, 16 * PAGE).huge, 0);
    int calls = 0;
    ck_assert_uint_eq(kgc__proc_visit_mappings(stop_at_once, &calls), l.count); /* all are counted */
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(kgc__proc_resident(p, 16 * PAGE), 8 * PAGE);
}
END_TEST

START_TEST(metadata)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 16 * KGC_KIB - 1, 16 * KGC_KIB, KGC_MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = kgc__meta_allocate(sizes[i]), *q = kgc__meta_allocate(sizes[i]);
        ck_assert(p != NULL && q != NULL && p != q);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        ck_assert(all_bytes(p, sizes[i], 0) && all_bytes(q, sizes[i], 0));
        memset(p, 1, sizes[i]);
        ck_assert(all_bytes(q, sizes[i], 0));
        kgc__meta_free(p, sizes[i]);
        kgc__meta_free(q, sizes[i]);
    }
    kgc__meta_free(NULL, KGC_MIB);
    struct holdings before = count_holdings();
    for (int i = 0; i < 100; i++)
        kgc__meta_free(kgc__meta_allocate(KGC_MIB), KGC_MIB);
    ck_assert_uint_eq(count_holdings().address_space, before.address_space); /* large ones go back */
    errno = 0;
    ck_assert_ptr_null(kgc__meta_allocate(SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(no_memory_for_metadata)
{
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    unsigned got = 0;
    while (kgc__meta_allocate(4000) != NULL)
        ck_assert_uint_lt(++got, 17); /* what a chunk of 64 KiB holds */
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(kgc__meta_allocate(KGC_MIB));
    fault_disarm();
    ck_assert_ptr_nonnull(kgc__meta_allocate(4000));
}
END_TEST

static void *take_records(void *arg)
{
    unsigned char me = (unsigned char)(size_t)arg, *record[400];
    for (size_t i = 0; i < 400; i++) {
        record[i] = kgc__meta_allocate(1 + i);
        if (record[i] == NULL || !all_bytes(record[i], 1 + i, 0))
            return "not zeroed";
        memset(record[i], me, 1 + i);
    }
    for (size_t i = 0; i < 400; i++)
        if (!all_bytes(record[i], 1 + i, me))
            return "written by another";
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_records, (void *)(i + 1)), 0);
    for (size_t i = 0; i < 4; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_msg(problem == NULL, "%s", (char *)problem);
    }
}
END_TEST

/* What is wrong, as an exit status, with what a thread sees after the main one. */
static void *look_alone(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    char *p = kgc__os_map_plain(2 * PAGE);
    bool all = p != NULL && kgc__proc_check_writable(p, 2 * PAGE) == 0 && kgc__proc_address_space() != 0 &&
               kgc__proc_count_mappings() != 0 && kgc__proc_residency(p, 2 * PAGE).resident == 0;
    if (all)
        *p = 1;
    all = all && kgc__proc_residency(p, 2 * PAGE).resident == PAGE;
    _exit(all ? 0 : 1);
}

START_TEST(the_main_thread_has_ended)
{
    static pthread_t main_thread, other;
    main_thread = pthread_self();
    ck_assert_int_eq(pthread_create(&other, NULL, look_alone, &main_thread), 0);
    pthread_exit(NULL);
}
END_TEST

SUITE("os", reserved_addresses, giving_pages_back, inheritance, failures_are_returned, the_machine,
      small_files, mappings, metadata, no_memory_for_metadata, threads,
      the_main_thread_has_ended)
