// For the tests of inputs: checks that decoded operations are valid in a trace.
#pragma once

#include "corpus/trace/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

// The builder accepts the operations, and gives new objects the same numbers.
static inline void assert_valid(const trace_operation *list, size_t count) {
    trace_builder *builder = trace_builder_new();
    trace_error error;
    assert_non_null(builder);
    for (size_t i = 0; i < count; i++)
        if (!trace_builder_append(builder, &list[i], &error))
            fail_msg("operation %zu: %s", i, error.text);
    trace_builder_abandon(builder);
}
