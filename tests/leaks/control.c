/* SPDX-License-Identifier: MIT */
/*
 * Leaks under control: the words of the command line are done in order.
 *
 *   leak SIZE      a block that nothing leads to
 *   keep SIZE      one that something leads to
 *   ignore SIZE    a leak that leads to another, and is ignored
 *   disabled SIZE  a leak, while recording is disabled
 *   thread SIZE    a leak in a thread that has ended
 *   sleeper SIZE   a block that only a thread's stack leads to, which goes on
 *   report         a report on call; prints how many blocks
 *   signal         SIGUSR2 to itself
 *   child          forks; the child leaks 77 bytes and exits
 *   exit N         exit(N);  _exit N: _exit(N)
 *   text           a line to standard output, which is not flushed
 */
#include <kindgc/leak.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The library may not be there. */
#pragma weak kgc_leak_report
#pragma weak kgc_leak_ignore
#pragma weak kgc_leak_disable
#pragma weak kgc_leak_enable

extern void *volatile kept[];
void *volatile kept[100];
static unsigned count;

static __attribute__((noinline)) void *make(size_t size)
{
    void *p = malloc(size);
    memset(p, 0, size);
    return p;
}

static __attribute__((noinline)) void leak(size_t size)
{
    void *p = make(size);
    __asm__ volatile("" : : "r"(p) : "memory");
}

static __attribute__((noinline)) void ignored(size_t size)
{
    void **p = make(size);
    *p = make(size);
    if (kgc_leak_ignore(p) != 0)
        abort();
}

static void *leak_in_thread(void *arg)
{
    leak((size_t)arg);
    return NULL;
}

static pthread_barrier_t sleeping;
static void *sleep_in_thread(void *arg)
{
    void *volatile p = make((size_t)arg);
    pthread_barrier_wait(&sleeping);
    for (;;)
        sleep(100);
    return p;
}

static __attribute__((noinline)) void overwrite(void)
{
    char space[16384];
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
}

int main(int argc, char **argv)
{
    pthread_t thread;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        size_t n = i + 1 < argc ? strtoul(argv[i + 1], NULL, 10) : 0;
        i += n != 0 || (i + 1 < argc && strcmp(argv[i + 1], "0") == 0);
        if (strcmp(word, "leak") == 0) {
            leak(n);
        } else if (strcmp(word, "keep") == 0) {
            kept[count++] = make(n);
        } else if (strcmp(word, "ignore") == 0) {
            ignored(n);
        } else if (strcmp(word, "disabled") == 0) {
            kgc_leak_disable();
            kgc_leak_disable();
            kgc_leak_enable();
            leak(n);
            kgc_leak_enable();
        } else if (strcmp(word, "thread") == 0) {
            pthread_create(&thread, NULL, leak_in_thread, (void *)n);
            pthread_join(thread, NULL);
        } else if (strcmp(word, "sleeper") == 0) {
            pthread_barrier_init(&sleeping, NULL, 2);
            pthread_create(&thread, NULL, sleep_in_thread, (void *)n);
            pthread_barrier_wait(&sleeping);
        } else if (strcmp(word, "report") == 0) {
            size_t blocks;
            overwrite();
            int error = kgc_leak_report(-1, &blocks);
            fprintf(stderr, "report: %d, %zu blocks\n", error, blocks);
        } else if (strcmp(word, "signal") == 0) {
            overwrite();
            raise(SIGUSR2);
        } else if (strcmp(word, "child") == 0) {
            pid_t child = fork();
            if (child == 0) {
                leak(77);
                overwrite();
                exit(0);
            }
            int status;
            waitpid(child, &status, 0);
            fprintf(stderr, "child: %d\n", status);
        } else if (strcmp(word, "exit") == 0) {
            overwrite();
            exit((int)n);
        } else if (strcmp(word, "_exit") == 0) {
            _exit((int)n);
        } else if (strcmp(word, "text") == 0) {
            printf("a line\n");
        } else {
            fprintf(stderr, "unknown word %s\n", word);
            return 2;
        }
    }
    overwrite();
    return 0;
}
