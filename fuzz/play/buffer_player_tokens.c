// The buffer player's finalizer verbs: @ ~ c d. The token's number modulo 4 chooses among
// equivalent calls: 0: the buffer is resized if no other reference exists; 1, 2: attached beside
// the previous token, as siblings, if that is attached and has the same owner; 3: replaced at once.
// When collected, 1 is enqueued twice, and 2 is detached, attached again and enqueued again, so
// that the queue has a detached token before it. When detached, 1 is detached with all its
// siblings, with a temporary reference to each, and the siblings are attached again. After 6, 14,
// 22, … tokens, a drain is followed by an end and a start of the finalizers, and all tokens are
// attached again.
#include "fuzz/play/buffer_player_state.h"

#define COUNT_MAX ((UINT32_C(1) << LM_COUNT_BITS) - 1)

enum { RESTART_MAX = 256 }; // with more tokens the finalizers are not restarted

bool buffer_given_token(buffer_player *p, lm_token token, lm_handle handle) {
    const char *wrong = handle_shadow_give_token(&p->shadow, token, handle);
    return !wrong || buffer_broken(p, "status", "%s: %#llx", wrong, (unsigned long long)token);
}

// Attaches a token, beside a sibling if that is not 0. `*token` is 0 if that fails for want of
// room.
static bool arm(buffer_player *p, const lm_view *of, lm_token sibling, lm_token *token) {
    bool full = !handle_shadow_has_record(&p->shadow);
    *token = 0;
    lm_status status = lm_finalizer_attach(&p->table, of->owner, of->handle, sibling, token);
    if (!buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK)) return false;
    if (lm_failed(status)) {
        p->played.failures++;
        *token = 0;
        return true;
    }
    p->armed++;
    return buffer_given_token(p, *token, of->handle);
}

// A token of another owner can be neither sibling nor replaced: the call must fail.
static bool arm_beside_another(buffer_player *p, const lm_view *of, lm_token other, bool replaces) {
    lm_token token = other;
    lm_handle none;
    lm_status expected =
        handle_shadow_judge_beside(&p->shadow, of->owner, of->handle, other, replaces);
    lm_status status = replaces
                           ? lm_finalizer_replace(&p->table, of->owner, of->handle, &token, &none)
                           : lm_finalizer_attach(&p->table, of->owner, of->handle, other, &token);
    return buffer_check_status(p, status, expected) &&
           (token == other || buffer_broken(p, "status", "a failed attach returns a token"));
}

// Replaces a token by another one of the same handle. The new one takes over the old one's
// reference if tokens keep all of the handle's references; else that is returned.
static bool replace(buffer_player *p, const lm_view *of, lm_token *token) {
    bool full = !handle_shadow_has_record(&p->shadow);
    const shadow_share *share = handle_shadow_share(&p->shadow, of->handle);
    lm_token old = *token;
    lm_handle cancelled = 1, expected = share->kept == share->count ? 0 : of->handle;
    lm_status status = lm_finalizer_replace(&p->table, of->owner, of->handle, token, &cancelled);
    if (!buffer_check_status(p, status, full ? LM_OUT_OF_SLOTS : LM_OK)) return false;
    if (lm_failed(status))
        return *token == old || buffer_broken(p, "status", "a failed replace changes the token");
    if (cancelled != expected) return buffer_broken(p, "count", "another reference was cancelled");
    if (!buffer_given_token(p, *token, of->handle)) return false;
    handle_shadow_end_token(&p->shadow, old);
    return true;
}

// The owner may resize a buffer whose only reference a token keeps: here to its own size, which an
// imported allocator may place elsewhere.
static bool resize_kept(buffer_player *p, uint32_t reference) {
    const lm_view *of = &p->references[reference];
    uint32_t number = p->model.references[reference].buffer;
    real_buffer *b = &p->buffers[number];
    lm_buffer_info info;
    bool adopted = number % 8 == 4; // the buffer table does not know its alignment
    if (adopted || p->model.buffers[number].references > 1) return true;
    lm_status status =
        lm_buffer_resize(&p->table, of->owner, of->handle, p->model.buffers[number].size);
    if (!buffer_check_status(p, status, LM_OK)) return false;
    lm_buffer_describe(&p->table, of->owner, of->handle, &info);
    bool moved = info.start != b->start, points = p->pointer.view.handle == of->handle;
    b->start = info.start;
    if (!moved || !points) return buffer_check_bytes(p, number);
    if (!buffer_check_pointer(p, false)) return false;
    p->pointer.address = NULL;
    return buffer_check_bytes(p, number);
}

bool buffer_attach(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0], kind = number % 4;
    real_token *made = &p->tokens[number];
    const lm_view *of = &p->references[operation->argument[1]];
    buffer_model_play(&p->model, operation);
    *made = (real_token){.ring = number};
    p->last_tokens[number] = 0;
    if (p->model.references[operation->argument[1]].buffer == BUFFER_MODEL_NONE) return true;
    lm_token sibling = kind ? made[-1].token : 0;
    if (sibling && p->references[p->model.tokens[number - 1]].owner != of->owner) {
        if (!arm_beside_another(p, of, sibling, kind == 3)) return false;
        sibling = 0;
    }
    if (kind == 3) sibling = 0;
    if (!arm(p, of, sibling, &made->token)) return false;
    if (made->token && sibling) made->ring = made[-1].ring;
    if (made->token && kind == 3 && !replace(p, of, &made->token)) return false;
    p->last_tokens[number] = made->token;
    if (kind == 0 && !resize_kept(p, operation->argument[1])) return false;
    return buffer_check_reference(p, operation->argument[1]);
}

// Detaches a token; the reference is its owner's again.
static bool disarm(buffer_player *p, real_token *token, uint32_t reference) {
    lm_handle handle = 0;
    lm_status status = lm_finalizer_detach(&p->table, token->token, &handle);
    if (!buffer_check_status(p, status, LM_OK)) return false;
    handle_shadow_end_token(&p->shadow, token->token);
    token->token = 0;
    p->armed--;
    return handle == p->references[reference].handle ||
           buffer_broken(p, "count", "another reference was detached");
}

// The attached tokens of a ring, as bits from token `first` on. 0 if some are enqueued, or if a
// count is too high for another reference.
static unsigned ring_of(const buffer_player *p, uint32_t number, uint32_t first) {
    unsigned members = 0;
    for (uint32_t i = first; i < first + 4 && i < p->tokens_begun; i++) {
        const real_token *t = &p->tokens[i];
        if (!t->token || t->ring != p->tokens[number].ring) continue;
        lm_handle handle = p->references[p->model.tokens[i]].handle;
        if (t->queued || handle_shadow_share(&p->shadow, handle)->count + 4 > COUNT_MAX) return 0;
        members |= 1u << (i - first);
    }
    return members;
}

// Detaches all, with a temporary reference to each, which the call releases.
static bool disarm_ring(buffer_player *p, uint32_t number, uint32_t first, unsigned members) {
    uint32_t freed = 1;
    for (uint32_t i = first; i < first + 4; i++) {
        if (!(members >> (i - first) & 1)) continue;
        const lm_view *of = &p->references[p->model.tokens[i]];
        if (!buffer_check_status(p, lm_buffer_retain(&p->table, of->owner, of->handle), LM_OK))
            return false;
    }
    lm_status status = lm_finalizer_detach_all(&p->table, p->tokens[number].token, &freed);
    if (!buffer_check_status(p, status, LM_OK)) return false;
    if (freed)
        return buffer_broken(p, "death", "detach_all frees %u buffers that have references", freed);
    for (uint32_t i = first; i < first + 4; i++) {
        if (!(members >> (i - first) & 1)) continue;
        handle_shadow_end_token(&p->shadow, p->tokens[i].token);
        p->armed--;
        if (!buffer_check_reference(p, p->model.tokens[i])) return false;
    }
    for (uint32_t i = first; i < first + 4; i++) {
        real_token *t = &p->tokens[i];
        if (!(members >> (i - first) & 1)) continue;
        *t = (real_token){.ring = i};
        if (i != number && !arm(p, &p->references[p->model.tokens[i]], 0, &t->token)) return false;
        if (t->token) p->last_tokens[i] = t->token;
    }
    return true;
}

bool buffer_detach(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0], first = number - number % 4;
    real_token *token = &p->tokens[number];
    buffer_model_play(&p->model, operation);
    if (!token->token) return true;
    unsigned members = number % 4 == 1 ? ring_of(p, number, first) : 0;
    if (!(members ? disarm_ring(p, number, first, members)
                  : disarm(p, token, p->model.tokens[number])))
        return false;
    return buffer_check_reference(p, p->model.tokens[number]);
}

// Enqueues as a collector does: no allocator may be called.
static bool enqueue(buffer_player *p, lm_token token, lm_status expected) {
    uint32_t calls = p->watch.calls;
    lm_status status = lm_finalizer_enqueue(&p->table, token);
    if (p->watch.calls != calls)
        return buffer_broken(p, "safepoint", "an allocator is called inside a collection");
    if (!buffer_check_status(p, status, expected)) return false;
    if (status != LM_OK) return true;
    handle_shadow_queue_token(&p->shadow, token);
    p->waiting++;
    return true;
}

bool buffer_collect(buffer_player *p, const trace_operation *operation) {
    uint32_t number = operation->argument[0], reference = p->model.tokens[number];
    real_token *t = &p->tokens[number];
    lm_token first = t->token;
    buffer_model_play(&p->model, operation);
    if (!first) return true;
    if (!enqueue(p, first, LM_OK)) return false;
    t->queued = true;
    if (number % 4 == 1) return enqueue(p, first, LM_ENQUEUED);
    if (number % 4 != 2) return true;
    t->passed = first;
    if (!disarm(p, t, reference) || !arm(p, &p->references[reference], 0, &t->token)) return false;
    t->ring = number;
    if (!t->token) return true;
    p->last_tokens[number] = t->token;
    return enqueue(p, t->token, LM_OK);
}

// Removes the drained tokens, and those passed over before them, from the queue. Returns their
// number.
static uint32_t leave_queue(buffer_player *p, uint32_t first, uint32_t *tokens) {
    uint32_t count = 0;
    for (uint32_t i = first; i < p->model.queue_first; i++) {
        const real_token *t = &p->tokens[p->model.queue[i]];
        count += t->passed != 0;
        count += t->token != 0;
        *tokens += t->token != 0;
        if (t->passed) handle_shadow_dequeue_token(&p->shadow, t->passed);
        if (!t->token) continue;
        handle_shadow_end_token(&p->shadow, t->token);
        handle_shadow_dequeue_token(&p->shadow, t->token);
    }
    p->waiting -= count;
    p->armed -= *tokens;
    return count;
}

// Releases directly the references that could not be attached.
static bool release_unattached(buffer_player *p, uint32_t first, uint32_t *freed) {
    for (uint32_t i = first; i < p->model.queue_first; i++) {
        const lm_view *real = &p->references[p->model.tokens[p->model.queue[i]]];
        if (p->tokens[p->model.queue[i]].token || !real->handle) continue;
        lm_status status = lm_buffer_release(&p->table, real->owner, real->handle);
        if (lm_failed(status))
            return buffer_broken(p, "status", "a release of a held reference returns %s",
                                 lm_status_name(status));
        *freed += status == LM_FREED;
    }
    return true;
}

// Enqueues every token ever attached; those that have ended must fail.
static bool enqueue_all(buffer_player *p, bool started) {
    for (uint32_t i = 0; i < p->tokens_begun; i++) {
        lm_token token = p->last_tokens[i];
        lm_status status = started ? handle_shadow_judge_token(&p->shadow, token) : LM_NOT_STARTED;
        if (token && !enqueue(p, token, status)) return false;
    }
    return true;
}

bool buffer_collect_ended(buffer_player *p) {
    return enqueue_all(p, false);
}

// Ends all tokens and empties the queue.
static void end_all(buffer_player *p) {
    for (uint32_t i = 0; i < p->tokens_begun; i++) {
        real_token *t = &p->tokens[i];
        bool queued = t->queued;
        if (t->passed) handle_shadow_dequeue_token(&p->shadow, t->passed);
        if (t->token) handle_shadow_end_token(&p->shadow, t->token);
        if (t->token && queued) handle_shadow_dequeue_token(&p->shadow, t->token);
        *t = (real_token){.ring = i};
    }
    p->armed = p->waiting = 0;
}

// Attaches and enqueues again as before.
static bool arm_all(buffer_player *p, const bool *armed) {
    for (uint32_t i = 0; i < p->tokens_begun; i++) {
        real_token *t = &p->tokens[i];
        if (!armed[i]) continue;
        if (!arm(p, &p->references[p->model.tokens[i]], 0, &t->token)) return false;
        if (t->token) p->last_tokens[i] = t->token;
    }
    for (uint32_t i = p->model.queue_first; i < p->model.queue_end; i++) {
        real_token *t = &p->tokens[p->model.queue[i]];
        if (t->token && !enqueue(p, t->token, LM_OK)) return false;
        t->queued = t->token != 0;
    }
    return true;
}

// Ends and starts the finalizers: all earlier tokens must be invalid.
static bool restart(buffer_player *p) {
    bool armed[RESTART_MAX];
    if (p->tokens_begun > RESTART_MAX) return true;
    for (uint32_t i = 0; i < p->tokens_begun; i++)
        armed[i] = p->tokens[i].token != 0;
    lm_finalizers_end(&p->table);
    end_all(p);
    if (!enqueue_all(p, false)) return false;
    for (int i = 0; i < 2; i++) {
        bool started = lm_finalizers_start(&p->table);
        if (started != (i == 0))
            return buffer_broken(p, "status", "finalizers start %s",
                                 started ? "twice" : "not again");
    }
    return enqueue_all(p, true) && arm_all(p, armed);
}

static bool drain(buffer_player *p, const trace_operation *operation) {
    uint32_t first = p->model.queue_first, tokens = 0, freed = 0;
    buffer_model_play(&p->model, operation);
    if (!buffer_before_death(p)) return false;
    uint32_t count = leave_queue(p, first, &tokens);
    lm_drained drained = lm_finalizers_drain(&p->table, count);
    if (drained.released != tokens || drained.failed || drained.more != (p->waiting > 0))
        return buffer_broken(p, "count", "%u released, %u failed, of %u; %s", drained.released,
                             drained.failed, tokens,
                             drained.more ? "more are queued" : "none is queued");
    if (!release_unattached(p, first, &freed)) return false;
    if (drained.freed + freed != p->model.died_count)
        return buffer_broken(p, "death", "%u buffers are freed, not %u", drained.freed + freed,
                             p->model.died_count);
    for (uint32_t i = first; i < p->model.queue_first; i++) {
        uint32_t reference = p->model.tokens[p->model.queue[i]];
        lm_view *real = &p->references[reference];
        p->tokens[p->model.queue[i]] = (real_token){0};
        if (!real->handle) continue;
        handle_shadow_take(&p->shadow, real->handle);
        p->last_handles[reference] = real->handle;
        real->handle = 0;
    }
    for (uint32_t i = first; i < p->model.queue_first; i++) {
        lm_handle handle = p->last_handles[p->model.tokens[p->model.queue[i]]];
        if (handle && !buffer_after_release(p, handle)) return false;
    }
    return true;
}

bool buffer_drain(buffer_player *p, const trace_operation *operation) {
    return drain(p, operation) && (p->tokens_begun % 8 != 6 || restart(p));
}

bool buffer_close(buffer_player *p, const lm_view *reference, bool dies, bool *done) {
    lm_token token;
    if (!arm(p, reference, 0, &token)) return false;
    *done = token != 0;
    if (!token) return true;
    lm_status status = lm_finalizer_close(&p->table, token);
    if (!buffer_check_status(p, status, dies ? LM_FREED : LM_OK)) return false;
    handle_shadow_end_token(&p->shadow, token);
    handle_shadow_take(&p->shadow, reference->handle);
    p->armed--;
    return buffer_after_release(p, reference->handle);
}

bool buffer_collect_some(buffer_player *p) {
    for (uint32_t i = 0; i < p->tokens_begun; i += 2)
        if (p->tokens[i].token && !enqueue(p, p->tokens[i].token, LM_OK)) return false;
    return true;
}

void buffer_forget_tokens(buffer_player *p, uint32_t owner) {
    for (uint32_t i = 0; i < p->tokens_begun; i++) {
        real_token *t = &p->tokens[i];
        if (!t->token || p->references[p->model.tokens[i]].owner != owner) continue;
        handle_shadow_end_token(&p->shadow, t->token);
        t->token = 0;
        p->armed--;
    }
}

bool buffer_collect_late(buffer_player *p) {
    if (!enqueue_all(p, true)) return false;
    lm_drained drained = lm_finalizers_drain(&p->table, UINT32_MAX);
    return (!drained.released && !drained.freed && !drained.failed && !drained.more) ||
           buffer_broken(p, "count",
                         "%u released and %u failed, after the owners released everything",
                         drained.released, drained.failed);
}
