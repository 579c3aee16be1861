/* SPDX-License-Identifier: MIT */
/*
 * The table of --table: pauses as the library's events tell them, the heap's
 * sections and where they lie.
 */
#include "measure.h"
#include "lib.h"
#include <kindgc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIB (1024.0 * 1024.0)

measurements measured;
static struct timespec started;

/* Called with the collector's lock held and other threads suspended: it
   counts and does nothing else. */
static void count(const kgc_event *e, void *arg)
{
    measurements *m = arg;
    if (e->type == KGC_EVENT_COLLECTION_END)
        m->collections++;
    else if (e->type == KGC_EVENT_PAUSE_END) {
        m->pauses += e->value;
        if (m->longest < e->value)
            m->longest = e->value;
    }
}

void measure_start(void)
{
    static const kgc_listener listener = {count};
    clock_gettime(CLOCK_MONOTONIC, &started);
    if (kgc_add_listener(&listener, &measured))
        fprintf(stderr, "lisp: no events from the collector: %s\n", kgc_last_error());
}

/* The sections of one kind. */
typedef struct share {
    const char *kind;
    size_t sections, bytes, resident, huge;
} share;

#define MOST_KINDS 8

static int add_section(const kgc_section *s, void *arg)
{
    share *all = arg;
    const char *name = s->kind ? kgc_kind_name(s->kind) : "";
    if (!s->kind)
        return 0; /* the collector's own tables */
    int i = 0;
    while (i < MOST_KINDS - 1 && all[i].kind && strcmp(all[i].kind, name) != 0)
        i++;
    all[i].kind = name;
    all[i].sections++;
    all[i].bytes += s->size;
    all[i].resident += s->resident;
    all[i].huge += s->huge;
    return 0;
}

/* The column of the heap's kind: a specification may be long. */
static int kind_width(void)
{
    size_t width = strlen(kgc_kind_name(kgc_heap_kind()));
    return width < 12 ? 12 : (int)width;
}

void measure_heading(void)
{
    fprintf(stderr, "%-12s %-*s %7s %5s %9s %9s %8s %6s %6s   %8s %7s %8s %7s  %s\n", "program", kind_width(),
            "heap kind", "time s", "GCs", "pauses ms", "longest", "heap MiB", "final.", "closed", "sections",
            "MiB", "resident", "huge", "of kind");
}

void measure_row(const char *program)
{
    struct timespec now;
    share all[MOST_KINDS] = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - started.tv_sec) + (double)(now.tv_nsec - started.tv_nsec) / 1e9;
    kgc_heap_visit_sections(add_section, all);
    const char *kind = kgc_kind_name(kgc_heap_kind()), *base = strrchr(program, '/');
    base = base ? base + 1 : program;
    int left =
        fprintf(stderr, "%-12.*s %-*s %7.2f %5zu %9.1f %9.1f %8.1f %6zu %6zu  ", (int)strcspn(base, "."),
                base, kind_width(), kind, seconds, measured.collections, (double)measured.pauses / 1e6,
                (double)measured.longest / 1e6, (double)kgc_heap_size() / MIB, ports.finalized, ports.closed);
    /* A tier has sections of several kinds: a line for each. */
    for (int i = 0; i < MOST_KINDS && all[i].kind; i++)
        fprintf(stderr, "%*s%9zu %7.1f %8.1f %7.1f  %s\n", i ? left : 0, "", all[i].sections,
                (double)all[i].bytes / MIB, (double)all[i].resident / MIB, (double)all[i].huge / MIB,
                all[i].kind);
}
