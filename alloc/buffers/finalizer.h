// Finalizers: a collector reports that an object is dead, and the references that the object held
// are released later, outside the collector.
//
// A *token* stands for one object and one reference to a buffer. The token keeps that reference:
// the owner uses the buffer by the handle as before, but can neither release nor transfer the
// reference, nor attach another token to it, until the token has ended. The collector calls only
// lm_finalizer_enqueue. It may hold the heap's locks and have stopped all threads, so that call
// allocates nothing, frees nothing, takes no lock, and is O(1). At a safe point the program drains
// the queue: each drain releases the references of at most a given number of tokens.
//
//     attach --> armed --enqueue--> enqueued --drain--> ended
//                  |                   |
//                  '-----detach--------'---> ended, the owner has its reference back
//
// A token has 48 bits, so that a JavaScript number represents it exactly: 63..48 zero, then
//
//      47              24 23               0
//     [    generation    |     record       ]       never 0
//
// Records are stored in home and never move. The queue is a list through them: any thread pushes
// with a compare-and-swap, and the draining thread takes the whole list, so there is no ABA
// problem. Each token is in the queue at most once. A record is reused for the next token with the
// next generation, and retired after 2^24 − 1 of them: a token never means two objects.
//
// Collectors report late, in any order, twice, or never, and report objects that were closed by
// hand:
//
//     enqueued twice                                 LM_ENQUEUED; the first one suffices
//     enqueued, detached or closed after its end     LM_STALE_TOKEN, nothing changed
//     a number that was never a token                LM_INVALID_TOKEN, nothing changed
//     detached when enqueued and not yet drained     LM_OK: the drain skips it
//     attached with a misused handle                 the status in buffer.h, nothing changed
//     attached when tokens keep all references of    LM_KEPT, nothing changed
//       the handle
//     attached with a sibling, or in place of a      LM_WRONG_OWNER, nothing changed
//       token, of another owner
//     attached with a sibling that is not a token    LM_STALE_TOKEN or LM_INVALID_TOKEN, the same
//     attached when home is out of memory            LM_OUT_OF_MEMORY, nothing changed
//     attached when 2^24 are in use or retired       LM_OUT_OF_SLOTS, nothing changed
//     the kept reference is released or              LM_KEPT, nothing changed
//       transferred, or its view ended, by hand
//     drained, closed or detached with its siblings  LM_BUSY (a drain counts it as failed): the
//       while the buffer is resized                    token ends, the owner has its reference back
//     never enqueued                                 only the budget's callback shows it (buffer.h)
//     any call before the start or after the end,    LM_NOT_STARTED, and no memory is read:
//       the table's end included                       collectors call while they shut down
//     a token of an earlier start of this table      LM_STALE_TOKEN: its record is kept
//     a token whose owner released all at once       LM_STALE_TOKEN
//
// A token is not secret and identifies its owner: code that passes it to detach, close or enqueue
// acts for that owner. It is valid in its own buffer table only.
//
// There are two ways to attach. A FinalizationRegistry takes many registrations for one object and
// unregisters all with the same unregister token: such tokens form a ring of siblings, which
// lm_finalizer_detach_all ends. An embedder's collector (WAMR's) has one finalizer per object: a
// later registration cancels the earlier one, whose reference would leak. lm_finalizer_replace
// returns that reference, or lets the later token keep it.
//
// Threads: any thread may enqueue at any time, if home does not move. Any thread may call the other
// functions if the buffer table's counts are atomic.
#pragma once

#include "alloc/buffers/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t lm_token;

// Starts the buffer table's finalizers. Allocates nothing. Returns false, with nothing changed, if
// they have started already or the buffer table has not. No other thread may call meanwhile.
bool lm_finalizers_start(lm_buffer_table *table);

// Ends the finalizers and all tokens; the owners have their references back. The records stay in
// home until the buffer table ends, so that no token is reused if the finalizers start again. Does
// nothing if they have not started. No other thread may call meanwhile. O(tokens).
void lm_finalizers_end(lm_buffer_table *table);

// Arms a token for one of the owner's references, which the token then keeps; each reference has at
// most one token. `sibling`, if not 0, is a token that lm_finalizer_detach_all ends together with
// the new one. O(1).
lm_status lm_finalizer_attach(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                              lm_token sibling, lm_token *token);

// Disarms a token and stores its handle in *handle; the owner has its reference back. Returns LM_OK
// also if the token was enqueued and not yet drained. O(1).
lm_status lm_finalizer_detach(lm_buffer_table *table, lm_token token, lm_handle *handle);

// Disarms a token and all its siblings at once, releases their references, and stores the number of
// blocks freed in *freed. Returns LM_BUSY if some of the buffers are being resized: the owner has
// those references back; all others are released. O(siblings).
lm_status lm_finalizer_detach_all(lm_buffer_table *table, lm_token token, uint32_t *freed);

// Attaches without siblings to an object that may have a token already, *token (0 if none), and
// stores the new token in *token. The old one is detached, and its handle stored in *cancelled (0
// if none): the owner has that reference back. If tokens keep all references of the handle, the old
// one among them, the new token keeps the old one's reference, and *cancelled is 0. O(1).
lm_status lm_finalizer_replace(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                               lm_token *token, lm_handle *cancelled);

// Releases a token's reference by hand; a later enqueue of the token then changes nothing. Returns
// the token's error if it has one. Otherwise returns the status of the release, and the token has
// ended, even if the release failed. O(1).
lm_status lm_finalizer_close(lm_buffer_table *table, lm_token token);

// Reports that the token's object is dead. Any thread, at any time, without a lock. If it returns
// LM_OK or LM_ENQUEUED, the thread's earlier accesses to the buffer happen before its free. O(1);
// one retry for each enqueue or drain by another thread at the same moment.
lm_status lm_finalizer_enqueue(lm_buffer_table *table, lm_token token);

typedef struct lm_drained {
    uint32_t released; // references
    uint32_t freed;    // blocks
    uint32_t failed;   // references given back to owners, as the buffers are being resized
    bool more;         // tokens are left in the queue
} lm_drained;

// Takes at most `count` tokens off the queue, the oldest first, and releases their references;
// tokens that were detached count too. It frees blocks, so call it at a safe point only. O(count),
// and one step more for each token enqueued since the last drain, to reverse the list.
lm_drained lm_finalizers_drain(lm_buffer_table *table, uint32_t count);

// Walks the records. Returns the name of a broken law, or NULL. Stores in *armed the number of
// armed tokens, the enqueued ones included. No other thread may call meanwhile.
const char *lm_finalizers_validate(lm_buffer_table *table, uint32_t *armed);

#ifdef __cplusplus
}
#endif
