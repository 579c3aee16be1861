/* SPDX-License-Identifier: MIT */
/*
 * Stopping threads by a helper process: see stop.h.
 *
 * caller                              helper
 *   START, clone()                      waits for GO
 *   lets it trace (Yama), GO            seizes and interrupts all threads that
 *                                       /proc/self/task lists, until a listing
 *                                       names no new one; reads registers
 *   waits                               STOPPED or FAILED (it has let all go)
 *   marks; RELEASE                      detaches all; RELEASED; ends
 *   waits for its end
 *
 * The helper has the caller's thread-local storage, errno too; it uses raw
 * system calls only.  It dies with the caller (PR_SET_PDEATHSIG), and when it
 * dies, the kernel lets all threads go; the caller notices either way.
 */
#include "leak/stop.h"
#include "leak/raw.h"
#include "os/os.h"
#include "os/proc.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif
#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

enum { START, GO, STOPPED, FAILED, RELEASE, RELEASED };
enum { SPARE_THREADS = 32 };

/* Most time that threads may take to stand still. */
enum { PATIENCE_MS = 1000, SLICE_MS = 20 };

static pid_t owner;

void kgc__stop_attach(void)
{
    owner = (pid_t)kgc__raw(SYS_getpid, 0, 0, 0, 0);
}

int kgc__stop_allowed(void)
{
    return owner == (pid_t)kgc__raw(SYS_getpid, 0, 0, 0, 0);
}

static uint64_t now_ms(void)
{
    struct timespec t = {0};
    kgc__raw(SYS_clock_gettime, CLOCK_MONOTONIC, &t, 0, 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(struct kgc__stop *s, unsigned word)
{
    __atomic_store_n(&s->word, word, __ATOMIC_SEQ_CST);
    kgc__raw(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE, INT32_MAX, 0);
}

static unsigned heard(const struct kgc__stop *s)
{
    return __atomic_load_n(&s->word, __ATOMIC_SEQ_CST);
}

/* Waits a while as long as the word is this. */
static void listen(struct kgc__stop *s, unsigned word)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
    kgc__raw(SYS_futex, &s->word, FUTEX_WAIT_PRIVATE, word, &slice);
}

/* ---- the helper ---- */

static long trace(long request, pid_t tid, uintptr_t address, uintptr_t data)
{
    return kgc__raw(SYS_ptrace, request, tid, address, data);
}

static size_t read_set(pid_t tid, unsigned set, void *to, size_t size)
{
    struct iovec piece = {to, size};
    return trace(PTRACE_GETREGSET, tid, set, (uintptr_t)&piece) == 0 ? piece.iov_len : 0;
}

/* False: the thread is dying. */
static bool read_registers(struct kgc__halted *t)
{
    uintptr_t *w = t->word;
    size_t general = read_set(t->tid, NT_PRSTATUS, w, KGC__GENERAL_WORDS * sizeof *w);
    if (general == 0)
        return false;
    uintptr_t *vectors = w + general / sizeof *w;
    size_t room = KGC__VECTOR_WORDS * sizeof *w, size = 0;
#if defined __x86_64__
    t->sp = w[19];
    t->tls = w[21]; /* fs_base */
    size = read_set(t->tid, NT_X86_XSTATE, vectors, room);
#else
    t->sp = w[31];
    if (read_set(t->tid, NT_ARM_TLS, &t->tls, sizeof t->tls) == 0)
        t->tls = 0;
    size = read_set(t->tid, NT_ARM_SVE, vectors, room);
#endif
    if (size == 0)
        size = read_set(t->tid, NT_FPREGSET, vectors, room);
    t->words = (unsigned)((general + size) / sizeof *w);
    return true;
}

static struct kgc__halted *find(struct kgc__stop *s, pid_t tid, unsigned guess)
{
    if (guess < s->threads && s->thread[guess].tid == tid)
        return &s->thread[guess];
    for (unsigned i = 0; i < s->threads; i++)
        if (s->thread[i].tid == tid)
            return &s->thread[i];
    return NULL;
}

static bool grow(struct kgc__stop *s)
{
    size_t size = s->capacity * sizeof *s->thread;
    struct kgc__halted *more = kgc__os_map_plain(2 * size);
    if (more == NULL)
        return false;
    __builtin_memcpy(more, s->thread, s->threads * sizeof *more);
    kgc__os_release(s->thread, size);
    s->thread = more;
    s->capacity *= 2;
    return true;
}

/* The state letter of a thread: 'Z', 'R' and so on; 0: it is gone. */
static char state_of(const struct kgc__stop *s, pid_t tid)
{
    char path[24], digits[12], text[192];
    unsigned n = 0, at = 0;
    for (pid_t rest = tid; rest != 0; rest /= 10)
        digits[n++] = (char)('0' + rest % 10);
    while (n != 0)
        path[at++] = digits[--n];
    memcpy(path + at, "/stat", sizeof "/stat");
    long fd = kgc__raw(SYS_openat, s->fd, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long got = kgc__raw(SYS_read, fd, text, sizeof text, 0);
    kgc__raw(SYS_close, fd, 0, 0, 0);
    /* "12 (name) S ...": the name may hold anything. */
    for (long i = got - 2; i > 0; i--)
        if (text[i] == ')')
            return i + 2 < got ? text[i + 2] : 0;
    return 0;
}

static bool is_gone(const struct kgc__stop *s, pid_t tid)
{
    char state = state_of(s, tid);
    return state == 0 || state == 'Z' || state == 'X';
}

/* 0, or an errno value. */
static int seize(struct kgc__stop *s, pid_t tid)
{
    long error = -trace(PTRACE_SEIZE, tid, 0, 0);
    if (error != 0) /* one that is dead (a main thread that has ended stays listed) has no stack */
        return error == ESRCH || is_gone(s, tid) ? 0 : (int)error;
    if (s->threads == s->capacity && !grow(s))
        return ENOMEM;
    struct kgc__halted *t = &s->thread[s->threads++];
    t->tid = tid;
    t->state = KGC__PENDING;
    t->signal = 0;
    t->words = 0;
    trace(PTRACE_INTERRUPT, tid, 0, 0); /* a failure: it has ended, which is waited for */
    return 0;
}

/* Seizes those that are new in the list.  Their number, or a negative errno value. */
static int seize_new(struct kgc__stop *s)
{
    char buffer[4096];
    int fresh = 0;
    unsigned index = 0;
    bool self = false;
    kgc__raw(SYS_lseek, s->fd, 0, SEEK_SET, 0);
    for (long size; (size = kgc__raw(SYS_getdents64, s->fd, buffer, sizeof buffer, 0)) != 0;) {
        if (size < 0)
            return (int)size;
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
            at += entry->d_reclen;
            pid_t tid = 0;
            for (const char *p = entry->d_name; *p >= '0' && *p <= '9'; p++)
                tid = 10 * tid + (*p - '0');
            self |= tid == s->self;
            if (tid == 0 || tid == s->self || find(s, tid, index++) != NULL)
                continue;
            unsigned before = s->threads;
            int error = seize(s, tid);
            if (error != 0) {
                s->culprit = tid;
                return -error;
            }
            fresh += (int)(s->threads - before);
        }
    }
    return self ? fresh : -ENOENT; /* another process number space's /proc */
}

static void note(struct kgc__stop *s, pid_t tid, int status)
{
    struct kgc__halted *t = find(s, tid, 0);
    if (t == NULL)
        return;
    if (t->state == KGC__HALTED)
        s->halted--;
    t->state = KGC__GONE;
    if (!WIFSTOPPED(status))
        return;
    t->signal = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
    if (read_registers(t)) {
        t->state = KGC__HALTED;
        s->halted++;
    }
}

static unsigned pending(const struct kgc__stop *s, pid_t *one)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->threads; i++)
        if (s->thread[i].state == KGC__PENDING) {
            n++;
            *one = s->thread[i].tid;
        }
    return n;
}

/* Until all that were seized stand still, or 0 ms are left. */
static int await(struct kgc__stop *s, uint64_t deadline)
{
    uint64_t blocked = (uint64_t)1 << (SIGCHLD - 1);
    unsigned left = pending(s, &s->culprit);
    while (left != 0) {
        int status;
        long tid = kgc__raw(SYS_wait4, -1, &status, WNOHANG | __WALL, 0);
        if (tid > 0) {
            note(s, (pid_t)tid, status);
            left = pending(s, &s->culprit);
            continue;
        }
        if (tid == -ECHILD)
            return ESRCH;
        uint64_t now = now_ms();
        if (now >= deadline)
            return ETIMEDOUT;
        const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
        kgc__raw(SYS_rt_sigtimedwait, &blocked, 0, &slice, sizeof blocked);
    }
    return 0;
}

static void detach(struct kgc__stop *s)
{
    for (unsigned i = 0; i < s->threads; i++)
        if (s->thread[i].state == KGC__HALTED)
            trace(PTRACE_DETACH, s->thread[i].tid, 0, (uintptr_t)s->thread[i].signal);
}

/* Default action, so that SIGCHLD is sent at all; it stays blocked. */
static void want_news(void)
{
    struct {
        uintptr_t handler, flags, restorer, mask;
    } action = {0};
    kgc__raw(SYS_rt_sigaction, SIGCHLD, &action, 0, sizeof(uint64_t));
}

static int help(void *arg)
{
    struct kgc__stop *s = arg;
    kgc__raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    want_news();
    while (heard(s) == START && kgc__raw(SYS_getppid, 0, 0, 0, 0) == s->process)
        listen(s, START);
    uint64_t deadline = now_ms() + PATIENCE_MS;
    int fresh;
    do {
        fresh = seize_new(s);
        s->error = fresh < 0 ? -fresh : await(s, deadline);
    } while (fresh > 0 && s->error == 0);
    if (s->error != 0) {
        detach(s);
        say(s, FAILED); /* those that did not stop yet go on when this process ends */
        return 0;
    }
    say(s, STOPPED);
    while (heard(s) == STOPPED && kgc__raw(SYS_getppid, 0, 0, 0, 0) == s->process)
        listen(s, STOPPED);
    detach(s);
    say(s, RELEASED);
    return 0;
}

/* ---- the caller ---- */

static void block_signals(struct kgc__stop *s)
{
    const uint64_t all = ~(uint64_t)0; /* libc's functions would leave two out */
    kgc__raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &s->mask, sizeof all);
}

static void unblock_signals(const struct kgc__stop *s)
{
    kgc__raw(SYS_rt_sigprocmask, SIG_SETMASK, &s->mask, 0, sizeof s->mask);
}

/* How many threads /proc/self/task lists. */
static unsigned count_threads(int fd)
{
    char buffer[4096];
    unsigned n = 0;
    for (long size; (size = kgc__raw(SYS_getdents64, fd, buffer, sizeof buffer, 0)) > 0;)
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
            at += entry->d_reclen;
            n += entry->d_name[0] != '.';
        }
    return n;
}

static int fail(char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, KGC__REASON, format, args);
    va_end(args);
    return EAGAIN;
}

/* Why ptrace(2) said EPERM. */
static int explain_forbidden(char *reason)
{
    struct kgc__tracer {
        char text[1024];
    } t;
    const char *line =
        kgc__proc_read("/proc/self/status", t.text, sizeof t.text) ? strstr(t.text, "\nTracerPid:") : NULL;
    long tracer = line != NULL ? strtol(line + sizeof "\nTracerPid:" - 1, NULL, 10) : 0;
    if (tracer != 0)
        return fail(reason,
                    "process %ld traces this one (a debugger or strace), so its threads cannot be stopped",
                    tracer);
    if (prctl(PR_GET_DUMPABLE) != 1)
        return fail(reason, "the process is not dumpable (prctl(2)), so its threads cannot be stopped");
    return fail(reason, "threads cannot be stopped: ptrace(2) is forbidden here");
}

static int explain(const struct kgc__stop *s, char *reason)
{
    switch (s->error) {
    case EPERM:
    case EACCES:
        return explain_forbidden(reason);
    case ETIMEDOUT:
        return fail(reason, "thread %d did not stop within %d ms: it is in vfork() or waits for a device",
                    s->culprit, PATIENCE_MS);
    case ENOENT:
        return fail(reason, "/proc shows other process numbers than this process has");
    case ENOMEM:
        fail(reason, "no memory for the registers of %u threads", s->threads);
        return ENOMEM;
    default:
        return fail(reason, "threads cannot be stopped: %s", strerrordesc_np(s->error));
    }
}

/* The helper's end; false: it runs still. */
static bool has_ended(struct kgc__stop *s, bool wait)
{
    long pid;
    do
        pid = kgc__raw(SYS_wait4, s->helper, 0, __WALL | (wait ? 0 : WNOHANG), 0);
    while (pid == -EINTR);
    return pid != 0;
}

/* Until it says something else than this; 0: it has died. */
static unsigned hear(struct kgc__stop *s, unsigned word)
{
    while (heard(s) == word) {
        listen(s, word);
        if (heard(s) == word && has_ended(s, false)) {
            s->helper = 0;
            return 0;
        }
    }
    return heard(s);
}

static void release_memory(struct kgc__stop *s)
{
    if (s->thread != NULL)
        kgc__os_release(s->thread, s->capacity * sizeof *s->thread);
    if (s->memory != NULL)
        kgc__os_release(s->memory, KGC__STOP_STACK);
    s->thread = NULL;
    s->memory = NULL;
}

static int start_helper(struct kgc__stop *s, unsigned threads, char *reason)
{
    s->capacity = threads + SPARE_THREADS;
    s->memory = kgc__os_map_plain(KGC__STOP_STACK);
    s->thread = s->memory != NULL ? kgc__os_map_plain(s->capacity * sizeof *s->thread) : NULL;
    if (s->thread == NULL) {
        release_memory(s);
        fail(reason, "no memory for stopping %u threads", threads);
        return ENOMEM;
    }
    s->process = (pid_t)kgc__raw(SYS_getpid, 0, 0, 0, 0);
    s->self = (pid_t)kgc__raw(SYS_gettid, 0, 0, 0, 0);
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED;
    s->helper = clone(help, s->memory + KGC__STOP_STACK, flags, s);
    if (s->helper > 0)
        return 0;
    int error = errno;
    release_memory(s);
    return fail(reason, "no process can be made to stop the threads: %s", strerrordesc_np(error));
}

static int stop_others(struct kgc__stop *s, unsigned threads, char *reason)
{
    int error = start_helper(s, threads, reason);
    if (error != 0)
        return error;
    prctl(PR_SET_PTRACER, (unsigned long)s->helper, 0, 0,
          0); /* fails without Yama, where it need not be said */
    say(s, GO);
    unsigned word = hear(s, GO);
    if (word == STOPPED)
        return 0;
    if (s->helper != 0)
        has_ended(s, true);
    prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    error = word == FAILED ? explain(s, reason) : fail(reason, "the process that stops the threads has died");
    release_memory(s);
    return error;
}

int kgc__stop_begin(struct kgc__stop *s, char reason[KGC__REASON])
{
    int saved = errno;
    *s = (struct kgc__stop){.word = START};
    reason[0] = '\0';
    if (!kgc__stop_allowed())
        return fail(reason, "a child process shares memory with its parent");
    block_signals(s);
    s->fd = kgc__os.open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;
    if (s->fd < 0) {
        error = fail(reason, "the threads cannot be told: /proc/self/task: %s", strerrordesc_np(errno));
    } else {
        unsigned threads = count_threads(s->fd);
        if (threads != 1)
            error = stop_others(s, threads, reason);
        kgc__raw(SYS_close, s->fd, 0, 0, 0);
    }
    if (error != 0)
        unblock_signals(s);
    errno = saved;
    return error;
}

int kgc__stop_end(struct kgc__stop *s, char reason[KGC__REASON])
{
    int saved = errno, error = 0;
    if (s->memory != NULL) {
        say(s, RELEASE);
        if (hear(s, RELEASE) != RELEASED)
            error = fail(reason, "the process that stops the threads has died");
        else
            has_ended(s, true);
        prctl(PR_SET_PTRACER, 0, 0, 0, 0);
        release_memory(s);
    }
    unblock_signals(s);
    errno = saved;
    return error;
}
