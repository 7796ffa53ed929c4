// The buffer player's wrong calls (corpus/trace/wrong_calls.def): each must return the error in the
// headers' tables, call no allocator, and leave every byte of the buffer table's records unchanged.
// OFFSET chooses among the calls that a handle or token can be wrong in. A call that would be right
// at present is not made.
#include "fuzz/play/buffer_player_state.h"

enum { OVERFLOW_COUNTS_MAX = 255 }; // counts with a higher limit are not overflowed

// Finds the buffer table's records: the blocks in home that are neither a buffer's nor the trace's.

static bool is_table(const buffer_player *p, const watched_block *b) {
    if (b->offset == 0 || b->memory != LM_HOME) return false;
    for (uint32_t i = 0; i < p->model.begun; i++) {
        const real_buffer *buffer = &p->buffers[i];
        if (buffer->lives && buffer->memory == LM_HOME && buffer->start - b->offset < b->size)
            return false;
    }
    for (uint32_t i = 0; i < p->blocks_begun; i++)
        if (p->blocks[i].memory == LM_HOME && p->blocks[i].offset == b->offset) return false;
    return true;
}

static void find_tables(buffer_player *p) {
    if (p->tables_found == p->tables) return;
    p->tables_found = 0;
    for (uint32_t i = 0; i <= p->watch.mask && p->tables_found < BUFFER_TABLES_MAX; i++)
        if (is_table(p, &p->watch.blocks[i]))
            p->table_offsets[p->tables_found++] = p->watch.blocks[i].offset;
}

static uint64_t word_at(const unsigned char *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
}

// A term of a sum; depends on the word and its place only, so that terms are independent. Words of
// zero, which most are, add nothing.
static uint64_t hash_word(const unsigned char *at, uint64_t place) {
    uint64_t word = word_at(at), mixed = word ^ place * UINT64_C(0xD6E8FEB86659FD93);
    mixed *= UINT64_C(0x9E3779B97F4A7C15);
    return word ? mixed ^ mixed >> 32 : 0;
}

static uint64_t hash_block(const unsigned char *at, uint32_t size, uint64_t place) {
    uint64_t hash = 0;
    uint32_t n = 0;
    for (; size - n >= 64; n += 64) {
        const unsigned char *w = at + n;
        uint64_t any = word_at(w) | word_at(w + 8) | word_at(w + 16) | word_at(w + 24) |
                       word_at(w + 32) | word_at(w + 40) | word_at(w + 48) | word_at(w + 56);
        for (uint32_t i = 0; any && i < 64; i += 8)
            hash += hash_word(w + i, place + n + i);
    }
    for (; size - n >= 8; n += 8)
        hash += hash_word(at + n, place + n);
    return hash;
}

static uint64_t hash_tables(buffer_player *p) {
    uint64_t hash = 0;
    find_tables(p);
    for (uint32_t i = 0; i < p->tables_found; i++) {
        const watched_block *b = buffer_watch_find(&p->watch, LM_HOME, p->table_offsets[i]);
        const unsigned char *at = lm_at(p->options.memories[LM_HOME].memory, b->offset);
        hash += hash_block(at, b->size, (uint64_t)i << 32);
    }
    return hash;
}

// Calls.

// Calls with a handle; `after_zero` is the call's error for a released one.
enum { RELEASE, RETAIN, SHARE, TRANSFER, RESIZE, DESCRIBE, ATTACH, VIEW, HANDLE_CALLS };

static lm_status call_handle(buffer_player *p, uint32_t call, uint32_t owner, lm_handle handle) {
    lm_buffer_table *r = &p->table;
    lm_handle none;
    lm_token token;
    lm_buffer_info info;
    lm_view view;
    switch (call) {
    case RELEASE:
        return lm_buffer_release(r, owner, handle);
    case RETAIN:
        return lm_buffer_retain(r, owner, handle);
    case SHARE:
        return lm_buffer_share(r, owner, handle, 0, &none);
    case TRANSFER:
        return lm_buffer_transfer(r, owner, handle, 0, &none);
    case RESIZE:
        return lm_buffer_resize(r, owner, handle, 1);
    case DESCRIBE:
        return lm_buffer_describe(r, owner, handle, &info);
    case ATTACH:
        return lm_finalizer_attach(r, owner, handle, 0, &token);
    default:
        return lm_view_make(r, owner, handle, LM_U8, 0, 0, &view);
    }
}

// Calls with a token.
enum { DETACH, DETACH_ALL, CLOSE, BESIDE, REPLACE, ENQUEUE, TOKEN_CALLS };

static lm_status call_token(buffer_player *p, uint32_t call, const lm_view *of, lm_token token) {
    lm_buffer_table *r = &p->table;
    lm_handle handle;
    lm_token made;
    uint32_t freed;
    switch (call) {
    case DETACH:
        return lm_finalizer_detach(r, token, &handle);
    case DETACH_ALL:
        return lm_finalizer_detach_all(r, token, &freed);
    case CLOSE:
        return lm_finalizer_close(r, token);
    case BESIDE:
        return lm_finalizer_attach(r, of->owner, of->handle, token, &made);
    case REPLACE:
        return lm_finalizer_replace(r, of->owner, of->handle, &token, &handle);
    default:
        return lm_finalizer_enqueue(r, token);
    }
}

// A call; `expected` is LM_OK if it turned out not to be wrong.
typedef struct wrong_call {
    lm_status expected, got;
    uint64_t before; // hash of the tables before the call
} wrong_call;

static bool is_wrong(buffer_player *p, wrong_call *call, lm_status expected) {
    call->expected = expected;
    call->got = expected;
    if (!lm_failed(expected)) return false;
    call->before = hash_tables(p);
    p->watch.calls = 0;
    return true;
}

static void wrong_handle(buffer_player *p, wrong_call *made, uint32_t call, uint32_t owner,
                         lm_handle handle) {
    lm_status after_zero = call == RELEASE ? LM_RELEASE_AFTER_ZERO : LM_USE_AFTER_ZERO;
    bool takes = call == RELEASE || call == TRANSFER || call == ATTACH;
    lm_status expected = takes ? handle_shadow_judge_taking(&p->shadow, owner, handle, after_zero)
                               : handle_shadow_judge(&p->shadow, owner, handle, after_zero);
    if (is_wrong(p, made, expected)) made->got = call_handle(p, call, owner, handle);
}

static void wrong_token(buffer_player *p, wrong_call *made, uint32_t call, const lm_view *of,
                        lm_token token) {
    bool attaches = call == BESIDE || call == REPLACE;
    if (attaches && !(token && of && of->handle)) return; // needs a reference and a token
    lm_status expected = attaches ? handle_shadow_judge_beside(&p->shadow, of->owner, of->handle,
                                                               token, call == REPLACE)
                                  : handle_shadow_judge_token(&p->shadow, token);
    if (is_wrong(p, made, expected)) made->got = call_token(p, call, of, token);
}

// A number that is no handle: a handle with a changed part, or any number.
static lm_handle no_handle(lm_handle handle, uint32_t offset) {
    uint32_t change = offset / 8 + 1;
    switch (offset % 8) {
    case 0:
        return offset;
    case 1:
        return handle + ((uint64_t)(change & 0xFFFFFF) << 32); // a later generation
    case 2:
        return handle ^ (uint64_t)(change & 0xFF) << 24; // another memory
    case 3:
        return handle ^ (uint64_t)(change & 0xFFFFFF); // another slot
    case 4:
        return handle ^ (uint64_t)(change & 0xFF) << 56; // another owner
    case 5:
        return handle & ~((uint64_t)0xFFFFFF << 32); // generation 0
    case 6:
        return handle | 0xFFFFFF;
    default:
        return (uint64_t)offset << 32 | handle >> 32;
    }
}

static lm_token no_token(lm_token token, uint32_t offset) {
    uint32_t change = offset / 4 + 1;
    switch (offset % 4) {
    case 0:
        return token + ((uint64_t)change << 24); // a later generation
    case 1:
        return token ^ (change & 0xFFFFFF); // another record
    case 2:
        return token | (uint64_t)1 << (48 + change % 16);
    default:
        return token;
    }
}

// The n-th number from `least` on, from below and from above in turn.
static uint32_t number_above(uint32_t least, uint32_t n) {
    return n % 2 ? UINT32_MAX - n / 2 : least + n / 2;
}

// Calls with a wrong memory, owner, alignment or block.
static void wrong_place(buffer_player *p, wrong_call *made, uint32_t wrong, const lm_view *of,
                        uint32_t offset) {
    lm_handle none;
    lm_buffer_table *r = &p->table;
    uint32_t memory = number_above(p->options.count + p->options.skipped, offset / 3);
    uint32_t nobody = number_above(LM_OWNERS_MAX, offset / 4);
    bool fits = offset && offset <= LM_PAGE_BYTES && !(offset & (offset - 1));
    uint64_t end = lm_memory_end(p->options.memories[LM_HOME].memory);
    if (wrong == WRONG_no_memory && is_wrong(p, made, LM_NO_MEMORY))
        made->got = offset % 3 == 0   ? lm_buffer_create(r, 0, memory, 8, 8, false, &none)
                    : offset % 3 == 1 ? lm_buffer_adopt(r, 0, memory, 16, 8, &none)
                                      : lm_buffer_table_set_budget(r, memory, 8);
    else if (wrong == WRONG_no_owner && is_wrong(p, made, LM_NO_OWNER))
        made->got = !of || offset % 4 == 0 ? lm_buffer_create(r, nobody, 0, 8, 8, true, &none)
                    : offset % 4 == 1      ? lm_buffer_adopt(r, nobody, 0, 16, 8, &none)
                    : offset % 4 == 2 ? lm_buffer_share(r, of->owner, of->handle, nobody, &none)
                                      : lm_buffer_transfer(r, of->owner, of->handle, nobody, &none);
    else if (wrong == WRONG_bad_alignment && !fits && is_wrong(p, made, LM_BAD_ALIGNMENT))
        made->got = lm_buffer_create(r, 0, LM_HOME, 8, offset, false, &none);
    else if (wrong == WRONG_bad_block && is_wrong(p, made, LM_BAD_BLOCK))
        made->got = lm_buffer_adopt(r, 0, LM_HOME, end - offset < 8 || offset >= end ? offset : 0,
                                    8, &none);
}

// Retains up to the limit of the count and once more, then releases them again.
static bool overflow(buffer_player *p, wrong_call *made, const lm_view *of) {
    shadow_share *share = handle_shadow_share(&p->shadow, of->handle);
    uint32_t max = (uint32_t)(((uint64_t)1 << LM_COUNT_BITS) - 1), more = max - share->count;
    if (max > OVERFLOW_COUNTS_MAX) return true;
    for (uint32_t i = 0; i < more; i++)
        if (!buffer_check_status(p, lm_buffer_retain(&p->table, of->owner, of->handle), LM_OK))
            return false;
    if (is_wrong(p, made, LM_COUNT_OVERFLOW))
        made->got = lm_buffer_retain(&p->table, of->owner, of->handle);
    bool same = hash_tables(p) == made->before;
    for (uint32_t i = 0; i < more; i++)
        if (!buffer_check_status(p, lm_buffer_release(&p->table, of->owner, of->handle), LM_OK))
            return false;
    made->before = hash_tables(p);
    return same || buffer_broken(p, "status", "a count that overflows changes the tables");
}

// The pressure callback may be called before the error is returned.
static void resize_shared(buffer_player *p, wrong_call *made, uint32_t number, uint32_t size) {
    const lm_view *of = &p->references[number];
    uint32_t buffer = p->model.references[number].buffer;
    if (p->model.buffers[buffer].references < 2 || !is_wrong(p, made, LM_SHARED)) return;
    p->wanted.memory = buffer_memory_number(p, p->buffers[buffer].memory);
    p->wanted.size = size;
    p->wanted.wrongly = true;
    made->got = lm_buffer_resize(&p->table, of->owner, of->handle, size);
}

static bool call_reference(buffer_player *p, wrong_call *made, uint32_t wrong, uint32_t number,
                           uint32_t offset) {
    const lm_view *live = &p->references[number];
    lm_handle last = p->last_handles[number] ? p->last_handles[number] : live->handle;
    uint32_t owner = lm_handle_owner(last);
    if (wrong == WRONG_released_twice) wrong_handle(p, made, RELEASE, owner, last);
    if (wrong == WRONG_retain_after_zero) wrong_handle(p, made, RETAIN, owner, last);
    if (wrong == WRONG_stale) wrong_handle(p, made, offset % HANDLE_CALLS, owner, last);
    if (wrong == WRONG_never_a_handle) {
        lm_handle none = no_handle(live->handle ? live->handle : last, offset);
        wrong_handle(p, made, number % HANDLE_CALLS, lm_handle_owner(none), none);
    }
    if (!live->handle) return true;
    if (wrong == WRONG_wrong_owner)
        wrong_handle(p, made, offset % HANDLE_CALLS,
                     (live->owner + 1 + offset / HANDLE_CALLS % (LM_OWNERS_MAX - 1)) %
                         LM_OWNERS_MAX,
                     live->handle);
    if (wrong == WRONG_count_overflow) return overflow(p, made, live);
    if (wrong == WRONG_resize_shared) resize_shared(p, made, number, offset);
    return true;
}

static bool make_call(buffer_player *p, wrong_call *made, const uint32_t *argument) {
    uint32_t wrong = argument[0], number = argument[1], offset = argument[2];
    bool begun = number < p->references_begun;
    const lm_view *of = begun && p->references[number].handle ? &p->references[number] : NULL;
    wrong_place(p, made, wrong, of, offset);
    if (begun && !call_reference(p, made, wrong, number, offset)) return false;
    if (number >= p->tokens_begun || !p->last_tokens[number]) return true;
    lm_token token = p->last_tokens[number];
    bool other = offset / TOKEN_CALLS % 2; // beside or in place of another reference's token
    const lm_view *held =
        &p->references[other ? offset % p->references_begun : p->model.tokens[number]];
    if (wrong == WRONG_detach_twice)
        wrong_token(p, made, offset % TOKEN_CALLS, held, no_token(token, offset / TOKEN_CALLS));
    if (wrong == WRONG_late_enqueue) wrong_token(p, made, ENQUEUE, NULL, no_token(token, offset));
    return true;
}

bool buffer_wrong(buffer_player *p, const trace_operation *operation) {
    wrong_call made = {LM_OK, LM_OK, 0};
    if (!make_call(p, &made, operation->argument)) return false;
    if (made.expected == LM_OK) return true;
    p->played.wrong++;
    const char *word = trace_wrong_calls[operation->argument[0]];
    if (made.got != made.expected)
        return buffer_broken(p, "status", "%s returns %s, not %s", word, lm_status_name(made.got),
                             lm_status_name(made.expected));
    if (p->watch.calls) return buffer_broken(p, "status", "%s calls an allocator", word);
    return hash_tables(p) == made.before ||
           buffer_broken(p, "status", "%s changes the buffer table's records", word);
}
