/* SPDX-License-Identifier: MIT */
/*
 * Explicit memory when the system refuses: each memory system call fails at
 * each of its calls, address space or data are limited, the disk under a file
 * kind is full.  Allocations end in memory that works or in NULL and ENOMEM,
 * and when the system gives again, so does the kind.
 *
 * KINDGC_TEST_LONG=1 in the environment: every call, not a sample of them.
 */
#include "base/size.h"
#include "suite.h"
#include "support/extents.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc/arena.h>
#include <kindgc/init.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BLOCKS = 48 };

struct run {
    const char *spec;
    enum fault_call call;
    unsigned n;
    bool for_good;
    kgc_kind *kind;
    const char *problem; /* what another thread found */
};

#define expect(r, condition)                                                                     \
    ck_assert_msg(condition, "%s: %s number %u%s: %s", (r)->spec, fault_name((r)->call), (r)->n, \
                  (r)->for_good ? " and later" : "", #condition)

static size_t nth_size(int i)
{
    static const size_t sizes[] = {16, 100, 1000, 5000, 40000, 100000, KGC_MIB, 20000};
    return sizes[i % 8];
}

/* NULL or what went wrong.  Some allocations may fail, and say so. */
static const char *work(kgc_kind *kind, bool all_must_succeed)
{
    unsigned char *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = nth_size(i);
        errno = 0;
        block[i] = i % 3 == 0 ? kgc_kind_calloc(kind, 1, size) : kgc_kind_malloc(kind, size);
        if (block[i] == NULL && (all_must_succeed || errno != ENOMEM || *kgc_last_error() == '\0'))
            return "malloc";
        if (block[i] != NULL && i % 3 == 0 && !all_bytes(block[i], size, 0))
            return "calloc is not zero";
        if (block[i] != NULL)
            memset(block[i], i, size);
    }
    void *aligned = NULL;
    int error = kgc_kind_posix_memalign(kind, &aligned, 64 * KGC_KIB, 70000);
    if (error != 0 && (all_must_succeed || error != ENOMEM || aligned != NULL))
        return "posix_memalign";
    for (int i = 0; i < BLOCKS; i += 2) {
        size_t size = nth_size(i + 3);
        errno = 0;
        unsigned char *p = block[i] != NULL ? kgc_kind_realloc(kind, block[i], size) : NULL;
        if (block[i] != NULL && p == NULL && (all_must_succeed || errno != ENOMEM))
            return "realloc";
        size_t kept = p == NULL || nth_size(i) < size ? nth_size(i) : size;
        block[i] = p != NULL ? p : block[i];
        if (block[i] != NULL && !all_bytes(block[i], kept, (unsigned char)i))
            return "realloc lost contents";
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 2 != 0 && block[i] != NULL && !all_bytes(block[i], nth_size(i), (unsigned char)i))
            return "a block changed";
        errno = EDOM;
        kgc_kind_free(i % 4 < 2 ? kind : NULL, block[i]);
        if (errno != EDOM)
            return "free changed errno";
        if (i == BLOCKS / 2 && kgc_kind_purge(kind) != 0)
            return "purge";
    }
    kgc_kind_free(NULL, aligned);
    return kgc_kind_purge(kind) == 0 ? NULL : "purge";
}

/* Makes a cache, and gives it back, under the fault. */
static void *work_in_thread(void *arg)
{
    struct run *r = arg;
    r->problem = work(r->kind, false);
    return NULL;
}

/* Did the fault happen? */
static bool live(struct run *r)
{
    pthread_t thread;
    r->kind = open_kind(r->spec);
    r->problem = NULL;
    fault_arm(r->call, r->n, r->for_good, fault_errno(r->call));
    const char *problem = work(r->kind, false);
    ck_assert_msg(problem == NULL, "%s: %s number %u%s: %s", r->spec, fault_name(r->call), r->n,
                  r->for_good ? " and later" : "", problem);
    expect(r, pthread_create(&thread, NULL, work_in_thread, r) == 0);
    pthread_join(thread, NULL);
    ck_assert_msg(r->problem == NULL, "%s: %s number %u%s: %s in a thread", r->spec, fault_name(r->call),
                  r->n, r->for_good ? " and later" : "", r->problem);
    bool hit = fault_hits() != 0;
    fault_disarm();
    expect(r, stats_of(r->kind).allocated == 0);
    expect(r, work(r->kind, true) == NULL); /* the system gives again */
    expect(r, stats_of(r->kind).allocated == 0);
    expect(r, stats_of(r->kind).active == 0);
    expect(r, kgc_kind_close(r->kind) == 0);
    return hit;
}

/* Fewer and fewer of the calls; all in the long run. */
static unsigned after(unsigned n)
{
    return getenv("KINDGC_TEST_LONG") != NULL ? n + 1 : n + 1 + n / 2;
}

static void sweep(const char *spec, enum fault_call call)
{
    for (int for_good = 0; for_good < 2; for_good++) {
        struct run r = {.spec = spec, .call = call, .n = 1, .for_good = for_good != 0};
        for (; live(&r); r.n = after(r.n))
            ck_assert_uint_lt(r.n, 10000);
    }
}

static void sweep_all(const char *spec)
{
    struct holdings after[2];
    if (kgc_kind_check(spec) != 0)
        SKIP("%s", kgc_last_error());
    struct run counting = {.spec = spec, .n = 0};
    bool made[FAULT_CALLS];
    live(&counting);
    for (enum fault_call call = 0; call < FAULT_CALLS; call++)
        made[call] = fault_count(call) != 0 && call != FAULT_MUNMAP;
    for (int round = 0; round < 2; round++) {
        for (enum fault_call call = 0; call < FAULT_CALLS; call++)
            if (made[call])
                sweep(spec, call);
        after[round] = count_holdings();
    }
    ck_assert_uint_eq(after[1].descriptors, after[0].descriptors);
    ck_assert_uint_eq(after[1].address_space, after[0].address_space);
    ck_assert_uint_eq(after[1].mappings, after[0].mappings);
}

static const char *in_memory(const char *before, const char *after)
{
    static char spec[128];
    snprintf(spec, sizeof spec, "%sfile:%s%s", before,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp", after);
    return spec;
}

START_TEST(ordinary)
{
    sweep_all("default");
}
END_TEST

START_TEST(huge)
{
    sweep_all("thp");
}
END_TEST

START_TEST(file)
{
    sweep_all(in_memory("", ",limit=256M"));
}
END_TEST

START_TEST(tier)
{
    sweep_all(in_memory("tier:default@4M+", ",limit=256M"));
}
END_TEST

START_TEST(locked)
{
    sweep_all("locked,limit=64M");
}
END_TEST

/* ---- limits of the process ---- */

enum { FINE, NOT_OPENED, NOTHING, TOO_MUCH, NOT_ENOMEM, NO_TEXT, CHANGED, NOT_AGAIN, NOT_CLOSED, NO_LIMIT };

/* Allocates until there is no more, frees all, and does so again. */
static int exhaust(kgc_kind *kind, size_t size, size_t at_least, size_t at_most)
{
    enum { MOST = 16384 };
    static unsigned char *block[MOST];
    size_t first = 0;
    for (int round = 0; round < 3; round++) {
        size_t n = 0;
        errno = 0;
        while (n < MOST && (block[n] = kgc_kind_malloc(kind, size)) != NULL) {
            memset(block[n], (int)n, size);
            n++;
        }
        if (errno != ENOMEM)
            return NOT_ENOMEM;
        if (*kgc_last_error() == '\0')
            return NO_TEXT;
        if (n * size < at_least)
            return NOTHING;
        if (n * size > at_most)
            return TOO_MUCH;
        /* Growing fails too, and leaves the block as it is. */
        void *p = kgc_kind_realloc(kind, block[0], size + (64 << 20));
        if (p != NULL || errno != ENOMEM)
            return NOT_ENOMEM;
        for (size_t i = 0; i < n; i++) {
            if (!all_bytes(block[i], size, (unsigned char)i))
                return CHANGED;
            kgc_kind_free(NULL, block[i]);
        }
        if (round != 0 && n < first)
            return NOT_AGAIN;
        first = n;
    }
    return kgc_kind_close(kind) == 0 ? FINE : NOT_CLOSED;
}

static size_t now(const char *key)
{
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), " %zu", &kib);
    fclose(status);
    return kib * 1024;
}

static int limited(int which, size_t most)
{
    struct rlimit limit = {most, RLIM_INFINITY};
    return setrlimit((__rlimit_resource_t)which, &limit);
}

static int little_address_space(void *spec)
{
    kgc_kind *kind;
    if (limited(RLIMIT_AS, now("VmSize:") + 128 * KGC_MIB) != 0)
        return NO_LIMIT;
    if (kgc_kind_open(spec, &kind) != 0)
        return NOT_OPENED;
    return exhaust(kind, 100000, 8 * KGC_MIB, 128 * KGC_MIB);
}

/* The addresses are there, but pages that may be written count. */
static int little_data(void *spec)
{
    kgc_kind *kind;
    if (kgc_kind_open(spec, &kind) != 0)
        return NOT_OPENED;
    if (limited(RLIMIT_DATA, now("VmData:") + 64 * KGC_MIB) != 0)
        return NO_LIMIT;
    return exhaust(kind, 100000, 16 * KGC_MIB, 64 * KGC_MIB);
}

/* Nothing at all is left at the first use; later there is. */
static int nothing_at_first(void *spec)
{
    kgc_kind *kind;
    if (kgc_kind_open(spec, &kind) != 0)
        return NOT_OPENED;
    if (limited(RLIMIT_AS, now("VmSize:")) != 0)
        return NO_LIMIT;
    for (size_t size = 1; size < 64 * KGC_MIB; size *= 8) {
        errno = 0;
        unsigned char *p = kgc_kind_malloc(kind, size);
        if (p == NULL && errno != ENOMEM)
            return NOT_ENOMEM;
        if (p == NULL && *kgc_last_error() == '\0')
            return NO_TEXT;
        if (p != NULL)
            memset(p, 1, size);
        kgc_kind_free(kind, p);
    }
    if (limited(RLIMIT_AS, RLIM_INFINITY) != 0)
        return NO_LIMIT;
    const char *problem = work(kind, true);
    if (problem != NULL)
        return NOT_AGAIN;
    return kgc_kind_close(kind) == 0 ? FINE : NOT_CLOSED;
}

START_TEST(limits_of_the_process)
{
    if (SANITIZED || under_valgrind())
        SKIP("the address space is a sanitizer's");
    static int (*const limits[])(void *) = {little_address_space, little_data, nothing_at_first};
    const char *const specs[] = {"default", "tier:default@16M+default", "default,limit=512M,arenas=1"};
    for (int l = 0; l < 3; l++)
        for (int s = 0; s < 3; s++) {
            int status = in_child(limits[l], (void *)specs[s]);
            ck_assert_msg(exited(status, FINE), "limit %d, %s: status %#x", l, specs[s], (unsigned)status);
        }
}
END_TEST

/* ---- a full disk ---- */

#define DISK (24 * KGC_MIB)

struct disk {
    const char *directory;
    char spec[KGC__SPEC_MAX];
};

static bool mount_disk(struct disk *d)
{
    d->directory = mount_memory(DISK);
    if (d->directory == NULL)
        return false;
    snprintf(d->spec, sizeof d->spec, "file:%s", d->directory);
    return true;
}

/* In children: SIGBUS would be their end. */
static int fill_disk(void *arg)
{
    const struct disk *d = arg;
    static const size_t sizes[] = {100, 3000, 30000, 500000};
    for (int i = 0; i < 4; i++) {
        kgc_kind *kind;
        if (kgc_kind_open(d->spec, &kind) != 0)
            return NOT_OPENED;
        if (i == 0) { /* 24 MiB of small blocks are more than exhaust() holds */
            size_t n = 0;
            for (void **p, **before = NULL; (p = kgc_kind_malloc(kind, 100)) != NULL; before = p, n++)
                *p = before;
            if (errno != ENOMEM || n * 100 < DISK / 2)
                return NOT_ENOMEM;
            if (kgc_kind_reset(kind) != 0 || kgc_kind_close(kind) != 0)
                return NOT_CLOSED;
            continue;
        }
        int result = exhaust(kind, sizes[i], DISK / 2, DISK);
        if (result != FINE)
            return result * 10 + i;
    }
    return FINE;
}

/* Another file takes the room that the kind gave back.  Returns its descriptor. */
static int take_room(const struct disk *d)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/other", d->directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    unlink(path);
    for (off_t at = 0; fallocate(fd, 0, at, PAGE) == 0;)
        at += PAGE;
    return fd;
}

static int disk_taken_by_others(void *arg)
{
    const struct disk *d = arg;
    kgc_kind *kind;
    enum { PIECES = 100 };
    static unsigned char *piece[PIECES];
    if (kgc_kind_open(d->spec, &kind) != 0)
        return NOT_OPENED;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PIECES; i++) {
            if ((piece[i] = kgc_kind_malloc(kind, 150000)) == NULL)
                return NOT_AGAIN;
            memset(piece[i], i, 150000);
        }
        for (int i = 0; i < PIECES; i++)
            if (i % 2 == 0)
                kgc_kind_free(kind, piece[i]);
        kgc_kind_purge(kind);
        int other = take_room(d);
        /* Pages that were given back are promised again before they are used. */
        errno = 0;
        for (unsigned char *p; (p = kgc_kind_calloc(kind, 1, 150000)) != NULL;)
            memset(p, 0xee, 150000);
        if (errno != ENOMEM)
            return NOT_ENOMEM;
        for (int i = 1; i < PIECES; i += 2)
            if (!all_bytes(piece[i], 150000, (unsigned char)i))
                return CHANGED;
        close(other);
        unsigned char *p = kgc_kind_calloc(kind, 1, 150000);
        if (p == NULL || !all_bytes(p, 150000, 0))
            return NOTHING;
        if (kgc_kind_reset(kind) != 0 || kgc_kind_purge(kind) != 0)
            return NOT_CLOSED;
    }
    return kgc_kind_close(kind) == 0 ? FINE : NOT_CLOSED;
}

/* Two threads race for the last of it. */
static void *take_until_none(void *arg)
{
    kgc_kind *kind = arg;
    unsigned char *first = NULL;
    size_t size = 20000;
    for (unsigned char *p; (p = kgc_kind_malloc(kind, size)) != NULL; first = p) {
        memset(p, 1, size);
        memcpy(p, &first, sizeof first);
    }
    bool wrong = errno != ENOMEM;
    while (first != NULL) {
        unsigned char *next;
        memcpy(&next, first, sizeof next);
        wrong |= !all_bytes(first + sizeof next, size - sizeof next, 1);
        kgc_kind_free(NULL, first);
        first = next;
    }
    return wrong ? arg : NULL;
}

static int race_on_disk(void *arg)
{
    const struct disk *d = arg;
    kgc_kind *kind;
    if (kgc_kind_open(d->spec, &kind) != 0)
        return NOT_OPENED;
    for (int round = 0; round < 10; round++) {
        pthread_t thread;
        void *wrong = NULL;
        if (pthread_create(&thread, NULL, take_until_none, kind) != 0)
            return NOTHING;
        void *here = take_until_none(kind);
        pthread_join(thread, &wrong);
        if (wrong != NULL || here != NULL)
            return CHANGED;
    }
    return kgc_kind_close(kind) == 0 ? FINE : NOT_CLOSED;
}

START_TEST(full_disk)
{
    static int (*const uses[])(void *) = {fill_disk, disk_taken_by_others, race_on_disk};
    struct disk d;
    int status[3];
    if (!mount_disk(&d))
        SKIP("a small file system cannot be mounted: %s", strerror(errno));
    for (int i = 0; i < 3; i++)
        status[i] = in_child(uses[i], &d);
    unmount_memory(d.directory);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(exited(status[i], FINE), "use %d: status %#x", i, (unsigned)status[i]);
}
END_TEST

SUITE_OF_LOOPS("explicit memory under faults", 120, {ordinary, 1}, {huge, 1}, {file, 1}, {tier, 1},
               {locked, 1}, {limits_of_the_process, 1}, {full_disk, 1})
