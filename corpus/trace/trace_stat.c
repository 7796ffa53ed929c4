#include "corpus/trace/trace_stat.h"

#include "cli/json.h"
#include "corpus/trace/buffer_model.h"
#include "corpus/trace/scopes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct live_block {
    uint64_t began, bytes;
} live_block;

// Buffers are numbered after the blocks.
typedef struct state {
    trace_stat *stat;
    buffer_model model;
    scopes scopes;
    uint32_t first_buffer;
    live_block *blocks;  // by number
    uint64_t *lifetimes; // of the blocks that were freed before the exit
    uint64_t *collected; // by token: the position of its c
    uint64_t *lags;      // of the tokens that were collected before the exit
    uint64_t ended, live_blocks, live_bytes, references, lag_count;
    bool exited;
} state;

static void trace_stat_raise(uint64_t *peak, uint64_t value) {
    if (value > *peak) *peak = value;
}

static void trace_stat_resize(state *state, uint32_t block, uint64_t bytes) {
    uint64_t old = state->blocks[block].bytes;
    state->blocks[block].bytes = bytes;
    if (bytes > old) state->stat->total_bytes += bytes - old;
    state->live_bytes += bytes - old;
    trace_stat_raise(&state->stat->peak_live_bytes, state->live_bytes);
}

static void trace_stat_begin(state *state, uint32_t block, const trace_operation *operation,
                             uint64_t now) {
    uint32_t bytes = operation->argument[1];
    state->stat->blocks++;
    state->stat->sizes[bytes ? 32 - __builtin_clz(bytes) : 0]++;
    state->stat->alignments[__builtin_ctz(operation->argument[2])]++;
    trace_stat_raise(&state->stat->peak_live_blocks, ++state->live_blocks);
    state->blocks[block].began = now;
    trace_stat_resize(state, block, bytes);
}

static void trace_stat_end(state *state, uint32_t block, uint64_t now) {
    state->live_blocks--;
    state->live_bytes -= state->blocks[block].bytes;
    if (!state->exited) state->lifetimes[state->ended++] = now - state->blocks[block].began;
}

static void trace_stat_count_buffers(state *state, const trace_operation *operation, uint64_t now) {
    trace_stat *stat = state->stat;
    buffer_model *model = &state->model;
    uint32_t first = model->queue_first;
    stat->refused += !buffer_model_play(model, operation);
    for (uint32_t i = 0; i < model->died_count; i++)
        trace_stat_end(state, state->first_buffer + model->died[i], now);
    for (; first < model->queue_first; first++) {
        uint64_t collected = state->collected[model->queue[first]];
        if (!state->exited) state->lags[state->lag_count++] = now - collected;
    }
    switch (operation->verb) {
    case TRACE_BUFFER:
        trace_stat_begin(state, state->first_buffer + model->begun - 1, operation, now);
        __attribute__((fallthrough));
    case TRACE_RETAIN:
    case TRACE_VIEW:
        trace_stat_raise(&stat->peak_references, ++state->references);
        break;
    case TRACE_RELEASE:
        state->references--;
        break;
    case TRACE_COLLECT:
        stat->collected += !state->exited;
        state->collected[operation->argument[0]] = now;
        trace_stat_raise(&stat->peak_waiting_tokens, model->queue_end - model->queue_first);
        break;
    case TRACE_DRAIN:
        state->references -= model->drained;
        break;
    default:
        break;
    }
    trace_stat_raise(&stat->peak_live_buffers, model->live_buffers);
}

static void trace_stat_count(state *state, const trace_operation *operation, uint64_t now) {
    uint32_t block = operation->argument[0];
    trace_stat_count_buffers(state, operation, now);
    scopes_play(&state->scopes, operation);
    for (uint32_t i = 0; i < state->scopes.ended_count; i++)
        trace_stat_end(state, state->scopes.ended[i], now);
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        trace_stat_begin(state, block, operation, now);
        break;
    case TRACE_RESIZE:
        trace_stat_resize(state, block, operation->argument[1]);
        break;
    case TRACE_EXIT:
        state->exited = true;
        state->stat->blocks_to_end = state->live_blocks;
        break;
    default:
        break;
    }
}

static int trace_stat_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Sorts the values. Sets their median and 90th percentile if there are any.
static void trace_stat_spread(uint64_t *values, uint64_t count, uint64_t *median, uint64_t *high) {
    if (!count) return;
    qsort(values, count, sizeof *values, trace_stat_compare);
    *median = values[(count - 1) / 2];
    *high = values[(count - 1) * 9 / 10];
}

static bool trace_stat_make_room(state *state, const trace *trace) {
    if (!buffer_model_start(&state->model, trace) || !scopes_begin(&state->scopes, trace))
        return false;
    size_t blocks = (size_t)trace->blocks + state->model.buffer_count + 1;
    size_t tokens = (size_t)trace->tokens + 1;
    state->first_buffer = trace->blocks;
    state->blocks = calloc(blocks, sizeof *state->blocks);
    state->lifetimes = calloc(blocks, sizeof *state->lifetimes);
    state->collected = calloc(tokens, sizeof *state->collected);
    state->lags = calloc(tokens, sizeof *state->lags);
    return state->blocks && state->lifetimes && state->collected && state->lags;
}

bool trace_stat_take(const trace *trace, trace_stat *stat) {
    *stat = (trace_stat){.operations = trace->count,
                         .references = trace->references,
                         .tokens = trace->tokens,
                         .lanes = trace->lanes,
                         .memories = trace->memories};
    state state = {.stat = stat};
    bool room = trace_stat_make_room(&state, trace);
    for (size_t i = 0; room && i < trace->count; i++) {
        stat->verbs[trace->operations[i].verb]++;
        trace_stat_count(&state, &trace->operations[i], i);
    }
    stat->buffers = stat->verbs[TRACE_BUFFER];
    stat->views = stat->verbs[TRACE_VIEW];
    trace_stat_spread(state.lifetimes, state.ended, &stat->lifetime_median_operations,
                      &stat->lifetime_90th_operations);
    trace_stat_spread(state.lags, state.lag_count, &stat->lag_median_operations,
                      &stat->lag_90th_operations);
    buffer_model_end(&state.model);
    scopes_end(&state.scopes);
    free(state.blocks);
    free(state.lifetimes);
    free(state.collected);
    free(state.lags);
    return room;
}

static double trace_stat_percent(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t trace_stat_class_from(int class) {
    return class ? UINT64_C(1) << (class - 1) : 0;
}
static uint64_t trace_stat_class_to(int class) {
    return (UINT64_C(1) << class) - 1;
}

static void trace_stat_print_sizes(const trace_stat *stat, FILE *stream) {
    fprintf(stream, "sizes (bytes)\n");
    for (int i = 0; i < TRACE_STAT_SIZES; i++) {
        if (!stat->sizes[i]) continue;
        double share = trace_stat_percent(stat->sizes[i], stat->blocks);
        fprintf(stream, "  %10" PRIu64 " .. %-10" PRIu64 " %12" PRIu64 " %5.1f %% ",
                trace_stat_class_from(i), trace_stat_class_to(i), stat->sizes[i], share);
        for (int bar = 0; bar < (int)(share / 4); bar++)
            putc('#', stream);
        putc('\n', stream);
    }
}

static void trace_stat_print_buffers(const trace_stat *stat, FILE *stream) {
    fprintf(stream, "buffers         %20" PRIu64 " of the blocks; at most %" PRIu64 " at once\n",
            stat->buffers, stat->peak_live_buffers);
    fprintf(stream, "references      %20" PRIu64 " at most %" PRIu64 " at once\n", stat->references,
            stat->peak_references);
    fprintf(stream, "  views         %20" PRIu64 "\n", stat->views);
    fprintf(stream, "  refused       %20" PRIu64 " views and copies\n", stat->refused);
    fprintf(stream, "finalizers      %20" PRIu64 " attached\n", stat->tokens);
    fprintf(stream, "  collected     %20" PRIu64 " before the exit, at most %" PRIu64 " waiting\n",
            stat->collected, stat->peak_waiting_tokens);
    fprintf(stream, "  lag           %20" PRIu64 " operations from c to d, the median\n",
            stat->lag_median_operations);
    fprintf(stream, "                %20" PRIu64 " operations, the 90th percentile\n",
            stat->lag_90th_operations);
}

void trace_stat_print(const trace_stat *stat, FILE *stream) {
    fprintf(stream, "operations      %20" PRIu64 "\n", stat->operations);
    for (int i = 0; i < TRACE_VERBS; i++)
        if (stat->verbs[i])
            fprintf(stream, "  %c %-11s %20" PRIu64 " %5.1f %%\n", trace_grammar[i].letter,
                    trace_grammar[i].name, stat->verbs[i],
                    trace_stat_percent(stat->verbs[i], stat->operations));
    fprintf(stream, "lanes           %20" PRIu32 "\n", stat->lanes);
    fprintf(stream, "memories        %20" PRIu32 "\n", stat->memories);
    fprintf(stream, "peak live bytes %20" PRIu64 "\n", stat->peak_live_bytes);
    fprintf(stream, "peak live blocks%20" PRIu64 "\n", stat->peak_live_blocks);
    fprintf(stream, "total bytes     %20" PRIu64 "\n", stat->total_bytes);
    fprintf(stream, "live to the end %20" PRIu64 " %5.1f %% of all blocks\n", stat->blocks_to_end,
            trace_stat_percent(stat->blocks_to_end, stat->blocks));
    fprintf(stream, "lifetime        %20" PRIu64 " operations, the median of the others\n",
            stat->lifetime_median_operations);
    fprintf(stream, "                %20" PRIu64 " operations, their 90th percentile\n",
            stat->lifetime_90th_operations);
    if (stat->buffers) trace_stat_print_buffers(stat, stream);
    trace_stat_print_sizes(stat, stream);
    fprintf(stream, "alignments (bytes)\n");
    for (int i = 0; i < TRACE_STAT_ALIGNMENTS; i++)
        if (stat->alignments[i])
            fprintf(stream, "  %24u %12" PRIu64 " %5.1f %%\n", 1U << i, stat->alignments[i],
                    trace_stat_percent(stat->alignments[i], stat->blocks));
}

static json_t *trace_stat_whole(uint64_t number) {
    return json_integer((json_int_t)number);
}

// A figure's key and value, for json_fields.
#define FIGURE(name) #name, trace_stat_whole(stat->name)

json_t *trace_stat_json(const trace_stat *stat) {
    json_t *buffers =
        json_fields("count", trace_stat_whole(stat->buffers), FIGURE(references), FIGURE(views),
                    FIGURE(refused), FIGURE(tokens), FIGURE(collected), FIGURE(peak_live_buffers),
                    FIGURE(peak_references), FIGURE(peak_waiting_tokens),
                    FIGURE(lag_median_operations), FIGURE(lag_90th_operations), NULL);
    json_t *verbs = json_object(), *sizes = json_array(), *alignments = json_array();
    for (int i = 0; i < TRACE_VERBS; i++)
        if (stat->verbs[i])
            json_set(verbs, trace_grammar[i].name, trace_stat_whole(stat->verbs[i]));
    for (int i = 0; i < TRACE_STAT_SIZES; i++)
        if (stat->sizes[i])
            json_add(sizes, json_fields("from", trace_stat_whole(trace_stat_class_from(i)), "to",
                                        trace_stat_whole(trace_stat_class_to(i)), "count",
                                        trace_stat_whole(stat->sizes[i]), NULL));
    for (int i = 0; i < TRACE_STAT_ALIGNMENTS; i++)
        if (stat->alignments[i])
            json_add(alignments, json_fields("bytes", json_integer(1LL << i), "count",
                                             trace_stat_whole(stat->alignments[i]), NULL));
    return json_fields(FIGURE(operations), FIGURE(blocks), "verbs", verbs, FIGURE(lanes),
                       FIGURE(memories), FIGURE(peak_live_bytes), FIGURE(peak_live_blocks),
                       FIGURE(total_bytes), FIGURE(blocks_to_end),
                       FIGURE(lifetime_median_operations), FIGURE(lifetime_90th_operations),
                       "sizes", sizes, "alignments", alignments, "buffers", buffers, NULL);
}
