/* SPDX-License-Identifier: MIT */
/*
 * Pages of regions over the system's memory: lazy and huge ones, access and
 * giving back.  Comments name the functions of Rust's MmapBacked.
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
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

/* new_lazy: no access before a block or commit reaches a page */
START_TEST(lazy)
{
    kgc_region *r = kgc_region_create_lazy(64 * KGC_MIB);
    ck_assert_ptr_nonnull(r);
    char *base = kgc_region_base(r);
    ck_assert(!is_readable(base) && !is_readable(base + 64 * KGC_MIB - 1));
    fault_arm(FAULT_MPROTECT, 0, false, 0);
    for (size_t i = 0; i < 16 * KGC_MIB / 4096; i++)
        memset(take(r, 4096, 1), 1, 4096);
    ck_assert_uint_eq(fault_count(FAULT_MPROTECT), 16); /* one for each MiB */
    fault_disarm();
    ck_assert(!is_readable(base + 16 * KGC_MIB));
    memset(take(r, 20 * KGC_MIB + 1, 1), 1, 20 * KGC_MIB + 1);
    size_t rest = kgc_region_remaining(r);
    char *p = kgc_region_allocate_zeroed(r, rest, 1);
    ck_assert(p != NULL && all_bytes(p, rest, 0) && is_writable(p + rest - 1));
    ck_assert_uint_eq(kgc_region_remaining(r), 0);
    kgc_region_destroy(r);
    /* A size that no step divides. */
    r = kgc_region_create_lazy(KGC_MIB + 3 * PAGE);
    memset(take(r, KGC_MIB + PAGE + 1, 1), 1, KGC_MIB + PAGE + 1);
    memset(take(r, 2 * PAGE - 1, 1), 1, 2 * PAGE - 1);
    kgc_region_destroy(r);
}
END_TEST

/* commit */
START_TEST(commit)
{
    kgc_region *r = kgc_region_create_lazy(4 * KGC_MIB);
    char *base = kgc_region_base(r);
    ck_assert_int_eq(kgc_region_commit(r, 2 * KGC_MIB + 100, 1), 0);
    char *page = base + 2 * KGC_MIB;
    ck_assert(is_writable(page) && is_writable(page + PAGE - 1));
    ck_assert(!is_readable(page - 1) && !is_readable(page + PAGE));
    memset(page, 9, PAGE);
    ck_assert_int_eq(kgc_region_commit(r, 2 * KGC_MIB - 1, 2), 0); /* both pages; contents stay */
    ck_assert(is_writable(page - 1) && all_bytes(page, PAGE, 9));
    ck_assert_int_eq(kgc_region_commit(r, 0, 0), 0);
    ck_assert_int_eq(kgc_region_commit(r, 4 * KGC_MIB, 0), 0);
    ck_assert(!is_readable(base));
    ck_assert_uint_eq(kgc_region_allocated(r), 0);
    ck_assert_int_eq(kgc_region_commit(r, 4 * KGC_MIB, 1), EINVAL);
    ck_last_error(
        "kgc_region_commit: 1 bytes from offset 4194304 on are not inside a region of 4194304 bytes");
    ck_assert_int_eq(kgc_region_commit(r, 1, SIZE_MAX), EINVAL);
    ck_assert_int_eq(kgc_region_commit(r, SIZE_MAX, 1), EINVAL);
    ck_assert_int_eq(kgc_region_commit(NULL, 0, 1), EINVAL);
    ck_last_error("kgc_region_commit: the region is NULL");
    /* What was written there is not taken for fresh. */
    char *p = kgc_region_allocate_zeroed(r, 4 * KGC_MIB, 1);
    ck_assert(p != NULL && all_bytes(p, 4 * KGC_MIB, 0));
    kgc_region_destroy(r);

    /* From the start on, so that blocks need no system call any more. */
    r = kgc_region_create_lazy(4 * KGC_MIB);
    ck_assert_int_eq(kgc_region_commit(r, 0, 3 * KGC_MIB), 0);
    fault_arm(FAULT_MPROTECT, 0, false, 0);
    memset(take(r, 3 * KGC_MIB, 1), 1, 3 * KGC_MIB);
    ck_assert_uint_eq(fault_count(FAULT_MPROTECT), 0);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    ck_assert_int_eq(kgc_region_commit(r, 3 * KGC_MIB, 1), ENOMEM);
    ck_last_error("the region at %p: 4096 bytes cannot be made usable: Cannot allocate memory",
                  kgc_region_base(r));
    fault_disarm();
    kgc_region_destroy(r);
}
END_TEST

/* Does the system know that the mapping of this address wants huge pages? */
static bool wants_huge(const void *p)
{
    char line[512];
    unsigned long start, end;
    bool inside = false, wants = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(smaps);
    while (fgets(line, sizeof line, smaps) != NULL)
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)p >= start && (uintptr_t)p < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            wants = strstr(line, " hg") != NULL;
    fclose(smaps);
    return wants;
}

/* with_huge_pages */
START_TEST(huge)
{
    size_t page = kgc__proc_thp_size();
    if (page == 0)
        SKIP("no transparent huge pages");
    for (unsigned flags = 0; flags <= KGC_REGION_LAZY; flags += KGC_REGION_LAZY) {
        kgc_region *r = create(page + 1, KGC_REGION_HUGE | flags);
        char *base = kgc_region_base(r);
        ck_assert_uint_eq(kgc_region_size(r), 2 * page);
        ck_assert_uint_eq((uintptr_t)base % page, 0);
        memset(take(r, 2 * page, 1), 1, 2 * page);
        ck_assert(wants_huge(base) && wants_huge(base + 2 * page - 1));
        /* Whole huge pages are given back, and no parts of them. */
        ck_assert_int_eq(kgc_region_release_pages(r, base + PAGE, 2 * page - PAGE), 0);
        ck_assert(all_bytes(base, page, 1) && all_bytes(base + page, page, 0));
        kgc_region_destroy(r);
    }
    fault_arm(FAULT_MADVISE, 1, true, EINVAL); /* a kernel without them */
    ck_fails(kgc_region_create_huge(1), ENOTSUP,
             "kgc_region_create: this kernel has no transparent huge pages; leave KGC_REGION_HUGE out");
    fault_arm(FAULT_MADVISE, 1, true, ENOMEM);
    ck_fails(kgc_region_create_huge(1), ENOMEM,
             "kgc_region_create: madvise(MADV_HUGEPAGE): Cannot allocate memory");
    fault_disarm();
}
END_TEST

START_TEST(huge_pages_switched_off)
{
    const char *setting = "/sys/kernel/mm/transparent_hugepage/enabled";
    char path[] = "/var/tmp/kindgc-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dprintf(fd, "always madvise [never]\n"), 23);
    close(fd);
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount(path, setting, "none", MS_BIND, NULL) == 0;
    int error = errno;
    if (mounted) {
        errno = 0;
        kgc_region *r = kgc_region_create_huge(1);
        error = errno;
        umount2(setting, MNT_DETACH);
        unlink(path);
        ck_assert_ptr_null(r);
        ck_assert_int_eq(error, ENOTSUP);
        ck_last_error(
            "kgc_region_create: this system has transparent huge pages switched off; as root: echo madvise > "
            "/sys/kernel/mm/transparent_hugepage/enabled");
    } else {
        unlink(path);
        SKIP("this process may not mount: %s", strerror(error));
    }
}
END_TEST

/* release_pages */
START_TEST(release)
{
    kgc_region *r = create(16 * PAGE, 0);
    char *p = take(r, 16 * PAGE, 1);
    memset(p, 1, 16 * PAGE);
    ck_assert_int_eq(kgc_region_release_pages(r, p + 1, 2 * PAGE - 2), 0); /* no whole page */
    ck_assert(all_bytes(p, 16 * PAGE, 1));
    ck_assert_int_eq(kgc_region_release_pages(r, p + 1, 2 * PAGE - 1), 0);
    ck_assert(all_bytes(p, PAGE, 1) && all_bytes(p + PAGE, PAGE, 0) && all_bytes(p + 2 * PAGE, 14 * PAGE, 1));
    ck_assert_int_eq(kgc_region_release_pages(r, p, 16 * PAGE), 0);
    ck_assert_uint_eq(kgc__proc_resident(p, 16 * PAGE), 0);
    memset(p, 2, 16 * PAGE);
    ck_assert_int_eq(kgc_region_release_pages(r, p + 16 * PAGE, 0), 0);
    ck_assert_int_eq(kgc_region_release_pages(r, p + 16 * PAGE, 1), EINVAL);
    ck_last_error("kgc_region_release_pages: 1 bytes at %p are not inside the region at %p of 65536 bytes",
                  (void *)(p + 16 * PAGE), (void *)p);
    ck_assert_int_eq(kgc_region_release_pages(r, p - 1, 2), EINVAL);
    ck_assert_int_eq(kgc_region_release_pages(r, p, SIZE_MAX), EINVAL);
    ck_assert_int_eq(kgc_region_release_pages(r, NULL, 1), EINVAL);
    ck_assert_int_eq(kgc_region_release_pages(NULL, p, 1), EINVAL);
    ck_last_error("kgc_region_release_pages: the region is NULL");
    fault_arm(FAULT_MADVISE, 1, true, EAGAIN);
    ck_assert_int_eq(kgc_region_release_pages(r, p, 2 * PAGE), EAGAIN);
    ck_last_error("kgc_region_release_pages: 8192 bytes: Resource temporarily unavailable");
    fault_disarm();
    ck_assert(all_bytes(p, 16 * PAGE, 2));
    kgc_region_destroy(r);
}
END_TEST

/* protect */
START_TEST(protect)
{
    for (unsigned flags = 0; flags <= KGC_REGION_LAZY; flags += KGC_REGION_LAZY) {
        kgc_region *r = create(16 * PAGE, flags);
        char *p = take(r, 4 * PAGE, 1);
        memset(p, 1, 4 * PAGE);
        ck_assert_int_eq(kgc_region_protect(r, p + PAGE + 5, 1, PROT_READ), 0); /* the page that holds it */
        ck_assert(is_writable(p + PAGE - 1) && is_readable(p + PAGE) && !is_writable(p + PAGE));
        ck_assert(!is_writable(p + 2 * PAGE - 1) && is_writable(p + 2 * PAGE));
        ck_assert_int_eq(kgc_region_protect(r, p + 2 * PAGE, PAGE + 1, PROT_NONE), 0);
        ck_assert(!is_readable(p + 2 * PAGE) && !is_readable(p + 4 * PAGE - 1));
        /* Blocks that are taken do not open pages of others. */
        char *q = take(r, 4 * PAGE, 1);
        memset(q, 2, 4 * PAGE);
        ck_assert(!is_writable(p + PAGE) && !is_readable(p + 2 * PAGE));
        /* Pages in front of later blocks, closed or not. */
        ck_assert_int_eq(kgc_region_protect(r, q + 4 * PAGE, 2 * PAGE, PROT_NONE), 0);
        ck_assert(!is_readable(q + 4 * PAGE));
        memset(take(r, 10, 1), 3, 10);
        ck_assert(!is_readable(q + 5 * PAGE)); /* not reached yet */
        memset(take(r, 3 * PAGE, 1), 4, 3 * PAGE);
        ck_assert_int_eq(kgc_region_protect(r, p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
        ck_assert(all_bytes(p, 4 * PAGE, 1) && is_writable(p + 2 * PAGE) && !is_writable(p + PAGE));
        ck_assert_int_eq(kgc_region_commit(r, PAGE, 1), 0);
        ck_assert(is_writable(p + PAGE));
        ck_assert_int_eq(kgc_region_protect(r, p, 16 * PAGE, PROT_NONE), 0);
        kgc_region_reset(r);
        memset(take(r, 16 * PAGE, 1), 5, 16 * PAGE);
        kgc_region_destroy(r);
    }
}
END_TEST

START_TEST(protect_wrongly)
{
    kgc_region *r = create(4 * PAGE, 0);
    char *p = kgc_region_base(r);
    ck_assert_int_eq(kgc_region_protect(r, p, PAGE, 0x10), EINVAL);
    ck_last_error("kgc_region_protect: 0x10 is not PROT_NONE or made of PROT_READ, PROT_WRITE and PROT_EXEC");
    ck_assert_int_eq(kgc_region_protect(r, p, 4 * PAGE + 1, PROT_READ), EINVAL);
    ck_last_error("kgc_region_protect: 16385 bytes at %p are not inside the region at %p of 16384 bytes",
                  (void *)p, (void *)p);
    ck_assert_int_eq(kgc_region_protect(r, p - PAGE, PAGE, PROT_READ), EINVAL);
    ck_assert_int_eq(kgc_region_protect(NULL, p, PAGE, PROT_READ), EINVAL);
    ck_last_error("kgc_region_protect: the region is NULL");
    ck_assert_int_eq(kgc_region_protect(r, p, 0, PROT_NONE), 0);
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    ck_assert_int_eq(kgc_region_protect(r, p, PAGE, PROT_NONE), ENOMEM);
    ck_last_error("kgc_region_protect: 4096 bytes: Cannot allocate memory");
    fault_disarm();
    memset(p, 1, 4 * PAGE);
    kgc_region_destroy(r);
}
END_TEST

SUITE("region_pages", lazy, commit, huge, huge_pages_switched_off, release, protect, protect_wrongly)
