/* SPDX-License-Identifier: MIT */
/*
 * Loaded objects, by glibc's _dl_find_object() (2.35), which takes no lock: a
 * thread that asks while another is in dlopen() waits for nobody.  Older
 * glibc: dl_iterate_phdr(), which waits until libraries are loaded.
 */
#include "leak/object.h"
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#if __GLIBC_PREREQ(2, 35)
bool kgc__object_find(uintptr_t p, struct kgc__object *out)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)p, &found) != 0)
        return false;
    *out = (struct kgc__object){.start = (uintptr_t)found.dlfo_map_start,
                                .end = (uintptr_t)found.dlfo_map_end,
                                .bias = found.dlfo_link_map->l_addr,
                                .unwind = found.dlfo_eh_frame,
                                .name = found.dlfo_link_map->l_name,
                                .handle = found.dlfo_link_map};
    return true;
}
#else
struct search {
    uintptr_t p;
    struct kgc__object *out;
};

static int examine(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct search *search = arg;
    struct kgc__object o = {.start = UINTPTR_MAX, .bias = info->dlpi_addr, .name = info->dlpi_name};
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t at = o.bias + segment->p_vaddr;
        if (segment->p_type == PT_GNU_EH_FRAME)
            o.unwind = (const unsigned char *)at;
        if (segment->p_type == PT_LOAD && at < o.start)
            o.start = at;
        if (segment->p_type == PT_LOAD && at + segment->p_memsz > o.end)
            o.end = at + segment->p_memsz;
    }
    o.handle = info->dlpi_phdr;
    if (search->p < o.start || search->p >= o.end)
        return 0;
    *search->out = o;
    return 1;
}

bool kgc__object_find(uintptr_t p, struct kgc__object *out)
{
    struct search search = {p, out};
    return dl_iterate_phdr(examine, &search) != 0;
}
#endif

/* The note's descriptor in the notes [p, end). */
static size_t build_id_of(const char *p, const char *end, unsigned char *out, size_t size)
{
    while ((size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)p;
        const char *name = p + sizeof *note, *id = name + ((note->n_namesz + 3) & ~3u);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
            note->n_descsz <= (size_t)(end - id)) {
            size_t n = note->n_descsz < size ? note->n_descsz : size;
            memcpy(out, id, n);
            return n;
        }
        p = id + ((note->n_descsz + 3) & ~3u);
        if (p > end)
            break;
    }
    return 0;
}

size_t kgc__object_build_id(const struct kgc__object *object, unsigned char *out, size_t size)
{
    /* Its first page is that of the file, with the program headers. */
    const ElfW(Ehdr) *header = (const void *)object->start;
    size_t length = object->end - object->start;
    if (length < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff > 4096 ||
        header->e_phnum > 64)
        return 0;
    const ElfW(Phdr) *segments = (const void *)(object->start + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *s = &segments[i];
        uintptr_t at = object->bias + s->p_vaddr;
        if (s->p_type != PT_NOTE || at < object->start || at + s->p_memsz > object->end)
            continue;
        size_t n = build_id_of((const char *)at, (const char *)at + s->p_memsz, out, size);
        if (n != 0)
            return n;
    }
    return 0;
}
