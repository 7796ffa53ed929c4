// Fuzz target: wrong calls on one strategy, between right ones. At check level 1 each must trap and
// leave the heap unchanged; play then continues under the oracle.
#define MUTATE heap_input_mutate_wrong
#include "fuzz/targets/heap_fuzzing.h"

#define TABLE_(strategy) lm_##strategy##_level1
#define TABLE(strategy)  TABLE_(strategy)

extern const lm_allocator TABLE(TARGET_STRATEGY);

void target_input(const uint8_t *bytes, size_t count) {
    heap_options options = {
        .allocator = &TABLE(TARGET_STRATEGY), .walk_every = target.walk_every, .wrong_calls = true};
    heap_fuzzing_play(&options, bytes, count);
}
