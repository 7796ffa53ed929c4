// Memory as a state's bytes: lines of 16 bytes that are neither zero nor junk, with maps of which
// is what.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { IMAGE_JUNK = 0xee }; // every byte of what was written to and is dead, and of live blocks

// Writes `count` bytes, a multiple of 1024, in short. Returns behind what was written, which is at
// most count + count / 64 bytes.
unsigned char *image_write(unsigned char *to, const unsigned char *from, size_t count);

// Reads them back. Returns behind what was read.
const unsigned char *image_read(unsigned char *to, const unsigned char *from, size_t count);
