#include "bench/comparison.h"

#include "bench/cell.h"
#include "bench/meters.h"
#include "bench/process.h"
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

// The time limit of a process. No allocator that ends needs a tenth of it, heap walks included,
// even on a busy machine.
#define CELL_SECONDS_BASE      60
#define CELL_SECONDS_OPERATION 50e-6

enum {
    HEAP_START_RANGE = 4096,
    VERIFIERS_MAX = 16,
};

const char *const pass_names[PASSES] = {"warm", "cold"};

const char *const memory_option_names[MEMORY_OPTIONS] = {
    [LM_COMMIT_4K] = "4k", [LM_COMMIT_2M] = "2m", [LM_COMMIT_HUGE] = "huge"};

#define PROFILE(name, ...) {#name, __VA_ARGS__},
const profile profiles[] = {
#include "bench/profile.def"
};
#undef PROFILE
const size_t profile_count = sizeof profiles / sizeof *profiles;

cell_record *comparison_cell(const comparison *c, size_t candidate, size_t workload) {
    return &c->cells[candidate * c->workload_count + workload];
}

static bool comparison_is_ok(const cell_record *cell) {
    return strcmp(cell->status, "ok") == 0;
}

static void *comparison_needed(void *pointer) {
    if (!pointer) options_fail("%s", strerror(errno));
    return pointer;
}

// The time limit of a process that replays the workload so often.
static double comparison_seconds_max(const comparison *c, const workload *workload,
                                     double replays) {
    double operations = (double)workload->summary.operations;
    return c->cell_seconds > 0 ? c->cell_seconds
                               : CELL_SECONDS_BASE + CELL_SECONDS_OPERATION * operations * replays;
}

// ---- Verification -------------------------------------------------------------------------------

// Returns the first candidate with the same allocator: its verification counts for all of them.
static size_t comparison_first_of_allocator(const comparison *c, size_t candidate) {
    size_t i = 0;
    while (strcmp(c->candidates[i].allocator, c->candidates[candidate].allocator) != 0)
        i++;
    return i;
}

typedef struct verification {
    process *process;
    size_t candidate, workload;
} verification;

static void verification_start(const comparison *c, verification *v, size_t cell) {
    v->candidate = cell / c->workload_count;
    v->workload = cell % c->workload_count;
    cell_request request = {.check_level = 2, // the modules of engines have level 0
                            .verify = 1,
                            .threads = c->threads,
                            .commit = (uint32_t)c->commit,
                            .heap_start = LM_BLOCK_ALIGNMENT};
    process_start(v->process, &c->candidates[v->candidate], &c->workloads[v->workload], &request,
                  -1, 1);
}

static void verification_end(const comparison *c, verification *v) {
    char found[160];
    if (!v->process->pid) return;
    double seconds_max = comparison_seconds_max(c, &c->workloads[v->workload], 1);
    process_wait(v->process, seconds_max, found, sizeof found);
    for (size_t i = v->candidate; i < c->candidate_count; i++)
        if (comparison_first_of_allocator(c, i) == v->candidate) {
            cell_record *cell = comparison_cell(c, i, v->workload);
            snprintf(cell->status, STATUS_BYTES, "%s%s",
                     strcmp(found, "ok") == 0 ? "" : "verification: ", found);
            cell->pages = v->process->shared->outcome.peak_heap_bytes / LM_PAGE_BYTES;
            cell->memory_grows = v->process->shared->outcome.memory_grows;
        }
}

static void comparison_show_cell(progress *progress, size_t done, const comparison *c,
                                 size_t candidate, size_t workload) {
    char *now = text_format("%s on %s", c->candidates[candidate].name, c->workloads[workload].name);
    progress_show(progress, done, now);
    free(now);
}

// Runs every cell once at check level 2, untimed, one on each CPU. The floor is left out: it
// returns the same block for every call.
static void comparison_verify(const comparison *c) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t width = cpus < 1 ? 1 : cpus > VERIFIERS_MAX ? VERIFIERS_MAX : (size_t)cpus;
    size_t total = c->candidate_count * c->workload_count, next = 0;
    verification running[VERIFIERS_MAX];
    for (size_t i = 0; i < width; i++)
        running[i].process = process_new(c->engine);
    progress *progress = progress_start("verifying", total);
    for (size_t cell = 0; cell < total && !interrupted(); cell++) {
        size_t candidate = cell / c->workload_count;
        comparison_show_cell(progress, cell, c, candidate, cell % c->workload_count);
        if (!c->candidates[candidate].holds_content)
            strcpy(c->cells[cell].status, "ok");
        else if (comparison_first_of_allocator(c, candidate) == candidate) {
            verification *v = &running[next++ % width];
            verification_end(c, v);
            verification_start(c, v, cell);
        }
    }
    for (size_t i = 0; i < width; i++) {
        verification_end(c, &running[i]);
        process_free(running[i].process);
    }
    progress_end(progress);
}

// ---- Timing -------------------------------------------------------------------------------------

static uint64_t comparison_random_below(uint64_t *state, uint64_t bound) {
    return random_next(state) % bound;
}

// Returns the last CPU that this process may use, because the first handles most interrupts; −1:
// any.
static int comparison_timing_cpu(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET((size_t)cpu, &allowed)) return cpu;
    return -1;
}

static uint32_t comparison_warm_passes(const profile *profile, const workload *workload) {
    uint64_t passes = profile->warm_operations / workload->summary.operations;
    if (passes < profile->warm_passes_min) passes = profile->warm_passes_min;
    return passes < CELL_PASSES_MAX ? (uint32_t)passes : CELL_PASSES_MAX;
}

static void comparison_record(cell_record *record, size_t block, const cell_outcome *outcome,
                              uint64_t operations) {
    double warm_ns = estimate_median(outcome->warm_ns, outcome->warm_passes).median;
    bool has_proc = outcome->baseline_rss_bytes != 0; // resident memory is read from /proc
    const double values[METRICS] = {
        [METRIC_WARM_NS] = warm_ns / (double)operations,
        [METRIC_COLD_NS] = outcome->cold_ns / (double)operations,
        [METRIC_PEAK_RSS_BYTES] = has_proc ? (double)outcome->peak_rss_bytes : NAN,
        [METRIC_PEAK_HEAP_BYTES] = (double)outcome->peak_heap_bytes,
        [METRIC_PAGE_FAULTS] = has_proc ? (double)outcome->page_faults : NAN,
        [METRIC_HUGE_BYTES] = outcome->huge_bytes,
        [METRIC_CLOCK_STEP_NS] = outcome->clock_step_ns,
        [METRIC_MEMORY_GROW_NS] = outcome->memory_grow_ns,
        [METRIC_PAGES_END] = (double)outcome->pages_end};
    for (size_t m = 0; m < METRICS; m++)
        record->by_block[m][block] = values[m];
    memcpy(record->proof, outcome->proof, sizeof record->proof);
    record->too_short[PASS_COLD] |= outcome->cold_short;
    record->too_short[PASS_WARM] |= outcome->warm_short;
}

// Runs one workload of one block: every candidate that has not failed, in random order.
static void comparison_measure_workload(comparison *c, process *p, size_t block, size_t w, int cpu,
                                        uint64_t *random, progress *progress) {
    const workload *workload = &c->workloads[w];
    size_t order[c->candidate_count];
    for (size_t i = 0; i < c->candidate_count; i++) { // Fisher and Yates, inside out
        size_t j = (size_t)comparison_random_below(random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < c->candidate_count && !interrupted(); i++) {
        const candidate *candidate = &c->candidates[order[i]];
        cell_record *cell = comparison_cell(c, order[i], w);
        size_t done = (block * c->workload_count + w) * c->candidate_count + i;
        comparison_show_cell(progress, done, c, order[i], w);
        uint64_t heap_start = 16 + 16 * comparison_random_below(random, HEAP_START_RANGE / 16);
        size_t pad_bytes = 1 + comparison_random_below(random, PAD_BYTES_MAX);
        if (!comparison_is_ok(cell)) continue;
        cell_request request = {.warm_passes = comparison_warm_passes(c->profile, workload),
                                .warm_passes_min = c->profile->warm_passes_min,
                                .warm_ns_max = c->profile->warm_seconds_max * 1e9,
                                .commit = (uint32_t)c->commit,
                                .threads = c->threads,
                                .heap_start = (uint32_t)heap_start,
                                .handicap = candidate->handicap};
        process_start(p, candidate, workload, &request, cpu, pad_bytes);
        char status[STATUS_BYTES];
        double replays = (2 + c->profile->warm_passes_min) * (1 + candidate->handicap);
        double seconds_max = comparison_seconds_max(c, workload, replays);
        bool known =
            process_wait(p, seconds_max + c->profile->warm_seconds_max, status, sizeof status);
        if (strcmp(status, "ok") == 0)
            comparison_record(cell, block, &p->shared->outcome, workload->summary.operations);
        else if (known || block == 0)
            memcpy(cell->status, status, sizeof status);
    }
}

static void comparison_measure(comparison *c) {
    process *p = process_new(c->engine);
    int cpu = c->threads ? -1 : comparison_timing_cpu();
    uint64_t random = c->seed;
    progress *progress =
        progress_start("measuring", c->profile->blocks * c->workload_count * c->candidate_count);
    for (c->blocks = 0; c->blocks < c->profile->blocks && !interrupted(); c->blocks++)
        for (size_t w = 0; w < c->workload_count && !interrupted(); w++)
            comparison_measure_workload(c, p, c->blocks, w, cpu, &random, progress);
    progress_end(progress);
    process_free(p);
}

// Sets the status of cells that were never run, and removes the times of cells that failed in some
// block. Returns whether all cells are ok.
static bool comparison_settle(comparison *c) {
    bool all_ok = true;
    for (size_t i = 0; i < c->candidate_count * c->workload_count; i++) {
        cell_record *cell = &c->cells[i];
        bool ok = comparison_is_ok(cell);
        bool run = estimate_median(cell->by_block[METRIC_COLD_NS], c->profile->blocks).count > 0;
        if (!*cell->status || (ok && !run)) strcpy(cell->status, "not run: interrupted");
        for (size_t b = 0; !ok && b < c->profile->blocks; b++)
            cell->by_block[METRIC_WARM_NS][b] = cell->by_block[METRIC_COLD_NS][b] = NAN;
        all_ok &= ok && run;
    }
    return all_ok;
}

void comparison_need_runner(void) {
    char *path = child_beside("linmem-runner");
    if (access(path, X_OK) != 0) options_fail("%s: %s", path, strerror(errno));
    free(path);
}

// Removes the user's settings of mallocs from the environment: all candidates run without them.
static void comparison_clean_environment(void) {
    static const char *const prefixes[] = {"LD_PRELOAD=", "MALLOC_", "MIMALLOC_", "TCMALLOC_",
                                           "GLIBC_TUNABLES="};
    char **kept = environ; // unsetenv does not remove entries without a '='
    for (char **variable = environ; variable && *variable; variable++) {
        bool removed = false;
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
            removed |= strncmp(*variable, prefixes[p], strlen(prefixes[p])) == 0;
        if (!removed) *kept++ = *variable;
    }
    if (kept) *kept = NULL;
}

bool comparison_run(comparison *c) {
    size_t cells = c->candidate_count * c->workload_count, blocks = c->profile->blocks;
    c->cells = comparison_needed(calloc(cells, sizeof *c->cells));
    c->values = comparison_needed(malloc(cells * METRICS * blocks * sizeof *c->values));
    for (size_t i = 0; i < cells * METRICS * blocks; i++)
        c->values[i] = NAN;
    for (size_t i = 0; i < cells * METRICS; i++)
        c->cells[i / METRICS].by_block[i % METRICS] = &c->values[i * blocks];
    comparison_clean_environment();
    c->described = engine_describe(c->engine);
    interrupt_catch();
    double start = meter_now_ns();
    comparison_verify(c);
    c->verify_seconds = (meter_now_ns() - start) / 1e9;
    if (!interrupted()) comparison_measure(c);
    c->interrupted = interrupted();
    c->seconds = (meter_now_ns() - start) / 1e9;
    return comparison_settle(c) && !c->interrupted;
}

void comparison_free(comparison *c) {
    json_decref(c->described);
    free(c->values);
    free(c->cells);
    free(c->candidates);
}
