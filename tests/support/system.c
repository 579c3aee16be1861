/* SPDX-License-Identifier: MIT */
/* What tests ask the system: see system.h. */
#include "system.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

static size_t count_lines(const char *path)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    size_t lines = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            lines += buffer[i] == '\n';
    close(fd);
    return lines;
}

static size_t count_entries(int fd)
{
    struct entry {
        unsigned long inode, offset;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    char buffer[4096] __attribute__((aligned(8)));
    size_t count = 0;
    for (long n; (n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < n;) {
            struct entry *e = (struct entry *)(buffer + at);
            count += strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0;
            at += e->length;
        }
    return count;
}

size_t count_names(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    size_t count = count_entries(fd);
    close(fd);
    return count;
}

static size_t address_space(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    close(fd);
    return strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

struct holdings count_holdings(void)
{
    if (SANITIZED) /* they map memory of their own as we go */
        return (struct holdings){.descriptors = count_names("/proc/self/fd")};
    return (struct holdings){.mappings = count_lines("/proc/self/maps"),
                             .address_space = address_space(),
                             .descriptors = count_names("/proc/self/fd")};
}

static pid_t start(int (*fn)(void *), void *arg, int standard_error)
{
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(60);
        if (standard_error >= 0)
            dup2(standard_error, STDERR_FILENO);
        _exit(fn(arg));
    }
    return child;
}

static int wait_for_child(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) != child)
        ck_assert_int_eq(errno, EINTR);
    return status;
}

int in_child(int (*fn)(void *), void *arg)
{
    return wait_for_child(start(fn, arg, -1));
}

int in_child_with_stderr(int (*fn)(void *), void *arg, char *text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = start(fn, arg, ends[1]);
    close(ends[1]);
    size_t n = 0;
    for (ssize_t k; n < size - 1 && (k = read(ends[0], text + n, size - 1 - n)) > 0;)
        n += (size_t)k;
    text[n] = '\0';
    close(ends[0]);
    return wait_for_child(child);
}

bool exited(int status, int value)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == value;
}

bool killed(int status, int signal)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

const char *make_directory(void)
{
    static char path[4096];
    const char *in = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/kindgc-test-XXXXXX", in != NULL && *in == '/' ? in : "/var/tmp");
    ck_assert_msg(mkdtemp(path) != NULL, "%s: %s", path, strerror(errno));
    return path;
}

void remove_directory(const char *path)
{
    ck_assert_msg(rmdir(path) == 0, "%s: %s", path, strerror(errno));
}

const char *mount_memory(size_t size)
{
    char options[64];
    const char *path = make_directory();
    snprintf(options, sizeof options, "size=%zu", size);
    /* In a namespace of this process's own: a test that fails leaves no mount. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("kindgc-test", path, "tmpfs", 0, options) != 0) {
        int error = errno;
        remove_directory(path);
        errno = error;
        return NULL;
    }
    return path;
}

void unmount_memory(const char *path)
{
    umount2(path, MNT_DETACH);
    remove_directory(path);
}

static int touch(void *p, bool write)
{
    /* Not a crash to be reported by a sanitizer or a handler of the test's. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    static volatile char sink; /* Valgrind leaves out a read whose value nobody uses */
    volatile char *c = p;
    char value = sink = *c;
    if (write)
        *c = value;
    return 0;
}

static int touch_reading(void *p)
{
    return touch(p, false);
}

static int touch_writing(void *p)
{
    return touch(p, true);
}

bool is_readable(const void *p)
{
    return exited(in_child(touch_reading, (void *)p), 0);
}

bool is_writable(void *p)
{
    return exited(in_child(touch_writing, p), 0);
}

bool all_bytes(const void *p, size_t size, unsigned char value)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < size; i++)
        if (c[i] != value)
            return false;
    return true;
}
