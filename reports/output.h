// Where a comparison's results go: a table for people, and results.json and report.md in a folder.
// What was measured is not lost where the folder fails in the end.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct report_output {
    char *folder; // NULL: results.json goes to standard output
    int lock;     // the folder's, while this process writes there; −1: none
    FILE *table;  // standard output, or standard error where that has results.json
} report_output;

// Makes the folder: of that name, or, where it is NULL, a new one in linmem-results; "-" is
// standard output. Does not return where it cannot be written to, where `bytes` do not fit there,
// or where another process holds it (one line, status 2).
void report_output_open(report_output *output, const char *folder, size_t bytes);

// Prints the table, then writes the files, and ends the output. Where they cannot be written they
// go to a folder in $TMPDIR or /tmp, and where that fails too, results.json goes to standard
// output; a line on standard error says so. `summary` begins the table's last line. False: they are
// not where they were to be.
bool report_output_write(report_output *output, const json_t *results, const char *summary);
