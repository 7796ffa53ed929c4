#include "fuzz/play/buffers_world.h"
#include "alloc/buffers/imported_allocator.h"
#include "alloc/conformance/room.h"
#include "alloc/registry.h"
#include "fuzz/play/dirty.h"
#include "fuzz/play/fuzz_memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIGH_BYTES (UINT32_C(1) << 31)

enum { IMPORTED = 3, PAGES = 1, PAGES_MAX = 8 };

const uint64_t buffers_budgets[BUFFERS_BUDGETS] = {0, 256, 4096, LM_PAGE_BYTES};

size_t buffers_servers(void) {
    return lm_strategy_count() + IMPORTED;
}

const char *buffers_server_name(size_t server) {
    static const char *const imported[IMPORTED] = {"imported", "imported_calloc",
                                                   "imported_aligned"};
    size_t strategies = lm_strategy_count();
    if (server < strategies) return lm_strategy_at(server, 0)->name;
    return server < strategies + IMPORTED ? imported[server - strategies] : NULL;
}

static const lm_allocator *server_at(size_t server, int level) {
    static lm_allocator odd[IMPORTED];
    size_t strategies = lm_strategy_count();
    if (server < strategies) return lm_strategy_at(server, level);
    lm_allocator *imported = &odd[server - strategies];
    *imported = imported_allocator(buffers_server_name(server));
    return imported;
}

void buffers_world_print(const buffers_world_choice *choice, char *line, size_t size) {
    FILE *stream = fmemopen(line, size, "w");
    fprintf(stream, "%s %s %u", choice->atomic ? "atomic" : "plain",
            choice->moving ? "moving" : "still", choice->budget);
    if (choice->skipped) fprintf(stream, " %u", choice->skipped);
    fputc(':', stream);
    for (uint32_t i = 0; i < choice->count; i++)
        fprintf(stream, " %s", buffers_server_name(choice->servers[i]));
    fclose(stream);
}

static bool parse_server(const char *word, size_t length, uint32_t *server) {
    const char *name;
    for (*server = 0; (name = buffers_server_name(*server)); ++*server)
        if (strlen(name) == length && strncmp(name, word, length) == 0) return true;
    return false;
}

bool buffers_world_parse(const char *line, buffers_world_choice *choice) {
    char counts[8], base[8], budget[4], skipped[4] = "0"; // too short for a number that overflows
    int at = 0;
    *choice = (buffers_world_choice){0};
    if (sscanf(line, "%7s %7s %3[0-9]:%n", counts, base, budget, &at) != 3) return false;
    if (at == 0) sscanf(line, "%7s %7s %3[0-9] %3[0-9]:%n", counts, base, budget, skipped, &at);
    if (at == 0) return false;
    choice->budget = (uint32_t)strtoul(budget, NULL, 10);
    choice->skipped = (uint32_t)strtoul(skipped, NULL, 10);
    if (choice->skipped > BUFFERS_SKIPPED_MAX) return false;
    choice->atomic = strcmp(counts, "atomic") == 0;
    choice->moving = strcmp(base, "moving") == 0;
    if ((!choice->atomic && strcmp(counts, "plain") != 0) || (choice->atomic && choice->moving) ||
        (!choice->moving && strcmp(base, "still") != 0) || choice->budget >= BUFFERS_BUDGETS)
        return false;
    for (const char *word = line + at; *(word += strspn(word, " ")); word += strcspn(word, " ")) {
        if (choice->count == BUFFERS_MEMORIES_MAX ||
            !parse_server(word, strcspn(word, " "), &choice->servers[choice->count++]))
            return false;
    }
    return choice->count > 0;
}

bool buffers_world_of(const trace *trace, buffers_world_choice *choice) {
    const char *at = strstr(trace->preamble, BUFFERS_WORLD);
    char line[100];
    if (!at) return false;
    at += strlen(BUFFERS_WORLD);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return buffers_world_parse(line, choice);
}

bool buffers_world_create(buffers_world *world) {
    const lm_memory_options options = {.pages = PAGES, .pages_max = LM_PAGES_MAX};
    memset(world, 0, sizeof *world);
    for (uint32_t i = 0; i < BUFFERS_MEMORIES_MAX; i++) {
        if (fuzz_memory_create(&world->low[i], &options) &&
            fuzz_memory_create(&world->high[i], &options))
            continue;
        buffers_world_destroy(world);
        return false;
    }
    return true;
}

void buffers_world_watch(buffers_world *world) {
    static_assert(2 * BUFFERS_MEMORIES_MAX <= DIRTY_MEMORIES_MAX, "all can be watched");
    for (uint32_t i = 0; i < BUFFERS_MEMORIES_MAX; i++) {
        dirty_watch(&world->low[i]);
        dirty_watch(&world->high[i]);
    }
}

void buffers_world_destroy(buffers_world *world) {
    for (uint32_t i = 0; i < BUFFERS_MEMORIES_MAX; i++) {
        if (world->low[i].base) fuzz_memory_destroy(&world->low[i]);
        if (world->high[i].base) fuzz_memory_destroy(&world->high[i]);
    }
}

// Reads the `h` operations, which only `m` may precede.
static void read_heaps(const trace_operation *operations, size_t count, uint32_t memories,
                       lm_memory_options *options) {
    uint32_t acting = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *argument = operations[i].argument;
        if (operations[i].verb == TRACE_MEMORY)
            acting = argument[0] % memories;
        else if (operations[i].verb != TRACE_HEAP)
            return;
        else
            options[acting] = (lm_memory_options){.heap_start = argument[0],
                                                  .pages = argument[1],
                                                  .pages_max = argument[2],
                                                  .moving = options[acting].moving};
    }
}

// Where the heaps start, as the operations say, and how far the memories grow.
static void place_heaps(const buffers_world_choice *choice, const trace_operation *operations,
                        size_t count, lm_memory_options heaps[BUFFERS_MEMORIES_MAX]) {
    for (uint32_t i = 0; i < choice->count; i++)
        heaps[i] = (lm_memory_options){.heap_start = LM_BLOCK_ALIGNMENT,
                                       .pages = PAGES,
                                       .pages_max = PAGES_MAX,
                                       .moving = choice->moving};
    read_heaps(operations, count, choice->count, heaps);
}

bool buffers_world_start(buffers_world *world, const buffers_world_choice *choice, int level,
                         const trace_operation *operations, size_t count) {
    lm_memory_options options[BUFFERS_MEMORIES_MAX];
    place_heaps(choice, operations, count, options);
    imported_turn = 0;
    world->finding[0] = '\0';
    for (uint32_t i = 0; i < choice->count; i++) {
        bool high = options[i].heap_start >= HIGH_BYTES;
        lm_memory *memory = high ? &world->high[i] : &world->low[i];
        world->served[i] = (lm_served){server_at(choice->servers[i], level), memory};
        if (!fuzz_memory_reset(memory, &options[i])) return false;
        if (world->served[i].allocator->start(memory)) continue;
        if (lm_room_to_start(memory))
            snprintf(world->finding, sizeof world->finding,
                     "%s: a heap at %u in %u pages does not start",
                     buffers_server_name(choice->servers[i]), memory->heap_start,
                     memory->pages_max);
        return false;
    }
    return true;
}
