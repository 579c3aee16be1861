/* SPDX-License-Identifier: MIT */
/* Finding unreachable blocks: see find.h. */
#include "leak/find.h"
#include "leak/mark.h"
#include "leak/roots.h"
#include "leak/stop.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static atomic_flag busy = ATOMIC_FLAG_INIT;

struct find {
    struct kgc__marker marker;
    bool classify;
    void (*found)(const struct kgc__leaked *, void *);
    void *arg;
    struct kgc__found *out;
};

static bool tell(const struct kgc__block *b, void *arg)
{
    const struct find *f = arg;
    if (kgc__marked(&f->marker, b)) {
        f->out->live_blocks++;
        f->out->live_bytes += b->size;
        return true;
    }
    f->out->leaked_blocks++;
    f->out->leaked_bytes += b->size;
    const struct kgc__leaked leaked = {b->start, b->size, !f->classify || !kgc__is_indirect(&f->marker, b)};
    f->found(&leaked, f->arg);
    return true;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int find(struct find *f, const struct kgc__stop *stop, uintptr_t sp)
{
    struct kgc__scratch scratch = {.pieces = 0};
    int error = kgc__marker_open(&f->marker, &scratch);
    f->marker.for_report = f->classify;
    if (error == 0)
        error = kgc__roots_mark(&f->marker, stop, sp, f->out->reason, f->out->doubt);
    f->out->marking += now(CLOCK_THREAD_CPUTIME_ID);
    if (error == 0 && f->classify)
        error = kgc__marker_classify(&f->marker);
    if (error == 0)
        kgc__blocks_visit(tell, f);
    kgc__scratch_give_back(&scratch);
    return error;
}

int kgc__leaks_find_from(bool classify, void (*found)(const struct kgc__leaked *, void *), void *arg,
                         struct kgc__found *out, uintptr_t sp);

/* From kgc__leaks_find(); what is at sp and above is live. */
__attribute__((used)) int kgc__leaks_find_from(bool classify,
                                               void (*found)(const struct kgc__leaked *, void *), void *arg,
                                               struct kgc__found *out, uintptr_t sp)
{
    *out = (struct kgc__found){.pause = 0};
    if (atomic_flag_test_and_set(&busy))
        return EBUSY;
    int saved = errno;
    struct find f = {.classify = classify, .found = found, .arg = arg, .out = out};
    struct kgc__stop stop;
    double start = now(CLOCK_MONOTONIC);
    out->marking = -now(CLOCK_THREAD_CPUTIME_ID);
    int error = kgc__stop_begin(&stop, out->reason);
    if (error != 0)
        out->marking = 0;
    if (error == 0) {
        out->threads = stop.halted;
        error = find(&f, &stop, sp);
        char reason[KGC__REASON];
        if (kgc__stop_end(&stop, reason) != 0) {
            error = EAGAIN;
            memcpy(out->reason, reason, sizeof reason);
        }
    }
    if (error == ENOMEM)
        snprintf(out->reason, sizeof out->reason, "no memory for finding out what is reachable");
    out->pause = now(CLOCK_MONOTONIC) - start;
    atomic_flag_clear(&busy);
    errno = saved;
    return error;
}

void kgc__leaks_after_fork_in_child(void)
{
    atomic_flag_clear(&busy);
    kgc__stop_attach();
}

/* Puts the registers that the caller may be using below its frame, and what is
   above into kgc__leaks_find_from()'s hands. */
#if defined __x86_64__
__asm__(".text\n"
        ".p2align 4\n"
        ".globl kgc__leaks_find\n"
        ".hidden kgc__leaks_find\n"
        ".type kgc__leaks_find, @function\n"
        "kgc__leaks_find:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "subq $56, %rsp\n"
        ".cfi_adjust_cfa_offset 56\n"
        "movq %rbx, (%rsp)\n"
        "movq %rbp, 8(%rsp)\n"
        "movq %r12, 16(%rsp)\n"
        "movq %r13, 24(%rsp)\n"
        "movq %r14, 32(%rsp)\n"
        "movq %r15, 40(%rsp)\n"
        "movq $0, 48(%rsp)\n"
        "movq %rsp, %r8\n"
        "call kgc__leaks_find_from\n"
        "addq $56, %rsp\n"
        ".cfi_adjust_cfa_offset -56\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size kgc__leaks_find, . - kgc__leaks_find\n");
#elif defined __aarch64__
__asm__(".text\n"
        ".p2align 4\n"
        ".globl kgc__leaks_find\n"
        ".hidden kgc__leaks_find\n"
        ".type kgc__leaks_find, %function\n"
        "kgc__leaks_find:\n"
        ".cfi_startproc\n"
        "stp x29, x30, [sp, #-160]!\n"
        ".cfi_def_cfa_offset 160\n"
        ".cfi_offset 29, -160\n"
        ".cfi_offset 30, -152\n"
        "mov x29, sp\n"
        "stp x19, x20, [sp, #16]\n"
        "stp x21, x22, [sp, #32]\n"
        "stp x23, x24, [sp, #48]\n"
        "stp x25, x26, [sp, #64]\n"
        "stp x27, x28, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\n"
        "stp d10, d11, [sp, #112]\n"
        "stp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n"
        "mov x4, sp\n"
        "bl kgc__leaks_find_from\n"
        "ldp x29, x30, [sp], #160\n"
        ".cfi_restore 29\n"
        ".cfi_restore 30\n"
        ".cfi_def_cfa_offset 0\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size kgc__leaks_find, . - kgc__leaks_find\n");
#endif
