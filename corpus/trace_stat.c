#include "corpus/trace_stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct live_block {
    uint64_t began, bytes;
} live_block;

typedef struct state {
    trace_stat *stat;
    live_block *blocks;  // by number
    uint64_t *lifetimes; // of the blocks that were freed before the exit
    uint64_t ended, live_blocks, live_bytes;
    bool exited;
} state;

static void resize(state *state, uint32_t block, uint64_t bytes) {
    uint64_t old = state->blocks[block].bytes;
    state->blocks[block].bytes = bytes;
    if (bytes > old) state->stat->total_bytes += bytes - old;
    state->live_bytes += bytes - old;
    if (state->live_bytes > state->stat->peak_live_bytes)
        state->stat->peak_live_bytes = state->live_bytes;
}

static void count(state *state, const trace_operation *operation, uint64_t now) {
    trace_stat *stat = state->stat;
    uint32_t block = operation->argument[0], bytes = operation->argument[1];
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        stat->sizes[bytes ? 32 - __builtin_clz(bytes) : 0]++;
        stat->alignments[__builtin_ctz(operation->argument[2])]++;
        if (++state->live_blocks > stat->peak_live_blocks)
            stat->peak_live_blocks = state->live_blocks;
        state->blocks[block].began = now;
        resize(state, block, bytes);
        break;
    case TRACE_RESIZE:
        resize(state, block, bytes);
        break;
    case TRACE_FREE:
        state->live_blocks--;
        state->live_bytes -= state->blocks[block].bytes;
        if (!state->exited) state->lifetimes[state->ended++] = now - state->blocks[block].began;
        break;
    case TRACE_EXIT:
        state->exited = true;
        stat->blocks_to_end = state->live_blocks;
        break;
    default:
        break;
    }
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool trace_stat_take(const trace *trace, trace_stat *stat) {
    *stat = (trace_stat){.operations = trace->count,
                         .blocks = trace->blocks,
                         .lanes = trace->lanes,
                         .memories = trace->memories};
    state state = {.stat = stat,
                   .blocks = calloc((size_t)trace->blocks + 1, sizeof *state.blocks),
                   .lifetimes = calloc((size_t)trace->blocks + 1, sizeof *state.lifetimes)};
    bool room = state.blocks && state.lifetimes;
    for (size_t i = 0; room && i < trace->count; i++) {
        stat->verbs[trace->operations[i].verb]++;
        count(&state, &trace->operations[i], i);
    }
    if (room && state.ended) {
        qsort(state.lifetimes, state.ended, sizeof *state.lifetimes, compare);
        stat->lifetime_median_operations = state.lifetimes[(state.ended - 1) / 2];
        stat->lifetime_90th_operations = state.lifetimes[(state.ended - 1) * 9 / 10];
    }
    free(state.blocks);
    free(state.lifetimes);
    return room;
}

static double percent(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t class_from(int class) {
    return class ? UINT64_C(1) << (class - 1) : 0;
}
static uint64_t class_to(int class) {
    return (UINT64_C(1) << class) - 1;
}

static void print_sizes(const trace_stat *stat, FILE *stream) {
    fprintf(stream, "sizes (bytes)\n");
    for (int i = 0; i < TRACE_STAT_SIZES; i++) {
        if (!stat->sizes[i]) continue;
        double share = percent(stat->sizes[i], stat->blocks);
        fprintf(stream, "  %10" PRIu64 " .. %-10" PRIu64 " %12" PRIu64 " %5.1f %% ", class_from(i),
                class_to(i), stat->sizes[i], share);
        for (int bar = 0; bar < (int)(share / 4); bar++)
            putc('#', stream);
        putc('\n', stream);
    }
}

void trace_stat_print(const trace_stat *stat, FILE *stream) {
    fprintf(stream, "operations      %20" PRIu64 "\n", stat->operations);
    for (int i = 0; i < TRACE_VERBS; i++)
        if (stat->verbs[i])
            fprintf(stream, "  %c %-11s %20" PRIu64 " %5.1f %%\n", trace_grammar[i].letter,
                    trace_grammar[i].name, stat->verbs[i],
                    percent(stat->verbs[i], stat->operations));
    fprintf(stream, "lanes           %20" PRIu32 "\n", stat->lanes);
    fprintf(stream, "memories        %20" PRIu32 "\n", stat->memories);
    fprintf(stream, "peak live bytes %20" PRIu64 "\n", stat->peak_live_bytes);
    fprintf(stream, "peak live blocks%20" PRIu64 "\n", stat->peak_live_blocks);
    fprintf(stream, "total bytes     %20" PRIu64 "\n", stat->total_bytes);
    fprintf(stream, "live to the end %20" PRIu64 " %5.1f %% of all blocks\n", stat->blocks_to_end,
            percent(stat->blocks_to_end, stat->blocks));
    fprintf(stream, "lifetime        %20" PRIu64 " operations, the median of the others\n",
            stat->lifetime_median_operations);
    fprintf(stream, "                %20" PRIu64 " operations, their 90th percentile\n",
            stat->lifetime_90th_operations);
    print_sizes(stat, stream);
    fprintf(stream, "alignments (bytes)\n");
    for (int i = 0; i < TRACE_STAT_ALIGNMENTS; i++)
        if (stat->alignments[i])
            fprintf(stream, "  %24u %12" PRIu64 " %5.1f %%\n", 1U << i, stat->alignments[i],
                    percent(stat->alignments[i], stat->blocks));
}

json_t *trace_stat_json(const trace_stat *stat) {
    json_t *verbs = json_object(), *sizes = json_array(), *alignments = json_array();
    for (int i = 0; i < TRACE_VERBS; i++)
        if (stat->verbs[i])
            json_object_set_new(verbs, trace_grammar[i].name,
                                json_integer((json_int_t)stat->verbs[i]));
    for (int i = 0; i < TRACE_STAT_SIZES; i++)
        if (stat->sizes[i])
            json_array_append_new(sizes, json_pack("{sI sI sI}", "from", (json_int_t)class_from(i),
                                                   "to", (json_int_t)class_to(i), "count",
                                                   (json_int_t)stat->sizes[i]));
    for (int i = 0; i < TRACE_STAT_ALIGNMENTS; i++)
        if (stat->alignments[i])
            json_array_append_new(alignments, json_pack("{si sI}", "bytes", 1 << i, "count",
                                                        (json_int_t)stat->alignments[i]));
    return json_pack(
        "{sI sI so sI sI sI sI sI sI sI sI so so}", "operations", (json_int_t)stat->operations,
        "blocks", (json_int_t)stat->blocks, "verbs", verbs, "lanes", (json_int_t)stat->lanes,
        "memories", (json_int_t)stat->memories, "peak_live_bytes",
        (json_int_t)stat->peak_live_bytes, "peak_live_blocks", (json_int_t)stat->peak_live_blocks,
        "total_bytes", (json_int_t)stat->total_bytes, "blocks_to_end",
        (json_int_t)stat->blocks_to_end, "lifetime_median_operations",
        (json_int_t)stat->lifetime_median_operations, "lifetime_90th_operations",
        (json_int_t)stat->lifetime_90th_operations, "sizes", sizes, "alignments", alignments);
}
