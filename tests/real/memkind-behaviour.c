/* SPDX-License-Identifier: MIT */
/*
 * What memkind's functions do, in lines of text: compiled against memkind and
 * against this library's header, the two outputs must be the same.  Only what
 * memkind documents, or does without undefined behaviour, is asked; what
 * differs on purpose is in doc/memkind.md and not here.
 *
 * usage: memkind-behaviour DIRECTORY
 */
#include <errno.h>
#include <memkind.h>
#include <memkind_memtier.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const char *outcome(const void *p)
{
    return p != NULL ? "a block" : "NULL";
}

/* One kind, as far as the machine has it. */
static void family(const char *name, memkind_t k)
{
    void *p, *untouched = (void *)8, *q = untouched;
    int available = memkind_check_available(k); /* memkind knows no capacity before */
    ssize_t capacity = memkind_get_capacity(k);
    printf("%s: available %d, capacity %s\n", name, available,
           capacity > 0    ? "known"
           : capacity == 0 ? "0"
                           : "-1");
    errno = 0;
    p = memkind_malloc(k, 100);
    printf("  malloc(100) %s", outcome(p));
    printf(" errno %d\n", p == NULL ? errno : 0);
    if (p != NULL) {
        printf("  usable %zu %zu, detected %d\n", memkind_malloc_usable_size(k, p),
               memkind_malloc_usable_size(NULL, p), memkind_detect_kind(p) == k);
        strcpy(p, "contents");
        p = memkind_realloc(k, p, 100000);
        printf("  grown: %s, detected %d\n", (char *)p, memkind_detect_kind(p) == k);
        p = memkind_realloc(NULL, p, 20);
        printf("  shrunk: %s, detected %d\n", (char *)p, memkind_detect_kind(p) == k);
        errno = 0;
        printf("  too large: %s", outcome(memkind_realloc(k, p, SIZE_MAX)));
        printf(" errno %d, still %s\n", errno, (char *)p);
        printf("  realloc(p, 0) %s\n", outcome(memkind_realloc(k, p, 0)));
        p = memkind_calloc(k, 10, 100);
        int sum = 0;
        for (unsigned i = 0; i < 1000; i++)
            sum += ((unsigned char *)p)[i];
        printf("  calloc %d\n", sum);
        memkind_free(NULL, p);
        for (size_t alignment = sizeof(void *); alignment <= 1 << 16; alignment *= 2) {
            int error = memkind_posix_memalign(k, &p, alignment, 100);
            printf("  aligned to %zu: %d %zu\n", alignment, error, (size_t)((uintptr_t)p % alignment));
            memkind_free(k, p);
        }
    }
    errno = 0;
    printf("  malloc(0) %s", outcome(memkind_malloc(k, 0)));
    printf(", calloc(0, 10) %s", outcome(memkind_calloc(k, 0, 10)));
    printf(", calloc(10, 0) %s", outcome(memkind_calloc(k, 10, 0)));
    printf(", realloc(NULL, 0) %s", outcome(memkind_realloc(k, NULL, 0)));
    printf(", errno %d\n", errno);
    errno = 0;
    printf("  malloc(SIZE_MAX) %s", outcome(memkind_malloc(k, SIZE_MAX)));
    printf(" errno %d\n", errno);
    int error = memkind_posix_memalign(k, &q, 64, 0);
    printf("  posix_memalign 64 0: %d %s\n", error, outcome(q));
    printf("  posix_memalign 3: %d, 4: %d, huge: %d\n", memkind_posix_memalign(k, &q, 3, 10),
           memkind_posix_memalign(k, &q, 4, 10), memkind_posix_memalign(k, &q, 64, SIZE_MAX - 100));
    memkind_free(k, NULL);
    printf("  usable size of NULL %zu\n", memkind_malloc_usable_size(k, NULL));
}

static void fill(memkind_t k, size_t total)
{
    unsigned blocks = 0;
    while (memkind_malloc(k, 4096) != NULL)
        blocks++;
    printf("  full: errno %d, most of it was used %d\n", errno,
           blocks > total / 4096 * 9 / 10 && blocks <= total / 4096);
}

static void file_kind(const char *dir, size_t size)
{
    memkind_t k = NULL;
    int error = memkind_create_pmem(dir, size, &k);
    printf("create_pmem(%zu): %d\n", size, error);
    if (error != 0)
        return;
    if (size != 0)
        printf("  capacity %zd\n", memkind_get_capacity(k));
    family("  file kind", k);
    size_t allocated = 1;
    memkind_update_cached_stats();
    printf("  stat %d %zu", memkind_get_stat(k, MEMKIND_STAT_TYPE_ALLOCATED, &allocated), (size_t)0);
    printf(" %d\n", memkind_get_stat(k, MEMKIND_STAT_TYPE_MAX_VALUE, &allocated));
    if (size != 0)
        fill(k, size);
    printf("  destroy %d\n", memkind_destroy_kind(k));
}

static void file_kinds(const char *dir)
{
    memkind_t k;
    file_kind(dir, 0);
    file_kind(dir, MEMKIND_PMEM_MIN_SIZE);
    file_kind(dir, (size_t)64 << 20);
    file_kind(dir, MEMKIND_PMEM_MIN_SIZE - 1);
    file_kind(dir, 1);
    file_kind("/no/such/directory", 0);
    file_kind("/etc/passwd", 0);
    file_kind("/proc", 0);
    struct memkind_config *c = memkind_config_new();
    memkind_config_set_path(c, dir);
    memkind_config_set_size(c, (size_t)32 << 20);
    memkind_config_set_memory_usage_policy(c, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    int error = memkind_create_pmem_with_config(c, &k);
    printf("with a configuration: %d, capacity %zd", error, memkind_get_capacity(k));
    printf(", destroy %d\n", memkind_destroy_kind(k));
    memkind_config_set_memory_usage_policy(c, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    printf("with a wrong policy: %d\n", memkind_create_pmem_with_config(c, &k));
    memkind_config_set_memory_usage_policy(c, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_config_set_size(c, 5);
    printf("with a wrong size: %d\n", memkind_create_pmem_with_config(c, &k));
    memkind_config_delete(c);
    memkind_config_delete(NULL);
    printf("dax: %d %d %d\n", memkind_check_dax_path(dir), memkind_check_dax_path("/no/such/directory"),
           memkind_check_dax_path("/dev/shm"));
}

static void fixed_kind(size_t size)
{
    memkind_t k;
    char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("create_fixed(%zu): %d, capacity %zd\n", size, memkind_create_fixed(area, size, &k),
           memkind_get_capacity(k));
    family("  fixed kind", k);
    char *p = memkind_malloc(k, 1000);
    printf("  inside %d\n", p >= area && p < area + size);
    errno = 0;
    printf("  as large as all: %s", outcome(memkind_malloc(k, size)));
    printf(" errno %d\n", errno);
    fill(k, size);
    printf("  destroy %d, unmap %d\n", memkind_destroy_kind(k), munmap(area, size));
}

static void created_kinds(void)
{
    for (unsigned types = 0; types < 5; types++)
        for (unsigned policy = 0; policy <= MEMKIND_POLICY_MAX_VALUE; policy++) {
            memkind_t k;
            int error = memkind_create_kind((memkind_memtype_t)types, (memkind_policy_t)policy,
                                            (memkind_bits_t)0, &k);
            printf("create_kind(%u, %u): %d", types, policy, error);
            if (error == 0) {
                void *p = memkind_malloc(k, 10);
                printf(" %s, detected %d", outcome(p), memkind_detect_kind(p) == k);
                memkind_free(k, p);
                printf(", destroy %d", memkind_destroy_kind(k));
            }
            putchar('\n');
        }
}

static void tiers(void)
{
    struct memtier_builder *b = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    printf("tiers: no tiers %d", memtier_builder_construct_memtier_memory(b) != NULL);
    printf(", NULL %d", memtier_builder_add_tier(b, NULL, 1));
    printf(", one %d", memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1));
    printf(", again %d", memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1));
    printf(", another %d", memtier_builder_add_tier(b, MEMKIND_REGULAR, 4));
    printf(", policy 2 %d\n", memtier_builder_new(MEMTIER_POLICY_MAX_VALUE) != NULL);
    struct memtier_memory *m = memtier_builder_construct_memtier_memory(b);
    memtier_builder_delete(b);
    for (unsigned i = 0; i < 100000; i++)
        if (memtier_malloc(m, 1000) == NULL)
            puts("no block");
    double ratio = (double)memtier_kind_allocated_size(MEMKIND_REGULAR) /
                   (double)memtier_kind_allocated_size(MEMKIND_DEFAULT);
    printf("static ratio 1:4 kept %d\n", ratio > 3.9 && ratio < 4.1);
    memtier_delete_memtier_memory(m);

    static const struct {
        const char *name;
        size_t value;
    } settings[] = {{"thresholds[0].val", 1024},
                    {"thresholds[0].val", 100},
                    {"thresholds[0].min", 1025},
                    {"thresholds[0].max", 1000},
                    {"thresholds[1].val", 2000},
                    {"thresholds[2].val", 2000},
                    {"thresholds[0].foo", 1},
                    {"check_cnt", 5},
                    {"nothing", 5}};
    for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "policy.dynamic_threshold.%s", settings[i].name);
        b = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
        memtier_builder_add_tier(b, MEMKIND_DEFAULT, 1);
        memtier_builder_add_tier(b, MEMKIND_REGULAR, 1);
        memtier_builder_add_tier(b, MEMKIND_INTERLEAVE, 1);
        printf("%s=%zu: %d", name, settings[i].value, memtier_ctl_set(b, name, &settings[i].value));
        m = memtier_builder_construct_memtier_memory(b);
        printf(", builds %d\n", m != NULL);
        if (m != NULL)
            memtier_delete_memtier_memory(m);
        memtier_builder_delete(b);
    }
    b = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    memtier_builder_add_tier(b, MEMKIND_HIGHEST_CAPACITY, 1);
    printf("one tier builds %d\n", memtier_builder_construct_memtier_memory(b) != NULL);
    memtier_builder_add_tier(b, MEMKIND_INTERLEAVE, 3);
    m = memtier_builder_construct_memtier_memory(b);
    memtier_builder_delete(b);
    unsigned random = 5;
    for (unsigned i = 0; i < 100000; i++) {
        random = random * 1103515245 + 12345;
        memtier_malloc(m, 1 + (random >> 8) % 2048);
    }
    ratio = (double)memtier_kind_allocated_size(MEMKIND_INTERLEAVE) /
            (double)memtier_kind_allocated_size(MEMKIND_HIGHEST_CAPACITY);
    printf("dynamic thresholds 1:3 kept %d\n", ratio > 2.7 && ratio < 3.3);
    memtier_delete_memtier_memory(m);
    memtier_free(NULL);
    printf("usable %zu\n", memtier_usable_size(NULL));
}

static void count(void *sum, const char *text)
{
    *(size_t *)sum += strlen(text);
}

int main(int argc, char **argv)
{
    size_t printed = 0, value = 0;
    if (argc != 2)
        return 2;
    printf("version %d\n", memkind_get_version());
    family("default", MEMKIND_DEFAULT);
    family("regular", MEMKIND_REGULAR);
    family("interleave", MEMKIND_INTERLEAVE);
    family("highest capacity", MEMKIND_HIGHEST_CAPACITY);
    family("highest capacity local", MEMKIND_HIGHEST_CAPACITY_LOCAL);
    family("huge pages", MEMKIND_HUGETLB);
    family("high bandwidth", MEMKIND_HBW);
    family("high bandwidth, all", MEMKIND_HBW_ALL);
    family("high bandwidth, interleaved", MEMKIND_HBW_INTERLEAVE);
    family("high bandwidth preferred", MEMKIND_HBW_PREFERRED);
    family("memory devices", MEMKIND_DAX_KMEM);
    family("memory devices, all", MEMKIND_DAX_KMEM_ALL);
    family("memory devices preferred", MEMKIND_DAX_KMEM_PREFERRED);
    file_kinds(argv[1]);
    fixed_kind((size_t)64 << 20);
    fixed_kind((size_t)4 << 20);
    created_kinds();
    tiers();
    errno = 0;
    printf("realloc(NULL, NULL) %s", outcome(memkind_realloc(NULL, NULL, 10)));
    printf(" errno %d, detect(NULL) %s", errno, outcome(memkind_detect_kind(NULL)));
    printf(", defrag(NULL) %s\n", outcome(memkind_defrag_reallocate(MEMKIND_DEFAULT, NULL)));
    memkind_free(NULL, NULL);
    printf("stats: update %d, get %d, wrong %d", memkind_update_cached_stats(),
           memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &value),
           memkind_get_stat(NULL, MEMKIND_STAT_TYPE_MAX_VALUE, &value));
    printf(", print %d", memkind_stats_print(count, &printed, MEMKIND_STAT_PRINT_JSON_FORMAT));
    printf(" something %d, wrong %d\n", printed > 0,
           memkind_stats_print(count, &printed, (memkind_stat_print_opt)512));
    printf("background threads %d", memkind_set_bg_threads(true));
    printf(" %d\n", memkind_set_bg_threads(false));
    for (int code = 0; code >= -255; code--) {
        char text[MEMKIND_ERROR_MESSAGE_SIZE];
        memkind_error_message(code, text, sizeof text);
        if (strstr(text, "ndefined") == NULL && strstr(text, "not an error code") == NULL)
            printf("error %d has a text\n", code);
    }
    return 0;
}
