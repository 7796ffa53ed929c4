// The standard streams, and the signals that end a program while it writes.
#pragma once

// Called first in main. From then on:
// - A closed standard descriptor is replaced by one that fails when used and is closed in the
//   programs that this one starts, so that no file opened later becomes standard output.
// - The program exits with 2 and a line on standard error if writing standard output failed.
// - SIGINT, SIGTERM, SIGHUP and SIGPIPE remove half-written files (cli/file.h) before they end the
//   program; an ignored signal stays ignored. Writing past the limit on file sizes fails instead of
//   ending the program.
void streams_guard(void);

// From this call on, a pipe without a reader ends the program (SIGPIPE) when it exits, not when it
// writes, so that the rest of its work is done.
void streams_outlive_reader(void);
