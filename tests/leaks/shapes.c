/* SPDX-License-Identifier: MIT */
/*
 * Blocks that are reachable, and blocks that are not, in many ways: to compare
 * what different tools find.  Comments "leaks: BLOCKS BYTES" tell the truth.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cell {
    struct cell *a, *b;
};

extern void *volatile global, *volatile interior_global;
void *volatile global, *volatile interior_global;
static __thread void *volatile in_tls;
static pthread_key_t key;

static __attribute__((noinline)) struct cell *make(size_t size)
{
    struct cell *p = malloc(size);
    memset(p, 0, size);
    return p;
}

static __attribute__((noinline)) struct cell *tree(size_t size, int depth)
{
    struct cell *p = make(size);
    if (depth != 0) {
        p->a = tree(size, depth - 1);
        p->b = tree(size, depth - 1);
    }
    return p;
}

static __attribute__((noinline)) void lose(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void lost_tree(void)
{
    lose(tree(48, 5)); /* leaks: 63 3024 */
}

static __attribute__((noinline)) void lost_cycle(void)
{
    struct cell *first = make(80); /* leaks: 1 80 */
    struct cell *last = first;
    for (int i = 0; i < 9; i++) {
        struct cell *next = make(80); /* leaks: 9 720 */
        last->a = next;
        last = next;
    }
    last->a = first;
    lose(first);
}

static __attribute__((noinline)) void lost_to_itself(void)
{
    struct cell *p = make(112); /* leaks: 1 112 */
    p->a = p;
    lose(p);
}

/* One block behind a reachable one and one behind a lost one. */
static __attribute__((noinline)) void half_lost(void)
{
    struct cell *kept = make(144); /* which is freed at exit */
    struct cell *lost = make(152); /* leaks: 1 152 */
    kept->a = make(160);           /* leaks: 1 160 */
    lost->a = make(168);           /* leaks: 1 168 */
    lost->b = kept;
    global = kept;
    lose(lost);
}

static __attribute__((noinline)) void kept_by_interior(void)
{
    interior_global = (char *)make(176) + 100;
}

static __attribute__((noinline)) void kept_by_tls(void)
{
    in_tls = tree(208, 2);
    pthread_key_create(&key, free);
    pthread_setspecific(key, make(240));
}

static void *thread(void *arg)
{
    (void)arg;
    in_tls = make(272);                  /* leaks: 5 1360 */
    pthread_setspecific(key, make(304)); /* freed at its end */
    lose(make(336));                     /* leaks: 5 1680 */
    return NULL;
}

static __attribute__((noinline)) void overwritten(void)
{
    static void *volatile place;
    for (int i = 0; i < 20; i++)
        place = make(368); /* leaks: 19 6992 */
}

static __attribute__((noinline)) void large(void)
{
    lose(make(5000000));            /* leaks: 1 5000000 */
    struct cell *p = make(3000000); /* leaks: 1 3000000 */
    p->b = make(4000000);           /* leaks: 1 4000000 */
    lose(p);
}

static __attribute__((noinline)) void resized(void)
{
    char *p = NULL;
    for (size_t n = 1; n < 100000; n *= 3)
        p = realloc(p, n); /* leaks: 1 59049 */
    lose(p);
    p = malloc(2000000);
    p = realloc(p, 400); /* leaks: 1 400 */
    lose(p);
}

static __attribute__((noinline)) void hidden(void)
{
    static volatile uintptr_t place;
    place = ~(uintptr_t)make(432); /* leaks: 1 432 */
}

static void free_at_exit(void)
{
    free(global);
    global = NULL; /* what it led to is lost */
}

static __attribute__((noinline)) void overwrite(void)
{
    char space[32768];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}

int main(void)
{
    pthread_t t;
    atexit(free_at_exit);
    lost_tree();
    lost_cycle();
    lost_to_itself();
    half_lost();
    kept_by_interior();
    kept_by_tls();
    for (int i = 0; i < 5; i++) {
        pthread_create(&t, NULL, thread, NULL);
        pthread_join(t, NULL);
    }
    overwritten();
    large();
    resized();
    hidden();
    overwrite();
    return 0;
}
