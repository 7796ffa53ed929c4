// What the buffer worlds' own files share.
#pragma once

#include "fuzz/explore/explorer/buffer_world.h"
#include "fuzz/explore/explorer/strategies.h"
#include "fuzz/play/buffer_player.h"

enum {
    MEMORIES = 3,
    PAST_MAX = 64,
    OPERATIONS_MAX = PAST_MAX + 2 * EXPLORER_DEPTH_MAX,
    NAMES_MAX = 256, // that a path and its probes begin
    PROBES_MAX = 1024,
};

// What lives under a name.
typedef struct named {
    uint64_t handle; // or token
    uint32_t owner, kind, offset, length;
    uint32_t number;   // what follows tells no two states apart
    uint32_t attached; // of a token: its reference; of a reference: whether it has one
} named;

// Which allocators, which counts, and what has been before the first state.
typedef struct buffer_world_choice {
    const char *servers
        [MEMORIES]; // strategies, or of alloc/buffers/imported_allocator.h; home first, then NULL
    bool atomic;
    uint64_t budget;
    uint32_t buffers, tokens; // that are gone
    uint32_t retained;        // references to one buffer, of which the last one alone has moves
    const char *verbs;        // that are moves; NULL: all
    uint32_t alive, held;     // references, each with a token; the held ones stay as they are
} buffer_world_choice;

typedef struct buffer_world {
    explorer_world world; // first
    buffer_world_options options;
    const buffer_world_choice *choice;
    uint32_t memory_count;
    void (*canonicalize[MEMORIES])(lm_memory *memory);
    lm_memory memories[MEMORIES];
    lm_served served[MEMORIES];
    buffer_player player;
    trace_operation
        path[OPERATIONS_MAX]; // from the past to the state that was loaded, and the move
    uint32_t past_count, path_count, loaded_count;
    named references[NAMES_MAX], tokens[NAMES_MAX];
    uint32_t reference_count, token_count;
    uint32_t references_begun, tokens_begun, acting, growths;
    uint32_t references_past, tokens_past; // that begin before the first state
    trace_operation probes[PROBES_MAX];    // that `end` played, but for those that changed nothing
    uint32_t probe_count, probed;          // states in which views were
    unsigned char scratch[LM_PAGE_BYTES * LM_PAGES_MAX];
} buffer_world;

// Plays an operation where the player is. False: a law is broken.
bool buffer_world_step(buffer_world *world, const trace_operation *operation);

// All that is played in a state before all ends there.
bool buffer_world_probe(buffer_world *world);
