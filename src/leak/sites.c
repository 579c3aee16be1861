/* SPDX-License-Identifier: MIT */
/* The table of sites, and the modules that they lie in: see sites.h. */
#include "leak/sites.h"
#include "base/check.h"
#include "os/meta.h"
#include <string.h>
#include <unistd.h>

/* Sites are numbered in the order of their arrival and lie in chunks.  Hash
   tables hold the numbers; what is in one is never taken out, and when one is
   half full, the next larger one gets the rest.  The first is small because
   each page of it that is touched costs a short program, and each fork, a fault. */
enum { CHUNK = 1024, CHUNKS = 512, SITES = CHUNK * CHUNKS, TABLES = 4 };
static _Atomic(struct kgc__site *) chunks[CHUNKS];
static _Atomic uint32_t site_count;
static struct table {
    size_t size; /* a power of two */
    _Atomic(_Atomic uint32_t *) slots;
    _Atomic uint32_t used;
} tables[TABLES] = {{.size = 1 << 11}, {.size = 1 << 15}, {.size = 1 << 18}, {.size = 2 * SITES}};

static struct kgc__module modules[KGC__SITE_MODULES];
static _Atomic unsigned module_count; /* may exceed the table */

_Atomic uint32_t kgc__sites_epoch;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93;
    return x ^ x >> 32;
}

uint64_t kgc__site_mix(uint32_t number)
{
    return mix(number);
}

static const char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kgc__meta_allocate(size);
    return copy != NULL ? memcpy(copy, text, size) : "";
}

static const char *path_of(const struct kgc__object *object)
{
    char path[1024];
    if (object->name[0] != '\0')
        return copy_text(object->name);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return copy_text(path);
}

/* Is the library that this function is part of in the module?  A program that
   contains it, as unit tests do, is not taken for it. */
static bool is_own(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    return strncmp(name, "libkindgc.so", 12) == 0 || strncmp(name, "libkindgc-malloc.so", 19) == 0;
}

static bool is_same(const struct kgc__module *m, const struct kgc__object *o)
{
    return m->start == o->start && m->end == o->end && m->handle == o->handle && m->bias == o->bias;
}

static void forget_module(unsigned number)
{
    if (atomic_exchange(&modules[number].gone, true))
        return;
    uint32_t count = kgc__sites_count();
    for (uint32_t i = 1; i <= count; i++) {
        struct kgc__site *site = (struct kgc__site *)kgc__site_by_number(i);
        if (site != NULL && site->module == number)
            atomic_store(&site->gone, true);
    }
    atomic_fetch_add(&kgc__sites_epoch, 1);
}

static bool is_there(const struct kgc__module *m)
{
    return atomic_load_explicit(&m->ready, memory_order_acquire) && !atomic_load(&m->gone);
}

/* The number of an object's module.  Two threads may make two of one object. */
static unsigned module_of(const struct kgc__object *object)
{
    unsigned count = kgc__modules_count();
    for (unsigned i = 0; i < count; i++) {
        struct kgc__module *m = &modules[i];
        if (!is_there(m) || m->end <= object->start || m->start >= object->end)
            continue;
        if (is_same(m, object))
            return i;
        forget_module(i); /* unloaded behind our back: something else lies there */
    }
    unsigned n = atomic_load(&module_count) < KGC__SITE_MODULES ? atomic_fetch_add(&module_count, 1)
                                                                : KGC__SITE_MODULES;
    if (n >= KGC__SITE_MODULES)
        return KGC__NO_MODULE;
    struct kgc__module *m = &modules[n];
    m->start = object->start;
    m->end = object->end;
    m->bias = object->bias;
    m->handle = object->handle;
    m->path = path_of(object);
    m->build_id_size = (unsigned)kgc__object_build_id(object, m->build_id, sizeof m->build_id);
    m->own = is_own(m->path);
    atomic_store_explicit(&m->ready, true, memory_order_release);
    return n;
}

uint32_t kgc__sites_count(void)
{
    uint32_t n = atomic_load(&site_count);
    return n < SITES - 1 ? n : SITES - 1;
}

const struct kgc__site *kgc__site_by_number(uint32_t number)
{
    struct kgc__site *chunk =
        number < SITES ? atomic_load_explicit(&chunks[number / CHUNK], memory_order_acquire) : NULL;
    return chunk != NULL && chunk[number % CHUNK].number != 0 ? &chunk[number % CHUNK] : NULL;
}

unsigned kgc__modules_count(void)
{
    unsigned n = atomic_load(&module_count);
    return n < KGC__SITE_MODULES ? n : KGC__SITE_MODULES;
}

const struct kgc__module *kgc__module_by_number(unsigned number)
{
    return number < kgc__modules_count() && atomic_load(&modules[number].ready) ? &modules[number] : NULL;
}

static const struct kgc__site *learn(uintptr_t pc)
{
    if (atomic_load_explicit(&site_count, memory_order_relaxed) >= SITES - 1)
        return NULL;
    uint32_t number = atomic_fetch_add(&site_count, 1) + 1;
    if (number >= SITES)
        return NULL;
    struct kgc__site *chunk =
        kgc__meta_ensure((_Atomic(void *) *)&chunks[number / CHUNK], CHUNK * sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    struct kgc__site *site = &chunk[number % CHUNK];
    struct kgc__object object;
    site->module = KGC__NO_MODULE;
    site->last = true;
    if (kgc__object_find(pc - 1, &object)) {
        unsigned module = module_of(&object);
        site->module = (uint16_t)module;
        site->own = module != KGC__NO_MODULE && modules[module].own;
        site->last = !kgc__rule_find(pc - 1, &object, &site->rule);
    }
    site->pc = pc;
    site->mix = mix(number);
    __atomic_store_n(&site->number, number, __ATOMIC_RELEASE);
    return site;
}

/* The site, put into the table if it is not there.  NULL: it is not, and *full:
   there is no room in this table; or there is no memory. */
static const struct kgc__site *find_in(struct table *table, uintptr_t pc, bool *full)
{
    _Atomic uint32_t *slots = kgc__meta_ensure((_Atomic(void *) *)&table->slots, table->size * sizeof *slots);
    const struct kgc__site *fresh = NULL;
    *full = false;
    if (slots == NULL)
        return NULL;
    for (size_t i = mix(pc) & (table->size - 1);; i = (i + 1) & (table->size - 1)) {
        uint32_t number = atomic_load_explicit(&slots[i], memory_order_acquire);
        if (number == 0) {
            *full = atomic_load_explicit(&table->used, memory_order_relaxed) >= table->size / 2;
            if (*full || (fresh == NULL && (fresh = learn(pc)) == NULL))
                return NULL;
            if (atomic_compare_exchange_strong(&slots[i], &number, fresh->number)) {
                atomic_fetch_add_explicit(&table->used, 1, memory_order_relaxed);
                return fresh;
            }
        }
        const struct kgc__site *site = kgc__site_by_number(number);
        if (site->pc == pc && !atomic_load_explicit(&site->gone, memory_order_relaxed))
            return site; /* a fresh one of ours is lost, if another thread was faster */
    }
}

const struct kgc__site *kgc__site_find(uintptr_t pc)
{
    const struct kgc__site *site = NULL;
    bool full = true;
    for (unsigned i = 0; i < TABLES && site == NULL && full; i++)
        site = find_in(&tables[i], pc, &full);
    return site;
}

void kgc__sites_check_modules(void)
{
    struct kgc__object object;
    unsigned count = kgc__modules_count();
    for (unsigned i = 0; i < count; i++)
        if (is_there(&modules[i]) &&
            (!kgc__object_find(modules[i].start, &object) || !is_same(&modules[i], &object)))
            forget_module(i);
}
