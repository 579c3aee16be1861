/* SPDX-License-Identifier: MIT */
/* The modes of malloc=: see start.h. */
#include "leak/start.h"
#include "base/options.h"
#include "leak/reclaim.h"
#include <string.h>

enum kgc__malloc_mode kgc__malloc_mode(void)
{
    static const char *const names[] = {[KGC__MALLOC_OFF] = "off",
                                        [KGC__MALLOC_ROOTED] = "rooted",
                                        [KGC__MALLOC_COLLECT] = "collect",
                                        [KGC__MALLOC_DETECT] = "detect"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(kgc__settings.malloc, names[i]) == 0)
            return (enum kgc__malloc_mode)i;
    return KGC__MALLOC_ROOTED;
}

int kgc__leak_start(enum kgc__malloc_mode mode)
{
    switch (mode) {
    case KGC__MALLOC_OFF:
    case KGC__MALLOC_ROOTED:
        break;
    case KGC__MALLOC_COLLECT:
        kgc__reclaim_start();
        break;
    case KGC__MALLOC_DETECT:
        break;
    }
    return 0;
}

void kgc__leak_trim(void)
{
    if (kgc__malloc_mode() == KGC__MALLOC_COLLECT)
        kgc__reclaim();
}
