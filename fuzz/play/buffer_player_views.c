// The buffer player's verbs of references, views, pointers and copies: + v y.
#include "alloc/buffers/element_copy.h"
#include "fuzz/play/buffer_player_state.h"

#define COUNT_MAX ((UINT32_C(1) << LM_COUNT_BITS) - 1)

enum { AGAIN_MAX = 8 }; // elements that are written again

// Gets another reference, for the acting owner.
static lm_status take(buffer_player *p, const lm_view *of, lm_handle *handle) {
    shadow_share *share = handle_shadow_share(&p->shadow, of->handle);
    if (of->owner == p->model.owner) {
        bool full = share->count == COUNT_MAX;
        lm_status status = lm_buffer_retain(&p->table, of->owner, of->handle);
        if (!buffer_check_status(p, status, full ? LM_COUNT_OVERFLOW : LM_OK)) return BUFFER_BROKEN;
        share->count += !lm_failed(status);
        *handle = of->handle;
        return status;
    }
    bool full = !handle_shadow_has_slot(&p->shadow);
    lm_status status = lm_buffer_share(&p->table, of->owner, of->handle, p->model.owner, handle);
    if (!buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK)) return BUFFER_BROKEN;
    if (lm_failed(status)) return status;
    uint32_t memory = p->buffers[share->buffer].memory;
    return buffer_given(p, *handle, p->model.owner, memory, share->buffer) ? status : BUFFER_BROKEN;
}

// The status expected of a view.
static lm_status view_status(const buffer_player *p, uint32_t of, const uint32_t *argument) {
    const model_buffer *buffer = &p->model.buffers[p->model.references[of].buffer];
    uint32_t element = buffer_model_element(argument[2]);
    if (argument[3] % element) return LM_MISALIGNED;
    if (argument[3] + (uint64_t)argument[4] * element > buffer->size) return LM_OUT_OF_RANGE;
    return LM_OK;
}

// Makes a view of a reference of the acting owner: of a view, if it is within its bounds.
static lm_status make_view(buffer_player *p, const lm_view *of, bool view, const uint32_t *argument,
                           lm_view *made) {
    uint32_t element = view ? lm_kind_bytes(of->kind) : 1;
    if (view && argument[3] >= of->offset && (argument[3] - of->offset) % element == 0 &&
        argument[3] + (uint64_t)argument[4] * lm_kind_bytes(argument[2]) <=
            of->offset + (uint64_t)of->length * element)
        return lm_view_sub(&p->table, of, argument[2], (argument[3] - of->offset) / element,
                           argument[4], made);
    return lm_view_make(&p->table, p->model.owner, of->handle, argument[2], argument[3],
                        argument[4], made);
}

// Makes a view, with a temporary reference if the acting owner has none.
static lm_status view(buffer_player *p, const trace_operation *operation, lm_view *made) {
    const uint32_t *argument = operation->argument;
    lm_view of = p->references[argument[1]];
    bool shared = of.owner != p->model.owner;
    if (shared) {
        lm_status status = take(p, &of, &of.handle);
        if (status != LM_OK) return status;
        of.owner = p->model.owner;
    }
    uint32_t buffer = handle_shadow_share(&p->shadow, of.handle)->buffer;
    lm_status expected = view_status(p, argument[1], argument);
    if (expected == LM_OK && !handle_shadow_has_slot(&p->shadow)) expected = LM_OUT_OF_SLOTS;
    bool sub = !shared && p->model.references[argument[1]].view;
    lm_status status = make_view(p, &of, sub, argument, made);
    if (!buffer_check_status(p, status, expected)) return BUFFER_BROKEN;
    if (status == LM_OK &&
        !buffer_given(p, made->handle, of.owner, p->buffers[buffer].memory, buffer))
        return BUFFER_BROKEN;
    if (shared && !buffer_release_one(p, of.owner, of.handle, false)) return BUFFER_BROKEN;
    return status;
}

// Checks the pointer to a view's first byte.
static bool check_pointer(buffer_player *p, uint32_t number) {
    const lm_view *real = &p->references[number];
    const real_buffer *b = &p->buffers[p->model.references[number].buffer];
    lm_pointer pointer;
    bool askew = b->start % buffer_model_element(real->kind) != 0;
    lm_status status = lm_view_point(&p->table, real, &pointer);
    if (!buffer_check_status(p, status, askew ? LM_MISALIGNED : LM_OK)) return false;
    if (status != LM_OK) return true;
    buffer_keep_pointer(p, &pointer);
    return pointer.address == buffer_bytes_of(p, b) + real->offset ||
           buffer_broken(p, "content", "a pointer to a view has a wrong address");
}

// Loads an element of any kind, in either byte order, at the view's start or end, and stores it
// again, which changes nothing.
static bool check_access(buffer_player *p, uint32_t number) {
    const lm_view *real = &p->references[number];
    lm_kind kind = number % LM_BYTES;
    uint32_t bytes = buffer_model_element(kind),
             size = real->length * buffer_model_element(real->kind);
    uint32_t offset = number % 2 && size > bytes ? size - bytes : 0;
    const real_buffer *b = &p->buffers[p->model.references[number].buffer];
    bool little = number % 4 < 2;
    if (size < bytes || !b->shadowed) return true;
    const unsigned char *at = buffer_bytes_of(p, b) + real->offset + offset;
    uint64_t expected = element_bits(at, bytes, little), bits = 0;
    lm_status status = lm_view_load(&p->table, real, offset, kind, little, &bits);
    if (!buffer_check_status(p, status, LM_OK)) return false;
    if (bits != expected)
        return buffer_broken(p, "content", "a load returns %llx, not %llx",
                             (unsigned long long)bits, (unsigned long long)expected);
    status = lm_view_store(&p->table, real, offset, kind, little, bits);
    return buffer_check_status(p, status, LM_OK);
}

void buffer_keep_pointer(buffer_player *p, const lm_pointer *pointer) {
    const lm_memory *memory = p->options.memories[buffer_memory_of(p, pointer->memory)].memory;
    p->pointer = *pointer;
    p->pointer_pages = lm_memory_pages(memory);
    p->pointer_moves = memory->moves;
}

// A pointer is valid until its memory grows or moves, and while its view's handle is; after a
// resize, `same` says whether all its bytes are at the same place.
bool buffer_check_pointer(buffer_player *p, bool same) {
    if (!p->pointer.address) return true;
    const lm_memory *memory = p->options.memories[buffer_memory_of(p, p->pointer.memory)].memory;
    const lm_view *of = &p->pointer.view;
    bool good = same && p->pointer_pages == lm_memory_pages(memory) &&
                p->pointer_moves == memory->moves &&
                handle_shadow_judge(&p->shadow, of->owner, of->handle, LM_USE_AFTER_ZERO) == LM_OK;
    return buffer_check_status(p, lm_pointer_check(&p->table, &p->pointer),
                               good ? LM_OK : LM_OLD_POINTER);
}

bool buffer_refer(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0], of = operation->argument[1];
    lm_view *made = &p->references[number];
    *made = (lm_view){.owner = p->model.owner};
    if (p->model.references[of].buffer == BUFFER_MODEL_NONE) {
        buffer_model_play(&p->model, operation);
        return true;
    }
    lm_status status = operation->verb == TRACE_RETAIN ? take(p, &p->references[of], &made->handle)
                                                       : view(p, operation, made);
    if (status == BUFFER_BROKEN) return false;
    if (buffer_is_want(status)) {
        buffer_begin_as_nothing(p, operation);
        return buffer_check_reference(p, of);
    }
    bool refused = !buffer_model_play(&p->model, operation);
    p->played.refused += refused;
    if (refused) made->handle = 0;
    if (operation->verb == TRACE_VIEW && !refused &&
        !(check_pointer(p, number) && check_access(p, number)))
        return false;
    return buffer_check_reference(p, number) && buffer_check_reference(p, of);
}

// ---- Copies -------------------------------------------------------------------------------------

// Copies one element by a load and a store. Returns false for views of bytes or of one kind, where
// a copy keeps the bits.
static bool copy_one(buffer_player *p, const trace_operation *operation, lm_status *status) {
    const uint32_t *argument = operation->argument;
    const lm_view *to = &p->references[argument[0]], *from = &p->references[argument[1]];
    int64_t integer = 0;
    double number = 0;
    uint64_t bits = 0;
    if (argument[4] != 1) return false;
    if (to->kind == LM_BYTES && from->kind == LM_BYTES) {
        bool order = argument[2] % 2;
        *status = lm_view_load(&p->table, from, argument[3], LM_U8, order, &bits);
        if (*status == LM_OK)
            *status = lm_view_store(&p->table, to, argument[2], LM_U8, order, bits);
        return true;
    }
    if (to->kind == from->kind || to->kind == LM_BYTES || from->kind == LM_BYTES) return false;
    bool big = to->kind >= LM_I64;
    if (big != (from->kind >= LM_I64)) return false;
    *status = big ? lm_view_get_integer(&p->table, from, argument[3], &integer)
                  : lm_view_get_number(&p->table, from, argument[3], &number);
    if (*status == LM_OK)
        *status = big ? lm_view_set_integer(&p->table, to, argument[2], integer)
                      : lm_view_set_number(&p->table, to, argument[2], number);
    return true;
}

// Copies the expected bytes; if only those of `from` are unknown, takes the actual ones.
static void copy_content(buffer_player *p, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    const model_reference *to = &p->model.references[argument[0]];
    const model_reference *from = &p->model.references[argument[1]];
    const real_buffer *b = &p->buffers[to->buffer], *of = &p->buffers[from->buffer];
    uint32_t element = buffer_model_element(to->kind);
    size_t at = to->offset + (size_t)argument[2] * element;
    size_t from_at = from->offset + (size_t)argument[3] * buffer_model_element(from->kind);
    if (b->shadowed && of->shadowed)
        element_copy(to->kind, p->content + b->content + at, from->kind,
                     p->content + of->content + from_at, argument[4], p->scratch);
    else if (b->shadowed)
        buffer_copy_bytes(p->content + b->content + at, buffer_bytes_of(p, b) + at,
                          (size_t)argument[4] * element);
}

// Writes integers that were copied to another buffer again, one by one, which changes nothing.
static bool write_again(buffer_player *p, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    const lm_view *to = &p->references[argument[0]], *from = &p->references[argument[1]];
    uint32_t buffer = p->model.references[argument[0]].buffer;
    bool apart = buffer != p->model.references[argument[1]].buffer;
    if (!apart || to->kind >= LM_F32 || from->kind >= LM_F32) return true;
    for (uint32_t i = 0; i < argument[4] && i < AGAIN_MAX; i++) {
        int64_t value = 0;
        lm_status status = lm_view_get_integer(&p->table, from, argument[3] + i, &value);
        if (!buffer_check_status(p, status, LM_OK)) return false;
        status = lm_view_set_integer(&p->table, to, argument[2] + i, value);
        if (!buffer_check_status(p, status, LM_OK)) return false;
    }
    return buffer_check_bytes(p, buffer);
}

bool buffer_copy(buffer_player *p, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    const model_reference *to = &p->model.references[argument[0]];
    const model_reference *from = &p->model.references[argument[1]];
    const lm_view *real = &p->references[argument[0]], *real_from = &p->references[argument[1]];
    bool good = buffer_model_play(&p->model, operation);
    p->played.refused += !good;
    if (to->buffer == BUFFER_MODEL_NONE || from->buffer == BUFFER_MODEL_NONE) return true;
    if (!to->view || !from->view) return true;
    lm_status status;
    if (!copy_one(p, operation, &status))
        status = lm_view_copy(&p->table, real, argument[2], real_from, argument[3], argument[4]);
    bool kinds =
        real->kind == real_from->kind || (real->kind != LM_BYTES && real_from->kind != LM_BYTES &&
                                          (real->kind >= LM_I64) == (real_from->kind >= LM_I64));
    lm_status expected = good ? LM_OK : kinds ? LM_OUT_OF_RANGE : LM_WRONG_KIND;
    if (!buffer_check_status(p, status, expected)) return false;
    if (good) copy_content(p, operation);
    return buffer_check_bytes(p, to->buffer) && buffer_check_bytes(p, from->buffer) &&
           (!good || write_again(p, operation));
}
