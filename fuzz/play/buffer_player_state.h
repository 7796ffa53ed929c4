// Shared by the buffer_player*.c files.
#pragma once

#include "fuzz/play/buffer_player.h"

// Records a broken law. Returns false.
__attribute__((format(printf, 3, 4))) bool buffer_broken(buffer_player *player, const char *law,
                                                         const char *format, ...);

// Checks a call's status. If LM_OK is expected, it may also fail because an allocator has failed.
bool buffer_check_status(buffer_player *player, lm_status status, lm_status expected);

// Returns whether a call failed for want of room, so that its object is absent from then on.
static inline bool buffer_is_want(lm_status status) {
    return status == LM_OUT_OF_MEMORY || status == LM_OUT_OF_SLOTS || status == LM_COUNT_OVERFLOW;
}

// Converts a memory of the player to its number in the buffer table, and back.
static inline uint32_t buffer_memory_number(const buffer_player *player, uint32_t memory) {
    return memory == LM_HOME ? LM_HOME : memory + player->options.skipped;
}
static inline uint32_t buffer_memory_of(const buffer_player *player, uint32_t number) {
    return number == LM_HOME ? LM_HOME : number - player->options.skipped;
}

// Returned instead of a status if a law is broken.
#define BUFFER_BROKEN LM_STATUSES

// The address of a buffer's bytes.
static inline unsigned char *buffer_bytes_of(const buffer_player *player, const real_buffer *b) {
    return lm_at(player->options.memories[b->memory].memory, b->start);
}

// A loop, because a library function may be a sanitizer's.
static inline void buffer_copy_bytes(unsigned char *to, const unsigned char *from, size_t count) {
    size_t i = 0;
    for (; count - i >= 8; i += 8)
        __builtin_memcpy(to + i, from + i, 8);
    for (; i < count; i++)
        to[i] = from[i];
}

// Checks a buffer's bytes against the expected ones.
bool buffer_check_bytes(buffer_player *player, uint32_t number);

// Marks the object that an operation begins as absent.
void buffer_begin_as_nothing(buffer_player *player, const trace_operation *operation);

bool buffer_refer(buffer_player *player, const trace_operation *operation);
bool buffer_copy(buffer_player *player, const trace_operation *operation);

// The last pointer to a view, and the check whether it is valid exactly as long as it should be.
// `same`: no resize has moved or cut off its bytes.
void buffer_keep_pointer(buffer_player *player, const lm_pointer *pointer);
bool buffer_check_pointer(buffer_player *player, bool same);

// From begin to end another thread calls on a handle in the middle of this thread's calls, at a
// point that `number` chooses. Returns false if a reference that it got is lost. `interrupted`: the
// other thread has run.
void buffer_interrupt_begin(buffer_player *player, lm_handle handle, uint32_t number);
bool buffer_interrupt_end(buffer_player *player, bool *interrupted);

// Checks a new handle or token. `memory` is the player's.
bool buffer_given(buffer_player *player, lm_handle handle, uint32_t owner, uint32_t memory,
                  uint32_t buffer);
bool buffer_given_token(buffer_player *player, lm_token token, lm_handle handle);

// Checks that a reference names its buffer, at its place, and that the counts are right.
bool buffer_check_reference(buffer_player *player, uint32_t number);

// To call before the buffers that the model has just freed are freed, and after a release.
bool buffer_before_death(buffer_player *player);
bool buffer_after_release(buffer_player *player, lm_handle handle);

// Releases one reference, and checks the result against the shadow.
bool buffer_release_one(buffer_player *player, uint32_t owner, lm_handle handle, bool dies);

bool buffer_attach(buffer_player *player, const trace_operation *operation);
bool buffer_detach(buffer_player *player, const trace_operation *operation);
bool buffer_collect(buffer_player *player, const trace_operation *operation);
bool buffer_drain(buffer_player *player, const trace_operation *operation);

// Releases a reference by attaching and closing a token. `*done` is false if no token could be
// attached.
bool buffer_close(buffer_player *player, const lm_view *reference, bool dies, bool *done);

// Enqueues every second attached token.
bool buffer_collect_some(buffer_player *player);

// Ends the tokens of an owner that releases all references at once.
void buffer_forget_tokens(buffer_player *player, uint32_t owner);

// Enqueues all tokens ever attached: after all owners have released everything, and after the
// finalizers or the buffer table have ended.
bool buffer_collect_late(buffer_player *player);
bool buffer_collect_ended(buffer_player *player);

bool buffer_wrong(buffer_player *player, const trace_operation *operation);
