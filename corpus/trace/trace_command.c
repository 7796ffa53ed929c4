#include "corpus/trace/trace_command.h"

#include "cli/file.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/text.h"
#include "corpus/trace/generator.h"
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    size_t action; // an index of action_names; ACTIONS: none yet
    char **files;
    size_t count;
    const char *output;
    json_t *seed, *operations, *live_bytes; // NULL: the description's
    bool json;
} request;

static exit_status trace_command_fail(const char *path, const char *reason) {
    options_warn("%s: %s", path, reason);
    return EXIT_USAGE;
}

// Reads a file. Prints what is wrong with it and returns false if that fails.
static bool trace_command_read(const char *path, trace *trace) {
    trace_error error;
    if (trace_read(path, trace, &error)) return true;
    trace_command_fail(path, error.text);
    return false;
}

static exit_status trace_command_check(const request *request) {
    exit_status status = EXIT_PASSED;
    for (size_t i = 0; i < request->count; i++) {
        trace trace;
        if (!trace_command_read(request->files[i], &trace)) {
            status = EXIT_USAGE;
            continue;
        }
        char *name = text_printable(request->files[i]);
        printf("%s: %zu operations, %" PRIu32 " blocks: valid\n", name, trace.count, trace.blocks);
        free(name);
        trace_free(&trace);
    }
    return status;
}

static exit_status trace_command_stat(const request *request) {
    exit_status status = EXIT_PASSED;
    json_t *all = json_array();
    for (size_t i = 0; i < request->count; i++) {
        trace trace;
        trace_stat stat;
        if (!trace_command_read(request->files[i], &trace)) {
            status = EXIT_USAGE;
            continue;
        }
        bool taken = trace_stat_take(&trace, &stat);
        trace_free(&trace);
        if (!taken) options_fail("out of memory");
        if (request->json) {
            json_t *one = trace_stat_json(&stat);
            json_set(one, "file", json_text(request->files[i]));
            json_add(all, one);
            continue;
        }
        char *name = text_printable(request->files[i]);
        printf("%s%s\n", i ? "\n" : "", name);
        free(name);
        trace_stat_print(&stat, stdout);
    }
    if (request->json && json_dumpf(all, stdout, JSON_INDENT(2)) == 0) putchar('\n');
    json_decref(all);
    return status;
}

static exit_status trace_command_write_trace(trace *trace, const char *path) {
    trace_error error;
    bool written = trace_write(trace, path, &error);
    trace_free(trace);
    return written ? EXIT_PASSED : trace_command_fail(path, error.text);
}

static exit_status trace_command_convert(const request *request) {
    trace trace;
    if (request->count != 2) options_fail("convert takes two files: IN and OUT");
    if (!trace_command_read(request->files[0], &trace)) return EXIT_USAGE;
    return trace_command_write_trace(&trace, request->files[1]);
}

static exit_status trace_command_generate(const request *request) {
    trace trace;
    trace_error error;
    if (request->count != 1) options_fail("generate takes one description");
    if (!request->output) options_fail("generate needs -o FILE");
    json_t *description = file_read_json(request->files[0], error.text);
    if (!description) return trace_command_fail(request->files[0], error.text);
    if (request->seed) json_object_set(description, "seed", request->seed);
    if (request->operations) json_object_set(description, "operations", request->operations);
    if (request->live_bytes) json_object_set(description, "live_bytes", request->live_bytes);
    bool good = generator_run(description, &trace, &error);
    json_decref(description);
    return good ? trace_command_write_trace(&trace, request->output)
                : trace_command_fail(request->files[0], error.text);
}

enum { ACTIONS = 4 };
static const char *const action_names[ACTIONS] = {"check", "stat", "convert", "generate"};
static exit_status (*const actions[ACTIONS])(const request *) = {
    trace_command_check, trace_command_stat, trace_command_convert, trace_command_generate};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "stat: print a JSON array of objects", 0},
    {"output", 'o', "FILE", 0, "generate: output file, .lmt or .lmt.zst; -: standard output (text)",
     0},
    {"seed", 's', "N", 0, "generate: seed; overrides the description's", 0},
    {"operations", 'n', "N", 0, "generate: number of operations; overrides the description's", 0},
    {"live-bytes", 'l', "N", 0, "generate: limit on live bytes; overrides the description's", 0},
    {0},
};

static size_t trace_command_find_action(const char *word) {
    for (size_t i = 0; i < ACTIONS; i++)
        if (strcmp(word, action_names[i]) == 0) return i;
    options_unknown("action", word, action_names, ACTIONS);
}

static json_t *trace_command_number(const char *what, const char *text) {
    return json_integer((json_int_t)options_number(what, text, 0, INT64_MAX));
}

static error_t trace_command_parse(int key, char *argument, struct argp_state *state) {
    request *request = state->input;
    switch (key) {
    case 'j':
        request->json = true;
        return 0;
    case 'o':
        request->output = argument;
        return 0;
    case 's':
        request->seed = trace_command_number("seed", argument);
        return 0;
    case 'n':
        request->operations = trace_command_number("operations", argument);
        return 0;
    case 'l':
        request->live_bytes = trace_command_number("live-bytes", argument);
        return 0;
    case ARGP_KEY_ARG:
        if (request->action == ACTIONS) {
            request->action = trace_command_find_action(argument);
        } else {
            request->files[request->count++] = argument;
        }
        return 0;
    case ARGP_KEY_END:
        if (request->action == ACTIONS)
            options_fail("missing action: check, stat, convert or generate");
        if (request->count == 0) options_fail("%s needs a file", action_names[request->action]);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

exit_status trace_command(int argc, char **argv) {
    static const struct argp argp = {
        options,
        trace_command_parse,
        "check FILE...\nstat [--json] FILE...\nconvert IN OUT\n"
        "generate DESCRIPTION.json -o FILE [--seed N] [--operations N] "
        "[--live-bytes N]",
        "Checks, describes, converts and generates traces. As an input file '-' is standard input, "
        "as an output file standard output.",
        NULL,
        NULL,
        NULL};
    request request = {.action = ACTIONS};
    request.files = calloc((size_t)argc, sizeof *request.files);
    if (!request.files) options_fail("out of memory");
    options_parse(&argp, argc, argv, &request);
    exit_status status = actions[request.action](&request);
    free(request.files);
    json_decref(request.seed);
    json_decref(request.operations);
    json_decref(request.live_bytes);
    return status;
}
