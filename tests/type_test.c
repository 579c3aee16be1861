/* SPDX-License-Identifier: MIT */
/* Types: what their pointers point to lives, what their other words point to
   does not. */
#include "chain.h"
#include "collect/object_kind.h"
#include "collect/type.h"
#include "misuse.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdatomic.h>

enum { LONGEST = 2000 }; /* words */

/* For what is asked millions of times: Check's own assertions write to a file each. */
#define expect(condition) ((condition) ? (void)0 : ck_abort_msg("%s", #condition))

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static bool has_bit(const uint64_t *bitmap, size_t i)
{
    return (bitmap[i / 64] >> i % 64 & 1) != 0;
}

static void set_bit(uint64_t *bitmap, size_t i)
{
    bitmap[i / 64] |= UINT64_C(1) << i % 64;
}

static kgc_type *type_of(size_t words, const uint64_t *bitmap)
{
    kgc_type *type = NULL;
    expect(kgc_type_create(words * sizeof(void *), bitmap, &type) == 0);
    expect(type != NULL);
    return type;
}

/* A type of `words` words, of which the first bits of a number say the pointers. */
static kgc_type *small_type(size_t words, uint64_t bits)
{
    uint64_t bitmap[LONGEST / 64 + 1] = {bits};
    return type_of(words, bitmap);
}

/*
 * Each word of an object points to a target of its own, which says so when it
 * ends.  The table of objects is scanned.
 */
enum { TARGETS = 400000, OBJECTS = 10000 };
static _Atomic unsigned char ended[TARGETS];
static bool must_live[TARGETS];
static size_t targets;
static struct {
    uintptr_t *object;
    size_t first, words;
} * all;
static size_t objects;

static void note_end(void *object, void *data)
{
    (void)object;
    *(_Atomic unsigned char *)data = 1;
}

static __attribute__((noinline)) uintptr_t make_target(bool lives)
{
    size_t *target = kgc_allocate_atomic(2 * sizeof *target);
    expect(target != NULL);
    expect(targets < TARGETS);
    *target = targets;
    must_live[targets] = lives;
    expect(kgc_register_finalizer(target, note_end, (void *)&ended[targets], KGC_FINALIZE_NO_ORDER, NULL,
                                  NULL) == 0);
    targets++;
    return (uintptr_t)target;
}

static __attribute__((noinline)) void fill(size_t words, const uint64_t *bitmap, size_t count)
{
    if (all == NULL)
        all = kgc_allocate(OBJECTS * sizeof *all);
    uintptr_t *object = kgc_allocate_typed(type_of(words, bitmap), count);
    expect(object != NULL);
    expect(all_bytes(object, words * count * sizeof *object, 0));
    expect(objects < OBJECTS);
    all[objects].object = object;
    all[objects].first = targets;
    all[objects++].words = words * count;
    for (size_t i = 0; i < words * count; i++)
        object[i] = make_target(has_bit(bitmap, i % words));
}

static void check_targets(void)
{
    size_t dead = 0, should = 0;
    collect_all();
    collect_all();
    for (size_t i = 0; i < objects; i++)
        for (size_t w = 0; w < all[i].words; w++) {
            size_t t = all[i].first + w;
            if (must_live[t]) {
                expect(ended[t] == 0);
                expect(*(size_t *)all[i].object[w] == t);
            } else {
                dead += ended[t];
                should++;
            }
        }
    ck_assert_uint_gt(should, 1000);
    ck_assert_uint_ge(dead * 100, should * 95);
}

static void fill_all_short(void)
{
    for (size_t words = 1; words <= 8; words++)
        for (uint64_t bits = 0; bits >> words == 0; bits++)
            for (size_t count = 1; count <= 5; count++)
                fill(words, &bits, count);
}

START_TEST(short_bitmaps)
{
    fill_all_short();
    ck_assert_uint_eq(objects, 5 * 510);
    check_targets();
}
END_TEST

enum pattern { LAST, FIRST, HALF, THIRDS, BUT_LAST, RANDOM, PATTERNS };

static bool is_pointer(enum pattern pattern, size_t i, size_t words, unsigned *state)
{
    switch (pattern) {
    case LAST:
        return i == words - 1;
    case FIRST:
        return i == 0;
    case HALF:
        return i < words / 2;
    case THIRDS:
        return i % 3 == 1;
    case BUT_LAST:
        return i < words - 1;
    default:
        return next_random(state) % 2 == 0;
    }
}

static void fill_long(size_t words, enum pattern pattern, size_t count, unsigned *state)
{
    uint64_t bitmap[LONGEST / 64 + 1] = {0};
    for (size_t i = 0; i < words; i++)
        if (is_pointer(pattern, i, words, state))
            set_bit(bitmap, i);
    fill(words, bitmap, count);
}

START_TEST(long_bitmaps)
{
    static const size_t lengths[] = {9,  20,  31,  32,  61,  62,  63,  64,   65,
                                     66, 127, 128, 129, 511, 512, 513, 1999, 2000};
    unsigned state = 1;
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (enum pattern p = 0; p < PATTERNS; p++)
            for (size_t count = 1; count <= 3; count++)
                fill_long(lengths[l], p, count, &state);
    for (size_t words = 1; words <= LONGEST; words += 1 + next_random(&state) % 60)
        fill_long(words, RANDOM, 1, &state);
    for (size_t words = 1; words <= 30; words++)
        fill_long(words, RANDOM, 1 + next_random(&state) % 200, &state);
    check_targets();
}
END_TEST

/* Marking procedures that do all their work at once are right too. */
START_TEST(without_dividing)
{
    unsigned state = 1;
    fill_long(3, HALF, 1, &state);
    ck_assert(kgc__type_mark_divides);
    kgc__type_mark_divides = false;
    for (enum pattern p = 0; p < PATTERNS; p++)
        for (size_t count = 1; count <= 300; count += 20)
            fill_long(70, p, count / 8 + 1, &state);
    check_targets();
}
END_TEST

/* Large arrays, whose elements hold a pointer and a number that looks like one. */

struct element {
    size_t number;
    size_t *target;
    uintptr_t looks_like_pointer;
};
static const uint64_t element_bits = 2;

static void *static_root;

/* Takes the place of whatever was collected. */
static __attribute__((noinline)) void overwrite(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t *p = kgc_allocate_atomic(2 * sizeof *p);
        expect(p != NULL);
        p[0] = p[1] = SIZE_MAX;
    }
}

static __attribute__((noinline)) void fill_array(struct element *array, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        array[i].number = i;
        array[i].target = kgc_allocate_atomic(2 * sizeof(size_t));
        expect(array[i].target != NULL);
        *array[i].target = i;
        if (i % 8 == 0 && targets < TARGETS)
            array[i].looks_like_pointer = make_target(false);
    }
}

static void check_array(const struct element *array, size_t count)
{
    overwrite(count);
    for (size_t i = 0; i < count; i++) {
        expect(array[i].number == i);
        expect(*array[i].target == i);
    }
}

static void try_arrays(size_t longest)
{
    for (size_t count = 10; count <= longest; count *= 10) {
        struct element *array = kgc_allocate_typed(small_type(3, element_bits), count);
        ck_assert_ptr_nonnull(array);
        ck_assert(all_bytes(array, count * sizeof *array, 0));
        static_root = array;
        fill_array(array, count);
        collect_all();
        check_array(array, count);
    }
}

static void check_ended(void)
{
    size_t dead = 0;
    collect_all();
    for (size_t i = 0; i < targets; i++)
        dead += ended[i];
    ck_assert_uint_gt(targets, 100000);
    ck_assert_uint_ge(dead * 100, targets * 95);
}

START_TEST(long_arrays)
{
    try_arrays(1000000);
    check_ended();
}
END_TEST

START_TEST(long_arrays_without_dividing)
{
    small_type(3, element_bits);
    kgc__type_mark_divides = false;
    try_arrays(1000000);
    check_ended();
}
END_TEST

START_TEST(long_arrays_with_marking_threads)
{
    kgc_init(NULL);
    GC_start_mark_threads();
    try_arrays(1000000);
    check_ended();
}
END_TEST

START_TEST(long_arrays_in_incremental_mode)
{
    kgc_init(NULL);
    GC_enable_incremental();
    try_arrays(10000);
}
END_TEST

/* Structures that are deep, and arrays of arrays. */

struct node {
    size_t number;
    double weight;
    struct node *next;
    uintptr_t hash;
};
static const uint64_t node_bits = 4;

static __attribute__((noinline)) struct node *make_list(size_t length)
{
    struct node *first = NULL;
    kgc_type *type = small_type(sizeof *first / sizeof(void *), node_bits);
    for (size_t i = 0; i < length; i++) {
        struct node *n = kgc_allocate_typed(type, 1);
        if (n == NULL || n->next != NULL || n->number != 0 || n->hash != 0)
            return NULL;
        n->number = i;
        n->weight = 1.5;
        n->hash = ~(uintptr_t)0;
        n->next = first;
        first = n;
    }
    return first;
}

static bool is_list(const struct node *n, size_t length)
{
    for (; length-- > 0; n = n->next)
        if (n == NULL || n->number != length || n->weight != 1.5)
            return false;
    return n == NULL;
}

START_TEST(deep_list)
{
    static_root = make_list(1000000);
    collect_all();
    ck_assert_ptr_nonnull(make_list(1000000));
    ck_assert(is_list(static_root, 1000000));
}
END_TEST

/* Arrays of procedures' sort in arrays of the same: the mark stack holds the
   rest of each on the way down. */
static __attribute__((noinline)) struct element *make_tree(unsigned depth)
{
    enum { WIDTH = 100 };
    struct element *array = kgc_allocate_typed(small_type(3, element_bits), WIDTH);
    expect(array != NULL);
    for (size_t i = 0; i < WIDTH; i++) {
        array[i].number = depth * WIDTH + i;
        array[i].looks_like_pointer = (uintptr_t)array;
        if (depth > 0)
            array[i].target = &make_tree(depth - 1)->number;
    }
    return array;
}

static bool is_tree(const struct element *array, unsigned depth)
{
    for (size_t i = 0; i < 100; i++)
        if (array[i].number != depth * 100 + i ||
            (depth > 0 && !is_tree((struct element *)(void *)array[i].target, depth - 1)))
            return false;
    return true;
}

START_TEST(arrays_of_arrays)
{
    static_root = make_tree(2);
    for (int i = 0; i < 3; i++) {
        collect_all();
        kgc_type *type = small_type(3, element_bits);
        for (int j = 0; j < 20000; j++)
            expect(kgc_allocate_typed(type, 100) != NULL);
        ck_assert(is_tree(static_root, 2));
    }
}
END_TEST

/* The largest type: one element is cut too. */
START_TEST(largest_type)
{
    enum { WORDS = KGC__TYPE_SIZE_MAX / sizeof(void *) };
    static uint64_t bitmap[WORDS / 64];
    for (size_t i = 0; i < WORDS; i++)
        if (i % 2 == 1)
            set_bit(bitmap, i);
    size_t **object = kgc_allocate_typed(type_of(WORDS, bitmap), 3);
    ck_assert_ptr_nonnull(object);
    static_root = object;
    for (size_t i = 1; i < 3 * WORDS; i += 2) {
        object[i] = kgc_allocate_atomic(2 * sizeof(size_t));
        *object[i] = i;
    }
    collect_all();
    overwrite(3 * WORDS);
    for (size_t i = 1; i < 3 * WORDS; i += 2)
        expect(*object[i] == i);
}
END_TEST

/* The three forms. */

START_TEST(without_pointers)
{
    kgc_type *type;
    ck_assert_int_eq(kgc_type_create(13, NULL, &type), 0);
    for (size_t count = 0; count < 6000; count = count * 2 + 1) {
        for (int i = 0; i < 200; i++) {
            unsigned char *p = kgc_allocate_typed(type, count);
            ck_assert_ptr_nonnull(p);
            expect(all_bytes(p, 13 * count, 0));
            expect(kgc_size(p) >= 13 * count);
            memset(p, 0xff, kgc_size(p));
            kgc_release(p);
        }
    }
    unsigned char *large = kgc_allocate_typed(type, 100000);
    memset(large, 0xff, 1300000);
    kgc_release(large);
    for (int i = 0; i < 5; i++)
        ck_assert(all_bytes(kgc_allocate_typed(type, 100000), 1300000, 0));
}
END_TEST

START_TEST(all_pointers)
{
    void **pair = kgc_allocate_typed(small_type(2, 3), 1);
    ck_assert_uint_ge(kgc_size(pair), 16);
    pair = kgc_reallocate(pair, 100);
    ck_assert_ptr_nonnull(pair);
}
END_TEST

/* All that is said to be usable may be written. */
START_TEST(sizes)
{
    for (size_t words = 2; words < 1000; words += 1 + words / 7) {
        size_t count = 1 + words % 3;
        uintptr_t *object = kgc_allocate_typed(small_type(words, 1), count);
        ck_assert_uint_eq((uintptr_t)object % 16, 0);
        ck_assert_uint_ge(kgc_size(object), words * count * sizeof *object);
        ck_assert_ptr_eq(kgc_base((char *)object + words * count * sizeof *object), object);
        ck_assert_uint_eq(kgc_size(object) % 16, 8);
        for (size_t i = 1; i < kgc_size(object) / sizeof *object; i++)
            object[i] = ~(uintptr_t)0;
        static_root = object;
        size_t *target = kgc_allocate_atomic(2 * sizeof *target);
        *target = words;
        *object = (uintptr_t)target;
        target = NULL;
        collect_all();
        overwrite(2000);
        ck_assert_uint_eq(*(size_t *)*object, words);
    }
}
END_TEST

START_TEST(equal_types_are_one)
{
    kgc_type *one, *other;
    uint64_t bitmap[2] = {0x55, 0};
    ck_assert_int_eq(kgc_type_create(65 * 8, bitmap, &one), 0);
    ck_assert_uint_eq(kgc_type_size(one), 65 * 8);
    ck_assert_ptr_eq(type_of(65, bitmap), one);
    bitmap[1] = 1;
    ck_assert_ptr_ne(type_of(65, bitmap), one);
    bitmap[1] = 2; /* belongs to no word */
    ck_assert_ptr_eq(type_of(65, bitmap), one);
    ck_assert_ptr_ne(type_of(66, bitmap), one);
    ck_assert_int_eq(kgc_type_create(40, NULL, &one), 0);
    ck_assert_ptr_eq(small_type(5, 0), one);
    ck_assert_int_eq(kgc_type_create(41, NULL, &other), 0);
    ck_assert_ptr_ne(other, one);
    ck_assert_uint_eq(kgc_type_size(other), 41);
    for (uint64_t bits = 0; bits < 4096; bits++) {
        one = small_type(12, bits);
        expect(small_type(12, bits) == one);
        expect(small_type(12, bits ^ 1) != one);
    }
}
END_TEST

/* Errors. */

START_TEST(mistakes)
{
    kgc_type *type = NULL;
    uint64_t bits = 1;
    ck_assert_int_eq(kgc_type_create(0, NULL, &type), EINVAL);
    ck_last_error("kgc_type_create: a type has 1 to 1048576 bytes, not 0");
    ck_assert_int_eq(kgc_type_create(1048577, &bits, &type), EINVAL);
    ck_last_error("kgc_type_create: a type has 1 to 1048576 bytes, not 1048577");
    ck_assert_int_eq(kgc_type_create(1048576, NULL, &type), 0);
    type = NULL;
    ck_assert_int_eq(kgc_type_create(12, &bits, &type), EINVAL);
    ck_last_error(
        "kgc_type_create: the size of a type with pointers is a multiple of 8, not 12; round it up");
    ck_assert_int_eq(kgc_type_create(8, &bits, NULL), EINVAL);
    ck_last_error("kgc_type_create: out is NULL");
    ck_assert_ptr_null(type);
    errno = 0;
    ck_assert_ptr_null(kgc_allocate_typed(NULL, 1));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_allocate_typed: the type is NULL");
    type = small_type(2, 1);
    for (size_t count = SIZE_MAX; count >= SIZE_MAX / 32; count = count / 2 + 1) {
        errno = 0;
        ck_assert_ptr_null(kgc_allocate_typed(type, count));
        ck_assert_int_eq(errno, ENOMEM);
    }
    errno = 0;
    ck_assert_ptr_null(kgc_allocate_typed(type, (size_t)1 << KGC__TYPE_COUNT_BITS));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_nonnull(kgc_allocate_typed(type, 0));
    ck_assert_ptr_ne(kgc_allocate_typed(type, 0), kgc_allocate_typed(type, 0));
    void *p = kgc_allocate_typed(type, 1);
    errno = 0;
    ck_assert_ptr_null(kgc_reallocate(p, 100));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error(
        "kgc_reallocate: %p is of a type with pointers; allocate another object with kgc_allocate_typed()",
        p);
    ck_assert_ptr_null(kgc_reallocate(p, 0));
    ck_last_error(
        "kgc_reallocate: %p is of a type with pointers; allocate another object with kgc_allocate_typed()",
        p);
}
END_TEST

START_TEST(no_kinds_left)
{
    kgc_type *type;
    uint64_t bits = 1;
    kgc_init(NULL);
    while (kgc__object_kind_new(0, false, true, "this test") >= 0)
        ;
    ck_assert_int_eq(kgc_type_create(16, &bits, &type), ENOTSUP);
    ck_last_error(
        "libgc has room for 16 kinds of objects, and all are in use: none is left for objects of types");
    ck_assert_int_eq(kgc_type_create(8, &bits, &type), 0);
    ck_assert_ptr_nonnull(kgc_allocate_typed(type, 10));
    ck_assert_int_eq(kgc_type_create(16, NULL, &type), 0);
    ck_assert_ptr_nonnull(kgc_allocate_typed(type, 10));
}
END_TEST

START_TEST(full_table)
{
    kgc_type *type;
    uint64_t bits = 1, last = KGC__TYPES_MAX;
    for (; bits <= last; bits++)
        small_type(20, bits);
    ck_assert_int_eq(kgc_type_create(160, &bits, &type), ENOMEM);
    ck_last_error("kgc_type_create: there are 262144 types that have pointers and other words, and no room "
                  "for more; make one type for all objects that are laid out alike");
    ck_assert_ptr_nonnull(kgc_allocate_typed(small_type(20, last), 300));
    ck_assert_int_eq(kgc_type_create(168, NULL, &type), 0);
}
END_TEST

/* Release and finalizers. */

START_TEST(release)
{
    kgc_type *type = small_type(4, node_bits);
    for (int i = 0; i < 100000; i++) {
        uintptr_t *p = kgc_allocate_typed(type, 1 + (size_t)i % 40);
        expect(all_bytes(p, (1 + (size_t)i % 40) * 32, 0));
        memset(p, 0xff, kgc_size(p));
        kgc_release(p);
    }
    ck_assert_uint_lt(kgc_heap_size(), 64u << 20);
}
END_TEST

static __attribute__((noinline)) void make_finalized(kgc_type *type, enum kgc_finalizer_mode mode)
{
    for (int i = 0; i < 200; i++) {
        struct node *n = kgc_allocate_typed(type, 1);
        n->next = n; /* a cycle through what is a pointer, and one through what is none */
        n->hash = (uintptr_t)n;
        if (mode != KGC_FINALIZE_NO_ORDER)
            n->next = NULL;
        ck_assert_int_eq(kgc_register_finalizer(n, count_end, &links_ended, mode, NULL, NULL), 0);
    }
}

START_TEST(finalizers)
{
    kgc_type *type = small_type(4, node_bits);
    static const enum kgc_finalizer_mode modes[] = {KGC_FINALIZE_NO_ORDER, KGC_FINALIZE_NORMAL,
                                                    KGC_FINALIZE_IGNORE_SELF};
    for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
        next_chain();
        make_finalized(type, modes[m]);
        collect_all();
        ck_assert_uint_ge(atomic_load(&links_ended), 190);
    }
}
END_TEST

/* Threads. */

static _Atomic bool stop;

static void *collect_always(void *unused)
{
    while (!atomic_load(&stop))
        kgc_collect();
    return unused;
}

/* A table of lists of all lengths, always changing. */
static void *churn(void *arg)
{
    enum { LISTS = 40, ROUNDS = 20000 };
    unsigned state = (unsigned)(uintptr_t)arg;
    size_t length[LISTS] = {0};
    struct node **list = kgc_allocate_typed(small_type(1, 1), LISTS);
    for (int round = 0; round < ROUNDS; round++) {
        unsigned i = next_random(&state) % LISTS;
        if (!is_list(list[i], length[i]))
            return NULL;
        length[i] = next_random(&state) % 100;
        list[i] = make_list(length[i]);
        struct element *array = kgc_allocate_typed(small_type(3, element_bits), length[i]);
        if (array == NULL || !all_bytes(array, length[i] * sizeof *array, 0))
            return NULL;
        memset(array, 0x55, length[i] * sizeof *array);
    }
    for (unsigned i = 0; i < LISTS; i++)
        if (!is_list(list[i], length[i]))
            return NULL;
    return arg;
}

static void churn_in_threads(void)
{
    pthread_t threads[4], collector;
    void *result;
    atomic_store(&stop, false);
    pthread_create(&collector, NULL, collect_always, NULL);
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    for (uintptr_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        ck_assert_ptr_eq(result, (void *)(i + 1));
    }
    atomic_store(&stop, true);
    pthread_join(collector, NULL);
}

START_TEST(many_threads)
{
    churn_in_threads();
}
END_TEST

START_TEST(threads_with_marking_threads)
{
    kgc_init(NULL);
    GC_start_mark_threads();
    churn_in_threads();
}
END_TEST

static kgc_type *made[8][200];

static void *make_types(void *arg)
{
    uintptr_t who = (uintptr_t)arg;
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t bits = i + 1;
        if (kgc_type_create(11 * sizeof(void *), &bits, &made[who][i]) != 0 ||
            kgc_allocate_typed(made[who][i], 9) == NULL)
            return NULL;
    }
    return made[who];
}

START_TEST(types_of_many_threads)
{
    pthread_t threads[8];
    void *result;
    for (uintptr_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, make_types, (void *)i);
    for (uintptr_t i = 0; i < 8; i++) {
        pthread_join(threads[i], &result);
        ck_assert_ptr_nonnull(result);
        ck_assert(memcmp(made[i], made[0], sizeof made[0]) == 0);
    }
}
END_TEST

START_TEST(in_incremental_mode)
{
    kgc_init(NULL);
    GC_enable_incremental();
    ck_assert_ptr_nonnull(churn((void *)1));
}
END_TEST

/* libgc is told of each write: an object must not stay undescribed when it was
   marked before it was. */
START_TEST(in_manual_incremental_mode)
{
    kgc_init(NULL);
    GC_set_manual_vdb_allowed(1);
    GC_enable_incremental();
    kgc_type *type = small_type(4, node_bits);
    struct node *first = NULL;
    for (size_t i = 0; i < 30000; i++) {
        struct node *n = kgc_allocate_typed(type, 1 + i % 3);
        n->number = i;
        n->weight = 1.5;
        n->next = first;
        GC_end_stubborn_change(n);
        first = n;
        if (i % 1000 == 0)
            kgc_collect();
    }
    ck_assert(is_list(first, 30000));
}
END_TEST

static int live_on(void *type)
{
    kgc_type *again;
    if (kgc_type_create(kgc_type_size(type), &node_bits, &again) != 0 || again != type)
        return 1;
    if (!is_list(static_root, 1000))
        return 2;
    if (churn((void *)5) == NULL)
        return 3;
    kgc_collect();
    if (make_types((void *)1) == NULL)
        return 4;
    return is_list(static_root, 1000) ? 0 : 5;
}

static void *make_types_always(void *unused)
{
    uint64_t bits = 1;
    kgc_type *type;
    while (!atomic_load(&stop))
        if (kgc_type_create(16 * sizeof(void *), (bits = bits % 60000 + 1, &bits), &type) != 0)
            return NULL;
    return unused;
}

START_TEST(forked_children)
{
    pthread_t thread;
    static_root = make_list(1000);
    pthread_create(&thread, NULL, make_types_always, (void *)&stop);
    for (int i = 0; i < 5; i++)
        ck_assert(exited(in_child(live_on, small_type(4, node_bits)), 0));
    atomic_store(&stop, true);
    void *result;
    pthread_join(thread, &result);
    ck_assert_ptr_nonnull(result);
}
END_TEST

static void *spare;
static void *give_spare(size_t size)
{
    (void)size;
    return spare;
}

/* What the out-of-memory function returns is left as it is. */
START_TEST(out_of_memory)
{
    static unsigned char bytes[64];
    kgc_type *type = small_type(3, element_bits), *numbers = small_type(3, 0);
    spare = memset(bytes, 1, sizeof bytes);
    kgc_set_oom_fn(give_spare);
    ck_assert_int_eq(kgc_heap_set_limit(kgc_heap_size()), 0);
    ck_assert_ptr_eq(kgc_allocate_typed(type, 1u << 24), spare);
    ck_assert_ptr_eq(kgc_allocate_typed(numbers, 1u << 24), spare);
    ck_assert(all_bytes(bytes, sizeof bytes, 1));
    struct node *n;
    size_t i = 0;
    for (static_root = NULL; (n = kgc_allocate_typed(small_type(4, node_bits), 1)) != spare;
         static_root = n) {
        expect(n != NULL);
        n->next = static_root;
        n->weight = 1.5;
        n->number = i++;
    }
    ck_assert(all_bytes(bytes, sizeof bytes, 1));
    ck_assert_uint_gt(i, 1000);
    ck_assert(is_list(static_root, i));
}
END_TEST

SUITE("types", short_bitmaps, long_bitmaps, without_dividing, long_arrays, long_arrays_without_dividing,
      long_arrays_with_marking_threads, long_arrays_in_incremental_mode, deep_list, arrays_of_arrays,
      largest_type, without_pointers, all_pointers, sizes, equal_types_are_one, mistakes, no_kinds_left,
      full_table, release, finalizers, many_threads, threads_with_marking_threads, types_of_many_threads,
      in_incremental_mode, in_manual_incremental_mode, forked_children, out_of_memory)
