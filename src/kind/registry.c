/* SPDX-License-Identifier: MIT */
/*
 * Which kinds are open, and opening and closing them.
 *
 * Opening and closing take a lock; looking at the table does not.  The heap's
 * kind may be opened inside libgc's request for memory, with libgc's lock
 * held and threads running: so nothing here calls libgc or malloc.
 */
#include "base/check.h"
#include "base/lock.h"
#include "base/message.h"
#include "base/size.h"
#include "extent/map.h"
#include "kind/kind.h"
#include "os/meta.h"
#include "os/os.h"
#include "os/proc.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { KINDS_MAX = 4096 };

static kgc__lock lock = KGC__LOCK_INIT(KGC__RANK_KINDS);
static _Atomic(kgc_kind *) open_kinds[KINDS_MAX];
static kgc_kind *spare; /* closed records, linked through `parent` */

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
        if (atomic_load(&open_kinds[i]) == NULL && atomic_compare_exchange_strong(&open_kinds[i], &none, kind))
            return 0;
    }
    return kgc__fail(ENOMEM, "%d kinds are open, which is the most; close some", KINDS_MAX);
}

void kgc__registry_after_fork_in_child(void)
{
    kgc__lock_reset(&lock);
}

static void unregister(const kgc_kind *kind)
{
    for (size_t i = 0; i < KINDS_MAX; i++)
        if (atomic_load(&open_kinds[i]) == kind)
            atomic_store(&open_kinds[i], NULL);
}

int kgc__kind_open_spec(const struct kgc__spec *spec, kgc_kind *parent, kgc_kind **out)
{
    static int (*const open_family[])(kgc_kind *, const struct kgc__spec *) = {
        [KGC__DEFAULT] = kgc__default_open, [KGC__THP] = kgc__thp_open,   [KGC__HUGETLB] = kgc__hugetlb_open,
        [KGC__FILE] = kgc__file_open_kind,  [KGC__TIER] = kgc__tier_open,
    };
    kgc_kind *kind = kgc__kind_record(spec->text);
    if (kind == NULL)
        return ENOMEM;
    kind->parent = parent;
    int error = open_family[spec->family](kind, spec);
    if (error == 0 && parent == NULL) {
        error = kgc__kind_register(kind);
        if (error != 0) {
            kgc__kind_dispose(kind);
            return error;
        }
    }
    if (error != 0) {
        kgc__kind_record_free(kind);
        return error;
    }
    *out = kind;
    return 0;
}

void kgc__kind_dispose(kgc_kind *kind)
{
    kgc__tier_close(kind);
    kgc__file_close_kind(kind);
    kgc__hugetlb_close(kind);
    kgc__space_close(&kind->space);
    kgc__kind_record_free(kind);
}

int kgc_kind_open(const char *spec, kgc_kind **out)
{
    if (out == NULL)
        return kgc__fail(EINVAL, "kgc_kind_open: out is NULL");
    *out = NULL;
    struct kgc__spec parsed, members[KGC__TIER_MAX];
    int error = kgc__spec_parse(spec, &parsed, members);
    return error != 0 ? error : kgc__kind_open_spec(&parsed, NULL, out);
}

int kgc_kind_check(const char *spec)
{
    kgc_kind *kind;
    int error = kgc_kind_open(spec, &kind);
    return error != 0 ? error : kgc_kind_close(kind);
}

static size_t section_bytes(kgc_kind *kind)
{
    size_t sum = atomic_load(&kind->space.bytes[KGC__LOW]);
    for (unsigned i = 0; i < kind->members; i++)
        sum += atomic_load(&kind->member[i]->space.bytes[KGC__LOW]);
    return sum;
}

int kgc_kind_close(kgc_kind *kind)
{
    if (kind == NULL)
        return kgc__fail(EINVAL, "kgc_kind_close: the kind is NULL");
    if (kind->parent != NULL)
        return kgc__fail(EINVAL, "kgc_kind_close: \"%s\" is a member of \"%s\" and is closed with it", kind->name,
                         kind->parent->name);
    if (atomic_load(&kind->pins) != 0)
        return kgc__fail(EBUSY, "kgc_kind_close: \"%s\" is the kind of the GC heap; set another one first",
                         kind->name);
    if (section_bytes(kind) != 0)
        return kgc__fail(EBUSY, "kgc_kind_close: the GC heap has sections of \"%s\", which libgc never returns",
                         kind->name);
    if (kind->explicit_ops != NULL) {
        int error = kind->explicit_ops->close(kind);
        if (error != 0)
            return error;
    }
    unregister(kind);
    kgc__kind_dispose(kind);
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
    return kgc__kind_of_owner(kgc__map_owner(p));
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
    for (size_t i = 0; i < KINDS_MAX; i++) {
        kgc_kind *kind = atomic_load(&open_kinds[i]);
        if (kind == NULL)
            continue;
        fn(kind, arg);
        for (unsigned m = 0; m < kind->members; m++)
            fn(kind->member[m], arg);
    }
}
