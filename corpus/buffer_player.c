#include "corpus/buffer_player.h"
#include "corpus/buffer_model.h"
#include "corpus/element_copy.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct real_buffer {
    uint32_t memory, start;
    unsigned char *bytes; // what it is to hold; NULL: it does not live
} real_buffer;

typedef struct block {
    uint32_t memory, offset, alignment; // offset 0: it could not be allocated
} block;

typedef struct player {
    const buffer_player_options *options;
    lm_realm realm;
    buffer_model model;
    real_buffer *buffers; // as the model's
    lm_view *references;  // by number; of what is no view, handle and owner alone
    lm_token *tokens;     // by number; 0: it stands for nothing, or could not be attached
    block *blocks;
    uint64_t live_bytes[LM_MEMORIES_MAX], live_buffers[LM_MEMORIES_MAX];
    uint32_t armed, waiting; // tokens attached; of those, enqueued
    buffer_played *played;
    trace_error *error;
} player;

// Returns false.
__attribute__((format(printf, 2, 3))) static bool broken(player *p, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(p->error->text, sizeof p->error->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_want(lm_status status) {
    return status == LM_OUT_OF_MEMORY || status == LM_OUT_OF_SLOTS;
}

static uint32_t acting_memory(const player *p) {
    return p->model.owner % p->options->count;
}

static unsigned char *bytes_of(const player *p, const real_buffer *b) {
    return lm_at(p->options->memories[b->memory].memory, b->start);
}

// Whether a reference stands for its buffer, lying where it lay, and is counted with the others.
static bool check_reference(player *p, uint32_t number) {
    const model_reference *expected = &p->model.references[number];
    const lm_view *real = &p->references[number];
    if (expected->buffer == BUFFER_MODEL_NONE) return true;
    const model_buffer *buffer = &p->model.buffers[expected->buffer];
    const real_buffer *b = &p->buffers[expected->buffer];
    lm_buffer_info info;
    lm_status status = lm_buffer_describe(&p->realm, real->owner, real->handle, &info);
    if (status != LM_OK) return broken(p, "a live reference is %s", lm_status_name(status));
    if (real->owner != expected->owner) return broken(p, "a reference is another owner's");
    if (info.memory != b->memory || info.start != b->start || info.size != buffer->size)
        return broken(p, "a buffer lies elsewhere");
    if (info.start % buffer->alignment != 0) return broken(p, "a buffer is not aligned");
    if (info.unique != (buffer->references == 1) || info.references > buffer->references)
        return broken(p, "%u references%s, of %u", info.references, info.unique ? ", unique" : "",
                      buffer->references);
    if (expected->view && (real->kind != expected->kind || real->offset != expected->offset ||
                           real->length != expected->length))
        return broken(p, "a view shows something else");
    return true;
}

static bool check_bytes(player *p, uint32_t number) {
    const real_buffer *b = &p->buffers[number];
    if (memcmp(bytes_of(p, b), b->bytes, p->model.buffers[number].size) == 0) return true;
    return broken(p, "the bytes of buffer %u have changed", number);
}

// Live buffers and bytes, by memory.
static bool check_live(player *p) {
    for (uint32_t i = 0; i < p->options->count; i++) {
        lm_live live = lm_realm_live_in(&p->realm, i);
        if (live.buffers != p->live_buffers[i] || live.bytes != p->live_bytes[i])
            return broken(p, "%llu buffers live in memory %u, not %llu",
                          (unsigned long long)live.buffers, i,
                          (unsigned long long)p->live_buffers[i]);
    }
    return true;
}

static bool walk(player *p) {
    lm_census census = {0};
    uint32_t armed = 0;
    const char *law = lm_realm_validate(&p->realm, &census);
    if (!law) law = lm_finalizers_validate(&p->realm, &armed);
    for (uint32_t i = 0; !law && i < p->options->count; i++) {
        const lm_served *served = &p->options->memories[i];
        if (served->allocator->validate)
            law = served->allocator->validate(served->memory, &(lm_census){0});
    }
    p->played->walks++;
    if (law) return broken(p, "%s", law);
    if (armed != p->armed) return broken(p, "%u tokens are armed, not %u", armed, p->armed);
    for (uint32_t i = 0; i < p->model.begun; i++)
        if (p->buffers[i].bytes && !check_bytes(p, i)) return false;
    return check_live(p);
}

// A buffer's first bytes: different for each, or zero as they came.
static bool fill(player *p, uint32_t number, bool zeroed) {
    real_buffer *b = &p->buffers[number];
    uint32_t size = p->model.buffers[number].size;
    b->bytes = calloc(1, (size_t)size + 8);
    if (!b->bytes) return broken(p, "the player is out of memory");
    if (zeroed) return check_bytes(p, number);
    uint64_t word = number + 1;
    for (size_t i = 0; i < size; i += 8) {
        word = word * 6364136223846793005U + 1442695040888963407U;
        memcpy(b->bytes + i, &word, 8);
    }
    memcpy(bytes_of(p, b), b->bytes, size);
    return true;
}

static bool create(player *p, const trace_operation *operation) {
    lm_view *made = &p->references[operation->argument[0]];
    uint32_t number = p->model.begun, size = operation->argument[1];
    real_buffer *b = &p->buffers[number];
    bool zeroed = number % 2;
    *made = (lm_view){.owner = p->model.owner};
    b->memory = acting_memory(p);
    lm_status status = lm_buffer_create(&p->realm, made->owner, b->memory, size,
                                        operation->argument[2], zeroed, &made->handle);
    if (is_want(status)) {
        p->played->failures++;
        buffer_model_fail(&p->model, operation);
        return true;
    }
    if (status != LM_OK) return broken(p, "%s", lm_status_name(status));
    buffer_model_play(&p->model, operation);
    p->live_buffers[b->memory]++;
    p->live_bytes[b->memory] += size;
    p->played->buffers++;
    lm_buffer_info info = {0};
    lm_buffer_describe(&p->realm, made->owner, made->handle, &info);
    b->start = info.start;
    return fill(p, number, zeroed) && check_reference(p, operation->argument[0]);
}

// A reference more, the acting owner's.
static lm_status take(player *p, const lm_view *of, lm_handle *handle) {
    *handle = of->handle;
    return of->owner == p->model.owner
               ? lm_buffer_retain(&p->realm, of->owner, of->handle)
               : lm_buffer_share(&p->realm, of->owner, of->handle, p->model.owner, handle);
}

static lm_status make_view(player *p, const trace_operation *operation, lm_view *made) {
    const uint32_t *argument = operation->argument;
    const lm_view *of = &p->references[argument[1]];
    const model_reference *expected = &p->model.references[argument[1]];
    uint32_t element = lm_kind_bytes(of->kind);
    if (expected->view && of->owner == p->model.owner && argument[3] >= of->offset &&
        (argument[3] - of->offset) % element == 0 &&
        argument[3] + (uint64_t)argument[4] * lm_kind_bytes(argument[2]) <=
            of->offset + (uint64_t)of->length * element)
        return lm_view_sub(&p->realm, of, argument[2], (argument[3] - of->offset) / element,
                           argument[4], made);
    lm_handle handle;
    lm_status status = take(p, of, &handle);
    if (status != LM_OK) return status;
    status = lm_view_make(&p->realm, p->model.owner, handle, argument[2], argument[3], argument[4],
                          made);
    lm_status released = lm_buffer_release(&p->realm, p->model.owner, handle);
    return released == LM_OK ? status : released;
}

// + and v.
static bool refer(player *p, const trace_operation *operation) {
    lm_view *made = &p->references[operation->argument[0]];
    const lm_view *of = &p->references[operation->argument[1]];
    bool stands = p->model.references[operation->argument[1]].buffer != BUFFER_MODEL_NONE;
    *made = (lm_view){.owner = p->model.owner};
    lm_status status = !stands                           ? LM_OK
                       : operation->verb == TRACE_RETAIN ? take(p, of, &made->handle)
                                                         : make_view(p, operation, made);
    if (is_want(status)) {
        p->played->failures++;
        buffer_model_fail(&p->model, operation);
        return true;
    }
    bool refused = !buffer_model_play(&p->model, operation);
    p->played->refused += refused;
    if (refused != (status == LM_OUT_OF_RANGE || status == LM_MISALIGNED) ||
        (!refused && status != LM_OK))
        return broken(p, "%s", lm_status_name(status));
    return check_reference(p, operation->argument[0]) && check_reference(p, operation->argument[1]);
}

static bool copy(player *p, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    const model_reference *to = &p->model.references[argument[0]];
    const model_reference *from = &p->model.references[argument[1]];
    bool good = buffer_model_play(&p->model, operation);
    p->played->refused += !good;
    if (to->buffer == BUFFER_MODEL_NONE || from->buffer == BUFFER_MODEL_NONE) return true;
    if (!to->view || !from->view) return true;
    lm_status status = lm_view_copy(&p->realm, &p->references[argument[0]], argument[2],
                                    &p->references[argument[1]], argument[3], argument[4]);
    if (good != (status == LM_OK) ||
        (!good && status != LM_OUT_OF_RANGE && status != LM_WRONG_KIND))
        return broken(p, "%s", lm_status_name(status));
    size_t at = to->offset + (size_t)argument[2] * buffer_model_element(to->kind);
    size_t from_at = from->offset + (size_t)argument[3] * buffer_model_element(from->kind);
    if (good && !element_copy(to->kind, p->buffers[to->buffer].bytes + at, from->kind,
                              p->buffers[from->buffer].bytes + from_at, argument[4]))
        return broken(p, "the player is out of memory");
    return check_bytes(p, to->buffer) && check_bytes(p, from->buffer);
}

// The buffers that the model has just let die: their bytes are as they were until now.
static bool before_death(player *p) {
    for (uint32_t i = 0; i < p->model.died_count; i++) {
        uint32_t number = p->model.died[i];
        real_buffer *b = &p->buffers[number];
        if (!check_bytes(p, number)) return false;
        free(b->bytes);
        b->bytes = NULL;
        p->live_buffers[b->memory]--;
        p->live_bytes[b->memory] -= p->model.buffers[number].size;
    }
    return true;
}

// A reference that has gone is dead to its handle if its buffer died.
static bool after_death(player *p, uint32_t reference) {
    uint32_t buffer = p->model.references[reference].buffer;
    const lm_view *real = &p->references[reference];
    lm_buffer_info info;
    if (buffer == BUFFER_MODEL_NONE || p->buffers[buffer].bytes) return true;
    lm_status status = lm_buffer_describe(&p->realm, real->owner, real->handle, &info);
    return status == LM_USE_AFTER_ZERO || status == LM_STALE_HANDLE ||
           broken(p, "the handle of a dead buffer is %s", lm_status_name(status));
}

static bool release(player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0];
    buffer_model_play(&p->model, operation);
    const model_reference *expected = &p->model.references[number];
    lm_view *real = &p->references[number], gone = *real;
    if (expected->buffer == BUFFER_MODEL_NONE) return true;
    if (!before_death(p)) return false;
    lm_status status = expected->view ? lm_view_end(&p->realm, &gone)
                                      : lm_buffer_release(&p->realm, real->owner, real->handle);
    if (status != (p->model.died_count ? LM_FREED : LM_OK))
        return broken(p, "%s, while %u died", lm_status_name(status), p->model.died_count);
    return after_death(p, number);
}

static bool transfer(player *p, const trace_operation *operation) {
    lm_view *real = &p->references[operation->argument[0]];
    uint32_t to = operation->argument[1];
    if (p->model.references[operation->argument[0]].buffer == BUFFER_MODEL_NONE) return true;
    lm_handle handle;
    lm_status status = lm_buffer_transfer(&p->realm, real->owner, real->handle, to, &handle);
    if (is_want(status)) {
        p->played->failures++;
        return true;
    }
    if (status != LM_OK) return broken(p, "%s", lm_status_name(status));
    buffer_model_play(&p->model, operation);
    real->handle = handle;
    real->owner = to;
    return check_reference(p, operation->argument[0]);
}

static bool attach(player *p, const trace_operation *operation) {
    lm_token *made = &p->tokens[operation->argument[0]];
    const lm_view *real = &p->references[operation->argument[1]];
    buffer_model_play(&p->model, operation);
    *made = 0;
    if (p->model.references[operation->argument[1]].buffer == BUFFER_MODEL_NONE) return true;
    lm_status status = lm_finalizer_attach(&p->realm, real->owner, real->handle, 0, made);
    if (is_want(status)) {
        *made = 0;
        p->played->failures++;
    } else if (status != LM_OK) {
        return broken(p, "%s", lm_status_name(status));
    }
    p->armed += *made != 0;
    return check_reference(p, operation->argument[1]);
}

static bool detach(player *p, const trace_operation *operation) {
    lm_token token = p->tokens[operation->argument[0]];
    uint32_t reference = p->model.tokens[operation->argument[0]];
    buffer_model_play(&p->model, operation);
    if (!token) return true;
    lm_handle handle;
    lm_status status = lm_finalizer_detach(&p->realm, token, &handle);
    if (status != LM_OK) return broken(p, "%s", lm_status_name(status));
    p->armed--;
    if (handle != p->references[reference].handle)
        return broken(p, "another reference was detached");
    return check_reference(p, reference);
}

static bool collect(player *p, const trace_operation *operation) {
    lm_token token = p->tokens[operation->argument[0]];
    buffer_model_play(&p->model, operation);
    if (!token) return true;
    lm_status status = lm_finalizer_enqueue(&p->realm, token);
    p->waiting++;
    return status == LM_OK || broken(p, "%s", lm_status_name(status));
}

// What the model has drained, is drained for real; and by hand what could not be attached.
static bool drain(player *p, const trace_operation *operation) {
    uint32_t first = p->model.queue_first, count = 0, freed = 0;
    buffer_model_play(&p->model, operation);
    if (!before_death(p)) return false;
    for (uint32_t i = first; i < p->model.queue_first; i++)
        count += p->tokens[p->model.queue[i]] != 0;
    lm_drained drained = lm_finalizers_drain(&p->realm, count);
    p->waiting -= count;
    p->armed -= count;
    if (drained.released != count || drained.failed || drained.more != (p->waiting > 0))
        return broken(p, "%u released, %u failed, of %u; %s", drained.released, drained.failed,
                      count, drained.more ? "more wait" : "none waits");
    for (uint32_t i = first; i < p->model.queue_first; i++) {
        uint32_t reference = p->model.tokens[p->model.queue[i]];
        const lm_view *real = &p->references[reference];
        if (p->tokens[p->model.queue[i]] ||
            p->model.references[reference].buffer == BUFFER_MODEL_NONE)
            continue;
        lm_status status = lm_buffer_release(&p->realm, real->owner, real->handle);
        if (lm_failed(status)) return broken(p, "%s", lm_status_name(status));
        freed += status == LM_FREED;
    }
    if (drained.freed + freed != p->model.died_count)
        return broken(p, "%u died, not %u", drained.freed + freed, p->model.died_count);
    for (uint32_t i = first; i < p->model.queue_first; i++)
        if (!after_death(p, p->model.tokens[p->model.queue[i]])) return false;
    return true;
}

// Blocks, of the memory in which they begin.
static bool play_block(player *p, const trace_operation *operation) {
    block *b = &p->blocks[operation->argument[0]];
    uint32_t size = operation->argument[1];
    bool begins = operation->verb == TRACE_ALLOCATE || operation->verb == TRACE_ZEROED;
    if (begins) *b = (block){acting_memory(p), 0, operation->argument[2]};
    const lm_allocator *allocator = p->options->memories[b->memory].allocator;
    lm_memory *memory = p->options->memories[b->memory].memory;
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
    if (operation->verb == TRACE_ZEROED && now) memset(now, 0, size);
    if (now) b->offset = lm_offset(memory, now);
    p->played->failures += !now && operation->verb != TRACE_FREE;
    return true;
}

static bool play_around(player *p, const trace_operation *operation) {
    lm_memory *memory = p->options->memories[acting_memory(p)].memory;
    if (operation->verb == TRACE_GROW)
        lm_memory_grow_foreign(memory, operation->argument[0]);
    else if (operation->verb == TRACE_REFUSE)
        lm_memory_refuse(memory, operation->argument[0]);
    else if (operation->verb == TRACE_MOVE)
        lm_memory_move(memory);
    return true; // where a heap starts is known to who made the memory
}

static bool play_scope(player *p, const trace_operation *operation) {
    (void)operation;
    return broken(p, "scopes and resets are of heaps, not of buffers");
}

static bool play_model(player *p, const trace_operation *operation) {
    return buffer_model_play(&p->model, operation);
}

static bool (*const plays[TRACE_VERBS])(player *, const trace_operation *) = {
    [TRACE_ALLOCATE] = play_block, [TRACE_ZEROED] = play_block, [TRACE_RESIZE] = play_block,
    [TRACE_FREE] = play_block,     [TRACE_LANE] = play_model,   [TRACE_MEMORY] = play_model,
    [TRACE_EXIT] = play_model,     [TRACE_GROW] = play_around,  [TRACE_REFUSE] = play_around,
    [TRACE_MOVE] = play_around,    [TRACE_BUFFER] = create,     [TRACE_RETAIN] = refer,
    [TRACE_RELEASE] = release,     [TRACE_VIEW] = refer,        [TRACE_COPY] = copy,
    [TRACE_TRANSFER] = transfer,   [TRACE_ATTACH] = attach,     [TRACE_DETACH] = detach,
    [TRACE_COLLECT] = collect,     [TRACE_DRAIN] = drain,       [TRACE_OPEN] = play_scope,
    [TRACE_CLOSE] = play_scope,    [TRACE_RESET] = play_scope,  [TRACE_HEAP] = play_around,
};

static bool make_room(player *p, const trace *trace) {
    if (!buffer_model_start(&p->model, trace)) return false;
    p->buffers = calloc((size_t)p->model.buffer_count + 1, sizeof *p->buffers);
    p->references = calloc((size_t)trace->references + 1, sizeof *p->references);
    p->tokens = calloc((size_t)trace->tokens + 1, sizeof *p->tokens);
    p->blocks = calloc((size_t)trace->blocks + 1, sizeof *p->blocks);
    return p->buffers && p->references && p->tokens && p->blocks;
}

static void give_room(player *p) {
    for (uint32_t i = 0; p->buffers && i < p->model.begun; i++)
        free(p->buffers[i].bytes);
    buffer_model_end(&p->model);
    free(p->buffers);
    free(p->references);
    free(p->tokens);
    free(p->blocks);
}

static bool start(player *p) {
    const lm_served *home = p->options->memories;
    if (!lm_realm_start(&p->realm, p->options->counts, home->allocator, home->memory) ||
        !lm_finalizers_start(&p->realm))
        return broken(p, "home has no room for a realm");
    for (uint32_t i = 1; i < p->options->count; i++)
        lm_realm_add(&p->realm, home[i].allocator, home[i].memory);
    return true;
}

bool buffer_player_play(const trace *trace, const buffer_player_options *options,
                        buffer_played *played, trace_error *error) {
    *played = (buffer_played){0};
    player p = {.options = options, .played = played, .error = error};
    bool good = make_room(&p, trace) || broken(&p, "the player is out of memory");
    good = good && start(&p);
    for (size_t i = 0; good && i < trace->count; i++) {
        const trace_operation *operation = &trace->operations[i];
        good = plays[operation->verb](&p, operation) && check_live(&p) &&
               (!options->walk_every || (i + 1) % options->walk_every || walk(&p));
        if (good) continue;
        trace_error what = *error;
        snprintf(error->text, sizeof error->text, "operation %zu (%c): %.150s", i,
                 trace_grammar[operation->verb].letter, what.text);
    }
    good = good && walk(&p);
    give_room(&p);
    return good;
}
