/* SPDX-License-Identifier: MIT */
/*
 * What tests ask the system: how much this process holds, what a child does,
 * and a directory of their own.  Counting allocates nothing, so that it does
 * not disturb what it counts.
 */
#ifndef KGC_TESTS_SUPPORT_SYSTEM_H
#define KGC_TESTS_SUPPORT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Leaves a test that cannot be made here, with the reason. */
#define SKIP(...)                       \
    do {                                \
        printf("SKIP: %s: ", __func__); \
        printf(__VA_ARGS__);            \
        putchar('\n');                  \
        fflush(stdout);                 \
        return;                         \
    } while (0)

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

/* Valgrind lives in this process's address space. */
bool under_valgrind(void);

/* What a process holds and must give back.  Under a sanitizer the first two
   are 0. */
struct holdings {
    size_t mappings;
    size_t address_space; /* bytes */
    size_t descriptors;
};
struct holdings count_holdings(void);

/* Runs fn in a forked child, which ends with fn's result as its exit status,
   or by SIGALRM after a minute.  Returns the status of waitpid(2). */
int in_child(int (*fn)(void *), void *arg);
/* The same, with what the child wrote to standard error, terminated. */
int in_child_with_stderr(int (*fn)(void *), void *arg, char *text, size_t size);

/* Did the status say an exit with this value, or this signal? */
bool exited(int status, int value);
bool killed(int status, int signal);

/* A fresh directory on a disk file system; it goes with the last process that
   remove_directory() is called in. */
const char *make_directory(void);
void remove_directory(const char *path);
/* Names in a directory, without . and .. */
size_t count_names(const char *path);

/* A small file system in memory, in a fresh directory; NULL when this process
   may not mount one.  unmount() removes both. */
const char *mount_memory(size_t size);
void unmount_memory(const char *path);

/* Does fn() end by a signal when it touches p?  In a child. */
bool is_readable(const void *p);
bool is_writable(void *p);

/* Are all bytes of [p, p + size) equal to value? */
bool all_bytes(const void *p, size_t size, unsigned char value);

#endif
