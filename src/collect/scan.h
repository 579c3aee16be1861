/* SPDX-License-Identifier: MIT */
/* The explicit memory of scanned kinds, as roots. */
#ifndef KGC_COLLECT_SCAN_H
#define KGC_COLLECT_SCAN_H

/* Calls push for each run of pages that may hold live blocks of a scanned
   kind.  Takes no lock and allocates nothing: called with threads suspended. */
void kgc__scan_visit(void (*push)(char *lo, char *hi, void *arg), void *arg);

#endif
