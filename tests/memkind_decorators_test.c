/* SPDX-License-Identifier: MIT */
/* A program that decorates memkind's functions: each is called before and
   after, and may change what it is given. */
#include "suite.h"
#include <memkind_memtier.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char said[512];
#define SAY(...)                                          \
    do {                                                  \
        size_t n = strlen(said);                          \
        snprintf(said + n, sizeof said - n, __VA_ARGS__); \
    } while (0)

/* As the manual of memkind has them. */
void memkind_malloc_pre(memkind_t *kind, size_t *size);
void memkind_malloc_post(memkind_t kind, size_t size, void **result);
void memkind_calloc_pre(memkind_t *kind, size_t *nmemb, size_t *size);
void memkind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result);
void memkind_posix_memalign_pre(memkind_t *kind, void **memptr, size_t *alignment, size_t *size);
void memkind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size, int *err);
void memkind_realloc_pre(memkind_t *kind, void **ptr, size_t *size);
void memkind_realloc_post(memkind_t kind, void *ptr, size_t size, void **result);
void memkind_free_pre(memkind_t *kind, void **ptr);
void memkind_free_post(memkind_t kind, void *ptr);
void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result);
void memtier_kind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result);
void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size, int *err);
void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size, void **result);
void memtier_kind_free_pre(void **ptr);
void memtier_kind_usable_size_post(void **ptr, size_t size);

void memkind_malloc_pre(memkind_t *kind, size_t *size)
{
    SAY("malloc(%zu) ", *size);
    *kind = MEMKIND_REGULAR;
    *size *= 2;
}

void memkind_malloc_post(memkind_t kind, size_t size, void **result)
{
    SAY("%s %zu %s;", kind == MEMKIND_REGULAR ? "regular" : "another", size, *result != NULL ? "ok" : "NULL");
}

void memkind_calloc_pre(memkind_t *kind, size_t *nmemb, size_t *size)
{
    (void)kind;
    SAY("calloc(%zu, %zu) ", *nmemb, *size);
    *nmemb = SIZE_MAX;
}

void memkind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result)
{
    static char instead[16];
    (void)kind;
    SAY("%d %zu %s;", nmemb == SIZE_MAX, size, *result != NULL ? "ok" : "NULL");
    *result = instead;
}

void memkind_posix_memalign_pre(memkind_t *kind, void **memptr, size_t *alignment, size_t *size)
{
    (void)kind, (void)memptr;
    SAY("memalign(%zu, %zu) ", *alignment, *size);
    *alignment = 4096;
}

void memkind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size, int *err)
{
    (void)kind;
    SAY("%zu %zu %d %d;", alignment, size, (int)((uintptr_t)*memptr % 4096), *err);
    *err = -7;
}

void memkind_realloc_pre(memkind_t *kind, void **ptr, size_t *size)
{
    (void)kind, (void)ptr;
    SAY("realloc(%zu) ", *size);
}

void memkind_realloc_post(memkind_t kind, void *ptr, size_t size, void **result)
{
    (void)kind, (void)ptr;
    SAY("%zu %s;", size, *result != NULL ? "ok" : "NULL");
}

void memkind_free_pre(memkind_t *kind, void **ptr)
{
    (void)kind;
    SAY("free %s", *ptr != NULL ? "p" : "NULL");
}

void memkind_free_post(memkind_t kind, void *ptr)
{
    (void)kind, (void)ptr;
    SAY(";");
}

void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result)
{
    (void)kind;
    SAY("tier malloc %zu %d;", size, *result != NULL);
}

void memtier_kind_calloc_post(memkind_t kind, size_t nmemb, size_t size, void **result)
{
    (void)kind;
    SAY("tier calloc %zu %zu %d;", nmemb, size, *result != NULL);
}

void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size, int *err)
{
    (void)kind, (void)memptr;
    SAY("tier memalign %zu %zu %d;", alignment, size, *err);
}

void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size, void **result)
{
    SAY("tier realloc %d %d %zu %d;", *kind != NULL, ptr != NULL, size, *result != NULL);
}

void memtier_kind_free_pre(void **ptr)
{
    SAY("tier free %d;", *ptr != NULL);
}

void memtier_kind_usable_size_post(void **ptr, size_t size)
{
    SAY("tier usable %d %zu;", *ptr != NULL, size);
}

/* What was said since the last time. */
#define heard(text)                   \
    do {                              \
        ck_assert_str_eq(said, text); \
        said[0] = '\0';               \
    } while (0)

START_TEST(each_function_is_decorated)
{
    void *p = memkind_malloc(MEMKIND_DEFAULT, 100), *q = NULL;
    heard("malloc(100) regular 200 ok;");
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_REGULAR);
    ck_assert_uint_ge(memkind_malloc_usable_size(NULL, p), 200);
    ck_assert_ptr_nonnull(memkind_calloc(MEMKIND_DEFAULT, 2, 3));
    heard("calloc(2, 3) 1 3 NULL;");
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &q, 64, 10), -7);
    heard("memalign(64, 10) 4096 10 0 0;");
    q = memkind_realloc(MEMKIND_DEFAULT, q, 20);
    heard("realloc(20) 20 ok;");
    memkind_free(NULL, p);
    memkind_free(MEMKIND_DEFAULT, NULL);
    heard("free p;free NULL;");
}
END_TEST

START_TEST(each_function_of_tiers_is_decorated)
{
    void *p = memtier_kind_malloc(MEMKIND_REGULAR, 100), *q = NULL;
    heard("malloc(100) regular 200 ok;tier malloc 100 1;");
    ck_assert_uint_eq(memtier_usable_size(p), 224);
    heard("tier usable 1 224;");
    p = memtier_kind_realloc(MEMKIND_REGULAR, p, 300);
    heard("realloc(300) 300 ok;tier realloc 1 1 300 1;");
    ck_assert_int_eq(memtier_kind_posix_memalign(MEMKIND_REGULAR, &q, 64, 10), -7);
    heard("memalign(64, 10) 4096 10 0 0;tier memalign 64 10 -7;");
    memtier_free(p);
    heard("tier free 1;free p;");
    memtier_kind_free(MEMKIND_REGULAR, NULL);
    heard("tier free 0;");
    memtier_kind_calloc(MEMKIND_REGULAR, 4, 5);
    heard("calloc(4, 5) 1 5 NULL;tier calloc 4 5 1;");
}
END_TEST

SUITE("memkind decorators", each_function_is_decorated, each_function_of_tiers_is_decorated)
