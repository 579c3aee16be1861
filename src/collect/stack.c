/* SPDX-License-Identifier: MIT */
/*
 * Coroutines' stacks.
 *
 * libgc scans a thread from its stack pointer to one known bottom.  On another
 * stack that would be the wrong range, through whatever lies between.  But it
 * also knows an "alternative stack" of each thread: when the stack pointer lies
 * in it, it scans to its end.  So a thread that is told to be on its way from
 * one stack to another has the old one's end for its bottom and the new one for
 * its alternative stack, and is scanned correctly at every instruction of the
 * way, whichever it still or already runs on.  Of the four ways, that from
 * coroutine to coroutine takes two steps, each of which is such a state.
 *
 * What is left behind is pushed here: the stack from the frame that called
 * kgc_stack_switch(), and the registers that a function preserves for its
 * caller, as that function received them; the code that switches may store
 * them where nobody looks.  Of a stack that was entered again the same is pushed
 * until it is left again, for nobody says when the thread has arrived.
 *
 * Records change with libgc's lock held only.
 */
#include "collect/stack.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/roots.h"
#include "collect/start.h"
#include "collect/thread.h"
#include "os/meta.h"
#include <errno.h>
#include <kindgc/heap.h>
#include <stddef.h>
#include <string.h>

/* libgc overwrites up to 16 KiB below the stack pointer now and then, to end
   what dead frames keep alive; suspending a thread takes up to 12 KiB there. */
enum { SMALLEST = 32 * 1024 };

/* Of kgc_stack_switch()'s frame, its upper end, with the caller's registers:
   64 bytes with gcc 12 and clang 14 on x86-64, 160 on aarch64. */
enum { FRAME = 64 };

struct left {
    char *sp; /* the end of the stack: nothing was left there */
    void *frame[FRAME];
};

struct kgc_stack {
    struct kgc__interval range; /* must be first */
    struct left left;
    struct thread *thread; /* that runs on it, or is on its way; NULL: none */
    struct kgc_stack *next, *previous;
};

/* A thread that has used a coroutine's stack. */
struct thread {
    struct thread *next;
    pthread_t id;
    char *bottom;       /* of its own stack, as libgc knows it */
    struct left left;   /* of its own stack */
    kgc_stack *current; /* NULL: its own */
};

static struct kgc__interval *tree;
static kgc_stack *stacks, *spare_stacks;
static struct thread *threads, *spare_threads;
static __thread struct thread *mine __attribute__((tls_model("initial-exec")));

static void push_left(const struct left *left, char *hi)
{
    if (left->sp == hi)
        return;
    GC_push_all_eager(left->sp, hi);
    GC_push_all_eager((void *)left->frame, (void *)(left->frame + FRAME));
}

void kgc__stacks_push(void)
{
    for (const kgc_stack *s = stacks; s != NULL; s = s->next)
        push_left(&s->left, s->range.hi);
    for (const struct thread *t = threads; t != NULL; t = t->next)
        push_left(&t->left, t->bottom);
}

bool kgc__stack_in_use(void)
{
    return mine != NULL && mine->current != NULL;
}

static void take_spare_stack(void *p)
{
    kgc_stack **result = p;
    *result = spare_stacks;
    if (spare_stacks != NULL)
        spare_stacks = spare_stacks->next;
}

static void keep_spare_stack(void *p)
{
    kgc_stack *s = p;
    s->next = spare_stacks;
    spare_stacks = s;
}

struct insertion {
    kgc_stack *stack;
    bool overlaps;
};

static void insert(void *p)
{
    struct insertion *i = p;
    kgc_stack *s = i->stack;
    i->overlaps = !kgc__interval_insert(&tree, &s->range);
    if (i->overlaps)
        return;
    s->next = stacks;
    if (stacks != NULL)
        stacks->previous = s;
    stacks = s;
}

int kgc_stack_register(void *lo, void *hi, kgc_stack **out)
{
    char *end = (char *)kgc__round_down((uintptr_t)hi, sizeof(void *));
    if (out == NULL || lo == NULL || (char *)lo >= end)
        return kgc__fail(EINVAL, "kgc_stack_register: a range and a place for the stack are needed");
    if (end - (char *)lo < SMALLEST)
        return kgc__fail(EINVAL, "kgc_stack_register: a stack needs at least %d bytes, for libgc", SMALLEST);
    if (!kgc__enter())
        return errno;
    /* While it does not lock, libgc takes the distance from the stack pointer
       to its own stack's bottom for the size of a stack, and would next collect
       after terabytes. */
    kgc__threads_enable();
    kgc_stack *s;
    kgc__roots_locked(take_spare_stack, &s);
    if (s == NULL && (s = kgc__meta_allocate(sizeof *s)) == NULL)
        return kgc__fail(ENOMEM, "kgc_stack_register: no memory for the record");
    *s = (kgc_stack){.range = {.lo = lo, .hi = end}, .left.sp = end};
    struct insertion insertion = {.stack = s};
    kgc__roots_locked(insert, &insertion);
    if (insertion.overlaps) {
        kgc__roots_locked(keep_spare_stack, s);
        return kgc__fail(EINVAL, "kgc_stack_register: [%p, %p) overlaps a registered stack", lo, hi);
    }
    *out = s;
    return 0;
}

struct removal {
    kgc_stack *stack;
    bool busy;
};

static void remove_stack(void *p)
{
    struct removal *r = p;
    kgc_stack *s = r->stack;
    r->busy = s->thread != NULL;
    if (r->busy)
        return;
    kgc__interval_remove(&tree, &s->range);
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        stacks = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    keep_spare_stack(s);
}

int kgc_stack_unregister(kgc_stack *stack)
{
    if (stack == NULL)
        return kgc__fail(EINVAL, "kgc_stack_unregister: NULL is no stack");
    struct removal removal = {.stack = stack};
    kgc__roots_locked(remove_stack, &removal);
    return removal.busy ? kgc__fail(EBUSY, "kgc_stack_unregister: a thread runs on the stack") : 0;
}

static void take_spare_thread(void *p)
{
    struct thread **result = p;
    *result = spare_threads;
    if (spare_threads != NULL)
        spare_threads = spare_threads->next;
}

static void insert_thread(void *p)
{
    struct thread *t = p;
    t->next = threads;
    threads = t;
}

static bool make_thread(void)
{
    struct thread *t;
    struct GC_stack_base base;
    kgc__roots_locked(take_spare_thread, &t);
    if (t == NULL && (t = kgc__meta_allocate(sizeof *t)) == NULL)
        return false;
    GC_get_my_stackbottom(&base);
    char *bottom = base.mem_base;
    *t = (struct thread){.id = pthread_self(), .bottom = bottom, .left.sp = bottom};
    kgc__roots_locked(insert_thread, t);
    mine = t;
    return true;
}

static void delete_thread(struct thread *t)
{
    struct thread **at = &threads;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (t->current != NULL)
        t->current->thread = NULL;
    t->next = spare_threads;
    spare_threads = t;
}

static void end_thread(void *p)
{
    struct thread *t = p;
    if (t->current != NULL) /* nobody will ever go on there */
        t->current->left.sp = t->current->range.hi;
    delete_thread(t);
}

void kgc__stack_thread_ends(void)
{
    if (mine != NULL)
        kgc__roots_locked(end_thread, mine);
    mine = NULL;
}

/* Libgc's lock may be held.  What other threads had left is not lost: this one
   may go on there. */
void kgc__stacks_after_fork_in_child(void)
{
    for (struct thread *next, *t = threads; t != NULL; t = next) {
        next = t->next;
        if (t != mine)
            delete_thread(t);
    }
}

struct way {
    kgc_stack *to;
    char *sp; /* of the caller of kgc_stack_switch() */
    char *frame;
    enum { GONE, OCCUPIED, LOST } result;
};

static void set_bottom(char *bottom)
{
    struct GC_stack_base base = {.mem_base = bottom};
    GC_set_stackbottom(NULL, &base);
}

static void set_out(void *p)
{
    struct way *way = p;
    kgc_stack *from = mine->current, *to = way->to;
    if (kgc__interval_find(tree, way->sp - 1) != (from != NULL ? &from->range : NULL)) {
        way->result = LOST;
        return;
    }
    if (to != NULL && to->thread != NULL) {
        way->result = OCCUPIED;
        return;
    }
    struct left *left = from != NULL ? &from->left : &mine->left;
    size_t size = (size_t)(way->sp - way->frame);
    if (size > sizeof left->frame)
        size = sizeof left->frame;
    left->sp = way->sp;
    memcpy(left->frame, way->sp - size, size);
    memset((char *)left->frame + size, 0, sizeof left->frame - size);
    if (to == NULL)
        set_bottom(mine->bottom);
    else if (from != NULL)
        set_bottom(from->range.hi);
    if (from != NULL)
        from->thread = NULL;
    if (to != NULL)
        to->thread = mine;
    mine->current = to;
}

/* Its frame lies below that of kgc_stack_switch(). */
static __attribute__((noinline)) int switch_from(char *sp, kgc_stack *to)
{
    if (!kgc__enter())
        return errno;
    if (mine == NULL && to != NULL && !make_thread())
        return kgc__fail(ENOMEM, "kgc_stack_switch: no memory for the thread's record");
    if (mine == NULL || to == mine->current)
        return 0;
    struct way way = {.to = to, .sp = sp, .frame = __builtin_frame_address(0)};
    kgc__roots_locked(set_out, &way);
    if (way.result == OCCUPIED)
        return kgc__fail(EBUSY, "kgc_stack_switch: a thread runs on the stack already");
    if (way.result == LOST) {
        kgc__fatal("kgc_stack_switch: the thread is not on the stack that it was to switch to; each switch "
                   "needs a call immediately before it");
        return EINVAL;
    }
    if (to != NULL)
        GC_register_altstack(NULL, 0, to->range.lo, (GC_word)(to->range.hi - to->range.lo));
    return 0;
}

int kgc_stack_switch(kgc_stack *stack)
{
    __builtin_unwind_init(); /* puts all the caller's registers into this frame */
    int result = switch_from(__builtin_dwarf_cfa(), stack);
    __asm__ volatile("" : "+r"(result) : : "memory"); /* the frame must be there during the call */
    return result;
}
