#include "bench/machine.h"

#include "cli/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// A stream's first line without its end; JSON null where there is none.
static json_t *first_line(FILE *stream) {
    char text[256] = "";
    bool read = stream && fgets(text, sizeof text, stream);
    text[strcspn(text, "\n")] = '\0';
    return read && *text ? json_text(text) : json_null();
}

static json_t *line_of_file(const char *path) {
    FILE *file = fopen(path, "re");
    json_t *line = first_line(file);
    if (file) fclose(file);
    return line;
}

static json_t *line_of_command(const char *command) {
    FILE *output = popen(command, "re");
    json_t *line = first_line(output);
    if (output) pclose(output);
    return line;
}

static json_t *processor(void) {
    char line[256];
    json_t *name = NULL;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && !name && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            line[strcspn(line, "\n")] = '\0';
            const char *value = strchr(line, ':') + 1;
            name = json_text(value + strspn(value, " "));
        }
    if (file) fclose(file);
    return name ? name : json_null();
}

static json_t *commit(void) {
    // In a variable, whatever characters the path has.
    setenv("LINMEM_SOURCES", LINMEM_SOURCE_DIR, 1);
    json_t *line =
        line_of_command("exec git -C \"$LINMEM_SOURCES\" describe --always --dirty 2>/dev/null");
    unsetenv("LINMEM_SOURCES");
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
        "date", json_text(date), "processor", processor(),                              //
        "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)),                      //
        "memory_bytes", json_number(memory), "system", json_text(system.sysname),       //
        "kernel", json_text(system.release), "architecture", json_text(system.machine), //
        "governor", line_of_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_huge_pages", line_of_file("/sys/kernel/mm/transparent_hugepage/enabled"),
        "address_space_randomised", line_of_file("/proc/sys/kernel/randomize_va_space"),
        "cgroup_memory_max", line_of_file("/sys/fs/cgroup/memory.max"),           //
        "compiler", json_text(LINMEM_COMPILER), "flags", json_text(LINMEM_FLAGS), //
        "commit", commit(), "google_benchmark", json_text(LINMEM_BENCHMARK_VERSION), NULL);
}
