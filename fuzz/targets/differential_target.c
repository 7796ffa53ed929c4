// Fuzz target: the same allocator calls on all strategies, whose results must agree within the
// policy (fuzz/oracle/differential.h).
#include "fuzz/oracle/differential.h"

#define MUTATED_MAX 1024 // each operation is played on all strategies
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

void target_input(const uint8_t *bytes, size_t count) {
    static trace_operation operations[HEAP_INPUT_OPERATIONS_MAX];
    size_t played = heap_input_decode(bytes, count, operations, HEAP_INPUT_OPERATIONS_MAX), at;
    heap_options options = {.walk_every = target.walk_every};
    for (size_t i = 0; i < all.count; i++)
        all.allocators[i] = strategies[i][target.level];
    if (!differential_run(&all, &player, &options, operations, played, &at))
        heap_fuzzing_fail(at, played, all.broken, all.finding);
    target_operations += played;
}
