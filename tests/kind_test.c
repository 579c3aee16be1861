/* SPDX-License-Identifier: MIT */
/* Opening, closing, finding and counting kinds, of every family that any
   machine has; what is special to a family has a test of its own. */
#include "base/size.h"
#include "misuse.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

static const char *const specs[] = {"default",
                                    "thp",
                                    "file:/var/tmp",
                                    "file:/var/tmp,limit=1G",
                                    "tier:default@64M+file:/var/tmp",
                                    "numa:local",
                                    "numa:bind=0",
                                    "locked,limit=2M",
                                    "ratio:default@2+default@1"};
enum { SPECS = sizeof specs / sizeof specs[0] };

static bool usable(const char *spec)
{
    static const char *const of_some[] = {"thp", "numa", "locked"};
    for (size_t i = 0; i < sizeof of_some / sizeof of_some[0]; i++)
        if (strncmp(spec, of_some[i], strlen(of_some[i])) == 0)
            return kgc_kind_check(spec) == 0;
    return true;
}

START_TEST(every_family)
{
    for (int i = 0; i < SPECS; i++) {
        if (!usable(specs[i]))
            continue;
        kgc_kind *kind = open_kind(specs[i]);
        char *p = take_extent(kind, 16 * PAGE);
        ck_assert(all_bytes(p, 16 * PAGE, 0));
        memset(p, 0x5a, 16 * PAGE);
        kgc_kind *found = kgc_kind_of(p);
        ck_assert_ptr_nonnull(found);
        ck_assert_ptr_eq(kgc_kind_of(p + 16 * PAGE - 1), found);
        ck_assert_ptr_eq(found->parent != NULL ? found->parent : found, kind);
        close_kind(kind);
        ck_assert_ptr_null(kgc_kind_of(p));
    }
}
END_TEST

START_TEST(bad_specifications)
{
    kgc_kind *kind = (kgc_kind *)specs;
    ck_assert_int_eq(kgc_kind_open("tier:default", &kind), EINVAL);
    ck_assert_ptr_null(kind);
    ck_last_error("tier:default: at the end: a tier has at least 2 members: KIND@SIZE+KIND");
    ck_assert_int_eq(kgc_kind_check("tier:default"), EINVAL);
    ck_last_error("tier:default: at the end: a tier has at least 2 members: KIND@SIZE+KIND");
    ck_assert_int_eq(kgc_kind_check(NULL), EINVAL);
    ck_assert_int_eq(kgc_kind_open("", &kind), EINVAL);
    ck_assert_int_eq(kgc_kind_open("default", NULL), EINVAL);
    ck_last_error("kgc_kind_open: out is NULL");
}
END_TEST

/*
 * The first rounds may make what is kept: records, and leaves of the address
 * map, 2 MiB for each GiB in which a range of less than a GiB comes to lie.  A
 * leaf moves what is mapped next, perhaps into another GiB; once a round has
 * changed nothing, all later ones are alike.
 */
START_TEST(checking_leaves_nothing)
{
    enum { FIRST_ROUNDS = 10, ROUNDS = 25 };
    struct holdings before = {0};
    for (int round = 0; round < ROUNDS; round++) {
        if (round == FIRST_ROUNDS)
            before = count_holdings();
        for (int i = 0; i < SPECS; i++)
            if (usable(specs[i]))
                ck_assert_msg(kgc_kind_check(specs[i]) == 0, "%s", kgc_last_error());
        ck_assert_int_eq(kgc_kind_check("file:/nonexistent"), ENOENT);
    }
    struct holdings after = count_holdings();
    ck_assert_uint_eq(after.mappings, before.mappings);
    ck_assert_uint_eq(after.address_space, before.address_space);
    ck_assert_uint_eq(after.descriptors, before.descriptors);
}
END_TEST

START_TEST(misused)
{
    kgc_kind_info info;
    kgc_kind *tier = open_kind("tier:default@1M+default");
    ck_assert_int_eq(kgc_kind_close(NULL), EINVAL);
    ck_last_error("kgc_kind_close: the kind is NULL");
    ck_assert_int_eq(kgc_kind_close(tier->member[1]), EINVAL);
    ck_last_error(
        "kgc_kind_close: \"default\" is a member of \"tier:default@1M+default\" and is closed with it");
    ck_assert_int_eq(kgc_kind_stats(NULL, &info), EINVAL);
    ck_last_error("kgc_kind_stats: the kind or the result is NULL");
    ck_assert_int_eq(kgc_kind_stats(tier, NULL), EINVAL);
    ck_assert_str_eq(kgc_kind_name(NULL), "");
    ck_assert_ptr_null(kgc_kind_hooks(NULL));
    close_kind(tier);
}
END_TEST

START_TEST(busy_with_sections)
{
    kgc_kind *kind = open_kind("default");
    char *p = try_extent(kind, PAGE, KGC_ARENA_COLLECTOR);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
    ck_last_error("kgc_kind_close: the GC heap has sections of \"default\", which libgc never returns");
    ck_assert_ptr_eq(kgc_kind_of(p), kind); /* still open */
    *p = 1;
    kgc_kind *tier = open_kind("tier:default@1M+default");
    ck_assert_ptr_nonnull(try_extent(tier, 2 * KGC_MIB, KGC_ARENA_COLLECTOR)); /* in its second member */
    ck_assert_int_eq(kgc_kind_close(tier), EBUSY);
}
END_TEST

START_TEST(kind_of_any_pointer)
{
    int here;
    kgc_kind *kind = open_kind("default");
    uintptr_t x = 88172645463325252u;
    bool strange = false;
    ck_assert_ptr_null(kgc_kind_of(NULL));
    ck_assert_ptr_null(kgc_kind_of(&here));
    ck_assert_ptr_null(kgc_kind_of((void *)(uintptr_t)kgc_kind_of));
    ck_assert_ptr_null(kgc_kind_of((void *)UINTPTR_MAX));
    ck_assert_ptr_null(kgc_kind_of(kind)); /* records are not memory of a kind */
    for (int i = 0; i < 1000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        kgc_kind *found = kgc_kind_of((void *)(i % 2 == 0 ? x : x >> 17));
        strange |= found != NULL && found != kind;
    }
    ck_assert(!strange);
    struct kgc__range *r = &kind->space.range;
    ck_assert_ptr_eq(kgc_kind_of(r->base), kind);
    ck_assert_ptr_eq(kgc_kind_of(r->base + r->size / 2), kind);
    ck_assert_ptr_eq(kgc_kind_of(r->base + r->size - 1), kind);
    ck_assert_ptr_null(kgc_kind_of(r->base - 1));
    ck_assert_ptr_null(kgc_kind_of(r->base + r->size));
    close_kind(kind);
}
END_TEST

START_TEST(use_of_addresses)
{
    kgc_kind *kind = open_kind("default"), *found;
    char *section = try_extent(kind, PAGE, KGC_ARENA_COLLECTOR), *extent = take_extent(kind, PAGE);
    ck_assert_int_eq(kgc__kind_use_of(section, &found), KGC__SECTION);
    ck_assert_ptr_eq(found, kind);
    ck_assert_int_eq(kgc__kind_use_of(extent, &found), KGC__EXPLICIT);
    ck_assert_int_eq(kgc__kind_use_of(section + PAGE, &found), KGC__UNUSED);
    ck_assert_ptr_eq(found, kind);
    ck_assert_int_eq(kgc__kind_use_of(extent - 1, &found), KGC__UNUSED);
    ck_assert_int_eq(kgc__kind_use_of(&found, &found), KGC__UNUSED);
    ck_assert_ptr_null(found);
}
END_TEST

struct visit {
    kgc_kind *seen[16];
    int count;
};

static void note_visit(kgc_kind *kind, void *arg)
{
    struct visit *v = arg;
    ck_assert_int_lt(v->count, 16);
    v->seen[v->count++] = kind;
}

START_TEST(visiting)
{
    struct visit v = {.count = 0};
    kgc_kind_visit(note_visit, &v);
    ck_assert_int_eq(v.count, 0);
    kgc_kind *a = open_kind("default"), *tier = open_kind("tier:default@1M+default@2M+default");
    kgc_kind *b = open_kind("file:/var/tmp");
    kgc_kind_visit(note_visit, &v);
    ck_assert_int_eq(v.count, 6);
    int at = 0;
    while (v.seen[at] != tier)
        ck_assert_int_lt(++at, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(v.seen[at + 1 + (int)i], tier->member[i]);
    close_kind(a);
    close_kind(tier);
    v.count = 0;
    kgc_kind_visit(note_visit, &v);
    ck_assert_int_eq(v.count, 1);
    ck_assert_ptr_eq(v.seen[0], b);
}
END_TEST

START_TEST(statistics)
{
    kgc_kind *kind = open_kind("default");
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_ge(info.reserved, KGC_GIB);
    ck_assert_uint_eq(info.limit, info.reserved);
    ck_assert_uint_eq(info.page_size, PAGE);
    ck_assert_uint_eq(
        info.committed + info.resident + info.huge + info.purged + info.allocated + info.refusals, 0);
    char *section = try_extent(kind, 8 * KGC_MIB, KGC_ARENA_COLLECTOR),
         *extent = take_extent(kind, 4 * KGC_MIB);
    info = stats_of(kind);
    ck_assert_uint_eq(info.section_bytes, 8 * KGC_MIB);
    ck_assert_uint_eq(info.explicit_bytes, 4 * KGC_MIB);
    ck_assert_uint_eq(info.committed, 12 * KGC_MIB);
    ck_assert_uint_eq(info.resident, 0); /* untouched */
    memset(section, 1, KGC_MIB);
    memset(extent, 1, 2 * KGC_MIB);
    info = stats_of(kind);
    ck_assert_uint_ge(info.resident, 3 * KGC_MIB);
    ck_assert_uint_le(info.resident, 12 * KGC_MIB);
    ck_assert(!hooks_of(kind)->purge_forced(hooks_of(kind), extent, 4 * KGC_MIB, 0, 2 * KGC_MIB, ARENA));
    ck_assert_ptr_null(try_extent(kind, info.reserved, ARENA));
    info = stats_of(kind);
    ck_assert_uint_eq(info.purged, 2 * KGC_MIB);
    ck_assert_uint_eq(info.refusals, 1);
}
END_TEST

START_TEST(transparent_huge_pages)
{
    size_t huge = kgc__proc_thp_size();
    if (huge == 0) {
        ck_assert_int_eq(kgc_kind_check("thp"), ENOTSUP);
        SKIP("this system has none");
    }
    kgc_kind *kind = open_kind("thp");
    ck_assert_uint_eq(stats_of(kind).page_size, huge);
    char *p = try_extent(kind, 4 * huge, KGC_ARENA_COLLECTOR);
    ck_assert_uint_eq((uintptr_t)p % huge, 0);
    memset(p, 1, 4 * huge);
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_ge(info.resident, 4 * huge);
    if (info.huge == 0)
        SKIP("the kernel had no huge page to give");
    ck_assert_uint_le(info.huge, info.resident);
    ck_assert(
        !hooks_of(kind)->purge_forced(hooks_of(kind), p, 4 * huge, huge / 2, 3 * huge, KGC_ARENA_COLLECTOR));
    ck_assert_uint_eq(stats_of(kind).purged, 2 * huge);
    ck_assert(all_bytes(p, huge / 2, 1));
    ck_assert(all_bytes(p + huge / 2, 3 * huge, 0));
    ck_assert(all_bytes(p + 7 * huge / 2, huge / 2, 1));
}
END_TEST

START_TEST(hundreds_at_once)
{
    enum { MANY = 300 };
    static const char *const many[] = {"file:/var/tmp,limit=1M", "default", "tier:default@1M+default@1M",
                                       "ratio:default,limit=1M@1+default,limit=1M@2"};
    static kgc_kind *kinds[MANY];
    static char *piece[MANY];
    struct holdings before = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            kinds[i] = open_kind(many[i % 4]);
            ck_assert_uint_lt(kinds[i]->slot, MANY); /* dense */
            piece[i] = take_extent(kinds[i], PAGE);
            memset(piece[i], i, PAGE);
        }
        for (int i = 0; i < MANY; i++) {
            kgc_kind *found = kgc_kind_of(piece[i]);
            ck_assert_ptr_eq(found->parent != NULL ? found->parent : found, kinds[i]);
            ck_assert(all_bytes(piece[i], PAGE, (unsigned char)i));
        }
        for (int i = 0; i < MANY; i++)
            close_kind(kinds[i * 7 % MANY]);
        for (int i = 0; i < MANY; i++)
            ck_assert_ptr_null(kgc_kind_of(piece[i]));
        struct holdings after = count_holdings();
        if (round != 0) {
            /* Leaves of the address map stay, wherever the ranges lay. */
            ck_assert_uint_le(after.address_space, before.address_space + 64 * KGC_MIB);
            ck_assert_uint_eq(after.descriptors, before.descriptors);
        }
        before = after;
    }
}
END_TEST

START_TEST(too_many)
{
    enum { MOST = 4095 };
    static kgc_kind *kinds[MOST];
    kgc_kind *one_more;
    extent_hooks_t *hooks = NULL;
    for (int i = 0; i < MOST; i++) {
        kinds[i] = open_kind("tier:default@4K+default@4K");
        if (hooks == NULL)
            hooks = hooks_of(kinds[i]);
    }
    struct holdings before = count_holdings();
    ck_assert_int_eq(kgc_kind_open("default", &one_more), ENOMEM);
    ck_assert_ptr_null(one_more);
    ck_last_error("4095 kinds are open, which is the most; close some");
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp", &one_more), ENOMEM);
    ck_assert_int_eq(kgc_kind_open("tier:default@4K+file:/var/tmp", &one_more), ENOMEM);
    ck_assert_int_eq(kgc_kind_create("mine", hooks, NULL, &one_more), ENOMEM);
    ck_assert_ptr_null(one_more);
    ck_assert_uint_eq(count_holdings().descriptors, before.descriptors);
    close_kind(kinds[MOST / 2]);
    kinds[MOST / 2] = open_kind("default");
    for (int i = 0; i < MOST; i++)
        close_kind(kinds[i]);
}
END_TEST

START_TEST(closing_and_opening_again)
{
    for (int i = 0; i < SPECS; i++) {
        struct holdings before = {0};
        if (!usable(specs[i]))
            continue;
        for (int round = 0; round < 200; round++) {
            kgc_kind *kind = open_kind(specs[i]);
            *take_extent(kind, 64 * KGC_KIB) = 1;
            void *block = kgc_kind_malloc(kind, 1000); /* its arena comes and goes with it */
            ck_assert_ptr_nonnull(block);
            kgc_kind_free(kind, block);
            close_kind(kind);
            if (round == 100)
                before = count_holdings();
        }
        struct holdings after = count_holdings();
        ck_assert_uint_eq(after.mappings, before.mappings);
        ck_assert_uint_eq(after.address_space, before.address_space);
        ck_assert_uint_eq(after.descriptors, before.descriptors);
    }
}
END_TEST

/* Bytes that its hooks have handed out to arenas, without reading smaps. */
static size_t stats_of_hooks(kgc_kind *kind)
{
    return atomic_load(&kind->space.bytes[KGC__HIGH]);
}

/* Ten thousand times, with blocks that jemalloc keeps as long as it can. */
START_TEST(ten_thousand_times)
{
    enum { TIMES = SANITIZED ? 1000 : 10000, WARM = TIMES / 5 };
    kgc_kind_options keep = {.decay = KGC_DECAY_NEVER};
    struct holdings before = {0};
    size_t pieces = 0;
    for (int i = 0; i < TIMES; i++) {
        kgc_kind *kind;
        if (i == WARM)
            before = count_holdings();
        ck_assert_int_eq(kgc_kind_open_with("default", &keep, &kind), 0);
        ck_assert_uint_eq(kind->slot, 0); /* used again */
        char *block = kgc_kind_malloc(kind, (size_t)1 << i % 18);
        ck_assert_ptr_nonnull(block);
        *block = 1;
        kgc_kind_free(kind, block);
        pieces += stats_of_hooks(kind);
        close_kind(kind);
    }
    ck_assert_uint_gt(pieces, 0);
    struct holdings after = count_holdings();
    ck_assert_uint_eq(after.mappings, before.mappings);
    ck_assert_uint_eq(after.address_space, before.address_space);
    ck_assert_uint_eq(after.descriptors, before.descriptors);
}
END_TEST

START_TEST(ten_thousand_fixed_ones)
{
    enum { TIMES = SANITIZED ? 1000 : 10000, WARM = TIMES / 5, SIZE = 1024 * 1024 };
    char *range = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(range, MAP_FAILED);
    struct holdings before = {0};
    for (int i = 0; i < TIMES; i++) {
        kgc_kind *kind;
        if (i == WARM)
            before = count_holdings();
        ck_assert_int_eq(kgc_kind_create_fixed("mine", range, SIZE, &kind), 0);
        char *block = kgc_kind_calloc(kind, 1, 1000);
        ck_assert(block != NULL && all_bytes(block, 1000, 0));
        memset(block, 1, 1000);
        kgc_kind_free(kind, block);
        close_kind(kind);
    }
    struct holdings after = count_holdings();
    ck_assert_uint_eq(after.mappings, before.mappings);
    ck_assert_uint_eq(after.address_space, before.address_space);
}
END_TEST

enum { THREADS = 4, ROUNDS = 100 };
static _Atomic bool stop;

static void *open_and_close(void *arg)
{
    const char *spec = specs[(size_t)arg % 2 == 0 ? 0 : 4];
    for (int round = 0; round < ROUNDS; round++) {
        kgc_kind *kind;
        if (kgc_kind_open(spec, &kind) != 0)
            return "cannot open";
        char *p = try_extent(kind, 4 * PAGE, ARENA);
        if (p == NULL || !all_bytes(p, 4 * PAGE, 0))
            return "no zeroed memory";
        memset(p, 1, 4 * PAGE);
        kgc_kind *found = kgc_kind_of(p);
        if (found == NULL || (found != kind && found->parent != kind))
            return "not found";
        if (kgc_kind_close(kind) != 0)
            return "cannot close";
    }
    return NULL;
}

static void *look_around(void *unused)
{
    uintptr_t x = 1;
    while (!stop) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        kgc_kind_of((void *)(x >> 17));
    }
    return unused;
}

START_TEST(threads)
{
    pthread_t thread[THREADS], looker;
    ck_assert_int_eq(pthread_create(&looker, NULL, look_around, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, open_and_close, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_msg(problem == NULL, "%s", (char *)problem);
    }
    stop = true;
    ck_assert_int_eq(pthread_join(looker, NULL), 0);
    struct visit v = {.count = 0};
    kgc_kind_visit(note_visit, &v);
    ck_assert_int_eq(v.count, 0);
}
END_TEST

SUITE("kind", every_family, bad_specifications, checking_leaves_nothing, misused, busy_with_sections,
      kind_of_any_pointer, use_of_addresses, visiting, statistics, transparent_huge_pages, hundreds_at_once,
      too_many, closing_and_opening_again, ten_thousand_times, ten_thousand_fixed_ones, threads)
