// Child processes: started with what they need and nothing else, limited, waited for, explained.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct child_options {
    const char *const *argv;        // ends with NULL; argv[0] is looked up on PATH
    const char *const *environment; // NAME=VALUE strings to set, ends with NULL; or NULL
    const int *descriptors; // become 3, 4, … in the child; everything else above 2 is closed
    int descriptor_count;
    int cpu;                      // run on this CPU only; −1: anywhere
    uint64_t address_space_bytes; // limit; 0: none
    bool no_huge_pages;           // no transparent huge pages, through prctl
    bool quiet;                   // standard output and error go nowhere
    bool foreground;              // a user's own program: shares our terminal, see child_start
} child_options;

// How a child ended. `text` is one line for people: "exit status 1", "killed by SIGSEGV", "timed
// out after 60 s", "interrupted".
typedef struct child_end {
    bool ok; // exited with 0
    bool interrupted, timed_out;
    int exit_status; // −1 where a signal ended it
    int signal;      // 0 where it exited
    char text[80];
} child_end;

// The path of a file beside the running program, to be freed. Needs no /proc.
char *child_beside(const char *name);

// Starts a child in a process group of its own, with nothing to read and no core dumps; it dies
// with the thread that started it. A foreground child stays in our group, keeps standard input and
// its limit on core dumps, and hears the terminal's Ctrl-C itself. Returns its pid, or −1 with
// errno (ENOENT where the command does not exist): failures of exec are reported here, not by the
// child.
pid_t child_start(const child_options *options);

// Starts a child that is a copy of this process and calls `run`, whose result is its exit status;
// it ends without what atexit would do. Standard output and error are ours, or go nowhere where
// `quiet` is set; all else is as with child_start. −1: with errno.
pid_t child_call(int (*run)(void *context), void *context, bool quiet);

// Waits; kills the child when `seconds` are over (0: no limit) or when the user interrupts, which a
// foreground child answers by itself. What a child has left in its group goes with it.
void child_wait(pid_t pid, double seconds, child_end *end);
