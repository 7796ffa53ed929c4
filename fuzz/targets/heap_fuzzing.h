// Shared by the targets that play heap inputs (heap, misuse, differential). Only these include it,
// because it defines variables: each target is a program of its own.
#pragma once

#include "fuzz/play/dirty.h"
#include "fuzz/play/heap_input.h"
#include "fuzz/play/heap_player.h"
#include "fuzz/targets/target.h"

#include <stdio.h>
#include <stdlib.h>

static heap_player player;

// Called by LLVMFuzzerInitialize after target_begin and the target's own setup.
static inline void heap_fuzzing_begin(void) {
    if (!heap_player_create(&player)) {
        perror("linmem-fuzz: no address space");
        exit(2);
    }
#ifndef STORES_UNTOLD // the strategies are compiled without trace-stores
    dirty_watch(&player.memory);
#endif
    target_measure();
}

// Operation `at` of those `played` broke a law.
_Noreturn static inline void heap_fuzzing_fail(size_t at, size_t played, law broken,
                                               const char *finding) {
    char how[300];
    snprintf(how, sizeof how, "operation %zu of %zu: %s", at, played, finding);
    target_fail(broken, how);
}

// Plays an input on one strategy.
static inline void heap_fuzzing_play(const heap_options *options, const uint8_t *bytes,
                                     size_t count) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    size_t played = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX), at;
    if (!heap_player_run(&player, options, operations, played, &at))
        heap_fuzzing_fail(at, played, player.heap.oracle.broken, player.heap.oracle.finding);
    target_operations += played;
}

// Mutates an input with the target's mutator, and one time in 32 with libFuzzer's own, which uses
// the dictionary.
static inline size_t heap_fuzzing_mutate(size_t (*mutate)(uint8_t *, size_t, size_t, unsigned),
                                         uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    if (seed % 32 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return mutate(bytes, count, max, seed);
}
