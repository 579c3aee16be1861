/* SPDX-License-Identifier: MIT */
/* dlclose(3): see unload.c. */
#ifndef KGC_COLLECT_UNLOAD_H
#define KGC_COLLECT_UNLOAD_H

/* Called after each dlclose(), in the same thread, with no lock held; NULL: nobody. */
extern void (*kgc__after_dlclose)(void);

#endif
