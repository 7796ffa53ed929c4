#include "bench/compare_options.h"

#include "alloc/system/yardsticks.h"
#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROFILE "standard"

enum { YARDSTICKS = 2 };

enum {
    OPTION_ALLOCATORS = 256,
    OPTION_WORKLOADS,
    OPTION_BASELINE,
    OPTION_PROFILE,
    OPTION_MEMORY,
    OPTION_THREADS,
    OPTION_OUT,
    OPTION_BLOCKS,
    OPTION_CELL_SECONDS,
    OPTION_SEED
};

typedef struct asked {
    char *allocators, *workloads;
    const char *baseline, *profile, *directory;
    lm_memory_commit commit;
    bool threads;
    size_t blocks;
    double cell_seconds;
    uint64_t seed;
} asked;

static const struct argp_option arguments[] = {
    {"allocators", OPTION_ALLOCATORS, "A,…", 0,
     "Allocators to benchmark (default: all, and the baseline a second time as a control). NAME#2: "
     "NAME a second time; NAME+3%: NAME slowed down by 3 %",
     0},
    {"workloads", OPTION_WORKLOADS, "W,…", 0,
     "Workloads: names of shipped traces, trace files, or - for a trace on standard input "
     "(default: "
     "all shipped traces). Write \\, for a comma in a name",
     0},
    {"baseline", OPTION_BASELINE, "A", 0,
     "Baseline allocator (default: jemalloc, or glibc if jemalloc is not installed, or else the "
     "first "
     "allocator)",
     0},
    {"profile", OPTION_PROFILE, "P", 0,
     "Number of workloads and blocks: smoke, standard or full (default: " PROFILE ")", 0},
    {"memory", OPTION_MEMORY, "M", 0,
     "Page size and commit policy: 4k, 4 KiB pages as they are touched (default); 2m, 2 MiB at a "
     "time (system mallocs have no such setting and stay at 4k); huge, huge pages, for system "
     "mallocs "
     "too",
     0},
    {"threads", OPTION_THREADS, NULL, 0,
     "Run each lane of a workload in a thread of its own, concurrently (default: one thread runs "
     "all "
     "lanes in recorded order)",
     0},
    {"blocks", OPTION_BLOCKS, "N", 0, "Number of blocks (runs per cell); overrides the profile", 0},
    {"cell-seconds", OPTION_CELL_SECONDS, "N", 0,
     "Time limit per process; a process over it is killed and its cell reported as failed "
     "(default: "
     "60 s, 50 µs for each operation of each replay, and the profile's limit on the warm passes)",
     0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the random order (default: the time)", 0},
    {"out", OPTION_OUT, "DIR", 0,
     "Folder for results.json and report.md (default: a new folder in linmem-results). '-': write "
     "results.json to standard output and the table to standard error",
     0},
    {0},
};

static lm_memory_commit find_memory_option(const char *name) {
    for (size_t i = 0; i < MEMORY_OPTIONS; i++)
        if (strcmp(name, memory_option_names[i]) == 0) return (lm_memory_commit)i;
    options_unknown("memory option", name, memory_option_names, MEMORY_OPTIONS);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    asked *asked = state->input;
    switch (key) {
    case OPTION_ALLOCATORS:
        asked->allocators = value;
        return 0;
    case OPTION_WORKLOADS:
        asked->workloads = value;
        return 0;
    case OPTION_BASELINE:
        asked->baseline = value;
        return 0;
    case OPTION_PROFILE:
        asked->profile = value;
        return 0;
    case OPTION_MEMORY:
        asked->commit = find_memory_option(value);
        return 0;
    case OPTION_THREADS:
        asked->threads = true;
        return 0;
    case OPTION_OUT:
        asked->directory = value;
        return 0;
    case OPTION_BLOCKS:
        asked->blocks = options_number("--blocks", value, 1, 1000);
        return 0;
    case OPTION_CELL_SECONDS:
        asked->cell_seconds = (double)options_number("--cell-seconds", value, 1, 1000000);
        return 0;
    case OPTION_SEED:
        asked->seed = options_number("--seed", value, 0, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        options_fail("unexpected argument '%s'", value);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    arguments,
    parse,
    NULL,
    "Measures allocators on recorded workloads and compares them. A block runs every cell "
    "(allocator, "
    "workload) once, in random order, each in a fresh process. Prints a table, and writes "
    "results.json and report.md.\v"
    "Exit status: 0 all cells were measured, 1 a cell failed or the run was interrupted (finished "
    "measurements are kept), 2 bad usage or input.",
    NULL,
    NULL,
    NULL};

static const profile *find_profile(const asked *asked) {
    const char *names[8];
    for (size_t i = 0; i < profile_count; i++) {
        names[i] = profiles[i].name;
        if (strcmp(profiles[i].name, asked->profile) == 0) {
            if (!asked->blocks) return &profiles[i];
            static profile own;
            own = profiles[i];
            own.blocks = asked->blocks;
            return &own;
        }
    }
    options_unknown("profile", asked->profile, names, profile_count);
}

static void *room_for(char **names, size_t more, size_t size) {
    size_t count = 0;
    while (names[count])
        count++;
    if (!count) options_fail("an empty list of names");
    void *room = calloc(count + more, size);
    if (!room) options_fail("%s", strerror(errno));
    return room;
}

// Adds a contestant. False: there is one of that name already.
static bool add_contestant(comparison *c, const char *name) {
    contestant who = contestant_parse(name);
    for (size_t i = 0; i < c->contestant_count; i++)
        if (strcmp(c->contestants[i].name, who.name) == 0) return false;
    c->contestants[c->contestant_count++] = who;
    return true;
}

// Those that are named, and the yardsticks: they belong to every table that threads do not play.
static void take_contestants(comparison *c, char *list, const char *baseline) {
    char **names = options_split(list);
    c->contestants = room_for(names, YARDSTICKS, sizeof *c->contestants);
    for (size_t i = 0; names[i]; i++)
        if (!add_contestant(c, names[i]))
            options_fail("'%s' is named twice; '%s#2' plays it again", names[i], names[i]);
    for (size_t i = 0; c->threads && i < c->contestant_count; i++)
        if (!c->contestants[i].shares_threads)
            options_fail("--threads: '%s' serves one thread at a time", c->contestants[i].name);
    if (!c->threads) {
        add_contestant(c, lm_ideal.name);
        add_contestant(c, lm_floor.name);
    }
    if (baseline) contestant_parse(baseline); // for its complaints
    const char *wanted = baseline ? baseline : contestant_baseline();
    while (c->baseline < c->contestant_count &&
           strcmp(c->contestants[c->baseline].name, wanted) != 0)
        c->baseline++;
    if (c->baseline == c->contestant_count) {
        if (baseline) options_fail("the baseline '%s' is not among the allocators", wanted);
        c->baseline = 0;
    }
    free(names);
}

// Whether a workload's name is another one's, or stands for all of them.
static bool name_is_taken(const comparison *c, size_t workload) {
    const char *name = c->workloads[workload].name;
    bool taken = strcmp(name, WORKLOADS_MEAN) == 0;
    for (size_t i = 0; i < c->workload_count; i++)
        taken |= i != workload && strcmp(c->workloads[i].name, name) == 0;
    return taken;
}

// Files of one name in several folders go by their paths.
static void tell_workloads_apart(comparison *c) {
    bool taken[c->workload_count];
    for (size_t i = 0; i < c->workload_count; i++)
        taken[i] = name_is_taken(c, i);
    for (size_t i = 0; i < c->workload_count; i++)
        if (taken[i]) workload_name_by_path(&c->workloads[i]);
    for (size_t i = 0; i < c->workload_count; i++)
        if (name_is_taken(c, i))
            options_fail("the workload '%s' is named twice", c->workloads[i].name);
}

static void take_workloads(comparison *c, char *list) {
    size_t count, most = c->profile->workloads_max;
    char **names = list ? options_split(list) : workload_names(&count);
    c->workloads = room_for(names, 0, sizeof *c->workloads);
    for (size_t i = 0; names[i] && (list || !most || i < most); i++) {
        workload_load(&c->workloads[i], names[i]);
        c->workload_count++;
        if (c->threads && !c->workloads[i].summary.turns_at)
            options_fail("--threads: '%s' has no lanes that threads could play at once (corpus/"
                         "synthetic/exchange.json makes one that has)",
                         c->workloads[i].name);
    }
    free(names);
    tell_workloads_apart(c);
}

void compare_options_read(compare_options *options, int argc, char **argv) {
    asked asked = {.profile = PROFILE, .seed = (uint64_t)time(NULL)};
    options_parse(&argp, argc, argv, &asked);
    *options = (compare_options){.directory = asked.directory};
    comparison *c = &options->comparison;
    c->profile = find_profile(&asked);
    c->commit = asked.commit;
    c->threads = asked.threads;
    c->seed = asked.seed;
    c->cell_seconds = asked.cell_seconds;
    c->minimum_effect = 0.01;
    char *standard = contestant_standard(c->threads);
    if (!asked.allocators) c->left_out = contestant_left_out();
    if (c->left_out && *c->left_out)
        fprintf(stderr, "%s: not on this system, so left out: %s\n", argv[0], c->left_out);
    take_contestants(c, asked.allocators ? asked.allocators : standard, asked.baseline);
    free(standard);
    take_workloads(c, asked.workloads);
}
