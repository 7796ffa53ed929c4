// Runs a command under the recorder. It inherits what it would inherit without us: descriptors,
// signals, limits, process group, terminal; the caller has added to its environment variables.
#pragma once

#include "corpus/record/recorder.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct recorded_command {
    pid_t pid;
    int status;     // as waitpid gives it
    char name[32];  // the kernel's, of the program that the process was at its end: 15 bytes
    int exec_error; // the errno with which it could not be run, or 0
} recorded_command;

// Takes over signals and raises our own limits, for whatever we do from here on. The command finds
// both as they were. A signal that ends this process once the command has ended first calls
// `abandon_all`, which must be async-signal-safe.
void recorded_command_prepare(void (*abandon_all)(void));

// Runs the command, with the descriptor `output` as its standard output, and drains the ring until
// it ends. What it starts may live on. Signals that are
// sent to us alone are passed on; the terminal's reach it by themselves. When it stops, so do we.
// False: there is no process for it, with errno.
bool recorded_command_run(char **command, int output, recorder *recorder, recorded_command *end);

// Ends this process as the command ended: with its exit status, or by the same signal.
_Noreturn void recorded_command_end_alike(const recorded_command *end);
