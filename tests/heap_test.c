/* SPDX-License-Identifier: MIT */
/* Starting (kindgc/init.h) and the heap as a whole (kindgc/heap.h). */
#include "base/options.h"
#include "base/size.h"
#include "chain.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <gc/gc.h>
#include <gc/gc_mark.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(starting)
{
    kgc_options options = {.heap = "tier:default@64M+file:/var/tmp", .limit = 512 * KGC_MIB};
    ck_assert_msg(kgc_init(&options) == 0, "%s", kgc_last_error());
    ck_assert_str_eq(kgc_kind_name(kgc_heap_kind()), options.heap);
    ck_assert_uint_ge(kgc_heap_size(), KGC_MIB);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_init(&(kgc_options){0}), 0);
    ck_assert_int_eq(kgc_init(&options), EBUSY);
    ck_last_error("kgc_init: the heap is in use already; call it before the first allocation");
    ck_assert_str_eq(kgc_version(), KGC_VERSION);
}
END_TEST

START_TEST(bad_settings)
{
    static const struct {
        kgc_options options;
        const char *text;
    } cases[] = {
        {{.limit = 1000}, "limit=1000: libgc cannot start with less than 256K"},
        {{.fork = "maybe"}, "fork=maybe: allowed are copy|none"},
        {{.report = ""}, "report=: a value is needed (FILE)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(kgc_init(&cases[i].options), EINVAL);
        ck_last_error("%s", cases[i].text);
    }
    kgc_options options = {.heap = "cheese"};
    ck_assert_int_eq(kgc_init(&options), EINVAL);
    ck_assert_msg(strncmp(kgc_last_error(), "heap=cheese: ", 13) == 0, "%s", kgc_last_error());
    options.heap = "file:/does/not/exist";
    ck_assert_int_eq(kgc_init(&options), ENOENT);
    ck_assert_uint_eq(kgc_heap_size(), 0); /* libgc was not started */
    options.heap = "default";              /* a program may try again */
    ck_assert_int_eq(kgc_init(&options), 0);
    ck_assert_ptr_nonnull(kgc_allocate(1));
}
END_TEST

START_TEST(bad_settings_of_the_user)
{
    ck_assert_int_eq(kgc__option_set("heap", 4, "file:/does/not/exist"), 0);
    errno = 0;
    ck_assert_ptr_null(kgc_allocate(1));
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert_ptr_null(kgc_malloc(1));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(kgc_thread_register(), ENOENT);
    ck_assert_int_eq(kgc_heap_set_limit(1), ENOENT);
    ck_assert_int_eq(kgc_root_add(&errno, &errno + 1), ENOENT);
    ck_assert_int_eq(kgc_finalizers_run(), 0);
    ck_assert_ptr_null(kgc_heap_kind());
    kgc_collect();
    kgc_disable();
    kgc_enable();
    ck_assert_uint_eq(kgc_heap_size(), 0);
}
END_TEST

START_TEST(after_the_program_has_started_libgc)
{
    GC_INIT();
    void *volatile own = GC_malloc(10);
    kgc_options options = {.heap = "default"};
    ck_assert_int_eq(kgc_init(&options), EBUSY);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_ptr_eq(kgc_base(own), own);
    void **p = kgc_allocate(16);
    p[0] = make_chain();
    collect_all();
    ck_chain_kept();
    check_chain(p[0]);
}
END_TEST

START_TEST(first_heap_is_large)
{
    /* The environment is as before: libgc only saw another one meanwhile. */
    char **before = environ;
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_ptr_eq(environ, before);
    ck_assert_ptr_null(getenv("GC_INITIAL_HEAP_SIZE"));
    ck_assert_uint_ge(kgc_heap_size(), KGC_MIB);
}
END_TEST

START_TEST(first_heap_as_the_user_says)
{
    setenv("GC_INITIAL_HEAP_SIZE", "8M", 1);
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_ge(kgc_heap_size(), 8 * KGC_MIB);
}
END_TEST

START_TEST(no_environment)
{
    clearenv();
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_uint_ge(kgc_heap_size(), KGC_MIB);
}
END_TEST

static __attribute__((noinline)) void drop_chain(void)
{
    check_chain(make_chain());
}

START_TEST(disabling)
{
    kgc_disable();
    kgc_disable();
    drop_chain();
    collect_all();
    ck_chain_kept();
    kgc_enable();
    collect_all();
    ck_chain_kept();
    kgc_enable();
    collect_all();
    ck_chain_ended();
    GC_disable(); /* by others: not ours to undo */
    ck_fatal(kgc_enable(), "kgc_enable: called more often than kgc_disable()");
    ck_assert(GC_is_disabled());
    GC_enable();
}
END_TEST

START_TEST(sizes)
{
    ck_assert_ptr_nonnull(kgc_allocate(1));
    size_t total = kgc_total_bytes(), heap = kgc_heap_size();
    kgc_disable();
    for (int i = 0; i < 100; i++)
        ck_assert_ptr_nonnull(kgc_allocate_atomic(100000));
    ck_assert_uint_ge(kgc_total_bytes(), total + 100 * 100000);
    ck_assert_uint_ge(kgc_bytes_since_gc(), 100 * 100000);
    ck_assert_uint_gt(kgc_heap_size(), heap);
    kgc_enable();
    collect_all();
    ck_assert_uint_lt(kgc_bytes_since_gc(), 100000);
    ck_assert_uint_ge(kgc_free_bytes(), 50 * 100000);
    ck_assert_uint_le(kgc_free_bytes(), kgc_heap_size());
}
END_TEST

static size_t oom_asked;
static char *reserve;

static void *give_reserve(size_t size)
{
    oom_asked = size;
    return reserve;
}

static size_t oom_events, oom_value;

static void watch_oom(const kgc_event *event, void *arg)
{
    if (event->type != KGC_EVENT_OUT_OF_MEMORY)
        return;
    ck_assert_ptr_eq(arg, &oom_events);
    oom_events++;
    oom_value = event->value;
}

START_TEST(limit)
{
    static const kgc_listener listener = {watch_oom};
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_add_listener(&listener, &oom_events), 0);
    ck_assert_int_eq(kgc_heap_set_limit(16 * KGC_MIB), 0);
    void **volatile list = NULL;
    void **p;
    size_t n = 0;
    errno = 0;
    while ((p = kgc_allocate(100000)) != NULL) {
        p[0] = list;
        list = p;
        ck_assert_uint_lt(++n, 200);
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_ge(n * 100000, 8 * KGC_MIB);
    ck_assert_uint_le(kgc_heap_size(), 16 * KGC_MIB);
    ck_assert_uint_eq(oom_events, 1);
    ck_assert_uint_eq(oom_value, 100000);

    /* The program's function has the last word. */
    kgc_oom_fn standard = kgc_set_oom_fn(give_reserve);
    ck_assert_ptr_null(standard(1));
    ck_assert_ptr_null(kgc_allocate(200000));
    ck_assert_uint_eq(oom_asked, 200000);
    reserve = (char *)list;
    ck_assert_ptr_eq(kgc_allocate(99999), list);
    for (n = 0; kgc_allocate_atomic(100001) != list; n++) /* what a stale word had kept may be free by now */
        ck_assert_uint_lt(n, 10);
    ck_assert(kgc_set_oom_fn(NULL) == give_reserve);
    ck_assert(kgc_set_oom_fn(standard) == standard);
    ck_assert_ptr_null(kgc_allocate(100000));

    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    for (int i = 0; i < 50; i++)
        ck_assert_ptr_nonnull(kgc_allocate(100000));
    /* Below what the heap has: it stays and does not grow. */
    size_t size = kgc_heap_size();
    ck_assert_int_eq(kgc_heap_set_limit(KGC_MIB), 0);
    ck_assert_ptr_null(kgc_allocate(40 * KGC_MIB));
    ck_assert_uint_le(kgc_heap_size(), size);
    ck_assert_ptr_nonnull(list);
}
END_TEST

START_TEST(limit_of_the_user)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc__options_parse("limit=8M"), 0); /* as from the environment */
    kgc_options options = {.limit = KGC_GIB};
    ck_assert_int_eq(kgc_init(&options), 0);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_int_eq(kgc_heap_set_limit(KGC_GIB), 0);
    ck_assert_ptr_null(kgc_allocate(9 * KGC_MIB));
    ck_assert_ptr_nonnull(kgc_allocate(KGC_MIB));
}
END_TEST

/* Memory that libgc does not know. */
enum { RANGES = 5000 };
static struct link **outside;

static __attribute__((noinline)) void fill_outside(void)
{
    struct link *chain = make_chain();
    for (size_t i = 0; i < RANGES; i++)
        outside[2 * i] = chain;
}

START_TEST(roots)
{
    outside = malloc(2 * RANGES * sizeof *outside);
    for (size_t i = 0; i < RANGES; i++) /* more than libgc's own table holds */
        ck_assert_int_eq(kgc_root_add(&outside[2 * i], &outside[2 * i + 1]), 0);
    fill_outside();
    collect_all();
    ck_chain_kept();
    for (size_t i = 0; i < RANGES - 1; i++)
        ck_assert_int_eq(kgc_root_remove(&outside[2 * i], &outside[2 * i + 1]), 0);
    collect_all();
    ck_chain_kept();
    ck_assert_int_eq(kgc_root_remove(&outside[2 * (RANGES - 1)], &outside[2 * (RANGES - 1) + 1]), 0);
    collect_all();
    ck_chain_ended();
    free(outside);
}
END_TEST

static __attribute__((noinline)) void fill_first(void)
{
    outside[0] = make_chain();
}

START_TEST(roots_survive_clearing)
{
    outside = calloc(10000, sizeof *outside); /* large: left on libgc's mark stack */
    ck_assert_int_eq(kgc_root_add((char *)outside + 1, outside + 10000), 0); /* widened to words */
    ck_assert_int_eq(kgc_root_add(outside, outside + 10000), 0);
    GC_clear_roots();
    fill_first();
    collect_all();
    ck_chain_kept();
    check_chain(outside[0]);
    ck_assert_int_eq(kgc_root_remove(outside, outside + 10000), 0);
    collect_all();
    ck_chain_kept(); /* added twice */
    ck_assert_int_eq(kgc_root_remove(outside, outside + 10000), 0);
    ck_assert_int_eq(kgc_root_remove(outside, outside + 10000), EINVAL);
    ck_last_error("kgc_root_remove: [%p, %p) was not added", (void *)outside, (void *)(outside + 10000));
}
END_TEST

START_TEST(bad_roots)
{
    char range[16];
    ck_assert_int_eq(kgc_root_add(range, range), EINVAL);
    ck_last_error("kgc_root_add: the range is empty");
    ck_assert_int_eq(kgc_root_add(range + 1, range), EINVAL);
    ck_assert_int_eq(kgc_root_add(NULL, range), EINVAL);
    ck_assert_int_eq(kgc_root_add(NULL, NULL), EINVAL);
    ck_assert_int_eq(kgc_root_remove(NULL, NULL), EINVAL);
    ck_last_error("kgc_root_remove: the range is empty");
    ck_assert_int_eq(kgc_root_remove(range, range + 8), EINVAL);
}
END_TEST

/* In incremental mode roots are read while they are pushed. */
START_TEST(roots_in_incremental_mode)
{
    ck_assert_int_eq(kgc_init(NULL), 0);
    GC_enable_incremental();
    outside = calloc(10000, sizeof *outside);
    ck_assert_int_eq(kgc_root_add(outside, outside + 10000), 0);
    fill_first();
    for (int i = 0; i < 100000; i++)
        ck_assert_ptr_nonnull(kgc_allocate(200));
    collect_all();
    ck_chain_kept();
    check_chain(outside[0]);
}
END_TEST

static void *add_and_remove(void *unused)
{
    (void)unused;
    char range[64];
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_eq(kgc_root_add(range + i % 8 * 8, range + 64), 0);
        ck_assert_int_eq(kgc_root_remove(range + i % 8 * 8, range + 64), 0);
    }
    return NULL;
}

START_TEST(roots_of_threads)
{
    pthread_t thread[3];
    ck_assert_int_eq(kgc_init(NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, add_and_remove, NULL), 0);
    for (int i = 0; i < 20; i++)
        kgc_collect();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
}
END_TEST

SUITE("heap", starting, bad_settings, bad_settings_of_the_user, after_the_program_has_started_libgc,
      first_heap_is_large, first_heap_as_the_user_says, no_environment, disabling, sizes, limit,
      limit_of_the_user, roots, roots_survive_clearing, bad_roots, roots_in_incremental_mode,
      roots_of_threads)
