/* SPDX-License-Identifier: MIT */
/* Where the rooted heap's memory comes from, and that it goes back. */
#include "arena/blocks.h"
#include "base/options.h"
#include "base/size.h"
#include "chain.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/system.h"
#include <errno.h>
#include <gc/gc.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 20000 };
static char *block[BLOCKS];

/* Of all sizes up to 100 KiB, small ones mostly. */
static size_t size_of(unsigned i)
{
    return i % 40 != 0 ? (i * 37u) % 2000 + 1 : (i * 997u) % 100000 + 1;
}

static void fill(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = kgc_malloc(size_of(i));
        ck_assert_ptr_nonnull(block[i]);
        memset(block[i], (int)i, size_of(i));
    }
}

static bool is_intact(unsigned i)
{
    return block[i][0] == (char)i && memcmp(block[i], block[i] + 1, size_of(i) - 1) == 0;
}

static void check_and_free(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        ck_assert(is_intact(i));
        kgc_free(block[i]);
    }
}

static void check_on(const char *spec)
{
    if (kgc_kind_check(spec) != 0) {
        printf("%s: not here: %s\n", spec, kgc_last_error());
        return;
    }
    ck_assert_int_eq(kgc__option_set("heap", 4, spec), 0);
    fill();
    ck_assert_ptr_nonnull(strstr(spec, kgc_kind_name(kgc_kind_of(block[0])))); /* or a member's name */
    ck_assert(!GC_is_init_called());
    struct kgc__block b;
    for (unsigned i = 0; i < BLOCKS; i += 7) {
        ck_assert(kgc__block_find(block[i] + size_of(i) - 1, &b));
        ck_assert_ptr_eq(b.start, block[i]);
    }
    void **holder = kgc_malloc(64);
    next_chain();
    *holder = make_chain(); /* starts the collector */
    collect_all();
    ck_chain_kept();
    memset(holder, 0, 64);
    collect_all();
    ck_chain_ended();
    kgc_free(holder);
    check_and_free();
}

static const char *const specs[] = {
    "default",          "thp",        "file:/var/tmp",         "numa:bind=0",
    "locked,limit=64M", "hugetlb:2M", "ratio:default@1+thp@1", "default,arenas=1",
};
enum { KINDS = sizeof specs / sizeof specs[0] };

START_TEST(follows_the_setting)
{
    check_on(specs[_i]);
}
END_TEST

/* A tier's and a ratio's blocks lie on their members, which have the names. */
START_TEST(tier)
{
    ck_assert_int_eq(kgc__option_set("heap", 4, "tier:default@4M+file:/var/tmp"), 0);
    fill();
    unsigned first = 0, second = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        first += strncmp(kgc_kind_name(kgc_kind_of(block[i])), "default", 7) == 0;
        second += strncmp(kgc_kind_name(kgc_kind_of(block[i])), "file:", 5) == 0;
    }
    ck_assert_uint_gt(first, 0);
    ck_assert_uint_eq(first + second, BLOCKS);
    ck_assert_uint_gt(second, 0);
    check_and_free();
}
END_TEST

START_TEST(follows_a_change)
{
    kgc_kind *thp;
    ck_assert_int_eq(kgc_kind_open("thp", &thp), 0);
    char *old = kgc_malloc(100), *again;
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(old)), "default");
    kgc_kind *before = kgc_heap_kind();
    ck_assert_int_eq(kgc_heap_set_kind(thp), 0);
    fill();
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(block[0])), "thp");
    kgc_free(old);
    check_and_free();
    ck_assert_int_eq(kgc_heap_set_kind(before), 0);
    again = kgc_malloc(100);
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(again)), "default");
    kgc_free(again);
    kgc_kind *rooted = kgc_kind_of(again);
    ck_assert_int_eq(kgc_kind_close(rooted), EBUSY);
}
END_TEST

START_TEST(no_collector_is_started)
{
    fill();
    ck_assert(!GC_is_init_called());
    check_and_free();
    ck_assert(!GC_is_init_called());
}
END_TEST

static size_t resident(void)
{
    return kgc__proc_kilobytes("/proc/self/status", "VmRSS");
}

/* At once when asked, and by itself when much is free. */
START_TEST(goes_back)
{
    enum { MANY = 100000, SIZE = 1000 };
    static char *many[MANY];
    kgc_free(kgc_malloc(1));
    size_t before = resident();
    for (int i = 0; i < MANY; i++)
        memset(many[i] = kgc_malloc(SIZE), 1, SIZE);
    ck_assert_uint_gt(resident(), before + 90 * KGC_MIB);
    for (int i = 0; i < MANY; i++)
        kgc_free(many[i]);
    /* Slack, cached blocks, and tables of a sixteenth. */
    ck_assert_uint_lt(resident(), before + 90 * KGC_MIB);
    ck_assert_int_eq(kgc_kind_purge(kgc_kind_of(many[0])), 0);
    ck_assert_uint_lt(resident(), before + 16 * KGC_MIB);

    char *large = kgc_malloc(200 * KGC_MIB);
    memset(large, 1, 200 * KGC_MIB);
    kgc_free(large);
    ck_assert_uint_lt(resident(), before + 90 * KGC_MIB);
}
END_TEST

static void *in_thread(void *failed)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *p = kgc_malloc(size_of(i));
        *(_Atomic bool *)failed |= p == NULL;
        kgc_free(p);
    }
    return NULL;
}

/* Blocks that one thread allocates and another frees come back to the first. */
enum { RING = 4096, PASSED = 400000, PASSED_SIZE = 80 };
static _Atomic(void *) ring[RING];

static void *consume(void *last)
{
    for (unsigned i = 0; i < PASSED; i++) {
        void *p;
        while ((p = atomic_exchange(&ring[i % RING], NULL)) == NULL)
            sched_yield();
        kgc_free(p);
    }
    return last;
}

START_TEST(passed_on)
{
    pthread_t consumer;
    kgc_kind_info info;
    void *first = kgc_malloc(PASSED_SIZE);
    kgc_kind *kind = kgc_kind_of(first);
    ck_assert_int_eq(pthread_create(&consumer, NULL, consume, NULL), 0);
    for (unsigned i = 0; i < PASSED; i++) {
        void *p = memset(kgc_malloc(PASSED_SIZE), 1, PASSED_SIZE);
        while (atomic_load(&ring[i % RING]) != NULL)
            sched_yield();
        atomic_store(&ring[i % RING], p);
    }
    ck_assert_int_eq(pthread_join(consumer, NULL), 0);
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_eq(info.allocated, kgc_malloc_usable_size(first));
    /* Far less than all that was allocated: the ring, caches, and what waits to be passed on. */
    ck_assert_uint_lt(info.cached, 4 * KGC_MIB);
    ck_assert_uint_lt(info.committed, 16 * KGC_MIB);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_eq(info.cached, 0);
    ck_assert_uint_eq(info.allocated, kgc_malloc_usable_size(first));
    kgc_free(first);
}
END_TEST

/* The free blocks of a thread that has ended are the next one's. */
enum { AT_ONCE = 20, LEFT = 100, LEFT_SIZE = 4000 };
static pthread_barrier_t all_have;

static void *leave_one(void *unused)
{
    (void)unused;
    void *p = kgc_malloc(48);
    kgc_free(p);
    return p;
}

static void *leave_much(void *failed)
{
    void *p[LEFT];
    for (int i = 0; i < LEFT; i++)
        *(_Atomic bool *)failed |= (p[i] = kgc_malloc(LEFT_SIZE)) == NULL;
    pthread_barrier_wait(&all_have);
    for (int i = 0; i < LEFT; i++)
        kgc_free(p[i]);
    return NULL;
}

START_TEST(left_to_the_next)
{
    pthread_t thread[AT_ONCE];
    void *first = NULL, *own = kgc_malloc(48), *p;
    kgc_kind *kind = kgc_kind_of(own);
    kgc_kind_info info;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(pthread_create(&thread[0], NULL, leave_one, NULL), 0);
        ck_assert_int_eq(pthread_join(thread[0], &p), 0);
        ck_assert(i == 0 || p == first);
        first = p;
    }
    /* More of them than caches are kept, and each leaves more than a cache may keep. */
    _Atomic bool failed = false;
    ck_assert_int_eq(pthread_barrier_init(&all_have, NULL, AT_ONCE), 0);
    for (int i = 0; i < AT_ONCE; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, leave_much, (void *)&failed), 0);
    for (int i = 0; i < AT_ONCE; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert(!failed);
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_eq(info.caches, 1);
    ck_assert_uint_gt(info.cached, 0);
    ck_assert_uint_lt(info.cached, 6 * KGC_MIB); /* 16 times 256 KiB, and what waits to be passed on */
    ck_assert_uint_eq(info.allocated, 48);
    ck_assert_int_eq(kgc_kind_purge(kind), 0);
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    ck_assert_uint_eq(info.cached, 0);
    ck_assert_uint_eq(info.allocated, 48);
    kgc_free(own);
}
END_TEST

/* Threads that run do not share an arena by chance; unless that is asked for, or the kind is small. */
START_TEST(arenas_for_threads)
{
    static const char *const wanted[] = {"default", "default,arenas=3", "default,limit=100M"};
    unsigned processors = kgc__os_processors();
    const unsigned most[] = {processors == 1 ? 1 : processors < 32 ? 2 * processors : 64, 3, 1};
    kgc_kind_description d;
    ck_assert_int_eq(kgc__option_set("heap", 4, wanted[_i]), 0);
    char *p = kgc_malloc(1);
    ck_assert_int_eq(kgc_kind_describe(kgc_kind_of(p), &d), 0);
    ck_assert_uint_eq(d.arenas, most[_i]);
    kgc_free(p);
}
END_TEST

/* A child has the parent's blocks, frees and allocates them. */
START_TEST(after_fork)
{
    pthread_t ended;
    _Atomic bool went_wrong = false;
    fill();
    ck_assert_int_eq(pthread_create(&ended, NULL, in_thread, (void *)&went_wrong), 0);
    ck_assert_int_eq(pthread_join(ended, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        bool good = true;
        _Atomic bool failed = false;
        for (unsigned i = 0; i < BLOCKS; i++) {
            good = good && is_intact(i);
            kgc_free(block[i]);
        }
        pthread_t thread;
        good = good && pthread_create(&thread, NULL, in_thread, &failed) == 0;
        good = good && pthread_join(thread, NULL) == 0 && !failed;
        in_thread(&failed);
        _exit(good && !failed ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    check_and_free();
}
END_TEST

SUITE_OF_LOOPS("rooted kind", 60, {tier, 1}, {follows_a_change, 1}, {no_collector_is_started, 1},
               {goes_back, 1}, {passed_on, 1}, {left_to_the_next, 1}, {arenas_for_threads, 3},
               {after_fork, 1}, {follows_the_setting, KINDS})
