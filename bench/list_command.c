#include "bench/list_command.h"

#include "alloc/host_malloc.h"
#include "alloc/registry.h"
#include "alloc/yardsticks.h"
#include "bench/workload.h"
#include "cli/options.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *capabilities_json(unsigned capabilities) {
    static const struct {
        lm_capability bit;
        const char *name;
    } names[] = {
        {LM_FREES_BLOCKS, "frees-blocks"},   {LM_RESIZES_IN_PLACE, "resizes-in-place"},
        {LM_SHARES_THREADS, "threads"},      {LM_IN_LINEAR_MEMORY, "linear-memory"},
        {LM_HOLDS_CONTENT, "holds-content"},
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (capabilities & names[i].bit) json_array_append_new(list, json_string(names[i].name));
    return list;
}

static void add_allocator(json_t *list, const lm_allocator *allocator, const char *kind) {
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", allocator->name, "kind",
                                          kind, "about", allocator->idea, "capabilities",
                                          capabilities_json(allocator->capabilities)));
}

static json_t *allocators(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < lm_strategy_count(); i++)
        add_allocator(list, lm_strategy_at(i, 0), "strategy");
    for (size_t i = 0; i < lm_host_count(); i++) {
        lm_allocator host = lm_host_table(lm_host_at(i));
        add_allocator(list, &host, "host");
    }
    add_allocator(list, &lm_floor, "yardstick");
    add_allocator(list, &lm_ideal, "yardstick");
    return list;
}

static json_t *workloads(void) {
    size_t count;
    char **names = workload_names(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        workload w;
        workload_load(&w, names[i]);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:i}", "name", w.name, "about", w.about,
                            "operations", (json_int_t)w.summary.operations, "peak_live_bytes",
                            (json_int_t)w.summary.peak_live_bytes, "lanes", (int)w.summary.lanes));
        workload_unload(&w);
    }
    free(names);
    return list;
}

static const struct {
    const char *name;
    json_t *(*list)(void);
} kinds[] = {
    {"allocators", allocators},
    {"workloads", workloads},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct asked {
    bool json, kind[KINDS];
} asked;

static error_t parse(int key, char *value, struct argp_state *state) {
    asked *asked = state->input;
    const char *names[KINDS];
    if (key == 'j') {
        asked->json = true;
        return 0;
    }
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    for (size_t i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(value, names[i]) == 0) {
            asked->kind[i] = true;
            return 0;
        }
    }
    options_unknown("kind", value, names, KINDS);
}

static const struct argp_option arguments[] = {
    {"json", 'j', NULL, 0, "An array of objects with a name", 0}, {0}};
static const struct argp argp = {arguments,
                                 parse,
                                 "[allocators] [workloads]",
                                 "What there is: all kinds, or those that are named.",
                                 NULL,
                                 NULL,
                                 NULL};

// One entry a line, in 80 columns.
static void print_entry(const json_t *entry) {
    const char *kind = json_string_value(json_object_get(entry, "kind"));
    const char *about = json_string_value(json_object_get(entry, "about"));
    printf("  %-10s ", json_string_value(json_object_get(entry, "name")));
    if (kind) {
        printf("%-9s  %.56s\n", kind, about);
        return;
    }
    double live = (double)json_integer_value(json_object_get(entry, "peak_live_bytes"));
    printf("%7lld operations, %6.1f MiB live  %.34s\n",
           json_integer_value(json_object_get(entry, "operations")), live / (1 << 20), about);
}

exit_status list_command(int argc, char **argv) {
    asked asked = {0};
    options_parse(&argp, argc, argv, &asked);
    bool all = true;
    for (size_t i = 0; i < KINDS; i++)
        all &= !asked.kind[i];
    json_t *found = json_array();
    for (size_t i = 0; i < KINDS; i++) {
        if (!all && !asked.kind[i]) continue;
        json_t *list = kinds[i].list(), *entry;
        size_t index;
        if (!asked.json) printf("%s\n", kinds[i].name);
        json_array_foreach(list, index, entry) {
            if (!asked.json) print_entry(entry);
        }
        json_array_extend(found, list);
        json_decref(list);
    }
    if (asked.json) {
        json_dumpf(found, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(found);
    return EXIT_HELD;
}
