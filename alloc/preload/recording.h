// A recording: what the preloaded recorder and `linmem record` share.
//
// The *ring* is one file for the command and all that it starts. Every recorded process maps it and
// appends records; `linmem record` takes them out, in order, and writes them to a log. So a
// recorded process needs no system call after its start, no descriptor, and no more address space
// than the ring's; and what it has appended outlives it, however it ends.
//
// A record's *position* counts the records before it, from the beginning, over all processes. It is
// published by its `state`, which holds the verb and the *lap* of its position: what an earlier lap
// left in its place is not mistaken for it.
//
// The order of records is the order of calls, in this sense: a free takes its position before the
// block is given back, an allocation after the block came. So an address never comes again before
// the record that ends it. A resize is two records of one thread.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

// The environment variable that names the ring, an absolute path.
#define RECORDING_RING  "LINMEM_RECORD"
#define RECORDING_MAGIC 0x32526d656d6e696cu // "linmemR2"

typedef enum recording_verb {
    RECORDING_UNFINISHED, // in the log: the position was taken, and then the process ended
    RECORDING_ALLOCATE,
    RECORDING_ZEROED,
    RECORDING_FREE,
    RECORDING_RESIZE_FROM, // address: the old one
    RECORDING_RESIZE_TO,   // address: the new one, or 0: freed where size is 0, else refused
    RECORDING_THREAD,      // a thread's first; address: its process's number
    // In these `thread` is a process's number.
    RECORDING_IMAGE,  // a program began; address: its pid; size: recording_flags
    RECORDING_FORKED, // a fork's child; address: its pid | parent's number << 32; size: how many
                      // records the parent's had been before the fork
    RECORDING_TEXT,   // 16 bytes of "NAME\0PATH\0", the image's
    RECORDING_VERBS
} recording_verb;

typedef enum recording_flags {
    RECORDING_OWN_MALLOC = 1, // the executable defines a malloc: its calls reach nobody else
} recording_flags;

typedef struct recording_record {
    uint64_t address, size;
    uint32_t thread; // by order of first call, over all processes: 0, 1, 2, …
    uint16_t alignment_log2;
    _Atomic uint16_t state; // RECORDING_STATE of its position and verb; written last
} recording_record;

enum {
    RECORDING_RECORDS = 1 << 18, // of the ring, 6 MiB; a power of two
    RECORDING_TEXT_BYTES = 16,   // of a record
    RECORDING_LAPS = 256,
    RECORDING_LINE_BYTES = 128, // apart: processors fetch lines in pairs
};

static inline uint16_t recording_state(uint64_t position, recording_verb verb) {
    uint64_t lap = (position / RECORDING_RECORDS + 1) % RECORDING_LAPS;
    return (uint16_t)(lap << 8 | verb);
}

static inline recording_verb recording_verb_of(const recording_record *record) {
    return (recording_verb)(record->state & 0xff);
}

typedef struct recording_ring {
    uint64_t magic;
    pthread_mutex_t alive;  // robust, held by `linmem record`: when it dies, a trylock succeeds
    _Atomic int32_t closed; // 0, or: nothing is recorded any more, RECORDING_ENDED or an errno
    _Atomic uint32_t threads, processes; // numbers given; processes' begin with 1
    _Alignas(RECORDING_LINE_BYTES) _Atomic uint64_t claimed; // positions taken
    _Alignas(RECORDING_LINE_BYTES) _Atomic uint64_t drained; // positions whose place is free again
    _Alignas(4096) recording_record records[RECORDING_RECORDS];
} recording_ring;

#define RECORDING_ENDED (-1)

_Static_assert(sizeof(recording_record) == 24, "the log's layout");
