/* SPDX-License-Identifier: MIT */
/*
 * Forks while threads allocate; what a child may do: allocate at once, free
 * what it inherited, start threads, become another program.  Handlers of fork
 * allocate too.
 *
 * usage: forks N
 */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, INHERITED = 200 };

static atomic_bool stop;
static void *inherited[INHERITED];
static void *of_handlers;
static unsigned handled;

static unsigned next(unsigned *state)
{
    return *state = *state * 1664525 + 1013904223;
}

static size_t some_size(unsigned *state)
{
    unsigned n = next(state) >> 8;
    return n % 50 == 0 ? n % 100000 : n % 4 == 0 ? n % 5000 : n % 200;
}

/* True: no block has lost what was in it. */
static bool work(unsigned seed, int rounds)
{
    enum { BLOCKS = 64 };
    unsigned char *p[BLOCKS] = {NULL};
    size_t size[BLOCKS] = {0};
    bool ok = true;
    for (int i = 0; i < rounds; i++) {
        unsigned k = next(&seed) >> 16 & (BLOCKS - 1);
        if (p[k] != NULL && size[k] != 0)
            ok = ok && p[k][0] == (unsigned char)k && p[k][size[k] - 1] == (unsigned char)k;
        if (p[k] != NULL && (i & 3) != 0) {
            free(p[k]);
            p[k] = NULL;
            continue;
        }
        size[k] = some_size(&seed) + 1;
        p[k] = realloc(p[k], size[k]);
        if (p[k] == NULL)
            return false;
        memset(p[k], (int)k, size[k]);
    }
    for (int k = 0; k < BLOCKS; k++)
        free(p[k]);
    return ok;
}

static void *thread(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;
    bool ok = true;
    while (!atomic_load(&stop)) {
        ok = work(seed++, 200) && ok;
        usleep(200); /* the forks are what is tested: leave them the processor */
    }
    return ok ? arg : NULL;
}

static void *short_thread(void *arg)
{
    return work((unsigned)(size_t)arg, 100) ? arg : NULL;
}

static void in_handler(void)
{
    static unsigned seed = 99;
    void *p = malloc(some_size(&seed)), *q = calloc(3, some_size(&seed));
    free(of_handlers);
    of_handlers = realloc(p, some_size(&seed) + 1);
    free(q);
    handled++;
}

/* In the child: its exit status. */
static int child(int i)
{
    if (!work((unsigned)i, 120))
        return 1;
    for (int k = 0; k < INHERITED; k += 2)
        free(inherited[k]);
    if (i % 16 == 0) {
        pthread_t t[3];
        void *result;
        for (size_t k = 0; k < 3; k++)
            if (pthread_create(&t[k], NULL, short_thread, (void *)(k + 1)) != 0)
                return 2;
        for (int k = 0; k < 3; k++)
            if (pthread_join(t[k], &result) != 0 || result == NULL)
                return 3;
    }
    if (i % 32 == 1) { /* a grandchild */
        pid_t pid = fork();
        int status;
        if (pid == 0)
            _exit(work((unsigned)i + 1, 100) ? 0 : 1);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
            return 4;
    }
    return 0;
}

static bool ended_well(pid_t pid)
{
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (status != 0)
        printf("a child ended with status %#x\n", status);
    return status == 0;
}

static bool fork_once(int i)
{
    pid_t pid = fork();
    if (pid == 0) {
        int result = child(i);
        if (i % 8 == 3)
            exit(result); /* handlers, destructors */
        _exit(result);
    }
    return ended_well(pid);
}

static bool vfork_once(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        /* Not allowed, and done by old shells all the same. */
        char *path = malloc(100);
        strcpy(path, "/bin/true");
        execl(path, "true", (char *)NULL);
        _exit(1);
    }
    return ended_well(pid);
}

static bool spawn_once(void)
{
    char *argv[] = {(char[]){"true"}, NULL};
    extern char **environ;
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0 && ended_well(pid);
}

static bool popen_once(void)
{
    char line[20] = "";
    FILE *f = popen("echo popen", "r");
    bool ok = f != NULL && fgets(line, sizeof line, f) != NULL;
    return f != NULL && pclose(f) == 0 && ok && strcmp(line, "popen\n") == 0;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 100;
    setvbuf(stdout, NULL, _IONBF, 0);
    pthread_atfork(in_handler, in_handler, in_handler);
    pthread_t threads[THREADS];
    for (size_t k = 0; k < THREADS; k++)
        CHECK(pthread_create(&threads[k], NULL, thread, (void *)(k + 1)) == 0);
    unsigned seed = 5;
    for (int k = 0; k < INHERITED; k++)
        CHECK((inherited[k] = malloc(some_size(&seed))) != NULL);
    for (int i = 0; i < n && failures == 0; i++) {
        CHECK(fork_once(i));
        if (i % 64 == 5)
            CHECK(vfork_once());
        if (i % 64 == 15)
            CHECK(spawn_once());
        if (i % 64 == 25)
            CHECK(system("true") == 0);
        if (i % 64 == 35)
            CHECK(popen_once());
    }
    CHECK(handled >= 2 * (unsigned)n);
    atomic_store(&stop, true);
    for (int k = 0; k < THREADS; k++) {
        void *result = NULL;
        CHECK(pthread_join(threads[k], &result) == 0 && result != NULL);
    }
    printf("%d failures\n", failures);
    return failures != 0;
}
