// Probes of a buffer state: operations played once in each state before its end (buffer_world.h).
#include "fuzz/explore/explorer/buffer_world_state.h"

#include "alloc/buffers/view.h"

enum { PROBED_STATES_MAX = 400, PAIRS = 6, HANDLE_CALLS = 8, TOKEN_CALLS = 24 };

static bool probe(buffer_world *w, trace_operation operation) {
    w->probes[w->probe_count++] = operation;
    return buffer_world_step(w, &operation);
}

// ---- Wrong calls --------------------------------------------------------------------------------

// A wrong call changes nothing, so it is part of the trace only if it breaks a law.
static bool wrong(buffer_world *w, trace_wrong_call call, uint32_t number, uint32_t offset) {
    if (!probe(w, (trace_operation){TRACE_WRONG, {call, number, offset}})) return false;
    w->probe_count--;
    return true;
}

static bool wrongs(buffer_world *w, trace_wrong_call call, uint32_t number, uint32_t offsets) {
    for (uint32_t offset = 0; offset < offsets; offset++)
        if (!wrong(w, call, number, offset)) return false;
    return true;
}

static bool wrong_references(buffer_world *w) {
    for (uint32_t i = w->references_past ? w->references_past - 1 : 0; i < w->references_begun; i++)
        if (!wrong(w, WRONG_released_twice, i, 0) || !wrong(w, WRONG_retain_after_zero, i, 0) ||
            !wrongs(w, WRONG_stale, i, HANDLE_CALLS) ||
            !wrongs(w, WRONG_wrong_owner, i, HANDLE_CALLS) ||
            !wrongs(w, WRONG_never_a_handle, i, HANDLE_CALLS) || !wrongs(w, WRONG_no_owner, i, 4) ||
            !wrong(w, WRONG_count_overflow, i, 0) || !wrong(w, WRONG_resize_shared, i, 8) ||
            !wrong(w, WRONG_resize_shared, i, 1000))
            return false;
    return true;
}

static bool wrong_tokens(buffer_world *w) {
    for (uint32_t i = w->tokens_past ? w->tokens_past - 1 : 0; i < w->tokens_begun; i++)
        if (!wrongs(w, WRONG_detach_twice, i, TOKEN_CALLS) || !wrongs(w, WRONG_late_enqueue, i, 4))
            return false;
    return true;
}

static bool wrong_places(buffer_world *w) {
    static const uint32_t offsets[] = {
        0, 3, 24, 2048, UINT32_C(1) << 31, UINT32_MAX - 7, UINT32_MAX - 4, UINT32_MAX};
    for (uint32_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        if (!wrong(w, WRONG_bad_alignment, 0, offsets[i]) ||
            !wrong(w, WRONG_bad_block, 0, offsets[i]))
            return false;
    return wrongs(w, WRONG_no_memory, 0, 6);
}

// Buffers too large for any memory: the sizes must not overflow. Each begins as nothing.
static bool buffers_too_large(buffer_world *w) {
    static const uint32_t sizes[] = {UINT32_C(1) << 31, UINT32_MAX - 64, UINT32_MAX - 23,
                                     UINT32_MAX - 7, UINT32_MAX};
    static const uint32_t alignments[] = {LM_BLOCK_ALIGNMENT, 64, LM_PAGE_BYTES};
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t a = 0; a < sizeof alignments / sizeof *alignments; a++)
            if (!probe(w, (trace_operation){TRACE_BUFFER,
                                            {w->references_begun, sizes[i], alignments[a]}}))
                return false;
    return true;
}

// ---- Views --------------------------------------------------------------------------------------

// Begins a view and sets its number.
static bool view(buffer_world *w, uint32_t of, lm_kind kind, uint32_t offset, uint32_t length,
                 uint32_t *number) {
    *number = w->references_begun;
    return probe(w, (trace_operation){TRACE_VIEW, {*number, of, kind, offset, length}});
}

static bool end(buffer_world *w, uint32_t number) {
    return probe(w, (trace_operation){TRACE_RELEASE, {number}});
}

// Views beyond the buffer by a little or by nearly 2^32, misaligned ones, and empty or full ones at
// its ends.
static bool views_at_ends(buffer_world *w, uint32_t of, uint32_t size) {
    const struct {
        lm_kind kind;
        uint32_t offset, length;
    } views[] = {
        {LM_U8, size + 1, 0},
        {LM_U8, size, 1},
        {LM_U8, 0, size + 1},
        {LM_U8, UINT32_MAX, 1},
        {LM_U8, UINT32_MAX, 2},
        {LM_U8, 8, UINT32_MAX - 7},
        {LM_U16, 1, 1},
        {LM_U32, 2, 1},
        {LM_F64, 4, 1},
        {LM_I64, 12, 0},
        {LM_U32, 0, 1u << 30},
        {LM_F64, 0, 1u << 29},
        {LM_U32, 4, 1u << 30},
        {LM_U16, 0, (1u << 31) + 1},
        {LM_U8, size, 0},
        {LM_BYTES, 0, size},
        {LM_U32, 0, 0},
        {LM_F64, size / 8 * 8, 0},
        {LM_I16, 0, size / 2},
        {LM_I64, 0, size / 8 + 1},
        {LM_BYTES, 1, UINT32_MAX},
    };
    uint32_t number;
    for (uint32_t i = 0; i < sizeof views / sizeof *views; i++)
        if (!view(w, of, views[i].kind, views[i].offset, views[i].length, &number) ||
            !end(w, number))
            return false;
    return true;
}

// Views of a view, of wider and narrower elements.
static bool views_of_views(buffer_world *w, uint32_t of) {
    uint32_t outer, inner, innermost;
    return view(w, of, LM_U32, 8, 4, &outer) && view(w, outer, LM_U8, 12, 6, &inner) &&
           end(w, inner) && view(w, outer, LM_F64, 8, 2, &inner) &&
           view(w, inner, LM_U16, 16, 4, &innermost) && end(w, innermost) && end(w, outer) &&
           end(w, inner);
}

static bool copy(buffer_world *w, uint32_t to, uint32_t from, uint32_t at, uint32_t from_at,
                 uint32_t length) {
    return probe(w, (trace_operation){TRACE_COPY, {to, from, at, from_at, length}});
}

// Copies between two views: whole, shifted by one element, halves, a single element, and out of
// range.
static bool copies(buffer_world *w, uint32_t to, uint32_t from, uint32_t length) {
    if (!copy(w, to, from, 0, 0, length) || !copy(w, to, from, 0, 1, length)) return false;
    if (length < 2) return true;
    return copy(w, to, from, 1, 0, length - 1) && copy(w, to, from, 0, 1, length - 1) &&
           copy(w, from, to, length / 2, 0, length / 2) &&
           copy(w, from, to, 0, length / 2, length / 2) && copy(w, to, from, length - 1, 0, 1) &&
           copy(w, to, from, UINT32_MAX, 0, 2);
}

static uint32_t fits(lm_kind kind, uint32_t bytes) {
    return bytes / buffer_model_element(kind);
}

// Copies between the n-th pair of kinds, at different offsets.
static bool copies_of_kinds(buffer_world *w, uint32_t to, uint32_t to_size, uint32_t from,
                            uint32_t from_size, uint32_t n) {
    const lm_kind kind = n % LM_KINDS, from_kind = n / LM_KINDS % LM_KINDS;
    const uint32_t at = n % 3 * 8, from_at = n % 2 * 8;
    if (to_size < 24 || from_size < 24) return true;
    uint32_t length = fits(kind, to_size - at), most = fits(from_kind, from_size - from_at);
    uint32_t target, source;
    if (length > most) length = most;
    return view(w, to, kind, at, fits(kind, to_size - at), &target) &&
           view(w, from, from_kind, from_at, most, &source) && copies(w, target, source, length) &&
           end(w, target) && end(w, source);
}

// Copies of NaNs. Clamped elements of large numbers are all ones, and eight such bytes are a NaN; a
// conversion must make it the canonical one.
static bool copies_of_nans(buffer_world *w, uint32_t to, uint32_t to_size, uint32_t from,
                           uint32_t from_size) {
    uint32_t target, source;
    if (to_size < 24 || from_size < 24) return true;
    for (uint32_t element = 1; element < from_size / 8 && element < 5; element++) {
        if (!view(w, to, LM_C8, 0, 8, &target) || !view(w, from, LM_F64, element * 8, 1, &source))
            return false;
        for (uint32_t i = 0; i < 8; i++)
            if (!copy(w, target, source, i, 0, 1)) return false;
        if (!end(w, target) || !end(w, source) || !view(w, to, LM_F32, 8, 1, &target) ||
            !view(w, to, LM_F64, 0, 1, &source) || !copy(w, target, source, 0, 0, 1) ||
            !end(w, target) || !end(w, source))
            return false;
    }
    return true;
}

// Probes views of the first and the last live reference. A collected one has no handle.
static bool probe_views(buffer_world *w) {
    const buffer_model *m = &w->player.model;
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < w->reference_count; i++) {
        uint32_t number = w->references[i].number;
        if (number < w->references_past || !w->player.references[number].handle) continue;
        if (number < first) first = number;
        if (number > last) last = number;
    }
    if (first == UINT32_MAX) return true;
    uint32_t first_size = m->buffers[m->references[first].buffer].size,
             last_size = m->buffers[m->references[last].buffer].size;
    if (!views_at_ends(w, first, first_size) || !views_of_views(w, last) ||
        !copies_of_nans(w, last, last_size, first, first_size))
        return false;
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint32_t n = w->probed * PAIRS + i;
        if (!copies_of_kinds(w, first, first_size, last, last_size, n) ||
            !copies_of_kinds(w, last, last_size, first, first_size, n) ||
            !copies_of_kinds(w, last, last_size, last, last_size, n))
            return false;
    }
    return true;
}

// Drains one token at a time, so that the order is checked.
static bool drain_each(buffer_world *w) {
    while (w->player.waiting)
        if (!probe(w, (trace_operation){TRACE_DRAIN, {1}})) return false;
    return true;
}

bool buffer_world_probe(buffer_world *w) {
    w->player.options.walk_every = 0; // each call is checked anyway; the end walks everything
    return wrong_places(w) && wrong_references(w) && wrong_tokens(w) &&
           (w->probed++ >= PROBED_STATES_MAX || (buffers_too_large(w) && probe_views(w))) &&
           drain_each(w);
}
