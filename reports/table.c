#include "reports/table.h"

#include "cli/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TERMINAL_COLUMNS = 80, CELL_COLUMNS_MAX = 32 };

struct table {
    size_t columns, rows; // row 0 holds the headers
    char **cells;         // printable, or NULL
};

static char **table_at(const table *t, size_t row, size_t column) {
    return &t->cells[row * t->columns + column];
}

table *table_new(size_t columns, const char *const *headers) {
    table *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->columns = columns;
    table_row(t);
    for (size_t i = 0; i < columns; i++)
        *table_at(t, 0, i) = text_printable(headers[i]);
    return t;
}

size_t table_row(table *t) {
    t->cells = reallocarray(t->cells, (t->rows + 1) * t->columns, sizeof *t->cells);
    if (!t->cells) abort();
    memset(table_at(t, t->rows, 0), 0, t->columns * sizeof *t->cells);
    return t->rows++;
}

void table_set(table *t, size_t row, size_t column, const char *format, ...) {
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) abort();
    va_end(arguments);
    free(*table_at(t, row, column));
    *table_at(t, row, column) = text_printable(text);
    free(text);
}

// ---- Escaping -----------------------------------------------------------------------------------

// Returns whether a character is syntax in Markdown (CommonMark, with tables). An underscore within
// a word is not: paged_shared.
static bool table_is_markup(const char *text, size_t i) {
    if (text[i] == '_')
        return i == 0 || !isalnum((unsigned char)text[i - 1]) ||
               !isalnum((unsigned char)text[i + 1]);
    return strchr("\\`*[]<>&|~$", text[i]) != NULL;
}

// Returns whether a character is syntax at the beginning of a line: "#", "-", "1.".
static bool table_is_line_markup(const char *text, size_t i) {
    return i == 0 ? strchr("-+#", text[0]) != NULL
                  : strchr(".)", text[i]) && strspn(text, "0123456789") == i;
}

static char *table_escape(table_form form, const char *text, bool begins_line) {
    char *printable = text_printable(text);
    if (form == TABLE_TERMINAL) return printable;
    char *escaped = calloc(2, strlen(printable) + 1), *to = escaped;
    if (!escaped) abort();
    for (size_t i = 0; printable[i]; i++) {
        if (table_is_markup(printable, i) || (begins_line && table_is_line_markup(printable, i)))
            *to++ = '\\';
        *to++ = printable[i];
    }
    free(printable);
    return escaped;
}

void table_print_text(table_form form, const char *text, FILE *stream) {
    char *escaped = table_escape(form, text, true);
    fputs(escaped, stream);
    free(escaped);
}

static void table_print_ticks(size_t count, FILE *stream) {
    while (count--)
        fputc('`', stream);
}

void table_print_code(table_form form, const char *text, FILE *stream) {
    char *printable = text_printable(text);
    size_t longest = 0;
    for (const char *tick = printable; (tick = strchr(tick, '`')); tick += strspn(tick, "`"))
        if (strspn(tick, "`") > longest) longest = strspn(tick, "`");
    bool markdown = form == TABLE_MARKDOWN;
    const char *apart =
        markdown && longest ? " " : ""; // so that the text may begin or end with a tick
    table_print_ticks(markdown ? longest + 1 : 0, stream);
    fprintf(stream, "%s%s%s", apart, printable, apart);
    table_print_ticks(markdown ? longest + 1 : 0, stream);
    free(printable);
}

// ---- Printing -----------------------------------------------------------------------------------

// Returns a cell's text as printed, to be freed.
static char *table_cell_text(const table *t, size_t row, size_t column, table_form form) {
    const char *text = *table_at(t, row, column) ? *table_at(t, row, column) : "";
    return form == TABLE_TERMINAL ? text_shorten(text, CELL_COLUMNS_MAX)
                                  : table_escape(form, text, false);
}

static size_t table_width(const table *t, size_t column, table_form form) {
    size_t widest = 0;
    for (size_t row = 0; row < t->rows; row++) {
        char *text = table_cell_text(t, row, column, form);
        if (text_columns(text) > widest) widest = text_columns(text);
        free(text);
    }
    return widest;
}

// Returns the widths of all columns, to be freed.
static size_t *table_widths_of(const table *t, table_form form) {
    size_t *widths = calloc(t->columns, sizeof *widths);
    if (!widths) abort();
    for (size_t column = 0; column < t->columns; column++)
        widths[column] = table_width(t, column, form);
    return widths;
}

static void table_print_cell(const table *t, size_t row, size_t column, table_form form,
                             size_t columns, FILE *stream) {
    char *text = table_cell_text(t, row, column, form);
    int fill = (int)(columns - text_columns(text));
    if (column == 0)
        fprintf(stream, "%s%*s", text, fill, "");
    else
        fprintf(stream, "%*s%s", fill, "", text);
    free(text);
}

// Prints the first column and those from `first` to `end`.
static void table_print_part(const table *t, const size_t *widths, size_t first, size_t end,
                             FILE *stream) {
    for (size_t row = 0; row < t->rows; row++) {
        table_print_cell(t, row, 0, TABLE_TERMINAL, widths[0], stream);
        for (size_t column = first; column < end; column++) {
            fputc(' ', stream);
            table_print_cell(t, row, column, TABLE_TERMINAL, widths[column], stream);
        }
        fputc('\n', stream);
    }
}

static void table_print_terminal(const table *t, const size_t *widths, FILE *stream) {
    for (size_t first = 1, end; first < t->columns; first = end) {
        size_t used = widths[0];
        for (end = first; end < t->columns; end++) {
            size_t more = 1 + widths[end];
            if (end > first && used + more > TERMINAL_COLUMNS) break;
            used += more;
        }
        if (first > 1) fputc('\n', stream);
        table_print_part(t, widths, first, end, stream);
    }
}

static void table_print_markdown(const table *t, const size_t *widths, FILE *stream) {
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t column = 0; column < t->columns; column++) {
            fputs("| ", stream);
            table_print_cell(t, row, column, TABLE_MARKDOWN, widths[column], stream);
            fputc(' ', stream);
        }
        fputs("|\n", stream);
        for (size_t column = 0; row == 0 && column < t->columns; column++)
            fputs(column ? "| ---: " : "| --- ", stream);
        if (row == 0) fputs("|\n", stream);
    }
}

void table_print(const table *t, table_form form, FILE *stream) {
    size_t *widths = table_widths_of(t, form);
    (form == TABLE_TERMINAL ? table_print_terminal : table_print_markdown)(t, widths, stream);
    free(widths);
}

void table_free(table *t) {
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}
