/* SPDX-License-Identifier: MIT */
/* What every public header needs: the export mark and attributes. */
#ifndef KINDGC_BASE_H
#define KINDGC_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define KGC_BEGIN_DECLS extern "C" {
#define KGC_END_DECLS }
#else
#define KGC_BEGIN_DECLS
#define KGC_END_DECLS
#endif

#define KGC_API __attribute__((visibility("default")))
#define KGC_MALLOC __attribute__((malloc, warn_unused_result))
#define KGC_USE_RESULT __attribute__((warn_unused_result))
#define KGC_ALLOC_SIZE(n) __attribute__((alloc_size(n)))
#define KGC_ALLOC_SIZE2(m, n) __attribute__((alloc_size(m, n)))

#define KGC_VERSION_MAJOR 0
#define KGC_VERSION_MINOR 1
#define KGC_VERSION_PATCH 0
#define KGC_VERSION "0.1.0"

#endif
