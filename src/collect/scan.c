/* SPDX-License-Identifier: MIT */
/*
 * Scanned kinds: which pages of their explicit memory a collection reads.
 *
 * A byte for each 4 KiB says whether a block was handed out there
 * (arena/marks.h); nothing else of jemalloc is looked at, whose locks may be
 * held by suspended threads.  Threads that the collector does not know, and
 * jemalloc's own, may free, purge and hand out while this reads: a page that
 * loses its byte meanwhile can still be read, for scanned kinds take no access
 * away before they are closed, and closing waits for the collection.
 */
#include "collect/scan.h"
#include "arena/marks.h"
#include "base/size.h"
#include "collect/allocate_in.h"
#include "collect/roots.h"
#include "collect/start.h"
#include "kind/kind.h"
#include <string.h>

enum { UNIT_SHIFT = 12, BYTES = sizeof(uint64_t) };

struct visit {
    void (*push)(char *, char *, void *);
    void *arg;
};

static bool is_marked(const unsigned char *marks, size_t i)
{
    return __atomic_load_n(&marks[i], __ATOMIC_RELAXED) != 0;
}

/* The next marked unit from i on, or end. */
static size_t next_marked(const unsigned char *marks, size_t i, size_t end)
{
    while (i < end && !is_marked(marks, i)) {
        if (i % BYTES == 0 && end - i >= BYTES &&
            __atomic_load_n((const uint64_t *)(const void *)&marks[i], __ATOMIC_RELAXED) == 0)
            i += BYTES;
        else
            i++;
    }
    return i;
}

static void visit_kind(kgc_kind *kind, void *arg)
{
    const struct visit *visit = arg;
    struct kgc__space *s = &kind->space;
    const unsigned char *marks = atomic_load(&s->marks);
    if (!s->clear_marks || marks == NULL)
        return;
    size_t end = s->range.size >> UNIT_SHIFT;
    size_t i = end - (kgc__range_taken(&s->range, KGC__HIGH) >> UNIT_SHIFT);
    while ((i = next_marked(marks, i, end)) < end) {
        size_t first = i;
        while (i < end && is_marked(marks, i))
            i = kgc__mark_end(kind, marks, i);
        visit->push(s->range.base + (first << UNIT_SHIFT), s->range.base + (i << UNIT_SHIFT), visit->arg);
    }
}

void kgc__scan_visit(void (*push)(char *, char *, void *), void *arg)
{
    struct visit visit = {push, arg};
    kgc_kind_visit(visit_kind, &visit);
}

__attribute__((constructor)) static void offer(void)
{
    kgc__collector = (struct kgc__collector){.start = kgc__start, .exclude = kgc__roots_locked,
                                             .withdraw = kgc__placed_withdraw, .forget = kgc__placed_forget};
}
