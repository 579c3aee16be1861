/* SPDX-License-Identifier: MIT */
/* Shows the sections to callers, with what the system says of each. */
#include "os/os.h"
#include "os/proc.h"
#include "section/section.h"
#include "section/table.h"

/* Sections in the order of the table, and their order by address, so that one
   pass over the mappings serves all. */
struct view {
    size_t count;
    kgc_section *section;
    size_t *by_address;
    size_t next; /* the first in by_address that ends behind the mappings so far */
};

static void sort_by_address(struct view *v)
{
    /* Shell sort: no recursion, no allocation; sections arrive nearly sorted. */
    for (size_t gap = v->count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < v->count; i++) {
            size_t moved = v->by_address[i], k = i;
            for (; k >= gap && v->section[v->by_address[k - gap]].base > v->section[moved].base; k -= gap)
                v->by_address[k] = v->by_address[k - gap];
            v->by_address[k] = moved;
        }
    }
}

static bool add_mapping(const struct kgc__mapping *m, void *arg)
{
    struct view *v = arg;
    for (size_t i = v->next; i < v->count; i++) {
        kgc_section *s = &v->section[v->by_address[i]];
        uintptr_t start = (uintptr_t)s->base, end = start + s->size;
        if (start >= m->end)
            break;
        if (end <= m->start) {
            v->next = i + 1;
            continue;
        }
        if (start < m->start)
            start = m->start;
        if (end > m->end)
            end = m->end;
        double share = (double)(end - start) / (double)(m->end - m->start);
        s->huge += (size_t)((double)m->huge * share);
    }
    return v->next < v->count;
}

static void fill(struct view *v)
{
    for (size_t i = 0; i < v->count; i++) {
        struct kgc__section_record *r = kgc__table_get(i);
        v->section[i] = (kgc_section){
            .base = r->base, .size = r->size, .kind = r->kind, .purged = atomic_load(&r->purged)};
        size_t resident = kgc__proc_resident(r->base, r->size);
        v->section[i].resident = resident != SIZE_MAX ? resident : 0;
        v->by_address[i] = i;
    }
    sort_by_address(v);
    kgc__proc_visit_mappings(add_mapping, v);
}

void kgc_heap_visit_sections(int (*fn)(const kgc_section *, void *), void *arg)
{
    struct view v = {.count = kgc__table_count()};
    size_t bytes = v.count * (sizeof *v.section + sizeof *v.by_address);
    v.section = v.count != 0 ? kgc__os_map_plain(bytes) : NULL;
    if (v.section == NULL)
        return;
    v.by_address = (size_t *)(v.section + v.count);
    fill(&v);
    for (size_t i = 0; i < v.count; i++)
        if (fn(&v.section[i], arg) != 0)
            break;
    kgc__os_release(v.section, bytes);
}
