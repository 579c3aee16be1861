/* SPDX-License-Identifier: MIT */
/* The checker's nodes as objects of the library: see objects.h. */
#include "objects.h"
#include "addresses.h"
#include "content.h"
#include "failure.h"
#include "run.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <stdio.h>
#include <string.h>

const char *const sort_names[] = {"scanned", "atomic",        "libgc's", "libgc's atomic", "typed",
                                  "placed",  "placed atomic", "rooted",  "explicit"};

enum { TYPES = 6, PLACES_OF_OBJECTS = 2, MOST_BYTES = 12 << 20, PAGE = 4096 };

static kgc_kind *scanned_kind, *placing[PLACES_OF_OBJECTS];
static unsigned placings;
static const struct {
    size_t words;
    uint64_t pointers[2];
} types[TYPES] = {
    {3, {2}}, {8, {0x91}}, {25, {0x1000421}}, {64, {~(uint64_t)0}}, {128, {1, (uint64_t)1 << 63}}, {2, {0}}};
static kgc_type *type[TYPES];

static void open_kind(const char *spec, kgc_kind **out)
{
    if (kgc_kind_open(spec, out) != 0) {
        printf("soundness: without %s: %s\n", spec, kgc_last_error());
        *out = NULL;
    }
}

void objects_create(void)
{
    open_kind("default,scanned", &scanned_kind);
    static const char *const specs[PLACES_OF_OBJECTS] = {"file:/var/tmp", "default"};
    for (int i = 0; i < PLACES_OF_OBJECTS; i++) {
        open_kind(specs[i], &placing[placings]);
        placings += placing[placings] != NULL;
    }
    for (int i = 0; i < TYPES; i++)
        if (kgc_type_create(types[i].words * 8, i == TYPES - 1 ? NULL : types[i].pointers, &type[i]) != 0)
            broken("kgc_type_create: %s", kgc_last_error());
}

/* Sizes. */

static size_t some_size(struct partition *p)
{
    uint32_t n = next_random(p) % 4000;
    size_t size = n < 2000   ? next_random(p) % 128
                  : n < 3200 ? next_random(p) % 511
                  : n < 3800 ? 512 + next_random(p) % 1600
                  : n < 3980 ? 2048 + next_random(p) % 30000
                  : n < 3997 ? 32768 + next_random(p) % 400000
                             : (1 << 20) + next_random(p) % (2 << 20);
    if (once_in(p, 16)) /* around the borders of size classes and pages */
        size = (size + 15) / 16 * 16 + next_random(p) % 3 - 1;
    if (once_in(p, 64))
        size = (size + PAGE - 1) / PAGE * PAGE + next_random(p) % 3 - 1;
    if (size == 0 || size > 4 << 20) /* 0 - 1 */
        size = 1;
    return p->bytes + size > MOST_BYTES ? 1 + size % 300 : size;
}

/* Typed objects: the type, and the size it gives. */
static void choose_type(struct partition *p, struct node *n)
{
    unsigned i = next_random(p) % TYPES;
    size_t count = 1 + n->size / (types[i].words * 8);
    n->type_or_kind = type[i];
    n->size = count * types[i].words * 8;
}

/* Making. */

static void *inlined(struct partition *p, struct node *n)
{
#define AS(bytes) (n->size = (bytes), kgc_allocate(bytes))
    switch (next_random(p) % 8) {
    case 0:
        return AS(1);
    case 1:
        return AS(15);
    case 2:
        return AS(16);
    case 3:
        return AS(40);
    case 4:
        return AS(100);
    case 5:
        return AS(255);
    case 6:
        return AS(496);
    default:
        return AS(511);
    }
#undef AS
}

static void *make_scanned(struct partition *p, struct node *n)
{
    switch (next_random(p) % 8) {
    case 0:
    case 1:
    case 2:
        return inlined(p, n);
    case 3:
        return kgc_reallocate(NULL, n->size);
    default:
        return kgc_allocate(n->size);
    }
}

static void *copy_string(struct partition *p, struct node *n)
{
    char string[600];
    if (n->size > sizeof string)
        n->size = 1 + n->size % sizeof string;
    memset(string, 'a' + (int)(next_random(p) % 26), n->size - 1);
    string[n->size - 1] = '\0';
    char *copy = kgc_strdup(string);
    if (copy != NULL && memcmp(copy, string, n->size) != 0)
        broken("kgc_strdup: the copy of %zu bytes at %p is not the same", n->size, (void *)copy);
    return copy;
}

static void *make_rooted(struct partition *p, const struct node *n, size_t *zeroes)
{
    switch (next_random(p) % 4) {
    case 0:
        *zeroes = n->size;
        return kgc_calloc(1, n->size);
    case 1:
        return kgc_realloc(NULL, n->size);
    case 2:
        return kgc_aligned_alloc((size_t)16 << next_random(p) % 5, n->size);
    default:
        return kgc_malloc(n->size);
    }
}

static void *make_placed(struct partition *p, struct node *n, size_t *zeroes)
{
    kgc_kind *kind = placing[next_random(p) % placings];
    unsigned flags = n->sort == PLACED_ATOMIC ? KGC_ATOMIC : once_in(p, 4) ? KGC_NOZERO : 0;
    void *object = kgc_allocate_in(kind, n->size, flags);
    if (object == NULL && (errno == ENOTSUP || errno == ENOMEM)) { /* as the header says */
        n->sort = n->sort == PLACED ? SCANNED : ATOMIC;
        object = n->sort == SCANNED ? kgc_allocate(n->size) : kgc_allocate_atomic(n->size);
        *zeroes = n->sort == SCANNED ? n->size : 0;
        return object;
    }
    *zeroes = flags == 0 ? n->size : 0;
    n->type_or_kind = kind;
    return object;
}

/* *zeroes: how many bytes the library says are zero. */
static void *make(struct partition *p, struct node *n, size_t *zeroes)
{
    void *object;
    *zeroes = 0;
    switch ((enum sort)n->sort) {
    case SCANNED:
        object = make_scanned(p, n);
        *zeroes = n->size;
        return object;
    case ATOMIC:
        return once_in(p, 8) ? copy_string(p, n) : kgc_allocate_atomic(n->size);
    case LIBGC:
        *zeroes = n->size;
        return GC_MALLOC(n->size);
    case LIBGC_ATOMIC:
        return GC_MALLOC_ATOMIC(n->size);
    case TYPED:
        choose_type(p, n);
        *zeroes = n->size;
        return kgc_allocate_typed(n->type_or_kind, n->size / kgc_type_size(n->type_or_kind));
    case PLACED:
    case PLACED_ATOMIC:
        return make_placed(p, n, zeroes);
    case ROOTED:
        return make_rooted(p, n, zeroes);
    case EXPLICIT:
        return kgc_kind_malloc(scanned_kind, n->size);
    case SORTS:;
    }
    return NULL;
}

static enum sort some_sort(struct partition *p, bool any)
{
    static const uint8_t shares[] = {SCANNED, SCANNED, SCANNED,       SCANNED,     SCANNED, ATOMIC,
                                     ATOMIC,  ATOMIC,  LIBGC,         LIBGC,       TYPED,   TYPED,
                                     TYPED,   PLACED,  ROOTED,        EXPLICIT,    PLACED,  TYPED,
                                     SCANNED, ATOMIC,  PLACED_ATOMIC, LIBGC_ATOMIC};
    enum sort sort = shares[next_random(p) % sizeof shares];
    if (!any && !is_collectable(sort))
        return SCANNED;
    if (sort == EXPLICIT && scanned_kind == NULL)
        return ROOTED;
    return (sort == PLACED || sort == PLACED_ATOMIC) && placings == 0 ? SCANNED : sort;
}

static bool is_scanned(const struct node *n)
{
    return n->sort != ATOMIC && n->sort != LIBGC_ATOMIC && n->sort != PLACED_ATOMIC;
}

/* May this word of it hold a pointer? */
static bool is_pointer(const struct node *n, size_t word)
{
    if (n->sort != TYPED)
        return is_scanned(n);
    for (unsigned i = 0; i < TYPES; i++)
        if (type[i] == n->type_or_kind) {
            size_t bit = word % types[i].words;
            return types[i].pointers[bit / 64] >> bit % 64 & 1;
        }
    return false;
}

/* All words that may hold a pointer; false when they are too many. */
static bool choose_all_edges(struct node *n)
{
    for (size_t word = 0; word < n->size / 8; word++) {
        if (!is_pointer(n, word))
            continue;
        if (n->edges == EDGES) {
            n->edges = 0;
            return false;
        }
        n->edge[n->edges++] = (struct edge){.word = (uint32_t)word, .hidden = hide(NULL)};
    }
    return true;
}

/* At random words in increasing order, the first and the last word often among them. */
static void choose_edges(struct partition *p, struct node *n)
{
    size_t words = n->size / 8;
    uint32_t from = 0;
    if (words == 0)
        return;
    for (unsigned want = 1 + next_random(p) % EDGES; want > 0 && from < words; want--) {
        uint32_t word = from + (uint32_t)(next_random(p) % (words - from));
        word = once_in(p, 4) ? from : once_in(p, 4) ? (uint32_t)words - 1 : word;
        if (is_pointer(n, word)) {
            n->edge[n->edges++] = (struct edge){.word = word, .hidden = hide(NULL)};
            from = word + 1;
        }
    }
}

static void clear_edges(const struct node *n, void *object)
{
    for (unsigned i = 0; i < n->edges; i++)
        ((void **)object)[n->edge[i].word] = NULL;
}

static void check_new(const struct node *n, const void *object, size_t zeroes)
{
    const char *what = sort_names[n->sort];
    if ((uintptr_t)object % 16 != 0)
        broken("a new %s object of %zu bytes at %p is not aligned", what, n->size, object);
    if (!is_zero(object, zeroes))
        broken("a new %s object of %zu bytes at %p is not zero", what, n->size, object);
    if (is_collectable(n->sort) &&
        (kgc_size(object) < n->size || kgc_base((const char *)object + n->size / 2) != object))
        broken("a new %s object of %zu bytes at %p has %zu bytes and its base at %p", what, n->size, object,
               kgc_size(object), kgc_base((const char *)object + n->size / 2));
    if ((n->sort == PLACED || n->sort == PLACED_ATOMIC) &&
        (kgc_kind_of(object) != n->type_or_kind ||
         kgc_kind_of((const char *)object + n->size - 1) != n->type_or_kind))
        broken("a new %s object of %zu bytes at %p lies on \"%s\"", what, n->size, object,
               kgc_kind_name(kgc_kind_of(object)));
}

static void enter(struct partition *p, struct node *n, void *object)
{
    atomic_store(&n->hidden, hide(object));
    p->counts.reused += addresses_claim(n);
    p->bytes += n->size;
}

struct node *object_new(struct partition *p, bool any, void **object)
{
    struct node *n = node_new(p);
    if (n == NULL)
        return NULL;
    size_t zeroes;
    n->size = some_size(p);
    n->sort = some_sort(p, any);
    n->seed = (uint64_t)next_random(p) << 24;
    struct node *other = once_in(p, 2) ? some_node(p) : NULL;
    errno = 0;
    *object = make(p, n, &zeroes);
    if (*object == NULL) {
        broken("no %s object of %zu bytes: errno %d: %s", sort_names[n->sort], n->size, errno,
               kgc_last_error());
        return NULL;
    }
    check_new(n, *object, zeroes);
    if (other != NULL && (!is_scanned(n) || n->sort == TYPED))
        n->decoy = other->hidden;
    if (n->decoy == 0 || !choose_all_edges(n)) {
        n->decoy = 0;
        choose_edges(p, n);
    }
    content_write(n, *object);
    clear_edges(n, *object);
    n->state = USED;
    enter(p, n, *object);
    p->counts.allocated[n->sort]++;
    return n;
}

/* What does not fit any more goes; the rest keeps its contents. */
static void shorten(struct node *n, size_t size)
{
    while (n->edges > 0 && n->edge[n->edges - 1].word >= size / 8) {
        set_edge(n, n->edges - 1u, NULL, 0);
        n->edges--;
    }
}

static void *resize(const struct node *n, void *object, size_t size)
{
    return n->sort == ROOTED     ? kgc_realloc(object, size)
           : n->sort == EXPLICIT ? kgc_kind_realloc(size % 2 == 0 ? scanned_kind : NULL, object, size)
                                 : kgc_reallocate(object, size);
}

void object_resize(struct partition *p, struct root *r)
{
    struct node *n = node_of(r->target);
    void *object = address_of(n);
    size_t size = some_size(p);
    bool had_link = n->has_link;
    object_unlink(n);
    shorten(n, size < n->size ? size : n->size);
    /* While it moves, its old place may be handed out to another thread. */
    atomic_store(&n->hidden, 0);
    void *moved = resize(n, object, size);
    if (moved == NULL) {
        broken("a %s object of %zu bytes cannot have %zu: errno %d: %s", sort_names[n->sort], n->size, size,
               errno, kgc_last_error());
        return;
    }
    p->bytes -= n->size;
    n->size = n->size < size ? n->size / 8 * 8 : size / 8 * 8;
    content_verify(n, moved, "after resizing");
    n->size = size;
    content_write(n, moved);
    if (moved != object) {
        p->counts.moved++;
        n->has_finalizer = false;
    }
    enter(p, n, moved);
    store_root(r, moved);
    if (had_link)
        object_link(n, moved);
    GC_reachable_here(moved);
}

void object_free(struct partition *p, struct root *r)
{
    struct node *n = node_of(r->target);
    void *object = address_of(n);
    object_unlink(n);
    set_root(p, r, NULL, 0);
    node_leaves(p, n);
    p->counts.released++;
    if (n->sort == ROOTED)
        kgc_free(object);
    else if (n->sort == EXPLICIT)
        kgc_kind_free(NULL, object);
    else if ((n->sort == LIBGC || n->sort == LIBGC_ATOMIC) &&
             !n->has_finalizer) /* GC_free() would leave it */
        GC_FREE(object);
    else
        kgc_release(object);
}

void object_link(struct node *n, void *object)
{
    n->link = 1;
    if (GC_general_register_disappearing_link((void **)&n->link, object) == GC_NO_MEMORY)
        broken("no memory for a disappearing link");
    n->has_link = true;
}

void object_unlink(struct node *n)
{
    if (n->has_link)
        GC_unregister_disappearing_link((void **)&n->link);
    n->has_link = false;
}
