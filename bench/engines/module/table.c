// The allocator of a module that has a table of its own: TABLE is its name.
#include "bench/engines/module/module.h"

extern const lm_allocator TABLE;
const lm_allocator *const module_allocator = &TABLE;

void module_prepare(void) {}
