// Files that are written whole or not at all: into a temporary beside the target, renamed when done.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct whole_file {
    FILE *stream; // write here
    char *path, *temporary;
} whole_file;

// Opens a file for writing. False: with errno, nothing is there.
bool whole_file_open(whole_file *file, const char *path);
// Flushes, syncs and renames. False: with errno; the target is as it was, the temporary gone.
bool whole_file_commit(whole_file *file);
void whole_file_abandon(whole_file *file);
// Removes the temporaries of files that are open: for exits on the way out (signals, options_fail).
void whole_file_abandon_all(void);

// Writes JSON: two spaces, keys in the order of insertion, a newline at the end. False: with errno.
bool file_write_json(const char *path, const json_t *json);
// Reads JSON. NULL: `error` (of 200 bytes) gets "line N: reason".
json_t *file_read_json(const char *path, char *error);

// Makes a directory and its parents. False: with errno.
bool file_make_directory(const char *path);
