/* SPDX-License-Identifier: MIT */
/*
 * pause: a graph of about 100 MiB in which nodes are replaced by new ones all
 * the time: a replaced node lives until those that point at it are replaced
 * too, so twice as many are alive as the table has.  How long all threads stand still in a collection: the
 * mean and the longest, once the graph is built.
 *
 *   pause THREADS REPLACEMENTS   each thread has its share of the graph
 */
#include "bench.h"

enum { NODES = 350000, DEGREE = 3 };

/* With the byte that libgc adds 128 bytes of heap. */
struct node {
    struct node *next[DEGREE];
    uint64_t value[12];
};

static struct {
    double total, longest; /* seconds */
    long count;
} pauses; /* written with libgc's lock held */

static void note_pause(double seconds)
{
    pauses.total += seconds;
    pauses.longest = seconds > pauses.longest ? seconds : pauses.longest;
    pauses.count++;
}

#ifdef BENCH_PEER
static void on_event(GC_EventType type)
{
    static double start;
    if (type == GC_EVENT_PRE_STOP_WORLD)
        start = bench_now();
    else if (type == GC_EVENT_POST_START_WORLD)
        note_pause(bench_now() - start);
}

static void watch(void)
{
    GC_set_on_collection_event(on_event);
}
#else
static void on_event(const kgc_event *event, void *arg)
{
    (void)arg;
    if (event->type == KGC_EVENT_PAUSE_END)
        note_pause((double)event->value * 1e-9);
}

static void watch(void)
{
    static const kgc_listener listener = {on_event};
    if (kgc_add_listener(&listener, NULL) != 0)
        exit(1);
}
#endif

static long nodes, replacements;
static pthread_barrier_t built;

static struct node *new_node(struct node **all, uint64_t *state)
{
    struct node *n = bench_check(bench_allocate(sizeof *n));
    for (int i = 0; i < DEGREE; i++)
        n->next[i] = all[bench_random(state) % (uint64_t)nodes];
    return n;
}

/* Old nodes are let go, or the graph would hold on to all it ever had. */
static void replace(struct node **all, uint64_t *state)
{
    struct node **place = &all[bench_random(state) % (uint64_t)nodes];
    if (*place != NULL)
        for (int i = 0; i < DEGREE; i++)
            (*place)->next[i] = NULL;
    *place = new_node(all, state);
}

static void *work(void *arg)
{
    uint64_t state = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15);
    struct node **all = bench_check(bench_allocate((size_t)nodes * sizeof *all));
    for (long i = 0; i < nodes; i++)
        all[i] = new_node(all, &state);
    if (pthread_barrier_wait(&built) == PTHREAD_BARRIER_SERIAL_THREAD)
        watch();
    for (long i = 0; i < replacements; i++)
        replace(all, &state);
    return all[0] == NULL ? arg : NULL;
}

int main(int argc, char **argv)
{
    long threads = bench_argument(argc, argv, 1, 1);
    replacements = bench_argument(argc, argv, 2, 4000000) / threads;
    nodes = NODES / threads;
    bench_start();
    pthread_barrier_init(&built, NULL, (unsigned)threads);
    double seconds = bench_in_threads(threads, work);
    if (pauses.count == 0) {
        fputs("no collection took place\n", stderr);
        return 1;
    }
    printf("pause-mean %.3f ms\n", pauses.total * 1e3 / (double)pauses.count);
    printf("pause-longest %.3f ms\n", pauses.longest * 1e3);
    printf("pause-total %.3f ms\n", pauses.total * 1e3);
    printf("pause-run %.3f s\n", seconds);
    bench_print_peak("pause");
    bench_print_heap("pause");
    return 0;
}
