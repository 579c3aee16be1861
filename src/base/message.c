/* SPDX-License-Identifier: MIT */
/*
 * Lines on standard error, this thread's last error, and the fatal handler.
 * May be called anywhere, also with libgc's lock held and threads suspended:
 * formatting integers and strings with vsnprintf() neither allocates nor locks.
 */
#include "base/message.h"
#include "base/check.h"
#include <errno.h>
#include <kindgc/init.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TEXT_MAX = 512 };

static __thread char last_error[TEXT_MAX] __attribute__((tls_model("initial-exec")));
static _Atomic(kgc_fatal_fn) fatal_handler;

static void write_line(const char *text)
{
    char line[TEXT_MAX + 16];
    int n = snprintf(line, sizeof line, "kindgc: %s\n", text);
    size_t length = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    int saved = errno;
    for (size_t done = 0; done < length;) {
        ssize_t k = write(STDERR_FILENO, line + done, length - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break; /* nobody listens; there is nowhere else to say so */
        done += (size_t)k;
    }
    errno = saved;
}

static void default_fatal(const char *message)
{
    write_line(message);
    abort();
}

kgc_fatal_fn kgc_set_fatal_handler(kgc_fatal_fn handler)
{
    kgc_fatal_fn old = atomic_exchange(&fatal_handler, handler == default_fatal ? NULL : handler);
    return old != NULL ? old : default_fatal;
}

void kgc__fatal(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kgc_fatal_fn handler = atomic_load(&fatal_handler);
    (handler != NULL ? handler : default_fatal)(text);
}

void kgc__check_failed(const char *expression, const char *file, int line)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "internal check failed: %s (%s:%d)", expression, file, line);
    write_line(text);
    abort();
}

void kgc__warn(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(text);
}

void kgc__exit_with(int status, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(text);
    for (;;) /* not _exit(), which would report (preload/exit.c) */
        syscall(SYS_exit_group, status);
}

const char *kgc_last_error(void)
{
    return last_error;
}

int kgc__fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    return error;
}

int kgc__fail_prefix(int error, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, "%s", last_error);
    memcpy(last_error, text, sizeof last_error);
    return error;
}

int kgc__fail_errno(int error, const char *format, ...)
{
    char what[TEXT_MAX - 64];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    /* strerrordesc_np() is a table look-up; strerror() may allocate. */
    const char *why = strerrordesc_np(error);
    snprintf(last_error, sizeof last_error, "%s: %s", what, why != NULL ? why : "unknown error");
    return error;
}
