/* SPDX-License-Identifier: MIT */
/*
 * The calling thread, known to the collector: its stack, its registers and
 * its thread-local variables are roots.
 *
 * A thread that libgc registers by a stack base of its own choice, and the
 * initial thread, are scanned without their thread-local storage: it lies
 * above that base, or elsewhere.  Then the storage is a root of ours.  A
 * thread that we register is scanned up to the end of its stack's mapping,
 * which glibc puts the storage into.
 *
 * A thread must be known until its last destructor of thread-local or
 * specific data has run.  glibc calls a key's destructor in up to four
 * rounds, as long as it sets the key again; the last one unregisters.
 *
 * Takes the start lock, before libgc's.
 */
#include "collect/thread.h"
#include "base/message.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/roots.h"
#include "collect/stack.h"
#include "collect/start.h"
#include <errno.h>
#include <kindgc/heap.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

__thread unsigned char kgc__thread_state INITIAL_EXEC;

static __thread struct {
    bool ours;             /* we have made it known and unregister it */
    bool whole;            /* scanned up to the end of its stack's mapping */
    bool ended;            /* its last round of destructors is over */
    struct kgc__root *tls; /* its thread-local storage as a root; NULL: none */
} self INITIAL_EXEC;

static pthread_t initial; /* the thread that loaded the library */
static pthread_key_t key;
static _Atomic bool key_made, enabled;

__attribute__((constructor)) static void note_initial_thread(void)
{
    initial = pthread_self();
}

static bool is_initial(void)
{
    return pthread_equal(initial, pthread_self()) != 0;
}

void kgc__thread_before_init(void)
{
    struct GC_stack_base base;
    /* libgc would take this stack for the initial thread's. */
    if (!is_initial() && GC_get_stack_base(&base) == GC_SUCCESS)
        GC_set_stackbottom(NULL, &base);
}

void kgc__thread_after_init(void)
{
    self.ours = true;
    self.whole = !is_initial();
}

static __thread bool enabling INITIAL_EXEC;

bool kgc__threads_enabling(void)
{
    return enabling;
}

static void enable(void)
{
    if (atomic_load(&enabled))
        return;
    enabling = true;
    GC_allow_register_threads();
    enabling = false;
    atomic_store(&enabled, true);
}

void kgc__threads_enable(void)
{
    if (!atomic_load_explicit(&enabled, memory_order_acquire)) {
        kgc__start_lock();
        enable();
        kgc__start_unlock();
    }
    if (kgc__thread_state != 0)
        kgc__thread_state |= KGC__LOCKING;
}

static void leave(void)
{
    kgc__magazines_drop();
    kgc__stack_thread_ends();
    kgc__thread_state = 0;
    if (self.ours && GC_thread_is_registered())
        GC_unregister_my_thread();
    self.ours = self.whole = false;
    if (self.tls != NULL)
        kgc__root_delete(self.tls);
    self.tls = NULL;
}

/* The key's value counts the rounds that are left. */
static void in_destructors(void *value)
{
    uintptr_t rounds = (uintptr_t)value - 1;
    if (rounds != 0 && pthread_setspecific(key, (void *)rounds) == 0)
        return;
    self.ended = true;
    leave();
    kgc__create_thread_ends();
}

/*
 * Unregisters the thread after so many rounds.  A thread that we know from
 * its start sees all rounds.  One that calls us for the first time may be in
 * its first round already, so it counts one less.
 */
enum { ALL_ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS, LATE_ROUNDS = ALL_ROUNDS - 1 };

static int unregister_at_end(unsigned rounds)
{
    if (pthread_getspecific(key) != NULL)
        return 0; /* it counts already */
    int error = pthread_setspecific(key, (void *)(uintptr_t)rounds);
    return error == 0 ? 0 : kgc__fail_errno(error, "the thread cannot be registered");
}

int kgc__threads_start(void)
{
    if (!atomic_load(&key_made)) {
        int error = pthread_key_create(&key, in_destructors);
        if (error != 0)
            return kgc__fail_errno(error, "no pthread key for the end of threads");
        atomic_store(&key_made, true);
    }
    if (!__libc_single_threaded)
        enable();
    return 0;
}

/* A thread with these blocked, perhaps by inheritance, would hang the collector. */
static void unblock_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, GC_get_suspend_signal());
    sigaddset(&signals, GC_get_thr_restart_signal());
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

/* Registers the thread up to the end of its stack's mapping.  GC_DUPLICATE
   when others have registered it. */
static int register_whole(void)
{
    struct GC_stack_base base;
    kgc__threads_enable();
    unblock_signals();
    int result = GC_get_stack_base(&base);
    if (result == GC_SUCCESS)
        result = GC_register_my_thread(&base);
    if (result == GC_SUCCESS) {
        self.ours = true;
        self.whole = !is_initial();
    }
    return result;
}

static int root_tls(void)
{
    if (self.whole || self.tls != NULL)
        return 0;
    struct kgc__root *root = kgc__root_new();
    if (root == NULL)
        return ENOMEM;
    kgc__tls_range(&root->lo, &root->hi);
    root->thread = pthread_self();
    root->of_thread = true;
    kgc__root_insert(root);
    self.tls = root;
    return 0;
}

static int make_known(unsigned rounds)
{
    if (self.ended)
        return kgc__fail(
            ENOTSUP, "the thread is in its last round of destructors and cannot use the GC heap any more");
    if (atomic_load(&enabled) || !GC_thread_is_registered()) {
        int result = register_whole();
        if (result != GC_SUCCESS && result != GC_DUPLICATE)
            return kgc__fail(ENOTSUP, "libgc cannot register the thread: the end of its stack is not known");
    }
    int error = root_tls();
    if (error == 0)
        error = unregister_at_end(rounds);
    if (error != 0) {
        leave();
        return error;
    }
    kgc__thread_state = (unsigned char)(KGC__READY | (atomic_load(&enabled) ? KGC__LOCKING : 0));
    return 0;
}

bool kgc__enter_first(void)
{
    int error = kgc__start();
    if (error == 0 && kgc__thread_state == 0)
        error = make_known(LATE_ROUNDS);
    if (error != 0) {
        errno = error;
        return false;
    }
    if (!__libc_single_threaded)
        kgc__threads_enable();
    return true;
}

int kgc__thread_begin(void)
{
    return make_known(ALL_ROUNDS);
}

void kgc__thread_begin_of_libgc(void)
{
    if (root_tls() == 0)
        unregister_at_end(ALL_ROUNDS);
}

void kgc__thread_after_libgc(void)
{
    kgc__stack_thread_ends();
    kgc__thread_state = 0;
    self.ours = false;
    make_known(ALL_ROUNDS);
}

int kgc_thread_register(void)
{
    return kgc__enter() ? 0 : errno;
}

int kgc_thread_unregister(void)
{
    if (kgc__thread_state == 0)
        return kgc__fail(EINVAL, "kgc_thread_unregister: the thread is not registered");
    if (!self.ours)
        return kgc__fail(EINVAL,
                         "kgc_thread_unregister: the thread was registered by others than this library");
    if (kgc__stack_in_use())
        return kgc__fail(EBUSY, "kgc_thread_unregister: the thread runs on a coroutine's stack");
    leave();
    return 0;
}

void kgc__threads_after_fork_in_child(void)
{
    kgc__stacks_after_fork_in_child();
    kgc__roots_after_fork_in_child();
}
