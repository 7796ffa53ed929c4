// Output of a comparison: a table as text, and results.json and report.md in a folder. If writing
// to the folder fails in the end, the results are written elsewhere.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct report_output {
    char *folder; // NULL: results.json goes to standard output
    int lock;     // descriptor that locks the folder against other processes; −1: none
    FILE *table;  // standard output, or standard error if results.json goes to standard output
} report_output;

// Makes the folder of that name, or a new one in linmem-results if NULL; "-" is standard output.
// Exits with one line and status 2 if the folder cannot be written to, has no room for `bytes`, or
// is locked by another process.
void report_output_open(report_output *output, const char *folder, size_t bytes);

// Prints the table, writes the files and closes the output. If the folder fails, the files go to a
// folder in $TMPDIR or /tmp; if that fails too, results.json goes to standard output. A line on
// standard error says so, and the function returns false. `summary` begins the table's last line.
bool report_output_write(report_output *output, const json_t *results, const char *summary);
