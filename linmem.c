// The command: a table of verbs. Each verb is implemented in a room; only this file includes
// several.
#include "alloc/registry.h"
#include "bench/compare_options.h"
#include "bench/engines/engine.h"
#include "bench/lists.h"
#include "bench/results.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/streams.h"
#include "cli/text.h"
#include "cli/verb.h"
#include "corpus/record/record_command.h"
#include "corpus/trace/trace_command.h"
#include "fuzz/explore/explore_command.h"
#include "fuzz/reproduce/reproduce_command.h"
#include "fuzz/run/fuzz_command.h"
#include "fuzz/score/score_command.h"
#include "fuzz/targets/target_list.h"
#include "reports/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static exit_status compare(int argc, char **argv) {
    compare_options options;
    char *words = text_shell_command(argc - 1, argv + 1);
    char *command = text_format("%s%s%s", argv[0], *words ? " " : "", words);
    compare_options_read(&options, argc, argv);
    comparison_need_runner();
    report_output output;
    size_t bytes = 0, done = 0;
    for (size_t i = 0; i < options.count; i++)
        bytes += results_bytes_about(&options.comparisons[i]);
    report_output_open(&output, options.directory, bytes);
    streams_outlive_reader();
    bool ok = true, stopped = false;
    double seconds = 0;
    for (; done < options.count && !stopped; done++) {
        ok &= comparison_run(&options.comparisons[done]);
        stopped = options.comparisons[done].interrupted;
        seconds += options.comparisons[done].seconds;
    }
    const comparison *last = &options.comparisons[done - 1];
    json_t *results = results_json(options.comparisons, done, options.engines, command);
    char *summary = text_format("%s%zu block%s in %.0f s", stopped ? "Interrupted: " : "",
                                last->blocks, last->blocks == 1 ? "" : "s", seconds);
    bool written = report_output_write(&output, results, summary);
    free(summary);
    compare_options_free(&options);
    json_decref(results);
    free(command);
    free(words);
    return !written ? EXIT_USAGE : ok ? EXIT_PASSED : EXIT_FAILED;
}

static exit_status list(int argc, char **argv) {
    static const list_kind kinds[] = {
        {"allocators", list_allocators, print_allocators}, {"engines", list_engines, print_engines},
        {"workloads", list_workloads, print_workloads},    {"targets", list_targets, print_targets},
        {"mutants", list_mutants, print_mutants},
    };
    return list_command(kinds, sizeof kinds / sizeof *kinds, argc, argv);
}

static exit_status fuzz(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "score") != 0) return fuzz_command(argc, argv);
    argv[1] = (char[]){"linmem fuzz score"};
    return score_command(argc - 1, argv + 1);
}

// The script ./linmem runs the tests; this command has only their help.
static exit_status test(int argc, char **argv) {
    static const struct argp argp = {
        .args_doc = "[--all] [CTEST OPTION…]",
        .doc = "Builds linmem with gcc and with clang, with warnings as errors, and runs every "
               "test. Options are those of ctest, such as -R PATTERN, which runs the tests whose "
               "names match, and --all: record every program that the recorder's test knows and "
               "run every engine, and list those that are not installed. The last lines name the "
               "tests that failed and count the others. Exit status: 0 all passed, 1 a test "
               "failed, 2 bad usage or a missing package.",
    };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) options_parse(&argp, argc, argv, NULL);
    options_fail("test needs the sources: run ./linmem test in the repository");
}

static const verb verbs[] = {
    {"compare", "measure allocators on workloads and compare them", compare, true},
    {"explore", "check all operation sequences up to a length on small heaps", explore_command,
     true},
    {"fuzz", "look for bugs, and measure which bugs would be found", fuzz, true},
    {"list", "list allocators, engines, workloads, fuzz targets and mutants", list, true},
    {"record", "record the heap calls of a program as a trace", record_command, false},
    {"reproduce", "shrink a failing input and write a C program that reproduces it",
     reproduce_command, true},
    {"trace", "check, describe, convert and generate traces", trace_command, false},
    {"test", "build with both compilers and run every test, as CI does", test, false},
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

static void print_help(FILE *stream) {
    fputs("Usage: linmem VERB [OPTION…]\n"
          "Tests and compares allocators for linear memories with traces of real programs.\n\n",
          stream);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(stream, "  %-9s  %s\n", verbs[i].name, verbs[i].summary);
    fputs("\n'linmem VERB --help' describes a verb. Exit status: 0 no failure, 1 a failure\n"
          "was found, 2 bad usage or input.\n",
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

// Makes "help VERB…" into "VERB… --help".
static void move_help(int argc, char **argv) {
    static char help[] = "--help";
    for (int i = 1; i < argc - 1; i++)
        argv[i] = argv[i + 1];
    argv[argc - 1] = help;
}

int main(int argc, char **argv) {
    streams_guard();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("linmem " LINMEM_VERSION);
        return EXIT_PASSED;
    }
    if (strcmp(argv[1], "help") == 0) move_help(argc, argv);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        print_help(stdout);
        return EXIT_PASSED;
    }
    const verb *verb = find_verb(argv[1]);
    char fault[LM_FAULT_BYTES];
    if (verb->calls_strategies && lm_registry_fault(fault)) options_fail("%s", fault);
    char name[32];
    snprintf(name, sizeof name, "linmem %s", verb->name);
    argv[1] = name;
    return (int)verb->run(argc - 1, argv + 1);
}
