// What the recorder's own files share.
#pragma once

#include "fuzz/play/buffer_player_state.h"
#include "fuzz/reproduce/recorder/recorder.h"

enum { RECORDER_TEXT = 700, RECORDER_NAMES_MAX = 4096 };

typedef enum call_form {
    CALL_PLAIN,
    CALL_RELEASE, // may go with a drain, which says how many die
    CALL_CHAINED, // what it reads, the next call writes, if it was read
    CALL_NUMBER,  // returns no status
    CALL_POINTER, // is made after each operation, and written where it returns something new
} call_form;

// A call that is written, but for what it was to return.
typedef struct pending_call {
    bool open;
    call_form form;
    const char *quiet; // the law that has it ask nothing of an allocator, or NULL
    bool wrong;        // is to change nothing
    bool tells;        // pressure may be told
    uint64_t expected, got;
    char before[RECORDER_TEXT], call[RECORDER_TEXT], after[RECORDER_TEXT];
    long at; // in the stream
} pending_call;

typedef struct named_handle {
    lm_handle handle;
    char says[100]; // what it stood for, when that was last written
} named_handle;

typedef struct recorder {
    FILE *stream; // NULL: nothing is recorded
    buffer_player *player;
    const trace_operation *operation; // that is played, or NULL: the end
    bool inside;                      // of a call: those that it makes are its own
    bool failed;                      // a law is broken
    bool knows_next;                  // what the next call is to return: it is a wrong one
    uint64_t next_expected;
    pending_call pending;
    char declared[RECORDER_TEXT]; // before the next call
    named_handle handles[RECORDER_NAMES_MAX];
    lm_token tokens[RECORDER_NAMES_MAX];
    lm_view views[RECORDER_NAMES_MAX];
    uint32_t handles_named, tokens_named, views_named; // declared
    lm_handle fresh;                                   // of the operation's new buffer, or 0
    uint32_t fresh_size;
    uint64_t pointer_expected;                     // by the last check of it that was written
    unsigned char *contents[RECORDER_NAMES_MAX];   // by buffer, as written
    bool seen[RECORDER_NAMES_MAX];                 // by buffer: lives, as written
    char memories[LM_MEMORIES_MAX][RECORDER_TEXT]; // what lives in each, as written
} recorder;

extern recorder recorded;

// Whether calls are recorded, and this one is the player's.
static inline bool recorder_is_on(void) {
    return recorded.stream && !recorded.inside;
}

// How a value is written: by the name of its variable, or what comes to the same. The text is good
// until eight more are asked for.
const char *recorder_handle(lm_handle handle);
const char *recorder_token(lm_token token);
const char *recorder_view(const lm_view *view);
const char *recorder_kind(lm_kind kind);

// Declares a variable for what the next call gives; returns its name. In a wrong call it is none.
const char *recorder_new_handle(void);
const char *recorder_new_view(void);
const char *recorder_new_token(lm_token first);
// The value has come; `number` is how many were declared before.
void recorder_name_handle(lm_handle handle);
void recorder_name_view(const lm_view *view);
void recorder_name_token(lm_token token);

// Before and after a call; what is added stands behind it, where it returned as it should have.
void recorder_declare(const char *format, ...) __attribute__((format(printf, 1, 2)));
void recorder_call(call_form form, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t recorder_returned(uint64_t got);
void recorder_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A statement that is no call with a result.
void recorder_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

// What is to hold as the model stands; all of it, or what has changed.
void recorder_write_state(bool all);

// Ends the process: all is written.
_Noreturn void recorder_close(void);
