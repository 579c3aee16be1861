/* SPDX-License-Identifier: MIT */
/*
 * Types of objects: what type.c makes and allocates with, and type_mark.c
 * reads while it marks.
 *
 * A type does not change once it has been made and is never freed, so nothing
 * here takes a lock to read one, with the world stopped or not.
 */
#ifndef KGC_COLLECT_TYPE_H
#define KGC_COLLECT_TYPE_H

#include <kindgc/allocate.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    KGC__WORD = sizeof(void *),
    KGC__TYPE_SIZE_MAX = 1 << 20, /* bytes */
    /* Both numbers below and 8 bits of libgc's share a word. */
    KGC__TYPE_INDEX_BITS = 18, /* types whose objects hold pointers and other words */
    KGC__TYPE_COUNT_BITS = 38, /* pointers in one object: 2 TiB of them at least */
    KGC__TYPES_MAX = 1 << KGC__TYPE_INDEX_BITS
};
_Static_assert(KGC__WORD *CHAR_BIT - 8 == KGC__TYPE_INDEX_BITS + KGC__TYPE_COUNT_BITS, "they fill the word");

/* What its objects are to the collector. */
enum kgc__type_form {
    KGC__TYPE_POINTER_FREE, /* atomic objects */
    KGC__TYPE_SCANNED,      /* scanned ones: each word is a pointer */
    KGC__TYPE_MIXED         /* objects of a kind of our own, whose last word says where the pointers are */
};

struct kgc_type {
    uintptr_t descriptor;       /* mixed: of one element */
    uintptr_t group_descriptor; /* mixed: of several, which a procedure hands on */
    uint8_t group;              /* mixed: how many those are; 0 when one is too long */
    uint8_t size_class;         /* mixed: of one element with its hidden word; 0 when it is not small */
    uint8_t hidden;             /* mixed: where that word is, in words */
    uint8_t object_kind;        /* mixed: libgc's number */
    uint8_t form;               /* enum kgc__type_form */
    uint32_t index;             /* mixed: kgc__type_at() */
    uint32_t size;              /* bytes */
    uint32_t count;             /* pointers in an element */
    struct kgc_type *next;      /* type.c: that have the same hash */
    uint32_t offset[];          /* of the pointers, in words, ascending */
};

/* The mixed type with this index. */
const kgc_type *kgc__type_at(size_t index);

/* Is it libgc's number of the kind of objects that have a hidden word? */
bool kgc__type_is_kind(int object_kind);

/* type_mark.c. */

/* To be called once before anything has a descriptor.  Takes libgc's lock.
   The object is scanned, zero, and the caller's only. */
void kgc__type_mark_start(void *object);
/* Fills in the descriptors of a mixed type that has all else. */
void kgc__type_prepare(kgc_type *type);
/* What the hidden word of so many elements in a row says; count is not 0.
   Never 0.  Only for as many pointers as KGC__TYPE_COUNT_BITS can count. */
uintptr_t kgc__type_describe(const kgc_type *type, size_t count);
/* May the marking procedure divide its work?  Tests clear it. */
extern bool kgc__type_mark_divides;

#endif
