// A table of text, for a terminal or for Markdown.
//
// All printed text is escaped: it stays on its line and has no terminal escape sequences or
// Markdown syntax.
#pragma once

#include <stddef.h>
#include <stdio.h>

typedef enum table_form { TABLE_TERMINAL, TABLE_MARKDOWN } table_form;

typedef struct table table;

// Returns a table with these column headers; the first column names the rows. All functions of
// tables abort if out of memory.
table *table_new(size_t columns, const char *const *headers);
// Appends an empty row and returns its number.
size_t table_row(table *table);
// Sets a cell to a text formatted as by printf.
void table_set(table *table, size_t row, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Prints the table. On a terminal a cell is cut in the middle to at most 32 columns, and a table
// wider than 80 columns is printed in parts, each with the first column.
void table_print(const table *table, table_form form, FILE *stream);
void table_free(table *table);

// Prints a text outside of a table, escaped in the same way but not cut.
void table_print_text(table_form form, const char *text, FILE *stream);
// The same, formatted as code in Markdown; on a terminal, no different.
void table_print_code(table_form form, const char *text, FILE *stream);
