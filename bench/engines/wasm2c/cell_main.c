// The driver of a module that wasm2c has compiled to C, which is included as MODULE_HEADER, and its
// runtime. bench/engines/engine.h describes the arguments and the outcome.
#include MODULE_HEADER

#include "alloc/linear_memory.h"
#include "bench/engines/module/measure.h"
#include "bench/engines/module/module.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static w2c_module instance;
static lm_memory linear_memory;

// ---- The runtime --------------------------------------------------------------------------------

void wasm_rt_trap(wasm_rt_trap_t trap) {
    static const char *const names[] = {"none",
                                        "out of bounds",
                                        "integer overflow",
                                        "division by zero",
                                        "invalid conversion",
                                        "unreachable",
                                        "wrong signature in call_indirect"};
    fprintf(stderr, "trap: %s\n", names[trap]);
    abort();
}

static void set_size(wasm_rt_memory_t *memory) {
    memory->data = lm_memory_base(&linear_memory);
    memory->pages = lm_memory_pages(&linear_memory);
    memory->size = memory->pages * LM_PAGE_BYTES;
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t pages_max,
                             bool is64, uint32_t page_bytes) {
    lm_memory_options options = {.pages = (uint32_t)pages, .pages_max = LM_PAGES_MAX};
    if (is64 || pages_max > LM_PAGES_MAX || !lm_memory_create(&linear_memory, &options)) abort();
    *memory = (wasm_rt_memory_t){.max_pages = LM_PAGES_MAX, .page_size = page_bytes};
    set_size(memory);
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t pages) {
    uint32_t before =
        pages > LM_PAGES_MAX ? LM_GROW_REFUSED : lm_memory_grow(&linear_memory, (uint32_t)pages);
    set_size(memory);
    return before == LM_GROW_REFUSED ? UINT64_MAX : before;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
    lm_memory_destroy(&linear_memory);
    memory->data = NULL;
}

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t size,
                                    uint32_t size_max) {
    table->data = calloc(size ? size : 1, sizeof *table->data);
    if (!table->data) abort();
    table->size = size;
    table->max_size = size_max;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table) {
    free(table->data);
}

// ---- The module's functions ---------------------------------------------------------------------

void *room(uint32_t bytes) {
    uint32_t offset = w2c_module_room(&instance, bytes);
    return offset ? lm_memory_base(&linear_memory) + offset : NULL;
}
bool set_up(uint32_t heap_offset) {
    return w2c_module_set_up(&instance, heap_offset);
}
void pass(void) {
    w2c_module_pass(&instance);
}
void finish(void) {
    w2c_module_finish(&instance);
}
void verify(void) {
    w2c_module_verify(&instance);
}
const char *failure(void) {
    return (const char *)lm_memory_base(&linear_memory) + w2c_module_failure(&instance);
}
uint32_t pages(void) {
    return w2c_module_pages(&instance);
}
uint32_t grows(void) {
    return w2c_module_grows(&instance);
}
uint64_t heap_hash(void) {
    return w2c_module_heap_hash(&instance);
}
uint32_t grow_pages(uint32_t count) {
    return w2c_module_grow_pages(&instance, count);
}

// ---- The driver ---------------------------------------------------------------------------------

double measure_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void measure_print(const char *text) {
    fputs(text, stdout);
}

// Copies the replay into the module. Returns NULL if that fails.
static void *read_replay(const char *path) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) return NULL;
    char *replay = room((uint32_t)status.st_size);
    ssize_t count = replay ? pread(file, replay, (size_t)status.st_size, 0) : -1;
    close(file);
    return count == status.st_size ? replay : NULL;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        puts("{\"version\":\"wasm2c, compiled by gcc " __VERSION__ "\"}");
        return 0;
    }
    wasm2c_module_instantiate(&instance);
    measure_request request = {.verify = strcmp(argv[3], "verify") == 0,
                               .rounds = (uint32_t)strtoul(argv[4], NULL, 10),
                               .heap_offset = (uint32_t)strtoul(argv[5], NULL, 10),
                               .handicap = strtod(argv[6], NULL)};
    measure_cell(&request, read_replay(argv[2]));
    return fflush(stdout) != 0;
}
