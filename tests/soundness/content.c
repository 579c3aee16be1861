/* SPDX-License-Identifier: MIT */
/* What the bytes of a node are: see content.h. */
#include "content.h"
#include "failure.h"
#include "run.h"
#include <string.h>

static const uint64_t STEP = 0x9e3779b97f4a7c15, NO_ADDRESS = (uint64_t)1 << 63;

static uint64_t word_of(const struct node *n, size_t i)
{
    return n->decoy != 0 ? ~n->decoy : (n->seed + i * STEP) | NO_ADDRESS;
}

/* The words [from, to). */
static void write_words(const struct node *n, uint64_t *object, size_t from, size_t to)
{
    if (n->decoy != 0)
        for (size_t i = from; i < to; i++)
            object[i] = ~n->decoy;
    else
        for (size_t i = from; i < to; i++)
            object[i] = (n->seed + i * STEP) | NO_ADDRESS;
}

static uint64_t differences(const struct node *n, const uint64_t *object, size_t from, size_t to)
{
    uint64_t different = 0;
    if (n->decoy != 0)
        for (size_t i = from; i < to; i++)
            different |= object[i] ^ ~n->decoy;
    else
        for (size_t i = from; i < to; i++)
            different |= object[i] ^ ((n->seed + i * STEP) | NO_ADDRESS);
    return different;
}

static uint64_t tail_of(const struct node *n)
{
    return (n->seed + n->size / 8 * STEP) | NO_ADDRESS;
}

void content_write(const struct node *n, void *object)
{
    size_t words = n->size / 8, from = 0;
    for (unsigned i = 0; i < n->edges; from = n->edge[i++].word + 1)
        write_words(n, object, from, n->edge[i].word);
    write_words(n, object, from, words);
    uint64_t tail = tail_of(n);
    memcpy((char *)object + words * 8, &tail, n->size % 8);
}

static bool differs(const struct node *n, const void *object, size_t word, uint64_t expected,
                    const char *when)
{
    uint64_t found = 0;
    memcpy(&found, (const char *)object + word * 8, n->size - word * 8 < 8 ? n->size - word * 8 : 8);
    broken("%s: node %u (%s, %zu bytes at %p, made at operation %lu) has %#lx instead of %#lx in word %zu",
           when, id_of(n), sort_names[n->sort], n->size, object, (unsigned long)n->born, (unsigned long)found,
           (unsigned long)expected, word);
    return false;
}

static bool verify_words(const struct node *n, const uint64_t *object, size_t from, size_t to,
                         const char *when)
{
    if (differences(n, object, from, to) == 0)
        return true;
    while (object[from] == word_of(n, from))
        from++;
    return differs(n, object, from, word_of(n, from), when);
}

bool content_verify(const struct node *n, const void *object, const char *when)
{
    const uint64_t *words = object;
    size_t from = 0;
    for (unsigned i = 0; i < n->edges; i++) {
        const struct edge *e = &n->edge[i];
        if (!verify_words(n, words, from, e->word, when))
            return false;
        if (words[e->word] != ~e->hidden)
            return differs(n, object, e->word, ~e->hidden, when);
        from = e->word + 1;
    }
    if (!verify_words(n, words, from, n->size / 8, when))
        return false;
    uint64_t tail = tail_of(n);
    if (memcmp(words + n->size / 8, &tail, n->size % 8) != 0)
        return differs(n, object, n->size / 8, tail, when);
    return true;
}

bool is_zero(const void *object, size_t size)
{
    const unsigned char *p = object;
    uint64_t any = 0, word;
    for (; size >= sizeof word; p += sizeof word, size -= sizeof word) {
        memcpy(&word, p, sizeof word);
        any |= word;
    }
    for (; size > 0; size--)
        any |= *p++;
    return any == 0;
}
