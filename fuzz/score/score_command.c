#include "fuzz/score/score_command.h"

#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/options.h"
#include "fuzz/score/score.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLE_SEED = 1, SEEDS = 10, DEPTH = 4 }; // the defaults

typedef struct request {
    score_options options;
    uint64_t sample_seed;
    const char *json;
    bool explorer, programs;
    unsigned depth; // of the explorer
} request;

enum { KEY_PROGRAMS = 256 };

static const struct argp_option arguments[] = {
    {"seconds", 's', "N", 0, "Time limit per run in seconds (default: 60)", 0},
    {"seeds", 'n', "N", 0, "Runs of each mutant, with different seeds (default: 10)", 0},
    {"mutants", 'm', "M,...", 0,
     "Mutants to run, by name (default: all named ones; an empty list: none)", 0},
    {"generated", 'g', "N", 0,
     "Number of generated mutants that compile, in addition to the named ones (default: 0)", 0},
    {"sample", 'S', "SEED", 0, "Seed for choosing the generated mutants (default: 1)", 0},
    {"explorer", 'e', NULL, 0,
     "Use the explorer instead of the fuzz targets: one run per mutant, limited by --seconds", 0},
    {"depth", 'd', "N", 0, "Length of the explorer's longest sequences (default: 4)", 0},
    {"control", 'c', "N", 0, "Runs of each fuzz program on the code without a mutant (default: 1)",
     0},
    {"jobs", 'j', "N", 0,
     "Mutants to run in parallel, one core each (default: the number of processors)", 0},
    {"json", 'o', "FILE", 0, "Write all measurements to FILE, as a JSON array of objects", 0},
    {"programs", KEY_PROGRAMS, NULL, OPTION_HIDDEN,
     "Print what ./linmem has to build and install, and exit", 0},
    {0},
};

static unsigned count_of(const char *what, const char *text, unsigned least) {
    return (unsigned)options_number(what, text, least, 100000);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    request *r = state->input;
    switch (key) {
    case 's':
        r->options.seconds = count_of("seconds", value, 1);
        return 0;
    case 'n':
        r->options.seeds = count_of("seeds", value, 1);
        return 0;
    case 'm':
        r->options.chosen = options_split(value);
        return 0;
    case 'g':
        r->options.generated = count_of("generated", value, 0);
        return 0;
    case 'S':
        r->sample_seed = options_number("sample", value, 0, UINT64_MAX);
        return 0;
    case 'e':
        r->explorer = true;
        return 0;
    case 'd':
        r->depth = (unsigned)options_number("depth", value, 1, 32);
        return 0;
    case 'c':
        r->options.control = count_of("control", value, 0);
        return 0;
    case 'j':
        r->options.jobs = count_of("jobs", value, 1);
        return 0;
    case 'o':
        r->json = value;
        return 0;
    case KEY_PROGRAMS:
        r->programs = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void check_chosen(const score_options *options, const mutant_list *list) {
    const char **names = calloc(list->count + 1, sizeof *names);
    if (!names) options_fail("out of memory");
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->at[i].name;
    for (char **name = options->chosen; name && *name; name++) {
        const mutant *m = mutant_named(list, *name);
        if (m && !score_plays(options, m))
            options_fail(options->depth ? "mutant '%s' is for %s, which the explorer cannot run"
                                        : "mutant '%s' is for %s, which is not a fuzz target",
                         *name, m->target);
        if (m) continue;
        const char *nearest = options_nearest(*name, names, list->count);
        options_fail("unknown mutant '%s'%s%s%s (linmem list mutants names them)", *name,
                     nearest ? ": did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
    }
    free(names);
}

static void write_json(const char *path, json_t *json) {
    if (path && !file_write_json(path, json)) options_fail("%s: %s", path, strerror(errno));
    json_decref(json);
}

// Whether generated mutants are asked for, by number or by name (FILE:LINE:OPERATOR).
static bool needs_generated(const score_options *options) {
    bool named = false;
    for (char **name = options->chosen; name && *name; name++)
        named |= strchr(*name, ':') != NULL;
    return named || options->generated > 0;
}

// The programs are built later, when a mutant needs them; mutant_counts is the part that all need.
static exit_status print_programs(const request *r) {
    puts("program mutant_counts");
    if (needs_generated(&r->options)) puts("packages generate");
    return EXIT_PASSED;
}

// A score may take hours: each result is written when it is known.
static void write_so_far(const score *so_far, void *path) {
    json_t *json = score_json(so_far);
    if (!file_write_json(path, json)) fprintf(stderr, "%s: %s\n", (char *)path, strerror(errno));
    json_decref(json);
}

static exit_status take(const request *r, const mutant_list *list) {
    score score;
    char error[300];
    score_options options = r->options;
    options.context = (char *)r->json;
    if (r->json) options.told = write_so_far;
    if (!score_take(&score, &options, list, error)) options_fail("%s", error);
    score_print(&score, stdout);
    write_json(r->json, score_json(&score));
    bool held = score_holds(&score) && !score.interrupted;
    score_free(&score);
    return held ? EXIT_PASSED : EXIT_FAILED;
}

// The explorer is deterministic, so one run is enough.
static void choose_explorer(request *r) {
    if (r->options.seeds) options_fail("--explorer does not combine with --seeds");
    r->options.depth = r->depth;
    r->options.seeds = 1;
    if (r->options.control > 1) r->options.control = 1;
}

exit_status score_command(int argc, char **argv) {
    static const struct argp argp = {
        arguments,
        parse,
        NULL,
        "Mutation testing: builds each mutant of the allocators, runs the fuzz targets on it from "
        "an empty corpus, and reports which mutants are found, by which oracle and after how long.",
        NULL,
        NULL,
        NULL};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    request r = {.options = {.root = LINMEM_SOURCE_DIR,
                             .seconds = 60,
                             .jobs = processors > 0 ? (unsigned)processors : 1,
                             .control = 1},
                 .sample_seed = SAMPLE_SEED,
                 .depth = DEPTH};
    options_parse(&argp, argc, argv, &r);
    if (r.explorer) choose_explorer(&r);
    if (!r.options.seeds) r.options.seeds = SEEDS;
    mutant_list list;
    char error[300];
    if (r.programs && needs_generated(&r.options)) return print_programs(&r);
    if (!mutant_list_read(&list, r.options.root, error)) options_fail("%s", error);
    if (needs_generated(&r.options) &&
        !mutant_list_generate(&list, r.options.root, r.sample_seed, error))
        options_fail("%s", error);
    check_chosen(&r.options, &list);
    if (r.json && !file_is_writable(r.json)) options_fail("%s: %s", r.json, strerror(errno));
    interrupt_catch();
    exit_status status = r.programs ? print_programs(&r) : take(&r, &list);
    mutant_list_free(&list);
    free(r.options.chosen);
    return status;
}

json_t *list_mutants(void) {
    mutant_list list;
    char error[300];
    if (!mutant_list_read(&list, LINMEM_SOURCE_DIR, error)) options_fail("%s", error);
    json_t *array = json_array();
    for (size_t i = 0; i < list.count; i++)
        json_add(array, mutant_json(&list.at[i]));
    mutant_list_free(&list);
    return array;
}

static const char *text_of(const json_t *entry, const char *key) {
    return json_string_value(json_object_get(entry, key));
}

void print_mutants(const json_t *list) {
    size_t index;
    json_t *entry;
    puts("mutants: fuzz/score/mutants/NAME.patch");
    json_array_foreach(list, index, entry) {
        const char *allocator =
            json_string_value(json_array_get(json_object_get(entry, "allocators"), 0));
        printf("  %-39s %-12s %-17s %.60s\n", text_of(entry, "name"), allocator,
               text_of(entry, "class"), text_of(entry, "what"));
    }
}
