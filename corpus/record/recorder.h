// The end of a recording that `linmem record` holds: the ring, which it empties into a log.
#pragma once

#include "alloc/system/preload/recording.h"
#include "corpus/trace/trace.h"

#include <limits.h>

typedef struct recorder {
    recording_ring *ring; // NULL: not open
    char path[PATH_MAX];  // of the ring
    char link[PATH_MAX];  // beside it, for a link to the preloaded library
    int log;              // an unnamed file of records, in the order of their positions
    uint64_t drained;
    bool broken; // nothing can be moved any more: the log is full, or the ring was written over
    double stuck_since; // a record keeps the ring full that is not published; 0: none does
} recorder;

// Makes the ring (in /dev/shm, or else beside the log) and the log (in TMPDIR, or in /tmp if TMPDIR
// is not set), and removes the rings of this user whose recorders were killed. The caller's thread
// is the one whose death ends the recording. False: `error` says why.
bool recorder_open(recorder *recorder, trace_error *error);
// Moves what has been published to the log and returns how many records. The recording ends when
// they cannot be written.
uint64_t recorder_drain(recorder *recorder);
// Ends the recording: drains what is left. Returns the errno that ended it before, or 0.
int recorder_end(recorder *recorder);
// Removes the ring's name and the link: nothing is left once no process uses them any more.
// Async-signal-safe.
void recorder_unlink(const recorder *recorder);
// Removes the ring, and the log too unless somebody took it and set it to -1.
void recorder_close(recorder *recorder);
