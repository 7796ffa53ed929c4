// Observes a buffer table's calls of the allocators of its memories: each block must be freed once,
// by the allocator that allocated it, and no allocator may be called when that is not allowed.
//
// A buffer table is given the watch's tables instead of the allocators'. Each call is counted and
// passed on, except for a free or resize of a block that is not live, which is the finding. The
// watch is not instrumented, and allocates only in buffer_watch_create. A thread has one watch at a
// time.
#pragma once

#include "alloc/buffers/memory_access.h"

typedef struct watched_block {
    uint32_t memory, offset; // offset 0: vacant
    uint32_t size;           // requested
} watched_block;

typedef struct buffer_watch {
    const lm_served *memories; // the watched memories
    uint32_t count;
    watched_block *blocks; // by memory and offset, in open addressing
    uint32_t mask;
    uint32_t calls;   // since the caller set it to 0; a free of NULL is none
    uint32_t refused; // of these, the ones that returned NULL
    uint32_t made;    // of these, the ones that returned a block
    uint32_t live[LM_MEMORIES_MAX];
    const char *broken; // what is wrong with a call, or NULL
    uint32_t broken_memory, broken_offset;
    lm_allocator tables[LM_MEMORIES_MAX];
    lm_served served[LM_MEMORIES_MAX]; // for the buffer table
} buffer_watch;

// Allocates room for that many live blocks. Returns false if out of memory.
bool buffer_watch_create(buffer_watch *watch, uint32_t blocks);
void buffer_watch_destroy(buffer_watch *watch);

// Watches these memories, which must have no live blocks, until another watch starts in this
// thread. O(count), and O(blocks) if blocks of the last memories have not been freed.
void buffer_watch_start(buffer_watch *watch, const lm_served *memories, uint32_t count);

// Returns the live block at an offset, or NULL.
const watched_block *buffer_watch_find(const buffer_watch *watch, uint32_t memory, uint32_t offset);
