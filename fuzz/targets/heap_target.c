// Fuzz target: allocator calls on one strategy under the oracle. Chosen by the input's bytes, one
// in 16 inputs is played again with steps counted, one in 64 is walked with words overwritten, one
// in 256 is played again in rounds, and one in 1024 is followed by a counted checkerboard.
#include "alloc/conformance/checkerboard.h"
#include "fuzz/targets/heap_fuzzing.h"

#define TABLE_(strategy, variant) lm_##strategy##variant
#define TABLE(strategy, variant)  TABLE_(strategy, variant)

extern const lm_allocator TABLE(TARGET_STRATEGY, _level0), TABLE(TARGET_STRATEGY, _level1),
    TABLE(TARGET_STRATEGY, _counted);

// A number from the input's bytes.
static uint32_t sum_of(const uint8_t *bytes, size_t count) {
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = sum * 31 + bytes[i];
    return sum * 0x9E3779B9u;
}

void target_input(const uint8_t *bytes, size_t count) {
    uint32_t sum = sum_of(bytes, count);
    bool counts = sum >> 28 == 0 && !target.play; // steps depend on the compiler
    heap_options options = {.allocator = target.level == 0 ? &TABLE(TARGET_STRATEGY, _level0)
                                                           : &TABLE(TARGET_STRATEGY, _level1),
                            .counted = counts ? &TABLE(TARGET_STRATEGY, _counted) : NULL,
                            .rounds = sum >> 24 == 32,
                            .boards = sum >> 22 == 0 ? 1u << (sum >> 8) % LM_BOARDS : 0,
                            .walk_every = target.walk_every,
                            .broken_walks = sum >> 26 == 1 ? sum : 0};
    heap_fuzzing_play(&options, bytes, count);
}
