/* SPDX-License-Identifier: MIT */
/* libgc's kinds of objects, counted: see object_kind.h. */
#include "collect/object_kind.h"
#include "base/message.h"
#include "base/next.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/roots.h"
#include <errno.h>
#include <stdatomic.h>

/* Changes with libgc's lock held. */
static _Atomic unsigned defined = KGC__ROOTED_POINTER_FREE + 1;
static unsigned pointer_free = 1u << KGC__POINTER_FREE | 1u << KGC__ROOTED_POINTER_FREE; /* bits */

/* libgc calls this through the dynamic linker for all its functions that define one. */
KGC_API unsigned GC_CALL GC_new_kind_inner(void **free_list, GC_word descriptor, int adjust, int clear)
{
    unsigned kind = KGC__NEXT(GC_new_kind_inner)(free_list, descriptor, adjust, clear);
    if (kind >= atomic_load(&defined))
        atomic_store(&defined, kind + 1);
    if (descriptor == 0 && !adjust)
        pointer_free |= 1u << kind;
    return kind;
}

bool kgc__object_kind_is_pointer_free(int kind)
{
    return (pointer_free >> kind & 1) != 0;
}

struct wanted {
    GC_word descriptor;
    bool adjust, clear;
    int number;
};

/* Looking and defining in one step. */
static void define(void *arg)
{
    struct wanted *w = arg;
    if (atomic_load(&defined) >= KGC__OBJECT_KINDS)
        return;
    w->number = (int)GC_new_kind_inner(GC_new_free_list_inner(), w->descriptor, w->adjust, w->clear);
}

int kgc__object_kind_new(unsigned long descriptor, bool adjust, bool clear, const char *what_for)
{
    struct wanted wanted = {descriptor, adjust, clear, -1};
    kgc__roots_locked(define, &wanted);
    if (wanted.number < 0) {
        kgc__fail(ENOTSUP, "libgc has room for %d kinds of objects, and all are in use: none is left for %s",
                  KGC__OBJECT_KINDS, what_for);
        errno = ENOTSUP;
    }
    return wanted.number;
}
