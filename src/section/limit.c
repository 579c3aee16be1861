/* SPDX-License-Identifier: MIT */
/*
 * The limit of the heap.
 *
 * libgc has one of its own, which gives an orderly end of memory: it collects,
 * then calls the out-of-memory function.  Programs set it too (ECL does, at
 * its start and again when memory runs out), so libgc's function is
 * interposed: a program can lower the limit that its user has set, never
 * raise it.  Requests beyond the limit are refused as well, for programs whose
 * calls do not reach our function.
 *
 * Where the user has set none, the memory limit of the process's control group
 * gives one, for kinds whose pages count there and cannot be written out: the
 * kernel's answer to too much memory is to kill.  The heap's part is three
 * quarters.  libgc's tables add about 8 % of a heap of small objects, and the
 * rest is for the program's own memory, its stacks and its files in the cache.
 *
 * Everything is atomic: what is written last by a thread that computed earlier
 * is put right when the next collection ends.
 */
#include "base/options.h"
#include "base/size.h"
#include "os/cgroup.h"
#include "section/section.h"
#include <gc/gc.h>
#include <stdatomic.h>
#include <stdint.h>

enum { PARTS = 4, PARTS_OF_HEAP = 3 };

static _Atomic size_t limit; /* in force; 0: none */
/* What makes it. 0: none; what the API was asked for may be KGC__NO_LIMIT. */
static _Atomic size_t from_cgroup, from_api, from_libgc_call;
static _Atomic bool api_was_asked;
/* Served so far: what is heap for certain, and what is probably tables. */
static _Atomic size_t heap_bytes, table_bytes;

static _Atomic bool counts; /* the heap's kind does in the control group */

/* 0 is no limit. */
static size_t least(size_t a, size_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static size_t in_force(void)
{
    bool users = kgc__option_is_users("limit");
    size_t setting = kgc__settings.limit, user = users ? setting : 0, program = users ? 0 : setting;
    if (atomic_load(&api_was_asked))
        program = atomic_load(&from_api);
    size_t outer = user != 0 ? user : atomic_load(&from_cgroup);
    if (outer == KGC__NO_LIMIT || (!users && program == KGC__NO_LIMIT))
        outer = 0;
    return least(outer, program == KGC__NO_LIMIT ? 0 : program);
}

void kgc__limit_apply(void)
{
    size_t bytes = in_force();
    atomic_store(&limit, bytes);
    KGC__LIBGC(GC_set_max_heap_size)(least(bytes, atomic_load(&from_libgc_call)));
    /* Or it fails without a collection, when less was allocated since the last
       than it wants between two.  With GC_MAXIMUM_HEAP_SIZE it does the same. */
    if (bytes != 0 && GC_get_max_retries() == 0)
        GC_set_max_retries(2);
}

__attribute__((visibility("default"))) void GC_CALL GC_set_max_heap_size(GC_word bytes)
{
    atomic_store(&from_libgc_call, bytes);
    kgc__limit_apply();
}

void kgc__section_set_limit(size_t bytes)
{
    atomic_store(&from_api, bytes);
    atomic_store(&api_was_asked, true);
    kgc__limit_apply();
}

size_t kgc__section_limit(void)
{
    return least(atomic_load(&limit), atomic_load(&from_libgc_call));
}

/* Huge pages that were reserved are not the group's memory; whose pages a
   caller's hooks hand out is not known. */
static bool kind_counts(const kgc_kind *kind)
{
    for (unsigned i = 0; i < kind->members; i++)
        if (!kind_counts(kind->member[i]))
            return false;
    return kind->members != 0 || (!kind->slow && kind->hugetlb.mapped == NULL && kind->caller_hooks == NULL &&
                                  kind->fixed.start == NULL);
}

void kgc__limit_follow(void)
{
    size_t bytes = atomic_load(&counts) ? kgc__cgroup_memory(kgc__cgroup()) : SIZE_MAX;
    size_t part = bytes / PARTS * PARTS_OF_HEAP;
    atomic_store(&from_cgroup, bytes == SIZE_MAX ? 0 : part > KGC_MIB ? part : KGC_MIB);
    kgc__limit_apply();
}

void kgc__limit_set_kind(const kgc_kind *kind)
{
    atomic_store(&counts, kind_counts(kind));
    kgc__limit_follow();
}

/* Tables may take a quarter of the limit: libgc aborts when it gets none, and
   needs about 8 % of a heap of small objects for them. */
bool kgc__limit_allows(size_t size, bool table)
{
    size_t most = atomic_load(&limit);
    if (most == 0)
        return true;
    if (table)
        return atomic_load(&table_bytes) + size <= most / 4 + 4 * KGC_MIB;
    return atomic_load(&heap_bytes) + size <= most;
}

void kgc__limit_count(size_t size, bool table)
{
    atomic_fetch_add(table ? &table_bytes : &heap_bytes, size);
}
