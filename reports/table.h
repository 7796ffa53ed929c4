// A table of text, for a terminal or for Markdown.
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
// Prints it. On a terminal what is wider than 80 columns is printed in parts, each with the first
// column.
void table_print(const table *table, table_form form, FILE *stream);
void table_free(table *table);
