/* SPDX-License-Identifier: MIT */
/*
 * What glibc's manual and programs expect of each function of malloc's family.
 * Run plainly, it checks glibc itself.
 */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#if defined __GNUC__ && !defined __clang__
#pragma GCC diagnostic ignored "-Wuse-after-free" /* what could not grow is still there */
#endif

void cfree(void *) __attribute__((weak));
void free_sized(void *, size_t) __attribute__((weak));
void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

/* With glibc's own malloc some things are otherwise: those that its manual promises too. */
static bool plain;

static size_t opaque(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

static bool is_aligned(const void *p, size_t alignment)
{
    return p != NULL && (uintptr_t)p % alignment == 0;
}

static bool is_zero(const char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static const size_t sizes[] = {0,    1,    2,    8,     15,    16,    17,     24,     100,     1000,
                               4095, 4096, 4097, 32768, 40000, 70000, 131072, 500000, 2097152, 5000001};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void test_malloc(void)
{
    void *blocks[SIZES];
    for (int i = 0; i < SIZES; i++) {
        char *p = blocks[i] = hidden(malloc(sizes[i]));
        CHECK(is_aligned(p, 16));
        CHECK(malloc_usable_size(p) >= sizes[i]);
        memset(p, 0x5a, malloc_usable_size(p)); /* all of it may be used */
    }
    for (int i = 0; i < SIZES; i++)
        free(blocks[i]);
    void *a = hidden(malloc(opaque(0))), *b = hidden(malloc(opaque(0)));
    CHECK(a != NULL && b != NULL && a != b);
    free(a), free(b);
    free(NULL);
}

static void test_calloc(void)
{
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < SIZES; i++) {
            char *p = hidden(calloc(sizes[i], 1));
            CHECK(is_aligned(p, 16));
            CHECK(is_zero(p, sizes[i]));
            memset(p, 0xff, sizes[i]);
            free(p);
        }
    void *a = hidden(calloc(opaque(0), 8)), *b = hidden(calloc(8, opaque(0)));
    CHECK(a != NULL && b != NULL && a != b);
    free(a), free(b);
}

/* Too large: NULL and ENOMEM, and nothing has happened to what was given. */
static void test_too_large(void)
{
    const size_t large[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX - 15, SIZE_MAX};
    char *p = hidden(malloc(10));
    strcpy(p, "unchanged");
    for (int i = 0; i < 4; i++) {
        size_t n = opaque(large[i]);
        void *q;
        errno = 0, CHECK(hidden(malloc(n)) == NULL && errno == ENOMEM);
        errno = 0, CHECK(hidden(calloc(n, 1)) == NULL && errno == ENOMEM);
        errno = 0, q = hidden(realloc(p, n)), CHECK(q == NULL && errno == ENOMEM);
        errno = 0, q = hidden(realloc(NULL, n)), CHECK(q == NULL && errno == ENOMEM);
        errno = 0, CHECK(hidden(aligned_alloc(64, n)) == NULL && errno == ENOMEM);
        errno = 0, CHECK(hidden(memalign(4096, n)) == NULL && errno == ENOMEM);
        errno = 0, CHECK(hidden(valloc(n)) == NULL && errno == ENOMEM);
        errno = 0, CHECK(hidden(pvalloc(n)) == NULL && errno == ENOMEM);
        q = p, errno = 77;
        CHECK(posix_memalign(&q, 64, n) == ENOMEM && q == p && (plain || errno == 77));
    }
    const size_t half = opaque((size_t)1 << 33);
    void *q;
    errno = 0, CHECK(hidden(calloc(half, half)) == NULL && errno == ENOMEM);
    errno = 0, CHECK(hidden(calloc(opaque(SIZE_MAX / 2 + 1), 2)) == NULL && errno == ENOMEM);
    errno = 0, q = hidden(reallocarray(p, half, half)), CHECK(q == NULL && errno == ENOMEM);
    errno = 0, q = hidden(reallocarray(p, opaque(SIZE_MAX / 2 + 1), 2)), CHECK(q == NULL && errno == ENOMEM);
    CHECK(strcmp(p, "unchanged") == 0);
    free(p);
}

static void test_realloc(void)
{
    char *p = hidden(realloc(NULL, 1));
    CHECK(is_aligned(p, 16));
    p[0] = 'x';
    for (int i = 2; i < SIZES; i++) { /* grows */
        size_t before = sizes[i - 1];
        p = hidden(realloc(p, sizes[i]));
        CHECK(is_aligned(p, 16) && malloc_usable_size(p) >= sizes[i]);
        CHECK(p[0] == 'x' && (before < 2 || p[before - 1] == (char)(before == 1 ? 'x' : i - 1)));
        p[sizes[i] - 1] = (char)i;
    }
    for (int i = SIZES - 2; i > 1; i--) { /* shrinks */
        p = hidden(realloc(p, sizes[i]));
        CHECK(is_aligned(p, 16) && p[0] == 'x' && p[sizes[i] - 1] == (char)i);
    }
    void *q = hidden(realloc(p, opaque(0))); /* frees */
    CHECK(q == NULL);
    q = hidden(realloc(NULL, opaque(0)));
    CHECK(q != NULL);
    free(q);
    char *a = hidden(reallocarray(NULL, 10, 20));
    CHECK(malloc_usable_size(a) >= 200);
    memset(a, 7, 200);
    a = hidden(reallocarray(a, 1000, 20));
    CHECK(malloc_usable_size(a) >= 20000 && a[0] == 7 && a[199] == 7);
    CHECK(hidden(reallocarray(a, opaque(0), 20)) == NULL);
}

/* What comes from one function is good for all others. */
static void test_aligned(void)
{
    for (size_t alignment = 1; alignment <= 4 << 20; alignment *= 2)
        for (int i = 0; i < SIZES; i += 3) {
            size_t size = sizes[i];
            char *p = hidden(aligned_alloc(alignment, size));
            CHECK(is_aligned(p, alignment < 16 ? 16 : alignment) && malloc_usable_size(p) >= size);
            memset(p, 1, size);
            free(p);
            p = hidden(memalign(alignment, size));
            CHECK(is_aligned(p, alignment < 16 ? 16 : alignment) && malloc_usable_size(p) >= size);
            memset(p, 2, size);
            p = hidden(realloc(p, size + 1000));
            CHECK(is_aligned(p, 16) && is_zero(p + size, 0) && (size == 0 || p[size - 1] == 2));
            free(p);
            void *out = NULL;
            errno = 77;
            int error = posix_memalign(&out, alignment, size);
            CHECK(error == (alignment < sizeof(void *) ? EINVAL : 0) && errno == 77);
            CHECK((out != NULL) == (error == 0) && is_aligned(out, alignment) == (error == 0));
            free(out);
        }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *v = hidden(valloc(100)), *w = hidden(pvalloc(page + 1)), *n = hidden(valloc(opaque(0)));
    CHECK(is_aligned(v, page) && is_aligned(w, page) && is_aligned(n, page));
    CHECK(malloc_usable_size(w) >= 2 * page);
    memset(w, 1, 2 * page);
    free(v), free(w), free(n);
    n = hidden(pvalloc(opaque(0)));
    CHECK(is_aligned(n, page));
    free(n);
}

static void test_bad_alignment(void)
{
    const size_t bad[] = {0, 3, 24, 100, SIZE_MAX / 2 + 2, SIZE_MAX};
    for (int i = 0; i < 6; i++) {
        size_t alignment = opaque(bad[i]);
        void *p = &p;
        errno = 77;
        CHECK(posix_memalign(&p, alignment, 10) == EINVAL && p == &p && errno == 77);
        if (plain) /* glibc before 2.38 rounds up */
            continue;
        errno = 0;
        CHECK(hidden(aligned_alloc(alignment, 10)) == NULL && errno == EINVAL);
    }
    void *p = hidden(memalign(opaque(24), 10)); /* the next power of two */
    CHECK(is_aligned(p, 32));
    free(p);
    p = hidden(memalign(opaque(0), 10));
    CHECK(is_aligned(p, 16));
    free(p);
    errno = 0, CHECK(hidden(memalign(opaque(SIZE_MAX), 10)) == NULL && errno == EINVAL);
    p = &p, errno = 77;
    CHECK(posix_memalign(&p, opaque((size_t)1 << 62), 10) == ENOMEM && p == &p && (plain || errno == 77));
}

static void test_errno(void)
{
    for (int i = 0; i < SIZES; i++) {
        void *p = hidden(malloc(sizes[i]));
        errno = 1234;
        free(p);
        CHECK(errno == 1234);
        p = hidden(malloc(sizes[i]));
        errno = 1234;
        if (cfree != NULL)
            cfree(p);
        else
            free(p);
        CHECK(errno == 1234);
    }
    char *many[64]; /* freed in one go: memory goes back to the system */
    for (int i = 0; i < 64; i++)
        memset(many[i] = hidden(malloc(1 << 20)), 1, 1 << 20);
    errno = 1234;
    for (int i = 0; i < 64; i++)
        free(many[i]);
    CHECK(errno == 1234);
}

static void test_c23(void)
{
    if (free_sized == NULL || free_aligned_sized == NULL) {
        CHECK(plain);
        return;
    }
    for (int i = 0; i < SIZES; i++) {
        free_sized(hidden(malloc(sizes[i])), sizes[i]);
        free_sized(hidden(calloc(sizes[i], 1)), sizes[i]);
        free_aligned_sized(hidden(aligned_alloc(256, sizes[i])), 256, sizes[i]);
    }
    errno = 1234;
    free_sized(NULL, 100);
    free_aligned_sized(NULL, 64, 100);
    CHECK(errno == 1234);
}

int main(int argc, char **argv)
{
    plain = argc > 1 && strcmp(argv[1], "plain") == 0;
    test_malloc();
    test_calloc();
    test_too_large();
    test_realloc();
    test_aligned();
    test_bad_alignment();
    test_errno();
    test_c23();
    CHECK(malloc_usable_size(NULL) == 0);
    printf("%d failures\n", failures);
    return failures != 0;
}
