// The flags in the low bits of a boundary tag (boundary_tags.inc.h).
#pragma once

enum { TAG_FREE = 1, TAG_PREVIOUS_FREE = 2, TAG_GAP = 4, TAG_LAST = 8 };
