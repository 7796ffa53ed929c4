// Verifies an allocator while a program is played on it: every block lies where it may, overlaps no
// other (else its content would change), keeps its content until it is freed or resized, is zero
// where zero was asked, and the heap holds its laws.
//
// Content is a pattern of its own for each block. Blocks of over 64 KiB are filled at both ends (4
// KiB each) and with a word in every 4 KiB between. Its tables are mapped, not allocated.
#pragma once

#include "corpus/replay/player.h"

typedef struct verifier verifier;

// `failure` gets one line when the first thing is found wrong, at once, so that it outlives a crash
// that follows; until then it is "". The heap is walked every `walk_every` calls (0: never), or as
// many as it has blocks where these are more: O(1) a call, amortised. NULL: out of memory.
verifier *verifier_new(const lm_allocator *allocator, lm_memory *memory, const program *program,
                       uint64_t walk_every, char *failure, size_t failure_bytes);
const player_observer *verifier_observer(verifier *verifier);

// After the program has been played to its end: one more walk, and no block may be live.
void verifier_end(verifier *verifier);
