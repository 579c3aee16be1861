/* SPDX-License-Identifier: MIT */
/*
 * Memory on an unlinked temporary file: the system writes pages to disk when
 * memory is short, instead of killing the program.
 *
 * An address's place in the file is its distance from the range's base, so
 * neighbouring pieces are one mapping.  Blocks are promised (fallocate) when
 * memory is handed out, so that a full disk is a refusal; purging punches
 * holes.  The file has no name and goes with the process.
 */
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/file.h"
#include "os/os.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

static off_t place(const struct kgc__space *s, const void *p)
{
    return (const char *)p - s->range.base;
}

int kgc__file_kind_promise(const kgc_kind *kind, const struct kgc__file *file, off_t offset, size_t size)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    int error = kgc__file_promise(file, offset, (off_t)size);
    if (error != EOPNOTSUPP && error != ENOSYS)
        return error;
    if (!atomic_flag_test_and_set(&said))
        kgc__warn("%s: this file system cannot promise disk blocks: when the disk is full, the program "
                  "will be killed by SIGBUS",
                  kind->name);
    return 0;
}

static int provide(struct kgc__space *s, void *p, size_t size)
{
    int error = kgc__file_kind_promise((const kgc_kind *)s, &s->file, place(s, p), size);
    return error != 0 ? error : kgc__os_make_usable(p, size);
}

static int punch(struct kgc__space *s, void *p, size_t size)
{
    return kgc__file_punch(&s->file, place(s, p), (off_t)size);
}

static const struct kgc__backing file_backing = {.provide = provide, .discard = punch, .take_back = punch};

size_t kgc__file_size_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return kgc__round_down((size_t)limit.rlim_cur, kgc__page_size());
}

static int why_not(int error, const struct kgc__spec *spec)
{
    struct stat st;
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        if (stat(spec->directory, &st) != 0 || !S_ISDIR(st.st_mode))
            return kgc__fail(error, "%s: %s is not a directory; create it or name another", spec->text,
                             spec->directory);
        __attribute__((fallthrough)); /* /proc, say */
    case EACCES:
    case EPERM:
    case EROFS:
        return kgc__fail(error, "%s: no file can be created in %s; name a directory that you may write to",
                         spec->text, spec->directory);
    default:
        return kgc__fail_errno(error, "%s: a temporary file in %s", spec->text, spec->directory);
    }
}

int kgc__file_open_kind(kgc_kind *kind, const struct kgc__spec *spec)
{
    struct kgc__space *s = &kind->space;
    size_t limit = spec->limit, most = kgc__file_size_limit();
    if (most == 0)
        return kgc__fail(EFBIG, "%s: RLIMIT_FSIZE allows no file; raise it (ulimit -f)", spec->text);
    if (limit > most)
        limit = most;
    int error, fd = -1;
    for (;;) {
        error = kgc__space_open(s, &file_backing, limit, kgc__page_size(), kind);
        if (error != 0)
            return error;
        error = kgc__file_open(spec->directory, (off_t)s->range.size, &fd);
        if (error != EFBIG || s->range.size < 2 * KGC_MIB)
            break;
        limit = s->range.size / 2; /* a file system with small files: take what it can */
        kgc__space_close(s);
    }
    if (error == 0) {
        error = kgc__file_map(s->range.base, s->range.size, PROT_NONE, fd, 0);
        if (error != 0)
            kgc__file_close(fd);
    }
    if (error != 0) {
        kgc__space_close(s);
        return why_not(error, spec);
    }
    kgc__file_adopt(&s->file, fd);
    strcpy(kind->directory, spec->directory);
    kind->slow = true;
    return 0;
}

void kgc__file_close_kind(kgc_kind *kind)
{
    if (kind->space.range.base != NULL)
        kgc__file_drop(&kind->space.file);
    kgc__file_drop(&kind->placed_file);
}
