/* SPDX-License-Identifier: MIT */
/* Objects on kinds of the caller's choice: limits of kinds and of the system,
   the heap's own kind, and what is refused with which reason. */
#include "collect/object_kind.h"
#include "place.h"
#include "section/place.h"
#include <errno.h>
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- limits ---- */

START_TEST(limits_hold)
{
    const char *specs[] = {"default,limit=1M", "numa:bind=0,limit=1M", "tier:thp@512K+default@512K"};
    char file[256];
    snprintf(file, sizeof file, "%s,limit=1M", quick_file_kind());
    ck_assert_ptr_nonnull(kgc_allocate(1));
    for (unsigned i = 0; i < 4; i++) {
        kgc_kind *kind = open_kind(i < 3 ? specs[i] : file);
        void *p[64];
        size_t n = 0;
        errno = 0;
        while (n < 64 && (p[n] = kgc_allocate_in(kind, 50000, KGC_ATOMIC)) != NULL)
            n++;
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_nonnull(strstr(kgc_last_error(), "limit"));
        ck_assert_uint_ge(n, i == 2 ? 18 : 19); /* 13 pages each */
        ck_assert_uint_lt(n, 20);
        ck_assert_uint_le(placed_on(kind), KGC_MIB);
        ck_assert_uint_gt(stats_of(kind).refusals, 0);
        /* Explicit memory draws on the same limit. */
        ck_assert_ptr_null(kgc_kind_malloc(kind, 900000));
        kgc_release(p[0]);
        p[0] = kgc_allocate_in(kind, 50000, KGC_ATOMIC);
        ck_assert_ptr_nonnull(p[0]);
        while (n > 0)
            kgc_release(p[--n]);
        ck_assert_uint_eq(placed_on(kind), 0);
        void *block = kgc_kind_malloc(kind, i == 2 ? 100000 : 900000);
        ck_assert_ptr_nonnull(block);
        kgc_kind_free(kind, block);
        close_kind(kind);
    }
}
END_TEST

START_TEST(tiers_and_ratios_share)
{
    ck_assert_ptr_nonnull(kgc_allocate(1));
    kgc_kind *tier = open_kind("tier:numa:bind=0@1M+thp"), *ratio = open_kind("ratio:default@1+thp@3");
    enum { N = 40 };
    void *p[2 * N];
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(p[i] = kgc_allocate_in(tier, 50000, 0));
        ck_assert_ptr_nonnull(p[N + i] = kgc_allocate_in(ratio, 50000, 0));
    }
    size_t piece = 13 * PAGE;
    ck_assert_uint_le(placed_on(tier->member[0]), KGC_MIB); /* where sections end, pieces are smaller */
    ck_assert_uint_ge(placed_on(tier->member[0]), KGC_MIB - piece);
    ck_assert_uint_eq(placed_on(tier), N * piece);
    ck_assert_uint_ge(placed_on(ratio->member[0]), (N / 4 - 1) * piece);
    ck_assert_uint_le(placed_on(ratio->member[0]), (N / 4 + 1) * piece);
    ck_assert_uint_eq(placed_on(ratio), N * piece);
    ck_assert_ptr_eq(kgc_kind_of(p[0]), tier->member[0]);
    ck_assert_ptr_eq(kgc_kind_of(p[N - 1]), tier->member[1]);
    for (int i = 0; i < 2 * N; i++)
        kgc_release(p[i]);
    ck_assert_uint_eq(placed_on(tier), 0);
    ck_assert_uint_eq(atomic_load(&tier->granted), 0);
    close_kind(tier);
    close_kind(ratio);
}
END_TEST

enum { ODD = 3000 };

/* Every second page on another kind: a mapping each. */
static int near_the_limit(void *arg)
{
    (void)arg;
    kgc_kind *kind = open_kind("numa:bind=0");
    char **keep = kgc_malloc(2 * ODD * sizeof *keep);
    size_t placed = 0;
    if (kgc_allocate(1) == NULL)
        return 1;
    kgc__place_mappings_max = read_mappings() + 4096 + 500;
    for (size_t i = 0; i < ODD; i++) {
        keep[2 * i] = kgc_allocate(3000);
        keep[2 * i + 1] = kgc_allocate_in(kind, 3000, 0);
        if (keep[2 * i] == NULL)
            return 2;
        if (keep[2 * i + 1] != NULL)
            placed++;
        else if (errno != ENOMEM || strstr(kgc_last_error(), "vm.max_map_count") == NULL)
            return 3;
    }
    kgc_kind_info info = stats_of(kind);
    if (placed < 150 || placed > 2500 || info.placement_refusals != ODD - placed)
        return 4;
    if (read_mappings() > kgc__place_mappings_max - 4096 + 100)
        return 5;
    for (size_t i = 0; i < 20; i++) /* small ones as well */
        if (kgc_allocate_in(kind, 100, KGC_ATOMIC) != NULL)
            return 6;
    /* Those that exist live on, and with room for more there are more. */
    for (size_t i = 0; i < ODD; i++)
        if (keep[2 * i + 1] != NULL &&
            (kgc_kind_of(keep[2 * i + 1]) != kind || !all_bytes(keep[2 * i + 1], 3000, 0)))
            return 7;
    kgc__place_mappings_max = 0;
    return kgc_allocate_in(kind, 100, KGC_ATOMIC) != NULL ? 0 : 8;
}

START_TEST(mappings_do_not_run_out)
{
    char text[2048];
    int status = in_child_with_stderr(near_the_limit, NULL, text, sizeof text);
    ck_assert_msg(exited(status, 0), "status %d: %s", status, text);
    const char *warning = strstr(text, "limit of");
    ck_assert_msg(warning != NULL, "%s", text);
    ck_assert_ptr_null(strstr(warning + 1, "limit of")); /* once */
}
END_TEST

/* ---- the heap's own kind ---- */

START_TEST(the_heaps_own_kind)
{
    kgc_kind *heap = kgc_heap_kind();
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        for (unsigned flags = 0; flags < 4; flags++) {
            char *p = kgc_allocate_in(heap, size, flags), *q = kgc_allocate_in(NULL, size, flags);
            ck_assert_ptr_eq(kgc_kind_of(p), heap);
            ck_assert_ptr_nonnull(q);
            ck_assert(flags != 0 || (all_bytes(p, size, 0) && all_bytes(q, size, 0)));
        }
    }
    ck_assert_uint_eq(atomic_load(&heap->object_kind[0]), 0); /* nothing was needed */
    /* After a change only some of the heap is on its kind. */
    kgc_kind *other = open_kind("numa:bind=0");
    ck_assert_int_eq(kgc_heap_set_kind(other), 0);
    for (int i = 0; i < 3000; i++) {
        size_t size = i % 10 == 0 ? 10000 : 1 + (size_t)i % 2040;
        ck_assert_ptr_eq(kgc_kind_of(kgc_allocate_in(other, size, i % 2)), other);
        ck_assert_ptr_eq(kgc_kind_of(kgc_allocate_in(heap, size, i % 2)), heap);
    }
}
END_TEST

/* ---- errors ---- */

#define ck_refused(call, error, text)                                          \
    do {                                                                       \
        errno = 0;                                                             \
        ck_assert_ptr_null(call);                                              \
        ck_assert_int_eq(errno, error);                                        \
        ck_assert_msg(strstr(kgc_last_error(), text), "%s", kgc_last_error()); \
    } while (0)

static void *refuse(extent_hooks_t *hooks, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                    unsigned arena)
{
    (void)hooks, (void)wish, (void)size, (void)align, (void)zero, (void)commit, (void)arena;
    return NULL;
}

START_TEST(kinds_that_cannot)
{
    static extent_hooks_t hooks = {.alloc = refuse};
    kgc_kind *kind;
    size_t size = KGC_MIB;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(kgc_kind_create_fixed("mine", memory, size, &kind), 0);
    ck_refused(kgc_allocate_in(kind, 10, 0), ENOTSUP,
               "mine cannot hold single pages of the heap: its memory is the caller's");
    ck_refused(kgc_allocate_in(kind, 10000, KGC_ATOMIC), ENOTSUP, "mine");
    close_kind(kind);
    ck_assert_int_eq(kgc_kind_create("hooks", &hooks, NULL, &kind), 0);
    ck_refused(kgc_allocate_in(kind, 10, 0), ENOTSUP, "the caller's own hooks");
    close_kind(kind);
    if (kgc_kind_open("hugetlb", &kind) == 0) {
        ck_refused(kgc_allocate_in(kind, 10, 0), ENOTSUP, "larger than those of the collector");
        close_kind(kind);
    }
    kind = open_kind("tier:default@1M+thp");
    ck_refused(kgc_allocate_in(kind->member[0], 10, 0), EINVAL, "name the tier");
    ck_refused(kgc_allocate_in(kind, 10, 4), EINVAL, "KGC_ATOMIC and KGC_NOZERO");
    ck_refused(kgc_allocate_in(NULL, 10, 4), EINVAL, "KGC_ATOMIC and KGC_NOZERO");
    volatile size_t too_much = SIZE_MAX; /* the compiler would see it */
    ck_refused(kgc_allocate_in(kind, too_much, 0), ENOMEM, "cannot grow");
    ck_refused(kgc_allocate_in(kind, SIZE_MAX / 4, 0), ENOMEM, "cannot grow");
}
END_TEST

START_TEST(no_kinds_of_objects_left)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    ck_assert_ptr_nonnull(kgc_allocate(100000));
    while (kgc__object_kind_new(0 | GC_DS_LENGTH, true, true, "a test") >= 0)
        ;
    ck_refused(kgc_allocate_in(kind, 10, 0), ENOTSUP, "none is left for numa:bind=0");
    ck_refused(kgc_allocate_in(kind, 2000, KGC_ATOMIC), ENOTSUP, "none is left");
    char *p = kgc_allocate_in(kind, 10000, 0); /* needs none of its own */
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
}
END_TEST

START_TEST(incremental_mode)
{
    kgc_kind *kind = open_kind(quick_file_kind());
    char **keep = kgc_malloc(100 * sizeof *keep);
    for (size_t i = 0; i < 100; i++) {
        keep[i] = kgc_allocate_in(kind, i * 100 + 1, 0);
        memset(keep[i], 5, i * 100 + 1);
    }
    GC_enable_incremental();
    if (!GC_is_incremental_mode())
        SKIP("this libgc has no incremental mode");
    ck_refused(kgc_allocate_in(kind, 100000, 0), ENOTSUP, "incremental mode");
    ck_refused(kgc_allocate_in(kind, 2045, 0), ENOTSUP, "incremental mode");
    for (int round = 0; round < 5; round++) { /* objects from before live on, and are written to */
        for (int i = 0; i < 20000; i++)
            ck_assert_ptr_nonnull(kgc_allocate(100));
        kgc_collect();
        for (size_t i = 0; i < 100; i++) {
            ck_assert(all_bytes(keep[i], i * 100 + 1, (unsigned char)(5 + round)));
            memset(keep[i], 6 + round, i * 100 + 1);
        }
    }
    memset(keep, 0, 100 * sizeof *keep);
    collect();
    ck_assert_uint_lt(placed_on(kind), 200 * KGC_KIB);
    for (int i = 0; i < 2000; i++)
        memset(kgc_allocate(3000), 1, 3000);
}
END_TEST

static void *substitute;
static void *give_substitute(size_t size)
{
    (void)size;
    return substitute;
}

/* What the out-of-memory function returns is in use: it stays as and where it is. */
START_TEST(out_of_memory)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    char *p = substitute = kgc_allocate(300 * KGC_MIB);
    memset(p, 9, 10000);
    ck_assert_int_eq(kgc_heap_set_limit(kgc_heap_size()), 0);
    ck_refused(kgc_allocate_in(kind, 200 * KGC_MIB, 0), ENOMEM, "cannot grow");
    kgc_set_oom_fn(give_substitute);
    ck_assert_ptr_eq(kgc_allocate_in(kind, 200 * KGC_MIB, 0), p);
    ck_assert_ptr_eq(kgc_allocate_in(kind, 200 * KGC_MIB, KGC_ATOMIC), p);
    ck_assert(all_bytes(p, 10000, 9));
    ck_assert_ptr_ne(kgc_kind_of(p), kind);
}
END_TEST

static int beside_small_files(void *arg)
{
    const struct rlimit limit = {100 * KGC_MIB, 100 * KGC_MIB};
    kgc_kind *kind;
    (void)arg;
    if (kgc_allocate(1) == NULL || kgc_kind_open(quick_file_kind(), &kind) != 0 ||
        setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    if (kgc_allocate_in(kind, 5000, 0) != NULL || errno != ENOMEM)
        return 2;
    return strstr(kgc_last_error(), "RLIMIT_FSIZE") != NULL ? 0 : 3;
}

/* Not the signal that ends the process. */
START_TEST(small_files)
{
    ck_assert(exited(in_child(beside_small_files, NULL), 0));
}
END_TEST

/* A full disk is a refusal. */
START_TEST(full_disk)
{
    const char *directory = mount_memory(2 * KGC_MIB);
    if (directory == NULL)
        SKIP("no file system can be mounted here");
    char spec[256];
    snprintf(spec, sizeof spec, "file:%s", directory);
    kgc_kind *kind = open_kind(spec);
    char **keep = kgc_malloc(1000 * sizeof *keep);
    size_t n = 0;
    while (n < 1000 && (keep[n] = kgc_allocate_in(kind, n % 2 == 0 ? 10000 : 1000, 0)) != NULL) {
        memset(keep[n], 1, 1000);
        n++;
    }
    ck_assert_uint_gt(n, 200);
    ck_assert_uint_lt(n, 1000);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "No space left"));
    for (size_t i = 0; i < n; i += 2)
        kgc_release(keep[i]);
    ck_assert_ptr_nonnull(kgc_allocate_in(kind, 100000, 0));
    kgc_free(keep);
    collect();
    kgc_kind_close(kind);
    unmount_memory(directory);
}
END_TEST

SUITE("objects on kinds, limits", limits_hold, tiers_and_ratios_share, mappings_do_not_run_out,
      the_heaps_own_kind, kinds_that_cannot, no_kinds_of_objects_left, incremental_mode, out_of_memory,
      small_files, full_disk)
