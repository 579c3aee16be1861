/* SPDX-License-Identifier: MIT */
/*
 * Reclaiming leaked memory: see reclaim.h, and doc/leaks.md for the pace.
 *
 * Second look: what one cycle has found is a suspect, and what the next one
 * finds again is freed.  It is there for pointers that are out of sight for a
 * moment: in a pipe, in another process, in a form that is not an address.
 * A suspect is its address and a sum of its contents.  Should a hidden pointer
 * have freed it meanwhile and malloc() have handed it out again, the sum tells
 * most such blocks, and the others were found unreachable once: what is enough
 * without a second look.
 */
#include "leak/reclaim.h"
#include "arena/blocks.h"
#include "arena/explicit.h"
#include "base/check.h"
#include "base/message.h"
#include "base/options.h"
#include "leak/find.h"
#include "leak/hidden.h"
#include "leak/stop.h"
#include "os/os.h"
#include "rooted/kind.h"
#include "rooted/rooted.h"
#include <errno.h>
#include <kindgc/malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * The pace.  A cycle when what is in use is twice what the last one left, and
 * at least LEAST more; not before SHARE times the processor time that marking
 * took has passed.  What is leaked costs more, but only as much for each block
 * as freeing it would have.  What is
 * not due yet is asked again after STEP more bytes.
 */
#define LEAST (32 * KGC_MIB)
#define STEP  (1 * KGC_MIB)
enum { SHARE = 20, WARN_AFTER = 2 };
#define SECOND    UINT64_C(1000000000)
#define MOST_WAIT (64 * SECOND)

/* Numbers in the order in which they came: chunks of them, in memory that is
   no root. */
enum { CHUNK = 32 * 1024 };

struct chunk {
    struct chunk *next;
    size_t count;
    uint64_t number[CHUNK];
};

struct list {
    struct chunk *first, *last;
};

static struct {
    atomic_flag busy;
    _Atomic size_t next;       /* bytes in use at which a cycle may be due */
    uint64_t earliest, waited; /* ns; `waited` after cycles that were not complete */
    struct list suspects;      /* entries, ascending for each range: see entry_of() */
    bool second_look;
    unsigned failures; /* in a row */
    bool warned;
    struct kgc__reclaim_stats stats;
} state = {.busy = ATOMIC_FLAG_INIT, .next = LEAST};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool append(struct list *l, uint64_t number)
{
    if (l->last == NULL || l->last->count == CHUNK) {
        struct chunk *c = kgc__hidden_take(sizeof *c);
        if (c == NULL)
            return false;
        if (l->last != NULL)
            l->last->next = c;
        else
            l->first = c;
        l->last = c;
    }
    l->last->number[l->last->count++] = number;
    return true;
}

static void forget(struct list *l)
{
    for (struct chunk *next, *c = l->first; c != NULL; c = next) {
        next = c->next;
        kgc__hidden_give_back(c, sizeof *c);
    }
    *l = (struct list){NULL, NULL};
}

/* Goes through a list. */
struct cursor {
    const struct chunk *chunk;
    size_t at;
};

/* 0: at the end. */
static uint64_t here(struct cursor *c)
{
    while (c->chunk != NULL && c->at == c->chunk->count) {
        c->chunk = c->chunk->next;
        c->at = 0;
    }
    return c->chunk != NULL ? c->chunk->number[c->at] : 0;
}

/* ---- suspects ---- */

enum { SUM_BITS = 20 };

/* An address, without its four lower bits, and a sum of the contents.  Blocks
   of pages may have been made unreadable by the program. */
static uint64_t entry_of(const void *p, size_t size)
{
    uint64_t sum = size;
    if (size < 4096)
        for (const uint64_t *w = p, *end = w + size / sizeof *w; w < end; w++)
            sum = (sum ^ *w) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)(uintptr_t)p >> KGC__BLOCK_SHIFT << SUM_BITS | sum >> (64 - SUM_BITS);
}

/* Moves on to where an entry would be among the old ones: is it there?  They
   ascend as long as one range is told, and so do the entries that are asked
   for; `last` is the one before. */
static bool is_suspect(struct cursor *old, uint64_t entry, uint64_t last)
{
    uint64_t e = here(old);
    if (entry < last) /* another range begins: so it does there */
        for (uint64_t before = e; e != 0 && e >= before; e = here(old)) {
            before = e;
            old->at++;
        }
    for (; e != 0 && e >> SUM_BITS < entry >> SUM_BITS; e = here(old)) {
        uint64_t before = e;
        old->at++;
        if (here(old) < before)
            return false; /* here too: wait for it */
    }
    return e == entry;
}

/* ---- a cycle ---- */

struct cycle {
    struct kgc__found out;
    struct list hits; /* unreachable blocks: address, size, address, size, ... */
    bool failed;      /* no memory */
    size_t suspects, suspect_bytes;
};

/* The world stands still: as little as possible. */
static void take(const struct kgc__leaked *l, void *arg)
{
    struct cycle *c = arg;
    c->failed = c->failed || !append(&c->hits, (uintptr_t)l->start) || !append(&c->hits, l->size);
}

/* What is still the same block: a hidden pointer may have led there after all. */
static void free_block(void *p, size_t size)
{
    unsigned byte = kgc__block_byte(p);
    if (byte == 0 || (byte & KGC__BLOCK_PINNED) != 0)
        return;
    state.stats.blocks++;
    state.stats.bytes += size;
    kgc_free(p);
}

/* Frees what was suspected before; the rest is suspected now. */
static int look_twice(struct cycle *c)
{
    struct list fresh = {NULL, NULL};
    struct cursor hit = {c->hits.first, 0}, old = {state.suspects.first, 0};
    uint64_t last = 0;
    for (uint64_t address; (address = here(&hit)) != 0; hit.at += 2) {
        void *p = (void *)(uintptr_t)address;
        size_t size = hit.chunk->number[hit.at + 1];
        uint64_t entry = entry_of(p, size);
        if (is_suspect(&old, entry, last)) {
            free_block(p, size);
        } else if (append(&fresh, entry)) {
            c->suspects++;
            c->suspect_bytes += size;
        }
        last = entry;
    }
    forget(&state.suspects);
    state.suspects = fresh;
    return 0;
}

static int use_hits(struct cycle *c)
{
    if (c->failed)
        return ENOMEM;
    if (state.second_look)
        return look_twice(c);
    struct cursor hit = {c->hits.first, 0};
    for (uint64_t address; (address = here(&hit)) != 0; hit.at += 2)
        free_block((void *)(uintptr_t)address, hit.chunk->number[hit.at + 1]);
    return 0;
}

/* Bytes of blocks that are in use or in threads' caches. */
static size_t in_use(void)
{
    kgc_kind *kind = kgc__rooted_kind();
    struct kgc__explicit *x = kind != NULL ? atomic_load(&kind->explicit) : NULL;
    return x != NULL ? atomic_load_explicit(&x->held, memory_order_relaxed) : 0;
}

static void note_failure(const char *reason, int error)
{
    struct kgc__reclaim_stats *s = &state.stats;
    s->unproven++;
    snprintf(s->reason, sizeof s->reason, "%s", reason[0] != '\0' ? reason : strerrordesc_np(error));
    if (++state.failures >= WARN_AFTER && s->cycles == 0 && !state.warned) {
        state.warned = true;
        kgc__warn("malloc=collect: nothing is reclaimed: %s", s->reason);
    }
    state.waited = state.waited == 0 ? SECOND / 4 : state.waited < MOST_WAIT ? 2 * state.waited : MOST_WAIT;
}

static void set_pace(const struct kgc__found *out, size_t suspect_bytes)
{
    size_t used = in_use();
    size_t base = used > suspect_bytes ? used - suspect_bytes : 0;
    uint64_t pause = (uint64_t)(out->pause * 1e9), cost = (uint64_t)(out->marking * 1e9);
    state.earliest = clock_ns(CLOCK_MONOTONIC) + (cost * SHARE > state.waited ? cost * SHARE : state.waited);
    atomic_store(&state.next, used + (base > LEAST ? base : LEAST));
    state.stats.total_ns += pause;
    if (pause > state.stats.longest_ns)
        state.stats.longest_ns = pause;
}

/* Caller holds the flag. */
static int run_cycle(void)
{
    struct cycle c = {.failed = false};
    int error = kgc__leaks_find(false, take, &c, &c.out);
    if (error == 0)
        error = c.out.doubt[0] != '\0' ? EAGAIN : use_hits(&c);
    if (error == 0) {
        struct kgc__reclaim_stats *s = &state.stats;
        state.failures = 0;
        state.waited = 0;
        s->cycles++;
        s->suspects = c.suspects;
        s->suspect_bytes = c.suspect_bytes;
        s->live_blocks = c.out.live_blocks;
        s->live_bytes = c.out.live_bytes;
    } else if (error != EBUSY) {
        note_failure(c.out.reason[0] != '\0' ? c.out.reason : c.out.doubt, error);
    }
    forget(&c.hits);
    set_pace(&c.out, error == 0 ? c.suspect_bytes : 0);
    return error;
}

int kgc__reclaim(void)
{
    if (atomic_flag_test_and_set(&state.busy))
        return EBUSY;
    int saved = errno, error = run_cycle();
    atomic_flag_clear(&state.busy);
    errno = saved;
    return error;
}

/* malloc() has taken memory. */
static void took(void)
{
    size_t used = in_use();
    if (kgc__likely(used < atomic_load_explicit(&state.next, memory_order_relaxed)))
        return;
    if (!kgc__stop_allowed() || atomic_flag_test_and_set(&state.busy))
        return;
    int saved = errno;
    if (used < atomic_load(&state.next)) {
        /* another thread has just done it */
    } else if (clock_ns(CLOCK_MONOTONIC) < state.earliest) {
        atomic_store(&state.next, used + STEP);
    } else {
        run_cycle();
    }
    atomic_flag_clear(&state.busy);
    errno = saved;
}

void kgc__reclaim_start(void)
{
    const struct kgc__rooted_tail tail = {.extra = 1}; /* so that a pointer to a block's end points into it */
    kgc__caches_alone = true;
    kgc__rooted_set_tail(&tail);
    state.second_look = strcmp(kgc__settings.second_look, "off") != 0;
    state.stats.started = true;
    kgc__rooted_took = took;
}

void kgc__reclaim_stats(struct kgc__reclaim_stats *out)
{
    *out = state.stats;
}

/* Suspects are as they were: the child has the same blocks. */
void kgc__reclaim_after_fork_in_child(void)
{
    atomic_flag_clear(&state.busy);
}
