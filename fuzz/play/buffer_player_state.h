// What the buffer player's own files share.
#pragma once

#include "fuzz/play/buffer_player.h"

// A law does not hold: notes which and how, and returns false.
__attribute__((format(printf, 3, 4))) bool buffer_broken(buffer_player *player, const char *law,
                                                         const char *format, ...);

// Whether a call returned what is expected; where that is LM_OK, memory may have been wanting too.
bool buffer_check_status(buffer_player *player, lm_status status, lm_status expected);

// Whether it found no room: what it was to begin, begins as nothing.
static inline bool buffer_is_want(lm_status status) {
    return status == LM_OUT_OF_MEMORY || status == LM_OUT_OF_SLOTS || status == LM_COUNT_OVERFLOW;
}

// The number by which the buffer table knows one of the player's memories, and back.
static inline uint32_t buffer_memory_number(const buffer_player *player, uint32_t memory) {
    return memory == LM_HOME ? LM_HOME : memory + player->options.skipped;
}
static inline uint32_t buffer_memory_of(const buffer_player *player, uint32_t number) {
    return number == LM_HOME ? LM_HOME : number - player->options.skipped;
}

// In place of a status: a law is broken.
#define BUFFER_BROKEN LM_STATUSES

// Where a buffer's bytes lie.
static inline unsigned char *buffer_bytes_of(const buffer_player *player, const real_buffer *b) {
    return lm_at(player->options.memories[b->memory].memory, b->start);
}

// A loop, since a library's function may be a sanitizer's.
static inline void buffer_copy_bytes(unsigned char *to, const unsigned char *from, size_t count) {
    size_t i = 0;
    for (; count - i >= 8; i += 8)
        __builtin_memcpy(to + i, from + i, 8);
    for (; i < count; i++)
        to[i] = from[i];
}

// Whether a buffer's bytes are what they are to be.
bool buffer_check_bytes(buffer_player *player, uint32_t number);

// What an operation was to begin is nothing: there was no room for it.
void buffer_begin_as_nothing(buffer_player *player, const trace_operation *operation);

// The verbs of references and views.
bool buffer_refer(buffer_player *player, const trace_operation *operation);
bool buffer_copy(buffer_player *player, const trace_operation *operation);

// The last pointer to a view, and whether it is good as long as it may be: `same` if no resize has
// moved its bytes or cut them off.
void buffer_keep_pointer(buffer_player *player, const lm_pointer *pointer);
bool buffer_check_pointer(buffer_player *player, bool same);

// From here to the end another thread tries a handle in the middle of this one's calls, by
// `number`. False: what it was granted is lost. `interrupted`: it has run.
void buffer_interrupt_begin(buffer_player *player, lm_handle handle, uint32_t number);
bool buffer_interrupt_end(buffer_player *player, bool *interrupted);

// A handle, or a token, was given. `memory` is the player's.
bool buffer_given(buffer_player *player, lm_handle handle, uint32_t owner, uint32_t memory,
                  uint32_t buffer);
bool buffer_given_token(buffer_player *player, lm_token token, lm_handle handle);

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

// Every second token that is armed is enqueued.
bool buffer_collect_some(buffer_player *player);

// The tokens of an owner who releases all at once, end.
void buffer_forget_tokens(buffer_player *player, uint32_t owner);

// A collector tells of all tokens that there were: when all owners are gone; and when the
// finalizers have ended, or the buffer table.
bool buffer_collect_late(buffer_player *player);
bool buffer_collect_ended(buffer_player *player);

// A wrong call.
bool buffer_wrong(buffer_player *player, const trace_operation *operation);
