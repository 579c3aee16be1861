/* SPDX-License-Identifier: MIT */
/*
 * Sequences of operations on the rooted heap, against a model kept outside of
 * it: where every live block lies, what was written to it, what it may not
 * overlap, and what each function promises about errno, alignment and misuse.
 * What finds leaks sees the same blocks (arena/blocks.h).
 *
 * Each operation is a byte, with more bytes for what it needs.  Way 1 has a
 * byte with every block that is not the program's, way 2 a word (rooted.h).
 */
#include "arena/blocks.h"
#include "fuzz.h"
#include "rooted/rooted.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <kindgc/arena.h>
#include <kindgc/heap.h>
#include <kindgc/init.h>
#include <kindgc/malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

const char fuzz_target[] = "malloc";

enum { SLOTS = 64, FORMER = 16, LIVE_BYTES = 32 << 20, DENSE = 4096, PROBE = 65536, CHILD = 64 };

/* A live block. */
struct slot {
    unsigned char *p; /* NULL: the slot is empty */
    size_t asked, usable;
    size_t written; /* asked or usable: holds the pattern */
    unsigned char seed;
    bool pinned;
    uintptr_t
        child; /* inverted address of a collectable object that only the block's first word names; 0: none */
};

static struct {
    struct slot slot[SLOTS];
    size_t bytes;         /* usable, of all */
    void *former[FORMER]; /* freed, the latest ones */
    unsigned next_former;
    unsigned collections, purges, threads, changes; /* the dear ones, in this input */
    unsigned char seed;
} model;

/* ---- contents ---- */

static unsigned char pattern(unsigned char seed, size_t i)
{
    return (unsigned char)(seed + i * 7 + (i >> 12));
}

/* Where the next byte after i is that carries the pattern: all of a small
   block, both ends and some bytes between of a large one. */
static size_t next_written(size_t i, size_t written)
{
    i++;
    if (i < DENSE || i + DENSE >= written || i % PROBE < 16)
        return i;
    size_t probe = (i / PROBE + 1) * PROBE;
    return probe < written - DENSE ? probe : written - DENSE;
}

static size_t first_written(const struct slot *s)
{
    return s->child != 0 ? sizeof(void *) : 0;
}

static void write_pattern(struct slot *s, size_t written)
{
    s->written = written;
    s->seed = ++model.seed;
    for (size_t i = first_written(s); i < written; i = next_written(i, written))
        s->p[i] = pattern(s->seed, i);
}

/* s->p, or where the block was moved to. */
static void check_pattern(const struct slot *s, const unsigned char *p, size_t kept)
{
    for (size_t i = first_written(s); i < s->written && i < kept; i = next_written(i, s->written))
        if (p[i] != pattern(s->seed, i))
            fuzz_fail("byte %zu of %zu at %p is %#x, not %#x", i, s->asked, (const void *)p, p[i],
                      pattern(s->seed, i));
}

static bool all_zero(const unsigned char *p, size_t size)
{
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

/* ---- objects that blocks keep alive ---- */

/* Not inlined: their addresses stay in no register or stack slot of the callers. */
static __attribute__((noinline)) uintptr_t new_child(unsigned char seed)
{
    unsigned char *child = kgc_allocate_atomic(CHILD);
    fuzz_check(child != NULL);
    memset(child, seed, CHILD);
    return ~(uintptr_t)child;
}

static __attribute__((noinline)) void check_child(const struct slot *s)
{
    const unsigned char *child = (const unsigned char *)~s->child;
    fuzz_check(memcmp(s->p, &child, sizeof child) == 0);
    for (int i = 0; i < CHILD; i++)
        fuzz_check(child[i] == 0xc5);
}

/* Whatever was collected wrongly is used again, with other contents. */
static __attribute__((noinline)) void use_free_objects(void)
{
    for (int i = 0; i < 200; i++)
        (void)new_child(0x3a);
}

/* ---- what comes with every block ---- */

const unsigned fuzz_ways = 3;
static size_t extra;
static unsigned long births;

static uint64_t tail_for(const void *p, size_t asked)
{
    return (uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15) ^ asked;
}

static void note_birth(void *block, size_t asked, uint64_t *tail)
{
    *tail = tail_for(block, asked);
    births++;
}

void fuzz_prepare(unsigned way)
{
    static const struct kgc__rooted_tail tails[] = {{1, NULL}, {sizeof(uint64_t), note_birth}};
    if (way == 0)
        return;
    extra = tails[way - 1].extra;
    kgc__rooted_set_tail(&tails[way - 1]);
}

static void check_tail(const struct slot *s)
{
    if (extra == sizeof(uint64_t))
        fuzz_check(*kgc__tail_of((char *)s->p, s->usable + extra) == tail_for(s->p, s->asked));
}

/* ---- as what finds leaks sees it ---- */

static void check_found(const struct slot *s, size_t offset)
{
    struct kgc__block found;
    if (!kgc__block_find(s->p + offset, &found))
        fuzz_fail("nothing at %zu in the block of %zu at %p", offset, s->usable, (void *)s->p);
    if (found.start != (char *)s->p || found.size != s->usable + extra || found.pinned != s->pinned)
        fuzz_fail("%p: %zu bytes at %p, where there are %zu at %p", (void *)(s->p + offset), found.size,
                  found.start, s->usable + extra, (void *)s->p);
}

static void check_block(const struct slot *s)
{
    struct kgc__block found;
    check_found(s, 0);
    check_found(s, s->usable / 2);
    check_found(s, s->usable + extra - 1);
    if (kgc__block_find(s->p - 1, &found))
        fuzz_check(found.start + found.size <= (char *)s->p);
    if (kgc__block_find(s->p + s->usable + extra, &found))
        fuzz_check(found.start == (char *)s->p + s->usable + extra);
}

static bool visit_block(const struct kgc__block *b, void *arg)
{
    unsigned *blocks = arg;
    ++*blocks;
    for (const struct slot *s = model.slot; s < model.slot + SLOTS; s++)
        if ((char *)s->p == b->start) {
            fuzz_check(b->size == s->usable + extra && b->pinned == s->pinned);
            return true;
        }
    fuzz_fail("visited %zu bytes at %p, where no block is", b->size, b->start);
}

static void check_visit(void)
{
    unsigned visited = 0, live = 0;
    for (int i = 0; i < SLOTS; i++)
        live += model.slot[i].p != NULL;
    kgc__blocks_visit(visit_block, &visited);
    if (visited != live)
        fuzz_fail("%u blocks visited, where %u live", visited, live);
}

/* ---- the model ---- */

static void check_slot(const struct slot *s)
{
    fuzz_check(kgc_malloc_usable_size(s->p) == s->usable);
    fuzz_check(kgc__rooted_owns(s->p));
    check_tail(s);
    check_block(s);
    check_pattern(s, s->p, s->written);
    if (s->child != 0)
        check_child(s);
}

static void check_all(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (model.slot[i].p != NULL)
            check_slot(&model.slot[i]);
    check_visit();
}

/* The live block that p points to or into. */
static const struct slot *slot_around(const void *p)
{
    for (const struct slot *s = model.slot; s < model.slot + SLOTS; s++)
        if (s->p != NULL && (uintptr_t)p - (uintptr_t)s->p < s->usable)
            return s;
    return NULL;
}

/* p, which is new, becomes the block of this slot. */
static void enter(struct slot *s, void *p, size_t asked, size_t alignment)
{
    size_t usable = kgc_malloc_usable_size(p);
    fuzz_check((uintptr_t)p % 16 == 0 && (uintptr_t)p % alignment == 0);
    fuzz_check(usable >= asked);
    for (const struct slot *t = model.slot; t < model.slot + SLOTS; t++)
        if (t->p != NULL && (uintptr_t)p < (uintptr_t)t->p + t->usable &&
            (uintptr_t)t->p < (uintptr_t)p + usable)
            fuzz_fail("%zu bytes at %p overlap %zu at %p", usable, p, t->usable, (void *)t->p);
    *s = (struct slot){.p = p, .asked = asked, .usable = usable};
    model.bytes += usable;
}

static void leave(struct slot *s)
{
    struct kgc__block found;
    fuzz_check(!kgc__block_find(s->p, &found) || found.start != (char *)s->p);
    model.former[model.next_former++ % FORMER] = s->p;
    model.bytes -= s->usable;
    s->p = NULL;
    s->child = 0;
}

/* ---- misuse ---- */

static char fatal_text[256];
static unsigned fatal_calls;

static void catch_fatal(const char *text)
{
    snprintf(fatal_text, sizeof fatal_text, "%s", text);
    fatal_calls++;
}

/* The misused call reached the handler, once, with a text that begins so. */
static void check_fatal(const char *format, ...)
{
    char expected[256];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    if (fatal_calls != 1)
        fuzz_fail("%u calls of the fatal handler, not 1 with \"%s\"", fatal_calls, expected);
    if (strncmp(fatal_text, expected, strlen(expected)) != 0)
        fuzz_fail("\"%s\" where \"%s\" is right", fatal_text, expected);
    fatal_calls = 0;
}

/* Gives p, which no live block begins at, to one of the functions; its name. */
static const char *misuse(void *p, unsigned how)
{
    errno = EDOM;
    switch (how % 5) {
    case 0:
        kgc_free_sized(p, 1);
        return "kgc_free_sized";
    case 1:
        fuzz_check(kgc_realloc(p, 1 + how) == NULL);
        return "kgc_realloc";
    case 2:
        fuzz_check(!kgc_realloc_in_place(p, how));
        return "kgc_realloc_in_place";
    default:
        kgc_free(p);
        fuzz_check(errno == EDOM);
        return "kgc_free";
    }
}

static void misuse_interior(struct slot *s, unsigned how, size_t offset)
{
    if (s->p == NULL || s->usable < 2)
        return;
    unsigned char *p = s->p + 1 + offset % (s->usable - 1);
    fuzz_check(kgc_malloc_usable_size(p) == 0);
    const char *function = misuse(p, how);
    check_fatal("%s: %p points into a block, not at its start", function, (void *)p);
}

static void misuse_former(unsigned which, unsigned how)
{
    void *p = model.former[which % FORMER];
    const struct slot *s = slot_around(p);
    if (p == NULL || (s != NULL && s->p == p))
        return; /* in use again */
    fuzz_check(kgc_malloc_usable_size(p) == 0);
    const char *function = misuse(p, how);
    if (s != NULL)
        check_fatal("%s: %p points into a block, not at its start", function, p);
    else
        check_fatal("%s: %p was freed already", function, p);
}

static void misuse_foreign(unsigned which, unsigned how)
{
    static char variable[64];
    char local[64];
    void *p = variable + 16;
    void *object = NULL;
    switch (which % 6) {
    case 0:
        p = local + which % 48;
        break;
    case 1:
        p = (void *)(uintptr_t)(which << 20 | 16);
        break;
    case 2:
        p = (void *)(UINTPTR_MAX - 15);
        break;
    case 3:
        p = (void *)(uintptr_t)&misuse_foreign;
        break;
    case 4:
        object = kgc_allocate(48);
        fuzz_check(object != NULL);
        p = (char *)object + (which & 32);
        break;
    default:
        break;
    }
    fuzz_check(kgc_malloc_usable_size(p) == 0);
    const char *function = misuse(p, how);
    if (object != NULL)
        check_fatal("%s: %p is a collectable object, or points into one", function, p);
    else
        check_fatal("%s: %p does not belong to the rooted heap", function, p);
}

/* ---- operations ---- */

/* Sizes near what matters to an allocator; now and then one that cannot be. */
static size_t take_size(struct fuzz_input *in)
{
    unsigned form = fuzz_byte(in), near;
    switch (form % 8) {
    case 0:
    case 1:
    case 2:
        return fuzz_byte(in);
    case 3:
    case 4:
        return fuzz_word(in) & 0x7fff;
    case 5:
    case 6: /* a power of two up to 8 MiB, and a little less or more */
        near = fuzz_byte(in);
        return ((size_t)1 << near % 24) + (form >> 3) - 16;
    default:
        near = fuzz_byte(in);
        return (form & 8) != 0 ? (size_t)PTRDIFF_MAX + near - 128 : SIZE_MAX - near * near;
    }
}

static size_t take_alignment(struct fuzz_input *in)
{
    unsigned b = fuzz_byte(in);
    return (b & 0xc0) == 0xc0 ? b & 0x3f : (size_t)1 << b % 22;
}

static bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static struct slot *take_slot(struct fuzz_input *in)
{
    return &model.slot[fuzz_byte(in) % SLOTS];
}

/* Is there no saying whether this can be had? */
static bool too_much(size_t size)
{
    return size > LIVE_BYTES && size <= PTRDIFF_MAX;
}

/* A size that is impossible must have failed so. */
static void check_refusal(size_t size)
{
    if (size <= LIVE_BYTES)
        fuzz_fail("no %zu bytes: %s, %s", size, strerror(errno), kgc_last_error());
    fuzz_check(errno == ENOMEM);
    fuzz_check(*kgc_last_error() != '\0');
}

static void release(struct slot *s, unsigned how)
{
    if (s->p == NULL)
        return;
    check_slot(s);
    errno = ERANGE;
    if (how % 4 == 0)
        kgc_free_sized(s->p, s->asked);
    else if (how % 16 == 1)
        fuzz_check(kgc_realloc(s->p, 0) == NULL);
    else
        kgc_free(s->p);
    fuzz_check(errno == ERANGE);
    leave(s);
}

static void make_room(struct slot *s)
{
    release(s, 3);
    for (int i = 0; i < SLOTS && model.bytes > LIVE_BYTES / 2; i++)
        release(&model.slot[i], 3);
}

/* After an allocation of any sort. */
static void take_new(struct slot *s, void *p, size_t asked, size_t alignment, unsigned how)
{
    if (p == NULL) {
        check_refusal(asked);
        return;
    }
    enter(s, p, asked, alignment);
    fuzz_check(s->usable <= 2 * LIVE_BYTES); /* else it could not have been had */
    if (how % 8 == 7 && s->usable >= sizeof(void *)) {
        s->child = new_child(0xc5);
        uintptr_t child = ~s->child;
        memcpy(s->p, &child, sizeof child);
    }
    write_pattern(s, how % 2 == 0 || asked < sizeof(void *) ? s->usable : asked);
}

static void operate_malloc(struct fuzz_input *in, unsigned how)
{
    struct slot *s = take_slot(in);
    size_t size = take_size(in);
    if (too_much(size))
        return;
    make_room(s);
    errno = 0;
    take_new(s, kgc_malloc(size), size, 1, how);
}

static void operate_calloc(struct fuzz_input *in, unsigned how)
{
    struct slot *s = take_slot(in);
    size_t size = take_size(in), count = how % 4 == 0 ? take_size(in) : how >> 2, sum;
    bool overflow = __builtin_mul_overflow(count, size, &sum);
    if (!overflow && too_much(sum))
        return;
    make_room(s);
    errno = 0;
    unsigned char *p = kgc_calloc(count, size);
    fuzz_check(p == NULL || (!overflow && all_zero(p, sum)));
    take_new(s, p, overflow ? SIZE_MAX : sum, 1, how);
}

static void operate_aligned(struct fuzz_input *in, unsigned how)
{
    struct slot *s = take_slot(in);
    size_t size = take_size(in), alignment = take_alignment(in);
    if (too_much(size))
        return;
    make_room(s);
    if ((how & 16) != 0) {
        errno = 0;
        void *p = kgc_aligned_alloc(alignment, size);
        if (is_power_of_two(alignment))
            take_new(s, p, size, alignment, how);
        else
            fuzz_check(p == NULL && errno == EINVAL);
        return;
    }
    void *out = &model;
    errno = EDOM;
    int error = kgc_posix_memalign(&out, alignment, size);
    fuzz_check(errno == EDOM && (error == 0 || out == &model));
    fuzz_check((error == EINVAL) == !(is_power_of_two(alignment) && alignment >= sizeof(void *)));
    errno = error;
    if (error != EINVAL)
        take_new(s, error == 0 ? out : NULL, size, alignment, how);
}

static void operate_realloc(struct fuzz_input *in, unsigned how)
{
    struct slot *s = take_slot(in), old = *s;
    size_t size = take_size(in), count = how % 4 == 0 ? fuzz_byte(in) : 1, sum;
    bool overflow = __builtin_mul_overflow(count, size, &sum);
    if ((!overflow && too_much(sum)) || model.bytes > LIVE_BYTES)
        return;
    if (old.p != NULL)
        check_slot(s);
    errno = 0;
    unsigned char *p = how % 4 == 0 ? kgc_reallocarray(s->p, count, size) : kgc_realloc(s->p, size);
    if (p == NULL && old.p != NULL && !overflow && sum == 0) {
        leave(s);
        return;
    }
    if (p == NULL) {
        check_refusal(overflow ? SIZE_MAX : sum);
        if (old.p != NULL)
            check_slot(s);
        return;
    }
    if (old.p == NULL) {
        take_new(s, p, sum, 1, how);
        return;
    }
    if (p == old.p) {
        model.bytes -= old.usable;
        s->p = NULL;
    } else {
        leave(s);
    }
    check_pattern(&old, p, sum);
    enter(s, p, sum, 1);
    s->pinned = old.pinned;
    s->child = sum >= sizeof(void *) ? old.child : 0;
    write_pattern(s, how % 8 < 4 || s->child != 0 ? s->usable : sum);
}

static void operate_in_place(struct fuzz_input *in)
{
    struct slot *s = take_slot(in);
    size_t size = take_size(in);
    if (s->p == NULL) {
        fuzz_check(!kgc_realloc_in_place(NULL, size));
        return;
    }
    if (too_much(size) || model.bytes > LIVE_BYTES)
        return;
    bool done = kgc_realloc_in_place(s->p, size);
    fuzz_check(!done || size <= PTRDIFF_MAX);
    if (!done) {
        fuzz_check(size > s->usable);
        check_slot(s);
        return;
    }
    struct slot old = *s;
    model.bytes -= old.usable;
    s->p = NULL;
    check_pattern(&old, old.p, size);
    enter(s, old.p, size, 1);
    s->pinned = old.pinned;
    s->child = s->usable >= sizeof(void *) && size >= sizeof(void *) ? old.child : 0;
    write_pattern(s, s->usable);
}

/* ---- another thread ---- */

struct errand {
    struct slot *first;
    unsigned count, size;
};

/* Frees some blocks of the first thread, and allocates some for it. */
static void *run_errand(void *arg)
{
    struct errand *e = arg;
    for (unsigned i = 0; i < e->count; i++) {
        struct slot *s = &e->first[i];
        if (s->p != NULL)
            release(s, i);
        else
            take_new(s, kgc_malloc(e->size), e->size, 1, i);
    }
    return NULL;
}

static void operate_thread(struct fuzz_input *in)
{
    unsigned first = fuzz_byte(in) % SLOTS, count = fuzz_byte(in) % 32;
    struct errand e = {.first = &model.slot[first], .count = count, .size = fuzz_word(in) & 0x1fff};
    pthread_t thread;
    if (first + count > SLOTS || model.bytes > LIVE_BYTES / 2 || model.threads++ >= 8)
        return;
    fuzz_check(pthread_create(&thread, NULL, run_errand, &e) == 0);
    pthread_join(thread, NULL);
}

static void operate_collect(void)
{
    if (model.collections++ >= 2)
        return;
    kgc_collect();
    use_free_objects();
    check_all();
}

static void operate_purge(void)
{
    if (model.purges++ >= 2)
        return;
    kgc_kind *kind = kgc_heap_kind();
    fuzz_check(kind != NULL);
    fuzz_check(kgc_kind_purge(kind) == 0);
    check_all();
}

/* Blocks that exist stay where they are. */
static void operate_change(unsigned how)
{
    static const char *const specs[] = {"default", "thp", "tier:default@4M+default"};
    static kgc_kind *kinds[3];
    unsigned which = how % 3;
    if (model.changes++ >= 2)
        return;
    if (kinds[which] == NULL)
        fuzz_check(kgc_kind_open(specs[which], &kinds[which]) == 0);
    fuzz_check(kgc_heap_set_kind(kinds[which]) == 0);
}

static void operate_pin(struct slot *s, unsigned how)
{
    bool pinned = how % 2 == 0;
    fuzz_check(kgc__block_pin(s->p, pinned) == (s->p != NULL));
    s->pinned = s->p != NULL && pinned;
}

static void operate_size(struct fuzz_input *in)
{
    struct slot *s = take_slot(in);
    if (s->p != NULL)
        check_slot(s);
    fuzz_check(kgc_malloc_usable_size(NULL) == 0);
    kgc_free(NULL);
    kgc_free_sized(NULL, fuzz_byte(in));
    if (s->p == NULL)
        return;
    kgc_free_sized(s->p, s->usable + 1 + fuzz_word(in));
    check_fatal("kgc_free_sized: the block at %p ", (void *)s->p);
    check_slot(s);
}

static void operate(struct fuzz_input *in)
{
    unsigned op = fuzz_byte(in), how = fuzz_byte(in);
    switch (op % 32) {
    default: /* 0 to 3 */
        operate_malloc(in, how);
        break;
    case 6:
    case 7:
    case 8:
        operate_calloc(in, how);
        break;
    case 9:
    case 10:
    case 11:
        operate_aligned(in, how);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
        operate_realloc(in, how);
        break;
    case 16:
    case 17:
        operate_in_place(in);
        break;
    case 18:
    case 19:
    case 20:
    case 21:
    case 22:
    case 23:
        release(take_slot(in), how);
        break;
    case 4:
        if (how % 4 == 0)
            operate_change(how >> 2);
        else
            operate_malloc(in, how);
        break;
    case 5:
        operate_pin(take_slot(in), how);
        break;
    case 24:
        operate_size(in);
        break;
    case 25:
        misuse_interior(take_slot(in), how, fuzz_word(in));
        break;
    case 26:
    case 27:
        misuse_former(fuzz_byte(in), how);
        break;
    case 28:
        misuse_foreign(fuzz_byte(in), how);
        break;
    case 29:
        operate_thread(in);
        break;
    case 30:
        operate_collect();
        break;
    case 31:
        operate_purge();
        break;
    }
    if (fatal_calls != 0)
        fuzz_fail("unexpected: %s", fatal_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_settle();
    struct fuzz_input in = {data, data + size};
    memset(&model, 0, sizeof model);
    fatal_calls = 0;
    kgc_set_fatal_handler(catch_fatal);
    while (in.at < in.end)
        operate(&in);
    check_all();
    for (int i = 0; i < SLOTS; i++)
        release(&model.slot[i], (unsigned)i);
    fuzz_check(model.bytes == 0);
    kgc_set_fatal_handler(NULL);
    return 0;
}
