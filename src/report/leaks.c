/* SPDX-License-Identifier: MIT */
/*
 * Leak reports: see leaks.h.  doc/leaks.md lists the fields of the raw report.
 *
 * One report at a time, from static memory and mappings of its own: it may be
 * asked for in a signal handler that has interrupted malloc().
 */
#include "report/leaks.h"
#include "base/message.h"
#include "base/options.h"
#include "leak/births.h"
#include "leak/capture.h"
#include "leak/depot.h"
#include "leak/find.h"
#include "leak/sites.h"
#include "leak/start.h"
#include "os/os.h"
#include "report/json.h"
#include "report/report.h"
#include <errno.h>
#include <fcntl.h>
#include <kindgc/init.h>
#include <kindgc/leak.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAW_VERSION = 1, COMMAND_NOT_RUN = 126, LEAKED = 23 };
static const char *const words[] = {"exit", "signal", "call"};

/* What was leaked from one stack. */
struct group {
    size_t blocks, bytes;
};
struct groups {
    struct group (*of)[2]; /* by the stack's number: indirect, direct */
    uint32_t count;        /* numbers; 0 is for blocks without a stack */
};

static struct {
    _Atomic bool busy;
    struct kgc__json json;
    struct kgc__found found;
    char path[KGC__OPTION_TEXT_MAX];
    char number[4][24];
    char *arguments[16];
} work;

static char command[KGC__OPTION_TEXT_MAX];
static pid_t children[16]; /* that are making reports; 0: none */

static void count(const struct kgc__leaked *leaked, void *arg)
{
    struct groups *groups = arg;
    struct kgc__birth birth = kgc__birth_of(leaked->start, leaked->size);
    struct group *g = &groups->of[birth.stack < groups->count ? birth.stack : 0][leaked->direct];
    g->blocks++;
    g->bytes += birth.asked;
}

/* ---- the raw report ---- */

static void put_amount(struct kgc__json *j, const char *name, size_t blocks, size_t bytes)
{
    kgc__json_open(j, name, '{');
    kgc__json_number(j, "blocks", blocks);
    kgc__json_number(j, "bytes", bytes);
    kgc__json_close(j, '{');
}

static void put_modules(struct kgc__json *j)
{
    kgc__json_open(j, "modules", '[');
    for (unsigned i = 0; i < kgc__modules_count(); i++) {
        const struct kgc__module *m = kgc__module_by_number(i);
        char id[2 * KGC__BUILD_ID + 1] = "";
        kgc__json_open(j, NULL, '{');
        if (m != NULL) {
            for (unsigned k = 0; k < m->build_id_size; k++)
                snprintf(id + 2 * k, 3, "%02x", m->build_id[k]);
            kgc__json_text(j, "path", m->path);
            kgc__json_text(j, "build_id", id);
            kgc__json_number(j, "start", m->start);
            kgc__json_number(j, "end", m->end);
            kgc__json_number(j, "bias", m->bias);
            kgc__json_number(j, "unloaded", atomic_load(&m->gone));
        }
        kgc__json_close(j, '{');
    }
    kgc__json_close(j, '[');
}

/* Of each frame the module's number, and an address in it: of the call, not of
   what follows it. */
static void put_stack(struct kgc__json *j, uint32_t stack)
{
    unsigned n;
    const uint32_t *sites = kgc__depot_stack(stack, &n);
    kgc__json_open(j, "stack", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct kgc__site *site = kgc__site_by_number(sites[i]);
        const struct kgc__module *m = site != NULL ? kgc__module_by_number(site->module) : NULL;
        kgc__json_open(j, NULL, '[');
        if (m != NULL)
            kgc__json_number(j, NULL, site->module);
        else
            kgc__json_null(j, NULL);
        kgc__json_number(j, NULL, site != NULL ? site->pc - 1 - (m != NULL ? m->bias : 0) : 0);
        kgc__json_close(j, '[');
    }
    kgc__json_close(j, '[');
}

static void put_leaks(struct kgc__json *j, const struct groups *groups)
{
    kgc__json_open(j, "leaks", '[');
    for (uint32_t i = 0; i < groups->count; i++)
        for (unsigned direct = 0; direct < 2; direct++) {
            const struct group *g = &groups->of[i][direct];
            if (g->blocks == 0)
                continue;
            kgc__json_open(j, NULL, '{');
            kgc__json_number(j, "direct", direct);
            kgc__json_number(j, "blocks", g->blocks);
            kgc__json_number(j, "bytes", g->bytes);
            put_stack(j, i);
            kgc__json_close(j, '{');
        }
    kgc__json_close(j, '[');
}

static int put_report(int fd, const struct groups *groups, enum kgc__leaks_when when)
{
    struct kgc__json *j = &work.json;
    const struct kgc__found *found = &work.found;
    struct kgc__depot_stats depot;
    struct kgc__capture_stats captures;
    kgc__depot_stats(&depot);
    kgc__capture_stats(&captures);
    ssize_t n = readlink("/proc/self/exe", work.path, sizeof work.path - 1);
    work.path[n > 0 ? n : 0] = '\0';
    kgc__json_start(j, fd);
    kgc__json_open(j, NULL, '{');
    kgc__json_number(j, "kindgc_raw_leaks", RAW_VERSION);
    kgc__json_text(j, "version", kgc_version());
    kgc__json_text(j, "program", work.path);
    kgc__json_number(j, "pid", (uint64_t)getpid());
    kgc__json_text(j, "when", words[when]);
    kgc__json_text(j, "incomplete", found->reason);
    kgc__json_text(j, "doubt", found->doubt);
    kgc__json_number(j, "recorded", kgc__births_are_recorded());
    kgc__json_number(j, "frames",
                     kgc__settings.leak_frames != 0 ? kgc__settings.leak_frames : KGC__FRAMES_DEFAULT);
    kgc__json_number(j, "sample", kgc__settings.leak_sample);
    kgc__json_number(j, "threads", found->threads);
    kgc__json_seconds(j, "pause_seconds", (uint64_t)(found->pause * 1e6));
    put_amount(j, "live", found->live_blocks, found->live_bytes);
    put_amount(j, "leaked", found->leaked_blocks, found->leaked_bytes);
    kgc__json_number(j, "stacks", depot.stacks);
    kgc__json_number(j, "stack_bytes", depot.bytes);
    kgc__json_number(j, "stacks_refused", depot.refusals + captures.refusals);
    put_modules(j);
    put_leaks(j, groups);
    kgc__json_close(j, '{');
    return kgc__json_finish(j);
}

/* ---- without the command ---- */

static void put_line(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_line(int fd, const char *format, ...)
{
    char line[1200];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    for (size_t done = 0; done < length;) {
        ssize_t k = write(fd, line + done, length - done);
        if (k <= 0 && errno != EINTR)
            return;
        done += k > 0 ? (size_t)k : 0;
    }
}

/* The largest group that is smaller than the one before, by bytes, then by number. */
static const struct group *next_largest(const struct groups *groups, const struct group *before)
{
    const struct group *first = &groups->of[0][0], *best = NULL;
    for (const struct group *g = first; g < first + 2 * (size_t)groups->count; g++) {
        bool follows =
            before == NULL || g->bytes < before->bytes || (g->bytes == before->bytes && g > before);
        if (g->blocks != 0 && follows && (best == NULL || g->bytes > best->bytes))
            best = g;
    }
    return best;
}

static void put_plain(int fd, const struct groups *groups)
{
    size_t most = kgc__settings.leak_max != 0 ? kgc__settings.leak_max : 100, shown = 0;
    put_line(fd,
             "kindgc: the command \"%.200s\" cannot be run, so there are no names: addr2line -e FILE -ifC "
             "ADDRESS\n",
             command[0] != '\0' ? command : "kindgc");
    for (const struct group *g = NULL; shown < most && (g = next_largest(groups, g)) != NULL; shown++) {
        size_t i = (size_t)(g - &groups->of[0][0]);
        unsigned n;
        const uint32_t *sites = kgc__depot_stack((uint32_t)(i / 2), &n);
        put_line(fd, "\n%s leak: %zu bytes in %zu blocks, allocated at\n", i % 2 != 0 ? "direct" : "indirect",
                 g->bytes, g->blocks);
        for (unsigned k = 0; k < n; k++) {
            const struct kgc__site *site = kgc__site_by_number(sites[k]);
            const struct kgc__module *m = site != NULL ? kgc__module_by_number(site->module) : NULL;
            if (site != NULL)
                put_line(fd, "    #%u %s+0x%zx\n", k, m != NULL ? m->path : "?",
                         site->pc - 1 - (m != NULL ? m->bias : 0));
        }
    }
    put_line(fd, "\nkindgc: leaked: %zu blocks\n", work.found.leaked_blocks);
}

/* ---- the command ---- */

static char *number(unsigned slot, size_t value)
{
    snprintf(work.number[slot], sizeof work.number[slot], "%zu", value);
    return work.number[slot];
}

static void fill_arguments(enum kgc__leaks_when when)
{
    const struct kgc__settings *s = &kgc__settings;
    unsigned n = 0;
    char **a = work.arguments;
    a[n++] = command;
    a[n++] = "leaks";
    a[n++] = "--format";
    a[n++] = s->leak_format[0] != '\0' ? (char *)s->leak_format : "text";
    a[n++] = "--max";
    a[n++] = number(0, s->leak_max);
    a[n++] = "--exit";
    a[n++] = number(1, LEAKED);
    if (s->leak_min != 0) {
        a[n++] = "--min";
        a[n++] = number(2, s->leak_min);
    }
    if (s->leak_suppressions[0] != '\0') {
        a[n++] = "--suppressions";
        a[n++] = (char *)s->leak_suppressions;
    }
    if (when == KGC__LEAKS_AT_EXIT && s->leak_report[0] == '\0')
        a[n++] = "--quiet";
    a[n++] = "-";
    a[n] = NULL;
}

/* The environment without what would load this library again. */
static char **environment(void **memory, size_t *size)
{
    static const char *const unwanted[] = {"LD_PRELOAD=", "KINDGC=", "KINDGC_RUN="};
    size_t n = 0, kept = 0;
    while (environ != NULL && environ[n] != NULL)
        n++;
    *size = (n + 1) * sizeof(char *);
    char **copy = *memory = kgc__os_map_plain(*size);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < n && environ[i] != NULL; i++) {
        bool keep = true;
        for (unsigned k = 0; k < sizeof unwanted / sizeof unwanted[0]; k++)
            keep &= strncmp(environ[i], unwanted[k], strlen(unwanted[k])) != 0;
        if (keep)
            copy[kept++] = environ[i];
    }
    copy[kept] = NULL;
    return copy;
}

/* fork(2) without its handlers.  The child ends without a signal: a program's
   wait(2) does not see it. */
static pid_t fork_quietly(void)
{
    return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

/* Starts the command with the raw report for its standard input.  The child's number, or 0. */
static pid_t start_command(int raw, int out, enum kgc__leaks_when when)
{
    void *memory;
    size_t size;
    sigset_t all, old;
    char **variables = environment(&memory, &size);
    if (variables == NULL)
        return 0;
    fill_arguments(when);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t child = access(command, X_OK) == 0 ? fork_quietly() : 0;
    if (child == 0 && access(command, X_OK) == 0) {
        /* Of two descriptors neither is in the other's place. */
        int from = fcntl(raw, F_DUPFD, 3), to = fcntl(out, F_DUPFD, 3);
        if (from >= 0 && to >= 0 && dup2(from, STDIN_FILENO) >= 0 && dup2(to, STDOUT_FILENO) >= 0) {
            close(from);
            close(to);
            sigset_t none;
            sigemptyset(&none);
            pthread_sigmask(SIG_SETMASK, &none, NULL);
            execve(command, work.arguments, variables);
        }
        for (;;)
            syscall(SYS_exit_group, COMMAND_NOT_RUN);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    kgc__os_release(memory, kgc__page_size() * ((size + kgc__page_size() - 1) / kgc__page_size()));
    return child > 0 ? child : 0;
}

/* The exit status of a child; COMMAND_NOT_RUN: it has not ended by itself. */
static int wait_for(pid_t child)
{
    int status;
    pid_t done;
    do
        done = waitpid(child, &status, __WALL);
    while (done < 0 && errno == EINTR);
    return done == child && WIFEXITED(status) ? WEXITSTATUS(status) : COMMAND_NOT_RUN;
}

/* Takes note of a child that nobody waits for now; or waits, when there are many. */
static void leave_running(pid_t child)
{
    for (unsigned i = 0; i < sizeof children / sizeof children[0]; i++) {
        if (children[i] != 0 && waitpid(children[i], NULL, __WALL | WNOHANG) != 0)
            children[i] = 0;
        if (children[i] == 0) {
            children[i] = child;
            return;
        }
    }
    wait_for(child);
}

/* ---- a report ---- */

/* Where reports go; may be a descriptor to be closed.  -1: it cannot be had, which was said. */
static int open_report(int more_flags)
{
    const char *file = kgc__settings.leak_report;
    if (file[0] == '\0' || strcmp(file, "stderr") == 0)
        return STDERR_FILENO;
    if (!kgc__report_expand(file, work.path, sizeof work.path)) {
        errno = kgc__fail(ENAMETOOLONG, "leak-report: the name is too long: %.200s...", file);
        return -1;
    }
    int fd = open(work.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | more_flags, 0666);
    if (fd < 0)
        errno = kgc__fail_errno(errno, "the leak report cannot be written: %s", work.path);
    return fd;
}

/* As other checkers do: a program that has not leaked ends without a word. */
static bool nothing_to_say(enum kgc__leaks_when when)
{
    return when == KGC__LEAKS_AT_EXIT && work.found.leaked_blocks == 0 &&
           kgc__settings.leak_report[0] == '\0';
}

/* Finds, and writes.  *status: what the command has said, if it was waited for. */
static int make_report(int out, enum kgc__leaks_when when, int *status)
{
    struct kgc__depot_stats depot;
    kgc__depot_stats(&depot);
    struct groups groups = {.count = depot.stacks + 1};
    size_t size =
        (groups.count * sizeof *groups.of + kgc__page_size() - 1) / kgc__page_size() * kgc__page_size();
    groups.of = kgc__os_map_plain(size);
    if (groups.of == NULL)
        return kgc__fail(ENOMEM, "there is no memory for a leak report");
    memset(&work.found, 0, sizeof work.found);
    int error = kgc__leaks_find(true, count, &groups, &work.found);
    if (error == EAGAIN) {
        kgc__fail(EAGAIN, "no leak report: %s", work.found.reason);
    } else if (error != 0) {
        kgc__fail_errno(error, "no leak report");
    } else if (!nothing_to_say(when)) {
        bool raw = strcmp(kgc__settings.leak_format, "raw") == 0;
        int fd = raw ? out : memfd_create("kindgc-leaks", MFD_CLOEXEC);
        error = fd < 0 ? errno : put_report(fd, &groups, when);
        pid_t child = 0;
        if (error == 0 && !raw && lseek(fd, 0, SEEK_SET) == 0)
            child = start_command(fd, out, when);
        if (child != 0 && when == KGC__LEAKS_ON_SIGNAL)
            leave_running(child);
        else if (child != 0)
            *status = wait_for(child);
        if (!raw && fd >= 0)
            close(fd);
        if (!raw && (child == 0 || *status == COMMAND_NOT_RUN) && work.found.leaked_blocks != 0)
            put_plain(out, &groups);
        if (error != 0)
            kgc__fail_errno(error, "the leak report cannot be written");
    }
    kgc__os_release(groups.of, size);
    return error;
}

static int report(int fd, enum kgc__leaks_when when, size_t *blocks, int *status)
{
    int saved = errno;
    *blocks = 0;
    *status = -1;
    if (atomic_exchange(&work.busy, true))
        return kgc__fail(EBUSY, "a leak report is being made");
    int out = fd >= 0 ? fd : open_report(0);
    int error = out < 0 ? errno : make_report(out, when, status);
    if (fd < 0 && out >= 0 && out != STDERR_FILENO && close(out) != 0 && error == 0)
        error = kgc__fail_errno(errno, "the leak report cannot be written");
    *blocks = work.found.leaked_blocks;
    atomic_store(&work.busy, false);
    errno = saved;
    return error;
}

int kgc__leaks_report(int fd, enum kgc__leaks_when when, size_t *blocks)
{
    int status;
    return report(fd, when, blocks, &status);
}

int kgc_leak_report(int fd, size_t *blocks)
{
    size_t n;
    return kgc__leaks_report(fd, KGC__LEAKS_ON_CALL, blocks != NULL ? blocks : &n);
}

static void on_signal(int signal)
{
    size_t blocks;
    (void)signal;
    if (kgc__leaks_report(-1, KGC__LEAKS_ON_SIGNAL, &blocks) != 0)
        kgc__warn("%s", kgc_last_error());
}

static void at_exit(void *unused)
{
    size_t blocks;
    int status, error = report(-1, KGC__LEAKS_AT_EXIT, &blocks, &status);
    (void)unused;
    for (unsigned i = 0; i < sizeof children / sizeof children[0]; i++)
        if (children[i] != 0)
            wait_for(children[i]);
    if (error != 0) {
        kgc__warn("%s", kgc_last_error());
        return;
    }
    bool leaked = status == LEAKED || (status != 0 && blocks != 0); /* else all were suppressed */
    if (leaked && kgc__settings.leak_exit != 0)
        exit((int)kgc__settings.leak_exit); /* from a handler: goes on with the rest, and flushes */
}

/* Whatever other threads of the parent were doing. */
void kgc__leaks_report_after_fork_in_child(void)
{
    if (atomic_load(&work.busy))
        atomic_store(&work.busy, false);
    for (unsigned i = 0; i < sizeof children / sizeof children[0]; i++)
        if (children[i] != 0)
            children[i] = 0; /* the parent's */
}

/* ---- start ---- */

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"", SIGUSR2},       {"USR2", SIGUSR2}, {"USR1", SIGUSR1},
                   {"HUP", SIGHUP},     {"QUIT", SIGQUIT}, {"PROF", SIGPROF},
                   {"WINCH", SIGWINCH}, {"URG", SIGURG},   {"PWR", SIGPWR}};
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].number;
    return 0;
}

static void find_command(void)
{
    const char *given = secure_getenv(KGC__COMMAND_VARIABLE);
    if (given != NULL && given[0] == '/' && strlen(given) < sizeof command)
        strcpy(command, given);
    else
        strcpy(command, KGC_BINDIR "/kindgc");
}

/* `kindgc run` begins the file; all processes add to it. */
static void begin_report(void)
{
    int fd = kgc__report_is_of_command() ? open_report(O_TRUNC) : STDERR_FILENO;
    if (fd < 0)
        kgc__exit_with(125, "%s", kgc_last_error());
    if (fd != STDERR_FILENO)
        close(fd);
}

int __cxa_atexit(void (*function)(void *), void *arg, void *library);

void kgc__leaks_attach(void)
{
    find_command();
    if (kgc__malloc_mode() != KGC__MALLOC_DETECT || strcmp(kgc__settings.malloc, "detect") != 0)
        return;
    begin_report();
    kgc__births_start((unsigned)kgc__settings.leak_frames, kgc__settings.leak_sample);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int number = signal_number(kgc__settings.leak_signal);
    if (number != 0)
        sigaction(number, &action, NULL);
    /* Of no library, and before main(): it comes after all destructors. */
    __cxa_atexit(at_exit, NULL, NULL);
}
