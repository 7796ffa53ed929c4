// Shared by buffer_world.c and buffer_probes.c.
#pragma once

#include "fuzz/explore/explorer/buffer_world.h"
#include "fuzz/explore/explorer/strategies.h"
#include "fuzz/play/buffer_player.h"

enum {
    MEMORIES = 3,
    PAST_MAX = 64,
    OPERATIONS_MAX = PAST_MAX + 2 * EXPLORER_DEPTH_MAX,
    NAMES_MAX = 256, // begun by a path and its probes
    PROBES_MAX = 1024,
};

// A live reference or token.
typedef struct named {
    uint64_t handle; // or token
    uint32_t owner, kind, offset, length;
    uint32_t number;   // not part of the state, as are the fields below
    uint32_t attached; // of a token: its reference; of a reference: whether it has a token
} named;

// The allocators, the way of counting and the setup operations of a state space.
typedef struct buffer_world_choice {
    const char *servers
        [MEMORIES]; // strategies or alloc/buffers/imported_allocator.h; home first, then NULL
    bool atomic;
    uint64_t budget;
    uint32_t buffers, tokens; // begun and ended in the setup
    uint32_t retained;        // references to one buffer; only the last one has moves
    const char *verbs;        // those of the moves; NULL: all
    uint32_t alive, held;     // references with a token each; held ones have no moves
} buffer_world_choice;

typedef struct buffer_world {
    explorer_world world; // must be first
    buffer_world_options options;
    const buffer_world_choice *choice;
    uint32_t memory_count;
    void (*canonicalize[MEMORIES])(lm_memory *memory);
    lm_memory memories[MEMORIES];
    lm_served served[MEMORIES];
    buffer_player player;
    trace_operation
        path[OPERATIONS_MAX]; // the setup, the operations to the loaded state, and the move
    uint32_t past_count, path_count, loaded_count;
    named references[NAMES_MAX], tokens[NAMES_MAX];
    uint32_t reference_count, token_count;
    uint32_t references_begun, tokens_begun, acting, growths;
    uint32_t references_past, tokens_past; // begun in the setup
    trace_operation probes[PROBES_MAX];    // played by `end`, without those that changed nothing
    uint32_t probe_count, probed;          // probed: states whose views were probed
    unsigned char scratch[LM_PAGE_BYTES * LM_PAGES_MAX];
} buffer_world;

// Plays an operation. Returns false if a law is broken.
bool buffer_world_step(buffer_world *world, const trace_operation *operation);

// Plays the state's probes.
bool buffer_world_probe(buffer_world *world);
