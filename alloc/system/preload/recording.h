// The format of a recording, shared by the preloaded recorder and `linmem record`.
//
// The *ring* is one file for the command and all processes that it starts. Every recorded process
// maps it and appends records; `linmem record` removes them in order and writes them to a log. So a
// recorded process needs no system call after its start, no descriptor, and no address space beyond
// the ring's; and its records are kept however it ends.
//
// A record's *position* is the number of records before it, of all processes. Its `state` publishes
// it and holds the verb and the *lap* of its position, so that a record of an earlier lap in the
// same place is not taken for it.
//
// A process may be stopped or killed after it has taken a position and before it publishes the
// record, while others wait for room: then `linmem record` passes the position and logs it as
// unfinished. The process may continue laps later. So a place is entered and published by
// compare-and-swaps, which fail if the position has been passed; the record then takes a later
// position, which is as good, because its call has not returned. A place that is passed while it is
// written stays *held* until its writer returns; positions of later laps in it are passed at once.
//
// Records are ordered like calls: a free takes its position before the block is freed, an
// allocation after the block is returned. So an address is never recorded as allocated again before
// the record that frees it. A resize is two records of one thread.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// The environment variable that names the ring, an absolute path.
#define RECORDING_RING  "LINMEM_RECORD"
#define RECORDING_MAGIC 0x33526d656d6e696cu // "linmemR3"

typedef enum recording_verb {
    RECORDING_UNFINISHED, // in the log: a position was taken but no record published
    RECORDING_ALLOCATE,
    RECORDING_ZEROED,
    RECORDING_FREE,
    RECORDING_RESIZE_FROM, // address: the old one
    RECORDING_RESIZE_TO,   // address: the new one, or 0: freed if size is 0, else failed
    RECORDING_THREAD,      // the thread's first record; address: its process's number
    // In these `thread` is a process's number.
    RECORDING_IMAGE,  // a program started; address: its pid; size: recording_flags
    RECORDING_FORKED, // a fork's child; address: its pid | parent's number << 32; size: the number
                      // of the parent's records before the fork
    RECORDING_TEXT,   // 16 bytes of the image's "NAME\0PATH\0"
    RECORDING_VERBS,
    // In the ring only:
    RECORDING_WRITING = RECORDING_VERBS, // the place is being written
    RECORDING_HELD,                      // it still is, but its position was passed
} recording_verb;

typedef enum recording_flags {
    RECORDING_OWN_MALLOC = 1, // the executable defines a malloc: its calls are not recorded
} recording_flags;

typedef struct recording_record {
    uint64_t address, size;
    uint32_t thread : 26; // by order of first call, over all processes: 0, 1, 2, …
    uint32_t alignment_log2 : 6;
    _Atomic uint32_t state; // recording_state of its position and verb; written last
} recording_record;

enum {
    RECORDING_RECORDS = 1 << 18, // in the ring, 6 MiB; a power of two
    RECORDING_TEXT_BYTES = 16,   // of a record
    RECORDING_NUMBERS = 1 << 26, // of threads, and of processes
    RECORDING_LAPS = 1 << 24,
    RECORDING_LINE_BYTES = 128, // two cache lines: processors fetch lines in pairs
};

static inline uint32_t recording_state(uint64_t position, recording_verb verb) {
    uint64_t lap = (position / RECORDING_RECORDS + 1) % RECORDING_LAPS;
    return (uint32_t)(lap << 8 | verb);
}

static inline recording_verb recording_verb_of_state(uint32_t state) {
    return (recording_verb)(state & 0xff);
}

static inline recording_verb recording_verb_of(const recording_record *record) {
    return recording_verb_of_state(record->state);
}

static inline bool recording_same_lap(uint32_t state, uint64_t position) {
    return state >> 8 == recording_state(position, 0) >> 8;
}

// Enters the place of a position, to write a record there. Returns false if the position has been
// passed or will be at once.
static inline bool recording_enter(recording_record *record, uint64_t position) {
    uint32_t mine = recording_state(position, RECORDING_WRITING);
    uint32_t state = atomic_load_explicit(&record->state, memory_order_acquire);
    for (;;) {
        uint32_t laps_back = ((mine >> 8) - (state >> 8)) % RECORDING_LAPS;
        bool passed = laps_back == 0 || laps_back > RECORDING_LAPS / 2;
        bool held = recording_verb_of_state(state) >= RECORDING_VERBS;
        if (passed) return false;
        uint32_t next = held ? recording_state(position, RECORDING_HELD) : mine;
        if (atomic_compare_exchange_weak(&record->state, &state, next)) return !held;
    }
}

// Publishes the record that was written. Returns false if the position has been passed.
static inline bool recording_publish(recording_record *record, uint64_t position,
                                     recording_verb verb) {
    uint32_t state = recording_state(position, RECORDING_WRITING);
    if (atomic_compare_exchange_strong_explicit(&record->state, &state,
                                                recording_state(position, verb),
                                                memory_order_release, memory_order_relaxed))
        return true;
    while (!atomic_compare_exchange_weak(&record->state, &state,
                                         (state & ~0xffu) | RECORDING_UNFINISHED))
        ;
    return false;
}

// Passes a position. Returns false if its record has been published.
static inline bool recording_pass(recording_record *record, uint64_t position) {
    uint32_t state = atomic_load_explicit(&record->state, memory_order_acquire);
    for (;;) {
        bool held = recording_verb_of_state(state) >= RECORDING_VERBS;
        if (!held && recording_same_lap(state, position)) return false;
        uint32_t next = recording_state(position, held ? RECORDING_HELD : RECORDING_UNFINISHED);
        if (atomic_compare_exchange_weak(&record->state, &state, next)) return true;
    }
}

typedef struct recording_ring {
    uint64_t magic;
    pthread_mutex_t alive;  // robust, held by `linmem record`: when it dies, a trylock succeeds
    _Atomic int32_t closed; // 0 while recording; else RECORDING_ENDED or an errno
    _Atomic uint32_t threads, processes; // numbers assigned; those of processes begin with 1
    _Atomic uint32_t moved; // records that took a later position because theirs was passed
    _Alignas(RECORDING_LINE_BYTES) _Atomic uint64_t claimed; // positions taken
    _Alignas(RECORDING_LINE_BYTES) _Atomic uint64_t drained; // positions whose place is free again
    _Alignas(4096) recording_record records[RECORDING_RECORDS];
} recording_ring;

#define RECORDING_ENDED (-1)

_Static_assert(sizeof(recording_record) == 24, "the log's layout");
