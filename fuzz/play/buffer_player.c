#include "fuzz/play/buffer_player.h"

#include "fuzz/play/buffer_player_state.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool buffer_broken(buffer_player *p, const char *law, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->finding, sizeof p->finding, format, arguments);
    va_end(arguments);
    p->law = law;
    return false;
}

bool buffer_check_status(buffer_player *p, lm_status status, lm_status expected) {
    if (status == expected) return true;
    if (status == LM_OUT_OF_MEMORY && expected == LM_OK && p->watch.refused) return true;
    return buffer_broken(p, "status", "%s, not %s", lm_status_name(status),
                         lm_status_name(expected));
}

bool buffer_given(buffer_player *p, lm_handle handle, uint32_t owner, uint32_t memory,
                  uint32_t buffer) {
    const char *wrong =
        handle_shadow_give(&p->shadow, handle, owner, buffer_memory_number(p, memory), buffer);
    return !wrong || buffer_broken(p, "status", "%s: %#llx", wrong, (unsigned long long)handle);
}

static uint32_t acting_memory(const buffer_player *p) {
    return p->model.owner % p->options.count;
}

// Returns whether the next buffer is a block of the player's own that is adopted.
static bool is_adopted(const buffer_player *p) {
    return p->model.begun % 8 == 4 && p->watch.served[acting_memory(p)].allocator->allocate_aligned;
}

// Bytes. Loops, because a library function may be a sanitizer's.

// A word of a buffer's own bytes; some are numbers that conversions treat specially and that random
// bytes would hardly ever give.
static uint64_t fill_word(uint64_t seed, size_t at) {
    static const uint64_t apart[] = {
        0x7FF4000000000123, 0xFFF8000000000001, // NaNs with payloads, as f64
        0x7FA000017FC00123, 0x7F800000FF800000, // as f32: NaNs with payloads; infinities
        0x7FF0000000000000, 0x8000000000000000, // infinity, -0
        0x406FF00000000000, 0x3FE0000000000000, // 255.5, 0.5
        0xBFE0000000000000, 0x3FF8000000000000, // -0.5, 1.5
        0x41E0000000000000, 0x41F0000000080000, // 2^31, 2^32 + 0.5
        0x43E0000000000000, 0x7E37E43C8800759C, // 2^63, 1e300
        0x3690000000000000, 0x437F80003F000000, // 2^-150; 255.5 and 0.5 as f32
        0x43F0000000001801, 0xC410000000000003, // 2^64 and -2^66 with low bits,
        0x4520000000000001, 0x4530000000000001, // 2^83 with the lowest, 2^84 without
    };
    uint64_t turn = seed + at / 8;
    if (turn % 4 == 0) return apart[(turn / 4 + seed) % (sizeof apart / sizeof *apart)];
    return (seed + 1) * 6364136223846793005U + at * 0x9E3779B97F4A7C15U;
}

static uint64_t word_at(const unsigned char *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}

// Returns the length of the common prefix.
static size_t same_bytes(const unsigned char *a, const unsigned char *b, size_t count) {
    size_t i = 0;
    while (count - i >= 8 && word_at(a + i) == word_at(b + i))
        i += 8;
    while (i < count && a[i] == b[i])
        i++;
    return i;
}

// Writes to a buffer with memcpy only, whose calls report the store to a fuzz target.
static void fill_bytes(unsigned char *to, size_t count, uint64_t seed) {
    uint64_t words[64];
    for (size_t at = 0; at < count; at += sizeof words) {
        size_t rest = count - at < sizeof words ? count - at : sizeof words;
        for (size_t i = 0; i * 8 < rest; i++)
            words[i] = fill_word(seed, at + i * 8);
        memcpy(to + at, words, rest);
    }
}
static bool holds_fill(const unsigned char *at, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = fill_word(seed, i);
        size_t rest = count - i < 8 ? count - i : 8;
        if (same_bytes(at + i, (unsigned char *)&word, rest) != rest) return false;
    }
    return true;
}

static bool is_zero(const unsigned char *at, size_t count) {
    uint64_t any = 0;
    size_t i = 0;
    for (; count - i >= 8; i += 8)
        any |= word_at(at + i);
    for (; i < count; i++)
        any |= at[i];
    return any == 0;
}

// Removes the dead buffers' content; the live ones' is in the order of their numbers.
static void make_content_room(buffer_player *p) {
    size_t used = 0;
    for (uint32_t i = 0; i < p->model.begun; i++) {
        real_buffer *b = &p->buffers[i];
        if (!b->lives || !b->shadowed) continue;
        buffer_copy_bytes(p->content + used, p->content + b->content, p->model.buffers[i].size);
        b->content = used;
        used += p->model.buffers[i].size;
    }
    p->content_used = used;
}

static void find_content_room(buffer_player *p, real_buffer *b, uint32_t size) {
    if (size > p->content_bytes - p->content_used && size <= p->content_bytes / 2)
        make_content_room(p);
    b->shadowed = size <= p->content_bytes - p->content_used;
    b->content = p->content_used;
    if (b->shadowed) p->content_used += size;
}

// Checks.

bool buffer_check_reference(buffer_player *p, uint32_t number) {
    const model_reference *expected = &p->model.references[number];
    const lm_view *real = &p->references[number];
    if (expected->buffer == BUFFER_MODEL_NONE) return true;
    const model_buffer *buffer = &p->model.buffers[expected->buffer];
    const real_buffer *b = &p->buffers[expected->buffer];
    lm_buffer_info info;
    lm_status status = lm_buffer_describe(&p->table, real->owner, real->handle, &info);
    if (status != LM_OK)
        return buffer_broken(p, "count", "a live reference is %s", lm_status_name(status));
    uint32_t references = handle_shadow_share(&p->shadow, real->handle)->count;
    if (real->owner != expected->owner)
        return buffer_broken(p, "count", "a reference is another owner's");
    if (info.memory != buffer_memory_number(p, b->memory) || info.start != b->start ||
        info.size != buffer->size)
        return buffer_broken(p, "content", "a buffer has moved");
    if (info.start % buffer->alignment != 0)
        return buffer_broken(p, "aligned", "a buffer is not aligned");
    if (info.unique != (buffer->references == 1) || info.references != references)
        return buffer_broken(p, "count", "%u references%s, not %u of %u", info.references,
                             info.unique ? ", unique" : "", references, buffer->references);
    if (expected->view && (real->kind != expected->kind || real->offset != expected->offset ||
                           real->length != expected->length))
        return buffer_broken(p, "content", "a view has another place or kind");
    return true;
}

bool buffer_check_bytes(buffer_player *p, uint32_t number) {
    const real_buffer *b = &p->buffers[number];
    uint32_t size = p->model.buffers[number].size;
    if (!b->shadowed) return true;
    size_t same = same_bytes(buffer_bytes_of(p, b), p->content + b->content, size);
    return same == size ||
           buffer_broken(p, "content", "the bytes of buffer %u have changed, at %zu", number, same);
}

// Live buffers and bytes of each memory, and its blocks: the buffers', the trace's and, at home,
// the buffer table's own, which are never freed before its end.
static bool check_live(buffer_player *p) {
    const buffer_watch *w = &p->watch;
    if (w->broken)
        return buffer_broken(p, "death", "%s: memory %u, %u", w->broken, w->broken_memory,
                             w->broken_offset);
    for (uint32_t i = 0; i < p->options.count; i++) {
        lm_live live = lm_buffer_table_live_in(&p->table, buffer_memory_number(p, i));
        if (live.buffers != p->live_buffers[i] || live.bytes != p->live_bytes[i])
            return buffer_broken(p, "count", "%llu live buffers in memory %u, not %u",
                                 (unsigned long long)live.buffers, i, p->live_buffers[i]);
        if (live.peak_bytes != p->peak_bytes[i])
            return buffer_broken(p, "count", "the peak of memory %u is %llu bytes, not %llu", i,
                                 (unsigned long long)live.peak_bytes,
                                 (unsigned long long)p->peak_bytes[i]);
        uint32_t blocks = p->live_buffers[i] + p->live_blocks[i] + (i == LM_HOME ? p->tables : 0);
        if (w->live[i] == blocks) continue;
        if (i != LM_HOME || w->live[i] < blocks || !w->made)
            return buffer_broken(p, "death", "%u live blocks in memory %u, not %u", w->live[i], i,
                                 blocks);
        p->tables += w->live[i] - blocks;
    }
    return true;
}

// A strategy that counts its live blocks must have as many as the watch.
static bool check_heap(buffer_player *p, uint32_t memory) {
    const lm_served *served = &p->options.memories[memory];
    lm_census census = {0};
    if (!served->allocator->validate) return true;
    const char *law = served->allocator->validate(served->memory, &census);
    if (law) return buffer_broken(p, "sound", "memory %u: %s", memory, law);
    if (!(served->allocator->capabilities & LM_FREES_BLOCKS)) return true;
    return census.live_blocks == p->watch.live[memory] ||
           buffer_broken(p, "census", "%llu live blocks in memory %u, not %u",
                         (unsigned long long)census.live_blocks, memory, p->watch.live[memory]);
}

// Validates the records of the buffer table and the finalizers.
static bool walk_tables(buffer_player *p) {
    lm_census census = {0};
    uint32_t armed = 0;
    const char *law = lm_buffer_table_validate(&p->table, &census);
    if (!law) law = lm_finalizers_validate(&p->table, &armed);
    if (law) return buffer_broken(p, "sound", "%s", law);
    if (census.live_blocks != p->model.live_buffers || census.live_bytes != p->model.live_bytes)
        return buffer_broken(p, "count", "%llu buffers are counted, not %llu",
                             (unsigned long long)census.live_blocks,
                             (unsigned long long)p->model.live_buffers);
    return armed == p->armed ||
           buffer_broken(p, "count", "%u tokens are armed, not %u", armed, p->armed);
}

static bool walk(buffer_player *p) {
    p->played.walks++;
    if (!walk_tables(p)) return false;
    for (uint32_t i = 0; i < p->options.count; i++)
        if (!check_heap(p, i)) return false;
    for (uint32_t i = 0; i < p->model.begun; i++)
        if (p->buffers[i].lives && !buffer_check_bytes(p, i)) return false;
    for (uint32_t i = 0; i < p->references_begun; i++)
        if (p->references[i].handle && !buffer_check_reference(p, i)) return false;
    return true;
}

// Buffers.

enum {
    SPARE = 8,       // handles and tokens beyond the trace's, for temporary use
    EDGE_BYTES = 64, // of a buffer without a copy here, bytes checked at each end
};

// The pressure callback: memory must be short, and allocations that it makes must not call it
// again.
static void pressure(void *context, lm_buffer_table *table, uint32_t memory, uint64_t bytes) {
    buffer_player *p = context;
    uint32_t calls = p->watch.calls, refused = p->watch.refused;
    lm_handle none = 0;
    p->pressed++;
    if (memory != p->wanted.memory || bytes != p->wanted.size)
        buffer_broken(p, "status", "pressure is reported for %llu bytes in memory %u",
                      (unsigned long long)bytes, memory);
    if (p->wanted.wrongly) return;
    lm_buffer_create(table, 0, memory, UINT32_MAX, 1, false, &none);
    if (none) buffer_broken(p, "status", "a buffer of 4 GiB is created");
    p->watch.calls = calls;
    p->watch.refused = refused;
}

static void want(buffer_player *p, uint32_t memory, uint32_t size) {
    p->wanted.memory = buffer_memory_number(p, memory);
    p->wanted.size = size;
    p->wanted.wrongly = false;
    p->pressed = 0;
}

// Checks the number of calls of the callback: one if the call exceeds the budget, and one if it
// fails.
static bool check_pressure(buffer_player *p, lm_status status, bool exceeds) {
    if (p->law) return false;
    if (p->options.budget == 0) return true;
    uint32_t due = (uint32_t)exceeds + (status == LM_OUT_OF_MEMORY);
    if (p->pressed == due || (status == LM_OK && p->watch.refused && p->pressed == due + 1))
        return true;
    return buffer_broken(p, "status", "the pressure callback is called %u times, not %u: %s",
                         p->pressed, due, lm_status_name(status));
}

static bool exceeds_budget(const buffer_player *p, uint32_t memory, uint32_t size) {
    return p->live_bytes[memory] + size > p->options.budget;
}

// Updates the peak for a buffer that is being created.
static void charge(buffer_player *p, uint32_t memory, uint32_t size) {
    uint64_t bytes = p->live_bytes[memory] + size;
    if (bytes > p->peak_bytes[memory]) p->peak_bytes[memory] = bytes;
}

static lm_status create_fresh(buffer_player *p, const trace_operation *operation, uint32_t size,
                              bool zeroed, lm_view *made) {
    uint32_t memory = acting_memory(p);
    bool full = !handle_shadow_has_slot(&p->shadow);
    want(p, memory, size);
    lm_status status = lm_buffer_create(&p->table, made->owner, buffer_memory_number(p, memory),
                                        size, operation->argument[2], zeroed, &made->handle);
    if (!lm_failed(status)) charge(p, memory, size);
    // the table rejects what fits no memory without asking the allocator
    p->watch.refused += size > UINT32_MAX - operation->argument[2];
    bool good =
        check_pressure(p, status, exceeds_budget(p, memory, size)) &&
        buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK) &&
        (lm_failed(status) || buffer_given(p, made->handle, made->owner, memory, p->model.begun));
    return good ? status : BUFFER_BROKEN;
}

// Allocates a block and lets the buffer table adopt it.
static lm_status adopt(buffer_player *p, const trace_operation *operation, lm_view *made) {
    uint32_t i = acting_memory(p), size = operation->argument[1];
    const lm_served *served = &p->watch.served[i];
    bool full = !handle_shadow_has_slot(&p->shadow);
    void *block = served->allocator->allocate_aligned(operation->argument[2], size ? size : 1,
                                                      served->memory);
    if (!block) return LM_OUT_OF_MEMORY;
    uint32_t offset = lm_offset(served->memory, block);
    want(p, i, size);
    lm_status status = lm_buffer_adopt(&p->table, made->owner, buffer_memory_number(p, i), offset,
                                       size, &made->handle);
    if (!check_pressure(p, status, exceeds_budget(p, i, size)) ||
        !buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK))
        return BUFFER_BROKEN;
    if (!lm_failed(status)) charge(p, i, size);
    if (lm_failed(status))
        served->allocator->free(lm_at(served->memory, offset), 0, served->memory);
    else if (!buffer_given(p, made->handle, made->owner, i, p->model.begun))
        return BUFFER_BROKEN;
    return status;
}

static uint32_t start_of(buffer_player *p, const lm_view *reference) {
    lm_buffer_info info = {0};
    lm_buffer_describe(&p->table, reference->owner, reference->handle, &info);
    return info.start;
}

// Replaces the first reference of a new buffer by a view of its first bytes, so that the buffer can
// be resized through the view. A pointer to the view becomes the last pointer.
static lm_status hold_by_view(buffer_player *p, uint32_t bytes, lm_view *made, lm_view *view) {
    lm_pointer pointer;
    bool full = !handle_shadow_has_slot(&p->shadow);
    lm_status status = lm_view_make(&p->table, made->owner, made->handle, LM_U8, 0, bytes, view);
    if (!buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK)) return BUFFER_BROKEN;
    if (!lm_failed(status) &&
        !buffer_given(p, view->handle, made->owner, acting_memory(p), p->model.begun))
        return BUFFER_BROKEN;
    if (!buffer_release_one(p, made->owner, made->handle, lm_failed(status))) return BUFFER_BROKEN;
    if (lm_failed(status)) return status;
    made->handle = view->handle;
    status = lm_view_point(&p->table, view, &pointer);
    if (!buffer_check_status(p, status, LM_OK)) return BUFFER_BROKEN;
    buffer_keep_pointer(p, &pointer);
    return status;
}

// Resizes a new buffer; `exceeds`: beyond the budget.
static bool resize(buffer_player *p, uint32_t size, bool exceeds, const lm_view *made,
                   lm_status *status) {
    want(p, acting_memory(p), size);
    p->watch.refused = 0;
    *status = lm_buffer_resize(&p->table, made->owner, made->handle, size);
    if (!lm_failed(*status)) charge(p, acting_memory(p), size);
    return check_pressure(p, *status, exceeds) && buffer_check_status(p, *status, LM_OK);
}

// Creates a buffer of half the size and resizes it: its content is kept, and a pointer to it is
// valid if the buffer has not moved. Every second buffer is resized through a view.
static lm_status create_and_resize(buffer_player *p, const trace_operation *operation,
                                   lm_view *made) {
    uint32_t size = operation->argument[1], half = size / 2;
    bool by_view = p->model.begun % 32 < 16;
    lm_view view;
    lm_status status = create_fresh(p, operation, half, false, made);
    if (status != LM_OK) return status;
    real_buffer b = {.memory = acting_memory(p), .start = start_of(p, made)};
    fill_bytes(buffer_bytes_of(p, &b), half, size);
    if (by_view && (status = hold_by_view(p, half, made, &view)) != LM_OK) return status;
    bool exceeds = size > half && exceeds_budget(p, b.memory, size);
    if (!resize(p, size, exceeds, made, &status)) return BUFFER_BROKEN;
    uint32_t start = b.start;
    b.start = start_of(p, made);
    if (by_view && !buffer_check_pointer(p, b.start == start)) return BUFFER_BROKEN;
    p->pointer.address = NULL;
    if (!holds_fill(buffer_bytes_of(p, &b), half, size)) {
        buffer_broken(p, "content", "a resize changes the bytes");
        return BUFFER_BROKEN;
    }
    if (lm_failed(status) && !buffer_release_one(p, made->owner, made->handle, true))
        return BUFFER_BROKEN;
    return status;
}

// Creates a larger buffer, referenced by a view only, and shrinks it: the view's elements beyond
// the new end are out of range, and a pointer to the view is old. The view's reference becomes the
// buffer's.
static lm_status create_and_shrink(buffer_player *p, const trace_operation *operation,
                                   lm_view *made) {
    uint32_t size = operation->argument[1];
    lm_view all;
    uint64_t byte;
    if (size > UINT32_MAX / 2) return create_fresh(p, operation, size, false, made);
    lm_status status = create_fresh(p, operation, size + size / 2 + 1, false, made);
    if (status == LM_OK) status = hold_by_view(p, size + 1, made, &all);
    if (status != LM_OK) return status;
    if (!resize(p, size, false, made, &status)) return BUFFER_BROKEN;
    if (lm_failed(status)) {
        buffer_broken(p, "status", "a buffer cannot be shrunk");
        return BUFFER_BROKEN;
    }
    if (!buffer_check_pointer(p, false)) return BUFFER_BROKEN;
    p->pointer.address = NULL;
    lm_status beyond = lm_view_load(&p->table, &all, size, LM_U8, true, &byte);
    return buffer_check_status(p, beyond, LM_OUT_OF_RANGE) ? status : BUFFER_BROKEN;
}

// The buffer's number decides how it is created: odd ones are zeroed.
static lm_status make_buffer(buffer_player *p, const trace_operation *operation, lm_view *made) {
    uint32_t number = p->model.begun;
    if (is_adopted(p)) return adopt(p, operation, made);
    if (number % 16 == 6) return create_and_resize(p, operation, made);
    if (number % 16 == 14) return create_and_shrink(p, operation, made);
    return create_fresh(p, operation, operation->argument[1], number % 2, made);
}

// Fills a new buffer with its own bytes; a zeroed one is checked and left.
static bool fill(buffer_player *p, uint32_t number, bool zeroed) {
    real_buffer *b = &p->buffers[number];
    uint32_t size = p->model.buffers[number].size;
    unsigned char *bytes = buffer_bytes_of(p, b);
    find_content_room(p, b, size);
    uint32_t edge = b->shadowed || size < EDGE_BYTES ? size : EDGE_BYTES;
    if (zeroed && !(is_zero(bytes, edge) && is_zero(bytes + size - edge, edge)))
        return buffer_broken(p, "zero", "buffer %u is not zero", number);
    if (!b->shadowed) return true;
    if (!zeroed) fill_bytes(bytes, size, number);
    buffer_copy_bytes(p->content + b->content, bytes, size);
    return true;
}

void buffer_begin_as_nothing(buffer_player *p, const trace_operation *operation) {
    p->played.failures++;
    p->references[operation->argument[0]].handle = 0;
    buffer_model_fail(&p->model, operation);
}

static bool create(buffer_player *p, const trace_operation *operation) {
    lm_view *made = &p->references[operation->argument[0]];
    uint32_t number = p->model.begun, size = operation->argument[1];
    real_buffer *b = &p->buffers[number];
    *made = (lm_view){.owner = p->model.owner};
    *b = (real_buffer){.memory = acting_memory(p)};
    lm_status status = make_buffer(p, operation, made);
    if (status == BUFFER_BROKEN || (p->watch.broken && !check_live(p))) return false;
    if (lm_failed(status)) {
        buffer_begin_as_nothing(p, operation);
        return true;
    }
    buffer_model_play(&p->model, operation);
    p->live_buffers[b->memory]++;
    p->live_bytes[b->memory] += size;
    p->played.buffers++;
    b->lives = true;
    b->start = start_of(p, made);
    return fill(p, number, number % 2) && buffer_check_reference(p, operation->argument[0]);
}

// Releases.

// Checks the bytes of the buffers that the model's last operation frees.
bool buffer_before_death(buffer_player *p) {
    for (uint32_t i = 0; i < p->model.died_count; i++) {
        uint32_t number = p->model.died[i];
        real_buffer *b = &p->buffers[number];
        if (!buffer_check_bytes(p, number)) return false;
        b->lives = false;
        p->live_buffers[b->memory]--;
        p->live_bytes[b->memory] -= p->model.buffers[number].size;
    }
    return true;
}

// A released handle is valid while its share has references.
bool buffer_after_release(buffer_player *p, lm_handle handle) {
    uint32_t owner = lm_handle_owner(handle);
    lm_buffer_info info;
    lm_status status = lm_buffer_describe(&p->table, owner, handle, &info);
    lm_status expected = handle_shadow_judge(&p->shadow, owner, handle, LM_USE_AFTER_ZERO);
    return status == expected || buffer_broken(p, "count", "a released handle is %s, not %s",
                                               lm_status_name(status), lm_status_name(expected));
}

static bool check_release(buffer_player *p, lm_status status, lm_handle handle, bool dies) {
    if (!buffer_check_status(p, status, dies ? LM_FREED : LM_OK)) return false;
    handle_shadow_take(&p->shadow, handle);
    return buffer_after_release(p, handle);
}

bool buffer_release_one(buffer_player *p, uint32_t owner, lm_handle handle, bool dies) {
    return check_release(p, lm_buffer_release(&p->table, owner, handle), handle, dies);
}

// Ends a view, and then a copy of it, which must change nothing unless the handle was retained.
static bool end_view(buffer_player *p, lm_view view, bool dies) {
    lm_view copy = view;
    lm_status status = lm_view_end(&p->table, &view);
    if (view.handle) return buffer_broken(p, "status", "a view that has ended keeps its handle");
    if (!check_release(p, status, copy.handle, dies)) return false;
    lm_status again =
        handle_shadow_judge(&p->shadow, copy.owner, copy.handle, LM_RELEASE_AFTER_ZERO);
    return again == LM_OK || buffer_check_status(p, lm_view_end(&p->table, &copy), again);
}

static bool release(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0];
    buffer_model_play(&p->model, operation);
    lm_view gone = p->references[number];
    bool dies = p->model.died_count > 0, closed = false;
    if (p->model.references[number].buffer == BUFFER_MODEL_NONE) return true;
    p->references[number].handle = 0;
    p->last_handles[number] = gone.handle;
    if (!buffer_before_death(p)) return false;
    if (p->model.references[number].view) return end_view(p, gone, dies);
    if (number % 8 == 3 && !buffer_close(p, &gone, dies, &closed)) return false;
    return closed || buffer_release_one(p, gone.owner, gone.handle, dies);
}

// The only reference to a share stays in its slot while the slot has generations left.
static bool transfer(buffer_player *p, const trace_operation *operation) {
    lm_view *real = &p->references[operation->argument[0]];
    uint32_t to = operation->argument[1];
    if (p->model.references[operation->argument[0]].buffer == BUFFER_MODEL_NONE) return true;
    shadow_share share = *handle_shadow_share(&p->shadow, real->handle);
    bool stays = share.count == 1 && handle_shadow_has_generation(real->handle);
    bool full = !stays && !handle_shadow_has_slot(&p->shadow);
    lm_handle handle, old = real->handle;
    bool interrupted;
    buffer_interrupt_begin(p, old, operation->argument[0]);
    lm_status status = lm_buffer_transfer(&p->table, real->owner, old, to, &handle);
    if (!buffer_interrupt_end(p, &interrupted)) return false;
    if (interrupted) { // a reference retained meanwhile makes it one of two
        stays = false;
        full = status == LM_OUT_OF_SLOTS && !handle_shadow_has_slot(&p->shadow);
    }
    if (stays && p->watch.calls) return buffer_broken(p, "death", "a transfer calls the allocator");
    if (!buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK)) return false;
    if (lm_failed(status)) {
        p->played.failures++;
        return buffer_check_reference(p, operation->argument[0]);
    }
    bool moves = lm_handle_slot(handle) != lm_handle_slot(old); // the old slot is then released
    if (!moves) handle_shadow_take(&p->shadow, old);
    p->last_handles[operation->argument[0]] = old;
    if (!buffer_given(p, handle, to, p->buffers[share.buffer].memory, share.buffer)) return false;
    if (moves) handle_shadow_take(&p->shadow, old);
    buffer_model_play(&p->model, operation);
    real->handle = handle;
    real->owner = to;
    return buffer_after_release(p, old) && buffer_check_reference(p, operation->argument[0]);
}

// Blocks of the memory in which they begin. Allocators are never asked for 0 bytes, neither here
// nor by a buffer table.
static bool play_block(buffer_player *p, const trace_operation *operation) {
    real_block *b = &p->blocks[operation->argument[0]];
    uint32_t size = operation->argument[1] ? operation->argument[1] : 1;
    bool begins = operation->verb == TRACE_ALLOCATE || operation->verb == TRACE_ZEROED;
    if (begins) *b = (real_block){acting_memory(p), 0, operation->argument[2]};
    const lm_allocator *allocator = p->watch.served[b->memory].allocator;
    lm_memory *memory = p->watch.served[b->memory].memory;
    bool aligned = b->alignment > TRACE_ALIGNMENT_DEFAULT;
    void *old = b->offset ? lm_at(memory, b->offset) : NULL, *now = NULL;
    if (begins)
        now = aligned && allocator->allocate_aligned
                  ? allocator->allocate_aligned(b->alignment, size, memory)
                  : allocator->allocate(size, memory);
    else if (operation->verb == TRACE_RESIZE && old)
        now = aligned && allocator->resize_aligned
                  ? allocator->resize_aligned(old, size, b->alignment, memory)
                  : allocator->resize(old, size, memory);
    else if (old)
        allocator->free(old, 0, memory);
    p->live_blocks[b->memory] += begins && now;
    p->live_blocks[b->memory] -= operation->verb == TRACE_FREE && old;
    if (operation->verb == TRACE_FREE) b->offset = 0;
    if (now) b->offset = lm_offset(memory, now);
    p->played.failures += !now && operation->verb != TRACE_FREE;
    return true;
}

static bool play_around(buffer_player *p, const trace_operation *operation) {
    lm_memory *memory = p->options.memories[acting_memory(p)].memory;
    if (operation->verb == TRACE_GROW)
        lm_memory_grow_foreign(memory, operation->argument[0]);
    else if (operation->verb == TRACE_REFUSE)
        lm_memory_refuse(memory, operation->argument[0]);
    else if (operation->verb == TRACE_MOVE)
        lm_memory_move(memory);
    return true; // the caller has started the heap
}

static bool play_scope(buffer_player *p, const trace_operation *operation) {
    (void)operation;
    return buffer_broken(p, "status", "buffers have no scopes or resets");
}

static bool play_model(buffer_player *p, const trace_operation *operation) {
    buffer_model_play(&p->model, operation);
    return true;
}

static bool (*const plays[TRACE_VERBS])(buffer_player *, const trace_operation *) = {
    [TRACE_ALLOCATE] = play_block,    [TRACE_ZEROED] = play_block,
    [TRACE_RESIZE] = play_block,      [TRACE_FREE] = play_block,
    [TRACE_LANE] = play_model,        [TRACE_MEMORY] = play_model,
    [TRACE_EXIT] = play_model,        [TRACE_GROW] = play_around,
    [TRACE_REFUSE] = play_around,     [TRACE_MOVE] = play_around,
    [TRACE_BUFFER] = create,          [TRACE_RETAIN] = buffer_refer,
    [TRACE_RELEASE] = release,        [TRACE_VIEW] = buffer_refer,
    [TRACE_COPY] = buffer_copy,       [TRACE_TRANSFER] = transfer,
    [TRACE_ATTACH] = buffer_attach,   [TRACE_DETACH] = buffer_detach,
    [TRACE_COLLECT] = buffer_collect, [TRACE_DRAIN] = buffer_drain,
    [TRACE_OPEN] = play_scope,        [TRACE_CLOSE] = play_scope,
    [TRACE_RESET] = play_scope,       [TRACE_HEAP] = play_around,
    [TRACE_WRONG] = buffer_wrong,
};

// Playing.

bool buffer_player_create(buffer_player *p, const buffer_limits *limits, size_t content_bytes) {
    uint32_t references = limits->references, tokens = limits->tokens;
    *p = (buffer_player){.limits = *limits, .content_bytes = content_bytes};
    bool room =
        buffer_model_create(&p->model, limits) &&
        buffer_watch_create(&p->watch, limits->buffers + limits->blocks + BUFFER_TABLES_MAX) &&
        handle_shadow_create(&p->shadow, references + SPARE, 2 * tokens + SPARE);
    p->buffers = calloc((size_t)limits->buffers + 1, sizeof *p->buffers);
    p->references = calloc((size_t)references + 1, sizeof *p->references);
    p->last_handles = calloc((size_t)references + 1, sizeof *p->last_handles);
    p->tokens = calloc((size_t)tokens + 1, sizeof *p->tokens);
    p->last_tokens = calloc((size_t)tokens + 1, sizeof *p->last_tokens);
    p->blocks = calloc((size_t)limits->blocks + 1, sizeof *p->blocks);
    p->content = calloc(content_bytes + 1, 1);
    p->scratch = calloc(content_bytes + 1, 1);
    if (room && p->buffers && p->references && p->last_handles && p->tokens && p->last_tokens &&
        p->blocks && p->content && p->scratch)
        return true;
    buffer_player_destroy(p);
    return false;
}

void buffer_player_destroy(buffer_player *p) {
    if (p->model.buffers) buffer_model_end(&p->model);
    buffer_watch_destroy(&p->watch);
    handle_shadow_destroy(&p->shadow);
    free(p->buffers);
    free(p->references);
    free(p->last_handles);
    free(p->tokens);
    free(p->last_tokens);
    free(p->blocks);
    free(p->content);
    free(p->scratch);
}

static void restart(buffer_player *p, const buffer_player_options *options) {
    p->options = *options;
    p->law = NULL;
    p->played = (buffer_played){0};
    p->references_begun = p->tokens_begun = p->blocks_begun = 0;
    p->armed = p->waiting = p->tables_found = 0;
    p->content_used = 0;
    p->pointer.address = NULL;
    for (uint32_t i = 0; i < options->count; i++)
        p->live_bytes[i] = p->peak_bytes[i] = p->live_buffers[i] = p->live_blocks[i] = 0;
    buffer_model_restart(&p->model);
    handle_shadow_restart(&p->shadow);
    buffer_watch_start(&p->watch, options->memories, options->count);
}

// Checks that no memory has a live block.
static bool check_empty(buffer_player *p) {
    for (uint32_t i = 0; i < p->options.count; i++)
        if (p->watch.live[i])
            return buffer_broken(p, "quiescence", "%u live blocks in memory %u", p->watch.live[i],
                                 i);
    return true;
}

// A buffer table fails to start only if out of memory, and then leaves no live block.
static bool check_not_started(buffer_player *p) {
    if (!p->watch.refused)
        return buffer_broken(p, "status", "a buffer table does not start although it has room");
    return check_empty(p);
}

bool buffer_player_start(buffer_player *p, const buffer_player_options *options, bool *started) {
    restart(p, options);
    const lm_served *served = p->watch.served;
    *started = lm_buffer_table_start(&p->table, options->counts, served->allocator, served->memory);
    if (!*started) return check_not_started(p);
    for (uint32_t i = 0; i < options->skipped; i++)
        lm_buffer_table_add(&p->table, served->allocator, served->memory);
    for (uint32_t i = 1; i < options->count; i++)
        lm_buffer_table_add(&p->table, served[i].allocator, served[i].memory);
    for (uint32_t i = 0; options->budget && i < options->count; i++)
        lm_buffer_table_set_budget(&p->table, buffer_memory_number(p, i), options->budget);
    if (options->budget) lm_buffer_table_set_pressure(&p->table, pressure, p);
    *started = lm_finalizers_start(&p->table);
    p->tables = p->watch.live[LM_HOME];
    if (*started) return true;
    lm_buffer_table_end(&p->table);
    return check_not_started(p);
}

// Updates the number of blocks, references or tokens begun.
static void note_beginning(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0];
    switch (trace_grammar[operation->verb].arguments[0]) {
    case TRACE_BLOCK_BEGIN:
        p->blocks_begun = number + 1;
        break;
    case TRACE_REFERENCE_BEGIN:
        p->references_begun = number + 1;
        p->last_handles[number] = 0;
        break;
    case TRACE_TOKEN_BEGIN:
        p->tokens_begun = number + 1;
        break;
    default:
        break;
    }
}

bool buffer_player_step(buffer_player *p, const trace_operation *operation) {
    p->watch.calls = p->watch.refused = p->watch.made = 0;
    note_beginning(p, operation);
    if (!plays[operation->verb](p, operation) || p->law || !check_live(p) ||
        !buffer_check_pointer(p, true))
        return false;
    uint32_t every = p->options.walk_every;
    return !every || ++p->played.operations % every || walk(p);
}

// Releases everything of an owner at once.
static bool release_owner(buffer_player *p, uint32_t owner) {
    uint64_t freed = 0;
    for (uint32_t i = 0; i < p->references_begun; i++) {
        if (!p->references[i].handle || p->references[i].owner != owner) continue;
        buffer_model_play(&p->model, &(trace_operation){TRACE_RELEASE, {i}});
        if (!buffer_before_death(p)) return false;
        freed += p->model.died_count;
        handle_shadow_take(&p->shadow, p->references[i].handle);
        p->last_handles[i] = p->references[i].handle;
        p->references[i].handle = 0;
    }
    buffer_forget_tokens(p, owner);
    uint64_t real = lm_buffer_table_release_all(&p->table, owner);
    return (real == freed ||
            buffer_broken(p, "death", "release_all frees %llu buffers of owner %u, not %llu",
                          (unsigned long long)real, owner, (unsigned long long)freed)) &&
           check_live(p) && buffer_check_pointer(p, true) && walk_tables(p);
}

// Checks how many buffers an owner holds against the shadow.
static bool check_owner(buffer_player *p, uint32_t owner) {
    uint64_t held = lm_buffer_table_live_of(&p->table, owner).buffers, expected = 0;
    for (uint32_t i = 0; i < p->shadow.slots; i++)
        expected +=
            p->shadow.shares[i].count && lm_handle_owner(p->shadow.shares[i].handle) == owner;
    return held == expected ||
           buffer_broken(p, "count", "owner %u holds %llu buffers, not %llu", owner,
                         (unsigned long long)held, (unsigned long long)expected);
}

static bool end_table(buffer_player *p) {
    lm_finalizers_end(&p->table);
    if (!buffer_collect_ended(p)) return false;
    lm_buffer_table_end(&p->table);
    if (!buffer_collect_ended(p) || !buffer_check_pointer(p, false)) return false;
    if (p->watch.broken)
        return buffer_broken(p, "death", "%s, at the end of the buffer table", p->watch.broken);
    for (uint32_t i = 0; i < p->options.count; i++)
        if (!check_heap(p, i)) return false;
    return check_empty(p);
}

bool buffer_player_end(buffer_player *p) {
    bool good = buffer_player_step(p, &(trace_operation){TRACE_DRAIN, {TRACE_COUNT_ALL}});
    good = good && buffer_collect_some(p);
    for (uint32_t i = 0; good && i < p->references_begun; i++) {
        uint32_t owner = p->references[i].owner;
        if (p->references[i].handle) good = check_owner(p, owner) && release_owner(p, owner);
    }
    good = good && buffer_collect_late(p) && check_live(p);
    for (uint32_t i = 0; good && i < p->blocks_begun; i++)
        if (p->blocks[i].offset) good = buffer_player_step(p, &(trace_operation){TRACE_FREE, {i}});
    return good && walk_tables(p) && end_table(p);
}

// Whole traces.

// Twice the most bytes live at once, so that content is seldom compacted.
static size_t content_bytes_of(const trace *trace, buffer_model *model) {
    uint64_t most = 0;
    buffer_model_restart(model);
    for (size_t i = 0; i < trace->count; i++) {
        buffer_model_play(model, &trace->operations[i]);
        if (model->live_bytes > most) most = model->live_bytes;
    }
    return (size_t)most * 2;
}

static bool play_all(buffer_player *p, const trace *trace, trace_error *error) {
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *operation = &trace->operations[i];
        if (buffer_player_step(p, operation)) continue;
        snprintf(error->text, sizeof error->text, "operation %zu (%c): %s: %s", i,
                 trace_grammar[operation->verb].letter, p->law, p->finding);
        return false;
    }
    if (buffer_player_end(p)) return true;
    snprintf(error->text, sizeof error->text, "at the end: %s: %s", p->law, p->finding);
    return false;
}

bool buffer_player_play(const trace *trace, const buffer_player_options *options,
                        buffer_played *played, trace_error *error) {
    const buffer_limits limits = buffer_limits_of(trace);
    buffer_model model;
    buffer_player *p = calloc(1, sizeof *p);
    bool room = p && buffer_model_create(&model, &limits), started, good = false;
    if (room) {
        room = buffer_player_create(p, &limits, content_bytes_of(trace, &model));
        buffer_model_end(&model);
    }
    *played = (buffer_played){0};
    if (!room)
        snprintf(error->text, sizeof error->text, "the player is out of memory");
    else if (!buffer_player_start(p, options, &started))
        snprintf(error->text, sizeof error->text, "at the start: %s: %s", p->law, p->finding);
    else if (!started)
        snprintf(error->text, sizeof error->text, "home has no room for a buffer table");
    else
        good = play_all(p, trace, error);
    if (room) {
        *played = p->played;
        buffer_player_destroy(p);
    }
    free(p);
    return good;
}
