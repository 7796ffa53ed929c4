// A checksum of a heap, taken before and after a call that must not change it.
#pragma once

#include "alloc/conformance/oracle.h"

typedef struct heap_look {
    uint64_t sum;
    uint32_t pages, epoch, refusals;
} heap_look;

// Covers all bytes of a small memory; of a large one the heap's first and last 128 KiB.
heap_look heap_look_at(const oracle *oracle);
bool heap_look_same(const heap_look *a, const heap_look *b);
