// Shared by the targets that play heap inputs (heap, misuse, differential). Only these include it,
// because it defines variables and libFuzzer's functions: each target is a program of its own.
//
// A target may define before: MUTATE, its mutator; MUTATED_MAX, the bytes of its longest inputs.
#pragma once

#include "fuzz/play/dirty.h"
#include "fuzz/play/heap_input.h"
#include "fuzz/play/heap_player.h"
#include "fuzz/targets/target.h"

#include <stdio.h>
#include <stdlib.h>

static heap_player player;

#ifndef MUTATE
#define MUTATE heap_input_mutate
#endif
#ifndef MUTATED_MAX
#define MUTATED_MAX SIZE_MAX
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    if (!heap_player_create(&player)) {
        perror("linmem-fuzz: no address space");
        exit(2);
    }
#ifndef STORES_UNTOLD // the strategies are compiled without trace-stores
    dirty_watch(&player.memory);
#endif
    target_measure();
    return 0;
}

// One time in 32, libFuzzer's own mutator, which uses the dictionary.
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    if (max > MUTATED_MAX) max = MUTATED_MAX;
    if (count > max) count = max;
    if (seed % 32 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return MUTATE(bytes, count, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    if (max > MUTATED_MAX) max = MUTATED_MAX;
    return heap_input_cross(first, first_count, second, second_count, bytes, max, seed);
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
