// linmem-explorer, which `linmem explore` starts once per allocator; all of it is compiled at the
// explorer's geometry. Writes its result as JSON to descriptor 3.
#include "cli/json.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "fuzz/explore/explored_trace.h"
#include "fuzz/explore/explorer/buffer_world.h"
#include "fuzz/explore/explorer/heap_world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFERS "buffers" // all buffer state spaces; BUFFERS:WORLD is one

typedef struct settings {
    const char *allocator, *trace, *play;
    heap_world_options heap;
    uint32_t depth, memory_mib; // memory_mib 0: no limit
    int level;
    bool refuse, plain, list;
} settings;

enum {
    KEY_DEPTH = 256,
    KEY_SIZES,
    KEY_REFUSE,
    KEY_LEVEL,
    KEY_TRACE,
    KEY_PLAIN,
    KEY_VERBS,
    KEY_PLAY,
    KEY_LIST,
    KEY_MEMORY,
};

static const struct argp_option options[] = {
    {"depth", KEY_DEPTH, "N", 0, "Length of the longest sequences", 0},
    {"sizes", KEY_SIZES, "S,…", 0, "Request sizes in bytes", 0},
    {"verbs", KEY_VERBS, "LETTERS", 0, "Operations to explore (" HEAP_WORLD_VERBS ")", 0},
    {"refuse", KEY_REFUSE, NULL, 0,
     "Explore also every operation with one of its memory growths refused", 0},
    {"level", KEY_LEVEL, "0|1", 0, "Check level of the allocators", 0},
    {"trace", KEY_TRACE, "FILE", 0, "Write a violation's trace to FILE", 0},
    {"plain", KEY_PLAIN, NULL, 0, "Do not merge states that behave alike", 0},
    {"play", KEY_PLAY, "TRACE", 0,
     "Instead of exploring, replay this explorer's trace, on its allocator or on ALLOCATOR", 0},
    {"memory", KEY_MEMORY, "MIB", 0,
     "Limit of the memory for states in MiB; exploring stops at the depth that needs more", 0},
    {"list", KEY_LIST, NULL, 0, "Instead of exploring, list what can be explored", 0},
    {0},
};

static void read_sizes(heap_world_options *heap, char *text) {
    char **sizes = options_split(text);
    heap->size_count = 0;
    for (size_t i = 0; sizes[i]; i++) {
        if (heap->size_count == HEAP_WORLD_SIZES_MAX) options_fail("too many sizes");
        heap->sizes[heap->size_count++] =
            (uint32_t)options_number("size", sizes[i], 0, HEAP_WORLD_SIZE_MAX);
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
    case KEY_PLAY:
        s->play = text;
        return 0;
    case KEY_MEMORY:
        s->memory_mib = (uint32_t)options_number("memory", text, 1, EXPLORER_MEMORY_MIB_MAX);
        return 0;
    case KEY_LIST:
        s->list = true;
        return 0;
    case ARGP_KEY_ARG:
        s->allocator = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// ---- Worlds -------------------------------------------------------------------------------------

static const char *buffers_world(const char *name) {
    static const char start[] = BUFFERS ":";
    return strncmp(name, start, sizeof start - 1) == 0 ? name + sizeof start - 1 : NULL;
}

// Creates the world of a name: a strategy or BUFFERS:WORLD.
static explorer_world *world_named(const settings *s, const char *name, bool probe) {
    const char *buffers = buffers_world(name);
    heap_world_options heap = s->heap;
    heap.strategy = explored_strategy_named(name, s->level);
    heap.canonicalize = !s->plain;
    heap.probe = probe;
    heap.depth = s->depth;
    explorer_world *world =
        buffers         ? buffer_world_new(&(buffer_world_options){s->level, buffers, probe})
        : heap.strategy ? heap_world_new(&heap)
                        : NULL;
    if (!world) options_fail("unknown allocator '%s'", name);
    return world;
}

static void free_world(const char *name, explorer_world *world) {
    (buffers_world(name) ? buffer_world_free : heap_world_free)(world);
}

// ---- The result ---------------------------------------------------------------------------------

static json_t *result_json(const settings *s, const exploration *r) {
    json_t *violations = json_array();
    if (r->broken != LAW_NONE) {
        json_t *violation =
            json_fields("law", json_text(law_names[r->broken]), "how", json_text(r->finding),
                        "operations", json_integer(r->move_count), NULL);
        if (s->trace) json_set(violation, "trace", json_text(s->trace));
        json_add(violations, violation);
    }
    json_t *json =
        json_fields("allocator", json_text(s->allocator), "depth", json_integer(r->depth), //
                    "states", json_integer((json_int_t)r->states),                         //
                    "moves", json_integer((json_int_t)r->moves),                           //
                    "sequences", json_integer((json_int_t)r->sequences),                   //
                    "seconds", json_number(r->seconds), "violations", violations, NULL);
    if (r->full)
        json_set(json, "ended_by", json_sprintf("memory limit of %u MiB reached", s->memory_mib));
    return json;
}

// Writes a line to descriptor 3. Returns false if it is not open.
static bool tell(json_t *json) {
    bool told = json_dumpfd(json, 3, JSON_COMPACT) == 0 && write(3, "\n", 1) == 1;
    json_decref(json);
    return told;
}

// ---- Exploring ----------------------------------------------------------------------------------

// The trace of the violation. Returns false, and says why in `error`, if it cannot be made.
static bool make_trace(const settings *s, const char *name, explorer_world *world,
                       const exploration *result, trace *trace, trace_error *error) {
    char text[500], line[120];
    explored_by by = {.level = s->level, .damage = world->damages && world->damages(world)};
    trace_builder *builder = trace_builder_new();
    snprintf(error->text, sizeof error->text, "out of memory");
    if (!builder) return false;
    snprintf(by.name, sizeof by.name, "%s", name);
    explored_trace_print(&by, line, sizeof line);
    snprintf(text, sizeof text,
             "%s: broken %s: %s\nFound by linmem explore, in pages of %d bytes.\n%s", name,
             law_names[result->broken], result->finding, LM_PAGE_BYTES, line);
    trace_builder_comment(builder, text);
    if (world->trace(world, result->moves_to, result->move_count, builder, error))
        return trace_builder_finish(builder, trace, error);
    trace_builder_abandon(builder);
    return false;
}

// A violation is reported even if its trace cannot be written.
static void write_trace(settings *s, const char *name, explorer_world *world,
                        const exploration *result) {
    trace_error error;
    trace trace;
    bool made = make_trace(s, name, world, result, &trace, &error);
    bool written = made && trace_write(&trace, s->trace, &error);
    if (made) trace_free(&trace);
    if (written) return;
    fprintf(stderr, "linmem-explorer: %s: %s\n", s->trace, error.text);
    s->trace = NULL;
}

// One world's result, and the array of those before it.
static void add(exploration *result, const exploration *all) {
    result->states += all->states;
    result->moves += all->moves;
    result->sequences += all->sequences;
    result->seconds += all->seconds;
}

typedef struct telling {
    const settings *settings;
    const exploration *all;
} telling;

// Writes the results after each depth, so that they survive if the process is killed.
static void tell_so_far(explorer_world *world, const exploration *so_far) {
    const telling *t = world->context;
    exploration result = *so_far;
    add(&result, t->all);
    tell(result_json(t->settings, &result));
}

// Explores a world and appends its result.
static void explore(settings *s, const char *name, exploration *all) {
    exploration result;
    explorer_world *world = world_named(s, name, true);
    world->told = tell_so_far;
    world->memory_bytes = (uint64_t)s->memory_mib << 20;
    world->context = &(telling){s, all};
    if (!explorer_run(world, s->depth, s->refuse, &result)) options_fail("out of memory");
    add(&result, all);
    *all = result;
    if (result.broken != LAW_NONE && s->trace) write_trace(s, name, world, &result);
    free_world(name, world);
}

static void explore_all(settings *s, exploration *result) {
    if (strcmp(s->allocator, BUFFERS) != 0) {
        explore(s, s->allocator, result);
        return;
    }
    for (size_t i = 0; buffer_world_names[i] && result->broken == LAW_NONE && !result->full; i++) {
        char name[EXPLORED_NAME_BYTES];
        snprintf(name, sizeof name, BUFFERS ":%s", buffer_world_names[i]);
        explore(s, name, result);
    }
}

// ---- Playing ------------------------------------------------------------------------------------

static void play(settings *s, exploration *result) {
    static explored_by by;
    trace trace;
    trace_error error;
    if (!trace_read(s->play, &trace, &error)) options_fail("%s: %s", s->play, error.text);
    if (!explored_trace_read(&trace, &by)) options_fail("%s: not an explorer's trace", s->play);
    if (!s->allocator) s->allocator = by.name;
    s->level = by.level;
    s->heap.damage = by.damage;
    explorer_world *world = world_named(s, s->allocator, false);
    explorer_play(world, &trace, result);
    result->move_count = (uint32_t)result->moves;
    free_world(s->allocator, world);
    trace_free(&trace);
}

// ---- The end ------------------------------------------------------------------------------------

// Lists the strategies and the buffer state spaces.
static json_t *all_names(void) {
    json_t *names = json_array();
    for (size_t i = 0; explored_strategy_names[i]; i++)
        json_add(names, json_text(explored_strategy_names[i]));
    for (size_t i = 0; buffer_world_names[i]; i++)
        json_add(names, json_sprintf(BUFFERS ":%s", buffer_world_names[i]));
    return names;
}

int main(int argc, char **argv) {
    static const struct argp argp = {.options = options, .parser = parse, .args_doc = "ALLOCATOR"};
    settings s = {
        .depth = 5,
        .level = 1,
        .heap = {.sizes = {8, 60, 250, 1000}, .size_count = 4, .verbs = HEAP_WORLD_VERBS}};
    exploration result = {.broken = LAW_NONE};
    options_parse(&argp, argc, argv, &s);
    if (s.list) return tell(all_names()) ? EXIT_PASSED : EXIT_USAGE;
    if (!s.allocator && !s.play) options_fail("no allocator given");
    if (s.play)
        play(&s, &result);
    else
        explore_all(&s, &result);
    if (!tell(result_json(&s, &result))) return EXIT_USAGE;
    return result.broken == LAW_NONE ? EXIT_PASSED : EXIT_FAILED;
}
