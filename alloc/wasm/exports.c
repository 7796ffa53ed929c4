// One strategy as a WebAssembly module. STRATEGY is its name; the linker is told which of these
// functions the module exports, and drops the others with all that only they need. The memory is
// the module's own, and the heap starts behind what the linker laid out, at a multiple of 16.
#include "alloc/strategies/strategy.h"
#include "alloc/wasm/same_bytes.h"

#define TABLE LM_TABLE(STRATEGY)

extern const lm_allocator TABLE;
extern unsigned char __heap_base;

// A constant, so that the heap's start is a constant in the code; no strategy writes to it.
static const lm_memory constant = {.heap_start = (uint32_t)&__heap_base, .pages_max = LM_PAGES_MAX};
static lm_memory *const memory = (lm_memory *)&constant;

bool start(void) {
    return TABLE.start(memory);
}
void *allocate(size_t size) {
    return TABLE.allocate(size, memory);
}
void *allocate_zeroed(size_t size) {
    return TABLE.allocate_zeroed(size, memory);
}
void *allocate_aligned(size_t alignment, size_t size) {
    return TABLE.allocate_aligned(alignment, size, memory);
}
void *resize(void *block, size_t size) {
    return TABLE.resize(block, size, memory);
}
void free(void *block) {
    TABLE.free(block, 0, memory);
}
size_t usable_size(const void *block) {
    return TABLE.usable_size(block, memory);
}
void reset(void) {
    TABLE.reset(memory);
}
const char *validate(void) {
    return TABLE.validate(memory, NULL);
}

// The player of same_bytes.h, used instead of all above, on a heap that starts at `heap_start`.
// Returns false if the linker placed data there, or if out of memory.
static lm_memory player_memory = {.pages_max = LM_PAGES_MAX};
static same_bytes player;

bool player_start(uint32_t heap_start) {
    player_memory.heap_start = heap_start;
    return heap_start >= (uintptr_t)&__heap_base &&
           same_bytes_start(&player, &TABLE, &player_memory);
}
bool player_play(uint32_t steps) {
    return same_bytes_play(&player, steps);
}
uint64_t player_answers(void) {
    return player.answers;
}
uint64_t player_hash(void) {
    return same_bytes_hash(&player_memory);
}
