/* SPDX-License-Identifier: MIT */
/*
 * Kinds across fork(2).
 *
 * Private memory is copied by the kernel.  A file is shared: a child that
 * wrote to its heap would write into its parent's.  So before the fork the
 * parent makes a copy of each file (shared blocks where the file system can,
 * data only elsewhere), which the child maps in its place before fork returns
 * in it.  The copy is made in the last of the prepare handlers, with libgc's
 * and the program's own locks held, so what they guard is consistent in it.
 * With the setting fork=none, or when no copy can be made, the child has no
 * access at all to the memory: touching it is a SIGSEGV, never a write into
 * the parent's.
 *
 * posix_spawn(3) and vfork(2) run no handlers and need none.
 */
#include "base/message.h"
#include "base/options.h"
#include "extent/placed.h"
#include "kind/kind.h"
#include "os/file.h"
#include "os/os.h"
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

/* fork(2) runs one thread's handlers at a time, under libc's lock.  Files
   beyond the table stay without a copy: the child gets nothing of them. */
enum { FILES_MAX = 512 };
static struct {
    kgc_kind *kind;
    int copy; /* -1: the child gets nothing */
} files[FILES_MAX];
static size_t count;

_Atomic bool kgc__kinds_protected;

/* A file with the same contents.  0 or an errno value. */
static int make_copy(kgc_kind *kind, int *copy)
{
    struct kgc__range *range = &kind->space.range;
    int error = kgc__file_open(kind->directory, (off_t)range->size, copy);
    if (error != 0)
        return error;
    for (enum kgc__side side = KGC__LOW; error == 0 && side <= KGC__HIGH; side++) {
        struct kgc__span ready = kgc__range_ready(range, side);
        error = kgc__file_copy(kind->space.file.fd, *copy, ready.start - range->base, (off_t)ready.size);
    }
    if (error != 0)
        kgc__file_close(*copy);
    return error;
}

static void before_fork(kgc_kind *kind, void *arg)
{
    (void)arg;
    if (kind->space.range.base == NULL || kind->space.file.fd < 0)
        return;
    struct kgc__range *range = &kind->space.range;
    int copy = -1, error = 0;
    bool wanted = strcmp(kgc__settings.fork, "none") != 0 && count < FILES_MAX && kgc__file_is_open(&kind->space.file);
    if (wanted)
        error = make_copy(kind, &copy);
    if (error != 0) {
        kgc__warn("fork: no copy of %s can be made (%s): the child has no access to it", kind->name,
                  strerrordesc_np(error));
        copy = -1;
    }
    if (copy < 0)
        kgc__os_set_inherited(range->base, range->size, false);
    if (count < FILES_MAX) {
        files[count].kind = kind;
        files[count++].copy = copy;
    }
}

void kgc__kinds_before_fork(void)
{
    if (count != 0)
        count = 0;
    kgc_kind_visit(before_fork, NULL);
}

void kgc__kinds_after_fork_in_parent(void)
{
    for (size_t i = 0; i < count; i++) {
        struct kgc__range *range = &files[i].kind->space.range;
        if (files[i].copy >= 0)
            kgc__file_close(files[i].copy);
        else
            kgc__os_set_inherited(range->base, range->size, true);
    }
}

/* Maps the copy over the whole range, except where its pages are not the
   kind's: those that objects were placed on are not this file's affair. */
static int map_copy(const struct kgc__range *range, int copy)
{
    int error = 0;
    struct kgc__placed_run run = {0};
    for (char *at = range->base, *end = at + range->size; error == 0 && at < end; at = run.start + run.size) {
        if (!kgc__placed_next(at, &run) || run.start >= end)
            run = (struct kgc__placed_run){.start = end};
        if (run.start > at)
            error = kgc__file_map(at, (size_t)(run.start - at), PROT_NONE, copy, at - range->base);
    }
    return error;
}

/* Puts the copy in the file's place. */
static int adopt(kgc_kind *kind, int copy)
{
    struct kgc__range *range = &kind->space.range;
    int error = map_copy(range, copy);
    for (enum kgc__side side = KGC__LOW; error == 0 && side <= KGC__HIGH; side++) {
        struct kgc__span ready = kgc__range_ready(range, side);
        if (ready.size == 0)
            continue;
        /* Where libgc watches writes by protection, everything is protected:
           the first write to each page then tells it, as it expects. */
        error = side == KGC__LOW && atomic_load(&kgc__kinds_protected)
                    ? kgc__os_make_read_only(ready.start, ready.size)
                    : kgc__os_make_usable(ready.start, ready.size);
    }
    return error;
}

static void take_over(kgc_kind *kind, void *arg)
{
    (void)arg;
    kgc__hugetlb_after_fork_in_child(kind);
    kgc__locked_after_fork_in_child(kind);
}

void kgc__kinds_after_fork_in_child(void)
{
    kgc_kind_visit(take_over, NULL);
    for (size_t i = 0; i < count; i++) {
        kgc_kind *kind = files[i].kind;
        int copy = files[i].copy;
        if (copy < 0)
            continue; /* the kernel has left the range out */
        int error = adopt(kind, copy);
        if (error != 0) {
            kgc__os_release(kind->space.range.base, kind->space.range.size);
            kgc__warn("fork: the copy of %s cannot be mapped in the child (%s): it has no access to it", kind->name,
                      strerrordesc_np(error));
        }
        kgc__file_replace(&kind->space.file, copy);
    }
}
