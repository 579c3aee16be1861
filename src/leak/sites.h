/* SPDX-License-Identifier: MIT */
/*
 * Places in code that frames return to, each with the rule by which its frame
 * is left: learnt once, kept for good.
 *
 * A site is known by its return address.  When the object that it lies in is
 * unloaded, the site is forgotten and not found again, but its number goes on
 * to stand for what it was, so that stacks keep their meaning.
 *
 * Lock-free; memory comes from kgc__meta_allocate().
 */
#ifndef KGC_LEAK_SITES_H
#define KGC_LEAK_SITES_H

#include "leak/rule.h"
#include <stdatomic.h>

enum { KGC__SITE_MODULES = 4096, KGC__BUILD_ID = 20 };

struct kgc__site {
    uintptr_t pc; /* the return address; of an interrupted frame, one more than where it was */
    uint64_t mix; /* a hash of the number */
    struct kgc__rule rule;
    bool last;       /* no rule: the walk ends here */
    bool own;        /* in this library */
    uint16_t module; /* KGC__NO_MODULE: in none */
    uint32_t number; /* from 1 */
    _Atomic bool gone;
};
enum { KGC__NO_MODULE = UINT16_MAX };

/* An object that sites lie in. */
struct kgc__module {
    uintptr_t start, end, bias;
    const void *handle;
    const char *path;
    unsigned char build_id[KGC__BUILD_ID];
    unsigned build_id_size;
    bool own;
    _Atomic bool ready, gone; /* gone: unloaded */
};

/* The site of a return address; NULL: there is no memory for one, or no room. */
const struct kgc__site *kgc__site_find(uintptr_t pc);
const struct kgc__site *kgc__site_by_number(uint32_t number);
uint32_t kgc__sites_count(void);
/* A hash of a site's number, as in struct kgc__site. */
uint64_t kgc__site_mix(uint32_t number);

/* The module of this number, below kgc__modules_count(); NULL: it is just being noted. */
const struct kgc__module *kgc__module_by_number(unsigned number);
unsigned kgc__modules_count(void);

/* Forgets what lies in modules that are loaded no longer. */
void kgc__sites_check_modules(void);

/* Changes when sites were forgotten. */
extern _Atomic uint32_t kgc__sites_epoch;

#endif
