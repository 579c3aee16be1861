/* SPDX-License-Identifier: MIT */
/* Regions in explicit memory of kinds, except hugetlb: hugetlb_test. */
#include "base/size.h"
#include "kind/kind.h"
#include "region.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <jemalloc/jemalloc.h>
#include <kindgc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* NULL where this machine cannot give it: then a line says so. */
static kgc_kind *open_here(const char *spec)
{
    kgc_kind *kind = NULL;
    int error = kgc_kind_open(spec, &kind);
    if (error == EINVAL)
        ck_abort_msg("%s", kgc_last_error());
    if (error != 0)
        printf("SKIP: %s: %s\n", spec, kgc_last_error());
    return kind;
}

static void close_kind(kgc_kind *kind)
{
    ck_assert_msg(kgc_kind_close(kind) == 0, "%s", kgc_last_error());
}

static kgc_region *create_in(kgc_kind *kind, size_t size, unsigned flags)
{
    kgc_region *r = kgc_region_create_in(kind, size, flags);
    ck_assert_msg(r != NULL, "%s: %s", kgc_kind_name(kind), kgc_last_error());
    return r;
}

static size_t granule_of(const kgc_region *r)
{
    size_t granule = kgc_kind_of(kgc_region_base(r))->space.range.granule;
    return granule > PAGE ? granule : PAGE;
}

/* Blocks, and what the last region left is zeroed. */
static void use_blocks(kgc_kind *kind, size_t size)
{
    for (unsigned flags = 0; flags <= KGC_REGION_CHECKED; flags += KGC_REGION_CHECKED) {
        kgc_region *r = create_in(kind, size, flags);
        char *base = kgc_region_base(r);
        ck_assert_uint_eq((uintptr_t)base % PAGE, 0);
        ck_assert_uint_ge(kgc_region_size(r), size);
        ck_assert_uint_eq(kgc_region_size(r) % PAGE, 0);
        ck_assert_ptr_eq(kgc__kind_root(kgc_kind_of(base)), kind);
        ck_assert_ptr_eq(kgc__kind_root(kgc_kind_of(base + kgc_region_size(r) - 1)), kind);
        ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
        memset(base, 0xff, kgc_region_size(r));
        size_t all = size - 2 * GUARD;
        char *p = kgc_region_allocate_zeroed(r, all, 1);
        ck_assert(p != NULL && all_bytes(p, all, 0));
        kgc_region_reset(r);
        for (size_t i = 0; i < size / 256; i++)
            memset(take(r, 100, 8), 1, 100);
        ck_assert_uint_eq(kgc_region_corruption_events(r), 0);
        kgc_region_destroy(r);
    }
}

static void release(kgc_kind *kind, size_t size)
{
    kgc_region *r = create_in(kind, size, 0);
    char *base = kgc_region_base(r);
    memset(take(r, size, 1), 1, size);
    const struct kgc__backing *backing = kgc_kind_of(base)->space.backing;
    size_t granule = granule_of(r), before = kgc_kind_of(base)->space.purged;
    int error = kgc_region_release_pages(r, base, size);
    if (backing == NULL || backing->discard == NULL) {
        ck_assert_int_eq(error, ENOTSUP);
        ck_last_error(
            "kgc_region_release_pages: \"%s\" cannot give back pages of live memory; destroy the region",
            kgc_kind_name(kgc_kind_of(base)));
        ck_assert(all_bytes(base, size, 1));
    } else {
        char *start = (char *)kgc__round_up((uintptr_t)base, granule);
        char *end = (char *)kgc__round_down((uintptr_t)base + size, granule);
        ck_assert_int_eq(error, 0);
        ck_assert_uint_eq(kgc_kind_of(base)->space.purged - before, end > start ? (size_t)(end - start) : 0);
        ck_assert(end <= start || all_bytes(start, (size_t)(end - start), 0));
        ck_assert_int_eq(kgc_region_commit(r, 0, size), 0);
        memset(base, 2, size);
        ck_assert_int_eq(kgc_region_release_pages(r, base, size), 0);
        kgc_region_reset(r);
        memset(take(r, size, 1), 3, size);
    }
    kgc_region_destroy(r);
}

/* Can this process write there?  is_writable() asks a child, which has its own
   copy of a file kind.  Sets the byte to 0. */
static bool is_writable_here(void *p)
{
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    bool writable = read(fd, p, 1) == 1;
    close(fd);
    return writable;
}

/* What is closed is open again for whoever gets the memory next. */
static void protect(kgc_kind *kind, size_t size)
{
    for (int round = 0; round < 3; round++) {
        kgc_region *r = create_in(kind, size, 0);
        char *base = kgc_region_base(r);
        memset(take(r, size, 1), 1, size);
        ck_assert_msg(kgc_region_protect(r, base, PAGE, PROT_READ) == 0, "%s", kgc_last_error());
        ck_assert(*base == 1 && !is_writable_here(base) && !is_writable_here(base + PAGE - 1));
        ck_assert(is_writable_here(base + PAGE));
        if (!kind->scanned)
            ck_assert_int_eq(kgc_region_protect(r, base, size, PROT_NONE), 0);
        kgc_region_destroy(r);
    }
    kgc_region *r = create_in(kind, size, 0);
    memset(take(r, size, 1), 1, size);
    ck_assert_int_eq(kgc_region_protect(r, kgc_region_base(r), size, PROT_READ), 0);
    ck_assert_int_eq(kgc_region_commit(r, 0, size), 0);
    memset(kgc_region_base(r), 2, size);
    kgc_region_destroy(r);
}

static void check_kind(const char *spec, size_t size)
{
    kgc_kind *kind = open_here(spec);
    if (kind == NULL)
        return;
    use_blocks(kind, size);
    release(kind, size);
    protect(kind, size);
    kgc_kind_info info;
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_eq(info.allocated, 0);
    close_kind(kind);
}

START_TEST(each_kind)
{
    static const char *const specs[] = {"default",
                                        "default,scanned",
                                        "thp",
                                        "locked",
                                        "numa:local",
                                        "ratio:default@1+thp@1",
                                        "tier:default@1M+thp"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        for (size_t size = 5 * PAGE; size <= 5 * KGC_MIB; size *= 32)
            check_kind(specs[i], size);
}
END_TEST

START_TEST(files)
{
    char file[300], tier[400];
    const char *directory = make_directory();
    snprintf(file, sizeof file, "file:%s", directory);
    snprintf(tier, sizeof tier, "tier:default@256K+%s", file);
    for (size_t size = 5 * PAGE; size <= 5 * KGC_MIB; size *= 32) {
        check_kind(file, size);
        check_kind(tier, size);
    }
    remove_directory(directory);
}
END_TEST

START_TEST(fixed)
{
    enum { SIZE = 8 * 1024 * 1024 };
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create_fixed("mine", memory, SIZE, &kind), 0);
    use_blocks(kind, 100 * PAGE);
    release(kind, 100 * PAGE);
    protect(kind, 100 * PAGE);
    close_kind(kind);
    memset(memory, 1, SIZE);
    munmap(memory, SIZE);
}
END_TEST

static void *map_alloc(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                       unsigned arena)
{
    (void)hooks, (void)arena;
    if (wish != NULL || align > 2 * KGC_MIB)
        return NULL;
    char *p = mmap(NULL, size + 2 * KGC_MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    *zero = *commit = true;
    return (void *)kgc__round_up((uintptr_t)p, align);
}

static bool keep(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                 unsigned arena)
{
    (void)hooks, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return false;
}

START_TEST(own_hooks)
{
    static extent_hooks_t hooks = {.alloc = map_alloc, .split = keep};
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create("own", &hooks, NULL, &kind), 0);
    use_blocks(kind, 100 * PAGE);
    release(kind, 100 * PAGE);
    protect(kind, 100 * PAGE);
    close_kind(kind);
}
END_TEST

START_TEST(wrong_arguments)
{
    kgc_kind *kind = open_here("default,limit=4M");
    ck_fails(kgc_region_create_in(kind, 0, 0), EINVAL, "kgc_region_create_in: the size is 1 to %zu, not 0",
             (size_t)PTRDIFF_MAX - KGC_GIB);
    ck_fails(kgc_region_create_in(kind, 1, KGC_REGION_LAZY | KGC_REGION_HUGE | KGC_REGION_CHECKED), EINVAL,
             "kgc_region_create_in: flags 0x3 are not known, or not allowed here");
    errno = 0;
    ck_assert_ptr_null(kgc_region_create_in(kind, 8 * KGC_MIB, 0));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_msg(strncmp(kgc_last_error(), "kgc_region_create_in: ", 22) == 0, "%s", kgc_last_error());
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "default,limit=4M"));
    close_kind(kind);
}
END_TEST

/* The collector reads there. */
START_TEST(scanned)
{
    kgc_kind *kind = open_here("default,scanned");
    kgc_region *r = create_in(kind, 4 * PAGE, 0);
    void **slot = kgc_region_allocate_zeroed(r, sizeof *slot, 8);
    char *base = kgc_region_base(r);
    ck_assert_int_eq(kgc_region_protect(r, base, PAGE, PROT_NONE), ENOTSUP);
    ck_last_error(
        "kgc_region_protect: the collector reads the memory of \"default,scanned\", which was opened with "
        "\"scanned\"; leave PROT_READ in");
    ck_assert_int_eq(kgc_region_protect(r, base, PAGE, PROT_WRITE), ENOTSUP);
    *slot = kgc_strdup("kept by a region");
    ck_assert_int_eq(kgc_region_protect(r, base, PAGE, PROT_READ), 0);
    for (int i = 0; i < 5; i++) {
        kgc_collect();
        for (int n = 0; n < 1000; n++)
            memset(kgc_allocate_atomic(17), 'x', 17);
    }
    ck_assert_str_eq(*slot, "kept by a region");
    kgc_region_destroy(r);
    close_kind(kind);
}
END_TEST

static bool fill_disk(const char *directory)
{
    char path[300], block[4096];
    memset(block, 1, sizeof block);
    snprintf(path, sizeof path, "%s/filler", directory);
    FILE *f = fopen(path, "w");
    while (f != NULL && fwrite(block, 1, sizeof block, f) == sizeof block && fflush(f) == 0)
        ;
    return f != NULL && errno == ENOSPC;
}

/* Pages of a file that were released, and a disk that is full by then. */
START_TEST(full_disk)
{
    const char *directory = mount_memory(16 * KGC_MIB);
    if (directory == NULL)
        SKIP("this process may not mount: %s", strerror(errno));
    char spec[300];
    snprintf(spec, sizeof spec, "file:%s", directory);
    kgc_kind *kind = open_here(spec);
    kgc_region *r = create_in(kind, 4 * KGC_MIB, 0);
    char *base = kgc_region_base(r);
    memset(take(r, 4 * KGC_MIB, 1), 1, 4 * KGC_MIB);
    ck_assert_int_eq(kgc_region_release_pages(r, base + KGC_MIB, 3 * KGC_MIB), 0);
    ck_assert(fill_disk(directory));
    ck_assert_int_eq(kgc_region_commit(r, 2 * KGC_MIB, KGC_MIB), ENOMEM);
    ck_last_error("the region at %p: 1048576 bytes cannot be made usable: No space left on device",
                  (void *)base);
    ck_assert(all_bytes(base, KGC_MIB, 1));
    kgc_region_reset(r);
    errno = 0;
    ck_assert_ptr_null(kgc_region_allocate(r, 2 * KGC_MIB, 1));
    ck_assert_int_eq(errno, ENOMEM);
    memset(take(r, KGC_MIB, 1), 2, KGC_MIB); /* was not released */
    kgc_region_destroy(r);
    /* Whoever gets the memory next: what can be had is usable. */
    for (size_t size = 4 * KGC_MIB; size >= 4096; size /= 2) {
        errno = 0;
        char *p = kgc_kind_malloc(kind, size);
        ck_assert(p != NULL || errno == ENOMEM);
        if (p != NULL)
            memset(p, 1, size);
    }
    unmount_memory(directory);
}
END_TEST

static int destroy_without_mprotect(void *arg)
{
    kgc_region *r = kgc_region_create_in(arg, 4 * PAGE, 0);
    if (r == NULL || kgc_region_protect(r, kgc_region_base(r), PAGE, PROT_READ) != 0)
        return 1;
    fault_arm(FAULT_MPROTECT, 1, true, ENOMEM);
    kgc_region_destroy(r);
    fault_disarm();
    return kgc_kind_close(arg) == EBUSY ? 0 : 2;
}

START_TEST(cannot_be_opened_again)
{
    char text[200];
    kgc_kind *kind = open_here("default");
    ck_assert(exited(in_child_with_stderr(destroy_without_mprotect, kind, text, sizeof text), 0));
    ck_assert_str_eq(
        text, "kindgc: kgc_region_destroy: the protection of 16384 bytes of \"default\" cannot be changed "
              "back: they stay allocated\n");
    close_kind(kind);
}
END_TEST

static int write_in_child(void *arg)
{
    kgc_region *r = arg;
    char *p = kgc_region_base(r);
    if (!all_bytes(p, 4 * PAGE, 1))
        return 1;
    memset(p, 2, 4 * PAGE);
    kgc_region_destroy(r);
    return 0;
}

START_TEST(forked_child)
{
    char spec[300];
    const char *directory = make_directory();
    snprintf(spec, sizeof spec, "file:%s", directory);
    kgc_kind *kind = open_here(spec);
    kgc_region *r = create_in(kind, 4 * PAGE, 0);
    memset(take(r, 4 * PAGE, 1), 1, 4 * PAGE);
    ck_assert(exited(in_child(write_in_child, r), 0));
    ck_assert(all_bytes(kgc_region_base(r), 4 * PAGE, 1));
    kgc_region_destroy(r);
    close_kind(kind);
    remove_directory(directory);
}
END_TEST

SUITE("region_kind", each_kind, files, fixed, own_hooks, wrong_arguments, scanned, full_disk,
      cannot_be_opened_again, forked_child)
