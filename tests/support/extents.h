/* SPDX-License-Identifier: MIT */
/* For tests of kinds: memory straight from a kind's hooks, as a jemalloc arena
   or the collector asks for it. */
#ifndef KGC_TESTS_SUPPORT_EXTENTS_H
#define KGC_TESTS_SUPPORT_EXTENTS_H

#include "kind/kind.h"
#include <check.h>
#include <kindgc/init.h>

enum { PAGE = 4096, ARENA = 5 }; /* the index of some arena: the hooks do not mind which */

static inline extent_hooks_t *hooks_of(kgc_kind *kind)
{
    return (extent_hooks_t *)kgc_kind_hooks(kind);
}

/* NULL when refused. */
static inline char *try_extent(kgc_kind *kind, size_t size, unsigned arena)
{
    extent_hooks_t *h = hooks_of(kind);
    bool zero = true, commit = true;
    return h->alloc(h, NULL, size, PAGE, &zero, &commit, arena);
}

static inline char *take_extent(kgc_kind *kind, size_t size)
{
    char *p = try_extent(kind, size, ARENA);
    ck_assert_msg(p != NULL, "no %zu bytes from %s", size, kgc_kind_name(kind));
    return p;
}

static inline kgc_kind *open_kind(const char *spec)
{
    kgc_kind *kind = NULL;
    ck_assert_msg(kgc_kind_open(spec, &kind) == 0, "%s", kgc_last_error());
    ck_assert_str_eq(kgc_kind_name(kind), spec);
    return kind;
}

static inline void close_kind(kgc_kind *kind)
{
    ck_assert_msg(kgc_kind_close(kind) == 0, "%s", kgc_last_error());
}

static inline kgc_kind_info stats_of(kgc_kind *kind)
{
    kgc_kind_info info;
    ck_assert_int_eq(kgc_kind_stats(kind, &info), 0);
    return info;
}

#endif
