/* SPDX-License-Identifier: MIT */
/*
 * The rooted heap when the system refuses: each memory system call fails at
 * each of its calls, once and for good, from the very first use of the library
 * on; and the address space is limited.  Allocations end in memory that works or
 * in NULL and ENOMEM, nothing is lost or changed, and when the system gives
 * again, so does the heap.
 *
 * KINDGC_TEST_LONG=1 in the environment: every call, not a sample of them.
 */
#include "arena/blocks.h"
#include "base/size.h"
#include "rooted/rooted.h"
#include "suite.h"
#include "support/fault.h"
#include "support/system.h"
#include <errno.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { BLOCKS = 64 };

/* What a child found: also its exit status. */
enum {
    FINE,
    NOT_ENOMEM,
    NO_TEXT,
    NOT_ZERO,
    NOT_ALIGNED,
    LOST,
    CHANGED,
    ERRNO,
    NOT_AGAIN,
    NOT_FREED,
    COLLECTOR, /* libgc was started, which nobody needs */
    NO_THREAD,
    NO_KIND,
    NO_LIMIT,
    UNTOUCHED /* the call was not made so often */
};

struct run {
    const char *spec;
    enum fault_call call;
    unsigned n;
    bool for_good;
};

static size_t nth_size(int i)
{
    static const size_t sizes[] = {1, 16, 100, 1000, 5000, 40000, 100000, KGC_MIB};
    return sizes[i % 8];
}

static size_t nth_alignment(int i)
{
    static const size_t alignments[] = {64, 4096, 65536};
    return alignments[i % 3];
}

/* One of the four ways to allocate. */
static void *allocate(int i)
{
    size_t size = nth_size(i);
    void *p = NULL;
    if (i % 4 == 0)
        return kgc_calloc(1, size);
    if (i % 4 == 1)
        return kgc_aligned_alloc(nth_alignment(i), size);
    if (i % 8 != 2)
        return kgc_malloc(size);
    errno = EDOM;
    int error = kgc_posix_memalign(&p, nth_alignment(i), size);
    if (errno != EDOM || (error != 0 && p != NULL))
        return &nth_size; /* which no caller takes for a block */
    errno = error;
    return p;
}

static int refused(bool all_must_succeed)
{
    return errno != ENOMEM             ? NOT_ENOMEM
           : all_must_succeed          ? NOT_AGAIN
           : *kgc_last_error() == '\0' ? NO_TEXT
                                       : FINE;
}

static int take_all(unsigned char **block, bool all_must_succeed)
{
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = nth_size(i);
        errno = 0;
        block[i] = allocate(i);
        int result = block[i] == NULL ? refused(all_must_succeed) : FINE;
        if (result != FINE)
            return result;
        if (block[i] == NULL)
            continue;
        if (block[i] == (void *)&nth_size)
            return ERRNO;
        if (i % 4 == 0 && !all_bytes(block[i], size, 0))
            return NOT_ZERO;
        if (i % 4 == 1 && (uintptr_t)block[i] % nth_alignment(i) != 0)
            return NOT_ALIGNED;
        if (kgc_malloc_usable_size(block[i]) < size)
            return LOST;
        memset(block[i], i, size);
    }
    return FINE;
}

/* Every other block gets another size; the size that it has now is noted. */
static int resize_some(unsigned char **block, size_t *size, bool all_must_succeed)
{
    for (int i = 0; i < BLOCKS; i++) {
        size[i] = nth_size(i);
        if (block[i] == NULL || i % 2 != 0)
            continue;
        size_t wanted = nth_size(i + 3 + i / 16);
        errno = 0;
        unsigned char *p =
            i % 4 == 0 || !kgc_realloc_in_place(block[i], wanted) ? kgc_realloc(block[i], wanted) : block[i];
        int result = p == NULL ? refused(all_must_succeed) : FINE;
        if (result != FINE)
            return result;
        block[i] = p != NULL ? p : block[i];
        size_t kept = p == NULL || size[i] < wanted ? size[i] : wanted;
        if (!all_bytes(block[i], kept, (unsigned char)i))
            return CHANGED;
        size[i] = kept;
    }
    return FINE;
}

static int free_all(unsigned char **block, const size_t *size)
{
    for (int i = 0; i < BLOCKS; i++) {
        if (block[i] != NULL && !all_bytes(block[i], size[i], (unsigned char)i))
            return CHANGED;
        errno = EDOM;
        kgc_free(block[i]);
        if (errno != EDOM)
            return ERRNO;
        if (block[i] != NULL && kgc_malloc_usable_size(block[i]) != 0)
            return NOT_FREED;
    }
    return FINE;
}

static int work(bool all_must_succeed)
{
    unsigned char *block[BLOCKS];
    size_t size[BLOCKS];
    int result = take_all(block, all_must_succeed);
    if (result == FINE)
        result = resize_some(block, size, all_must_succeed);
    return result == FINE ? free_all(block, size) : result;
}

/* Makes an array of free blocks, and gives it back, under the fault. */
static void *work_in_thread(void *arg)
{
    int *result = arg;
    *result = work(false);
    return NULL;
}

static bool count_block(const struct kgc__block *block, void *count)
{
    (void)block;
    ++*(unsigned *)count;
    return true;
}

static unsigned live_blocks(void)
{
    unsigned count = 0;
    kgc__blocks_visit(count_block, &count);
    return count;
}

static int purge(void)
{
    void *p = kgc_malloc(1);
    kgc_kind *kind = p != NULL ? kgc_kind_of(p) : NULL;
    kgc_free(p);
    return kind == NULL || kgc_kind_purge(kind) == 0 ? FINE : NOT_AGAIN;
}

/* From the first use of the library on.  In a child. */
static int live(void *arg)
{
    const struct run *r = arg;
    setenv("KINDGC", r->spec, 1);
    fault_arm(r->call, r->n, r->for_good, fault_errno(r->call));
    int result = work(false), in_thread = FINE;
    pthread_t thread;
    if (result == FINE && pthread_create(&thread, NULL, work_in_thread, &in_thread) != 0)
        return NO_THREAD;
    if (result == FINE)
        pthread_join(thread, NULL);
    if (result == FINE && in_thread == FINE)
        result = work(false);
    bool hit = fault_hits() != 0;
    fault_disarm();
    if (result != FINE || in_thread != FINE)
        return result != FINE ? result : in_thread;
    if (live_blocks() != 0)
        return NOT_FREED;
    for (int i = 0; i < 2 && result == FINE; i++) /* the system gives again */
        result = i == 0 || (result = purge()) == FINE ? work(true) : result;
    if (result == FINE)
        result = live_blocks() != 0 ? NOT_FREED : GC_is_init_called() ? COLLECTOR : FINE;
    return result == FINE && !hit ? UNTOUCHED : result;
}

static unsigned after(unsigned n)
{
    return getenv("KINDGC_TEST_LONG") != NULL ? n + 1 : n + 1 + n / 2;
}

static void sweep(const char *settings, enum fault_call call)
{
    for (int for_good = 0; for_good < 2; for_good++) {
        struct run r = {.spec = settings, .call = call, .n = 1, .for_good = for_good != 0};
        for (int status = 0; !exited(status, UNTOUCHED); r.n = after(r.n)) {
            status = in_child(live, &r);
            ck_assert_msg(exited(status, FINE) || exited(status, UNTOUCHED), "%s: %s number %u%s: status %#x",
                          settings, fault_name(call), r.n, for_good ? " and later" : "", (unsigned)status);
            ck_assert_uint_lt(r.n, 10000);
        }
    }
}

static void sweep_all(const char *settings)
{
    for (enum fault_call call = 0; call < FAULT_CALLS; call++)
        sweep(settings, call);
}

START_TEST(ordinary)
{
    sweep_all("heap=default");
}
END_TEST

START_TEST(huge)
{
    if (getenv("KINDGC_TEST_LONG") == NULL)
        SKIP("only in the long run");
    sweep_all("heap=thp");
}
END_TEST

START_TEST(tier)
{
    sweep_all("heap=tier:default@4M+default");
}
END_TEST

/* ---- limits of the process ---- */

static size_t address_space(void)
{
    char line[256];
    size_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmSize:", 7) == 0)
            kib = strtoul(line + 7, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib * 1024;
}

/* All the memory there is, three times; growing fails too, and leaves the block as it is. */
static int exhaust(size_t size)
{
    enum { MOST = 16384 };
    static unsigned char *block[MOST];
    size_t first = 0;
    for (int round = 0; round < 3; round++) {
        size_t n = 0;
        errno = 0;
        while (n < MOST && (block[n] = kgc_malloc(size)) != NULL) {
            memset(block[n], (int)n, size);
            n++;
        }
        if (errno != ENOMEM)
            return NOT_ENOMEM;
        if (*kgc_last_error() == '\0')
            return NO_TEXT;
        if (n == 0 || kgc_realloc(block[0], 256 * KGC_MIB) != NULL || errno != ENOMEM)
            return NOT_ENOMEM;
        for (size_t i = 0; i < n; i++) {
            if (!all_bytes(block[i], size, (unsigned char)i))
                return CHANGED;
            kgc_free(block[i]);
        }
        if (round != 0 && n < first * 9 / 10)
            return NOT_AGAIN;
        first = n;
    }
    return live_blocks() == 0 ? FINE : NOT_FREED;
}

/* From before the first use: once the heap has its range of addresses, only data are limited. */
static int little_address_space(void *arg)
{
    size_t *room = arg;
    struct rlimit limit = {address_space() + *room, RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &limit) == 0 ? exhaust(20000) : NO_LIMIT;
}

/* Data, from before the first use too: the addresses can be had, but few pages may be written. */
static int little_data(void *arg)
{
    size_t *room = arg;
    struct rlimit limit = {*room, RLIM_INFINITY};
    return setrlimit(RLIMIT_DATA, &limit) == 0 ? exhaust(20000) : NO_LIMIT;
}

/* Nothing at all is left at the first use; later there is. */
static int nothing_at_first(void *arg)
{
    (void)arg;
    struct rlimit limit = {address_space(), RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return NO_LIMIT;
    for (size_t size = 1; size < 64 * KGC_MIB; size *= 8) {
        errno = 0;
        unsigned char *p = kgc_malloc(size);
        if (p == NULL && errno != ENOMEM)
            return NOT_ENOMEM;
        if (p == NULL && *kgc_last_error() == '\0')
            return NO_TEXT;
        if (p != NULL)
            memset(p, 1, size);
        kgc_free(p);
    }
    limit.rlim_cur = RLIM_INFINITY;
    return setrlimit(RLIMIT_AS, &limit) == 0 ? work(true) : NO_LIMIT;
}

START_TEST(limits_of_the_process)
{
    if (SANITIZED || under_valgrind())
        SKIP("the address space is a sanitizer's");
    static const struct {
        int (*fn)(void *);
        size_t room;
    } limits[] = {{little_address_space, 128 * KGC_MIB}, {little_data, 128 * KGC_MIB}, {nothing_at_first, 0}};
    for (int i = 0; i < 3; i++) {
        size_t room = limits[i].room;
        int status = in_child(limits[i].fn, &room);
        ck_assert_msg(exited(status, FINE), "limit %d: status %#x", i, (unsigned)status);
    }
}
END_TEST

/* ---- a limited kind ---- */

/* The kind has a limit: as much memory can be had again and again. */
START_TEST(limited_kind)
{
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = "default,limit=32M"}), 0);
    ck_assert_int_eq(exhaust(3000), FINE);
    ck_assert_int_eq(exhaust(20000), FINE);
    ck_assert_int_eq(exhaust(500000), FINE);
}
END_TEST

SUITE("rooted heap under faults", ordinary, huge, tier, limits_of_the_process, limited_kind)
