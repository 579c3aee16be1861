/* SPDX-License-Identifier: MIT */
/*
 * Libraries that come and go, and glibc's own use of malloc in odd places:
 * dlopen and dlclose with constructors that allocate, RTLD_DEEPBIND, dynamic
 * thread-local storage, dlerror, backtrace, iconv, blocks of glibc's own.
 *
 * usage: loading MODULE
 */
#include "check.h"
#include <dlfcn.h>
#include <execinfo.h>
#include <iconv.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *path;

typedef char *new_fn(size_t);
typedef void free_fn(void *);
typedef const char *local_fn(void);

/* Blocks of one side, freed by the other. */
static bool use(int flags)
{
    void *module = dlopen(path, flags);
    if (module == NULL)
        return false;
    new_fn *new = (new_fn *)dlsym(module, "module_new");
    free_fn *release = (free_fn *)dlsym(module, "module_free");
    local_fn *local = (local_fn *)dlsym(module, "module_local");
    bool ok = new != NULL && release != NULL && local != NULL && strcmp(local(), "local") == 0;
    for (size_t size = 1; ok && size < 1000000; size = size * 3 + 1) {
        char *p = new (size), *q = new (size), *r = new (size);
        ok = malloc_usable_size(p) >= size && p[size - 1] == 'm';
        free(p);
        q = realloc(q, size * 2);
        ok = ok && q != NULL && q[0] == 'm' && q[size - 1] == 'm';
        release(q); /* with RTLD_DEEPBIND too, which would make it glibc's */
        ok = realloc(r, 0) == NULL && ok;
    }
    return dlclose(module) == 0 && ok;
}

static void *in_thread(void *arg)
{
    bool ok = true;
    for (int i = 0; i < 20; i++) {
        ok = dlsym(RTLD_DEFAULT, "no_such_function") == NULL && dlerror() != NULL && ok;
        ok = use(RTLD_NOW) && ok;
    }
    return ok ? arg : NULL;
}

/* Blocks of glibc's own functions, called by name, are freed and resized like others. */
extern void *__libc_malloc(size_t);

static bool use_glibcs(void)
{
    bool ok = true;
    for (size_t size = 1; size < 1000000; size = size * 3 + 1) {
        char *p = __libc_malloc(size), *q = __libc_malloc(size);
        memset(p, 'g', size);
        memset(q, 'g', size);
        ok = malloc_usable_size(p) >= size && ok;
        free(p);
        q = realloc(q, size * 2);
        ok = q != NULL && q[0] == 'g' && q[size - 1] == 'g' && ok;
        free(q);
        ok = realloc(__libc_malloc(size), 0) == NULL && ok;
    }
    return ok;
}

int main(int argc, char **argv)
{
    path = argc > 1 ? argv[1] : "";
    void *frames[20];
    CHECK(backtrace(frames, 20) > 0);
    for (int i = 0; i < 20; i++)
        CHECK(use(RTLD_NOW));
    CHECK(use(RTLD_NOW | RTLD_DEEPBIND));
    CHECK(use_glibcs());
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, in_thread, (void *)(i + 1)) == 0);
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        CHECK(pthread_join(t[i], &result) == 0 && result != NULL);
    }
    CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL && dlerror() != NULL);
    setlocale(LC_ALL, "C.UTF-8");
    iconv_t converter = iconv_open("UTF-16", "ISO-8859-15");
    if (converter != (iconv_t)-1)
        iconv_close(converter);
    printf("%d failures\n", failures);
    return failures != 0;
}
