/* SPDX-License-Identifier: MIT */
/*
 * What lies behind placed pages: see place.h.
 *
 * Ordinary pages are mapped anew, which gives back what was there and frees
 * them of all that was set on it, and then get the kind's policy, advice or
 * lock.  Neighbours that are alike become one mapping.
 *
 * A file kind has a file of its own for pages of the heap.  Each GiB of
 * addresses in which it has pages has a GiB of that file, so neighbours are
 * neighbours there.  Blocks are promised before a page moves, and punched out
 * when it goes.
 *
 * A page that keeps its contents is written to the file before that is mapped
 * over it, or copied through the stack.
 */
#include "base/message.h"
#include "base/size.h"
#include "os/file.h"
#include "os/os.h"
#include "section/place.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static bool is_file(const kgc_kind *leaf)
{
    return leaf != NULL && leaf->directory[0] != '\0';
}

static int failed(const kgc_kind *leaf, int error, const char *call)
{
    kgc__fail_errno(error, "%s: %s", leaf != NULL ? leaf->name : "plain memory", call);
    return ENOMEM;
}

static off_t in_own_file(const kgc_kind *leaf, const char *p)
{
    size_t slot = kgc__placed_piece(p)->slot[leaf->placed_number];
    return (off_t)((slot - 1) * KGC_GIB + ((uintptr_t)p & (KGC_GIB - 1)));
}

static int open_file(kgc_kind *leaf, size_t size)
{
    if (leaf->placed_file.fd >= 0)
        return kgc__file_extend(&leaf->placed_file, (off_t)size);
    int fd, error = kgc__file_open(leaf->directory, (off_t)size, &fd);
    if (error == 0) {
        kgc__file_adopt(&leaf->placed_file, fd);
        kgc__file_measure(&leaf->placed_file);
    }
    return error;
}

/* Room in the leaf's file for the GiB of an address. */
static int make_slot(kgc_kind *leaf, const char *p)
{
    unsigned short *slot = &kgc__placed_piece(p)->slot[leaf->placed_number];
    size_t size = (leaf->placed_slots + 1) * KGC_GIB;
    if (*slot != 0)
        return 0;
    if (size > kgc__file_size_limit())
        return kgc__fail(ENOMEM, "%s: RLIMIT_FSIZE does not allow a file of %u GiB; raise it (ulimit -f)",
                         leaf->name, leaf->placed_slots + 1);
    int error = open_file(leaf, size);
    if (error != 0)
        return failed(leaf, error, "a temporary file for pages of the heap");
    *slot = (unsigned short)++leaf->placed_slots;
    return 0;
}

static int promise(kgc_kind *leaf, const char *p, size_t size)
{
    int error = make_slot(leaf, p);
    if (error != 0)
        return error;
    error = kgc__file_kind_promise(leaf, &leaf->placed_file, in_own_file(leaf, p), size);
    return error == 0 ? 0 : failed(leaf, error, "no disk blocks for pages of the heap");
}

static int map_own_file(kgc_kind *leaf, char *p, size_t size)
{
    int error = kgc__file_map_piece(&leaf->placed_file, p, size, in_own_file(leaf, p));
    if (error == 0)
        return 0;
    kgc__place_gone(leaf, p, size);
    return failed(leaf, error, "mmap(2)");
}

/* The pages of a section that lies on a file. */
static int map_range_file(const kgc_kind *leaf, char *p, size_t size)
{
    if (!kgc__file_is_open(&leaf->space.file))
        return EBADF;
    return kgc__file_map(p, size, PROT_READ | PROT_WRITE, leaf->space.file.fd, p - leaf->space.range.base);
}

/* What a leaf's ordinary pages have that others have not. */
static int dress(const kgc_kind *leaf, char *p, size_t size)
{
    if (leaf == NULL)
        return 0;
    int error = kgc__numa_dress(leaf, p, size);
    if (error != 0)
        return failed(leaf, error, "mbind(2)");
    if (leaf->thp && (error = kgc__os_advise_huge(p, size)) != 0)
        return failed(leaf, error, "madvise(MADV_HUGEPAGE)");
    if (leaf->locked && (error = kgc__os_exclude_from_dumps(p, size)) != 0)
        return failed(leaf, error, "madvise(MADV_DONTDUMP)");
    if (!leaf->locked || (error = kgc__os_lock(p, size)) == 0)
        return 0;
    kgc__fail(ENOMEM, "%s: %zu bytes cannot be locked (%s): raise RLIMIT_MEMLOCK (ulimit -l)", leaf->name,
              size, strerrordesc_np(error));
    return ENOMEM;
}

int kgc__place_fresh(kgc_kind *leaf, bool placed, char *p, size_t size, bool *undressed)
{
    int error;
    if (is_file(leaf) && !placed)
        return map_range_file(leaf, p, size);
    if (is_file(leaf)) {
        error = promise(leaf, p, size);
        return error != 0 ? error : map_own_file(leaf, p, size);
    }
    error = kgc__os_map_fresh(p, size);
    if (error != 0)
        return failed(leaf, error, "mmap(2)");
    error = dress(leaf, p, size);
    *undressed = error != 0;
    return error;
}

static int move_to_file(kgc_kind *to, char *p)
{
    int error = promise(to, p, KGC__PLACED_PAGE);
    if (error != 0)
        return error;
    error = kgc__file_write(&to->placed_file, p, KGC__PLACED_PAGE, in_own_file(to, p));
    if (error == 0)
        return map_own_file(to, p, KGC__PLACED_PAGE);
    kgc__place_gone(to, p, KGC__PLACED_PAGE);
    return failed(to, error, "pwrite(2)");
}

/* After an attempt that left fresh pages: a file has the contents still. */
static void move_back(kgc_kind *from, bool from_placed, char *p, const char *contents)
{
    int error = !is_file(from) ? ENOENT
                : from_placed
                    ? kgc__file_map_piece(&from->placed_file, p, KGC__PLACED_PAGE, in_own_file(from, p))
                    : map_range_file(from, p, KGC__PLACED_PAGE);
    if (error == 0)
        return;
    if (!is_file(from))
        dress(from, p, KGC__PLACED_PAGE);
    memcpy(p, contents, KGC__PLACED_PAGE);
}

int kgc__place_move(kgc_kind *from, bool from_placed, kgc_kind *to, char *p)
{
    char contents[KGC__PLACED_PAGE];
    if (is_file(to))
        return move_to_file(to, p);
    memcpy(contents, p, sizeof contents);
    int error = kgc__os_map_fresh(p, KGC__PLACED_PAGE);
    if (error != 0)
        return failed(to, error, "mmap(2)");
    error = dress(to, p, KGC__PLACED_PAGE);
    if (error == 0) {
        memcpy(p, contents, sizeof contents);
        return 0;
    }
    kgc__os_map_fresh(p, KGC__PLACED_PAGE); /* rid of what dressing has begun */
    move_back(from, from_placed, p, contents);
    return error;
}

void kgc__place_gone(kgc_kind *leaf, char *p, size_t size)
{
    if (is_file(leaf) && kgc__file_punch(&leaf->placed_file, in_own_file(leaf, p), (off_t)size) != 0)
        leaf->placed_stale = true;
}

void kgc__place_wipe(const kgc_kind *leaf, char *p, size_t size)
{
    if (leaf != NULL && leaf->locked)
        explicit_bzero(p, size);
}
