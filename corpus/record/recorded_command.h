// Runs a command under the recorder. The command inherits the same descriptors, signals, limits,
// process group and terminal as without the recorder; only its environment has additions, made by
// the caller.
#pragma once

#include "corpus/record/recorder.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct recorded_command {
    pid_t pid;
    int status;     // from waitpid
    char name[32];  // the kernel's name of the last executed program: at most 15 bytes
    int exec_error; // the errno of a failed exec, or 0
} recorded_command;

// Installs signal handlers and raises the soft limits of this process for good; the command starts
// with the original ones. A signal that ends this process after the command has ended calls
// `abandon_all` first, which must be async-signal-safe.
void recorded_command_prepare(void (*abandon_all)(void));

// Runs the command with the descriptor `output` as its standard output, and drains the ring until
// it ends; its child processes may run on. Passes on the signals that are sent to this process
// alone; signals from the terminal reach the command directly. If the command stops, this process
// stops too. Returns false and sets errno if no process could be made.
bool recorded_command_run(char **command, int output, recorder *recorder, recorded_command *end);

// Ends this process as the command ended: with the same exit status or by the same signal.
_Noreturn void recorded_command_end_alike(const recorded_command *end);
