// Monotonic time, for time limits and progress.
#pragma once

#include <time.h>

// Seconds since an unspecified moment.
static inline double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
