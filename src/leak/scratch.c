/* SPDX-License-Identifier: MIT */
/* Memory for one cycle: see scratch.h. */
#include "leak/scratch.h"
#include "base/size.h"
#include "os/os.h"
#include <string.h>

enum { SHARED = 512 * 1024 };

void *kgc__scratch_take(struct kgc__scratch *s, size_t size)
{
    size = kgc__round_up(size != 0 ? size : 1, kgc__page_size());
    if (size > s->left) { /* small ones share a mapping */
        size_t all = size > SHARED / 4 ? size : SHARED;
        char *p = s->pieces < KGC__SCRATCH_PIECES ? kgc__os_map_plain(all) : NULL;
        if (p == NULL)
            return NULL;
        s->piece[s->pieces].start = p;
        s->piece[s->pieces++].size = all;
        if (all == size)
            return p;
        s->next = p;
        s->left = all;
    }
    char *p = s->next;
    s->next += size;
    s->left -= size;
    return p;
}

void *kgc__scratch_grow(struct kgc__scratch *s, const void *old, size_t used, size_t size)
{
    void *p = kgc__scratch_take(s, size);
    return p != NULL && used != 0 ? memcpy(p, old, used) : p;
}

void kgc__scratch_give_back(struct kgc__scratch *s)
{
    s->left = 0;
    while (s->pieces != 0) {
        s->pieces--;
        kgc__os_release(s->piece[s->pieces].start, s->piece[s->pieces].size);
    }
}
