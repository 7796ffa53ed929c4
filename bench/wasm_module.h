// What we read of a WebAssembly module (binary format, version 1): how large its code is.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Gives the size of the code section's content: all bodies and their count, without the section's
// own header. False: these bytes are no whole module, or one without code. Reads the headers of
// sections only; O(sections).
bool wasm_code_bytes(const unsigned char *module, size_t bytes, uint32_t *code_bytes);
