/* SPDX-License-Identifier: MIT */
/* kgc_allocate() without a call, and what a just-in-time compiler emits for it. */
#include "chain.h"
#include "suite.h"
#include <gc/gc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

/* Each size is known at compile time. */
#define SIZES(X)                                                                                        \
    X(0)                                                                                                \
    X(1)                                                                                                \
    X(7) X(15) X(16) X(17) X(31) X(32) X(47) X(48) X(63) X(64) X(65) X(100) X(127) X(128) X(200) X(255) \
        X(256) X(333) X(400) X(496) X(510) X(511) X(512) X(513) X(1000)

static const char *fault;

static void check(const unsigned char *p, size_t size)
{
    if (p == NULL || (uintptr_t)p % 16 != 0)
        fault = "no object, or not aligned";
    else if (kgc_base(p) != p || kgc_size(p) < size || kgc_size(p) > size + size / 4 + 32)
        fault = "not an object of this size";
    else if (size != 0 && (p[0] != 0 || memcmp(p, p + 1, size - 1) != 0))
        fault = "not zeroed";
}

static void fill(unsigned char *p, size_t size)
{
    memset(p, 0xff, size);
}

static void *allocate_all(void *unused)
{
    (void)unused;
    for (int round = 0; round < 300; round++) {
#define ALLOCATE(size)                         \
    {                                          \
        unsigned char *p = kgc_allocate(size); \
        check(p, size);                        \
        if (p != NULL)                         \
            fill(p, size);                     \
    }
        SIZES(ALLOCATE)
        if (round % 100 == 0)
            kgc_collect();
    }
    return NULL;
}

START_TEST(constant_sizes)
{
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, allocate_all, NULL), 0);
    allocate_all(NULL);
    pthread_join(other, NULL);
    ck_assert_msg(fault == NULL, "%s", fault);
}
END_TEST

/* What is taken inline is alive, and counts as any other object. */
START_TEST(kept_alive)
{
    struct link *volatile first = make_chain();
    for (int i = 0; i < 20000; i++)
        memset(kgc_allocate(sizeof(struct link)), 0xff, sizeof(struct link));
    collect_all();
    ck_chain_kept();
    check_chain(first);
    first = NULL;
    collect_all();
    ck_chain_ended();
}
END_TEST

static void *find_by_offset(void *unused)
{
    (void)unused;
    kgc_thread_register();
    char *at = (char *)__builtin_thread_pointer() + kgc_thread_magazines_offset();
    return *(struct kgc_magazines **)(void *)at == kgc_thread_magazines ? "same" : NULL;
}

START_TEST(offset_of_the_variable)
{
    ck_assert_ptr_nonnull(find_by_offset(NULL));
    pthread_t other;
    void *result;
    ck_assert_int_eq(pthread_create(&other, NULL, find_by_offset, NULL), 0);
    pthread_join(other, &result);
    ck_assert_ptr_nonnull(result);
}
END_TEST

#if defined __x86_64__
/* The steps of kindgc/inline.h as machine code: a function that returns an
   object of these granules, or NULL. */
static void *(*compile(unsigned granules))(void)
{
    const int variable = (int)kgc_thread_magazines_offset(), chain = (int)(granules * sizeof(void *));
    unsigned char code[] = {
        0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, /* mov  rax, fs:[offset] */
        0x48, 0x8b, 0x88, 0,    0,    0, 0,       /* mov  rcx, [rax + chain] */
        0x48, 0x85, 0xc9,                         /* test rcx, rcx */
        0x74, 0x11,                               /* jz   done */
        0x48, 0x8b, 0x11,                         /* mov  rdx, [rcx] */
        0x48, 0x89, 0x90, 0,    0,    0, 0,       /* mov  [rax + chain], rdx */
        0x48, 0xc7, 0x01, 0,    0,    0, 0,       /* mov  qword [rcx], 0 */
        0x48, 0x89, 0xc8,                         /* done: mov rax, rcx */
        0xc3,                                     /* ret */
    };
    memcpy(code + 5, &variable, sizeof variable);
    memcpy(code + 12, &chain, sizeof chain);
    memcpy(code + 27, &chain, sizeof chain);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    memcpy(page, code, sizeof code);
    ck_assert_int_eq(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    void *(*function)(void);
    memcpy(&function, &page, sizeof function);
    return function;
}

START_TEST(compiled_at_run_time)
{
    void *(*take)(void) = compile(3); /* up to 47 bytes */
    void **first = NULL;
    size_t calls = 0, taken = 0;
    for (; taken < 10000; calls++) {
        void **p = take();
        if (p == NULL)
            p = kgc_allocate(47 - calls % 2);
        else
            taken++;
        check((unsigned char *)p, 47);
        p[1] = first;
        first = p;
        if (calls % 3000 == 0)
            kgc_collect();
    }
    ck_assert_msg(fault == NULL, "%s", fault);
    ck_assert_uint_gt(taken, calls - calls / 20); /* a batch has 85 */
    size_t n = 0;
    for (void **p = first; p != NULL; p = p[1])
        n++;
    ck_assert_uint_eq(n, calls);
}
END_TEST
SUITE("inline", constant_sizes, kept_alive, offset_of_the_variable, compiled_at_run_time)
#else
SUITE("inline", constant_sizes, kept_alive, offset_of_the_variable)
#endif
