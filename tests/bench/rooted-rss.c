/* SPDX-License-Identifier: MIT */
/*
 * rooted-rss: by how much the resident memory of the process has grown, in
 * MiB, on one trace of allocations of mixed sizes and lifetimes: at the peak
 * (-peak), right after nine tenths of the blocks were freed (-after), and when
 * three seconds with a little activity have passed since (-later).
 *
 *   rooted rss THREADS MIB
 *
 * Of all blocks 70 % have up to 256 bytes, 20 % up to 4 KiB, 9 % up to 32 KiB
 * and 1 % up to 512 KiB.  Most are freed soon, some much later, and all are
 * written in full.  The trace grows to half of MIB, replaces blocks for a
 * while, and grows to MIB.  It depends on no allocator.
 */
#include "rooted.h"
#include <unistd.h>

enum { MOST = 1 << 18, MOST_THREADS = 8 };

struct trace {
    uint64_t random;
    size_t live, bytes;
    struct {
        void *p;
        size_t size;
    } block[MOST];
};
static struct trace trace[MOST_THREADS];
static size_t target; /* bytes a thread */
static pthread_barrier_t phase;

static double resident(void)
{
    char text[128] = "";
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fgets(text, sizeof text, statm) == NULL)
        exit(1);
    fclose(statm);
    char *second;
    strtol(text, &second, 10);
    return (double)(strtol(second, NULL, 10) * sysconf(_SC_PAGESIZE)) / (1 << 20);
}

static size_t draw_size(uint64_t r)
{
    unsigned share = (unsigned)(r % 100);
    size_t most = share < 70 ? 256 : share < 90 ? 4096 : share < 99 ? 32768 : 524288;
    return 8 + (size_t)(r >> 20) % (most - 7);
}

static void add(struct trace *t)
{
    size_t size = draw_size(bench_random(&t->random));
    if (t->live == MOST)
        exit(2);
    t->block[t->live].p = memset(bench_check(rooted_malloc(size)), 1, size);
    t->block[t->live++].size = size;
    t->bytes += size;
}

static void drop(struct trace *t, size_t i)
{
    rooted_free(t->block[i].p);
    t->bytes -= t->block[i].size;
    t->block[i] = t->block[--t->live];
}

/* Seven of eight deaths are among the youngest 512. */
static size_t victim(struct trace *t)
{
    uint64_t r = bench_random(&t->random);
    size_t among = (r & 7) != 0 && t->live > 512 ? 512 : t->live;
    return t->live - 1 - (size_t)(r >> 20) % among;
}

static void grow_to(struct trace *t, size_t bytes)
{
    while (t->bytes < bytes)
        add(t);
}

static void replace(struct trace *t, size_t bytes, long times)
{
    while (times-- > 0) {
        drop(t, victim(t));
        grow_to(t, bytes);
    }
}

static void *live_through(void *arg)
{
    struct trace *t = &trace[(uintptr_t)arg - 1];
    grow_to(t, target / 2);
    replace(t, target / 2, 100000);
    grow_to(t, target);
    pthread_barrier_wait(&phase);
    pthread_barrier_wait(&phase); /* the peak is measured in between */
    for (size_t most = t->live / 10; t->live > most;)
        drop(t, (size_t)(bench_random(&t->random) >> 20) % t->live);
    pthread_barrier_wait(&phase);
    pthread_barrier_wait(&phase);
    for (int i = 0; i < 300; i++) {
        replace(t, t->bytes, 10);
        usleep(10000);
    }
    pthread_barrier_wait(&phase);
    pthread_barrier_wait(&phase);
    return NULL;
}

int rooted_rss(int argc, char **argv)
{
    static const char *const names[] = {"peak", "after", "later"};
    pthread_t id[MOST_THREADS];
    long threads = bench_argument(argc, argv, 1, 1);
    if (threads < 1 || threads > MOST_THREADS)
        return 2;
    target = ((size_t)bench_argument(argc, argv, 2, 100) << 20) / (size_t)threads;
    memset(trace, 1, sizeof *trace * (size_t)threads); /* our own records are there before it begins */
    pthread_barrier_init(&phase, NULL, (unsigned)threads + 1);
    double before = resident();
    for (long i = 0; i < threads; i++) {
        trace[i].random = 88172645463325252 + (uint64_t)i;
        trace[i].live = trace[i].bytes = 0;
        if (pthread_create(&id[i], NULL, live_through, (void *)(uintptr_t)(i + 1)) != 0)
            return 1;
    }
    for (int i = 0; i < 3; i++) {
        pthread_barrier_wait(&phase);
        printf("rooted-rss-%s %.2f MiB\n", names[i], resident() - before);
        pthread_barrier_wait(&phase);
    }
    for (long i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    return 0;
}
