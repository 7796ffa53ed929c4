#include "fuzz/oracle/buffer_watch.h"

#include <stdlib.h>

static _Thread_local buffer_watch *watching; // the allocator's calls have no argument for it

bool buffer_watch_create(buffer_watch *watch, uint32_t blocks) {
    uint32_t room = 16;
    while (room / 2 < blocks)
        room *= 2;
    *watch = (buffer_watch){.mask = room - 1};
    watch->blocks = calloc(room, sizeof *watch->blocks);
    return watch->blocks != NULL;
}

void buffer_watch_destroy(buffer_watch *watch) {
    if (watching == watch) watching = NULL;
    free(watch->blocks);
    watch->blocks = NULL;
}

// Linear probing; the blocks after a removed one move up if they may.

static uint32_t home_of(const buffer_watch *w, uint32_t memory, uint32_t offset) {
    return ((offset >> 3) * 0x9E3779B1u >> 7 ^ memory * 0x85EBCA6Bu) & w->mask;
}

// Returns the block's entry, or the vacant one where it would be.
static watched_block *place_of(const buffer_watch *w, uint32_t memory, uint32_t offset) {
    uint32_t at = home_of(w, memory, offset);
    while (w->blocks[at].offset &&
           (w->blocks[at].offset != offset || w->blocks[at].memory != memory))
        at = (at + 1) & w->mask;
    return &w->blocks[at];
}

const watched_block *buffer_watch_find(const buffer_watch *watch, uint32_t memory,
                                       uint32_t offset) {
    const watched_block *b = place_of(watch, memory, offset);
    return b->offset ? b : NULL;
}

static void remove_block(buffer_watch *w, const watched_block *gone) {
    uint32_t hole = (uint32_t)(gone - w->blocks), at = hole;
    w->live[gone->memory]--;
    for (;;) {
        w->blocks[hole].offset = 0;
        do {
            at = (at + 1) & w->mask;
            if (!w->blocks[at].offset) return;
        } while (((at - home_of(w, w->blocks[at].memory, w->blocks[at].offset)) & w->mask) <
                 ((at - hole) & w->mask));
        w->blocks[hole] = w->blocks[at];
        hole = at;
    }
}

static void find_fault(buffer_watch *w, const char *fault, uint32_t memory, uint32_t offset) {
    if (w->broken) return;
    w->broken = fault;
    w->broken_memory = memory;
    w->broken_offset = offset;
}

static void *add_block(buffer_watch *w, uint32_t memory, void *block, size_t size) {
    const lm_memory *m = w->memories[memory].memory;
    w->refused += !block;
    w->made += block != NULL;
    if (!block) return NULL;
    uint32_t offset = lm_offset(m, block);
    watched_block *b = place_of(w, memory, offset);
    if (!lm_holds(m, block) || lm_memory_end(m) - offset < size)
        find_fault(w, "a block outside the memory is allocated", memory, offset);
    else if (b->offset)
        find_fault(w, "a live block is allocated again", memory, offset);
    if (!b->offset) w->live[memory]++;
    *b = (watched_block){memory, offset, (uint32_t)size};
    return block;
}

// Returns the block of a call, or NULL if it is not live.
static const watched_block *known_block(buffer_watch *w, uint32_t memory, const void *block) {
    uint32_t offset = lm_offset(w->memories[memory].memory, block);
    const watched_block *b = buffer_watch_find(w, memory, offset);
    if (!b) find_fault(w, "a free or resize of a block that is not live", memory, offset);
    return b;
}

// Calls.

// Counts a call. Returns the memory's index.
static uint32_t noted(const lm_memory *memory) {
    uint32_t i = 0;
    while (watching->memories[i].memory != memory)
        i++;
    watching->calls++;
    return i;
}
// A call for 0 bytes is a fault: malloc may return NULL for it, and realloc frees.
static uint32_t noted_for(size_t size, const lm_memory *memory) {
    uint32_t i = noted(memory);
    if (size == 0) find_fault(watching, "an allocator is asked for 0 bytes", i, 0);
    return i;
}

static void *allocate(size_t size, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    return add_block(watching, i, watching->memories[i].allocator->allocate(size, memory), size);
}
static void *allocate_zeroed(size_t size, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    return add_block(watching, i, watching->memories[i].allocator->allocate_zeroed(size, memory),
                     size);
}
static void *allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    return add_block(watching, i,
                     watching->memories[i].allocator->allocate_dirty(size, dirty, memory), size);
}
static void *allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    return add_block(watching, i,
                     watching->memories[i].allocator->allocate_aligned(alignment, size, memory),
                     size);
}

static void *resized(uint32_t memory, const watched_block *old, void *block, size_t size) {
    if (block) remove_block(watching, old);
    return add_block(watching, memory, block, size);
}
static void *resize(void *block, size_t size, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    const watched_block *old = known_block(watching, i, block);
    if (!old) return NULL;
    return resized(i, old, watching->memories[i].allocator->resize(block, size, memory), size);
}
static void *resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t i = noted_for(size, memory);
    const watched_block *old = known_block(watching, i, block);
    if (!old) return NULL;
    block = watching->memories[i].allocator->resize_aligned(block, size, alignment, memory);
    return resized(i, old, block, size);
}

static void free_block(void *block, size_t size, lm_memory *memory) {
    if (!block) return;
    uint32_t i = noted(memory);
    const watched_block *b = known_block(watching, i, block);
    if (!b) return;
    if (size && size != b->size)
        find_fault(watching, "a block is freed with a wrong size", i, b->offset);
    remove_block(watching, b);
    watching->memories[i].allocator->free(block, size, memory);
}

static bool has_blocks(const buffer_watch *w) {
    for (uint32_t i = 0; i < w->count; i++)
        if (w->live[i]) return true;
    return false;
}

void buffer_watch_start(buffer_watch *watch, const lm_served *memories, uint32_t count) {
    for (uint32_t i = 0; has_blocks(watch) && i <= watch->mask; i++)
        watch->blocks[i].offset = 0;
    watching = watch;
    watch->memories = memories;
    watch->count = count;
    watch->broken = NULL;
    watch->calls = watch->refused = watch->made = 0;
    for (uint32_t i = 0; i < count; i++) {
        const lm_allocator *a = memories[i].allocator;
        watch->live[i] = 0;
        // Lacks the optional calls that the allocator lacks.
        watch->tables[i] = (lm_allocator){
            .name = a->name,
            .capabilities = a->capabilities,
            .allocate = allocate,
            .allocate_zeroed = a->allocate_zeroed ? allocate_zeroed : NULL,
            .allocate_dirty = a->allocate_dirty ? allocate_dirty : NULL,
            .allocate_aligned = a->allocate_aligned ? allocate_aligned : NULL,
            .resize = resize,
            .resize_aligned = a->resize_aligned ? resize_aligned : NULL,
            .free = free_block,
        };
        watch->served[i] = (lm_served){&watch->tables[i], memories[i].memory};
    }
}
