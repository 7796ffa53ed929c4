// linmem: the command. One table of verbs; each is implemented in its room, and only here do rooms
// meet.
#include "bench/compare_options.h"
#include "bench/results.h"
#include "cli/file.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "reports/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static exit_status compare(int argc, char **argv) {
    compare_options options;
    compare_options_read(&options, argc, argv);
    bool ok = comparison_run(&options.comparison);
    json_t *results = results_json(&options.comparison, "linmem compare");
    report_print(results, stdout);
    file_make_directory(options.directory);
    file_write_json("/tmp/results.json", results);
    return ok ? EXIT_HELD : EXIT_BROKEN;
}

int main(int argc, char **argv) { return compare(argc - 1, argv + 1); }
