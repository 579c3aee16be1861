/* SPDX-License-Identifier: MIT */
/*
 * Finalizers, over libgc's, and the thread that runs them if wanted.
 *
 * The thread sleeps on a semaphore that libgc's notifier posts: once after a
 * collection that has made finalizers ready, without libgc's lock.  It is
 * never joined, and ends with the process.  A forked child does not have it;
 * it is made again when finalizers are ready there.  So it is when a finalizer
 * ends it.
 *
 * No finalizer runs with a lock of the library or of libgc held, so one may
 * leave by longjmp(3) or pthread_exit(3).
 */
#include "base/check.h"
#include "base/lock.h"
#include "base/message.h"
#include "base/options.h"
#include "collect/libgc.h"
#include "collect/start.h"
#include "collect/thread.h"
#include "section/callbacks.h"
#include "section/event.h"
#include <errno.h>
#include <gc/javaxfc.h>
#include <kindgc/finalize.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_FINALIZER);
static _Atomic kgc_finalizer_policy policy = KGC_FINALIZERS_ALLOCATING;
static _Atomic bool running; /* the thread exists */
static _Atomic bool ending;  /* the process ends, and all finalizers run */
static sem_t work;
/* The program's notifier when the policy was chosen. */
static _Atomic(GC_finalizer_notifier_proc) known_notifier;

/* Stands for "libgc has not answered", which it does not when it has no memory. */
static void GC_CALLBACK no_answer(void *object, void *data)
{
    (void)object, (void)data;
}

typedef void (*register_fn)(void *, GC_finalization_proc, void *, GC_finalization_proc *, void **);

int kgc_register_finalizer(void *object, kgc_finalizer fn, void *data, kgc_finalizer_mode mode,
                           kgc_finalizer *old_fn, void **old_data)
{
    static const register_fn functions[] = {
        [KGC_FINALIZE_NORMAL] = GC_register_finalizer,
        [KGC_FINALIZE_IGNORE_SELF] = GC_register_finalizer_ignore_self,
        [KGC_FINALIZE_NO_ORDER] = GC_register_finalizer_no_order,
        [KGC_FINALIZE_UNREACHABLE] = GC_register_finalizer_unreachable,
    };
    if ((unsigned)mode >= sizeof functions / sizeof functions[0])
        return kgc__fail(EINVAL, "kgc_register_finalizer: there is no mode %d", (int)mode);
    int kind;
    size_t size;
    if (!kgc__is_collectable(object, &kind, &size))
        return kgc__fail(EINVAL, "kgc_register_finalizer: %p is not the start of a collectable object",
                         object);
    if (!kgc__enter())
        return errno;
    if (fn != NULL && atomic_load(&ending))
        return kgc__fail(
            ENOTSUP, "kgc_register_finalizer: the process ends, and no more finalizers can be registered");
    GC_finalization_proc was = no_answer;
    void *was_data = NULL;
    functions[mode](object, fn, data, &was, &was_data);
    if (was == no_answer) {
        if (!GC_get_find_leak()) /* where libgc keeps no finalizers */
            return kgc__fail(ENOMEM, "kgc_register_finalizer: no memory for the registration");
        was = NULL;
    }
    if (old_fn != NULL)
        *old_fn = was;
    if (old_data != NULL)
        *old_data = was_data;
    return 0;
}

int kgc_finalizers_run(void)
{
    return kgc__enter() ? GC_invoke_finalizers() : 0;
}

static int start_thread(void);

/* A finalizer ends the thread: another one runs those that are left. */
static void replace_thread(void *unused)
{
    (void)unused;
    atomic_store(&running, false);
    if (GC_should_invoke_finalizers() && start_thread() == 0)
        sem_post(&work);
}

static void *run_finalizers(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "kgc-finalizers");
    pthread_cleanup_push(replace_thread, NULL);
    for (;;) {
        while (sem_wait(&work) != 0)
            ; /* EINTR: the collector's signals */
        if (kgc__enter() && atomic_load(&policy) == KGC_FINALIZERS_THREAD)
            GC_invoke_finalizers();
    }
    pthread_cleanup_pop(false);
    return NULL;
}

/* The program's signals are not for this thread; the collector's are. */
static int create_thread(void)
{
    sigset_t blocked, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&blocked);
    sigdelset(&blocked, GC_get_suspend_signal());
    sigdelset(&blocked, GC_get_thr_restart_signal());
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = pthread_create(&thread, &attributes, run_finalizers, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* 0 when the thread exists. */
static int start_thread(void)
{
    int error = 0;
    kgc__threads_enable(); /* takes a lock of a lower rank */
    kgc__lock_acquire(&lock);
    if (!atomic_load(&running)) {
        sem_init(&work, 0, 0);
        error = create_thread();
        atomic_store(&running, error == 0);
    }
    kgc__lock_release(&lock);
    return error;
}

/*
 * libgc calls this outside its lock, in a thread that allocates or collects.
 *
 * A notifier that the program has set since the policy was chosen takes the
 * finalizers over: a runtime that does so (Guile) can run its own only in
 * threads that it knows.
 */
static void GC_CALLBACK on_ready(void)
{
    GC_finalizer_notifier_proc program = kgc__callback_finalizer_notifier();
    bool taken_over = program != NULL && program != atomic_load(&known_notifier);
    kgc__emit(KGC_EVENT_FINALIZERS_READY, 0, NULL);
    if (!taken_over && atomic_load(&policy) == KGC_FINALIZERS_THREAD) {
        if (start_thread() == 0)
            sem_post(&work);
        else /* in a forked child that cannot have a thread */
            GC_invoke_finalizers();
    }
    if (program != NULL)
        program();
}

static void attach_notifier(void)
{
    kgc__lock_acquire(&lock);
    kgc__callback_set_finalizer_notifier(on_ready);
    atomic_store(&known_notifier, kgc__callback_finalizer_notifier());
    kgc__lock_release(&lock);
}

int kgc_set_finalizer_thread(kgc_finalizer_policy wanted)
{
    if ((unsigned)wanted > KGC_FINALIZERS_THREAD)
        return kgc__fail(EINVAL, "kgc_set_finalizer_thread: there is no policy %d", (int)wanted);
    if (!kgc__enter())
        return errno;
    if (wanted == KGC_FINALIZERS_THREAD) {
        int error = start_thread();
        if (error != 0)
            return kgc__fail_errno(error, "kgc_set_finalizer_thread: the thread cannot be created");
    }
    if (wanted != KGC_FINALIZERS_ALLOCATING)
        attach_notifier();
    atomic_store(&policy, wanted);
    GC_set_finalize_on_demand(wanted != KGC_FINALIZERS_ALLOCATING);
    /* What became ready before was announced to nobody. */
    if (wanted == KGC_FINALIZERS_THREAD && GC_should_invoke_finalizers())
        sem_post(&work);
    return 0;
}

/* Programs that use libgc only have no need of our start. */
static bool may_run(void)
{
    return kgc__started() ? kgc__enter() : GC_is_init_called() && GC_thread_is_registered();
}

/* What finalizers register meanwhile is refused, for that could go on for ever. */
void kgc__finalizers_at_exit(void)
{
    if (strcmp(kgc__settings.finalizers, "exit") != 0 || atomic_exchange(&ending, true) || !may_run())
        return;
    GC_finalize_all();
    GC_invoke_finalizers(); /* those that were ready, if no other was registered */
}

void kgc__finalizers_after_fork_in_child(void)
{
    kgc__lock_reset(&lock);
    atomic_store(&running, false);
}
