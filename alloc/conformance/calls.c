// The table under test with its calls recorded: each function notes its call, makes it, and notes
// what it returned. Queries (usable_size, validate) are noted while they run only, so that the last
// call is the one that made the heap what it is.
#include "alloc/conformance/require.h"

#include <string.h>

enum { TEXT_BYTES = 160 };

typedef struct call {
    const char *name, *query; // the query runs, or has not returned
    enum { NOTHING, TRUTH, BLOCK } returns;
    enum { NONE, SIZE, ALIGNED, OF_BLOCK, OF_BLOCK_ALIGNED } arguments;
    bool returned, success;
    bool of_null;                    // NULL was passed
    long long offset, asked, result; // of the block that was passed, that is asked, was returned
    size_t size, alignment;
} call;

const lm_allocator *tested;
static lm_allocator real, recorded;
static _Thread_local call last;
static _Thread_local bool checks_blocks;

static long long offset_of(const void *block, const lm_memory *memory) {
    return (long long)((intptr_t)block - (intptr_t)lm_memory_base(memory));
}

static size_t usable_size(const void *block, lm_memory *memory) {
    last.query = "usable_size";
    last.asked = offset_of(block, memory);
    size_t usable = real.usable_size(block, memory);
    last.query = NULL;
    return usable;
}

// What every block satisfies; not in other threads than the test's own, where none may fail.
static void check_block(const void *block, lm_memory *memory) {
    size_t alignment = last.alignment ? last.alignment : 1, size = last.size;
    uint64_t offset = (uint64_t)last.result,
             end = (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
    require_that(inside, offset, >=, memory->heap_start);
    require_that(inside, offset, <=, end);
    require_that(aligned, offset % LM_BLOCK_ALIGNMENT, ==, 0);
    require_that(aligned, offset % alignment, ==, 0);
    uint64_t usable_bytes = usable_size(block, memory);
    require_that(usable, usable_bytes, >=, size);
    require_that(inside, usable_bytes, <=, end - offset);
}

static void *returned(void *block, lm_memory *memory) {
    last.returned = true;
    last.success = block;
    last.result = offset_of(block, memory);
    if (block && checks_blocks) check_block(block, memory);
    return block;
}

static bool start(lm_memory *memory) {
    last = (call){.name = "start", .returns = TRUTH};
    last.success = real.start(memory);
    last.returned = true;
    return last.success;
}

static void *allocate(size_t size, lm_memory *memory) {
    last = (call){.name = "allocate", .returns = BLOCK, .arguments = SIZE, .size = size};
    return returned(real.allocate(size, memory), memory);
}

static void *allocate_zeroed(size_t size, lm_memory *memory) {
    last = (call){.name = "allocate_zeroed", .returns = BLOCK, .arguments = SIZE, .size = size};
    return returned(real.allocate_zeroed(size, memory), memory);
}

static void *allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    last = (call){.name = "allocate_dirty", .returns = BLOCK, .arguments = SIZE, .size = size};
    return returned(real.allocate_dirty(size, dirty, memory), memory);
}

static void *allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    last = (call){.name = "allocate_aligned",
                  .returns = BLOCK,
                  .arguments = ALIGNED,
                  .size = size,
                  .alignment = alignment};
    return returned(real.allocate_aligned(alignment, size, memory), memory);
}

// A resize that failed has left the block as it was.
static void *resized(void *to, size_t usable_before, lm_memory *memory) {
    long long offset = last.offset;
    if (returned(to, memory) || !checks_blocks) return to;
    signal_breaks = LAW_refused;
    size_t usable_after = usable_size(lm_memory_base(memory) + offset, memory);
    signal_breaks = LAW_returns;
    require_that(refused, usable_after, ==, usable_before);
    return NULL;
}

static void *resize(void *block, size_t size, lm_memory *memory) {
    size_t usable = checks_blocks ? usable_size(block, memory) : 0;
    last = (call){.name = "resize",
                  .returns = BLOCK,
                  .arguments = OF_BLOCK,
                  .of_null = !block,
                  .offset = offset_of(block, memory),
                  .size = size};
    return resized(real.resize(block, size, memory), usable, memory);
}

static void *resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    size_t usable = checks_blocks ? usable_size(block, memory) : 0;
    last = (call){.name = "resize_aligned",
                  .returns = BLOCK,
                  .arguments = OF_BLOCK_ALIGNED,
                  .of_null = !block,
                  .offset = offset_of(block, memory),
                  .size = size,
                  .alignment = alignment};
    return resized(real.resize_aligned(block, size, alignment, memory), usable, memory);
}

static void free_block(void *block, size_t size, lm_memory *memory) {
    last = (call){.name = "free",
                  .arguments = OF_BLOCK,
                  .of_null = !block,
                  .offset = offset_of(block, memory),
                  .size = size};
    real.free(block, size, memory);
    last.returned = true;
}

static void reset(lm_memory *memory) {
    last = (call){.name = "reset"};
    real.reset(memory);
    last.returned = true;
}

static bool open_scope(lm_memory *memory) {
    last = (call){.name = "open_scope", .returns = TRUTH};
    last.success = real.open_scope(memory);
    last.returned = true;
    return last.success;
}

static void close_scope(lm_memory *memory) {
    last = (call){.name = "close_scope"};
    real.close_scope(memory);
    last.returned = true;
}

static const char *validate(lm_memory *memory, lm_census *census) {
    last.query = "validate";
    const char *broken = real.validate(memory, census);
    last.query = NULL;
    return broken;
}

void check_blocks(bool on) {
    checks_blocks = on;
}

void tested_set(const lm_allocator *allocator) {
    real = recorded = *allocator;
    last = (call){0};
    recorded.start = start;
    recorded.allocate = allocate;
    recorded.allocate_zeroed = allocate_zeroed;
    if (real.allocate_dirty) recorded.allocate_dirty = allocate_dirty;
    recorded.allocate_aligned = allocate_aligned;
    recorded.resize = resize;
    recorded.resize_aligned = resize_aligned;
    recorded.free = free_block;
    recorded.usable_size = usable_size;
    recorded.reset = reset;
    recorded.validate = validate;
    if (real.open_scope) recorded.open_scope = open_scope;
    if (real.close_scope) recorded.close_scope = close_scope;
    tested = &recorded;
    checks_blocks = true;
}

static void print_arguments(FILE *to) {
    char block[40];
    snprintf(block, sizeof block, "block at %lld", last.offset);
    if (last.of_null) snprintf(block, sizeof block, "NULL");
    if (last.arguments == NONE) fprintf(to, "%s()", last.name);
    if (last.arguments == SIZE) fprintf(to, "%s(%zu)", last.name, last.size);
    if (last.arguments == ALIGNED)
        fprintf(to, "%s(alignment %zu, size %zu)", last.name, last.alignment, last.size);
    if (last.arguments == OF_BLOCK) fprintf(to, "%s(%s, size %zu)", last.name, block, last.size);
    if (last.arguments == OF_BLOCK_ALIGNED)
        fprintf(to, "%s(%s, size %zu, alignment %zu)", last.name, block, last.size, last.alignment);
}

const char *last_call(void) {
    static _Thread_local char text[TEXT_BYTES];
    FILE *to = fmemopen(text, sizeof text, "w");
    if (!to) return last.name ? last.name : "";
    if (!last.name) fputs("no call", to);
    if (last.name) print_arguments(to);
    if (last.returned && last.returns == TRUTH)
        fprintf(to, " returned %s", last.success ? "true" : "false");
    if (last.returned && last.returns == BLOCK && !last.success) fputs(" returned NULL", to);
    if (last.returned && last.success && last.returns == BLOCK)
        fprintf(to, " returned offset %lld", last.result);
    if (last.query && strcmp(last.query, "validate") == 0) fputs(", then validate()", to);
    if (last.query && strcmp(last.query, "validate") != 0)
        fprintf(to, ", then %s(block at %lld)", last.query, last.asked);
    fclose(to);
    return text;
}
