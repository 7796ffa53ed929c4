// The system's counters of this process. Reading one takes a few microseconds, without allocation.
#pragma once

#include <stdint.h>

// Resident memory in bytes: now, and the peak since meter_peak_clear or the process's start.
// Linux's peak may lag behind, so the peak is the larger of it and the present value.
uint64_t meter_rss_bytes(void);
uint64_t meter_peak_rss_bytes(void);
void meter_peak_clear(void);

double meter_huge_bytes(void); // in transparent huge pages now; NaN: unknown

uint64_t meter_page_faults(void); // minor and major, so far
double meter_now_ns(void);        // CLOCK_MONOTONIC
