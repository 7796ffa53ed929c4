// A table of text, for a terminal or for Markdown.
//
// Whatever is printed here is escaped: it keeps to its line, commands no terminal and means nothing
// to Markdown.
#pragma once

#include <stddef.h>
#include <stdio.h>

typedef enum table_form { TABLE_TERMINAL, TABLE_MARKDOWN } table_form;

typedef struct table table;

// A table with these column headers; the first column names the rows. Ends the program where memory
// runs out.
table *table_new(size_t columns, const char *const *headers);
// Appends a row, all of it empty, and returns its number.
size_t table_row(table *table);
// Sets a cell of a row, as printf does.
void table_set(table *table, size_t row, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Prints it. On a terminal a cell has at most 32 columns, its middle left out where it is longer,
// and what is wider than 80 columns is printed in parts, each with the first column.
void table_print(const table *table, table_form form, FILE *stream);
void table_free(table *table);

// Prints a text outside of a table in the same way, whole.
void table_print_text(table_form form, const char *text, FILE *stream);
// The same as code: on a terminal, as it is.
void table_print_code(table_form form, const char *text, FILE *stream);
