// Files that are written whole or not at all: into a temporary beside the target, renamed when
// done. What cannot be replaced (a pipe, a terminal, /dev/stdout) is written to directly.
//
// A path "-" is standard input for what is read, and standard output for what is written; a file of
// that name is "./-".
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct whole_file {
    FILE *stream;            // write here
    char *path, *temporary;  // no temporary: written to directly
    struct whole_file *next; // of those that are open; so a whole_file stays where it was opened
} whole_file;

// Opens a file for writing. False: with errno, nothing is there. One thread at a time opens,
// commits and abandons.
bool whole_file_open(whole_file *file, const char *path);
// Flushes, syncs and renames. False: with errno; the target is as it was, the temporary gone.
// Either way the file is closed.
bool whole_file_commit(whole_file *file);
void whole_file_abandon(whole_file *file);
// Removes the temporaries of files that are open, and leaves the streams to the exit that must
// follow. For the way out (options_fail, a signal's handler): async-signal-safe.
void whole_file_abandon_all(void);

// Whether a file could be written whole here now: asked before long work, whose result it is to
// hold. False: with errno. A file that is there stays as it is, one that is not is not left behind.
bool file_is_writable(const char *path);

// Reads a file whole, with a NUL behind its `count` bytes; to be freed. NULL: with errno.
char *file_read(const char *path, size_t *count);

// Writes JSON: two spaces, keys in the order of insertion, a newline at the end. False: with errno.
bool file_write_json(const char *path, const json_t *json);
// Reads JSON. NULL: `error` (of 200 bytes) gets "line N: reason".
json_t *file_read_json(const char *path, char *error);

// Whether a path is "-".
bool file_is_standard(const char *path);

// Makes a directory and its parents. False: with errno.
bool file_make_directory(const char *path);
// The same, and files can be made in it.
bool file_make_writable_directory(const char *path);
// Removes a directory with all in it, or a file; of a symbolic link the link. True where nothing is
// there. False: with errno.
bool file_remove_tree(const char *path);
