// A candidate: one entry in the list of allocators that a comparison measures.
//
// NAME[#N][+P%]: an allocator may be listed several times with different numbers (a control: any
// difference found between them is false), and may be slowed down by P percent (a control too: the
// comparison must find it).
#pragma once

#include "alloc/linear_memory.h"
#include "bench/engines/engine.h"
#include "bench/engines/peer.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct candidate {
    char name[48];       // as typed, and as in the results
    char allocator[32];  // name of a strategy, a system malloc or a yardstick
    const char *library; // to preload, or ""
    const char *setting; // environment variable, NAME=VALUE, for the commit policy, or ""
    double handicap;
    bool yardstick, system_malloc;
    const peer *peer; // or NULL
    bool shares_threads;
    bool frees_blocks;  // single ones; else it is reset between passes
    bool holds_content; // and so can be verified: all except the floor
} candidate;

// Parses one, to be measured with a commit policy. System mallocs have a setting for huge pages at
// most, and none that commits memory before it is touched. Exits (options_fail) if the allocator is
// unknown, if it is a system malloc whose library is not installed, or if the text after its name
// is wrong.
candidate candidate_parse(const char *text, lm_memory_commit commit);

// Returns whether the engine runs it: system mallocs exist in `native` only, peers elsewhere, and
// both only if they are installed.
bool candidate_runs_in(const candidate *candidate, const engine *engine);

// Returns the names of all yardsticks, strategies, system mallocs and peers. Ends with NULL;
// static.
const char *const *candidate_names(size_t *count);

// Returns the list for the standard comparison, "A, B, …", with the baseline a second time at the
// end as a control and without system mallocs that are not installed; if `threads`, only allocators
// that threads may share. With an engine other than `native`: yardsticks, strategies and all peers.
// The caller frees it.
char *candidate_standard(bool threads, bool native);

// Returns the system mallocs that are not installed, "mimalloc (libmimalloc.so.3|…), …", or "" if
// all are. Static.
const char *candidate_left_out(void);

// Returns the default baseline allocator: natively jemalloc, or glibc if jemalloc is not installed;
// else dlmalloc, or tlsf if dlmalloc has no module.
const char *candidate_baseline(bool native);
