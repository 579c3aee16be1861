/* SPDX-License-Identifier: MIT */
/* The process. */
#ifndef LISP_MAIN_H
#define LISP_MAIN_H

/* Writes what is left to write, the table if wanted, and exits. */
__attribute__((noreturn)) void finish(int status);

#endif
