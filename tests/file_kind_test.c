/* SPDX-License-Identifier: MIT */
/* Memory on temporary files: names, promises of disk blocks, holes, limits,
   forked children, and a full disk. */
#include "base/options.h"
#include "base/size.h"
#include "misuse.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static kgc_kind *open_file(const char *directory, const char *settings)
{
    char spec[KGC__SPEC_MAX];
    snprintf(spec, sizeof spec, "file:%s%s", directory, settings);
    return open_kind(spec);
}

/* Bytes that the file takes on its disk. */
static size_t blocks(kgc_kind *kind)
{
    struct stat st;
    ck_assert_int_eq(fstat(kind->space.file.fd, &st), 0);
    return (size_t)st.st_blocks * 512;
}

START_TEST(nameless)
{
    const char *directory = make_directory();
    kgc_kind *kind = open_file(directory, "");
    struct stat st;
    ck_assert_int_eq(fstat(kind->space.file.fd, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_nlink, 0);
    ck_assert_uint_eq((size_t)st.st_size, kind->space.range.size);
    ck_assert_int_eq(fcntl(kind->space.file.fd, F_GETFD), FD_CLOEXEC);
    memset(take_extent(kind, KGC_MIB), 1, KGC_MIB);
    ck_assert_uint_eq(count_names(directory), 0);
    close_kind(kind);
    remove_directory(directory);
}
END_TEST

START_TEST(without_tmpfile)
{
    const char *directory = make_directory();
    static const int errors[] = {EOPNOTSUPP, EISDIR}; /* how file systems and old kernels say it */
    for (int i = 0; i < 2; i++) {
        fault_arm(FAULT_OPEN, 1, false, errors[i]);
        kgc_kind *kind = open_file(directory, "");
        ck_assert_uint_eq(fault_hits(), 1);
        fault_disarm();
        struct stat st;
        ck_assert_int_eq(fstat(kind->space.file.fd, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(fcntl(kind->space.file.fd, F_GETFD), FD_CLOEXEC);
        ck_assert_uint_eq(count_names(directory), 0);
        *take_extent(kind, PAGE) = 1;
        close_kind(kind);
    }
    remove_directory(directory);
}
END_TEST

/* A file that is in the way of the name is left alone. */
START_TEST(without_tmpfile_beside_others)
{
    const char *directory = make_directory();
    char path[4200];
    snprintf(path, sizeof path, "%s/.kindgc-%ld-0", directory, (long)getpid());
    ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    fault_arm(FAULT_OPEN, 1, false, EOPNOTSUPP);
    kgc_kind *kind = open_file(directory, "");
    fault_disarm();
    ck_assert_uint_eq(count_names(directory), 1);
    *take_extent(kind, PAGE) = 1;
    close_kind(kind);
    ck_assert_int_eq(unlink(path), 0);
    remove_directory(directory);
}
END_TEST

START_TEST(blocks_are_promised)
{
    kgc_kind *kind = open_kind("file:/var/tmp");
    ck_assert_uint_lt(blocks(kind), 64 * KGC_KIB); /* sparse */
    take_extent(kind, 8 * KGC_MIB);
    ck_assert_uint_ge(blocks(kind), 8 * KGC_MIB); /* untouched, and yet there */
    try_extent(kind, 4 * KGC_MIB, KGC_ARENA_COLLECTOR);
    ck_assert_uint_ge(blocks(kind), 12 * KGC_MIB);
}
END_TEST

START_TEST(purging_returns_blocks)
{
    kgc_kind *kind = open_kind("file:/var/tmp");
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 8 * KGC_MIB);
    memset(p, 7, 8 * KGC_MIB);
    size_t before = blocks(kind);
    ck_assert(!h->purge_forced(h, p, 8 * KGC_MIB, KGC_MIB, 4 * KGC_MIB, ARENA));
    ck_assert_uint_le(blocks(kind), before - 4 * KGC_MIB);
    ck_assert(all_bytes(p, KGC_MIB, 7));
    ck_assert(all_bytes(p + KGC_MIB, 4 * KGC_MIB, 0));
    ck_assert(all_bytes(p + 5 * KGC_MIB, 3 * KGC_MIB, 7));
    memset(p, 8, 8 * KGC_MIB); /* accessible as before */
    ck_assert_uint_eq(stats_of(kind).purged, 4 * KGC_MIB);
    ck_assert(h->purge_lazy(h, p, 8 * KGC_MIB, 0, PAGE, ARENA)); /* a file cannot */
    h->destroy(h, p, 8 * KGC_MIB, true, ARENA);
    ck_assert_uint_lt(blocks(kind), KGC_MIB);
}
END_TEST

START_TEST(decommit_takes_the_promise_back)
{
    kgc_kind *kind = open_kind("file:/var/tmp");
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 4 * KGC_MIB);
    memset(p, 7, 4 * KGC_MIB);
    size_t before = blocks(kind);
    ck_assert(!h->decommit(h, p, 4 * KGC_MIB, 0, 2 * KGC_MIB, ARENA));
    ck_assert_uint_le(blocks(kind), before - 2 * KGC_MIB);
    ck_assert(!h->commit(h, p, 4 * KGC_MIB, 0, 2 * KGC_MIB, ARENA));
    ck_assert_uint_ge(blocks(kind), before);
    ck_assert(all_bytes(p, 2 * KGC_MIB, 0));
    ck_assert(all_bytes(p + 2 * KGC_MIB, 2 * KGC_MIB, 7));
    ck_assert(!h->decommit(h, p, 4 * KGC_MIB, 0, KGC_MIB, ARENA));
    fault_arm(FAULT_FALLOCATE, 1, true, ENOSPC);
    ck_assert(h->commit(h, p, 4 * KGC_MIB, 0, KGC_MIB, ARENA));
    ck_assert(h->purge_forced(h, p, 4 * KGC_MIB, 3 * KGC_MIB, PAGE, ARENA));
    fault_disarm();
    ck_assert(all_bytes(p + 3 * KGC_MIB, PAGE, 7));
    ck_assert(!h->commit(h, p, 4 * KGC_MIB, 0, KGC_MIB, ARENA));
}
END_TEST

static int take_without_promises(void *arg)
{
    kgc_kind *kind = arg;
    fault_arm(FAULT_FALLOCATE, 1, true, EOPNOTSUPP);
    memset(take_extent(kind, KGC_MIB), 1, KGC_MIB);
    memset(take_extent(kind, KGC_MIB), 1, KGC_MIB);
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, PAGE);
    *p = 1;
    return h->purge_forced(h, p, PAGE, 0, PAGE, ARENA) && *p == 1 ? 0 : 1;
}

START_TEST(file_systems_that_cannot_promise)
{
    char text[512];
    kgc_kind *kind = open_kind("file:/var/tmp");
    ck_assert(exited(in_child_with_stderr(take_without_promises, kind, text, sizeof text), 0));
    ck_assert_str_eq(text,
                     "kindgc: file:/var/tmp: this file system cannot promise disk blocks: when the disk is "
                     "full, the program will be killed by SIGBUS\n"); /* said once */
}
END_TEST

START_TEST(limit)
{
    kgc_kind *kind = open_kind("file:/var/tmp,limit=1M");
    ck_assert_uint_eq(stats_of(kind).limit, KGC_MIB);
    char *p = take_extent(kind, 768 * KGC_KIB);
    ck_assert_ptr_null(try_extent(kind, 512 * KGC_KIB, ARENA));
    ck_assert_ptr_null(try_extent(kind, 512 * KGC_KIB, KGC_ARENA_COLLECTOR));
    ck_assert_ptr_nonnull(try_extent(kind, 256 * KGC_KIB, KGC_ARENA_COLLECTOR));
    ck_assert_ptr_null(try_extent(kind, PAGE, KGC_ARENA_COLLECTOR));
    ck_assert_uint_eq(stats_of(kind).refusals, 3);
    memset(p, 1, 768 * KGC_KIB);
}
END_TEST

START_TEST(limited_file_sizes)
{
    kgc_kind *kind;
    struct rlimit most = {KGC_MIB + 5, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
    kind = open_kind("file:/var/tmp");
    ck_assert_uint_eq(stats_of(kind).limit, KGC_MIB);
    memset(take_extent(kind, KGC_MIB), 1, KGC_MIB);
    ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
    close_kind(kind);
    most.rlim_cur = 100; /* Check's own files are larger: no assertion in between */
    setrlimit(RLIMIT_FSIZE, &most);
    int error = kgc_kind_open("file:/var/tmp", &kind);
    most.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &most);
    ck_assert_int_eq(error, EFBIG);
    ck_last_error("file:/var/tmp: RLIMIT_FSIZE allows no file; raise it (ulimit -f)");
}
END_TEST

START_TEST(file_systems_with_small_files)
{
    struct holdings before = count_holdings();
    kgc_kind *kind = open_kind("file:/var/tmp");
    size_t whole = kind->space.range.size;
    close_kind(kind);
    fault_arm(FAULT_FTRUNCATE, 1, false, EFBIG);
    kind = open_kind("file:/var/tmp");
    ck_assert_uint_eq(kind->space.range.size, whole / 2);
    close_kind(kind);
    fault_arm(FAULT_FTRUNCATE, 1, true, EFBIG);
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp", &kind), EFBIG);
    ck_last_error("file:/var/tmp: a temporary file in /var/tmp: File too large");
    fault_disarm();
    ck_assert_uint_eq(count_holdings().descriptors, before.descriptors);
}
END_TEST

START_TEST(bad_directories)
{
    kgc_kind *kind;
    ck_assert_int_eq(kgc_kind_open("file:/nonexistent", &kind), ENOENT);
    ck_last_error("file:/nonexistent: /nonexistent is not a directory; create it or name another");
    ck_assert_int_eq(kgc_kind_open("file:/dev/null", &kind), ENOTDIR);
    ck_last_error("file:/dev/null: /dev/null is not a directory; create it or name another");
    ck_assert_int_ne(kgc_kind_open("file:/proc", &kind), 0);
    ck_assert_int_eq(strncmp(kgc_last_error(), "file:/proc: ", 12), 0);
    ck_assert_ptr_null(kind);
    fault_arm(FAULT_OPEN, 1, false, EROFS);
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp", &kind), EROFS);
    ck_last_error(
        "file:/var/tmp: no file can be created in /var/tmp; name a directory that you may write to");
    fault_arm(FAULT_OPEN, 1, false, EMFILE);
    ck_assert_int_eq(kgc_kind_open("file:/var/tmp", &kind), EMFILE);
    ck_last_error("file:/var/tmp: a temporary file in /var/tmp: Too many open files");
    fault_disarm();
}
END_TEST

START_TEST(directories_without_permission)
{
    char spec[4200], text[8400];
    const char *directory = make_directory();
    kgc_kind *kind;
    snprintf(spec, sizeof spec, "file:%s", directory);
    ck_assert_int_eq(chmod(directory, 0500), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    int error = kgc_kind_open(spec, &kind);
    snprintf(text, sizeof text, "%s: no file can be created in %s; name a directory that you may write to",
             spec, directory);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    remove_directory(directory);
    ck_assert_int_eq(error, EACCES);
    ck_assert_str_eq(kgc_last_error(), text);
}
END_TEST

/* Programs that close every descriptor, as daemons do. */
START_TEST(descriptor_closed_by_others)
{
    kgc_kind *kind = open_kind("file:/var/tmp");
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, PAGE);
    int fd = kind->space.file.fd;
    close(fd);
    *p = 1; /* what there is stays */
    ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
    ck_assert(h->purge_forced(h, p, PAGE, 0, PAGE, ARENA));
    ck_assert_int_eq(*p, 1);
    int other = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600); /* gets the number */
    struct stat st;
    ck_assert_int_eq(other, fd);
    ck_assert_ptr_null(try_extent(kind, PAGE, ARENA));
    ck_assert(fstat(other, &st) == 0 && st.st_blocks == 0 && st.st_size == 0); /* untouched */
    close_kind(kind);
    ck_assert_int_ne(fcntl(other, F_GETFD), -1); /* it is not ours to close */
}
END_TEST

/* What a forked child does to the memory; the parent looks afterwards. */
struct shared {
    kgc_kind *kind;
    char *section, *extent;
    int ends[2]; /* of a pipe, where the child has to wait */
};
enum { SIZE = 1024 * 1024 };

static void fill(struct shared *s, const char *spec)
{
    s->kind = open_kind(spec);
    s->section = try_extent(s->kind, SIZE, KGC_ARENA_COLLECTOR);
    s->extent = take_extent(s->kind, SIZE);
    ck_assert_ptr_nonnull(s->section);
    memset(s->section, 1, SIZE);
    memset(s->extent, 2, SIZE);
}

static int use_in_child(void *arg)
{
    struct shared *s = arg;
    extent_hooks_t *h = hooks_of(s->kind);
    if (!all_bytes(s->section, SIZE, 1) || !all_bytes(s->extent, SIZE, 2))
        return 1;
    memset(s->section, 0xcc, SIZE);
    memset(s->extent, 0xcc, SIZE);
    if (kgc_kind_of(s->section) != s->kind)
        return 2;
    char *more = try_extent(s->kind, SIZE, KGC_ARENA_COLLECTOR);
    if (more != s->section + SIZE || !all_bytes(more, SIZE, 0))
        return 3;
    memset(more, 0xcc, SIZE);
    if (h->purge_forced(h, s->section, SIZE, 0, SIZE / 2, KGC_ARENA_COLLECTOR) ||
        !all_bytes(s->section, SIZE / 2, 0))
        return 4;
    return !all_bytes(s->section + SIZE / 2, SIZE / 2, 0xcc);
}

static int use_in_grandchild(void *arg)
{
    int status = in_child(use_in_child, arg);
    if (!exited(status, 0))
        return 10;
    return use_in_child(arg); /* after its own child, as if there had been none */
}

START_TEST(a_child_has_a_copy)
{
    struct shared s;
    fill(&s, "file:/var/tmp");
    struct holdings before = count_holdings();
    for (int i = 0; i < 3; i++) {
        ck_assert(exited(in_child(i == 1 ? use_in_grandchild : use_in_child, &s), 0));
        ck_assert(all_bytes(s.section, SIZE, 1)); /* nothing of it reaches the parent */
        ck_assert(all_bytes(s.extent, SIZE, 2));
    }
    ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    ck_assert_uint_eq(count_holdings().descriptors, before.descriptors);
    char *more = try_extent(s.kind, SIZE, KGC_ARENA_COLLECTOR);
    ck_assert_ptr_eq(more, s.section + SIZE);
    ck_assert(all_bytes(more, SIZE, 0));
}
END_TEST

static int wait_and_look(void *arg)
{
    struct shared *s = arg;
    char byte;
    if (read(s->ends[0], &byte, 1) != 1)
        return 1;
    return !all_bytes(s->section, SIZE, 1) || !all_bytes(s->extent, SIZE, 2);
}

START_TEST(a_parent_writes_its_own)
{
    struct shared s;
    fill(&s, "file:/var/tmp");
    extent_hooks_t *h = hooks_of(s.kind);
    ck_assert_int_eq(pipe(s.ends), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(wait_and_look(&s));
    }
    memset(s.section, 9, SIZE);
    ck_assert(!h->purge_forced(h, s.extent, SIZE, 0, SIZE, ARENA));
    ck_assert_int_eq((int)write(s.ends[1], "", 1), 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(exited(status, 0));
}
END_TEST

static int count_blocks(void *arg)
{
    struct shared *s = arg;
    return blocks(s->kind) > 4 * SIZE || !all_bytes(s->extent, SIZE, 2);
}

START_TEST(holes_are_not_copied)
{
    struct shared s;
    fill(&s, "file:/var/tmp");
    extent_hooks_t *h = hooks_of(s.kind);
    char *p = take_extent(s.kind, 64 * KGC_MIB);
    memset(p, 3, 64 * KGC_MIB);
    ck_assert(!h->purge_forced(h, p, 64 * KGC_MIB, 0, 64 * KGC_MIB, ARENA));
    ck_assert(exited(in_child(count_blocks, &s), 0));
}
END_TEST

START_TEST(no_access_by_setting)
{
    struct shared s;
    ck_assert_int_eq(kgc__option_set("fork", 4, "none"), 0);
    fill(&s, "file:/var/tmp");
    kgc_kind *tier = open_kind("tier:file:/var/tmp@4M+default");
    char *in_tier = take_extent(tier, PAGE);
    for (int i = 0; i < 2; i++) {
        ck_assert(!is_readable(s.section));
        ck_assert(!is_writable(s.extent));
        ck_assert(!is_readable(in_tier)); /* members too */
        ck_assert(all_bytes(s.section, SIZE, 1));
        memset(s.extent, 2, SIZE); /* the parent goes on */
    }
    ck_assert_int_eq(kgc__option_set("fork", 4, "copy"), 0);
    ck_assert(exited(in_child(use_in_child, &s), 0)); /* nothing of "none" is left */
}
END_TEST

/* Copies are made of 512 files at most; of others the child gets nothing. */
START_TEST(more_files_than_are_copied)
{
    enum { MANY = 514 };
    static kgc_kind *kinds[MANY];
    static char *piece[MANY];
    for (int i = 0; i < MANY; i++) {
        kinds[i] = open_kind("file:/var/tmp,limit=64K");
        piece[i] = take_extent(kinds[i], PAGE);
        *piece[i] = 1;
    }
    ck_assert(is_writable(piece[0]));
    ck_assert(is_writable(piece[511]));
    ck_assert(!is_readable(piece[512]));
    ck_assert(!is_readable(piece[513]));
    for (int i = 0; i < MANY; i++)
        *piece[i] = 2;
    for (int i = 0; i < 10; i++)
        close_kind(kinds[i]);
    ck_assert(is_writable(piece[513])); /* now it is one of the 512 */
    ck_assert_int_eq(*piece[513], 2);
}
END_TEST

static int touch_section(void *arg)
{
    struct shared *s = arg;
    signal(SIGSEGV, SIG_DFL);
    return *(volatile char *)s->section;
}

START_TEST(no_copy_can_be_made)
{
    static const struct {
        enum fault_call call;
        int error;
        const char *text;
    } faults[] = {{FAULT_OPEN, EMFILE, "Too many open files"},
                  {FAULT_FTRUNCATE, EIO, "Input/output error"},
                  {FAULT_PREAD, EIO, "Input/output error"},
                  {FAULT_PWRITE, ENOSPC, "No space left on device"}};
    struct shared s;
    fill(&s, "file:/var/tmp");
    struct holdings before = count_holdings();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char text[512], expected[512];
        snprintf(expected, sizeof expected,
                 "kindgc: fork: no copy of file:/var/tmp can be made (%s): the child has no access to it\n",
                 faults[i].text);
        int ends[2], saved = dup(STDERR_FILENO); /* the parent says it */
        ck_assert_int_eq(pipe(ends), 0);
        fault_arm(faults[i].call, 1, true, faults[i].error);
        dup2(ends[1], STDERR_FILENO);
        pid_t child = fork();
        if (child == 0)
            _exit(touch_section(&s));
        dup2(saved, STDERR_FILENO);
        unsigned hits = fault_hits();
        fault_disarm();
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (hits == 0) { /* the file system shares blocks: nothing was copied */
            ck_assert(faults[i].call == FAULT_PREAD || faults[i].call == FAULT_PWRITE);
            ck_assert(exited(status, 1));
        } else {
            ssize_t n = read(ends[0], text, sizeof text - 1);
            ck_assert_int_gt(n, 0);
            text[n] = '\0';
            ck_assert_str_eq(text, expected);
            ck_assert(killed(status, SIGSEGV) || SANITIZED);
        }
        close(ends[0]);
        close(ends[1]);
        close(saved);
        ck_assert(all_bytes(s.section, SIZE, 1));
    }
    ck_assert_uint_eq(count_holdings().descriptors, before.descriptors);
    ck_assert(exited(in_child(use_in_child, &s), 0));
}
END_TEST

START_TEST(full_disk)
{
    const char *directory = mount_memory(8 * KGC_MIB);
    if (directory == NULL)
        SKIP("a small file system cannot be mounted: %s", strerror(errno));
    kgc_kind *kind = open_file(directory, "");
    extent_hooks_t *h = hooks_of(kind);
    char *piece[64], *p;
    int n = 0;
    for (; n < 64 && (p = try_extent(kind, 512 * KGC_KIB, n % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR)) != NULL;
         n++) {
        piece[n] = p;
        memset(p, 1, 512 * KGC_KIB); /* promised, so never a SIGBUS */
    }
    int error = errno;
    bool sensible = n >= 14 && n <= 16, again = try_extent(kind, 512 * KGC_KIB, ARENA) != NULL;
    unsigned refusals = stats_of(kind).refusals;
    /* Room that is given back can be had again. */
    bool refused = h->purge_forced(h, piece[0], 512 * KGC_KIB, 0, 512 * KGC_KIB, ARENA);
    p = try_extent(kind, 256 * KGC_KIB, ARENA);
    if (p != NULL)
        memset(p, 2, 256 * KGC_KIB);
    unmount_memory(directory);
    ck_assert_int_eq(error, ENOMEM);
    ck_assert(sensible && !again && !refused);
    ck_assert_uint_eq(refusals, 2);
    ck_assert_ptr_nonnull(p);
    ck_assert(all_bytes(piece[1], 512 * KGC_KIB, 1));
}
END_TEST

START_TEST(full_disk_at_fork)
{
    const char *directory = mount_memory(4 * KGC_MIB);
    if (directory == NULL)
        SKIP("a small file system cannot be mounted: %s", strerror(errno));
    struct shared s;
    char spec[4200];
    snprintf(spec, sizeof spec, "file:%s", directory);
    fill(&s, spec);
    char *p = try_extent(s.kind, SIZE, ARENA);
    memset(p, 3, SIZE); /* three of four MiB: no room for a copy */
    int status = in_child(touch_section, &s);
    bool same = all_bytes(s.section, SIZE, 1) && all_bytes(p, SIZE, 3);
    hooks_of(s.kind)->destroy(hooks_of(s.kind), p, SIZE, true, ARENA);
    hooks_of(s.kind)->destroy(hooks_of(s.kind), s.extent, SIZE, true, ARENA);
    int status_with_room = in_child(touch_section, &s);
    unmount_memory(directory);
    ck_assert(killed(status, SIGSEGV) || SANITIZED);
    ck_assert(same);
    ck_assert(exited(status_with_room, 1));
}
END_TEST

SUITE("file kind", nameless, without_tmpfile, without_tmpfile_beside_others, blocks_are_promised,
      purging_returns_blocks, decommit_takes_the_promise_back, file_systems_that_cannot_promise, limit,
      limited_file_sizes, file_systems_with_small_files, bad_directories, directories_without_permission,
      descriptor_closed_by_others, a_child_has_a_copy, a_parent_writes_its_own, holes_are_not_copied,
      no_access_by_setting, more_files_than_are_copied, no_copy_can_be_made, full_disk, full_disk_at_fork)
