#include "reports/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TERMINAL_COLUMNS = 80, CELL_BYTES = 96 };

typedef char cell[CELL_BYTES];

struct table {
    size_t columns, rows; // row 0 holds the headers
    cell *cells;
};

static cell *at(const table *t, size_t row, size_t column) {
    return &t->cells[row * t->columns + column];
}

table *table_new(size_t columns, const char *const *headers) {
    table *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->columns = columns;
    table_row(t);
    for (size_t i = 0; i < columns; i++)
        snprintf(*at(t, 0, i), CELL_BYTES, "%s", headers[i]);
    return t;
}

size_t table_row(table *t) {
    t->cells = reallocarray(t->cells, (t->rows + 1) * t->columns, sizeof *t->cells);
    if (!t->cells) abort();
    memset(at(t, t->rows, 0), 0, t->columns * sizeof *t->cells);
    return t->rows++;
}

void table_set(table *t, size_t row, size_t column, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(*at(t, row, column), CELL_BYTES, format, arguments);
    va_end(arguments);
}

// How many characters a terminal shows (UTF-8).
static size_t shown(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static size_t width(const table *t, size_t column) {
    size_t widest = 0;
    for (size_t row = 0; row < t->rows; row++) {
        size_t w = shown(*at(t, row, column));
        if (w > widest) widest = w;
    }
    return widest;
}

static void print_cell(const table *t, size_t row, size_t column, FILE *stream) {
    const char *text = *at(t, row, column);
    int fill = (int)(width(t, column) - shown(text));
    if (column == 0)
        fprintf(stream, "%s%*s", text, fill, "");
    else
        fprintf(stream, "%*s%s", fill, "", text);
}

// Prints the first column and those from `first` to `end`.
static void print_part(const table *t, size_t first, size_t end, FILE *stream) {
    for (size_t row = 0; row < t->rows; row++) {
        print_cell(t, row, 0, stream);
        for (size_t column = first; column < end; column++) {
            fputc(' ', stream);
            print_cell(t, row, column, stream);
        }
        fputc('\n', stream);
    }
}

static void print_terminal(const table *t, FILE *stream) {
    for (size_t first = 1, end; first < t->columns; first = end) {
        size_t used = width(t, 0);
        for (end = first; end < t->columns; end++) {
            size_t more = 1 + width(t, end);
            if (end > first && used + more > TERMINAL_COLUMNS) break;
            used += more;
        }
        if (first > 1) fputc('\n', stream);
        print_part(t, first, end, stream);
    }
}

static void print_markdown(const table *t, FILE *stream) {
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t column = 0; column < t->columns; column++) {
            fputs("| ", stream);
            print_cell(t, row, column, stream);
            fputc(' ', stream);
        }
        fputs("|\n", stream);
        for (size_t column = 0; row == 0 && column < t->columns; column++)
            fputs(column ? "| ---: " : "| --- ", stream);
        if (row == 0) fputs("|\n", stream);
    }
}

void table_print(const table *t, table_form form, FILE *stream) {
    if (form == TABLE_TERMINAL)
        print_terminal(t, stream);
    else
        print_markdown(t, stream);
}

void table_free(table *t) {
    free(t->cells);
    free(t);
}
