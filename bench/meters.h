// What the system says of this process. Reading allocates nothing and takes a few microseconds.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Resident memory now, and the most it was since meter_peak_clear (or the process's start), in
// bytes. The kernel's peak may lag behind: the larger of the two is the peak.
uint64_t meter_rss_bytes(void);
uint64_t meter_peak_rss_bytes(void);
void meter_peak_clear(void);

double meter_huge_bytes(void); // in transparent huge pages now; NaN: the system doesn't say

uint64_t meter_page_faults(void); // minor and major, so far
double meter_now_ns(void);        // CLOCK_MONOTONIC

#ifdef __cplusplus
}
#endif
