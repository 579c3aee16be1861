/* SPDX-License-Identifier: MIT */
/*
 * Ranges that do not overlap, in a treap: a search tree by address whose
 * random priorities keep it flat, so that programs with a hundred thousand
 * coroutines find the right one in some twenty steps.
 */
#include "collect/stack.h"
#include <stddef.h>

struct kgc__interval *kgc__interval_find(struct kgc__interval *root, const void *address)
{
    const char *p = address;
    while (root != NULL && (p < root->lo || p >= root->hi))
        root = p < root->lo ? root->left : root->right;
    return root;
}

static bool overlaps(const struct kgc__interval *root, const struct kgc__interval *i)
{
    while (root != NULL && (i->hi <= root->lo || i->lo >= root->hi))
        root = i->hi <= root->lo ? root->left : root->right;
    return root != NULL;
}

/* Those below an address and those from it on; it lies inside none. */
static void split(struct kgc__interval *root, const char *at, struct kgc__interval **below,
                  struct kgc__interval **above)
{
    while (root != NULL) {
        if (root->lo < at) {
            *below = root;
            below = &root->right;
            root = root->right;
        } else {
            *above = root;
            above = &root->left;
            root = root->left;
        }
    }
    *below = *above = NULL;
}

static uint32_t next_random(void)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

bool kgc__interval_insert(struct kgc__interval **root, struct kgc__interval *fresh)
{
    if (overlaps(*root, fresh))
        return false;
    fresh->priority = next_random();
    while (*root != NULL && (*root)->priority >= fresh->priority)
        root = fresh->lo < (*root)->lo ? &(*root)->left : &(*root)->right;
    split(*root, fresh->lo, &fresh->left, &fresh->right);
    *root = fresh;
    return true;
}

void kgc__interval_remove(struct kgc__interval **root, const struct kgc__interval *old)
{
    while (*root != old)
        root = old->lo < (*root)->lo ? &(*root)->left : &(*root)->right;
    struct kgc__interval *left = old->left, *right = old->right;
    while (left != NULL && right != NULL) {
        if (left->priority >= right->priority) {
            *root = left;
            root = &left->right;
            left = left->right;
        } else {
            *root = right;
            root = &right->left;
            right = right->left;
        }
    }
    *root = left != NULL ? left : right;
}
