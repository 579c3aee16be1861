/* SPDX-License-Identifier: MIT */
/*
 * pthread_create(3), thrd_create(3) and what belongs to the end of a thread,
 * for programs that use the library: interposed, so that a thread is known to
 * the collector before its first instruction, and what it returns is kept
 * alive until it is joined.
 *
 * Until the library was started everything is passed on untouched: programs
 * that only run under `kindgc run` see no change.  Threads that libgc makes
 * pass through here too.  Its marking threads must stay unknown to it; the
 * threads of GC_pthread_create() register themselves, and only their
 * thread-local storage is added, and the result of those that end by
 * pthread_exit(3), which libgc forgets.
 *
 * The argument of a new thread and the result of an ended one are in a root's
 * record: nowhere else would the collector see them.
 */
#include "base/next.h"
#include "collect/roots.h"
#include "collect/start.h"
#include "collect/thread.h"
#include "section/section.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <threads.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

/* The calling thread's record, as long as it may be joined; NULL: none. */
static __thread struct kgc__root *mine __attribute__((tls_model("initial-exec")));

struct naming {
    struct kgc__root *record;
    unsigned long serial;
    pthread_t thread;
};

static void name_locked(void *p)
{
    const struct naming *n = p;
    if (n->record->serial == n->serial) {
        n->record->thread = n->thread;
        n->record->named = true;
    }
}

/* A record that keeps `value` alive; NULL when there is no memory. */
static struct kgc__root *record_for(void *(*start)(void *), void *value, bool joinable)
{
    struct kgc__root *r = kgc__root_new();
    if (r == NULL)
        return NULL;
    r->start = start;
    r->value = value;
    r->joinable = joinable;
    r->lo = (char *)&r->value;
    r->hi = r->lo + sizeof r->value;
    r->thread = pthread_self(); /* until there is the new one */
    r->of_thread = true;
    return r;
}

/* Takes what the record has for the new thread, which keeps the record only
   to leave its result in it. */
static void *(*take_start(struct kgc__root *r, void **value))(void *)
{
    void *(*start)(void *) = r->start;
    *value = r->value;
    if (r->joinable) {
        struct naming naming = {r, r->serial, pthread_self()};
        kgc__roots_locked(name_locked, &naming);
        r->value = NULL;
        mine = r;
    } else {
        kgc__root_delete(r);
    }
    return start;
}

static void *run(void *p)
{
    void *value;
    kgc__thread_begin();
    void *(*start)(void *) = take_start(p, &value);
    void *result = start(value);
    if (mine != NULL)
        mine->value = result;
    return result;
}

static int run_c11(void *p)
{
    void *value;
    kgc__thread_begin();
    thrd_start_t start = (thrd_start_t)(void (*)(void))take_start(p, &value);
    return start(value);
}

static void after_libgc(void *unused)
{
    (void)unused;
    kgc__thread_after_libgc();
}

static void *run_of_libgc(void *p)
{
    void *value, *result;
    kgc__thread_begin_of_libgc();
    void *(*start)(void *) = take_start(p, &value);
    pthread_cleanup_push(after_libgc, NULL);
    result = start(value);
    if (mine != NULL)
        mine->value = result;
    pthread_cleanup_pop(1);
    return result;
}

/* libgc numbers its marking threads from 0 and hands the number over as the argument. */
static bool is_marking_thread(void *(*start)(void *), void *arg)
{
    return kgc__section_is_libgc((void *)(uintptr_t)start) && (uintptr_t)arg < 4096;
}

static bool is_joinable(const pthread_attr_t *attributes)
{
    int state = PTHREAD_CREATE_JOINABLE;
    if (attributes != NULL)
        pthread_attr_getdetachstate(attributes, &state);
    return state == PTHREAD_CREATE_JOINABLE;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                          void *arg)
{
    if (!kgc__started() || kgc__threads_enabling() || is_marking_thread(start, arg))
        return KGC__NEXT(pthread_create)(thread, attributes, start, arg);
    kgc__threads_enable();
    bool of_libgc = kgc__section_is_libgc((void *)(uintptr_t)start);
    struct kgc__root *r = record_for(start, arg, is_joinable(attributes));
    if (r == NULL)
        return EAGAIN;
    struct naming naming = {.record = r, .serial = r->serial};
    bool joinable = r->joinable;
    kgc__root_insert(r);
    int error = KGC__NEXT(pthread_create)(thread, attributes, of_libgc ? run_of_libgc : run, r);
    if (error != 0) {
        kgc__root_delete(r);
    } else if (joinable) {
        /* It may run, end and be joined before we come here. */
        naming.thread = *thread;
        kgc__roots_locked(name_locked, &naming);
    }
    return error;
}

EXPORT int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    if (!kgc__started())
        return KGC__NEXT(thrd_create)(thread, start, arg);
    kgc__threads_enable();
    struct kgc__root *r = record_for((void *(*)(void *))(void (*)(void))start, arg, false);
    if (r == NULL)
        return thrd_nomem;
    kgc__root_insert(r);
    int result = KGC__NEXT(thrd_create)(thread, run_c11, r);
    if (result != thrd_success)
        kgc__root_delete(r);
    return result;
}

EXPORT void pthread_exit(void *result)
{
    if (mine != NULL)
        mine->value = result;
    KGC__NEXT(pthread_exit)(result);
    __builtin_unreachable();
}

static void end_locked(void *p)
{
    struct kgc__root *r = p;
    r->ended = true;
    if (!r->joinable)
        kgc__root_delete_locked(r);
}

void kgc__create_thread_ends(void)
{
    struct kgc__root *r = mine;
    mine = NULL;
    if (r != NULL)
        kgc__roots_locked(end_locked, r);
}

static void find_locked(void *p)
{
    struct naming *n = p;
    n->record = kgc__root_of_joinable(n->thread);
    n->serial = n->record != NULL ? n->record->serial : 0;
}

static void forget_locked(void *p)
{
    const struct naming *n = p;
    if (n->record->serial == n->serial)
        kgc__root_delete_locked(n->record);
}

static void detach_locked(void *p)
{
    const struct naming *n = p;
    if (n->record->serial != n->serial)
        return;
    n->record->joinable = false;
    if (n->record->ended)
        kgc__root_delete_locked(n->record);
}

/* The record of a thread, found while its id cannot belong to another one yet. */
static struct naming find(pthread_t thread)
{
    struct naming n = {.thread = thread};
    if (kgc__started())
        kgc__roots_locked(find_locked, &n);
    return n;
}

/* The caller has the result by now. */
static int joined(int error, struct naming *n)
{
    if (error == 0 && n->record != NULL)
        kgc__roots_locked(forget_locked, n);
    return error;
}

EXPORT int pthread_join(pthread_t thread, void **result)
{
    struct naming n = find(thread);
    return joined(KGC__NEXT(pthread_join)(thread, result), &n);
}

EXPORT int pthread_tryjoin_np(pthread_t thread, void **result)
{
    struct naming n = find(thread);
    return joined(KGC__NEXT(pthread_tryjoin_np)(thread, result), &n);
}

EXPORT int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
    struct naming n = find(thread);
    return joined(KGC__NEXT(pthread_timedjoin_np)(thread, result, until), &n);
}

EXPORT int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                                const struct timespec *until)
{
    struct naming n = find(thread);
    return joined(KGC__NEXT(pthread_clockjoin_np)(thread, result, clock, until), &n);
}

EXPORT int pthread_detach(pthread_t thread)
{
    struct naming n = find(thread);
    int error = KGC__NEXT(pthread_detach)(thread);
    if (error == 0 && n.record != NULL)
        kgc__roots_locked(detach_locked, &n);
    return error;
}
