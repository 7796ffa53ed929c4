#include "bench/machine.h"

#include "cli/home.h"
#include "cli/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// Returns the first line that a shell command prints, or null.
static json_t *machine_line_of(const char *command) {
    char line[256] = "";
    FILE *output = popen(command, "re");
    bool read = output && fgets(line, sizeof line, output);
    if (output) pclose(output);
    line[strcspn(line, "\n")] = '\0';
    return read && *line ? json_text(line) : json_null();
}

static json_t *machine_line_of_file(const char *path) {
    char command[128];
    snprintf(command, sizeof command, "exec cat %s 2>/dev/null", path);
    return machine_line_of(command);
}

json_t *machine_commit(void) {
    bool installed = home_is_installed();
    char *place = home_path(installed ? "commit" : ".");
    setenv("LINMEM_PLACE", place, 1); // the path may have any characters
    free(place);
    json_t *line = machine_line_of(
        installed ? "exec cat \"$LINMEM_PLACE\" 2>/dev/null"
                  : "exec git -C \"$LINMEM_PLACE\" describe --always --dirty 2>/dev/null");
    unsetenv("LINMEM_PLACE");
    return line;
}

json_t *machine_context(void) {
    struct utsname system;
    uname(&system);
    char date[32];
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return json_fields(
        "date", json_text(date), "processor",
        machine_line_of("exec sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null"), //
        "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)),                           //
        "memory_bytes", json_number(memory), "system", json_text(system.sysname),            //
        "kernel", json_text(system.release), "architecture", json_text(system.machine),      //
        "governor", machine_line_of_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_huge_pages",
        machine_line_of_file("/sys/kernel/mm/transparent_hugepage/enabled"),
        "address_space_randomised", machine_line_of_file("/proc/sys/kernel/randomize_va_space"),
        "cgroup_memory_max", machine_line_of_file("/sys/fs/cgroup/memory.max"),   //
        "compiler", json_text(LINMEM_COMPILER), "flags", json_text(LINMEM_FLAGS), //
        "commit", machine_commit(), "google_benchmark", json_text(LINMEM_BENCHMARK_VERSION), NULL);
}
