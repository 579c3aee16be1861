/* SPDX-License-Identifier: MIT */
/* What kinds say of themselves, and options of kinds. */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc.h>
#include <string.h>
#include <sys/statvfs.h>

static kgc_kind_description describe(kgc_kind *kind)
{
    kgc_kind_description d;
    ck_assert_int_eq(kgc_kind_describe(kind, &d), 0);
    return d;
}

START_TEST(backings)
{
    static const struct {
        const char *spec;
        kgc_backing backing;
    } cases[] = {{"default", KGC_BACKING_ANONYMOUS},
                 {"thp", KGC_BACKING_THP},
                 {"numa:local", KGC_BACKING_ANONYMOUS},
                 {"locked,limit=64K", KGC_BACKING_ANONYMOUS},
                 {"file:/var/tmp", KGC_BACKING_FILE},
                 {"tier:default@1M+default", KGC_BACKING_MEMBERS},
                 {"ratio:default@1+default@1", KGC_BACKING_MEMBERS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].backing == KGC_BACKING_THP && kgc__proc_thp_size() == 0)
            continue;
        kgc_kind *kind = open_kind(cases[i].spec);
        kgc_kind_description d = describe(kind);
        ck_assert_int_eq(d.backing, cases[i].backing);
        ck_assert_uint_eq(d.page_size, stats_of(kind).page_size);
        ck_assert_uint_eq(d.limit, stats_of(kind).limit);
        ck_assert(d.locked == (strncmp(cases[i].spec, "locked", 6) == 0));
        ck_assert(!d.scanned && !d.fell_back);
        ck_assert_uint_gt(d.capacity, 0);
        ck_assert_uint_lt(d.capacity, SIZE_MAX);
    }
}
END_TEST

START_TEST(capacity_is_the_least)
{
    kgc_kind *kind = open_kind("default,limit=3M");
    ck_assert_uint_eq(describe(kind).capacity, 3 * KGC_MIB);
    take_extent(kind, KGC_MIB);
    ck_assert_uint_eq(describe(kind).capacity, 2 * KGC_MIB);
    kind = open_kind("default"); /* unlimited: what the machine has */
    ck_assert_uint_le(describe(kind).capacity, kgc__os_memory_size());
    kind = open_kind("numa:bind=0");
    ck_assert_uint_le(describe(kind).capacity, kgc__os_memory_size());
    kind = open_kind("numa:bind=0,limit=1M");
    ck_assert_uint_eq(describe(kind).capacity, KGC_MIB);
    struct statvfs fs;
    ck_assert_int_eq(statvfs("/var/tmp", &fs), 0);
    size_t disk = (size_t)fs.f_blocks * fs.f_frsize;
    kind = open_kind("file:/var/tmp");
    size_t capacity = describe(kind).capacity;
    ck_assert(capacity <= disk || capacity <= stats_of(kind).limit);
    kind = open_kind("tier:default@1M+default@2M");
    ck_assert_uint_eq(describe(kind).capacity, 3 * KGC_MIB);
    take_extent(kind, KGC_MIB);
    ck_assert_uint_eq(describe(kind).capacity, 2 * KGC_MIB);
    kind = open_kind("tier:default@1M+default@2M,limit=1536K");
    take_extent(kind, KGC_MIB);
    ck_assert_uint_eq(describe(kind).capacity, 512 * KGC_KIB);
}
END_TEST

START_TEST(small_disk)
{
    const char *path = mount_memory(4 * KGC_MIB);
    if (path == NULL)
        SKIP("this process may not mount");
    char spec[4200];
    snprintf(spec, sizeof spec, "file:%s", path);
    kgc_kind *kind = open_kind(spec);
    ck_assert_uint_eq(describe(kind).capacity, 4 * KGC_MIB);
    take_extent(kind, KGC_MIB); /* promised */
    ck_assert_uint_eq(describe(kind).capacity, 3 * KGC_MIB);
    close_kind(kind);
    unmount_memory(path);
}
END_TEST

/* Hooks of a caller's own; nobody calls them here. */
static void *refuse(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                    unsigned arena)
{
    (void)h, (void)wish, (void)size, (void)align, (void)zero, (void)commit, (void)arena;
    return NULL;
}
static extent_hooks_t own_hooks = {.alloc = refuse};

START_TEST(hooks_of_the_callers)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create("own", &own_hooks, NULL, &kind), 0);
    kgc_kind_description d = describe(kind);
    ck_assert_int_eq(d.backing, KGC_BACKING_CALLER);
    ck_assert_uint_eq(d.capacity, SIZE_MAX); /* not known */
    ck_assert_uint_eq(d.limit, SIZE_MAX);
    close_kind(kind);
    kgc_kind_options options = {.limit = KGC_MIB, .arenas = 3, .decay = KGC_DECAY_NEVER};
    ck_assert_int_eq(kgc_kind_create("own", &own_hooks, &options, &kind), 0);
    d = describe(kind);
    ck_assert_uint_eq(d.limit, KGC_MIB);
    ck_assert_uint_eq(d.capacity, KGC_MIB);
    ck_assert_uint_eq(d.arenas, 3);
    ck_assert_int_eq(kind->decay, KGC_DECAY_NEVER);
    close_kind(kind);
    options.scanned = true;
    ck_assert_int_eq(kgc_kind_create("own", &own_hooks, &options, &kind), ENOTSUP);
    ck_assert_ptr_null(kind);
    ck_last_error(
        "kgc_kind_create: \"own\" cannot be scanned: the collector would read memory while the caller's "
        "hooks may unmap it; open a kind by a specification");
    ck_assert_int_eq(kgc_kind_create("own", &own_hooks, &(kgc_kind_options){.arenas = 100}, &kind), EINVAL);
    ck_last_error("kgc_kind_create: the number of arenas is at most 64, not 100");
}
END_TEST

START_TEST(numbers_of_arenas)
{
    unsigned processors = kgc__os_processors(), usual = processors < 4 ? processors : 4;
    static const char *const small[] = {"default,limit=255M", "tier:default@1M+default@2M",
                                        "ratio:default,limit=1M@1+default,limit=1M@1",
                                        "tier:default@1M+default,limit=1G,arenas=1"};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        ck_assert_uint_eq(describe(open_kind(small[i])).arenas, 1);
    static const char *const large[] = {"default", "default,limit=256M", "tier:default@1M+default"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        ck_assert_uint_eq(describe(open_kind(large[i])).arenas, usual);
    ck_assert_uint_eq(describe(open_kind("default,limit=1M,arenas=64")).arenas, 64);
    kgc_kind *tier = open_kind("tier:default@1M+default,arenas=7");
    ck_assert_uint_eq(describe(tier->member[1]).arenas, 7);
}
END_TEST

START_TEST(options_of_kinds)
{
    kgc_kind *kind;
    kgc_kind_options o = {.limit = 2 * KGC_MIB, .arenas = 2, .decay = KGC_DECAY_AFTER, .decay_ms = 99};
    ck_assert_int_eq(kgc_kind_open_with("default", &o, &kind), 0);
    ck_assert_uint_eq(describe(kind).limit, 2 * KGC_MIB);
    ck_assert_uint_eq(describe(kind).arenas, 2);
    ck_assert_int_eq(kind->decay, KGC_DECAY_AFTER);
    ck_assert_int_eq(kind->decay_ms, 99);
    ck_assert_str_eq(kgc_kind_name(kind), "default");
    ck_assert_int_eq(kgc_kind_open_with("tier:default@1M+default", &o, &kind), 0);
    ck_assert_int_eq(kind->member[1]->decay, KGC_DECAY_AFTER);
    ck_assert_int_eq(kind->member[1]->decay_ms, 99);
    ck_assert_int_eq(kgc_kind_open_with("default", NULL, &kind), 0);
    ck_assert_int_eq(kgc_kind_open_with("default", &o, NULL), EINVAL);
    ck_last_error("kgc_kind_open_with: out is NULL");
    ck_assert_int_eq(kgc_kind_open_with("default", &(kgc_kind_options){.arenas = 65}, &kind), EINVAL);
    ck_last_error("kgc_kind_open_with: the number of arenas is at most 64, not 65");
    ck_assert_ptr_null(kind);
}
END_TEST

/* ---- scanned kinds and the collector ---- */

static unsigned starts, exclusions;

static int note_start(void)
{
    starts++;
    return ENOTSUP;
}

/* What closing does is done inside: before it the kind can be found, after it no more. */
static void note_exclusion(void (*fn)(void *), void *arg)
{
    kgc_kind *kind = arg;
    char *base = kind->members != 0 ? kind->member[0]->space.range.base : kind->space.range.base;
    exclusions++;
    ck_assert_ptr_nonnull(kgc_kind_of(base));
    fn(arg);
    ck_assert_ptr_null(kgc_kind_of(base));
}

START_TEST(scanned_kinds)
{
    kgc_kind *kind;
    struct kgc__collector before = kgc__collector;
    kgc__collector = (struct kgc__collector){.start = note_start, .exclude = note_exclusion};
    close_kind(open_kind("default"));
    ck_assert_uint_eq(starts + exclusions, 0);
    kind = open_kind("default,scanned");
    ck_assert(describe(kind).scanned);
    close_kind(kind);
    ck_assert_uint_eq(exclusions, 1);
    ck_assert_int_eq(
        kgc_kind_open_with("tier:default@1M+default", &(kgc_kind_options){.scanned = true}, &kind), 0);
    ck_assert(kind->member[0]->scanned && kind->member[1]->scanned);
    close_kind(kind);
    ck_assert_uint_eq(exclusions, 2);
    ck_assert_uint_eq(starts, 0); /* the collector is not needed before explicit memory is */
    kind = open_kind("default,scanned");
    ck_assert_ptr_null(kgc_kind_malloc(kind, 1));
    ck_assert_uint_ge(starts, 1);
    close_kind(kind);
    kgc__collector = before;
}
END_TEST

/* The collector is being started when its heap's kind is opened. */
START_TEST(a_scanned_kind_as_the_heap)
{
    ck_assert_msg(kgc_init(&(kgc_options){.heap = "default,scanned"}) == 0, "%s", kgc_last_error());
    void *object = kgc_allocate(16);
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(object)), "default,scanned");
    void *block = kgc_kind_malloc(kgc_heap_kind(), 16);
    ck_assert_ptr_nonnull(block);
    kgc_kind_free(NULL, block);
}
END_TEST

START_TEST(misused)
{
    kgc_kind_description d;
    ck_assert_int_eq(kgc_kind_describe(NULL, &d), EINVAL);
    ck_last_error("kgc_kind_describe: the kind or the result is NULL");
    ck_assert_int_eq(kgc_kind_describe(open_kind("default"), NULL), EINVAL);
}
END_TEST

SUITE("describe", backings, capacity_is_the_least, small_disk, hooks_of_the_callers, numbers_of_arenas,
      options_of_kinds, scanned_kinds, a_scanned_kind_as_the_heap, misused)
