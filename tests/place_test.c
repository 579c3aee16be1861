/* SPDX-License-Identifier: MIT */
/* Objects of all sizes on kinds of all families, and from heaps on all
   families: the system says that they lie where they should. */
#include "place.h"
#include <stdlib.h>

static const size_t large_sizes[] = {2048, 4096, 10000, 100 * KGC_KIB, 3 * KGC_MIB};
enum {
    LARGE_SIZES = sizeof large_sizes / sizeof large_sizes[0],
    EACH = 3,
    OBJECTS = 2 * EACH * (2048 / 16 + 3 + LARGE_SIZES)
};

struct family {
    kgc_kind *kind;
    const char *spec; /* as lies_as() understands it */
    struct object *object;
    size_t count;
    const char *problem;
};

static bool lies_right(const char *spec, const struct object *o)
{
    for (size_t at = 0; at < o->size; at += PAGE)
        if (!lies_as(spec, o->p + at))
            return false;
    return lies_as(spec, o->p + o->size - 1);
}

static const char *add(struct family *f, size_t size, unsigned flags)
{
    struct object o = {kgc_allocate_in(f->kind, size, flags), size};
    if (o.p == NULL)
        return kgc_last_error();
    if (!is_on(f->kind, &o))
        return "not on its kind";
    if (flags == 0 && !all_bytes(o.p, size, 0))
        return "not zeroed";
    if (kgc_size(o.p) <= size || (uintptr_t)o.p % 16 != 0 || kgc_base(o.p + size) != o.p)
        return "not as other objects";
    memset(o.p, (int)(f->count % 15 + 1), size); /* no address */
    f->object[f->count++] = o;
    return NULL;
}

static const char *add_all(struct family *f)
{
    static const unsigned flags[] = {0, KGC_ATOMIC, KGC_NOZERO};
    for (unsigned i = 0; i < EACH; i++) {
        for (unsigned atomic = 0; atomic <= KGC_ATOMIC; atomic++) {
            const char *problem = NULL;
            unsigned how = atomic != 0 ? KGC_ATOMIC : flags[i] & KGC_NOZERO;
            for (size_t size = 1; problem == NULL && size < 2048; size += 16)
                problem = add(f, size, how);
            for (size_t size = 2030; problem == NULL && size < 2048; size += 8)
                problem = add(f, size, how);
            for (unsigned k = 0; problem == NULL && k < LARGE_SIZES; k++)
                problem = add(f, large_sizes[k], how);
            if (problem != NULL)
                return problem;
        }
    }
    return NULL;
}

static const char *check_all(struct family *f)
{
    read_mappings();
    for (size_t i = 0; i < f->count; i++) {
        if (!all_bytes(f->object[i].p, f->object[i].size, (unsigned char)(i % 15 + 1)))
            return "contents have changed";
        if (!is_on(f->kind, &f->object[i]))
            return "not on its kind any more";
        if (f->spec != NULL && !lies_right(f->spec, &f->object[i]))
            return "not where its kind lies";
    }
    return NULL;
}

/* The table of objects is a root only while this runs. */
static void *fill_and_check(void *arg)
{
    struct family *f = arg;
    f->object = kgc_malloc(OBJECTS * sizeof *f->object);
    f->problem = add_all(f);
    if (f->problem == NULL)
        f->problem = check_all(f);
    kgc_collect();
    if (f->problem == NULL)
        f->problem = check_all(f);
    if (f->problem == NULL && placed_on(f->kind) < 10 * KGC_MIB)
        f->problem = "not counted";
    memset(f->object, 0, OBJECTS * sizeof *f->object);
    kgc_free(f->object);
    return NULL;
}

static void check_family(const char *spec, const char *lies)
{
    struct family f = {.kind = open_or_skip(spec), .spec = lies};
    if (f.kind == NULL)
        return;
    in_thread(fill_and_check, &f);
    ck_assert_msg(f.problem == NULL, "%s: %s", spec, f.problem);
    collect();
    /* What a conservative collector may keep is little. */
    ck_assert_uint_le(placed_on(f.kind), 8 * KGC_MIB);
}

START_TEST(ordinary_kinds)
{
    check_family("default", "default");
    check_family("numa:bind=0", "numa:bind=0");
    check_family("numa:interleave=all", "numa:interleave");
}
END_TEST

START_TEST(more_nodes)
{
    check_family("numa:preferred=0", "numa:preferred=0");
    check_family("numa:local", "numa:local");
    check_family("highest-capacity", NULL); /* on which node is the machine's affair */
}
END_TEST

START_TEST(files)
{
    check_family(quick_file_kind(), quick_file_kind());
}
END_TEST

START_TEST(huge_pages)
{
    check_family("thp", "thp");
}
END_TEST

START_TEST(locked)
{
    check_family("locked,limit=100M", "locked");
}
END_TEST

START_TEST(tiers)
{
    char spec[256];
    snprintf(spec, sizeof spec, "tier:numa:bind=0@2M+%s", quick_file_kind());
    check_family(spec, NULL);
    snprintf(spec, sizeof spec, "ratio:default@1+%s@1", quick_file_kind());
    check_family(spec, NULL);
}
END_TEST

/* ---- the heap on other kinds ---- */

static int on_this_heap(void *arg)
{
    const char *heap = arg;
    kgc_options options = {.heap = heap};
    if (kgc_init(&options) != 0) {
        printf("SKIP: %s\n", kgc_last_error());
        return 0;
    }
    const char *specs[] = {"default", "numa:bind=0", quick_file_kind(), "thp", "locked,limit=100M"};
    for (unsigned i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct family f = {.kind = open_or_skip(specs[i])};
        pthread_t thread;
        if (f.kind == NULL)
            continue;
        f.spec = specs[i];
        if (pthread_create(&thread, NULL, fill_and_check, &f) != 0 || pthread_join(thread, NULL) != 0)
            return 2;
        if (f.problem != NULL) {
            fprintf(stderr, "heap on %s, objects on %s: %s\n", heap, specs[i], f.problem);
            return 1;
        }
        for (int k = 0; k < 3; k++) {
            overwrite_stack();
            kgc_collect();
        }
        if (placed_on(f.kind) > 8 * KGC_MIB)
            return 3;
        /* What went back is what the heap's other pages are. */
        char *p = kgc_allocate(20 * KGC_MIB);
        struct object o = {p, 20 * KGC_MIB};
        read_mappings();
        const char *lies = strncmp(heap, "tier:", 5) == 0 ? NULL : heap;
        memset(p, 1, o.size);
        if (lies != NULL && (!lies_right(lies, &o) || !is_on(kgc_heap_kind(), &o)))
            return 4;
    }
    return 0;
}

START_TEST(heap_on_pages)
{
    ck_assert(exited(in_child(on_this_heap, "default"), 0));
    ck_assert(exited(in_child(on_this_heap, "numa:interleave=0"), 0));
    ck_assert(exited(in_child(on_this_heap, "thp"), 0));
}
END_TEST

START_TEST(heap_on_a_file)
{
    ck_assert(exited(in_child(on_this_heap, "file:/var/tmp"), 0));
    ck_assert(exited(in_child(on_this_heap, "tier:default@16M+file:/var/tmp"), 0));
}
END_TEST

START_TEST(heap_locked)
{
    ck_assert(exited(in_child(on_this_heap, "locked,limit=512M"), 0));
}
END_TEST

SUITE("objects on kinds", ordinary_kinds, more_nodes, files, huge_pages, locked, tiers, heap_on_pages,
      heap_on_a_file, heap_locked)
