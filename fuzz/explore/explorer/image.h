// Compresses a memory to a state's bytes: the lines of 16 bytes that are neither all zero nor all
// junk, and bitmaps of both.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { IMAGE_JUNK = 0xee }; // live blocks, and written memory that is not read again

// Compresses `count` bytes, a multiple of 1024. Returns the end of the output, which is at most
// count + count / 64 bytes.
unsigned char *image_write(unsigned char *to, const unsigned char *from, size_t count);

// Decompresses. Returns the end of the input.
const unsigned char *image_read(unsigned char *to, const unsigned char *from, size_t count);
