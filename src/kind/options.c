/* SPDX-License-Identifier: MIT */
/* What a caller asks of a kind beside its specification, and what holds when
   nothing is asked. */
#include "base/message.h"
#include "base/size.h"
#include "kind/kind.h"
#include "os/os.h"
#include <errno.h>

/* Below this one arena: each takes memory for itself in pieces of megabytes. */
#define SMALL_KIND (256 * KGC_MIB)

int kgc__kind_options_check(const kgc_kind_options *options, const char *function)
{
    if (options == NULL)
        return 0;
    if (options->arenas > KGC__ARENAS_MOST)
        return kgc__fail(EINVAL, "%s: the number of arenas is at most %d, not %u", function, KGC__ARENAS_MOST,
                         options->arenas);
    if ((unsigned)options->decay > KGC_DECAY_NEVER)
        return kgc__fail(EINVAL, "%s: %d is no decay policy", function, (int)options->decay);
    if (options->decay == KGC_DECAY_AFTER && options->decay_ms < 0)
        return kgc__fail(EINVAL, "%s: the time of decay is 0 or more milliseconds, not %ld", function,
                         options->decay_ms);
    return 0;
}

int kgc__spec_take_options(struct kgc__spec *spec, const kgc_kind_options *options, const char *function)
{
    int error = kgc__kind_options_check(options, function);
    if (error != 0 || options == NULL)
        return error;
    if (options->limit != 0 && options->limit < spec->limit)
        spec->limit = options->limit;
    if (spec->arenas == 0)
        spec->arenas = options->arenas;
    spec->scanned |= options->scanned;
    spec->decay = options->decay;
    spec->decay_ms = options->decay_ms;
    return 0;
}

size_t kgc__kind_limit(const kgc_kind *kind)
{
    size_t own = kind->caller_limit != 0 ? kind->caller_limit : SIZE_MAX, sum = 0;
    if (kind->space.range.base != NULL)
        return kind->space.range.limit;
    for (unsigned i = 0; i < kind->members; i++)
        if (__builtin_add_overflow(sum, kgc__kind_limit(kind->member[i]), &sum))
            sum = SIZE_MAX;
    return kind->members != 0 && sum < own ? sum : own;
}

void kgc__kind_set_arenas(kgc_kind *kind, unsigned wanted)
{
    unsigned most = 4, processors = kgc__os_processors();
    if (wanted != 0)
        most = wanted;
    else if (kgc__kind_limit(kind) < SMALL_KIND)
        most = 1;
    else if (processors < most)
        most = processors;
    kind->arenas_asked = wanted != 0;
    kind->arenas_max = most;
    for (unsigned i = 0; i < kind->members; i++)
        kind->member[i]->arenas_max = most;
}

void kgc__kind_add_arenas(kgc_kind *kind)
{
    if (kind->arenas_asked || kind->arenas_max == 1)
        return;
    /* Threads that run share one by chance, so twice as many as can run. */
    unsigned most = 2 * kgc__os_processors();
    kgc__kind_set_arenas(kind, most < KGC__ARENAS_MOST ? most : KGC__ARENAS_MOST);
}
