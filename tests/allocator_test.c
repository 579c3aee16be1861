/* SPDX-License-Identifier: MIT */
/* Allocators: each sort of kindgc/layout.h with all alignments and many sizes,
   against a plain model, and what they refuse. */
#include "allocators.h"
#include "chain.h"
#include "os/meta.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <gc/gc.h>
#include <pthread.h>
#include <sched.h>

enum { LARGEST_ALIGNMENT = 64 * 1024 };

static bool is_aligned(const void *p, size_t align)
{
    return p != NULL && (uintptr_t)p % align == 0;
}

/* One block from its birth to its end; NULL, or what was wrong. */
static const char *one_life(const kgc_allocator *a, size_t size, size_t align, unsigned block)
{
    kgc_layout layout = {size, align}, larger = {size + size / 2 + 9, align},
               much_larger = {larger.size * 2 + 100, align}, smaller = {size / 4 + 1, align};
    unsigned char *p = kgc_allocator_alloc(a, layout);
    if (!is_aligned(p, align))
        return "alloc";
    size_t usable = kgc_allocator_usable_size(a, p, layout);
    if (usable < size)
        return "usable_size";
    memset(p, 0xff, usable);
    kgc_allocator_dealloc(a, p, layout);

    p = kgc_allocator_alloc_zeroed(a, layout);
    if (!is_aligned(p, align) || !is_zero(p, 0, size))
        return "alloc_zeroed";
    memset(p, 0xff, kgc_allocator_usable_size(a, p, layout)); /* what grow_zeroed must wipe */
    fill(p, 0, size, block);
    p = kgc_allocator_grow_zeroed(a, p, layout, larger);
    if (!is_aligned(p, align) || !is_filled(p, size, block) || !is_zero(p, size, larger.size))
        return "grow_zeroed";
    fill(p, 0, larger.size, block);
    p = kgc_allocator_grow(a, p, larger, much_larger);
    if (!is_aligned(p, align) || !is_filled(p, larger.size, block))
        return "grow";
    fill(p, 0, much_larger.size, block);
    p = kgc_allocator_shrink(a, p, much_larger, smaller);
    if (!is_aligned(p, align) || !is_filled(p, smaller.size, block))
        return "shrink";
    p = kgc_allocator_grow_zeroed(a, p, smaller, larger);
    if (!is_aligned(p, align) || !is_filled(p, smaller.size, block) || !is_zero(p, smaller.size, larger.size))
        return "grow_zeroed after shrink";
    kgc_allocator_dealloc(a, p, larger);
    return NULL;
}

START_TEST(all_alignments_and_sizes)
{
    const size_t sizes[] = {1, 2, 7, 8, 15, 16, 17, 100, 511, 512, 2000, 4095, 4096, 4097, 30000, 200000};
    for (enum sort sort = 0; sort < SORTS; sort++) {
        kgc_allocator a = make_allocator(sort);
        unsigned block = 0;
        for (size_t align = 1; align <= LARGEST_ALIGNMENT; align *= 2)
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                const char *wrong = one_life(&a, sizes[i], align, block++);
                ck_assert_msg(wrong == NULL, "%s: %s of %zu bytes aligned to %zu: %s", sort_name[sort], wrong,
                              sizes[i], align, kgc_last_error());
            }
    }
    ck_assert_int_eq(minimal_blocks, 0);
}
END_TEST

/* Many blocks at once, resized to other sizes and alignments, in an order that
   chance decides. */
enum { SLOTS = 64, STEPS = 20000 };

static uint32_t chance(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(*state >> 4) * below >> 28);
}

static kgc_layout some_layout(uint32_t *state)
{
    static const uint32_t limit[] = {40, 40, 600, 600, 5000, 50000};
    return (kgc_layout){chance(state, limit[chance(state, 6)]),
                        (size_t)1 << chance(state, chance(state, 9) == 0 ? 17 : 8)};
}

struct slot {
    unsigned char *p;
    kgc_layout layout;
};

/* Replaces, resizes or frees what is in the slot. */
static bool change_slot(const kgc_allocator *a, struct slot *slot, unsigned block, uint32_t *state)
{
    kgc_layout old = slot->layout, wanted = some_layout(state);
    bool zeroed = chance(state, 2) == 0;
    size_t kept = 0;
    if (slot->p == NULL) {
        slot->p = zeroed ? kgc_allocator_alloc_zeroed(a, wanted) : kgc_allocator_alloc(a, wanted);
    } else if (!is_filled(slot->p, old.size, block)) {
        return false;
    } else if (chance(state, 3) == 0) {
        kgc_allocator_dealloc(a, slot->p, old);
        slot->p = NULL;
        return true;
    } else {
        kept = old.size < wanted.size ? old.size : wanted.size;
        if (chance(state, 3) == 0)
            wanted.align = old.align;
        if (wanted.size < old.size)
            slot->p = kgc_allocator_shrink(a, slot->p, old, wanted);
        else if (wanted.align == old.align && !zeroed)
            slot->p = kgc_allocator_resize(a, slot->p, old, wanted.size);
        else
            slot->p = (zeroed ? kgc_allocator_grow_zeroed : kgc_allocator_grow)(a, slot->p, old, wanted);
    }
    if (!is_aligned(slot->p, wanted.align) || !is_filled(slot->p, kept, block) ||
        (zeroed && wanted.size >= old.size && !is_zero(slot->p, kept, wanted.size)))
        return false;
    slot->layout = wanted;
    fill(slot->p, 0, wanted.size, block);
    return true;
}

/* The step that went wrong; 0 for none. */
static unsigned many_steps(const kgc_allocator *a, uint32_t state)
{
    struct slot slots[SLOTS] = {{0}};
    for (unsigned step = 1; step <= STEPS; step++) {
        unsigned i = chance(&state, SLOTS);
        if (!change_slot(a, &slots[i], i, &state))
            return step;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        kgc_allocator_dealloc(a, slots[i].p, slots[i].layout);
    return 0;
}

START_TEST(by_chance)
{
    for (enum sort sort = 0; sort < SORTS; sort++) {
        kgc_allocator a = make_allocator(sort);
        ck_assert_msg(many_steps(&a, sort + 1) == 0, "%s: %s", sort_name[sort], kgc_last_error());
    }
    ck_assert_int_eq(minimal_blocks, 0);
}
END_TEST

/* The same by several threads at once, each with blocks of its own. */
static void *steps_of_thread(void *a)
{
    return (void *)(uintptr_t)many_steps(a, (uint32_t)(uintptr_t)&a);
}

START_TEST(by_threads)
{
    kgc_allocator a[] = {make_allocator(ROOTED), make_allocator(COLLECTABLE), make_allocator(ATOMIC),
                         make_allocator(KIND)};
    enum { COUNT = sizeof a / sizeof a[0] };
    pthread_t thread[COUNT];
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, steps_of_thread, &a[i]), 0);
    for (int i = 0; i < COUNT; i++) {
        void *wrong = NULL;
        pthread_join(thread[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

/* Blocks of no bytes. */
START_TEST(nothing)
{
    for (enum sort sort = 0; sort < SORTS; sort++) {
        kgc_allocator a = make_allocator(sort);
        kgc_layout none = {0, 4096}, some = {10, 4096};
        int before = minimal_blocks;
        void *p = kgc_allocator_alloc(&a, none);
        ck_assert_ptr_eq(p, (void *)4096);
        ck_assert_ptr_eq(kgc_allocator_alloc_zeroed(&a, none), p);
        ck_assert_uint_eq(kgc_allocator_usable_size(&a, p, none), 0);
        ck_assert_ptr_eq(kgc_allocator_grow(&a, p, none, (kgc_layout){0, 1}), (void *)1);
        ck_assert_int_eq(minimal_blocks, before);
        p = kgc_allocator_grow_zeroed(&a, p, none, some);
        ck_assert(is_aligned(p, 4096) && is_zero(p, 0, 10));
        p = kgc_allocator_shrink(&a, p, some, none);
        ck_assert_ptr_eq(p, (void *)4096);
        ck_assert_int_eq(minimal_blocks, before);
        kgc_allocator_dealloc(&a, p, none);
        kgc_allocator_dealloc(&a, NULL, some);
    }
}
END_TEST

/* What the program gets wrong and can go on from: EINVAL, and the block is as it was. */
#define ck_refused(call, ...)            \
    do {                                 \
        errno = 0;                       \
        ck_assert_ptr_null(call);        \
        ck_assert_int_eq(errno, EINVAL); \
        ck_last_error(__VA_ARGS__);      \
    } while (0)

START_TEST(bad_arguments)
{
    kgc_allocator a = make_allocator(MINIMAL), no_alloc = a, no_dealloc = a;
    kgc_layout good = {16, 16}, less = {15, 16}, odd = {16, 24}, huge = {(size_t)PTRDIFF_MAX, 16};
    no_alloc.alloc = NULL;
    no_dealloc.dealloc = NULL;
    char *p = kgc_allocator_alloc(&a, good);
    fill(p, 0, 16, 1);
    ck_refused(kgc_allocator_alloc(NULL, good), "kgc_allocator_alloc: the allocator is NULL");
    ck_refused(kgc_allocator_alloc(&no_alloc, good), "kgc_allocator_alloc: the allocator lacks alloc");
    ck_refused(kgc_allocator_alloc_zeroed(&no_dealloc, good),
               "kgc_allocator_alloc_zeroed: the allocator lacks dealloc");
    ck_refused(kgc_allocator_alloc(&a, odd), "kgc_allocator_alloc: the alignment is a power of two, not 24");
    ck_refused(kgc_allocator_alloc(&a, huge),
               "kgc_allocator_alloc: %zu bytes, rounded up to the alignment 16, are more than PTRDIFF_MAX",
               huge.size);
    ck_refused(kgc_allocator_grow(&a, p, good, odd),
               "kgc_allocator_grow: the alignment is a power of two, not 24");
    ck_refused(kgc_allocator_grow(&a, p, odd, good),
               "kgc_allocator_grow: the alignment is a power of two, not 24");
    ck_refused(kgc_allocator_grow(&a, NULL, good, good),
               "kgc_allocator_grow: (nil) is not a block aligned to 16");
    ck_refused(kgc_allocator_grow(&a, p + 8, good, good),
               "kgc_allocator_grow: %p is not a block aligned to 16", (void *)(p + 8));
    ck_refused(kgc_allocator_grow(&a, p, good, less),
               "kgc_allocator_grow: from 16 to 15 bytes is not growing");
    ck_refused(kgc_allocator_grow_zeroed(&a, p, good, less),
               "kgc_allocator_grow_zeroed: from 16 to 15 bytes is not growing");
    ck_refused(kgc_allocator_shrink(&a, p, less, good),
               "kgc_allocator_shrink: from 15 to 16 bytes is not shrinking");
    ck_refused(kgc_allocator_resize(&a, p, good, huge.size),
               "kgc_allocator_resize: %zu bytes, rounded up to the alignment 16, are more than PTRDIFF_MAX",
               huge.size);
    ck_assert_uint_eq(kgc_allocator_usable_size(&a, p, odd), 0);
    ck_assert_uint_eq(kgc_allocator_usable_size(NULL, p, good), 0);
    ck_assert_uint_eq(kgc_allocator_usable_size(&a, NULL, good), 0);
    ck_assert(is_filled(p, 16, 1));
    errno = 77;
    ck_fatal(kgc_allocator_dealloc(&a, p, odd),
             "kgc_allocator_dealloc: the alignment is a power of two, not 24");
    ck_fatal(kgc_allocator_dealloc(NULL, p, good), "kgc_allocator_dealloc: the allocator is NULL");
    ck_fatal(kgc_allocator_dealloc(&a, p + 8, good), "kgc_allocator_dealloc: %p is not aligned to 16",
             (void *)(p + 8));
    ck_assert_int_eq(errno, 77);
    kgc_allocator_dealloc(&a, p, good);
    ck_assert_int_eq(errno, 77);
    ck_assert_int_eq(minimal_blocks, 0);

    kgc_allocator none = kgc_allocator_of_kind(NULL), nowhere = kgc_allocator_of_region(NULL);
    errno = 0;
    ck_assert_ptr_null(kgc_allocator_alloc(&none, good));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(kgc_allocator_alloc(&none, (kgc_layout){16, 64}));
    ck_refused(kgc_allocator_alloc(&nowhere, good), "kgc_region_allocate: the region is NULL");
}
END_TEST

/* What is freed must be a block, of the size that is named. */
START_TEST(misuse)
{
    static _Alignas(64) char local[64];
    kgc_layout layout = {100, 16}, turned = {100, 256}, too_large = {5000, 16},
               turned_too_large = {5000, 256};

    char *p = kgc_allocator_alloc(KGC_ROOTED, layout);
    size_t usable = kgc_allocator_usable_size(KGC_ROOTED, p, layout);
    ck_fatal(kgc_allocator_dealloc(KGC_ROOTED, p, too_large),
             "kgc_free_sized: the block at %p has %zu bytes, not 5000", (void *)p, usable);
    ck_fatal(kgc_allocator_dealloc(KGC_ROOTED, local, layout),
             "kgc_free_sized: %p does not belong to the rooted heap", (void *)local);
    kgc_allocator_dealloc(KGC_ROOTED, p, layout);

    for (int i = 0; i < 2; i++) {
        const kgc_allocator *a = i == 0 ? KGC_COLLECTABLE : KGC_COLLECTABLE_ATOMIC;
        p = kgc_allocator_alloc(a, layout);
        char *q = kgc_allocator_alloc(a, turned);
        usable = kgc_allocator_usable_size(a, p, layout);
        ck_fatal(kgc_allocator_dealloc(a, p, too_large), "the object at %p has %zu bytes, not 5000",
                 (void *)p, usable);
        usable = kgc_allocator_usable_size(a, q, turned);
        ck_assert_uint_ge(usable, 100);
        ck_fatal(kgc_allocator_dealloc(a, q, turned_too_large), "the object at %p has %zu bytes, not 5000",
                 (void *)q, usable);
        ck_fatal(kgc_allocator_dealloc(a, p + 16, layout),
                 "kgc_release: %p points into an object, not at its start", (void *)(p + 16));
        ck_fatal(kgc_allocator_dealloc(a, local, layout),
                 "kgc_release: %p does not belong to the GC heap, or was released already", (void *)local);
        ck_assert_uint_eq(kgc_allocator_usable_size(a, p + 16, layout), 0);
        ck_refused(kgc_allocator_grow(a, local, layout, too_large),
                   "kgc_reallocate: %p is not the start of a collectable object", (void *)local);
        char *far = (char *)(((uintptr_t)local + 255) & ~(uintptr_t)255);
        ck_refused(kgc_allocator_grow(a, far, turned, turned_too_large),
                   "%p is not a collectable block of 100 bytes, aligned to 256", (void *)far);
        kgc_allocator_dealloc(a, p, layout);
        kgc_allocator_dealloc(a, q, turned);
    }

    kgc_allocator kind = make_allocator(KIND);
    p = kgc_allocator_alloc(&kind, layout);
    ck_fatal(kgc_allocator_dealloc(&kind, local, layout),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", (void *)local);
    kgc_allocator_dealloc(&kind, p, layout);

    kgc_allocator region = make_allocator(REGION);
    p = kgc_allocator_alloc(&region, layout);
    ck_fatal(kgc_allocator_dealloc(&region, p, too_large),
             "kgc_region_deallocate: %p is not a block of 5000 bytes of the region at %p", (void *)p,
             kgc_region_base(region.self));
    kgc_allocator_dealloc(&region, p, layout);
    ck_assert_uint_eq(kgc_region_allocated(region.self), 0);
}
END_TEST

/* Aligned blocks of the collector are objects like any other: alive while
   something points to them, and what they point to with them. */
static void **kept[4];

static __attribute__((noinline)) void keep_chain(size_t align)
{
    kgc_layout layout = {40, align};
    void **p = kgc_allocator_alloc(KGC_COLLECTABLE, layout);
    kept[0] = kgc_allocator_grow(KGC_COLLECTABLE, p, layout, (kgc_layout){3000, align});
    kept[0][374] = make_chain();
}

static __attribute__((noinline)) void check_kept_chain(size_t align)
{
    ck_chain_kept();
    ck_assert_uint_eq((uintptr_t)kept[0] % align, 0);
    check_chain(kept[0][374]);
}

static __attribute__((noinline)) void cut_off_chain(size_t align)
{
    kept[0] =
        kgc_allocator_shrink(KGC_COLLECTABLE, kept[0], (kgc_layout){3000, align}, (kgc_layout){2900, align});
    ck_assert_ptr_nonnull(kept[0]);
}

START_TEST(collectable_blocks_are_objects)
{
    for (size_t align = 8; align <= LARGEST_ALIGNMENT; align *= 8) {
        next_chain();
        keep_chain(align);
        collect_all();
        check_kept_chain(align);
        cut_off_chain(align);
        collect_all();
        ck_chain_ended();

        next_chain();
        keep_chain(align);
        collect_all();
        check_kept_chain(align);
        kept[0] = NULL; /* the block goes too */
        collect_all();
        ck_chain_ended();
    }
}
END_TEST

/* Blocks of the rooted heap keep objects alive at every alignment. */
static __attribute__((noinline)) void hide_chain(kgc_layout layout)
{
    void **p = kgc_allocator_alloc(KGC_ROOTED, layout);
    p[4] = make_chain();
    kept[1] = (void **)~(uintptr_t)p;
}

static __attribute__((noinline)) void free_hidden(kgc_layout layout)
{
    void **p = (void **)~(uintptr_t)kept[1];
    check_chain(p[4]);
    kgc_allocator_dealloc(KGC_ROOTED, p, layout);
}

START_TEST(rooted_blocks_are_scanned)
{
    for (size_t align = 8; align <= LARGEST_ALIGNMENT; align *= 8) {
        kgc_layout layout = {40, align};
        next_chain();
        hide_chain(layout);
        collect_all();
        ck_chain_kept();
        free_hidden(layout);
        collect_all();
        ck_chain_ended();
    }
}
END_TEST

/* A region's last block grows in place and comes back. */
START_TEST(region_in_place)
{
    kgc_allocator a = make_allocator(REGION);
    kgc_layout layout = {100, 8}, large = {100000, 8};
    char *p = kgc_allocator_alloc(&a, layout);
    ck_assert_ptr_eq(kgc_allocator_grow(&a, p, layout, large), p);
    ck_assert_ptr_eq(kgc_allocator_shrink(&a, p, large, layout), p);
    ck_assert_uint_eq(kgc_region_allocated(a.self), 100);
    kgc_allocator_dealloc(&a, p, layout);
    ck_assert_uint_eq(kgc_region_allocated(a.self), 0);
}
END_TEST

/* An allocator that has no memory from the n-th request on. */
static unsigned requests_left;

static void *failing_alloc(void *self, kgc_layout layout)
{
    if (requests_left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    requests_left--;
    return minimal_alloc(self, layout);
}

static void *failing_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    (void)self, (void)p, (void)layout, (void)size;
    return NULL;
}

START_TEST(no_memory)
{
    kgc_layout layout = {100, 32}, larger = {1000, 32}, smaller = {10, 32}, turned = {10, 64};
    for (int with_realloc = 0; with_realloc < 2; with_realloc++) {
        kgc_allocator a = make_allocator(MINIMAL);
        a.alloc = failing_alloc;
        a.realloc = with_realloc ? failing_realloc : NULL;
        requests_left = 1;
        char *p = kgc_allocator_alloc(&a, layout);
        fill(p, 0, 100, 5);
        ck_assert_ptr_null(kgc_allocator_alloc(&a, layout));
        ck_assert_ptr_null(kgc_allocator_alloc_zeroed(&a, layout));
        errno = 0;
        ck_assert_ptr_null(kgc_allocator_grow(&a, p, layout, larger));
        ck_assert_int_eq(errno, ENOMEM);
        errno = 0;
        ck_assert_ptr_null(kgc_allocator_grow_zeroed(&a, p, layout, larger));
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_null(kgc_allocator_resize(&a, p, layout, 1000));
        ck_assert_ptr_null(kgc_allocator_shrink(&a, p, layout, turned));
        errno = 77;
        ck_assert_ptr_eq(kgc_allocator_shrink(&a, p, layout, smaller), p); /* it is large enough */
        ck_assert_int_eq(errno, 77);
        ck_assert(is_filled(p, 100, 5));
        kgc_allocator_dealloc(&a, p, layout);
        ck_assert_int_eq(minimal_blocks, 0);
    }
}
END_TEST

/* Each sort refuses what no machine has. */
START_TEST(too_much)
{
    GC_set_warn_proc(GC_ignore_warn_proc); /* a line for each */
    for (enum sort sort = 0; sort < SORTS; sort++) {
        if (SANITIZED && (sort == SYSTEM || sort == MINIMAL))
            continue; /* a sanitizer's malloc ends the process instead */
        kgc_allocator a = make_allocator(sort);
        for (size_t align = 1; align <= LARGEST_ALIGNMENT; align *= 16) {
            kgc_layout huge = {(size_t)PTRDIFF_MAX - (align - 1), align}, small = {100, align};
            errno = 0;
            ck_assert_ptr_null(kgc_allocator_alloc(&a, huge));
            ck_assert_msg(errno == ENOMEM, "%s: errno %d", sort_name[sort], errno);
            errno = 0;
            ck_assert_ptr_null(kgc_allocator_alloc_zeroed(&a, huge));
            ck_assert_int_eq(errno, ENOMEM);
            char *p = kgc_allocator_alloc(&a, small);
            fill(p, 0, 100, 3);
            errno = 0;
            ck_assert_ptr_null(kgc_allocator_grow(&a, p, small, huge));
            ck_assert_int_eq(errno, ENOMEM);
            ck_assert(is_filled(p, 100, 3));
            kgc_allocator_dealloc(&a, p, small);
        }
    }
}
END_TEST

/* A kind that is full. */
START_TEST(kind_is_full)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("default,limit=8M", &kind), 0);
    kgc_allocator a = kgc_allocator_of_kind(kind);
    kgc_layout layout = {100000, 4096};
    char *blocks[200];
    int n = 0;
    errno = 0;
    while (n < 200 && (blocks[n] = kgc_allocator_alloc(&a, layout)) != NULL)
        n++;
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_gt(n, 40);
    fill(blocks[0], 0, layout.size, 9);
    ck_assert_ptr_null(kgc_allocator_grow(&a, blocks[0], layout, (kgc_layout){2000000, 4096}));
    ck_assert(is_filled(blocks[0], layout.size, 9));
    while (n-- > 0)
        kgc_allocator_dealloc(&a, blocks[n], layout);
    ck_assert_msg(kgc_kind_close(kind) == 0, "%s", kgc_last_error());
}
END_TEST

/* The global allocator: threads that set it, and threads that use it, at once. */
enum { RACERS = 8 };
static int owner[RACERS];
static kgc_allocator tables[RACERS];
static _Atomic int waiting;

static void *race(void *arg)
{
    intptr_t i = (intptr_t)arg;
    atomic_fetch_sub(&waiting, 1);
    while (atomic_load(&waiting) != 0)
        sched_yield();
    int error = i % 2 == 0 ? kgc_set_global_allocator(&tables[i]) : -1;
    const kgc_allocator *a = kgc_global_allocator();
    if (error == 0)
        return a != &tables[i] && a->self == &owner[i] ? (void *)1 : (void *)-1;
    if (error == -1 || error == EBUSY)
        return a != NULL ? NULL : (void *)-1;
    return (void *)-1;
}

static int race_once(void *with_users)
{
    pthread_t thread[RACERS];
    int step = with_users != NULL ? 1 : 2, started = 0, won = 0;
    atomic_store(&waiting, RACERS / step);
    for (int i = 0; i < RACERS; i += step) {
        tables[i] = (kgc_allocator){.alloc = minimal_alloc, .dealloc = minimal_dealloc, .self = &owner[i]};
        if (pthread_create(&thread[i], NULL, race, (void *)(intptr_t)i) != 0)
            return 1;
        started++;
    }
    for (int i = 0; i < RACERS; i += step) {
        void *result;
        pthread_join(thread[i], &result);
        if (result == (void *)-1)
            return 2;
        won += result != NULL;
    }
    /* One has won, or a user was faster than all of them. */
    bool is_default = kgc_global_allocator()->self == NULL;
    return won == (is_default ? 0 : 1) && (!is_default || with_users != NULL) ? 0 : 3;
}

/* In this process: for ThreadSanitizer too (tests/tsan.sh). */
START_TEST(global_race)
{
    ck_assert_int_eq(race_once(tables), 0);
}
END_TEST

START_TEST(global_is_set_by_one)
{
    for (int i = 0; i < 60; i++) {
        int status = in_child(race_once, i % 2 == 0 ? NULL : tables);
        ck_assert_msg(exited(status, 0), "status %d", status);
    }
}
END_TEST

START_TEST(global_without_memory)
{
    kgc_allocator a = make_allocator(MINIMAL);
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    while (kgc__meta_allocate(64) != NULL)
        ;
    int error = kgc_set_global_allocator(&a);
    fault_disarm();
    ck_assert_int_eq(error, ENOMEM);
    ck_last_error("kgc_set_global_allocator: no memory for a copy of the table");
    ck_assert_int_eq(kgc_set_global_allocator(&a), 0);
    ck_assert_ptr_eq(kgc_global_allocator()->self, &minimal_blocks);
}
END_TEST

SUITE("allocator", all_alignments_and_sizes, by_chance, by_threads, nothing, bad_arguments, misuse,
      collectable_blocks_are_objects, rooted_blocks_are_scanned, region_in_place, no_memory, too_much,
      kind_is_full, global_race, global_is_set_by_one, global_without_memory)
