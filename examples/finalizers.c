/* SPDX-License-Identifier: MIT */
/*
 * Finalizers in their four modes: which objects are finalized, in which
 * collection, and in what order.  Prints what it sees and fails when that is
 * not what the modes promise.
 *
 * Objects are made in a thread that ends before the collection, so that no
 * stale word on a stack looks like a pointer to them.
 */
#include <kindgc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COLLECTIONS 5

typedef struct object {
    struct object *other;
    char payload[48];
} object;

/* Names of finalized objects in the order in which they went, one letter
   each; atomic ordering is not needed: they run on demand, in one thread. */
static char finalized[32];

static void finalize(void *p, void *data)
{
    (void)p;
    strcat(finalized, data);
}

static void fail(const char *what)
{
    fprintf(stderr, "finalizers: %s\n", what);
    exit(1);
}

static object *make(char *name, kgc_finalizer_mode mode, object *other)
{
    object *o = kgc_allocate(sizeof *o);
    if (!o || kgc_register_finalizer(o, finalize, name, mode, NULL, NULL))
        fail("cannot make an object");
    o->other = other;
    return o;
}

/* a points to b, b to c. */
static void *make_chain(void *mode)
{
    kgc_finalizer_mode m = *(kgc_finalizer_mode *)mode;
    make("a", m, make("b", m, make("c", m, NULL)));
    return NULL;
}

/* Hidden: the collector must not take it for a pointer. */
static uintptr_t selfish;

static void *make_selfish(void *mode)
{
    object *o = make("s", *(kgc_finalizer_mode *)mode, NULL);
    o->other = o;
    selfish = ~(uintptr_t)o;
    return NULL;
}

/* Sound, because an object with a finalizer that has not run is still there. */
static void *cut_cycle(void *unused)
{
    (void)unused;
    ((object *)~selfish)->other = NULL;
    return NULL;
}

/* a, b and c are ordinary; what they share is to go last. */
static void *make_shared(void *mode)
{
    object *shared = make("z", *(kgc_finalizer_mode *)mode, NULL);
    make("a", KGC_FINALIZE_NORMAL, make("b", KGC_FINALIZE_NORMAL, shared));
    return NULL;
}

/* Finalizers leave the addresses of their objects behind on the stack. */
__attribute__((noinline, no_sanitize("address"))) static void clear_stack(void)
{
    volatile char nothing[16384];
    for (size_t i = 0; i < sizeof nothing; i++)
        nothing[i] = 0;
}

/* Prints what each collection finalized until the expected number has been;
   `rounds` receives it, with spaces between collections. */
static void watch(const char *title, void *(*build)(void *), kgc_finalizer_mode mode, size_t expected,
                  char *rounds)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, build, &mode) || pthread_join(thread, NULL))
        fail("cannot start a thread");
    finalized[0] = rounds[0] = '\0';
    printf("%s\n", title);
    for (int i = 1; i <= MOST_COLLECTIONS && strlen(finalized) < expected; i++) {
        size_t before = strlen(finalized);
        clear_stack();
        kgc_collect();
        if (kgc_finalizers_run() == 0)
            continue;
        printf("    collection %d: %s\n", i, finalized + before);
        strcat(rounds, *rounds ? " " : "");
        strcat(rounds, finalized + before);
    }
    if (!*rounds)
        printf("    never\n");
}

int main(void)
{
    char rounds[64];
    if (kgc_init(NULL) || kgc_set_finalizer_thread(KGC_FINALIZERS_ON_DEMAND))
        fail(kgc_last_error());

    watch("normal, a -> b -> c: what points goes first, one per collection", make_chain, KGC_FINALIZE_NORMAL,
          3, rounds);
    if (strcmp(rounds, "a b c") != 0)
        fail("a chain is finalized from its start");

    /* libgc warns of it. */
    watch("normal, s -> s: a cycle has no start", make_selfish, KGC_FINALIZE_NORMAL, 1, rounds);
    if (strcmp(rounds, "") != 0)
        fail("an object in a cycle is not finalized");
    watch("the same after the cycle was cut", cut_cycle, KGC_FINALIZE_NORMAL, 1, rounds);
    if (strcmp(rounds, "s") != 0)
        fail("an object is finalized when its cycle was cut");

    watch("ignoring itself, s -> s", make_selfish, KGC_FINALIZE_IGNORE_SELF, 1, rounds);
    if (strcmp(rounds, "s") != 0)
        fail("an object that points to itself is finalized when that is ignored");

    watch("no order, a -> b -> c: all at once", make_chain, KGC_FINALIZE_NO_ORDER, 3, rounds);
    if (strlen(rounds) != 3)
        fail("without an order all are finalized in one collection");

    watch("unreachable, a -> b -> z: z when nothing finalizable reaches it", make_shared,
          KGC_FINALIZE_UNREACHABLE, 3, rounds);
    if (strcmp(finalized, "abz") != 0)
        fail("what is finalized when unreachable goes last");
    return 0;
}
