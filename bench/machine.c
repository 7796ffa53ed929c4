#include "bench/machine.h"

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
    return read && *text ? json_string(text) : json_null();
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
            name = json_string(strchr(line, ':') + 2);
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
    return json_pack(
        "{s:s, s:o, s:i, s:f, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:s}", //
        "date", date,                                                                  //
        "processor", processor(),                                                      //
        "processors", (int)sysconf(_SC_NPROCESSORS_ONLN),                              //
        "memory_bytes", memory,                                                        //
        "system", system.sysname,                                                      //
        "kernel", system.release,                                                      //
        "architecture", system.machine,                                                //
        "governor", line_of_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_huge_pages", line_of_file("/sys/kernel/mm/transparent_hugepage/enabled"),
        "address_space_randomised", line_of_file("/proc/sys/kernel/randomize_va_space"),
        "cgroup_memory_max", line_of_file("/sys/fs/cgroup/memory.max"), //
        "compiler", LINMEM_COMPILER,                                    //
        "flags", LINMEM_FLAGS,                                          //
        "commit", commit(),                                             //
        "google_benchmark", LINMEM_BENCHMARK_VERSION);
}
