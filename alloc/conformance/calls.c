#include "alloc/conformance/calls.h"

#include <stdio.h>
#include <string.h>

recorded_call *calls_kept;

static const lm_allocator *real;
static const call_checks *checks;
static _Thread_local recorded_call own;

recorded_call *calls_last(void) {
    return calls_kept ? calls_kept : &own;
}

static int64_t offset_of(const void *block, const lm_memory *memory) {
    return block ? (int64_t)((uintptr_t)block - (uintptr_t)lm_memory_base(memory)) : CALL_OF_NULL;
}

// ---- The calls ----------------------------------------------------------------------------------

static void begin(recorded_call call) {
    *calls_last() = call;
}

static void end(void) {
    calls_last()->returned = true;
}

static bool end_truth(bool succeeded) {
    calls_last()->succeeded = succeeded;
    end();
    return succeeded;
}

static void *end_block(void *block, const lm_memory *memory) {
    calls_last()->result = offset_of(block, memory);
    end_truth(block);
    return block;
}

static void *checked(void *block, lm_memory *memory) {
    end_block(block, memory);
    if (checks) checks->after(block, memory);
    return block;
}

static void begin_allocation(const char *name, size_t size, size_t alignment) {
    begin((recorded_call){.name = name,
                          .arguments = CALL_OF_SIZE,
                          .result_kind = CALL_RETURNS_BLOCK,
                          .size = size,
                          .alignment = alignment});
}

static void begin_resize(const char *name, const void *block, size_t size, size_t alignment,
                         lm_memory *memory) {
    if (checks) checks->before_resize(block, memory);
    begin((recorded_call){.name = name,
                          .arguments = CALL_OF_BLOCK,
                          .result_kind = CALL_RETURNS_BLOCK,
                          .block = offset_of(block, memory),
                          .size = size,
                          .alignment = alignment});
}

static bool calls_start(lm_memory *memory) {
    begin((recorded_call){.name = "start", .result_kind = CALL_RETURNS_TRUTH});
    return end_truth(real->start(memory));
}

static void *calls_allocate(size_t size, lm_memory *memory) {
    begin_allocation("allocate", size, 0);
    return checked(real->allocate(size, memory), memory);
}

static void *calls_allocate_zeroed(size_t size, lm_memory *memory) {
    begin_allocation("allocate_zeroed", size, 0);
    return checked(real->allocate_zeroed(size, memory), memory);
}

static void *calls_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    begin_allocation("allocate_dirty", size, 0);
    return checked(real->allocate_dirty(size, dirty, memory), memory);
}

static void *calls_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    begin_allocation("allocate_aligned", size, alignment);
    return checked(real->allocate_aligned(alignment, size, memory), memory);
}

static void *calls_resize(void *block, size_t size, lm_memory *memory) {
    begin_resize("resize", block, size, 0, memory);
    return checked(real->resize(block, size, memory), memory);
}

static void *calls_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    begin_resize("resize_aligned", block, size, alignment, memory);
    return checked(real->resize_aligned(block, size, alignment, memory), memory);
}

static void calls_free(void *block, size_t size, lm_memory *memory) {
    begin((recorded_call){.name = "free",
                          .arguments = CALL_OF_BLOCK,
                          .block = offset_of(block, memory),
                          .size = size});
    real->free(block, size, memory);
    end();
}

static void calls_reset(lm_memory *memory) {
    begin((recorded_call){.name = "reset"});
    real->reset(memory);
    end();
}

static bool calls_open_scope(lm_memory *memory) {
    begin((recorded_call){.name = "open_scope", .result_kind = CALL_RETURNS_TRUTH});
    return end_truth(real->open_scope(memory));
}

static void calls_close_scope(lm_memory *memory) {
    begin((recorded_call){.name = "close_scope"});
    real->close_scope(memory);
    end();
}

static size_t calls_usable_size(const void *block, lm_memory *memory) {
    calls_last()->query = "usable_size";
    calls_last()->query_block = offset_of(block, memory);
    size_t usable = real->usable_size(block, memory);
    calls_last()->query = NULL;
    return usable;
}

static const char *calls_validate(lm_memory *memory, lm_census *census) {
    calls_last()->query = "validate";
    const char *broken = real->validate(memory, census);
    calls_last()->query = NULL;
    return broken;
}

const lm_allocator *calls_recorded(const lm_allocator *allocator, const call_checks *checks_) {
    static lm_allocator table;
    real = allocator;
    checks = checks_;
    *calls_last() = (recorded_call){0};
    table = *allocator;
    table.start = calls_start;
    table.allocate = calls_allocate;
    table.allocate_zeroed = calls_allocate_zeroed;
    if (table.allocate_dirty) table.allocate_dirty = calls_allocate_dirty;
    table.allocate_aligned = calls_allocate_aligned;
    table.resize = calls_resize;
    table.resize_aligned = calls_resize_aligned;
    table.free = calls_free;
    table.usable_size = calls_usable_size;
    table.reset = calls_reset;
    if (table.open_scope) table.open_scope = calls_open_scope;
    if (table.close_scope) table.close_scope = calls_close_scope;
    table.validate = calls_validate;
    return &table;
}

// ---- Text ---------------------------------------------------------------------------------------

typedef unsigned long long ull; // the argument of %llu

static void print_block(FILE *to, int64_t offset) {
    if (offset == CALL_OF_NULL)
        fputs("NULL", to);
    else
        fprintf(to, "block at %lld", (long long)offset);
}

static void print_call(FILE *to, const recorded_call *call) {
    bool of_block = call->arguments == CALL_OF_BLOCK, aligned = call->alignment;
    fprintf(to, "%s(", call->name);
    if (of_block) print_block(to, call->block);
    if (aligned && !of_block) fprintf(to, "alignment %llu", (ull)call->alignment);
    if (of_block || aligned) fputs(", size ", to);
    if (call->arguments != CALL_OF_NONE) fprintf(to, "%llu", (ull)call->size);
    if (aligned && of_block) fprintf(to, ", alignment %llu", (ull)call->alignment);
    fputc(')', to);
}

static void print_result(FILE *to, const recorded_call *call) {
    if (call->result_kind == CALL_RETURNS_TRUTH)
        fprintf(to, " returned %s", call->succeeded ? "true" : "false");
    else if (call->result_kind == CALL_RETURNS_BLOCK && call->succeeded)
        fprintf(to, " returned offset %lld", (long long)call->result);
    else if (call->result_kind == CALL_RETURNS_BLOCK)
        fputs(" returned NULL", to);
}

static void print_query(FILE *to, const recorded_call *call) {
    fprintf(to, "%s(", call->query);
    if (strcmp(call->query, "usable_size") == 0) print_block(to, call->query_block);
    fputc(')', to);
}

void call_print(const recorded_call *call, char *text, size_t bytes) {
    FILE *to = fmemopen(text, bytes, "w");
    text[0] = '\0';
    if (!to) return;
    if (call->name)
        print_call(to, call);
    else
        fputs("no call", to);
    if (call->returned) print_result(to, call);
    if (call->query) fputs(", then ", to), print_query(to, call);
    fclose(to);
}

bool call_runs(const recorded_call *call) {
    return call->query || (call->name && !call->returned);
}

void call_print_running(const recorded_call *call, const char *how, char *text, size_t bytes) {
    bool runs = call_runs(call);
    FILE *to = fmemopen(text, bytes, "w");
    text[0] = '\0';
    if (!to) return;
    if (call->query)
        print_query(to, call);
    else if (runs)
        print_call(to, call);
    fprintf(to, "%s%s%s", runs ? " " : "", how, runs ? "" : ", in no call of the allocator");
    fclose(to);
}
