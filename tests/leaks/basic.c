/* SPDX-License-Identifier: MIT */
/*
 * Leaks whose places, sizes and numbers are known: leak.test looks for the
 * comments "leak: NAME" on their lines.
 */
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    char rest[56];
};

extern void *volatile kept;
void *volatile kept; /* not leaked */

static inline __attribute__((always_inline)) char *make_text(size_t n)
{
    return malloc(n); /* leak: inlined */
}

static __attribute__((noinline)) void leak_texts(int n)
{
    for (int i = 0; i < n; i++) {
        char *text = make_text(100); /* leak: inlining */
        memset(text, 'x', 100);
        __asm__ volatile("" : : "r"(text) : "memory");
    }
}

static __attribute__((noinline)) void leak_list(int n)
{
    struct node *head = NULL;
    for (int i = 0; i < n; i++) {
        struct node *fresh = malloc(sizeof *fresh); /* leak: list */
        fresh->next = head;
        head = fresh;
    }
    __asm__ volatile("" : : "r"(head) : "memory");
}

static __attribute__((noinline)) void leak_zeroed(void)
{
    char *p = calloc(3, 1000); /* leak: zeroed */
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void leak_grown(void)
{
    char *p = malloc(10);
    p = realloc(p, 5000); /* leak: grown */
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void leak_aligned(void)
{
    void *p = NULL;
    if (posix_memalign(&p, 256, 700) != 0) /* leak: aligned */
        abort();
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void keep(void)
{
    void **p = malloc(64);
    *p = malloc(32);
    kept = p;
}

static __attribute__((noinline)) void free_all(void)
{
    for (int i = 0; i < 100; i++)
        free(malloc((size_t)i * 10));
}

/* Words that the functions above have left on the stack and in registers. */
static __attribute__((noinline)) void overwrite(void)
{
    char space[16384];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}

int main(void)
{
    leak_texts(7);
    leak_list(5);
    leak_zeroed();
    leak_grown();
    leak_aligned();
    keep();
    free_all();
    overwrite();
    return 0;
}
