#include "bench/engines/module/measure.h"

#include "bench/engines/module/module.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { GROWS = 64, CLOCK_READINGS = 1000 };

__attribute__((format(printf, 1, 2))) static void measure_printf(const char *format, ...) {
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    measure_print(text);
}

// Prints a time, which is below 2^64 ns.
static void measure_print_ns(const char *before, double ns) {
    measure_printf("%s%llu", before, (unsigned long long)ns);
}

static double measure_clock_step_ns(void) {
    double step = 1e9;
    for (int i = 0; i < CLOCK_READINGS; i++) {
        double from = measure_now_ns(), to = from;
        while (to <= from)
            to = measure_now_ns();
        if (to - from < step) step = to - from;
    }
    return step;
}

// Runs a pass; a handicap adds this fraction of its time. Returns its nanoseconds.
static double measure_pass(double handicap) {
    double start = measure_now_ns();
    pass();
    double end = measure_now_ns();
    for (double until = end + (end - start) * handicap; end < until;)
        end = measure_now_ns();
    finish();
    return end - start;
}

static void measure_rounds(const measure_request *request) {
    measure_print_ns("\"cold_ns\":", measure_pass(request->handicap));
    measure_printf(",\"pages\":%u,\"warm_ns\":[", pages());
    for (uint32_t i = 0; i < request->rounds; i++)
        measure_print_ns(i ? "," : "", measure_pass(request->handicap));
    measure_printf("],\"pages_end\":%u", pages());
    measure_print_ns(",\"clock_step_ns\":", measure_clock_step_ns());
    double start = measure_now_ns();
    uint32_t grown = grow_pages(GROWS);
    double spent = measure_now_ns() - start;
    if (grown == GROWS) measure_print_ns(",\"memory_grow_ns\":", spent / (double)GROWS);
}

static void measure_verified(void) {
    verify();
    uint64_t hash = heap_hash();
    char digits[17] = "";
    for (int i = 0; i < 16; i++)
        digits[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
    measure_printf("\"pages\":%u,\"memory_grows\":%u,\"heap_hash\":\"%s\"", pages(), grows(),
                   digits);
}

void measure_cell(const measure_request *request, const void *replay) {
    measure_print("{");
    bool ready = replay && set_up(request->heap_offset);
    if (ready && request->verify)
        measure_verified();
    else if (ready)
        measure_rounds(request);
    measure_printf("%s\"failure\":\"%s\"}\n", ready ? "," : "", failure());
}
