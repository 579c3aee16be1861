/* SPDX-License-Identifier: MIT */
/*
 * The list of listeners.
 *
 * Emitting takes no lock.  It counts itself into an entry before it looks
 * whether that is in use, and who removes an entry waits until nobody is
 * counted there any more; so an entry's listener and argument belong together
 * as long as they are used.
 */
#include "section/event.h"
#include "base/message.h"
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { LISTENERS_MAX = 16 };

enum state { FREE, CHANGING, USED };

static struct entry {
    _Atomic enum state state;
    _Atomic unsigned readers;
    const kgc_listener *listener;
    void *arg;
} entries[LISTENERS_MAX];

int kgc_add_listener(const kgc_listener *listener, void *arg)
{
    if (listener == NULL || listener->event == NULL)
        return kgc__fail(EINVAL, "kgc_add_listener: a listener with an event function is needed");
    for (struct entry *e = entries; e < entries + LISTENERS_MAX; e++) {
        enum state expected = FREE;
        if (atomic_compare_exchange_strong(&e->state, &expected, CHANGING)) {
            e->listener = listener;
            e->arg = arg;
            atomic_store(&e->state, USED);
            return 0;
        }
    }
    return kgc__fail(ENOMEM, "kgc_add_listener: there are %d listeners, which is the most", LISTENERS_MAX);
}

int kgc_remove_listener(const kgc_listener *listener, void *arg)
{
    for (struct entry *e = entries; e < entries + LISTENERS_MAX; e++) {
        enum state expected = USED;
        atomic_fetch_add(&e->readers, 1);
        bool same = atomic_load(&e->state) == USED && e->listener == listener && e->arg == arg;
        bool ours = same && atomic_compare_exchange_strong(&e->state, &expected, CHANGING);
        atomic_fetch_sub(&e->readers, 1);
        if (ours) {
            while (atomic_load(&e->readers) != 0)
                sched_yield();
            atomic_store(&e->state, FREE);
            return 0;
        }
    }
    return kgc__fail(EINVAL, "kgc_remove_listener: no such listener was added with this argument");
}

void kgc__emit(kgc_event_type type, size_t value, kgc_kind *kind)
{
    const kgc_event event = {.type = type, .value = value, .kind = kind};
    for (struct entry *e = entries; e < entries + LISTENERS_MAX; e++) {
        if (atomic_load_explicit(&e->state, memory_order_relaxed) != USED)
            continue;
        atomic_fetch_add(&e->readers, 1);
        if (atomic_load(&e->state) == USED)
            e->listener->event(&event, e->arg);
        atomic_fetch_sub(&e->readers, 1);
    }
}

void kgc__events_after_fork_in_child(void)
{
    for (struct entry *e = entries; e < entries + LISTENERS_MAX; e++)
        atomic_store(&e->readers, 0);
}
