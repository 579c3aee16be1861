/* SPDX-License-Identifier: MIT */
/* Metadata that never mallocs: small records are cut from chunks and stay,
   large ones are mappings of their own. */
#include "os/meta.h"
#include "base/size.h"
#include "os/os.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

enum { ALIGN = 64, CHUNK = 64 * 1024, LARGE = CHUNK / 4 };

/* A chunk begins with the number of its bytes that are taken. */
struct chunk {
    _Atomic size_t used;
};
static _Atomic(struct chunk *) current;

static void *cut(struct chunk *c, size_t size)
{
    size_t at = atomic_load_explicit(&c->used, memory_order_relaxed);
    do
        if (at + size > CHUNK)
            return NULL;
    while (!atomic_compare_exchange_weak(&c->used, &at, at + size));
    return (char *)c + at;
}

void *kgc__meta_allocate(size_t size)
{
    if (size >= LARGE) {
        void *p = size <= PTRDIFF_MAX ? kgc__os_map_plain(kgc__round_up(size, kgc__page_size())) : NULL;
        if (p == NULL)
            errno = ENOMEM;
        return p;
    }
    size = kgc__round_up(size == 0 ? 1 : size, ALIGN);
    for (;;) {
        struct chunk *c = atomic_load(&current);
        void *p = c != NULL ? cut(c, size) : NULL;
        if (p != NULL)
            return p;
        struct chunk *fresh = kgc__os_map_plain(CHUNK);
        if (fresh == NULL) {
            errno = ENOMEM;
            return NULL;
        }
        atomic_init(&fresh->used, ALIGN);
        if (!atomic_compare_exchange_strong(&current, &c, fresh))
            kgc__os_release(fresh, CHUNK); /* another thread was faster */
    }
}

void kgc__meta_free(void *p, size_t size)
{
    if (p != NULL && size >= LARGE)
        kgc__os_release(p, kgc__round_up(size, kgc__page_size()));
}

void *kgc__meta_ensure(_Atomic(void *) *at, size_t size)
{
    void *known = atomic_load_explicit(at, memory_order_acquire);
    if (known != NULL)
        return known;
    void *fresh = kgc__meta_allocate(size);
    if (fresh != NULL && !atomic_compare_exchange_strong(at, &known, fresh)) { /* another thread was faster */
        kgc__meta_free(fresh, size);
        return known;
    }
    return fresh;
}
