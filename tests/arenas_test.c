/* SPDX-License-Identifier: MIT */
/*
 * How many jemalloc arenas a kind has, which thread gets which, how they are
 * found by number, and what happens when jemalloc has no more.
 */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "suite.h"
#include "support/extents.h"
#include "support/system.h"
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <kindgc/arena.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

enum { MOST_THREADS = 80 };

static pthread_barrier_t barrier;

struct user {
    kgc_kind *kind;
    unsigned arena;
    bool wrong;
};

/* All of them live at once, so that none inherits another's turn. */
static void *use_arena(void *arg)
{
    struct user *u = arg;
    unsigned again;
    void *p = kgc_kind_malloc(u->kind, 100), *q = kgc_kind_malloc(u->kind, 5 * KGC_MIB);
    u->wrong = p == NULL || q == NULL || kgc_kind_arena_of_thread(u->kind, &u->arena) != 0;
    u->wrong |= kgc_kind_arena_of_thread(u->kind, &again) != 0 || again != u->arena;
    kgc_kind_free(u->kind, p);
    kgc_kind_free(u->kind, q);
    /* jemalloc's own functions with that arena give memory of the kind. */
    p = mallocx(3000, (int)(MALLOCX_ARENA(u->arena) | MALLOCX_TCACHE_NONE));
    u->wrong |= p == NULL || kgc_kind_of(p) == NULL || kgc__kind_root(kgc_kind_of(p)) != u->kind;
    dallocx(p, MALLOCX_TCACHE_NONE);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* Threads use the kind; how many arenas did they get? */
static unsigned spread(kgc_kind *kind, unsigned threads)
{
    static struct user users[MOST_THREADS];
    pthread_t thread[MOST_THREADS];
    unsigned arenas[2 * KGC__ARENAS_MOST], used[2 * KGC__ARENAS_MOST] = {0};
    pthread_barrier_init(&barrier, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        users[i] = (struct user){.kind = kind};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, use_arena, &users[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&barrier);
    unsigned made = kgc_kind_arenas(kind, arenas, 2 * KGC__ARENAS_MOST);
    ck_assert_uint_le(made, KGC__ARENAS_MOST);
    ck_assert_uint_eq(made, stats_of(kind).arenas);
    for (unsigned i = 0; i < threads; i++) {
        unsigned at = 0;
        ck_assert(!users[i].wrong);
        ck_assert_ptr_eq(kgc_kind_of_arena(users[i].arena), kind);
        while (at < made && arenas[at] != users[i].arena)
            at++;
        ck_assert_uint_lt(at, made);
        used[at]++;
    }
    for (unsigned at = 0; at < made; at++) /* evenly */
        ck_assert(used[at] == threads / made || used[at] == (threads + made - 1) / made);
    return made;
}

START_TEST(as_many_as_asked_for)
{
    static const unsigned wanted[] = {1, 2, 5, 64};
    for (int i = 0; i < 4; i++) {
        char spec[64];
        kgc_kind *kind;
        kgc_kind_options options = {.arenas = wanted[i]};
        ck_assert_int_eq(kgc_kind_open_with("default", &options, &kind), 0);
        ck_assert_uint_eq(kgc_kind_arenas(kind, NULL, 0), 0); /* made as threads come */
        ck_assert_uint_eq(spread(kind, 1), 1);
        close_kind(kind);
        snprintf(spec, sizeof spec, "default,arenas=%u", wanted[i]);
        kind = open_kind(spec);
        ck_assert_uint_eq(spread(kind, MOST_THREADS), wanted[i]);
        close_kind(kind);
    }
}
END_TEST

START_TEST(by_default)
{
    unsigned processors = kgc__os_processors();
    kgc_kind *kind = open_kind("default");
    ck_assert_uint_eq(spread(kind, 12), processors < 4 ? processors : 4);
    close_kind(kind);
    kind = open_kind("default,limit=255M");
    ck_assert_uint_eq(spread(kind, 12), 1);
    close_kind(kind);
    kind = open_kind("tier:default@300M+default,arenas=3");
    ck_assert_uint_eq(spread(kind, 12), 3);
    close_kind(kind);
}
END_TEST

START_TEST(found_by_number)
{
    unsigned arenas[2] = {77, 77}, own;
    kgc_kind *kind = open_kind("default,arenas=1");
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, &own), 0);
    ck_assert_uint_eq(kgc_kind_arenas(kind, arenas, 0), 1);
    ck_assert_uint_eq(arenas[0], 77);
    ck_assert_uint_eq(kgc_kind_arenas(kind, arenas, 2), 1);
    ck_assert_uint_eq(arenas[0], own);
    ck_assert_uint_eq(arenas[1], 77);
    ck_assert_ptr_eq(kgc_kind_of_arena(own), kind);
    close_kind(kind);
    ck_assert_ptr_null(kgc_kind_of_arena(own));
    static const unsigned foreign[] = {0, 1, 4094, 4095, 4096, UINT_MAX};
    for (int i = 0; i < 6; i++)
        ck_assert_ptr_null(kgc_kind_of_arena(foreign[i]));

    kgc_kind *tier = open_kind("tier:default@64M+default");
    ck_assert_int_eq(kgc_kind_arena_of_thread(tier->member[1], &own), 0); /* a member stands for it */
    ck_assert_ptr_eq(kgc_kind_of_arena(own), tier);
    ck_assert_uint_eq(kgc_kind_arenas(tier->member[0], arenas, 2), 1);
    close_kind(tier);
}
END_TEST

START_TEST(wrong_input)
{
    unsigned arena;
    kgc_kind *kind = open_kind("default");
    ck_assert_int_eq(kgc_kind_arena_of_thread(NULL, &arena), EINVAL);
    ck_last_error("kgc_kind_arena_of_thread: the kind or the result is NULL");
    ck_assert_int_eq(kgc_kind_arena_of_thread(kind, NULL), EINVAL);
    ck_assert_uint_eq(kgc_kind_arenas(NULL, &arena, 1), 0);
    ck_assert_uint_eq(kgc_kind_arenas(kind, NULL, 5), 0);
    close_kind(kind);
}
END_TEST

/* ---- jemalloc has 4,095 ---- */

static unsigned taken[4096], count_taken;

static void take_all_arenas(void)
{
    size_t size = sizeof taken[0];
    while (count_taken < 4096 && mallctl("arenas.create", &taken[count_taken], &size, NULL, 0) == 0)
        count_taken++;
    ck_assert_uint_gt(count_taken, 3000);
    ck_assert_uint_lt(count_taken, 4096);
}

static void *use_every_size(void *arg)
{
    kgc_kind *kind = arg;
    for (size_t size = 1; size <= 8 * KGC_MIB; size *= 2) {
        char *p = kgc_kind_calloc(kind, 1, size);
        if (p == NULL || !all_bytes(p, size, 0) || kgc_kind_of(p) != kind)
            return "no memory of the kind";
        memset(p, 1, size);
        char *q = kgc_kind_realloc(kind, p, size + 1000);
        if (q == NULL || !all_bytes(q, size, 1))
            return "realloc";
        kgc_kind_free(kind, q);
    }
    return NULL;
}

#define NO_ARENA(name)                                                                                    \
    ck_last_error("no jemalloc arena for \"%s\": memory is short, or there are 4095, which is the most; " \
                  "close kinds that have explicit memory",                                                \
                  name)

START_TEST(used_up)
{
    kgc_kind *has = open_kind("default,arenas=4"), *has_not = open_kind("default,arenas=2"), *mine;
    void *p = kgc_kind_malloc(has, 1), *out = &p, *problem;
    unsigned arena;
    take_all_arenas();
    /* A kind that has one goes on, in new threads too. */
    ck_assert_ptr_null(use_every_size(has));
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, use_every_size, has), 0);
        pthread_join(thread, &problem);
        ck_assert_msg(problem == NULL, "%s", (const char *)problem);
    }
    ck_assert_uint_eq(stats_of(has).arenas, 1);
    /* One that has none says why not. */
    errno = 0;
    ck_assert_ptr_null(kgc_kind_malloc(has_not, 1));
    ck_assert_int_eq(errno, ENOMEM);
    NO_ARENA("default,arenas=2");
    errno = 0;
    ck_assert_ptr_null(kgc_kind_calloc(has_not, 1, 5 * KGC_MIB));
    ck_assert_int_eq(errno, ENOMEM);
    NO_ARENA("default,arenas=2");
    ck_assert_int_eq(kgc_kind_posix_memalign(has_not, &out, 64, 1), ENOMEM);
    ck_assert_ptr_eq(out, &p);
    ck_assert_int_eq(kgc_kind_arena_of_thread(has_not, &arena), ENOMEM);
    NO_ARENA("default,arenas=2");
    ck_assert_ptr_null(kgc_kind_realloc(has_not, p, 100)); /* cannot move there */
    ck_assert_uint_eq(kgc_kind_usable_size(has, p), 16);
    ck_assert_int_eq(kgc_kind_create("mine", hooks_of(has_not), NULL, &mine), 0);
    ck_assert_ptr_null(kgc_kind_malloc(mine, 1));
    NO_ARENA("mine");
    kgc_kind_info info = stats_of(has_not);
    ck_assert_uint_eq(info.arenas, 0);
    ck_assert_uint_eq(info.caches, 0);
    ck_assert_uint_eq(info.allocated, 0);
    ck_assert_int_eq(kgc_kind_set_decay(has_not, KGC_DECAY_NEVER, 0), 0);
    ck_assert_int_eq(kgc_kind_purge(has_not), 0);
    ck_assert_int_eq(kgc_kind_reset(has_not), 0);
    close_kind(mine);
    /* When one is free again it works. */
    kgc_kind_free(has, p);
    close_kind(has);
    ck_assert_ptr_null(use_every_size(has_not));
    ck_assert_uint_eq(stats_of(has_not).arenas, 1);
    close_kind(has_not);
    /* Indices go round: many more kinds than arenas, one after the other. */
    for (int i = 0; i < 300; i++) {
        has = open_kind("default,limit=64M");
        kgc_kind_free(has, kgc_kind_malloc(has, 1));
        close_kind(has);
    }
}
END_TEST

/* Hundreds at once, then again in the other order. */
START_TEST(hundreds_of_kinds)
{
    enum { KINDS = 300 };
    static kgc_kind *kinds[KINDS];
    static void *blocks[KINDS];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KINDS; i++) {
            kinds[i] = open_kind("default,limit=1G");
            blocks[i] = kgc_kind_calloc(kinds[i], 1, 1000);
            ck_assert_ptr_nonnull(blocks[i]);
        }
        for (int i = 0; i < KINDS; i++) {
            ck_assert_ptr_eq(kgc_kind_of(blocks[i]), kinds[i]);
            unsigned arena;
            ck_assert_uint_eq(kgc_kind_arenas(kinds[i], &arena, 1), 1);
            ck_assert_ptr_eq(kgc_kind_of_arena(arena), kinds[i]);
        }
        for (int i = 0; i < KINDS; i++) {
            int at = round == 0 ? i : KINDS - 1 - i;
            kgc_kind_free(NULL, blocks[at]);
            close_kind(kinds[at]);
        }
    }
}
END_TEST

SUITE("arenas", as_many_as_asked_for, by_default, found_by_number, wrong_input, used_up, hundreds_of_kinds)
