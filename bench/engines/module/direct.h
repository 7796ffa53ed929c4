// Included before all else in the form of the module that calls its allocator directly: TABLE is
// the name of its table (of table.c or peer.c), a constant that link-time optimization looks into.
#pragma once

#include "alloc/allocator.h"

extern const lm_allocator TABLE;
#define PLAYER_TABLE(player) (&TABLE)
