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
// What is read in the part depends on it, so this orders enough (compilers make it an acquire).
static inline uint32_t read_part(const uint32_t *part) {
    return __atomic_load_n(part, __ATOMIC_CONSUME);
}
#else
#define COUNTS lm_counts_plain
#define NAME   "plain"
static inline uint32_t read_part(const uint32_t *part) {
    return *part;
}
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

static inline uint64_t word_of(uint32_t stamp, uint32_t memory, uint32_t count) {
    return (uint64_t)stamp << 32 | memory << 24 | count;
}
static inline lm_handle handle_of(uint64_t word, uint32_t number) {
    return (word & ~LM_WORD_COUNT) | number;
}

// Which does not change while the slot serves a share, nor by its release.
static inline uint32_t memory_of(const lm_slot *s) {
    return lm_word_memory(read_word(s, __ATOMIC_RELAXED));
}

// Judging a handle.

// Whether it is the owner's, of this slot, and its count lies in 1 … most.
static inline bool holds(uint64_t word, uint32_t owner, lm_handle handle, uint32_t most) {
    bool counted = lm_word_count_for(word, handle) - 1 < most;
    return LM_LIKELY(counted & (lm_handle_owner(handle) == owner)); // one branch
}

// What is wrong with a handle that does not hold: for good, so that the word is read once more.
static __attribute__((noinline)) lm_status misuse(const lm_slot *s, uint32_t owner,
                                                  lm_handle handle, lm_status after_zero) {
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    uint32_t now = lm_stamp_generation(lm_word_stamp(word));
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == 0 || generation > now) return LM_INVALID_HANDLE;
    if (generation < now) return LM_STALE_HANDLE;
    if ((word ^ handle) & ~LM_WORD_COUNT) return LM_INVALID_HANDLE; // its owner or memory
    if (lm_handle_owner(handle) != owner) return LM_WRONG_OWNER;
    return lm_word_count(word) == 0 ? after_zero : LM_COUNT_OVERFLOW;
}

// The slot a handle names. False: there is none.
static inline bool find_slot(const lm_realm *r, lm_handle handle, lm_slot **s) {
    const lm_memory *home = r->memories.at[LM_HOME].memory;
    uint32_t number = lm_handle_slot(handle);
    uint32_t slots = r->state + (uint32_t)offsetof(lm_realm_state, slots);
    uint32_t part = read_part(lm_record_part(home, slots, number));
    *s = lm_record_in(home, part, sizeof(lm_slot), number);
    return LM_LIKELY(part != 0);
}

// Judges a handle by what its slot's word is now, which `word` gets.
static lm_status judge_word(const lm_realm *r, uint32_t owner, lm_handle handle, uint64_t *word) {
    lm_slot *s;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    *word = read_word(s, __ATOMIC_ACQUIRE);
    if (holds(*word, owner, handle, LM_COUNT_MAX)) return LM_OK;
    return misuse(s, owner, handle, LM_USE_AFTER_ZERO);
}

static lm_status judge(const lm_realm *r, uint32_t owner, lm_handle handle) {
    uint64_t word;
    return judge_word(r, owner, handle, &word);
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

// Makes a new slot, which is free. False: there can be none, and `status` says why.
static __attribute__((noinline)) bool add_slot(lm_realm *r, lm_status *status) {
    *status = LM_OUT_OF_SLOTS;
    if (lm_state_of(r)->slots.count == LM_SLOTS_MAX) return false;
    *status = LM_OUT_OF_MEMORY;
    if (!lm_records_extend(&r->memories, r->state + offsetof(lm_realm_state, slots),
                           sizeof(lm_slot)))
        return false;
    lm_realm_state *state = lm_state_of(r);
    state->free = lm_records_take(&state->slots) + 1;
    return true;
}

// Whether there is a free slot, perhaps a new one.
static inline bool has_slot(lm_realm *r, lm_status *status) {
    return LM_LIKELY(lm_state_of(r)->free) || add_slot(r, status);
}

// Takes the first free slot: there is one.
static inline uint32_t take_slot(const lm_realm *r) {
    lm_realm_state *state = lm_state_of(r);
    uint32_t number = state->free - 1;
    state->free = lm_slot_at(r, number)->next;
    return number;
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
static inline lm_handle open_slot(lm_slot *s, uint32_t number, uint32_t memory, uint32_t owner) {
    uint64_t old = read_word(s, __ATOMIC_RELAXED); // who is too late may look at it yet
    uint32_t generation = lm_stamp_generation(lm_word_stamp(old)) + 1;
    uint64_t word = word_of(owner << 24 | generation, memory, 1);
    write_word(s, word);
    return handle_of(word, number);
}

// It becomes a share of a buffer that has one already, and enters the ring behind it.
static lm_handle enter(lm_realm *r, uint32_t number, uint32_t previous, uint32_t owner) {
    lm_slot *s = lm_slot_at(r, number), *p = lm_slot_at(r, previous);
    s->start = p->start;
    s->size = p->size;
    s->block = p->block;
    s->alignment = p->alignment;
    s->previous = previous;
    s->next = p->next;
    p->next = number;
    lm_slot_at(r, s->next)->previous = number;
    return open_slot(s, number, memory_of(p), owner);
}

// A share without references leaves its ring; the last one frees the block.
static inline lm_status leave(lm_realm *r, lm_slot *s, uint32_t number) {
    uint32_t memory = memory_of(s), block = s->block, next = s->next;
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

// Blocks. Nobody is asked for 0 bytes: a malloc may then return NULL, and a realloc frees.

static inline uint32_t some(uint32_t size) {
    return size + (size == 0);
}

// What the allocator does not align, or not enough, is allocated so large that an aligned part of
// it will do.
static bool place_with_slack(const lm_memories *all, uint32_t memory, uint32_t size,
                             uint32_t alignment, bool zeroed, lm_slot *placed) {
    uint32_t slack = alignment - 1;
    if (slack > UINT32_MAX - some(size)) return false;
    placed->block = lm_access_allocate(all, memory, some(size) + slack);
    placed->start = lm_round_up(placed->block, alignment);
    if (zeroed && placed->block) lm_access_fill(all, memory, placed->start, 0, size);
    return placed->block != 0;
}

// A block, zeroed or aligned to more than blocks are, of an allocator that does the latter; it may
// align less than ours do.
static uint32_t allocate_specially(const lm_memories *all, uint32_t memory, uint32_t size,
                                   uint32_t alignment, bool zeroed) {
    bool aligned = alignment > LM_BLOCK_ALIGNMENT;
    if (!aligned && lm_access_zeroes(all, memory))
        return lm_access_allocate_zeroed(all, memory, some(size));
    uint32_t block = aligned ? lm_access_allocate_aligned(all, memory, alignment, some(size))
                             : lm_access_allocate(all, memory, some(size));
    if (block && zeroed) lm_access_fill(all, memory, block, 0, size);
    return block;
}

// Allocates for `size` bytes, aligned. Fills block and start of `placed`. False: out of memory.
static inline __attribute__((always_inline)) bool place(const lm_memories *all, uint32_t memory,
                                                        uint32_t size, uint32_t alignment,
                                                        bool zeroed, lm_slot *placed) {
    bool aligned = alignment > LM_BLOCK_ALIGNMENT;
    if (LM_UNLIKELY(aligned) && !lm_access_aligns(all, memory))
        return place_with_slack(all, memory, size, alignment, zeroed, placed);
    uint32_t block = LM_UNLIKELY(zeroed || aligned)
                         ? allocate_specially(all, memory, size, alignment, zeroed)
                         : lm_access_allocate(all, memory, some(size));
    placed->block = placed->start = block;
    if (LM_LIKELY(!(block & (alignment - 1)))) return block != 0;
    lm_access_free(all, memory, block, 0); // this allocator aligns less than ours do
    return place_with_slack(all, memory, size, alignment, zeroed, placed);
}

// The buffer of a block gets its first share.
static inline lm_handle found(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                              uint32_t alignment, const lm_slot *placed) {
    uint32_t number = take_slot(r);
    lm_slot *s = lm_slot_at(r, number);
    s->start = placed->start;
    s->block = placed->block;
    s->size = size;
    s->alignment = alignment;
    s->next = s->previous = number;
    charge(&lm_state_of(r)->memories[memory], size);
    return open_slot(s, number, memory, owner);
}

static inline lm_status try_create(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                                   uint32_t alignment, bool zeroed, lm_handle *handle) {
    lm_status status;
    lm_slot placed;
    if (!has_slot(r, &status)) return status;
    if (!place(&r->memories, memory, size, alignment, zeroed, &placed)) return LM_OUT_OF_MEMORY;
    *handle = found(r, owner, memory, size, alignment, &placed);
    return LM_OK;
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

static __attribute__((noinline)) lm_status create_again(lm_realm *r, uint32_t owner,
                                                        uint32_t memory, uint32_t size,
                                                        uint32_t alignment, bool zeroed,
                                                        lm_handle *handle) {
    lock(r);
    lm_status status = try_create(r, owner, memory, size, alignment, zeroed, handle);
    unlock(r);
    return status;
}

static lm_status create(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t size,
                        uint32_t alignment, bool zeroed, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (alignment & (alignment - 1) || alignment - 1 >= LM_PAGE_BYTES) return LM_BAD_ALIGNMENT;
    if (LM_UNLIKELY(r->pressure) && exceeds(r, memory, size)) press(r, memory, size);
    lock(r);
    lm_status status = try_create(r, owner, memory, size, alignment, zeroed, handle);
    unlock(r);
    if (LM_LIKELY(status != LM_OUT_OF_MEMORY) || !press(r, memory, size)) return status;
    return create_again(r, owner, memory, size, alignment, zeroed, handle);
}

static lm_status adopt(lm_realm *r, uint32_t owner, uint32_t memory, uint32_t block, uint32_t size,
                       lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    lm_slot placed = {.start = block, .block = block};
    lm_status status = LM_BAD_BLOCK;
    lock(r);
    bool inside = block != 0 && (uint64_t)block + size <= lm_access_end(&r->memories, memory);
    if (inside && has_slot(r, &status)) {
        *handle = found(r, owner, memory, size, 1, &placed);
        status = LM_OK;
    }
    unlock(r);
    return status;
}

// These two begin a cache line: a pair takes 3.0 to 3.3 ns where they do, up to 3.6 where they do
// not.
__attribute__((aligned(64))) static lm_status retain(lm_realm *r, uint32_t owner,
                                                     lm_handle handle) {
    lm_slot *s;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (!holds(word, owner, handle, LM_COUNT_MAX - 1))
            return misuse(s, owner, handle, LM_USE_AFTER_ZERO);
    } while (!swap_word(s, &word, word + 1, __ATOMIC_RELAXED));
    return LM_OK;
}

// Takes one of the owner's references back. Returns how many there were, 0 where none is held:
// after the last one the share has to leave.
static inline uint32_t drop(lm_slot *s, uint32_t owner, lm_handle handle) {
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (!holds(word, owner, handle, LM_COUNT_MAX)) return 0;
    } while (!swap_word(s, &word, word - 1, __ATOMIC_RELEASE));
    return lm_word_count(word);
}

// The owner's last reference is gone.
static __attribute__((noinline)) lm_status end_share(lm_realm *r, lm_slot *s, uint32_t number) {
    see_all(s);
    lock(r);
    lm_status status = leave(r, s, number);
    unlock(r);
    return status;
}

__attribute__((aligned(64))) static lm_status release(lm_realm *r, uint32_t owner,
                                                      lm_handle handle) {
    lm_slot *s;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint32_t had = drop(s, owner, handle);
    if (LM_LIKELY(had > 1)) return LM_OK;
    if (had == 1) return end_share(r, s, lm_handle_slot(handle));
    return misuse(s, owner, handle, LM_RELEASE_AFTER_ZERO);
}

// A new share of the handle's buffer. Under the lock.
static lm_status share_with(lm_realm *r, lm_handle handle, uint32_t with, lm_handle *shared) {
    lm_status status;
    if (!has_slot(r, &status)) return status;
    *shared = enter(r, take_slot(r), lm_handle_slot(handle), with);
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
static bool hand_over(const lm_realm *r, lm_handle handle, uint32_t to, lm_handle *transferred) {
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == LM_GENERATION_MAX) return false;
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t alone = (handle & ~LM_WORD_COUNT) | 1, seen = read_word(s, __ATOMIC_RELAXED);
    uint64_t word = word_of(to << 24 | (generation + 1), lm_handle_memory(handle), 1);
    do {
        if (seen != alone) return false;
    } while (!swap_word(s, &seen, word, __ATOMIC_ACQ_REL));
    *transferred = handle_of(word, lm_handle_slot(handle));
    return true;
}

// One of the owner's references becomes another owner's first, in a slot of its own.
static lm_status split_off(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t to,
                           lm_handle *transferred) {
    lm_status status;
    if (!has_slot(r, &status)) return status;
    uint32_t number = lm_handle_slot(handle);
    lm_slot *s = lm_slot_at(r, number);
    uint32_t had = drop(s, owner, handle);
    if (had == 0) return misuse(s, owner, handle, LM_USE_AFTER_ZERO); // released meanwhile
    *transferred = enter(r, take_slot(r), number, to);
    if (had == 1) leave(r, s, number);
    return LM_OK;
}

static lm_status transfer(lm_realm *r, uint32_t owner, lm_handle handle, uint32_t to,
                          lm_handle *transferred) {
    if (to >= LM_OWNERS_MAX) return LM_NO_OWNER;
    lock(r);
    lm_status status = judge(r, owner, handle);
    if (status == LM_OK && !hand_over(r, handle, to, transferred))
        status = split_off(r, owner, handle, to, transferred);
    unlock(r);
    return status;
}

static bool is_alone(const lm_realm *r, uint32_t number) {
    const lm_slot *s = lm_slot_at(r, number);
    return lm_word_count(read_word(s, __ATOMIC_ACQUIRE)) == 1 && s->next == number;
}

// How far a resized block is surely aligned.
static uint32_t resize_aligns(const lm_memories *all, uint32_t memory) {
    return lm_access_aligns(all, memory) ? LM_BLOCK_ALIGNMENT : 8;
}

// The block of a buffer that nobody else holds, elsewhere if need be. `resized` gets block and
// start.
static bool replace(const lm_realm *r, const lm_slot *s, uint32_t size, lm_slot *resized) {
    const lm_memories *all = &r->memories;
    const lm_slot old = *s; // home may move
    uint32_t memory = memory_of(s);
    if (old.alignment <= resize_aligns(all, memory) && old.block == old.start) {
        resized->block = resized->start = lm_access_resize(all, memory, old.block, some(size));
        return resized->block != 0;
    }
    if (!place(all, memory, size, old.alignment, false, resized)) return false;
    lm_access_copy(all, memory, resized->start, memory, old.start,
                   old.size < size ? old.size : size);
    lm_access_free(all, memory, old.block, 0);
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
        discharge(&state->memories[memory_of(s)], s->size);
        charge(&state->memories[memory_of(s)], size);
        s->block = resized.block;
        s->start = resized.start;
        s->size = size;
    }
    unlock(r);
    return status;
}

// The word is read once: another thread may retain and release meanwhile.
static lm_status describe(lm_realm *r, uint32_t owner, lm_handle handle, lm_buffer_info *info) {
    uint64_t word;
    lock(r);
    lm_status status = judge_word(r, owner, handle, &word);
    if (status == LM_OK) {
        uint32_t number = lm_handle_slot(handle);
        const lm_slot *s = lm_slot_at(r, number);
        info->memory = lm_handle_memory(handle);
        info->start = s->start;
        info->size = s->size;
        info->references = lm_word_count(word);
        info->unique = info->references == 1 && s->next == number;
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

// Takes back what the slot counts, if it is the owner's: once, whoever else releases meanwhile.
static bool take_all(lm_slot *s, uint32_t owner) {
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (lm_word_count(word) == 0 || lm_stamp_owner(lm_word_stamp(word)) != owner) return false;
    } while (!swap_word(s, &word, word & ~LM_WORD_COUNT, __ATOMIC_ACQ_REL));
    return true;
}

static uint64_t release_all(lm_realm *r, uint32_t owner) {
    uint64_t freed = 0;
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++) {
        lock(r);
        lm_slot *s = lm_slot_at(r, number);
        if (take_all(s, owner)) freed += leave(r, s, number) == LM_FREED;
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
    if (owner >= LM_OWNERS_MAX || memory_of(s) >= r->memories.count) return "share";
    if (s->next >= seen->slots || s->previous >= seen->slots) return "ring";
    next = lm_slot_at(r, s->next);
    if (next->previous != number || lm_word_count(next->word) == 0 || next->block != s->block ||
        next->start != s->start || next->size != s->size || memory_of(next) != memory_of(s))
        return "ring";
    if ((uint64_t)s->start + s->size > lm_access_end(&r->memories, memory_of(s)) ||
        s->start < s->block || s->start & (s->alignment - 1))
        return "block in memory";
    return NULL;
}

// A buffer is counted once, at the lowest slot of its ring; a broken link is seen at its own slot.
static bool leads(const lm_realm *r, uint32_t number, uint32_t slots) {
    uint32_t at = lm_slot_at(r, number)->next;
    for (uint32_t left = slots; at > number && at < slots && left--; at = lm_slot_at(r, at)->next)
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
