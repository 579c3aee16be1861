/* SPDX-License-Identifier: MIT */
/*
 * Objects on a kind of the caller's choice.
 *
 * libgc has blocks of 4 KiB, each with objects of one of its kinds of objects.
 * So each memory kind has two of those of its own, and its small objects share
 * blocks with no others; a block's page is placed on the kind
 * (section/place.h) when its first objects are taken, before anybody has them.
 * A large object has its pages for itself, so it is placed after it was
 * allocated, and needs no kind of objects of its own.
 *
 * Placing a page copies what is in it.  Nobody may write to other objects of
 * its block meanwhile.  Those that were handed out were placed before, so
 * their page is not placed again; what remains is another thread that sweeps
 * the block without libgc's lock.  That can be only after a collection, so
 * what was taken before one is not placed.
 *
 * libgc would enlarge and free such objects in its own way, so its functions
 * for that are interposed.
 */
#include "collect/allocate_in.h"
#include "base/message.h"
#include "base/size.h"
#include "collect/large.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/object_kind.h"
#include "collect/retain.h"
#include "collect/roots.h"
#include "collect/start.h"
#include "section/place.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <kindgc/heap.h>
#include <stdint.h>

enum {
    BLOCK = KGC__PLACED_PAGE,
    SMALL = BLOCK / 2, /* bytes; larger objects own their blocks */
    FLAGS = KGC_ATOMIC | KGC_NOZERO
};

/* Which memory kind has which of libgc's kinds of objects.  Changes with
   libgc's lock held; NULL: none, or free for the next one. */
static _Atomic(kgc_kind *) owners[KGC__OBJECT_KINDS];
static bool is_spare[2][KGC__OBJECT_KINDS]; /* by KGC_ATOMIC */
static _Atomic bool any_owner;              /* was there ever one? */

/* ---- kinds of objects ---- */

struct assignment {
    kgc_kind *kind;
    unsigned atomic;
    int number; /* in: a new one, or -1; out: whether it was used is told by the kind */
};

static void take_spare(void *arg)
{
    struct assignment *a = arg;
    for (int i = 0; a->number < 0 && i < KGC__OBJECT_KINDS; i++)
        if (is_spare[a->atomic][i])
            a->number = i;
    if (a->number < 0)
        return;
    bool assigned = atomic_load(&a->kind->object_kind[a->atomic]) != 0; /* another thread was faster */
    is_spare[a->atomic][a->number] = assigned;
    if (assigned)
        return;
    atomic_store(&owners[a->number], a->kind);
    atomic_store(&any_owner, true);
    atomic_store(&a->kind->object_kind[a->atomic], (unsigned char)a->number);
}

/* 0, or ENOTSUP with kgc_last_error() set. */
static int assign(kgc_kind *kind, unsigned atomic)
{
    struct assignment a = {kind, atomic, -1};
    kgc__roots_locked(take_spare, &a);
    if (atomic_load(&kind->object_kind[atomic]) != 0)
        return 0;
    a.number = kgc__object_kind_new(atomic != 0 ? 0 : 0 | GC_DS_LENGTH, atomic == 0, atomic == 0, kind->name);
    if (a.number < 0)
        return ENOTSUP;
    kgc__retain_attach(a.number);
    kgc__roots_locked(take_spare, &a);
    return 0;
}

void kgc__placed_forget(kgc_kind *kind)
{
    for (unsigned atomic = 0; atomic < 2; atomic++) {
        unsigned number = atomic_exchange(&kind->object_kind[atomic], 0);
        if (number == 0)
            continue;
        kgc__shelves_drop(number);
        is_spare[atomic][number] = true;
        atomic_store(&owners[number], NULL);
    }
}

static void drop_stock(void *arg)
{
    kgc_kind *kind = arg;
    for (unsigned atomic = 0; atomic < 2; atomic++) {
        unsigned number = atomic_load(&kind->object_kind[atomic]);
        if (number == 0)
            continue;
        kgc__shelves_drop(number);
        kgc__retain_nothing(number);
    }
}

void kgc__placed_withdraw(kgc_kind *kind)
{
    kgc__roots_locked(drop_stock, kind);
    kgc_collect();
}

kgc_kind *kgc__placed_kind_of(const void *p, int object_kind, bool *scanned)
{
    kgc_kind *kind =
        object_kind >= 0 && object_kind < KGC__OBJECT_KINDS ? atomic_load(&owners[object_kind]) : NULL;
    if (kind != NULL) {
        *scanned = object_kind == atomic_load(&kind->object_kind[0]);
        return kind;
    }
    if (kgc__likely(kgc__placed_owner(p) == NULL) || GC_size(p) <= SMALL)
        return NULL;
    *scanned = object_kind != KGC__POINTER_FREE;
    return kgc__kind_root(kgc_kind_of(p));
}

/* ---- objects ---- */

struct request {
    kgc_kind *kind;
    size_t size;
    unsigned flags;
    char *p;
    GC_word collections; /* before p was asked for */
    bool too_late;       /* there was one since */
    int error;
    size_t fresh;
};

/* libgc's lock is held. */
static bool place_block(struct request *r, void *object)
{
    char *block = (char *)kgc__round_down((uintptr_t)object, BLOCK);
    if (kgc__place_is_on(r->kind, block, BLOCK))
        return true;
    r->error = kgc__place_put(r->kind, block, BLOCK, true, &r->fresh);
    return r->error == 0;
}

/* For kgc__shelf_refill(), which looks for collections itself. */
static bool place_batch(void **objects, size_t count, void *arg)
{
    bool placed = true;
    kgc__retain_count(objects[0]);
    for (size_t i = 0; placed && i < count; i++)
        placed = place_block(arg, objects[i]);
    return placed;
}

static void place_one(void *arg)
{
    struct request *r = arg;
    r->too_late = GC_get_gc_no() != r->collections;
    if (!r->too_late)
        place_block(r, r->p);
}

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* What the out-of-memory function returned is in use, and is left as it is. */
static bool is_new(const struct request *r)
{
    return r->p != NULL && r->p != kgc__oom_object;
}

static void take_one(struct request *r, unsigned object_kind)
{
    kgc__oom_object = NULL;
    r->collections = GC_get_gc_no();
    r->p = GC_generic_malloc(r->size, (int)object_kind);
    if (!is_new(r))
        return;
    kgc__retain_count(r->p);
    if (!kgc__place_is_on(r->kind, r->p, 1))
        kgc__roots_locked(place_one, r);
}

/* Without the shelf: for sizes that it does not hold, and when libgc has no
   free objects left. */
static void *allocate_one(struct request *r, unsigned object_kind)
{
    enum { ATTEMPTS = 8 };
    for (int i = 0; i < ATTEMPTS; i++) {
        r->too_late = false;
        take_one(r, object_kind);
        if (!r->too_late)
            break;
    }
    if (r->too_late) { /* somebody collects all the time */
        GC_disable();
        r->too_late = false;
        take_one(r, object_kind);
        GC_enable();
    }
    if (r->error == 0 && !r->too_late)
        return r->p;
    GC_free(r->p);
    return fail(r->error != 0 ? r->error : ENOMEM);
}

static void *allocate_small(struct request *r)
{
    unsigned atomic = r->flags & KGC_ATOMIC, object_kind = atomic_load(&r->kind->object_kind[atomic]);
    if (object_kind == 0) {
        int error = assign(r->kind, atomic);
        if (error != 0)
            return fail(error);
        object_kind = atomic_load(&r->kind->object_kind[atomic]);
    }
    kgc__retain_use(object_kind);
    if (r->size <= KGC__MAGAZINE_MAX) {
        void **p = kgc__shelf_refill(object_kind, kgc__size_class(r->size), place_batch, r);
        if (r->error != 0)
            return fail(r->error);
        if (p != NULL) {
            if (atomic == 0)
                *p = NULL;
            return p;
        }
    }
    return allocate_one(r, object_kind);
}

static void place_large(void *arg)
{
    struct request *r = arg;
    size_t size = kgc__round_up(GC_size(r->p), BLOCK);
    r->error = kgc__place_put(r->kind, r->p, size, false, &r->fresh);
    if (r->error != 0)
        kgc__place_restore(r->p, size);
    else if (r->fresh != size)
        r->fresh = 0; /* some pages are as they were */
}

static void *allocate_large(struct request *r)
{
    bool scanned = (r->flags & KGC_ATOMIC) == 0;
    kgc__oom_object = NULL;
    r->p = scanned ? kgc__large_allocate(r->size, false) : GC_malloc_atomic(r->size);
    if (!is_new(r))
        return r->p;
    kgc__roots_locked(place_large, r);
    if (r->error != 0) {
        GC_free(r->p);
        return fail(r->error);
    }
    if (scanned && (r->flags & KGC_NOZERO) == 0 && r->fresh == 0)
        kgc__large_zero(r->p, 0, GC_size(r->p));
    return r->p;
}

/* The heap's kind needs nothing, as long as all of the heap is on it. */
static void *allocate_in_heap(kgc_kind *kind, size_t size, unsigned flags)
{
    void *p = (flags & KGC_ATOMIC) != 0 ? kgc_allocate_atomic(size)
              : (flags & KGC_NOZERO) != 0 && size >= KGC__LARGE && kgc__enter()
                  ? kgc__large_allocate(size, false)
                  : kgc_allocate(size);
    if (p == NULL || kind == NULL || kgc__place_is_on(kind, p, size > 0 ? size : 1))
        return p;
    atomic_store_explicit(&kind->placed_always, true, memory_order_relaxed);
    return NULL;
}

static int check(const struct request *r, const kgc_kind *heap)
{
    if (r->kind->parent != NULL)
        return kgc__fail(EINVAL, "kgc_allocate_in: \"%s\" is a member of \"%s\"; name the tier or ratio",
                         r->kind->name, r->kind->parent->name);
    if (GC_is_incremental_mode())
        return kgc__fail(ENOTSUP,
                         "kgc_allocate_in: libgc is in incremental mode, in which it protects single pages");
    int error = kgc__place_check(r->kind, heap);
    return error == 0 ? 0 : kgc__fail_prefix(error, "kgc_allocate_in: ");
}

static __attribute__((noinline)) void *allocate_slowly(kgc_kind *kind, size_t size, unsigned flags)
{
    if ((flags & ~(unsigned)FLAGS) != 0) {
        kgc__fail(EINVAL, "kgc_allocate_in: flags are KGC_ATOMIC and KGC_NOZERO");
        return fail(EINVAL);
    }
    if (!kgc__enter())
        return NULL;
    if (size > PTRDIFF_MAX)
        return kgc__out_of_memory(size);
    kgc_kind *heap = kgc_heap_kind();
    if (kind == NULL)
        return allocate_in_heap(NULL, size, flags);
    if (kind == heap && !atomic_load_explicit(&kind->placed_always, memory_order_relaxed)) {
        void *p = allocate_in_heap(kind, size, flags);
        if (p != NULL || !atomic_load_explicit(&kind->placed_always, memory_order_relaxed))
            return p;
    }
    struct request r = {.kind = kind, .size = size, .flags = flags};
    int error = check(&r, heap);
    if (error != 0)
        return fail(error);
    return size < SMALL ? allocate_small(&r) : allocate_large(&r);
}

void *kgc_allocate_in(kgc_kind *kind, size_t size, unsigned flags)
{
    if (kgc__unlikely(kind == NULL || size > KGC__MAGAZINE_MAX || (flags & ~(unsigned)FLAGS) != 0))
        return allocate_slowly(kind, size, flags);
    unsigned object_kind = atomic_load_explicit(&kind->object_kind[flags & KGC_ATOMIC], memory_order_relaxed);
    void **p = kgc__likely(object_kind != 0) ? kgc__shelf_take(object_kind, kgc__size_class(size)) : NULL;
    if (kgc__unlikely(p == NULL))
        return allocate_slowly(kind, size, flags);
    if ((flags & KGC_ATOMIC) == 0)
        *p = NULL;
    return p;
}

/* ---- libgc's own functions ---- */

static bool starts_placed(const void *p)
{
    int object_kind;
    size_t size;
    bool scanned;
    return p != NULL && GC_is_heap_ptr(p) && kgc__is_collectable(p, &object_kind, &size) &&
           kgc__placed_kind_of(p, object_kind, &scanned) != NULL;
}

/* It would put the new object on any page. */
KGC_API void *GC_CALL GC_realloc(void *p, size_t size)
{
    bool maybe = atomic_load_explicit(&kgc__placed_pages, memory_order_relaxed) != 0 ||
                 atomic_load_explicit(&any_owner, memory_order_relaxed);
    if (kgc__unlikely(maybe) && starts_placed(p))
        return kgc_reallocate(p, size);
    return KGC__LIBGC(GC_realloc)(p, size);
}

static void restore_large(void *p)
{
    kgc__place_restore(p, kgc__round_up(GC_size(p), BLOCK));
}

/* The pages of a large object go back before anybody else can have them. */
KGC_API void GC_CALL GC_free(void *p)
{
    if (kgc__unlikely(kgc__placed_number(p) != 0) && GC_size(p) > SMALL)
        kgc__roots_locked(restore_large, p);
    KGC__LIBGC(GC_free)(p);
}
