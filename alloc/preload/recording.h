// The raw stream of a recording: what the preloaded recorder writes and the converter reads.
//
// One file an image (a process between two execs), named PID.N, N counting the images of that pid.
// A header, then records, in chunks that are mapped shared: what was written survives however the
// process ends. The order of records is the order of calls, in this sense: a free takes its place
// before the block is given back, an allocation after the block came. So an address never comes
// again before the record that ends it. A resize is two records of one thread.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

// The environment variable that names the directory of the streams, an absolute path.
#define RECORDING_DIRECTORY "LINMEM_RECORD"
#define RECORDING_MAGIC     0x31526d656d6e696cu // "linmemR1"

typedef enum recording_verb {
    RECORDING_UNFINISHED, // the place was taken, and then the process ended
    RECORDING_ALLOCATE,
    RECORDING_ZEROED,
    RECORDING_FREE,
    RECORDING_RESIZE_FROM, // address: the old one
    RECORDING_RESIZE_TO,   // address: the new one, or 0: freed where size is 0, else refused
    RECORDING_VERBS
} recording_verb;

typedef struct recording_record {
    uint64_t address, size;
    uint32_t thread; // by order of first call: 0, 1, 2, …
    uint16_t alignment_log2;
    _Atomic uint16_t verb; // recording_verb; written last
} recording_record;

typedef struct recording_header {
    uint64_t magic;
    uint64_t pid;
    _Atomic uint64_t claimed; // records that places were taken for
    _Atomic uint32_t threads;
    _Atomic int32_t cut_off; // the errno that ended the recording before the program, or 0
    char program[256];       // the name it was started by, without its folder
} recording_header;

// Chunks are whole pages and whole records on every page size up to 64 KiB.
#define RECORDING_HEADER_BYTES  ((uint64_t)65536)
#define RECORDING_CHUNK_RECORDS ((uint64_t)65536)
#define RECORDING_CHUNK_BYTES   (RECORDING_CHUNK_RECORDS * sizeof(recording_record))

_Static_assert(sizeof(recording_record) == 24, "the raw stream's layout");
_Static_assert(sizeof(recording_header) <= 4096, "the header fits a page");
