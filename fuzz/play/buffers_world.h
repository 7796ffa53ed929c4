// The world of a buffer trace: its memories and who serves them, which the trace does not say.
//
// A trace says where a heap starts (`h`); where it does not, at 16, in a memory of one page that
// grows to 8.
#pragma once

#include "alloc/buffers/buffer.h"
#include "corpus/trace/trace.h"

enum {
    BUFFERS_MEMORIES_MAX = 4,
    BUFFERS_CONTENT_BYTES = 1 << 15, // that the target `buffers` keeps of what is written
    BUFFERS_SKIPPED_MAX = 132,       // so that numbers are more than 7 bits
    BUFFERS_BUDGETS = 4,
};

// Who may serve a memory: the strategies, as the registry counts them, and three imported
// allocators, which are all that a malloc may be (alloc/buffers/imported_allocator.h), the second
// one with a calloc, the third one with an aligned_alloc.
size_t buffers_servers(void);
// The server's name, or NULL.
const char *buffers_server_name(size_t server);

typedef struct buffers_world_choice {
    uint32_t count; // of memories
    uint32_t servers[BUFFERS_MEMORIES_MAX];
    bool atomic;      // how references are counted
    bool moving;      // every growth moves its memory; where counts are plain
    uint32_t budget;  // which of buffers_budgets
    uint32_t skipped; // numbers between home's and the next memory's
} buffers_world_choice;

// Of a memory, in bytes, before a callback is told; 0: none is.
extern const uint64_t buffers_budgets[BUFFERS_BUDGETS];

// One line, "plain still 0: paged tlsf imported", and back; "plain still 0 127: …" where the second
// memory's number is 128. False: it is none.
void buffers_world_print(const buffers_world_choice *choice, char *line, size_t size);
bool buffers_world_parse(const char *line, buffers_world_choice *choice);

// In a trace's preamble the line stands behind this mark. False: there is none, or no world.
#define BUFFERS_WORLD "world: "
bool buffers_world_of(const trace *trace, buffers_world_choice *choice);

typedef struct buffers_world {
    // Of each two: what low heaps have touched need not be given back for one that starts high.
    lm_memory low[BUFFERS_MEMORIES_MAX], high[BUFFERS_MEMORIES_MAX];
    lm_served served[BUFFERS_MEMORIES_MAX];
    char finding[80]; // which heap did not start though it had room; else empty
} buffers_world;

// Address space for worlds of all kinds. False: there is none, nothing is held.
bool buffers_world_create(buffers_world *world);
void buffers_world_destroy(buffers_world *world);

// For the fuzz target, in which all who write into them tell it: they are cleared where that was.
void buffers_world_watch(buffers_world *world);

// Makes the memories anew and starts their heaps, where the operations say. False: a heap did not
// start, and nothing can be played; `finding` says if it had room. Nothing is allocated. O(bytes
// touched).
bool buffers_world_start(buffers_world *world, const buffers_world_choice *choice, int level,
                         const trace_operation *operations, size_t count);
