/* SPDX-License-Identifier: MIT */
/* Creating kinds, for the functions that have the arguments in another form. */
#ifndef KGC_MEMKIND_CREATE_H
#define KGC_MEMKIND_CREATE_H

#include "memkind/kind.h"

memkind__hidden int memkind__create_pmem(const char *dir, size_t max_size, memkind_mem_usage_policy policy,
                                         memkind_t *kind);

#endif
