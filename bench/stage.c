#include "bench/stage.h"

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
    uint64_t passes; // so far
    uint64_t plays;  // of a pass
    double pass_ns_min;
} stage = {.plays = 1};

static bool fail(const char *what, const char *why) {
    cell_outcome *outcome = &stage.cell->outcome;
    snprintf(outcome->failure, sizeof outcome->failure, "%s: %s", what, why);
    return false;
}

static bool pick_allocator(const cell_order *order) {
    const lm_system_malloc *system_malloc = lm_system_malloc_named(order->allocator);
    const lm_allocator *strategy = lm_strategy_named(order->allocator, order->check_level);
    if (system_malloc) {
        stage.allocator = lm_system_malloc_table(system_malloc);
        char *proof = stage.cell->outcome.proof;
        bool counted = order->verify && dlsym(RTLD_DEFAULT, "linmem_heap_calls");
        return counted ||
               lm_system_malloc_prove(system_malloc, proof, sizeof stage.cell->outcome.proof) ||
               fail("not the malloc that was asked for", proof);
    }
    if (strategy)
        stage.allocator = *strategy;
    else if (strcmp(order->allocator, lm_floor.name) == 0)
        stage.allocator = lm_floor;
    else if (strcmp(order->allocator, lm_ideal.name) == 0)
        stage.allocator = lm_ideal;
    else
        return fail("unknown allocator", order->allocator);
    stage.is_ideal = stage.allocator.name == lm_ideal.name;
    return true;
}

// A yardstick's memory must be there from the start; a strategy grows its own.
static uint32_t pages_at_start(const program *program) {
    if (lm_strategy_named(stage.allocator.name, 0)) return 0;
    uint64_t largest = program->largest_bytes + LM_BLOCK_ALIGNMENT;
    uint64_t bytes = largest > program->packed_bytes ? largest : program->packed_bytes;
    uint64_t pages = (bytes + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES;
    return pages < LM_PAGES_MAX ? (uint32_t)pages : LM_PAGES_MAX;
}

// Where the heap lies in one, the linear memory, and the heap in it.
static bool set_memory(const program *program) {
    if (!(stage.allocator.capabilities & LM_IN_LINEAR_MEMORY)) return true;
    lm_memory_options options = {.pages = pages_at_start(program),
                                 .pages_max = LM_PAGES_MAX,
                                 .heap_start = stage.cell->order.heap_start,
                                 .commit = (lm_memory_commit)stage.cell->order.commit};
    if (!lm_memory_create(&stage.memory, &options)) return fail("no memory", strerror(errno));
    stage.player.memory = &stage.memory;
    return stage.allocator.start(&stage.memory) || fail("no memory", "the heap cannot start");
}

bool stage_set(cell *cell) {
    stage.cell = cell;
    const program *program = program_map(PROGRAM_DESCRIPTOR);
    if (!program) return fail("the program", strerror(errno));
    if (!pick_allocator(&cell->order)) return false;
    size_t slots_bytes = ((size_t)program->slots + 1) * sizeof(void *);
    void **slots = mmap(NULL, slots_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (slots == MAP_FAILED) return fail("the table of blocks", strerror(errno));
    stage.player = (player){&stage.allocator, NULL, program, slots, 0};
    return set_memory(program) &&
           (!cell->order.threads || lanes_start(&stage.player) || fail("threads", strerror(errno)));
}

// Before a play. Nothing but a flag is looked at for any other allocator, as time is being taken.
static void place_ideal(void) {
    if (stage.is_ideal) lm_ideal_place(program_placements(stage.player.program));
}

static void rewind_allocator(void) {
    place_ideal();
    if (stage.passes && !(stage.allocator.capabilities & LM_FREES_BLOCKS))
        stage.allocator.reset(&stage.memory);
    stage.player.failures = 0;
}

// What is present of the heap before anything is played because the memory option works in pieces
// of 2 MiB: steps of a linear memory, huge pages of strategies and system mallocs alike. It is the
// cold pass's, which would disappear in it else. With 4K nothing is taken off.
static uint64_t heap_bytes_before(void) {
    double huge = 0;
    if (stage.cell->order.commit == LM_COMMIT_2M)
        return (uint64_t)stage.memory.pages_committed * LM_PAGE_BYTES;
    if (stage.cell->order.commit == LM_COMMIT_HUGE) huge = meter_huge_bytes();
    return isnan(huge) ? 0 : (uint64_t)huge;
}

// The cold pass's memory, beside the time.
static void meter_before(cell_outcome *outcome) {
    meter_peak_clear();
    outcome->baseline_rss_bytes = meter_rss_bytes() - heap_bytes_before();
    outcome->page_faults = meter_page_faults();
}

static void meter_after(cell_outcome *outcome) {
    outcome->page_faults = meter_page_faults() - outcome->page_faults;
    uint64_t peak = meter_peak_rss_bytes(), baseline = outcome->baseline_rss_bytes;
    outcome->peak_rss_bytes = peak > baseline ? peak - baseline : 0;
    outcome->huge_bytes = meter_huge_bytes();
    if (stage.player.memory)
        outcome->peak_heap_bytes = (uint64_t)stage.memory.pages * LM_PAGE_BYTES;
}

static void check_failures(void) {
    cell_outcome *outcome = &stage.cell->outcome;
    if (stage.player.failures && !*outcome->failure)
        snprintf(outcome->failure, sizeof outcome->failure, "out of memory: %llu calls failed",
                 (unsigned long long)stage.player.failures);
}

double stage_pass(void) {
    cell_outcome *outcome = &stage.cell->outcome;
    rewind_allocator();
    if (stage.passes == 0) meter_before(outcome);
    double start = meter_now_ns(), end;
    if (stage.cell->order.threads) {
        end = start + lanes_play(&stage.player.failures);
    } else {
        player_play(&stage.player);
        for (uint64_t i = 1; i < stage.plays; i++) {
            place_ideal();
            player_play(&stage.player);
        }
        end = meter_now_ns();
    }
    if (stage.cell->order.handicap > 0) {
        double until = end + (end - start) * stage.cell->order.handicap;
        while (end < until)
            end = meter_now_ns();
    }
    if (stage.passes++ == 0) meter_after(outcome);
    player_close(&stage.player);
    check_failures();
    return (end - start) / (double)stage.plays;
}

// The least that the clock goes on by between two readings.
static double clock_step_ns(void) {
    double step = INFINITY;
    for (int i = 0; i < 1000; i++) {
        double from = meter_now_ns(), to = from;
        while (to == from)
            to = meter_now_ns();
        if (to - from < step) step = to - from;
    }
    return step;
}

// Whether the program can be played again at once: it leaves no block behind, nothing but the heap
// changes, and what it freed is free.
static bool can_repeat(void) {
    const program *program = stage.player.program;
    const program_step *steps = program_steps(program);
    if (stage.cell->order.threads || program->steps != program->steps_timed) return false;
    if (!(stage.allocator.capabilities & LM_FREES_BLOCKS)) return false;
    for (uint64_t i = 0; i < program->steps; i += program_verb_steps(program_step_verb(&steps[i])))
        if (program_step_verb(&steps[i]) >= PROGRAM_GROW) return false;
    return true;
}

// Whether passes are long enough, by far and several times in a row: one may be long because it was
// preempted, all of them because another program shared the core.
static bool passes_are_long(void) {
    enum { PASSES_IN_A_ROW = 5 };
    static const double margin = 10;
    for (int i = 0; i < PASSES_IN_A_ROW; i++)
        if (stage_pass() * (double)stage.plays <= margin * stage.pass_ns_min) return false;
    return true;
}

void stage_fit_passes(void) {
    enum { PLAYS_MAX = 1 << 20 };
    static const double certain = 1000; // no warm pass is that much faster than the cold one
    stage.pass_ns_min = (double)CELL_STEPS_MIN * clock_step_ns();
    if (stage.cell->outcome.cold_ns > certain * stage.pass_ns_min || !can_repeat()) return;
    while (stage.plays < PLAYS_MAX && !passes_are_long())
        stage.plays *= 2;
}

void stage_judge_passes(void) {
    cell_outcome *outcome = &stage.cell->outcome;
    outcome->cold_short = outcome->cold_ns < stage.pass_ns_min;
    for (uint32_t i = 0; i < outcome->warm_passes; i++)
        outcome->warm_short |= outcome->warm_ns[i] * (double)stage.plays < stage.pass_ns_min;
}

// How many calls of the malloc family the program makes of a system malloc.
static uint64_t heap_calls(const program *program) {
    const program_step *steps = program_steps(program);
    uint64_t calls = 0;
    for (uint64_t i = 0; i < program->steps;) {
        program_verb verb = program_step_verb(&steps[i]);
        calls += verb < PROGRAM_GROW;
        calls += verb == PROGRAM_ALIGNED_RESIZE; // a new block, and the old one freed
        i += program_verb_steps(verb);
    }
    return calls;
}

// The lanes at once, after which the heap must be sound and hold none of their blocks.
static void verify_lanes(void) {
    lm_census census = {0};
    lanes_play(&stage.player.failures);
    player_close(&stage.player);
    if (!stage.player.memory) return; // a system malloc's heap cannot be walked
    const char *broken = stage.allocator.validate(&stage.memory, &census);
    if (broken) fail("a law is broken after the lanes played at once", broken);
    if (census.live_blocks) fail("after the lanes played at once", "blocks are live");
}

void stage_verify(void) {
    cell_outcome *outcome = &stage.cell->outcome;
    rewind_allocator();
    verifier *verifier = verifier_new(&stage.allocator, stage.player.memory, stage.player.program,
                                      CELL_WALK_EVERY, outcome->failure, sizeof outcome->failure);
    if (!verifier) {
        fail("the verifier", strerror(errno));
        return;
    }
    const volatile uint64_t *calls = dlsym(RTLD_DEFAULT, "linmem_heap_calls");
    uint64_t before = calls ? *calls : 0;
    player_play_observed(&stage.player, verifier_observer(verifier));
    if (calls) outcome->harness_calls = *calls - before - heap_calls(stage.player.program);
    verifier_end(verifier);
    if (stage.cell->order.threads) verify_lanes();
    check_failures();
    if (outcome->harness_calls) fail("not measurable", "the harness uses the measured heap");
}
