#include "fuzz/play/out_of_memory.h"

#include <stdlib.h>

size_t out_of_memory_operations(const trace_operation *operations, size_t count,
                                const out_of_memory *played, trace_operation *refused) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == played->operation)
            refused[made++] = (trace_operation){.verb = TRACE_REFUSE, .argument = {played->count}};
        bool lifts = operations[i].verb == TRACE_REFUSE && i >= played->operation;
        if (!lifts || played->count != TRACE_COUNT_ALL) refused[made++] = operations[i];
    }
    return made;
}

static bool start(heap_player *player, const heap_options *options,
                  const trace_operation *operations, size_t count, size_t *at) {
    bool placed = count && operations[0].verb == TRACE_HEAP;
    *at = placed;
    return heap_player_start(player, options, placed ? operations : NULL);
}

static bool ends(const trace_operation *operations, size_t count, size_t at) {
    return at == count || operations[at].verb == TRACE_EXIT;
}

// Plays without failures, and marks the operations that grow the memory.
static bool find_growths(heap_player *player, const heap_options *options,
                         const trace_operation *operations, size_t count, bool *grows,
                         out_of_memory *played) {
    if (!start(player, options, operations, count, &played->at)) return false;
    for (; !ends(operations, count, played->at); played->at++) {
        uint32_t pages = lm_memory_pages(&player->memory);
        if (!heap_player_play(player, &operations[played->at])) return false;
        grows[played->at] =
            operations[played->at].verb != TRACE_GROW && lm_memory_pages(&player->memory) > pages;
        played->growths += grows[played->at];
    }
    return heap_player_end(player);
}

// Plays the operation whose growth fails, with a walk before and after.
static bool play_refused(heap_player *player, const trace_operation *operation,
                         out_of_memory *played) {
    oracle *oracle = &player->heap.oracle;
    if (oracle_walks_cheaply(oracle) && !oracle_walk(oracle)) return false;
    lm_memory_refuse(&player->memory, played->count);
    uint32_t pages = lm_memory_pages(&player->memory);
    if (!heap_player_play(player, operation) || !oracle_contents(oracle)) return false;
    played->refused += lm_memory_pages(&player->memory) == pages;
    return !oracle_walks_cheaply(oracle) || oracle_walk(oracle);
}

static bool play(heap_player *player, const heap_options *options,
                 const trace_operation *operations, size_t count, out_of_memory *played) {
    if (!start(player, options, operations, count, &played->at)) return false;
    for (; !ends(operations, count, played->at); played->at++) {
        const trace_operation *operation = &operations[played->at];
        if (played->at > played->operation && played->count == TRACE_COUNT_ALL &&
            operation->verb == TRACE_REFUSE)
            continue;
        if (!(played->at == played->operation ? play_refused(player, operation, played)
                                              : heap_player_play(player, operation)))
            return false;
    }
    played->plays++;
    return heap_player_end(player);
}

// Every n-th growth fails: returns n.
static size_t growths_a_refusal(const out_of_memory *played, size_t count) {
    return 2 * played->growths * count / OUT_OF_MEMORY_OPERATIONS_MAX + 1;
}

bool out_of_memory_run(heap_player *player, const heap_options *options,
                       const trace_operation *operations, size_t count, out_of_memory *played) {
    *played = (out_of_memory){.operation = count};
    bool *grows = calloc(count + 1, sizeof *grows);
    bool holds = grows && find_growths(player, options, operations, count, grows, played);
    size_t every = growths_a_refusal(played, count), growth = 0;
    for (size_t i = 0; holds && i < count; i++) {
        if (!grows[i] || growth++ % every) continue;
        played->operation = i;
        played->tried++;
        for (int for_ever = 0; holds && for_ever < 2; for_ever++) {
            played->count = for_ever ? TRACE_COUNT_ALL : 1;
            holds = play(player, options, operations, count, played);
        }
    }
    free(grows);
    return holds;
}
