// Counts the steps of code that is compiled with -fsanitize-coverage=trace-pc
// (alloc/conformance/steps.h has their bounds).
#pragma once

#include <stdint.h>

extern uint32_t steps_taken;
