/* SPDX-License-Identifier: MIT */
/*
 * What kindgc/layout.h takes over from Rust's std::alloc: a test named after
 * each item of that module's documentation.  A test runs in a process of its
 * own, so each can set the global allocator.
 */
#include "allocators.h"
#include "chain.h"
#include "suite.h"
#include "support/system.h"
#include <setjmp.h>
#include <signal.h>

/* Forwards to the system's allocator and counts; the documentation's MyAllocator. */
struct counts {
    int allocs, zeroed, deallocs, reallocs, usable_sizes;
    kgc_layout last;
};
static struct counts counts;

static struct counts *count(void *self, kgc_layout layout)
{
    struct counts *c = self;
    c->last = layout;
    return c;
}

static void *my_alloc(void *self, kgc_layout layout)
{
    count(self, layout)->allocs++;
    return kgc_allocator_alloc(KGC_SYSTEM, layout);
}

static void *my_alloc_zeroed(void *self, kgc_layout layout)
{
    count(self, layout)->zeroed++;
    return kgc_allocator_alloc_zeroed(KGC_SYSTEM, layout);
}

static void my_dealloc(void *self, void *p, kgc_layout layout)
{
    count(self, layout)->deallocs++;
    kgc_allocator_dealloc(KGC_SYSTEM, p, layout);
}

static void *my_realloc(void *self, void *p, kgc_layout layout, size_t size)
{
    count(self, layout)->reallocs++;
    return kgc_allocator_resize(KGC_SYSTEM, p, layout, size);
}

static size_t my_usable_size(void *self, const void *p, kgc_layout layout)
{
    count(self, layout)->usable_sizes++;
    return kgc_allocator_usable_size(KGC_SYSTEM, p, layout);
}

static const kgc_allocator my_allocator = {my_alloc,   my_alloc_zeroed, my_dealloc,
                                           my_realloc, my_usable_size,  &counts};

static void set_my_allocator(void)
{
    kgc_allocator gone = my_allocator; /* it is copied */
    ck_assert_int_eq(kgc_set_global_allocator(&gone), 0);
    memset(&gone, 0, sizeof gone);
}

/* "The #[global_allocator] attribute": its example. */
START_TEST(attribute_global_allocator)
{
    set_my_allocator();
    int *vector = kgc_alloc(KGC_LAYOUT_OF(int));
    vector[0] = 1;
    ck_assert_int_eq(counts.allocs, 1);
    kgc_dealloc(vector, KGC_LAYOUT_OF(int));
    ck_assert_int_eq(counts.deallocs, 1);
}
END_TEST

/* "can only be used once", and the time for it is before the first use. */
START_TEST(attribute_used_once)
{
    set_my_allocator();
    ck_assert_int_eq(kgc_set_global_allocator(KGC_SYSTEM), EBUSY);
    ck_last_error(
        "kgc_set_global_allocator: the global allocator was set already; set it once, before the first "
        "allocation");
    ck_assert_ptr_eq(kgc_global_allocator()->self, &counts);
}
END_TEST

START_TEST(attribute_too_late)
{
    kgc_dealloc(kgc_alloc((kgc_layout){1, 1}), (kgc_layout){1, 1});
    ck_assert_int_eq(kgc_set_global_allocator(&my_allocator), EBUSY);
    ck_last_error(
        "kgc_set_global_allocator: the global allocator was used already; set it once, before the first "
        "allocation");
    ck_assert_ptr_eq(kgc_global_allocator(), KGC_ROOTED);
}
END_TEST

START_TEST(attribute_bad)
{
    kgc_allocator bad = my_allocator;
    ck_assert_int_eq(kgc_set_global_allocator(NULL), EINVAL);
    ck_last_error("kgc_set_global_allocator: the allocator is NULL");
    bad.alloc = NULL;
    ck_assert_int_eq(kgc_set_global_allocator(&bad), EINVAL);
    ck_last_error("kgc_set_global_allocator: the allocator lacks alloc");
    bad.alloc = my_alloc;
    bad.dealloc = NULL;
    ck_assert_int_eq(kgc_set_global_allocator(&bad), EINVAL);
    ck_last_error("kgc_set_global_allocator: the allocator lacks dealloc");
    set_my_allocator(); /* none of these counts */
}
END_TEST

/* "Layout of a block of memory." */
START_TEST(struct_layout)
{
    kgc_layout layout, record, list;
    size_t offset;
    ck_assert_int_eq(kgc_layout_make(3, 2, &layout), 0);
    ck_assert_uint_eq(layout.size, 3);
    ck_assert_uint_eq(layout.align, 2);
    ck_assert_uint_eq(kgc_layout_pad_to_align(layout).size, 4);
    ck_assert_int_eq(kgc_layout_extend(layout, KGC_LAYOUT_OF(uint64_t), &record, &offset), 0);
    ck_assert_uint_eq(offset, 8);
    ck_assert_uint_eq(record.size, 16);
    ck_assert_uint_eq(record.align, 8);
    ck_assert_int_eq(kgc_layout_array(layout, 5, &list), 0);
    ck_assert_uint_eq(list.size, 20);
    ck_assert_int_eq(kgc_layout_align_to(layout, 64, &layout), 0);
    ck_assert_uint_eq(layout.align, 64);
}
END_TEST

/* "The parameters given to Layout::from_size_align or some other Layout
   constructor do not satisfy its documented constraints." */
START_TEST(struct_layout_error)
{
    kgc_layout layout, byte = {1, 1};
    ck_assert_int_eq(kgc_layout_make(1, 3, &layout), EINVAL);
    ck_last_error("kgc_layout_make: the alignment is a power of two, not 3");
    ck_assert_int_eq(kgc_layout_make((size_t)PTRDIFF_MAX, 2, &layout), EINVAL);
    ck_last_error("kgc_layout_make: %zu bytes, rounded up to the alignment 2, are more than PTRDIFF_MAX",
                  (size_t)PTRDIFF_MAX);
    ck_assert_int_eq(kgc_layout_array(byte, SIZE_MAX, &layout), EINVAL);
    ck_last_error("kgc_layout_array: %zu times 1 bytes are more than PTRDIFF_MAX", SIZE_MAX);
}
END_TEST

/* The older name of the same error: also for a layout that was put together by hand. */
START_TEST(alias_layout_err)
{
    errno = 0;
    ck_assert_ptr_null(kgc_alloc((kgc_layout){8, 0}));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_alloc: the alignment is a power of two, not 0");
    errno = 0;
    ck_assert_ptr_null(kgc_alloc_zeroed((kgc_layout){SIZE_MAX, 1}));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_alloc_zeroed: %zu bytes, rounded up to the alignment 1, are more than PTRDIFF_MAX",
                  SIZE_MAX);
}
END_TEST

/* "The default memory allocator provided by the operating system." */
START_TEST(struct_system)
{
    ck_assert_int_eq(kgc_set_global_allocator(KGC_SYSTEM), 0);
    kgc_layout layout = {1000, 512};
    char *p = kgc_alloc_zeroed(layout);
    ck_assert_uint_eq((uintptr_t)p % 512, 0);
    ck_assert(is_zero(p, 0, 1000));
    ck_assert_ptr_null(kgc_base(p)); /* none of ours */
    ck_assert_ptr_null(kgc_kind_of(p));
    fill(p, 0, 1000, 4);
    p = kgc_resize(p, layout, 2000);
    ck_assert(is_filled(p, 1000, 4));
    kgc_dealloc(p, (kgc_layout){2000, 512});
    p = kgc_alloc((kgc_layout){100, 8});
    free(p); /* malloc's own */
}
END_TEST

/* "an allocation failure that may be due to resource exhaustion or to
   something wrong when combining the given input arguments with this allocator" */
START_TEST(struct_alloc_error)
{
    errno = ENOMEM;
    if (!SANITIZED) { /* a sanitizer's malloc ends the process instead */
        errno = 0;
        ck_assert_ptr_null(kgc_allocator_alloc(KGC_SYSTEM, (kgc_layout){(size_t)PTRDIFF_MAX, 1}));
    }
    ck_assert_int_eq(errno, ENOMEM);
    kgc_region *region = kgc_region_create(4096, 0);
    kgc_allocator a = kgc_allocator_of_region(region);
    errno = 0;
    ck_assert_ptr_null(kgc_allocator_alloc(&a, (kgc_layout){4097, 1}));
    ck_assert_int_eq(errno, ENOMEM);
    ck_last_error(
        "the region at %p is full: 0 of 4096 bytes are taken, and 4097 more, aligned to 1, do not fit; reset "
        "it or make a larger one",
        kgc_region_base(region));
    errno = 0;
    ck_assert_ptr_null(kgc_allocator_alloc(&a, (kgc_layout){1, (size_t)1 << 62}));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

/* "The global memory allocator": the rooted heap, where nobody says otherwise. */
static void **rooted;

static __attribute__((noinline)) void hide(kgc_layout layout)
{
    void **p = kgc_alloc_zeroed(layout);
    p[3] = make_chain();
    rooted = (void **)~(uintptr_t)p;
}

static __attribute__((noinline)) void check_and_free(kgc_layout layout)
{
    void **p = (void **)~(uintptr_t)rooted;
    check_chain(p[3]);
    kgc_dealloc(p, layout);
}

START_TEST(struct_global)
{
    kgc_layout layout = {100, 8};
    ck_assert_ptr_eq(kgc_global_allocator(), KGC_ROOTED);
    next_chain();
    hide(layout);
    collect_all();
    ck_chain_kept();
    check_and_free(layout);
    collect_all();
    ck_chain_ended();
}
END_TEST

/* "A memory allocator that can be registered": alloc and dealloc are required,
   and the others have defaults made of them. */
START_TEST(trait_global_alloc)
{
    kgc_allocator least = my_allocator;
    least.alloc_zeroed = NULL;
    least.realloc = NULL;
    least.usable_size = NULL;
    ck_assert_int_eq(kgc_set_global_allocator(&least), 0);
    kgc_layout layout = {100, 32};
    char *p = kgc_alloc_zeroed(layout);
    ck_assert_int_eq(counts.allocs, 1);
    ck_assert(is_zero(p, 0, 100));
    fill(p, 0, 100, 7);
    p = kgc_resize(p, layout, 5000);
    ck_assert(is_filled(p, 100, 7));
    ck_assert_int_eq(counts.allocs, 2);
    ck_assert_int_eq(counts.deallocs, 1);
    ck_assert_uint_eq(counts.last.size, 100); /* of the block that was freed */
    ck_assert_uint_eq(kgc_allocator_usable_size(kgc_global_allocator(), p, (kgc_layout){5000, 32}), 5000);
    kgc_dealloc(p, (kgc_layout){5000, 32});
    ck_assert_int_eq(counts.zeroed + counts.reallocs + counts.usable_sizes, 0);
}
END_TEST

/* "can allocate, grow, shrink, and deallocate arbitrary blocks of data
   described via Layout": on a kind. */
START_TEST(trait_allocator)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("default", &kind), 0);
    kgc_allocator a = kgc_allocator_of_kind(kind);
    kgc_layout small = {100, 8}, large = {50000, 4096}, none = {0, 8};
    char *p = kgc_allocator_alloc(&a, small);
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    fill(p, 0, 100, 3);
    p = kgc_allocator_grow_zeroed(&a, p, small, large);
    ck_assert_ptr_eq(kgc_kind_of(p), kind);
    ck_assert_uint_eq((uintptr_t)p % 4096, 0);
    ck_assert(is_filled(p, 100, 3) && is_zero(p, 100, 50000));
    p = kgc_allocator_shrink(&a, p, large, small);
    ck_assert(is_filled(p, 100, 3));
    p = kgc_allocator_shrink(&a, p, small, none);
    ck_assert_ptr_nonnull(p);
    kgc_allocator_dealloc(&a, p, none);
    ck_assert_msg(kgc_kind_close(kind) == 0, "%s", kgc_last_error()); /* nothing is left in it */
}
END_TEST

START_TEST(fn_alloc)
{
    set_my_allocator();
    void *p = kgc_alloc((kgc_layout){40, 64});
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    ck_assert_int_eq(counts.allocs, 1);
    ck_assert_uint_eq(counts.last.size, 40);
    ck_assert_uint_eq(counts.last.align, 64);
    kgc_dealloc(p, (kgc_layout){40, 64});
}
END_TEST

START_TEST(fn_alloc_zeroed)
{
    set_my_allocator();
    kgc_layout layout = {100000, 64};
    char *p = kgc_alloc_zeroed(layout);
    ck_assert(is_zero(p, 0, layout.size));
    ck_assert_int_eq(counts.zeroed, 1);
    ck_assert_int_eq(counts.allocs, 0);
    kgc_dealloc(p, layout);
}
END_TEST

START_TEST(fn_dealloc)
{
    set_my_allocator();
    kgc_layout layout = {40, 8}, none = {0, 8};
    errno = 77;
    kgc_dealloc(NULL, layout);
    kgc_dealloc(kgc_alloc(none), none); /* never reaches the allocator */
    ck_assert_int_eq(counts.allocs + counts.deallocs, 0);
    kgc_dealloc(kgc_alloc(layout), layout);
    ck_assert_int_eq(counts.deallocs, 1);
    ck_assert_uint_eq(counts.last.size, 40);
    ck_assert_int_eq(errno, 77);
    void *p = kgc_alloc(layout);
    ck_fatal(kgc_dealloc(p, (kgc_layout){40, 7}), "kgc_dealloc: the alignment is a power of two, not 7");
    ck_fatal(kgc_dealloc((char *)p + 4, layout), "kgc_dealloc: %p is not aligned to 8",
             (void *)((char *)p + 4));
    ck_assert_int_eq(counts.deallocs, 1);
    kgc_dealloc(p, layout);
}
END_TEST

START_TEST(fn_realloc)
{
    set_my_allocator();
    kgc_layout layout = {40, 16};
    char *p = kgc_alloc(layout);
    fill(p, 0, 40, 1);
    p = kgc_resize(p, layout, 9000);
    ck_assert(is_filled(p, 40, 1));
    ck_assert_int_eq(counts.reallocs, 1);
    ck_assert_uint_eq(counts.last.size, 40);
    layout.size = 9000;
    p = kgc_resize(p, layout, 10);
    ck_assert(is_filled(p, 10, 1));
    ck_assert_int_eq(counts.reallocs, 2);
    layout.size = 10;
    /* grow and shrink, and their bounds */
    p = kgc_grow(p, layout, (kgc_layout){20, 16});
    ck_assert(is_filled(p, 10, 1));
    p = kgc_grow_zeroed(p, (kgc_layout){20, 16}, (kgc_layout){3000, 16});
    ck_assert(is_filled(p, 10, 1) && is_zero(p, 20, 3000));
    p = kgc_shrink(p, (kgc_layout){3000, 16}, layout);
    ck_assert(is_filled(p, 10, 1));
    ck_assert_int_eq(counts.reallocs, 5);
    errno = 0;
    ck_assert_ptr_null(kgc_grow(p, layout, (kgc_layout){9, 16}));
    ck_assert_int_eq(errno, EINVAL);
    ck_last_error("kgc_grow: from 10 to 9 bytes is not growing");
    ck_assert_ptr_null(kgc_grow_zeroed(p, layout, (kgc_layout){9, 16}));
    ck_last_error("kgc_grow_zeroed: from 10 to 9 bytes is not growing");
    ck_assert_ptr_null(kgc_shrink(p, layout, (kgc_layout){11, 16}));
    ck_last_error("kgc_shrink: from 10 to 11 bytes is not shrinking");
    ck_assert_ptr_null(kgc_resize(NULL, layout, 11));
    ck_last_error("kgc_resize: (nil) is not a block aligned to 16");
    ck_assert_int_eq(counts.reallocs, 5);
    kgc_dealloc(p, layout);
}
END_TEST

/* "Signal a memory allocation error": a line, and the end. */
static int signal_error(void *unused)
{
    (void)unused;
    kgc_handle_alloc_error((kgc_layout){12345, 8});
}

START_TEST(fn_handle_alloc_error)
{
    char text[200];
    int status = in_child_with_stderr(signal_error, NULL, text, sizeof text);
    ck_assert_msg(killed(status, SIGABRT), "status %d", status);
    ck_assert_str_eq(text, "kindgc: memory allocation of 12345 bytes failed\n");
}
END_TEST

static jmp_buf way_out;
static kgc_layout told;

static void say(kgc_layout layout)
{
    fprintf(stderr, "no %zu, %zu\n", layout.size, layout.align);
}

static void jump(kgc_layout layout)
{
    told = layout;
    longjmp(way_out, 1);
}

START_TEST(fn_set_alloc_error_hook)
{
    kgc_set_alloc_error_hook(jump);
    if (setjmp(way_out) == 0)
        kgc_handle_alloc_error((kgc_layout){5, 4});
    ck_assert_uint_eq(told.size, 5);
    ck_assert_uint_eq(told.align, 4);
    kgc_set_alloc_error_hook(say); /* a hook that returns: the process ends all the same */
    char text[200];
    int status = in_child_with_stderr(signal_error, NULL, text, sizeof text);
    ck_assert_msg(killed(status, SIGABRT), "status %d", status);
    ck_assert_str_eq(text, "no 12345, 8\n");
    kgc_set_alloc_error_hook(NULL);
    status = in_child_with_stderr(signal_error, NULL, text, sizeof text);
    ck_assert_str_eq(text, "kindgc: memory allocation of 12345 bytes failed\n");
}
END_TEST

START_TEST(fn_take_alloc_error_hook)
{
    kgc_alloc_error_hook own = kgc_take_alloc_error_hook();
    ck_assert(own != NULL && own != say);
    kgc_set_alloc_error_hook(say);
    ck_assert(kgc_take_alloc_error_hook() == say);
    ck_assert(kgc_take_alloc_error_hook() == own);
    char text[200];
    in_child_with_stderr(signal_error, NULL, text, sizeof text);
    ck_assert_str_eq(text, "kindgc: memory allocation of 12345 bytes failed\n");
}
END_TEST

SUITE("std::alloc", attribute_global_allocator, attribute_used_once, attribute_too_late, attribute_bad,
      struct_layout, struct_layout_error, alias_layout_err, struct_system, struct_alloc_error, struct_global,
      trait_global_alloc, trait_allocator, fn_alloc, fn_alloc_zeroed, fn_dealloc, fn_realloc,
      fn_handle_alloc_error, fn_set_alloc_error_hook, fn_take_alloc_error_hook)
