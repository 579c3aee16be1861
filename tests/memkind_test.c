/* SPDX-License-Identifier: MIT */
/* memkind's interface (kindgc/compat/memkind.h) on this library: blocks, statistics, threads. */
#include "memkind_blocks.h"
#include "misuse.h"
#include "suite.h"
#include <errno.h>
#include <kindgc/allocate.h>
#include <kindgc/arena.h>
#include <kindgc/kind.h>
#include <memkind.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(static_kinds_have_memory_of_their_own)
{
    memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_INTERLEAVE, MEMKIND_HIGHEST_CAPACITY};
    void *p[4];
    ck_assert_ptr_nonnull(early);
    ck_assert_ptr_eq(memkind_detect_kind(early), MEMKIND_DEFAULT);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(memkind_check_available(kinds[i]), MEMKIND_SUCCESS);
        p[i] = filled(kinds[i], 1000, (int)i);
        ck_assert_uint_ge(memkind_malloc_usable_size(kinds[i], p[i]), 1000);
        ck_assert_uint_ge(memkind_malloc_usable_size(NULL, p[i]), 1000);
        ck_assert_int_gt(memkind_get_capacity(kinds[i]), 0);
        ck_assert_int_eq(memkind_destroy_kind(kinds[i]), MEMKIND_SUCCESS); /* nothing happens */
    }
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_ptr_eq(memkind_detect_kind(p[i]), kinds[i]);
        ck_assert_ptr_eq(memkind_detect_kind((char *)p[i] + 999), kinds[i]);
        ck_assert_int_eq(*(unsigned char *)p[i], (int)i);
        memkind_free(i % 2 ? kinds[i] : NULL, p[i]);
    }
    ck_assert_str_eq(kgc_kind_name(kgc_kind_of(early)), "default");
}
END_TEST

START_TEST(size_0_is_null_without_an_error)
{
    void *p = filled(MEMKIND_DEFAULT, 10, 1), *q = p;
    errno = 0;
    ck_assert_ptr_null(memkind_malloc(MEMKIND_DEFAULT, 0));
    ck_assert_ptr_null(memkind_calloc(MEMKIND_DEFAULT, 0, 8));
    ck_assert_ptr_null(memkind_calloc(MEMKIND_DEFAULT, 8, 0));
    ck_assert_ptr_null(memkind_realloc(MEMKIND_DEFAULT, NULL, 0));
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &q, 64, 0), 0);
    ck_assert_ptr_null(q);
    ck_assert_ptr_null(memkind_realloc(MEMKIND_DEFAULT, p, 0)); /* frees */
    ck_assert_int_eq(errno, 0);
    size_t live = 1;
    ck_assert_int_eq(memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ALLOCATED, &live), 0);
    ck_assert_uint_eq(live, 0);
}
END_TEST

START_TEST(size_0_is_a_block_when_the_user_wants)
{
    setenv("MEMKIND_ZERO_SIZE", "unique", 1);
    void *p = memkind_malloc(MEMKIND_DEFAULT, 0), *q = memkind_calloc(MEMKIND_DEFAULT, 0, 5), *r = NULL;
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &r, 16, 0), 0);
    ck_assert(p != NULL && q != NULL && r != NULL && p != q && q != r && p != r);
    memkind_free(MEMKIND_DEFAULT, p);
    memkind_free(NULL, q);
    memkind_free(NULL, r);
}
END_TEST

START_TEST(products_that_overflow_are_refused)
{
    memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_INTERLEAVE};
    for (unsigned i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_ptr_null(memkind_calloc(kinds[i], SIZE_MAX / 4 + 2, 4));
        ck_assert_int_eq(errno, ENOMEM);
        errno = 0;
        ck_assert_ptr_null(memkind_malloc(kinds[i], SIZE_MAX));
        ck_assert_int_eq(errno, ENOMEM);
    }
    unsigned char *p = filled(MEMKIND_REGULAR, 5000, 0xff), nothing[5000] = {0};
    memkind_free(MEMKIND_REGULAR, p);
    p = memkind_calloc(MEMKIND_REGULAR, 50, 100);
    ck_assert_mem_eq(p, nothing, 5000);
    memkind_free(MEMKIND_REGULAR, p);
}
END_TEST

START_TEST(blocks_are_resized_in_their_kind)
{
    char *p = memkind_realloc(MEMKIND_REGULAR, NULL, 20);
    strcpy(p, "still here");
    p = memkind_realloc(NULL, p, 3 * MIB); /* the kind is found */
    ck_assert_str_eq(p, "still here");
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_REGULAR);
    errno = 0;
    ck_assert_ptr_null(memkind_realloc(MEMKIND_REGULAR, p, SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_str_eq(p, "still here");
    p = memkind_realloc(MEMKIND_INTERLEAVE, p, 30); /* moves to the kind that is named */
    ck_assert_ptr_eq(memkind_detect_kind(p), MEMKIND_INTERLEAVE);
    ck_assert_str_eq(p, "still here");
    memkind_free(NULL, p);
    errno = 0;
    ck_assert_ptr_null(memkind_realloc(NULL, NULL, 10));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(alignments_are_checked)
{
    void *untouched = &early, *p = untouched;
    errno = 0;
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &p, 3, 10), EINVAL);
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &p, 4, 10), EINVAL);
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &p, 0, 10), EINVAL);
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, &p, 64, SIZE_MAX - 100), ENOMEM);
    ck_assert_int_eq(memkind_posix_memalign(NULL, &p, 64, 10), EINVAL);
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_DEFAULT, NULL, 64, 10), EINVAL);
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_HBW_HUGETLB, &p, 64, 10), ENOMEM); /* there is none */
    ck_assert_int_eq(memkind_posix_memalign(MEMKIND_HBW_HUGETLB, &p, 3, 10), EINVAL);
    ck_assert_ptr_eq(p, untouched);
    ck_assert_int_eq(errno, 0);
    for (size_t alignment = 8; alignment <= 4 * MIB; alignment *= 8) {
        ck_assert_int_eq(memkind_posix_memalign(MEMKIND_REGULAR, &p, alignment, 100), 0);
        ck_assert_uint_eq((uintptr_t)p % alignment, 0);
        memkind_free(MEMKIND_REGULAR, p);
    }
}
END_TEST

START_TEST(no_kind_is_an_error_and_not_a_crash)
{
    errno = 0;
    ck_assert_ptr_null(memkind_malloc(NULL, 10));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(memkind_calloc(NULL, 1, 10));
    ck_assert_int_eq(memkind_check_available(NULL), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_get_capacity(NULL), -1);
    ck_assert_int_eq(memkind_destroy_kind(NULL), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_update_memory_usage_policy(NULL, MEMKIND_MEM_USAGE_POLICY_DEFAULT),
                     MEMKIND_ERROR_INVALID);
    memkind_free(NULL, NULL);
    memkind_free(MEMKIND_DEFAULT, NULL);
    ck_assert_uint_eq(memkind_malloc_usable_size(NULL, NULL), 0);
    ck_assert_ptr_null(memkind_defrag_reallocate(NULL, NULL));
    ck_assert_int_eq(memkind_create_pmem("/var/tmp", 0, NULL), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_create_fixed(&early, 1, NULL), MEMKIND_ERROR_INVALID);
}
END_TEST

START_TEST(foreign_pointers_are_noticed)
{
    int local;
    void *plain = malloc(100), *collectable = kgc_allocate(100);
    kgc_kind *own;
    ck_assert_int_eq(kgc_kind_open("default", &own), 0);
    void *theirs = kgc_kind_malloc(own, 100); /* ours, but not of this interface */
    void *foreign[] = {NULL, &local, plain, collectable, theirs, (void *)-1, (void *)8};
    for (unsigned i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        ck_assert_ptr_null(memkind_detect_kind(foreign[i]));
    ck_assert_uint_eq(memkind_malloc_usable_size(NULL, &local), 0);
    ck_assert_ptr_null(memkind_defrag_reallocate(NULL, &local));
    ck_fatal(memkind_free(NULL, &local),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", (void *)&local);
    ck_fatal(memkind_free(MEMKIND_DEFAULT, &local),
             "kgc_kind_free: %p does not belong to the explicit memory of any kind", (void *)&local);
    free(plain);
}
END_TEST

START_TEST(every_error_has_a_text)
{
    static const int codes[] = {MEMKIND_ERROR_UNAVAILABLE,
                                MEMKIND_ERROR_MBIND,
                                MEMKIND_ERROR_MMAP,
                                MEMKIND_ERROR_MALLOC,
                                MEMKIND_ERROR_ENVIRON,
                                MEMKIND_ERROR_INVALID,
                                MEMKIND_ERROR_TOOMANY,
                                MEMKIND_ERROR_BADOPS,
                                MEMKIND_ERROR_HUGETLB,
                                MEMKIND_ERROR_OPERATION_FAILED,
                                MEMKIND_ERROR_ARENAS_CREATE,
                                MEMKIND_ERROR_RUNTIME,
                                EINVAL,
                                ENOMEM,
                                MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE};
    char text[MEMKIND_ERROR_MESSAGE_SIZE];
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        memkind_error_message(codes[i], text, sizeof text);
        ck_assert_int_eq(strncmp(text, "<memkind> ", 10), 0);
        ck_assert_ptr_null(strstr(text, "not an error code"));
        ck_assert_uint_lt(strlen(text), sizeof text - 1);
    }
    memkind_error_message(-99, text, sizeof text);
    ck_assert_str_eq(text, "<memkind> -99 is not an error code");
    memkind_error_message(MEMKIND_ERROR_INVALID, text, 5);
    ck_assert_str_eq(text, "<mem");
    memkind_error_message(MEMKIND_ERROR_INVALID, text, 0);
    memkind_error_message(MEMKIND_ERROR_INVALID, NULL, 10);
    ck_assert_str_eq(text, "<mem");
    ck_assert_int_eq(memkind_get_version(), 1014000);
}
END_TEST

START_TEST(statistics_add_up)
{
    size_t allocated, active, resident, all, before;
    memkind_t k = pmem(64 * MIB);
    ck_assert_int_eq(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &before), MEMKIND_SUCCESS);
    void *small = filled(k, 1000, 1), *large = filled(k, 3 * MIB, 1),
         *other = filled(MEMKIND_REGULAR, 5000, 1);
    ck_assert_int_eq(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_ALLOCATED, &allocated);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_ACTIVE, &active);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_RESIDENT, &resident);
    memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &all);
    ck_assert_uint_eq(allocated, memkind_malloc_usable_size(k, small) + memkind_malloc_usable_size(k, large));
    ck_assert_uint_ge(active, allocated);
    ck_assert_uint_ge(resident, allocated / 4096 * 4096);
    ck_assert_uint_eq(all - before, allocated + memkind_malloc_usable_size(NULL, other));
    memkind_free(k, large);
    memkind_free(k, small);
    memkind_get_stat(k, MEMKIND_STAT_TYPE_ALLOCATED, &allocated);
    ck_assert_uint_eq(allocated, 0);
    allocated = 77;
    ck_assert_int_eq(memkind_get_stat(k, MEMKIND_STAT_TYPE_MAX_VALUE, &allocated), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_get_stat(k, MEMKIND_STAT_TYPE_ACTIVE, NULL), MEMKIND_ERROR_INVALID);
    ck_assert_uint_eq(allocated, 77);
}
END_TEST

static void gather(void *arg, const char *text)
{
    strncat(arg, text, (1 << 20) - 1 - strlen(arg));
}

START_TEST(jemallocs_statistics_are_printed)
{
    static char all[1 << 20], less[1 << 20], json[1 << 20];
    filled(MEMKIND_REGULAR, 100, 1);
    ck_assert_int_eq(memkind_stats_print(gather, all, MEMKIND_STAT_PRINT_ALL), MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_stats_print(gather, less,
                                         (memkind_stat_print_opt)(MEMKIND_STAT_PRINT_OMIT_GENERAL |
                                                                  MEMKIND_STAT_PRINT_OMIT_PER_ARENA)),
                     MEMKIND_SUCCESS);
    ck_assert_int_eq(memkind_stats_print(gather, json, MEMKIND_STAT_PRINT_JSON_FORMAT), MEMKIND_SUCCESS);
    ck_assert_ptr_nonnull(strstr(all, "Begin jemalloc statistics"));
    ck_assert_ptr_nonnull(strstr(all, "Version:"));
    ck_assert_ptr_null(strstr(less, "Version:"));
    ck_assert_uint_lt(strlen(less), strlen(all));
    ck_assert_int_eq(json[0], '{');
    all[0] = '\0';
    ck_assert_int_eq(memkind_stats_print(gather, all, (memkind_stat_print_opt)512), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_stats_print(gather, all, (memkind_stat_print_opt)-1), MEMKIND_ERROR_INVALID);
    ck_assert_str_eq(all, "");
}
END_TEST

START_TEST(background_threads_go_on_and_off)
{
    setenv("MEMKIND_BACKGROUND_THREAD_LIMIT", "1", 1);
    memkind_free(MEMKIND_REGULAR, filled(MEMKIND_REGULAR, MIB, 1));
    ck_assert_int_eq(memkind_set_bg_threads(true), MEMKIND_SUCCESS);
    memkind_free(MEMKIND_REGULAR, filled(MEMKIND_REGULAR, MIB, 1));
    ck_assert_int_eq(memkind_set_bg_threads(false), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(defragmentation_moves_blocks_down)
{
    enum { BLOCKS = 4000, SIZE = 512 };
    static char *p[BLOCKS];
    memkind_t k = pmem(64 * MIB);
    unsigned moved = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = filled(k, SIZE, 0);
        snprintf(p[i], SIZE, "block %u", i);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % 8 != 7) {
            memkind_free(k, p[i]);
            p[i] = NULL;
        }
    for (unsigned i = 7; i < BLOCKS; i += 8) {
        char *q = memkind_defrag_reallocate(i % 16 == 7 ? k : NULL, p[i]), text[32];
        ck_assert(q == NULL || q < p[i]);
        if (q != NULL) {
            moved++;
            p[i] = q;
        }
        snprintf(text, sizeof text, "block %u", i);
        ck_assert_str_eq(p[i], text);
        ck_assert_ptr_eq(memkind_detect_kind(p[i]), k);
    }
    ck_assert_uint_gt(moved, BLOCKS / 8 / 4);
    size_t allocated;
    memkind_get_stat(k, MEMKIND_STAT_TYPE_ALLOCATED, &allocated);
    ck_assert_uint_eq(allocated, BLOCKS / 8 * SIZE);
    ck_assert_int_eq(memkind_destroy_kind(k), MEMKIND_SUCCESS);
}
END_TEST

START_TEST(direct_mappings_are_found_out)
{
    int error = memkind_check_dax_path("/var/tmp");
    ck_assert(error == MEMKIND_SUCCESS || error == MEMKIND_ERROR_MMAP);
    ck_assert_int_eq(memkind_check_dax_path("/dev/shm"), MEMKIND_ERROR_MMAP); /* memory, but not that sort */
    ck_assert_int_eq(memkind_check_dax_path("/no/such/directory"), MEMKIND_ERROR_RUNTIME);
    ck_assert_int_eq(memkind_check_dax_path(NULL), MEMKIND_ERROR_INVALID);
}
END_TEST

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
START_TEST(partitions_are_the_static_kinds)
{
    memkind_t k = NULL;
    ck_assert_int_eq(memkind_get_kind_by_partition(MEMKIND_PARTITION_REGULAR, &k), MEMKIND_SUCCESS);
    ck_assert_ptr_eq(k, MEMKIND_REGULAR);
    ck_assert_int_eq(memkind_get_kind_by_partition(MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED, &k),
                     MEMKIND_SUCCESS);
    ck_assert_ptr_eq(k, MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED);
    ck_assert_int_eq(memkind_get_kind_by_partition(MEMKIND_NUM_BASE_KIND, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_get_kind_by_partition(-1, &k), MEMKIND_ERROR_INVALID);
    ck_assert_int_eq(memkind_get_kind_by_partition(0, NULL), MEMKIND_ERROR_INVALID);
}
END_TEST
#pragma GCC diagnostic pop

/* Threads that use a kind first at the same time get one kind. */
static pthread_barrier_t gate;
static void *first_use(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&gate);
    void *p = memkind_malloc(MEMKIND_INTERLEAVE, 64);
    for (unsigned i = 0; i < 2000; i++) {
        void *q = memkind_malloc(MEMKIND_INTERLEAVE, i % 3000 + 1);
        if (memkind_detect_kind(q) != MEMKIND_INTERLEAVE)
            return NULL;
        memkind_free(NULL, q);
    }
    return p;
}

START_TEST(threads_share_the_first_use)
{
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    void *p[THREADS];
    pthread_barrier_init(&gate, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, first_use, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], &p[i]);
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_ptr_nonnull(p[i]);
        ck_assert_ptr_eq(kgc_kind_of(p[i]), kgc_kind_of(p[0]));
    }
}
END_TEST

static atomic_bool stop;
static void *open_and_close(void *arg)
{
    memkind_t k;
    while (!atomic_load(&stop))
        if (memkind_create_pmem("/var/tmp", MEMKIND_PMEM_MIN_SIZE, &k) != 0 || memkind_destroy_kind(k) != 0)
            return arg;
    return NULL;
}

START_TEST(a_forked_child_opens_kinds)
{
    pthread_t thread;
    void *failed;
    ck_assert_int_eq(pthread_create(&thread, NULL, open_and_close, &stop), 0);
    for (unsigned i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            memkind_t k;
            alarm(20);
            void *p = memkind_malloc(MEMKIND_REGULAR, 100);
            bool good = p != NULL && memkind_detect_kind(p) == MEMKIND_REGULAR &&
                        memkind_create_pmem("/var/tmp", MEMKIND_PMEM_MIN_SIZE, &k) == 0 &&
                        memkind_destroy_kind(k) == 0;
            _exit(good ? 0 : 1);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    atomic_store(&stop, true);
    pthread_join(thread, &failed);
    ck_assert_ptr_null(failed);
}
END_TEST

SUITE("memkind", static_kinds_have_memory_of_their_own, size_0_is_null_without_an_error,
      size_0_is_a_block_when_the_user_wants, products_that_overflow_are_refused,
      blocks_are_resized_in_their_kind, alignments_are_checked, no_kind_is_an_error_and_not_a_crash,
      foreign_pointers_are_noticed, every_error_has_a_text, statistics_add_up,
      jemallocs_statistics_are_printed, background_threads_go_on_and_off, defragmentation_moves_blocks_down,
      direct_mappings_are_found_out, partitions_are_the_static_kinds, threads_share_the_first_use,
      a_forked_child_opens_kinds)
