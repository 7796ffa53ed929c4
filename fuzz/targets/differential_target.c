// Fuzz target: the same allocator calls on all strategies, whose results must agree within the
// policy (fuzz/oracle/differential.h).
#include "fuzz/oracle/differential.h"
#include "fuzz/targets/heap_fuzzing.h"

#define STRATEGY(name) extern const lm_allocator lm_##name##_level0, lm_##name##_level1;
#include "alloc/strategies.def"
#undef STRATEGY

static const lm_allocator *const strategies[][2] = {
#define STRATEGY(name) {&lm_##name##_level0, &lm_##name##_level1},
#include "alloc/strategies.def"
#undef STRATEGY
};

static differential all = {.count = sizeof strategies / sizeof *strategies};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    for (size_t i = 0; i < all.count; i++)
        all.allocators[i] = strategies[i][target.level];
    heap_fuzzing_begin();
    return 0;
}

void target_input(const uint8_t *bytes, size_t count) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    size_t played = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX), at;
    heap_options options = {.walk_every = target.walk_every};
    if (!differential_run(&all, &player, &options, operations, played, &at))
        heap_fuzzing_fail(at, played, all.broken, all.finding);
    target_operations += played;
}

enum { MUTATED_MAX = 1024 }; // bytes; each operation is played on all strategies

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    if (max > MUTATED_MAX) max = MUTATED_MAX;
    if (count > max) count = max;
    return heap_fuzzing_mutate(heap_input_mutate, bytes, count, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_count, const uint8_t *second,
                                 size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    if (max > MUTATED_MAX) max = MUTATED_MAX;
    return heap_input_cross(first, first_count, second, second_count, bytes, max, seed);
}
