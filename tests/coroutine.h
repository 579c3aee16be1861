/* SPDX-License-Identifier: MIT */
/* Coroutines for tests, made with ucontext, on stacks of their own that are
   mapped and unmapped with them, each above a page without access.  Their
   records are in malloc(3)'s memory, which the collector does not read. */
#ifndef KGC_TESTS_COROUTINE_H
#define KGC_TESTS_COROUTINE_H

#include <kindgc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

/* GUARD: at least a page. */
enum { STACK = 128 * 1024, GUARD = 64 * 1024 };

struct coroutine {
    ucontext_t *context, *caller; /* caller: who resumed it */
    kgc_stack *stack;
    char *memory;
    void (*body)(struct coroutine *self);
    bool stop, finished;
};

/* Called between kgc_stack_switch() and the switch itself. */
static void (*coroutine_between)(void) __attribute__((unused));

static inline void coroutine_check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "coroutine: %s: %s\n", what, kgc_last_error());
        abort();
    }
}

static inline char *map_stack(size_t size)
{
    char *p = mmap(NULL, GUARD + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    coroutine_check(p != MAP_FAILED, "mmap");
    coroutine_check(mprotect(p + GUARD, size, PROT_READ | PROT_WRITE) == 0, "mprotect");
    return p + GUARD;
}

static inline void unmap_stack(char *memory, size_t size)
{
    munmap(memory - GUARD, GUARD + size);
}

static __attribute__((noinline, unused)) void coroutine_swap(ucontext_t *from, ucontext_t *to,
                                                             kgc_stack *stack)
{
    coroutine_check(kgc_stack_switch(stack) == 0, "kgc_stack_switch");
    if (coroutine_between != NULL)
        coroutine_between();
    swapcontext(from, to);
}

static void coroutine_main(unsigned high, unsigned low)
{
    struct coroutine *self = (struct coroutine *)((uintptr_t)high << 32 | low);
    self->body(self);
    self->finished = true;
    coroutine_swap(self->context, self->caller, NULL);
}

static inline struct coroutine *coroutine_new(void (*body)(struct coroutine *))
{
    struct coroutine *c = calloc(1, sizeof *c);
    c->context = calloc(2, sizeof *c->context);
    c->caller = c->context + 1;
    c->memory = map_stack(STACK);
    c->body = body;
    coroutine_check(kgc_stack_register(c->memory, c->memory + STACK, &c->stack) == 0, "kgc_stack_register");
    getcontext(c->context);
    c->context->uc_stack = (stack_t){.ss_sp = c->memory, .ss_size = STACK};
    makecontext(c->context, (void (*)(void))(void (*)(unsigned, unsigned))coroutine_main, 2,
                (unsigned)((uintptr_t)c >> 32), (unsigned)(uintptr_t)c);
    return c;
}

/* From the thread's own stack. */
static __attribute__((noinline, unused)) void coroutine_resume(struct coroutine *c)
{
    coroutine_swap(c->caller, c->context, c->stack);
}

/* Back to the thread's own stack. */
static __attribute__((noinline, unused)) void coroutine_leave(struct coroutine *self)
{
    coroutine_swap(self->context, self->caller, NULL);
}

/* To another one, which will go back to where this one would. */
static __attribute__((noinline, unused)) void coroutine_transfer(struct coroutine *self, struct coroutine *to)
{
    ucontext_t *caller = to->caller;
    to->caller = self->caller;
    self->caller = caller;
    coroutine_swap(self->context, to->context, to->stack);
}

static inline void coroutine_end(struct coroutine *c)
{
    coroutine_check(kgc_stack_unregister(c->stack) == 0, "kgc_stack_unregister");
    unmap_stack(c->memory, STACK);
    free(c->context < c->caller ? c->context : c->caller);
    free(c);
}

#endif
