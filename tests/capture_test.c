/* SPDX-License-Identifier: MIT */
/* Captured stacks are those that the C library's unwinder finds. */
#include "leak/capture.h"
#include "leak/depot.h"
#include "leak/sites.h"
#include "suite.h"
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 100 };

/* Of the calling function: "" when both agree, else why not. */
static __thread char difference[200];
static __attribute__((noinline)) bool is_as_expected(unsigned limit)
{
    void *all[MOST + 4], **wanted = all;
    uint32_t stack = kgc__capture();
    int n = backtrace(all, MOST + 4);
    unsigned count;
    const uint32_t *sites = kgc__depot_stack(stack, &count);
    /* A sanitizer's own function may stand before the C library's. */
    for (int i = 0; i < 2 && count > 1 && (uintptr_t)wanted[1] != kgc__site_by_number(sites[1])->pc; i++, n--)
        wanted++;
    unsigned expected = (unsigned)n < limit ? (unsigned)n : limit;
    if (stack == 0 || count != expected) {
        snprintf(difference, sizeof difference, "stack %u has %u frames, not %u", stack, count, expected);
        return false;
    }
    /* The innermost are two places in this function. */
    for (unsigned i = 1; i < count; i++) {
        uintptr_t pc = kgc__site_by_number(sites[i])->pc;
        if (pc != (uintptr_t)wanted[i] && pc != (uintptr_t)wanted[i] + 1) {
            snprintf(difference, sizeof difference, "frame %u of %u is %p, not %p", i, count, (void *)pc,
                     wanted[i]);
            return false;
        }
    }
    return true;
}

static __thread uint64_t seed = 1;
static unsigned chance(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

struct walk {
    unsigned limit, captures, wrong;
};

/* Functions of several sorts of frames that call one another. */
static void any(struct walk *w, int depth);

static __attribute__((noinline)) void plain(struct walk *w, int depth)
{
    any(w, depth - 1);
    __asm__ volatile("" : : : "memory");
}

static __attribute__((noinline)) void with_alloca(struct walk *w, int depth)
{
    char *p = alloca(16 + chance(5) * 48);
    p[0] = 1;
    any(w, depth - 1);
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void realigned(struct walk *w, int depth)
{
    char space[64] __attribute__((aligned(64)));
    space[chance(64)] = 1;
    any(w, depth - 1);
    __asm__ volatile("" : : "r"(space) : "memory");
}

/* Uses every callee-saved register, the frame pointer too. */
static __attribute__((noinline)) void with_registers(struct walk *w, int depth)
{
    uint64_t a = chance(9), b = chance(9), c = chance(9), d = chance(9), e = chance(9), f = chance(9);
    for (unsigned i = 0; i < 2; i++) {
        any(w, depth - 1);
        a += b ^ i, b += c, c += d, d += e, e += f, f += a;
    }
    __asm__ volatile("" : : "r"(a + b + c + d + e + f) : "memory");
}

static __attribute__((noinline)) void large_frame(struct walk *w, int depth)
{
    char space[3000];
    space[chance(3000)] = 1;
    any(w, depth - 1);
    __asm__ volatile("" : : "r"(space) : "memory");
}

static __attribute__((noinline)) void any(struct walk *w, int depth)
{
    static void (*const functions[])(struct walk *, int) = {plain, with_alloca, realigned, with_registers,
                                                            large_frame};
    if (chance(2) == 0 || depth == 0) {
        w->captures++;
        w->wrong += !is_as_expected(w->limit);
    }
    if (depth != 0)
        functions[chance(5)](w, depth);
    if (chance(4) == 0) {
        w->captures++;
        w->wrong += !is_as_expected(w->limit);
    }
}

START_TEST(random_calls)
{
    struct walk w = {.limit = MOST};
    kgc__capture_start(w.limit);
    for (unsigned i = 0; i < 300; i++)
        any(&w, (int)chance(14));
    ck_assert_uint_gt(w.captures, 3000);
    ck_assert_msg(w.wrong == 0, "%u of %u: %s", w.wrong, w.captures, difference);
}
END_TEST

START_TEST(deeper_than_the_limit)
{
    struct walk w = {.limit = 7};
    kgc__capture_start(w.limit);
    for (unsigned i = 0; i < 300; i++)
        any(&w, (int)chance(14));
    ck_assert_msg(w.wrong == 0, "%u of %u: %s", w.wrong, w.captures, difference);
}
END_TEST

static __attribute__((noinline)) unsigned recurse(int depth, unsigned limit)
{
    unsigned wrong = !is_as_expected(limit);
    if (depth != 0)
        wrong += recurse(depth - 1, limit);
    return wrong + !is_as_expected(limit);
}

START_TEST(deep_recursion)
{
    kgc__capture_start(30);
    unsigned wrong = recurse(2000, 30);
    wrong += recurse(100, 30) + recurse(2000, 30);
    ck_assert_msg(wrong == 0, "%u: %s", wrong, difference);
    struct kgc__depot_stats stats;
    kgc__depot_stats(&stats);
    ck_assert_uint_lt(stats.stacks, 1000); /* beyond the limit all are alike */
}
END_TEST

static volatile sig_atomic_t handled, handled_wrong;
static void on_signal(int number)
{
    (void)number;
    handled++;
    handled_wrong += !is_as_expected(30);
}

static __attribute__((noinline)) void interrupt(void)
{
    raise(SIGUSR1);
    __asm__ volatile("" : : : "memory");
}

START_TEST(signal_handlers)
{
    static char space[65536];
    const stack_t other = {.ss_sp = space, .ss_size = sizeof space};
    struct sigaction action = {.sa_handler = on_signal};
    kgc__capture_start(30);
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < 5; i++)
        interrupt();
    ck_assert_int_eq(sigaltstack(&other, NULL), 0);
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < 5; i++)
        interrupt();
    ck_assert_int_eq(handled, 10);
    ck_assert_msg(handled_wrong == 0, "%d: %s", (int)handled_wrong, difference);
}
END_TEST

static void on_fault(int number)
{
    (void)number;
    _exit(is_as_expected(30) ? 0 : 1);
}

/* Where no instruction of a call was: the handler's caller was interrupted. */
START_TEST(faults)
{
    struct sigaction action = {.sa_handler = on_fault};
    kgc__capture_start(30);
    sigaction(SIGSEGV, &action, NULL);
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        *(volatile char *)page = 1;
        _exit(2);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

static void *in_thread(void *arg)
{
    struct walk *w = arg;
    seed = (uint64_t)(uintptr_t)w | 1;
    for (unsigned i = 0; i < 100; i++)
        any(w, (int)chance(10));
    return NULL;
}

START_TEST(threads)
{
    enum { THREADS = 8, ROUNDS = 5 };
    struct walk w[THREADS];
    pthread_t thread[THREADS];
    kgc__capture_start(MOST);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < THREADS; i++) {
            w[i] = (struct walk){.limit = MOST};
            pthread_create(&thread[i], NULL, in_thread, &w[i]);
        }
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        for (unsigned i = 0; i < THREADS; i++)
            ck_assert_uint_eq(w[i].wrong, 0);
    }
}
END_TEST

static void *on_small_stack(void *arg)
{
    *(uint32_t *)arg = kgc__capture();
    return NULL;
}

START_TEST(small_stacks)
{
    pthread_attr_t attributes;
    pthread_t thread;
    uint32_t stack = 0;
    kgc__capture_start(30);
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 16384), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, on_small_stack, &stack), 0);
    pthread_join(thread, NULL);
    unsigned count;
    kgc__depot_stack(stack, &count);
    ck_assert_uint_ge(count, 2);
}
END_TEST

static void count_piece(char *lo, char *hi, void *arg)
{
    (void)lo, (void)hi;
    ++*(size_t *)arg;
}

/* Memory of threads that have ended is used again. */
START_TEST(many_threads)
{
    size_t pieces = 0;
    pthread_t thread;
    uint32_t stack;
    kgc__capture_start(30);
    for (unsigned i = 0; i < 200; i++) {
        pthread_create(&thread, NULL, on_small_stack, &stack);
        pthread_join(thread, NULL);
    }
    kgc__capture_visit_memory(count_piece, &pieces);
    ck_assert_uint_le(pieces, 3);
}
END_TEST

static unsigned wrong_in_module;
static void called_by_module(void)
{
    wrong_in_module += !is_as_expected(30);
}

/* Modules of other code take turns at what are mostly the same addresses. */
START_TEST(unloaded_modules)
{
    static const char *const names[] = {"small", "large"};
    kgc__capture_start(30);
    for (unsigned i = 0; i < 20; i++) {
        char path[200];
        snprintf(path, sizeof path, "tests/.libs/capture_%s.so", names[i % 2]);
        void *module = dlopen(path, RTLD_NOW);
        ck_assert_msg(module != NULL, "%s", dlerror());
        void (*call)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(module, "capture_call");
        call(called_by_module);
        call(called_by_module);
        ck_assert_int_eq(dlclose(module), 0);
        kgc__sites_check_modules();
    }
    ck_assert_msg(wrong_in_module == 0, "%u: %s", wrong_in_module, difference);
    unsigned gone = 0;
    for (unsigned i = 0; i < kgc__modules_count(); i++)
        gone += atomic_load(&kgc__module_by_number(i)->gone);
    ck_assert_uint_eq(gone, 20);
}
END_TEST

START_TEST(forked_children)
{
    kgc__capture_start(30);
    ck_assert(is_as_expected(30));
    pid_t child = fork();
    if (child == 0) {
        kgc__capture_after_fork_in_child();
        pthread_t thread;
        uint32_t stack = 0;
        pthread_create(&thread, NULL, on_small_stack, &stack);
        pthread_join(thread, NULL);
        _exit(stack != 0 && is_as_expected(30) ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

SUITE("capture", random_calls, deeper_than_the_limit, deep_recursion, signal_handlers, faults, threads,
      small_stacks, many_threads, unloaded_modules, forked_children)
