/* SPDX-License-Identifier: MIT */
/* Types without memory for their records: a clear error, and nothing else. */
#include "collect/type.h"
#include "misuse.h"
#include "suite.h"
#include "support/fault.h"
#include <errno.h>
#include <kindgc.h>

enum { WORDS = 20000 };
static uint64_t bitmap[WORDS / 64 + 1];

static void every_second(size_t from)
{
    memset(bitmap, 0, sizeof bitmap);
    for (size_t i = from; i < WORDS; i += 2)
        bitmap[i / 64] |= UINT64_C(1) << i % 64;
}

/* A record of a page of its own. */
START_TEST(large_types)
{
    kgc_type *type = NULL, *again = NULL;
    every_second(0);
    ck_assert_int_eq(kgc_type_create(WORDS * 8, bitmap, &again), 0);
    every_second(1);
    for (int i = 0; i < 3; i++) {
        fault_arm(FAULT_MMAP, 1, true, ENOMEM);
        ck_assert_int_eq(kgc_type_create(WORDS * 8, bitmap, &type), ENOMEM);
        fault_disarm();
        ck_last_error("kgc_type_create: no memory for a type with 10000 pointers");
        ck_assert_ptr_null(type);
    }
    ck_assert_int_eq(kgc_type_create(WORDS * 8, bitmap, &type), 0);
    ck_assert_ptr_nonnull(kgc_allocate_typed(type, 2));
    fault_arm(FAULT_MMAP, 1, true, ENOMEM);
    ck_assert_int_eq(kgc_type_create(WORDS * 8, bitmap, &again), 0); /* exists: needs none */
    fault_disarm();
    ck_assert_ptr_eq(again, type);
}
END_TEST

/* Small types, and the table's parts: the first call that fails is one of either. */
START_TEST(small_types)
{
    unsigned failures[2] = {0};
    uint64_t first = 1, bits = 1;
    kgc_type *type;
    ck_assert_int_eq(kgc_type_create(20 * 8, &first, &type), 0);
    while (failures[0] < 5 || failures[1] < 1) {
        ck_assert_uint_lt(++bits, 50000);
        fault_arm(FAULT_MMAP, 1, true, ENOMEM);
        int error = kgc_type_create(20 * 8, &bits, &type);
        bool hit = fault_hits() != 0;
        fault_disarm();
        ck_assert_int_eq(error, hit ? ENOMEM : 0);
        if (hit) {
            bool table = strcmp(kgc_last_error(), "kgc_type_create: no memory for the table of types") == 0;
            ck_assert(table ||
                      strncmp(kgc_last_error(), "kgc_type_create: no memory for a type with ", 43) == 0);
            failures[table]++;
            ck_assert_int_eq(kgc_type_create(20 * 8, &bits, &type), 0);
        }
        ck_assert_uint_eq(kgc_type_size(type), 160);
    }
    ck_assert_ptr_nonnull(kgc_allocate_typed(type, 100));
}
END_TEST

SUITE("types without memory", large_types, small_types)
