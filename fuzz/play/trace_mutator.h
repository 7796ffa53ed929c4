// Mutates trace files: text by lines, which keep the grammar's shape, and binary by columns, whose
// lengths stay correct. Both return the new number of bytes, at most `max`, and are deterministic
// by seed. Any other input is mutated as text, after a header is added.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TRACE_MUTATOR_BYTES_MAX = 1 << 15 }; // of an input; the rest of a larger one is dropped

size_t trace_lines_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t trace_columns_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// Mutates the operations of a trace, ends its live objects so that it is a trace again, and writes
// it as text or binary; any other input is replaced by a new trace. Returns 0 if it is too large.
size_t trace_operations_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
