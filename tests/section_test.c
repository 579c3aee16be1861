/* SPDX-License-Identifier: MIT */
/*
 * Sections: the GC heap lies where its kind says, follows a change of kind,
 * gives back what libgc frees, and survives hooks that refuse.
 */
#include "misuse.h"
#include "section/section.h"
#include "section/table.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <jemalloc/jemalloc.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Hooks over one mapping; what they are asked is counted, and they can refuse. */
static struct mine {
    extent_hooks_t table; /* first: hooks get its address */
    char *base;
    size_t size, used;
    unsigned allocs, forced, lazy, others, while_stopped;
    bool refuse_alloc, refuse_forced, refuse_lazy;
} mine;

static void note_state(void)
{
    if (kgc__world_stopped())
        mine.while_stopped++;
}

static void *my_alloc(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                      unsigned arena)
{
    struct mine *m = (struct mine *)h;
    note_state();
    free(malloc(100)); /* would hang if a suspended thread held malloc's lock */
    size_t at = (m->used + align - 1) & ~(align - 1);
    if (wish != NULL || m->refuse_alloc || at + size > m->size || arena != KGC_ARENA_COLLECTOR || !*zero ||
        !*commit)
        return NULL;
    m->used = at + size;
    m->allocs++;
    return m->base + at;
}

static bool my_forced(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    struct mine *m = (struct mine *)h;
    (void)size, (void)arena;
    note_state();
    m->forced++;
    return m->refuse_forced || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_lazy(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    struct mine *m = (struct mine *)h;
    (void)size, (void)arena;
    note_state();
    m->lazy++;
    return m->refuse_lazy || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_dalloc(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    (void)h, (void)p, (void)size, (void)committed, (void)arena;
    mine.others++;
    return true;
}

static bool my_decommit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    (void)h, (void)p, (void)size, (void)offset, (void)length, (void)arena;
    mine.others++;
    return true;
}

static kgc_kind *use_my_hooks(void)
{
    kgc_kind *kind;
    mine.size = (size_t)1 << 30;
    mine.base =
        mmap(NULL, mine.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(mine.base, MAP_FAILED);
    mine.table = (extent_hooks_t){.alloc = my_alloc,
                                  .dalloc = my_dalloc,
                                  .decommit = my_decommit,
                                  .purge_forced = my_forced,
                                  .purge_lazy = my_lazy};
    ck_assert_int_eq(kgc_kind_create("mine", &mine.table, NULL, &kind), 0);
    ck_assert_int_eq(kgc_heap_set_kind(kind), 0);
    return kind;
}

static bool is_mine(const void *p)
{
    return (const char *)p >= mine.base && (const char *)p < mine.base + mine.used;
}

struct count {
    kgc_kind *kind;
    size_t of_kind, plain, others, purged, resident;
};

static int count_section(const kgc_section *s, void *arg)
{
    struct count *c = arg;
    if (s->kind == c->kind)
        c->of_kind++;
    else if (s->kind == NULL)
        c->plain++;
    else
        c->others++;
    c->purged += s->purged;
    c->resident += s->resident;
    return 0;
}

static struct count count_sections(kgc_kind *kind)
{
    struct count c = {.kind = kind};
    kgc_heap_visit_sections(count_section, &c);
    return c;
}

START_TEST(callers_hooks_supply_every_section)
{
    kgc_kind *kind = use_my_hooks();
    void **keep = kgc_allocate(4000 * sizeof *keep);
    ck_assert(is_mine(keep));
    for (size_t i = 0; i < 4000; i++) {
        size_t size = i < 2100 ? i : i * 17 % 150000;
        keep[i] = i % 3 != 0 ? kgc_allocate(size) : kgc_allocate_atomic(size);
        ck_assert_ptr_nonnull(keep[i]);
        ck_assert(is_mine(keep[i]));
        ck_assert(is_mine((char *)keep[i] + size));
        ck_assert_ptr_eq(kgc_base(keep[i]), keep[i]);
        ck_assert_ptr_eq(kgc_kind_of(keep[i]), kind);
    }
    void *rooted = kgc_malloc(1000); /* on "default", with a warning: such a kind cannot be scanned */
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(rooted)), "default");
    kgc_free(rooted);
    struct count c = count_sections(kind);
    ck_assert_uint_eq(c.of_kind, mine.allocs);
    ck_assert_uint_eq(c.others, 0);
    ck_assert_uint_eq(kgc_kind_close(kind), EBUSY);
    ck_assert_uint_eq(mine.others, 0);
}
END_TEST

static _Atomic bool stop;

static void *allocate_with_malloc(void *unused)
{
    (void)unused;
    while (!stop)
        for (size_t i = 1; i < 2000; i++)
            free(malloc(i * 7));
    return NULL;
}

START_TEST(hooks_do_not_run_while_threads_are_suspended)
{
    kgc_kind *kind = use_my_hooks();
    pthread_t thread[2];
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, allocate_with_malloc, NULL), 0);
    /* libgc marks the last word of an object next, so each pair leaves its leaf
       on the mark stack, which then grows in the middle of a collection. */
    enum { PAIRS = 300000 };
    void **list = NULL;
    for (size_t i = 0; i < PAIRS; i++) {
        void **pair = kgc_allocate(2 * sizeof *pair);
        pair[0] = kgc_allocate(32);
        pair[1] = list;
        list = pair;
    }
    for (int i = 0; i < 5; i++)
        kgc_collect();
    for (; list != NULL; list = list[1])
        ck_assert_ptr_eq(kgc_base(list[0]), list[0]);
    stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_gt(count_sections(kind).plain, 0); /* the mark stack did grow */
    ck_assert_uint_eq(mine.while_stopped, 0);
}
END_TEST

START_TEST(refused_memory_is_out_of_memory)
{
    kgc_kind *kind = use_my_hooks();
    kgc_kind_info info;
    ck_assert_ptr_nonnull(kgc_allocate(100));
    mine.refuse_alloc = true;
    errno = 0;
    ck_assert_ptr_null(kgc_allocate(64 << 20));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_gt(info.refusals, 0);
    mine.refuse_alloc = false;
    ck_assert_ptr_nonnull(kgc_allocate(64 << 20));
}
END_TEST

/* Large objects, some of which survive: their blocks are given back after
   libgc has found them unused for some collections. */
enum { OBJECTS = 180, SIZE = 200000 };

static void fill(unsigned char **keep)
{
    for (int i = 0; i < OBJECTS; i++) {
        keep[i] = kgc_allocate_atomic(SIZE);
        ck_assert_ptr_nonnull(keep[i]);
        memset(keep[i], i & 255, SIZE);
    }
}

static bool is_filled(const unsigned char *p, size_t size, int with)
{
    return p[0] == (with & 255) && memcmp(p, p + 1, size - 1) == 0;
}

static void verify(unsigned char **keep)
{
    for (int i = 0; i < OBJECTS; i++)
        if (keep[i] != NULL && !is_filled(keep[i], SIZE, i))
            ck_abort_msg("object %d was lost", i);
}

static void drop_most(unsigned char **keep)
{
    for (int i = 0; i < OBJECTS; i++)
        if (i % 60 > 3)
            keep[i] = NULL;
}

/* Returns the bytes given back. */
static size_t live_and_die(kgc_kind *kind)
{
    unsigned char **keep = kgc_malloc(OBJECTS * sizeof *keep);
    fill(keep);
    size_t full = count_sections(kind).resident;
    drop_most(keep);
    for (int i = 0; i < 15; i++)
        kgc_collect();
    verify(keep);
    struct count c = count_sections(kind);
    if (c.purged != 0)
        ck_assert_uint_lt(c.resident, full);
    for (int round = 0; round < 4; round++) { /* what was given back is used again */
        for (int i = 0; i < OBJECTS; i++) {
            if (i % 60 > 3) {
                keep[i] = kgc_allocate_atomic(SIZE);
                memset(keep[i], i & 255, SIZE);
            }
        }
        verify(keep);
        for (int i = round; i < OBJECTS; i += 3)
            if (i % 60 > 3)
                keep[i] = NULL;
        for (int i = 0; i < 8; i++)
            kgc_collect();
        verify(keep);
    }
    kgc_free(keep);
    return c.purged;
}

START_TEST(purge_asks_forced_then_lazy)
{
    kgc_kind *kind = use_my_hooks();
    mine.refuse_forced = true;
    ck_assert_uint_gt(live_and_die(kind), 0);
    ck_assert_uint_gt(mine.forced, 0);
    ck_assert_uint_eq(mine.lazy, mine.forced);
    ck_assert_uint_eq(mine.others, 0);
    ck_assert_uint_eq(mine.while_stopped, 0);
}
END_TEST

START_TEST(purge_may_be_refused)
{
    kgc_kind *kind = use_my_hooks();
    mine.refuse_forced = mine.refuse_lazy = true;
    ck_assert_uint_eq(live_and_die(kind), 0);
    ck_assert_uint_gt(mine.lazy, 0);
}
END_TEST

START_TEST(purge_hooks_may_be_missing)
{
    kgc_kind *kind = NULL;
    use_my_hooks();
    mine.table.purge_forced = mine.table.purge_lazy = NULL;
    ck_assert_int_eq(kgc_kind_create("bare", &mine.table, NULL, &kind), 0);
    ck_assert_int_eq(kgc_heap_set_kind(kind), 0);
    ck_assert_uint_eq(live_and_die(kind), 0);
}
END_TEST

static const char *const specs[] = {"default", "thp", "file:/var/tmp", "tier:default@16M+file:/var/tmp",
                                    "tier:thp@16M+default"};
enum { KINDS = sizeof specs / sizeof specs[0] };

START_TEST(every_kind_gives_back_and_keeps_what_lives)
{
    const char *spec = specs[_i];
    if (kgc_kind_check(spec) != 0) {
        printf("SKIP: %s: %s\n", spec, kgc_last_error());
        return;
    }
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = spec}), 0);
    ck_assert_uint_gt(live_and_die(kgc_heap_kind()), (size_t)OBJECTS * SIZE / 4);
}
END_TEST

/* What is free in one huge page beside what lives in it must survive: many
   small survivors, never a whole huge page free around them. */
START_TEST(thp_keeps_pages_that_are_in_use_again)
{
    if (kgc_kind_check("thp") != 0) {
        printf("SKIP: %s\n", kgc_last_error());
        return;
    }
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = "thp"}), 0);
    enum { N = 2000, PAGE = 4096 - 1 };
    unsigned char **keep = kgc_malloc(N * sizeof *keep);
    unsigned seed = 1;
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < N; i++) {
            seed = seed * 1103515245 + 12345;
            if (keep[i] == NULL || seed % 5 == 0) {
                keep[i] = kgc_allocate_atomic(PAGE);
                memset(keep[i], (i + 1) & 255, PAGE);
            } else if (seed >> 16 & 1) {
                keep[i] = NULL;
            }
        }
        for (int i = 0; i < 7; i++)
            kgc_collect();
        for (int i = 0; i < N; i++)
            if (keep[i] != NULL && !is_filled(keep[i], PAGE, i + 1))
                ck_abort_msg("round %d: object %d was lost", round, i);
    }
}
END_TEST

START_TEST(kind_of_the_heap_changes_at_run_time)
{
    kgc_kind *thp, *file;
    ck_assert_int_eq(kgc_init(NULL), 0);
    kgc_kind *first = kgc_heap_kind();
    ck_assert_str_eq(kgc_kind_name(first), "default");
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp,limit=1G", &file), 0);
    if (kgc_kind_open("thp", &thp) != 0)
        ck_assert_int_eq(kgc_kind_open("default", &thp), 0);
    kgc_kind *const kinds[] = {first, thp, file};
    struct node {
        struct node *next;
        unsigned number;
        char filler[4000];
    } *list = NULL;
    unsigned count = 0, found[3] = {0};
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(kgc_heap_set_kind(kinds[k]), 0);
        ck_assert_ptr_eq(kgc_heap_kind(), kinds[k]);
        for (int i = 0; i < 8000; i++) {
            struct node *n = kgc_allocate(sizeof *n);
            n->next = list;
            n->number = count++;
            list = n;
        }
    }
    kgc_collect();
    for (struct node *n = list; n != NULL; n = n->next) {
        ck_assert_uint_eq(n->number, --count);
        for (int k = 0; k < 3; k++)
            found[k] += kgc_kind_of(n) == kinds[k];
    }
    for (int k = 0; k < 3; k++)
        ck_assert_uint_gt(found[k], 3000);
    ck_assert_int_eq(kgc_kind_close(thp), EBUSY);
    ck_assert_int_eq(kgc_heap_set_kind(first), 0);
    ck_assert_int_eq(kgc_kind_close(file), EBUSY);
}
END_TEST

START_TEST(limit_holds_against_the_program)
{
    const size_t limit = 16 << 20;
    ck_assert_int_eq(kgc_init(&(kgc_options){.limit = limit}), 0);
    GC_set_max_heap_size(0);
    void **list = NULL;
    for (;;) {
        void **cell = kgc_allocate(10000);
        if (cell == NULL)
            break;
        cell[0] = list;
        list = cell;
        ck_assert_uint_le(kgc_heap_size(), limit);
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_gt(kgc_heap_size(), limit / 2);
}
END_TEST

static struct {
    size_t count[KGC_EVENT_OUT_OF_MEMORY + 1], value[KGC_EVENT_OUT_OF_MEMORY + 1];
} seen[2];

static void see(const kgc_event *event, void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    seen[i].count[event->type]++;
    seen[i].value[event->type] += event->value;
}

START_TEST(listeners_see_what_happens)
{
    static const kgc_listener listener = {see};
    ck_assert_int_eq(kgc_add_listener(&listener, (void *)0), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, (void *)1), 0);
    ck_assert_int_eq(kgc_init(NULL), 0);
    live_and_die(kgc_heap_kind());
    ck_assert_uint_eq(seen[0].count[KGC_EVENT_HEAP_GROWTH], kgc__table_count());
    ck_assert_uint_gt(seen[0].value[KGC_EVENT_HEAP_GROWTH], (size_t)OBJECTS * SIZE);
    ck_assert_uint_ge(seen[0].count[KGC_EVENT_COLLECTION_END], 15);
    ck_assert_uint_eq(seen[0].count[KGC_EVENT_COLLECTION_END], seen[0].count[KGC_EVENT_COLLECTION_START]);
    ck_assert_uint_ge(seen[0].count[KGC_EVENT_PAUSE_END], 15);
    ck_assert_uint_gt(seen[0].value[KGC_EVENT_PAUSE_END], 0);
    ck_assert_uint_gt(seen[0].value[KGC_EVENT_PURGE], 0);
    ck_assert_int_eq(memcmp(&seen[0], &seen[1], sizeof seen[0]), 0);
    while (kgc_add_listener(&listener, (void *)0) == 0)
        ;
    ck_last_error("kgc_add_listener: there are 16 listeners, which is the most");
    ck_assert_int_eq(kgc_add_listener(NULL, NULL), EINVAL);
}
END_TEST

static int stop_at_third(const kgc_section *s, void *arg)
{
    (void)s;
    return ++*(int *)arg == 3;
}

START_TEST(visiting_can_be_stopped)
{
    int visited = 0;
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_gt(kgc__table_count(), 3);
    kgc_heap_visit_sections(stop_at_third, &visited);
    ck_assert_int_eq(visited, 3);
}
END_TEST

START_TEST(misuse_is_told)
{
    kgc_kind *tier;
    ck_assert_int_eq(kgc_heap_set_kind(NULL), EINVAL);
    ck_last_error("kgc_heap_set_kind: the kind is NULL");
    ck_assert_int_eq(kgc_kind_open("tier:default@1M+default", &tier), 0);
    ck_assert_int_eq(kgc_heap_set_kind(tier->member[0]), EINVAL);
    ck_last_error("kgc_heap_set_kind: \"default\" is a member of \"tier:default@1M+default\"; set the tier");
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = "thp:x"}), EINVAL);
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = "file:/nowhere/at/all"}), ENOENT);
    ck_last_error(
        "heap=file:/nowhere/at/all: file:/nowhere/at/all: /nowhere/at/all is not a directory; create it or "
        "name another");
    ck_assert_int_eq(kgc_init(NULL), 0); /* nothing was spoilt by the errors */
    ck_assert_ptr_nonnull(kgc_allocate(10));
}
END_TEST

START_TEST(libgc_is_told_from_others)
{
    ck_assert_int_eq(kgc__section_attached(), 0);
    ck_assert(!kgc__section_is_libgc((void *)(uintptr_t)use_my_hooks));
    ck_assert(!kgc__section_is_libgc(NULL));
    ck_assert_uint_eq(kgc__section_requests(), 0);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_gt(kgc__section_requests(), 0);
}
END_TEST

SUITE_OF_LOOPS("section", 120, {callers_hooks_supply_every_section, 1},
               {hooks_do_not_run_while_threads_are_suspended, 1}, {refused_memory_is_out_of_memory, 1},
               {purge_asks_forced_then_lazy, 1}, {purge_may_be_refused, 1}, {purge_hooks_may_be_missing, 1},
               {every_kind_gives_back_and_keeps_what_lives, KINDS},
               {thp_keeps_pages_that_are_in_use_again, 1}, {kind_of_the_heap_changes_at_run_time, 1},
               {limit_holds_against_the_program, 1}, {listeners_see_what_happens, 1},
               {visiting_can_be_stopped, 1}, {misuse_is_told, 1}, {libgc_is_told_from_others, 1})
