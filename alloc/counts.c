// How references are counted and buffers die: compiled once plain, for one thread, and once with
// LM_ATOMIC_COUNTS, for several.
//
// A slot's word, stamp and count, is read, judged and replaced as one. Plain, that is a load and a
// store. Atomic, it is a compare-and-swap, with these orders:
//
//     retain    relaxed: whoever retains holds a reference, so it has seen the buffer made, and
//               nothing that it does before has to be seen by anyone because of it.
//     release   release: what this owner did to the bytes happens before whoever frees them. The
//               one that takes the last reference of a share reads the word once more (acquire):
//               it is what its own swap wrote, which goes on the release sequences of the swaps
//               before, so it sees all that the share's other holders did. (A fence would do as
//               well, but ThreadSanitizer knows none.) The shares of a buffer are brought together
//               by the lock, an acquire and a release, under which all leave.
//     describe  acquire: who finds itself alone sees what those who left had done.
//
// All the rest is done under the lock. The swap compares the stamp too, and a stamp never returns:
// no ABA.
#include "alloc/realm_state.h"

#ifdef LM_ATOMIC_COUNTS
#define COUNTS lm_counts_atomic
#define NAME   "atomic"
static inline uint64_t read_word(const lm_slot *s, int order) {
    return __atomic_load_n(&s->word, order);
}
static inline bool swap_word(lm_slot *s, uint64_t *seen, uint64_t to, int order) {
    return __atomic_compare_exchange_n(&s->word, seen, to, true, order, __ATOMIC_RELAXED);
}
static inline void write_word(lm_slot *s, uint64_t to) {
    __atomic_store_n(&s->word, to, __ATOMIC_RELAXED);
}
static inline bool begin_pressing(lm_realm *r) {
    return !__atomic_exchange_n(&r->pressing, true, __ATOMIC_ACQUIRE);
}
static inline void end_pressing(lm_realm *r) {
    __atomic_store_n(&r->pressing, false, __ATOMIC_RELEASE);
}
static inline void lock(const lm_realm *r) {
    lm_lock(&lm_state_of(r)->lock);
}
static inline void unlock(const lm_realm *r) {
    lm_unlock(&lm_state_of(r)->lock);
}
static inline void see_all(const lm_slot *s) {
    (void)__atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
}
#else
#define COUNTS lm_counts_plain
#define NAME   "plain"
static inline uint64_t read_word(const lm_slot *s, int order) {
    (void)order;
    return s->word;
}
static inline bool swap_word(lm_slot *s, const uint64_t *seen, uint64_t to, int order) {
    (void)seen, (void)order;
    s->word = to;
    return true;
}
static inline void write_word(lm_slot *s, uint64_t to) {
    s->word = to;
}
static inline bool begin_pressing(lm_realm *r) {
    bool pressing = r->pressing;
    r->pressing = true;
    return !pressing;
}
static inline void end_pressing(lm_realm *r) {
    r->pressing = false;
}
static inline void lock(const lm_realm *r) {
    (void)r;
}
static inline void unlock(const lm_realm *r) {
    (void)r;
}
static inline void see_all(const lm_slot *s) {
    (void)s;
}
#endif

static inline lm_handle handle_of(uint32_t number, uint32_t memory, uint32_t stamp) {
    return (uint64_t)stamp << 32 | memory << 24 | number;
}

// A slot's memory is set under the lock, but judged without it: by who comes with a handle that
// died meanwhile, and is told so, or that it never was one, and changes nothing.
static inline uint32_t memory_of(const lm_slot *s) {
    return __atomic_load_n(&s->memory, __ATOMIC_RELAXED);
}
static inline void set_memory(lm_slot *s, uint32_t memory) {
    __atomic_store_n(&s->memory, (uint8_t)memory, __ATOMIC_RELAXED);
}

// Judging a handle.

// Whether it is the owner's, of this slot, and its count lies in 1 … most.
static inline bool holds(const lm_slot *s, uint64_t word, uint32_t owner, lm_handle handle,
                         uint32_t most) {
    return lm_word_stamp(word) == lm_handle_stamp(handle) && lm_handle_owner(handle) == owner &&
           lm_word_count(word) - 1 < most && memory_of(s) == lm_handle_memory(handle);
}

// What is wrong with a handle that does not hold.
static __attribute__((noinline)) lm_status misuse(const lm_slot *s, uint64_t word, uint32_t owner,
                                                  lm_handle handle, lm_status after_zero) {
    uint32_t now = lm_stamp_generation(lm_word_stamp(word));
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == 0 || generation > now) return LM_INVALID_HANDLE;
    if (generation < now) return LM_STALE_HANDLE;
    if (lm_word_stamp(word) != lm_handle_stamp(handle) || memory_of(s) != lm_handle_memory(handle))
        return LM_INVALID_HANDLE;
    if (lm_handle_owner(handle) != owner) return LM_WRONG_OWNER;
    return lm_word_count(word) == 0 ? after_zero : LM_COUNT_OVERFLOW;
}

// The slot a handle names, or NULL: there is none.
static inline lm_slot *slot_of(const lm_realm *r, lm_handle handle) {
    const lm_memory *home = r->memories.at[LM_HOME].memory;
    return lm_record_find(home, &lm_state_of(r)->slots, sizeof(lm_slot), lm_handle_slot(handle));
}

static lm_status judge(const lm_realm *r, uint32_t owner, lm_handle handle) {
    const lm_slot *s = slot_of(r, handle);
    if (!s) return LM_INVALID_HANDLE;
    uint64_t word = read_word(s, __ATOMIC_ACQUIRE);
    if (holds(s, word, owner, handle, LM_COUNT_MAX)) return LM_OK;
    return misuse(s, word, owner, handle, LM_USE_AFTER_ZERO);
}

// Slots. What follows, up to the calls, is done under the lock.

static inline void charge(lm_live *live, uint32_t size) {
    live->buffers++;
    live->bytes += size;
    if (live->bytes > live->peak_bytes) live->peak_bytes = live->bytes;
}
static inline void discharge(lm_live *live, uint32_t size) {
    live->buffers--;
    live->bytes -= size;
}

static __attribute__((noinline)) uint32_t take_new_slot(lm_realm *r, lm_status *status) {
    const lm_realm_state *state = lm_state_of(r);
    *status = LM_OUT_OF_SLOTS;
    if (state->slots.count == LM_SLOTS_MAX) return LM_SLOTS_MAX;
    *status = LM_OUT_OF_MEMORY;
    if (!lm_records_extend(&r->memories, r->state + offsetof(lm_realm_state, slots),
                           sizeof(lm_slot)))
        return LM_SLOTS_MAX;
    return lm_records_take(&lm_state_of(r)->slots);
}

// A slot that is free, or LM_SLOTS_MAX: there is none, and `status` says why.
static inline uint32_t take_slot(lm_realm *r, lm_status *status) {
    lm_realm_state *state = lm_state_of(r);
    uint32_t free = state->free;
    if (LM_UNLIKELY(!free)) return take_new_slot(r, status);
    state->free = lm_slot_at(r, free - 1)->next;
    return free - 1;
}

static inline void give_slot(const lm_realm *r, lm_slot *s, uint32_t number) {
    lm_realm_state *state = lm_state_of(r);
    uint64_t word = read_word(s, __ATOMIC_RELAXED); // who is too late may look at it yet
    if (lm_stamp_generation(lm_word_stamp(word)) == LM_GENERATION_MAX) {
        state->retired++;
        return;
    }
    s->next = state->free;
    state->free = number + 1;
}

// A slot becomes the owner's, with one reference and the next generation.
static inline lm_handle open_slot(lm_slot *s, uint32_t number, uint32_t owner) {
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    uint32_t generation = lm_stamp_generation(lm_word_stamp(word)) + 1;
    uint32_t stamp = owner << 24 | generation;
    write_word(s, (uint64_t)stamp << 32 | 1);
    return handle_of(number, s->memory, stamp);
}

// It becomes a share of a buffer that has one already, and enters the ring behind it.
static lm_handle enter(lm_realm *r, uint32_t number, uint32_t previous, uint32_t owner) {
    lm_slot *s = lm_slot_at(r, number), *p = lm_slot_at(r, previous);
    s->start = p->start;
    s->size = p->size;
    s->block = p->block;
    set_memory(s, p->memory);
    s->alignment = p->alignment;
    s->previous = previous;
    s->next = p->next;
    p->next = number;
    lm_slot_at(r, s->next)->previous = number;
    return open_slot(s, number, owner);
}

// A share without references leaves its ring; the last one frees the block.
static inline lm_status leave(lm_realm *r, lm_slot *s, uint32_t number) {
    uint32_t memory = s->memory, block = s->block, next = s->next;
    if (next != number) {
        lm_slot_at(r, s->previous)->next = next;
        lm_slot_at(r, next)->previous = s->previous;
        give_slot(r, s, number);
        return LM_OK;
    }
    discharge(&lm_state_of(r)->memories[memory], s->size);
    give_slot(r, s, number);
    lm_access_free(&r->memories, memory, block, 0);
    return LM_FREED;
}

// Blocks.

// What the allocator does not align, or not enough, is allocated so large that an aligned part of
// it will do.
static bool place_with_slack(const lm_memories *all, uint32_t memory, uint32_t size,
                             uint32_t alignment, bool zeroed, lm_slot *placed) {
    uint32_t slack = alignment - 1;
    if (slack > UINT32_MAX - size) return false;
    placed->block = lm_access_allocate(all, memory, size + slack);
    placed->start = lm_round_up(placed->block, alignment);
    if (zeroed && placed->block) lm_access_fill(all, memory, placed->start, 0, size);
    return placed->block != 0;
}

// Zeroed, or aligned to more than blocks are.
static bool place_specially(const lm_memories *all, uint32_t memory, uint32_t size,
                            uint32_t alignment, bool zeroed, lm_slot *placed) {
    bool aligned = alignment > LM_BLOCK_ALIGNMENT;
    if (aligned && lm_access_aligns(all, memory)) {
        placed->block = lm_access_allocate_aligned(all, memory, alignment, size);
    } else if (!aligned && lm_access_zeroes(all, memory)) {
        placed->block = lm_access_allocate_zeroed(all, memory, size);
        zeroed = false;
    } else {
        return place_with_slack(all, memory, size, alignment, zeroed, placed);
    }
    placed->start = placed->block;
    if (zeroed && placed->block) lm_access_fill(all, memory, placed->start, 0, size);
    return placed->block != 0;
}

// Allocates for `size` bytes, aligned. Fills block and start of `placed`. False: out of memory.
static inline bool place(const lm_memories *all, uint32_t memory, uint32_t size, uint32_t alignment,
                         bool zeroed, lm_slot *placed) {
    if (LM_UNLIKELY(zeroed || alignment > LM_BLOCK_ALIGNMENT))
        return place_specially(all, memory, size, alignment, zeroed, placed);
    uint32_t block = lm_access_allocate(all, memory, size);
    placed->block = placed->start = block;
    if (LM_LIKELY(!(block & (alignment - 1)))) return block != 0;
    lm_access_free(all, memory, block, size); // this allocator aligns less than ours do
    return place_with_slack(all, memory, size, alignment, zeroed, placed);
}

// The buffer of a block gets its first share.
static inline lm_handle found(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                              uint32_t alignment, const lm_slot *placed, uint32_t number) {
    lm_slot *s = lm_slot_at(r, number);
    s->start = placed->start;
    s->block = placed->block;
    s->size = size;
    set_memory(s, memory);
    s->alignment = (uint8_t)__builtin_ctz(alignment);
    s->next = s->previous = number;
    charge(&lm_state_of(r)->memories[memory], size);
    return open_slot(s, number, owner);
}

static inline lm_status try_create(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                                   uint32_t alignment, bool zeroed, lm_handle *handle) {
    lm_status status;
    lm_slot placed;
    uint32_t number = take_slot(r, &status);
    if (LM_UNLIKELY(number == LM_SLOTS_MAX)) return status;
    if (LM_LIKELY(place(&r->memories, memory, size, alignment, zeroed, &placed))) {
        *handle = found(r, owner, memory, size, alignment, &placed, number);
        return LM_OK;
    }
    give_slot(r, lm_slot_at(r, number), number);
    return LM_OUT_OF_MEMORY;
}

// Pressure, without the lock. False: nobody could be told.
static bool press(lm_realm *r, uint32_t memory, uint64_t bytes) {
    if (!r->pressure || !begin_pressing(r)) return false;
    r->pressure(r->pressure_context, r, memory, bytes);
    end_pressing(r);
    return true;
}

static bool exceeds(const lm_realm *r, uint32_t memory, uint32_t size) {
    lock(r);
    const lm_realm_state *state = lm_state_of(r);
    bool exceeds = state->memories[memory].bytes + size > state->budgets[memory];
    unlock(r);
    return exceeds;
}

// The calls.

static lm_status create(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                        uint32_t alignment, bool zeroed, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (alignment & (alignment - 1) || alignment - 1 >= LM_PAGE_BYTES) return LM_BAD_ALIGNMENT;
    if (LM_UNLIKELY(r->pressure) && exceeds(r, memory, size)) press(r, memory, size);
    for (bool pressed = false;; pressed = true) {
        lock(r);
        lm_status status = try_create(r, owner, memory, size, alignment, zeroed, handle);
        unlock(r);
        if (LM_LIKELY(status != LM_OUT_OF_MEMORY) || pressed || !press(r, memory, size))
            return status;
    }
}

static lm_status adopt(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t block, uint32_t size,
                       lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    lm_slot placed = {.start = block, .block = block};
    lm_status status = LM_BAD_BLOCK;
    lock(r);
    if (block != 0 && (uint64_t)block + size <= lm_access_end(&r->memories, memory)) {
        uint32_t number = take_slot(r, &status);
        if (number != LM_SLOTS_MAX) {
            *handle = found(r, owner, memory, size, 1, &placed, number);
            status = LM_OK;
        }
    }
    unlock(r);
    return status;
}

static lm_status retain(lm_realm *r, uint32_t owner, lm_handle handle) {
    lm_slot *s = slot_of(r, handle);
    if (LM_UNLIKELY(!s)) return LM_INVALID_HANDLE;
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (LM_UNLIKELY(!holds(s, word, owner, handle, LM_COUNT_MAX - 1)))
            return misuse(s, word, owner, handle, LM_USE_AFTER_ZERO);
    } while (!swap_word(s, &word, word + 1, __ATOMIC_RELAXED));
    return LM_OK;
}

// The owner's last reference is gone.
static __attribute__((noinline)) lm_status end_share(lm_realm *r, lm_slot *s, uint32_t number) {
    see_all(s);
    lock(r);
    lm_status status = leave(r, s, number);
    unlock(r);
    return status;
}

static lm_status release(lm_realm *r, uint32_t owner, lm_handle handle) {
    lm_slot *s = slot_of(r, handle);
    if (LM_UNLIKELY(!s)) return LM_INVALID_HANDLE;
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (LM_UNLIKELY(!holds(s, word, owner, handle, LM_COUNT_MAX)))
            return misuse(s, word, owner, handle, LM_RELEASE_AFTER_ZERO);
    } while (!swap_word(s, &word, word - 1, __ATOMIC_RELEASE));
    return lm_word_count(word) > 1 ? LM_OK : end_share(r, s, lm_handle_slot(handle));
}

// A new share of the handle's buffer. Under the lock.
static lm_status share_with(lm_realm *r, lm_handle handle, uint32_t with, lm_handle *shared) {
    lm_status status;
    uint32_t number = take_slot(r, &status);
    if (number == LM_SLOTS_MAX) return status;
    *shared = enter(r, number, lm_handle_slot(handle), with);
    return LM_OK;
}

static lm_status share(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t with,
                       lm_handle *shared) {
    if (with >= LM_OWNERS_MAX) return LM_NO_OWNER;
    lock(r);
    lm_status status = judge(r, owner, handle);
    if (status == LM_OK) status = share_with(r, handle, with, shared);
    unlock(r);
    return status;
}

// The owner's only reference becomes another owner's, in the same slot. False: there are more, or
// the slot's generations are used up.
static bool hand_over(lm_realm *r, lm_handle handle, uint32_t to, lm_handle *transferred) {
    lm_slot *s = slot_of(r, handle);
    uint32_t stamp = lm_handle_stamp(handle), generation = lm_stamp_generation(stamp);
    if (generation == LM_GENERATION_MAX) return false;
    uint64_t alone = (uint64_t)stamp << 32 | 1, word = alone;
    uint32_t next = to << 24 | (generation + 1);
    do {
        if (read_word(s, __ATOMIC_RELAXED) != alone) return false;
    } while (!swap_word(s, &word, (uint64_t)next << 32 | 1, __ATOMIC_ACQ_REL));
    *transferred = handle_of(lm_handle_slot(handle), s->memory, next);
    return true;
}

static lm_status transfer(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t to,
                          lm_handle *transferred) {
    if (to >= LM_OWNERS_MAX) return LM_NO_OWNER;
    lock(r);
    lm_status status = judge(r, owner, handle);
    bool shared = status == LM_OK && !hand_over(r, handle, to, transferred);
    if (shared) status = share_with(r, handle, to, transferred);
    unlock(r);
    return shared && status == LM_OK ? release(r, owner, handle) : status;
}

static bool is_alone(const lm_realm *r, uint32_t number) {
    const lm_slot *s = lm_slot_at(r, number);
    return lm_word_count(read_word(s, __ATOMIC_ACQUIRE)) == 1 && s->next == number;
}

// The block of a buffer that nobody else holds, elsewhere if need be. `resized` gets block and
// start.
static bool replace(const lm_realm *r, const lm_slot *s, uint32_t size, lm_slot *resized) {
    const lm_memories *all = &r->memories;
    const lm_slot old = *s; // home may move
    if (old.alignment <= __builtin_ctz(LM_BLOCK_ALIGNMENT) && old.block == old.start) {
        resized->block = resized->start = lm_access_resize(all, old.memory, old.block, size);
        return resized->block != 0;
    }
    if (!place(all, old.memory, size, 1u << old.alignment, false, resized)) return false;
    lm_access_copy(all, old.memory, resized->start, old.memory, old.start,
                   old.size < size ? old.size : size);
    lm_access_free(all, old.memory, old.block, 0);
    return true;
}

static lm_status try_resize(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t size) {
    uint32_t number = lm_handle_slot(handle);
    lm_slot resized;
    lock(r);
    lm_status status = judge(r, owner, handle);
    if (status == LM_OK && !is_alone(r, number)) status = LM_SHARED;
    if (status == LM_OK && !replace(r, lm_slot_at(r, number), size, &resized))
        status = LM_OUT_OF_MEMORY;
    if (status == LM_OK) {
        lm_realm_state *state = lm_state_of(r);
        lm_slot *s = lm_slot_at(r, number);
        discharge(&state->memories[s->memory], s->size);
        charge(&state->memories[s->memory], size);
        s->block = resized.block;
        s->start = resized.start;
        s->size = size;
    }
    unlock(r);
    return status;
}

static lm_status describe(lm_realm *r, uint32_t owner, lm_handle handle, lm_buffer_info *info) {
    lock(r);
    lm_status status = judge(r, owner, handle);
    if (status == LM_OK) {
        uint32_t number = lm_handle_slot(handle);
        const lm_slot *s = lm_slot_at(r, number);
        info->memory = s->memory;
        info->start = s->start;
        info->size = s->size;
        info->references = lm_word_count(read_word(s, __ATOMIC_RELAXED));
        info->unique = is_alone(r, number);
    }
    unlock(r);
    return status;
}

// Whether the memory's budget does not allow that a buffer becomes so large.
static bool resize_exceeds(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t size) {
    lm_buffer_info info;
    return describe(r, owner, handle, &info) == LM_OK && size > info.size &&
           exceeds(r, info.memory, size - info.size);
}

static lm_status resize(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t size) {
    uint32_t memory = lm_handle_memory(handle);
    if (LM_UNLIKELY(r->pressure) && resize_exceeds(r, owner, handle, size)) press(r, memory, size);
    lm_status status = try_resize(r, owner, handle, size);
    if (status != LM_OUT_OF_MEMORY || !press(r, memory, size)) return status;
    return try_resize(r, owner, handle, size);
}

static uint64_t release_all(lm_realm *r, uint32_t owner) {
    uint64_t freed = 0;
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++) {
        lock(r);
        lm_slot *s = lm_slot_at(r, number);
        uint64_t word = read_word(s, __ATOMIC_ACQUIRE);
        if (lm_word_count(word) && lm_stamp_owner(lm_word_stamp(word)) == owner) {
            write_word(s, word - lm_word_count(word));
            freed += leave(r, s, number) == LM_FREED;
        }
        unlock(r);
    }
    return freed;
}

// The walk.

typedef struct sums {
    uint64_t memories, retired, slots, buffers;
} sums;

static const char *share_law(const lm_realm *r, uint32_t number, const sums *seen) {
    const lm_slot *s = lm_slot_at(r, number), *next;
    uint32_t owner = lm_stamp_owner(lm_word_stamp(s->word));
    if (lm_word_count(s->word) > LM_COUNT_MAX) return "count in its bits";
    if (owner >= LM_OWNERS_MAX || s->memory >= r->memories.count) return "share";
    if (s->next >= seen->slots || s->previous >= seen->slots) return "ring";
    next = lm_slot_at(r, s->next);
    if (next->previous != number || lm_word_count(next->word) == 0 || next->block != s->block ||
        next->start != s->start || next->size != s->size || next->memory != s->memory)
        return "ring";
    if ((uint64_t)s->start + s->size > lm_access_end(&r->memories, s->memory) ||
        s->start < s->block || s->start & ((1u << s->alignment) - 1))
        return "block in memory";
    return NULL;
}

// A buffer is counted once, at the lowest slot of its ring.
static bool leads(const lm_realm *r, uint32_t number, uint32_t slots) {
    uint32_t at = lm_slot_at(r, number)->next;
    for (; at > number && slots--; at = lm_slot_at(r, at)->next)
        ;
    return at == number;
}

static const char *free_law(const lm_realm *r, uint32_t slots, uint32_t free) {
    uint32_t at = lm_state_of(r)->free;
    for (; at && free; at = lm_slot_at(r, at - 1)->next, free--)
        if (at > slots || lm_word_count(lm_slot_at(r, at - 1)->word)) return "free slots";
    return at || free ? "free slots" : NULL;
}

static const char *validate(lm_realm *r, lm_census *census) {
    const lm_realm_state *state = lm_state_of(r);
    sums seen = {.slots = lm_records_count(&state->slots)};
    uint32_t live = 0, slots = (uint32_t)seen.slots;
    for (uint32_t number = 0; number < slots; number++) {
        const lm_slot *s = lm_slot_at(r, number);
        if (!lm_word_count(s->word)) continue;
        const char *broken = share_law(r, number, &seen);
        if (broken) return broken;
        live++;
        if (!leads(r, number, slots)) continue;
        seen.buffers++;
        seen.memories += s->size;
    }
    const char *broken = free_law(r, slots, slots - live - state->retired);
    if (broken) return broken;
    uint64_t memories = 0, buffers = 0;
    for (uint32_t i = 0; i < LM_MEMORIES_MAX; i++) {
        memories += state->memories[i].bytes;
        buffers += state->memories[i].buffers;
    }
    if (memories != seen.memories || buffers != seen.buffers) return "bytes in memories";
    if (census) {
        *census = (lm_census){.live_blocks = buffers, .live_bytes = memories};
        census->free_blocks = slots - live;
    }
    return NULL;
}

const lm_counts COUNTS = {
    .name = NAME,
    .create = create,
    .adopt = adopt,
    .retain = retain,
    .release = release,
    .share = share,
    .transfer = transfer,
    .resize = resize,
    .describe = describe,
    .release_all = release_all,
    .validate = validate,
};
