// The content that the oracle gives to blocks: 64-bit words that depend on the block's number and
// on their position in it. Of a block of over 1 KiB only the edges are filled, and single words of
// the first 16 KiB, so that not all of a large block is touched. The last four bytes of every 16
// are all ones: most heaps have a header there, and content must not look like one. Nothing here is
// a library call.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    PATTERN_WHOLE_BYTES = 1024,    // blocks up to this size are filled whole
    PATTERN_EDGE_BYTES = 256,      // larger ones at both ends, and
    PATTERN_STRIDES_BYTES = 16384, // with single words in their first bytes
    PATTERN_ZERO_BYTES = 16384,    // checked for zeroes at each end
};

#define PATTERN_HOLDS UINT64_MAX

// Fills a 16-aligned block of `usable` bytes, from byte `from` on.
void pattern_fill(unsigned char *block, uint32_t number, uint64_t usable, uint64_t from);

// Checks the first `bytes` of a block that was filled with `usable`. Returns the offset of the
// first wrong byte, or PATTERN_HOLDS.
uint64_t pattern_check(const unsigned char *block, uint32_t number, uint64_t usable,
                       uint64_t bytes);

// Whether all bytes are zero.
bool pattern_reads_as_zero(const unsigned char *bytes, uint64_t count);

// Whether a block is zero: all of it, or PATTERN_ZERO_BYTES at each end.
bool pattern_is_zero(const unsigned char *block, uint64_t bytes);
