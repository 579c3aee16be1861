/* SPDX-License-Identifier: MIT */
/* Ephemerons: kindgc/weak.h. */
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

enum { OBJECTS = 1000, CHAIN = 100000 };

/* A stale word may keep a few: nearly all are asserted, never a certain one. */
#define MOST (OBJECTS * 95 / 100)

/* A node's number tells whether it is still what it was. */
struct node {
    struct node *other;
    kgc_ephemeron *ephemeron;
    uintptr_t number;
    uintptr_t check;
};

static kgc_ephemeron *ephemerons[CHAIN];
static struct node *keys[CHAIN];

static struct node *node(uintptr_t number, struct node *other)
{
    struct node *n = kgc_allocate(sizeof *n);
    *n = (struct node){.number = number, .check = ~number, .other = other};
    return n;
}

static bool is_node(const struct node *n, uintptr_t number)
{
    return n != NULL && n->number == number && n->check == ~number;
}

/* Writes over what was freed. */
static __attribute__((noinline)) void reuse(void)
{
    for (int i = 0; i < 100000; i++)
        node(UINTPTR_MAX, NULL);
}

/* Each value is two nodes that nothing else points to, and points at its key. */
static __attribute__((noinline)) void make(bool keep)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct node *key = node(i, NULL);
        keys[i] = keep ? key : NULL;
        ephemerons[i] = kgc_ephemeron_create(key, node(2 * i, node(3 * i, key)));
    }
}

static unsigned wrong(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < OBJECTS; i++) {
        const struct node *key = kgc_ephemeron_key(ephemerons[i]),
                          *value = kgc_ephemeron_value(ephemerons[i]);
        n += key != keys[i] || !is_node(key, i) || !is_node(value, 2 * i) || !is_node(value->other, 3 * i) ||
             value->other->other != key;
    }
    return n;
}

static unsigned set_ephemerons(unsigned count)
{
    unsigned n = 0, halves = 0;
    for (unsigned i = 0; i < count; i++) {
        n += kgc_ephemeron_key(ephemerons[i]) != NULL;
        halves += (kgc_ephemeron_key(ephemerons[i]) == NULL) != (kgc_ephemeron_value(ephemerons[i]) == NULL);
    }
    ck_assert_uint_eq(halves, 0);
    return n;
}

static void keep_and_lose(void)
{
    make(true);
    for (int i = 0; i < 3; i++) {
        collect();
        reuse();
        ck_assert_uint_eq(wrong(), 0);
    }
    memset(keys, 0, sizeof keys);
    collect();
    ck_assert_uint_le(set_ephemerons(OBJECTS), OBJECTS - MOST);
}

START_TEST(kept_and_lost)
{
    keep_and_lose();
    keep_and_lose();
}
END_TEST

START_TEST(incremental)
{
    GC_enable_incremental();
    keep_and_lose();
    make(true);
    for (int round = 0; round < 20; round++) {
        reuse(); /* collections in small steps */
        ck_assert_uint_eq(wrong(), 0);
        for (unsigned i = 0; i < OBJECTS; i++) /* old ephemerons, new values */
            kgc_ephemeron_set_value(ephemerons[i], node(2 * i, node(3 * i, keys[i])));
    }
    reuse();
    ck_assert_uint_eq(wrong(), 0);
    memset(keys, 0, sizeof keys);
    collect();
    ck_assert_uint_le(set_ephemerons(OBJECTS), OBJECTS - MOST);
}
END_TEST

START_TEST(parallel_markers)
{
    setenv("GC_MARKERS", "4", 1);
    kgc_init(NULL);
    GC_start_mark_threads();
    keep_and_lose();
}
END_TEST

/* Without the keys' deaths: ephemerons that die themselves keep nothing. */
static kgc_weak *values[OBJECTS];

static __attribute__((noinline)) void watch_values(void)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        values[i] = kgc_weak_create(kgc_ephemeron_value(ephemerons[i]));
}

static unsigned live_values(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < OBJECTS; i++)
        n += kgc_weak_get(values[i]) != NULL;
    return n;
}

START_TEST(dead_ephemerons)
{
    make(true);
    watch_values();
    collect();
    ck_assert_uint_eq(live_values(), OBJECTS); /* ephemerons come before weak references */
    memset(ephemerons, 0, sizeof ephemerons);
    collect();
    ck_assert_uint_le(live_values(), OBJECTS - MOST);
}
END_TEST

START_TEST(dead_keys)
{
    make(true);
    watch_values();
    memset(keys, 0, sizeof keys);
    collect();
    ck_assert_uint_le(live_values(), OBJECTS - MOST);
}
END_TEST

/*
 * A chain: the value of each ephemeron is the key of the next; only the first
 * key is held.  order says which place in the chain the i-th that is made has.
 */
static struct node *chain_start;

static unsigned forward(unsigned i)
{
    return i;
}

static unsigned backward(unsigned i)
{
    return CHAIN - 1 - i;
}

static unsigned scattered(unsigned i)
{
    return (unsigned)((i * 48271ull) % CHAIN); /* which has no divisor in common with CHAIN */
}

static __attribute__((noinline)) void make_chain(unsigned (*place)(unsigned))
{
    struct node *last = node(CHAIN, NULL);
    for (unsigned i = 0; i < CHAIN; i++)
        keys[i] = node(i, NULL);
    for (unsigned i = 0; i < CHAIN; i++) {
        unsigned at = place(i);
        ephemerons[at] = kgc_ephemeron_create(keys[at], at + 1 < CHAIN ? keys[at + 1] : last);
    }
    chain_start = keys[0];
    memset(keys, 0, sizeof keys);
}

static unsigned chain_length(void)
{
    struct node *n = chain_start;
    unsigned i = 0;
    while (i < CHAIN && is_node(n, i) && kgc_ephemeron_key(ephemerons[i]) == n)
        n = kgc_ephemeron_value(ephemerons[i++]);
    return is_node(n, i) ? i : 0;
}

static void check_chain(unsigned (*place)(unsigned))
{
    make_chain(place);
    collect();
    reuse();
    collect();
    ck_assert_uint_eq(chain_length(), CHAIN);
    chain_start = NULL;
    collect();
    ck_assert_uint_le(set_ephemerons(CHAIN), CHAIN / 20);
}

START_TEST(chain)
{
    check_chain(forward);
    check_chain(backward);
    check_chain(scattered);
}
END_TEST

/* The same, each ephemeron being held only by the value of the one before:
   ephemerons that become alive only because of ephemerons. */
static kgc_ephemeron *nested_start;

static __attribute__((noinline)) void make_nested(void)
{
    kgc_ephemeron *next = NULL;
    for (unsigned i = CHAIN; i-- > 0;) {
        struct node *value = node(i, NULL);
        keys[i] = node(i, NULL);
        value->ephemeron = next;
        next = kgc_ephemeron_create(keys[i], value);
    }
    nested_start = next;
}

static unsigned nested_length(void)
{
    unsigned i = 0;
    for (const kgc_ephemeron *e = nested_start; e != NULL && i < CHAIN; i++) {
        const struct node *value = kgc_ephemeron_value(e);
        if (kgc_ephemeron_key(e) != keys[i] || !is_node(value, i))
            break;
        e = value->ephemeron;
    }
    return i;
}

START_TEST(ephemerons_in_values)
{
    make_nested();
    for (int i = 0; i < 2; i++) {
        collect();
        reuse();
        ck_assert_uint_eq(nested_length(), CHAIN);
    }
    keys[CHAIN / 2] = NULL; /* ends it there */
    collect();
    reuse();
    ck_assert_uint_ge(nested_length(), CHAIN / 2);
    ck_assert_uint_le(nested_length(), CHAIN / 2 + 1);
}
END_TEST

/* Many ephemerons of one key, which then only an ephemeron made later leads to. */
static void *volatile held;

static unsigned wrong_values(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CHAIN; i++)
        n += !is_node(kgc_ephemeron_value(ephemerons[i]), i);
    return n;
}

static __attribute__((noinline)) void make_with_one_key(void)
{
    keys[0] = node(0, NULL);
    for (unsigned i = 0; i < CHAIN; i++)
        ephemerons[i] = kgc_ephemeron_create(keys[0], node(i, NULL));
}

static __attribute__((noinline)) void hide_key(void)
{
    struct node *outer = node(1, NULL);
    outer->ephemeron = kgc_ephemeron_create(outer, keys[0]);
    held = outer;
    keys[0] = NULL;
}

START_TEST(one_key)
{
    make_with_one_key();
    collect();
    reuse();
    ck_assert_uint_eq(wrong_values(), 0);
    hide_key();
    collect();
    reuse();
    ck_assert_uint_eq(wrong_values(), 0);
    held = NULL;
    collect();
    unsigned left = set_ephemerons(CHAIN);
    ck_assert(left == 0 || left == CHAIN); /* a stale word may keep the one key */
}
END_TEST

/* A cycle of ephemerons keeps nothing alive. */
static __attribute__((noinline)) void make_cycles(void)
{
    for (unsigned i = 0; i + 1 < OBJECTS; i += 2) {
        struct node *a = node(i, NULL), *b = node(i + 1, NULL);
        ephemerons[i] = kgc_ephemeron_create(a, b);
        ephemerons[i + 1] = kgc_ephemeron_create(b, a);
    }
}

START_TEST(cycles)
{
    make_cycles();
    collect();
    ck_assert_uint_le(set_ephemerons(OBJECTS), OBJECTS - MOST);
}
END_TEST

/* Values of all sorts: interior pointers, atomic, large, a deep list, rooted, none. */
enum { LIST = 200000 };
static void *sorts[6];

static __attribute__((noinline)) void make_sorts(void)
{
    struct node *list = NULL;
    for (unsigned i = 0; i < LIST; i++)
        list = node(i, list);
    struct node **large = kgc_allocate(100000);
    large[12000] = node(7, node(8, NULL));
    char *text = kgc_strdup("a text that only the ephemeron holds");
    struct node **rooted = kgc_malloc(sizeof *rooted);
    *rooted = node(9, NULL);
    void *const all[] = {list, large + 2, text + 7, rooted, NULL, (void *)(uintptr_t)4711};
    for (int i = 0; i < 6; i++) {
        sorts[i] = kgc_allocate_atomic(5000);
        ephemerons[i] = kgc_ephemeron_create((char *)sorts[i] + i, all[i]);
    }
}

START_TEST(sorts_of_values)
{
    make_sorts();
    for (int i = 0; i < 2; i++) {
        collect();
        reuse();
    }
    const struct node *list = kgc_ephemeron_value(ephemerons[0]);
    unsigned left = LIST;
    for (; left != 0 && is_node(list, left - 1); list = list->other)
        left--;
    ck_assert_uint_eq(left, 0);
    ck_assert_ptr_null(list);
    struct node **large = kgc_ephemeron_value(ephemerons[1]);
    ck_assert(is_node(large[11998], 7) && is_node(large[11998]->other, 8));
    ck_assert_str_eq(kgc_ephemeron_value(ephemerons[2]), "that only the ephemeron holds");
    struct node **rooted = kgc_ephemeron_value(ephemerons[3]);
    ck_assert(is_node(*rooted, 9));
    ck_assert_ptr_null(kgc_ephemeron_value(ephemerons[4]));
    ck_assert_ptr_eq(kgc_ephemeron_value(ephemerons[5]), (void *)(uintptr_t)4711);
    for (int i = 0; i < 6; i++)
        ck_assert_ptr_eq(kgc_ephemeron_key(ephemerons[i]), (char *)sorts[i] + i);
    kgc_free(rooted);
}
END_TEST

/* Typed objects are read too, whatever libgc's descriptor for them is. */
static __attribute__((noinline)) bool make_typed(void)
{
    kgc_type *type;
    uint64_t pointers = 1;
    if (kgc_type_create(4 * sizeof(void *), &pointers, &type) != 0)
        return false;
    for (unsigned i = 0; i < OBJECTS; i++) {
        void **value = kgc_allocate_typed(type, 10);
        value[4 * 9] = node(i, NULL);
        keys[i] = node(i, NULL);
        ephemerons[i] = kgc_ephemeron_create(keys[i], value);
    }
    return true;
}

START_TEST(typed_values)
{
    ck_assert(make_typed());
    collect();
    reuse();
    unsigned lost = 0;
    for (unsigned i = 0; i < OBJECTS; i++) {
        void **value = kgc_ephemeron_value(ephemerons[i]);
        lost += !is_node(value[4 * 9], i);
    }
    ck_assert_uint_eq(lost, 0);
}
END_TEST

/* When the marker's stack cannot grow nothing is lost. */
static __attribute__((noinline)) void make_wide(void)
{
    make_nested();
    struct node **all = kgc_allocate(CHAIN * sizeof *all);
    for (unsigned i = 0; i < CHAIN; i++)
        all[i] = node(i, node(i + 1, node(i + 2, NULL)));
    keys[0]->other = NULL;
    struct node *value = kgc_ephemeron_value(nested_start);
    value->other = (struct node *)(void *)all;
}

START_TEST(no_memory_in_a_collection)
{
    make_wide();
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    collect();
    unsigned refused = fault_hits();
    fault_disarm();
    ck_assert_uint_ge(refused, 1);
    reuse();
    ck_assert_uint_eq(nested_length(), CHAIN);
    struct node **all = (struct node **)(void *)((struct node *)kgc_ephemeron_value(nested_start))->other;
    unsigned lost = 0;
    for (unsigned i = 0; i < CHAIN; i++)
        lost +=
            !is_node(all[i], i) || !is_node(all[i]->other, i + 1) || !is_node(all[i]->other->other, i + 2);
    ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(no_memory)
{
    make(true);
    kgc_disable();
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    unsigned n = 0;
    while (kgc_ephemeron_create(keys[0], NULL) != NULL && n < 100000)
        n++;
    int error = errno;
    fault_disarm();
    ck_assert_uint_lt(n, 100000);
    ck_assert_int_eq(error, ENOMEM);
    kgc_enable();
    collect();
    ck_assert_uint_eq(wrong(), 0);
}
END_TEST

START_TEST(changed_by_hand)
{
    make(true);
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (i % 3 == 0)
            kgc_ephemeron_clear(ephemerons[i]);
        kgc_ephemeron_set_value(ephemerons[i], node(i + 5, NULL));
    }
    kgc_ephemeron_clear(NULL);
    collect();
    reuse();
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (i % 3 == 0) {
            ck_assert_ptr_null(kgc_ephemeron_key(ephemerons[i]));
            ck_assert_ptr_null(kgc_ephemeron_value(ephemerons[i]));
        } else {
            ck_assert_ptr_eq(kgc_ephemeron_key(ephemerons[i]), keys[i]);
            ck_assert(is_node(kgc_ephemeron_value(ephemerons[i]), i + 5));
        }
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        kgc_release(ephemerons[i]);
    memset(ephemerons, 0, sizeof ephemerons);
    collect();
    collect();
}
END_TEST

/* Ephemerons that die before their keys, and whose place is used again. */
static uint64_t *others[4 * OBJECTS];

static __attribute__((noinline)) void lose_ephemerons(void)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        keys[i] = node(i, NULL);
    for (unsigned i = 0; i < OBJECTS; i++)
        ck_assert_ptr_nonnull(kgc_ephemeron_create(keys[i], keys[i]));
}

START_TEST(place_of_dead_ephemerons)
{
    lose_ephemerons();
    collect();
    for (unsigned i = 0; i < 4 * OBJECTS; i++) {
        others[i] = kgc_allocate_atomic(24);
        memset(others[i], 0xff, 24);
    }
    memset(keys, 0, sizeof keys);
    collect();
    unsigned changed = 0;
    for (unsigned i = 0; i < 4 * OBJECTS; i++)
        changed += others[i][0] != UINT64_MAX || others[i][1] != UINT64_MAX || others[i][2] != UINT64_MAX;
    ck_assert_uint_eq(changed, 0);
}
END_TEST

/* A finalizer may see ephemerons that only its object leads to: they have both
   key and value, or neither. */
static unsigned finalized, halves, set_ones;

static void on_end(void *object, void *data)
{
    const struct node *n = object;
    const struct node *key = kgc_ephemeron_key(n->ephemeron), *value = kgc_ephemeron_value(n->ephemeron);
    (void)data;
    finalized++;
    halves +=
        (key == NULL) != (value == NULL) || (key != NULL && (!is_node(key, 4711) || !is_node(value, 4712)));
    set_ones += key != NULL;
}

static struct node *live_key, *live_value;

static __attribute__((noinline)) void make_finalizable(void)
{
    live_key = node(4711, NULL);
    live_value = node(4712, NULL);
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct node *n = node(i, NULL);
        n->ephemeron = i % 3 == 0   ? kgc_ephemeron_create(n, n)
                       : i % 3 == 1 ? kgc_ephemeron_create(live_key, live_value)
                                    : kgc_ephemeron_create(live_key, node(4712, NULL));
        kgc_register_finalizer(n, on_end, NULL, KGC_FINALIZE_NORMAL, NULL, NULL);
    }
}

START_TEST(seen_by_finalizers)
{
    kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND);
    make_finalizable();
    collect();
    reuse();
    collect();
    kgc_finalizers_run();
    ck_assert_uint_ge(finalized, MOST);
    ck_assert_uint_eq(halves, 0);
    ck_assert_uint_ge(set_ones, OBJECTS / 3 * 9 / 10);
    ck_assert_uint_le(set_ones, OBJECTS / 3 + OBJECTS - MOST);
    for (int i = 0; i < 3; i++) {
        collect();
        reuse();
    }
}
END_TEST

START_TEST(misused)
{
    static int local;
    errno = 0;
    ck_assert_ptr_null(kgc_ephemeron_create(&local, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_ephemeron_create: %p is not in a collectable object", (void *)&local);
    errno = 0;
    ck_assert_ptr_null(kgc_ephemeron_create(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(forked_child)
{
    make(true);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        collect();
        reuse();
        if (wrong() != 0)
            _exit(1);
        memset(keys, 0, sizeof keys);
        collect();
        _exit(set_ephemerons(OBJECTS) <= OBJECTS - MOST ? 0 : 2);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(wrong(), 0);
}
END_TEST

/* Threads that make, change, read and lose ephemerons while others collect. */
static _Atomic unsigned long read_wrong;

static void *churn(void *p)
{
    enum { OWN = 256 };
    struct own {
        struct node *key[OWN];
        kgc_ephemeron *ephemeron[OWN];
    } *own = kgc_allocate(sizeof *own);
    unsigned seed = *(unsigned *)p;
    for (unsigned i = 0; i < 60000; i++) {
        seed = seed * 1664525 + 1013904223;
        unsigned at = seed >> 24;
        if (own->ephemeron[at] != NULL) {
            const struct node *value = kgc_ephemeron_value(own->ephemeron[at]);
            if (own->key[at] != NULL &&
                (!is_node(value, own->key[at]->number) || value->other != own->key[at]))
                atomic_fetch_add(&read_wrong, 1);
        }
        switch (seed >> 20 & 3) {
        case 0:
            own->key[at] = NULL;
            break;
        case 1:
            if (own->key[at] != NULL)
                kgc_ephemeron_set_value(own->ephemeron[at], node(own->key[at]->number, own->key[at]));
            break;
        default:
            own->key[at] = node(i, NULL);
            own->ephemeron[at] = kgc_ephemeron_create(own->key[at], node(i, own->key[at]));
        }
        if (i % 1500 == 0)
            kgc_collect();
    }
    return NULL;
}

START_TEST(threads)
{
    pthread_t thread[4];
    unsigned seeds[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, churn, &seeds[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(read_wrong, 0);
}
END_TEST

SUITE("ephemeron", kept_and_lost, incremental, parallel_markers, dead_ephemerons, dead_keys, chain,
      ephemerons_in_values, one_key, cycles, sorts_of_values, typed_values, no_memory_in_a_collection,
      no_memory, place_of_dead_ephemerons, changed_by_hand, seen_by_finalizers, misused, forked_child,
      threads)
