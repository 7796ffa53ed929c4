// The process of a cell: linmem-runner, or an engine's driver. One after another, with shared
// memory for the cell.
#pragma once

#include "bench/candidate.h"
#include "bench/cell.h"
#include "bench/engines/engine.h"
#include "bench/workload.h"

#include <limits.h>
#include <sys/types.h>

enum { PAD_BYTES_MAX = 4096 };

typedef struct process {
    const engine *engine;
    cell *shared;
    int descriptor; // of `shared`
    int output;     // of the file that receives a driver's standard output
    pid_t pid;      // 0: not running; −1: could not be started
    int error;      // why it could not be started
    double started;
    engine_command command;
    char *path, library[256], libraries[PATH_MAX + 32], pad[PAD_BYTES_MAX + 16];
} process;

// Exits (options_fail) if that fails.
process *process_new(const engine *engine);
void process_free(process *process);

// Starts the process on this CPU (−1: any). The size of its environment varies, and with it the
// address of the stack.
void process_start(process *process, const candidate *candidate, const workload *workload,
                   const cell_request *request, int cpu, size_t pad_bytes);

// Waits and writes the status: "ok", or what went wrong. If "ok", shared->outcome is complete.
// Returns false if the process was interrupted: all that is known then is how long it ran.
bool process_wait(process *process, double seconds_max, char *status, size_t bytes);
