/* SPDX-License-Identifier: MIT */
/* Inside libkindgc-memkind: the table of kinds and lists of memory nodes. */
#include "memkind/kind.h"
#include "suite.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct memkind records[8];

/* What would be a kind: the table looks at addresses only. */
static kgc_kind *kind(size_t i)
{
    return (kgc_kind *)((i + 1) * 4096);
}

START_TEST(the_table_finds_what_was_added)
{
    enum { MANY = 4096 }; /* as many as it takes */
    for (size_t i = 0; i < MANY; i++)
        ck_assert(memkind__table_add(kind(i), &records[i % 8]));
    ck_assert(!memkind__table_add(kind(MANY), &records[0]));
    for (size_t i = 0; i < MANY; i++)
        ck_assert_ptr_eq(memkind__table_find(kind(i)), &records[i % 8]);
    ck_assert_ptr_null(memkind__table_find(kind(MANY)));
    unsigned at = 0, n = 0;
    while (memkind__table_next(&at) != NULL)
        n++;
    ck_assert_uint_eq(n, MANY);
    memkind__table_remove(kind(MANY)); /* was not in it */
    for (size_t i = 0; i < MANY; i += 2)
        memkind__table_remove(kind(i));
    for (size_t i = 0; i < MANY; i++)
        ck_assert_ptr_eq(memkind__table_find(kind(i)), i % 2 == 0 ? NULL : &records[i % 8]);
}
END_TEST

START_TEST(the_table_lasts)
{
    /* Many more additions than slots, with a few at a time. */
    for (size_t i = 0; i < 100000; i++) {
        ck_assert(memkind__table_add(kind(i), &records[i % 8]));
        if (i >= 100)
            memkind__table_remove(kind(i - 100));
        ck_assert_ptr_eq(memkind__table_find(kind(i)), &records[i % 8]);
        ck_assert_ptr_null(memkind__table_find(kind(i + 1)));
    }
    unsigned at = 0, n = 0;
    while (memkind__table_next(&at) != NULL)
        n++;
    ck_assert_uint_eq(n, 100);
}
END_TEST

START_TEST(lists_of_nodes_are_read_and_written)
{
    static const char *const same[] = {"0", "1023", "0-1", "0,2-3", "5,7,9-20,1000-1023", "63-64"};
    static const char *const wrong[] = {"",   "x",  "1024", "0-1024", "3-1",         "0,",  ",0",    "0 ",
                                        " 0", "0-", "-1",   "0,,1",   "99999999999", "0x1", "1-2-3", "all+"};
    unsigned long bits[MEMKIND__NODE_WORDS];
    char list[MEMKIND__LIST_MAX];
    for (unsigned i = 0; i < sizeof same / sizeof same[0]; i++) {
        ck_assert(memkind__nodes_parse(same[i], bits));
        ck_assert(memkind__nodes_format(bits, list, sizeof list));
        ck_assert_str_eq(list, same[i]);
    }
    ck_assert(
        memkind__nodes_parse("3,1,2,1\n", bits)); /* as the system writes lists; order does not matter */
    ck_assert(memkind__nodes_format(bits, list, sizeof list));
    ck_assert_str_eq(list, "1-3");
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!memkind__nodes_parse(wrong[i], bits), "\"%s\" is taken", wrong[i]);
    memset(bits, 0, sizeof bits);
    ck_assert(!memkind__nodes_format(bits, list, sizeof list)); /* none */
    memset(bits, 0x55, sizeof bits);
    ck_assert(!memkind__nodes_format(bits, list, sizeof list)); /* too long */
}
END_TEST

START_TEST(memory_of_nodes_is_counted)
{
    ssize_t one = memkind__nodes_bytes("0"), all = memkind__nodes_bytes(NULL);
    if (all < 0)
        return; /* no tables of nodes here */
    ck_assert_int_gt(one, 0);
    ck_assert_int_ge(all, one);
    ck_assert_int_eq(memkind__nodes_bytes("1023"), -1);
    ck_assert_int_eq(memkind__nodes_bytes("x"), -1);
}
END_TEST

START_TEST(errors_are_translated)
{
    ck_assert_int_eq(memkind__error(0), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind__error(EINVAL), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind__error(ENOTDIR), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind__error(ENOTSUP), MEMKIND_ERROR_UNAVAILABLE);
    ck_assert_int_eq(memkind__error(ENOMEM), MEMKIND_ERROR_MMAP);
    ck_assert_int_eq(memkind__error(EBUSY), MEMKIND_ERROR_OPERATION_FAILED);
    ck_assert_int_eq(memkind__error(EIO), MEMKIND_ERROR_RUNTIME);
}
END_TEST

SUITE("memkind parts", the_table_finds_what_was_added, the_table_lasts, lists_of_nodes_are_read_and_written,
      memory_of_nodes_is_counted, errors_are_translated)
