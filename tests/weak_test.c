/* SPDX-License-Identifier: MIT */
/* Weak references: kindgc/weak.h. */
#include "collect/references.h"
#include "misuse.h"
#include "stale.h"
#include "suite.h"
#include "support/fault.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 1000 };

/* A stale word may keep a few: nearly all are asserted, never a certain one. */
#define MOST (OBJECTS * 95 / 100)

/* The weak references are kept alive here, the objects in `kept`. */
static kgc_weak *weak[OBJECTS];
static void *kept[OBJECTS];

static unsigned set_references(void)
{
    unsigned n = 0;
    for (int i = 0; i < OBJECTS; i++)
        n += kgc_weak_get(weak[i]) != NULL;
    return n;
}

/* Objects with their number in the second word. */
static __attribute__((noinline)) void make(size_t size, bool keep)
{
    for (int i = 0; i < OBJECTS; i++) {
        uintptr_t *p = kgc_allocate(size);
        p[1] = (uintptr_t)i;
        kept[i] = keep ? p : NULL;
        weak[i] = kgc_weak_create(p);
        ck_assert_ptr_nonnull(weak[i]);
    }
}

static unsigned wrong_numbers(void)
{
    unsigned wrong = 0;
    for (int i = 0; i < OBJECTS; i++) {
        const uintptr_t *p = kgc_weak_get(weak[i]);
        wrong += p == NULL || p != kept[i] || p[1] != (uintptr_t)i;
    }
    return wrong;
}

static void keep_and_lose(void)
{
    make(32, true);
    collect();
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
    memset(kept, 0, sizeof kept);
    ck_assert_uint_eq(set_references(), OBJECTS); /* nothing happens before a collection */
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}

START_TEST(cleared)
{
    keep_and_lose();
    keep_and_lose();
}
END_TEST

START_TEST(cleared_incrementally)
{
    GC_enable_incremental();
    keep_and_lose();
    make(64, true);
    for (int i = 0; i < 300000; i++) { /* collections in small steps */
        void **p = kgc_allocate(64);
        p[0] = kept[i % OBJECTS];
    }
    ck_assert_uint_eq(wrong_numbers(), 0);
    memset(kept, 0, sizeof kept);
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}
END_TEST

/* A program that takes libgc's callback for itself. */
static _Atomic unsigned program_events;

static void GC_CALLBACK on_program_event(GC_EventType type)
{
    (void)type;
    atomic_fetch_add(&program_events, 1);
}

START_TEST(callback_of_the_programs)
{
    make(32, true);
    GC_set_on_collection_event(on_program_event);
    collect();
    ck_assert_uint_ge(program_events, 1);
    ck_assert_uint_eq(wrong_numbers(), 0);
    memset(kept, 0, sizeof kept);
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
    GC_set_on_collection_event(NULL);
    keep_and_lose();
}
END_TEST

START_TEST(cleared_by_parallel_markers)
{
    setenv("GC_MARKERS", "4", 1);
    kgc_init(NULL);
    GC_start_mark_threads();
    keep_and_lose();
}
END_TEST

static __attribute__((noinline)) void make_other_sorts(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        char *p = i % 3 == 0 ? kgc_allocate_atomic(40) : i % 3 == 1 ? kgc_allocate(20000) : GC_MALLOC(100);
        weak[i] = kgc_weak_create(p + i % 40);
        ck_assert_ptr_eq(kgc_weak_get(weak[i]), p + i % 40);
    }
}

START_TEST(interior_pointers_and_all_sorts_of_objects)
{
    make_other_sorts();
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}
END_TEST

static __attribute__((noinline)) void drop_references(void)
{
    memset(weak, 0, sizeof weak);
    clear_stack();
}

/* Weak references die before what they refer to, many times over. */
START_TEST(references_die_first)
{
    make(32, true);
    for (int round = 0; round < 20; round++) {
        drop_references();
        collect();
        for (int i = 0; i < OBJECTS; i++)
            weak[i] = kgc_weak_create(kept[i]);
        unsigned refused = 0;
        for (int i = 0; i < 20 * OBJECTS; i++) /* soon dead */
            refused += kgc_weak_create(kept[i % OBJECTS]) == NULL;
        ck_assert_uint_eq(refused, 0);
    }
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
}
END_TEST

START_TEST(cleared_by_hand)
{
    make(32, true);
    for (int i = 0; i < OBJECTS; i += 2)
        kgc_weak_clear(weak[i]);
    kgc_weak_clear(NULL);
    for (int i = 0; i < OBJECTS; i++)
        ck_assert_ptr_eq(kgc_weak_get(weak[i]), i % 2 == 0 ? NULL : kept[i]);
    collect();
    for (int i = 0; i < OBJECTS; i++)
        kgc_weak_clear(weak[i]);
    for (int i = 0; i < OBJECTS; i++)
        kgc_weak_clear(weak[i]);
    ck_assert_uint_eq(set_references(), 0);
}
END_TEST

/* Released references are used for other objects at once: those must stay as they are. */
START_TEST(released)
{
    make(32, true);
    for (int i = 0; i < OBJECTS; i++)
        kgc_release(weak[i]);
    static uint64_t *others[4 * OBJECTS];
    volatile size_t smallest = 12; /* 16 with what libgc adds */
    for (int i = 0; i < 4 * OBJECTS; i++) {
        others[i] = GC_MALLOC_ATOMIC(smallest);
        memset(others[i], 0xff, sizeof *others[i] * 2);
    }
    memset(kept, 0, sizeof kept);
    memset(weak, 0, sizeof weak);
    collect();
    collect();
    unsigned changed = 0;
    for (int i = 0; i < 4 * OBJECTS; i++)
        changed += others[i][0] != UINT64_MAX || others[i][1] != UINT64_MAX;
    ck_assert_uint_eq(changed, 0);
}
END_TEST

/* Against the rules, but it must not end the process: blocks of large objects are given back. */
START_TEST(target_released)
{
    make(300000, true);
    for (int i = 0; i < OBJECTS; i++)
        kgc_release(kept[i]);
    memset(kept, 0, sizeof kept);
    GC_gcollect_and_unmap();
    for (int i = 0; i < 10; i++)
        collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}
END_TEST

static unsigned finalized, seen_target, seen_manager;

struct child {
    kgc_weak *self, *manager;
};

static void on_end(void *object, void *data)
{
    const struct child *c = object;
    (void)data;
    finalized++;
    seen_target += kgc_weak_get(c->self) != NULL;
    seen_manager += kgc_weak_get(c->manager) == kept[0];
}

static __attribute__((noinline)) void make_children(void)
{
    kept[0] = kgc_allocate(32);
    for (int i = 0; i < OBJECTS; i++) {
        struct child *c = kgc_allocate(sizeof *c);
        c->self = weak[i] = kgc_weak_create(c);
        c->manager = kgc_weak_create(kept[0]);
        kgc_register_finalizer(c, on_end, NULL, KGC_FINALIZE_NORMAL, NULL, NULL);
    }
}

/* References are cleared before the finalizer runs, whether somebody else
   holds them or not; references to what is alive are not, though only the
   object itself leads to them. */
START_TEST(seen_by_finalizers)
{
    for (int round = 1; round <= 2; round++) {
        make_children();
        if (round == 2)
            drop_references();
        finalized = seen_target = seen_manager = 0;
        collect();
        ck_assert_uint_ge(finalized, MOST);
        ck_assert_uint_eq(seen_target, 0);
        ck_assert_uint_eq(seen_manager, finalized);
        for (int i = 0; i < 5; i++) /* they are really gone now, and leave the registry */
            collect();
    }
}
END_TEST

static void revive(void *object, void *data)
{
    (void)data;
    kept[finalized++ % OBJECTS] = object;
}

static __attribute__((noinline)) void make_revivable(void)
{
    make(32, true);
    for (int i = 0; i < OBJECTS; i++)
        kgc_register_finalizer(kept[i], revive, NULL, KGC_FINALIZE_NORMAL, NULL, NULL);
    memset(kept, 0, sizeof kept);
}

START_TEST(not_brought_back)
{
    make_revivable();
    collect();
    unsigned n = finalized;
    ck_assert_uint_ge(n, MOST);
    ck_assert_uint_le(set_references(), OBJECTS - n);
    for (unsigned i = 0; i < n; i++)
        weak[i] = kgc_weak_create(kept[i]);
    collect();
    for (unsigned i = 0; i < n; i++)
        ck_assert_ptr_eq(kgc_weak_get(weak[i]), kept[i]);
}
END_TEST

START_TEST(misused)
{
    static int local;
    void *rooted = kgc_malloc(10);
    void *const bad[] = {NULL, &local, rooted, (void *)1};
    for (int i = 0; i < 4; i++) {
        errno = 0;
        ck_assert_ptr_null(kgc_weak_create(bad[i]));
        ck_assert_int_eq(errno, EINVAL);
        if (bad[i] != NULL)
            ck_last_error("kgc_weak_create: %p is not in a collectable object", bad[i]);
    }
    kgc_free(rooted);
}
END_TEST

/* Growing the registry fails; what is registered stays. */
START_TEST(no_memory)
{
    make(32, true);
    kgc_disable(); /* dead references must not make room */
    void *p = kgc_allocate(10);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    unsigned n = 0;
    while (kgc_weak_create(p) != NULL && n < 100000)
        n++;
    int error = errno;
    fault_disarm();
    ck_assert_uint_lt(n, 100000);
    ck_assert_int_eq(error, ENOMEM);
    ck_assert_ptr_nonnull(kgc_weak_create(p));
    kgc_enable();
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
}
END_TEST

/* An out-of-memory function may return what is no object of the heap. */
static _Alignas(16) char spare[64];

static void *give_spare(size_t size)
{
    return size <= sizeof spare ? spare : NULL;
}

START_TEST(out_of_memory_function)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    make(32, true);
    kgc_set_oom_fn(give_spare);
    kgc_heap_set_limit(kgc_heap_size());
    static void **list; /* of all of them */
    unsigned refused = 0, given_away = 0;
    for (unsigned i = 0; i < 10000000 && refused < 100; i++) {
        void **link = kgc_allocate(2 * sizeof *link), *w = kgc_weak_create(kept[0]);
        given_away += w == (void *)spare;
        refused += w == NULL && errno == ENOMEM;
        if ((void *)link != spare) {
            link[0] = list;
            link[1] = w;
            list = link;
        }
    }
    ck_assert_uint_eq(refused, 100);
    ck_assert_uint_eq(given_away, 0);
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
}
END_TEST

/* Threads that read while others collect: what is read is whole. */
enum { SHARED = 64, MAGIC = 0x5eed };
static kgc_weak *_Atomic shared[SHARED];
static _Atomic bool stop;
static _Atomic unsigned long read_set, read_wrong;

static void *reader(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        const kgc_weak *w = atomic_load(&shared[i % SHARED]);
        uintptr_t *p = w != NULL ? kgc_weak_get(w) : NULL;
        if (p == NULL)
            continue;
        for (int spin = 0; spin < 10; spin++)
            if (((_Atomic uintptr_t *)p)[1] != MAGIC)
                atomic_fetch_add(&read_wrong, 1);
        atomic_fetch_add(&read_set, 1);
    }
    return NULL;
}

static void *writer(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 40000; i++) {
        uintptr_t *p = kgc_allocate(32);
        p[1] = MAGIC;
        kgc_weak *w = kgc_weak_create(p);
        if (w == NULL)
            return "no memory";
        atomic_store(&shared[i % SHARED], w);
        if (i % 7 == 0)
            kgc_weak_clear(atomic_load(&shared[(i + SHARED / 2) % SHARED]));
        for (int j = 0; j < 10; j++) { /* what is freed is written over at once */
            uintptr_t *q = kgc_allocate(32);
            q[1] = 1;
        }
        if (i % 400 == 0)
            kgc_collect();
    }
    return NULL;
}

START_TEST(read_by_threads)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i < 2 ? reader : writer, NULL);
    void *result[4];
    pthread_join(threads[2], &result[2]);
    pthread_join(threads[3], &result[3]);
    atomic_store(&stop, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_assert_ptr_null(result[2]);
    ck_assert_ptr_null(result[3]);
    ck_assert_uint_eq(read_wrong, 0);
    ck_assert_uint_ge(read_set, 1);
}
END_TEST

static void *make_in_thread(void *unused)
{
    make(32, true);
    return unused;
}

START_TEST(thread_ends)
{
    pthread_t thread;
    pthread_create(&thread, NULL, make_in_thread, NULL);
    pthread_join(thread, NULL);
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
    memset(kept, 0, sizeof kept);
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}
END_TEST

START_TEST(forked_child)
{
    make(32, true);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        if (wrong_numbers() != 0)
            _exit(1);
        memset(kept, 0, sizeof kept);
        collect();
        if (set_references() > OBJECTS - MOST)
            _exit(2);
        make(32, true);
        collect();
        _exit(wrong_numbers() == 0 ? 0 : 3);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    collect();
    ck_assert_uint_eq(wrong_numbers(), 0);
}
END_TEST

START_TEST(while_disabled)
{
    kgc_disable();
    make(32, false);
    collect();
    ck_assert_uint_eq(set_references(), OBJECTS);
    kgc_enable();
    collect();
    ck_assert_uint_le(set_references(), OBJECTS - MOST);
}
END_TEST

/* The registry's memory is given back after a peak. */
static __attribute__((noinline)) void make_many(void)
{
    unsigned refused = 0;
    for (int i = 0; i < 300000; i++)
        refused += kgc_weak_create(kept[i % OBJECTS]) == NULL;
    ck_assert_uint_eq(refused, 0);
}

START_TEST(many)
{
    make(32, true);
    for (int round = 0; round < 3; round++) {
        kgc_disable();
        make_many();
        kgc_enable();
        ck_assert_uint_gt(kgc__weak_references.capacity, 100000);
        collect();
        collect();
        ck_assert_uint_lt(kgc__weak_references.capacity, 100000);
        ck_assert_uint_eq(wrong_numbers(), 0);
    }
}
END_TEST

SUITE("weak", cleared, cleared_incrementally, callback_of_the_programs, cleared_by_parallel_markers,
      interior_pointers_and_all_sorts_of_objects, references_die_first, cleared_by_hand, released,
      target_released, seen_by_finalizers, not_brought_back, misused, no_memory, out_of_memory_function,
      read_by_threads, thread_ends, forked_child, while_disabled, many)
