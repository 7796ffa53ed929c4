#include "fuzz/oracle/noted.h"

#include <stdio.h>

static noted_call here;
noted_call *noted = &here;

static const lm_allocator *original;

static void note(const char *name) {
    *noted = (noted_call){.name = name};
}

static void note_block(const void *block, const lm_memory *memory) {
    noted->has_block = true;
    noted->is_null = !block;
    noted->block = (int64_t)((uintptr_t)block - (uintptr_t)lm_memory_base(memory));
}

static void note_size(size_t size, size_t alignment) {
    noted->has_size = true;
    noted->size = size;
    noted->alignment = alignment;
}

static void done(void) {
    noted->name = NULL;
}

// ---- The calls ----------------------------------------------------------------------------------

static bool noted_start(lm_memory *memory) {
    note("start");
    bool started = original->start(memory);
    done();
    return started;
}

static void *noted_allocate(size_t size, lm_memory *memory) {
    note("allocate");
    note_size(size, 0);
    void *block = original->allocate(size, memory);
    done();
    return block;
}

static void *noted_allocate_zeroed(size_t size, lm_memory *memory) {
    note("allocate_zeroed");
    note_size(size, 0);
    void *block = original->allocate_zeroed(size, memory);
    done();
    return block;
}

static void *noted_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    note("allocate_dirty");
    note_size(size, 0);
    void *block = original->allocate_dirty(size, dirty, memory);
    done();
    return block;
}

static void *noted_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    note("allocate_aligned");
    note_size(size, alignment);
    void *block = original->allocate_aligned(alignment, size, memory);
    done();
    return block;
}

static void *noted_resize(void *block, size_t size, lm_memory *memory) {
    note("resize");
    note_block(block, memory);
    note_size(size, 0);
    void *to = original->resize(block, size, memory);
    done();
    return to;
}

static void *noted_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    note("resize_aligned");
    note_block(block, memory);
    note_size(size, alignment);
    void *to = original->resize_aligned(block, size, alignment, memory);
    done();
    return to;
}

static void noted_free(void *block, size_t size, lm_memory *memory) {
    note("free");
    note_block(block, memory);
    note_size(size, 0);
    original->free(block, size, memory);
    done();
}

static size_t noted_usable_size(const void *block, lm_memory *memory) {
    note("usable_size");
    note_block(block, memory);
    size_t size = original->usable_size(block, memory);
    done();
    return size;
}

static void noted_reset(lm_memory *memory) {
    note("reset");
    original->reset(memory);
    done();
}

static bool noted_open_scope(lm_memory *memory) {
    note("open_scope");
    bool opened = original->open_scope(memory);
    done();
    return opened;
}

static void noted_close_scope(lm_memory *memory) {
    note("close_scope");
    original->close_scope(memory);
    done();
}

static const char *noted_validate(lm_memory *memory, lm_census *census) {
    note("validate");
    const char *law = original->validate(memory, census);
    done();
    return law;
}

// What an allocator has not, its noted table has not either.
const lm_allocator *noted_allocator(const lm_allocator *allocator) {
    static lm_allocator table;
    original = allocator;
    table = *allocator;
    table.start = noted_start;
    table.allocate = noted_allocate;
    table.allocate_zeroed = noted_allocate_zeroed;
    if (table.allocate_dirty) table.allocate_dirty = noted_allocate_dirty;
    table.allocate_aligned = noted_allocate_aligned;
    table.resize = noted_resize;
    table.resize_aligned = noted_resize_aligned;
    table.free = noted_free;
    table.usable_size = noted_usable_size;
    table.reset = noted_reset;
    if (table.open_scope) table.open_scope = noted_open_scope;
    if (table.close_scope) table.close_scope = noted_close_scope;
    table.validate = noted_validate;
    return &table;
}

void noted_print(const noted_call *call, const char *how, char *text, size_t size) {
    char block[40] = "NULL", asked[24] = "", aligned[40] = "";
    if (!call->name) {
        snprintf(text, size, "%s, in no call of the allocator", how);
        return;
    }
    if (!call->is_null) snprintf(block, sizeof block, "block at %lld", (long long)call->block);
    if (call->has_size) snprintf(asked, sizeof asked, "%llu", (unsigned long long)call->size);
    if (call->alignment)
        snprintf(aligned, sizeof aligned, ", aligned to %llu", (unsigned long long)call->alignment);
    snprintf(text, size, "%s(%s%s%s%s) %s", call->name, call->has_block ? block : "",
             call->has_block && call->has_size ? ", " : "", asked, aligned, how);
}
