// One strategy as a WebAssembly module: the table's functions, exported. STRATEGY is its name.
// The memory is the module's own and starts behind what the linker laid out.
#include "alloc/strategies/strategy.h"

#define EXPORT(name) __attribute__((export_name(#name)))
#define TABLE        LM_TABLE(STRATEGY)

extern const lm_allocator TABLE;
extern unsigned char __heap_base;

static lm_memory memory;

EXPORT(start) bool exported_start(uint32_t pages_max) {
    memory.heap_start = lm_round_up((uint32_t)(uintptr_t)&__heap_base, LM_BLOCK_ALIGNMENT);
    memory.pages_max = pages_max;
    return TABLE.start(&memory);
}
EXPORT(allocate) void *exported_allocate(size_t size) {
    return TABLE.allocate(size, &memory);
}
EXPORT(allocate_zeroed) void *exported_allocate_zeroed(size_t size) {
    return TABLE.allocate_zeroed(size, &memory);
}
EXPORT(allocate_aligned) void *exported_allocate_aligned(size_t alignment, size_t size) {
    return TABLE.allocate_aligned(alignment, size, &memory);
}
EXPORT(resize) void *exported_resize(void *block, size_t size) {
    return TABLE.resize(block, size, &memory);
}
EXPORT(free) void exported_free(void *block) {
    TABLE.free(block, 0, &memory);
}
EXPORT(usable_size) size_t exported_usable_size(const void *block) {
    return TABLE.usable_size(block, &memory);
}
EXPORT(reset) void exported_reset(void) {
    TABLE.reset(&memory);
}
EXPORT(validate) const char *exported_validate(void) {
    return TABLE.validate(&memory, NULL);
}
