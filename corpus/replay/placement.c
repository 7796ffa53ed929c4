#include "corpus/replay/placement.h"

#include <stdlib.h>

enum { GRANULE_BYTES = 16 };

// A free range. Node 0 is the empty tree: length and longest 0.
typedef struct gap {
    uint64_t start, length, longest; // longest: in the subtree
    uint32_t left, right, priority;
} gap;

struct placement {
    gap *gaps;
    uint32_t used, root;
    uint32_t spare; // list of unused nodes, by `left`
    uint32_t random;
    uint64_t end;
};

static uint64_t placement_granules_bytes(uint32_t size) {
    uint64_t rounded = ((uint64_t)size + GRANULE_BYTES - 1) & ~(uint64_t)(GRANULE_BYTES - 1);
    return rounded ? rounded : GRANULE_BYTES;
}

static uint32_t placement_node_new(placement *p, uint64_t start, uint64_t length) {
    uint32_t node = p->spare;
    if (node) {
        p->spare = p->gaps[node].left;
    } else {
        node = p->used++;
    }
    p->random ^= p->random << 13; // xorshift32 (Marsaglia 2003)
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    p->gaps[node] = (gap){start, length, length, 0, 0, p->random};
    return node;
}

static void placement_node_delete(placement *p, uint32_t node) {
    p->gaps[node].left = p->spare;
    p->spare = node;
}

static void placement_update(placement *p, uint32_t node) {
    gap *g = &p->gaps[node];
    g->longest = g->length;
    if (p->gaps[g->left].longest > g->longest) g->longest = p->gaps[g->left].longest;
    if (p->gaps[g->right].longest > g->longest) g->longest = p->gaps[g->right].longest;
}

static uint32_t placement_merge(placement *p, uint32_t left, uint32_t right) {
    if (!left || !right) return left ? left : right;
    if (p->gaps[left].priority > p->gaps[right].priority) {
        p->gaps[left].right = placement_merge(p, p->gaps[left].right, right);
        placement_update(p, left);
        return left;
    }
    p->gaps[right].left = placement_merge(p, left, p->gaps[right].left);
    placement_update(p, right);
    return right;
}

// Splits into gaps that start before `start` and the others.
static void placement_split(placement *p, uint32_t node, uint64_t start, uint32_t *before,
                            uint32_t *rest) {
    if (!node) {
        *before = *rest = 0;
    } else if (p->gaps[node].start < start) {
        placement_split(p, p->gaps[node].right, start, &p->gaps[node].right, rest);
        placement_update(p, node);
        *before = node;
    } else {
        placement_split(p, p->gaps[node].left, start, before, &p->gaps[node].left);
        placement_update(p, node);
        *rest = node;
    }
}

static void placement_insert(placement *p, uint64_t start, uint64_t length) {
    if (!length) return;
    uint32_t before, rest, node = placement_node_new(p, start, length);
    placement_split(p, p->root, start, &before, &rest);
    p->root = placement_merge(p, placement_merge(p, before, node), rest);
}

// Removes the gap that starts at `start`, if there is one, and returns its length.
static uint64_t placement_remove_at(placement *p, uint64_t start) {
    uint32_t before, node, rest;
    placement_split(p, p->root, start, &before, &rest);
    placement_split(p, rest, start + 1, &node, &rest);
    uint64_t length = p->gaps[node].length;
    if (node) placement_node_delete(p, node);
    p->root = placement_merge(p, before, rest);
    return length;
}

placement *placement_new(uint32_t start, uint32_t blocks_max) {
    placement *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->gaps =
        calloc((size_t)blocks_max + 4, sizeof *p->gaps); // + empty tree, tail, a temporary one
    if (!p->gaps) {
        free(p);
        return NULL;
    }
    p->used = 1;
    p->random = 2463534242u;
    uint64_t first = placement_granules_bytes(start);
    p->end = first;
    placement_insert(p, first, (UINT64_C(1) << 32) - first);
    return p;
}

void placement_free(placement *p) {
    if (p) free(p->gaps);
    free(p);
}

uint32_t placement_take(placement *p, uint32_t size, uint32_t alignment) {
    uint64_t length = placement_granules_bytes(size);
    uint64_t slack = alignment > GRANULE_BYTES ? alignment - GRANULE_BYTES : 0;
    uint32_t node = p->root;
    if (p->gaps[node].longest < length + slack) return 0;
    for (;;) { // the leftmost gap that is long enough for any alignment
        const gap *g = &p->gaps[node];
        if (p->gaps[g->left].longest >= length + slack)
            node = g->left;
        else if (g->length >= length + slack)
            break;
        else
            node = g->right;
    }
    uint64_t start = p->gaps[node].start;
    uint64_t at = slack ? (start + alignment - 1) & ~(uint64_t)(alignment - 1) : start;
    uint64_t whole = placement_remove_at(p, start);
    placement_insert(p, start, at - start);
    placement_insert(p, at + length, whole - (at - start) - length);
    if (at + length > p->end) p->end = at + length;
    return (uint32_t)at;
}

// Removes the gap that ends where a block begins. Returns its start, or `end` if there is none.
static uint64_t placement_remove_before(placement *p, uint64_t end) {
    uint32_t before, rest, node;
    placement_split(p, p->root, end, &before, &rest);
    for (node = before; p->gaps[node].right;)
        node = p->gaps[node].right;
    uint64_t start = p->gaps[node].start;
    bool touches = node && start + p->gaps[node].length == end;
    p->root = placement_merge(p, before, rest);
    if (!touches) return end;
    placement_remove_at(p, start);
    return start;
}

static void placement_give_bytes(placement *p, uint64_t start, uint64_t length) {
    uint64_t end = start + length;
    end += placement_remove_at(p, end);
    start = placement_remove_before(p, start);
    placement_insert(p, start, end - start);
}

void placement_give(placement *p, uint32_t offset, uint32_t size) {
    placement_give_bytes(p, offset, placement_granules_bytes(size));
}

bool placement_resize(placement *p, uint32_t offset, uint32_t size, uint32_t new_size) {
    uint64_t old_end = offset + placement_granules_bytes(size),
             new_end = offset + placement_granules_bytes(new_size);
    if (new_end < old_end) {
        placement_give_bytes(p, new_end, old_end - new_end);
    } else if (new_end > old_end) {
        uint64_t room = placement_remove_at(p, old_end);
        bool fits = room >= new_end - old_end;
        placement_insert(p, fits ? new_end : old_end, fits ? room - (new_end - old_end) : room);
        if (!fits) return false;
        if (new_end > p->end) p->end = new_end;
    }
    return true;
}

uint64_t placement_end(const placement *p) {
    return p->end;
}
