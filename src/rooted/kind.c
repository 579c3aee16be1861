/* SPDX-License-Identifier: MIT */
/* The rooted heap's kinds: see kind.h. */
#include "rooted/kind.h"
#include "arena/blocks.h"
#include "base/check.h"
#include "base/lock.h"
#include "base/message.h"
#include "base/options.h"
#include "collect/roots.h"
#include "rooted/rooted.h"
#include "section/section.h"
#include <errno.h>
#include <string.h>

struct kgc__rooted kgc__rooted;

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_ROOTED);
static _Atomic(kgc_kind *) current; /* NULL: to be opened, or opened anew */
static bool sees_all;               /* somebody must see each block */

/* The specification to follow: the heap's, or what the settings want. */
static const char *wanted(void)
{
    const kgc_kind *heap = kgc__section_heap();
    const char *setting = kgc__settings.heap[0] != '\0' ? kgc__settings.heap : "default";
    if (heap == NULL)
        return setting;
    if (heap->caller_hooks == NULL && heap->fixed.start == NULL)
        return heap->name;
    kgc__warn("the rooted heap is on \"default\": \"%s\" cannot be opened a second time, nor be scanned",
              heap->name);
    return "default";
}

struct search {
    const char *name;
    kgc_kind *found;
};

static void look_at(kgc_kind *kind, void *arg)
{
    struct search *s = arg;
    if (kind->rooted && kind->parent == NULL && strcmp(kind->name, s->name) == 0)
        s->found = kind;
}

/* One that was opened before, or a new one. */
static int find_or_open(const char *spec, kgc_kind **out)
{
    struct search s = {.name = spec};
    kgc_kind_visit(look_at, &s);
    if ((*out = s.found) != NULL)
        return 0;
    /* The user's limit bounds each of the two heaps; the control group's is not ours to divide. */
    size_t limit = kgc__settings.limit != KGC__NO_LIMIT ? kgc__settings.limit : 0;
    const kgc_kind_options options = {.limit = limit, .scanned = true};
    int error = kgc_kind_open_with(spec, &options, out);
    if (error != 0)
        return kgc__fail_prefix(error, "heap=%s: ", spec);
    error = kgc__blocks_make(*out);
    if (error != 0) {
        kgc_kind_close(*out);
        return error;
    }
    kgc__kind_add_arenas(*out);
    atomic_fetch_add(&(*out)->pins, 1);
    return 0;
}

/* Caller holds the lock. */
static void use(kgc_kind *kind)
{
    struct kgc__rooted *r = &kgc__rooted;
    unsigned char *bytes = atomic_load(&kind->blocks);
    if (bytes != NULL && atomic_load(&r->units) == 0) {
        r->base = (uintptr_t)kind->space.range.base;
        r->bytes = bytes;
        for (size_t i = 0; i < KGC__CLASS_TABLE; i++)
            r->class_of[i] = (unsigned char)kgc__class_of(i * 16);
        kgc__direct_kind = kind;
        atomic_store_explicit(&r->units, kind->space.range.size >> KGC__BLOCK_SHIFT, memory_order_release);
    }
    size_t end = kind == kgc__direct_kind ? KGC__FAST_MAX - r->extra + 1 : 0;
    atomic_store(&r->plain_end, sees_all ? 0 : end);
    atomic_store(&r->seen_end, sees_all ? end : 0);
    atomic_store_explicit(&current, kind, memory_order_release);
}

static void changed(void)
{
    kgc__lock_acquire(&lock);
    atomic_store(&kgc__rooted.plain_end, 0);
    atomic_store(&kgc__rooted.seen_end, 0);
    atomic_store(&current, NULL);
    kgc__lock_release(&lock);
}

kgc_kind *kgc__rooted_kind(void)
{
    kgc_kind *kind = atomic_load_explicit(&current, memory_order_acquire);
    if (kgc__likely(kind != NULL))
        return kind;
    int error = 0;
    kgc__lock_acquire(&lock);
    kind = atomic_load(&current);
    if (kind == NULL && (error = find_or_open(wanted(), &kind)) == 0) {
        /* libgc need not be started: should it collect, it will ask. */
        kgc__roots_attach();
        atomic_store(&kgc__section_heap_changed, changed);
        use(kind);
    }
    kgc__lock_release(&lock);
    if (error == 0)
        return kind;
    errno = error;
    return NULL;
}

int kgc__rooted_start(void)
{
    return kgc__rooted_kind() != NULL ? 0 : errno;
}

void kgc__rooted_go_long(void)
{
    kgc__lock_acquire(&lock);
    sees_all = true;
    atomic_store(&kgc__rooted.plain_end, 0);
    atomic_store(&kgc__rooted.seen_end, 0);
    kgc__lock_release(&lock);
}

void kgc__rooted_after_fork_in_child(void)
{
    kgc__lock_reset(&lock);
}
