// Time that only goes on, for what is waited for and shown.
#pragma once

#include <time.h>

// Seconds since some moment.
static inline double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
