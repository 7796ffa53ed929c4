// Plays a trace on alloc/buffers/{buffer,view,finalizer}.h, over any strategies, and checks it
// against the model (corpus/trace/buffer_model.h) after each operation.
//
// It checks these laws of alloc/conformance/laws.def:
//
//     status      each call returns what its header's table says, handles and tokens mean what they
//                 say (fuzz/oracle/handle_shadow.h), and LM_OUT_OF_MEMORY is returned only if an
//                 allocator has returned NULL
//     count       each reference is counted: by owner, in all, and by memory
//     death       the last release frees a buffer, once, through the allocator that allocated it;
//                 and nothing else is freed (fuzz/oracle/buffer_watch.h)
//     safepoint   the functions that a collector calls do not call an allocator
//     content     a buffer does not move, is aligned, and keeps its bytes, filled at its creation
//                 and copied by `y`, until it is freed; zeroed ones are zero
//     walk        the records of the buffer table and the finalizers, and the heaps, are valid
//     misuse      a wrong call returns its error and changes no count, table or heap
//     quiescence  after all is released no memory has a live block
//
// Blocks (a z r f) are played too, without their bytes. One thread plays all lanes. If memory, a
// count or a table is full, the object that an operation begins is absent from then on; a transfer
// does not happen; a reference that could not be attached is released directly when its token is
// drained.
//
// Operations without a trace verb are substituted for equivalent ones, chosen by object number:
// buffers that are adopted, or resized at once; references released by closing a token; tokens in
// rings, replaced, detached with all their siblings, enqueued twice, detached while queued and
// attached again; finalizers that end and start; views that end twice.
#pragma once

#include "alloc/buffers/view.h"
#include "corpus/trace/buffer_model.h"
#include "fuzz/oracle/buffer_watch.h"
#include "fuzz/oracle/handle_shadow.h"

typedef struct buffer_player buffer_player;

typedef struct buffer_player_options {
    const lm_counts *counts;
    // Started, for the player alone. The trace's memory N is memory N modulo `count`; home is the
    // first.
    const lm_served *memories;
    uint32_t count;
    // Extra memory numbers between home's and the next memory's. They are home again; no buffer is
    // created there.
    uint32_t skipped;
    // Interval, in operations, of walks over all live buffers' bytes, the records of the buffer
    // table and the finalizers, and the heaps; there is always one at the end. 0: only there.
    uint32_t walk_every;
    // Of each memory, in bytes, with a pressure callback. 0: none.
    uint64_t budget;
} buffer_player_options;

typedef struct buffer_played {
    uint64_t buffers, refused; // refused: invalid views and copies
    uint64_t failures;         // out of memory, or a table or count was full
    uint64_t wrong;            // wrong calls
    uint64_t operations, walks;
} buffer_played;

typedef struct real_buffer {
    uint32_t memory, start;
    size_t content; // offset of its expected bytes in `content`
    bool lives;
    bool shadowed; // has expected bytes
} real_buffer;

typedef struct real_token {
    lm_token token;  // 0: could not be attached, or has ended
    uint32_t ring;   // the first token of its ring
    bool queued;     // enqueued
    lm_token passed; // queued before it: a token detached when it was enqueued, or 0
} real_token;

typedef struct real_block {
    uint32_t memory, offset, alignment; // offset 0: not live
} real_block;

enum { BUFFER_TABLES_MAX = 64 }; // two of records, each in parts

struct buffer_player {
    buffer_player_options options;
    buffer_limits limits;
    lm_buffer_table table;
    buffer_model model;
    buffer_watch watch;
    handle_shadow shadow;
    real_buffer *buffers;    // by the model's number
    lm_view *references;     // by number; of one that is no view, only handle and owner are set
    lm_handle *last_handles; // by number: the released handle, else the current one
    real_token *tokens;      // by number
    lm_token *last_tokens;   // by number: the last token, ended or not
    real_block *blocks;      // by number
    uint64_t live_bytes[LM_MEMORIES_MAX];
    uint64_t peak_bytes[LM_MEMORIES_MAX]; // including buffers being created
    uint32_t live_buffers[LM_MEMORIES_MAX], live_blocks[LM_MEMORIES_MAX];
    uint32_t tables;                                         // the buffer table's blocks in home
    uint32_t tables_found, table_offsets[BUFFER_TABLES_MAX]; // those found by wrong calls
    uint32_t references_begun, tokens_begun, blocks_begun;
    uint32_t armed, waiting; // attached tokens; queued ones, passed ones included
    unsigned char *content, *scratch;
    size_t content_bytes, content_used;
    lm_pointer pointer; // the last one, with its memory's pages and moves at that time
    uint32_t pointer_pages, pointer_moves;
    uint32_t pressed; // calls of the callback during the last call
    struct {
        uint32_t memory, size;
        bool wrongly; // by a call that is otherwise wrong
    } wanted;         // the callback's expected arguments
    buffer_played played;
    const char *law; // the broken law, or NULL
    char finding[160];
};

// Allocates room to play any trace within the limits, any number of times. `content_bytes` bounds
// the expected bytes of buffers: those without room are checked only at the ends of zeroed buffers.
// Returns false, holding nothing, if out of memory.
bool buffer_player_create(buffer_player *player, const buffer_limits *limits, size_t content_bytes);
void buffer_player_destroy(buffer_player *player);

// The following return false if a law is broken; `law` and `finding` then say which and how. They
// allocate only in the memories.

// Starts a buffer table. If home has no room for one, `started` is false and nothing can be played;
// that is not a finding.
bool buffer_player_start(buffer_player *player, const buffer_player_options *options,
                         bool *started);
// Plays the next operation of a trace within the limits. O(1) and the time for the operation's
// bytes; a walk is O(live bytes + slots).
bool buffer_player_step(buffer_player *player, const trace_operation *operation);
// Releases what the trace has left, as owners that release all and a late collector would, and ends
// the buffer table. Nothing may then be allocated.
bool buffer_player_end(buffer_player *player);

// Plays a whole trace. Returns false if it fails; `error` then has the operation (from 0) and the
// law, or says that the player is out of memory. O(operations + bytes of buffers).
bool buffer_player_play(const trace *trace, const buffer_player_options *options,
                        buffer_played *played, trace_error *error);
