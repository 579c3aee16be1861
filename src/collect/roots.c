/* SPDX-License-Identifier: MIT */
/*
 * Our roots, in a list that libgc's lock guards.
 *
 * Pushing happens with that lock held and threads suspended: it takes no
 * other lock and allocates nothing.
 */
#include "collect/roots.h"
#include "base/check.h"
#include "base/message.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/magazine.h"
#include "collect/scan.h"
#include "collect/stack.h"
#include "collect/start.h"
#include "os/meta.h"
#include "section/callbacks.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/heap.h>
#include <stdint.h>

static struct kgc__root *first, *spare;
static unsigned long serial;

/*
 * GC_push_all() leaves a range on libgc's mark stack for later.  The stack
 * has 4,096 entries at first and libgc aborts when this call overflows it;
 * GC_push_all_eager() reads the range at once and copes.  So only some large
 * ranges are left for later, and none in incremental mode, where later is
 * after the world was started again and a range may be gone.
 */
enum { LARGE = 16 * 1024, DEFERRED_MAX = 512 };

static void push(char *lo, char *hi, void *arg)
{
    int *deferred = arg;
    if (hi - lo >= LARGE && *deferred < DEFERRED_MAX) {
        GC_push_all(lo, hi);
        ++*deferred;
    } else {
        GC_push_all_eager(lo, hi);
    }
}

static void push_ours(void)
{
    int deferred = GC_is_incremental_mode() ? DEFERRED_MAX : 0;
    for (const struct kgc__root *r = first; r != NULL; r = r->next)
        push(r->lo, r->hi, &deferred);
    kgc__scan_visit(push, &deferred);
    kgc__stacks_push();
    if (!kgc__world_announced())
        kgc__callbacks_missed();
}

/* The program's procedure may call this one for the one before its own. */
static void GC_CALLBACK push_roots(void)
{
    static unsigned depth;
    GC_push_other_roots_proc next = kgc__callback_pusher(depth);
    if (depth++ == 0) {
        kgc__magazines_age();
        push_ours();
    }
    if (next != NULL)
        next();
    depth--;
}

void kgc__roots_attach(void)
{
    kgc__callback_set_push_other_roots(push_roots);
}

struct call {
    void (*fn)(void *);
    void *arg;
};

static void *GC_CALLBACK do_call(void *p)
{
    const struct call *call = p;
    call->fn(call->arg);
    return NULL;
}

void kgc__roots_locked(void (*fn)(void *), void *arg)
{
    struct call call = {fn, arg};
    kgc__callbacks_check();
    GC_call_with_alloc_lock(do_call, &call);
}

struct fresh {
    struct kgc__root *root;
    unsigned long serial;
};

static void take_spare(void *p)
{
    struct fresh *fresh = p;
    fresh->serial = ++serial;
    fresh->root = spare;
    if (spare != NULL)
        spare = spare->next;
}

struct kgc__root *kgc__root_new(void)
{
    struct fresh fresh;
    kgc__roots_locked(take_spare, &fresh);
    struct kgc__root *root = fresh.root != NULL ? fresh.root : kgc__meta_allocate(sizeof *root);
    if (root == NULL) {
        kgc__fail(ENOMEM, "no memory for the record of a root");
        return NULL;
    }
    *root = (struct kgc__root){.serial = fresh.serial};
    return root;
}

static void insert(void *p)
{
    struct kgc__root *root = p;
    KGC_CHECK(root->lo < root->hi);
    root->previous = NULL;
    root->next = first;
    if (first != NULL)
        first->previous = root;
    first = root;
}

void kgc__root_insert(struct kgc__root *root)
{
    kgc__roots_locked(insert, root);
}

void kgc__root_delete_locked(struct kgc__root *root)
{
    KGC_CHECK_INTERNAL(root->previous != NULL ? root->previous->next == root : first == root);
    if (root->previous != NULL)
        root->previous->next = root->next;
    else
        first = root->next;
    if (root->next != NULL)
        root->next->previous = root->previous;
    root->serial = 0;
    root->value = NULL;
    root->next = spare;
    spare = root;
}

static void delete (void *p)
{
    kgc__root_delete_locked(p);
}

void kgc__root_delete(struct kgc__root *root)
{
    kgc__roots_locked(delete, root);
}

struct kgc__root *kgc__root_of_joinable(pthread_t thread)
{
    for (struct kgc__root *r = first; r != NULL; r = r->next)
        if (r->joinable && r->named && pthread_equal(r->thread, thread))
            return r;
    return NULL;
}

void kgc__roots_after_fork_in_child(void)
{
    for (struct kgc__root *next, *r = first; r != NULL; r = next) {
        next = r->next;
        if (r->of_thread && !pthread_equal(r->thread, pthread_self()))
            kgc__root_delete_locked(r);
    }
}

/* Outwards to words; an object's address never lies across two. */
static bool to_words(void *lo, void *hi, char **start, char **end)
{
    *start = (char *)kgc__round_down((uintptr_t)lo, sizeof(void *));
    *end = (char *)kgc__round_up((uintptr_t)hi, sizeof(void *));
    return lo != NULL && (char *)lo < (char *)hi && *start < *end;
}

int kgc_root_add(void *lo, void *hi)
{
    char *start, *end;
    if (!to_words(lo, hi, &start, &end))
        return kgc__fail(EINVAL, "kgc_root_add: the range is empty");
    int error = kgc__start();
    if (error != 0)
        return error;
    struct kgc__root *root = kgc__root_new();
    if (root == NULL)
        return ENOMEM;
    root->lo = start;
    root->hi = end;
    kgc__root_insert(root);
    return 0;
}

struct range {
    char *lo, *hi;
    bool found;
};

static void remove_range(void *p)
{
    struct range *range = p;
    for (struct kgc__root *r = first; r != NULL; r = r->next) {
        if (!r->of_thread && r->lo == range->lo && r->hi == range->hi) {
            kgc__root_delete_locked(r);
            range->found = true;
            return;
        }
    }
}

int kgc_root_remove(void *lo, void *hi)
{
    struct range range = {0};
    if (!to_words(lo, hi, &range.lo, &range.hi))
        return kgc__fail(EINVAL, "kgc_root_remove: the range is empty");
    kgc__roots_locked(remove_range, &range);
    return range.found ? 0 : kgc__fail(EINVAL, "kgc_root_remove: [%p, %p) was not added", lo, hi);
}
