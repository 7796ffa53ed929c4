// The bits of a boundary tag that are no part of its block's bytes (boundary_tags.inc.h).
#pragma once

enum { FREE = 1, PREVIOUS_FREE = 2, GAP = 4, LAST = 8 };
