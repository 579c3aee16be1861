/* SPDX-License-Identifier: MIT */
/* Which pages lie where: see place.h. */
#include "section/place.h"
#include "base/message.h"
#include "base/size.h"
#include "os/os.h"
#include "section/table.h"
#include <errno.h>
#include <gc/gc.h>

enum { PAGE = KGC__PLACED_PAGE };

/* Pages of one section, in one GiB, with one number. */
struct run {
    kgc_kind *section; /* NULL: plain memory */
    unsigned number;
    size_t size;
};

/* Why single pages of a leaf cannot be exchanged for others, or be others; NULL: they can. */
static const char *obstacle(const kgc_kind *leaf)
{
    return leaf == NULL                   ? NULL
           : leaf->caller_hooks != NULL   ? "it is made of the caller's own hooks"
           : leaf->fixed.start != NULL    ? "its memory is the caller's"
           : leaf->hugetlb.mapped != NULL ? "its pages are larger than those of the collector"
                                          : NULL;
}

static const char *obstacle_of_any(const kgc_kind *kind)
{
    const char *why = obstacle(kind);
    for (unsigned i = 0; why == NULL && i < kind->members; i++)
        why = obstacle(kind->member[i]);
    return why;
}

int kgc__place_check(const kgc_kind *kind, const kgc_kind *heap)
{
    const char *why = obstacle_of_any(kind);
    if (kgc__page_size() != PAGE)
        return kgc__fail(
            ENOTSUP, "%s: objects can be placed only where pages have 4 KiB, as the collector's blocks do",
            kind->name);
    if (why != NULL)
        return kgc__fail(ENOTSUP, "%s cannot hold single pages of the heap: %s", kind->name, why);
    why = heap != NULL ? obstacle_of_any(heap) : NULL;
    if (why != NULL)
        return kgc__fail(ENOTSUP, "the heap lies on %s, which cannot spare single pages: %s", heap->name,
                         why);
    return 0;
}

bool kgc__place_is_on(const kgc_kind *kind, const void *p, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        kgc_kind *of = kgc_kind_of((const char *)p + at);
        if (of == NULL || kgc__kind_root(of) != kind)
            return false;
    }
    return true;
}

/* The run that begins at p.  False: no section is there. */
static bool find_run(char *p, char *end, struct run *out)
{
    const struct kgc__section_record *s = kgc__table_find(p);
    if (s == NULL || s->base > p)
        return false;
    char *stop = (char *)kgc__round_down((uintptr_t)p, KGC_GIB) + KGC_GIB, *at = p + PAGE;
    if (stop > end)
        stop = end;
    if (stop > s->base + s->size)
        stop = s->base + s->size;
    out->section = s->kind;
    out->number = kgc__placed_number(p);
    while (at < stop && kgc__placed_number(at) == out->number)
        at += PAGE;
    out->size = (size_t)(at - p);
    return true;
}

static kgc_kind *leaf_of(unsigned number)
{
    return number != 0 ? atomic_load(&kgc__placed_owners[number]) : NULL;
}

/* Where the pages of a run lie now. */
static kgc_kind *place_of(const struct run *run)
{
    return run->number != 0 ? leaf_of(run->number) : run->section;
}

static void set_number(char *p, size_t size, unsigned number)
{
    kgc__place_count_mappings(p, size, number);
    kgc__placed_set(p, size, number);
}

/* The pages of a run have been exchanged. */
static void leave(const struct run *run, char *p)
{
    kgc_kind *leaf = leaf_of(run->number);
    if (run->number == 0 && run->section != NULL && run->section->locked)
        kgc__locked_note(run->section, p, run->size, false);
    if (leaf == NULL)
        return;
    kgc__place_gone(leaf, p, run->size);
    kgc__range_unplace(&leaf->space.range, run->size);
    if (leaf->parent != NULL)
        atomic_fetch_sub(&leaf->parent->granted, run->size);
}

static int exchange(kgc_kind *leaf, struct run *run, char *p, bool keep)
{
    bool undressed = false;
    if (kgc__placed_piece(p) == NULL)
        return kgc__fail(ENOMEM, "%s: no memory for the table of placed pages", leaf->name);
    if (leaf->placed_number == 0)
        leaf->placed_number = kgc__placed_claim(leaf);
    if (leaf->placed_number == 0)
        return kgc__fail(ENOMEM, "%s: objects lie on %d kinds already, which is the most", leaf->name,
                         KGC__PLACED_PENDING - 1);
    if (keep)
        return kgc__place_move(place_of(run), run->number != 0, leaf, p);
    kgc__place_wipe(place_of(run), p, run->size);
    int error = kgc__place_fresh(leaf, true, p, run->size, &undressed);
    if (undressed && error != 0) {
        leave(run, p);
        set_number(p, run->size, KGC__PLACED_PENDING);
        run->number = KGC__PLACED_PENDING;
    }
    return error;
}

static int put_on(kgc_kind *leaf, struct run *run, char *p, bool keep, size_t *fresh)
{
    char text[24];
    int error = 0;
    if (!kgc__range_place(&leaf->space.range, run->size)) {
        error = kgc__fail(ENOMEM, "%s: its limit of %s is reached", leaf->name,
                          kgc__format_size(leaf->space.range.limit, text));
    } else {
        error = exchange(leaf, run, p, keep);
        if (error != 0)
            kgc__range_unplace(&leaf->space.range, run->size);
    }
    if (error != 0) {
        atomic_fetch_add(&leaf->space.refusals, 1);
        return error;
    }
    leave(run, p);
    set_number(p, run->size, leaf->placed_number);
    *fresh += leaf->placed_stale ? 0 : run->size;
    return 0;
}

/* As the hooks of tiers and ratios do, member after member. */
static int put_on_member(kgc_kind *kind, struct run *run, char *p, bool keep, size_t *fresh)
{
    unsigned refused = 0;
    int error = 0;
    char text[24];
    if (!kgc__members_grant(kind, run->size))
        return kgc__fail(ENOMEM, "%s: its limit of %s is reached", kind->name,
                         kgc__format_size(kind->caller_limit, text));
    for (unsigned asked = 0; asked < kind->members; asked++) {
        unsigned i = kind->choose(kind, run->size, refused);
        error = put_on(kind->member[i], run, p, keep, fresh);
        if (error == 0)
            return 0;
        refused |= 1u << i;
    }
    atomic_fetch_sub(&kind->granted, run->size);
    return error;
}

static int put_run(kgc_kind *kind, struct run *run, char *p, bool keep, size_t *fresh)
{
    if (obstacle(run->section) != NULL)
        return kgc__fail(ENOTSUP, "the heap lies on %s, which cannot spare single pages: %s",
                         run->section->name, obstacle(run->section));
    int error = kgc__place_check_mappings(kind);
    if (error != 0)
        return error;
    return kind->members != 0 ? put_on_member(kind, run, p, keep, fresh) : put_on(kind, run, p, keep, fresh);
}

int kgc__place_put(kgc_kind *kind, char *p, size_t size, bool keep, size_t *fresh)
{
    *fresh = 0;
    for (char *at = p, *end = p + size; at < end;) {
        struct run run;
        if (!find_run(at, end, &run))
            return kgc__fail(ENOTSUP, "the heap has memory from before this library was loaded");
        int error = kgc__place_is_on(kind, at, PAGE) ? 0 : put_run(kind, &run, at, keep, fresh);
        if (error != 0)
            return error;
        at += run.size;
    }
    return 0;
}

static void restore_run(const struct run *run, char *p)
{
    bool undressed = false;
    kgc__place_wipe(leaf_of(run->number), p, run->size);
    int error = kgc__place_fresh(run->section, false, p, run->size, &undressed);
    if (error != 0 && !undressed)
        return;
    leave(run, p);
    set_number(p, run->size, undressed ? KGC__PLACED_PENDING : 0);
    if (!undressed && run->section != NULL && run->section->locked)
        kgc__locked_note(run->section, p, run->size, true);
}

void kgc__place_restore(char *p, size_t size)
{
    struct kgc__placed_run placed;
    for (char *at = p, *end = p + size; at < end && kgc__placed_next(at, &placed) && placed.start < end;) {
        struct run run;
        at = placed.start > at ? placed.start : at;
        if (!find_run(at, end, &run))
            return; /* cannot be: only sections are placed */
        restore_run(&run, at);
        at += run.size;
    }
}

/* libgc is asked for each block: GC_base() takes no lock. */
static void reclaim_run(char *at, char *end)
{
    while (at < end) {
        char *first = at;
        while (at < end && GC_base(at) == NULL)
            at += PAGE;
        if (at != first)
            kgc__place_restore(first, (size_t)(at - first));
        for (char *base; at < end && (base = GC_base(at)) != NULL;) {
            char *behind = (char *)kgc__round_up((uintptr_t)base + GC_size(base), PAGE);
            at = behind > at ? behind : at + PAGE;
        }
    }
}

void kgc__place_reclaim(void)
{
    struct kgc__placed_run run;
    for (char *at = NULL; kgc__placed_next(at, &run); at = run.start + run.size)
        reclaim_run(run.start, run.start + run.size);
}
