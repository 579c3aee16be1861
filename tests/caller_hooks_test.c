/* SPDX-License-Identifier: MIT */
/*
 * Kinds of the caller's own hooks: what they are asked, what they may refuse,
 * what they may leave out, and what happens when they break the contract.
 * How the collector uses them is section_test's affair.
 */
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Hooks over one mapping.  Each counts its calls and refuses on demand. */
enum hook { ALLOC, DALLOC, DESTROY, COMMIT, DECOMMIT, LAZY, FORCED, SPLIT, MERGE, HOOKS };

static struct mine {
    extent_hooks_t table;
    char *base;
    size_t size;
    _Atomic size_t used;
    _Atomic unsigned calls[HOOKS];
    _Atomic bool refuse[HOOKS];
    /* The last call. */
    void *p, *q;
    size_t a, b, c;
    unsigned arena;
    bool flag;
    bool takes_zero_back; /* dirty memory, and says so */
    char *instead;        /* what alloc returns */
} mine;

static bool note(extent_hooks_t *h, enum hook hook)
{
    ck_assert_ptr_eq(h, &mine.table); /* their own table, not ours */
    atomic_fetch_add(&mine.calls[hook], 1);
    return atomic_load(&mine.refuse[hook]);
}

/* Of several threads' calls anybody's will do. */
static void remember(void *p, size_t a, size_t b, size_t c, bool flag, unsigned arena)
{
    __atomic_store_n(&mine.p, p, __ATOMIC_RELAXED);
    __atomic_store_n(&mine.a, a, __ATOMIC_RELAXED);
    __atomic_store_n(&mine.b, b, __ATOMIC_RELAXED);
    __atomic_store_n(&mine.c, c, __ATOMIC_RELAXED);
    __atomic_store_n(&mine.flag, flag, __ATOMIC_RELAXED);
    __atomic_store_n(&mine.arena, arena, __ATOMIC_RELAXED);
}

static void *my_alloc(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                      unsigned arena)
{
    if (note(h, ALLOC))
        return NULL;
    if (mine.instead != NULL)
        return mine.instead;
    if (wish != NULL)
        return NULL;
    size_t old = atomic_load(&mine.used), at;
    do {
        at = kgc__round_up(old, align);
        if (at + size > mine.size)
            return NULL;
    } while (!atomic_compare_exchange_weak(&mine.used, &old, at + size));
    if (mine.takes_zero_back) {
        memset(mine.base + at, 0xdd, size);
        *zero = false;
    } else {
        *zero = true;
    }
    *commit = true;
    __atomic_store_n(&mine.arena, arena, __ATOMIC_RELAXED);
    return mine.base + at;
}

static bool my_dalloc(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    remember(p, size, 0, 0, committed, arena);
    return note(h, DALLOC);
}

static void my_destroy(extent_hooks_t *h, void *p, size_t size, bool committed, unsigned arena)
{
    remember(p, size, 0, 0, committed, arena);
    note(h, DESTROY);
}

static bool my_commit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    remember(p, size, offset, length, false, arena);
    return note(h, COMMIT) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_decommit(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    remember(p, size, offset, length, false, arena);
    return note(h, DECOMMIT);
}

static bool my_lazy(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    remember(p, size, offset, length, false, arena);
    return note(h, LAZY);
}

static bool my_forced(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length, unsigned arena)
{
    remember(p, size, offset, length, false, arena);
    return note(h, FORCED) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0;
}

static bool my_split(extent_hooks_t *h, void *p, size_t size, size_t a, size_t b, bool committed,
                     unsigned arena)
{
    remember(p, size, a, b, committed, arena);
    return note(h, SPLIT);
}

static bool my_merge(extent_hooks_t *h, void *a, size_t size_a, void *b, size_t size_b, bool committed,
                     unsigned arena)
{
    remember(a, size_a, size_b, 0, committed, arena);
    mine.q = b;
    return note(h, MERGE);
}

static const extent_hooks_t all_hooks = {my_alloc, my_dalloc, my_destroy, my_commit, my_decommit,
                                         my_lazy,  my_forced, my_split,   my_merge};

static kgc_kind *create(const kgc_kind_options *options)
{
    kgc_kind *kind;
    if (mine.base == NULL) {
        mine.size = 256 * KGC_MIB;
        mine.base =
            mmap(NULL, mine.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ck_assert(mine.base != MAP_FAILED);
        mine.table = all_hooks;
    }
    ck_assert_msg(kgc_kind_create("mine", &mine.table, options, &kind) == 0, "%s", kgc_last_error());
    return kind;
}

START_TEST(created_wrongly)
{
    kgc_kind *kind = (kgc_kind *)&mine;
    char name[KGC__SPEC_MAX + 1];
    extent_hooks_t none = {0};
    memset(name, 'n', sizeof name);
    name[KGC__SPEC_MAX] = '\0';
    mine.table = all_hooks;
    ck_assert_int_eq(kgc_kind_create("mine", &mine.table, NULL, NULL), EINVAL);
    ck_last_error("kgc_kind_create: out is NULL");
    const char *const names[] = {NULL, "", name};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kgc_kind_create(names[i], &mine.table, NULL, &kind), EINVAL);
        ck_last_error("kgc_kind_create: a name of 1 to 1023 bytes is needed");
        ck_assert_ptr_null(kind);
    }
    ck_assert_int_eq(kgc_kind_create("mine", NULL, NULL, &kind), EINVAL);
    ck_last_error("kgc_kind_create: hooks with at least an alloc hook are needed");
    ck_assert_int_eq(kgc_kind_create("mine", &none, NULL, &kind), EINVAL);
    ck_last_error("kgc_kind_create: hooks with at least an alloc hook are needed");
    ck_assert_ptr_null(kind);
    name[KGC__SPEC_MAX - 1] = '\0';
    ck_assert_int_eq(kgc_kind_create(name, &mine.table, NULL, &kind), 0);
    ck_assert_str_eq(kgc_kind_name(kind), name);
    close_kind(kind);
}
END_TEST

START_TEST(names_are_copied)
{
    char name[] = "mine";
    kgc_kind *kind;
    mine.table = all_hooks;
    ck_assert_int_eq(kgc_kind_create(name, &mine.table, NULL, &kind), 0);
    name[0] = 'x';
    ck_assert_str_eq(kgc_kind_name(kind), "mine");
    close_kind(kind);
}
END_TEST

START_TEST(addresses_are_recorded)
{
    kgc_kind *kind = create(NULL), *found;
    char *section = try_extent(kind, 3 * PAGE, KGC_ARENA_COLLECTOR);
    ck_assert_uint_eq(mine.arena, KGC_ARENA_COLLECTOR);
    char *extent = take_extent(kind, 2 * PAGE);
    ck_assert_uint_eq(mine.arena, ARENA);
    ck_assert_ptr_eq(kgc_kind_of(section), kind);
    ck_assert_ptr_eq(kgc_kind_of(extent + 2 * PAGE - 1), kind);
    ck_assert_ptr_null(kgc_kind_of(extent + 2 * PAGE)); /* theirs, but not handed out */
    ck_assert_int_eq(kgc__kind_use_of(section + PAGE, &found), KGC__SECTION);
    ck_assert_ptr_eq(found, kind);
    ck_assert_int_eq(kgc__kind_use_of(extent + PAGE, &found), KGC__EXPLICIT);
    ck_assert_ptr_eq(found, kind);
    kgc_kind_info info = stats_of(kind);
    ck_assert_uint_eq(info.section_bytes, 3 * PAGE);
    ck_assert_uint_eq(info.explicit_bytes, 2 * PAGE);
    ck_assert_uint_eq(info.reserved, 5 * PAGE);
    ck_assert_uint_eq(info.limit, SIZE_MAX);
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
}
END_TEST

START_TEST(calls_are_forwarded)
{
    kgc_kind *kind = create(NULL);
    extent_hooks_t *h = hooks_of(kind);
    ck_assert_ptr_ne(h, &mine.table);
    char *p = take_extent(kind, 8 * PAGE);
    for (int refuse = 0; refuse < 2; refuse++) {
        for (int i = 0; i < HOOKS; i++)
            mine.refuse[i] = refuse != 0;
        ck_assert(h->commit(h, p, 8 * PAGE, PAGE, 2 * PAGE, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 8 * PAGE && mine.b == PAGE && mine.c == 2 * PAGE &&
                  mine.arena == ARENA);
        ck_assert(h->decommit(h, p, 8 * PAGE, 2 * PAGE, 3 * PAGE, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 8 * PAGE && mine.b == 2 * PAGE && mine.c == 3 * PAGE);
        ck_assert(h->purge_lazy(h, p, 8 * PAGE, 3 * PAGE, PAGE, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 8 * PAGE && mine.b == 3 * PAGE && mine.c == PAGE);
        ck_assert(h->purge_forced(h, p, 8 * PAGE, 4 * PAGE, PAGE, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 8 * PAGE && mine.b == 4 * PAGE && mine.c == PAGE);
        ck_assert(h->split(h, p, 8 * PAGE, 3 * PAGE, 5 * PAGE, true, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 8 * PAGE && mine.b == 3 * PAGE && mine.c == 5 * PAGE && mine.flag);
        ck_assert(h->merge(h, p, 3 * PAGE, p + 3 * PAGE, 5 * PAGE, false, ARENA) == refuse);
        ck_assert(mine.p == p && mine.a == 3 * PAGE && mine.q == p + 3 * PAGE && mine.b == 5 * PAGE &&
                  !mine.flag);
        for (int i = COMMIT; i < HOOKS; i++)
            ck_assert_uint_eq(mine.calls[i], (unsigned)refuse + 1);
    }
    ck_assert_uint_eq(stats_of(kind).purged, 2 * PAGE); /* what was not refused */
}
END_TEST

START_TEST(dalloc_forgets)
{
    kgc_kind *kind = create(NULL);
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 4 * PAGE);
    mine.refuse[DALLOC] = true;
    ck_assert(h->dalloc(h, p, 2 * PAGE, true, ARENA));
    ck_assert_ptr_eq(kgc_kind_of(p), kind); /* refused: it stays */
    ck_assert_uint_eq(stats_of(kind).committed, 4 * PAGE);
    mine.refuse[DALLOC] = false;
    ck_assert(!h->dalloc(h, p, 2 * PAGE, false, ARENA));
    ck_assert(mine.p == p && mine.a == 2 * PAGE && !mine.flag && mine.arena == ARENA);
    ck_assert_ptr_null(kgc_kind_of(p));
    ck_assert_ptr_eq(kgc_kind_of(p + 2 * PAGE), kind);
    h->destroy(h, p + 2 * PAGE, 2 * PAGE, true, ARENA);
    ck_assert_uint_eq(mine.calls[DESTROY], 1);
    ck_assert_ptr_null(kgc_kind_of(p + 2 * PAGE));
    ck_assert_uint_eq(stats_of(kind).committed, 0);
    close_kind(kind);
}
END_TEST

START_TEST(left_out_hooks)
{
    kgc_kind *kind;
    create(NULL);
    mine.table = (extent_hooks_t){.alloc = my_alloc};
    ck_assert_int_eq(kgc_kind_create("least", &mine.table, NULL, &kind), 0);
    const extent_hooks_t *h = kgc_kind_hooks(kind);
    ck_assert(h->dalloc == NULL && h->commit == NULL && h->decommit == NULL && h->purge_lazy == NULL &&
              h->purge_forced == NULL && h->split == NULL && h->merge == NULL);
    ck_assert(h->destroy != NULL); /* so that the address map forgets */
    char *p = take_extent(kind, PAGE);
    h->destroy((extent_hooks_t *)h, p, PAGE, true, ARENA);
    ck_assert_ptr_null(kgc_kind_of(p));
    ck_assert_uint_eq(mine.calls[DESTROY], 0);
    close_kind(kind);
}
END_TEST

START_TEST(alloc_refuses)
{
    kgc_kind *kind = create(NULL);
    extent_hooks_t *h = hooks_of(kind);
    mine.refuse[ALLOC] = true;
    bool zero = false, commit = false;
    errno = 0;
    ck_assert_ptr_null(h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(!zero && !commit);
    ck_assert_uint_eq(stats_of(kind).refusals, 1);
    ck_assert_uint_eq(stats_of(kind).committed, 0);
}
END_TEST

START_TEST(limit)
{
    kgc_kind *kind = create(&(kgc_kind_options){.limit = 10 * PAGE});
    extent_hooks_t *h = hooks_of(kind);
    ck_assert_uint_eq(stats_of(kind).limit, 10 * PAGE);
    ck_assert_ptr_null(try_extent(kind, 11 * PAGE, ARENA));
    ck_assert_uint_eq(mine.calls[ALLOC], 0); /* not even asked */
    char *p = take_extent(kind, 6 * PAGE);
    ck_assert_ptr_null(try_extent(kind, 5 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert_ptr_nonnull(try_extent(kind, 4 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
    ck_assert_uint_eq(stats_of(kind).refusals, 3);
    ck_assert(!h->dalloc(h, p, 6 * PAGE, true, ARENA));
    ck_assert_ptr_nonnull(try_extent(kind, 6 * PAGE, ARENA));
}
END_TEST

START_TEST(zero_is_kept_as_demanded)
{
    kgc_kind *kind = create(NULL);
    extent_hooks_t *h = hooks_of(kind);
    mine.takes_zero_back = true;
    char *p = take_extent(kind, 4 * PAGE); /* demands it */
    ck_assert(all_bytes(p, 4 * PAGE, 0));
    bool zero = false, commit = false;
    p = h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA);
    ck_assert(!zero && commit); /* not demanded, not done */
    ck_assert(all_bytes(p, PAGE, 0xdd));
}
END_TEST

START_TEST(broken_contract)
{
    kgc_kind *kind = create(NULL);
    extent_hooks_t *h = hooks_of(kind);
    bool zero = false, commit = false;
    void *p = kind;
    mine.instead = mine.base + 16 * PAGE;
    ck_fatal(p = h->alloc(h, mine.base, PAGE, PAGE, &zero, &commit, ARENA),
             "the alloc hook of kind \"mine\" returned %p: not aligned to 4096 bytes, or not where it was "
             "asked for",
             (void *)mine.instead);
    ck_assert_ptr_null(p);
    mine.instead = mine.base + 64;
    ck_fatal(p = h->alloc(h, NULL, PAGE, PAGE, &zero, &commit, ARENA),
             "the alloc hook of kind \"mine\" returned %p: not aligned to 4096 bytes, or not where it was "
             "asked for",
             (void *)mine.instead);
    ck_assert_ptr_null(p);
    ck_assert_ptr_null(kgc_kind_of(mine.base));
    ck_assert_uint_eq(stats_of(kind).committed, 0);
    mine.instead = mine.base + 16 * PAGE;
    ck_assert_ptr_eq(h->alloc(h, mine.instead, PAGE, PAGE, &zero, &commit, ARENA),
                     mine.instead); /* as wished */
}
END_TEST

START_TEST(no_memory_for_the_map)
{
    kgc_kind *kind = create(NULL);
    for (int with = 0; with < 2; with++) { /* dalloc takes it; dalloc refuses and destroy takes it */
        mine.refuse[DALLOC] = with != 0;
        fault_arm(FAULT_MMAP, 1, true, ENOMEM);
        ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
        ck_assert_uint_ge(fault_hits(), 1);
        fault_disarm();
        ck_assert_uint_eq(mine.calls[DALLOC], (unsigned)with + 1);
        ck_assert_uint_eq(mine.calls[DESTROY], (unsigned)with);
        ck_assert_uint_eq(mine.a, PAGE);
    }
    ck_assert_uint_eq(stats_of(kind).committed, 0);
    ck_assert_uint_eq(stats_of(kind).refusals, 2);
    take_extent(kind, PAGE);
}
END_TEST

/* The kind's jemalloc arena with a hook that always refuses, or is left out. */
static void use_arena(kgc_kind *kind)
{
    enum { BLOCKS = 200 };
    unsigned char *block[BLOCKS] = {NULL};
    size_t size[BLOCKS];
    unsigned x = 99;
    for (int step = 0; step < 600; step++) {
        x = x * 1103515245 + 12345;
        unsigned i = (x >> 16) % BLOCKS;
        if (block[i] != NULL) {
            ck_assert(all_bytes(block[i], size[i], (unsigned char)i));
            kgc_kind_free(step % 2 == 0 ? kind : NULL, block[i]);
            block[i] = NULL;
        } else {
            x = x * 1103515245 + 12345;
            size[i] = 1 + (x >> 8) % ((x & 64) != 0 ? 200000 : 500);
            block[i] = kgc_kind_calloc(kind, 1, size[i]);
            ck_assert_ptr_nonnull(block[i]);
            ck_assert((char *)block[i] >= mine.base && (char *)block[i] + size[i] <= mine.base + mine.size);
            ck_assert(all_bytes(block[i], size[i], 0)); /* also where memory is used again */
            memset(block[i], (int)i, size[i]);
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        kgc_kind_free(kind, block[i]);
    close_kind(kind);
}

START_TEST(arena_with_refusals)
{
    use_arena(create(NULL));
    for (enum hook i = DALLOC; i < HOOKS; i++) {
        if (i == SPLIT || i == DESTROY)
            continue; /* jemalloc leaks what cannot be split; destroying cannot be refused */
        kgc_kind *kind = create(NULL);
        mine.refuse[i] = true;
        use_arena(kind);
        mine.refuse[i] = false;
        ck_assert_ptr_null(kgc_kind_of(mine.base));
    }
}
END_TEST

START_TEST(arena_with_hooks_left_out)
{
    for (enum hook i = DALLOC; i < HOOKS; i++) {
        if (i == SPLIT)
            continue;
        kgc_kind *kind;
        create(NULL);
        mine.table = all_hooks;
        switch (i) {
        case DALLOC:
            mine.table.dalloc = NULL;
            break;
        case DESTROY:
            mine.table.destroy = NULL;
            break;
        case COMMIT:
            mine.table.commit = NULL;
            mine.table.decommit = NULL;
            break;
        case DECOMMIT:
            mine.table.decommit = NULL;
            break;
        case LAZY:
            mine.table.purge_lazy = NULL;
            break;
        case FORCED:
            mine.table.purge_forced = NULL;
            break;
        default:
            mine.table.merge = NULL;
            break;
        }
        ck_assert_int_eq(kgc_kind_create("less", &mine.table, NULL, &kind), 0);
        use_arena(kind);
    }
    mine.table = (extent_hooks_t){.alloc = my_alloc, .split = my_split};
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_create("least", &mine.table, NULL, &kind), 0);
    use_arena(kind);
}
END_TEST

START_TEST(arena_without_memory)
{
    kgc_kind *kind = create(NULL);
    mine.refuse[ALLOC] = true;
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(kind, 100));
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error("\"mine\" has no 100 bytes more");
    mine.refuse[ALLOC] = false;
    void *p = kgc_kind_malloc(kind, 100); /* and then it has */
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
    kgc_kind_free(kind, p);
    close_kind(kind);
}
END_TEST

/* The GC heap on these hooks, of which the n-th call of one fails: in a child,
   for libgc ends the process where it gets no memory for its own tables. */
struct failing {
    enum hook hook;
    unsigned n;
    bool for_good;
};
enum { FINE = 0, LIBGC_GIVES_UP = 1, OUT_OF_MEMORY = 20, WRONG = 30, NOT_HIT = 40 };

static bool fails(struct failing *f, enum hook hook)
{
    if (hook != f->hook)
        return false;
    unsigned n = atomic_load(&mine.calls[hook]);
    return f->for_good ? n >= f->n : n == f->n;
}

static struct failing failing;

static void *failing_alloc(extent_hooks_t *h, void *wish, size_t size, size_t align, bool *zero, bool *commit,
                           unsigned arena)
{
    void *p = my_alloc(h, wish, size, align, zero, commit, arena); /* counts; what is refused is wasted */
    return fails(&failing, ALLOC) ? NULL : p;
}

static bool failing_forced(extent_hooks_t *h, void *p, size_t size, size_t offset, size_t length,
                           unsigned arena)
{
    atomic_fetch_add(&mine.calls[FORCED], 1);
    return fails(&failing, FORCED) || madvise((char *)p + offset, length, MADV_DONTNEED) != 0 || h == NULL ||
           size == 0 || arena != KGC_ARENA_COLLECTOR;
}

static int live_on_failing_hooks(void *arg)
{
    enum { OBJECTS = 40, SIZE = 50000 };
    static unsigned char **keep;
    failing = *(struct failing *)arg;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO); /* libgc says that it gives up */
    kgc_kind *kind;
    mine.table = (extent_hooks_t){.alloc = failing_alloc, .purge_forced = failing_forced};
    if (kgc_kind_create("failing", &mine.table, NULL, &kind) != 0 || kgc_heap_set_kind(kind) != 0)
        return WRONG;
    if (kgc_init(NULL) != 0 || (keep = kgc_calloc(OBJECTS, sizeof *keep)) == NULL)
        return mine.calls[failing.hook] >= failing.n ? OUT_OF_MEMORY : WRONG;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < OBJECTS; i++) {
            if (keep[i] == NULL && (keep[i] = kgc_allocate_atomic(SIZE)) == NULL)
                return errno == ENOMEM && mine.calls[failing.hook] >= failing.n ? OUT_OF_MEMORY : WRONG;
            memset(keep[i], i, SIZE);
        }
        for (int i = 0; i < OBJECTS; i++)
            if (i % 4 != 0)
                keep[i] = NULL;
        for (int i = 0; i < 10; i++)
            kgc_collect();
        for (int i = 0; i < OBJECTS; i += 4)
            if (!all_bytes(keep[i], SIZE, (unsigned char)i))
                return WRONG;
    }
    return mine.calls[failing.hook] < failing.n ? NOT_HIT : FINE;
}

START_TEST(heap_on_failing_hooks)
{
    static const enum hook hooks[] = {ALLOC, FORCED};
    close_kind(create(NULL)); /* the mapping */
    for (int i = 0; i < 2; i++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (struct failing f = {hooks[i], 1, for_good != 0};; f.n++) {
                int status = in_child(live_on_failing_hooks, &f);
                if (exited(status, NOT_HIT))
                    break;
                bool gave_up = f.hook == ALLOC && (exited(status, LIBGC_GIVES_UP) || killed(status, SIGABRT));
                ck_assert_msg(exited(status, FINE) || (f.hook == ALLOC && exited(status, OUT_OF_MEMORY)) ||
                                  gave_up,
                              "hook %d fails at call %u%s: status %#x", (int)f.hook, f.n,
                              for_good != 0 ? " and later" : "", (unsigned)status);
                ck_assert_uint_lt(f.n, 1000);
            }
}
END_TEST

static void *take_and_give(void *kind)
{
    extent_hooks_t *h = hooks_of(kind);
    for (int i = 0; i < 2000; i++) {
        char *p = try_extent(kind, 2 * PAGE, ARENA);
        if (p == NULL || kgc_kind_of(p + PAGE) != kind || h->dalloc(h, p, 2 * PAGE, true, ARENA) ||
            kgc_kind_of(p) != NULL)
            return kind;
    }
    return NULL;
}

START_TEST(threads)
{
    kgc_kind *kind = create(NULL);
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_give, kind), 0);
    for (int i = 0; i < 3; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_ptr_null(problem);
    }
    ck_assert_uint_eq(stats_of(kind).committed, 0);
    close_kind(kind);
}
END_TEST

SUITE("caller's hooks", created_wrongly, names_are_copied, addresses_are_recorded, calls_are_forwarded,
      dalloc_forgets, left_out_hooks, alloc_refuses, limit, zero_is_kept_as_demanded, broken_contract,
      no_memory_for_the_map, arena_with_refusals, arena_with_hooks_left_out, arena_without_memory,
      heap_on_failing_hooks, threads)
