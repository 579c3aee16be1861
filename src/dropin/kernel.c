/* SPDX-License-Identifier: MIT */
/*
 * Functions that hand a pointer to the kernel, which gives it back later: no
 * search for unreachable blocks can see it meanwhile.  So the block is pinned
 * until it is freed (leak/pin.h).
 *
 * Not here: aio_read(3) and its like, which glibc makes with threads and
 * tables of its own that lead to the requests; and io_uring and io_submit(2),
 * which are used without libc: a search finds their mappings and says so.
 */
#include "base/next.h"
#include "leak/pin.h"
#include <errno.h>
#include <kindgc/base.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A system call, so that it can be made in signal handlers without dlsym(3). */
KGC_API int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_DEL && event != NULL)
        kgc__pin(event->data.ptr);
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

/* The stack of signal handlers: some programs keep no other pointer to it. */
KGC_API int sigaltstack(const stack_t *restrict stack, stack_t *restrict old)
{
    if (stack != NULL)
        kgc__pin(stack->ss_sp);
    return (int)syscall(SYS_sigaltstack, stack, old);
}

KGC_API int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer)
{
    if (event != NULL)
        kgc__pin(event->sigev_value.sival_ptr);
    return KGC__NEXT(timer_create)(clock, event, timer);
}

KGC_API int mq_notify(mqd_t queue, const struct sigevent *event)
{
    if (event != NULL)
        kgc__pin(event->sigev_value.sival_ptr);
    return KGC__NEXT(mq_notify)(queue, event);
}

KGC_API int sigqueue(pid_t process, int signal, const union sigval value)
{
    if (process == getpid())
        kgc__pin(value.sival_ptr);
    return KGC__NEXT(sigqueue)(process, signal, value);
}

KGC_API int pthread_sigqueue(pthread_t thread, int signal, const union sigval value)
{
    kgc__pin(value.sival_ptr);
    return KGC__NEXT(pthread_sigqueue)(thread, signal, value);
}
