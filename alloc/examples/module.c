// A heap in a WebAssembly module. With the library built by alloc/wasm/wasm32.cmake:
//
//     clang --target=wasm32 -nostdlib -Wl,--no-entry -Ibuild/wasm/include alloc/examples/module.c
//         build/wasm/liblinmem.a -o module.wasm
//
// Only the strategy that is named here is linked.
#include <linmem/registry.h>

#define EXPORT(name) __attribute__((export_name(#name)))

extern unsigned char __heap_base; // the linker's: the end of the module's own data

static lm_memory memory = {.pages_max = LM_PAGES_MAX};

EXPORT(start) bool start(void);
EXPORT(allocate) void *allocate(size_t size);
EXPORT(release) void release(void *block);

bool start(void) {
    memory.heap_start = ((uint32_t)(uintptr_t)&__heap_base + 15) & ~15u;
    return lm_tlsf_level0.start(&memory);
}

void *allocate(size_t size) {
    return lm_tlsf_level0.allocate(size, &memory);
}

void release(void *block) {
    lm_tlsf_level0.free(block, 0, &memory);
}
