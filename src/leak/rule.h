/* SPDX-License-Identifier: MIT */
/*
 * How a frame is left, by the call frame information in .eh_frame: where the
 * caller's stack pointer, frame pointer and program counter are, seen from a
 * program counter.  Two registers are followed, the stack pointer and the
 * frame pointer; what compilers emit for C and C++ needs no others.
 *
 * Neither locks nor allocates.
 */
#ifndef KGC_LEAK_RULE_H
#define KGC_LEAK_RULE_H

#include "leak/object.h"

enum kgc__base {
    KGC__BASE_NONE, /* as it is: the register was not saved */
    KGC__BASE_SP,
    KGC__BASE_FP,
    KGC__BASE_CFA,
    KGC__BASE_UNKNOWN
};

/* CFA, the stack pointer before the call: base + offset; or, `indirect`, the
   word at base + offset, + plus.  The words at the two others are what was
   saved of the frame pointer and the return address. */
struct kgc__rule {
    int32_t cfa_offset, plus, fp_offset, return_offset;
    uint8_t cfa_base, fp_base, return_base; /* enum kgc__base */
    bool indirect;
    bool signal; /* the kernel's frame: the caller was interrupted, it did not call */
};

/*
 * The rule at pc (an address inside of an instruction), in the object that pc
 * lies in.  False: there is none, or one that cannot be followed, or the
 * outermost frame.
 */
bool kgc__rule_find(uintptr_t pc, const struct kgc__object *object, struct kgc__rule *out);

#endif
