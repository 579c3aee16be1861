/* SPDX-License-Identifier: MIT */
/* Locks with ranks: they exclude, and debug builds see a wrong order. */
#include "base/check.h"
#include "base/lock.h"
#include "suite.h"
#include "support/system.h"
#include <signal.h>
#include <string.h>

static kgc__lock low = KGC__LOCK_INIT(KGC__RANK_START), middle = KGC__LOCK_INIT(KGC__RANK_FINALIZER),
                 high = KGC__LOCK_INIT(KGC__RANK_KINDS);

START_TEST(in_order)
{
    for (int round = 0; round < 3; round++) {
        kgc__lock_acquire(&low);
        kgc__lock_acquire(&middle);
        kgc__lock_acquire(&high);
        kgc__lock_release(&low); /* releasing has no order */
        kgc__lock_release(&high);
        kgc__lock_acquire(&high);
        kgc__lock_release(&middle);
        kgc__lock_release(&high);
    }
}
END_TEST

static int wrong_order(void *unused)
{
    (void)unused;
    kgc__lock_acquire(&middle);
    kgc__lock_acquire(&low);
    return 0;
}

static int same_rank(void *unused)
{
    kgc__lock other = KGC__LOCK_INIT(KGC__RANK_KINDS);
    (void)unused;
    kgc__lock_acquire(&high);
    kgc__lock_acquire(&other);
    return 0;
}

static int release_free(void *unused)
{
    (void)unused;
    kgc__lock_acquire(&low);
    kgc__lock_release(&high);
    return 0;
}

START_TEST(violations_abort)
{
    char text[512];
#if KGC_DEBUG < 2
    SKIP("ranks are checked from --enable-debug=2 on");
#endif
    ck_assert(killed(in_child_with_stderr(wrong_order, NULL, text, sizeof text), SIGABRT));
    ck_assert_int_eq(strncmp(text, "kindgc: internal check failed: held >> lock->rank == 0 (", 56), 0);
    ck_assert(killed(in_child_with_stderr(same_rank, NULL, text, sizeof text), SIGABRT));
    ck_assert_int_eq(strncmp(text, "kindgc: internal check failed: held >> lock->rank == 0 (", 56), 0);
    ck_assert(killed(in_child_with_stderr(release_free, NULL, text, sizeof text), SIGABRT));
    ck_assert_int_eq(strncmp(text, "kindgc: internal check failed: (held >> lock->rank & 1) != 0 (", 62), 0);
}
END_TEST

enum { ROUNDS = 20000, THREADS = 4 };
static unsigned long counter;

static void *count(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        kgc__lock_acquire(&low);
        counter++;
        kgc__lock_release(&low);
    }
    return unused;
}

START_TEST(exclusion)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
    ck_assert_uint_eq(counter, (unsigned long)ROUNDS * THREADS);
}
END_TEST

static void *hold(void *unused)
{
    kgc__lock_acquire(&low);
    return unused; /* never released, as in a child that was forked meanwhile */
}

START_TEST(resetting)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    kgc__lock_reset(&low);
    kgc__lock_acquire(&low); /* held by another */
    kgc__lock_reset(&low);   /* held by this one */
    kgc__lock_acquire(&low);
    kgc__lock_release(&low);
}
END_TEST

SUITE("lock", in_order, violations_abort, exclusion, resetting)
