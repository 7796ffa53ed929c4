// The memories of a buffer trace and their allocators, which the trace itself does not have.
//
// A trace says where a heap starts (`h`); if it does not, the heap starts at 16 in a memory of one
// page that may grow to 8.
#pragma once

#include "alloc/buffers/buffer.h"
#include "corpus/trace/trace.h"

enum {
    BUFFERS_MEMORIES_MAX = 4,
    BUFFERS_CONTENT_BYTES = 1 << 15, // the expected bytes that the target `buffers` keeps
    BUFFERS_SKIPPED_MAX = 132,       // enough for numbers of 8 bits
    BUFFERS_BUDGETS = 4,
};

// The servers: the strategies, in the registry's order, and three allocators imported from a system
// malloc (alloc/buffers/imported_allocator.h): with malloc only, with calloc, with aligned_alloc.
size_t buffers_servers(void);
// Returns the server's name, or NULL.
const char *buffers_server_name(size_t server);

typedef struct buffers_world_choice {
    uint32_t count; // memories
    uint32_t servers[BUFFERS_MEMORIES_MAX];
    bool atomic;      // atomic reference counts
    bool moving;      // every growth moves its memory; only with plain counts
    uint32_t budget;  // index in buffers_budgets
    uint32_t skipped; // memory numbers between home's and the next memory's
} buffers_world_choice;

// A memory's budget in bytes before the pressure callback is called; 0: no callback.
extern const uint64_t buffers_budgets[BUFFERS_BUDGETS];

// Prints and parses a line, "plain still 0: paged tlsf imported", or "plain still 0 127: …" if the
// second memory has number 128. buffers_world_parse returns false if the line is invalid.
void buffers_world_print(const buffers_world_choice *choice, char *line, size_t size);
bool buffers_world_parse(const char *line, buffers_world_choice *choice);

// Finds the line in a trace's preamble, after this mark. Returns false if it is missing or invalid.
#define BUFFERS_WORLD "world: "
bool buffers_world_of(const trace *trace, buffers_world_choice *choice);

typedef struct buffers_world {
    // Two of each: a memory whose heap starts high need not give back what a low heap has touched.
    lm_memory low[BUFFERS_MEMORIES_MAX], high[BUFFERS_MEMORIES_MAX];
    lm_served served[BUFFERS_MEMORIES_MAX];
    char finding[80]; // which heap did not start although it had room, or ""
} buffers_world;

// Reserves address space for all memories. Returns false, holding nothing, on failure.
bool buffers_world_create(buffers_world *world);
void buffers_world_destroy(buffers_world *world);

// For a fuzz target, in which all stores are reported (dirty.h): only dirty pages are cleared.
void buffers_world_watch(buffers_world *world);

// Resets the memories and starts their heaps where the operations say. Returns false if a heap did
// not start, so that nothing can be played; `finding` is set if it had room. Does not allocate.
// O(bytes touched).
bool buffers_world_start(buffers_world *world, const buffers_world_choice *choice, int level,
                         const trace_operation *operations, size_t count);
