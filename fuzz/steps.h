// Counts the steps of code that is compiled with -fsanitize-coverage=trace-pc: its basic blocks.
#pragma once

#include <stdint.h>

extern uint32_t steps_taken;
