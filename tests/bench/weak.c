/* SPDX-License-Identifier: MIT */
/*
 * weak: references that keep nothing alive.  The peer's weak references are
 * libgc's disappearing links, read with its lock held, as it asks for.
 *
 *   weak-create     one reference
 *   weak-get        one that is set
 *   weak-collect    what a collection takes longer for each, all objects being alive
 *   weak-ephemerons-ORDER  what a collection takes for each of a chain of
 *                   ephemerons, where each key is reached only as the value of
 *                   the one before; made in this order of the chain.  libgc has
 *                   none: the peer's is an ordinary linked list
 */
#include "bench.h"
#include <string.h>

enum { REFERENCES = 1000000, CHAIN = 100000, ROUNDS = 9 };

static void **objects;

#ifdef BENCH_PEER
typedef void *reference; /* hidden by being in an atomic object */

static reference *create(void *object)
{
    reference *r = bench_check(GC_MALLOC_ATOMIC(sizeof *r));
    *r = object;
    GC_general_register_disappearing_link(r, object);
    return r;
}

static void *read_locked(void *r)
{
    return *(reference *)r;
}

static void *get(reference *r)
{
    return GC_call_with_alloc_lock(read_locked, r);
}
#else
typedef kgc_weak reference;

static reference *create(void *object)
{
    return bench_check(kgc_weak_create(object));
}

static void *get(reference *r)
{
    return kgc_weak_get(r);
}
#endif

static reference **references;

static double collect(void)
{
    double least = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double start = bench_now();
        bench_collect();
        double time = bench_now() - start;
        least = time < least ? time : least;
    }
    return least;
}

static __attribute__((noinline)) void make_objects(void)
{
    for (int i = 0; i < REFERENCES; i++)
        objects[i] = bench_check(bench_allocate(32));
}

static void print(const char *name, double seconds, int n)
{
    printf("%s %.2f ns\n", name, seconds * 1e9 / n);
}

static void measure_weak(void)
{
    objects = bench_check(bench_allocate(REFERENCES * sizeof *objects));
    references = bench_check(bench_allocate(REFERENCES * sizeof *references));
    make_objects();
    for (int i = 0; i < REFERENCES; i++) /* what the collector reads without them */
        references[i] = bench_check(bench_allocate_atomic(12));
    double without = collect();
    double start = bench_now();
    for (int i = 0; i < REFERENCES; i++)
        references[i] = create(objects[i]);
    print("weak-create", bench_now() - start, REFERENCES);
    print("weak-collect", collect() - without, REFERENCES);
    uintptr_t sum = 0;
    start = bench_now();
    for (int i = 0; i < REFERENCES; i++)
        sum += get(references[i]) == objects[i];
    print("weak-get", bench_now() - start, REFERENCES);
    if (sum != REFERENCES)
        exit(1);
    objects = NULL;
    references = NULL;
    collect();
}

struct key {
    struct key *next; /* the peer's only */
    long unused[3];
};

#ifdef BENCH_PEER
static void link_keys(struct key *key, struct key *next, long i)
{
    (void)i;
    key->next = next;
}

static struct key *next_of(struct key *key, long i)
{
    (void)i;
    return key->next;
}
#else
static kgc_ephemeron **ephemerons;

static void link_keys(struct key *key, struct key *next, long i)
{
    ephemerons[i] = bench_check(kgc_ephemeron_create(key, next));
}

static struct key *next_of(struct key *key, long i)
{
    return kgc_ephemeron_key(ephemerons[i]) == key ? kgc_ephemeron_value(ephemerons[i]) : NULL;
}
#endif

static struct key *first_key, **keys;
static double without_chain;

static long forward(long i)
{
    return i;
}

static long backward(long i)
{
    return CHAIN - 1 - i;
}

static long scattered(long i)
{
    return i * 48271 % CHAIN;
}

static __attribute__((noinline)) void make_chain(long (*place)(long))
{
    for (long i = 0; i < CHAIN; i++)
        keys[place(i)] = bench_check(bench_allocate(sizeof **keys));
    keys[CHAIN] = bench_check(bench_allocate(sizeof **keys));
    for (long i = 0; i < CHAIN; i++)
        link_keys(keys[place(i)], keys[place(i) + 1], place(i));
    first_key = keys[0];
    memset(keys, 0, (CHAIN + 1) * sizeof *keys);
}

static void measure_chain(const char *name, long (*place)(long))
{
    make_chain(place);
    print(name, collect() - without_chain, CHAIN);
    struct key *key = first_key;
    for (long i = 0; i < CHAIN && key != NULL; i++)
        key = next_of(key, i);
    if (key == NULL)
        exit(1);
}

int main(void)
{
    bench_start();
    measure_weak();
    keys = bench_check(bench_allocate((CHAIN + 1) * sizeof *keys));
#ifndef BENCH_PEER
    ephemerons = bench_check(kgc_allocate(CHAIN * sizeof *ephemerons));
#endif
    without_chain = collect();
    measure_chain("weak-ephemerons-forward", forward);
    measure_chain("weak-ephemerons-backward", backward);
    measure_chain("weak-ephemerons-scattered", scattered);
    return 0;
}
