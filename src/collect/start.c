/* SPDX-License-Identifier: MIT */
/*
 * Starting: kgc_init(), or the first function that needs libgc.
 *
 * The order matters.  jemalloc is initialised before libgc, so that fork
 * takes libgc's lock first.  The heap's kind is opened before libgc asks for
 * memory, so that a kind that this machine cannot give is an error here and
 * not the end of the process.  A program that has initialised libgc itself is
 * left as it is.
 */
#include "collect/start.h"
#include "arena/arena.h"
#include "base/lock.h"
#include "base/message.h"
#include "base/options.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/pace.h"
#include "collect/roots.h"
#include "collect/thread.h"
#include "os/meta.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/init.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libgc starts with this much, unless GC_INITIAL_HEAP_SIZE says otherwise.
   Its own choice of 64 KiB would look like a request for its tables. */
#define INITIAL_HEAP (1 * KGC_MIB)
/* What libgc needs to start at all, with its own choice. */
#define SMALLEST_HEAP (256 * KGC_KIB)

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_START);
static _Atomic bool started;
static bool unreachable; /* libgc was initialised and did not ask us */

bool kgc__started(void)
{
    return atomic_load_explicit(&started, memory_order_acquire);
}

static int not_asked(void)
{
    unreachable = true;
    return kgc__fail(ENOTSUP,
                     "libgc takes its memory from the system, not from this library: it is linked into the "
                     "program itself; link the shared libgc.so.1");
}

/*
 * GC_INIT() with a variable added to the environment.  setenv() would
 * allocate and could not be undone, so libgc sees a copy of the vector.
 */
static void init_with(char *variable)
{
    size_t n = 0;
    while (environ != NULL && environ[n] != NULL)
        n++;
    char **copy = kgc__meta_allocate((n + 2) * sizeof *copy);
    if (copy == NULL) {
        GC_INIT();
        return;
    }
    if (n != 0)
        memcpy(copy, environ, n * sizeof *copy);
    copy[n] = variable;
    copy[n + 1] = NULL;
    char **own = environ;
    environ = copy;
    GC_INIT();
    environ = own;
    kgc__meta_free(copy, (n + 2) * sizeof *copy);
}

static void init_libgc(void)
{
    static char initial[] = "GC_INITIAL_HEAP_SIZE=1M";
    _Static_assert(INITIAL_HEAP == 1 << 20, "the text says 1M");
    GC_set_handle_fork(1);
    kgc__thread_before_init();
    size_t limit = kgc__section_limit();
    if (getenv("GC_INITIAL_HEAP_SIZE") == NULL && (limit == 0 || limit >= 4 * INITIAL_HEAP))
        init_with(initial);
    else
        GC_INIT();
    kgc__thread_after_init();
}

static int start_locked(void)
{
    if (unreachable)
        return not_asked();
    int error = kgc__section_attached();
    if (error != 0)
        return error;
    if (kgc__settings.limit != 0 && kgc__settings.limit < SMALLEST_HEAP)
        return kgc__fail(EINVAL, "limit=%zu: libgc cannot start with less than 256K", kgc__settings.limit);
    error = kgc__section_open_heap();
    if (error != 0)
        return error;
    kgc__limit_apply();
    kgc__pace_set(kgc__settings.pace);
    kgc__arena_prepare();
    if (!GC_is_init_called())
        init_libgc();
    /* The self-test: libgc has asked us for memory, or does so now. */
    if (kgc__section_requests() == 0)
        GC_expand_hp(INITIAL_HEAP);
    if (kgc__section_requests() == 0)
        return not_asked();
    kgc__roots_attach();
    kgc__heap_attach_oom();
    /* libgc makes its table of finalizers when it first looks into it, and
       aborts when there is no memory; now there is. */
    GC_register_finalizer_no_order(&lock, NULL, NULL, NULL, NULL);
    error = kgc__threads_start();
    /* Before whatever the program has registered up to now; load.c does it for
       programs that do not use the library themselves. */
    if (error == 0 && kgc__settings.finalizers[0] != '\0')
        atexit(kgc__finalizers_at_exit);
    if (error == 0)
        atomic_store_explicit(&started, true, memory_order_release);
    return error;
}

int kgc__start(void)
{
    if (kgc__likely(kgc__started()))
        return 0;
    kgc__lock_acquire(&lock);
    int error = kgc__started() ? 0 : start_locked();
    kgc__lock_release(&lock);
    return error;
}

void kgc__start_lock(void)
{
    kgc__lock_acquire(&lock);
}

void kgc__start_unlock(void)
{
    kgc__lock_release(&lock);
}

static bool asks_something(const kgc_options *o)
{
    return o != NULL && (o->heap != NULL || o->limit != 0 || o->report != NULL || o->fork != NULL || o->finalizers != NULL || o->pace != 0);
}

/* Taken only as a whole: a program may try again with other settings. */
static int take_options(const kgc_options *options)
{
    struct kgc__settings before = kgc__settings;
    int error = kgc__options_take(options);
    if (error == 0)
        error = kgc__start();
    if (error != 0)
        kgc__settings = before;
    return error;
}

int kgc_init(const kgc_options *options)
{
    if (!asks_something(options))
        return kgc__start();
    if (kgc__started() || GC_is_init_called())
        return kgc__fail(EBUSY, "kgc_init: the heap is in use already; call it before the first allocation");
    return take_options(options);
}

const char *kgc_version(void)
{
    return KGC_VERSION;
}

void kgc__collect_after_fork_in_child(void)
{
    kgc__lock_reset(&lock);
    kgc__threads_after_fork_in_child();
    kgc__magazines_after_fork_in_child();
    kgc__finalizers_after_fork_in_child();
}
