/* SPDX-License-Identifier: MIT */
/*
 * Memory for keys: never swapped out, never in a core dump, wiped when it is
 * given back.
 *
 * Pages are locked when memory is handed out; where RLIMIT_MEMLOCK does not
 * allow it, that is a refusal.  Giving back wipes, then unlocks, then
 * discards: between unlocking and discarding a page may be written to the swap
 * device.  Its lock is a promise that only commit can renew, so only arenas
 * give pages back; those of GC sections stay (as with hugetlb.c), for libgc
 * uses them again without a word.
 *
 * A bit for each page says that it is locked, because a forked child inherits
 * no lock and has to set its own.
 */
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/os.h"
#include <errno.h>
#include <string.h>

enum { BITS = 8 * sizeof(unsigned long) };

static kgc_kind *kind_of(struct kgc__space *s)
{
    return (kgc_kind *)s;
}

void kgc__locked_note(kgc_kind *kind, char *p, size_t size, bool locked)
{
    size_t page = kgc__page_size(), first = (size_t)(p - kind->space.range.base) / page;
    for (size_t i = first; i < first + size / page; i++) {
        unsigned long bit = 1ul << i % BITS;
        if (locked)
            atomic_fetch_or_explicit(&kind->locked_pages[i / BITS], bit, memory_order_relaxed);
        else
            atomic_fetch_and_explicit(&kind->locked_pages[i / BITS], ~bit, memory_order_relaxed);
    }
}

static bool is_locked(const kgc_kind *kind, size_t page)
{
    return (atomic_load_explicit(&kind->locked_pages[page / BITS], memory_order_relaxed) >> page % BITS &
            1) != 0;
}

/* A failure may leave some pages locked; they are handed out another time. */
static int provide(struct kgc__space *s, void *p, size_t size)
{
    int error = kgc__os_make_usable(p, size);
    if (error == 0)
        error = kgc__os_lock(p, size);
    if (error == 0)
        kgc__locked_note(kind_of(s), p, size, true);
    return error;
}

static int take_back(struct kgc__space *s, void *p, size_t size)
{
    explicit_bzero(p, size);
    int error = kgc__os_unlock(p, size);
    if (error != 0)
        return error;
    kgc__locked_note(kind_of(s), p, size, false);
    kgc__os_discard(p, size); /* else they stay, zeroed */
    return 0;
}

static const struct kgc__backing locked_backing = {.provide = provide, .take_back = take_back};

/* May this process lock anything more?  *limit: as much as it may ever. */
static int check_right(const struct kgc__spec *spec, size_t *limit)
{
    char text[24];
    size_t page = kgc__page_size(), lockable = kgc__os_lockable();
    if (lockable < page)
        return kgc__fail(
            EPERM,
            "%s: this process may lock no memory: RLIMIT_MEMLOCK is %zu; raise it (ulimit -l) or give "
            "CAP_IPC_LOCK",
            spec->text, lockable);
    if (lockable < *limit)
        *limit = kgc__round_down(lockable, page);
    void *probe = kgc__os_map_plain(page);
    if (probe == NULL)
        return kgc__fail_errno(errno, "%s", spec->text);
    int error = kgc__os_lock(probe, page);
    kgc__os_release(probe, page);
    if (error == 0)
        return 0;
    if (lockable == SIZE_MAX)
        return kgc__fail_errno(error, "%s: mlock(2)", spec->text);
    return kgc__fail(
        error,
        "%s: the %s of memory that this process may lock are used up; raise RLIMIT_MEMLOCK (ulimit -l)",
        spec->text, kgc__format_size(lockable, text));
}

static size_t bitmap_size(const struct kgc__range *range)
{
    return (range->size / kgc__page_size() / BITS + 1) * sizeof(unsigned long);
}

int kgc__locked_open(kgc_kind *kind, const struct kgc__spec *spec)
{
    size_t limit = spec->limit;
    int error = check_right(spec, &limit);
    if (error != 0)
        return error;
    error = kgc__space_open(&kind->space, &locked_backing, limit, kgc__page_size(), kind);
    if (error != 0)
        return error;
    struct kgc__range *range = &kind->space.range;
    error = kgc__os_exclude_from_dumps(range->base, range->size);
    if (error != 0)
        kgc__fail_errno(error, "%s: madvise(MADV_DONTDUMP)", spec->text);
    else if ((kind->locked_pages = kgc__os_map_plain(bitmap_size(range))) == NULL)
        error = kgc__fail_errno(ENOMEM, "%s: the table of pages", spec->text);
    if (error != 0)
        kgc__space_close(&kind->space);
    kind->locked = kind->keeps_sections = true;
    return error;
}

void kgc__locked_close(kgc_kind *kind)
{
    if (kind->locked_pages != NULL)
        kgc__os_release(kind->locked_pages, bitmap_size(&kind->space.range));
}

/* The end of the run of locked pages that begins at i. */
static size_t end_of_run(const kgc_kind *kind, size_t i, size_t pages)
{
    while (i < pages && is_locked(kind, i))
        i++;
    return i;
}

static int lock_side(kgc_kind *kind, enum kgc__side side)
{
    struct kgc__span ready = kgc__range_ready(&kind->space.range, side);
    size_t page = kgc__page_size(), first = (size_t)(ready.start - kind->space.range.base) / page;
    size_t pages = first + ready.size / page;
    int error = 0;
    for (size_t i = first; error == 0 && i < pages; i++) {
        size_t end = end_of_run(kind, i, pages);
        if (end != i)
            error = kgc__os_lock(kind->space.range.base + i * page, (end - i) * page);
        i = end;
    }
    return error;
}

void kgc__locked_after_fork_in_child(kgc_kind *kind)
{
    if (kind->locked_pages == NULL)
        return;
    int error = lock_side(kind, KGC__LOW);
    if (error == 0)
        error = lock_side(kind, KGC__HIGH);
    if (error != 0)
        kgc__warn("fork: the child's copy of \"%s\" cannot be locked (%s): it may be swapped out", kind->name,
                  strerrordesc_np(error));
}
