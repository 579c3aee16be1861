/* SPDX-License-Identifier: MIT */
/*
 * malloc=collect in a program that leaks: what only the kernel, the dynamic
 * linker or libc knows stays; see collect.test.
 *
 *     collect MODULE.SO
 */
#include "check.h"
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { THREADS = 20, SIZE = 200 };

/* Leaks memory that would be given out again in the place of what was taken. */
static __attribute__((noinline)) void leak(size_t bytes)
{
    static const size_t sizes[] = {SIZE, 4000, 48, 8192, 600, 16384};
    for (size_t i = 0; bytes > 20000; i++) {
        size_t size = sizes[i % 6];
        memset(hidden(malloc(size)), 0xaa, size);
        bytes -= size;
    }
}

/* A block that holds its own size all over. */
static __attribute__((noinline)) char *marked(size_t size)
{
    char *p = hidden(malloc(size));
    memset(p, 'x', size);
    return p;
}

static int is_marked(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 'x')
            return 0;
    return 1;
}

static __attribute__((noinline)) void clear_stack(void)
{
    char space[32768];
    memset(hidden(space), 0, sizeof space);
}

/* ---- the kernel ---- */

static int epoll, pipes[2];

static __attribute__((noinline)) void give_to_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = marked(SIZE)};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(pipe(pipes) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event) == 0);
    memset(hidden(&event), 0, sizeof event);
    clear_stack();
}

static void take_from_epoll(void)
{
    struct epoll_event event;
    CHECK(write(pipes[1], "", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, 1000) == 1);
    CHECK(is_marked(event.data.ptr, SIZE));
    free(event.data.ptr);
}

static timer_t timer;
static volatile int got_signal;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    char on_this_stack;
    CHECK(is_marked(info->si_value.sival_ptr, SIZE));
    got_signal = on_this_stack = 1;
}

static __attribute__((noinline)) void give_to_timer(void)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_ptr = marked(SIZE)};
    const struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = hidden(malloc(64 * 1024)), .ss_size = 64 * 1024};
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    memset(hidden(&event), 0, sizeof event);
    memset(hidden(&stack), 0, sizeof stack);
    clear_stack();
}

static void take_from_timer(void)
{
    const struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    const struct timespec moment = {.tv_nsec = 10000000};
    timer_settime(timer, 0, &soon, NULL);
    for (int i = 0; i < 500 && !got_signal; i++)
        nanosleep(&moment, NULL);
    CHECK(got_signal);
}

static int aio_pipe[2];
static volatile uintptr_t disguised;

/* glibc's own tables lead to it. */
static __attribute__((noinline)) void give_to_aio(void)
{
    struct aiocb *request = hidden(calloc(1, sizeof *request));
    CHECK(pipe(aio_pipe) == 0);
    request->aio_fildes = aio_pipe[0];
    request->aio_buf = marked(SIZE);
    request->aio_nbytes = 4;
    CHECK(aio_read(request) == 0);
    disguised = ~(uintptr_t)request;
    clear_stack();
}

static void take_from_aio(void)
{
    struct aiocb *request = (struct aiocb *)~disguised;
    const struct aiocb *const list[] = {request};
    CHECK(write(aio_pipe[1], "abcd", 4) == 4);
    aio_suspend(list, 1, NULL);
    CHECK(aio_error(request) == 0 && aio_return(request) == 4);
    char *buffer = (char *)request->aio_buf;
    CHECK(memcmp(buffer, "abcdx", 5) == 0 && is_marked(buffer + 4, SIZE - 4));
    free(buffer);
    free(request);
}

/* ---- thread-local storage of a module: allocated by the dynamic linker ---- */

static const char *(*module_local)(void);
static sem_t ready;
static pthread_barrier_t barrier;

static char **slot(void)
{
    return (char **)(((uintptr_t)module_local() + 64) & ~(uintptr_t)15);
}

static void *with_module(void *arg)
{
    (void)arg;
    *slot() = marked(SIZE);
    clear_stack();
    sem_post(&ready);
    pthread_barrier_wait(&barrier);
    CHECK(is_marked(*slot(), SIZE));
    free(*slot());
    return NULL;
}

/* ---- libc ---- */

static int left;

static void at_exit(int status, void *arg)
{
    (void)status;
    if (!is_marked(arg, SIZE) || left != 0)
        _exit(9);
}

static __attribute__((noinline)) void give_to_libc(void)
{
    setenv("COLLECTED", "no", 1);
    on_exit(at_exit, marked(SIZE));
    clear_stack();
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    void *module = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    module_local = module != NULL ? (const char *(*)(void))dlsym(module, "module_local") : NULL;
    if (module_local == NULL) {
        printf("no module: %s\n", dlerror());
        return 2;
    }
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    sem_init(&ready, 0, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, with_module, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        while (sem_wait(&ready) != 0)
            ;
    FILE *file = fopen("/dev/null", "w");
    DIR *directory = opendir("/");
    fputs("text", file);
    CHECK(readdir(directory) != NULL);
    give_to_epoll();
    give_to_timer();
    give_to_aio();
    give_to_libc();
    for (int i = 0; i < 60; i++) {
        leak((size_t)8 << 20);
        usleep(5000); /* cycles have a share of the time */
    }
    take_from_epoll();
    take_from_timer();
    take_from_aio();
    CHECK(strcmp(getenv("COLLECTED"), "no") == 0);
    CHECK(readdir(directory) != NULL && closedir(directory) == 0);
    CHECK(fclose(file) == 0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CHECK(dlclose(module) == 0);
    return failures != 0;
}
