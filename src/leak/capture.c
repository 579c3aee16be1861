/* SPDX-License-Identifier: MIT */
/*
 * Captures stacks: see capture.h, and doc/leaks.md for why this way.
 *
 * A frame's state is where it is executing (the return address of the frame
 * below), its stack pointer and its frame pointer.  A state and a few words
 * of the stack give the state of its caller.  Each thread remembers the
 * frames of its last capture, the outermost first, and where those words lay.
 * A new walk goes outward until it comes to a state that is remembered; from
 * there on it compares words instead.  Where one differs it walks again.
 *
 * A stack's hash is a polynomial in its sites.  Each remembered frame has the
 * sum from the outermost to itself, so the hash of any run of frames is a
 * difference.
 */
#include "leak/capture.h"
#include "base/check.h"
#include "leak/depot.h"
#include "leak/sites.h"
#include "os/meta.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

enum {
    SITE_BITS = 10,
    SITE_CACHE = 1 << SITE_BITS,
    STACK_CACHE = 512,
    WHOLE_BITS = 7,
    WHOLE_CACHE = 1 << WHOLE_BITS,
    WHOLE_WORDS = 64,
    WORDS = 1 << 13
};
static const uint64_t factor = 0x9e3779b97f4a7c15;

/* Where a frame's state was read: the words that must be as they were. */
struct frame {
    uintptr_t pc, sp, fp;   /* its state */
    const uintptr_t *pc_at; /* where pc was read; NULL: more was read than two words */
    const uintptr_t *fp_at; /* where fp was read, if it was and if it matters */
    uint64_t sum;
    uint32_t site;  /* its number; 0: there is none */
    uint32_t stack; /* the number of the stack from here on; 0: not known */
    bool uses_fp, fp_matters;
};

/* What is needed of a site, at hand. */
struct known {
    uintptr_t pc;
    uint64_t mix;
    int32_t cfa_offset, fp_offset; /* fp_offset 0: it was not saved */
    uint32_t site;
    enum { BY_SP, BY_FP, BY_RULE, LAST } how : 8;
    bool own;
};

/* What a word must be as it was. */
struct word {
    const uintptr_t *at;
    uintptr_t was;
};

/* A whole stack outside of its two innermost frames: which words must be as
   they were for it to be the same again. */
struct whole {
    uint64_t key; /* of the two frames; 0: nothing is here */
    uintptr_t pc, sp, fp;
    bool fp_matters;
    uint32_t stack, count;
    uint64_t begin; /* of the words, counted since the first that was ever noted */
};

struct memory {
    struct memory *next;  /* of the spare ones */
    struct memory *older; /* of all */
    uint32_t epoch;       /* of the sites */
    bool whole;           /* the outermost remembered frame is the outermost there is */
    int count;            /* of remembered frames */
    struct frame *frames, *fresh;
    struct known sites[SITE_CACHE];
    struct {
        uint64_t hash;
        uint32_t stack;
    } stacks[STACK_CACHE];
    struct whole wholes[WHOLE_CACHE];
    uint64_t noted; /* words; the last ones are there, one after the other: few pages are touched */
    struct word words[WORDS];
};

static unsigned limit = KGC__FRAMES_DEFAULT;
static uint64_t limit_power; /* factor to the limit */
static _Atomic size_t refusals;

static __thread struct memory *own __attribute__((tls_model("initial-exec")));
static __thread bool busy __attribute__((tls_model("initial-exec")));
static __thread bool ended __attribute__((tls_model("initial-exec")));

static _Atomic(struct memory *) newest;
static struct memory *spare;
static atomic_flag spare_taken = ATOMIC_FLAG_INIT;
static pthread_key_t end_key;
static bool key_made;

static int capacity(void)
{
    return (int)limit * 4;
}
/* Frames walked at most: what is beyond the limit helps the next captures. */
static int walk_most(void)
{
    return (int)limit * 2;
}

static size_t memory_size(void)
{
    return sizeof(struct memory) + (size_t)(capacity() + walk_most() + 1) * sizeof(struct frame);
}

void kgc__capture_visit_memory(void (*fn)(char *lo, char *hi, void *), void *arg)
{
    for (struct memory *m = atomic_load(&newest); m != NULL; m = m->older)
        fn((char *)m, (char *)m + memory_size(), arg);
}

static struct memory *take_memory(void)
{
    struct memory *m = NULL;
    if (!atomic_flag_test_and_set_explicit(&spare_taken, memory_order_acquire)) {
        m = spare;
        if (m != NULL)
            spare = m->next;
        atomic_flag_clear_explicit(&spare_taken, memory_order_release);
    }
    if (m != NULL) {
        m->count = 0;
        return m;
    }
    m = kgc__meta_allocate(memory_size());
    if (m != NULL) {
        m->frames = (void *)(m + 1);
        m->fresh = m->frames + capacity();
        m->older = atomic_load(&newest);
        while (!atomic_compare_exchange_weak(&newest, &m->older, m))
            ;
    }
    return m;
}

/* While another thread is at the list, the memory is lost: rarely, and little. */
static void give_memory(struct memory *m)
{
    for (unsigned tries = 0; atomic_flag_test_and_set_explicit(&spare_taken, memory_order_acquire); tries++)
        if (tries == 1000)
            return;
    m->next = spare;
    spare = m;
    atomic_flag_clear_explicit(&spare_taken, memory_order_release);
}

static void at_thread_end(void *value)
{
    struct memory *m = value;
    ended = true;
    own = NULL;
    give_memory(m);
}

static struct memory *my_memory(void)
{
    struct memory *m = take_memory();
    if (m == NULL || ended || !key_made)
        return m;
    own = m;
    pthread_setspecific(end_key, m); /* may allocate: `busy` is set */
    return m;
}

void kgc__capture_start(unsigned frames)
{
    limit = frames;
    limit_power = 1;
    for (unsigned i = 0; i < limit; i++)
        limit_power *= factor;
    key_made = key_made || pthread_key_create(&end_key, at_thread_end) == 0;
}

void kgc__capture_after_fork_in_child(void)
{
    atomic_flag_clear(&spare_taken);
    spare = NULL; /* another thread may have been changing the list */
}

/* Words of any frame of the stack, also those between a function's variables
   that AddressSanitizer guards. */
#if defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
__attribute__((noinline, no_sanitize("address")))
#endif
static uintptr_t
word_at(const void *p)
{
    return *(const uintptr_t *)p;
}

static inline uintptr_t code_address(uintptr_t word)
{
#ifdef __aarch64__
    word &= ((uintptr_t)1 << 48) - 1; /* signed return addresses */
#endif
    return word;
}

/* Most frames of compiled code on x86-64: the return address just below the CFA. */
static bool is_simple(const struct kgc__rule *r)
{
    return !r->signal && !r->indirect && (r->cfa_base == KGC__BASE_SP || r->cfa_base == KGC__BASE_FP) &&
           r->return_base == KGC__BASE_CFA && r->return_offset == -(int)sizeof(uintptr_t) &&
           (r->fp_base == KGC__BASE_NONE || (r->fp_base == KGC__BASE_CFA && r->fp_offset != 0));
}

static __attribute__((noinline)) void know(struct known *k, uintptr_t pc)
{
    const struct kgc__site *site = kgc__site_find(pc);
    *k = (struct known){.how = LAST};
    if (site == NULL)
        return;
    const struct kgc__rule *r = &site->rule;
    k->pc = pc;
    k->mix = site->mix;
    k->site = site->number;
    k->own = site->own;
    k->cfa_offset = r->cfa_offset;
    if (site->last)
        return;
    k->how = !is_simple(r) ? BY_RULE : r->cfa_base == KGC__BASE_SP ? BY_SP : BY_FP;
    k->fp_offset = r->fp_base == KGC__BASE_NONE ? 0 : r->fp_offset;
}

static inline const struct known *site_of(struct memory *m, uintptr_t pc)
{
    struct known *k = &m->sites[(pc * factor) >> (64 - SITE_BITS)];
    if (kgc__unlikely(k->pc != pc))
        know(k, pc);
    return k;
}

static inline const uintptr_t *place(unsigned base, int32_t offset, const struct frame *f, uintptr_t cfa)
{
    uintptr_t from = base == KGC__BASE_CFA ? cfa : base == KGC__BASE_SP ? f->sp : f->fp;
    return (const uintptr_t *)(from + (uintptr_t)(intptr_t)offset);
}

/* The state of f's caller by any rule. */
static __attribute__((noinline)) bool step_by_rule(struct frame *f, struct frame *to)
{
    const struct kgc__rule *r = &kgc__site_by_number(f->site)->rule;
    bool jumps = r->signal || r->indirect; /* perhaps to another stack */
    uintptr_t cfa = (r->cfa_base == KGC__BASE_SP ? f->sp : f->fp) + (uintptr_t)(intptr_t)r->cfa_offset;
    f->uses_fp = r->cfa_base == KGC__BASE_FP || r->fp_base == KGC__BASE_FP || r->return_base == KGC__BASE_FP;
    if (r->return_base == KGC__BASE_NONE || cfa % sizeof cfa != 0 || (cfa <= f->sp && !jumps))
        return false;
    if (r->indirect)
        cfa = word_at((const void *)cfa) + (uintptr_t)(intptr_t)r->plus;
    if (cfa % sizeof cfa != 0 || (cfa <= f->sp && !r->signal))
        return false;
    const uintptr_t *pc_at = place(r->return_base, r->return_offset, f, cfa);
    to->pc = code_address(word_at(pc_at)) + r->signal;
    to->pc_at = jumps || r->fp_base == KGC__BASE_UNKNOWN ? NULL : pc_at;
    to->sp = cfa;
    to->fp = r->fp_base == KGC__BASE_UNKNOWN ? 0 : f->fp;
    to->fp_at = NULL;
    if (r->fp_base != KGC__BASE_UNKNOWN && r->fp_base != KGC__BASE_NONE) {
        to->fp_at = place(r->fp_base, r->fp_offset, f, cfa);
        to->fp = word_at(to->fp_at);
    }
    return to->pc > 4096;
}

/* The state of f's caller, and what f's site says of f.  False: f is the outermost. */
static inline bool step(struct memory *m, struct frame *f, struct frame *to)
{
    const struct known *k = site_of(m, f->pc);
    uintptr_t cfa;
    f->sum = k->mix; /* for now */
    f->site = k->site;
    f->stack = 0;
    f->uses_fp = false;
    if (kgc__likely(k->how == BY_SP)) {
        cfa = f->sp + (uintptr_t)(intptr_t)k->cfa_offset;
    } else if (k->how == BY_FP) {
        f->uses_fp = true;
        cfa = f->fp + (uintptr_t)(intptr_t)k->cfa_offset;
    } else {
        return k->how != LAST && step_by_rule(f, to);
    }
    if (kgc__unlikely(cfa <= f->sp || cfa % sizeof cfa != 0))
        return false;
    to->pc_at = (const uintptr_t *)cfa - 1;
    to->pc = code_address(word_at(to->pc_at));
    to->sp = cfa;
    to->fp = f->fp;
    to->fp_at = NULL;
    if (k->fp_offset != 0) {
        to->fp_at = (const uintptr_t *)(cfa + (uintptr_t)(intptr_t)k->fp_offset);
        to->fp = word_at(to->fp_at);
    }
    return to->pc > 4096;
}

/* Would the frame inside of f still lead to it? */
static inline bool is_unchanged(const struct frame *f)
{
    return f->pc_at != NULL && code_address(word_at(f->pc_at)) == f->pc &&
           (f->fp_at == NULL || word_at(f->fp_at) == f->fp);
}

/* Puts the fresh frames, the innermost first, in the place of all that are
   remembered inside of the first `kept`. */
static void remember(struct memory *m, int kept, int fresh)
{
    if (kgc__unlikely(kept + fresh > capacity())) {
        int drop = kept + fresh - (int)limit * 2;
        drop = drop < kept ? drop : kept;
        kept -= drop;
        memmove(m->frames, m->frames + drop, (size_t)kept * sizeof *m->frames);
        m->whole = false;
    }
    struct frame *f = m->frames + kept;
    const struct frame *from = m->fresh + fresh;
    uint64_t sum = kept > 0 ? f[-1].sum : 0;
    bool matters = kept > 0 && f[-1].fp_matters, inherited = kept > 0 && f[-1].fp_at == NULL;
    while (from-- != m->fresh) {
        *f = *from;
        f->sum = sum = sum * factor + f->sum;
        f->fp_matters = matters = f->uses_fp || (inherited && matters);
        inherited = f->fp_at == NULL;
        if (!matters)
            f->fp_at = NULL;
        f++;
    }
    m->count = (int)(f - m->frames);
}

/* Brings what is remembered up to date; *first is the innermost frame's state. */
static void walk(struct memory *m, const struct frame *first)
{
    const int needed = (int)limit, most = walk_most();
    const struct frame *const frames = m->frames, *at = frames + m->count - 1;
    struct frame *to = m->fresh;
    int fresh = 0;
    *to = *first;
    for (;;) {
        while (at >= frames && at->sp < to->sp)
            at--;
        if (at >= frames && at->sp == to->sp && at->pc == to->pc && (!at->fp_matters || at->fp == to->fp)) {
            const struct frame *outer = at, *enough = at - (needed - fresh);
            enough = enough > frames ? enough : frames;
            while (outer > enough && is_unchanged(outer - 1))
                outer--;
            if (outer <= enough && (enough > frames || m->whole || at - frames >= needed - fresh)) {
                remember(m, (int)(at - frames) + 1, fresh);
                return;
            }
            for (; at > outer; at--) {
                m->fresh[fresh] = *at;
                m->fresh[fresh].sum = kgc__site_mix(at->site);
                m->fresh[fresh++].stack = 0;
            }
            to = &m->fresh[fresh];
            *to = *outer;
            at = outer - 1;
        }
        bool more = step(m, to, to + 1);
        fresh++;
        if (!more || fresh >= most) {
            m->whole = !more;
            remember(m, 0, fresh);
            return;
        }
        to++;
    }
}

static uint32_t stack_of(struct memory *m, uint64_t hash, const struct frame *innermost, int count)
{
    unsigned i = (unsigned)(hash >> 40) % STACK_CACHE;
    if (m->stacks[i].hash == hash)
        return m->stacks[i].stack;
    uint32_t stack = kgc__depot_find(hash);
    if (stack == 0) {
        uint32_t sites[KGC__FRAMES_MOST];
        for (int k = 0; k < count; k++)
            sites[k] = innermost[-k].site;
        stack = kgc__depot_put(hash, sites, (unsigned)count);
    }
    if (stack != 0) {
        m->stacks[i].hash = hash;
        m->stacks[i].stack = stack;
    }
    return stack;
}

static uint32_t number_of(struct memory *m)
{
    struct frame *f = &m->frames[m->count - 1];
    if (f->stack != 0)
        return f->stack;
    int count = m->count;
    uint64_t hash = f->sum;
    if (count > (int)limit) {
        hash -= f[-(int)limit].sum * limit_power;
        count = (int)limit;
    }
    f->stack = stack_of(m, hash, f, count);
    return f->stack;
}

/* Steps that need no note: a frame by a simple rule. */
static inline bool step_lightly(const struct known *k, uintptr_t *pc, uintptr_t *sp, uintptr_t *fp)
{
    uintptr_t cfa = (k->how == BY_SP ? *sp : *fp) + (uintptr_t)(intptr_t)k->cfa_offset;
    if (kgc__unlikely(k->how > BY_FP || cfa <= *sp || cfa % sizeof cfa != 0))
        return false;
    *pc = code_address(word_at((const uintptr_t *)cfa - 1));
    *sp = cfa;
    if (k->fp_offset != 0)
        *fp = word_at((const void *)(cfa + (uintptr_t)(intptr_t)k->fp_offset));
    return *pc > 4096;
}

static inline bool is_same_whole(const struct memory *m, const struct whole *w, uint64_t key,
                                 const struct frame *state)
{
    if (w->key != key || w->sp != state->sp || w->pc != state->pc || (w->fp_matters && w->fp != state->fp) ||
        m->noted - w->begin > WORDS - 2 * WHOLE_WORDS) /* else they may have been overwritten */
        return false;
    const struct word *words = &m->words[w->begin % WORDS];
    for (uint32_t i = 0; i < w->count; i++)
        if (word_at(words[i].at) != words[i].was)
            return false;
    return true;
}

/* Notes the stack that is remembered. */
static void note_whole(struct memory *m, struct whole *w, uint64_t key, const struct frame *state,
                       uint32_t stack)
{
    const struct frame *f = &m->frames[m->count - 3], *end = &m->frames[m->count - (int)limit];
    uint64_t left = WORDS - m->noted % WORDS, begin = m->noted + (left < WHOLE_WORDS ? left : 0);
    struct word *words = &m->words[begin % WORDS];
    uint32_t n = 0;
    w->key = 0;
    if (m->count < 4 || f->sp != state->sp || f->pc != state->pc)
        return;
    end = end > m->frames ? end : m->frames;
    w->pc = f->pc;
    w->sp = f->sp;
    w->fp = f->fp;
    w->fp_matters = f->fp_matters;
    w->stack = stack;
    while (--f >= end) {
        if (f->pc_at == NULL || n > WHOLE_WORDS - 2)
            return;
        words[n++] = (struct word){f->pc_at, word_at(f->pc_at)};
        if (f->fp_at != NULL)
            words[n++] = (struct word){f->fp_at, f->fp};
    }
    w->begin = begin;
    m->noted = begin + n;
    w->count = n;
    w->key = key;
}

static __attribute__((noinline)) bool step_by_any(struct memory *m, uintptr_t *pc, uintptr_t *sp,
                                                  uintptr_t *fp)
{
    struct frame from = {.pc = *pc, .sp = *sp, .fp = *fp}, to;
    if (!step(m, &from, &to))
        return false;
    *pc = to.pc;
    *sp = to.sp;
    *fp = to.fp;
    return true;
}

static uint32_t capture_from(struct memory *m, uintptr_t pc, uintptr_t sp, uintptr_t fp)
{
    const struct known *k;
    while ((k = site_of(m, pc))->own)
        if (!step_lightly(k, &pc, &sp, &fp) && !step_by_any(m, &pc, &sp, &fp))
            break;
    struct frame first = {.pc = pc, .sp = sp, .fp = fp}, third;
    struct whole *whole = NULL;
    uint64_t key = pc;
    if (step_lightly(k, &pc, &sp, &fp)) {
        key = key * factor + pc;
        if (step_lightly(site_of(m, pc), &pc, &sp, &fp)) {
            third = (struct frame){.pc = pc, .sp = sp, .fp = fp};
            key = (key * factor + pc + sp) * factor | 1;
            whole = &m->wholes[key >> (64 - WHOLE_BITS)];
            if (kgc__likely(is_same_whole(m, whole, key, &third)))
                return whole->stack;
        }
    }
    walk(m, &first);
    uint32_t stack = number_of(m);
    if (whole != NULL)
        note_whole(m, whole, key, &third, stack);
    return stack;
}

static void forget(struct memory *m, uint32_t epoch)
{
    m->epoch = epoch;
    m->count = 0;
    memset(m->sites, 0, sizeof m->sites);
    memset(m->stacks, 0, sizeof m->stacks);
    for (unsigned i = 0; i < WHOLE_CACHE; i++)
        m->wholes[i].key = 0;
}

/* The frame address makes the compiler keep a frame pointer, which the walk starts from. */
__attribute__((noinline)) uint32_t kgc__capture(void)
{
    if (kgc__unlikely(busy)) {
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
        return 0;
    }
    busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    uint32_t stack = 0;
    struct memory *m = kgc__likely(own != NULL) ? own : my_memory();
    if (kgc__likely(m != NULL)) {
        uint32_t epoch = atomic_load_explicit(&kgc__sites_epoch, memory_order_acquire);
        if (kgc__unlikely(m->epoch != epoch))
            forget(m, epoch);
        const uintptr_t *frame = __builtin_frame_address(0);
#ifdef __x86_64__
        uintptr_t pc = word_at(frame + 1), sp = (uintptr_t)(frame + 2), fp = word_at(frame);
#else
        uintptr_t pc, sp, fp = (uintptr_t)frame;
        __asm__ volatile("adr %0, .\n\tmov %1, sp" : "=r"(pc), "=r"(sp));
        pc++;
        step_by_any(m, &pc, &sp, &fp);
#endif
        stack = capture_from(m, pc, sp, fp);
        if (kgc__unlikely(m != own))
            give_memory(m);
    }
    if (kgc__unlikely(stack == 0))
        atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    busy = false;
    return stack;
}

void kgc__capture_stats(struct kgc__capture_stats *out)
{
    out->refusals = atomic_load(&refusals);
}
