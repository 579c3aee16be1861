/* SPDX-License-Identifier: MIT */
/*
 * Lines on standard error, and this thread's last error.
 *
 * Nothing here allocates or locks: messages are formatted on the stack and
 * written with one write(2), so that hooks and libgc's callbacks may use them.
 */
#ifndef KGC_BASE_MESSAGE_H
#define KGC_BASE_MESSAGE_H

#include <kindgc/base.h>
#include <stddef.h>

/* Writes "kindgc: TEXT\n" to standard error. */
void kgc__warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then the process ends without handlers: for settings that cannot
   be honoured in a program that did not ask the library itself. */
KGC_API _Noreturn void kgc__exit_with(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets kgc_last_error() to the text and returns `error`. */
int kgc__fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts text in front of kgc_last_error()'s and returns `error`. */
int kgc__fail_prefix(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* kgc__fail(errno's value, "WHAT: strerror"); for system calls. */
int kgc__fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
