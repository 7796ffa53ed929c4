// The realm: its memories and what it keeps of them.
#include "alloc/realm_state.h"

const char *lm_status_name(lm_status status) {
    static const char *const names[LM_STATUSES] = {
        [LM_OK] = "LM_OK",
        [LM_FREED] = "LM_FREED",
        [LM_OUT_OF_MEMORY] = "LM_OUT_OF_MEMORY",
        [LM_OUT_OF_SLOTS] = "LM_OUT_OF_SLOTS",
        [LM_INVALID_HANDLE] = "LM_INVALID_HANDLE",
        [LM_STALE_HANDLE] = "LM_STALE_HANDLE",
        [LM_WRONG_OWNER] = "LM_WRONG_OWNER",
        [LM_RELEASE_AFTER_ZERO] = "LM_RELEASE_AFTER_ZERO",
        [LM_USE_AFTER_ZERO] = "LM_USE_AFTER_ZERO",
        [LM_COUNT_OVERFLOW] = "LM_COUNT_OVERFLOW",
        [LM_NO_MEMORY] = "LM_NO_MEMORY",
        [LM_NO_OWNER] = "LM_NO_OWNER",
        [LM_BAD_ALIGNMENT] = "LM_BAD_ALIGNMENT",
        [LM_BAD_BLOCK] = "LM_BAD_BLOCK",
        [LM_SHARED] = "LM_SHARED",
        [LM_OUT_OF_RANGE] = "LM_OUT_OF_RANGE",
        [LM_MISALIGNED] = "LM_MISALIGNED",
        [LM_WRONG_KIND] = "LM_WRONG_KIND",
        [LM_OLD_POINTER] = "LM_OLD_POINTER",
        [LM_INVALID_TOKEN] = "LM_INVALID_TOKEN",
        [LM_STALE_TOKEN] = "LM_STALE_TOKEN",
        [LM_ENQUEUED] = "LM_ENQUEUED",
        [LM_NOT_STARTED] = "LM_NOT_STARTED",
    };
    return (unsigned)status < LM_STATUSES ? names[status] : "no status";
}

bool lm_realm_start(lm_realm *realm, const lm_counts *counts, const lm_allocator *allocator,
                    lm_memory *memory) {
    memset(realm, 0, sizeof *realm);
    realm->counts = counts;
    realm->memories.at[LM_HOME] = (lm_served){allocator, memory};
    realm->memories.count = 1;
    uint32_t bytes = sizeof(lm_realm_state);
    realm->state = lm_access_allocate(&realm->memories, LM_HOME, bytes);
    if (!realm->state) return false;
    lm_access_fill(&realm->memories, LM_HOME, realm->state, 0, bytes);
    for (uint32_t i = 0; i < LM_MEMORIES_MAX; i++)
        lm_state_of(realm)->budgets[i] = UINT64_MAX;
    return true;
}

void lm_realm_end(lm_realm *realm) {
    if (!realm->state) return;
    lm_records_end(&realm->memories, realm->state + offsetof(lm_realm_state, finalizers.records),
                   sizeof(lm_finalizer));
    lm_records_end(&realm->memories, realm->state + offsetof(lm_realm_state, slots),
                   sizeof(lm_slot));
    lm_access_free(&realm->memories, LM_HOME, realm->state, 0);
    realm->state = 0;
    realm->finalizers = false;
}

uint32_t lm_realm_add(lm_realm *realm, const lm_allocator *allocator, lm_memory *memory) {
    if (realm->memories.count == LM_MEMORIES_MAX) return LM_MEMORIES_MAX;
    uint32_t number = realm->memories.count++;
#ifdef __wasm__
    (void)allocator, (void)memory;
#else
    realm->memories.at[number] = (lm_served){allocator, memory};
#endif
    return number;
}

// Under the lock, in a realm of one thread too: there nobody else takes it.

lm_status lm_realm_set_budget(lm_realm *realm, uint32_t memory, uint64_t bytes) {
    if (!realm->state) return LM_NOT_STARTED;
    if (memory >= realm->memories.count) return LM_NO_MEMORY;
    lm_lock(&lm_state_of(realm)->lock);
    lm_state_of(realm)->budgets[memory] = bytes;
    lm_unlock(&lm_state_of(realm)->lock);
    return LM_OK;
}

void lm_realm_set_pressure(lm_realm *realm, lm_pressure *pressure, void *context) {
    realm->pressure = pressure;
    realm->pressure_context = context;
}

lm_live lm_realm_live_in(const lm_realm *realm, uint32_t memory) {
    lm_lock(&lm_state_of(realm)->lock);
    lm_live live = lm_state_of(realm)->memories[memory];
    lm_unlock(&lm_state_of(realm)->lock);
    return live;
}

lm_live lm_realm_live_of(const lm_realm *realm, uint32_t owner) {
    lm_live live = {0};
    lm_lock(&lm_state_of(realm)->lock);
    uint32_t slots = lm_records_count(&lm_state_of(realm)->slots);
    for (uint32_t number = 0; number < slots; number++) {
        const lm_slot *s = lm_slot_at(realm, number);
        uint64_t word = __atomic_load_n(&s->word, __ATOMIC_RELAXED);
        if (lm_word_count(word) == 0 || lm_stamp_owner(lm_word_stamp(word)) != owner) continue;
        live.buffers++;
        live.bytes += s->size;
    }
    lm_unlock(&lm_state_of(realm)->lock);
    return live;
}
