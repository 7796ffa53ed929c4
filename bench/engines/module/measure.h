// A driver in C (see bench/engines/engine.h for what drivers do): for modules that run themselves
// under WASI, and for modules that are compiled to C.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct measure_request {
    bool verify;
    uint32_t rounds, heap_offset;
    double handicap;
} measure_request;

// Runs the cell, whose replay is in the module's room already (`replay` NULL: there is no room for
// it), and prints the outcome as a line of JSON.
void measure_cell(const measure_request *request, const void *replay);

// Provided by the environment: a clock, and standard output.
double measure_now_ns(void);
void measure_print(const char *text);
