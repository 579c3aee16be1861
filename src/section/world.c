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
#include "section/callbacks.h"
#include "section/event.h"
#include "section/place.h"
#include "section/section.h"
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic bool suspended, in_pause;

static uint64_t pause_start; /* written with libgc's lock held */
static _Atomic uint64_t pause_count, pause_total, pause_longest, collections;

struct kgc__collection_steps kgc__collection_steps;

/* libgc announces start and end of a collection only when it is not an
   incremental one; pauses and sweeping it announces always. */
static bool collecting; /* under libgc's lock */

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

static void start_collection(void)
{
    if (collecting)
        return;
    collecting = true;
    if (kgc__collection_steps.began != NULL)
        kgc__collection_steps.began();
    kgc__emit(KGC_EVENT_COLLECTION_START, GC_get_gc_no(), NULL);
}

static void end_collection(void)
{
    if (!collecting)
        return;
    collecting = false;
    atomic_fetch_add_explicit(&collections, 1, memory_order_relaxed);
    kgc__emit(KGC_EVENT_COLLECTION_END, GC_get_gc_no(), NULL);
    if (kgc__collection_steps.ended != NULL)
        kgc__collection_steps.ended();
}

static void GC_CALLBACK on_event(GC_EventType type)
{
    switch (type) {
    case GC_EVENT_START:
        start_collection();
        break;
    case GC_EVENT_PRE_STOP_WORLD:
        start_collection();
        kgc__callbacks_renew();
        pause_start = now_ns();
        kgc__emit(KGC_EVENT_PAUSE_START, 0, NULL);
        atomic_store(&in_pause, true);
        break;
    case GC_EVENT_POST_START_WORLD:
        atomic_store(&in_pause, false);
        end_pause();
        break;
    case GC_EVENT_MARK_END:
        if (kgc__collection_steps.marked != NULL)
            kgc__collection_steps.marked();
        break;
    case GC_EVENT_RECLAIM_START:
        if (kgc__collection_steps.sweeping != NULL)
            kgc__collection_steps.sweeping(true);
        break;
    case GC_EVENT_RECLAIM_END:
        if (kgc__collection_steps.sweeping != NULL)
            kgc__collection_steps.sweeping(false);
        if (kgc__collection_steps.finalizers_known != NULL)
            kgc__collection_steps.finalizers_known();
        kgc__place_reclaim();
        end_collection();
        break;
    default:
        break;
    }
    GC_on_collection_event_proc program = kgc__callback_on_collection_event();
    if (program != NULL)
        program(type);
}

void kgc__world_attach(void)
{
    kgc__callback_set_on_collection_event(on_event);
}

bool kgc__world_announced(void)
{
    return atomic_load_explicit(&in_pause, memory_order_relaxed);
}

bool kgc__world_stopped(void)
{
    return atomic_load(&suspended) || atomic_load(&in_pause);
}

void kgc__world_after_fork_in_child(void)
{
    atomic_store(&suspended, false);
    kgc__events_after_fork_in_child();
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
