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
 */
#include "base/next.h"
#include "base/size.h"
#include "section/section.h"
#include <gc/gc.h>
#include <stdatomic.h>

static _Atomic size_t limit; /* 0: none */
/* Served so far: what is heap for certain, and what is probably tables. */
static _Atomic size_t heap_bytes, table_bytes;

static void set_in_libgc(size_t bytes)
{
    KGC__NEXT(GC_set_max_heap_size)(bytes);
}

__attribute__((visibility("default"))) void GC_CALL GC_set_max_heap_size(GC_word bytes)
{
    size_t most = atomic_load(&limit);
    set_in_libgc(most != 0 && (bytes == 0 || bytes > most) ? most : bytes);
}

void kgc__section_set_limit(size_t bytes)
{
    atomic_store(&limit, bytes);
    set_in_libgc(bytes);
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
