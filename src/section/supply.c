/* SPDX-License-Identifier: MIT */
/*
 * Memory for libgc: its requests become sections from the heap's kind.
 *
 * The kind's hooks are called directly, never through jemalloc.  Two sorts of
 * request are served from plain memory instead, because they are libgc's own
 * tables and not heap: those made while threads are suspended (a caller's
 * hook could want a lock that a suspended thread holds), and on slow kinds
 * those of exactly 64 KiB, libgc's unit for tables.  (Its heap grows by more
 * than that once it is larger than 256 KiB or so; libgc gives no better
 * sign.)  What libgc recycles of them becomes heap: such sections are listed
 * with kind NULL.
 */
#include "base/message.h"
#include "base/options.h"
#include "base/size.h"
#include "os/os.h"
#include "section/event.h"
#include "section/section.h"
#include "section/table.h"
#include <errno.h>
#include <gc/gc.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { TABLE_REQUEST = 64 * 1024 };

static _Atomic(kgc_kind *) heap_kind;
static _Atomic size_t requests;

/* Plain memory.  When its range is full, mappings of the system's choice do. */
static struct kgc__space plain;

size_t kgc__section_requests(void)
{
    return atomic_load(&requests);
}

static void make_heap_kind(kgc_kind *kind)
{
    atomic_fetch_add(&kind->pins, 1);
    kgc_kind *old = atomic_exchange(&heap_kind, kind);
    if (old != NULL)
        atomic_fetch_sub(&old->pins, 1);
    kgc__limit_set_kind(kind);
}

int kgc__section_open_heap(void)
{
    if (atomic_load(&heap_kind) != NULL)
        return 0;
    const char *spec = kgc__settings.heap[0] != '\0' ? kgc__settings.heap : "default";
    kgc_kind *kind;
    int error = kgc_kind_open(spec, &kind);
    if (error != 0)
        return kgc__fail_prefix(error, "heap=%s: ", spec);
    kgc_kind *none = NULL;
    atomic_fetch_add(&kind->pins, 1);
    if (!atomic_compare_exchange_strong(&heap_kind, &none, kind)) { /* another thread was faster */
        atomic_fetch_sub(&kind->pins, 1);
        kgc_kind_close(kind);
    } else {
        kgc__limit_set_kind(kind);
    }
    return 0;
}

_Atomic(void (*)(void)) kgc__section_heap_changed;

kgc_kind *kgc__section_heap(void)
{
    return atomic_load(&heap_kind);
}

int kgc_heap_set_kind(kgc_kind *kind)
{
    if (kind == NULL)
        return kgc__fail(EINVAL, "kgc_heap_set_kind: the kind is NULL");
    if (kind->parent != NULL)
        return kgc__fail(EINVAL, "kgc_heap_set_kind: \"%s\" is a member of \"%s\"; set the tier", kind->name,
                         kind->parent->name);
    int error = kgc__section_attached();
    if (error != 0)
        return error;
    bool keeps = kind->keeps_sections;
    for (unsigned i = 0; i < kind->members; i++)
        keeps |= kind->member[i]->keeps_sections;
    if (keeps && GC_is_incremental_mode())
        return kgc__fail(ENOTSUP,
                         "kgc_heap_set_kind: libgc's incremental mode protects single pages, which \"%s\" cannot",
                         kind->name);
    make_heap_kind(kind);
    void (*changed)(void) = atomic_load(&kgc__section_heap_changed);
    if (changed != NULL)
        changed();
    return 0;
}

kgc_kind *kgc_heap_kind(void)
{
    if (kgc__section_attached() != 0 || kgc__section_open_heap() != 0)
        return NULL;
    return atomic_load(&heap_kind);
}

static void *take(kgc_kind *kind, size_t size)
{
    extent_hooks_t *hooks = &kind->space.hooks;
    bool zero = true, commit = true;
    return hooks->alloc(hooks, NULL, size, kgc__page_size(), &zero, &commit, KGC_ARENA_COLLECTOR);
}

/* A range of 1 GiB, or a sixteenth of what RLIMIT_AS leaves: tables are small beside the heap. */
static bool open_plain(void)
{
    size_t left = kgc__os_address_space_left();
    size_t size = left / 16 < KGC_GIB ? kgc__round_down(left / 16, kgc__page_size()) : KGC_GIB;
    return size != 0 && kgc__space_open(&plain, &kgc__anonymous_backing, size, kgc__page_size(), NULL) == 0;
}

static void *take_plain(size_t size)
{
    if (plain.range.base == NULL && !open_plain())
        return kgc__os_map_plain(size);
    bool zero = true, commit = true;
    void *p = plain.hooks.alloc(&plain.hooks, NULL, size, kgc__page_size(), &zero, &commit, KGC_ARENA_COLLECTOR);
    return p != NULL ? p : kgc__os_map_plain(size);
}

/* Memory for a request that is probably a table: from the kind unless it, or
   the member of it that has room, is slow. */
static void *take_for_table(kgc_kind *kind, size_t size)
{
    if (kind->members == 0)
        return kind->slow ? take_plain(size) : take(kind, size);
    for (unsigned i = 0; i < kind->members; i++) {
        void *p = kind->member[i]->slow ? NULL : take(kind->member[i], size);
        if (p != NULL)
            return p;
    }
    return take_plain(size);
}

static void *serve(size_t size)
{
    if (kgc__world_stopped())
        return take_plain(size);
    if (kgc__section_open_heap() != 0)
        /* libgc would only say that it has no memory; the reason must not be lost. */
        kgc__exit_with(125, "%s", kgc_last_error());
    kgc_kind *kind = atomic_load(&heap_kind);
    return size == TABLE_REQUEST ? take_for_table(kind, size) : take(kind, size);
}

void *kgc__libgc_mmap(void *hint, size_t size, int protection, int flags, int fd, off_t offset)
{
    const int wanted = PROT_READ | PROT_WRITE;
    if (fd != -1 || (flags & MAP_ANONYMOUS) == 0)
        return kgc__os.mmap(hint, size, protection, flags, fd, offset);
    if ((flags & MAP_FIXED) != 0) {
        /* A build that gives memory back this way makes it usable again with
           mprotect; keeping our mapping in place serves both. */
        kgc__libgc_madvise(hint, size, MADV_DONTNEED);
        return hint;
    }
    if ((protection & wanted) != wanted)
        return kgc__os.mmap(hint, size, protection, flags, fd, offset);
    if (atomic_fetch_add(&requests, 1) == 0 && kgc__collection_steps.starting != NULL)
        kgc__collection_steps.starting();
    size = kgc__round_up(size, kgc__page_size());
    bool table = size == TABLE_REQUEST || kgc__world_stopped();
    void *p = kgc__limit_allows(size, table) && kgc__table_prepare() ? serve(size) : NULL;
    if (p == NULL) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    kgc__limit_count(size, table);
    atomic_store_explicit(&kgc__collector_in_use, true, memory_order_relaxed);
    kgc_kind *from = kgc_kind_of(p);
    kgc__table_add(p, size, from);
    kgc__emit(KGC_EVENT_HEAP_GROWTH, size, from);
    return p;
}
