// Child processes: starts one with limits and without other open files, waits, and reports its end.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct child_options {
    const char *const *argv;        // ends with NULL; argv[0] is looked up on PATH
    const char *const *environment; // NAME=VALUE strings to set, ends with NULL; or NULL
    const int *descriptors;         // become 3, 4, … in the child; all others above 2 are closed
    int descriptor_count;
    int cpu;                      // the only CPU to run on; −1: any
    uint64_t address_space_bytes; // limit; 0: none
    bool no_huge_pages;           // no transparent huge pages, through prctl
    bool quiet;                   // standard output and error are discarded
    int output;                   // descriptor of a file that receives standard output; 0: none
    bool foreground;              // shares the terminal with the user: see child_start
} child_options;

// How a child ended. `text` is one line for messages: "exit status 1", "killed by SIGSEGV", "timed
// out after 60 s", "interrupted".
typedef struct child_end {
    bool ok; // exited with 0
    bool interrupted, timed_out;
    int exit_status; // −1 if a signal ended it
    int signal;      // 0 if it exited
    char text[80];
} child_end;

// Returns the path of a file in the running program's folder. The caller frees it. Needs no /proc.
char *child_beside(const char *name);

// Starts a child in a process group of its own, with /dev/null as standard input and without core
// dumps. It is killed when the thread that started it ends. A foreground child stays in the
// caller's group, keeps standard input and the limit on core dumps, and gets the terminal's Ctrl-C
// itself. Returns the pid, or −1 with errno set, also if exec fails (ENOENT if the command does not
// exist).
pid_t child_start(const child_options *options);

// Forks a child that calls `run` and exits with its result, without calling atexit handlers. It
// shares standard output and error with the caller, or discards them if `quiet`; the rest is as in
// child_start. Returns the pid, or −1 with errno set.
pid_t child_call(int (*run)(void *context), void *context, bool quiet);

// Explains a status from waitpid.
void child_explain(int status, child_end *end);

// Waits for the child. Kills it after `seconds` (0: no limit) or when the user interrupts; does not
// kill a foreground child on an interrupt. Then kills all processes left in the child's own group.
void child_wait(pid_t pid, double seconds, child_end *end);
