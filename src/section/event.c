/* SPDX-License-Identifier: MIT */
/* The list of listeners.  It only grows, so readers need no lock. */
#include "section/event.h"
#include "base/message.h"
#include <errno.h>
#include <stdatomic.h>

enum { LISTENERS_MAX = 16 };

static struct entry {
    _Atomic(const kgc_listener *) listener; /* set last: an entry counts once this is not NULL */
    void *arg;
} entries[LISTENERS_MAX];
static _Atomic unsigned claimed;

int kgc_add_listener(const kgc_listener *listener, void *arg)
{
    if (listener == NULL || listener->event == NULL)
        return kgc__fail(EINVAL, "kgc_add_listener: a listener with an event function is needed");
    unsigned i = atomic_load(&claimed);
    do
        if (i == LISTENERS_MAX)
            return kgc__fail(ENOMEM, "kgc_add_listener: there are %d listeners, which is the most", LISTENERS_MAX);
    while (!atomic_compare_exchange_weak(&claimed, &i, i + 1));
    entries[i].arg = arg;
    atomic_store_explicit(&entries[i].listener, listener, memory_order_release);
    return 0;
}

void kgc__emit(kgc_event_type type, size_t value, kgc_kind *kind)
{
    const kgc_event event = {.type = type, .value = value, .kind = kind};
    unsigned n = atomic_load_explicit(&claimed, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        const kgc_listener *listener = atomic_load_explicit(&entries[i].listener, memory_order_acquire);
        if (listener != NULL)
            listener->event(&event, entries[i].arg);
    }
}
