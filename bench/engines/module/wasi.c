// The module as a program for WASI: `run` reads a request and the replay from standard input, and
// prints the outcome. The request is a line: WHAT ROUNDS HEAP-OFFSET HANDICAP BYTES, as in
// bench/engines/engine.h, with the handicap in millionths, and the size of the replay that follows.
#include "bench/engines/module/measure.h"
#include "bench/engines/module/module.h"

#include <stddef.h>
#include <string.h>

typedef struct wasi_range {
    void *at;
    uint32_t bytes;
} wasi_range;

#define WASI(name)                                                                                 \
    __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) uint32_t name
WASI(clock_time_get)(uint32_t clock, uint64_t precision, uint64_t *ns);
WASI(fd_read)(uint32_t descriptor, const wasi_range *ranges, uint32_t count, uint32_t *bytes);
WASI(fd_write)(uint32_t descriptor, const wasi_range *ranges, uint32_t count, uint32_t *bytes);

void run(void);

double measure_now_ns(void) {
    enum { MONOTONIC = 1 };
    uint64_t ns = 0;
    clock_time_get(MONOTONIC, 1, &ns);
    return (double)ns;
}

void measure_print(const char *text) {
    wasi_range range = {(void *)(uintptr_t)text, 0};
    while (text[range.bytes])
        range.bytes++;
    uint32_t written;
    fd_write(1, &range, 1, &written);
}

// Reads up to so many bytes from standard input. Returns false at its end.
static bool wasi_read(unsigned char *at, uint32_t bytes) {
    while (bytes > 0) {
        wasi_range range = {at, bytes};
        uint32_t count = 0;
        if (fd_read(0, &range, 1, &count) != 0 || count == 0) return false;
        at += count;
        bytes -= count;
    }
    return true;
}

// Reads a word as a number, and whether it begins with a `v`, for "verify".
static uint64_t wasi_read_word(bool *begins_with_v) {
    uint64_t number = 0;
    unsigned char byte;
    *begins_with_v = false;
    while (wasi_read(&byte, 1) && byte != ' ' && byte != '\n') {
        if (byte >= '0' && byte <= '9') number = number * 10 + byte - '0';
        *begins_with_v |= byte == 'v';
    }
    return number;
}

__attribute__((export_name("run"))) void run(void) {
    measure_request request;
    bool unused;
    wasi_read_word(&request.verify);
    request.rounds = (uint32_t)wasi_read_word(&unused);
    request.heap_offset = (uint32_t)wasi_read_word(&unused);
    request.handicap = (double)wasi_read_word(&unused) / 1e6;
    uint32_t bytes = (uint32_t)wasi_read_word(&unused);
    void *replay = room(bytes);
    if (replay && !wasi_read(replay, bytes)) replay = NULL;
    measure_cell(&request, replay);
}
