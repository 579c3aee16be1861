/* SPDX-License-Identifier: MIT */
/*
 * Types, and objects of them.
 *
 * Objects that hold pointers and other words are of a kind of libgc's objects
 * that is ours, whose last word is a descriptor (type_mark.c).  A fresh object
 * is zero, and a descriptor of zero means no pointers, so it does not matter
 * when a collection comes between taking the object and describing it.  The
 * hidden word takes the place of the byte that libgc adds to objects: a
 * pointer behind the last byte of the user's points at it.
 *
 * Types are made under the start lock and found without one.
 */
#include "collect/type.h"
#include "base/message.h"
#include "collect/large.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/object_kind.h"
#include "collect/start.h"
#include "collect/thread.h"
#include "os/meta.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { BUCKETS = 8192, CHUNK = 1024 };

static kgc_type *buckets[BUCKETS]; /* under the start lock */
static const kgc_type *
    *mixed[KGC__TYPES_MAX / CHUNK]; /* a pointer's slot is written before anyone has the type */
static size_t mixed_types;          /* under the start lock */
static _Atomic int mixed_kind = -1;

const kgc_type *kgc__type_at(size_t index)
{
    return mixed[index / CHUNK][index % CHUNK];
}

bool kgc__type_is_kind(int object_kind)
{
    return object_kind >= 0 && object_kind == atomic_load_explicit(&mixed_kind, memory_order_relaxed);
}

/* What a magazine is to be asked for: the hidden word has the place of the byte behind an object. */
static size_t asked_size(size_t size)
{
    return size + KGC__WORD - 1;
}

/* Where the hidden word is in objects of a size class, in words. */
static size_t hidden_word(size_t size_class)
{
    return kgc__class_granules(size_class) * (16 / KGC__WORD) - 1;
}

/* Creation. */

static bool has_bit(const uint64_t *bitmap, size_t i)
{
    return bitmap != NULL && (bitmap[i / 64] >> i % 64 & 1) != 0;
}

static size_t count_bits(const uint64_t *bitmap, size_t words)
{
    size_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += has_bit(bitmap, i);
    return count;
}

static enum kgc__type_form form_of(size_t size, size_t pointers)
{
    return pointers == 0                  ? KGC__TYPE_POINTER_FREE
           : pointers * KGC__WORD == size ? KGC__TYPE_SCANNED
                                          : KGC__TYPE_MIXED;
}

static int check(size_t size, size_t pointers)
{
    if (size == 0 || size > KGC__TYPE_SIZE_MAX)
        return kgc__fail(EINVAL, "kgc_type_create: a type has 1 to %d bytes, not %zu", KGC__TYPE_SIZE_MAX,
                         size);
    if (pointers != 0 && size % KGC__WORD != 0)
        return kgc__fail(
            EINVAL,
            "kgc_type_create: the size of a type with pointers is a multiple of %d, not %zu; round it up",
            KGC__WORD, size);
    return 0;
}

static size_t hash(size_t size, size_t count, const uint64_t *bitmap)
{
    uint64_t h = size * 31 + count;
    for (size_t i = 0; count != 0 && i < size / KGC__WORD; i++)
        h = (h + has_bit(bitmap, i)) * UINT64_C(0x9e3779b97f4a7c15);
    return (h ^ h >> 32) % BUCKETS;
}

static bool is(const kgc_type *type, size_t size, size_t count, const uint64_t *bitmap)
{
    if (type->size != size || type->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!has_bit(bitmap, type->offset[i]))
            return false;
    return true;
}

/* Makes sure that the table has a place for one more. */
static int make_room(void)
{
    if (mixed_types == KGC__TYPES_MAX)
        return kgc__fail(
            ENOMEM,
            "kgc_type_create: there are %d types that have pointers and other words, and no room "
            "for more; make one type for all objects that are laid out alike",
            KGC__TYPES_MAX);
    const kgc_type ***chunk = &mixed[mixed_types / CHUNK];
    if (*chunk == NULL)
        *chunk = kgc__meta_allocate(CHUNK * sizeof **chunk);
    return *chunk != NULL ? 0 : kgc__fail(ENOMEM, "kgc_type_create: no memory for the table of types");
}

static void complete_mixed(kgc_type *type)
{
    type->index = (uint32_t)mixed_types++;
    mixed[type->index / CHUNK][type->index % CHUNK] = type;
    type->object_kind = (uint8_t)atomic_load(&mixed_kind);
    kgc__type_prepare(type);
    if (asked_size(type->size) <= KGC__MAGAZINE_MAX) {
        type->size_class = (uint8_t)kgc__size_class(asked_size(type->size));
        type->hidden = (uint8_t)hidden_word(type->size_class);
    }
}

static int make(size_t size, size_t count, const uint64_t *bitmap, kgc_type **out)
{
    enum kgc__type_form form = form_of(size, count);
    int error = form == KGC__TYPE_MIXED ? make_room() : 0;
    if (error != 0)
        return error;
    size_t n = 0;
    kgc_type *type = kgc__meta_allocate(sizeof *type + count * sizeof type->offset[0]);
    if (type == NULL)
        return kgc__fail(ENOMEM, "kgc_type_create: no memory for a type with %zu pointers", count);
    type->form = form;
    type->size = (uint32_t)size;
    type->count = (uint32_t)count;
    for (size_t i = 0; n < count; i++)
        if (has_bit(bitmap, i))
            type->offset[n++] = (uint32_t)i;
    if (form == KGC__TYPE_MIXED)
        complete_mixed(type);
    *out = type;
    return 0;
}

static int find_or_make(size_t size, size_t count, const uint64_t *bitmap, kgc_type **out)
{
    kgc_type **bucket = &buckets[hash(size, count, bitmap)], *type = *bucket;
    while (type != NULL && !is(type, size, count, bitmap))
        type = type->next;
    if (type == NULL) {
        int error = make(size, count, bitmap, &type);
        if (error != 0)
            return error;
        type->next = *bucket;
        *bucket = type;
    }
    *out = type;
    return 0;
}

static int make_kind_locked(void *object)
{
    if (atomic_load(&mixed_kind) >= 0)
        return 0;
    int kind = kgc__object_kind_new((GC_word)-KGC__WORD | GC_DS_PER_OBJECT, true, true, "objects of types");
    if (kind < 0)
        return ENOTSUP;
    kgc__type_mark_start(object);
    atomic_store(&mixed_kind, kind);
    return 0;
}

/* With the first type that needs it.  Allocating may run finalizers, so it is
   done outside of the lock. */
static int make_kind(void)
{
    if (atomic_load(&mixed_kind) >= 0)
        return 0;
    if (!kgc__enter())
        return errno;
    void *object = GC_malloc(1);
    if (object == NULL)
        return errno;
    kgc__start_lock();
    int error = make_kind_locked(object);
    kgc__start_unlock();
    return error;
}

int kgc_type_create(size_t size, const uint64_t *pointers, kgc_type **out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_type_create: out is NULL");
    size_t count = size <= KGC__TYPE_SIZE_MAX ? count_bits(pointers, size / KGC__WORD) : 0;
    int error = check(size, count);
    if (error == 0 && form_of(size, count) == KGC__TYPE_MIXED)
        error = make_kind();
    if (error != 0)
        return error;
    kgc__start_lock();
    error = find_or_make(size, count, pointers, out);
    kgc__start_unlock();
    return error;
}

size_t kgc_type_size(const kgc_type *type)
{
    return type->size;
}

/* Allocation. */

/* An object from a shelf is zero but for its first word. */
static void *describe(GC_word *object, size_t hidden, GC_word descriptor)
{
    object[0] = 0;
    object[hidden] = descriptor;
    return object;
}

/* libgc 8.2.2 sometimes gives a larger object than was asked for, whose last
   word is elsewhere. */
static bool are_of_class(void **objects, size_t count, void *size_class)
{
    (void)count; /* all are alike */
    return GC_size(objects[0]) == kgc__class_granules(*(size_t *)size_class) * 16;
}

static void *allocate_mixed_from_libgc(const kgc_type *type, size_t size, GC_word descriptor)
{
    kgc__oom_object = NULL;
    GC_word *object = GC_generic_malloc(asked_size(size), type->object_kind);
    if (object == NULL || object == kgc__oom_object)
        return object; /* what the out-of-memory function returns is none of ours */
    GC_word *hidden = object + GC_size(object) / KGC__WORD - 1;
    *hidden = descriptor;
    GC_end_stubborn_change(hidden); /* in case that libgc was told to rely on being told */
    return object;
}

static void *allocate_mixed(const kgc_type *type, size_t count, size_t size)
{
    if (type->count * count >> KGC__TYPE_COUNT_BITS != 0)
        return kgc__out_of_memory(size);
    GC_word descriptor = kgc__type_describe(type, count);
    size_t size_class = kgc__size_class(asked_size(size));
    void *p = NULL;
    if (asked_size(size) <= KGC__MAGAZINE_MAX) {
        p = kgc__shelf_take(type->object_kind, size_class);
        if (p == NULL)
            p = kgc__shelf_refill(type->object_kind, size_class, are_of_class, &size_class);
    }
    return p != NULL ? describe(p, hidden_word(size_class), descriptor)
                     : allocate_mixed_from_libgc(type, size, descriptor);
}

static void *allocate_pointer_free(size_t size)
{
    kgc__oom_object = NULL;
    void *p = kgc_allocate_atomic(size);
    if (p == NULL || p == kgc__oom_object)
        return p;
    if (size < KGC__LARGE)
        return memset(p, 0, size);
    kgc__large_zero(p, 0, GC_size(p));
    return p;
}

static __attribute__((noinline)) void *allocate_any(const kgc_type *type, size_t count)
{
    size_t size;
    if (type == NULL) {
        kgc__fail(EINVAL, "kgc_allocate_typed: the type is NULL");
        errno = EINVAL;
        return NULL;
    }
    if (!kgc__enter())
        return NULL;
    if (__builtin_mul_overflow(type->size, count, &size) || size > PTRDIFF_MAX - KGC__WORD)
        return kgc__out_of_memory(SIZE_MAX);
    if (size == 0 || type->form == KGC__TYPE_POINTER_FREE)
        return allocate_pointer_free(size);
    return type->form == KGC__TYPE_SCANNED ? kgc_allocate(size) : allocate_mixed(type, count, size);
}

void *kgc_allocate_typed(const kgc_type *type, size_t count)
{
    if (kgc__likely(count == 1 && type != NULL && type->size_class != 0)) {
        void *p = kgc__shelf_take(type->object_kind, type->size_class);
        if (kgc__likely(p != NULL))
            return describe(p, type->hidden, type->descriptor);
    }
    return allocate_any(type, count);
}
