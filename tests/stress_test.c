/* SPDX-License-Identifier: MIT */
/*
 * Everything at once: several threads allocate, verify and drop objects of
 * all lifetimes, collections are forced often, threads come and go, children
 * are forked in the middle and go on, a module is loaded and unloaded.  Every
 * object carries a checksum of its own contents, so an object that was lost or
 * handed out twice is noticed by whoever still holds it.
 *
 * KINDGC_TEST_LONG=1 runs it a hundred times as long.
 */
#include "suite.h"
#include <dlfcn.h>
#include <errno.h>
#include <kindgc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Check's own assertions take a lock, which a forked child may find taken. */
static _Noreturn void broken(const char *what, int line)
{
    fprintf(stderr, "stress_test.c:%d: %s\n", line, what);
    abort();
}
#define must(condition) ((condition) ? (void)0 : broken(#condition, __LINE__))

enum { THREADS = 3, SLOTS = 400, STEPS = 15000, CHILD_STEPS = 2000 };

static const char *const specs[] = {"default", "thp", "file:/var/tmp", "tier:default@4M+file:/var/tmp"};
enum { KINDS = sizeof specs / sizeof specs[0] };

/* Scanned objects begin with a pointer to another object. */
struct object {
    struct object *other;
    uint32_t size, seed;
    unsigned char bytes[];
};

struct worker {
    struct object **slot; /* rooted memory */
    bool rooted[SLOTS];
    uint64_t random;
    unsigned steps;
};

static uint32_t next(struct worker *w)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 33);
}

static void fill(struct object *o, size_t size, uint32_t seed)
{
    o->size = (uint32_t)size;
    o->seed = seed;
    for (size_t i = 0; i < size; i++)
        o->bytes[i] = (unsigned char)(seed + i * 7);
}

static void verify(const struct object *o)
{
    for (size_t i = 0; i < o->size; i++)
        if (o->bytes[i] != (unsigned char)(o->seed + i * 7))
            broken("an object has changed", __LINE__);
}

static size_t some_size(struct worker *w)
{
    uint32_t n = next(w);
    return n % 50 == 0 ? n % 60000 : n % 300;
}

static void drop(struct worker *w, size_t i)
{
    if (w->rooted[i])
        kgc_free(w->slot[i]);
    w->slot[i] = NULL;
    w->rooted[i] = false;
}

static void make(struct worker *w, size_t i)
{
    size_t size = some_size(w);
    w->rooted[i] = next(w) % 4 == 0;
    struct object *o = w->rooted[i] ? kgc_malloc(sizeof *o + size) : kgc_allocate(sizeof *o + size);
    must(o != NULL);
    fill(o, size, next(w));
    /* Something that only this object keeps alive, besides what it shares. */
    size_t extra = some_size(w) % 100;
    o->other = kgc_allocate(sizeof *o + extra);
    must(o->other != NULL);
    fill(o->other, extra, next(w));
    w->slot[i] = o;
}

static void step(struct worker *w)
{
    size_t i = next(w) % SLOTS;
    if (w->slot[i] != NULL) {
        verify(w->slot[i]);
        verify(w->slot[i]->other);
        drop(w, i);
    }
    make(w, i);
    if (next(w) % 1500 == 0)
        kgc_collect();
}

static void check_all(struct worker *w)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (w->slot[i] != NULL) {
            verify(w->slot[i]);
            verify(w->slot[i]->other);
        }
    }
}

static void start_worker(struct worker *w, uint64_t seed, unsigned steps)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->steps = steps;
    w->slot = kgc_calloc(SLOTS, sizeof *w->slot);
    must(w->slot != NULL);
}

static void end_worker(struct worker *w)
{
    check_all(w);
    for (size_t i = 0; i < SLOTS; i++)
        drop(w, i);
    kgc_free(w->slot);
}

static void *short_life(void *p)
{
    struct object *o = kgc_allocate(sizeof *o + 500);
    fill(o, 500, (uint32_t)(uintptr_t)p);
    verify(o);
    return o;
}

static void *work(void *p)
{
    static _Atomic uint64_t seeds = 1;
    struct worker w;
    start_worker(&w, atomic_fetch_add(&seeds, 1) * 77, *(unsigned *)p);
    for (unsigned i = 0; i < w.steps; i++) {
        step(&w);
        if (i % 2000 == 0) {
            pthread_t thread;
            void *result;
            must(pthread_create(&thread, NULL, short_life, (void *)(uintptr_t)i) == 0);
            must(pthread_join(thread, &result) == 0);
            verify(result);
        }
    }
    end_worker(&w);
    return NULL;
}

/* A child goes on with its parent's objects, and makes more. */
static void fork_once(struct worker *w)
{
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        check_all(w);
        for (unsigned i = 0; i < CHILD_STEPS; i++)
            step(w);
        check_all(w);
        _exit(0);
    }
    for (unsigned i = 0; i < CHILD_STEPS; i++)
        step(w); /* meanwhile; neither may see the other's writes */
    check_all(w);
    int status;
    must(waitpid(child, &status, 0) == child);
    must(status == 0);
}

static void load_once(struct worker *w)
{
    const char *directory = getenv("STRESS_MODULE_DIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/stress_module.so", directory != NULL ? directory : "tests/.libs");
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    must(module != NULL);
    void *(*slot)(void *) = (void *(*)(void *))dlsym(module, "stress_module_slot");
    must(slot != NULL);
    struct object *o = kgc_allocate(sizeof *o + 1000);
    fill(o, 1000, 42);
    slot(o);
    o = NULL;
    for (unsigned i = 0; i < 50; i++)
        step(w);
    kgc_collect();
    verify(slot(NULL));
    dlclose(module);
}

START_TEST(threads_forks_and_modules)
{
    const char *spec = specs[_i];
    if (kgc_kind_check(spec) != 0) {
        printf("SKIP: %s: %s\n", spec, kgc_last_error());
        return;
    }
    unsigned steps = STEPS * (getenv("KINDGC_TEST_LONG") != NULL ? 100 : 1);
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = spec}), 0);
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &steps), 0);
    struct worker w;
    start_worker(&w, 99, 0);
    for (unsigned i = 0; i < SLOTS * 2; i++)
        step(&w);
    for (unsigned i = 0; i < steps / 3000; i++) {
        fork_once(&w);
        load_once(&w);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    end_worker(&w);
}
END_TEST

/* A collection at every allocation. */
START_TEST(collection_at_every_allocation)
{
    ck_assert_int_eq(kgc_init(&(kgc_options){.heap = specs[_i]}), 0);
    struct worker w;
    start_worker(&w, 5, 0);
    for (unsigned i = 0; i < 400; i++) {
        make(&w, i % SLOTS);
        kgc_collect();
        verify(w.slot[i % SLOTS]);
        verify(w.slot[i % SLOTS]->other);
    }
    end_worker(&w);
}
END_TEST

SUITE_OF_LOOPS("stress", 120, {threads_forks_and_modules, KINDS}, {collection_at_every_allocation, KINDS})
