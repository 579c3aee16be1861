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
    size_t longs = (s->range.size >> KGC__MARK_SHIFT >> KGC__LONG_SHIFT) + 1;
    size_t size = kgc__longs_offset(s->range.size) + longs * sizeof(struct kgc__long);
    unsigned char *marks = kgc__os_map_plain(size);
    if (marks == NULL)
        return kgc__fail(ENOMEM, "no memory for the page table of \"%s\"", kind->name);
    s->clear_marks = kind->scanned;
    s->marks_size = size;
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

/* Marks [first, last] are to be set. */
static void note_groups(const struct kgc__space *s, unsigned char *marks, size_t first, size_t last)
{
    for (unsigned char *g = kgc__mark_group(s, marks, first); g <= kgc__mark_group(s, marks, last); g++)
        if (__atomic_load_n(g, __ATOMIC_RELAXED) == 0)
            __atomic_store_n(g, 1, __ATOMIC_RELAXED);
}

static void mark_long(const kgc_kind *kind, unsigned char *marks, size_t first, size_t last)
{
    struct kgc__long *longs = kgc__longs(kind, marks);
    size_t chunk = first >> KGC__LONG_SHIFT;
    note_groups(&kind->space, marks, first, first);
    atomic_store_explicit(&longs[chunk].first, (uint32_t)first, memory_order_relaxed);
    atomic_store_explicit(&longs[chunk].end, (uint32_t)(last + 1), memory_order_relaxed);
    for (size_t i = chunk + 1; i <= last >> KGC__LONG_SHIFT; i++)
        atomic_store_explicit(&longs[i].begun, (uint32_t)chunk, memory_order_relaxed);
    __atomic_store_n(&marks[first], KGC__NO_CLASS, __ATOMIC_RELEASE);
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
    unsigned char *marks = atomic_load_explicit(&kind->space.marks, memory_order_relaxed);
    size_t first = (size_t)(mark - marks);
    size_t later = (size_t)(kgc__mark_of(kind, (char *)p + size - 1) - mark);
    if (class == KGC__NO_CLASS) {
        mark_long(kind, marks, first, first + later);
        return;
    }
    note_groups(&kind->space, marks, first, first + later);
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
    if (*mark == KGC__NO_CLASS)
        *mark = 0;
    else
        memset(mark, 0, (size_t)(kgc__mark_of(kind, (char *)p + size - 1) - mark) + 1);
}
