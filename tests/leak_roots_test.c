/* SPDX-License-Identifier: MIT */
/* Every sort of memory that may hold the only pointer to a block keeps it. */
#include "leak/pages.h"
#include "leaks.h"
#include "rooted/rooted.h"
#include "suite.h"
#include "support/system.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct node {
    struct node *next;
    char content[40];
};

enum { CHAIN = 200 };

static struct batch kept, control;

static __attribute__((noinline)) struct node *chain(struct batch *b)
{
    struct node *first = NULL;
    for (unsigned i = 0; i < CHAIN; i++) {
        struct node *node = kgc_calloc(1, sizeof *node);
        batch_add(b, node);
        node->next = first;
        first = node;
    }
    return first;
}

/* Beside what is kept, something that is not: else a search that finds nothing would do. */
static __attribute__((noinline)) void lose(void)
{
    for (unsigned i = 0; i < 1000; i++)
        batch_add(&control, kgc_malloc(48));
    clear_stack();
}

static void setup(void)
{
    kgc__caches_alone = true;
    lose();
}

#define ck_kept()           \
    do {                    \
        ck_all_kept(&kept); \
        ck_lost(&control);  \
    } while (0)

/* Puts a chain's first block at p and nowhere else; then takes it away. */
static __attribute__((noinline)) void put(void *volatile *p)
{
    *p = chain(&kept);
}

static void check_place(void *volatile *p)
{
    setup();
    put(p);
    ck_kept();
    *p = NULL;
    ck_lost(&kept);
}

static char *map(int protection, int flags, int fd, size_t size)
{
    char *p = mmap(NULL, size, protection, flags, fd, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

static __thread void *own;

START_TEST(anonymous_memory)
{
    check_place((void *volatile *)map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1 << 20) +
                1000);
}
END_TEST

START_TEST(kernels_before_6_7)
{
    leaks_leave_if_sanitized();
    kgc__pages_old_kernel = true;
    check_place((void *volatile *)map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1 << 20) +
                1000);
    kept.count = control.count = 0;
    check_place((void *volatile *)&own);
}
END_TEST

START_TEST(thread_local_storage)
{
    check_place((void *volatile *)&own);
}
END_TEST

START_TEST(shared_anonymous_memory)
{
    check_place((void *volatile *)map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 1 << 20) +
                5000);
}
END_TEST

START_TEST(shared_memory)
{
    int fd = memfd_create("leak_roots_test", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    check_place((void *volatile *)map(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 1 << 20) + 5000);
    close(fd);
}
END_TEST

/* The mapping is longer than the file: touching its end is fatal. */
static void check_file(int flags)
{
    char name[] = "/var/tmp/leak_roots_test.XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);
    unlink(name);
    ck_assert_int_eq(ftruncate(fd, 10000), 0);
    check_place((void *volatile *)map(PROT_READ | PROT_WRITE, flags, fd, 1 << 20) + 600);
    close(fd);
}

START_TEST(shared_file)
{
    check_file(MAP_SHARED);
}
END_TEST

START_TEST(private_file)
{
    check_file(MAP_PRIVATE);
}
END_TEST

static void check_without_rights(int rights, int flags)
{
    char *p = map(PROT_READ | PROT_WRITE, flags, -1, 1 << 20);
    void *volatile *place = (void *volatile *)(p + 4096);
    setup();
    put(place);
    ck_assert_int_eq(mprotect(p, 1 << 20, rights), 0);
    ck_kept();
    ck_assert_int_eq(mprotect(p, 1 << 20, PROT_READ | PROT_WRITE), 0);
    *place = NULL;
    ck_lost(&kept);
}

START_TEST(read_only_memory)
{
    check_without_rights(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
    kept.count = control.count = 0;
    check_without_rights(PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
}
END_TEST

START_TEST(memory_without_rights)
{
    check_without_rights(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
}
END_TEST

static void *volatile *aligned;

static __attribute__((noinline)) void make_aligned(void)
{
    aligned = kgc_aligned_alloc(4096, 3 * 4096);
    batch_add(&kept, (void *)aligned);
    put(aligned + 600);
}

/* A page in the middle of a block. */
START_TEST(a_block_without_rights)
{
    setup();
    make_aligned();
    ck_assert_int_eq(mprotect((char *)aligned + 4096, 4096, PROT_NONE), 0);
    ck_kept();
    ck_assert_int_eq(mprotect((char *)aligned + 4096, 4096, PROT_READ | PROT_WRITE), 0);
    aligned = NULL;
    ck_lost(&kept);
}
END_TEST

/* Touched nowhere but in one place, and reading it all would take memory. */
START_TEST(much_address_space)
{
    setup();
    void *volatile *p = (void *volatile *)map(
        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, (size_t)8 << 30);
    put(p + (1 << 20));
    size_t before = count_holdings().mappings;
    struct kgc__found out;
    struct tally t = {.batch = &kept};
    ck_assert_int_eq(kgc__leaks_find(false, tally_one, &t, &out), 0);
    ck_assert_uint_eq(t.found, 0);
    ck_assert_uint_eq(count_holdings().mappings, before);
    printf("pause with 8 GiB of untouched memory: %.3f ms\n", out.pause * 1e3);
    ck_kept();
}
END_TEST

/* ---- what belongs to a thread ---- */

static sem_t ready, done;

static void *with_local(void *arg)
{
    (void)arg;
    void *volatile local;
    put(&local);
    sem_post(&ready);
    sem_wait(&done);
    return local;
}

static pthread_key_t keys[40];

static void *with_specific(void *arg)
{
    (void)arg;
    pthread_setspecific(keys[arg == NULL ? 0 : 39], chain(&kept));
    clear_stack();
    sem_post(&ready);
    sem_wait(&done);
    return NULL;
}

static void *with_tls(void *arg)
{
    (void)arg;
    put((void *volatile *)&own);
    clear_stack();
    sem_post(&ready);
    sem_wait(&done);
    return NULL;
}

static pthread_t begin(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

static void check_thread(void *(*fn)(void *), void *arg)
{
    setup();
    kept.count = 0;
    sem_init(&ready, 0, 0);
    sem_init(&done, 0, 0);
    pthread_t t = begin(fn, arg);
    sem_wait(&ready);
    ck_kept();
    sem_post(&done);
    pthread_join(t, NULL);
}

START_TEST(a_stack)
{
    check_thread(with_local, NULL);
}
END_TEST

START_TEST(thread_local_storage_of_a_thread)
{
    check_thread(with_tls, NULL);
}
END_TEST

/* glibc keeps the first 32 in the thread's record, the others in blocks. */
START_TEST(thread_specific_data)
{
    for (unsigned i = 0; i < 40; i++)
        pthread_key_create(&keys[i], NULL);
    check_thread(with_specific, NULL);
    control.count = 0;
    check_thread(with_specific, &ready);
}
END_TEST

static void *volatile passed;
static volatile int stop;

/* The only pointer is in a general register, then in a vector register. */
static void *in_register(void *arg)
{
    put(&passed);
    clear_stack();
#if defined __x86_64__
    if (arg == NULL)
        __asm__ volatile("movq %[from], %%r9\n\t"
                         "xorl %%ecx, %%ecx\n\t"
                         "movq %%rcx, %[from]\n\t"
                         "movl $1, %[ready]\n"
                         "1: pause\n\t"
                         "cmpl $0, %[stop]\n\t"
                         "je 1b\n\t"
                         "xorl %%r9d, %%r9d"
                         : [from] "+m"(passed), [ready] "=m"(*(volatile int *)&ready)
                         : [stop] "m"(stop)
                         : "r9", "rcx", "memory", "cc");
    else
        __asm__ volatile("movq %[from], %%xmm9\n\t"
                         "pslldq $8, %%xmm9\n\t"
                         "xorl %%ecx, %%ecx\n\t"
                         "movq %%rcx, %[from]\n\t"
                         "movl $1, %[ready]\n"
                         "1: pause\n\t"
                         "cmpl $0, %[stop]\n\t"
                         "je 1b\n\t"
                         "pxor %%xmm9, %%xmm9"
                         : [from] "+m"(passed), [ready] "=m"(*(volatile int *)&ready)
                         : [stop] "m"(stop)
                         : "xmm9", "rcx", "memory", "cc");
#elif defined __aarch64__
    (void)arg;
    __asm__ volatile("ldr x9, %[from]\n\t"
                     "str xzr, %[from]\n\t"
                     "mov w10, #1\n\t"
                     "str w10, %[ready]\n"
                     "1: ldr w10, %[stop]\n\t"
                     "cbz w10, 1b\n\t"
                     "mov x9, #0"
                     : [from] "+m"(passed), [ready] "=m"(*(volatile int *)&ready)
                     : [stop] "m"(stop)
                     : "x9", "x10", "memory", "cc");
#endif
    return NULL;
}

static void check_register(void *arg)
{
    volatile int *flag = (volatile int *)&ready;
    kept.count = control.count = 0;
    stop = *flag = 0;
    setup();
    pthread_t t = begin(in_register, arg);
    while (*flag == 0)
        sched_yield();
    ck_kept();
    stop = 1;
    pthread_join(t, NULL);
}

START_TEST(a_register)
{
    check_register(NULL);
    check_register(&ready);
}
END_TEST

/* ---- other stacks ---- */

static ucontext_t main_context, coroutine;
enum { COROUTINE_STACK = 64 * 1024 };

static void run_coroutine(void)
{
    void *volatile local;
    put(&local);
    clear_stack();
    swapcontext(&coroutine, &main_context);
    local = NULL;
    swapcontext(&coroutine, &main_context);
}

static char small_stack[256 * 1024];

static void enter(char *stack, size_t size)
{
    getcontext(&coroutine);
    coroutine.uc_stack = (stack_t){.ss_sp = stack, .ss_size = size};
    makecontext(&coroutine, run_coroutine, 0);
    swapcontext(&main_context, &coroutine);
}

/* Its stack pointer is in a ucontext_t, which need not be a root. */
START_TEST(a_coroutine_in_anonymous_memory)
{
    setup();
    enter(map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 256 * 1024), 256 * 1024);
    ck_kept();
}
END_TEST

START_TEST(a_coroutine_in_static_data)
{
    setup();
    enter(small_stack, sizeof small_stack);
    ck_kept();
}
END_TEST

START_TEST(a_coroutine_in_a_block)
{
    setup();
    enter(kgc_malloc(256 * 1024), 256 * 1024);
    ck_kept();
}
END_TEST

static ucontext_t thread_context;

static void search_on_coroutine(void)
{
    sem_post(&ready);
    sem_wait(&done);
    swapcontext(&coroutine, &thread_context);
}

/* The thread's own stack is not the one that it runs on. */
static void *switching(void *arg)
{
    (void)arg;
    void *volatile local;
    put(&local);
    clear_stack();
    getcontext(&coroutine);
    coroutine.uc_stack = (stack_t){.ss_sp = small_stack, .ss_size = sizeof small_stack};
    makecontext(&coroutine, search_on_coroutine, 0);
    swapcontext(&thread_context, &coroutine);
    return local;
}

START_TEST(the_stack_under_a_coroutine)
{
    check_thread(switching, NULL);
}
END_TEST

/* A program's own region of stacks: what lies below a stack pointer is not free. */
static void *on_given_stack(void *arg)
{
    put((void *volatile *)arg);
    clear_stack();
    sem_post(&ready);
    sem_wait(&done);
    return NULL;
}

START_TEST(below_a_stack_that_the_program_has_made)
{
    char *p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1 << 20);
    pthread_attr_t attributes;
    pthread_t t;
    setup();
    sem_init(&ready, 0, 0);
    sem_init(&done, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, p + (1 << 19), 1 << 19);
    ck_assert_int_eq(pthread_create(&t, &attributes, on_given_stack, p + 8192), 0);
    sem_wait(&ready);
    ck_kept();
    sem_post(&done);
    pthread_join(t, NULL);
}
END_TEST

/* ---- a handler's stack inside the stack that it interrupts ---- */

static struct tally in_handler;

static void search_in_handler(int number)
{
    (void)number;
    in_handler = search(&kept);
}

static __attribute__((noinline)) void raise_far_below(void)
{
    char space[64 * 1024];
    void *volatile local;
    memset(space, 0, sizeof space);
    __asm__ volatile("" : : "r"(space) : "memory");
    put(&local);
#if defined __x86_64__
    __asm__ volatile("xorl %%eax, %%eax\n xorl %%ecx, %%ecx\n xorl %%edx, %%edx\n xorl %%esi, %%esi\n"
                     "xorl %%edi, %%edi\n xorl %%r8d, %%r8d\n xorl %%r9d, %%r9d\n xorl %%r10d, %%r10d\n"
                     "xorl %%r11d, %%r11d\n pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n"
                     "pxor %%xmm3, %%xmm3\n"
                     :
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2",
                       "xmm3", "cc", "memory");
#endif
    raise(SIGUSR1);
    local = NULL;
}

START_TEST(below_a_handler_s_stack)
{
    char space[128 * 1024];
    const stack_t stack = {.ss_sp = space, .ss_size = sizeof space}, none = {.ss_flags = SS_DISABLE};
    const struct sigaction action = {.sa_handler = search_in_handler, .sa_flags = SA_ONSTACK};
    setup();
    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
    sigaction(SIGUSR1, &action, NULL);
    in_handler.batch = NULL;
    raise_far_below();
    sigaltstack(&none, NULL);
    ck_assert_ptr_eq(in_handler.batch, &kept);
    ck_assert_uint_eq(in_handler.found, 0);
    clear_stack();
    ck_lost(&control);
}
END_TEST

/* ---- pointers to a block's end ---- */

static void *volatile end;

static __attribute__((noinline)) void make_end(void)
{
    const struct kgc__rooted_tail tail = {.extra = 1};
    kgc__rooted_set_tail(&tail);
    void **p = kgc_malloc(4096);
    batch_add(&kept, p);
    put(p);
    end = (char *)p + kgc_malloc_usable_size(p);
}

START_TEST(a_pointer_to_the_end)
{
    kgc__caches_alone = true;
    make_end();
    lose();
    ck_kept();
}
END_TEST

static void *volatile pinned;

START_TEST(pinned_blocks)
{
    setup();
    put(&pinned);
    ck_assert(kgc__block_pin(pinned, true));
    pinned = NULL;
    ck_kept();
}
END_TEST

SUITE("leak_roots", anonymous_memory, kernels_before_6_7, thread_local_storage, shared_anonymous_memory,
      shared_memory, shared_file, private_file, read_only_memory, memory_without_rights,
      a_block_without_rights, much_address_space, a_stack, thread_local_storage_of_a_thread,
      thread_specific_data, a_register, a_coroutine_in_anonymous_memory, a_coroutine_in_static_data,
      a_coroutine_in_a_block, the_stack_under_a_coroutine, below_a_stack_that_the_program_has_made,
      below_a_handler_s_stack, a_pointer_to_the_end, pinned_blocks)
