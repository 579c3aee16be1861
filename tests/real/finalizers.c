/* SPDX-License-Identifier: MIT */
/* A program on stock libgc that has ten objects with finalizers when it ends. */
#include <gc/gc.h>
#include <stdio.h>

static void *objects[10];

static void GC_CALLBACK on_end(void *object, void *data)
{
    (void)data;
    printf("finalized %s\n", (const char *)object);
}

int main(void)
{
    GC_INIT();
    for (int i = 0; i < 10; i++) {
        objects[i] = GC_MALLOC_ATOMIC(20);
        snprintf(objects[i], 20, "object %d", i);
        GC_register_finalizer(objects[i], on_end, NULL, NULL, NULL);
    }
    puts("end of main");
    return 0;
}
