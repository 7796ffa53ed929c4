// The buffer layer as a WebAssembly module: a buffer table whose home is the module's own memory,
// served by STRATEGY. Memory 1 is imported, accessed through the functions that
// alloc/buffers/memory_access.h imports. The caller is a managed program, merged with this module.
#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/view.h"
#include "alloc/strategies/strategy.h"

extern const lm_allocator LM_TABLE(STRATEGY);
extern unsigned char __heap_base;

enum { MANAGED, SCRIPT, MODULE }; // the owners
enum { BATCH = 256 };             // tokens drained if a budget is exceeded

#pragma GCC visibility push(default) // what is not static is exported

static lm_memory memory = {.pages_max = LM_PAGES_MAX};
static lm_buffer_table table;
static uint32_t pressed;

// JavaScript gets tokens as numbers, which hold their 48 bits.
static double number_of(lm_token token) {
    return (double)token;
}

static void relieve(void *context, lm_buffer_table *r, uint32_t number, uint64_t bytes) {
    (void)context, (void)number, (void)bytes;
    pressed++;
    lm_finalizers_drain(r, BATCH);
}

bool buffer_table_start(uint32_t budget) {
    memory.heap_start = lm_round_up((uint32_t)(uintptr_t)&__heap_base, LM_BLOCK_ALIGNMENT);
    const lm_allocator *own = &LM_TABLE(STRATEGY);
    if (!own->start(&memory) || !lm_buffer_table_start(&table, &lm_counts_plain, own, &memory) ||
        !lm_finalizers_start(&table))
        return false;
    uint32_t other = lm_buffer_table_add(&table, NULL, NULL);
    lm_buffer_table_set_pressure(&table, relieve, NULL);
    return !lm_failed(lm_buffer_table_set_budget(&table, LM_HOME, budget)) &&
           !lm_failed(lm_buffer_table_set_budget(&table, other, budget));
}

// A zeroed buffer, or 0.
lm_handle create(uint32_t in, uint32_t size) {
    lm_handle handle;
    return lm_failed(lm_buffer_create(&table, MANAGED, in, size, 16, true, &handle)) ? 0 : handle;
}

// A block that the C module allocated becomes the managed program's buffer.
lm_handle adopt(uint32_t in, uint32_t block, uint32_t size) {
    lm_handle handle, managed;
    if (lm_failed(lm_buffer_adopt(&table, MODULE, in, block, size, &handle))) return 0;
    return lm_failed(lm_buffer_transfer(&table, MODULE, handle, MANAGED, &managed)) ? 0 : managed;
}

// A reference of another owner's, or 0.
lm_handle share(lm_handle handle, uint32_t with) {
    lm_handle shared;
    return lm_failed(lm_buffer_share(&table, MANAGED, handle, with, &shared)) ? 0 : shared;
}

lm_status retain(lm_handle handle) {
    return lm_buffer_retain(&table, lm_handle_owner(handle), handle);
}
lm_status release(lm_handle handle) {
    return lm_buffer_release(&table, lm_handle_owner(handle), handle);
}

// The same with the handle in two halves, for callers that avoid BigInt.
lm_status retain_halves(uint32_t low, uint32_t high) {
    return retain((uint64_t)high << 32 | low);
}
lm_status release_halves(uint32_t low, uint32_t high) {
    return release((uint64_t)high << 32 | low);
}

// The offset of the bytes. A pointer to them is valid until the memory grows.
uint32_t start_of(lm_handle handle) {
    lm_buffer_info info;
    return lm_failed(lm_buffer_describe(&table, lm_handle_owner(handle), handle, &info))
               ? 0
               : info.start;
}
uint32_t references(lm_handle handle) {
    lm_buffer_info info;
    return lm_failed(lm_buffer_describe(&table, lm_handle_owner(handle), handle, &info))
               ? 0
               : info.references;
}

// A token for a reference, or 0.
double attach(lm_handle handle) {
    lm_token token;
    return lm_failed(lm_finalizer_attach(&table, lm_handle_owner(handle), handle, 0, &token))
               ? 0
               : number_of(token);
}
lm_status enqueue(double token) {
    return lm_finalizer_enqueue(&table, (lm_token)token);
}
lm_status close_token(double token) {
    return lm_finalizer_close(&table, (lm_token)token);
}
uint32_t drain(uint32_t count) {
    return lm_finalizers_drain(&table, count).released;
}

uint32_t live(uint32_t in) {
    return (uint32_t)lm_buffer_table_live_in(&table, in).buffers;
}
uint32_t times_pressed(void) {
    return pressed;
}

// Blocks of the own heap, the buffer table's records among them.
uint32_t own_blocks(void) {
    lm_census census;
    return LM_TABLE(STRATEGY).validate(&memory, &census) ? UINT32_MAX
                                                         : (uint32_t)census.live_blocks;
}
// Whether a block of the C module with such a size is rejected because it is not in the memory.
bool refuses_block(uint32_t in, uint32_t block, uint32_t size) {
    lm_handle handle;
    return lm_buffer_adopt(&table, MODULE, in, block, size, &handle) == LM_BAD_BLOCK;
}

// Whether views of 2^32 bytes are rejected for every kind with elements of more than one byte.
bool refuses_views_of_4_gib(lm_handle handle) {
    uint32_t owner = lm_handle_owner(handle);
    for (lm_kind kind = LM_I8; kind < LM_KINDS; kind++) {
        lm_view view;
        uint32_t length = (uint32_t)((UINT64_C(1) << 32) / lm_kind_bytes(kind));
        if (length == 0) continue; // of single bytes: no such length
        if (lm_view_make(&table, owner, handle, kind, 0, length, &view) != LM_OUT_OF_RANGE)
            return false;
    }
    return true;
}

bool holds_laws(void) {
    uint32_t armed;
    return !lm_buffer_table_validate(&table, NULL) && !lm_finalizers_validate(&table, &armed);
}
