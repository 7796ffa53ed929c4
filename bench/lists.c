#include "bench/lists.h"

#include "alloc/registry.h"
#include "alloc/system/yardsticks.h"
#include "bench/engines/peer.h"
#include "bench/system_library.h"
#include "bench/wasm_module.h"
#include "bench/workload.h"
#include "cli/child.h"
#include "cli/file.h"
#include "cli/json.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

static json_t *list_capabilities_json(unsigned capabilities) {
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

// Returns the code size of wasm32/NAME.wasm in this program's folder, or null if there is none.
static json_t *list_wasm32_code_bytes(const char *name) {
    char *file_name = text_format("wasm32/%s.wasm", name), *path = child_beside(file_name);
    size_t bytes;
    uint32_t code_bytes;
    char *module = file_read(path, &bytes);
    bool read = module && wasm_code_bytes((unsigned char *)module, bytes, &code_bytes);
    free(module);
    free(path);
    free(file_name);
    return read ? json_integer(code_bytes) : json_null();
}

// Returns the same of the peer's functions, or null if its library is not installed.
static json_t *list_peer_code_bytes(const char *name) {
    char *alone = text_format("engines/%s/alone", name);
    json_t *bytes = list_wasm32_code_bytes(alone);
    free(alone);
    return bytes;
}

static void list_add_allocator(json_t *list, const lm_allocator *allocator, const char *kind) {
    const char *name = allocator->name;
    json_t *code = lm_strategy_named(name, 0) ? list_wasm32_code_bytes(name) : json_null();
    json_add(list,
             json_fields("name", json_text(name), "kind", json_text(kind), //
                         "about", json_text(allocator->idea), "bound", json_text(allocator->bound),
                         "capabilities", list_capabilities_json(allocator->capabilities),
                         "wasm32_code_bytes", code, "available", json_true(), NULL));
}

// Adds the library that a comparison would use, or that none is installed.
static void list_add_system_malloc(json_t *list, const lm_system_malloc *system_malloc) {
    lm_allocator table = lm_system_malloc_table(system_malloc);
    const char *library = system_library(system_malloc);
    char *about = library ? text_format("%s%s%s", table.idea, *library ? ", " : "", library)
                          : text_format("not installed: %s", system_malloc->libraries);
    table.idea = about;
    list_add_allocator(list, &table, "host");
    free(about);
    json_t *entry = json_array_get(list, json_array_size(list) - 1);
    json_set(entry, "available", json_boolean(library));
}

static void list_add_peer(json_t *list, const peer *peer) {
    json_t *code = list_peer_code_bytes(peer->name);
    bool available = !json_is_null(code);
    char *about = available ? text_format("%s", peer->about)
                            : text_format("not installed: %s", peer->package);
    json_add(list, json_fields("name", json_text(peer->name), "kind", json_text("wasm32 peer"), //
                               "about", json_text(about), "bound", json_null(), "capabilities",
                               json_array(), "wasm32_code_bytes", code, "available",
                               json_boolean(available), NULL));
    free(about);
}

json_t *list_allocators(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < lm_strategy_count(); i++)
        list_add_allocator(list, lm_strategy_at(i, 0), "strategy");
    for (size_t i = 0; i < lm_system_malloc_count(); i++)
        list_add_system_malloc(list, lm_system_malloc_at(i));
    for (size_t i = 0; i < peer_count; i++)
        list_add_peer(list, &peers[i]);
    list_add_allocator(list, &lm_floor, "yardstick");
    list_add_allocator(list, &lm_ideal, "yardstick");
    return list;
}

json_t *list_workloads(void) {
    size_t count;
    const char *const *names = workload_names(&count);
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
    return list;
}

// ---- As text: an entry a line, in 80 columns ----------------------------------------------------

static const char *list_text_of(const json_t *entry, const char *key) {
    return json_string_value(json_object_get(entry, key));
}

static void list_print_padded(const char *text, size_t columns) {
    size_t needed = text_columns(text);
    printf("  %s%*s", text, needed < columns ? (int)(columns - needed) : 0, "");
}

static void list_print_allocator(const json_t *entry) {
    const json_t *code = json_object_get(entry, "wasm32_code_bytes");
    long long bytes = json_integer_value(code);
    char size[32] = "";
    if (bytes >= 1000)
        snprintf(size, sizeof size, "%lld,%03lld B", bytes / 1000, bytes % 1000);
    else if (json_is_integer(code))
        snprintf(size, sizeof size, "%lld B", bytes);
    else if (strcmp(list_text_of(entry, "kind"), "strategy") == 0)
        strcpy(size, "-");
    const char *about = list_text_of(entry, "about");
    list_print_padded(list_text_of(entry, "name"), 12);
    printf(" %8s %.*s\n", size, (int)text_within(about, 56), about);
}

void print_allocators(const json_t *list) {
    static const struct {
        const char *kind, *heading;
    } headings[] = {
        {"strategy", "strategies  wasm32 code"},
        {"host", "system mallocs"},
        {"wasm32 peer", "wasm32 peers"},
        {"yardstick", "yardsticks"},
    };
    size_t index;
    json_t *entry;
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) {
        puts(headings[i].heading);
        json_array_foreach(list, index, entry) {
            if (strcmp(list_text_of(entry, "kind"), headings[i].kind) == 0)
                list_print_allocator(entry);
        }
    }
}

void print_workloads(const json_t *list) {
    puts("workloads");
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry) {
        double live = (double)json_integer_value(json_object_get(entry, "peak_live_bytes"));
        const char *about = list_text_of(entry, "about");
        list_print_padded(list_text_of(entry, "name"), 10);
        printf(" %7lld operations, %6.1f MiB live  %.*s\n",
               json_integer_value(json_object_get(entry, "operations")), live / (1 << 20),
               (int)text_within(about, 30), about);
    }
}
