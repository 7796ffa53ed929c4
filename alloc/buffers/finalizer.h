// Finalizers: a collector tells that an object is dead, and the references it stood for are
// released, later and elsewhere.
//
// A *token* stands for one object and one reference to a buffer. The token keeps that reference:
// its owner uses the buffer by the handle as before, but can neither release nor transfer the
// reference by hand until the token has ended, nor attach another token to it. The collector's side
// calls lm_finalizer_enqueue and nothing else: it may hold the heap's locks and have stopped the
// world, so that call allocates nothing, frees nothing, takes no lock, and is O(1). At a safe point
// the program drains: what is enqueued is released, so many a call.
//
//     attach --> armed --enqueue--> enqueued --drain--> gone
//                  |                   |
//                  '-----detach--------'---> gone, the reference is its owner's again
//
// A token is 48 bits, which a JavaScript number holds exactly: 63..48 zero, then
//
//      47              24 23               0
//     [    generation    |     record       ]       never 0
//
// Records lie in home and never move. Their queue is a list through them, pushed by any thread with
// a compare-and-swap and taken whole by the one that drains: no ABA, and nothing to lose. Each
// token is in it at most once. A record serves the next token with the next generation, and after
// 2^24 − 1 of them none: no token ever means two objects.
//
// Collectors call late, in any order, twice, or never, and for objects that were closed by hand:
//
//     enqueued twice                                 LM_ENQUEUED, once is enough
//     enqueued, detached or drained after its end    LM_STALE_TOKEN, nothing changed
//     a number that was never a token                LM_INVALID_TOKEN, nothing changed
//     detached when enqueued already, not drained    LM_OK: the drain passes it over
//     attached with a handle that is misused         as buffer.h says, nothing changed
//     attached when tokens keep all references that  LM_KEPT, nothing changed
//       the handle has
//     attached beside, or in place of, a token of    LM_WRONG_OWNER, nothing changed
//       another owner's
//     attached beside a sibling that is no token     the same two, nothing changed
//     attached when home is full                     LM_OUT_OF_MEMORY, nothing changed
//     attached when 2^24 are armed or retired        LM_OUT_OF_SLOTS, nothing changed
//     the reference released, transferred, or its    LM_KEPT, nothing changed
//       view ended, by hand meanwhile
//     drained, closed or detached with its siblings  LM_BUSY, a drain counts it as failed: the
//       when the buffer is being resized               token ends, the reference is its owner's
//     never                                          the budget's callback tells (buffer.h)
//     any call before the start or after the end,    LM_NOT_STARTED, and no memory is read:
//       the table's end included                       collectors call when they end themselves
//     a token of an earlier start of this table      LM_STALE_TOKEN, as its record is still known
//     a token whose owner has released all at once   LM_STALE_TOKEN, whatever the collector says
//
// A token is no secret, and says whose it is: whoever passes it to detach, close or enqueue acts
// for its owner. It means something in its own buffer table only.
//
// Two disciplines of attaching. A FinalizationRegistry takes many registrations for one object, and
// unregisters all that share an unregister token: such tokens form a ring, which
// lm_finalizer_detach_all empties. A host's collector (WAMR's) has one finalizer for an object: a
// later registration cancels the earlier one, and whoever does not notice loses a reference:
// lm_finalizer_replace hands it back, or lets the later token keep it.
//
// Threads: enqueue by any that was told the token, at any time, where home does not move. The
// others by any, if the buffer table's counts are atomic.
#pragma once

#include "alloc/buffers/buffer.h"

typedef uint64_t lm_token;

// Starts the buffer table's finalizers. Takes no memory. Returns false, and changes nothing, if
// they have started already or the buffer table has not. No other thread calls.
bool lm_finalizers_start(lm_buffer_table *table);

// Ends them, and all tokens: the references that they stood for are their owners' again. The
// records stay in home until the buffer table ends, so that no token is given twice when the
// finalizers start again. Does nothing if they have not started. No other thread calls. O(tokens).
void lm_finalizers_end(lm_buffer_table *table);

// Arms a token for one of the owner's references, which the token keeps from here on: a token for
// each reference, and no more. `sibling`, if not 0, is a token with which it is to be detached
// together. O(1).
lm_status lm_finalizer_attach(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                              lm_token sibling, lm_token *token);

// Disarms a token: its reference, `*handle`, is its owner's again. LM_OK also where it was enqueued
// and not drained. O(1).
lm_status lm_finalizer_detach(lm_buffer_table *table, lm_token token, lm_handle *handle);

// Disarms a token and all its siblings, at once, and releases their references. `*freed` gets how
// many blocks that freed. LM_BUSY: references of buffers that are being resized were not released,
// and are their owner's again; all others were. O(siblings).
lm_status lm_finalizer_detach_all(lm_buffer_table *table, lm_token token, uint32_t *freed);

// As attach without siblings, where the object has a token already, `*token` (0: none), which is
// cancelled as by detach: its reference, `*cancelled` (0: none), is its owner's again. Where tokens
// keep all references of the handle, and this one is among them, the new token keeps what the old
// one kept, and `*cancelled` is 0. `*token` gets the new one. O(1).
lm_status lm_finalizer_replace(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                               lm_token *token, lm_handle *cancelled);

// Releases by hand what a token stands for, once: a late collector finds nothing. Returns what is
// wrong with the token, or else what the release returned; the token is stale then, whatever that
// was. O(1).
lm_status lm_finalizer_close(lm_buffer_table *table, lm_token token);

// The collector found the token's object dead. Any thread, any time, no lock. Where this returns
// LM_OK or LM_ENQUEUED, what the thread did to the buffer's bytes happens before they are freed.
// O(1), and as often again as others enqueue or drain in that moment.
lm_status lm_finalizer_enqueue(lm_buffer_table *table, lm_token token);

typedef struct lm_drained {
    uint32_t released; // references
    uint32_t freed;    // blocks
    uint32_t failed;   // references of buffers that are being resized: their owners'
    bool more;         // are enqueued
} lm_drained;

// Takes at most `count` tokens off the queue, the oldest first, and releases what they stand for;
// those detached meanwhile count too. At a safe point only: it frees. O(count), and once for each
// token, at the first drain after it was enqueued, a step that turns its link around.
lm_drained lm_finalizers_drain(lm_buffer_table *table, uint32_t count);

// Walks the records: the name of a broken law, or NULL. `armed` gets how many tokens are, the
// enqueued ones included. Called while no other thread calls.
const char *lm_finalizers_validate(lm_buffer_table *table, uint32_t *armed);
