/* SPDX-License-Identifier: MIT */
/*
 * The pacer: see pace.h.
 *
 * What is under libgc's lock: all that a collection reads and writes.  libgc's
 * setters that are used here take no lock; the one that starts its marking
 * threads does, so that waits for the next allocation.
 *
 * A program that sets libgc's own parameters is left alone with them, unless
 * its user, or itself, has asked for a pace.
 */
#include "collect/pace.h"
#include "base/message.h"
#include "base/options.h"
#include "base/size.h"
#include "collect/libgc.h"
#include "collect/start.h"
#include "collect/thread.h"
#include "os/cgroup.h"
#include "section/section.h"
#include <errno.h>
#include <kindgc/heap.h>
#include <sched.h>
#include <time.h>

#define DEFAULT_SHARE 0.1
/* The least between two collections: collecting a heap of a few objects takes
   some 20 us, allocating this much a few hundred, and it is about what fits into
   the second cache.  Less only where it is more than a sixteenth of the limit.
   What libgc takes for roots makes it 2 MB and more: doc/pace.md. */
#define FLOOR KGC_MIB
enum {
    MARKERS_MAX = 16,                  /* of libgc */
    WORTH_A_THREAD = 10 * 1000 * 1000, /* ns of a collection, from which on marking threads are started */
    FOLLOW_EVERY = 1000 * 1000 * 1000  /* ns between two looks at the control group's limit */
};

static struct kgc__pace_time clock_of_system(void)
{
    struct timespec wall, cpu;
    clock_gettime(CLOCK_MONOTONIC, &wall);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct kgc__pace_time){
        .wall = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec,
        .cpu = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec,
    };
}
struct kgc__pace_time (*kgc__pace_clock)(void) = clock_of_system;

static uint64_t between(struct kgc__pace_time from, struct kgc__pace_time to)
{
    uint64_t wall = to.wall - from.wall, cpu = to.cpu - from.cpu;
    return wall < cpu ? wall : cpu;
}

static _Atomic double target; /* the share; 0 or less: off */
static _Atomic bool asked;    /* for this share, by the user or the program */
static _Atomic bool given_up; /* the program sets libgc's parameters itself */

/* libgc's parameters. */
struct parameters {
    _Atomic size_t divisor, minimum;
};
static struct parameters original, told; /* before us, and by us */

/* Under libgc's lock. */
static double growth = 1;
static size_t total, usual, alive;
static size_t used_before;
static struct kgc__pace_time began, ended;
static uint64_t followed;

static unsigned cpus = 1;
static _Atomic bool markers_counted; /* by the program */
static bool markers_tried;
_Atomic bool kgc__pace_wants_markers;

static double clamp(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static size_t in_use(void)
{
    return GC_get_heap_size() - GC_get_free_bytes();
}

/* Was it somebody else's wish?  Then it says nothing about the growth. */
static bool is_on_demand(const struct kgc__pace_sample *s)
{
    return s->allocated < s->usual / 2 || s->running == 0;
}

/*
 * A collection costs the same however much was allocated before it.  So its
 * share of time is right when collecting / running is as share / (1 - share),
 * and running is proportional to growth.  Half of the way is gone at each
 * step, and never to more than twice or less than half.
 *
 * The heap is then at most twice what is alive, or three times for a share that
 * was asked for.
 */
double kgc__pace_next(double now, double share, bool was_asked, const struct kgc__pace_sample *s)
{
    double next = now;
    if (!is_on_demand(s)) {
        double right = now * (double)s->collecting / (double)s->running * (1 - share) / share;
        next = (now + clamp(right, 0, 3 * now)) / 2;
    }
    next = clamp(next, 1.0 / 8, was_asked ? 2 : 1);
    if (s->limit == 0 || s->used == 0)
        return next;
    /* Half of what is left is for fragments.  Next to the limit libgc is to
       collect whenever it needs another block. */
    double room = s->limit > s->used ? (double)(s->limit - s->used) : 0;
    return clamp(next, 0, clamp(room / 2 / (double)s->used, 1.0 / 64, 2));
}

size_t kgc__pace_divisor(double wanted, size_t most)
{
    size_t divisor = (size_t)(2 / wanted + 0.999);
    return divisor < most ? divisor : most;
}

/*
 * libgc collects when the greater of two numbers was allocated: a part of what
 * is alive, of which it counts pointer-free objects for an eighth, and a least
 * number.  The part knows best in a heap that grows, the number is finer.
 *
 * `live` is what the last collection but one left over: all blocks in use when
 * the last one began, less what was allocated between the two.  How many blocks
 * are in use afterwards is no measure: one object is enough to keep a block.
 *
 * By default the part is no less than with a divisor of 4, which is 1.5 times
 * what is alive: a program must not get slower than on libgc alone, that uses 3.
 */
static void tell(size_t live, size_t limit)
{
    size_t least = limit == 0 || limit / 16 > FLOOR ? FLOOR : limit / 16;
    /* A heap of a few MiB is faster small: it fits into the caches. */
    size_t bytes = live > 4 * FLOOR ? (size_t)(growth * (double)live) : 0;
    bool is_near = growth < 1.0 / 8;
    atomic_store(&told.divisor, kgc__pace_divisor(growth, is_near || atomic_load(&asked) ? 128 : 4));
    atomic_store(&told.minimum, bytes > least ? bytes : least);
    KGC__LIBGC(GC_set_free_space_divisor)(told.divisor);
    KGC__LIBGC(GC_set_min_bytes_allocd)(told.minimum);
}

/* What is still as we have set it becomes what it was. */
static void give_up(void)
{
    atomic_store(&given_up, true);
    if (GC_get_free_space_divisor() == told.divisor)
        KGC__LIBGC(GC_set_free_space_divisor)(original.divisor);
    if (GC_get_min_bytes_allocd() == told.minimum)
        KGC__LIBGC(GC_set_min_bytes_allocd)(original.minimum);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void GC_CALL GC_set_free_space_divisor(GC_word value)
{
    give_up();
    KGC__LIBGC(GC_set_free_space_divisor)(value);
}

EXPORT void GC_CALL GC_set_min_bytes_allocd(size_t value)
{
    give_up();
    KGC__LIBGC(GC_set_min_bytes_allocd)(value);
}

EXPORT void GC_CALL GC_set_markers_count(unsigned count)
{
    atomic_store(&markers_counted, true);
    KGC__LIBGC(GC_set_markers_count)(count);
}

/* Is libgc to be told what we think?  It may have been told by others who do
   not come through our functions. */
static bool is_ours(void)
{
    if (atomic_load(&target) <= 0 || GC_is_incremental_mode())
        return false;
    if (atomic_load(&asked))
        return true;
    if (!atomic_load(&given_up) &&
        (GC_get_free_space_divisor() != told.divisor || GC_get_min_bytes_allocd() != told.minimum))
        give_up();
    return !atomic_load(&given_up);
}

static void on_began(void)
{
    began = kgc__pace_clock();
    used_before = in_use();
}

static void on_ended(void)
{
    struct kgc__pace_time now = kgc__pace_clock();
    if (now.wall - followed >= FOLLOW_EVERY) {
        followed = now.wall;
        kgc__limit_follow();
    }
    struct kgc__pace_sample sample = {
        .collecting = between(began, now),
        .running = between(ended, began),
        .allocated = GC_get_total_bytes() - total,
        .usual = usual,
        .used = in_use(),
        .limit = kgc__section_limit(),
    };
    ended = now;
    total += sample.allocated;
    if (is_on_demand(&sample)) {
        usual -= usual / 4;
    } else {
        usual = sample.allocated;
        alive = used_before > usual ? used_before - usual : 0;
    }
    if (sample.collecting >= WORTH_A_THREAD && cpus > 1 && !markers_tried && !GC_get_parallel())
        atomic_store(&kgc__pace_wants_markers, true);
    if (!is_ours())
        return;
    growth = kgc__pace_next(growth, atomic_load(&target), atomic_load(&asked), &sample);
    tell(alive < sample.used ? alive : sample.used, sample.limit);
}

void kgc__pace_start_markers(void)
{
    if (atomic_exchange(&kgc__pace_wants_markers, false)) {
        markers_tried = true;
        kgc__threads_enable(); /* which starts them */
    }
}

/* CPUs that this process may use; libgc goes by those of the machine. */
static unsigned count_cpus(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : MARKERS_MAX;
    unsigned quota = kgc__cgroup_cpus(kgc__cgroup());
    n = quota < n ? quota : n;
    return n < MARKERS_MAX ? n : MARKERS_MAX;
}

/* Not earlier: reading the control group's files takes 0.2 ms of the start of a
   program that may never collect. */
static void on_starting(void)
{
    cpus = count_cpus();
    if (!atomic_load(&markers_counted))
        KGC__LIBGC(GC_set_markers_count)(cpus);
    ended = kgc__pace_clock(); /* this may be a forked child, whose clock has begun anew */
}

void kgc__pace_attach(void)
{
    original.divisor = GC_get_free_space_divisor();
    original.minimum = GC_get_min_bytes_allocd();
    told.divisor = original.divisor;
    told.minimum = original.minimum;
    kgc__collection_steps.starting = on_starting;
    kgc__collection_steps.began = on_began;
    kgc__collection_steps.ended = on_ended;
    ended = kgc__pace_clock();
    atomic_store(&target, DEFAULT_SHARE);
    kgc__pace_set(kgc__settings.pace);
    if (atomic_load(&target) > 0)
        tell(0, 0);
}

void kgc__pace_set(double share)
{
    if (share == 0)
        return;
    atomic_store(&target, share);
    atomic_store(&asked, share > 0);
    if (share < 0)
        give_up();
}

double kgc__pace_share(void)
{
    bool off = atomic_load(&given_up) && !atomic_load(&asked);
    return off ? 0 : atomic_load(&target);
}

int kgc_heap_set_pace(double share)
{
    if (!(share == 0 || (share >= KGC__PACE_LEAST && share <= KGC__PACE_MOST)))
        return kgc__fail(EINVAL, "kgc_heap_set_pace: %g is no share; allowed are 0 (off) and 0.01 to 0.9",
                         share);
    int error = kgc__start();
    if (error == 0 && !kgc__option_is_users("pace"))
        kgc__pace_set(share == 0 ? KGC__PACE_OFF : share);
    return error;
}

/* The clock of the process's time begins anew.  The parent's marking threads
   are gone, and 8.2.2 has no safe way to start them again (doc/pace.md); libgc
   has not yet noted it when this runs. */
void kgc__pace_after_fork_in_child(void)
{
    if (!atomic_load(&kgc__collector_in_use))
        return;
    ended = began = kgc__pace_clock();
    markers_tried |= GC_get_parallel() != 0;
    atomic_store(&kgc__pace_wants_markers, false);
}
