/* SPDX-License-Identifier: MIT */
/*
 * Placed pages across fork(2), as kind/fork.c does it for whole kinds: files
 * are shared, so a child gets copies or, with fork=none, no access.  Locks of
 * memory are not inherited.
 *
 * fork(2) runs one thread's handlers at a time, and libgc's lock is held.
 */
#include "base/message.h"
#include "base/options.h"
#include "os/file.h"
#include "os/os.h"
#include "section/place.h"
#include <stdatomic.h>
#include <string.h>

/* By the number in extent/placed.h; fd -1: the child gets nothing. */
static struct kgc__file copies[KGC__PLACED_NUMBERS];

static kgc_kind *leaf_of(unsigned number)
{
    return atomic_load(&kgc__placed_owners[number]);
}

static bool is_shared(unsigned number)
{
    kgc_kind *leaf = leaf_of(number);
    return leaf != NULL && leaf->placed_file.fd >= 0;
}

static int make_copy(const kgc_kind *leaf, struct kgc__file *copy)
{
    int fd;
    off_t size = (off_t)(leaf->placed_slots * KGC_GIB);
    int error = kgc__file_open(leaf->directory, size, &fd);
    if (error != 0)
        return error;
    error = kgc__file_copy(leaf->placed_file.fd, fd, 0, size);
    if (error != 0) {
        kgc__file_close(fd);
        return error;
    }
    kgc__file_adopt(copy, fd);
    copy->alone = leaf->placed_file.alone;
    return 0;
}

/* Which runs of a leaf that the child gets nothing of it is to inherit. */
static void set_inherited(bool inherited)
{
    struct kgc__placed_run run;
    for (char *at = NULL; kgc__placed_next(at, &run); at = run.start + run.size)
        if (is_shared(run.number) && copies[run.number].fd < 0)
            kgc__os_set_inherited(run.start, run.size, inherited);
}

void kgc__place_before_fork(void)
{
    bool wanted = strcmp(kgc__settings.fork, "none") != 0;
    if (atomic_load(&kgc__placed_pages) == 0)
        return;
    for (unsigned i = 1; i < KGC__PLACED_PENDING; i++) {
        copies[i].fd = -1;
        kgc_kind *leaf = leaf_of(i);
        if (!wanted || !is_shared(i) || atomic_load(&leaf->space.range.placed) == 0 ||
            !kgc__file_is_open(&leaf->placed_file))
            continue;
        int error = make_copy(leaf, &copies[i]);
        if (error != 0)
            kgc__warn("fork: no copy of the objects on %s can be made (%s): the child has no access to them",
                      leaf->name, strerrordesc_np(error));
    }
    set_inherited(false);
}

void kgc__place_after_fork_in_parent(void)
{
    if (atomic_load(&kgc__placed_pages) == 0)
        return;
    set_inherited(true);
    for (unsigned i = 1; i < KGC__PLACED_PENDING; i++)
        if (is_shared(i))
            kgc__file_drop(&copies[i]);
}

/* The place in the file is that in the original. */
static int adopt(const struct kgc__placed_run *run)
{
    size_t slot = kgc__placed_piece(run->start)->slot[run->number];
    off_t offset = (off_t)((slot - 1) * KGC_GIB + ((uintptr_t)run->start & (KGC_GIB - 1)));
    int error = kgc__file_map_piece(&copies[run->number], run->start, run->size, offset);
    /* See kind/fork.c: libgc's watch on writes. */
    return error == 0 && atomic_load(&kgc__kinds_protected) ? kgc__os_make_read_only(run->start, run->size)
                                                            : error;
}

static void take_over(const struct kgc__placed_run *run)
{
    const kgc_kind *leaf = leaf_of(run->number);
    int error = 0;
    if (is_shared(run->number) && copies[run->number].fd >= 0) {
        error = adopt(run);
        if (error != 0) {
            kgc__os_release(run->start, run->size);
            kgc__warn("fork: the copy of objects on %s cannot be mapped in the child (%s): it has no access "
                      "to them",
                      leaf->name, strerrordesc_np(error));
        }
    } else if (leaf != NULL && leaf->locked && (error = kgc__os_lock(run->start, run->size)) != 0) {
        kgc__warn("fork: the child's copy of objects on \"%s\" cannot be locked (%s): it may be swapped out",
                  leaf->name, strerrordesc_np(error));
    }
}

void kgc__place_after_fork_in_child(void)
{
    struct kgc__placed_run run;
    if (atomic_load(&kgc__placed_pages) == 0)
        return;
    for (char *at = NULL; kgc__placed_next(at, &run); at = run.start + run.size)
        take_over(&run);
    for (unsigned i = 1; i < KGC__PLACED_PENDING; i++)
        if (is_shared(i) && copies[i].fd >= 0)
            kgc__file_replace(&leaf_of(i)->placed_file, copies[i].fd);
}
