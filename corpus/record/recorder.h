// The recorder's side of a recording: `linmem record` drains the shared ring into a log.
#pragma once

#include "alloc/system/preload/recording.h"
#include "corpus/trace/trace.h"

#include <limits.h>

typedef struct recorder {
    recording_ring *ring; // NULL: not open
    char path[PATH_MAX];  // of the ring
    char link[PATH_MAX];  // in the same folder, for a link to the preloaded library
    int log;              // an unnamed file of the records, by position
    uint64_t drained;
    bool broken;        // draining has failed: the log is full, or a program overwrote the ring
    double stuck_since; // since when an unpublished record keeps the ring full; 0: none
} recorder;

// Makes the log (in TMPDIR, or in /tmp if TMPDIR is not set) and the ring (in /dev/shm, else in the
// log's folder), and removes rings of this user whose recorders were killed. The recording ends if
// the calling thread ends. Returns false with `error` if that fails.
bool recorder_open(recorder *recorder, trace_error *error);
// Moves the published records to the log and returns their number. Ends the recording if the log
// cannot be written.
uint64_t recorder_drain(recorder *recorder);
// Ends the recording and drains the rest. Returns the errno that had ended it earlier, or 0.
int recorder_end(recorder *recorder);
// Unlinks the ring and the link; their storage is freed when no process uses them.
// Async-signal-safe.
void recorder_unlink(const recorder *recorder);
// Removes the ring, and closes the log unless the caller has taken it and set it to −1.
void recorder_close(recorder *recorder);
