// linmem: the command. One table of verbs; each is implemented in its room, and only here do rooms
// meet.
#include "bench/compare_options.h"
#include "bench/lists.h"
#include "bench/results.h"
#include "cli/file.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "corpus/record_command.h"
#include "corpus/trace_command.h"
#include "fuzz/explore_command.h"
#include "fuzz/fuzz_command.h"
#include "fuzz/reproduce_command.h"
#include "fuzz/score_command.h"
#include "fuzz/target_list.h"
#include "reports/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// "linmem compare --profile smoke", as it was typed. To be freed.
static char *command_text(int argc, char **argv) {
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) options_fail("%s", strerror(errno));
    for (int i = 0; i < argc; i++)
        fprintf(stream, i ? " %s" : "%s", argv[i]);
    fclose(stream);
    return text;
}

static void write_report(const json_t *results, const char *path) {
    whole_file file;
    if (!whole_file_open(&file, path)) options_fail("%s: %s", path, strerror(errno));
    report_print(results, TABLE_MARKDOWN, file.stream);
    if (!whole_file_commit(&file)) options_fail("%s: %s", path, strerror(errno));
}

// compare = measure, then render.
static exit_status compare(int argc, char **argv) {
    char *command = command_text(argc, argv), *results_path, *report_path;
    compare_options options;
    compare_options_read(&options, argc, argv);
    if (asprintf(&results_path, "%s/results.json", options.directory) < 0 ||
        asprintf(&report_path, "%s/report.md", options.directory) < 0)
        options_fail("%s", strerror(errno));
    if (!file_make_directory(options.directory) || access(options.directory, W_OK) != 0)
        options_fail("%s: %s", options.directory, strerror(errno)); // now, not after the measuring
    bool ok = comparison_run(&options.comparison);
    json_t *results = results_json(&options.comparison, command);
    if (!file_write_json(results_path, results))
        options_fail("%s: %s", results_path, strerror(errno));
    write_report(results, report_path);
    report_print(results, TABLE_TERMINAL, stdout);
    const comparison *c = &options.comparison;
    printf("\n%s%zu blocks in %.0f s. All of it: %s, %s\n", c->interrupted ? "Interrupted: " : "",
           c->blocks, c->seconds, report_path, results_path);
    comparison_free(&options.comparison);
    json_decref(results);
    free(results_path);
    free(report_path);
    free(command);
    return ok ? EXIT_HELD : EXIT_BROKEN;
}

static exit_status list(int argc, char **argv) {
    static const list_kind kinds[] = {
        {"allocators", list_allocators, print_allocators},
        {"workloads", list_workloads, print_workloads},
        {"targets", list_targets, print_targets},
        {"mutants", list_mutants, print_mutants},
    };
    return list_command(kinds, sizeof kinds / sizeof *kinds, argc, argv);
}

// Runs the targets, or, told to score, tells what they would find.
static exit_status fuzz(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "score") != 0) return fuzz_command(argc, argv);
    argv[1] = (char[]){"linmem fuzz score"};
    return score_command(argc - 1, argv + 1);
}

// ./linmem, which has the sources at hand, runs the tests; the built command knows only their help.
static exit_status test(int argc, char **argv) {
    static const struct argp argp = {
        NULL,
        NULL,
        "[CTEST OPTION…]",
        "Builds everything with gcc and with clang, warnings as errors, and runs every test. "
        "Options "
        "are ctest's: -R PATTERN runs the tests whose name matches. The last lines name the tests "
        "that failed and count the others.",
        NULL,
        NULL,
        NULL,
    };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) options_parse(&argp, argc, argv, NULL);
    options_fail("test needs the sources: run ./linmem test in the repository");
}

static const verb verbs[] = {
    {"compare", "measure allocators on workloads and compare them", compare},
    {"explore", "check every sequence on small heaps, up to a depth", explore_command},
    {"fuzz", "look for bugs, and tell how many would be found", fuzz},
    {"list", "what there is: allocators, workloads, fuzz targets, mutants", list},
    {"record", "record the heap calls of a program as a trace", record_command},
    {"reproduce", "shrink a failure and write a C program that shows it", reproduce_command},
    {"trace", "check, describe, convert and generate traces", trace_command},
    {"test", "everything CI runs", test},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static void print_help(FILE *stream) {
    fputs("Usage: linmem VERB [OPTION…]\n"
          "Which allocator should serve a linear memory? Evidence, on recorded programs.\n\n",
          stream);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(stream, "  %-9s  %s\n", verbs[i].name, verbs[i].summary);
    fputs("\n'linmem VERB --help' tells more. Exit status: 0 held, 1 a failure was found, 2 bad "
          "usage or input.\n",
          stream);
}

static const verb *find_verb(const char *name) {
    const char *names[VERB_COUNT];
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
        if (strcmp(name, verbs[i].name) == 0) return &verbs[i];
    }
    options_unknown("verb", name, names, VERB_COUNT);
}

// "help VERB…" is "VERB… --help".
static void help_last(int argc, char **argv) {
    static char help[] = "--help";
    for (int i = 1; i < argc - 1; i++)
        argv[i] = argv[i + 1];
    argv[argc - 1] = help;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("linmem " LINMEM_VERSION);
        return EXIT_HELD;
    }
    if (strcmp(argv[1], "help") == 0) help_last(argc, argv);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        print_help(stdout);
        return EXIT_HELD;
    }
    const verb *verb = find_verb(argv[1]);
    char name[32];
    snprintf(name, sizeof name, "linmem %s", verb->name);
    argv[1] = name;
    return (int)verb->run(argc - 1, argv + 1);
}
