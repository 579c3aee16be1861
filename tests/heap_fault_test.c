/* SPDX-License-Identifier: MIT */
/*
 * Every system call failing in turn under a working GC heap: the n-th mmap,
 * mprotect, madvise, open, ftruncate, fallocate... fails, once and for good,
 * for every n until none is hit, on every kind.  A program then sees a clear
 * error from kgc_init(), NULL with ENOMEM, or nothing at all.  Where libgc
 * gets no memory for its own tables it aborts, as it does without this
 * library; nothing else may kill the process, and nothing may hang or change
 * an object.
 */
#include "suite.h"
#include "support/fault.h"
#include <errno.h>
#include <kindgc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const specs[] = {"default", "thp", "file:/var/tmp", "tier:default@2M+file:/var/tmp"};
enum { KINDS = sizeof specs / sizeof specs[0] };

/* How the program under test ended. */
/* LIBGC_GIVES_UP: its exit(1), "Insufficient memory" and the like. */
enum {
    FINE = 0,
    LIBGC_GIVES_UP = 1,
    CLEAR_ERROR = 20,
    OUT_OF_MEMORY = 21,
    WRONG_ERROR = 30,
    LOST = 31,
    NOT_HIT = 40
};

enum { OBJECTS = 60, SIZE = 60000 };

static int end(int how)
{
    return fault_hits() == 0 ? NOT_HIT : how;
}

static int out_of_memory(void)
{
    return errno == ENOMEM ? OUT_OF_MEMORY : WRONG_ERROR;
}

static bool is_filled(const unsigned char *p, int with)
{
    return p[0] == with && memcmp(p, p + 1, SIZE - 1) == 0;
}

static int use_heap(void)
{
    unsigned char **keep = kgc_calloc(OBJECTS, sizeof *keep);
    if (keep == NULL) /* it opens a kind of its own, which may say something else than ENOMEM */
        return errno != ENOMEM && kgc_last_error()[0] != '\0' ? CLEAR_ERROR : out_of_memory();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < OBJECTS; i++) {
            if (keep[i] != NULL)
                continue;
            keep[i] = kgc_allocate_atomic(SIZE);
            if (keep[i] == NULL)
                return out_of_memory();
            memset(keep[i], i, SIZE);
        }
        for (int i = 0; i < OBJECTS; i++)
            if ((i + round) % 3 != 0)
                keep[i] = NULL;
        for (int i = 0; i < 7; i++)
            kgc_collect();
        for (int i = 0; i < OBJECTS; i++)
            if (keep[i] != NULL && !is_filled(keep[i], i))
                return LOST;
    }
    pid_t child = fork();
    if (child == 0) {
        fault_disarm();
        _exit(0); /* it may have no access to the heap, but it exists */
    }
    int status;
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 0))
        return LOST;
    for (int i = 0; i < OBJECTS; i++)
        if (keep[i] != NULL && !is_filled(keep[i], i))
            return LOST;
    return FINE;
}

static int program(const char *spec)
{
    int error = kgc_init(&(kgc_options){.heap = spec});
    if (error != 0)
        return kgc_last_error()[0] != '\0' ? CLEAR_ERROR : WRONG_ERROR;
    return use_heap();
}

static void in_child(const char *spec, enum fault_call call, unsigned n, bool for_good)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    freopen("/dev/null", "w", stderr); /* libgc warns, as it should */
    alarm(60);
    fault_arm(call, n, for_good, fault_errno(call));
    _exit(end(program(spec)));
}

/* May libgc have given up?  It does when it gets no memory for its tables. */
static bool may_give_up(enum fault_call call)
{
    return call == FAULT_MMAP || call == FAULT_MPROTECT || call == FAULT_FALLOCATE;
}

/* False when the n-th call does not exist. */
static bool try(const char *spec, enum fault_call call, unsigned n, bool for_good)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        in_child(spec, call, n, for_good);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HIT)
        return false;
    int how = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool good = how == FINE || how == CLEAR_ERROR || how == OUT_OF_MEMORY ||
                (may_give_up(call) && (how == LIBGC_GIVES_UP || (how == -1 && WTERMSIG(status) == SIGABRT)));
    ck_assert_msg(good, "%s: %s %u fails%s: status %#x", spec, fault_name(call), n,
                  for_good ? " for good" : "", status);
    return true;
}

START_TEST(every_call_fails_in_turn)
{
    const char *spec = specs[_i / FAULT_CALLS];
    enum fault_call call = (enum fault_call)(_i % FAULT_CALLS);
    if (call == FAULT_MUNMAP)
        return; /* of what was ours it cannot fail: os.h */
    if (kgc_kind_check(spec) != 0) {
        printf("SKIP: %s: %s\n", spec, kgc_last_error());
        return;
    }
    for (int for_good = 0; for_good <= 1; for_good++)
        for (unsigned n = 1; try(spec, call, n, for_good != 0); n++)
            ck_assert_uint_lt(n, 10000);
}
END_TEST

START_TEST(the_program_works_when_nothing_fails)
{
    ck_assert_int_eq(program(specs[_i]), FINE);
}
END_TEST

SUITE_OF_LOOPS("heap_fault", 300, {the_program_works_when_nothing_fails, KINDS},
               {every_call_fails_in_turn, KINDS *FAULT_CALLS})
