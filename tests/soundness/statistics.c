/* SPDX-License-Identifier: MIT */
/* What a run of the soundness checker did: see statistics.h. */
#include "statistics.h"
#include "failure.h"
#include "model.h"
#include "run.h"
#include <gc/gc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct statistics_start statistics_begin(void)
{
    return (struct statistics_start){nanoseconds(), GC_get_gc_no()};
}

static struct counts sum(void)
{
    /* All members are uint64_t. */
    union {
        struct counts counts;
        uint64_t each[sizeof(struct counts) / sizeof(uint64_t)];
    } total = {.each = {0}}, one;
    for (unsigned i = 0; i < the_settings.threads; i++) {
        one.counts = the_model->partition[i].counts;
        for (unsigned j = 0; j < sizeof one.each / sizeof one.each[0]; j++)
            total.each[j] += one.each[j];
    }
    return total.counts;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* A stale word may keep one object, and much that this leads to. */
static void check_share(const char *what, uint64_t kept, uint64_t dead)
{
    enum { MANY = 1000 };
    double most = dead < MANY ? 25 : 10;
    if (dead >= MANY / 10 && percent(kept, dead) > most)
        broken(
            "%lu of %lu unreachable %s objects were still there after a full collection, more than %.0f %%",
            (unsigned long)kept, (unsigned long)dead, what, most);
}

void statistics_check_retention(void)
{
    struct counts c = sum();
    uint64_t dead = 0, kept = 0;
    for (int i = 0; i < SORTS; i++) {
        check_share(sort_names[i], c.kept[i], c.dead[i]);
        dead += c.dead[i];
        kept += c.kept[i];
    }
    check_share("", kept, dead);
}

void statistics_print(const struct statistics_start *since)
{
    if (getenv("KINDGC_SOUNDNESS_VERBOSE") == NULL && getenv("KINDGC_TEST_LONG") == NULL)
        return;
    struct counts c = sum();
    double seconds = (double)(nanoseconds() - since->nanoseconds) / 1e9;
    uint64_t allocated = 0, dead = 0, kept = 0, waiting = 0;
    for (int i = 0; i < SORTS; i++) {
        allocated += c.allocated[i];
        dead += c.dead[i];
        kept += c.kept[i];
    }
    for (unsigned i = 1; i <= PARTITIONS * NODES; i++)
        waiting += node_of(i)->state == LEAVING;
    printf("%s: seed %lu, %u threads, %lu operations in %.1f s (%.2f million a second), %lu collections\n",
           the_settings.name, (unsigned long)the_settings.seed, the_settings.threads,
           (unsigned long)c.operations, seconds, (double)c.operations / seconds / 1e6,
           (unsigned long)(GC_get_gc_no() - since->collections));
    printf("  %lu objects, %lu moved, %lu freed, %lu on memory of dead ones; %lu verified in rounds, %lu in "
           "audits, "
           "%lu MB; %lu children, %lu threads; heap %lu MB\n",
           (unsigned long)allocated, (unsigned long)c.moved, (unsigned long)c.released,
           (unsigned long)c.reused, (unsigned long)c.verified, (unsigned long)c.audited,
           (unsigned long)(c.verified_bytes >> 20), (unsigned long)c.forks, (unsigned long)c.threads,
           (unsigned long)(GC_get_heap_size() >> 20));
    printf("  finalized %lu, not yet %lu; %lu weak reads, %lu of them nothing; %lu ephemerons\n",
           (unsigned long)c.finalized, (unsigned long)waiting, (unsigned long)c.weak_read,
           (unsigned long)c.weak_gone, (unsigned long)c.ephemerons);
    printf("  kept by one full collection: %lu of %lu unreachable objects, %.3f %%:", (unsigned long)kept,
           (unsigned long)dead, percent(kept, dead));
    for (int i = 0; i < SORTS; i++)
        if (c.dead[i] > 0)
            printf(" %s %.3f", sort_names[i], percent(c.kept[i], c.dead[i]));
    printf("\n");
    fflush(stdout);
}
