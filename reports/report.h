// The report of a comparison: the same pages for a terminal and as Markdown, losses first.
#pragma once

#include "reports/table.h"

#include <jansson.h>
#include <stdbool.h>

// Prints a report of results.json. TABLE_TERMINAL: what to know, in 80 columns; TABLE_MARKDOWN:
// all. False: the results have not the right form, and nothing was printed.
bool report_print(const json_t *results, table_form form, FILE *stream);
