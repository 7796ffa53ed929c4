// An engine: what runs an allocator. `native` runs it in this machine's code, in linmem-runner; the
// others run the allocator's module (bench/engines/module/module.h) through a driver: a script or
// program of bench/engines/drivers/, or the engine's own.
//
// A driver runs one cell, in a process of its own, with these arguments:
//
//     MODULE       the module's file
//     REPLAY       the replay's file
//     WHAT         verify, or measure
//     ROUNDS       warm passes to measure after the cold one: exactly so many, because heaps age
//     HEAP-OFFSET  for set_up
//     HANDICAP     fraction of a pass's time that the driver waits in it, as a known slowdown
//
// It copies the replay into the module's room, calls set_up, then verify, or pass and finish for
// each round, and prints one line of JSON, in which fields without a value are null or left out:
//
//     failure         failure(), or what else went wrong; "" if nothing did
//     cold_ns         measured: time of the first pass
//     warm_ns         measured: array of the times of the rounds, in order
//     clock_step_ns   measured: smallest difference of two readings of the clock
//     memory_grow_ns  measured: mean time of 64 memory.grow by a page, after all rounds
//     pages           both: pages() after the first pass
//     pages_end       measured: pages() after all rounds
//     memory_grows    verified: grows()
//     heap_hash       verified: heap_hash(), as 16 hexadecimal digits
//
// Without arguments, it prints its engine's "version" and "features", without a start of the engine
// if that takes long.
#pragma once

#include "bench/cell.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct engine {
    const char *name, *command, *module, *tier, *programs, *package; // see engines.def
} engine;

extern const engine engines[];
extern const size_t engine_count;

// Returns the engine of that name, or NULL.
const engine *engine_named(const char *name);
bool engine_is_native(const engine *engine);

// Returns the path of the engine's program, "" for `native`, or NULL if it is not installed.
// Static.
const char *engine_program(const engine *engine);

// Returns the path of an allocator's module, to be freed, or NULL if it was not built.
char *engine_module(const engine *engine, const char *allocator);

// The words that start a driver, and their memory.
typedef struct engine_command {
    const char *argv[24];
    char text[8 * 1024];
    size_t used, count;
} engine_command;

// Fills the command for a cell whose replay is the file `replay`, or without a request the one
// without arguments. Returns false if it is too long.
bool engine_command_fill(engine_command *command, const engine *engine, const char *module,
                         const char *replay, const cell_request *request);

// Reads the driver's line, the last one of a file, into the outcome. Returns false if there is
// none.
bool engine_read_outcome(int descriptor, const cell_request *request, cell_outcome *outcome);

// Asks the driver for {"version", "features"}. Returns an empty object if it does not answer.
json_t *engine_describe(const engine *engine);

// Engines for `linmem list` (cli/list.h).
json_t *list_engines(void);
void print_engines(const json_t *list);
