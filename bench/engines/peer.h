// A peer: an allocator of linear memory that another project ships for wasm32. It exists in engines
// that run modules only.
#pragma once

#include <stddef.h>

typedef struct peer {
    const char *name, *library, *package, *reached, *about; // see peers.def
} peer;

extern const peer peers[];
extern const size_t peer_count;

// Returns the peer of that name, or NULL.
const peer *peer_named(const char *name);
