/* SPDX-License-Identifier: MIT */
/* Where a partition's roots lie: see roots.h. */
#include "roots.h"
#include "failure.h"
#include "run.h"
#include <kindgc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    GLOBALS = 8,
    RANGE = 16,
    BLOCK = 12,
    KIND = 8,
    COROUTINE = 8,
    TLS = 8,
    SELVES = 24,
    STACK_BYTES = 256 << 10
};

/* Roots themselves. */
static void *volatile globals[PARTITIONS][GLOBALS];
static __thread void *volatile tls[TLS];

/* A partition's coroutine: roots on its stack, and what it is to do there.
   Registers that are saved must be where the collector looks: on the stacks. */
struct coroutine {
    ucontext_t *own, *caller;
    kgc_stack *stack;
    void *volatile *roots;
    struct partition *partition;
    void (*fn)(struct partition *);
};

struct outside {
    void *volatile *range, *volatile *block, *volatile *kind;
    struct coroutine coroutine;
};

static kgc_kind *scanned;

static void *pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void add(struct partition *p, enum place place, void *volatile *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        p->root[p->roots++] = (struct root){.at = at != NULL ? at + i : NULL, .place = place};
}

/* The place's words have moved. */
static void move(struct partition *p, enum place place, void *volatile *to)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->roots; i++)
        if (p->root[i].place == place)
            p->root[i].at = &to[n++];
}

static void body(unsigned high, unsigned low)
{
    struct outside *o = (void *)((uintptr_t)high << 32 | low);
    void *volatile roots[COROUTINE] = {NULL};
    ucontext_t own;
    o->coroutine.roots = roots;
    o->coroutine.own = &own;
    for (;;) {
        if (o->coroutine.fn != NULL)
            o->coroutine.fn(o->coroutine.partition);
        if (kgc_stack_switch(NULL) != 0)
            broken("kgc_stack_switch from a coroutine: %s", kgc_last_error());
        swapcontext(&own, o->coroutine.caller);
    }
}

static __attribute__((noinline)) void enter_coroutine(struct outside *o)
{
    ucontext_t caller;
    o->coroutine.caller = &caller;
    if (kgc_stack_switch(o->coroutine.stack) != 0)
        broken("kgc_stack_switch to a coroutine: %s", kgc_last_error());
    swapcontext(&caller, o->coroutine.own);
}

static void make_coroutine(struct partition *p, struct outside *o)
{
    char *stack = pages(STACK_BYTES);
    ucontext_t first;
    o->coroutine.partition = p;
    if (kgc_stack_register(stack, stack + STACK_BYTES, &o->coroutine.stack) != 0)
        broken("kgc_stack_register: %s", kgc_last_error());
    getcontext(&first);
    first.uc_stack.ss_sp = stack;
    first.uc_stack.ss_size = STACK_BYTES;
    o->coroutine.own = &first;
    makecontext(&first, (void (*)(void))body, 2, (unsigned)((uintptr_t)o >> 32), (unsigned)(uintptr_t)o);
    enter_coroutine(o);
    add(p, ON_COROUTINE, o->coroutine.roots, COROUTINE);
}

void roots_on_coroutine(struct partition *p, void (*fn)(struct partition *))
{
    struct outside *o = p->outside;
    o->coroutine.fn = fn;
    enter_coroutine(o);
}

void roots_create(struct partition *p)
{
    struct outside *o = p->outside = pages(sizeof *o);
    o->range = pages(RANGE * sizeof *o->range);
    o->block = kgc_calloc(BLOCK, sizeof *o->block);
    if (o->block == NULL || kgc_root_add((void *)o->range, (void *)(o->range + RANGE)) != 0)
        broken("no roots: %s", kgc_last_error());
    add(p, IN_GLOBALS, globals[p->index], GLOBALS);
    add(p, IN_RANGE, o->range, RANGE);
    add(p, IN_BLOCK, o->block, BLOCK);
    if (scanned == NULL && kgc_kind_open("default,scanned", &scanned) != 0)
        broken("no scanned kind: %s", kgc_last_error());
    o->kind = kgc_kind_calloc(scanned, KIND, sizeof *o->kind);
    add(p, IN_KIND, o->kind, KIND);
    make_coroutine(p, o);
    add(p, ITSELF, NULL, SELVES);
    add(p, ON_STACK, NULL, ROOTS_ON_STACK);
    add(p, IN_TLS, NULL, TLS);
    add(p, IN_KEY, NULL, 1);
}

static bool is_of_thread(const struct root *r)
{
    return r->place == ON_STACK || r->place == IN_TLS || r->place == IN_KEY;
}

void roots_enter(struct partition *p, void *volatile stack[ROOTS_ON_STACK], void **baton)
{
    for (unsigned i = 0; i < ROOTS_ON_STACK; i++)
        stack[i] = NULL;
    move(p, ON_STACK, stack);
    move(p, IN_TLS, tls);
    for (unsigned i = 0; i < p->roots; i++) {
        struct root *r = &p->root[i];
        if (!is_of_thread(r))
            continue;
        if (r->place == IN_KEY)
            r->at = NULL;
        store_root(r, baton != NULL ? baton[i] : NULL);
    }
}

void **roots_leave(struct partition *p)
{
    void **baton = kgc_allocate(ROOTS * sizeof *baton);
    if (baton == NULL) {
        broken("no memory for a thread's roots");
        return NULL;
    }
    for (unsigned i = 0; i < p->roots; i++) {
        struct root *r = &p->root[i];
        if (!is_of_thread(r))
            continue;
        baton[i] = load_root(r);
        store_root(r, NULL);
    }
    return baton;
}

void roots_forget_threads(struct partition *p)
{
    for (unsigned i = 0; i < p->roots; i++)
        if (is_of_thread(&p->root[i]))
            p->root[i].target = 0;
}

static void *volatile *renew_block(void *volatile *old)
{
    void *volatile *fresh = kgc_calloc(BLOCK, sizeof *fresh);
    if (fresh == NULL) {
        broken("no rooted memory");
        return old;
    }
    memcpy((void *)fresh, (const void *)old, BLOCK * sizeof *fresh);
    kgc_free((void *)old);
    return fresh;
}

void roots_operation(struct partition *p)
{
    struct outside *o = p->outside;
    switch (next_random(p) % 3) {
    case 0:
        o->block = renew_block(o->block);
        move(p, IN_BLOCK, o->block);
        break;
    case 1:
        o->kind = kgc_kind_realloc(scanned, (void *)o->kind, (KIND + next_random(p) % 100) * sizeof *o->kind);
        if (o->kind == NULL)
            broken("no explicit memory");
        move(p, IN_KIND, o->kind);
        break;
    default: /* added twice, removed once */
        if (kgc_root_add((void *)o->range, (void *)(o->range + RANGE)) != 0 ||
            kgc_root_remove((void *)o->range, (void *)(o->range + RANGE)) != 0)
            broken("kgc_root_add, kgc_root_remove: %s", kgc_last_error());
    }
}
