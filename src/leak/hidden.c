/* SPDX-License-Identifier: MIT */
/* Memory that is passed over: see hidden.h. */
#include "leak/hidden.h"
#include "base/size.h"
#include "os/meta.h"
#include "os/os.h"
#include <stdatomic.h>

struct piece {
    struct piece *next;    /* never taken out of the list */
    _Atomic(char *) start; /* NULL: not in use; &taken: somebody fills it in */
    size_t size;
};
static _Atomic(struct piece *) pieces;
static char taken;

static struct piece *unused_piece(void)
{
    struct piece *p = atomic_load(&pieces);
    for (char *none = NULL; p != NULL; p = p->next, none = NULL)
        if (atomic_compare_exchange_strong(&p->start, &none, &taken))
            return p;
    p = kgc__meta_allocate(sizeof *p);
    if (p == NULL)
        return NULL;
    atomic_init(&p->start, &taken);
    p->next = atomic_load(&pieces);
    while (!atomic_compare_exchange_weak(&pieces, &p->next, p))
        ;
    return p;
}

void *kgc__hidden_take(size_t size)
{
    size = kgc__round_up(size, kgc__page_size());
    struct piece *piece = unused_piece();
    char *p = piece != NULL ? kgc__os_map_plain(size) : NULL;
    if (piece == NULL)
        return NULL;
    piece->size = size;
    atomic_store(&piece->start, p);
    return p;
}

void kgc__hidden_give_back(void *p, size_t size)
{
    for (struct piece *piece = atomic_load(&pieces); piece != NULL; piece = piece->next)
        if (atomic_load(&piece->start) == p)
            atomic_store(&piece->start, NULL);
    kgc__os_release(p, kgc__round_up(size, kgc__page_size()));
}

void kgc__hidden_visit(void (*fn)(char *, char *, void *), void *arg)
{
    for (struct piece *piece = atomic_load(&pieces); piece != NULL; piece = piece->next) {
        char *p = atomic_load(&piece->start);
        if (p != NULL && p != &taken)
            fn(p, p + piece->size, arg);
    }
}
