/* SPDX-License-Identifier: MIT */
/*
 * Free blocks of the rooted heap on their way from threads that free to
 * threads that allocate: see explicit.h.  Where one thread allocates what
 * another frees, blocks would otherwise go through jemalloc one by one.
 *
 * An array for each class, last in, first out, under the layer's lock: it is
 * held across fork, so that what is here is whole in the child.  jemalloc takes
 * these blocks for allocated, and no thread counts them.
 */
#include "arena/explicit.h"
#include "arena/marks.h"
#include <jemalloc/jemalloc.h>
#include <string.h>

enum { MOST = 2048 };

/* How many blocks of a class wait here at most: 1 MiB of them. */
static unsigned room(unsigned class)
{
    size_t blocks = KGC_MIB / kgc__class_size(class);
    return blocks < MOST ? (unsigned)blocks : MOST;
}

unsigned kgc__exchange_put(struct kgc__explicit *x, unsigned class, void **from, unsigned n)
{
    struct kgc__exchange *e = &x->exchange[class];
    unsigned most = room(class);
    if (e->blocks == NULL && (e->blocks = kgc__array_take(MOST)) == NULL)
        return 0;
    if (n > most - e->count)
        n = most - e->count;
    memcpy(e->blocks + e->count, from, n * sizeof *from);
    e->count += n;
    return n;
}

unsigned kgc__exchange_take(struct kgc__explicit *x, unsigned class, void **to, unsigned n)
{
    struct kgc__exchange *e = &x->exchange[class];
    if (e->count == 0)
        return 0;
    kgc__explicit_lock();
    if (n > e->count)
        n = e->count;
    if (n != 0)
        memcpy(to, e->blocks + e->count - n, n * sizeof *to);
    e->count -= n;
    kgc__explicit_unlock();
    return n;
}

size_t kgc__exchange_bytes(const struct kgc__explicit *x)
{
    size_t sum = 0;
    for (unsigned class = 1; class <= KGC__FAST_CLASSES; class ++)
        sum += x->exchange[class].count * kgc__class_size(class);
    return sum;
}

void kgc__exchange_flush(struct kgc__explicit *x)
{
    void *blocks[64];
    for (unsigned class = 1; class <= KGC__FAST_CLASSES; class ++) {
        size_t size = kgc__class_size(class);
        for (unsigned n; (n = kgc__exchange_take(x, class, blocks, 64)) != 0;) {
            for (unsigned i = 0; i < n; i++) {
                if (size >= KGC__MARK_LATER_FROM)
                    kgc__unmark(blocks[i], size);
                dallocx(blocks[i], MALLOCX_TCACHE_NONE);
            }
            kgc__explicit_gave(x, n * size);
        }
    }
}
