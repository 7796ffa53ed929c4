// The buffer table: its memories, their budgets and live buffers, and its records in home.
#include "alloc/buffers/buffer_table_state.h"

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
        [LM_BUSY] = "LM_BUSY",
        [LM_OUT_OF_RANGE] = "LM_OUT_OF_RANGE",
        [LM_MISALIGNED] = "LM_MISALIGNED",
        [LM_WRONG_KIND] = "LM_WRONG_KIND",
        [LM_OLD_POINTER] = "LM_OLD_POINTER",
        [LM_INVALID_TOKEN] = "LM_INVALID_TOKEN",
        [LM_STALE_TOKEN] = "LM_STALE_TOKEN",
        [LM_ENQUEUED] = "LM_ENQUEUED",
        [LM_NOT_STARTED] = "LM_NOT_STARTED",
        [LM_KEPT] = "LM_KEPT",
    };
    return (unsigned)status < LM_STATUSES ? names[status] : "no status";
}

// The allocators' lock.

static inline bool table_has_own_locks(const lm_memories *all, uint32_t memory) {
    LM_ELSEWHERE(memory, true); // the module that it is imported from calls it too
    unsigned capabilities = all->at[memory].allocator->capabilities;
    return capabilities & LM_SHARES_THREADS && !(capabilities & LM_IN_LINEAR_MEMORY);
}

static _Thread_local char self; // its address is the thread's name

bool lm_access_has_lock(const lm_memories *all) {
    return __atomic_load_n(&all->caller, __ATOMIC_RELAXED) == (uintptr_t)&self;
}

bool lm_access_lock(lm_memories *all, uint32_t memory) {
    uintptr_t me = (uintptr_t)&self, none = 0;
    if (table_has_own_locks(all, memory) || lm_access_has_lock(all)) return false;
    while (!__atomic_compare_exchange_n(&all->caller, &none, me, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
        none = 0;
    return true;
}
void lm_access_unlock(lm_memories *all) {
    __atomic_store_n(&all->caller, 0, __ATOMIC_RELEASE);
}

// The buffer table's records in home.

static uint32_t table_allocate(lm_buffer_table *table, uint32_t bytes) {
    lm_memories *all = &table->memories;
    bool locked = lm_access_enter(all, LM_HOME);
    uint32_t block = lm_access_allocate(all, LM_HOME, bytes);
    lm_access_leave(all, LM_HOME, locked);
    if (block) lm_access_fill(all, LM_HOME, block, 0, bytes);
    return block;
}
static void table_free(lm_buffer_table *table, uint32_t block) {
    bool locked = lm_access_enter(&table->memories, LM_HOME);
    lm_access_free(&table->memories, LM_HOME, block, 0);
    lm_access_leave(&table->memories, LM_HOME, locked);
}

static inline void table_lock(const lm_buffer_table *table) {
    lm_lock(&lm_state_of(table)->lock);
}
static inline void table_unlock(const lm_buffer_table *table) {
    lm_unlock(&lm_state_of(table)->lock);
}
static inline lm_records *table_records_of(const lm_buffer_table *table, uint32_t field) {
    return lm_at(table->memories.at[LM_HOME].memory, table->state + field);
}

bool lm_buffer_table_extend(lm_buffer_table *table, uint32_t field, uint32_t record_bytes) {
    table_lock(table);
    uint32_t bytes = lm_records_lack(table_records_of(table, field), record_bytes);
    table_unlock(table);
    if (bytes == 0) return true;
    uint32_t block = table_allocate(table, bytes);
    if (!block) return false;
    table_lock(table);
    bool added = lm_records_add(table_records_of(table, field), record_bytes, block, bytes);
    table_unlock(table);
    if (!added) table_free(table, block);
    return true;
}

// Frees the parts of the lm_records at offset `field` of home.
static void table_free_parts(lm_buffer_table *table, uint32_t field, uint32_t record_bytes) {
    for (uint32_t bit = LM_RECORDS_FIRST; bit < LM_RECORDS_PARTS; bit++) {
        const lm_records *records = lm_at(table->memories.at[LM_HOME].memory, field);
        uint32_t block = lm_records_block(records, bit, record_bytes);
        if (block) table_free(table, block);
    }
}

// Starting and ending.

static bool table_moves(const lm_memory *memory) {
#ifdef __wasm__
    (void)memory;
    return false;
#else
    return memory->moving;
#endif
}

// A memory that C can access needs an allocator with allocate, resize and free. With threads it
// must not move: one thread accesses its bytes while another makes it grow.
static bool table_can_serve(const lm_allocator *a, const lm_memory *memory, bool threads) {
    return a && memory && a->allocate && a->resize && a->free && !(threads && table_moves(memory));
}

bool lm_buffer_table_start(lm_buffer_table *table, const lm_counts *counts,
                           const lm_allocator *allocator, lm_memory *memory) {
    memset(table, 0, sizeof *table);
    if (!table_can_serve(allocator, memory, counts->threads)) return false;
    table->memories.threads = counts->threads;
    table->memories.at[LM_HOME] = (lm_served){allocator, memory};
    table->memories.count = 1;
    table->state = table_allocate(table, sizeof(lm_buffer_table_state));
    if (!table->state) return false;
    table->counts = counts;
    for (uint32_t i = 0; i < LM_MEMORIES_MAX; i++)
        lm_state_of(table)->budgets[i] = UINT64_MAX;
    return true;
}

lm_status lm_buffer_table_end(lm_buffer_table *table) {
    if (!table->state) return LM_NOT_STARTED;
    if (__atomic_load_n(&table->memories.foreign, __ATOMIC_RELAXED)) return LM_BUSY;
    uint32_t state = table->state;
    table->state = 0; // first, for what a foreign free calls
    table->finalizers = false;
    table_free_parts(table, state + (uint32_t)offsetof(lm_buffer_table_state, finalizers.records),
                     sizeof(lm_finalizer));
    table_free_parts(table, state + (uint32_t)offsetof(lm_buffer_table_state, slots),
                     sizeof(lm_slot));
    table_free(table, state);
    return LM_OK;
}

uint32_t lm_buffer_table_add(lm_buffer_table *table, const lm_allocator *allocator,
                             lm_memory *memory) {
    if (!table->state || table->memories.count == LM_MEMORIES_MAX) return LM_MEMORIES_MAX;
#ifdef __wasm__
    (void)allocator, (void)memory;
    return table->memories.count++;
#else
    if (!table_can_serve(allocator, memory, table->memories.threads)) return LM_MEMORIES_MAX;
    table->memories.at[table->memories.count] = (lm_served){allocator, memory};
    return table->memories.count++;
#endif
}

// With plain counts the lock is taken too, and is always free.

lm_status lm_buffer_table_set_budget(lm_buffer_table *table, uint32_t memory, uint64_t bytes) {
    if (!table->state) return LM_NOT_STARTED;
    if (memory >= table->memories.count) return LM_NO_MEMORY;
    table_lock(table);
    lm_state_of(table)->budgets[memory] = bytes;
    table_unlock(table);
    return LM_OK;
}

void lm_buffer_table_set_pressure(lm_buffer_table *table, lm_pressure *pressure, void *context) {
    table->pressure = pressure;
    table->pressure_context = context;
}

lm_live lm_buffer_table_live_in(const lm_buffer_table *table, uint32_t memory) {
    lm_live live = {0};
    if (!table->state || memory >= table->memories.count) return live;
    table_lock(table);
    live = lm_state_of(table)->memories[memory];
    table_unlock(table);
    return live;
}

static void table_count_share(const lm_buffer_table *table, uint32_t number, uint32_t owner,
                              lm_live *live) {
    const lm_slot *s = lm_slot_at(table, number);
    uint64_t word = __atomic_load_n(&s->word, __ATOMIC_RELAXED);
    if (lm_word_count(word) == 0 || lm_stamp_owner(lm_word_stamp(word)) != owner) return;
    live->buffers++;
    live->bytes += s->size;
}

// Holds the lock for at most AT_ONCE slots.
lm_live lm_buffer_table_live_of(const lm_buffer_table *table, uint32_t owner) {
    enum { AT_ONCE = 64 };
    lm_live live = {0};
    uint32_t slots = table->state ? lm_records_count(&lm_state_of(table)->slots) : 0;
    for (uint32_t number = 0; number < slots;) {
        table_lock(table);
        for (uint32_t i = 0; i < AT_ONCE && number < slots; i++)
            table_count_share(table, number++, owner, &live);
        table_unlock(table);
    }
    return live;
}

const char *lm_buffer_table_validate(lm_buffer_table *table, lm_census *census) {
    if (census) *census = (lm_census){0};
    return table->state ? table->counts->validate(table, census) : NULL;
}
