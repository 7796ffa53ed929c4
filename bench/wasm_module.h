// Reads the code size of a WebAssembly module (binary format, version 1).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Stores the size of the code section's content: all bodies and their count, without the section's
// own header. Returns false if the module is incomplete, malformed or without code. Reads only the
// headers of sections; O(sections).
bool wasm_code_bytes(const unsigned char *module, size_t bytes, uint32_t *code_bytes);
