/* SPDX-License-Identifier: MIT */
/* Objects on kinds of the caller's choice are objects like others: they point
   at each other, are collected, resized and shared by threads; and their pages
   go back. */
#include "place.h"
#include "support/fault.h"
#include <errno.h>
#include <gc/gc.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- objects of several kinds ---- */

enum { CYCLES = 1000 };

struct node {
    struct node *next;
    size_t value;
    char rest[1000];
};

static struct node *new_node(kgc_kind *kind, size_t i)
{
    struct node *n = kgc_allocate_in(kind, i % 50 == 0 ? sizeof *n + 20000 : sizeof *n, 0);
    if (n != NULL)
        n->value = i;
    return n;
}

START_TEST(kinds_point_at_each_other)
{
    kgc_kind *kind[KINDS];
    struct node *first = NULL, **last = &first;
    open_kinds(kind);
    for (size_t i = 0; i < 5000; i++) {
        *last = new_node(kind[i % KINDS], i);
        ck_assert_ptr_nonnull(*last);
        last = &(*last)->next;
        if (i % 500 == 0)
            kgc_collect();
    }
    collect();
    size_t count = 0;
    for (struct node *n = first; n != NULL; n = n->next) {
        ck_assert_uint_eq(n->value, count);
        if (count % KINDS != 0)
            ck_assert_ptr_eq(kgc_kind_of(n), kind[count % KINDS]);
        count++;
    }
    ck_assert_uint_eq(count, 5000);
}
END_TEST

static void *links[CYCLES]; /* hidden from the collector */

/* Objects of all kinds in a ring; nothing but the ring points to them. */
static void *make_cycles(void *arg)
{
    kgc_kind **kind = arg;
    for (size_t i = 0; i < CYCLES; i++) {
        struct node *ring[KINDS];
        for (size_t k = 0; k < KINDS; k++)
            if ((ring[k] = new_node(kind[k], i)) == NULL)
                return NULL;
        for (size_t k = 0; k < KINDS; k++)
            ring[k]->next = ring[(k + 1) % KINDS];
        links[i] = (void *)GC_HIDE_POINTER(ring[0]);
        GC_general_register_disappearing_link(&links[i], ring[0]);
        memset(ring, 0, sizeof ring);
    }
    overwrite_stack();
    return arg;
}

START_TEST(cycles_across_kinds)
{
    kgc_kind *kind[KINDS];
    open_kinds(kind);
    kgc_disable();
    ck_assert_ptr_nonnull(in_thread(make_cycles, kind));
    kgc_enable();
    size_t before[KINDS];
    for (int k = 1; k < KINDS; k++)
        ck_assert_uint_gt(before[k] = placed_on(kind[k]), CYCLES * sizeof(struct node) * 9 / 10);
    collect();
    size_t left = 0;
    for (size_t i = 0; i < CYCLES; i++)
        left += links[i] != NULL;
    ck_assert_uint_le(left, CYCLES / 20);
    for (int k = 1; k < KINDS; k++)
        ck_assert_uint_le(placed_on(kind[k]), before[k] / 20 + 64 * KGC_KIB);
}
END_TEST

/* ---- giving back ---- */

START_TEST(released_objects_go_back_at_once)
{
    const char *specs[] = {"numa:bind=0", quick_file_kind(), "thp", "locked,limit=20M"};
    ck_assert_ptr_nonnull(kgc_allocate(1));
    for (unsigned i = 0; i < 4; i++) {
        kgc_kind *kind = open_or_skip(specs[i]);
        if (kind == NULL)
            continue;
        char *p = kgc_allocate_in(kind, 5 * KGC_MIB, i % 2 == 0 ? KGC_ATOMIC : 0);
        ck_assert_msg(p != NULL, "%s", kgc_last_error());
        memset(p, 1, 5 * KGC_MIB);
        ck_assert_uint_ge(placed_on(kind), 5 * KGC_MIB);
        ck_assert_uint_ge(stats_of(kind).resident, 5 * KGC_MIB);
        if (i % 2 == 0)
            kgc_release(p);
        else
            GC_free(p);
        ck_assert_uint_eq(placed_on(kind), 0);
        ck_assert_uint_eq(stats_of(kind).resident, 0);
        read_mappings();
        ck_assert(lies_as("default", p));
        ck_assert_ptr_ne(kgc_kind_of(p), kind);
        close_kind(kind);
    }
}
END_TEST

static void *churn_large(void *arg)
{
    kgc_kind **kind = arg;
    for (size_t i = 0; i < 300; i++) {
        char *p = kgc_allocate_in(kind[1 + i % (KINDS - 1)], 1 + i * 517 % 300000, i % 2);
        if (p == NULL)
            return NULL;
        *p = 1;
    }
    overwrite_stack();
    return arg;
}

/* Whatever was placed before, what the heap uses is the heap's. */
START_TEST(nothing_of_the_heap_lies_elsewhere)
{
    kgc_kind *kind[KINDS];
    open_kinds(kind);
    enum { HEAP = 20000 };
    char **object = kgc_allocate(HEAP * sizeof *object);
    for (int round = 0; round < 5; round++) {
        ck_assert_ptr_nonnull(in_thread(churn_large, kind));
        if (round % 2 == 0)
            kgc_collect();
        else
            GC_gcollect_and_unmap();
        for (size_t i = 0; i < HEAP; i++) {
            size_t size = i % 100 == 0 ? 5000 + i : 16 + i % 2000;
            object[i] = i % 2 == 0 ? kgc_allocate(size) : GC_malloc_atomic(size);
            memset(object[i], 1, size);
        }
        read_mappings();
        for (size_t i = 0; i < HEAP; i++) {
            kgc_kind *of = kgc_kind_of(object[i]);
            ck_assert_msg(of == NULL || of == kgc_heap_kind(), "on %s", kgc_kind_name(of));
            ck_assert(lies_as("default", object[i]));
        }
    }
}
END_TEST

static size_t blocks_of(kgc_kind *kind)
{
    struct stat st;
    return fstat(kind->placed_file.fd, &st) == 0 ? (size_t)st.st_blocks * 512 : SIZE_MAX;
}

START_TEST(disk_blocks_go_back)
{
    kgc_kind *kind = open_kind(quick_file_kind());
    char *p = kgc_allocate_in(kind, 4 * KGC_MIB, 0);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ge(blocks_of(kind), 4 * KGC_MIB);
    memset(p, 1, 4 * KGC_MIB);
    kgc_release(p);
    ck_assert_uint_lt(blocks_of(kind), 256 * KGC_KIB);
    p = kgc_allocate_in(kind, 4 * KGC_MIB, 0);
    ck_assert(all_bytes(p, 4 * KGC_MIB, 0));
    kgc_release(p);
}
END_TEST

enum { BATCH = 2000, BATCHES = 20 };

static void *allocate_and_forget(void *arg)
{
    for (int i = 0; i < BATCH; i++)
        if (kgc_allocate_in(arg, 500, 0) == NULL)
            return NULL;
    overwrite_stack();
    return arg;
}

/* A block that died is not placed anew for the next objects, but goes when
   there are none. */
START_TEST(blocks_stay_while_they_are_needed)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    size_t pages = (size_t)BATCH * BATCHES / 8;
    kgc_disable(); /* but when told */
    fault_arm(FAULT_MBIND, 0, false, 0);
    for (int i = 0; i < BATCHES; i++) {
        ck_assert_ptr_nonnull(in_thread(allocate_and_forget, kind));
        kgc_enable();
        kgc_collect();
        kgc_disable();
    }
    ck_assert_uint_lt(fault_count(FAULT_MBIND), pages / 4);
    fault_disarm();
    kgc_enable();
    ck_assert_uint_gt(placed_on(kind), 0);
    collect();
    ck_assert_uint_lt(placed_on(kind), 20 * PAGE);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, LIVE = 200, STEPS = 4000 };
static _Atomic bool stop;
static kgc_kind *shared_kind[KINDS];

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

struct held {
    unsigned char *p;
    size_t size;
};

/* Check's assertions are for the main thread only. */
static void *report(const char *what, const void *p, size_t size)
{
    fprintf(stderr, "%p, %zu bytes: %s\n", p, size, what);
    return NULL;
}

static void *churn(void *arg)
{
    unsigned state = (unsigned)(uintptr_t)arg * 7919;
    struct held *held = kgc_calloc(LIVE, sizeof *held);
    for (int i = 0; i < STEPS; i++) {
        struct held *h = &held[next_random(&state) % LIVE];
        unsigned char value = (unsigned char)((size_t)(h - held) % 15 + 1);
        if (h->p != NULL && !all_bytes(h->p, h->size, value))
            return report("lost", h->p, h->size);
        unsigned k = next_random(&state) % KINDS;
        if (h->p != NULL && next_random(&state) % 4 == 0)
            kgc_release(h->p);
        h->size =
            next_random(&state) % 20 == 0 ? next_random(&state) % 40000 + 1 : next_random(&state) % 2100 + 1;
        unsigned flags = next_random(&state) % 2;
        h->p = kgc_allocate_in(shared_kind[k], h->size, flags);
        if (h->p == NULL)
            return report(kgc_last_error(), h->p, h->size);
        if (flags == 0 && !all_bytes(h->p, h->size, 0))
            return report("not zeroed", h->p, h->size);
        if (k != 0 && kgc_kind_of(h->p + h->size - 1) != shared_kind[k])
            return report("not on its kind", h->p, h->size);
        memset(h->p, value, h->size);
    }
    kgc_free(held);
    return arg;
}

static void *collect_always(void *arg)
{
    while (!atomic_load(&stop))
        kgc_collect();
    return arg;
}

static void churn_in_threads(bool with_collections)
{
    pthread_t thread[THREADS], collector;
    atomic_store(&stop, false);
    open_kinds(shared_kind);
    ck_assert_ptr_nonnull(kgc_allocate(1));
    if (with_collections)
        ck_assert_int_eq(pthread_create(&collector, NULL, collect_always, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)), 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        ck_assert_ptr_eq(result, (void *)(i + 1));
    }
    atomic_store(&stop, true);
    if (with_collections)
        pthread_join(collector, NULL);
}

START_TEST(several_threads)
{
    churn_in_threads(false);
}
END_TEST

START_TEST(several_threads_and_collections)
{
    churn_in_threads(true);
}
END_TEST

/* ---- changes of size ---- */

static void check_sizes(kgc_kind *kind, unsigned flags, void *(*change)(void *, size_t))
{
    static const size_t sizes[] = {10, 100, 20, 1500, 3000, 200000, 250000, 90000, 2000, 1};
    char *p = kgc_allocate_in(kind, 40, flags);
    size_t size = 40;
    memset(p, 3, size);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t kept = size < sizes[i] ? size : sizes[i];
        p = change(p, sizes[i]);
        size = sizes[i];
        ck_assert_msg(p != NULL, "%s", kgc_last_error());
        ck_assert(all_bytes(p, kept, 3));
        ck_assert(flags != 0 || all_bytes(p + kept, size - kept, 0));
        struct object o = {p, size};
        ck_assert(is_on(kind, &o));
        memset(p, 3, size);
    }
}

static void *change(void *p, size_t size)
{
    return kgc_reallocate(p, size);
}

START_TEST(objects_stay_on_their_kind)
{
    kgc_kind *kind[KINDS];
    open_kinds(kind);
    for (int k = 1; k < KINDS; k++) {
        check_sizes(kind[k], 0, change);
        check_sizes(kind[k], KGC_ATOMIC, change);
        check_sizes(kind[k], KGC_ATOMIC, GC_realloc);
    }
    char *p = GC_realloc(GC_malloc(10), 100);
    ck_assert(all_bytes(p, 100, 0));
}
END_TEST

/* ---- opening and closing ---- */

static void *use_a_little(void *arg)
{
    kgc_kind *kind = arg;
    for (size_t size = 1; size < 5000; size = size * 2 + 5)
        if (kgc_allocate_in(kind, size, 0) == NULL || kgc_allocate_in(kind, size, KGC_ATOMIC) == NULL)
            return NULL;
    overwrite_stack();
    return arg;
}

/* Not before nothing on the stack looks like a pointer to one of its objects. */
static bool closes(kgc_kind *kind)
{
    for (int i = 0; i < 10; i++) {
        overwrite_stack();
        if (kgc_kind_close(kind) == 0)
            return true;
    }
    return false;
}

static void *keep_one(void *arg)
{
    char **keep = kgc_malloc(sizeof *keep);
    *keep = kgc_allocate_in(arg, 100, 0);
    overwrite_stack();
    return keep;
}

START_TEST(kinds_close_when_their_objects_are_gone)
{
    kgc_kind *kind = open_kind("numa:bind=0");
    char **keep = in_thread(keep_one, kind);
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "collectable objects lie on \"numa:bind=0\""));
    strcpy(*keep, "still there");
    ck_assert_int_eq(kgc_kind_close(kind), EBUSY);
    ck_assert_str_eq(*keep, "still there");
    ck_assert_ptr_eq(kgc_kind_of(*keep), kind);
    *keep = NULL;
    int closed = closes(kind);
    /* libgc's kinds of objects are used again, or six would be all. */
    for (int i = 0; i < 20; i++) {
        kind = open_kind(i % 2 == 0 ? "numa:bind=0" : quick_file_kind());
        ck_assert_msg(in_thread(use_a_little, kind) != NULL, "%s", kgc_last_error());
        closed += closes(kind);
    }
    ck_assert_int_ge(closed, 19);
}
END_TEST

SUITE("objects on kinds, life", kinds_point_at_each_other, cycles_across_kinds,
      released_objects_go_back_at_once, nothing_of_the_heap_lies_elsewhere, disk_blocks_go_back,
      blocks_stay_while_they_are_needed, several_threads, several_threads_and_collections,
      objects_stay_on_their_kind, kinds_close_when_their_objects_are_gone)
