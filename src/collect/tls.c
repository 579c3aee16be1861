/* SPDX-License-Identifier: MIT */
/*
 * Where glibc keeps the calling thread's static thread-local storage.
 *
 *   x86-64:   [ static storage | control block ]
 *                              ^ pthread_self()
 *   aarch64:  [ control block | static storage ]
 *             ^ pthread_self()
 *
 * The control block (struct pthread) holds the values of the first 32 pthread
 * keys.  Both sizes are told by functions of glibc's that debuggers and
 * sanitizers use; libraries that dlopen(3) loads later may lie in the static
 * storage too, so its whole size counts, not what is used now.
 */
#include "base/size.h"
#include "collect/thread.h"
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>

enum { CONTROL_BLOCK = 2304 }; /* of glibc 2.17; it has only grown */

/* What of the loaded objects' storage lies around the control block, for a
   glibc that does not tell. */
struct hull {
    char *self, *lo, *hi;
};

static int extend(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct hull *hull = arg;
    (void)size;
    char *data = info->dlpi_tls_data;
    if (data == NULL || (size_t)(data - hull->self + KGC_MIB) > 2 * KGC_MIB)
        return 0; /* not there yet, or allocated apart from the rest */
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_TLS)
            continue;
        char *end = data + info->dlpi_phdr[i].p_memsz;
        hull->lo = data < hull->lo ? data : hull->lo;
        hull->hi = end > hull->hi ? end : hull->hi;
    }
    return 0;
}

void kgc__tls_range(char **lo, char **hi)
{
    char *self = (char *)pthread_self();
    const uint32_t *told = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");
    size_t block = told != NULL ? *told : CONTROL_BLOCK;
    void (*tell)(size_t *, size_t *) =
        (void (*)(size_t *, size_t *))dlsym(RTLD_DEFAULT, "_dl_get_tls_static_info");
    *lo = self;
    *hi = self + block;
    if (tell == NULL) {
        struct hull hull = {self, *lo, *hi};
        dl_iterate_phdr(extend, &hull);
        *lo = hull.lo;
        *hi = hull.hi;
        return;
    }
    size_t size, align;
    tell(&size, &align);
#if defined __aarch64__
    *hi += size;
#else
    *lo -= size - block; /* it counts the control block */
#endif
}
