// For tests: replays.
#pragma once

#include "corpus/replay/replay.h"
#include "corpus/trace/trace_fixture.h"

// Compiles a trace, and frees it.
static inline const replay *compile(trace trace) {
    trace_error error;
    int descriptor = replay_compile(&trace, &error);
    if (descriptor < 0) fail_msg("%s", error.text);
    trace_free(&trace);
    const replay *replay = replay_map(descriptor);
    assert_non_null(replay);
    close(descriptor);
    return replay;
}

static inline void unmap(const replay *replay) {
    munmap((void *)(uintptr_t)replay, replay->bytes);
}
