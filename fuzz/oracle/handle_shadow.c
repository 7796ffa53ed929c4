#include "fuzz/oracle/handle_shadow.h"

#include <stdlib.h>

#define GENERATION_MAX ((UINT32_C(1) << LM_GENERATION_BITS) - 1)
#define RECORDS_MAX    (UINT32_C(1) << LM_SLOT_BITS)
#define FIELD_MAX      ((UINT32_C(1) << 24) - 1)

bool handle_shadow_create(handle_shadow *shadow, uint32_t shares, uint32_t tokens) {
    *shadow = (handle_shadow){.share_room = shares, .token_room = tokens};
    shadow->shares = calloc((size_t)shares + 1, sizeof *shadow->shares);
    shadow->tokens = calloc((size_t)tokens + 1, sizeof *shadow->tokens);
    if (shadow->shares && shadow->tokens) return true;
    handle_shadow_destroy(shadow);
    return false;
}

void handle_shadow_destroy(handle_shadow *shadow) {
    free(shadow->shares);
    free(shadow->tokens);
    *shadow = (handle_shadow){0};
}

void handle_shadow_restart(handle_shadow *shadow) {
    for (uint32_t i = 0; i < shadow->slots; i++)
        shadow->shares[i] = (shadow_share){0};
    for (uint32_t i = 0; i < shadow->records; i++)
        shadow->tokens[i] = (shadow_token){0};
    shadow->slots = shadow->records = 0;
    shadow->shares_live = shadow->slots_retired = 0;
    shadow->tokens_kept = shadow->records_retired = 0;
}

// Layouts: handle [ owner | generation | memory | slot ], token [ generation | record ].

static uint32_t generation_of(lm_handle handle) {
    return (uint32_t)(handle >> 32) & FIELD_MAX;
}
static uint32_t token_generation(lm_token token) {
    return (uint32_t)(token >> 24) & FIELD_MAX;
}
static uint32_t record_of(lm_token token) {
    return (uint32_t)token & FIELD_MAX;
}

lm_status handle_shadow_judge(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                              lm_status after_zero) {
    uint32_t slot = lm_handle_slot(handle), generation = generation_of(handle);
    if (slot >= shadow->slots) return LM_INVALID_HANDLE;
    const shadow_share *share = &shadow->shares[slot];
    uint32_t now = generation_of(share->handle);
    if (generation == 0 || generation > now) return LM_INVALID_HANDLE;
    if (generation < now) return LM_STALE_HANDLE;
    if (handle != share->handle) return LM_INVALID_HANDLE;
    if (lm_handle_owner(handle) != owner) return LM_WRONG_OWNER;
    return share->count ? LM_OK : after_zero;
}

lm_status handle_shadow_judge_token(const handle_shadow *shadow, lm_token token) {
    uint32_t generation = token_generation(token);
    if (token >> 48 || record_of(token) >= shadow->records) return LM_INVALID_TOKEN;
    const shadow_token *t = &shadow->tokens[record_of(token)];
    if (generation == 0 || generation > token_generation(t->token)) return LM_INVALID_TOKEN;
    return token == t->token && t->alive ? LM_OK : LM_STALE_TOKEN;
}

lm_status handle_shadow_judge_taking(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_status after_zero) {
    lm_status status = handle_shadow_judge(shadow, owner, handle, after_zero);
    if (status != LM_OK) return status;
    const shadow_share *share = handle_shadow_share(shadow, handle);
    return share->kept < share->count ? LM_OK : LM_KEPT;
}

lm_status handle_shadow_judge_beside(const handle_shadow *shadow, uint32_t owner, lm_handle handle,
                                     lm_token token, bool replaces) {
    lm_status taking = handle_shadow_judge_taking(shadow, owner, handle, LM_USE_AFTER_ZERO);
    lm_status status = handle_shadow_judge_token(shadow, token);
    lm_handle stands_for = status == LM_OK ? shadow->tokens[record_of(token)].handle : 0;
    if (taking == LM_KEPT && replaces && stands_for == handle) return LM_OK;
    if (taking != LM_OK || status != LM_OK) return taking != LM_OK ? taking : status;
    return lm_handle_owner(stands_for) == owner ? LM_OK : LM_WRONG_OWNER;
}

shadow_share *handle_shadow_share(const handle_shadow *shadow, lm_handle handle) {
    return &shadow->shares[lm_handle_slot(handle)];
}

bool handle_shadow_has_generation(lm_handle handle) {
    return generation_of(handle) < GENERATION_MAX;
}

bool handle_shadow_has_slot(const handle_shadow *shadow) {
    return shadow->shares_live + shadow->slots_retired < RECORDS_MAX;
}
bool handle_shadow_has_record(const handle_shadow *shadow) {
    return shadow->tokens_kept + shadow->records_retired < RECORDS_MAX;
}

// One past the last slot, or record, that may be given next: a new one only if all are in use or
// retired.
static uint32_t slots_end(const handle_shadow *shadow) {
    bool none_is_free = shadow->shares_live + shadow->slots_retired == shadow->slots;
    return shadow->slots + none_is_free;
}
static uint32_t records_end(const handle_shadow *shadow) {
    bool none_is_free = shadow->tokens_kept + shadow->records_retired == shadow->records;
    return shadow->records + none_is_free;
}

const char *handle_shadow_give(handle_shadow *shadow, lm_handle handle, uint32_t owner,
                               uint32_t memory, uint32_t buffer) {
    uint32_t slot = lm_handle_slot(handle);
    if (slot >= shadow->share_room || slot >= slots_end(shadow))
        return "a new slot is used although another is free";
    shadow_share *share = &shadow->shares[slot];
    if (share->count) return "a slot has two shares";
    if (generation_of(handle) != generation_of(share->handle) + 1)
        return "a handle is not of the next generation";
    if (generation_of(handle) > GENERATION_MAX) return "a retired slot is reused";
    if (lm_handle_owner(handle) != owner || lm_handle_memory(handle) != memory)
        return "a handle names another owner or memory";
    *share = (shadow_share){.handle = handle, .count = 1, .buffer = buffer};
    if (slot >= shadow->slots) shadow->slots = slot + 1;
    shadow->shares_live++;
    return NULL;
}

uint32_t handle_shadow_take(handle_shadow *shadow, lm_handle handle) {
    shadow_share *share = handle_shadow_share(shadow, handle);
    if (--share->count) return share->count;
    shadow->shares_live--;
    shadow->slots_retired += generation_of(handle) == GENERATION_MAX;
    return 0;
}

const char *handle_shadow_give_token(handle_shadow *shadow, lm_token token, lm_handle handle) {
    uint32_t record = record_of(token), generation = token_generation(token);
    if (token >> 48) return "a token has more than 48 bits";
    if (record >= shadow->token_room || record >= records_end(shadow))
        return "a new record is used although another is free";
    shadow_token *t = &shadow->tokens[record];
    if (t->alive || t->queued) return "a record has two tokens";
    if (generation != token_generation(t->token) + 1)
        return "a token is not of the next generation";
    if (generation > GENERATION_MAX) return "a retired record is reused";
    *t = (shadow_token){token, handle, true, false};
    handle_shadow_share(shadow, handle)->kept++;
    if (record >= shadow->records) shadow->records = record + 1;
    shadow->tokens_kept++;
    return NULL;
}

static void keep_token(handle_shadow *shadow, shadow_token *t, bool alive, bool queued) {
    t->alive = alive;
    t->queued = queued;
    if (alive || queued) return;
    shadow->tokens_kept--;
    shadow->records_retired += token_generation(t->token) == GENERATION_MAX;
}

void handle_shadow_end_token(handle_shadow *shadow, lm_token token) {
    shadow_token *t = &shadow->tokens[record_of(token)];
    handle_shadow_share(shadow, t->handle)->kept--;
    keep_token(shadow, t, false, t->queued);
}
void handle_shadow_queue_token(handle_shadow *shadow, lm_token token) {
    shadow->tokens[record_of(token)].queued = true;
}
void handle_shadow_dequeue_token(handle_shadow *shadow, lm_token token) {
    shadow_token *t = &shadow->tokens[record_of(token)];
    keep_token(shadow, t, t->alive, false);
}
