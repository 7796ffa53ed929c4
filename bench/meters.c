#include "bench/meters.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// The number behind `name` in /proc/self/status, which is in KiB.
static uint64_t status_bytes(const char *name) {
    char text[4096];
    int descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    ssize_t count = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (count <= 0) return 0;
    text[count] = '\0';
    const char *found = strstr(text, name);
    return found ? strtoull(found + strlen(name), NULL, 10) * 1024 : 0;
}

uint64_t meter_rss_bytes(void) {
    return status_bytes("\nVmRSS:");
}

uint64_t meter_peak_rss_bytes(void) {
    uint64_t peak = status_bytes("\nVmHWM:"), now = meter_rss_bytes();
    return peak > now ? peak : now;
}

void meter_peak_clear(void) {
    int descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    ssize_t written =
        write(descriptor, "5", 1); // where it is refused the peak is that of the start
    (void)written;
    close(descriptor);
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
