// The buffer player: plays a trace for real, through
// alloc/buffers/{buffer,view,finalizer}.h, on any strategies, and holds it against the model
// (corpus/trace/buffer_model.h) after each operation.
//
// It checks these laws of alloc/conformance/laws.def:
//
//     status      each call returns what its header's table says, handles and tokens mean what they
//                 say (fuzz/oracle/handle_shadow.h), and LM_OUT_OF_MEMORY comes only if an
//                 allocator has returned NULL
//     count       each reference is counted: by owner, in all, and by memory
//     death       the last release frees a buffer, once, through the allocator that allocated it;
//                 and nothing else is freed (fuzz/oracle/buffer_watch.h)
//     safepoint   what a collector calls, asks nothing of an allocator
//     content     a buffer lies where it lay, aligned, and its bytes, filled at its creation and
//                 copied by `y`, are what they were until the last moment; zeroed ones are zero
//     walk        the buffer table's records, the finalizers' and the heaps hold their own laws
//     misuse      a wrong call returns its error, and changes nothing: no count, no table, no heap
//     quiescence  when all is released nothing lives in any memory
//
// Blocks (a z r f) are played beside, and their bytes left alone. One thread plays all lanes.
// If memory runs out, or a count or a table is full, the object that an operation begins is absent
// from then on; a transfer does not happen; a reference that could not be attached is released by
// hand when its token is drained.
//
// Operations without a trace verb are substituted for equivalent ones, chosen by object number:
// buffers that are adopted, or resized at once; references released by a token that is
// closed; tokens in rings, replaced, detached with all their siblings, enqueued twice, detached
// when they are queued and attached anew; finalizers that end and start; views that end twice.
#pragma once

#include "alloc/buffers/view.h"
#include "corpus/trace/buffer_model.h"
#include "fuzz/oracle/buffer_watch.h"
#include "fuzz/oracle/handle_shadow.h"

typedef struct buffer_player buffer_player;

typedef struct buffer_player_options {
    const lm_counts *counts;
    // Started, and the player's alone. The trace's memory N is memory N modulo `count`; home is the
    // first.
    const lm_served *memories;
    uint32_t count;
    // How many numbers lie between home's and the next memory's. The buffer table has home there
    // again, and no buffer is made.
    uint32_t skipped;
    // After every so many operations, and at the end, all is walked: every live buffer's bytes, the
    // buffer table's records, the finalizers', and the heaps. 0: at the end only.
    uint32_t walk_every;
    // Of each memory, in bytes; a callback is then set, which is told in time. 0: none.
    uint64_t budget;
} buffer_player_options;

typedef struct buffer_played {
    uint64_t buffers, refused; // created; views and copies that were not to be
    uint64_t failures;         // for want of memory, or since a table or count was full
    uint64_t wrong;            // calls
    uint64_t operations, walks;
} buffer_played;

typedef struct real_buffer {
    uint32_t memory, start;
    size_t content; // where among the player's bytes those are that it is to hold
    bool lives;
    bool shadowed; // there was room for them
} real_buffer;

typedef struct real_token {
    lm_token token;  // 0: it stands for nothing, could not be attached, or has ended
    uint32_t ring;   // the first token of its ring
    bool queued;     // it is enqueued
    lm_token passed; // before it in the queue: one that was detached when it was enqueued, or 0
} real_token;

typedef struct real_block {
    uint32_t memory, offset, alignment; // offset 0: it does not live
} real_block;

enum { BUFFER_TABLES_MAX = 64 }; // 2 records, and their parts

struct buffer_player {
    buffer_player_options options;
    buffer_limits limits;
    lm_buffer_table table;
    buffer_model model;
    buffer_watch watch;
    handle_shadow shadow;
    real_buffer *buffers;    // as the model's
    lm_view *references;     // by number; of what is no view, handle and owner alone
    lm_handle *last_handles; // by number: what a reference was released by, or its handle
    real_token *tokens;      // by number
    lm_token *last_tokens;   // by number: the last token that there was
    real_block *blocks;      // by number
    uint64_t live_bytes[LM_MEMORIES_MAX];
    uint64_t
        peak_bytes[LM_MEMORIES_MAX]; // the most of them so far, those of buffers being made too
    uint32_t live_buffers[LM_MEMORIES_MAX], live_blocks[LM_MEMORIES_MAX];
    uint32_t tables; // blocks that the buffer table keeps in home
    uint32_t tables_found, table_offsets[BUFFER_TABLES_MAX]; // those that were looked for
    uint32_t references_begun, tokens_begun, blocks_begun;
    uint32_t armed, waiting; // tokens attached; in the queue, passed ones included
    unsigned char *content, *scratch;
    size_t content_bytes, content_used;
    lm_pointer pointer; // the last one asked for, of a memory that had then grown and moved so far
    uint32_t pointer_pages, pointer_moves;
    uint32_t pressed; // how often the callback was told of the last call
    struct {
        uint32_t memory, size;
        bool wrongly; // by a call that is wrong besides
    } wanted;         // what it may be told
    buffer_played played;
    const char *law; // the one found broken, or NULL
    char finding[160];
};

// Room to play any trace within the limits, again and again. `content_bytes`: for the bytes that
// buffers are to hold; those that find no room there are not looked at, but for zeroed ones' ends.
// False: out of memory, nothing is kept.
bool buffer_player_create(buffer_player *player, const buffer_limits *limits, size_t content_bytes);
void buffer_player_destroy(buffer_player *player);

// Each of these returns false if a law is broken; `law` and `finding` then say which and how. They
// allocate only in the memories.

// Begins a play: starts a buffer table. Where home has no room for one that is no finding:
// `started` is false, and nothing can be played.
bool buffer_player_start(buffer_player *player, const buffer_player_options *options,
                         bool *started);
// Plays the next operation of a trace, whose numbers lie within the limits. O(1) and what the
// operation's bytes take; O(live bytes + slots) a walk.
bool buffer_player_step(buffer_player *player, const trace_operation *operation);
// Releases what the trace has left, as owners that go at once and a collector that is late do, and
// ends the buffer table: nothing lives any more.
bool buffer_player_end(buffer_player *player);

// Plays a whole trace. False: `error` says at which operation (from 0) what did not hold, or that
// the player itself is out of memory. O(operations + bytes of buffers).
bool buffer_player_play(const trace *trace, const buffer_player_options *options,
                        buffer_played *played, trace_error *error);
