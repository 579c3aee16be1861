/* SPDX-License-Identifier: MIT */
/*
 * Explicit huge pages.  As root this program reserves eight of 2 MiB, which
 * its tests use up, and returns them; otherwise it is skipped.  A lock file
 * keeps tests that need huge pages apart.
 */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc/region.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 8 };
#define HUGE (2 * KGC_MIB)
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static size_t free_pages(void)
{
    struct kgc__hugetlb_pool pool;
    ck_assert(kgc__proc_hugetlb(21, &pool));
    return pool.free - pool.reserved;
}

/* Is something mapped there?  msync(2) says so without touching it. */
static bool is_mapped(void *p)
{
    return msync(p, PAGE, MS_ASYNC) == 0;
}

START_TEST(huge_pages)
{
    kgc_kind *kind = open_kind("hugetlb");
    ck_assert_uint_eq(stats_of(kind).page_size, HUGE);
    ck_assert(kind->keeps_sections);
    char *section = try_extent(kind, PAGE, KGC_ARENA_COLLECTOR), *extent = take_extent(kind, 2 * HUGE);
    ck_assert_uint_eq((uintptr_t)section % HUGE, 0);
    ck_assert_uint_eq((uintptr_t)extent % HUGE, 0);
    ck_assert(all_bytes(extent, 2 * HUGE, 0));
    memset(section, 1, PAGE);
    memset(extent, 1, 2 * HUGE);
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.huge, 3 * HUGE);
    ck_assert_uint_ge(info.resident, 3 * HUGE);
    ck_assert_uint_eq(free_pages(), PAGES - 3);
    ck_assert(try_extent(kind, PAGE, KGC_ARENA_COLLECTOR) == section + PAGE); /* in the same huge page */
    ck_assert_uint_eq(free_pages(), PAGES - 3);
}
END_TEST

START_TEST(closing_returns_them)
{
    for (int round = 0; round < 20; round++) {
        kgc_kind *kind = open_kind(round % 2 == 0 ? "hugetlb" : "hugetlb:2M");
        memset(take_extent(kind, PAGES * HUGE), 1, PAGES * HUGE);
        ck_assert_uint_eq(free_pages(), 0);
        close_kind(kind);
        ck_assert_uint_eq(free_pages(), PAGES);
    }
}
END_TEST

START_TEST(none_left)
{
    kgc_kind *kind = open_kind("hugetlb"), *other;
    char *all = try_extent(kind, PAGES * HUGE, KGC_ARENA_COLLECTOR); /* set aside, not yet touched */
    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_ptr_null(try_extent(kind, HUGE, i % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR));
        ck_assert_int_eq(errno, ENOMEM);
    }
    ck_assert_uint_eq(stats_of(kind).refusals, 3);
    ck_assert_int_eq(kgc_kind_open("hugetlb", &other), ENOMEM);
    ck_last_error("hugetlb: no free 2 MiB pages; as root: sysctl vm.nr_hugepages=N");
    ck_assert_int_eq(kgc_kind_check("tier:hugetlb@1G+default"), ENOMEM);
    ck_last_error("tier:hugetlb@1G+default: hugetlb: no free 2 MiB pages; as root: sysctl vm.nr_hugepages=N");
    memset(all, 1, PAGES * HUGE); /* what was handed out is there: no SIGBUS */
    char *next = all + PAGES * HUGE;
    ck_assert(is_mapped(next)); /* refusals left no hole in the range */
    ck_assert(is_mapped(kind->space.range.base + kind->space.range.size - PAGE));
    ck_assert_ptr_eq(kgc_kind_of(next), kind);
}
END_TEST

START_TEST(more_than_there_are)
{
    kgc_kind *kind = open_kind("hugetlb");
    ck_assert_ptr_null(try_extent(kind, (PAGES + 1) * HUGE, ARENA));
    ck_assert_uint_eq(free_pages(), PAGES); /* all or nothing */
    memset(take_extent(kind, PAGES * HUGE), 1, PAGES * HUGE);
}
END_TEST

START_TEST(a_faster_process)
{
    /* The probe finds pages, the mapping itself does not. */
    kgc_kind *kind = open_kind("hugetlb");
    char *p = kind->space.range.base;
    fault_arm(FAULT_MMAP, 2, false, ENOMEM);
    ck_assert_ptr_null(try_extent(kind, HUGE, KGC_ARENA_COLLECTOR));
    ck_assert_uint_eq(fault_hits(), 1);
    fault_disarm();
    ck_assert(is_mapped(p));
    ck_assert_ptr_eq(try_extent(kind, HUGE, KGC_ARENA_COLLECTOR), p);
    memset(p, 1, HUGE);
}
END_TEST

/* Kernels before 6.12 take the old mapping away and then find no pages. */
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static unsigned replacing;

static void *old_kernel(void *p, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_HUGETLB) == 0 || (flags & MAP_FIXED) == 0)
        return real_mmap(p, size, protection, flags, fd, offset);
    replacing++;
    munmap(p, size);
    errno = ENOMEM;
    return MAP_FAILED;
}

START_TEST(old_kernels)
{
    kgc_kind *kind = open_kind("hugetlb");
    char *p = kind->space.range.base;
    real_mmap = kgc__os.mmap;
    kgc__os.mmap = old_kernel;
    ck_assert_ptr_null(try_extent(kind, (PAGES + 1) * HUGE, KGC_ARENA_COLLECTOR));
    ck_assert_uint_eq(replacing, 0); /* seen beforehand that there are not as many */
    ck_assert_ptr_null(try_extent(kind, HUGE, KGC_ARENA_COLLECTOR));
    ck_assert_uint_eq(replacing, 1);
    kgc__os.mmap = real_mmap;
    ck_assert(is_mapped(p)); /* no hole that somebody else's mapping could fall into */
    ck_assert_ptr_eq(try_extent(kind, HUGE, KGC_ARENA_COLLECTOR), p);
    memset(p, 1, HUGE);
}
END_TEST

START_TEST(decommit_and_commit)
{
    kgc_kind *kind = open_kind("hugetlb");
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, PAGES * HUGE);
    memset(p, 1, PAGES * HUGE);
    ck_assert(!h->decommit(h, p, PAGES * HUGE, HUGE, 2 * HUGE, ARENA));
    ck_assert_uint_eq(free_pages(), 2);
    ck_assert(is_mapped(p + HUGE)); /* the addresses are still ours */
    kgc_kind *other = open_kind("hugetlb");
    char *q = take_extent(other, HUGE);
    ck_assert(h->commit(h, p, PAGES * HUGE, HUGE, 2 * HUGE, ARENA)); /* one of two is gone */
    ck_assert_uint_eq(stats_of(kind).refusals, 1);
    memset(q, 2, HUGE);
    ck_assert(!h->commit(h, p, PAGES * HUGE, HUGE, HUGE, ARENA));
    ck_assert(all_bytes(p + HUGE, HUGE, 0));
    close_kind(other);
    ck_assert(
        !h->commit(h, p, PAGES * HUGE, HUGE, 2 * HUGE, ARENA)); /* one is there already: kept as it is */
    ck_assert(all_bytes(p, HUGE, 1) && all_bytes(p + 3 * HUGE, HUGE, 1));
    memset(p, 3, PAGES * HUGE);
    ck_assert(h->decommit(h, p, PAGES * HUGE, PAGE, HUGE, ARENA)); /* no whole page in it */
    ck_assert(all_bytes(p, PAGES * HUGE, 3));
}
END_TEST

START_TEST(pages_of_sections_are_kept)
{
    kgc_kind *kind = open_kind("hugetlb");
    extent_hooks_t *h = hooks_of(kind);
    char *p = try_extent(kind, 2 * HUGE, KGC_ARENA_COLLECTOR);
    memset(p, 4, 2 * HUGE);
    ck_assert(h->purge_forced(h, p, 2 * HUGE, 0, 2 * HUGE, KGC_ARENA_COLLECTOR));
    ck_assert(h->purge_lazy(h, p, 2 * HUGE, 0, 2 * HUGE, KGC_ARENA_COLLECTOR));
    ck_assert(all_bytes(p, 2 * HUGE, 4));
}
END_TEST

START_TEST(failing_system_calls)
{
    for (unsigned n = 1;; n++) {
        fault_arm(FAULT_MMAP, n, true, ENOMEM);
        kgc_kind *kind;
        int error = kgc_kind_open("hugetlb", &kind);
        char *p = error == 0 ? try_extent(kind, HUGE, ARENA) : NULL;
        unsigned hits = fault_hits();
        fault_disarm();
        ck_assert(error == 0 || (error == ENOMEM && *kgc_last_error() != '\0'));
        if (p != NULL)
            memset(p, 1, HUGE);
        if (error == 0)
            close_kind(kind);
        ck_assert_uint_eq(free_pages(), PAGES);
        if (hits == 0)
            break;
    }
}
END_TEST

static void *take_and_use(void *kind)
{
    for (size_t i = 0; i < HUGE / (64 * KGC_KIB) * 2; i++) {
        char *p = try_extent(kind, 64 * KGC_KIB, KGC_ARENA_COLLECTOR);
        if (p == NULL || !all_bytes(p, 64 * KGC_KIB, 0))
            return kind;
        memset(p, 1, 64 * KGC_KIB);
    }
    return NULL;
}

START_TEST(threads)
{
    kgc_kind *kind = open_kind("hugetlb");
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_use, kind), 0);
    for (int i = 0; i < 3; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_ptr_null(problem);
    }
    ck_assert_uint_eq(stats_of(kind).committed, 6 * HUGE);
    ck_assert_uint_eq(free_pages(), 2);
}
END_TEST

static int write_in_child(void *p)
{
    if (!all_bytes(p, HUGE, 1))
        return 1;
    memset(p, 2, HUGE);
    return !all_bytes(p, HUGE, 2);
}

START_TEST(forked_child)
{
    kgc_kind *kind = open_kind("hugetlb");
    char *p = take_extent(kind, HUGE);
    memset(p, 1, HUGE);
    ck_assert(exited(in_child(write_in_child, p), 0));
    ck_assert(all_bytes(p, HUGE, 1));
}
END_TEST

START_TEST(forked_child_without_pages)
{
    kgc_kind *kind = open_kind("hugetlb");
    char *p = take_extent(kind, PAGES * HUGE);
    memset(p, 1, PAGES * HUGE);
    int status = in_child(write_in_child, p); /* no page for its copy: the kernel kills the child */
    ck_assert(killed(status, SIGBUS) || SANITIZED);
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(read(ends[0], &byte, 1) == 1 ? 0 : 1);
    }
    memset(p, 3, PAGES * HUGE); /* the parent goes on, at the child's cost */
    ck_assert(all_bytes(p, PAGES * HUGE, 3));
    ck_assert_int_eq((int)write(ends[1], "", 1), 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(exited(status, 0));
}
END_TEST

/* A region is made of whole pages, so that access to them can change. */
START_TEST(regions)
{
    kgc_kind *kind = open_kind("hugetlb");
    kgc_region *r = kgc_region_create_in(kind, HUGE + 1, KGC_REGION_CHECKED);
    ck_assert_msg(r != NULL, "%s", kgc_last_error());
    char *base = kgc_region_base(r);
    ck_assert_uint_eq((uintptr_t)base % HUGE, 0);
    ck_assert_uint_eq(kgc_region_size(r), 2 * HUGE);
    char *p = kgc_region_allocate_zeroed(r, HUGE + HUGE / 2, 1);
    ck_assert(p != NULL && all_bytes(p, HUGE + HUGE / 2, 0));
    memset(p, 1, HUGE + HUGE / 2);
    ck_assert_int_eq(kgc_region_protect(r, base + HUGE + 5, 1, PROT_READ), 0);
    ck_assert(is_writable(base + HUGE - 1) && is_readable(base + HUGE) && !is_writable(base + HUGE));
    ck_assert(!is_writable(base + 2 * HUGE - 1));
    p = kgc_region_allocate(r, 100, 1); /* opens its page */
    ck_assert_ptr_nonnull(p);
    memset(p, 1, 100);
    ck_assert_int_eq(kgc_region_protect(r, base, 2 * HUGE, PROT_NONE), 0);
    ck_assert_int_eq(kgc_region_commit(r, HUGE, 1), 0);
    ck_assert(!is_readable(base) && is_writable(base + HUGE));
    ck_assert_int_eq(kgc_region_release_pages(r, base, HUGE), ENOTSUP);
    ck_assert_uint_eq(kgc_region_corruption_events(r), 0);
    kgc_region_destroy(r);
    /* A smaller one shares its page. */
    r = kgc_region_create_in(kind, 5 * PAGE, 0);
    ck_assert_uint_eq(kgc_region_size(r), 5 * PAGE);
    memset(kgc_region_base(r), 1, 5 * PAGE);
    ck_assert_int_eq(kgc_region_protect(r, kgc_region_base(r), PAGE, PROT_READ), ENOTSUP);
    ck_last_error(
        "kgc_region_protect: the region shares pages of 2097152 bytes with other memory of \"hugetlb\"; make "
        "it of a multiple of them");
    ck_assert_int_eq(kgc_region_commit(r, 0, PAGE), 0);
    kgc_region_destroy(r);
    close_kind(kind);
}
END_TEST

START_TEST(gigabyte_pages)
{
    static const char path[] = "/sys/kernel/mm/hugepages/hugepages-1048576kB";
    struct kgc__hugetlb_pool pool;
    struct stat st;
    int error = kgc_kind_check("hugetlb:1G");
    ck_assert(kgc__proc_hugetlb(30, &pool) == (stat(path, &st) == 0));
    if (pool.total == SIZE_MAX) {
        ck_assert_int_eq(error, ENOTSUP);
        ck_last_error("hugetlb: this system has no 1 GiB pages");
    } else if (pool.free == 0) {
        ck_assert_int_eq(error, ENOMEM);
        ck_last_error("hugetlb: no free 1 GiB pages; as root: echo N > %s/nr_hugepages", path);
    } else {
        ck_assert_int_eq(error, 0);
    }
}
END_TEST

static bool set_pool(size_t pages)
{
    char text[32];
    int fd = open(POOL "nr_hugepages", O_WRONLY | O_CLOEXEC);
    int n = snprintf(text, sizeof text, "%zu", pages);
    bool done = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0)
        close(fd);
    return done && kgc__proc_number(POOL "nr_hugepages", 0) == pages;
}

static int skip(const char *why)
{
    printf("SKIP: hugetlb: %s\n", why);
    return 77;
}

SUITE_FUNCTION(run, "hugetlb", huge_pages, closing_returns_them, none_left, more_than_there_are,
               a_faster_process, old_kernels, decommit_and_commit, pages_of_sections_are_kept,
               failing_system_calls, threads, forked_child, forked_child_without_pages, regions,
               gigabyte_pages)

int main(void)
{
    int lock = open("/var/lock/kindgc-test-hugetlb", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return skip("the lock file /var/lock/kindgc-test-hugetlb cannot be had");
    struct kgc__hugetlb_pool pool;
    if (!kgc__proc_hugetlb(21, &pool))
        return skip("this system has no huge pages of 2 MiB");
    if (pool.overcommit != 0)
        return skip("vm.nr_overcommit_hugepages is set: pages never run out");
    size_t used = pool.total - pool.free + pool.reserved;
    if (!set_pool(used + PAGES)) {
        set_pool(pool.total);
        return skip("pages cannot be reserved: not root, or memory is fragmented");
    }
    int status = run();
    if (!set_pool(pool.total)) {
        printf("hugetlb: the pool of %zu pages could not be restored\n", pool.total);
        return 1;
    }
    return status;
}
