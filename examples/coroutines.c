/* SPDX-License-Identifier: MIT */
/*
 * Generators over collectable lists, as coroutines with ucontext(3).
 *
 *   coroutines COUNT
 *
 * A chain of generators, each on a stack of its own, sieves the prime numbers:
 * the first one counts, each further one lets through what its prime does not
 * divide.  Another one walks a list that nothing but its own stack refers to.
 * Each generator has objects that only its suspended stack knows; collections
 * run all the while, and the sums show that nothing was lost.
 *
 * What the collector has to be told: where stacks lie, and when the thread
 * goes to another one.
 */
#include <kindgc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK = 64 * 1024 };

struct generator {
    ucontext_t context, caller;
    kgc_stack *stack;
    kgc_stack *callers; /* NULL: the thread's own */
    void *memory;
    void (*body)(struct generator *self);
    void *arg;
    void *value; /* what was generated last; NULL: there is no more */
};

/* The stack that the program is on. */
static kgc_stack *current;

static void fail(const char *what)
{
    fprintf(stderr, "coroutines: %s: %s\n", what, kgc_last_error());
    exit(1);
}

static void go(ucontext_t *from, const ucontext_t *to, kgc_stack *stack)
{
    if (kgc_stack_switch(stack) != 0)
        fail("kgc_stack_switch");
    current = stack;
    swapcontext(from, to);
}

static void yield(struct generator *self, void *value)
{
    self->value = value;
    go(&self->context, &self->caller, self->callers);
}

/* The next value, or NULL. */
static void *next(struct generator *g)
{
    g->callers = current;
    go(&g->caller, &g->context, g->stack);
    return g->value;
}

static void begin(unsigned high, unsigned low)
{
    struct generator *self = (struct generator *)((uintptr_t)high << 32 | low);
    self->body(self);
    for (;;)
        yield(self, NULL);
}

/* Rooted: `arg` and `value` keep alive what they point to. */
static struct generator *generate(void (*body)(struct generator *), void *arg)
{
    struct generator *g = kgc_calloc(1, sizeof *g);
    if (g == NULL)
        fail("kgc_calloc");
    g->memory = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->memory == MAP_FAILED || kgc_stack_register(g->memory, (char *)g->memory + STACK, &g->stack) != 0)
        fail("no stack");
    g->body = body;
    g->arg = arg;
    getcontext(&g->context);
    g->context.uc_stack.ss_sp = g->memory;
    g->context.uc_stack.ss_size = STACK;
    makecontext(&g->context, (void (*)(void))(void (*)(unsigned, unsigned))begin, 2,
                (unsigned)((uintptr_t)g >> 32), (unsigned)(uintptr_t)g);
    return g;
}

static void end(struct generator *g)
{
    kgc_stack_unregister(g->stack);
    munmap(g->memory, STACK);
    kgc_free(g);
}

struct number {
    long n;
};

static struct number *number(long n)
{
    struct number *p = kgc_allocate(sizeof *p);
    if (p == NULL)
        fail("kgc_allocate");
    p->n = n;
    return p;
}

static void count(struct generator *self)
{
    for (struct number *i = number(2);; i = number(i->n + 1))
        yield(self, i);
}

/* What comes from the generator `arg` and is no multiple of its first number. */
static void sieve(struct generator *self)
{
    struct generator *source = self->arg;
    struct number *prime = next(source), *n;
    yield(self, prime);
    while ((n = next(source)) != NULL)
        if (n->n % prime->n != 0)
            yield(self, n);
}

static long sum_of_primes(long how_many)
{
    struct generator **chain = kgc_calloc((size_t)how_many + 1, sizeof(struct generator *));
    long sum = 0;
    chain[0] = generate(count, NULL);
    for (long i = 0; i < how_many; i++) {
        chain[i + 1] = generate(sieve, chain[i]);
        const struct number *prime = next(chain[i + 1]);
        sum += prime->n;
    }
    for (long i = 0; i <= how_many; i++)
        end(chain[i]);
    kgc_free(chain);
    return sum;
}

struct pair {
    struct number *first;
    struct pair *rest;
};

/* The numbers from `arg` down to 1, by way of a list of its own. */
static void walk(struct generator *self)
{
    struct pair *list = NULL;
    for (long i = 1; i <= ((struct number *)self->arg)->n; i++) {
        struct pair *p = kgc_allocate(sizeof *p);
        if (p == NULL)
            fail("kgc_allocate");
        p->first = number(i);
        p->rest = list;
        list = p;
    }
    for (; list != NULL; list = list->rest)
        yield(self, list->first);
}

static long sum_of_list(long length)
{
    struct generator *g = generate(walk, number(length));
    struct number *n;
    long sum = 0;
    for (long i = 0; (n = next(g)) != NULL; i++) {
        sum += n->n;
        if (i % 1000 == 0)
            kgc_collect();
    }
    end(g);
    return sum;
}

static size_t collections;

static void on_event(const kgc_event *event, void *arg)
{
    (void)arg;
    if (event->type == KGC_EVENT_COLLECTION_END)
        collections++;
}

int main(int argc, char **argv)
{
    static const kgc_listener listener = {on_event};
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    if (n <= 0 || n > 10000) {
        fprintf(stderr, "coroutines: COUNT is a number from 1 to 10000\n");
        return 2;
    }
    if (kgc_init(NULL) != 0)
        fail("kgc_init");
    kgc_add_listener(&listener, NULL);
    printf("sum of the first %ld primes: %ld\n", n, sum_of_primes(n));
    printf("sum of the list: %ld\n", sum_of_list(100 * n));
    printf("collections: %zu\n", collections);
    return 0;
}
