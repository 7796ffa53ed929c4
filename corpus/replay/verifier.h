// Verifies an allocator while a replay is played on it: every block is aligned and inside the
// memory, overlaps no other (an overlap would change its content), keeps its content until it is
// freed or resized, and is zero if zeroed memory was asked for, and the heap keeps its laws.
//
// Each block is filled with its own pattern; a block of more than 64 KiB only at both ends (4 KiB
// each) and with a word in every 4 KiB between. The verifier's tables are mapped, not allocated.
#pragma once

#include "corpus/replay/player.h"

typedef struct verifier verifier;

// Writes one line to `failure` as soon as the first check fails, so that it survives a crash that
// follows; until then `failure` is "". The heap is walked every `walk_every` calls (0: only at the
// end), or after as many calls as it has live and free blocks if that is more: O(1) a call,
// amortised. Returns NULL if out of memory.
verifier *verifier_new(const lm_allocator *allocator, lm_memory *memory, const replay *replay,
                       uint64_t walk_every, char *failure, size_t failure_bytes);
const player_observer *verifier_observer(verifier *verifier);

// Call after the last step. Walks the heap once more, checks that no block is live (if the
// allocator frees blocks at all), and frees the verifier.
void verifier_end(verifier *verifier);
