// same_heap_test ENGINE: a verified replay natively and in the engine leaves the same bytes in the
// heap of every strategy, and the same pages. Exits with 77, which counts as skipped, if the engine
// is not installed, or if it is not v8 and LINMEM_TEST_ALL is not set.
#include "alloc/registry.h"
#include "alloc/wasm/same_bytes.h"
#include "bench/engines/module/module.h"
#include "bench/process.h"
#include "cli/test.h"
#include "cli/text.h"
#include "corpus/replay/verifier.h"

#define WORKLOAD "convert"

enum { SKIPPED = 77, CELL_SECONDS = 120, HEAP_PAGE = MODULE_HEAP_ALIGNMENT / LM_PAGE_BYTES };

static const engine *tested;
static workload played;

// Replays natively, at the offsets that the module uses. Returns "PAGES pages, HASH", to be freed.
static char *native_heap(const lm_allocator *strategy) {
    lm_memory memory;
    lm_memory_options options = {.pages = HEAP_PAGE,
                                 .pages_max = LM_PAGES_MAX,
                                 .heap_start = MODULE_HEAP_ALIGNMENT + LM_BLOCK_ALIGNMENT};
    assert_true(lm_memory_create(&memory, &options));
    assert_true(strategy->start(&memory));
    const replay *replay = replay_map(played.replay);
    assert_non_null(replay);
    void **slots = calloc(replay->slots + 1, sizeof *slots);
    player player = {strategy, &memory, replay, slots, 0};
    char failure[160];
    verifier *verifier =
        verifier_new(strategy, &memory, replay, CELL_WALK_EVERY, failure, sizeof failure);
    assert_non_null(verifier);
    player_play_observed(&player, verifier_observer(verifier));
    verifier_end(verifier);
    assert_string_equal(failure, "");
    char *heap = text_format("%u pages, %016llx", lm_memory_pages(&memory) - HEAP_PAGE,
                             (unsigned long long)same_bytes_hash(&memory));
    free(slots);
    lm_memory_destroy(&memory);
    return heap;
}

// The same in the engine.
static char *engine_heap(process *process, const char *strategy) {
    candidate candidate = candidate_parse(strategy, LM_COMMIT_4K);
    cell_request request = {.verify = 1, .heap_start = LM_BLOCK_ALIGNMENT};
    char status[200];
    process_start(process, &candidate, &played, &request, -1, 1);
    process_wait(process, CELL_SECONDS, status, sizeof status);
    if (strcmp(status, "ok") != 0) fail_msg("%s: %s", strategy, status);
    const cell_outcome *outcome = &process->shared->outcome;
    return text_format("%llu pages, %s",
                       (unsigned long long)(outcome->peak_heap_bytes / LM_PAGE_BYTES),
                       outcome->heap_hash);
}

TEST(every_strategy_leaves_the_same_heap) {
    process *process = process_new(tested);
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *strategy = lm_strategy_at(i, 0);
        char *natively = native_heap(strategy), *there = engine_heap(process, strategy->name);
        print_message("%-12s %s\n", strategy->name, there);
        assert_string_equal(natively, there);
        free(natively);
        free(there);
    }
    process_free(process);
}

int main(int argc, char **argv) {
    tested = argc == 2 ? engine_named(argv[1]) : NULL;
    if (!tested) {
        fprintf(stderr, "usage: same_heap_test ENGINE\n");
        return 2;
    }
    bool wanted = strcmp(tested->name, "v8") == 0 || getenv("LINMEM_TEST_ALL");
    char *module = engine_module(tested, lm_strategy_at(0, 0)->name);
    if (!wanted || !engine_program(tested) || !module) return SKIPPED;
    free(module);
    workload_load(&played, WORKLOAD);
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
