// What a heap is before and after something that must not change it.
#pragma once

#include "fuzz/oracle/oracle.h"

typedef struct heap_look {
    uint64_t sum;
    uint32_t pages, epoch, refusals;
} heap_look;

// Looks at all bytes of a small memory, of a large one at the heap's first and last 128 KiB.
heap_look heap_look_at(const oracle *oracle);
bool heap_look_same(const heap_look *a, const heap_look *b);
