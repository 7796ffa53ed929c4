// The table of a peer: an allocator for wasm32 with C's functions. PEER is its name. PEER_MODULE,
// if defined, is the name of the module that has them, which is merged with this one. call_indirect
// compares signatures, so that each function of the table is a wrapper: one direct call more than
// in a strategy, which the engine may inline.
#include "bench/engines/module/module.h"

#include <string.h>

#ifdef PEER_MODULE
#define PEER_FUNCTION(name) __attribute__((import_module(PEER_MODULE), import_name(#name)))
#else
#define PEER_FUNCTION(name)
#endif

PEER_FUNCTION(malloc) void *malloc(size_t size);
PEER_FUNCTION(calloc) void *calloc(size_t count, size_t size);
PEER_FUNCTION(realloc) void *realloc(void *block, size_t size);
PEER_FUNCTION(posix_memalign) int posix_memalign(void **block, size_t alignment, size_t size);
PEER_FUNCTION(free) void free(void *block);

// emnapi's dlmalloc takes these values of errno from wasi-libc.
extern const int __ENOMEM, __EINVAL;
const int __ENOMEM = 48, __EINVAL = 28;

static bool peer_start(lm_memory *memory) {
    (void)memory;
    return true;
}
static void *peer_allocate(size_t size, lm_memory *memory) {
    (void)memory;
    return malloc(size);
}
static void *peer_allocate_zeroed(size_t size, lm_memory *memory) {
    (void)memory;
    return calloc(1, size);
}
static void *peer_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    (void)memory;
    void *block; // aligned_alloc may demand a multiple of the alignment
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}
static void *peer_resize(void *block, size_t size, lm_memory *memory) {
    (void)memory;
    return realloc(block, size);
}
// C has no realloc for aligned blocks.
static void *peer_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    void *resized = realloc(block, size);
    if (!resized || ((uintptr_t)resized & (alignment - 1)) == 0) return resized;
    void *aligned = peer_allocate_aligned(alignment, size, memory);
    if (aligned) memcpy(aligned, resized, size);
    free(resized);
    return aligned;
}
static void peer_free(void *block, size_t size, lm_memory *memory) {
    (void)size, (void)memory;
    free(block);
}
static size_t peer_usable_size(const void *block, lm_memory *memory) {
    (void)block, (void)memory;
    return 0;
}

extern const lm_allocator module_peer; // a name for the form of bench/engines/module/direct.h
const lm_allocator module_peer = {
    .name = PEER,
    .capabilities = LM_FREES_BLOCKS | LM_HOLDS_CONTENT,
    .start = peer_start,
    .allocate = peer_allocate,
    .allocate_zeroed = peer_allocate_zeroed,
    .allocate_aligned = peer_allocate_aligned,
    .resize = peer_resize,
    .resize_aligned = peer_resize_aligned,
    .free = peer_free,
    .usable_size = peer_usable_size,
};
const lm_allocator *const module_allocator = &module_peer;

void module_prepare(void) {
    free(malloc(1));
}
