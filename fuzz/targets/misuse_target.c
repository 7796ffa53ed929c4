// Fuzz target: wrong calls on one strategy, between right ones. At check level 1 each must trap and
// leave the heap unchanged; play then continues under the oracle.
#include "fuzz/targets/heap_fuzzing.h"

#define TABLE_(strategy) lm_##strategy##_level1
#define TABLE(strategy)  TABLE_(strategy)

extern const lm_allocator TABLE(TARGET_STRATEGY);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    heap_fuzzing_begin();
    return 0;
}

void target_input(const uint8_t *bytes, size_t count) {
    heap_options options = {
        .allocator = &TABLE(TARGET_STRATEGY), .walk_every = target.walk_every, .wrong_calls = true};
    heap_fuzzing_play(&options, bytes, count);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    return heap_fuzzing_mutate(heap_input_mutate_wrong, bytes, count, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    return heap_input_cross(first, first_count, second, second_count, bytes, max, seed);
}
