// The module that an engine runs: one allocator, the player of corpus/replay/, and these exported
// functions. It imports nothing. The driver calls them in this order:
//
//     room      once: memory for the replay, which the driver copies there
//     set_up    once: the tables in front of the heap, and the heap
//     pass      the timed steps of the replay, once. Nothing else is between the driver's two
//               readings of the clock, and no call leaves the module
//     finish    after each pass: frees the blocks that the trace leaves
//     verify    instead of all passes: every check of corpus/replay/verifier.h, untimed
//     failure   after any of them: what went wrong, a text that ends with NUL, or an empty one
//     pages, grows, heap_hash, grow_pages
//
// Room and tables are taken by memory.grow before the allocator runs, so that an allocator may take
// what the linker left behind __heap_base, and end at a multiple of MODULE_HEAP_ALIGNMENT: heaps
// are laid out alike in all engines and natively.
#pragma once

#include "alloc/allocator.h"

enum { MODULE_HEAP_ALIGNMENT = 64 << 20 };

// The allocator of this module, defined by table.c or peer.c.
extern const lm_allocator *const module_allocator;

// Defined there too. Called before the memory grows: an allocator may take all that there is then.
void module_prepare(void);

// Returns where the replay of so many bytes is to be copied to, or NULL if out of memory.
void *room(uint32_t bytes);

// Starts the heap `heap_offset` bytes after the tables: a multiple of 16, not 0. Returns false if
// that fails.
bool set_up(uint32_t heap_offset);

void pass(void);
void finish(void);
void verify(void);
const char *failure(void);

// The pages of 64 KiB that the heap has: all after the tables.
uint32_t pages(void);

// After verify: the calls of the allocator that grew the memory.
uint32_t grows(void);

// Returns same_bytes_hash (alloc/wasm/same_bytes.h) of the heap.
uint64_t heap_hash(void);

// Grows the memory by a page so often, for the time of a memory.grow. Returns how often it did.
uint32_t grow_pages(uint32_t count);
