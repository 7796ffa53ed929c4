// <sched.h> for the module, which has one thread.
#pragma once

static inline int sched_yield(void) {
    return 0;
}
