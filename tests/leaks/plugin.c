/* SPDX-License-Identifier: MIT */
/* A module that leaks and is unloaded (with -DPLUGIN), and who loads it. */
#include <stdlib.h>

#ifdef PLUGIN
void plugin(void);
void plugin(void)
{
    char *p = malloc(123); /* leak: plugin */
    __asm__ volatile("" : : "r"(p) : "memory");
}
#else
#include <dlfcn.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        void *module = dlopen(argv[i], RTLD_NOW);
        if (module == NULL)
            return 1;
        ((void (*)(void))dlsym(module, "plugin"))();
        dlclose(module);
    }
    return 0;
}
#endif
