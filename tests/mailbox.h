/* SPDX-License-Identifier: MIT */
/*
 * Threads that exchange blocks of explicit memory: each allocates, leaves its
 * block in some place and takes away what another left there, checks its
 * contents and frees it.  So most blocks are freed by another thread than
 * allocated them, at any time.
 */
#ifndef KGC_TESTS_MAILBOX_H
#define KGC_TESTS_MAILBOX_H

#include <kindgc/arena.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { MAILBOX_PLACES = 256 };

struct mailbox {
    kgc_kind *kind;
    _Atomic(unsigned char *) place[MAILBOX_PLACES];
    _Atomic unsigned wrong; /* blocks that were refused or had changed */
    _Atomic bool stop;
};

static inline unsigned mailbox_random(unsigned *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Mostly small; some of every size up to 3 MiB. */
static inline size_t mailbox_size(unsigned *state)
{
    unsigned r = mailbox_random(state);
    size_t most = r % 64 == 0 ? 3u << 20 : r % 8 == 0 ? 100000 : 600;
    return sizeof(size_t) + 1 + mailbox_random(state) % most;
}

/* Of a block: its size in front, its value in the byte after that and in the last. */
static inline void mailbox_write(unsigned char *p, size_t size, unsigned char value)
{
    memcpy(p, &size, sizeof size);
    p[sizeof size] = p[size - 1] = value;
}

static inline bool mailbox_is_intact(const unsigned char *p)
{
    size_t size;
    memcpy(&size, p, sizeof size);
    return size > sizeof size && size <= kgc_kind_usable_size(NULL, p) && p[sizeof size] == p[size - 1];
}

static inline void mailbox_drop(struct mailbox *m, unsigned char *p, bool named)
{
    if (p == NULL)
        return;
    if (!mailbox_is_intact(p))
        atomic_fetch_add(&m->wrong, 1);
    kgc_kind_free(named ? m->kind : NULL, p);
}

static inline void mailbox_step(struct mailbox *m, unsigned *state)
{
    size_t size = mailbox_size(state);
    unsigned char *p = kgc_kind_malloc(m->kind, size);
    if (p == NULL) {
        atomic_fetch_add(&m->wrong, 1);
        return;
    }
    mailbox_write(p, size, (unsigned char)size);
    unsigned at = mailbox_random(state) % MAILBOX_PLACES;
    mailbox_drop(m, atomic_exchange(&m->place[at], p), at % 2 == 0);
}

static inline void mailbox_empty(struct mailbox *m)
{
    for (unsigned i = 0; i < MAILBOX_PLACES; i++)
        mailbox_drop(m, atomic_exchange(&m->place[i], NULL), true);
}

#endif
