// What each handle and each token means, from the tables that open
// alloc/buffers/{buffer,finalizer}.h: which share or record it names, how often that is held, and
// what is wrong with a call on it. Kept from what was given out, knowing nothing of how a buffer
// table keeps it.
#pragma once

#include "alloc/buffers/finalizer.h"

typedef struct shadow_share {
    lm_handle handle; // the last one given of this slot, or 0
    uint32_t count;   // 0: released
    uint32_t kept;    // of them, by tokens
    uint32_t buffer;
} shadow_share;

typedef struct shadow_token {
    lm_token token;   // the last one given of this record, or 0
    lm_handle handle; // for which it stood
    bool alive, queued;
} shadow_token;

typedef struct handle_shadow {
    shadow_share *shares; // by slot
    shadow_token *tokens; // by record
    uint32_t share_room, token_room;
    uint32_t slots, records; // that were ever given
    uint32_t shares_live, slots_retired;
    uint32_t tokens_kept, records_retired; // alive, or queued
} handle_shadow;

// Allocates room for that many shares and tokens. Returns false if out of memory.
bool handle_shadow_create(handle_shadow *shadow, uint32_t shares, uint32_t tokens);
void handle_shadow_destroy(handle_shadow *shadow);
// Forgets all handles and tokens. O(given before).
void handle_shadow_restart(handle_shadow *shadow);

// Returns the expected status of a call on the owner's handle if nothing else is wrong;
// `after_zero` if the share is released.
lm_status handle_shadow_judge(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                              lm_status after_zero);
lm_status handle_shadow_judge_token(const handle_shadow *shadow, lm_token token);
// The same of a call that takes one of the owner's references, which no token may keep.
lm_status handle_shadow_judge_taking(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_status after_zero);
// The same of an attach beside a token, or in its place, where `replaces`.
lm_status handle_shadow_judge_beside(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_token token, bool replaces);

// The share that a live handle names.
shadow_share *handle_shadow_share(const handle_shadow *shadow, lm_handle handle);

// Whether a slot may serve one more share after this one.
bool handle_shadow_has_generation(lm_handle handle);

// Whether one more can be given.
bool handle_shadow_has_slot(const handle_shadow *shadow);
bool handle_shadow_has_record(const handle_shadow *shadow);

// A handle or token was given. NULL, or what is wrong with it.
const char *handle_shadow_give(handle_shadow *shadow, lm_handle handle, uint32_t owner,
                               uint32_t memory, uint32_t buffer);
const char *handle_shadow_give_token(handle_shadow *shadow, lm_token token, lm_handle handle);

// Removes one reference. Returns the number that the share still has.
uint32_t handle_shadow_take(handle_shadow *shadow, lm_handle handle);

// A token ends; one that is queued keeps its record until it leaves the queue.
void handle_shadow_end_token(handle_shadow *shadow, lm_token token);
void handle_shadow_queue_token(handle_shadow *shadow, lm_token token);
void handle_shadow_dequeue_token(handle_shadow *shadow, lm_token token);
