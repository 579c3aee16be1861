/* SPDX-License-Identifier: MIT */
/*
 * How libgc finds the pointers in objects of types: the descriptor that each
 * of them has in its last word.
 *
 *   length    the pointers come first (GC_DS_LENGTH)
 *   bitmap    all pointers lie in the first 62 words (GC_DS_BITMAP)
 *   procedure anything else (GC_DS_PROC): mark() below divides arrays into bitmaps, or goes through the
 *             elements by the type's list of offsets
 *
 * The procedure runs with libgc's lock held, mostly with the world stopped, in
 * several marking threads at once, and twice on the same object when libgc's
 * mark stack has overflowed.  It reads types, which do not change, and the
 * object.
 */
#include "collect/libgc.h"
#include "collect/roots.h"
#include "collect/type.h"

enum { BITMAP_WORDS = 62 };

/*
 * libgc wants a procedure that has much to do to put the rest back on the mark
 * stack (gc_mark.h); if it does not, a large array overflows the stack, and the
 * whole heap is searched for marked objects again.  What an entry of the stack
 * looks like is not in its headers, so that is tried first: see
 * kgc__type_mark_start().
 */
struct entry {
    void *start;
    GC_word descriptor;
};
bool kgc__type_mark_divides;

enum {
    /* Pointers at a time.  A round of libgc's marking calls procedures 41 times and should push less
       than half of the 4,096 entries that a marking thread has. */
    PORTION = 48,
    /* Bitmaps at a time: libgc goes through them faster than a procedure can, and a round ends after 16. */
    BITMAPS = 4
};

static unsigned procedure;

static GC_word make_descriptor(GC_word index, GC_word pointers)
{
    GC_word environment = index | pointers << KGC__TYPE_INDEX_BITS;
    return GC_MAKE_PROC((GC_word)procedure, environment);
}

static GC_word bit(size_t word)
{
    return (GC_word)1 << (sizeof(GC_word) * CHAR_BIT - 1) >> word;
}

static GC_word bitmap(const kgc_type *type, size_t count)
{
    GC_word bits = 0, element = 0;
    for (size_t i = 0; i < type->count; i++)
        element |= bit(type->offset[i]);
    for (size_t i = 0; i < count; i++)
        bits |= element >> i * (type->size / KGC__WORD);
    return bits | GC_DS_BITMAP;
}

static struct entry *push(struct entry *top, void *start, GC_word descriptor)
{
    *++top = (struct entry){start, descriptor};
    return top;
}

/* `elements` of them as bitmaps, after some of which comes the rest.  What is pushed last is looked at
   first: memory is read in ascending order, which hardware expects. */
static struct entry *push_bitmaps(struct entry *top, const kgc_type *type, GC_word *start, GC_word elements)
{
    size_t words = type->size / KGC__WORD, group = type->group;
    GC_word now = elements > BITMAPS * group ? BITMAPS * group : elements;
    if (now < elements)
        top = push(top, start + now * words, make_descriptor(type->index, (elements - now) * type->count));
    GC_word whole = now / group;
    if (now % group != 0)
        top = push(top, start + whole * group * words, bitmap(type, now % group));
    while (whole-- > 0)
        top = push(top, start + whole * group * words, type->group_descriptor);
    return top;
}

/* Looks at `now` pointers, from the i-th of the element on. */
static struct GC_ms_entry *mark_pointers(struct GC_ms_entry *top, struct GC_ms_entry *limit,
                                         const kgc_type *type, GC_word *element, GC_word i, GC_word now)
{
    for (; now != 0; now--) {
        void **word = (void **)(element + type->offset[i]);
        top = GC_MARK_AND_PUSH(*word, top, limit, word);
        if (++i == type->count) {
            i = 0;
            element += type->size / KGC__WORD;
        }
    }
    return top;
}

/*
 * `environment` is the type's index and how many pointers are left up to the
 * object's end, so it also says how many of the element come before them.
 * There is always room for one entry.
 */
static struct GC_ms_entry *mark(GC_word *element, struct GC_ms_entry *stack_top,
                                struct GC_ms_entry *stack_limit, GC_word environment)
{
    struct entry *top = (struct entry *)(void *)stack_top, *limit = (struct entry *)(void *)stack_limit;
    const kgc_type *type = kgc__type_at(environment % KGC__TYPES_MAX);
    GC_word left = environment >> KGC__TYPE_INDEX_BITS, count = type->count, now = left;
    GC_word i = (count - left % count) % count;
    if (kgc__type_mark_divides && type->group != 0 && i == 0 && limit - top > BITMAPS + 2)
        return (struct GC_ms_entry *)(void *)push_bitmaps(top, type, element, left / count);
    if (kgc__type_mark_divides && left > PORTION) {
        now = PORTION;
        top = push(top, element + (i + now) / count * (type->size / KGC__WORD),
                   make_descriptor(type->index, left - now));
    }
    return mark_pointers((struct GC_ms_entry *)(void *)top, stack_limit, type, element, i, now);
}

/* An object is pushed on a stack of our own: is the entry what we think it is? */
static void try_entry(void *object)
{
    struct entry stack[4] = {{0}};
    char *top = (char *)GC_mark_and_push(object, (struct GC_ms_entry *)(void *)&stack[0],
                                         (struct GC_ms_entry *)(void *)&stack[4], NULL);
    GC_word descriptor = stack[1].descriptor; /* libgc does not look into all of the last granule */
    kgc__type_mark_divides = top == (char *)&stack[1] && stack[1].start == object && descriptor != 0 &&
                             descriptor % (GC_DS_TAGS + 1) == GC_DS_LENGTH && descriptor <= GC_size(object);
}

void kgc__type_mark_start(void *object)
{
    kgc__roots_locked(try_entry, object);
    procedure = GC_new_proc(mark);
}

void kgc__type_prepare(kgc_type *type)
{
    size_t words = type->size / KGC__WORD;
    type->descriptor = kgc__type_describe(type, 1);
    if (words > BITMAP_WORDS)
        return;
    type->group = (uint8_t)(BITMAP_WORDS / words);
    type->group_descriptor = bitmap(type, type->group);
}

uintptr_t kgc__type_describe(const kgc_type *type, size_t count)
{
    size_t last = type->offset[type->count - 1];
    if (count == 1 && last == type->count - 1)
        return type->count * KGC__WORD | GC_DS_LENGTH;
    if (last + (count - 1) * (type->size / KGC__WORD) < BITMAP_WORDS)
        return bitmap(type, count);
    return make_descriptor(type->index, type->count * count);
}
