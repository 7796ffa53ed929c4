// Observes a buffer table's calls of the allocators of its memories: each block must be freed once,
// by the allocator that allocated it, and no allocator may be called when that is not allowed.
//
// A buffer table is given the watch's tables in place of the allocators'; each call is noted and
// passed on, but for a free or a resize of what does not live, which is the finding. Not
// instrumented, and nothing is allocated once there is room. One thread has one watch at a time.
#pragma once

#include "alloc/buffers/memory_access.h"

typedef struct watched_block {
    uint32_t memory, offset; // offset 0: none
    uint32_t size;           // as asked
} watched_block;

typedef struct buffer_watch {
    const lm_served *memories; // what is watched
    uint32_t count;
    watched_block *blocks; // by memory and offset, in an open table
    uint32_t mask;
    uint32_t calls;   // noted since somebody set it to 0; a free of nothing is none
    uint32_t refused; // of them, those that returned NULL
    uint32_t made;    // and those that returned a block
    uint32_t live[LM_MEMORIES_MAX];
    const char *broken; // what an allocator was asked wrongly, in words, or NULL
    uint32_t broken_memory, broken_offset;
    lm_allocator tables[LM_MEMORIES_MAX];
    lm_served served[LM_MEMORIES_MAX]; // for the buffer table
} buffer_watch;

// Allocates room for that many live blocks. Returns false if out of memory.
bool buffer_watch_create(buffer_watch *watch, uint32_t blocks);
void buffer_watch_destroy(buffer_watch *watch);

// Watches these memories, of which no block lives yet, from here on and until another watch starts
// in this thread. O(count), and O(blocks) where blocks of the last ones have not been freed.
void buffer_watch_start(buffer_watch *watch, const lm_served *memories, uint32_t count);

// Returns the block there, or NULL.
const watched_block *buffer_watch_find(const buffer_watch *watch, uint32_t memory, uint32_t offset);
