/* SPDX-License-Identifier: MIT */
/*
 * Starting at the first call, which mostly comes from another library's
 * constructor, when no thread but the first exists.  Requests that come
 * meanwhile, from what is called here, are served from early.c.  Nothing here
 * waits for anybody, so nothing can deadlock.
 */
#include "base/message.h"
#include "dropin/dropin.h"
#include "leak/start.h"
#include "preload/load.h"
#include <kindgc/init.h>
#include <stdatomic.h>

int kgc__slow_reasons = 1;

enum phase { NEW, STARTING, ON, OFF };
static _Atomic int phase;

static void start(void)
{
    int new = NEW;
    if (!atomic_compare_exchange_strong(&phase, &new, STARTING))
        return;
    if (!kgc__load()) { /* it is what calls us */
        atomic_store(&phase, NEW);
        return;
    }
    enum kgc__malloc_mode mode = kgc__malloc_mode();
    if (mode == KGC__MALLOC_OFF) {
        atomic_store(&phase, OFF);
        return;
    }
    if (kgc__leak_start(mode) != 0 || kgc__rooted_start() != 0)
        kgc__exit_with(125, "malloc cannot start: %s", kgc_last_error());
    void *first = kgc_malloc(1); /* programs that cannot have any memory do worse things than not starting */
    if (first == NULL)
        kgc__exit_with(125, "malloc cannot start: %s", kgc_last_error());
    kgc_free(first);
    kgc__rooted_set_stranger(kgc__free_stranger);
    kgc__fork_attach();
    atomic_store(&phase, ON);
    __atomic_sub_fetch(&kgc__slow_reasons, 1, __ATOMIC_SEQ_CST);
}

enum kgc__server kgc__server(void)
{
    if (atomic_load(&phase) == NEW)
        start();
    switch (atomic_load(&phase)) {
    case ON:
        return kgc__forking() ? KGC__EARLY : KGC__ROOTED;
    case OFF:
        return KGC__LIBC;
    default:
        return KGC__EARLY;
    }
}

/* What is opened from here on is opened before main(), even if nobody has asked yet. */
__attribute__((constructor)) static void start_at_load(void)
{
    kgc__server();
}
