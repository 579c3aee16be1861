/* SPDX-License-Identifier: MIT */
/*
 * Replaces libgc's own slots for the functions it imports.
 *
 * libgc 8.2 has no way to be given memory.  Its calls to mmap and friends go
 * through slots of its own (R_*_JUMP_SLOT or R_*_GLOB_DAT relocations), which
 * are rewritten here, so nobody else's calls change.  In Debian's build the
 * slots lie in .got.plt, which must stay writable for lazy binding; in a
 * `-z now` build they lie inside RELRO, which is opened, written and closed
 * again.
 */
#include "base/message.h"
#include "base/size.h"
#include "os/os.h"
#include "section/section.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#if defined __x86_64__
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT };
#elif defined __aarch64__
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOB_DAT = R_AARCH64_GLOB_DAT };
#else
#error "kindgc runs on x86-64 and aarch64"
#endif

static const struct replacement {
    const char *name;
    void (*function)(void);
} replacements[] = {
    {"mmap", (void (*)(void))kgc__libgc_mmap},
    {"madvise", (void (*)(void))kgc__libgc_madvise},
    {"mprotect", (void (*)(void))kgc__libgc_mprotect},
    {"pthread_kill", (void (*)(void))kgc__libgc_pthread_kill},
};
enum { REPLACEMENTS = sizeof replacements / sizeof replacements[0] };

static int attach_error = ENOTSUP; /* until attached */
static const char *attach_why = "libgc was not looked for yet";
static uintptr_t code_start, code_end;

/* What of libgc's dynamic section is needed. */
struct object {
    ElfW(Addr) base;
    const char *strings, *soname;
    const ElfW(Sym) *symbols;
    const ElfW(Rela) *relocations[2];
    size_t count[2];
    uintptr_t relro_start, relro_end;
};

/* glibc adds the load address to these entries in place; others may not. */
static const void *address_of(const struct object *o, ElfW(Addr) value)
{
    return (const void *)(value >= o->base ? value : value + o->base);
}

static void read_dynamic(const struct link_map *map, struct object *o)
{
    size_t soname = 0;
    o->base = map->l_addr;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) {
        case DT_STRTAB:
            o->strings = address_of(o, d->d_un.d_ptr);
            break;
        case DT_SYMTAB:
            o->symbols = address_of(o, d->d_un.d_ptr);
            break;
        case DT_SONAME:
            soname = d->d_un.d_val;
            break;
        case DT_JMPREL:
            o->relocations[0] = address_of(o, d->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            o->count[0] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        case DT_RELA:
            o->relocations[1] = address_of(o, d->d_un.d_ptr);
            break;
        case DT_RELASZ:
            o->count[1] = d->d_un.d_val / sizeof(ElfW(Rela));
            break;
        default:
            break;
        }
    }
    o->soname = soname != 0 && o->strings != NULL ? o->strings + soname : "";
}

/* Notes the extent of the object's code and of its RELRO. */
static int read_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object *o = arg;
    (void)size;
    if (info->dlpi_addr != o->base)
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + h->p_vaddr, end = start + h->p_memsz;
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X) != 0) {
            code_start = start;
            code_end = end;
        } else if (h->p_type == PT_GNU_RELRO) {
            o->relro_start = kgc__round_down(start, kgc__page_size());
            o->relro_end = kgc__round_down(end, kgc__page_size());
        }
    }
    return 1;
}

static bool write_slot(const struct object *o, void (**slot)(void), void (*function)(void))
{
    uintptr_t address = (uintptr_t)slot;
    bool read_only = address >= o->relro_start && address < o->relro_end;
    void *page = (void *)kgc__round_down(address, kgc__page_size());
    if (read_only && kgc__os_make_usable(page, kgc__page_size()) != 0)
        return false;
    __atomic_store_n(slot, function, __ATOMIC_RELEASE);
    if (read_only)
        kgc__os_make_read_only(page, kgc__page_size());
    return true;
}

static const struct replacement *find_replacement(const char *name)
{
    for (size_t i = 0; i < REPLACEMENTS; i++)
        if (strcmp(replacements[i].name, name) == 0)
            return &replacements[i];
    return NULL;
}

/* Returns a bit for each replacement that found a slot. */
static unsigned replace_slots(const struct object *o)
{
    unsigned found = 0;
    for (int table = 0; table < 2; table++) {
        for (size_t i = 0; i < o->count[table]; i++) {
            const ElfW(Rela) *r = &o->relocations[table][i];
            unsigned long type = ELF64_R_TYPE(r->r_info);
            if (type != JUMP_SLOT && type != GLOB_DAT)
                continue;
            const char *name = o->strings + o->symbols[ELF64_R_SYM(r->r_info)].st_name;
            const struct replacement *p = find_replacement(name);
            if (p != NULL && write_slot(o, (void (**)(void))(o->base + r->r_offset), p->function))
                found |= 1u << (p - replacements);
        }
    }
    return found;
}

static int fail(const char *why)
{
    attach_why = why;
    return attach_error = kgc__fail(ENOTSUP, "%s", why);
}

static struct link_map *find_libgc(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "GC_get_version");
    Dl_info info;
    struct link_map *map = NULL;
    return symbol != NULL && dladdr1(symbol, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 ? map : NULL;
}

void *kgc__libgc_function(const char *name, _Atomic(void *) *known)
{
    void *function = atomic_load_explicit(known, memory_order_relaxed);
    if (function == NULL) {
        const struct link_map *libgc = find_libgc();
        /* Libraries that the program was started with have no list to search before they are opened. */
        void *handle = libgc != NULL ? dlopen(libgc->l_name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
        function = handle != NULL ? dlsym(handle, name) : NULL;
        atomic_store_explicit(known, function, memory_order_relaxed);
    }
    return function;
}

int kgc__section_attach(void)
{
    struct link_map *map = find_libgc();
    if (map == NULL)
        return fail("the shared libgc (libgc.so.1) is not loaded");
    struct object o = {0};
    read_dynamic(map, &o);
    if (strncmp(o.soname, "libgc.so", 8) != 0 || o.symbols == NULL)
        return fail("libgc is linked into the program itself; it can be given memory only as the shared libgc.so.1");
    if (dl_iterate_phdr(read_segments, &o) != 1)
        return fail("libgc's program headers cannot be found");
    if (replace_slots(&o) != (1u << REPLACEMENTS) - 1)
        return fail("this libgc does not import mmap, madvise, mprotect and pthread_kill as libgc 8.2 does");
    kgc__world_attach();
    kgc__section_exclude_own_data();
    attach_error = 0;
    return 0;
}

int kgc__section_attached(void)
{
    return attach_error == 0 ? 0 : kgc__fail(attach_error, "%s", attach_why);
}

bool kgc__section_is_libgc(const void *address)
{
    return (uintptr_t)address >= code_start && (uintptr_t)address < code_end;
}
