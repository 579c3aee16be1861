/* SPDX-License-Identifier: MIT */
/*
 * Which kinds are open, and opening and closing them.
 *
 * Opening and closing take a lock; looking at the table does not.  The heap's
 * kind may be opened inside libgc's request for memory, with libgc's lock
 * held and threads running: so nothing here calls libgc or malloc, except that
 * hwloc uses malloc to choose the nodes of highest-bandwidth and the like.  A
 * scanned kind, which may be the heap's too, starts the collector when its
 * explicit memory is first asked for.
 */
#include "base/check.h"
#include "base/lock.h"
#include "base/message.h"
#include "base/size.h"
#include "extent/map.h"
#include "extent/placed.h"
#include "kind/kind.h"
#include "os/meta.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* One less than threads' tables have places: the last is not a kind's (KGC__NO_SLOT). */
enum { KINDS_MAX = 4095 };

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_KINDS);
static _Atomic(kgc_kind *) open_kinds[KINDS_MAX];
static _Atomic size_t places; /* of the table that were ever in use: the others need not be looked at */
static kgc_kind *spare; /* closed records, linked through `parent` */

static int start_nothing(void)
{
    return 0;
}

static void call(void (*fn)(void *), void *arg)
{
    fn(arg);
}

static void do_nothing(kgc_kind *kind)
{
    (void)kind;
}

_Atomic bool kgc__collector_in_use;

struct kgc__collector kgc__collector = {
    .start = start_nothing, .exclude = call, .withdraw = do_nothing, .forget = do_nothing};

kgc_kind *kgc__kind_record(const char *name)
{
    kgc__lock_acquire(&lock);
    kgc_kind *kind = spare;
    if (kind != NULL)
        spare = kind->parent;
    kgc__lock_release(&lock);
    if (kind == NULL)
        kind = kgc__meta_allocate(sizeof *kind);
    if (kind == NULL) {
        kgc__fail(ENOMEM, "no memory for a kind's record");
        return NULL;
    }
    memset(kind, 0, sizeof *kind);
    strcpy(kind->name, name);
    kind->space.file.fd = kind->placed_file.fd = -1;
    kind->arenas_max = 4;
    return kind;
}

void kgc__kind_record_free(kgc_kind *kind)
{
    kgc__lock_acquire(&lock);
    kind->parent = spare;
    spare = kind;
    kgc__lock_release(&lock);
}

int kgc__kind_register(kgc_kind *kind)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        kgc_kind *none = NULL;
        if (atomic_load(&open_kinds[i]) == NULL &&
            atomic_compare_exchange_strong(&open_kinds[i], &none, kind)) {
            kind->slot = (unsigned)i;
            size_t seen = atomic_load(&places);
            while (seen <= i && !atomic_compare_exchange_weak(&places, &seen, i + 1))
                ;
            for (unsigned m = 0; m < kind->members; m++)
                kind->member[m]->slot = (unsigned)i;
            return 0;
        }
    }
    return kgc__fail(ENOMEM, "%d kinds are open, which is the most; close some", KINDS_MAX);
}

void kgc__registry_after_fork_in_child(void)
{
    kgc__lock_reset(&lock);
}

static void unregister(const kgc_kind *kind)
{
    atomic_store(&open_kinds[kind->slot], NULL);
}

static bool is_free(const char *p, size_t size)
{
    for (size_t at = 0; at < size; at += kgc__page_size())
        if (kgc__map_owner(p + at) != NULL)
            return false;
    return true;
}

int kgc__kind_claim(kgc_kind *kind, void *p, size_t size)
{
    kgc__lock_acquire(&lock);
    int error = !is_free(p, size) ? EEXIST : !kgc__map_set(p, size, kind) ? ENOMEM : 0;
    kgc__lock_release(&lock);
    return error;
}

static int open_family(kgc_kind *kind, const struct kgc__spec *spec)
{
    static int (*const open_it[])(kgc_kind *, const struct kgc__spec *) = {
        [KGC__DEFAULT] = kgc__default_open, [KGC__THP] = kgc__thp_open,   [KGC__HUGETLB] = kgc__hugetlb_open,
        [KGC__NUMA] = kgc__numa_open,       [KGC__BEST] = kgc__best_open, [KGC__LOCKED] = kgc__locked_open,
        [KGC__FILE] = kgc__file_open_kind,  [KGC__TIER] = kgc__tier_open, [KGC__RATIO] = kgc__ratio_open,
    };
    return open_it[spec->family](kind, spec);
}

int kgc__kind_open_spec(const struct kgc__spec *spec, kgc_kind *parent, kgc_kind **out)
{
    kgc_kind *kind = kgc__kind_record(spec->text);
    if (kind == NULL)
        return ENOMEM;
    kind->parent = parent;
    kind->share = spec->share;
    kind->scanned = parent != NULL ? parent->scanned : spec->scanned;
    kind->decay = parent != NULL ? parent->decay : spec->decay;
    kind->decay_ms = parent != NULL ? parent->decay_ms : spec->decay_ms;
    int error = open_family(kind, spec);
    if (error != 0) {
        kgc__kind_record_free(kind);
        return error;
    }
    if (parent == NULL) {
        kgc__kind_set_arenas(kind, spec->arenas);
        error = kgc__kind_register(kind);
        if (error != 0) {
            kgc__kind_dispose(kind);
            return error;
        }
    }
    *out = kind;
    return 0;
}

void kgc__kind_dispose(kgc_kind *kind)
{
    kgc__members_close(kind);
    kgc__file_close_kind(kind);
    kgc__hugetlb_close(kind);
    kgc__locked_close(kind);
    kgc__fixed_close(kind);
    kgc__caller_close(kind);
    kgc__placed_disclaim(kind->placed_number);
    kgc__space_close(&kind->space);
    kgc__kind_record_free(kind);
}

static int open_text(const char *text, const kgc_kind_options *options, bool quiet, const char *function,
                     kgc_kind **out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "%s: out is NULL", function);
    *out = NULL;
    struct kgc__spec spec, members[KGC__TIER_MAX];
    int error = kgc__spec_parse(text, &spec, members);
    if (error == 0)
        error = kgc__spec_take_options(&spec, options, function);
    for (unsigned i = 0; i < spec.members; i++)
        members[i].quiet = quiet;
    spec.quiet = quiet;
    return error != 0 ? error : kgc__kind_open_spec(&spec, NULL, out);
}

int kgc_kind_open(const char *spec, kgc_kind **out)
{
    return open_text(spec, NULL, false, "kgc_kind_open", out);
}

int kgc_kind_open_with(const char *spec, const kgc_kind_options *options, kgc_kind **out)
{
    return open_text(spec, options, false, "kgc_kind_open_with", out);
}

int kgc_kind_check(const char *spec)
{
    kgc_kind *kind;
    int error = open_text(spec, NULL, true, "kgc_kind_check", &kind);
    return error != 0 ? error : kgc_kind_close(kind);
}

static size_t section_bytes(kgc_kind *kind)
{
    size_t sum = atomic_load(&kind->space.bytes[KGC__LOW]);
    for (unsigned i = 0; i < kind->members; i++)
        sum += atomic_load(&kind->member[i]->space.bytes[KGC__LOW]);
    return sum;
}

static size_t placed_bytes(kgc_kind *kind)
{
    size_t sum = atomic_load(&kind->space.range.placed);
    for (unsigned i = 0; i < kind->members; i++)
        sum += atomic_load(&kind->member[i]->space.range.placed);
    return sum;
}

static bool has_objects(const kgc_kind *kind)
{
    return atomic_load(&kind->object_kind[0]) != 0 || atomic_load(&kind->object_kind[1]) != 0;
}

static bool was_placed_on(const kgc_kind *kind)
{
    bool was = kind->placed_number != 0 || has_objects(kind);
    for (unsigned i = 0; i < kind->members; i++)
        was |= kind->member[i]->placed_number != 0;
    return was;
}

static void unregister_and_dispose(void *arg)
{
    kgc_kind *kind = arg;
    if (has_objects(kind))
        kgc__collector.forget(kind);
    unregister(kind);
    kgc__kind_dispose(kind);
}

int kgc_kind_close(kgc_kind *kind)
{
    if (kind == NULL)
        return kgc__fail(EINVAL, "kgc_kind_close: the kind is NULL");
    if (kind->parent != NULL)
        return kgc__fail(EINVAL, "kgc_kind_close: \"%s\" is a member of \"%s\" and is closed with it",
                         kind->name, kind->parent->name);
    if (atomic_load(&kind->pins) != 0)
        return kgc__fail(EBUSY, "kgc_kind_close: \"%s\" is the kind of the GC heap; set another one first",
                         kind->name);
    if (section_bytes(kind) != 0)
        return kgc__fail(EBUSY,
                         "kgc_kind_close: the GC heap has sections of \"%s\", which libgc never returns",
                         kind->name);
    if (placed_bytes(kind) != 0)
        kgc__collector.withdraw(kind);
    if (placed_bytes(kind) != 0)
        return kgc__fail(EBUSY,
                         "kgc_kind_close: collectable objects lie on \"%s\"; drop the last pointers to them",
                         kind->name);
    if (kind->explicit_ops != NULL) {
        int error = kind->explicit_ops->close(kind);
        if (error != 0)
            return error;
    }
    if (kind->scanned || was_placed_on(kind)) /* a collection that runs may be about to look at it */
        kgc__collector.exclude(unregister_and_dispose, kind);
    else
        unregister_and_dispose(kind);
    return 0;
}

const char *kgc_kind_name(const kgc_kind *kind)
{
    return kind != NULL ? kind->name : "";
}

const extent_hooks_t *kgc_kind_hooks(const kgc_kind *kind)
{
    return kind != NULL ? &kind->space.hooks : NULL;
}

kgc_kind *kgc_kind_of(const void *p)
{
    kgc_kind *placed = kgc__placed_owner(p);
    return kgc__likely(placed == NULL) ? kgc__kind_of_owner(kgc__map_owner(p)) : placed;
}

enum kgc__use kgc__kind_use_of(const void *p, kgc_kind **out)
{
    const void *owner = kgc__map_owner(p);
    kgc_kind *kind = *out = kgc__kind_of_owner(owner);
    if (kind == NULL)
        return KGC__UNUSED;
    if (kind->caller_hooks != NULL)
        return owner != (void *)kind ? KGC__EXPLICIT : KGC__SECTION;
    struct kgc__range *range = &kind->space.range;
    size_t offset = (size_t)((const char *)p - range->base);
    if (offset < kgc__range_taken(range, KGC__LOW))
        return KGC__SECTION;
    return offset >= range->size - kgc__range_taken(range, KGC__HIGH) ? KGC__EXPLICIT : KGC__UNUSED;
}

void kgc_kind_visit(void (*fn)(kgc_kind *, void *), void *arg)
{
    for (size_t i = 0, n = atomic_load(&places); i < n; i++) {
        kgc_kind *kind = atomic_load(&open_kinds[i]);
        if (kind == NULL)
            continue;
        fn(kind, arg);
        for (unsigned m = 0; m < kind->members; m++)
            fn(kind->member[m], arg);
    }
}
