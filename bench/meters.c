#include "bench/meters.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// Finds the number after `name` in a file of /proc, in KiB. Returns false if there is none.
static bool meter_find_bytes(const char *path, const char *name, uint64_t *bytes) {
    char text[4096];
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    ssize_t count = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (count <= 0) return false;
    text[count] = '\0';
    const char *found = strstr(text, name);
    if (found) *bytes = strtoull(found + strlen(name), NULL, 10) * 1024;
    return found;
}

static uint64_t meter_status_bytes(const char *name) {
    uint64_t bytes = 0;
    meter_find_bytes("/proc/self/status", name, &bytes);
    return bytes;
}

uint64_t meter_rss_bytes(void) {
    return meter_status_bytes("\nVmRSS:");
}

uint64_t meter_peak_rss_bytes(void) {
    uint64_t peak = meter_status_bytes("\nVmHWM:"), now = meter_rss_bytes();
    return peak > now ? peak : now;
}

void meter_peak_clear(void) {
    int descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    ssize_t written = write(descriptor, "5", 1);
    (void)written; // if refused, the peak is that since the start of the process
    close(descriptor);
}

double meter_huge_bytes(void) {
    uint64_t bytes;
    bool known = meter_find_bytes("/proc/self/smaps_rollup", "\nAnonHugePages:", &bytes);
    return known ? (double)bytes : NAN;
}

uint64_t meter_page_faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

double meter_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}
