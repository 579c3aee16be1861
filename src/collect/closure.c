/* SPDX-License-Identifier: MIT */
/*
 * The closure: see closure.h.
 *
 * A stack of marked objects that were not read yet.  When it is full and the
 * system gives no more, what would not fit is found again by reading all marked
 * objects: slower, but it depends on no memory.
 */
#include "collect/closure.h"
#include "collect/libgc.h"
#include "collect/object_kind.h"
#include "os/meta.h"
#include <stdint.h>
#include <string.h>

enum { LEAST = 2048 }; /* entries: the smallest size that is given back to the system */

static void **stack;
static size_t depth, capacity;
static bool overflowed;
static void (*on_marked)(void *object);

static bool resize(size_t entries)
{
    void **fresh = kgc__meta_allocate(entries * sizeof *fresh);
    if (fresh == NULL)
        return false;
    if (depth != 0)
        memcpy(fresh, stack, depth * sizeof *stack);
    kgc__meta_free(stack, capacity * sizeof *stack);
    stack = fresh;
    capacity = entries;
    return true;
}

bool kgc__closure_prepare(void)
{
    return capacity != 0 || resize(LEAST);
}

void kgc__closure_mark(void *word)
{
    if (word < GC_least_plausible_heap_addr || word > GC_greatest_plausible_heap_addr)
        return;
    void *object = GC_base(word);
    if (object == NULL || GC_is_marked(object))
        return;
    GC_set_mark_bit(object);
    if (depth < capacity || resize(2 * capacity))
        stack[depth++] = object;
    else
        overflowed = true;
}

/* What suspended threads were writing is read as it is. */
static __attribute__((no_sanitize("thread"))) void visit(void *object)
{
    size_t size;
    int kind = GC_get_kind_and_size(object, &size);
    on_marked(object);
    if (kgc__object_kind_is_pointer_free(kind))
        return;
    void **word = object;
    for (size_t n = size / sizeof *word; n != 0; n--)
        kgc__closure_mark(*word++);
}

static void drain(void)
{
    while (depth != 0)
        visit(stack[--depth]);
}

static void GC_CALLBACK visit_again(void *object, size_t size, void *unused)
{
    (void)size, (void)unused;
    visit(object);
    drain();
}

void kgc__closure_run(void (*fn)(void *object))
{
    on_marked = fn;
    drain();
    while (overflowed) {
        overflowed = false;
        GC_enumerate_reachable_objects_inner(visit_again, NULL);
    }
    if (capacity > LEAST)
        resize(LEAST);
}
