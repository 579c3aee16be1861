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
    const unsigned char *last = kgc__mark_of(kind, (char *)p + size - 1);
    for (; mark <= last; mark++)
        __atomic_store_n(mark, (unsigned char)class, __ATOMIC_RELAXED);
}

void kgc__unmark(void *p, size_t size)
{
    kgc_kind *kind = kgc__ranged_kind_of(p);
    unsigned char *mark = kind != NULL ? kgc__mark_of(kind, p) : NULL;
    if (mark == NULL)
        return;
    /* With pages of 64 KiB the ends may share a page with other blocks. */
    const size_t unit = (size_t)1 << KGC__MARK_SHIFT;
    char *start = (char *)kgc__round_up((uintptr_t)p, unit);
    const unsigned char *end = kgc__mark_of(kind, (char *)p + size);
    for (mark = kgc__mark_of(kind, start); mark < end; mark++)
        __atomic_store_n(mark, 0, __ATOMIC_RELAXED);
}
