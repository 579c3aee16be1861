/* SPDX-License-Identifier: MIT */
/*
 * When memory runs out (kgc_set_oom_fn()): the three things that the function
 * may do, on every way to an object.
 */
#include "base/options.h"
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#define GC_THREADS             1
#define GC_NO_THREAD_REDIRECTS 1
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT (3 * KGC_MIB)

static kgc_type *type;
static char *before; /* an object that the out-of-memory function returns */

static void *plain(size_t size)
{
    return kgc_allocate(size);
}

static void *atomic(size_t size)
{
    return kgc_allocate_atomic(size);
}

static void *typed(size_t size)
{
    return kgc_allocate_typed(type, (size + 15) / 16);
}

static void *in_kind(size_t size)
{
    return kgc_allocate_in(kgc_heap_kind(), size, 0);
}

static void *grown(size_t size)
{
    void *p = kgc_allocate(16);
    return p != NULL && p != before ? kgc_reallocate(p, size) : p;
}

static void *rooted(size_t size)
{
    return kgc_malloc(size);
}

static void *aligned(size_t size)
{
    return kgc_aligned_alloc(64, size);
}

static void *of_libgc(size_t size)
{
    return GC_malloc(size);
}

/* Ways to an object, and whether kgc_free() must free it. */
static const struct way {
    const char *name;
    void *(*allocate)(size_t size);
    bool freed;
    size_t sizes[3];
} ways[] = {
    {"plain", plain, false, {16, 500, 100000}},    {"atomic", atomic, false, {16, 500, 100000}},
    {"typed", typed, false, {16, 496, 100000}},    {"in_kind", in_kind, false, {16, 500, 100000}},
    {"grown", grown, false, {100, 1000, 100000}},  {"rooted", rooted, true, {16, 500, 100000}},
    {"aligned", aligned, true, {16, 500, 100000}}, {"of_libgc", of_libgc, false, {16, 500, 100000}},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

/* All objects so far, linked by a table outside of the heap, so that those of
   every sort are alive. */
enum { KEPT = 2 << 20 };
static void **kept;
static size_t kept_count;

static void keep(void *p)
{
    if (kept_count == KEPT)
        ck_abort_msg("memory does not run out");
    kept[kept_count++] = p;
}

static void drop(bool freed)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (freed)
            kgc_free(kept[i]);
        kept[i] = NULL;
    }
    kept_count = 0;
    kgc_collect();
}

static void setup(void)
{
    static const uint64_t first_word[] = {1};
    GC_set_warn_proc(GC_ignore_warn_proc);
    /* The rooted heap takes its limit from the settings when it is first used. */
    kgc__settings.limit = LIMIT;
    kgc_free(kgc_malloc(1));
    kgc__settings.limit = 0;
    ck_assert_int_eq(kgc_init(NULL), 0);
    kept = calloc(KEPT, sizeof *kept);
    ck_assert_int_eq(kgc_root_add(kept, kept + KEPT), 0);
    ck_assert_int_eq(kgc_type_create(16, first_word, &type), 0);
    ck_assert_int_eq(kgc_heap_set_limit(LIMIT), 0);
}

static size_t asked;
static unsigned calls;

static void *give_nothing(size_t size)
{
    asked = size;
    calls++;
    return NULL;
}

static void check_refused(const struct way *way, size_t size)
{
    void *p;
    calls = 0;
    errno = 0;
    while ((p = way->allocate(size)) != NULL)
        keep(p);
    ck_assert_msg(calls == 1, "%s %zu: %u calls", way->name, size, calls);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_msg(asked >= size && asked < size + 200, "%s %zu: asked for %zu", way->name, size, asked);
    /* libgc makes heap of mark stacks that it has outgrown, whatever its limit is. */
    ck_assert_uint_le(kgc_heap_size(), LIMIT + KGC_MIB);
    const char *reason = way->freed ? "has no" : "the GC heap cannot grow for an object of";
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), reason));
    drop(way->freed);
    ck_assert_msg((p = way->allocate(size)) != NULL, "%s %zu: nothing when there is memory again", way->name,
                  size);
    keep(p);
    drop(way->freed);
}

START_TEST(nothing)
{
    setup();
    kgc_set_oom_fn(give_nothing);
    for (size_t i = 0; i < WAYS; i++)
        for (size_t j = 0; j < 3; j++)
            check_refused(&ways[i], ways[i].sizes[j]);
}
END_TEST

/* An object from before, whose contents stay. */
static void *give_before(size_t size)
{
    asked = size;
    calls++;
    return before;
}

static void check_given(const struct way *way, size_t size)
{
    before = way->freed ? kgc_malloc(200000) : kgc_allocate(200000);
    ck_assert_ptr_nonnull(before);
    keep(before);
    memset(before, 77, 200000);
    void *p;
    calls = 0;
    while ((p = way->allocate(size)), calls == 0)
        keep(p);
    ck_assert_msg(p == before, "%s %zu: another object", way->name, size);
    size_t changed = 0;
    for (size_t i = way->allocate == grown ? 32 : 0; i < 200000; i++) /* that copies what it was to resize */
        changed += before[i] != 77;
    ck_assert_msg(changed == 0, "%s %zu: %zu bytes changed", way->name, size, changed);
    drop(way->freed);
}

START_TEST(an_object_from_before)
{
    setup();
    kgc_set_oom_fn(give_before);
    for (size_t i = 0; i < WAYS; i++)
        for (size_t j = 0; j < 3; j++)
            check_given(&ways[i], ways[i].sizes[j]);
}
END_TEST

/* Not returning. */
static jmp_buf out;

static void *jump(size_t size)
{
    asked = size;
    longjmp(out, 1);
}

static void *allocate_everywhere(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < WAYS; i++)
        for (size_t j = 0; j < 3; j++) {
            void *p = ways[i].allocate(ways[i].sizes[j]);
            if (p == NULL)
                return (void *)ways[i].name;
            if (ways[i].freed)
                kgc_free(p);
        }
    return NULL;
}

/* No lock is held after the jump: others and the thread itself go on. */
static void check_going_on(const char *name)
{
    pthread_t thread;
    void *failed;
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_everywhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &failed), 0);
    ck_assert_msg(failed == NULL, "after %s: %s", name, (char *)failed);
    ck_assert_ptr_null(allocate_everywhere(NULL));
}

static void check_jump(const struct way *way, size_t size)
{
    if (setjmp(out) == 0) {
        for (;;)
            keep(way->allocate(size));
    }
    ck_assert_uint_ge(asked, size);
    drop(way->freed);
    check_going_on(way->name);
}

START_TEST(a_jump)
{
    setup();
    kgc_set_oom_fn(jump);
    for (size_t i = 0; i < WAYS; i++)
        for (size_t j = 0; j < 3; j++)
            check_jump(&ways[i], ways[i].sizes[j]);
}
END_TEST

static void *leave(size_t size)
{
    _exit(size >= 100000 ? 42 : 1);
}

START_TEST(an_exit)
{
    int status;
    setup();
    kgc_set_oom_fn(leave);
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            kept[kept_count++] = kgc_allocate(100000);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
}
END_TEST

/* The function may allocate.  Here what it drops makes room for that. */
static unsigned depth, deepest;

static void *make_room(size_t size)
{
    void *p;
    calls++;
    if (++depth > deepest)
        deepest = depth;
    if (depth == 1) {
        size_t half = kept_count / 2;
        while (kept_count > half)
            kept[--kept_count] = NULL;
        kgc_collect();
        p = kgc_allocate(size);
    } else {
        p = NULL;
    }
    depth--;
    return p;
}

START_TEST(an_object_made_there)
{
    setup();
    kgc_set_oom_fn(make_room);
    for (unsigned i = 0; i < 500; i++) {
        char *p = kgc_allocate(100000);
        ck_assert_ptr_nonnull(p);
        keep(p);
    }
    ck_assert_uint_ge(calls, 3);
    ck_assert_uint_eq(deepest, 1);
}
END_TEST

/* One that allocates what cannot be had either is called again, for that. */
static void *ask_for_more(size_t size)
{
    calls++;
    return calls < 5 ? kgc_allocate(size + 1) : NULL;
}

START_TEST(recursion)
{
    setup();
    kgc_set_oom_fn(ask_for_more);
    ck_assert_ptr_null(kgc_allocate(2 * LIMIT));
    ck_assert_uint_eq(calls, 5);
    calls = 0;
    void *p;
    while ((p = kgc_allocate(100)) != NULL)
        keep(p);
    ck_assert_uint_eq(calls, 5);
}
END_TEST

/* The limit moves while the program runs. */
static size_t fill(void)
{
    void *p;
    size_t n = kept_count;
    while ((p = kgc_allocate_atomic(50000)) != NULL)
        keep(p);
    return kept_count - n;
}

START_TEST(moving_the_limit)
{
    setup();
    size_t first = fill() * 50000;
    ck_assert_uint_ge(first, LIMIT / 2);
    ck_assert_uint_le(first, LIMIT);
    ck_assert_int_eq(kgc_heap_set_limit(2 * LIMIT), 0);
    size_t second = fill() * 50000;
    ck_assert_uint_ge(second, LIMIT / 2);
    ck_assert_uint_le(kgc_heap_size(), 2 * LIMIT);
    /* Lower than the heap: it stays, is used again, and does not grow. */
    ck_assert_int_eq(kgc_heap_set_limit(LIMIT / 2), 0);
    size_t size = kgc_heap_size();
    ck_assert_uint_le(fill(), 2);
    drop(false);
    ck_assert_uint_ge(fill() * 50000, (first + second) / 10 * 9);
    ck_assert_uint_le(kgc_heap_size(), size);
    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_ptr_nonnull(kgc_allocate_atomic(50000));
    ck_assert_ptr_nonnull(kgc_allocate(4 * LIMIT));
    ck_assert_uint_gt(kgc_heap_size(), 4 * LIMIT);
}
END_TEST

/* Records of weak references and finalizers are libgc's and the library's own:
   running out there is an error and nothing else. */
START_TEST(without_memory_for_records)
{
    setup();
    kgc_set_oom_fn(give_nothing);
    void *p, *volatile object = kgc_allocate(16);
    ck_assert_ptr_nonnull(object);
    while ((p = kgc_allocate(16)) != NULL)
        keep(p);
    while ((p = kgc_weak_create(object)) != NULL)
        keep(p);
    ck_assert_int_eq(errno, ENOMEM);
    drop(false);
    ck_assert_ptr_nonnull(kgc_weak_create(object));
}
END_TEST

SUITE("out of memory", nothing, an_object_from_before, a_jump, an_exit, an_object_made_there, recursion,
      moving_the_limit, without_memory_for_records)
