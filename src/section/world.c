/* SPDX-License-Identifier: MIT */
/*
 * Whether threads are suspended, and how long for.
 *
 * Two witnesses.  libgc's suspend and resume signals pass through our slot
 * for pthread_kill: that is exact, whatever the program does to libgc's
 * callbacks, and it is what keeps hooks from running while a suspended thread
 * may hold a lock.  The callback for collection events times the pauses and
 * covers programs with one thread, where no signal is sent.
 */
#define GC_THREADS 1
#define GC_NO_THREAD_REDIRECTS 1
#include "section/event.h"
#include "section/section.h"
#include <gc/gc.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic bool suspended, in_pause;

static uint64_t pause_start; /* written with libgc's lock held */
static _Atomic uint64_t pause_count, pause_total, pause_longest, collections;

static GC_on_collection_event_proc previous;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void end_pause(void)
{
    uint64_t length = now_ns() - pause_start;
    atomic_fetch_add_explicit(&pause_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pause_total, length, memory_order_relaxed);
    if (length > atomic_load_explicit(&pause_longest, memory_order_relaxed))
        atomic_store_explicit(&pause_longest, length, memory_order_relaxed);
    kgc__emit(KGC_EVENT_PAUSE_END, length, NULL);
}

static void GC_CALLBACK on_event(GC_EventType type)
{
    switch (type) {
    case GC_EVENT_START:
        kgc__emit(KGC_EVENT_COLLECTION_START, GC_get_gc_no(), NULL);
        break;
    case GC_EVENT_PRE_STOP_WORLD:
        pause_start = now_ns();
        kgc__emit(KGC_EVENT_PAUSE_START, 0, NULL);
        atomic_store(&in_pause, true);
        break;
    case GC_EVENT_POST_START_WORLD:
        atomic_store(&in_pause, false);
        end_pause();
        break;
    case GC_EVENT_END:
        atomic_fetch_add_explicit(&collections, 1, memory_order_relaxed);
        kgc__emit(KGC_EVENT_COLLECTION_END, GC_get_gc_no(), NULL);
        break;
    default:
        break;
    }
    if (previous != NULL)
        previous(type);
}

void kgc__world_attach(void)
{
    previous = GC_get_on_collection_event();
    GC_set_on_collection_event(on_event);
}

bool kgc__world_stopped(void)
{
    return atomic_load(&suspended) || atomic_load(&in_pause);
}

void kgc__world_after_fork_in_child(void)
{
    atomic_store(&suspended, false);
}

struct kgc__pauses kgc__world_pauses(void)
{
    return (struct kgc__pauses){
        .count = atomic_load(&pause_count),
        .total_ns = atomic_load(&pause_total),
        .longest_ns = atomic_load(&pause_longest),
        .collections = atomic_load(&collections),
    };
}

int kgc__libgc_pthread_kill(pthread_t thread, int signal)
{
    if (signal == GC_get_suspend_signal())
        atomic_store(&suspended, true);
    else if (signal == GC_get_thr_restart_signal())
        atomic_store(&suspended, false);
    return pthread_kill(thread, signal);
}
