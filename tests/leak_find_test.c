/* SPDX-License-Identifier: MIT */
/* Which blocks of the rooted heap are reachable: every sort of root keeps what
   it leads to; what is lost is found. */
#include "leaks.h"
#include "suite.h"
#include "support/system.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

struct node {
    struct node *next, *other;
    char content[48];
};

static struct batch batch;

static void *block(size_t size)
{
    void *p = kgc_calloc(1, size);
    batch_add(&batch, p);
    return p;
}

static __attribute__((noinline)) struct node *make_chain(unsigned n)
{
    struct node *first = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct node *node = block(sizeof *node);
        node->next = first;
        first = node;
    }
    return first;
}

static __attribute__((noinline)) void lose(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        block(16 + i % 500);
    clear_stack();
}

static void setup(void)
{
    kgc__caches_alone = true;
}

static void *volatile root;

START_TEST(lost_blocks_are_found)
{
    setup();
    lose(BATCH);
    ck_lost(&batch);
}
END_TEST

START_TEST(static_data_is_a_root)
{
    leaks_leave_if_sanitized();
    setup();
    root = make_chain(BATCH);
    ck_all_kept(&batch);
    root = NULL;
    ck_lost(&batch);
}
END_TEST

static void *volatile inside;

static __attribute__((noinline)) void make_table(void)
{
    void **table = block(1000 * sizeof *table);
    for (unsigned i = 0; i < 1000; i++)
        table[i] = (char *)block(16 + i * 17 % 3000) + 15;
    inside = table + 500;
}

START_TEST(pointers_into_a_block_count)
{
    setup();
    make_table();
    ck_all_kept(&batch);
    inside = NULL;
    ck_lost(&batch);
}
END_TEST

static void *volatile kept[10];

START_TEST(blocks_of_any_size_are_found)
{
    leaks_leave_if_sanitized();
    setup();
    static const size_t sizes[] = {1, 16, 100, 4096, 16384, 40000, 300000, 2 << 20, 3 << 20, 17 << 20};
    for (unsigned i = 0; i < 10; i++)
        kept[i] = (char *)block(sizes[i]) + (sizes[i] - 1);
    ck_all_kept(&batch);
    for (unsigned i = 0; i < 10; i++)
        kept[i] = NULL;
    struct tally t = search(&batch);
    ck_assert_uint_eq(t.found, 10);
    ck_assert_uint_eq(t.direct, 10);
}
END_TEST

SUITE("leak_find", lost_blocks_are_found, static_data_is_a_root, pointers_into_a_block_count,
      blocks_of_any_size_are_found)
