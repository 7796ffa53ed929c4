// The meaning of each handle and token, by the tables in alloc/buffers/{buffer,finalizer}.h: its
// share or record, its references, and what is wrong with a call on it. Derived only from the
// handles and tokens that were returned, independent of the buffer table's implementation.
#pragma once

#include "alloc/buffers/finalizer.h"

typedef struct shadow_share {
    lm_handle handle; // the last one of this slot, or 0
    uint32_t count;   // references; 0: released
    uint32_t kept;    // references that tokens own
    uint32_t buffer;
} shadow_share;

typedef struct shadow_token {
    lm_token token;   // the last one of this record, or 0
    lm_handle handle; // the token's handle
    bool alive, queued;
} shadow_token;

typedef struct handle_shadow {
    shadow_share *shares; // by slot
    shadow_token *tokens; // by record
    uint32_t share_room, token_room;
    uint32_t slots, records; // ever used
    uint32_t shares_live, slots_retired;
    uint32_t tokens_kept, records_retired; // tokens_kept: attached or queued
} handle_shadow;

// Allocates room for that many shares and tokens. Returns false if out of memory.
bool handle_shadow_create(handle_shadow *shadow, uint32_t shares, uint32_t tokens);
void handle_shadow_destroy(handle_shadow *shadow);
// Forgets all handles and tokens. O(slots + records).
void handle_shadow_restart(handle_shadow *shadow);

// Returns the expected status of a call on the owner's handle if nothing else is wrong;
// `after_zero` if the share is released.
lm_status handle_shadow_judge(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                              lm_status after_zero);
lm_status handle_shadow_judge_token(const handle_shadow *shadow, lm_token token);
// The same for a call that takes a reference from the owner, which no token may own.
lm_status handle_shadow_judge_taking(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_status after_zero);
// The same for an attach: beside another token, or in its place if `replaces`.
lm_status handle_shadow_judge_beside(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_token token, bool replaces);

// Returns the share of a live handle.
shadow_share *handle_shadow_share(const handle_shadow *shadow, lm_handle handle);

// Returns whether the slot has generations left after its current share.
bool handle_shadow_has_generation(lm_handle handle);

// Returns whether another token can be attached.
bool handle_shadow_has_slot(const handle_shadow *shadow);
bool handle_shadow_has_record(const handle_shadow *shadow);

// Records a new handle or token. Returns NULL, or what is wrong with it.
const char *handle_shadow_give(handle_shadow *shadow, lm_handle handle, uint32_t owner,
                               uint32_t memory, uint32_t buffer);
const char *handle_shadow_give_token(handle_shadow *shadow, lm_token token, lm_handle handle);

// Removes one reference. Returns how many the share still has.
uint32_t handle_shadow_take(handle_shadow *shadow, lm_handle handle);

// Ends a token; a queued one keeps its record until it leaves the queue.
void handle_shadow_end_token(handle_shadow *shadow, lm_token token);
void handle_shadow_queue_token(handle_shadow *shadow, lm_token token);
void handle_shadow_dequeue_token(handle_shadow *shadow, lm_token token);
