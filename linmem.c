// The command: a table of verbs. Each verb is implemented in a room; only this file includes
// several.
#include "alloc/export/export.h"
#include "alloc/registry.h"
#include "bench/compare_options.h"
#include "bench/engines/engine.h"
#include "bench/lists.h"
#include "bench/machine.h"
#include "bench/results.h"
#include "cli/file.h"
#include "cli/home.h"
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
        {"mutants", list_mutants, print_mutants}, // last: files of the checkout
    };
    size_t count = sizeof kinds / sizeof *kinds;
    return list_command(kinds, home_is_installed() ? count - 1 : count, argc, argv);
}

static exit_status fuzz(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "score") != 0) return fuzz_command(argc, argv);
    argv[1] = (char[]){"linmem fuzz score"};
    return score_command(argc - 1, argv + 1);
}

typedef struct export_request {
    const char *name, *path;
} export_request;

static error_t parse_export(int key, char *value, struct argp_state *state) {
    export_request *request = state->input;
    if (key == 'o')
        request->path = value;
    else if (key == ARGP_KEY_ARG && !request->name)
        request->name = value;
    else if (key == ARGP_KEY_ARG)
        options_fail("too many arguments: '%s'", value);
    else if (key == ARGP_KEY_NO_ARGS)
        options_fail("name a strategy, or buffers");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

// Exits if neither a strategy nor buffers has the name.
static void check_export_name(const char *name) {
    size_t count = lm_strategy_count();
    const char *names[count + 1];
    for (size_t i = 0; i < count; i++)
        names[i] = lm_strategy_at(i, 0)->name;
    names[count] = "buffers";
    for (size_t i = 0; i <= count; i++)
        if (strcmp(names[i], name) == 0) return;
    options_unknown("strategy", name, names, count + 1);
}

static exit_status export(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "C file to write (default: '-', standard output)", 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_export,
        .args_doc = "STRATEGY|buffers",
        .doc = "Writes a strategy, or the reference-counted buffers, as one C17 file that needs no "
               "other, natively and for wasm32. The comment at its top states how to compile it, "
               "its functions, and the laws that it is tested for.",
    };
    export_request request = {.path = "-"};
    options_parse(&argp, argc, argv, &request);
    check_export_name(request.name);
    json_t *line = machine_commit();
    const char *commit = json_string_value(line);
    char *version = text_format("Written by linmem %s%s%s.", LINMEM_VERSION,
                                commit ? ", commit " : "", commit ? commit : "");
    whole_file file;
    if (!whole_file_open(&file, request.path))
        options_fail("%s: %s", request.path, strerror(errno));
    char *sources = home_path(".");
    if (!lm_export(file.stream, request.name, sources, version)) {
        int reason = errno;
        whole_file_abandon(&file);
        options_fail("cannot read the sources in %s: %s", sources, strerror(reason));
    }
    free(sources);
    if (!whole_file_commit(&file)) options_fail("%s: %s", request.path, strerror(errno));
    free(version);
    json_decref(line);
    return EXIT_PASSED;
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
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--options") == 0))
        options_parse(&argp, argc, argv, NULL);
    options_fail("run ./linmem test in the checkout");
}

static const verb verbs[] = {
    {"compare", "measure allocators on workloads and compare them", compare, true, false},
    {"explore", "check all operation sequences up to a length on small heaps", explore_command,
     true, false},
    {"export", "write a strategy, or the buffers, as one C file", export, true, false},
    {"fuzz", "look for bugs, and measure which bugs would be found", fuzz, true, true},
    {"list", "list allocators, engines, workloads, fuzz targets and mutants", list, true, false},
    {"record", "record the heap calls of a program as a trace", record_command, false, false},
    {"reproduce", "shrink a failing input and write a C program that reproduces it",
     reproduce_command, true, true},
    {"trace", "check, describe, convert and generate traces", trace_command, false, false},
    {"test", "build with both compilers and run every test, as CI does", test, false, true},
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
    if (verb->needs_checkout && home_is_installed() && strcmp(argv[argc - 1], "--help") != 0)
        options_fail("%s needs the checkout: run ./linmem %s there", verb->name, verb->name);
    if (verb->calls_strategies && lm_registry_fault(fault)) options_fail("%s", fault);
    char name[32];
    snprintf(name, sizeof name, "linmem %s", verb->name);
    argv[1] = name;
    return (int)verb->run(argc - 1, argv + 1);
}
