#include "bench/runner.h"

#include "alloc/registry.h"
#include "alloc/system/system_malloc.h"
#include "alloc/system/yardsticks.h"
#include "bench/lanes.h"
#include "bench/meters.h"
#include "corpus/replay/player.h"
#include "corpus/replay/verifier.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    cell *cell;
    player player;
    lm_allocator allocator;
    lm_memory memory;
    bool is_ideal;
    uint64_t passes;  // run so far
    uint64_t replays; // in each pass
    double pass_ns_min;
} runner = {.replays = 1};

static bool runner_fail(const char *what, const char *why) {
    cell_outcome *outcome = &runner.cell->outcome;
    snprintf(outcome->failure, sizeof outcome->failure, "%s: %s", what, why);
    return false;
}

static bool runner_pick_allocator(const cell_request *request) {
    const lm_system_malloc *system_malloc = lm_system_malloc_named(request->allocator);
    const lm_allocator *strategy = lm_strategy_named(request->allocator, request->check_level);
    if (system_malloc) {
        runner.allocator = lm_system_malloc_table(system_malloc);
        char *proof = runner.cell->outcome.proof;
        bool counted = request->verify && dlsym(RTLD_DEFAULT, "linmem_heap_calls");
        return counted ||
               lm_system_malloc_prove(system_malloc, proof, sizeof runner.cell->outcome.proof) ||
               runner_fail("wrong malloc", proof);
    }
    if (strategy)
        runner.allocator = *strategy;
    else if (strcmp(request->allocator, lm_floor.name) == 0)
        runner.allocator = lm_floor;
    else if (strcmp(request->allocator, lm_ideal.name) == 0)
        runner.allocator = lm_ideal;
    else
        return runner_fail("unknown allocator", request->allocator);
    runner.is_ideal = runner.allocator.name == lm_ideal.name;
    return true;
}

// Returns the memory's first size: a yardstick needs all of it at the start, a strategy grows it.
static uint32_t runner_pages_at_start(const replay *replay) {
    return lm_strategy_named(runner.allocator.name, 0) ? 0 : replay_pages_at_once(replay);
}

// Makes the linear memory and starts the heap in it, if the allocator has one.
static bool runner_set_memory(const replay *replay) {
    if (!(runner.allocator.capabilities & LM_IN_LINEAR_MEMORY)) return true;
    lm_memory_options options = {.pages = runner_pages_at_start(replay),
                                 .pages_max = LM_PAGES_MAX,
                                 .heap_start = runner.cell->request.heap_start,
                                 .commit = (lm_memory_commit)runner.cell->request.commit};
    if (!lm_memory_create(&runner.memory, &options))
        return runner_fail("cannot make the memory", strerror(errno));
    runner.player.memory = &runner.memory;
    return runner.allocator.start(&runner.memory) ||
           runner_fail("out of memory", "the heap cannot start");
}

bool runner_set_up(cell *cell) {
    runner.cell = cell;
    const replay *replay = replay_map(REPLAY_DESCRIPTOR);
    if (!replay) return runner_fail("cannot map the replay", strerror(errno));
    if (!runner_pick_allocator(&cell->request)) return false;
    size_t slots_bytes = ((size_t)replay->slots + 1) * sizeof(void *);
    void **slots = mmap(NULL, slots_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (slots == MAP_FAILED) return runner_fail("cannot map the table of blocks", strerror(errno));
    runner.player = (player){&runner.allocator, NULL, replay, slots, 0};
    return runner_set_memory(replay) && (!cell->request.threads || lanes_start(&runner.player) ||
                                         runner_fail("cannot start the threads", strerror(errno)));
}

// Called before each replay, within the timed pass: other allocators only test a flag.
static void runner_place_ideal(void) {
    if (runner.is_ideal) lm_ideal_place(replay_placements(runner.player.replay));
}

static void runner_rewind(void) {
    runner_place_ideal();
    if (runner.passes && !(runner.allocator.capabilities & LM_FREES_BLOCKS))
        runner.allocator.reset(&runner.memory);
    runner.player.failures = 0;
}

// Returns the size of the heap that is resident before the cold pass because the memory option
// works in units of 2 MiB: steps of a linear memory, or huge pages. It belongs to the cold pass;
// left in the baseline it would be subtracted from the peak.
static uint64_t runner_heap_bytes_at_start(void) {
    double huge = 0;
    if (runner.cell->request.commit == LM_COMMIT_2M)
        return (uint64_t)runner.memory.pages_committed * LM_PAGE_BYTES;
    if (runner.cell->request.commit == LM_COMMIT_HUGE) huge = meter_huge_bytes();
    return isnan(huge) ? 0 : (uint64_t)huge;
}

static void runner_meter_before(cell_outcome *outcome) {
    meter_peak_clear();
    outcome->baseline_rss_bytes = meter_rss_bytes() - runner_heap_bytes_at_start();
    outcome->page_faults = meter_page_faults();
}

static void runner_meter_after(cell_outcome *outcome) {
    outcome->page_faults = meter_page_faults() - outcome->page_faults;
    uint64_t peak = meter_peak_rss_bytes(), baseline = outcome->baseline_rss_bytes;
    outcome->peak_rss_bytes = peak > baseline ? peak - baseline : 0;
    outcome->huge_bytes = meter_huge_bytes();
    if (runner.player.memory)
        outcome->peak_heap_bytes = (uint64_t)runner.memory.pages * LM_PAGE_BYTES;
}

static void runner_check_failures(void) {
    cell_outcome *outcome = &runner.cell->outcome;
    if (runner.player.failures && !*outcome->failure)
        snprintf(outcome->failure, sizeof outcome->failure, "out of memory: %llu calls failed",
                 (unsigned long long)runner.player.failures);
}

double runner_pass(void) {
    cell_outcome *outcome = &runner.cell->outcome;
    runner_rewind();
    if (runner.passes == 0) runner_meter_before(outcome);
    double start = meter_now_ns(), end;
    if (runner.cell->request.threads) {
        end = start + lanes_run(&runner.player.failures);
    } else {
        player_play(&runner.player);
        for (uint64_t i = 1; i < runner.replays; i++) {
            runner_place_ideal();
            player_play(&runner.player);
        }
        end = meter_now_ns();
    }
    if (runner.cell->request.handicap > 0) {
        double until = end + (end - start) * runner.cell->request.handicap;
        while (end < until)
            end = meter_now_ns();
    }
    if (runner.passes++ == 0) runner_meter_after(outcome);
    player_close(&runner.player);
    runner_check_failures();
    return (end - start) / (double)runner.replays;
}

// Returns the smallest difference between two readings of the clock.
static double runner_clock_step_ns(void) {
    double step = INFINITY;
    for (int i = 0; i < 1000; i++) {
        double from = meter_now_ns(), to = from;
        while (to == from)
            to = meter_now_ns();
        if (to - from < step) step = to - from;
    }
    return step;
}

// Returns whether the replay can be repeated within a pass: it frees every block, changes nothing
// but the heap, and the allocator reuses what is freed.
static bool runner_can_repeat(void) {
    const replay *replay = runner.player.replay;
    const replay_step *steps = replay_steps(replay);
    if (runner.cell->request.threads || replay->steps != replay->steps_timed) return false;
    if (!(runner.allocator.capabilities & LM_FREES_BLOCKS)) return false;
    for (uint64_t i = 0; i < replay->steps; i += replay_verb_steps(replay_step_verb(&steps[i])))
        if (replay_step_verb(&steps[i]) >= REPLAY_GROW) return false;
    return true;
}

// Returns whether passes are long enough, by a wide margin and several times in a row: a single
// pass may be long because it was preempted or shared its core.
static bool runner_passes_are_long(void) {
    enum { PASSES_IN_A_ROW = 5 };
    static const double margin = 10;
    for (int i = 0; i < PASSES_IN_A_ROW; i++)
        if (runner_pass() * (double)runner.replays <= margin * runner.pass_ns_min) return false;
    return true;
}

void runner_fit_passes(void) {
    enum { REPLAYS_MAX = 1 << 20 };
    static const double certain = 1000; // no warm pass is so much faster than the cold one
    runner.pass_ns_min = (double)CELL_STEPS_MIN * runner_clock_step_ns();
    if (runner.cell->outcome.cold_ns > certain * runner.pass_ns_min || !runner_can_repeat()) return;
    while (runner.replays < REPLAYS_MAX && !runner_passes_are_long())
        runner.replays *= 2;
}

void runner_flag_short_passes(void) {
    cell_outcome *outcome = &runner.cell->outcome;
    outcome->cold_short = outcome->cold_ns < runner.pass_ns_min;
    for (uint32_t i = 0; i < outcome->warm_passes; i++)
        outcome->warm_short |= outcome->warm_ns[i] * (double)runner.replays < runner.pass_ns_min;
}

// Returns how many functions of the malloc family the replay calls on a system malloc.
static uint64_t runner_heap_calls(const replay *replay) {
    const replay_step *steps = replay_steps(replay);
    uint64_t calls = 0;
    for (uint64_t i = 0; i < replay->steps;) {
        replay_verb verb = replay_step_verb(&steps[i]);
        calls += verb < REPLAY_GROW;
        calls += verb == REPLAY_ALIGNED_RESIZE; // a new block, and the old one freed
        i += replay_verb_steps(verb);
    }
    return calls;
}

// Runs the lanes concurrently; the heap must then be valid and without live blocks.
static void runner_verify_lanes(void) {
    lm_census census = {0};
    lanes_run(&runner.player.failures);
    player_close(&runner.player);
    if (!runner.player.memory) return; // a system malloc's heap cannot be walked
    const char *broken = runner.allocator.validate(&runner.memory, &census);
    if (broken) runner_fail("law broken after the lanes ran concurrently", broken);
    if (census.live_blocks) runner_fail("after the lanes ran concurrently", "blocks are live");
}

void runner_verify(void) {
    cell_outcome *outcome = &runner.cell->outcome;
    runner_rewind();
    verifier *verifier = verifier_new(&runner.allocator, runner.player.memory, runner.player.replay,
                                      CELL_WALK_EVERY, outcome->failure, sizeof outcome->failure);
    if (!verifier) {
        runner_fail("cannot start the verifier", strerror(errno));
        return;
    }
    const volatile uint64_t *calls = dlsym(RTLD_DEFAULT, "linmem_heap_calls");
    uint64_t before = calls ? *calls : 0;
    player_play_observed(&runner.player, verifier_observer(verifier));
    if (calls) outcome->harness_calls = *calls - before - runner_heap_calls(runner.player.replay);
    verifier_end(verifier);
    if (runner.cell->request.threads) runner_verify_lanes();
    runner_check_failures();
    if (outcome->harness_calls)
        runner_fail("not measurable", "the harness calls the measured malloc");
}
