/* SPDX-License-Identifier: MIT */
/*
 * Every system call that a kind makes fails, one after the other, once and
 * for good: while it is opened, gives memory, takes it back, lives through a
 * fork, holds explicit memory, and is closed.  Each failure must end in a
 * clear error, a refusal or plain success; what memory was handed out must
 * work; and nothing may be left behind.  The collector's part is
 * heap_fault_test's.
 */
#include "base/message.h"
#include "base/size.h"
#include "os/os.h"
#include "os/proc.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 192 * 1024 };

/* An operation on a kind under one chosen fault. */
struct run {
    const char *spec;
    enum fault_call call;
    unsigned n;
    bool for_good;
};

#define expect(r, condition)                                                                     \
    ck_assert_msg(condition, "%s: %s number %u%s: %s", (r)->spec, fault_name((r)->call), (r)->n, \
                  (r)->for_good ? " and later" : "", #condition)

/* Memory that the kind gave is zeroed and writable, and keeps what is written
   except where a hook has said otherwise. */
static void use_extent(const struct run *r, kgc_kind *kind, unsigned arena)
{
    extent_hooks_t *h = hooks_of(kind);
    errno = 0;
    char *p = try_extent(kind, SIZE, arena);
    if (p == NULL) {
        expect(r, errno == ENOMEM);
        expect(r, fault_hits() != 0);
        return;
    }
    expect(r, all_bytes(p, SIZE, 0));
    memset(p, 1, SIZE);
    size_t third = SIZE / 3;
    bool purged = !h->purge_forced(h, p, SIZE, 0, third, arena);
    expect(r, all_bytes(p, third, purged ? 0 : 1));
    expect(r, all_bytes(p + third, SIZE - third, 1));
    h->purge_lazy(h, p, SIZE, 0, third, arena);
    expect(r, all_bytes(p + third, SIZE - third, 1));
    if (arena != KGC_ARENA_COLLECTOR) {
        if (!h->decommit(h, p, SIZE, third, third, arena) && !h->commit(h, p, SIZE, third, third, arena)) {
            expect(r, all_bytes(p + third, third, 0));
            memset(p + third, 2, third);
        }
        expect(r, all_bytes(p + 2 * third, third, 1));
        memset(p + 2 * third, 3, third);
        h->destroy(h, p, SIZE, true, arena);
    }
}

static void use_blocks(const struct run *r, kgc_kind *kind)
{
    char *block[20];
    for (size_t i = 0; i < 20; i++) {
        size_t size = (size_t)16 << i % 16;
        errno = 0;
        block[i] = kgc_kind_calloc(kind, 1, size);
        expect(r, block[i] != NULL || (errno == ENOMEM && *kgc_last_error() != '\0'));
        if (block[i] != NULL) {
            expect(r, all_bytes(block[i], size, 0));
            memset(block[i], 1, size);
        }
    }
    for (size_t i = 0; i < 20; i++)
        kgc_kind_free(kind, block[i]);
}

/* The child either has the memory as it was, or no access at all. */
static void use_in_child(const struct run *r, kgc_kind *kind)
{
    char *p = try_extent(kind, 4 * PAGE, ARENA);
    if (p == NULL)
        return;
    memset(p, 5, 4 * PAGE);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        signal(SIGSEGV, SIG_DFL);
        if (!all_bytes(p, 4 * PAGE, 5))
            _exit(1);
        memset(p, 6, 4 * PAGE);
        _exit(0);
    }
    expect(r, child > 0);
    int status;
    expect(r, waitpid(child, &status, 0) == child);
    expect(r, exited(status, 0) || fault_hits() != 0);
    expect(r, exited(status, 0) || killed(status, SIGSEGV) || SANITIZED);
    expect(r, all_bytes(p, 4 * PAGE, 5)); /* the child's writes are its own */
    memset(p, 7, 4 * PAGE);
}

/* All of it.  Did the fault happen? */
static bool live(const struct run *r)
{
    kgc_kind *kind;
    kgc_kind_info info;
    kgc__fail(0, "%s", "");
    fault_arm(r->call, r->n, r->for_good, fault_errno(r->call));
    int error = kgc_kind_open(r->spec, &kind);
    if (error != 0) {
        expect(r, fault_hits() != 0);
        expect(r, error == fault_errno(r->call));
        expect(r, *kgc_last_error() != '\0');
        expect(r, kind == NULL);
    } else {
        use_extent(r, kind, ARENA);
        use_blocks(r, kind);
        use_in_child(r, kind);
        use_extent(r, kind, ARENA);
        expect(r, kgc_kind_stats(kind, &info) == 0);
        expect(r, kgc_kind_close(kind) == 0);
    }
    bool hit = fault_hits() != 0;
    fault_disarm();
    return hit;
}

static void sweep(const char *spec, enum fault_call call)
{
    for (int for_good = 0; for_good < 2; for_good++) {
        struct run r = {.spec = spec, .call = call, .n = 1, .for_good = for_good != 0};
        while (live(&r))
            ck_assert_uint_lt(r.n++, 1000);
    }
}

/* Warnings about forks are expected here by the dozen. */
static void be_quiet(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(dup2(nowhere, STDERR_FILENO), 0);
    close(nowhere);
}

/* Twice: what is made once and kept, such as leaves of the address map, is
   there after the first time. */
static void sweep_all(const char *spec)
{
    struct holdings after[2];
    be_quiet();
    for (int round = 0; round < 2; round++) {
        for (enum fault_call call = 0; call < FAULT_CALLS; call++)
            if (call != FAULT_MUNMAP)
                sweep(spec, call);
        after[round] = count_holdings();
    }
    ck_assert_uint_eq(after[1].descriptors, after[0].descriptors);
    ck_assert_uint_eq(after[1].mappings, after[0].mappings);
    ck_assert_uint_eq(after[1].address_space, after[0].address_space);
    sweep(spec, FAULT_MUNMAP); /* it cannot fail for addresses of ours: no crash is all that is asked */
}

START_TEST(ordinary)
{
    sweep_all("default");
}
END_TEST

START_TEST(huge)
{
    if (kgc__proc_thp_size() == 0)
        SKIP("this system has no transparent huge pages");
    sweep_all("thp");
}
END_TEST

/* A file system in memory where there is one: hundreds of files are made and
   written here, which waits for a disk. */
static const char *spec_in_memory(const char *before, const char *after)
{
    static char spec[128];
    snprintf(spec, sizeof spec, "%sfile:%s%s", before,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp", after);
    return spec;
}

START_TEST(file)
{
    sweep_all(spec_in_memory("", ",limit=16M"));
}
END_TEST

START_TEST(tier)
{
    sweep_all(spec_in_memory("tier:default@256K+", "@256K+default"));
}
END_TEST

START_TEST(ratio)
{
    sweep_all(spec_in_memory("ratio:default@2+", "@1+numa:local@1"));
}
END_TEST

START_TEST(numa)
{
    if (kgc_kind_check("numa:bind=0") != 0)
        SKIP("%s", kgc_last_error());
    sweep_all("numa:bind=0,limit=16M");
}
END_TEST

START_TEST(preferred)
{
    sweep_all("numa:preferred=0,limit=16M");
}
END_TEST

START_TEST(locked)
{
    if (kgc__os_lockable() < 16 * KGC_MIB)
        SKIP("this process may lock less than 16 MiB (ulimit -l)");
    sweep_all("locked,limit=16M");
}
END_TEST

/* A section cannot be given back, so each run is in a child of its own. */
static int use_section(void *arg)
{
    const struct run *r = arg;
    kgc_kind *kind;
    if (kgc_kind_open(r->spec, &kind) != 0)
        return 2;
    fault_arm(r->call, r->n, r->for_good, fault_errno(r->call));
    extent_hooks_t *h = hooks_of(kind);
    for (int i = 0; i < 3; i++) {
        char *p = try_extent(kind, SIZE, KGC_ARENA_COLLECTOR);
        if (p == NULL)
            continue;
        if (!all_bytes(p, SIZE, 0))
            return 3;
        memset(p, 1, SIZE);
        bool purged = !h->purge_forced(h, p, SIZE, PAGE, SIZE / 2, KGC_ARENA_COLLECTOR);
        if (!all_bytes(p + PAGE, SIZE / 2, purged ? 0 : 1) || !all_bytes(p, PAGE, 1) || p[SIZE - 1] != 1)
            return 4;
    }
    return fault_hits() != 0;
}

START_TEST(sections)
{
    const char *const specs[] = {"default", spec_in_memory("tier:", "@256K+default")};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        for (enum fault_call call = 0; call < FAULT_CALLS; call++)
            for (int for_good = 0; for_good < 2; for_good++) {
                struct run r = {.spec = specs[i], .call = call, .n = 1, .for_good = for_good != 0};
                int status;
                while (exited(status = in_child(use_section, &r), 1))
                    expect(&r, r.n++ < 100);
                expect(&r, exited(status, 0));
            }
}
END_TEST

/* The table itself: each entry does fail when told to, and only then. */
START_TEST(faults_are_real)
{
    char byte = 0;
    for (enum fault_call call = 0; call < FAULT_CALLS; call++) {
        for (unsigned n = 0; n < 3; n++) {
            fault_arm(call, n, false, EDOM);
            for (unsigned i = 1; i <= 3; i++) {
                errno = 0;
                switch (call) {
                case FAULT_MMAP:
                    kgc__os_map_plain(PAGE);
                    break;
                case FAULT_MUNMAP:
                    kgc__os.munmap(NULL, PAGE);
                    break;
                case FAULT_MPROTECT:
                    kgc__os_make_usable(NULL, 0);
                    break;
                case FAULT_MADVISE:
                    kgc__os_discard(NULL, 0);
                    break;
                case FAULT_MINCORE:
                    kgc__proc_resident(NULL, PAGE);
                    break;
                case FAULT_OPEN:
                    kgc__os.open("/nonexistent", O_RDONLY);
                    break;
                case FAULT_FTRUNCATE:
                    kgc__os.ftruncate(-1, 0);
                    break;
                case FAULT_FALLOCATE:
                    kgc__os.fallocate(-1, 0, 0, 1);
                    break;
                case FAULT_PREAD:
                    kgc__os.pread(-1, &byte, 1, 0);
                    break;
                case FAULT_PWRITE:
                    kgc__os.pwrite(-1, &byte, 1, 0);
                    break;
                case FAULT_MLOCK:
                    kgc__os_lock(NULL, PAGE);
                    break;
                case FAULT_MUNLOCK:
                    kgc__os_unlock(NULL, PAGE);
                    break;
                case FAULT_MBIND:
                    kgc__os_place(NULL, PAGE, KGC__PLACE_LOCAL, NULL);
                    break;
                case FAULT_GET_MEMPOLICY:
                    kgc__os.get_mempolicy(NULL, NULL, 0, NULL, 1 << 2);
                    break;
                default:
                    kgc__os.move_pages(0, 1, NULL, NULL, NULL, 0);
                    break;
                }
                ck_assert_msg((errno == EDOM) == (i == n), "%s %u %u", fault_name(call), i, n);
                ck_assert_uint_eq(fault_count(call), i);
            }
            ck_assert_uint_eq(fault_hits(), n != 0);
            fault_disarm();
        }
    }
}
END_TEST

SUITE("fault", faults_are_real, ordinary, huge, file, tier, ratio, numa, preferred, locked, sections)
