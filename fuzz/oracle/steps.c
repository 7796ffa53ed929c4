#include "fuzz/oracle/steps.h"

uint32_t steps_taken;

#ifndef STEPS_CALLBACK // libFuzzer defines this name; in fuzz targets the linker renames the calls
#define STEPS_CALLBACK __sanitizer_cov_trace_pc
#endif

void STEPS_CALLBACK(void);
void STEPS_CALLBACK(void) {
    steps_taken++;
}
