/* SPDX-License-Identifier: MIT */
/*
 * libstdc++ before libjemalloc, which has operators new and delete too: its
 * new takes memory of jemalloc's, its delete calls free() by name, which is the
 * program's.  In a program that comes to C++ through a library, or by dlopen(3),
 * libjemalloc, which comes with us, would stand first, and such a pair crash.
 * So we need libstdc++ by name, and it is linked before libjemalloc
 * (configure.ac).  libjemalloc loads it anyway.
 */
#include "config.h"

#ifdef HAVE_OPERATORS_OF_JEMALLOC
/* Any name of its, for linkers that leave out what nothing refers to. */
_Noreturn void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv");
static void (*const reference)(void) __attribute__((used)) = throw_bad_alloc;
#endif
