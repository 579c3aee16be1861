/* SPDX-License-Identifier: MIT */
/* What the tests of objects on kinds of the caller's choice share. */
#ifndef KGC_TESTS_PLACE_H
#define KGC_TESTS_PLACE_H

#include "base/size.h"
#include "kind/kind.h"
#include "suite.h"
#include "support/extents.h"
#include "support/mappings.h"
#include "support/system.h"
#include <kindgc.h>
#include <pthread.h>
#include <stdio.h>

#define UNUSED __attribute__((unused))

/* NULL, with the reason printed, when this machine cannot give it. */
static UNUSED kgc_kind *open_or_skip(const char *spec)
{
    kgc_kind *kind = NULL;
    if (kgc_kind_open(spec, &kind) != 0)
        printf("SKIP: %s\n", kgc_last_error());
    return kind;
}

static UNUSED size_t placed_on(kgc_kind *kind)
{
    return stats_of(kind).placed;
}

/* Pointers that were left on the stack. */
static UNUSED __attribute__((noinline)) void overwrite_stack(void)
{
    volatile char space[32768];
    for (size_t i = 0; i < sizeof space; i++)
        space[i] = 0;
}

static UNUSED void collect(void)
{
    for (int i = 0; i < 3; i++) {
        overwrite_stack();
        kgc_collect();
    }
}

static UNUSED void *in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    void *result = NULL;
    ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    return result;
}

struct object {
    char *p;
    size_t size;
};

/* Do all its pages belong to the kind? */
static UNUSED bool is_on(const kgc_kind *kind, const struct object *o)
{
    for (size_t at = 0; at < o->size; at += PAGE) {
        kgc_kind *of = kgc_kind_of(o->p + at);
        if (of == NULL || kgc__kind_root(of) != kind)
            return false;
    }
    return kgc__kind_root(kgc_kind_of(o->p + o->size - 1)) == kind;
}

/* The heap's own kind, and others. */
enum { KINDS = 4 };
static UNUSED void open_kinds(kgc_kind *kind[KINDS])
{
    kind[0] = NULL;
    kind[1] = open_kind("numa:interleave=0");
    kind[2] = open_kind(quick_file_kind());
    kind[3] = open_kind("thp");
}

#endif
