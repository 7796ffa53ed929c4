// The explorer's program, which `linmem explore` starts for each allocator: everything in it is
// compiled at the explorer's geometry. Writes the result as JSON to descriptor 3.
#include "cli/options.h"
#include "cli/verb.h"
#include "fuzz/explorer/buffer_world.h"
#include "fuzz/explorer/heap_world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *allocator, *trace;
    heap_world_options heap;
    uint32_t depth;
    int level;
    bool refuse, plain;
} settings;

enum { KEY_DEPTH = 256, KEY_SIZES, KEY_REFUSE, KEY_LEVEL, KEY_TRACE, KEY_PLAIN, KEY_VERBS };

static const struct argp_option options[] = {
    {"depth", KEY_DEPTH, "N", 0, "operations of the longest sequences", 0},
    {"sizes", KEY_SIZES, "S,…", 0, "sizes that are asked for", 0},
    {"verbs", KEY_VERBS, "LETTERS", 0, "what is played (" HEAP_WORLD_VERBS ")", 0},
    {"refuse", KEY_REFUSE, NULL, 0, "growth refused at every point", 0},
    {"level", KEY_LEVEL, "0|1", 0, "check level", 0},
    {"trace", KEY_TRACE, "FILE", 0, "where a violation's trace goes", 0},
    {"plain", KEY_PLAIN, NULL, 0, "states as they are, not made canonical", 0},
    {0},
};

static void read_sizes(heap_world_options *heap, char *text) {
    char **sizes = options_split(text);
    heap->size_count = 0;
    for (size_t i = 0; sizes[i]; i++) {
        if (heap->size_count == HEAP_WORLD_SIZES_MAX) options_fail("too many sizes");
        heap->sizes[heap->size_count++] = (uint32_t)options_number("size", sizes[i], 0, 16384);
    }
    free(sizes);
}

static error_t parse(int key, char *text, struct argp_state *state) {
    settings *s = state->input;
    switch (key) {
    case KEY_DEPTH:
        s->depth = (uint32_t)options_number("depth", text, 1, EXPLORER_DEPTH_MAX);
        return 0;
    case KEY_SIZES:
        read_sizes(&s->heap, text);
        return 0;
    case KEY_VERBS:
        s->heap.verbs = text;
        return 0;
    case KEY_REFUSE:
        s->refuse = true;
        return 0;
    case KEY_LEVEL:
        s->level = (int)options_number("level", text, 0, 1);
        return 0;
    case KEY_TRACE:
        s->trace = text;
        return 0;
    case KEY_PLAIN:
        s->plain = true;
        return 0;
    case ARGP_KEY_ARG:
        s->allocator = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// Writes the shortest trace that leads to what was found. False: it says why.
static bool write_trace(const settings *s, explorer_world *world, const exploration *result) {
    trace_error error;
    trace trace;
    char text[400];
    trace_builder *builder = trace_builder_new();
    if (!builder) return false;
    snprintf(text, sizeof text, "%s: broken %s: %s\nFound by linmem explore, in pages of %d bytes.",
             s->allocator, law_names[result->broken], result->finding, LM_PAGE_BYTES);
    trace_builder_comment(builder, text);
    if (!world->trace(world, result->moves_to, result->move_count, builder, &error)) {
        trace_builder_abandon(builder);
    } else if (trace_builder_finish(builder, &trace, &error)) {
        bool written = trace_write(&trace, s->trace, &error);
        trace_free(&trace);
        if (written) return true;
    }
    fprintf(stderr, "linmem-explorer: %s: %s\n", s->trace, error.text);
    return false;
}

static json_t *result_json(const settings *s, const exploration *r) {
    json_t *violations = json_array();
    if (r->broken != LAW_NONE) {
        json_t *violation = json_pack("{ss ss si}", "law", law_names[r->broken], "how", r->finding,
                                      "operations", (int)r->move_count);
        if (s->trace) json_object_set_new(violation, "trace", json_string(s->trace));
        json_array_append_new(violations, violation);
    }
    return json_pack("{ss si sI sI sI sf so}", "allocator", s->allocator, "depth", (int)r->depth,
                     "states", (json_int_t)r->states, "moves", (json_int_t)r->moves, "sequences",
                     (json_int_t)r->sequences, "seconds", r->seconds, "violations", violations);
}

int main(int argc, char **argv) {
    static const struct argp argp = {.options = options, .parser = parse, .args_doc = "ALLOCATOR"};
    settings s = {
        .depth = 5,
        .level = 1,
        .heap = {.sizes = {8, 60, 250, 1000}, .size_count = 4, .verbs = HEAP_WORLD_VERBS}};
    exploration result;
    options_parse(&argp, argc, argv, &s);
    bool buffers = s.allocator && strcmp(s.allocator, "buffers") == 0;
    s.heap.strategy = s.allocator ? explored_strategy_named(s.allocator, s.level) : NULL;
    if (!s.heap.strategy && !buffers) options_fail("which allocator?");
    s.heap.canonicalize = !s.plain;
    s.heap.probe = true;
    s.heap.depth = s.depth;
    explorer_world *world = buffers ? buffer_world_new(s.level) : heap_world_new(&s.heap);
    if (!world || !explorer_run(world, s.depth, s.refuse, &result)) options_fail("out of memory");
    bool held = result.broken == LAW_NONE;
    if (!held && s.trace && !write_trace(&s, world, &result)) return EXIT_USAGE;
    json_t *json = result_json(&s, &result);
    if (json_dumpfd(json, 3, JSON_COMPACT) != 0) return EXIT_USAGE;
    json_decref(json);
    (buffers ? buffer_world_free : heap_world_free)(world);
    return held ? EXIT_HELD : EXIT_BROKEN;
}
