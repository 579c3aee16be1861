/* SPDX-License-Identifier: MIT */
/* Objects on kinds of the caller's choice in forked children. */
#include "base/size.h"
#include "suite.h"
#include "support/extents.h"
#include "support/mappings.h"
#include "support/system.h"
#include <kindgc.h>
#include <pthread.h>
#include <stdlib.h>

enum { OBJECTS = 400 };

static size_t size_of(size_t i)
{
    return i % 10 == 0 ? 5000 + i * 40 : 1 + i * 13 % 2047;
}

struct set {
    kgc_kind *kind;
    const char *spec;
    char **object; /* in the rooted heap */
};

static bool fill(struct set *s, const char *spec)
{
    s->spec = spec;
    if (kgc_kind_open(spec, &s->kind) != 0)
        return false;
    s->object = kgc_calloc(OBJECTS, sizeof *s->object);
    for (size_t i = 0; i < OBJECTS; i++) {
        s->object[i] = kgc_allocate_in(s->kind, size_of(i), i % 2);
        if (s->object[i] == NULL)
            return false;
        memset(s->object[i], (int)(i % 15 + 1), size_of(i));
    }
    return true;
}

static bool is_intact(const struct set *s)
{
    read_mappings();
    for (size_t i = 0; i < OBJECTS; i++)
        if (!all_bytes(s->object[i], size_of(i), (unsigned char)(i % 15 + 1)) ||
            kgc_kind_of(s->object[i]) != s->kind || !lies_as(s->spec, s->object[i]))
            return false;
    return true;
}

/* The child reads, writes, allocates, collects. */
static int live_on(void *arg)
{
    struct set *s = arg;
    if (!is_intact(s))
        return 1;
    for (size_t i = 0; i < OBJECTS; i++)
        memset(s->object[i], 0xee, size_of(i));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < OBJECTS; i += 2) {
            s->object[i] = kgc_allocate_in(s->kind, size_of(i), 0);
            if (s->object[i] == NULL || !all_bytes(s->object[i], size_of(i), 0))
                return 2;
        }
        kgc_collect();
    }
    for (size_t i = 1; i < OBJECTS; i += 2)
        if (!all_bytes(s->object[i], size_of(i), 0xee))
            return 3;
    size_t before = stats_of(s->kind).placed;
    kgc_release(s->object[10]);
    return stats_of(s->kind).placed < before ? 0 : 4;
}

static int fork_and_check(void *arg)
{
    struct set s;
    if (!fill(&s, arg)) {
        printf("SKIP: %s\n", kgc_last_error());
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        int status = in_child(live_on, &s);
        if (!exited(status, 0)) {
            fprintf(stderr, "%s: status %#x\n", s.spec, (unsigned)status);
            return 1;
        }
        if (!is_intact(&s))
            return 2;
        kgc_collect();
    }
    return is_intact(&s) ? 0 : 3;
}

START_TEST(children_have_their_own)
{
    ck_assert_int_eq(fork_and_check((char *)quick_file_kind()), 0);
    ck_assert_int_eq(fork_and_check("numa:bind=0"), 0);
    ck_assert_int_eq(fork_and_check("thp"), 0);
}
END_TEST

START_TEST(locks_are_set_again)
{
    ck_assert_int_eq(fork_and_check("locked,limit=100M"), 0);
}
END_TEST

static int with_heap_on_a_file(void *arg)
{
    kgc_options options = {.heap = quick_file_kind()};
    return kgc_init(&options) != 0 ? 9 : fork_and_check(arg);
}

START_TEST(when_the_heap_is_on_a_file)
{
    ck_assert(exited(in_child(with_heap_on_a_file, "default"), 0));
    ck_assert(exited(in_child(with_heap_on_a_file, "numa:interleave=0"), 0));
    ck_assert(exited(in_child(with_heap_on_a_file, "file:/tmp"), 0));
}
END_TEST

static int do_nothing(void *arg)
{
    (void)arg;
    return 7;
}

static int fork_without_copies(void *arg)
{
    struct set s;
    kgc_options options = {.fork = "none"};
    (void)arg;
    if (kgc_init(&options) != 0 || !fill(&s, quick_file_kind()))
        return 1;
    if (is_readable(s.object[0]) || is_writable(s.object[1]) || !exited(in_child(do_nothing, NULL), 7))
        return 2;
    /* The parent still can, and its next child too. */
    kgc_collect();
    if (!is_intact(&s) || kgc_allocate_in(s.kind, 100000, 0) == NULL)
        return 3;
    return !is_readable(s.object[0]) && is_intact(&s) ? 0 : 4;
}

START_TEST(no_access_by_option)
{
    ck_assert(exited(in_child(fork_without_copies, NULL), 0));
}
END_TEST

static _Atomic bool stop;

static void *allocate_always(void *arg)
{
    kgc_kind *kind = arg;
    for (size_t i = 0; !atomic_load(&stop); i++)
        if (kgc_allocate_in(kind, size_of(i % OBJECTS), i % 2) == NULL)
            return NULL;
    return arg;
}

START_TEST(while_others_allocate)
{
    pthread_t thread[2];
    struct set s;
    ck_assert(fill(&s, quick_file_kind()));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, allocate_always, s.kind), 0);
    for (int i = 0; i < 8; i++) {
        int status = in_child(live_on, &s);
        ck_assert_msg(exited(status, 0), "status %#x", (unsigned)status);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(thread[i], &result);
        ck_assert_ptr_nonnull(result);
    }
    ck_assert(is_intact(&s));
}
END_TEST

SUITE("objects on kinds, fork", children_have_their_own, locks_are_set_again, when_the_heap_is_on_a_file,
      no_access_by_option, while_others_allocate)
