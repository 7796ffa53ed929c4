// The report of a comparison, for a terminal or as Markdown, losses first.
#pragma once

#include "reports/table.h"

#include <jansson.h>
#include <stdbool.h>

// Prints a report of results.json: TABLE_TERMINAL a summary in 80 columns, TABLE_MARKDOWN
// everything. Returns false and prints nothing if the results do not have the right form.
bool report_print(const json_t *results, table_form form, FILE *stream);
