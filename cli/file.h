// Files that are written completely or not at all: to a temporary file beside the target, which is
// renamed when complete. A target that cannot be replaced (a pipe, a terminal, /dev/stdout) is
// written to directly.
//
// The path "-" is standard input when reading and standard output when writing; a file of that name
// is "./-".
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct whole_file {
    FILE *stream;            // write here
    char *path, *temporary;  // temporary is NULL if the target is written to directly
    struct whole_file *next; // in the list of open files: an open whole_file must not be moved
} whole_file;

// Opens a file for writing. Returns false with errno set and leaves no file behind on failure. One
// thread at a time opens, commits and abandons.
bool whole_file_open(whole_file *file, const char *path);
// Flushes, syncs, renames and closes the file. Returns false with errno set on failure; the file is
// then closed, the temporary removed and the target unchanged, unless it is written to directly.
bool whole_file_commit(whole_file *file);
void whole_file_abandon(whole_file *file);
// Removes the temporaries of all open files without closing the streams; the process must then
// exit. For options_fail and signal handlers: async-signal-safe.
void whole_file_abandon_all(void);

// Returns whether a file can be written at this path, else false with errno set; for a check before
// a long computation. An existing file is unchanged, and no new one is left behind.
bool file_is_writable(const char *path);

// Reads a whole file and appends a NUL to its `count` bytes. The caller frees the text. Returns
// NULL with errno set on failure.
char *file_read(const char *path, size_t *count);

// Writes JSON, indented by two spaces, keys in the order of insertion, with a newline at the end.
// Returns false with errno set on failure.
bool file_write_json(const char *path, const json_t *json);
// Reads JSON. On failure returns NULL and writes "line N: reason", or the reason alone if the file
// cannot be read, to `error` (200 bytes).
json_t *file_read_json(const char *path, char *error);

// Returns whether the path is "-".
bool file_is_standard(const char *path);

// Makes a directory and its parents; it may exist already. Returns false with errno set on failure.
bool file_make_directory(const char *path);
// The same, and fails if files cannot be created in it.
bool file_make_writable_directory(const char *path);
// Removes a file, a symbolic link (not its target) or a directory with its content. Returns false
// with errno set on failure; a path that does not exist is no failure.
bool file_remove_tree(const char *path);
