/* SPDX-License-Identifier: MIT */
/*
 * memkind's interface on kinds of kindgc: a program written for memkind
 * compiles against this header and links with -lkindgc-memkind instead of
 * -lmemkind.  Names, prototypes and values are memkind's (version 1.14);
 * binary compatibility is not promised.  doc/memkind.md says which kind is
 * what here, and what differs.
 *
 * Functions that return int return MEMKIND_SUCCESS or a negative
 * MEMKIND_ERROR_..., unless they say otherwise; kgc_last_error()
 * (kindgc/init.h) then has the reason and the remedy.  Everything may be
 * called by any thread, and from constructors.
 */
#ifndef KINDGC_COMPAT_MEMKIND_H
#define KINDGC_COMPAT_MEMKIND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* A kind.  The static ones below exist always; whether this machine has such
   memory shows when one is used first. */
typedef struct memkind *memkind_t;

enum memkind_const {
    MEMKIND_MAX_KIND = 512,           /* memkind's bound; here there is room for more: doc/memkind.md */
    MEMKIND_ERROR_MESSAGE_SIZE = 128, /* bytes that hold any text of memkind_error_message() */
    MEMKIND_PMEM_MIN_SIZE = 16 << 20  /* least limit of a file-backed kind, bytes */
};

enum {
    MEMKIND_SUCCESS = 0,
    MEMKIND_ERROR_UNAVAILABLE = -1,
    MEMKIND_ERROR_MBIND = -2,
    MEMKIND_ERROR_MMAP = -3,
    MEMKIND_ERROR_MALLOC = -6,
    MEMKIND_ERROR_ENVIRON = -12, /* a MEMKIND_ variable has a value that makes no sense */
    MEMKIND_ERROR_INVALID = -13, /* an argument */
    MEMKIND_ERROR_TOOMANY = -15, /* kinds */
    MEMKIND_ERROR_BADOPS = -17,  /* never returned here */
    MEMKIND_ERROR_HUGETLB = -18, /* the administrator has reserved no huge pages */
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE = -20,
    MEMKIND_ERROR_OPERATION_FAILED = -21,
    MEMKIND_ERROR_ARENAS_CREATE = -22,
    MEMKIND_ERROR_RUNTIME = -255 /* anything else */
};

/* The text for an error code of this interface or of memkind_posix_memalign(),
   cut to `size` bytes with its terminating zero. */
void memkind_error_message(int err, char *msg, size_t size);

/* The version of memkind whose interface this is: major * 1000000 + minor * 1000 + patch. */
int memkind_get_version(void);

/* Ordinary memory: anywhere; on the nodes that have CPUs; on all nodes in turn; huge pages of 2 MiB and 1
 * GiB. */
extern memkind_t MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_INTERLEAVE, MEMKIND_HUGETLB, MEMKIND_GBTLB;

/* High-bandwidth memory: MEMKIND_HBW_NODES, or what the firmware says is fastest. */
extern memkind_t MEMKIND_HBW, MEMKIND_HBW_ALL, MEMKIND_HBW_PREFERRED, MEMKIND_HBW_INTERLEAVE;
/* The same on huge pages: not available here. */
extern memkind_t MEMKIND_HBW_HUGETLB, MEMKIND_HBW_ALL_HUGETLB, MEMKIND_HBW_PREFERRED_HUGETLB;
extern memkind_t MEMKIND_HBW_GBTLB, MEMKIND_HBW_PREFERRED_GBTLB;

/* Memory devices that the system uses as memory nodes without CPUs (persistent memory, CXL):
   MEMKIND_DAX_KMEM_NODES, or those that the kernel's driver lists. */
extern memkind_t MEMKIND_DAX_KMEM, MEMKIND_DAX_KMEM_ALL, MEMKIND_DAX_KMEM_PREFERRED,
    MEMKIND_DAX_KMEM_INTERLEAVE;

/* The nodes that are best in one respect. */
extern memkind_t MEMKIND_HIGHEST_CAPACITY, MEMKIND_HIGHEST_CAPACITY_PREFERRED;
extern memkind_t MEMKIND_HIGHEST_CAPACITY_LOCAL, MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED;
extern memkind_t MEMKIND_LOWEST_LATENCY_LOCAL, MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED;
extern memkind_t MEMKIND_HIGHEST_BANDWIDTH_LOCAL, MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED;

/*
 * Memory of a kind.  NULL with errno ENOMEM when there is none, and EINVAL
 * when kind is NULL.  Size 0 gives NULL without an error, as in memkind, unless
 * the environment has MEMKIND_ZERO_SIZE=unique.
 */
void *memkind_malloc(memkind_t kind, size_t size);
/* Zeroed; a product that overflows is ENOMEM. */
void *memkind_calloc(memkind_t kind, size_t num, size_t size);
/*
 * Resizes a block in its kind; kind NULL: the kind is found.  ptr NULL
 * allocates (with kind NULL too: NULL, EINVAL); size 0 frees and gives NULL.
 * On failure ptr stays.
 */
void *memkind_realloc(memkind_t kind, void *ptr, size_t size);
/* Returns 0, EINVAL (alignment not a power of two or less than a pointer) or
   ENOMEM.  On failure *memptr stays as it was; size 0 puts NULL there. */
int memkind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);
/* Frees a block.  kind may be NULL.  A pointer that is not explicit memory of
   any kind stops the program with a message: kgc_set_fatal_handler(). */
void memkind_free(memkind_t kind, void *ptr);

/* A program may define this as const before it includes the header. */
#ifndef MEMKIND_MALLOC_USABLE_SIZE_CONST
#define MEMKIND_MALLOC_USABLE_SIZE_CONST
#endif
/* Bytes that may be used at ptr; 0 for NULL.  kind may be NULL. */
size_t memkind_malloc_usable_size(memkind_t kind, MEMKIND_MALLOC_USABLE_SIZE_CONST void *ptr);

/*
 * Moves a block when that makes the heap denser: when the kind has a place for
 * it at a lower address.  Returns the new place, after which ptr is free; or
 * NULL, and ptr stays.  kind may be NULL.
 */
void *memkind_defrag_reallocate(memkind_t kind, void *ptr);

/* The kind that holds ptr; NULL for any pointer that is not of a kind of this interface. */
memkind_t memkind_detect_kind(void *ptr);

/* How a kind trades memory for time. */
typedef enum memkind_mem_usage_policy {
    MEMKIND_MEM_USAGE_POLICY_DEFAULT,      /* free memory goes back after a while */
    MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, /* free memory goes back at once */
    MEMKIND_MEM_USAGE_POLICY_MAX_VALUE
} memkind_mem_usage_policy;

/*
 * File-backed kinds: memory on an unlinked temporary file in a directory, of at
 * most max_size bytes (0: as much as the file system has; else at least
 * MEMKIND_PMEM_MIN_SIZE).  On failure *kind stays as it was.
 */
int memkind_create_pmem(const char *dir, size_t max_size, memkind_t *kind);

/* The same with the arguments in an object, which the call does not keep.  The
   path is copied; NULL when there is no memory.  Values are looked at when a
   kind is made, not when they are set. */
struct memkind_config;
struct memkind_config *memkind_config_new(void);
void memkind_config_delete(struct memkind_config *cfg);
void memkind_config_set_path(struct memkind_config *cfg, const char *pmem_dir);
void memkind_config_set_size(struct memkind_config *cfg, size_t pmem_size);
void memkind_config_set_memory_usage_policy(struct memkind_config *cfg, memkind_mem_usage_policy policy);
int memkind_create_pmem_with_config(struct memkind_config *cfg, memkind_t *kind);

/* 0 when files in the directory can be mapped directly (MAP_SYNC: DAX);
   MEMKIND_ERROR_MMAP when they cannot, MEMKIND_ERROR_RUNTIME when no file can be made there. */
int memkind_check_dax_path(const char *pmem_dir);

/* A kind in the caller's memory, mapped readable and writable, which must stay
   until the kind is destroyed and is not unmapped then. */
int memkind_create_fixed(void *addr, size_t size, memkind_t *kind);

#define KINDGC_MEMKIND_BIT(n) (1ULL << (n))
typedef enum memkind_memtype_t {
    MEMKIND_MEMTYPE_DEFAULT = KINDGC_MEMKIND_BIT(0),
    MEMKIND_MEMTYPE_HIGH_BANDWIDTH = KINDGC_MEMKIND_BIT(1)
} memkind_memtype_t;
#undef KINDGC_MEMKIND_BIT

typedef enum memkind_policy_t {
    MEMKIND_POLICY_BIND_LOCAL,
    MEMKIND_POLICY_BIND_ALL,
    MEMKIND_POLICY_PREFERRED_LOCAL,
    MEMKIND_POLICY_INTERLEAVE_LOCAL,
    MEMKIND_POLICY_INTERLEAVE_ALL,
    MEMKIND_POLICY_MAX_VALUE
} memkind_policy_t;

/* A flag is the binary logarithm of a page size; 0: the system's own. */
typedef enum memkind_bits_t { MEMKIND_MASK_PAGE_SIZE_2MB = 21 } memkind_bits_t;

/* A kind by what it should be.  doc/memkind.md lists the combinations; others
   are MEMKIND_ERROR_INVALID. */
int memkind_create_kind(memkind_memtype_t memtype_flags, memkind_policy_t policy, memkind_bits_t flags,
                        memkind_t *kind);

/* Destroys a kind that was created; all its blocks are free then.  Nothing
   happens to a static kind.  MEMKIND_ERROR_OPERATION_FAILED while something
   else than blocks uses it. */
int memkind_destroy_kind(memkind_t kind);

/* 0 when the machine has such memory, else why not. */
int memkind_check_available(memkind_t kind);

/* Bytes of all memory that the kind could use, in use or not; -1 when that is
   not known, and for the ..._PREFERRED kinds, which have no bound. */
ssize_t memkind_get_capacity(memkind_t kind);

/* The policy of a kind, changed while it is in use. */
int memkind_update_memory_usage_policy(memkind_t kind, memkind_mem_usage_policy policy);

typedef enum memkind_stat_type {
    MEMKIND_STAT_TYPE_RESIDENT,  /* bytes in memory */
    MEMKIND_STAT_TYPE_ACTIVE,    /* bytes of pages with blocks */
    MEMKIND_STAT_TYPE_ALLOCATED, /* bytes of blocks */
    MEMKIND_STAT_TYPE_MAX_VALUE
} memkind_stat_type;

/* Figures are taken when they are asked for; nothing needs to be updated before. */
int memkind_update_cached_stats(void);
/* kind NULL: all kinds of this interface together. */
int memkind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/* What jemalloc's statistics show or leave out: malloc_stats_print() of jemalloc(3). */
typedef enum memkind_stat_print_opt {
    MEMKIND_STAT_PRINT_ALL = 0,
    MEMKIND_STAT_PRINT_JSON_FORMAT = 1 << 0,
    MEMKIND_STAT_PRINT_OMIT_GENERAL = 1 << 1,
    MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA = 1 << 2,
    MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA = 1 << 3,
    MEMKIND_STAT_PRINT_OMIT_PER_ARENA = 1 << 4,
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS = 1 << 5,
    MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE = 1 << 6,
    MEMKIND_STAT_PRINT_OMIT_MUTEX = 1 << 7,
    MEMKIND_STAT_PRINT_OMIT_EXTENT = 1 << 8
} memkind_stat_print_opt;

/* Prints through write_cb, or on standard error when that is NULL. */
int memkind_stats_print(void (*write_cb)(void *, const char *), void *cbopaque, memkind_stat_print_opt opts);

/* Turns jemalloc's background threads, which give memory back, on or off. */
int memkind_set_bg_threads(bool state);

/*
 * Decorators are functions that the program may define; they are called before
 * (_pre) and after (_post) the function that they are named after.  They are
 * not declared here, as in memkind: doc/memkind.md has their prototypes.
 */

/* Static kinds by number: of old, not for new programs. */
enum memkind_base_partition {
    MEMKIND_PARTITION_DEFAULT,
    MEMKIND_PARTITION_HBW,
    MEMKIND_PARTITION_HBW_HUGETLB,
    MEMKIND_PARTITION_HBW_PREFERRED,
    MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB,
    MEMKIND_PARTITION_HUGETLB,
    MEMKIND_PARTITION_HBW_GBTLB,
    MEMKIND_PARTITION_HBW_PREFERRED_GBTLB,
    MEMKIND_PARTITION_GBTLB,
    MEMKIND_PARTITION_HBW_INTERLEAVE,
    MEMKIND_PARTITION_INTERLEAVE,
    MEMKIND_PARTITION_REGULAR,
    MEMKIND_PARTITION_HBW_ALL,
    MEMKIND_PARTITION_HBW_ALL_HUGETLB,
    MEMKIND_PARTITION_DAX_KMEM,
    MEMKIND_PARTITION_DAX_KMEM_ALL,
    MEMKIND_PARTITION_DAX_KMEM_PREFERRED,
    MEMKIND_PARTITION_DAX_KMEM_INTERLEAVE,
    MEMKIND_PARTITION_HIGHEST_CAPACITY,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_PREFERRED,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL_PREFERRED,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL_PREFERRED,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED,
    MEMKIND_NUM_BASE_KIND
};
int memkind_get_kind_by_partition(int partition, memkind_t *kind) __attribute__((deprecated));

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
