/* SPDX-License-Identifier: MIT */
/* /proc/self/maps, all of it, in memory of the cycle's own. */
#ifndef KGC_LEAK_MAPS_H
#define KGC_LEAK_MAPS_H

#include "leak/scratch.h"
#include <stdbool.h>
#include <stdint.h>

enum kgc__mapped {
    KGC__MAP_PRIVATE, /* anonymous, or a file's pages, which are copied when written to */
    KGC__MAP_SHARED,  /* memory without a file on a disk: memfd, shm, anonymous */
    KGC__MAP_FILE,    /* a shared file */
    KGC__MAP_OTHER    /* of the kernel or a device: nobody's pointers are there, or nobody may read them */
};

struct kgc__map {
    uintptr_t lo, hi;
    bool readable, writable, stack; /* stack: the main thread's */
    bool file;                      /* private, of a file; neighbours that can be read are one */
    unsigned char what;             /* enum kgc__mapped */
};

struct kgc__maps {
    struct kgc__map *map; /* ascending */
    size_t count, room;
    bool io_uring, aio; /* requests that only the kernel knows may exist */
};

/* 0, or an errno value: ENOMEM, or why it cannot be read. */
int kgc__maps_read(struct kgc__maps *maps, struct kgc__scratch *scratch);

#endif
