/* SPDX-License-Identifier: MIT */
/* Two modules of one name and of different frames: see capture_test.c. */
void capture_call(void (*function)(void));

static __attribute__((noinline)) void inner(void (*function)(void))
{
    char space[FRAME];
    __asm__ volatile("" : : "r"(space) : "memory");
    function();
    __asm__ volatile("" : : "r"(space) : "memory");
}

void capture_call(void (*function)(void))
{
    inner(function);
    __asm__ volatile("" : : : "memory");
}
