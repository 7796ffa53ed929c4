// Mutations of traces as files: a text form by its lines, which stay lines of the grammar's shape,
// and a binary form by its columns, whose lengths stay right. Both return the new count of bytes,
// `max` at most; the same seed makes the same of the same input. What is of neither form is changed
// as if it were text, from its header on.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TRACE_MUTATOR_BYTES_MAX = 1 << 15 }; // of an input; of a larger one the end is lost

size_t trace_lines_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
size_t trace_columns_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);

// The operations of a trace changed, and what lives in the end ended, so that it is a trace again,
// in text or in binary; of what is none, a new one. 0: it is too large.
size_t trace_operations_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed);
