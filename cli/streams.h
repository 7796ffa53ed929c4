// The standard streams, and the signals that end a program which writes.
#pragma once

// Called first in main. From here on:
// - A standard descriptor that is closed is held by one that fails when it is used, and that is
//   closed in programs started from here: no file that is opened later becomes standard output.
// - The program exits with 2 and a line on standard error if standard output could not be written.
// - SIGINT, SIGTERM, SIGHUP and SIGPIPE remove half-written files (cli/file.h) before they end the
//   program; a signal that is ignored stays ignored. Beyond the limit of a file's size, writing
//   fails instead of ending the program.
void streams_guard(void);

// From here on, a pipe whose reader is gone ends the program when it exits, not when it is written:
// what else is to be done is done.
void streams_outlive_reader(void);
