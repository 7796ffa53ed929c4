#include "bench/comparison.h"

#include "bench/cell.h"
#include "bench/meters.h"
#include "bench/statistics.h"
#include "cli/child.h"
#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/random.h"
#include "cli/text.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What a process is given: no allocator that ends needs a tenth of it, walks included, even where
// the machine is shared.
#define CELL_SECONDS_BASE      60
#define CELL_SECONDS_OPERATION 50e-6

enum {
    PAD_BYTES_MAX = 4096,
    HEAP_START_RANGE = 4096,
    VERIFIERS_MAX = 16,
};

const char *const play_pass_names[PASSES] = {"warm", "cold"};

const char *const memory_option_names[MEMORY_OPTIONS] = {
    [LM_COMMIT_4K] = "4k", [LM_COMMIT_2M] = "2m", [LM_COMMIT_HUGE] = "huge"};

#define PROFILE(name, ...) {#name, __VA_ARGS__},
const profile profiles[] = {
#include "bench/profile.def"
};
#undef PROFILE
const size_t profile_count = sizeof profiles / sizeof *profiles;

cell_record *comparison_cell(const comparison *c, size_t contestant, size_t workload) {
    return &c->cells[contestant * c->workload_count + workload];
}

// ---- One process --------------------------------------------------------------------------------

typedef struct runner {
    cell *shared;
    int descriptor;
    pid_t pid; // 0: none runs
    int error; // why it could not be started: pid −1
    double started;
    char *path, library[256], libraries[PATH_MAX + 32], pad[PAD_BYTES_MAX + 16];
} runner;

static void *needed(void *pointer) {
    if (!pointer || pointer == MAP_FAILED) options_fail("%s", strerror(errno));
    return pointer;
}

static runner *runner_new(void) {
    runner *k = needed(calloc(1, sizeof *k));
    k->descriptor = memfd_create("linmem-cell", MFD_CLOEXEC);
    if (k->descriptor < 0 || ftruncate(k->descriptor, sizeof(cell)) != 0)
        options_fail("%s", strerror(errno));
    k->shared =
        needed(mmap(NULL, sizeof(cell), PROT_READ | PROT_WRITE, MAP_SHARED, k->descriptor, 0));
    k->path = child_beside("linmem-runner");
    return k;
}

static void runner_free(runner *k) {
    munmap(k->shared, sizeof(cell));
    close(k->descriptor);
    free(k->path);
    free(k);
}

const char *comparison_setting(const contestant *contestant, lm_memory_commit commit) {
    return commit == LM_COMMIT_HUGE ? contestant->huge_pages : "";
}

// Starts a runner on its order. The environment's size varies, and with it where the stack lies.
static void runner_start(runner *k, const contestant *contestant, const workload *workload,
                         const cell_order *order, int cpu, size_t pad_bytes) {
    *k->shared = (cell){.order = *order};
    memcpy(k->shared->order.allocator, contestant->allocator, sizeof contestant->allocator);
    bool counted = order->verify && contestant->system_malloc;
    snprintf(k->library, sizeof k->library, "LD_PRELOAD=%s%s", counted ? "linmem-count.so:" : "",
             contestant->library);
    snprintf(k->libraries, sizeof k->libraries, "LD_LIBRARY_PATH=%.*s",
             (int)(strrchr(k->path, '/') - k->path), k->path); // a preloaded path may hold no space
    snprintf(k->pad, sizeof k->pad, "LINMEM_PAD=%0*d", (int)pad_bytes, 0);
    const char *argv[] = {k->path, NULL};
    const char *setting = comparison_setting(contestant, (lm_memory_commit)order->commit);
    const char *environment[5] = {k->library, k->pad};
    size_t variables = 2;
    if (counted) environment[variables++] = k->libraries;
    if (*setting) environment[variables++] = setting;
    int descriptors[] = {k->descriptor, workload->program};
    child_options options = {.argv = argv,
                             .environment = environment,
                             .descriptors = descriptors,
                             .descriptor_count = 2,
                             .cpu = cpu,
                             .no_huge_pages = order->commit != LM_COMMIT_HUGE};
    k->started = clock_seconds();
    k->pid = child_start(&options);
    k->error = errno;
}

// How long a runner may take that plays the workload so often.
static double seconds_max(const comparison *c, const workload *workload, double plays) {
    double operations = (double)workload->summary.operations;
    return c->cell_seconds > 0 ? c->cell_seconds
                               : CELL_SECONDS_BASE + CELL_SECONDS_OPERATION * operations * plays;
}

// Waits for it. Writes the status: "ok", or what went wrong. False: it was interrupted, and nothing
// is known but how long it had played.
static bool runner_wait(runner *k, double seconds_max, char *status, size_t bytes) {
    if (k->pid < 0) {
        snprintf(status, bytes, "%s: %s", k->path, strerror(k->error));
        return true;
    }
    child_end end;
    double left = k->started + seconds_max - clock_seconds(); // 0 would be no limit
    child_wait(k->pid, fmax(left, 1e-3), &end);
    k->pid = 0;
    const cell_outcome *outcome = &k->shared->outcome;
    if (end.interrupted)
        snprintf(status, bytes, "interrupted after %.1f s of it", clock_seconds() - k->started);
    else if (end.timed_out)
        snprintf(status, bytes, "timed out after %g s; --cell-seconds N allows more", seconds_max);
    else if (*outcome->failure)
        snprintf(status, bytes, "%s", outcome->failure);
    else if (end.ok && !outcome->done)
        snprintf(status, bytes,
                 "linmem-runner produced no result (built from a different version?)");
    else if (!end.ok)
        snprintf(status, bytes, "%s", end.text);
    else
        snprintf(status, bytes, "ok");
    return !end.interrupted;
}

// ---- Verifying ----------------------------------------------------------------------------------

// The first contestant that is the same allocator: its verification counts for all of them.
static size_t first_of_allocator(const comparison *c, size_t contestant) {
    size_t i = 0;
    while (strcmp(c->contestants[i].allocator, c->contestants[contestant].allocator) != 0)
        i++;
    return i;
}

// A verification under way; runner->pid 0: none.
typedef struct verification {
    runner *runner;
    size_t contestant, workload;
} verification;

static void verification_start(const comparison *c, verification *v, size_t cell) {
    v->contestant = cell / c->workload_count;
    v->workload = cell % c->workload_count;
    cell_order order = {.check_level = 2,
                        .verify = 1,
                        .threads = c->threads,
                        .commit = (uint32_t)c->commit,
                        .heap_start = LM_BLOCK_ALIGNMENT};
    runner_start(v->runner, &c->contestants[v->contestant], &c->workloads[v->workload], &order, -1,
                 1);
}

static void verification_end(const comparison *c, verification *v) {
    char found[160];
    if (!v->runner->pid) return;
    runner_wait(v->runner, seconds_max(c, &c->workloads[v->workload], 1), found, sizeof found);
    for (size_t i = v->contestant; i < c->contestant_count; i++) {
        char *status = comparison_cell(c, i, v->workload)->status;
        if (first_of_allocator(c, i) != v->contestant) continue;
        if (strcmp(found, "ok") == 0)
            strcpy(status, "ok");
        else
            snprintf(status, STATUS_BYTES, "verifying: %s", found);
    }
}

static void show_cell(progress *progress, size_t done, const comparison *c, size_t contestant,
                      size_t workload) {
    char *now =
        text_format("%s on %s", c->contestants[contestant].name, c->workloads[workload].name);
    progress_show(progress, done, now);
    free(now);
}

// Every cell once at check level 2, as many at a time as there are CPUs: nothing is timed. The
// floor is not asked: it gives everyone the same block.
static void verify_all(const comparison *c) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t width = cpus < 1 ? 1 : cpus > VERIFIERS_MAX ? VERIFIERS_MAX : (size_t)cpus;
    size_t total = c->contestant_count * c->workload_count, next = 0;
    verification running[VERIFIERS_MAX];
    for (size_t i = 0; i < width; i++)
        running[i].runner = runner_new();
    progress *progress = progress_start("verifying", total);
    for (size_t cell = 0; cell < total && !interrupted(); cell++) {
        size_t contestant = cell / c->workload_count;
        show_cell(progress, cell, c, contestant, cell % c->workload_count);
        if (!c->contestants[contestant].holds_content)
            strcpy(c->cells[cell].status, "ok");
        else if (first_of_allocator(c, contestant) == contestant) {
            verification *v = &running[next++ % width];
            verification_end(c, v);
            verification_start(c, v, cell);
        }
    }
    for (size_t i = 0; i < width; i++) {
        verification_end(c, &running[i]);
        runner_free(running[i].runner);
    }
    progress_end(progress);
}

// ---- Timing -------------------------------------------------------------------------------------

static uint64_t random_below(uint64_t *state, uint64_t bound) {
    return random_next(state) % bound;
}

// The last CPU that we may use: the first one gets most of the machine's interrupts.
static int timing_cpu(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET((size_t)cpu, &allowed)) return cpu;
    return -1;
}

static uint32_t warm_passes(const profile *profile, const workload *workload) {
    uint64_t passes = profile->warm_operations / workload->summary.operations;
    if (passes < profile->warm_passes_min) passes = profile->warm_passes_min;
    return passes < CELL_PASSES_MAX ? (uint32_t)passes : CELL_PASSES_MAX;
}

static void record(cell_record *record, size_t block, const cell_outcome *outcome,
                   uint64_t operations) {
    double count = (double)operations;
    record->ns_per_op[PASS_COLD][block] = outcome->cold_ns / count;
    record->ns_per_op[PASS_WARM][block] =
        estimate_median(outcome->warm_ns, outcome->warm_passes).median / count;
    bool metered = outcome->baseline_rss_bytes != 0; // else there is no /proc to be asked
    record->peak_rss_bytes[block] = metered ? (double)outcome->peak_rss_bytes : NAN;
    record->page_faults[block] = (double)outcome->page_faults;
    record->peak_heap_bytes[block] = (double)outcome->peak_heap_bytes;
    record->huge_bytes[block] = outcome->huge_bytes;
    memcpy(record->proof, outcome->proof, sizeof record->proof);
    record->too_short[PASS_COLD] |= outcome->cold_short;
    record->too_short[PASS_WARM] |= outcome->warm_short;
}

// One workload of one block: every contestant that still stands, in random order.
static void play_workload(comparison *c, runner *k, size_t block, size_t workload, int cpu,
                          uint64_t *random, progress *progress) {
    size_t order[c->contestant_count];
    for (size_t i = 0; i < c->contestant_count; i++) { // Fisher and Yates, inside out
        size_t j = (size_t)random_below(random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < c->contestant_count && !interrupted(); i++) {
        const contestant *who = &c->contestants[order[i]];
        const struct workload *what = &c->workloads[workload];
        cell_record *cell = comparison_cell(c, order[i], workload);
        show_cell(progress, (block * c->workload_count + workload) * c->contestant_count + i, c,
                  order[i], workload);
        cell_order cell_order = {
            .warm_passes = warm_passes(c->profile, what),
            .warm_passes_min = c->profile->warm_passes_min,
            .warm_ns_max = c->profile->warm_seconds_max * 1e9,
            .commit = (uint32_t)c->commit,
            .threads = c->threads,
            .heap_start = 16 + 16 * (uint32_t)random_below(random, HEAP_START_RANGE / 16),
            .handicap = who->handicap};
        size_t pad_bytes = 1 + random_below(random, PAD_BYTES_MAX);
        if (strcmp(cell->status, "ok") != 0) continue;
        runner_start(k, who, what, &cell_order, cpu, pad_bytes);
        char status[sizeof cell->status];
        double plays = (2 + c->profile->warm_passes_min) * (1 + who->handicap);
        double most = seconds_max(c, what, plays) + c->profile->warm_seconds_max;
        bool known = runner_wait(k, most, status, sizeof status);
        if (strcmp(status, "ok") == 0)
            record(cell, block, &k->shared->outcome, what->summary.operations);
        else if (known || block == 0)
            memcpy(cell->status, status, sizeof status);
    }
}

static void play_all(comparison *c) {
    runner *k = runner_new();
    int cpu = c->threads ? -1 : timing_cpu();
    uint64_t random = c->seed;
    progress *progress =
        progress_start("measuring", c->profile->blocks * c->workload_count * c->contestant_count);
    for (c->blocks = 0; c->blocks < c->profile->blocks && !interrupted(); c->blocks++)
        for (size_t w = 0; w < c->workload_count && !interrupted(); w++)
            play_workload(c, k, c->blocks, w, cpu, &random, progress);
    progress_end(progress);
    runner_free(k);
}

// A cell that failed in some block has no time, and neither has one that was never played.
static bool settle(comparison *c) {
    bool all_ok = true;
    for (size_t i = 0; i < c->contestant_count * c->workload_count; i++) {
        cell_record *cell = &c->cells[i];
        bool ok = strcmp(cell->status, "ok") == 0;
        size_t played = estimate_median(cell->ns_per_op[PASS_COLD], c->profile->blocks).count;
        if (!*cell->status || (ok && played == 0)) strcpy(cell->status, "interrupted before it");
        for (size_t pass = 0; !ok && pass < PASSES; pass++)
            for (size_t b = 0; b < c->profile->blocks; b++)
                cell->ns_per_op[pass][b] = NAN;
        all_ok &= ok && played;
    }
    return all_ok;
}

void comparison_need_runner(void) {
    char *path = child_beside("linmem-runner");
    if (access(path, X_OK) != 0) options_fail("%s: %s", path, strerror(errno));
    free(path);
}

// What the user's environment asks of a malloc is not what the others are measured with.
static void clean_environment(void) {
    static const char *const prefixes[] = {"LD_PRELOAD=", "MALLOC_", "MIMALLOC_", "TCMALLOC_",
                                           "GLIBC_TUNABLES="};
    char **kept = environ; // unsetenv knows no entries without a '='
    for (char **variable = environ; variable && *variable; variable++) {
        bool theirs = false;
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
            theirs |= strncmp(*variable, prefixes[p], strlen(prefixes[p])) == 0;
        if (!theirs) *kept++ = *variable;
    }
    if (kept) *kept = NULL;
}

static double *no_values(size_t count) {
    double *values = needed(malloc(count * sizeof *values));
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

bool comparison_run(comparison *c) {
    size_t cells = c->contestant_count * c->workload_count, blocks = c->profile->blocks;
    c->cells = needed(calloc(cells, sizeof *c->cells));
    for (size_t i = 0; i < cells; i++) {
        for (size_t pass = 0; pass < PASSES; pass++)
            c->cells[i].ns_per_op[pass] = no_values(blocks);
        c->cells[i].peak_rss_bytes = no_values(blocks);
        c->cells[i].page_faults = no_values(blocks);
        c->cells[i].peak_heap_bytes = no_values(blocks);
        c->cells[i].huge_bytes = no_values(blocks);
    }
    clean_environment();
    interrupt_catch();
    double start = meter_now_ns();
    verify_all(c);
    c->verify_seconds = (meter_now_ns() - start) / 1e9;
    if (!interrupted()) play_all(c);
    c->interrupted = interrupted();
    c->seconds = (meter_now_ns() - start) / 1e9;
    return settle(c) && !c->interrupted;
}

void comparison_free(comparison *c) {
    for (size_t i = 0; c->cells && i < c->contestant_count * c->workload_count; i++) {
        for (size_t pass = 0; pass < PASSES; pass++)
            free(c->cells[i].ns_per_op[pass]);
        free(c->cells[i].peak_rss_bytes);
        free(c->cells[i].page_faults);
        free(c->cells[i].peak_heap_bytes);
        free(c->cells[i].huge_bytes);
    }
    for (size_t i = 0; i < c->workload_count; i++)
        workload_unload(&c->workloads[i]);
    free(c->cells);
    free(c->workloads);
    free(c->contestants);
}
