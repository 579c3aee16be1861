/* SPDX-License-Identifier: MIT */
/*
 * Programs that end by _exit(2), as shells do, run no destructors.  These
 * wrappers give them their report.  glibc's own exit(3) does not come through
 * here.  May be called anywhere, in signal handlers and in vfork's children
 * too: the report is the affair of the process that loaded the library.
 */
#include "report/report.h"
#include <kindgc/base.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void leave(int status)
{
    kgc__report_at_exit();
    for (;;)
        syscall(SYS_exit_group, status);
}

KGC_API void _exit(int status)
{
    leave(status);
}

KGC_API void _Exit(int status)
{
    leave(status);
}
