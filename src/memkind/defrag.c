/* SPDX-License-Identifier: MIT */
/*
 * Moving blocks so that a heap with holes becomes denser.
 *
 * jemalloc fills the lowest places first, so a move is worthwhile when it has a
 * place in a lower page: the hole that stays behind is in a page that can
 * become free.  What the thread has freed lately would be handed out first,
 * wherever it lies, so several places are looked at, and the thread's free
 * blocks go back to jemalloc every few calls.  Nothing locks.
 */
#include "memkind/kind.h"
#include <stdlib.h>
#include <string.h>

enum { PLACES = 8, PAGE = 4096, SMALL = 8 * PAGE }; /* of larger blocks threads keep few */

static int descending(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x < y) - (x > y);
}

/* Up to PLACES blocks, the lowest last.  Returns how many there are. */
static unsigned take_places(kgc_kind *kind, size_t size, uintptr_t places[PLACES])
{
    static _Thread_local unsigned calls;
    unsigned n = 0, most = size <= SMALL ? PLACES : 1;
    if (calls++ % PLACES == 0)
        kgc_kind_purge(kind);
    while (n < most && (places[n] = (uintptr_t)kgc_kind_malloc(kind, size)) != 0)
        n++;
    qsort(places, n, sizeof places[0], descending);
    return n;
}

void *memkind_defrag_reallocate(memkind_t k, void *ptr)
{
    uintptr_t places[PLACES];
    kgc_kind *kind = ptr != NULL ? kgc_kind_of(ptr) : NULL;
    size_t size = kind != NULL ? kgc_kind_usable_size(NULL, ptr) : 0;
    (void)k; /* the address tells */
    if (size == 0)
        return NULL;
    int saved = errno;
    unsigned n = take_places(kind, size, places);
    void *moved = NULL;
    if (n > 0 && places[n - 1] / PAGE < (uintptr_t)ptr / PAGE) {
        moved = memcpy((void *)places[--n], ptr, size);
        kgc_kind_free(NULL, ptr);
    }
    for (unsigned i = 0; i < n; i++)
        kgc_kind_free(NULL, (void *)places[i]);
    errno = saved;
    return moved;
}
