/* SPDX-License-Identifier: MIT */
/* The bytes that tell a block's class from its address: see marks.h. */
#include "arena/marks.h"
#include "base/message.h"
#include "os/os.h"
#include <errno.h>

static int make(kgc_kind *kind)
{
    struct kgc__space *s = &kind->space;
    unsigned char *none = NULL;
    if (s->range.base == NULL || atomic_load(&s->marks) != NULL)
        return 0;
    size_t size = s->range.size >> KGC__MARK_SHIFT;
    unsigned char *marks = kgc__os_map_plain(size);
    if (marks == NULL)
        return kgc__fail(ENOMEM, "no memory for the page table of \"%s\"", kind->name);
    s->clear_marks = kind->scanned;
    if (!atomic_compare_exchange_strong(&s->marks, &none, marks))
        kgc__os_release(marks, size);
    return 0;
}

int kgc__marks_make(kgc_kind *kind)
{
    int error = make(kind);
    for (unsigned i = 0; error == 0 && i < kind->members; i++)
        error = make(kind->member[i]);
    return error;
}

void kgc__mark(void *p, size_t size, unsigned class)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    unsigned char *mark = kind != NULL ? kgc__mark_of(kind, p) : NULL;
    if (mark == NULL)
        return;
    if (!kind->scanned) {
        __atomic_store_n(mark, (unsigned char)class, __ATOMIC_RELAXED);
        return;
    }
    size_t later = (size_t)(kgc__mark_of(kind, (char *)p + size - 1) - mark);
    if (size < KGC__MARK_LATER_FROM) { /* pages that other threads' blocks of the class share */
        for (size_t i = 0; i <= later; i++)
            __atomic_store_n(mark + i, (unsigned char)class, __ATOMIC_RELAXED);
        return;
    }
    *mark = (unsigned char)class;
    for (size_t k = 1, power = 0; k <= later; k *= 2, power++)
        memset(mark + k, (int)(KGC__MARK_LATER + power), k <= later - k + 1 ? k : later - k + 1);
}

void kgc__unmark(void *p, size_t size)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    unsigned char *mark = kind != NULL ? kgc__mark_of(kind, p) : NULL;
    if (mark == NULL)
        return;
    memset(mark, 0, (size_t)(kgc__mark_of(kind, (char *)p + size - 1) - mark) + 1);
}
