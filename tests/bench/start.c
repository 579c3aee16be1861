/* SPDX-License-Identifier: MIT */
/*
 * startup: milliseconds from starting a program to its end, in turn as it is
 * and with a library preloaded; the medians of both.
 *
 *   start RUNS LIBRARY SETTINGS PROGRAM ARGS...
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 1000, ENVIRONMENT_MAX = 1000 };

extern char **environ;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static double run(char **argv, char **environment, posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status;
    double start = now();
    int error = posix_spawnp(&pid, argv[0], actions, NULL, argv, environment);
    if (error != 0) {
        fprintf(stderr, "start: %s: %s\n", argv[0], strerror(error));
        exit(1);
    }
    if (waitpid(pid, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "start: %s failed, status %d\n", argv[0], status);
        exit(1);
    }
    return now() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

static char *join(const char *name, const char *value)
{
    char *text;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        exit(1);
    return text;
}

int main(int argc, char **argv)
{
    int runs = argc > 4 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > RUNS_MAX) {
        fputs("usage: start RUNS LIBRARY SETTINGS PROGRAM ARGS...\n", stderr);
        return 2;
    }
    static char *preloaded[ENVIRONMENT_MAX];
    size_t n = 0;
    for (char **e = environ; *e != NULL && n < ENVIRONMENT_MAX - 3; e++)
        preloaded[n++] = *e;
    preloaded[n++] = join("LD_PRELOAD", argv[2]);
    preloaded[n++] = join("KINDGC", argv[3]);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);

    static double plain[RUNS_MAX], ours[RUNS_MAX];
    run(argv + 4, environ, &actions); /* into the page cache */
    run(argv + 4, preloaded, &actions);
    for (int i = 0; i < runs; i++) {
        plain[i] = run(argv + 4, environ, &actions);
        ours[i] = run(argv + 4, preloaded, &actions);
    }
    printf("%.3f %.3f\n", median(ours, runs), median(plain, runs));
    return 0;
}
