// The counter, preloaded into a runner that verifies: counts the calls of the malloc family, so
// that the runner can prove that the replay made all of them and the harness none. One thread.
#include "alloc/system/preload/interpose.h"

__attribute__((visibility("default"))) extern uint64_t linmem_heap_calls;
uint64_t linmem_heap_calls;

void hook_begin(bool first) {
    (void)first;
}

void hook_allocated(const void *block, size_t size, unsigned alignment_log2, bool zeroed) {
    (void)block, (void)size, (void)alignment_log2, (void)zeroed;
    linmem_heap_calls++;
}

void hook_freeing(const void *block) {
    (void)block;
    linmem_heap_calls++;
}

void hook_resizing(const void *block) {
    (void)block;
    linmem_heap_calls++;
}

void hook_resized(const void *block, size_t size) {
    (void)block, (void)size;
}
