// Fuzz target: wrong calls on one strategy, between right ones that build a heap: each is caught at
// check level 1, and the heap is as it was; play goes on under the oracle.
#include "fuzz/dirty.h"
#include "fuzz/heap_input.h"
#include "fuzz/heap_player.h"
#include "fuzz/target.h"

#include <stdio.h>

#define TABLE_(strategy) lm_##strategy##_level1
#define TABLE(strategy)  TABLE_(strategy)

extern const lm_allocator TABLE(TARGET_STRATEGY);

static heap_player player;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    if (!heap_player_create(&player)) {
        perror("linmem-fuzz: no address space");
        return 2;
    }
    dirty_watch(&player.memory);
    target_measure();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    size_t played = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX), at;
    heap_options options = {.allocator = &TABLE(TARGET_STRATEGY),
                            .walk_every = target.walk_every,
                            .without = target.without,
                            .wrong_calls = true};
    if (!heap_player_run(&player, &options, operations, played, &at)) {
        char how[240];
        snprintf(how, sizeof how, "operation %zu of %zu: %s", at, played, player.oracle.finding);
        target_fail(player.oracle.broken, how);
    }
    target_operations += played;
    return 0;
}

// Now and then libFuzzer's own mutations, which know the dictionary.
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    if (seed % 32 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return heap_input_mutate_wrong(bytes, count, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    return heap_input_cross(first, first_count, second, second_count, bytes, max, seed);
}
