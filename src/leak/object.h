/* SPDX-License-Identifier: MIT */
/* Loaded objects (programs and libraries).  Neither locks nor allocates. */
#ifndef KGC_LEAK_OBJECT_H
#define KGC_LEAK_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kgc__object {
    uintptr_t start, end;        /* where it lies */
    uintptr_t bias;              /* load address minus the file's own addresses */
    const unsigned char *unwind; /* its .eh_frame_hdr; NULL: none */
    const char *name;            /* as the dynamic linker has it; "": the program */
    const void *handle;          /* what the dynamic linker knows it by */
};

/* The object that p lies in; false: none. */
bool kgc__object_find(uintptr_t p, struct kgc__object *out);

/* Its build id, at most `size` bytes; 0: it has none. */
size_t kgc__object_build_id(const struct kgc__object *object, unsigned char *out, size_t size);

#endif
