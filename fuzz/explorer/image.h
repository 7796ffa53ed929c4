// Memory as a state's bytes: lines of 16 bytes that are not zero, with a map of where they are.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Writes `count` bytes, a multiple of 1024, in short. Returns behind what was written, which is at
// most count + count / 128 bytes.
unsigned char *image_write(unsigned char *to, const unsigned char *from, size_t count);

// Reads them back. Returns behind what was read.
const unsigned char *image_read(unsigned char *to, const unsigned char *from, size_t count);
