#include "bench/lists.h"

#include "alloc/registry.h"
#include "alloc/system/yardsticks.h"
#include "bench/system_library.h"
#include "bench/wasm_module.h"
#include "bench/workload.h"
#include "cli/child.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *capabilities_json(unsigned capabilities) {
    static const struct {
        lm_capability bit;
        const char *name;
    } names[] = {
#define CAPABILITY(constant, bit, name, meaning) {constant, name},
#include "alloc/capabilities.def"
#undef CAPABILITY
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (capabilities & names[i].bit) json_add(list, json_text(names[i].name));
    return list;
}

// The code's size in the module that was built beside this program, wasm32/NAME.wasm; null where
// none was.
static json_t *wasm32_code_bytes(const char *name) {
    char *file_name = text_format("wasm32/%s.wasm", name), *path = child_beside(file_name);
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    free(file_name);
    if (file < 0) return json_null();
    size_t bytes = fstat(file, &status) == 0 ? (size_t)status.st_size : 0;
    void *module = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (module == MAP_FAILED) return json_null();
    uint32_t code_bytes;
    bool read = wasm_code_bytes(module, bytes, &code_bytes);
    munmap(module, bytes);
    return read ? json_integer(code_bytes) : json_null();
}

static void add_allocator(json_t *list, const lm_allocator *allocator, const char *kind) {
    bool strategy = lm_strategy_named(allocator->name, 0);
    json_t *code = strategy ? wasm32_code_bytes(allocator->name) : json_null();
    json_add(list,
             json_fields("name", json_text(allocator->name), "kind", json_text(kind), //
                         "about", json_text(allocator->idea), "bound", json_text(allocator->bound),
                         "capabilities", capabilities_json(allocator->capabilities),
                         "wasm32_code_bytes", code, "available", json_true(), NULL));
}

// Tells which of its libraries would play, or that none is there.
static void add_system_malloc(json_t *list, const lm_system_malloc *system_malloc) {
    lm_allocator table = lm_system_malloc_table(system_malloc);
    const char *library = system_library(system_malloc);
    char *about = library ? text_format("%s%s%s", table.idea, *library ? ", " : "", library)
                          : text_format("not on this system: %s", system_malloc->libraries);
    table.idea = about;
    add_allocator(list, &table, "host");
    free(about);
    json_t *entry = json_array_get(list, json_array_size(list) - 1);
    json_set(entry, "available", json_boolean(library));
}

json_t *list_allocators(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < lm_strategy_count(); i++)
        add_allocator(list, lm_strategy_at(i, 0), "strategy");
    for (size_t i = 0; i < lm_system_malloc_count(); i++)
        add_system_malloc(list, lm_system_malloc_at(i));
    add_allocator(list, &lm_floor, "yardstick");
    add_allocator(list, &lm_ideal, "yardstick");
    return list;
}

json_t *list_workloads(void) {
    size_t count;
    char **names = workload_names(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        workload w;
        workload_load(&w, names[i]);
        json_add(list,
                 json_fields("name", json_text(w.name), "about", json_text(w.about), "operations",
                             json_integer((json_int_t)w.summary.operations), "peak_live_bytes",
                             json_integer((json_int_t)w.summary.peak_live_bytes), "lanes",
                             json_integer(w.summary.lanes), NULL));
        workload_unload(&w);
    }
    free(names);
    return list;
}

// Lists for people: one entry a line, in 80 columns.
static const char *text_of(const json_t *entry, const char *key) {
    return json_string_value(json_object_get(entry, key));
}

static void print_padded(const char *text, size_t columns) {
    size_t needed = text_columns(text);
    printf("  %s%*s", text, needed < columns ? (int)(columns - needed) : 0, "");
}

static void print_allocator(const json_t *entry) {
    const json_t *code = json_object_get(entry, "wasm32_code_bytes");
    long long bytes = json_integer_value(code);
    char size[32] = "";
    if (bytes >= 1000)
        snprintf(size, sizeof size, "%lld,%03lld B", bytes / 1000, bytes % 1000);
    else if (json_is_integer(code))
        snprintf(size, sizeof size, "%lld B", bytes);
    else if (strcmp(text_of(entry, "kind"), "strategy") == 0)
        strcpy(size, "-");
    const char *about = text_of(entry, "about");
    print_padded(text_of(entry, "name"), 12);
    printf(" %8s %.*s\n", size, (int)text_within(about, 56), about);
}

// Under a heading for each kind.
void print_allocators(const json_t *list) {
    static const struct {
        const char *kind, *heading;
    } headings[] = {
        {"strategy", "strategies  wasm32 code"},
        {"host", "system mallocs"},
        {"yardstick", "yardsticks"},
    };
    size_t index;
    json_t *entry;
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) {
        puts(headings[i].heading);
        json_array_foreach(list, index, entry) {
            if (strcmp(text_of(entry, "kind"), headings[i].kind) == 0) print_allocator(entry);
        }
    }
}

void print_workloads(const json_t *list) {
    puts("workloads");
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry) {
        double live = (double)json_integer_value(json_object_get(entry, "peak_live_bytes"));
        const char *about = text_of(entry, "about");
        print_padded(text_of(entry, "name"), 10);
        printf(" %7lld operations, %6.1f MiB live  %.*s\n",
               json_integer_value(json_object_get(entry, "operations")), live / (1 << 20),
               (int)text_within(about, 30), about);
    }
}
