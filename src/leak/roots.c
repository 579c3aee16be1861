/* SPDX-License-Identifier: MIT */
/*
 * Searching the roots: see roots.h, and doc/leaks.md for what counts as one.
 *
 * Private memory: pages that hold something (pages.h), whatever rights the
 * program has left itself, for it may take them away for a while.  Those that
 * cannot be read directly are read through /proc/self/mem.  So is shared
 * memory: a file may be shorter than its mapping, and touching what is beyond
 * its end is fatal.
 */
#include "leak/roots.h"
#include "leak/capture.h"
#include "leak/hidden.h"
#include "leak/maps.h"
#include "leak/pages.h"
#include "os/os.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Shared files on a disk are read whole, up to this size together. */
#define FILES_MOST ((size_t)1 << 30)
/* Larger mappings without rights are address space, not memory. */
#define RESERVED_MOST ((size_t)1 << 30)
enum { BUFFER = 128 * 1024 };

/* Not to be searched. */
struct range {
    uintptr_t lo, hi;
};

struct roots {
    struct kgc__marker *marker;
    const struct kgc__stop *stop;
    struct kgc__maps maps;
    struct range *excluded; /* ascending */
    size_t excluded_count;
    uintptr_t sp;      /* the caller's */
    int pages, memory; /* /proc/thread-self/pagemap and mem; -1 */
    char *buffer;
    size_t files; /* bytes of shared files read */
    bool swaps;   /* there is something in swap */
    const struct kgc__map *map;
    int error;
    char *reason;
};

static void fail(struct roots *r, int error, const char *format, ...)
{
    if (r->error != 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->reason, KGC__REASON, format, args);
    va_end(args);
    r->error = error;
}

/* ---- what is not searched ---- */

static void count_excluded(char *lo, char *hi, void *arg)
{
    struct roots *r = arg;
    (void)lo;
    (void)hi;
    r->excluded_count++;
}

static void exclude(char *lo, char *hi, void *arg)
{
    struct roots *r = arg;
    if (lo < hi)
        r->excluded[r->excluded_count++] = (struct range){(uintptr_t)lo, (uintptr_t)hi};
}

/* Few, so simple: the order is nearly right already. */
static void sort_excluded(struct roots *r)
{
    for (size_t i = 1; i < r->excluded_count; i++) {
        struct range x = r->excluded[i];
        size_t j = i;
        for (; j != 0 && r->excluded[j - 1].lo > x.lo; j--)
            r->excluded[j] = r->excluded[j - 1];
        r->excluded[j] = x;
    }
}

static void visit_excluded(void (*fn)(char *, char *, void *), struct roots *r)
{
    kgc__blocks_visit_ranges(fn, r);
    kgc__blocks_visit_tables(fn, r);
    kgc__hidden_visit(fn, r);
    kgc__capture_visit_memory(fn, r);
}

static bool list_excluded(struct roots *r)
{
    const struct kgc__stop *stop = r->stop;
    struct kgc__scratch *s = r->marker->scratch;
    visit_excluded(count_excluded, r);
    r->excluded = kgc__scratch_take(s, (r->excluded_count + KGC__SCRATCH_PIECES + 2) * sizeof *r->excluded);
    if (r->excluded == NULL)
        return false;
    r->excluded_count = 0;
    visit_excluded(exclude, r);
    if (stop->memory != NULL) {
        exclude(stop->memory, stop->memory + KGC__STOP_STACK, r);
        exclude((char *)stop->thread, (char *)(stop->thread + stop->capacity), r);
    }
    for (unsigned i = 0; i < s->pieces; i++)
        exclude(s->piece[i].start, s->piece[i].start + s->piece[i].size, r);
    sort_excluded(r);
    return true;
}

/* ---- reading ---- */

/* Reads through /proc/self/mem; what cannot be read there does not exist:
   beyond the end of a file, a guard, a broken page. */
static void read_and_mark(struct roots *r, uintptr_t lo, uintptr_t hi,
                          void (*mark)(struct kgc__marker *, uintptr_t, uintptr_t))
{
    size_t page = kgc__page_size();
    if (r->memory < 0) {
        fail(r, EAGAIN, "memory that the program may not read itself cannot be searched: /proc/self/mem");
        return;
    }
    while (lo < hi) {
        size_t size = hi - lo < BUFFER ? hi - lo : BUFFER;
        ssize_t n = kgc__os.pread(r->memory, r->buffer, size, (off_t)lo);
        if (n > 0) {
            size_t whole = (size_t)n & ~(sizeof(uintptr_t) - 1);
            mark(r->marker, (uintptr_t)r->buffer, (uintptr_t)r->buffer + whole);
            lo += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n == 0 || errno == EIO || errno == EFAULT) {
            lo = (lo & ~(page - 1)) + page;
        } else {
            fail(r, EAGAIN, "/proc/self/mem: %s", strerrordesc_np(errno));
            return;
        }
    }
}

static void peek(struct kgc__marker *m, uintptr_t lo, uintptr_t hi, void *arg)
{
    (void)m;
    read_and_mark(arg, lo, hi, kgc__mark_words_later);
}

static void mark_pages(uintptr_t lo, uintptr_t hi, bool swapped, void *arg)
{
    struct roots *r = arg;
    if (r->error != 0)
        return;
    if (swapped || !r->map->readable)
        read_and_mark(r, lo, hi, kgc__mark_words);
    else
        kgc__mark_words(r->marker, lo, hi);
}

/* Of a private mapping; the ends need not be those of pages. */
static void mark_private(struct roots *r, uintptr_t lo, uintptr_t hi)
{
    size_t page = kgc__page_size();
    uintptr_t first = (lo + page - 1) & ~(page - 1);
    if (first > hi)
        first = hi;
    if (lo < first) /* a stack, from the stack pointer on */
        kgc__mark_words(r->marker, lo, first);
    uintptr_t last = hi & ~(page - 1);
    /* Old kernels would tell each page of what was only reserved. */
    if (!r->map->readable && __atomic_load_n(&kgc__pages_old_kernel, __ATOMIC_RELAXED) &&
        last - first > RESERVED_MOST)
        return;
    int error = first < last ? kgc__pages_visit(r->pages, first, last, mark_pages, r) : 0;
    if (error != 0)
        fail(r, EAGAIN, "/proc/self/pagemap: %s", strerrordesc_np(error));
    if (last < hi && last >= first)
        mark_pages(last, hi, !r->map->readable, r);
}

/* Pages of shared memory that exist.  Nobody tells those in swap. */
static void mark_shared(struct roots *r, uintptr_t lo, uintptr_t hi)
{
    size_t page = kgc__page_size();
    unsigned char present[1024];
    if (r->swaps) {
        read_and_mark(r, lo, hi, kgc__mark_words);
        return;
    }
    for (uintptr_t end; lo < hi && r->error == 0; lo = end) {
        size_t pages =
            (hi - lo + page - 1) / page < sizeof present ? (hi - lo + page - 1) / page : sizeof present;
        end = lo + pages * page < hi ? lo + pages * page : hi;
        if (kgc__os.mincore((void *)(lo & ~(page - 1)), pages * page, present) != 0) {
            read_and_mark(r, lo, end, kgc__mark_words);
            continue;
        }
        for (size_t i = 0, to; i < pages; i = to) {
            for (to = i + 1; to < pages && ((present[to] ^ present[i]) & 1) == 0; to++)
                ;
            if ((present[i] & 1) != 0)
                read_and_mark(r, lo + i * page, lo + to * page < end ? lo + to * page : end, kgc__mark_words);
        }
    }
}

static void mark_file(struct roots *r, uintptr_t lo, uintptr_t hi)
{
    r->files += hi - lo;
    if (r->files > FILES_MOST)
        fail(r, EAGAIN, "the program shares more than %zu MiB of files, which are not searched",
             FILES_MOST >> 20);
    else
        read_and_mark(r, lo, hi, kgc__mark_words);
}

static void mark_part(struct roots *r, uintptr_t lo, uintptr_t hi)
{
    switch ((enum kgc__mapped)r->map->what) {
    case KGC__MAP_PRIVATE:
        mark_private(r, lo, hi);
        break;
    case KGC__MAP_SHARED:
        mark_shared(r, lo, hi);
        break;
    case KGC__MAP_FILE:
        if (r->map->writable)
            mark_file(r, lo, hi);
        break;
    case KGC__MAP_OTHER:
        break;
    }
}

/* ---- stacks ---- */

static void take_least(uintptr_t sp, const struct kgc__map *map, uintptr_t *least, unsigned *count)
{
    if (sp < map->lo || sp >= map->hi)
        return;
    ++*count;
    if (sp < *least)
        *least = sp;
}

static bool is_guarded(const struct roots *r, const struct kgc__map *map)
{
    return map != r->maps.map && map[-1].hi == map->lo && !map[-1].readable && !map[-1].writable;
}

/*
 * A signal handler may run on a stack that the program has put into a frame of
 * the stack that was interrupted, further down.  Then the kernel's record of
 * it, which says where it is itself, has that stack pointer.
 */
KGC__UNCHECKED static uintptr_t interrupted(uintptr_t sp, const struct kgc__map *map)
{
    /* ucontext_t */
    enum { FLAGS, LINK, STACK, STACK_FLAGS, STACK_SIZE, GENERAL };
#ifdef __x86_64__
    enum { SP = GENERAL + 15, WORDS = GENERAL + 23 };
#else
    enum { SP = (176 + 8 + 31 * 8) / 8, WORDS = SP + 3 }; /* after the mask and the fault's address */
#endif
    uintptr_t least = sp;
    for (const uintptr_t *w = (const uintptr_t *)sp, *end = (const uintptr_t *)map->hi; w + WORDS <= end; w++)
        if (w[FLAGS] < 16 && w[LINK] == 0 && (uintptr_t)w - w[STACK] < w[STACK_SIZE] && w[SP] >= map->lo &&
            w[SP] < least)
            least = w[SP] - map->lo > KGC__RED_ZONE ? (w[SP] - KGC__RED_ZONE) & ~(sizeof *w - 1) : map->lo;
    return least;
}

/*
 * Where to begin in a mapping: at the stack pointer, if it is certain that
 * what lies below is a thread's unused stack.  It is for the main thread's
 * stack, and for one that glibc has made: a guard, the stack, and at its end
 * what the thread pointer points to.  A mapping of another form may hold
 * anything below, other stacks of a program that switches between them too.
 */
KGC__UNCHECKED static uintptr_t begin_of(const struct roots *r, const struct kgc__map *map)
{
    enum { MOST_ABOVE = 64 * 1024 };
    uintptr_t least = map->hi;
    unsigned stacks = 0, pointers = 0;
    bool at_end = false;
    take_least(r->sp, map, &least, &stacks);
    for (unsigned i = 0; i < r->stop->threads; i++) {
        const struct kgc__halted *t = &r->stop->thread[i];
        if (t->state != KGC__HALTED)
            continue;
        take_least(t->sp - KGC__RED_ZONE, map, &least, &stacks);
        if (t->tls >= map->lo && t->tls < map->hi) {
            pointers++;
            at_end = map->hi - t->tls <= MOST_ABOVE;
        }
    }
    uintptr_t tls = (uintptr_t)__builtin_thread_pointer();
    if (tls >= map->lo && tls < map->hi) {
        pointers++;
        at_end = map->hi - tls <= MOST_ABOVE;
    }
    if (stacks != 1)
        return map->lo;
    if (!map->stack && !(is_guarded(r, map) && pointers == 1 && at_end))
        return map->lo;
    return interrupted(least & ~(sizeof(uintptr_t) - 1), map);
}

static __attribute__((unused)) void note_page(uintptr_t lo, uintptr_t hi, bool swapped, void *arg)
{
    (void)lo, (void)hi, (void)swapped;
    *(bool *)arg = true;
}

/*
 * A stack that glibc keeps for its next thread, as the last one left it: no
 * thread is on it, the control block near its end points to itself, and
 * besides its last pages nothing is there, for glibc gives those back when a
 * thread ends, if it has made the stack.  Not proof enough for freeing what
 * only such a stack leads to, so this is for reports.  Returns the control
 * block; 0: it is none.
 */
KGC__UNCHECKED static uintptr_t spare_stack(const struct roots *r, const struct kgc__map *map)
{
#ifdef __x86_64__
    enum { LAST = 128 * 1024, BLOCK = 64 };
    if (map->what != KGC__MAP_PRIVATE || !map->readable || map->hi - map->lo <= LAST || !is_guarded(r, map))
        return 0;
    for (unsigned i = 0; i < r->stop->threads; i++) {
        const struct kgc__halted *t = &r->stop->thread[i];
        if ((t->sp >= map->lo && t->sp < map->hi) || (t->tls >= map->lo && t->tls < map->hi))
            return 0;
    }
    uintptr_t tls = (uintptr_t)__builtin_thread_pointer();
    bool used = (tls >= map->lo && tls < map->hi) || (r->sp >= map->lo && r->sp < map->hi);
    if (used || kgc__pages_visit(r->pages, map->lo, map->hi - LAST, note_page, &used) != 0 || used)
        return 0;
    for (uintptr_t p = map->hi - BLOCK; p >= map->hi - LAST / 2; p -= BLOCK)
        if (((const uintptr_t *)p)[0] == p && ((const uintptr_t *)p)[2] == p)
            return p;
#else
    (void)r, (void)map;
#endif
    return 0;
}

/* ---- all ---- */

static void mark_mapping(struct roots *r, const struct kgc__map *map, size_t *next)
{
    uintptr_t spare = r->marker->for_report ? spare_stack(r, map) : 0;
    if (spare != 0) { /* what the next thread will use: its table of thread-local storage */
        kgc__mark_words(r->marker, spare + sizeof spare, spare + 2 * sizeof spare);
        return;
    }
    uintptr_t lo = map->what == KGC__MAP_PRIVATE ? begin_of(r, map) : map->lo;
    r->map = map;
    while (*next < r->excluded_count && r->excluded[*next].hi <= lo)
        ++*next;
    for (size_t i = *next; i < r->excluded_count && r->excluded[i].lo < map->hi; i++) {
        if (lo < r->excluded[i].lo)
            mark_part(r, lo, r->excluded[i].lo);
        if (lo < r->excluded[i].hi)
            lo = r->excluded[i].hi;
    }
    if (lo < map->hi)
        mark_part(r, lo, map->hi);
}

/* Parts of the heap that the program has made unreadable. */
static bool list_holes(struct roots *r)
{
    struct kgc__marker *m = r->marker;
    unsigned count = 0;
    for (int pass = 0; pass < 2; pass++) {
        struct kgc__hole *hole = (struct kgc__hole *)m->hole;
        count = 0;
        for (size_t i = 0; i < r->maps.count; i++) {
            const struct kgc__map *map = &r->maps.map[i];
            if (map->readable)
                continue;
            for (unsigned k = 0; k < m->ranges; k++)
                if (map->lo < m->range[k].hi && map->hi > m->range[k].lo) {
                    if (pass == 1)
                        hole[count] = (struct kgc__hole){map->lo, map->hi};
                    count++;
                    break;
                }
        }
        if (count == 0)
            return true;
        if (pass == 0) {
            m->hole = kgc__scratch_take(m->scratch, count * sizeof *m->hole);
            if (m->hole == NULL)
                return false;
        }
    }
    m->holes = count;
    m->peek = peek;
    m->peek_arg = r;
    return true;
}

static bool mark_pinned(const struct kgc__block *b, void *arg)
{
    if (b->pinned)
        kgc__mark_block(arg, b);
    return true;
}

static void mark_all(struct roots *r)
{
    struct kgc__marker *m = r->marker;
    size_t next = 0;
    if (__atomic_load_n(&kgc__block_pins, __ATOMIC_RELAXED))
        kgc__blocks_visit(mark_pinned, m);
    for (unsigned i = 0; i < r->stop->threads; i++) {
        const struct kgc__halted *t = &r->stop->thread[i];
        if (t->state == KGC__HALTED)
            kgc__mark_words(m, (uintptr_t)t->word, (uintptr_t)(t->word + t->words));
    }
    kgc__mark_words(m, (uintptr_t)&r->sp, (uintptr_t)(&r->sp + 1)); /* a stack may be a block */
    for (size_t i = 0; i < r->maps.count && r->error == 0; i++)
        mark_mapping(r, &r->maps.map[i], &next);
    if (r->error == 0)
        kgc__marker_finish(m);
}

static int open_file(const char *path)
{
    return kgc__os.open(path, O_RDONLY | O_CLOEXEC);
}

int kgc__roots_mark(struct kgc__marker *m, const struct kgc__stop *stop, uintptr_t sp,
                    char reason[KGC__REASON], char doubt[KGC__REASON])
{
    struct roots r = {.marker = m, .stop = stop, .sp = sp, .reason = reason};
    r.buffer = kgc__scratch_take(m->scratch, BUFFER);
    if (r.buffer == NULL)
        return ENOMEM;
    /* Then nothing is added but what the stack of blocks needs, and that leads
       only to what is marked. */
    int error = kgc__maps_read(&r.maps, m->scratch);
    if (error == ENOMEM || !list_holes(&r) || !list_excluded(&r))
        return ENOMEM;
    if (error != 0) {
        fail(&r, EAGAIN, "the mappings cannot be told: /proc/self/maps: %s", strerrordesc_np(error));
        return r.error;
    }
    struct sysinfo system;
    r.swaps = sysinfo(&system) != 0 || system.totalswap != system.freeswap;
    r.pages = open_file("/proc/thread-self/pagemap");
    error = errno;
    r.memory = open_file("/proc/thread-self/mem");
    if (r.pages >= 0)
        mark_all(&r);
    else /* no telling what is mapped and never used */
        fail(&r, EAGAIN, "the pages in use cannot be told: /proc/self/pagemap: %s", strerrordesc_np(error));
    if (r.pages >= 0)
        close(r.pages);
    if (r.memory >= 0)
        close(r.memory);
    snprintf(doubt, KGC__REASON, "%s",
             r.maps.io_uring ? "the program uses io_uring, whose requests only the kernel knows"
             : r.maps.aio    ? "the program uses io_submit(2), whose requests only the kernel knows"
                             : "");
    return r.error;
}
