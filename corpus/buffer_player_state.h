// What the buffer player's own files share.
#pragma once

#include "corpus/buffer_player.h"

// A law does not hold: returns false, or true where it is not held.
__attribute__((format(printf, 3, 4))) bool buffer_broken(buffer_player *player, const char *law,
                                                         const char *format, ...);

// What a call was to return, for who watches.
static inline void buffer_expects(buffer_player *player, uint64_t expected) {
    if (player->options.observer) player->options.observer->expects(player, expected);
}

// Whether a call returned what is expected; where that is LM_OK, memory may have been wanting too.
bool buffer_check_status(buffer_player *player, lm_status status, lm_status expected);

// Whether it found no room: what it was to begin, begins as nothing.
static inline bool buffer_is_want(lm_status status) {
    return status == LM_OUT_OF_MEMORY || status == LM_OUT_OF_SLOTS || status == LM_COUNT_OVERFLOW;
}

// Whether the next buffer is a block that the player allocates, and that is adopted.
bool buffer_is_adopted(const buffer_player *player);

// A handle, or a token, was given.
bool buffer_given(buffer_player *player, lm_handle handle, uint32_t owner, uint32_t memory,
                  uint32_t buffer);
bool buffer_given_token(buffer_player *player, lm_token token);

// Whether a reference stands for its buffer, lying where it lay, and is counted with the others.
bool buffer_check_reference(buffer_player *player, uint32_t number);

// Before buffers die that the model has just let die, and after a reference has gone.
bool buffer_before_death(buffer_player *player);
bool buffer_after_release(buffer_player *player, lm_handle handle);

// Releases one reference for real, and expects what the shadow says.
bool buffer_release_one(buffer_player *player, uint32_t owner, lm_handle handle, bool dies);

// The verbs of finalizers.
bool buffer_attach(buffer_player *player, const trace_operation *operation);
bool buffer_detach(buffer_player *player, const trace_operation *operation);
bool buffer_collect(buffer_player *player, const trace_operation *operation);
bool buffer_drain(buffer_player *player, const trace_operation *operation);

// Releases a reference by a token that is closed at once. False in `*done`: there was no token.
bool buffer_close(buffer_player *player, const lm_view *reference, bool dies, bool *done);

// All armed tokens are enqueued and drained, after their references were released by hand.
bool buffer_collect_late(buffer_player *player);

// A wrong call.
bool buffer_wrong(buffer_player *player, const trace_operation *operation);
