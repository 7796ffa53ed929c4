// Reference counts and the end of buffers. Compiled twice: plain, for one thread, and with
// LM_ATOMIC_COUNTS, for several.
//
// A slot's word, stamp and count, is read, checked and replaced in one step. Plain, that is a load
// and a store. Atomic, it is a compare-and-swap, with these orders:
//
//     retain    acquire: a thread may retain by a handle that it knows while it holds no reference,
//               and must see what an earlier resize wrote. No thread relies on a retain to see what
//               the retaining thread did before.
//     release   release: what this owner did to the bytes happens before they are freed. The
//               release of a share's last reference reads the word once more (acquire). It reads
//               what its own swap wrote, which continues the release sequences of the earlier
//               swaps, so it sees what the share's other holders did. (A fence would also do, but
//               ThreadSanitizer does not support fences.) The lock, an acquire and a release,
//               orders the shares of a buffer: each leaves the ring under it.
//     transfer  both, like every release under the lock beside references that tokens keep:
//               another thread's release may have made the reference the share's last meanwhile.
//     describe  acquire: an owner with the only reference sees what the earlier releases did.
//
// All other changes of the records are made under the lock. Allocators and callbacks are called
// without it, and buffers are cleared and copied without it: a call first removes its object from
// the records (a slot, a block without references, a buffer to be resized), then calls foreign
// code, then records the result. So the records are consistent whenever foreign code or another
// thread calls. The swap compares the stamp too, and no stamp is used twice: no ABA.
#include "alloc/buffers/buffer_table_state.h"

#ifdef LM_ATOMIC_COUNTS
#define COUNTS  lm_counts_atomic
#define NAME    "atomic"
#define THREADS true
static inline uint64_t counts_read_word(const lm_slot *s, int order) {
    return __atomic_load_n(&s->word, order);
}
static inline bool counts_swap_word(lm_slot *s, uint64_t *seen, uint64_t to, int order) {
    return __atomic_compare_exchange_n(&s->word, seen, to, true, order, __ATOMIC_RELAXED);
}
static inline void counts_write_word(lm_slot *s, uint64_t to) {
    __atomic_store_n(&s->word, to, __ATOMIC_RELEASE);
}
static inline void counts_lock(const lm_buffer_table *r) {
    lm_lock(&lm_state_of(r)->lock);
}
static inline void counts_unlock(const lm_buffer_table *r) {
    lm_unlock(&lm_state_of(r)->lock);
}
static inline void counts_see_all(const lm_slot *s) {
    (void)__atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
}
// The reads in the part depend on this one, so consume suffices (compilers make it an acquire).
static inline uint32_t counts_read_part(const uint32_t *part) {
    return __atomic_load_n(part, __ATOMIC_CONSUME);
}
#else
#define COUNTS  lm_counts_plain
#define NAME    "plain"
#define THREADS false
static inline uint32_t counts_read_part(const uint32_t *part) {
    return *part;
}
static inline uint64_t counts_read_word(const lm_slot *s, int order) {
    (void)order;
    return s->word;
}
static inline bool counts_swap_word(lm_slot *s, const uint64_t *seen, uint64_t to, int order) {
    (void)seen, (void)order;
    s->word = to;
    return true;
}
static inline void counts_write_word(lm_slot *s, uint64_t to) {
    s->word = to;
}
static inline void counts_lock(const lm_buffer_table *r) {
    (void)r;
}
static inline void counts_unlock(const lm_buffer_table *r) {
    (void)r;
}
static inline void counts_see_all(const lm_slot *s) {
    (void)s;
}
#endif

static inline uint64_t counts_word_of(uint32_t stamp, uint32_t memory, uint32_t count) {
    return (uint64_t)stamp << 32 | memory << 24 | count;
}
static inline lm_handle counts_handle_of(uint64_t word, uint32_t number) {
    return (word & ~LM_WORD_COUNT) | number;
}

// The memory does not change while the slot is a share's, nor by its release.
static inline uint32_t counts_memory_of(const lm_slot *s) {
    return lm_word_memory(counts_read_word(s, __ATOMIC_RELAXED));
}

// Checks of handles.

// Whether a handle is the owner's, the word is its slot's, no token keeps a reference, and the
// count is in 1 … most.
static inline bool counts_holds(uint64_t word, uint32_t owner, lm_handle handle, uint32_t most) {
    bool counted = lm_word_count_for(word, handle) - 1 < most;
    return LM_LIKELY(counted & (lm_handle_owner(handle) == owner)); // one branch
}

// The same, whether tokens keep references or not.
static inline bool counts_holds_any(uint64_t word, uint32_t owner, lm_handle handle,
                                    uint32_t most) {
    return counts_holds(word & ~LM_WORD_KEPT, owner, handle, most);
}

// Returns the error of a handle that was rejected for this word. Returns `otherwise` if only the
// count is too high or too low.
static __attribute__((noinline)) lm_status counts_misuse(uint64_t word, uint32_t owner,
                                                         lm_handle handle, lm_status after_zero,
                                                         lm_status otherwise) {
    uint32_t now = lm_stamp_generation(lm_word_stamp(word));
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == 0 || generation > now) return LM_INVALID_HANDLE;
    if (generation < now) return LM_STALE_HANDLE;
    if ((word ^ handle) & ~LM_WORD_COUNT) return LM_INVALID_HANDLE; // its owner or memory
    if (lm_handle_owner(handle) != owner) return LM_WRONG_OWNER;
    if (lm_word_count(word) == 0) return after_zero;
    return lm_word_count(word) == LM_COUNT_BUSY ? LM_BUSY : otherwise;
}

// Finds the slot of a handle. Returns false if it has none.
static inline bool counts_find_slot(const lm_buffer_table *r, lm_handle handle, lm_slot **s) {
    const lm_memory *home = r->memories.at[LM_HOME].memory;
    uint32_t number = lm_handle_slot(handle);
    uint32_t slots = r->state + (uint32_t)offsetof(lm_buffer_table_state, slots);
    uint32_t part = counts_read_part(lm_record_part(home, slots, number));
    *s = lm_record_in(home, part, sizeof(lm_slot), number);
    return LM_LIKELY(part != 0);
}

// Checks a handle against its slot's word, which is stored in `word`.
static lm_status counts_judge_word(const lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                   uint64_t *word) {
    lm_slot *s;
    if (!counts_find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    *word = counts_read_word(s, __ATOMIC_ACQUIRE);
    if (counts_holds_any(*word, owner, handle, LM_COUNT_MAX)) return LM_OK;
    return counts_misuse(*word, owner, handle, LM_USE_AFTER_ZERO, LM_BUSY);
}

static lm_status counts_judge(const lm_buffer_table *r, uint32_t owner, lm_handle handle) {
    uint64_t word;
    return counts_judge_word(r, owner, handle, &word);
}

// Slots. The caller of the functions up to "The calls" holds the lock, except where they say
// otherwise.

static inline void counts_charge(lm_live *live, uint32_t size) {
    live->buffers++;
    live->bytes += size;
    if (live->bytes > live->peak_bytes) live->peak_bytes = live->bytes;
}
static inline void counts_discharge(lm_live *live, uint32_t size) {
    live->buffers--;
    live->bytes -= size;
}

// Puts a slot that was never taken on the free list, if there is room for one.
static __attribute__((noinline)) bool counts_add_slot(const lm_buffer_table *r) {
    lm_buffer_table_state *state = lm_state_of(r);
    if (state->slots.count == LM_SLOTS_MAX || lm_records_lack(&state->slots, sizeof(lm_slot)))
        return false;
    state->free = lm_records_take(&state->slots) + 1;
    return true;
}

// Returns whether there is a free slot; adds one if needed.
static inline bool counts_has_slot(const lm_buffer_table *r) {
    return LM_LIKELY(lm_state_of(r)->free) || counts_add_slot(r);
}

// Adds a part of slots, without the lock. Returns LM_OK if the caller may try again.
static __attribute__((noinline)) lm_status counts_make_room(lm_buffer_table *r) {
    if (lm_records_count(&lm_state_of(r)->slots) == LM_SLOTS_MAX) return LM_OUT_OF_SLOTS;
    return lm_buffer_table_extend(r, offsetof(lm_buffer_table_state, slots), sizeof(lm_slot))
               ? LM_OK
               : LM_OUT_OF_MEMORY;
}

// Takes the first free slot; there must be one.
static inline uint32_t counts_take_slot(const lm_buffer_table *r) {
    lm_buffer_table_state *state = lm_state_of(r);
    uint32_t number = state->free - 1;
    state->free = lm_slot_at(r, number)->next;
    return number;
}

static inline void counts_give_slot(const lm_buffer_table *r, lm_slot *s, uint32_t number) {
    lm_buffer_table_state *state = lm_state_of(r);
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED); // late calls may still read it
    if (lm_stamp_generation(lm_word_stamp(word)) == LM_GENERATION_MAX) {
        state->retired++;
        return;
    }
    s->next = state->free;
    state->free = number + 1;
}

// Gives a slot to the owner, with one reference and the next generation.
static inline lm_handle counts_open_slot(lm_slot *s, uint32_t number, uint32_t memory,
                                         uint32_t owner) {
    uint64_t old = counts_read_word(s, __ATOMIC_RELAXED); // late calls may still read it
    uint32_t generation = lm_stamp_generation(lm_word_stamp(old)) + 1;
    uint64_t word = counts_word_of(owner << 24 | generation, memory, 1);
    counts_write_word(s, word);
    return counts_handle_of(word, number);
}

// Makes a slot another share of a buffer, in the ring after the share `previous`.
static lm_handle counts_enter(const lm_buffer_table *r, uint32_t number, uint32_t previous,
                              uint32_t owner) {
    lm_slot *s = lm_slot_at(r, number), *p = lm_slot_at(r, previous);
    s->start = p->start;
    s->size = p->size;
    s->block = p->block;
    s->alignment_log2 = p->alignment_log2;
    s->previous = previous;
    s->next = p->next;
    p->next = number;
    lm_slot_at(r, s->next)->previous = number;
    return counts_open_slot(s, number, counts_memory_of(p), owner);
}

// Removes a share without references from its ring. Returns the block to be freed, without the
// lock, if it was the buffer's last share; else 0.
static inline uint32_t counts_leave(const lm_buffer_table *r, lm_slot *s, uint32_t number) {
    uint32_t block = s->block, next = s->next;
    if (next != number) {
        lm_slot_at(r, s->previous)->next = next;
        lm_slot_at(r, next)->previous = s->previous;
        block = 0;
    } else {
        counts_discharge(&lm_state_of(r)->memories[counts_memory_of(s)], s->size);
    }
    counts_give_slot(r, s, number);
    return block;
}

// Blocks. No allocator is asked for 0 bytes: a malloc may return NULL then, and a realloc frees.

static inline uint32_t counts_some(uint32_t size) {
    return size + (size == 0);
}

// Zeroed blocks up to this size are cleared by their allocator, larger ones here, where no thread
// waits for it; only their dirty bytes, if the allocator reports those.
static const uint32_t cleared_inside_max = 16 * LM_PAGE_BYTES;

// An allocated block.
typedef struct placed {
    uint32_t block, start; // the start is aligned
    uint32_t dirty;        // the number of bytes from the start on that may not be zero
} placed;

// Allocates a block so large that it has an aligned part, from an allocator that does not align, or
// not enough.
static placed counts_place_with_slack(const lm_memories *all, uint32_t memory, uint32_t size,
                                      uint32_t alignment) {
    placed p = {.dirty = size};
    uint32_t slack = alignment - 1;
    if (slack > UINT32_MAX - counts_some(size)) return p;
    p.block = lm_access_allocate(all, memory, counts_some(size) + slack);
    p.start = lm_round_up(p.block, alignment);
    return p;
}

// Allocates a zeroed block of more than cleared_inside_max. A foreign calloc, which may know that
// the block is zero, is called only if no thread waits for it.
static __attribute__((noinline)) placed counts_place_large(const lm_memories *all, uint32_t memory,
                                                           uint32_t size, bool locked) {
    size_t dirty = size;
    placed p = {0};
    if (lm_access_knows_dirty(all, memory)) {
        p.block = lm_access_allocate_dirty(all, memory, size, &dirty);
    } else if (!locked && lm_access_zeroes(all, memory)) {
        p.block = lm_access_allocate_zeroed(all, memory, size);
        dirty = 0;
    } else {
        p.block = lm_access_allocate(all, memory, size);
    }
    p.dirty = dirty < size ? (uint32_t)dirty : size;
    return p;
}

// Allocates a block that is zeroed, or aligned to more than LM_BLOCK_ALIGNMENT by an allocator that
// has allocate_aligned. A foreign allocator may align less than asked.
static inline __attribute__((always_inline)) placed
counts_place_specially(const lm_memories *all, uint32_t memory, uint32_t size, uint32_t alignment,
                       bool zeroed, bool locked) {
    placed p = {.dirty = size};
    if (alignment > LM_BLOCK_ALIGNMENT)
        p.block = lm_access_allocate_aligned(all, memory, alignment, counts_some(size));
    else if (zeroed && size > cleared_inside_max)
        p = counts_place_large(all, memory, size, locked);
    else if (zeroed && lm_access_zeroes(all, memory))
        p = (placed){.block = lm_access_allocate_zeroed(all, memory, counts_some(size))};
    else
        p.block = lm_access_allocate(all, memory, counts_some(size));
    p.start = p.block;
    return p;
}

static inline __attribute__((always_inline)) placed
counts_place_inside(const lm_memories *all, uint32_t memory, uint32_t size, uint32_t alignment,
                    bool zeroed, bool locked) {
    bool aligned = alignment > LM_BLOCK_ALIGNMENT;
    if (LM_UNLIKELY(aligned) && !lm_access_aligns(all, memory))
        return counts_place_with_slack(all, memory, size, alignment);
    placed p = {0};
    if (LM_UNLIKELY(zeroed || aligned))
        p = counts_place_specially(all, memory, size, alignment, zeroed, locked);
    else
        p.block = p.start = lm_access_allocate(all, memory, counts_some(size));
    if (LM_LIKELY(!(p.block & (alignment - 1)))) return p;
    lm_access_free(all, memory, p.block, 0); // a foreign allocator that aligns less than ours
    return counts_place_with_slack(all, memory, size, alignment);
}

// Allocates `size` bytes, aligned and, if `zeroed`, zero, without the lock. Block 0: out of memory.
static inline __attribute__((always_inline)) placed
counts_place(lm_memories *all, uint32_t memory, uint32_t size, uint32_t alignment, bool zeroed) {
    bool locked = lm_access_enter(all, memory);
    placed p = counts_place_inside(all, memory, size, alignment, zeroed, locked);
    lm_access_leave(all, memory, locked);
    if (zeroed && p.dirty && p.block) lm_access_fill(all, memory, p.start, 0, p.dirty);
    return p;
}

// Frees the block that counts_leave returned, without the lock. Returns the status of the release.
static inline lm_status counts_free_block(lm_buffer_table *r, uint32_t memory, uint32_t block) {
    if (block == 0) return LM_OK;
    bool locked = lm_access_enter(&r->memories, memory);
    lm_access_free(&r->memories, memory, block, 0);
    lm_access_leave(&r->memories, memory, locked);
    return LM_FREED;
}

// Makes a taken slot the first share of a block's buffer.
static inline lm_handle counts_found(const lm_buffer_table *r, uint32_t number, uint32_t owner,
                                     uint32_t memory, uint32_t size, uint32_t alignment,
                                     const placed *p) {
    lm_slot *s = lm_slot_at(r, number);
    s->start = p->start;
    s->block = p->block;
    s->size = size;
    s->alignment_log2 = (uint32_t)__builtin_ctz(alignment) & 31;
    s->next = s->previous = number;
    counts_charge(&lm_state_of(r)->memories[memory], size);
    return counts_open_slot(s, number, memory, owner);
}

// Pressure.

// The callbacks that run on this thread, innermost first.
typedef struct pressing {
    const lm_buffer_table *table;
    const struct pressing *outer;
} pressing;
static _Thread_local const pressing *pressings;

// Calls the pressure callback, without the lock. Returns false if there is none, if it runs on this
// thread already, or if the thread has the allocators' lock, for which the callback might wait in
// another thread.
static bool counts_press(lm_buffer_table *r, uint32_t memory, uint64_t bytes) {
    const pressing *p = pressings, this_one = {r, p};
    while (p && p->table != r)
        p = p->outer;
    if (!r->pressure || p || lm_access_has_lock(&r->memories)) return false;
    pressings = &this_one;
    lm_access_count_foreign(&r->memories, 1);
    r->pressure(r->pressure_context, r, memory, bytes);
    lm_access_count_foreign(&r->memories, UINT32_MAX);
    pressings = this_one.outer;
    return true;
}

// Whether `more` bytes would exceed a memory's budget; requests in progress count too. The caller
// holds the lock.
static inline bool counts_exceeds(const lm_buffer_table *r, uint32_t memory, uint32_t more) {
    if (LM_LIKELY(!r->pressure)) return false;
    const lm_buffer_table_state *state = lm_state_of(r);
    uint64_t bytes = state->memories[memory].bytes + state->wanted[memory];
    return bytes + more > state->budgets[memory];
}

// The calls. Each takes the lock itself.

// Takes a slot for a new buffer, whose bytes count as wanted from then on. Calls the callback first
// if they would exceed the budget, unless `told`.
static inline lm_status counts_reserve(lm_buffer_table *r, uint32_t memory, uint32_t size,
                                       bool *told, uint32_t *number) {
    for (;;) {
        counts_lock(r);
        bool tells = LM_UNLIKELY(counts_exceeds(r, memory, size)) && !*told,
             has = !tells && counts_has_slot(r);
        if (LM_LIKELY(has)) {
            *number = counts_take_slot(r);
            lm_state_of(r)->taken++;
            lm_state_of(r)->wanted[memory] += size;
        }
        counts_unlock(r);
        if (LM_LIKELY(has)) return LM_OK;
        if (tells) {
            *told = true;
            counts_press(r, memory, size);
            continue;
        }
        lm_status status = counts_make_room(r);
        if (status != LM_OK) return status;
    }
}

// Ends the reservation: the caller makes the slot a share, or gives it back. The caller holds the
// lock.
static inline void counts_reserve_no_more(const lm_buffer_table *r, uint32_t memory,
                                          uint32_t size) {
    lm_state_of(r)->taken--;
    lm_state_of(r)->wanted[memory] -= size;
}

static inline lm_status counts_try_create(lm_buffer_table *r, uint32_t owner, uint32_t memory,
                                          uint32_t size, uint32_t alignment, bool zeroed,
                                          bool *told, lm_handle *handle) {
    uint32_t number;
    lm_status status = counts_reserve(r, memory, size, told, &number);
    if (LM_UNLIKELY(status != LM_OK)) return status;
    const placed p = zeroed ? counts_place(&r->memories, memory, size, alignment, true)
                            : counts_place(&r->memories, memory, size, alignment, false);
    counts_lock(r);
    counts_reserve_no_more(r, memory, size);
    if (LM_LIKELY(p.block))
        *handle = counts_found(r, number, owner, memory, size, alignment, &p);
    else
        counts_give_slot(r, lm_slot_at(r, number), number);
    counts_unlock(r);
    return p.block ? LM_OK : LM_OUT_OF_MEMORY;
}

static lm_status counts_create(lm_buffer_table *r, uint32_t owner, uint32_t memory, uint32_t size,
                               uint32_t alignment, bool zeroed, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (alignment & (alignment - 1) || alignment - 1 >= LM_PAGE_BYTES) return LM_BAD_ALIGNMENT;
    lm_status status;
    bool budget_told = false, told = false;
    do
        status = counts_try_create(r, owner, memory, size, alignment, zeroed, &budget_told, handle);
    while (LM_UNLIKELY(status == LM_OUT_OF_MEMORY) && !told &&
           (told = counts_press(r, memory, size)));
    return status;
}

// Whether a range of home overlaps one of the buffer table's records. O(log(slots)).
static bool counts_overlaps(const lm_records *records, uint32_t record_bytes, uint32_t block,
                            uint64_t end) {
    for (uint32_t bit = LM_RECORDS_FIRST; bit < LM_RECORDS_PARTS; bit++) {
        uint32_t part = lm_records_block(records, bit, record_bytes);
        if (part && part < end && block < part + ((uint64_t)record_bytes << bit)) return true;
    }
    return false;
}

// Whether a range of home overlaps any record of the buffer table.
static bool counts_overlaps_ours(const lm_buffer_table *r, uint32_t block, uint64_t end) {
    counts_lock(r);
    const lm_buffer_table_state *state = lm_state_of(r);
    bool it_does = (r->state < end && block < r->state + (uint64_t)sizeof *state) ||
                   counts_overlaps(&state->slots, sizeof(lm_slot), block, end) ||
                   counts_overlaps(&state->finalizers.records, sizeof(lm_finalizer), block, end);
    counts_unlock(r);
    return it_does;
}

// Whether a block may be adopted: it is in its memory and overlaps neither the head of a strategy's
// heap nor the buffer table's records. Whether its allocator has allocated it cannot be checked in
// bounded time.
static bool counts_is_block(const lm_buffer_table *r, uint32_t memory, uint32_t block,
                            uint32_t size) {
    const lm_memories *all = &r->memories;
    uint64_t end = (uint64_t)block + counts_some(size);
    if (block == 0 || end > lm_access_end(all, memory)) return false;
    if (!lm_access_is_foreign(all, memory) && block <= all->at[memory].memory->heap_start)
        return false;
    return memory != LM_HOME || !counts_overlaps_ours(r, block, end);
}

static lm_status counts_try_adopt(lm_buffer_table *r, uint32_t owner, uint32_t memory,
                                  uint32_t block, uint32_t size, bool *told, lm_handle *handle) {
    const placed p = {.start = block, .block = block};
    uint32_t number;
    lm_status status = counts_reserve(r, memory, size, told, &number);
    if (status != LM_OK) return status;
    counts_lock(r);
    counts_reserve_no_more(r, memory, size);
    *handle = counts_found(r, number, owner, memory, size, 1, &p);
    counts_unlock(r);
    return LM_OK;
}

static lm_status counts_adopt(lm_buffer_table *r, uint32_t owner, uint32_t memory, uint32_t block,
                              uint32_t size, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (!counts_is_block(r, memory, block, size)) return LM_BAD_BLOCK;
    bool told = false;
    lm_status status = counts_try_adopt(r, owner, memory, block, size, &told, handle);
    if (status != LM_OUT_OF_MEMORY || !counts_press(r, memory, size)) return status;
    return counts_try_adopt(r, owner, memory, block, size, &told, handle);
}

// retain and release are aligned to cache lines: a pair takes 3.0 to 3.3 ns, and up to 3.6 ns if
// they are not.
__attribute__((aligned(64))) static lm_status counts_retain(lm_buffer_table *r, uint32_t owner,
                                                            lm_handle handle) {
    lm_slot *s;
    if (!counts_find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED);
    do {
        if (!counts_holds_any(word, owner, handle, LM_COUNT_MAX - 1))
            return counts_misuse(word, owner, handle, LM_USE_AFTER_ZERO, LM_COUNT_OVERFLOW);
    } while (!counts_swap_word(s, &word, word + 1, __ATOMIC_ACQUIRE));
    return LM_OK;
}

// Releases one of the owner's references. Returns the number before, or 0 if there is none or if
// tokens keep some, and the word that was checked. After the last one the share must leave.
static inline uint32_t counts_drop(lm_slot *s, uint32_t owner, lm_handle handle, uint64_t *word) {
    *word = counts_read_word(s, __ATOMIC_RELAXED);
    do {
        if (!counts_holds(*word, owner, handle, LM_COUNT_MAX)) return 0;
    } while (!counts_swap_word(s, word, *word - 1, __ATOMIC_RELEASE));
    return lm_word_count(*word);
}

// The same for a reference that no token keeps, if tokens may keep others. The caller holds the
// lock.
static uint32_t counts_drop_unkept(lm_slot *s, uint32_t owner, lm_handle handle, uint64_t *word) {
    *word = counts_read_word(s, __ATOMIC_RELAXED);
    do {
        if (!counts_holds_any(*word, owner, handle, LM_COUNT_MAX) ||
            lm_word_count(*word) <= s->kept)
            return 0;
    } while (!counts_swap_word(s, word, *word - 1, __ATOMIC_ACQ_REL));
    return lm_word_count(*word);
}

// Ends a share whose last reference was released.
static __attribute__((noinline)) lm_status counts_end_share(lm_buffer_table *r, lm_slot *s,
                                                            lm_handle handle) {
    counts_see_all(s);
    counts_lock(r);
    uint32_t block = counts_leave(r, s, lm_handle_slot(handle));
    counts_unlock(r);
    return counts_free_block(r, lm_handle_memory(handle), block);
}

// Releases a reference of a share of which tokens keep some.
static __attribute__((noinline)) lm_status
counts_release_beside_tokens(lm_buffer_table *r, lm_slot *s, uint32_t owner, lm_handle handle) {
    uint64_t word;
    counts_lock(r);
    uint32_t had = counts_drop_unkept(s, owner, handle, &word);
    counts_unlock(r);
    if (had == 1) return counts_end_share(r, s, handle); // the last token has gone meanwhile
    return had ? LM_OK : counts_misuse(word, owner, handle, LM_RELEASE_AFTER_ZERO, LM_KEPT);
}

__attribute__((aligned(64))) static lm_status counts_release(lm_buffer_table *r, uint32_t owner,
                                                             lm_handle handle) {
    lm_slot *s;
    uint64_t word;
    if (!counts_find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint32_t had = counts_drop(s, owner, handle, &word);
    if (LM_LIKELY(had > 1)) return LM_OK;
    if (had == 1) return counts_end_share(r, s, handle);
    if (word & LM_WORD_KEPT) return counts_release_beside_tokens(r, s, owner, handle);
    return counts_misuse(word, owner, handle, LM_RELEASE_AFTER_ZERO, LM_KEPT);
}

// References that tokens keep (alloc/buffers/finalizer.c). Only release_kept releases one. The
// caller of keep and unkeep holds the lock.

// Lets a token keep one of the owner's references that no token keeps.
static lm_status counts_keep(lm_buffer_table *r, uint32_t owner, lm_handle handle) {
    lm_slot *s;
    uint64_t word;
    do {
        lm_status status = counts_judge_word(r, owner, handle, &word);
        if (status != LM_OK) return status;
        s = lm_slot_at(r, lm_handle_slot(handle));
        if (lm_word_count(word) <= s->kept) return LM_KEPT;
    } while (!counts_swap_word(s, &word, word | LM_WORD_KEPT, __ATOMIC_RELAXED));
    s->kept++;
    return LM_OK;
}

// Returns a kept reference to its owner.
static void counts_unkeep(lm_buffer_table *r, lm_handle handle) {
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED);
    s->kept--;
    while (s->kept == 0 && !counts_swap_word(s, &word, word & ~LM_WORD_KEPT, __ATOMIC_RELAXED))
        ;
}

// Releases a kept reference. Returns LM_BUSY if the buffer is being resized; the owner then has the
// reference.
static lm_status counts_release_kept(lm_buffer_table *r, lm_handle handle) {
    uint32_t number = lm_handle_slot(handle), block = 0;
    counts_lock(r);
    lm_slot *s = lm_slot_at(r, number);
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED), less;
    bool busy;
    do {
        busy = lm_word_count(word) == LM_COUNT_BUSY;
        less = (s->kept == 1 ? word & ~LM_WORD_KEPT : word) - !busy;
    } while (!counts_swap_word(s, &word, less, __ATOMIC_ACQ_REL));
    s->kept--;
    if (lm_word_count(less) == 0) block = counts_leave(r, s, number);
    counts_unlock(r);
    return busy ? LM_BUSY : counts_free_block(r, lm_handle_memory(handle), block);
}

static lm_status counts_share(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t with,
                              lm_handle *shared) {
    if (with >= LM_OWNERS_MAX) return LM_NO_OWNER;
    for (;;) {
        counts_lock(r);
        lm_status status = counts_judge(r, owner, handle);
        bool has = status == LM_OK && counts_has_slot(r);
        if (has) *shared = counts_enter(r, counts_take_slot(r), lm_handle_slot(handle), with);
        counts_unlock(r);
        if (has || status != LM_OK) return status;
        status = counts_make_room(r);
        if (status != LM_OK) return status;
    }
}

// Gives the owner's only reference to another owner, in the same slot. Returns false if there are
// more, or if the slot has no generation left.
static bool counts_hand_over(const lm_buffer_table *r, lm_handle handle, uint32_t to,
                             lm_handle *transferred) {
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == LM_GENERATION_MAX) return false;
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t alone = (handle & ~LM_WORD_COUNT) | 1, seen = counts_read_word(s, __ATOMIC_RELAXED);
    uint64_t word = counts_word_of(to << 24 | (generation + 1), lm_handle_memory(handle), 1);
    do {
        if (seen != alone) return false;
    } while (!counts_swap_word(s, &seen, word, __ATOMIC_ACQ_REL));
    *transferred = counts_handle_of(word, lm_handle_slot(handle));
    return true;
}

// Whether tokens keep all references of a share.
static bool counts_is_all_kept(const lm_buffer_table *r, lm_handle handle) {
    const lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED);
    return word & LM_WORD_KEPT && lm_word_count(word) <= s->kept;
}

// Makes one of the owner's references another owner's first, in a free slot. Another thread may
// have released it meanwhile.
static lm_status counts_split_off(const lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                  uint32_t to, lm_handle *transferred) {
    uint32_t number = lm_handle_slot(handle);
    lm_slot *s = lm_slot_at(r, number);
    uint64_t word;
    uint32_t had = counts_drop_unkept(s, owner, handle, &word);
    if (had == 0) return counts_misuse(word, owner, handle, LM_USE_AFTER_ZERO, LM_KEPT);
    *transferred = counts_enter(r, counts_take_slot(r), number, to);
    if (had == 1) counts_leave(r, s, number); // not the last: the new one is in the ring
    return LM_OK;
}

static lm_status counts_transfer(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t to,
                                 lm_handle *transferred) {
    if (to >= LM_OWNERS_MAX) return LM_NO_OWNER;
    for (;;) {
        counts_lock(r);
        lm_status status = counts_judge(r, owner, handle);
        if (status == LM_OK && counts_is_all_kept(r, handle)) status = LM_KEPT;
        bool done = status != LM_OK || counts_hand_over(r, handle, to, transferred);
        if (!done && counts_has_slot(r)) {
            status = counts_split_off(r, owner, handle, to, transferred);
            done = true;
        }
        counts_unlock(r);
        if (done) return status;
        status = counts_make_room(r);
        if (status != LM_OK) return status;
    }
}

// Resizing.
//
//     count  1  --claim-->  LM_COUNT_BUSY  --settle-->  1
//
// The allocator is called without the lock. Until it returns, every call with the handle returns
// LM_BUSY. Such calls are made by threads without a reference of their own, or by foreign code.

// The number of bytes by which a resize makes a buffer larger.
static uint32_t counts_growth(const lm_slot *s, uint32_t size) {
    return size > s->size ? size - s->size : 0;
}

// Whether a resize would exceed the budget. The caller holds the lock.
static bool counts_grows_beyond(const lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                uint32_t size) {
    if (LM_LIKELY(!r->pressure) || counts_judge(r, owner, handle) != LM_OK) return false;
    uint32_t more = counts_growth(lm_slot_at(r, lm_handle_slot(handle)), size);
    return more && counts_exceeds(r, lm_handle_memory(handle), more);
}

// Claims the buffer's only reference; the bytes that it grows by count as wanted from then on.
// Stores its slot in `old`. Calls the callback first if the budget would be exceeded, unless
// `told`.
static lm_status counts_claim(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t size,
                              bool *told, lm_slot *old) {
    uint32_t number = lm_handle_slot(handle);
    uint64_t word = 0;
    lm_slot *s = NULL;
    lm_status status;
    counts_lock(r);
    if (!*told && counts_grows_beyond(r, owner, handle, size)) {
        counts_unlock(r);
        *told = true;
        counts_press(r, lm_handle_memory(handle), size);
        counts_lock(r);
    }
    do {
        status = counts_judge_word(r, owner, handle, &word);
        if (status != LM_OK) break;
        s = lm_slot_at(r, number);
        if (lm_word_count(word) != 1 || s->next != number) status = LM_SHARED;
    } while (status == LM_OK &&
             !counts_swap_word(s, &word, word | LM_COUNT_BUSY, __ATOMIC_ACQUIRE));
    if (status == LM_OK) {
        *old = *s;
        lm_state_of(r)->busy++;
        lm_state_of(r)->wanted[lm_handle_memory(handle)] += counts_growth(s, size);
    }
    counts_unlock(r);
    return status;
}

// Records the result of a resize. `wanted`: the size at the claim.
static void counts_settle(const lm_buffer_table *r, lm_handle handle, const placed *p,
                          uint32_t size, uint32_t wanted) {
    counts_lock(r);
    lm_buffer_table_state *state = lm_state_of(r);
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    state->busy--;
    state->wanted[lm_handle_memory(handle)] -= counts_growth(s, wanted);
    counts_discharge(&state->memories[lm_handle_memory(handle)], s->size);
    counts_charge(&state->memories[lm_handle_memory(handle)], size);
    s->block = p->block;
    s->start = p->start;
    s->size = size;
    counts_write_word(s, (handle & ~LM_WORD_COUNT) | (s->kept ? LM_WORD_KEPT : 0) | 1);
    counts_unlock(r);
}

// The alignment of every resized block: of foreign allocators the one that lm_buffer_table_add
// requires.
static uint32_t counts_resize_aligns(const lm_memories *all, uint32_t memory) {
    return lm_access_is_foreign(all, memory) ? 8 : LM_BLOCK_ALIGNMENT;
}

// Resizes a block in which the buffer's start is aligned by an offset or by chance, with enough
// room to align it again at any address.
static placed counts_replace_with_slack(lm_memories *all, uint32_t memory, uint32_t size,
                                        const lm_slot *old) {
    placed p = {0};
    uint32_t alignment = 1u << old->alignment_log2, slack = alignment - 1;
    uint32_t kept = old->size < size ? old->size : size;
    if (slack > UINT32_MAX - counts_some(size)) return p;
    bool locked = lm_access_enter(all, memory);
    p.block = lm_access_resize(all, memory, old->block, counts_some(size) + slack);
    lm_access_leave(all, memory, locked);
    p.start = lm_round_up(p.block, alignment);
    uint32_t from = p.block + (old->start - old->block);
    if (p.block && p.start != from) lm_access_copy(all, memory, p.start, memory, from, kept);
    return p;
}

// Resizes a buffer's block, which may move. Block 0: out of memory.
static placed counts_replace(lm_memories *all, uint32_t memory, uint32_t size, const lm_slot *old) {
    placed p = {0};
    uint32_t alignment = 1u << old->alignment_log2;
    bool exact = old->block == old->start, more = alignment > counts_resize_aligns(all, memory);
    if (!exact || (more && !lm_access_keeps_aligned(all, memory)))
        return counts_replace_with_slack(all, memory, size, old);
    bool locked = lm_access_enter(all, memory);
    p.block = more ? lm_access_resize_aligned(all, memory, old->block, counts_some(size), alignment)
                   : lm_access_resize(all, memory, old->block, counts_some(size));
    lm_access_leave(all, memory, locked);
    p.start = p.block;
    return p;
}

// A buffer that is made smaller stays in place if the allocator fails.
static lm_status counts_try_resize(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                   uint32_t size, bool *told) {
    lm_slot old;
    lm_status status = counts_claim(r, owner, handle, size, told, &old);
    if (status != LM_OK) return status;
    placed p = counts_replace(&r->memories, lm_handle_memory(handle), size, &old);
    bool served = p.block || size <= old.size;
    if (!p.block) p = (placed){.block = old.block, .start = old.start};
    counts_settle(r, handle, &p, served ? size : old.size, size);
    return served ? LM_OK : LM_OUT_OF_MEMORY;
}

// The word is read once: another thread may retain and release meanwhile.
static lm_status counts_describe(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                 lm_buffer_info *info) {
    uint64_t word;
    counts_lock(r);
    lm_status status = counts_judge_word(r, owner, handle, &word);
    if (status == LM_OK) {
        uint32_t number = lm_handle_slot(handle);
        const lm_slot *s = lm_slot_at(r, number);
        info->memory = lm_handle_memory(handle);
        info->start = s->start;
        info->size = s->size;
        info->references = lm_word_count(word);
        info->unique = info->references == 1 && s->next == number;
    }
    counts_unlock(r);
    return status;
}

static lm_status counts_resize(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                               uint32_t size) {
    bool told = false;
    lm_status status = counts_try_resize(r, owner, handle, size, &told);
    if (status != LM_OUT_OF_MEMORY || !counts_press(r, lm_handle_memory(handle), size))
        return status;
    return counts_try_resize(r, owner, handle, size, &told);
}

// Releases all references of a slot that no token keeps, if it is the owner's and not busy, exactly
// once if other threads release too. Returns whether the share must leave.
static bool counts_take_all(lm_slot *s, uint32_t owner) {
    uint64_t word = counts_read_word(s, __ATOMIC_RELAXED), left;
    do {
        if (lm_word_count(word) - 1 >= LM_COUNT_MAX || lm_stamp_owner(lm_word_stamp(word)) != owner)
            return false;
        left = (word & ~LM_WORD_COUNT) | (s->kept ? LM_WORD_KEPT : 0) | s->kept;
    } while (!counts_swap_word(s, &word, left, __ATOMIC_ACQ_REL));
    return s->kept == 0;
}

static uint64_t counts_release_all(lm_buffer_table *r, uint32_t owner) {
    uint64_t freed = 0;
    lm_finalizers_forget(r, owner);
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++) {
        counts_lock(r);
        lm_slot *s = lm_slot_at(r, number);
        uint32_t memory = counts_memory_of(s), block = 0;
        if (counts_take_all(s, owner)) block = counts_leave(r, s, number);
        counts_unlock(r);
        freed += counts_free_block(r, memory, block) == LM_FREED;
    }
    return freed;
}

// Validation.

typedef struct sums {
    uint64_t memories, retired, slots, buffers;
} sums;

static const char *counts_share_law(const lm_buffer_table *r, uint32_t number, const sums *seen) {
    const lm_slot *s = lm_slot_at(r, number), *next;
    uint32_t owner = lm_stamp_owner(lm_word_stamp(s->word));
    uint32_t count = lm_word_count(s->word);
    if (count > LM_COUNT_MAX && count != LM_COUNT_BUSY) return "count in its bits";
    if (s->kept > (count == LM_COUNT_BUSY ? 1 : count) || !s->kept != !(s->word & LM_WORD_KEPT))
        return "kept";
    if (owner >= LM_OWNERS_MAX || counts_memory_of(s) >= r->memories.count || s->walked)
        return "share";
    if (s->next >= seen->slots || s->previous >= seen->slots) return "ring";
    next = lm_slot_at(r, s->next);
    if (next->previous != number || lm_word_count(next->word) == 0 || next->block != s->block ||
        next->start != s->start || next->size != s->size ||
        counts_memory_of(next) != counts_memory_of(s))
        return "ring";
    if ((uint64_t)s->start + s->size > lm_access_end(&r->memories, counts_memory_of(s)) ||
        s->start < s->block || s->start & ((1u << s->alignment_log2) - 1))
        return "block in memory";
    return NULL;
}

// Marks the shares of a buffer, whose ring is valid. Returns whether they were not marked before.
static bool counts_walk_ring(const lm_buffer_table *r, uint32_t number) {
    lm_slot *s = lm_slot_at(r, number);
    bool first = !s->walked;
    for (; !s->walked; s = lm_slot_at(r, s->next))
        s->walked = true;
    return first;
}

// Counts each buffer once, and clears the marks.
static void counts_count_buffers(const lm_buffer_table *r, sums *seen) {
    for (uint32_t number = 0; number < seen->slots; number++) {
        const lm_slot *s = lm_slot_at(r, number);
        if (!lm_word_count(s->word) || !counts_walk_ring(r, number)) continue;
        seen->buffers++;
        seen->memories += s->size;
    }
    for (uint32_t number = 0; number < seen->slots; number++)
        if (lm_word_count(lm_slot_at(r, number)->word)) lm_slot_at(r, number)->walked = false;
}

static const char *counts_free_law(const lm_buffer_table *r, uint32_t slots, uint32_t free) {
    uint32_t at = lm_state_of(r)->free;
    for (; at && free; at = lm_slot_at(r, at - 1)->next, free--)
        if (at > slots || lm_word_count(lm_slot_at(r, at - 1)->word)) return "free slots";
    return at || free ? "free slots" : NULL;
}

static const char *counts_validate(lm_buffer_table *r, lm_census *census) {
    const lm_buffer_table_state *state = lm_state_of(r);
    sums seen = {.slots = lm_records_count(&state->slots)};
    uint32_t live = 0, busy = 0, slots = (uint32_t)seen.slots;
    for (uint32_t number = 0; number < slots; number++) {
        const lm_slot *s = lm_slot_at(r, number);
        if (!lm_word_count(s->word)) continue;
        const char *broken = counts_share_law(r, number, &seen);
        if (broken) return broken;
        live++;
        busy += lm_word_count(s->word) == LM_COUNT_BUSY;
    }
    counts_count_buffers(r, &seen);
    if (busy != state->busy) return "busy";
    const char *broken = counts_free_law(r, slots, slots - live - state->taken - state->retired);
    if (broken) return broken;
    uint64_t memories = 0, buffers = 0, wanted = 0;
    for (uint32_t i = 0; i < LM_MEMORIES_MAX; i++) {
        memories += state->memories[i].bytes;
        buffers += state->memories[i].buffers;
        wanted += state->wanted[i];
    }
    if (wanted && !state->taken && !state->busy) return "bytes wanted";
    if (memories != seen.memories || buffers != seen.buffers) return "bytes in memories";
    if (census) {
        *census = (lm_census){.live_blocks = buffers, .live_bytes = memories};
        census->free_blocks = slots - live;
    }
    return NULL;
}

const lm_counts COUNTS = {
    .name = NAME,
    .threads = THREADS,
    .create = counts_create,
    .adopt = counts_adopt,
    .retain = counts_retain,
    .release = counts_release,
    .share = counts_share,
    .transfer = counts_transfer,
    .resize = counts_resize,
    .describe = counts_describe,
    .release_all = counts_release_all,
    .keep = counts_keep,
    .unkeep = counts_unkeep,
    .release_kept = counts_release_kept,
    .validate = counts_validate,
};
