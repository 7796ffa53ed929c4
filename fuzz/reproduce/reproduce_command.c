#include "fuzz/reproduce/reproduce_command.h"

#include "cli/interrupt.h"
#include "cli/options.h"
#include "fuzz/reproduce/reproduce.h"
#include "fuzz/targets/allocators.h"

#include <stdlib.h>

enum { OPTION_KEEP = 256, OPTION_REFUSE, OPTION_SHRINK, OPTION_PROGRAMS };

typedef struct request {
    reproduction wanted;
    bool programs;
} request;

static const struct argp_option options[] = {
    {"allocator", 'a', "A,…", 0, "Allocators to run the input on (default: all)", 0},
    {"target", 't', "TARGET", 0,
     "Fuzz target of the input (default: the one in a finding's name, or the one that a trace "
     "needs, or else heap)",
     0},
    {"out", 'o', "DIR", 0, "Folder for the trace and the C program (default: findings)", 0},
    {"keep", OPTION_KEEP, "NAME", 0, "Save the trace as corpus/regressions/NAME.lmt", 0},
    {"refuse-growth", OPTION_REFUSE, NULL, 0,
     "Run a heap trace again and again: fail the n-th memory growth, once and then for good, for "
     "every n",
     0},
    {"shrink-seconds", OPTION_SHRINK, "N", 0,
     "Time limit for shrinking a failure (default: 120); 0: no limit. Ctrl-C keeps the smallest "
     "input so far",
     0},
    {"programs", OPTION_PROGRAMS, NULL, OPTION_HIDDEN,
     "Instead, print the fuzz targets' programs that would be run", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    request *request = state->input;
    reproduction *wanted = &request->wanted;
    switch (key) {
    case 'a':
        wanted->allocators = allocators_read(argument);
        return 0;
    case 't':
        wanted->target = argument;
        return 0;
    case 'o':
        wanted->directory = argument;
        return 0;
    case OPTION_KEEP:
        wanted->keep = argument;
        return 0;
    case OPTION_REFUSE:
        wanted->refuse = true;
        return 0;
    case OPTION_SHRINK:
        wanted->shrink_seconds = reproduce_shrink_seconds(argument);
        return 0;
    case OPTION_PROGRAMS:
        request->programs = true;
        return 0;
    case ARGP_KEY_ARG:
        if (wanted->input) options_fail("one input at a time");
        wanted->input = argument;
        return 0;
    case ARGP_KEY_END:
        if (!wanted->input) options_fail("missing INPUT");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

exit_status reproduce_command(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        "INPUT",
        "Runs an input of a fuzz target, or a trace ('-': standard input). If it fails, shrinks "
        "the input and writes it as a trace and as a C program that shows the failure.",
        NULL,
        NULL,
        NULL};
    request request = {
        .wanted = {.directory = "findings", .shrink_seconds = REPRODUCE_SHRINK_SECONDS}};
    options_parse(&argp, argc, argv, &request);
    interrupt_catch();
    exit_status status = (request.programs ? reproduce_programs : reproduce)(&request.wanted);
    free((char **)request.wanted.allocators);
    return status;
}
