/* SPDX-License-Identifier: MIT */
/*
 * What happens when the library is loaded, when the process forks, and when
 * it ends: all of it here, in order.
 *
 * Load:  settings from the environment, then libgc's slots.  libgc itself is
 *        not started: that is the program's affair, or kgc__start()'s.
 *        jemalloc is initialised before, so that fork takes libgc's lock first,
 *        then jemalloc's.
 *        What only a collector needs is asked for when it starts.
 * Fork:  libgc registers its handlers when it starts, later than this, so its
 *        lock is held while files are copied.  In the child what lies lowest
 *        comes back first.
 * Exit:  all finalizers, if wanted; the report.
 */
#include "arena/arena.h"
#include "base/message.h"
#include "base/options.h"
#include "collect/pace.h"
#include "collect/start.h"
#include "kind/kind.h"
#include "leak/capture.h"
#include "leak/find.h"
#include "leak/reclaim.h"
#include "leak/stop.h"
#include "preload/load.h"
#include "report/leaks.h"
#include "report/report.h"
#include "rooted/kind.h"
#include "section/place.h"
#include "section/section.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/single_threaded.h>

/* A process with one thread: nobody else is in the middle of anything.  What is
   not written then is a page that fork need not copy. */
static __thread bool alone __attribute__((tls_model("initial-exec")));

static void before_fork(void)
{
    alone = __libc_single_threaded;
    kgc__kinds_before_fork();
    kgc__place_before_fork();
    if (!alone)
        kgc__arena_before_fork();
}

static void after_fork_in_parent(void)
{
    if (!alone)
        kgc__arena_after_fork_in_parent();
    kgc__place_after_fork_in_parent();
    kgc__kinds_after_fork_in_parent();
}

static void after_fork_in_child(void)
{
    if (!alone) {
        kgc__registry_after_fork_in_child();
        kgc__arena_after_fork_in_child();
    }
    kgc__kinds_after_fork_in_child();
    kgc__place_after_fork_in_child();
    kgc__pace_after_fork_in_child();
    kgc__leaks_after_fork_in_child();
    kgc__leaks_report_after_fork_in_child();
    if (alone)
        return;
    kgc__world_after_fork_in_child();
    kgc__rooted_after_fork_in_child();
    kgc__collect_after_fork_in_child();
    kgc__reclaim_after_fork_in_child();
    kgc__capture_after_fork_in_child();
}

/*
 * The heap's kind is opened at libgc's first request for memory, with its lock
 * held.  hwloc, which chooses the nodes of some kinds, calls malloc() and may
 * load modules: where malloc() is libgc's, that lock is asked for again.  So
 * such a kind is opened here, before anybody needs it.
 */
static bool asks_hwloc(const char *text)
{
    struct kgc__spec spec, members[KGC__TIER_MAX];
    if (text[0] == '\0' || kgc__spec_parse(text, &spec, members) != 0)
        return false; /* opening it says what is wrong */
    bool asks = spec.family == KGC__BEST;
    for (unsigned i = 0; i < spec.members; i++)
        asks |= members[i].family == KGC__BEST;
    return asks;
}

static void load(void)
{
    kgc__arena_prepare();
    kgc__report_start();
    kgc__stop_attach();
    const char *settings = secure_getenv("KINDGC");
    if (settings != NULL && kgc__options_parse(settings) != 0)
        kgc__exit_with(125, "KINDGC: %s", kgc_last_error());
    kgc__leaks_attach();
    int error = kgc__section_attach();
    if (error != 0 && kgc__settings.heap[0] != '\0')
        kgc__exit_with(125, "heap=%s: %s", kgc__settings.heap, kgc_last_error());
    if (error == 0 && kgc__settings.limit != 0)
        kgc__limit_apply();
    if (error == 0)
        kgc__pace_attach();
    if (error == 0 && asks_hwloc(kgc__settings.heap) && kgc__section_open_heap() != 0)
        kgc__exit_with(125, "%s", kgc_last_error());
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

bool kgc__load(void)
{
    static enum { NEW, LOADING, LOADED } state; /* there is one thread */
    if (state == NEW) {
        state = LOADING;
        load();
        state = LOADED;
    }
    return state == LOADED;
}

__attribute__((constructor)) static void load_at_start(void)
{
    kgc__load();
}

__attribute__((destructor)) static void unload(void)
{
    kgc__finalizers_at_exit();
    kgc__report_at_exit();
}
