/* SPDX-License-Identifier: MIT */
/* The list of mappings: see maps.h.  The calling thread's: /proc/self is the
   main thread's, which has none any more when it has ended before others. */
#include "leak/maps.h"
#include "os/os.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 32 * 1024, FIRST_ROOM = 1024 };

static uintptr_t number(const char **p, unsigned base)
{
    uintptr_t n = 0;
    for (;; ++*p) {
        unsigned c = (unsigned char)**p;
        unsigned digit = c - '0' < 10u ? c - '0' : c - 'a' < 6u ? c - 'a' + 10 : base;
        if (digit >= base)
            return n;
        n = n * base + digit;
    }
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* By a shared mapping's name. */
static enum kgc__mapped sort_shared(const char *path)
{
    static const char *const memory[] = {"/memfd:", "/dev/zero",      "/dev/shm/",      "/SYSV",
                                         "/[aio]",  "/anon_hugepage", "/dev/hugepages/"};
    static const char *const others[] = {"/dev/", "/sys/", "/proc/", "/dmabuf:", "anon_inode:", "socket:"};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (begins(path, memory[i]))
            return KGC__MAP_SHARED;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(path, others[i]))
            return KGC__MAP_OTHER;
    return *path == '/' ? KGC__MAP_FILE : KGC__MAP_OTHER;
}

static enum kgc__mapped sort(const char *path, bool shared)
{
    if (shared)
        return sort_shared(path);
    if (begins(path, "[v") || begins(path, "[uprobes]")) /* vdso, vvar, vsyscall */
        return KGC__MAP_OTHER;
    if (begins(path, "/dev/") && !begins(path, "/dev/zero") && !begins(path, "/dev/shm/") &&
        !begins(path, "/dev/hugepages/"))
        return KGC__MAP_OTHER;
    return KGC__MAP_PRIVATE;
}

/* "7f1200000000-7f1200021000 rw-p 00000000 fd:01 1234    /path" */
static int take_line(struct kgc__maps *m, struct kgc__scratch *scratch, const char *line)
{
    const char *p = line;
    uintptr_t lo = number(&p, 16);
    if (*p++ != '-')
        return EINVAL;
    uintptr_t hi = number(&p, 16);
    if (*p != ' ' || strlen(p) < 6 || hi <= lo)
        return EINVAL;
    const char *rights = ++p;
    for (unsigned fields = 0; fields < 4 && p != NULL; fields++) {
        p = strchr(p, ' ');
        p = p != NULL ? p + strspn(p, " ") : NULL;
    }
    const char *path = p != NULL ? p : "";
    enum kgc__mapped what = sort(path, rights[3] == 's');
    bool file = what == KGC__MAP_PRIVATE && *path == '/' && rights[0] == 'r';
    struct kgc__map *before = m->count != 0 ? &m->map[m->count - 1] : NULL;
    if (file && before != NULL && before->file && before->hi == lo) {
        before->hi = hi;
        before->writable |= rights[1] == 'w';
        return 0;
    }
    if (m->count == m->room) {
        struct kgc__map *more =
            kgc__scratch_grow(scratch, m->map, m->count * sizeof *more, 2 * m->room * sizeof *more);
        if (more == NULL)
            return ENOMEM;
        m->map = more;
        m->room *= 2;
    }
    m->map[m->count++] = (struct kgc__map){.lo = lo,
                                           .hi = hi,
                                           .readable = rights[0] == 'r',
                                           .writable = rights[1] == 'w',
                                           .stack = strcmp(path, "[stack]") == 0,
                                           .file = file,
                                           .what = (unsigned char)what};
    m->io_uring |= begins(path, "anon_inode:[io_uring]");
    m->aio |= begins(path, "/[aio]");
    return 0;
}

static int read_all(struct kgc__maps *m, struct kgc__scratch *scratch, int fd, char *text)
{
    size_t filled = 0;
    for (;;) {
        ssize_t n = read(fd, text + filled, TEXT - 1 - filled);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return filled == 0 && m->count != 0 ? 0 : EIO;
        filled += (size_t)n;
        char *line = text;
        for (char *end; (end = memchr(line, '\n', filled - (size_t)(line - text))) != NULL; line = end + 1) {
            *end = '\0';
            int error = take_line(m, scratch, line);
            if (error != 0)
                return error;
        }
        filled -= (size_t)(line - text);
        memmove(text, line, filled);
    }
}

int kgc__maps_read(struct kgc__maps *m, struct kgc__scratch *scratch)
{
    *m = (struct kgc__maps){.room = FIRST_ROOM};
    char *text = kgc__scratch_take(scratch, TEXT);
    m->map = kgc__scratch_take(scratch, m->room * sizeof *m->map);
    if (text == NULL || m->map == NULL)
        return ENOMEM;
    int fd = kgc__os.open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = read_all(m, scratch, fd, text);
    close(fd);
    return error;
}
