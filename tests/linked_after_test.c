/* SPDX-License-Identifier: MIT */
/*
 * A program that names libgc before this library when it is linked: its calls
 * to libgc's setters do not come to us, and libgc is not "the next" library.
 */
#include "suite.h"
#include <dlfcn.h>
#include <gc/gc.h>
#include <kindgc.h>
#include <stdatomic.h>

static _Atomic unsigned ends, events;

static void listen(const kgc_event *event, void *arg)
{
    (void)arg;
    atomic_fetch_add(&ends, event->type == KGC_EVENT_COLLECTION_END);
}
static const kgc_listener listener = {listen};

static void GC_CALLBACK on_event(GC_EventType type)
{
    (void)type;
    atomic_fetch_add(&events, 1);
}

START_TEST(overwritten)
{
    Dl_info info;
    ck_assert_int_ne(dladdr(dlsym(RTLD_DEFAULT, "GC_set_on_collection_event"), &info), 0);
    ck_assert_ptr_nonnull(strstr(info.dli_fname, "libgc.so")); /* else this tests nothing */
    ck_assert_int_eq(kgc_init(NULL), 0);
    ck_assert_int_eq(kgc_add_listener(&listener, NULL), 0);
    kgc_collect();
    ck_assert_uint_eq(ends, 1);
    GC_set_on_collection_event(on_event);
    kgc_collect(); /* unseen, but noticed */
    kgc_collect();
    ck_assert_uint_eq(ends, 2);
    ck_assert_uint_gt(events, 2);
}
END_TEST

START_TEST(limited)
{
    GC_set_warn_proc(GC_ignore_warn_proc);
    ck_assert_int_eq(kgc_heap_set_limit((size_t)8 << 20), 0);
    ck_assert_ptr_null(kgc_allocate((size_t)9 << 20));
    ck_assert_int_eq(kgc_heap_set_limit(0), 0);
    ck_assert_ptr_nonnull(kgc_allocate((size_t)9 << 20));
}
END_TEST

SUITE("linked after libgc", overwritten, limited)
