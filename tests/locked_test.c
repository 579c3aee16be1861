/* SPDX-License-Identifier: MIT */
/*
 * Memory for keys: locked, not dumped, wiped when it is given back.  What the
 * limit allows is tried in children that have neither root's rights nor much
 * to lock.
 */
#include "base/size.h"
#include "misuse.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <kindgc/arena.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Does the mapping of p have this of the VmFlags in smaps? */
static bool has_flag(const void *p, const char *flag)
{
    char line[4096];
    bool inside = false, found = false;
    FILE *f = fopen("/proc/self/smaps", "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)p >= start && (uintptr_t)p < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

static bool is_locked(const void *p)
{
    return has_flag(p, " lo");
}

static size_t locked_bytes(void)
{
    return kgc__proc_kilobytes("/proc/self/status", "VmLck");
}

/* An unprivileged process that may lock so much. */
static int lose_rights(size_t lockable)
{
    struct rlimit limit = {lockable, lockable};
    return setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
           (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0));
}

static kgc_kind *open_locked(void)
{
    return open_kind("locked,limit=4M"); /* no more than every process may lock */
}

START_TEST(locked_and_not_dumped)
{
    kgc_kind *kind = open_locked();
    ck_assert(kind->keeps_sections && kind->locked);
    char *section = try_extent(kind, 16 * PAGE, KGC_ARENA_COLLECTOR), *extent = take_extent(kind, 16 * PAGE);
    ck_assert(all_bytes(section, 16 * PAGE, 0) && all_bytes(extent, 16 * PAGE, 0));
    ck_assert(is_locked(section) && is_locked(extent));
    ck_assert(has_flag(section, " dd") && has_flag(extent, " dd"));
    ck_assert(has_flag(kind->space.range.base + kind->space.range.size / 2, " dd"));
    ck_assert(!is_locked(kind->space.range.base + kind->space.range.size / 2)); /* not handed out */
    ck_assert_uint_eq(locked_bytes(), 32 * PAGE);
    ck_assert_uint_eq(stats_of(kind).resident, 32 * PAGE); /* in memory before it is touched */
    kgc_kind_description d;
    ck_assert_int_eq(kgc_kind_describe(kind, &d), 0);
    ck_assert(d.locked);
    ck_assert_uint_eq(d.limit, 4 * KGC_MIB);
    ck_assert_uint_le(d.capacity, 4 * KGC_MIB - 32 * PAGE);
}
END_TEST

START_TEST(given_back_wiped)
{
    kgc_kind *kind = open_locked();
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 8 * PAGE);
    memset(p, 'k', 8 * PAGE);
    ck_assert(h->purge_forced(h, p, 8 * PAGE, 0, 8 * PAGE, ARENA)); /* would stay in use without a lock */
    ck_assert(h->purge_lazy(h, p, 8 * PAGE, 0, 8 * PAGE, ARENA));
    ck_assert(all_bytes(p, 8 * PAGE, 'k'));
    ck_assert(!h->decommit(h, p, 8 * PAGE, 2 * PAGE, 4 * PAGE, ARENA));
    ck_assert(!is_locked(p + 2 * PAGE) && is_locked(p) && is_locked(p + 7 * PAGE));
    ck_assert_uint_eq(locked_bytes(), 4 * PAGE);
    ck_assert(all_bytes(p + 2 * PAGE, 4 * PAGE, 0));
    ck_assert(all_bytes(p, 2 * PAGE, 'k') && all_bytes(p + 6 * PAGE, 2 * PAGE, 'k'));
    ck_assert(!h->commit(h, p, 8 * PAGE, 3 * PAGE, PAGE, ARENA));
    ck_assert(is_locked(p + 3 * PAGE) && !is_locked(p + 2 * PAGE));
    ck_assert(all_bytes(p + 3 * PAGE, PAGE, 0));
    ck_assert_uint_eq(stats_of(kind).purged, 4 * PAGE);
    h->destroy(h, p, 8 * PAGE, true, ARENA);
    ck_assert_uint_eq(locked_bytes(), 0);
    ck_assert(all_bytes(p, 8 * PAGE, 0));
    close_kind(kind);
}
END_TEST

START_TEST(pages_of_sections_are_kept)
{
    kgc_kind *kind = open_locked();
    extent_hooks_t *h = hooks_of(kind);
    char *p = try_extent(kind, 4 * PAGE, KGC_ARENA_COLLECTOR);
    memset(p, 4, 4 * PAGE);
    ck_assert(h->purge_forced(h, p, 4 * PAGE, 0, 4 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(h->purge_lazy(h, p, 4 * PAGE, 0, 4 * PAGE, KGC_ARENA_COLLECTOR));
    ck_assert(all_bytes(p, 4 * PAGE, 4) && is_locked(p));
}
END_TEST

/* When the discarding fails the pages are wiped all the same. */
START_TEST(failing_to_give_back)
{
    kgc_kind *kind = open_locked();
    extent_hooks_t *h = hooks_of(kind);
    char *p = take_extent(kind, 4 * PAGE);
    memset(p, 'k', 4 * PAGE);
    fault_arm(FAULT_MUNLOCK, 1, false, ENOMEM);
    ck_assert(h->decommit(h, p, 4 * PAGE, 0, PAGE, ARENA));
    fault_disarm();
    ck_assert(is_locked(p)); /* refused: still in use, still locked */
    fault_arm(FAULT_MADVISE, 1, true, EINVAL);
    ck_assert(!h->decommit(h, p, 4 * PAGE, 0, PAGE, ARENA));
    fault_disarm();
    ck_assert(all_bytes(p, PAGE, 0) && !is_locked(p));
    ck_assert(all_bytes(p + PAGE, 3 * PAGE, 'k'));
    fault_arm(FAULT_MLOCK, 1, false, ENOMEM);
    ck_assert(h->commit(h, p, 4 * PAGE, 0, PAGE, ARENA));
    fault_disarm();
    ck_assert_uint_eq(stats_of(kind).refusals, 1);
    ck_assert(!h->commit(h, p, 4 * PAGE, 0, PAGE, ARENA) && is_locked(p));
}
END_TEST

START_TEST(explicit_memory)
{
    kgc_kind *kind = open_locked();
    char *key = kgc_kind_malloc(kind, 32);
    ck_assert_ptr_nonnull(key);
    memset(key, 'k', 32);
    ck_assert(is_locked(key) && has_flag(key, " dd"));
    char *large = kgc_kind_calloc(kind, 1, 256 * KGC_KIB);
    ck_assert(all_bytes(large, 256 * KGC_KIB, 0));
    ck_assert(is_locked(large) && is_locked(large + 256 * KGC_KIB - 1));
    kgc_kind_free(kind, key);
    kgc_kind_free(kind, large);
    close_kind(kind);
    ck_assert_uint_eq(locked_bytes(), 0);
}
END_TEST

START_TEST(failing_to_open)
{
    kgc_kind *kind;
    fault_arm(FAULT_MMAP, 0, false, 0); /* this and a record are kept */
    ck_assert_int_eq(kgc_kind_check("locked"), 0);
    fault_disarm();
    struct holdings before = count_holdings();
    static const struct {
        enum fault_call call;
        unsigned n;
        int error;
        const char *text;
    } faults[] = {{FAULT_MADVISE, 1, EINVAL, "locked: madvise(MADV_DONTDUMP): Invalid argument"},
                  {FAULT_MMAP, 1, ENOMEM, "locked: Cannot allocate memory"},
                  {FAULT_MMAP, 3, ENOMEM, "locked: the table of pages: Cannot allocate memory"}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        fault_arm(faults[i].call, faults[i].n, false, faults[i].error);
        ck_assert_int_eq(kgc_kind_open("locked", &kind), faults[i].error);
        fault_disarm();
        ck_assert_ptr_null(kind);
        ck_last_error("%s", faults[i].text);
        ck_assert_uint_eq(count_holdings().mappings, before.mappings);
    }
    fault_arm(FAULT_MLOCK, 1, false, EAGAIN);
    ck_assert_int_eq(kgc_kind_open("locked", &kind), EAGAIN);
    fault_disarm();
    ck_assert_ptr_nonnull(strstr(kgc_last_error(), "locked: "));
}
END_TEST

/* Children have no ck_assert: each returns the number of its line. */
#define must(condition)                   \
    do {                                  \
        if (!(condition))                 \
            return __LINE__ - first_line; \
    } while (0)

enum { first_line = __LINE__ };

static int may_lock_nothing(void *unused)
{
    (void)unused;
    kgc_kind *kind;
    must(!lose_rights(0));
    must(kgc_kind_open("locked", &kind) == EPERM && kind == NULL);
    must(strcmp(kgc_last_error(), "locked: this process may lock no memory: RLIMIT_MEMLOCK is 0; raise it "
                                  "(ulimit -l) or give CAP_IPC_LOCK") == 0);
    must(kgc_kind_check("tier:locked@1M+default") == EPERM);
    return 0;
}

static int may_lock_little(void *unused)
{
    (void)unused;
    kgc_kind *kind, *other;
    kgc_kind_info info;
    must(!lose_rights(64 * KGC_KIB + 1));
    must(kgc_kind_open("locked", &kind) == 0);
    must(kgc_kind_stats(kind, &info) == 0 && info.limit == 64 * KGC_KIB);
    must(kgc_kind_open("locked,limit=32K", &other) == 0);
    must(kgc_kind_stats(other, &info) == 0 && info.limit == 32 * KGC_KIB);
    char *p = try_extent(kind, 48 * KGC_KIB, ARENA);
    must(p != NULL && is_locked(p));
    must(try_extent(kind, 32 * KGC_KIB, ARENA) == NULL);                     /* its own limit */
    must(try_extent(other, 32 * KGC_KIB, ARENA) == NULL && errno == ENOMEM); /* the process's */
    char *q = try_extent(other, 16 * KGC_KIB, KGC_ARENA_COLLECTOR);
    must(q != NULL && is_locked(q) && all_bytes(q, 16 * KGC_KIB, 0));
    must(kgc_kind_check("locked") == ENOMEM);
    must(strcmp(kgc_last_error(), "locked: the 65537 of memory that this process may lock are used up; raise "
                                  "RLIMIT_MEMLOCK (ulimit -l)") == 0);
    kgc_kind_description d;
    must(kgc_kind_describe(kind, &d) == 0 && d.capacity == 1); /* of RLIMIT_MEMLOCK */
    must(kgc_kind_close(kind) == 0);
    must(kgc_kind_check("locked") == 0);
    must(try_extent(other, 16 * KGC_KIB, ARENA) != NULL); /* there is room again */
    must(locked_bytes() == 32 * KGC_KIB);
    return 0;
}

START_TEST(without_rights)
{
    ck_assert_int_eq(in_child(may_lock_nothing, NULL), 0);
    ck_assert_int_eq(in_child(may_lock_little, NULL), 0);
}
END_TEST

/* ---- fork ---- */

struct pieces {
    kgc_kind *kind;
    char *section, *extent;
};

static int child_has_locks(void *arg)
{
    struct pieces *s = arg;
    must(all_bytes(s->section, 4 * PAGE, 1));
    must(all_bytes(s->extent, PAGE, 2));
    must(is_locked(s->section) && is_locked(s->extent) && is_locked(s->extent + 3 * PAGE));
    must(!is_locked(s->extent + PAGE)); /* what the parent has given back */
    must(locked_bytes() == 6 * PAGE);
    must(has_flag(s->extent, " dd"));
    memset(s->section, 9, 4 * PAGE);
    char *more = try_extent(s->kind, 2 * PAGE, ARENA);
    must(more != NULL && is_locked(more));
    return 0;
}

static struct pieces take_pieces(void)
{
    struct pieces s = {.kind = open_locked()};
    extent_hooks_t *h = hooks_of(s.kind);
    s.section = try_extent(s.kind, 4 * PAGE, KGC_ARENA_COLLECTOR);
    s.extent = take_extent(s.kind, 4 * PAGE);
    memset(s.section, 1, 4 * PAGE);
    memset(s.extent, 2, 4 * PAGE);
    ck_assert(!h->decommit(h, s.extent, 4 * PAGE, PAGE, 2 * PAGE, ARENA));
    return s;
}

START_TEST(forked_child)
{
    struct pieces s = take_pieces();
    char said[512];
    ck_assert_int_eq(in_child_with_stderr(child_has_locks, &s, said, sizeof said), 0);
    ck_assert_str_eq(said, "");
    ck_assert(all_bytes(s.section, 4 * PAGE, 1) && is_locked(s.section));
}
END_TEST

static int child_without_locks(void *arg)
{
    struct pieces *s = arg;
    must(all_bytes(s->section, 4 * PAGE, 1) && !is_locked(s->section));
    return 0;
}

START_TEST(forked_child_that_cannot_lock)
{
    struct pieces s = take_pieces();
    char said[512];
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    fault_arm(FAULT_MLOCK, 1, true, ENOMEM);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0); /* the warning comes before fork returns */
    int status = in_child(child_without_locks, &s);
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    fault_disarm();
    close(ends[1]);
    ssize_t n = read(ends[0], said, sizeof said - 1);
    said[n > 0 ? n : 0] = '\0';
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(
        said, "kindgc: fork: the child's copy of \"locked,limit=4M\" cannot be locked (Cannot allocate "
              "memory): it may be swapped out\n");
    ck_assert(is_locked(s.section));
}
END_TEST

static void *take_and_give(void *kind)
{
    extent_hooks_t *h = hooks_of(kind);
    for (int i = 0; i < 60; i++) {
        char *p = try_extent(kind, 2 * PAGE, i % 2 == 0 ? ARENA : KGC_ARENA_COLLECTOR);
        if (p == NULL || !all_bytes(p, 2 * PAGE, 0))
            return "no zeroed memory";
        memset(p, 1, 2 * PAGE);
        if (i % 2 == 0 &&
            (h->decommit(h, p, 2 * PAGE, 0, PAGE, ARENA) || h->commit(h, p, 2 * PAGE, 0, PAGE, ARENA) ||
             !all_bytes(p, PAGE, 0) || !all_bytes(p + PAGE, PAGE, 1)))
            return "not given back";
    }
    return NULL;
}

START_TEST(threads)
{
    kgc_kind *kind = open_locked();
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, take_and_give, kind), 0);
    for (int i = 0; i < 4; i++) {
        void *problem;
        ck_assert_int_eq(pthread_join(thread[i], &problem), 0);
        ck_assert_msg(problem == NULL, "%s", (char *)problem);
    }
    ck_assert_uint_eq(locked_bytes(), 4 * 60 * 2 * PAGE);
}
END_TEST

SUITE_FUNCTION(run, "locked", locked_and_not_dumped, given_back_wiped, pages_of_sections_are_kept,
               failing_to_give_back, explicit_memory, failing_to_open, without_rights, forked_child,
               forked_child_that_cannot_lock, threads)

int main(void)
{
    if (kgc__os_lockable() < 4 * KGC_MIB) {
        printf("SKIP: locked: this process may lock less than 4 MiB (ulimit -l)\n");
        return 77;
    }
    return run();
}
